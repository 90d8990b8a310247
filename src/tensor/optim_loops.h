/*
 * optim_loops.h - the loops of optim_isa.c for numbers of type T, included there once for float and once for double.
 *
 * The formulas stand in <cotangent/tensor.h>; a place of an array is read before it is written, so arrays may be the same.
 */

/* p -= lr (g + weight_decay p); without decay by half the arithmetic, and p may be infinite. */
static void AT(sgd_plain)(int64_t n, T *p, const T *g, const ct_sgd_step *step)
{
    const T lr = (T)step->lr, decay = (T)step->weight_decay;
    if (decay == 0) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) p[i] -= lr * g[i];
        return;
    }
#pragma omp simd
    for (int64_t i = 0; i < n; i++) p[i] -= lr * (g[i] + decay * p[i]);
}

/* The first step: v = g, so the velocity that stands there (of memory never set, perhaps) is not read. */
static void AT(sgd_first)(int64_t n, T *p, const T *g, T *v, const ct_sgd_step *step)
{
    const T lr = (T)step->lr, decay = (T)step->weight_decay, ahead = (T)(step->nesterov ? 1 + step->momentum : 1);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        v[i] = g[i] + decay * p[i];
        p[i] -= lr * (ahead * v[i]); /* g + momentum v = (1 + momentum) v */
    }
}

static void AT(sgd_momentum)(int64_t n, T *p, const T *g, T *v, const ct_sgd_step *step)
{
    const T lr = (T)step->lr, decay = (T)step->weight_decay, momentum = (T)step->momentum, rest = (T)(1 - step->dampening);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        v[i] = momentum * v[i] + rest * (g[i] + decay * p[i]);
        p[i] -= lr * v[i];
    }
}

static void AT(sgd_nesterov)(int64_t n, T *p, const T *g, T *v, const ct_sgd_step *step)
{
    const T lr = (T)step->lr, decay = (T)step->weight_decay, momentum = (T)step->momentum, rest = (T)(1 - step->dampening);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const T d = g[i] + decay * p[i];
        v[i] = momentum * v[i] + rest * d;
        p[i] -= lr * (d + momentum * v[i]);
    }
}

static void AT(sgd)(int64_t n, void *p, const void *g, void *v, const ct_sgd_step *step)
{
    if (!v) AT(sgd_plain)(n, p, g, step);
    else if (step->first) AT(sgd_first)(n, p, g, v, step);
    else if (step->nesterov) AT(sgd_nesterov)(n, p, g, v, step);
    else AT(sgd_momentum)(n, p, g, v, step);
}

/* With decoupled decay p shrinks by the factor `keep` and the gradient is left alone; else `keep` is 1 and the gradient grows. */
static void AT(adam)(int64_t n, void *parameter, const void *gradient, void *first, void *second, const ct__adam_numbers *a)
{
    T *p = parameter, *m = first, *v = second;
    const T *g = gradient;
    const T beta1 = (T)a->beta1, beta2 = (T)a->beta2, rest1 = (T)(1 - a->beta1), rest2 = (T)(1 - a->beta2), eps = (T)a->eps;
    const T lr = (T)a->lr, correction1 = (T)a->correction1, correction2 = (T)a->correction2;
    const T keep = (T)(a->decoupled ? 1 - a->lr * a->weight_decay : 1), decay = (T)(a->decoupled ? 0 : a->weight_decay);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const T d = g[i] + decay * p[i];
        m[i] = beta1 * m[i] + rest1 * d;
        v[i] = beta2 * v[i] + rest2 * (d * d);
        p[i] = keep * p[i] - lr * (m[i] * correction1) / (ROOT(v[i] * correction2) + eps);
    }
}
