/*
 * test_straight_through.c - the derivative of what is composed, overridden: straight-through estimators, gradients that are
 * turned round, clipped, or passed on as they are.
 */
#include "support.h"

#include <cotangent/custom.h>

static const ct_grad_options graph = {.create_graph = true};

static ct_tensor *sample(ct_dtype dtype)
{
    double v[12];
    for (int i = 0; i < 12; i++) v[i] = 0.3 * i - 1.7 + 0.01 * i * i;
    return ct_requires_grad(ct_from_values(v, 12, ct_shape(3, 4), dtype), true);
}
static ct_tensor *total(ct_tensor *x) { return ct_sum(x, CT_ALL, false); }

static void rounding_with_the_gradient_of_its_input(void **state)
{
    (void)state;
    for (ct_dtype dtype = CT_F32; dtype <= CT_F64; dtype++) {
        CT_SCOPE;
        ct_tensor *x = sample(dtype), *y = ct_straight_through(ct_round(x), x);
        assert_true(ct_equal(y, ct_round(x)));
        ct_tensor *g = ct_derivative(total(ct_square(y)), x, graph);
        assert_true(ct_equal(g, ct_mul(ct_scalar(2), ct_round(x))));
        assert_true(ct_equal(ct_derivative(total(g), x, graph), ct_full(ct_shape(3, 4), 2, dtype)));
        ct_tensor *soft = ct_straight_through(ct_step(x), ct_sigmoid(x));
        assert_true(ct_equal(ct_derivative(total(soft), x, graph), ct_derivative(total(ct_sigmoid(x)), x, graph)));
    }
    assert_clean();
}

static int f_rounded(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_straight_through(ct_round(in[0]), ct_square(in[0]));
    return out[0] ? 0 : 1;
}

static void straight_through_in_forward_mode_and_its_errors(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_of(ct_shape(3), CT_F64, 0.2, 1.7, -2.6), *twice = ct_diag(ct_mul(ct_scalar(2), x));
        assert_true(ct_equal(ct_jacobian(f_rounded, NULL, x, CT_MODE_FORWARD), twice));
        assert_true(ct_equal(ct_jacobian(f_rounded, NULL, x, CT_MODE_REVERSE), twice));
        assert_null(ct_straight_through(x, ct_ones(ct_shape(2), CT_F64)));
        assert_error(CT_ERROR_SHAPE, "ct_straight_through", "value is f64 [3] and surrogate is f64 [2]");
        assert_null(ct_straight_through(x, ct_ones(ct_shape(3), CT_F32)));
        assert_error(CT_ERROR_DTYPE, "ct_straight_through", "expected the same shape and dtype");
        assert_null(ct_straight_through(x, NULL));
        assert_error(CT_ERROR_NULL, "ct_straight_through", "surrogate");
    }
    assert_clean();
}

/* y = x; the gradient is turned round (Ganin et al. 2016), or held between two bounds. */
static int same_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    (void)saved;
    out[0] = c->in[0]; /* an input may be handed over */
    return 0;
}
static int reversal_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    dx[0] = ct_mul(ct_scalar(-*(const double *)c->params), dy[0]);
    return 0;
}
static int clipping_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    const double bound = *(const double *)c->params;
    dx[0] = ct_clamp(dy[0], -bound, bound);
    return 0;
}
static int passing_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    (void)c;
    dx[0] = dy[0]; /* and so may a cotangent */
    return 0;
}
static ct_tensor *with_gradient(const char *name, ct_operation_vjp rule, ct_tensor *x, double p)
{
    const ct_operation o = {.name = name,
                            .inputs = "x",
                            .parameters = "double p",
                            .params = sizeof p,
                            .stacks = true,
                            .forward = same_forward,
                            .vjp = rule};
    return ct_apply(ct_register(&o), &x, 1, &p);
}

static void gradients_are_reversed_clipped_and_passed(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_of(ct_shape(3), CT_F32, 1, 2, 3), true);
        ct_tensor *y = with_gradient("my_reversal", reversal_vjp, x, 0.5);
        assert_true(ct_equal(y, x) && ct_needs_grad(y));
        assert_true(ct_equal(ct_derivative(total(ct_square(y)), x, graph), ct_of(ct_shape(3), CT_F32, -1, -2, -3)));
        y = with_gradient("my_clipping", clipping_vjp, x, 3);
        assert_true(ct_equal(ct_derivative(total(ct_square(y)), x, graph), ct_of(ct_shape(3), CT_F32, 2, 3, 3)));
        y = with_gradient("my_passing", passing_vjp, x, 1);
        assert_true(ct_equal(ct_derivative(total(ct_square(y)), x, graph), ct_of(ct_shape(3), CT_F32, 2, 4, 6)));
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounding_with_the_gradient_of_its_input),
        cmocka_unit_test(straight_through_in_forward_mode_and_its_errors),
        cmocka_unit_test(gradients_are_reversed_clipped_and_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
