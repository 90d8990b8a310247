/*
 * gemm.c - matrix products, on BLIS; the only file that names it.
 *
 * BLIS takes any row and column stride, so transposed and sliced operands go in without copies. It runs with one thread inside our own
 * parallel parts: panels of C (or matrices of a batch) cut by shape alone, so the result has the same bits for any number of threads.
 * Which of its two code paths runs, unpacked or packed, is a function of the shape as well, and so is the choice of our own kernel
 * for products too small to be worth a call.
 */
#include "tensor/tensor.h"

#include <math.h>

#include <blis.h> /* found as a system header: its own warnings are its own */

/* One product; a part of it is a panel of rows or of columns of C. */
typedef struct product {
    ct_dtype dtype;
    double alpha, beta;
    ct__matrix a, b, c;
    int64_t a_step, b_step, c_step;
    int64_t panels; /* for each matrix of the batch */
    bool by_rows;
} product;

/* ---- small products ---- */

/* For a product of few operations a call of BLIS costs more than the work: C = alpha A B + beta C by rows, each a sum of rows of B. The
 * inner loop runs over contiguous columns where it can. */
#define SMALL(T)                                                                                                       \
    static void small_##T(const ct__matrix *a, const ct__matrix *b, const ct__matrix *c, T alpha, T beta)              \
    {                                                                                                                  \
        const T *pa = (const T *)(const void *)a->data, *pb = (const T *)(const void *)b->data;                        \
        T *pc = (T *)(void *)c->data;                                                                                  \
        for (int64_t i = 0; i < c->rows; i++) {                                                                        \
            T *row = pc + i * c->row;                                                                                  \
            for (int64_t j0 = 0; j0 < c->columns; j0 += 16) {                                                          \
                const int64_t n = c->columns - j0 < 16 ? c->columns - j0 : 16;                                         \
                T sum[16] = {0};                                                                                       \
                for (int64_t l = 0; l < a->columns; l++) {                                                             \
                    const T x = pa[i * a->row + l * a->column];                                                        \
                    const T *y = pb + l * b->row + j0 * b->column;                                                     \
                    if (n == 16 && b->column == 1) {                                                                   \
                        for (int j = 0; j < 16; j++) sum[j] += x * y[j];                                               \
                    } else {                                                                                           \
                        for (int64_t j = 0; j < n; j++) sum[j] += x * y[j * b->column];                                \
                    }                                                                                                  \
                }                                                                                                      \
                for (int64_t j = 0; j < n; j++) {                                                                      \
                    T *to = row + (j0 + j) * c->column;                                                                \
                    *to = beta == 0 ? alpha * sum[j] : alpha * sum[j] + beta * *to;                                    \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
SMALL(float)
SMALL(double)

/* ---- BLIS ---- */

/* The unpacked path wins for products whose smaller sides are short, the packed one from about 128 x 512 x 512 on (measured on a
 * machine with AVX2; docs/performance.md). */
static bool unpacked(const ct__matrix *a, const ct__matrix *c)
{
    const double work = (double)c->rows * (double)c->columns * (double)a->columns;
    return work < 1.2e7;
}

static void set_up_runtime(rntm_t *r, bool sup)
{
    bli_rntm_init(r);
    bli_rntm_set_num_threads(1, r);
    if (!sup) bli_rntm_disable_l3_sup(r);
}

static void call_blis(const product *p, const ct__matrix *a, const ct__matrix *b, const ct__matrix *c)
{
    static _Thread_local bool ready;
    static _Thread_local rntm_t runtimes[2];
    if (CT__UNLIKELY(!ready)) {
        bli_init();
        set_up_runtime(&runtimes[0], false);
        set_up_runtime(&runtimes[1], true);
        ready = true;
    }
    rntm_t runtime = runtimes[unpacked(a, c)]; /* BLIS writes into it */
    if (p->dtype == CT_F32) {
        float alpha = (float)p->alpha, beta = (float)p->beta;
        bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, c->rows, c->columns, a->columns, &alpha, (float *)(void *)a->data, a->row,
                     a->column, (float *)(void *)b->data, b->row, b->column, &beta, (float *)(void *)c->data, c->row, c->column,
                     NULL, &runtime);
    } else {
        double alpha = p->alpha, beta = p->beta;
        bli_dgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, c->rows, c->columns, a->columns, &alpha, (double *)(void *)a->data,
                     a->row, a->column, (double *)(void *)b->data, b->row, b->column, &beta, (double *)(void *)c->data, c->row,
                     c->column, NULL, &runtime);
    }
}

static void multiply(const product *p, const ct__matrix *a, const ct__matrix *b, const ct__matrix *c)
{
    if (c->rows * c->columns * a->columns > 4096) {
        call_blis(p, a, b, c);
    } else if (p->dtype == CT_F32) {
        small_float(a, b, c, (float)p->alpha, (float)p->beta);
    } else {
        small_double(a, b, c, p->alpha, p->beta);
    }
}

/* ---- parts ---- */

static ct__matrix part_of(ct__matrix m, size_t size, bool rows, int64_t from, int64_t count)
{
    m.data += from * (rows ? m.row : m.column) * (int64_t)size;
    *(rows ? &m.rows : &m.columns) = count;
    return m;
}

static void run_part(void *context, int64_t part)
{
    const product *p = context;
    const int64_t matrix = part / p->panels, panel = part % p->panels;
    const size_t size = p->dtype == CT_F32 ? 4 : 8;
    ct__matrix a = p->a, b = p->b, c = p->c;
    a.data += matrix * p->a_step * (int64_t)size;
    b.data += matrix * p->b_step * (int64_t)size;
    c.data += matrix * p->c_step * (int64_t)size;
    if (p->panels > 1) {
        const int64_t n = p->by_rows ? c.rows : c.columns;
        int64_t each = (n + p->panels - 1) / p->panels;
        each = (each + 7) / 8 * 8; /* whole micro-tiles */
        const int64_t from = panel * each, count = from >= n ? 0 : n - from < each ? n - from : each;
        if (count == 0) return;
        c = part_of(c, size, p->by_rows, from, count);
        if (p->by_rows) a = part_of(a, size, true, from, count);
        else b = part_of(b, size, false, from, count);
    }
    multiply(p, &a, &b, &c);
}

/* How many panels, by shape alone: two from about 10 us of work on, four where each of them still packs little against its work. Cut across
 * the longer side of C. */
static void cut(product *p)
{
    const double flops = 2.0 * (double)p->c.rows * (double)p->c.columns * (double)p->a.columns;
    const int64_t longer = p->c.rows > p->c.columns ? p->c.rows : p->c.columns;
    p->by_rows = p->c.rows >= p->c.columns;
    p->panels = flops < 1e6 || longer < 32 ? 1 : flops < 2e9 ? 2 : 4;
}

/* C = beta C, where there is nothing to sum. */
static void scale(const product *p, int64_t batch)
{
    for (int64_t l = 0; l < batch; l++) {
        for (int64_t i = 0; i < p->c.rows; i++) {
            for (int64_t j = 0; j < p->c.columns; j++) {
                char *at = p->c.data + (l * p->c_step + i * p->c.row + j * p->c.column) * (p->dtype == CT_F32 ? 4 : 8);
                ct__store(at, p->dtype, p->beta == 0 ? 0 : p->beta * ct__load(at, p->dtype));
            }
        }
    }
}

void ct__gemm(ct_dtype dtype, int64_t batch, double alpha, ct__matrix a, int64_t a_step, ct__matrix b, int64_t b_step, double beta,
              ct__matrix c, int64_t c_step)
{
    product p = {.dtype = dtype, .alpha = alpha, .beta = beta, .a = a, .b = b, .c = c, .a_step = a_step, .b_step = b_step, .c_step = c_step};
    if (batch == 0 || c.rows == 0 || c.columns == 0) return;
    if (a.columns == 0) {
        scale(&p, batch);
        return;
    }
    cut(&p);
    const double flops = 2.0 * (double)c.rows * (double)c.columns * (double)a.columns;
    ct__self.count.gemm_calls += batch;
    ct__self.count.gemm_flops += (int64_t)flops * batch;
    const int64_t parts = batch * p.panels;
    if (parts > 1 && flops * (double)batch >= 1e6) {
        ct__self.count.parallel_gemms++;
        ct__parallel(parts, run_part, &p);
    } else {
        for (int64_t i = 0; i < parts; i++) run_part(&p, i);
    }
}
