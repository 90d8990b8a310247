/*
 * reduce_isa.c - the inner loops of reductions of floats for one instruction set; compiled once for each, with CT__ISA naming it.
 *
 * reduce_kernel.h holds the loops, once; here it is included for each reduction and dtype, and the table at the end collects
 * them. Floats are joined in an order that is written out (vectors of 32 bytes, four side by side).
 */
#include "tensor/reduce.h"

#include <math.h>
#include <string.h>

#if defined __SSE2__
#include <immintrin.h>
#endif

/* Functions of vectors are all inlined: that a vector has no register to be passed in does not matter. */
#pragma GCC diagnostic ignored "-Wpsabi"

#define INLINE inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))

enum { AHEAD = 2048 }; /* bytes */

/* Vectors for elements at any address. */
typedef float f32x8 __attribute__((vector_size(32)));
typedef double f64x4 __attribute__((vector_size(32)));
typedef float f32x4_at __attribute__((vector_size(16), aligned(4), may_alias));
typedef float f32x8_at __attribute__((vector_size(32), aligned(4), may_alias));
typedef double f64x4_at __attribute__((vector_size(32), aligned(8), may_alias));

/* ---- sums ---- */

#define PLAIN(x, about, scale) (x)
#define ADD(a, b) ((a) + (b))
#define AT_F32(p, about) (*(const f32x8_at *)(const void *)(p))
#define AT_F64(p, about) (*(const f64x4_at *)(const void *)(p))

#define TERM PLAIN
#define JOIN ADD

#define SUFFIX sum_f32
#define S float
#define START 0
#define V f32x8
#define LOAD AT_F32
#define VJOIN ADD
#include "tensor/reduce_kernel.h"

#define SUFFIX sum_f64
#define S double
#define START 0
#define V f64x4
#define LOAD AT_F64
#define VJOIN ADD
#include "tensor/reduce_kernel.h"

/* ---- sums of f32 in f64 ---- */

#define WIDENED(p, about) __builtin_convertvector(*(const f32x4_at *)(const void *)(p), f64x4)

#define SUFFIX wide_f32
#define S float
#define A double
#define START 0
#define V f64x4
#define LOAD WIDENED
#define VJOIN ADD
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

/* ---- sums of squares in f64 ---- */

#define SQUARE(x, about, scale) ((((double)(x) - (about)) * (scale)) * (((double)(x) - (about)) * (scale)))
#define VSQUARE(x, about) ((((x) - (about)) * scale) * (((x) - (about)) * scale))
#define VSQUARE_F32(p, about) VSQUARE(WIDENED(p, about), about)
#define VSQUARE_F64(p, about) VSQUARE(AT_F64(p, about), about)

#define TERM SQUARE
#define JOIN ADD

#define SUFFIX squares_f32
#define S float
#define A double
#define START 0
#define V f64x4
#define LOAD VSQUARE_F32
#define VJOIN ADD
#include "tensor/reduce_kernel.h"

#define SUFFIX squares_f64
#define S double
#define START 0
#define V f64x4
#define LOAD VSQUARE_F64
#define VJOIN ADD
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

/* ---- largest and smallest ---- */

/* Once NaN, always NaN: nothing compares with it, and another one replaces it. */
#define LARGER(a, b) ((b) != (b) ? (b) : (b) > (a) ? (b) : (a))
#define SMALLER(a, b) ((b) != (b) ? (b) : (b) < (a) ? (b) : (a))

/* The same by vectors. The processor's own maximum of b and a is a where one of them is NaN. */
#if defined __AVX512VL__
#define LIKE(name, type, V, suffix, how)                                                                                       \
    static INLINE type name(type a, type b)                                                                                    \
    {                                                                                                                          \
        return (type)_mm256_mask_mov_##suffix(_mm256_##how##_##suffix((V)b, (V)a),                                             \
                                              _mm256_cmp_##suffix##_mask((V)b, (V)b, _CMP_UNORD_Q), (V)b);                     \
    }
#elif defined __AVX__
#define LIKE(name, type, V, suffix, how)                                                                                       \
    static INLINE type name(type a, type b)                                                                                    \
    {                                                                                                                          \
        const V best = _mm256_##how##_##suffix((V)b, (V)a);                                                                    \
        return (type)_mm256_blendv_##suffix(best, (V)b, _mm256_cmp_##suffix((V)b, (V)b, _CMP_UNORD_Q));                        \
    }
#elif defined __SSE2__
#define __m256 __m128
#define __m256d __m128d
#define LIKE(name, type, V, suffix, how)                                                                                       \
    static INLINE V name##_half(V a, V b)                                                                                      \
    {                                                                                                                          \
        const V nan = _mm_cmpunord_##suffix(b, b), best = _mm_##how##_##suffix(b, a);                                          \
        return _mm_or_##suffix(_mm_and_##suffix(nan, b), _mm_andnot_##suffix(nan, best));                                      \
    }                                                                                                                          \
    static INLINE type name(type a, type b)                                                                                    \
    {                                                                                                                          \
        V x[2], y[2];                                                                                                          \
        memcpy(x, &a, sizeof x);                                                                                               \
        memcpy(y, &b, sizeof y);                                                                                               \
        const V z[2] = {name##_half(x[0], y[0]), name##_half(x[1], y[1])};                                                     \
        memcpy(&a, z, sizeof z);                                                                                               \
        return a;                                                                                                              \
    }
#else
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef int64_t i64x4 __attribute__((vector_size(32)));
#define __m256 i32x8
#define __m256d i64x4
#define ORDER_max >
#define ORDER_min <
/* The bits of b where the mask is all ones, else of a. */
#define LIKE(name, type, V, suffix, how)                                                                                       \
    static INLINE type name(type a, type b)                                                                                    \
    {                                                                                                                          \
        const V take = (b ORDER_##how a) | (b != b);                                                                           \
        return (type)(((V)b & take) | ((V)a & ~take));                                                                         \
    }
#endif
LIKE(larger_f32, f32x8, __m256, ps, max)
LIKE(larger_f64, f64x4, __m256d, pd, max)
LIKE(smaller_f32, f32x8, __m256, ps, min)
LIKE(smaller_f64, f64x4, __m256d, pd, min)

#define TERM PLAIN
#define JOIN LARGER

#define SUFFIX max_f32
#define S float
#define START -INFINITY
#define V f32x8
#define LOAD AT_F32
#define VJOIN larger_f32
#include "tensor/reduce_kernel.h"

#define SUFFIX max_f64
#define S double
#define START -INFINITY
#define V f64x4
#define LOAD AT_F64
#define VJOIN larger_f64
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

#define TERM PLAIN
#define JOIN SMALLER

#define SUFFIX min_f32
#define S float
#define START INFINITY
#define V f32x8
#define LOAD AT_F32
#define VJOIN smaller_f32
#include "tensor/reduce_kernel.h"

#define SUFFIX min_f64
#define S double
#define START INFINITY
#define V f64x4
#define LOAD AT_F64
#define VJOIN smaller_f64
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

/* ---- the table ---- */

#define ENTRY(name) {rows_##name, columns_##name}
#define FLOATS(name) {ENTRY(name##_f32), ENTRY(name##_f64)}

const ct__reduce_kernels CT__CONCAT(ct__reduce_kernels_, CT__ISA) = {
    .reducer = {[CT__SUM] = FLOATS(sum),
                [CT__MAX] = FLOATS(max),
                [CT__MIN] = FLOATS(min),
                [CT__SUM_WIDE] = {ENTRY(wide_f32), ENTRY(sum_f64)},
                [CT__SQUARES] = FLOATS(squares)},
};
