/*
 * copy.c - copies between any layouts and dtypes, fills, and single elements.
 *
 * A cast from float to integer truncates toward zero and saturates, NaN becomes 0; to bool it asks whether the value is not zero. A copy
 * whose inner axes are swapped (a transposed matrix) goes in tiles, so that both sides use whole cache lines.
 */
#include "tensor/copy.h"
#include "tensor/script.h"
#include "tensor/stream.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- casts: one kernel for each pair ---- */

#define SAME(v) (v)
#define TO_BOOL(v) ((v) != 0)
#define SATURATE(low, high, v) ((v) != (v) ? 0 : (v) <= (low) ? (low) : (v) >= (high) ? (high) : (v))
/* The largest double below 2^63 is 2^63 - 1024, so the upper bound of i64 is tested as >= 2^63. */
#define TO_I64(v) ((v) != (v) ? 0 : (v) <= -9223372036854775808.0 ? INT64_MIN : (v) >= 9223372036854775808.0 ? INT64_MAX : (int64_t)(v))
#define TO_I32(v) (int32_t)SATURATE(-2147483648.0, 2147483647.0, (double)(v))
/* Integers to narrower integers wrap; the conversion goes through unsigned, so that it is defined. */
#define WRAP32(v) (int32_t)(uint32_t)(uint64_t)(v)

#define CAST(name, T, F, convert)                                                                                      \
    __attribute__((noinline)) static void name(int64_t n, char *const *p, const double *params)                        \
    {                                                                                                                  \
        (void)params;                                                                                                  \
        T *to = (T *)(void *)p[0];                                                                                     \
        const F *from = (const F *)(const void *)p[1];                                                                 \
        for (int64_t i = 0; i < n; i++) to[i] = (T)convert(from[i]);                                                   \
    }

/* By way of i32, and by calls: in one step, compilers make ten times the code of it. */
enum { BETWEEN = 256 };
__attribute__((noinline)) static void to_u8(uint8_t *to, const int32_t *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const int32_t positive = from[i] < 0 ? 0 : from[i];
        to[i] = (uint8_t)(positive < 255 ? positive : 255);
    }
}

#define CASTS_TO_INTEGERS_FROM_FLOAT(f, F)                                                                             \
    CAST(f##_to_i32, int32_t, F, TO_I32)                                                                               \
    CAST(f##_to_i64, int64_t, F, TO_I64)                                                                               \
    CAST(f##_to_bool, uint8_t, F, TO_BOOL)                                                                             \
    static void f##_to_u8(int64_t n, char *const *p, const double *params)                                             \
    {                                                                                                                  \
        int32_t between[BETWEEN];                                                                                      \
        for (int64_t i = 0; i < n; i += BETWEEN) {                                                                     \
            const int64_t m = n - i < BETWEEN ? n - i : BETWEEN;                                                       \
            f##_to_i32(m, (char *[]){(char *)between, p[1] + i * (int64_t)sizeof(F)}, params);                         \
            to_u8((uint8_t *)p[0] + i, between, m);                                                                    \
        }                                                                                                              \
    }
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

/* A block: so many bytes of each row of the operand; the next one is fetched while one is turned. Where threads share the way to memory,
 * which then sets the pace, four lines in a row cost it less than two; one thread alone takes longer over them. */
enum { BLOCK_BYTES = 2048, STREAMED_BLOCK_BYTES = 4096, TALL_BLOCK_BYTES = 1024, MAX_PARTS = 64 };

typedef struct transpose {
    ct__turn whole; /* one matrix */
    void (*turn)(const ct__turn *t);
    int64_t size, high, wide;              /* of an element; rows and columns of a block */
    int64_t across, each, blocks, group;   /* blocks in a strip, in a matrix, of all, in a part */
    int axes;                              /* the others, along which there is a matrix at each place */
    int64_t dim[CT_MAX_RANK], to[CT_MAX_RANK], from[CT_MAX_RANK]; /* their strides in bytes */
} transpose;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Block number `index` of all. */
static ct__turn block_at(const transpose *t, int64_t index)
{
    int64_t matrix = index / t->each;
    const int64_t b = index % t->each, i = b / t->across * t->high, j = b % t->across * t->wide;
    ct__turn block = t->whole;
    for (int a = t->axes - 1; a >= 0; a--) {
        block.to += matrix % t->dim[a] * t->to[a];
        block.from += matrix % t->dim[a] * t->from[a];
        matrix /= t->dim[a];
    }
    block.to += i * t->size + j * block.to_row;
    block.from += i * block.from_row + j * t->size;
    block.rows = least(block.rows - i, t->high);
    block.columns = least(block.columns - j, t->wide);
    return block;
}

static void transpose_blocks(void *context, int64_t part)
{
    const transpose *t = context;
    const int64_t first = part * t->group, end = least(first + t->group, t->blocks);
    ct__turn block = block_at(t, first);
    for (int64_t b = first; b < end; b++) {
        const bool more = b + 1 < t->blocks; /* the first one of the next part is fetched here too */
        const ct__turn next = block_at(t, more ? b + 1 : b);
        block.next = more ? next.from : NULL;
        t->turn(&block);
        block = next;
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

/* Do elements along axis `outer` follow the `n` along `inner`, in both? */
static bool goes_on(const ct_tensor *dst, const ct_tensor *src, int outer, int inner, int64_t n)
{
    return dst->stride[outer] == dst->stride[inner] * n && src->stride[outer] == src->stride[inner] * n;
}

/* The matrix of axis k of dst, whose elements are neighbors in src, and the last axis, whose elements are neighbors in dst; one at each
 * place along the other axes. */
static transpose transpose_of(const ct_tensor *dst, const ct_tensor *src, int k)
{
    const int last = dst->rank - 1;
    const int64_t size = (int64_t)ct__size(dst);
    transpose t = {.size = size};
    t.whole = (ct__turn){.to = dst->data, .from = src->data, .to_row = dst->stride[k] * size, .from_row = src->stride[last] * size,
                         .rows = dst->dim[last], .columns = dst->dim[k]};
    int64_t matrices = 1, lines = (int64_t)((uintptr_t)dst->data | (uintptr_t)t.whole.to_row);
    int end = last; /* axes from here on are joined with the last one */
    for (; end > 0 && end - 1 != k && goes_on(dst, src, end - 1, last, t.whole.rows); end--) t.whole.rows *= dst->dim[end - 1];
    for (int i = 0; i < end; i++) {
        if (i == k || dst->dim[i] == 1) continue;
        matrices *= t.dim[t.axes] = dst->dim[i];
        lines |= t.to[t.axes] = dst->stride[i] * size;
        t.from[t.axes++] = src->stride[i] * size;
    }
    t.whole.stream = ct__streams(dst->count * size) && lines % 64 == 0;
    const ct__copy_kernels *kernels = kernels_of_machine();
    const int kind = size == 1 ? 0 : size == 4 ? 1 : 2;
    const bool tall = kernels->tall[kind] && t.whole.stream && ct_threads() > 1;
    t.turn = tall ? kernels->tall[kind] : kernels->turn[kind];
    t.high = (tall ? CT__TALL_BYTES : CT__TURN_BYTES) / size;
    t.wide = (tall ? TALL_BLOCK_BYTES : t.whole.stream ? STREAMED_BLOCK_BYTES : BLOCK_BYTES) / size;
    t.across = (t.whole.columns + t.wide - 1) / t.wide;
    t.each = (t.whole.rows + t.high - 1) / t.high * t.across;
    t.blocks = matrices * t.each;
    t.group = ct__is_short(dst->count * size / 4) ? t.blocks : (t.blocks + MAX_PARTS - 1) / MAX_PARTS;
    return t;
}

/* Are neighbors in src apart in dst, and the other way round? Then, for sizes where that matters, and no cast. */
static bool copy_transposed(ct_tensor *dst, const ct_tensor *src)
{
    enum { LEAST = 4 };
    const int last = dst->rank - 1;
    if (dst->rank < 2 || dst->dtype != src->dtype || dst->count < 1024) return false;
    if (dst->stride[last] != 1 || src->stride[last] == 1 || dst->dim[last] < LEAST) return false;
    int k = last - 1;
    while (k >= 0 && (src->stride[k] != 1 || dst->dim[k] < LEAST)) k--;
    if (k < 0) return false;
    transpose t = transpose_of(dst, src, k);
    ct__parallel((t.blocks + t.group - 1) / t.group, transpose_blocks, &t);
    return true;
}

/* ---- large copies ---- */

/* Bytes: past the page at hand, where processors do not look ahead by themselves. */
enum { AHEAD = 16384 };
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

/* The axes of both in the order in which those of dst follow each other in memory. False where it was that already. */
static bool sort_axes(ct_tensor *dst, ct_tensor *src)
{
    bool changed = false;
    for (int i = 1; i < dst->rank; i++) {
        for (int k = i; k > 0 && llabs(dst->stride[k - 1]) < llabs(dst->stride[k]); k--) {
            ct_tensor *const both[] = {dst, src};
            for (int t = 0; t < 2; t++) {
                const int64_t dim = both[t]->dim[k], stride = both[t]->stride[k];
                both[t]->dim[k] = both[t]->dim[k - 1], both[t]->dim[k - 1] = dim;
                both[t]->stride[k] = both[t]->stride[k - 1], both[t]->stride[k - 1] = stride;
            }
            changed = true;
        }
    }
    return changed;
}

void ct__copy(ct_tensor *dst, const ct_tensor *src)
{
    if (CT__UNLIKELY(ct__self.script != NULL)) {
        ct__script_copy(dst, src);
        return;
    }
    if (dst->count == 0) return;
    if (dst->dtype == src->dtype && dst->count < 4096 && ct__contiguous(dst) && ct__contiguous(src)) {
        memmove(dst->data, src->data, (size_t)dst->count * ct__size(dst));
        return;
    }
    if (!dst->dense) { /* a view, which may be a turned one: then it is src that is walked in leaps */
        ct_tensor to = *dst, from = *src; /* never given to anyone */
        if (sort_axes(&to, &from)) {
            to.dense = ct__row_major(&to);
            from.dense = ct__row_major(&from);
            ct__copy(&to, &from);
            return;
        }
    }
    if (copy_transposed(dst, src) || copy_streamed(dst, src)) {
        ct__count_pass(dst->count * (int64_t)(ct__size(dst) + ct__size(src)));
        return;
    }
    ct_tensor *operands[] = {dst, (ct_tensor *)(uintptr_t)src};
    ct__map(casts[src->dtype][dst->dtype], 1, operands, 2, NULL, 1);
}

/* ---- single elements ---- */

double ct__load(const char *at, ct_dtype dtype)
{
    if (dtype == CT_F32) return *(const float *)(const void *)at;
    switch (dtype) {
    case CT_F64: return *(const double *)(const void *)at;
    case CT_I32: return *(const int32_t *)(const void *)at;
    case CT_I64: return (double)*(const int64_t *)(const void *)at;
    default: return *(const uint8_t *)(const void *)at;
    }
}

void ct__store(char *at, ct_dtype dtype, double value)
{
    char *const p[] = {at, (char *)&value};
    if (dtype == CT_F32) *(float *)(void *)at = (float)value;
    else casts[CT_F64][dtype](1, p, NULL);
}

/* ---- fills ---- */

/* What is not small, or not dense. */
static CT__APART void fill_many(ct_tensor *t, char *element)
{
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

void ct__fill(ct_tensor *t, double value)
{
    enum { FEW = 64 };
    char element[8];
    if (CT__UNLIKELY(ct__self.script != NULL)) {
        ct__script_fill(t, value);
        return;
    }
    ct__store(element, t->dtype, value);
    if (!t->dense || t->count > FEW) {
        fill_many(t, element);
        return;
    }
    const size_t size = ct__size(t);
    if (size == 4) for (int64_t i = 0; i < t->count; i++) memcpy(t->data + 4 * i, element, 4);
    else for (int64_t i = 0; i < t->count; i++) memcpy(t->data + size * (size_t)i, element, size);
}
