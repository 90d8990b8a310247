/*
 * products.c - rows G: each product of the multilayer perceptrons W1 to W6 by itself, against BLIS and OpenBLAS.
 *
 * G3.f0 is the forward product of layer 0 of W3, w0 that for the gradient of its weight (left operand transposed), x1 that for
 * the gradient of layer 1's input (right operand transposed).
 */
#include <cotangent/cotangent.h>

#include <stdlib.h>

#include "bench.h"
#include "hardware.h"

typedef struct product_config {
    int m, n, k;
    bool ta, tb;
} product_config;

typedef struct product_state {
    hardware_list list;
    float *a, *b, *c;
    ct_tensor *left, *right;
} product_state;
static product_state library, blis, openblas;

static void make(product_state *s, const bench_row *row, int threads)
{
    const product_config *p = row->config;
    s->a = hardware_numbers((size_t)p->m * (size_t)p->k, 1);
    s->b = hardware_numbers((size_t)p->k * (size_t)p->n, 1);
    s->c = hardware_numbers((size_t)p->m * (size_t)p->n, 1);
    s->list.count = 0;
    s->list.threads = threads;
    hardware_add(&s->list, p->m, p->n, p->k, s->a, p->ta, s->b, p->tb, s->c);
}
static void drop(product_state *s)
{
    free(s->a);
    free(s->b);
    free(s->c);
}

static ct_tensor *operand(float *data, int rows, int columns, bool transposed)
{
    const int scope = ct_scope_begin();
    ct_tensor *t = ct_wrap(data, transposed ? ct_shape(columns, rows) : ct_shape(rows, columns), CT_F32, NULL, NULL);
    ct_tensor *view = ct_keep(transposed ? ct_transpose(t) : ct_alias(t));
    ct_scope_end(scope);
    return view;
}

static bool library_make(const bench_row *row, int threads)
{
    const product_config *p = row->config;
    make(&library, row, threads);
    ct_set_threads(threads);
    library.left = operand(library.a, p->m, p->k, p->ta);
    library.right = operand(library.b, p->k, p->n, p->tb);
    return !ct_error();
}
static void library_step(void) { ct_free(ct_matmul(library.left, library.right)); }
static void library_drop(void)
{
    ct_free(library.left);
    ct_free(library.right);
    drop(&library);
}

static bool blis_make(const bench_row *row, int threads)
{
    make(&blis, row, threads);
    hardware_choose_blis(&blis.list);
    return true;
}
static void blis_step(void) { hardware_run(&blis.list); }
static void blis_drop(void) { drop(&blis); }

static bool openblas_make(const bench_row *row, int threads)
{
    if (!bench_openblas) return false;
    make(&openblas, row, threads);
    if (hardware_choose_openblas(&openblas.list, bench_openblas)) return true;
    drop(&openblas);
    return false;
}
static void openblas_step(void) { hardware_run(&openblas.list); }
static void openblas_drop(void) { drop(&openblas); }

static const bench_contestant contestants[] = {
    {"library", library_make, library_step, library_drop},
    {"blis", blis_make, blis_step, blis_drop},
    {"openblas", openblas_make, openblas_step, openblas_drop},
    {NULL, NULL, NULL, NULL},
};

#define FLOPS(m, n, k) (2.0 * (m) * (n) * (k))
#define FORWARD(name, m, n, k)                                                                                                   \
    {name, #m " x " #n " x " #k, contestants, &(const product_config){m, n, k, false, false}, 1, 0, FLOPS(m, n, k)}
#define WEIGHT(name, m, n, k)                                                                                                    \
    {name, #m " x " #n " x " #k ", left transposed", contestants, &(const product_config){m, n, k, true, false}, 1, 0,           \
     FLOPS(m, n, k)}
#define INPUT(name, m, n, k)                                                                                                     \
    {name, #m " x " #n " x " #k ", right transposed", contestants, &(const product_config){m, n, k, false, true}, 1, 0,          \
     FLOPS(m, n, k)}

const bench_row bench_product_rows[] = {
    FORWARD("G1.f0", 4, 8, 2),         FORWARD("G1.f1", 4, 1, 8),        WEIGHT("G1.w0", 2, 8, 4),
    WEIGHT("G1.w1", 8, 1, 4),          INPUT("G1.x1", 4, 8, 1),          FORWARD("G2.f0", 32, 32, 64),
    FORWARD("G2.f1", 32, 10, 32),      WEIGHT("G2.w0", 64, 32, 32),      WEIGHT("G2.w1", 32, 10, 32),
    INPUT("G2.x1", 32, 32, 10),        FORWARD("G3.f0", 64, 128, 784),   FORWARD("G3.f1", 64, 10, 128),
    WEIGHT("G3.w0", 784, 128, 64),     WEIGHT("G3.w1", 128, 10, 64),     INPUT("G3.x1", 64, 128, 10),
    FORWARD("G4.f0", 128, 512, 784),   FORWARD("G4.f1", 128, 512, 512),  FORWARD("G4.f2", 128, 10, 512),
    WEIGHT("G4.w0", 784, 512, 128),    WEIGHT("G4.w1", 512, 512, 128),   WEIGHT("G4.w2", 512, 10, 128),
    INPUT("G4.x1", 128, 512, 512),     INPUT("G4.x2", 128, 512, 10),     FORWARD("G5.f0", 32, 64, 64),
    WEIGHT("G5.w0", 64, 64, 32),       INPUT("G5.x1", 32, 64, 64),       FORWARD("G6.f0", 1024, 2048, 2048),
    WEIGHT("G6.w0", 2048, 2048, 1024), INPUT("G6.x1", 1024, 2048, 2048), {NULL, NULL, NULL, NULL, 1, 0, 0},
};
