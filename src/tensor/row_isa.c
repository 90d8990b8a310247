/*
 * row_isa.c - functions of rows for one instruction set; compiled once for each, with CT__ISA naming it.
 *
 * row_kernel.h holds them, once, in terms of a vector V of LANES elements; here it is included for f32 and f64 with what the set
 * offers, and the table at the end collects them.
 */
#include "tensor/row.h"
#include "tensor/stream.h"
#include "tensor/transpose.h"
#include "tensor/vmath.h"

#include <float.h>
#include <string.h>

#ifndef CT__CONCAT
#define CT__CONCAT(a, b) CT__CONCAT_EXPANDED(a, b)
#define CT__CONCAT_EXPANDED(a, b) a##b
#endif

#define APART __attribute__((noinline))

#if defined __AVX512F__
#include <immintrin.h>
#define BITS(n) ((1u << (n)) - 1u)
#elif defined __AVX2__ && defined __FMA__
#include "tensor/part_avx2.h"
/* Lanes joined in halves. */
#define JOINED(name, add_ps, add_ss, add_pd, add_sd)                                                                          \
    static inline float name##_lanes_f32(__m256 x)                                                                            \
    {                                                                                                                         \
        const __m128 a = add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)), b = add_ps(a, _mm_movehl_ps(a, a));  \
        return _mm_cvtss_f32(add_ss(b, _mm_movehdup_ps(b)));                                                                  \
    }                                                                                                                         \
    static inline double name##_lanes_f64(__m256d x)                                                                          \
    {                                                                                                                         \
        const __m128d a = add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));                                     \
        return _mm_cvtsd_f64(add_sd(a, _mm_unpackhi_pd(a, a)));                                                               \
    }
JOINED(sum, _mm_add_ps, _mm_add_ss, _mm_add_pd, _mm_add_sd)
JOINED(max, _mm_max_ps, _mm_max_ss, _mm_max_pd, _mm_max_sd)
#else
typedef float vector_f32 __attribute__((vector_size(16)));
typedef double vector_f64 __attribute__((vector_size(16)));
/* The bits of a where the mask is all ones, else of b. */
#define PICK(V, I, mask, a, b) ((V)(((I)(a) & (mask)) | ((I)(b) & ~(mask))))
typedef int32_t vector_i32 __attribute__((vector_size(16)));
typedef int64_t vector_i64 __attribute__((vector_size(16)));
#define LOAD(p) NAME(load)(p, LANES, 0)
#define STORE(p, x) NAME(store)(p, x, LANES)
#define LOAD_SOME(p, n, fill) NAME(load)(p, n, fill)
#define STORE_SOME(p, x, n) NAME(store)(p, x, n)
#define STREAM(p, x) STORE(p, x)
#define SPREAD(x) NAME(spread)(x)
#define MADD(a, b, c) ((a) * (b) + (c))
#define SUM_OF(x) NAME(sum_of)(x)
#define GREATEST_OF(x) NAME(greatest_of)(x)
#endif

/* ---- f32 ---- */

#define T float
#define HUGE FLT_MAX
#define SUFFIX f32
#define EXP_LEAST -104.0f
#define EXP_MOST 88.0f
#if defined __AVX512F__
#define N float
#define EXP_PARTS(x) ct__exp_parts_of_f32(x, 0.0f)
#define EXPONENT n
#else
#define N uint32_t
#define EXP_PARTS(x) ct__exp_parts_of_f32(x, 254.0f)
#define EXPONENT m
#endif
#if defined __AVX512F__
#define V __m512
#define LANES 16
#define SPREAD(x) _mm512_set1_ps(x)
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, x) _mm512_storeu_ps(p, x)
#define STREAM(p, x) _mm512_stream_ps(p, x)
#define LOAD_SOME(p, n, fill) _mm512_mask_loadu_ps(SPREAD(fill), (__mmask16)BITS(n), p)
#define STORE_SOME(p, x, n) _mm512_mask_storeu_ps(p, (__mmask16)BITS(n), x)
#define MADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#define GREATER(a, b) _mm512_max_ps(a, b)
#define LESSER(a, b) _mm512_min_ps(a, b)
#define ZEROS(x) __builtin_popcount(_mm512_cmp_ps_mask(x, SPREAD(0), _CMP_EQ_OQ))
#define IF_EQUAL(a, b, x, y) _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), y, x)
#define SUM_OF(x) _mm512_reduce_add_ps(x)
#define GREATEST_OF(x) _mm512_reduce_max_ps(x)
CT__INLINE void scale_f32(float *p, const N *n)
{
    STORE(p, _mm512_scalef_ps(SPREAD(1) + LOAD(p), LOAD(n)));
}
#define SCALES
#elif defined __AVX2__ && defined __FMA__
#define V __m256
#define LANES 8
#define SPREAD(x) _mm256_set1_ps(x)
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, x) _mm256_storeu_ps(p, x)
#define STREAM(p, x) _mm256_stream_ps(p, x)
#define LOAD_SOME(p, n, fill) _mm256_blendv_ps(SPREAD(fill), _mm256_maskload_ps(p, MASK32(n)), _mm256_castsi256_ps(MASK32(n)))
#define STORE_SOME(p, x, n) store_some_f32(p, x, (int)(n))
#define MADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#define GREATER(a, b) _mm256_max_ps(a, b)
#define LESSER(a, b) _mm256_min_ps(a, b)
#define ZEROS(x) __builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_cmp_ps(x, SPREAD(0), _CMP_EQ_OQ)))
#define IF_EQUAL(a, b, x, y) _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_EQ_OQ))
#define SUM_OF(x) sum_lanes_f32(x)
#define GREATEST_OF(x) max_lanes_f32(x)
#else
#define V vector_f32
#define LANES 4
#define GREATER(a, b) PICK(vector_f32, vector_i32, (a) > (b), a, b)
#define LESSER(a, b) PICK(vector_f32, vector_i32, (a) < (b), a, b)
#define IF_EQUAL(a, b, x, y) PICK(vector_f32, vector_i32, (a) == (b), x, y)
#define ZEROS(x) NAME(zeros)((x) == SPREAD(0))
#define M vector_i32
#endif
#include "tensor/row_kernel.h"

/* ---- f64 ---- */

#define T double
#define HUGE DBL_MAX
#define SUFFIX f64
#define EXP_LEAST -746.0
#define EXP_MOST 709.0
#if defined __AVX512F__
#define N double
#define EXP_PARTS(x) ct__exp_parts_of_f64(x, 0.0)
#define EXPONENT n
#else
#define N uint64_t
#define EXP_PARTS(x) ct__exp_parts_of_f64(x, 2046.0)
#define EXPONENT m
#endif
#if defined __AVX512F__
#define V __m512d
#define LANES 8
#define SPREAD(x) _mm512_set1_pd(x)
#define LOAD(p) _mm512_loadu_pd(p)
#define STORE(p, x) _mm512_storeu_pd(p, x)
#define STREAM(p, x) _mm512_stream_pd(p, x)
#define LOAD_SOME(p, n, fill) _mm512_mask_loadu_pd(SPREAD(fill), (__mmask8)BITS(n), p)
#define STORE_SOME(p, x, n) _mm512_mask_storeu_pd(p, (__mmask8)BITS(n), x)
#define MADD(a, b, c) _mm512_fmadd_pd(a, b, c)
#define GREATER(a, b) _mm512_max_pd(a, b)
#define LESSER(a, b) _mm512_min_pd(a, b)
#define ZEROS(x) __builtin_popcount(_mm512_cmp_pd_mask(x, SPREAD(0), _CMP_EQ_OQ))
#define IF_EQUAL(a, b, x, y) _mm512_mask_blend_pd(_mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ), y, x)
#define SUM_OF(x) _mm512_reduce_add_pd(x)
#define GREATEST_OF(x) _mm512_reduce_max_pd(x)
CT__INLINE void scale_f64(double *p, const N *n)
{
    STORE(p, _mm512_scalef_pd(SPREAD(1) + LOAD(p), LOAD(n)));
}
#define SCALES
#elif defined __AVX2__ && defined __FMA__
#define V __m256d
#define LANES 4
#define SPREAD(x) _mm256_set1_pd(x)
#define LOAD(p) _mm256_loadu_pd(p)
#define STORE(p, x) _mm256_storeu_pd(p, x)
#define STREAM(p, x) _mm256_stream_pd(p, x)
#define LOAD_SOME(p, n, fill) _mm256_blendv_pd(SPREAD(fill), _mm256_maskload_pd(p, MASK64(n)), _mm256_castsi256_pd(MASK64(n)))
#define STORE_SOME(p, x, n) store_some_f64(p, x, (int)(n))
#define MADD(a, b, c) _mm256_fmadd_pd(a, b, c)
#define GREATER(a, b) _mm256_max_pd(a, b)
#define LESSER(a, b) _mm256_min_pd(a, b)
#define ZEROS(x) __builtin_popcount((unsigned)_mm256_movemask_pd(_mm256_cmp_pd(x, SPREAD(0), _CMP_EQ_OQ)))
#define IF_EQUAL(a, b, x, y) _mm256_blendv_pd(y, x, _mm256_cmp_pd(a, b, _CMP_EQ_OQ))
#define SUM_OF(x) sum_lanes_f64(x)
#define GREATEST_OF(x) max_lanes_f64(x)
#else
#define V vector_f64
#define LANES 2
#define GREATER(a, b) PICK(vector_f64, vector_i64, (a) > (b), a, b)
#define LESSER(a, b) PICK(vector_f64, vector_i64, (a) < (b), a, b)
#define IF_EQUAL(a, b, x, y) PICK(vector_f64, vector_i64, (a) == (b), x, y)
#define ZEROS(x) NAME(zeros)((x) == SPREAD(0))
#define M vector_i64
#endif
#include "tensor/row_kernel.h"

/* ---- running sums of f32 ---- */

/* In f64, where most sums of f32 are exact. A vector of them needs the numbers that stand one and two places before its own, which it has
 * from the vector before: p_i = x_i + x_i-1, f_i = p_i + p_i-2, y_i = f_i + y_i-4; and of two vectors at once the second is
 * (f_i + f_i-4) + y_i-8, so that only one sum in eight waits for the last. An element's bits depend on those before it alone, and what a
 * rest is filled up with does not matter. (Sums of f64 are made one after the other: in another order rounding would let sums of positive
 * numbers fall.) */
#if defined __AVX2__ && defined __FMA__
enum { WIDTH = 4, SIDE = 8 };
typedef struct running {
    __m256d x, pairs, sums; /* of the last vector */
} running;

#define TWO_BEFORE(s, last) _mm256_permute2f128_pd(last, s, 0x21)
#ifdef __AVX512F__
#define ONE_BEFORE(s, last) _mm256_castsi256_pd(_mm256_alignr_epi64(_mm256_castpd_si256(s), _mm256_castpd_si256(last), 3))
#define SOME(p, n) _mm_maskz_loadu_ps((__mmask8)BITS(n), p)
#define STORE_SOME(p, n, s) _mm_mask_storeu_ps(p, (__mmask8)BITS(n), s)
#else
#define ONE_BEFORE(s, last) _mm256_shuffle_pd(TWO_BEFORE(s, last), s, 5)
#define SOME(p, n) _mm_maskload_ps(p, _mm256_castsi256_si128(MASK32(n)))
#define STORE_SOME(p, n, s) _mm_maskstore_ps(p, _mm256_castsi256_si128(MASK32(n)), s)
#endif

/* a + b by the units that multiply, to the same bits: those that add convert as well, and would have more to do than half of all. */
CT__INLINE __m256d also_add(__m256d a, __m256d b)
{
    __m256d one = _mm256_set1_pd(1);
    __asm__("" : "+x"(one)); /* a 1 that it knows the compiler leaves out */
    return _mm256_fmadd_pd(a, one, b);
}

/* y = the running sums of n elements of x, which fill that many vectors, the last one perhaps in part; past the caches, if far, where y
 * starts at a vector of f32. */
CT__INLINE running run(float *y, const float *x, int64_t n, int vectors, running last, bool far)
{
    const int whole = vectors - (n < vectors * WIDTH);
    const int64_t at = whole * WIDTH;
    __m256d v[SIDE], p[SIDE];
    UNROLL for (int k = 0; k < whole; k++) v[k] = _mm256_cvtps_pd(_mm_loadu_ps(x + k * WIDTH));
    if (whole < vectors) v[whole] = _mm256_cvtps_pd(SOME(x + at, n - at));
    UNROLL for (int k = 0; k < vectors; k++) p[k] = also_add(v[k], ONE_BEFORE(v[k], k ? v[k - 1] : last.x));
    last.x = v[vectors - 1];
    UNROLL for (int k = 0; k < vectors; k++) v[k] = also_add(p[k], TWO_BEFORE(p[k], k ? p[k - 1] : last.pairs));
    last.pairs = p[vectors - 1];
    UNROLL for (int k = 0; k < vectors; k += 2)
    {
        const __m256d first = v[k] + last.sums;
        if (k + 1 < vectors) v[k + 1] = last.sums = also_add(v[k], v[k + 1]) + last.sums;
        else last.sums = first;
        v[k] = first;
    }
    if (far) UNROLL for (int k = 0; k < whole; k++) _mm_stream_ps(y + k * WIDTH, _mm256_cvtpd_ps(v[k]));
    else UNROLL for (int k = 0; k < whole; k++) _mm_storeu_ps(y + k * WIDTH, _mm256_cvtpd_ps(v[k]));
    if (whole < vectors) STORE_SOME(y + at, n - at, _mm256_cvtpd_ps(v[whole]));
    return last;
}

/* y = the running sums of a row. */
CT__INLINE void run_row(float *y, const float *x, int64_t n, running last, bool far)
{
    int64_t i = 0;
    for (; i + SIDE * WIDTH <= n; i += SIDE * WIDTH) {
        UNROLL for (int k = 0; k < SIDE * WIDTH; k += 16) __builtin_prefetch((const char *)(x + i + k) + ct__processor.ahead.one);
        last = run(y + i, x + i, SIDE * WIDTH, SIDE, last, far);
    }
    for (; i + 2 * WIDTH <= n; i += 2 * WIDTH) {
        if (i % 16 == 0) __builtin_prefetch((const char *)(x + i) + ct__processor.ahead.one);
        last = run(y + i, x + i, 2 * WIDTH, 2, last, far);
    }
    if (n - i > WIDTH) run(y + i, x + i, n - i, 2, last, far);
    else if (i < n) run(y + i, x + i, n - i, 1, last, far);
}

static void running_sum(int64_t rows, int64_t n, char *const *p)
{
    float *y = (float *)(void *)p[0];
    const float *x = (const float *)(const void *)p[1];
    const bool far = *(const int64_t *)(const void *)p[2];
    for (; rows > 0; rows--, x += n, y += n) {
        const __m256d none = _mm256_setzero_pd();
        run_row(y, x, n, (running){none, none, none}, far && (uintptr_t)y % 16 == 0);
    }
    if (far) ct__stream_end();
}
#else
#define running_sum NULL
#endif

/* ---- the table ---- */

#define ROW(name) {name##_f32, name##_f64}

const ct__row_kernels CT__CONCAT(ct__row_kernels_, CT__ISA) = {
    .of = {[CT__SOFTMAX] = ROW(softmax),
           [CT__LOG_SOFTMAX] = ROW(log_softmax),
           [CT__LOGSUMEXP] = ROW(logsumexp),
           [CT__SOFTMAX_VJP] = ROW(softmax_vjp),
           [CT__LOG_SOFTMAX_VJP] = ROW(log_softmax_vjp),
           [CT__LOGSUMEXP_VJP] = ROW(logsumexp_vjp),
           [CT__CROSS_ENTROPY] = ROW(cross_entropy),
           [CT__ROWS_SCALED] = ROW(rows_scaled),
           [CT__LAYER_NORM] = ROW(layer_norm),
           [CT__LAYER_NORM_VJP] = ROW(layer_norm_vjp),
           [CT__ROW_ADD] = ROW(add_row),
           [CT__ROW_DOT] = ROW(row_dot),
           [CT__ROWS_COMBINED] = ROW(rows_combined),
           [CT__RUNNING_SUM] = {running_sum, NULL}},
};
