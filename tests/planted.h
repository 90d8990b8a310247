/*
 * planted.h - a network of three layers in plain C whose backpropagation makes any of the usual mistakes, the same network in the
 * library, and what the checker says of the two. For the tests of the checker.
 */
#ifndef TESTS_PLANTED_H
#define TESTS_PLANTED_H

#include "beside.h"

/* ---- a network in plain C that makes mistakes ------------------------------------------------------------------------ */

enum plant {
    RIGHT, SIGN, TWO_MISSING, BATCH_MISSING, BATCH_SURPLUS, OUTPUTS_MISSING, BIAS_SUMMED, CONSTANT_FACTOR, TRANSPOSED,
    TRANSPOSED_SQUARE, PENALTY_MISSING, SWAPPED, ZERO, ONE_ELEMENT, ONE_ROW, SLOPE_AT_Z, SLOPE_AT_Z_ONCE, SLOPE_AT_A,
    SLOPE_OMITTED, SLOPE_OMITTED_LAST, SLOPE_OTHER, SLOPE_TWICE, BIAS_OMITTED, BIASES_OMITTED, WEIGHTS_OMITTED,
    WEIGHTS_TRANSPOSED, INPUT_Z, INPUT_OWN, LAST_EXAMPLE, FIRST_EXAMPLE, NOT_A_NUMBER, SIGN_AND_BATCH, SLOPE_AT_Z_AND_BATCH,
    TRANSPOSED_AND_SIGN, PLANTS
};

/* What is planted, and what is to be named: the mistakes, and the parameters (bits: W1 b1 W2 b2 W3 b3) that they spoil. */
enum { W1 = 1, B1 = 2, W2 = 4, B2 = 8, W3 = 16, B3 = 32, ALL = 63, HIDDEN = 15 };
typedef struct planted {
    const char *name;
    unsigned mistakes;
    int parameters;
    unsigned last; /* of layer 3, where it differs; 0: it does not */
} planted;

static const planted plants[PLANTS] = {
    [RIGHT] = {"right", 0, 0, 0},
    [SIGN] = {"sign", CT_MISTAKE_SIGN, ALL, 0},
    [TWO_MISSING] = {"two missing", CT_MISTAKE_TWO, ALL, 0},
    [BATCH_MISSING] = {"1/B missing", CT_MISTAKE_BATCH, ALL, 0},
    [BATCH_SURPLUS] = {"1/B twice", CT_MISTAKE_BATCH, ALL, 0},
    [OUTPUTS_MISSING] = {"1/n missing", CT_MISTAKE_OUTPUTS, ALL, 0},
    [BIAS_SUMMED] = {"bias summed", CT_MISTAKE_BATCH, B1 | B2 | B3, 0},
    [CONSTANT_FACTOR] = {"factor 0.37", CT_MISTAKE_FACTOR, ALL, 0},
    [TRANSPOSED] = {"transposed", CT_MISTAKE_TRANSPOSED, W1, 0},
    [TRANSPOSED_SQUARE] = {"square transposed", CT_MISTAKE_TRANSPOSED, W2, 0},
    [PENALTY_MISSING] = {"penalty missing", CT_MISTAKE_PENALTY, W1 | W2 | W3, 0},
    [SWAPPED] = {"swapped", CT_MISTAKE_SWAPPED, B1 | B2, 0},
    [ZERO] = {"zero", CT_MISTAKE_ZERO, B2, 0},
    [ONE_ELEMENT] = {"one element", CT_MISTAKE_FEW, W1, 0},
    [ONE_ROW] = {"one row", CT_MISTAKE_FEW, W1, 0},
    [SLOPE_AT_Z] = {"slope at z", CT_MISTAKE_SLOPE_AT_Z, HIDDEN, 0},
    [SLOPE_AT_Z_ONCE] = {"slope at z, layer 1", CT_MISTAKE_SLOPE_AT_Z, W1 | B1, 0},
    [SLOPE_AT_A] = {"slope at a", CT_MISTAKE_SLOPE_AT_A, HIDDEN, 0},
    [SLOPE_OMITTED] = {"slope omitted", CT_MISTAKE_SLOPE_OMITTED, HIDDEN, 0},
    [SLOPE_OMITTED_LAST] = {"last slope omitted", CT_MISTAKE_SLOPE_OMITTED, ALL, 0},
    [SLOPE_OTHER] = {"slope of another", CT_MISTAKE_SLOPE_OTHER, HIDDEN, 0},
    [SLOPE_TWICE] = {"last slope twice", CT_MISTAKE_SLOPE_TWICE, ALL, 0},
    [BIAS_OMITTED] = {"bias 2 omitted", CT_MISTAKE_BIAS_OMITTED, ALL, 0},
    [BIASES_OMITTED] = {"biases omitted", CT_MISTAKE_BIAS_OMITTED, ALL, 0},
    [WEIGHTS_OMITTED] = {"weights omitted", CT_MISTAKE_WEIGHTS_OMITTED, W1 | B1, 0},
    [WEIGHTS_TRANSPOSED] = {"weights transposed", CT_MISTAKE_WEIGHTS_TRANSPOSED, W1 | B1, 0},
    [INPUT_Z] = {"input z", CT_MISTAKE_LAYER_INPUT, W2 | W3, 0},
    [INPUT_OWN] = {"input own output", CT_MISTAKE_LAYER_INPUT, W2, 0},
    [LAST_EXAMPLE] = {"last example", CT_MISTAKE_ONE_EXAMPLE, ALL, 0},
    [FIRST_EXAMPLE] = {"first example", CT_MISTAKE_ONE_EXAMPLE, ALL, 0},
    [NOT_A_NUMBER] = {"not a number", CT_MISTAKE_NOT_A_NUMBER, W2, 0},
    [SIGN_AND_BATCH] = {"sign and 1/B", CT_MISTAKE_SIGN | CT_MISTAKE_BATCH, ALL, 0},
    [SLOPE_AT_Z_AND_BATCH] = {"slope at z and 1/B", CT_MISTAKE_SLOPE_AT_Z | CT_MISTAKE_BATCH, ALL, CT_MISTAKE_BATCH},
    [TRANSPOSED_AND_SIGN] = {"transposed and sign", CT_MISTAKE_TRANSPOSED | CT_MISTAKE_SIGN, W1, 0},
};

enum { LAYERS = 3, PARAMETERS = 2 * LAYERS };
static const double decay = 0.03;

typedef enum loss_kind { SQUARES, BINARY, BINARY_LOGITS, CATEGORIES } loss_kind;

/* A network of three layers and its data; examples stand as columns here, and as rows in the library where `rows`. */
typedef struct task {
    hand_net net;
    pair hidden;
    matrix x, y;
    loss_kind loss;
    bool rows;
} task;

/* Is every hidden unit on for some example, so that something flows through it? */
static inline bool alive(const task *t)
{
    const hand_pass p = hand_forward(&t->net, t->x);
    for (int l = 1; l < LAYERS; l++) {
        for (int i = 0; i < p.a[l].rows; i++) {
            double most = 0;
            for (int j = 0; j < p.a[l].cols; j++) most = fmax(most, fabs(p.a[l].v[i * p.a[l].cols + j]));
            if (most == 0) return false;
        }
    }
    return true;
}

static inline task task_of(loss_kind loss, pair hidden, bool rows)
{
    const int width[] = {4, 3, 3, 7}, batch = 5; /* so that 2, B and n are told apart */
    task t = {.hidden = hidden, .loss = loss, .rows = rows};
    do {
        t.net = random_net(LAYERS, width, hidden.by_hand, loss == CATEGORIES ? hand_identity : hand_sigmoid);
        t.x = random_matrix(width[0], batch);
    } while (!alive(&t));
    t.y = loss == SQUARES  ? random_matrix(width[LAYERS], batch)
        : loss == CATEGORIES ? random_one_hot(width[LAYERS], batch)
                             : random_labels(width[LAYERS], batch);
    return t;
}

/* ---- by hand --------------------------------------------------------------------------------------------------------- */

static inline double sigmoid_slope_at_z(double z) { return z * (1 - z); }
static inline double tanh_slope_at_z(double z) { return 1 - z * z; }

/* g'(z) of layer l, or what a mistake makes of it. */
static inline matrix slope_of(const task *t, const hand_pass *p, int l, enum plant plant)
{
    const activation g = t->net.g[l];
    const bool is_tanh = g.g == tanh, hidden = l < LAYERS;
    const matrix ones = filled(p->z[l].rows, p->z[l].cols, 1);
    switch (plant) {
    case SLOPE_AT_Z:
    case SLOPE_AT_Z_AND_BATCH:
        if (hidden) return mapped(p->z[l], is_tanh ? tanh_slope_at_z : sigmoid_slope_at_z);
        break;
    case SLOPE_AT_Z_ONCE:
        if (l == 1) return mapped(p->z[l], is_tanh ? tanh_slope_at_z : sigmoid_slope_at_z);
        break;
    case SLOPE_AT_A:
        if (hidden) return mapped(p->a[l], g.slope);
        break;
    case SLOPE_OMITTED:
        if (hidden) return ones;
        break;
    case SLOPE_OMITTED_LAST:
        if (!hidden) return ones;
        break;
    case SLOPE_OTHER: /* the other one's formula in a */
        if (hidden) return mapped(p->a[l], is_tanh ? sigmoid_slope_at_z : tanh_slope_at_z);
        break;
    default: break;
    }
    return mapped(p->z[l], g.slope);
}

/* dJ/dz of the last layer; J is the mean over the batch (and over the outputs, for squares and binary cross-entropy). */
static inline matrix last_delta(const task *t, const hand_pass *p, enum plant plant)
{
    const int n = t->y.rows, B = t->y.cols;
    const matrix a = t->loss == CATEGORIES ? softmax_of_columns(p->a[LAYERS]) : p->a[LAYERS];
    matrix delta = scaled(minus(a, t->y), 1.0 / B);
    if (t->loss != CATEGORIES && plant != OUTPUTS_MISSING) delta = scaled(delta, 1.0 / n);
    if (t->loss == SQUARES) delta = scaled(times(delta, slope_of(t, p, LAYERS, plant)), plant == TWO_MISSING ? 1 : 2);
    const matrix last_slope = t->loss == CATEGORIES ? times(a, minus(filled(n, B, 1), a)) : mapped(p->z[LAYERS], sigmoid_slope);
    if (plant == SLOPE_TWICE) delta = times(delta, last_slope);
    if (plant == SIGN || plant == SIGN_AND_BATCH) delta = scaled(delta, -1);
    if (plant == BATCH_MISSING || plant == SIGN_AND_BATCH || plant == SLOPE_AT_Z_AND_BATCH) delta = scaled(delta, B);
    if (plant == BATCH_SURPLUS) delta = scaled(delta, 1.0 / B);
    if (plant == CONSTANT_FACTOR) delta = scaled(delta, 0.37);
    return delta;
}

/* All columns but one set to zero. */
static inline matrix only_column(matrix m, int j)
{
    for (int i = 0; i < m.rows * m.cols; i++) m.v[i] *= i % m.cols == j;
    return m;
}

static inline hand_gradient derive(const task *t, enum plant plant)
{
    hand_net net = t->net;
    if (plant == BIAS_OMITTED) net.b[2] = filled(net.b[2].rows, 1, 0);
    for (int l = 1; l <= LAYERS && plant == BIASES_OMITTED; l++) net.b[l] = filled(net.b[l].rows, 1, 0);
    const hand_pass p = hand_forward(&net, t->x);
    hand_gradient d = {.delta[0] = {0}};
    matrix delta = last_delta(t, &p, plant);
    for (int l = LAYERS; l >= 1; l--) {
        matrix input = p.a[l - 1], counted = delta;
        if (plant == INPUT_Z && l > 1) input = p.z[l - 1];
        if (plant == INPUT_OWN && l == 2) input = p.a[2];
        if (plant == LAST_EXAMPLE) counted = only_column(delta, delta.cols - 1);
        if (plant == FIRST_EXAMPLE) counted = only_column(delta, 0);
        d.W[l] = plus(product(counted, transposed(input)), plant == PENALTY_MISSING ? 0 : decay, t->net.W[l]);
        d.b[l] = scaled(sum_of_columns(counted), plant == BIAS_SUMMED ? delta.cols : 1);
        if (l == 1) break;
        matrix down = product(transposed(net.W[l]), delta);
        if (plant == WEIGHTS_OMITTED && l == 2) down = delta;
        if (plant == WEIGHTS_TRANSPOSED && l == 2) down = product(net.W[l], delta);
        delta = times(down, slope_of(t, &p, l - 1, plant));
    }
    return d;
}

/* Mistakes in a gradient that was derived well. */
static inline void spoil(const task *t, hand_gradient *d, enum plant plant)
{
    if (plant == TRANSPOSED || plant == TRANSPOSED_AND_SIGN) d->W[1] = transposed(d->W[1]);
    if (plant == TRANSPOSED_AND_SIGN) d->W[1] = scaled(d->W[1], -1);
    if (plant == TRANSPOSED_SQUARE) d->W[2] = transposed(d->W[2]);
    if (plant == ZERO) d->b[2] = scaled(d->b[2], 0);
    if (plant == ONE_ELEMENT) d->W[1].v[6] += 0.01;
    for (int j = 0; j < 4 && plant == ONE_ROW; j++) d->W[1].v[8 + j] *= 1.1 + j;
    if (plant == NOT_A_NUMBER) d->W[2].v[3] = NAN;
    if (plant == SWAPPED) {
        const matrix b1 = d->b[1];
        d->b[1] = d->b[2];
        d->b[2] = b1;
    }
    (void)t;
}

/* ---- the same by the library ----------------------------------------------------------------------------------------- */

static inline ct_tensor *library_loss(const task *t, ct_tensor *const *p)
{
    ct_tensor *a = tensor_of(t->rows ? transposed(t->x) : t->x), *y = tensor_of(t->rows ? transposed(t->y) : t->y);
    ct_tensor *penalty = ct_scalar(0);
    for (int l = 1; l <= LAYERS; l++) {
        ct_tensor *W = p[2 * l - 2], *b = p[2 * l - 1];
        ct_tensor *z = t->rows ? ct_affine(a, W, b) : ct_add(ct_matmul(W, a), b);
        penalty = ct_add(penalty, ct_sum(ct_square(W), CT_ALL, false));
        a = l < LAYERS ? t->hidden.by_library(z) : t->loss == SQUARES || t->loss == BINARY ? ct_sigmoid(z) : z;
    }
    ct_tensor *loss = t->loss == SQUARES ? ct_mse_loss(a, y, CT_MEAN)
        : t->loss == BINARY              ? ct_binary_cross_entropy(a, y, CT_MEAN)
        : t->loss == BINARY_LOGITS       ? ct_binary_cross_entropy_logits(a, y, CT_MEAN)
                                         : ct_cross_entropy(t->rows ? a : ct_transpose(a), t->rows ? y : ct_transpose(y));
    return ct_add(loss, ct_mul(penalty, ct_scalar(decay / 2)));
}

static inline int loss_function(void *context, ct_tensor *const *in, ct_tensor **out)
{
    *out = library_loss(context, in);
    return *out ? 0 : 1;
}

/* Parameters, or gradients by hand, as the library has them. */
static inline void tensors_of(const task *t, const matrix *W, const matrix *b, ct_tensor **to)
{
    for (int l = 1; l <= LAYERS; l++) {
        to[2 * l - 2] = tensor_of(t->rows ? transposed(W[l]) : W[l]);
        to[2 * l - 1] = t->rows ? ct_reshape(tensor_of(b[l]), ct_shape(-1)) : tensor_of(b[l]);
    }
}

static const char *const names[PARAMETERS] = {"W1", "b1", "W2", "b2", "W3", "b3"};

static inline ct_comparison *compare(const task *t, enum plant plant, ct_compare_options options)
{
    ct_tensor *p[PARAMETERS], *d[PARAMETERS];
    hand_gradient g = derive(t, plant);
    spoil(t, &g, plant);
    tensors_of(t, t->net.W, t->net.b, p);
    tensors_of(t, g.W, g.b, d);
    if (!options.names) options.names = names;
    return ct_compare_gradients(loss_function, (void *)t, p, PARAMETERS, d, PARAMETERS, options);
}

/* Is it what the library can see? */
static inline bool applies(const task *t, enum plant plant)
{
    const bool squares = t->loss == SQUARES;
    if (plant == TWO_MISSING || plant == SLOPE_OMITTED_LAST) return squares;
    if (plant == OUTPUTS_MISSING) return t->loss != CATEGORIES;
    if (plant == SLOPE_AT_Z || plant == SLOPE_AT_Z_ONCE || plant == SLOPE_AT_A || plant == SLOPE_AT_Z_AND_BATCH)
        return t->hidden.by_hand.g != relu_at; /* of relu these are right */
    return true;
}

/* ---- what came of it -------------------------------------------------------------------------------------------------- */

/* Bits. */
static inline int wrong_parameters(const ct_comparison *c)
{
    int bits = 0;
    for (int i = 0; i < PARAMETERS; i++) {
        ct_compared_parameter p;
        assert_true(ct_comparison_parameter(c, i, &p));
        if (p.verdict == CT_WRONG) bits |= 1 << i;
    }
    return bits;
}

/* The only guess is of these mistakes and for these parameters (bits). */
static inline void assert_only_guess(const ct_comparison *c, unsigned mistakes, int parameters, const char *part)
{
    ct_guess g = {0};
    int explained = 0;
    if (ct_comparison_guesses(c) != 1) ct_comparison_print(stderr, c, 2);
    assert_int_equal(ct_comparison_guesses(c), 1);
    assert_true(ct_comparison_guess(c, 0, &g));
    for (int k = 0; k < g.n_parameters; k++) explained |= 1 << g.parameters[k];
    if (g.mistakes != mistakes || explained != parameters || !strstr(g.sentence, part)) ct_comparison_print(stderr, c, 2);
    assert_int_equal(g.mistakes, mistakes);
    assert_int_equal(explained, parameters);
    assert_non_null(strstr(g.sentence, part));
    assert_true(g.residual < 1e-8);
}

/* ---- functions that several tests use --------------------------------------------------------------------------------- */

static inline int squares(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    *out = ct_sum(ct_square(in[0]), CT_ALL, false);
    return *out ? 0 : 1;
}

/* x detach(x): autograd sees x, the function is x^2. */
static inline int half_hidden(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    *out = ct_sum(ct_mul(in[0], ct_detach(in[0])), CT_ALL, false);
    return *out ? 0 : 1;
}

#endif
