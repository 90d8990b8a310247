/*
 * whiten.c - rows solved by the Cholesky factor of a covariance matrix, and the matrix's log determinant.
 *
 * S = L L' with L lower triangular is computed in f64 inside each call. S is a constant: it has no derivative rule, which is
 * reported when a covariance that needs a gradient is used.
 */
#include <cotangent/ops.h>

#include "autograd/op.h"
#include "tensor/script.h"

#include <math.h>

/* ---- the factor ---- */

static double dot(const double *a, const double *b, int64_t n)
{
    double s[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        for (int k = 0; k < 4; k++) s[k] += a[i + k] * b[i + k];
    }
    for (; i < n; i++) s[0] += a[i] * b[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static bool covariance_ok(const char *operation, const ct_tensor *s)
{
    if (!ct__is_float((ct_dtype)s->dtype))
        return ct__fail(CT_ERROR_DTYPE, operation, "the covariance is %s; expected f32 or f64: ct_cast?", ct__describe(s));
    if (s->rank != 2 || s->dim[0] != s->dim[1])
        return ct__fail(CT_ERROR_SHAPE, operation, "the covariance is %s; expected a square matrix", ct__describe(s));
    return true;
}

/* Does S equal its transpose, to rounding of its largest entry? */
static bool symmetric(const char *operation, const ct_tensor *s, const double *a)
{
    const int64_t n = s->dim[0];
    double largest = 0;
    for (int64_t i = 0; i < n * n; i++) largest = fabs(a[i]) > largest ? fabs(a[i]) : largest;
    const double tolerance = largest * (s->dtype == CT_F64 ? 1e-10 : 1e-4);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < i; j++) {
            const double d = fabs(a[i * n + j] - a[j * n + i]);
            if (d > tolerance)
                return ct__fail(CT_ERROR_VALUE, operation,
                                "the covariance, %s, is not symmetric: [%lld, %lld] is %g, [%lld, %lld] is %g", ct__describe(s),
                                (long long)i, (long long)j, a[i * n + j], (long long)j, (long long)i, a[j * n + i]);
        }
    }
    return true;
}

/* a becomes L in its lower triangle, row by row:  L_ij = (S_ij - sum_{k<j} L_ik L_jk) / L_jj  for j < i,
 * L_ii = sqrt(S_ii - sum_{k<i} L_ik^2). */
static bool factor(const char *operation, const ct_tensor *s, double *a)
{
    const int64_t n = s->dim[0];
    for (int64_t i = 0; i < n; i++) {
        double *row = a + i * n;
        for (int64_t j = 0; j < i; j++) row[j] = (row[j] - dot(row, a + j * n, j)) / a[j * n + j];
        const double pivot = row[i] - dot(row, row, i);
        if (!(pivot > 0) || pivot - pivot != 0)
            return ct__fail(CT_ERROR_VALUE, operation,
                            "the covariance, %s, is not positive definite: pivot %lld is %g; add a small multiple of ct_eye?",
                            ct__describe(s), (long long)i, pivot);
        row[i] = sqrt(pivot);
    }
    return true;
}

/* L, f64, in the lower triangle of a tensor that is the caller's to release; NULL with an error. */
static ct_tensor *cholesky(const char *operation, const ct_tensor *s)
{
    ct_tensor *l = ct__own(ct__tensor_like(operation, s, CT_F64));
    if (!l) return NULL;
    ct__copy(l, s);
    double *a = (double *)(void *)l->data;
    if (symmetric(operation, s, a) && factor(operation, s, a)) return l;
    ct__release(l);
    return NULL;
}

/* ---- whiten ---- */

typedef struct whiten_params {
    int64_t transposed; /* solve with L' */
} whiten_params;

static bool whiten_shape(ct_call *c)
{
    const ct_tensor *x = c->in[0], *s = c->in[1];
    if (!covariance_ok("ct_whiten", s)) return false;
    if (x->dtype != s->dtype)
        return ct__fail(CT_ERROR_DTYPE, "ct_whiten", "x is %s, the covariance is %s; expected the same dtype: ct_cast?",
                        ct__describe(x), ct__describe(s));
    if (x->rank < 1 || x->dim[x->rank - 1] != s->dim[0])
        return ct__fail(CT_ERROR_SHAPE, "ct_whiten", "x is %s, the covariance is %s; expected rows of length %lld",
                        ct__describe(x), ct__describe(s), (long long)s->dim[0]);
    c->shape[0] = ct__shape(x);
    c->dtypes[0] = (ct_dtype)x->dtype;
    return true;
}

/* L y = x in place, from the first entry on:  y_i = (x_i - sum_{j<i} L_ij y_j) / L_ii. */
static void solve(const double *l, int64_t n, double *x)
{
    for (int64_t i = 0; i < n; i++) x[i] = (x[i] - dot(l + i * n, x, i)) / l[i * n + i];
}

/* L' y = x in place, from the last entry on; each y_i is taken out of the equations before it, which walks along rows of L. */
static void solve_transposed(const double *l, int64_t n, double *x)
{
    for (int64_t i = n - 1; i >= 0; i--) {
        x[i] /= l[i * n + i];
        for (int64_t j = 0; j < i; j++) x[j] -= l[i * n + j] * x[i];
    }
}

typedef struct work {
    const double *l;
    double *rows;
    int64_t n, count, group;
    bool transposed;
} work;

static void solve_group(void *context, int64_t part)
{
    const work *w = context;
    const int64_t end = (part + 1) * w->group < w->count ? (part + 1) * w->group : w->count;
    for (int64_t i = part * w->group; i < end; i++) {
        if (w->transposed) solve_transposed(w->l, w->n, w->rows + i * w->n);
        else solve(w->l, w->n, w->rows + i * w->n);
    }
}

/* Parts of at least 2^15 multiplications each, 64 at the most. */
static void solve_rows(work *w)
{
    int64_t parts = w->count * w->n * w->n / 2 >> 15;
    parts = parts < 1 ? 1 : parts > 64 ? 64 : parts;
    w->group = (w->count + parts - 1) / parts;
    ct__parallel((w->count + w->group - 1) / w->group, solve_group, w);
}

static bool whiten_forward(const ct_call *c)
{
    const whiten_params *p = c->params;
    ct_tensor *y = c->out[0], *l = cholesky("ct_whiten", c->in[1]);
    if (!l) return false;
    ct_tensor *rows = ct__own(ct__tensor_like("ct_whiten", y, CT_F64));
    if (rows && y->count) {
        const int64_t n = l->dim[0];
        work w = {.l = (const double *)(const void *)l->data, .rows = (double *)(void *)rows->data, .n = n, .count = y->count / n,
                  .transposed = p->transposed != 0};
        ct__copy(rows, c->in[0]);
        solve_rows(&w);
        ct__copy(y, rows);
    }
    ct__release(l);
    if (rows) ct__release(rows);
    return rows != NULL;
}

static ct_tensor *whiten(ct_tensor *x, ct_tensor *covariance, bool transposed);

/* y = L^-1 x,  <g, L^-1 dx> = <L^-T g, dx>; with L' in place of L for the transposed. Checked: whiten, all samples */
static ct_tensor *whiten_vjp(const ct_call *c, ct_tensor *const *g)
{
    return whiten(g[0], c->in[1], !((const whiten_params *)c->params)->transposed);
}
static ct_tensor *whiten_jvp(const ct_call *c, ct_tensor *dx)
{
    return whiten(dx, c->in[1], ((const whiten_params *)c->params)->transposed);
}

const ct_op ct__op_whiten = {
    .name = "whiten", .inputs = 2, .keeps = KEEP_Y, .params = sizeof(whiten_params), .shape = whiten_shape,
    .forward = whiten_forward, .vjp = {whiten_vjp, NULL}, .jvp = {whiten_jvp, NULL}, .doc = "L^-1 x with the covariance L L'"};

static ct_tensor *whiten(ct_tensor *x, ct_tensor *covariance, bool transposed)
{
    const whiten_params p = {transposed};
    if (!x || !covariance) return NULL;
    return ct__apply(&ct__op_whiten, (ct_tensor *[]){x, covariance}, 2, &p);
}

ct_tensor *ct_whiten(ct_tensor *x, ct_tensor *covariance)
{
    if (!ct__check("ct_whiten", "x", x) || !ct__check("ct_whiten", "covariance", covariance)) return NULL;
    return whiten(x, covariance, false);
}

/* ---- log_det: det S = (prod_i L_ii)^2 ---- */

double ct_log_det(ct_tensor *covariance)
{
    if (!ct__check("ct_log_det", "covariance", covariance) || !covariance_ok("ct_log_det", covariance)) return (double)NAN;
    if (!ct__unscripted("ct_log_det", "its result would be the number of then: call it in a function that ct_on_replay calls"))
        return (double)NAN;
    ct_tensor *l = cholesky("ct_log_det", covariance);
    if (!l) return (double)NAN;
    const int64_t n = l->dim[0];
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += log(((const double *)(const void *)l->data)[i * n + i]);
    ct__release(l);
    return 2 * sum;
}
