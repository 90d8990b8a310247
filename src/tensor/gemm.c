/*
 * gemm.c - matrix products: the front, and small ones, which one thread does at once.
 *
 * Processors with AVX2 or AVX-512 have kernels of our own (gemm_kernel.h) for products of every size. Elsewhere these take the
 * small ones, and BLIS the others. How large ones are shared among threads, gemm_large.c says.
 */
#include "tensor/gemm.h"

const ct__gemm_kernels *ct__gemm_own = &ct__gemm_baseline;

#ifdef CT__HAVE_X86_VARIANTS
/* Runs when the library is loaded. */
__attribute__((constructor)) static void choose(void)
{
    static const ct__gemm_kernels *const tables[] = {&ct__gemm_baseline, &ct__gemm_avx2, &ct__gemm_avx512};
    ct__gemm_own = tables[ct__isa()];
}
#endif

/* Small ones, which one thread does at once without packing A. */
static void multiply_batch(const ct__gemm_job *job)
{
    const int64_t size = ct__gemm_size(job->dtype);
    ct__gemm_part part = job->part;
    ct__matrix a = *part.a, b = *part.b, c = *part.c;
    part.a = &a;
    part.b = &b;
    part.c = &c;
    for (int64_t l = job->batch; l > 0; l--) {
        ct__gemm_own->multiply[ct__gemm_index(job->dtype)](&part);
        a.data += job->a_step * size;
        b.data += job->b_step * size;
        c.data += job->c_step * size;
        if (part.bias) part.bias += job->bias_step * size;
    }
}

enum { SMALL = 1 << 19 /* multiplications */ };

void ct__gemm_with(ct_dtype dtype, int64_t batch, double alpha, const ct__matrix *a, int64_t a_step, const ct__matrix *b,
                   int64_t b_step, double beta, const ct__matrix *c, int64_t c_step, const ct__epilogue *then)
{
    const int64_t m = c->rows, n = c->columns, k = a->columns;
    if (batch == 0 || m == 0 || n == 0) return;
    const int64_t flops = 2 * m * n * k * batch, sides = m | n | k | batch;
    ct__self.count.gemm_calls += batch;
    ct__self.count.gemm_flops += flops;
    ct__gemm_part part = {.a = a, .b = b, .c = c, .alpha = alpha, .beta = beta, .pack_b = ct__gemm_packs_b(b, m, dtype)};
    int64_t bias_step = 0;
    if (then) {
        part.bias = then->bias;
        part.relu = then->activation == CT__RELU;
        bias_step = then->bias_step;
    }
    /* sides so short that flops did not overflow? */
    const bool small = sides < 1 << 15 && flops <= 2 * SMALL && k && (c->column == 1 || n == 1);
    if (CT__LIKELY(small && batch == 1)) {
        ct__gemm_own->multiply[ct__gemm_index(dtype)](&part);
        return;
    }
    const ct__gemm_job job = {.dtype = dtype, .part = part, .batch = batch, .a_step = a_step, .b_step = b_step, .c_step = c_step,
                              .bias_step = bias_step};
    if (small) multiply_batch(&job);
    else ct__gemm_large(&job);
}

void ct__gemm(ct_dtype dtype, int64_t batch, double alpha, const ct__matrix *a, int64_t a_step, const ct__matrix *b,
              int64_t b_step, double beta, const ct__matrix *c, int64_t c_step)
{
    ct__gemm_with(dtype, batch, alpha, a, a_step, b, b_step, beta, c, c_step, NULL);
}
