/*
 * test_check_mistakes.c - each of the usual mistakes, planted in a backpropagation in plain C, is named by the checker, and no
 * other.
 */
#include "planted.h"

/* ---- each mistake is named, and no other ----------------------------------------------------------------------------- */

static int confusion[PLANTS][CT_MISTAKES + 1];

static void check_plant(const task *t, enum plant plant)
{
    CT_SCOPE;
    const planted *expected = &plants[plant];
    ct_comparison *c = compare(t, plant, (ct_compare_options){.max_elements = 12});
    assert_non_null(c);
    int explained = 0;
    /* Behind a relu that is off, a mistake may do nothing. */
    const int wrong = wrong_parameters(c), relu = t->hidden.by_hand.g == relu_at;
    bool good = relu ? !(wrong & ~expected->parameters) && !wrong == !expected->parameters : wrong == expected->parameters;
    for (int i = 0; i < ct_comparison_guesses(c); i++) {
        ct_guess g;
        assert_true(ct_comparison_guess(c, i, &g));
        for (int k = 0; k < g.n_parameters; k++) explained |= 1 << g.parameters[k];
        for (int bit = 0; bit < CT_MISTAKES; bit++) confusion[plant][bit] += g.mistakes >> bit & 1;
        const bool last = expected->last && g.parameters[0] >= 4;
        good = good && g.mistakes == (last ? expected->last : expected->mistakes);
    }
    confusion[plant][CT_MISTAKES] += !ct_comparison_guesses(c);
    good = good && explained == wrong && ct_comparison_right(c) == (plant == RIGHT);
    if (!good) {
        print_error("planted: %s (loss %d, %s, %s), wrong %x of expected %x\n", expected->name, t->loss, t->hidden.by_hand.name,
                    t->rows ? "rows" : "columns",
                    (unsigned)wrong, (unsigned)expected->parameters);
        ct_comparison_print(stderr, c, 2);
    }
    ct_comparison_free(c);
    assert_true(good);
}

static void print_confusion(void)
{
    print_message("%-20s", "planted \\ named");
    for (int bit = 0; bit < CT_MISTAKES; bit++) print_message(" %3.3s", ct_mistake_name((ct_mistake)(1u << bit)));
    print_message(" none\n");
    for (int i = 0; i < PLANTS; i++) {
        print_message("%-20s", plants[i].name);
        for (int bit = 0; bit <= CT_MISTAKES; bit++) {
            if (confusion[i][bit]) print_message(" %3d", confusion[i][bit]);
            else print_message("   .");
        }
        print_message("\n");
    }
}

static void every_mistake_is_named_and_no_other(void **state)
{
    (void)state;
    memset(confusion, 0, sizeof confusion);
    for (int loss = SQUARES; loss <= CATEGORIES; loss++) {
        for (int variant = 0; variant < 6; variant++) {
            const pair hidden[] = {pair_sigmoid(), pair_tanh(), pair_relu()};
            const task t = task_of((loss_kind)loss, hidden[variant % 3], variant < 3);
            for (int plant = 0; plant < PLANTS; plant++) {
                if (applies(&t, (enum plant)plant)) check_plant(&t, (enum plant)plant);
            }
        }
    }
    print_confusion();
}

/* ---- more mistakes, each in a network of its own --------------------------------------------------------------------- */

/* One output: delta is a number for each example, which fits the hidden layer's shape as it is. Vectors, for one example. */
static int one_output_loss(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const matrix *data = context;
    ct_tensor *x = tensor_of(data[0]), *t = tensor_of(data[1]);
    const bool vector = data[0].cols == 1;
    if (vector) x = ct_reshape(x, ct_shape(-1)), t = ct_reshape(t, ct_shape(-1));
    ct_tensor *a = ct_sigmoid(ct_add(ct_matmul(in[0], x), in[1]));
    *out = ct_half_mse_loss(ct_add(ct_matmul(in[2], a), in[3]), t, CT_SUM);
    return *out ? 0 : 1;
}

static void delta_of_one_output_without_its_weights(void **state)
{
    (void)state;
    for (int B = 1; B <= 4; B += 3) {
        matrix data[2] = {random_matrix(3, B), random_matrix(1, B)};
        const matrix W1 = random_matrix(4, 3), b1 = random_matrix(4, 1), W2 = random_matrix(1, 4), b2 = random_matrix(1, 1);
        const matrix z1 = with_bias(product(W1, data[0]), b1), a1 = mapped(z1, sigmoid_at);
        const matrix delta2 = minus(with_bias(product(W2, a1), b2), data[1]);
        const matrix delta1 = times(product(filled(4, 1, 1), delta2), mapped(z1, sigmoid_slope)); /* 1 delta2 for W2' delta2 */
        const matrix dW1 = product(delta1, transposed(data[0])), db1 = sum_of_columns(delta1);
        const matrix dW2 = product(delta2, transposed(a1)), db2 = sum_of_columns(delta2);
        ct_tensor *p[] = {tensor_of(W1), tensor_of(b1), tensor_of(W2), tensor_of(b2)};
        if (B == 1) p[1] = ct_reshape(p[1], ct_shape(-1)), p[3] = ct_reshape(p[3], ct_shape(-1));
        ct_comparison *c = ct_compare_arrays(one_output_loss, data, p, 4, (const double *[]){dW1.v, db1.v, dW2.v, db2.v}, 4,
                                             (ct_compare_options){0});
        assert_non_null(c);
        assert_only_guess(c, CT_MISTAKE_WEIGHTS_OMITTED, 3, "parameter 0, parameter 1: as if delta were not multiplied");
        assert_only_guess(c, CT_MISTAKE_WEIGHTS_OMITTED, 3, "by the weights at ct_matmul at test_check");
        ct_comparison_free(c);
    }
}

/* sum (w^2 + 0.25 |w|) + the data's part: penalties of either kind, missing, too much, or with another factor. */
static int penalized_loss(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const double *factors = context;
    ct_tensor *y = ct_matmul(ct_of(ct_shape(2, 3), CT_F64, 1, -2, 0.5, 3, 1, -1), in[0]);
    ct_tensor *l2 = ct_mul(ct_sum(ct_square(in[0]), CT_ALL, false), ct_scalar(factors[0]));
    ct_tensor *l1 = ct_mul(ct_sum(ct_abs(in[0]), CT_ALL, false), ct_scalar(factors[1]));
    *out = ct_add(ct_sum(ct_square(y), CT_ALL, false), ct_add(l2, l1));
    return *out ? 0 : 1;
}

static void check_penalty(double l2, double l1, double by_hand_l2, double by_hand_l1, unsigned mistake, const char *part)
{
    double factors[2] = {l2, l1}, d[6];
    const matrix w = random_matrix(3, 2), x = matrix_of(2, 3, (double[]){1, -2, 0.5, 3, 1, -1});
    const matrix g = scaled(product(transposed(x), product(x, w)), 2);
    for (int i = 0; i < 6; i++) d[i] = g.v[i] + 2 * by_hand_l2 * w.v[i] + by_hand_l1 * (w.v[i] > 0 ? 1 : -1);
    ct_tensor *p = tensor_of(w);
    const double *hand = d;
    ct_comparison *c = ct_compare_arrays(penalized_loss, factors, &p, 1, &hand, 1,
                                         (ct_compare_options){.names = (const char *[]){"w"}});
    assert_non_null(c);
    assert_only_guess(c, mistake, 1, part);
    ct_comparison_free(c);
}

static void penalties_missing_and_too_much(void **state)
{
    (void)state;
    check_penalty(0.5, 0, 0, 0, CT_MISTAKE_PENALTY, "a term 1 w is missing");
    check_penalty(0, 0, 0.25, 0, CT_MISTAKE_PENALTY, "a term 0.5 w is too much");
    check_penalty(0.5, 0, 0.25, 0, CT_MISTAKE_PENALTY, "a term 0.5 w is missing");
    check_penalty(0, 0.25, 0, 0, CT_MISTAKE_L1_PENALTY, "a term 0.25 sign(w) is missing");
    check_penalty(0, 0, 0, 0.125, CT_MISTAKE_L1_PENALTY, "a term 0.125 sign(w) is too much");
    check_penalty(0.5, 0.5, 0, 0, CT_MISTAKE_PENALTY, "the term of the penalty on it is missing");
}

/* Softmax as an operation of its own, and a delta that takes only the diagonal of its Jacobian. */
static int softmax_loss(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const matrix *data = context; /* rows */
    *out = ct_mse_loss(ct_softmax(ct_affine(tensor_of(data[0]), in[0], in[1]), -1), tensor_of(data[1]), CT_SUM);
    return *out ? 0 : 1;
}

static void softmax_taken_as_diagonal(void **state)
{
    (void)state;
    matrix data[2] = {random_matrix(4, 3), random_matrix(4, 5)};
    const matrix W = random_matrix(3, 5), b = random_matrix(1, 5);
    const matrix z = plus(product(data[0], W), 1, product(filled(4, 1, 1), b)), a = transposed(softmax_of_columns(transposed(z)));
    const matrix delta = times(scaled(minus(a, data[1]), 2), times(a, minus(filled(4, 5, 1), a)));
    const matrix dW = product(transposed(data[0]), delta), db = sum_of_columns(transposed(delta));
    ct_tensor *p[] = {tensor_of(W), ct_reshape(tensor_of(b), ct_shape(5))};
    ct_comparison *c = ct_compare_arrays(softmax_loss, data, p, 2, (const double *[]){dW.v, db.v}, 2, (ct_compare_options){0});
    assert_non_null(c);
    assert_only_guess(c, CT_MISTAKE_SLOPE_OTHER, 3, "the diagonal of its Jacobian");
    ct_comparison_free(c);
}

/* Two mistakes in two parameters, and a third that is none of the usual. */
static void independent_mistakes_are_told_apart(void **state)
{
    (void)state;
    const task t = task_of(SQUARES, pair_tanh(), true);
    ct_tensor *p[PARAMETERS], *d[PARAMETERS];
    hand_gradient g = derive(&t, RIGHT);
    g.W[1] = scaled(g.W[1], -1);
    g.W[2] = transposed(g.W[2]);
    for (int i = 0; i < 21; i++) g.W[3].v[i] = sin(7 * i) * g.W[3].v[i];
    tensors_of(&t, t.net.W, t.net.b, p);
    tensors_of(&t, g.W, g.b, d);
    ct_comparison *c = ct_compare_gradients(loss_function, (void *)&t, p, PARAMETERS, d, PARAMETERS,
                                            (ct_compare_options){.names = names});
    assert_non_null(c);
    assert_int_equal(wrong_parameters(c), W1 | W2 | W3);
    assert_int_equal(ct_comparison_guesses(c), 2);
    ct_guess guess;
    for (int i = 0; i < 2; i++) {
        assert_true(ct_comparison_guess(c, i, &guess));
        assert_int_equal(guess.n_parameters, 1);
        assert_int_equal(guess.mistakes, guess.parameters[0] == 0 ? CT_MISTAKE_SIGN : CT_MISTAKE_TRANSPOSED);
    }
    ct_comparison_free(c);
}

/* A gradient that is just wrong is not explained away. */
static void random_gradients_are_not_explained(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        const task t = task_of(round % 2 ? SQUARES : CATEGORIES, pair_sigmoid(), round % 3 == 0);
        ct_tensor *p[PARAMETERS], *d[PARAMETERS];
        hand_gradient g = derive(&t, RIGHT);
        for (int l = 1; l <= LAYERS; l++) {
            g.W[l] = random_matrix(g.W[l].rows, g.W[l].cols);
            g.b[l] = random_matrix(g.b[l].rows, 1);
        }
        tensors_of(&t, t.net.W, t.net.b, p);
        tensors_of(&t, g.W, g.b, d);
        ct_comparison *c = ct_compare_gradients(loss_function, (void *)&t, p, PARAMETERS, d, PARAMETERS,
                                                (ct_compare_options){.no_differences = true});
        assert_non_null(c);
        assert_int_equal(wrong_parameters(c), ALL);
        if (ct_comparison_guesses(c)) ct_comparison_print(stderr, c, 1);
        assert_int_equal(ct_comparison_guesses(c), 0);
        ct_comparison_free(c);
    }
}

/* |W x - t|^2 / 2, summed. */
static int linear_loss(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const matrix *data = context;
    *out = ct_half_mse_loss(ct_matmul(in[0], tensor_of(data[0])), tensor_of(data[1]), CT_SUM);
    return *out ? 0 : 1;
}

/* Where 2, B and n are one number, the guess says so. */
static void ambiguous_factors_are_told(void **state)
{
    (void)state;
    matrix data[2] = {random_matrix(3, 2), random_matrix(4, 2)}; /* B = 2 */
    const matrix W = random_matrix(4, 3), dW = scaled(product(minus(product(W, data[0]), data[1]), transposed(data[0])), 2);
    const double *hand = dW.v;
    ct_tensor *p = tensor_of(W);
    ct_comparison *c = ct_compare_arrays(linear_loss, data, &p, 1, &hand, 1, (ct_compare_options){0});
    assert_non_null(c);
    assert_only_guess(c, CT_MISTAKE_BATCH, 1, "1/B is missing (B = 2)");
    assert_only_guess(c, CT_MISTAKE_BATCH, 1, "(or a factor 2 too much: it is the same number here)");
    ct_comparison_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        note_test(every_mistake_is_named_and_no_other),
        note_test(delta_of_one_output_without_its_weights),
        note_test(penalties_missing_and_too_much),
        note_test(softmax_taken_as_diagonal),
        note_test(independent_mistakes_are_told_apart),
        note_test(random_gradients_are_not_explained),
        note_test(ambiguous_factors_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
