/*
 * gradcheck.c - ct_gradcheck and ct_gradgradcheck: three witnesses for the derivatives of a function.
 *
 * All work is done on one number: L(x) = sum_j <u_j, f_j(x)> with random u. Then reverse mode gives dL/dx = J' u, forward mode
 * along v gives dL = <u, J v>, which must be <J' u, v>, and differences of L see every entry of the Jacobian: an entry that is
 * wrong hides behind a random u with probability zero.
 *
 * Second derivatives are the first derivatives of (x, u) -> J(x)' u and of (x, v) -> J(x) v.
 */
#include "check/check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The function under check, with its float inputs moved to the front and its outputs made one number. */
typedef struct projection {
    const char *operation;
    ct_function f;
    void *context;
    int n_in, n_out, n_float;
    int *order;         /* input i of f is input order[i] of the projection */
    ct_tensor **in;     /* of the projection: copies, so that a function that changes them does no harm */
    ct_tensor **given;  /* room for f's inputs */
    ct_tensor **out, **u;
    bool single;        /* one output of one element: its cotangent is 1 */
    double scale;       /* sum |u f| at the point */
    uint64_t random;
    int n_own;                 /* inputs from this number on are directions: of gradgradcheck; 0: none are */
    bool no_differences;
} projection;

/* ---- projecting ------------------------------------------------------------------------------------------- */

/* Uniform on (-1, 1) but away from 0, so that no entry is lost. */
static double random_number(projection *p)
{
    const uint64_t bits = ct__random_bits(&p->random);
    const double x = 0.25 + 0.75 * (double)(bits >> 11) * 0x1p-53;
    return bits & 1 ? x : -x;
}

static ct_tensor *random_like(projection *p, const ct_tensor *t, ct_dtype dtype)
{
    const int64_t count = ct_count_of(t);
    double *values = ct__check_memory(p->operation, (size_t)count, sizeof *values);
    if (!values) return NULL;
    for (int64_t i = 0; i < count; i++) values[i] = random_number(p);
    ct_tensor *random = ct_from_values(values, count, ct_shape_get(t), dtype);
    free(values);
    return random;
}

/* f with the projection's inputs. */
static bool apply(projection *p, ct_tensor *const *in)
{
    for (int i = 0; i < p->n_in; i++) p->given[i] = in[p->order[i]];
    for (int j = 0; j < p->n_out; j++) p->out[j] = NULL;
    const int code = p->f(p->context, p->given, p->out);
    if (ct_error()) return false;
    if (code) return ct_raise(CT_ERROR_USER, p->operation, "the function returned %d", code);
    for (int j = 0; j < p->n_out; j++) {
        if (!p->out[j]) return ct_raise(CT_ERROR_NULL, p->operation, "the function left output %d unset", j);
    }
    return true;
}

static int projected(void *context, ct_tensor *const *in, ct_tensor **out)
{
    projection *p = context;
    ct_tensor *sum = ct_scalar(0);
    if (!apply(p, in)) return 1;
    for (int j = 0; j < p->n_out; j++) {
        if (!ct__float_dtype(ct_dtype_of(p->out[j]))) continue;
        ct_tensor *y = ct_mul(ct_cast(p->out[j], CT_F64), p->u[j]);
        sum = ct_add(sum, ct_sum(y, CT_ALL, false));
    }
    *out = sum;
    return sum ? 0 : 1;
}

static void drop_cotangents(projection *p)
{
    for (int j = 0; j < p->n_out && p->u; j++) {
        ct_free(p->u[j]);
        p->u[j] = NULL;
    }
}

static bool is_finite(projection *p, int j)
{
    const int64_t count = ct_count_of(p->out[j]);
    for (int64_t k = 0; k < count; k++) {
        const ct_index at = ct__place_of_element(ct_shape_get(p->out[j]), k);
        const double y = ct_get(p->out[j], at);
        if (!isfinite(y))
            return ct_raise(CT_ERROR_VALUE, p->operation, "output %d, %s, is %g at %s; nothing can be checked at such a point", j,
                            ct__tensor_text(p->out[j]).text, y, ct__list_text(at).text);
    }
    return true;
}

/* Draws a cotangent for every output; a single number gets 1, so that what is reported is its own derivative. */
static bool draw_cotangents(projection *p)
{
    CT_SCOPE;
    CT_NO_GRAD;
    if (!apply(p, p->in)) return false;
    drop_cotangents(p);
    p->scale = 0;
    for (int j = 0; j < p->n_out; j++) {
        ct_tensor *y = p->out[j];
        if (!ct__float_dtype(ct_dtype_of(y))) continue;
        if (!is_finite(p, j)) return false;
        p->single = p->n_out == 1 && ct_count_of(y) == 1;
        ct_tensor *u = p->single ? ct_ones(ct_shape_get(y), CT_F64) : random_like(p, y, CT_F64);
        if (!u) return false;
        p->u[j] = ct_keep(u);
        p->scale += ct_item(ct_sum(ct_abs(ct_mul(ct_cast(y, CT_F64), u)), CT_ALL, false));
    }
    return !ct_error();
}

static void projection_free(projection *p)
{
    drop_cotangents(p);
    for (int i = 0; i < p->n_in && p->in; i++) ct_free(p->in[i]);
    free(p->u);
    free(p->out);
    free(p->given);
    free(p->in);
    free(p->order);
}

static bool projection_new(projection *p, ct_tensor *const *in)
{
    p->order = ct__check_memory(p->operation, (size_t)p->n_in, sizeof *p->order);
    p->in = ct__check_memory(p->operation, (size_t)p->n_in, sizeof(ct_tensor *));
    p->given = ct__check_memory(p->operation, (size_t)p->n_in, sizeof(ct_tensor *));
    p->out = ct__check_memory(p->operation, (size_t)p->n_out, sizeof(ct_tensor *));
    p->u = ct__check_memory(p->operation, (size_t)p->n_out, sizeof(ct_tensor *));
    if (!p->order || !p->in || !p->given || !p->out || !p->u) return false;
    for (int pass = 0, at = 0; pass < 2; pass++) { /* float inputs first */
        for (int i = 0; i < p->n_in; i++) {
            if (!in[i]) return ct_raise(CT_ERROR_NULL, p->operation, "input %d is NULL", i);
            if (ct__float_dtype(ct_dtype_of(in[i])) != (pass == 0)) continue;
            CT_SCOPE;
            p->order[i] = at;
            p->in[at] = ct_keep(ct_clone(ct_detach(in[i])));
            if (!p->in[at++]) return false;
            p->n_float += pass == 0;
        }
    }
    return p->n_float > 0 ||
        ct_raise(CT_ERROR_DTYPE, p->operation, "none of the %d inputs is f32 or f64; there is nothing to differentiate by",
                 p->n_in);
}

/* ---- the witnesses ---------------------------------------------------------------------------------------- */

typedef struct check {
    projection *p;
    ct_gradcheck_options options;
    ct__model given;   /* reverse and forward mode, in the inputs' own dtypes */
    ct__model raised;  /* differences, in f64 where that is possible */
    double **g;        /* reverse mode's gradients */
    double largest;    /* of all of g */
} check;

/* dL along tangents in forward mode. */
static bool forward(check *c, ct_tensor *const *v, double *value)
{
    ct_tensor *d = NULL;
    const bool ok = ct_jvp(projected, c->p, c->given.in, v, c->p->n_in, NULL, &d, 1);
    return ok && ct_copy_values(d, value, 1);
}

/* Forward mode's derivative by one element; NaN where forward mode is left out. */
static bool forward_element(check *c, int i, int64_t k, double *value)
{
    CT_SCOPE;
    *value = NAN;
    if (c->options.no_forward) return true;
    ct_tensor **v = ct__check_memory(c->p->operation, (size_t)c->p->n_in, sizeof *v);
    if (!v) return false;
    v[i] = ct_zeros(ct_shape_get(c->given.in[i]), ct_dtype_of(c->given.in[i]));
    const bool ok = v[i] && ct_set(v[i], ct__place_of_element(ct_shape_get(v[i]), k), 1) && forward(c, v, value);
    free(v);
    return ok;
}

/* The number of an input in the caller's order. */
static int original(const projection *p, int i)
{
    int found = 0;
    while (p->order[found] != i) found++;
    return found;
}

/* "input 1, f64 [3, 4], element [0, 2]" */
static ct__text element_text(const check *c, int i, int64_t k)
{
    ct__text t;
    const ct_tensor *x = c->p->in[i];
    const int number = original(c->p, i), own = c->p->n_own;
    const bool direction = own && number >= own;
    snprintf(t.text, sizeof t.text, "%s %d, %.60s, element %.60s", direction ? "direction" : "input",
             direction ? number - own : number,
             ct__tensor_text(x).text, ct__list_text(ct__place_of_element(ct_shape_get(x), k)).text);
    return t;
}

static const char *whose(const check *c)
{
    return c->p->single ? "" : " (of a random combination of the outputs)";
}

/* The model whose values are taken differences of; made when first needed, and its value follows the cotangents. */
static bool ready_for_differences(check *c)
{
    projection *p = c->p;
    if (!c->raised.p) {
        if (!ct__model_of_function(&c->raised, p->operation, projected, p, p->in, p->n_in, p->n_float, true)) return false;
    } else if (!ct__model_value(&c->raised, &c->raised.value)) return false;
    c->raised.scale = p->scale;
    return true;
}

/* Which of the three is it? */
static const char *suspicion(double reverse, double forward, double difference, double tolerance)
{
    if (isnan(reverse) || isnan(forward)) return "";
    const bool modes = fabs(reverse - forward) <= tolerance;
    if (modes)
        return "; both modes agree: the derivative's formula is wrong, or part of the function is hidden from it "
               "(ct_detach, ct_item)";
    if (fabs(forward - difference) <= tolerance) return "; the VJP is wrong";
    if (fabs(reverse - difference) <= tolerance) return "; the JVP is wrong";
    return "";
}

static bool report(check *c, int i, int64_t k, const ct__difference *d, double tolerance)
{
    double along;
    const double reverse = c->g[i][k];
    if (!forward_element(c, i, k, &along)) return false;
    char numbers[160];
    int at = snprintf(numbers, sizeof numbers, "reverse mode gives %.9g", reverse);
    if (!isnan(along)) at += snprintf(numbers + at, sizeof numbers - (size_t)at, ", forward mode %.9g", along);
    snprintf(numbers + at, sizeof numbers - (size_t)at, ", central differences %.9g +- %.1g", d->value, d->error);
    if (!d->smooth)
        return ct_raise(CT_ERROR_VALUE, c->p->operation,
                        "%s: the function is not smooth here: the slopes of its two sides are %.6g and %.6g%s; %s; "
                        "check at another point, or skip_kinks",
                        element_text(c, i, k).text, d->left, d->right, whose(c), numbers);
    return ct_raise(CT_ERROR_GRAPH, c->p->operation, "%s: %s%s%s", element_text(c, i, k).text, numbers, whose(c),
                    suspicion(reverse, along, d->value, tolerance));
}

/* Is it a slope that one may choose at a kink: between those of the two sides? */
static bool between(double g, const ct__difference *d, double tolerance)
{
    return g >= fmin(d->left, d->right) - tolerance && g <= fmax(d->left, d->right) + tolerance;
}

static bool check_element(check *c, int i, int64_t k)
{
    ct__difference d;
    const double g = c->g[i][k];
    if (!ct__model_difference(&c->raised, i, k, c->options.step, &d)) return false;
    if (!d.smooth && c->options.skip_kinks) return true;
    double bound = c->options.atol + c->options.rtol * fmax(fabs(g), fabs(d.value));
    /* In f32 the steps are wide, and what lies within them blurs the difference: as much as the two sides' slopes differ. */
    if (c->raised.in_f32) bound += 2 * fabs(d.right - d.left) + 1e-2 * fmax(fabs(g), fabs(d.value));
    if (!d.smooth) {
        const double wide = 1e-2 * fmax(fabs(d.left), fabs(d.right));
        if (isfinite(wide) && !between(g, &d, wide)) d.smooth = true; /* wrong whatever one chooses */
        return report(c, i, k, &d, bound);
    }
    return fabs(g - d.value) <= bound + 4 * d.error || report(c, i, k, &d, bound + 4 * d.error);
}

/* Elements spread evenly, from a random one on; all where there are not more than that. */
static bool check_differences(check *c)
{
    for (int i = 0; i < c->p->n_float; i++) {
        const int64_t count = ct_count_of(c->p->in[i]), n = count < c->options.max_elements ? count : c->options.max_elements;
        const int64_t start = count ? (int64_t)(ct__random_bits(&c->p->random) % (uint64_t)count) : 0;
        for (int64_t j = 0; j < n; j++) {
            const int64_t k = n == count ? j : (start + (int64_t)((double)count / (double)n * (double)j)) % count;
            if (!check_element(c, i, k)) return false;
        }
    }
    return true;
}

static bool gradients(check *c)
{
    if (!ct__model_gradients(&c->given, c->g)) return false;
    c->largest = 0;
    for (int i = 0; i < c->p->n_float; i++) {
        const int64_t count = ct_count_of(c->p->in[i]);
        for (int64_t k = 0; k < count; k++) {
            if (!isfinite(c->g[i][k]))
                return ct_raise(CT_ERROR_VALUE, c->p->operation, "%s: reverse mode gives %g", element_text(c, i, k).text,
                                c->g[i][k]);
            c->largest = fmax(c->largest, fabs(c->g[i][k]));
        }
    }
    return true;
}

/* The modes disagree: the element by which they do so most. */
static bool report_modes(check *c, double along, double back)
{
    int worst = -1;
    int64_t at = 0;
    double most = 0;
    for (int i = 0; i < c->p->n_float; i++) {
        for (int64_t k = 0; k < ct_count_of(c->p->in[i]) && k < 4096; k++) {
            double forward;
            if (!forward_element(c, i, k, &forward)) return false;
            if (worst >= 0 && !(fabs(forward - c->g[i][k]) > most)) continue;
            most = fabs(forward - c->g[i][k]);
            worst = i;
            at = k;
        }
    }
    ct__difference d;
    if (worst < 0 || !(most > 0))
        return ct_raise(CT_ERROR_GRAPH, c->p->operation,
                        "along a random direction <u, J v> is %.17g by forward mode and <J' u, v> is %.17g by reverse mode",
                        along, back);
    if (!ready_for_differences(c) || !ct__model_difference(&c->raised, worst, at, c->options.step, &d)) return false;
    d.smooth = true;
    return report(c, worst, at, &d, most / 4);
}

/* <u, J v> = <J' u, v> for one random pair. */
static bool check_adjoint(check *c)
{
    CT_SCOPE;
    double along = 0, back = 0, size = 0;
    ct_tensor **v = ct__check_memory(c->p->operation, (size_t)c->p->n_in, sizeof *v);
    bool ok = v != NULL;
    for (int i = 0; i < c->p->n_float && ok; i++) {
        v[i] = random_like(c->p, c->given.in[i], ct_dtype_of(c->given.in[i]));
        ok = v[i] != NULL;
    }
    ok = ok && forward(c, v, &along);
    for (int i = 0; i < c->p->n_float && ok; i++) {
        for (int64_t k = 0; k < ct_count_of(v[i]); k++) {
            const double part = c->g[i][k] * ct_get(v[i], ct__place_of_element(ct_shape_get(v[i]), k));
            back += part;
            size += fabs(part);
        }
    }
    free(v);
    if (!ok) return false;
    const double bound = (c->given.in_f32 ? 1e-4 : 1e-10) * (size + fabs(along)) + DBL_MIN;
    return fabs(along - back) <= bound || report_modes(c, along, back);
}

/* ---- all of it -------------------------------------------------------------------------------------------- */

static void set_defaults(check *c)
{
    ct_gradcheck_options *o = &c->options;
    if (!(o->rtol > 0)) o->rtol = c->given.in_f32 ? 1e-4 : 1e-6;
    if (!(o->atol > 0)) o->atol = 1e-2 * o->rtol * c->largest;
    if (o->directions < 1) o->directions = 3;
    if (o->max_elements < 1) o->max_elements = 256;
}

static bool run(check *c)
{
    projection *p = c->p;
    if (!draw_cotangents(p)) return false;
    if (!ct__model_of_function(&c->given, p->operation, projected, p, p->in, p->n_in, p->n_float, false)) return false;
    for (int i = 0; i < p->n_float; i++) {
        if (!(c->g[i] = ct__check_memory(p->operation, (size_t)ct_count_of(p->in[i]), sizeof(double)))) return false;
    }
    if (!gradients(c)) return false;
    set_defaults(c);
    if (!p->no_differences && !(ready_for_differences(c) && check_differences(c))) return false;
    for (int k = 0; k < c->options.directions && !c->options.no_forward; k++) {
        if (!check_adjoint(c) || !draw_cotangents(p) || !gradients(c)) return false;
    }
    return true;
}

/* With the caller's inputs out of the graph. */
static bool checked(projection *p, ct_tensor *const *in, ct_gradcheck_options options)
{
    CT_SCOPE;
    check c = {.p = p, .options = options};
    p->random = options.seed;
    c.g = ct__check_memory(p->operation, (size_t)p->n_in, sizeof *c.g);
    const bool ok = c.g && projection_new(p, in) && run(&c);
    for (int i = 0; c.g && i < p->n_float; i++) free(c.g[i]);
    free(c.g);
    ct__model_free(&c.given);
    ct__model_free(&c.raised);
    projection_free(p);
    return ok;
}

static bool arguments(const char *operation, ct_function f, ct_tensor *const *in, int n_in, int n_out)
{
    if (!f || !in) return ct_raise(CT_ERROR_NULL, operation, "%s is NULL", f ? "in" : "f");
    if (n_in < 1 || n_out < 1)
        return ct_raise(CT_ERROR_VALUE, operation, "%d inputs and %d outputs; expected at least one of each", n_in, n_out);
    return !ct_error();
}

bool ct_gradcheck(ct_function f, void *context, ct_tensor *const *in, int n_in, int n_out, ct_gradcheck_options options)
{
    if (!arguments("ct_gradcheck", f, in, n_in, n_out)) return false;
    projection p = {.operation = "ct_gradcheck", .f = f, .context = context, .n_in = n_in, .n_out = n_out};
    return checked(&p, in, options);
}

/* ---- second derivatives ----------------------------------------------------------------------------------- */

typedef struct nested {
    ct_function f;
    void *context;
    ct_tensor *const *in;
    int n_in, n_out;
} nested;

enum { MOST = 16 };

/* (x, u) -> J(x)' u by the float inputs. */
static int backwards(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const nested *s = context;
    ct_tensor *din[MOST];
    int n = 0;
    if (!ct_vjp(s->f, s->context, in, s->n_in, in + s->n_in, NULL, s->n_out, din)) return 1;
    for (int i = 0; i < s->n_in; i++) {
        if (ct__float_dtype(ct_dtype_of(in[i]))) out[n++] = din[i];
    }
    return 0;
}

/* (x, v) -> J(x) v; v stands behind x for the float inputs. */
static int forwards(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const nested *s = context;
    ct_tensor *v[MOST];
    for (int i = 0, n = s->n_in; i < s->n_in; i++) v[i] = ct__float_dtype(ct_dtype_of(in[i])) ? in[n++] : NULL;
    return ct_jvp(s->f, s->context, in, v, s->n_in, NULL, out, s->n_out) ? 0 : 1;
}

/* The outputs' cotangents, random, behind the inputs: all of them as constants. False with an error. */
static bool random_cotangents(projection *p, const nested *s, ct_tensor **to)
{
    ct_tensor *out[MOST] = {0};
    CT_NO_GRAD;
    const int code = s->f(s->context, s->in, out);
    if (ct_error()) return false;
    if (code) return ct_raise(CT_ERROR_USER, p->operation, "the function returned %d", code);
    for (int j = 0; j < s->n_out; j++) {
        const ct_dtype dtype = ct_dtype_of(out[j]);
        to[j] = ct__float_dtype(dtype) ? random_like(p, out[j], dtype) : ct_zeros(ct_shape_get(out[j]), dtype);
        if (!to[j]) return false;
    }
    return true;
}

/* Is the function itself finite, the same twice, and does it leave its inputs alone? */
static bool well_behaved(const char *operation, ct_function f, void *context, ct_tensor *const *in, int n_in, int n_out)
{
    CT_SCOPE;
    ct__model m = {.operation = operation};
    projection p = {.operation = operation, .f = f, .context = context, .n_in = n_in, .n_out = n_out};
    const bool ok = projection_new(&p, in) && draw_cotangents(&p) &&
                    ct__model_of_function(&m, operation, projected, &p, p.in, n_in, p.n_float, false);
    ct__model_free(&m);
    projection_free(&p);
    return ok;
}

bool ct_gradgradcheck(ct_function f, void *context, ct_tensor *const *in, int n_in, int n_out, ct_gradcheck_options options)
{
    static const char operation[] = "ct_gradgradcheck";
    if (!arguments(operation, f, in, n_in, n_out)) return false;
    if (n_in > MOST || n_out > MOST)
        return ct_raise(CT_ERROR_VALUE, operation, "%d inputs and %d outputs; expected at most %d", n_in, n_out, (int)MOST);
    if (!well_behaved(operation, f, context, in, n_in, n_out)) return false;
    CT_SCOPE;
    nested s = {.f = f, .context = context, .in = in, .n_in = n_in, .n_out = n_out};
    ct_tensor *all[2 * MOST];
    projection random = {.operation = operation, .random = ~options.seed};
    int n_float = 0;
    for (int i = 0; i < n_in; i++) n_float += ct__float_dtype(ct_dtype_of(all[i] = in[i]));
    if (!random_cotangents(&random, &s, all + n_in)) return false;
    projection back = {.operation = operation, .f = backwards, .context = &s, .n_in = n_in + n_out, .n_out = n_float,
                       .n_own = n_in};
    if (!checked(&back, all, options)) return false;
    if (options.no_forward) return true;
    for (int i = 0, n = n_in; i < n_in; i++) {
        if (ct__float_dtype(ct_dtype_of(in[i])) && !(all[n++] = random_like(&random, in[i], ct_dtype_of(in[i])))) return false;
    }
    projection along = {.operation = operation, .f = forwards, .context = &s, .n_in = n_in + n_float, .n_out = n_out,
                        .n_own = n_in, .no_differences = true};
    return checked(&along, all, options);
}
