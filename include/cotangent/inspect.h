/*
 * inspect.h - looking at a graph: as data, as a list, as a drawing; and the search for the operation that makes a NaN.
 *
 * A graph is what has been recorded behind some tensors: the operations, the leaves that collect gradients, and the values that
 * are kept for the way back. Looking at it changes nothing, and what is returned stays valid when the graph is gone.
 */
#ifndef COTANGENT_INSPECT_H
#define COTANGENT_INSPECT_H

#include <cotangent/autograd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- names -------------------------------------------------------------------------------------------- */

/* Gives a tensor's place in the graph a name, which lists and drawings show in place of a number. The text is copied; NULL or
 * "" takes the name away. Modules do so with their parameters: "hidden.weight". Returns t, NULL when it fails. */
CT_API ct_tensor *ct_set_name(ct_tensor *t, const char *name);
/* The name, NULL where there is none. Valid until it is changed or the tensor's graph is gone. */
CT_API const char *ct_name_of(const ct_tensor *t);

/* ---- the graph as data -------------------------------------------------------------------------------- */

/* An operand of an operation. */
typedef struct ct_graph_input {
    int node;                 /* the index of the node it comes from; -1: it needs no gradient */
    int output;               /* which of that node's outputs it is */
    bool kept;                /* its value is kept for the way back */
    bool zero;                /* its derivative is zero whatever the values are: nothing is computed for it */
    const ct_shape *shape;    /* NULL where not known: it needs no gradient and is not kept */
    ct_dtype dtype;           /* where the shape is known */
    const char *name;         /* see ct_set_name; NULL: none */
    const double *value;      /* of a constant with one element, or the same value everywhere; NULL else */
    const char *slope;        /* of a pointwise operation: its derivative by this operand, as text. "y * (1 - y)", where x is the
                                 operand and y the result; with two operands these are x and y, and z is the result. Else NULL. */
} ct_graph_input;

typedef struct ct_graph_node {
    const char *operation;    /* "matmul"; "leaf" for a leaf */
    const char *name;         /* of the first output, see ct_set_name; NULL: none */
    const char *file;         /* the user's place; NULL where not known */
    int line;
    bool leaf;                /* made by ct_requires_grad */
    bool collects;            /* a leaf that ct_backward adds a gradient to: it was not told otherwise since */
    bool released;            /* values it kept were released by a backward pass */
    int outputs;
    const ct_shape *shape;    /* of the outputs, shape[0 .. outputs-1] */
    ct_dtype dtype;           /* of the first */
    int inputs;
    const ct_graph_input *input;
    int kept;                 /* values it keeps for the way back, operands and results */
    int kept_results;         /* how many of them are results */
    int64_t kept_bytes;       /* bytes of the storages behind them; a view keeps all of its storage */
} ct_graph_node;

/* One of the outputs that were given. */
typedef struct ct_graph_output {
    int node;                 /* -1: it depends on nothing that needs a gradient */
    int output;               /* which of the node's outputs it is */
} ct_graph_output;

typedef struct ct_graph {
    int count;
    const ct_graph_node *node; /* operands before the operations that use them */
    int outputs;
    const ct_graph_output *output;
    int64_t kept_bytes;       /* of all nodes together, each storage counted once */
} ct_graph;

/* The graph behind `count` outputs; to be released with ct_graph_free. NULL when it fails, also when no output depends on
 * anything that needs a gradient. A million nodes in a chain are no problem for this or what follows. */
CT_API ct_graph *ct_graph_of(ct_tensor *const *outputs, int count);
CT_API void ct_graph_free(ct_graph *graph);

/* ---- lists and drawings ------------------------------------------------------------------------------- */

/* A list for people: a line for each node, with its number, operands, shape, what it keeps, and the source line. */
CT_API bool ct_graph_print(ct_tensor *const *outputs, int count, FILE *to);

/* FORWARD: from the leaves to the outputs, as it was computed. BACKWARD: from the outputs to the leaves, as ct_backward will
 * go: the derivatives it applies, the shapes of the gradients, where several gradients meet and are summed, and the leaves
 * that collect them. */
typedef enum ct_direction { CT_GRAPH_FORWARD, CT_GRAPH_BACKWARD } ct_direction;

/* A drawing in text (UTF-8): a line for each step, joined by lines to what it uses. */
CT_API bool ct_graph_draw(ct_tensor *const *outputs, int count, ct_direction direction, FILE *to);
/* The same as a DOT file for Graphviz: `dot -Tsvg graph.dot > graph.svg`. */
CT_API bool ct_graph_dot(ct_tensor *const *outputs, int count, ct_direction direction, FILE *to);

/* ---- where does the NaN come from? -------------------------------------------------------------------- */

typedef enum ct_anomaly {
    CT_ANOMALY_OFF,
    CT_ANOMALY_NAN,       /* NaN alone: infinities are meant, as in a mask of -inf before a softmax */
    CT_ANOMALY_NONFINITE  /* NaN and infinities */
} ct_anomaly;

/* From now on, in the calling thread, the first operation whose result has a NaN (or infinity) fails. The error names the
 * operation, the source line, the first such element, and whether an operand had one before. On the way back, and in forward
 * mode, the same for each gradient and tangent. Every result is read once more for this. Returns what it was before. */
CT_API ct_anomaly ct_detect_anomaly(ct_anomaly what);
CT_API void ct_detect_anomaly_cleanup(const ct_anomaly *before); /* for CT_DETECT_ANOMALY */
/* CT_DETECT_ANOMALY(CT_ANOMALY_NAN); at the start of a block: the search goes on until the block ends. */
#if defined(__GNUC__)
#define CT_DETECT_ANOMALY(what)                                                                                        \
    __attribute__((cleanup(ct_detect_anomaly_cleanup), unused)) const ct_anomaly ct_anomaly_before = ct_detect_anomaly(what)
#endif

#ifdef __cplusplus
}
#endif

#ifndef CT_NO_PLACES
static inline ct_graph *ct_here_graph(ct_graph *graph, const char *file, int line)
{
    if (!graph) ct_here_error(file, line);
    return graph;
}
#define ct_set_name(...) ct_here(ct_set_name(__VA_ARGS__), CT_HERE)
#define ct_name_of(...) ct_here_text(ct_name_of(__VA_ARGS__), CT_HERE)
#define ct_graph_of(...) ct_here_graph(ct_graph_of(__VA_ARGS__), CT_HERE)
#define ct_graph_print(...) ct_here_bool(ct_graph_print(__VA_ARGS__), CT_HERE)
#define ct_graph_draw(...) ct_here_bool(ct_graph_draw(__VA_ARGS__), CT_HERE)
#define ct_graph_dot(...) ct_here_bool(ct_graph_dot(__VA_ARGS__), CT_HERE)
#endif
#endif
