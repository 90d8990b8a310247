/*
 * test_error.c - errors travel: the first is kept, NULL fails quietly because of it, nothing changes state while it is pending.
 *
 * What each function says about wrong arguments is in test_wrong_arguments.c.
 */
#include "io_files.h"

#include <pthread.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static ct_tensor *matrix(void) { return ct_ones(ct_shape(2, 3), CT_F32); }

/* Leaves an error pending, as a failed call before would. */
static void raise_one(void) { assert_false(ct_raise(CT_ERROR_USER, "earlier", "went wrong")); }

/* It is still that one. */
static bool still_the_same(void)
{
    const ct_error_info *e = ct_error();
    return e && e->status == CT_ERROR_USER && strcmp(e->operation, "earlier") == 0 && strstr(e->message, "went wrong");
}

/* ---- the first error is kept -------------------------------------------------------------------------- */

static void the_first_error_is_kept(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        assert_null(ct_error());
        ct_tensor *a = matrix(), *bad = ct_matmul(a, a);
        const int line = __LINE__ - 1;
        assert_null(bad);
        assert_null(ct_reshape(a, ct_shape(5)));
        assert_true(isnan(ct_item(a)));
        assert_false(ct_raise(CT_ERROR_USER, "later", "no"));
        const ct_error_info *e = ct_error();
        assert_int_equal(e->status, CT_ERROR_SHAPE);
        assert_string_equal(e->operation, "ct_matmul");
        assert_string_equal(e->file, __FILE__);
        assert_int_equal(e->line, line);
        ct_clear_error();
        assert_null(ct_error());
        assert_null(ct_reshape(a, ct_shape(5))); /* now this one is the first */
        assert_error(CT_ERROR_SHAPE, "ct_reshape", "[5]");
    }
    assert_clean();
}

static void null_travels_through_a_model(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = matrix(), *w = matrix();
        ct_tensor *h = ct_relu(ct_matmul(x, w)), *y = ct_softmax(ct_add(h, x), 1), *loss = ct_mean(ct_mul(y, y), CT_ALL, false);
        const int line = __LINE__ - 1;
        assert_null(loss);
        assert_false(ct_backward(loss));
        assert_true(isnan(ct_item(loss)));
        assert_int_equal(ct_rank(y), -1);
        assert_int_equal(ct_count_of(y), -1);
        assert_int_equal(ct_shape_get(y).rank, 0);
        assert_false(ct_equal(loss, loss));
        assert_null(ct_data(loss));
        assert_null(ct_keep(loss));
        assert_null(ct_scope_return(loss));
        ct_free(loss);
        assert_int_equal(ct_error()->line, line);
        assert_error(CT_ERROR_SHAPE, "ct_matmul", "transpose b?");
    }
    assert_clean();
}

static void null_alone_is_an_error(void **state)
{
    (void)state;
    assert_null(ct_add(NULL, NULL));
    assert_error(CT_ERROR_NULL, "ct_add", "argument `x` is NULL");
    assert_clean();
}

/* ---- report, clear, raise ----------------------------------------------------------------------------- */

/* What ct_report prints. */
static const char *reported(void)
{
    static char text[2048];
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(ct_report(file), 1);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void a_report_is_one_line_and_clears(void **state)
{
    (void)state;
    char expected[512];
    assert_int_equal(ct_report(stderr), 0);
    ct_tensor *a = matrix();
    assert_null(ct_select(a, 1, 7));
    snprintf(expected, sizeof expected, "ct_select at %s:%d: index 7 is out of range: axis 1 of x, which is f32 [2, 3], %s\n",
             __FILE__, __LINE__ - 2, "has length 3");
    assert_string_equal(reported(), expected);
    assert_int_equal(ct_report(stderr), 0);
    assert_null(ct_select(a, 1, 7));
    assert_int_equal(ct_report(NULL), 1);
    assert_null(ct_error());
    ct_clear_error(); /* nothing pending: nothing happens */
    ct_free(a);
    assert_clean();
}

static void users_raise_errors_like_the_librarys(void **state)
{
    (void)state;
    assert_false((ct_raise)(CT_ERROR_VALUE, "my_layer", "%d units; expected %s", -1, "more")); /* from another language */
    assert_string_equal(ct_error()->message, "my_layer: -1 units; expected more");
    assert_null(ct_error()->file);
    ct_tensor *a = matrix();
    assert_null(ct_exp(NULL)); /* the next failing call tells about where */
    assert_int_equal(ct_error()->line, __LINE__ - 1);
    assert_error(CT_ERROR_VALUE, "my_layer", "-1 units; expected more");
    assert_false((ct_raise)(CT_ERROR_USER, NULL, NULL));
    assert_string_equal(reported(), "(user): \n");
    assert_false(ct_raise(CT_ERROR_USER, "my_layer", "no"));
    assert_int_equal(ct_error()->line, __LINE__ - 1);
    assert_error(CT_ERROR_USER, "my_layer", "no");
    ct_free(a);
    assert_clean();
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    char name[1000], text[3000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memset(text, 't', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ct_raise(CT_ERROR_USER, name, "%s", text);
    ct_here_error(__FILE__, __LINE__);
    const size_t length = strlen(ct_error()->message);
    assert_true(length > 300 && length < sizeof text);
    assert_string_equal(ct_error()->message + length - 3, "...");
    assert_true(strncmp(ct_error()->message, "nnnn", 4) == 0);
    ct_clear_error();
    ct_shape huge = ct_shape(1, 1, 1, 1, 1, 1, 1, 1); /* the longest shapes fit */
    for (int i = 0; i < 8; i++) huge.dim[i] = INT64_MAX;
    assert_null(ct_zeros(huge, CT_F32));
    assert_error(CT_ERROR_MEMORY, "ct_zeros", "9223372036854775807, 9223372036854775807] has more elements");
    assert_clean();
}

static void an_error_outlives_its_tensors(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_add(matrix(), ct_ones(ct_shape(5), CT_F32));
    }
    assert_error(CT_ERROR_SHAPE, "ct_add", "x is f32 [2, 3], y is f32 [5]");
    assert_clean();
}

/* ---- places ------------------------------------------------------------------------------------------- */

static void nested_calls_name_the_one_that_failed(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *a = matrix(), *b = ct_ones(ct_shape(5), CT_F32);
        assert_null(ct_add(ct_mul(a, b), a));
        assert_int_equal(ct_error()->line, __LINE__ - 1);
        assert_error(CT_ERROR_SHAPE, "ct_mul", "y is f32 [5]");
        assert_null(ct_add(ct_mul(a, a), b));
        assert_int_equal(ct_error()->line, __LINE__ - 1);
        assert_error(CT_ERROR_SHAPE, "ct_add", "y is f32 [5]");
        assert_true(isnan(ct_item(ct_sum(ct_exp(a), ct_axes(0), false))));
        assert_int_equal(ct_error()->line, __LINE__ - 1);
        assert_error(CT_ERROR_SHAPE, "ct_item", "f32 [3]");
    }
    assert_clean();
}

static void plain_functions_have_no_place(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *a = matrix();
        assert_null((ct_matmul)(a, a)); /* as called by the library and by other languages */
        assert_null(ct_error()->file);
        assert_string_equal(ct_error()->message, "ct_matmul: inner sizes differ: a is f32 [2, 3], b is f32 [2, 3]; transpose b?");
        ct_here_error("model.py", 12);
        ct_here_error("other.py", 13); /* too late */
        assert_int_equal(ct_error()->line, 12);
        assert_ptr_equal(strstr(ct_error()->message, "ct_matmul at model.py:12: inner sizes differ"), ct_error()->message);
        ct_clear_error();
        ct_here_error(__FILE__, __LINE__); /* nothing pending: nothing happens */
        assert_null(ct_error());
        assert_null(ct_here((ct_matmul)(a, a), "model.py", 20));
        assert_int_equal(ct_error()->line, 20); /* the place of the error before is forgotten */
        ct_clear_error();
    }
    assert_clean();
}

#define NOTED(operation, call)                                                                                         \
    (void)(call), assert_non_null(ct_error()), assert_int_equal(ct_error()->line, __LINE__),                           \
        assert_error(CT_ERROR_NULL, operation, "NULL")

static bool visit_nothing(const char *path, ct_tensor *tensor, bool is_parameter, void *context)
{
    (void)path, (void)tensor, (void)is_parameter, (void)context;
    return true;
}

/* Whatever a function returns: scripts/check_places.py compares all of them with their macros. */
static void readers_note_the_place_too(void **state)
{
    (void)state;
    NOTED("ct_dtype_of", ct_dtype_of(NULL));
    NOTED("ct_shape_get", ct_shape_get(NULL));
    NOTED("ct_strides", ct_strides(NULL));
    NOTED("ct_is_contiguous", ct_is_contiguous(NULL));
    NOTED("ct_rank", ct_rank(NULL));
    NOTED("ct_needs_grad", ct_needs_grad(NULL));
    NOTED("ct_has_grad", ct_has_grad(NULL));
    NOTED("ct_keep", ct_keep(NULL));
    NOTED("ct_scope_return", ct_scope_return(NULL));
    NOTED("ct_share", ct_share(NULL));
    NOTED("ct_module_state", ct_module_state(NULL));
    NOTED("ct_module_on_free", ct_module_on_free(NULL, free));
    NOTED("ct_module_train", ct_module_train(NULL, true));
    NOTED("ct_module_training", ct_module_training(NULL));
    NOTED("ct_module_parameters", ct_module_parameters(NULL, NULL, 0));
    NOTED("ct_module_kind", ct_module_kind(NULL));
    NOTED("ct_module_count", ct_module_count(NULL));
    NOTED("ct_module_visit", ct_module_visit(NULL, visit_nothing, NULL));
    NOTED("ct_loader_restart", ct_loader_restart(NULL));
    NOTED("ct_stop", ct_stop(NULL, 1));
    assert_false(ct_set_threads(-1));
    assert_int_equal(ct_error()->line, __LINE__ - 1);
    assert_error(CT_ERROR_VALUE, "ct_set_threads", "-1 threads");
    assert_clean();
}

static void statuses_tell_kinds_apart(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *a = matrix(), *x = ct_requires_grad(ct_ones(ct_shape(), CT_F64), true);
        ct_neg(NULL);
        assert_error(CT_ERROR_NULL, "ct_neg", "");
        ct_flatten(a, 9);
        assert_error(CT_ERROR_SHAPE, "ct_flatten", "");
        ct_add(a, x);
        assert_error(CT_ERROR_DTYPE, "ct_add", "");
        ct_get(a, ct_index(9, 9));
        assert_error(CT_ERROR_INDEX, "ct_get", "");
        ct_clamp(a, 1, 0);
        assert_error(CT_ERROR_VALUE, "ct_clamp", "");
        ct_empty(ct_shape((int64_t)1 << 42), CT_F64);
        assert_error(CT_ERROR_MEMORY, "ct_empty", "");
        ct_load_npy(files_path("absent.npy"));
        assert_error(CT_ERROR_FILE, "ct_load_npy", "absent.npy");
        FILE *file = fopen(files_path("broken.npy"), "wb");
        assert_non_null(file);
        fputs("not an array", file);
        fclose(file);
        ct_load_npy(files_path("broken.npy"));
        assert_error(CT_ERROR_FORMAT, "ct_load_npy", "broken.npy");
        ct_backward(a);
        assert_error(CT_ERROR_SHAPE, "ct_backward", "");
        ct_grad_of(x);
        assert_error(CT_ERROR_GRAPH, "ct_grad_of", "");
    }
    assert_clean();
}

/* ---- while an error is pending ------------------------------------------------------------------------ */

static void pure_calls_go_on(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        raise_one();
        ct_tensor *a = matrix(), *x = ct_requires_grad(ct_full(ct_shape(), 3, CT_F64), true), *y = ct_square(x), *g, *dx;
        ct_tensor *b = ct_matmul(a, ct_transpose(ct_add(a, a)));
        assert_number(ct_get(b, ct_index(0, 1)), 6, 0);
        assert_true(ct_grad(&y, NULL, 1, &x, 1, &g, (ct_grad_options){.retain_graph = true}));
        assert_number(ct_item(g), 6, 0);
        dx = ct_derivative(y, x, (ct_grad_options){0});
        assert_number(ct_item(dx), 6, 0);
        char text[64];
        assert_true(ct_format(text, sizeof text, x, (ct_print_options){0}) > 0);
        assert_true(ct_allclose(a, a, 0, 0));
        assert_true(ct_item(ct_sum(ct_uniform(ct_shape(9), 1, 2, CT_F32), CT_ALL, false)) > 9);
        assert_null(ct_matmul(a, a)); /* what fails does so without a word */
        assert_true(still_the_same());
        ct_clear_error();
    }
    assert_clean();
}

#define REFUSED(call) assert_false(call), assert_true(still_the_same())

static void changes_in_place_are_refused(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *a = matrix(), *before = ct_clone(a), *two = ct_full(ct_shape(2, 3), 2, CT_F32), *p[] = {a}, *g[] = {two};
        ct_tensor *m[] = {ct_zeros(ct_shape(2, 3), CT_F32)}, *v[] = {ct_zeros(ct_shape(2, 3), CT_F32)};
        raise_one();
        assert_false(ct_may_change_state());
        REFUSED(ct_set(a, ct_index(0, 0), 9));
        REFUSED(ct_fill_(a, 9));
        REFUSED(ct_copy_(a, two));
        REFUSED(ct_add_(a, 1, two));
        REFUSED(ct_mul_(a, two));
        REFUSED(ct_scale_(a, 9));
        REFUSED(ct_sgd_step_(p, g, NULL, 1, (ct_sgd_step){.lr = 1}));
        REFUSED(ct_adam_step_(p, g, m, v, 1, (ct_adam_step){.lr = 1, .beta1 = 0.9, .beta2 = 0.9, .eps = 1e-8, .t = 1}));
        REFUSED(ct_set_data(a, two));
        assert_true(ct_equal(a, before));
        ct_clear_error();
        assert_true(ct_may_change_state());
        assert_true(ct_fill_(a, 9));
        assert_number(ct_get(a, ct_index(1, 1)), 9, 0);
    }
    assert_clean();
}

static void gradients_stay_as_they_are(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_full(ct_shape(), 3, CT_F64), true), *y = ct_square(x);
        ct_tensor *one = ct_ones(ct_shape(), CT_F64);
        assert_true(ct_backward(ct_mul(x, ct_scalar(5))));
        raise_one();
        REFUSED(ct_backward(y));
        REFUSED(ct_backward_with(&y, NULL, 1, (ct_grad_options){0}));
        REFUSED(ct_zero_grad(x));
        REFUSED(ct_spend_grad(x));
        REFUSED(ct_set_grad(x, one));
        assert_number(ct_item(ct_grad_of(x)), 5, 0);
        ct_clear_error();
        assert_true(ct_backward(y)); /* the graph was not swept: it is as good as before; and the gradient was not spent */
        assert_number(ct_item(ct_grad_of(x)), 11, 0);
    }
    assert_clean();
}

static void training_and_saving_are_refused(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_module *net = ct_nn_linear(3, 1);
        ct_optimizer *sgd = ct_optim_sgd(net, 0.1);
        ct_tensor *w = ct_module_find(net, "weight"), *before = ct_clone(ct_detach(w)), *x = matrix();
        assert_true(ct_backward(ct_sum(ct_forward(net, x), CT_ALL, false)));
        assert_true(ct_module_save(net, files_path("good.npz")));
        raise_one();
        REFUSED(ct_optimizer_step(sgd));
        REFUSED(ct_optimizer_zero_grad(sgd));
        REFUSED(!isnan(ct_clip_grad_norm(sgd, 0.001)));
        REFUSED(ct_save_npy(files_path("refused.npy"), w));
        REFUSED(ct_module_save(net, files_path("refused.npz")));
        REFUSED(ct_module_load(net, files_path("good.npz")));
        REFUSED(ct_module_cast(net, CT_F64));
        REFUSED(ct_module_requires_grad(net, false));
        assert_int_equal(files_count("refused", false), 0);
        assert_true(ct_equal(w, before));
        assert_true(ct_needs_grad(w));
        assert_number(ct_get(ct_grad_of(w), ct_index(0, 0)), 2, 0);
        ct_clear_error();
        assert_true(ct_optimizer_step(sgd));
        assert_false(ct_equal(w, before));
        ct_optimizer_free(sgd);
        ct_module_free(net);
    }
    assert_clean();
}

/* ---- threads ------------------------------------------------------------------------------------------ */

static void *fail_in_a_thread(void *from_outside)
{
    if (ct_error()) return NULL; /* the other thread's is not seen here */
    {
        CT_SCOPE;
        ct_matmul(matrix(), matrix());
    }
    const bool own = ct_error() && strcmp(ct_error()->operation, "ct_matmul") == 0;
    if (!own) return NULL;
    if (ct_may_change_state()) return NULL;
    return from_outside; /* the error is left pending: it goes with its thread */
}

static void errors_belong_to_their_thread(void **state)
{
    (void)state;
    raise_one();
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        void *result = NULL;
        assert_int_equal(pthread_create(&thread, NULL, fail_in_a_thread, &i), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, &i);
        assert_true(still_the_same());
    }
    ct_clear_error();
    assert_clean();
}

/* The work of an operation may be spread over threads; its errors are those of the caller. */
static void errors_of_large_operations_are_the_callers(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_ones(ct_shape(1000, 300), CT_I32), *y = ct_ones(ct_shape(1000, 300), CT_I32);
        ct_tensor *at = ct_zeros(ct_shape(5000), CT_I64);
        assert_true(ct_set(y, ct_index(999, 299), 0) && ct_set(at, ct_index(4999), 1000));
        assert_null(ct_div(x, y));
        assert_error(CT_ERROR_VALUE, "ct_div", "division of integers by zero");
        assert_null(ct_index_select(x, 0, at));
        assert_error(CT_ERROR_INDEX, "ct_index_select", "1000 at [4999] of the index");
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_error_is_kept),
        cmocka_unit_test(null_travels_through_a_model),
        cmocka_unit_test(null_alone_is_an_error),
        cmocka_unit_test(a_report_is_one_line_and_clears),
        cmocka_unit_test(users_raise_errors_like_the_librarys),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(an_error_outlives_its_tensors),
        cmocka_unit_test(nested_calls_name_the_one_that_failed),
        cmocka_unit_test(plain_functions_have_no_place),
        cmocka_unit_test(readers_note_the_place_too),
        cmocka_unit_test(statuses_tell_kinds_apart),
        cmocka_unit_test(pure_calls_go_on),
        cmocka_unit_test(changes_in_place_are_refused),
        cmocka_unit_test(gradients_stay_as_they_are),
        cmocka_unit_test(training_and_saving_are_refused),
        cmocka_unit_test(errors_belong_to_their_thread),
        cmocka_unit_test(errors_of_large_operations_are_the_callers),
    };
    return cmocka_run_group_tests(tests, files_begin, files_end);
}
