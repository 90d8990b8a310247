/*
 * row.h (internal) - functions of contiguous rows: softmax, its relatives and their derivatives.
 *
 * The driver (row.c) brings the axes in question to the end and shares rows among threads; the loops (row_isa.c, row_kernel.h)
 * are compiled once per instruction set.
 */
#ifndef CT_ROW_INTERNAL_H
#define CT_ROW_INTERNAL_H

#include "tensor/tensor.h"

/* p[0] is the result; rows and operands are contiguous, n elements each, or one where it says [rows]. f32 or f64. */
typedef void (*ct__row_kernel)(int64_t rows, int64_t n, char *const *p);

typedef enum ct__row_function {
    CT__SOFTMAX,         /* x */
    CT__LOG_SOFTMAX,     /* x */
    CT__LOGSUMEXP,       /* x; the result is [rows] */
    CT__SOFTMAX_VJP,     /* s, g:       s (g - <s, g>) */
    CT__LOG_SOFTMAX_VJP, /* y, g:       g - e^y sum g */
    CT__LOGSUMEXP_VJP,   /* x, y, g:    g e^(x - y); y and g are [rows] */
    CT__CROSS_ENTROPY,   /* x, t, u: log sum e^x - x_t; the result and t, which are i64, are [rows]. u becomes the slope
                          * softmax(x)_i - [i = t], unless it is NULL */
    CT__ROWS_SCALED,     /* x, c, step: c_k x_k; c is [rows], or one where the i64 step is 0, not 1 */
    CT__LAYER_NORM,     /* x, gamma, beta, eps, far: (x - mean) / sqrt(variance + eps) gamma + beta; gamma and beta are [n], eps one; past
                         * the caches where the i64 far is 1: rows are whole lines then */
    CT__LAYER_NORM_VJP, /* x, g, gamma, eps, ggamma, gbeta, far: gx, unless p[0] is NULL; adds to ggamma and gbeta */
    CT__ROW_ADD,        /* x: adds it to the result */
    CT__ROW_DOT,        /* x, v: <x, v>; the result is [rows], v is [n] */
    CT__ROWS_COMBINED,  /* x, v, step: the sum of v_k x_k, where rows of x are the i64 step apart; the result is [n], v is [rows] */
    CT__RUNNING_SUM,    /* x, far: y_i = x_0 + .. + x_i, past the caches where the i64 far is 1; else y may be x. Of f32, and not for every
                         * instruction set: may be NULL */
    CT__ROW_FUNCTIONS
} ct__row_function;

enum { CT__ROW_OPERANDS = 7 };
typedef struct ct__row_job {
    ct__row_function function;
    ct_dtype dtype;
    int64_t rows, n;
    int count; /* of operands, the result first */
    char *p[CT__ROW_OPERANDS];
    int64_t width[CT__ROW_OPERANDS];  /* elements in a row: n or 1; 0: the same for all rows */
    int64_t period[CT__ROW_OPERANDS]; /* rows after which it starts again; 0: never */
} ct__row_job;
void ct__run_rows(const ct__row_job *job);
/* The function itself, for drivers of their own. */
ct__row_kernel ct__row_kernel_of(ct__row_function function, ct_dtype dtype);

/* x as contiguous rows: the axes that are kept in front, those of `mask` behind them. x itself where it is that already, else a
 * copy; in any case a reference of the caller's, to be released. NULL with an error. */
ct_tensor *ct__rows_of(const char *operation, const ct_tensor *x, unsigned mask);
/* A tensor to compute such rows into for the contiguous y: y itself, or one of the rows' shape. ct__rows_done puts the latter's
 * values in their places in y and releases it. */
ct_tensor *ct__rows_for(const char *operation, ct_tensor *y, unsigned mask);
bool ct__rows_done(ct_tensor *rows, ct_tensor *y, unsigned mask);

/* ---- inner loops (row_isa.c) ---- */

enum { CT__ROWS_GROUP = 64 }; /* rows whose logarithms are taken together */

typedef struct ct__row_kernels {
    ct__row_kernel of[CT__ROW_FUNCTIONS][2]; /* f32, f64 */
} ct__row_kernels;

extern const ct__row_kernels ct__row_kernels_baseline;
#ifdef CT__HAVE_X86_VARIANTS
extern const ct__row_kernels ct__row_kernels_avx2, ct__row_kernels_avx512;
#endif

#endif
