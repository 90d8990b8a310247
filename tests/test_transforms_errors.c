/*
 * test_transforms_errors.c - what transforms say when the function fails or an argument is wrong. Results are NULL then, and
 * nothing is left alive.
 */
#include "support.h"

static ct_tensor *vector(double a, double b, double c) { return ct_of(ct_shape(3), CT_F64, a, b, c); }

/* ---- functions ---- */

/* (x, w, k) -> (x * w, sum of x_k) with an index k */
static int two_results(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_mul(in[0], in[1]);
    out[1] = ct_sum(ct_index_select(in[0], 0, in[2]), CT_ALL, false);
    return 0;
}

static int squares(void *context, ct_tensor *const *in, ct_tensor **out) { return (void)context, out[0] = ct_square(in[0]), 0; }
static int returns_three(void *context, ct_tensor *const *in, ct_tensor **out) { return (void)context, (void)in, (void)out, 3; }
static int sets_nothing(void *context, ct_tensor *const *in, ct_tensor **out) { return (void)context, (void)in, (void)out, 0; }
static int adds_misfits(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_add(in[0], ct_ones(ct_shape(7), CT_F64));
    return 0;
}

/* the sum of squares */
static int total(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_sum(ct_square(in[0]), CT_ALL, false);
    return 0;
}

/* ---- errors ---- */

static void failing_functions_are_named_by_the_transform(void **state)
{
    (void)state;
    static const struct {
        ct_function f;
        ct_status status;
        const char *operation, *part; /* operation NULL: that of the transform */
    } faults[] = {{returns_three, CT_ERROR_USER, NULL, "the function returned 3"},
                  {sets_nothing, CT_ERROR_NULL, NULL, "output 1 unset"},
                  {adds_misfits, CT_ERROR_SHAPE, "ct_add", "f64 [7]"}};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        CT_SCOPE;
        ct_tensor *x = vector(1, 2, 3), *y = x, *d[4] = {x, x, x, x};
        const ct_function f = faults[i].f;
#define FAILS(call, name)                                                                                              \
    assert_false(call);                                                                                                \
    assert_null(d[0]);                                                                                                 \
    assert_error(faults[i].status, faults[i].operation ? faults[i].operation : name, faults[i].part)
        FAILS(ct_jvp(f, NULL, &x, &x, 1, &y, d, 1), "ct_jvp");
        assert_null(y);
        FAILS(ct_vjp(f, NULL, &x, 1, &x, &y, 1, d), "ct_vjp");
        FAILS(ct_value_and_grad(f, NULL, &x, 1, &y, d), "ct_value_and_grad");
        FAILS(ct_linearize(f, NULL, &x, 1, d, 1), "ct_linearize");
        FAILS(ct_jacobian(f, NULL, x, CT_MODE_REVERSE), "ct_jacobian");
        FAILS(ct_jacobian(f, NULL, x, CT_MODE_FORWARD), "ct_jacobian");
        FAILS(ct_jacobian(f, NULL, x, CT_MODE_AUTO), "ct_jacobian");
        FAILS(ct_hessian(f, NULL, x), "ct_hessian");
        FAILS(ct_hvp(f, NULL, &x, &x, 1, &y, d), "ct_hvp");
        FAILS(ct_taylor(f, NULL, x, x, 3, d), "ct_taylor");
        FAILS(ct_taylor(f, NULL, x, x, 0, d), "ct_taylor");
#undef FAILS
    }
    assert_clean();
}

static void wrong_arguments_are_described(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = vector(1, 2, 3), *f32 = ct_ones(ct_shape(3), CT_F32), *two = ct_ones(ct_shape(2), CT_F64), *d[4];
        ct_tensor *k = ct_zeros(ct_shape(3), CT_I64), *null = NULL;
        assert_false(ct_jvp(squares, NULL, &x, &two, 1, NULL, d, 1));
        assert_error(CT_ERROR_SHAPE, "ct_jvp", "tangent 1 is f64 [2], its input is f64 [3]");
        assert_false(ct_jvp(squares, NULL, &x, &f32, 1, NULL, d, 1));
        assert_error(CT_ERROR_DTYPE, "ct_jvp", "tangent 1 is f32 [3], its input is f64 [3]; ct_cast?");
        assert_false(ct_jvp(squares, NULL, &k, &k, 1, NULL, d, 1));
        assert_error(CT_ERROR_DTYPE, "ct_jvp", "input 1 is i64 [3], which has no derivative; expected no tangent (NULL)");
        assert_false(ct_jvp(squares, NULL, &null, &x, 1, NULL, d, 1));
        assert_error(CT_ERROR_NULL, "ct_jvp", "`in[]`");
        assert_false(ct_jvp(squares, NULL, &x, &x, -1, NULL, d, 1));
        assert_error(CT_ERROR_VALUE, "ct_jvp", "-1 inputs");
        assert_false(ct_vjp(squares, NULL, &x, 1, &two, NULL, 1, d));
        assert_error(CT_ERROR_SHAPE, "ct_vjp", "cotangent 1 is f64 [2], its output is f64 [3]");
        assert_false(ct_vjp(squares, NULL, &x, 1, (ct_tensor *[]){ct_ones(ct_shape(2, 3), CT_F64)}, NULL, 1, d));
        assert_error(CT_ERROR_SHAPE, "ct_vjp",
                     "cotangent 1 is f64 [2, 3], its output is f64 [3]"); /* stacks only with a linear map */
        assert_false(ct_vjp(squares, NULL, &x, 1, &null, NULL, 1, d));
        assert_error(CT_ERROR_NULL, "ct_vjp", "`cotangents[]`");
        assert_null(ct_jacobian(squares, NULL, k, CT_MODE_AUTO));
        assert_error(CT_ERROR_DTYPE, "ct_jacobian", "x is i64 [3]; expected f32 or f64");
        assert_null(ct_jacobian(squares, NULL, x, (ct_mode)17));
        assert_error(CT_ERROR_VALUE, "ct_jacobian", "mode 17");
        assert_null(ct_jacobian(squares, NULL, ct_ones(ct_shape(1, 1, 1, 1, 1), CT_F64), CT_MODE_AUTO));
        assert_error(CT_ERROR_SHAPE, "ct_jacobian", "their ranks add up to more than 8");
        assert_null(ct_hessian(total, NULL, ct_ones(ct_shape(1, 1, 1, 1, 1), CT_F64)));
        assert_error(CT_ERROR_SHAPE, "ct_hessian", "expected at most 4 axes");
        assert_null(ct_hessian(squares, NULL, x));
        assert_error(CT_ERROR_SHAPE, "ct_hessian", "the function's value is f64 [3]; expected one element");
        assert_false(ct_hvp(total, NULL, &x, &two, 1, NULL, d));
        assert_error(CT_ERROR_SHAPE, "ct_hvp", "tangent 1 is f64 [2]");
        assert_false(ct_taylor(squares, NULL, x, two, 2, d));
        assert_error(CT_ERROR_SHAPE, "ct_taylor", "the direction is f64 [2], x is f64 [3]");
        assert_false(ct_taylor(squares, NULL, x, x, -1, d));
        assert_error(CT_ERROR_VALUE, "ct_taylor", "order -1");
        assert_false(ct_taylor(squares, NULL, x, x, 65, (ct_tensor *[66]){0}));
        assert_error(CT_ERROR_VALUE, "ct_taylor", "order 65; expected 0 to 64");
        assert_false(ct_taylor(squares, NULL, k, k, 1, d));
        assert_error(CT_ERROR_DTYPE, "ct_taylor", "x is i64 [3]");
    }
    assert_clean();
}

static void null_arguments_are_named(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = vector(1, 2, 3), *d[4];
#define MISSES(call, name, argument)                                                                                   \
    assert_false(call);                                                                                                \
    assert_error(CT_ERROR_NULL, name, "`" argument "`")
        MISSES(ct_jvp(NULL, NULL, &x, &x, 1, NULL, d, 1), "ct_jvp", "f");
        MISSES(ct_jvp(squares, NULL, NULL, &x, 1, NULL, d, 1), "ct_jvp", "in");
        MISSES(ct_jvp(squares, NULL, &x, NULL, 1, NULL, d, 1), "ct_jvp", "tangents");
        MISSES(ct_jvp(squares, NULL, &x, &x, 1, NULL, NULL, 1), "ct_jvp", "dout");
        MISSES(ct_vjp(NULL, NULL, &x, 1, &x, NULL, 1, d), "ct_vjp", "f");
        MISSES(ct_vjp(squares, NULL, &x, 1, NULL, NULL, 1, d), "ct_vjp", "cotangents");
        MISSES(ct_vjp(squares, NULL, &x, 1, &x, NULL, 1, NULL), "ct_vjp", "din");
        MISSES(ct_value_and_grad(total, NULL, NULL, 1, NULL, d), "ct_value_and_grad", "in");
        MISSES(ct_value_and_grad(total, NULL, &x, 1, NULL, NULL), "ct_value_and_grad", "grads");
        MISSES(ct_linearize(NULL, NULL, &x, 1, NULL, 1), "ct_linearize", "f");
        MISSES(ct_linearize(squares, NULL, NULL, 1, NULL, 1), "ct_linearize", "in");
        MISSES(ct_linear_apply(NULL, &x, d), "ct_linear_apply", "map");
        MISSES(ct_linear_transpose(NULL, &x, d), "ct_linear_transpose", "map");
        MISSES(ct_jacobian(NULL, NULL, x, CT_MODE_AUTO), "ct_jacobian", "f");
        MISSES(ct_jacobian(squares, NULL, NULL, CT_MODE_AUTO), "ct_jacobian", "x");
        MISSES(ct_hessian(NULL, NULL, x), "ct_hessian", "f");
        MISSES(ct_hessian(total, NULL, NULL), "ct_hessian", "x");
        MISSES(ct_hvp(total, NULL, &x, NULL, 1, NULL, d), "ct_hvp", "v");
        MISSES(ct_hvp(total, NULL, &x, &x, 1, NULL, NULL), "ct_hvp", "product");
        MISSES(ct_taylor(squares, NULL, NULL, x, 1, d), "ct_taylor", "x");
        MISSES(ct_taylor(squares, NULL, x, NULL, 1, d), "ct_taylor", "direction");
        MISSES(ct_taylor(squares, NULL, x, x, 1, NULL), "ct_taylor", "derivatives");
#undef MISSES
    }
    assert_clean();
}

static void wrong_tangents_of_a_linear_map(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *in[] = {vector(1, 2, 3), vector(4, 5, 6), ct_of(ct_shape(2), CT_I64, 0, 2)}, *d[3];
        ct_tensor *stack = ct_ones(ct_shape(4, 3), CT_F64), *other = ct_ones(ct_shape(5, 3), CT_F64);
        ct_linear_map *map = ct_linearize(two_results, NULL, in, 3, NULL, 2);
        assert_false(ct_linear_apply(map, NULL, d));
        assert_error(CT_ERROR_NULL, "ct_linear_apply", "`tangents`");
        assert_false(ct_linear_apply(map, in, NULL));
        assert_error(CT_ERROR_NULL, "ct_linear_apply", "`dout`");
        assert_false(ct_linear_apply(map, (ct_tensor *[]){ct_ones(ct_shape(2), CT_F64), NULL, NULL}, d));
        assert_null(d[0]);
        assert_error(CT_ERROR_SHAPE, "ct_linear_apply", "tangent 1 is f64 [2], its input is f64 [3]");
        assert_false(ct_linear_apply(map, (ct_tensor *[]){NULL, ct_ones(ct_shape(3), CT_F32), NULL}, d));
        assert_error(CT_ERROR_DTYPE, "ct_linear_apply", "tangent 2 is f32 [3], its input is f64 [3]; ct_cast?");
        assert_false(ct_linear_apply(map, (ct_tensor *[]){NULL, NULL, in[2]}, d));
        assert_error(CT_ERROR_DTYPE, "ct_linear_apply", "input 3 is i64 [2], which has no derivative");
        assert_false(ct_linear_apply(map, (ct_tensor *[]){stack, other, NULL}, d));
        assert_error(CT_ERROR_SHAPE, "ct_linear_apply", "the leading axes differ from the others', [4]");
        assert_false(ct_linear_apply(map, (ct_tensor *[]){stack, in[1], NULL}, d));
        assert_error(CT_ERROR_SHAPE, "ct_linear_apply", "the leading axes differ from the others', [4]");
        assert_false(ct_linear_apply(map, (ct_tensor *[]){ct_ones(ct_shape(1, 1, 1, 1, 1, 1, 1, 3), CT_F64), NULL, NULL}, d) &&
                     ct_linear_transpose(map, (ct_tensor *[]){stack, NULL}, d));
        assert_error(CT_ERROR_NULL, "ct_linear_transpose", "`cotangents[]`");
        ct_linear_free(map);
        /* a failed argument is no absent tangent */
        map = ct_linearize(squares, NULL, in, 1, NULL, 1);
        ct_tensor *failed = ct_add(in[0], in[2]);
        assert_false(ct_linear_apply(map, &failed, d));
        assert_error(CT_ERROR_SHAPE, "ct_add", "broadcast");
        ct_linear_free(map);
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failing_functions_are_named_by_the_transform),
        cmocka_unit_test(wrong_arguments_are_described),
        cmocka_unit_test(null_arguments_are_named),
        cmocka_unit_test(wrong_tangents_of_a_linear_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
