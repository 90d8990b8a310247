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
 * retain them. A failed sweep leaves the gradients as they were. */
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
/* Forgets the gradient. Not needed between steps: an optimizer step marks gradients as spent (ct_spend_grad). */
CT_API bool ct_zero_grad(ct_tensor *leaf);
/* The gradient stays readable, and the next backward overwrites it instead of adding to it. */
CT_API bool ct_spend_grad(ct_tensor *leaf);
/* Puts a gradient of the leaf's shape and dtype in place (gradients computed elsewhere). */
CT_API bool ct_set_grad(ct_tensor *leaf, ct_tensor *gradient);

/* Gives t, a leaf or a constant, other values of its shape, also of another dtype, without a copy: t views their storage from now on. Every
 * handle of the same tensor that is this very object sees it; a gradient is dropped. (PyTorch's `t.data = values`.) */
CT_API bool ct_set_data(ct_tensor *t, ct_tensor *values);

/* A hook sees the gradient that reaches t in every sweep, before it flows on, and may put another of the same shape into
 * *replacement (left alone: none). Returns 0, or an error number of the user's, which ends the sweep. Hooks of a tensor run
 * in the order they were added. t must need a gradient. */
typedef int (*ct_hook)(ct_tensor *gradient, ct_tensor **replacement, void *context);
CT_API bool ct_add_hook(ct_tensor *t, ct_hook hook, void *context);

/* ---- forward mode and transforms ---------------------------------------------------------------------- */

/* A function of tensors: reads in[], writes out[]. Returns 0, or an error number of the user's. */
typedef int (*ct_function)(void *context, ct_tensor *const *in, ct_tensor **out);

/* The function at in[], and its derivative along tangents[] (of the inputs' shapes; an entry NULL means none, the only
 * place where it does), in one pass: out[j] = f_j(in), dout[j] = sum_i d f_j / d in_i tangents[i]. `out` may be NULL.
 * Calls nest to any depth, in each other and with reverse mode. */
CT_API bool ct_jvp(ct_function f, void *context, ct_tensor *const *in, ct_tensor *const *tangents, int n_in,
                   ct_tensor **out, ct_tensor **dout, int n_out);

/* Products with the transposed derivative: din[i] = sum_j cotangents[j] d f_j / d in_i. `out` may be NULL. */
CT_API bool ct_vjp(ct_function f, void *context, ct_tensor *const *in, int n_in, ct_tensor *const *cotangents,
                   ct_tensor **out, int n_out, ct_tensor **din);

typedef enum ct_mode { CT_MODE_AUTO, CT_MODE_REVERSE, CT_MODE_FORWARD } ct_mode;
/* The Jacobian of a function of one tensor: shape [y's shape..., x's shape...]. AUTO goes forward where x has fewer
 * elements than y. Differentiable when x needs a gradient. */
CT_API ct_tensor *ct_jacobian(ct_function f, void *context, ct_tensor *x, ct_mode mode);

/* ---- for optimizers ----------------------------------------------------------------------------------- */

/* True when the calling thread may change state: no error is pending. Else false, and the error stays. */
CT_API bool ct_may_change_state(void);

#ifdef __cplusplus
}
#endif

#ifndef CT_NO_PLACES
#define ct_requires_grad(...) ct_here(ct_requires_grad(__VA_ARGS__), CT_HERE)
#define ct_backward(...) ct_here_bool(ct_backward(__VA_ARGS__), CT_HERE)
#define ct_backward_with(...) ct_here_bool(ct_backward_with(__VA_ARGS__), CT_HERE)
#define ct_grad(...) ct_here_bool(ct_grad(__VA_ARGS__), CT_HERE)
#define ct_derivative(...) ct_here(ct_derivative(__VA_ARGS__), CT_HERE)
#define ct_grad_of(...) ct_here(ct_grad_of(__VA_ARGS__), CT_HERE)
#define ct_zero_grad(...) ct_here_bool(ct_zero_grad(__VA_ARGS__), CT_HERE)
#define ct_spend_grad(...) ct_here_bool(ct_spend_grad(__VA_ARGS__), CT_HERE)
#define ct_set_grad(...) ct_here_bool(ct_set_grad(__VA_ARGS__), CT_HERE)
#define ct_set_data(...) ct_here_bool(ct_set_data(__VA_ARGS__), CT_HERE)
#define ct_add_hook(...) ct_here_bool(ct_add_hook(__VA_ARGS__), CT_HERE)
#define ct_jvp(...) ct_here_bool(ct_jvp(__VA_ARGS__), CT_HERE)
#define ct_vjp(...) ct_here_bool(ct_vjp(__VA_ARGS__), CT_HERE)
#define ct_jacobian(...) ct_here(ct_jacobian(__VA_ARGS__), CT_HERE)
#endif
#endif
