/*
 * test_note_1_probabilistic.c - note 1: sparse layers, costs as negative log-likelihoods, the delta recursion, regularization.
 *
 * Conventions: layer l = 0 .. D-1 is F x = W x + b followed by an activation G; s(l) = W(l) x(l) + b(l), x(l+1) = G(s(l)). The
 * note's delta(l) = dL/ds(l) is a row; here it is a column where the code says so. The cost J is the mean over the examples.
 * hand.h counts layers from 1, so that the note's W(l) is W[l + 1].
 *
 * Slips of the note: the forward example ends in sigma(-1) = .000051, where (1, -2, 1) (1, 6, 0)' = -11 and sigma(-11) =
 * 1.67e-5; the factor 1/2 of the Gaussian's exponent gets lost on the way to the squared error (1/2 |y - Nx|^2 is right); the
 * constant of the density is 1/sqrt((2 pi)^n det S).
 */
#include "beside.h"

static const double note_W0[] = {1, -1, 0, 2, 0, 3, 0, -2, -3}, note_W1[] = {1, -2, 1}, ones[] = {1, 1, 1};

/* N(1, 1, 1) = sigma F1 relu F0 (1, 1, 1), step by step. */
static void forward_example_of_the_note(void **state)
{
    (void)state;
    ct_tensor *x = tensor_of(matrix_of(3, 1, ones));
    ct_tensor *s0 = ct_add(ct_matmul(tensor_of(matrix_of(3, 3, note_W0)), x), tensor_of(matrix_of(3, 1, ones)));
    assert_agrees(s0, matrix_of(3, 1, (double[]){1, 6, -4}));
    assert_agrees(ct_relu(s0), matrix_of(3, 1, (double[]){1, 6, 0}));
    ct_tensor *s1 = ct_matmul(tensor_of(matrix_of(1, 3, note_W1)), ct_relu(s0));
    assert_close(ct_item(s1), -11);
    assert_close(ct_item(ct_sigmoid(s1)), 1.670142184809518e-05);
}

/* N = G F ... G F of any depth D; J = mean of |Nx - y|^2, so delta of the last layer is 2 (Nx - y) / m. */
static void affine_maps_and_activations_of_any_depth(void **state)
{
    (void)state;
    const int width[] = {3, 5, 4, 6, 2, 3}, m = 6;
    for (int depth = 1; depth <= LAYERS_MAX; depth++) {
        const hand_net by_hand = random_net(depth, width, hand_tanh, hand_identity);
        const matrix x = random_matrix(3, m), y = random_matrix(width[depth], m);
        const hand_pass pass = hand_forward(&by_hand, x);
        const hand_gradient d = hand_backward(&by_hand, &pass, scaled(minus(pass.a[depth], y), 2.0 / m));

        net n = net_of(&by_hand, pair_tanh(), pair_identity());
        ct_tensor *cost = ct_mul(ct_mse_loss(net_forward(&n, tensor_of(x)), tensor_of(y), CT_SUM), ct_scalar(1.0 / m));
        assert_close(ct_item(cost), squared_error(pass.a[depth], y) / m);
        assert_true(ct_backward(cost));
        assert_gradients(&n, &d);
    }
}

/* ---- sparse layers: only the nonzero entries of W and b are parameters --------------------------------------------- */

static double is_nonzero(double w) { return w != 0; }

/* Every masked entry of t is exactly zero, and some other is not. */
static void assert_masked(ct_tensor *t, matrix mask)
{
    const matrix m = matrix_from(t);
    double rest = 0;
    for (int i = 0; i < mask.rows * mask.cols; i++) {
        if (mask.v[i] == 0) assert_true(m.v[i] == 0);
        rest += fabs(m.v[i]);
    }
    assert_true(rest > 0);
}

/* The note's example as modules, which take rows: x W + b with W = W0'. */
static ct_module *sparse_model(matrix mask, matrix bias_mask)
{
    const ct_linear_options sparse = {.mask = tensor_of(mask), .bias_mask = ct_reshape(tensor_of(bias_mask), ct_shape(-1)),
                                      .dtype = CT_F64};
    return ct_nn_sequential(ct_nn_linear_with(3, 3, sparse), ct_nn_relu(),
                            ct_nn_linear_with(3, 1, (ct_linear_options){.dtype = CT_F64}), ct_nn_sigmoid());
}

static bool set_parameter(ct_module *model, const char *path, matrix values)
{
    CT_NO_GRAD;
    ct_tensor *p = ct_module_find(model, path);
    return ct_copy_(p, ct_reshape(tensor_of(values), ct_shape_get(p)));
}

/* dL/dW of a masked layer is mask * (x delta'), the full gradient where W has parameters and exactly zero elsewhere. */
static void masked_entries_have_exactly_zero_gradient(void **state)
{
    (void)state;
    const matrix W0 = matrix_of(3, 3, note_W0), b0 = matrix_of(3, 1, (double[]){1, 1, 0});
    const matrix mask = mapped(W0, is_nonzero), bias_mask = mapped(b0, is_nonzero);
    ct_module *model = sparse_model(transposed(mask), bias_mask);
    assert_masked(ct_module_find(model, "0.weight"), transposed(mask));
    assert_masked(ct_module_find(model, "0.bias"), bias_mask);
    assert_true(set_parameter(model, "0.weight", transposed(W0)) && set_parameter(model, "0.bias", b0));

    hand_net by_hand = {.layers = 2, .g[1] = hand_relu, .g[2] = hand_sigmoid, .W[1] = W0, .b[1] = b0};
    by_hand.W[2] = transposed(matrix_from(ct_module_find(model, "2.weight")));
    by_hand.b[2] = matrix_from(ct_module_find(model, "2.bias"));
    const matrix x = random_matrix(3, 5), y = random_labels(1, 5);
    const hand_pass pass = hand_forward(&by_hand, x);
    const hand_gradient d = hand_backward(&by_hand, &pass, minus(pass.a[2], y));

    ct_tensor *out = ct_forward(model, ct_transpose(tensor_of(x)));
    assert_true(ct_backward(ct_binary_cross_entropy(out, ct_transpose(tensor_of(y)), CT_SUM)));
    assert_agrees(ct_transpose(out), pass.a[2]);
    ct_tensor *dW = ct_grad_of(ct_module_find(model, "0.weight")), *db = ct_grad_of(ct_module_find(model, "0.bias"));
    assert_agrees(dW, transposed(times(mask, d.W[1])));
    assert_agrees(db, times(bias_mask, d.b[1]));
    assert_masked(dW, transposed(mask));
    assert_masked(db, bias_mask);
    ct_module_free(model);
}

/* No update moves a masked entry: neither momentum nor weight decay nor Adam's division by sqrt(v). */
static void masked_entries_stay_exactly_zero_in_training(void **state)
{
    (void)state;
    const matrix mask = mapped(matrix_of(3, 3, note_W0), is_nonzero), bias_mask = matrix_of(3, 1, (double[]){1, 0, 1});
    const ct_sgd_options momentum = {.momentum = 0.9, .weight_decay = 0.01};
    ct_tensor *x = tensor_of(random_matrix(8, 3)), *y = tensor_of(random_labels(8, 1));
    for (int kind = 0; kind < 3; kind++) {
        ct_module *model = sparse_model(transposed(mask), bias_mask);
        ct_tensor *w = ct_module_find(model, "0.weight"), *before = ct_clone(ct_detach(w));
        ct_optimizer *optimizer = kind == 0   ? ct_optim_sgd_with(model, 0.1, momentum)
                                  : kind == 1 ? ct_optim_adam(model, 0.05)
                                              : ct_optim_adamw(model, 0.05, 0.01);
        for (int t = 0; t < 20; t++) {
            assert_true(ct_backward(ct_binary_cross_entropy(ct_forward(model, x), y, CT_MEAN)));
            assert_true(ct_optimizer_step(optimizer));
            assert_masked(w, transposed(mask));
            assert_masked(ct_module_find(model, "0.bias"), bias_mask);
        }
        assert_false(ct_equal(w, before));
        ct_optimizer_free(optimizer);
        ct_module_free(model);
    }
}

/* ---- costs as negative log-likelihoods ------------------------------------------------------------------------------ */

/* A covariance matrix, and residuals' weighted squares: q = sum over columns r of r' S^-1 r. */
static const double note_S[] = {2, 0.5, 0.2, 0.5, 1, -0.3, 0.2, -0.3, 0.5};
static double weighted_squares(matrix r, matrix S_inverse) { return total(times(r, product(S_inverse, r))); }

/* -log N(y; Nx, S) = (y - Nx)' S^-1 (y - Nx) / 2 + log((2 pi)^n det S) / 2; only the first term depends on the parameters, and
 * delta of a linear output is S^-1 (Nx - y) / m. */
static void gaussian_likelihood_gives_the_weighted_squared_error(void **state)
{
    (void)state;
    const int m = 5;
    const hand_net by_hand = random_net(2, (int[]){2, 4, 3}, hand_tanh, hand_identity);
    const matrix x = random_matrix(2, m), y = random_matrix(3, m), S = matrix_of(3, 3, note_S);
    double det;
    const matrix S_inverse = inverse(S, &det);
    const hand_pass pass = hand_forward(&by_hand, x);
    const matrix r = minus(pass.a[2], y);
    const hand_gradient d = hand_backward(&by_hand, &pass, scaled(product(S_inverse, r), 1.0 / m));

    net n = net_of(&by_hand, pair_tanh(), pair_identity());
    ct_tensor *rows = ct_transpose(net_forward(&n, tensor_of(x)));
    ct_tensor *cost = ct_gaussian_nll_loss(rows, ct_transpose(tensor_of(y)), tensor_of(S), CT_MEAN);
    const double constant = (3 * log(2 * acos(-1)) + log(det)) / 2;
    assert_close(ct_item(cost), weighted_squares(r, S_inverse) / (2 * m) + constant);
    assert_true(ct_backward(cost));
    assert_gradients(&n, &d);
}

/* S = identity: half the plain squared error up to a constant, and exactly its gradients. */
static void identity_covariance_gives_the_plain_squared_error(void **state)
{
    (void)state;
    const int m = 5;
    const hand_net by_hand = random_net(2, (int[]){2, 4, 3}, hand_tanh, hand_identity);
    const matrix x = random_matrix(2, m), y = random_matrix(3, m);
    const hand_pass pass = hand_forward(&by_hand, x);
    const hand_gradient d = hand_backward(&by_hand, &pass, scaled(minus(pass.a[2], y), 1.0 / m));

    net gaussian = net_of(&by_hand, pair_tanh(), pair_identity()), plain = net_of(&by_hand, pair_tanh(), pair_identity());
    ct_tensor *rows = ct_transpose(net_forward(&gaussian, tensor_of(x)));
    ct_tensor *nll = ct_gaussian_nll_loss(rows, ct_transpose(tensor_of(y)), ct_eye(3, CT_F64), CT_MEAN);
    ct_tensor *squares = ct_half_mse_loss(net_forward(&plain, tensor_of(x)), tensor_of(y), CT_SUM);
    assert_close(ct_item(nll), ct_item(squares) / m + 3 * log(2 * acos(-1)) / 2);
    assert_true(ct_backward(nll) && ct_backward(ct_mul(squares, ct_scalar(1.0 / m))));
    assert_gradients(&gaussian, &d);
    assert_gradients(&plain, &d);
}

/* p(y | x) = p^y (1 - p)^(1 - y) with p = Nx: the mean of -log of it is binary cross-entropy. */
static void bernoulli_likelihood_gives_binary_cross_entropy(void **state)
{
    (void)state;
    const int m = 6;
    const hand_net by_hand = random_net(2, (int[]){3, 4, 1}, hand_relu, hand_sigmoid);
    const matrix x = random_matrix(3, m), y = random_labels(1, m);
    const hand_pass pass = hand_forward(&by_hand, x);
    double nll = 0;
    for (int i = 0; i < m; i++) nll -= log(pow(pass.a[2].v[i], y.v[i]) * pow(1 - pass.a[2].v[i], 1 - y.v[i])) / m;
    const hand_gradient d = hand_backward(&by_hand, &pass, scaled(minus(pass.a[2], y), 1.0 / m));

    net n = net_of(&by_hand, pair_relu(), pair_sigmoid());
    ct_tensor *cost = ct_binary_cross_entropy(net_forward(&n, tensor_of(x)), tensor_of(y), CT_MEAN);
    assert_close(ct_item(cost), nll);
    assert_true(ct_backward(cost));
    assert_gradients(&n, &d);
}

/* p(y = e_c | x) = (Nx)_c: the mean of -log of it is cross-entropy, from logits as well as from log probabilities. */
static void categorical_likelihood_gives_cross_entropy(void **state)
{
    (void)state;
    const int m = 6;
    const hand_net by_hand = random_net(2, (int[]){3, 5, 4}, hand_tanh, hand_identity);
    const matrix x = random_matrix(3, m), y = random_one_hot(4, m);
    const hand_pass pass = hand_forward(&by_hand, x);
    const matrix p = softmax_of_columns(pass.z[2]);
    double likelihood = 1;
    for (int i = 0; i < 4 * m; i++) likelihood *= pow(p.v[i], y.v[i]);
    const hand_gradient d = hand_backward(&by_hand, &pass, scaled(minus(p, y), 1.0 / m));

    net n = net_of(&by_hand, pair_tanh(), pair_identity());
    ct_tensor *logits = ct_transpose(net_forward(&n, tensor_of(x))), *rows = ct_transpose(tensor_of(y));
    ct_tensor *cost = ct_cross_entropy(logits, rows);
    assert_close(ct_item(cost), -log(likelihood) / m);
    assert_close(ct_item(ct_nll_loss(ct_log_softmax(logits, -1), rows, CT_MEAN)), -log(likelihood) / m);
    assert_true(ct_backward(cost));
    assert_gradients(&n, &d);
}

/* ---- output neurons: they only change delta of the last layer -------------------------------------------------------- */

/* Linear output, squared error |Nx - y|^2: dL/dNx = 2 (Nx - y), dG/ds = 1. */
static void linear_output_has_delta_twice_the_residual(void **state)
{
    (void)state;
    const matrix s = random_matrix(3, 1), y = random_matrix(3, 1);
    ct_tensor *leaf = leaf_of(s);
    assert_true(ct_backward(ct_mse_loss(ct_alias(leaf), tensor_of(y), CT_SUM)));
    assert_gradient(leaf, scaled(minus(s, y), 2));
}

/* Sigmoid output, binary cross-entropy: (-y/p + (1 - y)/(1 - p)) p (1 - p) = p - y. */
static void sigmoid_output_has_delta_p_minus_y(void **state)
{
    (void)state;
    for (int y = 0; y <= 1; y++) {
        const matrix s = random_matrix(1, 1);
        const double p = sigmoid_at(s.v[0]), dL_dp = -y / p + (1 - y) / (1 - p);
        ct_tensor *leaf = leaf_of(s), *out = ct_sigmoid(leaf), *both[] = {leaf, out}, *d[2];
        ct_tensor *loss = ct_binary_cross_entropy(out, tensor_of(filled(1, 1, y)), CT_SUM);
        assert_true(ct_grad(&loss, NULL, 1, both, 2, d, (ct_grad_options){0}));
        assert_close(ct_item(d[1]), dL_dp);
        assert_close(ct_item(d[0]), dL_dp * p * (1 - p));
        assert_close(ct_item(d[0]), p - y);
    }
}

/* Softmax output, cross-entropy: the row -y' diag(1/p) times the Jacobian diag(p) - p p' is (p - y)'. */
static void softmax_output_has_delta_p_minus_y(void **state)
{
    (void)state;
    const matrix s = random_matrix(4, 1), y = random_one_hot(4, 1), p = softmax_of_columns(s);
    matrix row = filled(1, 4, 0);
    for (int i = 0; i < 4; i++) row.v[i] = -y.v[i] / p.v[i];
    const matrix jacobian = minus(diagonal(p), product(p, transposed(p)));

    ct_tensor *leaf = leaf_of(s), *out = ct_softmax(leaf, 0), *both[] = {leaf, out}, *d[2];
    ct_tensor *loss = ct_neg(ct_sum(ct_mul(tensor_of(y), ct_log(out)), CT_ALL, false));
    assert_true(ct_grad(&loss, NULL, 1, both, 2, d, (ct_grad_options){0}));
    assert_agrees(ct_transpose(d[1]), row);
    assert_agrees(ct_transpose(d[0]), product(row, jacobian));
    assert_agrees(d[0], minus(p, y));
}

/* ---- the delta recursion --------------------------------------------------------------------------------------------- */

/* delta_l = delta_{l+1} W_{l+1} diag(g'(s_l)), as rows, with the matrices written out; dL/dW_l = outer(delta_l, x_l). */
static void delta_recursion_in_rows_and_outer_products(void **state)
{
    (void)state;
    const hand_net by_hand = random_net(4, (int[]){3, 5, 4, 2, 1}, hand_sigmoid, hand_sigmoid);
    const matrix x = random_matrix(3, 1), y = filled(1, 1, 1);
    net n = net_of(&by_hand, pair_sigmoid(), pair_sigmoid());
    ct_tensor *loss = ct_binary_cross_entropy(net_forward(&n, tensor_of(x)), tensor_of(y), CT_SUM), *ds[4];
    assert_true(ct_grad(&loss, NULL, 1, &n.z[1], 4, ds, (ct_grad_options){.retain_graph = true}));
    assert_true(ct_backward(loss));

    const hand_pass pass = hand_forward(&by_hand, x);
    matrix delta = transposed(minus(pass.a[4], y));
    for (int l = 4; l >= 1; l--) {
        assert_agrees(ds[l - 1], transposed(delta));
        assert_gradient(n.b[l], transposed(delta));
        matrix outer = filled(by_hand.W[l].rows, by_hand.W[l].cols, 0);
        for (int k = 0; k < outer.rows; k++)
            for (int j = 0; j < outer.cols; j++) outer.v[k * outer.cols + j] = delta.v[k] * pass.a[l - 1].v[j];
        assert_gradient(n.W[l], outer);
        if (l > 1) delta = product(product(delta, by_hand.W[l]), diagonal(mapped(pass.z[l - 1], sigmoid_slope)));
    }
}

static int affine_in_w(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *const *x_and_b = context;
    out[0] = ct_add(ct_matmul(in[0], x_and_b[0]), x_and_b[1]);
    return out[0] ? 0 : 1;
}

/* "Problem: this is a 3-tensor": ds_k/dW_ij = [k = i] x_j, and contracting it with delta leaves outer(delta, x). */
static void derivative_of_s_by_w_is_a_3_tensor(void **state)
{
    (void)state;
    const matrix W = random_matrix(3, 4), x = random_matrix(4, 1), delta = random_matrix(1, 3);
    ct_tensor *x_and_b[] = {ct_reshape(tensor_of(x), ct_shape(4)), ct_zeros(ct_shape(3), CT_F64)};
    ct_tensor *jacobian = ct_jacobian(affine_in_w, x_and_b, tensor_of(W), CT_MODE_REVERSE);
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 4; j++) assert_close(ct_get(jacobian, ct_index(k, i, j)), k == i ? x.v[j] : 0);
    ct_tensor *flat = ct_matmul(tensor_of(delta), ct_reshape(jacobian, ct_shape(3, 12)));
    assert_agrees(ct_reshape(flat, ct_shape(3, 4)), product(transposed(delta), transposed(x)));
}

/* dJ/dW(l) = 1/m sum over i of outer(delta_i, x_i), example by example in plain C against one minibatch in the library. */
static void full_gradient_is_the_mean_over_examples(void **state)
{
    (void)state;
    const int m = 7;
    const hand_net by_hand = random_net(3, (int[]){3, 4, 4, 2}, hand_tanh, hand_sigmoid);
    const matrix x = random_matrix(3, m), y = random_labels(2, m);
    hand_gradient mean = {0};
    for (int i = 0; i < m; i++) {
        const hand_pass pass = hand_forward(&by_hand, column(x, i));
        const hand_gradient d = hand_backward(&by_hand, &pass, minus(pass.a[3], column(y, i)));
        for (int l = 1; l <= 3; l++) {
            mean.W[l] = i ? plus(mean.W[l], 1.0 / m, d.W[l]) : scaled(d.W[l], 1.0 / m);
            mean.b[l] = i ? plus(mean.b[l], 1.0 / m, d.b[l]) : scaled(d.b[l], 1.0 / m);
        }
    }
    net n = net_of(&by_hand, pair_tanh(), pair_sigmoid());
    ct_tensor *losses = ct_binary_cross_entropy(net_forward(&n, tensor_of(x)), tensor_of(y), CT_NO_REDUCTION);
    assert_true(ct_backward(ct_mean(ct_sum(losses, ct_axes(0), false), CT_ALL, false)));
    assert_gradients(&n, &mean);
}

/* ---- a stochastic gradient descent step ------------------------------------------------------------------------------ */

typedef struct cost_list {
    int count;
    double cost[32];
} cost_list;

/* The note's step on one batch: its mean cost goes to the list, then W = W - alpha dJ/dW, b = b - alpha dJ/db. */
static bool sgd_step(net *n, ct_optimizer *sgd, ct_tensor *x, ct_tensor *y, cost_list *costs)
{
    CT_SCOPE;
    ct_tensor *cost = ct_binary_cross_entropy(net_forward(n, x), y, CT_MEAN);
    costs->cost[costs->count++] = ct_item(cost);
    return ct_backward(cost) && ct_optimizer_step(sgd);
}

static void hand_sgd_step(hand_net *n, matrix x, matrix y, double alpha, cost_list *costs)
{
    const hand_pass pass = hand_forward(n, x);
    const matrix out = pass.a[n->layers];
    costs->cost[costs->count++] = binary_cross_entropy(out, y) / x.cols;
    const hand_gradient d = hand_backward(n, &pass, scaled(minus(out, y), 1.0 / x.cols));
    hand_descend(n, &d, alpha);
}

/* Three batches, eight times round: the same list of costs and the same parameters on both sides, and the cost falls. */
static void sgd_step_appends_its_batch_cost(void **state)
{
    (void)state;
    hand_net by_hand = random_net(2, (int[]){2, 4, 1}, hand_tanh, hand_sigmoid);
    net n = net_of(&by_hand, pair_tanh(), pair_sigmoid());
    ct_optimizer *sgd = net_descent(&n, 0.5);
    cost_list costs = {0}, costs_by_hand = {0};
    matrix x[3], y[3];
    for (int k = 0; k < 3; k++) {
        x[k] = random_matrix(2, 4);
        y[k] = filled(1, 4, 0);
        for (int j = 0; j < 4; j++) y[k].v[j] = x[k].v[j] > x[k].v[4 + j]; /* is the first entry larger than the second? */
    }
    for (int step = 0; step < 24; step++) {
        hand_sgd_step(&by_hand, x[step % 3], y[step % 3], 0.5, &costs_by_hand);
        assert_true(sgd_step(&n, sgd, tensor_of(x[step % 3]), tensor_of(y[step % 3]), &costs));
    }
    assert_int_equal(costs.count, 24);
    assert_true(test_relative_error(costs.cost, costs_by_hand.cost, 24) <= AGREES);
    assert_parameters(&n, &by_hand);
    for (int k = 0; k < 3; k++) assert_true(costs.cost[21 + k] < costs.cost[k]);
    ct_optimizer_free(sgd);
}

/* ---- regularization -------------------------------------------------------------------------------------------------- */

/* A 3-4-1 network of modules, and its parameters by hand (columns again). */
static ct_module *dense_model(hand_net *by_hand)
{
    const ct_linear_options f64 = {.dtype = CT_F64};
    ct_module *model = ct_nn_sequential(ct_nn_linear_with(3, 4, f64), ct_nn_tanh(), ct_nn_linear_with(4, 1, f64));
    *by_hand = (hand_net){.layers = 2, .g[1] = hand_tanh, .g[2] = hand_identity};
    by_hand->W[1] = transposed(matrix_from(ct_module_find(model, "0.weight")));
    by_hand->b[1] = matrix_from(ct_module_find(model, "0.bias"));
    by_hand->W[2] = transposed(matrix_from(ct_module_find(model, "2.weight")));
    by_hand->b[2] = matrix_from(ct_module_find(model, "2.bias"));
    return model;
}

static double sign_of(double w) { return (w > 0) - (w < 0); }

/* J + lambda sum w^2 adds 2 lambda W to dJ/dW; J + lambda sum |w| adds lambda sign(W). Biases are not penalized. */
static void compare_penalty(ct_tensor *(*penalty)(const ct_module *, double), bool l1)
{
    const double lambda = 0.03;
    hand_net h;
    ct_module *model = dense_model(&h);
    const matrix x = random_matrix(3, 5), y = random_matrix(1, 5);
    const hand_pass pass = hand_forward(&h, x);
    hand_gradient d = hand_backward(&h, &pass, scaled(minus(pass.a[2], y), 2.0 / 5));
    double size = 0;
    for (int l = 1; l <= 2; l++) {
        size += l1 ? total(mapped(h.W[l], fabs)) : total(times(h.W[l], h.W[l]));
        d.W[l] = plus(d.W[l], lambda, l1 ? mapped(h.W[l], sign_of) : scaled(h.W[l], 2));
    }
    ct_tensor *fit = ct_mse_loss(ct_forward(model, ct_transpose(tensor_of(x))), ct_transpose(tensor_of(y)), CT_MEAN);
    ct_tensor *cost = ct_add(fit, penalty(model, lambda));
    assert_close(ct_item(cost), squared_error(pass.a[2], y) / 5 + lambda * size);
    assert_true(ct_backward(cost));
    assert_gradient(ct_module_find(model, "0.weight"), transposed(d.W[1]));
    assert_gradient(ct_module_find(model, "2.weight"), transposed(d.W[2]));
    assert_gradient(ct_module_find(model, "0.bias"), d.b[1]);
    assert_gradient(ct_module_find(model, "2.bias"), d.b[2]);
    ct_module_free(model);
}

static void l2_adds_twice_lambda_w(void **state) { (void)state, compare_penalty(ct_l2_penalty, false); }
static void l1_adds_lambda_sign_w(void **state) { (void)state, compare_penalty(ct_l1_penalty, true); }

/* In plain gradient descent, weight decay 2 lambda is the L2 penalty lambda: W := W - alpha (dJ/dW + 2 lambda W). */
static void weight_decay_is_the_l2_penalty(void **state)
{
    (void)state;
    const double alpha = 0.1, lambda = 0.05;
    const matrix start = random_matrix(1, 4), x = random_matrix(4, 6), y = random_matrix(1, 6);
    ct_tensor *w = leaf_of(start);
    matrix by_hand = start;
    ct_optimizer *sgd = ct_optim_sgd_of(&w, 1, alpha, (ct_sgd_options){.weight_decay = 2 * lambda});
    for (int t = 0; t < 10; t++) {
        const matrix dJ = product(minus(product(by_hand, x), y), transposed(x));
        by_hand = plus(by_hand, -alpha, plus(dJ, 2 * lambda, by_hand));
        assert_true(ct_backward(ct_half_mse_loss(ct_matmul(w, tensor_of(x)), tensor_of(y), CT_SUM)));
        assert_true(ct_optimizer_step(sgd));
        assert_agrees(w, by_hand);
    }
    ct_optimizer_free(sgd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        note_test(forward_example_of_the_note),
        note_test(affine_maps_and_activations_of_any_depth),
        note_test(masked_entries_have_exactly_zero_gradient),
        note_test(masked_entries_stay_exactly_zero_in_training),
        note_test(gaussian_likelihood_gives_the_weighted_squared_error),
        note_test(identity_covariance_gives_the_plain_squared_error),
        note_test(bernoulli_likelihood_gives_binary_cross_entropy),
        note_test(categorical_likelihood_gives_cross_entropy),
        note_test(linear_output_has_delta_twice_the_residual),
        note_test(sigmoid_output_has_delta_p_minus_y),
        note_test(softmax_output_has_delta_p_minus_y),
        note_test(delta_recursion_in_rows_and_outer_products),
        note_test(derivative_of_s_by_w_is_a_3_tensor),
        note_test(full_gradient_is_the_mean_over_examples),
        note_test(sgd_step_appends_its_batch_cost),
        note_test(l2_adds_twice_lambda_w),
        note_test(l1_adds_lambda_sign_w),
        note_test(weight_decay_is_the_l2_penalty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
