/*
 * region.c - opening, filling and running regions of pointwise nodes.
 */
#include "autograd/region.h"

#include <string.h>

#include "autograd/captured.h"

enum { NODES = 48, WAITING = 96, HELD = CT__CHAIN_REGISTERS };
enum { SURPLUS = 2 }; /* tensors that a region may have alive beyond those that its nodes one by one would */

/* A gradient on its way to an output of a node; w NULL: it was taken. */
typedef struct waiting {
    ct__work *w;
    uint8_t slot, reg;
} waiting;

struct ct__region {
    ct_dtype dtype;
    int64_t count;
    ct_shape shape;
    int n_nodes, n_waiting, n_held;
    int n_last; /* kept values that only the nodes have, and that wait for the region */
    ct__node *node[NODES];
    waiting waits[WAITING];
    ct_tensor *held[HELD]; /* gradients that were taken over */
    ct__chain chain;
};

/* ---- which nodes ---- */

bool ct__is_repeated(const ct_tensor *t) { return t->count > 1 && ct__is_uniform(t); }

static bool is_like(const ct_tensor *t, ct_dtype dtype, const ct_shape *shape)
{
    return t->dtype == dtype && ct__shape_equal(ct__shape(t), *shape);
}

/* Is all there that the node kept, unchanged, and of the result's shape? What is not, the node's own way reports. */
static bool is_complete(const ct__node *n, const ct_shape *shape)
{
    for (int i = 0; i < n->n_in; i++) {
        const ct__input *x = &n->in[i];
        if (!x->was_kept) continue;
        if (!x->kept || x->kept->storage->version != x->version || !is_like(x->kept, n->dtype, shape)) return false;
    }
    if (!n->kept_outputs) return true;
    const ct_tensor *y = n->out[0].value;
    return y && y->storage->version == n->out[0].version && is_like(y, n->dtype, shape);
}

/* May the node be the first of a region? By itself, with one gradient to make, it gains nothing. */
static bool begins(const ct__node *n)
{
    int ways = 0;
    bool leads_on = false;
    for (int i = 0; i < n->n_in; i++) {
        const ct__node *from = n->in[i].from;
        ways += from != NULL;
        leads_on = leads_on || (from && from->op && from->op->slope);
    }
    return ways > 1 || leads_on;
}

bool ct__region_fits(const ct__region *r, const ct__tour *t, const ct__work *w)
{
    const ct__node *n = w->node;
    if (!n->op || !n->op->slope || n->n_out != 1 || n->hooks || n->tangents || w->end) return false;
    if (t->options.create_graph || ct__ad.active || ct__ad.watching || ct__ad.apart) return false;
    const ct_shape own = ct__node_shape(n, 0);
    if (ct__region_is_open(r) && (r->dtype != (ct_dtype)n->dtype || !ct__shape_equal(r->shape, own))) return false;
    if (!w->waits && !(w->g[0] && is_like(w->g[0], n->dtype, &own) && w->g[0]->count >= CT__REGION_LEAST)) return false;
    if (!ct__region_is_open(r) && !begins(n)) return false;
    return is_complete(n, &own);
}

/* ---- filling ---- */

ct__region *ct__region_open(ct__region *old, const ct__tour *t, const ct__work *w)
{
    ct__region *r = old ? old : ct__pool_get(sizeof *r);
    if (!r) return ct__fail_memory(t->operation, sizeof *r);
    r->dtype = w->node->dtype;
    r->shape = ct__node_shape(w->node, 0);
    r->count = w->g[0]->count;
    r->n_nodes = r->n_waiting = r->n_held = r->n_last = 0;
    r->chain.steps = r->chain.registers = 0;
    return r;
}

bool ct__region_is_open(const ct__region *r) { return r && r->n_nodes > 0; }

/* The tensors that a run would make. */
static int count_made(const ct__region *r)
{
    bool made[CT__CHAIN_REGISTERS] = {0};
    int n = 0;
    for (int i = 0; i < r->n_waiting; i++) {
        const int reg = r->waits[i].reg;
        if (!r->waits[i].w || r->chain.tensor[reg] || made[reg]) continue;
        made[reg] = true;
        n++;
    }
    return n;
}

/* A node needs a register for each operand, its gradient and what it makes, and sums for what already waits. */
bool ct__region_has_room(const ct__region *r)
{
    enum { MOST = 4 * CT__MAX_INPUTS, USUAL = 2 }; /* a node by itself has a gradient and makes one */
    if (r->n_last > SURPLUS && count_made(r) > USUAL + SURPLUS) return false;
    return r->n_nodes < NODES && r->n_waiting + CT__MAX_INPUTS <= WAITING && r->n_held + MOST <= HELD &&
           r->chain.registers + MOST <= CT__CHAIN_REGISTERS && r->chain.steps + MOST <= CT__CHAIN_STEPS;
}

/* The register of a tensor; those that are not dense are brought into cache once. */
static int register_of(ct__region *r, ct_tensor *t)
{
    for (int k = 0; k < r->chain.registers; k++) {
        if (r->chain.tensor[k] == t) return k;
    }
    return ct__chain_register(&r->chain, t);
}

/* The region takes over a gradient that is a tensor. */
static int register_of_gradient(ct__region *r, ct__work *w)
{
    ct_tensor *g = w->g[0];
    w->g[0] = NULL;
    r->held[r->n_held++] = g;
    return register_of(r, g);
}

/* How many of the values that the node kept go with it. */
static int count_last(const ct__node *n)
{
    int last = n->kept_outputs && n->out[0].value->storage->refs == 1;
    for (int i = 0; i < n->n_in; i++) last += n->in[i].kept && n->in[i].kept->refs == 1 && n->in[i].kept->storage->refs == 1;
    return last;
}

int ct__region_join(ct__region *r, ct__work *w)
{
    r->n_last += count_last(w->node);
    r->node[r->n_nodes++] = w->node;
    if (!w->waits) return register_of_gradient(r, w);
    waiting *wait = &r->waits[w->waits - 1];
    w->waits = 0;
    wait->w = NULL;
    return wait->reg;
}

static int add_step(ct__region *r, const ct__slope *kernel, const int *operand, int n)
{
    const int result = ct__chain_register(&r->chain, NULL);
    ct__chain_step *step = &r->chain.step[r->chain.steps++];
    *step = (ct__chain_step){.kernel = kernel->kernel, .outputs = 1, .count = (uint8_t)(n + 1), .cost = (uint8_t)kernel->cost};
    _Static_assert(sizeof step->params == sizeof kernel->params, "a step has room for a slope's parameters");
    memcpy(step->params, kernel->params, sizeof step->params);
    step->operand[0] = (uint8_t)result;
    for (int k = 0; k < n; k++) step->operand[k + 1] = (uint8_t)operand[k];
    return result;
}

int ct__region_step(ct__region *r, const ct__node *n, int i, int g)
{
    if (n->op->vjp[i] == ct__vjp_same) return g;
    int operand[CT__MAX_INPUTS + 2], k = 0;
    operand[k++] = g;
    for (int j = 0; j < n->n_in; j++) operand[k++] = n->in[j].kept ? register_of(r, n->in[j].kept) : g;
    operand[k++] = n->kept_outputs ? register_of(r, n->out[0].value) : g;
    const ct__slope slope = n->op->slope(n->op, i, r->dtype, n->params);
    return add_step(r, &slope, operand, k);
}

/* ---- sums ---- */

void ct__region_reach(ct__region *r, ct__work *w, int slot, int dx)
{
    int before = -1;
    if (w->waits) before = r->waits[w->waits - 1].reg;
    else if (w->n_out == 1 && w->g[0] && is_like(w->g[0], r->dtype, &r->shape)) before = register_of_gradient(r, w);
    const ct__slope add = ct__engine.addition(r->dtype);
    if (before >= 0) dx = add_step(r, &add, (const int[]){before, dx}, 2);
    if (w->waits) {
        r->waits[w->waits - 1].reg = (uint8_t)dx;
        return;
    }
    r->waits[r->n_waiting++] = (waiting){.w = w, .slot = (uint8_t)slot, .reg = (uint8_t)dx};
    if (w->n_out == 1) w->waits = (uint8_t)r->n_waiting;
}

/* ---- running ---- */

/* What waits in a register that is not in memory yet gets a tensor. */
static bool make_tensors(ct__region *r, const ct__tour *t)
{
    for (int i = 0; i < r->n_waiting; i++) {
        ct_tensor **to = &r->chain.tensor[r->waits[i].reg];
        if (!r->waits[i].w || *to) continue;
        ct_tensor *made = ct__own(ct__tensor_new(t->operation, r->dtype, (int)r->shape.rank, r->shape.dim));
        if (!made) return false;
        *to = r->held[r->n_held++] = made;
    }
    return true;
}

/* Gives what waited to the works; behind what reached them before. */
static bool hand_on(ct__region *r)
{
    bool ok = true;
    for (int i = 0; i < r->n_waiting; i++) {
        const waiting *wait = &r->waits[i];
        if (!wait->w) continue;
        wait->w->waits = 0;
        ct_tensor **g = &wait->w->g[wait->slot];
        if (ok) ok = (*g = ct__grad_sum(*g, r->chain.tensor[wait->reg], true)) != NULL;
    }
    return ok;
}

static void empty(ct__region *r)
{
    for (int i = 0; i < r->n_held; i++) ct__release(r->held[i]);
    r->n_nodes = r->n_waiting = r->n_held = 0;
}

bool ct__region_run(ct__region *r, const ct__tour *t)
{
    bool ok = make_tensors(r, t);
    if (ok && CT__LIKELY(!ct__self.script)) ct__chain_run(&r->chain, r->dtype, r->count);
    else if (ok) ct__capture_chain(&r->chain, r->dtype, r->count);
    if (ok) ok = hand_on(r);
    ct__ad.regions++;
    ct__ad.in_regions += ok ? r->n_nodes : 0;
    for (int i = 0; ok && !t->options.retain_graph && i < r->n_nodes; i++) ct__node_drop_kept(r->node[i]);
    empty(r);
    return ok;
}

void ct__region_free(ct__region *r)
{
    if (!r) return;
    empty(r);
    ct__pool_put(r, sizeof *r);
}
