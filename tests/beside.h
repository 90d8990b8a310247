/*
 * beside.h - the library beside the hand derivation: the same network as tensors, and the comparisons.
 *
 * Both sides compute in float64 and must agree to 1e-12, measured per tensor as max |a - b| / max |b|. Each test runs inside a
 * scope that `begin_test` opens; `end_test` closes it and checks that nothing is pending and nothing alive.
 */
#ifndef TESTS_BESIDE_H
#define TESTS_BESIDE_H

#include "hand.h"
#include "support.h"

static const double AGREES = 1e-12;

/* ---- a test of a note --------------------------------------------------------------------------------- */

static inline int begin_test(void **state)
{
    random_state = 88172645463325252u;
    ct_seed(1);
    *state = (void *)(intptr_t)ct_scope_begin();
    return 0;
}

static inline int end_test(void **state)
{
    const ct_error_info *error = ct_error();
    if (error) print_error("%s:%d: %s\n", error->file ? error->file : "?", error->line, error->message);
    ct_scope_end((int)(intptr_t)*state);
    assert_clean();
    return 0;
}

#define note_test(f) cmocka_unit_test_setup_teardown(f, begin_test, end_test)

/* ---- from one side to the other ----------------------------------------------------------------------- */

static inline ct_tensor *tensor_of(matrix m)
{
    return ct_from_values(m.v, m.rows * m.cols, ct_shape(m.rows, m.cols), CT_F64);
}

static inline ct_tensor *leaf_of(matrix m) { return ct_requires_grad(tensor_of(m), true); }

/* A vector comes as a column. */
static inline matrix matrix_from(ct_tensor *t)
{
    const int rank = ct_rank(t);
    matrix m = filled(rank > 0 ? (int)ct_dim(t, 0) : 1, rank > 1 ? (int)ct_dim(t, 1) : 1, NAN);
    assert_true(ct_copy_values(t, m.v, m.rows * m.cols));
    return m;
}

/* ---- comparisons -------------------------------------------------------------------------------------- */

#define assert_agrees(tensor, by_hand) check_tensor(tensor, by_hand, __FILE__, __LINE__)
static inline void check_tensor(ct_tensor *t, matrix by_hand, const char *file, int line)
{
    double v[MATRIX_MAX];
    const int64_t count = by_hand.rows * by_hand.cols;
    const bool fits = ct_count_of(t) == count && (ct_rank(t) != 2 || ct_dim(t, 0) == by_hand.rows || ct_dim(t, 0) == 1);
    if (!fits) print_error("%s:%d: expected shape [%d, %d]\n", file, line, by_hand.rows, by_hand.cols);
    if (!fits || ct_dtype_of(t) != CT_F64 || !ct_copy_values(t, v, count)) _fail(file, line);
    const double error = test_relative_error(v, by_hand.v, count);
    if (error <= AGREES) return;
    print_error("%s:%d: relative error %g\n", file, line, error);
    _fail(file, line);
}

#define assert_close(value, expected) check_number(value, expected, AGREES, __FILE__, __LINE__)
#define assert_within(value, expected, tolerance) check_number(value, expected, tolerance, __FILE__, __LINE__)
static inline void check_number(double value, double expected, double tolerance, const char *file, int line)
{
    if (fabs(value - expected) <= tolerance * fabs(expected)) return;
    print_error("%s:%d: %.17g is not %.17g\n", file, line, value, expected);
    _fail(file, line);
}

/* The gradient that backward left in a leaf. */
#define assert_gradient(leaf, by_hand) check_tensor(ct_grad_of(leaf), by_hand, __FILE__, __LINE__)

/* ---- an operation on both sides ----------------------------------------------------------------------- */

typedef struct pair {
    activation by_hand;
    ct_tensor *(*by_library)(ct_tensor *x);
} pair;

static inline ct_tensor *leaky_relu_001(ct_tensor *x) { return ct_leaky_relu(x, 0.01); }

static inline pair pair_identity(void) { return (pair){hand_identity, ct_alias}; }
static inline pair pair_sigmoid(void) { return (pair){hand_sigmoid, ct_sigmoid}; }
static inline pair pair_tanh(void) { return (pair){hand_tanh, ct_tanh}; }
static inline pair pair_relu(void) { return (pair){hand_relu, ct_relu}; }
static inline pair pair_leaky_relu(void) { return (pair){hand_leaky_relu, leaky_relu_001}; }
static inline pair pair_step(void) { return (pair){hand_step, ct_step}; }

/* A pair's operation in the form that ct_jacobian takes; the context is the pair. */
static inline int pair_function(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const pair *g = context;
    out[0] = g->by_library(in[0]);
    return out[0] ? 0 : 1;
}

/* ---- a network of columns as tensors ------------------------------------------------------------------ */

typedef struct net { /* layers 1 .. layers, as in hand_net; z and a are those of the last forward pass */
    int layers;
    ct_tensor *W[LAYERS_MAX + 1], *b[LAYERS_MAX + 1];
    ct_tensor *z[LAYERS_MAX + 1], *a[LAYERS_MAX + 1];
    ct_tensor *(*g[LAYERS_MAX + 1])(ct_tensor *z);
} net;

/* The parameters of a network as leaves: W [m, d], b [m, 1]. */
static inline net net_of(const hand_net *by_hand, pair hidden, pair output)
{
    net n = {.layers = by_hand->layers};
    for (int l = 1; l <= n.layers; l++) {
        n.W[l] = leaf_of(by_hand->W[l]);
        n.b[l] = leaf_of(by_hand->b[l]);
        n.g[l] = l < n.layers ? hidden.by_library : output.by_library;
    }
    return n;
}

/* z = W a + b, a = g(z) for a minibatch of columns. */
static inline ct_tensor *net_forward(net *n, ct_tensor *x /* [d, B] */)
{
    n->a[0] = x;
    for (int l = 1; l <= n->layers; l++) {
        n->z[l] = ct_add(ct_matmul(n->W[l], n->a[l - 1]), n->b[l]);
        n->a[l] = n->g[l](n->z[l]);
    }
    return n->a[n->layers];
}

/* Plain gradient descent on every W and b. The caller frees it. */
static inline ct_optimizer *net_descent(const net *n, double alpha)
{
    ct_tensor *parameters[2 * LAYERS_MAX];
    for (int l = 1; l <= n->layers; l++) parameters[2 * l - 2] = n->W[l], parameters[2 * l - 1] = n->b[l];
    return ct_optim_sgd_of(parameters, 2 * n->layers, alpha, (ct_sgd_options){0});
}

#define assert_gradients(n, by_hand) check_gradients(n, by_hand, __FILE__, __LINE__)
static inline void check_gradients(const net *n, const hand_gradient *by_hand, const char *file, int line)
{
    for (int l = 1; l <= n->layers; l++) {
        check_tensor(ct_grad_of(n->W[l]), by_hand->W[l], file, line);
        check_tensor(ct_grad_of(n->b[l]), by_hand->b[l], file, line);
    }
}

#define assert_parameters(n, by_hand) check_parameters(n, by_hand, __FILE__, __LINE__)
static inline void check_parameters(const net *n, const hand_net *by_hand, const char *file, int line)
{
    for (int l = 1; l <= n->layers; l++) {
        check_tensor(n->W[l], by_hand->W[l], file, line);
        check_tensor(n->b[l], by_hand->b[l], file, line);
    }
}

#endif
