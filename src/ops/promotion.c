/*
 * promotion.c - brings operands to one dtype and one shape.
 *
 * f32 and f64 do not mix, except that a weak scalar takes the other's dtype; bool and integers take the float's; integers among themselves
 * the larger, two bools i64. Broadcasting is an operation of its own (expand, a view), so that no rule need mention it.
 */
#include "ops/pointwise.h"

#include <cotangent/ops.h>

#include "autograd/graph.h"

ct_tensor *ct__to_dtype(ct_tensor *x, ct_dtype dtype)
{
    if (x->dtype == dtype && !x->weak) return x;
    if (ct__needs_grad(x) || ct__ad.active) return ct_cast(x, dtype);
    ct_tensor *y = ct__tensor_like("a cast", x, dtype);
    if (y) ct__copy(y, x);
    return y;
}

ct_tensor *ct__to_float(ct_tensor *x) { return ct__is_float(x->dtype) ? x : ct__to_dtype(x, CT_F32); }

ct_tensor *ct__to_shape(ct_tensor *x, ct_shape shape)
{
    if (ct__shape_equal(ct__shape(x), shape)) return x;
    if (ct__needs_grad(x) || ct__ad.active) return ct_expand(x, shape);
    int64_t stride[CT_MAX_RANK];
    for (int64_t i = 1; i <= shape.rank; i++) {
        const bool own = i <= x->rank && x->dim[x->rank - i] != 1;
        stride[shape.rank - i] = own ? x->stride[x->rank - i] : 0;
    }
    return ct__tensor_view(x, (int)shape.rank, shape.dim, stride, x->data);
}

/* The dtype both take; -1 where f32 and f64 meet. */
static int common_dtype(const ct_tensor *x, const ct_tensor *y, bool floats)
{
    const bool fx = ct__is_float(x->dtype), fy = ct__is_float(y->dtype);
    if (x->weak && y->weak) return CT_F64;
    if (x->weak) return fy ? y->dtype : CT_F32;
    if (y->weak) return fx ? x->dtype : CT_F32;
    if (fx && fy) return x->dtype == y->dtype ? x->dtype : -1;
    if (fx || fy) return fx ? x->dtype : y->dtype;
    if (floats) return CT_F32;
    static const int order[CT_DTYPES] = {[CT_BOOL] = 0, [CT_U8] = 1, [CT_I32] = 2, [CT_I64] = 3};
    const ct_dtype larger = order[x->dtype] > order[y->dtype] ? x->dtype : y->dtype;
    return larger == CT_BOOL ? CT_I64 : larger;
}

static bool clash(const char *operation, const ct_tensor *x, const ct_tensor *y)
{
    return ct__fail(CT_ERROR_DTYPE, operation, "f32 and f64 do not mix: x is %s, y is %s; ct_cast one of them", ct__describe(x),
                    ct__describe(y));
}

bool ct__match_dtypes(const char *operation, ct_tensor **x, ct_tensor **y, bool floats)
{
    const int dtype = common_dtype(*x, *y, floats);
    if (dtype < 0) return clash(operation, *x, *y);
    *x = ct__to_dtype(*x, (ct_dtype)dtype);
    *y = *x ? ct__to_dtype(*y, (ct_dtype)dtype) : NULL;
    return *y != NULL;
}

bool ct__match(const char *operation, ct_tensor **x, ct_tensor **y, bool floats)
{
    ct_shape shape;
    if (!ct__broadcast(ct__shape(*x), ct__shape(*y), &shape))
        return ct__fail(CT_ERROR_SHAPE, operation, "shapes do not broadcast: x is %s, y is %s; axes are aligned at the end and must agree or be 1%s",
                        ct__describe(*x), ct__describe(*y),
                        (*x)->rank == 1 && (*y)->rank == 2 && (*x)->dim[0] == (*y)->dim[0] ? "; ct_unsqueeze(x, 1)?"
                        : (*y)->rank == 1 && (*x)->rank == 2 && (*y)->dim[0] == (*x)->dim[0] ? "; ct_unsqueeze(y, 1)?" : "");
    if (!ct__match_dtypes(operation, x, y, floats)) return false;
    *x = ct__to_shape(*x, shape);
    *y = *x ? ct__to_shape(*y, shape) : NULL;
    return *y != NULL;
}
