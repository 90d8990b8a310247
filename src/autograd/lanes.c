/*
 * lanes.c - a drawing in text: a line for each step, and beside it the ways of values that are still to be used.
 *
 * A value runs down in a lane of its own from the step that makes it to the last one that uses it. A step is put where the
 * leftmost lane ends that ends in it, else into the first free lane.
 */
#include "autograd/inspect.h"

#include <string.h>

enum { COLUMNS = 4, WIDEST = 56, LANES = 40 }; /* lanes beyond these are not drawn */

typedef struct lanes {
    const ct__drawing *d;
    int *lane_of; /* of each box */
    int *uses;    /* of each box, still to come */
    int *box_in;  /* of each lane; -1: free */
    int width;    /* lanes up to the last that is in use */
    int first_free; /* none before it is free */
} lanes;

/* ---- who is where ---- */

static bool lanes_new(lanes *l, const ct__drawing *d)
{
    const size_t n = (size_t)d->boxes;
    *l = (lanes){.d = d, .lane_of = ct__pool_get(3 * n * sizeof(int))};
    if (!l->lane_of) return ct__fail_memory("ct_graph_of", 3 * n * sizeof(int));
    l->uses = l->lane_of + n;
    l->box_in = l->uses + n;
    return true;
}

static void lanes_free(lanes *l) { ct__pool_put(l->lane_of, 3 * (size_t)l->d->boxes * sizeof(int)); }

static void start(lanes *l)
{
    l->width = l->first_free = 0;
    memset(l->uses, 0, (size_t)l->d->boxes * sizeof(int));
    for (int i = 0; i < l->d->arrows; i++) l->uses[l->d->arrow[i].from]++;
    for (int i = 0; i < l->d->boxes; i++) l->box_in[i] = -1;
}

static void take(lanes *l, int lane, int box)
{
    l->box_in[lane] = box;
    l->lane_of[box] = lane;
    if (lane >= l->width) l->width = lane + 1;
    while (l->first_free < l->width && l->box_in[l->first_free] >= 0) l->first_free++;
}

static void give_back(lanes *l, int lane)
{
    l->box_in[lane] = -1;
    if (lane < l->first_free) l->first_free = lane;
    while (l->width > 0 && l->box_in[l->width - 1] < 0) l->width--;
}

/* ---- a row ---- */

enum { USED = 1, ENDS = 2 }; /* what a lane is to the row's step */

typedef struct row {
    int own, low, high;          /* the step's lane; the outermost lanes joined to it */
    int width;                   /* lanes that are drawn */
    unsigned char before[LANES]; /* is a value in the lane? */
    unsigned char part[LANES];
} row;

/* Moves on by a step: its operands' lanes may end, and it gets its own. */
static row advance(lanes *l, int box)
{
    const ct__box *b = &l->d->box[box];
    const ct__arrow *arrow = l->d->arrow + b->first_arrow;
    row r = {.own = -1};
    for (int i = 0; i < LANES && i < l->width; i++) r.before[i] = l->box_in[i] >= 0;
    const int width = l->width;
    for (int i = 0; i < b->arrows; i++) l->uses[arrow[i].from]--;
    for (int i = 0; i < b->arrows; i++) {
        const int lane = l->lane_of[arrow[i].from];
        const bool ends = l->uses[arrow[i].from] == 0;
        if (lane < LANES) r.part[lane] = ends ? USED | ENDS : USED;
        if (ends && (r.own < 0 || lane < r.own)) r.own = lane;
    }
    if (r.own < 0) r.own = l->first_free;
    r.low = r.high = r.own;
    for (int i = 0; i < b->arrows; i++) {
        const int lane = l->lane_of[arrow[i].from];
        if (lane < r.low) r.low = lane;
        if (lane > r.high) r.high = lane;
    }
    for (int i = 0; i < b->arrows; i++) {
        const int from = arrow[i].from;
        if (l->uses[from] == 0 && l->box_in[l->lane_of[from]] == from) give_back(l, l->lane_of[from]);
    }
    take(l, r.own, box);
    r.width = l->width > width ? l->width : width;
    if (l->uses[box] == 0) give_back(l, r.own);
    return r;
}

static const char *mark_of(const ct__box *b)
{
    static const char *const marks[] = {[CT__BOX_LEAF] = "○", [CT__BOX_OPERATION] = "●", [CT__BOX_SEED] = "○",
                                        [CT__BOX_SUM] = "+",  [CT__BOX_RULE] = "●",      [CT__BOX_COLLECT] = "■"};
    return marks[b->kind];
}

/* The sign in a lane that is not the step's own. */
static const char *sign_in(const row *r, int lane)
{
    const bool inside = lane > r->low && lane < r->high;
    switch (r->part[lane]) {
    case USED: return lane == r->low ? "├" : lane == r->high ? "┤" : "┼";
    case USED | ENDS: return lane == r->high ? "╯" : "┴";
    default: return r->before[lane] ? "│" : inside ? "─" : " ";
    }
}

/* Returns the columns written. */
static int write_ways(const row *r, const ct__box *b, FILE *to)
{
    const int last = r->width < LANES ? r->width : LANES;
    for (int i = 0; i < last; i++) {
        if (i) fputs(i > r->low && i <= r->high ? "─" : " ", to);
        fputs(i == r->own ? mark_of(b) : sign_in(r, i), to);
    }
    if (r->width <= LANES) return 2 * last - 1;
    fputs(" …", to);
    return 2 * last + 1;
}

/* ---- the text beside it ---- */

static void forward_cells(const ct_graph *g, const ct__box *b, ct__text cell[COLUMNS])
{
    const ct_graph_node *n = &g->node[b->node];
    ct__text_line(&cell[0], g, b->node);
    ct__text_outputs(&cell[1], n);
    ct__text_place(&cell[2], n->file, n->line);
    ct__text_kept(&cell[3], n);
}

/* "derivative of affine by W1, b1" */
static void rule_text(ct__text *t, const ct_graph_node *n)
{
    enum { MOST = 4 };
    int told = 0;
    ct__text_add(t, "derivative of %s by ", n->operation);
    for (int i = 0; i < n->inputs; i++) {
        if (n->input[i].node < 0) continue;
        if (told++ >= MOST) continue;
        if (told > 1) ct__text_add(t, ", ");
        ct__text_input(t, &n->input[i]);
        if (n->input[i].zero) ct__text_add(t, " (zero)");
    }
    if (told > MOST) ct__text_add(t, ", and %d more", told - MOST);
}

static void backward_cells(const ct_graph *g, const ct__box *b, ct__text cell[COLUMNS])
{
    const ct_graph_node *n = &g->node[b->node];
    if (b->kind == CT__BOX_RULE) {
        rule_text(&cell[0], n);
    } else {
        if (b->kind == CT__BOX_SUM) ct__text_add(&cell[0], "sum of %d gradients of ", b->arrows);
        else ct__text_add(&cell[0], b->kind == CT__BOX_SEED ? "cotangent of " : "gradient of ");
        ct__text_node(&cell[0], g, b->node);
        if (b->output) ct__text_add(&cell[0], ".%d", b->output);
    }
    ct__text_output(&cell[1], n, b->output);
    if (b->kind == CT__BOX_RULE || b->kind == CT__BOX_COLLECT) ct__text_place(&cell[2], n->file, n->line);
    if (b->kind == CT__BOX_RULE) ct__text_rule(&cell[3], n);
    if (b->kind == CT__BOX_COLLECT) ct__text_add(&cell[3], n->collects ? "collected" : "not collected");
}

static void cells_of(const ct__drawing *d, int box, ct__text cell[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++) cell[i] = (ct__text){0};
    if (d->direction == CT_GRAPH_FORWARD) forward_cells(d->graph, &d->box[box], cell);
    else backward_cells(d->graph, &d->box[box], cell);
}

static void write_cells(const ct__text cell[COLUMNS], int missing, const int width[COLUMNS], FILE *to)
{
    int last = COLUMNS - 1;
    while (last > 0 && !cell[last].length) last--;
    for (int i = 0; i <= last; i++) {
        fprintf(to, "%*s%s", missing + 2, "", cell[i].text);
        const int own = ct__text_width(cell[i].text);
        missing = width[i] > own ? width[i] - own : 0;
    }
    fputc('\n', to);
}

/* Twice over the steps: to see how wide the columns are, and to write. */
bool ct__write_lanes(const ct__drawing *d, FILE *to)
{
    lanes l;
    if (!lanes_new(&l, d)) return false;
    ct__text cell[COLUMNS];
    int width[COLUMNS] = {0}, ways = 0;
    start(&l);
    for (int i = 0; i < d->boxes; i++) {
        const row r = advance(&l, i);
        const int own = r.width > LANES ? 2 * LANES + 1 : 2 * r.width - 1;
        if (own > ways) ways = own;
        cells_of(d, i, cell);
        for (int k = 0; k < COLUMNS; k++) {
            const int text = ct__text_width(cell[k].text);
            if (text > width[k] && text <= WIDEST) width[k] = text;
        }
    }
    start(&l);
    for (int i = 0; i < d->boxes; i++) {
        const row r = advance(&l, i);
        const int own = write_ways(&r, &d->box[i], to);
        cells_of(d, i, cell);
        write_cells(cell, ways - own, width, to);
    }
    lanes_free(&l);
    return true;
}
