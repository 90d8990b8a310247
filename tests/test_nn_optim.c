/*
 * test_nn_optim.c - optimizers beside plain C references, which parameters they step, clipping, and when to stop.
 */
#include "support.h"

static int begin(void **state)
{
    ct_seed(1);
    *state = (void *)(intptr_t)ct_scope_begin();
    return 0;
}

static int end(void **state)
{
    ct_scope_end((int)(intptr_t)*state);
    assert_clean();
    return 0;
}

/* ---- references in plain C ---------------------------------------------------------------------------- */

enum { N = 6 }; /* values: 2 in one parameter, 4 in another */
static const double START[N] = {1, -2, 0.5, 3, -0.25, 0};
static const double CURVATURE[N] = {1, 0.5, 4, 0.1, 2, 1}; /* loss = sum c p^2 / 2 + p_last, so that g = c p (+ 1) */

typedef struct reference {
    double p[N], m[N], v[N];
    int t;
} reference;

static double slope(const reference *r, int i) { return CURVATURE[i] * r->p[i] + (i == N - 1); }

static void sgd_by_hand(reference *r, double lr, ct_sgd_options o)
{
    r->t++;
    for (int i = 0; i < N; i++) {
        const double g = slope(r, i) + o.weight_decay * r->p[i];
        r->m[i] = r->t == 1 ? g : o.momentum * r->m[i] + (1 - o.dampening) * g;
        if (o.momentum == 0) r->m[i] = g;
        r->p[i] -= lr * (o.nesterov ? g + o.momentum * r->m[i] : r->m[i]);
    }
}

static void adam_by_hand(reference *r, double lr, ct_adam_options o, bool decoupled)
{
    r->t++;
    for (int i = 0; i < N; i++) {
        double g = slope(r, i);
        if (decoupled) r->p[i] *= 1 - lr * o.weight_decay;
        else g += o.weight_decay * r->p[i];
        r->m[i] = o.beta1 * r->m[i] + (1 - o.beta1) * g;
        r->v[i] = o.beta2 * r->v[i] + (1 - o.beta2) * g * g;
        r->p[i] -= lr * (r->m[i] / (1 - pow(o.beta1, r->t))) / (sqrt(r->v[i] / (1 - pow(o.beta2, r->t))) + o.eps);
    }
}

/* ---- the same in the library -------------------------------------------------------------------------- */

typedef struct pair {
    ct_tensor *p[2]; /* [2] and [2, 2] */
} pair;

static pair leaves(ct_dtype dtype)
{
    ct_tensor *a = ct_from_values(START, 2, ct_shape(2), dtype), *b = ct_from_values(START + 2, 4, ct_shape(2, 2), dtype);
    return (pair){{ct_requires_grad(a, true), ct_requires_grad(b, true)}};
}

static ct_tensor *loss_of(const pair *x)
{
    ct_tensor *c = ct_from_values(CURVATURE, 2, ct_shape(2), ct_dtype_of(x->p[0]));
    ct_tensor *d = ct_from_values(CURVATURE + 2, 4, ct_shape(2, 2), ct_dtype_of(x->p[1]));
    ct_tensor *a = ct_sum(ct_mul(c, ct_square(x->p[0])), CT_ALL, false);
    ct_tensor *b = ct_sum(ct_mul(d, ct_square(x->p[1])), CT_ALL, false);
    return ct_add(ct_mul(ct_add(a, b), ct_scalar(0.5)), ct_select(ct_select(x->p[1], 0, 1), 0, 1));
}

#define assert_agrees(x, r, tolerance) check_agrees(x, r, tolerance, __FILE__, __LINE__)
static void check_agrees(const pair *x, const reference *r, double tolerance, const char *file, int line)
{
    double v[N];
    if (!ct_copy_values(x->p[0], v, 2) || !ct_copy_values(x->p[1], v + 2, 4)) _fail(file, line);
    const double error = test_relative_error(v, r->p, N);
    if (error <= tolerance) return;
    print_error("%s:%d: relative error %g after %d steps\n", file, line, error, r->t);
    _fail(file, line);
}

static void one_step(const pair *x, ct_optimizer *o)
{
    CT_SCOPE;
    assert_true(ct_backward(loss_of(x)));
    assert_true(ct_optimizer_step(o));
}

static void sgd_beside_its_reference(void **state)
{
    (void)state;
    const ct_sgd_options options[] = {
        {0},
        {.weight_decay = 0.1},
        {.momentum = 0.9},
        {.momentum = 0.9, .dampening = 0.5, .weight_decay = 0.01},
        {.momentum = 0.8, .nesterov = true},
        {.momentum = 0.8, .nesterov = true, .weight_decay = 0.1},
    };
    for (size_t k = 0; k < sizeof options / sizeof options[0]; k++)
        for (int f32 = 0; f32 < 2; f32++) {
            const pair x = leaves(f32 ? CT_F32 : CT_F64);
            reference r = {.t = 0};
            memcpy(r.p, START, sizeof START);
            ct_optimizer *o = ct_optim_sgd_of(x.p, 2, 0.1, options[k]);
            for (int t = 0; t < 5; t++) {
                one_step(&x, o);
                sgd_by_hand(&r, 0.1, options[k]);
                assert_agrees(&x, &r, f32 ? 1e-6 : 1e-12);
            }
            ct_optimizer_free(o);
        }
}

static void adam_beside_its_reference(void **state)
{
    (void)state;
    ct_adam_options options[] = {ct_adam_defaults(), ct_adam_defaults(), {0.5, 0.9, 1e-3, 0.05}};
    options[1].weight_decay = 0.1;
    for (int k = 0; k < 12; k++) {
        const ct_adam_options a = options[k / 4];
        const bool decoupled = k & 1, f32 = k & 2;
        const pair x = leaves(f32 ? CT_F32 : CT_F64);
        reference r = {.t = 0};
        memcpy(r.p, START, sizeof START);
        ct_optimizer *o = decoupled ? ct_optim_adamw_of(x.p, 2, 0.05, a) : ct_optim_adam_of(x.p, 2, 0.05, a);
        for (int t = 0; t < 5; t++) {
            one_step(&x, o);
            adam_by_hand(&r, 0.05, a, decoupled);
            assert_agrees(&x, &r, f32 ? 2e-6 : 1e-12);
        }
        ct_optimizer_free(o);
    }
}

/* The short forms are the long ones with their options filled in. */
static void short_forms(void **state)
{
    (void)state;
    const ct_adam_options d = ct_adam_defaults();
    assert_true(d.beta1 == 0.9 && d.beta2 == 0.999 && d.eps == 1e-8 && d.weight_decay == 0);
    ct_adam_options decay = d;
    decay.weight_decay = 0.5;
    for (int k = 0; k < 3; k++) {
        ct_module *m[2];
        ct_optimizer *o[2];
        for (int i = 0; i < 2; i++) {
            ct_seed(3);
            m[i] = ct_nn_linear(3, 2);
        }
        o[0] = k == 0 ? ct_optim_sgd(m[0], 0.1) : k == 1 ? ct_optim_adam(m[0], 0.1) : ct_optim_adamw(m[0], 0.1, 0.5);
        o[1] = k == 0   ? ct_optim_sgd_with(m[1], 0.1, (ct_sgd_options){0})
               : k == 1 ? ct_optim_adam_with(m[1], 0.1, d)
                        : ct_optim_adamw_with(m[1], 0.1, decay);
        for (int i = 0; i < 2; i++) {
            ct_tensor *start = ct_clone(ct_module_find(m[i], "weight"));
            for (int t = 0; t < 2; t++) {
                assert_true(ct_backward(ct_sum(ct_square(ct_forward(m[i], ct_ones(ct_shape(1, 3), CT_F32))), CT_ALL, false)));
                assert_true(ct_optimizer_step(o[i]));
            }
            assert_false(ct_equal(start, ct_module_find(m[i], "weight")));
        }
        assert_true(ct_equal(ct_module_find(m[0], "weight"), ct_module_find(m[1], "weight")));
        assert_true(ct_equal(ct_module_find(m[0], "bias"), ct_module_find(m[1], "bias")));
        for (int i = 0; i < 2; i++) ct_optimizer_free(o[i]), ct_module_free(m[i]);
    }
    ct_optimizer_free(NULL);
}

/* ---- which parameters are stepped --------------------------------------------------------------------- */

/* A parameter that gets its first gradient later starts its own count: Adam's first step is lr sign(g). */
static void each_parameter_counts_its_own_steps(void **state)
{
    (void)state;
    const pair x = leaves(CT_F64);
    const ct_adam_options a = ct_adam_defaults();
    ct_optimizer *o = ct_optim_adam_of(x.p, 2, 0.1, a);
    ct_tensor *before = ct_clone(x.p[1]);
    for (int t = 0; t < 3; t++) {
        assert_true(ct_set_grad(x.p[0], ct_ones(ct_shape(2), CT_F64)));
        assert_true(ct_optimizer_step(o));
    }
    assert_true(ct_equal(ct_detach(x.p[1]), ct_detach(before))); /* passed over */
    assert_true(ct_allclose(ct_detach(x.p[0]), ct_of(ct_shape(2), CT_F64, 0.7, -2.3), 0, 1e-8));
    assert_true(ct_set_grad(x.p[1], ct_of(ct_shape(2, 2), CT_F64, 5, -5, 100, -1e-3)));
    assert_true(ct_optimizer_step(o));
    ct_tensor *moved = ct_sub(x.p[1], before);
    assert_true(ct_allclose(ct_detach(moved), ct_of(ct_shape(2, 2), CT_F64, -0.1, 0.1, -0.1, 0.1), 1e-4, 0));
    ct_optimizer_free(o);
}

static void frozen_parameters_stay(void **state)
{
    (void)state;
    ct_module *m = ct_nn_linear(3, 2);
    ct_optimizer *o = ct_optim_adam(m, 0.1);
    ct_tensor *w = ct_module_find(m, "weight"), *b = ct_module_find(m, "bias"), *x = ct_ones(ct_shape(4, 3), CT_F32);
    assert_true(ct_backward(ct_sum(ct_forward(m, x), CT_ALL, false)));
    assert_non_null(ct_requires_grad(w, false)); /* frozen after its gradient came */
    ct_tensor *w0 = ct_clone(w), *b0 = ct_detach(ct_clone(b));
    assert_true(ct_optimizer_step(o));
    assert_true(ct_equal(w, w0));
    assert_false(ct_equal(ct_detach(b), b0));
    assert_non_null(ct_requires_grad(w, true)); /* thawed */
    assert_true(ct_backward(ct_sum(ct_forward(m, x), CT_ALL, false)));
    assert_true(ct_optimizer_step(o));
    assert_false(ct_equal(ct_detach(w), w0));
    ct_optimizer_free(o);
    ct_module_free(m);
}

/* Nobody has to zero gradients: a step marks them as spent; backwards before a step add up. */
static void a_step_spends_the_gradients(void **state)
{
    (void)state;
    ct_tensor *p = ct_requires_grad(ct_ones(ct_shape(), CT_F64), true);
    ct_optimizer *o = ct_optim_sgd_of(&p, 1, 1, (ct_sgd_options){0});
    assert_true(ct_backward(ct_mul(p, ct_scalar(3))) && ct_backward(ct_mul(p, ct_scalar(4))));
    assert_true(ct_item(ct_grad_of(p)) == 7);
    assert_true(ct_optimizer_step(o));
    assert_true(ct_item(p) == -6);
    assert_true(ct_item(ct_grad_of(p)) == 7); /* still to be read */
    assert_true(ct_backward(ct_mul(p, ct_scalar(2))));
    assert_true(ct_item(ct_grad_of(p)) == 2);
    assert_true(ct_optimizer_zero_grad(o));
    assert_false(ct_has_grad(p));
    assert_true(ct_optimizer_zero_grad(o));
    ct_optimizer_free(o);
}

static void a_step_refuses(void **state)
{
    (void)state;
    ct_tensor *p = ct_requires_grad(ct_ones(ct_shape(), CT_F64), true);
    ct_optimizer *o = ct_optim_sgd_of(&p, 1, 1, (ct_sgd_options){0});
    assert_false(ct_optimizer_step(o));
    assert_error(CT_ERROR_GRAPH, "ct_optimizer_step", "none of the 1 parameters has a gradient");
    assert_false(ct_optimizer_step(NULL));
    assert_error(CT_ERROR_NULL, "ct_optimizer_step", "optimizer is NULL");
    assert_true(ct_backward(ct_square(p)));
    ct_raise(CT_ERROR_USER, "mine", "pending");
    assert_false(ct_optimizer_step(o));
    assert_false(ct_optimizer_zero_grad(o));
    assert_true(isnan(ct_clip_grad_norm(o, 1)));
    assert_error(CT_ERROR_USER, "mine", "pending");
    assert_true(ct_item(p) == 1);
    assert_true(ct_optimizer_step(o));
    assert_true(ct_item(p) == -1);
    ct_optimizer_free(o);
}

static void freed_in_any_order(void **state)
{
    (void)state;
    ct_module *m = ct_nn_linear(3, 2);
    ct_optimizer *o = ct_optim_adam(m, 0.1);
    assert_true(ct_backward(ct_sum(ct_forward(m, ct_ones(ct_shape(1, 3), CT_F32)), CT_ALL, false)));
    ct_module_free(m);
    assert_true(ct_optimizer_step(o)); /* it holds what it steps */
    ct_optimizer_free(o);
    pair x = leaves(CT_F32);
    o = ct_optim_sgd_of(x.p, 2, 0.1, (ct_sgd_options){.momentum = 0.5});
    one_step(&x, o);
    ct_free(x.p[0]);
    assert_true(ct_optimizer_zero_grad(o));
    ct_optimizer_free(o);
}

static void optimizers_refuse(void **state)
{
    (void)state;
    ct_module *m = ct_nn_linear(1, 1), *none = ct_nn_relu();
    pair x = leaves(CT_F32);
    assert_null(ct_optim_sgd(m, -1));
    assert_error(CT_ERROR_VALUE, "ct_optim_sgd", "lr is -1");
    assert_null(ct_optim_adam(m, NAN));
    assert_error(CT_ERROR_VALUE, "ct_optim_adam", "lr is");
    assert_null(ct_optim_adamw(m, 0.1, -0.5));
    assert_error(CT_ERROR_VALUE, "ct_optim_adamw", "weight_decay is -0.5");
    assert_null(ct_optim_sgd_with(m, 0.1, (ct_sgd_options){.nesterov = true}));
    assert_error(CT_ERROR_VALUE, "ct_optim_sgd_with", "nesterov with momentum 0");
    assert_null(ct_optim_sgd_of(x.p, 2, 0.1, (ct_sgd_options){.momentum = -0.5}));
    assert_error(CT_ERROR_VALUE, "ct_optim_sgd_of", "momentum is -0.5");
    assert_null(ct_optim_adam_with(m, 0.1, (ct_adam_options){.weight_decay = 0.1}));
    assert_error(CT_ERROR_VALUE, "ct_optim_adam_with", "eps is 0; it must be positive; start from ct_adam_defaults()?");
    assert_null(ct_optim_adamw_of(x.p, 2, 0.1, (ct_adam_options){1, 0.9, 1e-8, 0}));
    assert_error(CT_ERROR_VALUE, "ct_optim_adamw_of", "beta1 is 1 and beta2 is 0.9");
    assert_null(ct_optim_adam(none, 0.1));
    assert_error(CT_ERROR_VALUE, "ct_optim_adam", "relu has no parameters");
    assert_null(ct_optim_sgd(NULL, 0.1));
    assert_error(CT_ERROR_NULL, "ct_optim_sgd", "module is NULL");
    assert_null(ct_optim_sgd_of(NULL, 2, 0.1, (ct_sgd_options){0}));
    assert_error(CT_ERROR_NULL, "ct_optim_sgd_of", "parameters is NULL");
    assert_null(ct_optim_sgd_of(x.p, 0, 0.1, (ct_sgd_options){0}));
    assert_error(CT_ERROR_VALUE, "ct_optim_sgd_of", "count is 0");
    ct_tensor *bad[] = {x.p[0], NULL};
    assert_null(ct_optim_sgd_of(bad, 2, 0.1, (ct_sgd_options){0}));
    assert_error(CT_ERROR_NULL, "ct_optim_sgd_of", "parameters[1] is NULL");
    bad[1] = x.p[0];
    assert_null(ct_optim_adam_of(bad, 2, 0.1, ct_adam_defaults()));
    assert_error(CT_ERROR_VALUE, "ct_optim_adam_of", "parameters[1] is parameters[0] again");
    bad[1] = ct_ones(ct_shape(3), CT_F32);
    assert_null(ct_optim_adam_of(bad, 2, 0.1, ct_adam_defaults()));
    assert_error(CT_ERROR_VALUE, "ct_optim_adam_of", "parameters[1], f32 [3], needs no gradient");
    bad[1] = ct_requires_grad(ct_transpose(ct_ones(ct_shape(2, 3), CT_F32)), true);
    assert_null(ct_optim_adam_of(bad, 2, 0.1, ct_adam_defaults()));
    assert_error(CT_ERROR_VALUE, "ct_optim_adam_of", "parameters[1], f32 [3, 2], is not contiguous");
    ct_module_free(m);
    ct_module_free(none);
}

static void learning_rates_change(void **state)
{
    (void)state;
    ct_tensor *p = ct_requires_grad(ct_ones(ct_shape(), CT_F64), true);
    ct_optimizer *o = ct_optim_sgd_of(&p, 1, 0.5, (ct_sgd_options){0});
    assert_true(ct_optimizer_lr(o) == 0.5);
    assert_true(ct_optimizer_set_lr(o, 0.25));
    assert_true(ct_optimizer_lr(o) == 0.25);
    assert_true(ct_set_grad(p, ct_ones(ct_shape(), CT_F64)) && ct_optimizer_step(o));
    assert_true(ct_item(p) == 0.75);
    assert_false(ct_optimizer_set_lr(o, INFINITY));
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_VALUE, "ct_optimizer_set_lr", "lr is inf");
    assert_true(ct_optimizer_lr(o) == 0.25);
    assert_true(isnan(ct_optimizer_lr(NULL)));
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_NULL, "ct_optimizer_lr", "optimizer is NULL");
    ct_optimizer_free(o);
}

/* ---- clipping ----------------------------------------------------------------------------------------- */

static void clipping_scales_all_gradients_alike(void **state)
{
    (void)state;
    const pair x = leaves(CT_F64);
    ct_optimizer *o = ct_optim_sgd_of(x.p, 2, 1, (ct_sgd_options){0});
    assert_true(isnan(ct_clip_grad_norm(o, 1)));
    assert_error(CT_ERROR_GRAPH, "ct_clip_grad_norm", "none of the 2 parameters has a gradient");
    ct_tensor *g = ct_of(ct_shape(2), CT_F64, 3, 0), *h = ct_of(ct_shape(2, 2), CT_F64, 0, 0, -4, 0);
    assert_true(ct_set_grad(x.p[0], g) && ct_set_grad(x.p[1], h));
    assert_true(ct_clip_grad_norm(o, 10) == 5);
    assert_true(ct_clip_grad_norm(o, INFINITY) == 5);
    assert_true(ct_equal(ct_grad_of(x.p[0]), g) && ct_equal(ct_grad_of(x.p[1]), h));
    assert_true(ct_clip_grad_norm(o, 0.5) == 5);
    assert_true(ct_allclose(ct_grad_of(x.p[0]), ct_of(ct_shape(2), CT_F64, 0.3, 0), 1e-15, 0));
    assert_true(ct_allclose(ct_grad_of(x.p[1]), ct_of(ct_shape(2, 2), CT_F64, 0, 0, -0.4, 0), 1e-15, 0));
    assert_true(ct_equal(g, ct_of(ct_shape(2), CT_F64, 3, 0))); /* the caller's tensor is not touched */
    assert_true(fabs(ct_clip_grad_norm(o, 1) - 0.5) < 1e-15);
    assert_true(ct_set_grad(x.p[0], ct_of(ct_shape(2), CT_F64, 3e200, 0)));
    assert_true(ct_clip_grad_norm(o, 0) == 3e200); /* no overflow */
    assert_true(ct_equal(ct_grad_of(x.p[0]), ct_zeros(ct_shape(2), CT_F64)));
    assert_true(ct_set_grad(x.p[1], ct_of(ct_shape(2, 2), CT_F64, 0, NAN, 0, 0)));
    assert_true(isnan(ct_clip_grad_norm(o, 1)));
    assert_error(CT_ERROR_VALUE, "ct_clip_grad_norm", "the gradient of parameter 1, f64 [2, 2], has norm");
    assert_true(isnan(ct_clip_grad_norm(o, -1)));
    assert_error(CT_ERROR_VALUE, "ct_clip_grad_norm", "max_norm is -1");
    assert_true(isnan(ct_clip_grad_norm(NULL, 1)));
    assert_error(CT_ERROR_NULL, "ct_clip_grad_norm", "optimizer is NULL");
    ct_optimizer_free(o);
}

/* Two leaves of one sum may share one gradient: it must not be scaled twice. */
static void clipping_of_shared_gradients(void **state)
{
    (void)state;
    ct_tensor *p[] = {ct_requires_grad(ct_ones(ct_shape(8), CT_F64), true), ct_requires_grad(ct_ones(ct_shape(8), CT_F64), true)};
    ct_optimizer *o = ct_optim_sgd_of(p, 2, 1, (ct_sgd_options){0});
    assert_true(ct_backward(ct_sum(ct_add(p[0], p[1]), CT_ALL, false)));
    assert_true(ct_clip_grad_norm(o, 2) == 4);
    for (int i = 0; i < 2; i++) assert_true(ct_equal(ct_grad_of(p[i]), ct_full(ct_shape(8), 0.5, CT_F64)));
    assert_true(ct_optimizer_step(o));
    for (int i = 0; i < 2; i++) assert_true(ct_equal(ct_detach(p[i]), ct_full(ct_shape(8), 0.5, CT_F64)));
    ct_optimizer_free(o);
}

/* ---- training ----------------------------------------------------------------------------------------- */

static void step_towards(ct_module *m, ct_optimizer *o, ct_tensor *x, ct_tensor *t)
{
    CT_SCOPE;
    assert_true(ct_backward(ct_mse_loss(ct_forward(m, x), t, CT_MEAN)));
    assert_true(ct_clip_grad_norm(o, 1) >= 0);
    assert_true(ct_optimizer_step(o));
}

/* Adam, momentum and weight decay move a masked entry by not one bit. */
static void masked_entries_stay_zero(void **state)
{
    (void)state;
    ct_tensor *mask = ct_of(ct_shape(3, 2), CT_BOOL, 1, 0, 0, 1, 1, 1), *bias_mask = ct_of(ct_shape(2), CT_BOOL, 0, 1);
    ct_tensor *x = ct_normal(ct_shape(16, 3), 0, 1, CT_F32), *t = ct_normal(ct_shape(16, 2), 0, 1, CT_F32);
    for (int k = 0; k < 3; k++) {
        ct_module *m = ct_nn_linear_with(3, 2, (ct_linear_options){.mask = mask, .bias_mask = bias_mask});
        ct_adam_options a = ct_adam_defaults();
        a.weight_decay = 0.1;
        ct_optimizer *o = k == 0   ? ct_optim_adam_with(m, 0.01, a)
                          : k == 1 ? ct_optim_adamw_with(m, 0.01, a)
                                   : ct_optim_sgd_with(m, 0.1, (ct_sgd_options){.momentum = 0.9, .weight_decay = 0.1});
        ct_tensor *w = ct_module_find(m, "weight"), *b = ct_module_find(m, "bias"), *start = ct_detach(ct_clone(w));
        for (int i = 0; i < 50; i++) step_towards(m, o, x, t);
        assert_true(ct_get(w, ct_index(0, 1)) == 0 && ct_get(w, ct_index(1, 0)) == 0 && ct_get(b, ct_index(0)) == 0);
        assert_true(ct_get(w, ct_index(0, 0)) != ct_get(start, ct_index(0, 0)) && ct_get(b, ct_index(1)) != 0);
        ct_optimizer_free(o);
        ct_module_free(m);
    }
}

static void xor_is_learned(void **state)
{
    (void)state;
    ct_module *m = ct_nn_sequential(ct_nn_linear(2, 8), ct_nn_tanh(), ct_nn_linear(8, 1));
    ct_optimizer *o = ct_optim_adam(m, 0.05);
    ct_tensor *x = ct_of(ct_shape(4, 2), CT_F32, 0, 0, 0, 1, 1, 0, 1, 1), *t = ct_of(ct_shape(4, 1), CT_F32, 0, 1, 1, 0);
    for (int i = 0; i < 300; i++) {
        CT_SCOPE;
        assert_true(ct_backward(ct_binary_cross_entropy_logits(ct_forward(m, x), t, CT_MEAN)));
        assert_true(ct_optimizer_step(o));
    }
    CT_NO_GRAD;
    assert_true(ct_item(ct_binary_cross_entropy_logits(ct_forward(m, x), t, CT_MEAN)) < 0.05);
    ct_optimizer_free(o);
    ct_module_free(m);
}

/* What a step needs was made before: the pool serves the rest. */
static void a_step_calls_malloc_zero_times(void **state)
{
    (void)state;
    ct_module *m = ct_nn_sequential(ct_nn_linear(20, 30), ct_nn_relu(), ct_nn_dropout(0.2), ct_nn_linear(30, 5));
    ct_optimizer *o = ct_optim_adamw(m, 0.05, 0.01);
    ct_tensor *x = ct_normal(ct_shape(64, 20), 0, 1, CT_F32), *t = ct_normal(ct_shape(64, 5), 0, 1, CT_F32);
    for (int i = 0; i < 5; i++) step_towards(m, o, x, t);
    const ct_counters before = ct_count();
    for (int i = 0; i < 20; i++) step_towards(m, o, x, t);
    if (test_pooled()) assert_int_equal(ct_count().mallocs, before.mallocs);
    ct_optimizer_free(o);
    ct_module_free(m);
}

/* ---- when to stop ------------------------------------------------------------------------------------- */

/* How many epochs pass with these losses. */
static int epochs_of(ct_stopper *s, const double *losses, int count)
{
    for (int i = 0; i < count; i++)
        if (ct_stop(s, losses[i])) return i + 1;
    return -1;
}

static void stopping(void **state)
{
    (void)state;
    const double falling[] = {5, 4, 3, 2, 1, 0.5}, flat[] = {5, 4, 4, 4.5, 4, 3}, slow[] = {1, 0.95, 0.89, 0.85, 0.8, 0.79};
    ct_stopper s = {.max_epochs = 3};
    assert_int_equal(epochs_of(&s, falling, 6), 3);
    assert_true(s.improved && s.best == 3 && s.best_epoch == 3 && s.epoch == 3);
    s = (ct_stopper){.max_epochs = 100, .patience = 3};
    assert_int_equal(epochs_of(&s, falling, 6), -1);
    s = (ct_stopper){.max_epochs = 100, .patience = 3};
    assert_int_equal(epochs_of(&s, flat, 6), 5);
    assert_true(!s.improved && s.best == 4 && s.best_epoch == 2 && s.since_best == 3);
    s = (ct_stopper){.max_epochs = 100, .patience = 2, .min_delta = 0.1}; /* small steps add up: 0.89 is an improvement */
    assert_int_equal(epochs_of(&s, slow, 6), 5);
    assert_true(s.best == 0.89 && s.best_epoch == 3);
    s = (ct_stopper){.patience = 2}; /* no limit but patience */
    assert_int_equal(epochs_of(&s, flat, 6), 4);
    s = (ct_stopper){.max_epochs = 100};
    assert_int_equal(epochs_of(&s, (const double[]){1, NAN}, 2), 2);
    assert_true(!s.improved && s.best == 1);
    s = (ct_stopper){.max_epochs = 100};
    assert_false(ct_stop(&s, INFINITY));
    assert_false(ct_stop(&s, 1));
    assert_true(s.improved);
    ct_raise(CT_ERROR_USER, "mine", "pending");
    assert_true(ct_stop(&s, 0.5));
    assert_false(s.improved);
    ct_clear_error();
    assert_true(ct_stop(NULL, 1));
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_NULL, "ct_stop", "stopper is NULL");
}

#define scoped_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(sgd_beside_its_reference),
        scoped_test(adam_beside_its_reference),
        scoped_test(short_forms),
        scoped_test(each_parameter_counts_its_own_steps),
        scoped_test(frozen_parameters_stay),
        scoped_test(a_step_spends_the_gradients),
        scoped_test(a_step_refuses),
        scoped_test(freed_in_any_order),
        scoped_test(optimizers_refuse),
        scoped_test(learning_rates_change),
        scoped_test(clipping_scales_all_gradients_alike),
        scoped_test(clipping_of_shared_gradients),
        scoped_test(masked_entries_stay_zero),
        scoped_test(xor_is_learned),
        scoped_test(a_step_calls_malloc_zero_times),
        scoped_test(stopping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
