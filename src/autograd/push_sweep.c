/*
 * push_sweep.c - the forward sweep over a recorded graph: nodes by rising number, each with the tangents of its outputs.
 *
 * Only nodes between the two ends are visited. A tangent that is zero is absent. A node's tangents are let go when the last node
 * that reads them has been done.
 */
#include "autograd/push.h"
#include "autograd/work.h"

typedef ct__work work;

/* Adds a tangent to that of an output. */
static bool add_tangent(work *w, int slot, ct_tensor *dy)
{
    if (!dy) return true;
    w->g[slot] = ct__grad_sum(w->g[slot], dy, false);
    return w->g[slot] != NULL;
}

/* The tangents of a node's inputs; false where there are none. */
static bool gather(const ct__tour *t, const ct__node *n, ct_tensor **dx)
{
    bool any = false;
    for (int i = 0; i < n->n_in; i++) {
        const work *x = ct__work_of(t, n->in[i].from);
        dx[i] = x ? x->g[n->in[i].slot] : NULL;
        any = any || dx[i];
    }
    return any;
}

/* Is an input a value that a custom operation saved, where its call has a tangent? That of the value is unknown: an error. */
static bool passes_saved(const ct__tour *t, const ct__node *n)
{
    for (int i = 0; i < n->n_in; i++) {
        const work *x = ct__work_of(t, n->in[i].from);
        if (!x || !ct__is_saved(x->node, n->in[i].slot)) continue;
        for (int k = 0; k < x->n_out; k++) {
            if (x->g[k]) return !ct__fail_saved(x->node->op);
        }
    }
    return false;
}

static bool push(const ct__tour *t, work *w, ct_tensor *const *dx, ct_tensor **in)
{
    ct_tensor *out[CT__MAX_OUTPUTS], *dy[CT__MAX_OUTPUTS];
    ct__node *n = w->node;
    ct_call c;
    const int scope = ct__scope_begin();
    ct__ad.at = n;
    ct__ad.rule = n->op;
    bool ok = ct__rebuild_call(t, n, &c, in, out) && ct__push_call(&c, dx, dy);
    ct__ad.rule = NULL;
    for (int k = 0; ok && k < n->n_out; k++) {
        if (dy[k] && CT__UNLIKELY(ct__ad.watching)) ok = ct__watch_tangent(&c, dx, dy[k]);
        ok = ok && add_tangent(w, k, dy[k]);
    }
    ct__scope_end(scope);
    if (!ok && n->file) ct_here_error(n->file, n->line);
    return ok;
}

/* One node has read its inputs' tangents. */
static void let_go(const ct__tour *t, const ct__node *n)
{
    for (int i = 0; i < n->n_in; i++) {
        work *x = ct__work_of(t, n->in[i].from);
        if (!x || --x->uses > 0) continue;
        for (int k = 0; k < x->n_out; k++) {
            if (x->g[k]) ct__release(x->g[k]);
            x->g[k] = NULL;
        }
    }
}

static bool step(const ct__tour *t, work *w)
{
    ct__node *n = w->node;
    ct_tensor *few_dx[CT__FEW], *few_in[CT__FEW];
    ct_tensor **dx = ct__operands_of(n->op, few_dx, n->n_in), **in = ct__operands_of(n->op, few_in, n->n_in);
    const bool ok = dx && in && !passes_saved(t, n) && (!gather(t, n, dx) || push(t, w, dx, in));
    ct__operands_put(dx, few_dx, n->n_in);
    ct__operands_put(in, few_in, n->n_in);
    let_go(t, n);
    if (ok && !t->options.retain_graph) ct__node_drop_kept(n);
    return ok;
}

/* Counts who reads a node's tangents: the nodes that will run, and the caller. */
static void count_uses(const ct__tour *t, const work *order, const ct__end *outputs, int n_outputs)
{
    for (const work *w = order; w; w = w->later) {
        for (int i = 0; w->needed && i < w->node->n_in; i++) {
            work *x = ct__work_of(t, w->node->in[i].from);
            if (x) x->uses++;
        }
    }
    for (int i = 0; i < n_outputs; i++) {
        work *w = ct__work_of(t, outputs[i].node);
        if (w) w->uses++;
    }
}

static void take_outputs(const ct__tour *t, ct__end *outputs, int n_outputs)
{
    for (int i = 0; i < n_outputs; i++) {
        const work *w = ct__work_of(t, outputs[i].node);
        ct_tensor *dy = w ? w->g[outputs[i].slot] : NULL;
        outputs[i].grad = dy ? ct__retain(dy) : NULL;
    }
}

bool ct__push_sweep(const char *operation, const ct__seed *inputs, int n_inputs, ct__target *outputs, int n_outputs,
                    ct_grad_options options)
{
    if (options.create_graph) options.retain_graph = true;
    ct__tour t = {.operation = operation, .options = options};
    const bool recording = ct_grad_mode(options.create_graph);
    const ct__node *at = ct__ad.at;
    const ct_op *rule = ct__ad.rule;
    work *order = NULL;
    bool ok = ct__tour_mark(&t, outputs, n_outputs, inputs, n_inputs, &order);
    if (ok) count_uses(&t, order, outputs, n_outputs);
    for (int i = 0; ok && i < n_inputs; i++) {
        work *w = ct__work_of(&t, inputs[i].node);
        ok = !w || add_tangent(w, inputs[i].slot, inputs[i].grad);
    }
    for (work *w = order; ok && w; w = w->later) ok = !w->needed || !w->node->op || step(&t, w);
    for (int i = 0; i < n_outputs; i++) outputs[i].grad = NULL;
    if (ok) take_outputs(&t, outputs, n_outputs);
    ct__tour_end(&t);
    ct__ad.at = at;
    ct__ad.rule = rule;
    ct_grad_mode(recording);
    return ok;
}
