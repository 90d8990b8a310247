/*
 * test_wrong_arguments.c - every public function of tensor.h, ops.h and autograd.h, given something wrong.
 *
 * A row is a call, the status and the operation of its error, and a part of the message: the wrong thing and what was expected.
 * For each the call fails in its own way (NULL, false, NaN, -1), the error names this file and the row's line, and operands
 * stay as they are.
 */
#include "support.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- operands, and that they stay what they are ------------------------------------------------------- */

typedef struct operands {
    ct_tensor *x;      /* f32 [2, 3] */
    ct_tensor *d;      /* f64 [2, 3] */
    ct_tensor *i;      /* i32 [2, 3], 0 to 5 */
    ct_tensor *b;      /* bool [2, 3] */
    ct_tensor *v;      /* f32 [4] */
    ct_tensor *m;      /* f32 [3, 3], indefinite */
    ct_tensor *s;      /* f32 [] */
    ct_tensor *empty;  /* f32 [0, 3] */
    ct_tensor *view;   /* f32 [3, 2], not contiguous */
    ct_tensor *repeat; /* f32 [4, 3], expanded */
    ct_tensor *ranks;  /* f32 of rank 8 */
    ct_tensor *leaf;   /* f64 [2], needs a gradient */
    ct_tensor *other;  /* the same */
} operands;
enum { OPERANDS = sizeof(operands) / sizeof(ct_tensor *) };
static operands o;
static ct_tensor *copies[OPERANDS];

static int begin(void **state)
{
    *state = (void *)(intptr_t)ct_scope_begin();
    o = (operands){
        .x = ct_of(ct_shape(2, 3), CT_F32, 1, 2, 3, 4, 5, 6), .d = ct_of(ct_shape(2, 3), CT_F64, 1, 2, 3, 4, 5, 6),
        .i = ct_of(ct_shape(2, 3), CT_I32, 0, 1, 2, 3, 4, 5), .b = ct_of(ct_shape(2, 3), CT_BOOL, 1, 0, 1, 0, 1, 0),
        .v = ct_ones(ct_shape(4), CT_F32), .m = ct_neg(ct_eye(3, CT_F32)), .s = ct_ones(ct_shape(), CT_F32),
        .empty = ct_ones(ct_shape(0, 3), CT_F32), .view = ct_transpose(ct_ones(ct_shape(2, 3), CT_F32)),
        .repeat = ct_expand(ct_ones(ct_shape(1, 3), CT_F32), ct_shape(4, 3)),
        .ranks = ct_ones(ct_shape(1, 1, 1, 1, 1, 1, 1, 1), CT_F32),
        .leaf = ct_requires_grad(ct_of(ct_shape(2), CT_F64, 1, 2), true),
        .other = ct_requires_grad(ct_of(ct_shape(2), CT_F64, 3, 4), true),
    };
    ct_tensor **all = &o.x;
    for (int k = 0; k < OPERANDS; k++) copies[k] = ct_clone(ct_detach(all[k]));
    return 0;
}

static int end(void **state)
{
    ct_scope_end((int)(intptr_t)*state);
    assert_clean();
    return 0;
}

#define row_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

/* ---- a row -------------------------------------------------------------------------------------------- */

static bool failed_pointer(const void *p) { return !p; }
static bool failed_bool(bool ok) { return !ok; }
static bool failed_number(double v) { return isnan(v); }
static bool failed_count(int64_t n) { return n == -1; }
#define FAILED(call)                                                                                                   \
    _Generic((call), ct_tensor *: failed_pointer, void *: failed_pointer, bool: failed_bool, double: failed_number,    \
             default: failed_count)(call)

/* The call fails with this error, at this line. */
#define WRONG(call, status, operation, part) check_row(#call, FAILED(call), __LINE__, status, operation, part)
/* The same for functions that note no place: those that return their argument, or a plain struct. */
#define WRONG_ANYWHERE(call, status, operation, part) check_row(#call, FAILED(call), 0, status, operation, part)
static void check_row(const char *text, bool failed, int line, ct_status status, const char *operation, const char *part)
{
    const ct_error_info *e = ct_error();
    bool ok = failed && e && e->status == status && strcmp(e->operation, operation) == 0 && strstr(e->message, part);
    ok = ok && (line == 0 || (e->file && strcmp(e->file, __FILE__) == 0 && e->line == line));
    if (!ok)
        print_error("%s\n  expected status %d of %s at line %d with \"%s\"\n  got %s\n", text, (int)status, operation, line, part,
                    !failed ? "a result" : e ? e->message : "no error");
    assert_true(ok);
    ct_clear_error();
    ct_tensor *const *all = &o.x;
    for (int k = 0; k < OPERANDS; k++) {
        if (!ct_equal(all[k], copies[k])) print_error("%s\n  changed operand %d\n", text, k);
        assert_true(ct_equal(all[k], copies[k]));
    }
    assert_false(ct_has_grad(o.leaf));
}

/* ---- NULL --------------------------------------------------------------------------------------------- */

#define NULL_X(name) WRONG(ct_##name(NULL), CT_ERROR_NULL, "ct_" #name, "argument `x` is NULL");
#define NULL_XY(name)                                                                                                  \
    WRONG(ct_##name(NULL, o.x), CT_ERROR_NULL, "ct_" #name, "argument `x` is NULL");                                   \
    WRONG(ct_##name(o.x, NULL), CT_ERROR_NULL, "ct_" #name, "argument `y` is NULL");
#define NULL_AXES(name) WRONG(ct_##name(NULL, CT_ALL, false), CT_ERROR_NULL, "ct_" #name, "argument `x` is NULL");
#define NULL_FIRST(name, ...) WRONG(ct_##name(NULL, __VA_ARGS__), CT_ERROR_NULL, "ct_" #name, "argument `x` is NULL");

static void null_operands(void **state)
{
    (void)state;
    NULL_X(neg) NULL_X(abs) NULL_X(sign) NULL_X(exp) NULL_X(expm1) NULL_X(log) NULL_X(log1p) NULL_X(sqrt) NULL_X(rsqrt)
    NULL_X(square) NULL_X(reciprocal) NULL_X(sin) NULL_X(cos) NULL_X(tan) NULL_X(asin) NULL_X(acos) NULL_X(atan)
    NULL_X(sinh) NULL_X(cosh) NULL_X(tanh) NULL_X(erf) NULL_X(sigmoid) NULL_X(softplus) NULL_X(relu) NULL_X(gelu)
    NULL_X(gelu_tanh) NULL_X(silu) NULL_X(floor) NULL_X(ceil) NULL_X(round) NULL_X(step) NULL_X(isnan) NULL_X(isinf)
    NULL_X(isfinite) NULL_X(detach) NULL_X(contiguous) NULL_X(clone) NULL_X(logical_not) NULL_X(transpose) NULL_X(diagonal)
    NULL_X(diag)
    NULL_XY(add) NULL_XY(sub) NULL_XY(mul) NULL_XY(div) NULL_XY(pow) NULL_XY(maximum) NULL_XY(minimum) NULL_XY(hypot)
    NULL_XY(logaddexp) NULL_XY(eq) NULL_XY(ne) NULL_XY(lt) NULL_XY(le) NULL_XY(gt) NULL_XY(ge) NULL_XY(logical_and)
    NULL_XY(logical_or) NULL_XY(logical_xor)
    NULL_AXES(sum) NULL_AXES(mean) NULL_AXES(prod) NULL_AXES(max) NULL_AXES(min) NULL_AXES(norm) NULL_AXES(logsumexp)
    NULL_AXES(any) NULL_AXES(all)
    NULL_FIRST(leaky_relu, 1) NULL_FIRST(elu, 1) NULL_FIRST(clamp, 0, 1) NULL_FIRST(cast, CT_F32)
    NULL_FIRST(var, CT_ALL, 1, false) NULL_FIRST(std, CT_ALL, 1, false) NULL_FIRST(argmax, 0, false)
    NULL_FIRST(argmin, 0, false) NULL_FIRST(cumsum, 0) NULL_FIRST(reshape, ct_shape(1)) NULL_FIRST(flatten, 0)
    NULL_FIRST(permute, ct_axes(0)) NULL_FIRST(swap_axes, 0, 0) NULL_FIRST(expand, ct_shape(1))
    NULL_FIRST(sum_to, ct_shape(1)) NULL_FIRST(squeeze, CT_ALL) NULL_FIRST(unsqueeze, 0) NULL_FIRST(slice, 0, 0, 1, 1)
    NULL_FIRST(select, 0, 0) NULL_FIRST(flip, CT_ALL) NULL_FIRST(pad, 0, 1, 1, 0) NULL_FIRST(softmax, 0)
    NULL_FIRST(log_softmax, 0) NULL_FIRST(index_select, 0, o.i) NULL_FIRST(gather, 0, o.i)
    NULL_FIRST(scatter_add, 0, o.i, o.x) NULL_FIRST(whiten, o.m) NULL_FIRST(split, 0, 2, (ct_tensor *[2]){NULL})
}

static void null_operands_with_other_names(void **state)
{
    (void)state;
    ct_tensor *const holes[] = {o.x, NULL};
    WRONG(ct_where(NULL, o.x, o.x), CT_ERROR_NULL, "ct_where", "argument `condition` is NULL");
    WRONG(ct_where(o.b, NULL, o.x), CT_ERROR_NULL, "ct_where", "argument `x` is NULL");
    WRONG(ct_where(o.b, o.x, NULL), CT_ERROR_NULL, "ct_where", "argument `y` is NULL");
    WRONG(ct_atan2(NULL, o.x), CT_ERROR_NULL, "ct_atan2", "argument `y` is NULL");
    WRONG(ct_atan2(o.x, NULL), CT_ERROR_NULL, "ct_atan2", "argument `x` is NULL");
    WRONG(ct_matmul(NULL, o.x), CT_ERROR_NULL, "ct_matmul", "argument `a` is NULL");
    WRONG(ct_matmul(o.x, NULL), CT_ERROR_NULL, "ct_matmul", "argument `b` is NULL");
    WRONG(ct_affine(NULL, o.m, o.v), CT_ERROR_NULL, "ct_affine", "argument `x` is NULL");
    WRONG(ct_affine(o.x, NULL, o.v), CT_ERROR_NULL, "ct_affine", "argument `w` is NULL");
    WRONG(ct_affine(o.x, o.m, NULL), CT_ERROR_NULL, "ct_affine", "argument `b` is NULL");
    WRONG(ct_concat(NULL, 2, 0), CT_ERROR_NULL, "ct_concat", "argument `x` is NULL");
    WRONG(ct_concat(holes, 2, 0), CT_ERROR_NULL, "ct_concat", "argument `x[1]` is NULL");
    WRONG(ct_stack(holes, 2, 0), CT_ERROR_NULL, "ct_stack", "argument `x[1]` is NULL");
    WRONG(ct_split(o.x, 0, 2, NULL), CT_ERROR_NULL, "ct_split", "argument `parts` is NULL");
    WRONG(ct_index_select(o.x, 0, NULL), CT_ERROR_NULL, "ct_index_select", "argument `index` is NULL");
    WRONG(ct_gather(o.x, 0, NULL), CT_ERROR_NULL, "ct_gather", "argument `index` is NULL");
    WRONG(ct_scatter_add(o.x, 0, o.i, NULL), CT_ERROR_NULL, "ct_scatter_add", "argument `src` is NULL");
    WRONG(ct_one_hot(NULL, 2, CT_F32), CT_ERROR_NULL, "ct_one_hot", "argument `index` is NULL");
    WRONG(ct_whiten(o.x, NULL), CT_ERROR_NULL, "ct_whiten", "argument `covariance` is NULL");
    WRONG(ct_log_det(NULL), CT_ERROR_NULL, "ct_log_det", "argument `covariance` is NULL");
}

/* ---- ops.h -------------------------------------------------------------------------------------------- */

static void pointwise_and_reductions(void **state)
{
    (void)state;
    WRONG(ct_add(o.x, o.v), CT_ERROR_SHAPE, "ct_add", "shapes do not broadcast: x is f32 [2, 3], y is f32 [4]");
    WRONG(ct_sub(o.x, o.view), CT_ERROR_SHAPE, "ct_sub", "x is f32 [2, 3], y is f32 [3, 2]");
    WRONG(ct_mul(o.x, o.d), CT_ERROR_DTYPE, "ct_mul", "x is f32 [2, 3], y is f64 [2, 3]; ct_cast one of them");
    WRONG(ct_div(o.i, o.i), CT_ERROR_VALUE, "ct_div", "division of integers by zero: x is i32 [2, 3]");
    WRONG(ct_hypot(o.d, o.x), CT_ERROR_DTYPE, "ct_hypot", "x is f64 [2, 3], y is f32 [2, 3]");
    WRONG(ct_atan2(o.d, o.v), CT_ERROR_SHAPE, "ct_atan2", "x is f32 [4], y is f64 [2, 3]");
    WRONG(ct_eq(o.x, o.d), CT_ERROR_DTYPE, "ct_eq", "x is f32 [2, 3], y is f64 [2, 3]");
    WRONG(ct_logical_and(o.b, o.v), CT_ERROR_SHAPE, "ct_logical_and", "x is bool [2, 3], y is f32 [4]");
    WRONG(ct_where(o.x, o.x, o.x), CT_ERROR_DTYPE, "ct_where", "the condition is f32 [2, 3]; expected bool");
    WRONG(ct_clamp(o.x, 1, -1), CT_ERROR_VALUE, "ct_clamp", "expected low <= high");
    WRONG(ct_cast(o.x, (ct_dtype)17), CT_ERROR_DTYPE, "ct_cast", "17 is no dtype");
    WRONG(ct_sum(o.x, ct_axes(2), false), CT_ERROR_SHAPE, "ct_sum", "axis 2 is out of range for x, which is f32 [2, 3]");
    WRONG(ct_mean(o.x, ct_axes(-3), false), CT_ERROR_SHAPE, "ct_mean", "axis -3 is out of range");
    WRONG(ct_prod(o.x, ct_axes(0, -2), false), CT_ERROR_SHAPE, "ct_prod", "axis -2 is named twice");
    WRONG(ct_max(o.empty, ct_axes(0), false), CT_ERROR_SHAPE, "ct_max", "f32 [0, 3]");
    WRONG(ct_min(o.empty, CT_ALL, false), CT_ERROR_SHAPE, "ct_min", "f32 [0, 3]");
    WRONG(ct_norm(o.s, ct_axes(0), false), CT_ERROR_SHAPE, "ct_norm", "axis 0 is out of range for x, which is f32 []");
    WRONG(ct_logsumexp(o.x, ct_axes(5), false), CT_ERROR_SHAPE, "ct_logsumexp", "axis 5");
    WRONG(ct_var(o.i, ct_axes(5), 1, false), CT_ERROR_SHAPE, "ct_var", "axis 5 is out of range for x");
    WRONG(ct_std(o.x, ct_axes(5), 1, false), CT_ERROR_SHAPE, "ct_std", "axis 5");
    WRONG(ct_any(o.b, ct_axes(2), false), CT_ERROR_SHAPE, "ct_any", "axis 2 is out of range for x, which is bool [2, 3]");
    WRONG(ct_all(o.x, ct_axes(2), false), CT_ERROR_SHAPE, "ct_all", "axis 2 is out of range for x");
    WRONG(ct_argmax(o.x, 2, false), CT_ERROR_SHAPE, "ct_argmax", "axis 2 is out of range");
    WRONG(ct_argmin(o.empty, 0, false), CT_ERROR_SHAPE, "ct_argmin", "no elements along axis 0");
    WRONG(ct_cumsum(o.x, -3), CT_ERROR_SHAPE, "ct_cumsum", "axis -3 is out of range");
    WRONG(ct_softmax(o.i, 2), CT_ERROR_SHAPE, "ct_softmax", "axis 2 is out of range for x, which is i32 [2, 3]");
    WRONG(ct_log_softmax(o.x, 2), CT_ERROR_SHAPE, "ct_log_softmax", "axis 2");
    WRONG(ct_matmul(o.x, o.x), CT_ERROR_SHAPE, "ct_matmul", "inner sizes differ: a is f32 [2, 3], b is f32 [2, 3]; transpose b?");
    WRONG(ct_affine(o.x, o.m, o.v), CT_ERROR_SHAPE, "ct_affine", "b is f32 [4]; expected b [3]");
    WRONG(ct_whiten(o.v, o.m), CT_ERROR_SHAPE, "ct_whiten", "the covariance is f32 [3, 3]; expected rows of length 3");
    WRONG(ct_whiten(o.x, o.m), CT_ERROR_VALUE, "ct_whiten", "is not positive definite");
    WRONG(ct_whiten(o.d, o.m), CT_ERROR_DTYPE, "ct_whiten", "x is f64 [2, 3], the covariance is f32 [3, 3]");
    WRONG(ct_log_det(o.x), CT_ERROR_SHAPE, "ct_log_det", "f32 [2, 3]; expected a square matrix");
    WRONG(ct_log_det(o.i), CT_ERROR_DTYPE, "ct_log_det", "i32 [2, 3]; expected f32 or f64");
    WRONG(ct_log_det(o.m), CT_ERROR_VALUE, "ct_log_det", "is not positive definite: pivot 0 is -1");
}

static void shapes_and_indices(void **state)
{
    (void)state;
    ct_tensor *parts[3];
    ct_tensor *const mixed[] = {o.x, o.d}, *const uneven[] = {o.x, o.v}, *const scalars[] = {o.s, o.s}, *const deep[] = {o.ranks};
    ct_shape nine = ct_shape();
    nine.rank = 9;
    WRONG(ct_reshape(o.x, ct_shape(4)), CT_ERROR_SHAPE, "ct_reshape", "x is f32 [2, 3] with 6 elements, but [4] has 4");
    WRONG(ct_reshape(o.x, ct_shape(-1, -1)), CT_ERROR_SHAPE, "ct_reshape", "two lengths of -1");
    WRONG(ct_reshape(o.x, nine), CT_ERROR_SHAPE, "ct_reshape", "rank 9");
    WRONG(ct_flatten(o.x, 2), CT_ERROR_SHAPE, "ct_flatten", "axis 2 is out of range");
    WRONG(ct_permute(o.x, ct_axes(0)), CT_ERROR_SHAPE, "ct_permute", "names 1 axes, but x is f32 [2, 3] with 2");
    WRONG(ct_permute(o.x, ct_axes(0, 0)), CT_ERROR_SHAPE, "ct_permute", "axis 0 is named twice");
    WRONG(ct_swap_axes(o.x, 0, 2), CT_ERROR_SHAPE, "ct_swap_axes", "axis 2 is out of range");
    WRONG(ct_expand(o.x, ct_shape(4, 3)), CT_ERROR_SHAPE, "ct_expand", "x is f32 [2, 3], which cannot become [4, 3]");
    WRONG(ct_expand(o.x, ct_shape(3)), CT_ERROR_SHAPE, "ct_expand", "cannot have 1 axes");
    WRONG(ct_sum_to(o.x, ct_shape(2)), CT_ERROR_SHAPE, "ct_sum_to", "x is f32 [2, 3], to which [2] does not broadcast");
    WRONG(ct_squeeze(o.x, ct_axes(0)), CT_ERROR_SHAPE, "ct_squeeze", "has length 2; expected 1");
    WRONG(ct_unsqueeze(o.x, 4), CT_ERROR_SHAPE, "ct_unsqueeze", "axis 4 is out of range");
    WRONG(ct_unsqueeze(o.ranks, 0), CT_ERROR_SHAPE, "ct_unsqueeze", "has all 8 axes");
    WRONG(ct_slice(o.x, 0, 0, 1, 0), CT_ERROR_VALUE, "ct_slice", "the step is 0");
    WRONG(ct_slice(o.x, 2, 0, 1, 1), CT_ERROR_SHAPE, "ct_slice", "axis 2 is out of range");
    WRONG(ct_select(o.x, 1, 3), CT_ERROR_INDEX, "ct_select", "index 3 is out of range: axis 1 of x, which is f32 [2, 3]");
    WRONG(ct_select(o.x, 1, -4), CT_ERROR_INDEX, "ct_select", "index -4 is out of range");
    WRONG(ct_flip(o.x, ct_axes(2)), CT_ERROR_SHAPE, "ct_flip", "axis 2 is out of range");
    WRONG(ct_diagonal(o.v), CT_ERROR_SHAPE, "ct_diagonal", "x is f32 [4]; expected 2 axes or more");
    WRONG(ct_diag(o.s), CT_ERROR_SHAPE, "ct_diag", "x is f32 []; expected 1 to 7 axes");
    WRONG(ct_pad(o.x, 0, -1, 0, 0), CT_ERROR_VALUE, "ct_pad", "-1 elements before and 0 after x");
    WRONG(ct_concat(mixed, 2, 0), CT_ERROR_DTYPE, "ct_concat", "x[1] is f64 [2, 3] and x[0] is f32 [2, 3]");
    WRONG(ct_concat(uneven, 2, 0), CT_ERROR_SHAPE, "ct_concat", "x[1] is f32 [4] and x[0] is f32 [2, 3]");
    WRONG(ct_concat(scalars, 2, 0), CT_ERROR_SHAPE, "ct_concat", "has no axis to join along; ct_stack");
    WRONG(ct_concat(mixed, 0, 0), CT_ERROR_VALUE, "ct_concat", "0 tensors; expected 1 or more");
    WRONG(ct_stack(uneven, 2, 0), CT_ERROR_SHAPE, "ct_stack", "x[1] is f32 [4] and x[0] is f32 [2, 3]");
    WRONG(ct_stack(deep, 1, 0), CT_ERROR_SHAPE, "ct_stack", "all 8 axes");
    WRONG(ct_stack(mixed, 1, 4), CT_ERROR_SHAPE, "ct_stack", "axis 4 is out of range");
    WRONG(ct_split(o.x, 1, 2, parts), CT_ERROR_SHAPE, "ct_split", "2 equal parts of axis 1 of x, which is f32 [2, 3]");
    WRONG(ct_index_select(o.x, 0, o.i), CT_ERROR_SHAPE, "ct_index_select", "the index is i32 [2, 3]; expected rank 1");
    WRONG(ct_index_select(o.x, 0, o.v), CT_ERROR_DTYPE, "ct_index_select", "the index is f32 [4]; expected i32, i64 or u8");
    WRONG(ct_index_select(o.x, 0, ct_of(ct_shape(2), CT_I64, 0, 2)), CT_ERROR_INDEX, "ct_index_select", "2 at [1] of the index");
    WRONG(ct_gather(o.x, 0, o.i), CT_ERROR_INDEX, "ct_gather", "2 at [0, 2] of the index, which is i32 [2, 3]");
    WRONG(ct_gather(o.v, 0, o.i), CT_ERROR_SHAPE, "ct_gather", "the index is i32 [2, 3] and x is f32 [4]");
    WRONG(ct_scatter_add(o.x, 1, o.i, o.x), CT_ERROR_INDEX, "ct_scatter_add", "3 at [1, 0] of the index");
    WRONG(ct_scatter_add(o.x, 1, o.i, o.d), CT_ERROR_DTYPE, "ct_scatter_add", "x is f32 [2, 3] and src is f64 [2, 3]");
    WRONG(ct_scatter_add(o.x, 1, o.i, o.m), CT_ERROR_SHAPE, "ct_scatter_add", "src is f32 [3, 3] and the index is i32 [2, 3]");
    WRONG(ct_one_hot(o.i, 5, CT_F32), CT_ERROR_INDEX, "ct_one_hot", "5 at [1, 2] of the index");
    WRONG(ct_one_hot(o.x, 5, CT_F32), CT_ERROR_DTYPE, "ct_one_hot", "the index is f32 [2, 3]");
    WRONG(ct_one_hot(o.i, -1, CT_F32), CT_ERROR_VALUE, "ct_one_hot", "-1 classes");
    WRONG(ct_one_hot(o.i, 6, (ct_dtype)9), CT_ERROR_DTYPE, "ct_one_hot", "9 is no dtype");
}

/* ---- tensor.h ----------------------------------------------------------------------------------------- */

static void creation(void **state)
{
    (void)state;
    ct_shape nine = ct_shape(), negative = ct_shape(2, -1);
    nine.rank = 9;
    const float values[] = {1, 2, 3};
    const ct_dtype none = (ct_dtype)6;
    WRONG(ct_zeros(negative, CT_F32), CT_ERROR_SHAPE, "ct_zeros", "shape [2, -1] has a negative length");
    WRONG(ct_zeros(ct_shape(2), none), CT_ERROR_DTYPE, "ct_zeros", "6 is no dtype");
    WRONG(ct_ones(nine, CT_F32), CT_ERROR_SHAPE, "ct_ones", "rank 9; expected 0 to 8");
    WRONG(ct_ones(ct_shape(INT64_MAX, 2), CT_U8), CT_ERROR_MEMORY, "ct_ones", "more elements than memory can hold");
    WRONG(ct_full(negative, 1, CT_F32), CT_ERROR_SHAPE, "ct_full", "[2, -1]");
    WRONG(ct_empty(ct_shape(2), none), CT_ERROR_DTYPE, "ct_empty", "no dtype");
    WRONG(ct_empty(ct_shape((int64_t)1 << 42), CT_F64), CT_ERROR_MEMORY, "ct_empty", "bytes are not to be had");
    WRONG(ct_arange(0, 1, 0, CT_F32), CT_ERROR_VALUE, "ct_arange", "step 0; expected");
    WRONG(ct_arange(0, 1, 0.1, none), CT_ERROR_DTYPE, "ct_arange", "no dtype");
    WRONG(ct_linspace(0, 1, -1, CT_F32), CT_ERROR_VALUE, "ct_linspace", "-1 values from 0 to 1");
    WRONG(ct_eye(-1, CT_F32), CT_ERROR_SHAPE, "ct_eye", "[-1, -1] has a negative length");
    WRONG(ct_from(NULL, ct_shape(3), CT_F32), CT_ERROR_NULL, "ct_from", "argument `data` is NULL");
    WRONG(ct_from(values, negative, CT_F32), CT_ERROR_SHAPE, "ct_from", "[2, -1]");
    WRONG(ct_from_values((double[]){1, 2}, 2, ct_shape(3), CT_F32), CT_ERROR_SHAPE, "ct_from_values", "2 values for shape [3]");
    WRONG(ct_from_values(NULL, 3, ct_shape(3), CT_F32), CT_ERROR_NULL, "ct_from_values", "argument `values` is NULL");
    WRONG(ct_of(ct_shape(2, 2), CT_F32, 1, 2, 3), CT_ERROR_SHAPE, "ct_from_values", "3 values for shape [2, 2], which has 4");
    WRONG(ct_wrap(NULL, ct_shape(3), CT_F32, NULL, NULL), CT_ERROR_NULL, "ct_wrap", "argument `data` is NULL");
    WRONG(ct_wrap((char *)o.x + 1, ct_shape(3), CT_F32, NULL, NULL), CT_ERROR_VALUE, "ct_wrap", "is not aligned to 4 bytes");
    WRONG(ct_uniform(ct_shape(2), 1, 0, CT_F32), CT_ERROR_VALUE, "ct_uniform", "from 1 to 0");
    WRONG(ct_uniform(ct_shape(2), 0, 1, CT_I32), CT_ERROR_DTYPE, "ct_uniform", "dtype i32; expected f32 or f64");
    WRONG(ct_normal(ct_shape(2), 0, -1, CT_F32), CT_ERROR_VALUE, "ct_normal", "mean 0, std -1");
    WRONG(ct_normal(negative, 0, 1, CT_F64), CT_ERROR_SHAPE, "ct_normal", "[2, -1]");
    WRONG(ct_permutation(-1), CT_ERROR_SHAPE, "ct_permutation", "[-1]");
}

static void accessors_and_owners(void **state)
{
    (void)state;
    WRONG(ct_rank(NULL), CT_ERROR_NULL, "ct_rank", "argument `t` is NULL");
    WRONG(ct_dim(NULL, 0), CT_ERROR_NULL, "ct_dim", "argument `t` is NULL");
    WRONG(ct_dim(o.x, 2), CT_ERROR_SHAPE, "ct_dim", "axis 2 is out of range; a tensor of rank 2 has axes -2 to 1");
    WRONG(ct_dim(o.s, 0), CT_ERROR_SHAPE, "ct_dim", "a tensor of rank 0 has no axes");
    WRONG(ct_count_of(NULL), CT_ERROR_NULL, "ct_count_of", "argument `t` is NULL");
    WRONG_ANYWHERE((bool)ct_dtype_of(NULL), CT_ERROR_NULL, "ct_dtype_of", "argument `t` is NULL");
    WRONG_ANYWHERE((bool)ct_shape_get(NULL).rank, CT_ERROR_NULL, "ct_shape_get", "argument `t` is NULL");
    WRONG_ANYWHERE((bool)ct_strides(NULL).rank, CT_ERROR_NULL, "ct_strides", "argument `t` is NULL");
    WRONG_ANYWHERE(ct_is_contiguous(NULL), CT_ERROR_NULL, "ct_is_contiguous", "argument `t` is NULL");
    WRONG_ANYWHERE(ct_keep(NULL), CT_ERROR_NULL, "ct_keep", "argument `t` is NULL");
    WRONG_ANYWHERE(ct_scope_return(NULL), CT_ERROR_NULL, "ct_scope_return", "argument `t` is NULL");
    WRONG_ANYWHERE(ct_share(NULL), CT_ERROR_NULL, "ct_share", "argument `t` is NULL");
    WRONG(ct_alias(NULL), CT_ERROR_NULL, "ct_alias", "argument `x` is NULL");
}

static void reading(void **state)
{
    (void)state;
    double room[6];
    char text[40];
    WRONG(ct_item(NULL), CT_ERROR_NULL, "ct_item", "argument `t` is NULL");
    WRONG(ct_item(o.x), CT_ERROR_SHAPE, "ct_item", "t has 6 elements, it is f32 [2, 3]; expected one");
    WRONG(ct_get(NULL, ct_index(0)), CT_ERROR_NULL, "ct_get", "argument `t` is NULL");
    WRONG(ct_get(o.x, ct_index(0)), CT_ERROR_INDEX, "ct_get", "an index of 1 numbers into t, which is f32 [2, 3]; expected 2");
    WRONG(ct_get(o.x, ct_index(0, 3)), CT_ERROR_INDEX, "ct_get", "index [0, 3] is out of range in axis 1");
    WRONG(ct_copy_out(o.x, room, 23), CT_ERROR_VALUE, "ct_copy_out", "room for 23 bytes; t, which is f32 [2, 3], has 24");
    WRONG(ct_copy_out(o.x, NULL, 24), CT_ERROR_NULL, "ct_copy_out", "argument `to` is NULL");
    WRONG(ct_copy_values(o.x, room, 5), CT_ERROR_VALUE, "ct_copy_values", "room for 5 values");
    WRONG(ct_copy_values(NULL, room, 6), CT_ERROR_NULL, "ct_copy_values", "argument `t` is NULL");
    WRONG(ct_data(o.view), CT_ERROR_SHAPE, "ct_data", "f32 [3, 2], is a view");
    WRONG(ct_data(NULL), CT_ERROR_NULL, "ct_data", "argument `t` is NULL");
    WRONG(ct_equal(NULL, o.x), CT_ERROR_NULL, "ct_equal", "argument `a` is NULL");
    WRONG(ct_equal(o.x, NULL), CT_ERROR_NULL, "ct_equal", "argument `b` is NULL");
    WRONG(ct_allclose(o.x, o.x, -1, 0), CT_ERROR_VALUE, "ct_allclose", "tolerances -1 and 0");
    WRONG(ct_allclose(o.x, NULL, 0, 0), CT_ERROR_NULL, "ct_allclose", "argument `b` is NULL");
    WRONG(ct_print(stdout, NULL), CT_ERROR_NULL, "ct_print", "argument `t` is NULL");
    WRONG(ct_print(NULL, o.x), CT_ERROR_NULL, "ct_print", "argument `to` is NULL");
    WRONG(ct_print_with(stdout, o.x, (ct_print_options){.precision = -1}), CT_ERROR_VALUE, "ct_print_with", "precision -1");
    WRONG(ct_format(NULL, 40, o.x, (ct_print_options){0}), CT_ERROR_NULL, "ct_format", "argument `buffer` is NULL");
    WRONG(ct_format(text, sizeof text, NULL, (ct_print_options){0}), CT_ERROR_NULL, "ct_format", "argument `t` is NULL");
}

static void changes_in_place(void **state)
{
    (void)state;
    ct_tensor *none[] = {NULL}, *x[] = {o.x}, *d[] = {o.d}, *v[] = {o.v}, *i[] = {o.i}, *z[] = {o.view};
    const ct_sgd_step sgd = {.lr = 0.1};
    const ct_adam_step adam = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .t = 0};
    ct_adam_step first = adam;
    first.t = 1;
    WRONG(ct_set(NULL, ct_index(0), 1), CT_ERROR_NULL, "ct_set", "argument `t` is NULL");
    WRONG(ct_set(o.x, ct_index(2, 0), 1), CT_ERROR_INDEX, "ct_set", "index [2, 0] is out of range in axis 0");
    WRONG(ct_set(o.leaf, ct_index(0), 1), CT_ERROR_GRAPH, "ct_set", "f64 [2] needs a gradient");
    WRONG(ct_fill_(NULL, 1), CT_ERROR_NULL, "ct_fill_", "argument `t` is NULL");
    WRONG(ct_fill_(o.repeat, 1), CT_ERROR_SHAPE, "ct_fill_", "f32 [4, 3], is an expanded view");
    WRONG(ct_copy_(o.x, NULL), CT_ERROR_NULL, "ct_copy_", "argument `x` is NULL");
    WRONG(ct_copy_(o.x, o.v), CT_ERROR_SHAPE, "ct_copy_", "x, which is f32 [4], does not broadcast to t, which is f32 [2, 3]");
    WRONG(ct_add_(NULL, 1, o.x), CT_ERROR_NULL, "ct_add_", "argument `t` is NULL");
    WRONG(ct_add_(o.b, 1, o.x), CT_ERROR_DTYPE, "ct_add_", "t is bool [2, 3]; expected numbers");
    WRONG(ct_add_(o.i, 0.5, o.i), CT_ERROR_VALUE, "ct_add_", "a factor of 0.5 for t, which is i32 [2, 3]");
    WRONG(ct_mul_(o.x, o.view), CT_ERROR_SHAPE, "ct_mul_", "x, which is f32 [3, 2], does not broadcast");
    WRONG(ct_mul_(o.leaf, o.leaf), CT_ERROR_GRAPH, "ct_mul_", "use CT_NO_GRAD");
    WRONG(ct_scale_(o.i, 0.5), CT_ERROR_VALUE, "ct_scale_", "a factor of 0.5");
    WRONG(ct_touch(NULL), CT_ERROR_NULL, "ct_touch", "argument `t` is NULL");
    WRONG(ct_sgd_step_(NULL, x, NULL, 1, sgd), CT_ERROR_NULL, "ct_sgd_step_", "argument `params` is NULL");
    WRONG(ct_sgd_step_(none, x, NULL, 1, sgd), CT_ERROR_NULL, "ct_sgd_step_", "params[0] is NULL");
    WRONG(ct_sgd_step_(x, d, NULL, 1, sgd), CT_ERROR_DTYPE, "ct_sgd_step_", "grads[0] is f64 [2, 3], but params[0] is f32");
    WRONG(ct_sgd_step_(x, v, NULL, 1, sgd), CT_ERROR_SHAPE, "ct_sgd_step_", "grads[0] is f32 [4], but params[0] is f32 [2, 3]");
    WRONG(ct_sgd_step_(i, i, NULL, 1, sgd), CT_ERROR_DTYPE, "ct_sgd_step_", "params[0] is i32 [2, 3]; expected f32 or f64");
    WRONG(ct_sgd_step_(z, z, NULL, 1, sgd), CT_ERROR_SHAPE, "ct_sgd_step_", "is a view that is not contiguous");
    WRONG(ct_adam_step_(x, x, x, x, 1, adam), CT_ERROR_VALUE, "ct_adam_step_", "t 0; expected");
    WRONG(ct_adam_step_(x, x, NULL, x, 1, first), CT_ERROR_NULL, "ct_adam_step_", "argument `m` is NULL");
}

/* ---- autograd.h --------------------------------------------------------------------------------------- */

static int twice(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_add(in[0], in[0]);
    return 0;
}

static int nothing(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context, (void)in, (void)out;
    return 0;
}

static int seven(void *context, ct_tensor *const *in, ct_tensor **out)
{
    return twice(context, in, out) + 7;
}

static int hook(ct_tensor *gradient, ct_tensor **replacement, void *context)
{
    (void)gradient, (void)replacement, (void)context;
    return 0;
}

static void leaves(void **state)
{
    (void)state;
    ct_tensor *y = ct_exp(o.leaf);
    WRONG(ct_requires_grad(NULL, true), CT_ERROR_NULL, "ct_requires_grad", "argument `t` is NULL");
    WRONG(ct_requires_grad(o.i, true), CT_ERROR_DTYPE, "ct_requires_grad", "t is i32 [2, 3]; only f32 and f64 have gradients");
    WRONG(ct_requires_grad(y, false), CT_ERROR_GRAPH, "ct_requires_grad", "t is the result of ct_exp");
    WRONG_ANYWHERE(ct_needs_grad(NULL), CT_ERROR_NULL, "ct_needs_grad", "argument `t` is NULL");
    WRONG_ANYWHERE(ct_has_grad(NULL), CT_ERROR_NULL, "ct_has_grad", "argument `leaf` is NULL");
    WRONG(ct_grad_of(NULL), CT_ERROR_NULL, "ct_grad_of", "argument `leaf` is NULL");
    WRONG(ct_grad_of(o.leaf), CT_ERROR_GRAPH, "ct_grad_of", "the leaf, f64 [2], has no gradient yet");
    WRONG(ct_grad_of(o.x), CT_ERROR_GRAPH, "ct_grad_of", "f32 [2, 3], does not need a gradient");
    WRONG(ct_grad_of(y), CT_ERROR_GRAPH, "ct_grad_of", "no leaf but the result of ct_exp");
    WRONG(ct_zero_grad(o.x), CT_ERROR_GRAPH, "ct_zero_grad", "does not need a gradient");
    WRONG(ct_spend_grad(NULL), CT_ERROR_NULL, "ct_spend_grad", "argument `leaf` is NULL");
    WRONG(ct_set_grad(o.leaf, NULL), CT_ERROR_NULL, "ct_set_grad", "argument `gradient` is NULL");
    WRONG(ct_set_grad(o.leaf, o.x), CT_ERROR_SHAPE, "ct_set_grad", "gradient is f32 [2, 3], the leaf is f64 [2]");
    WRONG(ct_set_data(o.leaf, NULL), CT_ERROR_NULL, "ct_set_data", "argument `values` is NULL");
    WRONG(ct_set_data(o.leaf, o.x), CT_ERROR_SHAPE, "ct_set_data", "f32 [2, 3]");
    WRONG(ct_add_hook(NULL, hook, NULL), CT_ERROR_NULL, "ct_add_hook", "argument `t` is NULL");
    WRONG(ct_add_hook(o.leaf, NULL, NULL), CT_ERROR_NULL, "ct_add_hook", "argument `hook` is NULL");
    WRONG(ct_add_hook(o.x, hook, NULL), CT_ERROR_GRAPH, "ct_add_hook", "f32 [2, 3], does not need a gradient");
}

static void reverse_mode(void **state)
{
    (void)state;
    const ct_grad_options keep = {.retain_graph = true};
    ct_tensor *y = ct_exp(o.leaf), *g[2], *none[] = {NULL}, *x[] = {o.x}, *leaf[] = {o.leaf};
    ct_tensor *rows[] = {ct_ones(ct_shape(3), CT_F64)};
    WRONG(ct_backward(NULL), CT_ERROR_NULL, "ct_backward", "argument `loss` is NULL");
    WRONG(ct_backward(y), CT_ERROR_SHAPE, "ct_backward", "the loss is f64 [2]; expected one element");
    WRONG(ct_backward(o.s), CT_ERROR_GRAPH, "ct_backward", "f32 [] does not depend on any tensor that needs a gradient");
    WRONG(ct_backward_with(NULL, NULL, 1, keep), CT_ERROR_NULL, "ct_backward_with", "argument `outputs` is NULL");
    WRONG(ct_backward_with(&y, NULL, 0, keep), CT_ERROR_VALUE, "ct_backward_with", "0 outputs; expected at least 1");
    WRONG(ct_backward_with(&y, rows, 1, keep), CT_ERROR_SHAPE, "ct_backward_with", "cotangent 1 is f64 [3], its output is");
    WRONG(ct_backward_with(none, NULL, 1, keep), CT_ERROR_NULL, "ct_backward_with", "argument `outputs[]` is NULL");
    WRONG(ct_grad(NULL, NULL, 1, leaf, 1, g, keep), CT_ERROR_NULL, "ct_grad", "argument `outputs` is NULL");
    WRONG(ct_grad(&y, NULL, 1, NULL, 0, g, keep), CT_ERROR_NULL, "ct_grad", "argument `inputs` is NULL");
    WRONG(ct_grad(&y, NULL, 1, leaf, 1, NULL, keep), CT_ERROR_NULL, "ct_grad", "argument `grads` is NULL");
    WRONG(ct_grad(&y, NULL, 1, x, 1, g, keep), CT_ERROR_GRAPH, "ct_grad", "input 1, f32 [2, 3], does not need a gradient");
    WRONG(ct_grad(&y, none, 1, leaf, 1, g, keep), CT_ERROR_NULL, "ct_grad", "argument `cotangents[]` is NULL");
    WRONG(ct_grad(&y, rows, 1, leaf, 1, g, keep), CT_ERROR_SHAPE, "ct_grad", "cotangent 1 is f64 [3]");
    WRONG(ct_grad(&y, NULL, 0, leaf, 1, g, keep), CT_ERROR_VALUE, "ct_grad", "0 outputs and 1 inputs");
    WRONG(ct_derivative(y, o.leaf, keep), CT_ERROR_SHAPE, "ct_derivative", "output is f64 [2]; expected one element");
    WRONG(ct_derivative(ct_sum(y, CT_ALL, false), o.x, keep), CT_ERROR_GRAPH, "ct_derivative", "does not need a gradient");
    WRONG(ct_derivative(NULL, o.leaf, keep), CT_ERROR_NULL, "ct_derivative", "argument `output` is NULL");
}

static void functions_and_modes(void **state)
{
    (void)state;
    ct_tensor *x[] = {o.x}, *d[] = {o.d}, *v[] = {o.v}, *none[] = {NULL}, *g[1], *out[1];
    WRONG(ct_jvp(NULL, NULL, x, x, 1, out, g, 1), CT_ERROR_NULL, "ct_jvp", "argument `f` is NULL");
    WRONG(ct_jvp(twice, NULL, none, x, 1, out, g, 1), CT_ERROR_NULL, "ct_jvp", "argument `in[]` is NULL");
    WRONG(ct_jvp(twice, NULL, x, v, 1, out, g, 1), CT_ERROR_SHAPE, "ct_jvp", "tangent 1 is f32 [4], its input is f32 [2, 3]");
    WRONG(ct_jvp(twice, NULL, x, d, 1, out, g, 1), CT_ERROR_DTYPE, "ct_jvp", "tangent 1 is f64 [2, 3], its input is f32 [2, 3]");
    WRONG(ct_jvp(seven, NULL, x, x, 1, out, g, 1), CT_ERROR_USER, "ct_jvp", "the function returned 7");
    WRONG(ct_jvp(nothing, NULL, x, x, 1, out, g, 1), CT_ERROR_NULL, "ct_jvp", "the function left output 1 unset");
    WRONG(ct_jvp(twice, NULL, x, x, -1, out, g, 1), CT_ERROR_VALUE, "ct_jvp", "-1 inputs");
    WRONG(ct_vjp(twice, NULL, x, 1, NULL, out, 1, g), CT_ERROR_NULL, "ct_vjp", "argument `cotangents` is NULL");
    WRONG(ct_vjp(twice, NULL, none, 1, x, out, 1, g), CT_ERROR_NULL, "ct_vjp", "argument `in[]` is NULL");
    WRONG(ct_vjp(twice, NULL, x, 1, v, out, 1, g), CT_ERROR_SHAPE, "ct_vjp", "cotangent 1 is f32 [4], its output is f32 [2, 3]");
    WRONG(ct_vjp(twice, NULL, x, 1, none, out, 1, g), CT_ERROR_NULL, "ct_vjp", "argument `cotangents[]` is NULL");
    WRONG(ct_vjp(seven, NULL, x, 1, x, out, 1, g), CT_ERROR_USER, "ct_vjp", "the function returned 7");
    WRONG(ct_jacobian(NULL, NULL, o.x, CT_MODE_AUTO), CT_ERROR_NULL, "ct_jacobian", "argument `f` is NULL");
    WRONG(ct_jacobian(twice, NULL, NULL, CT_MODE_AUTO), CT_ERROR_NULL, "ct_jacobian", "argument `x` is NULL");
    WRONG(ct_jacobian(twice, NULL, o.i, CT_MODE_AUTO), CT_ERROR_DTYPE, "ct_jacobian", "x is i32 [2, 3]; expected f32 or f64");
    WRONG(ct_jacobian(twice, NULL, o.ranks, CT_MODE_AUTO), CT_ERROR_SHAPE, "ct_jacobian", "ranks add up to more than 8");
    WRONG(ct_jacobian(seven, NULL, o.x, CT_MODE_AUTO), CT_ERROR_USER, "ct_jacobian", "the function returned 7");
    WRONG(ct_jacobian(nothing, NULL, o.x, CT_MODE_REVERSE), CT_ERROR_NULL, "ct_jacobian", "the function left output 1 unset");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        row_test(null_operands),      row_test(null_operands_with_other_names), row_test(pointwise_and_reductions),
        row_test(shapes_and_indices), row_test(creation),                       row_test(accessors_and_owners),
        row_test(reading),            row_test(changes_in_place),               row_test(leaves),
        row_test(reverse_mode),       row_test(functions_and_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
