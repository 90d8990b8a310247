/*
 * loop.c - runs contiguous kernels over strided operands.
 *
 * Kernels know only runs of contiguous elements. Here axes that every operand crosses evenly are joined, and the innermost one is cut into
 * blocks; an operand that is not contiguous along it is gathered into a buffer that stays in the first-level cache (a repeated scalar
 * is spread once for a whole row), and a result is scattered from one, or goes past the caches. So a kernel exists once per dtype, and an
 * element's value does not depend on where it stands.
 *
 * Invariant: the cut into parts depends on the number of elements and the cost alone.
 */
#include "tensor/stream.h"
#include "tensor/tensor.h"

#include <string.h>

/* PART: units of work, as in ct__is_short. */
enum { BLOCK = 512, PART = 1 << 16 };

typedef struct plan {
    ct__kernel kernel;
    const double *params;
    int outputs, count, rank;
    int64_t dim[CT_MAX_RANK];
    int64_t stride[CT__MAX_OPERANDS][CT_MAX_RANK]; /* in elements */
    size_t size[CT__MAX_OPERANDS];
    char *data[CT__MAX_OPERANDS];
    int64_t rows; /* product of all dims but the innermost */
    bool direct;         /* every operand is contiguous along the innermost axis */
    bool stream;         /* the result goes past the caches, by an outlet */
    bool straight;       /* it goes there from the kernel, which has its parameters here */
    double straight_params[2];
    /* Operands without repetition, contiguous along the innermost axis: they are fetched `ahead` elements before their turn. */
    int arrays;
    int64_t ahead;
    struct {
        int operand;
        int64_t size, pitch, step; /* bytes: of an element, between rows, of the elements in a line of the result */
    } array[CT__COMING];
    int64_t parts, part; /* parts of `part` elements along the rows or, if there is one row, along it */
} plan;

/* Joins axis i with the next one where every operand crosses both evenly, and drops axes of length 1. */
static void collapse(plan *p, ct_tensor *const *t)
{
    p->rank = 0;
    for (int i = 0; i < t[0]->rank; i++) {
        const int64_t n = t[0]->dim[i];
        if (n == 1) continue;
        bool join = p->rank > 0;
        for (int k = 0; join && k < p->count; k++) join = p->stride[k][p->rank - 1] == t[k]->stride[i] * n;
        if (!join) p->rank++;
        const int at = p->rank - 1;
        p->dim[at] = join ? p->dim[at] * n : n;
        for (int k = 0; k < p->count; k++) p->stride[k][at] = t[k]->stride[i];
    }
    if (p->rank > 0) return;
    p->rank = 1;
    p->dim[0] = 1;
    for (int k = 0; k < p->count; k++) p->stride[k][0] = 1;
}

#define GATHER(TYPE)                                                                                                   \
    {                                                                                                                  \
        TYPE *d = (TYPE *)(void *)to;                                                                                  \
        const TYPE *s = (const TYPE *)(const void *)from;                                                              \
        const TYPE first = *s;                                                                                         \
        if (to_stride == 1 && from_stride == 0) for (int64_t i = 0; i < n; i++) d[i] = first;                          \
        else if (to_stride == 1 && from_stride == -1) for (int64_t i = 0; i < n; i++) d[i] = s[-i];                    \
        else for (int64_t i = 0; i < n; i++) d[i * to_stride] = s[i * from_stride];                                    \
    }

static void strided_copy(char *to, int64_t to_stride, const char *from, int64_t from_stride, int64_t n, size_t size)
{
    if (size == 4) GATHER(uint32_t)
    else if (size == 8) GATHER(uint64_t)
    else GATHER(uint8_t)
}

/* The elements from i to i + m of a row of n go out, while as many are fetched from p->ahead elements on, in this row and those after it. */
static void let_out(const plan *p, ct__outlet *o, char *const *base, int64_t i, int64_t m, int64_t n)
{
    const int64_t each = (int64_t)p->size[0];
    int64_t at = i + p->ahead, row = 0;
    if (p->rank > 1 && at >= n) row = at / n, at -= row * n;
    ct__coming next = {.count = p->arrays, .left = p->rank > 1 ? (n - at) * each : INT64_MAX};
    for (int k = 0; k < p->arrays; k++) {
        const char *start = base[p->array[k].operand] + row * p->array[k].pitch;
        next.of[k].at = start + at * p->array[k].size;
        next.of[k].then = start + p->array[k].pitch;
        next.of[k].step = p->array[k].step;
    }
    ct__outlet_pass(o, m * each, &next);
}

/* A row of n elements, block by block: an operand that is strided is gathered, or a repeated one spread, into a buffer. */
static void run_blocks(const plan *p, char *const *base, int64_t n, ct__outlet *o)
{
    _Alignas(64) char buffer[CT__MAX_OPERANDS][BLOCK * 8];
    char *at[CT__MAX_OPERANDS];
    const int inner = p->rank - 1;
    for (int k = p->outputs; k < p->count; k++) {
        if (p->stride[k][inner] == 0) strided_copy(buffer[k], 1, base[k], 0, n < BLOCK ? n : BLOCK, p->size[k]);
    }
    const int64_t room = CT__OUTLET / (int64_t)p->size[0], block = o && room < BLOCK ? room : BLOCK;
    for (int64_t i = 0; i < n; i += block) {
        const int64_t m = n - i < block ? n - i : block;
        for (int k = 0; k < p->count; k++) {
            const int64_t s = p->stride[k][inner];
            char *from = base[k] + i * s * (int64_t)p->size[k];
            at[k] = s == 1 ? from : buffer[k];
            if (k >= p->outputs && s != 1 && s != 0) strided_copy(buffer[k], 1, from, s, m, p->size[k]);
        }
        if (o) at[0] = o->lines + o->held;
        p->kernel(m, at, p->params);
        if (o) {
            let_out(p, o, base, i, m, n);
            continue;
        }
        for (int k = 0; k < p->outputs; k++) {
            const int64_t s = p->stride[k][inner];
            if (s != 1) strided_copy(base[k] + i * s * (int64_t)p->size[k], s, buffer[k], 1, m, p->size[k]);
        }
    }
}

/* One row of n elements; base[] points at its first elements. */
static void run_row(const plan *p, char *const *base, int64_t n, ct__outlet *o)
{
    if (!o && (p->direct || n == 1)) p->kernel(n, base, p->params);
    else run_blocks(p, base, n, o);
}

static void run_rows(const plan *p, int64_t first, int64_t last, ct__outlet *o)
{
    int64_t index[CT_MAX_RANK] = {0}, rest = first;
    char *base[CT__MAX_OPERANDS];
    const int inner = p->rank - 1;
    memcpy(base, p->data, sizeof base);
    for (int a = inner - 1; a >= 0; a--) {
        index[a] = rest % p->dim[a];
        rest /= p->dim[a];
        for (int k = 0; k < p->count; k++) base[k] += index[a] * p->stride[k][a] * (int64_t)p->size[k];
    }
    if (o) ct__outlet_open(o, base[0]);
    for (int64_t row = first; row < last; row++) {
        run_row(p, base, p->dim[inner], o);
        for (int a = inner - 1; a >= 0; a--) {
            const int64_t back = ++index[a] < p->dim[a] ? 0 : p->dim[a];
            for (int k = 0; k < p->count; k++) base[k] += (1 - back) * p->stride[k][a] * (int64_t)p->size[k];
            if (!back) break;
            index[a] = 0;
        }
    }
}

/* A part is a range of rows, or a range of the one row. */
static void run_part(void *context, int64_t part)
{
    const plan *p = context;
    const int64_t from = part * p->part;
    ct__outlet out, *o = p->stream ? &out : NULL;
    if (p->rows > 1) {
        run_rows(p, from, from + p->part < p->rows ? from + p->part : p->rows, o);
    } else {
        char *base[CT__MAX_OPERANDS];
        const int64_t n = p->dim[p->rank - 1], m = n - from < p->part ? n - from : p->part;
        for (int k = 0; k < p->count; k++) base[k] = p->data[k] + from * p->stride[k][p->rank - 1] * (int64_t)p->size[k];
        if (o) ct__outlet_open(o, base[0]);
        run_row(p, base, m, o);
    }
    if (o) ct__outlet_close(o);
    if (p->straight) ct__stream_end();
}

/* A large result that is none of the operands goes past the caches. */
static void choose_way(plan *p, ct_tensor *const *t)
{
    p->direct = true;
    for (int k = 0; k < p->count; k++) p->direct = p->direct && p->stride[k][p->rank - 1] == 1;
    p->stream = p->outputs == 1 && t[0]->dense && ct__streams(t[0]->count * (int64_t)p->size[0]);
    for (int k = 1; k < p->count; k++) p->stream = p->stream && t[k]->storage != t[0]->storage;
    p->arrays = 0;
    int64_t widest = 1;
    for (int k = 1; k < p->count && p->stream && p->arrays < CT__COMING; k++) {
        bool once = p->stride[k][p->rank - 1] == 1;
        for (int a = 0; a < p->rank; a++) once = once && p->stride[k][a] != 0;
        if (!once) continue;
        const int64_t size = (int64_t)p->size[k];
        if (size > widest) widest = size;
        p->array[p->arrays].operand = k;
        p->array[p->arrays].size = size;
        p->array[p->arrays].pitch = p->rank > 1 ? p->stride[k][p->rank - 2] * size : 0;
        p->array[p->arrays++].step = 64 * size / (int64_t)p->size[0];
    }
    p->ahead = (p->arrays > 1 ? ct__processor.ahead.several : ct__processor.ahead.one) / widest;
}

/* Takes the kernel that needs no outlet, where rows of the result are whole lines. */
static void go_straight(plan *p, ct__kernel straight)
{
    const int64_t row = p->dim[p->rank - 1] * (int64_t)p->size[0];
    p->straight = p->stream && straight && row % 64 == 0 && (uintptr_t)p->data[0] % 64 == 0;
    if (!p->straight) return;
    p->straight_params[0] = p->straight_params[1] = 0;
    for (int k = 0; k < p->arrays; k++) p->straight_params[p->array[k].operand - 1] = (double)(p->ahead * p->array[k].size);
    p->kernel = straight;
    p->params = p->straight_params;
    p->stream = false;
}

/* Cuts n rows (or elements) of `weight` units each into parts of equal size, none below PART units. */
static void cut(plan *p, int64_t n, int64_t weight)
{
    p->part = ct__share(n, n * weight, PART);
    if (p->rows == 1) p->part = (p->part + 63) / 64 * 64; /* whole cache lines */
    p->parts = (n + p->part - 1) / p->part;
}

static void map(ct__kernel kernel, ct__kernel straight, int outputs, ct_tensor *const *t, int count, const double *params, int cost)
{
    int64_t bytes = 0;
    for (int k = 0; k < count; k++) bytes += t[0]->count * (int64_t)ct__size(t[k]);
    ct__count_pass(bytes);
    const bool is_short = ct__is_short(t[0]->count * cost);
    bool dense = is_short;
    for (int k = 0; k < count && dense; k++) dense = t[k]->dense;
    if (dense) { /* small and row-major throughout */
        char *data[CT__MAX_OPERANDS];
        for (int k = 0; k < count; k++) data[k] = t[k]->data;
        if (t[0]->count) kernel(t[0]->count, data, params);
        return;
    }
    if (t[0]->count == 0) return;
    plan p;
    p.kernel = kernel;
    p.params = params;
    p.outputs = outputs;
    p.count = count;
    for (int k = 0; k < count; k++) {
        p.data[k] = t[k]->data;
        p.size[k] = ct__size(t[k]);
    }
    collapse(&p, t);
    const int64_t n = p.dim[p.rank - 1];
    p.rows = t[0]->count / n;
    choose_way(&p, t);
    go_straight(&p, straight);
    if (is_short) { /* no parts */
        if (p.rows == 1) run_row(&p, p.data, n, NULL);
        else run_rows(&p, 0, p.rows, NULL);
        return;
    }
    cut(&p, p.rows > 1 ? p.rows : n, p.rows > 1 ? n * cost : cost);
    ct__parallel(p.parts, run_part, &p);
}

void ct__map(ct__kernel kernel, int outputs, ct_tensor *const *t, int count, const double *params, int cost)
{
    map(kernel, NULL, outputs, t, count, params, cost);
}

void ct__map_straight(ct__kernel kernel, ct__kernel straight, ct_tensor *const *t, const double *params, int cost)
{
    map(kernel, straight, 1, t, 3, params, cost);
}
