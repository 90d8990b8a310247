/*
 * reduce.h (internal) - reductions over axes: what sums, norms and extrema are built from.
 *
 * The driver (reduce.c) turns any shape and strides into runs of contiguous elements and cuts large work into parts by shape
 * alone; the inner loops of floats (reduce_isa.c) are compiled once per instruction set. A sum is taken over blocks of fixed size that
 * are combined in pairs, so its error grows with the logarithm of the count, and neither threads nor alignment change a bit.
 */
#ifndef CT_REDUCE_INTERNAL_H
#define CT_REDUCE_INTERNAL_H

#include "tensor/tensor.h"

/* ---- reductions ---- */

typedef enum ct__reduction {
    CT__SUM,
    CT__PROD, /* of floats and i64 */
    CT__MAX,  /* NaN if one is among them; of bools: is any true? */
    CT__MIN,  /* the same; of bools: are all true? */
    CT__SUM_WIDE, /* of floats, in f64 */
    CT__SQUARES,  /* sum of ((x - about) scale)^2 of floats, in f64 */
    CT__REDUCTIONS
} ct__reduction;

/* What a reduction of x's dtype is computed in and gives: i64 for sums and products of integers, f64, or x's own. */
ct_dtype ct__reduced_dtype(ct__reduction kind, ct_dtype dtype);

/* Reduces x over the axes in `mask` (bit i: axis i) into out: an array of the reduced dtype, row-major over the axes that are
 * kept. `about`, for CT__SQUARES, has a value for each of its elements; NULL means 0. Over no elements: 0 or 1, and the lowest
 * and highest values for CT__MAX and CT__MIN. False with an error where memory runs out. */
bool ct__reduce(const char *operation, ct__reduction kind, const ct_tensor *x, unsigned mask, const double *about, double scale,
                void *out);

/* ---- inner loops (reduce_isa.c) ---- */

/* For CT__SQUARES: about[i * step] belongs to row i, about[i] to column i. Always valid. */
typedef struct ct__term {
    const double *about;
    int64_t step;
    double scale; /* also: 1 for CT__MAX, -1 for CT__MIN */
} ct__term;

enum {
    CT__REDUCE_BLOCK = 1024,      /* elements of a run that are summed before pairs are formed */
    CT__REDUCE_ROWS = 64,         /* the same for rows that are summed by columns, eight at a time */
    CT__REDUCE_TILE_BYTES = 8192  /* of accumulators, for sums by columns */
};

typedef struct ct__reducer {
    /* out[k] = the reduction of n contiguous elements at x + k step (bytes). */
    void (*rows)(const char *x, int64_t step, int64_t count, int64_t n, const ct__term *t, char *out);
    /* out[i] = the reduction of row[0][i], ..., row[count - 1][i]; count >= 1. out may be row[0]. */
    void (*columns)(const char *const *row, int64_t count, int64_t n, const ct__term *t, char *out);
} ct__reducer;

/* The first k where x_k is the largest (the smallest), or NaN; n >= 1. */
typedef int64_t (*ct__placer)(const void *x, int64_t n, bool least);

typedef struct ct__reduce_kernels {
    ct__reducer reducer[CT__REDUCTIONS][2]; /* f32, f64; but CT__PROD */
    ct__placer placer[2]; /* f32, f64; NULL: none */
} ct__reduce_kernels;

extern const ct__reducer ct__reduce_plain[CT__REDUCTIONS][CT_DTYPES]; /* of integers, and CT__PROD */
#ifndef CT__CONCAT
#define CT__CONCAT(a, b) CT__CONCAT_EXPANDED(a, b)
#define CT__CONCAT_EXPANDED(a, b) a##b
#endif

extern const ct__reduce_kernels ct__reduce_kernels_baseline;
#ifdef CT__HAVE_X86_VARIANTS
extern const ct__reduce_kernels ct__reduce_kernels_avx2, ct__reduce_kernels_avx512;
#endif
/* The one for a kind and dtype on the processor at hand. */
const ct__reducer *ct__reducer_of(ct__reduction kind, ct_dtype dtype);
ct__placer ct__placer_of(ct_dtype dtype, int64_t n); /* NULL: there is none for rows of n */

#endif
