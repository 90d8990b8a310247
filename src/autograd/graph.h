/*
 * graph.h - nodes of the dynamic graph: what an operation keeps for its rules, and the leaves that collect gradients.
 *
 * A node's number is one more than its largest input's, so "largest number first" is a topological order. A node keeps its
 * own outputs as storage and shape, without their graph slot: else y = exp(x) would hold itself. A tensor's graph slot points
 * at its node.
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

/* A result that a rule reads. */
typedef struct ct__kept {
    ct_tensor *value; /* NULL: not kept, or let go */
    uint32_t version; /* of its storage when it was kept */
} ct__kept;

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

/* A name that the user gave an output, for drawings. */
typedef struct ct__label {
    struct ct__label *next;
    size_t size; /* of this record */
    int slot;
    char text[];
} ct__label;

/* What a sweep notes of a node it meets (work.h). Nodes have room in their own record for one of one output, which the outermost sweep
 * takes: so a sweep allocates nothing for nodes with one. */
typedef struct ct__work {
    struct ct__work *below; /* of a sweep further out */
    struct ct__work *next;  /* the list of all records of the tour */
    struct ct__work *later; /* in the order of rising numbers */
    const struct ct__tour *owner;
    struct ct__node *node;
    /* Set in two stores, where n_out is known. */
    int32_t n_out;
    int32_t uses; /* forward: the nodes that have still to read it */
    bool end;     /* one of the nodes that are looked for */
    bool needed;  /* leads to one, or is one */
    bool queued;
    bool inside;    /* it is the node's own room */
    bool held;      /* the tour has a reference of the node */
    bool awaited;   /* backward: a node that was put off will lead to it */
    uint16_t waits; /* backward: one more than the place in the open region where the gradient waits; 0: none does (region.h) */
    ct_tensor *g[]; /* of each output: its gradient, or its tangent; NULL: zero */
} ct__work;

enum { CT__NODE_DIMS = 4, CT__ROOM = sizeof(ct__work) + sizeof(ct_tensor *) };

struct ct__node {
    int32_t refs;
    bool shared;    /* refs change atomically */
    bool used;      /* a sweep released what it kept */
    bool collects;  /* a leaf that needs a gradient */
    bool spent;     /* the gradient is to be overwritten */
    const ct_op *op; /* NULL: a leaf, or only a carrier of tangents */
    ct__node *only_leaf; /* the one that every way from here ends at, a leaf: itself; NULL: there are several. Not held: the inputs are */
    uint64_t number;
    const char *file; /* the user's place */
    /* What is the same in most nodes lies together, and is set by one store. */
    int32_t n_in;
    uint8_t n_out;        /* without those for the rules alone: they come last, and no tensor's slot names them */
    uint8_t kept_outputs; /* a bit for each output that was kept */
    bool in_shapes;       /* there are shapes of inputs: KEEP_SHAPES */
    bool out_shapes;      /* of outputs: several, leaves, and what does not fit dim[] */
    int32_t line;
    union {
        struct {
            uint8_t dtype, rank; /* of output 0 */
        };
        uint16_t kind; /* both */
    };
    int32_t dim[CT__NODE_DIMS]; /* of output 0; without meaning where there are shapes of outputs */
    uint32_t size; /* of this record */
    uint32_t segment_index; /* where there is a segment */
    /* From here on all is zero in a new node. */
    union { /* a sweep holds the nodes it works on, so a node never needs both */
        ct__work *work;  /* of the sweep under way */
        ct__node *dying; /* the next node to destroy */
    };
    ct__tangent *tangents;
    ct__hook_record *hooks;
    ct__label *labels;
    ct_tensor *grad; /* of a leaf */
    struct ct__segment *segment; /* of a checkpoint that can bring the kept values back; NULL: none */
    /* parts of the same record, NULL where there are none */
    ct__kept *out; /* kept outputs, bare; those for the rules alone as they were made */
    void *params;
    /* Up to here. */
    _Alignas(8) char room[CT__ROOM]; /* for the outermost sweep's notes, where there is one output */
    ct__input in[]; /* n_in; shapes of inputs and outputs, where there are such, come behind, then the other parts */
};

/* The state of derivatives in a thread. */
#define ct__ad (ct__self.autograd)
enum { CT__MAX_LEVELS = 64 };

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
    return n && (CT__LIKELY(n->op != NULL) ? t->needs_grad : n->collects);
}
/* A leaf for t, or a carrier of tangents where `collects` is false; put into t's graph slot. NULL with an error. */
ct__node *ct__node_leaf(ct_tensor *t, bool collects);
/* Zeros for a leaf that only zero derivatives reached: owned by the caller; NULL with an error. */
ct_tensor *ct__zero_grad_of(const ct__node *leaf);
/* A leaf has no gradient any more. */
void ct__drop_grad(ct__node *leaf);
/* Records a call: edges, kept values, parameters; puts itself into the outputs' graph slots. */
bool ct__node_record(const ct_call *c, size_t params);
/* Shapes that the node keeps of its inputs, for rules, and of its outputs, to make and check gradients; NULL: it keeps none. */
static inline const ct_shape *ct__node_in_shapes(const ct__node *n)
{
    return CT__UNLIKELY(n->in_shapes) ? (const ct_shape *)(const void *)(n->in + n->n_in) : NULL;
}
static inline const ct_shape *ct__node_out_shapes(const ct__node *n)
{
    return n->out_shapes ? (const ct_shape *)(const void *)(n->in + n->n_in) + (n->in_shapes ? n->n_in : 0) : NULL;
}
/* The shape of an output. */
ct_shape ct__node_shape(const ct__node *n, int slot);
/* Lets go what the node kept, for now. */
void ct__node_let_go(ct__node *n);
/* Puts a node into the graph slot of a tensor that has none. */
static inline void ct__node_attach(ct_tensor *t, ct__node *n, int slot)
{
    t->graph = n;
    t->slot = (uint8_t)slot;
}
/* "ct_matmul at model.c:41" */
const char *ct__node_title(const ct__node *n);

/* Is input i (output i) kept for the rules? */
static inline bool ct__keeps_input(const ct_op *op, int i)
{
    if (CT__LIKELY(op->inputs != CT__VARIADIC)) return op->keeps & (1u << i);
    return op->keeps & KEEP_X || (i < 16 && op->keep_inputs >> i & 1);
}
static inline bool ct__keeps_output(const ct_op *op, int i)
{
    return op->keeps & KEEP_Z && (!op->keep_outputs || op->keep_outputs >> i & 1);
}
static inline bool ct__kept_output(const ct__node *n, int i) { return n->kept_outputs >> i & 1; }
/* How many results the operation made, those for the rules alone included. */
static inline int ct__results(const ct__node *n) { return n->n_out + (n->op ? n->op->aside : 0); }

/* ---- custom operations (custom.c) ---- */

/* Is it a value that a custom operation saved? A derivative that passes it is unknown. */
static inline bool ct__is_saved(const ct__node *n, int slot) { return n->op && slot >= n->n_out - n->op->saved; }
/* The error for that. Returns false. */
bool ct__fail_saved(const ct_op *op);

/* ---- checkpoints (checkpoint.c) ---- */

/* A new node joins the segment that is being recorded. */
bool ct__segment_join(ct__node *n);
/* The node needs its segment no more. */
void ct__segment_leave(ct__node *n);
/* Brings back what a checkpoint let go, before a sweep reads what a node kept; false with an error. */
bool ct__segment_restore(ct__node *n);
/* Lets go what a node kept, for good: a checkpoint will not bring it back. */
static inline void ct__node_drop_kept(ct__node *n)
{
    if (CT__UNLIKELY(n->segment != NULL)) ct__segment_leave(n);
    if (CT__LIKELY(n->op != NULL) && (n->op->keeps || n->op->keep_inputs)) ct__node_let_go(n);
    n->used = true;
}
static inline bool ct__node_restore(ct__node *n) { return CT__LIKELY(!n->segment) || ct__segment_restore(n); }

/* ---- forward mode (forward.c) ---- */

/* The tangent of t at a level, borrowed; NULL where it has none. */
ct_tensor *ct__tangent_of(const ct_tensor *t, int level);
bool ct__tangent_set(ct_tensor *t, int level, ct_tensor *value);
/* After a call: pushes the inputs' tangents of all active levels through its JVP. */
bool ct__push_tangents(ct_call *c);
void ct__tangents_drop(ct__node *n);

/* After a call, where ct__ad.tracing: tells the user's tracer (trace.c). */
void ct__trace_call(const ct_call *c);

/* ---- the search for NaN and infinity (watch.c), where ct__ad.watching ---- */

/* After a call: false, with an error, where a result is not finite. */
bool ct__watch_call(const ct_call *c);
/* In a sweep: false, with an error that names the node, where dx, made of g[] for its input i, is not finite. */
bool ct__watch_gradient(const ct__node *n, int i, ct_tensor *const *g, const ct_tensor *dx);
/* The same where a sum of gradients for an output of n is not finite. */
bool ct__watch_sum(const ct__node *n, const ct_tensor *g);
/* The same for a tangent of a call's result, made of dx[] of its inputs (NULL: zero). */
bool ct__watch_tangent(const ct_call *c, ct_tensor *const *dx, const ct_tensor *dy);

/* ---- what the engine needs of the operations: one table, defined in src/ops/engine.c ---- */

typedef struct ct__engine_operations {
    ct_tensor *(*add)(ct_tensor *x, ct_tensor *y);
    ct__slope (*addition)(ct_dtype dtype); /* z; x, y */
    ct_tensor *(*reshape)(ct_tensor *x, ct_shape shape);
    ct_tensor *(*stack)(ct_tensor *const *x, int count, int axis);
    ct_tensor *(*permute)(ct_tensor *x, ct_axes order);
    ct_tensor *(*select)(ct_tensor *x, int axis, int64_t index);
    ct_tensor *(*concat)(ct_tensor *const *x, int count, int axis);
    ct_tensor *(*cast)(ct_tensor *x, ct_dtype dtype);
    const char *(*slope_text)(const ct_op *op,
                              int i); /* for drawings: the derivative by operand i; NULL where it has no such text */
} ct__engine_operations;
extern const ct__engine_operations ct__engine;

/* y = x with a node of its own (identity.c): where a transform puts its tangents and leaves. */
ct_tensor *ct__identity(ct_tensor *x);

#endif
