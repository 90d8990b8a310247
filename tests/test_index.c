/*
 * test_index.c - index_select, gather, scatter_add, one_hot: values by NumPy's rules, against plain loops for all layouts, sums
 * that do not depend on the number of threads, edge cases, and every error. Derivatives are checked through
 * tests/samples/index.def.
 */
#include "values.h"

static ct_tensor *index_of(ct_shape shape, const int64_t *values) { return ct_from(values, shape, CT_I64); }
#define INDEX(shape, ...) index_of(shape, (const int64_t[]){__VA_ARGS__})

/* ---- index_select ------------------------------------------------------------------------------------- */

static void index_select_takes_rows(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(3, 2), CT_F64);
    assert_values(ct_index_select(x, 0, INDEX(ct_shape(4), 2, 0, -1, 2)), ct_shape(4, 2), 4, 5, 0, 1, 4, 5, 4, 5);
    assert_values(ct_index_select(x, -1, INDEX(ct_shape(3), 1, 1, -2)), ct_shape(3, 3), 1, 1, 0, 3, 3, 2, 5, 5, 4);
    assert_values(ct_index_select(ct_transpose(x), 1, INDEX(ct_shape(2), 2, 1)), ct_shape(2, 2), 4, 2, 5, 3);
    assert_values(ct_index_select(ct_expand(counted(ct_shape(2), CT_F64), ct_shape(3, 2)), 0, INDEX(ct_shape(2), 1, 0)),
                  ct_shape(2, 2), 0, 1, 0, 1);
    ct_tensor *cube = counted(ct_shape(2, 3, 2), CT_F64);
    assert_values(ct_index_select(cube, 1, INDEX(ct_shape(2), 2, 0)), ct_shape(2, 2, 2), 4, 5, 0, 1, 10, 11, 6, 7);
}

static void index_dtypes(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(3), CT_F64), *index = INDEX(ct_shape(2), 2, 1);
    assert_values(ct_index_select(x, 0, ct_cast(index, CT_I32)), ct_shape(2), 2, 1);
    assert_values(ct_index_select(x, 0, ct_cast(index, CT_U8)), ct_shape(2), 2, 1);
    assert_values(ct_index_select(x, 0, ct_flip(index, CT_ALL)), ct_shape(2), 1, 2);
    assert_values(ct_index_select(x, 0, ct_expand(ct_full(ct_shape(), -1, CT_I32), ct_shape(3))), ct_shape(3), 2, 2, 2);
    const ct_dtype dtypes[] = {CT_F32, CT_I32, CT_I64, CT_U8, CT_BOOL};
    for (int i = 0; i < 5; i++) {
        ct_tensor *y = ct_cast(ct_flip(counted(ct_shape(3, 1), CT_F64), CT_ALL), dtypes[i]);
        assert_tensor(ct_index_select(y, 0, INDEX(ct_shape(2), 1, 2)), ct_of(ct_shape(2, 1), dtypes[i], 1, 0));
        assert_tensor(ct_gather(y, 0, INDEX(ct_shape(2, 1), 1, 2)), ct_of(ct_shape(2, 1), dtypes[i], 1, 0));
    }
}

static void index_of_nothing(void **state)
{
    (void)state;
    ct_tensor *none = ct_zeros(ct_shape(0), CT_I64), *empty = ct_zeros(ct_shape(0, 2), CT_F32);
    ct_tensor *x = counted(ct_shape(3, 2), CT_F32);
    assert_tensor(ct_index_select(x, 0, none), empty);
    assert_tensor(ct_index_select(empty, 0, none), empty);
    assert_tensor(ct_index_select(empty, 1, INDEX(ct_shape(3), 1, 1, 0)), ct_zeros(ct_shape(0, 3), CT_F32));
    assert_tensor(ct_gather(x, 0, ct_zeros(ct_shape(0, 2), CT_I64)), empty);
    assert_tensor(ct_scatter_add(x, 0, ct_zeros(ct_shape(0, 2), CT_I64), empty), x);
    assert_null(ct_index_select(empty, 0, INDEX(ct_shape(1), 0)));
    assert_error(CT_ERROR_INDEX, "ct_index_select", "axis 0 of x, which is f32 [0, 2], has length 0");
}

static void index_select_errors(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(3, 2), CT_F32), *index = INDEX(ct_shape(3), 0, 3, -9);
    assert_null(ct_index_select(x, 0, index));
    assert_error(CT_ERROR_INDEX, "ct_index_select",
                 "3 at [1] of the index, which is i64 [3], is out of range: axis 0 of x, which is f32 [3, 2], has length 3");
    assert_null(ct_index_select(x, 1, INDEX(ct_shape(1), -3)));
    assert_error(CT_ERROR_INDEX, "ct_index_select", "-3 at [0]");
    assert_null(ct_index_select(x, 0, ct_ones(ct_shape(2), CT_BOOL)));
    assert_error(CT_ERROR_DTYPE, "ct_index_select", "the index is bool [2]; expected i32, i64 or u8: ct_cast");
    assert_null(ct_index_select(x, 0, ct_ones(ct_shape(2), CT_F64)));
    assert_error(CT_ERROR_DTYPE, "ct_index_select", "the index is f64 [2]");
    assert_null(ct_index_select(x, 0, INDEX(ct_shape(1, 1), 0)));
    assert_error(CT_ERROR_SHAPE, "ct_index_select", "the index is i64 [1, 1]; expected rank 1 (ct_gather");
    assert_null(ct_index_select(x, 2, index));
    assert_error(CT_ERROR_SHAPE, "ct_index_select", "axis 2 is out of range");
    assert_null(ct_index_select(ct_ones(ct_shape(), CT_F32), 0, index));
    assert_error(CT_ERROR_SHAPE, "ct_index_select", "x, which is f32 [] and has no axes");
    assert_null(ct_index_select(NULL, 0, index));
    assert_error(CT_ERROR_NULL, "ct_index_select", "`x`");
    assert_null(ct_index_select(x, 0, NULL));
    assert_error(CT_ERROR_NULL, "ct_index_select", "`index`");
    ct_tensor *rows = ct_expand(ct_zeros(ct_shape(1), CT_U8), ct_shape((int64_t)1 << 40));
    assert_null(ct_index_select(ct_zeros(ct_shape(2, 256), CT_U8), 0, rows));
    assert_error(CT_ERROR_MEMORY, "ct_index_select", "more elements than memory can hold");
}

/* ---- gather and scatter_add --------------------------------------------------------------------------- */

static void gather_takes_places(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3), CT_F64);
    assert_values(ct_gather(x, 1, INDEX(ct_shape(2, 2), 2, 0, 1, -1)), ct_shape(2, 2), 2, 0, 4, 5);
    assert_values(ct_gather(x, 0, INDEX(ct_shape(1, 3), 1, 0, -1)), ct_shape(1, 3), 3, 1, 5);
    assert_values(ct_gather(x, 0, INDEX(ct_shape(3, 2), 0, 1, 1, 0, 0, 0)), ct_shape(3, 2), 0, 4, 3, 1, 0, 1);
    assert_values(ct_gather(ct_flip(x, CT_ALL), -1, INDEX(ct_shape(1, 2), 0, 2)), ct_shape(1, 2), 5, 3);
    assert_values(ct_gather(counted(ct_shape(4), CT_F64), 0, INDEX(ct_shape(5), 3, 3, 0, -4, 2)), ct_shape(5), 3, 3, 0, 0, 2);
}

static void scatter_add_sums(void **state)
{
    (void)state;
    ct_tensor *x = ct_ones(ct_shape(2, 3), CT_F64), *src = counted(ct_shape(2, 2), CT_F64);
    assert_values(ct_scatter_add(x, 1, INDEX(ct_shape(2, 2), 2, 2, -3, 1), src), ct_shape(2, 3), 1, 1, 2, 3, 4, 1);
    assert_values(ct_scatter_add(x, 0, INDEX(ct_shape(2, 2), 0, 1, 0, 0), src), ct_shape(2, 3), 3, 4, 1, 1, 2, 1);
    assert_values(ct_scatter_add(x, 0, INDEX(ct_shape(2, 2), 0, 1, 0, 0), ct_transpose(src)), ct_shape(2, 3), 2, 4, 1, 1, 3, 1);
    assert_values(x, ct_shape(2, 3), 1, 1, 1, 1, 1, 1);
    ct_tensor *zero = INDEX(ct_shape(2), 0, 0);
    assert_tensor(ct_scatter_add(ct_full(ct_shape(1), 250, CT_U8), 0, zero, ct_full(ct_shape(2), 5, CT_U8)),
                  ct_full(ct_shape(1), 4, CT_U8));
    assert_tensor(ct_scatter_add(ct_full(ct_shape(1), 2147483647, CT_I32), 0, zero, ct_ones(ct_shape(2), CT_I32)),
                  ct_full(ct_shape(1), -2147483647, CT_I32));
    assert_tensor(ct_scatter_add(ct_full(ct_shape(1), 5, CT_I64), 0, zero, ct_ones(ct_shape(2), CT_I64)),
                  ct_full(ct_shape(1), 7, CT_I64));
}

static void gather_errors(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3), CT_F32), *index = INDEX(ct_shape(2, 2), 0, 1, 2, 3);
    assert_null(ct_gather(x, 1, index));
    assert_error(CT_ERROR_INDEX, "ct_gather",
                 "3 at [1, 1] of the index, which is i64 [2, 2], is out of range: axis 1 of x, which is f32 [2, 3], has "
                 "length 3");
    assert_null(ct_gather(x, 0, index));
    assert_error(CT_ERROR_INDEX, "ct_gather", "2 at [1, 0]");
    assert_null(ct_gather(x, 1, INDEX(ct_shape(3, 1), 0, 0, 0)));
    assert_error(CT_ERROR_SHAPE, "ct_gather",
                 "the index is i64 [3, 1] and x is f32 [2, 3]: at axis 0 it is longer than x, which only axis 1 may be");
    assert_null(ct_gather(x, 1, INDEX(ct_shape(1), 0)));
    assert_error(CT_ERROR_SHAPE, "ct_gather", "the index is i64 [1] and x is f32 [2, 3]; expected as many axes");
    assert_null(ct_gather(x, 1, x));
    assert_error(CT_ERROR_DTYPE, "ct_gather", "the index is f32 [2, 3]; expected i32, i64 or u8");
    assert_null(ct_gather(x, -3, index));
    assert_error(CT_ERROR_SHAPE, "ct_gather", "axis -3 is out of range");
    assert_null(ct_gather(NULL, 0, index));
    assert_error(CT_ERROR_NULL, "ct_gather", "`x`");
    assert_null(ct_gather(x, 0, NULL));
    assert_error(CT_ERROR_NULL, "ct_gather", "`index`");
}

static void scatter_add_errors(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(2, 3), CT_F32), *index = INDEX(ct_shape(2, 1), 0, 2), *src = ct_ones(ct_shape(2, 1), CT_F32);
    assert_null(ct_scatter_add(x, 0, index, src));
    assert_error(CT_ERROR_INDEX, "ct_scatter_add", "2 at [1, 0]");
    assert_null(ct_scatter_add(x, 1, index, ct_transpose(src)));
    assert_error(CT_ERROR_SHAPE, "ct_scatter_add",
                 "src is f32 [1, 2] and the index is i64 [2, 1]; expected one shape, x is f32 [2, 3]");
    assert_null(ct_scatter_add(x, 1, index, ct_cast(src, CT_F64)));
    assert_error(CT_ERROR_DTYPE, "ct_scatter_add", "x is f32 [2, 3] and src is f64 [2, 1]; expected one dtype: ct_cast");
    assert_null(ct_scatter_add(ct_cast(x, CT_BOOL), 1, index, ct_cast(src, CT_BOOL)));
    assert_error(CT_ERROR_DTYPE, "ct_scatter_add", "x is bool [2, 3]; expected numbers to add");
    assert_null(ct_scatter_add(x, 1, src, src));
    assert_error(CT_ERROR_DTYPE, "ct_scatter_add", "the index is f32 [2, 1]");
    assert_null(ct_scatter_add(x, 1, INDEX(ct_shape(2), 0, 1), src));
    assert_error(CT_ERROR_SHAPE, "ct_scatter_add", "expected as many axes");
    assert_null(ct_scatter_add(x, 0, ct_zeros(ct_shape(1, 4), CT_I64), ct_ones(ct_shape(1, 4), CT_F32)));
    assert_error(CT_ERROR_SHAPE, "ct_scatter_add", "at axis 1 it is longer than x");
    assert_null(ct_scatter_add(x, 2, index, src));
    assert_error(CT_ERROR_SHAPE, "ct_scatter_add", "axis 2 is out of range");
    assert_null(ct_scatter_add(NULL, 0, index, src));
    assert_error(CT_ERROR_NULL, "ct_scatter_add", "`x`");
    assert_null(ct_scatter_add(x, 0, NULL, src));
    assert_error(CT_ERROR_NULL, "ct_scatter_add", "`index`");
    assert_null(ct_scatter_add(x, 0, index, NULL));
    assert_error(CT_ERROR_NULL, "ct_scatter_add", "`src`");
}

/* ---- against plain loops ------------------------------------------------------------------------------ */

/* A random index into `length` places, some of them counted from the end. */
static ct_tensor *random_index(ct_shape shape, int64_t length)
{
    return ct_cast(ct_floor(ct_uniform(shape, (double)-length, (double)length, CT_F64)), CT_I64);
}

/* The place of x that belongs to a place of the index. */
static ct_index indexed_place(ct_tensor *index, const int64_t *place, int axis)
{
    ct_index at = {{{ct_rank(index)}}};
    memcpy(at.dim, place, (size_t)at.rank * sizeof *place);
    at.dim[axis] = (int64_t)ct_get(index, at);
    return at;
}

static bool next_place(int64_t *place, ct_shape shape)
{
    for (int64_t i = shape.rank - 1; i >= 0; i--) {
        if (++place[i] < shape.dim[i]) return true;
        place[i] = 0;
    }
    return false;
}

static void check_against_loops(ct_tensor *x, ct_tensor *index, ct_tensor *src, int axis)
{
    CT_SCOPE;
    const ct_shape shape = ct_shape_get(index);
    ct_tensor *taken = ct_zeros(shape, CT_F64), *summed = ct_clone(x);
    int64_t place[CT_MAX_RANK] = {0};
    do {
        ct_index at = {{{shape.rank}}};
        memcpy(at.dim, place, sizeof place);
        const ct_index to = indexed_place(index, place, axis);
        ct_set(taken, at, ct_get(x, to));
        ct_set(summed, to, ct_get(summed, to) + ct_get(src, at));
    } while (next_place(place, shape));
    assert_tensor(ct_gather(x, axis, index), taken);
    assert_tensor(ct_scatter_add(x, axis, index, src), summed);
    if (ct_dim(index, axis) == 0) return;
    ct_tensor *row = ct_flatten(ct_slice(ct_swap_axes(index, 0, axis), -1, 0, 1, 1), 0); /* a list of indices for the same axis */
    ct_shape wide = ct_shape_get(x), flat = wide;
    for (int64_t i = 0; i < flat.rank; i++) flat.dim[i] = i == axis ? -1 : 1;
    wide.dim[axis] = ct_count_of(row);
    assert_tensor(ct_index_select(x, axis, row), ct_gather(x, axis, ct_expand(ct_reshape(row, flat), wide)));
}

static void all_layouts_agree_with_loops(void **state)
{
    (void)state;
    ct_seed(3);
    const ct_shape shapes[] = {ct_shape(5, 4, 3), ct_shape(1, 12, 2), ct_shape(9, 1, 10), ct_shape(3, 3, 1)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int k = 0; k < 3 * 3 * 2; k++) {
            CT_SCOPE;
            const int axis = k % 3, layout = k / 3 % 3;
            ct_tensor *x = ct_normal(shapes[i], 0, 1, CT_F64);
            if (layout == 1) x = ct_swap_axes(ct_contiguous(ct_swap_axes(x, 0, 2)), 0, 2);
            if (layout == 2) x = ct_flip(ct_expand(ct_slice(x, 1, 0, 1, 1), shapes[i]), CT_ALL);
            ct_shape shape = shapes[i];
            for (int a = 0; k >= 9 && a < 3; a++) shape.dim[a] = (shape.dim[a] + 1) / 2;
            shape.dim[axis] += 3;
            ct_tensor *index = random_index(shape, ct_dim(x, axis)), *src = ct_normal(shape, 0, 1, CT_F64);
            if (layout == 1) src = ct_swap_axes(ct_contiguous(ct_swap_axes(src, 1, 2)), 1, 2);
            check_against_loops(x, index, src, axis);
        }
    }
}

/* ---- threads ------------------------------------------------------------------------------------------ */

/* Large enough to be cut; f32 sums show any other order of addition. */
static void check_threads(ct_shape x_shape, ct_shape shape, int axis)
{
    CT_SCOPE;
    ct_tensor *x = ct_normal(x_shape, 0, 1, CT_F32), *src = ct_normal(shape, 0, 1, CT_F32);
    ct_tensor *index = random_index(shape, x_shape.dim[axis]), *results[2][3];
    ct_tensor *row = random_index(ct_shape(shape.dim[axis]), x_shape.dim[axis]);
    ct_shape whole = x_shape;
    whole.dim[axis] = shape.dim[axis];
    ct_tensor *g = ct_normal(whole, 0, 1, CT_F32);
    for (int k = 0; k < 2; k++) {
        ct_set_threads(k ? 3 : 1);
        results[k][0] = ct_gather(x, axis, index);
        results[k][1] = ct_scatter_add(x, axis, index, src);
        ct_tensor *leaf = ct_requires_grad(ct_clone(x), true), *y = ct_index_select(leaf, axis, row);
        assert_true(ct_grad(&y, &g, 1, &leaf, 1, &results[k][2], (ct_grad_options){0}));
    }
    ct_set_threads(0);
    for (int i = 0; i < 3; i++) assert_tensor(results[0][i], results[1][i]);
}

static void sums_do_not_depend_on_threads(void **state)
{
    (void)state;
    ct_seed(5);
    const int64_t before = ct_count().parallel_regions;
    check_threads(ct_shape(50, 300), ct_shape(700, 300), 0);
    check_threads(ct_shape(400, 90), ct_shape(400, 300), 1);
    check_threads(ct_shape(20, 30, 200), ct_shape(20, 40, 200), 1);
    check_threads(ct_shape(1000), ct_shape(200000), 0);
    assert_true(ct_count().parallel_regions > before);
}

/* Rows that are cut into parts along and across still arrive where they belong. */
static void large_rows(void **state)
{
    (void)state;
    ct_tensor *x = counted(ct_shape(300, 2000), CT_F32), *order = ct_flip(ct_arange(0, 300, 1, CT_I32), CT_ALL);
    ct_set_threads(2);
    assert_tensor(ct_index_select(x, 0, order), ct_flip(x, ct_axes(0)));
    assert_tensor(ct_index_select(ct_transpose(x), 1, order), ct_transpose(ct_flip(x, ct_axes(0))));
    ct_tensor *wide = ct_reshape(x, ct_shape(2, 300000));
    assert_tensor(ct_index_select(wide, 0, INDEX(ct_shape(2), 1, 0)), ct_flip(wide, ct_axes(0)));
    ct_set_threads(0);
}

/* ---- one_hot ------------------------------------------------------------------------------------------ */

static void one_hot_sets_classes(void **state)
{
    (void)state;
    ct_tensor *labels = INDEX(ct_shape(3), 2, 0, 1);
    assert_values(ct_one_hot(labels, 3, CT_F64), ct_shape(3, 3), 0, 0, 1, 1, 0, 0, 0, 1, 0);
    assert_tensor(ct_one_hot(ct_cast(labels, CT_U8), 4, CT_I32),
                  ct_of(ct_shape(3, 4), CT_I32, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0));
    assert_tensor(ct_one_hot(ct_full(ct_shape(), 1, CT_I32), 2, CT_BOOL), ct_of(ct_shape(2), CT_BOOL, 0, 1));
    assert_tensor(ct_one_hot(ct_zeros(ct_shape(0, 2), CT_I64), 5, CT_F32), ct_zeros(ct_shape(0, 2, 5), CT_F32));
    assert_tensor(ct_one_hot(ct_zeros(ct_shape(0), CT_I64), 0, CT_F32), ct_zeros(ct_shape(0, 0), CT_F32));
    assert_tensor(ct_one_hot(ct_transpose(INDEX(ct_shape(1, 2), 1, 0)), 2, CT_U8), ct_of(ct_shape(2, 1, 2), CT_U8, 0, 1, 1, 0));
}

static void one_hot_errors(void **state)
{
    (void)state;
    ct_tensor *labels = INDEX(ct_shape(3), 2, 0, 1);
    assert_null(ct_one_hot(labels, 2, CT_F32));
    assert_error(CT_ERROR_INDEX, "ct_one_hot", "2 at [0] of the index, which is i64 [3], is out of range: there are 2 classes");
    assert_null(ct_one_hot(INDEX(ct_shape(1), -1), 2, CT_F32));
    assert_error(CT_ERROR_INDEX, "ct_one_hot", "-1 at [0]");
    assert_null(ct_one_hot(labels, -1, CT_F32));
    assert_error(CT_ERROR_VALUE, "ct_one_hot", "-1 classes");
    assert_null(ct_one_hot(labels, 3, (ct_dtype)9));
    assert_error(CT_ERROR_DTYPE, "ct_one_hot", "9 is no dtype");
    assert_null(ct_one_hot(ct_ones(ct_shape(2), CT_F32), 2, CT_F32));
    assert_error(CT_ERROR_DTYPE, "ct_one_hot", "the index is f32 [2]");
    assert_null(ct_one_hot(ct_zeros(ct_shape(1, 1, 1, 1, 1, 1, 1, 1), CT_I64), 1, CT_F32));
    assert_error(CT_ERROR_SHAPE, "ct_one_hot", "expected at most 7 axes");
    assert_null(ct_one_hot(labels, (int64_t)1 << 45, CT_F32));
    assert_error(CT_ERROR_MEMORY, "ct_one_hot", "more elements than memory can hold");
    assert_null(ct_one_hot(NULL, 2, CT_F32));
    assert_error(CT_ERROR_NULL, "ct_one_hot", "`index`");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(index_select_takes_rows),
        value_test(index_dtypes),
        value_test(index_of_nothing),
        value_test(index_select_errors),
        value_test(gather_takes_places),
        value_test(scatter_add_sums),
        value_test(gather_errors),
        value_test(scatter_add_errors),
        value_test(all_layouts_agree_with_loops),
        value_test(sums_do_not_depend_on_threads),
        value_test(large_rows),
        value_test(one_hot_sets_classes),
        value_test(one_hot_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
