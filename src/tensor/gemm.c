/*
 * gemm.c - matrix products; the only file that names BLIS.
 *
 * Processors with AVX2 or AVX-512 have kernels of our own (gemm_kernel.h) for products of every size. Elsewhere these take the
 * small ones, and BLIS the others: BLIS knows a processor by its model, and on one that it does not know it takes plain C, at a
 * sixth of the machine's rate.
 *
 * With our kernels an element of C has the same bits however C is cut, so it is cut as suits the threads. BLIS, with one
 * thread, gets panels that the shape alone decides. Either way a result does not depend on the number of threads, and there is
 * no parallel region inside another.
 */
#include "tensor/gemm.h"

#include <blis.h> /* found as a system header: its own warnings are its own */
#include <omp.h>
#include <string.h>

/* One product for a batch of matrices. A part of it is `group` whole matrices, or one of `down` times `across` blocks of a
 * matrix. */
typedef struct product {
    ct_dtype dtype;
    bool blis, serial;
    ct__matrix a, b, c; /* the first of the batch */
    ct__gemm_part part;
    int64_t batch, a_step, b_step, c_step, bias_step;
    int64_t group, down, across, height, width;
    char *space; /* for packing, a piece for each thread: first A's, then B's */
    size_t space_a, space_each;
} product;

static int index_of(ct_dtype dtype) { return dtype == CT_F64; }
static int64_t size_of(ct_dtype dtype) { return dtype == CT_F64 ? 8 : 4; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* ---- our own kernels ---- */

const ct__gemm_kernels *ct__gemm_own = &ct__gemm_baseline;

#ifdef CT__HAVE_X86_VARIANTS
/* Runs when the library is loaded. */
__attribute__((constructor)) static void choose(void)
{
    static const ct__gemm_kernels *const tables[] = {&ct__gemm_baseline, &ct__gemm_avx2, &ct__gemm_avx512};
    ct__gemm_own = tables[ct__isa()];
}
#endif

/* Does packing B pay? A panel is read once for each tile of rows. Rows that lie 4 KB apart fight for the same lines of a
 * first-level cache. */
static inline bool packs_b(const ct__matrix *b, int64_t rows, int64_t size)
{
    if (b->column != 1) return b->columns > 1;
    if (ct__gemm_own->narrow) return rows >= 12; /* then the last columns need no loop over lanes */
    return rows >= 48 && b->row * size >= (rows < 256 ? 4096 : 1024) && b->rows >= 32;
}

/* The same of A, which is read once for each strip. */
static bool packs_a(const ct__matrix *a, int64_t columns, int64_t size)
{
    if (columns < 128 || a->columns < 16) return false;
    return a->row == 1 ? a->column * size >= 1024 : a->row * size >= 4096;
}

/* Room for packing in a part of the product. */
static void plan_space(product *p)
{
    const int i = index_of(p->dtype);
    const int64_t size = size_of(p->dtype), depth = least(CT__GEMM_DEPTH, p->a.columns);
    p->part.pack_b = packs_b(&p->b, p->height, size);
    if (packs_a(&p->a, p->width, size)) {
        const int64_t bytes = (p->height + ct__gemm_own->rows - 1) / ct__gemm_own->rows * ct__gemm_own->pitch[i] * depth * size;
        p->space_a = (size_t)round_up(least(bytes, ct__gemm_own->block), 64);
    }
    p->space_each = p->space_a;
    if (p->part.pack_b && p->height * depth * size > ct__gemm_own->block) /* or several blocks would pack the same strips */
        p->space_each += (size_t)(depth * round_up(p->width, ct__gemm_own->width[i]) * size);
}

/* ---- BLIS ---- */

/* With one thread, by its packed path: its own threads would need a region inside ours, which costs a malloc, and its other
 * path lets bits depend on them. */
static void call_blis(const product *p, const ct__matrix *a, const ct__matrix *b, const ct__matrix *c)
{
    rntm_t runtime;
    bli_rntm_init(&runtime);
    bli_rntm_set_num_threads(1, &runtime);
    bli_rntm_disable_l3_sup(&runtime);
    if (p->dtype == CT_F32) {
        float alpha = (float)p->part.alpha, beta = (float)p->part.beta;
        bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, c->rows, c->columns, a->columns, &alpha, (float *)(void *)a->data, a->row,
                     a->column, (float *)(void *)b->data, b->row, b->column, &beta, (float *)(void *)c->data, c->row, c->column,
                     NULL, &runtime);
    } else {
        double alpha = p->part.alpha, beta = p->part.beta;
        bli_dgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, c->rows, c->columns, a->columns, &alpha, (double *)(void *)a->data,
                     a->row, a->column, (double *)(void *)b->data, b->row, b->column, &beta, (double *)(void *)c->data, c->row,
                     c->column, NULL, &runtime);
    }
}

/* ---- without a kernel ---- */

static char *element(const ct__matrix *c, int64_t i, int64_t j, int64_t size)
{
    return c->data + (i * c->row + j * c->column) * size;
}

/* C = beta C, where there is nothing to sum. */
static void scale(const product *p, const ct__matrix *c)
{
    for (int64_t i = 0; i < c->rows; i++) {
        for (int64_t j = 0; j < c->columns; j++) {
            char *at = element(c, i, j, size_of(p->dtype));
            ct__store(at, p->dtype, p->part.beta == 0 ? 0 : p->part.beta * ct__load(at, p->dtype));
        }
    }
}

/* The bias goes into C, and the product adds onto it. */
static void fill_with_bias(product *p)
{
    const int64_t size = size_of(p->dtype);
    ct__matrix c = p->c;
    for (int64_t l = 0; l < p->batch; l++, c.data += p->c_step * size, p->part.bias += p->bias_step * size) {
        for (int64_t i = 0; i < c.rows; i++) {
            for (int64_t j = 0; j < c.columns; j++)
                ct__store(element(&c, i, j, size), p->dtype, ct__load(p->part.bias + j * size, p->dtype));
        }
    }
    p->part.bias = NULL;
    p->part.beta = 1;
}

static void activate(const product *p, const ct__matrix *c)
{
    for (int64_t i = 0; i < c->rows; i++) {
        for (int64_t j = 0; j < c->columns; j++) {
            char *at = element(c, i, j, size_of(p->dtype));
            if (ct__load(at, p->dtype) <= 0) ct__store(at, p->dtype, 0);
        }
    }
}

/* By BLIS, or nothing to sum. */
static void multiply_plainly(const product *p, const ct__matrix *a, const ct__matrix *b, const ct__matrix *c)
{
    if (a->columns) call_blis(p, a, b, c);
    else scale(p, c);
    if (p->part.relu) activate(p, c);
}

/* ---- parts ---- */

/* m's block of rows and columns from (i, j) on. */
static ct__matrix block_of(ct__matrix m, int64_t size, int64_t i, int64_t rows, int64_t j, int64_t columns)
{
    m.data += (i * m.row + j * m.column) * size;
    m.rows = rows;
    m.columns = columns;
    return m;
}

/* One block of one matrix of the batch. */
static void run_block(const product *p, int64_t matrix, int64_t panel)
{
    const int64_t size = size_of(p->dtype), i = panel / p->across * p->height, j = panel % p->across * p->width;
    const int64_t rows = least(p->height, p->c.rows - i), columns = least(p->width, p->c.columns - j);
    if (rows <= 0 || columns <= 0) return;
    ct__matrix a = block_of(p->a, size, i, rows, 0, p->a.columns);
    ct__matrix b = block_of(p->b, size, 0, p->b.rows, j, columns);
    ct__matrix c = block_of(p->c, size, i, rows, j, columns);
    a.data += matrix * p->a_step * size;
    b.data += matrix * p->b_step * size;
    c.data += matrix * p->c_step * size;
    if (p->blis) {
        multiply_plainly(p, &a, &b, &c);
        return;
    }
    ct__gemm_part part = p->part;
    if (part.bias) part.bias += (matrix * p->bias_step + j) * size;
    part.a = &a;
    part.b = &b;
    part.c = &c;
    if (p->space) {
        char *space = p->space + (size_t)(p->serial ? 0 : omp_get_thread_num()) * p->space_each;
        if (p->space_a) part.space_a = space;
        if (p->space_each > p->space_a) part.space_b = space + p->space_a;
    }
    ct__gemm_own->multiply[index_of(p->dtype)](&part);
}

static void run_part(void *context, int64_t index)
{
    const product *p = context;
    const int64_t panels = p->down * p->across;
    if (panels > 1) {
        run_block(p, index / panels, index % panels);
        return;
    }
    const int64_t end = least((index + 1) * p->group, p->batch);
    for (int64_t matrix = index * p->group; matrix < end; matrix++) run_block(p, matrix, 0);
}

/* C in about `parts` blocks of whole tiles, with the least time for `threads`. A block's time is that of its multiplications
 * and of reading its rows of A and columns of B, each of which costs about as much as eight multiplications. */
static void cut(product *p, int64_t parts, int64_t threads)
{
    const int64_t m = p->c.rows, n = p->c.columns, width = ct__gemm_own->width[index_of(p->dtype)];
    int64_t best = INT64_MAX;
    for (int64_t across = 1; across <= parts; across++) {
        const int64_t down = (parts + across - 1) / across, height = (m + down - 1) / down;
        const int64_t w = round_up((n + across - 1) / across, across > 1 ? width : 1);
        const int64_t rounds = ((m + height - 1) / height * ((n + w - 1) / w) + threads - 1) / threads;
        const int64_t cost = rounds * (height * w + 8 * (height + w));
        if (cost >= best) continue;
        best = cost;
        p->down = (m + height - 1) / height;
        p->across = (n + w - 1) / w;
        p->height = height;
        p->width = w;
    }
}

/* How the work is shared. */
static void plan(product *p)
{
    const double flops = 2.0 * (double)p->c.rows * (double)p->c.columns * (double)p->a.columns, all = flops * (double)p->batch;
    const int64_t threads = all < ct__gemm_own->parallel || omp_in_parallel() ? 1 : ct_threads();
    p->down = p->across = p->group = 1;
    p->height = p->c.rows;
    p->width = p->c.columns;
    if (p->blis) { /* its bits may depend on the cut */
        const int64_t longer = p->c.rows > p->c.columns ? p->c.rows : p->c.columns;
        if (flops >= ct__gemm_own->parallel && longer >= 32) cut(p, flops < 2e9 ? 2 : 4, 1);
    } else if (p->batch >= 4 * threads) {
        const int64_t pieces = least(8 * threads, (int64_t)(all / ct__gemm_own->parallel * 4) + 1);
        p->group = (p->batch + pieces - 1) / pieces;
    } else if (threads > 1) {
        const int64_t parts = (all >= 1e8 * (double)threads ? 2 : 1) * threads; /* long ones in more, to share them evenly */
        cut(p, (parts + p->batch - 1) / p->batch, threads);
    }
    p->serial = threads < 2 || (p->batch + p->group - 1) / p->group * p->down * p->across < 2;
}

static void multiply(product *p)
{
    p->blis = p->a.columns == 0 || p->c.column != 1 ||
              (ct__gemm_own->narrow && p->c.rows * p->c.columns > (1 << 23) / p->a.columns);
    if (p->blis && p->part.bias) fill_with_bias(p);
    plan(p);
    if (!p->blis) plan_space(p);
    const size_t space = p->space_each * (size_t)(p->serial ? 1 : ct_threads());
    p->space = space ? ct__pool_get(space) : NULL;
    const int64_t parts = (p->batch + p->group - 1) / p->group * p->down * p->across;
    if (p->serial) {
        for (int64_t i = 0; i < parts; i++) run_part(p, i);
    } else {
        ct__self.count.parallel_gemms++;
        ct__parallel(parts, run_part, p);
    }
    if (p->space) ct__pool_put(p->space, space);
}

/* ---- the front ---- */

/* Small ones, which one thread does at once without packing A. */
static void multiply_batch(ct_dtype dtype, int64_t batch, ct__gemm_part part, int64_t a_step, int64_t b_step, int64_t c_step,
                           int64_t bias_step)
{
    const int64_t size = size_of(dtype);
    ct__matrix a = *part.a, b = *part.b, c = *part.c;
    part.a = &a;
    part.b = &b;
    part.c = &c;
    for (; batch > 0; batch--) {
        ct__gemm_own->multiply[index_of(dtype)](&part);
        a.data += a_step * size;
        b.data += b_step * size;
        c.data += c_step * size;
        if (part.bias) part.bias += bias_step * size;
    }
}

/* C by columns is the transpose of B' A' by rows. */
static void transpose(product *p)
{
    const ct__matrix a = p->a, b = p->b, c = p->c;
    const int64_t a_step = p->a_step;
    p->a = (ct__matrix){.data = b.data, .rows = b.columns, .columns = b.rows, .row = b.column, .column = b.row};
    p->b = (ct__matrix){.data = a.data, .rows = a.columns, .columns = a.rows, .row = a.column, .column = a.row};
    p->c = (ct__matrix){.data = c.data, .rows = c.columns, .columns = c.rows, .row = c.column, .column = 1};
    p->a_step = p->b_step;
    p->b_step = a_step;
}

enum { SMALL = 1 << 19 }; /* multiplications */

void ct__gemm_with(ct_dtype dtype, int64_t batch, double alpha, const ct__matrix *a, int64_t a_step, const ct__matrix *b,
                   int64_t b_step, double beta, const ct__matrix *c, int64_t c_step, const ct__epilogue *then)
{
    const int64_t m = c->rows, n = c->columns, k = a->columns;
    if (batch == 0 || m == 0 || n == 0) return;
    const int64_t flops = 2 * m * n * k * batch, sides = m | n | k | batch;
    ct__self.count.gemm_calls += batch;
    ct__self.count.gemm_flops += flops;
    ct__gemm_part part = {.a = a, .b = b, .c = c, .alpha = alpha, .beta = beta, .pack_b = packs_b(b, m, size_of(dtype))};
    int64_t bias_step = 0;
    if (then) {
        part.bias = then->bias;
        part.relu = then->activation == CT__RELU;
        bias_step = then->bias_step;
    }
    /* sides so short that flops did not overflow? */
    if (CT__LIKELY(sides < 1 << 15 && flops <= 2 * SMALL && k && (c->column == 1 || n == 1))) {
        if (CT__LIKELY(batch == 1)) ct__gemm_own->multiply[index_of(dtype)](&part);
        else multiply_batch(dtype, batch, part, a_step, b_step, c_step, bias_step);
        return;
    }
    product p = {.dtype = dtype, .a = *a, .b = *b, .c = *c, .part = part, .batch = batch, .a_step = a_step, .b_step = b_step,
                 .c_step = c_step, .bias_step = bias_step};
    if (n == 1) p.b.column = p.c.column = 1; /* a stride that is not taken */
    if (p.c.column != 1 && part.bias) fill_with_bias(&p);
    if (p.c.column != 1 && c->row == 1) transpose(&p);
    multiply(&p);
}

void ct__gemm(ct_dtype dtype, int64_t batch, double alpha, const ct__matrix *a, int64_t a_step, const ct__matrix *b,
              int64_t b_step, double beta, const ct__matrix *c, int64_t c_step)
{
    ct__gemm_with(dtype, batch, alpha, a, a_step, b, b_step, beta, c, c_step, NULL);
}
