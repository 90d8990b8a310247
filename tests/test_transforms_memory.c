/*
 * test_transforms_memory.c - transforms and captured steps when memory runs out: each allocation of each fails once. What remains is an
 * error, no result, and nothing alive.
 *
 * The pools are off, so that every request goes to posix_memalign, which this program interposes. Sanitizers interpose it
 * themselves; there is nothing to do then.
 */
#define _GNU_SOURCE
#include "support.h"

#include <errno.h>

#ifndef CT_PLAIN_MALLOC
static long requests, failing; /* the request that fails; 0: none */

void *__libc_memalign(size_t alignment, size_t size);

int posix_memalign(void **to, size_t alignment, size_t size)
{
    requests++;
    void *p = requests == failing ? NULL : __libc_memalign(alignment, size);
    if (p) *to = p;
    return p ? 0 : ENOMEM;
}

static ct_tensor *parameter; /* captured: what is differentiated is recorded itself */

/* sum of tanh(A x)^2 with parts that stack, slice and select */
static int smooth(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    ct_tensor *y = ct_tanh(ct_matmul(parameter, in[0])), *parts[] = {ct_slice(y, 0, 0, 2, 1), ct_slice(in[0], 0, 1, 3, 1)};
    out[0] = ct_concat(parts, 2, 0);
    return out[0] ? 0 : 1;
}
static int energy(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *y = NULL;
    if (smooth(context, in, &y)) return 1;
    out[0] = ct_sum(ct_square(y), CT_ALL, false);
    return out[0] ? 0 : 1;
}
static int jacobian_inside(void *context, ct_tensor *const *in, ct_tensor **out)
{
    return (out[0] = ct_jacobian(smooth, context, in[0], CT_MODE_FORWARD)) ? 0 : 1;
}

typedef bool (*transform)(ct_tensor *x, ct_tensor **result);

static bool jvp(ct_tensor *x, ct_tensor **result) { return ct_jvp(smooth, NULL, &x, &x, 1, &result[0], &result[1], 1); }
static bool vjp(ct_tensor *x, ct_tensor **result)
{
    ct_tensor *u = ct_ones(ct_shape(4), CT_F64);
    const bool ok = u && ct_vjp(smooth, NULL, &x, 1, &u, &result[0], 1, &result[1]);
    ct_free(u);
    return ok;
}
static bool value_and_grad(ct_tensor *x, ct_tensor **result)
{
    return ct_value_and_grad(energy, NULL, &x, 1, &result[0], &result[1]);
}
static bool rows(ct_tensor *x, ct_tensor **result) { return (result[0] = ct_jacobian(smooth, NULL, x, CT_MODE_REVERSE)) != NULL; }
static bool columns(ct_tensor *x, ct_tensor **result)
{
    return (result[0] = ct_jacobian(smooth, NULL, x, CT_MODE_FORWARD)) != NULL;
}
static bool nested(ct_tensor *x, ct_tensor **result)
{
    return (result[0] = ct_jacobian(jacobian_inside, NULL, x, CT_MODE_REVERSE)) != NULL;
}
static bool hessian(ct_tensor *x, ct_tensor **result) { return (result[0] = ct_hessian(energy, NULL, x)) != NULL; }
static bool hvp(ct_tensor *x, ct_tensor **result) { return ct_hvp(energy, NULL, &x, &x, 1, &result[0], &result[1]); }
static bool taylor(ct_tensor *x, ct_tensor **result) { return ct_taylor(energy, NULL, x, x, 3, result); }
static bool linear(ct_tensor *x, ct_tensor **result)
{
    ct_linear_map *map = ct_linearize(smooth, NULL, &x, 1, &result[0], 1);
    const bool ok = map && ct_linear_apply(map, &x, &result[1]) && ct_linear_transpose(map, &result[1], &result[2]);
    ct_linear_free(map);
    return ok;
}

/* A step with more tensors than a script has room for at first, with fused derivatives and a leaf; captured, and replayed. */
static int step(void *context)
{
    CT_SCOPE;
    ct_tensor *x = context, *y = x, *zeros = ct_zeros(ct_shape(3), CT_F64);
    ct_zero_grad(parameter);
    for (int i = 0; i < 12; i++) y = ct_tanh(ct_add(ct_matmul(parameter, y), x));
    if (zeros) ct_add_(zeros, 1, ct_detach(y));
    ct_backward(ct_sum(ct_mul(y, zeros), CT_ALL, false));
    return 0;
}
static bool captured(ct_tensor *x, ct_tensor **result)
{
    (void)result;
    ct_captured *c = ct_capture(step, x);
    const bool ok = c && ct_replay(c);
    ct_captured_free(c);
    const bool failed = ct_error() != NULL;
    const ct_status status = failed ? ct_error()->status : CT_ERROR_USER;
    ct_clear_error(); /* ct_zero_grad refuses while one is pending */
    ct_zero_grad(parameter);
    if (failed) ct_raise(status, "captured", "see above");
    return ok;
}

static void free_all(ct_tensor **result)
{
    for (int i = 0; i < 4; i++) {
        ct_free(result[i]);
        result[i] = NULL;
    }
}

/* Without a scope outside, so that nothing cleans up behind the transform. */
static void check(transform run)
{
    ct_tensor *x = ct_of(ct_shape(3), CT_F64, 0.1, -0.2, 0.3), *result[4] = {0};
    parameter = ct_requires_grad(ct_uniform(ct_shape(3, 3), -1, 1, CT_F64), true);
    requests = failing = 0;
    assert_true(run(x, result));
    const long all = requests;
    assert_true(all > 20);
    free_all(result);
    const ct_memory_info before = ct_memory();
    for (long k = 1; k <= all; k++) {
        requests = 0;
        failing = k;
        const bool ok = run(x, result);
        failing = 0;
        assert_false(ok);
        assert_non_null(ct_error());
        assert_int_equal(ct_error()->status, CT_ERROR_MEMORY);
        ct_clear_error();
        if (run != linear) {
            for (int i = 0; i < 4; i++) assert_null(result[i]);
        }
        free_all(result);
        const ct_memory_info after = ct_memory();
        assert_int_equal(after.tensors, before.tensors);
        assert_int_equal(after.nodes, before.nodes);
        assert_int_equal(after.storages, before.storages);
        assert_int_equal(after.bytes, before.bytes);
    }
    ct_free(parameter);
    ct_free(x);
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    const transform all[] = {jvp, vjp, value_and_grad, linear, rows, columns, nested, hessian, hvp, taylor, captured};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) check(all[i]);
    assert_clean();
}
#else
static void every_allocation_fails_once(void **state) { (void)state; }
#endif

int main(void)
{
    setenv("COTANGENT_POOL", "0", 1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_fails_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
