/*
 * dense.c - rows W1 to W6: whole training steps of multilayer perceptrons.
 *
 * Contestants: the library, its step called and replayed (ct_capture); the delta rule written by hand (hand.c) on BLIS and on
 * OpenBLAS; the bare products of the step by the fastest of BLIS's ways, by OpenBLAS, and by the library's own product; and one
 * pass over what the optimizer touches. The limit is the best of the products plus that pass.
 */
#include <cotangent/cotangent.h>

#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "hand.h"
#include "hardware.h"

typedef struct net_config {
    int layers, batch, width[HAND_LAYERS + 1];
    hand_activation activation;
    hand_loss loss;
    bool adam;
} net_config;

static const net_config configs[] = {
    {2, 4, {2, 8, 1}, HAND_TANH, HAND_BINARY, false},
    {2, 32, {64, 32, 10}, HAND_RELU, HAND_CROSS_ENTROPY, false},
    {2, 64, {784, 128, 10}, HAND_RELU, HAND_CROSS_ENTROPY, true},
    {3, 128, {784, 512, 512, 10}, HAND_RELU, HAND_CROSS_ENTROPY, true},
    {10, 32, {64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64}, HAND_TANH, HAND_CROSS_ENTROPY, false},
    {3, 1024, {2048, 2048, 2048, 2048}, HAND_RELU, HAND_CROSS_ENTROPY, false},
};

/* ---- what the rivals have: the hand-written net with its data, and the list of its products ---- */

typedef struct rival {
    hand_net net;
    float *values;
    int64_t *classes;
    hardware_list list;
} rival;

static rival hand, hand_openblas, blis, openblas, own, pass; /* one for each contestant */

static void make_rival(rival *r, const bench_row *row, int threads)
{
    const net_config *c = row->config;
    r->net = (hand_net){.layers = c->layers,
                        .batch = c->batch,
                        .threads = threads,
                        .activation = c->activation,
                        .loss = c->loss,
                        .adam = c->adam,
                        .lr = 1e-3f};
    memcpy(r->net.width, c->width, sizeof c->width);
    r->values = malloc((size_t)c->batch * sizeof *r->values);
    r->classes = malloc((size_t)c->batch * sizeof *r->classes);
    for (int i = 0; i < c->batch; i++) {
        r->values[i] = (float)(i % 2);
        r->classes[i] = i % c->width[c->layers];
    }
    r->net.target_values = r->values;
    r->net.target = r->classes;
    srand(1);
    hand_make(&r->net);
}

static void drop_rival(rival *r)
{
    hand_free(&r->net);
    free(r->values);
    free(r->classes);
}

/* The step's products on the net's own arrays. */
static void make_list(rival *r, const bench_row *row, int threads)
{
    make_rival(r, row, threads);
    hand_net *net = &r->net;
    hardware_list *list = &r->list;
    const int b = net->batch;
    list->count = 0;
    list->threads = threads;
    for (int l = 0; l < net->layers; l++)
        hardware_add(list, b, net->width[l + 1], net->width[l], net->a[l], false, net->w[l], false, net->a[l + 1]);
    for (int l = net->layers - 1; l >= 0; l--) {
        const int in = net->width[l], out = net->width[l + 1];
        hardware_add(list, in, out, b, net->a[l], true, net->d[l + 1], false, net->dw[l]);
        if (l > 0) hardware_add(list, b, in, out, net->d[l + 1], false, net->w[l], true, net->d[l]);
    }
}

/* ---- the library, called and replayed ---- */

typedef struct training {
    const net_config *config;
    ct_module *net;
    ct_optimizer *optimizer;
    ct_tensor *x, *y;
} training;

static training called, replayed;
static ct_captured *captured; /* the step of `replayed` */

static bool make_training(training *t, const net_config *c, int threads)
{
    ct_set_threads(threads);
    ct_seed(1);
    ct_module *layer[2 * HAND_LAYERS];
    int n = 0;
    for (int l = 0; l < c->layers; l++) {
        layer[n++] = ct_nn_linear(c->width[l], c->width[l + 1]);
        if (l + 1 < c->layers) layer[n++] = c->activation == HAND_RELU ? ct_nn_relu() : ct_nn_tanh();
    }
    t->config = c;
    t->net = ct_nn_sequential_of(layer, n);
    t->optimizer = c->adam ? ct_optim_adam(t->net, 1e-3) : ct_optim_sgd(t->net, 1e-3);
    t->x = ct_uniform(ct_shape(c->batch, c->width[0]), -1, 1, CT_F32);
    t->y = c->loss == HAND_BINARY ? ct_zeros(ct_shape(c->batch, 1), CT_F32) : ct_zeros(ct_shape(c->batch), CT_I64);
    for (int i = 0; i < c->batch; i++)
        ct_set(t->y, c->loss == HAND_BINARY ? ct_index(i, 0) : ct_index(i), i % (c->loss == HAND_BINARY ? 2 : c->width[c->layers]));
    return !ct_error();
}

static int train(void *context)
{
    const training *t = context;
    CT_SCOPE;
    ct_tensor *z = ct_forward(t->net, t->x);
    ct_tensor *loss = t->config->loss == HAND_BINARY ? ct_binary_cross_entropy_logits(z, t->y, CT_MEAN) : ct_cross_entropy(z, t->y);
    ct_backward(loss);
    ct_optimizer_step(t->optimizer);
    return 0;
}

static void drop_training(training *t)
{
    ct_optimizer_free(t->optimizer);
    ct_module_free(t->net);
    ct_free(t->x);
    ct_free(t->y);
}

static bool library_make(const bench_row *row, int threads) { return make_training(&called, row->config, threads); }
static void library_step(void) { train(&called); }
static void library_drop(void) { drop_training(&called); }

static const net_config *to_capture; /* made at its first step: so what a step that is called has in memory is counted without it */
static int replay_threads;

static bool replay_make(const bench_row *row, int threads)
{
    to_capture = row->config;
    replay_threads = threads;
    return true;
}
static void replay_step(void)
{
    if (captured) {
        ct_replay(captured);
    } else if (make_training(&replayed, to_capture, replay_threads)) {
        captured = ct_capture(train, &replayed);
    }
}
static void replay_drop(void)
{
    ct_captured_free(captured);
    captured = NULL;
    drop_training(&replayed);
    replayed = (training){0};
}

/* ---- the delta rule by hand; the optimizer's traffic ---- */

static bool hand_make_row(const bench_row *row, int threads)
{
    make_rival(&hand, row, threads);
    return true;
}
static void hand_step_row(void) { hand_step(&hand.net); }
static void hand_drop(void) { drop_rival(&hand); }

static bool hand_openblas_make(const bench_row *row, int threads)
{
    if (!bench_openblas || !hardware_load_openblas(bench_openblas, threads)) return false;
    make_rival(&hand_openblas, row, threads);
    hand_openblas.net.gemm = hardware_openblas;
    return true;
}
static void hand_openblas_step(void) { hand_step(&hand_openblas.net); }
static void hand_openblas_drop(void) { drop_rival(&hand_openblas); }

static bool pass_make(const bench_row *row, int threads)
{
    make_rival(&pass, row, threads);
    return true;
}
static void pass_step(void) { hand_optimizer_traffic(&pass.net); }
static void pass_drop(void) { drop_rival(&pass); }

/* ---- bare products ---- */

static bool blis_make(const bench_row *row, int threads)
{
    make_list(&blis, row, threads);
    hardware_choose_blis(&blis.list);
    return true;
}
static void blis_step(void) { hardware_run(&blis.list); }
static void blis_drop(void) { drop_rival(&blis); }

static bool openblas_make(const bench_row *row, int threads)
{
    if (!bench_openblas) return false;
    make_list(&openblas, row, threads);
    if (hardware_choose_openblas(&openblas.list, bench_openblas)) return true;
    drop_rival(&openblas);
    return false;
}
static void openblas_step(void) { hardware_run(&openblas.list); }
static void openblas_drop(void) { drop_rival(&openblas); }

/* ---- the same products by the library ---- */

static ct_tensor *left[3 * HAND_LAYERS], *right[3 * HAND_LAYERS];

static ct_tensor *operand(const float *data, int rows, int columns, bool transposed)
{
    const ct_shape shape = transposed ? ct_shape(columns, rows) : ct_shape(rows, columns);
    ct_tensor *t = ct_wrap((float *)data, shape, CT_F32, NULL, NULL);
    if (!transposed) return t;
    ct_tensor *view = ct_transpose(t);
    ct_free(t);
    return view;
}

static bool own_make(const bench_row *row, int threads)
{
    make_list(&own, row, threads);
    ct_set_threads(threads);
    for (int i = 0; i < own.list.count; i++) {
        const hardware_product *p = &own.list.product[i];
        left[i] = operand(p->a, p->m, p->k, p->ta);
        right[i] = operand(p->b, p->k, p->n, p->tb);
    }
    return !ct_error();
}
static void own_step(void)
{
    for (int i = 0; i < own.list.count; i++) ct_free(ct_matmul(left[i], right[i]));
}
static void own_drop(void)
{
    for (int i = 0; i < own.list.count; i++) {
        ct_free(left[i]);
        ct_free(right[i]);
    }
    drop_rival(&own);
}

static const bench_contestant contestants[] = {
    {"library", library_make, library_step, library_drop},
    {"replay", replay_make, replay_step, replay_drop},
    {"hand", hand_make_row, hand_step_row, hand_drop},
    {"hand_openblas", hand_openblas_make, hand_openblas_step, hand_openblas_drop},
    {"blis", blis_make, blis_step, blis_drop},
    {"openblas", openblas_make, openblas_step, openblas_drop},
    {"own", own_make, own_step, own_drop},
    {"pass", pass_make, pass_step, pass_drop},
    BENCH_END,
};

const bench_row bench_mlp_rows[] = {
    {"W1", "XOR 2-8-1, tanh, sigmoid, BCE, B 4, SGD", contestants, &configs[0], 1, 0, 0},
    {"W2", "64-32-10, relu, CE, B 32, SGD", contestants, &configs[1], 1, 0, 0},
    {"W3", "784-128-10, relu, CE, B 64, Adam", contestants, &configs[2], 1, 0, 0},
    {"W4", "784-512-512-10, relu, CE, B 128, Adam", contestants, &configs[3], 1, 0, 0},
    {"W5", "10 layers of 64, tanh, CE, B 32, SGD", contestants, &configs[4], 1, 0, 0},
    {"W6", "3 layers of 2048, relu, CE, B 1024, SGD", contestants, &configs[5], 1, 0, 0},
    {NULL, NULL, NULL, NULL, 1, 0, 0},
};
