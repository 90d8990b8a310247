/*
 * apply.h - how every operation runs: compute, record, push tangents. Inline, so that a family of small operations can have it with its own
 * forward built in; all others come by ct__apply and ct__apply_all.
 */
#ifndef CT_APPLY_INTERNAL_H
#define CT_APPLY_INTERNAL_H

#include "autograd/captured.h"
#include "autograd/record.h"

/* What is asked of few calls, after they have computed: a search for NaN, tangents, a tracer. */
bool ct__apply_watched(ct_call *c, bool record, size_t params);
/* Lets go the results that were made. Returns false. */
CT__COLD bool ct__apply_failed(ct_tensor **out, int n);
/* Records a call that has computed its only result z, and returns that; NULL with an error. */
ct_tensor *ct__apply_recorded(const ct_op *op, ct_tensor *const *in, int n_in, const void *params, ct_tensor *z);

/* All but what the computation adds: dtype and shapes of the results. */
static inline __attribute__((always_inline)) void ct__call_begin(ct_call *c, const ct_op *op, ct_tensor *const *in, int n_in,
                                                                 const void *params, ct_tensor **out, int n_out)
{
    c->op = op;
    c->in = in;
    c->n_in = n_in;
    c->out = out;
    c->n_out = n_out;
    c->params = params;
    c->index = 0;
    c->in_shapes = c->out_shapes = NULL;
}

/* Is a call to be recorded whose results are floats? */
static inline __attribute__((always_inline)) bool ct__to_be_recorded(ct_tensor *const *in, int n_in)
{
    if (ct__ad.grad_off) return false;
    for (int i = 0; i < n_in; i++) {
        if (ct__needs(in[i])) return true;
    }
    return false;
}

/* Is something to be done with each result that few programs ask for? (One branch.) */
static inline __attribute__((always_inline)) bool ct__results_are_watched(void)
{
    return ct__ad.active | ct__ad.watching | ct__ad.tracing;
}

/* What follows the computation. */
static inline __attribute__((always_inline)) bool ct__apply_rest(ct_call *c, bool record, size_t params)
{
    if (CT__UNLIKELY(ct__results_are_watched())) return ct__apply_watched(c, record, params);
    return !record || ct__node_record(c, params);
}

/* Keeps input i of a new node where its operation wants that, and leads to where it came from where that matters. */
static inline __attribute__((always_inline)) void ct__take(ct__node *n, ct__behind *b, int i, ct_tensor *x, bool needed)
{
    ct__node_take_input(n, i, x, (n->op->keeps & (unsigned)KEEP_X << i) != 0);
    if (needed) ct__node_take_edge(n, b, i, x);
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
    ct__take(n, &b, 0, x, x_needed);
    if (n_in > 1) ct__take(n, &b, 1, y, y_needed);
    ct__node_inputs_end(n, &b);
    ct__node_attach(z, n, 0);
    z->needs_grad = z->own.tracked = true;
    if (CT__LIKELY(ct__node_end(n, &(ct_tensor *){z}, 1))) return z;
    return ct__apply_failed(&(ct_tensor *){z}, 1), NULL;
}

#endif
