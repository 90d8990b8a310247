/*
 * test_note_2_steps.c - note 2: a deep MLP in five steps, I forward, II error, III backpropagation, IV gradients, V descent.
 *
 * Conventions: net = W' x + b with W [d, m], so that W's columns belong to neurons; z_0 = x, net_{i+1} = W_i' z_i + b_i,
 * z_{i+1} = f(net_{i+1}), and o = z_{h+1} for h hidden layers. This is the library's own convention with examples as rows:
 * ct_affine(x, W, b) = x W + b. Errors: E = 1/2 |y - o|^2, or E = -sum y log o on a softmax.
 *
 * Slips of the note: with W [d, m] the hidden delta is W_o delta_o (not W_o' delta_o, which does not even fit); tanh's derivative
 * is 1 - o^2 (not 1 - net^2, as one line has it).
 */
#include "beside.h"

/* net = W' x + b: one column at a time as the note writes it, and as one row, which is what ct_affine takes. */
static void net_is_w_transposed_x_plus_b(void **state)
{
    (void)state;
    const matrix W = random_matrix(4, 3), b = random_matrix(3, 1), x = random_matrix(4, 1);
    const matrix by_hand = plus(product(transposed(W), x), 1, b);
    ct_tensor *as_written = ct_add(ct_matmul(ct_transpose(tensor_of(W)), tensor_of(x)), tensor_of(b));
    ct_tensor *as_row = ct_affine(ct_transpose(tensor_of(x)), tensor_of(W), ct_reshape(tensor_of(b), ct_shape(3)));
    assert_agrees(as_written, by_hand);
    assert_agrees(ct_transpose(as_row), by_hand);
}

/* ---- the five steps, in plain C, for one example x as a column ---------------------------------------------------------- */

enum error_kind { HALF_SQUARES, CROSS_ENTROPY };

typedef struct mlp { /* h hidden layers: W_0 .. W_h */
    int h;
    matrix W[LAYERS_MAX], b[LAYERS_MAX];
    activation f; /* of all layers; with CROSS_ENTROPY the output is softmax instead */
    enum error_kind kind;
    matrix z[LAYERS_MAX + 1], net[LAYERS_MAX + 1], delta[LAYERS_MAX + 1]; /* of the last example */
    matrix dW[LAYERS_MAX], db[LAYERS_MAX];
} mlp;

static mlp random_mlp(int h, const int *width, activation f, enum error_kind kind)
{
    mlp n = {.h = h, .f = f, .kind = kind};
    for (int i = 0; i <= h; i++) n.W[i] = random_matrix(width[i], width[i + 1]), n.b[i] = random_matrix(width[i + 1], 1);
    return n;
}

/* I: z_0 = x;  net_{i+1} = W_i' z_i + b_i;  z_{i+1} = f(net_{i+1}). */
static void step_1_forward(mlp *n, matrix x)
{
    n->z[0] = x;
    for (int i = 0; i <= n->h; i++) {
        n->net[i + 1] = plus(product(transposed(n->W[i]), n->z[i]), 1, n->b[i]);
        n->z[i + 1] = i == n->h && n->kind == CROSS_ENTROPY ? softmax_of_columns(n->net[i + 1]) : mapped(n->net[i + 1], n->f.g);
    }
}

/* II: E = 1/2 |y - o|^2 or E = -sum y log o. */
static double step_2_error(const mlp *n, matrix y)
{
    const matrix o = n->z[n->h + 1];
    return n->kind == CROSS_ENTROPY ? cross_entropy(o, y) : squared_error(o, y) / 2;
}

/* III: delta_{h+1} = dE/do * f'(net) (o - y for softmax with cross-entropy);  delta_l = f'(net_l) * (W_l delta_{l+1}). */
static void step_3_backpropagation(mlp *n, matrix y)
{
    const int last = n->h + 1;
    n->delta[last] = minus(n->z[last], y);
    if (n->kind == HALF_SQUARES) n->delta[last] = times(n->delta[last], mapped(n->net[last], n->f.slope));
    for (int l = n->h; l >= 1; l--) n->delta[l] = times(mapped(n->net[l], n->f.slope), product(n->W[l], n->delta[l + 1]));
}

/* IV: dE/dW_l = z_l delta_{l+1}', an outer product;  dE/db_l = delta_{l+1}. */
static void step_4_gradients(mlp *n)
{
    for (int l = 0; l <= n->h; l++) n->dW[l] = product(n->z[l], transposed(n->delta[l + 1])), n->db[l] = n->delta[l + 1];
}

/* V: W_l = W_l - eta dE/dW_l;  b_l = b_l - eta dE/db_l. */
static void step_5_descent(mlp *n, double eta)
{
    for (int l = 0; l <= n->h; l++) n->W[l] = plus(n->W[l], -eta, n->dW[l]), n->b[l] = plus(n->b[l], -eta, n->db[l]);
}

/* ---- the same network in the library ------------------------------------------------------------------------------------ */

typedef struct model {
    int h;
    ct_tensor *W[LAYERS_MAX], *b[LAYERS_MAX], *net[LAYERS_MAX + 1];
    ct_tensor *(*f)(ct_tensor *x);
    enum error_kind kind;
} model;

static model model_of(const mlp *by_hand, pair f)
{
    model m = {.h = by_hand->h, .f = f.by_library, .kind = by_hand->kind};
    for (int i = 0; i <= m.h; i++) {
        m.W[i] = leaf_of(by_hand->W[i]);
        m.b[i] = ct_requires_grad(ct_reshape(tensor_of(by_hand->b[i]), ct_shape(-1)), true);
    }
    return m;
}

/* E summed over the rows of x [B, d], targets y [B, k]. */
static ct_tensor *model_error(model *m, ct_tensor *x, ct_tensor *y)
{
    ct_tensor *z = x;
    for (int i = 0; i <= m->h; i++) {
        m->net[i + 1] = ct_affine(z, m->W[i], m->b[i]);
        if (i < m->h || m->kind == HALF_SQUARES) z = m->f(m->net[i + 1]);
    }
    if (m->kind == HALF_SQUARES) return ct_half_mse_loss(z, y, CT_SUM);
    return ct_cross_entropy_with(m->net[m->h + 1], y, (ct_cross_entropy_options){.reduction = CT_SUM}); /* takes logits */
}

static ct_optimizer *model_descent(const model *m, double eta)
{
    ct_tensor *parameters[2 * LAYERS_MAX];
    for (int l = 0; l <= m->h; l++) parameters[2 * l] = m->W[l], parameters[2 * l + 1] = m->b[l];
    return ct_optim_sgd_of(parameters, 2 * m->h + 2, eta, (ct_sgd_options){0});
}

/* Steps I to V once, both ways: the error, every delta, every gradient and every new parameter. */
static void compare_five_steps(int h, const int *width, pair f, enum error_kind kind)
{
    const int k = width[h + 1];
    mlp n = random_mlp(h, width, f.by_hand, kind);
    const matrix x = random_matrix(width[0], 1), y = kind == CROSS_ENTROPY ? random_one_hot(k, 1) : random_labels(k, 1);
    model m = model_of(&n, f);
    ct_optimizer *descent = model_descent(&m, 0.3);

    step_1_forward(&n, x);
    ct_tensor *error = model_error(&m, ct_transpose(tensor_of(x)), ct_transpose(tensor_of(y))), *delta[LAYERS_MAX];
    for (int l = 1; l <= h + 1; l++) assert_agrees(ct_transpose(m.net[l]), n.net[l]);
    assert_close(ct_item(error), step_2_error(&n, y));
    step_3_backpropagation(&n, y);
    assert_true(ct_grad(&error, NULL, 1, &m.net[1], h + 1, delta, (ct_grad_options){.retain_graph = true}));
    for (int l = 1; l <= h + 1; l++) assert_agrees(ct_transpose(delta[l - 1]), n.delta[l]);
    step_4_gradients(&n);
    assert_true(ct_backward(error));
    for (int l = 0; l <= h; l++) assert_gradient(m.W[l], n.dW[l]);
    for (int l = 0; l <= h; l++) assert_gradient(m.b[l], n.db[l]);
    step_5_descent(&n, 0.3);
    assert_true(ct_optimizer_step(descent));
    for (int l = 0; l <= h; l++) assert_agrees(m.W[l], n.W[l]);
    for (int l = 0; l <= h; l++) assert_agrees(m.b[l], n.b[l]);
    ct_optimizer_free(descent);
}

/* From no hidden layer to four, with 1/2 squared error. */
static void five_steps_with_half_squared_error(void **state)
{
    (void)state;
    const int width[] = {4, 3, 5, 2, 3, 2};
    for (int h = 0; h < LAYERS_MAX; h++) compare_five_steps(h, width, pair_sigmoid(), HALF_SQUARES);
    compare_five_steps(2, width, pair_tanh(), HALF_SQUARES);
    compare_five_steps(2, (int[]){4, 6, 6, 3}, pair_relu(), HALF_SQUARES);
}

/* The same with softmax and cross-entropy. */
static void five_steps_with_cross_entropy(void **state)
{
    (void)state;
    const int width[] = {4, 3, 5, 2, 6, 3};
    for (int h = 0; h < LAYERS_MAX; h++) compare_five_steps(h, width, pair_tanh(), CROSS_ENTROPY);
    compare_five_steps(2, width, pair_sigmoid(), CROSS_ENTROPY);
    compare_five_steps(2, (int[]){4, 6, 6, 3}, pair_relu(), CROSS_ENTROPY);
}

/* With one hidden layer, W_o [m, k]: delta_h = (W_o delta_o) * z (1 - z) and dE/dx = W_h delta_h. The sizes differ, so that the
 * note's W_o' delta_o would be [k, m] times [k, 1]. */
static void hidden_delta_is_w_times_delta(void **state)
{
    (void)state;
    const matrix x = random_matrix(4, 1), W_h = random_matrix(4, 3), b_h = random_matrix(3, 1);
    const matrix W_o = random_matrix(3, 2), b_o = random_matrix(2, 1), y = random_labels(2, 1);
    const matrix z = mapped(plus(product(transposed(W_h), x), 1, b_h), sigmoid_at);
    const matrix o = mapped(plus(product(transposed(W_o), z), 1, b_o), sigmoid_at);
    const matrix delta_o = times(times(minus(o, y), o), minus(filled(2, 1, 1), o));
    const matrix delta_h = times(times(product(W_o, delta_o), z), minus(filled(3, 1, 1), z));

    ct_tensor *input = leaf_of(x);
    ct_tensor *net_z = ct_add(ct_matmul(ct_transpose(tensor_of(W_h)), input), tensor_of(b_h));
    ct_tensor *net_o = ct_add(ct_matmul(ct_transpose(tensor_of(W_o)), ct_sigmoid(net_z)), tensor_of(b_o));
    ct_tensor *error = ct_half_mse_loss(ct_sigmoid(net_o), tensor_of(y), CT_SUM), *at[] = {net_o, net_z, input}, *d[3];
    assert_true(ct_grad(&error, NULL, 1, at, 3, d, (ct_grad_options){0}));
    assert_agrees(d[0], delta_o);
    assert_agrees(d[1], delta_h);
    assert_agrees(d[2], product(W_h, delta_h));
}

/* ---- epochs and when to stop --------------------------------------------------------------------------------------------- */

typedef struct task { /* four examples as columns; is the first entry larger than the second? */
    matrix x, y;
} task;

static task random_task(void)
{
    task t = {random_matrix(2, 4), filled(1, 4, 0)};
    for (int j = 0; j < 4; j++) t.y.v[j] = t.x.v[j] > t.x.v[4 + j];
    return t;
}

/* One epoch: steps I to V for every x of the domain. Returns the sum of the errors met. */
static double hand_epoch(mlp *n, const task *t, double eta)
{
    double error = 0;
    for (int j = 0; j < t->x.cols; j++) {
        step_1_forward(n, column(t->x, j));
        error += step_2_error(n, column(t->y, j));
        step_3_backpropagation(n, column(t->y, j));
        step_4_gradients(n);
        step_5_descent(n, eta);
    }
    return error;
}

/* The same with the library; NaN when something failed. */
static double model_epoch(model *m, ct_optimizer *descent, const task *t)
{
    CT_SCOPE;
    double sum = 0;
    for (int j = 0; j < t->x.cols; j++) {
        ct_tensor *error = model_error(m, ct_transpose(tensor_of(column(t->x, j))), tensor_of(column(t->y, j)));
        sum += ct_item(error);
        if (!ct_backward(error) || !ct_optimizer_step(descent)) return NAN;
    }
    return sum;
}

/* Repeats = epochs: ten of them stay together, and the error falls. */
static void epochs_repeat_the_five_steps(void **state)
{
    (void)state;
    mlp n = random_mlp(1, (int[]){2, 3, 1}, hand_sigmoid, HALF_SQUARES);
    model m = model_of(&n, pair_sigmoid());
    const task t = random_task();
    ct_optimizer *descent = model_descent(&m, 0.5);
    double first = 0, last = 0;
    for (int e = 1; e <= 10; e++) {
        last = hand_epoch(&n, &t, 0.5);
        if (e == 1) first = last;
        assert_close(model_epoch(&m, descent, &t), last);
    }
    for (int l = 0; l <= 1; l++) assert_agrees(m.W[l], n.W[l]);
    assert_true(last < first);
    ct_optimizer_free(descent);
}

/* Criterion one: a fixed number of epochs, whatever the loss does. */
static void stops_after_a_fixed_number_of_epochs(void **state)
{
    (void)state;
    mlp n = random_mlp(1, (int[]){2, 3, 1}, hand_sigmoid, HALF_SQUARES);
    model m = model_of(&n, pair_sigmoid());
    const task t = random_task();
    ct_optimizer *descent = model_descent(&m, 0.5);
    ct_stopper stopper = {.max_epochs = 7};
    int epochs = 0;
    double loss = 0;
    do loss = model_epoch(&m, descent, &t), epochs++;
    while (!ct_stop(&stopper, loss));
    assert_int_equal(epochs, 7);
    for (int e = 0; e < 7; e++) hand_epoch(&n, &t, 0.5);
    for (int l = 0; l <= 1; l++) assert_agrees(m.W[l], n.W[l]);
    ct_optimizer_free(descent);
}

/* Criterion two: monitor the loss, and stop when it has not fallen by more than min_delta for `patience` epochs. */
static void stops_when_the_monitored_loss_no_longer_falls(void **state)
{
    (void)state;
    mlp n = random_mlp(1, (int[]){2, 3, 1}, hand_sigmoid, HALF_SQUARES);
    model m = model_of(&n, pair_sigmoid());
    const task t = random_task();
    ct_optimizer *descent = model_descent(&m, 0.5);
    ct_stopper stopper = {.max_epochs = 100000, .patience = 3, .min_delta = 1e-3};
    int epochs = 0, since_best = 0, epochs_by_hand = 0;
    double loss = 0, best = INFINITY;
    do loss = model_epoch(&m, descent, &t), epochs++;
    while (!ct_stop(&stopper, loss));
    while (since_best < 3) {
        const double by_hand = hand_epoch(&n, &t, 0.5);
        since_best = by_hand < best - 1e-3 ? 0 : since_best + 1;
        if (since_best == 0) best = by_hand;
        epochs_by_hand++;
    }
    assert_int_equal(epochs, epochs_by_hand);
    assert_true(epochs > 10 && epochs < 100000);
    assert_close(stopper.best, best);
    ct_optimizer_free(descent);
}

/* A loss that rises after its minimum (a validation loss that overfits): three epochs later it is time, and the best is known. */
static void monitoring_remembers_the_best_epoch(void **state)
{
    (void)state;
    const double losses[] = {5, 4, 3, 2, 2.5, 2.25, 2.5, 1};
    ct_stopper stopper = {.max_epochs = 50, .patience = 3};
    int epochs = 0;
    while (!ct_stop(&stopper, losses[epochs++])) assert_int_equal(stopper.improved, epochs <= 4);
    assert_int_equal(epochs, 7);
    assert_close(stopper.best, 2);
    ct_stopper at_nan = {.max_epochs = 50};
    assert_true(ct_stop(&at_nan, NAN));
}

/* ---- derivatives ---------------------------------------------------------------------------------------------------------- */

static double sigmoid_slope_of_output(double o) { return o * (1 - o); }
static double tanh_slope_of_output(double o) { return 1 - o * o; }
static double relu_slope_of_output(double o) { return o > 0; }

/* f'(net) from the output o = f(net) alone: o (1 - o), 1 - o^2, [o > 0]. */
static void derivatives_come_from_the_output_alone(void **state)
{
    (void)state;
    double (*const slope[])(double) = {sigmoid_slope_of_output, tanh_slope_of_output, relu_slope_of_output};
    pair kinds[] = {pair_sigmoid(), pair_tanh(), pair_relu()};
    const matrix net = scaled(random_matrix(6, 1), 3);
    for (int i = 0; i < 3; i++) {
        ct_tensor *x = leaf_of(net), *o = kinds[i].by_library(x);
        assert_true(ct_backward(ct_sum(o, CT_ALL, false)));
        assert_gradient(x, mapped(matrix_from(o), slope[i]));
        assert_agrees(o, mapped(net, kinds[i].by_hand.g));
    }
}

/* The note's other line for tanh, 1 - net^2, is not its derivative. */
static void tanh_slope_is_not_one_minus_net_squared(void **state)
{
    (void)state;
    ct_tensor *net = leaf_of(filled(1, 1, 0.5)), *o = ct_tanh(net);
    assert_true(ct_backward(o));
    const double slope = ct_item(ct_grad_of(net));
    assert_close(slope, 1 - ct_item(o) * ct_item(o));
    assert_true(fabs(slope - (1 - 0.5 * 0.5)) > 0.03);
}

static int softmax_function(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_softmax(in[0], 0);
    return out[0] ? 0 : 1;
}

/* do_i/dnet_j = o_i ([i = j] - o_j). */
static void softmax_jacobian_is_diag_minus_outer(void **state)
{
    (void)state;
    const matrix net = scaled(random_matrix(5, 1), 2), o = softmax_of_columns(net);
    const matrix jacobian = minus(diagonal(o), product(o, transposed(o)));
    ct_tensor *x = ct_reshape(tensor_of(net), ct_shape(5));
    assert_agrees(ct_softmax(x, 0), o);
    assert_agrees(ct_jacobian(softmax_function, NULL, x, CT_MODE_REVERSE), jacobian);
    assert_agrees(ct_jacobian(softmax_function, NULL, x, CT_MODE_FORWARD), jacobian);
}

/* delta_o = J' dE/do = (diag(o) - o o') (-y / o) = o - y, since y sums to one. */
static void softmax_with_cross_entropy_has_delta_o_minus_y(void **state)
{
    (void)state;
    const matrix net = scaled(random_matrix(5, 1), 2), o = softmax_of_columns(net), y = random_one_hot(5, 1);
    matrix dE_do = filled(5, 1, 0);
    for (int i = 0; i < 5; i++) dE_do.v[i] = -y.v[i] / o.v[i];
    const matrix delta = minus(o, y);

    ct_tensor *x = ct_reshape(tensor_of(net), ct_shape(5));
    ct_tensor *jacobian = ct_jacobian(softmax_function, NULL, x, CT_MODE_REVERSE);
    assert_agrees(ct_matmul(ct_transpose(jacobian), tensor_of(dE_do)), delta);
    ct_requires_grad(x, true);
    ct_tensor *target = ct_reshape(tensor_of(y), ct_shape(5));
    assert_true(ct_backward(ct_cross_entropy(x, target)));
    assert_gradient(x, delta);
    assert_true(ct_zero_grad(x));
    assert_true(ct_backward(ct_neg(ct_sum(ct_mul(target, ct_log(ct_softmax(x, 0))), CT_ALL, false))));
    assert_gradient(x, delta);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        note_test(net_is_w_transposed_x_plus_b),
        note_test(five_steps_with_half_squared_error),
        note_test(five_steps_with_cross_entropy),
        note_test(hidden_delta_is_w_times_delta),
        note_test(epochs_repeat_the_five_steps),
        note_test(stops_after_a_fixed_number_of_epochs),
        note_test(stops_when_the_monitored_loss_no_longer_falls),
        note_test(monitoring_remembers_the_best_epoch),
        note_test(derivatives_come_from_the_output_alone),
        note_test(tanh_slope_is_not_one_minus_net_squared),
        note_test(softmax_jacobian_is_diag_minus_outer),
        note_test(softmax_with_cross_entropy_has_delta_o_minus_y),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
