/*
 * work.h - what the two sweeps share: a record of work on every node they meet, the queue by number, and the call as rules see
 * it.
 *
 * Records are stacked on the node, so that a sweep inside a rule or hook can meet the same node. A record stays there until the tour is done
 * with the node, or ends; the nodes stay until it ends, for the tour holds those it started from, and these hold all others. A node's number
 * is larger than those of its inputs: nodes numbered below all that are looked for lead to none of them, and the history behind these is
 * never walked. Nor are leaves touched that nobody looks for: parameters that threads share.
 *
 * Invariant: whatever happens, every record is taken off its node by ct__work_done or, the rest, by ct__tour_end.
 */
#ifndef CT_WORK_INTERNAL_H
#define CT_WORK_INTERNAL_H

#include "autograd/sweep.h"

/* One sweep's walk over a graph. */
typedef struct ct__tour {
    const char *operation;
    ct_grad_options options;
    bool everything; /* all nodes are wanted, not only those marked because they lead to certain others */
    ct__work *all;
} ct__tour;

/* Work by falling number: the first of all, and the others in a heap. In a chain the heap stays empty. */
typedef struct ct__queue {
    ct__work *first;
    ct__work **heap;
    size_t n, room;
} ct__queue;

bool ct__queue_push_slow(ct__queue *q, ct__work *w);
ct__work *ct__queue_pop_slow(ct__queue *q);
static inline bool ct__queue_push(ct__queue *q, ct__work *w)
{
    if (CT__UNLIKELY(q->first != NULL)) return ct__queue_push_slow(q, w);
    q->first = w;
    return true;
}
static inline ct__work *ct__queue_pop(ct__queue *q)
{
    ct__work *w = q->first;
    q->first = q->n ? ct__queue_pop_slow(q) : NULL;
    return w;
}
void ct__queue_free(ct__queue *q);

/* Puts a record on a node, which must outlive the tour: by ct__work_hold, or because another node of the tour leads to it. */
static inline __attribute__((always_inline)) void ct__work_begin(ct__tour *t, ct__node *n, ct__work *w, bool inside)
{
    w->n_out = n->n_out;
    w->uses = 0;
    w->end = w->queued = w->held = w->awaited = false;
    w->needed = t->everything;
    w->inside = inside;
    w->waits = 0;
    w->below = n->work;
    w->next = t->all;
    w->owner = t;
    w->node = n;
    w->g[0] = NULL;
    t->all = w;
    n->work = w;
}
ct__work *ct__work_new_slow(ct__tour *t, ct__node *n); /* beside the node, which has no room of its own or has lent it */
static inline ct__work *ct__work_new(ct__tour *t, ct__node *n)
{
    if (CT__UNLIKELY(n->n_out != 1) || CT__UNLIKELY(n->work != NULL)) return ct__work_new_slow(t, n);
    ct__work *w = (ct__work *)(void *)n->room;
    ct__work_begin(t, n, w, true);
    return w;
}
/* Hooks and rules are the user's code, which may free what it can reach: the ends of a tour are held. */
static inline void ct__work_hold(ct__work *w)
{
    if (!w->held) ct__node_retain(w->node);
    w->held = true;
}
/* Lets go what reached the node. */
static inline void ct__work_clear(ct__work *w)
{
    ct_tensor *g = w->g[0];
    w->g[0] = NULL;
    if (g) ct__release(g);
    for (int i = 1; CT__UNLIKELY(i < w->n_out); i++) {
        if (w->g[i]) ct__release(w->g[i]);
        w->g[i] = NULL;
    }
}
/* Nothing will come to the node any more, nor ask for it: its record goes at once where that takes no search. In a chain it does so for
 * each, and the end of the tour need not come back to all of them, when they have left the first-level cache. */
static inline void ct__work_done(ct__tour *t, ct__work *w)
{
    ct__work **at = t->all == w ? &t->all : &t->all->next;
    if (*at != w || !w->inside || w->held) return;
    *at = w->next;
    w->node->work = w->below;
}
void ct__tour_end(ct__tour *t);
/* The tour's record at a node; NULL where it has none. */
static inline ct__work *ct__work_of(const ct__tour *t, const ct__node *n)
{
    return n && n->work && n->work->owner == t ? n->work : NULL;
}

/* Gives every node behind `from` that may lead to one of `to` a record and marks those that do. `*order`: all records by rising
 * number, linked by `later`. */
bool ct__tour_mark(ct__tour *t, const ct__end *from, int n_from, const ct__end *to, int n_to, ct__work **order);
/* The same for a tour that takes its own order: where it is known that every way ends at one of `to`, or there are none of these, that is
 * `everything`, and nothing is marked but the ends. */
bool ct__tour_aim(ct__tour *t, const ct__end *from, int n_from, const ct__end *to, int n_to);

/* The error for input i of a node, which was kept, and was let go or changed since. Returns false. */
bool ct__kept_wrong(const ct__tour *t, const ct__node *n, int i);
bool ct__kept_outputs(const ct__tour *t, ct__node *n, ct_tensor **out);
/* The call of a node as its rules see it, from what the node kept; false, with an error, where that was released or changed in
 * place. Kept outputs get their graph slot back where the rules are themselves differentiated. Room: in[n_in], out[n_out]. */
static inline bool ct__rebuild_call(const ct__tour *t, ct__node *n, ct_call *c, ct_tensor **in, ct_tensor **out)
{
    if (!ct__node_restore(n)) return false;
    const ct__input *x = n->in;
#pragma GCC unroll 1
    for (int i = 0; i < n->n_in; i++, x++) {
        in[i] = x->kept;
        if (!x->was_kept) continue;
        if (CT__UNLIKELY(!x->kept) || CT__UNLIKELY(x->kept->storage->version != x->version)) return ct__kept_wrong(t, n, i);
    }
    c->op = n->op;
    c->in = in;
    c->n_in = n->n_in;
    c->out = out;
    c->n_out = ct__results(n);
    c->params = n->params;
    c->index = 0;
    c->over = false;
    c->last = !t->options.retain_graph;
    c->dtype = n->dtype;
    c->in_shapes = ct__node_in_shapes(n);
    c->out_shapes = ct__node_out_shapes(n);
    out[0] = NULL;
    return (CT__LIKELY(n->n_out == 1) && CT__LIKELY(!n->out)) || ct__kept_outputs(t, n, out);
}

#endif
