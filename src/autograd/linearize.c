/*
 * linearize.c - a function at a point as a linear map: f is called once, recorded, and the map keeps its graph. The products are
 * in linear_product.c. All transforms of recorded functions stand on this.
 *
 * The function sees its inputs as nodes of their own: the derivative is by the argument, not by what else leads to the same
 * tensor.
 */
#include "autograd/transform.h"

/* ---- calling the function ---- */

bool ct__call_function(const char *operation, ct_function f, void *context, ct_tensor *const *in, ct_tensor **out, int n_out)
{
    for (int i = 0; i < n_out; i++) out[i] = NULL;
    const int code = f(context, in, out);
    if (ct__self.failed) return false;
    if (code) return ct__fail(CT_ERROR_USER, operation, "the function returned %d", code);
    for (int i = 0; i < n_out; i++) {
        if (!out[i]) return ct__fail(CT_ERROR_NULL, operation, "the function left output %d unset", i + 1);
    }
    return true;
}

/* An input as the function sees it: a node of its own, connected to what was before it if that needs a gradient or has a
 * tangent. */
static ct_tensor *primal(const char *operation, ct_tensor *x)
{
    if (!ct__check(operation, "in[]", x)) return NULL;
    if (!ct__is_float(x->dtype)) return ct_alias(x);
    if (ct__needs(x) && !ct__ad.grad_off) return ct__identity(x);
    ct_tensor *y = ct__ad.active ? ct__identity(x) : ct__tensor_bare(x);
    ct__node *n = !y ? NULL : y->graph ? y->graph : ct__node_leaf(y, true);
    if (!n) return NULL;
    n->collects = true;
    return y;
}

/* ---- making and freeing ---- */

static ct_linear_map *map_new(const char *operation, int n_in, int n_out)
{
    const size_t n = (size_t)n_in + (size_t)n_out;
    const size_t size = sizeof(ct_linear_map) + n * sizeof(ct_tensor *) + (size_t)n_in;
    ct_linear_map *map = ct__pool_get(size);
    if (!map) return ct__fail_memory(operation, size);
    *map = (ct_linear_map){.size = size, .n_in = n_in, .n_out = n_out, .x = (ct_tensor **)(void *)(map + 1)};
    map->y = map->x + n_in;
    map->tracked = (bool *)(void *)(map->x + n);
    for (size_t i = 0; i < n; i++) map->x[i] = NULL;
    return map;
}

/* A storage counts as part of a graph only as long as there is one. */
void ct_linear_free(ct_linear_map *map)
{
    if (!map) return;
    for (int i = 0; i < map->n_in; i++) {
        if (map->x[i] && !map->connected) map->x[i]->storage->tracked = map->tracked[i];
    }
    for (int i = 0; i < map->n_in + map->n_out; i++) {
        if (map->x[i]) ct__release(map->x[i]);
    }
    ct__pool_put(map, map->size);
}

/* The ends of the graph: first the inputs, then the results. */
static void ends_of(const ct_linear_map *map, ct__end *ends)
{
    for (int i = 0; i < map->n_in + map->n_out; i++) ends[i] = ct__end_of(map->x[i], NULL);
}

/* Does the derivative depend on anything else that needs a gradient? */
static bool connect(const char *operation, ct_linear_map *map, ct_tensor *const *in, ct__end *ends)
{
    bool others = false;
    map->connected = false;
    if (ct__ad.grad_off) return true;
    for (int i = 0; i < map->n_in; i++) others = others || ct__needs(in[i]);
    ends_of(map, ends);
    if (!others && !ct__reaches_other_leaves(operation, ends + map->n_in, map->n_out, ends, map->n_in, &others)) return false;
    map->connected = others;
    return true;
}

bool ct__linear_extent(const char *operation, const ct_linear_map *map, ct__extent *extent)
{
    const int n = map->n_in + map->n_out;
    const size_t bytes = ((size_t)n + 1) * sizeof(ct__end);
    ct__end *ends = ct__pool_get(bytes);
    if (!ends) return ct__fail_memory(operation, bytes);
    ends_of(map, ends);
    const bool ok = ct__graph_extent(operation, ends + map->n_in, map->n_out, ends, map->n_in, extent);
    ct__pool_put(ends, bytes);
    for (int i = 0; i < n; i++) {
        if (map->x[i]->rank > extent->rank) extent->rank = map->x[i]->rank;
        if (map->x[i]->count > extent->count) extent->count = map->x[i]->count;
    }
    return ok;
}

static bool record(const char *operation, ct_linear_map *map, ct_function f, void *context, ct_tensor *const *in, ct_tensor **y)
{
    for (int i = 0; i < map->n_in; i++) {
        ct_tensor *x = primal(operation, in[i]);
        if (!x) return false;
        map->tracked[i] = in[i]->storage->tracked;
        map->x[i] = ct__own(x);
    }
    const bool before = ct_grad_mode(true);
    const bool ok = ct__call_function(operation, f, context, map->x, y, map->n_out);
    ct_grad_mode(before);
    for (int i = 0; ok && i < map->n_out; i++) {
        map->y[i] = ct__own(ct_alias(y[i]));
        if (!map->y[i]) return false;
    }
    return ok;
}

ct_linear_map *ct__linearize(const char *operation, ct_function f, void *context, ct_tensor *const *in, int n_in, int n_out)
{
    if (n_in < 0 || n_out < 0)
        return ct__fail(CT_ERROR_VALUE, operation, "%d inputs and %d outputs; expected 0 or more", n_in, n_out);
    const size_t bytes = ((size_t)n_in + (size_t)n_out + 1) * sizeof(ct__end);
    void *room = ct__pool_get(bytes); /* first for the function's results, then for the ends of its graph */
    if (!room) return ct__fail_memory(operation, bytes);
    ct_linear_map *map = map_new(operation, n_in, n_out);
    const int scope = ct__scope_begin();
    const bool ok = map && record(operation, map, f, context, in, room) && connect(operation, map, in, room);
    ct__scope_end(scope);
    ct__pool_put(room, bytes);
    if (ok) return map;
    ct_linear_free(map);
    return NULL;
}

ct_tensor *ct__linear_value(const ct_linear_map *map, int j)
{
    if (map->connected) return ct_alias(map->y[j]);
    const bool before = ct_grad_mode(false);
    ct_tensor *y = ct__identity(map->y[j]); /* without the graph, with its tangents */
    ct_grad_mode(before);
    return y;
}

/* ---- what users call ---- */

ct_linear_map *ct_linearize(ct_function f, void *context, ct_tensor *const *in, int n_in, ct_tensor **out, int n_out)
{
    for (int j = 0; out && j < n_out; j++) out[j] = NULL;
    if (!f || !in) return ct__fail_null("ct_linearize", f ? "in" : "f");
    ct_linear_map *map = ct__linearize("ct_linearize", f, context, in, n_in, n_out);
    bool ok = map != NULL;
    for (int j = 0; ok && out && j < n_out; j++) ok = (out[j] = ct__linear_value(map, j)) != NULL;
    if (ok || !map) return map;
    for (int j = 0; out && j < n_out; j++) {
        ct_free(out[j]);
        out[j] = NULL;
    }
    ct_linear_free(map);
    return NULL;
}

bool ct_linear_apply(ct_linear_map *map, ct_tensor *const *tangents, ct_tensor **dout)
{
    for (int j = 0; map && dout && j < map->n_out; j++) dout[j] = NULL;
    if (!map || !tangents || !dout)
        return ct__fail_null("ct_linear_apply", !map ? "map" : !tangents ? "tangents" : "dout");
    return ct__linear_push("ct_linear_apply", map, tangents, dout, (ct__product_options){.stacks = true});
}

bool ct_linear_transpose(ct_linear_map *map, ct_tensor *const *cotangents, ct_tensor **din)
{
    for (int i = 0; map && din && i < map->n_in; i++) din[i] = NULL;
    if (!map || !cotangents || !din)
        return ct__fail_null("ct_linear_transpose", !map ? "map" : !cotangents ? "cotangents" : "din");
    return ct__linear_pull("ct_linear_transpose", map, cotangents, din, (ct__product_options){.stacks = true});
}
