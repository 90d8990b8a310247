/*
 * create.c - tensors from constants, sequences and the caller's memory.
 *
 * Sequences are computed in double and cast to the dtype, each element from its index: start + i step adds up no rounding errors.
 * Invariant: an element of a bool tensor is 0 or 1, whatever bytes it was copied from.
 */
#include "tensor/script.h"

#include <math.h>
#include <string.h>

/* ---- constants ---- */

static ct_tensor *make(const char *operation, ct_shape shape, ct_dtype dtype)
{
    if (!ct__shape_check(operation, shape, dtype)) return NULL;
    return ct__tensor_new(operation, dtype, (int)shape.rank, shape.dim);
}

static ct_tensor *filled(const char *operation, ct_shape shape, double value, ct_dtype dtype)
{
    ct_tensor *t = make(operation, shape, dtype);
    if (t) ct__fill(t, value);
    return t;
}

ct_tensor *ct_empty(ct_shape shape, ct_dtype dtype) { return make("ct_empty", shape, dtype); }
ct_tensor *ct_zeros(ct_shape shape, ct_dtype dtype) { return filled("ct_zeros", shape, 0, dtype); }
ct_tensor *ct_ones(ct_shape shape, ct_dtype dtype) { return filled("ct_ones", shape, 1, dtype); }
ct_tensor *ct_full(ct_shape shape, double value, ct_dtype dtype) { return filled("ct_full", shape, value, dtype); }

ct_tensor *ct_eye(int64_t n, ct_dtype dtype)
{
    ct_tensor *t = filled("ct_eye", ct_shape(n, n), 0, dtype);
    if (!t) return NULL;
    const int64_t step = (n + 1) * (int64_t)ct__size(t);
    for (int64_t i = 0; i < n; i++) ct__store(t->data + i * step, dtype, 1);
    return ct__constant(t);
}

ct_tensor *ct_scalar(double value)
{
    ct_tensor *t = ct__tensor_new("ct_scalar", CT_F64, 0, NULL);
    if (!t) return NULL;
    *(double *)(void *)t->data = value;
    t->weak = true;
    return ct__constant(t);
}

/* ---- sequences ---- */

/* t[i] = start + i step, in blocks that are cast together. */
static void fill_sequence(ct_tensor *t, double start, double step)
{
    enum { BLOCK = 256 };
    double block[BLOCK], place[BLOCK]; /* so that no integer is converted for each */
    for (int j = 0; j < BLOCK; j++) place[j] = j;
    const ct__kernel cast = ct__cast_kernel(t->dtype, CT_F64);
    for (int64_t i = 0; i < t->count; i += BLOCK) {
        const int64_t n = t->count - i < BLOCK ? t->count - i : BLOCK;
        for (int64_t j = 0; j < n; j++) block[j] = start + ((double)i + place[j]) * step;
        char *const p[] = {t->data + i * (int64_t)ct__size(t), (char *)block};
        cast(n, p, NULL);
    }
}

ct_tensor *ct_arange(double start, double stop, double step, ct_dtype dtype)
{
    const double count = ceil((stop - start) / step);
    if (!isfinite(start) || !isfinite(stop) || !isfinite(step) || step == 0 || !(count < 0x1p46))
        return ct__fail(CT_ERROR_VALUE, "ct_arange", "start %g, stop %g, step %g; expected finite numbers, a step that is not 0, "
                        "and a number of elements that memory can hold", start, stop, step);
    ct_tensor *t = make("ct_arange", ct_shape(count > 0 ? (int64_t)count : 0), dtype);
    if (t) fill_sequence(t, start, step);
    return ct__constant(t);
}

ct_tensor *ct_linspace(double start, double stop, int64_t count, ct_dtype dtype)
{
    if (count < 0 || !isfinite(stop - start))
        return ct__fail(CT_ERROR_VALUE, "ct_linspace",
                        "%lld values from %g to %g; expected ends at a finite distance and a count of at least 0",
                        (long long)count, start, stop);
    ct_tensor *t = make("ct_linspace", ct_shape(count), dtype);
    if (!t) return NULL;
    fill_sequence(t, start, count > 1 ? (stop - start) / (double)(count - 1) : 0);
    if (count > 1) ct__store(t->data + (count - 1) * (int64_t)ct__size(t), dtype, stop); /* exactly, not but for rounding */
    return ct__constant(t);
}

/* ---- the caller's memory ---- */

ct_tensor *ct_from(const void *data, ct_shape shape, ct_dtype dtype)
{
    if (!ct__shape_check("ct_from", shape, dtype)) return NULL;
    if (!data && ct_shape_count(shape) > 0) return ct__fail_null("ct_from", "data");
    ct_tensor *t = make("ct_from", shape, dtype);
    if (!t || t->count == 0) return t;
    if (dtype == CT_BOOL) {
        const uint8_t *from = data;
        for (int64_t i = 0; i < t->count; i++) t->data[i] = from[i] != 0;
    } else {
        memcpy(t->data, data, (size_t)t->count * ct__size(t));
    }
    return ct__constant(t);
}

ct_tensor *ct_from_values(const double *values, int64_t count, ct_shape shape, ct_dtype dtype)
{
    if (!ct__shape_check("ct_from_values", shape, dtype)) return NULL;
    const int64_t expected = ct_shape_count(shape);
    if (count != expected)
        return ct__fail(CT_ERROR_SHAPE, "ct_from_values", "%lld values for shape %s, which has %lld elements", (long long)count,
                        ct__describe_shape(shape), (long long)expected);
    if (!values && count > 0) return ct__fail_null("ct_from_values", "values");
    ct_tensor *t = make("ct_from_values", shape, dtype);
    if (!t || count == 0) return t;
    char *const p[] = {t->data, (char *)(uintptr_t)values};
    ct__cast_kernel(dtype, CT_F64)(count, p, NULL);
    return ct__constant(t);
}

ct_tensor *ct_wrap(void *data, ct_shape shape, ct_dtype dtype, void (*release)(void *data, void *context), void *context)
{
    if (!ct__shape_check("ct_wrap", shape, dtype)) return NULL;
    if (!data && ct_shape_count(shape) > 0) return ct__fail_null("ct_wrap", "data");
    if ((uintptr_t)data % ct_dtype_size(dtype) != 0)
        return ct__fail(CT_ERROR_VALUE, "ct_wrap",
                        "the memory of %s %s is not aligned to %zu bytes; ct_from copies from anywhere", ct_dtype_name(dtype),
                        ct__describe_shape(shape), ct_dtype_size(dtype));
    return ct__tensor_wrap("ct_wrap", dtype, (int)shape.rank, shape.dim, data, release, context);
}
