/*
 * test_nn_layers.c - layers and initialization: values by hand, masks, dropout, distributions, wrong input.
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

#define assert_near(value, expected, tolerance) assert_true(fabs((value) - (expected)) <= (tolerance))

static bool put(ct_module *m, const char *path, ct_tensor *values)
{
    CT_NO_GRAD;
    return ct_copy_(ct_module_find(m, path), values);
}

/* ---- linear ------------------------------------------------------------------------------------------- */

static void linear_is_x_w_plus_b(void **state)
{
    (void)state;
    ct_module *m = ct_nn_linear(3, 2);
    assert_string_equal(ct_module_kind(m), "linear");
    assert_int_equal(ct_module_count(m), 8);
    assert_true(put(m, "weight", ct_of(ct_shape(3, 2), CT_F32, 1, 2, 3, 4, 5, 6)));
    assert_true(put(m, "bias", ct_of(ct_shape(2), CT_F32, 10, 20)));
    ct_tensor *y = ct_forward(m, ct_of(ct_shape(2, 3), CT_F32, 1, 0, -1, 2, 1, 0));
    assert_true(ct_equal(y, ct_of(ct_shape(2, 2), CT_F32, 6, 16, 15, 28)));
    y = ct_forward(m, ct_of(ct_shape(3), CT_F32, 1, 0, -1)); /* a single row */
    assert_true(ct_equal(y, ct_of(ct_shape(2), CT_F32, 6, 16)));
    y = ct_forward(m, ct_zeros(ct_shape(4, 0, 3), CT_F32)); /* no rows */
    assert_int_equal(ct_count_of(y), 0);
    assert_int_equal(ct_dim(y, 2), 2);
    assert_null(ct_forward(m, ct_ones(ct_shape(2, 4), CT_F32)));
    assert_error(CT_ERROR_SHAPE, "ct_affine", "[2, 4]");
    assert_null(ct_forward(m, ct_ones(ct_shape(2, 3), CT_F64)));
    assert_error(CT_ERROR_DTYPE, "ct_affine", "f64");
    ct_module_free(m);
}

static void count_calls(void *context, const ct_traced_call *call)
{
    (void)call;
    ++*(int *)context;
}

/* A layer and its activation are one operation, with the values and gradients of two; two where a tracer listens. */
static void layers_take_their_activation_with_them(void **state)
{
    (void)state;
    ct_module *(*const activations[])(void) = {ct_nn_relu, ct_nn_tanh, ct_nn_sigmoid};
    ct_tensor *(*const functions[])(ct_tensor *) = {ct_relu, ct_tanh, ct_sigmoid};
    for (int i = 0; i < 3; i++) {
        ct_module *net = ct_nn_sequential(ct_nn_linear(5, 7), activations[i]());
        ct_tensor *w = ct_module_find(net, "0.weight"), *b = ct_module_find(net, "0.bias");
        ct_tensor *x = ct_uniform(ct_shape(3, 5), -1, 1, CT_F32);
        ct_tensor *p[] = {w, b}, *g[2], *expected[2];
        const int64_t before = ct_count().operations;
        ct_tensor *y = ct_forward(net, x);
        assert_int_equal(ct_count().operations, before + 1);
        ct_tensor *z = functions[i](ct_affine(x, w, b));
        assert_true(ct_allclose(ct_detach(y), ct_detach(z), 1e-6, 1e-7));
        ct_tensor *sum = ct_sum(ct_square(y), CT_ALL, false), *other = ct_sum(ct_square(z), CT_ALL, false);
        assert_true(ct_grad(&sum, NULL, 1, p, 2, g, (ct_grad_options){0}));
        assert_true(ct_grad(&other, NULL, 1, p, 2, expected, (ct_grad_options){0}));
        for (int k = 0; k < 2; k++) assert_true(ct_allclose(g[k], expected[k], 1e-5, 1e-6));
        int calls = 0;
        const ct_tracer none = ct_trace((ct_tracer){count_calls, &calls});
        assert_true(ct_equal(ct_detach(ct_forward(net, x)), ct_detach(z)));
        ct_trace(none);
        assert_int_equal(calls, 2);
        ct_module_free(net);
    }
}

static void linear_starts_uniform(void **state)
{
    (void)state;
    ct_module *m = ct_nn_linear(100, 200);
    ct_tensor *w = ct_detach(ct_module_find(m, "weight"));
    assert_int_equal(ct_dtype_of(w), CT_F32);
    assert_true(ct_item(ct_max(ct_abs(w), CT_ALL, false)) <= 0.1);
    assert_near(ct_item(ct_max(w, CT_ALL, false)), 0.1, 1e-3);
    assert_near(ct_item(ct_mean(w, CT_ALL, false)), 0, 5 * 0.1 / sqrt(3 * 20000));
    assert_near(ct_item(ct_std(w, CT_ALL, 0, false)), 0.1 / sqrt(3), 1e-3);
    assert_true(ct_item(ct_max(ct_abs(ct_detach(ct_module_find(m, "bias"))), CT_ALL, false)) <= 0.1);
    ct_seed(1);
    ct_module *again = ct_nn_linear(100, 200);
    assert_true(ct_equal(w, ct_detach(ct_module_find(again, "weight"))));
    ct_module_free(m);
    ct_module_free(again);
}

static void linear_options(void **state)
{
    (void)state;
    ct_module *m = ct_nn_linear_with(2, 2, (ct_linear_options){.no_bias = true, .dtype = CT_F64});
    assert_int_equal(ct_module_parameters(m, NULL, 0), 1);
    assert_true(put(m, "weight", ct_of(ct_shape(2, 2), CT_F64, 1, 2, 3, 4)));
    ct_tensor *y = ct_forward(m, ct_of(ct_shape(1, 2), CT_F64, 1, 1));
    assert_true(ct_equal(y, ct_of(ct_shape(1, 2), CT_F64, 4, 6)));
    assert_null(ct_forward(m, ct_ones(ct_shape(3, 3), CT_F64)));
    assert_error(CT_ERROR_SHAPE, "ct_matmul", "[3, 3]");
    ct_module_free(m);
    m = ct_nn_linear_with(2, 3, (ct_linear_options){.dtype = CT_F64});
    assert_int_equal(ct_dtype_of(ct_module_find(m, "bias")), CT_F64);
    ct_module_free(m);
}

static void linear_refuses(void **state)
{
    (void)state;
    assert_null(ct_nn_linear(0, 3));
    assert_error(CT_ERROR_SHAPE, "ct_nn_linear", "in is 0 and out is 3");
    assert_null(ct_nn_linear(3, -1));
    assert_error(CT_ERROR_SHAPE, "ct_nn_linear", "out is -1");
    assert_null(ct_nn_linear_with(2, 2, (ct_linear_options){.dtype = CT_I64}));
    assert_error(CT_ERROR_DTYPE, "ct_nn_linear_with", "dtype is i64; expected f32 or f64");
    assert_null(ct_nn_linear_with(2, 3, (ct_linear_options){.mask = ct_ones(ct_shape(3, 2), CT_F32)}));
    assert_error(CT_ERROR_SHAPE, "ct_nn_linear_with", "mask is f32 [3, 2], expected [2, 3]");
    assert_null(ct_nn_linear_with(2, 3, (ct_linear_options){.bias_mask = ct_ones(ct_shape(2), CT_BOOL)}));
    assert_error(CT_ERROR_SHAPE, "ct_nn_linear_with", "bias_mask is bool [2], expected [3]");
    ct_tensor *ones = ct_ones(ct_shape(3), CT_F32);
    assert_null(ct_nn_linear_with(2, 3, (ct_linear_options){.bias_mask = ones, .no_bias = true}));
    assert_error(CT_ERROR_VALUE, "ct_nn_linear_with", "bias_mask is given together with no_bias");
}

/* Masked entries are zero at the start, add nothing, and have an exactly zero gradient; a cast takes the masks along. */
static void masked_linear(void **state)
{
    (void)state;
    ct_tensor *mask = ct_of(ct_shape(2, 3), CT_I32, 1, 0, -7, 0, 1, 1);
    ct_tensor *bias_mask = ct_of(ct_shape(3), CT_BOOL, 1, 1, 0);
    ct_module *m = ct_nn_linear_with(2, 3, (ct_linear_options){.mask = mask, .bias_mask = bias_mask});
    assert_int_equal(ct_module_parameters(m, NULL, 0), 2);
    assert_true(ct_equal(ct_module_find(m, "weight_mask"), ct_of(ct_shape(2, 3), CT_F32, 1, 0, 1, 0, 1, 1)));
    assert_true(ct_get(ct_module_find(m, "weight"), ct_index(0, 1)) == 0);
    assert_true(ct_get(ct_module_find(m, "weight"), ct_index(1, 0)) == 0);
    assert_true(ct_get(ct_module_find(m, "weight"), ct_index(1, 1)) != 0);
    assert_true(ct_get(ct_module_find(m, "bias"), ct_index(2)) == 0);
    assert_true(ct_module_cast(m, CT_F64));
    assert_true(put(m, "weight", ct_of(ct_shape(2, 3), CT_F64, 1, 2, 3, 4, 5, 6))); /* also where the mask is 0 */
    assert_true(put(m, "bias", ct_of(ct_shape(3), CT_F64, 10, 20, 30)));
    ct_tensor *y = ct_forward(m, ct_of(ct_shape(1, 2), CT_F64, 1, 2));
    assert_true(ct_equal(y, ct_of(ct_shape(1, 3), CT_F64, 11, 30, 15)));
    assert_true(ct_backward(ct_sum(y, CT_ALL, false)));
    assert_true(ct_equal(ct_grad_of(ct_module_find(m, "weight")), ct_of(ct_shape(2, 3), CT_F64, 1, 0, 1, 0, 2, 2)));
    assert_true(ct_equal(ct_grad_of(ct_module_find(m, "bias")), ct_of(ct_shape(3), CT_F64, 1, 1, 0)));
    ct_module_free(m);
}

/* ---- containers --------------------------------------------------------------------------------------- */

static void sequential_applies_one_after_another(void **state)
{
    (void)state;
    ct_module *m = ct_nn_sequential(ct_nn_linear(1, 1), ct_nn_sequential(ct_nn_relu(), ct_nn_function("square", ct_square)));
    assert_string_equal(ct_module_kind(m), "sequential");
    assert_true(put(m, "0.weight", ct_of(ct_shape(1, 1), CT_F32, 2)));
    assert_true(put(m, "0.bias", ct_of(ct_shape(1), CT_F32, 1)));
    ct_tensor *x = ct_of(ct_shape(2, 1), CT_F32, 3, -3);
    ct_tensor *y = ct_forward(m, x);
    assert_true(ct_equal(y, ct_of(ct_shape(2, 1), CT_F32, 49, 0)));
    assert_true(ct_backward(ct_sum(y, CT_ALL, false)));
    assert_near(ct_item(ct_grad_of(ct_module_find(m, "0.weight"))), 2 * 7 * 3, 0);
    assert_null(ct_forward(m, ct_ones(ct_shape(2, 2), CT_F32))); /* the inner failure is what is told, at this line */
    assert_error(CT_ERROR_SHAPE, "ct_affine", "[2, 2]");
    ct_module_free(m);
    ct_module *empty = ct_nn_sequential_of((ct_module *[]){NULL}, 0);
    y = ct_forward(empty, x);
    assert_ptr_not_equal(y, x);
    assert_true(ct_equal(y, x));
    ct_module_free(empty);
    ct_module *listed = ct_nn_sequential_list((ct_module *[]){ct_nn_tanh(), ct_nn_end()});
    assert_true(ct_equal(ct_forward(listed, x), ct_tanh(x)));
    ct_module_free(listed);
}

/* Without a graph the intermediate results go as soon as the next layer has used them. */
static void sequential_keeps_no_intermediates(void **state)
{
    (void)state;
    enum { DEPTH = 20 };
    ct_module *layer[DEPTH];
    for (int i = 0; i < DEPTH; i++) layer[i] = ct_nn_tanh();
    ct_module *m = ct_nn_sequential_of(layer, DEPTH);
    ct_tensor *x = ct_ones(ct_shape(1000), CT_F64);
    CT_NO_GRAD;
    const int64_t before = ct_memory().bytes;
    ct_memory_reset_peak();
    assert_non_null(ct_forward(m, x));
    assert_true(ct_memory().peak_bytes - before < 3 * 8000 + 1000);
    ct_module_free(m);
}

/* ---- functions ---------------------------------------------------------------------------------------- */

static ct_tensor *leaky(ct_tensor *x) { return ct_leaky_relu(x, 0.2); }
static ct_tensor *elu(ct_tensor *x) { return ct_elu(x, 0.7); }
static ct_tensor *softmax_0(ct_tensor *x) { return ct_softmax(x, 0); }
static ct_tensor *log_softmax_last(ct_tensor *x) { return ct_log_softmax(x, -1); }

static void functions_are_the_operations(void **state)
{
    (void)state;
    struct {
        const char *kind;
        ct_module *module;
        ct_tensor *(*f)(ct_tensor *x);
    } const row[] = {
        {"identity", ct_nn_identity(), ct_alias},      {"relu", ct_nn_relu(), ct_relu},
        {"leaky_relu", ct_nn_leaky_relu(0.2), leaky},  {"elu", ct_nn_elu(0.7), elu},
        {"gelu", ct_nn_gelu(), ct_gelu},               {"silu", ct_nn_silu(), ct_silu},
        {"sigmoid", ct_nn_sigmoid(), ct_sigmoid},      {"tanh", ct_nn_tanh(), ct_tanh},
        {"softplus", ct_nn_softplus(), ct_softplus},   {"step", ct_nn_step(), ct_step},
        {"softmax", ct_nn_softmax(0), softmax_0},      {"log_softmax", ct_nn_log_softmax(-1), log_softmax_last},
        {"sine", ct_nn_function("sine", ct_sin), ct_sin},
    };
    ct_tensor *x = ct_of(ct_shape(2, 3), CT_F64, -1.5, 0, 0.5, 2, -0.1, 3);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        assert_string_equal(ct_module_kind(row[i].module), row[i].kind);
        ct_tensor *y = ct_forward(row[i].module, x);
        assert_ptr_not_equal(y, x);
        assert_true(ct_equal(y, row[i].f(x)));
        ct_module_free(row[i].module);
    }
    assert_null(ct_nn_function("nothing", NULL));
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_NULL, "ct_nn_function", "f is NULL");
}

static void flatten_joins_all_but_the_first_axis(void **state)
{
    (void)state;
    ct_module *m = ct_nn_flatten();
    ct_tensor *y = ct_forward(m, ct_reshape(ct_arange(0, 24, 1, CT_F32), ct_shape(2, 3, 4)));
    assert_int_equal(ct_rank(y), 2);
    assert_int_equal(ct_dim(y, 1), 12);
    assert_true(ct_get(y, ct_index(1, 0)) == 12);
    ct_module_free(m);
}

static void layer_norm_is_the_operation(void **state)
{
    (void)state;
    ct_module *m = ct_nn_layer_norm(ct_shape(2, 3));
    assert_string_equal(ct_module_kind(m), "layer_norm");
    assert_int_equal(ct_module_count(m), 12);
    ct_tensor *x = ct_uniform(ct_shape(4, 2, 3), -1, 1, CT_F32), *gamma = ct_module_find(m, "gamma"), *beta = ct_module_find(m, "beta");
    assert_true(ct_equal(gamma, ct_ones(ct_shape(2, 3), CT_F32)) && ct_equal(beta, ct_zeros(ct_shape(2, 3), CT_F32)));
    assert_true(put(m, "gamma", ct_full(ct_shape(2, 3), 3, CT_F32)));
    assert_true(put(m, "beta", ct_full(ct_shape(2, 3), -1, CT_F32)));
    assert_true(ct_equal(ct_forward(m, x), ct_layer_norm(x, gamma, beta, 1e-5)));
    ct_module_free(m);
    assert_null(ct_nn_layer_norm(ct_shape()));
    assert_error(CT_ERROR_SHAPE, "ct_nn_layer_norm", "shape is []");
    assert_null(ct_nn_layer_norm(ct_shape(-1)));
    ct_clear_error();
}

/* ---- dropout ------------------------------------------------------------------------------------------ */

static void dropout_in_training(void **state)
{
    (void)state;
    enum { N = 100000 };
    const double p = 0.3;
    ct_tensor *x = ct_requires_grad(ct_ones(ct_shape(N), CT_F64), true);
    ct_seed(5);
    ct_tensor *y = ct_dropout(x, p, true);
    const double zeros = ct_item(ct_sum(ct_eq(y, ct_scalar(0)), CT_ALL, false));
    const double scaled = ct_item(ct_sum(ct_eq(y, ct_full(ct_shape(), 1 / (1 - p), CT_F64)), CT_ALL, false));
    assert_near(zeros + scaled, N, 0);
    assert_near(zeros / N, p, 5 * sqrt(p * (1 - p) / N));
    assert_near(ct_item(ct_mean(y, CT_ALL, false)), 1, 5 * sqrt(p / (1 - p) / N));
    assert_true(ct_backward(ct_sum(y, CT_ALL, false)));
    assert_true(ct_equal(ct_grad_of(x), ct_detach(y))); /* x is 1, so y is its own slope */

    ct_seed(5);
    ct_tensor *again = ct_dropout(x, p, true), *other = ct_dropout(x, p, true);
    assert_true(ct_equal(ct_detach(again), ct_detach(y)));
    assert_false(ct_equal(ct_detach(other), ct_detach(y)));
    ct_seed(5);
    ct_tensor *single = ct_dropout(ct_ones(ct_shape(N), CT_F32), p, true); /* the same elements in f32 */
    assert_true(ct_item(ct_all(ct_eq(ct_eq(single, ct_scalar(0)), ct_eq(y, ct_scalar(0))), CT_ALL, false)) == 1);
}

static void dropout_of_nan_and_infinity(void **state)
{
    (void)state;
    ct_tensor *y = ct_dropout(ct_full(ct_shape(1000), INFINITY, CT_F32), 0.5, true);
    assert_true(ct_item(ct_any(ct_isnan(y), CT_ALL, false)) == 0);
    assert_true(ct_item(ct_any(ct_isinf(y), CT_ALL, false)) == 1);
    assert_int_equal(ct_count_of(ct_dropout(ct_zeros(ct_shape(0, 3), CT_F32), 0.5, true)), 0);
}

static void dropout_in_evaluation_is_the_identity(void **state)
{
    (void)state;
    ct_module *m = ct_nn_dropout(0.5);
    ct_tensor *x = ct_normal(ct_shape(50), 0, 1, CT_F32);
    ct_module_train(m, false);
    ct_tensor *y = ct_forward(m, x);
    assert_ptr_not_equal(y, x);
    assert_true(ct_equal(y, x));
    ct_module_train(m, true);
    assert_false(ct_equal(ct_forward(m, x), x));
    assert_true(ct_equal(ct_dropout(x, 0, true), x));
    ct_module_free(m);
}

static void dropout_refuses(void **state)
{
    (void)state;
    ct_tensor *x = ct_ones(ct_shape(2), CT_F32);
    assert_null(ct_nn_dropout(1));
    assert_error(CT_ERROR_VALUE, "ct_nn_dropout", "p is 1; expected 0 <= p < 1");
    assert_null(ct_dropout(x, -0.1, true));
    assert_error(CT_ERROR_VALUE, "ct_dropout", "p is -0.1");
    assert_null(ct_dropout(x, NAN, false));
    assert_error(CT_ERROR_VALUE, "ct_dropout", "p is");
    assert_null(ct_dropout(NULL, 0.5, true));
    assert_error(CT_ERROR_NULL, "ct_dropout", "x is NULL");
    assert_null(ct_dropout(ct_ones(ct_shape(2), CT_I64), 0.5, true));
    assert_error(CT_ERROR_DTYPE, "ct_dropout", "x is i64 [2]");
}

/* ---- initialization ----------------------------------------------------------------------------------- */

/* The standard deviation of w, its mean and its range, within what chance allows. */
static void check_spread(ct_tensor *w, double std, double limit)
{
    ct_tensor *v = ct_detach(w);
    const double n = (double)ct_count_of(v);
    assert_near(ct_item(ct_mean(v, CT_ALL, false)), 0, 5 * std / sqrt(n));
    assert_near(ct_item(ct_std(v, CT_ALL, 0, false)), std, 5 * std / sqrt(2 * n));
    const double largest = ct_item(ct_max(ct_abs(v), CT_ALL, false));
    assert_true(largest <= limit * (1 + 1e-6) && largest > 0.99 * fmin(limit, 3 * std));
}

static void initializers_have_their_spread(void **state)
{
    (void)state;
    const double in = 300, out = 200;
    for (int i = 0; i < 2; i++) {
        ct_tensor *w = ct_requires_grad(ct_zeros(ct_shape(300, 200), i ? CT_F64 : CT_F32), true);
        assert_true(ct_init_xavier_normal(w, 2));
        check_spread(w, 2 * sqrt(2 / (in + out)), INFINITY);
        assert_true(ct_init_xavier_uniform(w, 1));
        check_spread(w, sqrt(2 / (in + out)), sqrt(6 / (in + out)));
        assert_true(ct_init_kaiming_normal(w, sqrt(2)));
        check_spread(w, sqrt(2 / in), INFINITY);
        assert_true(ct_init_kaiming_uniform(w, sqrt(2)));
        check_spread(w, sqrt(2 / in), sqrt(6 / in));
        assert_true(ct_init_uniform(w, 0.25));
        check_spread(w, 0.25 / sqrt(3), 0.25);
        assert_true(ct_init_normal(w, 3));
        check_spread(w, 3, INFINITY);
        assert_true(ct_needs_grad(w));
    }
}

static void initializers_at_the_edge(void **state)
{
    (void)state;
    ct_tensor *w = ct_ones(ct_shape(2, 2), CT_F32), *zero = ct_zeros(ct_shape(2, 2), CT_F32);
    assert_true(ct_init_constant(w, 2.5));
    assert_true(ct_equal(w, ct_full(ct_shape(2, 2), 2.5, CT_F32)));
    assert_true(ct_init_uniform(w, 0));
    assert_true(ct_equal(w, zero));
    assert_true(ct_init_constant(w, 1) && ct_init_xavier_normal(w, 0));
    assert_true(ct_equal(w, zero));
    ct_tensor *even = ct_slice(w, 1, 0, 2, 2); /* a view: the other column stays */
    assert_true(ct_init_constant(even, 7));
    assert_true(ct_equal(w, ct_of(ct_shape(2, 2), CT_F32, 7, 0, 7, 0)));
    ct_tensor *bias = ct_zeros(ct_shape(1000), CT_F32);
    assert_true(ct_init_normal(bias, 0.5));
    check_spread(bias, 0.5, INFINITY);
    assert_true(ct_init_normal(ct_zeros(ct_shape(0), CT_F32), 1));
    ct_seed(3);
    assert_true(ct_init_normal(w, 1));
    ct_tensor *first = ct_clone(w);
    ct_seed(3);
    assert_true(ct_init_normal(w, 1));
    assert_true(ct_equal(w, first));
}

#define assert_refused(call, status, operation, part)                                                                  \
    do {                                                                                                               \
        assert_false(call);                                                                                            \
        ct_here_error(CT_HERE);                                                                                        \
        assert_error(status, operation, part);                                                                         \
    } while (0)

static void initializers_refuse(void **state)
{
    (void)state;
    ct_tensor *w = ct_ones(ct_shape(2, 2), CT_F32), *label = ct_ones(ct_shape(2, 2), CT_I64);
    ct_tensor *vector = ct_ones(ct_shape(3), CT_F32);
    assert_refused(ct_init_xavier_normal(vector, 1), CT_ERROR_SHAPE, "ct_init_xavier_normal", "w is f32 [3]; expected a weight");
    assert_refused(ct_init_xavier_uniform(label, 1), CT_ERROR_DTYPE, "ct_init_xavier_uniform", "w is i64 [2, 2]");
    assert_refused(ct_init_kaiming_normal(w, -1), CT_ERROR_VALUE, "ct_init_kaiming_normal", "gain is -1");
    assert_refused(ct_init_kaiming_uniform(NULL, 1), CT_ERROR_NULL, "ct_init_kaiming_uniform", "w is NULL");
    assert_refused(ct_init_uniform(w, INFINITY), CT_ERROR_VALUE, "ct_init_uniform", "a is inf");
    assert_refused(ct_init_normal(w, NAN), CT_ERROR_VALUE, "ct_init_normal", "std is");
    assert_refused(ct_init_constant(NULL, 1), CT_ERROR_NULL, "ct_init_constant", "w is NULL");
    ct_raise(CT_ERROR_USER, "mine", "pending");
    assert_false(ct_init_normal(w, 1));
    ct_clear_error();
    assert_true(ct_equal(w, ct_ones(ct_shape(2, 2), CT_F32)));
}

#define scoped_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(linear_is_x_w_plus_b),
        scoped_test(layers_take_their_activation_with_them),
        scoped_test(linear_starts_uniform),
        scoped_test(linear_options),
        scoped_test(linear_refuses),
        scoped_test(masked_linear),
        scoped_test(sequential_applies_one_after_another),
        scoped_test(sequential_keeps_no_intermediates),
        scoped_test(functions_are_the_operations),
        scoped_test(flatten_joins_all_but_the_first_axis),
        scoped_test(layer_norm_is_the_operation),
        scoped_test(dropout_in_training),
        scoped_test(dropout_of_nan_and_infinity),
        scoped_test(dropout_in_evaluation_is_the_identity),
        scoped_test(dropout_refuses),
        scoped_test(initializers_have_their_spread),
        scoped_test(initializers_at_the_edge),
        scoped_test(initializers_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
