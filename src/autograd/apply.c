/*
 * apply.c - how an operation of any shape and number of outputs runs, and what rules use.
 */
#include "autograd/apply.h"

#include "autograd/captured.h"

const char *ct__op_title(const ct_op *op)
{
    char *to = ct__message_room();
    snprintf(to, CT__TEXT, "%s%s", op->custom ? "" : "ct_", op->name);
    return to;
}

/* All but what the computation adds: dtype and shapes of the results. */
static inline void call_begin(ct_call *c, const ct_op *op, ct_tensor *const *in, int n_in, const void *params, ct_tensor **out, int n_out)
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
static inline bool to_be_recorded(ct_tensor *const *in, int n_in)
{
    if (ct__ad.grad_off) return false;
    for (int i = 0; i < n_in; i++) {
        if (ct__needs(in[i])) return true;
    }
    return false;
}

/* Makes the results, and fills them. */
static bool compute(ct_call *c)
{
    if (c->op->view) return c->op->view(c);
    if (!c->op->shape(c)) return false;
    for (int i = 0; i < c->n_out; i++) {
        c->out[i] = ct__tensor_new(c->op->name, c->dtypes[i], (int)c->shape[i].rank, c->shape[i].dim);
        if (CT__UNLIKELY(!c->out[i])) return ct__rename_error(c->op->name, ct__op_title(c->op));
    }
    c->dtype = c->dtypes[0];
    return CT__LIKELY(!ct__self.script) ? c->op->forward(c) : ct__capture_forward(c);
}

static bool any_float(const ct_call *c)
{
    bool any = false;
    for (int i = 0; i < c->n_out; i++) any = any || ct__is_float(c->out[i]->dtype);
    return any;
}

/* What follows the computation where results are watched. */
static CT__APART bool watched(ct_call *c, bool record, size_t params)
{
    bool ok = !ct__ad.watching || ct__watch_call(c);
    if (ok && record) ok = ct__node_record(c, params);
    if (ok && ct__ad.active) ok = ct__push_tangents(c);
    if (ok && ct__ad.tracing) ct__trace_call(c);
    return ok;
}

bool ct__apply_failed(ct_tensor **out, int n)
{
    for (int i = 0; i < n; i++) {
        ct_free(out[i]);
        out[i] = NULL;
    }
    return false;
}

ct_tensor *ct__apply_recorded(const ct_op *op, ct_tensor *const *in, int n_in, const void *params, ct_tensor *z)
{
    ct_call c;
    call_begin(&c, op, in, n_in, params, &z, 1);
    c.dtype = (ct_dtype)z->dtype;
    return CT__LIKELY(ct__node_record(&c, params ? op->params : 0)) || ct__apply_failed(&z, 1) ? z : NULL;
}

bool ct__apply_all(const ct_op *op, ct_tensor *const *in, int n_in, const void *params, ct_tensor **out)
{
    ct_call c;
    call_begin(&c, op, in, n_in, params, out, op->outputs ? op->outputs : 1);
    for (int i = 0; i < c.n_out; i++) out[i] = NULL;
    ct__self.count.operations++;
    if (CT__UNLIKELY(!compute(&c))) return ct__apply_failed(out, c.n_out);
    c.dtype = out[0]->dtype;
    const bool is_float = ct__is_float(c.dtype) || (c.n_out > 1 && any_float(&c));
    const bool record = is_float && to_be_recorded(in, n_in);
    const size_t size = params ? op->params : 0;
    const bool ok = CT__UNLIKELY(ct__results_are_watched()) ? watched(&c, record, size) : !record || ct__node_record(&c, size);
    return CT__LIKELY(ok) || ct__apply_failed(out, c.n_out);
}

ct_tensor *ct__apply(const ct_op *op, ct_tensor *const *in, int n_in, const void *params)
{
    ct_tensor *out[CT__MAX_OUTPUTS];
    return ct__apply_all(op, in, n_in, params, out) ? out[0] : NULL;
}

bool ct__shape_of_x(ct_call *c)
{
    c->shape[0] = ct__shape(c->in[0]);
    c->dtypes[0] = c->in[0]->dtype;
    return true;
}

/* ---- what rules use ---- */

/* Marks, compared by address: the engine does not call them. Each returns something of its own, so that a linker that folds
 * equal functions leaves them apart. */
ct_tensor *ct__vjp_zero(const ct_call *c, ct_tensor *const *g) { return c->n_in == 0 ? NULL : g[0]; }
ct_tensor *ct__vjp_none(const ct_call *c, ct_tensor *const *g) { return c->n_in == 1 ? NULL : g[0]; }
ct_tensor *ct__jvp_zero(const ct_call *c, ct_tensor *dx) { return c->n_in == 0 ? NULL : dx; }
ct_tensor *ct__jvp_none(const ct_call *c, ct_tensor *dx) { return c->n_in == 1 ? NULL : dx; }

ct_tensor *ct__vjp_all_marker(const ct_call *c, ct_tensor *const *g) { return c->n_in == 2 ? NULL : g[0]; }

ct_tensor *ct__vjp_same(const ct_call *c, ct_tensor *const *g) { return (void)c, g[0]; }
ct_tensor *ct__jvp_same(const ct_call *c, ct_tensor *dx) { return (void)c, ct_alias(dx); }

ct_shape ct__in_shape(const ct_call *c, int i) { return c->in[i] ? ct__shape(c->in[i]) : c->in_shapes[i]; }

ct_shape ct__batched(const ct_tensor *g, int own_rank, ct_shape own)
{
    ct_shape s;
    const int lead = g->rank > own_rank ? g->rank - own_rank : 0;
    s.rank = lead + own.rank;
    for (int i = 0; i < lead && i < CT_MAX_RANK; i++) s.dim[i] = g->dim[i];
    for (int i = 0; i < own.rank && lead + i < CT_MAX_RANK; i++) s.dim[lead + i] = own.dim[i];
    return s;
}

ct_tensor *ct__number(const ct_call *c, double value)
{
    ct_tensor *t = ct__tensor_new("a constant", c->dtype, 0, NULL);
    if (t) ct__store(t->data, c->dtype, value);
    return t;
}

/* ---- handles ---- */

ct_tensor *ct_alias(ct_tensor *x)
{
    if (!ct__check("ct_alias", "x", x)) return NULL;
    ct_tensor *y = ct__tensor_bare(x);
    if (!y || !x->graph) return y;
    ct__node_attach(y, ct__node_retain(ct__node_of(x)), x->slot);
    y->needs_grad = x->needs_grad;
    return y;
}

/* y = x,  dy = dx. */
static bool identity_view(ct_call *c)
{
    c->out[0] = ct__tensor_bare(c->in[0]);
    return c->out[0] != NULL;
}
static const ct_op identity = {
    .name = "identity", .inputs = 1, .view = identity_view, .vjp = {ct__vjp_same}, .linear = true, .doc = "x",
};
ct_tensor *ct__identity(ct_tensor *x) { return ct__apply1(&identity, x, NULL); }

/* ---- recording on and off ---- */

bool ct_grad_mode(bool on)
{
    const bool before = !ct__ad.grad_off;
    ct__ad.grad_off = !on;
    return before;
}

void ct_grad_mode_cleanup(const bool *before) { ct__ad.grad_off = !*before; }
