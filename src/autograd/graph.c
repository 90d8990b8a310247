/*
 * graph.c - making and destroying nodes.
 *
 * A node is one slab record: the struct, then its inputs, shapes, kept outputs and parameters. Destroying one may leave others
 * without references; these wait in a list, so that a chain of a million nodes is destroyed by a loop.
 */
#include "autograd/record.h"

/* ---- memory ---- */

static inline __attribute__((always_inline)) void node_free(ct__node *n)
{
    ct__self.live.nodes--;
    if (CT__LIKELY(n->size <= CT__SLAB_MAX)) ct__slab_put(n, n->size);
    else ct__pool_put(n, n->size);
}

void ct__node_let_go(ct__node *n)
{
    ct__input *x = n->in;
#pragma GCC unroll 1
    for (int left = n->n_in; left > 0; left--, x++) {
        ct_tensor *kept = x->kept;
        if (!kept) continue;
        x->kept = NULL;
        ct__release(kept);
    }
    if (!n->out) return;
    for (int i = ct__results(n) - 1; i >= 0; i--) {
        ct_tensor *kept = n->out[i].value;
        n->out[i].value = NULL;
        if (kept) ct__release(kept);
    }
}

static CT__APART void drop_notes(ct__node *n)
{
    if (n->tangents) ct__tangents_drop(n);
    while (n->hooks) {
        ct__hook_record *h = n->hooks;
        n->hooks = h->next;
        ct__slab_put(h, sizeof *h);
    }
    while (n->labels) {
        ct__label *l = n->labels;
        n->labels = l->next;
        ct__pool_put(l, l->size);
    }
}

/* How many references are left without one of them. (Not whether any are: a comparison for each of the two ways would be made.) */
static inline int32_t lose(ct__node *n)
{
    return CT__UNLIKELY(n->shared) ? __atomic_sub_fetch(&n->refs, 1, __ATOMIC_ACQ_REL) : --n->refs;
}

static inline void doom(ct__node *n)
{
    n->dying = ct__ad.dying;
    ct__ad.dying = n;
}

/* The record and its edges, of a node that holds nothing else. */
static inline __attribute__((always_inline)) void destroy_bare(ct__node *n)
{
    const ct__input *x = n->in;
#pragma GCC unroll 1
    for (int left = n->n_in; left > 0; left--, x++) {
        if (x->from && CT__UNLIKELY(lose(x->from) <= 0)) doom(x->from);
    }
    node_free(n);
}

/* Those that wait, and what they leave without references. */
static CT__APART void destroy_all(void)
{
    ct__ad.destroying = true;
    while (ct__ad.dying) {
        ct__node *n = ct__ad.dying;
        ct__ad.dying = n->dying;
        if (!n->used) ct__node_drop_kept(n);
        if (CT__UNLIKELY(n->tangents || n->hooks || n->labels)) drop_notes(n);
        if (n->grad) ct__release(n->grad);
        destroy_bare(n);
    }
    ct__ad.destroying = false;
}

/* A node that was swept holds nothing but others: its way is short. */
void ct__node_release(void *node)
{
    ct__node *n = node;
    if (lose(n) > 0) return;
    const bool holds = (uintptr_t)n->tangents | (uintptr_t)n->hooks | (uintptr_t)n->labels | (uintptr_t)n->grad; /* one branch */
    if (CT__LIKELY(n->used) && CT__LIKELY(!holds)) destroy_bare(n);
    else doom(n);
    if (CT__UNLIKELY(ct__ad.dying != NULL) && !ct__ad.destroying) destroy_all(); /* else the loop further out takes them */
}

bool ct__needs_grad(const ct_tensor *t) { return ct__needs(t); }

/* ---- leaves ---- */

ct__node *ct__node_leaf(ct_tensor *t, bool collects)
{
    ct__node *n = ct__node_new(sizeof *n + sizeof(ct_shape), 0, 1);
    if (!n) return NULL;
    n->op = NULL;
    n->number = 0;
    n->dtype = t->dtype;
    n->rank = 0;
    n->collects = collects;
    n->only_leaf = n;
    n->shared = t->shared;
    n->file = t->file ? t->file : n->file;
    n->line = t->file ? t->line : n->line;
    n->out_shapes = true;
    *(ct_shape *)(void *)n->in = ct__shape(t);
    ct__node_attach(t, n, 0);
    return n;
}

/* ---- recording ---- */

/* The next part of a record, a multiple of 8 bytes. */
static void *part(char **at, size_t bytes)
{
    void *here = *at;
    *at += (bytes + 7) / 8 * 8;
    return bytes ? here : NULL;
}

/* Has the call a single output, and one whose shape fits the struct? */
static bool fits(const ct_call *c) { return ct__outputs(c) == 1 && ct__node_fits(c->out[0]); }

ct_shape ct__node_shape(const ct__node *n, int slot)
{
    if (n->out_shapes) return ct__node_out_shapes(n)[slot];
    ct_shape s = {.rank = n->rank};
    for (int i = 0; i < n->rank; i++) s.dim[i] = n->dim[i];
    return s;
}

/* Lays the parts of any other node's record out behind the struct. */
static CT__APART ct__node *node_any(const ct_call *c, size_t params)
{
    const size_t n_in = (size_t)c->n_in, n_out = (size_t)c->n_out;
    const size_t in_shapes = c->op->keeps & KEEP_SHAPES ? n_in : 0, kept = c->op->keeps & KEEP_Z ? n_out : 0;
    const size_t out_shapes = fits(c) ? 0 : n_out;
    const size_t size = sizeof(ct__node) + n_in * sizeof(ct__input) + (in_shapes + out_shapes) * sizeof(ct_shape) +
                        kept * sizeof(ct__kept) + (params + 7) / 8 * 8;
    ct__node *n = ct__node_new(size, c->n_in, ct__outputs(c));
    if (!n) return NULL;
    char *at = (char *)n->in + n_in * sizeof(ct__input);
    n->op = c->op;
    n->in_shapes = in_shapes > 0;
    n->out_shapes = out_shapes > 0;
    ct_shape *shape = part(&at, (in_shapes + out_shapes) * sizeof(ct_shape));
    for (size_t i = 0; i < in_shapes; i++) *shape++ = ct__shape(c->in[i]);
    for (size_t i = 0; i < out_shapes; i++) *shape++ = ct__shape(c->out[i]);
    n->out = part(&at, kept * sizeof(ct__kept));
    n->params = part(&at, params);
    if (params) memcpy(n->params, c->params, params);
    return n;
}

static CT__COLD bool no_rule(const ct_call *c, int i)
{
    return ct__fail(CT_ERROR_GRAPH, ct__op_title(c->op),
                    "there is no derivative by argument %d, which is %s and needs a gradient; ct_detach it?", i + 1,
                    ct__describe(c->in[i]));
}

/* Keeps a result as storage and shape, without its graph slot; one for the rules alone, which has none, as it is. */
static bool keep_output(ct__node *n, ct_tensor *y, int i)
{
    n->out[i].value = i < n->n_out ? ct__own(ct__tensor_bare(y)) : ct__retain(y); /* the node's, not the scope's */
    n->out[i].version = y->storage->version;
    return n->out[i].value;
}

bool ct__node_keep_outputs(ct__node *n, ct_tensor *const *out, int n_out)
{
    bool kept = true;
    n->kept_outputs = n->op->keep_outputs ? n->op->keep_outputs : (uint8_t)((1 << n_out) - 1);
    for (int i = 0; i < n_out; i++) {
        n->out[i].value = NULL;
        if (ct__kept_output(n, i)) kept = keep_output(n, out[i], i) && kept;
    }
    return kept;
}

/* Edges to the nodes of inputs, and the inputs that are kept; false, with an error, where one needs a gradient and has no rule. */
static inline __attribute__((always_inline)) bool take_inputs(ct__node *n, const ct_call *c)
{
    const ct_op *op = c->op;
    const ct_vjp_rule *rule = op->vjp;
    const int n_in = c->n_in, step = op->inputs != CT__VARIADIC;
    unsigned keeps = op->keeps; /* a bit for the input at hand, then one for the next */
    ct__behind b = ct__node_inputs_begin(n);
    bool ok = true;
#pragma GCC unroll 1
    for (int i = 0; i < n_in; i++, rule += step, keeps >>= 1) {
        ct_tensor *x = c->in[i];
        ct__node_take_input(n, i, x, CT__LIKELY(step) ? keeps & KEEP_X : ct__keeps_input(op, i));
        n->in[i].from = NULL;
        if (!ct__needs(x) || *rule == ct__vjp_none) continue;
        if (CT__UNLIKELY(!*rule)) ok = no_rule(c, i);
        else ct__node_take_edge(n, &b, i, x);
    }
    ct__node_inputs_end(n, &b);
    return ok;
}

/* From here on the result holds the node. */
static inline void attach_result(ct__node *n, ct_tensor *y, int i)
{
    ct__node_attach(y, n, i);
    y->needs_grad = ct__is_float((ct_dtype)y->dtype);
    if (!y->storage->tracked) y->storage->tracked = true; /* threads may share a parameter whose view this is */
}

bool ct__node_record(const ct_call *c, size_t params)
{
    const bool any = CT__UNLIKELY(c->op->keeps & KEEP_SHAPES) || CT__UNLIKELY(!fits(c));
    ct__node *n = CT__UNLIKELY(any) ? node_any(c, params) : ct__node_plain(c->op, c->n_in, c->op->aside, c->params, params);
    if (CT__UNLIKELY(!n)) return false;
    ct__node_note_result(n, c->out[0]);
    const bool ok = take_inputs(n, c);
    attach_result(n, c->out[0], 0);
    for (int i = 1; CT__UNLIKELY(i < n->n_out); i++) attach_result(ct__node_retain(n), c->out[i], i);
    return ct__node_end(n, c->out, c->n_out) && ok;
}

/* ---- places ---- */

const char *ct__node_title(const ct__node *n)
{
    char *to = ct__message_room();
    const char *name = n->op ? ct__op_title(n->op) : "a leaf";
    if (n->file) snprintf(to, CT__TEXT, "%s at %s:%d", name, n->file, (int)n->line);
    else snprintf(to, CT__TEXT, "%s", name);
    return to;
}

/* The place also goes to the nodes that the call made on its way: those that have none yet. Past a bound they stay without; each
 * node is noted once, so the walk costs no more than the recording did. */
static CT__APART ct_tensor *note_behind(ct_tensor *t, const char *file, int line)
{
    ct__node *const first = t->graph;
    enum { DEPTH = 64 };
    ct__node *todo[DEPTH];
    int n = 0;
    todo[n++] = first;
    while (n > 0) {
        ct__node *node = todo[--n];
        if (node->file || !node->op) continue;
        node->file = file;
        node->line = line;
        for (int i = 0; i < node->n_in && n < DEPTH; i++) {
            if (node->in[i].from && !node->in[i].from->file) todo[n++] = node->in[i].from;
        }
    }
    return t;
}

static ct_tensor *note(ct_tensor *t, const char *file, int line)
{
    ct__node *n = t->graph;
    if (n->file || !n->op) return t;
    const bool alone = ct__ad.unplaced <= 1;
    ct__ad.unplaced = 0;
    if (CT__UNLIKELY(!alone)) return note_behind(t, file, line);
    n->file = file;
    n->line = line;
    return t;
}

static void share(void *node) { ((ct__node *)node)->shared = true; }

static bool inplace_allowed(const char *operation, const ct_tensor *t)
{
    if (ct__ad.grad_off || !(ct__needs(t) || t->storage->tracked)) return true;
    return ct__fail(CT_ERROR_GRAPH, operation,
                    "%s needs a gradient, or shares its values with one that does: changing it in place would not be "
                    "recorded; use CT_NO_GRAD, or ct_detach and ct_clone",
                    ct__describe(t));
}

__attribute__((constructor)) static void connect(void)
{
    ct__graph_release = ct__node_release;
    ct__graph_note = note;
    ct__graph_share = share;
    ct__inplace_allowed = inplace_allowed;
}
