/*
 * test_modes.c - forward mode, its levels, how forward and reverse mode nest in each other, and Jacobians by both.
 */
#include "support.h"

/* ---- forward mode ---- */

static int square_times(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_mul(ct_square(in[0]), in[1]);
    return 0;
}

static void jvp_pushes_tangents(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x[] = {ct_of(ct_shape(), CT_F64, 3), ct_of(ct_shape(), CT_F64, 5)};
        ct_tensor *d[] = {ct_of(ct_shape(), CT_F64, 1), ct_of(ct_shape(), CT_F64, 10)}, *y, *dy;
        assert_true(ct_jvp(square_times, NULL, x, d, 2, &y, &dy, 1));
        assert_number(ct_item(y), 45, 0);
        assert_number(ct_item(dy), 2 * 3 * 5 + 9 * 10, 0);
        assert_true(ct_jvp(square_times, NULL, x, (ct_tensor *[]){NULL, d[1]}, 2, NULL, &dy, 1));
        assert_number(ct_item(dy), 90, 0);
    }
    assert_clean();
}

/* d/dx [x * d/dy (x + y)] at any place is 1: a tangent of the outer level must not be taken for one of the inner (Siskind and
 * Pearlmutter 2005). */
static int inner_sum(void *context, ct_tensor *const *in, ct_tensor **out)
{
    out[0] = ct_add(context, in[0]);
    return 0;
}
static int outer_product(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *y = ct_of(ct_shape(), CT_F64, 1), *one = ct_of(ct_shape(), CT_F64, 1), *dy;
    (void)context;
    if (!ct_jvp(inner_sum, in[0], &y, &one, 1, NULL, &dy, 1)) return 1;
    out[0] = ct_mul(in[0], dy);
    return 0;
}

static void levels_are_not_confused(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_of(ct_shape(), CT_F64, 1), *one = ct_of(ct_shape(), CT_F64, 1), *y, *dy;
        assert_true(ct_jvp(outer_product, NULL, &x, &one, 1, &y, &dy, 1));
        assert_number(ct_item(y), 1, 0);
        assert_number(ct_item(dy), 1, 0);
    }
    assert_clean();
}

/* The same where the inner function's own argument is the outer one's: d/dx [d/dt (x t) at t = x] = d/dx x = 1. */
static int inner_product(void *context, ct_tensor *const *in, ct_tensor **out)
{
    out[0] = ct_mul(context, in[0]);
    return 0;
}
static int derivative_at_itself(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *one = ct_of(ct_shape(), CT_F64, 1), *x = in[0];
    (void)context;
    return ct_jvp(inner_product, x, &x, &one, 1, NULL, out, 1) ? 0 : 1;
}

static void a_captured_variable_is_constant_inside(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_of(ct_shape(), CT_F64, 4), *one = ct_of(ct_shape(), CT_F64, 1), *y, *dy;
        assert_true(ct_jvp(derivative_at_itself, NULL, &x, &one, 1, &y, &dy, 1));
        assert_number(ct_item(y), 4, 0);
        assert_number(ct_item(dy), 1, 0);
    }
    assert_clean();
}

static int cube(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_mul(in[0], ct_square(in[0]));
    return 0;
}
static int derivative_of_cube(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *one = ct_ones(ct_shape(), CT_F64);
    (void)context;
    return ct_jvp(cube, NULL, in, &one, 1, NULL, out, 1) ? 0 : 1;
}
static int gradient_of_cube(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *one = ct_ones(ct_shape(), CT_F64);
    (void)context;
    return ct_vjp(cube, NULL, in, 1, &one, NULL, 1, out) ? 0 : 1;
}

static void modes_nest_in_every_order(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_of(ct_shape(), CT_F64, 2), *one = ct_ones(ct_shape(), CT_F64), *d;
        const ct_function inner[] = {derivative_of_cube, gradient_of_cube};
        for (int i = 0; i < 2; i++) {
            assert_true(ct_jvp(inner[i], NULL, &x, &one, 1, NULL, &d, 1));
            assert_number(ct_item(d), 12, 0); /* 6 x */
            assert_true(ct_vjp(inner[i], NULL, &x, 1, &one, NULL, 1, &d));
            assert_number(ct_item(d), 12, 0);
            assert_false(ct_needs_grad(d));
        }
        ct_tensor *v = variable(2); /* and through a backward outside */
        assert_true(ct_jvp(derivative_of_cube, NULL, &v, &one, 1, NULL, &d, 1));
        assert_true(ct_backward(d));
        assert_number(ct_item(ct_grad_of(v)), 6, 0);
    }
    assert_clean();
}

static int returns_three(void *context, ct_tensor *const *in, ct_tensor **out) { return (void)context, (void)in, (void)out, 3; }
static int sets_nothing(void *context, ct_tensor *const *in, ct_tensor **out) { return (void)context, (void)in, (void)out, 0; }

static void functions_that_fail_are_named(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_ones(ct_shape(2), CT_F64), *t = ct_ones(ct_shape(3), CT_F64), *d;
        assert_false(ct_jvp(returns_three, NULL, &x, &x, 1, NULL, &d, 1));
        assert_error(CT_ERROR_USER, "ct_jvp", "returned 3");
        assert_false(ct_jvp(sets_nothing, NULL, &x, &x, 1, NULL, &d, 1));
        assert_error(CT_ERROR_NULL, "ct_jvp", "output 1 unset");
        assert_false(ct_jvp(cube, NULL, &x, &t, 1, NULL, &d, 1));
        assert_error(CT_ERROR_SHAPE, "ct_jvp", "tangent 1 is f64 [3], its input is f64 [2]");
        assert_false(ct_vjp(returns_three, NULL, &x, 1, &x, NULL, 1, &d));
        assert_error(CT_ERROR_USER, "ct_vjp", "returned 3");
    }
    assert_clean();
}

/* ---- Jacobians ---- */

static int softly(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_softmax(in[0], -1);
    return 0;
}
static int repeat(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_mul(ct_unsqueeze(in[0], 1), ct_of(ct_shape(3), CT_F64, 1, 2, 3)); /* [2] -> [2, 3] */
    return 0;
}

static void jacobians_agree_in_both_modes(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_of(ct_shape(3), CT_F64, 0.1, -0.4, 0.7);
        ct_tensor *s = ct_softmax(x, -1), *expected = ct_sub(ct_diag(s), ct_mul(ct_unsqueeze(s, 1), ct_unsqueeze(s, 0)));
        assert_true(ct_allclose(ct_jacobian(softly, NULL, x, CT_MODE_REVERSE), expected, 0, 1e-15));
        assert_true(ct_allclose(ct_jacobian(softly, NULL, x, CT_MODE_FORWARD), expected, 0, 1e-15));
        ct_tensor *w = ct_of(ct_shape(2), CT_F64, 5, 6), *j = ct_jacobian(repeat, NULL, w, CT_MODE_AUTO);
        assert_int_equal(ct_rank(j), 3);
        assert_number(ct_get(j, ct_index(1, 2, 1)), 3, 0);
        assert_number(ct_get(j, ct_index(1, 2, 0)), 0, 0);
        assert_true(ct_equal(j, ct_jacobian(repeat, NULL, w, CT_MODE_REVERSE)));
    }
    assert_clean();
}

static void a_jacobian_can_be_differentiated(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        for (int mode = CT_MODE_REVERSE; mode <= CT_MODE_FORWARD; mode++) {
            ct_tensor *x = ct_requires_grad(ct_of(ct_shape(2), CT_F64, 2, 3), true);
            ct_tensor *j = ct_jacobian(cube, NULL, x, (ct_mode)mode); /* diag(3 x^2) */
            assert_true(ct_backward(ct_sum(j, CT_ALL, false)));
            assert_number(ct_get(ct_grad_of(x), ct_index(0)), 12, 0);
            assert_number(ct_get(ct_grad_of(x), ct_index(1)), 18, 0);
        }
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jvp_pushes_tangents),
        cmocka_unit_test(levels_are_not_confused),
        cmocka_unit_test(a_captured_variable_is_constant_inside),
        cmocka_unit_test(modes_nest_in_every_order),
        cmocka_unit_test(functions_that_fail_are_named),
        cmocka_unit_test(jacobians_agree_in_both_modes),
        cmocka_unit_test(a_jacobian_can_be_differentiated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
