/*
 * bench.h - what the families of rows and the program that measures them (rows.c) share.
 *
 * A row is a workload, a contestant a way to run one step of it: the library's, the hand-written rival's, the bare limit of the
 * hardware. One row is open at a time, so a family keeps its state in static variables. Steps are timed from outside; they only
 * work.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct bench_row bench_row;

typedef struct bench_contestant {
    const char *name; /* "library", "hand", "limit", "pass", "openblas", ...: the last of a list has none */
    bool (*make)(const bench_row *row, int threads); /* false where it is not to be had */
    void (*step)(void);
    void (*drop)(void);
} bench_contestant;
#define BENCH_END {NULL, NULL, NULL, NULL} /* of a list of them */

struct bench_row {
    const char *name, *what;
    const bench_contestant *contestants;
    const void *config;  /* the family's own */
    double per;          /* the time of a step is divided by it: operations in a chain */
    double bytes, flops; /* moved and computed by a step, 0 where they say nothing */
};

/* Each list ends with a row without a name. */
extern const bench_row bench_mlp_rows[], bench_single_rows[], bench_product_rows[], bench_function_rows[], bench_pass_rows[],
    bench_hardware_rows[], bench_composed_rows[];
extern const bench_contestant bench_product_contestants[];

/* What the program runs: lists of rows, the last one NULL, and which contestant is ours. */
extern const bench_row *const bench_families[];
extern const char *const bench_own;

/* The path of an OpenBLAS to load, NULL for none: it runs in a process of its own, as its idle threads spin. */
extern const char *bench_openblas;

#endif
