/*
 * expand.c - axes of length 1 repeated, and axes added in front, by stride 0: broadcasting as an operation.
 *
 * The fronts of binary operations put it in where shapes differ, so no other rule mentions broadcasting. Its transpose,
 * ct_sum_to, is in reduce.c.
 */
#include <cotangent/ops.h>

#include "autograd/op.h"

/* params: ct_shape, the result's own */
static bool expand_view(ct_call *c)
{
    const ct_tensor *x = c->in[0];
    const ct_shape *to = c->params;
    const int added = (int)to->rank - x->rank;
    int64_t stride[CT_MAX_RANK];
    for (int i = 0; i < to->rank; i++) stride[i] = i < added || x->dim[i - added] != to->dim[i] ? 0 : x->stride[i - added];
    c->out[0] = ct__tensor_view(x, (int)to->rank, to->dim, stride, x->data);
    return c->out[0] != NULL;
}

/* `s` with ones in front, `rank` axes in all: where it has its axes in the shape it is expanded to. */
static ct_shape with_ones(ct_shape s, int rank)
{
    ct_shape padded = {{{0}}};
    const int added = rank - (int)s.rank;
    padded.rank = rank;
    for (int i = 0; i < rank; i++) padded.dim[i] = i < added ? 1 : s.dim[i - added];
    return padded;
}

/* y_ij = x_j, so gx_j = sum_i g_ij. The axes of a stack stay in front of those that are added or summed away, for which ones hold
 * the place. Checked: expand, new_axes */
static ct_tensor *expand_vjp(const ct_call *c, ct_tensor *const *g)
{
    const ct_shape *to = c->params, from = ct__in_shape(c, 0);
    const int rank = (int)to->rank;
    return ct_reshape(ct_sum_to(g[0], ct__batched(g[0], rank, with_ones(from, rank))), ct__batched(g[0], rank, from));
}

static ct_tensor *expand_jvp(const ct_call *c, ct_tensor *dx)
{
    const ct_shape *to = c->params, from = ct__in_shape(c, 0);
    const int rank = (int)from.rank;
    return ct_expand(ct_reshape(dx, ct__batched(dx, rank, with_ones(from, (int)to->rank))), ct__batched(dx, rank, *to));
}

const ct_op ct__op_expand = {
    .name = "expand", .inputs = 1, .keeps = KEEP_SHAPES, .params = sizeof(ct_shape), .view = expand_view,
    .vjp = {expand_vjp}, .jvp = {expand_jvp}, .doc = "x repeated along axes of length 1 and new ones"};

/* The shape asked for with x's lengths in place of -1, or false with an error. */
static bool resolve(const ct_tensor *x, ct_shape shape, ct_shape *to)
{
    const int64_t added = shape.rank - x->rank;
    if (added < 0 || shape.rank > CT_MAX_RANK)
        return ct__fail(CT_ERROR_SHAPE, "ct_expand",
                        "x is %s, which cannot have %lld axes; expected %d to %d (ct_squeeze drops axes)", ct__describe(x),
                        (long long)shape.rank, x->rank, CT_MAX_RANK);
    *to = with_ones(shape, (int)shape.rank);
    for (int i = 0; i < to->rank; i++) {
        const int64_t own = i < added ? 1 : x->dim[i - added];
        if (to->dim[i] == -1 && i >= added) to->dim[i] = own;
        if (to->dim[i] < 0)
            return ct__fail(CT_ERROR_SHAPE, "ct_expand",
                            "x is %s, which cannot become %s: -1 keeps the length of an axis that x has", ct__describe(x),
                            ct__describe_shape(shape));
        if (own != 1 && own != to->dim[i])
            return ct__fail(CT_ERROR_SHAPE, "ct_expand",
                            "x is %s, which cannot become %s: only axes of length 1 are repeated, and axis %d has length %lld",
                            ct__describe(x), ct__describe_shape(shape), (int)(i - added), (long long)own);
    }
    return ct__shape_check("ct_expand", *to, (ct_dtype)x->dtype);
}

ct_tensor *ct_expand(ct_tensor *x, ct_shape shape)
{
    ct_shape to;
    if (!ct__check("ct_expand", "x", x) || !resolve(x, shape, &to)) return NULL;
    return ct__shape_equal(ct__shape(x), to) ? ct_alias(x) : ct__apply1(&ct__op_expand, x, &to);
}
