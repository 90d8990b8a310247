/*
 * inspect.c - names, and the graph behind some tensors as data.
 *
 * Nodes are found by a walk in depth with a stack of its own, an operation's deepest operand first; a node comes after its
 * operands, and a leaf just before its first use. Nothing is written to the nodes: their numbers stand in a table beside
 * them. The result is made of copies, in chunks of memory that it owns.
 */
#include "autograd/inspect.h"

#include "autograd/graph.h"

#include <string.h>

/* ---- names ---- */

static ct__label **label_of(ct__node *n, int slot)
{
    ct__label **at = &n->labels;
    while (*at && (*at)->slot != slot) at = &(*at)->next;
    return at;
}

ct_tensor *ct_set_name(ct_tensor *t, const char *name)
{
    if (!ct__check("ct_set_name", "t", t)) return NULL;
    ct__node *n = t->graph;
    const size_t length = name ? strlen(name) : 0, size = sizeof(ct__label) + length + 1;
    if (!n && !length) return t;
    if (!n && !(n = ct__node_leaf(t, false))) return NULL;
    ct__label *label = length ? ct__pool_get(size) : NULL, **at = label_of(n, t->slot), *old = *at;
    if (length && !label) return ct__fail_memory("ct_set_name", size);
    if (old) {
        *at = old->next;
        ct__pool_put(old, old->size);
    }
    if (!label) return t;
    *label = (ct__label){.next = n->labels, .size = size, .slot = t->slot};
    memcpy(label->text, name, length + 1);
    n->labels = label;
    return t;
}

static const char *name_in(const ct__node *n, int slot)
{
    for (const ct__label *l = n ? n->labels : NULL; l; l = l->next) {
        if (l->slot == slot) return l->text;
    }
    return NULL;
}

const char *ct_name_of(const ct_tensor *t) { return ct__check("ct_name_of", "t", t) ? name_in(t->graph, t->slot) : NULL; }

/* ---- the memory of a graph ---- */

typedef struct chunk {
    struct chunk *next;
    size_t bytes, used;
} chunk;

typedef struct whole {
    ct_graph graph; /* first: what the user holds */
    chunk *chunks;
    bool failed; /* out of memory */
} whole;

enum { CHUNK = 1 << 16, HEAD = (sizeof(chunk) + 15) / 16 * 16 };

/* Zeroed memory that lives as long as the graph. */
static void *take(whole *w, size_t bytes)
{
    bytes = (bytes + 15) / 16 * 16;
    if (!w->chunks || w->chunks->bytes - w->chunks->used < bytes) {
        const size_t size = bytes + HEAD > CHUNK ? bytes + HEAD : CHUNK;
        chunk *c = ct__pool_get(size);
        if (!c) w->failed = true;
        if (!c) return ct__fail_memory("ct_graph_of", size);
        *c = (chunk){.next = w->chunks, .bytes = size, .used = HEAD};
        w->chunks = c;
    }
    void *here = (char *)w->chunks + w->chunks->used;
    w->chunks->used += bytes;
    return memset(here, 0, bytes);
}

static const char *copy_text(whole *w, const char *text)
{
    char *copy = text ? take(w, strlen(text) + 1) : NULL;
    return copy ? strcpy(copy, text) : NULL;
}

static const ct_shape *copy_shape(whole *w, ct_shape s)
{
    ct_shape *copy = take(w, sizeof s);
    if (copy) copy->rank = s.rank;
    for (int i = 0; copy && i < s.rank; i++) copy->dim[i] = s.dim[i];
    return copy;
}

void ct_graph_free(ct_graph *graph)
{
    whole *w = (whole *)graph;
    chunk *c = w ? w->chunks : NULL;
    while (c) { /* the last one holds the graph itself */
        chunk *next = c->next;
        ct__pool_put(c, c->bytes);
        c = next;
    }
}

/* ---- a table of addresses ---- */

typedef struct table {
    struct {
        const void *key;
        int value;
    } *at;
    size_t room, n; /* room: a power of 2, at most half of it used */
} table;

static size_t place_in(const table *t, const void *key)
{
    size_t i = ((uintptr_t)key >> 4) * (size_t)0x9E3779B97F4A7C15u >> 20 & (t->room - 1);
    while (t->at[i].key && t->at[i].key != key) i = (i + 1) & (t->room - 1);
    return i;
}

static void table_free(table *t)
{
    if (t->at) ct__pool_put(t->at, t->room * sizeof *t->at);
}

static bool table_grow(table *t)
{
    table larger = {.room = t->room ? 2 * t->room : 256, .n = t->n};
    larger.at = ct__pool_get(larger.room * sizeof *larger.at);
    if (!larger.at) return ct__fail_memory("ct_graph_of", larger.room * sizeof *larger.at);
    memset(larger.at, 0, larger.room * sizeof *larger.at);
    for (size_t i = 0; i < t->room; i++) {
        if (t->at[i].key) larger.at[place_in(&larger, t->at[i].key)] = t->at[i];
    }
    table_free(t);
    *t = larger;
    return true;
}

/* The value at a key, which is put in as 0 where it is new; NULL with an error. */
static int *table_at(table *t, const void *key, bool *new)
{
    if (2 * t->n >= t->room && !table_grow(t)) return NULL;
    const size_t i = place_in(t, key);
    *new = !t->at[i].key;
    t->at[i].key = key;
    t->n += *new;
    return &t->at[i].value;
}

static int index_of(const table *t, const ct__node *n) { return n ? t->at[place_in(t, n)].value : -1; }

/* ---- the walk ---- */

typedef struct step {
    ct__node *node;
    int next; /* the operand to go to; -1: the deepest first */
} step;

typedef struct walk {
    step *stack;
    size_t depth, stack_room;
    ct__node **order;
    size_t n, order_room;
    table seen; /* node: its place in order */
} walk;

void *ct__room_for_more(void *array, size_t *room, size_t n, size_t size)
{
    if (n < *room) return array;
    const size_t larger = *room ? 2 * *room : 256;
    void *to = ct__pool_get(larger * size);
    if (!to) return ct__fail_memory("ct_graph_of", larger * size);
    if (*room) memcpy(to, array, n * size);
    if (*room) ct__pool_put(array, *room * size);
    *room = larger;
    return to;
}

static bool enter(walk *w, ct__node *n)
{
    bool new = false;
    if (!n) return true;
    if (!table_at(&w->seen, n, &new)) return false;
    if (!new) return true;
    step *stack = ct__room_for_more(w->stack, &w->stack_room, w->depth, sizeof *stack);
    if (!stack) return false;
    w->stack = stack;
    w->stack[w->depth++] = (step){.node = n, .next = -1};
    return true;
}

static bool leave(walk *w, ct__node *n)
{
    bool new;
    ct__node **order = ct__room_for_more(w->order, &w->order_room, w->n, sizeof *order);
    if (!order) return false;
    w->order = order;
    *table_at(&w->seen, n, &new) = (int)w->n;
    w->order[w->n++] = n;
    return true;
}

static ct__node *deepest(const ct__node *n)
{
    ct__node *best = NULL;
    for (int i = 0; i < n->n_in; i++) {
        ct__node *from = n->in[i].from;
        if (from && (!best || from->number > best->number)) best = from;
    }
    return best;
}

static bool walk_from(walk *w, ct__node *output)
{
    bool ok = enter(w, output);
    while (ok && w->depth) {
        step *s = &w->stack[w->depth - 1];
        const int next = s->next++;
        if (next < 0) {
            ok = enter(w, deepest(s->node));
        } else if (next < s->node->n_in) {
            ok = enter(w, s->node->in[next].from);
        } else {
            w->depth--;
            ok = leave(w, s->node);
        }
    }
    return ok;
}

static void walk_free(walk *w)
{
    if (w->stack) ct__pool_put(w->stack, w->stack_room * sizeof *w->stack);
    if (w->order) ct__pool_put(w->order, w->order_room * sizeof *w->order);
    table_free(&w->seen);
}

/* ---- what is written down of a node ---- */

static ct_vjp_rule rule_of(const ct_op *op, int i) { return op->vjp[op->inputs == CT__VARIADIC ? 0 : i]; }

/* A constant is as good as its value where it has only one. */
static const double *value_of(whole *w, const ct_tensor *x)
{
    bool one = x->count > 0;
    for (int i = 0; i < x->rank; i++) one = one && (x->dim[i] == 1 || x->stride[i] == 0);
    double *value = one ? take(w, sizeof *value) : NULL;
    if (value) *value = ct__load(x->data, x->dtype);
    return value;
}

static void note_input(whole *w, const walk *found, const ct__node *n, int i, ct_graph_input *to)
{
    const ct__input *x = &n->in[i];
    *to = (ct_graph_input){.node = index_of(&found->seen, x->from), .output = x->slot, .kept = x->kept, .dtype = n->dtype};
    to->zero = x->from && rule_of(n->op, i) == ct__vjp_zero;
    to->slope = ct__engine.slope_text(n->op, i);
    if (x->from) {
        const ct_graph_node *from = &w->graph.node[to->node];
        to->shape = &from->shape[x->slot];
        to->dtype = x->kept ? x->kept->dtype : from->dtype;
        to->name = x->slot ? copy_text(w, name_in(x->from, x->slot)) : from->name;
    } else if (x->kept) {
        to->shape = copy_shape(w, ct__shape(x->kept));
        to->dtype = x->kept->dtype;
        to->name = copy_text(w, name_in(x->kept->graph, x->kept->slot));
        to->value = value_of(w, x->kept);
    } else if (n->in_shapes) {
        to->shape = copy_shape(w, ct__node_in_shapes(n)[i]);
    }
}

/* Counts a kept value; its storage counts for the whole graph where it is met for the first time. */
static bool note_kept(whole *w, table *storages, ct_graph_node *to, const ct_tensor *kept)
{
    bool new = false;
    if (!table_at(storages, kept->storage, &new)) return false;
    to->kept++;
    to->kept_bytes += (int64_t)kept->storage->bytes;
    if (new) w->graph.kept_bytes += (int64_t)kept->storage->bytes;
    return true;
}

static bool note_node(whole *w, const walk *found, table *storages, const ct__node *n, ct_graph_node *to)
{
    const int outputs = n->n_out - (n->op ? n->op->saved : 0); /* what a custom operation saved comes after its results */
    ct_shape *shapes = take(w, n->n_out * sizeof *shapes);
    ct_graph_input *inputs = n->n_in ? take(w, (size_t)n->n_in * sizeof *inputs) : NULL;
    if (!shapes || (n->n_in && !inputs)) return false;
    *to = (ct_graph_node){.operation = n->op ? copy_text(w, n->op->name) : "leaf", .name = copy_text(w, name_in(n, 0)),
                          .file = n->file, .line = n->line, .leaf = !n->op, .collects = n->collects, .outputs = outputs,
                          .shape = shapes, .dtype = n->dtype, .inputs = n->n_in, .input = inputs};
    for (int i = 0; i < n->n_out; i++) shapes[i] = ct__node_shape(n, i);
    bool ok = true;
    for (int i = 0; ok && i < n->n_in; i++) {
        note_input(w, found, n, i, &inputs[i]);
        to->released = to->released || (n->in[i].was_kept && !n->in[i].kept && !n->segment);
        if (n->in[i].kept) ok = note_kept(w, storages, to, n->in[i].kept);
    }
    for (int i = 0; ok && n->out && i < ct__results(n); i++) {
        to->released = to->released || (ct__kept_output(n, i) && !n->out[i].value && !n->segment);
        to->kept_results += n->out[i].value != NULL;
        if (n->out[i].value) ok = note_kept(w, storages, to, n->out[i].value);
    }
    return ok && !w->failed;
}

static whole *write_down(const walk *found, ct_tensor *const *outputs, int count)
{
    whole start = {0}, *w = take(&start, sizeof *w);
    if (!w) return NULL;
    w->chunks = start.chunks;
    table storages = {0};
    ct_graph_node *nodes = take(w, found->n * sizeof *nodes);
    ct_graph_output *output = nodes ? take(w, (size_t)count * sizeof *output) : NULL;
    bool ok = output;
    w->graph.node = nodes;
    w->graph.output = output;
    for (size_t i = 0; ok && i < found->n; i++) {
        ok = note_node(w, found, &storages, found->order[i], &nodes[i]);
        w->graph.count++;
    }
    for (int i = 0; ok && i < count; i++) {
        const bool known = ct__needs(outputs[i]);
        output[i].node = known ? index_of(&found->seen, outputs[i]->graph) : -1;
        output[i].output = known ? outputs[i]->slot : 0;
    }
    w->graph.outputs = count;
    table_free(&storages);
    if (ok) return w;
    ct_graph_free(&w->graph);
    return NULL;
}

ct_graph *ct__graph_of(const char *operation, ct_tensor *const *outputs, int count)
{
    if (!outputs) return ct__fail_null(operation, "outputs");
    if (count < 1) return ct__fail(CT_ERROR_VALUE, operation, "%d outputs; expected at least 1", count);
    for (int i = 0; i < count; i++) {
        if (!ct__check(operation, "outputs[]", outputs[i])) return NULL;
    }
    walk w = {0};
    bool ok = true;
    for (int i = 0; ok && i < count; i++) ok = !ct__needs(outputs[i]) || walk_from(&w, outputs[i]->graph);
    if (ok && !w.n)
        ok = ct__fail(CT_ERROR_GRAPH, operation,
                      "%s does not depend on any tensor that needs a gradient (ct_requires_grad, or inside CT_NO_GRAD?)",
                      count == 1 ? ct__describe(outputs[0]) : "no output");
    whole *all = ok ? write_down(&w, outputs, count) : NULL;
    walk_free(&w);
    if (!all) ct__rename_error("ct_graph_of", operation);
    return all ? &all->graph : NULL;
}

ct_graph *ct_graph_of(ct_tensor *const *outputs, int count) { return ct__graph_of("ct_graph_of", outputs, count); }
