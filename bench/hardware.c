/*
 * hardware.c - see hardware.h. Compiled for the machine at hand.
 */
#include "hardware.h"

#include <blis.h>
#include <dlfcn.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined __AVX__
#include <immintrin.h>
#endif

#include "openblas.h"

static volatile float sink; /* results go here now and then, or the compiler would leave the work out */

double hardware_now(void) { return omp_get_wtime(); }

float *hardware_numbers(size_t count, double scale)
{
    float *p = aligned_alloc(64, (count * sizeof *p + 127) / 64 * 64);
    for (size_t i = 0; i < count; i++) p[i] = (float)(scale * ((double)rand() / RAND_MAX * 2 - 1));
    return p;
}

/* The least of three times, each of at least 0.2 ms: enough to tell two ways apart. */
static double seconds_of(void (*run)(void *context), void *context)
{
    double best = 1e30;
    run(context);
    for (int i = 0, repetitions = 1; i < 3;) {
        const double start = hardware_now();
        for (int j = 0; j < repetitions; j++) run(context);
        const double seconds = hardware_now() - start;
        if (seconds < 2e-4) {
            repetitions *= 2;
            continue;
        }
        best = seconds / repetitions < best ? seconds / repetitions : best;
        i++;
    }
    return best;
}

/* ---- memory ---- */

static struct memory {
    hardware_pass pass;
    int threads, passes, way; /* way: 1 with non-temporal stores, or reads fetched ahead; 2 on one thread alone */
    size_t count;             /* elements of each of the arrays */
    float *a, *b, *c;
} memory;

static void triad(float *restrict a, const float *restrict b, const float *restrict c, size_t n)
{
    for (size_t i = 0; i < n; i++) a[i] = b[i] + 1.5f * c[i];
}

/* Past the caches: the line is not read before it is written. n a multiple of 16, all aligned. */
static void triad_streaming(float *restrict a, const float *restrict b, const float *restrict c, size_t n)
{
#if defined __AVX__
    const __m256 s = _mm256_set1_ps(1.5f);
    for (size_t i = 0; i < n; i += 8)
        _mm256_stream_ps(a + i, _mm256_add_ps(_mm256_load_ps(b + i), _mm256_mul_ps(s, _mm256_load_ps(c + i))));
    _mm_sfence();
#else
    triad(a, b, c, n);
#endif
}

/* `ahead`: bytes, fetched before their turn; a processor that looks ahead by itself does not look past a page. */
static float read_all(const float *a, size_t n, size_t ahead)
{
    float sum[64] = {0}, total = 0;
    for (size_t i = 0; i + 64 <= n; i += 64) {
        for (size_t line = 0; ahead && line < 256; line += 64) __builtin_prefetch((const void *)((uintptr_t)(a + i) + ahead + line));
        for (int j = 0; j < 64; j++) sum[j] += a[i + (size_t)j];
    }
    for (int j = 0; j < 64; j++) total += sum[j];
    return total;
}

static void memory_part(size_t from, size_t to)
{
    if (memory.pass == HARDWARE_READ) {
        const float sum = read_all(memory.a + from, to - from, memory.way & 1 ? 8192 : 0);
        if (sum == 0.123f) sink = sum;
    } else if (memory.way & 1) {
        triad_streaming(memory.a + from, memory.b + from, memory.c + from, to - from);
    } else {
        triad(memory.a + from, memory.b + from, memory.c + from, to - from);
    }
}

void hardware_memory_step(void)
{
    const int threads = memory.way & 2 ? 1 : memory.threads;
    const size_t n = memory.count;
    for (int pass = 0; pass < memory.passes; pass++) {
        if (threads == 1) {
            memory_part(0, n);
            continue;
        }
#pragma omp parallel for num_threads(threads) schedule(static, 1)
        for (int i = 0; i < threads; i++)
            memory_part(n * (size_t)i / (size_t)threads / 64 * 64,
                        i + 1 == threads ? n : n * (size_t)(i + 1) / (size_t)threads / 64 * 64);
    }
}

static void memory_run(void *context)
{
    (void)context;
    hardware_memory_step();
}

void hardware_memory_make(hardware_pass pass, double footprint, double traffic, int threads)
{
    const int arrays = pass == HARDWARE_READ ? 1 : 3;
    const int passes = footprint < traffic ? (int)(traffic / footprint + 0.999) : 1;
    const size_t count = (size_t)(traffic / passes / arrays / 4) / 64 * 64;
    memory = (struct memory){.pass = pass, .threads = threads, .passes = passes, .count = count < 64 ? 64 : count};
    memory.a = hardware_numbers(memory.count, 1);
    memory.b = arrays > 1 ? hardware_numbers(memory.count, 1) : NULL;
    memory.c = arrays > 1 ? hardware_numbers(memory.count, 1) : NULL;
    double best = 1e30;
    int chosen = 0;
    for (int way = 0; way < 4; way++) {
        if ((way & 1 && pass == HARDWARE_TRIAD_PLAIN) || (way & 2 && threads == 1)) continue;
        memory.way = way;
        const double seconds = seconds_of(memory_run, NULL);
        if (seconds < best) best = seconds, chosen = way;
    }
    memory.way = chosen;
}

void hardware_memory_drop(void)
{
    free(memory.a);
    free(memory.b);
    free(memory.c);
    memory = (struct memory){0};
}

/* ---- arithmetic ---- */

#if defined __AVX512F__
enum { WIDTH = 16 };
#else
enum { WIDTH = 8 };
#endif
typedef float vector __attribute__((vector_size(WIDTH * 4)));

static float multiply_add(int64_t rounds)
{
    vector x[12], f = {0}, g = {0};
    for (int j = 0; j < WIDTH; j++) f[j] = 0.999f, g[j] = 1e-3f;
    for (int j = 0; j < 12; j++) x[j] = g * (float)(j + 1); /* alike, the compiler would keep one of them */
    vector a = x[0], b = x[1], c = x[2], d = x[3], e = x[4], h = x[5], k = x[6], l = x[7], m = x[8], n = x[9], o = x[10],
           p = x[11];
    for (int64_t i = 0; i < rounds; i++) {
        a = a * f + g, b = b * f + g, c = c * f + g, d = d * f + g, e = e * f + g, h = h * f + g;
        k = k * f + g, l = l * f + g, m = m * f + g, n = n * f + g, o = o * f + g, p = p * f + g;
    }
    a += b + c + d + e + h + k + l + m + n + o + p;
    return a[0];
}

void hardware_fma(int threads)
{
    const int64_t rounds = HARDWARE_FMA_FLOPS / (2 * 12 * WIDTH) / threads;
#pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)
    for (int i = 0; i < threads; i++) {
        const float x = multiply_add(rounds);
        if (x == 0.123f) sink = x;
    }
}

/* ---- from thread to thread ---- */

void hardware_region(int threads)
{
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        __asm__ volatile("" ::: "memory");
    }
}

void hardware_pass_on(int threads)
{
    static _Alignas(64) char passed_on[HARDWARE_PASSED_ON];
    static char value;
    memset(passed_on, ++value, sizeof passed_on);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int sum = 0;
        for (size_t i = 0; omp_get_thread_num() == omp_get_num_threads() - 1 && i < sizeof passed_on; i += 64) sum += passed_on[i];
        if (sum == 1) sink = 1; /* never: there are 512 lines */
    }
}

/* ---- products ---- */

/* The ways of BLIS: its small or its packed path; on one thread, its own threads, or panels of m or n in our parallel loop. */
enum { PACKED = 1, OWN_THREADS = 2, PANELS_M = 4, PANELS_N = 6, HOW = 6, OPENBLAS = 8, WAYS = 8 };

typedef void cblas_gemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b,
                        int ldb, float beta, float *c, int ldc);
static cblas_gemm *openblas_gemm;

static void blis(int m, int n, int k, const float *a, int rsa, int csa, const float *b, int rsb, int csb, float *c, int rsc,
                 int threads, int packed)
{
    float one = 1, zero = 0;
    if (threads == 1 && !packed) { /* the plain call costs half of the expert one where products are tiny */
        bli_sgemm(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, m, n, k, &one, (float *)a, rsa, csa, (float *)b, rsb, csb, &zero, c, rsc,
                  1);
        return;
    }
    rntm_t runtime;
    bli_rntm_init(&runtime);
    bli_rntm_set_num_threads(threads, &runtime);
    if (packed) bli_rntm_disable_l3_sup(&runtime);
    bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, m, n, k, &one, (float *)a, rsa, csa, (float *)b, rsb, csb, &zero, c, rsc,
                 1, NULL, &runtime);
}

static void plain_blis(const hardware_product *p, int from_m, int to_m, int from_n, int to_n, int threads, int packed)
{
    const int rsa = p->ta ? 1 : p->k, csa = p->ta ? p->m : 1, rsb = p->tb ? 1 : p->n, csb = p->tb ? p->k : 1;
    if (to_m <= from_m || to_n <= from_n) return;
    blis(to_m - from_m, to_n - from_n, p->k, p->a + (size_t)from_m * (size_t)rsa, rsa, csa, p->b + (size_t)from_n * (size_t)csb,
         rsb, csb, p->c + (size_t)from_m * (size_t)p->n + from_n, p->n, threads, packed);
}

/* The i-th of `parts` cuts of n, at multiples of 8. */
static int cut(int n, int i, int parts) { return i == parts ? n : (int)((int64_t)n * i / parts / 8 * 8); }

/* Where both strides are 1 (a row or a column alone), the one that is long enough for a leading dimension counts. */
void hardware_openblas(int m, int n, int k, const float *a, int rsa, int csa, const float *b, int rsb, int csb, float beta,
                       float *c, int rsc)
{
    const bool ta = csa != 1 || rsa < k, tb = csb != 1 || rsb < n;
    openblas_gemm(101, ta ? 112 : 111, tb ? 112 : 111, m, n, k, 1, a, ta ? csa : rsa, b, tb ? csb : rsb, beta, c, rsc);
}

static void multiply(const hardware_product *p, int threads)
{
    const int packed = p->way & PACKED, how = p->way & HOW;
    if (p->way == OPENBLAS) {
        openblas_gemm(101, p->ta ? 112 : 111, p->tb ? 112 : 111, p->m, p->n, p->k, 1, p->a, p->ta ? p->m : p->k, p->b,
                      p->tb ? p->k : p->n, 0, p->c, p->n);
    } else if (how < PANELS_M) {
        plain_blis(p, 0, p->m, 0, p->n, how == OWN_THREADS ? threads : 1, packed);
    } else {
#pragma omp parallel for num_threads(threads) schedule(static, 1)
        for (int i = 0; i < threads; i++) {
            if (how == PANELS_M) plain_blis(p, cut(p->m, i, threads), cut(p->m, i + 1, threads), 0, p->n, 1, packed);
            else plain_blis(p, 0, p->m, cut(p->n, i, threads), cut(p->n, i + 1, threads), 1, packed);
        }
    }
}

typedef struct trial {
    const hardware_product *product;
    int threads;
} trial;
static void run_trial(void *context)
{
    const trial *t = context;
    multiply(t->product, t->threads);
}

void hardware_add(hardware_list *list, int m, int n, int k, const float *a, bool ta, const float *b, bool tb, float *c)
{
    if (list->count == HARDWARE_PRODUCTS) return;
    list->product[list->count++] = (hardware_product){m, n, k, a, b, c, ta, tb, 0};
}

static bool same_shape(const hardware_product *p, const hardware_product *q)
{
    return p->m == q->m && p->n == q->n && p->k == q->k && p->ta == q->ta && p->tb == q->tb;
}

void hardware_choose_blis(hardware_list *list)
{
    bli_init();
    bli_thread_set_num_threads(1); /* for plain calls */
    for (int i = 0; i < list->count; i++) {
        hardware_product *p = &list->product[i];
        int known = 0;
        while (!same_shape(p, &list->product[known])) known++;
        if (known < i) {
            p->way = list->product[known].way;
            continue;
        }
        double best = 1e30;
        int chosen = 0;
        for (int way = 0; way < (list->threads > 1 ? WAYS : OWN_THREADS); way++) {
            p->way = way;
            const double seconds = seconds_of(run_trial, &(trial){p, list->threads});
            if (seconds < best) best = seconds, chosen = way;
        }
        p->way = chosen;
    }
}

bool hardware_load_openblas(const char *path, int threads)
{
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!library) return false;
    void (*set_threads)(int) = NULL;
    void *found = openblas_function(library, "cblas_sgemm"), *setter = openblas_function(library, "openblas_set_num_threads");
    if (!found || !setter) return false;
    memcpy(&openblas_gemm, &found, sizeof found); /* ISO C has no cast from an object's pointer to a function's */
    memcpy(&set_threads, &setter, sizeof setter);
    set_threads(threads);
    return true;
}

bool hardware_choose_openblas(hardware_list *list, const char *path)
{
    if (!hardware_load_openblas(path, list->threads)) return false;
    for (int i = 0; i < list->count; i++) list->product[i].way = OPENBLAS;
    return true;
}

void hardware_run(const hardware_list *list)
{
    for (int i = 0; i < list->count; i++) multiply(&list->product[i], list->threads);
}

double hardware_list_flops(const hardware_list *list)
{
    double flops = 0;
    for (int i = 0; i < list->count; i++) flops += 2.0 * list->product[i].m * list->product[i].n * list->product[i].k;
    return flops;
}
