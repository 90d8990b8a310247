/*
 * test_tensor.c - tensors as such: creation, what they are, reading and writing elements, comparing, the caller's memory, and
 * every error of these.
 */
#include "values.h"

/* For functions that have no place macro: the pending error, then cleared. */
#define assert_plain_error(status, operation, part) check_plain_error(status, operation, part, __FILE__, __LINE__)
static void check_plain_error(ct_status status, const char *operation, const char *part, const char *file, int line)
{
    ct_here_error(file, line);
    test_assert_error(status, operation, part, file, line);
}

/* ---- dtypes and shapes -------------------------------------------------------------------------------- */

static void dtypes_have_names_and_sizes(void **state)
{
    (void)state;
    const char *const names[] = {"f32", "f64", "i32", "i64", "u8", "bool"};
    const size_t sizes[] = {4, 8, 4, 8, 1, 1};
    for (int d = 0; d < CT_DTYPES; d++) {
        assert_string_equal(ct_dtype_name((ct_dtype)d), names[d]);
        assert_int_equal(ct_dtype_size((ct_dtype)d), sizes[d]);
        assert_int_equal(ct_dtype_of(ct_zeros(ct_shape(2), (ct_dtype)d)), d);
    }
    assert_int_equal(ct_dtype_size((ct_dtype)6), 0);
    assert_int_equal(ct_dtype_size((ct_dtype)-1), 0);
    assert_string_equal(ct_dtype_name((ct_dtype)77), "no dtype");
}

static void shapes_count_their_elements(void **state)
{
    (void)state;
    assert_int_equal(ct_shape_count(ct_shape()), 1);
    assert_int_equal(ct_shape_count(ct_shape(3, 4, 5)), 60);
    assert_int_equal(ct_shape_count(ct_shape(INT64_MAX, 2, 0)), 0);
    assert_int_equal(ct_shape_count(ct_shape(INT64_MAX, 2)), -1);
    assert_int_equal(ct_shape_count(ct_shape(2, -1)), -1);
}

static void accessors_describe_views(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3, 4), CT_F32);
    assert_int_equal(ct_rank(x), 3);
    assert_int_equal(ct_count_of(x), 24);
    assert_int_equal(ct_dim(x, 1), 3);
    assert_int_equal(ct_dim(x, -1), 4);
    assert_int_equal(ct_shape_get(x).dim[2], 4);
    assert_int_equal(ct_strides(x).dim[0], 12);
    assert_true(ct_is_contiguous(x));
    assert_true(ct_same_shape(x, ct_zeros(ct_shape_get(x), CT_BOOL)));
    assert_false(ct_same_shape(x, ct_unsqueeze(x, 0)));
    assert_false(ct_same_shape(x, ct_slice(x, 0, 0, 1, 1)));

    ct_tensor *y = ct_transpose(x);
    assert_int_equal(ct_dim(y, 1), 4);
    assert_int_equal(ct_strides(y).rank, 3);
    assert_int_equal(ct_strides(y).dim[1], 1);
    assert_false(ct_is_contiguous(y));
    assert_true(ct_is_contiguous(ct_select(x, 0, 1)));
    assert_int_equal(ct_strides(ct_expand(ct_ones(ct_shape(1, 4), CT_F32), ct_shape(3, 4))).dim[0], 0);
}

static void accessors_of_nothing_fail(void **state)
{
    (void)state;
    assert_int_equal(ct_rank(NULL), -1);
    assert_plain_error(CT_ERROR_NULL, "ct_rank", "`t` is NULL");
    assert_false(ct_same_shape(ct_scalar(1), NULL));
    assert_plain_error(CT_ERROR_NULL, "ct_same_shape", "`b` is NULL");
    assert_int_equal(ct_count_of(NULL), -1);
    assert_plain_error(CT_ERROR_NULL, "ct_count_of", "`t` is NULL");
    assert_int_equal(ct_dim(NULL, 0), -1);
    assert_plain_error(CT_ERROR_NULL, "ct_dim", "`t` is NULL");
    assert_int_equal(ct_dtype_of(NULL), CT_F32);
    assert_plain_error(CT_ERROR_NULL, "ct_dtype_of", "`t` is NULL");
    assert_int_equal(ct_shape_get(NULL).rank, 0);
    assert_plain_error(CT_ERROR_NULL, "ct_shape_get", "`t` is NULL");
    assert_int_equal(ct_strides(NULL).rank, 0);
    assert_plain_error(CT_ERROR_NULL, "ct_strides", "`t` is NULL");
    assert_false(ct_is_contiguous(NULL));
    assert_plain_error(CT_ERROR_NULL, "ct_is_contiguous", "`t` is NULL");
    assert_int_equal(ct_dim(ct_zeros(ct_shape(2, 3), CT_F32), 2), -1);
    assert_plain_error(CT_ERROR_SHAPE, "ct_dim", "axis 2 is out of range");
    assert_int_equal(ct_dim(ct_zeros(ct_shape(2, 3), CT_F32), -3), -1);
    assert_plain_error(CT_ERROR_SHAPE, "ct_dim", "axis -3 is out of range");
    assert_int_equal(ct_dim(ct_scalar(1), 0), -1);
    assert_plain_error(CT_ERROR_SHAPE, "ct_dim", "no axes");
}

/* ---- creation ----------------------------------------------------------------------------------------- */

static void constants_fill_every_dtype(void **state)
{
    (void)state;
    for (int d = 0; d < CT_DTYPES; d++) {
        ct_tensor *zeros = ct_zeros(ct_shape(2, 5), (ct_dtype)d), *ones = ct_ones(ct_shape(2, 5), (ct_dtype)d);
        for (int i = 0; i < 10; i++) {
            assert_true(ct_get(zeros, ct_index(i / 5, i % 5)) == 0);
            assert_true(ct_get(ones, ct_index(i / 5, i % 5)) == 1);
        }
    }
    assert_tensor(ct_full(ct_shape(2), 2.75, CT_F64), ct_of(ct_shape(2), CT_F64, 2.75, 2.75));
    assert_tensor(ct_full(ct_shape(2), -2.75, CT_I32), ct_of(ct_shape(2), CT_I32, -2, -2));
    assert_true(ct_item(ct_full(ct_shape(), 1e30, CT_I64)) == 0x1p63);
    assert_true(ct_item(ct_full(ct_shape(), -1, CT_U8)) == 0);
    assert_true(ct_item(ct_full(ct_shape(), 0.5, CT_BOOL)) == 1);
    assert_true(isnan(ct_item(ct_full(ct_shape(), NAN, CT_F32))));
    assert_int_equal(ct_count_of(ct_empty(ct_shape(3, 4), CT_F32)), 12);
    assert_tensor(ct_eye(3, CT_I64), ct_of(ct_shape(3, 3), CT_I64, 1, 0, 0, 0, 1, 0, 0, 0, 1));
    assert_tensor(ct_eye(0, CT_F32), ct_zeros(ct_shape(0, 0), CT_F32));
}

static void large_constants_are_set_to_the_last_element(void **state)
{
    (void)state;
    const int64_t n = 300001;
    ct_tensor *t = ct_full(ct_shape(n), 7, CT_U8);
    const uint8_t *v = ct_data(t);
    for (int64_t i = 0; i < n; i++) {
        if (v[i] != 7) fail_msg("element %lld", (long long)i);
    }
    assert_true(ct_equal(ct_zeros(ct_shape(n), CT_F64), ct_mul(ct_ones(ct_shape(n), CT_F64), ct_scalar(0))));
}

static void sequences_follow_their_formulas(void **state)
{
    (void)state;
    assert_tensor(ct_arange(0, 4, 1, CT_I64), ct_of(ct_shape(4), CT_I64, 0, 1, 2, 3));
    assert_tensor(ct_arange(1, 2, 0.25, CT_F32), ct_of(ct_shape(4), CT_F32, 1, 1.25, 1.5, 1.75));
    assert_tensor(ct_arange(5, 0, -2, CT_I32), ct_of(ct_shape(3), CT_I32, 5, 3, 1));
    assert_int_equal(ct_count_of(ct_arange(3, 3, 1, CT_F32)), 0);
    assert_int_equal(ct_count_of(ct_arange(3, 0, 1, CT_F32)), 0);
    assert_tensor(ct_linspace(0, 1, 5, CT_F64), ct_of(ct_shape(5), CT_F64, 0, 0.25, 0.5, 0.75, 1));
    assert_tensor(ct_linspace(3, -3, 3, CT_F32), ct_of(ct_shape(3), CT_F32, 3, 0, -3));
    assert_tensor(ct_linspace(2, 9, 1, CT_F64), ct_of(ct_shape(1), CT_F64, 2));
    assert_int_equal(ct_count_of(ct_linspace(2, 9, 0, CT_F64)), 0);
    /* No rounding adds up, and blocks of the cast join without a seam. */
    ct_tensor *t = ct_arange(0, 1000, 0.1, CT_F64), *s = ct_linspace(-1, 0.3, 1000, CT_F64);
    assert_int_equal(ct_count_of(t), 10000);
    for (int i = 0; i < 10000; i++) assert_true(ct_get(t, ct_index(i)) == 0.1 * i);
    for (int i = 0; i < 999; i++) assert_true(fabs(ct_get(s, ct_index(i)) - (-1 + i * (1.3 / 999))) < 1e-15);
    assert_true(ct_get(s, ct_index(-1)) == 0.3);
}

static void scalars_are_weak(void **state)
{
    (void)state;
    ct_tensor *half = ct_scalar(0.5);
    assert_int_equal(ct_rank(half), 0);
    assert_true(ct_item(half) == 0.5);
    assert_int_equal(ct_dtype_of(ct_add(half, ct_ones(ct_shape(2), CT_F32))), CT_F32);
    assert_int_equal(ct_dtype_of(ct_add(half, ct_ones(ct_shape(2), CT_F64))), CT_F64);
    assert_int_equal(ct_dtype_of(ct_add(half, ct_ones(ct_shape(2), CT_I32))), CT_F32);
    assert_int_equal(ct_dtype_of(ct_add(half, half)), CT_F64);
}

static void values_are_copied_and_cast(void **state)
{
    (void)state;
    float source[] = {1, 2, 3, 4, 5, 6};
    ct_tensor *t = ct_from(source, ct_shape(2, 3), CT_F32);
    source[0] = 9;
    assert_tensor(t, ct_of(ct_shape(2, 3), CT_F32, 1, 2, 3, 4, 5, 6));
    const uint8_t truths[] = {0, 1, 2, 255};
    assert_tensor(ct_from(truths, ct_shape(4), CT_BOOL), ct_of(ct_shape(4), CT_BOOL, 0, 1, 1, 1));
    assert_int_equal(((const uint8_t *)ct_data(ct_from(truths, ct_shape(4), CT_BOOL)))[3], 1);
    assert_tensor(ct_of(ct_shape(4), CT_U8, 1.9, -3, 300, NAN), ct_of(ct_shape(4), CT_U8, 1, 0, 255, 0));
    assert_tensor(ct_from(NULL, ct_shape(0, 2), CT_F32), ct_from_values(NULL, 0, ct_shape(0, 2), CT_F32));
    const char bytes[] = {0, 1, 0, 0, 0}; /* not aligned for i32 */
    assert_true(ct_item(ct_from(bytes + 1, ct_shape(), CT_I32)) == 1);
}

static void creation_errors_name_what_was_given(void **state)
{
    (void)state;
    assert_null(ct_zeros(ct_shape(2, -1), CT_F32));
    assert_error(CT_ERROR_SHAPE, "ct_zeros", "[2, -1]");
    assert_null(ct_ones(ct_shape(2), (ct_dtype)17));
    assert_error(CT_ERROR_DTYPE, "ct_ones", "17 is no dtype");
    assert_null(ct_full(CT_ALL, 1, CT_F32));
    assert_error(CT_ERROR_SHAPE, "ct_full", "rank -1");
    assert_null(ct_empty(ct_shape(INT64_MAX, 2), CT_U8));
    assert_error(CT_ERROR_MEMORY, "ct_empty", "more elements than memory can hold");
    assert_null(ct_eye(-2, CT_F32));
    assert_error(CT_ERROR_SHAPE, "ct_eye", "[-2, -2]");
    assert_null(ct_arange(0, 1, 0, CT_F32));
    assert_error(CT_ERROR_VALUE, "ct_arange", "start 0, stop 1, step 0");
    assert_null(ct_arange(0, INFINITY, 1, CT_F32));
    assert_error(CT_ERROR_VALUE, "ct_arange", "stop inf");
    assert_null(ct_arange(0, 1, NAN, CT_F32));
    assert_error(CT_ERROR_VALUE, "ct_arange", "finite");
    assert_null(ct_arange(0, 1, 1e-300, CT_F32));
    assert_error(CT_ERROR_VALUE, "ct_arange", "memory");
    assert_null(ct_linspace(0, 1, -1, CT_F32));
    assert_error(CT_ERROR_VALUE, "ct_linspace", "-1 values");
    assert_null(ct_linspace(0, NAN, 3, CT_F32));
    assert_error(CT_ERROR_VALUE, "ct_linspace", "from 0 to");
    assert_null(ct_from(NULL, ct_shape(2), CT_F32));
    assert_error(CT_ERROR_NULL, "ct_from", "`data` is NULL");
    assert_null(ct_from_values(NULL, 2, ct_shape(2), CT_F32));
    assert_error(CT_ERROR_NULL, "ct_from_values", "`values` is NULL");
    assert_null(ct_of(ct_shape(2, 2), CT_F32, 1, 2, 3));
    assert_error(CT_ERROR_SHAPE, "ct_from_values", "3 values for shape [2, 2], which has 4 elements");
}

/* ---- reading and writing elements ---------------------------------------------------------------------- */

static void elements_are_read_and_written_by_index(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3), CT_I32), *y = ct_transpose(x);
    assert_true(ct_get(x, ct_index(1, 0)) == 3);
    assert_true(ct_get(x, ct_index(-1, -1)) == 5);
    assert_true(ct_get(y, ct_index(2, 0)) == 2);
    assert_true(ct_item(ct_slice(x, 1, 2, 3, 1)) != ct_item(ct_of(ct_shape(1, 1), CT_I32, 2))); /* two elements: NaN */
    assert_error(CT_ERROR_SHAPE, "ct_item", "t has 2 elements, it is i32 [2, 1]; expected one");
    assert_true(ct_set(y, ct_index(2, 0), -7.9));
    assert_true(ct_get(x, ct_index(0, 2)) == -7);
    assert_true(ct_item(ct_of(ct_shape(1, 1, 1), CT_F32, 4)) == 4);
    ct_tensor *s = ct_zeros(ct_shape(), CT_F64);
    assert_true(ct_set(s, ct_index(), 2.5) && ct_get(s, ct_index()) == 2.5);
}

static void bad_indices_are_named(void **state)
{
    (void)state;
    ct_tensor *x = ct_zeros(ct_shape(2, 3), CT_F32);
    assert_true(isnan(ct_get(x, ct_index(1))));
    assert_error(CT_ERROR_INDEX, "ct_get", "an index of 1 numbers into t, which is f32 [2, 3]; expected 2");
    assert_true(isnan(ct_get(x, ct_index(1, 3))));
    assert_error(CT_ERROR_INDEX, "ct_get", "index [1, 3] is out of range in axis 1 of t, which is f32 [2, 3]");
    assert_false(ct_set(x, ct_index(-3, 0), 1));
    assert_error(CT_ERROR_INDEX, "ct_set", "index [-3, 0] is out of range in axis 0");
    assert_true(isnan(ct_get(ct_zeros(ct_shape(0), CT_F32), ct_index(0))));
    assert_error(CT_ERROR_INDEX, "ct_get", "out of range");
    assert_true(isnan(ct_item(ct_zeros(ct_shape(0), CT_F32))));
    assert_error(CT_ERROR_SHAPE, "ct_item", "0 elements");
    assert_true(isnan(ct_item(NULL)));
    assert_error(CT_ERROR_NULL, "ct_item", "`t` is NULL");
    assert_true(isnan(ct_get(NULL, ct_index())));
    assert_error(CT_ERROR_NULL, "ct_get", "`t` is NULL");
    assert_false(ct_set(NULL, ct_index(), 1));
    assert_error(CT_ERROR_NULL, "ct_set", "`t` is NULL");
}

static void copies_come_in_row_major_order(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3), CT_I64), *y = ct_transpose(x);
    int64_t own[6];
    double values[6];
    assert_true(ct_copy_out(y, own, sizeof own));
    assert_true(ct_copy_values(y, values, 6));
    const int64_t expected[] = {0, 3, 1, 4, 2, 5};
    for (int i = 0; i < 6; i++) assert_true(own[i] == expected[i] && values[i] == (double)expected[i]);
    char bytes[49];
    assert_true(ct_copy_out(y, bytes + 1, 48)); /* not aligned, not contiguous */
    assert_memory_equal(bytes + 1, expected, 48);
    assert_true(ct_copy_out(x, bytes + 1, 48)); /* not aligned, contiguous */
    assert_memory_equal(bytes + 1, ct_data(x), 48);
    assert_true(ct_copy_out(ct_flip(x, CT_ALL), own, sizeof own));
    assert_int_equal(own[0], 5);
    assert_true(ct_copy_out(ct_zeros(ct_shape(0), CT_F32), NULL, 0) && ct_copy_values(ct_zeros(ct_shape(0), CT_F32), NULL, 0));
    int64_t big = INT64_MAX - 1;
    assert_true(ct_copy_out(ct_from(&big, ct_shape(), CT_I64), own, 8) && own[0] == big);
}

static void copies_check_their_room(void **state)
{
    (void)state;
    ct_tensor *x = ct_zeros(ct_shape(2, 3), CT_F32);
    float own[6];
    double values[6];
    assert_false(ct_copy_out(x, own, 20));
    assert_error(CT_ERROR_VALUE, "ct_copy_out", "room for 20 bytes; t, which is f32 [2, 3], has 24");
    assert_false(ct_copy_values(x, values, 7));
    assert_error(CT_ERROR_VALUE, "ct_copy_values", "room for 7 values; t, which is f32 [2, 3], has 6");
    assert_false(ct_copy_out(x, NULL, 24));
    assert_error(CT_ERROR_NULL, "ct_copy_out", "`to` is NULL");
    assert_false(ct_copy_values(x, NULL, 6));
    assert_error(CT_ERROR_NULL, "ct_copy_values", "`to` is NULL");
    assert_false(ct_copy_out(NULL, own, 24));
    assert_error(CT_ERROR_NULL, "ct_copy_out", "`t` is NULL");
    assert_false(ct_copy_values(NULL, values, 6));
    assert_error(CT_ERROR_NULL, "ct_copy_values", "`t` is NULL");
    assert_null(ct_data(ct_transpose(x)));
    assert_plain_error(CT_ERROR_SHAPE, "ct_data", "t, which is f32 [3, 2], is a view");
    assert_null(ct_data(NULL));
    assert_plain_error(CT_ERROR_NULL, "ct_data", "`t` is NULL");
}

/* ---- comparing ---------------------------------------------------------------------------------------- */

static void equality_is_exact(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3), CT_F32);
    assert_true(ct_equal(x, counted(ct_shape(2, 3), CT_F32)));
    assert_true(ct_equal(ct_transpose(ct_transpose(x)), x));
    assert_true(ct_equal(ct_flip(ct_flip(x, CT_ALL), CT_ALL), x));
    assert_false(ct_equal(x, ct_transpose(ct_reshape(x, ct_shape(3, 2)))));
    assert_false(ct_equal(x, counted(ct_shape(3, 2), CT_F32)));
    assert_false(ct_equal(x, counted(ct_shape(2, 3), CT_F64)));
    assert_true(ct_equal(ct_of(ct_shape(2), CT_F32, INFINITY, -0.0), ct_of(ct_shape(2), CT_F32, INFINITY, 0)));
    assert_false(ct_equal(ct_of(ct_shape(1), CT_F32, NAN), ct_of(ct_shape(1), CT_F32, NAN)));
    assert_true(ct_equal(ct_zeros(ct_shape(0, 3), CT_F32), ct_zeros(ct_shape(0, 3), CT_F32)));
    assert_true(ct_equal(ct_scalar(2), ct_of(ct_shape(), CT_F64, 2)));
    const int64_t a[] = {INT64_MAX, INT64_MIN}, b[] = {INT64_MAX - 1, INT64_MIN}; /* equal as doubles */
    assert_false(ct_equal(ct_from(a, ct_shape(2), CT_I64), ct_from(b, ct_shape(2), CT_I64)));
    assert_false(ct_equal(NULL, x));
    assert_plain_error(CT_ERROR_NULL, "ct_equal", "`a` is NULL");
    assert_false(ct_equal(x, NULL));
    assert_plain_error(CT_ERROR_NULL, "ct_equal", "`b` is NULL");
}

static bool close(double a, double b, double rtol, double atol)
{
    return ct_allclose(ct_full(ct_shape(2, 2), a, CT_F64), ct_full(ct_shape(2, 2), b, CT_F64), rtol, atol);
}

static void closeness_has_two_tolerances(void **state)
{
    (void)state;
    assert_true(close(1.0625, 1, 0, 0.0625) && !close(1.0625, 1, 0, 0.0624));
    assert_true(close(-9, -8, 0.125, 0) && !close(-8, -9, 0.11, 0)); /* relative to b */
    assert_true(close(17, 8, 1, 1) && !close(17.5, 8, 1, 1));
    assert_true(close(INFINITY, INFINITY, 0, 0) && !close(INFINITY, -INFINITY, 1, 1));
    assert_false(close(1, INFINITY, 1, 1) || close(INFINITY, 1, 1, 1));
    assert_true(close(NAN, NAN, 0, 0) && !close(NAN, 1, 1e9, 1e9) && !close(1, NAN, 1e9, 1e9));
    ct_tensor *x = counted(ct_shape(2, 3), CT_I64);
    assert_true(ct_allclose(ct_transpose(x), ct_transpose(ct_add(x, ct_ones(ct_shape(), CT_I64))), 0, 1));
    const int64_t a[] = {INT64_MAX}, b[] = {INT64_MIN}, c[] = {INT64_MAX - 2};
    assert_false(ct_allclose(ct_from(a, ct_shape(1), CT_I64), ct_from(b, ct_shape(1), CT_I64), 0, 1e18));
    assert_false(ct_allclose(ct_from(a, ct_shape(1), CT_I64), ct_from(c, ct_shape(1), CT_I64), 0, 1));
    assert_true(ct_allclose(ct_from(a, ct_shape(1), CT_I64), ct_from(c, ct_shape(1), CT_I64), 0, 2));
    assert_false(close(1, 1, -1, 0));
    assert_plain_error(CT_ERROR_VALUE, "ct_allclose", "tolerances -1 and 0");
    assert_false(close(1, 1, 0, NAN));
    assert_plain_error(CT_ERROR_VALUE, "ct_allclose", "at least 0");
    assert_false(ct_allclose(NULL, x, 0, 0));
    assert_plain_error(CT_ERROR_NULL, "ct_allclose", "`a` is NULL");
    assert_false(ct_allclose(x, NULL, 0, 0));
    assert_plain_error(CT_ERROR_NULL, "ct_allclose", "`b` is NULL");
}

/* ---- the caller's memory ------------------------------------------------------------------------------- */

typedef struct released {
    int times;
    void *data;
} released;

static void note_release(void *data, void *context)
{
    released *r = context;
    r->times++;
    r->data = data;
}

static void wrapped_memory_is_released_once_after_the_last_view(void **state)
{
    (void)state;
    float memory[6] = {1, 2, 3, 4, 5, 6};
    released r = {0};
    const int64_t bytes = ct_memory().bytes;
    ct_tensor *view;
    {
        CT_SCOPE;
        ct_tensor *t = ct_wrap(memory, ct_shape(2, 3), CT_F32, note_release, &r);
        assert_int_equal(ct_memory().bytes, bytes); /* not the library's bytes */
        assert_ptr_equal(ct_data(t), memory);
        view = ct_keep(ct_transpose(ct_alias(t)));
        ct_free(t);
        assert_int_equal(r.times, 0);
    }
    assert_int_equal(r.times, 0);
    memory[1] = 20;
    assert_true(ct_get(view, ct_index(1, 0)) == 20);
    assert_true(ct_set(view, ct_index(2, 1), 60) && memory[5] == 60);
    ct_free(view);
    assert_int_equal(r.times, 1);
    assert_ptr_equal(r.data, memory);
}

static void wrapped_memory_may_stay_the_callers(void **state)
{
    (void)state;
    double memory[2] = {1, 2};
    {
        CT_SCOPE;
        assert_tensor(ct_wrap(memory, ct_shape(2), CT_F64, NULL, NULL), ct_of(ct_shape(2), CT_F64, 1, 2));
        ct_tensor *none = ct_wrap(NULL, ct_shape(0, 2), CT_F64, NULL, NULL);
        assert_true(none && ct_count_of(none) == 0 && ct_equal(none, ct_zeros(ct_shape(0, 2), CT_F64)));
    }
    assert_true(memory[1] == 2);
}

static void what_cannot_be_wrapped_is_not_released(void **state)
{
    (void)state;
    float memory[4] = {0};
    released r = {0};
    assert_null(ct_wrap(NULL, ct_shape(2), CT_F32, note_release, &r));
    assert_error(CT_ERROR_NULL, "ct_wrap", "`data` is NULL");
    assert_null(ct_wrap(memory, ct_shape(-1), CT_F32, note_release, &r));
    assert_error(CT_ERROR_SHAPE, "ct_wrap", "[-1]");
    assert_null(ct_wrap((char *)memory + 1, ct_shape(2), CT_F32, note_release, &r));
    assert_error(CT_ERROR_VALUE, "ct_wrap", "the memory of f32 [2] is not aligned to 4 bytes");
    assert_null(ct_wrap(memory, ct_shape(2), (ct_dtype)9, note_release, &r));
    assert_error(CT_ERROR_DTYPE, "ct_wrap", "9 is no dtype");
    assert_int_equal(r.times, 0);
}

/* ---- errors travel ------------------------------------------------------------------------------------- */

static void readers_work_while_an_error_is_pending(void **state)
{
    (void)state;
    ct_tensor *x = ct_of(ct_shape(2), CT_F32, 1, 2);
    assert_null(ct_zeros(ct_shape(-1), CT_F32));
    assert_true(ct_get(x, ct_index(1)) == 2 && ct_rank(x) == 1 && ct_equal(x, ct_of(ct_shape(2), CT_F32, 1, 2)));
    assert_false(ct_set(x, ct_index(0), 5)); /* a change is refused, quietly */
    assert_true(ct_get(x, ct_index(0)) == 1);
    assert_true(isnan(ct_item(NULL)) && ct_rank(NULL) == -1); /* explained by the first error, which is kept */
    assert_error(CT_ERROR_SHAPE, "ct_zeros", "[-1]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(dtypes_have_names_and_sizes),
        value_test(shapes_count_their_elements),
        value_test(accessors_describe_views),
        value_test(accessors_of_nothing_fail),
        value_test(constants_fill_every_dtype),
        value_test(large_constants_are_set_to_the_last_element),
        value_test(sequences_follow_their_formulas),
        value_test(scalars_are_weak),
        value_test(values_are_copied_and_cast),
        value_test(creation_errors_name_what_was_given),
        value_test(elements_are_read_and_written_by_index),
        value_test(bad_indices_are_named),
        value_test(copies_come_in_row_major_order),
        value_test(copies_check_their_room),
        value_test(equality_is_exact),
        value_test(closeness_has_two_tolerances),
        value_test(wrapped_memory_is_released_once_after_the_last_view),
        value_test(wrapped_memory_may_stay_the_callers),
        value_test(what_cannot_be_wrapped_is_not_released),
        value_test(readers_work_while_an_error_is_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
