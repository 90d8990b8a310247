/*
 * jacobian.c - whole Jacobians of a function of one tensor, a row (reverse) or a column (forward) at a time.
 *
 * Invariant: the function is called once in reverse mode and once for each element of x in forward mode; it must be a function, that is,
 * give the same values each time.
 */
#include "autograd/sweep.h"

typedef struct problem {
    ct_function f;
    void *context;
    ct_tensor *x;
    ct_shape shape; /* [y..., x...] */
} problem;

static bool result_shape(problem *p, const ct_tensor *y)
{
    if (y->rank + p->x->rank > CT_MAX_RANK)
        return ct__fail(CT_ERROR_SHAPE, "ct_jacobian", "x is %s and y is %s: their ranks add up to more than 8", ct__describe(p->x), ct__describe(y));
    p->shape.rank = y->rank + p->x->rank;
    for (int i = 0; i < y->rank; i++) p->shape.dim[i] = y->dim[i];
    for (int i = 0; i < p->x->rank; i++) p->shape.dim[y->rank + i] = p->x->dim[i];
    return true;
}

/* The k-th unit tensor of t's shape. */
static ct_tensor *unit(const ct_tensor *t, int64_t k)
{
    ct_tensor *e = ct__tensor_like("ct_jacobian", t, t->dtype);
    if (!e) return NULL;
    ct__fill(e, 0);
    ct__store(e->data + k * (int64_t)ct__size(e), e->dtype, 1);
    return e;
}

static ct_tensor *zeros(const problem *p)
{
    ct_tensor *t = ct__tensor_new("ct_jacobian", p->x->dtype, (int)p->shape.rank, p->shape.dim);
    if (t) ct__fill(t, 0);
    return t;
}

/* Rows: one cotangent for each element of y, the function called once. */
static ct_tensor *rows(problem *p, ct_tensor *x, ct_tensor *y, bool record)
{
    ct_tensor **row = ct__pool_get((size_t)y->count * sizeof *row);
    if (!row) return ct__fail_memory("ct_jacobian", (size_t)y->count * sizeof *row);
    bool ok = true;
    for (int64_t i = 0; ok && i < y->count; i++) {
        ct_tensor *e = unit(y, i);
        ok = e && ct_grad(&y, &e, 1, &x, 1, &row[i], (ct_grad_options){.create_graph = record, .retain_graph = true});
    }
    ct_tensor *all = ok ? ct__engine.stack(row, (int)y->count, 0) : NULL;
    ct__pool_put(row, (size_t)y->count * sizeof *row);
    return all ? ct__engine.reshape(all, p->shape) : NULL;
}

static ct_tensor *by_reverse(problem *p)
{
    ct_tensor *y = NULL, *x = ct__needs(p->x) && !ct__ad.grad_off ? ct__identity(p->x) : ct__ad.active ? ct__identity(p->x) : ct__tensor_bare(p->x);
    if (!x || !ct_requires_grad(x, true)) return NULL;
    const bool before = ct_grad_mode(true);
    const int code = p->f(p->context, &x, &y);
    ct_grad_mode(before);
    if (ct__self.failed) return NULL;
    if (code) return ct__fail(CT_ERROR_USER, "ct_jacobian", "the function returned %d", code);
    if (!y) return ct__fail(CT_ERROR_NULL, "ct_jacobian", "the function left its output unset");
    if (!result_shape(p, y)) return NULL;
    if (!ct__needs(y) || y->count == 0) return zeros(p);
    bool record = ct__needs(p->x);
    const ct__seed seed = {.node = y->graph, .slot = y->slot};
    const ct__target target = {.node = x->graph, .slot = x->slot};
    if (!before) record = false;
    else if (!record && !ct__reaches_other_leaves(&seed, 1, &target, 1, &record)) return NULL;
    return rows(p, x, y, record);
}

/* Columns: one tangent for each element of x. */
static ct_tensor *by_forward(problem *p)
{
    const int64_t n = p->x->count;
    ct_tensor **column = ct__pool_get((size_t)n * sizeof *column + 1), *y = NULL;
    if (!column) return ct__fail_memory("ct_jacobian", (size_t)n * sizeof *column);
    bool ok = true;
    for (int64_t i = 0; ok && i < n; i++) {
        ct_tensor *e = unit(p->x, i);
        ok = e && ct_jvp(p->f, p->context, &p->x, &e, 1, i ? NULL : &y, &column[i], 1);
    }
    ct_tensor *all = ok && n ? ct__engine.stack(column, (int)n, -1) : NULL; /* [y..., n] */
    ct__pool_put(column, (size_t)n * sizeof *column + 1);
    if (n == 0) return by_reverse(p);
    return all && result_shape(p, y) ? ct__engine.reshape(all, p->shape) : NULL;
}

/* The number of elements of y, by calling the function once without recording. */
static int64_t size_of_result(const problem *p)
{
    ct_tensor *y = NULL, *x = ct_alias(p->x);
    const bool before = ct_grad_mode(false);
    const uint64_t active = ct__ad.active;
    ct__ad.active = 0;
    const int code = x ? p->f(p->context, &x, &y) : 1;
    ct__ad.active = active;
    ct_grad_mode(before);
    if (code && !ct__self.failed) ct__fail(CT_ERROR_USER, "ct_jacobian", "the function returned %d", code);
    if (!y && !ct__self.failed) ct__fail(CT_ERROR_NULL, "ct_jacobian", "the function left its output unset");
    return y && !code ? y->count : -1;
}

ct_tensor *ct_jacobian(ct_function f, void *context, ct_tensor *x, ct_mode mode)
{
    if (!f) return ct__fail_null("ct_jacobian", "f");
    if (!ct__check("ct_jacobian", "x", x)) return NULL;
    if (!ct__is_float(x->dtype)) return ct__fail(CT_ERROR_DTYPE, "ct_jacobian", "x is %s; expected f32 or f64", ct__describe(x));
    problem p = {.f = f, .context = context, .x = x};
    const int scope = ct_scope_begin();
    bool forward = mode == CT_MODE_FORWARD;
    bool ok = true;
    if (mode == CT_MODE_AUTO) {
        const int64_t size = size_of_result(&p);
        ok = size >= 0;
        forward = x->count < size;
    }
    ct_tensor *j = !ok ? NULL : forward ? by_forward(&p) : by_reverse(&p);
    if (j) ct_scope_return(j);
    ct_scope_end(scope);
    return j;
}
