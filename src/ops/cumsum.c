/*
 * cumsum.c - running sums along an axis.
 *
 * Sums of f32 are f64. A dense x of the result's dtype is read where it is; else the result starts as a copy of x and is summed in
 * place. Places along the axes before and after are independent: rows, or tiles of columns, are summed together, and are the parts of
 * large work.
 */
#include <cotangent/ops.h>

#include "autograd/op.h"
#include "ops/axes.h"
#include "tensor/row.h"
#include "tensor/stream.h"

enum { TILE = 128, ROWS_AHEAD = 8 /* are fetched: tiles are read in leaps */, PART = 1 << 15 };

typedef struct cumsum_params {
    int64_t axis; /* from the end: -1 is the last */
} cumsum_params;

static bool cumsum_shape(ct_call *c)
{
    c->shape[0] = ct__shape(c->in[0]);
    c->dtypes[0] = ct__is_float((ct_dtype)c->in[0]->dtype) ? (ct_dtype)c->in[0]->dtype : CT_I64;
    return true;
}

/* y = running sums of rows of x, which may be y. Of four rows side by side, since each sum waits for the last; then of one. */
#define RUNNING_ROWS(T, SUM)                                                                                           \
    {                                                                                                                  \
        const T *x = (const T *)(const void *)from;                                                                    \
        T *y = (T *)(void *)to;                                                                                        \
        for (; rows >= 4; rows -= 4, x += 4 * n, y += 4 * n) {                                                         \
            SUM a = 0, b = 0, c = 0, d = 0;                                                                            \
            for (int64_t k = 0; k < n; k++) {                                                                          \
                y[k] = (T)(a += (SUM)x[k]);                                                                            \
                y[k + n] = (T)(b += (SUM)x[k + n]);                                                                    \
                y[k + 2 * n] = (T)(c += (SUM)x[k + 2 * n]);                                                            \
                y[k + 3 * n] = (T)(d += (SUM)x[k + 3 * n]);                                                            \
            }                                                                                                          \
        }                                                                                                              \
        for (; rows > 0; rows--, x += n, y += n) {                                                                     \
            SUM sum = 0;                                                                                               \
            for (int64_t k = 0; k < n; k++) y[k] = (T)(sum += (SUM)x[k]);                                              \
        }                                                                                                              \
    }

static void run_rows(ct_dtype dtype, const char *from, char *to, int64_t n, int64_t rows, bool far)
{
    const ct__row_kernel kernel = dtype == CT_F32 ? ct__row_kernel_of(CT__RUNNING_SUM, CT_F32) : NULL;
    if (kernel) kernel(rows, n, (char *[]){to, (char *)(uintptr_t)from, (char *)&(int64_t){far}});
    else if (dtype == CT_F32) RUNNING_ROWS(float, double)
    else if (dtype == CT_F64) RUNNING_ROWS(double, double)
    else RUNNING_ROWS(uint64_t, uint64_t) /* i64, which wraps */
}

/* n rows of `width` running sums, `step` elements apart. */
#define RUNNING(T, SUM)                                                                                                \
    {                                                                                                                  \
        const T *x = (const T *)(const void *)from;                                                                    \
        T *y = (T *)(void *)to;                                                                                        \
        SUM sum[TILE] = {0};                                                                                           \
        for (int64_t k = 0; k < n; k++, x += step, y += step) {                                                        \
            for (int64_t i = 0; width > 16 && i < width; i += 64 / (int64_t)sizeof(T)) {                               \
                __builtin_prefetch(x + ROWS_AHEAD * step + i);                                                         \
                __builtin_prefetch(y + ROWS_AHEAD * step + i, 1);                                                      \
            }                                                                                                          \
            for (int64_t i = 0; i < width; i++) y[i] = (T)(sum[i] += (SUM)x[i]);                                       \
        }                                                                                                              \
    }

static void run_tile(ct_dtype dtype, const char *from, char *to, int64_t n, int64_t step, int64_t width)
{
    if (dtype == CT_F32) RUNNING(float, double)
    else if (dtype == CT_F64) RUNNING(double, double)
    else RUNNING(uint64_t, uint64_t) /* i64, which wraps */
}

typedef struct work {
    const char *x; /* what is summed, which may be y */
    ct_tensor *y;
    int64_t n, inner, tiles, units, group; /* a unit is a tile at one place of the axes before */
} work;

static void run_part(void *context, int64_t part)
{
    const work *w = context;
    const int64_t end = (part + 1) * w->group < w->units ? (part + 1) * w->group : w->units;
    const int64_t size = (int64_t)ct__size(w->y), first = part * w->group;
    if (w->inner == 1) {
        const int64_t at = first * w->n * size;
        const bool far = w->x != w->y->data && ct__streams(w->y->count * size);
        run_rows((ct_dtype)w->y->dtype, w->x + at, w->y->data + at, w->n, end - first, far);
        return;
    }
    for (int64_t u = first; u < end; u++) {
        const int64_t from = u % w->tiles * TILE, width = w->inner - from < TILE ? w->inner - from : TILE;
        const int64_t at = u / w->tiles * w->n * w->inner + from;
        run_tile((ct_dtype)w->y->dtype, w->x + at * size, w->y->data + at * size, w->n, w->inner, width);
    }
}

static bool cumsum_forward(const ct_call *c)
{
    const cumsum_params *p = c->params;
    ct_tensor *y = c->out[0];
    const int axis = y->rank + (int)p->axis;
    if (y->count == 0) return true;
    const ct_tensor *x = c->in[0];
    const bool as_it_is = x->dense && x->dtype == y->dtype && y->dim[axis] > 1;
    if (as_it_is) ct__count_pass(2 * y->count * (int64_t)ct__size(y));
    else ct__copy(y, x);
    work w = {.x = as_it_is ? x->data : y->data, .y = y, .n = y->dim[axis], .inner = y->stride[axis]};
    if (w.n == 1) return true;
    w.tiles = (w.inner + TILE - 1) / TILE;
    w.units = y->count / (w.n * w.inner) * w.tiles;
    w.group = ct__share(w.units, y->count, PART);
    ct__parallel((w.units + w.group - 1) / w.group, run_part, &w);
    return true;
}

/* y_i = sum over j <= i of x_j, so gx_j = sum over i >= j of g_i: the running sum from the other end.
 * Checked: cumsum, all samples */
static ct_tensor *cumsum_vjp(const ct_call *c, ct_tensor *const *g)
{
    const cumsum_params *p = c->params;
    return ct_flip(ct_cumsum(ct_flip(g[0], ct_axes(p->axis)), (int)p->axis), ct_axes(p->axis));
}

const ct_op ct__op_cumsum = {
    .name = "cumsum", .inputs = 1, .params = sizeof(cumsum_params), .shape = cumsum_shape, .forward = cumsum_forward,
    .vjp = {cumsum_vjp}, .linear = true, .doc = "running sum of x along an axis"};

ct_tensor *ct_cumsum(ct_tensor *x, int axis)
{
    if (!ct__check("ct_cumsum", "x", x)) return NULL;
    const int at = ct__axis_of("ct_cumsum", "x", x, axis);
    if (at < 0) return NULL;
    const cumsum_params p = {at - x->rank};
    return ct__apply1(&ct__op_cumsum, x, &p);
}
