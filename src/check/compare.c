/*
 * compare.c - gradients derived by hand beside autograd's and beside differences, and the verdict on each element.
 *
 * Autograd is the measure, differences are the witness: an element is wrong where it is not what autograd gives, unless the
 * difference takes its side, or cannot tell the two apart, or finds a kink.
 */
#include "check/compare.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- making and freeing ------------------------------------------------------------------------------------ */

void ct_comparison_free(ct_comparison *c)
{
    if (!c) return;
    for (int i = 0; i < c->n && c->p; i++) {
        ct__parameter *p = &c->p[i];
        free(p->name);
        free(p->x); /* the block of all arrays */
        free(p->verdict);
    }
    for (int i = 0; i < c->n_guesses; i++) free((int *)c->guesses[i].shown.parameters);
    free(c->guesses);
    free(c->p);
    free(c);
}

static char *copy_text(const char *operation, const char *text)
{
    char *copy = ct__check_memory(operation, strlen(text) + 1, 1);
    return copy ? strcpy(copy, text) : NULL;
}

static bool parameter_new(const ct__model *m, const char *name, int i, ct__parameter *p)
{
    char number[32];
    const ct_tensor *x = m->p[i];
    snprintf(number, sizeof number, "parameter %d", i);
    p->name = copy_text(m->operation, name ? name : number);
    p->shape = ct_shape_get(x);
    p->f32 = ct_dtype_of(x) == CT_F32;
    p->count = ct_count_of(x);
    const size_t n = (size_t)p->count;
    p->x = ct__check_memory(m->operation, 6 * n, sizeof *p->x);
    p->verdict = ct__check_memory(m->operation, n, 1);
    if (!p->name || !p->x || !p->verdict) return false;
    p->hand = p->x + n;
    p->autograd = p->hand + n;
    p->difference = p->autograd + n;
    p->error = p->difference + n;
    p->rest = p->error + n;
    for (size_t k = 0; k < n; k++) p->difference[k] = p->error[k] = NAN;
    return ct_copy_values(x, p->x, p->count);
}

static ct_comparison *comparison_new(const ct__model *m, const ct_compare_options *options)
{
    ct_comparison *c = ct__check_memory(m->operation, 1, sizeof *c);
    if (!c) return NULL;
    c->n = m->n;
    c->loss = m->value;
    c->batch = options->batch;
    c->p = ct__check_memory(m->operation, (size_t)m->n, sizeof *c->p);
    bool ok = c->p != NULL;
    for (int i = 0; ok && i < m->n; i++) ok = parameter_new(m, options->names ? options->names[i] : NULL, i, &c->p[i]);
    if (ok) return c;
    ct_comparison_free(c);
    return NULL;
}

/* ---- tolerances -------------------------------------------------------------------------------------------- */

static double largest_of(const ct__parameter *p)
{
    double most = 0;
    for (int64_t k = 0; k < p->count; k++) most = fmax(most, fabs(p->autograd[k]));
    return most;
}

/* `coarse`: something is given in f32. */
static void set_tolerances(ct_comparison *c, const ct_compare_options *options, bool coarse)
{
    double all = 0;
    for (int i = 0; i < c->n; i++) all = fmax(all, largest_of(&c->p[i]));
    for (int i = 0; i < c->n; i++) {
        ct__parameter *p = &c->p[i];
        p->rtol = options->rtol > 0 ? options->rtol : coarse ? 1e-4 : 1e-6;
        /* A parameter whose gradient is all rounding is judged by the others' size. */
        p->atol = options->atol > 0 ? options->atol : 1e-4 * p->rtol * fmax(largest_of(p), 1e-4 * all) + DBL_MIN;
    }
}

/* ---- verdicts ---------------------------------------------------------------------------------------------- */

static bool close_to(const ct__parameter *p, double a, double b) 
{
    return a == b || fabs(a - b) <= p->atol + p->rtol * fmax(fabs(a), fabs(b));
}

static bool between(double g, const ct__difference *d)
{
    const double wide = 1e-2 * fmax(fabs(d->left), fabs(d->right));
    return g >= fmin(d->left, d->right) - wide && g <= fmax(d->left, d->right) + wide;
}

static ct_verdict without_difference(const ct__parameter *p, int64_t k)
{
    return close_to(p, p->hand[k], p->autograd[k]) ? CT_RIGHT : CT_WRONG;
}

static ct_verdict with_difference(const ct__parameter *p, int64_t k, const ct__difference *d)
{
    const double hand = p->hand[k], autograd = p->autograd[k], within = 4 * d->error;
    const bool agree = close_to(p, hand, autograd);
    if (!isfinite(hand)) return CT_WRONG;
    if (!d->smooth) return agree ? CT_RIGHT : between(hand, d) ? CT_NOT_SMOOTH : CT_WRONG;
    /* Does autograd stand outside of what the difference allows? In f32 the steps cannot be made narrow, so that kinks near by
     * (of the relus of a whole batch) blur it: as much as the slopes of the two sides differ. */
    const double blur = p->f32 ? 2 * fabs(d->right - d->left) : 0;
    const double wide = fmax(10 * p->rtol, 1e-5) * fmax(fabs(autograd), fabs(d->value)) + 1e2 * p->atol + blur;
    if (fabs(autograd - d->value) > within + wide) return CT_AUTOGRAD_OFF;
    if (agree) return CT_RIGHT;
    return fabs(hand - d->value) <= d->error && fabs(hand - autograd) <= within ? CT_CANNOT_TELL : CT_WRONG;
}

static double absolute_error(const ct__parameter *p, int64_t k) { return fabs(p->hand[k] - p->autograd[k]); }

static double relative_error(const ct__parameter *p, int64_t k)
{
    const double size = fmax(fabs(p->hand[k]), fabs(p->autograd[k]));
    return p->hand[k] == p->autograd[k] ? 0 : absolute_error(p, k) / size;
}

static void count_verdicts(ct__parameter *p)
{
    ct_compared_parameter *s = &p->summary;
    *s = (ct_compared_parameter){.name = p->name, .shape = p->shape, .count = p->count, .worst = -1};
    int64_t *const counts[] = {[CT_RIGHT] = &s->right, [CT_WRONG] = &s->wrong, [CT_NOT_SMOOTH] = &s->not_smooth,
                               [CT_CANNOT_TELL] = &s->cannot_tell, [CT_AUTOGRAD_OFF] = &s->autograd_off};
    for (int64_t k = 0; k < p->count; k++) {
        const double a = absolute_error(p, k), r = relative_error(p, k);
        ++*counts[p->verdict[k]];
        s->differences += !isnan(p->difference[k]);
        if (s->worst < 0 || !(a <= s->max_absolute_error)) s->max_absolute_error = a, s->worst = k;
        if (!(r <= s->max_relative_error)) s->max_relative_error = r;
    }
    s->verdict = s->wrong   ? CT_WRONG
        : s->autograd_off   ? CT_AUTOGRAD_OFF
        : s->not_smooth     ? CT_NOT_SMOOTH
        : s->cannot_tell    ? CT_CANNOT_TELL
                            : CT_RIGHT;
}

/* ---- differences ------------------------------------------------------------------------------------------- */

static bool take_difference(ct_comparison *c, ct__model *m, int i, int64_t k, double step)
{
    ct__parameter *p = &c->p[i];
    ct__difference d;
    if (!isnan(p->difference[k])) return true;
    if (!ct__model_difference(m, i, k, step, &d)) return false;
    p->difference[k] = d.value;
    p->error[k] = d.error;
    p->verdict[k] = (unsigned char)with_difference(p, k, &d);
    return true;
}

/* The element without a difference by which hand and autograd are furthest apart; -1. */
static int64_t next_worst(const ct__parameter *p)
{
    int64_t worst = -1;
    for (int64_t k = 0; k < p->count; k++) {
        if (!isnan(p->difference[k]) || !isfinite(p->hand[k])) continue;
        if (worst < 0 || absolute_error(p, k) > absolute_error(p, worst)) worst = k;
    }
    return worst;
}

/* In f32 a few differences that do not agree with autograd are blurred ones; a derivative that is wrong shows in most. */
static void forgive_blur(ct__parameter *p)
{
    int64_t taken = 0, off = 0;
    for (int64_t k = 0; k < p->count; k++) {
        taken += !isnan(p->difference[k]);
        off += p->verdict[k] == CT_AUTOGRAD_OFF;
    }
    if (!p->f32 || 4 * off > taken) return;
    for (int64_t k = 0; k < p->count; k++) {
        if (p->verdict[k] == CT_AUTOGRAD_OFF) p->verdict[k] = (unsigned char)without_difference(p, k);
    }
}

static bool take_differences(ct_comparison *c, ct__model *m, const ct_compare_options *options)
{
    const int64_t most = options->max_elements > 0 ? options->max_elements : 100;
    uint64_t random = options->seed;
    for (int i = 0; i < c->n; i++) {
        ct__parameter *p = &c->p[i];
        for (int64_t k = 0; k < p->count && p->count <= most; k++) {
            if (!take_difference(c, m, i, k, options->step)) return false;
        }
        if (p->count <= most) continue;
        for (int64_t j = 0; j < (most + 1) / 2; j++) {
            const int64_t worst = next_worst(p);
            if (worst >= 0 && !take_difference(c, m, i, worst, options->step)) return false;
        }
        for (int64_t j = 0; j < most / 2; j++) {
            const int64_t k = (int64_t)(ct__random_bits(&random) % (uint64_t)p->count);
            if (!take_difference(c, m, i, k, options->step)) return false;
        }
    }
    return true;
}

/* ---- all of it --------------------------------------------------------------------------------------------- */

/* What was given by hand: reads the gradients into c. */
typedef struct hand {
    ct_tensor *const *tensors;
    const double *const *arrays;
    ct_hand_gradient derive;
    void *context;
} hand;

static bool same_but_for_ones(ct_shape a, ct_shape b)
{
    int64_t i = 0, j = 0;
    for (;;) {
        while (i < a.rank && a.dim[i] == 1) i++;
        while (j < b.rank && b.dim[j] == 1) j++;
        if (i == a.rank || j == b.rank) return i == a.rank && j == b.rank;
        if (a.dim[i++] != b.dim[j++]) return false;
    }
}

/* The parameter's shape, or its transpose (which is then the mistake that is found). */
static bool read_tensor(const ct__model *m, ct__parameter *p, int i, const ct_tensor *t)
{
    if (!t) return ct_raise(CT_ERROR_NULL, m->operation, "hand[%d], of %s, is NULL", i, p->name);
    const ct_shape shape = ct_shape_get(t), own = p->shape;
    const bool transposed = shape.rank == 2 && own.rank == 2 && shape.dim[0] == own.dim[1] && shape.dim[1] == own.dim[0];
    if (!ct__float_dtype(ct_dtype_of(t)))
        return ct_raise(CT_ERROR_DTYPE, m->operation, "hand[%d], of %s, is %s; expected f32 or f64", i, p->name,
                        ct__tensor_text(t).text);
    if (!same_but_for_ones(shape, own) && !transposed)
        return ct_raise(CT_ERROR_SHAPE, m->operation, "hand[%d] is %s, %s itself is %s; a gradient has the parameter's shape", i,
                        ct__tensor_text(t).text, p->name, ct__list_text(own).text);
    return ct_copy_values(t, p->hand, p->count);
}

static bool run_derivation(const ct__model *m, ct_comparison *c, const hand *h)
{
    const double **x = ct__check_memory(m->operation, (size_t)c->n, sizeof *x);
    double **d = ct__check_memory(m->operation, (size_t)c->n, sizeof *d);
    for (int i = 0; x && d && i < c->n; i++) x[i] = c->p[i].x, d[i] = c->p[i].hand;
    const int code = x && d ? h->derive(h->context, x, d) : 0;
    free(x);
    free(d);
    if (ct_error()) return false;
    return !code || ct_raise(CT_ERROR_USER, m->operation, "the derivation by hand returned %d", code);
}

static bool read_hand(const ct__model *m, ct_comparison *c, const hand *h)
{
    if (h->derive) return run_derivation(m, c, h);
    for (int i = 0; i < c->n; i++) {
        ct__parameter *p = &c->p[i];
        if (h->tensors) {
            if (!read_tensor(m, p, i, h->tensors[i])) return false;
        } else {
            if (!h->arrays[i]) return ct_raise(CT_ERROR_NULL, m->operation, "hand[%d], of %s, is NULL", i, p->name);
            memcpy(p->hand, h->arrays[i], (size_t)p->count * sizeof *p->hand);
        }
    }
    return true;
}

/* Was anything given in f32? Then the derivation was probably computed in it. */
static bool is_coarse(const ct__model *m, const hand *h)
{
    bool coarse = m->in_f32 || m->raised;
    for (int i = 0; h->tensors && i < m->n; i++) coarse = coarse || ct_dtype_of(h->tensors[i]) == CT_F32;
    return coarse;
}

static bool autograd(ct__model *m, ct_comparison *c)
{
    double **g = ct__check_memory(m->operation, (size_t)c->n, sizeof *g);
    for (int i = 0; g && i < c->n; i++) g[i] = c->p[i].autograd;
    const bool ok = g && ct__model_gradients(m, g);
    free(g);
    return ok;
}

static bool judge(ct_comparison *c, ct__model *m, const hand *h, const ct_compare_options *options)
{
    bool wrong = false;
    if (!read_hand(m, c, h) || !autograd(m, c)) return false;
    set_tolerances(c, options, is_coarse(m, h));
    for (int i = 0; i < c->n; i++) {
        for (int64_t k = 0; k < c->p[i].count; k++) c->p[i].verdict[k] = (unsigned char)without_difference(&c->p[i], k);
    }
    if (!options->no_differences && !take_differences(c, m, options)) return false;
    for (int i = 0; i < c->n; i++) {
        forgive_blur(&c->p[i]);
        count_verdicts(&c->p[i]);
        wrong = wrong || c->p[i].summary.wrong;
    }
    return !wrong || options->no_guesses || ct__guess_mistakes(c, m);
}

static ct_comparison *compare(ct__model *m, bool ok, const hand *h, const ct_compare_options *options)
{
    ct_comparison *c = ok ? comparison_new(m, options) : NULL;
    if (c && !judge(c, m, h, options)) {
        ct_comparison_free(c);
        c = NULL;
    }
    ct__model_free(m);
    return c;
}

static ct_comparison *compare_function(const char *operation, ct_function loss, void *context, ct_tensor *const *in, int n_in,
                                       const hand *h, int n_hand, const ct_compare_options *options)
{
    ct__model m = {.operation = operation};
    if (!h->tensors && !h->arrays && !h->derive) return (void)ct_raise(CT_ERROR_NULL, operation, "hand is NULL"), NULL;
    if (n_hand < 1 || n_hand > n_in)
        return (void)ct_raise(CT_ERROR_VALUE, operation,
                              "%d gradients for %d inputs; expected at least one, and no more than inputs", n_hand, n_in), NULL;
    const bool ok = ct__model_of_function(&m, operation, loss, context, in, n_in, n_hand, true);
    return compare(&m, ok, h, options);
}

ct_comparison *ct_compare_gradients(ct_function loss, void *context, ct_tensor *const *in, int n_in, ct_tensor *const *by_hand,
                                    int n_hand, ct_compare_options options)
{
    return compare_function("ct_compare_gradients", loss, context, in, n_in, &(hand){.tensors = by_hand}, n_hand, &options);
}

ct_comparison *ct_compare_arrays(ct_function loss, void *context, ct_tensor *const *in, int n_in, const double *const *by_hand,
                                 int n_hand, ct_compare_options options)
{
    return compare_function("ct_compare_arrays", loss, context, in, n_in, &(hand){.arrays = by_hand}, n_hand, &options);
}

ct_comparison *ct_compare_derivation(ct_function loss, void *context, ct_tensor *const *in, int n_in, ct_hand_gradient derive,
                                     void *hand_context, int n_hand, ct_compare_options options)
{
    return compare_function("ct_compare_derivation", loss, context, in, n_in, &(hand){.derive = derive, .context = hand_context},
                            n_hand, &options);
}

/* ---- of a module ------------------------------------------------------------------------------------------- */

typedef struct paths {
    const char *operation;
    char **names;
    int n, room;
} paths;

static bool note_path(const char *path, ct_tensor *tensor, bool is_parameter, void *context)
{
    (void)tensor;
    paths *p = context;
    if (!is_parameter || p->n == p->room) return true;
    return (p->names[p->n++] = copy_text(p->operation, path)) != NULL;
}

static ct_comparison *compare_module(ct__model *m, const paths *p, ct_tensor *const *by_hand, ct_compare_options options)
{
    CT_SCOPE;
    ct_tensor **held = ct__check_memory(m->operation, (size_t)m->n, sizeof *held);
    bool ok = held != NULL;
    for (int i = 0; ok && !by_hand && i < m->n; i++) ok = (held[i] = ct_grad_of(m->p[i])) != NULL;
    if (!options.names) options.names = (const char *const *)p->names;
    ct_comparison *c = compare(m, ok, &(hand){.tensors = by_hand ? by_hand : held}, &options);
    free(held);
    return c;
}

ct_comparison *ct_compare_module_gradients(ct_module *module, ct_module_loss loss, void *context, ct_tensor *const *by_hand,
                                           int count, ct_compare_options options)
{
    static const char operation[] = "ct_compare_module_gradients";
    ct__model m;
    ct_comparison *c = NULL;
    bool ok = ct__model_of_module(&m, operation, module, loss, context);
    if (ok && by_hand && count != m.n)
        ok = ct_raise(CT_ERROR_VALUE, operation, "%d gradients for the module's %d parameters", count, m.n);
    paths p = {.operation = operation, .room = ok ? m.n : 0};
    p.names = ok ? ct__check_memory(operation, (size_t)m.n, sizeof *p.names) : NULL;
    if (p.names && ct_module_visit(module, note_path, &p) && !ct_error()) c = compare_module(&m, &p, by_hand, options);
    else ct__model_free(&m);
    for (int i = 0; i < p.n; i++) free(p.names[i]);
    free(p.names);
    return c;
}

/* ---- reading it -------------------------------------------------------------------------------------------- */

static bool given(const char *operation, const ct_comparison *c)
{
    return c || ct_raise(CT_ERROR_NULL, operation, "comparison is NULL");
}

bool ct_comparison_right(const ct_comparison *c)
{
    if (!given("ct_comparison_right", c)) return false;
    for (int i = 0; i < c->n; i++) {
        if (c->p[i].summary.wrong || c->p[i].summary.autograd_off) return false;
    }
    return true;
}

double ct_comparison_loss(const ct_comparison *c) { return given("ct_comparison_loss", c) ? c->loss : NAN; }
int ct_comparison_count(const ct_comparison *c) { return given("ct_comparison_count", c) ? c->n : -1; }
int ct_comparison_guesses(const ct_comparison *c) { return given("ct_comparison_guesses", c) ? c->n_guesses : -1; }

/* Is `number` one of 0 .. count - 1, and is there room for the answer? */
static bool in_range(const char *operation, const char *what, int64_t number, int64_t count, const void *to)
{
    if (!to) return ct_raise(CT_ERROR_NULL, operation, "to is NULL");
    return (number >= 0 && number < count) ||
           ct_raise(CT_ERROR_INDEX, operation, "%s %lld of %lld; they are counted from 0", what, (long long)number,
                    (long long)count);
}

bool ct_comparison_parameter(const ct_comparison *c, int parameter, ct_compared_parameter *to)
{
    if (to) *to = (ct_compared_parameter){.worst = -1};
    static const char operation[] = "ct_comparison_parameter";
    if (!given(operation, c) || !in_range(operation, "parameter", parameter, c->n, to)) return false;
    *to = c->p[parameter].summary;
    return true;
}

bool ct_comparison_element(const ct_comparison *c, int parameter, int64_t k, ct_compared_element *to)
{
    static const char operation[] = "ct_comparison_element";
    if (to) *to = (ct_compared_element){.hand = NAN, .autograd = NAN, .difference = NAN, .difference_error = NAN,
                                        .absolute_error = NAN, .relative_error = NAN};
    if (!given(operation, c) || !in_range(operation, "parameter", parameter, c->n, to)) return false;
    const ct__parameter *p = &c->p[parameter];
    if (!in_range(operation, "element", k, p->count, to)) return false;
    *to = (ct_compared_element){.index = ct__place_of_element(p->shape, k), .hand = p->hand[k], .autograd = p->autograd[k],
                                .difference = p->difference[k], .difference_error = p->error[k],
                                .absolute_error = absolute_error(p, k), .relative_error = relative_error(p, k),
                                .verdict = (ct_verdict)p->verdict[k]};
    return true;
}

bool ct_comparison_guess(const ct_comparison *c, int guess, ct_guess *to)
{
    if (to) *to = (ct_guess){.factor = NAN};
    if (!given("ct_comparison_guess", c) || !in_range("ct_comparison_guess", "guess", guess, c->n_guesses, to)) return false;
    const ct__guess *g = &c->guesses[guess];
    *to = g->shown;
    to->operation = *g->operation ? g->operation : NULL;
    to->sentence = g->sentence;
    return true;
}

const char *ct_verdict_name(ct_verdict verdict)
{
    static const char *const names[] = {"right", "wrong", "not smooth", "cannot tell", "autograd off"};
    return verdict <= CT_AUTOGRAD_OFF ? names[verdict] : NULL;
}

const char *ct_mistake_name(ct_mistake mistake)
{
    static const char *const names[CT_MISTAKES] = {
        "sign", "batch", "outputs", "two", "factor", "transposed", "penalty", "L1 penalty", "swapped", "zero", "few",
        "slope at z", "slope at a", "slope omitted", "slope twice", "slope other", "bias omitted", "weights omitted",
        "weights transposed", "layer input", "one example", "not a number"};
    for (int i = 0; i < CT_MISTAKES; i++) {
        if (mistake == 1u << i) return names[i];
    }
    return NULL;
}
