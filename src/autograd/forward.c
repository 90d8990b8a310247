/*
 * forward.c - forward mode by levels.
 *
 * ct_jvp opens a level; tensors carry a tangent for each level in a list at their node (one without edges is made where there is none). After
 * a call its JVP runs for each level from the lowest up, with only the levels below switched on: so the tangent of level 2 is itself
 * differentiated at level 1, never at its own level. No tangent outlives its level, which is what breaks the cycle
 * tensor - node - tangent - tensor and what keeps two levels from being confused.
 */
#include "autograd/graph.h"

/* ---- tangents of a node ---- */

static ct__tangent *find(const ct__node *n, int slot, int level)
{
    for (ct__tangent *t = n ? n->tangents : NULL; t; t = t->next) {
        if (t->level == level && t->slot == slot) return t;
    }
    return NULL;
}

ct_tensor *ct__tangent_of(const ct_tensor *t, int level)
{
    const ct__tangent *found = find(t->graph, t->slot, level);
    return found ? found->value : NULL;
}

bool ct__tangent_set(ct_tensor *t, int level, ct_tensor *value)
{
    ct__node *n = t->graph ? t->graph : ct__node_leaf(t, false);
    ct__tangent *record = n ? ct__slab_get(sizeof *record) : NULL;
    if (!record) return n && ct__fail_memory("ct_jvp", sizeof *record);
    ct__tangent **list = &ct__ad.level_list[level - 1];
    *record = (ct__tangent){.next = n->tangents, .level_next = *list, .level_at = list, .node = n, .value = ct__retain(value),
                            .level = level, .slot = t->slot};
    if (*list) (*list)->level_at = &record->level_next;
    *list = record;
    n->tangents = record;
    return true;
}

static void drop(ct__tangent *t)
{
    *t->level_at = t->level_next;
    if (t->level_next) t->level_next->level_at = t->level_at;
    ct_tensor *value = t->value;
    ct__slab_put(t, sizeof *t);
    ct__release(value);
}

void ct__tangents_drop(ct__node *n)
{
    while (n->tangents) {
        ct__tangent *t = n->tangents;
        n->tangents = t->next;
        drop(t);
    }
}

/* ---- pushing ---- */

/* An operation that is linear in its inputs together: dy = op(dx...), zeros where there is no tangent. An input without a
 * derivative keeps its value. */
static ct_tensor *push_linear(const ct_call *c, int level)
{
    ct_tensor *few[8], **dx = c->n_in <= 8 ? few : ct__pool_get((size_t)c->n_in * sizeof *dx);
    if (!dx) return ct__fail_memory(ct__op_title(c->op), (size_t)c->n_in * sizeof *dx);
    bool ok = true;
    for (int i = 0; ok && i < c->n_in; i++) {
        const ct_vjp_rule rule = c->op->vjp[c->op->inputs == CT__VARIADIC ? 0 : i];
        dx[i] = rule == ct__vjp_none ? c->in[i] : ct__tangent_of(c->in[i], level);
        if (dx[i]) continue;
        dx[i] = ct__tensor_like(c->op->name, c->in[i], c->in[i]->dtype);
        ok = dx[i] != NULL;
        if (ok) ct__fill(dx[i], 0);
    }
    ct_tensor *dy = ok ? ct__apply(c->op, dx, c->n_in, c->params) : NULL;
    if (dx != few) ct__pool_put(dx, (size_t)c->n_in * sizeof *dx);
    return dy;
}

/* dy = sum over the inputs of the parts their tangents contribute; NULL without an error: no tangent. */
static ct_tensor *push_parts(ct_call *c, int level)
{
    ct_tensor *dy = NULL;
    for (int i = 0; i < c->n_in; i++) {
        ct_tensor *dx = ct__tangent_of(c->in[i], level);
        const ct_jvp_rule rule = c->op->jvp[c->op->inputs == CT__VARIADIC ? 0 : i];
        if (!dx || rule == ct__jvp_zero || rule == ct__jvp_none) continue;
        if (!rule)
            return ct__fail(CT_ERROR_GRAPH, ct__op_title(c->op), "there is no forward-mode derivative by argument %d, which is %s", i + 1,
                            ct__describe(c->in[i]));
        c->index = i;
        ct_tensor *one = rule(c, dx);
        if (!one) return NULL;
        dy = dy ? ct__engine.add(dy, one) : one;
        if (!dy) return NULL;
    }
    return dy;
}

static bool has_tangent(const ct_call *c, int level)
{
    for (int i = 0; i < c->n_in; i++) {
        if (c->in[i]->graph && find(c->in[i]->graph, c->in[i]->slot, level)) return true;
    }
    return false;
}

/* The JVP of one level, with the levels below it switched on and no other. */
static bool push(const ct_call *c, int level)
{
    const uint64_t active = ct__ad.active;
    ct_call call = *c;
    const int scope = ct_scope_begin();
    ct__ad.active = active & (((uint64_t)1 << (level - 1)) - 1);
    ct_tensor *dy = c->op->linear ? push_linear(c, level) : push_parts(&call, level);
    const bool ok = dy ? ct__tangent_set(c->out[0], level, dy) : !ct__self.failed;
    ct__ad.active = active;
    ct_scope_end(scope);
    return ok;
}

bool ct__push_tangents(const ct_call *c)
{
    if (!ct__is_float(c->out[0]->dtype)) return true;
    for (uint64_t left = ct__ad.active; left; left &= left - 1) {
        const int level = __builtin_ctzll(left) + 1;
        if (!has_tangent(c, level)) continue;
        if (c->n_out > 1) return ct__fail(CT_ERROR_GRAPH, ct__op_title(c->op), "an operation with several outputs has no forward mode");
        if (!push(c, level)) return false;
    }
    return true;
}

/* ---- levels ---- */

static uint64_t bit_of(int level) { return (uint64_t)1 << (level - 1); }

static void close_level(uint64_t active_before)
{
    ct__tangent **list = &ct__ad.level_list[ct__ad.levels - 1];
    while (*list) {
        ct__tangent *t = *list, **at = &t->node->tangents;
        while (*at != t) at = &(*at)->next;
        *at = t->next;
        drop(t);
    }
    ct__ad.levels--;
    ct__ad.active = active_before;
}

/* One input as the function sees it: of its own node, so that the function's other ways to the same tensor have no tangent. */
static ct_tensor *dual(ct_tensor *x, ct_tensor *dx, int number)
{
    if (dx && !ct__same_shape(dx, x))
        return ct__fail(CT_ERROR_SHAPE, "ct_jvp", "tangent %d is %s, its input is %s", number + 1, ct__describe(dx), ct__describe(x));
    if (dx && dx->dtype != x->dtype)
        return ct__fail(CT_ERROR_DTYPE, "ct_jvp", "tangent %d is %s, its input is %s; ct_cast?", number + 1, ct__describe(dx), ct__describe(x));
    ct__ad.active &= ~bit_of(ct__ad.levels); /* the identity passes on the tangents of the levels around, not of this one */
    ct_tensor *y = ct__identity(x);
    ct__ad.active |= bit_of(ct__ad.levels);
    return y && dx && !ct__tangent_set(y, ct__ad.levels, dx) ? NULL : y;
}

static ct_tensor *tangent_or_zeros(ct_tensor *y)
{
    ct_tensor *t = ct__tangent_of(y, ct__ad.levels);
    if (t) return ct_alias(t);
    t = ct__tensor_like("ct_jvp", y, y->dtype);
    if (t) ct__fill(t, 0);
    return t;
}

static bool call(ct_function f, void *context, ct_tensor **in, ct_tensor **y, int n_out)
{
    for (int i = 0; i < n_out; i++) y[i] = NULL;
    const int code = f(context, in, y);
    if (ct__self.failed) return false;
    if (code) return ct__fail(CT_ERROR_USER, "ct_jvp", "the function returned %d", code);
    for (int i = 0; i < n_out; i++) {
        if (!y[i]) return ct__fail(CT_ERROR_NULL, "ct_jvp", "the function left output %d unset", i + 1);
    }
    return true;
}

static bool run(ct_function f, void *context, ct_tensor *const *in, ct_tensor *const *tangents, int n_in, ct_tensor **duals,
                ct_tensor **out, ct_tensor **dout, int n_out)
{
    for (int i = 0; i < n_in; i++) {
        if (!ct__check("ct_jvp", "in[]", in[i]) || !(duals[i] = dual(in[i], tangents[i], i))) return false;
    }
    if (!call(f, context, duals, out, n_out)) return false;
    for (int i = 0; i < n_out; i++) {
        if (!(dout[i] = tangent_or_zeros(out[i]))) return false;
        ct_scope_return(dout[i]);
        /* A function may return its input: the caller gets a handle of its own in any case. */
        if (!(out[i] = ct_alias(out[i]))) return false;
        ct_scope_return(out[i]);
    }
    return true;
}

bool ct_jvp(ct_function f, void *context, ct_tensor *const *in, ct_tensor *const *tangents, int n_in, ct_tensor **out, ct_tensor **dout,
            int n_out)
{
    enum { MOST = 64 };
    ct_tensor *duals[MOST], *values[MOST], *derivatives[MOST];
    for (int i = 0; dout && i < n_out; i++) dout[i] = NULL;
    for (int i = 0; out && i < n_out; i++) out[i] = NULL;
    if (!f || !in || !tangents || !dout) return ct__fail_null("ct_jvp", !f ? "f" : !in ? "in" : !tangents ? "tangents" : "dout");
    if (n_in < 0 || n_in > MOST || n_out < 0 || n_out > MOST)
        return ct__fail(CT_ERROR_VALUE, "ct_jvp", "%d inputs and %d outputs; expected 0 to %d", n_in, n_out, (int)MOST);
    if (ct__ad.levels == CT__MAX_LEVELS) return ct__fail(CT_ERROR_GRAPH, "ct_jvp", "calls are nested more than %d deep", (int)CT__MAX_LEVELS);
    const uint64_t before = ct__ad.active;
    ct__ad.active |= bit_of(++ct__ad.levels);
    const int scope = ct_scope_begin();
    const bool ok = run(f, context, in, tangents, n_in, duals, values, derivatives, n_out);
    ct_scope_end(scope);
    close_level(before);
    for (int i = 0; ok && i < n_out; i++) {
        dout[i] = derivatives[i];
        if (out) out[i] = values[i];
        else ct_free(values[i]);
    }
    return ok;
}
