/*
 * test_chain.c - chains of kernels (src/tensor/chain.h) against the same arithmetic element by element.
 *
 * Sizes lie around blocks, parts and the limit beyond which results go past the caches; operands are dense, transposed, repeated along an
 * axis and repeated everywhere; registers are virtual, or in memory, or both written and read again.
 */
#include "support.h"

#include "tensor/chain.h"

static void multiply_add(int64_t n, char *const *p, const double *params)
{
    double *z = (double *)(void *)p[0];
    const double *x = (const double *)(const void *)p[1], *y = (const double *)(const void *)p[2];
    for (int64_t i = 0; i < n; i++) z[i] = params[0] * x[i] + y[i];
}

/* Two results: the larger and the smaller. */
static void sort_two(int64_t n, char *const *p, const double *params)
{
    (void)params;
    double *high = (double *)(void *)p[0], *low = (double *)(void *)p[1];
    const double *x = (const double *)(const void *)p[2], *y = (const double *)(const void *)p[3];
    for (int64_t i = 0; i < n; i++) high[i] = x[i] > y[i] ? x[i] : y[i];
    for (int64_t i = 0; i < n; i++) low[i] = x[i] > y[i] ? y[i] : x[i];
}

static const double two[] = {2}, minus[] = {-1};

static void add_step(ct__chain *c, ct__kernel kernel, const double *params, int outputs, int count, const int *operand)
{
    ct__chain_step *s = &c->step[c->steps++];
    *s = (ct__chain_step){.kernel = kernel, .params = {params ? params[0] : 0}, .outputs = (uint8_t)outputs, .count = (uint8_t)count, .cost = 1};
    for (int k = 0; k < count; k++) s->operand[k] = (uint8_t)operand[k];
}

/* u = 2 x + y, (h, l) = sort(u, w), v = 2 h + l (kept), r = -v + w, s = 2 r + r (kept) */
static void check(ct_tensor *x, ct_tensor *y, ct_tensor *w)
{
    ct_tensor *v = ct__tensor_like("test", x, CT_F64), *s = ct__tensor_like("test", x, CT_F64);
    assert_non_null(s);
    static ct__chain c;
    c.steps = c.registers = 0;
    const int rx = ct__chain_register(&c, x), ry = ct__chain_register(&c, y), rw = ct__chain_register(&c, w);
    const int u = ct__chain_register(&c, NULL), h = ct__chain_register(&c, NULL), l = ct__chain_register(&c, NULL);
    const int rv = ct__chain_register(&c, v), r = ct__chain_register(&c, NULL), rs = ct__chain_register(&c, s);
    add_step(&c, multiply_add, two, 1, 3, (const int[]){u, rx, ry});
    add_step(&c, sort_two, NULL, 2, 4, (const int[]){h, l, u, rw});
    add_step(&c, multiply_add, two, 1, 3, (const int[]){rv, h, l});
    add_step(&c, multiply_add, minus, 1, 3, (const int[]){r, rv, rw});
    add_step(&c, multiply_add, two, 1, 3, (const int[]){rs, r, r});
    ct__chain_run(&c, CT_F64, x->count);
    int64_t i = 0, wrong = 0;
    const double *at_v = (const double *)(const void *)v->data, *at_s = (const double *)(const void *)s->data;
    for (ct__walk k = ct__walk_start(x->rank, x->dim); k.more; ct__walk_next(&k), i++) {
        const double a = *(const double *)(const void *)(x->data + 8 * ct__walk_offset(&k, x->stride));
        const double b = *(const double *)(const void *)(y->data + 8 * ct__walk_offset(&k, y->stride));
        const double d = *(const double *)(const void *)(w->data + 8 * ct__walk_offset(&k, w->stride));
        const double e = 2 * a + b, f = 2 * fmax(e, d) + fmin(e, d), g = -f + d;
        wrong += at_v[i] != f || at_s[i] != 2 * g + g;
    }
    assert_int_equal(i, x->count);
    assert_int_equal(wrong, 0);
}

static void check_all(int64_t rows, int64_t columns)
{
    CT_SCOPE;
    ct_tensor *x = ct_uniform(ct_shape(rows, columns), -1, 1, CT_F64);
    ct_tensor *turned = ct_transpose(ct_uniform(ct_shape(columns, rows), -1, 1, CT_F64));
    ct_tensor *row = ct_expand(ct_uniform(ct_shape(1, columns), -1, 1, CT_F64), ct_shape(rows, columns));
    ct_tensor *column = ct_expand(ct_uniform(ct_shape(rows, 1), -1, 1, CT_F64), ct_shape(rows, columns));
    ct_tensor *one = ct_expand(ct_full(ct_shape(), 0.25, CT_F64), ct_shape(rows, columns));
    check(x, x, x);
    check(x, turned, one);
    check(one, row, x);
    check(column, x, turned);
    check(turned, turned, turned);
}

static void chains_are_what_their_steps_are(void **state)
{
    (void)state;
    static const int64_t size[][2] = {{1, 1}, {1, 7}, {3, 5}, {1, 511}, {2, 256}, {27, 19}, {64, 64}, {3, 1000}, {37, 501}, {200, 333},
                                      {1, 131072}, {129, 1024}};
    const int n = sizeof size / sizeof size[0] - (test_under_valgrind() ? 2 : 0);
    for (int threads = 1; threads <= 3; threads += 2) {
        ct_set_threads(threads);
        for (int i = 0; i < n; i++) check_all(size[i][0], size[i][1]);
    }
    ct_set_threads(0);
    assert_clean();
}

/* More than caches keep: results go past them, and the last blocks are not whole. */
static void long_chains_are_as_well(void **state)
{
    (void)state;
    if (test_under_valgrind()) return;
    ct_set_threads(2);
    check_all(601, 907);
    ct_set_threads(0);
    assert_clean();
}

/* So many registers alive at a time that blocks are short. */
static void many_registers(void **state)
{
    (void)state;
    enum { N = 60, COUNT = 5000 };
    {
        CT_SCOPE;
        ct_tensor *x = ct_uniform(ct_shape(COUNT), -1, 1, CT_F64), *y = ct__tensor_like("test", x, CT_F64);
        static ct__chain c;
        c.steps = c.registers = 0;
        int r[N], sum = ct__chain_register(&c, x), last = ct__chain_register(&c, y);
        for (int i = 0, before = sum; i < N / 2; i++, before = r[i - 1])
            add_step(&c, multiply_add, two, 1, 3, (const int[]){r[i] = ct__chain_register(&c, NULL), before, sum});
        for (int i = N / 2 - 1; i >= 0; i--) { /* the youngest first: all are alive in the middle */
            const int to = i ? ct__chain_register(&c, NULL) : last;
            add_step(&c, multiply_add, minus, 1, 3, (const int[]){to, r[i], sum});
            sum = to;
        }
        ct__chain_run(&c, CT_F64, COUNT);
        for (int k = 0; k < COUNT; k++) {
            const double v = ((const double *)(const void *)x->data)[k];
            double u[N / 2], s = v;
            for (int i = 0; i < N / 2; i++) u[i] = 2 * (i ? u[i - 1] : v) + v;
            for (int i = N / 2 - 1; i >= 0; i--) s = -u[i] + s;
            assert_true(((const double *)(const void *)y->data)[k] == s);
        }
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_are_what_their_steps_are),
        cmocka_unit_test(long_chains_are_as_well),
        cmocka_unit_test(many_registers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
