/*
 * loss.c - losses, penalties and accuracy, composed of public operations, so that their derivatives of every order follow.
 *
 * Each loss is written in a form whose value and derivative, as the rules compose it, are right everywhere: no difference of
 * large numbers, no 0 * inf, no half derivative at a kink. A target never broadcasts: [B] against [B, 1] would quietly become
 * all B * B pairs, so shapes must be equal.
 */
#include "nn.h"

#include <cotangent/capture.h>

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- what all losses share ---------------------------------------------------------------------------- */

static ct_tensor *fail(ct_status status, const char *operation, const char *what)
{
    ct_raise(status, operation, "%s", what);
    return NULL;
}

static bool prediction_fits(const char *operation, const char *name, const ct_tensor *y, const ct_tensor *target)
{
    if (!y) return ct_raise(CT_ERROR_NULL, operation, "%s is NULL", name);
    if (!target) return ct_raise(CT_ERROR_NULL, operation, "target is NULL");
    return ct__nn_is_float(y) ||
           ct_raise(CT_ERROR_DTYPE, operation, "%s is %s; expected f32 or f64", name, ct__nn_describe(y).text);
}

/* The target in y's dtype; NULL after an error. Scalars are left to the operations: they may be weak. */
static ct_tensor *in_dtype_of(const char *operation, const char *name, const ct_tensor *y, ct_tensor *target)
{
    if (!ct__nn_is_float(target)) return ct_cast(target, ct_dtype_of(y));
    if (ct_rank(y) == 0 || ct_dtype_of(y) == ct_dtype_of(target)) return target;
    ct_raise(CT_ERROR_DTYPE, operation, "%s is %s, target is %s: f32 and f64 do not mix; ct_cast one of them?", name,
             ct__nn_describe(y).text, ct__nn_describe(target).text);
    return NULL;
}

/* For losses of an element each: the target in y's dtype, if it has y's shape; NULL after an error. */
static ct_tensor *target_like(const char *operation, const char *name, const ct_tensor *y, ct_tensor *target)
{
    if (!prediction_fits(operation, name, y, target)) return NULL;
    if (ct_same_shape(y, target)) return in_dtype_of(operation, name, y, target);
    const bool same_count = ct_count_of(y) == ct_count_of(target);
    ct_raise(CT_ERROR_SHAPE, operation, "%s is %s, target is %s: their shapes must be equal (a target does not broadcast)%s%s%s",
             name, ct__nn_describe(y).text, ct__nn_describe(target).text, same_count ? "; ct_reshape the target to " : "",
             same_count ? ct__nn_shape_text(ct_shape_get(y)).text : "", same_count ? "?" : "");
    return NULL;
}

static ct_tensor *reduce(const char *operation, ct_tensor *values, ct_reduction reduction)
{
    if (!values) return NULL;
    switch (reduction) {
    case CT_MEAN: return ct_mean(values, CT_ALL, false);
    case CT_SUM: return ct_sum(values, CT_ALL, false);
    case CT_NO_REDUCTION: return values;
    }
    ct_raise(CT_ERROR_VALUE, operation, "reduction is %d; expected CT_MEAN, CT_SUM or CT_NO_REDUCTION", (int)reduction);
    return NULL;
}

/* ---- regression --------------------------------------------------------------------------------------- */

ct_tensor *ct_mse_loss(ct_tensor *y, ct_tensor *target, ct_reduction reduction)
{
    static const char operation[] = "ct_mse_loss";
    CT_SCOPE;
    ct_tensor *t = target_like(operation, "y", y, target);
    if (!t) return NULL;
    return ct_scope_return(reduce(operation, ct_square(ct_sub(y, t)), reduction));
}

ct_tensor *ct_half_mse_loss(ct_tensor *y, ct_tensor *target, ct_reduction reduction)
{
    static const char operation[] = "ct_half_mse_loss";
    CT_SCOPE;
    ct_tensor *t = target_like(operation, "y", y, target);
    if (!t) return NULL;
    return ct_scope_return(reduce(operation, ct_mul(ct_square(ct_sub(y, t)), ct_scalar(0.5)), reduction));
}

ct_tensor *ct_l1_loss(ct_tensor *y, ct_tensor *target, ct_reduction reduction)
{
    static const char operation[] = "ct_l1_loss";
    CT_SCOPE;
    ct_tensor *t = target_like(operation, "y", y, target);
    if (!t) return NULL;
    return ct_scope_return(reduce(operation, ct_abs(ct_sub(y, t)), reduction));
}

/* With c = clamp(r, -delta, delta) both branches are c (r - c/2): inside c = r gives r^2/2; outside c = +-delta gives
 * delta |r| - delta^2/2. Its derivative c' (r - c) + c is c everywhere, also at the ends, where r = c.
 * Checked: huber_is_smooth_at_its_ends. */
ct_tensor *ct_huber_loss(ct_tensor *y, ct_tensor *target, double delta, ct_reduction reduction)
{
    static const char operation[] = "ct_huber_loss";
    CT_SCOPE;
    ct_tensor *t = target_like(operation, "y", y, target);
    if (!t) return NULL;
    if (!(delta > 0)) {
        ct_raise(CT_ERROR_VALUE, operation, "delta is %g; expected a positive number", delta);
        return NULL;
    }
    ct_tensor *r = ct_sub(y, t);
    ct_tensor *c = ct_clamp(r, -delta, delta);
    ct_tensor *loss = ct_mul(c, ct_sub(r, ct_mul(c, ct_scalar(0.5))));
    return ct_scope_return(reduce(operation, loss, reduction));
}

/* ---- classification ----------------------------------------------------------------------------------- */

/* Does target [..] name classes of x [.., classes]? The lowest and the highest index tell; a negative one would count from
 * the end in ct_gather, which in a label is a mistake. */
static bool indices_fit(const char *operation, const char *name, const ct_tensor *x, ct_tensor *target)
{
    if (ct__nn_is_float(target))
        return ct_raise(CT_ERROR_DTYPE, operation, "target is %s: class indices must be integers; ct_cast(target, CT_I64)?",
                        ct__nn_describe(target).text);
    if (ct_count_of(target) == 0 || ct_capturing()) return true; /* in a captured step the operations look at each replay's */
    CT_SCOPE;
    const int64_t classes = ct_dim(x, -1), n = ct_count_of(target);
    const int64_t *index = ct_dtype_of(target) == CT_I64 && ct_is_contiguous(target) ? ct_data(target) : NULL;
    bool fits = index != NULL;
    for (int64_t i = 0; i < n && fits; i++) fits = index[i] >= 0 && index[i] < classes;
    if (fits) return true; /* the frequent case, at once */
    ct_tensor *wide = ct_cast(target, CT_I64);
    const double low = ct_item(ct_min(wide, CT_ALL, false)), high = ct_item(ct_max(wide, CT_ALL, false));
    if (low >= 0 && high < (double)classes) return true;
    return ct_raise(CT_ERROR_INDEX, operation, "target has class %.0f, but %s %s has the %" PRId64 " classes 0 to %" PRId64,
                    low < 0 ? low : high, name, ct__nn_describe(x).text, classes, classes - 1);
}

/* Is target, by its shape, a class index for each row of x, or a distribution over the classes (one-hot or soft)? */
static bool classes_fit(const char *operation, const char *name, const ct_tensor *x, ct_tensor *target)
{
    if (!prediction_fits(operation, name, x, target)) return false;
    const int rank = ct_rank(x);
    if (rank == 0)
        return ct_raise(CT_ERROR_SHAPE, operation, "%s is %s; expected [.., classes]", name, ct__nn_describe(x).text);
    if (ct_same_shape(x, target)) return true;
    ct_shape rows = ct_shape_get(x);
    rows.rank--;
    const ct_shape given = ct_shape_get(target);
    bool same = given.rank == rows.rank;
    for (int64_t i = 0; same && i < rows.rank; i++) same = given.dim[i] == rows.dim[i];
    if (same) return indices_fit(operation, name, x, target);
    return ct_raise(CT_ERROR_SHAPE, operation, "%s is %s, target is %s; expected class indices %s or one-hot or soft targets %s",
                    name, ct__nn_describe(x).text, ct__nn_describe(target).text, ct__nn_shape_text(rows).text,
                    ct__nn_shape_text(ct_shape_get(x)).text);
}

/* -sum_c t_c logp_c of every row: [.., classes] -> [..]. What classes_fit allowed. */
static ct_tensor *row_nll(const char *operation, const char *name, ct_tensor *logp, ct_tensor *target)
{
    if (ct_rank(target) < ct_rank(logp)) {
        ct_tensor *index = ct_unsqueeze(ct_cast(target, CT_I64), -1);
        return ct_neg(ct_squeeze(ct_gather(logp, -1, index), ct_axes(-1)));
    }
    ct_tensor *t = in_dtype_of(operation, name, logp, target);
    return t ? ct_neg(ct_sum(ct_mul(t, logp), ct_axes(-1), false)) : NULL;
}

/* Smoothed targets t' = (1 - s) t + s/C give -sum_c t'_c logp_c = (1 - s) nll - s/C sum_c logp_c. */
static ct_tensor *smooth(ct_tensor *nll, ct_tensor *logp, double s)
{
    if (s == 0 || !nll) return nll;
    ct_tensor *uniform = ct_mul(ct_sum(logp, ct_axes(-1), false), ct_scalar(s / (double)ct_dim(logp, -1)));
    return ct_sub(ct_mul(nll, ct_scalar(1 - s)), uniform);
}

/* Is this, by dtypes and shapes, a class for each row, to be averaged as it is? */
static bool plain_labels(const ct_tensor *logits, const ct_tensor *target, const ct_cross_entropy_options *o)
{
    if (!logits || !target || o->label_smoothing != 0 || o->reduction != CT_MEAN || !ct__nn_is_float(logits)) return false;
    const int rank = ct_rank(target);
    if (ct_dtype_of(target) == CT_BOOL || ct__nn_is_float(target) || ct_rank(logits) != rank + 1) return false;
    for (int i = 0; i < rank; i++) {
        if (ct_dim(logits, i) != ct_dim(target, i)) return false;
    }
    return true;
}

static ct_tensor *cross_entropy(const char *operation, ct_tensor *logits, ct_tensor *target, ct_cross_entropy_options o)
{
    if (plain_labels(logits, target, &o) && !ct_error()) { /* the frequent case, at once */
        ct_tensor *loss = ct_softmax_cross_entropy_mean(logits, target);
        if (loss || ct_error()->status != CT_ERROR_INDEX) return loss;
        ct_clear_error(); /* to say it in the terms of this function, below */
    }
    if (!classes_fit(operation, "logits", logits, target)) return NULL;
    if (!(o.label_smoothing >= 0 && o.label_smoothing <= 1)) {
        ct_raise(CT_ERROR_VALUE, operation, "label_smoothing is %g; expected 0 <= s <= 1", o.label_smoothing);
        return NULL;
    }
    CT_SCOPE;
    if (o.label_smoothing == 0 && ct_rank(target) < ct_rank(logits)) {
        ct_tensor *index = ct_dtype_of(target) == CT_BOOL ? ct_cast(target, CT_I64) : target;
        if (o.reduction == CT_MEAN) return ct_scope_return(ct_softmax_cross_entropy_mean(logits, index));
        return ct_scope_return(reduce(operation, ct_softmax_cross_entropy(logits, index), o.reduction));
    }
    ct_tensor *logp = ct_log_softmax(logits, -1);
    if (!logp) return NULL;
    ct_tensor *rows = smooth(row_nll(operation, "logits", logp, target), logp, o.label_smoothing);
    return ct_scope_return(reduce(operation, rows, o.reduction));
}

ct_tensor *ct_cross_entropy(ct_tensor *logits, ct_tensor *target)
{
    return cross_entropy("ct_cross_entropy", logits, target, (ct_cross_entropy_options){0});
}

ct_tensor *ct_cross_entropy_with(ct_tensor *logits, ct_tensor *target, ct_cross_entropy_options options)
{
    return cross_entropy("ct_cross_entropy_with", logits, target, options);
}

ct_tensor *ct_nll_loss(ct_tensor *log_probabilities, ct_tensor *target, ct_reduction reduction)
{
    static const char operation[] = "ct_nll_loss", name[] = "log_probabilities";
    if (!classes_fit(operation, name, log_probabilities, target)) return NULL;
    CT_SCOPE;
    return ct_scope_return(reduce(operation, row_nll(operation, name, log_probabilities, target), reduction));
}

/* max(log p, -100). Its derivative is 1/p, and 0 for p below `tiny`, the smallest p whose logarithm is not cut (f64) or whose
 * reciprocal is surely finite (f32). The inner `where` keeps log away from 0, as 0 * inf would be NaN in the rules; a p that
 * is negative or NaN fails the comparison and takes the second branch, which is NaN there. */
static ct_tensor *cut_log(ct_tensor *p)
{
    const double tiny = ct_dtype_of(p) == CT_F32 ? FLT_MIN : exp(-100);
    ct_tensor *is_fine = ct_ge(ct_detach(p), ct_scalar(tiny));
    ct_tensor *low = ct_clamp(ct_log(ct_detach(p)), -100, INFINITY);
    return ct_where(is_fine, ct_log(ct_where(is_fine, p, ct_scalar(1))), low);
}

/* Are these probabilities, not logits? (NaN goes on, and into the result.) */
static bool probabilities_fit(const char *operation, ct_tensor *p)
{
    if (ct_count_of(p) == 0 || ct_capturing()) return true;
    CT_SCOPE;
    ct_tensor *values = ct_detach(p);
    const double low = ct_item(ct_min(values, CT_ALL, false)), high = ct_item(ct_max(values, CT_ALL, false));
    return !(low < 0 || high > 1) ||
           ct_raise(CT_ERROR_VALUE, operation, "p %s has values from %g to %g; expected probabilities (for logits there is "
                    "ct_binary_cross_entropy_logits)", ct__nn_describe(p).text, low, high);
}

/* The gradient by p is (p - t) / (p (1 - p)) as -t/p + (1 - t)/(1 - p), where a term with its logarithm cut is left out: it
 * is finite also at p = 0 and p = 1, and the derivative of just this function. */
ct_tensor *ct_binary_cross_entropy(ct_tensor *p, ct_tensor *target, ct_reduction reduction)
{
    static const char operation[] = "ct_binary_cross_entropy";
    CT_SCOPE;
    ct_tensor *t = target_like(operation, "p", p, target);
    if (!t || !probabilities_fit(operation, p)) return NULL;
    ct_tensor *yes = ct_mul(t, cut_log(p));
    ct_tensor *no = ct_mul(ct_sub(ct_scalar(1), t), cut_log(ct_sub(ct_scalar(1), p)));
    return ct_scope_return(reduce(operation, ct_neg(ct_add(yes, no)), reduction));
}

/* Checked: bce_of_logits_is_accurate. */
ct_tensor *ct_binary_cross_entropy_logits(ct_tensor *x, ct_tensor *target, ct_reduction reduction)
{
    static const char operation[] = "ct_binary_cross_entropy_logits";
    CT_SCOPE;
    ct_tensor *t = target_like(operation, "x", x, target);
    if (!t) return NULL;
    if (reduction == CT_MEAN) return ct_scope_return(ct_bce_with_logits_mean(x, t));
    return ct_scope_return(reduce(operation, ct_bce_with_logits(x, t), reduction));
}

/* With S = L L' and w = L^-1 (t - y): (|w|^2 + log det S + n log 2 pi) / 2. */
ct_tensor *ct_gaussian_nll_loss(ct_tensor *y, ct_tensor *target, ct_tensor *covariance, ct_reduction reduction)
{
    static const char operation[] = "ct_gaussian_nll_loss";
    CT_SCOPE;
    ct_tensor *t = target_like(operation, "y", y, target);
    if (!t) return NULL;
    if (!covariance) return fail(CT_ERROR_NULL, operation, "covariance is NULL");
    const int64_t n = ct_rank(y) > 0 ? ct_dim(y, -1) : -1;
    if (ct_rank(covariance) != 2 || ct_dim(covariance, 0) != n || ct_dim(covariance, 1) != n) {
        ct_raise(CT_ERROR_SHAPE, operation, "y is %s, covariance is %s; expected y [.., n] and covariance [n, n]",
                 ct__nn_describe(y).text, ct__nn_describe(covariance).text);
        return NULL;
    }
    ct_tensor *w = ct_whiten(ct_sub(t, y), covariance);
    const double log_det = w ? ct_log_det(covariance) : NAN;
    if (isnan(log_det)) return NULL;
    const double log_2_pi = 1.8378770664093454836;
    ct_tensor *rows = ct_sum(ct_square(w), ct_axes(-1), false);
    rows = ct_mul(ct_add(rows, ct_scalar(log_det + (double)n * log_2_pi)), ct_scalar(0.5));
    return ct_scope_return(reduce(operation, rows, reduction));
}

/* ---- penalties ---------------------------------------------------------------------------------------- */

typedef struct penalty {
    ct_tensor *(*term)(ct_tensor *w); /* abs or square */
    ct_tensor *sum;                   /* NULL before the first weight and after a failure */
    bool failed;
} penalty;

static bool add_penalty(const char *path, ct_tensor *w, bool is_parameter, void *context)
{
    static const char ending[] = "weight";
    const size_t length = strlen(path), tail = sizeof ending - 1;
    if (!is_parameter || !ct_needs_grad(w) || length < tail || strcmp(path + length - tail, ending) != 0) return true;
    penalty *p = context;
    ct_tensor *sum = ct_sum(p->term(w), CT_ALL, false);
    p->sum = p->sum ? ct_add(p->sum, sum) : sum;
    p->failed = !p->sum;
    return !p->failed;
}

/* Without weights it is a weak zero, which adds to any loss. */
static ct_tensor *penalize(const char *operation, const ct_module *module, double lambda, ct_tensor *(*term)(ct_tensor *w))
{
    if (!module) return fail(CT_ERROR_NULL, operation, "module is NULL");
    CT_SCOPE;
    penalty p = {.term = term};
    ct_module_visit(module, add_penalty, &p);
    if (p.failed) return NULL;
    return ct_scope_return(p.sum ? ct_mul(p.sum, ct_scalar(lambda)) : ct_scalar(0));
}

ct_tensor *ct_l1_penalty(const ct_module *module, double lambda)
{
    return penalize("ct_l1_penalty", module, lambda, ct_abs);
}

ct_tensor *ct_l2_penalty(const ct_module *module, double lambda)
{
    return penalize("ct_l2_penalty", module, lambda, ct_square);
}

/* ---- accuracy ----------------------------------------------------------------------------------------- */

double ct_accuracy(ct_tensor *logits, ct_tensor *target)
{
    static const char operation[] = "ct_accuracy";
    if (!classes_fit(operation, "logits", logits, target)) return NAN;
    if (ct_count_of(logits) == 0) {
        ct_raise(CT_ERROR_SHAPE, operation, "logits are %s: there are no rows", ct__nn_describe(logits).text);
        return NAN;
    }
    CT_SCOPE;
    CT_NO_GRAD;
    const bool is_index = ct_rank(target) < ct_rank(logits);
    ct_tensor *t = is_index ? ct_cast(target, CT_I64) : ct_argmax(target, -1, false);
    ct_tensor *right = ct_eq(ct_argmax(logits, -1, false), t);
    return ct_item(ct_mean(ct_cast(right, CT_F64), CT_ALL, false));
}
