/*
 * axes.h (internal) - an axis given by the user, checked against the operand, in messages that name it.
 */
#ifndef CT_OPS_AXES_INTERNAL_H
#define CT_OPS_AXES_INTERNAL_H

#include "tensor/tensor.h"

/* The axis of x counted from the front; -1 with an error. `name` is x's name in messages. */
static inline int ct__axis_of(const char *operation, const char *name, const ct_tensor *x, int64_t axis)
{
    const int64_t at = axis < 0 ? axis + x->rank : axis;
    if (CT__LIKELY(at >= 0 && at < x->rank)) return (int)at;
    const char *what = ct__describe(x);
    if (x->rank == 0)
        ct__fail(CT_ERROR_SHAPE, operation, "axis %lld is out of range for %s, which is %s and has no axes", (long long)axis,
                 name, what);
    else
        ct__fail(CT_ERROR_SHAPE, operation, "axis %lld is out of range for %s, which is %s; expected %d to %d",
                 (long long)axis, name, what, -x->rank, x->rank - 1);
    return -1;
}

/* The place of an axis that the result has beyond those of x. */
static inline int ct__new_axis_of(const char *operation, const char *name, const ct_tensor *x, int64_t axis)
{
    const int64_t at = axis < 0 ? axis + x->rank + 1 : axis;
    if (CT__LIKELY(at >= 0 && at <= x->rank)) return (int)at;
    ct__fail(CT_ERROR_SHAPE, operation,
             "axis %lld is out of range for the result, which has one axis more than %s, %s; expected %d to %d",
             (long long)axis, name, ct__describe(x), -x->rank - 1, x->rank);
    return -1;
}

#endif
