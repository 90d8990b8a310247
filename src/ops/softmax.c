/*
 * softmax.c - softmax and log_softmax along an axis.
 *
 * Kernels work on contiguous rows (tensor/row_kernel.h); another axis than the last is moved to the end in a copy and back.
 */
#include "ops/axes.h"
#include "ops/reduce.h"

typedef struct axis_params {
    int64_t axis; /* from the end: -1 is the last */
} axis_params;

static unsigned axis_mask(const ct_call *c, const ct_tensor *t)
{
    const axis_params *p = c->params;
    return 1u << (t->rank + p->axis);
}

static ct_tensor *sum_along(const ct_call *c, ct_tensor *t)
{
    const axis_params *p = c->params;
    return ct_sum(t, ct_axes(p->axis), true);
}

static bool same_shape(ct_call *c)
{
    c->shape[0] = ct__shape(c->in[0]);
    c->dtypes[0] = (ct_dtype)c->in[0]->dtype;
    return true;
}

static bool forward(const char *title, const ct_call *c, ct__row_function function)
{
    const ct_tensor *x = c->in[0];
    ct_tensor *y = c->out[0];
    const unsigned mask = axis_mask(c, x);
    const int64_t n = x->dim[x->rank + ((const axis_params *)c->params)->axis];
    if (x->count == 0) return true;
    ct_tensor *from = ct__rows_of(title, x, mask), *to = from ? ct__rows_for(title, y, mask) : NULL;
    if (to) ct__run_rows(&(ct__row_job){function, c->dtype, x->count / n, n, 2, {to->data, from->data}, {n, n}, {0}});
    if (from) ct__release(from);
    return to && ct__rows_done(to, y, mask);
}

/* gx from the result y and g, a stack of which may stand before one y. */
static bool fused(const char *title, const ct_call *c, ct_tensor *g, ct_tensor **gx, ct__row_function function)
{
    const ct_tensor *y = c->out[0];
    const unsigned mask = axis_mask(c, g);
    const int64_t n = y->dim[y->rank + ((const axis_params *)c->params)->axis];
    ct_tensor *out = ct__tensor_like(title, g, c->dtype);
    gx[0] = out;
    if (!out || out->count == 0) return out != NULL;
    ct_tensor *result = ct__rows_of(title, y, axis_mask(c, y)), *given = result ? ct__rows_of(title, g, mask) : NULL;
    ct_tensor *to = given ? ct__rows_for(title, out, mask) : NULL;
    if (to)
        ct__run_rows(&(ct__row_job){function, c->dtype, g->count / n, n, 3, {to->data, result->data, given->data}, {n, n, n},
                                    {0, y->count / n, 0}});
    if (result) ct__release(result);
    if (given) ct__release(given);
    return to && ct__rows_done(to, out, mask);
}

static ct_tensor *apply_along(const char *operation, const ct_op *op, ct_tensor *x, int axis)
{
    if (!ct__check(operation, "x", x)) return NULL;
    const int at = ct__axis_of(operation, "x", x, axis);
    if (at < 0) return NULL;
    const axis_params p = {at - x->rank};
    if (ct__is_float((ct_dtype)x->dtype)) return ct__apply1(op, x, &p);
    const int scope = ct_scope_begin();
    ct_tensor *f = ct_cast(x, CT_F32), *y = f ? ct__apply1(op, f, &p) : NULL;
    if (y) ct_scope_return(y);
    ct_scope_end(scope);
    return y;
}

/* ---- softmax: s_i = e^(x_i - max) / sum_j e^(x_j - max),  ds = s (dx - <s, dx>),  so gx = s (g - <s, g>) ---- */

static bool softmax_forward(const ct_call *c) { return forward("ct_softmax", c, CT__SOFTMAX); }

/* The derivative is its own transpose. Checked: softmax, all samples */
static ct_tensor *softmax_slope(const ct_call *c, ct_tensor *d)
{
    ct_tensor *s = c->out[0];
    return ct_mul(s, ct_sub(d, sum_along(c, ct_mul(s, d))));
}
static ct_tensor *softmax_vjp(const ct_call *c, ct_tensor *const *g) { return softmax_slope(c, g[0]); }
static ct_tensor *softmax_jvp(const ct_call *c, ct_tensor *dx) { return softmax_slope(c, dx); }

static bool softmax_fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    return !(need & 1) || fused("ct_softmax", c, g[0], gx, CT__SOFTMAX_VJP);
}

const ct_op ct__op_softmax = {
    .name = "softmax", .inputs = 1, .keeps = KEEP_Z, .params = sizeof(axis_params), .shape = same_shape,
    .forward = softmax_forward, .vjp = {softmax_vjp}, .jvp = {softmax_jvp}, .fused = softmax_fused,
    .doc = "e^x / sum e^x along an axis"};

ct_tensor *ct_softmax(ct_tensor *x, int axis) { return apply_along("ct_softmax", &ct__op_softmax, x, axis); }

/* ---- log_softmax: y_i = x_i - log sum_j e^x_j,  dy = dx - sum_j e^y_j dx_j,  so gx = g - e^y sum_j g_j ---- */

static bool log_softmax_forward(const ct_call *c) { return forward("ct_log_softmax", c, CT__LOG_SOFTMAX); }

/* Checked: log_softmax, all samples */
static ct_tensor *log_softmax_vjp(const ct_call *c, ct_tensor *const *g)
{
    return ct_sub(g[0], ct_mul(ct_exp(c->out[0]), sum_along(c, g[0])));
}
static ct_tensor *log_softmax_jvp(const ct_call *c, ct_tensor *dx)
{
    return ct_sub(dx, sum_along(c, ct_mul(ct_exp(c->out[0]), dx)));
}

static bool log_softmax_fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    return !(need & 1) || fused("ct_log_softmax", c, g[0], gx, CT__LOG_SOFTMAX_VJP);
}

const ct_op ct__op_log_softmax = {
    .name = "log_softmax", .inputs = 1, .keeps = KEEP_Z, .params = sizeof(axis_params), .shape = same_shape,
    .forward = log_softmax_forward, .vjp = {log_softmax_vjp}, .jvp = {log_softmax_jvp}, .fused = log_softmax_fused,
    .doc = "x - log sum e^x along an axis"};

ct_tensor *ct_log_softmax(ct_tensor *x, int axis) { return apply_along("ct_log_softmax", &ct__op_log_softmax, x, axis); }
