/*
 * pointwise.h (internal) - the kernels that pointwise.def becomes, one table for each instruction set.
 */
#ifndef CT_POINTWISE_INTERNAL_H
#define CT_POINTWISE_INTERNAL_H

#include "autograd/op.h"

/* Constants of the formulas. */
#define TWO_BY_SQRT_PI 1.12837916709551257390
#define SQRT_HALF 0.70710678118654752440
#define ONE_BY_SQRT_2PI 0.39894228040143267794
#define GELU_K 0.79788456080286535588 /* sqrt(2 / pi) */

/* Kernels of one operation. forward: y; x (or z; x, y). slope[i]: d; g, x, y (or d; g, x, y, z) for f32 and f64. */
typedef struct ct__pointwise {
    ct__kernel forward[CT_DTYPES];
    ct__kernel slope[2][2]; /* [operand][dtype] */
} ct__pointwise;

#define UNARY(name, f, slope, keeps) ct__pointwise name;
#define UNARY_ANY(name, f, slope, keeps) ct__pointwise name;
#define UNARY_P UNARY
#define UNARY_ANY_P UNARY_ANY
#define FLAT_ANY(name, f) ct__pointwise name;
#define LINEAR_ANY(name, f, rule) ct__pointwise name;
#define LINEAR2_ANY(name, f, rule_x, rule_y) ct__pointwise name;
#define BINARY(name, f, slope_x, slope_y, keeps) ct__pointwise name;
#define BINARY_ANY(name, f, slope_x, slope_y, keeps) ct__pointwise name;
typedef struct ct__pointwise_table {
#include "ops/pointwise.def"
    /* results are bool */
    ct__kernel eq[CT_DTYPES], ne[CT_DTYPES], lt[CT_DTYPES], le[CT_DTYPES], gt[CT_DTYPES], ge[CT_DTYPES];
    ct__kernel isnan[2], isinf[2], isfinite[2];
    ct__kernel logical_and, logical_or, logical_xor, logical_not; /* of bools */
    ct__kernel where[3];                                          /* by element size: 1, 4, 8 */
} ct__pointwise_table;
#undef UNARY
#undef UNARY_ANY
#undef UNARY_P
#undef UNARY_ANY_P
#undef FLAT_ANY
#undef LINEAR_ANY
#undef LINEAR2_ANY
#undef BINARY
#undef BINARY_ANY

extern const ct__pointwise_table ct__pointwise_baseline, ct__pointwise_avx2, ct__pointwise_avx512;
extern const ct__pointwise_table *ct__pointwise_kernels; /* those of this machine */

/* The kernels of a pointwise operation of one operand on plain tensors of one dtype and shape: y = f(x), where y may be x, and
 * gx = g f' where f' is a function of y. Always true. */
bool ct__pointwise_forward(const ct_op *op, ct_tensor *y, ct_tensor *x);
bool ct__pointwise_slope(const ct_op *op, ct_tensor *gx, ct_tensor *g, ct_tensor *y);
extern const ct_op ct__op_relu, ct__op_tanh, ct__op_sigmoid;

/* The derivative of a pointwise operation by operand i as text, in the letters of pointwise.def (slope_text.c); NULL for others. */
const char *ct__slope_text(const ct_op *op, int i);

/* Brings two operands of an arithmetic operation to one dtype and one shape (promotion.c). `floats`: the operation has no integer form. The
 * replacements are temporaries of the innermost scope, recorded where that matters. False with an error. */
bool ct__match(const char *operation, ct_tensor **x, ct_tensor **y, bool floats);
bool ct__match_dtypes(const char *operation, ct_tensor **x, ct_tensor **y, bool floats);
bool ct__needs_matching(const ct_tensor *x, const ct_tensor *y);
/* Integers and bools become f32; floats stay. A new handle or x itself; NULL with an error. */
ct_tensor *ct__to_float(ct_tensor *x);
ct_tensor *ct__to_dtype(ct_tensor *x, ct_dtype dtype);
/* x repeated to a shape that it broadcasts to. */
ct_tensor *ct__to_shape(ct_tensor *x, ct_shape shape);

#endif
