/*
 * checkpoint.c - segments of the graph whose values are let go, and computed again when a sweep needs them.
 *
 * A segment lists the nodes that its function recorded, in that order. The graph itself stays: edges, parameters, places,
 * hooks. When a sweep meets a node whose values are gone, the function runs a second time, with the random numbers of then,
 * into a list of fresh nodes (a replay); these are matched one to one with the old ones, which take over their values. What
 * is taken is attached to the old graph, so that derivatives of every order come out as if nothing had been let go.
 *
 * A checkpoint inside the function is an item of the list too: its inputs are values of the outer segment, let go and
 * restored with it.
 *
 * Invariant: a segment lives as long as one of its nodes or inner segments may need it; each holds a reference to it, and it
 * points back without one. A replay is the other way round.
 */
#include <cotangent/custom.h>

#include <string.h>

#include "autograd/graph.h"
#include "tensor/script.h"

typedef struct ct__segment segment;

/* What the function recorded at one point. */
typedef struct item {
    const ct_op *op; /* NULL: an inner segment */
    ct__node *node;  /* NULL: gone, or no node */
    segment *inner;
} item;

struct ct__segment {
    int32_t refs;
    bool replay; /* holds its items, which do not point back */
    bool busy;   /* being computed again */
    bool let_go; /* the inputs are gone: those of an inner segment, as values of the outer one */
    ct_function f;
    void *context;
    int n_in, n_out;
    ct__random_state random;
    segment *outer;
    uint32_t outer_index;
    uint32_t n, room;
    item *items;
    size_t size; /* of this record */
    struct input {
        ct_tensor *x;
        ct__node *from; /* NULL: needs no gradient */
        uint32_t version;
        uint8_t slot;
    } in[];
};

/* ---- making and ending segments ---- */

static segment *segment_new(ct_function f, void *context, ct_tensor *const *in, int n_in, int n_out)
{
    const size_t size = sizeof(segment) + (size_t)n_in * sizeof(struct input);
    segment *s = ct__pool_get(size);
    if (!s) return ct__fail_memory("ct_checkpoint", size);
    *s = (segment){
        .refs = 1, .f = f, .context = context, .n_in = n_in, .n_out = n_out, .random = ct__random_save(), .size = size};
    for (int i = 0; i < n_in; i++) {
        s->in[i] = (struct input){.x = ct__retain(in[i]), .version = in[i]->storage->version, .slot = in[i]->slot};
        if (ct__needs(in[i])) s->in[i].from = ct__node_retain(ct__node_of(in[i]));
    }
    return s;
}

static void drop_inputs(segment *s)
{
    for (int i = 0; i < s->n_in; i++) {
        if (s->in[i].x) ct__release(s->in[i].x);
        s->in[i].x = NULL;
    }
}

static void segment_release(segment *s)
{
    if (--s->refs > 0) return;
    drop_inputs(s);
    for (int i = 0; i < s->n_in; i++) {
        if (s->in[i].from) ct__node_release(s->in[i].from);
    }
    for (uint32_t i = 0; s->replay && i < s->n; i++) {
        if (s->items[i].node) ct__node_release(s->items[i].node);
        if (s->items[i].inner) segment_release(s->items[i].inner);
    }
    if (s->outer) {
        s->outer->items[s->outer_index].inner = NULL;
        segment_release(s->outer);
    }
    if (s->items) ct__pool_put(s->items, s->room * sizeof *s->items);
    ct__pool_put(s, s->size);
}

static item *new_item(segment *s)
{
    if (s->n == s->room) {
        const uint32_t room = s->room ? 2 * s->room : 32;
        item *items = ct__pool_get(room * sizeof *items);
        if (!items) return ct__fail_memory("ct_checkpoint", room * sizeof *items);
        if (s->n) memcpy(items, s->items, s->n * sizeof *items);
        if (s->items) ct__pool_put(s->items, s->room * sizeof *items);
        s->items = items;
        s->room = room;
    }
    item *i = &s->items[s->n++];
    *i = (item){0};
    return i;
}

bool ct__segment_join(ct__node *n)
{
    segment *s = ct__ad.segment;
    item *i = new_item(s);
    if (!i) return false;
    *i = (item){.op = n->op, .node = n};
    if (s->replay) {
        ct__node_retain(n);
        return true;
    }
    n->segment = s;
    n->segment_index = s->n - 1;
    s->refs++;
    return true;
}

void ct__segment_leave(ct__node *n)
{
    segment *s = n->segment;
    s->items[n->segment_index].node = NULL;
    n->segment = NULL;
    segment_release(s);
}

/* An inner segment joins the one around it. */
static bool join_outer(segment *s, segment *outer)
{
    item *i = new_item(outer);
    if (!i) return false;
    i->inner = s;
    if (outer->replay) {
        s->refs++;
        return true;
    }
    s->outer = outer;
    s->outer_index = outer->n - 1;
    outer->refs++;
    return true;
}

static void let_go(segment *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        segment *inner = s->items[i].inner;
        if (s->items[i].node) ct__node_let_go(s->items[i].node);
        if (!inner) continue;
        drop_inputs(inner);
        inner->let_go = true;
    }
}

/* ---- computing again ---- */

static bool mismatch(uint32_t i, const char *now, const char *before)
{
    return ct__fail(CT_ERROR_GRAPH, "ct_checkpoint",
                    "computed again, the function did something else than before: its operation %u was %s and is %s",
                    (unsigned)i + 1, before, now);
}

static const char *title(const item *i) { return i->op ? ct__op_title(i->op) : "a checkpoint"; }

/* A value of the replay as one of the old graph, where it came from `from`. A new reference. */
static ct_tensor *attached(ct_tensor *x, ct__node *from, int slot)
{
    const ct__node *own = x->graph;
    if (own == from || (!from && !own->op)) return ct__retain(x); /* from outside */
    ct_tensor *y = ct__own(ct__tensor_bare(x));
    if (!y || !from) return y;
    ct__node_attach(y, ct__node_retain(from), slot);
    y->needs_grad = true;
    return y;
}

/* Did a fresh node come about as the old one did? */
static bool alike(uint32_t i, const ct__node *old, const ct__node *fresh)
{
    if (old->n_in != fresh->n_in) return mismatch(i, "one of another number of inputs", ct__node_title(old));
    for (int k = 0; k < ct__results(old); k++) {
        if (ct__kept_output(old, k) && !fresh->out[k].value) return mismatch(i, "one that a sweep has used up", ct__node_title(old));
    }
    for (int k = 0; k < old->n_out; k++) {
        const ct_shape before = ct__node_shape(old, k), now = ct__node_shape(fresh, k);
        if (!ct__shape_equal(before, now)) return mismatch(i, ct__describe_shape(now), ct__describe_shape(before));
    }
    for (int k = 0; k < old->n_in; k++) {
        const ct__input *a = &old->in[k], *b = &fresh->in[k];
        if (!a->from != !b->from)
            return mismatch(i, b->from ? "one that needs a gradient" : "one that needs no gradient", ct__node_title(old));
        if (a->was_kept && !b->kept) return mismatch(i, "one that a sweep has used up", ct__node_title(old));
        if (a->was_kept && a->version != b->version)
            return ct__fail(CT_ERROR_GRAPH, "ct_checkpoint",
                            "operand %d of %s, %s, was changed in place after that; its derivative needs the value of then",
                            k + 1, ct__node_title(old), ct__describe(b->kept));
    }
    return true;
}

static bool take_node(ct__node *old, const ct__node *fresh)
{
    for (int k = 0; k < old->n_in; k++) {
        ct__input *in = &old->in[k];
        if (!in->was_kept || in->kept) continue;
        in->kept = attached(fresh->in[k].kept, in->from, in->slot);
        if (!in->kept) return false;
    }
    for (int k = 0; k < ct__results(old); k++) {
        if (!ct__kept_output(old, k) || old->out[k].value) continue;
        old->out[k] = (ct__kept){.value = ct__retain(fresh->out[k].value), .version = fresh->out[k].version};
    }
    return true;
}

static bool take_inner(segment *old, const segment *fresh)
{
    for (int k = 0; k < old->n_in && old->let_go; k++) {
        old->in[k].x = attached(fresh->in[k].x, old->in[k].from, old->in[k].slot);
        old->in[k].version = fresh->in[k].version;
        if (!old->in[k].x) return false;
    }
    old->let_go = false;
    return true;
}

/* Moves the values of a replay to where they are missing, once all of it is known to fit. */
static bool take(segment *s, const segment *replay)
{
    for (uint32_t i = 0; i < s->n && i < replay->n; i++) {
        const item *old = &s->items[i], *fresh = &replay->items[i];
        if (old->op != fresh->op) return mismatch(i, title(fresh), title(old));
        if (old->node && !alike(i, old->node, fresh->node)) return false;
        if (old->inner && old->inner->n_in != fresh->inner->n_in) return mismatch(i, "one of other inputs", "a checkpoint");
    }
    if (s->n != replay->n)
        return s->n < replay->n ? mismatch(s->n, title(&replay->items[s->n]), "none")
                                : mismatch(replay->n, "none", title(&s->items[replay->n]));
    for (uint32_t i = 0; i < s->n; i++) {
        const item *old = &s->items[i], *fresh = &replay->items[i];
        if (old->node && !take_node(old->node, fresh->node)) return false;
        if (old->inner && !take_inner(old->inner, fresh->inner)) return false;
    }
    return true;
}

/* Calls a function whose results go to the scope around, as handles of their own. */
static bool call(ct_function f, void *context, ct_tensor *const *in, ct_tensor **out, int n_out)
{
    const bool failed = ct__self.failed;
    const int scope = ct__scope_begin();
    for (int i = 0; i < n_out; i++) out[i] = NULL;
    const int code = f(context, in, out);
    bool ok = failed || !ct__self.failed;
    if (ok && code) ok = ct__fail(CT_ERROR_USER, "ct_checkpoint", "the function returned %d", code);
    for (int i = 0; ok && i < n_out; i++) {
        if (!out[i]) ok = ct__fail(CT_ERROR_NULL, "ct_checkpoint", "the function left output %d unset", i + 1);
        else ok = (out[i] = ct_scope_return(ct_alias(out[i]))) != NULL;
    }
    ct__scope_end(scope);
    for (int i = 0; !ok && i < n_out; i++) out[i] = NULL; /* they were the scope's, or are now that around */
    return ok;
}

/* Runs the function again, into a list. */
static bool record_again(segment *s, segment *replay)
{
    const size_t bytes = ((size_t)s->n_in + (size_t)s->n_out) * sizeof(ct_tensor *) + 1;
    ct_tensor **in = ct__pool_get(bytes), **out = in + s->n_in;
    if (!in) return ct__fail_memory("ct_checkpoint", bytes);
    for (int i = 0; i < s->n_in; i++) in[i] = s->in[i].x;
    const ct__autograd_state before = ct__ad;
    const ct__random_state random = ct__random_save();
    const int scope = ct__scope_begin();
    ct__random_restore(s->random);
    ct__ad.grad_off = ct__ad.tracing = false;
    ct__ad.active = 0;
    ct__ad.at = NULL;
    ct__ad.rule = NULL;
    ct__ad.segment = replay;
    const bool ok = call(s->f, s->context, in, out, s->n_out);
    ct__ad.grad_off = before.grad_off;
    ct__ad.tracing = before.tracing;
    ct__ad.active = before.active;
    ct__ad.at = before.at;
    ct__ad.rule = before.rule;
    ct__ad.segment = before.segment;
    ct__random_restore(random);
    ct__scope_end(scope);
    ct__pool_put(in, bytes);
    return ok;
}

static bool inputs_unchanged(const segment *s)
{
    for (int i = 0; i < s->n_in; i++) {
        if (s->in[i].x->storage->version != s->in[i].version)
            return ct__fail(CT_ERROR_GRAPH, "ct_checkpoint",
                            "input %d, %s, was changed in place after that; its function cannot be computed again", i + 1,
                            ct__describe(s->in[i].x));
    }
    return true;
}

static bool restore(segment *s)
{
    if (s->busy) return ct__fail(CT_ERROR_GRAPH, "ct_checkpoint", "the function sweeps the graph that it is part of");
    s->busy = true;
    s->refs++;
    bool ok = (!s->let_go || restore(s->outer)) && inputs_unchanged(s);
    segment *replay = ok ? segment_new(s->f, s->context, NULL, 0, s->n_out) : NULL;
    if (replay) replay->replay = true;
    ok = replay && record_again(s, replay) && take(s, replay);
    if (replay) segment_release(replay);
    s->busy = false;
    segment_release(s);
    return ok;
}

bool ct__segment_restore(ct__node *n)
{
    bool gone = false;
    for (int i = 0; i < n->n_in; i++) gone = gone || (n->in[i].was_kept && !n->in[i].kept);
    for (int i = 0; i < ct__results(n); i++) gone = gone || (ct__kept_output(n, i) && !n->out[i].value);
    return !gone || restore(n->segment);
}

/* ---- the public function ---- */

static bool check(ct_function f, ct_tensor *const *in, int n_in, ct_tensor **out, int n_out)
{
    if (!f || (!in && n_in > 0) || (!out && n_out > 0)) return ct__fail_null("ct_checkpoint", !f ? "f" : !in ? "in" : "out");
    if (n_in < 0 || n_out < 1)
        return ct__fail(CT_ERROR_VALUE, "ct_checkpoint", "%d inputs and %d outputs; expected 0 and 1 at least", n_in, n_out);
    if (!ct__unscripted("ct_checkpoint", "nothing is let go: call the function itself")) return false;
    for (int i = 0; i < n_in; i++) {
        if (!ct__check("ct_checkpoint", "in[]", in[i])) return false;
    }
    return true;
}

static bool record(ct_function f, void *context, ct_tensor *const *in, int n_in, ct_tensor **out, int n_out)
{
    segment *s = segment_new(f, context, in, n_in, n_out), *outer = ct__ad.segment;
    if (!s) return false;
    ct__ad.segment = s;
    const bool ok = call(f, context, in, out, n_out);
    ct__ad.segment = outer;
    if (ok) let_go(s);
    const bool joined = !ok || !outer || join_outer(s, outer);
    segment_release(s);
    return ok && joined;
}

bool ct_checkpoint(ct_function f, void *context, ct_tensor *const *in, int n_in, ct_tensor **out, int n_out)
{
    enum { FEW = 8 };
    ct_tensor *few[FEW], **own = NULL; /* in[] may be out[] */
    bool ok = check(f, in, n_in, out, n_out);
    if (ok) own = n_in <= FEW ? few : ct__pool_get((size_t)n_in * sizeof *own);
    if (ok && !own) ok = ct__fail_memory("ct_checkpoint", (size_t)n_in * sizeof *own);
    for (int i = 0; ok && i < n_in; i++) own[i] = in[i];
    for (int i = 0; out && i < n_out; i++) out[i] = NULL;
    const bool plain = ct__ad.grad_off || ct__ad.active;
    if (ok) ok = plain ? call(f, context, own, out, n_out) : record(f, context, own, n_in, out, n_out);
    if (own && own != few) ct__pool_put(own, (size_t)n_in * sizeof *own);
    return ok;
}
