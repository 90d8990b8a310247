/*
 * vectors.h - functions of whole vectors from libmvec and SLEEF, loaded when the benchmark runs, over an array.
 */
#ifndef BENCH_VECTORS_H
#define BENCH_VECTORS_H

#include <stdbool.h>
#include <stdint.h>

enum { VECTORS_COUNT = 1 << 16 };

typedef struct vectors {
    void (*function)(void);
    bool f64;
} vectors;

/* `name`: as in C, "exp"; the f32 or f64 version for the widest vectors of the machine. false where it cannot be had. */
bool vectors_libmvec(vectors *v, const char *name, bool f64);
/* The versions of at most 1 and of at most 3.5 ulp; the faster one on `x` is taken. */
bool vectors_sleef(vectors *v, const char *path, const char *name, bool f64, const void *x, void *y);
/* y = f(x) over VECTORS_COUNT elements. */
void vectors_run(const vectors *v, const void *x, void *y, int threads);

#endif
