/*
 * test_pointwise.c - every pointwise operation: values and slopes against libm, comparisons, selection.
 *
 * Random points are compared with long double formulas, by the fused kernel, by the recorded formulas and in forward mode.
 * (Zeros, ties, infinities and NaN are in test_special_points.c.) The program runs itself again for each smaller instruction set,
 * so that all kernel variants that the processor has are tested.
 */
#include "values.h"

#include <float.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

typedef long double wide;
typedef ct_tensor *(*unary)(ct_tensor *x);
typedef ct_tensor *(*binary)(ct_tensor *x, ct_tensor *y);

#define INF INFINITY

typedef struct call { /* an operation of one operand, or of two */
    unary f1;
    binary f2;
} call;

/* Operations with parameters, as functions of x alone. */
static ct_tensor *leaky_relu(ct_tensor *x) { return ct_leaky_relu(x, 0.25); }
static ct_tensor *elu(ct_tensor *x) { return ct_elu(x, 1.5); }
static ct_tensor *clamp(ct_tensor *x) { return ct_clamp(x, -1, 2); }

static double epsilon(ct_dtype dtype) { return dtype == CT_F32 ? FLT_EPSILON : DBL_EPSILON; }
static double as(ct_dtype dtype, double v) { return dtype == CT_F32 ? (double)(float)v : v; }

/* ---- references at ordinary points -------------------------------------------------------------------- */

static wide sigmoid_of(wide x) { return 1 / (1 + expl(-x)); }
static wide normal_cdf(wide x) { return erfcl(-x / sqrtl(2)) / 2; }
static wide normal_pdf(wide x) { return expl(-x * x / 2) / sqrtl(2 * acosl(-1)); }
static wide gelu_k(void) { return sqrtl(2 / acosl(-1)); }
static wide gelu_t(wide x) { return tanhl(gelu_k() * (x + 0.044715L * x * x * x)); }
static wide sign_of(wide x) { return (x > 0) - (x < 0); }

/* name, y, dy/dx, interval, scale: errors count relative to |y| + scale */
#define UNARY_LIST(X)                                                                                                  \
    X(neg, -x, -1, -10, 10, 0)                                                                                         \
    X(abs, fabsl(x), sign_of(x), -10, 10, 0)                                                                           \
    X(sign, sign_of(x), 0, -10, 10, 0)                                                                                 \
    X(exp, expl(x), expl(x), -80, 80, 0)                                                                               \
    X(expm1, expm1l(x), expl(x), -80, 80, 0)                                                                           \
    X(log, logl(x), 1 / x, 1e-3, 100, 0)                                                                               \
    X(log1p, log1pl(x), 1 / (1 + x), -0.99, 100, 0)                                                                    \
    X(sqrt, sqrtl(x), 0.5L / sqrtl(x), 1e-3, 100, 0)                                                                   \
    X(rsqrt, 1 / sqrtl(x), -0.5L / (x * sqrtl(x)), 1e-3, 100, 0)                                                       \
    X(square, x *x, 2 * x, -10, 10, 0)                                                                                 \
    X(reciprocal, 1 / x, -1 / (x * x), -10, 10, 0)                                                                     \
    X(sin, sinl(x), cosl(x), -30, 30, 0)                                                                               \
    X(cos, cosl(x), -sinl(x), -30, 30, 0)                                                                              \
    X(tan, tanl(x), 1 / (cosl(x) * cosl(x)), -1.5, 1.5, 0)                                                             \
    X(asin, asinl(x), 1 / sqrtl(1 - x * x), -0.99, 0.99, 0)                                                            \
    X(acos, acosl(x), -1 / sqrtl(1 - x * x), -0.99, 0.99, 0)                                                           \
    X(atan, atanl(x), 1 / (1 + x * x), -10, 10, 0)                                                                     \
    X(sinh, sinhl(x), coshl(x), -20, 20, 0)                                                                            \
    X(cosh, coshl(x), sinhl(x), -20, 20, 0)                                                                            \
    X(tanh, tanhl(x), 1 / (coshl(x) * coshl(x)), -6, 6, 0)                                                             \
    X(erf, erfl(x), 2 / sqrtl(acosl(-1)) * expl(-x * x), -4, 4, 0)                                                     \
    X(sigmoid, sigmoid_of(x), sigmoid_of(x) * sigmoid_of(-x), -40, 40, 0)                                              \
    X(softplus, fmaxl(x, 0) + log1pl(expl(-fabsl(x))), sigmoid_of(x), -40, 40, 0)                                      \
    X(relu, x > 0 ? x : 0, x > 0, -10, 10, 0)                                                                          \
    X(gelu, x *normal_cdf(x), normal_cdf(x) + x * normal_pdf(x), -8, 8, 1)                                             \
    X(gelu_tanh, x / 2 * (1 + gelu_t(x)),                                                                              \
      (1 + gelu_t(x)) / 2 + x / 2 * (1 - gelu_t(x) * gelu_t(x)) * gelu_k() * (1 + 0.134145L * x * x), -4, 4, 1)        \
    X(silu, x *sigmoid_of(x), sigmoid_of(x) * (1 + x * sigmoid_of(-x)), -40, 40, 0)                                    \
    X(floor, floorl(x), 0, -10, 10, 0)                                                                                 \
    X(ceil, ceill(x), 0, -10, 10, 0)                                                                                   \
    X(round, rintl(x), 0, -10, 10, 0)                                                                                  \
    X(step, x > 0, 0, -10, 10, 0)

/* name, z, dz/dx, dz/dy, interval of x, interval of y, scale */
#define BINARY_LIST(X)                                                                                                 \
    X(add, x + y, 1, 1, -10, 10, -10, 10, 0)                                                                           \
    X(sub, x - y, 1, -1, -10, 10, -10, 10, 0)                                                                          \
    X(mul, x *y, y, x, -10, 10, -10, 10, 0)                                                                            \
    X(div, x / y, 1 / y, -x / (y * y), -10, 10, 0.1, 10, 0)                                                            \
    X(pow, powl(x, y), y *powl(x, y - 1), powl(x, y) * logl(x), 0.05, 5, -3, 3, 0)                                     \
    X(maximum, fmaxl(x, y), x > y, y > x, -10, 10, -10, 10, 0)                                                         \
    X(minimum, fminl(x, y), x < y, y < x, -10, 10, -10, 10, 0)                                                         \
    X(atan2, atan2l(x, y), y / (x * x + y * y), -x / (x * x + y * y), -10, 10, -10, 10, 0)                             \
    X(hypot, hypotl(x, y), x / hypotl(x, y), y / hypotl(x, y), -10, 10, -10, 10, 0)                                    \
    X(logaddexp, fmaxl(x, y) + log1pl(expl(-fabsl(x - y))), sigmoid_of(x - y), sigmoid_of(y - x), -40, 40, -40, 40, 1)

#define DEFINE1(name, value, slope, low, high, scale)                                                                  \
    static wide value_##name(wide x) { return value; }                                                                 \
    static wide slope_##name(wide x) { return (void)x, slope; }
#define DEFINE2(name, value, slope_x, slope_y, xl, xh, yl, yh, scale)                                                  \
    static wide value_##name(wide x, wide y) { return value; }                                                         \
    static wide slope_x_##name(wide x, wide y) { return (void)x, (void)y, slope_x; }                                   \
    static wide slope_y_##name(wide x, wide y) { return (void)x, (void)y, slope_y; }
UNARY_LIST(DEFINE1)
DEFINE1(leaky_relu, x > 0 ? x : x / 4, x > 0 ? 1 : 0.25L, 0, 0, 0)
DEFINE1(elu, x > 0 ? x : 1.5L * expm1l(x), x > 0 ? 1 : 1.5L * expl(x), 0, 0, 0)
DEFINE1(clamp, x < -1 ? -1 : x > 2 ? 2 : x, x >= -1 && x <= 2, 0, 0, 0)
BINARY_LIST(DEFINE2)

static const struct unary_case {
    const char *name;
    unary f;
    wide (*value)(wide), (*slope)(wide);
    double low, high, scale;
} unaries[] = {
#define ROW(name, value, slope, low, high, scale) {#name, ct_##name, value_##name, slope_##name, low, high, scale},
    UNARY_LIST(ROW)
#undef ROW
    {"leaky_relu", leaky_relu, value_leaky_relu, slope_leaky_relu, -10, 10, 0},
    {"elu", elu, value_elu, slope_elu, -10, 10, 0},
    {"clamp", clamp, value_clamp, slope_clamp, -3, 4, 0},
};
static const struct binary_case {
    const char *name;
    binary f;
    wide (*value)(wide, wide), (*slope[2])(wide, wide);
    double x_low, x_high, y_low, y_high, scale;
} binaries[] = {
#define ROW(name, value, sx, sy, xl, xh, yl, yh, scale)                                                                \
    {#name, ct_##name, value_##name, {slope_x_##name, slope_y_##name}, xl, xh, yl, yh, scale},
    BINARY_LIST(ROW)
#undef ROW
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- values and derivatives of a call, by every way --------------------------------------------------- */

static int apply(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const call *c = context;
    out[0] = c->f1 ? c->f1(in[0]) : c->f2(in[0], in[1]);
    return out[0] ? 0 : 1;
}

/* The derivatives by fused kernels (0), recorded formulas (1) and forward mode (2). */
enum { WAYS = 3 };
typedef struct results {
    ct_tensor *z, *d[WAYS][2];
} results;

static results all_ways(call *c, ct_tensor *const *x, int n)
{
    results r = {0};
    assert_int_equal(apply(c, x, &r.z), 0);
    assert_true(ct_grad(&r.z, NULL, 1, x, n, r.d[0], (ct_grad_options){.retain_graph = true}));
    assert_true(ct_grad(&r.z, NULL, 1, x, n, r.d[1], (ct_grad_options){.create_graph = true}));
    for (int i = 0; i < n; i++) {
        ct_tensor *tangents[] = {NULL, NULL};
        tangents[i] = ct_ones(ct_shape_get(x[i]), ct_dtype_of(x[i]));
        assert_true(ct_jvp(apply, c, x, tangents, n, NULL, &r.d[2][i], 1));
    }
    return r;
}

static ct_tensor *leaf(ct_tensor *t) { return ct_requires_grad(t, true); }

/* ---- ordinary points ---------------------------------------------------------------------------------- */

static void compare(const char *name, const char *what, ct_tensor *t, const wide *expected, int64_t n, double tolerance,
                    double scale)
{
    double actual[512];
    assert_true(n <= 512 && ct_copy_values(t, actual, n));
    for (int64_t i = 0; i < n; i++) {
        const wide error = fabsl(actual[i] - expected[i]), bound = tolerance * (fabsl(expected[i]) + scale);
        if (error <= bound) continue;
        print_error("%s of %s, %s: %.17g, expected %.17Lg\n", what, name, ct_dtype_name(ct_dtype_of(t)), actual[i], expected[i]);
        fail();
    }
}

static void unary_values_and_slopes(void **state)
{
    (void)state;
    enum { N = 411 };
    wide value[N], slope[N];
    double at[N];
    for (size_t k = 0; k < COUNT(unaries); k++) {
        const struct unary_case *u = &unaries[k];
        for (ct_dtype dtype = CT_F32; dtype <= CT_F64; dtype++) {
            CT_SCOPE;
            ct_tensor *x[] = {leaf(ct_uniform(ct_shape(N), u->low, u->high, dtype)), NULL};
            assert_true(ct_copy_values(x[0], at, N));
            for (int i = 0; i < N; i++) value[i] = u->value(at[i]), slope[i] = u->slope(at[i]);
            const results r = all_ways(&(call){.f1 = u->f}, x, 1);
            compare(u->name, "value", r.z, value, N, 5 * epsilon(dtype), u->scale);
            for (int w = 0; w < WAYS; w++) compare(u->name, "slope", r.d[w][0], slope, N, 20 * epsilon(dtype), 1);
        }
    }
}

static void binary_values_and_slopes(void **state)
{
    (void)state;
    enum { N = 411 };
    wide value[N], slope[2][N];
    double x_at[N], y_at[N];
    for (size_t k = 0; k < COUNT(binaries); k++) {
        const struct binary_case *b = &binaries[k];
        for (ct_dtype dtype = CT_F32; dtype <= CT_F64; dtype++) {
            CT_SCOPE;
            ct_tensor *x[] = {leaf(ct_uniform(ct_shape(N), b->x_low, b->x_high, dtype)),
                              leaf(ct_uniform(ct_shape(N), b->y_low, b->y_high, dtype))};
            assert_true(ct_copy_values(x[0], x_at, N) && ct_copy_values(x[1], y_at, N));
            for (int i = 0; i < N; i++) {
                value[i] = b->value(x_at[i], y_at[i]);
                for (int j = 0; j < 2; j++) slope[j][i] = b->slope[j](x_at[i], y_at[i]);
            }
            const results r = all_ways(&(call){.f2 = b->f}, x, 2);
            compare(b->name, "value", r.z, value, N, 5 * epsilon(dtype), b->scale);
            for (int w = 0; w < WAYS; w++) {
                compare(b->name, "slope by x", r.d[w][0], slope[0], N, 20 * epsilon(dtype), 1);
                compare(b->name, "slope by y", r.d[w][1], slope[1], N, 20 * epsilon(dtype), 1);
            }
        }
    }
}

/* ---- parameters --------------------------------------------------------------------------------------- */

static void clamp_wants_ordered_ends(void **state)
{
    (void)state;
    ct_tensor *x = ct_zeros(ct_shape(2), CT_F32);
    assert_null(ct_clamp(x, 2, 1));
    assert_error(CT_ERROR_VALUE, "ct_clamp", "low is 2 and high is 1");
    assert_null(ct_clamp(x, NAN, 1));
    assert_error(CT_ERROR_VALUE, "ct_clamp", "expected low <= high");
    assert_tensor(ct_clamp(x, -INF, INF), x);
    assert_tensor(ct_clamp(x, 3, 3), ct_full(ct_shape(2), 3, CT_F32));
}

/* ---- comparisons and logic ---------------------------------------------------------------------------- */

static void comparisons_follow_c(void **state)
{
    (void)state;
    static const double v[] = {0, -0.0, 1, -1, INFINITY, -INFINITY, NAN, 1e-30};
    enum { N = COUNT(v) };
    for (ct_dtype dtype = CT_F32; dtype <= CT_F64; dtype++) {
        CT_SCOPE;
        ct_tensor *x = ct_from_values(v, N, ct_shape(N, 1), dtype), *y = ct_from_values(v, N, ct_shape(N), dtype);
        ct_tensor *z[] = {ct_eq(x, y), ct_ne(x, y), ct_lt(x, y), ct_le(x, y), ct_gt(x, y), ct_ge(x, y),
                          ct_logical_and(x, y), ct_logical_or(x, y), ct_logical_xor(x, y)};
        for (int i = 0; i < (int)N; i++) {
            for (int j = 0; j < (int)N; j++) {
                const double a = as(dtype, v[i]), b = as(dtype, v[j]);
                const bool expected[] = {a == b,           a != b,           a < b, a <= b, a > b, a >= b,
                                         a != 0 && b != 0, a != 0 || b != 0, (a != 0) != (b != 0)};
                for (size_t k = 0; k < COUNT(z); k++) assert_int_equal(ct_get(z[k], ct_index(i, j)), expected[k]);
            }
        }
        for (size_t k = 0; k < COUNT(z); k++) assert_int_equal(ct_dtype_of(z[k]), CT_BOOL);
        for (int i = 0; i < (int)N; i++) {
            assert_int_equal(ct_get(ct_isnan(y), ct_index(i)), isnan(v[i]));
            assert_int_equal(ct_get(ct_isinf(y), ct_index(i)), isinf(v[i]) != 0);
            assert_int_equal(ct_get(ct_isfinite(y), ct_index(i)), isfinite(v[i]) != 0);
            assert_int_equal(ct_get(ct_logical_not(y), ct_index(i)), v[i] == 0);
        }
    }
    ct_tensor *largest = ct_of(ct_shape(2), CT_F32, FLT_MAX, -FLT_MAX);
    assert_tensor(ct_isfinite(largest), ct_ones(ct_shape(2), CT_BOOL));
    assert_tensor(ct_isinf(largest), ct_zeros(ct_shape(2), CT_BOOL));
    largest = ct_of(ct_shape(2), CT_F64, DBL_MAX, -DBL_MAX);
    assert_tensor(ct_isfinite(largest), ct_ones(ct_shape(2), CT_BOOL));
}

static void comparisons_of_integers_are_exact(void **state)
{
    (void)state;
    static const int64_t near[] = {INT64_MAX, INT64_MAX - 1, INT64_MIN, 9007199254740993};
    static const int64_t other[] = {INT64_MAX - 1, INT64_MAX - 1, INT64_MAX, 9007199254740992};
    ct_tensor *x = ct_from(near, ct_shape(4), CT_I64), *y = ct_from(other, ct_shape(4), CT_I64);
    assert_tensor(ct_gt(x, y), ct_of(ct_shape(4), CT_BOOL, 1, 0, 0, 1));
    assert_tensor(ct_eq(x, y), ct_of(ct_shape(4), CT_BOOL, 0, 1, 0, 0));
    assert_tensor(ct_lt(ct_of(ct_shape(2), CT_U8, 200, 3), ct_of(ct_shape(2), CT_I32, -1, 4)), ct_of(ct_shape(2), CT_BOOL, 0, 1));
    assert_tensor(ct_ge(ct_of(ct_shape(2), CT_BOOL, 0, 1), ct_of(ct_shape(2), CT_BOOL, 1, 1)), ct_of(ct_shape(2), CT_BOOL, 0, 1));
    assert_tensor(ct_isnan(x), ct_zeros(ct_shape(4), CT_BOOL));
    assert_tensor(ct_isfinite(x), ct_ones(ct_shape(4), CT_BOOL));
    assert_tensor(ct_gt(x, ct_scalar(0)), ct_of(ct_shape(4), CT_BOOL, 1, 1, 0, 1));
}

static void comparisons_have_no_derivative(void **state)
{
    (void)state;
    ct_tensor *x = leaf(ct_ones(ct_shape(3), CT_F64));
    assert_false(ct_needs_grad(ct_gt(x, x)));
    assert_false(ct_needs_grad(ct_logical_not(x)));
    assert_false(ct_needs_grad(ct_isnan(x)));
    assert_true(ct_backward(ct_sum(ct_mul(x, ct_ge(x, x)), CT_ALL, false))); /* as a mask */
    assert_values(ct_grad_of(x), ct_shape(3), 1, 1, 1);
}

/* ---- where -------------------------------------------------------------------------------------------- */

static int chosen(void *context, ct_tensor *const *in, ct_tensor **out)
{
    out[0] = ct_where(context, in[0], in[1]);
    return out[0] ? 0 : 1;
}

static void where_takes_one_branch_alone(void **state)
{
    (void)state;
    for (ct_dtype dtype = CT_F32; dtype <= CT_F64; dtype++) {
        ct_tensor *c = ct_of(ct_shape(4), CT_BOOL, 1, 0, 1, 0), *g = ct_of(ct_shape(4), dtype, 2, 3, 4, 5), *dz;
        ct_tensor *in[] = {leaf(ct_of(ct_shape(4), dtype, 1, NAN, 2, INF)), leaf(ct_of(ct_shape(4), dtype, NAN, 3, -INF, 4))};
        ct_tensor *z = ct_where(c, in[0], in[1]), *d[2], *dd[2];
        assert_tensor(z, ct_of(ct_shape(4), dtype, 1, 3, 2, 4));
        /* also behind a function that makes NaN of NaN, and twice */
        ct_tensor *y = ct_mul(z, ct_square(z));
        assert_true(ct_grad(&y, &g, 1, in, 2, d, (ct_grad_options){.create_graph = true}));
        assert_tensor(d[0], ct_of(ct_shape(4), dtype, 6, 0, 48, 0));
        assert_tensor(d[1], ct_of(ct_shape(4), dtype, 0, 81, 0, 240));
        ct_tensor *s = ct_add(d[0], d[1]);
        assert_true(ct_grad(&s, NULL, 1, in, 2, dd, (ct_grad_options){0}));
        assert_tensor(dd[0], ct_of(ct_shape(4), dtype, 12, 0, 48, 0));
        assert_tensor(dd[1], ct_of(ct_shape(4), dtype, 0, 54, 0, 120));
        ct_tensor *tangents[] = {ct_of(ct_shape(4), dtype, 1, NAN, 2, INF), ct_of(ct_shape(4), dtype, -INF, 5, NAN, 6)};
        assert_true(ct_jvp(chosen, c, in, tangents, 2, NULL, &dz, 1));
        assert_tensor(dz, ct_of(ct_shape(4), dtype, 1, 5, 2, 6));
    }
}

/* The usual guard: the argument is replaced before the function that has no derivative there. */
static void a_guarded_root_has_derivative_zero(void **state)
{
    (void)state;
    ct_tensor *x = leaf(ct_of(ct_shape(3), CT_F64, 0, 4, -1)), *positive = ct_gt(x, ct_scalar(0));
    ct_tensor *y = ct_where(positive, ct_sqrt(ct_where(positive, x, ct_scalar(1))), ct_scalar(0)), *d, *dd;
    assert_values(y, ct_shape(3), 0, 2, 0);
    assert_true(ct_grad(&y, NULL, 1, &x, 1, &d, (ct_grad_options){.create_graph = true}));
    assert_values(d, ct_shape(3), 0, 0.25, 0);
    assert_true(ct_grad(&d, NULL, 1, &x, 1, &dd, (ct_grad_options){0}));
    assert_values(dd, ct_shape(3), 0, -0.03125, 0);
}

static void where_broadcasts_three_operands(void **state)
{
    (void)state;
    ct_tensor *c = ct_of(ct_shape(2, 1), CT_BOOL, 1, 0), *x = leaf(ct_of(ct_shape(3), CT_F64, 1, 2, 3));
    ct_tensor *y = leaf(ct_of(ct_shape(), CT_F64, 9)), *z = ct_where(c, x, y);
    assert_values(z, ct_shape(2, 3), 1, 2, 3, 9, 9, 9);
    assert_true(ct_backward(ct_sum(z, CT_ALL, false)));
    assert_values(ct_grad_of(x), ct_shape(3), 1, 1, 1);
    assert_values(ct_grad_of(y), ct_shape(), 3);
    assert_tensor(ct_where(c, ct_of(ct_shape(1), CT_F32, 1), ct_scalar(0.5)), ct_of(ct_shape(2, 1), CT_F32, 1, 0.5));
    assert_tensor(ct_where(c, ct_of(ct_shape(1), CT_I32, 1), ct_of(ct_shape(1), CT_U8, 7)), ct_of(ct_shape(2, 1), CT_I32, 1, 7));
    assert_tensor(ct_where(c, ct_ones(ct_shape(2, 1), CT_BOOL), ct_zeros(ct_shape(2, 1), CT_BOOL)), c);
    assert_tensor(ct_where(c, ct_ones(ct_shape(), CT_BOOL), ct_zeros(ct_shape(1, 1), CT_BOOL)), c);
    assert_int_equal(ct_count_of(ct_where(ct_zeros(ct_shape(0, 1), CT_BOOL), x, y)), 0);
    assert_null(ct_where(x, x, y));
    assert_error(CT_ERROR_DTYPE, "ct_where", "the condition is f64 [3]; expected bool");
    assert_null(ct_where(ct_ones(ct_shape(2), CT_BOOL), x, y));
    assert_error(CT_ERROR_SHAPE, "ct_where", "the condition is bool [2], x is f64 [3], y is f64 []");
    assert_null(ct_where(c, x, ct_zeros(ct_shape(2), CT_F64)));
    assert_error(CT_ERROR_SHAPE, "ct_where", "x is f64 [3], y is f64 [2]");
    assert_null(ct_where(c, x, ct_zeros(ct_shape(3), CT_F32)));
    assert_error(CT_ERROR_DTYPE, "ct_where", "f32 and f64 do not mix");
}

/* ---- the same bits for an element wherever it stands -------------------------------------------------- */

static bool same_bits(ct_tensor *a, ct_tensor *b)
{
    CT_SCOPE;
    const size_t bytes = (size_t)ct_count_of(a) * ct_dtype_size(ct_dtype_of(a));
    ct_tensor *ca = ct_contiguous(a), *cb = ct_contiguous(b);
    assert_int_equal(ct_count_of(a), ct_count_of(b));
    return memcmp(ct_data(ca), ct_data(cb), bytes) == 0;
}

/* z and its slopes for operands taken from position `from` on, in steps. */
static void bits_of_part(call *c, ct_tensor *const *x, int n, const results *whole, int64_t from, int64_t step)
{
    CT_SCOPE;
    ct_tensor *part[2], *d[2];
    for (int i = 0; i < n; i++) part[i] = leaf(ct_detach(ct_slice(x[i], 0, from, CT_NONE, step)));
    results r;
    assert_int_equal(apply(c, part, &r.z), 0);
    assert_true(same_bits(r.z, ct_slice(whole->z, 0, from, CT_NONE, step)));
    assert_true(ct_grad(&r.z, NULL, 1, part, n, d, (ct_grad_options){0}));
    for (int i = 0; i < n; i++) assert_true(same_bits(d[i], ct_slice(whole->d[0][i], 0, from, CT_NONE, step)));
}

static void bits_of_call(call *c, ct_tensor *const *x, int n)
{
    results whole = {0};
    assert_int_equal(apply(c, x, &whole.z), 0);
    assert_true(ct_grad(&whole.z, NULL, 1, x, n, whole.d[0], (ct_grad_options){.retain_graph = true}));
    for (int64_t from = 1; from < 18; from++) bits_of_part(c, x, n, &whole, from, 1);
    bits_of_part(c, x, n, &whole, 0, 3);
    bits_of_part(c, x, n, &whole, -1, -1);
    const int64_t length = ct_dim(x[0], 0);
    for (int64_t i = 0; i < length; i += 5) bits_of_part(c, x, n, &whole, i, length); /* alone */
}

static void an_element_has_the_same_bits_anywhere(void **state)
{
    (void)state;
    for (ct_dtype dtype = CT_F32; dtype <= CT_F64; dtype++) {
        for (size_t k = 0; k < COUNT(unaries); k++) {
            CT_SCOPE;
            const struct unary_case *u = &unaries[k];
            ct_tensor *x[] = {leaf(ct_uniform(ct_shape(61), u->low, u->high, dtype)), NULL};
            bits_of_call(&(call){.f1 = u->f}, x, 1);
        }
        for (size_t k = 0; k < COUNT(binaries); k++) {
            CT_SCOPE;
            const struct binary_case *b = &binaries[k];
            ct_tensor *x[] = {leaf(ct_uniform(ct_shape(61), b->x_low, b->x_high, dtype)),
                              leaf(ct_uniform(ct_shape(61), b->y_low, b->y_high, dtype))};
            bits_of_call(&(call){.f2 = b->f}, x, 2);
        }
    }
}

/* Large enough to be cut among threads, in an odd place. */
static void parts_have_the_bits_of_the_whole(void **state)
{
    (void)state;
    ct_tensor *x = ct_uniform(ct_shape(3, 50021), -3, 3, CT_F32), *y = ct_transpose(ct_uniform(ct_shape(50021, 3), 1, 2, CT_F32));
    for (int threads = 1; threads <= 3; threads++) {
        assert_true(ct_set_threads(threads));
        CT_SCOPE;
        ct_tensor *z = ct_atan2(x, y), *t = ct_tanh(y);
        for (int64_t i = 0; i < 3; i++) {
            assert_true(same_bits(ct_select(z, 0, i), ct_atan2(ct_select(x, 0, i), ct_select(y, 0, i))));
            assert_true(same_bits(ct_slice(t, 1, 17, 23, 1), ct_tanh(ct_slice(y, 1, 17, 23, 1))));
        }
    }
    assert_true(ct_set_threads(0));
}

/* y and its slope. */
static void value_and_slope(unary f, ct_tensor *x, ct_tensor **y, ct_tensor **d)
{
    *y = f(x);
    assert_true(ct_grad(y, NULL, 1, &x, 1, d, (ct_grad_options){.retain_graph = true}));
}

/* Large angles, and what log has besides normal numbers, take longer forms of the functions: in a piece that has one, all others keep
 * their bits, and it has those that it has alone. */
static void far_elements_change_no_others(void **state)
{
    (void)state;
    static const struct { unary f; wide (*reference)(wide); double far[3]; } cases[] = {
        {ct_sin, sinl, {1e6, 8192, -1e30}}, {ct_cos, cosl, {-1e6, 1e7, 1e30}}, {ct_tan, tanl, {1e6, -8192, 1e30}},
        {ct_log, logl, {0, 1e-40, 1e-45}},
    };
    static const int64_t at[] = {7, 2100, 4990};
    for (int k = 0; k < 2 * (int)COUNT(cases); k++) {
        CT_SCOPE;
        const ct_dtype dtype = k % 2 ? CT_F64 : CT_F32;
        ct_tensor *x = leaf(ct_uniform(ct_shape(4999), 0.1, 1.5, dtype)), *mixed = ct_clone(ct_detach(x)), *y, *d, *z, *e;
        for (int i = 0; i < 3; i++) assert_true(ct_set(mixed, ct_index(at[i]), cases[k / 2].far[i]));
        mixed = leaf(mixed);
        value_and_slope(cases[k / 2].f, x, &y, &d);
        value_and_slope(cases[k / 2].f, mixed, &z, &e);
        for (int64_t from = 0, i = 0; i <= 3; from = at[i] + 1, i++) {
            const int64_t to = i < 3 ? at[i] : 4999;
            assert_true(same_bits(ct_slice(y, 0, from, to, 1), ct_slice(z, 0, from, to, 1)));
            assert_true(same_bits(ct_slice(d, 0, from, to, 1), ct_slice(e, 0, from, to, 1)));
            if (i == 3) break;
            ct_tensor *one, *slope, *alone = leaf(ct_clone(ct_detach(ct_slice(mixed, 0, at[i], at[i] + 1, 1))));
            value_and_slope(cases[k / 2].f, alone, &one, &slope);
            assert_true(same_bits(one, ct_slice(z, 0, at[i], at[i] + 1, 1)) && same_bits(slope, ct_slice(e, 0, at[i], at[i] + 1, 1)));
            const wide expected = cases[k / 2].reference(as(dtype, cases[k / 2].far[i])), got = ct_item(one);
            assert_true(got == expected || fabsl(got - expected) <= 4 * (wide)epsilon(dtype) * fabsl(expected));
        }
    }
}

/* ---- instruction sets --------------------------------------------------------------------------------- */

static const char *wanted_set(void) { return getenv("COTANGENT_ISA"); }

/* All of the above again, in a process of its own: the choice is made once. */
static void run_again_with(const char *set)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char program[] = "/proc/self/exe", *arguments[] = {program, NULL};
        if (!freopen("/dev/null", "w", stdout) || setenv("COTANGENT_ISA", set, 1) != 0) _exit(1);
        execv(program, arguments);
        _exit(1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) print_error("the tests fail with the instruction set %s\n", set);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void smaller_instruction_sets_pass_too(void **state)
{
    (void)state;
    static const char *const sets[] = {"baseline", "avx2"};
    if (test_under_valgrind()) skip(); /* a process cannot start itself there */
    if (wanted_set()) { /* this is such a run: it has the set that was asked for, or all that the processor has */
        if (strcmp(wanted_set(), "baseline") == 0) assert_string_equal(ct_instruction_set(), "baseline");
        return;
    }
    for (size_t i = 0; i < COUNT(sets) && strcmp(sets[i], ct_instruction_set()) != 0; i++) run_again_with(sets[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(unary_values_and_slopes),
        value_test(binary_values_and_slopes),
        value_test(clamp_wants_ordered_ends),
        value_test(comparisons_follow_c),
        value_test(comparisons_of_integers_are_exact),
        value_test(comparisons_have_no_derivative),
        value_test(where_takes_one_branch_alone),
        value_test(a_guarded_root_has_derivative_zero),
        value_test(where_broadcasts_three_operands),
        value_test(an_element_has_the_same_bits_anywhere),
        value_test(parts_have_the_bits_of_the_whole),
        value_test(far_elements_change_no_others),
        value_test(smaller_instruction_sets_pass_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
