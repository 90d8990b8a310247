/*
 * gemm.h (internal) - the kernels of gemm_isa.c, one table for each instruction set.
 */
#ifndef CT_GEMM_INTERNAL_H
#define CT_GEMM_INTERNAL_H

#include "tensor/tensor.h"

/* Terms that are summed in registers, before C is written: a panel of B of that height stays in or close to first-level cache.
 * At 256 the passes over C showed in products of 1024 and more (4 %). */
enum { CT__GEMM_DEPTH = 400 };

/* How many chunks a sum of k terms has, and terms each of them but the last. */
static inline int64_t ct__gemm_chunks(int64_t k) { return (k + CT__GEMM_DEPTH - 1) / CT__GEMM_DEPTH; }
static inline int64_t ct__gemm_depth(int64_t k)
{
    if (k <= CT__GEMM_DEPTH) return k;
    const int64_t chunks = ct__gemm_chunks(k);
    return (k + chunks - 1) / chunks;
}

/* A block of C to be multiplied at once: C = alpha A B + beta C, C's rows contiguous. */
typedef struct ct__gemm_part {
    const ct__matrix *a, *b, *c;
    double alpha, beta;
    const char *bias; /* a row that is added to each of C's in the place of beta C; NULL: none */
    char *space_a;    /* room for a packed block of A; NULL: A is read where it is */
    char *space_b;    /* room for a packed chunk of B; NULL: it is packed strip by strip, where pack_b */
    bool pack_b, relu;
} ct__gemm_part;

static inline int64_t ct__gemm_size(ct_dtype dtype) { return dtype == CT_F64 ? 8 : 4; }
static inline int ct__gemm_index(ct_dtype dtype) { return dtype == CT_F64; }

/* By ct__gemm_index. */
typedef struct ct__gemm_kernels {
    void (*multiply[2])(const ct__gemm_part *part);
    int rows, pitch[2], width[2]; /* of a tile; from row to row of a packed panel of A; of a strip */
    int64_t block;                /* bytes of A that stay in second-level cache */
    double parallel;              /* flops from which threads pay: about 25 us of one thread of a Zen 5 */
    bool narrow;                  /* vectors of 16 bytes: large products are for BLIS */
} ct__gemm_kernels;
/* Those of the processor at hand. */
extern const ct__gemm_kernels *ct__gemm_own;
/* Flops from which threads pay there. */
static inline double ct__gemm_pays(void)
{
    return ct__processor.product > 0 && !ct__gemm_own->narrow ? ct__processor.product : ct__gemm_own->parallel;
}
extern const ct__gemm_kernels ct__gemm_baseline, ct__gemm_avx2, ct__gemm_avx512;

/* Does packing B pay? A panel is read once for each tile of rows. Rows that lie 4 KB apart fight for the same lines of a
 * first-level cache. */
static inline bool ct__gemm_packs_b(const ct__matrix *b, int64_t rows, ct_dtype dtype)
{
    if (b->column != 1) return b->columns > 1;
    if (ct__gemm_own->narrow) return rows >= 12; /* then the last columns need no loop over lanes */
    return rows >= 48 && b->row * ct__gemm_size(dtype) >= (rows < 256 ? 4096 : 1024) && b->rows >= 32;
}

/* A product for a batch of matrices, from one of which to the next the steps lead, in elements. `part` describes the first. */
typedef struct ct__gemm_job {
    ct_dtype dtype;
    ct__gemm_part part;
    int64_t batch, a_step, b_step, c_step, bias_step;
} ct__gemm_job;

/* In parts, which threads share where that pays. */
void ct__gemm_large(const ct__gemm_job *job);

#endif
