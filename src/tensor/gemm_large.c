/*
 * gemm_large.c - matrix products that are cut into parts; the only file that names BLIS.
 *
 * Without AVX2 large products go to BLIS, which knows a processor by its model, and on one that it does not know takes plain C, at a
 * sixth of the machine's rate; therefore not where kernels of our own serve (gemm_kernel.h).
 *
 * With our kernels an element of C has the same bits however C is cut, so it is cut as suits the threads. BLIS, with one
 * thread, gets panels that the shape alone decides. Either way a result does not depend on the number of threads, and there is
 * no parallel region inside another.
 */
#include "tensor/gemm.h"

#include <blis.h> /* found as a system header: its own warnings are its own */
#include <math.h>
#include <omp.h>

/* One product for a batch of matrices. A part of it is `group` whole matrices, or one of `down` times `across` blocks of a
 * matrix, or for a long sum that of one of `pieces` of its terms. */
typedef struct product {
    ct_dtype dtype;
    bool blis, serial;
    ct__matrix a, b, c; /* the first of the batch */
    ct__gemm_part part;
    int64_t batch, a_step, b_step, c_step, bias_step;
    int64_t group, down, across, height, width, pieces;
    char *space; /* for packing, room for each thread: first A's, then B's */
    size_t space_a, space_each;
    char *sheets; /* the sums of all chunks but those of the first piece */
} product;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* ---- packing ---- */

/* Does packing A pay, which is read once for each strip? Where its rows lie a multiple of 4 KB apart, all the lines of a tile fight for the
 * same places of a first-level cache. Of A transposed a row is one term of the sum for all rows of a tile: if that is most of a line, it
 * will not be read from the cache again. */
static bool packs_a(const ct__matrix *a, int64_t columns, int64_t size)
{
    if (columns < 128 || a->columns < 16) return false;
    if (a->row == 1) return a->column * size % 4096 == 0 && ct__gemm_own->rows * size < 56;
    return a->row * size % 4096 == 0;
}

/* Room for packing in a part of the product. */
static void plan_space(product *p)
{
    const int i = ct__gemm_index(p->dtype);
    const int64_t size = ct__gemm_size(p->dtype), depth = least(CT__GEMM_DEPTH, p->a.columns);
    p->part.pack_b = ct__gemm_packs_b(&p->b, p->height, p->dtype);
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
            char *at = element(c, i, j, ct__gemm_size(p->dtype));
            ct__store(at, p->dtype, p->part.beta == 0 ? 0 : p->part.beta * ct__load(at, p->dtype));
        }
    }
}

/* The bias goes into C, and the product adds onto it. */
static void fill_with_bias(product *p)
{
    const int64_t size = ct__gemm_size(p->dtype);
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
            char *at = element(c, i, j, ct__gemm_size(p->dtype));
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

/* ---- blocks ---- */

/* m's block of rows and columns from (i, j) on. */
__attribute__((noinline)) static ct__matrix block_of(ct__matrix m, int64_t size, int64_t i, int64_t rows, int64_t j, int64_t columns)
{
    m.data += (i * m.row + j * m.column) * size;
    m.rows = rows;
    m.columns = columns;
    return m;
}

/* Our kernel, in the calling thread's room. */
__attribute__((noinline)) static void call_own(const product *p, const ct__matrix *a, const ct__matrix *b, const ct__matrix *c,
                                               ct__gemm_part part)
{
    part.a = a;
    part.b = b;
    part.c = c;
    if (p->space) {
        char *space = p->space + (size_t)(p->serial ? 0 : omp_get_thread_num()) * p->space_each;
        if (p->space_a) part.space_a = space;
        if (p->space_each > p->space_a) part.space_b = space + p->space_a;
    }
    ct__gemm_own->multiply[ct__gemm_index(p->dtype)](&part);
}

/* ---- long sums in pieces ---- */

/* A thread that sums a piece of the terms reads the columns of A and the rows of B that belong to it, and the others read the rest. Of a
 * layer's weights it thus reads the rows whose gradients it sums and which it updates, and between caches goes nothing but C. The order
 * of the sum stays what it is: the first piece adds up its chunks in C, each later chunk has a sheet of its own, and these are added at
 * the end, one after another. */

static int64_t first_chunk(const product *p, int64_t piece) { return ct__gemm_chunks(p->a.columns) * piece / p->pieces; }
static int64_t sheets_of(const product *p) { return ct__gemm_chunks(p->a.columns) - first_chunk(p, 1); }
static int64_t sheet_size(const product *p) { return p->c.rows * p->c.columns; }

/* Of a block at row i and column j of C. */
static void run_piece(const product *p, int64_t piece, const ct__gemm_part *block, int64_t i, int64_t j)
{
    const int64_t size = ct__gemm_size(p->dtype), depth = ct__gemm_depth(p->a.columns), end = first_chunk(p, piece + 1);
    const int64_t count = piece ? 1 : end; /* chunks at once */
    for (int64_t chunk = first_chunk(p, piece); chunk < end; chunk += count) {
        const int64_t l = chunk * depth, terms = least(count * depth, p->a.columns - l);
        const ct__matrix a = block_of(*block->a, size, 0, block->a->rows, l, terms);
        const ct__matrix b = block_of(*block->b, size, l, terms, 0, block->b->columns);
        ct__matrix c = *block->c;
        ct__gemm_part part = *block;
        part.relu = false;
        if (piece) {
            part.bias = NULL;
            part.beta = 0;
            c.row = p->c.columns;
            c.data = p->sheets + ((chunk - first_chunk(p, 1)) * sheet_size(p) + i * c.row + j) * size;
        }
        call_own(p, &a, &b, &c, part);
    }
}

/* With the last sheet, nothing stays below `bottom`: 0 with relu. */
#define ADD_ROWS(T, name)                                                                                                     \
    static void name(const product *p, int64_t from, int64_t to)                                                              \
    {                                                                                                                         \
        for (int64_t i = from; i < to; i++) {                                                                                 \
            const int64_t n = p->c.columns;                                                                                   \
            T *c = (T *)(void *)p->c.data + i * p->c.row;                                                                     \
            const T *x = (const T *)(const void *)p->sheets + i * n;                                                          \
            for (int64_t k = sheets_of(p); k > 0; k--, x += sheet_size(p)) {                                                  \
                const T bottom = p->part.relu && k == 1 ? 0 : -(T)INFINITY;                                                   \
                _Pragma("omp simd") for (int64_t j = 0; j < n; j++) c[j] = c[j] + x[j] <= bottom ? bottom : c[j] + x[j];      \
            }                                                                                                                 \
        }                                                                                                                     \
    }
ADD_ROWS(float, add_rows_f32)
ADD_ROWS(double, add_rows_f64)
#undef ADD_ROWS

static void add_sheets(void *context, int64_t part)
{
    const product *p = context;
    const int64_t from = part * p->height, to = least(from + p->height, p->c.rows);
    if (p->dtype == CT_F64) add_rows_f64(p, from, to);
    else add_rows_f32(p, from, to);
}

/* ---- parts ---- */

/* One block of one matrix of the batch, or a piece of its sum. */
static void run_block(const product *p, int64_t matrix, int64_t panel, int64_t piece)
{
    const int64_t size = ct__gemm_size(p->dtype), i = panel / p->across * p->height, j = panel % p->across * p->width;
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
    if (p->pieces > 1) run_piece(p, piece, &part, i, j);
    else call_own(p, &a, &b, &c, part);
}

static void run_part(void *context, int64_t index)
{
    const product *p = context;
    const int64_t panels = p->down * p->across;
    if (p->pieces > 1) {
        run_block(p, 0, index % panels, index / panels);
        return;
    }
    if (panels > 1) {
        run_block(p, index / panels, index % panels, 0);
        return;
    }
    const int64_t end = least((index + 1) * p->group, p->batch);
    for (int64_t matrix = index * p->group; matrix < end; matrix++) run_block(p, matrix, 0, 0);
}

/* C in about `parts` blocks of whole tiles, with the least time for `threads`. A block's time is that of its multiplications
 * and of reading its rows of A and columns of B, each of which costs about as much as eight multiplications. */
static void cut(product *p, int64_t parts, int64_t threads)
{
    const int64_t m = p->c.rows, n = p->c.columns, width = ct__gemm_own->width[ct__gemm_index(p->dtype)];
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

/* Into how many pieces a sum is cut for `threads`: as even ones as chunks allow, where sheets are little beside A and B. */
static int64_t pieces_of(const product *p, int64_t threads)
{
    const int64_t m = p->c.rows, n = p->c.columns, k = p->a.columns, chunks = ct__gemm_chunks(k);
    for (int64_t pieces = least(threads, chunks); pieces > 1; pieces--) {
        const int64_t sheets = chunks - chunks / pieces;
        if (threads % pieces || (chunks % pieces && chunks < 8 * pieces)) continue;
        if (4 * sheets * m * n <= (m + n) * k) return pieces;
    }
    return 1;
}

static int64_t parts_of(const product *p) { return (p->batch + p->group - 1) / p->group * p->down * p->across * p->pieces; }

static void plan(product *p)
{
    const double flops = 2.0 * (double)p->c.rows * (double)p->c.columns * (double)p->a.columns, all = flops * (double)p->batch;
    const int64_t threads = all < ct__gemm_pays() || omp_in_parallel() ? 1 : ct_threads();
    p->down = p->across = p->group = p->pieces = 1;
    p->height = p->c.rows;
    p->width = p->c.columns;
    if (p->blis) { /* its bits may depend on the cut */
        const int64_t longer = p->c.rows > p->c.columns ? p->c.rows : p->c.columns;
        if (flops >= ct__gemm_own->parallel && longer >= 32) cut(p, flops < 2e9 ? 2 : 4, 1);
    } else if (p->batch >= 4 * threads) {
        const int64_t pieces = least(8 * threads, (int64_t)(all / ct__gemm_own->parallel * 4) + 1);
        p->group = (p->batch + pieces - 1) / pieces;
    } else if (threads > 1) {
        if (p->batch == 1) p->pieces = pieces_of(p, threads);
        int64_t parts = threads / p->pieces; /* of C, which of a long sum is read whole from memory for each */
        if (p->pieces == 1 && all >= 1e8 * (double)threads) parts *= 2; /* long ones in more, to share them evenly */
        cut(p, (parts + p->batch - 1) / p->batch, threads / p->pieces);
    }
    p->serial = threads < 2 || parts_of(p) < 2;
}

enum { SHORT_SHEET = 1 << 14 /* elements */ };

static void multiply(product *p)
{
    p->blis = p->a.columns == 0 || p->c.column != 1 ||
              (ct__gemm_own->narrow && p->c.rows * p->c.columns > (1 << 23) / p->a.columns);
    if (p->blis && p->part.bias) fill_with_bias(p);
    plan(p);
    if (!p->blis) plan_space(p);
    const size_t space = p->space_each * (size_t)(p->serial ? 1 : ct_threads());
    const size_t sheets = p->pieces > 1 ? (size_t)(sheets_of(p) * sheet_size(p) * ct__gemm_size(p->dtype)) : 0;
    p->space = space ? ct__pool_get(space) : NULL;
    p->sheets = sheets ? ct__pool_get(sheets) : NULL;
    if (!p->sheets) p->pieces = 1; /* as without memory for packing, slower and right */
    const int64_t parts = parts_of(p);
    if (p->serial) {
        for (int64_t i = 0; i < parts; i++) run_part(p, i);
    } else {
        ct__self.count.parallel_gemms++;
        ct__parallel(parts, run_part, p);
    }
    if (p->sheets) { /* from here on a part is some rows of C */
        p->height = sheet_size(p) > SHORT_SHEET ? (p->c.rows + ct_threads() - 1) / ct_threads() : p->c.rows;
        ct__parallel((p->c.rows + p->height - 1) / p->height, add_sheets, p);
        ct__pool_put(p->sheets, sheets);
    }
    if (p->space) ct__pool_put(p->space, space);
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

void ct__gemm_large(const ct__gemm_job *job)
{
    product p = {.dtype = job->dtype, .a = *job->part.a, .b = *job->part.b, .c = *job->part.c, .part = job->part, .batch = job->batch,
                 .a_step = job->a_step, .b_step = job->b_step, .c_step = job->c_step, .bias_step = job->bias_step};
    if (p.c.columns == 1) p.b.column = p.c.column = 1; /* a stride that is not taken */
    if (p.c.column != 1 && p.part.bias) fill_with_bias(&p);
    if (p.c.column != 1 && p.c.row == 1) transpose(&p);
    multiply(&p);
}
