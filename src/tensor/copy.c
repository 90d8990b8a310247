/*
 * copy.c - copies between any layouts and dtypes, fills, and single elements.
 *
 * A cast from float to integer truncates toward zero and saturates, NaN becomes 0; to bool it asks whether the value is not zero. A copy
 * whose inner axes are swapped (a transposed matrix) goes in tiles, so that both sides use whole cache lines.
 */
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

/* ---- casts: one kernel for each pair ---- */

#define SAME(v) (v)
#define TO_BOOL(v) ((v) != 0)
#define SATURATE(low, high, v) ((v) != (v) ? 0 : (v) <= (low) ? (low) : (v) >= (high) ? (high) : (v))
/* The largest double below 2^63 is 2^63 - 1024, so the upper bound of i64 is tested as >= 2^63. */
#define TO_I64(v) ((v) != (v) ? 0 : (v) <= -9223372036854775808.0 ? INT64_MIN : (v) >= 9223372036854775808.0 ? INT64_MAX : (int64_t)(v))
#define TO_I32(v) (int32_t)SATURATE(-2147483648.0, 2147483647.0, (double)(v))
#define TO_U8(v) (uint8_t)SATURATE(0.0, 255.0, (v))
/* Integers to narrower integers wrap; the conversion goes through unsigned, so that it is defined. */
#define WRAP32(v) (int32_t)(uint32_t)(uint64_t)(v)

#define CAST(name, T, F, convert)                                                                                      \
    static void name(int64_t n, char *const *p, const double *params)                                                  \
    {                                                                                                                  \
        (void)params;                                                                                                  \
        T *to = (T *)(void *)p[0];                                                                                     \
        const F *from = (const F *)(const void *)p[1];                                                                 \
        for (int64_t i = 0; i < n; i++) to[i] = (T)convert(from[i]);                                                   \
    }
#define CASTS_TO_INTEGERS_FROM_FLOAT(f, F)                                                                             \
    CAST(f##_to_i32, int32_t, F, TO_I32)                                                                               \
    CAST(f##_to_i64, int64_t, F, TO_I64)                                                                               \
    CAST(f##_to_u8, uint8_t, F, TO_U8)                                                                                 \
    CAST(f##_to_bool, uint8_t, F, TO_BOOL)
#define CASTS_FROM_INTEGER(f, F)                                                                                       \
    CAST(f##_to_f32, float, F, SAME)                                                                                   \
    CAST(f##_to_f64, double, F, SAME)                                                                                  \
    CAST(f##_to_i32, int32_t, F, WRAP32)                                                                               \
    CAST(f##_to_i64, int64_t, F, SAME)                                                                                 \
    CAST(f##_to_u8, uint8_t, F, SAME)                                                                                  \
    CAST(f##_to_bool, uint8_t, F, TO_BOOL)
CAST(f32_to_f32, uint32_t, uint32_t, SAME) /* as bits: a copy keeps a NaN's payload */
CAST(f32_to_f64, double, float, SAME)
CAST(f64_to_f32, float, double, SAME)
CAST(f64_to_f64, uint64_t, uint64_t, SAME)
CASTS_TO_INTEGERS_FROM_FLOAT(f32, float)
CASTS_TO_INTEGERS_FROM_FLOAT(f64, double)
CASTS_FROM_INTEGER(i32, int32_t)
CASTS_FROM_INTEGER(i64, int64_t)
CASTS_FROM_INTEGER(u8, uint8_t)

#define ROW(f) {[CT_F32] = f##_to_f32, [CT_F64] = f##_to_f64, [CT_I32] = f##_to_i32, [CT_I64] = f##_to_i64, [CT_U8] = f##_to_u8, [CT_BOOL] = f##_to_bool}
/* casts[from][to]; a bool holds 0 or 1 in a byte, so it is read as u8. */
static const ct__kernel casts[CT_DTYPES][CT_DTYPES] = {
    [CT_F32] = ROW(f32), [CT_F64] = ROW(f64), [CT_I32] = ROW(i32), [CT_I64] = ROW(i64), [CT_U8] = ROW(u8), [CT_BOOL] = ROW(u8),
};

ct__kernel ct__cast_kernel(ct_dtype to, ct_dtype from) { return casts[from][to]; }

/* ---- transposed copies in tiles ---- */

enum { TILE = 32, STRIP = 64 };

typedef struct transpose {
    char *to;
    const char *from;
    int64_t rows, columns, to_row, from_column; /* to is contiguous along columns, from along rows */
    size_t size;
} transpose;

#define TILE_COPY(TYPE)                                                                                                \
    {                                                                                                                  \
        TYPE *d = (TYPE *)(void *)t->to;                                                                               \
        const TYPE *s = (const TYPE *)(const void *)t->from;                                                           \
        for (int64_t i = i0; i < i1; i++) {                                                                            \
            for (int64_t j = j0; j < j1; j++) d[i * t->to_row + j] = s[j * t->from_column + i];                        \
        }                                                                                                              \
    }

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* A strip of rows of the result, tile by tile. */
static void transpose_strip(void *context, int64_t strip)
{
    const transpose *t = context;
    const int64_t from = strip * STRIP, to = least(t->rows, from + STRIP);
    for (int64_t j0 = 0; j0 < t->columns; j0 += TILE) {
        for (int64_t i0 = from; i0 < to; i0 += TILE) {
            const int64_t i1 = least(to, i0 + TILE), j1 = least(t->columns, j0 + TILE);
            if (t->size == 4) TILE_COPY(uint32_t)
            else if (t->size == 8) TILE_COPY(uint64_t)
            else TILE_COPY(uint8_t)
        }
    }
}

/* Is it a plain transposition of a matrix of some size, with no cast? */
static bool copy_transposed(ct_tensor *dst, const ct_tensor *src)
{
    if (dst->rank != 2 || dst->dtype != src->dtype || dst->count < 1024) return false;
    if (dst->stride[1] != 1 || src->stride[0] != 1 || src->stride[1] < src->dim[0] || dst->stride[0] < dst->dim[1]) return false;
    transpose t = {.to = dst->data, .from = src->data, .rows = dst->dim[0], .columns = dst->dim[1],
                   .to_row = dst->stride[0], .from_column = src->stride[1], .size = ct__size(dst)};
    const int64_t strips = (t.rows + STRIP - 1) / STRIP;
    if (dst->count < 1 << 16) {
        for (int64_t i = 0; i < strips; i++) transpose_strip(&t, i);
    } else {
        ct__parallel(strips, transpose_strip, &t);
    }
    return true;
}

void ct__copy(ct_tensor *dst, const ct_tensor *src)
{
    if (dst->count == 0) return;
    if (dst->dtype == src->dtype && dst->count < 4096 && ct__contiguous(dst) && ct__contiguous(src)) {
        memmove(dst->data, src->data, (size_t)dst->count * ct__size(dst));
        return;
    }
    if (copy_transposed(dst, src)) return;
    ct_tensor *operands[] = {dst, (ct_tensor *)(uintptr_t)src};
    ct__map(casts[src->dtype][dst->dtype], 1, operands, 2, NULL, 1);
}

/* ---- single elements ---- */

double ct__load(const char *at, ct_dtype dtype)
{
    switch (dtype) {
    case CT_F32: return *(const float *)(const void *)at;
    case CT_F64: return *(const double *)(const void *)at;
    case CT_I32: return *(const int32_t *)(const void *)at;
    case CT_I64: return (double)*(const int64_t *)(const void *)at;
    default: return *(const uint8_t *)(const void *)at;
    }
}

void ct__store(char *at, ct_dtype dtype, double value)
{
    char *const p[] = {at, (char *)&value};
    casts[CT_F64][dtype](1, p, NULL);
}

/* ---- fills ---- */

void ct__fill(ct_tensor *t, double value)
{
    char element[8];
    ct__store(element, t->dtype, value);
    ct_tensor source = *t; /* the one element, repeated: never given to anyone */
    source.dense = false;
    source.data = element;
    memset(source.stride, 0, sizeof source.stride);
    static const char zeros[8];
    const bool zero = memcmp(element, zeros, ct__size(t)) == 0;
    if (zero && t->count < 1 << 16 && ct__contiguous(t)) {
        if (t->count) memset(t->data, 0, (size_t)t->count * ct__size(t));
        return;
    }
    ct_tensor *operands[] = {t, &source};
    ct__map(casts[t->dtype][t->dtype], 1, operands, 2, NULL, 1);
}
