/*
 * graph.h - nodes of the dynamic graph: what an operation keeps for its rules, and the leaves that collect gradients.
 *
 * A node's number is one more than its largest input's, so "largest number first" is a topological order. A node keeps its own outputs
 * as storage and shape, without their graph slot: else y = exp(x) would hold itself. A tensor's graph slot points at its node.
 */
#ifndef CT_GRAPH_INTERNAL_H
#define CT_GRAPH_INTERNAL_H

#include "autograd/op.h"

typedef struct ct__node ct__node;

/* An edge to where an input came from, and the input itself where a rule reads it. */
typedef struct ct__input {
    ct__node *from;    /* NULL: needs no gradient */
    ct_tensor *kept;   /* NULL: not kept */
    uint32_t version;  /* of the kept value's storage when it was kept */
    uint8_t slot;      /* which output of `from` */
    bool was_kept;
} ct__input;

/* A forward-mode tangent of one output at one level. In two lists: its node's, and its level's. */
typedef struct ct__tangent {
    struct ct__tangent *next; /* of the node */
    struct ct__tangent *level_next, **level_at;
    ct__node *node;
    ct_tensor *value;
    int level;
    int slot;
} ct__tangent;

typedef struct ct__hook_record {
    struct ct__hook_record *next;
    ct_hook hook;
    void *context;
    int slot;
} ct__hook_record;

struct ct__node {
    int32_t refs;
    bool shared;    /* refs change atomically */
    bool used;      /* a sweep released what it kept */
    bool collects;  /* a leaf that needs a gradient */
    bool spent;     /* the gradient is to be overwritten */
    const ct_op *op; /* NULL: a leaf, or only a carrier of tangents */
    uint64_t number;
    const char *file; /* the user's place */
    int32_t line;
    int32_t n_in, n_out;
    ct_dtype dtype;          /* of output 0 */
    uint8_t rank;            /* of output 0 */
    struct ct__work *work;   /* of the sweep under way */
    ct__tangent *tangents;
    ct__hook_record *hooks;
    ct_tensor *grad; /* of a leaf */
    ct__node *dying; /* list of nodes to destroy */
    size_t size;     /* of this record */
    /* parts of the same record, NULL where there are none */
    ct__input *in;
    ct_tensor **out;     /* kept outputs, bare; NULL where not kept */
    uint32_t *out_version;
    ct_shape *in_shapes; /* KEEP_SHAPES */
    ct_shape *out_shapes; /* several outputs, and leaves: to make and check gradients */
    void *params;
};

/* The state of derivatives in a thread. */
typedef struct ct__autograd_state {
    bool grad_off;     /* inverted, so that zero is the default */
    bool watching;     /* results and gradients are searched for NaN and infinity */
    int levels;        /* forward levels open */
    uint64_t active;   /* the levels that are pushed now, a bit each */
    const char *file;  /* place that new nodes inherit while a rule runs */
    int line;
    ct__node *dying;   /* nodes waiting to be destroyed */
    bool destroying;
    ct__tangent *level_list[64]; /* tangents alive at each level */
} ct__autograd_state;
enum { CT__MAX_LEVELS = 64 };
extern _Thread_local ct__autograd_state ct__ad __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* ---- nodes (graph.c) ---- */

static inline ct__node *ct__node_of(const ct_tensor *t) { return t->graph; }
static inline ct__node *ct__node_retain(ct__node *n)
{
    if (CT__UNLIKELY(n->shared)) __atomic_add_fetch(&n->refs, 1, __ATOMIC_RELAXED);
    else n->refs++;
    return n;
}
void ct__node_release(void *node);
/* Does t need a gradient? Handles of one leaf share the leaf's answer. */
static inline bool ct__needs(const ct_tensor *t)
{
    const ct__node *n = t->graph;
    return n && (n->op ? t->needs_grad : n->collects);
}
/* A leaf for t, or a carrier of tangents where `collects` is false; put into t's graph slot. NULL with an error. */
ct__node *ct__node_leaf(ct_tensor *t, bool collects);
/* Records a call: edges, kept values, parameters; puts itself into the outputs' graph slots. */
bool ct__node_record(const ct_call *c, size_t params);
/* Lets go what the node kept. */
void ct__node_drop_kept(ct__node *n);
/* Puts a node into the graph slot of a tensor that has none. */
void ct__node_attach(ct_tensor *t, ct__node *n, int slot);
/* "ct_matmul at model.c:41" */
const char *ct__node_title(const ct__node *n);

/* ---- forward mode (forward.c) ---- */

/* The tangent of t at a level, borrowed; NULL where it has none. */
ct_tensor *ct__tangent_of(const ct_tensor *t, int level);
bool ct__tangent_set(ct_tensor *t, int level, ct_tensor *value);
/* After a call: pushes the inputs' tangents of all active levels through its JVP. */
bool ct__push_tangents(const ct_call *c);
void ct__tangents_drop(ct__node *n);

/* ---- the search for NaN and infinity (watch.c), where ct__ad.watching ---- */

/* After a call: false, with an error, where a result is not finite. */
bool ct__watch_call(const ct_call *c);
/* In a sweep: false, with an error that names the node, where the gradient for its input i is not finite. */
bool ct__watch_gradient(const ct__node *n, int i, const ct_tensor *dx);

/* ---- what the engine needs of the operations: one table, defined in src/ops/engine.c ---- */

typedef struct ct__engine_operations {
    ct_tensor *(*add)(ct_tensor *x, ct_tensor *y);
    ct_tensor *(*reshape)(ct_tensor *x, ct_shape shape);
    ct_tensor *(*stack)(ct_tensor *const *x, int count, int axis);
    ct_tensor *(*permute)(ct_tensor *x, ct_axes order);
} ct__engine_operations;
extern const ct__engine_operations ct__engine;

/* y = x with a node of its own (identity.c): where a transform puts its tangents and leaves. */
ct_tensor *ct__identity(ct_tensor *x);

#endif
