/*
 * single.c - rows E1 to E9: single operations and small expressions, with their gradients where the row says so.
 *
 * Written as a user would, with the public functions alone. "limit": a pass over memory that moves as many bytes as the row must,
 * within as large a part of memory (exp and tanh left out); for the chain of products, the bare products.
 */
#include <cotangent/cotangent.h>

#include <stdlib.h>

#include "bench.h"
#include "hardware.h"

enum { INPUTS = 5, CHAIN_PRODUCTS = 100, CHAIN_SCALARS = 1000 };

typedef struct single {
    void (*make)(const struct single *s); /* sets in[], and what else the step needs */
    int64_t rows, columns;                /* of in[0] */
    double footprint;                     /* bytes that the row touches at least, for the limit */
    hardware_pass pass;
} single;

static ct_tensor *in[INPUTS], *labels;
static const ct_grad_options once = {false, false};

static ct_tensor *leaf(ct_shape shape, double scale) { return ct_requires_grad(ct_uniform(shape, -scale, scale, CT_F32), true); }

/* ---- what is prepared ---- */

static void five_leaves(const single *s)
{
    for (int i = 0; i < INPUTS; i++) in[i] = leaf(ct_shape(s->rows, s->columns), 1);
}
static void constants(const single *s)
{
    in[0] = ct_uniform(ct_shape(s->rows, s->columns), -1, 1, CT_F32);
    in[1] = ct_uniform(ct_shape(s->columns), -1, 1, CT_F32);
    in[2] = ct_uniform(ct_shape(s->rows, 1), -1, 1, CT_F32);
}
static void logits(const single *s)
{
    in[0] = leaf(ct_shape(s->rows, s->columns), 3);
    labels = ct_zeros(ct_shape(s->rows), CT_I64);
    for (int64_t i = 0; i < s->rows; i++) ct_set(labels, ct_index(i), (double)(i * 7 % s->columns));
}
static void norm_inputs(const single *s)
{
    in[0] = leaf(ct_shape(s->rows, s->columns), 1);
    in[1] = leaf(ct_shape(s->columns), 1);
    in[2] = leaf(ct_shape(s->columns), 1);
    in[3] = ct_uniform(ct_shape(s->rows, s->columns), -1, 1, CT_F32);
}
static void two_leaves(const single *s)
{
    in[0] = leaf(ct_shape(s->rows, s->columns), 1);
    in[1] = leaf(ct_shape(s->rows, s->columns), 0.6); /* so that the chain neither explodes nor dies at once */
}
static void scalars(const single *s)
{
    (void)s;
    in[0] = ct_requires_grad(ct_full(ct_shape(), 0.5, CT_F32), true);
    in[1] = ct_full(ct_shape(), 0.999, CT_F32);
    in[2] = ct_full(ct_shape(), 0.001, CT_F32);
}

/* ---- the library ---- */

static const single *current;

static bool library_make(const bench_row *row, int threads)
{
    current = row->config;
    ct_set_threads(threads);
    ct_seed(1);
    current->make(current);
    return !ct_error();
}

static void library_drop(void)
{
    for (int i = 0; i < INPUTS; i++) {
        ct_free(in[i]);
        in[i] = NULL;
    }
    ct_free(labels);
    labels = NULL;
}

/* y = tanh(a b + c) d - exp(-e) */
static void expression(void)
{
    CT_SCOPE;
    ct_tensor *y = ct_sub(ct_mul(ct_tanh(ct_add(ct_mul(in[0], in[1]), in[2])), in[3]), ct_exp(ct_neg(in[4])));
    ct_tensor *g[INPUTS];
    ct_grad(&y, NULL, 1, in, INPUTS, g, once);
}

/* The same on the library's tensors, captured at its first step and replayed. */
static ct_captured *captured;
static int expression_of(void *unused)
{
    (void)unused;
    expression();
    return 0;
}
static bool replay_make(const bench_row *row, int threads)
{
    (void)row, (void)threads;
    return in[0] != NULL;
}
static void replay_expression(void)
{
    if (captured) ct_replay(captured);
    else captured = ct_capture(expression_of, NULL);
}
static void replay_drop(void)
{
    ct_captured_free(captured);
    captured = NULL;
}

static void sum_axis_0(void) { ct_free(ct_sum(in[0], ct_axes(0), false)); }
static void sum_axis_1(void) { ct_free(ct_sum(in[0], ct_axes(1), false)); }
static void sum_all(void) { ct_free(ct_sum(in[0], CT_ALL, false)); }

static void cross_entropy(void)
{
    CT_SCOPE;
    ct_tensor *loss = ct_cross_entropy(in[0], labels), *g;
    ct_grad(&loss, NULL, 1, in, 1, &g, once);
}

/* y = (x - mean) / sqrt(var + 1e-5) gamma + beta over the last axis, with a cotangent as large as y */
static void layer_norm(void)
{
    CT_SCOPE;
    ct_tensor *y = ct_layer_norm(in[0], in[1], in[2], 1e-5), *g[3];
    ct_grad(&y, &in[3], 1, in, 3, g, once);
}

static void transposed_copy(void)
{
    CT_SCOPE;
    ct_contiguous(ct_transpose(in[0]));
}
static void transposed_copy_fresh(void)
{
    transposed_copy();
    ct_memory_trim(); /* gives the output back, so that the next one is new memory */
}

static void add_row(void) { ct_free(ct_add(in[0], in[1])); }
static void add_column(void) { ct_free(ct_add(in[0], in[2])); }

static void chain_of_products(void)
{
    CT_SCOPE;
    ct_tensor *y = in[0], *g[2];
    for (int i = 0; i < CHAIN_PRODUCTS; i++) y = ct_matmul(y, in[1]);
    ct_grad(&y, NULL, 1, in, 2, g, once);
}

static void chain_of_scalars(void)
{
    CT_SCOPE;
    ct_tensor *y = in[0], *g;
    for (int i = 0; i < CHAIN_SCALARS / 2; i++) y = ct_add(ct_mul(y, in[1]), in[2]);
    ct_grad(&y, NULL, 1, in, 1, &g, once);
}

/* ---- the limits ---- */

static bool memory_make(const bench_row *row, int threads)
{
    const single *s = row->config;
    hardware_memory_make(s->pass, s->footprint, row->bytes, threads);
    return true;
}

static hardware_list blis, openblas;
static float *matrices;

static void make_chain(hardware_list *list, int threads)
{
    enum { SIZE = 64 };
    list->count = 0;
    list->threads = threads;
    matrices = hardware_numbers((CHAIN_PRODUCTS + 2) * SIZE, 0.5);
    float *w = matrices, *y = matrices + SIZE;
    for (int i = 0; i < CHAIN_PRODUCTS; i++) hardware_add(list, 8, 8, 8, y + i * SIZE, false, w, false, y + (i + 1) * SIZE);
    for (int i = CHAIN_PRODUCTS; i > 0; i--) {
        hardware_add(list, 8, 8, 8, y + i * SIZE, false, w, true, y + (i - 1) * SIZE);
        hardware_add(list, 8, 8, 8, y + (i - 1) * SIZE, true, y + i * SIZE, false, w);
    }
}
static bool blis_make(const bench_row *row, int threads)
{
    (void)row;
    make_chain(&blis, threads);
    hardware_choose_blis(&blis);
    return true;
}
static void blis_step(void) { hardware_run(&blis); }
static bool openblas_make(const bench_row *row, int threads)
{
    (void)row;
    if (!bench_openblas) return false;
    make_chain(&openblas, threads);
    if (hardware_choose_openblas(&openblas, bench_openblas)) return true;
    free(matrices);
    return false;
}
static void openblas_step(void) { hardware_run(&openblas); }
static void chain_drop(void) { free(matrices); }

#define LIMIT {"limit", memory_make, hardware_memory_step, hardware_memory_drop}
#define BESIDE_MEMORY(step) (const bench_contestant[]){{"library", library_make, step, library_drop}, LIMIT, BENCH_END}
static const bench_contestant expression_contestants[] = {
    {"library", library_make, expression, library_drop}, {"replay", replay_make, replay_expression, replay_drop}, LIMIT, BENCH_END};
static const bench_contestant chain_contestants[] = {
    {"library", library_make, chain_of_products, library_drop},
    {"blis", blis_make, blis_step, chain_drop},
    {"openblas", openblas_make, openblas_step, chain_drop},
    BENCH_END,
};
static const bench_contestant scalar_contestants[] = {
    {"library", library_make, chain_of_scalars, library_drop},
    BENCH_END,
};

/* Bytes: an expression reads five arrays and writes y, then reads five and writes five gradients; a layer norm reads x, writes y,
 * reads x and the cotangent, writes the gradient. */
#define M 1e6
#define BIG (4096.0 * 4096.0 * 4.0)
static const single million = {five_leaves, 1000, 1000, 44 * M, HARDWARE_TRIAD};
static const single small = {five_leaves, 64, 64, 11 * 64 * 64 * 4.0, HARDWARE_TRIAD};
static const single big_read = {constants, 4096, 4096, BIG, HARDWARE_READ};
static const single big_copy = {constants, 4096, 4096, 2 * BIG, HARDWARE_TRIAD};
static const single loss = {logits, 1024, 1000, 8 * 1.024 * M, HARDWARE_TRIAD};
static const single norm = {norm_inputs, 4096, 768, 4 * 4096 * 768 * 4.0, HARDWARE_TRIAD};
static const single chain_8 = {two_leaves, 8, 8, 0, HARDWARE_READ};
static const single chain_0 = {scalars, 0, 0, 0, HARDWARE_READ};

const bench_row bench_single_rows[] = {
    {"E1", "tanh(a b + c) d - exp(-e), 10^6 elements, forward and backward", expression_contestants, &million, 1, 64 * M, 0},
    {"E2", "the same on 64 x 64", expression_contestants, &small, 1, 16 * 64 * 64 * 4.0, 0},
    {"E3.0", "sum of 4096 x 4096 over axis 0", BESIDE_MEMORY(sum_axis_0), &big_read, 1, BIG, 0},
    {"E3.1", "sum of 4096 x 4096 over axis 1", BESIDE_MEMORY(sum_axis_1), &big_read, 1, BIG, 0},
    {"E3.all", "sum of 4096 x 4096 over all", BESIDE_MEMORY(sum_all), &big_read, 1, BIG, 0},
    {"E4", "softmax with cross-entropy, 1024 x 1000, forward and backward", BESIDE_MEMORY(cross_entropy), &loss, 1, 8 * 1.024 * M,
     0},
    {"E5", "layer norm 4096 x 768, forward and backward", BESIDE_MEMORY(layer_norm), &norm, 1, 5 * 4096 * 768 * 4.0, 0},
    {"E6.fresh", "transposed copy of 4096 x 4096, fresh output", BESIDE_MEMORY(transposed_copy_fresh), &big_copy, 1, 2 * BIG, 0},
    {"E6", "transposed copy of 4096 x 4096, pooled output", BESIDE_MEMORY(transposed_copy), &big_copy, 1, 2 * BIG, 0},
    {"E7.row", "4096 x 4096 + row, pooled output", BESIDE_MEMORY(add_row), &big_copy, 1, 2 * BIG, 0},
    {"E7.col", "4096 x 4096 + column, pooled output", BESIDE_MEMORY(add_column), &big_copy, 1, 2 * BIG, 0},
    {"E8", "100 chained 8 x 8 products, forward and backward", chain_contestants, &chain_8, 1, 0, 300 * 1024.0},
    {"E9", "chain of 1000 scalar operations, forward and backward, per operation", scalar_contestants, &chain_0, CHAIN_SCALARS, 0,
     0},
    {NULL, NULL, NULL, NULL, 1, 0, 0},
};
