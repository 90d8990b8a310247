/*
 * composed.c - rows W7 to W9: networks for which the library has no operation of its own (convolution, LSTM cell, attention),
 * composed of those it has, as a user would write them today. They show what is still to be had.
 */
#include <cotangent/cotangent.h>

#include <math.h>

#include "bench.h"

enum { PARAMETERS = 16, KERNEL = 5, T_LSTM = 32, HIDDEN = 128, TOKENS = 64, WIDTH = 128, HEADS = 4, CLASSES = 256 };

static struct model {
    int count;
    ct_tensor *p[PARAMETERS], *x, *y, *mask;
    ct_optimizer *adam;
} model;

static ct_tensor *new_parameter(ct_shape shape, double bound)
{
    return model.p[model.count++] = ct_requires_grad(ct_uniform(shape, -bound, bound, CT_F32), true);
}
static void new_constant(int64_t n, double value)
{
    model.p[model.count++] = ct_requires_grad(ct_full(ct_shape(n), value, CT_F32), true);
}
static void new_linear(int64_t in, int64_t out)
{
    new_parameter(ct_shape(in, out), 1 / sqrt((double)in));
    new_constant(out, 0);
}

static void begin_model(int threads, ct_shape input, ct_shape target, int64_t classes)
{
    ct_set_threads(threads);
    ct_seed(1);
    model = (struct model){0};
    model.x = ct_uniform(input, -1, 1, CT_F32);
    model.y = ct_zeros(target, CT_I64);
    int64_t *label = ct_data(model.y);
    for (int64_t i = 0; i < ct_count_of(model.y); i++) label[i] = i % classes;
    ct_touch(model.y);
}
static bool end_model(void)
{
    model.adam = ct_optim_adam_of(model.p, model.count, 1e-3, ct_adam_defaults());
    return !ct_error();
}
static void drop(void)
{
    ct_optimizer_free(model.adam);
    for (int i = 0; i < model.count; i++) ct_free(model.p[i]);
    ct_free(model.x);
    ct_free(model.y);
    ct_free(model.mask);
}

static void learn(ct_tensor *logits)
{
    ct_backward(ct_cross_entropy(logits, model.y));
    ct_optimizer_step(model.adam);
}

/* ---- W7: x [B, rows, columns, channels], channels last ---- */

static bool convolutional_make(const bench_row *row, int threads)
{
    (void)row;
    begin_model(threads, ct_shape(64, 28, 28, 1), ct_shape(64), 10);
    new_linear(KERNEL * KERNEL, 8);
    new_linear(KERNEL * KERNEL * 8, 16);
    new_linear(4 * 4 * 16, 10);
    return end_model();
}

/* Each window of the input as a row, so that the convolution is one product. */
static ct_tensor *convolution(ct_tensor *x, ct_tensor *w, ct_tensor *b)
{
    ct_tensor *window[KERNEL * KERNEL];
    const int64_t rows = ct_dim(x, 1) - KERNEL + 1, columns = ct_dim(x, 2) - KERNEL + 1;
    for (int i = 0; i < KERNEL * KERNEL; i++) {
        const int64_t r = i / KERNEL, c = i % KERNEL;
        window[i] = ct_slice(ct_slice(x, 1, r, r + rows, 1), 2, c, c + columns, 1);
    }
    return ct_affine(ct_concat(window, KERNEL * KERNEL, -1), w, b);
}

/* The largest of each 2 x 2 block. */
static ct_tensor *pooled(ct_tensor *x)
{
    const int64_t rows = ct_dim(x, 1) / 2, columns = ct_dim(x, 2) / 2;
    return ct_max(ct_reshape(x, ct_shape(ct_dim(x, 0), rows, 2, columns, 2, ct_dim(x, 3))), ct_axes(2, 4), false);
}

static void convolutional_step(void)
{
    CT_SCOPE;
    ct_tensor *const *p = model.p;
    ct_tensor *a = pooled(ct_relu(convolution(model.x, p[0], p[1])));
    a = pooled(ct_relu(convolution(a, p[2], p[3])));
    learn(ct_affine(ct_flatten(a, 1), p[4], p[5]));
}

/* ---- W8: x [T, B, 64] ---- */

static bool lstm_make(const bench_row *row, int threads)
{
    (void)row;
    begin_model(threads, ct_shape(T_LSTM, 32, 64), ct_shape(32), 10);
    new_linear(64, 4 * HIDDEN);
    new_parameter(ct_shape(HIDDEN, 4 * HIDDEN), 1 / sqrt(HIDDEN));
    new_linear(HIDDEN, 10);
    return end_model();
}

/* i, f, o = sigmoid, g = tanh of x W + h U + b;  c = f c + i g,  h = o tanh c */
static void lstm_step(void)
{
    CT_SCOPE;
    ct_tensor *const *p = model.p;
    ct_tensor *xw = ct_affine(model.x, p[0], p[1]), *gate[4];
    ct_tensor *h = ct_zeros(ct_shape(32, HIDDEN), CT_F32), *c = h;
    for (int t = 0; t < T_LSTM; t++) {
        ct_tensor *z = ct_add(ct_select(xw, 0, t), ct_matmul(h, p[2]));
        ct_split(z, 1, 4, gate);
        c = ct_add(ct_mul(ct_sigmoid(gate[1]), c), ct_mul(ct_sigmoid(gate[0]), ct_tanh(gate[2])));
        h = ct_mul(ct_sigmoid(gate[3]), ct_tanh(c));
    }
    learn(ct_affine(h, p[3], p[4]));
}

/* ---- W9: x [B, T, d] ---- */

static bool transformer_make(const bench_row *row, int threads)
{
    (void)row;
    begin_model(threads, ct_shape(16, TOKENS, WIDTH), ct_shape(16, TOKENS), CLASSES);
    for (int i = 0; i < 2; i++) { /* the two layer norms */
        new_constant(WIDTH, 1);
        new_constant(WIDTH, 0);
    }
    new_linear(WIDTH, 3 * WIDTH);
    new_linear(WIDTH, WIDTH);
    new_linear(WIDTH, 4 * WIDTH);
    new_linear(4 * WIDTH, WIDTH);
    new_linear(WIDTH, CLASSES);
    model.mask = ct_empty(ct_shape(TOKENS, TOKENS), CT_F32);
    float *mask = ct_data(model.mask);
    for (int i = 0; i < TOKENS * TOKENS; i++) mask[i] = i % TOKENS > i / TOKENS ? -INFINITY : 0;
    ct_touch(model.mask);
    return end_model();
}

/* [B, T, d] -> [B, heads, T, d / heads] */
static ct_tensor *heads(ct_tensor *x) { return ct_swap_axes(ct_reshape(x, ct_shape(16, TOKENS, HEADS, WIDTH / HEADS)), 1, 2); }

static ct_tensor *attention(ct_tensor *x, ct_tensor *const *p)
{
    ct_tensor *part[3];
    ct_split(ct_affine(x, p[0], p[1]), -1, 3, part);
    ct_tensor *scores = ct_mul(ct_matmul(heads(part[0]), ct_transpose(heads(part[1]))), ct_scalar(1 / sqrt(WIDTH / HEADS)));
    ct_tensor *mixed = ct_matmul(ct_softmax(ct_add(scores, model.mask), -1), heads(part[2]));
    return ct_affine(ct_reshape(ct_swap_axes(mixed, 1, 2), ct_shape(16, TOKENS, WIDTH)), p[2], p[3]);
}

static void transformer_step(void)
{
    CT_SCOPE;
    ct_tensor *const *p = model.p;
    ct_tensor *x = ct_add(model.x, attention(ct_layer_norm(model.x, p[0], p[1], 1e-5), p + 4));
    ct_tensor *hidden = ct_gelu(ct_affine(ct_layer_norm(x, p[2], p[3], 1e-5), p[8], p[9]));
    x = ct_add(x, ct_affine(hidden, p[10], p[11]));
    learn(ct_affine(x, p[12], p[13]));
}

#define CONTESTANT(make, step) (const bench_contestant[]){{"library", make, step, drop}, BENCH_END}

const bench_row bench_composed_rows[] = {
    {"W7", "CNN 1x28x28, conv 5x5x8, pool, conv 5x5x16, pool, fc 10, B 64, Adam; composed",
     CONTESTANT(convolutional_make, convolutional_step), NULL, 1, 0, 0},
    {"W8", "LSTM 64 to 128, T 32, B 32, CE at the last step, Adam; composed", CONTESTANT(lstm_make, lstm_step), NULL, 1, 0, 0},
    {"W9", "transformer block d 128, 4 heads, T 64, B 16, causal, gelu MLP x4, Adam; composed",
     CONTESTANT(transformer_make, transformer_step), NULL, 1, 0, 0},
    {NULL, NULL, NULL, NULL, 1, 0, 0},
};
