/*
 * test_shape.c - reshape, permute, expand, slices, padding, joining, casts: values by NumPy's rules, which results are views,
 * edge cases, and every error. Derivatives are checked through tests/samples/shape.def.
 */
#include "values.h"

/* ---- reshape and its kin ------------------------------------------------------------------------------ */

static void reshape_keeps_row_major_order(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3), CT_F64);
    assert_values(ct_reshape(x, ct_shape(3, 2)), ct_shape(3, 2), 0, 1, 2, 3, 4, 5);
    assert_values(ct_reshape(ct_transpose(x), ct_shape(6)), ct_shape(6), 0, 3, 1, 4, 2, 5);
    assert_values(ct_reshape(ct_flip(x, CT_ALL), ct_shape(3, -1)), ct_shape(3, 2), 5, 4, 3, 2, 1, 0);
    assert_values(ct_reshape(x, ct_shape(-1)), ct_shape(6), 0, 1, 2, 3, 4, 5);
    assert_values(ct_reshape(ct_slice(ct_select(x, 0, 1), 0, 2, 3, 1), ct_shape()), ct_shape(), 5);
    assert_tensor(ct_reshape(x, ct_shape(2, 3)), x);
}

static void reshape_of_nothing_and_of_scalars(void **state)
{
    (void)state;
    ct_tensor *empty = ct_zeros(ct_shape(0, 3), CT_I32);
    assert_tensor(ct_reshape(empty, ct_shape(3, 0, 5)), ct_zeros(ct_shape(3, 0, 5), CT_I32));
    assert_tensor(ct_reshape(empty, ct_shape(-1, 7)), ct_zeros(ct_shape(0, 7), CT_I32));
    assert_tensor(ct_reshape(ct_transpose(empty), ct_shape(0)), ct_zeros(ct_shape(0), CT_I32));
    assert_tensor(ct_reshape(ct_full(ct_shape(), 3, CT_U8), ct_shape(1, -1, 1)), ct_full(ct_shape(1, 1, 1), 3, CT_U8));
}

static void reshape_errors_name_shapes_and_counts(void **state)
{
    (void)state;
    ct_tensor *x = ct_zeros(ct_shape(3, 4), CT_F32);
    assert_null(ct_reshape(x, ct_shape(5, 2)));
    assert_error(CT_ERROR_SHAPE, "ct_reshape", "x is f32 [3, 4] with 12 elements, but [5, 2] has 10");
    assert_null(ct_reshape(x, ct_shape(5, -1)));
    assert_error(CT_ERROR_SHAPE, "ct_reshape", "f32 [3, 4] with 12 elements, which is no multiple of the 5 that [5, -1] has");
    assert_null(ct_reshape(x, ct_shape(-1, -1)));
    assert_error(CT_ERROR_SHAPE, "ct_reshape", "[-1, -1] has two lengths of -1");
    assert_null(ct_reshape(x, ct_shape(0, -1)));
    assert_error(CT_ERROR_SHAPE, "ct_reshape", "the -1 in [0, -1] could be any length");
    assert_null(ct_reshape(ct_zeros(ct_shape(0, 3), CT_F32), ct_shape(0, -1)));
    assert_error(CT_ERROR_SHAPE, "ct_reshape", "could be any length");
    assert_null(ct_reshape(x, ct_shape(-3, 4)));
    assert_error(CT_ERROR_SHAPE, "ct_reshape", "negative length");
    assert_null(ct_reshape(x, ct_shape(INT64_MAX, INT64_MAX, -1)));
    assert_error(CT_ERROR_MEMORY, "ct_reshape", "more elements than memory can hold");
    assert_null(ct_reshape(x, CT_ALL));
    assert_error(CT_ERROR_SHAPE, "ct_reshape", "rank -1");
    ct_shape nine = {{{9}}};
    assert_null(ct_reshape(x, nine));
    assert_error(CT_ERROR_SHAPE, "ct_reshape", "rank 9");
    assert_null(ct_reshape(NULL, ct_shape(1)));
    assert_error(CT_ERROR_NULL, "ct_reshape", "`x` is NULL");
}

/* Do strides exist that give x's elements the shape? x holds the place of each element in memory, so this reads them off. */
static bool strides_exist(ct_tensor *x, ct_shape shape)
{
    double at[64];
    const int64_t count = ct_count_of(x);
    assert_true(ct_copy_values(x, at, count));
    int64_t unit[CT_MAX_RANK], step = 1;
    for (int64_t i = shape.rank - 1; i >= 0; i--) {
        unit[i] = step;
        step *= shape.dim[i];
    }
    for (int64_t k = 0; k < count; k++) {
        double expected = at[0];
        for (int64_t i = 0; i < shape.rank; i++) {
            if (shape.dim[i] > 1) expected += (double)(k / unit[i] % shape.dim[i]) * (at[unit[i]] - at[0]);
        }
        if (at[k] != expected) return false;
    }
    return true;
}

static void check_reshape(ct_tensor *x, ct_shape shape)
{
    CT_SCOPE;
    const bool possible = strides_exist(x, shape);
    ct_tensor *copy = ct_clone(x);
    const int64_t before = ct_memory().storages;
    ct_tensor *y = ct_reshape(x, shape);
    assert_int_equal(ct_memory().storages - before, possible ? 0 : 1);
    assert_tensor(y, ct_reshape(copy, shape));
}

static void reshape_is_a_view_where_strides_exist(void **state)
{
    (void)state;
    const ct_shape shapes[] = {ct_shape(24),          ct_shape(1, 24),       ct_shape(2, 12),    ct_shape(12, 2), ct_shape(3, 8),
                               ct_shape(8, 3),        ct_shape(4, 6),        ct_shape(6, 4),     ct_shape(2, 3, 4),
                               ct_shape(4, 3, 2),     ct_shape(2, 2, 6),     ct_shape(3, 2, 4),  ct_shape(6, 2, 2),
                               ct_shape(2, 2, 2, 3),  ct_shape(2, 1, 3, 4),  ct_shape(3, 2, 2, 2), ct_shape(1, 2, 1, 12, 1)};
    ct_tensor *x = counted(ct_shape(2, 3, 4), CT_F64), *wide = counted(ct_shape(4, 3, 4), CT_F64);
    ct_tensor *const layouts[] = {x,
                                  ct_permute(x, ct_axes(2, 0, 1)),
                                  ct_permute(x, ct_axes(1, 0, 2)),
                                  ct_transpose(x),
                                  ct_flip(x, CT_ALL),
                                  ct_flip(x, ct_axes(1)),
                                  ct_slice(wide, 0, 1, 3, 1),
                                  ct_slice(wide, 0, 0, 4, 2),
                                  ct_slice(counted(ct_shape(2, 3, 6), CT_F64), 2, 1, 5, 1),
                                  ct_slice(counted(ct_shape(2, 6, 4), CT_F64), 1, 0, 6, 2),
                                  ct_slice(counted(ct_shape(2, 3, 8), CT_F64), 2, 0, 8, 2),
                                  ct_expand(counted(ct_shape(3, 4), CT_F64), ct_shape(2, 3, 4)),
                                  ct_expand(counted(ct_shape(2, 3, 1), CT_F64), ct_shape(2, 3, 4)),
                                  ct_expand(ct_full(ct_shape(), 0, CT_F64), ct_shape(2, 3, 4))};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) check_reshape(layouts[i], shapes[k]);
    }
}

static void views_see_changes(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3), CT_F64);
    ct_tensor *flat = ct_reshape(x, ct_shape(6)), *transposed = ct_transpose(x), *row = ct_select(x, 0, 1);
    ct_tensor *copy = ct_reshape(transposed, ct_shape(6)), *clone = ct_clone(x);
    assert_true(ct_set(x, ct_index(1, 0), 9));
    assert_values(flat, ct_shape(6), 0, 1, 2, 9, 4, 5);
    assert_values(transposed, ct_shape(3, 2), 0, 9, 1, 4, 2, 5);
    assert_values(row, ct_shape(3), 9, 4, 5);
    assert_values(copy, ct_shape(6), 0, 3, 1, 4, 2, 5);
    assert_values(clone, ct_shape(2, 3), 0, 1, 2, 3, 4, 5);
    assert_true(ct_set(row, ct_index(-1), 7));
    assert_values(x, ct_shape(2, 3), 0, 1, 2, 9, 4, 7);
}

static void flatten_joins_the_last_axes(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3, 2), CT_I64);
    assert_tensor(ct_flatten(x, 0), counted(ct_shape(12), CT_I64));
    assert_tensor(ct_flatten(x, 1), counted(ct_shape(2, 6), CT_I64));
    assert_tensor(ct_flatten(x, -1), x);
    assert_tensor(ct_flatten(ct_full(ct_shape(), 5, CT_F32), 0), ct_full(ct_shape(1), 5, CT_F32));
    assert_tensor(ct_flatten(ct_zeros(ct_shape(2, 0, 3), CT_F32), 1), ct_zeros(ct_shape(2, 0), CT_F32));
    assert_storages(0, ct_flatten(x, 1));
    assert_null(ct_flatten(x, 3));
    assert_error(CT_ERROR_SHAPE, "ct_flatten", "axis 3 is out of range");
    assert_null(ct_flatten(NULL, 0));
    assert_error(CT_ERROR_NULL, "ct_flatten", "`x`");
}

static void squeeze_and_unsqueeze(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(1, 3, 1, 2), CT_F32);
    assert_tensor(ct_squeeze(x, CT_ALL), counted(ct_shape(3, 2), CT_F32));
    assert_tensor(ct_squeeze(x, ct_axes(0)), counted(ct_shape(3, 1, 2), CT_F32));
    assert_tensor(ct_squeeze(x, ct_axes(-2, 0)), counted(ct_shape(3, 2), CT_F32));
    assert_tensor(ct_squeeze(x, ct_axes()), x);
    assert_tensor(ct_squeeze(ct_ones(ct_shape(1, 1), CT_BOOL), CT_ALL), ct_ones(ct_shape(), CT_BOOL));
    assert_null(ct_squeeze(x, ct_axes(1)));
    assert_error(CT_ERROR_SHAPE, "ct_squeeze", "axis 1 of x, which is f32 [1, 3, 1, 2], has length 3");
    assert_null(ct_squeeze(x, ct_axes(0, -4)));
    assert_error(CT_ERROR_SHAPE, "ct_squeeze", "named twice");
    assert_null(ct_squeeze(x, ct_axes(4)));
    assert_error(CT_ERROR_SHAPE, "ct_squeeze", "axis 4 is out of range");
    assert_null(ct_squeeze(NULL, CT_ALL));
    assert_error(CT_ERROR_NULL, "ct_squeeze", "`x`");

    ct_tensor *y = counted(ct_shape(3, 2), CT_F32);
    assert_tensor(ct_unsqueeze(y, 0), counted(ct_shape(1, 3, 2), CT_F32));
    assert_tensor(ct_unsqueeze(y, 1), counted(ct_shape(3, 1, 2), CT_F32));
    assert_tensor(ct_unsqueeze(y, -1), counted(ct_shape(3, 2, 1), CT_F32));
    assert_tensor(ct_unsqueeze(y, -3), counted(ct_shape(1, 3, 2), CT_F32));
    assert_storages(0, ct_unsqueeze(ct_transpose(y), 1));
    assert_tensor(ct_unsqueeze(ct_ones(ct_shape(), CT_F32), -1), ct_ones(ct_shape(1), CT_F32));
    assert_null(ct_unsqueeze(y, 3));
    assert_error(CT_ERROR_SHAPE, "ct_unsqueeze", "axis 3 is out of range");
    assert_null(ct_unsqueeze(ct_zeros(ct_shape(1, 1, 1, 1, 1, 1, 1, 1), CT_F32), 0));
    assert_error(CT_ERROR_SHAPE, "ct_unsqueeze", "f32 [1, 1, 1, 1, 1, 1, 1, 1] and has all 8 axes");
    assert_null(ct_unsqueeze(NULL, 0));
    assert_error(CT_ERROR_NULL, "ct_unsqueeze", "`x`");
}

/* ---- permute ------------------------------------------------------------------------------------------ */

static void permute_reorders_axes(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3, 2), CT_F64);
    assert_values(ct_permute(x, ct_axes(2, 0, 1)), ct_shape(2, 2, 3), 0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11);
    assert_tensor(ct_permute(ct_permute(x, ct_axes(2, 0, 1)), ct_axes(1, 2, 0)), x);
    assert_tensor(ct_permute(x, ct_axes(-1, -2, -3)), ct_swap_axes(x, 0, 2));
    assert_tensor(ct_transpose(x), ct_swap_axes(x, -1, 1));
    assert_tensor(ct_permute(x, ct_axes(0, 1, 2)), x);
    assert_tensor(ct_swap_axes(x, 1, 1), x);
    assert_storages(0, ct_permute(x, ct_axes(1, 2, 0)));
    ct_tensor *vector = counted(ct_shape(3), CT_U8), *scalar = ct_ones(ct_shape(), CT_U8);
    assert_tensor(ct_transpose(vector), vector);
    assert_tensor(ct_transpose(scalar), scalar);
    assert_tensor(ct_permute(scalar, ct_axes()), scalar);
    assert_ptr_not_equal(ct_transpose(vector), vector);
    assert_tensor(ct_transpose(ct_zeros(ct_shape(0, 3), CT_F32)), ct_zeros(ct_shape(3, 0), CT_F32));
}

static void permute_errors(void **state)
{
    (void)state;
    ct_tensor *x = ct_zeros(ct_shape(2, 3), CT_F32);
    assert_null(ct_permute(x, ct_axes(1)));
    assert_error(CT_ERROR_SHAPE, "ct_permute", "the order [1] names 1 axes, but x is f32 [2, 3] with 2");
    assert_null(ct_permute(x, CT_ALL));
    assert_error(CT_ERROR_SHAPE, "ct_permute", "CT_ALL is no order; x is f32 [2, 3]");
    assert_null(ct_permute(x, ct_axes(0, -2)));
    assert_error(CT_ERROR_SHAPE, "ct_permute", "named twice");
    assert_null(ct_permute(x, ct_axes(0, 2)));
    assert_error(CT_ERROR_SHAPE, "ct_permute", "axis 2 is out of range");
    assert_null(ct_permute(NULL, ct_axes()));
    assert_error(CT_ERROR_NULL, "ct_permute", "`x`");
    assert_null(ct_transpose(NULL));
    assert_error(CT_ERROR_NULL, "ct_transpose", "`x`");
    assert_null(ct_swap_axes(x, 0, -3));
    assert_error(CT_ERROR_SHAPE, "ct_swap_axes", "axis -3 is out of range");
    assert_null(ct_swap_axes(NULL, 0, 0));
    assert_error(CT_ERROR_NULL, "ct_swap_axes", "`x`");
}

/* ---- expand ------------------------------------------------------------------------------------------- */

static void expand_repeats(void **state)
{
    (void)state;
    ct_tensor *row = counted(ct_shape(1, 3), CT_F64), *column = counted(ct_shape(2, 1), CT_F64);
    assert_values(ct_expand(row, ct_shape(2, 3)), ct_shape(2, 3), 0, 1, 2, 0, 1, 2);
    assert_values(ct_expand(column, ct_shape(-1, 3)), ct_shape(2, 3), 0, 0, 0, 1, 1, 1);
    assert_values(ct_expand(column, ct_shape(2, -1, 2)), ct_shape(2, 2, 2), 0, 0, 1, 1, 0, 0, 1, 1);
    assert_values(ct_expand(ct_full(ct_shape(), 4, CT_F64), ct_shape(2)), ct_shape(2), 4, 4);
    assert_tensor(ct_expand(row, ct_shape(0, 3)), ct_zeros(ct_shape(0, 3), CT_F64));
    assert_tensor(ct_expand(row, ct_shape(1, 3)), row);
    assert_storages(0, ct_expand(row, ct_shape(1000, 1000, 3)));
    assert_int_equal(ct_strides(ct_expand(row, ct_shape(5, 3))).dim[0], 0);
}

static void expand_errors(void **state)
{
    (void)state;
    ct_tensor *x = ct_zeros(ct_shape(3, 1), CT_I32);
    assert_null(ct_expand(x, ct_shape(4, 2)));
    assert_error(CT_ERROR_SHAPE, "ct_expand",
                 "x is i32 [3, 1], which cannot become [4, 2]: only axes of length 1 are repeated, and axis 0 has length 3");
    assert_null(ct_expand(x, ct_shape(3)));
    assert_error(CT_ERROR_SHAPE, "ct_expand", "x is i32 [3, 1], which cannot have 1 axes; expected 2 to 8");
    assert_null(ct_expand(x, CT_ALL));
    assert_error(CT_ERROR_SHAPE, "ct_expand", "cannot have -1 axes");
    assert_null(ct_expand(x, ct_shape(-1, 3, 2)));
    assert_error(CT_ERROR_SHAPE, "ct_expand", "cannot become [-1, 3, 2]: -1 keeps the length of an axis that x has");
    assert_null(ct_expand(x, ct_shape(3, -2)));
    assert_error(CT_ERROR_SHAPE, "ct_expand", "cannot become [3, -2]");
    assert_null(ct_expand(x, ct_shape(INT64_MAX / 2, 3, 1)));
    assert_error(CT_ERROR_MEMORY, "ct_expand", "more elements than memory can hold");
    assert_null(ct_expand(NULL, ct_shape(1)));
    assert_error(CT_ERROR_NULL, "ct_expand", "`x`");
}

/* ---- slice and select --------------------------------------------------------------------------------- */

/* Python's x[start:stop:step] by counting, one candidate after another. */
static int64_t python_slice(int64_t n, int64_t start, int64_t stop, int64_t step, double *out)
{
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    if (start == CT_NONE) start = step > 0 ? low : high;
    else start = start < 0 ? (start + n < low ? low : start + n) : (start > high ? high : start);
    if (stop == CT_NONE) stop = step > 0 ? high : low;
    else stop = stop < 0 ? (stop + n < low ? low : stop + n) : (stop > high ? high : stop);
    int64_t count = 0;
    for (int64_t i = start; step > 0 ? i < stop : i > stop; i += step) out[count++] = (double)i;
    return count;
}

static void slice_follows_python(void **state)
{
    (void)state;
    const int64_t bounds[] = {CT_NONE, -7, -4, -3, -2, -1, 0, 1, 2, 3, 4, 7, INT64_MAX, INT64_MIN + 1};
    const int64_t steps[] = {1, 2, 3, 9, -1, -2, -5, INT64_MAX, INT64_MIN + 1};
    enum { BOUNDS = sizeof bounds / sizeof *bounds, STEPS = sizeof steps / sizeof *steps };
    for (int64_t n = 0; n < 5; n++) {
        for (int k = 0; k < BOUNDS * BOUNDS * STEPS; k++) {
            CT_SCOPE;
            const int64_t start = bounds[k % BOUNDS], stop = bounds[k / BOUNDS % BOUNDS], step = steps[k / BOUNDS / BOUNDS];
            const int64_t short_step = step > 9 ? 9 : step < -9 ? -9 : step; /* the same for so short an axis */
            double expected[8];
            const int64_t count = python_slice(n, start, stop, short_step, expected);
            assert_tensor(ct_slice(counted(ct_shape(n), CT_F64), 0, start, stop, step),
                          f64_values(ct_shape(count), expected));
        }
    }
}

static void slice_along_any_axis(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3, 2), CT_F64);
    assert_values(ct_slice(x, 1, 2, CT_NONE, -2), ct_shape(2, 2, 2), 4, 5, 0, 1, 10, 11, 6, 7);
    assert_values(ct_slice(x, -1, 1, 2, 1), ct_shape(2, 3, 1), 1, 3, 5, 7, 9, 11);
    assert_values(ct_slice(ct_slice(x, 0, CT_NONE, CT_NONE, -1), 1, 1, 2, CT_NONE), ct_shape(2, 1, 2), 8, 9, 2, 3);
    assert_storages(0, ct_slice(x, 1, 0, 2, 1));
    assert_tensor(ct_slice(ct_transpose(x), 2, 1, 3, 1), ct_transpose(ct_slice(x, 1, 1, 3, 1)));
    assert_null(ct_slice(x, 0, 0, 1, 0));
    assert_error(CT_ERROR_VALUE, "ct_slice", "the step is 0, x is f64 [2, 3, 2]");
    assert_null(ct_slice(x, 3, 0, 1, 1));
    assert_error(CT_ERROR_SHAPE, "ct_slice", "axis 3 is out of range");
    assert_null(ct_slice(ct_ones(ct_shape(), CT_F32), 0, 0, 1, 1));
    assert_error(CT_ERROR_SHAPE, "ct_slice", "x, which is f32 [] and has no axes");
    assert_null(ct_slice(NULL, 0, 0, 1, 1));
    assert_error(CT_ERROR_NULL, "ct_slice", "`x`");
}

static void select_drops_the_axis(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3), CT_F64);
    assert_values(ct_select(x, 0, 1), ct_shape(3), 3, 4, 5);
    assert_values(ct_select(x, 1, -1), ct_shape(2), 2, 5);
    assert_values(ct_select(ct_select(x, 1, 0), 0, -2), ct_shape(), 0);
    assert_tensor(ct_select(ct_zeros(ct_shape(0, 3), CT_U8), 1, 2), ct_zeros(ct_shape(0), CT_U8));
    assert_storages(0, ct_select(x, 1, 1));
    assert_null(ct_select(x, 1, 3));
    assert_error(CT_ERROR_INDEX, "ct_select", "index 3 is out of range: axis 1 of x, which is f64 [2, 3], has length 3");
    assert_null(ct_select(x, 0, -3));
    assert_error(CT_ERROR_INDEX, "ct_select", "index -3 is out of range");
    assert_null(ct_select(ct_zeros(ct_shape(0), CT_F32), 0, 0));
    assert_error(CT_ERROR_INDEX, "ct_select", "has length 0");
    assert_null(ct_select(x, 2, 0));
    assert_error(CT_ERROR_SHAPE, "ct_select", "axis 2 is out of range");
    assert_null(ct_select(NULL, 0, 0));
    assert_error(CT_ERROR_NULL, "ct_select", "`x`");
}

static void flip_reverses(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3), CT_F64);
    assert_values(ct_flip(x, ct_axes(0)), ct_shape(2, 3), 3, 4, 5, 0, 1, 2);
    assert_values(ct_flip(x, ct_axes(-1)), ct_shape(2, 3), 2, 1, 0, 5, 4, 3);
    assert_values(ct_flip(x, CT_ALL), ct_shape(2, 3), 5, 4, 3, 2, 1, 0);
    assert_tensor(ct_flip(ct_flip(x, CT_ALL), ct_axes(1, 0)), x);
    assert_tensor(ct_flip(x, ct_axes()), x);
    assert_tensor(ct_flip(ct_ones(ct_shape(), CT_F32), CT_ALL), ct_ones(ct_shape(), CT_F32));
    assert_tensor(ct_flip(ct_zeros(ct_shape(0, 2), CT_F32), CT_ALL), ct_zeros(ct_shape(0, 2), CT_F32));
    assert_storages(0, ct_flip(x, CT_ALL));
    assert_null(ct_flip(x, ct_axes(2)));
    assert_error(CT_ERROR_SHAPE, "ct_flip", "axis 2 is out of range");
    assert_null(ct_flip(NULL, CT_ALL));
    assert_error(CT_ERROR_NULL, "ct_flip", "`x`");
}

static void diagonals(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3), CT_F64);
    assert_values(ct_diagonal(x), ct_shape(2), 0, 4);
    assert_values(ct_diagonal(ct_transpose(x)), ct_shape(2), 0, 4);
    assert_values(ct_diagonal(counted(ct_shape(2, 2, 2), CT_F64)), ct_shape(2, 2), 0, 3, 4, 7);
    assert_tensor(ct_diagonal(ct_zeros(ct_shape(2, 0, 3), CT_F32)), ct_zeros(ct_shape(2, 0), CT_F32));
    assert_storages(0, ct_diagonal(x));
    assert_values(ct_diag(ct_flip(counted(ct_shape(3), CT_F64), CT_ALL)), ct_shape(3, 3), 2, 0, 0, 0, 1, 0, 0, 0, 0);
    assert_tensor(ct_diagonal(ct_diag(x)), x);
    assert_int_equal(ct_rank(ct_diag(x)), 3);
    assert_tensor(ct_diag(ct_ones(ct_shape(2), CT_BOOL)), ct_eye(2, CT_BOOL));
    assert_tensor(ct_diag(ct_zeros(ct_shape(0), CT_F32)), ct_zeros(ct_shape(0, 0), CT_F32));
    assert_null(ct_diagonal(counted(ct_shape(3), CT_F32)));
    assert_error(CT_ERROR_SHAPE, "ct_diagonal", "x is f32 [3]; expected 2 axes or more");
    assert_null(ct_diagonal(NULL));
    assert_error(CT_ERROR_NULL, "ct_diagonal", "`x`");
    assert_null(ct_diag(ct_ones(ct_shape(), CT_F32)));
    assert_error(CT_ERROR_SHAPE, "ct_diag", "x is f32 []; expected 1 to 7 axes");
    assert_null(ct_diag(ct_ones(ct_shape(1, 1, 1, 1, 1, 1, 1, 1), CT_F32)));
    assert_error(CT_ERROR_SHAPE, "ct_diag", "expected 1 to 7 axes");
    assert_null(ct_diag(ct_expand(ct_ones(ct_shape(), CT_U8), ct_shape((int64_t)1 << 30))));
    assert_error(CT_ERROR_MEMORY, "ct_diag", "more elements than memory can hold");
    assert_null(ct_diag(NULL));
    assert_error(CT_ERROR_NULL, "ct_diag", "`x`");
}

static void pads(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 2), CT_F64);
    assert_values(ct_pad(x, 0, 1, 0, -1), ct_shape(3, 2), -1, -1, 0, 1, 2, 3);
    assert_values(ct_pad(ct_transpose(x), -1, 1, 2, 9), ct_shape(2, 5), 9, 0, 2, 9, 9, 9, 1, 3, 9, 9);
    assert_tensor(ct_pad(x, 0, 0, 0, 1), x);
    assert_storages(1, ct_pad(x, 0, 0, 0, 1));
    assert_tensor(ct_pad(ct_zeros(ct_shape(0), CT_U8), 0, 1, 1, 300), ct_full(ct_shape(2), 255, CT_U8));
    assert_null(ct_pad(x, 0, -1, 0, 0));
    assert_error(CT_ERROR_VALUE, "ct_pad", "-1 elements before and 0 after x, which is f64 [2, 2]");
    assert_null(ct_pad(x, 0, 0, INT64_MAX, 0));
    assert_error(CT_ERROR_VALUE, "ct_pad", "9223372036854775807 after");
    assert_null(ct_pad(x, 0, (int64_t)1 << 45, (int64_t)1 << 45, 0));
    assert_error(CT_ERROR_MEMORY, "ct_pad", "more elements than memory can hold");
    assert_null(ct_pad(x, 2, 1, 1, 0));
    assert_error(CT_ERROR_SHAPE, "ct_pad", "axis 2 is out of range");
    assert_null(ct_pad(NULL, 0, 0, 0, 0));
    assert_error(CT_ERROR_NULL, "ct_pad", "`x`");
}

/* ---- concat, stack, split ----------------------------------------------------------------------------- */

static void concat_joins(void **state)
{
    (void)state;
    ct_tensor *a = counted(ct_shape(2, 2), CT_F64), *b = ct_neg(counted(ct_shape(1, 2), CT_F64));
    assert_values(ct_concat((ct_tensor *[]){a, b, a}, 3, 0), ct_shape(5, 2), 0, 1, 2, 3, 0, -1, 0, 1, 2, 3);
    assert_values(ct_concat((ct_tensor *[]){ct_transpose(a), ct_transpose(b)}, 2, -1), ct_shape(2, 3), 0, 2, 0, 1, 3, -1);
    assert_tensor(ct_concat(&a, 1, 1), a);
    assert_storages(1, ct_concat(&a, 1, 0));
    ct_tensor *const parts[] = {ct_zeros(ct_shape(2, 0), CT_F64), a, ct_zeros(ct_shape(2, 0), CT_F64)};
    assert_tensor(ct_concat(parts, 3, 1), a);
    ct_tensor *const masks[] = {ct_ones(ct_shape(1), CT_BOOL), ct_zeros(ct_shape(1), CT_BOOL)};
    assert_tensor(ct_concat(masks, 2, 0), ct_of(ct_shape(2), CT_BOOL, 1, 0));
}

static void concat_errors(void **state)
{
    (void)state;
    ct_tensor *a = ct_zeros(ct_shape(2, 3), CT_F32), *scalar = ct_ones(ct_shape(), CT_F32);
    assert_null(ct_concat((ct_tensor *[]){a, a, ct_zeros(ct_shape(2, 4), CT_F32)}, 3, 0));
    assert_error(CT_ERROR_SHAPE, "ct_concat",
                 "x[2] is f32 [2, 4] and x[0] is f32 [2, 3]; expected the same lengths off the axis");
    assert_null(ct_concat((ct_tensor *[]){a, ct_zeros(ct_shape(3), CT_F32)}, 2, 0));
    assert_error(CT_ERROR_SHAPE, "ct_concat", "x[1] is f32 [3] and x[0] is f32 [2, 3]; expected the same number of axes");
    assert_null(ct_concat((ct_tensor *[]){a, ct_zeros(ct_shape(2, 3), CT_F64)}, 2, 0));
    assert_error(CT_ERROR_DTYPE, "ct_concat", "x[1] is f64 [2, 3] and x[0] is f32 [2, 3]; expected one dtype: ct_cast");
    assert_null(ct_concat(&scalar, 1, 0));
    assert_error(CT_ERROR_SHAPE, "ct_concat", "x[0] is f32 [] and has no axis to join along; ct_stack");
    assert_null(ct_concat(&a, 1, 2));
    assert_error(CT_ERROR_SHAPE, "ct_concat", "axis 2 is out of range");
    assert_null(ct_concat(&a, 0, 0));
    assert_error(CT_ERROR_VALUE, "ct_concat", "0 tensors; expected 1 or more");
    assert_null(ct_concat((ct_tensor *[]){a, NULL}, 2, 0));
    assert_error(CT_ERROR_NULL, "ct_concat", "`x[1]`");
    assert_null(ct_concat(NULL, 2, 0));
    assert_error(CT_ERROR_NULL, "ct_concat", "`x`");
    ct_tensor *huge = ct_expand(ct_ones(ct_shape(1), CT_U8), ct_shape((int64_t)1 << 42));
    assert_null(ct_concat((ct_tensor *[]){huge, huge, huge}, 3, 0));
    assert_error(CT_ERROR_MEMORY, "ct_concat", "more elements than memory can hold");
}

static void stack_adds_an_axis(void **state)
{
    (void)state;
    ct_tensor *a = counted(ct_shape(2), CT_F64), *b = ct_flip(ct_neg(a), CT_ALL);
    ct_tensor *const both[] = {a, b};
    assert_values(ct_stack(both, 2, 0), ct_shape(2, 2), 0, 1, -1, 0);
    assert_values(ct_stack(both, 2, -1), ct_shape(2, 2), 0, -1, 1, 0);
    ct_tensor *const matrices[] = {counted(ct_shape(2, 2), CT_F64), ct_transpose(counted(ct_shape(2, 2), CT_F64))};
    assert_values(ct_stack(matrices, 2, 1), ct_shape(2, 2, 2), 0, 1, 0, 2, 2, 3, 1, 3);
    ct_tensor *const scalars[] = {ct_full(ct_shape(), 2, CT_I32), ct_full(ct_shape(), 3, CT_I32)};
    assert_tensor(ct_stack(scalars, 2, 0), ct_of(ct_shape(2), CT_I32, 2, 3));
    ct_tensor *empty = ct_zeros(ct_shape(0), CT_F32);
    assert_tensor(ct_stack(&empty, 1, 1), ct_zeros(ct_shape(0, 1), CT_F32));

    assert_null(ct_stack((ct_tensor *[]){a, ct_zeros(ct_shape(3), CT_F64)}, 2, 0));
    assert_error(CT_ERROR_SHAPE, "ct_stack", "x[1] is f64 [3] and x[0] is f64 [2]; expected one shape (ct_concat");
    assert_null(ct_stack((ct_tensor *[]){a, ct_zeros(ct_shape(2), CT_F32)}, 2, 0));
    assert_error(CT_ERROR_DTYPE, "ct_stack", "x[1] is f32 [2] and x[0] is f64 [2]; expected one dtype");
    assert_null(ct_stack(both, 2, 2));
    assert_error(CT_ERROR_SHAPE, "ct_stack", "axis 2 is out of range");
    assert_null(ct_stack(both, -1, 0));
    assert_error(CT_ERROR_VALUE, "ct_stack", "-1 tensors");
    ct_tensor *full = ct_zeros(ct_shape(1, 1, 1, 1, 1, 1, 1, 1), CT_F32);
    assert_null(ct_stack(&full, 1, 0));
    assert_error(CT_ERROR_SHAPE, "ct_stack", "has all 8 axes");
    assert_null(ct_stack((ct_tensor *[]){NULL}, 1, 0));
    assert_error(CT_ERROR_NULL, "ct_stack", "`x[0]`");
    assert_null(ct_stack(NULL, 1, 0));
    assert_error(CT_ERROR_NULL, "ct_stack", "`x`");
}

static void split_cuts_into_views(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 4), CT_F64), *parts[4];
    const int64_t before = ct_memory().storages;
    assert_true(ct_split(x, -1, 2, parts));
    assert_int_equal(ct_memory().storages, before);
    assert_values(parts[0], ct_shape(2, 2), 0, 1, 4, 5);
    assert_values(parts[1], ct_shape(2, 2), 2, 3, 6, 7);
    assert_tensor(ct_concat(parts, 2, 1), x);
    assert_true(ct_split(ct_zeros(ct_shape(0, 2), CT_F32), 0, 3, parts));
    assert_tensor(parts[2], ct_zeros(ct_shape(0, 2), CT_F32));
}

static void split_errors_leave_nothing(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 4), CT_F64), *parts[3] = {x, x, x};
    assert_false(ct_split(x, 1, 3, parts));
    assert_error(CT_ERROR_SHAPE, "ct_split", "3 equal parts of axis 1 of x, which is f64 [2, 4]; expected a divisor of 4");
    assert_null(parts[0]);
    assert_null(parts[2]);
    assert_false(ct_split(x, 1, 0, parts));
    assert_error(CT_ERROR_SHAPE, "ct_split", "0 equal parts");
    assert_false(ct_split(x, 2, 2, parts));
    assert_error(CT_ERROR_SHAPE, "ct_split", "axis 2 is out of range");
    parts[0] = x;
    assert_false(ct_split(NULL, 0, 3, parts));
    assert_error(CT_ERROR_NULL, "ct_split", "`x`");
    assert_null(parts[0]);
    assert_false(ct_split(x, 1, 2, NULL));
    assert_error(CT_ERROR_NULL, "ct_split", "`parts`");
}

/* Without an open scope the caller owns the parts, and nothing else is left. */
static void split_without_a_scope(void **state)
{
    (void)state;
    ct_tensor *x = ct_zeros(ct_shape(4), CT_F32), *parts[2];
    assert_true(ct_split(x, 0, 2, parts));
    assert_int_equal(ct_memory().tensors, 3);
    ct_free(parts[0]);
    ct_free(parts[1]);
    ct_free(x);
    assert_clean();
}

/* ---- cast, contiguous, clone -------------------------------------------------------------------------- */

static void casts(void **state)
{
    (void)state;
    ct_tensor *x = ct_of(ct_shape(2, 2), CT_F64, -1.75, 300, NAN, 0);
    assert_tensor(ct_cast(x, CT_I32), ct_of(ct_shape(2, 2), CT_I32, -1, 300, 0, 0));
    assert_tensor(ct_cast(ct_transpose(x), CT_U8), ct_of(ct_shape(2, 2), CT_U8, 0, 0, 255, 0));
    assert_tensor(ct_cast(x, CT_BOOL), ct_of(ct_shape(2, 2), CT_BOOL, 1, 1, 1, 0));
    assert_tensor(ct_cast(ct_of(ct_shape(2), CT_I64, -3, 4), CT_F32), ct_of(ct_shape(2), CT_F32, -3, 4));
    assert_tensor(ct_cast(ct_zeros(ct_shape(0), CT_F32), CT_I64), ct_zeros(ct_shape(0), CT_I64));
    assert_storages(0, ct_cast(x, CT_F64));
    assert_null(ct_cast(x, (ct_dtype)17));
    assert_error(CT_ERROR_DTYPE, "ct_cast", "17 is no dtype");
    assert_null(ct_cast(NULL, CT_F32));
    assert_error(CT_ERROR_NULL, "ct_cast", "`x`");
}

/* A weak scalar takes the other operand's dtype; a cast one is f64 for good. */
static void cast_ends_weakness(void **state)
{
    (void)state;
    ct_tensor *x = ct_ones(ct_shape(2), CT_F32);
    assert_tensor(ct_mul(x, ct_clone(ct_scalar(3))), ct_full(ct_shape(2), 3, CT_F32));
    assert_null(ct_mul(x, ct_cast(ct_scalar(3), CT_F64)));
    assert_error(CT_ERROR_DTYPE, "ct_mul", "f64");
}

static void cast_carries_derivatives_back(void **state)
{
    (void)state;
    ct_tensor *x = ct_requires_grad(ct_of(ct_shape(2), CT_F32, 2, 3), true);
    ct_tensor *y = ct_cast(x, CT_F64), *g = ct_of(ct_shape(2), CT_F64, 0.5, -1), *gx;
    assert_true(ct_grad(&y, &g, 1, &x, 1, &gx, (ct_grad_options){0}));
    assert_tensor(gx, ct_of(ct_shape(2), CT_F32, 0.5, -1));
    assert_false(ct_needs_grad(ct_cast(x, CT_I64)));
    assert_false(ct_needs_grad(ct_cast(ct_cast(x, CT_I64), CT_F32)));
}

static int cast_to_f64(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_cast(in[0], CT_F64);
    return 0;
}

static void cast_carries_tangents_forward(void **state)
{
    (void)state;
    ct_tensor *x = ct_of(ct_shape(2), CT_F32, 2, 3), *dx = ct_of(ct_shape(2), CT_F32, 1, -2), *y, *dy;
    assert_true(ct_jvp(cast_to_f64, NULL, &x, &dx, 1, &y, &dy, 1));
    assert_values(y, ct_shape(2), 2, 3);
    assert_values(dy, ct_shape(2), 1, -2);
}

static void contiguous_and_clone(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3), CT_F64), *t = ct_transpose(x);
    assert_storages(0, ct_contiguous(x));
    assert_storages(1, ct_contiguous(t));
    assert_storages(1, ct_clone(x));
    assert_true(ct_is_contiguous(ct_contiguous(t)));
    assert_true(ct_is_contiguous(ct_clone(t)));
    assert_tensor(ct_contiguous(t), t);
    assert_tensor(ct_clone(ct_slice(t, 0, CT_NONE, CT_NONE, -2)), ct_slice(t, 0, CT_NONE, CT_NONE, -2));
    assert_ptr_not_equal(ct_contiguous(x), x);
    assert_ptr_equal(ct_data(ct_contiguous(x)), ct_data(x));
    assert_null(ct_contiguous(NULL));
    assert_error(CT_ERROR_NULL, "ct_contiguous", "`x`");
    assert_null(ct_clone(NULL));
    assert_error(CT_ERROR_NULL, "ct_clone", "`x`");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(reshape_keeps_row_major_order),
        value_test(reshape_of_nothing_and_of_scalars),
        value_test(reshape_errors_name_shapes_and_counts),
        value_test(reshape_is_a_view_where_strides_exist),
        value_test(views_see_changes),
        value_test(flatten_joins_the_last_axes),
        value_test(squeeze_and_unsqueeze),
        value_test(permute_reorders_axes),
        value_test(permute_errors),
        value_test(expand_repeats),
        value_test(expand_errors),
        value_test(slice_follows_python),
        value_test(slice_along_any_axis),
        value_test(select_drops_the_axis),
        value_test(flip_reverses),
        value_test(diagonals),
        value_test(pads),
        value_test(concat_joins),
        value_test(concat_errors),
        value_test(stack_adds_an_axis),
        value_test(split_cuts_into_views),
        value_test(split_errors_leave_nothing),
        cmocka_unit_test(split_without_a_scope),
        value_test(casts),
        value_test(cast_ends_weakness),
        value_test(cast_carries_derivatives_back),
        value_test(cast_carries_tangents_forward),
        value_test(contiguous_and_clone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
