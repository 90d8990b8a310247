/*
 * gemm.h (internal) - the kernels of gemm_isa.c, one table for each instruction set.
 */
#ifndef CT_GEMM_INTERNAL_H
#define CT_GEMM_INTERNAL_H

#include "tensor/tensor.h"

/* Index 0: f32, 1: f64. */
typedef struct ct__gemm_kernels {
    /* C = alpha A B + beta C with C's rows contiguous; A and B as they are. */
    void (*small[2])(const ct__matrix *a, const ct__matrix *b, const ct__matrix *c, double alpha, double beta);
    /* Panels of B, nr columns wide: element (l, j) of a panel at [l * nr + j]. */
    void (*pack_b[2])(void *to, const void *b, int64_t row, int64_t column, int64_t k, int64_t n, int64_t nr);
    /* to[l * to_row + j] = b[l * row + j * column] for k rows and n columns, for elements of 4 (index 0) and 8 bytes: their bits. */
    void (*turn[2])(void *to, int64_t to_row, const void *b, int64_t row, int64_t column, int64_t k, int64_t n);
} ct__gemm_kernels;
/* Those of the processor at hand. */
extern const ct__gemm_kernels *ct__gemm_own;
extern const ct__gemm_kernels ct__gemm_baseline, ct__gemm_avx2, ct__gemm_avx512;

#endif
