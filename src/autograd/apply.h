/*
 * apply.h - how an operation whose result is like its first operand runs, with computation and recording built in. All others, and all while
 * calls are watched, come by ct__apply and ct__apply_all (apply.c).
 */
#ifndef CT_APPLY_INTERNAL_H
#define CT_APPLY_INTERNAL_H

#include "autograd/record.h"

/* Lets go the results that were made. Returns false. */
CT__COLD bool ct__apply_failed(ct_tensor **out, int n);
/* Records a call that has computed its only result z, and returns that; NULL with an error. */
ct_tensor *ct__apply_recorded(const ct_op *op, ct_tensor *const *in, int n_in, const void *params, ct_tensor *z);

/* Is something to be done with each result that few programs ask for? (One branch.) */
static inline __attribute__((always_inline)) bool ct__results_are_watched(void)
{
    return ct__ad.active | ct__ad.watching | ct__ad.tracing;
}

/* Keeps input i of a new node where its operation wants that, and leads to where it came from where that matters. */
static inline __attribute__((always_inline)) void ct__take(const ct_op *op, ct__node *n, ct__behind *b, int i, ct_tensor *x, bool needed)
{
    _Static_assert(KEEP_X == 1, "the first bits are those of inputs");
    ct__node_take_input(n, i, x, op->keeps >> i & 1);
    if (needed) ct__node_take_edge(n, b, i, x);
    else n->in[i].from = NULL;
}

/* Applies an operation of x, or of x and y, whose only result is like x, and which has rules for both. `compute` does what op->forward
 * does, and cannot fail. */
typedef void ct__compute(const ct_op *op, ct_tensor *z, ct_tensor *x, ct_tensor *y, int n_in, const void *params);
static inline __attribute__((always_inline)) ct_tensor *ct__apply_like_x(const ct_op *op, ct__compute *compute, ct_tensor *x, ct_tensor *y,
                                                                         int n_in, const void *params)
{
    if (CT__UNLIKELY(ct__self.script != NULL) || CT__UNLIKELY(ct__results_are_watched()))
        return ct__apply(op, (ct_tensor *[]){x, y}, n_in, params);
    ct__self.count.operations++;
    const ct_dtype dtype = (ct_dtype)x->dtype;
    ct_tensor *z = x->rank ? ct__tensor_new(op->name, dtype, x->rank, x->dim) : ct__tensor_one(op->name, dtype);
    if (CT__UNLIKELY(!z)) return ct__rename_error(op->name, ct__op_title(op)), NULL;
    compute(op, z, x, y, n_in, params);
    if (ct__ad.grad_off || CT__UNLIKELY(!ct__is_float(dtype))) return z;
    const bool x_needed = ct__needs(x), y_needed = n_in > 1 && ct__needs(y);
    if (!x_needed && !y_needed) return z;
    if (CT__UNLIKELY(op->keeps & KEEP_SHAPES) || CT__UNLIKELY(!ct__node_fits(z)))
        return ct__apply_recorded(op, (ct_tensor *[]){x, y}, n_in, params, z);
    ct__node *n = ct__node_plain(op, n_in, 0, params, params ? op->params : 0);
    if (CT__UNLIKELY(!n)) return ct__apply_failed(&(ct_tensor *){z}, 1), NULL;
    ct__node_note_result(n, x); /* z is like it, and x was written longer ago */
    ct__behind b = ct__node_inputs_begin(n);
    ct__take(op, n, &b, 0, x, x_needed);
    if (n_in > 1) ct__take(op, n, &b, 1, y, y_needed);
    ct__node_inputs_end(n, &b);
    ct__node_attach(z, n, 0);
    z->needs_grad = z->own.tracked = true;
    if (CT__LIKELY(ct__node_end(n, &(ct_tensor *){z}, 1))) return z;
    return ct__apply_failed(&(ct_tensor *){z}, 1), NULL;
}

#endif
