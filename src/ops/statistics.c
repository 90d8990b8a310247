/*
 * statistics.c - var, std, norm and logsumexp over axes.
 *
 * Variances and norms are summed in f64 whatever x's precision, and norms that would over- or underflow are taken again at
 * another scale. Where a derivative is to be 0 at a point, the formula divides by infinity there: x / inf is 0, and so is
 * every derivative of it.
 */
#include "ops/reduce.h"

#include <float.h>
#include <math.h>

/* Room for a number for each output: on the stack where there are few, else from the pool. */
typedef struct numbers {
    double few[64], *at;
    size_t bytes;
} numbers;

static bool numbers_get(const char *operation, numbers *n, int64_t count)
{
    n->bytes = (size_t)count * sizeof(double);
    n->at = n->bytes <= sizeof n->few ? n->few : ct__pool_get(n->bytes);
    return n->at || ct__fail_memory(operation, n->bytes);
}

static void numbers_put(numbers *n)
{
    if (n->at != n->few) ct__pool_put(n->at, n->bytes);
}

/* y_c = f(v_c), in y's dtype. */
static void store_all(ct_tensor *y, const double *v)
{
    float *f = (float *)(void *)y->data;
    double *d = (double *)(void *)y->data;
    for (int64_t i = 0; i < y->count; i++) {
        if (y->dtype == CT_F32) f[i] = (float)v[i];
        else d[i] = v[i];
    }
}

/* y where it is not 0, else infinity: what to divide by where 0 / 0 is to be 0, with all derivatives. */
static ct_tensor *zero_to_infinity(const ct_call *c, ct_tensor *y)
{
    return ct_where(ct_eq(y, ct__number(c, 0)), ct__number(c, (double)INFINITY), y);
}

/* ---- var: y_c = sum_k (x_ck - m_c)^2 / d  with the mean m and d = n - correction;  dy_c = sum_k 2 (x_ck - m_c) dx_ck / d,
 *      for the deviations' sum is 0 and m's part with it ---- */

static double divisor(const ct_call *c)
{
    const ct__axes_params *p = c->params;
    const double d = (double)ct__axes_count(p, ct__in_shape(c, 0)) - p->correction;
    return d > 0 ? d : 0;
}

/* The variances, in two passes: means, then squared distances from them. */
static bool variances(const char *title, const ct_call *c, double *v)
{
    const ct_tensor *x = c->in[0];
    const unsigned mask = ct__axes_front(c->params, x->rank);
    const double n = (double)ct__axes_count(c->params, ct__shape(x)), d = divisor(c);
    const int64_t count = c->out[0]->count;
    numbers mean;
    if (!numbers_get(title, &mean, count)) return false;
    bool ok = ct__reduce(title, CT__SUM_WIDE, x, mask, NULL, 1, mean.at);
    for (int64_t i = 0; ok && i < count; i++) mean.at[i] /= n;
    ok = ok && ct__reduce(title, CT__SQUARES, x, mask, mean.at, 1, v);
    for (int64_t i = 0; ok && i < count; i++) v[i] /= d;
    numbers_put(&mean);
    return ok;
}

static bool var_forward(const ct_call *c)
{
    numbers v;
    if (!numbers_get("ct_var", &v, c->out[0]->count)) return false;
    const bool ok = variances("ct_var", c, v.at);
    if (ok) store_all(c->out[0], v.at);
    numbers_put(&v);
    return ok;
}

static ct_tensor *deviations(const ct_call *c) { return ct_sub(c->in[0], ct_mean(c->in[0], ct__axes_list(c->params), true)); }

/* gx_ck = 2 g_c / d (x_ck - m_c).  Checked: var, all samples */
static ct_tensor *var_vjp(const ct_call *c, ct_tensor *const *g)
{
    return ct_mul(ct__unreduced(c, ct_mul(g[0], ct__number(c, 2 / divisor(c)))), deviations(c));
}
static ct_tensor *var_jvp(const ct_call *c, ct_tensor *dx)
{
    return ct_mul(ct__sum_over(c, ct_mul(dx, deviations(c))), ct__number(c, 2 / divisor(c)));
}

const ct_op ct__op_var = {
    .name = "var", .inputs = 1, .keeps = KEEP_X, .params = sizeof(ct__axes_params), .shape = ct__reduced_float_shape,
    .forward = var_forward, .vjp = {var_vjp}, .jvp = {var_jvp}, .doc = "variance of x over axes"};

/* Fronts: integers as f32. */
static ct_tensor *apply_to_float(const char *operation, const ct_op *op, ct_tensor *x, ct_axes axes, double correction,
                                 bool keepdim)
{
    if (!x || ct__is_float((ct_dtype)x->dtype)) return ct__apply_reduction(operation, op, x, axes, correction, keepdim);
    return ct__cast_and_reduce(operation, op, x, CT_F32, axes, correction, keepdim);
}

ct_tensor *ct_var(ct_tensor *x, ct_axes axes, double correction, bool keepdim)
{
    return apply_to_float("ct_var", &ct__op_var, x, axes, correction, keepdim);
}

/* ---- std: y = sqrt(var),  dy = dvar / (2 y),  so dy_c = sum_k u_ck dx_ck  with u_ck = (x_ck - m_c) / (y_c d), 0 where y_c is
 *      ---- */

static bool std_forward(const ct_call *c)
{
    numbers v;
    if (!numbers_get("ct_std", &v, c->out[0]->count)) return false;
    const bool ok = variances("ct_std", c, v.at);
    for (int64_t i = 0; ok && i < c->out[0]->count; i++) v.at[i] = sqrt(v.at[i]);
    if (ok) store_all(c->out[0], v.at);
    numbers_put(&v);
    return ok;
}

static ct_tensor *std_slope(const ct_call *c)
{
    ct_tensor *y = ct_mul(zero_to_infinity(c, c->out[0]), ct__number(c, divisor(c)));
    return ct_div(deviations(c), ct__unreduced(c, y));
}

/* gx_ck = g_c u_ck.  Checked: std, all samples */
static ct_tensor *std_vjp(const ct_call *c, ct_tensor *const *g) { return ct_mul(ct__unreduced(c, g[0]), std_slope(c)); }
static ct_tensor *std_jvp(const ct_call *c, ct_tensor *dx) { return ct__sum_over(c, ct_mul(dx, std_slope(c))); }

const ct_op ct__op_std = {
    .name = "std", .inputs = 1, .keeps = KEEP_X | KEEP_Z, .params = sizeof(ct__axes_params), .shape = ct__reduced_float_shape,
    .forward = std_forward, .vjp = {std_vjp}, .jvp = {std_jvp}, .doc = "standard deviation of x over axes"};

ct_tensor *ct_std(ct_tensor *x, ct_axes axes, double correction, bool keepdim)
{
    return apply_to_float("ct_std", &ct__op_std, x, axes, correction, keepdim);
}

/* ---- norm: y_c = sqrt(sum_k x_ck^2),  dy_c = sum_k u_ck dx_ck  with u_ck = x_ck / y_c, 0 where y_c is ---- */

/* Squares of f64 leave its range before x does. A sum outside [2^-900, 2^1000] may have lost terms; it is taken again at a
 * scale that brings the largest ones back, 2^600 or 2^-600 (after Blue, "A portable Fortran program to find the Euclidean norm
 * of a vector", 1978). Never needed for f32, whose squares are well within f64. */
static bool outside(double square, double low, double high) { return square >= 0 && (square < low || square > high); }

/* Puts norms in place of the sums outside [low, high], marked by a minus sign. */
static bool rescue(const ct_call *c, double *squares, double low, double high, double scale)
{
    const ct_tensor *x = c->in[0];
    const int64_t count = c->out[0]->count;
    bool any = false;
    for (int64_t i = 0; i < count; i++) any = any || outside(squares[i], low, high);
    if (!any) return true;
    numbers again;
    if (!numbers_get("ct_norm", &again, count)) return false;
    const bool ok = ct__reduce("ct_norm", CT__SQUARES, x, ct__axes_front(c->params, x->rank), NULL, scale, again.at);
    for (int64_t i = 0; ok && i < count; i++) {
        if (outside(squares[i], low, high)) squares[i] = -(sqrt(again.at[i]) / scale);
    }
    numbers_put(&again);
    return ok;
}

static bool norm_forward(const ct_call *c)
{
    const ct_tensor *x = c->in[0];
    ct_tensor *y = c->out[0];
    numbers s;
    if (!numbers_get("ct_norm", &s, y->count)) return false;
    bool ok = ct__reduce("ct_norm", CT__SQUARES, x, ct__axes_front(c->params, x->rank), NULL, 1, s.at);
    if (x->dtype == CT_F64) ok = ok && rescue(c, s.at, 0, 0x1p1000, 0x1p-600) && rescue(c, s.at, 0x1p-900, INFINITY, 0x1p600);
    for (int64_t i = 0; ok && i < y->count; i++) s.at[i] = s.at[i] > 0 ? sqrt(s.at[i]) : fabs(s.at[i]);
    if (ok) store_all(y, s.at);
    numbers_put(&s);
    return ok;
}

static ct_tensor *norm_slope(const ct_call *c) { return ct_div(c->in[0], ct__unreduced(c, zero_to_infinity(c, c->out[0]))); }

/* gx_ck = g_c u_ck.  Checked: norm, all samples */
static ct_tensor *norm_vjp(const ct_call *c, ct_tensor *const *g) { return ct_mul(ct__unreduced(c, g[0]), norm_slope(c)); }
static ct_tensor *norm_jvp(const ct_call *c, ct_tensor *dx) { return ct__sum_over(c, ct_mul(dx, norm_slope(c))); }

const ct_op ct__op_norm = {
    .name = "norm", .inputs = 1, .keeps = KEEP_X | KEEP_Z, .params = sizeof(ct__axes_params), .shape = ct__reduced_float_shape,
    .forward = norm_forward, .vjp = {norm_vjp}, .jvp = {norm_jvp}, .doc = "root of the sum of squares of x over axes"};

ct_tensor *ct_norm(ct_tensor *x, ct_axes axes, bool keepdim)
{
    return apply_to_float("ct_norm", &ct__op_norm, x, axes, 0, keepdim);
}

/* ---- logsumexp: y_c = log sum_k e^x_ck,  dy_c = sum_k s_ck dx_ck  with the softmax s_ck = e^(x_ck - y_c) ---- */

static bool logsumexp_forward(const ct_call *c)
{
    const ct_tensor *x = c->in[0];
    ct_tensor *y = c->out[0], *rows = ct__rows_of("ct_logsumexp", x, ct__axes_front(c->params, x->rank));
    if (!rows) return false;
    const int64_t n = ct__axes_count(c->params, ct__shape(x));
    ct__run_rows(&(ct__row_job){CT__LOGSUMEXP, c->dtype, y->count, n, 2, {y->data, rows->data}, {1, n}, {0}});
    ct__release(rows);
    return true;
}

/* s = e / sum_k e  with e = e^(x - y), which is the same for any y near the true one: y is rounded, and e alone would lose as
 * many digits as y has before the point. An infinity counts as the largest finite number, two as a tie; but where all of x is
 * -inf, s and its derivatives are 0. */
static ct_tensor *weights(const ct_call *c)
{
    const double most = c->dtype == CT_F32 ? (double)FLT_MAX : DBL_MAX;
    ct_tensor *x = ct_clamp(c->in[0], (double)-INFINITY, most), *y = ct_clamp(ct_detach(c->out[0]), -most, most);
    ct_tensor *e = ct_exp(ct_sub(x, ct__unreduced(c, y)));
    return ct_div(e, zero_to_infinity(c, ct_sum(e, ct__axes_list(c->params), true)));
}

/* gx_ck = g_c s_ck.  Checked: logsumexp, all samples */
static ct_tensor *logsumexp_vjp(const ct_call *c, ct_tensor *const *g) { return ct_mul(ct__unreduced(c, g[0]), weights(c)); }
static ct_tensor *logsumexp_jvp(const ct_call *c, ct_tensor *dx) { return ct__sum_over(c, ct_mul(dx, weights(c))); }

/* The same by rows. */
static bool logsumexp_fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    if (!(need & 1)) return true;
    const ct_tensor *x = c->in[0], *y = c->out[0];
    const ct_shape shape = ct__batched(g[0], y->rank, ct__shape(x));
    const int64_t n = ct__axes_count(c->params, ct__shape(x));
    ct_tensor *out = ct__tensor_new("ct_logsumexp", c->dtype, (int)shape.rank, shape.dim);
    if (!out) return false;
    const unsigned mask = ct__axes_front(c->params, out->rank);
    ct_tensor *given = ct__rows_of("ct_logsumexp", g[0], 0);
    ct_tensor *from = given ? ct__rows_of("ct_logsumexp", x, ct__axes_front(c->params, x->rank)) : NULL;
    ct_tensor *to = from ? ct__rows_for("ct_logsumexp", out, mask) : NULL;
    if (to) {
        ct__run_rows(&(ct__row_job){CT__LOGSUMEXP_VJP, c->dtype, g[0]->count, n, 4, {to->data, from->data, y->data, given->data},
                                    {n, n, 1, 1}, {0, y->count, y->count, 0}});
    }
    if (given) ct__release(given);
    if (from) ct__release(from);
    gx[0] = out;
    return to && ct__rows_done(to, out, mask);
}

const ct_op ct__op_logsumexp = {
    .name = "logsumexp", .inputs = 1, .keeps = KEEP_X | KEEP_Z, .params = sizeof(ct__axes_params),
    .shape = ct__reduced_float_shape, .forward = logsumexp_forward, .vjp = {logsumexp_vjp}, .jvp = {logsumexp_jvp},
    .fused = logsumexp_fused, .doc = "log of the sum of e^x over axes"};

ct_tensor *ct_logsumexp(ct_tensor *x, ct_axes axes, bool keepdim)
{
    return apply_to_float("ct_logsumexp", &ct__op_logsumexp, x, axes, 0, keepdim);
}
