/*
 * test_print.c - tensors as text: exact strings, which are those that NumPy 2 prints with precision=4 and linewidth=88.
 */
#include "values.h"

#define assert_text(t, options, expected) check_text(t, options, expected, __FILE__, __LINE__)
static void check_text(ct_tensor *t, ct_print_options options, const char *expected, const char *file, int line)
{
    char text[4096];
    const int64_t length = ct_format(text, sizeof text, t, options);
    if (length == (int64_t)strlen(expected) && strcmp(text, expected) == 0) return;
    print_error("%s:%d: %lld characters\n%s\nexpected\n%s\n", file, line, (long long)length, text, expected);
    _fail(file, line);
}

#define assert_prints(t, expected) assert_text(t, ((ct_print_options){0}), expected)

/* ---- floats ------------------------------------------------------------------------------------------- */

static void fractions_are_as_long_as_the_longest_needs(void **state)
{
    (void)state;
    assert_prints(ct_of(ct_shape(3), CT_F32, 1, 2.5, 3), "[1.  2.5 3. ]");
    assert_prints(ct_of(ct_shape(3), CT_F64, 0.1, 0.25, -3), "[ 0.1   0.25 -3.  ]");
    assert_prints(ct_of(ct_shape(3), CT_F64, 1, 2, 30), "[ 1.  2. 30.]");
    assert_prints(ct_of(ct_shape(2), CT_F64, 1.0 / 3, 2.0 / 3), "[0.3333 0.6667]");
    assert_prints(ct_of(ct_shape(3), CT_F32, 0.1, 0.2, 0.7), "[0.1 0.2 0.7]");
    assert_prints(ct_of(ct_shape(3), CT_F64, -0.0, 0, 1), "[-0.  0.  1.]");
    assert_prints(ct_of(ct_shape(2), CT_F64, 0.99999, 1), "[1. 1.]");
    assert_text(ct_of(ct_shape(2), CT_F32, 0.1, 1.0 / 3), ((ct_print_options){.precision = 12}), "[0.1        0.33333334]");
    assert_text(ct_of(ct_shape(2), CT_F64, 0.1, 1.0 / 3), ((ct_print_options){.precision = 99}),
                "[0.1                0.3333333333333333]");
    assert_text(ct_of(ct_shape(2), CT_F64, 0.15, 1.25), ((ct_print_options){.precision = 1}), "[0.1 1.2]");
}

static void large_small_and_mixed_numbers_are_scientific(void **state)
{
    (void)state;
    assert_prints(ct_of(ct_shape(3), CT_F64, 1, 10, 1000), "[   1.   10. 1000.]");
    assert_prints(ct_of(ct_shape(2), CT_F64, 1, 1001), "[1.000e+00 1.001e+03]");
    assert_prints(ct_of(ct_shape(2), CT_F64, 1e-4, 0.01), "[0.0001 0.01  ]");
    assert_prints(ct_of(ct_shape(2), CT_F64, 9e-5, 0.01), "[9.e-05 1.e-02]");
    assert_prints(ct_of(ct_shape(2), CT_F64, 99999999, 1e7), "[99999999. 10000000.]");
    assert_prints(ct_of(ct_shape(2), CT_F64, 1e8, 1e7), "[1.e+08 1.e+07]");
    assert_prints(ct_of(ct_shape(1), CT_F32, 999999), "[999999.]");
    assert_prints(ct_of(ct_shape(1), CT_F32, 1000000), "[1.e+06]");
    assert_prints(ct_of(ct_shape(2), CT_F32, 1e-4, 0.01), "[0.0001 0.01  ]");
    assert_prints(ct_of(ct_shape(3), CT_F64, -1.5e300, 0, 2e-310), "[-1.5e+300  0.0e+000  2.0e-310]");
    assert_prints(ct_of(ct_shape(2), CT_F64, 9.99999e9, 1.23456e9), "[1.0000e+10 1.2346e+09]");
}

static void nan_and_infinities_keep_the_columns(void **state)
{
    (void)state;
    assert_prints(ct_of(ct_shape(4), CT_F64, 1, NAN, 2.5, INFINITY), "[1.  nan 2.5 inf]");
    assert_prints(ct_of(ct_shape(3), CT_F32, 1, NAN, -INFINITY), "[  1.  nan -inf]");
    assert_prints(ct_of(ct_shape(2), CT_F64, NAN, NAN), "[nan nan]");
    assert_prints(ct_of(ct_shape(2), CT_F64, -INFINITY, INFINITY), "[-inf  inf]");
    assert_prints(ct_of(ct_shape(3), CT_F64, 1e10, -1.25e-3, -INFINITY), "[ 1.00e+10 -1.25e-03      -inf]");
}

/* ---- integers and bools ------------------------------------------------------------------------------- */

static void integers_end_in_one_column(void **state)
{
    (void)state;
    assert_prints(ct_of(ct_shape(3), CT_I32, 1, -20, 300), "[  1 -20 300]");
    assert_prints(ct_of(ct_shape(3), CT_U8, 0, 7, 255), "[  0   7 255]");
    const int64_t big[] = {INT64_MIN, INT64_MAX};
    assert_prints(ct_from(big, ct_shape(2), CT_I64), "[-9223372036854775808  9223372036854775807]");
    assert_prints(ct_of(ct_shape(3), CT_BOOL, 1, 0, 1), "[ True False  True]");
    assert_prints(ct_of(ct_shape(2), CT_BOOL, 1, 1), "[ True  True]");
}

static void a_scalar_is_the_bare_number(void **state)
{
    (void)state;
    assert_prints(ct_of(ct_shape(), CT_F64, 2.0 / 3), "0.6667");
    assert_prints(ct_scalar(3), "3.");
    assert_prints(ct_of(ct_shape(), CT_F32, 1.5e-7), "1.5e-07");
    assert_prints(ct_of(ct_shape(), CT_F32, -INFINITY), "-inf");
    assert_prints(ct_of(ct_shape(), CT_F32, NAN), "nan");
    assert_prints(ct_of(ct_shape(), CT_I64, -3), "-3");
    assert_prints(ct_of(ct_shape(), CT_BOOL, 1), "True");
}

/* ---- brackets, lines, elision ------------------------------------------------------------------------- */

static void brackets_nest_and_blank_lines_part_the_outer_axes(void **state)
{
    (void)state;
    assert_prints(counted(ct_shape(2, 3), CT_F32), "[[0. 1. 2.]\n [3. 4. 5.]]");
    assert_prints(ct_transpose(counted(ct_shape(2, 3), CT_I32)), "[[0 3]\n [1 4]\n [2 5]]");
    assert_prints(counted(ct_shape(2, 2, 2), CT_I32), "[[[0 1]\n  [2 3]]\n\n [[4 5]\n  [6 7]]]");
    assert_prints(counted(ct_shape(2, 1, 2, 1), CT_I32), "[[[[0]\n   [1]]]\n\n\n [[[2]\n   [3]]]]");
    assert_prints(ct_zeros(ct_shape(1, 1, 1), CT_F64), "[[[0.]]]");
    assert_prints(ct_flip(ct_expand(counted(ct_shape(3), CT_I64), ct_shape(2, 3)), CT_ALL), "[[2 1 0]\n [2 1 0]]");
}

static void nothing_is_a_pair_of_brackets(void **state)
{
    (void)state;
    assert_prints(ct_zeros(ct_shape(0), CT_F32), "[]");
    assert_prints(ct_zeros(ct_shape(3, 0, 2), CT_BOOL), "[]");
}

static void long_rows_wrap(void **state)
{
    (void)state;
    assert_prints(ct_arange(0, 40, 1, CT_I32),
                  "[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28\n"
                  " 29 30 31 32 33 34 35 36 37 38 39]");
    const ct_print_options narrow = {.line_width = 12};
    assert_text(counted(ct_shape(2, 5), CT_F32), narrow, "[[0. 1. 2.\n  3. 4.]\n [5. 6. 7.\n  8. 9.]]");
    assert_text(ct_of(ct_shape(4), CT_F64, 1, 2.25, 3, 4), narrow, "[1.   2.25\n 3.   4.  ]"); /* no space ends the first line */
    ct_tensor *row = ct_arange(100, 103, 1, CT_I32);
    assert_text(row, ((ct_print_options){.line_width = 13}), "[100 101 102]"); /* just as wide */
    assert_text(row, ((ct_print_options){.line_width = 12}), "[100 101\n 102]");
    assert_text(row, ((ct_print_options){.line_width = 1}), "[100\n 101\n 102]");
}

static void large_tensors_are_elided(void **state)
{
    (void)state;
    assert_prints(ct_arange(0, 1001, 1, CT_I64), "[   0    1    2 ...  998  999 1000]");
    assert_prints(counted(ct_shape(100, 100), CT_F32),
                  "[[0.000e+00 1.000e+00 2.000e+00 ... 9.700e+01 9.800e+01 9.900e+01]\n"
                  " [1.000e+02 1.010e+02 1.020e+02 ... 1.970e+02 1.980e+02 1.990e+02]\n"
                  " [2.000e+02 2.010e+02 2.020e+02 ... 2.970e+02 2.980e+02 2.990e+02]\n"
                  " ...\n"
                  " [9.700e+03 9.701e+03 9.702e+03 ... 9.797e+03 9.798e+03 9.799e+03]\n"
                  " [9.800e+03 9.801e+03 9.802e+03 ... 9.897e+03 9.898e+03 9.899e+03]\n"
                  " [9.900e+03 9.901e+03 9.902e+03 ... 9.997e+03 9.998e+03 9.999e+03]]");
    const ct_print_options few = {.threshold = 5, .edge_items = 1};
    assert_text(counted(ct_shape(3, 2, 3), CT_I32), few,
                "[[[ 0 ...  2]\n  [ 3 ...  5]]\n\n ...\n\n [[12 ... 14]\n  [15 ... 17]]]");
    assert_text(ct_of(ct_shape(6), CT_F64, 1, 2, 1e9, 4, 5, 0.5), ((ct_print_options){.threshold = 5, .edge_items = 2}),
                "[1.  2.  ... 5.  0.5]"); /* what is not shown does not count */
    const ct_print_options six = {.threshold = 5}; /* but nothing lies between the edges */
    assert_text(ct_arange(0, 6, 1, CT_I32), six, "[0 1 2 3 4 5]");
    assert_text(ct_arange(10, 30, 1, CT_I32), ((ct_print_options){.threshold = 5, .line_width = 14}),
                "[10 11 12 ...\n 27 28 29]");
}

/* ---- buffers and files -------------------------------------------------------------------------------- */

static void a_short_buffer_gets_the_beginning(void **state)
{
    (void)state;
    ct_tensor *x = ct_of(ct_shape(3), CT_I32, 1, 2, 3);
    char text[16];
    memset(text, '#', sizeof text);
    assert_int_equal(ct_format(text, 5, x, (ct_print_options){0}), 7);
    assert_string_equal(text, "[1 2");
    assert_int_equal(text[5], '#');
    assert_int_equal(ct_format(text, 7, x, (ct_print_options){0}), 7);
    assert_string_equal(text, "[1 2 3");
    assert_int_equal(ct_format(text, 8, x, (ct_print_options){0}), 7);
    assert_string_equal(text, "[1 2 3]");
    assert_int_equal(ct_format(text, 1, x, (ct_print_options){0}), 7);
    assert_string_equal(text, "");
    assert_int_equal(ct_format(NULL, 0, x, (ct_print_options){0}), 7);
}

static void a_file_gets_a_line_end(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    char text[64] = {0};
    assert_true(ct_print(file, ct_of(ct_shape(2), CT_F32, 1, 2)));
    assert_true(ct_print_with(file, ct_scalar(0.123), (ct_print_options){.precision = 1}));
    assert_true(ct_print(file, ct_zeros(ct_shape(0), CT_F32)));
    rewind(file);
    assert_int_equal(fread(text, 1, sizeof text, file), 15);
    fclose(file);
    assert_string_equal(text, "[1. 2.]\n0.1\n[]\n");
}

static void errors_are_raised_and_texts_ended(void **state)
{
    (void)state;
    ct_tensor *x = ct_ones(ct_shape(2), CT_F32);
    char text[8] = "before";
    assert_int_equal(ct_format(text, sizeof text, NULL, (ct_print_options){0}), -1);
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_NULL, "ct_format", "`t` is NULL");
    assert_string_equal(text, "");
    assert_int_equal(ct_format(NULL, 5, x, (ct_print_options){0}), -1);
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_NULL, "ct_format", "`buffer` is NULL");
    assert_int_equal(ct_format(text, sizeof text, x, (ct_print_options){.precision = -1}), -1);
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_VALUE, "ct_format", "precision -1, threshold 0");
    assert_false(ct_print(NULL, x));
    assert_error(CT_ERROR_NULL, "ct_print", "`to` is NULL");
    assert_false(ct_print(stderr, NULL));
    assert_error(CT_ERROR_NULL, "ct_print", "`t` is NULL");
    assert_false(ct_print_with(stderr, x, (ct_print_options){.line_width = -9}));
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_VALUE, "ct_print_with", "line_width -9");
    FILE *closed = fopen("/dev/null", "r"); /* not open for writing */
    if (!closed) return;
    setvbuf(closed, NULL, _IONBF, 0);
    assert_false(ct_print(closed, x));
    assert_error(CT_ERROR_FILE, "ct_print", "writing failed");
    fclose(closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(fractions_are_as_long_as_the_longest_needs),
        value_test(large_small_and_mixed_numbers_are_scientific),
        value_test(nan_and_infinities_keep_the_columns),
        value_test(integers_end_in_one_column),
        value_test(a_scalar_is_the_bare_number),
        value_test(brackets_nest_and_blank_lines_part_the_outer_axes),
        value_test(nothing_is_a_pair_of_brackets),
        value_test(long_rows_wrap),
        value_test(large_tensors_are_elided),
        value_test(a_short_buffer_gets_the_beginning),
        value_test(a_file_gets_a_line_end),
        value_test(errors_are_raised_and_texts_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
