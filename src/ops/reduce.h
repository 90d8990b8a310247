/*
 * reduce.h (internal) - what the operations that reduce over axes share: their parameters, their shape rule, and the ways of a
 * cotangent back to the shape of the operand.
 */
#ifndef CT_OPS_REDUCE_INTERNAL_H
#define CT_OPS_REDUCE_INTERNAL_H

#include <cotangent/ops.h>

#include "autograd/op.h"
#include "tensor/reduce.h"
#include "tensor/row.h"

typedef struct ct__axes_params {
    uint32_t axes; /* bit i: axis -1 - i, so that leading axes of a stack change nothing */
    bool keepdim;
    double correction; /* of var and std */
} ct__axes_params;

/* Checks x and the axes; false with an error. */
bool ct__axes_params_of(const char *operation, const ct_tensor *x, ct_axes axes, bool keepdim, ct__axes_params *p);

/* The axes counted from the front (bit i: axis i) of a tensor of this rank, as a list of negative numbers, and how many elements
 * they have together. */
unsigned ct__axes_front(const ct__axes_params *p, int rank);
ct_axes ct__axes_list(const ct__axes_params *p);
int64_t ct__axes_count(const ct__axes_params *p, ct_shape x);

/* Shape rules: the axes dropped, or kept with length 1. */
bool ct__reduced_shape(ct_call *c, ct_dtype dtype);
bool ct__reduced_float_shape(ct_call *c); /* a float's own dtype; an error for the others, which fronts cast */

/* In a rule of an operation on in[0] with ct__axes_params: t, of the result's shape behind any leading axes, with the reduced
 * axes put back with length 1 (this may return t itself); and repeated over them. */
ct_tensor *ct__unreduced(const ct_call *c, ct_tensor *t);
ct_tensor *ct__spread(const ct_call *c, ct_tensor *t);
/* The sum over the operation's axes, with its keepdim. */
ct_tensor *ct__sum_over(const ct_call *c, ct_tensor *t);

/* What ct_sum and its like do with an operand: check, parameters, apply. `x` may be NULL. */
ct_tensor *ct__apply_reduction(const char *operation, const ct_op *op, ct_tensor *x, ct_axes axes, double correction,
                               bool keepdim);
/* The same for x cast to a dtype that the operation takes. */
ct_tensor *ct__cast_and_reduce(const char *operation, const ct_op *op, ct_tensor *x, ct_dtype dtype, ct_axes axes,
                               double correction, bool keepdim);

#endif
