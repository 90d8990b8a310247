/*
 * pointwise_isa.c - pointwise.def read as C: vector loops over floats for one instruction set. Compiled once for each, with CT__ISA as
 * its name.
 *
 * The loops are plain C under `omp simd`; functions come from tensor/vmath.h and are free of branches, so gcc and clang both vectorise
 * them, and a single element gives the same bits as a vector of them.
 */
#include "ops/pointwise_blocks.h"
#include "ops/pointwise_words.h"
#include "tensor/vmath.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define KERNEL(name) static void AT(name)
#define P(k) p##k
#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))
#define NEG(a) (-(a))
#define CUT(a, b) AT(cut)(a, (T)(b))
#define NONZERO(a) AT(nonzero)(a)
#define EXP(a) AT(ct__exp)(a)
#define EXPM1(a) AT(ct__expm1)(a)
#define LOG(a) (far ? AT(ct__log)(a) : AT(ct__log_near)(a))
#define LOG1P(a) AT(ct__log1p)(a)
#define SQRT(a) AT(root)(a)
#define RSQRT(a) AT(ct__rsqrt)(a)
#define SIN(a) (far ? AT(any_sin)(a) : AT(ct__sin_near)(a))
#define COS(a) (far ? AT(any_cos)(a) : AT(ct__cos_near)(a))
#define TAN(a) (far ? AT(any_tan)(a) : AT(ct__tan_near)(a))
#define ASIN(a) AT(ct__asin)(a)
#define ACOS(a) AT(ct__acos)(a)
#define ATAN(a) AT(ct__atan)(a)
#define SINH(a) AT(ct__sinh)(a)
#define COSH(a) AT(ct__cosh)(a)
#define TANH(a) AT(ct__tanh)(a)
#define ERF(a) AT(ct__erf)(a)
#define SIGMOID(a) AT(ct__sigmoid)(a)
#define SOFTPLUS(a) AT(ct__softplus)(a)
#define FLOOR(a) AT(ct__floor)(a)
#define CEIL(a) AT(ct__ceil)(a)
#define ROUND(a) AT(ct__rint)(a)
#define POW(a, b) AT(ct__pow)(a, b)
#define ATAN2(a, b) AT(ct__atan2)(a, b)
#define HYPOT(a, b) AT(ct__hypot)(a, b)
#define LOGADDEXP(a, b) AT(ct__logaddexp)(a, b)

/* Kernels whose formula has SIN, COS, TAN or LOG of x ask first whether x is near (vmath.h). */
static inline bool takes_angles(const char *kernel)
{
    return !strcmp(kernel, "forward_sin") || !strcmp(kernel, "forward_cos") || !strcmp(kernel, "forward_tan") ||
           !strcmp(kernel, "slope_sin") || !strcmp(kernel, "slope_cos");
}
static inline bool takes_logarithms(const char *kernel) { return !strcmp(kernel, "forward_log"); }

static inline float root_f32(float x) { return __builtin_sqrtf(x); }
static inline double root_f64(double x) { return __builtin_sqrt(x); }

#ifdef __AVX512F__ /* with AVX2 only sine, cosine and tangent would gain, a twelfth, and the library has a limit */
#define NOTES
#endif

#define T float
#define SUFFIX f32
#define LEAST FLT_MIN
#define MOST FLT_MAX
#define NEAR CT__NEAR_F32
#define BITS uint32_t
#include "ops/pointwise_loops.h"
#undef T
#undef SUFFIX
#undef LEAST
#undef MOST
#undef NEAR
#undef BITS

#if defined __SSE2__ && !defined __AVX2__ /* two lanes gain less than the vector instructions that are missing here cost */
#undef SIMD
#define SIMD
#endif

#define T double
#define SUFFIX f64
#define LEAST DBL_MIN
#define MOST DBL_MAX
#define NEAR CT__NEAR_F64
#define BITS uint64_t
#if defined __AVX2__ && !defined __AVX512F__ /* the larger of two whole numbers */
#define NO_LARGER
#endif
#include "ops/pointwise_loops.h"
#undef T
#undef SUFFIX
#undef LEAST
#undef MOST
#undef NEAR
#undef BITS
#undef NO_LARGER

/* ---- results that are bool, and selection ---- */

#define COMPARE(name, operator)                                                                                        \
    static void name##_f32(int64_t n, char *const *p, const double *params) COMPARE_ONE(name, operator, float)         \
    static void name##_f64(int64_t n, char *const *p, const double *params) COMPARE_ONE(name, operator, double)
FOR_EACH_COMPARISON(COMPARE)
#define COMPARISONS(name) {name##_f32, name##_f64, ct__##name##_i32, ct__##name##_i64, ct__##name##_u8, ct__##name##_u8}

#define TEST(name, test, test_f64)                                                                                     \
    static void name##_f32(int64_t n, char *const *p, const double *params) TEST_ONE(name, float, test)                \
    static void name##_f64(int64_t n, char *const *p, const double *params) TEST_ONE(name, double, test_f64)
TEST(isnan, x != x, x != x)
TEST(isinf, (x > FLT_MAX) | (x < -FLT_MAX), (x > DBL_MAX) | (x < -DBL_MAX))
TEST(isfinite, (x <= FLT_MAX) & (x >= -FLT_MAX), (x <= DBL_MAX) & (x >= -DBL_MAX))

/* Selected as bits: a NaN's payload survives. */
#define SELECT(S, C)                                                                                                   \
    static void where_##S(int64_t n, char *const *p, const double *params)                                             \
    {                                                                                                                  \
        (void)params;                                                                                                  \
        C *z = (C *)(void *)p[0];                                                                                      \
        const uint8_t *c = (const uint8_t *)p[1];                                                                      \
        const C *x = (const C *)(const void *)p[2], *y = (const C *)(const void *)p[3];                                \
        BLOCKS(C) z[i] = c[i] ? x[i] : y[i];                                                                                \
    }
SELECT(1, uint8_t)
SELECT(4, uint32_t)
SELECT(8, uint64_t)

/* ---- sums, differences and products that go straight past the caches ---- */

/* Memory sets their pace; an outlet would take a seventh more. */
#if defined __AVX512F__
enum { VECTOR = 64 };
#define WIDE(name) _mm512_##name
#elif defined __AVX2__
enum { VECTOR = 32 };
#define WIDE(name) _mm256_##name
#endif
#ifdef WIDE
#define PACKED(kind, p) WIDE(loadu_##kind)((const void *)(p))
#define STRAIGHT(name, kind, T, S)                                                                                     \
    static void straight_##name##_##S(int64_t n, char *const *p, const double *params)                                 \
    {                                                                                                                  \
        const int64_t fetch_x = (int64_t)params[0], fetch_y = (int64_t)params[1];                                      \
        char *z = p[0];                                                                                                \
        const char *x = p[1], *y = p[2], *const end = z + n * (int64_t)sizeof(T);                                      \
        for (; z < end; x += 64, y += 64, z += 64) {                                                                   \
            __builtin_prefetch(x + fetch_x, 0, 3);                                                                     \
            __builtin_prefetch(y + fetch_y, 0, 3);                                                                     \
            for (int k = 0; k < 64; k += VECTOR)                                                                       \
                WIDE(stream_##kind)((void *)(z + k), WIDE(name##_##kind)(PACKED(kind, x + k), PACKED(kind, y + k)));   \
        }                                                                                                              \
    }
#define STRAIGHT_BOTH(name) STRAIGHT(name, ps, float, f32) STRAIGHT(name, pd, double, f64)
STRAIGHT_BOTH(add)
STRAIGHT_BOTH(sub)
STRAIGHT_BOTH(mul)
static ct__kernel straight(ct__kernel kernel)
{
#define FIND(name)                                                                                                     \
    if (kernel == forward_##name##_f32) return straight_##name##_f32;                                                  \
    if (kernel == forward_##name##_f64) return straight_##name##_f64;
    FIND(add)
    FIND(sub)
    FIND(mul)
    return NULL;
}
#else
static ct__kernel straight(ct__kernel kernel)
{
    (void)kernel;
    return NULL;
}
#endif

/* ---- the table ---- */

#define ANY(name)                                                                                                      \
    .forward = {forward_##name##_f32, forward_##name##_f64, ct__forward_##name##_i32, ct__forward_##name##_i64, ct__forward_##name##_u8, NULL}
#define FLOATS(name) .forward = {forward_##name##_f32, forward_##name##_f64}
#define SLOPES(name) {slope_##name##_f32, slope_##name##_f64}
#define UNARY(name, f, slope_, keeps) .name = {FLOATS(name), .slope = {SLOPES(name)}},
#define UNARY_ANY(name, f, slope_, keeps) .name = {ANY(name), .slope = {SLOPES(name)}},
#define UNARY_P UNARY
#define UNARY_ANY_P UNARY_ANY
#define FLAT_ANY(name, f) .name = {ANY(name)},
#define LINEAR_ANY(name, f, rule) .name = {ANY(name)},
#define LINEAR2_ANY(name, f, rule_x, rule_y) .name = {ANY(name)},
#define BINARY(name, f, slope_x, slope_y, keeps) .name = {FLOATS(name), .slope = {SLOPES(name##_x), SLOPES(name##_y)}},
#define BINARY_ANY(name, f, slope_x, slope_y, keeps) .name = {ANY(name), .slope = {SLOPES(name##_x), SLOPES(name##_y)}},

const ct__pointwise_table CAT(ct__pointwise, CT__ISA) = {
#include "ops/pointwise.def"
    .eq = COMPARISONS(eq), .ne = COMPARISONS(ne), .lt = COMPARISONS(lt), .le = COMPARISONS(le), .gt = COMPARISONS(gt), .ge = COMPARISONS(ge),
    .isnan = {isnan_f32, isnan_f64}, .isinf = {isinf_f32, isinf_f64}, .isfinite = {isfinite_f32, isfinite_f64},
    .logical_and = ct__logical_and, .logical_or = ct__logical_or, .logical_xor = ct__logical_xor, .logical_not = ct__logical_not,
    .where = {where_1, where_4, where_8}, .run_blocks = run_blocks, .run_mixed = run_mixed, .straight = straight, .run_one = {run_f32, run_f64},
};
