/*
 * digits.c - the data set that comes with the library: 1,797 handwritten digits (Alpaydin and Kaynak 1998, CC BY 4.0; see
 * data/README.md). The array is made from data/digits.csv.gz when the library is built.
 */
#include "io.h"

ct_dataset *ct_dataset_digits(void)
{
    CT_SCOPE;
    const unsigned char *labels = ct__io_digits + CT__IO_DIGITS * CT__IO_DIGIT_PIXELS;
    ct_tensor *x = ct_from(ct__io_digits, ct_shape(CT__IO_DIGITS, CT__IO_DIGIT_PIXELS), CT_U8);
    ct_tensor *y = ct_cast(ct_from(labels, ct_shape(CT__IO_DIGITS), CT_U8), CT_I64);
    ct_dataset *data = x && y ? ct_dataset_new(x, y) : NULL;
    if (data) data->scale = 1.0 / 16; /* pixels are 0 to 16 */
    return data;
}
