/*
 * test_threads.c - the number of threads changes the time, never a bit of a result.
 *
 * Shapes are large enough that products, reductions and pointwise passes are cut into parts, and counters show that they were:
 * else equal bits would mean nothing. Also: threads of the user's own, and a forked child.
 */
#define _GNU_SOURCE
#include "support.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const int thread_counts[] = {1, 2, 3};

/* ---- training ---- */

/* Trains a net for a few steps from a fixed seed and returns all of its weights as one array. */
static float *trained_weights(int threads, int64_t *count)
{
    ct_seed(11);
    assert_true(ct_set_threads(threads));
    ct_module *net = ct_nn_sequential(ct_nn_linear(784, 256), ct_nn_relu(), ct_nn_dropout(0.2), ct_nn_linear(256, 10));
    ct_optimizer *adam = ct_optim_adam(net, 1e-3);
    ct_tensor *x = ct_uniform(ct_shape(512, 784), 0, 1, CT_F32), *y = ct_zeros(ct_shape(512), CT_I64);
    for (int64_t i = 0; i < 512; i++) ct_set(y, ct_index(i), (double)(i % 10));
    for (int i = 0; i < 3; i++) {
        CT_SCOPE;
        assert_true(ct_backward(ct_cross_entropy(ct_forward(net, x), y)));
        assert_true(ct_optimizer_step(adam));
    }
    ct_tensor *parameters[4];
    assert_int_equal(ct_module_parameters(net, parameters, 4), 4);
    *count = ct_module_count(net);
    float *all = malloc((size_t)*count * sizeof *all), *at = all;
    for (int i = 0; i < 4; i++) {
        assert_true(ct_copy_out(parameters[i], at, (size_t)ct_count_of(parameters[i]) * sizeof *at));
        at += ct_count_of(parameters[i]);
    }
    ct_optimizer_free(adam);
    ct_module_free(net);
    ct_free(x);
    ct_free(y);
    assert_true(ct_set_threads(0));
    return all;
}

static void the_same_seed_gives_the_same_weights(void **state)
{
    (void)state;
    int64_t n;
    const ct_counters before = ct_count();
    float *reference = trained_weights(1, &n);
    for (size_t i = 1; i < sizeof thread_counts / sizeof thread_counts[0]; i++) {
        float *other = trained_weights(thread_counts[i], &n);
        assert_memory_equal(other, reference, (size_t)n * sizeof *other);
        free(other);
    }
    const ct_counters after = ct_count();
    assert_true(after.parallel_gemms > before.parallel_gemms);
    assert_true(after.parallel_regions > before.parallel_regions);
    free(reference);
    assert_clean();
}

/* ---- single operations ---- */

typedef ct_tensor *(*operation)(ct_tensor *x);
static ct_tensor *sum_all(ct_tensor *x) { return ct_sum(x, CT_ALL, false); }
static ct_tensor *sum_rows(ct_tensor *x) { return ct_sum(x, ct_axes(0), false); }
static ct_tensor *sum_columns(ct_tensor *x) { return ct_sum(x, ct_axes(1), false); }
static ct_tensor *norm_all(ct_tensor *x) { return ct_norm(x, CT_ALL, false); }
static ct_tensor *var_all(ct_tensor *x) { return ct_var(x, CT_ALL, 1, false); }
static ct_tensor *max_all(ct_tensor *x) { return ct_max(x, CT_ALL, false); }
static ct_tensor *lse_rows(ct_tensor *x) { return ct_logsumexp(x, ct_axes(0), false); }
static ct_tensor *soft(ct_tensor *x) { return ct_softmax(x, -1); }
static ct_tensor *gram(ct_tensor *x) { return ct_matmul(ct_transpose(x), x); }
static ct_tensor *outer_gram(ct_tensor *x) { return ct_matmul(x, ct_transpose(x)); }
static ct_tensor *sigmoid_of_transposed(ct_tensor *x) { return ct_sigmoid(ct_transpose(x)); }
static ct_tensor *batch(ct_tensor *x)
{
    ct_tensor *b = ct_reshape(ct_slice(x, 0, 0, 512, 1), ct_shape(8, 64, 515));
    return ct_matmul(b, ct_permute(b, ct_axes(0, 2, 1)));
}

static void operations_give_the_same_bits(void **state)
{
    (void)state;
    const operation operations[] = {ct_exp,   sum_all, sum_rows, sum_columns, norm_all,              var_all, max_all,
                                    lse_rows, soft,    gram,     outer_gram,  sigmoid_of_transposed, batch};
    const ct_counters before = ct_count();
    for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
        for (size_t k = 0; k < sizeof operations / sizeof operations[0]; k++) {
            CT_SCOPE;
            ct_seed(3);
            ct_tensor *x = ct_normal(ct_shape(1031, 515), 0, 1, (ct_dtype)dtype), *reference = NULL;
            for (size_t i = 0; i < sizeof thread_counts / sizeof thread_counts[0]; i++) {
                assert_true(ct_set_threads(thread_counts[i]));
                ct_tensor *y = operations[k](x);
                assert_non_null(y);
                if (!reference) reference = y;
                if (!ct_equal(y, reference)) print_error("operation %zu differs with %d threads\n", k, thread_counts[i]);
                assert_true(ct_equal(y, reference));
            }
        }
    }
    assert_true(ct_set_threads(0));
    const ct_counters after = ct_count();
    assert_true(after.parallel_reductions > before.parallel_reductions);
    assert_true(after.parallel_gemms > before.parallel_gemms);
    assert_clean();
}

/* ---- threads of the user's own ---- */

static void *work_in_a_thread(void *shared)
{
    ct_tensor *w = shared;
    double *sum = malloc(sizeof *sum);
    {
        CT_SCOPE;
        ct_tensor *x = ct_ones(ct_shape(1, 3), CT_F64), *g, *y = ct_sum(ct_matmul(x, ct_square(w)), CT_ALL, false);
        *sum = ct_grad(&y, NULL, 1, &w, 1, &g, (ct_grad_options){0}) ? ct_item(ct_sum(g, CT_ALL, false)) : NAN;
        ct_matmul(x, x); /* an error of this thread alone */
        if (!ct_error()) *sum = NAN;
        ct_clear_error();
    }
    return sum;
}

static void threads_have_errors_and_scopes_of_their_own(void **state)
{
    (void)state;
    ct_tensor *w = ct_share(ct_requires_grad(ct_full(ct_shape(3, 3), 0.5, CT_F64), true));
    for (int round = 0; round < 20; round++) {
        pthread_t thread;
        void *sum;
        assert_int_equal(pthread_create(&thread, NULL, work_in_a_thread, w), 0);
        assert_int_equal(pthread_join(thread, &sum), 0);
        assert_number(*(double *)sum, 9, 0);
        free(sum);
        assert_null(ct_error());
    }
    ct_free(w);
    assert_clean();
}

static void a_forked_child_works_with_one_thread(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_set_threads(2);
        ct_tensor *x = ct_uniform(ct_shape(512, 512), 0, 1, CT_F32), *y = ct_matmul(x, x);
        const pid_t child = fork();
        if (child == 0) _exit(ct_threads() == 1 && ct_equal(ct_matmul(x, x), y) ? 0 : 1);
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        ct_set_threads(0);
    }
    assert_clean();
}

static void thread_counts_are_checked(void **state)
{
    (void)state;
    assert_false(ct_set_threads(-1));
    ct_here_error(__FILE__, __LINE__);
    assert_error(CT_ERROR_VALUE, "ct_set_threads", "-1 threads");
    assert_clean();
}

/* The kernels chosen are those that the compiler's own test of the processor names. */
static void the_instruction_set_is_the_processors(void **state)
{
    (void)state;
#ifdef CT__HAVE_X86_VARIANTS
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (!getenv("COTANGENT_ISA")) assert_string_equal(ct_instruction_set(), avx512 ? "avx512" : avx2 ? "avx2" : "baseline");
#endif
    assert_clean();
}

/* ---- results larger than caches ---- */

/* Such results go past the caches, in whole lines; here lines are cut at the ends of rows and of the array. */
static void large_results_are_what_small_ones_are(void **state)
{
    (void)state;
    enum { ROWS = 3001, COLUMNS = 2803 };
    {
        CT_SCOPE;
        ct_tensor *x = ct_reshape(ct_arange(0, (double)ROWS * COLUMNS, 1, CT_F32), ct_shape(ROWS, COLUMNS));
        ct_tensor *row = ct_arange(0, COLUMNS, 1, CT_F32);
        ct_tensor *sum = ct_add(x, row), *flat = ct_add(x, x), *turned = ct_contiguous(ct_transpose(x));
        ct_tensor *wide = ct_contiguous(ct_transpose(ct_cast(x, CT_F64)));
        ct_tensor *bytes = ct_contiguous(ct_transpose(ct_gt(x, ct_scalar(5000))));
        const float *running = ct_data(ct_cumsum(x, 1));
        const float *s = ct_data(sum), *f = ct_data(flat), *t = ct_data(turned);
        const double *w = ct_data(wide);
        const bool *b = ct_data(bytes);
        int64_t wrong = 0;
        for (int64_t i = 0; i < ROWS; i++) {
            double total = 0; /* whole numbers, so exact */
            for (int64_t j = 0; j < COLUMNS; j++) {
                const int64_t n = i * COLUMNS + j, m = j * ROWS + i;
                const float value = (float)n;
                wrong += running[n] != (float)(total += value);
                wrong += s[n] != value + (float)j || f[n] != value + value || t[m] != value || w[m] != value || b[m] != (value > 5000);
            }
        }
        assert_int_equal(wrong, 0);
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_results_are_what_small_ones_are),
        cmocka_unit_test(the_same_seed_gives_the_same_weights),
        cmocka_unit_test(operations_give_the_same_bits),
        cmocka_unit_test(threads_have_errors_and_scopes_of_their_own),
        cmocka_unit_test(a_forked_child_works_with_one_thread),
        cmocka_unit_test(thread_counts_are_checked),
        cmocka_unit_test(the_instruction_set_is_the_processors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
