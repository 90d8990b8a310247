/*
 * products.c - the contestants of rows G (product_rows.c) in bench_rows: the library's operation, which makes a tensor, and BLIS and
 * OpenBLAS, which do not. The bare product of the library is measured by bench_kernels.
 */
#include <cotangent/cotangent.h>

#include <stdlib.h>

#include "bench.h"
#include "hardware.h"
#include "product_rows.h"

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

const bench_contestant bench_product_contestants[] = {
    {"library", library_make, library_step, library_drop},
    {"blis", blis_make, blis_step, blis_drop},
    {"openblas", openblas_make, openblas_step, openblas_drop},
    {NULL, NULL, NULL, NULL},
};
