/*
 * where.c - selection. A value or derivative of the branch not taken is never computed with, so its NaN cannot leak.
 */
#include "ops/pointwise.h"

#include <cotangent/ops.h>

static bool where_shape(ct_call *c)
{
    c->shape[0] = ct__shape(c->in[1]);
    c->dtypes[0] = c->in[1]->dtype;
    return true;
}

static bool where_forward(const ct_call *c)
{
    ct_tensor *operands[] = {c->out[0], c->in[0], c->in[1], c->in[2]};
    const size_t size = ct__size(c->out[0]);
    ct__map_mixed(ct__pointwise_kernels->where[size == 1 ? 0 : size == 4 ? 1 : 2], operands, 4);
    return true;
}

/* z = k ? x : y,  dz = k ? dx : dy,  so gx = k ? g : 0,  gy = k ? 0 : g. */
static ct_tensor *vjp_x(const ct_call *c, ct_tensor *const *g) { return ct_where(c->in[0], g[0], ct__number(c, 0)); }
static ct_tensor *vjp_y(const ct_call *c, ct_tensor *const *g) { return ct_where(c->in[0], ct__number(c, 0), g[0]); }
static ct_tensor *jvp_x(const ct_call *c, ct_tensor *dx) { return ct_where(c->in[0], dx, ct__number(c, 0)); }
static ct_tensor *jvp_y(const ct_call *c, ct_tensor *dy) { return ct_where(c->in[0], ct__number(c, 0), dy); }

const ct_op ct__op_where = {
    .name = "where", .inputs = 3, .keeps = KEEP_X, .shape = where_shape, .forward = where_forward,
    .vjp = {ct__vjp_none, vjp_x, vjp_y}, .jvp = {ct__jvp_none, jvp_x, jvp_y}, .doc = "k ? x : y",
};

/* The shape that the three have together. */
static bool common_shape(ct_tensor *const *in, ct_shape *shape)
{
    return (ct__broadcast(ct__shape(in[1]), ct__shape(in[2]), shape) && ct__broadcast(ct__shape(in[0]), *shape, shape)) ||
           ct__fail(CT_ERROR_SHAPE, "ct_where", "shapes do not broadcast: the condition is %s, x is %s, y is %s", ct__describe(in[0]),
                    ct__describe(in[1]), ct__describe(in[2]));
}

static ct_tensor *selected(ct_tensor *condition, ct_tensor *x, ct_tensor *y)
{
    ct_tensor *in[] = {condition, x, y};
    ct_shape shape;
    if (!common_shape(in, &shape)) return NULL;
    const bool bools = x->dtype == CT_BOOL && y->dtype == CT_BOOL; /* these stay what they are */
    if (!bools && !ct__match_dtypes("ct_where", &in[1], &in[2], false)) return NULL;
    for (int i = 0; i < 3; i++) {
        in[i] = ct__to_shape(in[i], shape);
        if (!in[i]) return NULL;
    }
    return ct__apply(&ct__op_where, in, 3, NULL);
}

ct_tensor *ct_where(ct_tensor *condition, ct_tensor *x, ct_tensor *y)
{
    if (!ct__check("ct_where", "condition", condition) || !ct__check("ct_where", "x", x) || !ct__check("ct_where", "y", y)) return NULL;
    if (condition->dtype != CT_BOOL)
        return ct__fail(CT_ERROR_DTYPE, "ct_where", "the condition is %s; expected bool: a comparison, or ct_cast(condition, CT_BOOL)",
                        ct__describe(condition));
    const int scope = ct__scope_begin();
    ct_tensor *z = selected(condition, x, y);
    if (z) ct_scope_return(z);
    ct__scope_end(scope);
    return z;
}
