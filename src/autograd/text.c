/*
 * text.c - how nodes, operands, shapes, places and sizes are written in lists and drawings.
 */
#include "autograd/inspect.h"

#include <stdarg.h>
#include <string.h>

void ct__text_add(ct__text *t, const char *format, ...)
{
    const size_t room = sizeof t->text - t->length;
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(t->text + t->length, room, format, arguments);
    va_end(arguments);
    if ((size_t)n < room) {
        t->length += (size_t)n;
        return;
    }
    t->length = sizeof t->text - 1;
    memcpy(t->text + t->length - 3, "...", 3); /* a cut text says so */
}

int ct__text_width(const char *text)
{
    int width = 0;
    for (; *text; text++) width += (*text & 0xC0) != 0x80;
    return width;
}

static void add_shape(ct__text *t, const ct_shape *shape)
{
    ct__text_add(t, "[");
    for (int i = 0; i < shape->rank; i++) ct__text_add(t, "%s%lld", i ? ", " : "", (long long)shape->dim[i]);
    ct__text_add(t, "]");
}

void ct__text_output(ct__text *t, const ct_graph_node *n, int output)
{
    if (output == 0) ct__text_add(t, "%s ", ct_dtype_name(n->dtype));
    add_shape(t, &n->shape[output]);
}

void ct__text_outputs(ct__text *t, const ct_graph_node *n)
{
    for (int i = 0; i < n->outputs; i++) {
        if (i) ct__text_add(t, ", ");
        ct__text_output(t, n, i);
    }
}

void ct__text_name(ct__text *t, const char *name)
{
    if (!name) return;
    const size_t start = t->length;
    ct__text_add(t, "%s", name);
    for (size_t i = start; i < t->length; i++) {
        if ((unsigned char)t->text[i] < ' ') t->text[i] = ' ';
    }
}

void ct__text_node(ct__text *t, const ct_graph *g, int node)
{
    if (g->node[node].name) ct__text_name(t, g->node[node].name);
    else ct__text_add(t, "#%d", node);
}

void ct__text_input(ct__text *t, const ct_graph_input *x)
{
    if (x->name) ct__text_name(t, x->name);
    else if (x->node >= 0 && x->output) ct__text_add(t, "#%d.%d", x->node, x->output);
    else if (x->node >= 0) ct__text_add(t, "#%d", x->node);
    else if (x->value) ct__text_add(t, "%g", *x->value);
    else if (x->kept) ct__text_add(t, "%s ", ct_dtype_name(x->dtype)), add_shape(t, x->shape);
    else if (x->shape) add_shape(t, x->shape);
    else ct__text_add(t, "constant");
}

void ct__text_call(ct__text *t, const ct_graph_node *n)
{
    enum { MOST = 6 };
    ct__text_add(t, "%s(", n->operation);
    for (int i = 0; i < n->inputs && i < MOST; i++) {
        if (i) ct__text_add(t, ", ");
        ct__text_input(t, &n->input[i]);
    }
    if (n->inputs > MOST) ct__text_add(t, ", and %d more", n->inputs - MOST);
    ct__text_add(t, ")");
}

void ct__text_line(ct__text *t, const ct_graph *g, int node)
{
    ct__text_node(t, g, node);
    if (g->node[node].leaf) return;
    ct__text_add(t, " = ");
    ct__text_call(t, &g->node[node]);
}

void ct__text_kept(ct__text *t, const ct_graph_node *n)
{
    enum { MOST = 4 };
    int told = 0;
    for (int i = 0; i < n->inputs && told < MOST; i++) {
        if (!n->input[i].kept) continue;
        ct__text_add(t, told++ ? ", " : "keeps ");
        ct__text_input(t, &n->input[i]);
    }
    if (n->kept_results && told < MOST) ct__text_add(t, "%sits result%s", told ? ", " : "keeps ", n->kept_results > 1 ? "s" : "");
    told += n->kept_results && told < MOST ? n->kept_results : 0;
    if (n->kept > told) ct__text_add(t, " and %d more", n->kept - told);
    if (n->released) ct__text_add(t, "%sreleased", n->kept ? ", the rest is " : "");
}

/* Where the parenthesis at `open` closes. */
static const char *closing(const char *open)
{
    int depth = 0;
    for (; *open; open++) {
        depth += (*open == '(') - (*open == ')');
        if (depth == 0) break;
    }
    return open;
}

/* A formula, in which parentheses right inside others are left out. */
static void add_formula(ct__text *t, const char *formula)
{
    const char *end[32]; /* closing ones to be left out */
    int n = 0;
    for (const char *at = formula; *at; at++) {
        if (n && at == end[n - 1]) {
            n--;
            continue;
        }
        ct__text_add(t, "%c", *at);
        for (; *at == '(' && at[1] == '(' && closing(at + 1) + 1 == closing(at) && n < 32; at++) end[n++] = closing(at + 1);
    }
}

void ct__text_rule(ct__text *t, const ct_graph_node *n)
{
    enum { LONGEST = 44 };
    int told = 0;
    for (int i = 0; i < n->inputs && i < 2; i++) {
        const ct_graph_input *x = &n->input[i];
        if (x->node < 0 || x->zero || !x->slope || strlen(x->slope) > LONGEST) continue;
        ct__text_add(t, "%sd%c = ", told++ ? ", " : "", "xy"[i]);
        if (strcmp(x->slope, "1") == 0) ct__text_add(t, "g");
        else if (strcmp(x->slope, "-1") == 0) ct__text_add(t, "-g");
        else ct__text_add(t, "g * "), add_formula(t, x->slope);
    }
}

void ct__text_place(ct__text *t, const char *file, int line)
{
    if (!file) return;
    const char *slash = strrchr(file, '/');
    ct__text_add(t, "%s:%d", slash ? slash + 1 : file, line);
}

void ct__text_bytes(ct__text *t, int64_t bytes)
{
    static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB"};
    double size = (double)bytes;
    int unit = 0;
    for (; size >= 1000 && unit < 4; unit++) size /= 1000;
    ct__text_add(t, unit && size < 100 ? "%.1f %s" : "%.0f %s", size, units[unit]);
}
