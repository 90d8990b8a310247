/*
 * pointwise_points.h - special points of the pointwise operations: values, slopes and second derivatives, worked out by hand.
 *
 * Zeros, ties, kinks, infinities, NaN, numbers whose squares overflow. ANY: not checked, because nothing is specified there.
 */
#ifndef TESTS_POINTWISE_POINTS_H
#define TESTS_POINTWISE_POINTS_H

#include "support.h"

typedef struct call { /* an operation of one operand, or of two */
    ct_tensor *(*f1)(ct_tensor *x);
    ct_tensor *(*f2)(ct_tensor *x, ct_tensor *y);
} call;

enum { BOTH, F32, F64 }; /* dtypes that a point is for */

typedef struct point {
    const char *name;
    call call;
    int dtypes;
    double x, y, z, d[2], dd[3]; /* dd: xx, xy, yy */
} point;

#define INF INFINITY
#define ANY 0x1.5555p-777
#define PI 3.14159265358979323846
#define LN2 0.69314718055994530942
#define PHI_0 0.39894228040143267794          /* the normal density at 0 */
#define EXP_MINUS_100 3.7200759760208356e-44

/* Operations with parameters, as functions of x alone. */
static ct_tensor *leaky_relu(ct_tensor *x) { return ct_leaky_relu(x, 0.25); }
static ct_tensor *elu(ct_tensor *x) { return ct_elu(x, 1.5); }
static ct_tensor *clamp(ct_tensor *x) { return ct_clamp(x, -1, 2); }

/* operation, dtypes, x, y, dy/dx, d2y/dx2 */
#define P(op, dtypes, x, y, d, dd) {#op, {.f1 = ct_##op}, dtypes, x, 0, y, {d, 0}, {dd, 0, 0}}
#define Q(op, dtypes, x, y, d, dd) {#op, {.f1 = op}, dtypes, x, 0, y, {d, 0}, {dd, 0, 0}}
static const point points[] = {
    P(neg, BOTH, 0, -0.0, -1, 0), P(neg, BOTH, -INF, INF, -1, 0), P(neg, BOTH, NAN, NAN, -1, 0),
    P(abs, BOTH, 0, 0, 0, 0), P(abs, BOTH, -0.0, 0, 0, 0), P(abs, BOTH, -INF, INF, -1, 0), P(abs, BOTH, NAN, NAN, ANY, ANY),
    P(sign, BOTH, 0, 0, 0, 0), P(sign, BOTH, -0.0, -0.0, 0, 0), P(sign, BOTH, INF, 1, 0, 0), P(sign, BOTH, -INF, -1, 0, 0),
    P(sign, BOTH, NAN, NAN, 0, 0),
    P(exp, BOTH, 0, 1, 1, 1), P(exp, BOTH, INF, INF, INF, INF), P(exp, BOTH, -INF, 0, 0, 0), P(exp, F32, 1e30, INF, INF, INF),
    P(exp, F64, -1e300, 0, 0, 0), P(exp, BOTH, NAN, NAN, NAN, NAN),
    P(expm1, BOTH, 0, 0, 1, 1), P(expm1, BOTH, -0.0, -0.0, 1, 1), P(expm1, BOTH, -INF, -1, 0, 0),
    P(expm1, BOTH, -1000, -1, 0, 0), P(expm1, BOTH, INF, INF, INF, INF), P(expm1, BOTH, NAN, NAN, NAN, NAN),
    P(log, BOTH, 1, 0, 1, -1), P(log, BOTH, 0, -INF, INF, -INF), P(log, BOTH, -0.0, -INF, ANY, ANY),
    P(log, BOTH, -1, NAN, ANY, ANY), P(log, BOTH, INF, INF, 0, 0), P(log, F32, 0x1p100, 100 * LN2, 0x1p-100, 0),
    P(log, F64, 0x1p1000, 1000 * LN2, 0x1p-1000, 0), P(log, BOTH, NAN, NAN, NAN, NAN),
    P(log1p, BOTH, 0, 0, 1, -1), P(log1p, BOTH, -0.0, -0.0, 1, -1), P(log1p, BOTH, -1, -INF, INF, -INF),
    P(log1p, BOTH, -2, NAN, ANY, ANY), P(log1p, BOTH, INF, INF, 0, 0),
    P(sqrt, BOTH, 0, 0, INF, -INF), P(sqrt, BOTH, -0.0, -0.0, ANY, ANY), P(sqrt, BOTH, 4, 2, 0.25, -0.03125),
    P(sqrt, BOTH, -1, NAN, NAN, NAN), P(sqrt, BOTH, INF, INF, 0, 0), P(sqrt, F32, 0x1p100, 0x1p50, 0x1p-51, 0),
    P(sqrt, F64, 0x1p1000, 0x1p500, 0x1p-501, 0),
    P(rsqrt, BOTH, 0, INF, -INF, INF), P(rsqrt, BOTH, 4, 0.5, -0.0625, 0.0234375), P(rsqrt, BOTH, INF, 0, 0, 0),
    P(rsqrt, BOTH, -1, NAN, NAN, NAN), P(rsqrt, F64, 0x1p1000, 0x1p-500, 0, 0),
    P(square, BOTH, -0.0, 0, 0, 2), P(square, BOTH, -INF, INF, -INF, 2), P(square, F32, 1e30, INF, 2e30, 2),
    P(square, F64, 1e300, INF, 2e300, 2),
    P(reciprocal, BOTH, 0, INF, -INF, INF), P(reciprocal, BOTH, -0.0, -INF, -INF, -INF), P(reciprocal, BOTH, INF, 0, 0, 0),
    P(reciprocal, BOTH, 2, 0.5, -0.25, 0.25), P(reciprocal, F32, 0x1p100, 0x1p-100, 0, 0),
    P(reciprocal, F64, 1e300, 1e-300, 0, 0),
    P(sin, BOTH, 0, 0, 1, 0), P(sin, BOTH, -0.0, -0.0, 1, 0), P(sin, BOTH, INF, NAN, NAN, NAN),
    P(sin, BOTH, NAN, NAN, NAN, NAN), P(sin, BOTH, 0x1p100, -0.87218360541826731, 0.48917865697472145, 0.87218360541826731),
    P(cos, BOTH, 0, 1, 0, -1), P(cos, BOTH, -INF, NAN, NAN, NAN),
    P(cos, BOTH, 0x1p100, 0.48917865697472145, 0.87218360541826731, -0.48917865697472145),
    P(tan, BOTH, 0, 0, 1, 0), P(tan, BOTH, -0.0, -0.0, 1, 0), P(tan, BOTH, INF, NAN, NAN, NAN),
    P(asin, BOTH, 0, 0, 1, 0), P(asin, BOTH, 1, PI / 2, INF, ANY), P(asin, BOTH, -1, -PI / 2, INF, ANY),
    P(asin, BOTH, 2, NAN, NAN, NAN),
    P(acos, BOTH, 0, PI / 2, -1, 0), P(acos, BOTH, 1, 0, -INF, ANY), P(acos, BOTH, -1, PI, -INF, ANY),
    P(acos, BOTH, -2, NAN, NAN, NAN),
    P(atan, BOTH, 0, 0, 1, 0), P(atan, BOTH, -0.0, -0.0, 1, 0), P(atan, BOTH, INF, PI / 2, 0, ANY),
    P(atan, BOTH, -INF, -PI / 2, 0, ANY), P(atan, F32, 1e30, PI / 2, 0, 0), P(atan, F64, -1e300, -PI / 2, 0, 0),
    P(sinh, BOTH, 0, 0, 1, 0), P(sinh, BOTH, -INF, -INF, INF, -INF), P(sinh, F32, -1e30, -INF, INF, -INF),
    P(cosh, BOTH, 0, 1, 0, 1), P(cosh, BOTH, -INF, INF, -INF, INF), P(cosh, F64, 1e300, INF, INF, INF),
    P(tanh, BOTH, 0, 0, 1, 0), P(tanh, BOTH, -0.0, -0.0, 1, 0), P(tanh, BOTH, 100, 1, 0, 0), P(tanh, BOTH, -100, -1, 0, 0),
    P(tanh, BOTH, INF, 1, 0, 0), P(tanh, BOTH, -INF, -1, 0, 0), P(tanh, F32, 1e30, 1, 0, 0), P(tanh, BOTH, NAN, NAN, NAN, NAN),
    P(erf, BOTH, 0, 0, 1.12837916709551257390, 0), P(erf, BOTH, -0.0, -0.0, 1.12837916709551257390, 0),
    P(erf, BOTH, 30, 1, 0, 0), P(erf, BOTH, -INF, -1, 0, ANY), P(erf, F32, 1e30, 1, 0, 0), P(erf, F64, -1e300, -1, 0, 0),
    P(erf, BOTH, NAN, NAN, NAN, NAN),
    P(sigmoid, BOTH, 0, 0.5, 0.25, 0), P(sigmoid, BOTH, 100, 1, 0, 0),
    P(sigmoid, BOTH, -100, EXP_MINUS_100, EXP_MINUS_100, EXP_MINUS_100), P(sigmoid, BOTH, 1000, 1, 0, 0),
    P(sigmoid, BOTH, -1000, 0, 0, 0), P(sigmoid, BOTH, INF, 1, 0, 0), P(sigmoid, BOTH, -INF, 0, 0, 0),
    P(sigmoid, BOTH, NAN, NAN, NAN, NAN),
    P(softplus, BOTH, 0, LN2, 0.5, 0.25), P(softplus, BOTH, 100, 100, 1, 0), P(softplus, BOTH, 1000, 1000, 1, 0),
    P(softplus, BOTH, -1000, 0, 0, 0), P(softplus, BOTH, -100, EXP_MINUS_100, EXP_MINUS_100, EXP_MINUS_100),
    P(softplus, BOTH, INF, INF, 1, 0), P(softplus, BOTH, -INF, 0, 0, 0), P(softplus, F32, 1e30, 1e30, 1, 0),
    P(softplus, F64, -1e300, 0, 0, 0), P(softplus, BOTH, NAN, NAN, NAN, NAN),
    P(relu, BOTH, 0, 0, 0, 0), P(relu, BOTH, -0.0, 0, 0, 0), P(relu, BOTH, 1e-30, 1e-30, 1, 0), P(relu, BOTH, INF, INF, 1, 0),
    P(relu, BOTH, -INF, 0, 0, 0), P(relu, BOTH, NAN, NAN, ANY, 0),
    Q(leaky_relu, BOTH, 0, 0, 0.25, 0), Q(leaky_relu, BOTH, -0.0, -0.0, 0.25, 0), Q(leaky_relu, BOTH, INF, INF, 1, 0),
    Q(leaky_relu, BOTH, -INF, -INF, 0.25, 0), Q(leaky_relu, BOTH, NAN, NAN, ANY, 0),
    Q(elu, BOTH, 0, 0, 1.5, ANY), Q(elu, BOTH, 1e-30, 1e-30, 1, 0), Q(elu, BOTH, INF, INF, 1, 0),
    Q(elu, BOTH, -INF, -1.5, 0, 0), Q(elu, BOTH, -1, -0.94818083824283673, 0.55181916175716348, 0.55181916175716348),
    Q(elu, F32, 1e30, 1e30, 1, 0), Q(elu, BOTH, NAN, NAN, ANY, ANY),
    Q(clamp, BOTH, -1, -1, 1, 0), Q(clamp, BOTH, 2, 2, 1, 0), Q(clamp, BOTH, 2.5, 2, 0, 0), Q(clamp, BOTH, -INF, -1, 0, 0),
    Q(clamp, BOTH, INF, 2, 0, 0), Q(clamp, BOTH, NAN, NAN, ANY, 0), Q(clamp, BOTH, 0, 0, 1, 0),
    P(gelu, BOTH, 0, 0, 0.5, 2 * PHI_0), P(gelu, BOTH, 100, 100, 1, 0), P(gelu, BOTH, -100, -0.0, 0, 0),
    P(gelu, F32, 1e30, 1e30, 1, 0), P(gelu, F32, -1e30, -0.0, 0, 0), P(gelu, F64, 1e300, 1e300, 1, 0),
    P(gelu, F64, -1e300, -0.0, 0, 0), P(gelu, BOTH, INF, INF, 1, 0), P(gelu, BOTH, -INF, -0.0, 0, 0),
    P(gelu, BOTH, NAN, NAN, NAN, NAN),
    P(gelu_tanh, BOTH, 0, 0, 0.5, 2 * PHI_0), P(gelu_tanh, BOTH, 100, 100, 1, 0), P(gelu_tanh, BOTH, -100, -0.0, 0, 0),
    P(gelu_tanh, F32, 1e30, 1e30, 1, 0), P(gelu_tanh, F32, -1e30, -0.0, 0, 0), P(gelu_tanh, F64, 1e300, 1e300, 1, 0),
    P(gelu_tanh, F64, -1e300, -0.0, 0, 0), P(gelu_tanh, BOTH, INF, INF, 1, 0), P(gelu_tanh, BOTH, -INF, -0.0, 0, 0),
    P(gelu_tanh, BOTH, NAN, NAN, NAN, NAN),
    P(silu, BOTH, 0, 0, 0.5, 0.5), P(silu, BOTH, 1000, 1000, 1, 0), P(silu, BOTH, -1000, -0.0, 0, 0),
    P(silu, F32, 1e30, 1e30, 1, 0), P(silu, F64, -1e300, -0.0, 0, 0), P(silu, F64, 1e300, 1e300, 1, 0),
    P(silu, BOTH, INF, INF, 1, 0), P(silu, BOTH, -INF, -0.0, 0, 0), P(silu, BOTH, NAN, NAN, NAN, NAN),
    P(floor, BOTH, -0.0, -0.0, 0, 0), P(floor, BOTH, -2.5, -3, 0, 0), P(floor, BOTH, INF, INF, 0, 0),
    P(floor, BOTH, NAN, NAN, 0, 0),
    P(ceil, BOTH, -0.5, -0.0, 0, 0), P(ceil, BOTH, 2.5, 3, 0, 0), P(ceil, BOTH, -INF, -INF, 0, 0),
    P(ceil, F32, 1e30, 1e30, 0, 0),
    P(round, BOTH, 0.5, 0, 0, 0), P(round, BOTH, 1.5, 2, 0, 0), P(round, BOTH, 2.5, 2, 0, 0), P(round, BOTH, -0.5, -0.0, 0, 0),
    P(round, BOTH, -1.5, -2, 0, 0), P(round, F32, 8388607.5, 8388608, 0, 0),
    P(round, F64, 4503599627370495.5, 4503599627370496, 0, 0), P(round, F64, 1e300, 1e300, 0, 0),
    P(round, BOTH, NAN, NAN, 0, 0),
    P(step, BOTH, 0, 0, 0, 0), P(step, BOTH, -0.0, 0, 0, 0), P(step, BOTH, 1e-30, 1, 0, 0), P(step, BOTH, -INF, 0, 0, 0),
    P(step, BOTH, NAN, 0, 0, 0),
};
#undef P
#undef Q

/* operation, dtypes, x, y, z, dz/dx, dz/dy, and the second derivatives by xx, xy, yy */
#define P(op, dtypes, x, y, z, dx, dy, xx, xy, yy) {#op, {.f2 = ct_##op}, dtypes, x, y, z, {dx, dy}, {xx, xy, yy}}
static const point pairs[] = {
    P(add, BOTH, INF, -INF, NAN, 1, 1, 0, 0, 0),
    P(sub, BOTH, INF, INF, NAN, 1, -1, 0, 0, 0), P(sub, BOTH, 0, 0, 0, 1, -1, 0, 0, 0),
    P(mul, BOTH, 0, INF, NAN, INF, 0, 0, 1, 0), P(mul, F32, 1e30, 1e30, INF, 1e30, 1e30, 0, 1, 0),
    P(mul, BOTH, -0.0, 3, -0.0, 3, -0.0, 0, 1, 0),
    P(div, BOTH, 1, 0, INF, INF, -INF, 0, -INF, INF), P(div, BOTH, 0, 0, NAN, INF, NAN, ANY, ANY, ANY),
    P(div, BOTH, 1, -INF, -0.0, 0, 0, 0, 0, 0), P(div, F32, 0x1p100, 0x1p100, 1, 0x1p-100, -0x1p-100, 0, 0, 0),
    P(div, F64, 0x1p999, 0x1p999, 1, 0x1p-999, -0x1p-999, 0, 0, 0),
    P(pow, BOTH, 0, 0, 1, 0, 0, 0, ANY, 0), P(pow, BOTH, -0.0, 0, 1, 0, 0, 0, ANY, 0), P(pow, BOTH, 0, 1, 0, 1, 0, 0, ANY, 0),
    P(pow, BOTH, 0, 2, 0, 0, 0, 2, 0, 0), P(pow, BOTH, 0, 3, 0, 0, 0, 0, 0, 0), P(pow, BOTH, -0.0, 3, -0.0, 0, 0, 0, 0, 0),
    P(pow, BOTH, 0, 0.5, 0, INF, 0, ANY, ANY, 0), P(pow, BOTH, 0, -1, INF, -INF, ANY, ANY, ANY, ANY),
    P(pow, BOTH, 2, 0, 1, 0, LN2, 0, 0.5, LN2 * LN2), P(pow, BOTH, 2, 1, 2, 1, 2 * LN2, 0, 1 + LN2, 2 * LN2 * LN2),
    P(pow, BOTH, 2, 10, 1024, 5120, 1024 * LN2, 23040, 512 + 5120 * LN2, 1024 * LN2 * LN2),
    P(pow, BOTH, -2, 3, -8, 12, ANY, -12, ANY, ANY), P(pow, BOTH, -2, 2, 4, -4, ANY, 2, ANY, ANY),
    P(pow, BOTH, -2, 0, 1, 0, ANY, 0, ANY, ANY), P(pow, BOTH, -2, 0.5, NAN, NAN, NAN, ANY, ANY, ANY),
    P(pow, BOTH, INF, 0, 1, 0, ANY, ANY, ANY, ANY), P(pow, BOTH, NAN, 0, 1, 0, ANY, ANY, ANY, ANY),
    P(pow, BOTH, 1, NAN, 1, ANY, ANY, ANY, ANY, ANY), P(pow, BOTH, 1, INF, 1, ANY, ANY, ANY, ANY, ANY),
    P(pow, BOTH, INF, 2, INF, INF, INF, 2, ANY, ANY), P(pow, BOTH, INF, -1, 0, 0, ANY, ANY, ANY, ANY),
    P(pow, F32, 1e-40, 0, 1, 0, -92.1034037, 0, ANY, ANY), P(pow, F64, 0x1p-1060, 0, 1, 0, -1060 * LN2, 0, ANY, ANY),
    P(pow, F32, 0x1p60, 2, 0x1p120, 0x1p61, 0x1p120 * 60 * LN2, 2, ANY, ANY),
    P(maximum, BOTH, 1, 1, 1, 0.5, 0.5, 0, 0, 0), P(maximum, BOTH, 2, 1, 2, 1, 0, 0, 0, 0),
    P(maximum, BOTH, INF, INF, INF, 0.5, 0.5, 0, 0, 0), P(maximum, BOTH, -INF, 1, 1, 0, 1, 0, 0, 0),
    P(maximum, BOTH, NAN, 1, NAN, ANY, ANY, ANY, ANY, ANY), P(maximum, BOTH, 1, NAN, NAN, ANY, ANY, ANY, ANY, ANY),
    P(minimum, BOTH, 1, 1, 1, 0.5, 0.5, 0, 0, 0), P(minimum, BOTH, 2, 1, 1, 0, 1, 0, 0, 0),
    P(minimum, BOTH, -INF, -INF, -INF, 0.5, 0.5, 0, 0, 0), P(minimum, F64, 1e300, -1e300, -1e300, 0, 1, 0, 0, 0),
    P(minimum, BOTH, NAN, 1, NAN, ANY, ANY, ANY, ANY, ANY), P(minimum, BOTH, 1, NAN, NAN, ANY, ANY, ANY, ANY, ANY),
    P(atan2, BOTH, 3, 4, 0.64350110879328439, 0.16, -0.12, -0.0384, -0.0112, 0.0384),
    P(atan2, BOTH, 1, 1, PI / 4, 0.5, -0.5, -0.5, ANY, 0.5), P(atan2, BOTH, 1, -1, 3 * PI / 4, -0.5, -0.5, 0.5, ANY, -0.5),
    P(atan2, BOTH, -1, -1, -3 * PI / 4, -0.5, 0.5, -0.5, ANY, 0.5), P(atan2, BOTH, -1, 1, -PI / 4, 0.5, 0.5, 0.5, ANY, -0.5),
    P(atan2, BOTH, 0, 1, 0, 1, 0, 0, -1, 0), P(atan2, BOTH, 0, -1, PI, -1, 0, 0, -1, 0),
    P(atan2, BOTH, -0.0, -1, -PI, -1, 0, 0, -1, 0), P(atan2, BOTH, 1, 0, PI / 2, 0, -1, 0, 1, 0),
    P(atan2, BOTH, -1, 0, -PI / 2, 0, 1, 0, 1, 0), P(atan2, BOTH, 0, 0, 0, 0, 0, ANY, ANY, ANY),
    P(atan2, BOTH, -0.0, 0, -0.0, 0, 0, ANY, ANY, ANY), P(atan2, BOTH, 0, -0.0, PI, 0, 0, ANY, ANY, ANY),
    P(atan2, BOTH, INF, INF, PI / 4, ANY, ANY, ANY, ANY, ANY), P(atan2, BOTH, INF, -INF, 3 * PI / 4, ANY, ANY, ANY, ANY, ANY),
    P(atan2, F64, 1e300, 1e300, PI / 4, 5e-301, -5e-301, 0, 0, 0), P(atan2, F32, 1e30, 1e30, PI / 4, 5e-31, -5e-31, 0, 0, 0),
    P(atan2, F64, 1e-200, 1e-200, PI / 4, 5e199, -5e199, ANY, ANY, ANY), P(atan2, BOTH, NAN, 1, NAN, NAN, NAN, NAN, NAN, NAN),
    P(hypot, BOTH, 3, 4, 5, 0.6, 0.8, 0.128, -0.096, 0.072), P(hypot, BOTH, 0, 0, 0, 0, 0, ANY, ANY, ANY),
    P(hypot, BOTH, -3, 0, 3, -1, 0, 0, 0, 1.0 / 3),
    P(hypot, F64, 3e200, 4e200, 5e200, 0.6, 0.8, 1.28e-201, -9.6e-202, 7.2e-202),
    P(hypot, F64, 3e-200, 4e-200, 5e-200, 0.6, 0.8, 1.28e199, -9.6e198, 7.2e198),
    P(hypot, F32, 3e30, 4e30, 5e30, 0.6, 0.8, 1.28e-31, -9.6e-32, 7.2e-32),
    P(hypot, BOTH, -INF, 1, INF, ANY, 0, ANY, ANY, ANY), P(hypot, BOTH, INF, NAN, INF, ANY, ANY, ANY, ANY, ANY),
    P(hypot, BOTH, NAN, 1, NAN, NAN, NAN, NAN, NAN, NAN),
    P(logaddexp, BOTH, 0, 0, LN2, 0.5, 0.5, 0.25, -0.25, 0.25),
    P(logaddexp, BOTH, 100, -100, 100, 1, 1.3838965267367376e-87, ANY, ANY, ANY),
    P(logaddexp, BOTH, 1000, 1000, 1000 + LN2, 0.5, 0.5, 0.25, -0.25, 0.25),
    P(logaddexp, BOTH, -1000, -1000, -1000 + LN2, 0.5, 0.5, 0.25, -0.25, 0.25),
    P(logaddexp, BOTH, 1000, -1000, 1000, 1, 0, 0, 0, 0), P(logaddexp, BOTH, -1000, 1000, 1000, 0, 1, 0, 0, 0),
    P(logaddexp, F32, 1e30, 1e30, 1e30, 0.5, 0.5, 0.25, -0.25, 0.25), P(logaddexp, F64, -1e300, 1e300, 1e300, 0, 1, 0, 0, 0),
    P(logaddexp, BOTH, -INF, 0, 0, 0, 1, 0, 0, 0), P(logaddexp, BOTH, INF, 0, INF, 1, 0, 0, 0, 0),
    P(logaddexp, BOTH, -INF, -INF, -INF, 0.5, 0.5, ANY, ANY, ANY), P(logaddexp, BOTH, NAN, 0, NAN, NAN, NAN, NAN, NAN, NAN),
};
#undef P

#endif
