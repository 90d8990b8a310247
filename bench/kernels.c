/*
 * kernels.c - bench_kernels: the library's bare products on rows G, as BLIS and OpenBLAS offer theirs: into a matrix that is there.
 *
 * The function is internal, so this program is linked to the static library, and is a process of its own in the contest.
 */
#include "tensor/tensor.h"

#include <stdlib.h>

#include "bench.h"
#include "hardware.h"
#include "product_rows.h"

const char *const bench_own = "product";
const bench_row *const bench_families[] = {bench_product_rows, NULL};

static float *a, *b, *c;
static ct__matrix left, right, result;

static ct__matrix matrix_of(float *data, int rows, int columns, bool transposed)
{
    return (ct__matrix){.data = (char *)data, .rows = rows, .columns = columns, .row = transposed ? 1 : columns,
                        .column = transposed ? rows : 1};
}

static bool product_make(const bench_row *row, int threads)
{
    const product_config *p = row->config;
    ct_set_threads(threads);
    a = hardware_numbers((size_t)p->m * (size_t)p->k, 1);
    b = hardware_numbers((size_t)p->k * (size_t)p->n, 1);
    c = hardware_numbers((size_t)p->m * (size_t)p->n, 1);
    left = matrix_of(a, p->m, p->k, p->ta);
    right = matrix_of(b, p->k, p->n, p->tb);
    result = matrix_of(c, p->m, p->n, false);
    return a && b && c;
}
static void product_step(void) { ct__gemm(CT_F32, 1, 1, &left, 0, &right, 0, 0, &result, 0); }
static void product_drop(void)
{
    free(a);
    free(b);
    free(c);
}

const bench_contestant bench_product_contestants[] = {
    {"product", product_make, product_step, product_drop},
    BENCH_END,
};
