/*
 * work.h - what the two sweeps share: a record of work on every node they meet, the queue by number, and the call as rules see
 * it.
 *
 * Records are stacked on the node, so that a sweep inside a rule or hook can meet the same node. A node's number is larger than
 * those of its inputs: nodes numbered below all that are looked for lead to none of them, and the history behind these is never
 * walked. Nor are leaves touched that nobody looks for: parameters that threads share.
 *
 * Invariant: whatever happens, every record is taken off its node and freed by ct__tour_end.
 */
#ifndef CT_WORK_INTERNAL_H
#define CT_WORK_INTERNAL_H

#include "autograd/sweep.h"

typedef struct ct__work ct__work;

/* One sweep's walk over a graph. */
typedef struct ct__tour {
    const char *operation;
    ct_grad_options options;
    bool everything; /* all nodes are wanted, not only those that lead to certain others */
    ct__work *all;
} ct__tour;

struct ct__work {
    ct__work *below;      /* of a sweep further out */
    ct__work *next, **at; /* the list of all records of the tour */
    const ct__tour *owner;
    ct__node *node; /* held */
    ct__work *later; /* in the order of rising numbers */
    int32_t n_out;
    int32_t uses; /* forward: the nodes that have still to read it */
    bool end;     /* one of the nodes that are looked for */
    bool needed;  /* leads to one, or is one */
    bool queued;
    ct_tensor *g[]; /* of each output: its gradient, or its tangent; NULL: zero */
};

/* Work by falling number. */
typedef struct ct__queue {
    ct__work **heap;
    size_t n, room;
} ct__queue;

bool ct__queue_push(ct__queue *q, ct__work *w);
ct__work *ct__queue_pop(ct__queue *q);
void ct__queue_free(ct__queue *q);

ct__work *ct__work_new(ct__tour *t, ct__node *n);
void ct__work_free(ct__work *w);
void ct__tour_end(ct__tour *t);
/* The tour's record at a node; NULL where it has none. */
static inline ct__work *ct__work_of(const ct__tour *t, const ct__node *n)
{
    return n && n->work && n->work->owner == t ? n->work : NULL;
}

/* Gives every node behind `from` that may lead to one of `to` a record and marks those that do. `*order`: all records by rising
 * number, linked by `later`. */
bool ct__tour_mark(ct__tour *t, const ct__end *from, int n_from, const ct__end *to, int n_to, ct__work **order);

/* The call of a node as its rules see it, from what the node kept; false, with an error, where that was released or changed in
 * place. Kept outputs get their graph slot back where the rules are themselves differentiated. Room: in[n_in], out[n_out]. */
bool ct__rebuild_call(const ct__tour *t, ct__node *n, ct_call *c, ct_tensor **in, ct_tensor **out);

#endif
