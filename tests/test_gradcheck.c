/*
 * test_gradcheck.c - ct_gradcheck and ct_gradgradcheck: right derivatives pass, wrong ones do not, and functions that misbehave
 * are reported for what they do.
 */
#include "planted.h"

/* ---- gradcheck: right derivatives pass ------------------------------------------------------------------------------- */

/* Two outputs, an index among the inputs, broadcasting. */
static int mixed(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    ct_tensor *rows_of_w = ct_index_select(in[0], 0, in[1]);
    out[0] = ct_tanh(ct_matmul(rows_of_w, in[2]));
    out[1] = ct_add(ct_logsumexp(out[0], ct_axes(-1), false), ct_sum(ct_exp(in[3]), CT_ALL, false));
    return out[0] && out[1] ? 0 : 1;
}

static void right_derivatives_pass(void **state)
{
    (void)state;
    for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
        const ct_dtype f = (ct_dtype)dtype;
        ct_tensor *in[] = {ct_uniform(ct_shape(4, 3), -1, 1, f), ct_of(ct_shape(3), CT_I64, 2, 0, 2),
                           ct_uniform(ct_shape(3, 2), -1, 1, f),
                           ct_uniform(ct_shape(), -1, 1, f)};
        assert_true(ct_gradcheck(mixed, NULL, in, 4, 2, (ct_gradcheck_options){0}));
        assert_true(ct_gradgradcheck(mixed, NULL, in, 4, 2, (ct_gradcheck_options){0}));
        in[3] = ct_requires_grad(ct_zeros(ct_shape(0, 3), f), true); /* without elements, and a leaf */
        assert_true(ct_gradcheck(mixed, NULL, in, 4, 2, (ct_gradcheck_options){.seed = 5, .directions = 1, .max_elements = 3}));
        in[3] = ct_transpose(ct_uniform(ct_shape(2, 3), -1, 1, f));
        assert_true(ct_gradcheck(mixed, NULL, in, 4, 2, (ct_gradcheck_options){0}));
    }
}

/* Takes f32 alone: a constant inside has that dtype. */
static int only_f32(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const double *wrong = context;
    ct_tensor *x = ct_mul(in[0], ct_of(ct_shape(3), CT_F32, 1, 2, -1));
    out[0] = ct_add(ct_sin(x), ct_mul(ct_detach(x), ct_scalar(*wrong)));
    return out[0] ? 0 : 1;
}

static void functions_of_f32_alone_are_checked_in_f32(void **state)
{
    (void)state;
    ct_tensor *x = ct_of(ct_shape(3), CT_F32, 0.5, -1, 2);
    assert_true(ct_gradcheck(only_f32, &(double){0}, &x, 1, 1, (ct_gradcheck_options){0}));
    assert_false(ct_gradcheck(only_f32, &(double){0.5}, &x, 1, 1, (ct_gradcheck_options){0}));
    assert_error(CT_ERROR_GRAPH, "ct_gradcheck", "input 0, f32 [3], element [0]");
}

static int task_function(void *context, ct_tensor *const *in, ct_tensor **out) { return loss_function(context, in, out); }

/* The networks of the notes with every loss, as functions of all their parameters, to second order. */
static void losses_pass_to_second_order(void **state)
{
    (void)state;
    for (int loss = SQUARES; loss <= CATEGORIES; loss++) {
        const task t = task_of((loss_kind)loss, loss & 1 ? pair_tanh() : pair_sigmoid(), loss & 2);
        ct_tensor *p[PARAMETERS];
        tensors_of(&t, t.net.W, t.net.b, p);
        assert_true(ct_gradcheck(task_function, (void *)&t, p, PARAMETERS, 1, (ct_gradcheck_options){0}));
        assert_true(ct_gradgradcheck(task_function, (void *)&t, p, PARAMETERS, 1, (ct_gradcheck_options){.max_elements = 8}));
    }
}

/* ---- gradcheck: wrong ones do not ------------------------------------------------------------------------------------ */

/* y = x^3 with rules that may be wrong: params say by which factor. */
typedef struct cube_params {
    double vjp, jvp;
} cube_params;

static int cube_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    (void)saved;
    out[0] = ct_mul(ct_square(c->in[0]), c->in[0]);
    return out[0] ? 0 : 1;
}
static int cube_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    const cube_params *p = c->params;
    dx[0] = ct_mul(dy[0], ct_mul(ct_square(c->in[0]), ct_scalar(3 * p->vjp)));
    return dx[0] ? 0 : 1;
}
static int cube_jvp(const ct_operation_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    const cube_params *p = c->params;
    dy[0] = ct_mul(dx[0], ct_mul(ct_square(c->in[0]), ct_scalar(3 * p->jvp)));
    return dy[0] ? 0 : 1;
}

static int cube(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const ct_operation op = {.name = "test_cube", .inputs = "x", .doc = "x^3", .params = sizeof(cube_params),
                             .keeps = CT_KEEP_INPUTS, .stacks = true,
                             .forward = cube_forward, .vjp = cube_vjp, .jvp = cube_jvp};
    out[0] = ct_apply(ct_register(&op), &in[0], 1, context);
    return out[0] ? 0 : 1;
}

static int cube_without_jvp(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const ct_operation op = {.name = "test_cube_back", .inputs = "x", .doc = "x^3", .params = sizeof(cube_params),
                             .keeps = CT_KEEP_INPUTS, .stacks = true,
                             .forward = cube_forward, .vjp = cube_vjp};
    out[0] = ct_apply(ct_register(&op), &in[0], 1, context);
    return out[0] ? 0 : 1;
}

static void wrong_rules_are_found(void **state)
{
    (void)state;
    ct_tensor *x = ct_of(ct_shape(2, 2), CT_F64, 1, 2, -1, 0.5), *one = ct_of(ct_shape(), CT_F64, 2);
    assert_true(ct_gradcheck(cube, &(cube_params){1, 1}, &x, 1, 1, (ct_gradcheck_options){0}));
    assert_true(ct_gradgradcheck(cube, &(cube_params){1, 1}, &x, 1, 1, (ct_gradcheck_options){0}));
    assert_false(ct_gradcheck(cube, &(cube_params){1.01, 1}, &x, 1, 1, (ct_gradcheck_options){0}));
    assert_error(CT_ERROR_GRAPH, "ct_gradcheck", "input 0, f64 [2, 2], element [0, 0]: reverse mode gives ");
    assert_false(ct_gradcheck(cube, &(cube_params){0.5, 1}, &one, 1, 1, (ct_gradcheck_options){0}));
    assert_error(CT_ERROR_GRAPH, "ct_gradcheck", "element []: reverse mode gives 6, forward mode 12, central differences 12 +- ");
    assert_false(ct_gradcheck(cube, &(cube_params){1, 2}, &one, 1, 1, (ct_gradcheck_options){0}));
    assert_error(CT_ERROR_GRAPH, "ct_gradcheck", "; the JVP is wrong");
    assert_false(ct_gradcheck(cube, &(cube_params){-1, -1}, &one, 1, 1, (ct_gradcheck_options){0}));
    assert_error(CT_ERROR_GRAPH, "ct_gradcheck", "both modes agree");
    assert_false(ct_gradcheck(half_hidden, NULL, &x, 1, 1, (ct_gradcheck_options){0}));
    assert_error(CT_ERROR_GRAPH, "ct_gradcheck", "part of the function is hidden");
    assert_true(ct_gradcheck(cube_without_jvp, &(cube_params){1, 1}, &x, 1, 1, (ct_gradcheck_options){.no_forward = true}));
    assert_true(ct_gradgradcheck(cube_without_jvp, &(cube_params){1, 1}, &x, 1, 1, (ct_gradcheck_options){.no_forward = true}));
    assert_false(ct_gradcheck(cube_without_jvp, &(cube_params){1, 1}, &x, 1, 1, (ct_gradcheck_options){0}));
    assert_error(CT_ERROR_GRAPH, "test_cube_back", "no tangent goes forward through it");
}

static int step_like(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_add(ct_abs(in[0]), ct_step(ct_sub(in[0], ct_scalar(1))));
    return out[0] ? 0 : 1;
}

static void kinks_are_told_from_mistakes(void **state)
{
    (void)state;
    ct_tensor *at_kink = ct_of(ct_shape(3), CT_F64, 2, 0, -2), *at_jump = ct_of(ct_shape(1), CT_F64, 1);
    ct_tensor *near = ct_of(ct_shape(2), CT_F64, 1e-3, 1.001);
    assert_false(ct_gradcheck(step_like, NULL, &at_kink, 1, 1, (ct_gradcheck_options){0}));
    assert_error(CT_ERROR_VALUE, "ct_gradcheck",
                 "element [1]: the function is not smooth here: the slopes of its two sides are ");
    assert_true(ct_gradcheck(step_like, NULL, &at_kink, 1, 1, (ct_gradcheck_options){.skip_kinks = true}));
    assert_false(ct_gradcheck(step_like, NULL, &at_jump, 1, 1, (ct_gradcheck_options){0}));
    assert_error(CT_ERROR_VALUE, "ct_gradcheck", "not smooth here");
    assert_true(ct_gradcheck(step_like, NULL, &near, 1, 1, (ct_gradcheck_options){0})); /* narrower steps do not reach it */
}

/* ---- functions that misbehave ---------------------------------------------------------------------------------------- */

enum misdeed { RETURNS_7, RAISES, LEAVES_UNSET, GIVES_NAN, CHANGES_WITH_TIME, CHANGES_INPUT, GIVES_VECTOR, GIVES_INTEGER };

static int misbehaves(void *context, ct_tensor *const *in, ct_tensor **out)
{
    static double calls;
    const enum misdeed what = *(const enum misdeed *)context;
    ct_tensor *y = ct_sum(in[0], CT_ALL, false);
    if (what == RETURNS_7) return 7;
    if (what == RAISES) return ct_raise(CT_ERROR_USER, "my_function", "no data"), 1;
    if (what == LEAVES_UNSET) return 0;
    if (what == GIVES_NAN) y = ct_log(ct_sub(y, ct_scalar(100)));
    if (what == CHANGES_WITH_TIME) y = ct_add(y, ct_scalar(calls++));
    if (what == GIVES_VECTOR) y = ct_square(in[0]);
    if (what == GIVES_INTEGER) y = ct_cast(y, CT_I64);
    if (what == CHANGES_INPUT) {
        double *data = ct_data(in[0]);
        data[1] += 1;
        ct_touch(in[0]);
    }
    *out = y;
    return 0;
}

static void misbehaving_functions_are_reported(void **state)
{
    (void)state;
    ct_tensor *x = ct_of(ct_shape(3), CT_F64, 1, 2, 3);
    const double d[3] = {1, 1, 1}, *hand = d;
    const struct { enum misdeed what; ct_status status; const char *operation, *part; } rows[] = {
        {RETURNS_7, CT_ERROR_USER, NULL, "the function returned 7"},
        {RAISES, CT_ERROR_USER, "my_function", "no data"},
        {LEAVES_UNSET, CT_ERROR_NULL, NULL, "unset"},
        {GIVES_NAN, CT_ERROR_VALUE, NULL, "nothing can be checked at such a point"},
        {CHANGES_WITH_TIME, CT_ERROR_USER, NULL, "for the same inputs"},
        {CHANGES_INPUT, CT_ERROR_USER, NULL, "the function changed the values of input 0"},
        {GIVES_VECTOR, CT_ERROR_SHAPE, NULL, "expected one element"},
        {GIVES_INTEGER, CT_ERROR_DTYPE, NULL, "expected f32 or f64"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum misdeed what = rows[i].what;
        assert_null(ct_compare_arrays(misbehaves, &what, &x, 1, &hand, 1, (ct_compare_options){0}));
        assert_error(rows[i].status, rows[i].operation ? rows[i].operation : "ct_compare_arrays", rows[i].part);
        if (what == GIVES_VECTOR || what == GIVES_INTEGER) continue; /* no mistake there */
        assert_false(ct_gradcheck(misbehaves, &what, &x, 1, 1, (ct_gradcheck_options){0}));
        assert_error(rows[i].status, rows[i].operation ? rows[i].operation : "ct_gradcheck", rows[i].part);
        assert_false(ct_gradgradcheck(misbehaves, &what, &x, 1, 1, (ct_gradcheck_options){0}));
        assert_error(rows[i].status, rows[i].operation ? rows[i].operation : "ct_gradgradcheck", rows[i].part);
    }
    assert_true(ct_equal(x, ct_of(ct_shape(3), CT_F64, 1, 2, 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        note_test(right_derivatives_pass),
        note_test(functions_of_f32_alone_are_checked_in_f32),
        note_test(losses_pass_to_second_order),
        note_test(wrong_rules_are_found),
        note_test(kinks_are_told_from_mistakes),
        note_test(misbehaving_functions_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
