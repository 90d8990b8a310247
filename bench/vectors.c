/*
 * vectors.c - see vectors.h. Compiled for the machine at hand.
 */
#include "vectors.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "hardware.h"

#if defined __AVX512F__
enum { BYTES = 64 };
#define LIBMVEC "_ZGVeN"
#define SLEEF_SUFFIX "avx512f"
#elif defined __AVX2__
enum { BYTES = 32 };
#define LIBMVEC "_ZGVdN"
#define SLEEF_SUFFIX "avx2"
#elif defined __aarch64__
enum { BYTES = 16 };
#define LIBMVEC "_ZGVnN"
#define SLEEF_SUFFIX "advsimd"
#else
enum { BYTES = 16 };
#define LIBMVEC "_ZGVbN"
#define SLEEF_SUFFIX "sse2"
#endif

typedef float f32s __attribute__((vector_size(BYTES)));
typedef double f64s __attribute__((vector_size(BYTES)));
typedef f32s f32_function(f32s x);
typedef f64s f64_function(f64s x);

/* ISO C has no cast from an object's pointer to a function's. */
static bool take(vectors *v, void *library, const char *symbol, bool f64)
{
    void *found = library ? dlsym(library, symbol) : NULL;
    if (!found) return false;
    memcpy(&v->function, &found, sizeof found);
    v->f64 = f64;
    return true;
}

bool vectors_libmvec(vectors *v, const char *name, bool f64)
{
    char symbol[64];
    snprintf(symbol, sizeof symbol, LIBMVEC "%dv_%s%s", f64 ? BYTES / 8 : BYTES / 4, name, f64 ? "" : "f");
    return take(v, dlopen("libmvec.so.1", RTLD_NOW | RTLD_LOCAL), symbol, f64);
}

static double seconds_of(const vectors *v, const void *x, void *y)
{
    double best = 1e30;
    for (int i = 0; i < 5; i++) {
        const double start = hardware_now();
        vectors_run(v, x, y, 1);
        const double seconds = hardware_now() - start;
        best = seconds < best ? seconds : best;
    }
    return best;
}

bool vectors_sleef(vectors *v, const char *path, const char *name, bool f64, const void *x, void *y)
{
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    double best = 1e30;
    for (int precision = 10; library && precision <= 35; precision += 25) {
        char symbol[64];
        vectors one;
        snprintf(symbol, sizeof symbol, "Sleef_%s%s%d_u%d%s", name, f64 ? "d" : "f", f64 ? BYTES / 8 : BYTES / 4, precision,
                 SLEEF_SUFFIX);
        if (!take(&one, library, symbol, f64)) continue;
        const double seconds = seconds_of(&one, x, y);
        if (seconds < best) best = seconds, *v = one;
    }
    return best < 1e30;
}

static void run_f32(f32_function *f, const char *x, char *y, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += BYTES) {
        f32s value;
        memcpy(&value, x + i, BYTES);
        value = f(value);
        memcpy(y + i, &value, BYTES);
    }
}
static void run_f64(f64_function *f, const char *x, char *y, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += BYTES) {
        f64s value;
        memcpy(&value, x + i, BYTES);
        value = f(value);
        memcpy(y + i, &value, BYTES);
    }
}

void vectors_run(const vectors *v, const void *x, void *y, int threads)
{
    const size_t bytes = (size_t)VECTORS_COUNT * (v->f64 ? 8 : 4);
#pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)
    for (int i = 0; i < threads; i++) {
        const size_t from = bytes * (size_t)i / (size_t)threads / BYTES * BYTES,
                     to = bytes * (size_t)(i + 1) / (size_t)threads / BYTES * BYTES;
        if (v->f64) run_f64((f64_function *)v->function, (const char *)x + from, (char *)y + from, to - from);
        else run_f32((f32_function *)v->function, (const char *)x + from, (char *)y + from, to - from);
    }
}
