/*
 * test_steady_state.c - a training step in steady state calls malloc zero times.
 *
 * malloc and its kin are interposed by this program, so that calls from BLIS and OpenMP count as well. Builds that bypass the
 * pools (sanitizers) skip the count, and so does a run with COTANGENT_POOL=0 (valgrind).
 */
#define _GNU_SOURCE
#include "support.h"

#include <errno.h>
#include <stdlib.h>

#ifndef CT_PLAIN_MALLOC
static long calls; /* changed atomically: worker threads count too */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static void count_call(void) { __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED); }

void *malloc(size_t size)
{
    count_call();
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size)
{
    count_call();
    return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size)
{
    count_call();
    return __libc_realloc(old, size);
}
void *memalign(size_t alignment, size_t size)
{
    count_call();
    return __libc_memalign(alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void **to, size_t alignment, size_t size)
{
    void *p = memalign(alignment, size);
    if (p) *to = p;
    return p ? 0 : ENOMEM;
}
static long calls_so_far(void) { return __atomic_load_n(&calls, __ATOMIC_RELAXED); }
#else
static long calls_so_far(void) { return 0; }
#endif

typedef struct training {
    ct_module *net;
    ct_optimizer *optimizer;
    ct_tensor *x, *y;
} training;

static void step(training *t)
{
    CT_SCOPE;
    ct_tensor *loss = ct_cross_entropy(ct_forward(t->net, t->x), t->y);
    assert_true(ct_backward(loss));
    assert_true(ct_optimizer_step(t->optimizer));
}

static void run(training t)
{
    for (int i = 0; i < 5; i++) step(&t); /* fills the pools; BLIS and OpenMP make theirs */
    const long before = calls_so_far();
    const int64_t own = ct_count().mallocs;
    for (int i = 0; i < 20; i++) step(&t);
    if (test_pooled()) {
        assert_int_equal(ct_count().mallocs - own, 0);
        assert_int_equal(calls_so_far() - before, 0);
    }
    ct_optimizer_free(t.optimizer);
    ct_module_free(t.net);
    ct_free(t.x);
    ct_free(t.y);
    assert_clean();
}

static ct_tensor *labels(int64_t n, int64_t classes)
{
    ct_tensor *y = ct_zeros(ct_shape(n), CT_I64);
    for (int64_t i = 0; i < n; i++) ct_set(y, ct_index(i), (double)(i % classes));
    return y;
}

static void a_small_network_needs_no_malloc(void **state)
{
    (void)state;
    ct_seed(1);
    ct_module *net = ct_nn_sequential(ct_nn_linear(6, 8), ct_nn_tanh(), ct_nn_linear(8, 3));
    run((training){net, ct_optim_sgd(net, 0.1), ct_uniform(ct_shape(4, 6), -1, 1, CT_F32), labels(4, 3)});
}

static void a_large_network_on_two_threads_needs_no_malloc(void **state)
{
    (void)state;
    ct_seed(1);
    assert_true(ct_set_threads(2));
    ct_module *net = ct_nn_sequential(ct_nn_linear(784, 128), ct_nn_relu(), ct_nn_dropout(0.1), ct_nn_linear(128, 10));
    run((training){net, ct_optim_adam(net, 1e-3), ct_uniform(ct_shape(64, 784), 0, 1, CT_F32), labels(64, 10)});
    assert_true(ct_set_threads(0));
}

/* The interposed functions must be the ones that run: else the zero above means nothing. */
static void the_counter_counts(void **state)
{
    (void)state;
    const long before = calls_so_far();
    ct_tensor *t = ct_zeros(ct_shape(1 << 20), CT_F64);
    if (test_pooled()) assert_true(calls_so_far() > before);
    ct_free(t);
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counter_counts),
        cmocka_unit_test(a_small_network_needs_no_malloc),
        cmocka_unit_test(a_large_network_on_two_threads_needs_no_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
