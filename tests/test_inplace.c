/*
 * test_inplace.c - changes in place: values, broadcasting, overlapping memory, what a backward pass notices, and optimizer steps
 * beside their formulas in plain C.
 */
#include "values.h"

#include "tensor/optim.h"
#include "tensor/tensor.h"

/* ---- values ------------------------------------------------------------------------------------------- */

static void each_change_has_its_formula(void **state)
{
    (void)state;
    for (int d = 0; d < CT_DTYPES; d++) {
        const ct_dtype dtype = (ct_dtype)d;
        ct_tensor *t = ct_of(ct_shape(3), dtype, 1, 0, 1), *x = ct_of(ct_shape(3), CT_F32, 2.5, 0, 5);
        assert_true(ct_copy_(t, x));
        assert_tensor(t, ct_of(ct_shape(3), dtype, 2.5, 0, 5));
        assert_true(ct_fill_(t, 1));
        assert_tensor(t, ct_ones(ct_shape(3), dtype));
        if (dtype == CT_BOOL) continue;
        assert_true(ct_copy_(t, x) && ct_add_(t, 3, ct_of(ct_shape(3), CT_I64, 1, 2, 3)));
        assert_tensor(t, ct_of(ct_shape(3), dtype, 5.5, 6, 14));
        assert_true(ct_mul_(t, ct_of(ct_shape(3), CT_U8, 2, 3, 4)));
        const bool is_float = dtype == CT_F32 || dtype == CT_F64; /* else 2.5 became 2 */
        assert_tensor(t, ct_of(ct_shape(3), dtype, is_float ? 11 : 10, 18, 56));
        assert_true(ct_scale_(t, 4));
        assert_tensor(t, ct_of(ct_shape(3), dtype, is_float ? 44 : 40, 72, 224));
    }
}

static void integers_wrap(void **state)
{
    (void)state;
    ct_tensor *t = ct_of(ct_shape(2), CT_I32, INT32_MAX, INT32_MIN), *u = ct_of(ct_shape(1), CT_U8, 200);
    assert_true(ct_add_(t, 1, ct_of(ct_shape(2), CT_I32, 1, -1)));
    assert_tensor(t, ct_of(ct_shape(2), CT_I32, INT32_MIN, INT32_MAX));
    assert_true(ct_mul_(t, t) && ct_scale_(u, -1));
    assert_tensor(t, ct_of(ct_shape(2), CT_I32, 0, 1));
    assert_tensor(u, ct_of(ct_shape(1), CT_U8, 56));
    const int64_t most = INT64_MAX;
    ct_tensor *l = ct_from(&most, ct_shape(1), CT_I64);
    assert_true(ct_scale_(l, -1) && ct_add_(l, 1, ct_of(ct_shape(), CT_I64, -2)));
    assert_tensor(l, ct_from(&most, ct_shape(1), CT_I64));
}

static void changes_go_through_views(void **state)
{
    (void)state;
    ct_tensor *x = ct_zeros(ct_shape(3, 4), CT_F32);
    assert_true(ct_fill_(ct_select(ct_transpose(x), 0, 1), 5));
    assert_true(ct_add_(ct_slice(x, 1, 2, 4, 1), 1, ct_of(ct_shape(3, 1), CT_F32, 1, 2, 3)));
    assert_true(ct_scale_(ct_flip(ct_select(x, 0, 2), CT_ALL), 10));
    assert_true(ct_copy_(ct_slice(ct_select(x, 0, 0), 0, 0, 4, 2), ct_scalar(-1)));
    assert_tensor(x, ct_of(ct_shape(3, 4), CT_F32, -1, 5, -1, 1, 0, 5, 2, 2, 0, 50, 30, 30));
}

static void the_operand_broadcasts_to_the_target(void **state)
{
    (void)state;
    ct_tensor *t = counted(ct_shape(2, 3), CT_F64);
    assert_true(ct_add_(t, 2, ct_of(ct_shape(3), CT_F64, 1, 2, 3)));
    assert_values(t, ct_shape(2, 3), 2, 5, 8, 5, 8, 11);
    assert_true(ct_mul_(t, ct_of(ct_shape(2, 1), CT_F64, 1, -1)));
    assert_values(t, ct_shape(2, 3), 2, 5, 8, -5, -8, -11);
    assert_true(ct_copy_(t, ct_select(t, 1, 0)) == false);
    assert_error(CT_ERROR_SHAPE, "ct_copy_", "x, which is f64 [2], does not broadcast to t, which is f64 [2, 3]");
    assert_true(ct_copy_(t, ct_of(ct_shape(), CT_I32, 7)));
    assert_tensor(t, ct_full(ct_shape(2, 3), 7, CT_F64));
    assert_false(ct_add_(t, 1, ct_zeros(ct_shape(4, 2, 3), CT_F64)));
    assert_error(CT_ERROR_SHAPE, "ct_add_", "f64 [4, 2, 3]");
    assert_false(ct_mul_(ct_zeros(ct_shape(1), CT_F64), ct_zeros(ct_shape(2), CT_F64)));
    assert_error(CT_ERROR_SHAPE, "ct_mul_", "f64 [2], does not broadcast to t, which is f64 [1]");
    assert_true(ct_add_(ct_zeros(ct_shape(0, 3), CT_F32), 1, ct_zeros(ct_shape(1, 3), CT_F64)));
    assert_true(ct_fill_(ct_zeros(ct_shape(0), CT_F32), 1) && ct_scale_(ct_zeros(ct_shape(2, 0), CT_I32), 2));
}

static void large_tensors_change_alike_with_any_threads(void **state)
{
    (void)state;
    ct_seed(1);
    ct_tensor *start = ct_normal(ct_shape(300, 301), 0, 1, CT_F32), *x = ct_normal(ct_shape(301), 0, 1, CT_F64), *by[3];
    for (int threads = 1; threads <= 3; threads++) {
        ct_set_threads(threads);
        ct_tensor *t = by[threads - 1] = ct_clone(start);
        assert_true(ct_add_(t, 0.3, x) && ct_mul_(t, start) && ct_scale_(ct_transpose(t), 1.1));
    }
    ct_set_threads(0);
    assert_true(ct_equal(by[0], by[1]) && ct_equal(by[0], by[2]));
    ct_tensor *expected = ct_mul(ct_mul(ct_add(start, ct_mul(ct_cast(x, CT_F32), ct_scalar(0.3))), start), ct_scalar(1.1));
    assert_true(ct_allclose(by[0], expected, 1e-6, 0));
}

/* ---- overlapping memory -------------------------------------------------------------------------------- */

static void an_operand_in_the_same_memory_is_read_first(void **state)
{
    (void)state;
    ct_tensor *t = counted(ct_shape(5), CT_F64);
    assert_true(ct_copy_(t, ct_flip(t, CT_ALL)));
    assert_values(t, ct_shape(5), 4, 3, 2, 1, 0);
    assert_true(ct_copy_(ct_slice(t, 0, 1, 5, 1), ct_slice(t, 0, 0, 4, 1)));
    assert_values(t, ct_shape(5), 4, 4, 3, 2, 1);
    assert_true(ct_add_(t, 1, t) && ct_mul_(t, ct_select(t, 0, 0)));
    assert_values(t, ct_shape(5), 64, 64, 48, 32, 16);
    t = counted(ct_shape(2001), CT_F64); /* x begins beyond t and goes down into it, longer than a block of the loops */
    assert_true(ct_copy_(ct_slice(t, 0, 0, 2000, 1), ct_flip(ct_slice(t, 0, 1, 2001, 1), CT_ALL)));
    for (int i = 0; i < 2000; i++) assert_true(ct_get(t, ct_index(i)) == 2000 - i);
    ct_tensor *m = counted(ct_shape(3, 3), CT_I32);
    assert_true(ct_add_(m, 10, ct_transpose(m)));
    assert_tensor(m, ct_of(ct_shape(3, 3), CT_I32, 0, 31, 62, 13, 44, 75, 26, 57, 88));
    assert_true(ct_add_(m, 1, ct_select(m, 0, 0))); /* a row of it, broadcast over it */
    assert_tensor(m, ct_of(ct_shape(3, 3), CT_I32, 0, 62, 124, 13, 75, 137, 26, 88, 150));
}

static void two_wraps_of_one_memory_are_seen_to_overlap(void **state)
{
    (void)state;
    double memory[4] = {1, 2, 3, 4};
    ct_tensor *t = ct_wrap(memory, ct_shape(3), CT_F64, NULL, NULL), *x = ct_wrap(memory + 1, ct_shape(3), CT_F64, NULL, NULL);
    assert_true(ct_add_(x, 1, t));
    assert_values(x, ct_shape(3), 3, 5, 7);
    ct_memory_reset_peak();
    assert_true(ct_add_(ct_slice(x, 0, 0, 1, 1), 1, ct_slice(x, 0, 2, 3, 1)));
    assert_int_equal(ct_memory().peak_bytes, ct_memory().bytes); /* and what does not is not copied */
    assert_values(x, ct_shape(3), 10, 5, 7);
}

static void copies_of_operands_do_not_stay(void **state)
{
    (void)state;
    ct_tensor *t = counted(ct_shape(4), CT_F64), *x = ct_flip(t, CT_ALL), *y = ct_ones(ct_shape(4), CT_I32);
    const ct_memory_info before = ct_memory();
    assert_true(ct_copy_(t, x) && ct_add_(t, 1, x) && ct_mul_(t, x) && ct_add_(t, 1, y) && ct_mul_(t, y));
    assert_int_equal(ct_memory().tensors, before.tensors);
    assert_int_equal(ct_memory().storages, before.storages);
}

/* ---- refusals ----------------------------------------------------------------------------------------- */

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    ct_tensor *t = ct_ones(ct_shape(2, 1), CT_F32), *i = ct_ones(ct_shape(2), CT_I32), *b = ct_ones(ct_shape(2), CT_BOOL);
    assert_false(ct_fill_(ct_expand(t, ct_shape(2, 3)), 1));
    assert_error(CT_ERROR_SHAPE, "ct_fill_", "t, which is f32 [2, 3], is an expanded view");
    assert_false(ct_set(ct_expand(t, ct_shape(2, 3)), ct_index(0, 0), 1));
    assert_error(CT_ERROR_SHAPE, "ct_set", "expanded view");
    assert_false(ct_scale_(i, 0.5));
    assert_error(CT_ERROR_VALUE, "ct_scale_", "a factor of 0.5 for t, which is i32 [2]; expected a whole number");
    assert_false(ct_add_(i, NAN, i));
    assert_error(CT_ERROR_VALUE, "ct_add_", "nan");
    assert_false(ct_add_(i, 1e19, i));
    assert_error(CT_ERROR_VALUE, "ct_add_", "1e+19");
    assert_false(ct_mul_(b, b));
    assert_error(CT_ERROR_DTYPE, "ct_mul_", "t is bool [2]; expected numbers");
    assert_false(ct_add_(b, 1, b));
    assert_error(CT_ERROR_DTYPE, "ct_add_", "bool [2]");
    assert_false(ct_scale_(b, 1));
    assert_error(CT_ERROR_DTYPE, "ct_scale_", "bool [2]");
    assert_false(ct_fill_(NULL, 1));
    assert_error(CT_ERROR_NULL, "ct_fill_", "`t` is NULL");
    assert_false(ct_copy_(NULL, t));
    assert_error(CT_ERROR_NULL, "ct_copy_", "`t` is NULL");
    assert_false(ct_copy_(t, NULL));
    assert_error(CT_ERROR_NULL, "ct_copy_", "`x` is NULL");
    assert_false(ct_add_(t, 1, NULL));
    assert_error(CT_ERROR_NULL, "ct_add_", "`x` is NULL");
    assert_false(ct_mul_(t, NULL));
    assert_error(CT_ERROR_NULL, "ct_mul_", "`x` is NULL");
    assert_false(ct_scale_(NULL, 2));
    assert_error(CT_ERROR_NULL, "ct_scale_", "`t` is NULL");
    assert_false(ct_touch(NULL));
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_NULL, "ct_touch", "`t` is NULL");
    assert_tensor(t, ct_ones(ct_shape(2, 1), CT_F32));
}

static void a_pending_error_stops_changes_quietly(void **state)
{
    (void)state;
    ct_tensor *t = ct_ones(ct_shape(2), CT_F32);
    assert_null(ct_zeros(ct_shape(-3), CT_F32));
    assert_false(ct_fill_(t, 2) || ct_copy_(t, ct_scalar(2)) || ct_add_(t, 1, t) || ct_mul_(t, t) || ct_scale_(t, 2));
    assert_false(ct_sgd_step_(&t, &t, NULL, 1, (ct_sgd_step){.lr = 1}));
    assert_false(ct_adam_step_(&t, &t, &t, &t, 1, (ct_adam_step){.lr = 1, .t = 1}));
    assert_tensor(t, ct_ones(ct_shape(2), CT_F32));
    assert_error(CT_ERROR_SHAPE, "ct_zeros", "[-3]");
}

static void leaves_are_changed_without_recording_alone(void **state)
{
    (void)state;
    ct_tensor *w = ct_requires_grad(ct_ones(ct_shape(2), CT_F32), true);
    assert_false(ct_fill_(w, 2));
    assert_error(CT_ERROR_GRAPH, "ct_fill_", "needs a gradient");
    assert_false(ct_scale_(ct_slice(w, 0, 0, 1, 1), 2));
    assert_error(CT_ERROR_GRAPH, "ct_scale_", "needs a gradient");
    assert_false(ct_set(w, ct_index(0), 2));
    assert_error(CT_ERROR_GRAPH, "ct_set", "needs a gradient");
    ct_tensor *g = ct_ones(ct_shape(2), CT_F32);
    assert_false(ct_sgd_step_(&w, &g, NULL, 1, (ct_sgd_step){.lr = 1}));
    assert_error(CT_ERROR_GRAPH, "ct_sgd_step_", "needs a gradient");
    CT_NO_GRAD;
    assert_true(ct_fill_(w, 3) && ct_sgd_step_(&w, &g, NULL, 1, (ct_sgd_step){.lr = 1}));
    assert_tensor(w, ct_of(ct_shape(2), CT_F32, 2, 2));
}

typedef bool change(ct_tensor *x);
static bool by_fill(ct_tensor *x) { return ct_fill_(x, 5); }
static bool by_set(ct_tensor *x) { return ct_set(x, ct_index(1), 5); }
static bool by_copy(ct_tensor *x) { return ct_copy_(x, ct_scalar(5)); }
static bool by_add(ct_tensor *x) { return ct_add_(ct_slice(x, 0, 1, 2, 1), 1, ct_scalar(5)); }
static bool by_mul(ct_tensor *x) { return ct_mul_(x, x); }
static bool by_scale(ct_tensor *x) { return ct_scale_(x, 5); }
static bool by_touch(ct_tensor *x) { return ct_touch(x); }
static bool by_sgd(ct_tensor *x)
{
    ct_tensor *g = ct_ones(ct_shape(3), CT_F64);
    return ct_sgd_step_(&x, &g, NULL, 1, (ct_sgd_step){.lr = 1});
}
static bool by_adam(ct_tensor *x)
{
    ct_tensor *g = ct_ones(ct_shape(3), CT_F64), *m = ct_zeros(ct_shape(3), CT_F64), *v = ct_zeros(ct_shape(3), CT_F64);
    return ct_adam_step_(&x, &g, &m, &v, 1, (ct_adam_step){.lr = 1, .t = 1});
}

/* square keeps its x for 2 x g; changed in between, the gradient would be wrong. */
static void backward_notices_every_kind_of_change(void **state)
{
    (void)state;
    change *const changes[] = {by_fill, by_set, by_copy, by_add, by_mul, by_scale, by_touch, by_sgd, by_adam};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        ct_tensor *x = ct_requires_grad(ct_of(ct_shape(3), CT_F64, 1, 2, 3), true), *loss = ct_sum(ct_square(x), CT_ALL, false);
        const bool before = ct_grad_mode(false);
        assert_true(changes[i](x));
        ct_grad_mode(before);
        assert_false(ct_backward(loss));
        assert_non_null(ct_error());
        assert_int_equal(ct_error()->status, CT_ERROR_GRAPH);
        ct_clear_error();
        assert_false(ct_has_grad(x));
    }
}

/* ---- optimizer steps beside their formulas -------------------------------------------------------------- */

enum { SIZE = 37, STEPS = 5 };

typedef struct problem {
    ct_tensor *p, *g, *m, *v;
    double hand_p[SIZE], hand_g[SIZE], hand_m[SIZE], hand_v[SIZE];
} problem;

static problem problem_of(ct_dtype dtype)
{
    problem q = {.p = ct_normal(ct_shape(SIZE), 0, 1, dtype)};
    q.m = ct_zeros(ct_shape(SIZE), dtype);
    q.v = ct_zeros(ct_shape(SIZE), dtype);
    assert_true(ct_copy_values(q.p, q.hand_p, SIZE));
    return q;
}

static void next_gradient(problem *q)
{
    q->g = ct_normal(ct_shape(SIZE), 0, 1, ct_dtype_of(q->p));
    assert_true(ct_copy_values(q->g, q->hand_g, SIZE));
}

static void assert_agrees(problem *q)
{
    double p[SIZE];
    assert_true(ct_copy_values(q->p, p, SIZE));
    const double bound = ct_dtype_of(q->p) == CT_F64 ? 1e-15 : 1e-6;
    const double error = test_relative_error(p, q->hand_p, SIZE);
    if (!(error < bound)) fail_msg("relative error %g", error);
}

/* The formulas of tensor.h, letter by letter. */
static void sgd_by_hand(problem *q, ct_sgd_step s)
{
    for (int i = 0; i < SIZE; i++) {
        const double g = q->hand_g[i] + s.weight_decay * q->hand_p[i];
        double *v = &q->hand_v[i];
        *v = s.momentum == 0 || s.first ? g : s.momentum * *v + (1 - s.dampening) * g;
        q->hand_p[i] -= s.lr * (s.nesterov ? g + s.momentum * *v : *v);
    }
}

static void sgd_follows_its_formula(void **state)
{
    (void)state;
    const ct_sgd_step variants[] = {
        {.lr = 0.1},
        {.lr = 0.1, .weight_decay = 0.01},
        {.lr = 0.1, .momentum = 0.9},
        {.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.01},
        {.lr = 0.1, .momentum = 0.8, .nesterov = true},
        {.lr = 0.1, .momentum = 0.8, .nesterov = true, .weight_decay = 0.02},
        {.lr = -0.5, .nesterov = true},
    };
    for (size_t k = 0; k < 2 * sizeof variants / sizeof variants[0]; k++) {
        problem q = problem_of(k % 2 ? CT_F64 : CT_F32);
        assert_true(ct_fill_(q.v, NAN)); /* the first step does not read it */
        for (int step = 0; step < STEPS; step++) {
            ct_sgd_step s = variants[k / 2];
            s.first = step == 0;
            next_gradient(&q);
            sgd_by_hand(&q, s);
            assert_true(ct_sgd_step_(&q.p, &q.g, s.momentum == 0 ? NULL : &q.v, 1, s));
            assert_agrees(&q);
        }
    }
}

/* Zero times infinity is no part of a step without decay: in whole vectors and in what is left of one. */
static void sgd_without_decay_leaves_infinity(void **state)
{
    (void)state;
    enum { N = 37 };
    for (int k = 0; k < 2; k++) {
        CT_SCOPE;
        const ct_dtype dtype = k ? CT_F64 : CT_F32;
        ct_tensor *p = ct_full(ct_shape(N), INFINITY, dtype), *g = ct_ones(ct_shape(N), dtype);
        assert_true(ct_sgd_step_(&p, &g, NULL, 1, (ct_sgd_step){.lr = 0.5}));
        assert_true(ct_equal(p, ct_full(ct_shape(N), INFINITY, dtype)));
    }
}

static void adam_by_hand(problem *q, ct_adam_step s)
{
    for (int i = 0; i < SIZE; i++) {
        double *p = &q->hand_p[i], *m = &q->hand_m[i], *v = &q->hand_v[i], g = q->hand_g[i];
        if (s.decoupled) *p *= 1 - s.lr * s.weight_decay;
        else g += s.weight_decay * *p;
        *m = s.beta1 * *m + (1 - s.beta1) * g;
        *v = s.beta2 * *v + (1 - s.beta2) * g * g;
        const double first = *m / (1 - pow(s.beta1, (double)s.t)), second = *v / (1 - pow(s.beta2, (double)s.t));
        *p -= s.lr * first / (sqrt(second) + s.eps);
    }
}

static void adam_follows_its_formula(void **state)
{
    (void)state;
    const ct_adam_step variants[] = {
        {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8},
        {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.1},
        {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.1, .decoupled = true},
        {.lr = 0.02, .beta1 = 0, .beta2 = 0.5, .eps = 0.1},
    };
    for (size_t k = 0; k < 2 * sizeof variants / sizeof variants[0]; k++) {
        problem q = problem_of(k % 2 ? CT_F64 : CT_F32);
        for (int step = 1; step <= STEPS; step++) {
            ct_adam_step s = variants[k / 2];
            s.t = step;
            next_gradient(&q);
            adam_by_hand(&q, s);
            assert_true(ct_adam_step_(&q.p, &q.g, &q.m, &q.v, 1, s));
            assert_agrees(&q);
        }
    }
}

/* ---- many parameters at once ----------------------------------------------------------------------------- */

enum { MODELS = 6 };

typedef struct model {
    ct_tensor *p[MODELS], *g[MODELS], *m[MODELS], *v[MODELS];
} model;

/* Both dtypes, ranks 0 to 3, a size of 0, and one parameter that spans several parts. */
static model model_of(bool large)
{
    const ct_shape shapes[] = {ct_shape(3, 4), ct_shape(), ct_shape(0, 5), ct_shape(large ? 300003 : 13),
                               ct_shape(2, 3, large ? 5000 : 1), ct_shape(7)};
    model q;
    for (int i = 0; i < MODELS; i++) {
        const ct_dtype dtype = i % 2 ? CT_F64 : CT_F32;
        q.p[i] = ct_normal(shapes[i], 0, 1, dtype);
        q.g[i] = ct_normal(shapes[i], 0, 1, dtype);
        q.m[i] = ct_normal(shapes[i], 0, 1, dtype);
        q.v[i] = ct_uniform(shapes[i], 0, 1, dtype);
    }
    return q;
}

static const ct_sgd_step some_sgd = {.lr = 0.1, .momentum = 0.9, .dampening = 0.1, .weight_decay = 0.01, .nesterov = true};
static const ct_adam_step some_adam = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.1, .t = 3};

static bool both_steps(model *q)
{
    return ct_sgd_step_(q->p, q->g, q->m, MODELS, some_sgd) && ct_adam_step_(q->p, q->g, q->m, q->v, MODELS, some_adam);
}

static bool same_model(const model *a, const model *b)
{
    bool same = true;
    for (int i = 0; i < MODELS; i++) {
        same = same && ct_equal(a->p[i], b->p[i]) && ct_equal(a->g[i], b->g[i]);
        same = same && ct_equal(a->m[i], b->m[i]) && ct_equal(a->v[i], b->v[i]);
    }
    return same;
}

static void all_parameters_take_one_region_or_none(void **state)
{
    (void)state;
    ct_set_threads(2);
    model small = model_of(false), large = model_of(true);
    ct_counters before = ct_count();
    assert_true(both_steps(&small));
    assert_int_equal(ct_count().parallel_regions, before.parallel_regions);
    assert_int_equal(ct_count().mallocs, before.mallocs);
    assert_true(both_steps(&large));
    assert_int_equal(ct_count().parallel_regions, before.parallel_regions + 2);
    assert_int_equal(ct_count().mallocs, before.mallocs);
    ct_set_threads(0);
}

/* Steps, sums and turned copies of middle size: shared where the team is awake, with the same bits. */
static void a_team_that_is_awake_shares_middle_sizes(void **state)
{
    (void)state;
    const ct_sgd_step plain = {.lr = 0.1};
    ct_tensor *p[2], *sum[2], *turned[2];
    for (int awake = 0; awake < 2; awake++) {
        ct_set_threads(1);
        ct_seed(5);
        p[awake] = ct_normal(ct_shape(300, 500), 0, 1, CT_F32);
        ct_tensor *g = ct_normal(ct_shape(300, 500), 0, 1, CT_F32);
        ct_set_threads(2);
        const int64_t before = ct_count().parallel_regions;
        ct__self.awake = awake;
        assert_true(ct_sgd_step_(&p[awake], &g, NULL, 1, plain));
        assert_int_equal(ct_count().parallel_regions, before + awake);
        ct__self.awake = awake;
        sum[awake] = ct_add(p[awake], g);
        assert_int_equal(ct_count().parallel_regions, before + 2 * awake);
        ct__self.awake = awake;
        turned[awake] = ct_contiguous(ct_transpose(g));
        assert_int_equal(ct_count().parallel_regions, before + 3 * awake);
    }
    ct_set_threads(0);
    assert_true(ct_equal(p[0], p[1]) && ct_equal(sum[0], sum[1]) && ct_equal(turned[0], turned[1]));
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    model by[3];
    for (int threads = 1; threads <= 3; threads++) {
        ct_seed(77);
        ct_set_threads(threads);
        by[threads - 1] = model_of(true);
        assert_true(both_steps(&by[threads - 1]));
    }
    ct_set_threads(0);
    assert_true(same_model(&by[0], &by[1]) && same_model(&by[0], &by[2]));
    /* Together or one by one, too. */
    ct_seed(77);
    model single = model_of(true);
    for (int i = 0; i < MODELS; i++) {
        assert_true(ct_sgd_step_(&single.p[i], &single.g[i], &single.m[i], 1, some_sgd));
        assert_true(ct_adam_step_(&single.p[i], &single.g[i], &single.m[i], &single.v[i], 1, some_adam));
    }
    assert_true(same_model(&by[0], &single));
}

/* Those that are too small to be cut are shared as wholes. */
static void many_small_parameters_are_shared(void **state)
{
    enum { MANY = 250 };
    (void)state;
    ct_tensor *p[4][MANY], *g[MANY], *m[4][MANY];
    for (int i = 0; i < MANY; i++) {
        const ct_shape shape = ct_shape(i % 7 ? 4000 : 1 + i);
        g[i] = ct_normal(shape, 0, 1, CT_F32);
        p[0][i] = ct_normal(shape, 0, 1, CT_F32);
        m[0][i] = ct_normal(shape, 0, 1, CT_F32);
        for (int k = 1; k < 4; k++) p[k][i] = ct_clone(p[0][i]), m[k][i] = ct_clone(m[0][i]);
    }
    for (int k = 0; k < 4; k++) { /* one by one; then together */
        ct_set_threads(k ? k : 1);
        for (int i = 0; i < MANY; i += k ? MANY : 1) assert_true(ct_sgd_step_(p[k] + i, g + i, m[k] + i, k ? MANY : 1, some_sgd));
        for (int i = 0; i < MANY; i++) assert_true(ct_equal(p[k][i], p[0][i]) && ct_equal(m[k][i], m[0][i]));
    }
    ct_set_threads(0);
}

static void instruction_sets_do_not_change_a_bit(void **state)
{
    (void)state;
    const ct__optim_kernels *tables[3] = {&ct__optim_kernels_baseline};
#ifdef __x86_64__
    if (ct__isa() >= 1) tables[1] = &ct__optim_kernels_avx2;
    if (ct__isa() >= 2) tables[2] = &ct__optim_kernels_avx512;
#endif
    const ct__adam_numbers a = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.1,
                                .correction1 = 10, .correction2 = 100};
    ct_seed(6);
    const model q = model_of(false);
    ct_tensor *first[4];
    for (int k = 0; k < 3 && tables[k]; k++) {
        ct_tensor *t[4] = {ct_clone(q.p[3]), ct_clone(q.g[3]), ct_clone(q.m[3]), ct_clone(q.v[3])};
        tables[k]->sgd[CT_F64](13, t[0]->data, t[1]->data, t[2]->data, &some_sgd);
        tables[k]->adam[CT_F64](13, t[0]->data, t[1]->data, t[2]->data, t[3]->data, &a);
        for (int i = 0; i < 4; i++) {
            if (k == 0) first[i] = t[i];
            assert_tensor(t[i], first[i]);
        }
    }
}

static void a_step_checks_everything_first(void **state)
{
    (void)state;
    ct_seed(5);
    model q = model_of(false);
    ct_seed(5);
    const model unchanged = model_of(false);
    ct_tensor *keep = q.g[5];
    q.g[5] = NULL;
    assert_false(ct_sgd_step_(q.p, q.g, q.m, MODELS, some_sgd));
    assert_error(CT_ERROR_NULL, "ct_sgd_step_", "grads[5] is NULL");
    q.g[5] = ct_ones(ct_shape(8), CT_F64);
    assert_false(ct_sgd_step_(q.p, q.g, q.m, MODELS, some_sgd));
    assert_error(CT_ERROR_SHAPE, "ct_sgd_step_", "grads[5] is f64 [8], but params[5] is f64 [7]");
    q.g[5] = ct_ones(ct_shape(7), CT_F32);
    assert_false(ct_adam_step_(q.p, q.g, q.m, q.v, MODELS, some_adam));
    assert_error(CT_ERROR_DTYPE, "ct_adam_step_", "grads[5] is f32 [7], but params[5] is f64 [7]");
    q.g[5] = ct_expand(ct_ones(ct_shape(1), CT_F64), ct_shape(7));
    assert_false(ct_adam_step_(q.p, q.g, q.m, q.v, MODELS, some_adam));
    assert_error(CT_ERROR_SHAPE, "ct_adam_step_", "grads[5], which is f64 [7], is a view that is not contiguous");
    q.g[5] = keep;
    keep = q.p[4];
    q.p[4] = NULL;
    assert_false(ct_adam_step_(q.p, q.g, q.m, q.v, MODELS, some_adam));
    assert_error(CT_ERROR_NULL, "ct_adam_step_", "params[4] is NULL");
    q.p[4] = ct_ones(ct_shape(2, 3, 1), CT_I64);
    assert_false(ct_adam_step_(q.p, q.g, q.m, q.v, MODELS, some_adam));
    assert_error(CT_ERROR_DTYPE, "ct_adam_step_", "params[4] is i64 [2, 3, 1]; expected f32 or f64");
    q.p[4] = keep;
    keep = q.v[5];
    q.v[5] = ct_ones(ct_shape(), CT_F64);
    assert_false(ct_adam_step_(q.p, q.g, q.m, q.v, MODELS, some_adam));
    assert_error(CT_ERROR_SHAPE, "ct_adam_step_", "v[5] is f64 [], but params[5] is f64 [7]");
    q.v[5] = keep;
    ct_tensor *twice[] = {q.p[0], ct_alias(q.p[0])}, *grads[] = {q.g[0], q.g[0]};
    assert_false(ct_sgd_step_(twice, grads, NULL, 2, (ct_sgd_step){.lr = 1}));
    assert_error(CT_ERROR_VALUE, "ct_sgd_step_", "params[0] and params[1] are the same memory");
    assert_true(same_model(&q, &unchanged));
    /* memory of the caller, wrapped twice; slices of one buffer are parameters of their own, also after that error */
    float memory[4] = {0};
    ct_tensor *w[] = {ct_zeros(ct_shape(4), CT_F32), ct_wrap(memory, ct_shape(4), CT_F32, NULL, NULL), ct_wrap(memory, ct_shape(4), CT_F32, NULL, NULL)};
    ct_tensor *ones[] = {ct_ones(ct_shape(4), CT_F32), ct_ones(ct_shape(4), CT_F32), ct_ones(ct_shape(4), CT_F32)};
    assert_false(ct_sgd_step_(w, ones, NULL, 3, (ct_sgd_step){.lr = 1}));
    assert_error(CT_ERROR_VALUE, "ct_sgd_step_", "params[1] and params[2] are the same memory");
    ct_tensor *half[] = {ct_slice(w[0], 0, 0, 2, 1), ct_slice(w[0], 0, 2, 4, 1)};
    ct_tensor *g[] = {ct_slice(ones[0], 0, 0, 2, 1), ct_slice(ones[0], 0, 2, 4, 1)};
    for (int i = 0; i < 2; i++) assert_true(ct_sgd_step_(half, g, NULL, 2, (ct_sgd_step){.lr = 1}));
    assert_tensor(w[0], ct_full(ct_shape(4), -2, CT_F32));
}

static void bad_numbers_are_named(void **state)
{
    (void)state;
    ct_tensor *t = ct_ones(ct_shape(2), CT_F32);
    assert_false(ct_sgd_step_(&t, &t, NULL, 1, (ct_sgd_step){.lr = NAN}));
    assert_error(CT_ERROR_VALUE, "ct_sgd_step_", "lr nan");
    assert_false(ct_sgd_step_(&t, &t, &t, 1, (ct_sgd_step){.lr = 1, .momentum = -1}));
    assert_error(CT_ERROR_VALUE, "ct_sgd_step_", "momentum -1");
    assert_false(ct_sgd_step_(&t, &t, NULL, 1, (ct_sgd_step){.lr = 1, .momentum = 0.9}));
    assert_error(CT_ERROR_NULL, "ct_sgd_step_", "`velocity` is NULL");
    assert_false(ct_sgd_step_(&t, NULL, NULL, 1, (ct_sgd_step){.lr = 1}));
    assert_error(CT_ERROR_NULL, "ct_sgd_step_", "`grads` is NULL");
    assert_false(ct_sgd_step_(NULL, &t, NULL, 1, (ct_sgd_step){.lr = 1}));
    assert_error(CT_ERROR_NULL, "ct_sgd_step_", "`params` is NULL");
    assert_false(ct_sgd_step_(&t, &t, NULL, -1, (ct_sgd_step){.lr = 1}));
    assert_error(CT_ERROR_VALUE, "ct_sgd_step_", "-1 parameters");
    assert_false(ct_adam_step_(&t, &t, &t, &t, 1, (ct_adam_step){.lr = 1, .beta1 = 1, .t = 1}));
    assert_error(CT_ERROR_VALUE, "ct_adam_step_", "beta1 1");
    assert_false(ct_adam_step_(&t, &t, &t, &t, 1, (ct_adam_step){.lr = 1}));
    assert_error(CT_ERROR_VALUE, "ct_adam_step_", "t 0;");
    assert_false(ct_adam_step_(&t, &t, NULL, &t, 1, (ct_adam_step){.lr = 1, .t = 1}));
    assert_error(CT_ERROR_NULL, "ct_adam_step_", "`m` is NULL");
    assert_true(ct_sgd_step_(NULL, NULL, NULL, 0, (ct_sgd_step){.lr = 1}));
    assert_tensor(t, ct_ones(ct_shape(2), CT_F32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(each_change_has_its_formula),
        value_test(integers_wrap),
        value_test(changes_go_through_views),
        value_test(the_operand_broadcasts_to_the_target),
        value_test(large_tensors_change_alike_with_any_threads),
        value_test(an_operand_in_the_same_memory_is_read_first),
        value_test(two_wraps_of_one_memory_are_seen_to_overlap),
        value_test(copies_of_operands_do_not_stay),
        value_test(what_makes_no_sense_is_refused),
        value_test(a_pending_error_stops_changes_quietly),
        value_test(leaves_are_changed_without_recording_alone),
        value_test(backward_notices_every_kind_of_change),
        value_test(sgd_follows_its_formula),
        value_test(sgd_without_decay_leaves_infinity),
        value_test(adam_follows_its_formula),
        value_test(all_parameters_take_one_region_or_none),
        value_test(a_team_that_is_awake_shares_middle_sizes),
        value_test(threads_do_not_change_a_bit),
        value_test(many_small_parameters_are_shared),
        value_test(instruction_sets_do_not_change_a_bit),
        value_test(a_step_checks_everything_first),
        value_test(bad_numbers_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
