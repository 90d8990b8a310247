/*
 * mlp.c - microseconds per training step of the multilayer perceptrons W1 to W6: the library, a hand-written delta-rule program on the same BLIS
 * (hand.c), the bare GEMM calls of the step, and one pass over the optimizer's data.
 *
 * The machine is noisy: the contestants take turns in short rounds, each figure is the median over the rounds, and ratios are medians of the ratios
 * within a round. Usage: bench_mlp [row]...
 */
#include <cotangent/cotangent.h>

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "hand.h"

enum { ROUNDS = 21, CONTESTANTS = 4 };

typedef struct row {
    const char *name, *what;
    int layers, batch, width[HAND_LAYERS + 1];
    hand_activation activation;
    hand_loss loss;
    bool adam;
} row;

static const row rows[] = {
    {"W1", "2-8-1 tanh, BCE, B 4, SGD", 2, 4, {2, 8, 1}, HAND_TANH, HAND_BINARY, false},
    {"W2", "64-32-10 relu, CE, B 32, SGD", 2, 32, {64, 32, 10}, HAND_RELU, HAND_CROSS_ENTROPY, false},
    {"W3", "784-128-10 relu, CE, B 64, Adam", 2, 64, {784, 128, 10}, HAND_RELU, HAND_CROSS_ENTROPY, true},
    {"W4", "784-512-512-10 relu, CE, B 128, Adam", 3, 128, {784, 512, 512, 10}, HAND_RELU, HAND_CROSS_ENTROPY, true},
    {"W5", "10 layers of 64 tanh, CE, B 32, SGD", 10, 32, {64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64}, HAND_TANH, HAND_CROSS_ENTROPY, false},
    {"W6", "3 layers of 2048 relu, CE, B 1024, SGD", 3, 1024, {2048, 2048, 2048, 2048}, HAND_RELU, HAND_CROSS_ENTROPY, false},
};

/* ---- the library's side ---- */

typedef struct training {
    const row *r;
    ct_module *net;
    ct_optimizer *optimizer;
    ct_tensor *x, *y;
} training;

static training make_training(const row *r, const hand_net *hand)
{
    training t = {.r = r};
    ct_module *layer[2 * HAND_LAYERS];
    int n = 0;
    for (int l = 0; l < r->layers; l++) {
        layer[n++] = ct_nn_linear(r->width[l], r->width[l + 1]);
        if (l + 1 < r->layers) layer[n++] = r->activation == HAND_RELU ? ct_nn_relu() : ct_nn_tanh();
    }
    t.net = ct_nn_sequential_of(layer, n);
    t.optimizer = r->adam ? ct_optim_adam(t.net, 1e-3) : ct_optim_sgd(t.net, 1e-3);
    t.x = ct_from(hand->a[0], ct_shape(r->batch, r->width[0]), CT_F32);
    t.y = r->loss == HAND_BINARY ? ct_from(hand->target_values, ct_shape(r->batch, 1), CT_F32) : ct_from(hand->target, ct_shape(r->batch), CT_I64);
    return t;
}

static void library_step(training *t)
{
    CT_SCOPE;
    ct_tensor *z = ct_forward(t->net, t->x);
    ct_tensor *loss = t->r->loss == HAND_BINARY ? ct_binary_cross_entropy_logits(z, t->y, CT_MEAN) : ct_cross_entropy(z, t->y);
    ct_backward(loss);
    ct_optimizer_step(t->optimizer);
}

/* ---- measuring ---- */

typedef struct contest {
    hand_net hand;
    training library;
} contest;

static void run_one(contest *c, int contestant)
{
    switch (contestant) {
    case 0: library_step(&c->library); break;
    case 1: hand_step(&c->hand); break;
    case 2: hand_gemms(&c->hand); break;
    default: hand_optimizer_traffic(&c->hand);
    }
}

static double seconds_for(contest *c, int contestant, int64_t repetitions)
{
    const double start = omp_get_wtime();
    for (int64_t i = 0; i < repetitions; i++) run_one(c, contestant);
    return (omp_get_wtime() - start) / (double)repetitions;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values)
{
    double sorted[ROUNDS];
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, ROUNDS, sizeof sorted[0], by_size);
    return sorted[ROUNDS / 2];
}

static double median_ratio(const double *a, const double *b, const double *plus)
{
    double ratio[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) ratio[i] = a[i] / (b[i] + (plus ? plus[i] : 0));
    return median(ratio);
}

static void measure(const row *r, int threads)
{
    contest c = {.hand = {.layers = r->layers, .batch = r->batch, .threads = threads, .activation = r->activation, .loss = r->loss, .adam = r->adam,
                          .lr = 1e-3f}};
    float *values = malloc((size_t)r->batch * sizeof *values);
    int64_t *classes = malloc((size_t)r->batch * sizeof *classes);
    for (int i = 0; i < r->batch; i++) {
        values[i] = (float)(i % 2);
        classes[i] = i % r->width[r->layers];
    }
    memcpy(c.hand.width, r->width, sizeof r->width);
    c.hand.target_values = values;
    c.hand.target = classes;
    srand(1);
    hand_make(&c.hand);
    ct_set_threads(threads);
    ct_seed(1);
    c.library = make_training(r, &c.hand);
    double times[CONTESTANTS][ROUNDS];
    int64_t repetitions[CONTESTANTS];
    for (int k = 0; k < CONTESTANTS; k++) { /* warm up, and make each turn last about 10 ms */
        double once = seconds_for(&c, k, 3);
        once = seconds_for(&c, k, 1 + (int64_t)(2e-3 / (once + 1e-9)));
        repetitions[k] = 1 + (int64_t)(1e-2 / (once + 1e-9));
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < CONTESTANTS; k++) times[k][round] = seconds_for(&c, k, repetitions[k]);
    }
    printf("%-3s %d %11.2f %11.2f %11.2f %11.2f %9.2f %9.2f %9.2f   %s\n", r->name, threads, 1e6 * median(times[0]), 1e6 * median(times[1]),
           1e6 * median(times[2]), 1e6 * median(times[3]), median_ratio(times[0], times[1], NULL), median_ratio(times[1], times[2], times[3]),
           median_ratio(times[0], times[2], times[3]), r->what);
    fflush(stdout);
    ct_optimizer_free(c.library.optimizer);
    ct_module_free(c.library.net);
    ct_free(c.library.x);
    ct_free(c.library.y);
    hand_free(&c.hand);
    free(values);
    free(classes);
}

static bool wanted(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) return true;
    }
    return count == 0;
}

int main(int argc, char **argv)
{
    printf("kernels: %s; microseconds per step, medians of %d rounds; t: threads\n", ct_instruction_set(), ROUNDS);
    printf("%-3s t %11s %11s %11s %11s %9s %9s %9s\n", "row", "library", "by hand", "bare GEMMs", "optim.pass", "lib/hand", "hand/lim", "lib/lim");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!wanted(rows[i].name, argc - 1, argv + 1)) continue;
        for (int threads = 1; threads <= 2; threads++) measure(&rows[i], threads);
    }
    return ct_report(stderr);
}
