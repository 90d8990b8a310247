/*
 * dot.c - a drawing as a DOT file for Graphviz.
 *
 * Leaves are boxes, operations and derivatives are ellipses, the outputs have a double line. Forward, what is kept for the
 * way back is drawn bold: the arrow of a kept operand, the outline of an operation that keeps its result. Backward, an
 * ellipse has the shape of the gradient that reaches it, and what is zero is dashed.
 */
#include "autograd/inspect.h"

/* Text inside quotes: DOT reads \" and \\, and \n as a new line. */
static void put(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', to);
        if (*text == '\n') fputs("\\n", to);
        else fputc(*text, to);
    }
}

/* A line of a label, where there is one. */
static void add_line(ct__text *label, const ct__text *line)
{
    if (line->length) ct__text_add(label, "%s%s", label->length ? "\n" : "", line->text);
}

static void add_place(ct__text *label, const ct_graph_node *n)
{
    ct__text place = {0};
    ct__text_place(&place, n->file, n->line);
    add_line(label, &place);
}

static void add_shape(ct__text *label, const ct_graph_node *n, int output)
{
    ct__text shape = {0};
    ct__text_output(&shape, n, output);
    add_line(label, &shape);
}

/* ---- boxes ---- */

static void forward_label(ct__text *label, const ct_graph *g, int node)
{
    const ct_graph_node *n = &g->node[node];
    ct__text kept = {0};
    if (n->leaf || n->name) ct__text_node(label, g, node);
    if (!n->leaf) ct__text_add(label, "%s%s", n->name ? " = " : "", n->operation);
    for (int i = 0; i < n->outputs; i++) add_shape(label, n, i);
    add_place(label, n);
    ct__text_kept(&kept, n);
    add_line(label, &kept);
}

static void backward_label(ct__text *label, const ct__drawing *d, const ct__box *b)
{
    const ct_graph *g = d->graph;
    const ct_graph_node *n = &g->node[b->node];
    if (b->kind == CT__BOX_SEED) ct__text_add(label, "cotangent");
    if (b->kind == CT__BOX_SUM) ct__text_add(label, "sum of %d", b->arrows);
    if (b->kind == CT__BOX_RULE) {
        ct__text_add(label, "derivative of %s", n->operation);
        if (n->name) ct__text_add(label, " = ");
        ct__text_name(label, n->name);
    }
    if (b->kind == CT__BOX_COLLECT) {
        ct__text_add(label, "gradient of ");
        ct__text_node(label, g, b->node);
        if (!n->collects) ct__text_add(label, ", not collected");
    }
    add_shape(label, n, b->output);
    if (b->kind == CT__BOX_RULE || b->kind == CT__BOX_COLLECT) add_place(label, n);
    ct__text rule = {0};
    if (b->kind == CT__BOX_RULE) ct__text_rule(&rule, n);
    add_line(label, &rule);
}

static const char *style_of(const ct__box *b, const ct_graph_node *n)
{
    switch (b->kind) {
    case CT__BOX_LEAF: return "shape=box, style=filled, fillcolor=\"#e4eef8\"";
    case CT__BOX_COLLECT: return "shape=box, style=filled, fillcolor=\"#fbe9d7\"";
    case CT__BOX_SEED: return "shape=plaintext";
    case CT__BOX_SUM: return "shape=ellipse, style=dotted";
    default: return n->kept_results && b->kind == CT__BOX_OPERATION ? "shape=ellipse, penwidth=2.5" : "shape=ellipse";
    }
}

static void write_box(const ct__drawing *d, int i, FILE *to)
{
    const ct__box *b = &d->box[i];
    const ct_graph_node *n = &d->graph->node[b->node];
    ct__text label = {0};
    if (d->direction == CT_GRAPH_FORWARD) forward_label(&label, d->graph, b->node);
    else backward_label(&label, d, b);
    fprintf(to, "    n%d [%s%s, label=\"", i, style_of(b, n), b->end ? ", peripheries=2" : "");
    put(to, label.text);
    if (n->file) {
        fputs("\", tooltip=\"", to);
        put(to, n->file);
        fprintf(to, ":%d", n->line);
    }
    fputs("\"];\n", to);
}

/* Operands that need no gradient: text beside the operation. */
static void write_constants(const ct_graph *g, int node, FILE *to)
{
    const ct_graph_node *n = &g->node[node];
    for (int i = 0; i < n->inputs; i++) {
        if (n->input[i].node >= 0) continue;
        ct__text label = {0};
        ct__text_input(&label, &n->input[i]);
        fprintf(to, "    c%d_%d [shape=plaintext, label=\"", node, i);
        put(to, label.text);
        fprintf(to, "\"];\n    c%d_%d -> n%d [color=gray50%s];\n", node, i, node, n->input[i].kept ? ", penwidth=2.5" : "");
    }
}

/* ---- arrows ---- */

static void write_arrow(const ct__drawing *d, int into, const ct__arrow *a, FILE *to)
{
    const bool ahead = d->direction == CT_GRAPH_FORWARD;
    const ct__box *end = &d->box[ahead ? into : a->from]; /* the one whose operand it is */
    const ct_graph_node *n = &d->graph->node[end->node];
    ct__text label = {0};
    if (a->input >= 0 && n->inputs > 1) ct__text_add(&label, ahead ? "%d" : "by operand %d", a->input + 1);
    if (!ahead && a->zero) ct__text_add(&label, "%szero", label.length ? ": " : "");
    fprintf(to, "    n%d -> n%d [", a->from, into);
    if (label.length) fprintf(to, "label=\"%s\", ", label.text);
    fprintf(to, "%s];\n", ahead && n->input[a->input].kept ? "penwidth=2.5" : !ahead && a->zero ? "style=dashed" : "penwidth=1");
}

void ct__write_dot(const ct__drawing *d, FILE *to)
{
    const bool ahead = d->direction == CT_GRAPH_FORWARD;
    fprintf(to, "digraph %s {\n    rankdir=%s;\n", ahead ? "forward" : "backward", ahead ? "TB" : "BT");
    fputs("    node [fontname=\"Helvetica\", fontsize=11];\n    edge [fontname=\"Helvetica\", fontsize=9];\n", to);
    for (int i = 0; i < d->boxes; i++) write_box(d, i, to);
    for (int i = 0; i < d->boxes; i++) {
        const ct__box *b = &d->box[i];
        for (int k = 0; k < b->arrows; k++) write_arrow(d, i, &d->arrow[b->first_arrow + k], to);
        if (ahead) write_constants(d->graph, b->node, to);
    }
    fputs("}\n", to);
}
