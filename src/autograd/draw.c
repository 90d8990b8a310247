/*
 * draw.c - what is drawn: boxes, and arrows into each from earlier ones.
 *
 * Forward, a box is a node. Backward, a node becomes a sum for each output that several gradients reach, and then its
 * derivative, or the leaf that collects. Gradients wait at their node as contributions until the walk reaches it.
 */
#include "autograd/inspect.h"

static bool add_box(ct__drawing *d, ct__box box)
{
    ct__box *boxes = ct__room_for_more(d->box, &d->box_room, (size_t)d->boxes, sizeof box);
    if (!boxes) return false;
    d->box = boxes;
    box.first_arrow = d->arrows;
    d->box[d->boxes++] = box;
    return true;
}

/* An arrow into the last box. */
static bool add_arrow(ct__drawing *d, ct__arrow arrow)
{
    ct__arrow *arrows = ct__room_for_more(d->arrow, &d->arrow_room, (size_t)d->arrows, sizeof arrow);
    if (!arrows) return false;
    d->arrow = arrows;
    d->arrow[d->arrows++] = arrow;
    d->box[d->boxes - 1].arrows++;
    return true;
}

/* ---- forward ---- */

static bool forward(ct__drawing *d)
{
    const ct_graph *g = d->graph;
    bool ok = true;
    for (int i = 0; ok && i < g->count; i++) {
        const ct_graph_node *n = &g->node[i];
        ok = add_box(d, (ct__box){.kind = n->leaf ? CT__BOX_LEAF : CT__BOX_OPERATION, .node = i});
        for (int k = 0; ok && k < n->inputs; k++) {
            if (n->input[k].node >= 0) ok = add_arrow(d, (ct__arrow){.from = n->input[k].node, .input = k});
        }
    }
    for (int i = 0; ok && i < g->outputs; i++) {
        if (g->output[i].node >= 0) d->box[g->output[i].node].end = true;
    }
    return ok;
}

/* ---- backward ---- */

/* A gradient on its way to an output of a node. */
typedef struct contribution {
    int next; /* to the same node, -1: none */
    int output;
    ct__arrow arrow;
} contribution;

typedef struct waiting {
    contribution *list;
    int *first, *last; /* of each node; -1: none */
    int n, room, nodes;
} waiting;

static void put(waiting *w, int node, int output, ct__arrow arrow)
{
    w->list[w->n] = (contribution){.next = -1, .output = output, .arrow = arrow};
    if (w->first[node] < 0) w->first[node] = w->n;
    else w->list[w->last[node]].next = w->n;
    w->last[node] = w->n++;
}

/* The contributions to one output as arrows into the last box: those that are zero, or those that are not. */
static bool add_arrows(ct__drawing *d, const waiting *w, int node, int output, bool zero)
{
    for (int i = w->first[node]; i >= 0; i = w->list[i].next) {
        const contribution *c = &w->list[i];
        if (c->output == output && c->arrow.zero == zero && !add_arrow(d, c->arrow)) return false;
    }
    return true;
}

static int count_arrows(const waiting *w, int node, int output)
{
    int n = 0;
    for (int i = w->first[node]; i >= 0; i = w->list[i].next) n += w->list[i].output == output && !w->list[i].arrow.zero;
    return n;
}

/* The boxes of one node: sums, then what happens with the gradient. */
static bool go_back(ct__drawing *d, waiting *w, int node)
{
    const ct_graph_node *n = &d->graph->node[node];
    const int first_sum = d->boxes;
    bool ok = true, zero = true;
    for (int k = 0; ok && k < n->outputs; k++) {
        const int gradients = count_arrows(w, node, k);
        zero = zero && !gradients;
        if (gradients < 2) continue;
        ok = add_box(d, (ct__box){.kind = CT__BOX_SUM, .node = node, .output = k}) && add_arrows(d, w, node, k, false);
    }
    const int sums = d->boxes - first_sum;
    ok = ok && add_box(d, (ct__box){.kind = n->leaf ? CT__BOX_COLLECT : CT__BOX_RULE, .node = node});
    for (int i = 0; ok && i < sums; i++) ok = add_arrow(d, (ct__arrow){.from = first_sum + i, .input = -1});
    for (int k = 0; ok && k < n->outputs; k++) {
        if (count_arrows(w, node, k) == 1) ok = add_arrows(d, w, node, k, false);
        ok = ok && add_arrows(d, w, node, k, true);
    }
    for (int k = 0; ok && k < n->inputs; k++) {
        const ct_graph_input *x = &n->input[k];
        if (x->node >= 0) put(w, x->node, x->output, (ct__arrow){.from = d->boxes - 1, .input = k, .zero = zero || x->zero});
    }
    return ok;
}

static bool waiting_new(waiting *w, const ct_graph *g)
{
    *w = (waiting){.room = g->outputs, .nodes = g->count};
    for (int i = 0; i < g->count; i++) w->room += g->node[i].inputs;
    w->list = ct__pool_get((size_t)w->room * sizeof *w->list);
    w->first = ct__pool_get((size_t)g->count * sizeof *w->first);
    w->last = ct__pool_get((size_t)g->count * sizeof *w->last);
    for (int i = 0; w->first && i < g->count; i++) w->first[i] = -1;
    return (w->list && w->first && w->last) || ct__fail_memory("ct_graph_of", (size_t)w->room * sizeof *w->list);
}

static void waiting_free(waiting *w)
{
    if (w->list) ct__pool_put(w->list, (size_t)w->room * sizeof *w->list);
    if (w->first) ct__pool_put(w->first, (size_t)w->nodes * sizeof *w->first);
    if (w->last) ct__pool_put(w->last, (size_t)w->nodes * sizeof *w->last);
}

static bool backward(ct__drawing *d)
{
    const ct_graph *g = d->graph;
    waiting w;
    bool ok = waiting_new(&w, g);
    for (int i = 0; ok && i < g->outputs; i++) {
        const ct_graph_output *y = &g->output[i];
        if (y->node < 0) continue;
        ok = add_box(d, (ct__box){.kind = CT__BOX_SEED, .node = y->node, .output = y->output, .end = true});
        if (ok) put(&w, y->node, y->output, (ct__arrow){.from = d->boxes - 1, .input = -1});
    }
    for (int i = g->count - 1; ok && i >= 0; i--) ok = go_back(d, &w, i);
    waiting_free(&w);
    return ok;
}

/* ---- what users call ---- */

static bool draw(const char *operation, ct_tensor *const *outputs, int count, ct_direction direction, bool dot, FILE *to)
{
    if (!to) return ct__fail_null(operation, "to");
    if (direction != CT_GRAPH_FORWARD && direction != CT_GRAPH_BACKWARD)
        return ct__fail(CT_ERROR_VALUE, operation, "%d is no direction; expected CT_GRAPH_FORWARD or CT_GRAPH_BACKWARD",
                        (int)direction);
    ct_graph *g = ct__graph_of(operation, outputs, count);
    if (!g) return false;
    ct__drawing d = {.graph = g, .direction = direction};
    bool ok = direction == CT_GRAPH_FORWARD ? forward(&d) : backward(&d);
    if (ok && dot) ct__write_dot(&d, to);
    else if (ok) ok = ct__write_lanes(&d, to);
    if (d.box) ct__pool_put(d.box, d.box_room * sizeof *d.box);
    if (d.arrow) ct__pool_put(d.arrow, d.arrow_room * sizeof *d.arrow);
    ct_graph_free(g);
    ct__rename_error("ct_graph_of", operation);
    return ok && (!ferror(to) || ct__fail(CT_ERROR_FILE, operation, "writing failed"));
}

bool ct_graph_draw(ct_tensor *const *outputs, int count, ct_direction direction, FILE *to)
{
    return draw("ct_graph_draw", outputs, count, direction, false, to);
}

bool ct_graph_dot(ct_tensor *const *outputs, int count, ct_direction direction, FILE *to)
{
    return draw("ct_graph_dot", outputs, count, direction, true, to);
}
