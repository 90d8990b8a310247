/*
 * apply.h - how every operation runs: compute, record, push tangents. Inline, so that a family of small operations can have it with its own
 * forward built in; all others come by ct__apply and ct__apply_all.
 */
#ifndef CT_APPLY_INTERNAL_H
#define CT_APPLY_INTERNAL_H

#include "autograd/captured.h"

/* What is asked of few calls, after they have computed: a search for NaN, tangents, a tracer. */
bool ct__apply_watched(ct_call *c, bool record, size_t params);
/* Lets go the results that were made. Returns false. */
CT__COLD bool ct__apply_failed(ct_tensor **out, int n);

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

/* What follows the computation. */
static inline __attribute__((always_inline)) bool ct__apply_rest(ct_call *c, bool record, size_t params)
{
    if (CT__UNLIKELY(ct__ad.watching || ct__ad.active || ct__ad.tracing)) return ct__apply_watched(c, record, params);
    return !record || ct__node_record(c, params);
}

/* Applies an operation whose only result is like in[0], and is computed by `forward`, which is op->forward. */
static inline __attribute__((always_inline)) ct_tensor *ct__apply_like_x(const ct_op *op, bool (*forward)(const ct_call *c),
                                                                         ct_tensor *const *in, int n_in, const void *params)
{
    const ct_tensor *x = in[0];
    const ct_dtype dtype = (ct_dtype)x->dtype;
    ct_tensor *out[1];
    ct_call c;
    ct__self.count.operations++;
    ct_tensor *z = out[0] = ct__tensor_new(op->name, dtype, x->rank, x->dim);
    if (CT__UNLIKELY(!z)) return ct__rename_error(op->name, ct__op_title(op)), NULL;
    ct__call_begin(&c, op, in, n_in, params, out, 1);
    c.dtype = dtype;
    bool ok = CT__LIKELY(!ct__self.script) ? forward(&c) : ct__capture_forward(&c);
    ok = CT__LIKELY(ok) && ct__apply_rest(&c, ct__is_float(dtype) && ct__to_be_recorded(in, n_in), params ? op->params : 0);
    return CT__LIKELY(ok) || ct__apply_failed(out, 1) ? z : NULL;
}

#endif
