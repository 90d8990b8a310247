/*
 * test_capture_errors.c - what cannot be captured or replayed is an error that says so, and leaves nothing behind.
 */
#include "support.h"

typedef struct bag {
    ct_tensor *x, *out;
} bag;

typedef enum wrong {
    ITEM, GET, DATA, COPY_OUT, COPY_VALUES, EQUAL, ALLCLOSE, CHECKPOINT, SET_DATA, SET_GRAD, SGD_STEP, ADAM_STEP, CAPTURE, REPLAY,
    LOG_DET, FAILS, RETURNS, WRONGS
} wrong;

static ct_captured *other;

static int same(void *context, ct_tensor *const *in, ct_tensor **out) { return (void)context, (out[0] = ct_alias(in[0])) == NULL; }

static int do_wrong(void *context)
{
    const wrong *w = context;
    CT_SCOPE;
    ct_tensor *x = ct_ones(ct_shape(1, 1), CT_F64), *leaf = ct_requires_grad(ct_ones(ct_shape(1, 1), CT_F64), true), *out[1];
    double value[1];
    switch (*w) {
    case ITEM: return ct_item(x) > 2;
    case GET: return ct_get(x, ct_index(0, 0)) > 2;
    case DATA: return ct_data(x) == NULL;
    case COPY_OUT: return ct_copy_out(x, value, sizeof value);
    case COPY_VALUES: return ct_copy_values(x, value, 1);
    case EQUAL: return ct_equal(x, x);
    case ALLCLOSE: return ct_allclose(x, x, 0, 0);
    case CHECKPOINT: return ct_checkpoint(same, NULL, &x, 1, out, 1);
    case SET_DATA: return ct_set_data(leaf, x);
    case SET_GRAD: return ct_set_grad(leaf, x);
    case SGD_STEP: return ct_sgd_step_(&x, &leaf, NULL, 1, (ct_sgd_step){.lr = 1});
    case ADAM_STEP: return ct_adam_step_(&x, &leaf, &x, &x, 1, (ct_adam_step){.lr = 1, .t = 1});
    case CAPTURE: return ct_capture(do_wrong, context) != NULL;
    case REPLAY: return ct_replay(other);
    case LOG_DET: return ct_log_det(x) > 0;
    case FAILS: return ct_add(ct_ones(ct_shape(2), CT_F64), ct_ones(ct_shape(3), CT_F64)) == NULL;
    default: return 7;
    }
}

static int nothing(void *context) { return (void)context, 0; }

static void what_cannot_be_replayed_is_refused(void **state)
{
    (void)state;
    static const struct {
        ct_status status;
        const char *operation, *part;
    } expected[WRONGS] = {
        [ITEM] = {CT_ERROR_GRAPH, "ct_item", "numbers cannot be read"},
        [GET] = {CT_ERROR_GRAPH, "ct_get", "numbers cannot be read"},
        [DATA] = {CT_ERROR_GRAPH, "ct_data", "numbers cannot be read"},
        [COPY_OUT] = {CT_ERROR_GRAPH, "ct_copy_out", "numbers cannot be read"},
        [COPY_VALUES] = {CT_ERROR_GRAPH, "ct_copy_values", "numbers cannot be read"},
        [EQUAL] = {CT_ERROR_GRAPH, "ct_equal", "numbers cannot be read"},
        [ALLCLOSE] = {CT_ERROR_GRAPH, "ct_allclose", "numbers cannot be read"},
        [CHECKPOINT] = {CT_ERROR_GRAPH, "ct_checkpoint", "call the function itself"},
        [SET_DATA] = {CT_ERROR_GRAPH, "ct_set_data", "ct_copy_"},
        [SET_GRAD] = {CT_ERROR_GRAPH, "ct_set_grad", "ct_on_replay"},
        [SGD_STEP] = {CT_ERROR_GRAPH, "ct_sgd_step_", "ct_on_replay"},
        [ADAM_STEP] = {CT_ERROR_GRAPH, "ct_adam_step_", "ct_on_replay"},
        [CAPTURE] = {CT_ERROR_GRAPH, "ct_capture", "another one cannot be captured"},
        [REPLAY] = {CT_ERROR_GRAPH, "ct_replay", "another one cannot be replayed"},
        [LOG_DET] = {CT_ERROR_GRAPH, "ct_log_det", "ct_on_replay"},
        [FAILS] = {CT_ERROR_SHAPE, "ct_add", "broadcast"},
        [RETURNS] = {CT_ERROR_USER, "ct_capture", "returned 7"},
    };
    other = ct_capture(nothing, NULL);
    for (wrong w = ITEM; w < WRONGS; w++) {
        ct_captured *none = ct_capture(do_wrong, &w);
        if (none) print_error("captured: %d\n", (int)w);
        assert_null(none);
        assert_error(expected[w].status, expected[w].operation, expected[w].part);
        assert_false(ct_capturing());
    }
    ct_captured_free(other);
    assert_null(ct_capture(NULL, NULL));
    assert_error(CT_ERROR_NULL, "ct_capture", "step");
    assert_false(ct_replay(NULL));
    assert_error(CT_ERROR_NULL, "ct_replay", "captured");
    assert_false(ct_on_replay(NULL, NULL, 0));
    assert_error(CT_ERROR_NULL, "ct_on_replay", "f");
    assert_false(ct_on_replay(nothing, NULL, 4));
    assert_error(CT_ERROR_NULL, "ct_on_replay", "context");
    ct_captured_free(NULL);
    assert_clean();
}

static int replay_itself(void *context)
{
    int *calls = context;
    if ((*calls)++ > 0) ct_replay(other);
    return 0;
}
static int nested(void *context) { return !ct_on_replay(replay_itself, context, 0); }

static void a_replay_inside_itself_is_refused(void **state)
{
    (void)state;
    int calls = 0;
    other = ct_capture(nested, &calls);
    assert_false(ct_replay(other));
    assert_error(CT_ERROR_GRAPH, "ct_replay", "is being replayed");
    ct_captured_free(other);
    assert_clean();
}

static int by_a_view(void *context)
{
    bag *b = context;
    CT_SCOPE;
    ct_free(b->out);
    b->out = ct_keep(ct_add(ct_ones(ct_shape(3, 2), CT_F32), ct_expand(b->x, ct_shape(3, 2)))); /* no operation sees x itself */
    return 0;
}

static void other_memory_is_found(void **state)
{
    (void)state;
    const int scope = ct_scope_begin();
    bag b = {.x = ct_ones(ct_shape(2), CT_F32)};
    ct_captured *c = ct_capture(by_a_view, &b);
    assert_true(ct_replay(c));
    ct_set_data(b.x, ct_zeros(ct_shape(2), CT_F32));
    assert_false(ct_replay(c));
    assert_error(CT_ERROR_GRAPH, "ct_replay", "other memory after the capture");
    ct_captured_free(c);
    c = ct_capture(by_a_view, &b);
    assert_true(ct_replay(c));
    assert_number(ct_get(b.out, ct_index(2, 1)), 1, 0);
    ct_captured_free(c);
    ct_free(b.out);
    ct_scope_end(scope);
    assert_clean();
}

/* A capture that failed half-way left nothing behind. */
static int fail_late(void *context)
{
    bag *b = context;
    CT_SCOPE;
    ct_backward(ct_sum(ct_square(ct_mul(b->out, b->x)), CT_ALL, false));
    return ct_item(b->x) > 0;
}

static void a_failed_capture_leaves_nothing(void **state)
{
    (void)state;
    bag b = {.x = ct_keep(ct_ones(ct_shape(2000), CT_F64)), .out = ct_keep(ct_requires_grad(ct_full(ct_shape(2000), 3, CT_F64), true))};
    assert_null(ct_capture(fail_late, &b));
    assert_error(CT_ERROR_GRAPH, "ct_item", "numbers cannot be read");
    assert_number(ct_get(ct_grad_borrow(b.out), ct_index(0)), 6, 0);
    assert_number(ct_get(ct_grad_borrow(b.out), ct_index(-1)), 6, 0);
    ct_free(b.x);
    ct_free(b.out);
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_replayed_is_refused),
        cmocka_unit_test(a_replay_inside_itself_is_refused),
        cmocka_unit_test(other_memory_is_found),
        cmocka_unit_test(a_failed_capture_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
