/*
 * test_note_0_layers.c - note 0: a network of L layers, its chain of Jacobians, and gradient descent.
 *
 * Conventions: z = W a + b with W [out, in]; the minibatch x(1) .. x(B) stands as the columns of a matrix [d, B], and b [m, 1]
 * is broadcast over them. The cost J is the sum over the minibatch of the binary cross-entropy of a = sigmoid(z).
 *
 * Slips of the note: with f from R^n to R^m it calls the Jacobian n x m but multiplies as if m x n, which is what is meant
 * (and what the library gives); the last factor stands once as (y - a) for (a - y); the 10-class cost lacks its minus sign.
 */
#include "beside.h"

/* dJ/dz = dJ/da g'(z) = (-y/a + (1 - y)/(1 - a)) a (1 - a) = a - y. */
static void bce_on_a_sigmoid_gives_a_minus_y(void **state)
{
    (void)state;
    const matrix z = random_matrix(1, 7), y = random_labels(1, 7);
    const matrix a = mapped(z, sigmoid_at);
    ct_tensor *leaf = leaf_of(z), *dz;
    ct_tensor *loss = ct_binary_cross_entropy(ct_sigmoid(leaf), tensor_of(y), CT_SUM);
    assert_close(ct_item(loss), binary_cross_entropy(a, y));
    assert_true(ct_grad(&loss, NULL, 1, &leaf, 1, &dz, (ct_grad_options){0}));
    assert_agrees(dz, minus(a, y));
    loss = ct_binary_cross_entropy_logits(leaf, tensor_of(y), CT_SUM);
    assert_close(ct_item(loss), binary_cross_entropy(a, y));
    assert_true(ct_grad(&loss, NULL, 1, &leaf, 1, &dz, (ct_grad_options){0}));
    assert_agrees(dz, minus(a, y));
}

/* Loss and all gradients of one network, by hand and by the library; J = sum of BCE, so delta[L] = a[L] - y. */
static void compare_network(int layers, const int *width, pair hidden, int batch)
{
    const hand_net by_hand = random_net(layers, width, hidden.by_hand, hand_sigmoid);
    const matrix x = random_matrix(width[0], batch), y = random_labels(width[layers], batch);
    const hand_pass pass = hand_forward(&by_hand, x);
    const hand_gradient d = hand_backward(&by_hand, &pass, minus(pass.a[layers], y));

    net n = net_of(&by_hand, hidden, pair_sigmoid());
    ct_tensor *loss = ct_binary_cross_entropy(net_forward(&n, tensor_of(x)), tensor_of(y), CT_SUM);
    assert_close(ct_item(loss), binary_cross_entropy(pass.a[layers], y));
    assert_true(ct_backward(loss));
    assert_gradients(&n, &d);
}

/* The note's network of 2, 3, 2 and 1 neurons with each of its activations. */
static void hidden_layers_of_sigmoid_tanh_and_relu(void **state)
{
    (void)state;
    compare_network(3, (int[]){2, 3, 2, 1}, pair_sigmoid(), 5);
    compare_network(3, (int[]){2, 3, 2, 1}, pair_tanh(), 5);
    compare_network(3, (int[]){2, 3, 2, 1}, pair_relu(), 5);
}

/* L is any number: from logistic regression (one layer) to five layers. */
static void any_number_of_layers(void **state)
{
    (void)state;
    for (int layers = 1; layers <= LAYERS_MAX; layers++) {
        int width[LAYERS_MAX + 1] = {4, 5, 3, 6, 2, 3};
        width[layers] = 1;
        compare_network(layers, width, pair_tanh(), 4);
    }
}

/* Z = W [x(1) .. x(B)] + b 1: every column is its own example's z, and b's gradient sums over the columns. */
static void minibatch_is_columns_and_the_bias_is_broadcast(void **state)
{
    (void)state;
    const matrix W = random_matrix(3, 4), b = random_matrix(3, 1), x = random_matrix(4, 6);
    ct_tensor *w = leaf_of(W), *bias = leaf_of(b);
    ct_tensor *z = ct_add(ct_matmul(w, tensor_of(x)), bias);
    for (int j = 0; j < x.cols; j++)
        assert_agrees(ct_slice(z, 1, j, j + 1, 1), plus(product(W, column(x, j)), 1, b));
    const matrix g = random_matrix(3, 6); /* any cotangent dJ/dz */
    assert_true(ct_backward_with(&z, (ct_tensor *[]){tensor_of(g)}, 1, (ct_grad_options){0}));
    assert_gradient(bias, sum_of_columns(g));
    assert_gradient(w, product(g, transposed(x)));
}

/* a_i = g(z_i), so da_j/dz_i = 0 for i != j: the library's Jacobian of g is diag(g'(z)), with exact zeros beside it. */
static void activation_has_a_diagonal_jacobian(void **state)
{
    (void)state;
    pair kinds[] = {pair_sigmoid(), pair_tanh(), pair_relu()};
    const ct_mode modes[] = {CT_MODE_REVERSE, CT_MODE_FORWARD};
    const matrix z = random_matrix(5, 1);
    for (int i = 0; i < 6; i++) {
        pair *g = &kinds[i / 2];
        ct_tensor *x = ct_reshape(tensor_of(z), ct_shape(5));
        ct_tensor *jacobian = ct_jacobian(pair_function, g, x, modes[i % 2]);
        assert_agrees(jacobian, diagonal(mapped(z, g->by_hand.slope)));
        assert_true(ct_equal(jacobian, ct_diag(ct_diagonal(jacobian))));
    }
}

static int second_layer(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const net *n = context;
    out[0] = ct_add(ct_matmul(n->W[2], in[0]), ct_select(n->b[2], 1, 0));
    return out[0] ? 0 : 1;
}

/* z[l] = W[l] a[l-1] + b[l], so dz[l]/da[l-1] = W[l]: the other factor of the chain. */
static void affine_map_has_jacobian_w(void **state)
{
    (void)state;
    const hand_net by_hand = random_net(2, (int[]){2, 3, 4}, hand_tanh, hand_tanh);
    net n = net_of(&by_hand, pair_tanh(), pair_tanh());
    ct_tensor *a = ct_reshape(tensor_of(random_matrix(3, 1)), ct_shape(3));
    assert_agrees(ct_jacobian(second_layer, &n, a, CT_MODE_REVERSE), by_hand.W[2]);
    assert_agrees(ct_jacobian(second_layer, &n, a, CT_MODE_FORWARD), by_hand.W[2]);
}

/* diag(g'(z)) of a column z, by the library. */
static ct_tensor *slope_matrix(pair *g, ct_tensor *z)
{
    return ct_jacobian(pair_function, g, ct_detach(ct_reshape(z, ct_shape(-1))), CT_MODE_AUTO);
}

/* dJ/dz[1] = (a[3] - y) W[3] diag(g'(z[2])) W[2] diag(g'(z[1])), a row, multiplied out factor by factor. */
static void chain_of_jacobians_is_the_gradient(void **state)
{
    (void)state;
    pair g = pair_tanh();
    const hand_net by_hand = random_net(3, (int[]){2, 3, 2, 1}, g.by_hand, hand_sigmoid);
    const matrix x = random_matrix(2, 1), y = filled(1, 1, 1);
    const hand_pass pass = hand_forward(&by_hand, x);
    const hand_gradient d = hand_backward(&by_hand, &pass, minus(pass.a[3], y));

    net n = net_of(&by_hand, g, pair_sigmoid());
    ct_tensor *loss = ct_binary_cross_entropy(net_forward(&n, tensor_of(x)), tensor_of(y), CT_SUM), *dz[3];
    assert_true(ct_grad(&loss, NULL, 1, &n.z[1], 3, dz, (ct_grad_options){0}));
    for (int l = 1; l <= 3; l++) assert_agrees(dz[l - 1], d.delta[l]);

    ct_tensor *chain = ct_matmul(ct_sub(n.a[3], tensor_of(y)), n.W[3]);
    chain = ct_matmul(chain, slope_matrix(&g, n.z[2]));
    chain = ct_matmul(ct_matmul(chain, n.W[2]), slope_matrix(&g, n.z[1]));
    assert_agrees(ct_transpose(chain), d.delta[1]);
}

/* J(W, b) = sum over i of L(y(i), a(i)): cost and gradient of the minibatch are the sums of its examples' own. */
static void cost_is_summed_over_the_minibatch(void **state)
{
    (void)state;
    const hand_net by_hand = random_net(2, (int[]){3, 4, 1}, hand_sigmoid, hand_sigmoid);
    const matrix x = random_matrix(3, 6), y = random_labels(1, 6);
    net batch = net_of(&by_hand, pair_sigmoid(), pair_sigmoid()), one = net_of(&by_hand, pair_sigmoid(), pair_sigmoid());
    ct_tensor *cost = ct_binary_cross_entropy(net_forward(&batch, tensor_of(x)), tensor_of(y), CT_SUM);
    assert_true(ct_backward(cost));
    double sum = 0;
    for (int i = 0; i < x.cols; i++) { /* several backwards add up in the leaves */
        ct_tensor *a = net_forward(&one, tensor_of(column(x, i)));
        ct_tensor *loss = ct_binary_cross_entropy(a, tensor_of(column(y, i)), CT_SUM);
        sum += ct_item(loss);
        assert_true(ct_backward(loss));
    }
    assert_close(ct_item(cost), sum);
    for (int l = 1; l <= 2; l++) {
        assert_gradient(batch.W[l], matrix_from(ct_grad_of(one.W[l])));
        assert_gradient(batch.b[l], matrix_from(ct_grad_of(one.b[l])));
    }
}

/* No weight is zero. */
static void assert_no_zero(ct_tensor *w) { assert_true(ct_item(ct_min(ct_abs(w), CT_ALL, false)) > 0); }

/* Xavier: w_ij ~ N(0, sqrt(2 / (n[l] + n[l-1]))), the second number being the standard deviation. */
static void xavier_normal_has_its_standard_deviation(void **state)
{
    (void)state;
    ct_tensor *w = ct_zeros(ct_shape(400, 300), CT_F64);
    const double std = sqrt(2.0 / (400 + 300));
    assert_true(ct_init_xavier_normal(w, 1));
    assert_within(ct_item(ct_std(w, CT_ALL, 0, false)), std, 0.01);
    assert_true(fabs(ct_item(ct_mean(w, CT_ALL, false))) < 4 * std / sqrt(400 * 300));
    /* a normal distribution has 68.27% within one deviation */
    ct_tensor *inside = ct_cast(ct_lt(ct_abs(w), ct_scalar(std)), CT_F64);
    assert_within(ct_item(ct_mean(inside, CT_ALL, false)), 0.6827, 0.01);
    assert_no_zero(w);
}

/* w_ij ~ U([-0.1, 0.1]), whose standard deviation is 0.1 / sqrt(3). */
static void uniform_initialization_stays_within_a_tenth(void **state)
{
    (void)state;
    ct_tensor *w = ct_zeros(ct_shape(400, 300), CT_F64);
    assert_true(ct_init_uniform(w, 0.1));
    const double largest = ct_item(ct_max(ct_abs(w), CT_ALL, false));
    assert_true(largest <= 0.1 && largest > 0.0999);
    assert_within(ct_item(ct_std(w, CT_ALL, 0, false)), 0.1 / sqrt(3), 0.01);
    assert_true(fabs(ct_item(ct_mean(w, CT_ALL, false))) < 4 * 0.1 / sqrt(3) / sqrt(400 * 300));
    assert_no_zero(w);
}

/* Why "not to be initialized 0": W[2] = 0 lets no gradient through to W[1], and all hidden neurons stay the same for good. */
static void zero_weights_keep_all_neurons_alike(void **state)
{
    (void)state;
    hand_net by_hand = random_net(2, (int[]){2, 3, 1}, hand_sigmoid, hand_sigmoid);
    for (int l = 1; l <= 2; l++) by_hand.W[l] = scaled(by_hand.W[l], 0), by_hand.b[l] = scaled(by_hand.b[l], 0);
    net n = net_of(&by_hand, pair_sigmoid(), pair_sigmoid());
    ct_optimizer *descent = net_descent(&n, 0.5);
    ct_tensor *x = tensor_of(random_matrix(2, 5)), *y = tensor_of(random_labels(1, 5));
    for (int t = 0; t < 20; t++) {
        assert_true(ct_backward(ct_binary_cross_entropy(net_forward(&n, x), y, CT_SUM)));
        if (t == 0) assert_gradient(n.W[1], filled(3, 2, 0));
        assert_true(ct_optimizer_step(descent));
    }
    const matrix first = matrix_from(ct_slice(n.W[1], 0, 0, 1, 1));
    for (int i = 1; i < 3; i++) assert_agrees(ct_slice(n.W[1], 0, i, i + 1, 1), first);
    ct_optimizer_free(descent);
}

/* For t in 1, 2, ...: for l in 1 .. L: W[l] := W[l] - alpha dJ/dW[l], b[l] := b[l] - alpha dJ/db[l]. */
static void gradient_descent_moves_every_w_and_b(void **state)
{
    (void)state;
    hand_net by_hand = random_net(3, (int[]){2, 3, 2, 1}, hand_tanh, hand_sigmoid);
    net n = net_of(&by_hand, pair_tanh(), pair_sigmoid());
    const matrix x = random_matrix(2, 5), y = random_labels(1, 5);
    ct_optimizer *descent = net_descent(&n, 0.1);
    double cost = INFINITY;
    for (int t = 0; t < 10; t++) {
        const hand_pass pass = hand_forward(&by_hand, x);
        const hand_gradient d = hand_backward(&by_hand, &pass, minus(pass.a[3], y));
        hand_descend(&by_hand, &d, 0.1);
        ct_tensor *loss = ct_binary_cross_entropy(net_forward(&n, tensor_of(x)), tensor_of(y), CT_SUM);
        assert_true(ct_item(loss) < cost);
        cost = ct_item(loss);
        assert_true(ct_backward(loss) && ct_optimizer_step(descent));
        assert_parameters(&n, &by_hand);
    }
    ct_optimizer_free(descent);
}

/* y one of ten unit vectors, J = -sum y log softmax(z): delta[L] = softmax(z) - y. The library's rows are our columns. */
static void ten_class_cross_entropy_of_one_hot_labels(void **state)
{
    (void)state;
    const hand_net by_hand = random_net(2, (int[]){6, 8, 10}, hand_relu, hand_identity);
    const matrix x = random_matrix(6, 7), y = random_one_hot(10, 7);
    const hand_pass pass = hand_forward(&by_hand, x);
    const matrix p = softmax_of_columns(pass.z[2]);
    const hand_gradient d = hand_backward(&by_hand, &pass, minus(p, y));

    net n = net_of(&by_hand, pair_relu(), pair_identity());
    ct_tensor *logits = ct_transpose(net_forward(&n, tensor_of(x))), *one_hot = ct_transpose(tensor_of(y));
    const ct_cross_entropy_options sum = {.reduction = CT_SUM};
    ct_tensor *loss = ct_cross_entropy_with(logits, one_hot, sum);
    assert_close(ct_item(loss), cross_entropy(p, y));
    assert_close(ct_item(ct_cross_entropy_with(logits, ct_argmax(one_hot, 1, false), sum)), cross_entropy(p, y));
    assert_true(ct_backward(loss));
    assert_gradients(&n, &d);
}

/* The affine map that three layers with g(z) = z are: W~ = W3 W2 W1, b~ = W3 (W2 b1 + b2) + b3. */
static hand_net collapsed(const hand_net *n)
{
    hand_net one = {.layers = 1, .g[1] = hand_identity};
    one.W[1] = product(n->W[3], product(n->W[2], n->W[1]));
    one.b[1] = plus(product(n->W[3], plus(product(n->W[2], n->b[1]), 1, n->b[2])), 1, n->b[3]);
    return one;
}

/* What if g(z) = z: a[3] = W3 W2 W1 x + b~, the same values and the same gradient towards x. */
static void three_linear_layers_equal_one_affine_map(void **state)
{
    (void)state;
    const hand_net by_hand = random_net(3, (int[]){4, 5, 3, 2}, hand_identity, hand_identity), one = collapsed(&by_hand);
    const matrix x = random_matrix(4, 6), y = random_matrix(2, 6);
    net deep = net_of(&by_hand, pair_identity(), pair_identity()), flat = net_of(&one, pair_identity(), pair_identity());
    ct_tensor *input = leaf_of(x), *dx[2];
    for (int i = 0; i < 2; i++) {
        ct_tensor *a = net_forward(i ? &flat : &deep, input);
        assert_agrees(a, with_bias(product(one.W[1], x), one.b[1]));
        ct_tensor *loss = ct_mse_loss(a, tensor_of(y), CT_SUM);
        assert_true(ct_grad(&loss, NULL, 1, &input, 1, &dx[i], (ct_grad_options){0}));
    }
    assert_agrees(dx[0], matrix_from(dx[1]));
}

/* The three layers' gradients follow from dW = dJ/dW~ and db = dJ/db~, since a[1] = W1 x + b1 and a[2] = W2 W1 x + c2:
 * dJ/dW1 = (W3 W2)' dW,  dJ/dW2 = W3' (dW W1' + db b1'),  dJ/dW3 = dW (W2 W1)' + db c2',  c2 = W2 b1 + b2. */
static void three_linear_layers_share_the_affine_map_s_gradient(void **state)
{
    (void)state;
    const hand_net h = random_net(3, (int[]){4, 5, 3, 2}, hand_identity, hand_identity), one = collapsed(&h);
    const matrix x = random_matrix(4, 6), y = random_matrix(2, 6);
    net deep = net_of(&h, pair_identity(), pair_identity()), flat = net_of(&one, pair_identity(), pair_identity());
    assert_true(ct_backward(ct_mse_loss(net_forward(&deep, tensor_of(x)), tensor_of(y), CT_SUM)));
    assert_true(ct_backward(ct_mse_loss(net_forward(&flat, tensor_of(x)), tensor_of(y), CT_SUM)));
    const matrix dW = matrix_from(ct_grad_of(flat.W[1])), db = matrix_from(ct_grad_of(flat.b[1]));
    const matrix W32 = product(h.W[3], h.W[2]), W21 = product(h.W[2], h.W[1]);
    const matrix b1 = h.b[1], c2 = plus(product(h.W[2], b1), 1, h.b[2]);
    const matrix dz3_a1 = plus(product(dW, transposed(h.W[1])), 1, product(db, transposed(b1)));
    assert_gradient(deep.W[1], product(transposed(W32), dW));
    assert_gradient(deep.W[2], product(transposed(h.W[3]), dz3_a1));
    assert_gradient(deep.W[3], plus(product(dW, transposed(W21)), 1, product(db, transposed(c2))));
    assert_gradient(deep.b[1], product(transposed(W32), db));
    assert_gradient(deep.b[2], product(transposed(h.W[3]), db));
    assert_gradient(deep.b[3], db);
}

/* "Learnable feature map + linear model": with all but the last layer frozen, training it alone is logistic regression on the
 * features h = tanh(W x + b), and the feature map does not move by a bit. */
static void frozen_features_and_a_trained_linear_model(void **state)
{
    (void)state;
    const ct_linear_options f64 = {.dtype = CT_F64};
    ct_module *features = ct_nn_sequential(ct_nn_linear_with(2, 6, f64), ct_nn_tanh()), *last = ct_nn_linear_with(6, 1, f64);
    ct_module *model = ct_nn_sequential(features, last);
    ct_tensor *x = tensor_of(random_matrix(8, 2)), *y = tensor_of(random_labels(8, 1)); /* modules take rows */
    assert_true(ct_module_requires_grad(features, false));
    ct_tensor *w0 = ct_module_find(model, "0.0.weight"), *w0_before = ct_clone(w0), *b0 = ct_module_find(model, "0.0.bias");
    ct_tensor *b0_before = ct_clone(b0), *w = ct_module_find(model, "1.weight"), *b = ct_module_find(model, "1.bias");
    const matrix h = transposed(matrix_from(ct_forward(features, x))), labels = transposed(matrix_from(y));
    matrix w_by_hand = transposed(matrix_from(w)), b_by_hand = matrix_from(b);

    ct_optimizer *descent = ct_optim_sgd(model, 0.5);
    for (int t = 0; t < 20; t++) {
        const matrix a = mapped(with_bias(product(w_by_hand, h), b_by_hand), sigmoid_at), delta = minus(a, labels);
        w_by_hand = plus(w_by_hand, -0.5, product(delta, transposed(h)));
        b_by_hand = plus(b_by_hand, -0.5, sum_of_columns(delta));
        assert_true(ct_backward(ct_binary_cross_entropy_logits(ct_forward(model, x), y, CT_SUM)));
        assert_true(ct_optimizer_step(descent));
        assert_agrees(w, transposed(w_by_hand));
        assert_agrees(b, b_by_hand);
    }
    assert_true(ct_equal(w0, w0_before) && ct_equal(b0, b0_before));
    assert_false(ct_has_grad(w0) || ct_has_grad(b0));
    ct_optimizer_free(descent);
    ct_module_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        note_test(bce_on_a_sigmoid_gives_a_minus_y),
        note_test(hidden_layers_of_sigmoid_tanh_and_relu),
        note_test(any_number_of_layers),
        note_test(minibatch_is_columns_and_the_bias_is_broadcast),
        note_test(activation_has_a_diagonal_jacobian),
        note_test(affine_map_has_jacobian_w),
        note_test(chain_of_jacobians_is_the_gradient),
        note_test(cost_is_summed_over_the_minibatch),
        note_test(xavier_normal_has_its_standard_deviation),
        note_test(uniform_initialization_stays_within_a_tenth),
        note_test(zero_weights_keep_all_neurons_alike),
        note_test(gradient_descent_moves_every_w_and_b),
        note_test(ten_class_cross_entropy_of_one_hot_labels),
        note_test(three_linear_layers_equal_one_affine_map),
        note_test(three_linear_layers_share_the_affine_map_s_gradient),
        note_test(frozen_features_and_a_trained_linear_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
