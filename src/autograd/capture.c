/*
 * capture.c - capturing a step and replaying it; what a script notes of operations, derivatives and leaves.
 *
 * An operation's record says what it reads, writes and computes, so a call of it is an action as it stands: its operands, its results
 * and its parameters. A derivative by an operation's fused function is one too, with all tensors that the function makes in a supply.
 * Rules, sums of gradients and views come down to these.
 *
 * A leaf gets its gradient by an action that does what the end of a sweep does. Its gradient may be the script's own memory, which the next
 * replay writes over; so where it was not spent, the replay first gives the leaf a copy.
 */
#include <cotangent/capture.h>

#include <string.h>

#include "autograd/captured.h"
#include "autograd/sweep.h"

struct ct_captured {
    ct__script *script;
    int64_t replays;
    bool busy;
};

/* ---- operations ---- */

/* A call as a record has it: its tensors first, which each replay reads; then the call itself, and what it points at. */
static size_t rounded(size_t bytes) { return (bytes + 15) / 16 * 16; }
static size_t tensors_of(const ct_call *c) { return rounded((size_t)(c->n_in + c->n_out) * sizeof(ct_tensor *)); }
static size_t size_of(const ct_call *c)
{
    size_t bytes = tensors_of(c) + rounded(sizeof *c) + rounded(c->params ? c->op->params : 0);
    if (c->in_shapes) bytes += (size_t)c->n_in * sizeof(ct_shape);
    if (c->out_shapes) bytes += (size_t)c->n_out * sizeof(ct_shape);
    return bytes;
}

/* Its results are filled in by the caller. */
static ct_call *note_call(void *room, const ct_call *c)
{
    ct_tensor **out = room, **in = out + c->n_out;
    char *at = (char *)room + tensors_of(c);
    ct_call *own = memcpy(at, c, sizeof *c);
    at += rounded(sizeof *c);
    own->in = in;
    own->out = out;
    for (int i = 0; i < c->n_in; i++) in[i] = c->in[i] ? ct__script_reads(c->in[i]) : NULL;
    if (c->params) own->params = memcpy(at, c->params, c->op->params);
    at += rounded(c->params ? c->op->params : 0);
    if (c->in_shapes) own->in_shapes = memcpy(at, c->in_shapes, (size_t)c->n_in * sizeof(ct_shape));
    at += c->in_shapes ? (size_t)c->n_in * sizeof(ct_shape) : 0;
    if (c->out_shapes) own->out_shapes = memcpy(at, c->out_shapes, (size_t)c->n_out * sizeof(ct_shape));
    return own;
}

typedef struct calling {
    const ct_call *c;
} calling;

static bool forward_again(void *record)
{
    const ct_call *c = ((const calling *)record)->c;
    ct__self.count.operations++;
    return c->op->forward(c);
}

bool ct__capture_forward(const ct_call *c)
{
    ct__script *s = ct__script_pause();
    const bool ok = c->op->forward(c);
    ct__self.script = s;
    calling *to = ok ? ct__script_add(forward_again, sizeof *to + size_of(c)) : NULL;
    if (!to) return false;
    ct_call *own = note_call(to + 1, c);
    to->c = own;
    for (int i = 0; i < c->n_out; i++) own->out[i] = ct__script_writes(c->out[i]);
    return !ct__self.failed;
}

/* ---- derivatives ---- */

typedef struct deriving {
    const ct_call *c;
    ct__supply supply;
    unsigned need;
    ct_tensor *g[CT__MAX_OUTPUTS];
} deriving;

static bool derive(deriving *d, ct_tensor *const *g, ct_tensor **gx)
{
    ct__supply *before = ct__self.supply;
    ct__self.supply = &d->supply;
    const bool ok = d->c->op->fused(d->c, g, d->need, gx);
    ct__self.supply = before;
    return ok;
}

static bool derive_again(void *record)
{
    deriving *d = record;
    ct_tensor *gx[CT__MAX_INPUTS] = {NULL};
    const int scope = ct__scope_begin();
    d->supply.next = 0;
    const bool ok = derive(d, d->g, gx);
    for (int i = 0; i < CT__MAX_INPUTS; i++) {
        if (gx[i]) ct__release(ct__own(gx[i]));
    }
    ct__scope_end(scope);
    return ok;
}

static void derive_drop(void *record) { ct__supply_free(&((deriving *)record)->supply); }

bool ct__capture_fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    const int outputs = ct__outputs(c);
    const bool over = outputs == 1 && !ct__ad.watching && ct__script_only(g[0]);
    deriving *d = ct__script_add(derive_again, sizeof *d + size_of(c));
    if (!d) return false;
    ct__script_drop(derive_drop);
    ct_call *own = note_call(d + 1, c);
    own->over = over;
    d->c = own;
    d->need = need;
    for (int i = 0; i < c->n_out; i++) {
        d->g[i] = i < outputs && g[i] ? ct__script_reads(g[i]) : NULL;
        own->out[i] = c->out[i] ? ct__script_reads(c->out[i]) : NULL;
    }
    if (ct__self.failed) return false;
    ct__script *s = ct__script_pause();
    const bool ok = derive(d, g, gx);
    ct__self.script = s;
    ct__supply_close(&d->supply);
    return ok && !ct__self.failed;
}

/* ---- chains ---- */

typedef struct chaining {
    ct__chain chain;
    int64_t count;
    ct_dtype dtype;
} chaining;

static bool chain_again(void *record)
{
    const chaining *a = record;
    ct__chain_run(&a->chain, a->dtype, a->count);
    return true;
}

void ct__capture_chain(const ct__chain *chain, ct_dtype dtype, int64_t count)
{
    ct__script *s = ct__script_pause();
    ct__chain_run(chain, dtype, count);
    ct__self.script = s;
    chaining *a = ct__script_add(chain_again, sizeof *a);
    if (!a) return;
    *a = (chaining){*chain, count, dtype};
    for (int k = 0; k < chain->steps; k++) { /* before the reads: what is written here was not there before */
        for (int i = 0; i < chain->step[k].outputs; i++) {
            ct_tensor *t = chain->tensor[chain->step[k].operand[i]];
            if (t) ct__script_writes(t);
        }
    }
    for (int r = 0; r < chain->registers; r++) a->chain.tensor[r] = chain->tensor[r] ? ct__script_reads(chain->tensor[r]) : NULL;
}

/* ---- leaves ---- */

typedef struct collecting {
    ct__node *leaf;
    ct_tensor *g;
    ct_tensor *before, *sum; /* what the leaf had got in the step before that, and the two together; NULL: nothing */
    bool zero;               /* g is, and need not be added */
} collecting;

static bool has_memory_of(const ct__node *leaf, const ct_tensor *g) { return leaf->grad && g && leaf->grad->storage == g->storage; }

static bool collect_again(void *record)
{
    const collecting *a = record;
    ct__node *leaf = a->leaf;
    if (leaf->spent) {
        leaf->spent = false;
        if (leaf->grad == a->g) return true;
        ct__drop_grad(leaf);
    }
    if (!leaf->grad) {
        leaf->grad = ct__retain(a->g);
    } else if (a->before && has_memory_of(leaf, a->before)) {
        ct__drop_grad(leaf);
        leaf->grad = ct__retain(a->sum);
    } else if (!a->zero) {
        leaf->grad = ct__grad_sum(leaf->grad, a->g, true);
    }
    return leaf->grad != NULL;
}

/* The leaf keeps what it has, apart from the script's memory, which is about to be written over. */
static bool set_apart(void *record)
{
    const collecting *a = record;
    ct__node *leaf = a->leaf;
    if (leaf->spent || !(has_memory_of(leaf, a->g) || has_memory_of(leaf, a->sum))) return true;
    ct_tensor *copy = ct__own(ct__tensor_like("ct_replay", leaf->grad, (ct_dtype)leaf->grad->dtype));
    if (!copy) return false;
    ct__copy(copy, leaf->grad);
    ct__drop_grad(leaf);
    leaf->grad = copy;
    return true;
}

static void leaf_drop(void *record) { ct__node_release(((collecting *)record)->leaf); }

static collecting *add_for(ct__node *leaf, ct__act act, bool first)
{
    collecting *a = first ? ct__script_add_first(act, sizeof *a) : ct__script_add(act, sizeof *a);
    if (!a) return NULL;
    a->leaf = ct__node_retain(leaf);
    ct__script_drop(leaf_drop);
    return a;
}

/* The leaf will have it. */
static ct_tensor *pinned(ct_tensor *g)
{
    ct_tensor *held = ct__script_reads(g);
    if (held) ct__script_pin(held);
    return held;
}

bool ct__capture_collect(ct__node *leaf, ct_tensor *g)
{
    const bool zero = !g;
    if (!zero && leaf->grad && !(leaf->grad->storage->scripted & CT__MADE))
        return ct__fail(CT_ERROR_GRAPH, "ct_capture",
                        "a leaf of shape %s has a gradient from before the step, which would be added to: ct_zero_grad in the step, or "
                        "before it", ct__describe_shape(*ct__node_out_shapes(leaf)));
    ct_tensor *given = zero ? ct__zero_grad_of(leaf) : ct__retain(g);
    collecting *a = given ? add_for(leaf, collect_again, false) : NULL, *first = a ? add_for(leaf, set_apart, true) : NULL;
    if (first) {
        a->zero = zero;
        a->g = first->g = pinned(given);
        if (!leaf->grad) {
            leaf->grad = ct__retain(given);
        } else if (!zero) {
            a->before = pinned(leaf->grad);
            leaf->grad = ct__grad_sum(leaf->grad, given, false);
            a->sum = first->sum = leaf->grad ? pinned(leaf->grad) : NULL;
        }
    }
    if (given) ct__release(given);
    return !ct__self.failed;
}

static bool drop_again(void *record) { return ct__drop_grad(((collecting *)record)->leaf), true; }

static bool spend_again(void *record)
{
    ct__node *leaf = ((collecting *)record)->leaf;
    leaf->spent = leaf->grad != NULL;
    return true;
}

void ct__capture_grad_change(ct__node *leaf, bool spent) { add_for(leaf, spent ? spend_again : drop_again, false); }

/* ---- calls of the user's functions ---- */

typedef struct visit {
    int (*f)(void *context);
    void *context;
    size_t bytes;
    bool recording; /* of graphs, at that place of the step */
    _Alignas(16) char copy[];
} visit;

static bool call(const char *operation, int (*f)(void *context), void *context)
{
    const int code = f(context);
    if (ct__self.failed) return false;
    return !code || ct__fail(CT_ERROR_USER, operation, "the function returned %d", code);
}

static bool visit_again(void *record)
{
    visit *v = record;
    const bool before = ct_grad_mode(v->recording), ok = call("ct_on_replay", v->f, v->bytes ? v->copy : v->context);
    ct_grad_mode(before);
    return ok;
}

bool ct_on_replay(int (*f)(void *context), void *context, size_t bytes)
{
    if (!f || (bytes && !context)) return ct__fail_null("ct_on_replay", f ? "context" : "f");
    if (!ct__may_change()) return false;
    if (!ct__self.script) return call("ct_on_replay", f, context);
    visit *v = ct__script_add(visit_again, sizeof *v + bytes);
    if (!v) return false;
    *v = (visit){.f = f, .context = context, .bytes = bytes, .recording = !ct__ad.grad_off};
    if (bytes) memcpy(v->copy, context, bytes);
    ct__script *s = ct__script_pause();
    const bool ok = visit_again(v);
    ct__self.script = s;
    return ok;
}

bool ct_capturing(void) { return ct__self.script != NULL; }

/* ---- the public functions ---- */

ct_captured *ct_capture(int (*step)(void *context), void *context)
{
    if (!step) return ct__fail_null("ct_capture", "step");
    if (!ct__may_change() || !ct__unscripted("ct_capture", "another one cannot be captured")) return NULL;
    ct_captured *captured = ct__slab_get(sizeof *captured);
    ct__script *s = captured ? ct__script_begin() : ct__fail_memory("ct_capture", sizeof *captured);
    if (!s) {
        if (captured) ct__slab_put(captured, sizeof *captured);
        return NULL;
    }
    *captured = (ct_captured){.script = s};
    const int scope = ct__scope_begin();
    const bool ok = call("ct_capture", step, context);
    ct__scope_end(scope);
    ct__script_end(s, ok);
    if (ok && !ct__self.failed) return captured;
    ct_captured_free(captured);
    return NULL;
}

bool ct_replay(ct_captured *captured)
{
    if (!captured) return ct__fail_null("ct_replay", "captured");
    if (!ct__may_change() || !ct__unscripted("ct_replay", "another one cannot be replayed")) return false;
    if (captured->busy) return ct__fail(CT_ERROR_GRAPH, "ct_replay", "the step is being replayed");
    captured->busy = true;
    const int scope = ct__scope_begin();
    const bool ok = ct__script_run(captured->script);
    ct__scope_end(scope);
    captured->busy = false;
    captured->replays += ok;
    return ok;
}

void ct_captured_free(ct_captured *captured)
{
    if (!captured) return;
    ct__script_free(captured->script);
    ct__slab_put(captured, sizeof *captured);
}

ct_captured_info ct_captured_info_of(const ct_captured *captured)
{
    if (!captured) return (ct_captured_info){0};
    return (ct_captured_info){.actions = ct__script_actions(captured->script), .replays = captured->replays};
}
