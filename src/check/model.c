/*
 * model.c - the function under check: a loss of tensors or of a module, and the leaves that are moved and differentiated by.
 *
 * A function gets copies of its inputs, so that the caller's are never touched; a module's own parameters are moved in place,
 * outside the graph, and put back by whoever moves them (ct__model_difference does).
 */
#include "check/check.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- small things ---------------------------------------------------------------------------------------- */

ct_index ct__place_of_element(ct_shape shape, int64_t k)
{
    ct_index index = shape;
    for (int64_t i = shape.rank - 1; i >= 0; i--) {
        index.dim[i] = shape.dim[i] ? k % shape.dim[i] : 0;
        k = shape.dim[i] ? k / shape.dim[i] : 0;
    }
    return index;
}

ct__text ct__list_text(ct_shape list)
{
    ct__text t;
    int at = snprintf(t.text, sizeof t.text, "[");
    for (int64_t i = 0; i < list.rank; i++)
        at += snprintf(t.text + at, sizeof t.text - (size_t)at, "%s%" PRId64, i ? ", " : "", list.dim[i]);
    snprintf(t.text + at, sizeof t.text - (size_t)at, "]");
    return t;
}

ct__text ct__tensor_text(const ct_tensor *tensor)
{
    ct__text all;
    snprintf(all.text, sizeof all.text, "%s %.180s", ct_dtype_name(ct_dtype_of(tensor)),
             ct__list_text(ct_shape_get(tensor)).text);
    return all;
}

uint64_t ct__random_bits(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void *ct__check_memory(const char *operation, size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) ct_raise(CT_ERROR_MEMORY, operation, "no memory for %zu records of %zu bytes", count, size);
    return memory;
}

/* ---- applying it ----------------------------------------------------------------------------------------- */

ct_tensor *ct__model_loss(ct__model *m)
{
    ct_tensor *y = NULL;
    int code = 0;
    if (m->f) code = m->f(m->context, m->in, &y);
    else y = m->loss(m->module, m->context);
    if (ct_error()) return NULL;
    if (code) ct_raise(CT_ERROR_USER, m->operation, "the function returned %d", code);
    else if (!y) ct_raise(CT_ERROR_NULL, m->operation, m->f ? "the function left its output unset" : "the loss is NULL");
    else if (ct_count_of(y) != 1)
        ct_raise(CT_ERROR_SHAPE, m->operation, "the loss is %s; expected one element: reduce it (ct_sum, ct_mean)",
                 ct__tensor_text(y).text);
    else if (!ct__float_dtype(ct_dtype_of(y)))
        ct_raise(CT_ERROR_DTYPE, m->operation, "the loss is %s; expected f32 or f64", ct__tensor_text(y).text);
    return ct_error() ? NULL : y;
}

bool ct__model_value(ct__model *m, double *value)
{
    CT_SCOPE;
    CT_NO_GRAD;
    ct_tensor *y = ct__model_loss(m);
    return y && ct_copy_values(y, value, 1);
}

/* Rows of doubles from tensors. */
static bool read_all(ct_tensor *const *t, int n, double *const *to)
{
    for (int i = 0; i < n; i++) {
        if (!ct_copy_values(t[i], to[i], ct_count_of(t[i]))) return false;
    }
    return true;
}

bool ct__model_gradients(ct__model *m, double *const *g)
{
    CT_SCOPE;
    ct_tensor **grads = ct__check_memory(m->operation, (size_t)m->n, sizeof *grads);
    if (!grads) return false;
    const bool before = ct_grad_mode(true);
    ct_tensor *y = ct__model_loss(m);
    bool ok = y != NULL;
    if (ok && !ct_needs_grad(y))
        ok = ct_raise(CT_ERROR_GRAPH, m->operation,
                      "the loss depends on none of the %d tensors by which it is to be differentiated%s", m->n,
                      m->f ? ": does the function use in[], and is nothing detached?" : "");
    ok = ok && ct_grad(&y, NULL, 1, m->p, m->n, grads, (ct_grad_options){0}) && read_all(grads, m->n, g);
    ct_grad_mode(before);
    free(grads);
    return ok;
}

bool ct__model_set(ct__model *m, int i, int64_t k, double value)
{
    CT_NO_GRAD;
    return ct_set(m->p[i], ct__place_of_element(ct_shape_get(m->p[i]), k), value);
}

/* ---- differences ------------------------------------------------------------------------------------------ */

typedef struct line {
    ct__model *model;
    int leaf;
    int64_t element;
    double x;
} line;

static bool value_at(void *context, double t, double *moved, double *value)
{
    line *l = context;
    const double x = ct_dtype_of(l->model->p[l->leaf]) == CT_F32 ? (double)(float)(l->x + t) : l->x + t;
    *moved = x - l->x;
    return ct__model_set(l->model, l->leaf, l->element, x) && ct__model_value(l->model, value);
}

bool ct__model_difference(ct__model *m, int i, int64_t k, double step, ct__difference *d)
{
    const double x = ct_get(m->p[i], ct__place_of_element(ct_shape_get(m->p[i]), k));
    line l = {m, i, k, x};
    const double noise = 4 * (m->in_f32 ? FLT_EPSILON : DBL_EPSILON) * m->scale;
    if (!(step > 0)) step = m->in_f32 ? 0.125 : 0.03125;
    int exponent;
    frexp(step * fmax(1, fabs(x)), &exponent); /* a power of two, so that x + h is mostly exact */
    const bool ok = ct__difference_of(value_at, &l, m->value, ldexp(1, exponent - 1), noise, d);
    const bool pending = ct_error() != NULL;
    if (!pending) return ct__model_set(m, i, k, x) && ok;
    /* A function that failed has left the element moved, and nothing changes while an error is pending: into the memory
     * itself. */
    const ct_dtype dtype = ct_dtype_of(m->p[i]);
    void *data = ct_is_contiguous(m->p[i]) ? ct_data(m->p[i]) : NULL;
    if (data && dtype == CT_F64) ((double *)data)[k] = x;
    else if (data && dtype == CT_F32) ((float *)data)[k] = (float)x;
    return false;
}

/* ---- making one ------------------------------------------------------------------------------------------- */

/* Copies of the inputs that the function will see: float ones are leaves. */
static bool copy_inputs(ct__model *m, ct_tensor *const *in, bool raise)
{
    for (int i = 0; i < m->n_in; i++) {
        CT_SCOPE;
        const ct_dtype dtype = ct_dtype_of(in[i]);
        ct_tensor *x = ct_clone(raise && dtype == CT_F32 ? ct_cast(ct_detach(in[i]), CT_F64) : ct_detach(in[i]));
        if (x && i < m->n) x = ct_requires_grad(x, true);
        if (!x) return false;
        m->in[i] = ct_keep(x);
    }
    return true;
}

static void drop_inputs(ct__model *m)
{
    for (int i = 0; i < m->n_in && m->in; i++) {
        ct_free(m->in[i]);
        m->in[i] = NULL;
    }
}

/* Bytes of a tensor's elements, to be compared later. */
static void *bytes_of(const char *operation, const ct_tensor *t, size_t *size)
{
    *size = (size_t)ct_count_of(t) * ct_dtype_size(ct_dtype_of(t));
    void *bytes = ct__check_memory(operation, *size, 1);
    if (bytes && !ct_copy_out(t, bytes, *size)) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

static bool unchanged(ct__model *m, ct_tensor *const *t, int n, unsigned char *const *before)
{
    for (int i = 0; i < n; i++) {
        size_t size;
        unsigned char *now = bytes_of(m->operation, t[i], &size);
        const bool same = now && memcmp(now, before[i], size) == 0;
        free(now);
        if (ct_error()) return false;
        if (!same)
            return ct_raise(CT_ERROR_USER, m->operation, "the function changed the values of %s %d, %s, which it was to read",
                            m->f ? "input" : "parameter", i, ct__tensor_text(t[i]).text);
    }
    return true;
}

/* The value, computed twice: finite, the same bits, and no input changed. */
static bool behaves(ct__model *m, ct_tensor *const *t, int n)
{
    double again = 0;
    unsigned char **before = ct__check_memory(m->operation, (size_t)n, sizeof *before);
    bool ok = before != NULL;
    size_t size;
    for (int i = 0; i < n && ok; i++) ok = (before[i] = bytes_of(m->operation, t[i], &size)) != NULL;
    ok = ok && ct__model_value(m, &m->value) && unchanged(m, t, n, before) && ct__model_value(m, &again);
    if (ok && !isfinite(m->value))
        ok = ct_raise(CT_ERROR_VALUE, m->operation, "the function's value is %g here; nothing can be checked at such a point",
                      m->value);
    if (ok && memcmp(&m->value, &again, sizeof again) != 0)
        ok = ct_raise(CT_ERROR_USER, m->operation,
                      "the function gave %.17g and then %.17g for the same inputs; does it draw random numbers "
                      "(dropout: ct_module_train(net, false)), or keep a state?", m->value, again);
    for (int i = 0; before && i < n; i++) free(before[i]);
    free(before);
    m->scale = fabs(m->value);
    return ok;
}

static bool any_f32(ct_tensor *const *t, int n)
{
    for (int i = 0; i < n; i++) {
        if (ct_dtype_of(t[i]) == CT_F32) return true;
    }
    return false;
}

/* Does the function take f64 where it was given f32, with the same value but for rounding? Leaves the inputs raised if so. */
static bool raise_to_f64(ct__model *m, ct_tensor *const *in)
{
    double value = 0, raised = 0;
    if (!ct__model_value(m, &value)) return false;
    drop_inputs(m);
    m->raised = copy_inputs(m, in, true) && ct__model_value(m, &raised) && fabs(raised - value) <= 1e-3 * fabs(value) + 1e-6;
    if (m->raised) return true;
    ct_clear_error(); /* it was fine in f32: the failure is that of a trial */
    drop_inputs(m);
    return copy_inputs(m, in, false);
}

bool ct__model_of_function(ct__model *m, const char *operation, ct_function f, void *context, ct_tensor *const *in, int n_in,
                           int n, bool raise)
{
    *m = (ct__model){.operation = operation, .f = f, .context = context, .n_in = n_in, .n = n};
    if (!f || !in) return ct_raise(CT_ERROR_NULL, operation, "%s is NULL", f ? "in" : "the function");
    if (ct_error()) return false;
    for (int i = 0; i < n_in; i++) {
        if (!in[i]) return ct_raise(CT_ERROR_NULL, operation, "input %d is NULL", i);
        if (i < n && !ct__float_dtype(ct_dtype_of(in[i])))
            return ct_raise(CT_ERROR_DTYPE, operation, "input %d is %s; only f32 and f64 have gradients", i,
                            ct__tensor_text(in[i]).text);
    }
    m->in = ct__check_memory(operation, (size_t)n_in, sizeof *m->in);
    m->p = m->in;
    if (!m->in || !copy_inputs(m, in, false)) return false;
    if (raise && any_f32(m->in, n_in) && !raise_to_f64(m, in)) return false;
    m->in_f32 = any_f32(m->p, n);
    return behaves(m, m->in, n_in);
}

bool ct__model_of_module(ct__model *m, const char *operation, ct_module *module, ct_module_loss loss, void *context)
{
    *m = (ct__model){.operation = operation, .module = module, .loss = loss, .context = context};
    if (!module || !loss) return ct_raise(CT_ERROR_NULL, operation, "%s is NULL", module ? "loss" : "module");
    if (ct_error()) return false;
    m->n = ct_module_parameters(module, NULL, 0);
    m->p = ct__check_memory(operation, (size_t)m->n, sizeof *m->p);
    if (!m->p) return false;
    ct_module_parameters(module, m->p, m->n);
    for (int i = 0; i < m->n; i++) {
        if (!ct_needs_grad(m->p[i]))
            return ct_raise(CT_ERROR_GRAPH, operation, "parameter %d, %s, is frozen; ct_module_requires_grad", i,
                            ct__tensor_text(m->p[i]).text);
    }
    m->in_f32 = any_f32(m->p, m->n);
    return behaves(m, m->p, m->n);
}

void ct__model_free(ct__model *m)
{
    drop_inputs(m);
    if (m->p != m->in) free(m->p);
    free(m->in);
    m->in = m->p = NULL;
}
