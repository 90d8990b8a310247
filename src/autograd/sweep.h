/*
 * sweep.h - sweeps over a recorded graph in both directions, as backward, grad and the transforms use them.
 */
#ifndef CT_SWEEP_INTERNAL_H
#define CT_SWEEP_INTERNAL_H

#include "autograd/graph.h"

/* An output of a node: where a sweep starts with a gradient or tangent, or where one is wanted. */
typedef struct ct__end {
    ct__node *node; /* NULL: not connected */
    int slot;
    ct_tensor *grad; /* given at the start, NULL: zero. Written at the end: owned by the caller, NULL: zero */
} ct__end;
typedef ct__end ct__seed, ct__target;

/* The end that a tensor is. */
static inline ct__end ct__end_of(const ct_tensor *t, ct_tensor *grad)
{
    return (ct__end){.node = ct__needs(t) ? ct__node_of(t) : NULL, .slot = t->slot, .grad = grad};
}

/* Sweeps from the seeds back. With targets, only ways to them are taken and their gradients are written; without, every leaf that
 * is reached collects its own, after the sweep has succeeded as a whole. A cotangent may be a stack: the same extra leading axes
 * on all of them. */
bool ct__sweep(const char *operation, const ct__seed *seeds, int n_seeds, ct__target *targets, int n_targets,
               ct_grad_options options);

/* The same graph the other way: pushes tangents from the ends `inputs` to the ends `outputs`, through the JVP rules of what
 * stands between, by rising number. Tangents may be stacks likewise. */
bool ct__push_sweep(const char *operation, const ct__seed *inputs, int n_inputs, ct__target *outputs, int n_outputs,
                    ct_grad_options options);

/* Does any leaf that collects, and is none of `to`, stand behind `from`? The ends `to` are not walked past. */
bool ct__reaches_other_leaves(const char *operation, const ct__end *from, int n_from, const ct__end *to, int n_to, bool *answer);

/* The size of what stands between: the most axes and the most elements of any value, the ends included. */
typedef struct ct__extent {
    int rank;
    int64_t count;
} ct__extent;
bool ct__graph_extent(const char *operation, const ct__end *from, int n_from, const ct__end *to, int n_to, ct__extent *extent);

/* grad += g, in place where nobody else sees it. `grad` may be NULL. Takes over the reference of grad, not of g; returns an owned
 * reference, NULL on failure (grad is then released). */
ct_tensor *ct__grad_sum(ct_tensor *grad, ct_tensor *g, bool in_place);

#endif
