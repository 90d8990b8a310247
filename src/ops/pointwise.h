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

/* Kernels take whole blocks: a number of elements whose results fill a multiple of CT__BLOCK bytes. `run_blocks` and `run_mixed` of the
 * table are kernels for any number, which take a ct__blocks in place of parameters. */
enum { CT__BLOCK = 64 };
typedef struct ct__blocks {
    double params[2]; /* first: it is handed on as a pointer to them */
    ct__kernel kernel;
    int count, block; /* operands; elements in a block of the result */
    uint8_t size[CT__MAX_OPERANDS]; /* of elements; run_blocks reads the first one alone */
} ct__blocks;

/* ct__map of a kernel of blocks, with one result; _mixed: where dtypes differ (pointwise.c). */
void ct__map_blocks(ct__kernel kernel, ct_tensor *const *t, int count, const double *params, int cost);
void ct__map_mixed(ct__kernel kernel, ct_tensor *const *t, int count);

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
    ct__kernel run_blocks, run_mixed;
    ct__kernel (*straight)(ct__kernel kernel); /* what computes the same for ct__map_straight, or NULL */
    /* by dtype, f32 or f64: a kernel of blocks for tensors of one element */
    void (*run_one[2])(ct__kernel kernel, ct_tensor *const *t, int count, const double *params);
} ct__pointwise_table;
#undef UNARY_ANY
#undef FLAT_ANY
#undef LINEAR_ANY
#undef LINEAR2_ANY
#undef BINARY_ANY

/* Those for integers and bools, which all tables share (pointwise_integers.c). */
typedef void ct__kernel_code(int64_t n, char *const *p, const double *params);
#define INTEGERS(name) ct__kernel_code ct__##name##_i32, ct__##name##_i64, ct__##name##_u8;
#define UNARY_ANY(name, f, slope, keeps) INTEGERS(forward_##name)
#define FLAT_ANY(name, f) INTEGERS(forward_##name)
#define LINEAR_ANY(name, f, rule) INTEGERS(forward_##name)
#define LINEAR2_ANY(name, f, rule_x, rule_y) INTEGERS(forward_##name)
#define BINARY_ANY(name, f, slope_x, slope_y, keeps) INTEGERS(forward_##name)
#undef UNARY
#undef BINARY
#define UNARY(name, f, slope, keeps)
#define BINARY(name, f, slope_x, slope_y, keeps)
#include "ops/pointwise.def"
INTEGERS(eq) INTEGERS(ne) INTEGERS(lt) INTEGERS(le) INTEGERS(gt) INTEGERS(ge)
ct__kernel_code ct__logical_and, ct__logical_or, ct__logical_xor, ct__logical_not;
#undef INTEGERS
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
/* The same with two operands: z = f(x, y), and gx = g df/dx (or df/dy, where `operand` is 1) for a slope that reads x and y alone. */
bool ct__pointwise_forward2(const ct_op *op, ct_tensor *z, ct_tensor *x, ct_tensor *y);
bool ct__pointwise_slope2(const ct_op *op, int operand, ct_tensor *gx, ct_tensor *g, ct_tensor *x, ct_tensor *y);
ct__slope ct__pointwise_add(ct_dtype dtype); /* z; x, y: as a kernel for any number of elements */
extern const ct_op ct__op_relu, ct__op_tanh, ct__op_sigmoid, ct__op_bce_with_logits;

/* The derivative of a pointwise operation by operand i as text, in the letters of pointwise.def (slope_text.c); NULL for others. */
const char *ct__slope_text(const ct_op *op, int i);

/* Brings two operands of an arithmetic operation to one dtype and one shape (promotion.c). `floats`: the operation has no integer form. The
 * replacements are temporaries of the innermost scope, recorded where that matters. False with an error. */
bool ct__match(const char *operation, ct_tensor **x, ct_tensor **y, bool floats);
bool ct__match_dtypes(const char *operation, ct_tensor **x, ct_tensor **y, bool floats);
static inline bool ct__needs_matching(const ct_tensor *x, const ct_tensor *y)
{
    return x->dtype != y->dtype || x->weak || y->weak || x->dtype == CT_BOOL || !ct__same_shape(x, y);
}
/* Integers and bools become f32; floats stay. A new handle or x itself; NULL with an error. */
ct_tensor *ct__to_float(ct_tensor *x);
ct_tensor *ct__to_dtype(ct_tensor *x, ct_dtype dtype);
/* x repeated to a shape that it broadcasts to. */
ct_tensor *ct__to_shape(ct_tensor *x, ct_shape shape);

#endif
