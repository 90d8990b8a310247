/*
 * print.c - tensors as text, as NumPy prints arrays.
 *
 * All numbers of a tensor share one layout: whole parts end in one column, fractions are as long as the longest needs, and all
 * are scientific if the largest is huge, the smallest tiny, or their ratio above 1000. A fraction has the fewest digits that read
 * back as the same number, at most `precision`. The elements that will be shown are measured first, then printed.
 *
 * Invariant: the text does not depend on the locale; the decimal point that snprintf writes is never copied.
 */
#include "tensor/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- where text goes ---- */

typedef struct sink {
    FILE *file;   /* or */
    char *buffer; /* of `size` bytes */
    size_t size;
    int64_t length; /* of the whole text */
    int spaces;     /* written when something follows them: lines do not end in spaces */
    bool failed;
} sink;

static void put_raw(sink *to, const char *text, size_t n)
{
    if (to->file) to->failed = fwrite(text, 1, n, to->file) != n || to->failed;
    else if ((size_t)to->length < to->size) {
        const size_t room = to->size - (size_t)to->length;
        memcpy(to->buffer + to->length, text, n < room ? n : room);
    }
    to->length += (int64_t)n;
}

static void put_spaces(sink *to, int n) { to->spaces += n; }

static void put(sink *to, const char *text)
{
    while (*text) {
        const size_t spaces = strspn(text, " "), n = strcspn(text + spaces, " ");
        to->spaces += (int)spaces;
        for (; n > 0 && to->spaces > 0; to->spaces--) put_raw(to, " ", 1);
        put_raw(to, text + spaces, n);
        text += spaces + n;
    }
}

static void put_lines(sink *to, int n)
{
    to->spaces = 0;
    for (int i = 0; i < n; i++) put_raw(to, "\n", 1);
}

/* ---- one number ---- */

enum { PRECISION_MAX = 32, WORD = 96 }; /* no f64 needs more digits than that to be read back */

/* The digits of a finite number: whole.fraction times ten to the exponent. */
typedef struct digits {
    char whole[16]; /* with the sign */
    char fraction[PRECISION_MAX + 1];
    int exponent; /* 0 unless scientific */
} digits;

static bool reads_back(const char *text, double x, ct_dtype dtype)
{
    return dtype == CT_F32 ? strtof(text, NULL) == (float)x : strtod(text, NULL) == x;
}

/* The fewest digits after the point that read back as x, from `least` to `most` of them. */
static digits digits_of(double x, ct_dtype dtype, bool scientific, int least, int most)
{
    char text[WORD];
    int n = least - 1; /* digits after the point */
    do {
        snprintf(text, sizeof text, scientific ? "%.*e" : "%.*f", ++n, x);
    } while (n < most && !reads_back(text, x, dtype));
    const char *end = scientific ? strchr(text, 'e') : text + strlen(text);
    const char *whole_end = text + strspn(text, "-0123456789");
    digits d = {.exponent = scientific ? atoi(end + 1) : 0};
    memcpy(d.whole, text, (size_t)(whole_end - text));
    memcpy(d.fraction, end - n, (size_t)n);
    while (n > 0 && d.fraction[n - 1] == '0') d.fraction[--n] = '\0';
    return d;
}

static int64_t load_integer(const char *at, ct_dtype dtype)
{
    if (dtype == CT_I64) return *(const int64_t *)(const void *)at;
    return (int64_t)ct__load(at, dtype);
}

/* ---- the layout that all numbers share ---- */

typedef struct layout {
    ct_dtype dtype;
    bool scientific;
    int precision;
    int whole, fraction, exponent; /* widths in characters; integers and bools have a whole part alone */
    int other;                     /* width that nan, inf or -inf asks for */
    double least, most;            /* of the absolute values that are finite and not 0 */
} layout;

static void widen(int *width, size_t n)
{
    if (*width < (int)n) *width = (int)n;
}

static void measure_range(layout *l, const char *at)
{
    const double x = ct__load(at, l->dtype);
    if (!isfinite(x)) widen(&l->other, x < 0 ? 4 : 3);
    if (!isfinite(x) || x == 0) return;
    if (fabs(x) < l->least) l->least = fabs(x);
    if (fabs(x) > l->most) l->most = fabs(x);
}

/* f32 has about 6 digits, so a longer whole part would show digits that are not there. */
static bool wants_exponent(const layout *l)
{
    if (l->most == 0) return false;
    if (l->dtype == CT_F32) return l->most >= 1e6 || (float)l->least < 1e-4f || (float)l->most / (float)l->least > 1000;
    return l->most >= 1e8 || l->least < 1e-4 || l->most / l->least > 1000;
}

static void measure_digits(layout *l, const char *at)
{
    const double x = ct__load(at, l->dtype);
    if (!isfinite(x)) return;
    const digits d = digits_of(x, l->dtype, l->scientific, 0, l->precision);
    widen(&l->whole, strlen(d.whole));
    widen(&l->fraction, strlen(d.fraction));
    if (l->scientific) widen(&l->exponent, abs(d.exponent) > 99 ? 3 : 2);
}

static void measure_integer(layout *l, const char *at)
{
    char text[WORD];
    widen(&l->whole, (size_t)snprintf(text, sizeof text, "%lld", (long long)load_integer(at, l->dtype)));
}

/* The width of what follows the whole part: point, fraction, and in scientific notation an e and the exponent with its sign. */
static int tail_width(const layout *l) { return 1 + l->fraction + (l->scientific ? 2 + l->exponent : 0); }

/* ---- what is shown ---- */

typedef struct printer {
    const ct_tensor *t;
    ct_print_options options;
    bool elided;
    layout layout;
    sink out;
} printer;

/* How many elements of an axis are shown; less than its length where some are elided. */
static int64_t shown(const printer *p, int axis)
{
    const int64_t n = p->t->dim[axis], ends = 2 * (int64_t)p->options.edge_items;
    return p->elided && n > ends ? ends : n;
}

/* Does the mark of elided elements stand before the k-th that is shown? */
static bool gap_before(const printer *p, int axis, int64_t k)
{
    return k == p->options.edge_items && shown(p, axis) < p->t->dim[axis];
}

/* The k-th shown element along an axis; `at` is the first of all. */
static const char *place(const printer *p, int axis, const char *at, int64_t k)
{
    const int64_t hidden = k < p->options.edge_items ? 0 : p->t->dim[axis] - shown(p, axis);
    return at + (k + hidden) * p->t->stride[axis] * (int64_t)ct__size(p->t);
}

static void visit(printer *p, int axis, const char *at, void (*measure)(layout *l, const char *at))
{
    if (axis == p->t->rank) {
        measure(&p->layout, at);
        return;
    }
    for (int64_t k = 0; k < shown(p, axis); k++) visit(p, axis + 1, place(p, axis, at, k), measure);
}

static void measure(printer *p)
{
    layout *l = &p->layout;
    *l = (layout){.dtype = p->t->dtype, .precision = p->options.precision, .least = INFINITY};
    if (l->dtype == CT_BOOL) {
        l->whole = p->t->rank > 0 ? 5 : 0;
    } else if (!ct__is_float(l->dtype)) {
        visit(p, 0, p->t->data, measure_integer);
    } else {
        visit(p, 0, p->t->data, measure_range);
        l->scientific = wants_exponent(l);
        visit(p, 0, p->t->data, measure_digits);
        widen(&l->whole, l->other > tail_width(l) ? (size_t)(l->other - tail_width(l)) : 0);
    }
}

/* ---- printing ---- */

/* An element as text, as wide as all of them. */
static void write_word(const layout *l, const char *at, char word[WORD])
{
    const double x = ct__load(at, l->dtype);
    if (l->dtype == CT_BOOL) snprintf(word, WORD, "%*s", l->whole, x != 0 ? "True" : "False");
    else if (!ct__is_float(l->dtype)) snprintf(word, WORD, "%*lld", l->whole, (long long)load_integer(at, l->dtype));
    else if (!isfinite(x)) snprintf(word, WORD, "%*s", l->whole + tail_width(l), isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
    else {
        /* Before an exponent all digits are shown, as many for each number; else trailing zeros become spaces. */
        digits d = digits_of(x, l->dtype, l->scientific, l->scientific ? l->fraction : 0, l->fraction);
        const int n = (int)strlen(d.fraction);
        memset(d.fraction + n, l->scientific ? '0' : ' ', (size_t)(l->fraction - n));
        const int length = snprintf(word, WORD, "%*s.%s", l->whole, d.whole, d.fraction);
        if (l->scientific)
            snprintf(word + length, (size_t)(WORD - length), "e%c%0*d", d.exponent < 0 ? '-' : '+', l->exponent, abs(d.exponent));
    }
}

/* Puts a word into a line that is `column` long, or into the next one if it is too long for this. Returns the line's length. */
static int64_t put_word(printer *p, int64_t column, const char *word)
{
    const int rank = p->t->rank;
    const int64_t n = (int64_t)strlen(word);
    if (column + n > p->options.line_width - rank && column > rank) { /* brackets will close: rank of them */
        put_lines(&p->out, 1);
        put_spaces(&p->out, rank);
        column = rank;
    }
    put(&p->out, word);
    return column + n;
}

/* The innermost axis: words with a space between them. */
static void print_row(printer *p, const char *at)
{
    const int axis = p->t->rank - 1;
    int64_t column = p->t->rank; /* after the brackets that are open */
    char word[WORD];
    for (int64_t k = 0; k < shown(p, axis); k++) {
        for (int pass = gap_before(p, axis, k) ? 0 : 1; pass < 2; pass++) { /* pass 0: the mark of what is elided */
            if (pass == 0) strcpy(word, "...");
            else write_word(&p->layout, place(p, axis, at, k), word);
            if (k > 0) {
                put_spaces(&p->out, 1);
                column++;
            }
            column = put_word(p, column, word);
        }
    }
}

/* Between parts of an outer axis stand as many line ends as there are axes inside it. */
static void print_axis(printer *p, int axis, const char *at)
{
    const int inside = p->t->rank - 1 - axis;
    put(&p->out, "[");
    if (inside == 0) print_row(p, at);
    for (int64_t k = 0; inside > 0 && k < shown(p, axis); k++) {
        if (gap_before(p, axis, k)) {
            put_lines(&p->out, inside);
            put_spaces(&p->out, axis + 1);
            put(&p->out, "...");
        }
        if (k > 0) {
            put_lines(&p->out, inside);
            put_spaces(&p->out, axis + 1);
        }
        print_axis(p, axis + 1, place(p, axis, at, k));
    }
    put(&p->out, "]");
}

static int or_default(int value, int standard) { return value == 0 ? standard : value; }

/* False, with an error, for options that make no sense. */
static bool print(const char *operation, const ct_tensor *t, ct_print_options o, printer *p)
{
    if (!t) return ct__fail_null(operation, "t");
    if (o.precision < 0 || o.threshold < 0 || o.edge_items < 0 || o.line_width < 0)
        return ct__fail(CT_ERROR_VALUE, operation,
                        "precision %d, threshold %d, edge_items %d, line_width %d; expected numbers >= 0 (0: the default)",
                        o.precision, o.threshold, o.edge_items, o.line_width);
    p->t = t;
    p->options = (ct_print_options){.precision = or_default(o.precision, 4), .threshold = or_default(o.threshold, 1000),
                                    .edge_items = or_default(o.edge_items, 3), .line_width = or_default(o.line_width, 88)};
    if (p->options.precision > PRECISION_MAX) p->options.precision = PRECISION_MAX;
    p->elided = t->count > p->options.threshold;
    if (t->count == 0) {
        put(&p->out, "[]");
        return true;
    }
    measure(p);
    if (t->rank > 0) {
        print_axis(p, 0, t->data);
    } else {
        char word[WORD];
        write_word(&p->layout, t->data, word);
        put(&p->out, word);
    }
    return true;
}

/* ---- the public functions ---- */

static bool print_line(const char *operation, FILE *to, const ct_tensor *t, ct_print_options options)
{
    printer p = {.out = {.file = to}};
    if (!t) return ct__fail_null(operation, "t");
    if (!to) return ct__fail_null(operation, "to");
    if (!print(operation, t, options, &p)) return false;
    put_lines(&p.out, 1);
    return !p.out.failed || ct__fail(CT_ERROR_FILE, operation, "writing failed");
}

bool ct_print(FILE *to, const ct_tensor *t) { return print_line("ct_print", to, t, (ct_print_options){0}); }

bool ct_print_with(FILE *to, const ct_tensor *t, ct_print_options options)
{
    return print_line("ct_print_with", to, t, options);
}

int64_t ct_format(char *buffer, size_t size, const ct_tensor *t, ct_print_options options)
{
    printer p = {.out = {.buffer = buffer, .size = size}};
    if (!buffer && size > 0) {
        ct__fail_null("ct_format", "buffer");
        return -1;
    }
    const bool ok = print("ct_format", t, options, &p);
    if (size > 0) buffer[(size_t)p.out.length < size ? (size_t)p.out.length : size - 1] = '\0';
    return ok ? p.out.length : -1;
}
