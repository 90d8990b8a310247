/*
 * cast.c - the same values in another dtype, or in memory of their own: cast, contiguous, clone.
 *
 * One kernel serves all three: ct__copy casts where dtypes differ and walks any strides.
 */
#include <cotangent/ops.h>

#include "autograd/op.h"

static bool copy_forward(const ct_call *c)
{
    ct__copy(c->out[0], c->in[0]);
    return true;
}

/* ---- cast --------------------------------------------------------------------------------------------- */

typedef struct dtypes {
    int32_t from, to;
} dtypes;

static bool cast_shape(ct_call *c)
{
    const dtypes *p = c->params;
    c->shape[0] = ct__shape(c->in[0]);
    c->dtypes[0] = (ct_dtype)p->to;
    return true;
}

/* y = x in another precision, so dy = dx in y's and gx = g in x's. From and to integers nothing is recorded. */
static ct_tensor *cast_vjp(const ct_call *c, ct_tensor *const *g)
{
    const dtypes *p = c->params;
    return ct_cast(g[0], (ct_dtype)p->from);
}

static ct_tensor *cast_jvp(const ct_call *c, ct_tensor *dx)
{
    const dtypes *p = c->params;
    return ct_cast(dx, (ct_dtype)p->to);
}

const ct_op ct__op_cast = {.name = "cast", .inputs = 1, .params = sizeof(dtypes), .shape = cast_shape, .forward = copy_forward,
                           .vjp = {cast_vjp}, .jvp = {cast_jvp}, .doc = "x in another dtype"};

ct_tensor *ct_cast(ct_tensor *x, ct_dtype dtype)
{
    if (!ct__check("ct_cast", "x", x)) return NULL;
    if ((int)dtype < 0 || (int)dtype >= CT_DTYPES)
        return ct__fail(CT_ERROR_DTYPE, "ct_cast", "%d is no dtype; expected CT_F32, CT_F64, CT_I32, CT_I64, CT_U8 or CT_BOOL",
                        (int)dtype);
    /* Is it that already? A weak scalar is not: a cast makes its dtype count. */
    if (x->dtype == dtype && !x->weak) return ct_alias(x);
    const dtypes p = {.from = x->dtype, .to = (int32_t)dtype};
    return ct__apply1(&ct__op_cast, x, &p);
}

/* ---- contiguous and clone ----------------------------------------------------------------------------- */

static bool same_shape(ct_call *c)
{
    c->shape[0] = ct__shape(c->in[0]);
    c->dtypes[0] = (ct_dtype)c->in[0]->dtype;
    return true;
}

/* A clone of a weak scalar is one too. */
static bool clone_forward(const ct_call *c)
{
    c->out[0]->weak = c->in[0]->weak;
    return copy_forward(c);
}

const ct_op ct__op_contiguous = {.name = "contiguous", .inputs = 1, .shape = same_shape, .forward = copy_forward,
                                 .vjp = {ct__vjp_same}, .jvp = {ct__jvp_same}, .doc = "x in row-major order"};

const ct_op ct__op_clone = {.name = "clone", .inputs = 1, .shape = same_shape, .forward = clone_forward,
                            .vjp = {ct__vjp_same}, .jvp = {ct__jvp_same}, .doc = "a copy of x"};

ct_tensor *ct_contiguous(ct_tensor *x)
{
    if (!ct__check("ct_contiguous", "x", x)) return NULL;
    return ct__contiguous(x) ? ct_alias(x) : ct__apply1(&ct__op_contiguous, x, NULL);
}

ct_tensor *ct_clone(ct_tensor *x)
{
    return ct__check("ct_clone", "x", x) ? ct__apply1(&ct__op_clone, x, NULL) : NULL;
}

/* ---- detach ---- */

/* No record: the new handle has no place in the graph, in reverse or in forward mode. */
ct_tensor *ct_detach(ct_tensor *x) { return ct__check("ct_detach", "x", x) ? ct__tensor_bare(x) : NULL; }
