/*
 * linear_product.c - products with a linear map: a forward sweep over its graph for J dx, a reverse one for J' u.
 *
 * A stack of tangents is one sweep, unless a value on the way has all the axes that a tensor may have: then it is taken apart.
 * Sweeps are recorded where their result depends on something that needs a gradient.
 */
#include "autograd/slices.h"
#include "autograd/transform.h"

/* ---- one product ---- */

typedef struct product {
    const char *operation;
    const ct_linear_map *map;
    bool forward, stacks, last;
    /* where it starts and where it ends */
    ct_tensor *const *from, *const *to;
    int n_from, n_to;
    const char *given, *place; /* "tangent", "input": for messages */
} product;

static bool sweep(const product *p, ct__end *from, ct__end *to, ct_grad_options options)
{
    if (p->forward) return ct__push_sweep(p->operation, from, p->n_from, to, p->n_to, options);
    int n = 0; /* ends without a graph have nothing behind them */
    for (int i = 0; i < p->n_from; i++) {
        if (from[i].node) from[n++] = from[i];
    }
    return n == 0 || p->n_to == 0 || ct__sweep(p->operation, from, n, to, p->n_to, options);
}

/* t[] of the ends' own shapes, or stacks of such along one axis. out[j] NULL: zero. */
static bool run(void *context, ct_tensor *const *t, ct_tensor **out)
{
    const product *p = context;
    const size_t bytes = ((size_t)p->n_from + (size_t)p->n_to + 1) * sizeof(ct__end);
    ct__end *from = ct__pool_get(bytes), *to = from + p->n_from;
    if (!from) return ct__fail_memory(p->operation, bytes);
    bool record = p->map->connected;
    for (int i = 0; i < p->n_from; i++) {
        from[i] = ct__end_of(p->from[i], t[i]);
        record = record || (t[i] && ct__needs(t[i]));
    }
    for (int j = 0; j < p->n_to; j++) to[j] = ct__end_of(p->to[j], NULL);
    bool ok = sweep(p, from, to, (ct_grad_options){.create_graph = record && !ct__ad.grad_off, .retain_graph = !p->last});
    for (int j = 0; j < p->n_to; j++) {
        if (!to[j].grad) continue;
        out[j] = ok ? ct_alias(to[j].grad) : NULL;
        ok = ok && out[j];
        ct__release(to[j].grad);
    }
    ct__pool_put(from, bytes);
    return ok;
}

/* ---- stacks ---- */

/* Checks one tangent against its end, and its leading axes against those of the others. */
static bool fits(const product *p, int i, const ct_tensor *t, ct_shape *lead, bool *first)
{
    const ct_tensor *end = p->from[i];
    const int extra = t->rank - end->rank;
    bool same = extra == 0 || (extra > 0 && p->stacks), aligned = *first || extra == lead->rank;
    for (int k = 0; same && k < end->rank; k++) same = t->dim[extra + k] == end->dim[k];
    if (!same)
        return ct__fail(CT_ERROR_SHAPE, p->operation, "%s %d is %s, its %s is %s", p->given, i + 1, ct__describe(t), p->place,
                        ct__describe(end));
    if (t->dtype != end->dtype)
        return ct__fail(CT_ERROR_DTYPE, p->operation, "%s %d is %s, its %s is %s; ct_cast?", p->given, i + 1, ct__describe(t),
                        p->place, ct__describe(end));
    if (p->forward && !ct__is_float(end->dtype))
        return ct__fail(CT_ERROR_DTYPE, p->operation, "input %d is %s, which has no derivative; expected no tangent (NULL)",
                        i + 1, ct__describe(end));
    for (int k = 0; !*first && aligned && k < extra; k++) aligned = t->dim[k] == lead->dim[k];
    if (!aligned)
        return ct__fail(CT_ERROR_SHAPE, p->operation, "%s %d is %s, its %s is %s: the leading axes differ from the others', %s",
                        p->given, i + 1, ct__describe(t), p->place, ct__describe(end), ct__describe_shape(*lead));
    *lead = ct__shape(t);
    lead->rank = extra;
    *first = false;
    return true;
}

static ct_shape behind(ct_shape lead, const ct_tensor *t)
{
    for (int i = 0; i < t->rank && lead.rank < CT_MAX_RANK; i++) lead.dim[lead.rank++] = t->dim[i];
    return lead;
}

/* The leading axes of all given tensors. */
static bool leading(const product *p, ct_tensor *const *t, ct_shape *lead)
{
    bool first = true;
    lead->rank = 0;
    for (int i = 0; i < p->n_from; i++) {
        if (t[i] && !fits(p, i, t[i], lead, &first)) return false;
        if (!t[i] && (!p->forward || ct__self.failed))
            return ct__fail_null(p->operation, p->forward ? "tangents[]" : "cotangents[]");
    }
    for (int j = 0; j < p->n_to; j++) {
        if (lead->rank + p->to[j]->rank > CT_MAX_RANK)
            return ct__fail(CT_ERROR_SHAPE, p->operation,
                            "a stack of results of shape %s behind the axes %s would have more than %d axes",
                            ct__describe(p->to[j]), ct__describe_shape(*lead), CT_MAX_RANK);
    }
    return true;
}

/* Values between may have one axis more, or else the stack is taken apart. */
static bool run_stack(product *p, ct_tensor *const *t, ct_shape lead, ct_tensor **out)
{
    const size_t n = (size_t)p->n_from, bytes = (n + 1) * (sizeof(ct_tensor *) + sizeof(int));
    ct_tensor **flat = ct__pool_get(bytes);
    int *rank = (int *)(void *)(flat + n);
    ct__extent extent;
    bool ok = (flat || ct__fail_memory(p->operation, bytes)) && ct__linear_extent(p->operation, p->map, &extent);
    int64_t count = 1;
    for (int i = 0; i < lead.rank; i++) count *= lead.dim[i];
    for (int i = 0; ok && i < p->n_from; i++) {
        rank[i] = p->from[i]->rank;
        flat[i] = !t[i] || lead.rank == 1 ? t[i] : ct__engine.reshape(t[i], behind(ct_shape(count), p->from[i]));
        ok = flat[i] || !t[i];
    }
    if (ok && extent.rank == CT_MAX_RANK) {
        p->last = false;
        ok = ct__each_slice(flat, rank, p->n_from, out, p->n_to, run, p);
    } else if (ok) {
        ok = run(p, flat, out);
    }
    for (int j = 0; ok && lead.rank > 1 && j < p->n_to; j++) {
        if (!out[j]) continue;
        out[j] = ct__engine.reshape(out[j], behind(lead, p->to[j]));
        ok = out[j] != NULL;
    }
    if (flat) ct__pool_put(flat, bytes);
    return ok;
}

static bool zeros(const product *p, ct_shape lead, int j, ct_tensor **out)
{
    const ct_shape s = behind(lead, p->to[j]);
    *out = ct__tensor_new(p->operation, (ct_dtype)p->to[j]->dtype, (int)s.rank, s.dim);
    if (*out) ct__fill(*out, 0);
    return *out != NULL;
}

static bool multiply(product p, ct_tensor *const *t, ct_tensor **out)
{
    ct_shape lead;
    for (int j = 0; j < p.n_to; j++) out[j] = NULL;
    if (!leading(&p, t, &lead)) return false;
    const int scope = ct__scope_begin();
    bool ok = lead.rank ? run_stack(&p, t, lead, out) : run(&p, t, out);
    for (int j = 0; ok && j < p.n_to; j++) ok = out[j] || zeros(&p, lead, j, &out[j]);
    for (int j = 0; j < p.n_to; j++) {
        if (ok) ct_scope_return(out[j]);
        else out[j] = NULL;
    }
    ct__scope_end(scope);
    return ok;
}

bool ct__linear_push(const char *operation, const ct_linear_map *map, ct_tensor *const *dx, ct_tensor **dy,
                     ct__product_options options)
{
    return multiply((product){.operation = operation, .map = map, .forward = true, .stacks = options.stacks, .last = options.last,
                              .from = map->x, .n_from = map->n_in, .to = map->y, .n_to = map->n_out, .given = "tangent",
                              .place = "input"},
                    dx, dy);
}

bool ct__linear_pull(const char *operation, const ct_linear_map *map, ct_tensor *const *u, ct_tensor **du,
                     ct__product_options options)
{
    return multiply((product){.operation = operation, .map = map, .stacks = options.stacks, .last = options.last, .from = map->y,
                              .n_from = map->n_out, .to = map->x, .n_to = map->n_in, .given = "cotangent", .place = "output"},
                    u, du);
}
