/*
 * test_statistics.c - var, std, norm, logsumexp, softmax and whitening: far-out values, special points with their derivatives of
 * higher order, and errors; and that the rules of all reductions take stacks of cotangents and tangents.
 *
 * Derivatives at ordinary points are checked through tests/samples/reduce.def.
 */
#include "values.h"

#include <float.h>

#include "autograd/graph.h"

#define INF ((double)INFINITY)

/* Dtype, shape, and values to a relative error; equal infinities and pairs of NaN are close. */
#define assert_close(actual, expected, rtol)                                                                           \
    do {                                                                                                               \
        ct_tensor *actual_ = (actual), *expected_ = (expected);                                                        \
        if (!ct_allclose(actual_, expected_, rtol, 0)) assert_tensor(actual_, expected_);                              \
    } while (0)
#define assert_item(actual, expected, rtol) assert_close(actual, ct_full(ct_shape(), expected, CT_F64), rtol)

static ct_tensor *leaf(ct_tensor *t) { return ct_requires_grad(ct_detach(t), true); }
static ct_tensor *gradient(ct_tensor *y, ct_tensor *x)
{
    return ct_derivative(ct_sum(y, CT_ALL, false), x, (ct_grad_options){.create_graph = true});
}
/* The gradient by fused kernels, where an operation has one. */
static ct_tensor *fused_gradient(ct_tensor *y, ct_tensor *x)
{
    return ct_derivative(ct_sum(y, CT_ALL, false), x, (ct_grad_options){.retain_graph = true});
}

/* ---- norm, var, std ----------------------------------------------------------------------------------- */

static void norm_without_overflow(void **state)
{
    (void)state;
    const double root = sqrt(2);
    assert_item(ct_norm(ct_of(ct_shape(2), CT_F64, 1e200, 1e200), CT_ALL, false), 1e200 * root, 1e-15);
    assert_item(ct_norm(ct_of(ct_shape(2), CT_F64, 1e-200, 1e-200), CT_ALL, false), 1e-200 * root, 1e-15);
    assert_item(ct_norm(ct_of(ct_shape(3), CT_F64, 3e-320, 0, 4e-320), CT_ALL, false), 5e-320, 1e-3);
    assert_item(ct_norm(ct_of(ct_shape(2), CT_F64, DBL_MAX / 2, DBL_MAX / 2), CT_ALL, false), DBL_MAX / 2 * root, 1e-15);
    assert_item(ct_norm(ct_of(ct_shape(2), CT_F64, DBL_MAX, DBL_MAX), CT_ALL, false), INF, 0);
    assert_item(ct_norm(ct_of(ct_shape(3), CT_F64, 1e200, 1, 1e-200), CT_ALL, false), 1e200, 1e-15);
    assert_close(ct_norm(ct_of(ct_shape(2), CT_F32, 3e30, 4e30), CT_ALL, false), ct_full(ct_shape(), 5e30, CT_F32), 1e-7);
    assert_close(ct_norm(ct_of(ct_shape(2), CT_F32, 3e-30, 4e-30), CT_ALL, false), ct_full(ct_shape(), 5e-30, CT_F32), 1e-7);
    /* all scales at once, by columns */
    ct_tensor *x = ct_of(ct_shape(2, 6), CT_F64, 3e200, 3e-200, 3, 0, -INF, NAN, 4e200, 4e-200, 4, 0, 1, 1);
    assert_close(ct_norm(x, ct_axes(0), false), ct_of(ct_shape(6), CT_F64, 5e200, 5e-200, 5, 0, INF, NAN), 1e-15);
    assert_false(signbit(ct_get(ct_norm(ct_zeros(ct_shape(3), CT_F64), CT_ALL, true), ct_index(0))));
}

/* The derivative is x / |x|, and 0 at 0 with all higher ones. */
static void norm_at_zero_and_far_out(void **state)
{
    (void)state;
    ct_tensor *x = leaf(ct_of(ct_shape(4, 2), CT_F64, 3, 4, 0, 0, 3e200, 4e200, 3e-200, -4e-200));
    ct_tensor *g = gradient(ct_norm(x, ct_axes(1), false), x);
    assert_close(g, ct_of(ct_shape(4, 2), CT_F64, 0.6, 0.8, 0, 0, 0.6, 0.8, 0.6, -0.8), 1e-15);
    ct_tensor *zero = leaf(ct_zeros(ct_shape(3), CT_F64)), *first = gradient(ct_norm(zero, CT_ALL, false), zero);
    assert_values(first, ct_shape(3), 0, 0, 0);
    ct_tensor *second = gradient(ct_select(first, 0, 1), zero);
    assert_values(second, ct_shape(3), 0, 0, 0);
    assert_values(gradient(ct_select(second, 0, 1), zero), ct_shape(3), 0, 0, 0);
}

static void variance_of_few(void **state)
{
    (void)state;
    ct_tensor *one = ct_of(ct_shape(1), CT_F64, 5), *two = ct_of(ct_shape(2), CT_F64, 1, 2);
    assert_true(isnan(ct_item(ct_var(one, CT_ALL, 1, false))) && isnan(ct_item(ct_std(one, CT_ALL, 1, false))));
    assert_item(ct_var(one, CT_ALL, 0, false), 0, 0);
    assert_item(ct_var(two, CT_ALL, 2, false), INF, 0);
    assert_item(ct_var(two, CT_ALL, 3, false), INF, 0);
    assert_item(ct_var(two, CT_ALL, 1, false), 0.5, 0);
    assert_item(ct_std(two, CT_ALL, 0, false), 0.5, 0);
    assert_true(isnan(ct_item(ct_var(ct_of(ct_shape(2), CT_F64, INF, 1), CT_ALL, 0, false))));
    assert_true(isnan(ct_item(ct_var(ct_of(ct_shape(2), CT_F64, NAN, 1), CT_ALL, 0, false))));
    ct_tensor *x = leaf(two);
    assert_values(gradient(ct_var(x, CT_ALL, 1, false), x), ct_shape(2), -1, 1);
}

/* 0 where the deviation is, with all higher derivatives. */
static void std_of_equal_elements(void **state)
{
    (void)state;
    ct_tensor *x = leaf(ct_of(ct_shape(2, 3), CT_F64, 7, 7, 7, 1, 2, 3)), *y = ct_std(x, ct_axes(1), 1, false);
    assert_values(y, ct_shape(2), 0, 1);
    ct_tensor *g = gradient(y, x);
    assert_values(g, ct_shape(2, 3), 0, 0, 0, -0.5, 0, 0.5);
    assert_values(ct_select(gradient(ct_select(ct_select(g, 0, 0), 0, 1), x), 0, 0), ct_shape(3), 0, 0, 0);
}

/* ---- logsumexp and softmax ---------------------------------------------------------------------------- */

static void logsumexp_at_the_ends(void **state)
{
    (void)state;
    ct_tensor *x = leaf(ct_of(ct_shape(5, 2), CT_F64, 1e4, 1e4, -INF, -INF, INF, 0, -INF, 2, NAN, 0));
    ct_tensor *y = ct_logsumexp(x, ct_axes(1), false);
    assert_close(y, ct_of(ct_shape(5), CT_F64, 1e4 + log(2), -INF, INF, 2, NAN), 1e-15);
    for (int fused = 0; fused < 2; fused++) {
        ct_tensor *g = fused ? fused_gradient(y, x) : gradient(y, x);
        assert_values(ct_slice(g, 0, 0, 2, 1), ct_shape(2, 2), ct_get(g, ct_index(0, 0)), ct_get(g, ct_index(0, 1)), 0, 0);
        assert_values(ct_select(g, 0, 0), ct_shape(2), 0.5, 0.5); /* not e^(rounding of 1e4) */
        assert_values(ct_select(g, 0, 3), ct_shape(2), 0, 1);
        assert_values(ct_select(g, 0, 2), ct_shape(2), 1, 0);
        assert_true(isnan(ct_get(g, ct_index(4, 1))));
    }
    ct_tensor *low = leaf(ct_full(ct_shape(3), -INF, CT_F32)), *first = gradient(ct_logsumexp(low, CT_ALL, false), low);
    assert_tensor(first, ct_zeros(ct_shape(3), CT_F32));
    assert_tensor(fused_gradient(ct_logsumexp(low, CT_ALL, false), low), ct_zeros(ct_shape(3), CT_F32));
    assert_tensor(gradient(ct_select(first, 0, 1), low), ct_zeros(ct_shape(3), CT_F32));
    /* small terms beside the largest, and ties */
    assert_item(ct_logsumexp(ct_of(ct_shape(2), CT_F64, 0, -100), CT_ALL, false), exp(-100), 1e-14);
    assert_item(ct_logsumexp(ct_zeros(ct_shape(5000), CT_F64), CT_ALL, false), log(5000), 1e-15);
    assert_item(ct_logsumexp(ct_of(ct_shape(3), CT_F64, 800, -800, 800), CT_ALL, false), 800 + log(2), 1e-15);
}

static void softmax_far_out(void **state)
{
    (void)state;
    assert_values(ct_softmax(ct_of(ct_shape(2, 2), CT_F64, 1e4, 0, -1e4, -1e4), 1), ct_shape(2, 2), 1, 0, 0.5, 0.5);
    assert_tensor(ct_softmax(ct_of(ct_shape(3), CT_F32, 1e4, 1e4, -1e38), -1), ct_of(ct_shape(3), CT_F32, 0.5, 0.5, 0));
    assert_values(ct_softmax(ct_of(ct_shape(3), CT_F64, 5, -INF, -INF), 0), ct_shape(3), 1, 0, 0);
    ct_tensor *nan = ct_softmax(ct_of(ct_shape(2, 2), CT_F64, 0, NAN, 0, 0), 1);
    assert_true(isnan(ct_get(nan, ct_index(0, 0))) && isnan(ct_get(nan, ct_index(0, 1))));
    assert_values(ct_select(nan, 0, 1), ct_shape(2), 0.5, 0.5);
    assert_tensor(ct_softmax(ct_of(ct_shape(2), CT_I32, 4, 4), 0), ct_full(ct_shape(2), 0.5, CT_F32));
    ct_tensor *x = leaf(ct_of(ct_shape(2), CT_F64, 1e4, 0));
    assert_values(gradient(ct_select(ct_softmax(x, 0), 0, 0), x), ct_shape(2), 0, 0);
}

static void log_softmax_in_both_tails(void **state)
{
    (void)state;
    ct_tensor *y = ct_log_softmax(ct_of(ct_shape(2), CT_F64, 100, 0), 0);
    assert_close(y, ct_of(ct_shape(2), CT_F64, -exp(-100), -100 - exp(-100)), 1e-14);
    assert_close(ct_log_softmax(ct_of(ct_shape(2), CT_F32, 0, 20), 0), ct_of(ct_shape(2), CT_F32, -20, -2.0611536e-9), 3e-7);
    assert_close(ct_log_softmax(ct_of(ct_shape(3), CT_F64, 1e4, 1e4, -1e4), 0),
                 ct_of(ct_shape(3), CT_F64, -log(2), -log(2), -2e4 - log(2)), 1e-15);
    ct_tensor *masked = ct_of(ct_shape(3), CT_F64, 7, -INF, 7);
    assert_close(ct_log_softmax(masked, 0), ct_of(ct_shape(3), CT_F64, -log(2), -INF, -log(2)), 1e-15);
    ct_tensor *x = leaf(ct_of(ct_shape(3), CT_F64, 100, 0, -INF)), *first = ct_select(ct_log_softmax(x, 0), 0, 0);
    assert_close(gradient(first, x), ct_of(ct_shape(3), CT_F64, 0, -exp(-100), 0), 1e-14);
    assert_close(fused_gradient(first, x), ct_of(ct_shape(3), CT_F64, 0, -exp(-100), 0), 1e-14);
}

/* Rows of every length: grouped short ones, those around the block, long ones; against f64 by formulas. */
static void softmax_rows_of_every_length(void **state)
{
    (void)state;
    ct_seed(5);
    const int64_t most = test_under_valgrind() ? 200 : 5000;
    for (int64_t n = 1; n < most; n = n < 40 ? n + 1 : n * 2 - 27) {
        for (int d = 0; d < 2; d++) {
            CT_SCOPE;
            const double bound = d ? 1e-13 : 3e-6;
            ct_tensor *x = ct_uniform(ct_shape(n > 300 ? 3 : 211, n), -5, 5, d ? CT_F64 : CT_F32), *wide = ct_cast(x, CT_F64);
            ct_tensor *e = ct_exp(wide), *sum = ct_sum(e, ct_axes(1), true);
            assert_true(ct_allclose(ct_cast(ct_softmax(x, 1), CT_F64), ct_div(e, sum), bound, 0));
            assert_true(ct_allclose(ct_cast(ct_log_softmax(x, 1), CT_F64), ct_sub(wide, ct_log(sum)), bound, bound));
            assert_true(ct_allclose(ct_cast(ct_logsumexp(x, ct_axes(1), true), CT_F64), ct_log(sum), bound, bound));
            /* alone, a row has the same bits */
            ct_tensor *row = ct_slice(x, 0, 1, 2, 1);
            assert_tensor(ct_softmax(row, 1), ct_slice(ct_softmax(x, 1), 0, 1, 2, 1));
            assert_tensor(ct_log_softmax(row, 1), ct_slice(ct_log_softmax(x, 1), 0, 1, 2, 1));
            /* along the first axis, through a copy */
            assert_tensor(ct_transpose(ct_softmax(ct_transpose(x), 0)), ct_softmax(x, 1));
        }
    }
}

/* ---- stacks of cotangents and tangents ---------------------------------------------------------------- */

static int stacks_checked;

/* What the rules of y's operation make of three cotangents (tangents) at once is what they make of each. */
static void assert_stackable(ct_tensor *y, ct_tensor *x)
{
    CT_SCOPE;
    CT_NO_GRAD;
    const ct__node *n = ct__node_of(y);
    ct_tensor *in[] = {x, n->n_in == 2 ? n->in[1].kept : NULL}; /* the second is whiten's covariance */
    const ct_call c = {.op = n->op, .in = in, .n_in = n->n_in, .out = &y, .n_out = 1, .params = n->params, .dtype = n->dtype,
                       .in_shapes = ct__node_in_shapes(n)};
    ct_shape gs = ct_shape_get(y), ds = ct_shape_get(x);
    ct_shape *const shapes[] = {&gs, &ds};
    for (int k = 0; k < 2; k++) {
        memmove(shapes[k]->dim + 1, shapes[k]->dim, 7 * sizeof(int64_t));
        shapes[k]->dim[0] = 3;
        shapes[k]->rank++;
    }
    ct_tensor *g = ct_uniform(gs, -1, 1, CT_F64), *dx = ct_uniform(ds, -1, 1, CT_F64), *fused = NULL;
    ct_tensor *back = n->op->vjp[0](&c, &g);
    if (n->op->fused) assert_true(n->op->fused(&c, &g, 1, &fused));
    in[0] = dx;
    ct_tensor *forth = n->op->linear ? ct__apply(n->op, in, n->n_in, n->params) : NULL;
    in[0] = x;
    if (!n->op->linear) forth = n->op->jvp[0](&c, dx);
    assert_true(ct__shape_equal(ct_shape_get(back), ds) && ct__shape_equal(ct_shape_get(forth), gs));
    for (int i = 0; i < 3; i++) {
        ct_tensor *gi = ct_select(g, 0, i), *dxi = ct_select(dx, 0, i);
        ct_tensor *one = n->op->vjp[0](&c, &gi);
        assert_true(ct_allclose(ct_select(back, 0, i), one, 1e-13, 1e-14));
        if (fused) assert_true(ct_allclose(ct_select(fused, 0, i), one, 1e-12, 1e-13));
        in[0] = dxi;
        ct_tensor *one_forth = n->op->linear ? ct__apply(n->op, in, n->n_in, n->params) : NULL;
        in[0] = x;
        if (!n->op->linear) one_forth = n->op->jvp[0](&c, dxi);
        assert_true(ct_allclose(ct_select(forth, 0, i), one_forth, 1e-13, 1e-14));
    }
    stacks_checked++;
}

static void rules_take_stacks(void **state)
{
    (void)state;
    const ct_axes choices[] = {ct_axes(0), ct_axes(1), ct_axes(2), ct_axes(0, 2), ct_axes(1, 2), CT_ALL, ct_axes()};
    ct_seed(6);
    ct_tensor *x = leaf(ct_uniform(ct_shape(2, 3, 4), -2, 2, CT_F64));
    for (size_t k = 0; k < sizeof choices / sizeof choices[0]; k++) {
        for (int keep = 0; keep < 2; keep++) {
            const ct_axes a = choices[k];
            assert_stackable(ct_sum(x, a, keep), x);
            assert_stackable(ct_mean(x, a, keep), x);
            assert_stackable(ct_prod(x, a, keep), x);
            assert_stackable(ct_max(x, a, keep), x);
            assert_stackable(ct_min(x, a, keep), x);
            assert_stackable(ct_norm(x, a, keep), x);
            assert_stackable(ct_logsumexp(x, a, keep), x);
            if (k < 6) assert_stackable(ct_var(x, a, 0.5, keep), x);
            if (k < 6) assert_stackable(ct_std(x, a, 0.5, keep), x);
        }
    }
    for (int axis = 0; axis < 3; axis++) {
        assert_stackable(ct_softmax(x, axis), x);
        assert_stackable(ct_log_softmax(x, axis), x);
        assert_stackable(ct_cumsum(x, axis), x);
    }
    const ct_shape targets[] = {ct_shape(), ct_shape(4), ct_shape(3, 1), ct_shape(1, 4), ct_shape(2, 1, 4), ct_shape(1, 1, 1)};
    for (int k = 0; k < 6; k++) assert_stackable(ct_sum_to(x, targets[k]), x);
    ct_tensor *s = ct_of(ct_shape(4, 4), CT_F64, 5, 1, 0, 1, 1, 4, 1, 0, 0, 1, 6, 2, 1, 0, 2, 7);
    assert_stackable(ct_whiten(x, s), x);
    assert_int_equal(stacks_checked, 7 * 2 * 9 - 4 + 9 + 6 + 1);
}

/* ---- whitening ---------------------------------------------------------------------------------------- */

static void whiten_by_hand(void **state)
{
    (void)state;
    /* L = [[2, 0], [1, 3]], so S = [[4, 2], [2, 10]], det 36 */
    ct_tensor *s = ct_of(ct_shape(2, 2), CT_F64, 4, 2, 2, 10), *x = leaf(ct_of(ct_shape(2, 2), CT_F64, 2, 7, 4, -1));
    ct_tensor *y = ct_whiten(x, s);
    assert_values(y, ct_shape(2, 2), 1, 2, 2, -1);
    assert_true(fabs(ct_log_det(s) - log(36)) < 1e-15);
    /* of |y|^2 / 2 = x' S^-1 x / 2: S^-1 x */
    ct_tensor *g = gradient(ct_mul(ct_sum(ct_square(y), CT_ALL, false), ct_scalar(0.5)), x);
    assert_close(ct_matmul(g, s), x, 1e-15);
    assert_tensor(ct_whiten(ct_cast(ct_detach(x), CT_F32), ct_cast(s, CT_F32)), ct_cast(ct_detach(y), CT_F32));
    assert_tensor(ct_whiten(ct_zeros(ct_shape(0, 2), CT_F64), s), ct_zeros(ct_shape(0, 2), CT_F64));
    assert_true(ct_log_det(ct_eye(5, CT_F32)) == 0);
    assert_true(ct_log_det(ct_zeros(ct_shape(0, 0), CT_F64)) == 0);
    /* transposed and sliced operands */
    assert_tensor(ct_whiten(ct_transpose(ct_contiguous(ct_transpose(ct_detach(x)))), ct_transpose(s)), ct_detach(y));
}

static void whiten_large(void **state)
{
    (void)state;
    const int64_t n = 61;
    ct_seed(7);
    ct_tensor *a = ct_normal(ct_shape(n, n), 0, 1, CT_F64), *s = ct_add(ct_matmul(a, ct_transpose(a)), ct_eye(n, CT_F64));
    ct_tensor *x = ct_normal(ct_shape(300, n), 0, 1, CT_F64), *l = leaf(x), *y = ct_whiten(l, s);
    ct_tensor *g = gradient(ct_mul(ct_sum(ct_square(y), CT_ALL, false), ct_scalar(0.5)), l);
    assert_true(ct_allclose(ct_matmul(g, s), x, 1e-9, 1e-9));
    ct_set_threads(1);
    ct_tensor *one = ct_whiten(x, s);
    ct_set_threads(3);
    assert_tensor(ct_whiten(x, s), one);
    ct_set_threads(0);
}

static void whiten_errors(void **state)
{
    (void)state;
    ct_tensor *x = ct_ones(ct_shape(4, 2), CT_F64), *s = ct_of(ct_shape(2, 2), CT_F64, 1, 2, 2, 1);
    assert_null(ct_whiten(x, s));
    assert_error(CT_ERROR_VALUE, "ct_whiten", "the covariance, f64 [2, 2], is not positive definite: pivot 1 is -3");
    assert_true(isnan(ct_log_det(s)));
    assert_error(CT_ERROR_VALUE, "ct_log_det", "pivot 1 is -3");
    assert_null(ct_whiten(x, ct_of(ct_shape(2, 2), CT_F64, 1, 0.5, 0.25, 1)));
    assert_error(CT_ERROR_VALUE, "ct_whiten", "is not symmetric: [1, 0] is 0.25, [0, 1] is 0.5");
    assert_null(ct_whiten(x, ct_of(ct_shape(2, 2), CT_F64, 1, 0, 0, NAN)));
    assert_error(CT_ERROR_VALUE, "ct_whiten", "pivot 1 is ");
    assert_null(ct_whiten(x, ct_of(ct_shape(2, 2), CT_F64, 1, NAN, NAN, 1)));
    assert_error(CT_ERROR_VALUE, "ct_whiten", "not");
    assert_null(ct_whiten(x, ct_ones(ct_shape(2, 3), CT_F64)));
    assert_error(CT_ERROR_SHAPE, "ct_whiten", "the covariance is f64 [2, 3]; expected a square matrix");
    assert_null(ct_whiten(x, ct_eye(3, CT_F64)));
    assert_error(CT_ERROR_SHAPE, "ct_whiten", "x is f64 [4, 2], the covariance is f64 [3, 3]; expected rows of length 3");
    assert_null(ct_whiten(ct_full(ct_shape(), 1, CT_F64), ct_eye(1, CT_F64)));
    assert_error(CT_ERROR_SHAPE, "ct_whiten", "x is f64 []");
    assert_null(ct_whiten(x, ct_eye(2, CT_F32)));
    assert_error(CT_ERROR_DTYPE, "ct_whiten", "expected the same dtype");
    assert_null(ct_whiten(x, ct_eye(2, CT_I32)));
    assert_error(CT_ERROR_DTYPE, "ct_whiten", "the covariance is i32 [2, 2]; expected f32 or f64");
    assert_true(isnan(ct_log_det(NULL)));
    assert_error(CT_ERROR_NULL, "ct_log_det", "`covariance` is NULL");
    ct_tensor *y = ct_whiten(x, leaf(ct_eye(2, CT_F64)));
    assert_null(y);
    assert_error(CT_ERROR_GRAPH, "ct_whiten", "f64 [2, 2]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(norm_without_overflow),
        value_test(norm_at_zero_and_far_out),
        value_test(variance_of_few),
        value_test(std_of_equal_elements),
        value_test(logsumexp_at_the_ends),
        value_test(softmax_far_out),
        value_test(log_softmax_in_both_tails),
        value_test(softmax_rows_of_every_length),
        value_test(rules_take_stacks),
        value_test(whiten_by_hand),
        value_test(whiten_large),
        value_test(whiten_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
