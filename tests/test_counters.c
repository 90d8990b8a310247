/*
 * test_counters.c - what a training step does, by counters that count what ran: the rows W1 to W5 of the benchmark, and three of
 * its chains.
 *
 * Products and their operations are exact: a net of L layers needs L of them forward, L for the weights and L - 1 for the inputs.
 * Operations, nodes and parallel regions are bounds from above, to be lowered when something is fused. In steady state nothing is
 * asked of malloc and nothing stays alive.
 */
#include "support.h"

#include <stdlib.h>

enum { MOST_LAYERS = 10, WARM = 3, STEPS = 4 };

typedef struct net_row {
    const char *name;
    int layers;
    int64_t batch, width[MOST_LAYERS + 1];
    bool tanh, binary, adam;
    int64_t operations, nodes, regions; /* at most, per step */
} net_row;

static const net_row rows[] = {
    {"W1", 2, 4, {2, 8, 1}, true, true, false, 3, 3, 0},
    {"W2", 2, 32, {64, 32, 10}, false, false, false, 3, 3, 0},
    {"W3", 2, 64, {784, 128, 10}, false, false, true, 3, 3, 4},
    {"W4", 3, 128, {784, 512, 512, 10}, false, false, true, 4, 4, 12},
    {"W5", 10, 32, {64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64}, true, false, false, 11, 11, 2},
};

static bool pools(void)
{
#ifdef CT_PLAIN_MALLOC
    return false;
#else
    const char *pool = getenv("COTANGENT_POOL");
    return !(pool && strcmp(pool, "0") == 0);
#endif
}

/* What `step` does, per call, once the pools are full; and that it leaves nothing alive. */
static ct_counters count_steps(void (*step)(void *context), void *context)
{
    ct_memory_reset_peak();
    for (int i = 0; i < WARM; i++) step(context);
    const ct_memory_info alive = ct_memory();
    const ct_counters a = ct_count();
    for (int i = 0; i < STEPS; i++) step(context);
    const ct_counters b = ct_count();
    const ct_memory_info later = ct_memory();
    assert_int_equal(later.tensors, alive.tensors);
    assert_int_equal(later.nodes, alive.nodes);
    assert_int_equal(later.storages, alive.storages);
    assert_int_equal(later.bytes, alive.bytes);
    if (pools()) {
        assert_int_equal(b.mallocs - a.mallocs, 0);
        assert_int_equal(later.peak_bytes, alive.peak_bytes);
    }
    return (ct_counters){.operations = (b.operations - a.operations) / STEPS,
                         .nodes = (b.nodes - a.nodes) / STEPS,
                         .passes = (b.passes - a.passes) / STEPS,
                         .bytes = (b.bytes - a.bytes) / STEPS,
                         .gemm_calls = (b.gemm_calls - a.gemm_calls) / STEPS,
                         .gemm_flops = (b.gemm_flops - a.gemm_flops) / STEPS,
                         .parallel_regions = (b.parallel_regions - a.parallel_regions) / STEPS};
}

/* ---- training steps ---- */

typedef struct training {
    const net_row *row;
    ct_module *net;
    ct_optimizer *optimizer;
    ct_tensor *x, *y;
} training;

static void training_step(void *context)
{
    CT_SCOPE;
    training *t = context;
    ct_tensor *z = ct_forward(t->net, t->x);
    assert_true(ct_backward(t->row->binary ? ct_binary_cross_entropy_logits(z, t->y, CT_MEAN) : ct_cross_entropy(z, t->y)));
    assert_true(ct_optimizer_step(t->optimizer));
}

typedef struct passes {
    int64_t count, elements;
} passes;

/* What a step does beside its products. Of each layer but the last: tanh (relu is part of the product), and the slope back; of each: the
 * sums for the bias. The loss: its values, their mean, and its gradient. The optimizer: once over what it reads and writes. Operands count
 * also where a kernel leaves one alone. */
static passes passes_of(const net_row *r)
{
    enum { LOSS = 3, STEP = 1, TANH = 2, SLOPE = 4 };
    const int64_t classes = r->width[r->layers], wide = 2; /* a class is i64: two elements */
    passes p = {.count = LOSS + STEP + r->layers};
    int64_t parameters = 0;
    for (int l = 0; l < r->layers; l++) {
        const int64_t out = r->width[l + 1], hidden = l + 1 < r->layers;
        parameters += (r->width[l] + 1) * out;
        p.elements += r->batch * out;
        p.count += hidden * (1 + r->tanh);
        p.elements += hidden * (SLOPE + (r->tanh ? TANH : 0)) * r->batch * out;
    }
    if (r->binary) p.elements += r->batch * classes * (3 + 1 + 5); /* z; x, t. z. gx; g, x, t, z */
    else p.elements += r->batch * ((1 + 2 * classes + wide) + 1 + 2 * classes); /* z, slope; x, t. z. gx; slope */
    p.elements += parameters * (r->adam ? 7 : 3); /* p, m and v twice, g; or p twice, g */
    return p;
}

static void check_row(const net_row *r)
{
    ct_seed(1);
    ct_module *layer[2 * MOST_LAYERS];
    int n = 0;
    int64_t products = 0, flops = 0;
    for (int l = 0; l < r->layers; l++) {
        layer[n++] = ct_nn_linear(r->width[l], r->width[l + 1]);
        if (l + 1 < r->layers) layer[n++] = r->tanh ? ct_nn_tanh() : ct_nn_relu();
        products += l > 0 ? 3 : 2;
        flops += (l > 0 ? 3 : 2) * 2 * r->batch * r->width[l] * r->width[l + 1];
    }
    training t = {.row = r, .net = ct_nn_sequential_of(layer, n)};
    t.optimizer = r->adam ? ct_optim_adam(t.net, 1e-3) : ct_optim_sgd(t.net, 1e-3);
    t.x = ct_uniform(ct_shape(r->batch, r->width[0]), -1, 1, CT_F32);
    t.y = r->binary ? ct_ones(ct_shape(r->batch, 1), CT_F32) : ct_ones(ct_shape(r->batch), CT_I64);
    const ct_counters c = count_steps(training_step, &t);
    if (c.operations > r->operations || c.nodes > r->nodes || c.parallel_regions > r->regions)
        print_error("%s: %lld operations, %lld nodes, %lld parallel regions in a step\n", r->name, (long long)c.operations,
                    (long long)c.nodes, (long long)c.parallel_regions);
    const passes must = passes_of(r);
    assert_int_equal(c.passes, must.count);
    assert_int_equal(c.bytes, 4 * must.elements);
    assert_int_equal(c.gemm_calls, products);
    assert_int_equal(c.gemm_flops, flops);
    assert_true(c.operations <= r->operations);
    assert_true(c.nodes <= r->nodes);
    assert_true(c.parallel_regions <= r->regions);
    ct_optimizer_free(t.optimizer);
    ct_module_free(t.net);
    ct_free(t.x);
    ct_free(t.y);
    assert_clean();
}

static void training_steps_do_no_more_than_they_need(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) check_row(&rows[i]);
}

/* What is counted does not depend on the number of threads: work is cut by shape alone. */
static void counts_are_those_of_one_thread(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        assert_true(ct_set_threads(threads));
        check_row(&rows[2]);
    }
    assert_true(ct_set_threads(0));
}

/* ---- chains ---- */

typedef struct chain {
    ct_tensor *x, *a, *b;
    int length;
} chain;

static void scalar_chain(void *context)
{
    CT_SCOPE;
    const chain *c = context;
    ct_tensor *y = c->x;
    for (int i = 0; i < c->length / 2; i++) y = ct_add(ct_mul(y, c->a), c->b);
    assert_true(ct_backward(y));
    assert_true(ct_spend_grad(c->x));
}

static void product_chain(void *context)
{
    CT_SCOPE;
    const chain *c = context;
    ct_tensor *y = c->x;
    for (int i = 0; i < c->length; i++) y = ct_matmul(y, c->a);
    assert_true(ct_backward_with(&y, NULL, 1, (ct_grad_options){0}));
    assert_true(ct_spend_grad(c->x));
    assert_true(ct_spend_grad(c->a));
}

static void drop_chain(chain *c)
{
    ct_free(c->x);
    ct_free(c->a);
    ct_free(c->b);
    assert_clean();
}

static void a_scalar_operation_makes_one_node(void **state)
{
    (void)state;
    chain c = {ct_requires_grad(ct_full(ct_shape(), 0.5, CT_F32), true), ct_full(ct_shape(), 0.999, CT_F32),
               ct_full(ct_shape(), 0.001, CT_F32), 1000};
    const ct_counters n = count_steps(scalar_chain, &c);
    assert_int_equal(n.nodes, c.length);
    assert_true(n.operations <= c.length + 2); /* the sweep applies fused rules, no operations */
    assert_int_equal(n.parallel_regions, 0);
    drop_chain(&c);
}

static void a_product_makes_two_more_going_back(void **state)
{
    (void)state;
    chain c = {ct_requires_grad(ct_uniform(ct_shape(8, 8), -1, 1, CT_F32), true),
               ct_requires_grad(ct_uniform(ct_shape(8, 8), -1, 1, CT_F32), true), NULL, 100};
    const ct_counters n = count_steps(product_chain, &c);
    assert_int_equal(n.nodes, c.length);
    assert_int_equal(n.gemm_calls, 3 * c.length);
    assert_int_equal(n.gemm_flops, 3 * c.length * 2 * 8 * 8 * 8);
    assert_true(n.operations <= c.length + 2);
    assert_int_equal(n.parallel_regions, 0);
    drop_chain(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_steps_do_no_more_than_they_need),
        cmocka_unit_test(counts_are_those_of_one_thread),
        cmocka_unit_test(a_scalar_operation_makes_one_node),
        cmocka_unit_test(a_product_makes_two_more_going_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
