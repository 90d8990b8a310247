/*
 * sweep.c - the reverse sweep: nodes by falling number, each with the sum of the gradients of its outputs.
 *
 * A node that has received a gradient has a work record, stacked on the node so that a sweep inside a rule or hook can meet the same node.
 * Work waits in a heap ordered by the nodes' numbers: when a node comes up, all that can reach it has been done. A derivative that is
 * zero (ct__vjp_zero) travels as an absent gradient: nothing is computed for it, and a leaf it reaches still gets its zeros.
 *
 * Invariant: whatever happens, every work record is taken off its node and freed before ct__sweep returns.
 */
#include "autograd/sweep.h"

#include <string.h>

typedef struct ct__work work;
typedef struct sweep sweep;

struct ct__work {
    work *below; /* of a sweep further out */
    work *next, **at; /* the list of all records of the sweep */
    sweep *owner;
    ct__node *node; /* held */
    int32_t n_out;
    work *later; /* in the order of rising numbers, while marking */
    bool needed; /* with targets: it leads to one */
    bool queued;
    ct_tensor *g[]; /* of each output; NULL: zero */
};

/* A leaf's gradient waiting for the sweep's success. */
typedef struct harvest {
    struct harvest *next;
    ct__node *leaf;
    ct_tensor *grad;
} harvest;

struct sweep {
    const char *operation;
    ct_grad_options options;
    ct__target *targets;
    int n_targets;
    work **heap; /* largest number at the top */
    size_t n, room;
    work *all;
    harvest *harvests;
};

/* ---- the heap ---- */

static uint64_t number_of(const work *w) { return w->node->number; }

static bool heap_push(sweep *s, work *w)
{
    if (s->n == s->room) {
        const size_t room = s->room ? 2 * s->room : 64;
        work **heap = ct__pool_get(room * sizeof *heap);
        if (!heap) return ct__fail_memory(s->operation, room * sizeof *heap);
        if (s->n) memcpy(heap, s->heap, s->n * sizeof *heap);
        if (s->heap) ct__pool_put(s->heap, s->room * sizeof *heap);
        s->heap = heap;
        s->room = room;
    }
    size_t i = s->n++;
    for (; i && number_of(s->heap[(i - 1) / 2]) < number_of(w); i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = w;
    return true;
}

static work *heap_pop(sweep *s)
{
    work *top = s->heap[0], *last = s->heap[--s->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < s->n; i = child) {
        if (child + 1 < s->n && number_of(s->heap[child + 1]) > number_of(s->heap[child])) child++;
        if (number_of(s->heap[child]) <= number_of(last)) break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return top;
}

/* ---- work records ---- */

static size_t work_size(int n_out) { return sizeof(work) + (size_t)n_out * sizeof(ct_tensor *); }

static work *work_new(sweep *s, ct__node *n)
{
    work *w = ct__slab_get(work_size(n->n_out));
    if (!w) return ct__fail_memory(s->operation, work_size(n->n_out));
    *w = (work){.below = n->work, .next = s->all, .at = &s->all, .owner = s, .node = ct__node_retain(n), .n_out = n->n_out,
                .needed = s->n_targets == 0};
    for (int i = 0; i < n->n_out; i++) w->g[i] = NULL;
    if (s->all) s->all->at = &w->next;
    s->all = w;
    n->work = w;
    return w;
}

static void work_free(work *w)
{
    for (int i = 0; i < w->n_out; i++) {
        if (w->g[i]) ct__release(w->g[i]);
    }
    *w->at = w->next;
    if (w->next) w->next->at = w->at;
    w->node->work = w->below;
    ct__node_release(w->node);
    ct__slab_put(w, work_size(w->n_out));
}

/* The record of this sweep at a node; made where a sweep without targets meets it first. */
static work *work_at(sweep *s, ct__node *n)
{
    if (n->work && n->work->owner == s) return n->work;
    return s->n_targets ? NULL : work_new(s, n);
}

/* ---- sums of gradients ---- */

static void add_f32(int64_t n, char *const *p, const double *params)
{
    (void)params;
    float *y = (float *)(void *)p[0];
    const float *x = (const float *)(const void *)p[2];
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}
static void add_f64(int64_t n, char *const *p, const double *params)
{
    (void)params;
    double *y = (double *)(void *)p[0];
    const double *x = (const double *)(const void *)p[2];
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

/* Is it a fresh result that nobody else can see? */
static bool exclusive(const ct_tensor *t)
{
    return t->refs == 1 && t->storage->refs == 1 && !t->storage->foreign && !t->graph && ct__contiguous(t);
}

ct_tensor *ct__grad_sum(ct_tensor *grad, ct_tensor *g, bool in_place)
{
    if (!grad) return ct__retain(g);
    if (in_place && exclusive(grad) && grad->dtype == g->dtype && ct__same_shape(grad, g)) {
        ct_tensor *operands[] = {grad, grad, g};
        ct__map(grad->dtype == CT_F32 ? add_f32 : add_f64, 1, operands, 3, NULL, 1);
        ct__bump(grad);
        return grad;
    }
    const int scope = ct_scope_begin();
    ct_tensor *sum = ct__own(ct__engine.add(grad, g));
    ct_scope_end(scope);
    ct__release(grad);
    return sum;
}

/* Adds g (NULL: zero) to what reached an output of a node, and queues the node. */
static bool deliver(sweep *s, ct__node *n, int slot, ct_tensor *g)
{
    work *w = work_at(s, n);
    if (!w) return s->n_targets != 0; /* leads to no target; without targets, out of memory */
    if (!w->needed) return true;
    if (g) {
        w->g[slot] = ct__grad_sum(w->g[slot], g, !s->options.create_graph && !ct__ad.active);
        if (!w->g[slot]) return false;
    }
    if (w->queued) return true;
    w->queued = true;
    return heap_push(s, w);
}

/* ---- one node ---- */

static bool run_hooks(sweep *s, work *w)
{
    for (const ct__hook_record *h = w->node->hooks; h; h = h->next) {
        ct_tensor *g = w->g[h->slot], *replacement = NULL;
        if (!g) continue;
        const int scope = ct_scope_begin();
        const int code = h->hook(ct_alias(g), &replacement, h->context);
        bool ok = !ct__self.failed;
        if (ok && code) ok = ct__fail(CT_ERROR_USER, s->operation, "a hook on the result of %s returned %d", ct__node_title(w->node), code);
        if (ok && replacement && (!ct__same_shape(replacement, g) || replacement->dtype != g->dtype))
            ok = ct__fail(CT_ERROR_SHAPE, s->operation, "a hook on the result of %s replaced a gradient %s by %s", ct__node_title(w->node),
                          ct__describe(g), ct__describe(replacement));
        if (ok && replacement) {
            w->g[h->slot] = ct__retain(replacement);
            ct__release(g);
        }
        ct_scope_end(scope);
        if (!ok) return false;
    }
    return true;
}

static bool take_targets(sweep *s, const work *w)
{
    bool leaf = false;
    for (int i = 0; i < s->n_targets; i++) {
        ct__target *t = &s->targets[i];
        if (t->node != w->node) continue;
        leaf = true;
        t->grad = w->g[t->slot] ? ct__retain(w->g[t->slot]) : NULL;
    }
    return leaf;
}

static bool harvest_leaf(sweep *s, work *w)
{
    ct__node *leaf = w->node;
    ct_tensor *g = w->g[0];
    if (!leaf->collects) return true;
    if (g && (!ct__shape_equal(ct__shape(g), leaf->out_shapes[0]) || g->dtype != leaf->dtype))
        return ct__fail(CT_ERROR_GRAPH, s->operation, "a gradient %s reached a leaf of shape %s: a rule or hook on the way is wrong", ct__describe(g),
                        ct__describe_shape(leaf->out_shapes[0]));
    harvest *h = ct__slab_get(sizeof *h);
    if (!h) return ct__fail_memory(s->operation, sizeof *h);
    *h = (harvest){.next = s->harvests, .leaf = ct__node_retain(leaf), .grad = g ? ct__retain(g) : NULL};
    s->harvests = h;
    return true;
}

/* The call as the rules see it. Kept outputs get their graph slot back where the sweep is itself differentiated. */
static bool rebuild_call(sweep *s, ct__node *n, ct_call *c, ct_tensor **in, ct_tensor **out)
{
    static const char *const letters[] = {"first", "second", "third"};
    c->op = n->op; /* field by field: .shape and .dtypes are of the forward pass, and large */
    c->in = in;
    c->n_in = n->n_in;
    c->out = out;
    c->n_out = n->n_out;
    c->params = n->params;
    c->index = 0;
    c->dtype = n->dtype;
    c->in_shapes = n->in_shapes;
    for (int i = 0; i < n->n_in; i++) {
        const ct__input *x = &n->in[i];
        if (x->was_kept && !x->kept)
            return ct__fail(CT_ERROR_GRAPH, s->operation, "%s was swept before, and the values it kept were released then; retain_graph keeps them",
                            ct__node_title(n));
        if (x->kept && x->kept->storage->version != x->version)
            return ct__fail(CT_ERROR_GRAPH, s->operation, "the %s operand of %s, %s, was changed in place after that; its derivative needs the value of then",
                            i < 3 ? letters[i] : "one", ct__node_title(n), ct__describe(x->kept));
        in[i] = x->kept;
    }
    for (int i = 0; i < n->n_out && i < CT__MAX_OUTPUTS; i++) {
        out[i] = n->out ? n->out[i] : NULL;
        if (!n->out) continue;
        if (!out[i])
            return ct__fail(CT_ERROR_GRAPH, s->operation, "%s was swept before, and the values it kept were released then; retain_graph keeps them",
                            ct__node_title(n));
        if (out[i]->storage->version != n->out_version[i])
            return ct__fail(CT_ERROR_GRAPH, s->operation, "the result of %s, %s, was changed in place after that; its derivative needs the value of then",
                            ct__node_title(n), ct__describe(out[i]));
        if (!s->options.create_graph && !n->tangents) continue;
        out[i] = ct__tensor_bare(out[i]);
        if (!out[i]) return false;
        ct__node_attach(out[i], ct__node_retain(n), i);
        out[i]->needs_grad = true;
    }
    return true;
}

/* Is the way to this input wanted? */
static bool wanted(sweep *s, const ct__input *x)
{
    if (!x->from) return false;
    return s->n_targets == 0 || (x->from->work && x->from->work->owner == s && x->from->work->needed);
}

/* Absent gradients of an operation with several outputs are made zeros for its rules. */
static bool materialize(work *w, ct_tensor **g)
{
    const ct__node *n = w->node;
    for (int i = 0; i < n->n_out; i++) {
        g[i] = w->g[i];
        if (g[i]) continue;
        g[i] = ct__tensor_new("a gradient", n->dtype, (int)n->out_shapes[i].rank, n->out_shapes[i].dim);
        if (!g[i]) return false;
        ct__fill(g[i], 0);
    }
    return true;
}

/* All wanted dx by the operation's fused function. */
static bool run_fused(sweep *s, ct__node *n, const ct_call *c, ct_tensor *const *g)
{
    bool need[CT__MAX_INPUTS];
    ct_tensor *gx[CT__MAX_INPUTS] = {0};
    for (int i = 0; i < n->n_in; i++) need[i] = wanted(s, &n->in[i]);
    if (!n->op->fused(c, g, need, gx)) return false;
    for (int i = 0; i < n->n_in; i++) {
        if (!need[i]) continue;
        ct__own(gx[i]); /* one reference, so that sums can go into it */
        const bool ok = (!ct__ad.watching || ct__watch_gradient(n, i, gx[i])) && deliver(s, n->in[i].from, n->in[i].slot, gx[i]);
        ct__release(gx[i]);
        if (!ok) return false;
    }
    return true;
}

static bool run_rules(sweep *s, ct__node *n, ct_call *c, ct_tensor *const *g)
{
    for (int i = 0; i < n->n_in; i++) {
        const ct__input *x = &n->in[i];
        if (!wanted(s, x)) continue;
        const ct_vjp_rule rule = n->op->vjp[n->op->inputs == CT__VARIADIC ? 0 : i];
        if (rule == ct__vjp_zero || !g[0]) {
            if (!deliver(s, x->from, x->slot, NULL)) return false;
            continue;
        }
        c->index = i;
        const int scope = ct_scope_begin();
        ct_tensor *dx = rule(c, g);
        if (dx) ct__retain(dx);
        ct_scope_end(scope);
        if (!dx) return ct__self.failed ? false : ct__fail(CT_ERROR_GRAPH, s->operation, "the derivative of %s failed without an error", ct__node_title(n));
        const bool ok = (!ct__ad.watching || ct__watch_gradient(n, i, dx)) && deliver(s, x->from, x->slot, dx);
        ct__release(dx);
        if (!ok) return false;
    }
    return true;
}

/* Applies the rules of one node. */
static bool step_back(sweep *s, work *w)
{
    enum { FEW = 8 };
    ct__node *n = w->node;
    ct_call c;
    ct_tensor *few[FEW], *out[CT__MAX_OUTPUTS], *g[CT__MAX_OUTPUTS];
    const size_t bytes = (size_t)n->n_in * sizeof(ct_tensor *);
    ct_tensor **in = n->n_in <= FEW ? few : ct__pool_get(bytes);
    if (!in) return ct__fail_memory(s->operation, bytes);
    const int scope = ct_scope_begin();
    ct__ad.file = n->file;
    ct__ad.line = n->line;
    bool ok = rebuild_call(s, n, &c, in, out);
    g[0] = w->g[0];
    if (ok && n->n_out > 1) ok = materialize(w, g);
    /* Nothing is differentiated further, and it is one cotangent, not a stack of them? */
    const bool plain = n->op->fused && g[0] && g[0]->rank == n->rank && !s->options.create_graph && !ct__ad.active;
    if (ok) ok = plain ? run_fused(s, n, &c, g) : run_rules(s, n, &c, g);
    ct_scope_end(scope);
    if (in != few) ct__pool_put(in, bytes);
    if (!ok && n->file) ct_here_error(n->file, n->line);
    if (ok && !s->options.retain_graph) ct__node_drop_kept(n);
    return ok;
}

/* ---- the sweep ---- */

/* Gives every node behind the seeds a work record; falling numbers, so that each is seen once. */
static bool discover(sweep *s, const ct__seed *seeds, int n_seeds, work **order)
{
    sweep found = {.operation = s->operation}; /* only for its heap */
    bool ok = true;
    *order = NULL;
    for (int i = 0; ok && i < n_seeds; i++) {
        ct__node *n = seeds[i].node;
        if (!n->work || n->work->owner != s) ok = work_new(s, n) && heap_push(&found, n->work);
    }
    while (ok && found.n) {
        work *w = heap_pop(&found);
        w->later = *order;
        *order = w;
        for (int i = 0; ok && i < w->node->n_in; i++) {
            ct__node *from = w->node->in[i].from;
            if (from && !(from->work && from->work->owner == s)) ok = work_new(s, from) && heap_push(&found, from->work);
        }
    }
    if (found.heap) ct__pool_put(found.heap, found.room * sizeof *found.heap);
    return ok;
}

/* With targets: marks the nodes that lead to one. Numbers rise from inputs to results, so one pass by rising number settles it. */
static bool mark(sweep *s, const ct__seed *seeds, int n_seeds)
{
    work *order;
    if (!discover(s, seeds, n_seeds, &order)) return false;
    for (work *w = order; w; w = w->later) {
        for (int i = 0; i < s->n_targets && !w->needed; i++) w->needed = s->targets[i].node == w->node;
        for (int i = 0; i < w->node->n_in && !w->needed; i++) {
            const ct__node *from = w->node->in[i].from;
            w->needed = from && from->work->needed;
        }
    }
    return true;
}

static void commit(harvest *h, bool create_graph, bool ok)
{
    while (h) {
        harvest *next = h->next;
        ct__node *leaf = h->leaf;
        if (ok && leaf->spent) {
            if (leaf->grad) ct__release(leaf->grad);
            leaf->grad = NULL;
            leaf->spent = false;
        }
        if (ok && h->grad) {
            leaf->grad = ct__grad_sum(leaf->grad, h->grad, !create_graph);
        } else if (ok && !leaf->grad) {
            leaf->grad = ct__own(ct__tensor_new("a gradient", leaf->dtype, (int)leaf->out_shapes[0].rank, leaf->out_shapes[0].dim));
            if (leaf->grad) ct__fill(leaf->grad, 0);
        }
        if (h->grad) ct__release(h->grad);
        ct__node_release(leaf);
        ct__slab_put(h, sizeof *h);
        h = next;
    }
}

static bool process(sweep *s, work *w)
{
    if (w->node->hooks && !run_hooks(s, w)) return false;
    const bool target = s->n_targets && take_targets(s, w);
    if (!w->node->op) return s->n_targets || target || harvest_leaf(s, w);
    return step_back(s, w);
}

bool ct__sweep(const char *operation, const ct__seed *seeds, int n_seeds, ct__target *targets, int n_targets, ct_grad_options options)
{
    if (options.create_graph) options.retain_graph = true;
    sweep s = {.operation = operation, .options = options, .targets = targets, .n_targets = n_targets};
    const bool recording = ct_grad_mode(options.create_graph);
    const char *file = ct__ad.file;
    const int line = ct__ad.line;
    bool ok = n_targets == 0 || mark(&s, seeds, n_seeds);
    for (int i = 0; ok && i < n_seeds; i++) ok = deliver(&s, seeds[i].node, seeds[i].slot, seeds[i].grad);
    while (ok && s.n) {
        work *w = heap_pop(&s);
        ok = process(&s, w);
        work_free(w);
    }
    while (s.all) work_free(s.all);
    if (s.heap) ct__pool_put(s.heap, s.room * sizeof *s.heap);
    commit(s.harvests, options.create_graph, ok);
    for (int i = 0; !ok && i < n_targets; i++) {
        if (targets[i].grad) ct__release(targets[i].grad);
        targets[i].grad = NULL;
    }
    ct__ad.file = file;
    ct__ad.line = line;
    ct_grad_mode(recording);
    return ok;
}

bool ct__reaches_other_leaves(const ct__seed *seeds, int n_seeds, const ct__target *targets, int n_targets, bool *answer)
{
    sweep s = {.operation = "ct_vjp"};
    work *order;
    const bool ok = discover(&s, seeds, n_seeds, &order);
    *answer = false;
    for (const work *w = ok ? order : NULL; w; w = w->later) {
        bool target = !w->node->collects;
        for (int i = 0; i < n_targets && !target; i++) target = targets[i].node == w->node;
        if (!target) *answer = true;
    }
    while (s.all) work_free(s.all);
    return ok;
}
