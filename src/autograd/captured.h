/*
 * captured.h - the actions of a captured step that know of operations and leaves (capture.c). All of them want a script to be written:
 * ct__self.script is not NULL.
 */
#ifndef CT_CAPTURED_INTERNAL_H
#define CT_CAPTURED_INTERNAL_H

#include "autograd/graph.h"
#include "tensor/chain.h"
#include "tensor/script.h"

/* c->op->forward(c), which is noted. */
CT__COLD bool ct__capture_forward(const ct_call *c);
/* c->op->fused(...) likewise. */
CT__COLD bool ct__capture_fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx);
/* ct__chain_run likewise. */
CT__COLD void ct__capture_chain(const ct__chain *chain, ct_dtype dtype, int64_t count);
/* Gives a leaf the gradient g (NULL: zeros where it has none), as the end of a sweep does. */
CT__COLD bool ct__capture_collect(ct__node *leaf, ct_tensor *g);
/* Notes that the leaf's gradient is dropped, or spent. */
CT__COLD void ct__capture_grad_change(ct__node *leaf, bool spent);

#endif
