/*
 * product_rows.c - rows G: each product of the multilayer perceptrons W1 to W6 by itself.
 *
 * G3.f0 is the forward product of layer 0 of W3, w0 that for the gradient of its weight (left operand transposed), x1 that for
 * the gradient of layer 1's input (right operand transposed). Each program brings the contestants.
 */
#include "product_rows.h"

#include <stddef.h>

#include "bench.h"

#define FLOPS(m, n, k) (2.0 * (m) * (n) * (k))
#define FORWARD(name, m, n, k)                                                                                                   \
    {name, #m " x " #n " x " #k, bench_product_contestants, &(const product_config){m, n, k, false, false}, 1, 0, FLOPS(m, n, k)}
#define WEIGHT(name, m, n, k)                                                                                                    \
    {name, #m " x " #n " x " #k ", left transposed", bench_product_contestants, &(const product_config){m, n, k, true, false}, 1, 0,           \
     FLOPS(m, n, k)}
#define INPUT(name, m, n, k)                                                                                                     \
    {name, #m " x " #n " x " #k ", right transposed", bench_product_contestants, &(const product_config){m, n, k, false, true}, 1, 0,          \
     FLOPS(m, n, k)}

const bench_row bench_product_rows[] = {
    FORWARD("G1.f0", 4, 8, 2),         FORWARD("G1.f1", 4, 1, 8),        WEIGHT("G1.w0", 2, 8, 4),
    WEIGHT("G1.w1", 8, 1, 4),          INPUT("G1.x1", 4, 8, 1),          FORWARD("G2.f0", 32, 32, 64),
    FORWARD("G2.f1", 32, 10, 32),      WEIGHT("G2.w0", 64, 32, 32),      WEIGHT("G2.w1", 32, 10, 32),
    INPUT("G2.x1", 32, 32, 10),        FORWARD("G3.f0", 64, 128, 784),   FORWARD("G3.f1", 64, 10, 128),
    WEIGHT("G3.w0", 784, 128, 64),     WEIGHT("G3.w1", 128, 10, 64),     INPUT("G3.x1", 64, 128, 10),
    FORWARD("G4.f0", 128, 512, 784),   FORWARD("G4.f1", 128, 512, 512),  FORWARD("G4.f2", 128, 10, 512),
    WEIGHT("G4.w0", 784, 512, 128),    WEIGHT("G4.w1", 512, 512, 128),   WEIGHT("G4.w2", 512, 10, 128),
    INPUT("G4.x1", 128, 512, 512),     INPUT("G4.x2", 128, 512, 10),     FORWARD("G5.f0", 32, 64, 64),
    WEIGHT("G5.w0", 64, 64, 32),       INPUT("G5.x1", 32, 64, 64),       FORWARD("G6.f0", 1024, 2048, 2048),
    WEIGHT("G6.w0", 2048, 2048, 1024), INPUT("G6.x1", 1024, 2048, 2048), {NULL, NULL, NULL, NULL, 1, 0, 0},
};
