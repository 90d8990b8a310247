/*
 * gemm.c - matrix products, on BLIS; the only file that names it.
 *
 * C is cut into panels by its shape alone, and OpenMP runs the panels: so a result has the same bits for any number of threads. Within a panel our
 * own loops call the kernels of BLIS that take unpacked operands (its "sup" kernels: any strides for A, rows for B and C). B is packed first
 * where its rows are not contiguous or lie far apart, A where its columns lie far apart. Calling kernels rather than
 * bli_sgemm has a reason: every call of that enters an OpenMP region of its own, and a region inside a region costs a malloc each time.
 *
 * Processors for which BLIS has no such kernels, and layouts that they do not take, go through bli_sgemm_ex with one thread. Products too small to
 * be worth either have a kernel of our own. Which way is taken depends on the shape and strides alone.
 */
#include "tensor/gemm.h"

#include <blis.h> /* found as a system header: its own warnings are its own */
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <string.h>

/* One product; a part of it is a panel of rows or of columns of C. */
typedef struct product {
    ct_dtype dtype;
    double alpha, beta;
    ct__matrix a, b, c;
    int64_t a_step, b_step, c_step;
    int64_t panels; /* for each matrix of the batch */
    bool by_rows;
    char *space;       /* for packing; one piece for each thread */
    size_t space_each; /* bytes; 0 where nothing is packed */
    bool serial;
} product;

/* ---- our own kernels ---- */

#ifdef CT__HAVE_X86_VARIANTS
const ct__gemm_kernels *ct__gemm_own = &ct__gemm_baseline;

/* Runs when the library is loaded. */
__attribute__((constructor)) static void choose(void)
{
    static const ct__gemm_kernels *const tables[] = {&ct__gemm_baseline, &ct__gemm_avx2, &ct__gemm_avx512};
    ct__gemm_own = tables[ct__isa()];
}
#else
const ct__gemm_kernels *ct__gemm_own = &ct__gemm_baseline;
#endif

/* ---- the kernels of BLIS ---- */

typedef void (*sup_kernel)(conj_t conja, conj_t conjb, dim_t m, dim_t n, dim_t k, void *alpha, void *a, inc_t rs_a, inc_t cs_a, void *b,
                           inc_t rs_b, inc_t cs_b, void *beta, void *c, inc_t rs_c, inc_t cs_c, auxinfo_t *data, cntx_t *cntx);

/* What BLIS has for this processor; index 0: f32, 1: f64. */
static struct {
    cntx_t *context;
    struct {
        sup_kernel kernel[2]; /* A by rows, A by columns; NULL: none */
        int64_t mr, nr, mc, kc;
    } of[2];
} blis;

static pthread_once_t blis_once = PTHREAD_ONCE_INIT;

static void ask_blis(void)
{
    bli_init();
    blis.context = bli_gks_query_cntx();
    for (int i = 0; i < 2; i++) {
        const num_t dt = i ? BLIS_DOUBLE : BLIS_FLOAT;
        const stor3_t storage[] = {BLIS_RRR, BLIS_RCR};
        bool usable = true;
        for (int k = 0; k < 2; k++) {
            usable = usable && bli_cntx_get_l3_sup_ker_prefs_dt(dt, storage[k], blis.context); /* it prefers C by rows */
            void *address = bli_cntx_get_l3_sup_ker_dt(dt, storage[k], blis.context);
            memcpy(&blis.of[i].kernel[k], &address, sizeof address); /* ISO C has no cast from an object's pointer to a function's */
        }
        blis.of[i].mr = bli_cntx_get_l3_sup_blksz_def_dt(dt, BLIS_MR, blis.context);
        blis.of[i].nr = bli_cntx_get_l3_sup_blksz_def_dt(dt, BLIS_NR, blis.context);
        blis.of[i].mc = bli_cntx_get_l3_sup_blksz_def_dt(dt, BLIS_MC, blis.context);
        blis.of[i].kc = bli_cntx_get_l3_sup_blksz_def_dt(dt, BLIS_KC, blis.context);
        /* Only the kernels that loop over m themselves, of the shapes known to be such, are called. */
        const int64_t mr = blis.of[i].mr, nr = blis.of[i].nr;
        if (!usable || mr != 6 || nr != (i ? 8 : 16) || blis.of[i].mc < mr || blis.of[i].kc < 16)
            blis.of[i].kernel[0] = blis.of[i].kernel[1] = NULL;
    }
}

enum { SMALL = 1 << 23, DEPTH = 256 }; /* multiplications up to which our own tiles are taken; terms that they sum at a time */
enum { NC = 1024, FAR = 1024 }; /* columns of B packed at a time; bytes between rows from which packing pays */

static int index_of(ct_dtype dtype) { return dtype == CT_F64; }

static bool kernels_take(const product *p)
{
    return blis.of[index_of(p->dtype)].kernel[0] && p->c.column == 1;
}

static bool packs_b(const product *p, size_t size)
{
    return p->b.column != 1 || (p->c.rows >= 48 && (size_t)p->b.row * size >= FAR && p->a.columns >= 32);
}

static bool packs_a(const product *p, size_t size)
{
    if (p->a.column != 1 && p->a.row != 1) return true;
    return p->a.row == 1 && p->c.columns >= 48 && (size_t)p->a.column * size >= FAR;
}

/* Panels of A, mr rows high: element (i, l) of a panel at [l * mr + i]. */
#define PACK_A(T)                                                                                                      \
    static void pack_a_##T(T *restrict to, const T *a, int64_t row, int64_t column, int64_t m, int64_t k, int64_t mr)  \
    {                                                                                                                  \
        for (int64_t i0 = 0; i0 < m; i0 += mr, to += k * mr) {                                                         \
            const int64_t h = m - i0 < mr ? m - i0 : mr;                                                               \
            const T *from = a + i0 * row;                                                                              \
            for (int64_t l = 0; l < k; l++) {                                                                          \
                for (int64_t i = 0; i < h; i++) to[l * mr + i] = from[i * row + l * column];                           \
            }                                                                                                          \
        }                                                                                                              \
    }
PACK_A(float)
PACK_A(double)

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* Bytes that packing a panel may need: B first, then A. */
static size_t space_for(const product *p, size_t size)
{
    const int i = index_of(p->dtype);
    const int64_t kc = least(blis.of[i].kc, p->a.columns), nc = round_up(least(NC, p->c.columns), blis.of[i].nr);
    size_t bytes = packs_b(p, size) ? (size_t)(kc * nc) * size : 0;
    bytes = (bytes + 63) / 64 * 64;
    if (packs_a(p, size)) bytes += (size_t)(kc * round_up(least(blis.of[i].mc, p->c.rows), blis.of[i].mr)) * size;
    return bytes;
}

/* A block of B (k x n) against all of A's rows: blocks of mc rows, then strips of nr columns, each one call of the kernel. */
static void run_block(const product *p, const ct__matrix *a, char *b, int64_t b_row, int64_t b_panel, const ct__matrix *c, int64_t k, int64_t n,
                      void *beta, char *space)
{
    const int i = index_of(p->dtype);
    const int64_t size = p->dtype == CT_F32 ? 4 : 8, mr = blis.of[i].mr, nr = blis.of[i].nr, mc = blis.of[i].mc;
    const bool pack = packs_a(p, (size_t)size);
    float alpha_f32 = (float)p->alpha;
    double alpha_f64 = p->alpha;
    for (int64_t i0 = 0; i0 < c->rows; i0 += mc) {
        const int64_t m = least(mc, c->rows - i0);
        char *block = a->data + i0 * a->row * size;
        int64_t row = a->row, column = a->column, panel = mr * a->row;
        if (pack) {
            if (p->dtype == CT_F32) pack_a_float((float *)(void *)space, (const float *)(const void *)block, row, column, m, k, mr);
            else pack_a_double((double *)(void *)space, (const double *)(const void *)block, row, column, m, k, mr);
            block = space;
            row = 1;
            column = mr;
            panel = mr * k;
        }
        auxinfo_t info;
        memset(&info, 0, sizeof info);
        bli_auxinfo_set_ps_a(panel, &info);
        bli_auxinfo_set_ps_b(b_panel, &info);
        for (int64_t j0 = 0; j0 < n; j0 += nr) {
            char *strip = b + (j0 / nr) * b_panel * size, *to = c->data + (i0 * c->row + j0) * size;
            if (n - j0 < nr) { /* of a narrow strip the kernels of BLIS 0.9 read beyond the end of C */
                const ct__matrix x = {.data = a->data + i0 * a->row * size, .rows = m, .columns = k, .row = a->row, .column = a->column};
                const ct__matrix y = {.data = strip, .rows = k, .columns = n - j0, .row = b_row, .column = 1};
                const ct__matrix z = {.data = to, .rows = m, .columns = n - j0, .row = c->row, .column = 1};
                ct__gemm_own->small[i](&x, &y, &z, p->alpha, i ? *(double *)beta : (double)*(float *)beta);
                break;
            }
            blis.of[i].kernel[column == 1 ? 0 : 1](BLIS_NO_CONJUGATE, BLIS_NO_CONJUGATE, m, nr, k, i ? (void *)&alpha_f64 : (void *)&alpha_f32,
                                                   block, row, column, strip, b_row, 1, beta, to, c->row, 1, &info, blis.context);
        }
    }
}

static void call_kernels(const product *p, const ct__matrix *a, const ct__matrix *b, const ct__matrix *c, char *space)
{
    const int i = index_of(p->dtype);
    const int64_t size = p->dtype == CT_F32 ? 4 : 8, nr = blis.of[i].nr, kc = blis.of[i].kc;
    const bool pack = packs_b(p, (size_t)size);
    float beta_f32 = (float)p->beta, one_f32 = 1;
    double beta_f64 = p->beta, one_f64 = 1;
    char *space_a = space + (pack ? round_up(least(kc, a->columns) * round_up(least(NC, p->c.columns), nr) * size, 64) : 0);
    for (int64_t j0 = 0; j0 < c->columns; j0 += NC) {
        const int64_t n = least(NC, c->columns - j0);
        for (int64_t l0 = 0; l0 < a->columns; l0 += kc) {
            const int64_t k = least(kc, a->columns - l0);
            char *from = b->data + (l0 * b->row + j0 * b->column) * size;
            if (pack) ct__gemm_own->pack_b[i](space, from, b->row, b->column, k, n, nr);
            void *beta = i ? (l0 ? (void *)&one_f64 : (void *)&beta_f64) : l0 ? (void *)&one_f32 : (void *)&beta_f32;
            ct__matrix a_part = *a, c_part = *c;
            a_part.data += l0 * a->column * size;
            c_part.data += j0 * size;
            run_block(p, &a_part, pack ? space : from, pack ? nr : b->row, pack ? nr * k : nr, &c_part, k, n, beta, space_a);
        }
    }
}

/* The whole of BLIS, with one thread, its packed path. */
static void call_blis(const product *p, const ct__matrix *a, const ct__matrix *b, const ct__matrix *c)
{
    rntm_t runtime;
    bli_rntm_init(&runtime);
    bli_rntm_set_num_threads(1, &runtime);
    bli_rntm_disable_l3_sup(&runtime);
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

/* Small enough for our own tiles, which read A and B where they are? */
static bool is_small(const ct__matrix *a, const ct__matrix *c)
{
    return c->column == 1 && c->rows * c->columns <= SMALL / a->columns;
}

static void call_own(ct_dtype dtype, double alpha, const ct__matrix *a, const ct__matrix *b, double beta, const ct__matrix *c)
{
    const int64_t size = dtype == CT_F32 ? 4 : 8;
    if (a->columns <= DEPTH) {
        ct__gemm_own->small[index_of(dtype)](a, b, c, alpha, beta);
        return;
    }
    ct__matrix x = *a, y = *b;
    for (int64_t l = 0; l < a->columns; l += DEPTH) {
        x.columns = y.rows = least(DEPTH, a->columns - l);
        ct__gemm_own->small[index_of(dtype)](&x, &y, c, alpha, l ? 1 : beta);
        x.data += DEPTH * a->column * size;
        y.data += DEPTH * b->row * size;
    }
}

static void multiply(const product *p, const ct__matrix *a, const ct__matrix *b, const ct__matrix *c, char *space)
{
    if (is_small(a, c)) call_own(p->dtype, p->alpha, a, b, p->beta, c);
    else if (kernels_take(p) && (space || !p->space_each)) call_kernels(p, a, b, c, space);
    else call_blis(p, a, b, c);
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
    const int thread = p->serial ? 0 : omp_get_thread_num();
    multiply(p, &a, &b, &c, p->space ? p->space + (size_t)thread * p->space_each : NULL);
}

#define PARALLEL 3e6
enum { SERIAL = 1500000 }; /* multiplications, in the whole batch, that one thread does at once: PARALLEL by another measure */

/* How many panels, by shape alone: two from about 30 us of work on (PARALLEL flops), four where each of them still packs little against its work. Cut across
 * the longer side of C. */
static void cut(product *p)
{
    const double flops = 2.0 * (double)p->c.rows * (double)p->c.columns * (double)p->a.columns;
    const int64_t longer = p->c.rows > p->c.columns ? p->c.rows : p->c.columns;
    p->by_rows = p->c.rows >= p->c.columns;
    p->panels = flops < PARALLEL || longer < 32 ? 1 : flops < 2e9 ? 2 : 4;
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
    if (batch == 0 || c.rows == 0 || c.columns == 0) return;
    if (c.columns == 1) b.column = c.column = 1; /* a stride that is not taken */
    ct__self.count.gemm_calls += batch;
    ct__self.count.gemm_flops += 2 * c.rows * c.columns * a.columns * batch;
    if (c.column == 1 && a.columns && c.rows * c.columns <= SERIAL / a.columns / batch) {
        const int64_t size = dtype == CT_F32 ? 4 : 8;
        for (int64_t l = 0; l < batch; l++) {
            call_own(dtype, alpha, &a, &b, beta, &c);
            a.data += a_step * size;
            b.data += b_step * size;
            c.data += c_step * size;
        }
        return;
    }
    product p = {.dtype = dtype, .alpha = alpha, .beta = beta, .a = a, .b = b, .c = c, .a_step = a_step, .b_step = b_step, .c_step = c_step};
    if (a.columns == 0) {
        scale(&p, batch);
        return;
    }
    pthread_once(&blis_once, ask_blis);
    cut(&p);
    const size_t size = dtype == CT_F32 ? 4 : 8;
    const double flops = 2.0 * (double)c.rows * (double)c.columns * (double)a.columns;
    const int64_t parts = batch * p.panels;
    p.serial = parts < 2 || flops * (double)batch < PARALLEL || omp_in_parallel();
    p.space_each = !is_small(&a, &c) && kernels_take(&p) ? (space_for(&p, size) + 63) / 64 * 64 : 0;
    const size_t space = p.space_each * (size_t)(p.serial ? 1 : ct_threads());
    p.space = space ? ct__pool_get(space) : NULL;
    if (p.serial) {
        for (int64_t i = 0; i < parts; i++) run_part(&p, i);
    } else {
        ct__self.count.parallel_gemms++;
        ct__parallel(parts, run_part, &p);
    }
    if (p.space) ct__pool_put(p.space, space);
}
