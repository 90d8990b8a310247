/*
 * work.c - walking over a graph: records of work, the queue of them, which nodes lead where, and a node's call rebuilt for its
 * rules.
 */
#include "autograd/work.h"

#include <string.h>

/* ---- the queue: a binary heap, the largest number at its top ---- */

static uint64_t number_of(const ct__work *w) { return w->node->number; }

static bool grow(ct__queue *q)
{
    const size_t room = q->room ? 2 * q->room : 64;
    ct__work **heap = ct__pool_get(room * sizeof *heap);
    if (!heap) return ct__fail_memory("a sweep", room * sizeof *heap);
    if (q->n) memcpy(heap, q->heap, q->n * sizeof *heap);
    if (q->heap) ct__pool_put(q->heap, q->room * sizeof *heap);
    q->heap = heap;
    q->room = room;
    return true;
}

bool ct__queue_push_slow(ct__queue *q, ct__work *w)
{
    if (q->n == q->room && !grow(q)) return false;
    if (number_of(w) > number_of(q->first)) {
        ct__work *first = q->first;
        q->first = w;
        w = first;
    }
    size_t i = q->n++;
    for (; i && number_of(q->heap[(i - 1) / 2]) < number_of(w); i = (i - 1) / 2) q->heap[i] = q->heap[(i - 1) / 2];
    q->heap[i] = w;
    return true;
}

/* The first of the heap. */
ct__work *ct__queue_pop_slow(ct__queue *q)
{
    ct__work *top = q->heap[0], *last = q->heap[--q->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < q->n; i = child) {
        if (child + 1 < q->n && number_of(q->heap[child + 1]) > number_of(q->heap[child])) child++;
        if (number_of(q->heap[child]) <= number_of(last)) break;
        q->heap[i] = q->heap[child];
    }
    q->heap[i] = last;
    return top;
}

void ct__queue_free(ct__queue *q)
{
    if (q->heap) ct__pool_put(q->heap, q->room * sizeof *q->heap);
}

/* ---- records ---- */

static size_t work_size(int n_out) { return sizeof(ct__work) + (size_t)n_out * sizeof(ct_tensor *); }

ct__work *ct__work_new_slow(ct__tour *t, ct__node *n)
{
    ct__work *w = ct__slab_get(work_size(n->n_out));
    if (!w) return ct__fail_memory(t->operation, work_size(n->n_out));
    ct__work_begin(t, n, w, false);
    for (int i = 1; i < n->n_out; i++) w->g[i] = NULL;
    return w;
}

static void put(ct__work *w)
{
    if (CT__UNLIKELY(!w->inside)) ct__slab_put(w, work_size(w->n_out));
}

/* Nodes are released last: with one of them any other may go, and the records in them. */
void ct__tour_end(ct__tour *t)
{
    ct__work *held = NULL;
    for (ct__work *w = t->all, *next; w; w = next) {
        next = w->next;
        ct__work_clear(w);
        w->node->work = w->below;
        if (!w->held) {
            put(w);
            continue;
        }
        w->later = held;
        held = w;
    }
    while (held) {
        ct__work *w = held;
        ct__node *n = w->node;
        held = w->later;
        put(w);
        ct__node_release(n);
    }
    t->all = NULL;
}

/* ---- which nodes lead where ---- */

/* Puts records on the ends, and finds the lowest number among them. */
static bool mark_ends(ct__tour *t, const ct__end *to, int n_to, uint64_t *lowest)
{
    *lowest = UINT64_MAX;
    for (int i = 0; i < n_to; i++) {
        ct__node *n = to[i].node;
        if (!n) continue;
        if (!ct__work_of(t, n) && !ct__work_new(t, n)) return false;
        n->work->end = n->work->needed = true;
        ct__work_hold(n->work);
        if (n->number < *lowest) *lowest = n->number;
    }
    return true;
}

/* Queues a node, once, unless no end can stand behind it. Leaves that are no ends are left alone: other threads may use them
 * too. */
static bool meet(ct__tour *t, ct__queue *q, ct__node *n, uint64_t lowest)
{
    if (n->number < lowest) return true;
    ct__work *w = ct__work_of(t, n);
    if (!w && !n->op) return true;
    if (!w && !(w = ct__work_new(t, n))) return false;
    if (w->queued) return true;
    w->queued = true;
    return ct__queue_push(q, w);
}

/* Everything behind `from` in the order of rising numbers. */
static bool discover(ct__tour *t, const ct__end *from, int n_from, uint64_t lowest, ct__work **order)
{
    ct__queue q = {0};
    bool ok = true;
    *order = NULL;
    for (int i = 0; ok && i < n_from; i++) {
        ok = !from[i].node || meet(t, &q, from[i].node, lowest);
        ct__work *w = ct__work_of(t, from[i].node);
        if (w) ct__work_hold(w);
    }
    while (ok && q.first) {
        ct__work *w = ct__queue_pop(&q);
        w->queued = false;
        w->later = *order;
        *order = w;
#pragma GCC unroll 1
        for (int i = 0; ok && i < w->node->n_in; i++) {
            ct__node *from = w->node->in[i].from;
            ok = !from || meet(t, &q, from, lowest);
        }
    }
    ct__queue_free(&q);
    return ok;
}

bool ct__tour_mark(ct__tour *t, const ct__end *from, int n_from, const ct__end *to, int n_to, ct__work **order)
{
    uint64_t lowest;
    if (!mark_ends(t, to, n_to, &lowest) || !discover(t, from, n_from, lowest, order)) return false;
    for (ct__work *w = *order; w; w = w->later) {
        bool needed = w->needed;
        for (int i = 0; i < w->node->n_in && !needed; i++) {
            const ct__work *x = ct__work_of(t, w->node->in[i].from);
            needed = x && x->needed;
        }
        w->needed = needed;
    }
    return true;
}

/* Is there one leaf that every way from `from` ends at, and is it one of `to`? False also where that is not known. */
static bool leads_to_ends_alone(const ct__end *from, int n_from, const ct__end *to, int n_to)
{
    const ct__node *leaf = n_from > 0 && from[0].node ? from[0].node->only_leaf : NULL;
    for (int i = 1; leaf && i < n_from; i++) {
        if (!from[i].node || from[i].node->only_leaf != leaf) return false;
    }
    for (int i = 0; leaf && i < n_to; i++) {
        if (to[i].node == leaf) return true;
    }
    return false;
}

bool ct__tour_aim(ct__tour *t, const ct__end *from, int n_from, const ct__end *to, int n_to)
{
    uint64_t lowest;
    ct__work *order;
    t->everything = n_to == 0 || leads_to_ends_alone(from, n_from, to, n_to);
    return t->everything ? mark_ends(t, to, n_to, &lowest) : ct__tour_mark(t, from, n_from, to, n_to, &order);
}

/* ---- what a graph holds ---- */

/* Notes a leaf that is no end; puts another node on the list of those to be looked at, once. A recorded node below all ends was
 * recorded because of some other leaf. */
static bool look_at(ct__tour *t, ct__node *n, uint64_t lowest, ct__work **todo, bool *answer)
{
    if (!n || ct__work_of(t, n)) return true;
    if (!n->op || n->number < lowest) {
        *answer = *answer || n->op || n->collects;
        return true;
    }
    ct__work *w = ct__work_new(t, n);
    if (!w) return false;
    w->later = *todo;
    *todo = w;
    return true;
}

bool ct__reaches_other_leaves(const char *operation, const ct__end *from, int n_from, const ct__end *to, int n_to, bool *answer)
{
    ct__tour t = {.operation = operation};
    ct__work *todo = NULL;
    uint64_t lowest;
    *answer = false;
    bool ok = mark_ends(&t, to, n_to, &lowest);
    for (int i = 0; ok && i < n_from; i++) ok = look_at(&t, from[i].node, lowest, &todo, answer);
    while (ok && todo && !*answer) {
        const ct__node *n = todo->node;
        todo = todo->later;
        for (int i = 0; ok && i < n->n_in; i++) ok = look_at(&t, n->in[i].from, lowest, &todo, answer);
    }
    ct__tour_end(&t);
    return ok;
}

bool ct__graph_extent(const char *operation, const ct__end *from, int n_from, const ct__end *to, int n_to, ct__extent *extent)
{
    ct__tour t = {.operation = operation};
    ct__work *order = NULL;
    const bool ok = ct__tour_mark(&t, from, n_from, to, n_to, &order);
    *extent = (ct__extent){0};
    for (const ct__work *w = ok ? order : NULL; w; w = w->later) {
        for (int i = 0; w->needed && i < w->n_out; i++) {
            const ct_shape s = ct__node_shape(w->node, i);
            int64_t count = 1;
            for (int k = 0; k < s.rank; k++) count *= s.dim[k];
            if (s.rank > extent->rank) extent->rank = (int)s.rank;
            if (count > extent->count) extent->count = count;
        }
    }
    ct__tour_end(&t);
    return ok;
}

/* ---- a node's call ---- */

static bool released(const ct__tour *t, const ct__node *n)
{
    return ct__fail(CT_ERROR_GRAPH, t->operation,
                    "%s was swept before, and the values it kept were released then; retain_graph keeps them",
                    ct__node_title(n));
}

bool ct__kept_wrong(const ct__tour *t, const ct__node *n, int i)
{
    static const char *const letters[] = {"first", "second", "third"};
    if (!n->in[i].kept) return released(t, n);
    return ct__fail(CT_ERROR_GRAPH, t->operation,
                    "the %s operand of %s, %s, was changed in place after that; its derivative needs the value of then",
                    i < 3 ? letters[i] : "one", ct__node_title(n), ct__describe(n->in[i].kept));
}

bool ct__kept_outputs(const ct__tour *t, ct__node *n, ct_tensor **out)
{
    const int results = ct__results(n);
    for (int i = 0; i < results; i++) {
        out[i] = NULL;
        if (!ct__kept_output(n, i)) continue;
        out[i] = n->out[i].value;
        if (!out[i]) return released(t, n);
        if (out[i]->storage->version != n->out[i].version)
            return ct__fail(CT_ERROR_GRAPH, t->operation,
                            "the result of %s, %s, was changed in place after that; its derivative needs the value of then",
                            ct__node_title(n), ct__describe(out[i]));
        if ((!t->options.create_graph && !n->tangents) || i >= n->n_out) continue;
        out[i] = ct__tensor_bare(out[i]);
        if (!out[i]) return false;
        ct__node_attach(out[i], ct__node_retain(n), i);
        out[i]->needs_grad = ct__is_float((ct_dtype)out[i]->dtype);
    }
    return true;
}
