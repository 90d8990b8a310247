/*
 * test_capture.c - captured steps: a replay computes what another call of the step would, and allocates nothing. What cannot be replayed is
 * in test_capture_errors.c; that every operation and its derivatives can be, test_rules.c shows with its samples.
 */
#include "support.h"

/* ---- training ----------------------------------------------------------------------------------------- */

enum { STEPS = 6, ROWS = 8, FEATURES = 5, HIDDEN = 7, CLASSES = 3 };
typedef enum how { SGD, MOMENTUM, ADAM, CLIPPED, DROPOUT, ZEROED } how;

typedef struct training {
    ct_module *net;
    ct_optimizer *optimizer;
    ct_tensor *x, *y, *loss; /* loss: kept by the step */
    how how;
    double norm; /* of the gradients before clipping, as the step that was called last saw it */
} training;

static int step(void *context)
{
    training *t = context;
    CT_SCOPE;
    if (t->how == ZEROED) ct_optimizer_zero_grad(t->optimizer);
    ct_tensor *loss = ct_cross_entropy(ct_forward(t->net, t->x), t->y);
    ct_backward(loss);
    if (t->how == CLIPPED) t->norm = ct_clip_grad_norm(t->optimizer, 0.1);
    ct_optimizer_step(t->optimizer);
    ct_free(t->loss);
    t->loss = ct_keep(ct_detach(loss));
    return ct_error() != NULL;
}

static training begin(how how, ct_dtype dtype)
{
    training t = {.how = how};
    ct_seed(3);
    ct_module *last = ct_nn_linear(HIDDEN, CLASSES);
    t.net = how == DROPOUT ? ct_nn_sequential(ct_nn_linear(FEATURES, HIDDEN), ct_nn_tanh(), ct_nn_dropout(0.3), last)
                           : ct_nn_sequential(ct_nn_linear(FEATURES, HIDDEN), ct_nn_relu(), last);
    ct_module_cast(t.net, dtype);
    if (how == ADAM) t.optimizer = ct_optim_adam(t.net, 0.05);
    else t.optimizer = ct_optim_sgd_with(t.net, 0.1, (ct_sgd_options){.momentum = how == MOMENTUM ? 0.9 : 0});
    t.x = ct_keep(ct_zeros(ct_shape(ROWS, FEATURES), dtype));
    t.y = ct_keep(ct_zeros(ct_shape(ROWS), CT_I64));
    return t;
}

/* Other rows for every step, the same for both. */
static void next_batch(training *t, int number)
{
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < FEATURES; k++) ct_set(t->x, ct_index(i, k), sin(1 + number * 31 + i * 7 + k));
        ct_set(t->y, ct_index(i), (i + number) % CLASSES);
    }
}

static void end(training *t)
{
    ct_optimizer_free(t->optimizer);
    ct_module_free(t->net);
    ct_free(t->x);
    ct_free(t->y);
    ct_free(t->loss);
}

static bool same_parameter(const char *path, ct_tensor *t, bool is_parameter, void *other)
{
    (void)is_parameter;
    return ct_equal(t, ct_module_find(other, path));
}

/* A copy of the first weight. */
static ct_tensor *weight_of(const training *t)
{
    CT_SCOPE;
    return ct_keep(ct_clone(ct_detach(ct_module_find(t->net, "0.weight"))));
}

static void train_both(how how, ct_dtype dtype)
{
    training called = begin(how, dtype), replayed = begin(how, dtype);
    double first_norm = 0;
    for (int i = 0; i < STEPS; i++) {
        if (i == 0) ct_seed(9);
        next_batch(&called, i);
        assert_int_equal(step(&called), 0);
        if (i == 0) first_norm = called.norm;
    }
    ct_seed(9);
    next_batch(&replayed, 0);
    ct_captured *c = ct_capture(step, &replayed);
    assert_non_null(c);
    for (int i = 1; i < STEPS; i++) {
        next_batch(&replayed, i);
        assert_true(ct_replay(c));
    }
    assert_true(ct_equal(called.loss, replayed.loss));
    assert_true(ct_module_visit(called.net, same_parameter, replayed.net));
    assert_number(replayed.norm, first_norm, 0);
    assert_true(how != CLIPPED || first_norm > 0.1); /* it was clipped */
    ct_captured_free(c);
    end(&called);
    end(&replayed);
    assert_clean();
}

static void replays_train_as_calls_do(void **state)
{
    (void)state;
    for (how h = SGD; h <= ZEROED; h++) {
        train_both(h, CT_F32);
        train_both(h, CT_F64);
    }
}

static void the_learning_rate_is_the_optimizers(void **state)
{
    (void)state;
    training t = begin(SGD, CT_F32);
    next_batch(&t, 0);
    ct_captured *c = ct_capture(step, &t);
    ct_tensor *before = weight_of(&t);
    ct_optimizer_set_lr(t.optimizer, 0);
    assert_true(ct_replay(c));
    assert_true(ct_equal(before, ct_module_find(t.net, "0.weight")));
    ct_optimizer_set_lr(t.optimizer, 0.1);
    assert_true(ct_replay(c));
    assert_false(ct_equal(before, ct_module_find(t.net, "0.weight")));
    ct_free(before);
    ct_captured_free(c);
    end(&t);
    assert_clean();
}

static void a_replay_makes_nothing(void **state)
{
    (void)state;
    training t = begin(ADAM, CT_F32);
    next_batch(&t, 0);
    ct_captured *c = ct_capture(step, &t);
    assert_true(ct_replay(c));
    const ct_counters before = ct_count();
    const ct_memory_info alive = ct_memory();
    for (int i = 0; i < 10; i++) assert_true(ct_replay(c));
    const ct_counters after = ct_count();
    assert_int_equal(after.nodes, before.nodes);
    assert_int_equal(after.operations - before.operations, 10 * 3); /* affine_relu, affine, cross-entropy */
    assert_int_equal(after.gemm_calls - before.gemm_calls, 10 * 5);
    if (test_pooled()) assert_int_equal(after.mallocs, before.mallocs);
    assert_int_equal(ct_memory().tensors, alive.tensors);
    assert_int_equal(ct_memory().bytes, alive.bytes);
    assert_int_equal(ct_captured_info_of(c).replays, 11);
    assert_true(ct_captured_info_of(c).actions > 3);
    ct_captured_free(c);
    end(&t);
    assert_clean();
}

/* ---- what a leaf collects ----------------------------------------------------------------------------- */

typedef struct quadratic {
    ct_tensor *w, *x;
    int backwards;
    bool zero;
} quadratic;

/* d/dw sum (w x)^2 = 2 w x^2, `backwards` times. */
static int collect(void *context)
{
    quadratic *q = context;
    CT_SCOPE;
    if (q->zero) ct_zero_grad(q->w);
    for (int i = 0; i < q->backwards; i++) ct_backward(ct_sum(ct_square(ct_mul(q->w, q->x)), CT_ALL, false));
    return ct_error() != NULL;
}

static quadratic quadratic_of(int64_t n, int backwards, bool zero)
{
    quadratic q = {.backwards = backwards, .zero = zero};
    q.w = ct_keep(ct_requires_grad(ct_full(ct_shape(n), 3, CT_F64), true));
    q.x = ct_keep(ct_ones(ct_shape(n), CT_F64));
    return q;
}

static void assert_gradient(quadratic *q, double expected)
{
    CT_SCOPE;
    assert_number(ct_get(ct_grad_of(q->w), ct_index(0)), expected, 0);
    assert_number(ct_get(ct_grad_of(q->w), ct_index(-1)), expected, 0);
}

static void quadratic_free(quadratic *q)
{
    ct_free(q->w);
    ct_free(q->x);
}

/* 40000: in regions. */
static void gradients_add_up_from_replay_to_replay(void **state)
{
    (void)state;
    for (int64_t n = 4; n <= 40000; n *= 10000) {
        for (int backwards = 1; backwards <= 2; backwards++) {
            quadratic q = quadratic_of(n, backwards, false);
            ct_captured *c = ct_capture(collect, &q);
            assert_non_null(c);
            assert_gradient(&q, 6 * backwards);
            ct_fill_(q.x, 2); /* 24 */
            assert_true(ct_replay(c));
            assert_gradient(&q, 30 * backwards);
            assert_true(ct_replay(c));
            assert_gradient(&q, 54 * backwards);
            collect(&q); /* a call between, which keeps no memory of the script's */
            assert_gradient(&q, 78 * backwards);
            ct_zero_grad(q.w);
            assert_true(ct_replay(c));
            assert_gradient(&q, 24 * backwards);
            ct_spend_grad(q.w);
            assert_true(ct_replay(c));
            assert_gradient(&q, 24 * backwards);
            ct_captured_free(c);
            assert_gradient(&q, 24 * backwards); /* the leaf's from now on */
            quadratic_free(&q);
            assert_clean();
        }
    }
}

static void zero_grad_in_the_step_begins_anew(void **state)
{
    (void)state;
    quadratic q = quadratic_of(4, 1, true);
    ct_captured *c = ct_capture(collect, &q);
    for (int i = 0; i < 3; i++) {
        assert_true(ct_replay(c));
        assert_gradient(&q, 6);
    }
    ct_captured_free(c);
    quadratic_free(&q);
    assert_clean();
}

/* A derivative that is zero adds nothing to what was there, and gives zeros where nothing is. */
static int collect_zeros(void *context)
{
    quadratic *q = context;
    CT_SCOPE;
    ct_backward(ct_sum(ct_floor(q->w), CT_ALL, false));
    return ct_error() != NULL;
}

static void zeros_are_collected(void **state)
{
    (void)state;
    for (int before = 0; before < 2; before++) {
        quadratic q = quadratic_of(4, 1, false);
        if (before) collect(&q);
        ct_captured *c = ct_capture(collect_zeros, &q);
        assert_non_null(c);
        assert_gradient(&q, before ? 6 : 0);
        assert_true(ct_replay(c));
        assert_gradient(&q, before ? 6 : 0);
        ct_zero_grad(q.w);
        assert_true(ct_replay(c));
        assert_gradient(&q, 0);
        collect(&q);
        assert_true(ct_replay(c));
        assert_gradient(&q, 6);
        ct_spend_grad(q.w);
        assert_true(ct_replay(c));
        assert_gradient(&q, 0);
        ct_captured_free(c);
        quadratic_free(&q);
        assert_clean();
    }
}

/* Gradient descent by hand: the gradient is read by operations of the step. */
static int descend(void *context)
{
    quadratic *q = context;
    CT_SCOPE;
    ct_backward(ct_sum(ct_square(ct_mul(q->w, q->x)), CT_ALL, false));
    CT_NO_GRAD;
    ct_add_(q->w, -0.125, ct_grad_of(q->w));
    ct_zero_grad(q->w);
    return ct_error() != NULL;
}

static void descent_by_hand_can_be_captured(void **state)
{
    (void)state;
    quadratic q = quadratic_of(4, 1, false);
    ct_captured *c = ct_capture(descend, &q); /* w -= 2 w / 8 */
    assert_non_null(c);
    assert_true(ct_replay(c) && ct_replay(c));
    assert_number(ct_get(q.w, ct_index(1)), 3 * 0.75 * 0.75 * 0.75, 0);
    ct_captured_free(c);
    quadratic_free(&q);
    assert_clean();
}

static void a_gradient_from_before_is_refused(void **state)
{
    (void)state;
    quadratic q = quadratic_of(4, 1, false);
    collect(&q);
    assert_null(ct_capture(collect, &q));
    assert_error(CT_ERROR_GRAPH, "ct_capture", "has a gradient from before the step");
    ct_zero_grad(q.w);
    ct_captured *c = ct_capture(collect, &q);
    assert_non_null(c);
    ct_captured_free(c);
    quadratic_free(&q);
    assert_clean();
}

/* ---- what is made in the step ------------------------------------------------------------------------- */

typedef struct bag {
    ct_tensor *x, *out, *more;
    int calls;
} bag;

/* Constants that are changed in place afterwards begin anew each time. */
static int with_constants(void *context)
{
    bag *b = context;
    CT_SCOPE;
    const float raw[] = {1, 2, 3};
    ct_tensor *from = ct_from(raw, ct_shape(3), CT_F32), *scalar = ct_cast(ct_scalar(2), CT_F32), *eye = ct_eye(3, CT_F32);
    ct_tensor *sequence = ct_arange(0, 3, 1, CT_F32), *line = ct_linspace(0, 2, 3, CT_F32), *empty = ct_empty(ct_shape(3), CT_F32);
    ct_tensor *values = ct_of(ct_shape(3), CT_F32, 4, 5, 6);
    ct_fill_(empty, 1);
    ct_set(empty, ct_index(1), 7);
    ct_add_(from, 1, b->x);
    ct_add_(scalar, 1, ct_sum(b->x, CT_ALL, false));
    ct_mul_(eye, b->x);
    ct_scale_(sequence, 2);
    ct_add_(line, 2, b->x);
    ct_add_(empty, 1, b->x);
    ct_mul_(values, b->x);
    ct_copy_(ct_slice(line, 0, 0, 1, 1), ct_slice(b->x, 0, 2, 3, 1));
    ct_free(b->out);
    ct_tensor *sum = ct_add(ct_add(from, scalar), ct_add(ct_matmul(eye, sequence), ct_add(line, ct_add(empty, values))));
    b->out = ct_keep(sum);
    return ct_error() != NULL;
}

static void constants_begin_anew(void **state)
{
    (void)state;
    bag a = {.x = ct_keep(ct_of(ct_shape(3), CT_F32, 1, 2, 4))}, b = {.x = ct_keep(ct_of(ct_shape(3), CT_F32, 1, 2, 4))};
    ct_captured *c = ct_capture(with_constants, &b);
    assert_non_null(c);
    for (int i = 0; i < 3; i++) {
        with_constants(&a);
        assert_true(ct_equal(a.out, b.out));
        ct_scale_(a.x, 3);
        ct_scale_(b.x, 3);
        assert_true(ct_replay(c));
        if (i == 2) with_constants(&a);
    }
    assert_true(ct_equal(a.out, b.out));
    ct_captured_free(c);
    ct_free(a.x);
    ct_free(a.out);
    ct_free(b.x);
    ct_free(b.out);
    assert_clean();
}

/* What lives outside goes on. */
static int running_mean(void *context)
{
    bag *b = context;
    CT_SCOPE;
    ct_scale_(b->out, 0.5);
    ct_add_(b->out, 0.5, b->x);
    return 0;
}

static void buffers_outside_go_on(void **state)
{
    (void)state;
    bag b = {.x = ct_keep(ct_full(ct_shape(2), 8, CT_F64)), .out = ct_keep(ct_zeros(ct_shape(2), CT_F64))};
    ct_captured *c = ct_capture(running_mean, &b);
    assert_number(ct_get(b.out, ct_index(0)), 4, 0);
    ct_replay(c);
    assert_number(ct_get(b.out, ct_index(0)), 6, 0);
    ct_replay(c);
    assert_number(ct_get(b.out, ct_index(0)), 7, 0);
    ct_captured_free(c);
    ct_free(b.x);
    ct_free(b.out);
    assert_clean();
}

static int draw(void *context)
{
    bag *b = context;
    CT_SCOPE;
    ct_tensor *u = ct_uniform(ct_shape(5), -1, 1, CT_F32), *same = ct_uniform(ct_shape(5), 2, 2, CT_F32);
    ct_tensor *z = ct_normal(ct_shape(5), 1, 2, CT_F32), *p = ct_permutation(5);
    ct_free(b->out);
    b->out = ct_keep(ct_add(ct_add(u, same), ct_add(z, ct_cast(p, CT_F32))));
    return ct_error() != NULL;
}

static void random_numbers_are_drawn_anew(void **state)
{
    (void)state;
    bag a = {0}, b = {0};
    ct_seed(5);
    for (int i = 0; i < 3; i++) draw(&a);
    ct_seed(5);
    ct_captured *c = ct_capture(draw, &b);
    assert_true(ct_replay(c) && ct_replay(c));
    assert_true(ct_equal(a.out, b.out));
    ct_captured_free(c);
    ct_free(a.out);
    ct_free(b.out);
    assert_clean();
}

/* ---- large derivatives --------------------------------------------------------------------------------- */

/* Regions of pointwise nodes, cut by what is none: what one makes, the next reads. */
static int in_regions(void *context)
{
    quadratic *q = context;
    CT_SCOPE;
    ct_tensor *y = q->w;
    for (int i = 0; i < 6; i++) {
        y = ct_tanh(ct_add(ct_mul(y, q->x), q->w));
        if (i % 2) y = ct_cumsum(ct_mul(y, ct_scalar(1e-3)), 0);
    }
    ct_zero_grad(q->w);
    ct_backward(ct_sum(y, CT_ALL, false));
    return ct_error() != NULL;
}

static void large_derivatives_are_replayed(void **state)
{
    (void)state;
    enum { LARGE = 20000 };
    quadratic called = quadratic_of(LARGE, 1, false), replayed = quadratic_of(LARGE, 1, false);
    ct_captured *c = ct_capture(in_regions, &replayed);
    assert_non_null(c);
    for (int i = 0; i < 3; i++) {
        CT_SCOPE;
        ct_tensor *other = ct_linspace(-1 - i, 2, LARGE, CT_F64);
        ct_copy_(called.x, other);
        ct_copy_(replayed.x, other);
        assert_int_equal(in_regions(&called), 0);
        assert_true(ct_replay(c));
        assert_true(ct_equal(ct_grad_of(called.w), ct_grad_of(replayed.w)));
    }
    ct_captured_free(c);
    quadratic_free(&called);
    quadratic_free(&replayed);
    assert_clean();
}

/* ---- memory ------------------------------------------------------------------------------------------- */

enum { LONG = 50, WIDE = 1000 };

static int long_chain(void *context)
{
    bag *b = context;
    CT_SCOPE;
    ct_tensor *y = b->x;
    for (int i = 0; i < LONG; i++) y = ct_tanh(ct_add(y, b->x));
    ct_free(b->out);
    b->out = ct_keep(y);
    return 0;
}

/* Of 100 intermediate values two or three are needed at a time. */
static void what_is_not_needed_at_once_shares_memory(void **state)
{
    (void)state;
    bag b = {.x = ct_keep(ct_full(ct_shape(WIDE), 0.5, CT_F64))};
    ct_captured *c = ct_capture(long_chain, &b);
    assert_true(ct_memory().bytes <= 6 * WIDE * 8);
    ct_tensor *first = ct_keep(ct_clone(b.out));
    assert_true(ct_replay(c));
    assert_true(ct_equal(first, b.out));
    ct_fill_(b.x, -1);
    assert_true(ct_replay(c));
    bag called = {.x = b.x};
    long_chain(&called);
    assert_true(ct_equal(called.out, b.out));
    ct_captured_free(c);
    assert_true(ct_equal(called.out, b.out)); /* kept */
    ct_free(called.out);
    ct_free(first);
    ct_free(b.out);
    ct_free(b.x);
    assert_clean();
}

/* A value that another graph kept was changed by the replay: its derivative says so. */
static void replays_change_versions(void **state)
{
    (void)state;
    const int scope = ct_scope_begin();
    bag b = {.x = ct_ones(ct_shape(2), CT_F64)};
    ct_captured *c = ct_capture(long_chain, &b);
    ct_tensor *w = ct_requires_grad(ct_ones(ct_shape(2), CT_F64), true), *loss = ct_sum(ct_mul(w, b.out), CT_ALL, false);
    assert_true(ct_replay(c));
    assert_false(ct_backward(loss));
    assert_error(CT_ERROR_GRAPH, "ct_backward", "changed in place");
    ct_captured_free(c);
    ct_free(b.out);
    ct_scope_end(scope);
    assert_clean();
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    const int before = ct_threads();
    ct_tensor *weight[2];
    for (int i = 0; i < 2; i++) {
        CT_SCOPE;
        ct_set_threads(i ? 2 : 1);
        quadratic q = quadratic_of(100000, 2, true);
        ct_captured *c = ct_capture(collect, &q);
        ct_set_threads(i ? 1 : 2);
        assert_true(ct_replay(c));
        weight[i] = ct_keep(ct_clone(ct_grad_of(q.w)));
        ct_captured_free(c);
        quadratic_free(&q);
    }
    assert_true(ct_equal(weight[0], weight[1]));
    ct_free(weight[0]);
    ct_free(weight[1]);
    ct_set_threads(before);
    assert_clean();
}

/* ---- functions that are called each time -------------------------------------------------------------- */

typedef struct counted {
    int *calls;
    int add;
} counted;

static int count_up(void *context)
{
    const counted *c = context;
    assert_false(ct_capturing());
    *c->calls += c->add;
    return *c->calls > 100;
}

static int with_calls(void *context)
{
    bag *b = context;
    counted c = {.calls = &b->calls, .add = 1};
    assert_true(ct_capturing());
    ct_on_replay(count_up, &c, sizeof c);
    c.add = 1000; /* the copy stays */
    ct_on_replay(count_up, &(counted){&b->calls, 10}, sizeof c);
    return ct_error() != NULL;
}

static void functions_are_called_each_time(void **state)
{
    (void)state;
    bag b = {0};
    assert_false(ct_capturing());
    ct_captured *c = ct_capture(with_calls, &b);
    assert_int_equal(b.calls, 11);
    assert_true(ct_replay(c));
    assert_int_equal(b.calls, 22);
    b.calls = 95;
    assert_false(ct_replay(c));
    assert_error(CT_ERROR_USER, "ct_on_replay", "returned 1");
    assert_int_equal(b.calls, 106); /* the first of them was called, and the second failed */
    ct_captured_free(c);
    counted outside = {&b.calls, -200};
    assert_true(ct_on_replay(count_up, &outside, 0)); /* outside a step it is a call */
    assert_int_equal(b.calls, -94);
    assert_clean();
}

/* ---- values that are wrong -------------------------------------------------------------------------- */

/* A wrong class is found where it is, the parameters stay, and the next replay goes on. */
static void wrong_values_are_found_in_replays(void **state)
{
    (void)state;
    training t = begin(SGD, CT_F32);
    next_batch(&t, 0);
    ct_captured *c = ct_capture(step, &t);
    ct_tensor *before = weight_of(&t);
    ct_set(t.y, ct_index(2), CLASSES);
    assert_false(ct_replay(c));
    assert_error(CT_ERROR_INDEX, "ct_softmax_cross_entropy_mean", "has class 3");
    assert_true(ct_equal(before, ct_module_find(t.net, "0.weight")));
    ct_set(t.y, ct_index(2), 0);
    assert_true(ct_replay(c));
    assert_false(ct_equal(before, ct_module_find(t.net, "0.weight")));
    ct_free(before);
    ct_captured_free(c);
    end(&t);
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replays_train_as_calls_do),
        cmocka_unit_test(the_learning_rate_is_the_optimizers),
        cmocka_unit_test(a_replay_makes_nothing),
        cmocka_unit_test(gradients_add_up_from_replay_to_replay),
        cmocka_unit_test(zero_grad_in_the_step_begins_anew),
        cmocka_unit_test(zeros_are_collected),
        cmocka_unit_test(descent_by_hand_can_be_captured),
        cmocka_unit_test(a_gradient_from_before_is_refused),
        cmocka_unit_test(constants_begin_anew),
        cmocka_unit_test(buffers_outside_go_on),
        cmocka_unit_test(random_numbers_are_drawn_anew),
        cmocka_unit_test(large_derivatives_are_replayed),
        cmocka_unit_test(what_is_not_needed_at_once_shares_memory),
        cmocka_unit_test(replays_change_versions),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(functions_are_called_each_time),
        cmocka_unit_test(wrong_values_are_found_in_replays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
