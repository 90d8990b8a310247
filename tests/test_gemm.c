/*
 * test_gemm.c - the inner matrix product, with the kernels of every instruction set that the processor has.
 *
 * Every element must be within (k + 4) eps sum |a||b| of a sum in long double. Operands end at the end of a page that nobody
 * may touch, and what lies between their rows is NaN; C is NaN before, and what is not an element of it must keep its bits.
 */
#define _GNU_SOURCE
#include "values.h"

#include <float.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tensor/gemm.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const ct__gemm_kernels *const tables[] = {
    &ct__gemm_baseline,
#ifdef CT__HAVE_X86_VARIANTS
    &ct__gemm_avx2,
    &ct__gemm_avx512,
#endif
};

/* Runs what follows once with each table that the processor can run. */
#define FOR_EACH_TABLE for (int isa = 0; isa <= ct__isa() && (ct__gemm_own = tables[isa]); isa++)
#define FOR_EACH_DTYPE for (ct_dtype dtype = CT_F32; dtype <= CT_F64; dtype = (ct_dtype)(dtype + 1))

/* ---- matrices before a page that may not be touched ---- */

typedef struct sheet {
    ct__matrix m;
    ct_dtype dtype;
    char *pages;
    size_t bytes; /* of the pages that may be touched */
} sheet;

enum layout { BY_ROWS, BY_COLUMNS, SPREAD, LAYOUTS };

static size_t width_of(ct_dtype dtype) { return dtype == CT_F64 ? 8 : 4; }

/* All NaN. `gap`: elements between rows, or columns. */
static sheet make(ct_dtype dtype, int64_t rows, int64_t columns, enum layout layout, int64_t gap)
{
    sheet s = {.dtype = dtype, .m = {.rows = rows, .columns = columns}};
    s.m.column = layout == BY_ROWS ? 1 : layout == BY_COLUMNS ? rows + gap : 2;
    s.m.row = layout == BY_ROWS ? columns + gap : layout == BY_COLUMNS ? 1 : 2 * columns + gap;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const int64_t last = (rows ? rows - 1 : 0) * s.m.row + (columns ? columns - 1 : 0) * s.m.column;
    const size_t used = (size_t)(last + 1) * width_of(dtype);
    s.bytes = (used + page - 1) / page * page;
    s.pages = mmap(NULL, s.bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(s.pages != MAP_FAILED);
    assert_int_equal(mprotect(s.pages + s.bytes, page, PROT_NONE), 0);
    memset(s.pages, 0xff, s.bytes); /* a NaN in either dtype */
    s.m.data = s.pages + s.bytes - used;
    return s;
}

static void drop(sheet *s) { assert_int_equal(munmap(s->pages, s->bytes + (size_t)sysconf(_SC_PAGESIZE)), 0); }

static char *at(const sheet *s, int64_t i, int64_t j)
{
    return s->m.data + (i * s->m.row + j * s->m.column) * (int64_t)width_of(s->dtype);
}
static double get(const sheet *s, int64_t i, int64_t j) { return ct__load(at(s, i, j), s->dtype); }

/* In [-1, 1), of few bits, so that f32 holds it. */
static double number(void) { return (rand() & 0xffff) / 32768.0 - 1; }

static void fill(const sheet *s)
{
    for (int64_t i = 0; i < s->m.rows; i++) {
        for (int64_t j = 0; j < s->m.columns; j++) ct__store(at(s, i, j), s->dtype, number());
    }
}

static sheet filled(ct_dtype dtype, int64_t rows, int64_t columns, enum layout layout, int64_t gap)
{
    const sheet s = make(dtype, rows, columns, layout, gap);
    fill(&s);
    return s;
}

/* Are all bytes that belong to no element still 0xff? Writes that over the elements. */
static bool rest_is_untouched(const sheet *s)
{
    for (int64_t i = 0; i < s->m.rows; i++) {
        for (int64_t j = 0; j < s->m.columns; j++) memset(at(s, i, j), 0xff, width_of(s->dtype));
    }
    for (size_t i = 0; i < s->bytes; i++) {
        if ((unsigned char)s->pages[i] != 0xff) return false;
    }
    return true;
}

static bool same_bits(const sheet *x, const sheet *y)
{
    for (int64_t i = 0; i < x->m.rows; i++) {
        for (int64_t j = 0; j < x->m.columns; j++) {
            if (memcmp(at(x, i, j), at(y, i, j), width_of(x->dtype)) != 0) return false;
        }
    }
    return true;
}

static void multiply(double alpha, const sheet *a, const sheet *b, double beta, const sheet *c)
{
    ct__gemm(c->dtype, 1, alpha, &a->m, 0, &b->m, 0, beta, &c->m, 0);
}

/* ---- small shapes ---- */

enum { SIDE = 40 };
static long double sums[SIDE][SIDE], sizes[SIDE][SIDE];

/* sums = the product of the first k columns and rows, sizes = that of the magnitudes. */
static void reference(const sheet *a, const sheet *b, int64_t k)
{
    memset(sums, 0, sizeof sums);
    memset(sizes, 0, sizeof sizes);
    for (int64_t i = 0; i < SIDE; i++) {
        for (int64_t l = 0; l < k; l++) {
            for (int64_t j = 0; j < SIDE; j++) {
                const long double x = (long double)get(a, i, l) * (long double)get(b, l, j);
                sums[i][j] += x;
                sizes[i][j] += fabsl(x);
            }
        }
    }
}

static void copy_corner(const sheet *to, const sheet *from)
{
    for (int64_t i = 0; i < to->m.rows; i++) {
        for (int64_t j = 0; j < to->m.columns; j++) memcpy(at(to, i, j), at(from, i, j), width_of(to->dtype));
    }
}

/* One shape, its operands in layouts that the shape picks. */
static void check_shape(const sheet *x, const sheet *y, int64_t m, int64_t n, int64_t k)
{
    const ct_dtype dtype = x->dtype;
    sheet a = make(dtype, m, k, (enum layout)((m + n) % LAYOUTS), n % 3);
    sheet b = make(dtype, k, n, (enum layout)((m + 2 * k) / 2 % LAYOUTS), m % 4);
    sheet c = make(dtype, m, n, BY_ROWS, m % 2 * 3);
    copy_corner(&a, x);
    copy_corner(&b, y);
    multiply(1, &a, &b, 0, &c);
    const long double tolerance = (k + 4) * (dtype == CT_F32 ? FLT_EPSILON : DBL_EPSILON);
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            if (fabsl(get(&c, i, j) - sums[i][j]) <= tolerance * sizes[i][j]) continue;
            fail_msg("%s %d x %d x %d: element (%d, %d) is %.17g, expected %.17Lg", ct_dtype_name(dtype), (int)m, (int)n, (int)k,
                     (int)i, (int)j, get(&c, i, j), sums[i][j]);
        }
    }
    assert_true(rest_is_untouched(&c));
    drop(&a);
    drop(&b);
    drop(&c);
}

static void every_small_shape(void **state)
{
    (void)state;
    static const int64_t depths[] = {1, 3, 17, 40};
    const int64_t step = test_under_valgrind() ? 13 : 1;
    FOR_EACH_TABLE FOR_EACH_DTYPE {
        sheet x = filled(dtype, SIDE, SIDE, BY_ROWS, 0), y = filled(dtype, SIDE, SIDE, BY_ROWS, 0);
        for (size_t d = 0; d < COUNT(depths); d++) {
            reference(&x, &y, depths[d]);
            for (int64_t m = 1; m <= SIDE; m += step) {
                for (int64_t n = 1; n <= SIDE; n += step) check_shape(&x, &y, m, n, depths[d]);
            }
        }
        drop(&x);
        drop(&y);
    }
}

/* ---- large ones: chunks, blocks, packing, parts ---- */

static const struct shape {
    int64_t m, n, k;
    int64_t gap; /* of A and B: far rows are packed */
} large[] = {
    {1, 70, 800, 0},   {45, 1, 513, 3},    {29, 65, 385, 0},     {57, 140, 384, 1664}, {130, 33, 300, 2100}, {15, 300, 70, 1030},
    {520, 40, 64, 0},  {460, 130, 300, 0}, {400, 150, 400, 1648}, {64, 520, 130, 0},    {258, 258, 258, 5},    {60, 140, 60, 964},
}; /* with lines of A that are a multiple of 4 KB apart, too */

/* All elements, row after row, or column after column where `turned`. */
static double *values(const sheet *s, bool turned)
{
    double *v = malloc((size_t)(s->m.rows * s->m.columns + 1) * sizeof *v);
    assert_non_null(v);
    for (int64_t i = 0; i < s->m.rows; i++) {
        for (int64_t j = 0; j < s->m.columns; j++) v[turned ? j * s->m.rows + i : i * s->m.columns + j] = get(s, i, j);
    }
    return v;
}

/* C = alpha A B + beta C against long double, C having been c0. `stride`: every so many columns are looked at. */
static void check_product(double alpha, const sheet *a, const sheet *b, double beta, const sheet *c0, const sheet *c,
                          int64_t stride)
{
    const int64_t k = a->m.columns;
    double *x = values(a, false), *y = values(b, true);
    const long double tolerance = (k + 8) * (c->dtype == CT_F32 ? FLT_EPSILON : DBL_EPSILON);
    for (int64_t i = 0; i < c->m.rows; i++) {
        for (int64_t j = i % stride; j < c->m.columns; j += stride) {
            const long double start = beta == 0 ? 0 : (long double)beta * get(c0, i, j);
            long double sum = 0, size = fabsl(start);
            for (int64_t l = 0; l < k; l++) {
                const long double product = (long double)alpha * x[i * k + l] * y[j * k + l];
                sum += product;
                size += fabsl(product);
            }
            if (fabsl(get(c, i, j) - (start + sum)) <= tolerance * size) continue;
            fail_msg("%s %d x %d x %d: element (%d, %d) is %.17g, expected %.17Lg", ct_dtype_name(c->dtype), (int)c->m.rows,
                     (int)c->m.columns, (int)k, (int)i, (int)j, get(c, i, j), start + sum);
        }
    }
    free(x);
    free(y);
}

static void large_shapes_by_every_layout(void **state)
{
    (void)state;
    const size_t step = test_under_valgrind() ? 5 : 1;
    FOR_EACH_TABLE FOR_EACH_DTYPE {
        for (size_t s = 0; s < COUNT(large); s += step) {
            for (int layout = test_under_valgrind() ? 4 : 0; layout < (test_under_valgrind() ? 5 : 9); layout++) {
                const struct shape z = large[s];
                const double alpha = layout % 2 ? 1 : -0.75, beta = layout % 3 == 0 ? 0 : layout % 3 == 1 ? 1 : 0.5;
                sheet a = filled(dtype, z.m, z.k, (enum layout)(layout % 3), z.gap);
                sheet b = filled(dtype, z.k, z.n, (enum layout)(layout / 3), z.gap);
                sheet c0 = filled(dtype, z.m, z.n, BY_ROWS, 1), c = make(dtype, z.m, z.n, (enum layout)((layout + 1) / 5), 1);
                if (beta != 0) copy_corner(&c, &c0);
                multiply(alpha, &a, &b, beta, &c);
                check_product(alpha, &a, &b, beta, &c0, &c, 13);
                assert_true(rest_is_untouched(&c));
                drop(&a);
                drop(&b);
                drop(&c);
                drop(&c0);
            }
        }
    }
}

/* The bits of each element depend on its row of A, its column of B and their length alone: not on threads, nor where C is cut,
 * nor on vectors. */
static void bits_depend_on_a_row_and_a_column(void **state)
{
    (void)state;
    FOR_EACH_DTYPE {
        for (size_t s = 0; s < (test_under_valgrind() ? 2 : COUNT(large)); s++) {
            const struct shape z = large[s];
            sheet a = filled(dtype, z.m, z.k, (enum layout)(s % 3), z.gap), first = {0};
            sheet b = filled(dtype, z.k, z.n, (enum layout)(s / 3 % 3), z.gap);
            for (int isa = ct__isa() ? 1 : 0; isa <= ct__isa(); isa++) {
                ct__gemm_own = tables[isa];
                for (int threads = 1; threads <= 5; threads += threads < 3 ? 1 : 2) {
                    assert_true(ct_set_threads(threads));
                    sheet c = make(dtype, z.m, z.n, BY_ROWS, 0);
                    multiply(1, &a, &b, 0, &c);
                    if (!first.pages) {
                        first = c;
                        continue;
                    }
                    assert_true(same_bits(&first, &c));
                    drop(&c);
                }
                if (isa == 0) continue; /* what BLIS computes depends on the shape */
                const int64_t i = z.m / 3, j = z.n / 2;
                sheet x = a, y = b, w = first, c = make(dtype, z.m - i, z.n - j, BY_ROWS, 2);
                x.m = (ct__matrix){.data = at(&a, i, 0), .rows = z.m - i, .columns = z.k, .row = a.m.row, .column = a.m.column};
                y.m = (ct__matrix){.data = at(&b, 0, j), .rows = z.k, .columns = z.n - j, .row = b.m.row, .column = b.m.column};
                w.m = (ct__matrix){.data = at(&first, i, j), .rows = z.m - i, .columns = z.n - j, .row = first.m.row, .column = 1};
                multiply(1, &x, &y, 0, &c);
                assert_true(same_bits(&w, &c));
                drop(&c);
            }
            drop(&a);
            drop(&b);
            drop(&first);
        }
    }
    assert_true(ct_set_threads(0));
}

/* ---- long sums ---- */

/* Threads share the terms of a long sum, and the bits are those of one thread. */
static void long_sums_are_shared_by_terms(void **state)
{
    (void)state;
    static const struct shape shapes[] = {{64, 128, 784, 0}, {20, 40, 8001, 5}, {1, 3, 2000003, 0}, {130, 260, 1600, 1}, {50, 70, 1203, 0}};
    FOR_EACH_TABLE FOR_EACH_DTYPE {
        for (size_t s = 0; s < (test_under_valgrind() ? 1 : COUNT(shapes)); s++) {
            const struct shape z = shapes[s];
            sheet a = filled(dtype, z.m, z.k, (enum layout)(s % 3), z.gap), b = filled(dtype, z.k, z.n, (enum layout)(s / 2), z.gap);
            sheet c0 = filled(dtype, z.m, z.n, BY_ROWS, 0), bias = filled(dtype, 1, z.n, BY_ROWS, 0);
            for (int way = 0; way < 4; way++) {
                const double alpha = way % 2 ? 1 : -0.75, beta = way == 2 ? 0.5 : 0;
                const ct__epilogue then = {.bias = way == 1 ? bias.m.data : NULL, .activation = way ? CT__RELU : CT__NO_ACTIVATION};
                sheet first = {0};
                if (way == 3) ct__store(at(&a, z.m / 2, z.k - 1), dtype, NAN);
                for (int threads = 1; threads <= 8; threads += threads < 4 ? 1 : 4) {
                    assert_true(ct_set_threads(threads));
                    sheet c = make(dtype, z.m, z.n, BY_ROWS, z.gap);
                    copy_corner(&c, &c0);
                    const ct_counters before = ct_count();
                    ct__gemm_with(dtype, 1, alpha, &a.m, 0, &b.m, 0, beta, &c.m, 0, &then);
                    const ct_counters after = ct_count();
                    /* C of 1 x 3 cannot be cut, and large sheets are added by all threads */
                    if (isa && s == 2) assert_int_equal(after.parallel_gemms - before.parallel_gemms, threads > 1);
                    if (isa && s == 3 && threads == 2) assert_int_equal(after.parallel_regions - before.parallel_regions, 2);
                    if (threads == 1) {
                        first = c;
                        continue;
                    }
                    assert_true(same_bits(&first, &c));
                    assert_true(rest_is_untouched(&c));
                    drop(&c);
                }
                if (way == 0) check_product(alpha, &a, &b, beta, &c0, &first, 13);
                drop(&first);
            }
            drop(&a);
            drop(&b);
            drop(&c0);
            drop(&bias);
        }
    }
    assert_true(ct_set_threads(0));
}

/* What pays for threads differs by processor, and changes no bit. */
static void a_product_is_shared_where_that_pays(void **state)
{
    (void)state;
    const ct__processor_kind here = ct__processor;
    enum { M = 128, N = 10, K = 512 }; /* 1.3 million flops */
    FOR_EACH_TABLE {
        sheet a = filled(CT_F32, M, K, BY_ROWS, 0), b = filled(CT_F32, K, N, BY_ROWS, 0), first = {0};
        for (int threads = 1; threads <= 2; threads++) {
            for (int kind = 0; kind < 2; kind++) {
                assert_true(ct_set_threads(threads));
                ct__processor = ct__processor_kinds[kind];
                sheet c = make(CT_F32, M, N, BY_ROWS, 0);
                const ct_counters before = ct_count();
                ct__gemm_with(CT_F32, 1, 1, &a.m, 0, &b.m, 0, 0, &c.m, 0, NULL);
                if (isa) assert_int_equal(ct_count().parallel_gemms - before.parallel_gemms, threads == 2 && ct__processor.product > 0);
                if (!first.m.data) {
                    first = c;
                    continue;
                }
                assert_true(same_bits(&first, &c));
                drop(&c);
            }
        }
        drop(&a);
        drop(&b);
        drop(&first);
    }
    ct__processor = here;
    assert_true(ct_set_threads(0));
}

/* ---- batches ---- */

/* `batch` matrices behind one another, at distances of their own, each as it is by itself. */
static void batches_are_products_one_by_one(void **state)
{
    (void)state;
    static const struct {
        int64_t batch, m, n, k;
    } shapes[] = {{3, 2, 3, 4}, {40, 8, 8, 8}, {5, 33, 20, 65}, {70, 17, 20, 30}, {6, 64, 80, 260}, {2, 200, 130, 270}};
    FOR_EACH_TABLE FOR_EACH_DTYPE {
        for (size_t s = 0; s < (test_under_valgrind() ? 3 : COUNT(shapes)); s++) {
            const int64_t batch = shapes[s].batch, m = shapes[s].m, n = shapes[s].n, k = shapes[s].k;
            sheet a = filled(dtype, batch * (m + 1), k, BY_ROWS, 0), b = filled(dtype, k, n, BY_COLUMNS, 1);
            sheet c = make(dtype, batch * (m + 2), n, BY_ROWS, 0), one = make(dtype, m, n, BY_ROWS, 0);
            sheet row = filled(dtype, batch, n + 3, BY_ROWS, 0);
            ct__matrix x = a.m, z = c.m;
            x.rows = z.rows = m;
            for (int threads = 1; threads <= 3; threads++) {
                assert_true(ct_set_threads(threads));
                const ct__epilogue then = {.bias = row.m.data, .bias_step = n + 3};
                ct__gemm_with(dtype, batch, 1, &x, (m + 1) * k, &b.m, 0, 0, &z, (m + 2) * n, &then);
                for (int64_t l = 0; l < batch; l++) {
                    const ct__matrix y = {.data = at(&a, l * (m + 1), 0), .rows = m, .columns = k, .row = k, .column = 1};
                    ct__gemm_with(dtype, 1, 1, &y, 0, &b.m, 0, 0, &one.m, 0, &(ct__epilogue){.bias = at(&row, l, 0)});
                    sheet part = c;
                    part.m = (ct__matrix){.data = at(&c, l * (m + 2), 0), .rows = m, .columns = n, .row = n, .column = 1};
                    assert_true(same_bits(&one, &part));
                }
                for (int64_t i = 0; i < c.m.rows; i++) assert_true(i % (m + 2) < m || isnan(get(&c, i, n - 1)));
            }
            drop(&a);
            drop(&b);
            drop(&c);
            drop(&one);
            drop(&row);
        }
    }
    assert_true(ct_set_threads(0));
}

/* ---- the epilogue ---- */

/* relu as the operation has it: NaN stays, -0 becomes 0. */
static void relu(const sheet *c)
{
    for (int64_t i = 0; i < c->m.rows; i++) {
        for (int64_t j = 0; j < c->m.columns; j++) {
            if (get(c, i, j) <= 0) ct__store(at(c, i, j), c->dtype, 0);
        }
    }
}

static void an_epilogue_has_the_bits_of_separate_passes(void **state)
{
    (void)state;
    static const struct shape shapes[] = {{1, 1, 1, 0},    {4, 10, 3, 0},        {32, 64, 64, 0}, {15, 33, 400, 0}, {14, 27, 40, 0},
                                          {5, 7, 0, 0},    {60, 130, 513, 1100}, {400, 200, 270, 0}};
    FOR_EACH_TABLE FOR_EACH_DTYPE {
        for (size_t s = 0; s < COUNT(shapes); s += test_under_valgrind() ? 2 : 1) {
            for (int way = 0; way < 12; way += test_under_valgrind() ? 5 : 1) {
                const struct shape z = shapes[s];
                const bool biased = way % 2, active = way / 2 % 2;
                const enum layout layout = (enum layout)(way / 4);
                sheet a = filled(dtype, z.m, z.k, BY_ROWS, z.gap), b = filled(dtype, z.k, z.n, BY_ROWS, z.gap);
                sheet bias = filled(dtype, 1, z.n, BY_ROWS, 0);
                sheet c = make(dtype, z.m, z.n, layout, 1), d = make(dtype, z.m, z.n, layout, 1);
                if (z.k) ct__store(at(&a, z.m / 2, z.k / 2), dtype, NAN);
                ct__store(at(&bias, 0, z.n / 2), dtype, -0.0);
                for (int64_t i = 0; biased && i < z.m; i++) {
                    for (int64_t j = 0; j < z.n; j++) ct__store(at(&d, i, j), dtype, get(&bias, 0, j));
                }
                multiply(1, &a, &b, biased, &d);
                if (active) relu(&d);
                const ct__epilogue then = {.bias = biased ? bias.m.data : NULL, .activation = active ? CT__RELU : CT__NO_ACTIVATION};
                ct__gemm_with(dtype, 1, 1, &a.m, 0, &b.m, 0, 0, &c.m, 0, &then);
                assert_true(same_bits(&c, &d));
                assert_true(rest_is_untouched(&c));
                drop(&a);
                drop(&b);
                drop(&c);
                drop(&d);
                drop(&bias);
            }
        }
    }
}

/* relu(alpha A B + beta C): without a bias C is what is added. */
static void an_activation_follows_beta(void **state)
{
    (void)state;
    FOR_EACH_TABLE FOR_EACH_DTYPE {
        sheet a = filled(dtype, 20, 30, BY_ROWS, 0), b = filled(dtype, 30, 50, BY_COLUMNS, 0), c = filled(dtype, 20, 50, BY_ROWS, 0);
        sheet d = make(dtype, 20, 50, BY_ROWS, 0);
        copy_corner(&d, &c);
        multiply(2, &a, &b, -0.5, &d);
        relu(&d);
        ct__gemm_with(dtype, 1, 2, &a.m, 0, &b.m, 0, -0.5, &c.m, 0, &(ct__epilogue){.activation = CT__RELU});
        assert_true(same_bits(&c, &d));
        drop(&a);
        drop(&b);
        drop(&c);
        drop(&d);
    }
}

/* The table of the processor, whatever a test has left. */
static int own_table(void **state)
{
    ct__gemm_own = tables[ct__isa()];
    return end_test(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_small_shape, begin_test, own_table),
        cmocka_unit_test_setup_teardown(large_shapes_by_every_layout, begin_test, own_table),
        cmocka_unit_test_setup_teardown(bits_depend_on_a_row_and_a_column, begin_test, own_table),
        cmocka_unit_test_setup_teardown(long_sums_are_shared_by_terms, begin_test, own_table),
        cmocka_unit_test_setup_teardown(a_product_is_shared_where_that_pays, begin_test, own_table),
        cmocka_unit_test_setup_teardown(batches_are_products_one_by_one, begin_test, own_table),
        cmocka_unit_test_setup_teardown(an_epilogue_has_the_bits_of_separate_passes, begin_test, own_table),
        cmocka_unit_test_setup_teardown(an_activation_follows_beta, begin_test, own_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
