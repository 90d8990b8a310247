/*
 * region.h - pointwise nodes that a reverse sweep runs together, block by block, so that gradients between them never travel through
 * memory.
 *
 * While a region is open, a gradient that one of its nodes made is a register of a chain (tensor/chain.h), and waits for the node that it
 * goes to. If that node joins the region, the gradient stays virtual; what still waits when the region is run becomes a tensor.
 *
 * Invariant: no code of the user's runs while a region is open, so what the nodes kept, checked when they joined, is there unchanged
 * when it is read. The bits are those of the nodes run one by one: the same kernels, and sums in the same order.
 */
#ifndef CT_REGION_INTERNAL_H
#define CT_REGION_INTERNAL_H

#include "autograd/work.h"

enum { CT__REGION_LEAST = 16 * 1024 }; /* elements below which a node runs by itself */

typedef struct ct__region ct__region;

/* Is w's node one that may run in a region, with what reached it? `r` NULL: none is open. */
bool ct__region_fits(const ct__region *r, const ct__tour *t, const ct__work *w);
/* An empty region for w's node and its like; `old`, if it is not NULL, was run. NULL with an error. */
ct__region *ct__region_open(ct__region *old, const ct__tour *t, const ct__work *w);
/* Whether nodes have joined since it was opened or run. */
bool ct__region_is_open(const ct__region *r);
/* Is there room for another node? Not where the region would hold much that would be gone by now if its nodes had run. */
bool ct__region_has_room(const ct__region *r);
/* w's node joins: what reached it is taken over. Returns its register. */
int ct__region_join(ct__region *r, ct__work *w);
/* Steps for dx by input i of the node that joined last. Returns the register of dx. */
int ct__region_step(ct__region *r, const ct__node *n, int i, int g);
/* dx goes to an output of w's node, and waits there, added to what waits already. */
void ct__region_reach(ct__region *r, ct__work *w, int slot, int dx);
/* Runs the steps; what waits becomes tensors in the works' g[]. The nodes' kept values are let go unless the graph is retained. False,
 * with an error, where memory is out. The region is empty then in any case. */
bool ct__region_run(ct__region *r, const ct__tour *t);
void ct__region_free(ct__region *r);

/* Is it one number, repeated by strides of 0 (and not one alone)? */
bool ct__is_repeated(const ct_tensor *t);

#endif
