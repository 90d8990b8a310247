/*
 * graph.c - making and destroying nodes.
 *
 * A node is one slab record: the struct, then its inputs, kept outputs, shapes and parameters. Destroying one may leave others
 * without references; these wait in a list, so that a chain of a million nodes is destroyed by a loop.
 */
#include "autograd/graph.h"

#include <string.h>

_Thread_local ct__autograd_state ct__ad __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* ---- memory ---- */

/* A record whose other parts the caller sets: op, n_in, n_out, and what is known of the output. */
static inline ct__node *node_new(size_t size)
{
    _Static_assert(offsetof(ct__node, work) % 16 == 0, "what is cleared begins at a round address");
    ct__node *n = size <= CT__SLAB_MAX ? ct__slab_get(size) : ct__pool_get(size);
    if (CT__UNLIKELY(!n)) return ct__fail_memory("the graph", size);
    ct__slab_clear(&n->work, sizeof *n - offsetof(ct__node, work));
    n->refs = 1;
    n->shared = n->used = n->collects = n->spent = false;
    n->kept_outputs = 0;
    n->size = (uint32_t)size;
    n->file = ct__ad.file;
    n->line = ct__ad.line;
    ct__ad.unplaced += !n->file;
    ct__self.live.nodes++;
    ct__self.count.nodes++;
    return n;
}

static void node_free(ct__node *n)
{
    ct__self.live.nodes--;
    if (n->size <= CT__SLAB_MAX) ct__slab_put(n, n->size);
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
        ct_tensor *kept = n->out[i];
        n->out[i] = NULL;
        if (kept) ct__release(kept);
    }
}

void ct__node_drop_kept(ct__node *n)
{
    if (CT__UNLIKELY(n->segment != NULL)) ct__segment_leave(n);
    ct__node_let_go(n);
    n->used = true;
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

/* Is it the last reference that goes? */
static inline bool lose(ct__node *n)
{
    return (CT__UNLIKELY(n->shared) ? __atomic_sub_fetch(&n->refs, 1, __ATOMIC_ACQ_REL) : --n->refs) <= 0;
}

static inline void doom(ct__node *n)
{
    n->dying = ct__ad.dying;
    ct__ad.dying = n;
}

static void destroy(ct__node *n)
{
    if (!n->used) ct__node_drop_kept(n);
    const ct__input *x = n->in;
#pragma GCC unroll 1
    for (int left = n->n_in; left > 0; left--, x++) {
        if (x->from && lose(x->from)) doom(x->from);
    }
    if (CT__UNLIKELY(n->tangents || n->hooks || n->labels)) drop_notes(n);
    if (n->grad) ct__release(n->grad);
    node_free(n);
}

static void destroy_all(void)
{
    ct__ad.destroying = true;
    while (ct__ad.dying) {
        ct__node *next = ct__ad.dying;
        ct__ad.dying = next->dying;
        destroy(next);
    }
    ct__ad.destroying = false;
}

void ct__node_release(void *node)
{
    if (!lose(node)) return;
    doom(node);
    if (!ct__ad.destroying) destroy_all(); /* else the loop further out takes it */
}

bool ct__needs_grad(const ct_tensor *t) { return ct__needs(t); }

/* ---- leaves ---- */

enum { ROOM = sizeof(ct__work) + sizeof(ct_tensor *) }; /* for a sweep's notes on a node with one output */

void ct__node_attach(ct_tensor *t, ct__node *n, int slot)
{
    t->graph = n;
    t->slot = (uint8_t)slot;
}

ct__node *ct__node_leaf(ct_tensor *t, bool collects)
{
    ct__node *n = node_new(sizeof *n + sizeof(ct_shape) + ROOM);
    if (!n) return NULL;
    n->out_shapes = (ct_shape *)(n + 1);
    n->room = (ct__work *)(n->out_shapes + 1);
    n->out_shapes[0] = ct__shape(t);
    n->op = NULL;
    n->number = 0;
    n->n_in = 0;
    n->n_out = 1;
    n->dtype = t->dtype;
    n->rank = 0;
    n->collects = collects;
    n->only_leaf = n;
    n->shared = t->shared;
    n->file = t->file ? t->file : n->file;
    n->line = t->file ? t->line : n->line;
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

/* Does the shape of a single output fit the record itself? (One without elements might not: its other lengths may be anything.) */
static bool fits(const ct_call *c)
{
    const ct_tensor *y = c->out[0];
    return ct__outputs(c) == 1 && y->rank <= CT__NODE_DIMS && (uint64_t)y->count - 1 < INT32_MAX;
}

ct_shape ct__node_shape(const ct__node *n, int slot)
{
    if (n->out_shapes) return n->out_shapes[slot];
    ct_shape s = {.rank = n->rank};
    for (int i = 0; i < n->rank; i++) s.dim[i] = n->dim[i];
    return s;
}

/* The record of most operations: one output whose shape fits, beside those for the rules alone, no shapes of inputs. */
static inline ct__node *node_plain(const ct_call *c, size_t params)
{
    const size_t in = (size_t)c->n_in * sizeof(ct__input), results = c->op->keeps & KEEP_Z ? (size_t)c->n_out : 0;
    const size_t kept = results * (sizeof(ct_tensor *) + 8);
    ct__node *n = node_new(sizeof(ct__node) + in + ROOM + kept + (params + 7) / 8 * 8);
    if (CT__UNLIKELY(!n)) return NULL;
    char *at = (char *)(n + 1);
    n->op = c->op;
    n->n_in = c->n_in;
    n->n_out = 1;
    n->in = (ct__input *)(void *)at;
    n->room = (ct__work *)(void *)(at += in);
    at += ROOM;
    if (kept) n->out = (ct_tensor **)(void *)at, n->out_version = (uint32_t *)(void *)(at + results * sizeof(ct_tensor *));
    if (params) n->params = memcpy(at + kept, c->params, params);
    return n;
}

/* Lays the parts of any other node's record out behind the struct. */
static ct__node *node_any(const ct_call *c, size_t params)
{
    const size_t n_in = (size_t)c->n_in, n_out = (size_t)c->n_out;
    const size_t in_shapes = c->op->keeps & KEEP_SHAPES ? n_in : 0, kept = c->op->keeps & KEEP_Z ? n_out : 0;
    const size_t out_shapes = fits(c) ? 0 : n_out, room = ct__outputs(c) == 1 ? ROOM : 0;
    const size_t size = sizeof(ct__node) + n_in * sizeof(ct__input) + (in_shapes + out_shapes) * sizeof(ct_shape) +
                        kept * (sizeof(ct_tensor *) + 8) + (params + 7) / 8 * 8 + room;
    ct__node *n = node_new(size);
    if (!n) return NULL;
    char *at = (char *)(n + 1);
    n->op = c->op;
    n->n_in = c->n_in;
    n->n_out = (uint8_t)ct__outputs(c);
    n->in = part(&at, n_in * sizeof(ct__input));
    n->in_shapes = part(&at, in_shapes * sizeof(ct_shape));
    n->out_shapes = part(&at, out_shapes * sizeof(ct_shape));
    n->out = part(&at, kept * sizeof(ct_tensor *));
    n->out_version = part(&at, kept * sizeof(uint32_t));
    n->params = part(&at, params);
    n->room = part(&at, room);
    if (params) memcpy(n->params, c->params, params);
    return n;
}

static bool no_rule(const ct_call *c, int i)
{
    return ct__fail(CT_ERROR_GRAPH, ct__op_title(c->op),
                    "there is no derivative by argument %d, which is %s and needs a gradient; ct_detach it?", i + 1,
                    ct__describe(c->in[i]));
}

/* Edges to the nodes of inputs, and the inputs that are kept; false, with an error, where one needs a gradient and has no rule. */
static inline __attribute__((always_inline)) bool record_inputs(ct__node *n, const ct_call *c)
{
    const ct_op *op = c->op;
    ct_tensor *const *operands = c->in;
    ct__input *in = n->in;
    const ct_vjp_rule *rule = op->vjp;
    const int n_in = c->n_in, step = op->inputs != CT__VARIADIC;
    unsigned keeps = op->keeps; /* a bit for the input at hand, then one for the next */
    uint64_t last = 0; /* the largest number among the inputs' nodes */
    ct__node *leaf = n; /* no input has had a node so far */
    bool ok = true;
#pragma GCC unroll 1
    for (int i = 0; i < n_in; i++, in++, rule += step, keeps >>= 1) {
        ct_tensor *x = operands[i];
        in->from = NULL;
        in->kept = NULL;
        in->was_kept = CT__LIKELY(step) ? keeps & KEEP_X : ct__keeps_input(op, i);
        in->slot = x->slot;
        if (in->was_kept) {
            in->kept = ct__retain(x);
            in->version = x->storage->version;
        }
        if (!ct__needs(x) || *rule == ct__vjp_none) continue;
        if (CT__UNLIKELY(!*rule)) {
            ok = no_rule(c, i);
            continue;
        }
        in->from = ct__node_retain(ct__node_of(x));
        if (in->from->number > last) last = in->from->number;
        leaf = leaf == n || leaf == in->from->only_leaf ? in->from->only_leaf : NULL;
    }
    n->number = last + 1;
    n->only_leaf = leaf;
    return ok;
}

/* Keeps a result as storage and shape, without its graph slot; one for the rules alone, which has none, as it is. */
static bool keep_output(ct__node *n, ct_tensor *y, int i)
{
    n->out[i] = i < n->n_out ? ct__own(ct__tensor_bare(y)) : ct__retain(y); /* the node's, not the scope's */
    n->out_version[i] = y->storage->version;
    return n->out[i];
}

static inline void attach_output(ct__node *n, ct_tensor *y, int i)
{
    ct__node_attach(y, n, i);
    y->needs_grad = ct__is_float(y->dtype);
    if (!y->storage->tracked) y->storage->tracked = true; /* threads may share a parameter whose view this is */
}

static bool keep_outputs(ct__node *n, const ct_call *c)
{
    bool kept = true;
    n->kept_outputs = c->op->keep_outputs ? c->op->keep_outputs : (uint8_t)((1 << c->n_out) - 1);
    for (int i = 0; i < c->n_out; i++) {
        n->out[i] = NULL;
        if (ct__kept_output(n, i)) kept = keep_output(n, c->out[i], i) && kept;
    }
    return kept;
}

static inline void note_result(ct__node *n, const ct_tensor *y)
{
    n->dtype = y->dtype;
    n->rank = y->rank;
    for (int i = 0; i < y->rank && i < CT__NODE_DIMS; i++) n->dim[i] = (int32_t)y->dim[i];
}

static CT__APART bool record_any(const ct_call *c, size_t params)
{
    ct__node *n = node_any(c, params);
    if (!n) return false;
    note_result(n, c->out[0]);
    bool ok = record_inputs(n, c);
    for (int i = 0; n->in_shapes && i < c->n_in; i++) n->in_shapes[i] = ct__shape(c->in[i]);
    for (int i = 0; n->out_shapes && i < c->n_out; i++) n->out_shapes[i] = ct__shape(c->out[i]);
    for (int i = 0; i < n->n_out; i++) attach_output(i ? ct__node_retain(n) : n, c->out[i], i);
    if (n->out) ok = keep_outputs(n, c) && ok; /* from here on the results hold the node */
    return ok && (!ct__ad.segment || ct__segment_join(n));
}

bool ct__node_record(const ct_call *c, size_t params)
{
    if (CT__UNLIKELY(c->op->keeps & KEEP_SHAPES || !fits(c))) return record_any(c, params);
    ct__node *n = node_plain(c, params);
    if (CT__UNLIKELY(!n)) return false;
    note_result(n, c->out[0]);
    bool ok = record_inputs(n, c);
    attach_output(n, c->out[0], 0);
    if (n->out) ok = keep_outputs(n, c) && ok;
    return ok && (CT__LIKELY(!ct__ad.segment) || ct__segment_join(n));
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
static void note_behind(ct__node *first, const char *file, int line)
{
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
}

static void note(ct_tensor *t, const char *file, int line)
{
    ct__node *n = t->graph;
    if (n->file || !n->op) return;
    if (ct__ad.unplaced > 1) {
        note_behind(n, file, line);
    } else {
        n->file = file;
        n->line = line;
    }
    ct__ad.unplaced = 0;
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
