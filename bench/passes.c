/*
 * passes.c - rows P: passes over memory without transcendental functions, larger than the last-level cache, against the triad
 * (sums: against a read) of as many bytes. Rows H: the machine by itself.
 */
#include <cotangent/cotangent.h>

#include "bench.h"
#include "hardware.h"

typedef struct pass_config {
    double footprint;
    hardware_pass pass;
} pass_config;

enum { SIDE = 4096, ARRAYS = 4 };
#define ARRAY (4.0 * SIDE * SIDE)

static ct_tensor *t[ARRAYS];

static bool library_make(const bench_row *row, int threads)
{
    (void)row;
    ct_set_threads(threads);
    ct_seed(1);
    for (int i = 0; i < ARRAYS; i++) t[i] = ct_uniform(ct_shape(SIDE, SIDE), i == 3 ? 0 : -1, 1, CT_F32);
    return !ct_error();
}
static void library_drop(void)
{
    for (int i = 0; i < ARRAYS; i++) ct_free(t[i]);
}

static void add(void) { ct_free(ct_add(t[0], t[1])); }
static void mul_scalar(void)
{
    CT_SCOPE;
    ct_mul(t[0], ct_scalar(1.5));
}
static void relu(void) { ct_free(ct_relu(t[0])); }
static void clone(void) { ct_free(ct_clone(t[0])); }
static void maximum(void) { ct_free(ct_max(t[0], CT_ALL, false)); }
static void maximum_rows(void) { ct_free(ct_max(t[0], ct_axes(1), false)); }
static void mean_columns(void) { ct_free(ct_mean(t[0], ct_axes(0), false)); }
static void argmax_rows(void) { ct_free(ct_argmax(t[0], 1, false)); }
static void variance_rows(void) { ct_free(ct_var(t[0], ct_axes(1), 0, false)); }
static void running_sums(void) { ct_free(ct_cumsum(t[0], 1)); }
static void by_vector(void)
{
    CT_SCOPE;
    ct_matmul(t[0], ct_select(t[1], 0, 0));
}
static void vector_by(void)
{
    CT_SCOPE;
    ct_matmul(ct_select(t[1], 0, 0), t[0]);
}
static void add_in_place(void) { ct_add_(t[0], 1e-6, t[1]); }
static void sgd(void) { ct_sgd_step_(&t[0], &t[1], NULL, 1, (ct_sgd_step){.lr = 1e-6}); }
static void adam(void)
{
    ct_adam_step_(&t[0], &t[1], &t[2], &t[3], 1, (ct_adam_step){.lr = 1e-6, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .t = 10});
}

static bool limit_make(const bench_row *row, int threads)
{
    const pass_config *c = row->config;
    hardware_memory_make(c->pass, c->footprint, row->bytes, threads);
    return true;
}

static int team;
static bool team_make(const bench_row *row, int threads)
{
    (void)row;
    team = threads;
    return true;
}
static void fma_step(void) { hardware_fma(team); }
static void region_step(void) { hardware_region(team); }
static void pass_on_step(void) { hardware_pass_on(team); }
static void nothing(void) {}

#define LIMIT {"limit", limit_make, hardware_memory_step, hardware_memory_drop}
#define PASS(name, what, step, arrays, pass)                                                                                     \
    {name, what, (const bench_contestant[]){{"library", library_make, step, library_drop}, LIMIT, BENCH_END},                    \
     &(const pass_config){(arrays) * ARRAY, pass}, 1, (arrays) * ARRAY, 0}

const bench_row bench_pass_rows[] = {
    PASS("P.add", "x + y of 4096 x 4096", add, 3, HARDWARE_TRIAD),
    PASS("P.mul", "1.5 x", mul_scalar, 2, HARDWARE_TRIAD),
    PASS("P.relu", "relu x", relu, 2, HARDWARE_TRIAD),
    PASS("P.clone", "a copy", clone, 2, HARDWARE_TRIAD),
    PASS("P.axpy", "x += a y in place", add_in_place, 3, HARDWARE_TRIAD),
    PASS("P.sgd", "SGD's step", sgd, 3, HARDWARE_TRIAD),
    PASS("P.adam", "Adam's step", adam, 7, HARDWARE_TRIAD),
    PASS("P.max", "largest of all", maximum, 1, HARDWARE_READ),
    PASS("P.max1", "largest of each row", maximum_rows, 1, HARDWARE_READ),
    PASS("P.mean0", "mean of each column", mean_columns, 1, HARDWARE_READ),
    PASS("P.argmax", "place of the largest of each row", argmax_rows, 1, HARDWARE_READ),
    PASS("P.var", "variance of each row, in two passes", variance_rows, 2, HARDWARE_READ),
    PASS("P.cumsum", "running sums of rows", running_sums, 2, HARDWARE_TRIAD),
    PASS("P.mv", "matrix times vector", by_vector, 1, HARDWARE_READ),
    PASS("P.vm", "vector times matrix", vector_by, 1, HARDWARE_READ),
    {NULL, NULL, NULL, NULL, 1, 0, 0},
};

#define MEMORY(name, what, footprint, traffic, pass)                                                                             \
    {name, what, (const bench_contestant[]){LIMIT, BENCH_END}, &(const pass_config){footprint, pass}, 1, traffic, 0}

const bench_row bench_hardware_rows[] = {
    {"H.fma", "multiply-adds in registers", (const bench_contestant[]){{"limit", team_make, fma_step, nothing}, BENCH_END}, NULL, 1,
     0, HARDWARE_FMA_FLOPS},
    MEMORY("H.triad", "triad, 192 MB, the better of plain and non-temporal stores", 192e6, 192e6, HARDWARE_TRIAD),
    MEMORY("H.plain", "triad, 192 MB, plain stores", 192e6, 192e6, HARDWARE_TRIAD_PLAIN),
    MEMORY("H.l3", "triad, 6 MB", 6e6, 24e6, HARDWARE_TRIAD),
    MEMORY("H.l2", "triad, 240 KB", 240e3, 9600e3, HARDWARE_TRIAD),
    MEMORY("H.read", "sum of 64 MB", 64e6, 64e6, HARDWARE_READ),
    {"H.region", "a parallel region with nothing in it",
     (const bench_contestant[]){{"limit", team_make, region_step, nothing}, BENCH_END}, NULL, 1, 0, 0},
    {"H.pass", "32 KB that one thread writes and another reads, with a region",
     (const bench_contestant[]){{"limit", team_make, pass_on_step, nothing}, BENCH_END}, NULL, 1, 0, 0},
    {NULL, NULL, NULL, NULL, 1, 0, 0},
};
