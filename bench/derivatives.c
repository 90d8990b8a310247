/*
 * derivatives.c - what derivatives cost: gradient / function, Hessian-vector product / gradient, forward mode / function, on the
 * networks of rows W3 and W5, with one thread and with two.
 *
 * Each ratio of times stands beside the ratio of the floating-point operations in matrix products, as the library counts what
 * ran. Their quotient is what derivatives cost beside the products. The machine is noisy: the contestants take turns in short
 * rounds, times are medians over the rounds and ratios medians of the ratios within a round. Names of rows as arguments choose
 * some. BENCH_ONLY=hvp (or another name) in the environment runs one contestant alone, for a profiler.
 */
#include <cotangent/cotangent.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_LAYERS = 10, ROUNDS = 301 };

typedef struct row {
    const char *name, *what;
    int layers;
    int64_t batch, width[MOST_LAYERS + 1];
    ct_tensor *(*activation)(ct_tensor *z);
} row;

static const row rows[] = {
    {"W3", "784-128-10 relu, CE, B 64", 2, 64, {784, 128, 10}, ct_relu},
    {"W5", "10 layers of 64 tanh, CE, B 32", 10, 32, {64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64}, ct_tanh},
};

/* ---- the loss as a function of all weights and biases, and what is done with it ---- */

typedef struct problem {
    const row *row;
    int count;                       /* parameters: W0, b0, W1, b1, ... */
    ct_tensor *p[2 * MOST_LAYERS];   /* where */
    ct_tensor *v[2 * MOST_LAYERS];   /* along */
    ct_tensor *x, *y;                /* the batch and its classes */
} problem;

static int loss(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const problem *q = context;
    ct_tensor *a = q->x;
    for (int l = 0; l < q->row->layers; l++) {
        a = ct_affine(a, in[2 * l], in[2 * l + 1]);
        if (l + 1 < q->row->layers) a = q->row->activation(a);
    }
    out[0] = ct_cross_entropy(a, q->y);
    return out[0] ? 0 : 1;
}

static void function(problem *q)
{
    CT_SCOPE;
    ct_tensor *f;
    loss(q, q->p, &f);
}

static void gradient(problem *q)
{
    CT_SCOPE;
    ct_tensor *f, *g[2 * MOST_LAYERS];
    ct_value_and_grad(loss, q, q->p, q->count, &f, g);
}

static void hessian_vector_product(problem *q)
{
    CT_SCOPE;
    ct_tensor *Hv[2 * MOST_LAYERS];
    ct_hvp(loss, q, q->p, q->v, q->count, NULL, Hv);
}

static void forward_mode(problem *q)
{
    CT_SCOPE;
    ct_tensor *df;
    ct_jvp(loss, q, q->p, q->v, q->count, NULL, &df, 1);
}

static const struct contestant {
    const char *name, *title;
    void (*run)(problem *q);
    int beside; /* what it is divided by */
} contestants[] = {
    {"f", "function", function, 0},
    {"grad", "gradient / function", gradient, 0},
    {"hvp", "Hessian-vector product / gradient", hessian_vector_product, 1},
    {"jvp", "forward mode / function", forward_mode, 0},
};
enum { CONTESTANTS = sizeof contestants / sizeof contestants[0] };

static problem problem_new(const row *r)
{
    problem q = {.row = r, .count = 2 * r->layers, .x = ct_uniform(ct_shape(r->batch, r->width[0]), 0, 1, CT_F32)};
    q.y = ct_cast(ct_uniform(ct_shape(r->batch), 0, (double)r->width[r->layers], CT_F64), CT_I64);
    for (int i = 0; i < q.count; i++) {
        const int64_t in = r->width[i / 2], out = r->width[i / 2 + 1];
        const ct_shape shape = i % 2 ? ct_shape(out) : ct_shape(in, out);
        q.p[i] = ct_zeros(shape, CT_F32);
        if (i % 2 == 0) ct_init_xavier_uniform(q.p[i], 1);
        q.v[i] = ct_normal(shape, 0, 1, CT_F32);
    }
    return q;
}

/* ---- measuring ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds_for(problem *q, int k, int64_t repetitions)
{
    const double start = now();
    for (int64_t i = 0; i < repetitions; i++) contestants[k].run(q);
    return (now() - start) / (double)repetitions;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values)
{
    double sorted[ROUNDS];
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, ROUNDS, sizeof sorted[0], by_size);
    return sorted[ROUNDS / 2];
}

static double median_ratio(const double *a, const double *b)
{
    double ratio[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) ratio[i] = a[i] / b[i];
    return median(ratio);
}

static int64_t flops_of(problem *q, int k)
{
    const int64_t before = ct_count().gemm_flops;
    contestants[k].run(q);
    return ct_count().gemm_flops - before;
}

static void measure(problem *q, int threads)
{
    double times[CONTESTANTS][ROUNDS];
    int64_t repetitions[CONTESTANTS], flops[CONTESTANTS];
    ct_set_threads(threads);
    for (int k = 0; k < CONTESTANTS; k++) { /* warm up; turns of about a millisecond, most of them undisturbed */
        flops[k] = flops_of(q, k);
        repetitions[k] = 1 + (int64_t)(1e-3 / (seconds_for(q, k, 5) + 1e-9));
        seconds_for(q, k, repetitions[k]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < CONTESTANTS; k++) times[k][round] = seconds_for(q, k, repetitions[k]);
    }
    for (int k = 0; k < CONTESTANTS; k++) {
        const struct contestant *c = &contestants[k];
        printf("%-3s %d  %-34s %9.1f us %9.3f Mflop", q->row->name, threads, c->title, 1e6 * median(times[k]),
               1e-6 * (double)flops[k]);
        if (k) {
            const double time = median_ratio(times[k], times[c->beside]), work = (double)flops[k] / (double)flops[c->beside];
            printf("   time x %5.2f   flops x %5.2f   quotient %5.2f", time, work, time / work);
        }
        printf("\n");
        fflush(stdout);
    }
}

/* One contestant alone, for about three seconds with one thread. */
static void profile(problem *q, const char *name)
{
    ct_set_threads(1);
    for (int k = 0; k < CONTESTANTS; k++) {
        if (strcmp(contestants[k].name, name) != 0) continue;
        const double once = seconds_for(q, k, 100);
        printf("%s %s: %.1f us\n", q->row->name, name, 1e6 * seconds_for(q, k, (int64_t)(3 / once)));
    }
}

static bool wanted(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) return true;
    }
    return count == 0;
}

int main(int argc, char **argv)
{
    const char *only = getenv("BENCH_ONLY");
    ct_seed(1);
    printf("kernels: %s; medians of %d rounds\n", ct_instruction_set(), ROUNDS);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!wanted(rows[i].name, argc - 1, argv + 1)) continue;
        CT_SCOPE;
        problem q = problem_new(&rows[i]);
        if (only) profile(&q, only);
        else {
            printf("\n%s: %s\n", rows[i].name, rows[i].what);
            for (int threads = 1; threads <= 2; threads++) measure(&q, threads);
        }
    }
    return ct_report(stderr);
}
