/*
 * nn.h - neural networks: modules with named parameters, layers, losses, initialization, optimizers.
 *
 * Written with the public operations alone: src/nn is also the example of how to write a model. Modules and optimizers
 * belong to the caller (ct_module_free, ct_optimizer_free); a container takes its children over, also when it fails.
 */
#ifndef COTANGENT_NN_H
#define COTANGENT_NN_H

#include <cotangent/autograd.h>
#include <cotangent/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- modules ------------------------------------------------------------------------------------------ */

typedef struct ct_module ct_module;
/* The forward function of a module. It runs in a scope of its own; ct_module_state gives the user's struct. */
typedef ct_tensor *(*ct_forward_function)(ct_module *self, ct_tensor *x);

/* A module of one's own: `state_size` zeroed bytes belong to it (the user's struct, see ct_module_state).
 * `kind` is a name for messages and printing, and must stay valid (a literal). */
CT_API ct_module *ct_module_new(const char *kind, ct_forward_function forward, size_t state_size);
CT_API void *ct_module_state(ct_module *module);
/* Called with the state before the module is freed, for what the state itself owns. */
CT_API void ct_module_on_free(ct_module *module, void (*release)(void *state));
/* Adds a parameter: a copy of `initial` that needs a gradient. Returns it, borrowed: the module owns it. Names are unique in a
 * module, not empty, and have no dot. */
CT_API ct_tensor *ct_module_parameter(ct_module *module, const char *name, ct_tensor *initial);
/* The same for a tensor that is saved and loaded but not trained. */
CT_API ct_tensor *ct_module_buffer(ct_module *module, const char *name, ct_tensor *initial);
/* Takes a child over and returns it. Given NULL, it fails. */
CT_API ct_module *ct_module_child(ct_module *module, const char *name, ct_module *child);
CT_API void ct_module_free(ct_module *module);

/* Applies the module. */
CT_API ct_tensor *ct_forward(ct_module *module, ct_tensor *x);

/* Training mode (the default) and evaluation mode, of the module and all below it. */
CT_API void ct_module_train(ct_module *module, bool training);
CT_API bool ct_module_training(const ct_module *module);
/* Parameters of the module and all below it need a gradient, or not (frozen: optimizers leave them alone). */
CT_API bool ct_module_requires_grad(ct_module *module, bool yes);
/* Casts all parameters and buffers to f32 or f64 (before an optimizer takes them, whose state keeps the old dtype). The
 * handles stay the same; gradients are dropped; integer buffers stay as they are. */
CT_API bool ct_module_cast(ct_module *module, ct_dtype dtype);

/* Parameters in order of definition, children's after the module's own; names are paths, "hidden.weight". Handles are
 * borrowed. ct_module_parameters returns how many there are, writing at most `capacity` of them (parameters may be NULL). */
CT_API int ct_module_parameters(const ct_module *module, ct_tensor **parameters, int capacity);
CT_API ct_tensor *ct_module_find(const ct_module *module, const char *path); /* a parameter or buffer by its path */
CT_API const char *ct_module_kind(const ct_module *module);
CT_API int64_t ct_module_count(const ct_module *module); /* the number of trained values */
/* Calls visit(path, tensor, is_parameter, context) for every parameter and buffer; stops where it returns false. */
typedef bool (*ct_module_visitor)(const char *path, ct_tensor *tensor, bool is_parameter, void *context);
CT_API bool ct_module_visit(const ct_module *module, ct_module_visitor visit, void *context);
/* A table of layers, parameters, shapes and counts. */
CT_API bool ct_module_print(FILE *to, const ct_module *module);

/* ---- layers ------------------------------------------------------------------------------------------- */

/* y = x W + b: x [.., in], "weight" W [in, out], "bias" b [out]. W and b start uniform on (-1/sqrt(in), 1/sqrt(in)), f32
 * (ct_module_cast for f64). */
CT_API ct_module *ct_nn_linear(int64_t in, int64_t out);
typedef struct ct_linear_options {
    bool no_bias;
    ct_tensor *mask;      /* [in, out], nonzero where W has a parameter: all others stay exactly zero, with zero gradient */
    ct_tensor *bias_mask; /* [out], the same for b */
    ct_dtype dtype;
} ct_linear_options;
CT_API ct_module *ct_nn_linear_with(int64_t in, int64_t out, ct_linear_options options);

/* One after another. ct_nn_sequential(a, b, c) takes its children over, also when it fails; their names are "0", "1", ... */
CT_API ct_module *ct_nn_sequential_of(ct_module *const *children, int count);
/* The same for a list that ends with ct_nn_end(). */
CT_API ct_module *ct_nn_sequential_list(ct_module *const *children);
CT_API ct_module *ct_nn_end(void);
#ifdef __cplusplus
} /* extern "C" */
template <class... T> inline ct_module *ct_nn_sequential_from(T... child)
{
    ct_module *const children[] = {child..., ct_nn_end()};
    return ct_nn_sequential_list(children);
}
#define ct_nn_sequential(...) ct_here_module(ct_nn_sequential_from(__VA_ARGS__), CT_HERE)
extern "C" {
#else
#define ct_nn_sequential(...)                                                                                          \
    ct_here_module(ct_nn_sequential_list((ct_module *[]){__VA_ARGS__, ct_nn_end()}), CT_HERE)
#endif

/* Any operation of one tensor as a module: ct_nn_function("tanh", ct_tanh). */
CT_API ct_module *ct_nn_function(const char *kind, ct_tensor *(*f)(ct_tensor *x));
CT_API ct_module *ct_nn_identity(void);
CT_API ct_module *ct_nn_relu(void);
CT_API ct_module *ct_nn_leaky_relu(double alpha);
CT_API ct_module *ct_nn_elu(double alpha);
CT_API ct_module *ct_nn_gelu(void);
CT_API ct_module *ct_nn_silu(void);
CT_API ct_module *ct_nn_sigmoid(void);
CT_API ct_module *ct_nn_tanh(void);
CT_API ct_module *ct_nn_softplus(void);
CT_API ct_module *ct_nn_step(void);
CT_API ct_module *ct_nn_softmax(int axis);
CT_API ct_module *ct_nn_log_softmax(int axis);
/* Joins all axes but the first. */
CT_API ct_module *ct_nn_flatten(void);
/* Layer norm over the last axes, which have this shape, with eps 1e-5; parameters "gamma", ones, and "beta", zeros, both f32
 * (Ba et al. 2016). */
CT_API ct_module *ct_nn_layer_norm(ct_shape shape);
/* In training each element is 0 with probability p and else divided by 1 - p (Srivastava et al. 2014); 0 <= p < 1. In
 * evaluation the identity. */
CT_API ct_module *ct_nn_dropout(double p);
CT_API ct_tensor *ct_dropout(ct_tensor *x, double p, bool training);

/* ---- initialization, in place ------------------------------------------------------------------------- */

/* For a weight [in, out] (fan in = in, fan out = out; the factors do not change when it is stored the other way round,
 * but Kaiming's fan does: ct_init_kaiming_* take the first axis as in). Not recorded. All return false on failure. */
CT_API bool ct_init_xavier_normal(ct_tensor *w, double gain);   /* N(0, std = gain sqrt(2 / (in + out))) (Glorot, Bengio 2010) */
CT_API bool ct_init_xavier_uniform(ct_tensor *w, double gain);  /* U(-a, a), a = gain sqrt(6 / (in + out)) */
CT_API bool ct_init_kaiming_normal(ct_tensor *w, double gain);  /* N(0, std = gain / sqrt(in)); relu: sqrt(2) (He et al. 2015) */
CT_API bool ct_init_kaiming_uniform(ct_tensor *w, double gain); /* U(-a, a), a = gain sqrt(3 / in) */
CT_API bool ct_init_uniform(ct_tensor *w, double a);            /* U(-a, a) */
CT_API bool ct_init_normal(ct_tensor *w, double std);           /* N(0, std) */
CT_API bool ct_init_constant(ct_tensor *w, double value);

/* ---- losses ------------------------------------------------------------------------------------------- */

/* CT_MEAN: over the rows (examples) for losses with one value a row (cross-entropy, NLL, Gaussian), over all elements for the
 * others, as PyTorch; CT_SUM: the sum; CT_NO_REDUCTION: one value a row or element. */
typedef enum ct_reduction { CT_MEAN, CT_SUM, CT_NO_REDUCTION } ct_reduction;

CT_API ct_tensor *ct_mse_loss(ct_tensor *y, ct_tensor *target, ct_reduction reduction);      /* (y - t)^2 */
CT_API ct_tensor *ct_half_mse_loss(ct_tensor *y, ct_tensor *target, ct_reduction reduction); /* (y - t)^2 / 2 */
CT_API ct_tensor *ct_l1_loss(ct_tensor *y, ct_tensor *target, ct_reduction reduction);       /* |y - t| */
/* r^2 / 2 where |r| <= delta, else delta (|r| - delta / 2), r = y - t (Huber 1964); delta > 0. */
CT_API ct_tensor *ct_huber_loss(ct_tensor *y, ct_tensor *target, double delta, ct_reduction reduction);

/* Mean cross-entropy of logits [.., classes] with class indices [..] (integers), or with one-hot or soft targets
 * [.., classes] (floats): -sum_c t_c log softmax(x)_c. */
CT_API ct_tensor *ct_cross_entropy(ct_tensor *logits, ct_tensor *target);
typedef struct ct_cross_entropy_options {
    ct_reduction reduction;
    double label_smoothing; /* s: targets become (1 - s) t + s / classes (Szegedy et al. 2016); 0 <= s <= 1 */
} ct_cross_entropy_options;
CT_API ct_tensor *ct_cross_entropy_with(ct_tensor *logits, ct_tensor *target, ct_cross_entropy_options options);
/* The same from log probabilities: -sum_c t_c logp_c. */
CT_API ct_tensor *ct_nll_loss(ct_tensor *log_probabilities, ct_tensor *target, ct_reduction reduction);
/* -(t log p + (1 - t) log(1 - p)); logarithms are cut at -100, so that p = 0 and p = 1 stay finite. */
CT_API ct_tensor *ct_binary_cross_entropy(ct_tensor *p, ct_tensor *target, ct_reduction reduction);
/* The same with p = sigmoid(x), accurate for any x: max(x, 0) - x t + log(1 + e^-|x|). */
CT_API ct_tensor *ct_binary_cross_entropy_logits(ct_tensor *x, ct_tensor *target, ct_reduction reduction);
/* Gaussian negative log-likelihood of rows t ~ N(y, S) with a constant covariance matrix S [n, n]:
 * ((t - y)' S^-1 (t - y) + log det S + n log 2 pi) / 2. */
CT_API ct_tensor *ct_gaussian_nll_loss(ct_tensor *y, ct_tensor *target, ct_tensor *covariance, ct_reduction reduction);

/* sum |w| and sum w^2 over all trained parameters whose path ends in "weight" (biases are not penalized), times lambda. */
CT_API ct_tensor *ct_l1_penalty(const ct_module *module, double lambda);
CT_API ct_tensor *ct_l2_penalty(const ct_module *module, double lambda);

/* The share of rows of logits [.., classes] whose largest entry is the target's (indices or one-hot); NaN on failure. */
CT_API double ct_accuracy(ct_tensor *logits, ct_tensor *target);

/* ---- optimizers --------------------------------------------------------------------------------------- */

typedef struct ct_optimizer ct_optimizer;

typedef struct ct_sgd_options {
    double momentum, dampening, weight_decay;
    bool nesterov;
} ct_sgd_options;
typedef struct ct_adam_options {
    double beta1, beta2, eps, weight_decay;
} ct_adam_options;
CT_API ct_adam_options ct_adam_defaults(void); /* 0.9, 0.999, 1e-8, 0 (AdamW: PyTorch's default decay is 0.01) */

/* Over a module's parameters that need a gradient when step is called. They retain the parameters, so that module and
 * optimizer may be freed in any order. The formulas stand at ct_sgd_step_ and ct_adam_step_. */
CT_API ct_optimizer *ct_optim_sgd(ct_module *module, double lr);
CT_API ct_optimizer *ct_optim_adam(ct_module *module, double lr);
CT_API ct_optimizer *ct_optim_adamw(ct_module *module, double lr, double weight_decay);
/* Over any tensors that need a gradient. */
CT_API ct_optimizer *ct_optim_sgd_of(ct_tensor *const *parameters, int count, double lr, ct_sgd_options options);
CT_API ct_optimizer *ct_optim_adam_of(ct_tensor *const *parameters, int count, double lr, ct_adam_options options);
CT_API ct_optimizer *ct_optim_adamw_of(ct_tensor *const *parameters, int count, double lr, ct_adam_options options);
CT_API ct_optimizer *ct_optim_sgd_with(ct_module *module, double lr, ct_sgd_options options);
CT_API ct_optimizer *ct_optim_adam_with(ct_module *module, double lr, ct_adam_options options);
CT_API ct_optimizer *ct_optim_adamw_with(ct_module *module, double lr, ct_adam_options options);
CT_API void ct_optimizer_free(ct_optimizer *optimizer);
/* One step with the gradients that the leaves hold; parameters without one are passed over. Marks the gradients as spent.
 * Refuses to run while an error is pending, or when no parameter has a gradient. */
CT_API bool ct_optimizer_step(ct_optimizer *optimizer);
CT_API bool ct_optimizer_zero_grad(ct_optimizer *optimizer);
CT_API double ct_optimizer_lr(const ct_optimizer *optimizer);
CT_API bool ct_optimizer_set_lr(ct_optimizer *optimizer, double lr);
/* Scales all gradients by min(1, max_norm / norm) and returns the norm over all of them before; NaN on failure. */
CT_API double ct_clip_grad_norm(ct_optimizer *optimizer, double max_norm);

/* ---- when to stop ------------------------------------------------------------------------------------- */

/* Stops after max_epochs, or when the watched loss has not fallen by more than min_delta below its best for `patience`
 * epochs (patience 0: never for that reason). A plain struct: {.max_epochs = 50, .patience = 3}. */
typedef struct ct_stopper {
    int64_t max_epochs, patience;
    double min_delta;
    int64_t epoch, since_best, best_epoch; /* state; starts at zero */
    double best;
    bool improved; /* whether the last loss given was the best so far */
} ct_stopper;
/* To be called after each epoch with its loss; true when it is time to stop (also for a NaN loss or a pending error). */
CT_API bool ct_stop(ct_stopper *stopper, double loss);

/* ---- source places ------------------------------------------------------------------------------------ */

static inline ct_module *ct_here_module(ct_module *module, const char *file, int line)
{
    if (!module) ct_here_error(file, line);
    return module;
}
static inline ct_optimizer *ct_here_optimizer(ct_optimizer *optimizer, const char *file, int line)
{
    if (!optimizer) ct_here_error(file, line);
    return optimizer;
}

#ifdef __cplusplus
}
#endif

#ifndef CT_NO_PLACES
#define ct_module_new(...) ct_here_module(ct_module_new(__VA_ARGS__), CT_HERE)
#define ct_stop(...) (!ct_here_bool(!ct_stop(__VA_ARGS__), CT_HERE)) /* true is what it gives when it fails */
#define ct_module_state(...) ct_here_data(ct_module_state(__VA_ARGS__), CT_HERE)
#define ct_module_on_free(...) (ct_module_on_free(__VA_ARGS__), ct_here_error(CT_HERE))
#define ct_module_train(...) (ct_module_train(__VA_ARGS__), ct_here_error(CT_HERE))
#define ct_module_training(...) ct_here_bool(ct_module_training(__VA_ARGS__), CT_HERE)
#define ct_module_parameters(...) ct_here_int(ct_module_parameters(__VA_ARGS__), CT_HERE)
#define ct_module_kind(...) ct_here_text(ct_module_kind(__VA_ARGS__), CT_HERE)
#define ct_module_count(...) ct_here_count(ct_module_count(__VA_ARGS__), CT_HERE)
#define ct_module_visit(...) ct_here_bool(ct_module_visit(__VA_ARGS__), CT_HERE)
#define ct_module_cast(...) ct_here_bool(ct_module_cast(__VA_ARGS__), CT_HERE)
#define ct_module_requires_grad(...) ct_here_bool(ct_module_requires_grad(__VA_ARGS__), CT_HERE)
#define ct_module_print(...) ct_here_bool(ct_module_print(__VA_ARGS__), CT_HERE)
#define ct_nn_function(...) ct_here_module(ct_nn_function(__VA_ARGS__), CT_HERE)
#define ct_init_xavier_normal(...) ct_here_bool(ct_init_xavier_normal(__VA_ARGS__), CT_HERE)
#define ct_init_xavier_uniform(...) ct_here_bool(ct_init_xavier_uniform(__VA_ARGS__), CT_HERE)
#define ct_init_kaiming_normal(...) ct_here_bool(ct_init_kaiming_normal(__VA_ARGS__), CT_HERE)
#define ct_init_kaiming_uniform(...) ct_here_bool(ct_init_kaiming_uniform(__VA_ARGS__), CT_HERE)
#define ct_init_uniform(...) ct_here_bool(ct_init_uniform(__VA_ARGS__), CT_HERE)
#define ct_init_normal(...) ct_here_bool(ct_init_normal(__VA_ARGS__), CT_HERE)
#define ct_init_constant(...) ct_here_bool(ct_init_constant(__VA_ARGS__), CT_HERE)
#define ct_optimizer_set_lr(...) ct_here_bool(ct_optimizer_set_lr(__VA_ARGS__), CT_HERE)
#define ct_optimizer_zero_grad(...) ct_here_bool(ct_optimizer_zero_grad(__VA_ARGS__), CT_HERE)
#define ct_optimizer_lr(...) ct_here_number(ct_optimizer_lr(__VA_ARGS__), CT_HERE)
#define ct_module_parameter(...) ct_here(ct_module_parameter(__VA_ARGS__), CT_HERE)
#define ct_module_buffer(...) ct_here(ct_module_buffer(__VA_ARGS__), CT_HERE)
#define ct_module_child(...) ct_here_module(ct_module_child(__VA_ARGS__), CT_HERE)
#define ct_forward(...) ct_here(ct_forward(__VA_ARGS__), CT_HERE)
#define ct_module_find(...) ct_here(ct_module_find(__VA_ARGS__), CT_HERE)
#define ct_nn_linear(...) ct_here_module(ct_nn_linear(__VA_ARGS__), CT_HERE)
#define ct_nn_linear_with(...) ct_here_module(ct_nn_linear_with(__VA_ARGS__), CT_HERE)
#define ct_nn_identity(...) ct_here_module(ct_nn_identity(__VA_ARGS__), CT_HERE)
#define ct_nn_relu(...) ct_here_module(ct_nn_relu(__VA_ARGS__), CT_HERE)
#define ct_nn_leaky_relu(...) ct_here_module(ct_nn_leaky_relu(__VA_ARGS__), CT_HERE)
#define ct_nn_elu(...) ct_here_module(ct_nn_elu(__VA_ARGS__), CT_HERE)
#define ct_nn_gelu(...) ct_here_module(ct_nn_gelu(__VA_ARGS__), CT_HERE)
#define ct_nn_silu(...) ct_here_module(ct_nn_silu(__VA_ARGS__), CT_HERE)
#define ct_nn_sigmoid(...) ct_here_module(ct_nn_sigmoid(__VA_ARGS__), CT_HERE)
#define ct_nn_tanh(...) ct_here_module(ct_nn_tanh(__VA_ARGS__), CT_HERE)
#define ct_nn_softplus(...) ct_here_module(ct_nn_softplus(__VA_ARGS__), CT_HERE)
#define ct_nn_step(...) ct_here_module(ct_nn_step(__VA_ARGS__), CT_HERE)
#define ct_nn_softmax(...) ct_here_module(ct_nn_softmax(__VA_ARGS__), CT_HERE)
#define ct_nn_log_softmax(...) ct_here_module(ct_nn_log_softmax(__VA_ARGS__), CT_HERE)
#define ct_nn_flatten(...) ct_here_module(ct_nn_flatten(__VA_ARGS__), CT_HERE)
#define ct_nn_sequential_list(...) ct_here_module(ct_nn_sequential_list(__VA_ARGS__), CT_HERE)
#define ct_nn_sequential_of(...) ct_here_module(ct_nn_sequential_of(__VA_ARGS__), CT_HERE)
#define ct_nn_layer_norm(...) ct_here_module(ct_nn_layer_norm(__VA_ARGS__), CT_HERE)
#define ct_nn_dropout(...) ct_here_module(ct_nn_dropout(__VA_ARGS__), CT_HERE)
#define ct_dropout(...) ct_here(ct_dropout(__VA_ARGS__), CT_HERE)
#define ct_mse_loss(...) ct_here(ct_mse_loss(__VA_ARGS__), CT_HERE)
#define ct_half_mse_loss(...) ct_here(ct_half_mse_loss(__VA_ARGS__), CT_HERE)
#define ct_l1_loss(...) ct_here(ct_l1_loss(__VA_ARGS__), CT_HERE)
#define ct_huber_loss(...) ct_here(ct_huber_loss(__VA_ARGS__), CT_HERE)
#define ct_cross_entropy(...) ct_here(ct_cross_entropy(__VA_ARGS__), CT_HERE)
#define ct_cross_entropy_with(...) ct_here(ct_cross_entropy_with(__VA_ARGS__), CT_HERE)
#define ct_nll_loss(...) ct_here(ct_nll_loss(__VA_ARGS__), CT_HERE)
#define ct_binary_cross_entropy(...) ct_here(ct_binary_cross_entropy(__VA_ARGS__), CT_HERE)
#define ct_binary_cross_entropy_logits(...) ct_here(ct_binary_cross_entropy_logits(__VA_ARGS__), CT_HERE)
#define ct_gaussian_nll_loss(...) ct_here(ct_gaussian_nll_loss(__VA_ARGS__), CT_HERE)
#define ct_l1_penalty(...) ct_here(ct_l1_penalty(__VA_ARGS__), CT_HERE)
#define ct_l2_penalty(...) ct_here(ct_l2_penalty(__VA_ARGS__), CT_HERE)
#define ct_accuracy(...) ct_here_number(ct_accuracy(__VA_ARGS__), CT_HERE)
#define ct_optim_sgd(...) ct_here_optimizer(ct_optim_sgd(__VA_ARGS__), CT_HERE)
#define ct_optim_adam(...) ct_here_optimizer(ct_optim_adam(__VA_ARGS__), CT_HERE)
#define ct_optim_adamw(...) ct_here_optimizer(ct_optim_adamw(__VA_ARGS__), CT_HERE)
#define ct_optim_sgd_of(...) ct_here_optimizer(ct_optim_sgd_of(__VA_ARGS__), CT_HERE)
#define ct_optim_adam_of(...) ct_here_optimizer(ct_optim_adam_of(__VA_ARGS__), CT_HERE)
#define ct_optim_adamw_of(...) ct_here_optimizer(ct_optim_adamw_of(__VA_ARGS__), CT_HERE)
#define ct_optim_sgd_with(...) ct_here_optimizer(ct_optim_sgd_with(__VA_ARGS__), CT_HERE)
#define ct_optim_adam_with(...) ct_here_optimizer(ct_optim_adam_with(__VA_ARGS__), CT_HERE)
#define ct_optim_adamw_with(...) ct_here_optimizer(ct_optim_adamw_with(__VA_ARGS__), CT_HERE)
#define ct_optimizer_step(...) ct_here_bool(ct_optimizer_step(__VA_ARGS__), CT_HERE)
#define ct_clip_grad_norm(...) ct_here_number(ct_clip_grad_norm(__VA_ARGS__), CT_HERE)
#endif
#endif
