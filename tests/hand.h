/*
 * hand.h - gradients derived by hand, in plain C doubles: small matrices and the delta recursion. No library call is in here.
 *
 * A matrix is row-major and passed by value, so that code reads like the lecture notes. A minibatch stands as the columns of
 * a matrix [d, B], a bias as a column [m, 1]. Layer l = 1 .. L computes
 *     z[l] = W[l] a[l-1] + b[l],   a[l] = g(z[l]),   a[0] = x
 * and, with delta[l] = dJ/dz[l], the chain rule gives the recursion that every note arrives at in its own letters:
 *     dJ/dW[l] = delta[l] a[l-1]',   dJ/db[l] = delta[l] 1,   delta[l-1] = (W[l]' delta[l]) * g'(z[l-1]).
 */
#ifndef TESTS_HAND_H
#define TESTS_HAND_H

#include <assert.h>
#include <math.h>
#include <stdint.h>

/* ---- matrices ----------------------------------------------------------------------------------------- */

enum { MATRIX_MAX = 256, LAYERS_MAX = 5 };

typedef struct matrix {
    int rows, cols;
    double v[MATRIX_MAX]; /* v[i * cols + j] */
} matrix;

static inline matrix filled(int rows, int cols, double value)
{
    matrix m = {.rows = rows, .cols = cols};
    assert(rows * cols <= MATRIX_MAX);
    for (int i = 0; i < rows * cols; i++) m.v[i] = value;
    return m;
}

static inline matrix matrix_of(int rows, int cols, const double *values)
{
    matrix m = filled(rows, cols, 0);
    for (int i = 0; i < rows * cols; i++) m.v[i] = values[i];
    return m;
}

/* A B */
static inline matrix product(matrix a, matrix b)
{
    assert(a.cols == b.rows);
    matrix c = filled(a.rows, b.cols, 0);
    for (int i = 0; i < a.rows; i++)
        for (int j = 0; j < b.cols; j++)
            for (int k = 0; k < a.cols; k++) c.v[i * b.cols + j] += a.v[i * a.cols + k] * b.v[k * b.cols + j];
    return c;
}

/* A' */
static inline matrix transposed(matrix a)
{
    matrix t = filled(a.cols, a.rows, 0);
    for (int i = 0; i < a.rows; i++)
        for (int j = 0; j < a.cols; j++) t.v[j * a.rows + i] = a.v[i * a.cols + j];
    return t;
}

/* A + s B */
static inline matrix plus(matrix a, double s, matrix b)
{
    assert(a.rows == b.rows && a.cols == b.cols);
    for (int i = 0; i < a.rows * a.cols; i++) a.v[i] += s * b.v[i];
    return a;
}

static inline matrix minus(matrix a, matrix b) { return plus(a, -1, b); }

/* The product of entries, the circled dot of the notes. */
static inline matrix times(matrix a, matrix b)
{
    assert(a.rows == b.rows && a.cols == b.cols);
    for (int i = 0; i < a.rows * a.cols; i++) a.v[i] *= b.v[i];
    return a;
}

static inline matrix scaled(matrix a, double s)
{
    for (int i = 0; i < a.rows * a.cols; i++) a.v[i] *= s;
    return a;
}

static inline matrix mapped(matrix a, double (*f)(double))
{
    for (int i = 0; i < a.rows * a.cols; i++) a.v[i] = f(a.v[i]);
    return a;
}

/* Z + b: the column b added to every column of Z ("broadcasting"). */
static inline matrix with_bias(matrix z, matrix b)
{
    assert(b.rows == z.rows && b.cols == 1);
    for (int i = 0; i < z.rows; i++)
        for (int j = 0; j < z.cols; j++) z.v[i * z.cols + j] += b.v[i];
    return z;
}

/* A 1: the sum of the columns of A, as a column. */
static inline matrix sum_of_columns(matrix a) { return product(a, filled(a.cols, 1, 1)); }

static inline matrix column(matrix a, int j)
{
    matrix c = filled(a.rows, 1, 0);
    for (int i = 0; i < a.rows; i++) c.v[i] = a.v[i * a.cols + j];
    return c;
}

/* A square matrix with the entries of a on its diagonal. */
static inline matrix diagonal(matrix a)
{
    const int n = a.rows * a.cols;
    matrix d = filled(n, n, 0);
    for (int i = 0; i < n; i++) d.v[i * n + i] = a.v[i];
    return d;
}

static inline double total(matrix a)
{
    double sum = 0;
    for (int i = 0; i < a.rows * a.cols; i++) sum += a.v[i];
    return sum;
}

/* The inverse and the determinant of a symmetric, positive definite matrix by Gauss and Jordan (no pivoting is needed). */
static inline matrix inverse(matrix a, double *determinant)
{
    const int n = a.rows;
    matrix inv = diagonal(filled(n, 1, 1));
    *determinant = 1;
    for (int p = 0; p < n; p++) {
        const double pivot = a.v[p * n + p];
        *determinant *= pivot;
        for (int j = 0; j < n; j++) a.v[p * n + j] /= pivot, inv.v[p * n + j] /= pivot;
        for (int i = 0; i < n; i++) {
            const double factor = a.v[i * n + p];
            for (int j = 0; j < n && i != p; j++) {
                a.v[i * n + j] -= factor * a.v[p * n + j];
                inv.v[i * n + j] -= factor * inv.v[p * n + j];
            }
        }
    }
    return inv;
}

/* ---- random numbers of our own (xorshift64, Marsaglia 2003), so that nothing here leans on the library ------------- */

static uint64_t random_state = 88172645463325252u;

static inline double random_between(double low, double high)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return low + (high - low) * (double)(random_state >> 11) * 0x1p-53;
}

/* Uniform on (-1, 1). */
static inline matrix random_matrix(int rows, int cols)
{
    matrix m = filled(rows, cols, 0);
    for (int i = 0; i < rows * cols; i++) m.v[i] = random_between(-1, 1);
    return m;
}

/* 0 or 1 in every entry. */
static inline matrix random_labels(int rows, int cols)
{
    matrix m = filled(rows, cols, 0);
    for (int i = 0; i < rows * cols; i++) m.v[i] = random_between(0, 1) < 0.5;
    return m;
}

/* One 1 in every column. */
static inline matrix random_one_hot(int classes, int cols)
{
    matrix m = filled(classes, cols, 0);
    for (int j = 0; j < cols; j++) m.v[(int)random_between(0, classes) * cols + j] = 1;
    return m;
}

/* ---- activations: g and its derivative g', both at z --------------------------------------------------------------- */

typedef struct activation {
    const char *name;
    double (*g)(double z), (*slope)(double z);
} activation;

static inline double one_at(double z) { return (void)z, 1; }
static inline double zero_at(double z) { return (void)z, 0; }
static inline double identity_at(double z) { return z; }
static inline double sigmoid_at(double z) { return 1 / (1 + exp(-z)); }
static inline double sigmoid_slope(double z) { return sigmoid_at(z) * (1 - sigmoid_at(z)); }
static inline double tanh_slope(double z) { return 1 - tanh(z) * tanh(z); }
static inline double step_at(double z) { return z > 0; }
static inline double relu_at(double z) { return z > 0 ? z : 0; }
static inline double leaky_relu_at(double z) { return z > 0 ? z : 0.01 * z; }
static inline double leaky_relu_slope(double z) { return z > 0 ? 1 : 0.01; }

static const activation hand_identity = {"identity", identity_at, one_at};
static const activation hand_sigmoid = {"sigmoid", sigmoid_at, sigmoid_slope};
static const activation hand_tanh = {"tanh", tanh, tanh_slope};
static const activation hand_relu = {"relu", relu_at, step_at};
static const activation hand_leaky_relu = {"leaky relu", leaky_relu_at, leaky_relu_slope};
static const activation hand_step = {"step", step_at, zero_at};

/* Softmax of every column. */
static inline matrix softmax_of_columns(matrix z)
{
    for (int j = 0; j < z.cols; j++) {
        double sum = 0;
        for (int i = 0; i < z.rows; i++) sum += exp(z.v[i * z.cols + j]);
        for (int i = 0; i < z.rows; i++) z.v[i * z.cols + j] = exp(z.v[i * z.cols + j]) / sum;
    }
    return z;
}

/* ---- losses, summed over all entries -------------------------------------------------------------------------------- */

/* sum (a - y)^2 */
static inline double squared_error(matrix a, matrix y) { return total(times(minus(a, y), minus(a, y))); }

/* -sum (y log a + (1 - y) log(1 - a)) */
static inline double binary_cross_entropy(matrix a, matrix y)
{
    double loss = 0;
    for (int i = 0; i < a.rows * a.cols; i++) loss -= y.v[i] * log(a.v[i]) + (1 - y.v[i]) * log(1 - a.v[i]);
    return loss;
}

/* -sum y log a */
static inline double cross_entropy(matrix a, matrix y) { return -total(times(y, mapped(a, log))); }

/* ---- a network, its forward pass and the delta recursion ------------------------------------------------------------ */

typedef struct hand_net { /* layers 1 .. layers; entry 0 is not used */
    int layers;
    matrix W[LAYERS_MAX + 1], b[LAYERS_MAX + 1];
    activation g[LAYERS_MAX + 1];
} hand_net;

typedef struct hand_pass {
    matrix z[LAYERS_MAX + 1], a[LAYERS_MAX + 1]; /* a[0] = x */
} hand_pass;

typedef struct hand_gradient {
    matrix delta[LAYERS_MAX + 1], W[LAYERS_MAX + 1], b[LAYERS_MAX + 1];
} hand_gradient;

/* Layer l is [width[l], width[l-1]]; all hidden layers have one activation, the last has another. */
static inline hand_net random_net(int layers, const int *width, activation hidden, activation output)
{
    hand_net net = {.layers = layers};
    for (int l = 1; l <= layers; l++) {
        net.W[l] = random_matrix(width[l], width[l - 1]);
        net.b[l] = random_matrix(width[l], 1);
        net.g[l] = l < layers ? hidden : output;
    }
    return net;
}

static inline hand_pass hand_forward(const hand_net *net, matrix x)
{
    hand_pass pass = {.a[0] = x};
    for (int l = 1; l <= net->layers; l++) {
        pass.z[l] = with_bias(product(net->W[l], pass.a[l - 1]), net->b[l]);
        pass.a[l] = mapped(pass.z[l], net->g[l].g);
    }
    return pass;
}

/* From delta = dJ/dz of the last layer down to the first. */
static inline hand_gradient hand_backward(const hand_net *net, const hand_pass *pass, matrix delta)
{
    hand_gradient d = {.delta[0] = {0}};
    for (int l = net->layers; l >= 1; l--) {
        d.delta[l] = delta;
        d.W[l] = product(delta, transposed(pass->a[l - 1]));
        d.b[l] = sum_of_columns(delta);
        if (l > 1) delta = times(product(transposed(net->W[l]), delta), mapped(pass->z[l - 1], net->g[l - 1].slope));
    }
    return d;
}

/* W := W - alpha dJ/dW and b := b - alpha dJ/db in every layer. */
static inline void hand_descend(hand_net *net, const hand_gradient *d, double alpha)
{
    for (int l = 1; l <= net->layers; l++) {
        net->W[l] = plus(net->W[l], -alpha, d->W[l]);
        net->b[l] = plus(net->b[l], -alpha, d->b[l]);
    }
}

#endif
