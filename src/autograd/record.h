/*
 * record.h - how a call becomes a node: its record laid out, edges to where its operands came from, its result attached. Inline, so that
 * families of small operations have it built in, with what they know of their calls; all others come by ct__node_record.
 *
 * Invariant: a record counts as a node from ct__node_new on, and has all its parts set before a result's graph slot names it.
 */
#ifndef CT_RECORD_INTERNAL_H
#define CT_RECORD_INTERNAL_H

#include "autograd/graph.h"

#include <string.h>

/* A record whose other parts the caller sets: op, and what is known of the output. NULL with an error. */
static inline __attribute__((always_inline)) ct__node *ct__node_new(size_t size, int n_in, int n_out)
{
    _Static_assert(offsetof(ct__node, work) % 16 == 0, "what is cleared begins at a round address");
    ct__node *n = size <= CT__SLAB_MAX ? ct__slab_get(size) : ct__pool_get(size);
    if (CT__UNLIKELY(!n)) return ct__fail_memory("the graph", size);
    ct__slab_clear(&n->work, offsetof(ct__node, room) - offsetof(ct__node, work));
    n->refs = 1;
    n->shared = n->used = n->collects = n->spent = false;
    n->n_in = n_in;
    n->n_out = (uint8_t)n_out;
    n->kept_outputs = 0;
    n->in_shapes = n->out_shapes = false;
    n->size = (uint32_t)size;
    n->file = NULL;
    n->line = 0;
    const ct__node *at = ct__ad.at;
    if (CT__UNLIKELY(at != NULL)) n->file = at->file, n->line = at->line;
    ct__ad.unplaced += !n->file;
    ct__self.live.nodes++;
    ct__self.count.nodes++;
    return n;
}

/* The record of most operations: one output whose shape fits the struct, beside `aside` for the rules alone, no shapes of inputs. */
static inline __attribute__((always_inline)) ct__node *ct__node_plain(const ct_op *op, int n_in, int aside, const void *params,
                                                                      size_t params_size)
{
    const size_t in = (size_t)n_in * sizeof(ct__input), kept = op->keeps & KEEP_Z ? (size_t)(1 + aside) * sizeof(ct__kept) : 0;
    ct__node *n = ct__node_new(sizeof(ct__node) + in + kept + (params_size + 7) / 8 * 8, n_in, 1);
    if (CT__UNLIKELY(!n)) return NULL;
    char *at = (char *)n->in + in;
    n->op = op;
    if (kept) n->out = (ct__kept *)(void *)at;
    if (params_size) n->params = memcpy(at + kept, params, params_size);
    return n;
}

/* Does the shape of a single output fit the struct? (One without elements might not: its other lengths may be anything.) */
static inline bool ct__node_fits(const ct_tensor *y)
{
    return CT__LIKELY(y->rank <= CT__NODE_DIMS) && CT__LIKELY((uint64_t)y->count - 1 < INT32_MAX);
}

/* What the inputs that lead on have brought so far. */
typedef struct ct__behind {
    uint64_t last;  /* the largest number among their nodes */
    ct__node *leaf; /* as .only_leaf; the new node itself: there was none */
} ct__behind;

static inline ct__behind ct__node_inputs_begin(ct__node *n) { return (ct__behind){.last = 0, .leaf = n}; }

/* Input i, of which the caller sets where it came from; kept where `kept` says so. */
static inline __attribute__((always_inline)) void ct__node_take_input(ct__node *n, int i, ct_tensor *x, bool kept)
{
    ct__input *in = &n->in[i];
    in->slot = x->slot;
    if (kept) {
        in->kept = ct__retain(x);
        in->version = x->storage->version;
        in->was_kept = true;
    } else {
        in->kept = NULL;
        in->was_kept = false;
    }
}

/* An edge to where input i, which needs a gradient, came from. */
static inline __attribute__((always_inline)) void ct__node_take_edge(ct__node *n, ct__behind *b, int i, const ct_tensor *x)
{
    ct__node *from = n->in[i].from = ct__node_retain(ct__node_of(x));
    if (from->number > b->last) b->last = from->number;
    b->leaf = b->leaf == n || b->leaf == from->only_leaf ? from->only_leaf : NULL;
}

static inline void ct__node_inputs_end(ct__node *n, const ct__behind *b)
{
    n->number = b->last + 1;
    n->only_leaf = b->leaf;
}

/* What those who look at the graph want to know of a result, or of a tensor like it. */
static inline void ct__node_note_result(ct__node *n, const ct_tensor *y)
{
    n->kind = y->kind;
    for (int i = 0; i < y->rank && i < CT__NODE_DIMS; i++) n->dim[i] = (int32_t)y->dim[i];
}

/* Keeps those of the results that the operation asks for. False where memory is out, with an error. */
bool ct__node_keep_outputs(ct__node *n, ct_tensor *const *out, int n_out);

/* The last step, once a result holds the node. */
static inline bool ct__node_end(ct__node *n, ct_tensor *const *out, int n_out)
{
    if (n->out && CT__UNLIKELY(!ct__node_keep_outputs(n, out, n_out))) return false;
    return CT__LIKELY(!ct__ad.segment) || ct__segment_join(n);
}

#endif
