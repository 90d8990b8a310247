/*
 * test_hooks.c - where derivatives stop (ct_detach), and hooks: which gradients they see, what they may change, how they go away;
 * and that gradients which somebody sees are not written over.
 */
#include "support.h"

/* ---- stop-gradient ---- */

/* y = x stop(x): the derivative is x, not 2 x, whoever asks. */
static int half_of_a_square(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_mul(in[0], ct_detach(in[0]));
    return out[0] ? 0 : 1;
}

static void derivatives_stop_in_every_mode(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(3), *one = ct_ones(ct_shape(), CT_F64), *y, *dx, *dy;
        assert_int_equal(half_of_a_square(NULL, &x, &y), 0);
        assert_number(ct_item(y), 9, 0);
        assert_true(ct_backward(y));
        assert_number(ct_item(ct_grad_of(x)), 3, 0);
        assert_true(ct_vjp(half_of_a_square, NULL, &x, 1, &one, &y, 1, &dx));
        assert_number(ct_item(dx), 3, 0);
        assert_true(ct_jvp(half_of_a_square, NULL, &x, &one, 1, &y, &dy, 1));
        assert_number(ct_item(dy), 3, 0);
        assert_number(ct_item(ct_jacobian(half_of_a_square, NULL, x, CT_MODE_FORWARD)), 3, 0);
        assert_number(ct_item(ct_jacobian(half_of_a_square, NULL, x, CT_MODE_REVERSE)), 3, 0);
    }
    assert_clean();
}

static void what_is_stopped_is_a_constant_in_higher_orders(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(3), *y = ct_mul(ct_square(x), ct_detach(ct_exp(x))); /* y' = 2 x c, y'' = 2 c */
        ct_tensor *first = ct_derivative(y, x, (ct_grad_options){.create_graph = true});
        ct_tensor *second = ct_derivative(first, x, (ct_grad_options){0});
        assert_number(ct_item(first), 6 * exp(3), 1e-12);
        assert_number(ct_item(second), 2 * exp(3), 1e-12);
    }
    assert_clean();
}

static void a_stopped_tensor_shares_the_values(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_ones(ct_shape(2, 3), CT_F32), true), *stopped = ct_detach(x);
        assert_false(ct_needs_grad(stopped));
        assert_ptr_equal(ct_data(x), ct_data(stopped));
        assert_true(ct_needs_grad(ct_requires_grad(stopped, true))); /* it may become a leaf of its own */
        assert_true(ct_backward(ct_sum(ct_mul(stopped, x), CT_ALL, false)));
        assert_number(ct_get(ct_grad_of(stopped), ct_index(0, 0)), 1, 0);
        assert_false(ct_needs_grad(ct_detach(ct_ones(ct_shape(), CT_F64))));
        assert_null(ct_detach(NULL));
        ct_clear_error();
    }
    assert_clean();
}

/* ---- what hooks see ---- */

typedef struct notes {
    int calls;
    double seen[8];
    double factor; /* the replacement; 0: none */
} notes;

static int note(ct_tensor *gradient, ct_tensor **replacement, void *context)
{
    notes *n = context;
    n->seen[n->calls++ % 8] = ct_item(ct_sum(gradient, CT_ALL, false));
    if (n->factor != 0) *replacement = ct_mul(gradient, ct_scalar(n->factor));
    return 0;
}

static void a_hook_sees_the_whole_gradient_once(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        notes leaf = {0}, middle = {0}, unused = {0};
        ct_tensor *x = variable(2), *h = ct_square(x), *aside = ct_exp(x);
        assert_true(ct_add_hook(x, note, &leaf) && ct_add_hook(h, note, &middle) && ct_add_hook(aside, note, &unused));
        assert_true(ct_backward(ct_add(ct_mul(h, h), ct_mul(h, ct_scalar(3))))); /* d/dh = 2 h + 3 */
        assert_int_equal(middle.calls, 1);
        assert_number(middle.seen[0], 11, 0);
        assert_int_equal(leaf.calls, 1);
        assert_number(leaf.seen[0], 44, 0);
        assert_int_equal(unused.calls, 0); /* no gradient went there */
        assert_number(ct_item(ct_grad_of(x)), 44, 0);
    }
    assert_clean();
}

static void hooks_replace_in_the_order_they_were_added(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        notes first = {.factor = 2}, second = {.factor = -1}, third = {0};
        ct_tensor *x = variable(1), *h = ct_mul(x, ct_scalar(5));
        assert_true(ct_add_hook(h, note, &first) && ct_add_hook(h, note, &second) && ct_add_hook(ct_alias(h), note, &third));
        assert_true(ct_backward(ct_mul(h, ct_scalar(7))));
        assert_number(first.seen[0], 7, 0);
        assert_number(second.seen[0], 14, 0);
        assert_number(third.seen[0], -14, 0);
        assert_number(ct_item(ct_grad_of(x)), -70, 0);
    }
    assert_clean();
}

static void hooks_run_in_every_sweep(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        notes n = {.factor = 10};
        ct_tensor *x = variable(2), *h = ct_square(x), *y = ct_exp(h), *inputs[] = {x, h}, *grads[2];
        assert_true(ct_add_hook(h, note, &n));
        assert_true(ct_grad(&y, NULL, 1, inputs, 2, grads, (ct_grad_options){.retain_graph = true}));
        assert_int_equal(n.calls, 1);
        assert_number(ct_item(grads[1]), 10 * exp(4), 1e-12); /* the gradient by h itself is the replaced one */
        assert_number(ct_item(grads[0]), 40 * exp(4), 1e-11);
        assert_true(ct_backward_with(&y, NULL, 1, (ct_grad_options){.retain_graph = true}));
        assert_true(ct_backward(y));
        assert_int_equal(n.calls, 3);
        assert_number(ct_item(ct_grad_of(x)), 80 * exp(4), 1e-11);
    }
    assert_clean();
}

static int squared(ct_tensor *gradient, ct_tensor **replacement, void *context)
{
    (void)context;
    *replacement = ct_square(gradient);
    return 0;
}

/* y = h^3, h = x; the hook squares dy/dh, so that dy/dx = 9 x^4. */
static void what_a_hook_does_can_be_differentiated(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(2), *h = ct_mul(x, ct_scalar(1)), *y = ct_mul(h, ct_square(h));
        assert_true(ct_add_hook(h, squared, NULL));
        ct_tensor *slope = ct_derivative(y, x, (ct_grad_options){.create_graph = true});
        assert_number(ct_item(slope), 144, 1e-12);
        /* The second sweep passes h as well, and the hook squares what it meets there: (d 9 h^4 / dh)^2. */
        assert_number(ct_item(ct_derivative(slope, x, (ct_grad_options){0})), 288 * 288, 1e-8);
        ct_tensor *z = variable(2), *w = ct_mul(z, ct_square(z));
        assert_true(ct_add_hook(w, squared, NULL)); /* on the result: its gradient is 1 */
        assert_number(ct_item(ct_derivative(w, z, (ct_grad_options){.create_graph = true})), 12, 1e-12);
    }
    assert_clean();
}

/* Recorded: the operations of a hook are in the graph of the gradient, with the hook's own line. */
static int hook_line;
static int with_a_line(ct_tensor *gradient, ct_tensor **replacement, void *context)
{
    (void)context;
    hook_line = __LINE__ + 1;
    *replacement = ct_exp(gradient);
    return 0;
}

static void the_operations_of_a_hook_have_its_line(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(1), *y = ct_square(ct_square(x)), *h = ct_square(x);
        assert_true(ct_add_hook(h, with_a_line, NULL));
        y = ct_mul(y, h);
        ct_tensor *slope = ct_derivative(y, x, (ct_grad_options){.create_graph = true});
        ct_graph *g = ct_graph_of(&slope, 1);
        assert_non_null(g);
        int found = 0;
        for (int i = 0; i < g->count; i++) {
            if (strcmp(g->node[i].operation, "exp") != 0) continue;
            found++;
            assert_int_equal(g->node[i].line, hook_line);
        }
        assert_int_equal(found, 1);
        ct_graph_free(g);
    }
    assert_clean();
}

static int sweeps_itself(ct_tensor *gradient, ct_tensor **replacement, void *context)
{
    (void)gradient;
    (void)replacement;
    ct_grad_mode(true);
    ct_tensor *x = variable(3);
    const bool ok = ct_backward(ct_square(x));
    *(double *)context = ct_item(ct_grad_of(x));
    return ok ? 0 : 1;
}

static void a_hook_may_sweep(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        double inner = 0;
        ct_tensor *x = variable(2), *h = ct_square(x);
        assert_true(ct_add_hook(h, sweeps_itself, &inner));
        assert_true(ct_backward(ct_exp(h)));
        assert_number(inner, 6, 0);
        assert_number(ct_item(ct_grad_of(x)), 4 * exp(4), 1e-12);
        assert_true(ct_grad_mode(true));
    }
    assert_clean();
}

/* ---- how they go away ---- */

static void a_hook_is_removed_by_function_and_context(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        notes a = {.factor = 2}, b = {.factor = 3};
        ct_tensor *x = variable(1);
        assert_true(ct_add_hook(x, note, &a) && ct_add_hook(x, note, &b) && ct_add_hook(x, note, &a));
        assert_true(ct_remove_hook(x, note, &a)); /* the first of the two */
        assert_true(ct_backward(ct_alias(x)));
        assert_int_equal(a.calls, 1);
        assert_number(b.seen[0], 1, 0);
        assert_number(a.seen[0], 3, 0); /* the one after b is left */
        assert_true(ct_remove_hook(ct_alias(x), note, &a) && ct_remove_hook(x, note, &b));
        assert_true(ct_backward(ct_alias(x)));
        assert_int_equal(a.calls + b.calls, 2);
        assert_true(ct_add_hook(x, note, &b));
        assert_true(ct_backward(ct_alias(x)));
        assert_int_equal(b.calls, 2);
    }
    assert_clean();
}

typedef struct leaving {
    ct_tensor *t;
    int calls;
    ct_hook other; /* another to be removed too */
    void *other_context;
} leaving;

static int leaves(ct_tensor *gradient, ct_tensor **replacement, void *context)
{
    leaving *l = context;
    (void)gradient;
    (void)replacement;
    l->calls++;
    if (l->other && !ct_remove_hook(l->t, l->other, l->other_context)) return 1;
    return ct_remove_hook(l->t, leaves, l) ? 0 : 1;
}

static void a_hook_may_remove_itself_and_others(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(1), *h = ct_exp(x), *y = ct_exp(h);
        notes before = {0}, after = {0}, last = {0};
        leaving once = {.t = h, .other = note, .other_context = &after};
        assert_true(ct_add_hook(h, note, &before) && ct_add_hook(h, leaves, &once));
        assert_true(ct_add_hook(h, note, &after) && ct_add_hook(h, note, &last));
        for (int i = 0; i < 3; i++) assert_true(ct_backward_with(&y, NULL, 1, (ct_grad_options){.retain_graph = true}));
        assert_int_equal(once.calls, 1);
        assert_int_equal(before.calls, 3);
        assert_int_equal(after.calls, 0); /* removed before its turn */
        assert_int_equal(last.calls, 3);
        assert_false(ct_remove_hook(h, leaves, &once));
        assert_error(CT_ERROR_GRAPH, "ct_remove_hook", "no such hook");
        assert_true(ct_remove_hook(h, note, &last) && ct_remove_hook(h, note, &before));
        assert_true(ct_backward(y));
        assert_int_equal(last.calls, 3);
    }
    assert_clean();
}

static int adds_another(ct_tensor *gradient, ct_tensor **replacement, void *context)
{
    leaving *l = context;
    (void)gradient;
    (void)replacement;
    return l->calls++ || ct_add_hook(l->t, l->other, l->other_context) ? 0 : 1;
}

static void a_hook_added_by_a_hook_runs_after_it(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(1), *h = ct_exp(x);
        notes n = {0};
        leaving adding = {.t = h, .other = note, .other_context = &n};
        assert_true(ct_add_hook(h, adds_another, &adding));
        assert_true(ct_backward(ct_exp(h)));
        assert_int_equal(n.calls, 1);
    }
    assert_clean();
}

static void removing_what_is_not_there_fails(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(1), *constant = ct_ones(ct_shape(2), CT_F32);
        int context;
        assert_true(ct_add_hook(x, squared, NULL));
        assert_false(ct_remove_hook(x, squared, &context));
        assert_error(CT_ERROR_GRAPH, "ct_remove_hook", "t, f64 [], has no such hook with this context");
        assert_false(ct_remove_hook(constant, squared, NULL));
        assert_error(CT_ERROR_GRAPH, "ct_remove_hook", "t, f32 [2], has no such hook");
        assert_false(ct_remove_hook(NULL, squared, NULL));
        assert_error(CT_ERROR_NULL, "ct_remove_hook", "`t` is NULL");
        assert_false(ct_remove_hook(x, NULL, NULL));
        assert_error(CT_ERROR_NULL, "ct_remove_hook", "`hook` is NULL");
        assert_false(ct_add_hook(constant, squared, NULL));
        assert_error(CT_ERROR_GRAPH, "ct_add_hook", "does not need a gradient");
        assert_false(ct_add_hook(x, NULL, NULL));
        assert_error(CT_ERROR_NULL, "ct_add_hook", "`hook` is NULL");
    }
    assert_clean();
}

/* ---- a rule may write over its gradient where nobody sees it ---- */

static int keep_it(ct_tensor *gradient, ct_tensor **replacement, void *context)
{
    (void)replacement;
    *(ct_tensor **)context = ct_keep(ct_alias(gradient));
    return 0;
}

/* What reaches h = relu(x w + b), half of which is 0, is all of c: as a hook, a target and a caller see it. */
static void gradients_that_are_seen_stay(void **state)
{
    ct_tensor *(*const layers[])(ct_tensor *, ct_tensor *, ct_tensor *) = {ct_affine_relu, ct_affine_tanh, ct_affine_sigmoid};
    ct_tensor *(*const activations[])(ct_tensor *) = {ct_relu, ct_tanh, ct_sigmoid};
    (void)state;
    for (int k = 0; k < 6; k++) { /* in one operation, and in two */
        CT_SCOPE;
        ct_tensor *x = ct_normal(ct_shape(6, 5), 0, 1, CT_F64), *b = ct_normal(ct_shape(4), 0, 1, CT_F64), *kept = NULL;
        ct_tensor *w = ct_requires_grad(ct_normal(ct_shape(5, 4), 0, 1, CT_F64), true);
        ct_tensor *c = ct_normal(ct_shape(6, 4), 0, 1, CT_F64), *seed = ct_clone(c);
        ct_tensor *expected = ct_derivative(ct_sum(ct_mul(activations[k % 3](ct_affine(x, w, b)), c), CT_ALL, false), w,
                                            (ct_grad_options){0});
        for (int way = 0; way < 4; way++) {
            ct_tensor *h = k < 3 ? layers[k](x, w, b) : activations[k - 3](ct_affine(x, w, b));
            ct_tensor *y = way == 2 ? h : ct_sum(ct_mul(h, c), CT_ALL, false);
            ct_tensor *g[2], *towards[] = {w, h};
            if (way == 1) assert_true(ct_add_hook(h, keep_it, &kept));
            assert_true(ct_grad(&y, way == 2 ? &seed : NULL, 1, towards, way == 3 ? 2 : 1, g, (ct_grad_options){0}));
            for (int i = 0; i < 20; i++)
                assert_number(ct_get(g[0], ct_index(i / 4, i % 4)), ct_get(expected, ct_index(i / 4, i % 4)), 1e-14);
            if (way == 3) assert_true(ct_equal(g[1], c));
        }
        assert_true(ct_equal(kept, c) && ct_equal(seed, c));
        ct_free(kept);
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives_stop_in_every_mode),
        cmocka_unit_test(what_is_stopped_is_a_constant_in_higher_orders),
        cmocka_unit_test(a_stopped_tensor_shares_the_values),
        cmocka_unit_test(a_hook_sees_the_whole_gradient_once),
        cmocka_unit_test(hooks_replace_in_the_order_they_were_added),
        cmocka_unit_test(hooks_run_in_every_sweep),
        cmocka_unit_test(what_a_hook_does_can_be_differentiated),
        cmocka_unit_test(the_operations_of_a_hook_have_its_line),
        cmocka_unit_test(a_hook_may_sweep),
        cmocka_unit_test(a_hook_is_removed_by_function_and_context),
        cmocka_unit_test(a_hook_may_remove_itself_and_others),
        cmocka_unit_test(a_hook_added_by_a_hook_runs_after_it),
        cmocka_unit_test(removing_what_is_not_there_fails),
        cmocka_unit_test(gradients_that_are_seen_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
