/*
 * test_promotion.c - how operands of pointwise operations meet: dtypes, weak scalars, integers, broadcasting, layouts.
 */
#include "values.h"

#include <inttypes.h>

typedef ct_tensor *(*unary)(ct_tensor *x);
typedef ct_tensor *(*binary)(ct_tensor *x, ct_tensor *y);
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
enum { WEAK = CT_DTYPES, KINDS, NONE = -1 }; /* a weak scalar counts as one more dtype; NONE: they do not mix */

/* ---- the table of result dtypes ----------------------------------------------------------------------- */

static ct_tensor *two(int kind) { return kind == WEAK ? ct_scalar(2) : ct_full(ct_shape(), 2, (ct_dtype)kind); }
static const char *kind_name(int kind) { return kind == WEAK ? "weak" : ct_dtype_name((ct_dtype)kind); }

#define F CT_F32
#define D CT_F64
#define I CT_I32
#define L CT_I64
#define U CT_U8
static const int arithmetic[KINDS][KINDS] = { /*  f32  f64  i32 i64 u8 bool weak */
    [CT_F32] = {F, NONE, F, F, F, F, F}, [CT_F64] = {NONE, D, D, D, D, D, D}, [CT_I32] = {F, D, I, L, I, I, F},
    [CT_I64] = {F, D, L, L, L, L, F},    [CT_U8] = {F, D, I, L, U, U, F},     [CT_BOOL] = {F, D, I, L, U, L, F},
    [WEAK] = {F, D, F, F, F, F, D},
};
static const int of_floats[KINDS][KINDS] = {
    [CT_F32] = {F, NONE, F, F, F, F, F}, [CT_F64] = {NONE, D, D, D, D, D, D}, [CT_I32] = {F, D, F, F, F, F, F},
    [CT_I64] = {F, D, F, F, F, F, F},    [CT_U8] = {F, D, F, F, F, F, F},     [CT_BOOL] = {F, D, F, F, F, F, F},
    [WEAK] = {F, D, F, F, F, F, D},
};
static const int selection[KINDS][KINDS] = { /* as arithmetic, but a choice between bools is one */
    [CT_F32] = {F, NONE, F, F, F, F, F}, [CT_F64] = {NONE, D, D, D, D, D, D}, [CT_I32] = {F, D, I, L, I, I, F},
    [CT_I64] = {F, D, L, L, L, L, F},    [CT_U8] = {F, D, I, L, U, U, F},     [CT_BOOL] = {F, D, I, L, U, CT_BOOL, F},
    [WEAK] = {F, D, F, F, F, F, D},
};
static const int unary_any[KINDS] = {F, D, I, L, U, F, D}, unary_float[KINDS] = {F, D, F, F, F, F, D};
#undef F
#undef D
#undef I
#undef L
#undef U

static void check_table(binary f, const char *name, const int table[KINDS][KINDS])
{
    for (int i = 0; i < KINDS; i++) {
        for (int j = 0; j < KINDS; j++) {
            CT_SCOPE;
            ct_tensor *x = two(i), *y = two(j), *z = f(x, y);
            ct_here(z, __FILE__, __LINE__);
            if (table[i][j] == NONE) {
                assert_null(z);
                assert_error(CT_ERROR_DTYPE, name, "f32 and f64 do not mix: x is f");
                continue;
            }
            assert_non_null(z);
            if (ct_dtype_of(z) != (ct_dtype)table[i][j])
                print_error("%s of %s and %s is %s\n", name, kind_name(i), kind_name(j), ct_dtype_name(ct_dtype_of(z)));
            assert_int_equal(ct_dtype_of(z), table[i][j]);
        }
    }
}

static ct_tensor *choice(ct_tensor *x, ct_tensor *y) { return ct_where(ct_ones(ct_shape(), CT_BOOL), x, y); }

static void dtypes_of_results_follow_one_table(void **state)
{
    (void)state;
    check_table(ct_add, "ct_add", arithmetic);
    check_table(ct_sub, "ct_sub", arithmetic);
    check_table(ct_mul, "ct_mul", arithmetic);
    check_table(ct_div, "ct_div", arithmetic);
    check_table(ct_maximum, "ct_maximum", arithmetic);
    check_table(ct_minimum, "ct_minimum", arithmetic);
    check_table(ct_pow, "ct_pow", of_floats);
    check_table(ct_atan2, "ct_atan2", of_floats);
    check_table(ct_hypot, "ct_hypot", of_floats);
    check_table(ct_logaddexp, "ct_logaddexp", of_floats);
    check_table(choice, "ct_where", selection);
}

static void comparisons_take_the_same_pairs(void **state)
{
    (void)state;
    const binary all[] = {ct_eq, ct_ne, ct_lt, ct_le, ct_gt, ct_ge};
    const binary logic[] = {ct_logical_and, ct_logical_or, ct_logical_xor}; /* these see truth alone: all dtypes mix */
    for (int i = 0; i < KINDS; i++) {
        for (int j = 0; j < KINDS; j++) {
            for (size_t k = 0; k < COUNT(all); k++) {
                ct_tensor *z = ct_here(all[k](two(i), two(j)), __FILE__, __LINE__);
                assert_true(z ? ct_dtype_of(z) == CT_BOOL : arithmetic[i][j] == NONE);
                ct_clear_error();
            }
            for (size_t k = 0; k < COUNT(logic); k++) assert_int_equal(ct_dtype_of(logic[k](two(i), two(j))), CT_BOOL);
        }
    }
    assert_null(ct_lt(two(CT_F32), two(CT_F64)));
    assert_error(CT_ERROR_DTYPE, "ct_lt", "x is f32 [], y is f64 []; ct_cast one of them");
}

static void one_operand_keeps_or_becomes_a_float(void **state)
{
    (void)state;
    const unary any[] = {ct_neg, ct_abs, ct_sign, ct_square, ct_relu, ct_floor, ct_ceil, ct_round, ct_step};
    const unary floats[] = {ct_exp,  ct_expm1, ct_log,  ct_log1p, ct_sqrt, ct_rsqrt, ct_reciprocal, ct_sin,  ct_cos,  ct_tan,
                            ct_asin, ct_acos,  ct_atan, ct_sinh,  ct_cosh, ct_tanh,  ct_softplus,   ct_erf,  ct_gelu, ct_silu,
                            ct_gelu_tanh};
    for (int kind = 0; kind < KINDS; kind++) {
        for (size_t k = 0; k < COUNT(any); k++) assert_int_equal(ct_dtype_of(any[k](two(kind))), unary_any[kind]);
        for (size_t k = 0; k < COUNT(floats); k++) assert_int_equal(ct_dtype_of(floats[k](two(kind))), unary_float[kind]);
        assert_int_equal(ct_dtype_of(ct_clamp(two(kind), 0, 1)), unary_any[kind]);
        assert_int_equal(ct_dtype_of(ct_leaky_relu(two(kind), 0.1)), unary_float[kind]);
        assert_int_equal(ct_dtype_of(ct_elu(two(kind), 0.1)), unary_float[kind]);
    }
    assert_tensor(ct_exp(ct_of(ct_shape(2), CT_I64, 0, 1)), ct_exp(ct_of(ct_shape(2), CT_F32, 0, 1)));
    assert_tensor(ct_neg(ct_of(ct_shape(2), CT_BOOL, 0, 1)), ct_of(ct_shape(2), CT_F32, -0.0, -1));
}

/* ---- weak scalars ------------------------------------------------------------------------------------- */

static void weak_scalars_take_the_others_dtype(void **state)
{
    (void)state;
    ct_tensor *f = ct_of(ct_shape(2), CT_F32, 1, 2), *i = ct_of(ct_shape(2), CT_I32, 1, 2);
    assert_tensor(ct_mul(f, ct_scalar(0.1)), ct_mul(f, ct_of(ct_shape(), CT_F32, 0.1)));
    assert_tensor(ct_div(i, ct_scalar(4)), ct_of(ct_shape(2), CT_F32, 0.25, 0.5));
    assert_tensor(ct_mul(ct_of(ct_shape(2), CT_BOOL, 0, 1), ct_scalar(0.5)), ct_of(ct_shape(2), CT_F32, 0, 0.5));
    /* what is computed from weak scalars alone is one, in f64 until it meets something else */
    ct_tensor *w = ct_mul(ct_exp(ct_scalar(0)), ct_add(ct_scalar(0.1), ct_scalar(0.2)));
    assert_int_equal(ct_dtype_of(w), CT_F64);
    assert_number(ct_item(w), 0.1 + 0.2, 0);
    assert_int_equal(ct_dtype_of(ct_add(f, w)), CT_F32);
    assert_int_equal(ct_dtype_of(ct_add(ct_alias(w), f)), CT_F32);
    /* a cast makes the dtype count, also a cast to f64 */
    assert_null(ct_add(f, ct_cast(ct_scalar(1), CT_F64)));
    assert_error(CT_ERROR_DTYPE, "ct_add", "x is f32 [2], y is f64 []");
    assert_null(ct_add(f, ct_sum(ct_cast(w, CT_F64), CT_ALL, false)));
    assert_error(CT_ERROR_DTYPE, "ct_add", "do not mix");
}

static void weak_scalars_have_gradients(void **state)
{
    (void)state;
    ct_tensor *w = ct_requires_grad(ct_scalar(3), true), *x = ct_requires_grad(ct_of(ct_shape(2), CT_F32, 1, 2), true);
    assert_true(ct_backward(ct_sum(ct_mul(x, ct_square(w)), CT_ALL, false)));
    assert_tensor(ct_grad_of(x), ct_of(ct_shape(2), CT_F32, 9, 9));
    assert_number(ct_item(ct_grad_of(w)), 18, 0);
    assert_int_equal(ct_dtype_of(ct_grad_of(w)), CT_F64);
}

/* ---- integers ----------------------------------------------------------------------------------------- */

/* One row for f(x, y) in an integer dtype; values are exact in i64. */
static ct_tensor *integer(int64_t v, ct_dtype dtype) { return ct_cast(ct_from(&v, ct_shape(), CT_I64), dtype); }

static void check_integer(ct_tensor *z, int64_t expected, ct_dtype dtype, int line)
{
    int64_t actual = 0;
    assert_non_null(z);
    assert_int_equal(ct_dtype_of(z), dtype);
    assert_true(ct_copy_out(ct_cast(z, CT_I64), &actual, sizeof actual));
    if (actual != expected)
        print_error("line %d, %s: %" PRId64 ", not %" PRId64 "\n", line, ct_dtype_name(dtype), actual, expected);
    assert_true(actual == expected);
}
#define assert_integer(f, dtype, x, y, z) check_integer(f(integer(x, dtype), integer(y, dtype)), z, dtype, __LINE__)
#define assert_integer1(f, dtype, x, y) check_integer(f(integer(x, dtype)), y, dtype, __LINE__)

static void integers_wrap(void **state)
{
    (void)state;
    assert_integer(ct_add, CT_I32, INT32_MAX, 1, INT32_MIN);
    assert_integer(ct_add, CT_I64, INT64_MAX, 1, INT64_MIN);
    assert_integer(ct_add, CT_U8, 255, 2, 1);
    assert_integer(ct_sub, CT_I32, INT32_MIN, 1, INT32_MAX);
    assert_integer(ct_sub, CT_U8, 0, 1, 255);
    assert_integer(ct_mul, CT_I32, 65536, 65537, 65536);
    assert_integer(ct_mul, CT_I64, INT64_MIN, 3, INT64_MIN);
    assert_integer(ct_mul, CT_U8, 16, 17, 16);
    assert_integer1(ct_neg, CT_I32, INT32_MIN, INT32_MIN);
    assert_integer1(ct_neg, CT_I64, INT64_MIN, INT64_MIN);
    assert_integer1(ct_neg, CT_U8, 1, 255);
    assert_integer1(ct_abs, CT_I32, INT32_MIN, INT32_MIN);
    assert_integer1(ct_abs, CT_I64, -7, 7);
    assert_integer1(ct_abs, CT_U8, 200, 200);
    assert_integer1(ct_square, CT_U8, 20, 144);
    assert_integer1(ct_square, CT_I64, (int64_t)1 << 32, 0);
    assert_integer(ct_maximum, CT_I64, INT64_MAX, INT64_MAX - 1, INT64_MAX);
    assert_integer(ct_minimum, CT_I32, INT32_MIN, 0, INT32_MIN);
    assert_integer(ct_maximum, CT_U8, 200, 100, 200);
}

static void integers_have_signs_steps_and_bounds(void **state)
{
    (void)state;
    ct_tensor *x = ct_of(ct_shape(4), CT_I32, -5, 0, 1, 300);
    assert_tensor(ct_sign(x), ct_of(ct_shape(4), CT_I32, -1, 0, 1, 1));
    assert_tensor(ct_step(x), ct_of(ct_shape(4), CT_I32, 0, 0, 1, 1));
    assert_tensor(ct_relu(x), ct_of(ct_shape(4), CT_I32, 0, 0, 1, 300));
    assert_tensor(ct_floor(x), x);
    assert_tensor(ct_ceil(x), x);
    assert_tensor(ct_round(x), x);
    assert_tensor(ct_clamp(x, -2, 200), ct_of(ct_shape(4), CT_I32, -2, 0, 1, 200));
    assert_tensor(ct_clamp(x, -INFINITY, 1e30), x);
    assert_tensor(ct_clamp(ct_of(ct_shape(2), CT_U8, 3, 250), -10, 1000), ct_of(ct_shape(2), CT_U8, 3, 250));
    assert_tensor(ct_sign(ct_of(ct_shape(2), CT_U8, 0, 250)), ct_of(ct_shape(2), CT_U8, 0, 1));
    assert_tensor(ct_add(ct_of(ct_shape(2), CT_BOOL, 1, 1), ct_of(ct_shape(2), CT_BOOL, 1, 0)), ct_of(ct_shape(2), CT_I64, 2, 1));
    assert_tensor(ct_add(ct_of(ct_shape(1), CT_U8, 250), ct_of(ct_shape(1), CT_I32, -251)), ct_of(ct_shape(1), CT_I32, -1));
}

static void integer_division_truncates(void **state)
{
    (void)state;
    assert_integer(ct_div, CT_I32, 7, 2, 3);
    assert_integer(ct_div, CT_I32, -7, 2, -3);
    assert_integer(ct_div, CT_I64, 7, -2, -3);
    assert_integer(ct_div, CT_U8, 250, 7, 35);
    assert_integer(ct_div, CT_U8, 250, 255, 0); /* 255 is not -1 */
    assert_integer(ct_div, CT_I32, INT32_MIN, -1, INT32_MIN);
    assert_integer(ct_div, CT_I64, INT64_MIN, -1, INT64_MIN);
    assert_integer(ct_div, CT_I64, INT64_MAX, -1, -INT64_MAX);
    assert_values(ct_div(ct_of(ct_shape(2), CT_I32, 1, 0), ct_of(ct_shape(2), CT_F64, 0, 2)), ct_shape(2), INFINITY, 0);
}

static void integer_division_by_zero_is_an_error(void **state)
{
    (void)state;
    const ct_dtype dtypes[] = {CT_I32, CT_I64, CT_U8};
    for (size_t k = 0; k < COUNT(dtypes); k++) {
        ct_tensor *x = ct_ones(ct_shape(2, 3), dtypes[k]), *y = ct_of(ct_shape(3), dtypes[k], 1, 0, 2);
        assert_null(ct_div(x, y));
        assert_error(CT_ERROR_VALUE, "ct_div", "division of integers by zero");
        assert_tensor(ct_div(ct_slice(x, 1, 0, CT_NONE, 2), ct_slice(y, 0, 0, CT_NONE, 2)), /* the zero is not in the view */
                      ct_div(ct_ones(ct_shape(2, 2), dtypes[k]), ct_of(ct_shape(2), dtypes[k], 1, 2)));
        assert_int_equal(ct_count_of(ct_div(ct_zeros(ct_shape(0, 3), dtypes[k]), y)), 0); /* nothing is divided */
    }
    assert_null(ct_div(ct_ones(ct_shape(), CT_BOOL), ct_zeros(ct_shape(), CT_BOOL)));
    assert_error(CT_ERROR_VALUE, "ct_div", "by zero");
    assert_null(ct_div(ct_ones(ct_shape(2), CT_I32), ct_zeros(ct_shape(), CT_BOOL)));
    assert_error(CT_ERROR_VALUE, "ct_div", "by zero");
}

/* ---- broadcasting ------------------------------------------------------------------------------------- */

/* x + y by index arithmetic on doubles, for all shapes. */
static void check_broadcast(ct_shape a, ct_shape b, ct_shape expected)
{
    CT_SCOPE;
    ct_tensor *x = ct_requires_grad(counted(a, CT_F64), true);
    ct_tensor *y = ct_requires_grad(ct_mul(counted(b, CT_F64), ct_scalar(100)), true);
    ct_tensor *z = ct_add(x, y), *square = ct_mul(x, y);
    assert_non_null(z);
    assert_int_equal(ct_rank(z), expected.rank);
    for (int i = 0; i < expected.rank; i++) assert_int_equal(ct_dim(z, i), expected.dim[i]);
    ct_index at = {.rank = expected.rank}, in_x = {.rank = a.rank}, in_y = {.rank = b.rank};
    for (int64_t k = 0, n = ct_count_of(z); k < n; k++) {
        for (int64_t i = expected.rank - 1, left = k; i >= 0; left /= expected.dim[i--]) at.dim[i] = left % expected.dim[i];
        for (int64_t i = 0; i < a.rank; i++) in_x.dim[i] = a.dim[i] == 1 ? 0 : at.dim[expected.rank - a.rank + i];
        for (int64_t i = 0; i < b.rank; i++) in_y.dim[i] = b.dim[i] == 1 ? 0 : at.dim[expected.rank - b.rank + i];
        assert_number(ct_get(z, at), ct_get(x, in_x) + ct_get(y, in_y), 0);
    }
    ct_tensor *in[] = {x, y}, *g[2]; /* d sum(x y): each sums over what was repeated */
    assert_true(ct_grad(&square, NULL, 1, in, 2, g, (ct_grad_options){0}));
    assert_tensor(g[0], ct_sum_to(ct_expand(y, expected), a));
    assert_tensor(g[1], ct_sum_to(ct_expand(x, expected), b));
}

static void shapes_broadcast_as_numpys_do(void **state)
{
    (void)state;
    check_broadcast(ct_shape(3, 1), ct_shape(4), ct_shape(3, 4));
    check_broadcast(ct_shape(4), ct_shape(3, 1), ct_shape(3, 4));
    check_broadcast(ct_shape(2, 1, 3), ct_shape(5, 1), ct_shape(2, 5, 3));
    check_broadcast(ct_shape(), ct_shape(2, 2), ct_shape(2, 2));
    check_broadcast(ct_shape(2, 2), ct_shape(), ct_shape(2, 2));
    check_broadcast(ct_shape(), ct_shape(), ct_shape());
    check_broadcast(ct_shape(1), ct_shape(), ct_shape(1));
    check_broadcast(ct_shape(1, 1, 1), ct_shape(3), ct_shape(1, 1, 3));
    check_broadcast(ct_shape(0), ct_shape(1), ct_shape(0));
    check_broadcast(ct_shape(0, 3), ct_shape(3), ct_shape(0, 3));
    check_broadcast(ct_shape(1, 3), ct_shape(0, 1), ct_shape(0, 3));
    check_broadcast(ct_shape(2, 1, 2, 1, 2, 1, 2, 1), ct_shape(1, 2, 1, 2, 1, 2, 1, 3), ct_shape(2, 2, 2, 2, 2, 2, 2, 3));
    check_broadcast(ct_shape(1, 1, 70), ct_shape(90, 1, 1), ct_shape(90, 1, 70));
}

static void shapes_that_do_not_fit_are_named(void **state)
{
    (void)state;
    ct_tensor *matrix = ct_ones(ct_shape(3, 4), CT_F32), *column = ct_ones(ct_shape(3), CT_F32);
    assert_null(ct_add(matrix, column));
    assert_error(CT_ERROR_SHAPE, "ct_add",
                 "x is f32 [3, 4], y is f32 [3]; axes are aligned at the end and must agree or be 1; ct_unsqueeze(y, 1)?");
    assert_null(ct_sub(column, matrix));
    assert_error(CT_ERROR_SHAPE, "ct_sub", "; ct_unsqueeze(x, 1)?");
    assert_null(ct_mul(matrix, ct_ones(ct_shape(2, 4), CT_F64))); /* the shape is told before the dtype */
    assert_error(CT_ERROR_SHAPE, "ct_mul", "x is f32 [3, 4], y is f64 [2, 4]");
    assert_null(ct_pow(ct_zeros(ct_shape(0), CT_F32), ct_zeros(ct_shape(2), CT_F32)));
    assert_error(CT_ERROR_SHAPE, "ct_pow", "x is f32 [0], y is f32 [2]");
    assert_null(ct_lt(matrix, column));
    assert_error(CT_ERROR_SHAPE, "ct_lt", "x is f32 [3, 4], y is f32 [3]");
    assert_null(ct_logical_or(matrix, column));
    assert_error(CT_ERROR_SHAPE, "ct_logical_or", "x is f32 [3, 4], y is f32 [3]");
    assert_tensor(matrix, ct_ones(ct_shape(3, 4), CT_F32));
}

/* ---- layouts and sizes -------------------------------------------------------------------------------- */

/* The same values behind other strides. */
static ct_tensor *laid_out(ct_tensor *t /* [m, n] */, int layout)
{
    switch (layout) {
    case 0: return ct_alias(t);
    case 1: return ct_transpose(ct_contiguous(ct_transpose(t)));
    case 2: return ct_flip(ct_contiguous(ct_flip(t, ct_axes(0, 1))), ct_axes(0, 1));
    case 3: return ct_slice(ct_concat((ct_tensor *[]){t, t}, 2, 0), 0, ct_dim(t, 0), CT_NONE, 1);
    case 4: { /* every other column of a wider one */
        ct_tensor *pairs = ct_stack((ct_tensor *[]){t, t}, 2, 2);
        return ct_slice(ct_reshape(pairs, ct_shape(ct_dim(t, 0), 2 * ct_dim(t, 1))), 1, 0, CT_NONE, 2);
    }
    default: return ct_select(ct_stack((ct_tensor *[]){t, t}, 2, 2), 2, 1);
    }
}

static void layouts_do_not_change_values(void **state)
{
    (void)state;
    const binary operations[] = {ct_add, ct_div, ct_pow, ct_maximum, ct_lt, ct_logical_and};
    for (int dtype = 0; dtype < CT_DTYPES; dtype++) {
        CT_SCOPE;
        ct_tensor *x = ct_cast(ct_uniform(ct_shape(37, 29), 1, 9, CT_F64), (ct_dtype)dtype);
        ct_tensor *y = ct_cast(ct_uniform(ct_shape(37, 29), 1, 4, CT_F64), (ct_dtype)dtype);
        for (size_t k = 0; k < COUNT(operations); k++) {
            CT_SCOPE;
            ct_tensor *expected = operations[k](x, y);
            for (int i = 0; i < 6; i++) {
                for (int j = 0; j < 6; j++) assert_tensor(operations[k](laid_out(x, i), laid_out(y, j)), expected);
            }
            ct_tensor *row = ct_expand(ct_slice(y, 0, 4, 5, 1), ct_shape(37, 29));
            assert_tensor(operations[k](x, row), operations[k](x, ct_clone(row)));
        }
        for (int i = 0; i < 6; i++) {
            CT_SCOPE;
            assert_tensor(ct_neg(laid_out(x, i)), ct_neg(x));
            assert_tensor(ct_exp(laid_out(x, i)), ct_exp(x));
            assert_tensor(ct_isfinite(laid_out(x, i)), ct_isfinite(x));
        }
    }
}

static void small_and_empty_tensors_work(void **state)
{
    (void)state;
    const unary one[] = {ct_neg, ct_exp, ct_round, ct_step, ct_isnan, ct_logical_not, ct_gelu};
    const binary two_operands[] = {ct_add, ct_div, ct_pow, ct_hypot, ct_eq, ct_logical_xor};
    const ct_shape shapes[] = {ct_shape(), ct_shape(0), ct_shape(0, 3), ct_shape(3, 0, 2), ct_shape(1, 1, 1, 1, 1, 1, 1, 1)};
    for (size_t s = 0; s < COUNT(shapes); s++) {
        for (int dtype = 0; dtype < CT_DTYPES; dtype++) {
            CT_SCOPE;
            ct_tensor *x = ct_ones(shapes[s], (ct_dtype)dtype);
            for (size_t k = 0; k < COUNT(one); k++) assert_int_equal(ct_count_of(one[k](x)), ct_shape_count(shapes[s]));
            for (size_t k = 0; k < COUNT(two_operands); k++) {
                ct_tensor *z = two_operands[k](x, x);
                assert_non_null(z);
                assert_int_equal(ct_rank(z), shapes[s].rank);
                assert_int_equal(ct_count_of(z), ct_shape_count(shapes[s]));
            }
        }
    }
    ct_tensor *x = ct_requires_grad(ct_zeros(ct_shape(0, 3), CT_F32), true);
    assert_true(ct_backward(ct_sum(ct_mul(ct_tanh(x), ct_ones(ct_shape(3), CT_F32)), CT_ALL, false)));
    assert_tensor(ct_grad_of(x), ct_zeros(ct_shape(0, 3), CT_F32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(dtypes_of_results_follow_one_table),
        value_test(comparisons_take_the_same_pairs),
        value_test(one_operand_keeps_or_becomes_a_float),
        value_test(weak_scalars_take_the_others_dtype),
        value_test(weak_scalars_have_gradients),
        value_test(integers_wrap),
        value_test(integers_have_signs_steps_and_bounds),
        value_test(integer_division_truncates),
        value_test(integer_division_by_zero_is_an_error),
        value_test(shapes_broadcast_as_numpys_do),
        value_test(shapes_that_do_not_fit_are_named),
        value_test(layouts_do_not_change_values),
        value_test(small_and_empty_tensors_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
