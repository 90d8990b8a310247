/*
 * test_transforms_mixed.c - transforms inside transforms: every mix of them to third order, perturbation confusion, captured
 * parameters, Jacobians of Jacobians, the Hessian of a small network.
 */
#include "support.h"

#include <pthread.h>

/* ---- nine ways to the derivative of a function of one number ---- */

typedef enum way { JVP, VJP, APPLY, TRANSPOSE, ROWS, COLUMNS, TAYLOR, GRADIENT, LEAF, WAYS } way;

typedef struct derived {
    ct_function f;
    void *context;
    way by;
} derived;

static int by_linear_map(const derived *d, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *one = ct_ones(ct_shape(), CT_F64);
    ct_linear_map *map = ct_linearize(d->f, d->context, in, 1, NULL, 1);
    if (!map) return 1;
    const bool ok = d->by == APPLY ? ct_linear_apply(map, &one, out) : ct_linear_transpose(map, &one, out);
    ct_linear_free(map);
    return ok ? 0 : 1;
}

/* The way of those who know only leaves: the argument itself is made one. */
static int by_leaf(const derived *d, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *x = ct_needs_grad(in[0]) ? in[0] : ct_requires_grad(in[0], true), *y = NULL;
    if (d->f(d->context, &x, &y)) return 1;
    out[0] = ct_derivative(y, x, (ct_grad_options){.create_graph = true});
    return out[0] ? 0 : 1;
}

/* x -> f'(x) */
static int derive(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const derived *d = context;
    ct_tensor *one = ct_ones(ct_shape(), CT_F64), *both[2];
    switch (d->by) {
    case JVP: return ct_jvp(d->f, d->context, in, &one, 1, NULL, out, 1) ? 0 : 1;
    case VJP: return ct_vjp(d->f, d->context, in, 1, &one, NULL, 1, out) ? 0 : 1;
    case GRADIENT: return ct_value_and_grad(d->f, d->context, in, 1, NULL, out) ? 0 : 1;
    case ROWS: return (out[0] = ct_jacobian(d->f, d->context, in[0], CT_MODE_REVERSE)) ? 0 : 1;
    case COLUMNS: return (out[0] = ct_jacobian(d->f, d->context, in[0], CT_MODE_FORWARD)) ? 0 : 1;
    case TAYLOR:
        if (!ct_taylor(d->f, d->context, in[0], one, 1, both)) return 1;
        out[0] = both[1];
        return 0;
    case LEAF: return by_leaf(d, in, out);
    default: return by_linear_map(d, in, out);
    }
}

/* f'(x) as a number, the derivative taken one way. */
static double derivative_at(ct_function f, void *context, way by, double at)
{
    CT_SCOPE;
    derived d = {f, context, by};
    ct_tensor *x = ct_of(ct_shape(), CT_F64, at), *y = NULL;
    if (derive(&d, &x, &y)) return NAN;
    return ct_item(y);
}

/* ---- every mix ---- */

static int wave(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_mul(ct_square(in[0]), ct_sin(in[0]));
    return 0;
}

static void every_mix_to_the_third_order(void **state)
{
    (void)state;
    const double x = 0.7, s = sin(x), c = cos(x);
    const double first = 2 * x * s + x * x * c, second = 2 * s + 4 * x * c - x * x * s, third = 6 * c - 6 * x * s - x * x * c;
    for (int i = 0; i < WAYS; i++) {
        derived one = {wave, NULL, (way)i};
        assert_number(derivative_at(wave, NULL, (way)i, x), first, 1e-14);
        for (int j = 0; j < WAYS; j++) {
            derived two = {derive, &one, (way)j};
            assert_number(derivative_at(derive, &one, (way)j, x), second, 1e-14);
            for (int k = 0; k < WAYS; k++) assert_number(derivative_at(derive, &two, (way)k, x), third, 3e-14);
        }
    }
    assert_clean();
}

static void deep_mixes(void **state)
{
    (void)state;
    const double x = 0.7;
    derived d[6]; /* the sixth derivative of x^2 sin x is -x^2 sin x + 12 x cos x + 30 sin x */
    for (int start = 0; start < WAYS; start++) {
        for (int i = 0; i < 6; i++) d[i] = (derived){i ? derive : wave, i ? &d[i - 1] : NULL, (way)((start + 4 * i) % WAYS)};
        assert_number(derivative_at(derive, &d[4], d[5].by, x), -x * x * sin(x) + 12 * x * cos(x) + 30 * sin(x), 1e-11);
    }
    assert_clean();
}

/* ---- the outer variable inside (Siskind and Pearlmutter 2005) ---- */

static int plus(void *context, ct_tensor *const *in, ct_tensor **out) { return out[0] = ct_add(context, in[0]), 0; }
static int times(void *context, ct_tensor *const *in, ct_tensor **out) { return out[0] = ct_mul(context, in[0]), 0; }

static way inner_way;

/* x -> x * d/dy (x + y), whose derivative is 1 */
static int product_with_inner(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    derived inner = {plus, in[0], inner_way};
    ct_tensor *y = ct_ones(ct_shape(), CT_F64), *dy = NULL;
    if (derive(&inner, &y, &dy)) return 1;
    out[0] = ct_mul(in[0], dy);
    return 0;
}

/* x -> d/dt (x t) at t = x, whose derivative is 1 */
static int inner_at_itself(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    derived inner = {times, in[0], inner_way};
    ct_tensor *x = ct_alias(in[0]);
    return derive(&inner, &x, out);
}

/* x -> d/dt (x' t^2) at t = x, where x' is captured: 2 x x', whose derivative counts both */
static int times_square(void *context, ct_tensor *const *in, ct_tensor **out)
{
    out[0] = ct_mul(context, ct_square(in[0]));
    return 0;
}
static int square_at_itself(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    derived inner = {times_square, in[0], inner_way};
    ct_tensor *x = ct_alias(in[0]);
    return derive(&inner, &x, out);
}

static void perturbations_are_not_confused(void **state)
{
    (void)state;
    for (int i = 0; i < WAYS; i++) {
        if (i == LEAF) continue; /* a leaf made inside is the outer variable itself: not a function of its argument alone */
        inner_way = (way)i;
        for (int k = 0; k < WAYS; k++) {
            assert_number(derivative_at(product_with_inner, NULL, (way)k, 3), 1, 0);
            assert_number(derivative_at(inner_at_itself, NULL, (way)k, 3), 1, 0);
            assert_number(derivative_at(square_at_itself, NULL, (way)k, 3), 12, 0);
        }
    }
    assert_clean();
}

/* ---- captured parameters ---- */

/* w x^2 */
static int scaled(void *context, ct_tensor *const *in, ct_tensor **out) { return out[0] = ct_mul(context, ct_square(in[0])), 0; }

static void captured_parameters_get_gradients(void **state)
{
    (void)state;
    for (int i = 0; i < WAYS; i++) {
        for (int k = 0; k < WAYS; k++) {
            CT_SCOPE;
            ct_tensor *w = ct_requires_grad(ct_of(ct_shape(), CT_F64, 5), true), *x = ct_of(ct_shape(), CT_F64, 3), *y = NULL;
            derived one = {scaled, w, (way)i}, two = {derive, &one, (way)k};
            assert_int_equal(derive(&one, &x, &y), 0); /* 2 w x */
            assert_true(ct_backward(y));
            assert_number(ct_item(ct_grad_of(w)), 6, 0);
            assert_true(ct_zero_grad(w));
            x = ct_of(ct_shape(), CT_F64, 3);
            assert_int_equal(derive(&two, &x, &y), 0); /* 2 w */
            assert_true(ct_backward(y));
            assert_number(ct_item(ct_grad_of(w)), 2, 0);
        }
    }
    assert_clean();
}

/* ---- several variables ---- */

/* (a, b) -> (a^2 b, b sin a) */
static int surface(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    ct_tensor *a = ct_select(in[0], 0, 0), *b = ct_select(in[0], 0, 1);
    out[0] = ct_stack((ct_tensor *[]){ct_mul(ct_square(a), b), ct_mul(b, ct_sin(a))}, 2, 0);
    return 0;
}

typedef struct jacobian_of {
    ct_function f;
    void *context;
    ct_mode mode;
} jacobian_of;

static int jacobian(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const jacobian_of *j = context;
    return (out[0] = ct_jacobian(j->f, j->context, in[0], j->mode)) ? 0 : 1;
}

static void jacobians_of_jacobians(void **state)
{
    (void)state;
    const double a = 0.4, b = 1.5;
    const double second[8] = {2 * b, 2 * a, 2 * a, 0, -b * sin(a), cos(a), cos(a), 0};
    const double third[16] = {0, 2, 2, 0, 2, 0, 0, 0, -b * cos(a), -sin(a), -sin(a), 0, -sin(a), 0, 0, 0};
    for (int mix = 0; mix < 8; mix++) {
        CT_SCOPE;
        ct_tensor *x = ct_of(ct_shape(2), CT_F64, a, b);
        const ct_mode mode[] = {CT_MODE_REVERSE, CT_MODE_FORWARD};
        jacobian_of one = {surface, NULL, mode[mix & 1]}, two = {jacobian, &one, mode[mix >> 1 & 1]};
        ct_tensor *h = ct_jacobian(jacobian, &one, x, mode[mix >> 1 & 1]), *t = ct_jacobian(jacobian, &two, x, mode[mix >> 2]);
        assert_int_equal(ct_rank(h), 3);
        assert_int_equal(ct_rank(t), 4);
        for (int i = 0; i < 8; i++) assert_number(ct_get(h, ct_index(i / 4, i / 2 % 2, i % 2)), second[i], 1e-15);
        for (int i = 0; i < 16; i++) assert_number(ct_get(t, ct_index(i / 8, i / 4 % 2, i / 2 % 2, i % 2)), third[i], 1e-15);
    }
    assert_clean();
}

/* A Jacobian inside a Jacobian is still one sweep each: operations do not grow with the size. */
static int smooth(void *context, ct_tensor *const *in, ct_tensor **out)
{
    out[0] = ct_tanh(ct_matmul(context, in[0]));
    return 0;
}

static void nested_jacobians_stay_batched(void **state)
{
    (void)state;
    for (int mix = 0; mix < 4; mix++) {
        int64_t operations[2];
        for (int i = 0; i < 2; i++) {
            CT_SCOPE;
            const int64_t n = i ? 10 : 5;
            jacobian_of one = {smooth, ct_uniform(ct_shape(n, n), -1, 1, CT_F64), mix & 1 ? CT_MODE_FORWARD : CT_MODE_REVERSE};
            const int64_t before = ct_count().operations;
            assert_non_null(ct_jacobian(jacobian, &one, ct_uniform(ct_shape(n), -1, 1, CT_F64),
                                        mix & 2 ? CT_MODE_FORWARD : CT_MODE_REVERSE));
            operations[i] = ct_count().operations - before;
        }
        assert_int_equal(operations[0], operations[1]);
        assert_true(operations[1] < 150);
    }
    assert_clean();
}

/* sum of cubes: gradient 3 x^2, Hessian diag(6 x), its derivative 6 */
static int cubes(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_sum(ct_mul(in[0], ct_square(in[0])), CT_ALL, false);
    return 0;
}
static int hessian_of_cubes(void *context, ct_tensor *const *in, ct_tensor **out)
{
    return (out[0] = ct_hessian(cubes, context, in[0])) ? 0 : 1;
}
static int hvp_of_cubes(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *v = context;
    return ct_hvp(cubes, NULL, in, &v, 1, NULL, out) ? 0 : 1;
}

static void hessians_can_be_differentiated(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_of(ct_shape(2), CT_F64, 1, 2), *v = ct_of(ct_shape(2), CT_F64, 3, 5), *d, *t;
        for (int mode = CT_MODE_REVERSE; mode <= CT_MODE_FORWARD; mode++) {
            t = ct_jacobian(hessian_of_cubes, NULL, x, (ct_mode)mode);
            for (int i = 0; i < 8; i++) {
                assert_number(ct_get(t, ct_index(i / 4, i / 2 % 2, i % 2)), i == 0 || i == 7 ? 6 : 0, 1e-15);
            }
            t = ct_jacobian(hvp_of_cubes, v, x, (ct_mode)mode); /* diag(6 v) */
            assert_number(ct_get(t, ct_index(1, 1)), 30, 1e-14);
            assert_number(ct_get(t, ct_index(1, 0)), 0, 0);
        }
        assert_true(ct_jvp(hessian_of_cubes, NULL, &x, &v, 1, NULL, &d, 1));
        assert_number(ct_get(d, ct_index(1, 1)), 30, 1e-14);
        ct_tensor *w = ct_requires_grad(ct_of(ct_shape(2), CT_F64, 1, 2), true);
        assert_true(ct_hvp(cubes, NULL, &w, &v, 1, NULL, &d)); /* 6 w v */
        assert_true(ct_backward(ct_sum(d, CT_ALL, false)));
        assert_number(ct_get(ct_grad_of(w), ct_index(0)), 18, 1e-14);
        ct_tensor *u = ct_requires_grad(ct_of(ct_shape(2), CT_F64, 1, 2), true), *all[4];
        assert_true(ct_taylor(cubes, NULL, u, v, 3, all)); /* 3 x v^2 -> d/dx of the second: 6 v^2 */
        assert_number(ct_item(all[3]), 6 * (27 + 125), 1e-12);
        assert_true(ct_backward(all[2]));
        assert_number(ct_get(ct_grad_of(u), ct_index(1)), 6 * 25, 1e-12);
    }
    assert_clean();
}

/* ---- a network with 50 parameters ---- */

/* The loss of 3 -> 8 tanh -> 2 with cross-entropy, as a function of all parameters in one vector. */
typedef struct network {
    ct_tensor *x, *labels;
} network;

static ct_tensor *part(ct_tensor *p, int64_t from, int64_t rows, int64_t columns)
{
    return ct_reshape(ct_slice(p, 0, from, from + rows * columns, 1), ct_shape(rows, columns));
}

static int loss(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const network *n = context;
    ct_tensor *p = in[0], *b1 = ct_slice(p, 0, 24, 32, 1), *b2 = ct_slice(p, 0, 48, 50, 1);
    ct_tensor *hidden = ct_tanh(ct_affine(n->x, part(p, 0, 3, 8), b1));
    out[0] = ct_cross_entropy(ct_affine(hidden, part(p, 32, 8, 2), b2), n->labels);
    return 0;
}

static int gradient_of_loss(void *context, ct_tensor *const *in, ct_tensor **out)
{
    return ct_value_and_grad(loss, context, in, 1, NULL, out) ? 0 : 1;
}

/* Column k of the Hessian by central differences of the gradient, extrapolated. */
static ct_tensor *difference(network *n, ct_tensor *p, int k)
{
    ct_tensor *quotient[2], *g[2];
    for (int i = 0; i < 2; i++) {
        const double h = i ? 5e-4 : 1e-3;
        for (int side = 0; side < 2; side++) {
            ct_tensor *moved = ct_clone(p);
            ct_set(moved, ct_index(k), ct_get(p, ct_index(k)) + (side ? -h : h));
            gradient_of_loss(n, &moved, &g[side]);
        }
        quotient[i] = ct_div(ct_sub(g[0], g[1]), ct_scalar(2 * h));
    }
    return ct_div(ct_sub(ct_mul(quotient[1], ct_scalar(4)), quotient[0]), ct_scalar(3));
}

static void the_hessian_of_a_network(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_seed(5);
        network n = {ct_uniform(ct_shape(6, 3), -1, 1, CT_F64), ct_of(ct_shape(6), CT_I64, 0, 1, 1, 0, 1, 0)};
        ct_tensor *p = ct_uniform(ct_shape(50), -1, 1, CT_F64), *columns[50], *products[50];
        for (int k = 0; k < 50; k++) {
            ct_tensor *e = ct_select(ct_eye(50, CT_F64), 0, k);
            columns[k] = difference(&n, p, k);
            assert_true(ct_hvp(loss, &n, &p, &e, 1, NULL, &products[k]));
        }
        ct_tensor *differences = ct_stack(columns, 50, 1), *h[4];
        h[0] = ct_hessian(loss, &n, p);
        h[1] = ct_jacobian(gradient_of_loss, &n, p, CT_MODE_FORWARD);
        h[2] = ct_jacobian(gradient_of_loss, &n, p, CT_MODE_REVERSE);
        h[3] = ct_stack(products, 50, 1);
        for (int i = 0; i < 4; i++) {
            assert_true(ct_allclose(h[i], differences, 0, 1e-9));
            assert_true(ct_allclose(h[i], ct_transpose(h[i]), 0, 1e-13));
            assert_true(ct_allclose(h[i], h[0], 0, 1e-13));
        }
        assert_true(ct_item(ct_max(ct_abs(h[0]), CT_ALL, false)) > 1e-2);
    }
    assert_clean();
}

/* ---- threads ---- */

static int loss_of_net(void *context, ct_tensor *const *in, ct_tensor **out)
{
    out[0] = ct_sum(ct_square(ct_forward(context, in[0])), CT_ALL, false);
    return out[0] ? 0 : 1;
}

typedef struct differentiating {
    ct_module *net;
    double sum; /* of all results */
} differentiating;

/* Derivatives by an input, again and again. */
static void *differentiate(void *context)
{
    differentiating *d = context;
    for (int i = 0; i < 100; i++) {
        CT_SCOPE;
        ct_tensor *x = ct_full(ct_shape(2, 3), 0.5, CT_F32), *g = NULL, *h = NULL;
        if (ct_value_and_grad(loss_of_net, d->net, &x, 1, NULL, &g)) d->sum += ct_item(ct_sum(g, CT_ALL, false));
        if (ct_hvp(loss_of_net, d->net, &x, &x, 1, NULL, &h)) d->sum += ct_item(ct_sum(h, CT_ALL, false));
    }
    if (ct_report(NULL)) d->sum = NAN;
    return NULL;
}

/* Threads that share parameters may each differentiate by inputs of their own: no gradient goes to the parameters. */
static void threads_share_a_network(void **state)
{
    (void)state;
    ct_module *net = ct_nn_sequential(ct_nn_linear(3, 4), ct_nn_tanh(), ct_nn_linear(4, 2));
    differentiating alone = {.net = net}, together[4];
    pthread_t thread[4];
    differentiate(&alone);
    assert_true(alone.sum != 0);
    for (int i = 0; i < 4; i++) {
        together[i] = (differentiating){.net = net};
        assert_int_equal(pthread_create(&thread[i], NULL, differentiate, &together[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        assert_number(together[i].sum, alone.sum, 0);
    }
    ct_module_free(net);
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mix_to_the_third_order),     cmocka_unit_test(deep_mixes),
        cmocka_unit_test(perturbations_are_not_confused),   cmocka_unit_test(captured_parameters_get_gradients),
        cmocka_unit_test(jacobians_of_jacobians),           cmocka_unit_test(nested_jacobians_stay_batched),
        cmocka_unit_test(hessians_can_be_differentiated),   cmocka_unit_test(the_hessian_of_a_network),
        cmocka_unit_test(threads_share_a_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
