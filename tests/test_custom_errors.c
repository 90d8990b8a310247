/*
 * test_custom_errors.c - what registering refuses, every way in which a user's function can fail, and operations in several
 * threads.
 */
#include "support.h"

#include <pthread.h>

#include <cotangent/custom.h>

/* ---- an operation that fails as it is told: y, z = x, 2 x ---- */

enum { RIGHT, CODE, RAISE, UNSET, SHAPE, DTYPE, FAILING };
static int forward_does, vjp_does, jvp_does;

static int misbehave(int how, const char *function, ct_tensor *t, ct_tensor **to)
{
    if (how == CODE) return 42;
    if (how == RAISE) return ct_raise(CT_ERROR_USER, "bad", "raised in %s", function) ? 0 : 1;
    if (how == UNSET) return 0;
    if (how == SHAPE) *to = ct_reshape(t, ct_shape(3, -1));
    else if (how == DTYPE) *to = ct_cast(t, CT_F32);
    else if (how == FAILING) *to = ct_matmul(t, t);
    else *to = t;
    return *to ? 0 : 1;
}
static int bad_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    saved[0] = ct_ones(ct_shape(), CT_F64);
    out[1] = ct_mul(c->in[0], ct_scalar(2));
    return misbehave(forward_does, "forward", c->in[0], &out[0]);
}
static int bad_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    dx[1] = c->needed[1] ? ct_zeros(c->in_shapes[1], CT_F64) : NULL;
    return misbehave(vjp_does, "vjp", ct_add(dy[0], ct_mul(dy[1], ct_scalar(2))), &dx[0]);
}
static int bad_jvp(const ct_operation_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    (void)c;
    dy[1] = ct_mul(dx[0], ct_scalar(2));
    return misbehave(jvp_does, "jvp", dx[0], &dy[0]);
}
static const ct_operation bad_definition = {
    .name = "bad", .inputs = "x, w", .outputs = "y, z", .saved = 1, .forward = bad_forward, .vjp = bad_vjp, .jvp = bad_jvp};
enum { BAD_LINE = __LINE__ + 3 };
static ct_tensor *bad(ct_tensor *x)
{
    return ct_apply(ct_register(&bad_definition), (ct_tensor *[]){x, ct_ones(ct_shape(2), CT_F64)}, 2, NULL);
}
static int f_bad(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = bad(in[0]);
    return out[0] ? 0 : 1;
}

static ct_tensor *six(void) { return ct_requires_grad(ct_of(ct_shape(6), CT_F64, 1, 2, 3, 4, 5, 6), true); }

static void a_forward_that_fails(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = six();
        for (forward_does = CODE; forward_does <= UNSET; forward_does++) {
            assert_null(bad(x));
            if (forward_does == CODE) assert_error(CT_ERROR_USER, "bad", "its forward returned 42");
            if (forward_does == RAISE) assert_error(CT_ERROR_USER, "bad", "raised in forward");
            if (forward_does == UNSET) assert_error(CT_ERROR_NULL, "bad", "its forward left out[0] unset");
        }
        forward_does = FAILING;
        assert_null(bad(ct_reshape(x, ct_shape(2, 3))));
        assert_error(CT_ERROR_SHAPE, "ct_matmul", "inner sizes differ");
        forward_does = RIGHT;
        assert_true(ct_equal(bad(x), x));
    }
    assert_clean();
}

static void a_vjp_that_fails_names_the_operation_and_the_place_of_its_call(void **state)
{
    (void)state;
    static const struct {
        int does;
        ct_status status;
        const char *part;
    } rows[] = {{CODE, CT_ERROR_USER, "its vjp returned 42"},
                {RAISE, CT_ERROR_USER, "raised in vjp"},
                {UNSET, CT_ERROR_NULL, "its vjp left dx[0] (x) unset"},
                {SHAPE, CT_ERROR_SHAPE, "its vjp made dx[0] (x) f64 [3, 2]; expected [6]"},
                {DTYPE, CT_ERROR_DTYPE, "its vjp made dx[0] (x) f32 [6]; expected f64"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CT_SCOPE;
        ct_tensor *x = six(), *y = bad(ct_exp(x)), *loss = ct_sum(y, CT_ALL, false);
        vjp_does = rows[i].does;
        for (int create = 0; create < 2; create++) {
            assert_null(ct_derivative(loss, x, (ct_grad_options){.create_graph = create}));
            assert_non_null(strstr(ct_error()->file, "test_custom_errors.c"));
            if (rows[i].does != RAISE) assert_int_equal(ct_error()->line, BAD_LINE); /* ct_raise is a place itself */
            assert_error(rows[i].status, "bad", rows[i].part);
        }
        assert_false(ct_backward(loss));
        assert_error(rows[i].status, "bad", rows[i].part);
        assert_false(ct_has_grad(x));
        vjp_does = RIGHT;
        assert_true(ct_backward(loss));
        assert_true(ct_equal(ct_grad_of(x), ct_exp(x)));
    }
    assert_clean();
}

static void a_jvp_that_fails(void **state)
{
    (void)state;
    static const struct {
        int does;
        ct_status status;
        const char *part;
    } rows[] = {{CODE, CT_ERROR_USER, "its jvp returned 42"},
                {RAISE, CT_ERROR_USER, "raised in jvp"},
                {UNSET, CT_ERROR_NULL, "its jvp left dy[0] unset"},
                {SHAPE, CT_ERROR_SHAPE, "its jvp made dy[0] f64 [3, 2]; expected [6]"},
                {DTYPE, CT_ERROR_DTYPE, "its jvp made dy[0] f32 [6]; expected f64"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CT_SCOPE;
        ct_tensor *x = ct_detach(six()), *v = ct_ones(ct_shape(6), CT_F64), *dy;
        jvp_does = rows[i].does;
        assert_false(ct_jvp(f_bad, NULL, &x, &v, 1, NULL, &dy, 1));
        assert_error(rows[i].status, "bad", rows[i].part);
        assert_null(ct_jacobian(f_bad, NULL, x, CT_MODE_FORWARD));
        assert_error(rows[i].status, "bad", rows[i].part);
        jvp_does = RIGHT;
        assert_true(ct_jvp(f_bad, NULL, &x, &v, 1, NULL, &dy, 1));
        assert_true(ct_equal(dy, v));
    }
    assert_clean();
}

static int unsaved_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    (void)saved;
    out[0] = c->in[0];
    return 0;
}

static void a_saved_value_that_was_left_out(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        const ct_operation o = {.name = "unsaved", .inputs = "x", .saved = 2, .forward = unsaved_forward};
        ct_tensor *x = six();
        assert_null(ct_apply(ct_register(&o), &x, 1, NULL));
        assert_error(CT_ERROR_NULL, "unsaved", "its forward left saved[0] unset");
    }
    assert_clean();
}

/* ---- rules that are missing ---- */

static int copy_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    (void)saved;
    out[0] = ct_clone(c->in[0]);
    return out[0] ? 0 : 1;
}
static int copy_rule(const ct_operation_call *c, ct_tensor *const *from, ct_tensor **to)
{
    (void)c;
    to[0] = from[0];
    return 0;
}
static int f_apply(void *context, ct_tensor *const *in, ct_tensor **out)
{
    out[0] = ct_apply(ct_register(context), in, 1, NULL);
    return out[0] ? 0 : 1;
}

static void the_missing_direction_is_named(void **state)
{
    (void)state;
    ct_operation reverse_only = {.name = "reverse_only", .inputs = "x", .forward = copy_forward, .vjp = copy_rule};
    ct_operation forward_only = {.name = "forward_only", .inputs = "x", .forward = copy_forward, .jvp = copy_rule};
    ct_operation neither = {.name = "neither", .inputs = "x", .forward = copy_forward};
    {
        CT_SCOPE;
        ct_tensor *x = six(), *plain = ct_detach(x), *v = ct_ones(ct_shape(6), CT_F64), *d, *y;
        assert_int_equal(f_apply(&reverse_only, &x, &y), 0);
        assert_true(ct_equal(ct_derivative(ct_sum(y, CT_ALL, false), x, (ct_grad_options){0}), v));
        assert_false(ct_jvp(f_apply, &reverse_only, &plain, &v, 1, NULL, &d, 1));
        assert_error(CT_ERROR_GRAPH, "reverse_only", "registered without a JVP");

        assert_true(ct_jvp(f_apply, &forward_only, &x, &v, 1, NULL, &d, 1));
        assert_true(ct_equal(d, v));
        assert_int_equal(f_apply(&forward_only, &x, &y), 0);
        assert_false(ct_backward(ct_sum(y, CT_ALL, false)));
        assert_error(CT_ERROR_GRAPH, "forward_only",
                     "registered without a VJP, so no gradient goes back through it; it has forward mode");

        assert_int_equal(f_apply(&neither, &x, &y), 0);
        assert_false(ct_backward(ct_sum(y, CT_ALL, false)));
        assert_error(CT_ERROR_GRAPH, "neither", "registered without a VJP");
        assert_false(ct_jvp(f_apply, &neither, &x, &v, 1, NULL, &d, 1));
        assert_error(CT_ERROR_GRAPH, "neither", "registered without a JVP");
    }
    assert_clean();
}

/* ---- calls ---- */

static int scale_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    (void)saved;
    out[0] = ct_mul(c->in[0], ct_scalar(*(const double *)c->params));
    return out[0] ? 0 : 1;
}
static int scale_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    dx[0] = ct_mul(dy[0], ct_scalar(*(const double *)c->params));
    return dx[0] ? 0 : 1;
}

static void calls_are_checked(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        const ct_custom *two = ct_register(&bad_definition);
        const ct_custom *scale = ct_register(
            &(ct_operation){.name = "scale", .inputs = "x", .params = 8, .forward = scale_forward, .vjp = scale_vjp});
        const ct_custom *many = ct_register(&(ct_operation){.name = "many", .inputs = "parts...", .forward = copy_forward});
        ct_tensor *x = six(), *in[] = {x, NULL}, *out[2] = {x, x};
        assert_null(ct_apply(two, in, 2, NULL));
        assert_error(CT_ERROR_NULL, "bad", "w");
        assert_null(ct_apply(two, in, 1, NULL));
        assert_error(CT_ERROR_VALUE, "bad", "1 inputs; expected 2 (x, w)");
        assert_false(ct_apply_all(two, NULL, 2, NULL, out));
        assert_error(CT_ERROR_NULL, "bad", "in");
        assert_null(out[0]);
        assert_null(out[1]);
        assert_false(ct_apply_all(two, in, 2, NULL, NULL));
        assert_error(CT_ERROR_NULL, "bad", "out");
        assert_null(ct_apply(NULL, in, 1, NULL));
        assert_error(CT_ERROR_NULL, "ct_apply", "operation");
        assert_null(ct_apply(scale, in, 1, NULL));
        assert_error(CT_ERROR_VALUE, "scale", "its parameters are NULL");
        assert_null(ct_apply(two, (ct_tensor *[]){x, x}, 2, &(double){1}));
        assert_error(CT_ERROR_VALUE, "bad", "it has no parameters");
        assert_null(ct_apply(many, in, 0, NULL));
        assert_error(CT_ERROR_VALUE, "many", "0 inputs; expected at least 1 (parts...)");
        assert_null(ct_apply(many, in + 1, 1, NULL));
        assert_error(CT_ERROR_NULL, "many", "parts");
        ct_tensor *y = ct_apply(scale, in, 1, &(double){2.5});
        assert_number(ct_get(y, ct_index(1)), 5, 0);
        assert_number(ct_get(ct_derivative(ct_sum(y, CT_ALL, false), x, (ct_grad_options){0}), ct_index(1)), 2.5, 0);
    }
    assert_clean();
}

static void a_kept_operand_that_was_changed_in_place_is_named(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        const ct_operation o = {
            .name = "keeper", .inputs = "x", .keeps = CT_KEEP_INPUTS, .forward = copy_forward, .vjp = copy_rule};
        ct_tensor *x = six(), *y = ct_apply(ct_register(&o), &x, 1, NULL);
        CT_NO_GRAD;
        assert_true(ct_fill_(x, 3));
        assert_false(ct_backward(ct_sum(y, CT_ALL, false)));
        assert_error(CT_ERROR_GRAPH, "ct_backward", "does not depend"); /* the sum was not recorded */
        assert_false(ct_backward_with(&y, NULL, 1, (ct_grad_options){0}));
        assert_error(CT_ERROR_GRAPH, "ct_backward_with", "the first operand of keeper at");
    }
    assert_clean();
}

static void calls_go_on_while_an_error_is_pending(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        const ct_operation o = {.name = "going_on", .inputs = "x", .forward = copy_forward, .vjp = copy_rule};
        ct_tensor *x = six();
        ct_raise(CT_ERROR_USER, "earlier", "an error of before");
        ct_tensor *y = ct_apply(ct_register(&o), &x, 1, NULL);
        assert_non_null(y);
        assert_non_null(ct_derivative(ct_sum(y, CT_ALL, false), x, (ct_grad_options){0}));
        assert_string_equal(ct_error()->operation, "earlier");
        ct_clear_error();
    }
    assert_clean();
}

static int constant_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    (void)saved;
    out[0] = ct_scalar(*(const double *)c->params);
    return c->n_in;
}

static void empty_operands(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        const ct_operation o = {
            .name = "of_nothing", .inputs = "x", .stacks = true, .forward = copy_forward, .vjp = copy_rule, .jvp = copy_rule};
        ct_tensor *x = ct_requires_grad(ct_zeros(ct_shape(0, 3), CT_F32), true), *y = ct_apply(ct_register(&o), &x, 1, NULL);
        ct_tensor *g = ct_derivative(ct_sum(y, CT_ALL, false), x, (ct_grad_options){.create_graph = true});
        assert_int_equal(ct_dim(g, 1), 3);
        assert_int_equal(ct_rank(ct_jacobian(f_apply, (void *)(uintptr_t)&o, ct_detach(x), CT_MODE_AUTO)), 4);
        const ct_operation constant = {.name = "of_no_inputs", .inputs = "", .params = 8, .forward = constant_forward};
        assert_number(ct_item(ct_apply(ct_register(&constant), NULL, 0, &(double){3})), 3, 0);
    }
    assert_clean();
}

/* ---- registering ---- */

static void definitions_are_checked(void **state)
{
    (void)state;
    const ct_operation right = {.name = "defined", .inputs = "x, w", .outputs = "y", .forward = copy_forward};
    ct_operation o = right;
    assert_null(ct_register(NULL));
    assert_error(CT_ERROR_NULL, "ct_register", "operation");
    static const char *const names[] = {NULL,  "",     "two words", "3d",
                                        "a-b", "x...", " x",        "a_name_that_is_longer_than_forty_letters_is"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        o.name = names[i];
        assert_null(ct_register(&o));
        assert_error(CT_ERROR_VALUE, "ct_register", "expected a C identifier");
    }
    o = right, o.name = "matmul";
    assert_null(ct_register(&o));
    assert_error(CT_ERROR_VALUE, "ct_register", "the library has an operation named matmul");
    o = right, o.forward = NULL;
    assert_null(ct_register(&o));
    assert_error(CT_ERROR_VALUE, "ct_register", "defined has no forward");
    static const char *const lists[] = {NULL, "x,", ",x", "x w", "x; w", "x, w...", "x.."};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        o = right, o.inputs = lists[i];
        assert_null(ct_register(&o));
        assert_error(CT_ERROR_VALUE, "ct_register", "the inputs of defined are");
    }
    o = right, o.outputs = "y...";
    assert_null(ct_register(&o));
    assert_error(CT_ERROR_VALUE, "ct_register", "the outputs of defined are");
    o = right, o.saved = 8;
    assert_null(ct_register(&o));
    assert_error(CT_ERROR_VALUE, "ct_register", "expected 8 together");
    o = right, o.saved = -1;
    assert_null(ct_register(&o));
    assert_error(CT_ERROR_VALUE, "ct_register", "expected 8 together");
    o = right, o.params = 1 << 20;
    assert_null(ct_register(&o));
    assert_error(CT_ERROR_VALUE, "ct_register", "parameters of defined");
    const ct_custom *first = ct_register(&right);
    assert_non_null(first);
    char name[] = "defined", inputs[] = "x, w";
    o = right, o.name = name, o.inputs = inputs;
    assert_ptr_equal(ct_register(&o), first); /* the same again */
    o.vjp = copy_rule;
    assert_null(ct_register(&o));
    assert_error(CT_ERROR_VALUE, "ct_register", "registered already, with another definition");
    assert_clean();
}

/* ---- threads ---- */

enum { THREADS = 4, OPERATIONS = 50 };
typedef struct worker {
    pthread_t thread;
    const ct_custom *made[OPERATIONS];
    bool ok;
} worker;

static void *work(void *argument)
{
    worker *w = argument;
    w->ok = true;
    for (int i = 0; i < OPERATIONS; i++) {
        CT_SCOPE;
        char name[32];
        snprintf(name, sizeof name, "threaded_%d", i);
        const ct_operation o = {.name = name, .inputs = "x", .params = 8, .forward = scale_forward, .vjp = scale_vjp};
        w->made[i] = ct_register(&o);
        ct_tensor *x = six(), *y = ct_apply(w->made[i], &x, 1, &(double){i});
        ct_tensor *g = ct_derivative(ct_sum(y, CT_ALL, false), x, (ct_grad_options){.create_graph = true});
        w->ok = w->ok && ct_get(g, ct_index(2)) == i && ct_operation_find(name) && ct_operation_find(name)->custom == w->made[i];
    }
    w->ok = w->ok && !ct_error();
    return NULL;
}

static void threads_register_and_apply_at_once(void **state)
{
    (void)state;
    worker w[THREADS];
    const int before = ct_operation_count();
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        assert_true(w[i].ok);
        for (int k = 0; k < OPERATIONS; k++) assert_ptr_equal(w[i].made[k], w[0].made[k]);
    }
    assert_int_equal(ct_operation_count(), before + OPERATIONS);
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forward_that_fails),
        cmocka_unit_test(a_vjp_that_fails_names_the_operation_and_the_place_of_its_call),
        cmocka_unit_test(a_jvp_that_fails),
        cmocka_unit_test(a_saved_value_that_was_left_out),
        cmocka_unit_test(the_missing_direction_is_named),
        cmocka_unit_test(calls_are_checked),
        cmocka_unit_test(a_kept_operand_that_was_changed_in_place_is_named),
        cmocka_unit_test(calls_go_on_while_an_error_is_pending),
        cmocka_unit_test(empty_operands),
        cmocka_unit_test(definitions_are_checked),
        cmocka_unit_test(threads_register_and_apply_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
