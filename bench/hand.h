/*
 * hand.h - the rival: a multilayer perceptron trained by the delta rule, written by hand for one shape of network on BLIS (or
 * OpenBLAS), with no library but that; and the bare GEMM calls of the same step.
 *
 * z_l = a_(l-1) W_l + b_l, a_l = g(z_l);  d_L from the loss, d_l = (d_(l+1) W_(l+1)') g'(a_l);  dW_l = a_(l-1)' d_l, db_l =
 * column sums of d_l.
 */
#ifndef BENCH_HAND_H
#define BENCH_HAND_H

#include <stdbool.h>
#include <stdint.h>

enum { HAND_LAYERS = 12 };
typedef enum hand_activation { HAND_RELU, HAND_TANH } hand_activation;
typedef enum hand_loss { HAND_CROSS_ENTROPY, HAND_BINARY } hand_loss; /* binary: sigmoid output and its cross-entropy */

/* C = A B + beta C with any row and column strides (one of each pair is 1); C's rows are rsc apart. */
typedef void hand_gemm(int m, int n, int k, const float *a, int rsa, int csa, const float *b, int rsb, int csb, float beta,
                       float *c, int rsc);

typedef struct hand_net {
    hand_gemm *gemm; /* NULL: BLIS, in panels for two threads */
    int layers, batch, threads;
    int width[HAND_LAYERS + 1]; /* width[0]: the input's */
    hand_activation activation;
    hand_loss loss;
    bool adam;
    float lr;
    int64_t step;
    float *w[HAND_LAYERS], *b[HAND_LAYERS], *dw[HAND_LAYERS], *db[HAND_LAYERS];
    float *m[2 * HAND_LAYERS], *v[2 * HAND_LAYERS]; /* weights, then biases */
    float *a[HAND_LAYERS + 1], *d[HAND_LAYERS + 1];
    const float *target_values; /* binary */
    const int64_t *target;      /* classes */
} hand_net;

void hand_make(hand_net *net);
void hand_free(hand_net *net);
/* One training step; returns the mean loss. */
float hand_step(hand_net *net);
/* Only the step's products. */
void hand_gemms(hand_net *net);
/* One pass over what the optimizer touches: reads p, g (and m, v), writes p (and m, v). */
void hand_optimizer_traffic(hand_net *net);
/* Floating-point operations of the step's products. */
double hand_flops(const hand_net *net);

#endif
