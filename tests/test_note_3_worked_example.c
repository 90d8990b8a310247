/*
 * test_note_3_worked_example.c - note 3: from the perceptron to backpropagation, with an example worked out in numbers.
 *
 * Conventions: z = W a + b with W [nodes, inputs], one row of W per node; n inputs stand as the columns of X [d, n], and
 * Z = W X + b 1 adds the bias to each. delta[l] = dL/dz[l]; the hidden recursion is (W[l+1]' delta[l+1]) * g'(z[l]).
 *
 * Slips of the note: the example's loss is printed as 1/2 |(..)^2 - (..)^2|^2, its number 0.2984 is that of the right formula,
 * 1/2 sum of (out - y)^2; the log-loss lacks a minus sign before its second term. At z = 0 the note gives relu (and leaky relu)
 * the slope 1 and leaves the step undefined; the library takes 0 (alpha) for the slopes and step(0) = 0.
 */
#include "beside.h"

/* The four corners of the square as columns, and three truth tables over them. */
static const double corners[] = {0, 1, 0, 1, 0, 0, 1, 1};
static const double and_table[] = {0, 0, 0, 1}, or_table[] = {0, 1, 1, 1}, xor_table[] = {0, 1, 1, 0};

static matrix corner_columns(void) { return matrix_of(2, 4, corners); }

/* ---- the perceptron --------------------------------------------------------------------------------------------------- */

/* The step's derivative is zero in both modes, so that gradient descent learns nothing through it. */
static void step_activation_has_zero_derivative(void **state)
{
    (void)state;
    pair step = pair_step();
    ct_tensor *z = ct_of(ct_shape(5), CT_F64, -2, -0.5, 0, 0.5, 2);
    assert_agrees(ct_step(z), matrix_of(5, 1, (double[]){0, 0, 0, 1, 1}));
    assert_agrees(ct_jacobian(pair_function, &step, z, CT_MODE_REVERSE), filled(5, 5, 0));
    assert_agrees(ct_jacobian(pair_function, &step, z, CT_MODE_FORWARD), filled(5, 5, 0));
    ct_tensor *w = leaf_of(random_matrix(1, 2)), *x = tensor_of(corner_columns());
    assert_true(ct_backward(ct_half_mse_loss(ct_step(ct_matmul(w, x)), tensor_of(matrix_of(1, 4, and_table)), CT_SUM)));
    assert_gradient(w, filled(1, 2, 0));
}

/* Rosenblatt's rule, by hand: w := w + (y - o) x, b := b + (y - o). Returns the mistakes of one pass over the corners. */
static int hand_perceptron_pass(double *w, double *b, const double *table)
{
    int mistakes = 0;
    for (int j = 0; j < 4; j++) {
        const double x0 = corners[j], x1 = corners[4 + j], o = step_at(w[0] * x0 + w[1] * x1 + *b);
        w[0] += (table[j] - o) * x0;
        w[1] += (table[j] - o) * x1;
        *b += table[j] - o;
        mistakes += o != table[j];
    }
    return mistakes;
}

/* The same with tensors. */
static int perceptron_pass(ct_tensor *w /* [1, 2] */, ct_tensor *b /* [1] */, const double *table)
{
    CT_SCOPE;
    int mistakes = 0;
    ct_tensor *corner_rows = ct_transpose(tensor_of(corner_columns()));
    for (int j = 0; j < 4; j++) {
        ct_tensor *x = ct_select(corner_rows, 0, j);
        const double error = table[j] - ct_item(ct_step(ct_add(ct_matmul(w, x), b)));
        assert_true(ct_add_(w, error, x) && ct_add_(b, error, ct_scalar(1)));
        mistakes += error != 0;
    }
    return mistakes;
}

/* Passes until there is no mistake, at most 100; both sides have the same integers all the time. */
static int learn_by_perceptron(const double *table)
{
    double w_by_hand[2] = {0}, b_by_hand = 0;
    ct_tensor *w = ct_zeros(ct_shape(1, 2), CT_F64), *b = ct_zeros(ct_shape(1), CT_F64);
    for (int pass = 1; pass <= 100; pass++) {
        const int mistakes = perceptron_pass(w, b, table);
        assert_int_equal(mistakes, hand_perceptron_pass(w_by_hand, &b_by_hand, table));
        assert_true(ct_equal(w, tensor_of(matrix_of(1, 2, w_by_hand))) && ct_item(b) == b_by_hand);
        if (mistakes == 0) return pass;
    }
    return 0;
}

static void perceptron_learns_and(void **state) { (void)state, assert_in_range(learn_by_perceptron(and_table), 2, 20); }
static void perceptron_learns_or(void **state) { (void)state, assert_in_range(learn_by_perceptron(or_table), 2, 20); }

/* Minsky and Papert 1969: on XOR it never comes to rest. */
static void perceptron_cannot_learn_xor(void **state) { (void)state, assert_int_equal(learn_by_perceptron(xor_table), 0); }

/* "Learn AND and OR boundaries": a network of perceptrons, step(or - and - 1/2) with or = step(x1 + x2 - 1/2) and
 * and = step(x1 + x2 - 3/2), is XOR. */
static void two_layers_of_perceptrons_are_xor(void **state)
{
    (void)state;
    hand_net by_hand = {.layers = 2, .W[1] = filled(2, 2, 1), .W[2] = matrix_of(1, 2, (double[]){1, -1})};
    by_hand.b[1] = matrix_of(2, 1, (double[]){-0.5, -1.5});
    by_hand.b[2] = filled(1, 1, -0.5);
    net n = net_of(&by_hand, pair_step(), pair_step());
    ct_tensor *out = net_forward(&n, tensor_of(corner_columns()));
    assert_agrees(ct_slice(n.a[1], 0, 0, 1, 1), matrix_of(1, 4, or_table));
    assert_agrees(ct_slice(n.a[1], 0, 1, 2, 1), matrix_of(1, 4, and_table));
    assert_agrees(out, matrix_of(1, 4, xor_table));
}

/* ---- logistic regression, and why it is not enough -------------------------------------------------------------------- */

typedef struct logistic { /* z = w x + b on both sides */
    hand_net by_hand;
    net n;
    ct_optimizer *descent;
} logistic;

static logistic logistic_new(double alpha)
{
    logistic r = {.by_hand = random_net(1, (int[]){2, 1}, hand_sigmoid, hand_sigmoid)};
    r.n = net_of(&r.by_hand, pair_sigmoid(), pair_sigmoid());
    r.descent = net_descent(&r.n, alpha);
    return r;
}

/* Descent on the mean log-loss of a table: dL/dw = (a - y) X' / 4, dL/db = (a - y) 1 / 4. Returns the last loss. */
static double logistic_train(logistic *r, const double *table, int steps, double alpha)
{
    const matrix x = corner_columns(), y = matrix_of(1, 4, table);
    double loss = NAN;
    for (int t = 0; t < steps; t++) {
        CT_SCOPE;
        const hand_pass pass = hand_forward(&r->by_hand, x);
        const hand_gradient d = hand_backward(&r->by_hand, &pass, scaled(minus(pass.a[1], y), 0.25));
        ct_tensor *cost = ct_binary_cross_entropy(net_forward(&r->n, tensor_of(x)), tensor_of(y), CT_MEAN);
        loss = ct_item(cost);
        assert_close(loss, binary_cross_entropy(pass.a[1], y) / 4);
        assert_true(ct_backward(cost));
        if (t < 5) assert_gradients(&r->n, &d); /* XOR's later gradients cancel to rounding errors */
        hand_descend(&r->by_hand, &d, alpha);
        assert_true(ct_optimizer_step(r->descent));
    }
    return loss;
}

/* The sigmoid neuron learns AND and OR. */
static void logistic_regression_learns_and_and_or(void **state)
{
    (void)state;
    const double *const tables[] = {and_table, or_table};
    for (int i = 0; i < 2; i++) {
        logistic r = logistic_new(2);
        assert_true(logistic_train(&r, tables[i], 300, 2) < 0.1);
        assert_parameters(&r.n, &r.by_hand);
        net_forward(&r.n, tensor_of(corner_columns()));
        assert_agrees(ct_step(r.n.z[1]), matrix_of(1, 4, tables[i]));
        ct_optimizer_free(r.descent);
    }
}

/* -log p of XOR for one linear layer, whose w has the bias as its third entry and x a row of ones. */
static ct_tensor *linear_log_loss_of_xor(ct_tensor *w, matrix x)
{
    return ct_binary_cross_entropy_logits(ct_matmul(w, tensor_of(x)), tensor_of(matrix_of(1, 4, xor_table)), CT_MEAN);
}

/* At w = 0 the loss is log 2 and its gradient zero; its Hessian is 1/4 sum of a (1 - a) x x', a sum of squares v' H v >= 0 at
 * every w: the loss is convex, and log 2 is the best that a linear classifier can do. */
static void log_two_is_the_best_linear_loss_on_xor(void **state)
{
    (void)state;
    const matrix x = matrix_of(3, 4, (double[]){0, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 1}), start = random_matrix(1, 3);
    ct_tensor *zero = leaf_of(filled(1, 3, 0)), *at_zero = linear_log_loss_of_xor(zero, x);
    assert_close(ct_item(at_zero), log(2));
    assert_agrees(ct_derivative(at_zero, zero, (ct_grad_options){0}), filled(1, 3, 0));

    const matrix a_slope = mapped(product(start, x), sigmoid_slope);
    const matrix hessian = product(x, product(diagonal(scaled(a_slope, 0.25)), transposed(x)));
    ct_tensor *w = leaf_of(start);
    ct_tensor *dw = ct_derivative(linear_log_loss_of_xor(w, x), w, (ct_grad_options){.create_graph = true});
    for (int i = 0; i < 3; i++) {
        ct_tensor *row = ct_derivative(ct_select(ct_select(dw, 0, 0), 0, i), w, (ct_grad_options){.retain_graph = true});
        assert_agrees(ct_transpose(row), column(hessian, i));
    }
}

/* Wherever logistic regression starts, on XOR it ends with w = 0: every corner gets 1/2. */
static void logistic_regression_cannot_learn_xor(void **state)
{
    (void)state;
    logistic r = logistic_new(4);
    const double loss = logistic_train(&r, xor_table, 300, 4);
    assert_close(loss, log(2));
    assert_true(ct_item(ct_norm(ct_concat((ct_tensor *[]){r.n.W[1], r.n.b[1]}, 2, 1), CT_ALL, false)) < 1e-6);
    ct_optimizer_free(r.descent);
}

/* The best linear fit in the least squares sense is the constant 1/2, with a mean square of 1/4. */
static void constant_half_is_the_best_linear_fit_of_xor(void **state)
{
    (void)state;
    const hand_net half = {.layers = 1, .W[1] = filled(1, 2, 0), .b[1] = filled(1, 1, 0.5)};
    net n = net_of(&half, pair_identity(), pair_identity());
    ct_tensor *x = tensor_of(corner_columns()), *y = tensor_of(matrix_of(1, 4, xor_table));
    ct_tensor *cost = ct_mse_loss(net_forward(&n, x), y, CT_MEAN);
    assert_close(ct_item(cost), 0.25);
    assert_true(ct_backward(cost));
    assert_gradient(n.W[1], filled(1, 2, 0));
    assert_gradient(n.b[1], filled(1, 1, 0));
}

/* One hidden layer suffices: 2-4-1 with tanh, plain gradient descent on the log-loss, beside the deltas for a while. */
static void one_hidden_layer_learns_xor(void **state)
{
    (void)state;
    const matrix x = corner_columns(), y = matrix_of(1, 4, xor_table);
    hand_net by_hand = random_net(2, (int[]){2, 4, 1}, hand_tanh, hand_sigmoid);
    net n = net_of(&by_hand, pair_tanh(), pair_sigmoid());
    ct_optimizer *descent = net_descent(&n, 1);
    double loss = INFINITY;
    for (int t = 0; t < 2000 && loss > 0.01; t++) {
        CT_SCOPE;
        ct_tensor *cost = ct_binary_cross_entropy(net_forward(&n, tensor_of(x)), tensor_of(y), CT_MEAN);
        loss = ct_item(cost);
        assert_true(ct_backward(cost));
        if (t < 20) {
            const hand_pass pass = hand_forward(&by_hand, x);
            const hand_gradient d = hand_backward(&by_hand, &pass, scaled(minus(pass.a[2], y), 0.25));
            assert_gradients(&n, &d);
            hand_descend(&by_hand, &d, 1);
        }
        assert_true(ct_optimizer_step(descent));
    }
    assert_true(loss <= 0.01);
    net_forward(&n, tensor_of(x));
    assert_agrees(ct_step(n.z[2]), y);
    ct_optimizer_free(descent);
}

/* ---- universal approximation ------------------------------------------------------------------------------------------- */

/* The largest error of a fitted net with one hidden layer of tanh and a linear output, against sin(2 x) on [-2, 2]. */
static double fit_a_sine(int hidden, int steps)
{
    hand_net start = random_net(2, (int[]){1, hidden, 1}, hand_tanh, hand_identity);
    start.W[1] = scaled(start.W[1], 2);
    start.b[1] = scaled(start.b[1], 2);
    net n = net_of(&start, pair_tanh(), pair_identity());
    ct_tensor *parameters[] = {n.W[1], n.b[1], n.W[2], n.b[2]};
    ct_optimizer *adam = ct_optim_adam_of(parameters, 4, 0.02, ct_adam_defaults());
    ct_tensor *x = ct_reshape(ct_linspace(-2, 2, 41, CT_F64), ct_shape(1, 41));
    ct_tensor *y = ct_sin(ct_mul(x, ct_scalar(2)));
    for (int t = 0; t < steps; t++) {
        CT_SCOPE;
        if (t == steps / 2) assert_true(ct_optimizer_set_lr(adam, 0.005));
        assert_true(ct_backward(ct_mse_loss(net_forward(&n, x), y, CT_MEAN)) && ct_optimizer_step(adam));
    }
    const double worst = ct_item(ct_max(ct_abs(ct_sub(net_forward(&n, x), y)), CT_ALL, false));
    ct_optimizer_free(adam);
    return worst;
}

/* "A single hidden layer with a linear output unit can approximate any continuous function, given enough hidden units": one
 * unit is not enough for a sine, sixteen are. */
static void one_hidden_layer_fits_a_smooth_function(void **state)
{
    (void)state;
    assert_true(fit_a_sine(1, 500) > 0.5);
    assert_true(fit_a_sine(16, 4000) < 0.03);
}

/* ---- activations -------------------------------------------------------------------------------------------------------- */

/* identity, step, relu, leaky relu (0.01), sigmoid and tanh: value and derivative on both sides of zero. */
static void activations_have_the_note_s_values_and_slopes(void **state)
{
    (void)state;
    const pair kinds[] = {pair_identity(), pair_step(), pair_relu(), pair_leaky_relu(), pair_sigmoid(), pair_tanh()};
    const matrix z = matrix_of(7, 1, (double[]){-6, -2.5, -1, -1e-3, 0.25, 1, 7});
    for (int i = 0; i < 6; i++) {
        ct_tensor *leaf = leaf_of(z), *a = kinds[i].by_library(leaf);
        assert_agrees(a, mapped(z, kinds[i].by_hand.g));
        assert_true(ct_backward(ct_sum(a, CT_ALL, false)));
        assert_gradient(leaf, mapped(z, kinds[i].by_hand.slope));
    }
    ct_tensor *t = tensor_of(z), *two = ct_scalar(2); /* tanh(z) = 2 sigma(2 z) - 1 */
    assert_agrees(ct_sub(ct_mul(two, ct_sigmoid(ct_mul(two, t))), ct_scalar(1)), mapped(z, tanh));
}

/* At zero a choice has to be made: step 0, and the slopes of the left side for relu and leaky relu. */
static void activations_choose_the_left_side_at_zero(void **state)
{
    (void)state;
    const pair kinds[] = {pair_step(), pair_relu(), pair_leaky_relu()};
    const double slopes[] = {0, 0, 0.01};
    for (int i = 0; i < 3; i++) {
        ct_tensor *z = leaf_of(filled(1, 1, 0)), *a = kinds[i].by_library(z);
        assert_true(ct_item(a) == 0);
        assert_agrees(ct_derivative(a, z, (ct_grad_options){0}), filled(1, 1, slopes[i]));
    }
}

/* Softmax, for outputs that are a distribution: each column of a batch sums to one. */
static void softmax_makes_every_column_a_distribution(void **state)
{
    (void)state;
    const matrix z = scaled(random_matrix(4, 5), 3);
    ct_tensor *a = ct_softmax(tensor_of(z), 0);
    assert_agrees(a, softmax_of_columns(z));
    assert_agrees(ct_sum(a, ct_axes(0), true), filled(1, 5, 1));
}

/* ---- layers and vectorised backpropagation ------------------------------------------------------------------------------- */

/* "How many parameters do we have by the way?" 4 (3 + 1) + 3 (4 + 1) + 1 (3 + 1) = 35. */
static void three_layer_network_has_35_parameters(void **state)
{
    (void)state;
    ct_module *model = ct_nn_sequential(ct_nn_linear(3, 4), ct_nn_sigmoid(), ct_nn_linear(4, 3), ct_nn_sigmoid(),
                                        ct_nn_linear(3, 1), ct_nn_sigmoid());
    assert_int_equal(ct_module_count(model), 35);
    ct_module_free(model);
}

/* A[l] = g(W[l] A[l-1] + b[l] 1) for all n inputs at once is every input's own forward pass. */
static void batch_as_columns_is_every_input_by_itself(void **state)
{
    (void)state;
    const hand_net by_hand = random_net(3, (int[]){3, 4, 3, 1}, hand_sigmoid, hand_sigmoid);
    const matrix x = random_matrix(3, 6);
    net n = net_of(&by_hand, pair_sigmoid(), pair_sigmoid());
    net_forward(&n, tensor_of(x));
    for (int j = 0; j < x.cols; j++) {
        const hand_pass pass = hand_forward(&by_hand, column(x, j));
        for (int l = 1; l <= 3; l++) {
            assert_agrees(ct_slice(n.z[l], 1, j, j + 1, 1), pass.z[l]);
            assert_agrees(ct_slice(n.a[l], 1, j, j + 1, 1), pass.a[l]);
        }
    }
}

/* The key equations unrolled for the 3-4-3-1 network with 1/2 squared error: delta3 = (a3 - y) * g'(z3),
 * delta2 = W3' delta3 * g'(z2), delta1 = W2' delta2 * g'(z1), dL/dW1 = delta1 a0', dL/db1 = delta1 1. */
static void vectorised_backpropagation_of_a_batch(void **state)
{
    (void)state;
    const hand_net h = random_net(3, (int[]){3, 4, 3, 1}, hand_sigmoid, hand_sigmoid);
    const matrix x = random_matrix(3, 6), y = random_labels(1, 6);
    const hand_pass p = hand_forward(&h, x);
    const matrix delta3 = times(minus(p.a[3], y), mapped(p.z[3], sigmoid_slope));
    const matrix delta2 = times(product(transposed(h.W[3]), delta3), mapped(p.z[2], sigmoid_slope));
    const matrix delta1 = times(product(transposed(h.W[2]), delta2), mapped(p.z[1], sigmoid_slope));

    net n = net_of(&h, pair_sigmoid(), pair_sigmoid());
    ct_tensor *loss = ct_half_mse_loss(net_forward(&n, tensor_of(x)), tensor_of(y), CT_SUM), *dz[3];
    assert_close(ct_item(loss), squared_error(p.a[3], y) / 2);
    assert_true(ct_grad(&loss, NULL, 1, &n.z[1], 3, dz, (ct_grad_options){.retain_graph = true}) && ct_backward(loss));
    assert_agrees(dz[2], delta3);
    assert_agrees(dz[1], delta2);
    assert_agrees(dz[0], delta1);
    assert_gradient(n.W[1], product(delta1, transposed(x)));
    assert_gradient(n.b[1], sum_of_columns(delta1));
    const hand_gradient d = hand_backward(&h, &p, delta3);
    assert_gradients(&n, &d);
}

/* The log-loss with its right signs, dL/da = -(y/a - (1 - y)/(1 - a)), which sigma' turns into a - y. */
static void log_loss_of_a_batch(void **state)
{
    (void)state;
    const hand_net h = random_net(3, (int[]){3, 4, 3, 1}, hand_leaky_relu, hand_sigmoid);
    const matrix x = random_matrix(3, 6), y = random_labels(1, 6);
    const hand_pass p = hand_forward(&h, x);
    matrix dL_da = filled(1, 6, 0);
    for (int i = 0; i < 6; i++) dL_da.v[i] = -(y.v[i] / p.a[3].v[i] - (1 - y.v[i]) / (1 - p.a[3].v[i]));
    const hand_gradient d = hand_backward(&h, &p, times(dL_da, mapped(p.z[3], sigmoid_slope)));

    net n = net_of(&h, pair_leaky_relu(), pair_sigmoid());
    ct_tensor *loss = ct_binary_cross_entropy(net_forward(&n, tensor_of(x)), tensor_of(y), CT_SUM), *da;
    assert_true(ct_grad(&loss, NULL, 1, &n.a[3], 1, &da, (ct_grad_options){.retain_graph = true}) && ct_backward(loss));
    assert_agrees(da, dL_da);
    assert_gradients(&n, &d);
}

/* ---- the worked example -------------------------------------------------------------------------------------------------- */

static const double example_x[] = {0.05, 0.1}, example_y[] = {0.01, 0.99};

static hand_net example(void)
{
    hand_net n = {.layers = 2, .g[1] = hand_sigmoid, .g[2] = hand_sigmoid};
    n.W[1] = matrix_of(2, 2, (double[]){0.15, 0.2, 0.25, 0.3});
    n.W[2] = matrix_of(2, 2, (double[]){0.4, 0.45, 0.5, 0.55});
    n.b[1] = filled(2, 1, 0.35);
    n.b[2] = filled(2, 1, 0.6);
    return n;
}

/* The entries of a pair of numbers to as many digits as the note prints. */
static void assert_printed(ct_tensor *t, double first, double second, double half_of_the_last_digit)
{
    assert_true(fabs(ct_get(t, ct_index(0, 0)) - first) <= half_of_the_last_digit);
    assert_true(fabs(ct_get(t, ct_index(1, 0)) - second) <= half_of_the_last_digit);
}

/* Forward pass: z1 = (.3775, .3925), a1 = (.5933, .5969), z2 = (1.106, 1.225), out = (.7514, .7729), loss .2984. */
static void worked_example_forward(void **state)
{
    (void)state;
    const hand_net h = example();
    const matrix x = matrix_of(2, 1, example_x), y = matrix_of(2, 1, example_y);
    const hand_pass p = hand_forward(&h, x);
    net n = net_of(&h, pair_sigmoid(), pair_sigmoid());
    ct_tensor *loss = ct_half_mse_loss(net_forward(&n, tensor_of(x)), tensor_of(y), CT_SUM);
    assert_agrees(n.z[1], matrix_of(2, 1, (double[]){0.3775, 0.3925}));
    assert_printed(n.a[1], 0.5933, 0.5969, 0.5e-4);
    assert_printed(n.z[2], 1.106, 1.225, 0.5e-3);
    assert_printed(n.a[2], 0.7514, 0.7729, 0.5e-4);
    assert_agrees(n.a[2], p.a[2]);
    assert_close(ct_item(loss), squared_error(p.a[2], y) / 2);
    assert_close(ct_item(loss), 0.2983711087600027);
}

/* Backpropagation, against the numbers and against the recursion. */
static void worked_example_gradients(void **state)
{
    (void)state;
    const hand_net h = example();
    const matrix x = matrix_of(2, 1, example_x), y = matrix_of(2, 1, example_y);
    net n = net_of(&h, pair_sigmoid(), pair_sigmoid());
    assert_true(ct_backward(ct_half_mse_loss(net_forward(&n, tensor_of(x)), tensor_of(y), CT_SUM)));
    const double dW2[] = {0.0821670405642308, 0.0826676278475333, -0.0226025404774751, -0.0227402422159782};
    const double dW1[] = {4.38567734474347e-4, 8.77135468948694e-4, 4.97712735260860e-4, 9.95425470521722e-4};
    assert_gradient(n.W[2], matrix_of(2, 2, dW2));
    assert_gradient(n.b[2], matrix_of(2, 1, (double[]){0.138498561628557, -0.0380982365165562}));
    assert_gradient(n.W[1], matrix_of(2, 2, dW1));
    assert_gradient(n.b[1], matrix_of(2, 1, (double[]){0.00877135468948694, 0.00995425470521720}));

    const hand_pass p = hand_forward(&h, x);
    const hand_gradient d = hand_backward(&h, &p, times(minus(p.a[2], y), mapped(p.z[2], sigmoid_slope)));
    assert_gradients(&n, &d);
}

/* dL/dw11[2] = (out1 - y1) out1 (1 - out1) a1 = .7414 * .1868 * .5933; to w11[1] lead two paths, through out1 and out2. */
static void worked_example_path_by_path(void **state)
{
    (void)state;
    const hand_net h = example();
    const hand_pass p = hand_forward(&h, matrix_of(2, 1, example_x));
    double path[2];
    for (int k = 0; k < 2; k++) { /* out_k <- z2_k <- a1_1 <- z1_1 <- w11[1] */
        const double out = p.a[2].v[k], a = p.a[1].v[0];
        path[k] = (out - example_y[k]) * out * (1 - out) * h.W[2].v[2 * k] * a * (1 - a) * example_x[0];
    }
    const double out1 = p.a[2].v[0], dw2 = (out1 - example_y[0]) * out1 * (1 - out1) * p.a[1].v[0];
    assert_within(out1 - example_y[0], 0.7414, 1e-4);
    assert_within(out1 * (1 - out1), 0.1868, 5e-4);

    net n = net_of(&h, pair_sigmoid(), pair_sigmoid());
    ct_tensor *out = net_forward(&n, tensor_of(matrix_of(2, 1, example_x)));
    assert_true(ct_backward(ct_half_mse_loss(out, tensor_of(matrix_of(2, 1, example_y)), CT_SUM)));
    assert_close(ct_get(ct_grad_of(n.W[2]), ct_index(0, 0)), dw2);
    assert_close(ct_get(ct_grad_of(n.W[1]), ct_index(0, 0)), path[0] + path[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        note_test(step_activation_has_zero_derivative),
        note_test(perceptron_learns_and),
        note_test(perceptron_learns_or),
        note_test(perceptron_cannot_learn_xor),
        note_test(two_layers_of_perceptrons_are_xor),
        note_test(logistic_regression_learns_and_and_or),
        note_test(log_two_is_the_best_linear_loss_on_xor),
        note_test(logistic_regression_cannot_learn_xor),
        note_test(constant_half_is_the_best_linear_fit_of_xor),
        note_test(one_hidden_layer_learns_xor),
        note_test(one_hidden_layer_fits_a_smooth_function),
        note_test(activations_have_the_note_s_values_and_slopes),
        note_test(activations_choose_the_left_side_at_zero),
        note_test(softmax_makes_every_column_a_distribution),
        note_test(three_layer_network_has_35_parameters),
        note_test(batch_as_columns_is_every_input_by_itself),
        note_test(vectorised_backpropagation_of_a_batch),
        note_test(log_loss_of_a_batch),
        note_test(worked_example_forward),
        note_test(worked_example_gradients),
        note_test(worked_example_path_by_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
