/*
 * fit.c - does one gradient explain another, up to a factor, a transposition, or a term proportional to the parameter?
 *
 * A factor comes from least squares, c = <h, p> / <p, p>, and must then leave next to nothing: a hundredth of the tolerance by
 * which values are called right, and a thousandth of the difference that is to be explained. Factors with a name are +-1, 2, B,
 * n (the batch and the number of outputs), their inverses and products; others count only where more than one element bears them
 * out.
 *
 * A penalty on the parameter reaches its gradient by a way of its own (`rest`): a mistake in delta leaves that part alone.
 */
#include "check/compare.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- factors ---------------------------------------------------------------------------------------------- */

typedef struct named {
    double value, cost;
    unsigned mistakes;
    int two, batch, outputs; /* exponents */
} named;

static named named_of(const ct_comparison *c, int sign, int two, int batch, int outputs)
{
    const double b = (double)c->batch, n = (double)c->outputs;
    named f = {.value = sign, .two = two, .batch = batch, .outputs = outputs};
    if (two) f.value *= two > 0 ? 2 : 0.5;
    if (batch) f.value *= batch > 0 ? b : 1 / b;
    if (outputs) f.value *= outputs > 0 ? n : 1 / n;
    if (sign < 0) f.mistakes |= CT_MISTAKE_SIGN;
    if (two) f.mistakes |= CT_MISTAKE_TWO;
    if (batch) f.mistakes |= CT_MISTAKE_BATCH;
    if (outputs) f.mistakes |= CT_MISTAKE_OUTPUTS;
    f.cost = (sign < 0) + 1.2 * (batch != 0) + 1.3 * (two != 0) + 1.5 * (outputs != 0);
    return f;
}

/* The simplest factor with a name that is `value`. */
static bool name_of(const ct_comparison *c, double value, double tolerance, named *best)
{
    bool found = false;
    for (int i = 0; i < 54; i++) {
        const int sign = i % 2 ? -1 : 1, two = i / 2 % 3 - 1, batch = i / 6 % 3 - 1, outputs = i / 18 - 1;
        if ((batch && c->batch < 2) || (outputs && c->outputs < 2)) continue;
        const named f = named_of(c, sign, two, batch, outputs);
        if (fabs(value - f.value) > tolerance * fabs(f.value) || (found && f.cost >= best->cost)) continue;
        *best = f;
        found = true;
    }
    return found;
}

/* ---- vectors ---------------------------------------------------------------------------------------------- */

static double largest_of(const double *v, int64_t n)
{
    double most = 0;
    for (int64_t k = 0; k < n; k++) {
        if (!(fabs(v[k]) <= most)) most = fabs(v[k]); /* keeps a NaN */
    }
    return most;
}

static double distance(const double *a, const double *b, int64_t n)
{
    double most = 0;
    for (int64_t k = 0; k < n; k++) {
        if (!(fabs(a[k] - b[k]) <= most)) most = fabs(a[k] - b[k]);
    }
    return most;
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t k = 0; k < n; k++) sum += a[k] * b[k];
    return sum;
}

/* Rows and columns, where there are two axes longer than 1. */
static bool is_matrix(const ct__parameter *p, int64_t *rows, int64_t *cols)
{
    int found = 0;
    for (int64_t i = 0; i < p->shape.rank; i++) {
        if (p->shape.dim[i] <= 1) continue;
        if (found == 0) *rows = p->shape.dim[i];
        if (found == 1) *cols = p->shape.dim[i];
        found++;
    }
    return found == 2;
}

static void transpose(const double *a, int64_t rows, int64_t cols, double *to)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) to[j * rows + i] = a[i * cols + j];
}

/* What may be left of a difference that is explained, relative to the largest element. */
static double allowance(const ct__parameter *p) { return fmax(1e-2 * p->rtol, 1e-13); }

bool ct__same_as_autograd(const ct__parameter *p, const double *prediction)
{
    return distance(prediction, p->autograd, p->count) <= 10 * allowance(p) * largest_of(p->autograd, p->count) + DBL_MIN;
}

/* ---- the forms -------------------------------------------------------------------------------------------- */

typedef struct fitting {
    const ct_comparison *c;
    const ct__parameter *p;
    bool plain;
    double *data;   /* the prediction without the rest */
    double *turned; /* room for a transpose, or for a term */
    ct__fit best;
} fitting;

/* factor * a + share * b beside hand: what is left, relative to the largest of hand; infinite where it explains too little. b
 * may be NULL. */
static double residual_of(const ct__parameter *p, const double *a, double factor, const double *b, double share)
{
    double left = 0;
    const double size = largest_of(p->hand, p->count), unexplained = distance(p->hand, p->autograd, p->count);
    for (int64_t k = 0; k < p->count; k++) {
        const double r = fabs(p->hand[k] - factor * a[k] - (b ? share * b[k] : 0));
        if (!(r <= left)) left = r;
    }
    return left <= allowance(p) * size && left <= 1e-3 * unexplained ? left / size : INFINITY;
}

static void take(fitting *f, ct__fit fit)
{
    fit.fits = isfinite(fit.residual);
    if (fit.fits && (!f->best.fits || fit.cost < f->best.cost)) f->best = fit;
}

/* hand = factor * a + b, b NULL for none */
static void try_factor(fitting *f, const double *a, const double *b, unsigned mistakes, double cost)
{
    const ct__parameter *p = f->p;
    const double square = dot(a, a, p->count);
    if (!(square > 0)) return;
    const double factor = (dot(p->hand, a, p->count) - (b ? dot(b, a, p->count) : 0)) / square;
    named n = {0};
    if (name_of(f->c, factor, 100 * allowance(p), &n)) {
        take(f, (ct__fit){.mistakes = mistakes | n.mistakes, .factor = n.value, .cost = cost + n.cost,
                          .residual = residual_of(p, a, n.value, b, 1)});
    } else if (f->plain && p->count > 1) {
        take(f, (ct__fit){.mistakes = mistakes | CT_MISTAKE_FACTOR, .factor = factor, .cost = cost + 4,
                          .residual = residual_of(p, a, factor, b, 1)});
    }
}

/* hand = factor * a + share * term, by the normal equations for both; a share of `due` would be right. */
static void try_share(fitting *f, const double *a, const double *term, double due, unsigned mistake)
{
    const ct__parameter *p = f->p;
    const double aa = dot(a, a, p->count), tt = dot(term, term, p->count), at = dot(a, term, p->count);
    const double ha = dot(p->hand, a, p->count), ht = dot(p->hand, term, p->count), det = aa * tt - at * at;
    if (p->count < 3 || !(det > 1e-6 * aa * tt)) return;
    named n = {0};
    if (!name_of(f->c, (ha * tt - ht * at) / det, 100 * allowance(p), &n)) return;
    const double share = (ht - n.value * at) / tt;
    if (fabs(share - due) * largest_of(term, p->count) <= allowance(p) * largest_of(p->hand, p->count)) return;
    take(f, (ct__fit){.mistakes = mistake | n.mistakes, .factor = n.value, .penalty = share - due, .cost = 2 + n.cost,
                      .residual = residual_of(p, a, n.value, term, share)});
}

/* What kind of penalty `rest` is the derivative of: proportional to the parameter, to its sign, or to neither (0). */
static unsigned kind_of_rest(const ct__parameter *p, double *factor)
{
    double xx = 0, rx = 0, rr = 0, rs = 0, ss = 0;
    for (int64_t k = 0; k < p->count; k++) {
        const double x = p->x[k], r = p->rest[k], sign = (x > 0) - (x < 0);
        xx += x * x, rx += r * x, rr += r * r, rs += r * sign, ss += sign * sign;
    }
    const bool l2 = rx * rx > (1 - 1e-9) * rr * xx, l1 = rs * rs > (1 - 1e-9) * rr * ss;
    *factor = l2 ? rx / xx : l1 ? rs / ss : 1;
    return l2 ? CT_MISTAKE_PENALTY : l1 ? CT_MISTAKE_L1_PENALTY : 0;
}

/* The loss has a penalty on the parameter: its term has another share. Else: a term proportional to the parameter or its sign is
 * there. */
static void try_penalties(fitting *f, const double *prediction, bool has_rest)
{
    const ct__parameter *p = f->p;
    if (has_rest) {
        double factor;
        const unsigned kind = kind_of_rest(p, &factor);
        try_share(f, f->data, p->rest, 1, kind ? kind : CT_MISTAKE_PENALTY);
        return;
    }
    try_share(f, prediction, p->x, 0, CT_MISTAKE_PENALTY);
    for (int64_t k = 0; k < p->count; k++) f->turned[k] = (p->x[k] > 0) - (p->x[k] < 0);
    try_share(f, prediction, f->turned, 0, CT_MISTAKE_L1_PENALTY);
}

static void try_forms(fitting *f, const double *prediction)
{
    const ct__parameter *p = f->p;
    int64_t rows = 0, cols = 0;
    const bool has_rest = largest_of(p->rest, p->count) > 0;
    for (int64_t k = 0; k < p->count; k++) f->data[k] = prediction[k] - p->rest[k];
    try_factor(f, prediction, NULL, 0, 0);
    if (has_rest) try_factor(f, f->data, p->rest, 0, 0);
    if (is_matrix(p, &rows, &cols)) {
        transpose(prediction, rows, cols, f->turned);
        try_factor(f, f->turned, NULL, CT_MISTAKE_TRANSPOSED, 1.5);
        if (has_rest) {
            transpose(f->data, rows, cols, f->turned);
            try_factor(f, f->turned, p->rest, CT_MISTAKE_TRANSPOSED, 1.6);
        }
    }
    if (f->plain) try_penalties(f, prediction, has_rest);
}

ct__fit ct__fit_of(const ct_comparison *c, const ct__parameter *p, const double *prediction, bool plain)
{
    fitting f = {.c = c, .p = p, .plain = plain, .best = {.factor = 1}};
    const double size = largest_of(p->hand, p->count);
    if (!isfinite(size)) return f.best;
    if (size == 0) { /* only a gradient of zeros explains zeros */
        f.best.fits = largest_of(prediction, p->count) == 0;
        return f.best;
    }
    f.data = malloc(2 * (size_t)p->count * sizeof *f.data);
    if (!f.data) return f.best;
    f.turned = f.data + p->count;
    try_forms(&f, prediction);
    free(f.data);
    return f.best;
}

/* ---- in words --------------------------------------------------------------------------------------------- */

static void add(char *to, size_t size, const char *format, ...)
{
    const size_t used = strlen(to);
    va_list arguments;
    va_start(arguments, format);
    if (used < size) vsnprintf(to + used, size - used, format, arguments);
    va_end(arguments);
}

/* The penalty's term is `rest` where the loss has one, else the parameter or its sign. */
static void add_penalty(const ct__parameter *p, const ct__fit *fit, const char *and, char *to, size_t size)
{
    const bool has_rest = largest_of(p->rest, p->count) > 0;
    const char *verb = fit->penalty < 0 ? "is missing" : "is too much";
    double factor = 1;
    if (has_rest && !kind_of_rest(p, &factor)) {
        const bool whole = fabs(fabs(fit->penalty) - 1) < 1e-6;
        if (whole) add(to, size, "%sthe term of the penalty on it %s", and, verb);
        else add(to, size, "%s%.6g times the term of the penalty on it %s", and, fabs(fit->penalty), verb);
        return;
    }
    factor *= fabs(fit->penalty);
    const bool l1 = fit->mistakes & CT_MISTAKE_L1_PENALTY;
    add(to, size, "%sa term %.6g %s %s (w is the parameter itself: %s)", and, factor, l1 ? "sign(w)" : "w", verb,
        l1 ? "an L1 penalty" : "weight decay");
}

/* Other readings of the same factor, where B, n and 2 are not told apart by their size. */
static void add_others(const ct_comparison *c, const named *f, char *to, size_t size)
{
    static const char *const texts[3][2] = {{"a factor 2 missing", "a factor 2 too much"}, {"1/B too much", "1/B missing"},
                                            {"1/n too much", "1/n missing"}};
    const int given[3] = {f->two, f->batch, f->outputs};
    for (int kind = 0; kind < 3; kind++) {
        for (int up = 0; up < 2; up++) {
            const int exponent = up ? 1 : -1;
            if ((kind == 1 && c->batch < 2) || (kind == 2 && c->outputs < 2) || given[kind]) continue;
            const int of[3] = {kind == 0 ? exponent : 0, kind == 1 ? exponent : 0, kind == 2 ? exponent : 0};
            const named other = named_of(c, f->value < 0 ? -1 : 1, of[0], of[1], of[2]);
            if (fabs(other.value - f->value) > 1e-12 * fabs(f->value)) continue;
            add(to, size, " (or %s: it is the same number here)", texts[kind][up]);
        }
    }
}

/* The parts of a factor, joined by "and". */
static void add_factor(const ct_comparison *c, const ct__fit *fit, const named *f, const char *and, char *to, size_t size)
{
    const long long B = c->batch, n = c->outputs;
    static const char next[] = ", and ";
    if (fit->mistakes & CT_MISTAKE_SIGN) add(to, size, "%sthe sign is wrong", and), and = next;
    if (f->batch > 0) add(to, size, "%s1/B is missing (B = %lld): a sum over the batch for the mean", and, B), and = next;
    if (f->batch < 0) add(to, size, "%s1/B is too much (B = %lld): the mean over the batch for a sum", and, B), and = next;
    if (f->two > 0) add(to, size, "%sit has a factor 2 too much", and), and = next;
    if (f->two < 0) add(to, size, "%sa factor 2 is missing (the derivative of a square?)", and), and = next;
    if (f->outputs > 0) add(to, size, "%s1/n is missing (n = %lld outputs)", and, n), and = next;
    if (f->outputs < 0) add(to, size, "%s1/n is too much (n = %lld outputs)", and, n), and = next;
    if (f->two || f->batch || f->outputs) add_others(c, f, to, size);
}

void ct__fit_text(const ct_comparison *c, const ct__parameter *p, const ct__fit *fit, char *to, size_t size)
{
    named f = {0};
    *to = '\0';
    if (fit->mistakes & CT_MISTAKE_TRANSPOSED) add(to, size, "the matrix is given as its transpose");
    const char *and = *to ? ", and " : "";
    if (fit->mistakes & CT_MISTAKE_FACTOR) add(to, size, "%severy value is %.6g times what it should be", and, fit->factor);
    else if (name_of(c, fit->factor, 1e-12, &f)) add_factor(c, fit, &f, and, to, size);
    if (fit->mistakes & (CT_MISTAKE_PENALTY | CT_MISTAKE_L1_PENALTY)) add_penalty(p, fit, *to ? ", and " : "", to, size);
}
