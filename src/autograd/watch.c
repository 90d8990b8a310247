/*
 * watch.c - the search for the first NaN or infinity, in results, gradients and tangents.
 *
 * Results are looked at as soon as they are computed, so what an operation of the user's is given has been looked at, unless
 * it came from outside. Inside a rule (ct__ad.rule) an infinity may be meant: `where` throws it away a step later. So there
 * the first one is only noted, and what the rule returns decides.
 */
#include <cotangent/inspect.h>

#include "autograd/graph.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

enum { NAME = 48, TEXT = 400 };

static _Thread_local ct_anomaly mode;

/* The first operation inside the rule under way whose result was bad. */
static _Thread_local struct {
    const ct_op *rule; /* NULL: none */
    char operation[NAME];
} noted;

ct_anomaly ct_detect_anomaly(ct_anomaly what)
{
    const ct_anomaly before = mode;
    mode = what == CT_ANOMALY_OFF || what == CT_ANOMALY_NAN ? what : CT_ANOMALY_NONFINITE;
    noted.rule = NULL;
    ct__ad.watching = what != CT_ANOMALY_OFF;
    return before;
}

void ct_detect_anomaly_cleanup(const ct_anomaly *before) { ct_detect_anomaly(*before); }

/* ---- reading a tensor ---- */

/* Is one of n numbers bad? Not |x| <= limit, where the limit is infinity if only NaN counts. */
static bool run_f32(const float *x, int64_t n, int64_t stride, float limit)
{
    int32_t bad = 0;
    if (stride == 1) {
        for (int64_t i = 0; i < n; i++) bad |= !(fabsf(x[i]) <= limit);
    } else {
        for (int64_t i = 0; i < n; i++) bad |= !(fabsf(x[i * stride]) <= limit);
    }
    return bad;
}

static bool run_f64(const double *x, int64_t n, int64_t stride, double limit)
{
    int64_t bad = 0;
    if (stride == 1) {
        for (int64_t i = 0; i < n; i++) bad |= !(fabs(x[i]) <= limit);
    } else {
        for (int64_t i = 0; i < n; i++) bad |= !(fabs(x[i * stride]) <= limit);
    }
    return bad;
}

static bool run(const ct_tensor *t, const char *at, int64_t n, int64_t stride)
{
    const bool nan_only = mode == CT_ANOMALY_NAN;
    if (t->dtype == CT_F32) return run_f32((const float *)(const void *)at, n, stride, nan_only ? INFINITY : FLT_MAX);
    return run_f64((const double *)(const void *)at, n, stride, nan_only ? (double)INFINITY : DBL_MAX);
}

static bool bad_number(double x) { return isnan(x) || (mode == CT_ANOMALY_NONFINITE && isinf(x)); }

/* The axes to be read: repeated ones once. Returns the axis whose elements lie closest, which the runs go along; -1: none. */
static int axes_to_read(const ct_tensor *t, int64_t *dim)
{
    int inner = -1;
    for (int i = 0; i < t->rank; i++) {
        dim[i] = t->stride[i] == 0 && t->dim[i] > 1 ? 1 : t->dim[i];
        if (dim[i] != 1 && (inner < 0 || llabs(t->stride[i]) < llabs(t->stride[inner]))) inner = i;
    }
    return inner;
}

static bool has_bad(const ct_tensor *t)
{
    if (!ct__is_float(t->dtype) || t->count == 0) return false;
    if (ct__contiguous(t)) return run(t, t->data, t->count, 1);
    int64_t dim[CT_MAX_RANK];
    const int inner = axes_to_read(t, dim);
    const int64_t n = inner < 0 ? 1 : dim[inner], stride = inner < 0 ? 1 : t->stride[inner];
    if (inner >= 0) dim[inner] = 1;
    for (ct__walk w = ct__walk_start(t->rank, dim); w.more; ct__walk_next(&w)) {
        if (run(t, t->data + ct__walk_offset(&w, t->stride) * (int64_t)ct__size(t), n, stride)) return true;
    }
    return false;
}

/* ---- what is said of it ---- */

typedef struct finding {
    ct_shape index; /* of the first bad element in row-major order */
    double value;
    char text[120]; /* "nan at [0, 3]" */
} finding;

static double number_at(const ct_tensor *t, const ct_shape *index)
{
    int64_t offset = 0;
    for (int i = 0; i < t->rank; i++) offset += index->dim[i] * t->stride[i];
    return ct__load(t->data + offset * (int64_t)ct__size(t), t->dtype);
}

static bool find(const ct_tensor *t, finding *f)
{
    if (!has_bad(t)) return false;
    *f = (finding){.index.rank = t->rank};
    for (ct__walk w = ct__walk_start(t->rank, t->dim); w.more; ct__walk_next(&w)) {
        for (int i = 0; i < t->rank; i++) f->index.dim[i] = w.at[i];
        f->value = number_at(t, &f->index);
        if (bad_number(f->value)) break;
    }
    const char *word = isnan(f->value) ? "nan" : f->value > 0 ? "inf" : "-inf";
    if (t->rank) snprintf(f->text, sizeof f->text, "%s at %s", word, ct__describe_shape(f->index));
    else snprintf(f->text, sizeof f->text, "%s", word);
    return true;
}

/* A text that is put together piece by piece and cut where it gets too long. */
typedef struct story {
    char text[TEXT];
    size_t length;
} story;

static void tell(story *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(story *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(s->text + s->length, TEXT - s->length, format, arguments);
    va_end(arguments);
    s->length = s->length + (size_t)n < TEXT ? s->length + (size_t)n : TEXT - 1;
}

/* Where a tensor comes from: "the result of ct_log at model.c:3", "made at model.c:2". */
static void tell_origin(story *s, const ct_tensor *t)
{
    const ct__node *n = t->graph;
    const char *name = ct_name_of(t);
    if (name) tell(s, " (%s)", name);
    if (n && n->op) tell(s, ", the result of %s,", ct__node_title(n));
    else if (t->file) tell(s, ", made at %s:%d,", t->file, (int)t->line);
}

/* The values beside the bad one, where the operands are element by element. */
static void tell_value(story *s, const char *who, const ct_tensor *t, const ct_tensor *beside, const finding *f)
{
    if (!t || !ct__same_shape(t, beside)) return;
    tell(s, "%s %s is %g there", s->length ? "," : "", who, number_at(t, &f->index));
}

static void tell_operand_values(story *s, ct_tensor *const *in, int n, const ct_tensor *beside, const finding *f)
{
    for (int i = 0; i < n && i < CT__MAX_INPUTS; i++) {
        char who[24];
        snprintf(who, sizeof who, "operand %d", i + 1);
        tell_value(s, who, in[i], beside, f);
    }
}

/* ---- results ---- */

/* Did an operand have one already? Else what the operands are there. */
static void tell_operands(story *s, const ct_call *c, const ct_tensor *y, const finding *f)
{
    finding before;
    for (int i = 0; i < c->n_in; i++) {
        if (!find(c->in[i], &before)) continue;
        tell(s, "operand %d, %s", i + 1, ct__describe(c->in[i]));
        tell_origin(s, c->in[i]);
        tell(s, " has %s: it was there before this operation", before.text);
        return;
    }
    story values = {.length = 0};
    tell_operand_values(&values, c->in, c->n_in, y, f);
    tell(s, "%s none%s%s", c->n_in == 1 ? "its operand has" : "its operands have", values.length ? ";" : "", values.text);
}

bool ct__watch_call(const ct_call *c)
{
    if (!ct__ad.rule) noted.rule = NULL;
    for (int i = 0; i < ct__outputs(c); i++) {
        finding f;
        if (!c->out[i] || !has_bad(c->out[i])) continue;
        if (ct__ad.rule) {
            if (!noted.rule) snprintf(noted.operation, NAME, "%s", ct__op_title(c->op));
            if (!noted.rule) noted.rule = ct__ad.rule;
            return true;
        }
        story s = {.length = 0};
        find(c->out[i], &f);
        tell_operands(&s, c, c->out[i], &f);
        return ct__fail(CT_ERROR_VALUE, ct__op_title(c->op), "the result, %s, has %s; %s", ct__describe(c->out[i]), f.text,
                        s.text);
    }
    return true;
}

/* ---- derivatives ---- */

/* For what a rule returned: where it came up inside. Forgets the note. */
static void tell_inside(story *s, const ct_op *op)
{
    if (noted.rule == op) tell(s, "; inside the derivative it came up in %s", noted.operation);
    noted.rule = NULL;
}

/* Did the gradient that came in have one already? Else what the values are there. */
static void tell_way_back(story *s, const ct__node *n, ct_tensor *const *g, const ct_tensor *dx, const finding *f)
{
    finding before;
    for (int i = 0; i < n->n_out; i++) {
        if (!g[i] || !find(g[i], &before)) continue;
        tell(s, "the gradient of its result, %s, has %s: it was there before, from %s", ct__describe(g[i]), before.text,
             n->hooks ? "a hook or a cotangent that was given" : "a cotangent that was given");
        return;
    }
    story values = {.length = 0};
    tell_value(&values, "that", g[0], dx, f);
    ct_tensor *kept[CT__MAX_INPUTS] = {0};
    for (int i = 0; i < n->n_in && i < CT__MAX_INPUTS; i++) kept[i] = n->in[i].kept;
    tell_operand_values(&values, kept, n->n_in, dx, f);
    if (n->out) tell_value(&values, "the result", n->out[0].value, dx, f);
    tell(s, "the gradient of its result has none%s%s", values.length ? ";" : "", values.text);
    tell_inside(s, n->op);
}

/* The operand that a derivative is by. */
static const char *operand(const ct__node *n, int i)
{
    char *text = ct__message_room();
    const ct__input *x = &n->in[i];
    const char *name = NULL;
    for (const ct__label *l = x->from ? x->from->labels : NULL; l; l = l->next) {
        if (l->slot == x->slot) name = l->text;
    }
    if (name) snprintf(text, CT__TEXT, "operand %d (%.40s)", i + 1, name);
    else snprintf(text, CT__TEXT, "operand %d", i + 1);
    return text;
}

/* The place is the node's: a rule runs far from the line that it belongs to. */
static bool fail_at(const ct__node *n, const char *what, const ct_tensor *t, const finding *f, const char *story)
{
    const char *operation = n->op ? ct__op_title(n->op) : "ct_backward";
    ct__fail(CT_ERROR_VALUE, operation, "%s, %s, has %s; %s", what, ct__describe(t), f->text, story);
    if (n->file) ct_here_error(n->file, n->line);
    return false;
}

bool ct__watch_gradient(const ct__node *n, int i, ct_tensor *const *g, const ct_tensor *dx)
{
    finding f;
    story s = {.length = 0};
    char what[160];
    if (find(dx, &f)) {
        tell_way_back(&s, n, g, dx, &f);
        snprintf(what, sizeof what, "in its derivative by %s the gradient", operand(n, i));
        return fail_at(n, what, dx, &f, s.text);
    }
    const ct__node *way = dx->graph;
    for (const ct__tangent *t = way ? way->tangents : NULL; t; t = t->next) {
        if (t->slot != dx->slot || !find(t->value, &f)) continue;
        tell(&s, "the gradient itself has none");
        tell_inside(&s, n->op);
        snprintf(what, sizeof what, "in its derivative by %s the tangent of the gradient", operand(n, i));
        return fail_at(n, what, t->value, &f, s.text);
    }
    noted.rule = NULL;
    return true;
}

bool ct__watch_sum(const ct__node *n, const ct_tensor *g)
{
    finding f;
    if (!find(g, &f)) return true;
    const char *what = n->op ? "the sum of the gradients of its result" : "the sum of the gradients of a leaf";
    return fail_at(n, what, g, &f, "those that were added had none");
}

bool ct__watch_tangent(const ct_call *c, ct_tensor *const *dx, const ct_tensor *dy)
{
    finding f, before;
    if (!has_bad(dy)) {
        if (!ct__ad.rule) noted.rule = NULL;
        return true;
    }
    if (ct__ad.rule) return true; /* inside another rule, which decides */
    find(dy, &f);
    story s = {.length = 0};
    for (int i = 0; i < c->n_in && !s.length; i++) {
        if (dx[i] && find(dx[i], &before)) tell(&s, "the tangent of operand %d has %s: it was there before", i + 1, before.text);
    }
    if (!s.length) {
        story values = {.length = 0};
        tell_operand_values(&values, c->in, c->n_in, dy, &f);
        tell(&s, "the tangents of its operands have none%s%s", values.length ? ";" : "", values.text);
        tell_inside(&s, c->op);
    }
    return ct__fail(CT_ERROR_VALUE, ct__op_title(c->op), "in its derivative the tangent of the result, %s, has %s; %s",
                    ct__describe(dy), f.text, s.text);
}
