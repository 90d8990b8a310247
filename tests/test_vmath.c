/* The elementary functions of src/tensor/vmath.h: at most 4 ulp from libm's long double over the whole range, the
   special values of C99 Annex F, symmetry, and the same bits wherever an element stands in a loop.

   Everything runs through arrays, as in the kernels; `loop` is the vectorized loop, `one` a call by itself. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "../src/tensor/vmath.h"

#if defined __GNUC__ && !defined _OPENMP
#pragma GCC diagnostic ignored "-Wunknown-pragmas" /* plain -O2 builds run the loops unvectorized */
#endif
#if defined __clang__
#pragma clang diagnostic ignored "-Wpass-failed" /* nor under a sanitizer */
#endif
#if defined __GNUC__
#define APART __attribute__((noinline))
#else
#define APART
#endif

typedef long double wide;
static const wide WORST = LDBL_MANT_DIG > DBL_MANT_DIG ? 4.0L : 5.0L; /* libm's own error, where it has no more bits */

/* ---- references, and the list of functions ---------------------------------------------------------------------- */

static wide sigmoid(wide x) { return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x)); }
static wide softplus(wide x) { return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x))); }
static wide reciprocal_root(wide x) { return 1 / sqrtl(x); }
static wide logaddexp(wide x, wide y) { return fmaxl(x, y) + log1pl(expl(-fabsl(x - y))); }

/* name, reference, symmetry (odd -1, even 1, none 0), the interval that is sampled densely in f32 and in f64 */
#define UNARY(X)                                        \
    X(exp, expl, 0, 105, 750)                           \
    X(expm1, expm1l, 0, 105, 750)                       \
    X(log, logl, 0, 4, 4)                               \
    X(log1p, log1pl, 0, 4, 4)                           \
    X(asin, asinl, -1, 1, 1)                            \
    X(acos, acosl, 0, 1, 1)                             \
    X(atan, atanl, -1, 6, 6)                            \
    X(sinh, sinhl, -1, 90, 711)                         \
    X(cosh, coshl, 1, 90, 711)                          \
    X(tanh, tanhl, -1, 11, 21)                          \
    X(erf, erfl, -1, 5, 7)                              \
    X(sigmoid, sigmoid, 0, 105, 750)                    \
    X(softplus, softplus, 0, 105, 750)                  \
    X(floor, floorl, 0, 10, 10)                         \
    X(ceil, ceill, 0, 10, 10)                           \
    X(rint, rintl, -1, 10, 10)                          \
    X(rsqrt, reciprocal_root, 0, 4, 4)
#define CIRCULAR(X)                                     \
    X(sin, sinl, -1, 30, 30)                            \
    X(cos, cosl, 1, 30, 30)                             \
    X(tan, tanl, -1, 30, 30)
#define BINARY(X)                                       \
    X(pow, powl)                                        \
    X(atan2, atan2l)                                    \
    X(hypot, hypotl)                                    \
    X(logaddexp, logaddexp)

#define UNARY_LOOPS(name, real, type)                                                               \
    static APART real one_##name##_##type(real x) { return ct__##name##_##type(x); }                \
    static APART void loop_##name##_##type(int n, const real *restrict x, real *restrict y)         \
    {                                                                                               \
        _Pragma("omp simd") for (int i = 0; i < n; i++) y[i] = ct__##name##_##type(x[i]);           \
    }
#define BINARY_LOOPS(name, real, type)                                                              \
    static APART real one_##name##_##type(real x, real y) { return ct__##name##_##type(x, y); }     \
    static APART void loop_##name##_##type(int n, const real *restrict x, const real *restrict y,   \
                                           real *restrict z)                                        \
    {                                                                                               \
        _Pragma("omp simd") for (int i = 0; i < n; i++) z[i] = ct__##name##_##type(x[i], y[i]);     \
    }
/* As kernels do: the near function in vectors, the far one by calls. */
#define CIRCULAR_LOOPS(name, real, type, near)                                                      \
    static APART real one_##name##_##type(real x) { return ct__##name##_##type(x); }                \
    static APART void loop_##name##_##type(int n, const real *restrict x, real *restrict y)         \
    {                                                                                               \
        _Pragma("omp simd") for (int i = 0; i < n; i++) y[i] = ct__##name##_near_##type(x[i]);      \
        for (int i = 0; i < n; i++) {                                                               \
            if (!(ct__abs_##type(x[i]) < near)) y[i] = ct__##name##_far_##type(x[i]);               \
        }                                                                                           \
    }
#define LOOPS_C(name, ...)                                                                          \
    CIRCULAR_LOOPS(name, float, f32, CT__NEAR_F32)                                                  \
    CIRCULAR_LOOPS(name, double, f64, CT__NEAR_F64)
#define LOOPS_1(name, ...) UNARY_LOOPS(name, float, f32) UNARY_LOOPS(name, double, f64)
#define LOOPS_2(name, ...) BINARY_LOOPS(name, float, f32) BINARY_LOOPS(name, double, f64)
UNARY(LOOPS_1)
CIRCULAR(LOOPS_C)
BINARY(LOOPS_2)

typedef struct {
    const char *name;
    wide (*reference)(wide);
    int symmetry;
    double range_f32, range_f64;
    float (*one_f32)(float);
    double (*one_f64)(double);
    void (*loop_f32)(int, const float *, float *);
    void (*loop_f64)(int, const double *, double *);
} unary;
typedef struct {
    const char *name;
    wide (*reference)(wide, wide);
    float (*one_f32)(float, float);
    double (*one_f64)(double, double);
    void (*loop_f32)(int, const float *, const float *, float *);
    void (*loop_f64)(int, const double *, const double *, double *);
} binary;

#define ROW_1(name, reference, symmetry, range_f32, range_f64) {#name, reference, symmetry, range_f32, range_f64, \
    one_##name##_f32, one_##name##_f64, loop_##name##_f32, loop_##name##_f64},
#define ROW_2(name, reference) {#name, reference, \
    one_##name##_f32, one_##name##_f64, loop_##name##_f32, loop_##name##_f64},
static const unary unaries[] = {UNARY(ROW_1) CIRCULAR(ROW_1)};
static const binary binaries[] = {BINARY(ROW_2)};
#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

/* ---- samples and distances -------------------------------------------------------------------------------------- */

static uint64_t state = 1;
static uint64_t random_bits(void) /* splitmix64 */
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static double uniform(void) { return (double)(random_bits() >> 11) * 0x1p-53; }

/* Element i of a batch; `kind` says where: a dense grid over [-range, range], around 1, around multiples of pi/2,
   around 0, or any bit pattern of the type, subnormals included. */
enum { GRID, NEAR_ONE, QUARTERS, NEAR_ZERO, ANY_BITS, KINDS, BATCH = 4096 };
static double sample(int kind, int i, double range, int is_f32)
{
    uint64_t bits = random_bits();
    switch (kind) {
    case GRID: return range * (2.0 * (i + uniform()) / BATCH - 1.0);
    case NEAR_ONE: return (bits & 1 ? 1.0 : -1.0) * (1.0 + (uniform() - 0.5) * ldexp(1.0, -(int)(bits >> 59)));
    case QUARTERS: return floor(ldexp(uniform(), (int)(bits >> 59))) * 1.57079632679489661923;
    case NEAR_ZERO: return (uniform() - 0.5) * ldexp(1.0, -(int)(bits % 150));
    default: return is_f32 ? (double)ct__from_bits_f32((uint32_t)(bits >> 32)) : ct__from_bits_f64(bits);
    }
}

/* Distance of y from the exact value, in units in the last place of the larger of |exact| and |scale|, for a type of
   `digits` bits whose numbers end below 2^top. inf counts as 2^top; a NaN for a number is 1e9 away. */
static wide ulps(wide y, wide exact, wide scale, int digits, int top)
{
    if (isnan(exact)) return isnan(y) ? 0 : 1e9L;
    if (isnan(y)) return 1e9L;
    const wide end = ldexpl(1, top);
    y = fmaxl(-end, fminl(y, end));
    exact = fmaxl(-end, fminl(exact, end));
    wide size = fmaxl(fabsl(exact), fabsl(scale));
    if (y == exact) return 0;
    int e = 3 - top; /* the exponent of the smallest normal number, as frexp has it */
    int own = e;
    if (size > 0) frexpl(size, &own);
    if (own > top) own = top;
    return fabsl(y - exact) / ldexpl(1, (own > e ? own : e) - digits);
}
static wide ulps_f32(float y, wide exact, wide scale) { return ulps(y, exact, scale, 24, 128); }
static wide ulps_f64(double y, wide exact, wide scale) { return ulps(y, exact, scale, 53, 1024); }

static int same_f32(float a, float b) { return (isnan(a) && isnan(b)) || ct__bits_f32(a) == ct__bits_f32(b); }
static int same_f64(double a, double b) { return (isnan(a) && isnan(b)) || ct__bits_f64(a) == ct__bits_f64(b); }

/* ---- accuracy --------------------------------------------------------------------------------------------------- */

static void unary_accuracy(void **unused)
{
    static float x[BATCH], y[BATCH];
    static double u[BATCH], v[BATCH];
    (void)unused;
    for (const unary *f = unaries; f < unaries + COUNT(unaries); f++) {
        wide worst = 0, worst_f64 = 0;
        double at = 0, at_f64 = 0;
        for (int batch = 0; batch < 3 * KINDS; batch++) {
            for (int i = 0; i < BATCH; i++) {
                x[i] = (float)sample(batch % KINDS, i, f->range_f32, 1);
                u[i] = sample(batch % KINDS, i, f->range_f64, 0);
            }
            f->loop_f32(BATCH, x, y);
            f->loop_f64(BATCH, u, v);
            for (int i = 0; i < BATCH; i++) {
                wide d = ulps_f32(y[i], f->reference(x[i]), 0), e = ulps_f64(v[i], f->reference(u[i]), 0);
                if (d > worst) worst = d, at = (double)x[i];
                if (e > worst_f64) worst_f64 = e, at_f64 = u[i];
            }
        }
        print_message("%-10s f32 %.2Lf ulp at %a, f64 %.2Lf ulp at %a\n", f->name, worst, at, worst_f64, at_f64);
        assert_true(worst <= WORST);
        assert_true(worst_f64 <= WORST);
    }
}

/* logaddexp may cancel (its relative condition is unbounded near 0), so it is held to the size of max(x, y). */
static void binary_accuracy(void **unused)
{
    static float x[BATCH], y[BATCH], z[BATCH];
    static double u[BATCH], v[BATCH], w[BATCH];
    (void)unused;
    for (const binary *f = binaries; f < binaries + COUNT(binaries); f++) {
        wide worst = 0, worst_f64 = 0;
        double at[2] = {0, 0}, at_f64[2] = {0, 0};
        const int power = !strcmp(f->name, "pow"), cancels = !strcmp(f->name, "logaddexp");
        for (int batch = 0; batch < KINDS * KINDS; batch++) {
            const int a = batch % KINDS, b = batch / KINDS;
            for (int i = 0; i < BATCH; i++) {
                x[i] = (float)sample(a, i, 20, 1), y[i] = (float)sample(b, (i * 1531) % BATCH, 20, 1);
                u[i] = sample(a, i, 20, 0), v[i] = sample(b, (i * 1531) % BATCH, 20, 0);
                if (!power || b != GRID) continue;
                /* exponents that just reach both ends of the range, where the logarithm's error counts most, and
                   every other base by sqrt 1/2 or sqrt 2, where the argument of its series is largest */
                const double near = (i & 2 ? 0.70710678118654752 : 1.4142135623730950) * (1 + (uniform() - 0.5) / 64);
                x[i] = i & 1 ? (float)near : fabsf(x[i]), u[i] = i & 1 ? near : fabs(u[i]);
                y[i] *= (float)(5.2 / fmax(1e-6, fabs(log((double)x[i])))), v[i] *= 37.3 / fmax(1e-14, fabs(log(u[i])));
            }
            f->loop_f32(BATCH, x, y, z);
            f->loop_f64(BATCH, u, v, w);
            for (int i = 0; i < BATCH; i++) {
                wide d = ulps_f32(z[i], f->reference(x[i], y[i]), cancels ? fmaxl(x[i], y[i]) : 0);
                wide e = ulps_f64(w[i], f->reference(u[i], v[i]), cancels ? fmaxl(u[i], v[i]) : 0);
                if (cancels && (isnan(x[i]) || isnan(y[i]))) d = isnan(z[i]) ? 0 : 1e9L; /* fmaxl drops a NaN */
                if (cancels && (isnan(u[i]) || isnan(v[i]))) e = isnan(w[i]) ? 0 : 1e9L;
                if (d > worst) worst = d, at[0] = (double)x[i], at[1] = (double)y[i];
                if (e > worst_f64) worst_f64 = e, at_f64[0] = u[i], at_f64[1] = v[i];
            }
        }
        print_message("%-10s f32 %.2Lf ulp at %a, %a, f64 %.2Lf ulp at %a, %a\n", f->name, worst, at[0], at[1],
                      worst_f64, at_f64[0], at_f64[1]);
        assert_true(worst <= WORST);
        assert_true(worst_f64 <= WORST);
    }
}

/* Arguments that come close to a multiple of pi/2: the first is the closest of all doubles (2^-61 off). */
static void huge_angles(void **unused)
{
    static const double hard[] = {0x1.6ac5b262ca1ffp+849, 0x1.2f39e9ad1a3edp+51, 0x1.9p+500, 1e300, DBL_MAX, 0x1p1023,
                                  1e22, 0x1.921fb54442d18p+0, 0x1.921fb54442d18p+1, 0x1.3be5b4fd6d1cdp+300};
    static const float hard_f32[] = {0x1.6ba6f4p+97f, 16367173.0f * 0x1p72f, 0x1.921fb6p+0f, 0x1.921fb6p+1f, 3.4e38f};
    (void)unused;
    for (const unary *f = unaries; f < unaries + COUNT(unaries); f++) {
        if (strcmp(f->name, "sin") != 0 && strcmp(f->name, "cos") != 0 && strcmp(f->name, "tan") != 0) continue;
        for (int i = 0; i < COUNT(hard); i++) {
            assert_true(ulps_f64(f->one_f64(hard[i]), f->reference(hard[i]), 0) <= WORST);
        }
        for (int i = 0; i < COUNT(hard_f32); i++) {
            assert_true(ulps_f32(f->one_f32(hard_f32[i]), f->reference(hard_f32[i]), 0) <= WORST);
        }
    }
}

/* ---- special values --------------------------------------------------------------------------------------------- */

#define INF ((double)INFINITY)
#define NOT ((double)NAN)
#define PI 3.14159265358979323846
static const struct { const char *name; double x, y; } special_1[] = {
    {"exp", 0, 1}, {"exp", -0.0, 1}, {"exp", INF, INF}, {"exp", -INF, 0}, {"exp", 1e4, INF}, {"exp", -1e4, 0},
    {"exp", NOT, NOT},
    {"expm1", 0, 0}, {"expm1", -0.0, -0.0}, {"expm1", INF, INF}, {"expm1", -INF, -1}, {"expm1", 1e4, INF},
    {"expm1", -1e4, -1}, {"expm1", NOT, NOT},
    {"log", 0, -INF}, {"log", -0.0, -INF}, {"log", 1, 0}, {"log", INF, INF}, {"log", -1, NOT}, {"log", -INF, NOT},
    {"log", NOT, NOT},
    {"log1p", 0, 0}, {"log1p", -0.0, -0.0}, {"log1p", -1, -INF}, {"log1p", -1.5, NOT}, {"log1p", INF, INF},
    {"log1p", -INF, NOT}, {"log1p", NOT, NOT},
    {"sin", 0, 0}, {"sin", -0.0, -0.0}, {"sin", INF, NOT}, {"sin", -INF, NOT}, {"sin", NOT, NOT},
    {"cos", 0, 1}, {"cos", -0.0, 1}, {"cos", INF, NOT}, {"cos", -INF, NOT}, {"cos", NOT, NOT},
    {"tan", 0, 0}, {"tan", -0.0, -0.0}, {"tan", INF, NOT}, {"tan", -INF, NOT}, {"tan", NOT, NOT},
    {"asin", 0, 0}, {"asin", -0.0, -0.0}, {"asin", 1, PI / 2}, {"asin", -1, -PI / 2}, {"asin", 1.5, NOT},
    {"asin", -INF, NOT}, {"asin", NOT, NOT},
    {"acos", 1, 0}, {"acos", -1, PI}, {"acos", 0, PI / 2}, {"acos", -0.0, PI / 2}, {"acos", -1.5, NOT},
    {"acos", INF, NOT}, {"acos", NOT, NOT},
    {"atan", 0, 0}, {"atan", -0.0, -0.0}, {"atan", INF, PI / 2}, {"atan", -INF, -PI / 2}, {"atan", 1, PI / 4},
    {"atan", NOT, NOT},
    {"sinh", 0, 0}, {"sinh", -0.0, -0.0}, {"sinh", INF, INF}, {"sinh", -INF, -INF}, {"sinh", 1e4, INF},
    {"sinh", NOT, NOT},
    {"cosh", 0, 1}, {"cosh", -0.0, 1}, {"cosh", INF, INF}, {"cosh", -INF, INF}, {"cosh", -1e4, INF},
    {"cosh", NOT, NOT},
    {"tanh", 0, 0}, {"tanh", -0.0, -0.0}, {"tanh", INF, 1}, {"tanh", -INF, -1}, {"tanh", 1e4, 1}, {"tanh", NOT, NOT},
    {"erf", 0, 0}, {"erf", -0.0, -0.0}, {"erf", INF, 1}, {"erf", -INF, -1}, {"erf", 1e4, 1}, {"erf", NOT, NOT},
    {"sigmoid", 0, 0.5}, {"sigmoid", INF, 1}, {"sigmoid", -INF, 0}, {"sigmoid", 1e4, 1}, {"sigmoid", NOT, NOT},
    {"softplus", INF, INF}, {"softplus", -INF, 0}, {"softplus", 1e4, 1e4}, {"softplus", -1e4, 0},
    {"softplus", NOT, NOT},
    {"floor", 0.75, 0}, {"floor", -0.25, -1}, {"floor", -0.0, -0.0}, {"floor", 3, 3}, {"floor", -INF, -INF},
    {"floor", INF, INF}, {"floor", NOT, NOT},
    {"ceil", 0.25, 1}, {"ceil", -0.75, -0.0}, {"ceil", -0.0, -0.0}, {"ceil", 0, 0}, {"ceil", -INF, -INF},
    {"ceil", INF, INF}, {"ceil", NOT, NOT},
    {"rint", 0.5, 0}, {"rint", 1.5, 2}, {"rint", 2.5, 2}, {"rint", -0.5, -0.0}, {"rint", -1.5, -2},
    {"rint", -0.0, -0.0},
    {"rint", 8388607.5, 8388608}, {"rint", INF, INF}, {"rint", -INF, -INF}, {"rint", NOT, NOT},
    {"rsqrt", 4, 0.5}, {"rsqrt", 0, INF}, {"rsqrt", -0.0, -INF}, {"rsqrt", INF, 0}, {"rsqrt", -1, NOT},
    {"rsqrt", NOT, NOT},
};
static const struct { const char *name; double x, y, z; } special_2[] = {
    {"pow", 0, 0, 1}, {"pow", NOT, 0, 1}, {"pow", INF, -0.0, 1}, {"pow", -8, 0, 1},
    {"pow", 1, NOT, 1}, {"pow", 1, INF, 1}, {"pow", 1, -INF, 1}, {"pow", NOT, 1, NOT}, {"pow", 2, NOT, NOT},
    {"pow", -1, NOT, NOT}, {"pow", 0, NOT, NOT}, {"pow", NOT, INF, NOT},
    {"pow", -1, INF, 1}, {"pow", -1, -INF, 1}, {"pow", -1, 16777215, -1}, {"pow", -1, 16777214, 1},
    {"pow", -1, 1e30, 1},
    {"pow", -8, 3, -512}, {"pow", -8, 2, 64}, {"pow", -2, -3, -0.125}, {"pow", -8, 0.5, NOT}, {"pow", -1, 0.5, NOT},
    {"pow", 2, 10, 1024}, {"pow", 4, 0.5, 2}, {"pow", 2, -126, 0x1p-126}, {"pow", 2, 1e9, INF}, {"pow", 2, -1e9, 0},
    {"pow", -2, 16777215, -INF}, {"pow", -2, -16777215, -0.0},
    {"pow", 0, 3, 0}, {"pow", -0.0, 3, -0.0}, {"pow", 0, -3, INF}, {"pow", -0.0, -3, -INF}, {"pow", -0.0, 2, 0},
    {"pow", -0.0, -2, INF}, {"pow", 0, 0.5, 0}, {"pow", -0.0, 0.5, 0}, {"pow", -0.0, -0.5, INF}, {"pow", 0, INF, 0},
    {"pow", 0, -INF, INF}, {"pow", -0.0, -INF, INF},
    {"pow", INF, 2, INF}, {"pow", INF, -2, 0}, {"pow", -INF, 3, -INF}, {"pow", -INF, 2, INF}, {"pow", -INF, -3, -0.0},
    {"pow", -INF, -2, 0}, {"pow", -INF, 0.5, INF}, {"pow", -INF, -0.5, 0}, {"pow", INF, INF, INF},
    {"pow", INF, -INF, 0},
    {"pow", -INF, INF, INF}, {"pow", -INF, -INF, 0},
    {"pow", 0.5, INF, 0}, {"pow", 0.5, -INF, INF}, {"pow", 2, INF, INF}, {"pow", 2, -INF, 0}, {"pow", -2, INF, INF},
    {"pow", -0.5, INF, 0},
    {"atan2", 0, 1, 0}, {"atan2", -0.0, 1, -0.0}, {"atan2", 0, -1, PI}, {"atan2", -0.0, -1, -PI},
    {"atan2", 0, 0, 0}, {"atan2", -0.0, 0, -0.0}, {"atan2", 0, -0.0, PI}, {"atan2", -0.0, -0.0, -PI},
    {"atan2", 1, 0, PI / 2}, {"atan2", -1, 0, -PI / 2}, {"atan2", 1, -0.0, PI / 2}, {"atan2", -1, -0.0, -PI / 2},
    {"atan2", 1, 1, PI / 4}, {"atan2", 1, -1, 3 * PI / 4}, {"atan2", -1, 1, -PI / 4}, {"atan2", -1, -1, -3 * PI / 4},
    {"atan2", INF, INF, PI / 4}, {"atan2", INF, -INF, 3 * PI / 4}, {"atan2", -INF, INF, -PI / 4},
    {"atan2", -INF, -INF, -3 * PI / 4}, {"atan2", INF, 2, PI / 2}, {"atan2", -INF, -2, -PI / 2}, {"atan2", 2, INF, 0},
    {"atan2", -2, INF, -0.0}, {"atan2", 2, -INF, PI}, {"atan2", -2, -INF, -PI}, {"atan2", NOT, 1, NOT},
    {"atan2", 1, NOT, NOT}, {"atan2", NOT, 0, NOT}, {"atan2", 0, NOT, NOT}, {"atan2", INF, NOT, NOT},
    {"atan2", NOT, INF, NOT},
    {"hypot", 3, 4, 5}, {"hypot", -3, 4, 5}, {"hypot", 0, 0, 0}, {"hypot", -0.0, 0, 0}, {"hypot", -2, 0, 2},
    {"hypot", INF, NOT, INF}, {"hypot", NOT, -INF, INF}, {"hypot", -INF, 1, INF}, {"hypot", INF, INF, INF},
    {"hypot", NOT, 1, NOT}, {"hypot", 1, NOT, NOT}, {"hypot", 3e30, 4e30, 5e30},
    {"hypot", 0x3p-149, 0x4p-149, 0x5p-149},
    {"logaddexp", -INF, -INF, -INF}, {"logaddexp", -INF, 3, 3}, {"logaddexp", 3, -INF, 3},
    {"logaddexp", INF, INF, INF},
    {"logaddexp", INF, -INF, INF}, {"logaddexp", 2, INF, INF}, {"logaddexp", NOT, 1, NOT}, {"logaddexp", 1, NOT, NOT},
    {"logaddexp", INF, NOT, NOT}, {"logaddexp", NOT, INF, NOT}, {"logaddexp", NOT, -INF, NOT},
    {"logaddexp", -INF, NOT, NOT},
};

static void special_values(void **unused)
{
    (void)unused;
    for (int i = 0; i < COUNT(special_1); i++) {
        const unary *f = unaries;
        while (strcmp(f->name, special_1[i].name) != 0) f++;
        const float x = (float)special_1[i].x, y = (float)special_1[i].y, got = f->one_f32(x);
        const double u = special_1[i].x, v = special_1[i].y, got_f64 = f->one_f64(u);
        if (!same_f32(got, y)) fail_msg("%s(%a) is %a in f32, not %a", f->name, (double)x, (double)got, (double)y);
        if (!same_f64(got_f64, v)) fail_msg("%s(%a) is %a in f64, not %a", f->name, u, got_f64, v);
    }
    for (int i = 0; i < COUNT(special_2); i++) {
        const binary *f = binaries;
        while (strcmp(f->name, special_2[i].name) != 0) f++;
        const double u = special_2[i].x, v = special_2[i].y, w = special_2[i].z, got_f64 = f->one_f64(u, v);
        const float got = f->one_f32((float)u, (float)v);
        if (!same_f32(got, (float)w)) fail_msg("%s(%a, %a) is %a in f32, not %a", f->name, u, v, (double)got, w);
        if (!same_f64(got_f64, w)) fail_msg("%s(%a, %a) is %a in f64, not %a", f->name, u, v, got_f64, w);
    }
}

/* f(-x) is -f(x) or f(x) to the last bit. */
static void symmetry(void **unused)
{
    (void)unused;
    for (const unary *f = unaries; f < unaries + COUNT(unaries); f++) {
        for (int i = 0; f->symmetry && i < 4 * BATCH; i++) {
            const float x = (float)sample(i % KINDS, i % BATCH, f->range_f32, 1), s = (float)f->symmetry;
            const double u = sample(i % KINDS, i % BATCH, f->range_f64, 0);
            assert_true(same_f32(f->one_f32(-x), s * f->one_f32(x)));
            assert_true(same_f64(f->one_f64(-u), f->symmetry * f->one_f64(u)));
        }
    }
}

/* A loop of 1 to 17 elements, starting anywhere, gives the bits that single calls give. */
static void same_bits_anywhere(void **unused)
{
    float x[40], y[40], z[20];
    double u[40], v[40], w[20];
    (void)unused;
    for (int round = 0; round < 200; round++) {
        const int n = 1 + round % 17, at = round % 13;
        for (int i = 0; i < 40; i++) {
            const int a = (round + i) % KINDS, b = (round + i / 5) % KINDS;
            x[i] = (float)sample(a, i, 20, 1), y[i] = (float)sample(b, i, 20, 1);
            u[i] = sample(a, i, 20, 0), v[i] = sample(b, i, 20, 0);
        }
        for (const unary *f = unaries; f < unaries + COUNT(unaries); f++) {
            f->loop_f32(n, x + at, z);
            f->loop_f64(n, u + at, w);
            for (int i = 0; i < n; i++) assert_true(same_f32(z[i], f->one_f32(x[at + i])));
            for (int i = 0; i < n; i++) assert_true(same_f64(w[i], f->one_f64(u[at + i])));
        }
        for (const binary *f = binaries; f < binaries + COUNT(binaries); f++) {
            f->loop_f32(n, x + at, y + at, z);
            f->loop_f64(n, u + at, v + at, w);
            for (int i = 0; i < n; i++) assert_true(same_f32(z[i], f->one_f32(x[at + i], y[at + i])));
            for (int i = 0; i < n; i++) assert_true(same_f64(w[i], f->one_f64(u[at + i], v[at + i])));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_values), cmocka_unit_test(unary_accuracy), cmocka_unit_test(binary_accuracy),
        cmocka_unit_test(huge_angles),    cmocka_unit_test(symmetry),       cmocka_unit_test(same_bits_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
