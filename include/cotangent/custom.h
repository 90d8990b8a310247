/*
 * custom.h - operations of your own with derivatives of your own, the list of all operations, and checkpoints.
 *
 * A custom operation is registered once with the functions that compute it and its two rules, VJP (dy -> dx) and JVP (dx ->
 * dy), and is then applied like any other. Rules that are written with operations can be differentiated themselves, to any
 * order.
 */
#ifndef COTANGENT_CUSTOM_H
#define COTANGENT_CUSTOM_H

#include <cotangent/autograd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- custom operations ---------------------------------------------------------------------------------- */

/* A call, as the functions of an operation see it. `forward` gets all inputs; the rules get what `keeps` names, and NULL in the
 * place of what it does not. */
typedef struct ct_operation_call {
    const void *params;         /* a copy of the bytes given to ct_apply, aligned to 8 */
    ct_tensor *const *in;
    int n_in;
    ct_tensor *const *out;      /* rules only */
    int n_out;
    ct_tensor *const *saved;    /* rules only: what forward saved */
    int n_saved;
    const bool *needed;         /* in vjp: which dx are wanted; in jvp: which dx are not zero */
    const ct_shape *in_shapes;  /* of one call, also where vjp sees a stack */
} ct_operation_call;

/* Computes out[0 .. n_out-1] from the inputs, and the values to save for the rules. Nothing in it is recorded, so it may use
 * operations as well as raw memory (ct_contiguous, ct_data). */
typedef int (*ct_operation_forward)(const ct_operation_call *call, ct_tensor **out, ct_tensor **saved);
/* dx[i] = sum_j dy[j] d out_j / d in_i, for each input that is `needed`, in the input's shape and dtype. dy[j] is zeros where
 * no gradient arrived, NULL for an output that is no float. One of dy[] may be returned itself. */
typedef int (*ct_operation_vjp)(const ct_operation_call *call, ct_tensor *const *dy, ct_tensor **dx);
/* dy[j] = sum_i d out_j / d in_i dx[i], for each output of floats, in its shape and dtype. dx[i] is zeros where there is no
 * tangent, NULL for an input that is no float. */
typedef int (*ct_operation_jvp)(const ct_operation_call *call, ct_tensor *const *dx, ct_tensor **dy);

/* What the rules read is kept from the call until backward has used it. */
#define CT_KEEP_INPUT(i) (1u << (i)) /* i from 0 to 15 */
#define CT_KEEP_INPUTS 0xffffu       /* all */
#define CT_KEEP_OUTPUT(i) (1u << (16 + (i)))
#define CT_KEEP_OUTPUTS 0xff0000u    /* all */

/* The functions return 0, or an error number of the user's; ct_raise says more. They run in a scope of their own: what they
 * make is released, what they hand over is not. */
typedef struct ct_operation {
    const char *name;       /* a C identifier, for messages, drawings and ct_operation_find */
    const char *inputs;     /* their names: "x, w"; "x..." for any number of them */
    const char *outputs;    /* "values, indices"; NULL means one, "y" */
    const char *parameters; /* for the documentation: "double alpha"; NULL: none */
    const char *doc;        /* the formula, and what fails */
    size_t params;          /* bytes of the parameters, a plain struct that is copied bytewise */
    unsigned keeps;         /* CT_KEEP_... of what the rules read, joined by | */
    int saved;              /* values that forward saves beside; outputs and saved values are 8 together at most */
    bool stacks; /* the rules also take dy[] or dx[] with extra leading axes, a stack of them: a Jacobian is then one call
                    of a rule, else one for each row or column */
    ct_operation_forward forward;
    ct_operation_vjp vjp; /* NULL: no reverse mode, which then says so */
    ct_operation_jvp jvp; /* NULL: no forward mode, which then says so */
} ct_operation;

typedef struct ct_custom ct_custom;

/* Registers an operation for all threads until the process ends; everything is copied. A name that is taken is an error, but
 * the very same definition again gives the same operation, so that a function may register what it uses when it is first
 * called:
 *
 *     static int forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
 *     {
 *         (void)saved;
 *         out[0] = ct_softplus(c->in[0]);                                   // log(1 + e^x)
 *         return out[0] ? 0 : 1;
 *     }
 *     static int vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
 *     {
 *         dx[0] = ct_mul(dy[0], ct_sigmoid(c->in[0]));                      // in operations: any order of derivative
 *         return dx[0] ? 0 : 1;
 *     }
 *     static ct_tensor *log1pexp(ct_tensor *x)
 *     {
 *         const ct_operation op = {.name = "log1pexp", .inputs = "x", .doc = "log(1 + e^x)", .keeps = CT_KEEP_INPUTS,
 *                                  .stacks = true, .forward = forward, .vjp = vjp};
 *         return ct_apply(ct_register(&op), &x, 1, NULL);
 *     }
 *
 * Errors and drawings name the line of ct_apply; `(ct_apply)(...)` and a macro log1pexp around ct_here leave that to the caller.
 *
 * A rule that reads numbers out of tensors (ct_data, ct_item, ...) gives a derivative, but not one that can be differentiated
 * again: a second derivative then fails and names the operation. So does one that would need the derivative of a saved value:
 * make that an output, or, where it does not depend on the inputs, ct_detach it in the rule. */
CT_API const ct_custom *ct_register(const ct_operation *operation);
/* The operation's first result for n_in inputs; params points to its parameters, NULL where it has none. */
CT_API ct_tensor *ct_apply(const ct_custom *operation, ct_tensor *const *in, int n_in, const void *params);
/* All results, written to out[]; on failure these are NULL. */
CT_API bool ct_apply_all(const ct_custom *operation, ct_tensor *const *in, int n_in, const void *params, ct_tensor **out);

/* The values of `value`, bit by bit, with the derivative of `surrogate`, which has the same shape and dtype (the
 * straight-through estimator, Bengio et al. 2013): ct_straight_through(ct_round(x), x) rounds and lets gradients pass.
 * `value` gets no gradient. */
CT_API ct_tensor *ct_straight_through(ct_tensor *value, ct_tensor *surrogate);

/* ---- the list of operations ----------------------------------------------------------------------------- */

typedef struct ct_operation_info {
    const char *name;        /* "matmul" */
    const char *inputs;      /* "a, b"; "x..." for any number */
    const char *parameters;  /* "ct_axes axes, bool keepdim"; "" for none */
    const char *prototype;   /* of the function in C; NULL for the user's own */
    const char *doc;         /* what the header says */
    const char *formula;     /* as short as a graph shows it; "" where there is none */
    bool vjp, jvp;           /* reverse and forward mode go through it (also where the derivative is zero) */
    bool composed;           /* made of other operations, which are what a graph shows */
    const ct_custom *custom; /* for ct_apply; NULL for the library's own */
    void (*function)(void);  /* the function in C, to be cast to its type; NULL for the user's own */
} ct_operation_info;

/* The library's operations in alphabetical order, then the user's as they were registered. */
CT_API int ct_operation_count(void);
/* NULL with an error for a number that is not in 0 .. count - 1. What it points to stays. */
CT_API const ct_operation_info *ct_operation_at(int i);
/* By name, with or without "ct_" in front; NULL, without an error, where there is none. */
CT_API const ct_operation_info *ct_operation_find(const char *name);

/* ---- checkpoints ---------------------------------------------------------------------------------------- */

/* out[] = f(in[]) without keeping the values that lie between: backward computes them again, by a second call of f, when it
 * comes to them (Griewank and Walther 2000; Chen et al. 2016). n layers in sqrt(n) segments keep about 2 sqrt(n) layers'
 * values instead of n, for one more forward pass. Gradients are the same to the last bit, dropout draws the same mask, hooks
 * and places stay, other tensors that f uses (parameters) get their gradients, derivatives of every order work, and
 * checkpoints may be nested.
 *
 * f must do the same each time and change nothing (batch norm's running statistics would be updated twice), and `context`
 * must live until the graph is gone. It is an error, in backward, where f does other operations than before or a tensor it
 * used was changed in place. Without recording, and inside ct_jvp, f is just called. With retain_graph what was computed
 * again stays. */
CT_API bool ct_checkpoint(ct_function f, void *context, ct_tensor *const *in, int n_in, ct_tensor **out, int n_out);

#ifdef __cplusplus
}
#endif

#ifndef CT_NO_PLACES
static inline const ct_custom *ct_here_custom(const ct_custom *operation, const char *file, int line)
{
    if (!operation) ct_here_error(file, line);
    return operation;
}
static inline const ct_operation_info *ct_here_info(const ct_operation_info *info, const char *file, int line)
{
    if (!info) ct_here_error(file, line);
    return info;
}
#define ct_register(...) ct_here_custom(ct_register(__VA_ARGS__), CT_HERE)
#define ct_apply(...) ct_here(ct_apply(__VA_ARGS__), CT_HERE)
#define ct_apply_all(...) ct_here_bool(ct_apply_all(__VA_ARGS__), CT_HERE)
#define ct_straight_through(...) ct_here(ct_straight_through(__VA_ARGS__), CT_HERE)
#define ct_operation_at(...) ct_here_info(ct_operation_at(__VA_ARGS__), CT_HERE)
#define ct_operation_find(...) ct_here_info(ct_operation_find(__VA_ARGS__), CT_HERE)
#define ct_checkpoint(...) ct_here_bool(ct_checkpoint(__VA_ARGS__), CT_HERE)
#endif
#endif
