/*
 * inspect.h (internal) - texts about graphs, and what is drawn of them: shared by the list and the drawings.
 */
#ifndef CT_INSPECT_INTERNAL_H
#define CT_INSPECT_INTERNAL_H

#include <cotangent/inspect.h>

#include "base/base.h"

/* ct_graph_of, with another name in its errors. */
ct_graph *ct__graph_of(const char *operation, ct_tensor *const *outputs, int count);

/* The array of n elements with room for one more, moved where it had none; NULL with an error, and the array is as it was. */
void *ct__room_for_more(void *array, size_t *room, size_t n, size_t size);

/* ---- texts (text.c) ---- */

/* A text put together piece by piece, cut where it gets too long; starts as {0}. */
typedef struct ct__text {
    size_t length;
    char text[376];
} ct__text;
void ct__text_add(ct__text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Columns on a terminal: the characters of UTF-8. */
int ct__text_width(const char *text);
/* "f32 [64, 784]"; of further outputs the shape alone. */
void ct__text_output(ct__text *t, const ct_graph_node *n, int output);
/* All of them. */
void ct__text_outputs(ct__text *t, const ct_graph_node *n);
/* A name, on one line; nothing for NULL. */
void ct__text_name(ct__text *t, const char *name);
/* A node as it is spoken of: its name, or #3. */
void ct__text_node(ct__text *t, const ct_graph *g, int node);
/* An operand: its name, #3, #3.1 for the second output, or what is known of a constant. */
void ct__text_input(ct__text *t, const ct_graph_input *x);
/* "affine(f32 [64, 784], hidden.weight, hidden.bias)" */
void ct__text_call(ct__text *t, const ct_graph_node *n);
/* "#3 = affine(...)", "hidden = affine(...)", or a leaf's name */
void ct__text_line(ct__text *t, const ct_graph *g, int node);
/* "dx = g * y, dy = g * x": what a derivative does, where its operation is pointwise and the formula short. */
void ct__text_rule(ct__text *t, const ct_graph_node *n);
/* "keeps #2, its result"; nothing where nothing is kept. */
void ct__text_kept(ct__text *t, const ct_graph_node *n);
/* "model.c:12", without folders; nothing where the place is not known. */
void ct__text_place(ct__text *t, const char *file, int line);
/* "1.2 MB" */
void ct__text_bytes(ct__text *t, int64_t bytes);

/* ---- drawings (draw.c makes them, dot.c and lanes.c write them) ---- */

typedef enum ct__box_kind {
    CT__BOX_LEAF,
    CT__BOX_OPERATION,
    CT__BOX_SEED,
    CT__BOX_SUM,
    CT__BOX_RULE,
    CT__BOX_COLLECT
} ct__box_kind;

/* One step. Steps come after those they use. */
typedef struct ct__box {
    ct__box_kind kind;
    int node;   /* of the graph, that it is about */
    int output; /* of the node */
    bool end;   /* an output that was given */
    int arrows, first_arrow; /* into it: arrow[first_arrow], ... */
} ct__box;

typedef struct ct__arrow {
    int from;     /* an earlier box */
    int input;    /* of the box itself going forward, of the box it comes from going backward; -1: none */
    bool zero;    /* a derivative that is zero */
} ct__arrow;

typedef struct ct__drawing {
    const ct_graph *graph;
    ct_direction direction;
    int boxes, arrows;
    ct__box *box;
    ct__arrow *arrow;
    size_t box_room, arrow_room;
} ct__drawing;

void ct__write_dot(const ct__drawing *d, FILE *to);
bool ct__write_lanes(const ct__drawing *d, FILE *to); /* false with an error where memory is out */

#endif
