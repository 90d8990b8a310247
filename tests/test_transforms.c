/*
 * test_transforms.c - transforms of functions: linear maps, Jacobians, Hessians, Taylor derivatives, values with gradients.
 *
 * Each against closed forms, and what they promise beside the values: how often the function is called, how many operations run,
 * and what is connected to the graph. Nesting in each other is in test_transforms_mixed.c, errors are in test_transforms_errors.c.
 */
#include "support.h"

static ct_tensor *tracked(ct_tensor *t) { return ct_requires_grad(t, true); }
static ct_tensor *vector(double a, double b, double c) { return ct_of(ct_shape(3), CT_F64, a, b, c); }

/* ---- functions ---- */

/* A function that counts its calls, with a matrix. */
typedef struct counted {
    int calls;
    ct_tensor *a;
} counted;

/* tanh(A x) */
static int layer(void *context, ct_tensor *const *in, ct_tensor **out)
{
    counted *c = context;
    c->calls++;
    out[0] = ct_tanh(ct_matmul(c->a, in[0]));
    return 0;
}

/* (x, w, k) -> (x * w, sum of x_k) with an index k */
static int two_results(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_mul(in[0], in[1]);
    out[1] = ct_sum(ct_index_select(in[0], 0, in[2]), CT_ALL, false);
    return 0;
}

static int squares(void *context, ct_tensor *const *in, ct_tensor **out) { return (void)context, out[0] = ct_square(in[0]), 0; }
static int itself(void *context, ct_tensor *const *in, ct_tensor **out) { return (void)context, out[0] = in[0], 0; }
static int constant(void *context, ct_tensor *const *in, ct_tensor **out) { return (void)in, out[0] = context, 0; }

/* the sum of squares */
static int total(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_sum(ct_square(in[0]), CT_ALL, false);
    return 0;
}

/* ---- linear maps ---- */

static void a_linear_map_agrees_with_jvp_and_vjp(void **state)
{
    (void)state;
    for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
        CT_SCOPE;
        const double bound = dtype == CT_F32 ? 1e-6 : 1e-14;
        counted c = {.a = ct_uniform(ct_shape(4, 3), -1, 1, (ct_dtype)dtype)};
        ct_tensor *x = ct_uniform(ct_shape(3), -1, 1, (ct_dtype)dtype), *y, *z, *dy, *dz, *dx, *back;
        ct_linear_map *map = ct_linearize(layer, &c, &x, 1, &y, 1);
        assert_non_null(map);
        assert_false(ct_needs_grad(y));
        for (int k = 0; k < 3; k++) {
            ct_tensor *v = ct_uniform(ct_shape(3), -1, 1, (ct_dtype)dtype), *u = ct_uniform(ct_shape(4), -1, 1, (ct_dtype)dtype);
            assert_true(ct_linear_apply(map, &v, &dy));
            assert_true(ct_linear_transpose(map, &u, &dx));
            assert_int_equal(c.calls, 1);
            assert_true(ct_jvp(layer, &c, &x, &v, 1, &z, &dz, 1));
            assert_true(ct_equal(y, z));
            assert_true(ct_allclose(dy, dz, 0, bound));
            assert_true(ct_vjp(layer, &c, &x, 1, &u, NULL, 1, &back));
            assert_true(ct_allclose(dx, back, 0, bound));
            assert_int_equal(ct_dtype_of(dy), dtype);
            c.calls = 1;
        }
        ct_linear_free(map);
    }
    assert_clean();
}

static void a_linear_map_outlives_scopes(void **state)
{
    (void)state;
    ct_linear_map *map;
    {
        CT_SCOPE;
        counted c = {.a = ct_of(ct_shape(2, 2), CT_F64, 1, 2, 3, 4)};
        ct_tensor *x = ct_zeros(ct_shape(2), CT_F64);
        map = ct_linearize(layer, &c, &x, 1, NULL, 1);
    }
    for (int i = 0; i < 3; i++) {
        CT_SCOPE;
        ct_tensor *v = ct_of(ct_shape(2), CT_F64, 1, 10), *dy, *dx;
        assert_true(ct_linear_apply(map, &v, &dy)); /* tanh'(0) = 1: A v */
        assert_number(ct_get(dy, ct_index(0)), 21, 0);
        assert_number(ct_get(dy, ct_index(1)), 43, 0);
        assert_true(ct_linear_transpose(map, &v, &dx));
        assert_number(ct_get(dx, ct_index(0)), 31, 0);
        assert_number(ct_get(dx, ct_index(1)), 42, 0);
    }
    { /* and without any scope, the results are the caller's */
        ct_tensor *v = ct_of(ct_shape(2), CT_F64, 1, 10), *dy = NULL;
        assert_true(ct_linear_apply(map, &v, &dy));
        ct_free(dy);
        ct_free(v);
    }
    ct_linear_free(map);
    ct_linear_free(NULL);
    assert_clean();
}

static void a_linear_map_of_several_inputs_and_results(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *in[] = {vector(1, 2, 3), vector(4, 5, 6), ct_of(ct_shape(2), CT_I64, 0, 2)}, *out[2], *d[3];
        ct_linear_map *map = ct_linearize(two_results, NULL, in, 3, out, 2);
        assert_number(ct_item(out[1]), 4, 0);
        assert_true(ct_linear_apply(map, (ct_tensor *[]){vector(1, 10, 100), NULL, NULL}, d));
        assert_number(ct_get(d[0], ct_index(2)), 600, 0);
        assert_number(ct_item(d[1]), 101, 0);
        assert_true(ct_linear_apply(map, (ct_tensor *[]){NULL, vector(1, 1, 1), NULL}, d));
        assert_number(ct_get(d[0], ct_index(1)), 2, 0);
        assert_number(ct_item(d[1]), 0, 0);
        assert_true(ct_linear_apply(map, (ct_tensor *[]){NULL, NULL, NULL}, d));
        assert_number(ct_item(ct_sum(d[0], CT_ALL, false)), 0, 0);
        assert_true(ct_linear_transpose(map, (ct_tensor *[]){vector(1, 1, 1), ct_of(ct_shape(), CT_F64, 7)}, d));
        assert_number(ct_get(d[0], ct_index(0)), 4 + 7, 0);
        assert_number(ct_get(d[0], ct_index(1)), 5, 0);
        assert_number(ct_get(d[1], ct_index(2)), 3, 0);
        assert_int_equal(ct_dtype_of(d[2]), CT_I64); /* no derivative: zeros */
        ct_linear_free(map);
    }
    assert_clean();
}

/* Results of a stack are the stacked results, whatever its leading axes are. */
static void stacks_of_tangents_go_together(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *in[] = {vector(1, 2, 3), vector(4, 5, 6), ct_of(ct_shape(2), CT_I64, 0, 2)}, *d[3], *one[3], *few[2];
        ct_linear_map *map = ct_linearize(two_results, NULL, in, 3, NULL, 2);
        ct_tensor *v = ct_uniform(ct_shape(2, 4, 3), -1, 1, CT_F64), *w = ct_uniform(ct_shape(2, 4, 3), -1, 1, CT_F64);
        assert_true(ct_linear_apply(map, (ct_tensor *[]){v, w, NULL}, d));
        assert_int_equal(ct_rank(d[0]), 3);
        assert_int_equal(ct_rank(d[1]), 2);
        for (int i = 0; i < 8; i++) {
            ct_tensor *t[] = {ct_select(ct_select(v, 0, i / 4), 0, i % 4), ct_select(ct_select(w, 0, i / 4), 0, i % 4), NULL};
            assert_true(ct_linear_apply(map, t, one));
            assert_true(ct_allclose(one[0], ct_select(ct_select(d[0], 0, i / 4), 0, i % 4), 0, 1e-15));
            assert_number(ct_item(one[1]), ct_get(d[1], ct_index(i / 4, i % 4)), 1e-15);
        }
        ct_tensor *u[] = {v, ct_uniform(ct_shape(2, 4), -1, 1, CT_F64)};
        assert_true(ct_linear_transpose(map, u, d));
        assert_int_equal(ct_rank(d[0]), 3);
        ct_tensor *t[] = {ct_select(ct_select(v, 0, 1), 0, 2), ct_select(ct_select(u[1], 0, 1), 0, 2)};
        assert_true(ct_linear_transpose(map, t, one));
        assert_true(ct_allclose(one[0], ct_select(ct_select(d[0], 0, 1), 0, 2), 0, 1e-15));
        ct_tensor *none = ct_zeros(ct_shape(0, 3), CT_F64); /* an empty stack */
        assert_true(ct_linear_apply(map, (ct_tensor *[]){none, NULL, NULL}, few));
        assert_int_equal(ct_dim(few[0], 0), 0);
        assert_int_equal(ct_rank(few[1]), 1);
        ct_linear_free(map);
    }
    assert_clean();
}

static int through_eight_axes(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    ct_tensor *wide = ct_reshape(in[0], ct_shape(1, 2, 1, 1, 1, 1, 1, 2));
    out[0] = ct_sum(ct_mul(ct_exp(wide), wide), ct_axes(0, 2, 3, 4, 5, 6, 7), false);
    return 0;
}

/* Where a value on the way has eight axes, a stack is taken apart. */
static void stacks_are_taken_apart_where_there_is_no_axis_for_them(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_of(ct_shape(4), CT_F64, 0.1, 0.2, 0.3, 0.4);
        for (int mode = CT_MODE_REVERSE; mode <= CT_MODE_FORWARD; mode++) {
            ct_tensor *j = ct_jacobian(through_eight_axes, NULL, x, (ct_mode)mode);
            for (int i = 0; i < 8; i++) {
                const double t = 0.1 * (i % 4 + 1);
                assert_number(ct_get(j, ct_index(i / 4, i % 4)), i / 4 == i % 4 / 2 ? exp(t) * (1 + t) : 0, 1e-15);
            }
        }
    }
    assert_clean();
}

static void products_with_a_linear_map_can_be_differentiated(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = tracked(vector(1, 2, 3)), *v = tracked(vector(1, 10, 100)), *y, *dy, *dx;
        ct_linear_map *map = ct_linearize(squares, NULL, &x, 1, &y, 1);
        assert_true(ct_needs_grad(y));
        assert_true(ct_linear_apply(map, &v, &dy)); /* 2 x v */
        assert_true(ct_backward(ct_sum(dy, CT_ALL, false)));
        assert_number(ct_get(ct_grad_of(x), ct_index(2)), 200, 0);
        assert_number(ct_get(ct_grad_of(v), ct_index(2)), 6, 0);
        assert_true(ct_zero_grad(x));
        assert_true(ct_linear_transpose(map, &v, &dx));
        assert_true(ct_backward_with(&dx, NULL, 1, (ct_grad_options){.retain_graph = true}));
        assert_number(ct_get(ct_grad_of(x), ct_index(1)), 20, 0);
        assert_true(ct_backward(ct_sum(y, CT_ALL, false)));
        assert_number(ct_get(ct_grad_of(x), ct_index(1)), 24, 0);
        ct_linear_free(map);
    }
    assert_clean();
}

/* ---- what transforms are connected to ---- */

static void results_are_connected_only_where_something_needs_it(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = vector(1, 2, 3), *one = ct_ones(ct_shape(3), CT_F64), *y, *d;
        assert_true(ct_vjp(squares, NULL, &x, 1, &one, &y, 1, &d));
        assert_false(ct_needs_grad(y) || ct_needs_grad(d));
        assert_false(ct_needs_grad(ct_jacobian(squares, NULL, x, CT_MODE_AUTO)));
        assert_false(ct_needs_grad(ct_hessian(total, NULL, x)));
        assert_int_equal(ct_memory().nodes, 0); /* and no graph is left behind */
        ct_tensor *w = tracked(vector(1, 2, 3));
        assert_true(ct_vjp(squares, NULL, &w, 1, &one, &y, 1, &d));
        assert_true(ct_needs_grad(y) && ct_needs_grad(d));
        CT_NO_GRAD;
        assert_true(ct_vjp(squares, NULL, &w, 1, &one, &y, 1, &d));
        assert_false(ct_needs_grad(y) || ct_needs_grad(d));
        assert_false(ct_needs_grad(ct_hessian(total, NULL, w)));
        assert_number(ct_get(d, ct_index(2)), 6, 0);
    }
    assert_clean();
}

static int reshaped_squares(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_square(ct_reshape(in[0], ct_shape(3, 1)));
    return 0;
}

static void inputs_can_be_changed_in_place_afterwards(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = vector(1, 2, 3), *u = ct_ones(ct_shape(3, 1), CT_F64), *d;
        assert_true(ct_vjp(reshaped_squares, NULL, &x, 1, &u, NULL, 1, &d));
        assert_non_null(ct_jacobian(reshaped_squares, NULL, x, CT_MODE_FORWARD));
        assert_true(ct_fill_(x, 5)); /* a step of Newton's method, for example */
        ct_linear_map *map = ct_linearize(reshaped_squares, NULL, &x, 1, NULL, 1);
        CT_NO_GRAD;
        assert_true(ct_fill_(x, 6));
        assert_false(ct_linear_transpose(map, &u, &d)); /* 2 x of then is gone */
        assert_null(d);
        assert_error(CT_ERROR_GRAPH, "ct_linear_transpose", "changed in place");
        assert_false(ct_linear_apply(map, &x, &d));
        assert_error(CT_ERROR_GRAPH, "ct_linear_apply", "changed in place");
        ct_linear_free(map);
    }
    assert_clean();
}

/* ---- Jacobians ---- */

static void check_jacobian_of_layer(int64_t m, int64_t n, ct_dtype dtype, double bound)
{
    CT_SCOPE;
    counted c = {.a = ct_uniform(ct_shape(m, n), -1, 1, dtype)};
    ct_tensor *x = ct_uniform(ct_shape(n), -1, 1, dtype), *y = ct_tanh(ct_matmul(c.a, x));
    ct_tensor *expected = ct_mul(ct_unsqueeze(ct_sub(ct_scalar(1), ct_square(y)), 1), c.a); /* diag(1 - y^2) A */
    for (int mode = CT_MODE_AUTO; mode <= CT_MODE_FORWARD; mode++) {
        c.calls = 0;
        ct_tensor *j = ct_jacobian(layer, &c, x, (ct_mode)mode);
        assert_true(ct_allclose(j, expected, 0, bound));
        assert_int_equal(c.calls, 1);
    }
}

static void jacobians_call_the_function_once(void **state)
{
    (void)state;
    check_jacobian_of_layer(5, 3, CT_F64, 1e-15);
    check_jacobian_of_layer(3, 5, CT_F64, 1e-15);
    check_jacobian_of_layer(1, 4, CT_F64, 1e-15);
    check_jacobian_of_layer(4, 1, CT_F64, 1e-15);
    check_jacobian_of_layer(3, 5, CT_F32, 1e-6);
    assert_clean();
}

/* Operations that run do not depend on the size: the Jacobian of 100 -> 100 values is one sweep. */
static int64_t operations_of_jacobian(int64_t n, ct_mode mode)
{
    CT_SCOPE;
    counted c = {.a = ct_uniform(ct_shape(n, n), -1, 1, CT_F64)};
    ct_tensor *x = ct_uniform(ct_shape(n), -1, 1, CT_F64);
    const int64_t before = ct_count().operations;
    assert_non_null(ct_jacobian(layer, &c, x, mode));
    return ct_count().operations - before;
}

static void a_jacobian_is_one_sweep(void **state)
{
    (void)state;
    for (int mode = CT_MODE_REVERSE; mode <= CT_MODE_FORWARD; mode++) {
        const int64_t operations = operations_of_jacobian(100, (ct_mode)mode);
        assert_int_equal(operations, operations_of_jacobian(10, (ct_mode)mode));
        assert_true(operations < 30);
    }
    assert_clean();
}

static int windows(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const bool wide = *(bool *)context;
    if (wide) out[0] = ct_mul(ct_unsqueeze(in[0], 1), ct_full(ct_shape(300, 200), 2, CT_F32)); /* [300] -> [300, 200] */
    else out[0] = ct_sum(ct_mul(in[0], ct_scalar(2)), ct_axes(1), false);                      /* [300, 200] -> [300] */
    return 0;
}

/* Stacks of large values are cut; the parts make one Jacobian. */
static void large_jacobians_go_in_chunks(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        CT_SCOPE;
        bool context = wide;
        ct_tensor *x = wide ? ct_ones(ct_shape(300), CT_F32) : ct_ones(ct_shape(300, 200), CT_F32);
        const int64_t before = ct_count().operations;
        ct_tensor *j = ct_jacobian(windows, &context, x, CT_MODE_AUTO); /* units of 60000 elements: 16 at once */
        assert_in_range(ct_count().operations - before, 19, 200);
        assert_number(ct_item(ct_sum(j, CT_ALL, false)), 2.0 * 300 * 200, 0);
        for (int i = 0; i < 300; i += 37) {
            if (wide) assert_number(ct_get(j, ct_index(i, 7, i)), 2, 0);
            else assert_number(ct_get(j, ct_index(i, i, 7)), 2, 0);
        }
    }
    assert_clean();
}

static void jacobians_of_every_rank(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        for (int mode = CT_MODE_AUTO; mode <= CT_MODE_FORWARD; mode++) {
            ct_tensor *scalar = ct_of(ct_shape(), CT_F64, 3), *none = ct_zeros(ct_shape(0, 2), CT_F64), *j;
            j = ct_jacobian(squares, NULL, scalar, (ct_mode)mode);
            assert_int_equal(ct_rank(j), 0);
            assert_number(ct_item(j), 6, 0);
            j = ct_jacobian(squares, NULL, none, (ct_mode)mode);
            assert_int_equal(ct_rank(j), 4);
            assert_int_equal(ct_count_of(j), 0);
            j = ct_jacobian(total, NULL, none, (ct_mode)mode); /* one row of no columns */
            assert_int_equal(ct_rank(j), 2);
            j = ct_jacobian(itself, NULL, vector(1, 2, 3), (ct_mode)mode);
            assert_true(ct_equal(j, ct_eye(3, CT_F64)));
            j = ct_jacobian(constant, vector(1, 2, 3), ct_ones(ct_shape(2), CT_F64), (ct_mode)mode); /* does not depend on x */
            assert_int_equal(ct_dim(j, 0), 3);
            assert_int_equal(ct_dim(j, 1), 2);
            assert_number(ct_item(ct_max(ct_abs(j), CT_ALL, false)), 0, 0);
            j = ct_jacobian(constant, ct_zeros(ct_shape(2), CT_I64), ct_ones(ct_shape(2), CT_F64), (ct_mode)mode);
            assert_int_equal(ct_dtype_of(j), CT_F64); /* integers have no derivative */
            ct_tensor *matrix = ct_of(ct_shape(2, 2), CT_F64, 1, 2, 3, 4);
            j = ct_jacobian(squares, NULL, matrix, (ct_mode)mode);
            assert_int_equal(ct_rank(j), 4);
            assert_number(ct_get(j, ct_index(1, 0, 1, 0)), 6, 0);
            assert_number(ct_get(j, ct_index(1, 0, 0, 1)), 0, 0);
        }
    }
    assert_clean();
}

static int to_single(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_square(ct_cast(in[0], CT_F32));
    return 0;
}

static void a_jacobian_has_the_dtype_of_x(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        for (int mode = CT_MODE_REVERSE; mode <= CT_MODE_FORWARD; mode++) {
            ct_tensor *j = ct_jacobian(to_single, NULL, vector(1, 2, 3), (ct_mode)mode);
            assert_int_equal(ct_dtype_of(j), CT_F64);
            assert_number(ct_get(j, ct_index(2, 2)), 6, 0);
        }
    }
    assert_clean();
}

/* A hook inside the function sees one gradient at a time, not the stack. */
static int hooked(ct_tensor *g, ct_tensor **replacement, void *context)
{
    ++*(int *)context;
    assert_int_equal(ct_rank(g), 1);
    *replacement = ct_mul(g, ct_scalar(10));
    return 0;
}
static int squares_with_a_hook(void *context, ct_tensor *const *in, ct_tensor **out)
{
    out[0] = ct_square(in[0]);
    return ct_add_hook(out[0], hooked, context) ? 0 : 1;
}

static void hooks_see_one_gradient_at_a_time(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        int calls = 0;
        ct_tensor *j = ct_jacobian(squares_with_a_hook, &calls, vector(1, 2, 3), CT_MODE_REVERSE);
        assert_int_equal(calls, 3);
        assert_number(ct_get(j, ct_index(2, 2)), 60, 0);
        assert_number(ct_get(j, ct_index(0, 2)), 0, 0);
    }
    assert_clean();
}

/* ---- values with gradients, Hessians ---- */

/* f(x, y) = x' x + (sum x) (y' y), for x [3], y [2]. */
static int mixed(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_add(ct_sum(ct_square(in[0]), CT_ALL, false),
                    ct_mul(ct_sum(in[0], CT_ALL, false), ct_sum(ct_square(in[1]), CT_ALL, false)));
    return 0;
}

static void value_and_gradient_in_one_call(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *in[] = {vector(1, 2, 3), ct_of(ct_shape(2), CT_F64, 4, 5)}, *value, *g[2];
        assert_true(ct_value_and_grad(mixed, NULL, in, 2, &value, g));
        assert_number(ct_item(value), 14 + 6 * 41, 0);
        assert_number(ct_get(g[0], ct_index(1)), 4 + 41, 0);
        assert_number(ct_get(g[1], ct_index(1)), 6 * 10, 0);
        assert_true(ct_value_and_grad(mixed, NULL, in, 2, NULL, g));
        assert_number(ct_get(g[1], ct_index(0)), 6 * 8, 0);
        assert_false(ct_value_and_grad(squares, NULL, in, 1, &value, g));
        assert_null(value);
        assert_null(g[0]);
        assert_error(CT_ERROR_SHAPE, "ct_value_and_grad", "the function's value is f64 [3]; expected one element");
    }
    assert_clean();
}

static void hessian_vector_products_of_several_inputs(void **state)
{
    (void)state;
    for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
        CT_SCOPE;
        ct_tensor *in[] = {ct_of(ct_shape(3), (ct_dtype)dtype, 1, 2, 3), ct_of(ct_shape(2), (ct_dtype)dtype, 4, 5)}, *g[2], *p[2];
        ct_tensor *v[] = {ct_of(ct_shape(3), (ct_dtype)dtype, 1, 0, 2), ct_of(ct_shape(2), (ct_dtype)dtype, 1, 1)};
        assert_true(ct_hvp(mixed, NULL, in, v, 2, g, p)); /* (2 v + 2 y'w, 2 y sum v + 2 w sum x) */
        assert_number(ct_get(g[0], ct_index(1)), 4 + 41, 0);
        assert_number(ct_get(p[0], ct_index(2)), 4 + 18, 0);
        assert_number(ct_get(p[1], ct_index(1)), 30 + 12, 0);
        assert_true(ct_hvp(mixed, NULL, in, (ct_tensor *[]){NULL, v[1]}, 2, NULL, p));
        assert_number(ct_get(p[0], ct_index(2)), 18, 0);
        assert_number(ct_get(p[1], ct_index(1)), 12, 0);
    }
    assert_clean();
}

/* sum of x' A x: Hessian A + A'. */
static int quadratic(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *flat = ct_reshape(in[0], ct_shape(-1));
    out[0] = ct_matmul(flat, ct_matmul(context, flat));
    return 0;
}

static void hessians_against_closed_forms(void **state)
{
    (void)state;
    for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
        CT_SCOPE;
        ct_tensor *a = ct_uniform(ct_shape(6, 6), -1, 1, (ct_dtype)dtype);
        ct_tensor *x = ct_uniform(ct_shape(2, 3), -1, 1, (ct_dtype)dtype);
        ct_tensor *h = ct_hessian(quadratic, a, x);
        assert_int_equal(ct_rank(h), 4);
        assert_true(ct_allclose(ct_reshape(h, ct_shape(6, 6)), ct_add(a, ct_transpose(a)), 0, dtype == CT_F32 ? 1e-6 : 1e-15));
        assert_number(ct_item(ct_hessian(total, NULL, ct_of(ct_shape(), (ct_dtype)dtype, 5))), 2, 0);
        assert_int_equal(ct_count_of(ct_hessian(total, NULL, ct_zeros(ct_shape(0), (ct_dtype)dtype))), 0);
        assert_int_equal(ct_dtype_of(h), dtype);
    }
    assert_clean();
}

/* ---- Taylor ---- */

static int wave(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_mul(ct_sin(in[0]), ct_exp(in[0]));
    return 0;
}

static void derivatives_along_a_line(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        enum { ORDER = 8 };
        ct_tensor *x = ct_of(ct_shape(2), CT_F64, 0.3, -0.8), *v = ct_of(ct_shape(2), CT_F64, 1, 0.5), *d[ORDER + 1];
        assert_true(ct_taylor(wave, NULL, x, v, ORDER, d));
        for (int k = 0; k <= ORDER; k++) { /* the k-th derivative of e^x sin x is 2^(k/2) e^x sin(x + k pi/4) */
            for (int i = 0; i < 2; i++) {
                const double at = i ? -0.8 : 0.3, scale = i ? pow(0.5, k) : 1;
                assert_number(ct_get(d[k], ct_index(i)), scale * pow(2, k / 2.0) * exp(at) * sin(at + k * atan(1)), 2e-13);
            }
        }
        ct_tensor *zeroth[1];
        assert_true(ct_taylor(itself, NULL, x, v, 0, zeroth));
        assert_true(ct_equal(zeroth[0], x));
        assert_true(ct_taylor(squares, NULL, x, v, 4, d));
        assert_number(ct_get(d[2], ct_index(1)), 0.5, 1e-15); /* 2 v^2 */
        assert_number(ct_get(d[3], ct_index(1)), 0, 0);
        assert_true(ct_taylor(constant, v, x, v, 2, d));
        assert_number(ct_get(d[2], ct_index(0)), 0, 0);
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_linear_map_agrees_with_jvp_and_vjp),
        cmocka_unit_test(a_linear_map_outlives_scopes),
        cmocka_unit_test(a_linear_map_of_several_inputs_and_results),
        cmocka_unit_test(stacks_of_tangents_go_together),
        cmocka_unit_test(stacks_are_taken_apart_where_there_is_no_axis_for_them),
        cmocka_unit_test(products_with_a_linear_map_can_be_differentiated),
        cmocka_unit_test(results_are_connected_only_where_something_needs_it),
        cmocka_unit_test(inputs_can_be_changed_in_place_afterwards),
        cmocka_unit_test(jacobians_call_the_function_once),
        cmocka_unit_test(a_jacobian_is_one_sweep),
        cmocka_unit_test(large_jacobians_go_in_chunks),
        cmocka_unit_test(jacobians_of_every_rank),
        cmocka_unit_test(a_jacobian_has_the_dtype_of_x),
        cmocka_unit_test(hooks_see_one_gradient_at_a_time),
        cmocka_unit_test(value_and_gradient_in_one_call),
        cmocka_unit_test(hessian_vector_products_of_several_inputs),
        cmocka_unit_test(hessians_against_closed_forms),
        cmocka_unit_test(derivatives_along_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
