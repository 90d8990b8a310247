/*
 * test_random.c - random numbers: Philox by its published vectors, distributions, ranges, permutations, and that the number of
 * threads changes nothing. All seeds are fixed, so a bound that holds today holds tomorrow.
 */
#include "values.h"

#include <stdlib.h>

#include "base/base.h"

/* ---- the generator ------------------------------------------------------------------------------------ */

/* The known answers of Random123, the authors' implementation, for philox4x32 with 10 rounds. */
static void philox_gives_the_published_words(void **state)
{
    (void)state;
    static const struct {
        uint64_t key, counter, stream;
        uint32_t words[4];
    } known[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t words[4];
        ct__philox(known[i].key, known[i].counter, known[i].stream, words);
        assert_memory_equal(words, known[i].words, sizeof words);
    }
}

/* Also where a counter carries into its upper word. */
static void philox_gives_the_same_words_side_by_side(void **state)
{
    (void)state;
    static const uint64_t counters[] = {0, 1000, UINT32_MAX - 5, UINT64_MAX - 3};
    for (int i = 0; i < 4; i++) {
        uint32_t lanes[4][CT__PHILOX_LANES], words[4];
        ct__philox_lanes(0x0123456789abcdef, counters[i], UINT64_MAX - 77, lanes);
        for (int l = 0; l < CT__PHILOX_LANES; l++) {
            ct__philox(0x0123456789abcdef, counters[i] + (uint64_t)l, UINT64_MAX - 77, words);
            for (int k = 0; k < 4; k++) assert_int_equal(lanes[k][l], words[k]);
        }
    }
}

static ct_tensor *uniform(int64_t n, ct_dtype dtype) { return ct_uniform(ct_shape(n), -1, 3, dtype); }
static ct_tensor *normal(int64_t n, ct_dtype dtype) { return ct_normal(ct_shape(n), 2, 0.5, dtype); }

static void a_seed_fixes_the_sequence(void **state)
{
    (void)state;
    for (int d = CT_F32; d <= CT_F64; d++) {
        ct_seed(5);
        ct_tensor *a = uniform(99, (ct_dtype)d), *b = uniform(99, (ct_dtype)d), *c = normal(99, (ct_dtype)d);
        ct_tensor *p = ct_permutation(99);
        ct_seed(5);
        assert_true(ct_equal(uniform(99, (ct_dtype)d), a) && ct_equal(uniform(99, (ct_dtype)d), b));
        assert_true(ct_equal(normal(99, (ct_dtype)d), c) && ct_equal(ct_permutation(99), p));
        assert_false(ct_equal(a, b));
        ct_seed(6);
        assert_false(ct_equal(uniform(99, (ct_dtype)d), a));
    }
}

static void a_number_depends_on_its_index_and_not_on_the_shape(void **state)
{
    (void)state;
    ct_tensor *(*const make[])(int64_t n, ct_dtype dtype) = {uniform, normal};
    for (int k = 0; k < 4; k++) {
        const ct_dtype dtype = k % 2 ? CT_F64 : CT_F32;
        ct_seed(11);
        ct_tensor *whole = make[k / 2](40000, dtype);
        for (int64_t n = 0; n <= 9; n++) {
            ct_seed(11);
            assert_tensor(make[k / 2](n, dtype), ct_slice(whole, 0, 0, n, 1));
        }
        ct_seed(11);
        assert_tensor(make[k / 2](16385, dtype), ct_slice(whole, 0, 0, 16385, 1));
    }
    ct_seed(11);
    ct_tensor *flat = ct_uniform(ct_shape(24), 0, 1, CT_F32);
    ct_seed(11);
    assert_tensor(ct_reshape(ct_uniform(ct_shape(2, 3, 4), 0, 1, CT_F32), ct_shape(24)), flat);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    ct_tensor *(*const make[])(int64_t n, ct_dtype dtype) = {uniform, normal};
    const int64_t n = 200003;
    for (int k = 0; k < 4; k++) {
        const ct_dtype dtype = k % 2 ? CT_F64 : CT_F32;
        ct_tensor *by[3];
        for (int threads = 1; threads <= 3; threads++) {
            ct_seed(3);
            ct_set_threads(threads);
            const int64_t regions = ct_count().parallel_regions;
            by[threads - 1] = make[k / 2](n, dtype);
            assert_int_equal(ct_count().parallel_regions, regions + 1);
        }
        assert_memory_equal(ct_data(by[0]), ct_data(by[1]), (size_t)n * ct_dtype_size(dtype));
        assert_memory_equal(ct_data(by[0]), ct_data(by[2]), (size_t)n * ct_dtype_size(dtype));
    }
    ct_set_threads(0);
    const int64_t regions = ct_count().parallel_regions;
    uniform(1000, CT_F32);
    assert_int_equal(ct_count().parallel_regions, regions); /* small: not worth a region */
}

/* ---- distributions ------------------------------------------------------------------------------------ */

enum { N = 400000 };

typedef struct moments {
    double mean, variance, skewness, kurtosis;
} moments;

static moments moments_of(const double *x)
{
    double sum = 0, s2 = 0, s3 = 0, s4 = 0;
    for (int i = 0; i < N; i++) sum += x[i];
    const double mean = sum / N;
    for (int i = 0; i < N; i++) {
        const double d = x[i] - mean;
        s2 += d * d, s3 += d * d * d, s4 += d * d * d * d;
    }
    const double variance = s2 / N;
    return (moments){mean, variance, s3 / N / pow(variance, 1.5), s4 / N / (variance * variance)};
}

/* Correlation of x[i] with x[i + lag]: normal with deviation 1 / sqrt(N). */
static double correlation(const double *x, int lag, moments m)
{
    double sum = 0;
    for (int i = 0; i + lag < N; i++) sum += (x[i] - m.mean) * (x[i + lag] - m.mean);
    return sum / (N - lag) / m.variance;
}

/* Sum over bins of (count - expected)^2 / expected for numbers in [0, 1). */
static double chi_square(const double *u, int bins)
{
    double sum = 0;
    int *count = calloc((size_t)bins, sizeof *count);
    for (int i = 0; i < N; i++) count[(int)(u[i] * bins)]++;
    for (int b = 0; b < bins; b++) sum += pow(count[b] - (double)N / bins, 2) / ((double)N / bins);
    free(count);
    return sum;
}

static const double BOUND = 5 / 632.4555; /* five deviations of a mean of N numbers of variance 1 */

static void uniform_numbers_are_uniform(void **state)
{
    (void)state;
    double *x = malloc(N * sizeof *x);
    for (int d = CT_F32; d <= CT_F64; d++) {
        ct_seed(21);
        assert_true(ct_copy_values(ct_uniform(ct_shape(N), 0, 1, (ct_dtype)d), x, N));
        for (int i = 0; i < N; i++) assert_true(x[i] >= 0 && x[i] < 1);
        const moments m = moments_of(x);
        assert_true(fabs(m.mean - 0.5) < BOUND * 0.2887 && fabs(m.variance - 1.0 / 12) < BOUND * 0.0745);
        for (int lag = 1; lag < 9; lag++) assert_true(fabs(correlation(x, lag, m)) < BOUND);
        const double chi = chi_square(x, 256); /* mean 255, deviation 22.6 */
        assert_true(chi > 255 - 5 * 22.6 && chi < 255 + 5 * 22.6);
    }
    free(x);
}

static void normal_numbers_are_normal(void **state)
{
    (void)state;
    double *x = malloc(N * sizeof *x);
    for (int d = CT_F32; d <= CT_F64; d++) {
        ct_seed(22);
        assert_true(ct_copy_values(ct_normal(ct_shape(N), 0, 1, (ct_dtype)d), x, N));
        const moments m = moments_of(x);
        assert_true(fabs(m.mean) < BOUND && fabs(m.variance - 1) < BOUND * sqrt(2));
        assert_true(fabs(m.skewness) < BOUND * sqrt(6) && fabs(m.kurtosis - 3) < BOUND * sqrt(24));
        for (int lag = 1; lag < 9; lag++) assert_true(fabs(correlation(x, lag, m)) < BOUND);
        int beyond_4 = 0;
        for (int i = 0; i < N; i++) beyond_4 += fabs(x[i]) > 4;
        assert_true(beyond_4 > 8 && beyond_4 < 50); /* 25 expected */
        for (int i = 0; i < N; i++) x[i] = fmin(0.5 * erfc(-x[i] / sqrt(2)), 1 - 1e-12); /* uniform, if x is normal */
        const double chi = chi_square(x, 256);
        assert_true(chi > 255 - 5 * 22.6 && chi < 255 + 5 * 22.6);
    }
    free(x);
}

static void mean_and_deviation_shift_and_scale(void **state)
{
    (void)state;
    ct_seed(4);
    ct_tensor *z = ct_normal(ct_shape(100), 0, 1, CT_F64);
    ct_seed(4);
    ct_tensor *x = ct_normal(ct_shape(100), -3, 0.25, CT_F64);
    assert_true(ct_allclose(x, ct_add(ct_mul(z, ct_scalar(0.25)), ct_scalar(-3)), 0, 1e-15));
    assert_tensor(ct_normal(ct_shape(5), 1.5, 0, CT_F32), ct_full(ct_shape(5), 1.5, CT_F32));
}

/* ---- ranges ------------------------------------------------------------------------------------------- */

static void uniform_numbers_never_round_up_to_the_end(void **state)
{
    (void)state;
    ct_seed(8);
    static const struct {
        ct_dtype dtype;
        double low, high;
    } narrow[] = {
        {CT_F32, 1, 1 + 0x1p-22},           {CT_F32, 1, 1 + 0x1p-23},          {CT_F32, -1 - 0x1p-22, -1},
        {CT_F32, 16777215, 16777217},       {CT_F32, 0.1, 0.10000001},         {CT_F32, 1 - 1e-12, 1 + 1e-12},
        {CT_F32, -1e39, -3e38},             {CT_F32, 3e38, 1e39},              {CT_F32, 0, 0x1p-149},
        {CT_F64, 1, 1 + 0x1p-51},           {CT_F64, 1, 1 + 0x1p-52},          {CT_F64, -0x1p-1074, 0},
    };
    for (size_t k = 0; k < sizeof narrow / sizeof narrow[0]; k++) {
        double x[1000];
        assert_true(ct_copy_values(ct_uniform(ct_shape(1000), narrow[k].low, narrow[k].high, narrow[k].dtype), x, 1000));
        for (int i = 0; i < 1000; i++) {
            if (!(x[i] >= narrow[k].low && x[i] < narrow[k].high)) fail_msg("case %zu: %.17g", k, x[i]);
        }
    }
    assert_tensor(ct_uniform(ct_shape(3), 0.5, 0.5, CT_F32), ct_full(ct_shape(3), 0.5, CT_F32));
}

static void errors_name_the_numbers_and_draw_nothing(void **state)
{
    (void)state;
    ct_seed(1);
    ct_tensor *first = uniform(4, CT_F32);
    ct_seed(1);
    assert_null(ct_uniform(ct_shape(2), 1, 0, CT_F32));
    assert_error(CT_ERROR_VALUE, "ct_uniform", "from 1 to 0");
    assert_null(ct_uniform(ct_shape(2), NAN, 0, CT_F32));
    assert_error(CT_ERROR_VALUE, "ct_uniform", "from nan to 0");
    assert_null(ct_uniform(ct_shape(2), -1.7e308, 1.7e308, CT_F64));
    assert_error(CT_ERROR_VALUE, "ct_uniform", "finite distance");
    assert_null(ct_uniform(ct_shape(2), 1.00000001, 1.00000002, CT_F32));
    assert_error(CT_ERROR_VALUE, "ct_uniform", "no f32 lies in [1.00000001");
    assert_null(ct_uniform(ct_shape(2), 0, 1, CT_I32));
    assert_error(CT_ERROR_DTYPE, "ct_uniform", "dtype i32; expected f32 or f64");
    assert_null(ct_uniform(ct_shape(-2), 0, 1, CT_F32));
    assert_error(CT_ERROR_SHAPE, "ct_uniform", "[-2]");
    assert_null(ct_normal(ct_shape(2), 0, -1, CT_F32));
    assert_error(CT_ERROR_VALUE, "ct_normal", "mean 0, std -1");
    assert_null(ct_normal(ct_shape(2), INFINITY, 1, CT_F32));
    assert_error(CT_ERROR_VALUE, "ct_normal", "mean inf");
    assert_null(ct_normal(ct_shape(2), 0, 1, CT_BOOL));
    assert_error(CT_ERROR_DTYPE, "ct_normal", "dtype bool; expected f32 or f64");
    assert_null(ct_normal(ct_shape(2, -1), 0, 1, CT_F64));
    assert_error(CT_ERROR_SHAPE, "ct_normal", "[2, -1]");
    assert_null(ct_permutation(-1));
    assert_error(CT_ERROR_SHAPE, "ct_permutation", "[-1]");
    assert_tensor(uniform(4, CT_F32), first);
}

/* ---- permutations ------------------------------------------------------------------------------------- */

static void a_permutation_has_each_number_once(void **state)
{
    (void)state;
    ct_seed(2);
    for (int64_t n = 0; n < 100000; n = n * 3 + 1) {
        ct_tensor *p = ct_permutation(n);
        assert_int_equal(ct_dtype_of(p), CT_I64);
        assert_int_equal(ct_dim(p, 0), n);
        bool *seen = calloc((size_t)n + 1, 1);
        const int64_t *at = ct_data(p);
        for (int64_t i = 0; i < n; i++) {
            assert_true(at[i] >= 0 && at[i] < n && !seen[at[i]]);
            seen[at[i]] = true;
        }
        free(seen);
    }
}

/* All 24 orders of four things, a thousand times each: chi-square has mean 23 and deviation 6.8. */
static void all_permutations_are_equally_likely(void **state)
{
    (void)state;
    ct_seed(9);
    int count[256] = {0};
    for (int i = 0; i < 24000; i++) {
        CT_SCOPE;
        const int64_t *p = ct_data(ct_permutation(4));
        count[p[0] * 64 + p[1] * 16 + p[2] * 4 + p[3]]++;
    }
    double chi = 0;
    int orders = 0;
    for (int i = 0; i < 256; i++) {
        if (count[i] == 0) continue;
        orders++;
        chi += pow(count[i] - 1000, 2) / 1000;
    }
    assert_int_equal(orders, 24);
    assert_true(chi > 3 && chi < 23 + 5 * 6.8);
}

/* Where each of 60 things comes to lie: 3600 cells of 200, with 59 * 59 degrees of freedom. */
static void every_place_is_equally_likely_for_every_number(void **state)
{
    (void)state;
    enum { THINGS = 60, TIMES = 12000 };
    static int count[THINGS][THINGS];
    ct_seed(10);
    for (int k = 0; k < TIMES; k++) {
        CT_SCOPE;
        const int64_t *p = ct_data(ct_permutation(THINGS));
        for (int i = 0; i < THINGS; i++) count[i][p[i]]++;
    }
    double chi = 0;
    for (int i = 0; i < THINGS * THINGS; i++) chi += pow(count[i / THINGS][i % THINGS] - 200, 2) / 200;
    const double freedom = 59 * 59;
    assert_true(fabs(chi * 59 / 60 - freedom) < 5 * sqrt(2 * freedom));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(philox_gives_the_published_words),
        value_test(philox_gives_the_same_words_side_by_side),
        value_test(a_seed_fixes_the_sequence),
        value_test(a_number_depends_on_its_index_and_not_on_the_shape),
        value_test(threads_do_not_change_a_bit),
        value_test(uniform_numbers_are_uniform),
        value_test(normal_numbers_are_normal),
        value_test(mean_and_deviation_shift_and_scale),
        value_test(uniform_numbers_never_round_up_to_the_end),
        value_test(errors_name_the_numbers_and_draw_nothing),
        value_test(a_permutation_has_each_number_once),
        value_test(all_permutations_are_equally_likely),
        value_test(every_place_is_equally_likely_for_every_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
