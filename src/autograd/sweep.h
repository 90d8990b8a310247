/*
 * sweep.h - the reverse sweep, as backward, grad and the transforms use it.
 */
#ifndef CT_SWEEP_INTERNAL_H
#define CT_SWEEP_INTERNAL_H

#include "autograd/graph.h"

/* Where a gradient is wanted. */
typedef struct ct__target {
    ct__node *node; /* NULL: not connected */
    int slot;
    ct_tensor *grad; /* written: owned by the caller; NULL: zero */
} ct__target;

typedef struct ct__seed {
    ct__node *node;
    int slot;
    ct_tensor *grad;
} ct__seed;

/* Sweeps from the seeds back. With targets, only ways to them are taken and their gradients are written; without, every leaf that
 * is reached collects its own, after the sweep has succeeded as a whole. */
bool ct__sweep(const char *operation, const ct__seed *seeds, int n_seeds, ct__target *targets, int n_targets, ct_grad_options options);

/* Does any leaf that collects, other than the targets, stand behind the seeds? */
bool ct__reaches_other_leaves(const ct__seed *seeds, int n_seeds, const ct__target *targets, int n_targets, bool *answer);

/* grad += g, in place where nobody else sees it. `grad` may be NULL. Takes over the reference of grad, not of g; returns an owned
 * reference, NULL on failure (grad is then released). */
ct_tensor *ct__grad_sum(ct_tensor *grad, ct_tensor *g, bool in_place);

#endif
