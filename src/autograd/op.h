/*
 * op.h - THE record of an operation, and the calls that rules see.
 *
 * An operation is one const struct ct_op: how its result's shape follows from its operands', how it is computed, and the two
 * rules of its derivative: VJP (a cotangent dy goes back to dx) and JVP (a tangent dx goes forward to dy). Rules are formulas
 * made of public operations, so they can be differentiated themselves; the engine decides who needs which.
 *
 * Rules accept cotangents and tangents with extra leading axes (a stack of them at once): their own axes count from the end.
 */
#ifndef CT_OP_INTERNAL_H
#define CT_OP_INTERNAL_H

#include <cotangent/autograd.h>

#include "tensor/tensor.h"

enum { CT__MAX_INPUTS = 3, CT__MAX_OUTPUTS = 8, CT__VARIADIC = -1 };

/* What a node keeps for its rules. A rule may read only this. */
enum {
    KEEP_NOTHING = 0,
    KEEP_X = 1,     /* in[0] */
    KEEP_Y = 2,     /* in[1] */
    KEEP_W = 4,     /* in[2] */
    KEEP_Z = 8,     /* the outputs */
    KEEP_SHAPES = 16 /* the inputs' shapes, for ct__in_shape */
};

typedef struct ct_op ct_op;

/* A call of an operation, as its functions and rules see it. */
typedef struct ct_call {
    const ct_op *op;
    ct_tensor *const *in; /* in a rule: NULL where not kept */
    int n_in;
    ct_tensor **out; /* in a rule: NULL where not kept */
    int n_out;       /* those for the rules alone included */
    const void *params;       /* the bytes given to ct__apply */
    int index;                /* in a rule: the input it is for */
    ct_dtype dtype;           /* of the first output */
    bool over;                /* in a fused rule: nobody needs g[0] behind it (ct__spent) */
    bool last;                /* in a rule: what the node kept goes when it is done (ct__kept_spent) */
    const ct_shape *in_shapes; /* in a rule, with KEEP_SHAPES */
    const ct_shape *out_shapes; /* in a rule of an operation with several outputs */
    ct_shape shape[CT__MAX_OUTPUTS]; /* written by .shape */
    ct_dtype dtypes[CT__MAX_OUTPUTS]; /* written by .shape */
} ct_call;

/* dx for input c->index, from one cotangent per output. May return one of g[] itself. NULL means failure. */
typedef ct_tensor *(*ct_vjp_rule)(const ct_call *c, ct_tensor *const *g);
/* The part of dy that comes from the tangent dx of input c->index. The operation has one output. */
typedef ct_tensor *(*ct_jvp_rule)(const ct_call *c, ct_tensor *dx);

/* The derivative of a pointwise operation by one operand as a kernel: d; g, then what the node kept of the operands and the result, in this
 * order, with g in place of what it did not keep. */
typedef struct ct__slope {
    ct__kernel kernel;
    int cost; /* as for ct__map */
    double params[6]; /* of the kernel */
} ct__slope;

struct ct_op {
    const char *name;
    int8_t inputs;   /* CT__VARIADIC: rule 0 serves all inputs, told apart by c->index */
    uint8_t outputs; /* 0 counts as 1 */
    uint8_t keeps;
    bool linear; /* in all inputs that have a derivative together: dy = op(dx...), absent tangents being zeros. In place of jvp[]. */
    bool single; /* the rules take one cotangent or tangent at a time, not stacks: the engine loops */
    bool custom; /* the user's: its name stands in messages as it is */
    uint8_t saved;        /* of a custom operation: so many last outputs are values it saved; their derivative is unknown */
    uint8_t aside;        /* with KEEP_Z: so many last outputs are values for the rules alone, which nobody else ever
                           * sees; a front that makes one frees it, and the node alone holds it */
    uint8_t keep_outputs; /* with KEEP_Z: a bit for each output that is kept; 0: all */
    uint16_t keep_inputs; /* of a variadic operation: a bit for each input that is kept, beside KEEP_X, which means all */
    uint32_t params;      /* bytes of params */
    /* Checks operands and writes c->shape[] and c->dtypes[]; false with an error. ct__shape_of_x: the result is like in[0]. */
    bool (*shape)(ct_call *c);
    /* Computes into c->out[], which are made, contiguous and not set. Absent for views. False with an error. */
    bool (*forward)(const ct_call *c);
    /* Instead of shape and forward: makes c->out[0] as a view of c->in[0]. */
    bool (*view)(ct_call *c);
    ct_vjp_rule vjp[CT__MAX_INPUTS];
    ct_jvp_rule jvp[CT__MAX_INPUTS];
    /* Optional, of an operation with an activation behind it and one output: what a cotangent becomes before the rules of all inputs see
     * it, and what becomes of the sum of their tangents. Else each input's rule would compute that again. */
    ct_tensor *(*vjp_behind)(const ct_call *c, ct_tensor *const *g);
    ct_tensor *(*jvp_behind)(const ct_call *c, ct_tensor *dy);
    /* Optional: all dx that are needed at once, without a graph; writes gx[i] where bit i of `need`, which has one at least, is set. Must
     * agree with vjp[]. */
    bool (*fused)(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx);
    /* Optional, of an operation whose operands and only result have one shape and one float dtype: dx = dy * slope element by element. Must
     * agree with vjp[]. Not asked where vjp[i] is ct__vjp_zero or ct__vjp_same. */
    ct__slope (*slope)(const ct_op *op, int i, ct_dtype dtype, const double *params);
    /* Optional, in place of vjp[]: all dx that are needed at once, made of operations like a rule; g[] NULL where no gradient
     * arrived (not all are NULL), gx[i] left NULL where it is zero. vjp[0] is then ct__vjp_all_marker, and the operation
     * variadic. */
    bool (*vjp_all)(const ct_call *c, ct_tensor *const *g, const bool *need, ct_tensor **gx);
    /* Optional, in place of jvp[]: all output tangents at once; dx[i] NULL: none; dy[i] left NULL where it is zero. */
    bool (*jvp_all)(const ct_call *c, ct_tensor *const *dx, ct_tensor **dy);
    const void *impl; /* for families: what their shared functions need */
    const char *doc;  /* the formula as text */
};

/* The result has the shape and dtype of in[0]. */
bool ct__shape_of_x(ct_call *c);
/* A rule that is missing is NULL: reported with operation and argument when the graph is recorded. These are not missing: */
ct_tensor *ct__vjp_zero(const ct_call *c, ct_tensor *const *g); /* the derivative is zero */
ct_tensor *ct__jvp_zero(const ct_call *c, ct_tensor *dx);
ct_tensor *ct__vjp_none(const ct_call *c, ct_tensor *const *g); /* the input has none: an index, a mask */
ct_tensor *ct__jvp_none(const ct_call *c, ct_tensor *dx);
/* Stands in vjp[0] where vjp_all serves. */
ct_tensor *ct__vjp_all_marker(const ct_call *c, ct_tensor *const *g);
/* dx = dy, dy = dx. */
ct_tensor *ct__vjp_same(const ct_call *c, ct_tensor *const *g);
ct_tensor *ct__jvp_same(const ct_call *c, ct_tensor *dx);

/* Applies an operation: checks, computes, records a node where an input needs a gradient, pushes tangents. Returns the first
 * output. `what` is the public name for messages, "ct_matmul". No input may be NULL (fronts use ct__check). */
ct_tensor *ct__apply(const ct_op *op, ct_tensor *const *in, int n_in, const void *params);
/* The same for operations with several outputs. */
bool ct__apply_all(const ct_op *op, ct_tensor *const *in, int n_in, const void *params, ct_tensor **out);

static inline ct_tensor *ct__apply1(const ct_op *op, ct_tensor *x, const void *params)
{
    return ct__apply(op, &x, 1, params);
}

/* For errors in shape rules and forwards: "ct_" and the operation's name, as the user calls it. */
const char *ct__op_title(const ct_op *op);

/* How many outputs there are for others than the rules. */
static inline int ct__outputs(const ct_call *c) { return c->n_out - c->op->aside; }

/* In a fused rule: may g[0] be written over? A captured step holds it, but knows that nobody reads it later. */
static inline bool ct__spent(const ct_call *c, const ct_tensor *g) { return c->over || ct__exclusive(g); }

/* May output i, which the node kept, be written over? Whoever does so calls ct__bump: should the sweep fail, a later one is told. */
static inline bool ct__kept_spent(const ct_call *c, int i) { return c->last && ct__exclusive(c->out[i]); }

/* The shape of input i, kept (KEEP_X ..., KEEP_SHAPES) or present. */
ct_shape ct__in_shape(const ct_call *c, int i);
/* `own`, behind the leading axes that g has beyond `own_rank`: the shape that a stack of cotangents leads to. */
ct_shape ct__batched(const ct_tensor *g, int own_rank, ct_shape own);
/* A scalar of the call's float dtype: constants in formulas. */
ct_tensor *ct__number(const ct_call *c, double value);

/* Does t need a gradient? */
bool ct__needs_grad(const ct_tensor *t);

/* Fronts begin with this: false, with an error, where an operand is NULL. */
static inline bool ct__check(const char *operation, const char *name, const ct_tensor *t)
{
    return CT__LIKELY(t != NULL) || ct__fail_null(operation, name);
}

#endif
