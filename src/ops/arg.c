/*
 * arg.c - argmax and argmin: where along an axis the first extreme element stands.
 *
 * Each row's extreme comes from the vectorised reduction (NaN if one is among them); then the row is searched for it.
 */
#include "ops/axes.h"
#include "ops/reduce.h"

/* A record's .impl. */
typedef struct reducing {
    ct__reduction kind;
    const char *title;
} reducing;

enum { CHUNK = 64 };

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

/* The first k with x_k = top; where top is NaN, the first NaN (else there is none). A chunk is searched from its end without
 * a branch, for where it stops nobody can predict. */
#define SEARCH(T)                                                                                                      \
    {                                                                                                                  \
        const T *x = (const T *)(const void *)row;                                                                     \
        const T top = *(const T *)(const void *)at;                                                                    \
        for (int64_t from = 0; from < n; from += CHUNK) {                                                              \
            int64_t found = n;                                                                                         \
            for (int64_t k = n - from < CHUNK ? n - 1 : from + CHUNK - 1; k >= from; k--)                              \
                found = ((x[k] == top) | (x[k] != x[k])) ? k : found;                                                  \
            if (found < n) return found;                                                                               \
        }                                                                                                              \
        return 0;                                                                                                      \
    }

static int64_t first_place(ct_dtype dtype, const char *row, int64_t n, const char *at)
{
    switch (dtype) {
    case CT_F32: SEARCH(float)
    case CT_F64: SEARCH(double)
    case CT_I32: SEARCH(int32_t)
    case CT_I64: SEARCH(int64_t)
    default: SEARCH(uint8_t)
    }
}

static bool arg_forward(const ct_call *c)
{
    const arg_params *p = c->params;
    const reducing *r = c->op->impl;
    const ct_tensor *x = c->in[0];
    const int axis = x->rank + (int)p->axis;
    if (x->count == 0) return true;
    ct_tensor *rows = ct__rows_of(r->title, x, 1u << axis);
    if (!rows) return false;
    const int64_t n = x->dim[axis], step = n * (int64_t)ct__size(x), count = c->out[0]->count;
    int64_t *y = (int64_t *)(void *)c->out[0]->data;
    /* The extremes, of at most 8 bytes each, come to the end of the result's memory and are read before they are overwritten. */
    char *extremes = (char *)(y + count) - (size_t)count * ct__size(x);
    bool ok = ct__reduce(r->title, r->kind, rows, 1u << (rows->rank - 1), NULL, 1, extremes);
    for (int64_t i = 0; ok && i < count; i++)
        y[i] = first_place((ct_dtype)x->dtype, rows->data + i * step, n, extremes + (size_t)i * ct__size(x));
    ct__release(rows);
    return ok;
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
