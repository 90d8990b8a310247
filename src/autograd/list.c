/*
 * list.c - the graph as a list: a line for each node, in columns.
 */
#include "autograd/inspect.h"

enum { COLUMNS = 6, WIDEST = 60 };

static void keeps(ct__text *t, const ct_graph_node *n)
{
    if (n->kept) {
        ct__text_add(t, "%d, ", n->kept);
        ct__text_bytes(t, n->kept_bytes);
    }
    if (n->released) ct__text_add(t, "%sreleased", n->kept ? ", some " : "");
}

/* Line `node` of the list; -1: its head. */
static void cells(const ct_graph *g, int node, ct__text cell[COLUMNS])
{
    static const char *const head[COLUMNS] = {"#", "operation", "name", "result", "keeps", "place"};
    for (int i = 0; i < COLUMNS; i++) cell[i] = (ct__text){0};
    if (node < 0) {
        for (int i = 0; i < COLUMNS; i++) ct__text_add(&cell[i], "%s", head[i]);
        return;
    }
    const ct_graph_node *n = &g->node[node];
    ct__text_add(&cell[0], "%d", node);
    if (n->leaf) ct__text_add(&cell[1], "leaf");
    else ct__text_call(&cell[1], n);
    ct__text_name(&cell[2], n->name);
    ct__text_outputs(&cell[3], n);
    keeps(&cell[4], n);
    ct__text_place(&cell[5], n->file, n->line);
}

static void write_line(const ct__text cell[COLUMNS], const int width[COLUMNS], FILE *to)
{
    int last = COLUMNS - 1, missing = 0;
    while (last > 0 && !cell[last].length) last--;
    for (int i = 0; i <= last; i++) {
        const int own = ct__text_width(cell[i].text), pad = width[i] > own ? width[i] - own : 0;
        if (i) fprintf(to, "%*s", missing + 2, "");
        if (i == 0) fprintf(to, "%*s", pad, ""); /* numbers stand at the right */
        fputs(cell[i].text, to);
        missing = i ? pad : 0;
    }
    fputc('\n', to);
}

static void write_sum(const ct_graph *g, FILE *to)
{
    int leaves = 0;
    int64_t values = 0;
    for (int i = 0; i < g->count; i++) {
        if (!g->node[i].leaf) continue;
        leaves++;
        values += ct_shape_count(*g->node[i].shape);
    }
    ct__text kept = {0};
    ct__text_bytes(&kept, g->kept_bytes);
    const int operations = g->count - leaves;
    fprintf(to, "%d operation%s, %d lea%s with %lld value%s; %s kept for the way back\n", operations, operations == 1 ? "" : "s",
            leaves, leaves == 1 ? "f" : "ves", (long long)values, values == 1 ? "" : "s", kept.text);
}

bool ct_graph_print(ct_tensor *const *outputs, int count, FILE *to)
{
    if (!to) return ct__fail_null("ct_graph_print", "to");
    ct_graph *g = ct__graph_of("ct_graph_print", outputs, count);
    if (!g) return false;
    ct__text cell[COLUMNS];
    int width[COLUMNS] = {0};
    for (int line = -1; line < g->count; line++) {
        cells(g, line, cell);
        for (int i = 0; i < COLUMNS; i++) {
            const int own = ct__text_width(cell[i].text);
            if (own > width[i] && (own <= WIDEST || line < 0)) width[i] = own; /* what is wider stands out */
        }
    }
    for (int line = -1; line < g->count; line++) {
        cells(g, line, cell);
        write_line(cell, width, to);
    }
    write_sum(g, to);
    ct_graph_free(g);
    return !ferror(to) || ct__fail(CT_ERROR_FILE, "ct_graph_print", "writing failed");
}
