/*
 * push.h - one call's tangents, as forward mode by levels and the forward sweep use them.
 */
#ifndef CT_PUSH_INTERNAL_H
#define CT_PUSH_INTERNAL_H

#include "autograd/graph.h"

/* dy[k] of each output from dx[i] of each input, by the call's JVP; NULL is zero in both. Tangents may be stacks: the same extra
 * leading axes on all of them. The results belong to the innermost scope. c->in and c->out may hold only what a node keeps. */
bool ct__push_call(ct_call *c, ct_tensor *const *dx, ct_tensor **dy);

/* Arrays of tensors, one for each operand: the caller's few, or from the pool. NULL with an error. */
enum { CT__FEW = 8 };
static inline ct_tensor **ct__operands_get(const char *operation, ct_tensor **few, int n)
{
    if (CT__LIKELY(n <= CT__FEW)) return few;
    ct_tensor **room = ct__pool_get((size_t)n * sizeof *room);
    return room ? room : ct__fail_memory(operation, (size_t)n * sizeof *room);
}
static inline ct_tensor **ct__operands_of(const ct_op *op, ct_tensor **few, int n)
{
    return CT__LIKELY(n <= CT__FEW) ? few : ct__operands_get(ct__op_title(op), few, n);
}
static inline void ct__operands_put(ct_tensor **room, ct_tensor **few, int n)
{
    if (room && room != few) ct__pool_put(room, (size_t)n * sizeof *room);
}

#endif
