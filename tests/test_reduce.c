/*
 * test_reduce.c - reductions over axes, argmax, running sums: values against plain loops over every choice of axes and layout,
 * accuracy, the same bits for any number of threads, special points with their derivatives, and every error.
 *
 * Derivatives at ordinary points are checked through tests/samples/reduce.def; var, std, norm, logsumexp, softmax and whitening
 * have their own tests in test_statistics.c.
 */
#include "values.h"

#include <stdlib.h>

#include "base/base.h"
#include "tensor/reduce.h"

#define INF ((double)INFINITY)

/* Dtype, shape, and values to a relative error; equal infinities and pairs of NaN are close. */
#define assert_close(actual, expected, rtol)                                                                           \
    do {                                                                                                               \
        ct_tensor *actual_ = (actual), *expected_ = (expected);                                                        \
        if (!ct_allclose(actual_, expected_, rtol, 0)) assert_tensor(actual_, expected_);                              \
    } while (0)
#define assert_item(actual, expected, rtol) assert_close(actual, ct_full(ct_shape(), expected, CT_F64), rtol)

static ct_tensor *leaf(ct_tensor *t) { return ct_requires_grad(ct_detach(t), true); }
static ct_tensor *gradient(ct_tensor *y, ct_tensor *x)
{
    return ct_derivative(ct_sum(y, CT_ALL, false), x, (ct_grad_options){.create_graph = true});
}
/* The gradient by fused kernels, where an operation has one. */
static ct_tensor *fused_gradient(ct_tensor *y, ct_tensor *x)
{
    return ct_derivative(ct_sum(y, CT_ALL, false), x, (ct_grad_options){.retain_graph = true});
}

/* ---- values against plain loops ----------------------------------------------------------------------- */

typedef struct reference {
    int64_t n;
    double sum, prod, max, min, any, all, squares, exps, deviations;
} reference;

/* The elements of x that a reduction over the axes in `mask` brings to output `c` (row-major over the kept axes), in a loop. */
static int64_t elements_of(ct_tensor *x, const double *values, unsigned mask, int64_t c, double *out)
{
    const ct_shape s = ct_shape_get(x);
    int64_t n = 0;
    for (int64_t i = 0; i < ct_count_of(x); i++) {
        int64_t rest = i, output = 0, unit = 1;
        for (int64_t a = s.rank - 1; a >= 0; a--) {
            const int64_t at = rest % s.dim[a];
            rest /= s.dim[a];
            if (mask >> a & 1) continue;
            output += at * unit;
            unit *= s.dim[a];
        }
        if (output == c) out[n++] = values[i];
    }
    return n;
}

static reference reference_of(const double *v, int64_t n)
{
    reference r = {.n = n, .prod = 1, .max = -INF, .min = INF, .all = 1};
    for (int64_t i = 0; i < n; i++) {
        r.sum += v[i];
        r.prod *= v[i];
        r.max = v[i] > r.max ? v[i] : r.max;
        r.min = v[i] < r.min ? v[i] : r.min;
        r.any = r.any != 0 || v[i] != 0;
        r.all = r.all != 0 && v[i] != 0;
        r.squares += v[i] * v[i];
        r.exps += exp(v[i]);
    }
    for (int64_t i = 0; i < n; i++) r.deviations += (v[i] - r.sum / (double)n) * (v[i] - r.sum / (double)n);
    return r;
}

static void expect(const char *what, ct_tensor *y, int64_t c, double expected, double tolerance)
{
    static double all[1 << 13];
    assert_true(ct_count_of(y) <= 1 << 13 && ct_copy_values(y, all, ct_count_of(y)));
    const double v = all[c];
    if (fabs(v - expected) <= tolerance * (1 + fabs(expected)) || (isnan(v) && isnan(expected)) || v == expected) return;
    print_error("%s of %s, output %lld: %.17g, expected %.17g\n", what, ct__describe(y), (long long)c, v, expected);
    fail();
}

/* Every reduction of x over every choice of its axes. Lists name axes from both ends. */
static void reduce_every_way(ct_tensor *x)
{
    const int64_t count = ct_count_of(x);
    double *values = malloc((size_t)(count ? count : 1) * 2 * sizeof *values), *part = values + count;
    assert_true(ct_copy_values(x, values, count));
    const double tolerance = ct_dtype_of(x) == CT_F64 ? 1e-13 : 2e-6;
    for (unsigned mask = 0; mask < 1u << ct_rank(x); mask++) {
        CT_SCOPE;
        ct_axes axes = {.rank = 0};
        for (int a = 0; a < ct_rank(x); a++) {
            if (mask >> a & 1) axes.dim[axes.rank++] = a % 2 ? a - ct_rank(x) : a;
        }
        ct_tensor *y[] = {ct_sum(x, axes, false),        ct_mean(x, axes, true),      ct_prod(x, axes, false),
                          ct_max(x, axes, true),         ct_min(x, axes, false),      ct_any(x, axes, true),
                          ct_all(x, axes, false),        ct_norm(x, axes, true),      ct_logsumexp(x, axes, false),
                          ct_var(x, axes, 0.5, true)};
        const int64_t outputs = ct_count_of(y[0]);
        assert_int_equal(ct_rank(y[1]), ct_rank(x));
        for (int64_t c = 0; c < outputs; c += outputs > 40 ? 7 : 1) {
            const reference r = reference_of(part, elements_of(x, values, mask, c, part));
            expect("sum", y[0], c, r.sum, tolerance);
            expect("mean", y[1], c, r.sum / (double)r.n, tolerance);
            expect("prod", y[2], c, r.prod, tolerance);
            expect("max", y[3], c, r.max, 0);
            expect("min", y[4], c, r.min, 0);
            expect("any", y[5], c, r.any, 0);
            expect("all", y[6], c, r.all, 0);
            expect("norm", y[7], c, sqrt(r.squares), tolerance);
            expect("logsumexp", y[8], c, log(r.exps), tolerance);
            expect("var", y[9], c, r.deviations / ((double)r.n - 0.5), tolerance);
        }
    }
    free(values);
}

/* Random, some exactly 0. */
static ct_tensor *random_of(ct_shape shape, ct_dtype dtype)
{
    ct_tensor *x = ct_uniform(shape, -1.2, 1.2, CT_F64);
    return ct_cast(ct_mul(x, ct_gt(ct_uniform(shape, 0, 1, CT_F64), ct_scalar(0.02))), dtype);
}

static void every_choice_of_axes_and_layout(void **state)
{
    (void)state;
    const ct_dtype dtypes[] = {CT_F32, CT_F64};
    ct_seed(1);
    for (int d = 0; d < 2; d++) {
        CT_SCOPE;
        ct_tensor *x = random_of(ct_shape(3, 4, 5, 2), dtypes[d]);
        reduce_every_way(x);
        reduce_every_way(ct_permute(x, ct_axes(2, 0, 3, 1)));
        reduce_every_way(ct_permute(x, ct_axes(3, 2, 1, 0)));
        reduce_every_way(ct_flip(x, ct_axes(0, 2, 3)));
        reduce_every_way(ct_slice(ct_slice(x, 2, 0, CT_NONE, 2), 1, CT_NONE, CT_NONE, -3));
        reduce_every_way(ct_expand(ct_slice(x, 1, 0, 1, 1), ct_shape(3, 4, 5, 2)));
        reduce_every_way(ct_expand(ct_slice(x, 3, 0, 1, 1), ct_shape(3, 4, 5, 2)));
        reduce_every_way(ct_diagonal(ct_reshape(x, ct_shape(2, 6, 10))));
        reduce_every_way(random_of(ct_shape(), dtypes[d]));
        reduce_every_way(random_of(ct_shape(1, 1, 3), dtypes[d]));
    }
}

/* Lengths around the sizes of blocks, tiles, leaves and vectors; outputs are few, so that the loops stay cheap. */
static void lengths_around_the_blocks(void **state)
{
    (void)state;
    const ct_shape shapes[] = {ct_shape(2, 1023),  ct_shape(1, 1025), ct_shape(3, 2050),   ct_shape(33, 3),     ct_shape(1030, 2),
                               ct_shape(2, 65, 3), ct_shape(31, 9),   ct_shape(2, 130, 2), ct_shape(64, 2, 17),
                               ct_shape(4, 3, 70)};
    const ct_dtype dtypes[] = {CT_F32, CT_F64};
    ct_seed(2);
    for (size_t k = 0; k < 2 * sizeof shapes / sizeof shapes[0]; k++) {
        CT_SCOPE;
        ct_tensor *x = random_of(shapes[k / 2], dtypes[k % 2]);
        reduce_every_way(x);
        for (int a = 0; a < ct_rank(x); a++) {
            CT_SCOPE;
            ct_tensor *strided = ct_slice(ct_stack((ct_tensor *const[]){x, ct_neg(x)}, 2, -1), -1, 0, 1, 1);
            ct_tensor *wide = ct_sum(ct_cast(x, CT_F64), ct_axes(a), false), *y = ct_sum(x, ct_axes(a), false);
            assert_true(ct_allclose(ct_cast(y, CT_F64), wide, 2e-6, 2e-6));
            assert_true(ct_allclose(ct_sum(strided, ct_axes(a, -1), false), y, 2e-6, 2e-6));
            assert_tensor(ct_max(strided, ct_axes(a, -1), false), ct_max(x, ct_axes(a), false));
        }
    }
}

/* Sums by columns and by rows against exact integers in f64, at every width up to two vectors and beyond a tile. */
static void every_width(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 1100; n += n < 70 ? 1 : 57) {
        for (int64_t m = 1; m < 80; m += m < 6 ? 1 : 9) {
            CT_SCOPE;
            ct_tensor *x = counted(ct_shape(m, n), CT_F64), *rows = ct_arange(0, (double)m, 1, CT_F64);
            ct_tensor *columns = ct_arange(0, (double)n, 1, CT_F64);
            /* sum over i of (i n + j) = n m (m - 1) / 2 + m j, sum over j of it = i n^2 + n (n - 1) / 2 */
            ct_tensor *by_columns = ct_add(ct_mul(columns, ct_scalar((double)m)), ct_scalar((double)(n * m * (m - 1) / 2)));
            ct_tensor *by_rows = ct_add(ct_mul(rows, ct_scalar((double)(n * n))), ct_scalar((double)(n * (n - 1) / 2)));
            assert_tensor(ct_sum(x, ct_axes(0), false), by_columns);
            assert_tensor(ct_sum(x, ct_axes(1), false), by_rows);
            assert_tensor(ct_max(x, ct_axes(0), false), ct_select(x, 0, -1));
            assert_tensor(ct_min(x, ct_axes(1), false), ct_select(x, 1, 0));
            if (m * n < 5000) assert_tensor(ct_sum(ct_cast(x, CT_F32), ct_axes(0), false), ct_cast(by_columns, CT_F32));
        }
    }
}

/* ---- accuracy ----------------------------------------------------------------------------------------- */

static void ten_million_tenths(void **state)
{
    (void)state;
    if (test_under_valgrind()) skip(); /* here and below: too much for it */
    const int64_t n = 10000000;
    ct_tensor *x = ct_full(ct_shape(n), 0.1, CT_F32);
    const double exact = (double)n * (double)0.1f, ulp = 0x1p-4; /* of f32 at 10^6 */
    assert_true(fabs(ct_item(ct_sum(x, CT_ALL, false)) - exact) <= 4 * ulp);
    assert_true(fabs(ct_item(ct_mean(x, CT_ALL, false)) - (double)0.1f) <= 4 * 0x1p-27);
    ct_tensor *columns = ct_sum(ct_reshape(x, ct_shape(n / 10, 10)), ct_axes(0), false);
    assert_true(ct_allclose(columns, ct_full(ct_shape(10), exact / 10, CT_F32), 4 * 0x1p-24, 0));
    assert_true(ct_item(ct_var(x, CT_ALL, 0, false)) < 1e-20);
}

static void random_sums_stay_accurate(void **state)
{
    (void)state;
    if (test_under_valgrind()) skip();
    ct_seed(3);
    ct_tensor *x = ct_uniform(ct_shape(3000, 1000), 0, 1, CT_F32), *wide = ct_cast(x, CT_F64);
    for (int a = 0; a < 2; a++)
        assert_true(ct_allclose(ct_cast(ct_sum(x, ct_axes(a), false), CT_F64), ct_sum(wide, ct_axes(a), false), 3 * 0x1p-24, 0));
    assert_true(ct_allclose(ct_cast(ct_sum(x, CT_ALL, false), CT_F64), ct_sum(wide, CT_ALL, false), 3 * 0x1p-24, 0));
}

/* A large mean does not spoil a small variance. */
static void variance_far_from_zero(void **state)
{
    (void)state;
    assert_item(ct_var(ct_of(ct_shape(4), CT_F64, 1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16), CT_ALL, 1, false), 30, 1e-15);
    ct_tensor *far = ct_of(ct_shape(4), CT_F32, 1e6 + 4, 1e6 + 7, 1e6 + 13, 1e6 + 16);
    assert_tensor(ct_var(far, CT_ALL, 0, false), ct_full(ct_shape(), 22.5, CT_F32));
    ct_tensor *column = ct_add(ct_mul(ct_cast(ct_arange(0, 1000, 1, CT_F64), CT_F32), ct_scalar(0.25)), ct_scalar(1048576));
    ct_tensor *x = ct_reshape(column, ct_shape(1000, 1));
    /* of 0, 1/4, ..., 999/4: (n^2 - 1) / 12 / 16 */
    assert_tensor(ct_var(x, ct_axes(0), 0, false), ct_full(ct_shape(1), 999999.0 / 192, CT_F32));
}

/* ---- threads ------------------------------------------------------------------------------------------ */

typedef struct results {
    ct_tensor *t[12];
    int n;
} results;

static results everything_with(int threads, ct_tensor *x, ct_tensor *labels)
{
    assert_true(ct_set_threads(threads));
    ct_tensor *l = leaf(x), *y = ct_log_softmax(l, -1);
    ct_tensor *t = ct_permute(x, ct_axes(1, 0));
    results r = {{ct_sum(x, ct_axes(0), false), ct_sum(x, ct_axes(1), false), ct_sum(x, CT_ALL, false),
                  ct_sum(t, ct_axes(0), false),
                  ct_norm(x, CT_ALL, false), ct_var(x, ct_axes(0), 0, false), ct_max(x, CT_ALL, false), ct_softmax(x, 0),
                  ct_logsumexp(x, ct_axes(1), false), ct_cumsum(x, 0), ct_argmax(x, 1, false),
                  fused_gradient(ct_mul(y, labels), l)},
                 12};
    ct_set_threads(0);
    return r;
}

static void the_same_bits_for_any_number_of_threads(void **state)
{
    (void)state;
    if (test_under_valgrind()) skip();
    const ct_shape shapes[] = {ct_shape(1000, 700), ct_shape(7, 100000), ct_shape(100000, 7), ct_shape(1, 600000),
                               ct_shape(600001, 1)};
    ct_seed(4);
    for (size_t k = 0; k < 2 * sizeof shapes / sizeof shapes[0]; k++) {
        CT_SCOPE;
        ct_tensor *x = ct_normal(shapes[k / 2], 0, 1, k % 2 ? CT_F64 : CT_F32);
        ct_tensor *labels = ct_normal(shapes[k / 2], 0, 1, ct_dtype_of(x));
        const results one = everything_with(1, x, labels);
        for (int threads = 2; threads <= 5; threads++) {
            CT_SCOPE;
            const results more = everything_with(threads, x, labels);
            for (int i = 0; i < one.n; i++) assert_tensor(more.t[i], one.t[i]);
        }
    }
}

/* Runs a reducer over ROWS rows of n elements (bytes apart: step), by rows or by columns, into `out`. */
enum { KERNEL_ROWS = 35, KERNEL_WIDTH = 700 };
static void run_kernel(const ct__reducer *r, double scale, bool columns, int64_t rows, int64_t n, int64_t size, const char *x, char *out)
{
    static double about[KERNEL_WIDTH];
    for (int i = 0; i < KERNEL_WIDTH; i++) about[i] = 0.01 * i;
    const char *row[KERNEL_ROWS];
    for (int64_t k = 0; k < rows; k++) row[k] = x + k * KERNEL_WIDTH * size;
    if (columns) r->columns(row, rows, n, &(ct__term){about, 1, scale}, out);
    else r->rows(x, KERNEL_WIDTH * size, rows, n, &(ct__term){about, 1, scale}, out);
}

/* Every kernel of floats against those of the baseline, for numbers of rows and columns around their groups, at odd places. */
static void the_same_bits_for_every_instruction_set(void **state)
{
    (void)state;
    const ct__reduce_kernels *base = &ct__reduce_kernels_baseline, *tables[2] = {base, base};
#ifdef CT__HAVE_X86_VARIANTS
    if (ct__isa() >= 1) tables[0] = &ct__reduce_kernels_avx2;
    if (ct__isa() >= 2) tables[1] = &ct__reduce_kernels_avx512;
#endif
    for (int isa = 1; isa <= ct__isa(); isa++) assert_true(tables[isa - 1] != base); /* none is left out */
    static char expected[KERNEL_WIDTH * 8], out[KERNEL_WIDTH * 8];
    static const int64_t widths[] = {0, 1, 3, 7, 8, 9, 15, 31, 32, 33, 63, 64, 65, 95, 96, 100, 129, 255, 699};
    for (int dtype = 0; dtype < 2; dtype++) {
        const int64_t size = dtype ? 8 : 4;
        ct_tensor *x = ct_normal(ct_shape(KERNEL_ROWS * KERNEL_WIDTH + 1), 0, 1, dtype ? CT_F64 : CT_F32);
        assert_true(ct_set(x, ct_index(3 * KERNEL_WIDTH + 40), (double)NAN) && ct_set(x, ct_index(9), -0.0));
        const char *data = (const char *)ct_data(x) + size;
        for (int kind = 0; kind < CT__REDUCTIONS; kind++) {
            if (kind == CT__PROD) continue;
            const double scale = kind == CT__SQUARES ? 0.5 : kind == CT__MIN ? -1 : 1;
            for (int t = 0; t < 2; t++) {
                for (int64_t rows = 1; rows <= KERNEL_ROWS; rows++) {
                    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
                        const bool columns = rows != 5; /* by rows once: what a row gives does not depend on their number */
                        memset(expected, 1, sizeof expected);
                        memset(out, 1, sizeof out);
                        run_kernel(&base->reducer[kind][dtype], scale, columns, rows, widths[w], size, data, expected);
                        run_kernel(&tables[t]->reducer[kind][dtype], scale, columns, rows, widths[w], size, data, out);
                        assert_memory_equal(out, expected, sizeof out);
                    }
                }
            }
        }
    }
}

static int64_t parallel_reductions(ct_tensor *x, ct_axes axes)
{
    CT_SCOPE;
    const int64_t before = ct_count().parallel_reductions;
    assert_non_null(ct_sum(x, axes, false));
    return ct_count().parallel_reductions - before;
}

static void large_reductions_are_counted_as_parallel(void **state)
{
    (void)state;
    ct_tensor *large = ct_ones(ct_shape(1024, 1024), CT_F32), *small = ct_ones(ct_shape(64, 128), CT_F32);
    assert_int_equal(parallel_reductions(large, ct_axes(0)), 1);
    assert_int_equal(parallel_reductions(large, ct_axes(1)), 1);
    assert_int_equal(parallel_reductions(large, CT_ALL), 1);
    assert_int_equal(parallel_reductions(small, ct_axes(0)), 0);
    assert_int_equal(parallel_reductions(small, CT_ALL), 0);
}

static void small_reductions_do_not_allocate(void **state)
{
    (void)state;
    if (!test_pooled()) skip();
    ct_tensor *x = ct_ones(ct_shape(64, 128), CT_F32);
    int64_t before = 0;
    for (int i = 0; i < 20; i++) {
        CT_SCOPE;
        if (i == 10) before = ct_count().mallocs;
        ct_sum(x, ct_axes(0), false), ct_sum(x, CT_ALL, false), ct_norm(x, ct_axes(1), false), ct_var(x, ct_axes(0), 1, false);
        ct_softmax(x, 1), ct_logsumexp(x, ct_axes(1), false), ct_argmax(x, 1, false), ct_cumsum(x, 0);
    }
    assert_int_equal(ct_count().mallocs, before);
}

/* ---- nothing, one, NaN and infinity ------------------------------------------------------------------- */

static void over_no_elements(void **state)
{
    (void)state;
    ct_tensor *x = ct_zeros(ct_shape(0, 3), CT_F64);
    const ct_axes rows = ct_axes(0);
    assert_values(ct_sum(x, rows, false), ct_shape(3), 0, 0, 0);
    assert_values(ct_prod(x, rows, false), ct_shape(3), 1, 1, 1);
    assert_close(ct_mean(x, rows, false), ct_full(ct_shape(3), NAN, CT_F64), 0);
    assert_close(ct_var(x, rows, 0, true), ct_full(ct_shape(1, 3), NAN, CT_F64), 0);
    assert_values(ct_norm(x, CT_ALL, false), ct_shape(), 0);
    assert_values(ct_logsumexp(x, rows, false), ct_shape(3), -INF, -INF, -INF);
    assert_tensor(ct_any(x, rows, false), ct_zeros(ct_shape(3), CT_BOOL));
    assert_tensor(ct_all(x, rows, false), ct_ones(ct_shape(3), CT_BOOL));
    assert_tensor(ct_sum(ct_zeros(ct_shape(2, 0), CT_I32), ct_axes(1), false), ct_zeros(ct_shape(2), CT_I64));
    assert_tensor(ct_cumsum(x, 0), x);
    assert_tensor(ct_softmax(x, 0), x);
    assert_tensor(ct_log_softmax(x, 1), x);
    /* no outputs are no reason to fail */
    assert_tensor(ct_max(x, ct_axes(1), false), ct_zeros(ct_shape(0), CT_F64));
    assert_tensor(ct_argmax(x, 1, false), ct_zeros(ct_shape(0), CT_I64));
    assert_null(ct_max(x, rows, false));
    assert_error(CT_ERROR_SHAPE, "ct_max", "x is f64 [0, 3]: no elements have no largest");
    assert_null(ct_min(x, CT_ALL, false));
    assert_error(CT_ERROR_SHAPE, "ct_min", "x is f64 [0, 3]: no elements have no smallest");
    assert_null(ct_argmin(x, 0, false));
    assert_error(CT_ERROR_SHAPE, "ct_argmin", "x is f64 [0, 3]: no elements along axis 0");
}

/* At every place of rows of every length up to several vectors, and by columns. */
static void nan_spreads_through_max_and_min(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 150; n += n < 40 ? 1 : 13) {
        for (int64_t i = 0; i < n; i += n < 40 ? 1 : 7) {
            for (int d = 0; d < 2; d++) {
                CT_SCOPE;
                ct_tensor *x = ct_full(ct_shape(n), -1, d ? CT_F32 : CT_F64);
                ct_set(x, ct_index(i), NAN);
                assert_true(isnan(ct_item(ct_max(x, CT_ALL, false))) && isnan(ct_item(ct_min(x, CT_ALL, false))));
                ct_tensor *columns = ct_transpose(ct_contiguous(ct_expand(x, ct_shape(2, n))));
                assert_true(isnan(ct_get(ct_max(ct_contiguous(columns), ct_axes(0), false), ct_index(1))));
                assert_int_equal(ct_item(ct_argmax(x, 0, false)), i);
                assert_int_equal(ct_item(ct_argmin(x, 0, false)), i);
                ct_set(x, ct_index(i), INF);
                assert_true(ct_item(ct_max(x, CT_ALL, false)) == INF && ct_item(ct_min(x, CT_ALL, false)) == (n > 1 ? -1 : INF));
                ct_set(x, ct_index(i), -INF);
                assert_true(ct_item(ct_max(x, CT_ALL, false)) == (n > 1 ? -1 : -INF));
                assert_true(ct_item(ct_min(x, CT_ALL, false)) == -INF);
                assert_int_equal(ct_item(ct_argmin(x, 0, false)), i);
            }
        }
    }
}

static void ties_share_the_derivative(void **state)
{
    (void)state;
    ct_tensor *x = leaf(ct_of(ct_shape(2, 4), CT_F64, 1, 3, 3, 2, 5, 5, 5, 5));
    assert_values(gradient(ct_max(x, ct_axes(1), false), x), ct_shape(2, 4), 0, 0.5, 0.5, 0, 0.25, 0.25, 0.25, 0.25);
    assert_values(fused_gradient(ct_min(x, ct_axes(-1), true), x), ct_shape(2, 4), 1, 0, 0, 0, 0.25, 0.25, 0.25, 0.25);
    assert_values(gradient(ct_max(x, CT_ALL, false), x), ct_shape(2, 4), 0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25);
    /* of max squared: 2 max at the two, and again 2 w w' */
    ct_tensor *row = leaf(ct_of(ct_shape(3), CT_F64, 3, 3, 1)), *g = gradient(ct_square(ct_max(row, CT_ALL, false)), row);
    assert_values(g, ct_shape(3), 3, 3, 0);
    assert_values(gradient(ct_select(g, 0, 0), row), ct_shape(3), 0.5, 0.5, 0);
    /* infinities tie too */
    ct_tensor *inf = leaf(ct_of(ct_shape(3), CT_F64, INF, 0, INF));
    assert_values(gradient(ct_max(inf, CT_ALL, false), inf), ct_shape(3), 0.5, 0, 0.5);
    /* a NaN has no place among the others: its row's derivative is NaN, other rows' are as ever */
    ct_tensor *nan = leaf(ct_of(ct_shape(2, 2), CT_F64, NAN, 1, 2, 1)), *rows = gradient(ct_max(nan, ct_axes(1), false), nan);
    assert_true(isnan(ct_get(rows, ct_index(0, 0))) && isnan(ct_get(rows, ct_index(0, 1))));
    assert_values(ct_select(rows, 0, 1), ct_shape(2), 1, 0);
}

/* ---- prod with zeros ---------------------------------------------------------------------------------- */

/* All second derivatives of the product of x's elements, and the third one by the first three. */
static void assert_prod_derivatives(const double *v, int n)
{
    CT_SCOPE;
    ct_tensor *x = leaf(ct_from_values(v, n, ct_shape(n), CT_F64)), *y = ct_prod(x, CT_ALL, false), *g = gradient(y, x);
    ct_tensor *plain = fused_gradient(y, x);
    for (int i = 0; i < n; i++) {
        double others = 1;
        for (int k = 0; k < n; k++) others *= k == i ? 1 : v[k];
        assert_true(ct_get(g, ct_index(i)) == others && ct_get(plain, ct_index(i)) == others);
        ct_tensor *h = gradient(ct_select(g, 0, i), x);
        for (int j = 0; j < n; j++) {
            double rest = i == j ? 0 : 1;
            for (int k = 0; k < n; k++) rest *= k == i || k == j ? 1 : v[k];
            assert_true(ct_get(h, ct_index(j)) == rest);
        }
        if (i > 0 || n < 3) continue;
        double rest = 1;
        for (int k = 3; k < n; k++) rest *= v[k];
        assert_true(ct_get(gradient(ct_select(h, 0, 1), x), ct_index(2)) == rest);
    }
}

static void prod_with_zeros_to_third_order(void **state)
{
    (void)state;
    assert_prod_derivatives((const double[]){2, 3, 4}, 3);
    assert_prod_derivatives((const double[]){0, 3, 4}, 3);
    assert_prod_derivatives((const double[]){0, 0, 4}, 3);
    assert_prod_derivatives((const double[]){0, 0, 0, 5}, 4);
    assert_prod_derivatives((const double[]){2, 0, 3, 0, 4, -1, 2}, 7);
    assert_prod_derivatives((const double[]){3, 0}, 2);
    assert_prod_derivatives((const double[]){0}, 1);
    ct_tensor *x = leaf(ct_of(ct_shape(2, 3), CT_F64, 2, 0, 3, 0, 0, 1));
    assert_values(gradient(ct_prod(x, ct_axes(1), false), x), ct_shape(2, 3), 0, 6, 0, 0, 0, 0);
    assert_values(gradient(ct_prod(x, ct_axes(0), false), x), ct_shape(2, 3), 0, 0, 1, 2, 0, 3);
    assert_values(fused_gradient(ct_prod(x, ct_axes(0), false), x), ct_shape(2, 3), 0, 0, 1, 2, 0, 3);
    /* partial products stay in range, as in a plain loop: large and small by turns */
    ct_tensor *turns = ct_reshape(ct_expand(ct_of(ct_shape(1, 2), CT_F32, 1e30, 1e-30), ct_shape(40, 2)), ct_shape(80));
    assert_true(fabs(ct_item(ct_prod(turns, CT_ALL, false)) - 1) < 1e-5);
}

/* ---- integers, bools, arg, cumsum, sum_to ------------------------------------------------------------- */

static void integers_sum_to_i64_and_wrap(void **state)
{
    (void)state;
    ct_tensor *i = ct_of(ct_shape(2, 3), CT_I32, 1, -2, 3, 4, 5, -6), *b = ct_gt(i, ct_scalar(0));
    ct_tensor *u = ct_full(ct_shape(1000), 255, CT_U8);
    assert_tensor(ct_sum(i, ct_axes(0), false), ct_of(ct_shape(3), CT_I64, 5, 3, -3));
    assert_tensor(ct_sum(b, ct_axes(1), true), ct_of(ct_shape(2, 1), CT_I64, 2, 2));
    assert_tensor(ct_sum(u, CT_ALL, false), ct_full(ct_shape(), 255000, CT_I64));
    assert_tensor(ct_prod(i, ct_axes(1), false), ct_of(ct_shape(2), CT_I64, -6, -120));
    assert_tensor(ct_prod(b, CT_ALL, false), ct_full(ct_shape(), 0, CT_I64));
    assert_tensor(ct_max(i, ct_axes(1), false), ct_of(ct_shape(2), CT_I32, 3, 5));
    assert_tensor(ct_min(u, CT_ALL, false), ct_full(ct_shape(), 255, CT_U8));
    assert_tensor(ct_max(b, ct_axes(0), false), ct_of(ct_shape(3), CT_BOOL, 1, 1, 1));
    assert_tensor(ct_mean(i, ct_axes(1), false), ct_of(ct_shape(2), CT_F32, 2.0f / 3, 1));
    assert_tensor(ct_var(i, ct_axes(0), 1, false), ct_of(ct_shape(3), CT_F32, 4.5, 24.5, 40.5));
    assert_tensor(ct_norm(ct_of(ct_shape(2), CT_U8, 3, 4), CT_ALL, false), ct_full(ct_shape(), 5, CT_F32));
    assert_tensor(ct_cumsum(b, 1), ct_of(ct_shape(2, 3), CT_I64, 1, 1, 2, 1, 2, 2));
    assert_tensor(ct_sum_to(i, ct_shape(3)), ct_of(ct_shape(3), CT_I64, 5, 3, -3));
    assert_tensor(ct_sum_to(i, ct_shape(2, 3)), ct_cast(i, CT_I64));
    const int64_t large[] = {INT64_MAX, 1}, wrapped = INT64_MIN, twice = INT64_MIN;
    ct_tensor *l = ct_from(large, ct_shape(2), CT_I64);
    assert_tensor(ct_sum(l, CT_ALL, false), ct_from(&wrapped, ct_shape(), CT_I64));
    assert_tensor(ct_slice(ct_cumsum(l, 0), 0, 1, 2, 1), ct_from(&twice, ct_shape(1), CT_I64));
    assert_tensor(ct_min(ct_from(&wrapped, ct_shape(1), CT_I64), CT_ALL, false), ct_from(&wrapped, ct_shape(), CT_I64));
    assert_tensor(ct_max(ct_from(&wrapped, ct_shape(1), CT_I64), CT_ALL, false), ct_from(&wrapped, ct_shape(), CT_I64));
}

static void any_and_all_take_every_dtype(void **state)
{
    (void)state;
    for (int d = 0; d < CT_DTYPES; d++) {
        ct_tensor *x = ct_of(ct_shape(3, 2), (ct_dtype)d, 0, 0, 1, 0, 1, 1);
        assert_tensor(ct_any(x, ct_axes(1), false), ct_of(ct_shape(3), CT_BOOL, 0, 1, 1));
        assert_tensor(ct_all(x, ct_axes(1), false), ct_of(ct_shape(3), CT_BOOL, 0, 0, 1));
        assert_tensor(ct_any(x, CT_ALL, true), ct_ones(ct_shape(1, 1), CT_BOOL));
        assert_tensor(ct_all(x, ct_axes(0), false), ct_zeros(ct_shape(2), CT_BOOL));
    }
    assert_tensor(ct_any(ct_of(ct_shape(1), CT_F32, -0.0), CT_ALL, false), ct_zeros(ct_shape(), CT_BOOL));
    assert_tensor(ct_all(ct_of(ct_shape(2), CT_F64, NAN, 1e-320), CT_ALL, false), ct_ones(ct_shape(), CT_BOOL));
    ct_tensor *x = leaf(ct_ones(ct_shape(3), CT_F32));
    assert_false(ct_needs_grad(ct_any(x, CT_ALL, false)) || ct_needs_grad(ct_argmax(x, 0, false)));
}

static void arg_takes_the_first(void **state)
{
    (void)state;
    ct_tensor *x = ct_of(ct_shape(2, 4), CT_F32, 1, 3, 3, 0, 5, -1, -1, 5);
    assert_tensor(ct_argmax(x, 1, false), ct_of(ct_shape(2), CT_I64, 1, 0));
    assert_tensor(ct_argmin(x, -1, true), ct_of(ct_shape(2, 1), CT_I64, 3, 1));
    assert_tensor(ct_argmax(x, 0, false), ct_of(ct_shape(4), CT_I64, 1, 0, 0, 1));
    assert_tensor(ct_argmax(ct_flip(x, ct_axes(1)), 1, false), ct_of(ct_shape(2), CT_I64, 1, 0));
    assert_tensor(ct_argmax(ct_of(ct_shape(4), CT_F64, 1, NAN, INF, NAN), 0, false), ct_full(ct_shape(), 1, CT_I64));
    assert_tensor(ct_argmin(ct_of(ct_shape(3), CT_F64, INF, INF, INF), 0, false), ct_full(ct_shape(), 0, CT_I64));
    const ct_dtype dtypes[] = {CT_F64, CT_I32, CT_I64, CT_U8, CT_BOOL};
    for (int d = 0; d < 5; d++) {
        ct_tensor *y = ct_of(ct_shape(3, 3), dtypes[d], 0, 1, 1, 1, 0, 1, 0, 0, 0);
        assert_tensor(ct_argmax(y, 1, false), ct_of(ct_shape(3), CT_I64, 1, 0, 0));
        assert_tensor(ct_argmin(y, 0, true), ct_of(ct_shape(1, 3), CT_I64, 0, 1, 2));
    }
}

/* Long rows, many rows and columns, every dtype, one thread and three: argmax and argmin, any and all, products and running sums against
 * plain loops. The extreme is found behind several chunks, among equals, and in the rest of a row. */
static void long_rows_against_plain_loops(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{3, 100}, {7, 1031}, {130, 70}, {1000, 301}, {5, 7000}, {301, 1000}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        for (int d = 0; d < CT_DTYPES; d++) {
            CT_SCOPE;
            ct_set_threads(k % 2 ? 3 : 1);
            const int64_t rows = sizes[k][0], n = sizes[k][1];
            ct_tensor *wide = ct_round(ct_uniform(ct_shape(rows, n), 0, d == CT_BOOL ? 0.505 : 200, CT_F64)), *x = ct_cast(wide, (ct_dtype)d);
            ct_tensor *most = ct_argmax(x, 1, false), *least = ct_argmin(x, 1, false), *sums = ct_cumsum(x, 1), *down = ct_cumsum(x, 0);
            ct_tensor *some = ct_any(x, ct_axes(1), false), *every = ct_all(x, ct_axes(1), false), *column = ct_argmax(x, 0, false);
            ct_tensor *any0 = ct_any(x, ct_axes(0), false), *all0 = ct_all(x, ct_axes(0), false);
            ct_tensor *small = ct_add(ct_mul(wide, ct_scalar(1e-4)), ct_scalar(0.99)), *products = ct_prod(small, ct_axes(1), false);
            const double *v = ct_data(ct_cast(x, CT_F64)), *w = ct_data(small);
            int64_t wrong = 0;
            for (int64_t i = 0; i < rows; i++) {
                const double *row = v + i * n;
                int64_t top = 0, bottom = 0, zeros = 0;
                double sum = 0, product = 1;
                for (int64_t j = 0; j < n; j++) {
                    if (row[j] > row[top]) top = j;
                    if (row[j] < row[bottom]) bottom = j;
                    zeros += row[j] == 0;
                    sum += row[j];
                    product *= w[i * n + j];
                    wrong += ct_get(sums, ct_index(i, j)) != sum;
                }
                wrong += ct_get(most, ct_index(i)) != (double)top || ct_get(least, ct_index(i)) != (double)bottom;
                wrong += ct_get(some, ct_index(i)) != (zeros < n) || ct_get(every, ct_index(i)) != (zeros == 0);
                wrong += ct_get(products, ct_index(i)) != product;
            }
            for (int64_t j = 0; j < n; j++) {
                int64_t top = 0, zeros = 0;
                double sum = 0;
                for (int64_t i = 0; i < rows; i++) {
                    if (v[i * n + j] > v[top * n + j]) top = i;
                    zeros += v[i * n + j] == 0;
                    sum += v[i * n + j];
                    wrong += ct_get(down, ct_index(i, j)) != sum;
                }
                wrong += ct_get(column, ct_index(j)) != (double)top;
                wrong += ct_get(any0, ct_index(j)) != (zeros < rows) || ct_get(all0, ct_index(j)) != (zeros == 0);
            }
            assert_int_equal(wrong, 0);
        }
    }
    ct_set_threads(0);
}

/* Few different values, zeros of both signs, infinities and now and then NaN, at lengths around the vectors: the first extreme, or NaN. */
static void places_among_equals_and_special_values(void **state)
{
    (void)state;
    static const double values[] = {-1, 0, -0.0, 1, 1, -INFINITY, INFINITY, NAN};
    static const int kinds[] = {2, 3, 5, 6, 7, 8}; /* how many of them take part */
    for (int n = 1; n < 200; n += n < 70 ? 1 : 13) {
        for (int k = 0; k < 12; k++) {
            CT_SCOPE;
            const ct_dtype dtype = k % 2 ? CT_F64 : CT_F32;
            ct_tensor *x = ct_zeros(ct_shape(6, n), dtype);
            for (int r = 0; r < 6; r++) {
                for (int i = 0; i < n; i++) { /* the last kind is rare, so that it stands alone somewhere */
                    const int last = kinds[k / 2] - 1;
                    ct_set(x, ct_index(r, i), values[(i * 7 + r * 11 + i / 9) % 41 == 0 ? last : (i * 5 + r + i / 4) % last]);
                }
            }
            ct_tensor *most = ct_argmax(x, 1, false), *least = ct_argmin(x, 1, false);
            for (int r = 0; r < 6; r++) {
                int top = 0, bottom = 0;
                for (int i = 0; i < n; i++) {
                    const double v = ct_get(x, ct_index(r, i)), t = ct_get(x, ct_index(r, top)), b = ct_get(x, ct_index(r, bottom));
                    if (!isnan(t) && (isnan(v) || v > t)) top = i;
                    if (!isnan(b) && (isnan(v) || v < b)) bottom = i;
                }
                assert_int_equal(ct_get(most, ct_index(r)), top);
                assert_int_equal(ct_get(least, ct_index(r)), bottom);
            }
        }
    }
}

static void running_sums(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3), CT_F64);
    assert_values(ct_cumsum(x, 0), ct_shape(2, 3), 0, 1, 2, 3, 5, 7);
    assert_values(ct_cumsum(x, -1), ct_shape(2, 3), 0, 1, 3, 3, 7, 12);
    assert_values(ct_cumsum(ct_transpose(x), 0), ct_shape(3, 2), 0, 3, 1, 7, 3, 12);
    assert_close(ct_cumsum(ct_of(ct_shape(4), CT_F64, 1, INF, -INF, 2), 0), ct_of(ct_shape(4), CT_F64, 1, INF, NAN, NAN), 0);
    ct_tensor *ones = ct_cumsum(ct_full(ct_shape(3, 300, 5), 0.1, CT_F32), 1); /* wider than nothing, sums in f64 */
    assert_true(fabs(ct_get(ones, ct_index(2, 299, 4)) - 300 * (double)0.1f) < 2e-6);
    ct_tensor *wide = ct_cumsum(ct_ones(ct_shape(4, 300), CT_F32), 0);
    assert_tensor(ct_select(wide, 0, 3), ct_full(ct_shape(300), 4, CT_F32));
    ct_tensor *l = leaf(ct_zeros(ct_shape(3), CT_F64));
    assert_values(gradient(ct_cumsum(l, 0), l), ct_shape(3), 3, 2, 1);
}

/* ---- errors ------------------------------------------------------------------------------------------- */

static void wrong_axes_name_the_shape(void **state)
{
    (void)state;
    ct_tensor *x = ct_zeros(ct_shape(3, 4), CT_F32), *i = ct_zeros(ct_shape(3, 4), CT_I32);
    ct_tensor *scalar = ct_zeros(ct_shape(), CT_F32);
    assert_null(ct_sum(x, ct_axes(2), false));
    assert_error(CT_ERROR_SHAPE, "ct_sum", "axis 2 is out of range for x, which is f32 [3, 4]; expected -2 to 1");
    assert_null(ct_mean(i, ct_axes(-3), false));
    assert_error(CT_ERROR_SHAPE, "ct_mean", "axis -3 is out of range for x, which is i32 [3, 4]");
    assert_null(ct_prod(x, ct_axes(1, -1), false));
    assert_error(CT_ERROR_SHAPE, "ct_prod", "axis -1 is named twice; x is f32 [3, 4]");
    assert_null(ct_max(scalar, ct_axes(0), false));
    assert_error(CT_ERROR_SHAPE, "ct_max", "axis 0 is out of range for x, which is f32 []");
    assert_null(ct_logsumexp(x, (ct_axes){.rank = 9}, false));
    assert_error(CT_ERROR_SHAPE, "ct_logsumexp", "a list of 9 axes for x, which is f32 [3, 4]");
    assert_null(ct_any(i, ct_axes(5), false));
    assert_error(CT_ERROR_SHAPE, "ct_any", "axis 5 is out of range for x, which is i32 [3, 4]");
    assert_null(ct_var(x, ct_axes(7), 1, false));
    assert_error(CT_ERROR_SHAPE, "ct_var", "f32 [3, 4]");
    assert_null(ct_softmax(x, 2));
    assert_error(CT_ERROR_SHAPE, "ct_softmax", "axis 2 is out of range for x, which is f32 [3, 4]");
    assert_null(ct_log_softmax(scalar, 0));
    assert_error(CT_ERROR_SHAPE, "ct_log_softmax", "axis 0 is out of range for x, which is f32 []");
    assert_null(ct_cumsum(x, -3));
    assert_error(CT_ERROR_SHAPE, "ct_cumsum", "axis -3 is out of range for x, which is f32 [3, 4]");
    assert_null(ct_argmax(x, 2, false));
    assert_error(CT_ERROR_SHAPE, "ct_argmax", "axis 2 is out of range for x, which is f32 [3, 4]");
    assert_null(ct_sum_to(x, ct_shape(3)));
    assert_error(CT_ERROR_SHAPE, "ct_sum_to", "x is f32 [3, 4], to which [3] does not broadcast");
    assert_null(ct_sum_to(x, ct_shape(1, 3, 4)));
    assert_error(CT_ERROR_SHAPE, "ct_sum_to", "to which [1, 3, 4] does not broadcast");
    assert_null(ct_sum(NULL, CT_ALL, false));
    assert_error(CT_ERROR_NULL, "ct_sum", "`x` is NULL");
    assert_null(ct_argmin(NULL, 0, false));
    assert_error(CT_ERROR_NULL, "ct_argmin", "`x` is NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(every_choice_of_axes_and_layout),
        value_test(lengths_around_the_blocks),
        value_test(every_width),
        value_test(ten_million_tenths),
        value_test(random_sums_stay_accurate),
        value_test(variance_far_from_zero),
        value_test(the_same_bits_for_any_number_of_threads),
        value_test(the_same_bits_for_every_instruction_set),
        value_test(large_reductions_are_counted_as_parallel),
        value_test(small_reductions_do_not_allocate),
        value_test(over_no_elements),
        value_test(nan_spreads_through_max_and_min),
        value_test(ties_share_the_derivative),
        value_test(prod_with_zeros_to_third_order),
        value_test(integers_sum_to_i64_and_wrap),
        value_test(any_and_all_take_every_dtype),
        value_test(arg_takes_the_first),
        value_test(long_rows_against_plain_loops), value_test(running_sums),
        value_test(places_among_equals_and_special_values),
        value_test(wrong_axes_name_the_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
