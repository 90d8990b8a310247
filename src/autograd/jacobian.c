/*
 * jacobian.c - whole Jacobians of a function of one tensor: all unit cotangents (or tangents) through its graph in one stacked
 * sweep.
 *
 * The function is called once, in both modes. The stack is cut into chunks so that memory stays bounded. All of it is made of
 * operations, so the Jacobian can be differentiated.
 */
#include "autograd/transform.h"
#include "tensor/script.h"

/* ---- the stack of units ---- */

/* Units number start .. start + count - 1 of t's shape, stacked: [count, t...]. */
static ct_tensor *units(const char *operation, const ct_tensor *t, int64_t start, int64_t count)
{
    ct_shape s = {.rank = t->rank + 1, .dim = {count}};
    for (int i = 0; i < t->rank; i++) s.dim[i + 1] = t->dim[i];
    if (!ct__shape_check(operation, s, (ct_dtype)t->dtype)) return NULL;
    ct_tensor *e = ct__tensor_new(operation, (ct_dtype)t->dtype, (int)s.rank, s.dim);
    if (!e) return NULL;
    ct__fill(e, 0);
    const int64_t step = (t->count + 1) * (int64_t)ct__size(t), first = start * (int64_t)ct__size(t);
    for (int64_t i = 0; i < count; i++) ct__store(e->data + first + i * step, (ct_dtype)t->dtype, 1);
    ct__constant(e);
    return e;
}

typedef struct problem {
    const char *operation;
    const ct_linear_map *map;
    const ct_tensor *x, *y;
    bool forward;
} problem;

/* How many units at once: as many as keep the largest value of the graph, stacked, near the processor (2^16 elements), and at
 * least a few, for which an operation's own cost is shared. 0 with an error. */
static int64_t chunk(const problem *p)
{
    ct__extent extent;
    if (!ct__linear_extent(p->operation, p->map, &extent)) return 0;
    const int64_t n = ((int64_t)1 << 16) / extent.count;
    return n < 16 ? 16 : n;
}

static ct_tensor *product(const problem *p, ct_tensor *t, bool stacks, bool last)
{
    const ct__product_options options = {.stacks = stacks, .last = last};
    ct_tensor *out = NULL;
    if (!t) return NULL;
    const bool ok = p->forward ? ct__linear_push(p->operation, p->map, &t, &out, options)
                               : ct__linear_pull(p->operation, p->map, &t, &out, options);
    return ok ? out : NULL;
}

/* The products with all units of one side, stacked: [n, other side...]. */
static ct_tensor *products(const problem *p)
{
    const ct_tensor *from = p->forward ? p->x : p->y;
    const int64_t n = from->count, most = chunk(p), count = most ? (n + most - 1) / most : 0;
    const size_t bytes = (size_t)count * sizeof(ct_tensor *);
    if (!most) return NULL;
    ct_tensor **part = ct__pool_get(bytes), *all = NULL;
    if (!part) return ct__fail_memory(p->operation, bytes);
    bool ok = true;
    for (int64_t k = 0; ok && k < count; k++) {
        const int64_t left = n - k * most;
        const int scope = ct__scope_begin();
        part[k] = product(p, units(p->operation, from, k * most, left < most ? left : most), true, k == count - 1);
        ok = part[k] != NULL;
        if (ok) ct_scope_return(part[k]);
        ct__scope_end(scope);
    }
    if (ok) all = count == 1 ? part[0] : ct__engine.concat(part, (int)count, 0);
    ct__pool_put(part, bytes);
    return all;
}

/* ---- the result: [y..., x...] ---- */

static bool result_shape(const problem *p, ct_shape *s)
{
    if (p->y->rank + p->x->rank > CT_MAX_RANK)
        return ct__fail(CT_ERROR_SHAPE, p->operation, "x is %s and y is %s: their ranks add up to more than %d",
                        ct__describe(p->x), ct__describe(p->y), CT_MAX_RANK);
    *s = ct__shape(p->y);
    for (int i = 0; i < p->x->rank; i++) s->dim[s->rank++] = p->x->dim[i];
    return ct__shape_check(p->operation, *s, (ct_dtype)p->x->dtype);
}

/* [n, y...] -> [y..., n] */
static ct_tensor *units_last(ct_tensor *t)
{
    ct_axes order = {.rank = t->rank};
    for (int i = 0; i < t->rank; i++) order.dim[i] = i + 1 < t->rank ? i + 1 : 0;
    return ct__engine.permute(t, order);
}

static ct_tensor *zeros(const problem *p, ct_shape s)
{
    ct_tensor *t = ct__tensor_new(p->operation, (ct_dtype)p->x->dtype, (int)s.rank, s.dim);
    if (t) ct__fill(t, 0);
    return t;
}

static ct_tensor *assemble(const problem *p)
{
    ct_shape s;
    if (!result_shape(p, &s)) return NULL;
    const ct_tensor *from = p->forward ? p->x : p->y;
    if (!ct__needs(p->y) || p->x->count == 0 || p->y->count == 0) return zeros(p, s);
    ct_tensor *j;
    if (from->count == 1) { /* needs no stack, and no axis for one */
        ct_tensor *one = ct__tensor_like(p->operation, from, (ct_dtype)from->dtype);
        if (one) ct__fill(one, 1);
        j = product(p, one, false, true);
    } else {
        j = products(p);
        if (j && p->forward) j = units_last(j);
    }
    if (j) j = ct__engine.reshape(j, s);
    return j && j->dtype != p->x->dtype ? ct__engine.cast(j, (ct_dtype)p->x->dtype) : j;
}

ct_tensor *ct__jacobian(const char *operation, ct_function f, void *context, ct_tensor *x, ct_mode mode)
{
    if (!ct__is_float((ct_dtype)x->dtype))
        return ct__fail(CT_ERROR_DTYPE, operation, "x is %s; expected f32 or f64", ct__describe(x));
    if (mode != CT_MODE_AUTO && mode != CT_MODE_REVERSE && mode != CT_MODE_FORWARD)
        return ct__fail(CT_ERROR_VALUE, operation, "mode %d; expected CT_MODE_AUTO, CT_MODE_REVERSE or CT_MODE_FORWARD",
                        (int)mode);
    const int scope = ct__scope_begin();
    ct_linear_map *map = ct__linearize(operation, f, context, &x, 1, 1);
    ct_tensor *j = NULL;
    if (map) {
        problem p = {.operation = operation, .map = map, .x = map->x[0], .y = map->y[0]};
        p.forward = mode == CT_MODE_FORWARD || (mode == CT_MODE_AUTO && p.x->count < p.y->count);
        j = assemble(&p);
        if (j) ct_scope_return(j);
    }
    ct_linear_free(map);
    ct__scope_end(scope);
    return j;
}

ct_tensor *ct_jacobian(ct_function f, void *context, ct_tensor *x, ct_mode mode)
{
    if (!f) return ct__fail_null("ct_jacobian", "f");
    return ct__check("ct_jacobian", "x", x) ? ct__jacobian("ct_jacobian", f, context, x, mode) : NULL;
}
