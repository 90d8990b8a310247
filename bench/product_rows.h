/*
 * product_rows.h - what a row G computes: C [m, n] = A B of f32, of which A or B may be stored transposed.
 */
#ifndef BENCH_PRODUCT_ROWS_H
#define BENCH_PRODUCT_ROWS_H

#include <stdbool.h>

typedef struct product_config {
    int m, n, k;
    bool ta, tb;
} product_config;

#endif
