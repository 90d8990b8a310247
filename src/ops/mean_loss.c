/*
 * mean_loss.c - the mean of a pointwise loss over all elements, as one operation: a training step pays for one node, not for two.
 *
 * y = sum_k h(a_k, b_k) / n  for a pointwise operation h (.impl) whose slopes read its operands alone.  dy = sum_k (h_a da_k + h_b db_k) / n,
 * so ga_k = g / n h_a:  the rules are h's own, given a cotangent that is the same everywhere.  The losses themselves are kept nowhere.
 */
#include "ops/pointwise.h"
#include "ops/reduce.h"

/* .impl: the loss of an element, and the name for messages. */
typedef struct mean_of {
    const ct_op *h;
    const char *title;
} mean_of;

static bool shape(ct_call *c)
{
    c->shape[0] = (ct_shape){.rank = 0};
    c->dtypes[0] = (ct_dtype)c->in[0]->dtype;
    return true;
}

static bool forward(const ct_call *c)
{
    const ct_tensor *x = c->in[0];
    const mean_of *m = c->op->impl;
    double sum = 0;
    const int scope = ct__scope_begin();
    ct_tensor *z = ct__tensor_like(m->title, x, c->dtype);
    const bool ok = z && ct__pointwise_forward2(m->h, z, c->in[0], c->in[1]) &&
                    ct__reduce(m->title, CT__SUM_WIDE, z, (1u << z->rank) - 1, NULL, 1, &sum);
    if (ok) ct__store(c->out[0]->data, c->dtype, sum / (double)x->count);
    ct__scope_end(scope);
    return ok;
}

static bool fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    const ct_tensor *x = c->in[0];
    const mean_of *m = c->op->impl;
    ct_tensor *each = ct__tensor_like(m->title, x, c->dtype); /* of the sweep's scope */
    if (!each) return false;
    ct__fill(each, ct__load(g[0]->data, c->dtype) / (double)x->count);
    for (int i = 0; i < 2; i++) {
        if (!(need >> i & 1)) continue;
        gx[i] = ct__tensor_like(m->title, x, c->dtype);
        if (!gx[i] || !ct__pointwise_slope2(m->h, i, gx[i], each, c->in[0], c->in[1])) return false;
    }
    return true;
}

/* ---- rules ---- */

/* The call of h, as its rules see it. */
static ct_call loss_of(const ct_call *c)
{
    static ct_tensor *none[1];
    return (ct_call){.op = ((const mean_of *)c->op->impl)->h, .in = c->in, .n_in = 2, .out = none, .n_out = 1, .dtype = c->dtype};
}

/* g / n behind its leading axes, with as many axes of length 1 as the operands have. */
static ct_tensor *spread(const ct_call *c, ct_tensor *g)
{
    ct_shape ones = ct__shape(c->in[0]);
    for (int i = 0; i < ones.rank; i++) ones.dim[i] = 1;
    return ct_reshape(ct_div(g, ct__number(c, (double)c->in[0]->count)), ct__batched(g, 0, ones));
}
static ct_tensor *vjp(const ct_call *c, ct_tensor *const *g)
{
    const ct_call h = loss_of(c);
    return h.op->vjp[c->index](&h, (ct_tensor *[]){spread(c, g[0])});
}
static ct_tensor *pushed(const ct_call *c, ct_tensor *dx, int i)
{
    const ct_call h = loss_of(c);
    ct_axes own = {.rank = 0};
    for (int k = 0; k < c->in[0]->rank; k++) own.dim[own.rank++] = -1 - k;
    return ct_mean(h.op->jvp[i](&h, dx), own, false);
}
static ct_tensor *jvp_x(const ct_call *c, ct_tensor *dx) { return pushed(c, dx, 0); }
static ct_tensor *jvp_y(const ct_call *c, ct_tensor *dy) { return pushed(c, dy, 1); }

/* Checked: bce_with_logits_mean, all samples */
const ct_op ct__op_bce_with_logits_mean = {
    .name = "bce_with_logits_mean", .inputs = 2, .keeps = KEEP_X | KEEP_Y, .shape = shape, .forward = forward, .vjp = {vjp, vjp},
    .jvp = {jvp_x, jvp_y}, .fused = fused, .impl = &(const mean_of){&ct__op_bce_with_logits, "ct_bce_with_logits_mean"},
    .doc = "the mean of y softplus(-x) + (1 - y) softplus(x)"};

/* ---- the front ---- */

static ct_tensor *apply(const ct_op *op, ct_tensor *x, ct_tensor *y)
{
    const char *title = ((const mean_of *)op->impl)->title;
    if (!ct__check(title, "x", x) || !ct__check(title, "y", y)) return NULL;
    if (CT__LIKELY(!ct__needs_matching(x, y) && ct__is_float((ct_dtype)x->dtype)))
        return ct__apply(op, (ct_tensor *[]){x, y}, 2, NULL);
    const int scope = ct__scope_begin();
    ct_tensor *z = ct__match(title, &x, &y, true) ? ct__apply(op, (ct_tensor *[]){x, y}, 2, NULL) : NULL;
    if (z) ct_scope_return(z);
    ct__scope_end(scope);
    return z;
}

ct_tensor *ct_bce_with_logits_mean(ct_tensor *x, ct_tensor *y)
{
    return apply(&ct__op_bce_with_logits_mean, x, y);
}
