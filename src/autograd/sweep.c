/*
 * sweep.c - the reverse sweep: nodes by falling number, each with the sum of the gradients of its outputs.
 *
 * Work waits in a queue ordered by the nodes' numbers: when a node comes up, all that can reach it has been done. A derivative
 * that is zero (ct__vjp_zero) travels as an absent gradient: nothing is computed for it, and a leaf it reaches still gets its
 * zeros.
 *
 * Gradients may be stacks, with extra leading axes. Rules and sums take them as they are; hooks, and rules that say so, get them
 * one by one.
 */
#include "autograd/captured.h"
#include "autograd/push.h"
#include "autograd/region.h"
#include "autograd/slices.h"
#include "autograd/work.h"

typedef ct__work work;

typedef struct sweep {
    ct__tour tour;
    ct__target *targets;
    int n_targets;
    ct__queue queue;
    work *leaves;  /* those that were reached, linked by `later`: nothing waits for them, so they come last */
    work *harvest; /* those whose gradients wait for the sweep's success, likewise */
    ct__region *region; /* of large pointwise nodes (region.h); NULL: none so far */
    bool open;          /* nodes wait in it to be run */
    work *put_off, **put_off_end; /* nodes that come after the region, linked by `later` */
    const ct__seed *seeds;
    int n_seeds;
    const ct_tensor *ones; /* a seed that is one number repeated, and what it was spread to; NULL: none was */
    ct_tensor *spread;
} sweep;

/* ---- sums of gradients ---- */

ct_tensor *ct__grad_sum(ct_tensor *grad, ct_tensor *g, bool in_place)
{
    if (!grad) return ct__retain(g);
    if (in_place && !ct__self.script && ct__exclusive(grad) && grad->dtype == g->dtype && ct__same_shape(grad, g)) {
        ct_tensor *operands[] = {grad, grad, g};
        const ct__slope add = ct__engine.addition((ct_dtype)grad->dtype);
        ct__map(add.kernel, 1, operands, 3, add.params, 1);
        ct__bump(grad);
        return grad;
    }
    const int scope = ct__scope_begin();
    ct_tensor *sum = ct__own(ct__engine.add(grad, g));
    ct__scope_end(scope);
    ct__release(grad);
    return sum;
}

static inline __attribute__((always_inline)) bool enqueue(sweep *s, work *w)
{
    if (CT__UNLIKELY(w->queued)) return true;
    w->queued = true;
    if (CT__LIKELY(w->node->op != NULL)) return ct__queue_push(&s->queue, w);
    w->later = s->leaves;
    s->leaves = w;
    return true;
}

/* The reference of a gradient that goes nowhere; returns whether that is as it should be. */
static CT__APART bool not_delivered(ct_tensor *g, bool as_it_should)
{
    if (g) ct__release(g);
    return as_it_should;
}

static CT__APART bool add_onto(sweep *s, work *w, int slot, ct_tensor *g)
{
    w->g[slot] = ct__grad_sum(w->g[slot], g, !s->tour.options.create_graph && !ct__ad.active);
    ct__release(g);
    if (!w->g[slot]) return false;
    if (CT__UNLIKELY(ct__ad.watching) && !ct__watch_sum(w->node, w->g[slot])) return false;
    return enqueue(s, w);
}

/* Adds g (NULL: zero), of which it takes a reference over, to what reached an output of a node, and queues the node. */
static bool deliver(sweep *s, ct__node *n, int slot, ct_tensor *g)
{
    work *w = ct__work_of(&s->tour, n);
    if (CT__LIKELY(!w) && CT__LIKELY(s->tour.everything)) { /* else it leads to no target */
        w = ct__work_new(&s->tour, n);
        if (CT__UNLIKELY(!w)) return not_delivered(g, false);
    }
    if (CT__UNLIKELY(!w) || CT__UNLIKELY(!w->needed)) return not_delivered(g, true);
    if (g && CT__UNLIKELY(w->g[slot] != NULL)) return add_onto(s, w, slot, g);
    if (g) w->g[slot] = g;
    return enqueue(s, w);
}

/* ---- hooks ---- */

typedef struct hooking {
    const sweep *s;
    const ct__node *node;
    const ct__hook_record *hook;
} hooking;

/* out[0]: the gradient, or what the hook put in its place. */
static bool run_hook(void *context, ct_tensor *const *g, ct_tensor **out)
{
    const hooking *h = context;
    const char *operation = h->s->tour.operation;
    ct_tensor *replacement = NULL;
    const int code = h->hook->hook(ct_alias(g[0]), &replacement, h->hook->context);
    if (ct__self.failed) return false;
    if (code) return ct__fail(CT_ERROR_USER, operation, "a hook on the result of %s returned %d", ct__node_title(h->node), code);
    if (replacement && (!ct__same_shape(replacement, g[0]) || replacement->dtype != g[0]->dtype))
        return ct__fail(CT_ERROR_SHAPE, operation, "a hook on the result of %s replaced a gradient %s by %s",
                        ct__node_title(h->node), ct__describe(g[0]), ct__describe(replacement));
    out[0] = replacement ? replacement : g[0];
    return true;
}

static CT__APART bool run_hooks(sweep *s, work *w)
{
    ct__ad.at = NULL; /* a hook is the user's own code, not a part of a rule */
    ct__ad.rule = NULL;
    for (const ct__hook_record *h = w->node->hooks; h; h = h->next) {
        ct_tensor **g = &w->g[h->slot], *after = NULL;
        if (!*g || !h->hook) continue; /* no hook: it was removed during a sweep */
        hooking call = {.s = s, .node = w->node, .hook = h};
        const int rank = (int)ct__node_shape(w->node, h->slot).rank, scope = ct__scope_begin();
        const bool ok = (*g)->rank > rank ? ct__each_slice(g, &rank, 1, &after, 1, run_hook, &call) : run_hook(&call, g, &after);
        if (ok && after && after != *g) {
            ct__retain(after);
            ct__release(*g);
            *g = after;
        }
        ct__scope_end(scope);
        if (!ok) return false;
    }
    return true;
}

/* ---- ends of the sweep ---- */

static CT__APART void take_targets(sweep *s, const work *w)
{
    for (int i = 0; i < s->n_targets; i++) {
        ct__target *t = &s->targets[i];
        if (t->node == w->node) t->grad = w->g[t->slot] ? ct__retain(w->g[t->slot]) : NULL;
    }
}

static bool has_shape(const ct_tensor *t, const ct_shape *s)
{
    bool same = t->rank == s->rank;
    for (int i = 0; same && i < t->rank; i++) same = t->dim[i] == s->dim[i];
    return same;
}

static bool harvest_leaf(sweep *s, work *w)
{
    ct__node *leaf = w->node;
    ct_tensor *g = w->g[0];
    if (!leaf->collects) return true;
    if (g && (!has_shape(g, ct__node_out_shapes(leaf)) || g->dtype != leaf->dtype))
        return ct__fail(CT_ERROR_GRAPH, s->tour.operation,
                        "a gradient %s reached a leaf of shape %s: a rule or hook on the way is wrong",
                        ct__describe(g), ct__describe_shape(*ct__node_out_shapes(leaf)));
    w->later = s->harvest;
    s->harvest = w;
    return true;
}

/* ---- one node ---- */

/* Is the way to this input wanted? */
static inline __attribute__((always_inline)) bool wanted(const sweep *s, const ct__input *x)
{
    if (!x->from) return false;
    if (CT__LIKELY(s->tour.everything)) return true;
    const work *w = ct__work_of(&s->tour, x->from);
    return w && w->needed;
}

/* Hands dx (NULL: zero), and a reference of it, on to where input i came from. */
static inline __attribute__((always_inline)) bool pass(sweep *s, ct__node *n, int i, ct_tensor *const *g, ct_tensor *dx)
{
    if (CT__UNLIKELY(ct__ad.watching) && dx && !ct__watch_gradient(n, i, g, dx)) return not_delivered(dx, false);
    return deliver(s, n->in[i].from, n->in[i].slot, dx);
}

/* The same dx to all inputs. */
static inline bool pass_all(sweep *s, ct__node *n, ct_tensor *const *g, ct_tensor *dx)
{
    for (int i = 0; i < n->n_in; i++) {
        if (wanted(s, &n->in[i]) && !pass(s, n, i, g, dx ? ct__retain(dx) : NULL)) return false;
    }
    return true;
}

/* Is the derivative by each input the identity, as a sum's is? Such rules read nothing, so there is no call to rebuild for them. */
static inline bool passes_on(const ct_op *op, int n_in)
{
    if (op->vjp[0] != ct__vjp_same || op->inputs == CT__VARIADIC || op->outputs > 1 || op->vjp_behind) return false;
    for (int i = 1; i < n_in; i++) {
        if (op->vjp[i] != ct__vjp_same) return false;
    }
    return true;
}

/* Absent gradients of an operation with several outputs are made zeros for its rules, stacked like those that are there. */
static CT__APART bool materialize(const work *w, ct_tensor **g)
{
    const ct__node *n = w->node;
    int k = 0;
    while (!w->g[k]) k++;
    for (int i = 0; i < n->n_out; i++) {
        const ct_shape own = ct__node_shape(n, i);
        g[i] = w->g[i];
        if (!g[i]) g[i] = ct__no_values((ct_dtype)w->g[k]->dtype, ct__batched(w->g[k], (int)ct__node_shape(n, k).rank, own));
        if (!g[i]) return false;
    }
    return true;
}

/* All wanted dx by the operation's fused function. A spent gradient goes before the new one is made, which then lies where it lay, in
 * cache. */
static bool run_fused(sweep *s, ct__node *n, const ct_call *c, ct_tensor *const *g)
{
    unsigned need = 0;
    ct_tensor *gx[CT__MAX_INPUTS];
    const int n_in = n->n_in;
    const ct__input *x = n->in;
#pragma GCC unroll 1
    for (int i = 0; i < n_in; i++, x++) {
        if (!wanted(s, x)) continue;
        need |= 1u << i;
        if (CT__UNLIKELY(x->from->spent) && s->n_targets == 0 && x->from->collects) ct__drop_grad(x->from);
    }
    if (!(CT__LIKELY(!ct__self.script) ? n->op->fused(c, g, need, gx) : ct__capture_fused(c, g, need, gx))) return false;
    /* Each with one reference, so that sums can go into it. */
    bool ok = true;
    for (; need; need &= need - 1) {
        const int i = __builtin_ctz(need);
        ct__scope_unlink(&gx[i]->link);
        ok = CT__LIKELY(ok) ? pass(s, n, i, g, gx[i]) : not_delivered(gx[i], false);
    }
    return ok;
}

/* A rule as slices of a stack reach it. */
typedef struct ruling {
    const ct_call *call;
    ct_vjp_rule rule;
    const bool *need;
} ruling;

static bool run_rule(void *context, ct_tensor *const *g, ct_tensor **dx)
{
    const ruling *r = context;
    dx[0] = r->rule(r->call, g);
    return dx[0] != NULL;
}

static bool run_vjp_all(void *context, ct_tensor *const *g, ct_tensor **dx)
{
    const ruling *r = context;
    return r->call->op->vjp_all(r->call, g, r->need, dx);
}

/* Calls a rule with gradients, one slice of them after the other where the operation wants that. */
static bool by_rule(const ct__node *n, ct_tensor *const *g, ct_tensor **dx, int count, ct__each rule, ruling *r)
{
    int rank[CT__MAX_OUTPUTS];
    if (CT__LIKELY(!n->op->single)) return rule(r, g, dx);
    for (int k = 0; k < n->n_out; k++) rank[k] = (int)ct__node_shape(n, k).rank;
    return ct__is_stack(g, rank, n->n_out) ? ct__each_slice(g, rank, n->n_out, dx, count, rule, r) : rule(r, g, dx);
}

static bool failed(const sweep *s, const ct__node *n)
{
    if (ct__self.failed) return false;
    return ct__fail(CT_ERROR_GRAPH, s->tour.operation, "the derivative of %s failed without an error", ct__node_title(n));
}

static CT__APART bool run_rules(sweep *s, ct__node *n, ct_call *c, ct_tensor *const *g)
{
    ct_tensor *before[1];
    if (n->op->vjp_behind) { /* of the sweep's scope, as what this makes is for all inputs */
        before[0] = n->op->vjp_behind(c, g);
        if (!before[0]) return failed(s, n);
        g = before;
    }
    for (int i = 0; i < n->n_in; i++) {
        if (!wanted(s, &n->in[i])) continue;
        ruling r = {.call = c, .rule = n->op->vjp[n->op->inputs == CT__VARIADIC ? 0 : i]};
        if (r.rule == ct__vjp_same) { /* it makes nothing that would need a scope */
            if (!pass(s, n, i, g, ct__retain(g[0]))) return false;
            continue;
        }
        ct_tensor *dx = NULL;
        c->index = i;
        const int scope = ct__scope_begin();
        const bool ok = r.rule == ct__vjp_zero || by_rule(n, g, &dx, 1, run_rule, &r);
        if (dx) ct__retain(dx);
        ct__scope_end(scope);
        if (!ok) return not_delivered(dx, failed(s, n));
        if (!pass(s, n, i, g, dx)) return false;
    }
    return true;
}

/* The same by one rule for all inputs, which makes up for absent gradients itself. */
static CT__APART bool run_rule_for_all(sweep *s, ct__node *n, const ct_call *c, ct_tensor *const *g)
{
    bool few[CT__FEW], *need = n->n_in <= CT__FEW ? few : ct__pool_get((size_t)n->n_in);
    ct_tensor *few_dx[CT__FEW], **dx = ct__operands_of(n->op, few_dx, n->n_in);
    bool ok = dx && (need || ct__fail_memory(s->tour.operation, (size_t)n->n_in));
    if (ok) {
        ruling r = {.call = c, .need = need};
        for (int i = 0; i < n->n_in; i++) {
            need[i] = wanted(s, &n->in[i]);
            dx[i] = NULL;
        }
        ok = by_rule(n, g, dx, n->n_in, run_vjp_all, &r) || failed(s, n);
        for (int i = 0; ok && i < n->n_in; i++) ok = !need[i] || pass(s, n, i, g, dx[i] ? ct__retain(dx[i]) : NULL);
    }
    if (need && need != few) ct__pool_put(need, (size_t)n->n_in);
    ct__operands_put(dx, few_dx, n->n_in);
    return ok;
}

/* All of a node's rules, by whichever way it has. */
static bool run(sweep *s, const work *w, ct_call *c)
{
    ct__node *n = w->node;
    ct_tensor *zeroed[CT__MAX_OUTPUTS], *const *g = w->g;
    if (n->op->vjp_all) return run_rule_for_all(s, n, c, g);
    /* Nothing is differentiated further, and it is one cotangent, not a stack of them? */
    const bool plain = n->op->fused && g[0] && g[0]->rank == n->rank && !s->tour.options.create_graph && !ct__ad.active;
    if (plain) {
        ct_tensor *told = CT__UNLIKELY(ct__ad.watching) ? ct__retain(g[0]) : NULL; /* no rule writes over what the watch may tell of */
        const bool ok = run_fused(s, n, c, g);
        if (CT__UNLIKELY(told != NULL)) ct__release(told);
        return ok;
    }
    if (n->n_out > 1) {
        if (!materialize(w, zeroed)) return false;
        g = zeroed;
    }
    return run_rules(s, n, c, g);
}

/* Applies the rules of one node. What they make and nobody keeps stays in the sweep's scope. */
static bool step_back(sweep *s, work *w)
{
    ct__node *n = w->node;
    bool ok;
    ct__ad.at = n;
    ct__ad.rule = n->op;
    if (passes_on(n->op, n->n_in)) {
        ok = pass_all(s, n, w->g, w->g[0]);
    } else {
        ct_call c;
        ct_tensor *few[CT__FEW], *out[CT__MAX_OUTPUTS], **in = ct__operands_of(n->op, few, n->n_in);
        if (!in) return false;
        bool zero = !w->g[0];
        for (int k = 1; k < n->n_out; k++) zero = zero && !w->g[k];
        ok = ct__rebuild_call(&s->tour, n, &c, in, out) && (zero ? pass_all(s, n, NULL, NULL) : run(s, w, &c));
        ct__operands_put(in, few, n->n_in);
    }
    if (!ok && n->file) ct_here_error(n->file, n->line);
    if (CT__LIKELY(ok) && CT__LIKELY(!s->tour.options.retain_graph)) ct__node_drop_kept(n);
    return ok;
}

/* ---- large pointwise nodes, in regions ---- */

/* The same as deliver, for a gradient that is a register of the open region. */
static bool deliver_register(sweep *s, ct__node *n, int slot, int dx)
{
    work *w = ct__work_of(&s->tour, n);
    if (!w && !s->tour.everything) return true;
    if (!w && !(w = ct__work_new(&s->tour, n))) return false;
    if (!w->needed) return true;
    ct__region_reach(s->region, w, slot, dx);
    return enqueue(s, w);
}

/* The cotangent of a large output that was given none is a one with strides of 0, for regions. Where it reaches anything else it becomes
 * the tensor that users expect. */
static ct_tensor *spread(sweep *s, const ct_tensor *ones)
{
    if (s->ones == ones) return s->spread;
    if (s->spread) ct__release(s->spread);
    s->ones = ones;
    s->spread = ct__own(ct__tensor_like(s->tour.operation, ones, ones->dtype));
    if (s->spread) ct__copy(s->spread, ones);
    return s->spread;
}

static bool spread_seeds(sweep *s, work *w)
{
    for (int k = 0; k < w->n_out; k++) {
        bool is_seed = false;
        for (int i = 0; i < s->n_seeds && !is_seed; i++) is_seed = w->g[k] && w->g[k] == s->seeds[i].grad;
        if (!is_seed || !ct__is_repeated(w->g[k])) continue;
        ct_tensor *full = spread(s, w->g[k]);
        if (!full) return false;
        ct__release(w->g[k]);
        w->g[k] = ct__retain(full);
    }
    return true;
}

/* Runs the region, and the nodes that were put off until then. */
static CT__APART bool run_region(sweep *s)
{
    work *w = s->put_off;
    bool ok = !s->open || ct__region_run(s->region, &s->tour);
    s->open = false;
    s->put_off = NULL;
    for (; ok && w; w = w->later) {
        for (int i = 0; i < w->node->n_in; i++) {
            work *x = ct__work_of(&s->tour, w->node->in[i].from);
            if (x) x->awaited = false;
        }
        ok = spread_seeds(s, w) && step_back(s, w);
        ct__work_clear(w);
    }
    return ok;
}

/* A node that leads to nothing but leaves, such as one that repeats a parameter, may come after the region: nobody else waits for it. */
static bool may_be_put_off(const sweep *s, const work *w)
{
    const ct__node *n = w->node;
    bool may = n->op && w->waits && !n->hooks && !w->end && !n->segment;
    for (int i = 0; may && i < n->n_in; i++) may = !wanted(s, &n->in[i]) || !n->in[i].from->op;
    return may;
}

/* The leaves are marked, so that the order of their sums stays. */
static bool put_off(sweep *s, work *w)
{
    const ct__node *n = w->node;
    for (int i = 0; i < n->n_in; i++) {
        if (!wanted(s, &n->in[i])) continue;
        if (!deliver(s, n->in[i].from, n->in[i].slot, NULL)) return false;
        ct__work_of(&s->tour, n->in[i].from)->awaited = true;
    }
    w->later = NULL;
    if (!s->put_off) s->put_off_end = &s->put_off;
    *s->put_off_end = w;
    s->put_off_end = &w->later;
    return true;
}

/* Does the node lead to a leaf that a node put off leads to as well? */
static bool leads_to_awaited(const sweep *s, const ct__node *n)
{
    for (int i = 0; i < n->n_in; i++) {
        const work *x = ct__work_of(&s->tour, n->in[i].from);
        if (x && x->awaited) return true;
    }
    return false;
}

/* The node joins the region. */
static bool join(sweep *s, work *w)
{
    ct__node *n = w->node;
    if (!s->open) {
        ct__region *r = ct__region_open(s->region, &s->tour, w);
        if (!r) return false;
        s->region = r;
        s->open = true;
    }
    const int g = ct__region_join(s->region, w);
    for (int i = 0; i < n->n_in; i++) {
        const ct__input *x = &n->in[i];
        if (!wanted(s, x)) continue;
        const bool zero = n->op->vjp[i] == ct__vjp_zero;
        if (zero ? !deliver(s, x->from, x->slot, NULL) : !deliver_register(s, x->from, x->slot, ct__region_step(s->region, n, i, g)))
            return false;
    }
    return true;
}

/* Is it an operation that only zeros reached? It computes nothing. (Of several outputs it is not known what waits.) */
static bool is_zero(const work *w) { return w->node->op && !w->node->segment && w->n_out == 1 && !w->waits && !w->g[0]; }

/* Takes what may run in a region; else the region is run, since this node may need what it makes, or run the user's code. */
static CT__APART bool process_large(sweep *s, work *w, bool *done)
{
    *done = false;
    if (is_zero(w)) return true;
    bool fits = ct__region_fits(s->open ? s->region : NULL, &s->tour, w);
    if (s->open && !fits && may_be_put_off(s, w)) {
        *done = true;
        return put_off(s, w);
    }
    if (s->open && !(fits && ct__region_has_room(s->region) && !leads_to_awaited(s, w->node))) {
        if (!run_region(s)) return false;
        fits = ct__region_fits(NULL, &s->tour, w);
    }
    *done = fits;
    return fits ? join(s, w) : spread_seeds(s, w);
}

/* ---- the sweep ---- */

/* Gives the leaves what waits for them. */
static bool commit(work *harvest, bool create_graph)
{
    for (work *w = harvest; w; w = w->later) {
        ct__node *leaf = w->node;
        ct_tensor *g = w->g[0];
        if (leaf->spent) ct__drop_grad(leaf);
        if (CT__UNLIKELY(ct__self.script != NULL)) {
            if (!ct__capture_collect(leaf, g)) return false;
        } else if (g && !leaf->grad) {
            leaf->grad = g; /* handed over */
            w->g[0] = NULL;
        } else if (g) {
            leaf->grad = ct__grad_sum(leaf->grad, g, !create_graph);
        } else if (!leaf->grad) {
            leaf->grad = ct__zero_grad_of(leaf);
        }
    }
    return true;
}

static bool process(sweep *s, work *w)
{
    if (CT__UNLIKELY(s->open) || (CT__LIKELY(w->g[0] != NULL) && CT__UNLIKELY(w->g[0]->count >= CT__REGION_LEAST))) {
        bool done;
        if (!process_large(s, w, &done)) return false;
        if (done) return true;
    }
    if (CT__UNLIKELY(w->node->hooks != NULL) && !run_hooks(s, w)) return false;
    if (CT__UNLIKELY(w->end)) take_targets(s, w);
    if (CT__LIKELY(w->node->op != NULL)) return step_back(s, w);
    return s->n_targets > 0 || harvest_leaf(s, w);
}

/* What comes next; NULL at the end. */
static inline work *next_of(sweep *s)
{
    if (s->queue.first) return ct__queue_pop(&s->queue);
    work *w = s->leaves;
    if (w) s->leaves = w->later;
    return w;
}

bool ct__sweep(const char *operation, const ct__seed *seeds, int n_seeds, ct__target *targets, int n_targets,
               ct_grad_options options)
{
    if (options.create_graph) options.retain_graph = true;
    sweep s = {.tour = {.operation = operation, .options = options}, .targets = targets, .n_targets = n_targets, .seeds = seeds,
               .n_seeds = n_seeds};
    const bool recording = ct_grad_mode(options.create_graph);
    const ct__node *at = ct__ad.at;
    const ct_op *rule = ct__ad.rule;
    bool ok = ct__tour_aim(&s.tour, seeds, n_seeds, targets, n_targets);
    const int scope = ct__scope_begin();
    for (int i = 0; ok && i < n_seeds; i++) {
        ok = deliver(&s, seeds[i].node, seeds[i].slot, seeds[i].grad ? ct__retain(seeds[i].grad) : NULL);
        work *w = ct__work_of(&s.tour, seeds[i].node);
        if (w) ct__work_hold(w);
    }
    for (work *w; ok && (w = next_of(&s)) != NULL;) {
        ok = process(&s, w);
        if (CT__LIKELY(w != s.harvest)) {
            ct__work_clear(w);
            if (CT__LIKELY(!s.open)) ct__work_done(&s.tour, w);
        }
        ct__scope_clear(scope);
    }
    if (s.open) ok = ok && run_region(&s);
    ct__region_free(s.region);
    if (s.spread) ct__release(s.spread);
    ct__scope_end(scope);
    ok = ok && commit(s.harvest, options.create_graph);
    ct__tour_end(&s.tour);
    ct__queue_free(&s.queue);
    for (int i = 0; !ok && i < n_targets; i++) {
        if (targets[i].grad) ct__release(targets[i].grad);
        targets[i].grad = NULL;
    }
    ct__ad.at = at;
    ct__ad.rule = rule;
    ct_grad_mode(recording);
    return ok;
}
