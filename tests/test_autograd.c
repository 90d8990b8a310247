/*
 * test_autograd.c - the reverse engine: backward and grad, what is kept and released, hooks, in-place changes. (Forward mode and
 * how modes nest: test_modes.c.)
 */
#include "support.h"

/* ---- reverse mode ---- */

static void backward_reaches_every_leaf(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(3), *y = variable(4);
        assert_true(ct_backward(ct_add(ct_mul(x, x), ct_mul(x, y)))); /* x^2 + x y */
        assert_number(ct_item(ct_grad_of(x)), 10, 0);
        assert_number(ct_item(ct_grad_of(y)), 3, 0);
    }
    assert_clean();
}

static void gradients_accumulate_until_zeroed_or_spent(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(2);
        assert_true(ct_backward(ct_square(x)));
        assert_true(ct_backward(ct_square(x)));
        assert_number(ct_item(ct_grad_of(x)), 8, 0);
        assert_true(ct_spend_grad(x));
        assert_number(ct_item(ct_grad_of(x)), 8, 0); /* readable until the next backward */
        assert_true(ct_backward(ct_square(x)));
        assert_number(ct_item(ct_grad_of(x)), 4, 0);
        assert_true(ct_zero_grad(x));
        assert_false(ct_has_grad(x));
        assert_null(ct_grad_of(x));
        assert_error(CT_ERROR_GRAPH, "ct_grad_of", "no gradient yet");
    }
    assert_clean();
}

static void a_gradient_already_read_is_not_overwritten(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(2);
        assert_true(ct_backward(ct_square(x)));
        ct_tensor *first = ct_grad_of(x);
        assert_true(ct_backward(ct_square(x)));
        assert_number(ct_item(first), 4, 0);
        assert_number(ct_item(ct_grad_of(x)), 8, 0);
    }
    assert_clean();
}

static void a_value_used_twice_gets_both_gradients(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(0.5), *y = ct_exp(x), *z = ct_mul(ct_mul(y, y), ct_add(y, y)); /* 2 e^(3x) */
        assert_true(ct_backward(z));
        assert_number(ct_item(ct_grad_of(x)), 6 * exp(1.5), 1e-13);
    }
    assert_clean();
}

/* Nodes differ by how many axes a result has, by whether they keep operands or the result, and by parameters. */
static void a_node_of_any_shape_keeps_what_its_rules_read(void **state)
{
    (void)state;
    const ct_shape shapes[] = {ct_shape(), ct_shape(3), ct_shape(2, 1, 3, 2), ct_shape(1, 2, 1, 3, 2), ct_shape(1, 2, 1, 2, 1, 2, 1, 2)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (ct_dtype dtype = CT_F32; dtype <= CT_F64; dtype++) {
            CT_SCOPE;
            ct_tensor *x = ct_requires_grad(ct_full(shapes[i], -0.5, dtype), true);
            ct_tensor *y = ct_mul(ct_exp(x), ct_leaky_relu(x, 0.25)); /* e^x x / 4 */
            ct_tensor *g = NULL, *h = NULL;
            y = ct_sum(ct_sub(y, ct_neg(ct_atan2(x, ct_add(x, x)))), CT_ALL, false); /* and a constant */
            assert_true(ct_grad(&y, NULL, 1, &x, 1, &g, (ct_grad_options){.create_graph = true}));
            assert_true(ct_allclose(g, ct_full(shapes[i], exp(-0.5) * 0.5 / 4, dtype), 1e-6, 0)); /* e^x (x + 1) / 4 */
            ct_tensor *sum = ct_sum(g, CT_ALL, false);
            assert_true(ct_grad(&sum, NULL, 1, &x, 1, &h, (ct_grad_options){.retain_graph = false}));
            assert_true(ct_allclose(h, ct_full(shapes[i], exp(-0.5) * 1.5 / 4, dtype), 1e-6, 0)); /* e^x (x + 2) / 4 */
        }
    }
    assert_clean();
}

static void a_second_sweep_says_what_was_released(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(2), *y = ct_exp(ct_mul(x, x));
        assert_true(ct_backward(y));
        assert_false(ct_backward(y));
        assert_error(CT_ERROR_GRAPH, "ct_backward", "swept before");
        assert_number(ct_item(ct_grad_of(x)), 4 * exp(4), 1e-12);
        ct_tensor *z = ct_exp(ct_mul(x, x));
        assert_true(ct_backward_with(&z, NULL, 1, (ct_grad_options){.retain_graph = true}));
        assert_true(ct_backward(z));
        assert_number(ct_item(ct_grad_of(x)), 12 * exp(4), 1e-12);
    }
    assert_clean();
}

static void the_loss_has_one_element_and_a_graph(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_ones(ct_shape(2, 3), CT_F32), true);
        assert_false(ct_backward(ct_exp(x)));
        assert_error(CT_ERROR_SHAPE, "ct_backward", "f32 [2, 3]");
        assert_false(ct_backward(ct_sum(ct_ones(ct_shape(3), CT_F32), CT_ALL, false)));
        assert_error(CT_ERROR_GRAPH, "ct_backward", "does not depend on any tensor that needs a gradient");
        assert_false(ct_backward(NULL));
        assert_error(CT_ERROR_NULL, "ct_backward", "`loss` is NULL");
        assert_null(ct_requires_grad(ct_zeros(ct_shape(2), CT_I64), true));
        assert_error(CT_ERROR_DTYPE, "ct_requires_grad", "i64 [2]");
    }
    assert_clean();
}

static void a_borrowed_gradient_is_the_leafs_own(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(3), *y = ct_square(x);
        assert_null(ct_grad_borrow(x)); /* none yet, and no error */
        assert_null(ct_grad_borrow(y)); /* no leaf */
        assert_null(ct_error());
        assert_true(ct_backward(y));
        const int64_t alive = ct_memory().tensors;
        assert_number(ct_item(ct_grad_borrow(x)), 6, 0);
        assert_ptr_equal(ct_grad_borrow(x), ct_grad_borrow(x));
        assert_int_equal(ct_memory().tensors, alive); /* no handle was made */
        ct_requires_grad(x, false);
        assert_null(ct_grad_borrow(x)); /* frozen */
        assert_null(ct_grad_borrow(NULL));
        assert_error(CT_ERROR_NULL, "ct_grad_borrow", "`leaf` is NULL");
    }
    assert_clean();
}

static int free_it(ct_tensor *g, ct_tensor **replacement, void *context)
{
    (void)g, (void)replacement;
    ct_tensor **t = context;
    ct_free(*t);
    *t = NULL;
    return 0;
}

static void a_hook_may_free_what_the_sweep_started_from(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(2), *y = ct_keep(ct_square(ct_square(x)));
        assert_true(ct_add_hook(y, free_it, &y));
        assert_true(ct_backward(y));
        assert_null(y);
        assert_number(ct_item(ct_grad_of(x)), 32, 0);
    }
    assert_clean();
}

typedef struct again {
    ct_tensor *y, *x;
    bool inside;
    double found;
} again;

/* The gradient of the same graph once more, which meets the nodes that the outer sweep is working on. */
static int sweep_again(ct_tensor *g, ct_tensor **replacement, void *context)
{
    again *a = context;
    ct_tensor *inner;
    (void)g, (void)replacement;
    if (a->inside) return 0;
    a->inside = true;
    const bool ok = ct_grad(&a->y, NULL, 1, &a->x, 1, &inner, (ct_grad_options){.retain_graph = true});
    a->found = ct_item(inner);
    a->inside = false;
    return ok ? 0 : 1;
}

static void a_sweep_inside_a_hook_leaves_the_outer_one_alone(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(2), *h = ct_square(x), *y = ct_square(h), *one = ct_ones(ct_shape(), CT_F64);
        again a = {.y = y, .x = x};
        assert_true(ct_add_hook(h, sweep_again, &a));
        assert_true(ct_backward_with(&y, &one, 1, (ct_grad_options){.retain_graph = true}));
        assert_number(a.found, 32, 0);
        assert_number(ct_item(ct_grad_of(x)), 32, 0);
    }
    assert_clean();
}

static void grad_goes_to_any_tensor_and_touches_no_leaf(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(2), *other = variable(1), *h = ct_square(x), *y = ct_mul(h, h); /* x^4 */
        ct_tensor *inputs[] = {h, x, other}, *g[3];
        assert_true(ct_grad(&y, NULL, 1, inputs, 3, g, (ct_grad_options){0}));
        assert_number(ct_item(g[0]), 8, 0);
        assert_number(ct_item(g[1]), 32, 0);
        assert_number(ct_item(g[2]), 0, 0); /* not connected: zeros */
        assert_false(ct_has_grad(x));
    }
    assert_clean();
}

static void grad_takes_several_outputs_with_cotangents(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_of(ct_shape(2), CT_F64, 1, 2), true);
        ct_tensor *y[] = {ct_square(x), ct_exp(x)}, *g;
        ct_tensor *u[] = {ct_of(ct_shape(2), CT_F64, 3, 0), ct_of(ct_shape(2), CT_F64, 0, 5)};
        assert_true(ct_grad(y, u, 2, &x, 1, &g, (ct_grad_options){0}));
        assert_number(ct_get(g, ct_index(0)), 6, 0);
        assert_number(ct_get(g, ct_index(1)), 5 * exp(2), 1e-13);
        assert_false(ct_grad(y, (ct_tensor *[]){u[0], ct_ones(ct_shape(3), CT_F64)}, 2, &x, 1, &g, (ct_grad_options){0}));
        assert_null(g);
        assert_error(CT_ERROR_SHAPE, "ct_grad", "cotangent 2 is f64 [3], its output is f64 [2]");
    }
    assert_clean();
}

/* A sweep need not look for the nodes that lead to its targets where all ways end at one leaf that is a target. What it gives is
 * the same with a second leaf behind the function, which makes it look: bitwise, for each choice of targets. */
static void one_leaf_or_several_make_no_difference(void **state)
{
    (void)state;
    for (int chosen = 1; chosen < 8; chosen++) {
        CT_SCOPE;
        double value[2][3] = {{0}};
        for (int several = 0; several < 2; several++) {
            ct_tensor *x = variable(0.7), *other = variable(3), *none = ct_scalar(1);
            ct_tensor *h = ct_tanh(ct_mul(x, x)), *y = ct_add(ct_mul(h, ct_exp(x)), ct_mul(h, none));
            if (several) y = ct_add(y, ct_sub(other, other));
            ct_tensor *outputs[] = {y, ct_square(h)}, *all[] = {x, h, y}, *inputs[3], *g[3];
            int n = 0, seeds = chosen % 2 + 1;
            for (int i = 0; i < 3; i++) {
                if (chosen >> i & 1) inputs[n++] = all[i];
            }
            assert_true(ct_grad(outputs, NULL, seeds, inputs, n, g, (ct_grad_options){.retain_graph = true}));
            for (int i = 0; i < n; i++) value[several][i] = ct_item(g[i]);
            assert_false(ct_has_grad(x) || ct_has_grad(other));
            /* the other leaf alone is no target that all ways lead to */
            assert_true(ct_grad(&y, NULL, 1, &other, 1, g, (ct_grad_options){0}));
            assert_number(ct_item(g[0]), 0, 0);
        }
        assert_memory_equal(value[0], value[1], sizeof value[0]);
        assert_true(value[0][0] != 0);
    }
    assert_clean();
}

static void outputs_lead_to_other_leaves_or_nowhere(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(2), *a = variable(5), *y[] = {ct_square(x), ct_mul(x, a), x, ct_scalar(7)};
        ct_tensor *in[] = {x, x, a}, *g[3];
        assert_true(ct_grad(y, NULL, 4, in, 3, g, (ct_grad_options){0}));
        assert_number(ct_item(g[0]), 10, 0);
        assert_number(ct_item(g[1]), 10, 0);
        assert_number(ct_item(g[2]), 2, 0);
    }
    assert_clean();
}

static void derivatives_of_any_order(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(0.3), *y = ct_sin(x);
        const double expected[] = {cos(0.3), -sin(0.3), -cos(0.3), sin(0.3), cos(0.3)};
        for (int order = 0; order < 5; order++) {
            y = ct_derivative(y, x, (ct_grad_options){.create_graph = true});
            assert_number(ct_item(y), expected[order], 1e-14);
        }
    }
    assert_clean();
}

/* tanh far out: the slope through y stays finite at every order. */
static void higher_derivatives_stay_finite(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_of(ct_shape(), CT_F32, 100), true), *y = ct_tanh(x);
        for (int order = 0; order < 4; order++) {
            y = ct_derivative(y, x, (ct_grad_options){.create_graph = true});
            assert_number(ct_item(y), 0, 0);
        }
    }
    assert_clean();
}

static void a_zero_derivative_gives_zeros(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(0.7);
        assert_true(ct_backward(ct_step(ct_sin(x))));
        assert_number(ct_item(ct_grad_of(x)), 0, 0);
        assert_number(ct_item(ct_derivative(ct_floor(x), x, (ct_grad_options){0})), 0, 0);
    }
    assert_clean();
}

/* ---- modes and leaves ---- */

static void nothing_is_recorded_without_grad_mode(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(2), *y;
        {
            CT_NO_GRAD;
            y = ct_square(x);
        }
        assert_false(ct_needs_grad(y));
        assert_true(ct_needs_grad(ct_square(x)));
        assert_false(ct_needs_grad(ct_square(ct_detach(x))));
        assert_true(ct_needs_grad(ct_alias(x)));
        assert_int_equal(ct_memory().nodes, 2); /* the leaf, and the one recorded square */
    }
    assert_clean();
}

static void a_result_cannot_be_told_otherwise(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(2), *y = ct_square(x);
        assert_null(ct_requires_grad(y, false));
        assert_error(CT_ERROR_GRAPH, "ct_requires_grad", "the result of ct_square at ");
        assert_non_null(ct_requires_grad(x, false));
        assert_false(ct_needs_grad(ct_square(x)));
    }
    assert_clean();
}

/* All handles of a leaf are one leaf. */
static void freezing_reaches_every_handle(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(2), *handle = ct_alias(x);
        assert_non_null(ct_requires_grad(x, false));
        assert_false(ct_needs_grad(handle));
        assert_false(ct_needs_grad(ct_square(handle)));
        assert_non_null(ct_requires_grad(handle, true));
        assert_true(ct_backward(ct_square(x)));
        assert_number(ct_item(ct_grad_of(handle)), 4, 0);
    }
    assert_clean();
}

static void a_leaf_takes_other_values(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_of(ct_shape(2), CT_F32, 1, 2), true), *y = ct_square(x);
        assert_true(ct_backward(ct_sum(ct_square(x), CT_ALL, false)));
        assert_true(ct_set_data(x, ct_of(ct_shape(2), CT_F64, 3, 4)));
        assert_int_equal(ct_dtype_of(x), CT_F64);
        assert_false(ct_has_grad(x));
        assert_true(ct_backward(ct_sum(ct_square(x), CT_ALL, false)));
        assert_number(ct_get(ct_grad_of(x), ct_index(1)), 8, 0);
        assert_false(ct_backward_with(&y, NULL, 1, (ct_grad_options){0})); /* recorded with the values of before */
        assert_error(CT_ERROR_GRAPH, "ct_backward_with", "changed in place");
        assert_false(ct_set_data(x, ct_zeros(ct_shape(3), CT_F64)));
        assert_error(CT_ERROR_SHAPE, "ct_set_data", "values are f64 [3], t is f64 [2]");
        assert_false(ct_set_data(x, ct_zeros(ct_shape(2), CT_I64)));
        assert_error(CT_ERROR_DTYPE, "ct_set_data", "expected f32 or f64");
        assert_false(ct_set_data(ct_square(x), ct_zeros(ct_shape(2), CT_F64)));
        assert_error(CT_ERROR_GRAPH, "ct_set_data", "the result of ct_square");
    }
    assert_clean();
}

/* ---- changes in place ---- */

static void a_changed_value_is_caught(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = variable(2), *x = ct_of(ct_shape(), CT_F64, 3), *y = ct_mul(w, x);
        assert_true(ct_fill_(x, 5));
        assert_false(ct_backward(y));
        assert_error(CT_ERROR_GRAPH, "ct_backward", "the second operand of ct_mul at ");
        assert_false(ct_has_grad(w));
        ct_tensor *e = ct_exp(w);
        {
            CT_NO_GRAD;
            assert_true(ct_fill_(e, 0));
        }
        assert_false(ct_backward(e));
        assert_error(CT_ERROR_GRAPH, "ct_backward", "the result of ct_exp at ");
    }
    assert_clean();
}

static void recorded_tensors_and_their_views_refuse_changes(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = ct_requires_grad(ct_zeros(ct_shape(2, 2), CT_F64), true);
        assert_false(ct_fill_(w, 1));
        assert_error(CT_ERROR_GRAPH, "ct_fill_", "CT_NO_GRAD");
        assert_false(ct_fill_(ct_detach(ct_select(w, 0, 0)), 1)); /* a view of it shares the values */
        assert_error(CT_ERROR_GRAPH, "ct_fill_", "CT_NO_GRAD");
        CT_NO_GRAD;
        assert_true(ct_fill_(w, 1));
        assert_number(ct_get(w, ct_index(1, 1)), 1, 0);
    }
    assert_clean();
}

/* ---- hooks ---- */

static int doubles(ct_tensor *g, ct_tensor **replacement, void *context)
{
    ++*(int *)context;
    *replacement = ct_mul(g, ct_scalar(2));
    return 0;
}
static int fails(ct_tensor *g, ct_tensor **replacement, void *context) { return (void)g, (void)replacement, (void)context, 7; }
static int wrong_shape(ct_tensor *g, ct_tensor **replacement, void *context)
{
    (void)g, (void)context;
    *replacement = ct_ones(ct_shape(3), CT_F64);
    return 0;
}

static void hooks_read_and_replace(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        int calls = 0;
        ct_tensor *x = variable(3), *h = ct_square(x);
        assert_true(ct_add_hook(h, doubles, &calls));
        assert_true(ct_add_hook(x, doubles, &calls));
        assert_true(ct_backward(ct_add(h, h))); /* 2 x^2: 4 x = 12, doubled twice */
        assert_int_equal(calls, 2);
        assert_number(ct_item(ct_grad_of(x)), 48, 0);
    }
    assert_clean();
}

static void a_failing_hook_leaves_gradients_alone(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(3), *y = variable(1), *h = ct_square(x);
        assert_true(ct_backward(ct_mul(x, y)));
        assert_true(ct_add_hook(h, fails, NULL));
        assert_false(ct_backward(ct_add(h, y)));
        assert_error(CT_ERROR_USER, "ct_backward", "returned 7");
        assert_number(ct_item(ct_grad_of(x)), 1, 0);
        assert_number(ct_item(ct_grad_of(y)), 3, 0);
        ct_tensor *k = ct_square(x);
        assert_true(ct_add_hook(k, wrong_shape, NULL));
        assert_false(ct_backward(k));
        assert_error(CT_ERROR_SHAPE, "ct_backward", "replaced a gradient f64 [] by f64 [3]");
    }
    assert_clean();
}

/* ---- depth and memory ---- */

static void a_million_nodes_need_no_stack(void **state)
{
    (void)state;
    const int64_t count = test_under_valgrind() ? 30000 : 1000000;
    ct_tensor *x = variable(0.5), *y = ct_alias(x); /* without a scope, so that what is done with dies at once */
    for (int64_t i = 0; i < count; i++) {
        ct_tensor *next = ct_neg(y);
        ct_free(y);
        y = next;
    }
    assert_int_equal(ct_memory().nodes, count + 1);
    assert_true(ct_backward(y));
    ct_tensor *g = ct_grad_of(x);
    assert_number(ct_item(g), 1, 0);
    ct_free(g);
    ct_free(y);
    assert_int_equal(ct_memory().nodes, 1);
    ct_free(x);
    assert_clean();
}

static void values_are_let_go_as_the_sweep_proceeds(void **state)
{
    (void)state;
    ct_tensor *x = ct_requires_grad(ct_zeros(ct_shape(1000), CT_F64), true), *y = ct_alias(x);
    for (int i = 0; i < 100; i++) {
        ct_tensor *next = ct_tanh(y);
        ct_free(y);
        y = next;
    }
    ct_tensor *s = ct_sum(y, CT_ALL, false);
    ct_free(y);
    const int64_t before = ct_memory().bytes;
    ct_memory_reset_peak();
    assert_true(ct_backward(s));
    assert_true(ct_memory().peak_bytes < before + 2 * 8000); /* one gradient beside what was kept */
    assert_true(ct_memory().bytes < 3 * 8000);
    ct_free(s);
    ct_free(x);
    assert_clean();
}

/* The old gradient is gone when the new one is made: never both. */
static void a_spent_gradient_makes_room(void **state)
{
    enum { WEIGHTS = 200 * 50 * 8 };
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = ct_requires_grad(ct_ones(ct_shape(200, 50), CT_F64), true), *x = ct_ones(ct_shape(4, 200), CT_F64);
        for (int spent = 0; spent < 3; spent++) {
            ct_tensor *loss = ct_sum(ct_matmul(x, w), CT_ALL, false);
            if (spent) assert_true(ct_spend_grad(w));
            const int64_t before = ct_memory().bytes;
            ct_memory_reset_peak();
            assert_true(ct_backward(loss));
            assert_number((double)(ct_memory().peak_bytes - before), spent ? 0 : WEIGHTS, WEIGHTS / 4);
            assert_number(ct_get(ct_grad_borrow(w), ct_index(7, 7)), 4, 0); /* a handle would hold it */
        }
    }
    assert_clean();
}

static void a_failing_sweep_may_cost_spent_gradients_alone(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(3), *y = variable(2);
        assert_true(ct_backward(ct_mul(ct_square(x), y)));
        assert_true(ct_spend_grad(x));
        ct_tensor *h = ct_square(y);
        assert_true(ct_add_hook(h, fails, NULL));
        assert_false(ct_backward(ct_mul(ct_square(x), h)));
        assert_error(CT_ERROR_USER, "ct_backward", "returned 7");
        assert_number(ct_item(ct_grad_of(y)), 9, 0);
        if (ct_has_grad(x)) assert_number(ct_item(ct_grad_of(x)), 12, 0);
        assert_true(ct_backward(ct_mul(ct_square(x), y)));
        assert_number(ct_item(ct_grad_of(x)), 12, 0); /* not added to what was spent */
        assert_number(ct_item(ct_grad_of(y)), 18, 0);
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backward_reaches_every_leaf),
        cmocka_unit_test(gradients_accumulate_until_zeroed_or_spent),
        cmocka_unit_test(a_gradient_already_read_is_not_overwritten),
        cmocka_unit_test(a_value_used_twice_gets_both_gradients),
        cmocka_unit_test(a_node_of_any_shape_keeps_what_its_rules_read),
        cmocka_unit_test(a_second_sweep_says_what_was_released),
        cmocka_unit_test(the_loss_has_one_element_and_a_graph),
        cmocka_unit_test(a_borrowed_gradient_is_the_leafs_own),
        cmocka_unit_test(a_hook_may_free_what_the_sweep_started_from),
        cmocka_unit_test(a_sweep_inside_a_hook_leaves_the_outer_one_alone),
        cmocka_unit_test(grad_goes_to_any_tensor_and_touches_no_leaf),
        cmocka_unit_test(grad_takes_several_outputs_with_cotangents),
        cmocka_unit_test(one_leaf_or_several_make_no_difference),
        cmocka_unit_test(outputs_lead_to_other_leaves_or_nowhere),
        cmocka_unit_test(derivatives_of_any_order),
        cmocka_unit_test(higher_derivatives_stay_finite),
        cmocka_unit_test(a_zero_derivative_gives_zeros),
        cmocka_unit_test(nothing_is_recorded_without_grad_mode),
        cmocka_unit_test(a_result_cannot_be_told_otherwise),
        cmocka_unit_test(freezing_reaches_every_handle),
        cmocka_unit_test(a_leaf_takes_other_values),
        cmocka_unit_test(a_changed_value_is_caught),
        cmocka_unit_test(recorded_tensors_and_their_views_refuse_changes),
        cmocka_unit_test(hooks_read_and_replace),
        cmocka_unit_test(a_failing_hook_leaves_gradients_alone),
        cmocka_unit_test(a_million_nodes_need_no_stack),
        cmocka_unit_test(values_are_let_go_as_the_sweep_proceeds),
        cmocka_unit_test(a_spent_gradient_makes_room),
        cmocka_unit_test(a_failing_sweep_may_cost_spent_gradients_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
