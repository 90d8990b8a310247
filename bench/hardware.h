/*
 * hardware.h - what the machine allows: a loop of multiply-adds, a triad a = b + s c, a read, and bare products by BLIS or
 * OpenBLAS.
 *
 * Each is made once for a size; where it can be done in several ways (with or without non-temporal stores, one thread or more,
 * BLIS's small or packed path), all are timed when it is made and the fastest one runs from then on.
 */
#ifndef BENCH_HARDWARE_H
#define BENCH_HARDWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- memory: moves `traffic` bytes, in passes over `footprint` bytes ---- */

typedef enum hardware_pass { HARDWARE_TRIAD, HARDWARE_TRIAD_PLAIN, HARDWARE_READ } hardware_pass;
void hardware_memory_make(hardware_pass pass, double footprint, double traffic, int threads);
void hardware_memory_step(void);
void hardware_memory_drop(void);

/* ---- arithmetic ---- */

/* Multiply-adds on vectors that stay in registers, on each of the threads. */
enum { HARDWARE_FMA_FLOPS = 2 << 20 };
void hardware_fma(int threads);

/* A parallel region with nothing in it; and one in which the last thread reads what the first has just written: how far the processors are
 * from each other, which may change where they are not real ones. */
enum { HARDWARE_PASSED_ON = 32 << 10 /* bytes */ };
void hardware_region(int threads);
void hardware_pass_on(int threads);

/* ---- products C = A B ---- */

typedef struct hardware_product {
    int m, n, k;
    const float *a; /* [m, k], or [k, m] where ta */
    const float *b; /* [k, n], or [n, k] where tb */
    float *c;       /* [m, n] */
    bool ta, tb;
    int way; /* chosen when made */
} hardware_product;

enum { HARDWARE_PRODUCTS = 512 };
typedef struct hardware_list {
    int count, threads;
    hardware_product product[HARDWARE_PRODUCTS];
} hardware_list;

void hardware_add(hardware_list *list, int m, int n, int k, const float *a, bool ta, const float *b, bool tb, float *c);
/* Chooses for each product the fastest of BLIS's ways at that many threads. */
void hardware_choose_blis(hardware_list *list);
/* Takes OpenBLAS from a shared library; false where it cannot be had. */
bool hardware_choose_openblas(hardware_list *list, const char *path);
bool hardware_load_openblas(const char *path, int threads);
/* C = A B + beta C by OpenBLAS, once loaded; strides as in hand.h. */
void hardware_openblas(int m, int n, int k, const float *a, int rsa, int csa, const float *b, int rsb, int csb, float beta,
                       float *c, int rsc);
void hardware_run(const hardware_list *list);
double hardware_list_flops(const hardware_list *list);

double hardware_now(void);                           /* seconds */
float *hardware_numbers(size_t count, double scale); /* random, aligned; released by free */

#endif
