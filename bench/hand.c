/*
 * hand.c - see hand.h. Compiled for the machine at hand with fast math, as someone in a hurry for speed would.
 */
#include "hand.h"

#include <blis.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* ---- products ---- */

static void multiply(int m, int n, int k, const float *a, int rsa, int csa, const float *b, int rsb, int csb, float beta,
                     float *c, int rsc)
{
    static _Thread_local rntm_t packed, plain;
    static _Thread_local bool ready;
    if (!ready) {
        bli_init();
        bli_rntm_init(&packed);
        bli_rntm_set_num_threads(1, &packed);
        plain = packed;
        bli_rntm_disable_l3_sup(&packed);
        ready = true;
    }
    rntm_t runtime = (double)m * n * k < 1.2e7 ? plain : packed;
    float one = 1;
    bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, m, n, k, &one, (float *)a, rsa, csa, (float *)b, rsb, csb, &beta, c, rsc,
                 1, NULL, &runtime);
}

/* Two panels for two threads: faster than BLIS's own threads on nearly all of these shapes. */
static void gemm(const hand_net *net, int m, int n, int k, const float *a, int rsa, int csa, const float *b, int rsb, int csb,
                 float beta, float *c)
{
    if (net->gemm) {
        net->gemm(m, n, k, a, rsa, csa, b, rsb, csb, beta, c, n);
        return;
    }
    if (net->threads < 2 || 2.0 * m * n * k < 1e6) {
        multiply(m, n, k, a, rsa, csa, b, rsb, csb, beta, c, n);
        return;
    }
    const int p = net->threads;
#pragma omp parallel for num_threads(p) schedule(static, 1)
    for (int i = 0; i < p; i++) {
        if (m >= n) {
            const int from = m * i / p / 8 * 8, to = i + 1 == p ? m : m * (i + 1) / p / 8 * 8;
            if (to > from)
                multiply(to - from, n, k, a + (size_t)from * rsa, rsa, csa, b, rsb, csb, beta, c + (size_t)from * n, n);
        } else {
            const int from = n * i / p / 8 * 8, to = i + 1 == p ? n : n * (i + 1) / p / 8 * 8;
            if (to > from) multiply(m, to - from, k, a, rsa, csa, b + (size_t)from * csb, rsb, csb, beta, c + from, n);
        }
    }
}

static void gemm_forward(hand_net *net, int l, float beta)
{
    const int in = net->width[l], out = net->width[l + 1];
    gemm(net, net->batch, out, in, net->a[l], in, 1, net->w[l], out, 1, beta, net->a[l + 1]);
}
static void gemm_dw(hand_net *net, int l)
{
    const int in = net->width[l], out = net->width[l + 1];
    gemm(net, in, out, net->batch, net->a[l], 1, in, net->d[l + 1], out, 1, 0, net->dw[l]);
}
static void gemm_back(hand_net *net, int l)
{
    const int in = net->width[l], out = net->width[l + 1];
    gemm(net, net->batch, in, out, net->d[l + 1], out, 1, net->w[l], 1, out, 0, net->d[l]);
}

void hand_gemms(hand_net *net)
{
    for (int l = 0; l < net->layers; l++) gemm_forward(net, l, 0);
    for (int l = net->layers - 1; l >= 0; l--) {
        gemm_dw(net, l);
        if (l > 0) gemm_back(net, l);
    }
}

double hand_flops(const hand_net *net)
{
    double flops = 0;
    for (int l = 0; l < net->layers; l++) flops += 2.0 * net->batch * net->width[l] * net->width[l + 1] * (l > 0 ? 3 : 2);
    return flops;
}

/* ---- the step ---- */

static void activate(const hand_net *net, float *z, size_t n)
{
    if (net->activation == HAND_RELU) {
        for (size_t i = 0; i < n; i++) z[i] = z[i] > 0 ? z[i] : 0;
    } else {
        for (size_t i = 0; i < n; i++) z[i] = tanhf(z[i]);
    }
}

static void forward(hand_net *net)
{
    for (int l = 0; l < net->layers; l++) {
        const int out = net->width[l + 1];
        for (int i = 0; i < net->batch; i++) memcpy(net->a[l + 1] + (size_t)i * out, net->b[l], (size_t)out * sizeof(float));
        gemm_forward(net, l, 1);
        if (l + 1 < net->layers) activate(net, net->a[l + 1], (size_t)net->batch * out);
    }
}

/* d_L = (softmax(z) - onehot(y)) / B */
static float softmax_delta(hand_net *net)
{
    const int n = net->width[net->layers];
    double loss = 0;
    for (int i = 0; i < net->batch; i++) {
        const float *z = net->a[net->layers] + (size_t)i * n;
        float *d = net->d[net->layers] + (size_t)i * n, max = z[0], sum = 0;
        for (int j = 1; j < n; j++) max = z[j] > max ? z[j] : max;
        for (int j = 0; j < n; j++) d[j] = expf(z[j] - max);
        for (int j = 0; j < n; j++) sum += d[j];
        loss += logf(sum) + max - z[net->target[i]];
        const float scale = 1 / (sum * (float)net->batch);
        for (int j = 0; j < n; j++) d[j] *= scale;
        d[net->target[i]] -= 1 / (float)net->batch;
    }
    return (float)(loss / net->batch);
}

/* d_L = (sigmoid(z) - y) / B */
static float binary_delta(hand_net *net)
{
    const int n = net->batch * net->width[net->layers];
    float loss = 0;
    for (int i = 0; i < n; i++) {
        const float z = net->a[net->layers][i], y = net->target_values[i], p = 1 / (1 + expf(-z));
        loss += fmaxf(z, 0) - z * y + log1pf(expf(-fabsf(z)));
        net->d[net->layers][i] = (p - y) / (float)n;
    }
    return loss / (float)n;
}

static void column_sums(float *to, const float *d, int rows, int columns)
{
    memset(to, 0, (size_t)columns * sizeof *to);
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) to[j] += d[(size_t)i * columns + j];
    }
}

static void backward(hand_net *net)
{
    for (int l = net->layers - 1; l >= 0; l--) {
        gemm_dw(net, l);
        column_sums(net->db[l], net->d[l + 1], net->batch, net->width[l + 1]);
        if (l == 0) return;
        gemm_back(net, l);
        float *d = net->d[l];
        const float *a = net->a[l];
        const size_t n = (size_t)net->batch * net->width[l];
        if (net->activation == HAND_RELU) {
            for (size_t i = 0; i < n; i++) d[i] = a[i] > 0 ? d[i] : 0;
        } else {
            for (size_t i = 0; i < n; i++) d[i] *= 1 - a[i] * a[i];
        }
    }
}

static void sgd(float *restrict p, const float *restrict g, size_t n, float lr)
{
    for (size_t i = 0; i < n; i++) p[i] -= lr * g[i];
}

static void adam(float *restrict p, const float *restrict g, float *restrict m, float *restrict v, size_t n, float lr, float c1,
                 float c2)
{
    for (size_t i = 0; i < n; i++) {
        m[i] = 0.9f * m[i] + 0.1f * g[i];
        v[i] = 0.999f * v[i] + 0.001f * g[i] * g[i];
        p[i] -= lr * (m[i] * c1) / (sqrtf(v[i] * c2) + 1e-8f);
    }
}

/* How many parts a pass over n elements is cut into: one thread's share must be worth its start. */
static int parts_of(const hand_net *net, size_t n) { return net->threads > 1 && n > 32768 ? net->threads : 1; }

static void update_range(const hand_net *net, float *p, const float *g, float *m, float *v, size_t from, size_t to)
{
    const float c1 = 1 / (1 - powf(0.9f, (float)net->step)), c2 = 1 / (1 - powf(0.999f, (float)net->step));
    if (net->adam) adam(p + from, g + from, m + from, v + from, to - from, net->lr, c1, c2);
    else sgd(p + from, g + from, to - from, net->lr);
}

static void update_part(const hand_net *net, float *p, const float *g, float *m, float *v, size_t n)
{
    const size_t parts = (size_t)parts_of(net, n);
    if (parts == 1) { /* a parallel region of one thread is not free */
        update_range(net, p, g, m, v, 0, n);
        return;
    }
#pragma omp parallel for num_threads((int)parts) schedule(static, 1)
    for (size_t i = 0; i < parts; i++)
        update_range(net, p, g, m, v, n * i / parts / 16 * 16, i + 1 == parts ? n : n * (i + 1) / parts / 16 * 16);
}

static size_t weights(const hand_net *net, int l) { return (size_t)net->width[l] * (size_t)net->width[l + 1]; }

float hand_step(hand_net *net)
{
    forward(net);
    const float loss = net->loss == HAND_BINARY ? binary_delta(net) : softmax_delta(net);
    backward(net);
    net->step++;
    for (int l = 0; l < net->layers; l++) {
        update_part(net, net->w[l], net->dw[l], net->m[l], net->v[l], weights(net, l));
        update_part(net, net->b[l], net->db[l], net->m[HAND_LAYERS + l], net->v[HAND_LAYERS + l], (size_t)net->width[l + 1]);
    }
    return loss;
}

static void traffic(float *restrict p, const float *restrict g, float *restrict m, float *restrict v, size_t n, bool adam)
{
    if (!adam) {
        for (size_t i = 0; i < n; i++) p[i] += 1e-30f * g[i];
        return;
    }
    for (size_t i = 0; i < n; i++) {
        m[i] += g[i] * 1e-30f;
        v[i] += g[i] * 1e-30f;
        p[i] += m[i] + v[i] * 1e-30f;
    }
}

static void traffic_range(const hand_net *net, int l, size_t from, size_t to)
{
    traffic(net->w[l] + from, net->dw[l] + from, net->m[l] + from, net->v[l] + from, to - from, net->adam);
}

void hand_optimizer_traffic(hand_net *net)
{
    for (int l = 0; l < net->layers; l++) {
        const size_t n = weights(net, l), parts = (size_t)parts_of(net, n);
        if (parts == 1) {
            traffic_range(net, l, 0, n);
            continue;
        }
#pragma omp parallel for num_threads((int)parts) schedule(static, 1)
        for (size_t i = 0; i < parts; i++) traffic_range(net, l, n * i / parts, n * (i + 1) / parts);
    }
}

/* ---- memory ---- */

static float *numbers(size_t n, float scale)
{
    float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);
    for (size_t i = 0; i < n; i++) p[i] = scale * ((float)rand() / (float)RAND_MAX * 2 - 1);
    return p;
}

void hand_make(hand_net *net)
{
    for (int l = 0; l <= net->layers; l++) {
        net->a[l] = numbers((size_t)net->batch * (size_t)net->width[l], 1);
        net->d[l] = numbers((size_t)net->batch * (size_t)net->width[l], 1);
    }
    for (int l = 0; l < net->layers; l++) {
        const size_t out = (size_t)net->width[l + 1];
        net->w[l] = numbers(weights(net, l), 1 / sqrtf((float)net->width[l]));
        net->b[l] = numbers(out, 0.1f);
        net->dw[l] = numbers(weights(net, l), 0);
        net->db[l] = numbers(out, 0);
        net->m[l] = numbers(weights(net, l), 0);
        net->v[l] = numbers(weights(net, l), 0);
        net->m[HAND_LAYERS + l] = numbers(out, 0);
        net->v[HAND_LAYERS + l] = numbers(out, 0);
    }
}

void hand_free(hand_net *net)
{
    for (int l = 0; l <= net->layers; l++) {
        free(net->a[l]);
        free(net->d[l]);
    }
    for (int l = 0; l < net->layers; l++) {
        free(net->w[l]);
        free(net->b[l]);
        free(net->dw[l]);
        free(net->db[l]);
        for (int k = 0; k < 2; k++) {
            free(net->m[k * HAND_LAYERS + l]);
            free(net->v[k * HAND_LAYERS + l]);
        }
    }
}
