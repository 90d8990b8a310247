/*
 * optim.h (internal) - the loops of optimizer steps, one table for each instruction set.
 */
#ifndef CT_OPTIM_INTERNAL_H
#define CT_OPTIM_INTERNAL_H

#include <cotangent/tensor.h>

/* The numbers of an Adam step that are the same for all elements; correction1 = 1 / (1 - beta1^t), correction2 likewise. */
typedef struct ct__adam_numbers {
    double lr, beta1, beta2, eps, weight_decay, correction1, correction2;
    bool decoupled;
} ct__adam_numbers;

/* n elements of one parameter: p, g and v (or m and v) are float or double by the table's index, CT_F32 or CT_F64. */
typedef struct ct__optim_kernels {
    void (*sgd[2])(int64_t n, void *p, const void *g, void *v, const ct_sgd_step *step); /* v NULL: without momentum */
    void (*adam[2])(int64_t n, void *p, const void *g, void *m, void *v, const ct__adam_numbers *a);
} ct__optim_kernels;

extern const ct__optim_kernels ct__optim_kernels_baseline, ct__optim_kernels_avx2, ct__optim_kernels_avx512;

#endif
