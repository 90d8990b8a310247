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

/* Vectors, and those for elements at any address. */
#define VECTORS(name, T, bytes)                                                                                                \
    typedef T name __attribute__((vector_size(bytes)));                                                                        \
    typedef T name##_at __attribute__((vector_size(bytes), aligned(sizeof(T)), may_alias));
VECTORS(f32x4, float, 16)
VECTORS(f32x8, float, 32)
VECTORS(f64x4, double, 32)
#if defined __AVX512VL__
VECTORS(f32x16, float, 64)
VECTORS(f64x8, double, 64)
#endif
#define TWICE_f32x8 f32x16
#define TWICE_f64x4 f64x8
#define HALF_f64x4 f32x4_at /* as many f32 */
#define HALF_f64x8 f32x8_at
#define ABOUT_FOR_f32x8 f64x4_at /* not read */
#define ABOUT_FOR_f32x16 f64x4_at
#define ABOUT_FOR_f64x4 f64x4_at
#define ABOUT_FOR_f64x8 f64x8_at

/* ---- sums ---- */

#define PLAIN(x, about, scale) (x)
#define KEPT(a) (a)
#define ADD(a, b) ((a) + (b))
#define PASTE(a, b) a##b
#define VECTOR_AT(V, p, about) (*(const PASTE(V, _at) *)(const void *)(p))
#define VADD(V, a, b) ((a) + (b))

#define TERM PLAIN
#define JOIN ADD

#if defined __AVX2__ /* for sums alone: each kernel would be longer by 80 bytes, and the library has a limit */
#define FETCHES
#endif

#define SUFFIX sum_f32
#define S float
#define START 0
#define V f32x8
#define LOAD VECTOR_AT
#define VJOIN VADD
#include "tensor/reduce_kernel.h"

#define SUFFIX sum_f64
#define S double
#define START 0
#define V f64x4
#define LOAD VECTOR_AT
#define VJOIN VADD
#include "tensor/reduce_kernel.h"

/* ---- sums of f32 in f64 ---- */

#define WIDENED(V, p, about) __builtin_convertvector(*(const PASTE(HALF_, V) *)(const void *)(p), V)

#define SUFFIX wide_f32
#define S float
#define A double
#define START 0
#define V f64x4
#define LOAD WIDENED
#define VJOIN VADD
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

#undef FETCHES

/* ---- sums of squares in f64 ---- */

#define SQUARE(x, about, scale) ((((double)(x) - (about)) * (scale)) * (((double)(x) - (about)) * (scale)))
#define VSQUARE(x, about) ((((x) - (about)) * scale) * (((x) - (about)) * scale))
#define VSQUARE_F32(V, p, about) VSQUARE(WIDENED(V, p, about), about)
#define VSQUARE_F64(V, p, about) VSQUARE(VECTOR_AT(V, p, about), about)

#define TERM SQUARE
#define JOIN ADD

#define SUFFIX squares_f32
#define S float
#define A double
#define START 0
#define V f64x4
#define LOAD VSQUARE_F32
#define VJOIN VADD
#include "tensor/reduce_kernel.h"

#define SUFFIX squares_f64
#define S double
#define START 0
#define V f64x4
#define LOAD VSQUARE_F64
#define VJOIN VADD
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

/* ---- largest and smallest ---- */

/* Once NaN, always NaN: nothing compares with it, and another one replaces it. Without branches: which is larger nobody can foretell. */
#if defined __SSE2__
#define SCALAR(name, T, V, get, one, all)                                                                                      \
    static INLINE T name(T a, T b)                                                                                             \
    {                                                                                                                          \
        const V x = _mm_set_##one(a), y = _mm_set_##one(b), nan = _mm_cmpunord_##one(y, y), best = _mm_max_##one(y, x);        \
        return get(_mm_or_##all(_mm_and_##all(nan, y), _mm_andnot_##all(nan, best)));                                          \
    }
SCALAR(larger_f32, float, __m128, _mm_cvtss_f32, ss, ps)
SCALAR(larger_f64, double, __m128d, _mm_cvtsd_f64, sd, pd)
#else
#define SCALAR(name, T)                                                                                                        \
    static INLINE T name(T a, T b) { return b != b || b > a ? b : a; }
SCALAR(larger_f32, float)
SCALAR(larger_f64, double)
#endif

/* The same by vectors. The processor's own maximum of b and a is a where one of them is NaN. */
#define VLARGER(V, a, b) PASTE(larger_, V)(a, b)
#if defined __AVX512VL__
#define WIDE_LIKE(name, type, V, suffix)                                                                                       \
    static INLINE type name(type a, type b)                                                                                    \
    {                                                                                                                          \
        return (type)_mm512_mask_mov_##suffix(_mm512_max_##suffix((V)b, (V)a),                                                 \
                                              _mm512_cmp_##suffix##_mask((V)b, (V)b, _CMP_UNORD_Q), (V)b);                     \
    }
WIDE_LIKE(larger_f32x16, f32x16, __m512, ps)
WIDE_LIKE(larger_f64x8, f64x8, __m512d, pd)
#define LIKE(name, type, V, suffix)                                                                                            \
    static INLINE type name(type a, type b)                                                                                    \
    {                                                                                                                          \
        return (type)_mm256_mask_mov_##suffix(_mm256_max_##suffix((V)b, (V)a),                                                 \
                                              _mm256_cmp_##suffix##_mask((V)b, (V)b, _CMP_UNORD_Q), (V)b);                     \
    }
#elif defined __AVX__
#define LIKE(name, type, V, suffix)                                                                                            \
    static INLINE type name(type a, type b)                                                                                    \
    {                                                                                                                          \
        const V best = _mm256_max_##suffix((V)b, (V)a);                                                                        \
        return (type)_mm256_blendv_##suffix(best, (V)b, _mm256_cmp_##suffix((V)b, (V)b, _CMP_UNORD_Q));                        \
    }
#elif defined __SSE2__
#define __m256 __m128
#define __m256d __m128d
#define LIKE(name, type, V, suffix)                                                                                            \
    static INLINE V name##_half(V a, V b)                                                                                      \
    {                                                                                                                          \
        const V nan = _mm_cmpunord_##suffix(b, b), best = _mm_max_##suffix(b, a);                                              \
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
/* The bits of b where the mask is all ones, else of a. */
#define LIKE(name, type, V, suffix)                                                                                            \
    static INLINE type name(type a, type b)                                                                                    \
    {                                                                                                                          \
        const V take = (b > a) | (b != b);                                                                                     \
        return (type)(((V)b & take) | ((V)a & ~take));                                                                         \
    }
#endif
LIKE(larger_f32x8, f32x8, __m256, ps)
LIKE(larger_f64x4, f64x4, __m256d, pd)

/* The smallest is the largest of the opposites: `scale` is -1 then, and 1 else. */
#undef KEPT
#define FLIPPED(x, about, scale) ((x) * flip)
#define VFLIPPED(V, p, about) (VECTOR_AT(V, p, about) * flip)
#define KEPT(a) ((a) * flip)
#define TERM FLIPPED

#define JOIN larger_f32
#define SUFFIX max_f32
#define S float
#define START -INFINITY
#define V f32x8
#define LOAD VFLIPPED
#define VJOIN VLARGER
#include "tensor/reduce_kernel.h"
#undef JOIN

#define JOIN larger_f64
#define SUFFIX max_f64
#define S double
#define START -INFINITY
#define V f64x4
#define LOAD VFLIPPED
#define VJOIN VLARGER
#include "tensor/reduce_kernel.h"
#undef JOIN

/* ---- where the largest stands ---- */

/* With AVX-512 alone: where there are but 16 registers, and no masks, finding the largest and then looking for it takes less. */
#if defined __AVX512VL__
/* a in the lanes where the mask is set, else b. */
#define CHOOSE(I, V, mask, a, b) ((V)(((I)(a) & (mask)) | ((I)(b) & ~(mask))))
/* Each lane of four vectors keeps its largest and the turn in which it came: the first of equals, since an equal one takes no place. Then
 * the four are joined, and the lanes, by value and among equals by place. NaN, which compares with nothing, is only noted, and looked for
 * if there was one. */
#define PLACER(name, T, V, I, TURN)                                                                                            \
    static int64_t name(const void *data, int64_t n, bool least)                                                               \
    {                                                                                                                          \
        typedef TURN I __attribute__((vector_size(32)));                                                                       \
        enum { W = 32 / sizeof(T), ALL = 4 * W };                                                                              \
        const T *x = data, flip = least ? -1 : 1;                                                                              \
        const int64_t ahead = ct__processor.ahead.read;                                                                                  \
        T value[W], most = -(T)INFINITY;                                                                                       \
        TURN vectors[W], nans[W];                                                                                              \
        V best[4];                                                                                                             \
        I at[4], turn, wrong;                                                                                                  \
        int64_t i = 0, place = 0;                                                                                              \
        bool nan = false;                                                                                                      \
        memset(at, 0, sizeof at);                                                                                              \
        turn = wrong = at[0];                                                                                                  \
        _Pragma("GCC unroll 4") for (int j = 0; j < 4; j++) best[j] = (V){0} - (T)INFINITY;                                    \
        for (; i + ALL <= n; i += ALL) {                                                                                       \
            for (int k = 0; k < 128; k += 64) __builtin_prefetch((const char *)(x + i) + k + ahead);                           \
            _Pragma("GCC unroll 4") for (int j = 0; j < 4; j++) {                                                              \
                const V v = VECTOR_AT(V, x + i + j * W, 0) * flip;                                                             \
                const I higher = v > best[j];                                                                                  \
                wrong |= v != v;                                                                                               \
                best[j] = CHOOSE(I, V, higher, v, best[j]);                                                                    \
                at[j] = CHOOSE(I, I, higher, turn, at[j]);                                                                     \
            }                                                                                                                  \
            turn += 4; /* in vectors */                                                                                        \
        }                                                                                                                      \
        _Pragma("GCC unroll 4") for (int j = 1; j < 4; j++) {                                                                  \
            const I here = at[j] + j, higher = (best[j] > best[0]) | ((best[j] == best[0]) & (here < at[0]));                  \
            best[0] = CHOOSE(I, V, higher, best[j], best[0]);                                                                  \
            at[0] = CHOOSE(I, I, higher, here, at[0]);                                                                         \
        }                                                                                                                      \
        memcpy(value, best, sizeof value);                                                                                     \
        memcpy(vectors, at, sizeof vectors);                                                                                   \
        memcpy(nans, &wrong, sizeof nans);                                                                                     \
        for (int k = 0; k < W && i > 0; k++) {                                                                                 \
            const int64_t here = (int64_t)vectors[k] * W + k;                                                                  \
            nan = nan || nans[k];                                                                                              \
            if (k > 0 && !(value[k] > most || (value[k] == most && here < place))) continue;                                   \
            most = value[k];                                                                                                   \
            place = here;                                                                                                      \
        }                                                                                                                      \
        for (; i < n; i++) {                                                                                                   \
            const T v = x[i] * flip;                                                                                           \
            nan = nan || v != v;                                                                                               \
            if (v > most) most = v, place = i;                                                                                 \
        }                                                                                                                      \
        for (i = 0; nan; i++) {                                                                                                \
            if (x[i] != x[i]) return i;                                                                                        \
        }                                                                                                                      \
        return place;                                                                                                          \
    }
PLACER(place_f32, float, f32x8, turns_f32, int32_t)
PLACER(place_f64, double, f64x4, turns_f64, int64_t)
#endif

/* ---- the table ---- */

#define ENTRY(name) {rows_##name, columns_##name}
#define FLOATS(name) {ENTRY(name##_f32), ENTRY(name##_f64)}

const ct__reduce_kernels CT__CONCAT(ct__reduce_kernels_, CT__ISA) = {
    .reducer = {[CT__SUM] = FLOATS(sum),
                [CT__MAX] = FLOATS(max),
                [CT__MIN] = FLOATS(max),
                [CT__SUM_WIDE] = {ENTRY(wide_f32), ENTRY(sum_f64)},
                [CT__SQUARES] = FLOATS(squares)},
#if defined __AVX512VL__
    .placer = {place_f32, place_f64},
#endif
};
