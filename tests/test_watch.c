/*
 * test_watch.c - the search for NaN and infinity: which operation is named, with which line and element, and what is said of
 * where it came from; in results, on the way back, in forward mode; and that it sees every element of every layout.
 */
#include "support.h"

/* The pending error says all of these, at that line of this file; then it is cleared. */
#define assert_found(operation, line, ...) found(operation, line, (const char *const[]){__VA_ARGS__, NULL}, __LINE__)
static void found(const char *operation, int line, const char *const *parts, int here)
{
    const ct_error_info *error = ct_error();
    if (!error) fail_msg("line %d: nothing was found", here);
    bool ok = error->status == CT_ERROR_VALUE && strcmp(error->operation, operation) == 0 && error->line == line && error->file &&
              strstr(error->file, "test_watch.c");
    for (; *parts; parts++) ok = ok && strstr(error->message, *parts);
    if (!ok) fail_msg("line %d, in the line meant %d: %s", here, line, error->message);
    ct_clear_error();
}

/* ---- results ---- */

static void the_first_operation_is_named(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NAN);
        ct_tensor *x = ct_of(ct_shape(2, 2), CT_F64, 1, 2, -3, 4);
        const int line = __LINE__ + 1;
        ct_tensor *y = ct_log(x);
        assert_null(y);
        assert_null(ct_sum(ct_exp(y), CT_ALL, false));
        assert_found("ct_log", line, "the result, f64 [2, 2], has nan at [1, 0]; its operand has none; operand 1 is -3 there");
    }
    assert_clean();
}

static void nothing_is_looked_for_unless_asked(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_of(ct_shape(1), CT_F32, -1);
        assert_true(isnan(ct_item(ct_log(x))));
        assert_int_equal(ct_detect_anomaly(CT_ANOMALY_NAN), CT_ANOMALY_OFF);
        assert_null(ct_log(x));
        ct_clear_error();
        assert_int_equal(ct_detect_anomaly(CT_ANOMALY_NONFINITE), CT_ANOMALY_NAN);
        assert_int_equal(ct_detect_anomaly(CT_ANOMALY_OFF), CT_ANOMALY_NONFINITE);
        assert_non_null(ct_log(x));
        {
            CT_DETECT_ANOMALY(CT_ANOMALY_NAN);
            assert_null(ct_log(x));
            ct_clear_error();
        }
        assert_non_null(ct_log(x)); /* the block is over */
    }
    assert_clean();
}

static void infinities_count_where_asked(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_of(ct_shape(3), CT_F32, 1, 0, 2);
        ct_detect_anomaly(CT_ANOMALY_NAN);
        assert_non_null(ct_log(x));
        ct_detect_anomaly(CT_ANOMALY_NONFINITE);
        const int line = __LINE__ + 1;
        assert_null(ct_log(x));
        assert_found("ct_log", line, "f32 [3], has -inf at [1]", "operand 1 is 0 there");
        assert_null(ct_exp(ct_full(ct_shape(), 1000, CT_F32)));
        assert_found("ct_exp", line + 2, "the result, f32 [], has inf; ", "operand 1 is 1000 there");
        ct_detect_anomaly(CT_ANOMALY_OFF);
    }
    assert_clean();
}

static void two_infinities_make_a_nan(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NAN);
        ct_tensor *x = ct_full(ct_shape(2), INFINITY, CT_F32);
        const int line = __LINE__ + 1;
        assert_null(ct_sub(x, x));
        assert_found("ct_sub", line, "nan at [0]", "its operands have none", "operand 1 is inf there, operand 2 is inf there");
    }
    assert_clean();
}

static void what_came_from_outside_is_said_to(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NAN);
        ct_tensor *w = ct_requires_grad(ct_ones(ct_shape(3, 2), CT_F32), true);
        const int made = __LINE__ + 1;
        ct_tensor *x = ct_of(ct_shape(2, 3), CT_F32, 1, 2, 3, 4, NAN, 6);
        char origin[40];
        snprintf(origin, sizeof origin, "test_watch.c:%d, has nan at [1, 1]", made);
        const int line = __LINE__ + 1;
        assert_null(ct_matmul(x, w));
        assert_found("ct_matmul", line, "f32 [2, 2], has nan at [1, 0]", "operand 1, f32 [2, 3], made at", origin,
                     "before this operation");
        ct_set_name(w, "weight");
        {
            CT_NO_GRAD;
            assert_true(ct_set(w, ct_index(2, 1), NAN));
        }
        assert_null(ct_matmul(ct_ones(ct_shape(1, 3), CT_F32), w));
        assert_found("ct_matmul", __LINE__ - 1, "nan at [0, 1]", "operand 2, f32 [3, 2] (weight), made at", "has nan at [2, 1]");
    }
    assert_clean();
}

static void what_an_operation_made_before_is_said_to(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = variable(-1), *y = ct_sqrt(x); /* not looked at */
        CT_DETECT_ANOMALY(CT_ANOMALY_NAN);
        assert_null(ct_exp(y));
        assert_found("ct_exp", __LINE__ - 1, "operand 1, f64 [], the result of ct_sqrt at", "has nan: it was there before");
    }
    assert_clean();
}

static void a_nan_that_does_not_reach_the_result_is_none(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NONFINITE);
        ct_tensor *x = ct_of(ct_shape(2), CT_F32, NAN, 1);
        ct_tensor *y = ct_where(ct_isnan(x), ct_zeros(ct_shape(2), CT_F32), x);
        assert_non_null(y);
        assert_number(ct_item(ct_sum(y, CT_ALL, false)), 1, 0);
    }
    assert_clean();
}

/* The attention mask: -inf before a softmax is meant, so NaN alone is looked for. */
static void a_mask_of_infinities_passes_where_only_nan_counts(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NAN);
        ct_tensor *scores = ct_requires_grad(ct_of(ct_shape(2, 2), CT_F32, 1, 2, 3, 4), true);
        ct_tensor *mask = ct_of(ct_shape(2, 2), CT_F32, 0, -INFINITY, 0, 0);
        ct_tensor *y = ct_softmax(ct_add(scores, mask), -1);
        assert_non_null(y);
        assert_true(ct_backward(ct_sum(ct_square(y), CT_ALL, false)));
        assert_number(ct_get(ct_grad_of(scores), ct_index(0, 1)), 0, 0);
        const int line = __LINE__ + 2;
        ct_tensor *all = ct_full(ct_shape(2, 2), -INFINITY, CT_F32); /* but a row of nothing else is a mistake */
        assert_null(ct_softmax(ct_add(scores, all), -1));
        assert_found("ct_softmax", line, "nan at [0, 0]");
    }
    assert_clean();
}

static void integers_and_empty_tensors_have_none(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NONFINITE);
        assert_non_null(ct_add(ct_ones(ct_shape(3), CT_I64), ct_ones(ct_shape(3), CT_I64)));
        assert_non_null(ct_log(ct_zeros(ct_shape(0, 3), CT_F32)));
        assert_non_null(ct_isnan(ct_full(ct_shape(2), NAN, CT_F64)));
    }
    assert_clean();
}

/* ---- every element of every layout ---- */

/* A view that is none of contiguous: transposed, with a step, reversed, repeated. */
static ct_tensor *view(ct_tensor *x /* [6, 5, 4] */, int kind)
{
    switch (kind) {
    case 0: return ct_alias(x);
    case 1: return ct_permute(x, ct_axes(2, 0, 1));
    case 2: return ct_slice(x, 1, 0, 5, 2);
    case 3: return ct_flip(x, ct_axes(0, 2));
    case 4: return ct_expand(ct_unsqueeze(x, 1), ct_shape(6, 3, 5, 4));
    case 5: return ct_transpose(ct_slice(x, 2, 1, 4, 1));
    default: return ct_select(x, 2, 1);
    }
}

static void every_element_is_seen(void **state)
{
    (void)state;
    for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
        for (int kind = 0; kind < 7; kind++) {
            CT_SCOPE;
            ct_tensor *x = ct_ones(ct_shape(6, 5, 4), (ct_dtype)dtype), *v = view(x, kind);
            for (int64_t i = 0; i < 120; i++) {
                CT_SCOPE;
                const ct_index at = ct_index(i / 20, i / 4 % 5, i % 4);
                assert_true(ct_set(x, at, NAN));
                const bool visible = isnan(ct_item(ct_sum(v, CT_ALL, false)));
                ct_detect_anomaly(CT_ANOMALY_NAN);
                ct_tensor *y = ct_reshape(ct_neg(v), ct_shape(-1));
                assert_true(visible == !y);
                ct_detect_anomaly(CT_ANOMALY_OFF);
                if (visible) {
                    const char *word = strstr(ct_error()->message, "has nan at [");
                    long long k[4] = {0};
                    assert_non_null(word);
                    const int n = sscanf(word, "has nan at [%lld, %lld, %lld, %lld", &k[0], &k[1], &k[2], &k[3]);
                    assert_int_equal(n, ct_rank(v));
                    const ct_index place = {.v = {n, k[0], k[1], k[2], k[3]}};
                    assert_true(isnan(ct_get(v, place)));
                }
                ct_clear_error();
                assert_true(ct_set(x, at, 1));
            }
        }
    }
    assert_clean();
}

static void extreme_numbers_are_finite(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NONFINITE);
        assert_non_null(ct_neg(ct_of(ct_shape(4), CT_F32, 3.4028234663852886e38, -3.4028234663852886e38, 1e-45, -0.0)));
        assert_non_null(ct_neg(ct_of(ct_shape(4), CT_F64, 1.7976931348623157e308, -1.7976931348623157e308, 5e-324, -0.0)));
        static double many[10007];
        for (int i = 0; i < 10007; i++) many[i] = 1;
        for (int i = 10000; i < 10007; i++) {
            CT_SCOPE;
            many[i] = -INFINITY;
            assert_null(ct_neg(ct_from(many, ct_shape(10007), CT_F64)));
            char index[32];
            snprintf(index, sizeof index, "has inf at [%d]", i);
            assert_found("ct_neg", __LINE__ - 3, index);
            many[i] = 1;
        }
    }
    assert_clean();
}

/* ---- the way back ---- */

static void the_first_derivative_is_named(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NONFINITE);
        ct_tensor *x = ct_requires_grad(ct_of(ct_shape(3), CT_F64, 4, 0, 1), true);
        ct_set_name(x, "x");
        const int line = __LINE__ + 1;
        ct_tensor *y = ct_sqrt(x);
        assert_false(ct_backward(ct_sum(y, CT_ALL, false)));
        assert_found("ct_sqrt", line, "in its derivative by operand 1 (x) the gradient, f64 [3], has inf at [1]",
                     "the gradient of its result has none", "that is 1 there, the result is 0 there");
        assert_false(ct_has_grad(x)); /* no half-made gradients */
    }
    assert_clean();
}

/* The derivative of sqrt at 0 times a gradient of 0: the classic. */
static void zero_times_infinity(void **state)
{
    (void)state;
    for (int recorded = 0; recorded < 2; recorded++) {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NAN);
        ct_tensor *x = ct_requires_grad(ct_of(ct_shape(2), CT_F32, 0, 1), true);
        const int line = __LINE__ + 1;
        ct_tensor *root = ct_sqrt(x);
        ct_tensor *y = ct_where(ct_gt(x, ct_scalar(0)), root, ct_zeros(ct_shape(2), CT_F32)), *s = ct_sum(y, CT_ALL, false);
        assert_false(ct_backward_with(&s, NULL, 1, (ct_grad_options){.create_graph = recorded}));
        assert_found("ct_sqrt", line, "f32 [2], has nan at [0]", "that is 0 there, the result is 0 there");
    }
    assert_clean();
}

/* Formulas are made of operations: the one inside is told too, and blamed on the operation whose derivative it is. */
static void operations_inside_a_derivative(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NONFINITE);
        ct_tensor *x = variable(0);
        const int line = __LINE__ + 1;
        ct_tensor *y = ct_sqrt(x);
        assert_false(ct_backward_with(&y, NULL, 1, (ct_grad_options){.create_graph = true}));
        assert_found("ct_sqrt", line, "in its derivative by operand 1 the gradient, f64 [], has inf",
                     "inside the derivative it came up in ct_div");
    }
    assert_clean();
}

/* norm's rule divides by the norm where it is not 0, and throws the rest away: no mistake. */
static void infinities_that_a_rule_throws_away_are_none(void **state)
{
    (void)state;
    for (int recorded = 0; recorded < 2; recorded++) {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NONFINITE);
        ct_tensor *x = ct_requires_grad(ct_zeros(ct_shape(3), CT_F64), true);
        ct_tensor *outputs[] = {ct_norm(x, CT_ALL, false), ct_prod(x, CT_ALL, false), ct_std(x, CT_ALL, 0, false)};
        assert_true(ct_backward_with(outputs, NULL, 3, (ct_grad_options){.create_graph = recorded}));
        assert_number(ct_get(ct_grad_of(x), ct_index(0)), 0, 0);
        assert_true(ct_zero_grad(x));
    }
    assert_clean();
}

static void cotangents_and_hooks_from_outside(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NAN);
        ct_tensor *x = ct_requires_grad(ct_ones(ct_shape(2), CT_F64), true), *g = ct_of(ct_shape(2), CT_F64, 1, NAN);
        const int line = __LINE__ + 1;
        ct_tensor *y = ct_exp(x);
        assert_false(ct_backward_with(&y, &g, 1, (ct_grad_options){0}));
        assert_found("ct_exp", line, "the gradient of its result, f64 [2], has nan at [1]: it was there before, from a cotangent");
    }
    assert_clean();
}

static int poison(ct_tensor *gradient, ct_tensor **replacement, void *context)
{
    (void)context;
    const ct_anomaly before = ct_detect_anomaly(CT_ANOMALY_OFF);
    *replacement = ct_log(ct_mul(gradient, ct_scalar(-1)));
    ct_detect_anomaly(before);
    return *replacement ? 0 : 1;
}

static int careless(ct_tensor *gradient, ct_tensor **replacement, void *context)
{
    *(int *)context = __LINE__ + 1;
    *replacement = ct_log(ct_mul(gradient, ct_scalar(-1)));
    return *replacement ? 0 : 1;
}

static void hooks(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NAN);
        ct_tensor *x = ct_requires_grad(ct_ones(ct_shape(2), CT_F64), true);
        int line = __LINE__ + 1;
        ct_tensor *y = ct_exp(x);
        assert_true(ct_add_hook(y, poison, NULL));
        assert_false(ct_backward(ct_sum(y, CT_ALL, false)));
        assert_found("ct_exp", line, "has nan at [0]: it was there before, from a hook");
        y = ct_exp(x);
        assert_true(ct_add_hook(y, careless, &line)); /* the hook's own operations are the user's */
        assert_false(ct_backward(ct_sum(y, CT_ALL, false)));
        assert_found("ct_log", line, "operand 1 is -1 there");
    }
    assert_clean();
}

static void sums_of_gradients(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NONFINITE);
        ct_tensor *x = ct_requires_grad(ct_ones(ct_shape(), CT_F32), true);
        const int line = __LINE__ + 1;
        ct_tensor *h = ct_neg(x);
        ct_tensor *huge = ct_full(ct_shape(), 3e38, CT_F32), *y = ct_sub(ct_mul(h, huge), ct_mul(h, ct_neg(huge)));
        assert_null(y); /* the value overflows as well */
        assert_found("ct_sub", line + 1, "has -inf");
        ct_tensor *outputs[] = {ct_mul(h, huge), ct_mul(h, huge)};
        assert_false(ct_backward_with(outputs, NULL, 2, (ct_grad_options){0}));
        assert_found("ct_neg", line, "the sum of the gradients of its result, f32 [], has inf; those that were added had none");
    }
    assert_clean();
}

static void second_derivatives(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NONFINITE);
        ct_tensor *x = variable(0);
        const int line = __LINE__ + 1;
        ct_tensor *y = ct_pow(x, ct_scalar(1.5)); /* y' = 1.5 sqrt(x), y'' = 0.75 / sqrt(x) */
        ct_tensor *slope = ct_derivative(y, x, (ct_grad_options){.create_graph = true});
        assert_non_null(slope);
        assert_number(ct_item(slope), 0, 0);
        assert_null(ct_derivative(slope, x, (ct_grad_options){0}));
        const ct_error_info *error = ct_error();
        assert_non_null(error);
        assert_int_equal(error->line, line); /* the operations of the way back have the place of what they are derived from */
        assert_non_null(strstr(error->message, "has inf"));
        ct_clear_error();
    }
    assert_clean();
}

/* ---- forward mode ---- */

static int root_line;
static int root(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    root_line = __LINE__ + 1;
    ct_tensor *y = ct_sqrt(in[0]);
    out[0] = ct_exp(y);
    return out[0] ? 0 : 1;
}

static void tangents(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        CT_DETECT_ANOMALY(CT_ANOMALY_NONFINITE);
        ct_tensor *x = ct_of(ct_shape(2), CT_F64, 1, 0), *dx = ct_ones(ct_shape(2), CT_F64), *y, *dy;
        assert_false(ct_jvp(root, NULL, &x, &dx, 1, &y, &dy, 1));
        assert_found("ct_sqrt", root_line, "in its derivative the tangent of the result, f64 [2], has inf at [1]",
                     "the tangents of its operands have none; operand 1 is 0 there",
                     "inside the derivative it came up in ct_div");
        dx = ct_of(ct_shape(2), CT_F64, NAN, 1);
        x = ct_ones(ct_shape(2), CT_F64);
        assert_false(ct_jvp(root, NULL, &x, &dx, 1, &y, &dy, 1));
        assert_int_equal(ct_error()->status, CT_ERROR_VALUE);
        assert_non_null(strstr(ct_error()->message, "nan at [0]"));
        ct_clear_error();
        dx = ct_ones(ct_shape(2), CT_F64);
        assert_true(ct_jvp(root, NULL, &x, &dx, 1, &y, &dy, 1));
        assert_number(ct_get(dy, ct_index(1)), exp(1) / 2, 1e-15);
    }
    assert_clean();
}

/* ---- it changes nothing else ---- */

static void results_are_the_same(void **state)
{
    (void)state;
    float grads[3][12];
    for (int mode = CT_ANOMALY_OFF; mode <= CT_ANOMALY_NONFINITE; mode++) {
        CT_SCOPE;
        CT_DETECT_ANOMALY((ct_anomaly)mode);
        ct_seed(1);
        ct_tensor *x = ct_uniform(ct_shape(5, 4), -1, 1, CT_F32), *start = ct_uniform(ct_shape(4, 3), -1, 1, CT_F32);
        ct_tensor *w = ct_requires_grad(start, true);
        ct_tensor *loss = ct_mean(ct_square(ct_tanh(ct_matmul(x, w))), CT_ALL, false);
        assert_true(ct_backward(loss));
        assert_true(ct_copy_out(ct_grad_of(w), grads[mode], sizeof grads[mode]));
    }
    assert_memory_equal(grads[0], grads[1], sizeof grads[0]);
    assert_memory_equal(grads[0], grads[2], sizeof grads[0]);
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_operation_is_named),
        cmocka_unit_test(nothing_is_looked_for_unless_asked),
        cmocka_unit_test(infinities_count_where_asked),
        cmocka_unit_test(two_infinities_make_a_nan),
        cmocka_unit_test(what_came_from_outside_is_said_to),
        cmocka_unit_test(what_an_operation_made_before_is_said_to),
        cmocka_unit_test(a_nan_that_does_not_reach_the_result_is_none),
        cmocka_unit_test(a_mask_of_infinities_passes_where_only_nan_counts),
        cmocka_unit_test(integers_and_empty_tensors_have_none),
        cmocka_unit_test(every_element_is_seen),
        cmocka_unit_test(extreme_numbers_are_finite),
        cmocka_unit_test(the_first_derivative_is_named),
        cmocka_unit_test(zero_times_infinity),
        cmocka_unit_test(operations_inside_a_derivative),
        cmocka_unit_test(infinities_that_a_rule_throws_away_are_none),
        cmocka_unit_test(cotangents_and_hooks_from_outside),
        cmocka_unit_test(hooks),
        cmocka_unit_test(sums_of_gradients),
        cmocka_unit_test(second_derivatives),
        cmocka_unit_test(tangents),
        cmocka_unit_test(results_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
