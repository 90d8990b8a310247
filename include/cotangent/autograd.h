/*
 * autograd.h - derivatives: reverse mode into leaves or towards any tensors, forward mode, Jacobians, hooks.
 *
 * Operations on a tensor that needs a gradient record a node. Reverse mode walks the nodes from the result back and
 * applies each operation's VJP (dy -> dx), forward mode pushes tangents through the JVP (dx -> dy). Both are made of
 * operations themselves, so derivatives nest to any order in any mix.
 */
#ifndef COTANGENT_AUTOGRAD_H
#define COTANGENT_AUTOGRAD_H

#include <cotangent/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what needs a gradient ---------------------------------------------------------------------------- */

/* Makes t, f32 or f64, a leaf that collects a gradient (or ends that). A result of recorded operations needs one by
 * itself and cannot be told otherwise: see ct_detach. Returns t, NULL when it fails. */
CT_API ct_tensor *ct_requires_grad(ct_tensor *t, bool yes);
CT_API bool ct_needs_grad(const ct_tensor *t);

/* CT_NO_GRAD; at the start of a block: operations in it are not recorded. */
#if defined(__GNUC__)
#define CT_NO_GRAD                                                                                                     \
    __attribute__((cleanup(ct_grad_mode_cleanup), unused)) const bool ct_grad_mode_before = ct_grad_mode(false)
#endif
/* Turns recording on or off for the calling thread and returns what it was. */
CT_API bool ct_grad_mode(bool on);
CT_API void ct_grad_mode_cleanup(const bool *before); /* for CT_NO_GRAD */

/* ---- reverse mode ------------------------------------------------------------------------------------- */

/* Adds d loss / d leaf to the gradient of every leaf that `loss`, a tensor of one element, depends on. Values kept for the
 * sweep are released as it proceeds: a second sweep over the same graph fails and says so; ct_backward_with can
 * retain them. A failed sweep leaves the gradients as they were, but for spent ones (ct_spend_grad), which may be gone. */
CT_API bool ct_backward(ct_tensor *loss);

typedef struct ct_grad_options {
    bool create_graph; /* record the sweep itself, so that its results can be differentiated; implies retain_graph */
    bool retain_graph; /* keep the values, so that the graph can be swept again */
} ct_grad_options;

/* From several outputs of any shape with given cotangents (of the outputs' shapes; the array NULL means all ones). */
CT_API bool ct_backward_with(ct_tensor *const *outputs, ct_tensor *const *cotangents, int count,
                             ct_grad_options options);

/* grads[i] = sum_j cotangents[j] d outputs[j] / d inputs[i], for any tensors as inputs, leaves or not; no leaf's own gradient
 * is touched. The array `cotangents` NULL means all ones. Inputs that no output depends on get zeros. On failure all of
 * grads[] are NULL. */
CT_API bool ct_grad(ct_tensor *const *outputs, ct_tensor *const *cotangents, int n_outputs, ct_tensor *const *inputs,
                    int n_inputs, ct_tensor **grads, ct_grad_options options);

/* d output / d input for one pair; output has one element. With create_graph it can be differentiated again. */
CT_API ct_tensor *ct_derivative(ct_tensor *output, ct_tensor *input, ct_grad_options options);

/* The gradient that backward collected in a leaf, a new handle; fails when there is none yet (ct_has_grad). */
CT_API ct_tensor *ct_grad_of(ct_tensor *leaf);
CT_API bool ct_has_grad(const ct_tensor *leaf);
/* The same tensor without a handle of the caller's, for optimizers: not to be freed, changed or kept, and gone when the leaf's
 * gradient changes. NULL, without an error, for a tensor that needs no gradient or has none yet. */
CT_API ct_tensor *ct_grad_borrow(const ct_tensor *leaf);
/* Forgets the gradient. Not needed between steps: an optimizer step marks gradients as spent (ct_spend_grad). */
CT_API bool ct_zero_grad(ct_tensor *leaf);
/* The gradient stays readable, and the next backward takes its memory and replaces it instead of adding to it. */
CT_API bool ct_spend_grad(ct_tensor *leaf);
/* Puts a gradient of the leaf's shape and dtype in place (gradients computed elsewhere). */
CT_API bool ct_set_grad(ct_tensor *leaf, ct_tensor *gradient);

/* Gives t, a leaf or a constant, other values of its shape, also of another dtype, without a copy: t views their storage from now
 * on. Every handle of the same tensor that is this very object sees it; a gradient is dropped. (PyTorch's `t.data = values`.) */
CT_API bool ct_set_data(ct_tensor *t, ct_tensor *values);

/* A hook sees the gradient that reaches t in every sweep, before it flows on, and may put another of the same shape into
 * *replacement (left alone: none). Returns 0, or an error number of the user's, which ends the sweep. Hooks of a tensor run
 * in the order they were added. t must need a gradient. Where a sweep carries a stack of gradients (ct_jacobian), hooks get them
 * one by one; sweeps in forward direction run none. */
typedef int (*ct_hook)(ct_tensor *gradient, ct_tensor **replacement, void *context);
CT_API bool ct_add_hook(ct_tensor *t, ct_hook hook, void *context);
/* Takes away the first hook of t that was added with this function and this context. A hook may remove itself. */
CT_API bool ct_remove_hook(ct_tensor *t, ct_hook hook, void *context);

/* ---- functions and their derivatives ------------------------------------------------------------------- */

/* Transforms take a function of tensors, whose derivative is a linear map: J, or f'(in). Their results can be differentiated
 * further, by reverse mode where something needs a gradient and by transforms around them, nested to any depth and in any
 * mix; inside CT_NO_GRAD they are not connected to anything that needs a gradient. The derivative is by the arguments: tensors
 * that f reaches by another way (its context, a parameter) are constants for it. Inputs of integer dtype have no derivative.
 * A function that fails ends the transform with CT_ERROR_USER, unless it has raised an error itself. */

/* A function of tensors: reads in[], writes out[]. Returns 0, or an error number of the user's. */
typedef int (*ct_function)(void *context, ct_tensor *const *in, ct_tensor **out);

/* The function at in[], and its derivative along tangents[] (of the inputs' shapes; an entry NULL means zero), in one pass:
 * out[j] = f_j(in), dout[j] = sum_i d f_j / d in_i tangents[i]. `out` may be NULL. Forward mode: nothing is recorded for it, and
 * each operation of f that has a tangent runs its JVP (an operation without one: CT_ERROR_GRAPH, which names it and the
 * argument). On failure all of out[] and dout[] are NULL. */
CT_API bool ct_jvp(ct_function f, void *context, ct_tensor *const *in, ct_tensor *const *tangents, int n_in,
                   ct_tensor **out, ct_tensor **dout, int n_out);

/* Products with the transposed derivative: din[i] = sum_j cotangents[j] d f_j / d in_i. `out`, the function at in[], may be
 * NULL. Reverse mode. On failure all of out[] and din[] are NULL. */
CT_API bool ct_vjp(ct_function f, void *context, ct_tensor *const *in, int n_in, ct_tensor *const *cotangents,
                   ct_tensor **out, int n_out, ct_tensor **din);

/* The value of a function of one element, and its gradient: grads[i] = d f / d in_i. `value` may be NULL. */
CT_API bool ct_value_and_grad(ct_function f, void *context, ct_tensor *const *in, int n_in, ct_tensor **value, ct_tensor **grads);

/* The derivative of a function at a point, for repeated products. */
typedef struct ct_linear_map ct_linear_map;
/* Calls f once, recorded, and keeps what its derivative needs until ct_linear_free, out of every scope. `out`, the function at
 * in[], may be NULL. The map belongs to the thread that made it. Where f changes tensors in place that its derivative
 * reads, the products fail. */
CT_API ct_linear_map *ct_linearize(ct_function f, void *context, ct_tensor *const *in, int n_in, ct_tensor **out, int n_out);
/* dout[j] = sum_i J_ji tangents[i], where an entry NULL means zero: forward, without calling f. Tangents with leading axes before
 * those of their input, the same ones for all, are a stack of tangents, pushed together; the results have these axes too. */
CT_API bool ct_linear_apply(ct_linear_map *map, ct_tensor *const *tangents, ct_tensor **dout);
/* din[i] = sum_j cotangents[j] J_ji: in reverse. Stacks likewise. */
CT_API bool ct_linear_transpose(ct_linear_map *map, ct_tensor *const *cotangents, ct_tensor **din);
CT_API void ct_linear_free(ct_linear_map *map); /* NULL is allowed */

typedef enum ct_mode { CT_MODE_AUTO, CT_MODE_REVERSE, CT_MODE_FORWARD } ct_mode;
/* The Jacobian of a function of one tensor: d y_i / d x_k, shape [y's shape..., x's shape...] (8 axes at most), dtype x's. f is
 * called once; then all unit cotangents go back in one sweep, or all unit tangents forward, stacked: AUTO goes forward where x
 * has fewer elements than y. Stacks are cut so that the largest value between x and y, stacked, has about 2^16 elements (but 16
 * units at least), which is fastest and bounds the memory. f is recorded in both modes, so every operation in it needs a VJP;
 * ct_jvp does not ask for that. */
CT_API ct_tensor *ct_jacobian(ct_function f, void *context, ct_tensor *x, ct_mode mode);

/* The Hessian of a function of one element: d^2 f / d x_i d x_k, shape [x's shape..., x's shape...], so x has at most 4 axes. The
 * Jacobian of the gradient, likewise in stacked sweeps. */
CT_API ct_tensor *ct_hessian(ct_function f, void *context, ct_tensor *x);

/* product = H v for a function of one element and several inputs, product[i] = sum_k d^2 f / d in_i d in_k v[k], at a small
 * multiple of the cost of the gradient and without ever making H: forward mode over reverse (Pearlmutter, "Fast exact
 * multiplication by the Hessian", Neural Computation 6, 1994). v[] has the inputs' shapes; an entry NULL means zero. `gradient`
 * may be NULL. */
CT_API bool ct_hvp(ct_function f, void *context, ct_tensor *const *in, ct_tensor *const *v, int n_in, ct_tensor **gradient,
                   ct_tensor **product);

/* derivatives[k] = d^k/dt^k f(x + t direction) at t = 0, for k = 0 .. order: order + 1 tensors of the shape of f's one output
 * (for a Taylor series divide by k!). f is called once. Forward mode nested `order` deep: time and memory grow as 2^order. */
CT_API bool ct_taylor(ct_function f, void *context, ct_tensor *x, ct_tensor *direction, int order, ct_tensor **derivatives);

/* ---- for optimizers ----------------------------------------------------------------------------------- */

/* True when the calling thread may change state: no error is pending. Else false, and the error stays. */
CT_API bool ct_may_change_state(void);

#ifdef __cplusplus
}
#endif

static inline ct_linear_map *ct_here_linear_map(ct_linear_map *map, const char *file, int line)
{
    if (!map) ct_here_error(file, line);
    return map;
}

#ifndef CT_NO_PLACES
#define ct_requires_grad(...) ct_here(ct_requires_grad(__VA_ARGS__), CT_HERE)
#define ct_needs_grad(...) ct_here_bool(ct_needs_grad(__VA_ARGS__), CT_HERE)
#define ct_has_grad(...) ct_here_bool(ct_has_grad(__VA_ARGS__), CT_HERE)
#define ct_backward(...) ct_here_bool(ct_backward(__VA_ARGS__), CT_HERE)
#define ct_backward_with(...) ct_here_bool(ct_backward_with(__VA_ARGS__), CT_HERE)
#define ct_grad(...) ct_here_bool(ct_grad(__VA_ARGS__), CT_HERE)
#define ct_derivative(...) ct_here(ct_derivative(__VA_ARGS__), CT_HERE)
#define ct_grad_of(...) ct_here(ct_grad_of(__VA_ARGS__), CT_HERE)
#define ct_grad_borrow(...) ct_here(ct_grad_borrow(__VA_ARGS__), CT_HERE)
#define ct_zero_grad(...) ct_here_bool(ct_zero_grad(__VA_ARGS__), CT_HERE)
#define ct_spend_grad(...) ct_here_bool(ct_spend_grad(__VA_ARGS__), CT_HERE)
#define ct_set_grad(...) ct_here_bool(ct_set_grad(__VA_ARGS__), CT_HERE)
#define ct_set_data(...) ct_here_bool(ct_set_data(__VA_ARGS__), CT_HERE)
#define ct_add_hook(...) ct_here_bool(ct_add_hook(__VA_ARGS__), CT_HERE)
#define ct_remove_hook(...) ct_here_bool(ct_remove_hook(__VA_ARGS__), CT_HERE)
#define ct_jvp(...) ct_here_bool(ct_jvp(__VA_ARGS__), CT_HERE)
#define ct_vjp(...) ct_here_bool(ct_vjp(__VA_ARGS__), CT_HERE)
#define ct_value_and_grad(...) ct_here_bool(ct_value_and_grad(__VA_ARGS__), CT_HERE)
#define ct_linearize(...) ct_here_linear_map(ct_linearize(__VA_ARGS__), CT_HERE)
#define ct_linear_apply(...) ct_here_bool(ct_linear_apply(__VA_ARGS__), CT_HERE)
#define ct_linear_transpose(...) ct_here_bool(ct_linear_transpose(__VA_ARGS__), CT_HERE)
#define ct_jacobian(...) ct_here(ct_jacobian(__VA_ARGS__), CT_HERE)
#define ct_hessian(...) ct_here(ct_hessian(__VA_ARGS__), CT_HERE)
#define ct_hvp(...) ct_here_bool(ct_hvp(__VA_ARGS__), CT_HERE)
#define ct_taylor(...) ct_here_bool(ct_taylor(__VA_ARGS__), CT_HERE)
#endif
#endif
