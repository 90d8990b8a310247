/*
 * test_rows.c - functions of rows (softmax, cross-entropy, layer norm) at lengths where loops change: values against plain loops
 * in long double, gradients against their formulas, and that a row's bits depend neither on its place nor on threads; for every
 * instruction set. (Derivatives at small sizes are in test_rules.c, special points in test_special_points.c.)
 */
#include "support.h"

#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 5 };
static const int lengths[] = {1,  2,  3,  5,   7,   8,   10,   15,   16,   17,   31,  32,
                              33, 64, 100, 127, 500, 1000, 1024, 1025, 1040, 2100, 5000};
#define COUNT(list) ((int)(sizeof(list) / sizeof(list)[0]))

static int begin(void **state)
{
    ct_seed(3);
    *state = (void *)(intptr_t)ct_scope_begin();
    return 0;
}

static int end(void **state)
{
    ct_scope_end((int)(intptr_t)*state);
    assert_clean();
    return 0;
}

/* ---- the functions ------------------------------------------------------------------------------------ */

/* The class of row r, and gamma and beta of n elements: from position alone, so that a part of the rows can be done by itself. */
static int class_of(int64_t r, int64_t n) { return (int)((r * 5 + 2) % n); }
static ct_tensor *labels(int64_t first, int64_t rows, int64_t n)
{
    ct_tensor *t = ct_zeros(ct_shape(rows), CT_I64);
    int64_t *at = ct_data(t);
    for (int64_t r = 0; r < rows; r++) at[r] = class_of(first + r, n);
    ct_touch(t);
    return t;
}
static double gamma_at(int64_t i) { return 1 + 0.25 * (double)(i % 5); }
static double beta_at(int64_t i) { return 0.5 - (double)(i % 3); }
static ct_tensor *made_of(double (*f)(int64_t i), int64_t n, ct_dtype dtype)
{
    ct_tensor *t = ct_zeros(ct_shape(n), dtype);
    for (int64_t i = 0; i < n; i++) ct_set(t, ct_index(i), f(i));
    return t;
}

static const double EPS = 1e-3;

typedef struct function {
    const char *name;
    ct_tensor *(*f)(ct_tensor *x, int64_t first);
    void (*plain)(const long double *x, int64_t n, int64_t row, long double *y); /* y: n elements, or one; NULL: not tried */
    bool narrow;                                                                 /* one result for each row */
} function;

static long double exp_sum(const long double *x, int64_t n, long double *most)
{
    long double sum = 0;
    *most = x[0];
    for (int64_t i = 1; i < n; i++) *most = x[i] > *most ? x[i] : *most;
    for (int64_t i = 0; i < n; i++) sum += expl(x[i] - *most);
    return sum;
}
static ct_tensor *softmax(ct_tensor *x, int64_t first) { return (void)first, ct_softmax(x, -1); }
static void plain_softmax(const long double *x, int64_t n, int64_t row, long double *y)
{
    long double most;
    const long double sum = exp_sum(x, n, &most);
    (void)row;
    for (int64_t i = 0; i < n; i++) y[i] = expl(x[i] - most) / sum;
}
static ct_tensor *log_softmax(ct_tensor *x, int64_t first) { return (void)first, ct_log_softmax(x, -1); }
static void plain_log_softmax(const long double *x, int64_t n, int64_t row, long double *y)
{
    long double most;
    const long double sum = exp_sum(x, n, &most);
    (void)row;
    for (int64_t i = 0; i < n; i++) y[i] = x[i] - most - logl(sum);
}
static ct_tensor *logsumexp(ct_tensor *x, int64_t first) { return (void)first, ct_logsumexp(x, ct_axes(-1), false); }
static void plain_logsumexp(const long double *x, int64_t n, int64_t row, long double *y)
{
    long double most;
    const long double sum = exp_sum(x, n, &most);
    (void)row;
    y[0] = most + logl(sum);
}
static ct_tensor *cross_entropy(ct_tensor *x, int64_t first)
{
    return ct_softmax_cross_entropy(x, labels(first, ct_dim(x, 0), ct_dim(x, 1)));
}
static void plain_cross_entropy(const long double *x, int64_t n, int64_t row, long double *y)
{
    long double most;
    const long double sum = exp_sum(x, n, &most);
    y[0] = most - x[class_of(row, n)] + logl(sum);
}
static ct_tensor *layer_norm(ct_tensor *x, int64_t first)
{
    const int64_t n = ct_dim(x, -1);
    (void)first;
    return ct_layer_norm(x, made_of(gamma_at, n, ct_dtype_of(x)), made_of(beta_at, n, ct_dtype_of(x)), EPS);
}
static void plain_layer_norm(const long double *x, int64_t n, int64_t row, long double *y)
{
    long double sum = 0, squares = 0;
    (void)row;
    for (int64_t i = 0; i < n; i++) sum += x[i];
    for (int64_t i = 0; i < n; i++) squares += (x[i] - sum / n) * (x[i] - sum / n);
    for (int64_t i = 0; i < n; i++) y[i] = (x[i] - sum / n) / sqrtl(squares / n + EPS) * gamma_at(i) + beta_at(i);
}

static ct_tensor *cumsum(ct_tensor *x, int64_t first) { return (void)first, ct_cumsum(x, -1); }

static const function functions[] = {
    {"softmax", softmax, plain_softmax, false},
    {"log_softmax", log_softmax, plain_log_softmax, false},
    {"logsumexp", logsumexp, plain_logsumexp, true},
    {"softmax_cross_entropy", cross_entropy, plain_cross_entropy, true},
    {"layer_norm", layer_norm, plain_layer_norm, false},
    {"cumsum", cumsum, NULL, false}, /* running_sums_beside_plain_loops */
};

/* ---- values ------------------------------------------------------------------------------------------- */

/* Rows as hard as they come: some elements far below the others, two that are the largest, an offset. */
static ct_tensor *rows_of(int64_t rows, int64_t n, ct_dtype dtype)
{
    ct_tensor *x = ct_uniform(ct_shape(rows, n), -4, 4, dtype);
    for (int64_t r = 0; r < rows; r++) {
        if (r % 4 == 1) ct_set(x, ct_index(r, n / 2), -90), ct_set(x, ct_index(r, 0), -2e3);
        if (r % 4 == 2) ct_set(x, ct_index(r, n - 1), 5), ct_set(x, ct_index(r, n / 3), 5);
        if (r % 4 == 3) ct_set(x, ct_index(r, n / 2), 40);
    }
    return x;
}

/* The worst error of a result, in units of 2^-24 (2^-53) of 1 + |y|. */
static double worst_error(const function *f, const ct_tensor *x, const ct_tensor *y)
{
    const int64_t n = ct_dim(x, 1);
    const double unit = ct_dtype_of(x) == CT_F32 ? 0x1p-24 : 0x1p-53;
    long double row[5000], expected[5000];
    double worst = 0;
    for (int64_t r = 0; r < ct_dim(x, 0); r++) {
        for (int64_t i = 0; i < n; i++) row[i] = ct_get(x, ct_index(r, i));
        f->plain(row, n, r, expected);
        for (int64_t i = 0; i < (f->narrow ? 1 : n); i++) {
            const double got = f->narrow ? ct_get(y, ct_index(r)) : ct_get(y, ct_index(r, i));
            const double error = (double)(fabsl(got - expected[i]) / (1 + fabsl(expected[i]))) / unit;
            if (!(error <= worst)) worst = error;
        }
    }
    return worst;
}

static void values_beside_plain_loops(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(functions); k++) {
        double worst[2] = {0, 0};
        if (!functions[k].plain) continue;
        for (int l = 0; l < COUNT(lengths) * 2; l++) {
            CT_SCOPE;
            const ct_dtype dtype = l % 2 ? CT_F64 : CT_F32;
            if (test_under_valgrind() && lengths[l / 2] > 40) continue;
            ct_tensor *x = rows_of(ROWS, lengths[l / 2], dtype);
            const double error = worst_error(&functions[k], x, functions[k].f(x, 0));
            if (error > worst[l % 2]) worst[l % 2] = error;
            if (!(error <= 12)) print_error("%s, %d: error %.2f\n", functions[k].name, lengths[l / 2], error);
            assert_true(error <= 12);
        }
        print_message("%-22s f32 %.2f, f64 %.2f\n", functions[k].name, worst[0], worst[1]);
    }
}

static bool same_bits(ct_tensor *a, ct_tensor *b)
{
    const size_t bytes = (size_t)ct_count_of(a) * ct_dtype_size(ct_dtype_of(a));
    return memcmp(ct_data(ct_contiguous(a)), ct_data(ct_contiguous(b)), bytes) == 0;
}

/* Running sums are sums in f64: those of f32 are off by their own rounding, those of f64 by a rounding of the largest sum so far for
 * each element. Rows, and views that must be copied first. */
static void running_sums_beside_plain_loops(void **state)
{
    (void)state;
    for (int l = 0; l < COUNT(lengths) * 4; l++) {
        CT_SCOPE;
        const int n = lengths[l / 4];
        if (test_under_valgrind() && n > 40) continue;
        ct_tensor *x = rows_of(ROWS, n, l % 2 ? CT_F64 : CT_F32), *view = x;
        if (l / 2 % 2) view = ct_transpose(ct_contiguous(ct_transpose(x)));
        ct_tensor *y = ct_cumsum(view, 1);
        for (int64_t r = 0; r < ROWS; r++) {
            long double sum = 0, most = 0;
            for (int64_t i = 0; i < n; i++) {
                sum += ct_get(x, ct_index(r, i));
                most = fabsl(sum) > most ? fabsl(sum) : most;
                const long double error = fabsl(ct_get(y, ct_index(r, i)) - sum);
                assert_true(error <= (l % 2 ? (double)i * 0x1p-53L * most : 0x1p-24L * fabsl(sum) + (double)n * 0x1p-53L * most));
            }
        }
    }
}

/* Sums of numbers that are not negative never fall, as rounding is monotonic where each is made of the one before it (f64; of f32 the sums
 * are exact but for a few in 2^29); the sums of the first part of a row are the first part of its sums; and a column's are those of a row. */
static void running_sums_never_fall_and_do_not_depend_on_what_follows(void **state)
{
    (void)state;
    enum { N = 1003 };
    for (int k = 0; k < 2; k++) {
        CT_SCOPE;
        const ct_dtype dtype = k ? CT_F64 : CT_F32;
        ct_tensor *x = ct_softmax(ct_mul(ct_normal(ct_shape(7, N), 0, 1, dtype), ct_scalar(6)), 1), *y = ct_cumsum(x, 1);
        for (int r = 0; r < 7; r++) {
            for (int i = 1; i < N; i++) assert_true(ct_get(y, ct_index(r, i)) >= ct_get(y, ct_index(r, i - 1)));
        }
        for (int n = 1; n < N; n += n < 20 ? 1 : 97) {
            ct_tensor *part = ct_cumsum(ct_contiguous(ct_slice(x, 1, 0, n, 1)), 1);
            assert_true(same_bits(part, ct_slice(y, 1, 0, n, 1)));
        }
        if (k) assert_true(same_bits(ct_transpose(ct_cumsum(ct_contiguous(ct_transpose(x)), 0)), y));
    }
}

/* Nor do they where sums in f64 are not exact, or what follows is NaN, wherever that begins; and a view, which is copied and summed in
 * place, has the same. */
static void running_sums_of_any_numbers_do_not_depend_on_what_follows(void **state)
{
    (void)state;
    enum { N = 77 };
    CT_SCOPE;
    ct_tensor *x = ct_mul(ct_normal(ct_shape(3, N), 0, 1, CT_F32), ct_exp(ct_mul(ct_normal(ct_shape(3, N), 0, 1, CT_F32), ct_scalar(20))));
    ct_tensor *y = ct_cumsum(x, 1);
    for (int n = 0; n < N; n++) {
        CT_SCOPE;
        ct_tensor *before = ct_slice(y, 1, 0, n, 1), *spoiled = ct_clone(x);
        for (int r = 0; r < 3; r++) ct_set(spoiled, ct_index(r, n), NAN);
        ct_tensor *z = ct_cumsum(spoiled, 1), *turned = ct_cumsum(ct_transpose(ct_contiguous(ct_transpose(x))), 1);
        assert_true(same_bits(ct_contiguous(ct_slice(z, 1, 0, n, 1)), before));
        assert_true(same_bits(turned, y));
        if (n) assert_true(same_bits(ct_cumsum(ct_contiguous(ct_slice(x, 1, 0, n, 1)), 1), before));
        for (int r = 0; r < 3; r++) {
            for (int i = n; i < N; i++) assert_true(isnan(ct_get(z, ct_index(r, i))));
        }
    }
}

/* Probabilities too small for a normal number are what exp gives. */
static void small_probabilities(void **state)
{
    (void)state;
    ct_tensor *s = ct_softmax(ct_of(ct_shape(5), CT_F32, 0, -95, -103, -110, -INFINITY), 0);
    const float *at = ct_data(s);
    assert_true(fabsf(at[1] - expf(-95)) <= 0x1p-149f && at[1] > 0);
    assert_true(fabsf(at[2] - expf(-103)) <= 0x1p-149f && at[2] > 0);
    assert_true(at[3] == 0 && at[4] == 0);
    s = ct_softmax(ct_of(ct_shape(4), CT_F64, 0, -740, -750, -INFINITY), 0);
    assert_true(fabs(ct_get(s, ct_index(1)) - exp(-740)) <= 0x1p-1074 && ct_get(s, ct_index(1)) > 0);
    assert_true(ct_get(s, ct_index(2)) == 0 && ct_get(s, ct_index(3)) == 0);
}

/* A mean of 10^4 with a deviation of 1: the rounding of the mean is 5e-4 of that and does not show. */
static void layer_norm_far_from_zero(void **state)
{
    (void)state;
    for (int l = 0; l < COUNT(lengths); l++) {
        CT_SCOPE;
        const int n = lengths[l];
        if (n < 3 || (test_under_valgrind() && n > 40)) continue;
        ct_tensor *x = ct_zeros(ct_shape(1, n), CT_F32);
        for (int i = 0; i < n; i++) ct_set(x, ct_index(0, i), 1e4 + (double)(i * 37 % 101) / 32);
        const double error = worst_error(&functions[4], x, layer_norm(x, 0));
        if (!(error <= 20)) print_error("%d: error %.2f\n", n, error);
        assert_true(error <= 20);
    }
}

/* ---- gradients ---------------------------------------------------------------------------------------- */

static ct_tensor *gradient(ct_tensor *y, ct_tensor *x, ct_tensor *u, bool formula)
{
    ct_tensor *g = NULL;
    assert_true(ct_grad(&y, &u, 1, &x, 1, &g, (ct_grad_options){.retain_graph = true, .create_graph = formula}));
    return ct_detach(g);
}

static void assert_near(const char *name, int n, ct_tensor *a, ct_tensor *b)
{
    const double unit = ct_dtype_of(a) == CT_F32 ? 0x1p-24 : 0x1p-53;
    const double scale = 1 + ct_item(ct_max(ct_abs(b), CT_ALL, false));
    const double error = ct_item(ct_max(ct_abs(ct_sub(a, b)), CT_ALL, false)) / scale / unit;
    if (!(error <= 40)) print_error("%s, %d: the fused gradient is off by %.1f\n", name, n, error);
    assert_true(error <= 40);
}

static void gradients_beside_their_formulas(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(functions); k++) {
        for (int l = 0; l < COUNT(lengths) * 2; l++) {
            CT_SCOPE;
            const int n = lengths[l / 2];
            if (test_under_valgrind() && n > 40) continue;
            ct_tensor *x = ct_requires_grad(rows_of(ROWS, n, l % 2 ? CT_F64 : CT_F32), true), *y = functions[k].f(x, 0);
            ct_tensor *u = ct_uniform(ct_shape_get(y), -1, 1, ct_dtype_of(y));
            assert_near(functions[k].name, n, gradient(y, x, u, false), gradient(y, x, u, true));
        }
    }
}

/* More rows than a part has, so that sums over rows are combined; and each gradient alone is that of all together. */
static void layer_norm_gradients_of_many_rows(void **state)
{
    (void)state;
    static const int rows[] = {1, 63, 64, 65, 129, 1000, 3000};
    for (int i = 0; i < COUNT(rows); i++) {
        CT_SCOPE;
        const int n = 96;
        if (test_under_valgrind() && rows[i] > 129) continue;
        ct_tensor *x = ct_requires_grad(ct_uniform(ct_shape(rows[i], n), -1, 1, CT_F64), true);
        ct_tensor *gamma = ct_requires_grad(made_of(gamma_at, n, CT_F64), true);
        ct_tensor *beta = ct_requires_grad(made_of(beta_at, n, CT_F64), true);
        ct_tensor *y = ct_layer_norm(x, gamma, beta, EPS), *u = ct_uniform(ct_shape_get(y), -1, 1, CT_F64);
        ct_tensor *in[] = {x, gamma, beta}, *all[3], *alone;
        assert_true(ct_grad(&y, &u, 1, in, 3, all, (ct_grad_options){.retain_graph = true}));
        for (int k = 0; k < 3; k++) {
            alone = gradient(y, in[k], u, false);
            assert_true(ct_equal(alone, all[k]));
            assert_near("layer_norm", rows[i], alone, gradient(y, in[k], u, true));
        }
    }
}

/* Results of 8 MB and more go past the caches where rows are whole lines: to the same bits as rows of a small result. */
static void large_layer_norms_are_those_of_their_rows(void **state)
{
    (void)state;
    enum { ROWS_OF = 2200, FEW = 40 };
    for (int k = 0; k < 4 && !test_under_valgrind(); k++) {
        CT_SCOPE;
        const ct_dtype dtype = k % 2 ? CT_F64 : CT_F32;
        const int n = (k / 2 ? 1023 : 1024) / (k % 2 + 1);
        ct_tensor *gamma = made_of(gamma_at, n, dtype), *beta = made_of(beta_at, n, dtype);
        ct_tensor *x = ct_requires_grad(ct_uniform(ct_shape(ROWS_OF, n), -1, 1, dtype), true), *u = ct_uniform(ct_shape(ROWS_OF, n), -1, 1, dtype);
        ct_tensor *y = ct_layer_norm(x, gamma, beta, EPS), *g = gradient(y, x, u, false);
        for (int r = 0; r < ROWS_OF; r += FEW) {
            CT_SCOPE;
            ct_tensor *few = ct_requires_grad(ct_contiguous(ct_slice(ct_detach(x), 0, r, r + FEW, 1)), true);
            ct_tensor *result = ct_layer_norm(few, gamma, beta, EPS);
            assert_true(same_bits(result, ct_contiguous(ct_slice(y, 0, r, r + FEW, 1))));
            assert_true(same_bits(gradient(result, few, ct_contiguous(ct_slice(u, 0, r, r + FEW, 1)), false),
                                  ct_contiguous(ct_slice(g, 0, r, r + FEW, 1))));
        }
    }
}

static void cross_entropy_of_every_kind_of_index(void **state)
{
    (void)state;
    ct_tensor *x = ct_uniform(ct_shape(70, 6), -2, 2, CT_F32), *t = labels(0, 70, 6);
    ct_tensor *rows = ct_softmax_cross_entropy(x, t), *mean = ct_softmax_cross_entropy_mean(x, t);
    assert_number(ct_item(mean), ct_item(ct_mean(ct_cast(rows, CT_F64), CT_ALL, false)), 1e-6);
    ct_tensor *twice = ct_reshape(ct_stack((ct_tensor *[]){t, t}, 2, 1), ct_shape(140));
    ct_tensor *others[] = {ct_cast(t, CT_I32), ct_cast(t, CT_U8), ct_slice(twice, 0, 0, 140, 2)};
    for (int i = 0; i < COUNT(others); i++) {
        assert_true(ct_equal(ct_softmax_cross_entropy(x, others[i]), rows));
        assert_true(ct_equal(ct_softmax_cross_entropy_mean(x, others[i]), mean));
    }
    assert_true(isnan(ct_item(ct_softmax_cross_entropy_mean(ct_zeros(ct_shape(0, 3), CT_F32), ct_zeros(ct_shape(0), CT_I64)))));
}

/* What the way back needs is made where there is one, and becomes the gradient in a sweep that is the last. */
static void cross_entropy_keeps_one_tensor(void **state)
{
    (void)state;
    enum { MANY = 130, N = 300, BYTES = MANY * N * 4 };
    ct_tensor *x = rows_of(MANY, N, CT_F32), *t = labels(0, MANY, N), *mean, *last;
    ct_memory_reset_peak();
    const int64_t before = ct_memory().bytes;
    ct_free(ct_softmax_cross_entropy_mean(x, t));
    assert_true(ct_memory().peak_bytes < before + BYTES);
    assert_true(ct_requires_grad(x, true));
    mean = ct_softmax_cross_entropy_mean(x, t);
    assert_in_range(ct_memory().bytes, before + BYTES, before + BYTES + BYTES / 2);
    const int64_t kept = ct_memory().bytes;
    ct_tensor *one = ct_full(ct_shape(), 1, CT_F32);
    const int scope = ct_scope_begin();
    assert_true(same_bits(gradient(mean, x, one, false), gradient(mean, x, one, false)));
    ct_scope_end(scope);
    ct_memory_reset_peak();
    assert_true(ct_grad(&mean, NULL, 1, &x, 1, &last, (ct_grad_options){.retain_graph = false}));
    assert_true(ct_memory().peak_bytes < kept + BYTES / 2);
    mean = ct_softmax_cross_entropy_mean(x, t);
    ct_tensor *first = gradient(mean, x, one, false);
    assert_true(ct_backward(mean));
    assert_true(same_bits(first, last) && same_bits(ct_grad_of(x), last));
}

static void look(void *context, const ct_traced_call *call)
{
    if (strcmp(call->operation, "ct_softmax_cross_entropy") == 0) *(int *)context = call->n_out;
}

/* It is a result of the operation, and no output, neither of the node nor for a tracer; so the cotangent of many rows may come as one number, repeated. */
static void what_cross_entropy_keeps_is_no_output(void **state)
{
    (void)state;
    enum { MANY = 20000, N = 3 };
    ct_tensor *x = ct_requires_grad(rows_of(MANY, N, CT_F32), true), *t = labels(0, MANY, N), *g;
    int outputs = 0;
    const ct_tracer before = ct_trace((ct_tracer){.call = look, .context = &outputs});
    ct_tensor *z = ct_softmax_cross_entropy(x, t), *ones = ct_full(ct_shape(MANY), 1, CT_F32);
    ct_trace(before);
    assert_int_equal(outputs, 1);
    ct_graph *graph = ct_graph_of(&z, 1);
    assert_non_null(graph);
    const ct_graph_node *node = &graph->node[graph->output[0].node];
    assert_int_equal(node->outputs, 1);
    assert_int_equal(node->kept_results, 1);
    assert_int_equal(node->kept, 3);
    assert_int_equal(node->kept_bytes, MANY * (2 * N * 4 + 8));
    ct_graph_free(graph);
    ct_tensor *given = gradient(z, x, ones, false);
    assert_true(ct_grad(&z, NULL, 1, &x, 1, &g, (ct_grad_options){0}));
    assert_true(same_bits(given, g));
}

/* ---- bits --------------------------------------------------------------------------------------------- */

/* y and the gradient of x, of the rows from .. to-1. */
static void some(const function *f, ct_tensor *x, ct_tensor *u, int64_t from, int64_t to, ct_tensor **y, ct_tensor **g)
{
    ct_tensor *part = ct_requires_grad(ct_clone(ct_slice(x, 0, from, to, 1)), true);
    *y = f->f(part, from);
    *g = gradient(*y, part, ct_slice(u, 0, from, to, 1), false);
    *y = ct_detach(*y);
}

static void a_row_is_the_same_everywhere(void **state)
{
    (void)state;
    enum { MANY = 67 };
    for (int k = 0; k < COUNT(functions); k++) {
        for (int l = 0; l < COUNT(lengths) * 2; l++) {
            CT_SCOPE;
            const int n = lengths[l / 2];
            if (n > 1100 || (test_under_valgrind() && n > 20)) continue;
            ct_tensor *x = rows_of(MANY, n, l % 2 ? CT_F64 : CT_F32), *y, *g, *one_y, *one_g;
            ct_tensor *u = ct_uniform(functions[k].narrow ? ct_shape(MANY) : ct_shape(MANY, n), -1, 1, ct_dtype_of(x));
            some(&functions[k], x, u, 0, MANY, &y, &g);
            for (int r = 0; r < MANY; r += r < 4 || r > 60 ? 1 : 13) {
                some(&functions[k], x, u, r, r + 1, &one_y, &one_g);
                assert_true(same_bits(one_y, ct_slice(y, 0, r, r + 1, 1)));
                assert_true(same_bits(one_g, ct_slice(g, 0, r, r + 1, 1)));
            }
        }
    }
}

/* Each with its share of the cotangent. */
static void the_mean_derives_each_row_as_such(void **state)
{
    (void)state;
    static const int counts[] = {1, 2, 3, 31, 32, 63, 64, 65, 130};
    for (int c = 0; c < COUNT(counts); c++) {
        for (int l = 0; l < COUNT(lengths) * 2; l++) {
            CT_SCOPE;
            const int n = lengths[l / 2], rows = counts[c];
            if (n > 300 || (test_under_valgrind() && (n > 20 || rows > 3))) continue;
            ct_tensor *x = ct_requires_grad(rows_of(rows, n, l % 2 ? CT_F64 : CT_F32), true), *t = labels(0, rows, n);
            ct_tensor *one = ct_full(ct_shape(), 1, ct_dtype_of(x)), *each = ct_full(ct_shape(rows), 1 / (double)rows, ct_dtype_of(x));
            ct_tensor *mean = ct_softmax_cross_entropy_mean(x, t), *single = ct_softmax_cross_entropy(x, t);
            assert_true(same_bits(gradient(mean, x, one, false), gradient(single, x, each, false)));
        }
    }
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    enum { MANY = 900, N = 130 };
    ct_tensor *x = ct_uniform(ct_shape(MANY, N), -3, 3, CT_F32), *u = ct_uniform(ct_shape(MANY, N), -1, 1, CT_F32);
    for (int k = 0; k < COUNT(functions); k++) {
        CT_SCOPE;
        ct_tensor *y[2], *g[2], *v = functions[k].narrow ? ct_contiguous(ct_select(u, 1, 0)) : u;
        for (int t = 0; t < 2; t++) {
            assert_true(ct_set_threads(1 + 3 * t));
            some(&functions[k], x, v, 0, MANY, &y[t], &g[t]);
        }
        assert_true(same_bits(y[0], y[1]) && same_bits(g[0], g[1]));
    }
    ct_tensor *in[] = {ct_requires_grad(made_of(gamma_at, N, CT_F32), true), ct_requires_grad(made_of(beta_at, N, CT_F32), true)};
    ct_tensor *y = ct_layer_norm(x, in[0], in[1], EPS), *g[2][2];
    for (int t = 0; t < 2; t++) {
        assert_true(ct_set_threads(1 + 3 * t));
        assert_true(ct_grad(&y, &u, 1, in, 2, g[t], (ct_grad_options){.retain_graph = true}));
    }
    assert_true(same_bits(g[0][0], g[1][0]) && same_bits(g[0][1], g[1][1]));
    assert_true(ct_set_threads(0));
}

/* ---- all of it again, with the kernels of smaller instruction sets ------------------------------------- */

static void smaller_instruction_sets_pass_too(void **state)
{
    (void)state;
    static const char *const sets[] = {"baseline", "avx2"};
    if (test_under_valgrind()) skip();    /* a process cannot start itself there */
    if (getenv("COTANGENT_ISA")) return; /* this is such a run */
    for (int i = 0; i < COUNT(sets) && strcmp(sets[i], ct_instruction_set()) != 0; i++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            char program[] = "/proc/self/exe", *arguments[] = {program, NULL};
            if (!freopen("/dev/null", "w", stdout) || setenv("COTANGENT_ISA", sets[i], 1) != 0) _exit(1);
            execv(program, arguments);
            _exit(1);
        }
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) print_error("the tests fail with the instruction set %s\n", sets[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

#define row_test(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        row_test(values_beside_plain_loops),
        row_test(running_sums_beside_plain_loops),
        row_test(running_sums_never_fall_and_do_not_depend_on_what_follows),
        row_test(running_sums_of_any_numbers_do_not_depend_on_what_follows),
        row_test(small_probabilities),
        row_test(layer_norm_far_from_zero),
        row_test(gradients_beside_their_formulas),
        row_test(layer_norm_gradients_of_many_rows),
        row_test(large_layer_norms_are_those_of_their_rows),
        row_test(cross_entropy_of_every_kind_of_index),
        row_test(cross_entropy_keeps_one_tensor),
        row_test(what_cross_entropy_keeps_is_no_output),
        row_test(the_mean_derives_each_row_as_such),
        row_test(a_row_is_the_same_everywhere),
        row_test(threads_change_no_bit),
        cmocka_unit_test(smaller_instruction_sets_pass_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
