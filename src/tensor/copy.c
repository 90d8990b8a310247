/*
 * copy.c - copies between any layouts and dtypes, fills, and single elements.
 *
 * A cast from float to integer truncates toward zero and saturates, NaN becomes 0; to bool it asks whether the value is not zero. A copy
 * whose inner axes are swapped (a transposed matrix) goes in tiles, so that both sides use whole cache lines.
 */
#include "tensor/copy.h"
#include "tensor/stream.h"
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

/* ---- transposed copies in strips ---- */

/* A block: so many bytes of each row of the operand; the next one is fetched while one is turned. */
enum { BLOCK_BYTES = 2048, MAX_PARTS = 64, SHORT = 1 << 20 /* bytes: some 20 us */ };

typedef struct transpose {
    ct__turn whole;
    void (*turn)(const ct__turn *t);
    int64_t size, high, wide;      /* of an element; rows and columns of a block */
    int64_t across, blocks, group; /* blocks in a strip, of all, in a part */
} transpose;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static const char *block_start(const transpose *t, int64_t block)
{
    return t->whole.from + block / t->across * t->high * t->whole.from_row + block % t->across * t->wide * t->size;
}

static void transpose_blocks(void *context, int64_t part)
{
    const transpose *t = context;
    const int64_t first = part * t->group, end = least(first + t->group, t->blocks);
    for (int64_t b = first; b < end; b++) {
        const int64_t i = b / t->across * t->high, j = b % t->across * t->wide;
        ct__turn block = t->whole;
        block.to += i * t->size + j * block.to_row;
        block.from = block_start(t, b);
        block.rows = least(block.rows - i, t->high);
        block.columns = least(block.columns - j, t->wide);
        block.next = b + 1 < end ? block_start(t, b + 1) : NULL;
        t->turn(&block);
    }
    if (t->whole.stream) ct__stream_end();
}

static const ct__copy_kernels *kernels_of_machine(void)
{
#ifdef CT__HAVE_X86_VARIANTS
    const ct__copy_kernels *const tables[] = {&ct__copy_kernels_baseline, &ct__copy_kernels_avx2, &ct__copy_kernels_avx512};
    return tables[ct__isa()];
#else
    return &ct__copy_kernels_baseline;
#endif
}

/* Is it a plain transposition of a matrix of some size, with no cast? */
static bool copy_transposed(ct_tensor *dst, const ct_tensor *src)
{
    if (dst->rank != 2 || dst->dtype != src->dtype || dst->count < 1024) return false;
    if (dst->stride[1] != 1 || src->stride[0] != 1 || src->stride[1] < src->dim[0] || dst->stride[0] < dst->dim[1]) return false;
    const int64_t size = (int64_t)ct__size(dst);
    transpose t = {.size = size, .high = CT__TURN_BYTES / size, .wide = BLOCK_BYTES / size};
    t.whole = (ct__turn){.to = dst->data, .from = src->data, .to_row = dst->stride[0] * size, .from_row = src->stride[1] * size,
                         .rows = src->dim[1], .columns = src->dim[0]};
    t.whole.stream = ct__streams(dst->count * size) && ((uintptr_t)dst->data | (uintptr_t)t.whole.to_row) % 64 == 0;
    t.turn = kernels_of_machine()->turn[size == 1 ? 0 : size == 4 ? 1 : 2];
    t.across = (t.whole.columns + t.wide - 1) / t.wide;
    t.blocks = (t.whole.rows + t.high - 1) / t.high * t.across;
    t.group = dst->count * size < SHORT ? t.blocks : (t.blocks + MAX_PARTS - 1) / MAX_PARTS;
    ct__parallel((t.blocks + t.group - 1) / t.group, transpose_blocks, &t);
    return true;
}

/* ---- large copies ---- */

enum { AHEAD = 2048 };
typedef struct span {
    char *to;
    const char *from;
    int64_t bytes, part;
} span;

/* Straight past the caches: no kernel, no buffer. */
static void copy_part(void *context, int64_t part)
{
    const span *s = context;
    const int64_t first = part * s->part, end = least(first + s->part, s->bytes);
    for (int64_t i = first; i < end; i += 64) {
        __builtin_prefetch(s->from + i + AHEAD);
        ct__stream(s->to + i, s->from + i, least(end - i, 64));
    }
    ct__stream_end();
}

/* Is it large, and the same bytes in the same order? */
static bool copy_streamed(ct_tensor *dst, const ct_tensor *src)
{
    span s = {dst->data, src->data, dst->count * (int64_t)ct__size(dst), 0};
    if (!ct__streams(s.bytes) || dst->dtype != src->dtype || dst->storage == src->storage) return false;
    if (!ct__contiguous(dst) || !ct__contiguous(src)) return false;
    s.part = (s.bytes / MAX_PARTS + 63) / 64 * 64;
    ct__parallel((s.bytes + s.part - 1) / s.part, copy_part, &s);
    return true;
}

void ct__copy(ct_tensor *dst, const ct_tensor *src)
{
    if (dst->count == 0) return;
    if (dst->dtype == src->dtype && dst->count < 4096 && ct__contiguous(dst) && ct__contiguous(src)) {
        memmove(dst->data, src->data, (size_t)dst->count * ct__size(dst));
        return;
    }
    if (copy_transposed(dst, src) || copy_streamed(dst, src)) return;
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
    enum { FEW = 64 };
    char element[8];
    ct__store(element, t->dtype, value);
    if (t->dense && t->count <= FEW) { /* not worth a plan */
        const size_t size = ct__size(t);
        if (size == 4) for (int64_t i = 0; i < t->count; i++) memcpy(t->data + 4 * i, element, 4);
        else for (int64_t i = 0; i < t->count; i++) memcpy(t->data + size * (size_t)i, element, size);
        return;
    }
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
