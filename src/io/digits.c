/*
 * digits.c - the data set that comes with the library: 1,797 handwritten digits (Alpaydin and Kaynak 1998, CC BY 4.0; see
 * data/README.md). The array is made from data/digits.csv.gz when the library is built: each pixel of all images, then all labels, deflated.
 */
#include "io.h"

#include <zlib.h>

enum { PIXELS = CT__IO_DIGITS * CT__IO_DIGIT_PIXELS, BYTES = PIXELS + CT__IO_DIGITS };

/* All bytes as they were before they were deflated; NULL with an error. */
static const unsigned char *unpack(ct_tensor *bytes)
{
    unsigned char *to = bytes ? ct_data(bytes) : NULL;
    uLongf size = BYTES;
    if (to && uncompress(to, &size, ct__io_digits, ct__io_digits_size) == Z_OK && size == BYTES) return to;
    if (to) ct_raise(CT_ERROR_MEMORY, "ct_dataset_digits", "out of memory for unpacking the digits");
    return NULL;
}

ct_dataset *ct_dataset_digits(void)
{
    CT_SCOPE;
    const unsigned char *bytes = unpack(ct_empty(ct_shape(BYTES), CT_U8));
    if (!bytes) return NULL;
    ct_tensor *x = ct_contiguous(ct_transpose(ct_from(bytes, ct_shape(CT__IO_DIGIT_PIXELS, CT__IO_DIGITS), CT_U8)));
    ct_tensor *y = ct_cast(ct_from(bytes + PIXELS, ct_shape(CT__IO_DIGITS), CT_U8), CT_I64);
    ct_dataset *data = x && y ? ct_dataset_new(x, y) : NULL;
    if (data) data->scale = 1.0 / 16; /* pixels are 0 to 16 */
    return data;
}
