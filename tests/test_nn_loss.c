/*
 * test_nn_loss.c - losses, penalties and accuracy: values and gradients beside plain C formulas in f64, tails, wrong input.
 */
#include "support.h"

static int begin(void **state)
{
    ct_seed(1);
    *state = (void *)(intptr_t)ct_scope_begin();
    return 0;
}

static int end(void **state)
{
    ct_scope_end((int)(intptr_t)*state);
    assert_clean();
    return 0;
}

/* |t - expected| / max |expected| over all elements */
#define assert_values(t, expected, count, tolerance) check_values(t, expected, count, tolerance, __FILE__, __LINE__)
static void check_values(ct_tensor *t, const double *expected, int64_t count, double tolerance, const char *file, int line)
{
    double v[64];
    if (ct_count_of(t) != count || !ct_copy_values(t, v, count)) _fail(file, line);
    const double error = test_relative_error(v, expected, count);
    if (error <= tolerance) return;
    print_error("%s:%d: error %g; the first value is %.17g, expected %.17g\n", file, line, error, v[0], expected[0]);
    _fail(file, line);
}

#define assert_value(t, expected, tolerance) assert_values(t, &(const double){expected}, 1, tolerance)

static ct_tensor *leaf(const double *values, ct_shape shape)
{
    return ct_requires_grad(ct_from_values(values, ct_shape_count(shape), shape, CT_F64), true);
}

static ct_tensor *slope_of(ct_tensor *loss, ct_tensor *x)
{
    return ct_derivative(ct_sum(loss, CT_ALL, false), x, (ct_grad_options){.create_graph = true});
}

/* ---- losses of an element each ------------------------------------------------------------------------ */

typedef ct_tensor *(*element_loss)(ct_tensor *y, ct_tensor *target, ct_reduction reduction);

typedef struct element_case {
    element_loss loss;
    double (*value)(double y, double t), (*slope)(double y, double t);
    double y[6], t[6];
} element_case;

static ct_tensor *huber_1(ct_tensor *y, ct_tensor *t, ct_reduction r) { return ct_huber_loss(y, t, 1, r); }
static double sigmoid(double x) { return x > 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

static double mse(double y, double t) { return (y - t) * (y - t); }
static double mse_slope(double y, double t) { return 2 * (y - t); }
static double half_mse(double y, double t) { return (y - t) * (y - t) / 2; }
static double half_mse_slope(double y, double t) { return y - t; }
static double l1(double y, double t) { return fabs(y - t); }
static double l1_slope(double y, double t) { return (y > t) - (y < t); }
static double huber(double y, double t) { return fabs(y - t) <= 1 ? (y - t) * (y - t) / 2 : fabs(y - t) - 0.5; }
static double huber_slope(double y, double t) { return fmax(-1, fmin(1, y - t)); }
static double bce(double p, double t) { return -t * fmax(log(p), -100) - (1 - t) * fmax(log1p(-p), -100); }
static double bce_slope(double p, double t) { return (p - t) / (p * (1 - p)); }
static double bce_logits(double x, double t) { return fmax(x, 0) - x * t + log1p(exp(-fabs(x))); }
static double bce_logits_slope(double x, double t) { return sigmoid(x) - t; }

static const element_case element_cases[] = {
    {ct_mse_loss, mse, mse_slope, {1.5, -2, 0.25, 3, 0, 1e-3}, {1, 0.5, 0.25, -1, 0, 2e-3}},
    {ct_half_mse_loss, half_mse, half_mse_slope, {1.5, -2, 0.25, 3, 0, 1e-3}, {1, 0.5, 0.25, -1, 0, 2e-3}},
    {ct_l1_loss, l1, l1_slope, {1.5, -2, 0.25, 3, 0, 1e-3}, {1, 0.5, 0.25, -1, 0, 2e-3}},
    {huber_1, huber, huber_slope, {1.5, -2, 0.25, 3, -1, 7}, {1, 0.5, 0.25, 2, 0, 7.75}},
    {ct_binary_cross_entropy, bce, bce_slope, {0.5, 0.1, 0.9, 1e-3, 0.25, 0.75}, {1, 0, 1, 0, 0.3, 0.9}},
    {ct_binary_cross_entropy_logits, bce_logits, bce_logits_slope, {0, 0, -3, 4, 0, 1}, {1, 0, 1, 0, 0.3, 0.9}},
};

/* Value and gradient under each reduction. */
static void check_element_case(const element_case *c)
{
    double value[6], slope[6], mean_slope[6], sum = 0;
    for (int i = 0; i < 6; i++) {
        value[i] = c->value(c->y[i], c->t[i]);
        slope[i] = c->slope(c->y[i], c->t[i]);
        mean_slope[i] = slope[i] / 6;
        sum += value[i];
    }
    ct_tensor *y = leaf(c->y, ct_shape(2, 3)), *t = ct_from_values(c->t, 6, ct_shape(2, 3), CT_F64);
    ct_tensor *each = c->loss(y, t, CT_NO_REDUCTION), *mean = c->loss(y, t, CT_MEAN), *all = c->loss(y, t, CT_SUM);
    assert_int_equal(ct_rank(each), 2);
    assert_int_equal(ct_rank(mean), 0);
    assert_values(each, value, 6, 1e-12);
    assert_value(all, sum, 1e-12);
    assert_value(mean, sum / 6, 1e-12);
    assert_values(slope_of(each, y), slope, 6, 1e-12);
    assert_values(slope_of(all, y), slope, 6, 1e-12);
    assert_values(slope_of(mean, y), mean_slope, 6, 1e-12);
}

static void element_losses_beside_their_formulas(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof element_cases / sizeof element_cases[0]; i++) check_element_case(&element_cases[i]);
}

/* Targets of integers and bools take y's dtype; f32 works as f64 does; scalars may be weak; no rows have a sum of zero. */
static void element_losses_take_targets_of_any_dtype(void **state)
{
    (void)state;
    ct_tensor *y = ct_of(ct_shape(2), CT_F32, 0.25, 0.75);
    for (size_t i = 0; i < sizeof element_cases / sizeof element_cases[0]; i++) {
        const element_case *c = &element_cases[i];
        const ct_dtype dtypes[] = {CT_I32, CT_I64, CT_U8, CT_BOOL, CT_F32};
        const double expected[] = {c->value(0.25, 0), c->value(0.75, 1)};
        for (int d = 0; d < 5; d++) {
            ct_tensor *loss = c->loss(y, ct_of(ct_shape(2), dtypes[d], 0, 1), CT_NO_REDUCTION);
            assert_int_equal(ct_dtype_of(loss), CT_F32);
            assert_values(loss, expected, 2, 1e-6);
        }
        ct_tensor *scalar = ct_full(ct_shape(), 0.25, CT_F64);
        assert_value(c->loss(scalar, ct_scalar(1), CT_MEAN), c->value(0.25, 1), 1e-12);
        assert_value(c->loss(ct_zeros(ct_shape(0, 3), CT_F64), ct_zeros(ct_shape(0, 3), CT_F64), CT_SUM), 0, 0);
        CT_NO_GRAD;
        ct_tensor *target = ct_zeros(ct_shape(2), CT_I64);
        const int64_t before = ct_memory().tensors;
        assert_non_null(c->loss(y, target, CT_MEAN));
        assert_int_equal(ct_memory().tensors, before + 1); /* nothing but the result is left */
    }
}

static void element_losses_refuse(void **state)
{
    (void)state;
    ct_tensor *y = ct_ones(ct_shape(3, 1), CT_F32), *flat = ct_ones(ct_shape(3), CT_F32);
    assert_null(ct_mse_loss(y, flat, CT_MEAN));
    assert_error(CT_ERROR_SHAPE, "ct_mse_loss", "y is f32 [3, 1], target is f32 [3]: their shapes must be equal");
    assert_null(ct_l1_loss(flat, y, CT_MEAN));
    assert_error(CT_ERROR_SHAPE, "ct_l1_loss", "ct_reshape the target to [3]?");
    assert_null(ct_half_mse_loss(flat, ct_ones(ct_shape(4), CT_F32), CT_MEAN));
    assert_error(CT_ERROR_SHAPE, "ct_half_mse_loss", "target is f32 [4]: their shapes must be equal (a target does not");
    assert_null(ct_mse_loss(flat, ct_scalar(1), CT_MEAN));
    assert_error(CT_ERROR_SHAPE, "ct_mse_loss", "[]");
    assert_null(ct_mse_loss(flat, ct_ones(ct_shape(3), CT_F64), CT_MEAN));
    assert_error(CT_ERROR_DTYPE, "ct_mse_loss", "y is f32 [3], target is f64 [3]: f32 and f64 do not mix");
    assert_null(ct_binary_cross_entropy_logits(ct_ones(ct_shape(3), CT_I64), flat, CT_MEAN));
    assert_error(CT_ERROR_DTYPE, "ct_binary_cross_entropy_logits", "x is i64 [3]; expected f32 or f64");
    assert_null(ct_mse_loss(flat, flat, (ct_reduction)7));
    assert_error(CT_ERROR_VALUE, "ct_mse_loss", "reduction is 7");
    assert_null(ct_huber_loss(flat, flat, 0, CT_MEAN));
    assert_error(CT_ERROR_VALUE, "ct_huber_loss", "delta is 0; expected a positive number");
    assert_null(ct_huber_loss(flat, flat, NAN, CT_MEAN));
    assert_error(CT_ERROR_VALUE, "ct_huber_loss", "delta is");
    assert_null(ct_binary_cross_entropy(ct_of(ct_shape(2), CT_F32, 0.5, 1.5), ct_ones(ct_shape(2), CT_F32), CT_MEAN));
    assert_error(CT_ERROR_VALUE, "ct_binary_cross_entropy", "has values from 0.5 to 1.5; expected probabilities");
    assert_null(ct_mse_loss(NULL, flat, CT_MEAN));
    assert_error(CT_ERROR_NULL, "ct_mse_loss", "y is NULL");
    assert_null(ct_binary_cross_entropy(flat, NULL, CT_MEAN));
    assert_error(CT_ERROR_NULL, "ct_binary_cross_entropy", "target is NULL");
    assert_null(ct_mse_loss(ct_matmul(flat, ct_ones(ct_shape(2), CT_F32)), flat, CT_MEAN)); /* the first error is what stays */
    assert_error(CT_ERROR_SHAPE, "ct_matmul", "[2]");
}

/* ---- points where a formula could break --------------------------------------------------------------- */

/* Slope +-delta where |r| = delta and beyond; second derivative 1 inside and 0 outside. */
static void huber_is_smooth_at_its_ends(void **state)
{
    (void)state;
    const double delta = 0.75, r[] = {-2, -0.75, -0.5, 0, 0.75, 1e6};
    const double value[] = {0.75 * (2 - 0.375), 0.28125, 0.125, 0, 0.28125, 0.75 * (1e6 - 0.375)};
    const double slope[] = {-0.75, -0.75, -0.5, 0, 0.75, 0.75};
    ct_tensor *y = leaf(r, ct_shape(6)), *zero = ct_zeros(ct_shape(6), CT_F64);
    ct_tensor *loss = ct_huber_loss(y, zero, delta, CT_NO_REDUCTION), *first = slope_of(loss, y);
    assert_values(loss, value, 6, 1e-15);
    assert_values(first, slope, 6, 0);
    ct_tensor *second = slope_of(first, y);
    const double inside[] = {0, 1, 1, 0};
    for (int i = 0; i < 4; i++) assert_true(ct_get(second, ct_index((int[]){0, 2, 3, 5}[i])) == inside[i]);
    ct_tensor *wide = ct_huber_loss(y, zero, INFINITY, CT_NO_REDUCTION);
    assert_true(ct_get(wide, ct_index(5)) == 5e11);
}

/* Far tails keep their relative accuracy, and the slope is sigmoid(x) - t at 0 and at +-100 and +-1000. */
static void bce_of_logits_is_accurate(void **state)
{
    (void)state;
    const double x[] = {0, 100, 100, -100, -100, 1000, -1000, 40, -0.0}, t[] = {0.5, 1, 0, 0, 1, 0, 1, 1, 1};
    ct_tensor *leaf_x = leaf(x, ct_shape(9));
    ct_tensor *loss = ct_binary_cross_entropy_logits(leaf_x, ct_from_values(t, 9, ct_shape(9), CT_F64), CT_NO_REDUCTION);
    ct_tensor *slope = slope_of(loss, leaf_x);
    for (int64_t i = 0; i < 9; i++) {
        const double expected = bce_logits(x[i], t[i]);
        assert_true(fabs(ct_get(loss, ct_index(i)) - expected) <= 1e-14 * expected);
        assert_true(fabs(ct_get(slope, ct_index(i)) - (sigmoid(x[i]) - t[i])) <= 1e-15);
    }
    assert_true(ct_get(slope, ct_index(0)) == 0);
    assert_true(fabs(ct_get(slope, ct_index(1)) / -sigmoid(-100) - 1) < 1e-14); /* better than the difference, which is 0 */
    ct_tensor *second = slope_of(slope, leaf_x); /* s (1 - s) */
    assert_true(fabs(ct_get(second, ct_index(0)) - 0.25) < 1e-15);
    assert_true(ct_get(second, ct_index(5)) == 0);
}

/* Certain and wrong costs 100, certain and right nothing; the gradient stays finite, to the second order too. */
static void bce_is_finite_at_zero_and_one(void **state)
{
    (void)state;
    const double p[] = {0, 0, 1, 1, 1e-60, 0.25}, t[] = {1, 0, 1, 0, 1, 1};
    const double value[] = {100, 0, 0, 100, 100, 2 * log(2)}, slope[] = {0, 1, -1, 0, 0, -4};
    for (int f32 = 0; f32 < 2; f32++) {
        const ct_dtype dtype = f32 ? CT_F32 : CT_F64;
        ct_tensor *x = ct_requires_grad(ct_from_values(p, 6, ct_shape(6), dtype), true);
        ct_tensor *loss = ct_binary_cross_entropy(x, ct_from_values(t, 6, ct_shape(6), dtype), CT_NO_REDUCTION);
        assert_values(loss, value, 6, f32 ? 1e-6 : 1e-15);
        ct_tensor *first = slope_of(loss, x);
        assert_values(first, slope, 6, f32 ? 1e-6 : 1e-15);
        assert_true(ct_item(ct_all(ct_isfinite(slope_of(first, x)), CT_ALL, false)) == 1);
    }
    ct_tensor *subnormal = ct_of(ct_shape(), CT_F32, 1e-40); /* its logarithm is not cut yet */
    assert_value(ct_binary_cross_entropy(subnormal, ct_scalar(1), CT_SUM), -log(1e-40), 1e-4);
    assert_true(isnan(ct_item(ct_binary_cross_entropy(ct_full(ct_shape(), NAN, CT_F64), ct_scalar(1), CT_SUM))));
}

/* ---- cross-entropy ------------------------------------------------------------------------------------ */

enum { ROWS = 4, CLASSES = 3 };
static const double LOGITS[ROWS * CLASSES] = {1, 2, 3, -1, 0.5, 0, 20, -20, 1, 0.1, 0.1, 0.1};
static const double SOFT[ROWS * CLASSES] = {0.2, 0.3, 0.5, 1, 0, 0, 0.5, 0.5, 0, 0.1, 0.1, 0.8};
static const double LABELS[ROWS] = {2, 0, 1, 1};

static void one_hot(double *t)
{
    for (int i = 0; i < ROWS * CLASSES; i++) t[i] = LABELS[i / CLASSES] == i % CLASSES;
}

/* Rows -sum t' logp and their gradients sum(t') softmax - t', for t' = (1 - s) t + s/C. */
static void cross_entropy_by_hand(const double *t, double s, double *value, double *slope)
{
    for (int i = 0; i < ROWS; i++) {
        const double *x = LOGITS + i * CLASSES;
        double sum = 0, weight = 0;
        for (int c = 0; c < CLASSES; c++) sum += exp(x[c]);
        value[i] = 0;
        for (int c = 0; c < CLASSES; c++) {
            const double smooth = (1 - s) * t[i * CLASSES + c] + s / CLASSES;
            value[i] -= smooth * (x[c] - log(sum));
            weight += smooth;
        }
        for (int c = 0; c < CLASSES; c++)
            slope[i * CLASSES + c] = weight * exp(x[c]) / sum - ((1 - s) * t[i * CLASSES + c] + s / CLASSES);
    }
}

static void check_cross_entropy(ct_tensor *target, const double *t, double s)
{
    double value[ROWS], slope[ROWS * CLASSES], sum = 0;
    cross_entropy_by_hand(t, s, value, slope);
    ct_tensor *x = leaf(LOGITS, ct_shape(ROWS, CLASSES));
    ct_cross_entropy_options o = {.label_smoothing = s};
    ct_tensor *mean = ct_cross_entropy_with(x, target, o);
    for (int i = 0; i < ROWS; i++) sum += value[i];
    assert_value(mean, sum / ROWS, 1e-12);
    o.reduction = CT_SUM;
    ct_tensor *all = ct_cross_entropy_with(x, target, o);
    assert_value(all, sum, 1e-12);
    o.reduction = CT_NO_REDUCTION;
    ct_tensor *rows = ct_cross_entropy_with(x, target, o);
    assert_int_equal(ct_rank(rows), 1);
    assert_values(rows, value, ROWS, 1e-12);
    assert_values(slope_of(all, x), slope, ROWS * CLASSES, 1e-12);
    if (s != 0) return;
    assert_true(ct_equal(ct_detach(ct_cross_entropy(x, target)), ct_detach(mean)));
    ct_tensor *nll = ct_nll_loss(ct_log_softmax(x, -1), target, CT_SUM);
    assert_value(nll, sum, 1e-12);
    assert_values(slope_of(nll, x), slope, ROWS * CLASSES, 1e-12);
}

static void cross_entropy_beside_its_formula(void **state)
{
    (void)state;
    double hot[ROWS * CLASSES];
    one_hot(hot);
    const ct_dtype dtypes[] = {CT_I64, CT_I32, CT_U8};
    const double smoothing[] = {0, 0.1, 1};
    for (int k = 0; k < 3; k++) {
        ct_tensor *indices = ct_from_values(LABELS, ROWS, ct_shape(ROWS), dtypes[k]);
        for (int s = 0; s < 3; s++) check_cross_entropy(indices, hot, smoothing[s]);
    }
    for (int s = 0; s < 3; s++) {
        check_cross_entropy(ct_from_values(hot, ROWS * CLASSES, ct_shape(ROWS, CLASSES), CT_F64), hot, smoothing[s]);
        check_cross_entropy(ct_from_values(hot, ROWS * CLASSES, ct_shape(ROWS, CLASSES), CT_BOOL), hot, smoothing[s]);
        check_cross_entropy(ct_from_values(SOFT, ROWS * CLASSES, ct_shape(ROWS, CLASSES), CT_F64), SOFT, smoothing[s]);
    }
}

static void cross_entropy_of_other_ranks(void **state)
{
    (void)state;
    ct_tensor *x = ct_from_values(LOGITS, 12, ct_shape(2, 2, 3), CT_F64), *t = ct_from_values(LABELS, 4, ct_shape(2, 2), CT_I64);
    double hot[12], value[4], slope[12];
    one_hot(hot);
    cross_entropy_by_hand(hot, 0, value, slope);
    ct_tensor *rows = ct_cross_entropy_with(x, t, (ct_cross_entropy_options){.reduction = CT_NO_REDUCTION});
    assert_int_equal(ct_rank(rows), 2);
    assert_values(rows, value, 4, 1e-12);
    ct_tensor *row = ct_select(ct_select(x, 0, 1), 0, 0); /* a single row with one label, not contiguous with the rest */
    assert_value(ct_cross_entropy(row, ct_select(ct_select(t, 0, 1), 0, 0)), value[2], 1e-12);
    assert_true(isnan(ct_item(ct_cross_entropy(ct_zeros(ct_shape(0, 3), CT_F64), ct_zeros(ct_shape(0), CT_I64))))); /* 0/0 */
}

/* The soft target of a distillation has a gradient as well: -logp. */
static void soft_targets_have_gradients(void **state)
{
    (void)state;
    ct_tensor *x = ct_from_values(LOGITS, 12, ct_shape(4, 3), CT_F64), *t = leaf(SOFT, ct_shape(4, 3));
    ct_tensor *loss = ct_cross_entropy_with(x, t, (ct_cross_entropy_options){.reduction = CT_SUM});
    double logp[12];
    assert_true(ct_copy_values(ct_neg(ct_log_softmax(x, -1)), logp, 12));
    assert_values(slope_of(loss, t), logp, 12, 1e-15);
}

static void cross_entropy_far_in_the_tails(void **state)
{
    (void)state;
    ct_tensor *right = ct_of(ct_shape(1), CT_I64, 0), *wrong = ct_of(ct_shape(1), CT_I64, 1);
    ct_tensor *x = leaf((const double[]){100, 0}, ct_shape(1, 2));
    assert_value(ct_cross_entropy(x, right), 3.720075976020836e-44, 1e-14);
    assert_value(ct_cross_entropy(x, wrong), 100, 1e-15);
    assert_true(fabs(ct_get(slope_of(ct_cross_entropy(x, right), x), ct_index(0, 1)) / 3.720075976020836e-44 - 1) < 1e-14);
    x = leaf((const double[]){1e5, -1e5}, ct_shape(1, 2));
    assert_value(ct_cross_entropy(x, right), 0, 0);
    assert_value(ct_cross_entropy(x, wrong), 2e5, 1e-15);
    assert_values(slope_of(ct_cross_entropy(x, wrong), x), ((const double[]){1, -1}), 2, 1e-15);
    x = leaf((const double[]){0, -INFINITY}, ct_shape(1, 2)); /* an excluded class */
    assert_value(ct_cross_entropy(x, right), 0, 0);
    assert_values(slope_of(ct_cross_entropy(x, right), x), ((const double[]){0, 0}), 2, 0);
}

/* The class is one of 0 .. 2, at any place of a batch, and nothing else that 64 bits can hold. */
static void cross_entropy_knows_its_classes(void **state)
{
    (void)state;
    static const int64_t wrong[] = {INT64_MIN, INT64_MIN + 1, INT64_MIN + 3, -1, 3, 4, INT64_MAX - 1, INT64_MAX};
    ct_tensor *x = ct_ones(ct_shape(5, 3), CT_F32);
    for (int at = 0; at < 5; at++) {
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
            int64_t of[] = {0, 1, 2, 0, 2};
            of[at] = wrong[k];
            assert_null(ct_cross_entropy(x, ct_from(of, ct_shape(5), CT_I64)));
            assert_error(CT_ERROR_INDEX, "ct_cross_entropy", "target has class");
        }
    }
}

static void cross_entropy_refuses(void **state)
{
    (void)state;
    ct_tensor *x = ct_ones(ct_shape(2, 3), CT_F32);
    assert_null(ct_cross_entropy(x, ct_of(ct_shape(2), CT_I64, 0, 3)));
    assert_error(CT_ERROR_INDEX, "ct_cross_entropy", "target has class 3, but logits f32 [2, 3] has the 3 classes 0 to 2");
    assert_null(ct_cross_entropy(x, ct_of(ct_shape(2), CT_I32, -1, 1)));
    assert_error(CT_ERROR_INDEX, "ct_cross_entropy", "target has class -1");
    assert_null(ct_nll_loss(x, ct_of(ct_shape(2), CT_U8, 0, 9), CT_MEAN));
    assert_error(CT_ERROR_INDEX, "ct_nll_loss", "target has class 9, but log_probabilities f32 [2, 3]");
    assert_null(ct_cross_entropy(x, ct_zeros(ct_shape(3), CT_I64)));
    assert_error(CT_ERROR_SHAPE, "ct_cross_entropy", "target is i64 [3]; expected class indices [2] or one-hot or soft");
    assert_null(ct_cross_entropy(x, ct_zeros(ct_shape(2, 1), CT_I64)));
    assert_error(CT_ERROR_SHAPE, "ct_cross_entropy", "target is i64 [2, 1]");
    assert_null(ct_cross_entropy(x, ct_zeros(ct_shape(2), CT_F32)));
    assert_error(CT_ERROR_DTYPE, "ct_cross_entropy", "target is f32 [2]: class indices must be integers");
    assert_null(ct_cross_entropy(x, ct_zeros(ct_shape(2, 3), CT_F64)));
    assert_error(CT_ERROR_DTYPE, "ct_cross_entropy", "logits is f32 [2, 3], target is f64 [2, 3]");
    assert_null(ct_cross_entropy(ct_ones(ct_shape(), CT_F32), ct_zeros(ct_shape(), CT_I64)));
    assert_error(CT_ERROR_SHAPE, "ct_cross_entropy", "expected [.., classes]");
    ct_tensor *t = ct_zeros(ct_shape(2), CT_I64);
    assert_null(ct_cross_entropy_with(x, t, (ct_cross_entropy_options){.label_smoothing = 1.5}));
    assert_error(CT_ERROR_VALUE, "ct_cross_entropy_with", "label_smoothing is 1.5; expected 0 <= s <= 1");
    assert_null(ct_cross_entropy_with(x, t, (ct_cross_entropy_options){.reduction = (ct_reduction)9}));
    assert_error(CT_ERROR_VALUE, "ct_cross_entropy_with", "reduction is 9");
    assert_null(ct_cross_entropy(NULL, t));
    assert_error(CT_ERROR_NULL, "ct_cross_entropy", "logits is NULL");
    assert_null(ct_nll_loss(x, NULL, CT_MEAN));
    assert_error(CT_ERROR_NULL, "ct_nll_loss", "target is NULL");
}

/* ---- Gaussian ----------------------------------------------------------------------------------------- */

/* S = [[2, 1/2], [1/2, 1]]: det S = 7/4, S^-1 = 4/7 [[1, -1/2], [-1/2, 2]]. */
static void gaussian_beside_its_formula(void **state)
{
    (void)state;
    const double y[] = {0, 0, 1, -2, 0.5, 3}, t[] = {0, 0, 2, 1, 0, -1}, pi = 3.14159265358979323846;
    double value[3], slope[6], sum = 0;
    for (int i = 0; i < 3; i++) {
        const double a = y[2 * i] - t[2 * i], b = y[2 * i + 1] - t[2 * i + 1];
        slope[2 * i] = (a - b / 2) * 4 / 7;
        slope[2 * i + 1] = (2 * b - a / 2) * 4 / 7;
        value[i] = (a * slope[2 * i] + b * slope[2 * i + 1] + log(1.75) + 2 * log(2 * pi)) / 2;
        sum += value[i];
    }
    ct_tensor *x = leaf(y, ct_shape(3, 2)), *target = ct_from_values(t, 6, ct_shape(3, 2), CT_F64);
    ct_tensor *S = ct_of(ct_shape(2, 2), CT_F64, 2, 0.5, 0.5, 1);
    assert_values(ct_gaussian_nll_loss(x, target, S, CT_NO_REDUCTION), value, 3, 1e-12);
    assert_value(ct_gaussian_nll_loss(x, target, S, CT_MEAN), sum / 3, 1e-12);
    ct_tensor *all = ct_gaussian_nll_loss(x, target, S, CT_SUM);
    assert_value(all, sum, 1e-12);
    assert_values(slope_of(all, x), slope, 6, 1e-12);
    ct_tensor *one = ct_of(ct_shape(1), CT_F64, 3); /* a single row, n = 1, S = [4] */
    ct_tensor *row = ct_gaussian_nll_loss(one, ct_of(ct_shape(1), CT_F64, 1), ct_of(ct_shape(1, 1), CT_F64, 4), CT_MEAN);
    assert_value(row, (1 + log(4) + log(2 * pi)) / 2, 1e-12);
}

static void gaussian_refuses(void **state)
{
    (void)state;
    ct_tensor *y = ct_zeros(ct_shape(3, 2), CT_F64), *scalar = ct_zeros(ct_shape(), CT_F64);
    assert_null(ct_gaussian_nll_loss(y, y, ct_eye(3, CT_F64), CT_MEAN));
    assert_error(CT_ERROR_SHAPE, "ct_gaussian_nll_loss", "y is f64 [3, 2], covariance is f64 [3, 3]");
    assert_null(ct_gaussian_nll_loss(scalar, scalar, ct_eye(1, CT_F64), CT_MEAN));
    assert_error(CT_ERROR_SHAPE, "ct_gaussian_nll_loss", "expected y [.., n]");
    assert_null(ct_gaussian_nll_loss(y, y, NULL, CT_MEAN));
    assert_error(CT_ERROR_NULL, "ct_gaussian_nll_loss", "covariance is NULL");
    assert_null(ct_gaussian_nll_loss(y, y, ct_of(ct_shape(2, 2), CT_F64, 1, 2, 2, 1), CT_MEAN)); /* indefinite */
    assert_error(CT_ERROR_VALUE, "ct_whiten", "");
}

/* ---- penalties and accuracy --------------------------------------------------------------------------- */

static void penalties_sum_over_weights(void **state)
{
    (void)state;
    ct_module *m = ct_nn_sequential(ct_nn_linear(2, 3), ct_nn_tanh(), ct_nn_linear(3, 1));
    assert_true(ct_module_cast(m, CT_F64));
    ct_tensor *a = ct_module_find(m, "0.weight"), *b = ct_module_find(m, "2.weight");
    double w[9], l1_sum = 0, l2_sum = 0, sign[6], twice[6];
    assert_true(ct_copy_values(a, w, 6) && ct_copy_values(b, w + 6, 3));
    for (int i = 0; i < 9; i++) l1_sum += fabs(w[i]), l2_sum += w[i] * w[i];
    for (int i = 0; i < 6; i++) sign[i] = 0.5 * ((w[i] > 0) - (w[i] < 0)), twice[i] = 0.5 * 2 * w[i];
    ct_tensor *l1_penalty = ct_l1_penalty(m, 0.5), *l2_penalty = ct_l2_penalty(m, 0.5);
    assert_value(l1_penalty, 0.5 * l1_sum, 1e-12);
    assert_value(l2_penalty, 0.5 * l2_sum, 1e-12);
    assert_values(slope_of(l1_penalty, a), sign, 6, 1e-15);
    assert_values(slope_of(l2_penalty, a), twice, 6, 1e-15);
    assert_true(ct_backward(ct_l2_penalty(m, 1)));
    assert_false(ct_has_grad(ct_module_find(m, "0.bias")));
    assert_non_null(ct_requires_grad(a, false)); /* frozen: not penalized */
    assert_value(ct_l1_penalty(m, 1), fabs(w[6]) + fabs(w[7]) + fabs(w[8]), 1e-12);
    ct_module_free(m);
    m = ct_nn_relu(); /* no weights: zero, which adds to a loss of any dtype */
    assert_value(ct_l2_penalty(m, 1), 0, 0);
    assert_int_equal(ct_dtype_of(ct_add(ct_ones(ct_shape(), CT_F64), ct_l1_penalty(m, 1))), CT_F64);
    ct_module_free(m);
    assert_null(ct_l1_penalty(NULL, 1));
    assert_error(CT_ERROR_NULL, "ct_l1_penalty", "module is NULL");
}

static void accuracy_counts_rows(void **state)
{
    (void)state;
    ct_tensor *x = ct_from_values(LOGITS, 12, ct_shape(4, 3), CT_F32); /* largest: 2, 1, 0, 0 (the first of a tie) */
    assert_true(ct_accuracy(x, ct_of(ct_shape(4), CT_I64, 2, 1, 1, 0)) == 0.75);
    assert_true(ct_accuracy(x, ct_of(ct_shape(4), CT_U8, 2, 1, 0, 0)) == 1);
    assert_true(ct_accuracy(x, ct_of(ct_shape(4, 3), CT_F32, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1)) == 0.25);
    assert_true(ct_accuracy(ct_reshape(x, ct_shape(2, 2, 3)), ct_of(ct_shape(2, 2), CT_I32, 2, 1, 1, 1)) == 0.5);
    assert_true(ct_accuracy(ct_select(x, 0, 0), ct_of(ct_shape(), CT_I32, 2)) == 1);
    ct_tensor *needs = ct_requires_grad(ct_clone(x), true);
    assert_true(ct_accuracy(needs, ct_of(ct_shape(4), CT_I64, 2, 1, 0, 0)) == 1);
    assert_true(isnan(ct_accuracy(x, ct_zeros(ct_shape(3), CT_I64))));
    assert_error(CT_ERROR_SHAPE, "ct_accuracy", "target is i64 [3]");
    assert_true(isnan(ct_accuracy(x, ct_full(ct_shape(4), 3, CT_I64))));
    assert_error(CT_ERROR_INDEX, "ct_accuracy", "class 3");
    assert_true(isnan(ct_accuracy(ct_zeros(ct_shape(0, 3), CT_F32), ct_zeros(ct_shape(0), CT_I64))));
    assert_error(CT_ERROR_SHAPE, "ct_accuracy", "no rows");
    assert_true(isnan(ct_accuracy(NULL, x)));
    assert_error(CT_ERROR_NULL, "ct_accuracy", "logits is NULL");
}

#define scoped_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(element_losses_beside_their_formulas),
        scoped_test(element_losses_take_targets_of_any_dtype),
        scoped_test(element_losses_refuse),
        scoped_test(huber_is_smooth_at_its_ends),
        scoped_test(bce_of_logits_is_accurate),
        scoped_test(bce_is_finite_at_zero_and_one),
        scoped_test(cross_entropy_beside_its_formula),
        scoped_test(cross_entropy_of_other_ranks),
        scoped_test(soft_targets_have_gradients),
        scoped_test(cross_entropy_far_in_the_tails),
        scoped_test(cross_entropy_knows_its_classes),
        scoped_test(cross_entropy_refuses),
        scoped_test(gaussian_beside_its_formula),
        scoped_test(gaussian_refuses),
        scoped_test(penalties_sum_over_weights),
        scoped_test(accuracy_counts_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
