/*
 * test_product.c - matmul and affine against plain triple loops.
 *
 * Every element must be within (k + 4) eps sum |a||b| of a sum in double: a bound that holds for any order of summation. Before
 * products run, the pool's free memory is filled with NaN, so that a kernel that reads what nobody wrote is found.
 */
#include "values.h"

#include <float.h>
#include <stdlib.h>

#include "tensor/tensor.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static double epsilon(ct_dtype dtype) { return dtype == CT_F32 ? FLT_EPSILON : DBL_EPSILON; }
static ct_tensor *leaf(ct_tensor *t) { return ct_requires_grad(t, true); }

/* Leaves NaN in blocks of all sizes that the pool keeps. */
static void poison_pool(void)
{
    CT_SCOPE;
    for (int64_t n = 64; n <= 1 << 20; n *= 2) {
        for (int i = 0; i < 3; i++) ct_full(ct_shape(n), NAN, CT_F32);
    }
}

/* ---- the reference ------------------------------------------------------------------------------------ */

typedef struct matrix {
    int64_t m, n;
    double *v;
} matrix;

static matrix values_of(ct_tensor *t)
{
    matrix a = {ct_dim(t, 0), ct_dim(t, 1), NULL};
    a.v = malloc((size_t)(a.m * a.n + 1) * sizeof(double));
    assert_non_null(a.v);
    assert_true(ct_copy_values(t, a.v, a.m * a.n));
    return a;
}

/* sum_l a_il b_lj + bias_j, and the sum of magnitudes. */
static void plain_product(matrix a, matrix b, const double *bias, double *sum, double *size)
{
    for (int64_t i = 0; i < a.m; i++) {
        double *s = sum + i * b.n, *z = size + i * b.n;
        for (int64_t j = 0; j < b.n; j++) s[j] = bias ? bias[j] : 0, z[j] = fabs(s[j]);
        for (int64_t l = 0; l < a.n; l++) {
            const double x = a.v[i * a.n + l], *y = b.v + l * b.n;
            for (int64_t j = 0; j < b.n; j++) s[j] += x * y[j], z[j] += fabs(x * y[j]);
        }
    }
}

/* c = a b (+ bias) for matrices. */
#define assert_product(c, a, b, bias) check_product(c, a, b, bias, __LINE__)
static void check_product(ct_tensor *c, ct_tensor *a, ct_tensor *b, ct_tensor *bias, int line)
{
    assert_non_null(c);
    const matrix x = values_of(a), y = values_of(b), z = values_of(c);
    double *sum = calloc((size_t)(2 * x.m * y.n + 1), sizeof(double)), *size = sum + x.m * y.n, *t = NULL;
    assert_non_null(sum);
    if (bias) assert_non_null(t = malloc((size_t)(y.n + 1) * sizeof(double)));
    if (bias) assert_true(ct_copy_values(bias, t, y.n));
    plain_product(x, y, t, sum, size);
    bool ok = z.m == x.m && z.n == y.n && ct_dtype_of(c) == ct_dtype_of(a);
    const double tolerance = (double)(x.n + 4) * epsilon(ct_dtype_of(c));
    for (int64_t i = 0; ok && i < z.m * z.n; i++) {
        ok = fabs(z.v[i] - sum[i]) <= tolerance * size[i];
        if (!ok) print_error("element %lld is %.17g, expected %.17g\n", (long long)i, z.v[i], sum[i]);
    }
    if (!ok)
        print_error("line %d: %s [%d, %d] x [%d, %d]\n", line, ct_dtype_name(ct_dtype_of(c)), (int)x.m, (int)x.n, (int)y.m,
                    (int)y.n);
    free(x.v), free(y.v), free(z.v), free(sum), free(t);
    assert_true(ok);
}

static ct_tensor *random_matrix(int64_t m, int64_t n, ct_dtype dtype) { return ct_uniform(ct_shape(m, n), -1, 1, dtype); }

/* ---- sizes -------------------------------------------------------------------------------------------- */

static void all_small_sizes(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 16, 17, 19, 23, 24, 29, 31, 32, 33, 37, 40};
    const size_t step = test_under_valgrind() ? 4 : 1; /* then 1, 5, 9, 16, 24, 33 */
    poison_pool();
    for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
        ct_tensor *a = random_matrix(40, 40, (ct_dtype)dtype), *b = random_matrix(40, 40, (ct_dtype)dtype);
        for (size_t i = 0; i < COUNT(sizes); i += step) {
            for (size_t j = 0; j < COUNT(sizes); j += step) {
                for (size_t l = 0; l < COUNT(sizes); l += step) {
                    CT_SCOPE; /* corners of larger matrices: rows lie apart */
                    const int64_t m = sizes[i], n = sizes[j], k = sizes[l];
                    ct_tensor *x = ct_slice(ct_slice(a, 0, 0, m, 1), 1, 0, k, 1);
                    ct_tensor *y = ct_slice(ct_slice(b, 0, 0, k, 1), 1, 0, n, 1);
                    if ((i + j + l) % 2) x = ct_contiguous(x), y = ct_contiguous(y);
                    assert_product(ct_matmul(x, y), x, y, NULL);
                }
            }
        }
    }
}

static const struct size {
    int64_t m, n, k;
} large[] = {{300, 257, 515}, {67, 1100, 61}, {517, 33, 40}, {31, 29, 1500},
             {1, 700, 300},   {700, 1, 300},  {96, 96, 96},  {255, 255, 1}};

static void large_sizes_are_cut_into_parts(void **state)
{
    (void)state;
    const ct_counters before = ct_count();
    for (size_t i = test_under_valgrind() ? 1 : 0; i < COUNT(large); i++) {
        for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
            CT_SCOPE;
            ct_tensor *a = random_matrix(large[i].m, large[i].k, (ct_dtype)dtype);
            ct_tensor *b = random_matrix(large[i].k, large[i].n, (ct_dtype)dtype);
            assert_product(ct_matmul(a, b), a, b, NULL);
        }
    }
    assert_true(ct_count().parallel_gemms > before.parallel_gemms);
}

/* A vector on either side of a matrix that is given as it is or turned: short and long, in pieces and not, shared by three threads with
 * the same bits. */
static void vectors_times_matrices(void **state)
{
    (void)state;
    static const int64_t rows[] = {1, 3, 4, 5, 130, 600}, columns[] = {100, 128, 131, 2047, 2048, 2049, 4100};
    poison_pool();
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t j = 0; j < COUNT(columns); j++) {
            for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
                CT_SCOPE;
                ct_tensor *m = random_matrix(rows[i], columns[j], (ct_dtype)dtype), *t = ct_transpose(m);
                ct_tensor *u = random_matrix(1, rows[i], (ct_dtype)dtype), *v = random_matrix(1, columns[j], (ct_dtype)dtype), *by[2][4];
                for (int threads = 0; threads < 2; threads++) {
                    ct_set_threads(threads ? 3 : 1);
                    by[threads][0] = ct_matmul(u, m);
                    by[threads][1] = ct_matmul(t, ct_transpose(u));
                    by[threads][2] = ct_matmul(m, ct_transpose(v));
                    by[threads][3] = ct_matmul(v, t);
                }
                assert_product(by[0][0], u, m, NULL);
                assert_product(by[0][1], t, ct_transpose(u), NULL);
                assert_product(by[0][2], m, ct_transpose(v), NULL);
                assert_product(by[0][3], v, t, NULL);
                for (int k = 0; k < 4; k++) assert_true(ct_equal(by[0][k], by[1][k]));
            }
        }
    }
    ct_set_threads(0);
    /* NaN and infinity stay where they belong */
    ct_tensor *m = ct_ones(ct_shape(600, 131), CT_F32), *x = ct_zeros(ct_shape(1, 600), CT_F32);
    ct_set(m, ct_index(5, 130), NAN);
    ct_set(x, ct_index(0, 3), INFINITY);
    ct_tensor *y = ct_matmul(x, m);
    assert_true(ct_get(y, ct_index(0, 129)) == INFINITY && isnan(ct_get(y, ct_index(0, 130))));
}

/* ---- layouts ------------------------------------------------------------------------------------------ */

enum { LAYOUTS = 9 };

/* The values of t behind other strides. */
static ct_tensor *laid_out(ct_tensor *t /* [m, n] */, int layout)
{
    ct_tensor *pair[] = {t, t};
    const int64_t m = ct_dim(t, 0), n = ct_dim(t, 1);
    switch (layout) {
    case 1: return ct_transpose(ct_contiguous(ct_transpose(t)));
    case 2: return ct_slice(ct_reshape(ct_stack(pair, 2, 1), ct_shape(2 * m, n)), 0, 1, CT_NONE, 2); /* every other row */
    case 3: return ct_slice(ct_reshape(ct_stack(pair, 2, 2), ct_shape(m, 2 * n)), 1, 1, CT_NONE, 2); /* every other column */
    case 4: return ct_flip(ct_contiguous(ct_flip(t, ct_axes(0))), ct_axes(0));
    case 5: return ct_flip(ct_contiguous(ct_flip(t, ct_axes(1))), ct_axes(1));
    case 6: return ct_transpose(laid_out(ct_transpose(t), 3)); /* every other row of a transposed one: no stride is 1 */
    case 7: return ct_slice(ct_pad(ct_pad(t, 1, 300, 3, NAN), 0, 1, 1, NAN), 0, 1, 1 + m, 1);
    case 8: return ct_select(ct_stack(pair, 2, 0), 0, 1);
    default: return ct_alias(t);
    }
}

/* Layout 7 keeps the padding: its columns are cut off here, and rows stay far apart. */
static ct_tensor *behind_strides(ct_tensor *t, int layout)
{
    ct_tensor *u = laid_out(t, layout);
    return layout == 7 ? ct_slice(u, 1, 300, 300 + ct_dim(t, 1), 1) : u;
}

static void layouts_of_operands(void **state)
{
    (void)state;
    static const struct size sizes[] = {{3, 4, 5},   {13, 17, 11}, {33, 40, 37},   {1, 50, 60},
                                        {50, 1, 60}, {70, 61, 1},  {61, 130, 300}, {200, 70, 67}};
    poison_pool();
    for (size_t s = 0; s < COUNT(sizes); s++) {
        for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
            CT_SCOPE;
            ct_tensor *a = random_matrix(sizes[s].m, sizes[s].k, (ct_dtype)dtype);
            ct_tensor *b = random_matrix(sizes[s].k, sizes[s].n, (ct_dtype)dtype), *c = ct_matmul(a, b);
            assert_product(c, a, b, NULL);
            const double close = 4 * (double)sizes[s].k * epsilon((ct_dtype)dtype);
            for (int i = 0; i < LAYOUTS; i++) {
                for (int j = 0; j < LAYOUTS; j++) {
                    if (test_under_valgrind() && i != j && (s > 5 || (i && j))) continue;
                    CT_SCOPE;
                    ct_tensor *x = behind_strides(a, i), *y = behind_strides(b, j);
                    if (!ct_equal(x, a) || !ct_equal(y, b)) print_error("layouts %d and %d of size %zu are wrong\n", i, j, s);
                    assert_true(ct_equal(x, a) && ct_equal(y, b));
                    ct_tensor *z = ct_matmul(x, y);
                    if (!ct_allclose(z, c, close, close)) print_error("layouts %d and %d of size %zu differ\n", i, j, s);
                    assert_true(ct_allclose(z, c, close, close));
                }
            }
        }
    }
}

static void repeated_operands(void **state)
{
    (void)state;
    static const struct size sizes[] = {{3, 4, 5}, {33, 40, 37}, {90, 70, 80}};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        const int64_t m = sizes[s].m, n = sizes[s].n, k = sizes[s].k;
        ct_tensor *a[4], *b[4]; /* nothing repeated, rows, columns, both */
        for (int i = 0; i < 4; i++) {
            a[i] = ct_expand(random_matrix(i % 2 ? 1 : m, i / 2 ? 1 : k, CT_F32), ct_shape(m, k));
            b[i] = ct_expand(random_matrix(i % 2 ? 1 : k, i / 2 ? 1 : n, CT_F32), ct_shape(k, n));
        }
        for (int i = 0; i < 16; i++) assert_product(ct_matmul(a[i / 4], b[i % 4]), a[i / 4], b[i % 4], NULL);
    }
    ct_tensor *a = random_matrix(20, 20, CT_F64);
    assert_product(ct_matmul(a, a), a, a, NULL);
    assert_product(ct_matmul(a, ct_transpose(a)), a, ct_transpose(a), NULL);
}

/* ---- batches and vectors ------------------------------------------------------------------------------ */

/* All matrices of a product against their own operands. */
static void check_batch(ct_shape a_shape, ct_shape b_shape, ct_shape lead)
{
    CT_SCOPE;
    ct_tensor *a = ct_uniform(a_shape, -1, 1, CT_F64), *b = ct_uniform(b_shape, -1, 1, CT_F64), *c = ct_matmul(a, b);
    assert_non_null(c);
    assert_int_equal(ct_rank(c), lead.rank + 2);
    for (int i = 0; i < lead.rank; i++) assert_int_equal(ct_dim(c, i), lead.dim[i]);
    ct_shape to_a = lead, to_b = lead, flat_a, flat_b;
    to_a.rank = to_b.rank = lead.rank + 2;
    for (int i = 0; i < 2; i++) {
        to_a.dim[lead.rank + i] = ct_dim(a, i - 2);
        to_b.dim[lead.rank + i] = ct_dim(b, i - 2);
    }
    const int64_t batch = ct_shape_count(lead);
    flat_a = ct_shape(batch, ct_dim(a, -2), ct_dim(a, -1));
    flat_b = ct_shape(batch, ct_dim(b, -2), ct_dim(b, -1));
    ct_tensor *x = ct_reshape(ct_expand(a, to_a), flat_a), *y = ct_reshape(ct_expand(b, to_b), flat_b);
    ct_tensor *z = ct_reshape(c, ct_shape(batch, ct_dim(c, -2), ct_dim(c, -1)));
    for (int64_t i = 0; i < batch; i++) assert_product(ct_select(z, 0, i), ct_select(x, 0, i), ct_select(y, 0, i), NULL);
}

static void leading_axes_broadcast(void **state)
{
    (void)state;
    check_batch(ct_shape(3, 4, 5), ct_shape(3, 5, 6), ct_shape(3));
    check_batch(ct_shape(3, 4, 5), ct_shape(5, 6), ct_shape(3));
    check_batch(ct_shape(2, 3, 4, 5), ct_shape(5, 6), ct_shape(2, 3));
    check_batch(ct_shape(4, 5), ct_shape(3, 5, 6), ct_shape(3));
    check_batch(ct_shape(2, 1, 4, 5), ct_shape(3, 5, 6), ct_shape(2, 3));
    check_batch(ct_shape(1, 4, 5), ct_shape(3, 5, 6), ct_shape(3));
    check_batch(ct_shape(2, 1, 3, 1, 1, 2), ct_shape(4, 1, 5, 2, 1), ct_shape(2, 4, 3, 5));
    check_batch(ct_shape(2, 1, 2, 1, 2, 1, 3, 4), ct_shape(1, 3, 1, 3, 1, 3, 4, 2), ct_shape(2, 3, 2, 3, 2, 3));
    check_batch(ct_shape(6, 60, 70), ct_shape(6, 70, 50), ct_shape(6)); /* in parallel */
    check_batch(ct_shape(0, 4, 5), ct_shape(5, 6), ct_shape(0));
    check_batch(ct_shape(0, 4, 5), ct_shape(1, 5, 6), ct_shape(0));
    check_batch(ct_shape(2, 4, 0), ct_shape(2, 0, 3), ct_shape(2));
    check_batch(ct_shape(2, 0, 5), ct_shape(2, 5, 3), ct_shape(2));
}

static void batches_behind_strides(void **state)
{
    (void)state;
    ct_tensor *a = ct_uniform(ct_shape(4, 7, 5), -1, 1, CT_F32), *b = ct_uniform(ct_shape(4, 5, 6), -1, 1, CT_F32);
    ct_tensor *c = ct_matmul(a, b);
    for (int64_t i = 0; i < 4; i++) assert_product(ct_select(c, 0, i), ct_select(a, 0, i), ct_select(b, 0, i), NULL);
    ct_tensor *reversed = ct_matmul(ct_flip(a, ct_axes(0)), ct_flip(b, ct_axes(0)));
    assert_tensor(ct_flip(reversed, ct_axes(0)), c);
    /* the batch lies innermost */
    ct_tensor *inner = ct_permute(ct_contiguous(ct_permute(a, ct_axes(1, 2, 0))), ct_axes(2, 0, 1));
    assert_true(ct_allclose(ct_matmul(inner, b), c, 1e-5, 1e-5));
    ct_tensor *odd = ct_slice(a, 0, 1, CT_NONE, 2);
    assert_tensor(ct_matmul(odd, ct_slice(b, 0, 1, CT_NONE, 2)), ct_slice(c, 0, 1, CT_NONE, 2));
}

static void vectors_are_rows_and_columns(void **state)
{
    (void)state;
    ct_tensor *v = ct_of(ct_shape(3), CT_F64, 1, 2, 3), *w = ct_of(ct_shape(2), CT_F64, 10, 100);
    ct_tensor *m = ct_of(ct_shape(2, 3), CT_F64, 1, 2, 3, 4, 5, 6), *stack = ct_stack((ct_tensor *[]){m, ct_neg(m)}, 2, 0);
    assert_values(ct_matmul(v, v), ct_shape(), 14);
    assert_values(ct_matmul(m, v), ct_shape(2), 14, 32);
    assert_values(ct_matmul(w, m), ct_shape(3), 410, 520, 630);
    assert_values(ct_matmul(stack, v), ct_shape(2, 2), 14, 32, -14, -32);
    assert_values(ct_matmul(w, stack), ct_shape(2, 3), 410, 520, 630, -410, -520, -630);
    assert_values(ct_matmul(ct_flip(v, ct_axes(0)), v), ct_shape(), 10);
    assert_values(ct_matmul(ct_expand(ct_of(ct_shape(1), CT_F64, 2), ct_shape(3)), v), ct_shape(), 12);
    assert_values(ct_matmul(ct_zeros(ct_shape(0), CT_F64), ct_zeros(ct_shape(0), CT_F64)), ct_shape(), 0);
    ct_tensor *long_v = ct_uniform(ct_shape(1, 5000), -1, 1, CT_F64), *row = ct_select(long_v, 0, 0);
    assert_product(ct_reshape(ct_matmul(row, row), ct_shape(1, 1)), long_v, ct_transpose(long_v), NULL);
}

/* ---- nothing to sum, NaN, infinities ------------------------------------------------------------------ */

static void sums_of_nothing_are_zero(void **state)
{
    (void)state;
    poison_pool();
    for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
        const ct_dtype d = (ct_dtype)dtype;
        assert_tensor(ct_matmul(ct_ones(ct_shape(30, 0), d), ct_ones(ct_shape(0, 20), d)), ct_zeros(ct_shape(30, 20), d));
        assert_tensor(ct_matmul(ct_ones(ct_shape(0, 3), d), ct_ones(ct_shape(3, 2), d)), ct_zeros(ct_shape(0, 2), d));
        assert_tensor(ct_matmul(ct_ones(ct_shape(2, 3), d), ct_ones(ct_shape(3, 0), d)), ct_zeros(ct_shape(2, 0), d));
        ct_tensor *b = ct_of(ct_shape(2), d, 3, 4);
        assert_tensor(ct_affine(ct_ones(ct_shape(3, 0), d), ct_ones(ct_shape(0, 2), d), b), ct_expand(b, ct_shape(3, 2)));
        assert_tensor(ct_affine(ct_ones(ct_shape(0, 5), d), ct_ones(ct_shape(5, 2), d), b), ct_zeros(ct_shape(0, 2), d));
        ct_tensor *x[] = {leaf(ct_ones(ct_shape(3, 0), d)), leaf(ct_ones(ct_shape(0, 2), d)), leaf(b)}, *g[3];
        ct_tensor *y = ct_affine(x[0], x[1], x[2]);
        assert_true(ct_grad(&y, NULL, 1, x, 3, g, (ct_grad_options){0}));
        assert_tensor(g[0], ct_zeros(ct_shape(3, 0), d));
        assert_tensor(g[1], ct_zeros(ct_shape(0, 2), d));
        assert_tensor(g[2], ct_of(ct_shape(2), d, 3, 3));
    }
}

static void nans_and_infinities_reach_their_row_and_column(void **state)
{
    (void)state;
    static const int64_t sizes[] = {3, 20, 64, 150};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
            CT_SCOPE;
            const int64_t n = sizes[s], row = n / 2, column = n - 1;
            ct_tensor *a = ct_ones(ct_shape(n, n), (ct_dtype)dtype), *b = ct_zeros(ct_shape(n, n), (ct_dtype)dtype);
            assert_true(ct_set(a, ct_index(row, 1), NAN)); /* meets nothing but zeros: NaN all the same */
            assert_true(ct_set(b, ct_index(0, column), INFINITY));
            ct_tensor *c = ct_matmul(a, b), *nan = ct_isnan(c);
            assert_tensor(ct_select(nan, 0, row), ct_ones(ct_shape(n), CT_BOOL));
            assert_int_equal(ct_item(ct_sum(nan, CT_ALL, false)), n);
            assert_number(ct_get(c, ct_index(0, column)), INFINITY, 0);
            assert_int_equal(ct_item(ct_sum(ct_isinf(c), CT_ALL, false)), n - 1);
            ct_tensor *bias = ct_zeros(ct_shape(n), (ct_dtype)dtype);
            assert_true(ct_set(bias, ct_index(2), NAN));
            nan = ct_isnan(ct_affine(b, b, bias)); /* and inf * 0 in one column */
            assert_tensor(ct_select(nan, 1, 2), ct_ones(ct_shape(n), CT_BOOL));
        }
    }
}

/* ---- affine ------------------------------------------------------------------------------------------- */

static void affine_adds_the_bias_to_every_row(void **state)
{
    (void)state;
    static const struct size sizes[] = {{1, 1, 1}, {3, 4, 5}, {33, 40, 37}, {130, 70, 300}, {200, 257, 64}};
    poison_pool();
    for (size_t s = 0; s < COUNT(sizes); s++) {
        for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
            CT_SCOPE;
            const int64_t n = sizes[s].n;
            ct_tensor *x = random_matrix(sizes[s].m, sizes[s].k, (ct_dtype)dtype);
            ct_tensor *w = random_matrix(sizes[s].k, n, (ct_dtype)dtype);
            ct_tensor *v = ct_uniform(ct_shape(3 * n), -1, 1, (ct_dtype)dtype);
            ct_tensor *b[] = {ct_slice(v, 0, 0, n, 1), ct_expand(ct_slice(v, 0, 0, 1, 1), ct_shape(n)),
                              ct_slice(v, 0, n - 1, CT_NONE, -1), ct_slice(v, 0, 2, CT_NONE, 3)};
            for (size_t i = 0; i < COUNT(b); i++) {
                assert_product(ct_affine(x, w, b[i]), x, w, b[i]);
                assert_product(ct_affine(behind_strides(x, (int)i + 1), behind_strides(w, (int)i + 4), b[i]), x, w, b[i]);
            }
        }
    }
}

static void affine_takes_any_leading_axes(void **state)
{
    (void)state;
    ct_tensor *x = ct_uniform(ct_shape(2, 3, 4), -1, 1, CT_F64), *w = random_matrix(4, 5, CT_F64);
    ct_tensor *b = ct_uniform(ct_shape(5), -1, 1, CT_F64);
    ct_tensor *expected = ct_affine(ct_reshape(x, ct_shape(6, 4)), w, b);
    assert_tensor(ct_affine(x, w, b), ct_reshape(expected, ct_shape(2, 3, 5)));
    assert_tensor(ct_affine(ct_select(ct_select(x, 0, 1), 0, 1), w, b), ct_select(expected, 0, 4));
    ct_tensor *swapped = ct_swap_axes(ct_contiguous(ct_swap_axes(x, 0, 1)), 0, 1);
    assert_tensor(ct_affine(swapped, w, b), ct_reshape(expected, ct_shape(2, 3, 5)));
    assert_int_equal(ct_rank(ct_affine(ct_zeros(ct_shape(2, 0, 4), CT_F64), w, b)), 3);
}

/* ---- dtypes and errors -------------------------------------------------------------------------------- */

static void dtypes_mix_as_everywhere(void **state)
{
    (void)state;
    ct_tensor *i = ct_of(ct_shape(2, 2), CT_I32, 1, 2, 3, 4), *mask = ct_of(ct_shape(2, 2), CT_BOOL, 1, 0, 1, 1);
    ct_tensor *f = ct_cast(i, CT_F32), *d = ct_cast(i, CT_F64), *b = ct_of(ct_shape(2), CT_I64, 1, 2);
    assert_tensor(ct_matmul(i, i), ct_of(ct_shape(2, 2), CT_F32, 7, 10, 15, 22));
    assert_tensor(ct_matmul(mask, f), ct_of(ct_shape(2, 2), CT_F32, 1, 2, 4, 6));
    assert_tensor(ct_matmul(d, i), ct_of(ct_shape(2, 2), CT_F64, 7, 10, 15, 22));
    assert_tensor(ct_affine(i, d, b), ct_of(ct_shape(2, 2), CT_F64, 8, 12, 16, 24));
    assert_tensor(ct_affine(i, i, ct_of(ct_shape(2), CT_F64, 1, 2)), ct_of(ct_shape(2, 2), CT_F64, 8, 12, 16, 24));
    assert_tensor(ct_affine(f, i, b), ct_of(ct_shape(2, 2), CT_F32, 8, 12, 16, 24));
    assert_null(ct_matmul(f, d));
    assert_error(CT_ERROR_DTYPE, "ct_matmul", "f32 and f64 do not mix: a is f32 [2, 2], b is f64 [2, 2]; ct_cast one of them");
    assert_null(ct_affine(f, d, b));
    assert_error(CT_ERROR_DTYPE, "ct_affine", "do not mix: x is f32 [2, 2], w is f64 [2, 2], b is i64 [2]");
    assert_null(ct_affine(f, f, ct_cast(b, CT_F64)));
    assert_error(CT_ERROR_DTYPE, "ct_affine", "do not mix");
    assert_null(ct_affine(i, f, ct_cast(b, CT_F64)));
    assert_error(CT_ERROR_DTYPE, "ct_affine", "do not mix");
}

static void sizes_that_do_not_fit_come_with_a_hint(void **state)
{
    (void)state;
    ct_tensor *a = ct_zeros(ct_shape(64, 784), CT_F32), *b = ct_zeros(ct_shape(128, 784), CT_F32);
    ct_tensor *bias = ct_zeros(ct_shape(128), CT_F32), *s = ct_zeros(ct_shape(), CT_F32);
    ct_tensor *images = ct_zeros(ct_shape(2, 28, 28), CT_F32);
    assert_null(ct_matmul(a, b));
    assert_error(CT_ERROR_SHAPE, "ct_matmul", "inner sizes differ: a is f32 [64, 784], b is f32 [128, 784]; transpose b?");
    assert_null(ct_matmul(a, ct_zeros(ct_shape(64, 5), CT_F32)));
    assert_error(CT_ERROR_SHAPE, "ct_matmul", "b is f32 [64, 5]; transpose a?");
    assert_null(ct_matmul(a, ct_zeros(ct_shape(5, 6), CT_F32)));
    assert_error(CT_ERROR_SHAPE, "ct_matmul", "a is f32 [64, 784], b is f32 [5, 6]");
    assert_null(ct_matmul(a, bias));
    assert_error(CT_ERROR_SHAPE, "ct_matmul", "a is f32 [64, 784], b is f32 [128]");
    assert_null(ct_matmul(bias, ct_zeros(ct_shape(2), CT_F32)));
    assert_error(CT_ERROR_SHAPE, "ct_matmul", "a is f32 [128], b is f32 [2]");
    assert_null(ct_matmul(a, s));
    assert_error(CT_ERROR_SHAPE, "ct_matmul", "b is f32 []; expected vectors or matrices: ct_mul multiplies by a scalar");
    assert_null(ct_matmul(ct_zeros(ct_shape(2, 3, 4), CT_F32), ct_zeros(ct_shape(3, 4, 5), CT_F32)));
    assert_error(CT_ERROR_SHAPE, "ct_matmul", "leading axes do not broadcast: a is f32 [2, 3, 4], b is f32 [3, 4, 5]");
    assert_null(ct_affine(a, b, bias));
    assert_error(CT_ERROR_SHAPE, "ct_affine", "inner sizes differ: x is f32 [64, 784], w is f32 [128, 784]; transpose w?");
    assert_null(ct_affine(images, ct_zeros(ct_shape(784, 128), CT_F32), bias));
    assert_error(CT_ERROR_SHAPE, "ct_affine", "ct_flatten(x, 1)?");
    assert_null(ct_affine(a, ct_transpose(b), ct_zeros(ct_shape(10), CT_F32)));
    assert_error(CT_ERROR_SHAPE, "ct_affine", "w is f32 [784, 128], b is f32 [10]; expected b [128]");
    assert_null(ct_affine(a, bias, bias));
    assert_error(CT_ERROR_SHAPE, "ct_affine", "w is f32 [128], b is f32 [128]; expected x [.., in], w [in, out], b [out]");
    assert_null(ct_affine(s, b, bias));
    assert_error(CT_ERROR_SHAPE, "ct_affine", "x is f32 []");
}

/* ---- bits and the inner call -------------------------------------------------------------------------- */

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    if (test_under_valgrind()) skip(); /* too much for it */
    for (size_t i = 0; i < COUNT(large); i++) {
        for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
            CT_SCOPE;
            ct_tensor *first[4] = {NULL}, *b = ct_uniform(ct_shape(large[i].n), -1, 1, (ct_dtype)dtype);
            ct_tensor *x[] = {leaf(behind_strides(random_matrix(large[i].m, large[i].k, (ct_dtype)dtype), (int)i)),
                              leaf(behind_strides(random_matrix(large[i].k, large[i].n, (ct_dtype)dtype), (int)i / 2)), leaf(b)};
            for (int threads = 1; threads <= 3; threads++) {
                ct_tensor *r[4];
                assert_true(ct_set_threads(threads));
                r[3] = ct_affine(x[0], x[1], x[2]);
                assert_true(ct_grad(&r[3], NULL, 1, x, 3, r, (ct_grad_options){0}));
                for (int j = 0; j < 4; j++) {
                    if (!first[j]) first[j] = r[j];
                    assert_true(ct_equal(r[j], first[j]));
                }
            }
        }
    }
    assert_true(ct_set_threads(0));
}

static ct__matrix matrix_in(ct_tensor *t)
{
    return (ct__matrix){.data = t->data, .rows = t->dim[0], .columns = t->dim[1], .row = t->stride[0], .column = t->stride[1]};
}

/* C = 2 A B + C / 2 and C = 2 A B onto NaN, into matrices of any strides. */
static void the_inner_call_scales_and_adds(void **state)
{
    (void)state;
    static const struct size sizes[] = {{3, 4, 5}, {33, 40, 37}, {130, 90, 300}, {7, 9, 0}};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
            for (int layout = 0; layout < 4; layout++) {
                CT_SCOPE;
                const ct_dtype d = (ct_dtype)dtype;
                const double close = 4 * (double)(sizes[s].k + 1) * epsilon(d);
                ct_tensor *a = random_matrix(sizes[s].m, sizes[s].k, d), *b = random_matrix(sizes[s].k, sizes[s].n, d);
                ct_tensor *c = behind_strides(random_matrix(sizes[s].m, sizes[s].n, d), layout);
                ct_tensor *product = ct_mul(ct_matmul(a, b), ct_scalar(2));
                ct_tensor *expected = ct_add(product, ct_mul(c, ct_scalar(0.5)));
                const ct__matrix x = matrix_in(a), y = matrix_in(b), z = matrix_in(c);
                ct__gemm(d, 1, 2, &x, 0, &y, 0, 0.5, &z, 0);
                assert_true(ct_allclose(c, expected, close, close));
                assert_true(ct_fill_(c, NAN));
                ct__gemm(d, 1, 2, &x, 0, &y, 0, 0, &z, 0);
                assert_true(ct_allclose(c, product, close, close));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(all_small_sizes),
        value_test(large_sizes_are_cut_into_parts),
        value_test(vectors_times_matrices),
        value_test(layouts_of_operands),
        value_test(repeated_operands),
        value_test(leading_axes_broadcast),
        value_test(batches_behind_strides),
        value_test(vectors_are_rows_and_columns),
        value_test(sums_of_nothing_are_zero),
        value_test(nans_and_infinities_reach_their_row_and_column),
        value_test(affine_adds_the_bias_to_every_row),
        value_test(affine_takes_any_leading_axes),
        value_test(dtypes_mix_as_everywhere),
        value_test(sizes_that_do_not_fit_come_with_a_hint),
        value_test(threads_do_not_change_a_bit),
        value_test(the_inner_call_scales_and_adds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
