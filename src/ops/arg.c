/*
 * arg.c - argmax and argmin: where along an axis the first extreme element stands.
 *
 * Of floats a kernel finds it in one pass, where the processor has one. Else the vectorised reduction gives the extreme of each block of a
 * row (NaN if one is among them), and then the first block that has the best is searched for it. Another axis than the last is moved to the
 * end in a copy.
 */
#include "ops/axes.h"
#include "ops/reduce.h"

#include <string.h>

/* A record's .impl. */
typedef struct reducing {
    ct__reduction kind;
    const char *title;
} reducing;

enum { CHUNK = 256 /* bytes */, PART = 1 << 18 };

typedef struct arg_params {
    int64_t axis; /* from the end: -1 is the last */
    int64_t keepdim;
} arg_params;

extern const ct_op ct__op_argmax, ct__op_argmin;

static bool arg_shape(ct_call *c)
{
    const arg_params *p = c->params;
    const ct_tensor *x = c->in[0];
    const int axis = x->rank + (int)p->axis;
    ct_shape *y = &c->shape[0];
    y->rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (i != axis || p->keepdim) y->dim[y->rank++] = i == axis ? 1 : x->dim[i];
    }
    c->dtypes[0] = CT_I64;
    if (x->dim[axis] > 0) return true;
    return ct__fail(CT_ERROR_SHAPE, ct__op_title(c->op), "x is %s: no elements along axis %d", ct__describe(x), axis);
}

typedef struct search {
    ct__placer place; /* NULL: none */
    const ct__reducer *extreme;
    ct__term term;
    ct_dtype dtype;
    bool least; /* the smallest is looked for */
    const char *x;
    int64_t *y, count, n, step, group; /* step: bytes of a row; group: rows in a part */
} search;

/* The first k where x_k is the extreme, or NaN. First the block that has it, by the extremes of blocks; then the chunk, in vectors; then k. */
#define SEARCH(T)                                                                                                      \
    {                                                                                                                  \
        typedef T vector __attribute__((vector_size(16)));                                                             \
        enum { LANES = 16 / sizeof(T), ALL = CHUNK / sizeof(T) };                                                      \
        const T *x = (const T *)(const void *)row;                                                                     \
        T best = 0;                                                                                                    \
        int64_t k = 0;                                                                                                 \
        for (int64_t from = 0; from < s->n; from += CT__REDUCE_BLOCK) {                                                \
            const int64_t n = s->n - from < CT__REDUCE_BLOCK ? s->n - from : CT__REDUCE_BLOCK;                         \
            T here;                                                                                                    \
            s->extreme->rows((const char *)(x + from), 0, 1, n, &s->term, (char *)&here);                              \
            if (from > 0 && here == here && !(s->least ? here < best : here > best)) continue;                         \
            best = here;                                                                                               \
            k = from;                                                                                                  \
            if (here != here) break;                                                                                   \
        }                                                                                                              \
        const vector all = (vector){0} + best;                                                                         \
        for (uint64_t found[2] = {0}; k + ALL <= s->n; k += ALL) {                                                     \
            __typeof__(all == all) at = all != all; /* such a type takes no initializer */                             \
            at ^= at;                                                                                                  \
            for (int i = 0; i < ALL; i += LANES) {                                                                     \
                vector v;                                                                                              \
                memcpy(&v, x + k + i, sizeof v);                                                                       \
                at |= (v == all) | (v != v);                                                                           \
            }                                                                                                          \
            memcpy(found, &at, sizeof found);                                                                          \
            if (found[0] | found[1]) break;                                                                            \
        }                                                                                                              \
        while (k + 1 < s->n && !(x[k] == best || x[k] != x[k])) k++;                                                   \
        return k;                                                                                                      \
    }

static int64_t first_place(const search *s, const char *row)
{
    if (s->place) return s->place(row, s->n, s->least);
    switch (s->dtype) {
    case CT_F32: SEARCH(float)
    case CT_F64: SEARCH(double)
    case CT_I32: SEARCH(int32_t)
    case CT_I64: SEARCH(int64_t)
    default: SEARCH(uint8_t)
    }
}

static void run_part(void *context, int64_t part)
{
    const search *s = context;
    const int64_t end = (part + 1) * s->group < s->count ? (part + 1) * s->group : s->count;
    for (int64_t i = part * s->group; i < end; i++) s->y[i] = first_place(s, s->x + i * s->step);
}

static bool arg_forward(const ct_call *c)
{
    static const double zero[1];
    const arg_params *p = c->params;
    const reducing *r = c->op->impl;
    const ct_tensor *x = c->in[0];
    const int axis = x->rank + (int)p->axis;
    if (x->count == 0) return true;
    ct_tensor *rows = ct__rows_of(r->title, x, 1u << axis);
    if (!rows) return false;
    search s = {.place = ct__placer_of((ct_dtype)x->dtype, x->dim[axis]), .extreme = ct__reducer_of(r->kind, x->dtype), .dtype = x->dtype,
                .least = r->kind == CT__MIN, .x = rows->data, .y = (int64_t *)(void *)c->out[0]->data, .count = c->out[0]->count,
                .n = x->dim[axis]};
    s.term = (ct__term){zero, 0, s.least ? -1 : 1};
    s.step = s.n * (int64_t)ct__size(x);
    s.group = ct__share(s.count, s.count * s.step, PART);
    ct__count_pass(s.count * (s.step + 8));
    ct__parallel((s.count + s.group - 1) / s.group, run_part, &s);
    ct__release(rows);
    return true;
}

const ct_op ct__op_argmax = {
    .name = "argmax", .inputs = 1, .params = sizeof(arg_params), .shape = arg_shape, .forward = arg_forward,
    .vjp = {ct__vjp_none}, .jvp = {ct__jvp_none},
    .impl = &(const reducing){CT__MAX, "ct_argmax"}, .doc = "index of the largest x along an axis"};

const ct_op ct__op_argmin = {
    .name = "argmin", .inputs = 1, .params = sizeof(arg_params), .shape = arg_shape, .forward = arg_forward,
    .vjp = {ct__vjp_none}, .jvp = {ct__jvp_none},
    .impl = &(const reducing){CT__MIN, "ct_argmin"}, .doc = "index of the smallest x along an axis"};

static ct_tensor *apply_arg(const char *operation, const ct_op *op, ct_tensor *x, int axis, bool keepdim)
{
    if (!ct__check(operation, "x", x)) return NULL;
    const int at = ct__axis_of(operation, "x", x, axis);
    if (at < 0) return NULL;
    const arg_params p = {at - x->rank, keepdim};
    return ct__apply1(op, x, &p);
}

ct_tensor *ct_argmax(ct_tensor *x, int axis, bool keepdim) { return apply_arg("ct_argmax", &ct__op_argmax, x, axis, keepdim); }
ct_tensor *ct_argmin(ct_tensor *x, int axis, bool keepdim) { return apply_arg("ct_argmin", &ct__op_argmin, x, axis, keepdim); }
