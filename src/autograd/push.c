/*
 * push.c - how a tangent passes one call: by the JVP rule of each input, by a rule for all of them, or, where the operation is
 * linear, by the operation itself.
 *
 * An absent tangent is zero. Rules never see one; only operations that are linear in several inputs together get real zeros.
 */
#include "autograd/push.h"

#include "autograd/slices.h"

static bool missing(const ct_call *c, int i, const ct_tensor *dx)
{
    return ct__fail(CT_ERROR_GRAPH, ct__op_title(c->op),
                    "there is no forward-mode derivative by argument %d, whose tangent is %s", i + 1,
                    ct__describe(dx));
}

static int rule_number(const ct_op *op, int i) { return op->inputs == CT__VARIADIC ? 0 : i; }

/* ---- linear in all inputs together: dy = op(dx...) ---- */

/* Zeros of input i's shape, behind the leading axes that `dx`, the tangent of input k, has. */
static ct_tensor *zeros_for(const ct_call *c, int i, const ct_tensor *dx, int k)
{
    if (!c->in[i] && !c->in_shapes)
        return ct__fail(CT_ERROR_GRAPH, ct__op_title(c->op), "the record keeps no shapes of its inputs");
    return ct__no_values((ct_dtype)dx->dtype, ct__batched(dx, (int)ct__in_shape(c, k).rank, ct__in_shape(c, i)));
}

/* An input without a derivative keeps its value. */
static bool linear(const ct_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    ct_tensor *few[CT__FEW], **in = ct__operands_of(c->op, few, c->n_in);
    int k = 0;
    bool ok = in != NULL;
    while (!dx[k]) k++;
    for (int i = 0; ok && i < c->n_in; i++) {
        const bool none = c->op->vjp[rule_number(c->op, i)] == ct__vjp_none;
        in[i] = none ? c->in[i] : dx[i] ? dx[i] : zeros_for(c, i, dx[k], k);
        ok = in[i] != NULL;
    }
    ok = ok && ct__apply_all(c->op, in, c->n_in, c->params, dy);
    ct__operands_put(in, few, c->n_in);
    return ok;
}

/* ---- a rule for each input ---- */

/* dy = the sum of the parts that the inputs' tangents contribute. */
static bool parts(ct_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    for (int i = 0; i < c->n_in; i++) {
        const ct_jvp_rule rule = c->op->jvp[rule_number(c->op, i)];
        if (!dx[i] || rule == ct__jvp_zero || rule == ct__jvp_none) continue;
        if (!rule || c->n_out > 1) return missing(c, i, dx[i]);
        c->index = i;
        ct_tensor *part = rule(c, dx[i]);
        dy[0] = part && dy[0] ? ct__engine.add(dy[0], part) : part;
        if (!dy[0]) return false;
    }
    if (!dy[0] || !c->op->jvp_behind) return true;
    dy[0] = c->op->jvp_behind(c, dy[0]);
    return dy[0] != NULL;
}

/* ---- */

static bool one(void *context, ct_tensor *const *dx, ct_tensor **dy)
{
    ct_call *c = context;
    if (c->op->jvp_all) return c->op->jvp_all(c, dx, dy);
    return c->op->linear ? linear(c, dx, dy) : parts(c, dx, dy);
}

/* The rules take one tangent at a time. Without the inputs' shapes nothing tells a stack from one. */
static bool one_by_one(ct_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    int few[CT__FEW], *rank = c->n_in <= CT__FEW ? few : ct__pool_get((size_t)c->n_in * sizeof *rank);
    if (!rank) return ct__fail_memory(ct__op_title(c->op), (size_t)c->n_in * sizeof *rank);
    for (int i = 0; i < c->n_in; i++) rank[i] = c->in[i] || c->in_shapes ? (int)ct__in_shape(c, i).rank : CT_MAX_RANK;
    const bool ok = ct__is_stack(dx, rank, c->n_in) ? ct__each_slice(dx, rank, c->n_in, dy, c->n_out, one, c) : one(c, dx, dy);
    if (rank != few) ct__pool_put(rank, (size_t)c->n_in * sizeof *rank);
    return ok;
}

bool ct__push_call(ct_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    for (int k = 0; k < c->n_out; k++) dy[k] = NULL;
    const bool ok = CT__UNLIKELY(c->op->single) ? one_by_one(c, dx, dy) : one(c, dx, dy);
    if (!ok && !ct__self.failed)
        ct__fail(CT_ERROR_GRAPH, ct__op_title(c->op), "the forward-mode derivative failed without an error");
    return ok;
}
