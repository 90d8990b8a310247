/*
 * test_region.c - reverse sweeps that run pointwise nodes in regions (src/autograd/region.h) against the same sweeps node by node.
 *
 * Graphs are made at random: values used several times, parts that need no gradient, operands transposed and repeated, hooks, targets
 * and other operations in the middle. Kernels and the order of sums are the same either way, so gradients are compared bit by bit.
 */
#include "support.h"

#include <cotangent/custom.h>

#include "autograd/region.h"

enum { LEAVES = 5, VALUES = 24, MOST_GRADS = 2 * LEAVES };

/* ---- random graphs ---- */

static uint64_t drawn;
static int draw(int n)
{
    drawn = drawn * 6364136223846793005u + 1442695040888963407u;
    return (int)((drawn >> 33) % (uint64_t)n);
}

typedef struct plan {
    uint64_t seed;
    int64_t rows, columns;
    ct_dtype dtype;
    bool values_as_targets, retain, leaves_collect;
} plan;

typedef struct graph {
    ct_tensor *leaf[LEAVES], *value[VALUES];
    int leaves, values;
} graph;

static int doubling(ct_tensor *g, ct_tensor **replacement, void *context)
{
    ++*(int *)context;
    *replacement = ct_add(g, g);
    return *replacement ? 0 : 1;
}

/* (2 x, 3 x): an operation of several outputs. */
static int split_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    (void)saved;
    out[0] = ct_mul(c->in[0], ct_scalar(2));
    out[1] = ct_mul(c->in[0], ct_scalar(3));
    return out[0] && out[1] ? 0 : 1;
}
static int split_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    (void)c;
    dx[0] = ct_add(ct_mul(dy[0], ct_scalar(2)), ct_mul(dy[1], ct_scalar(3)));
    return dx[0] ? 0 : 1;
}
static const ct_operation split_definition = {.name = "region_split", .inputs = "x", .outputs = "two, three", .doc = "(2 x, 3 x)",
                                              .forward = split_forward, .vjp = split_vjp};
static ct_tensor *split(ct_tensor *x, bool both)
{
    ct_tensor *out[2];
    if (!ct_apply_all(ct_register(&split_definition), &x, 1, NULL, out)) return NULL;
    return both ? ct_mul(out[0], ct_add(out[0], out[1])) : out[1];
}

/* A leaf, or a constant: dense, transposed, a row, a column or a number, which are repeated. */
static ct_tensor *operand(graph *g, const plan *p)
{
    const int kind = draw(9);
    const ct_shape all = ct_shape(p->rows, p->columns);
    const ct_shape shape[] = {ct_shape(p->columns, p->rows), ct_shape(p->columns), ct_shape(p->rows, 1), ct_shape()};
    ct_tensor *x = ct_uniform(kind < 4 ? shape[kind] : all, 0.25, 1, p->dtype);
    if (draw(4) && g->leaves < LEAVES) g->leaf[g->leaves++] = ct_requires_grad(x, true);
    return kind == 0 ? ct_transpose(x) : kind < 4 ? ct_expand(x, all) : x;
}

static ct_tensor *combine(ct_tensor *x, ct_tensor *y)
{
    switch (draw(20)) {
    case 0: return ct_add(x, y);
    case 1: return ct_sub(x, y);
    case 2: return ct_mul(x, y);
    case 3: return ct_div(x, ct_add(ct_square(y), ct_scalar(1)));
    case 4: return ct_maximum(x, y);
    case 5: return ct_hypot(x, y);
    case 6: return ct_neg(x);
    case 7: return ct_tanh(x);
    case 8: return ct_sigmoid(x);
    case 9: return ct_exp(ct_tanh(x));
    case 10: return ct_relu(x);
    case 11: return ct_leaky_relu(x, 0.125);
    case 12: return ct_clamp(x, -0.5, 0.5);
    case 13: return ct_mul(ct_floor(ct_add(x, y)), x);
    case 14: return ct_add(x, x);
    case 15: return ct_softmax(x, 1); /* no pointwise operation */
    case 16: return ct_mul(ct_transpose(ct_transpose(x)), y);
    case 17: return ct_sub(y, ct_mean(x, ct_axes(0), true)); /* repeated along an axis */
    case 18: return split(x, draw(2));
    default: return ct_mul(ct_sin(x), ct_cos(y));
    }
}

/* The same graph for the same seed. Hooks count in *hooks. */
static void make(graph *g, const plan *p, int *hooks)
{
    *g = (graph){0};
    drawn = p->seed;
    ct_seed(p->seed);
    g->leaf[g->leaves++] = g->value[0] = ct_requires_grad(ct_uniform(ct_shape(p->rows, p->columns), 0.25, 1, p->dtype), true);
    g->values = 1;
    const int n = 3 + draw(VALUES - 3);
    while (g->values < n) {
        ct_tensor *x = g->value[draw(3) ? g->values - 1 : draw(g->values)];
        ct_tensor *y = draw(3) ? g->value[draw(g->values)] : operand(g, p), *z = draw(8) ? combine(x, y) : combine(y, x);
        assert_non_null(z);
        if (draw(12) == 0 && ct_needs_grad(z)) assert_true(ct_add_hook(z, doubling, hooks));
        g->value[g->values++] = z;
    }
}

/* Gradients of a sum, of the last value as it is, or of two values together. */
static int gradients(graph *g, const plan *p, ct_tensor **grads)
{
    ct_tensor *last = g->value[g->values - 1], *other = g->value[g->values / 2];
    if (!ct_needs_grad(last)) return 0;
    const int kind = draw(3);
    ct_tensor *outputs[] = {kind == 0 ? ct_sum(last, CT_ALL, false) : last, other};
    const int n = kind == 2 && ct_needs_grad(other) ? 2 : 1;
    const ct_grad_options options = {.retain_graph = p->retain};
    ct_tensor *inputs[MOST_GRADS];
    int count = 0;
    for (int i = 0; i < g->leaves; i++) inputs[count++] = g->leaf[i];
    for (int i = 1; p->values_as_targets && i < g->values && count < MOST_GRADS; i += 5) {
        if (ct_needs_grad(g->value[i])) inputs[count++] = g->value[i];
    }
    for (int round = 0; round <= p->retain; round++) {
        if (!p->leaves_collect) {
            assert_true(ct_grad(outputs, NULL, n, inputs, count, grads, options));
            continue;
        }
        assert_true(ct_backward_with(outputs, NULL, n, options));
        for (int i = 0; i < count; i++) grads[i] = i < g->leaves && ct_has_grad(g->leaf[i]) ? ct_grad_of(g->leaf[i]) : NULL;
    }
    return count;
}

static void assert_same_bits(const ct_tensor *a, const ct_tensor *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (!a) return;
    const int64_t count = ct_count_of(a);
    assert_int_equal(count, ct_count_of(b));
    const size_t bytes = (size_t)count * (ct_dtype_of(a) == CT_F32 ? 4 : 8);
    char *p = malloc(bytes + 1), *q = malloc(bytes + 1);
    assert_true(p && q && ct_copy_out(a, p, bytes) && ct_copy_out(b, q, bytes));
    assert_int_equal(memcmp(p, q, bytes), 0);
    free(p);
    free(q);
}

/* Both ways; returns how many nodes ran in regions. */
static int64_t check(const plan *p)
{
    CT_SCOPE;
    ct_tensor *a[MOST_GRADS] = {0}, *b[MOST_GRADS] = {0};
    graph g;
    int hooks = 0, hooks_apart = 0;
    const int64_t before = ct__ad.in_regions;
    make(&g, p, &hooks);
    const int n = gradients(&g, p, a);
    const int64_t joined = ct__ad.in_regions - before;
    ct__ad.apart = true;
    make(&g, p, &hooks_apart);
    assert_int_equal(gradients(&g, p, b), n);
    ct__ad.apart = false;
    assert_int_equal(ct__ad.in_regions - before, joined);
    assert_int_equal(hooks, hooks_apart);
    for (int i = 0; i < n; i++) assert_same_bits(a[i], b[i]);
    return joined;
}

static int64_t check_many(int64_t rows, int64_t columns, int graphs)
{
    int64_t joined = 0;
    if (test_under_valgrind()) graphs = (graphs + 7) / 8;
    for (int i = 0; i < graphs; i++) {
        const plan p = {.seed = (uint64_t)(rows * 1000 + i), .rows = rows, .columns = columns, .dtype = i % 3 ? CT_F32 : CT_F64,
                        .values_as_targets = i % 4 == 1, .retain = i % 5 == 2, .leaves_collect = i % 2 == 0};
        ct_set_threads(1 + i % 3);
        joined += check(&p);
    }
    ct_set_threads(0);
    return joined;
}

static void random_graphs_have_the_same_gradients(void **state)
{
    (void)state;
    assert_int_equal(check_many(127, 129, 10), 0); /* one element below the least */
    assert_true(check_many(128, 128, 60) > 0);
    assert_true(check_many(145, 113, 30) > 0);
    assert_true(check_many(1, 16640, 10) > 0);
    assert_true(check_many(301, 333, 12) > 0); /* several parts */
    assert_clean();
}

/* More than caches keep. */
static void large_graphs_as_well(void **state)
{
    (void)state;
    if (test_under_valgrind()) return;
    assert_true(check_many(1030, 1021, 2) > 0);
    assert_clean();
}

/* ---- what regions are for ---- */

enum { N = 160 };

static ct_tensor *leaf(double low, double high) { return ct_requires_grad(ct_uniform(ct_shape(N, N), low, high, CT_F32), true); }

static ct_tensor *expression(ct_tensor *const *x)
{
    return ct_sub(ct_mul(ct_tanh(ct_add(ct_mul(x[0], x[1]), x[2])), x[3]), ct_exp(ct_neg(x[4])));
}

static int64_t peak_of(bool apart, ct_tensor *(*f)(ct_tensor *const *x), ct_tensor *const *x, int n)
{
    CT_SCOPE;
    ct_tensor *grads[8], *y = f(x);
    const int64_t before = ct_memory().bytes;
    ct_memory_reset_peak();
    ct__ad.apart = apart;
    assert_true(ct_grad(&y, NULL, 1, x, n, grads, (ct_grad_options){0}));
    ct__ad.apart = false;
    return ct_memory().peak_bytes - before;
}

/* The result of each step belongs to the graph alone. */
static ct_tensor *long_chain(ct_tensor *const *x)
{
    ct_tensor *y = ct_tanh(x[0]);
    for (int i = 0; i < 30; i++) {
        ct_tensor *next = i % 3 ? ct_sin(y) : ct_mul(y, y);
        ct_free(y);
        y = next;
    }
    return y;
}

/* As many gradients come out as results go. */
static ct_tensor *sum_of_many(ct_tensor *const *x)
{
    ct_tensor *y = ct_exp(x[0]);
    for (int i = 1; i < 8; i++) {
        ct_tensor *e = ct_exp(x[i]), *next = ct_add(y, e);
        ct_free(e);
        ct_free(y);
        y = next;
    }
    return y;
}

static void an_expression_is_one_region(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x[5], *grads[5];
        for (int i = 0; i < 5; i++) x[i] = leaf(-1, 1);
        const int64_t joined = ct__ad.in_regions, regions = ct__ad.regions;
        ct_tensor *y = expression(x);
        ct_set_threads(1);
        const int64_t parallel = ct_count().parallel_regions;
        assert_true(ct_grad(&y, NULL, 1, x, 5, grads, (ct_grad_options){0}));
        assert_int_equal(ct__ad.in_regions - joined, 7);
        assert_int_equal(ct__ad.regions - regions, 1);
        assert_true(ct_count().parallel_regions - parallel <= 1);
        ct_set_threads(0);
    }
    assert_clean();
}

/* The nodes that repeat parameters come after the region; but before it where a parameter has gradients by another way as well. */
static void repeated_parameters_do_not_end_a_region(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = leaf(-1, 1), *w = ct_requires_grad(ct_uniform(ct_shape(N), -1, 1, CT_F32), true);
        ct_tensor *b = ct_requires_grad(ct_uniform(ct_shape(N, 1), -1, 1, CT_F32), true);
        ct_tensor *y = ct_mul(ct_tanh(ct_add(ct_mul(ct_sigmoid(x), w), b)), x);
        const int64_t joined = ct__ad.in_regions, regions = ct__ad.regions;
        assert_true(ct_backward_with(&y, NULL, 1, (ct_grad_options){0}));
        assert_int_equal(ct__ad.in_regions - joined, 5);
        assert_int_equal(ct__ad.regions - regions, 1);
        assert_non_null(ct_data(ct_grad_of(w)));
        y = ct_mul(ct_mul(ct_mul(ct_exp(x), w), w), ct_exp(w));
        assert_true(ct_backward_with(&y, NULL, 1, (ct_grad_options){0}));
    }
    assert_clean();
}

static void memory_is_no_more_than_before(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x[8];
        for (int i = 0; i < 8; i++) x[i] = leaf(-1, 1);
        assert_true(peak_of(false, expression, x, 5) <= peak_of(true, expression, x, 5));
        assert_true(peak_of(false, long_chain, x, 1) <= peak_of(true, long_chain, x, 1));
        assert_true(peak_of(false, sum_of_many, x, 8) <= peak_of(true, sum_of_many, x, 8) + 3 * N * N * 4);
    }
    assert_clean();
}

static void a_steady_state_asks_for_no_memory(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x[5];
        int64_t mallocs = 0;
        for (int i = 0; i < 5; i++) x[i] = leaf(-1, 1);
        for (int i = 0; i < 6; i++) {
            CT_SCOPE;
            assert_true(ct_backward(ct_mean(expression(x), CT_ALL, false)));
            for (int k = 0; k < 5; k++) assert_true(ct_spend_grad(x[k]));
            if (i == 2) mallocs = ct_count().mallocs;
        }
        if (test_pooled()) assert_int_equal(ct_count().mallocs, mallocs);
    }
    assert_clean();
}

/* ---- what users see ---- */

/* A cotangent that nobody gave is a tensor of ones wherever it arrives. */
static int look(ct_tensor *g, ct_tensor **replacement, void *context)
{
    (void)replacement;
    const float *at = ct_data(g);
    *(bool *)context = at && at[0] == 1 && at[N * N - 1] == 1;
    return 0;
}

static void ones_are_dense(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = leaf(-1, 1), *c = leaf(-1, 1), *y = ct_add(x, c), *in[] = {x, y}, *grads[2];
        bool seen = false;
        assert_true(ct_grad(&y, NULL, 1, in, 2, grads, (ct_grad_options){.retain_graph = true}));
        for (int i = 0; i < 2; i++) {
            const float *at = ct_data(grads[i]);
            assert_true(at && at[0] == 1 && at[N * N - 1] == 1);
        }
        assert_true(ct_backward_with(&x, NULL, 1, (ct_grad_options){0}));
        assert_non_null(ct_data(ct_grad_of(x)));
        assert_true(ct_add_hook(y, look, &seen));
        assert_true(ct_backward_with(&y, NULL, 1, (ct_grad_options){0}));
        assert_true(seen);
        assert_non_null(ct_data(ct_grad_of(c)));
    }
    assert_clean();
}

static void a_changed_operand_is_an_error_and_nothing_else(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = leaf(-1, 1), *w = leaf(-1, 1), *c = ct_uniform(ct_shape(N, N), -1, 1, CT_F32);
        ct_tensor *y = ct_tanh(ct_mul(ct_mul(ct_mul(x, w), c), w));
        assert_true(ct_fill_(c, 0));
        assert_false(ct_backward_with(&y, NULL, 1, (ct_grad_options){0}));
        assert_error(CT_ERROR_GRAPH, "ct_backward_with", "was changed in place");
        assert_false(ct_has_grad(x));
        assert_false(ct_has_grad(w));
    }
    assert_clean();
}

static void a_second_sweep_says_what_was_released(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = leaf(-1, 1), *y = ct_exp(ct_mul(x, x));
        const ct_memory_info before = ct_memory();
        assert_true(ct_backward_with(&y, NULL, 1, (ct_grad_options){0}));
        assert_true(ct_memory().bytes <= before.bytes + N * N * 4);
        assert_false(ct_backward_with(&y, NULL, 1, (ct_grad_options){0}));
        assert_error(CT_ERROR_GRAPH, "ct_backward_with", "was swept before");
    }
    assert_clean();
}

/* A hook behind a region fails: nothing has changed. */
static int fail_(ct_tensor *g, ct_tensor **replacement, void *context)
{
    (void)g;
    (void)replacement;
    (void)context;
    return 7;
}

static void a_hook_that_fails_leaves_everything(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = leaf(-1, 1), *w = leaf(-1, 1), *u = ct_mul(x, w), *y = ct_mul(ct_tanh(u), w);
        assert_true(ct_add_hook(u, fail_, NULL));
        assert_false(ct_backward_with(&y, NULL, 1, (ct_grad_options){0}));
        assert_error(CT_ERROR_USER, "ct_backward_with", "returned 7");
        assert_false(ct_has_grad(w));
    }
    assert_clean();
}

/* ---- beside other parts of the engine ---- */

static int of_checkpoint(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_mul(ct_tanh(ct_mul(in[0], in[1])), ct_sigmoid(in[0]));
    return out[0] ? 0 : 1;
}

static void checkpoints_and_second_derivatives(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x[] = {leaf(-1, 1), leaf(-1, 1)}, *grads[2][2];
        for (int apart = 0; apart < 2; apart++) {
            ct_tensor *y, *dx;
            ct__ad.apart = apart;
            assert_true(ct_checkpoint(of_checkpoint, NULL, x, 2, &y, 1));
            y = ct_mul(y, x[1]);
            assert_true(ct_grad(&y, NULL, 1, x, 1, &dx, (ct_grad_options){.create_graph = true}));
            dx = ct_mul(dx, dx);
            assert_true(ct_grad(&dx, NULL, 1, x, 2, grads[apart], (ct_grad_options){0}));
        }
        ct__ad.apart = false;
        for (int i = 0; i < 2; i++) assert_same_bits(grads[0][i], grads[1][i]);
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_state_asks_for_no_memory), /* first: later the pool gives back what is too much */
        cmocka_unit_test(random_graphs_have_the_same_gradients),
        cmocka_unit_test(large_graphs_as_well),
        cmocka_unit_test(an_expression_is_one_region),
        cmocka_unit_test(repeated_parameters_do_not_end_a_region),
        cmocka_unit_test(memory_is_no_more_than_before),
        cmocka_unit_test(ones_are_dense),
        cmocka_unit_test(a_changed_operand_is_an_error_and_nothing_else),
        cmocka_unit_test(a_second_sweep_says_what_was_released),
        cmocka_unit_test(a_hook_that_fails_leaves_everything),
        cmocka_unit_test(checkpoints_and_second_derivatives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
