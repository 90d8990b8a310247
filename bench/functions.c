/*
 * functions.c - rows F: transcendental functions over 65536 elements, against libmvec and SLEEF on the same array.
 *
 * The output comes from the pool, so that the arrays stay in the caches and the functions themselves are compared.
 */
#include <cotangent/cotangent.h>

#include <stdlib.h>

#include "bench.h"
#include "hardware.h"
#include "vectors.h"

typedef struct function_config {
    ct_tensor *(*f)(ct_tensor *x);
    const char *name; /* as in C; NULL where nobody else has it */
    double low, high;
    bool f64;
} function_config;

static const function_config *current;
static int team;
static ct_tensor *x;

static ct_tensor *numbers(const function_config *c)
{
    return ct_uniform(ct_shape(VECTORS_COUNT), c->low, c->high, c->f64 ? CT_F64 : CT_F32);
}

static bool library_make(const bench_row *row, int threads)
{
    current = row->config;
    ct_set_threads(threads);
    ct_seed(1);
    x = numbers(current);
    return !ct_error();
}
static void library_step(void) { ct_free(current->f(x)); }
static void library_drop(void) { ct_free(x); }

typedef struct rival {
    vectors function;
    ct_tensor *x, *y;
} rival;
static rival libmvec, sleef;

static bool rival_make(rival *r, const bench_row *row, int threads, bool is_sleef)
{
    const function_config *c = row->config;
    team = threads;
    ct_seed(1);
    r->x = numbers(c);
    r->y = numbers(c);
    const bool found = c->name && (is_sleef ? vectors_sleef(&r->function, getenv("COTANGENT_SLEEF"), c->name, c->f64,
                                                            ct_data(r->x), ct_data(r->y))
                                            : vectors_libmvec(&r->function, c->name, c->f64));
    if (found) return true;
    ct_free(r->x);
    ct_free(r->y);
    return false;
}
static void rival_step(const rival *r) { vectors_run(&r->function, ct_data(r->x), ct_data(r->y), team); }
static void rival_drop(rival *r)
{
    ct_free(r->x);
    ct_free(r->y);
}

static bool libmvec_make(const bench_row *row, int threads) { return rival_make(&libmvec, row, threads, false); }
static void libmvec_step(void) { rival_step(&libmvec); }
static void libmvec_drop(void) { rival_drop(&libmvec); }
static bool sleef_make(const bench_row *row, int threads) { return rival_make(&sleef, row, threads, true); }
static void sleef_step(void) { rival_step(&sleef); }
static void sleef_drop(void) { rival_drop(&sleef); }

static const bench_contestant contestants[] = {
    {"library", library_make, library_step, library_drop},
    {"libmvec", libmvec_make, libmvec_step, libmvec_drop},
    {"sleef", sleef_make, sleef_step, sleef_drop},
    BENCH_END,
};

#define F32(name, f, low, high)                                                                                                  \
    {"F." name, name " of 65536 f32", contestants, &(const function_config){f, name, low, high, false}, 1, 0, 0}
#define F64(name, f, low, high)                                                                                                  \
    {"F." name "64", name " of 65536 f64", contestants, &(const function_config){f, name, low, high, true}, 1, 0, 0}

const bench_row bench_function_rows[] = {
    F32("exp", ct_exp, -10, 10),       F32("log", ct_log, 0.01, 100), F32("tanh", ct_tanh, -4, 4),
    F32("sin", ct_sin, -10, 10),       F32("cos", ct_cos, -10, 10),   F32("erf", ct_erf, -3, 3),
    F32("log1p", ct_log1p, 0, 10),     F32("expm1", ct_expm1, -3, 3), F64("exp", ct_exp, -10, 10),
    F64("log", ct_log, 0.01, 100),     F64("tanh", ct_tanh, -4, 4),   F64("sin", ct_sin, -10, 10),
    {NULL, NULL, NULL, NULL, 1, 0, 0},
};
