/*
 * print.c - a comparison as a table for people, and as JSON for programs.
 */
#include "check/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 100 };

/* ---- the table --------------------------------------------------------------------------------------------- */

static void print_number(FILE *to, int width, const char *format, double x)
{
    char text[40];
    if (isnan(x)) snprintf(text, sizeof text, "-");
    else if (strcmp(format, "value") == 0) snprintf(text, sizeof text, "%.8g", x);
    else snprintf(text, sizeof text, x == 0 ? "0" : "%.1e", x);
    fprintf(to, "%*s", width, text);
}

static void print_element(FILE *to, const ct_comparison *c, int parameter, int64_t k)
{
    ct_compared_element e;
    if (!ct_comparison_element(c, parameter, k, &e)) return;
    fprintf(to, "  %-10s", ct__list_text(e.index).text);
    if (isnan(e.hand)) fprintf(to, "%15s", "nan");
    else print_number(to, 15, "value", e.hand);
    print_number(to, 16, "value", e.autograd);
    print_number(to, 16, "value", e.difference);
    print_number(to, 9, "error", e.difference_error);
    print_number(to, 9, "error", e.absolute_error);
    print_number(to, 9, "error", e.relative_error);
    fprintf(to, "  %s\n", ct_verdict_name(e.verdict));
}

typedef struct rank {
    double error; /* 0 where the element is right: the order of rounding errors says nothing */
    int64_t element;
} rank;

static int by_error(const void *a, const void *b)
{
    const rank *x = a, *y = b;
    if (x->error != y->error) return x->error < y->error ? 1 : -1;
    return x->element < y->element ? -1 : 1;
}

/* The worst elements first. */
static bool print_worst(FILE *to, const ct_comparison *c, int parameter, int64_t rows)
{
    const ct__parameter *p = &c->p[parameter];
    rank *ranks = ct__check_memory("ct_comparison_print", (size_t)p->count, sizeof *ranks);
    double left = 0;
    if (!ranks) return false;
    for (int64_t k = 0; k < p->count; k++) {
        const double error = fabs(p->hand[k] - p->autograd[k]);
        ranks[k] = (rank){p->verdict[k] == CT_RIGHT ? 0 : isnan(error) ? INFINITY : error, k};
    }
    qsort(ranks, (size_t)p->count, sizeof *ranks, by_error);
    for (int64_t i = 0; i < rows; i++) print_element(to, c, parameter, ranks[i].element);
    for (int64_t i = rows; i < p->count; i++) left = fmax(left, fabs(p->hand[ranks[i].element] - p->autograd[ranks[i].element]));
    fprintf(to, "  ... and %" PRId64 " more, with errors up to %.1e\n", p->count - rows, left);
    free(ranks);
    return true;
}

static void print_counts(FILE *to, const ct_compared_parameter *s)
{
    const struct { int64_t count; ct_verdict verdict; } parts[] = {
        {s->right, CT_RIGHT}, {s->wrong, CT_WRONG}, {s->not_smooth, CT_NOT_SMOOTH}, {s->cannot_tell, CT_CANNOT_TELL},
        {s->autograd_off, CT_AUTOGRAD_OFF}};
    const char *comma = "";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!parts[i].count) continue;
        if (parts[i].count == s->count) fprintf(to, "all %s", ct_verdict_name(parts[i].verdict));
        else fprintf(to, "%s%" PRId64 " %s", comma, parts[i].count, ct_verdict_name(parts[i].verdict));
        comma = ", ";
    }
}

static bool print_parameter(FILE *to, const ct_comparison *c, int i, int64_t rows)
{
    const ct_compared_parameter *s = &c->p[i].summary;
    fprintf(to, "\n%.40s %s, %" PRId64 " value%s: ", s->name, ct__list_text(s->shape).text, s->count, s->count == 1 ? "" : "s");
    print_counts(to, s);
    fprintf(to, "\n  %-10s%15s%16s%16s%9s%9s%9s  verdict\n", "element", "by hand", "autograd", "difference", "+-", "abs err",
            "rel err");
    if (s->count > rows) return print_worst(to, c, i, rows);
    for (int64_t k = 0; k < s->count; k++) print_element(to, c, i, k);
    return true;
}

/* A sentence in lines that fit. */
static void print_wrapped(FILE *to, const char *text)
{
    int column = 1;
    fputc('-', to);
    while (*text) {
        const int length = (int)strcspn(text, " ");
        const bool fits = column + 1 + length <= WIDTH;
        fprintf(to, "%s%.*s", fits ? " " : "\n  ", length, text);
        column = (fits ? column + 1 : 2) + length;
        text += length;
        if (*text) text++;
    }
    fputc('\n', to);
}

static void print_conclusion(FILE *to, const ct_comparison *c)
{
    int wrong = 0, off = 0;
    for (int i = 0; i < c->n; i++) {
        wrong += c->p[i].summary.wrong > 0;
        off += c->p[i].summary.autograd_off > 0;
    }
    if (off) fprintf(to, "\nAutograd does not agree with the differences in %d: a derivative of your own, or a ct_detach?\n",
                     off);
    if (!wrong && !off) fprintf(to, "\nNo derivative is wrong.\n");
    if (!wrong) return;
    fprintf(to, "\n%d of %d %s wrong.", wrong, c->n, c->n == 1 ? "is" : "are");
    fprintf(to, c->n_guesses ? " What would explain it:\n" : " None of the usual mistakes explains it.\n");
    for (int i = 0; i < c->n_guesses; i++) print_wrapped(to, c->guesses[i].sentence);
}

bool ct_comparison_print(FILE *to, const ct_comparison *c, int64_t rows)
{
    static const char operation[] = "ct_comparison_print";
    if (!to || !c) return ct_raise(CT_ERROR_NULL, operation, "%s is NULL", to ? "comparison" : "to");
    if (rows < 1) rows = 8;
    fprintf(to, "loss %.9g\n", c->loss);
    for (int i = 0; i < c->n; i++) {
        if (!print_parameter(to, c, i, rows)) return false;
    }
    print_conclusion(to, c);
    return !ferror(to) || ct_raise(CT_ERROR_FILE, operation, "writing failed");
}

/* ---- JSON -------------------------------------------------------------------------------------------------- */

/* Bytes outside of ASCII go through as they are: UTF-8 in, UTF-8 out. */
static void json_text(FILE *to, const char *text)
{
    fputc('"', to);
    for (; text && *text; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') fprintf(to, "\\%c", byte);
        else if (byte < 0x20) fprintf(to, "\\u%04x", byte);
        else fputc(byte, to);
    }
    fputc('"', to);
}

static void json_number(FILE *to, const char *name, double x)
{
    char text[40] = "null";
    if (isfinite(x)) snprintf(text, sizeof text, "%.17g", x);
    char *comma = strchr(text, ','); /* the decimal point of a program's own locale */
    if (comma) *comma = '.';
    fprintf(to, "\"%s\": %s", name, text);
}

static void json_list(FILE *to, const char *name, ct_shape list)
{
    fprintf(to, "\"%s\": %s", name, ct__list_text(list).text);
}

static void json_element(FILE *to, const ct_comparison *c, int i, int64_t k)
{
    ct_compared_element e;
    if (!ct_comparison_element(c, i, k, &e)) return;
    fputs(k ? ",\n      {" : "\n      {", to);
    json_list(to, "index", e.index);
    const struct { const char *name; double value; } numbers[] = {
        {"hand", e.hand}, {"autograd", e.autograd}, {"difference", e.difference}, {"difference_error", e.difference_error},
        {"absolute_error", e.absolute_error}, {"relative_error", e.relative_error}};
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
        fputs(", ", to);
        json_number(to, numbers[n].name, numbers[n].value);
    }
    fprintf(to, ", \"verdict\": \"%s\"}", ct_verdict_name(e.verdict));
}

static void json_parameter(FILE *to, const ct_comparison *c, int i)
{
    const ct_compared_parameter *s = &c->p[i].summary;
    fputs(i ? ",\n    {\"name\": " : "\n    {\"name\": ", to);
    json_text(to, s->name);
    fputs(", ", to);
    json_list(to, "shape", s->shape);
    fprintf(to, ", \"verdict\": \"%s\", \"count\": %" PRId64, ct_verdict_name(s->verdict), s->count);
    const struct { const char *name; int64_t count; } counts[] = {
        {"right", s->right}, {"wrong", s->wrong}, {"not_smooth", s->not_smooth}, {"cannot_tell", s->cannot_tell},
        {"autograd_off", s->autograd_off}, {"differences", s->differences}};
    for (size_t n = 0; n < sizeof counts / sizeof *counts; n++)
        fprintf(to, ", \"%s\": %" PRId64, counts[n].name, counts[n].count);
    fputs(", \"worst\": ", to);
    if (s->worst >= 0) fputs(ct__list_text(ct__place_of_element(s->shape, s->worst)).text, to);
    else fputs("null", to);
    fputs(", ", to);
    json_number(to, "max_absolute_error", s->max_absolute_error);
    fputs(", ", to);
    json_number(to, "max_relative_error", s->max_relative_error);
    fputs(",\n     \"elements\": [", to);
    for (int64_t k = 0; k < s->count; k++) json_element(to, c, i, k);
    fputs("]}", to);
}

static void json_guess(FILE *to, const ct_comparison *c, int i)
{
    ct_guess g;
    if (!ct_comparison_guess(c, i, &g)) return;
    fputs(i ? ",\n    {\"mistakes\": [" : "\n    {\"mistakes\": [", to);
    const char *comma = "";
    for (int bit = 0; bit < CT_MISTAKES; bit++) {
        if (!(g.mistakes & 1u << bit)) continue;
        fprintf(to, "%s\"%s\"", comma, ct_mistake_name((ct_mistake)(1u << bit)));
        comma = ", ";
    }
    fputs("], \"parameters\": [", to);
    for (int k = 0; k < g.n_parameters; k++) {
        if (k) fputs(", ", to);
        json_text(to, c->p[g.parameters[k]].name);
    }
    fputs("], ", to);
    json_number(to, "factor", g.factor);
    fputs(", ", to);
    json_number(to, "residual", g.residual);
    fputs(", \"operation\": ", to);
    if (g.operation) json_text(to, g.operation);
    else fputs("null", to);
    fputs(", \"file\": ", to);
    if (g.file) json_text(to, g.file);
    else fputs("null", to);
    fprintf(to, ", \"line\": %d, \"sentence\": ", g.line);
    json_text(to, g.sentence);
    fputs("}", to);
}

bool ct_comparison_json(FILE *to, const ct_comparison *c)
{
    static const char operation[] = "ct_comparison_json";
    if (!to || !c) return ct_raise(CT_ERROR_NULL, operation, "%s is NULL", to ? "comparison" : "to");
    fprintf(to, "{\"right\": %s, ", ct_comparison_right(c) ? "true" : "false");
    json_number(to, "loss", c->loss);
    fputs(",\n  \"parameters\": [", to);
    for (int i = 0; i < c->n; i++) json_parameter(to, c, i);
    fputs("],\n  \"guesses\": [", to);
    for (int i = 0; i < c->n_guesses; i++) json_guess(to, c, i);
    fputs("]}\n", to);
    return !ferror(to) || ct_raise(CT_ERROR_FILE, operation, "writing failed");
}
