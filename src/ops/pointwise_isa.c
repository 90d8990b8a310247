/*
 * pointwise_isa.c - pointwise.def read as C: vector loops for one instruction set. Compiled once for each, with CT__ISA as its name.
 *
 * The loops are plain C under `omp simd`; functions come from tensor/vmath.h and are free of branches, so gcc and clang both vectorise
 * them, and a scalar tail gives the same bits as the vector body.
 */
#include "ops/pointwise.h"
#include "tensor/vmath.h"

#include <float.h>
#include <math.h>

#define CAT(a, b) CAT_(a, b)
#define CAT_(a, b) a##_##b
#define AT(name) CAT(name, SUFFIX) /* name_f32 */

#define SIMD _Pragma("omp simd")
#define LOOP SIMD for (int64_t i = 0; i < n; i++)

/* ---- floats ---- */

#define NUM(v) ((T)(v))
#define P(k) p##k
#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))
#define NEG(a) (-(a))
#define WHERE(c, a, b) AT(choose)(c, a, b) /* a function: gcc vectorises a choice only between values that are there */
#define GT(a, b) ((a) > (b))
#define LT(a, b) ((a) < (b))
#define LE(a, b) ((a) <= (b))
#define EQ(a, b) ((a) == (b))
#define ABS(a) AT(absolute)(a)
#define SIGN(a) AT(signum)(a)
#define MAX(a, b) AT(larger)(a, b)
#define MIN(a, b) AT(smaller)(a, b)
#define CUT(a, b) AT(cut)(a, (T)(b))
#define NONZERO(a) AT(nonzero)(a)
#define EXP(a) AT(ct__exp)(a)
#define EXPM1(a) AT(ct__expm1)(a)
#define LOG(a) AT(ct__log)(a)
#define LOG1P(a) AT(ct__log1p)(a)
#define SQRT(a) AT(root)(a)
#define RSQRT(a) AT(ct__rsqrt)(a)
#define SIN(a) AT(ct__sin)(a)
#define COS(a) AT(ct__cos)(a)
#define TAN(a) AT(ct__tan)(a)
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

static inline float root_f32(float x) { return __builtin_sqrtf(x); }
static inline double root_f64(double x) { return __builtin_sqrt(x); }

#define T float
#define SUFFIX f32
#define LEAST FLT_MIN
#define MOST FLT_MAX
#include "ops/pointwise_loops.h"
#undef T
#undef SUFFIX
#undef LEAST
#undef MOST

#define T double
#define SUFFIX f64
#define LEAST DBL_MIN
#define MOST DBL_MAX
#include "ops/pointwise_loops.h"
#undef T
#undef SUFFIX
#undef LEAST
#undef MOST

/* ---- integers: the _ANY lines again, with arithmetic that wraps ---- */

#undef ADD
#undef SUB
#undef MUL
#undef DIV
#undef NEG
#undef P
#undef FLOOR
#undef CEIL
#undef ROUND
#define ADD(a, b) ((T)((U)(a) + (U)(b)))
#define SUB(a, b) ((T)((U)(a) - (U)(b)))
#define MUL(a, b) ((T)((U)(a) * (U)(b)))
#define DIV(a, b) AT(divide)(a, b)
#define NEG(a) ((T)((U)0 - (U)(a)))
#define P(k) AT(bound)(p##k)
#define FLOOR(a) (a)
#define CEIL(a) (a)
#define ROUND(a) (a)

#define INTEGERS
#define T int32_t
#define U uint32_t
#define SUFFIX i32
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#include "ops/pointwise_loops.h"
#undef T
#undef U
#undef SUFFIX
#undef LOWEST
#undef HIGHEST

#define T int64_t
#define U uint64_t
#define SUFFIX i64
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#include "ops/pointwise_loops.h"
#undef T
#undef U
#undef SUFFIX
#undef LOWEST
#undef HIGHEST

#define UNSIGNED
#define T uint8_t
#define U unsigned
#define SUFFIX u8
#define LOWEST 0
#define HIGHEST UINT8_MAX
#include "ops/pointwise_loops.h"
#undef T
#undef U
#undef SUFFIX

/* ---- results that are bool, and selection ---- */

#define COMPARE_ONE(name, operator, S, C)                                                                              \
    static void name##_##S(int64_t n, char *const *p, const double *params)                                            \
    {                                                                                                                  \
        (void)params;                                                                                                  \
        uint8_t *z = (uint8_t *)p[0];                                                                                  \
        const C *x = (const C *)(const void *)p[1], *y = (const C *)(const void *)p[2];                                \
        LOOP z[i] = x[i] operator y[i];                                                                                \
    }
#define COMPARE(name, operator)                                                                                        \
    COMPARE_ONE(name, operator, f32, float)                                                                            \
    COMPARE_ONE(name, operator, f64, double)                                                                           \
    COMPARE_ONE(name, operator, i32, int32_t)                                                                          \
    COMPARE_ONE(name, operator, i64, int64_t)                                                                          \
    COMPARE_ONE(name, operator, u8, uint8_t)
COMPARE(eq, ==)
COMPARE(ne, !=)
COMPARE(lt, <)
COMPARE(le, <=)
COMPARE(gt, >)
COMPARE(ge, >=)
#define COMPARISONS(name) {name##_f32, name##_f64, name##_i32, name##_i64, name##_u8, name##_u8}

#define TEST_ONE(name, S, C, test)                                                                                     \
    static void name##_##S(int64_t n, char *const *p, const double *params)                                            \
    {                                                                                                                  \
        (void)params;                                                                                                  \
        uint8_t *y = (uint8_t *)p[0];                                                                                  \
        const C *at = (const C *)(const void *)p[1];                                                                   \
        LOOP                                                                                                           \
        {                                                                                                              \
            const C x = at[i];                                                                                         \
            y[i] = test;                                                                                               \
        }                                                                                                              \
    }
TEST_ONE(isnan, f32, float, x != x)
TEST_ONE(isnan, f64, double, x != x)
TEST_ONE(isinf, f32, float, (x > 3.402823466e38f) | (x < -3.402823466e38f))
TEST_ONE(isinf, f64, double, (x > 1.7976931348623157e308) | (x < -1.7976931348623157e308))
TEST_ONE(isfinite, f32, float, (x <= 3.402823466e38f) & (x >= -3.402823466e38f))
TEST_ONE(isfinite, f64, double, (x <= 1.7976931348623157e308) & (x >= -1.7976931348623157e308))
TEST_ONE(logical_not, u8, uint8_t, !x)
COMPARE_ONE(logical_and, &, u8, uint8_t)
COMPARE_ONE(logical_or, |, u8, uint8_t)
COMPARE_ONE(logical_xor, ^, u8, uint8_t)

/* Selected as bits: a NaN's payload survives. */
#define SELECT(S, C)                                                                                                   \
    static void where_##S(int64_t n, char *const *p, const double *params)                                             \
    {                                                                                                                  \
        (void)params;                                                                                                  \
        C *z = (C *)(void *)p[0];                                                                                      \
        const uint8_t *c = (const uint8_t *)p[1];                                                                      \
        const C *x = (const C *)(const void *)p[2], *y = (const C *)(const void *)p[3];                                \
        LOOP z[i] = c[i] ? x[i] : y[i];                                                                                \
    }
SELECT(1, uint8_t)
SELECT(4, uint32_t)
SELECT(8, uint64_t)

/* ---- the table ---- */

#define ANY(name)                                                                                                      \
    .forward = {forward_##name##_f32, forward_##name##_f64, forward_##name##_i32, forward_##name##_i64, forward_##name##_u8, NULL}
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
    .logical_and = logical_and_u8, .logical_or = logical_or_u8, .logical_xor = logical_xor_u8, .logical_not = logical_not_u8,
    .where = {where_1, where_4, where_8},
};
