/*
 * dataset.c - examples in memory: row i of x belongs to row i of y.
 *
 * x stays as small as it came (u8 images are a quarter of f32) and is scaled where rows are taken. Both tensors are
 * contiguous, so that a row is a run of bytes.
 */
#include "io.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- making ------------------------------------------------------------------------------------------- */

/* Plain rows of the data set's own: without a graph, row-major, out of every scope. */
static ct_tensor *own(ct_tensor *t)
{
    CT_SCOPE;
    return ct_keep(ct_contiguous(ct_detach(t)));
}

static ct_dataset *make(const char *operation, ct_tensor *x, ct_tensor *y, double scale)
{
    ct_dataset *data = calloc(1, sizeof *data);
    if (!data) return ct_raise(CT_ERROR_MEMORY, operation, "out of memory for a data set"), NULL;
    data->scale = scale;
    data->holders = 1;
    data->x = own(x);
    data->y = own(y);
    if (data->x && data->y) return data;
    ct_dataset_free(data);
    return NULL;
}

ct_dataset *ct_dataset_new(ct_tensor *x, ct_tensor *y)
{
    static const char *operation = "ct_dataset_new";
    if (!x || !y) return ct_raise(CT_ERROR_NULL, operation, "%s is NULL", x ? "y" : "x"), NULL;
    if (ct_rank(x) > 0 && ct_rank(y) > 0 && ct_dim(x, 0) == ct_dim(y, 0)) return make(operation, x, y, 1);
    const ct__io_text of_x = ct__io_describe(ct_dtype_of(x), ct_shape_get(x));
    const ct__io_text of_y = ct__io_describe(ct_dtype_of(y), ct_shape_get(y));
    ct_raise(CT_ERROR_SHAPE, operation, "x is %s, y is %s: expected as many rows (axis 0) in both", of_x.text, of_y.text);
    return NULL;
}

ct_dataset *ct_dataset_idx(const char *images, const char *labels)
{
    static const char *operation = "ct_dataset_idx";
    if (!images || !labels) return ct_raise(CT_ERROR_NULL, operation, "%s is NULL", images ? "labels" : "images"), NULL;
    CT_SCOPE;
    ct_tensor *x = ct__io_idx_load(operation, images, CT__IO_IDX_IMAGES);
    /* its size was checked: rows * columns does not overflow, also where there are no images */
    if (x) x = ct_reshape(x, ct_shape(ct_dim(x, 0), ct_dim(x, 1) * ct_dim(x, 2)));
    ct_tensor *y = x ? ct__io_idx_load(operation, labels, CT__IO_IDX_LABELS) : NULL;
    if (!y) return NULL;
    if (ct_dim(x, 0) != ct_dim(y, 0)) {
        ct_raise(CT_ERROR_FORMAT, operation, "\"%s\" has %" PRId64 " images, but \"%s\" has %" PRId64 " labels", images,
                 ct_dim(x, 0), labels, ct_dim(y, 0));
        return NULL;
    }
    y = ct_cast(y, CT_I64);
    return y ? make(operation, x, y, 1.0 / 255) : NULL;
}

ct_dataset *ct_dataset_slice(const ct_dataset *data, int64_t start, int64_t stop)
{
    static const char *operation = "ct_dataset_slice";
    if (!data) return ct_raise(CT_ERROR_NULL, operation, "data is NULL"), NULL;
    CT_SCOPE;
    ct_tensor *x = ct_slice(data->x, 0, start, stop, 1);
    ct_tensor *y = ct_slice(data->y, 0, start, stop, 1);
    return x && y ? make(operation, x, y, data->scale) : NULL;
}

void ct_dataset_free(ct_dataset *data)
{
    if (!data || atomic_fetch_sub(&data->holders, 1) != 1) return;
    ct_free(data->x);
    ct_free(data->y);
    free(data);
}

/* ---- reading ------------------------------------------------------------------------------------------ */

int64_t ct_dataset_count(const ct_dataset *data)
{
    if (data) return ct_dim(data->x, 0);
    ct_raise(CT_ERROR_NULL, "ct_dataset_count", "data is NULL");
    return -1;
}

bool ct_dataset_set_scale(ct_dataset *data, double scale)
{
    static const char *operation = "ct_dataset_set_scale";
    if (!data) return ct_raise(CT_ERROR_NULL, operation, "data is NULL");
    if (!ct_may_change_state()) return false;
    if (!(fabs(scale) <= FLT_MAX)) return ct_raise(CT_ERROR_VALUE, operation, "scale is %g, expected a finite f32", scale);
    if (ct_dtype_of(data->x) != CT_U8)
        return ct_raise(CT_ERROR_DTYPE, operation, "x is %s: only u8 is scaled", ct_dtype_name(ct_dtype_of(data->x)));
    data->scale = scale;
    return true;
}

ct_tensor *ct_dataset_x(const ct_dataset *data)
{
    if (data) return ct__io_rows_of_x(data, NULL, 0, ct_dim(data->x, 0));
    ct_raise(CT_ERROR_NULL, "ct_dataset_x", "data is NULL");
    return NULL;
}

ct_tensor *ct_dataset_y(const ct_dataset *data)
{
    if (data) return ct__io_rows_of_y(data, NULL, 0, ct_dim(data->y, 0));
    ct_raise(CT_ERROR_NULL, "ct_dataset_y", "data is NULL");
    return NULL;
}

/* ---- taking rows -------------------------------------------------------------------------------------- */

/* A run of the rows that are wanted: `count` of them, one after another in the data set too. */
typedef void (*copy_run)(unsigned char *to, const unsigned char *from, int64_t elements, double scale);

static void copy_bytes(unsigned char *to, const unsigned char *from, int64_t bytes, double scale)
{
    (void)scale;
    memcpy(to, from, (size_t)bytes);
}

/* x = scale u8, in f32 */
static void scale_bytes(unsigned char *restrict to, const unsigned char *restrict from, int64_t count, double scale)
{
    float *restrict x = (float *)(void *)to;
    const float s = (float)scale;
    for (int64_t i = 0; i < count; i++) x[i] = (float)from[i] * s;
}

/* A fresh tensor of `dtype` whose rows are made by `copy` from `count` rows of t. */
static ct_tensor *take(const ct_tensor *t, const int64_t *rows, int64_t start, int64_t count, ct_dtype dtype,
                       copy_run copy, double scale)
{
    ct_shape shape = ct_shape_get(t);
    const int64_t elements = shape.dim[0] > 0 ? ct_count_of(t) / shape.dim[0] : 0;
    shape.dim[0] = count;
    ct_tensor *y = ct_empty(shape, dtype);
    if (!y || count == 0 || elements == 0) return y;
    const int64_t from_step = elements * (int64_t)ct_dtype_size(ct_dtype_of(t));
    const int64_t to_step = elements * (int64_t)ct_dtype_size(dtype);
    const int64_t units = copy == copy_bytes ? from_step : elements;
    const unsigned char *from = ct_data(t);
    unsigned char *to = ct_data(y);
    if (!rows) copy(to, from + start * from_step, count * units, scale);
    else
        for (int64_t i = 0; i < count; i++) copy(to + i * to_step, from + rows[i] * from_step, units, scale);
    ct_touch(y);
    return y;
}

ct_tensor *ct__io_rows_of_x(const ct_dataset *data, const int64_t *rows, int64_t start, int64_t count)
{
    const ct_dtype dtype = ct_dtype_of(data->x);
    if (dtype == CT_U8) return take(data->x, rows, start, count, CT_F32, scale_bytes, data->scale);
    return take(data->x, rows, start, count, dtype, copy_bytes, 1);
}

ct_tensor *ct__io_rows_of_y(const ct_dataset *data, const int64_t *rows, int64_t start, int64_t count)
{
    return take(data->y, rows, start, count, ct_dtype_of(data->y), copy_bytes, 1);
}
