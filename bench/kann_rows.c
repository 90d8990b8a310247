/*
 * kann_rows.c - KANN, the static graph in C, on rows W1 to W6, by the protocol of rows.c. bench/run compiles it with KANN's two
 * source files where COTANGENT_KANN names their folder; nothing of KANN is kept here.
 *
 *     kann_rows --openblas PATH [--threads N] [--peak ROW]
 *
 * Its products run on the OpenBLAS given. With more than one thread both of its ways are tried when a row is opened, OpenBLAS's
 * threads and KANN's own (kann_mt, which splits the batch), and the faster one is measured. The optimizer is its example's:
 * parameters less lr times gradients in one pass for SGD; RMSprop where the row asks for Adam, which KANN has not, so it does less.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cblas.h"
#include "kann.h"
#include "openblas.h"
#include "timing.h"

enum { LAYERS = 10 };

typedef struct net_row {
    const char *name;
    int layers, batch, width[LAYERS + 1];
    bool tanh, binary, adam;
} net_row;

static const net_row rows[] = {
    {"W1", 2, 4, {2, 8, 1}, true, true, false},
    {"W2", 2, 32, {64, 32, 10}, false, false, false},
    {"W3", 2, 64, {784, 128, 10}, false, false, true},
    {"W4", 3, 128, {784, 512, 512, 10}, false, false, true},
    {"W5", 10, 32, {64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64}, true, false, false},
    {"W6", 3, 1024, {2048, 2048, 2048, 2048}, false, false, false},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static int threads = 1;

/* ---- OpenBLAS ---- */

static void (*sgemm)(enum CBLAS_ORDER, enum CBLAS_TRANSPOSE, enum CBLAS_TRANSPOSE, int, int, int, float, const float *, int,
                     const float *, int, float, float *, int);
static void (*saxpy)(int, float, const float *, int, float *, int);
static void (*set_threads)(int);

void cblas_sgemm(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, int m, int n, int k, float alpha,
                 const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
    sgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void cblas_saxpy(int n, float a, const float *x, int incx, float *y, int incy) { saxpy(n, a, x, incx, y, incy); }

/* ISO C has no cast from an object's pointer to a function's. */
static bool find(void *library, const char *name, void *to)
{
    void *found = openblas_function(library, name);
    memcpy(to, &found, sizeof found);
    return found;
}

static bool load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    return library && find(library, "cblas_sgemm", &sgemm) && find(library, "cblas_saxpy", &saxpy)
           && find(library, "openblas_set_num_threads", &set_threads);
}

/* ---- the row that is open ---- */

static const net_row *row;
static kann_t *net;
static float *x, *y, *moments;

static void step(void)
{
    kann_cost(net, 0, 1);
    const int n = kann_size_var(net);
    if (row->adam) kann_RMSprop(n, 1e-3f, NULL, 0.9f, net->g, net->x, moments);
    else kad_saxpy(n, -1e-3f, net->g, net->x);
}

static void use_own_threads(bool own)
{
    set_threads(own ? 1 : threads);
    kann_mt(net, 0, 0); /* it does not take back what it made before */
    kann_mt(net, own ? threads : 1, row->batch);
}

static void choose_threads(void)
{
    double best[2] = {1e9, 1e9};
    for (int turn = 0; turn < 6; turn++) {
        use_own_threads(turn % 2);
        const double time = timing_measure(step, 0.05).seconds;
        if (time < best[turn % 2]) best[turn % 2] = time;
    }
    use_own_threads(best[1] < best[0]);
}

static void open_row(const char *name)
{
    for (row = rows; row < rows + ROWS && strcmp(row->name, name) != 0;) row++;
    if (row == rows + ROWS) {
        row = NULL;
        return;
    }
    const int in = row->width[0], out = row->width[row->layers], batch = row->batch;
    kad_node_t *t = kann_layer_input(in);
    for (int l = 1; l < row->layers; l++) {
        t = kann_layer_dense(t, row->width[l]);
        t = row->tanh ? kad_tanh(t) : kad_relu(t);
    }
    net = kann_new(kann_layer_cost(t, out, row->binary ? KANN_C_CEB : KANN_C_CEM), 0);
    x = malloc((size_t)(batch * in) * sizeof *x);
    y = calloc((size_t)(batch * out), sizeof *y);
    moments = calloc((size_t)kann_size_var(net), sizeof *moments);
    for (int i = 0; i < batch * in; i++) x[i] = (float)(2 * kann_drand() - 1);
    for (int i = 0; i < batch; i++) y[row->binary ? i : i * out + i % out] = row->binary ? (float)(i % 2) : 1;
    kann_set_batch_size(net, batch);
    kann_feed_bind(net, KANN_F_IN, 0, &x);
    kann_feed_bind(net, KANN_F_TRUTH, 0, &y);
    if (threads > 1) choose_threads();
    else set_threads(1);
}

static void close_row(void)
{
    if (!row) return;
    kann_delete(net);
    free(x);
    free(y);
    free(moments);
    row = NULL;
}

static void obey(const char *line)
{
    char command[16] = "", word[32] = "";
    double seconds = 0;
    sscanf(line, "%15s %31s %lf", command, word, &seconds);
    if (strcmp(command, "list") == 0) {
        printf("{\"rows\": [");
        for (int i = 0; i < ROWS; i++) printf("%s\"%s\"", i ? ", " : "", rows[i].name);
        printf("], \"peer\": \"kann\", \"version\": \"%s\"}\n", KAD_VERSION);
    } else if (strcmp(command, "open") == 0) {
        open_row(word);
        printf("{\"row\": \"%s\", \"contestants\": [%s]}\n", word, row ? "\"kann\"" : "");
    } else if (strcmp(command, "time") == 0 && row) {
        const timing t = timing_measure(step, seconds);
        printf("{\"us\": %.9g, \"cpu_us\": %.9g, \"repetitions\": %lld}\n", 1e6 * t.seconds, 1e6 * t.processor,
               (long long)t.repetitions);
    } else if (strcmp(command, "close") == 0) {
        close_row();
        printf("{}\n");
    } else {
        printf("{\"error\": \"no such command, or no row is open: %s\"}\n", command);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *openblas = NULL, *peak = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--threads") == 0) threads = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--openblas") == 0) openblas = argv[i + 1];
        else if (strcmp(argv[i], "--peak") == 0) peak = argv[i + 1];
    }
    if (!openblas || !load(openblas)) {
        fprintf(stderr, "kann_rows: no OpenBLAS: %s\n", openblas ? openblas : "--openblas PATH is needed");
        return 1;
    }
    if (peak) {
        open_row(peak);
        for (int i = 0; row && i < 5; i++) step();
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        if (row) printf("{\"row\": \"%s\", \"peak_kilobytes\": %ld}\n", peak, usage.ru_maxrss);
        close_row();
        return 0;
    }
    char line[256];
    while (fgets(line, sizeof line, stdin)) obey(line);
    close_row();
    return 0;
}
