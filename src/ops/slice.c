/*
 * slice.c - parts of a tensor: slice, select, flip, diagonal, all views; and what leads back from them: pad, diag, slice_scatter.
 *
 * A part is found by moving the first element and changing strides, so nothing is copied; the way back makes zeros and copies
 * into the same part of them. `part` and `main_diagonal` describe a part for both directions. Axes in params count from the end,
 * so that a stack of cotangents or tangents passes with its leading axes in front.
 */
#include "ops/axes.h"
#include "ops/reduce.h"

/* A part of t along an axis, as a record on the stack that is given to no one: only ct__copy and ct__tensor_view read it. */
static ct_tensor part(const ct_tensor *t, int axis, int64_t start, int64_t step, int64_t count)
{
    ct_tensor p = *t;
    if (count > 0) p.data += start * t->stride[axis] * (int64_t)ct__size(t);
    p.dim[axis] = count;
    p.stride[axis] *= step;
    p.count = 1;
    for (int i = 0; i < p.rank; i++) p.count *= p.dim[i];
    p.dense = false; /* a view made of it finds out */
    return p;
}

/* The same for the main diagonal of the last two axes. */
static ct_tensor main_diagonal(const ct_tensor *t)
{
    ct_tensor d = *t;
    const int i = t->rank - 2, j = t->rank - 1;
    d.rank--;
    d.dim[i] = t->dim[i] < t->dim[j] ? t->dim[i] : t->dim[j];
    d.stride[i] = t->stride[i] + t->stride[j];
    d.count = 1;
    for (int k = 0; k < d.rank; k++) d.count *= d.dim[k];
    d.dense = false;
    return d;
}

static bool view_of(ct_call *c, const ct_tensor *p)
{
    c->out[0] = ct__tensor_view(c->in[0], p->rank, p->dim, p->stride, p->data);
    return c->out[0] != NULL;
}

/* ---- slice and slice_scatter -------------------------------------------------------------------------- */

/* Elements start, start + step, ..., `count` of them, of an axis of the given length. */
typedef struct range {
    int64_t axis, start, step, count, length;
} range;

static bool slice_view(ct_call *c)
{
    const range *r = c->params;
    const ct_tensor *x = c->in[0], p = part(x, x->rank + (int)r->axis, r->start, r->step, r->count);
    return view_of(c, &p);
}

static bool slice_scatter_shape(ct_call *c)
{
    const range *r = c->params;
    c->shape[0] = ct__shape(c->in[0]);
    c->shape[0].dim[c->in[0]->rank + r->axis] = r->length;
    c->dtypes[0] = (ct_dtype)c->in[0]->dtype;
    return true;
}

static bool slice_scatter_forward(const ct_call *c)
{
    const range *r = c->params;
    ct_tensor *y = c->out[0], p = part(y, y->rank + (int)r->axis, r->start, r->step, r->count);
    ct__fill(y, 0);
    ct__copy(&p, c->in[0]);
    return true;
}

extern const ct_op ct__op_slice, ct__op_slice_scatter;

/* y_k = x_(start + step k), so gx has g_k there and 0 elsewhere; and the same read backwards. Checked: slice, negative_step */
static ct_tensor *slice_vjp(const ct_call *c, ct_tensor *const *g)
{
    return ct__apply1(&ct__op_slice_scatter, g[0], c->params);
}

static ct_tensor *slice_scatter_vjp(const ct_call *c, ct_tensor *const *g)
{
    return ct__apply1(&ct__op_slice, g[0], c->params);
}

const ct_op ct__op_slice = {.name = "slice", .inputs = 1, .params = sizeof(range), .view = slice_view, .vjp = {slice_vjp},
                            .linear = true, .doc = "x[start:stop:step]"};

const ct_op ct__op_slice_scatter = {
    .name = "slice_scatter", .inputs = 1, .params = sizeof(range), .shape = slice_scatter_shape, .forward = slice_scatter_forward,
    .vjp = {slice_scatter_vjp}, .linear = true, .doc = "zeros with x put at [start:stop:step]"};

/* A bound by Python's rules: from the end where negative, then cut to low .. high. */
static int64_t bound(int64_t given, int64_t absent, int64_t length, int64_t low, int64_t high)
{
    if (given == CT_NONE) return absent;
    if (given < 0) given += length;
    return given < low ? low : given > high ? high : given;
}

static range range_of(int64_t n, int64_t start, int64_t stop, int64_t step)
{
    range r = {.step = step, .length = n};
    if (step > 0) {
        r.start = bound(start, 0, n, 0, n);
        stop = bound(stop, n, n, 0, n);
        r.count = r.start < stop ? (stop - r.start - 1) / step + 1 : 0;
    } else {
        r.start = bound(start, n - 1, n, -1, n - 1);
        stop = bound(stop, -1, n, -1, n - 1);
        r.count = stop < r.start ? (r.start - stop - 1) / -step + 1 : 0;
    }
    if (r.count < 2) r.step = 1; /* no step is made, and a huge one must not overflow a stride */
    if (r.count == 0) r.start = 0;
    return r;
}

ct_tensor *ct_slice(ct_tensor *x, int axis, int64_t start, int64_t stop, int64_t step)
{
    if (!ct__check("ct_slice", "x", x)) return NULL;
    const int at = ct__axis_of("ct_slice", "x", x, axis);
    if (at < 0) return NULL;
    if (step == 0)
        return ct__fail(CT_ERROR_VALUE, "ct_slice",
                        "the step is 0, x is %s; expected 1 for every element or -1 for reverse order", ct__describe(x));
    range r = range_of(x->dim[at], start, stop, step == CT_NONE ? 1 : step);
    r.axis = at - x->rank;
    return ct__apply1(&ct__op_slice, x, &r);
}

/* ---- select ------------------------------------------------------------------------------------------- */

/* params: range, of one element */
static bool select_view(ct_call *c)
{
    const range *r = c->params;
    const ct_tensor *x = c->in[0];
    const int axis = x->rank + (int)r->axis;
    ct_tensor p = part(x, axis, r->start, 1, 1);
    p.rank--;
    for (int i = axis; i < p.rank; i++) {
        p.dim[i] = p.dim[i + 1];
        p.stride[i] = p.stride[i + 1];
    }
    return view_of(c, &p);
}

/* y = x_k, so gx is 0 but for g at k. Checked: select, middle_axis */
static ct_tensor *select_vjp(const ct_call *c, ct_tensor *const *g)
{
    const range *r = c->params;
    ct_tensor *one = ct_unsqueeze(g[0], (int)r->axis);
    return one ? ct__apply1(&ct__op_slice_scatter, one, r) : NULL;
}

const ct_op ct__op_select = {.name = "select", .inputs = 1, .params = sizeof(range), .view = select_view, .vjp = {select_vjp},
                             .linear = true, .doc = "x[k] along an axis"};

ct_tensor *ct_select(ct_tensor *x, int axis, int64_t index)
{
    if (!ct__check("ct_select", "x", x)) return NULL;
    const int at = ct__axis_of("ct_select", "x", x, axis);
    if (at < 0) return NULL;
    const int64_t n = x->dim[at];
    if (index < -n || index >= n)
        return ct__fail(CT_ERROR_INDEX, "ct_select", "index %lld is out of range: axis %d of x, which is %s, has length %lld",
                        (long long)index, at, ct__describe(x), (long long)n);
    const range r = {.axis = at - x->rank, .start = index < 0 ? index + n : index, .step = 1, .count = 1, .length = n};
    return ct__apply1(&ct__op_select, x, &r);
}

/* ---- flip --------------------------------------------------------------------------------------------- */

/* params: uint32_t, bit i for the axis that is i + 1 before the end */
static bool flip_view(ct_call *c)
{
    const uint32_t *flipped = c->params;
    ct_tensor p = *c->in[0];
    for (int i = 0; i < p.rank; i++) {
        if (*flipped >> (p.rank - 1 - i) & 1) p = part(&p, i, p.dim[i] - 1, -1, p.dim[i]);
    }
    return view_of(c, &p);
}

extern const ct_op ct__op_flip;

/* y_i = x_(n-1-i), so gx is g flipped once more. Checked: flip, two_axes */
static ct_tensor *flip_vjp(const ct_call *c, ct_tensor *const *g) { return ct__apply1(&ct__op_flip, g[0], c->params); }

const ct_op ct__op_flip = {.name = "flip", .inputs = 1, .params = sizeof(uint32_t), .view = flip_view, .vjp = {flip_vjp},
                           .linear = true, .doc = "x in reverse order along axes"};

ct_tensor *ct_flip(ct_tensor *x, ct_axes axes)
{
    ct__axes_params p;
    if (!ct__check("ct_flip", "x", x) || !ct__axes_params_of("ct_flip", x, axes, false, &p)) return NULL;
    return p.axes ? ct__apply1(&ct__op_flip, x, &p.axes) : ct_alias(x);
}

/* ---- diagonal and diag -------------------------------------------------------------------------------- */

typedef struct matrix_size {
    int64_t rows, columns;
} matrix_size;

/* params: matrix_size, of x */
static bool diagonal_view(ct_call *c)
{
    const ct_tensor d = main_diagonal(c->in[0]);
    return view_of(c, &d);
}

/* params: matrix_size, of y; x has the smaller of the two as its last axis. */
static bool diag_shape(ct_call *c)
{
    const matrix_size *size = c->params;
    const ct_tensor *x = c->in[0];
    c->shape[0] = ct__shape(x);
    c->shape[0].dim[x->rank - 1] = size->rows;
    c->shape[0].dim[c->shape[0].rank++] = size->columns;
    c->dtypes[0] = (ct_dtype)x->dtype;
    return true;
}

static bool diag_forward(const ct_call *c)
{
    ct_tensor d = main_diagonal(c->out[0]);
    ct__fill(c->out[0], 0);
    ct__copy(&d, c->in[0]);
    return true;
}

extern const ct_op ct__op_diag;

/* y_i = x_ii, so gx = diag g; y = diag x, so gx_i = g_ii. Checked: diagonal, wide; diag, matrix */
static ct_tensor *diagonal_vjp(const ct_call *c, ct_tensor *const *g) { return ct__apply1(&ct__op_diag, g[0], c->params); }
static ct_tensor *diag_vjp(const ct_call *c, ct_tensor *const *g) { return (void)c, ct_diagonal(g[0]); }

const ct_op ct__op_diagonal = {.name = "diagonal", .inputs = 1, .params = sizeof(matrix_size), .view = diagonal_view,
                               .vjp = {diagonal_vjp}, .linear = true, .doc = "the main diagonal of the last two axes"};

const ct_op ct__op_diag = {
    .name = "diag", .inputs = 1, .params = sizeof(matrix_size), .shape = diag_shape, .forward = diag_forward,
    .vjp = {diag_vjp}, .linear = true, .doc = "zeros with x on the main diagonal"};

ct_tensor *ct_diagonal(ct_tensor *x)
{
    if (!ct__check("ct_diagonal", "x", x)) return NULL;
    if (x->rank < 2)
        return ct__fail(CT_ERROR_SHAPE, "ct_diagonal", "x is %s; expected 2 axes or more (ct_diag makes a matrix from a vector)",
                        ct__describe(x));
    const matrix_size size = {.rows = x->dim[x->rank - 2], .columns = x->dim[x->rank - 1]};
    return ct__apply1(&ct__op_diagonal, x, &size);
}

ct_tensor *ct_diag(ct_tensor *x)
{
    if (!ct__check("ct_diag", "x", x)) return NULL;
    if (x->rank < 1 || x->rank == CT_MAX_RANK)
        return ct__fail(CT_ERROR_SHAPE, "ct_diag", "x is %s; expected 1 to %d axes, and the result has one more", ct__describe(x),
                        CT_MAX_RANK - 1);
    ct_shape shape = ct__shape(x);
    const int64_t n = shape.dim[shape.rank - 1];
    shape.dim[shape.rank++] = n;
    if (!ct__shape_check("ct_diag", shape, (ct_dtype)x->dtype)) return NULL;
    const matrix_size size = {.rows = n, .columns = n};
    return ct__apply1(&ct__op_diag, x, &size);
}

/* ---- pad ---------------------------------------------------------------------------------------------- */

typedef struct padding {
    int64_t axis, before, after;
    double value;
} padding;

static bool pad_shape(ct_call *c)
{
    const padding *p = c->params;
    c->shape[0] = ct__shape(c->in[0]);
    c->shape[0].dim[c->in[0]->rank + p->axis] += p->before + p->after;
    c->dtypes[0] = (ct_dtype)c->in[0]->dtype;
    return ct__shape_check("ct_pad", c->shape[0], c->dtypes[0]);
}

static bool pad_forward(const ct_call *c)
{
    const padding *p = c->params;
    const ct_tensor *x = c->in[0], *y = c->out[0];
    const int axis = x->rank + (int)p->axis;
    const int64_t n = x->dim[axis];
    ct_tensor front = part(y, axis, 0, 1, p->before), middle = part(y, axis, p->before, 1, n),
              back = part(y, axis, p->before + n, 1, p->after);
    ct__fill(&front, p->value);
    ct__copy(&middle, x);
    ct__fill(&back, p->value);
    return true;
}

extern const ct_op ct__op_pad;

/* y = x between constants, so gx is the middle of g and dy is dx between zeros. Checked: pad, both_ends */
static ct_tensor *pad_vjp(const ct_call *c, ct_tensor *const *g)
{
    const padding *p = c->params;
    return ct_slice(g[0], (int)p->axis, p->before, ct_dim(g[0], (int)p->axis) - p->after, 1);
}

static ct_tensor *pad_jvp(const ct_call *c, ct_tensor *dx)
{
    padding p = *(const padding *)c->params;
    p.value = 0;
    return ct__apply1(&ct__op_pad, dx, &p);
}

const ct_op ct__op_pad = {.name = "pad", .inputs = 1, .params = sizeof(padding), .shape = pad_shape, .forward = pad_forward,
                          .vjp = {pad_vjp}, .jvp = {pad_jvp}, .doc = "x with constants before and after it along an axis"};

ct_tensor *ct_pad(ct_tensor *x, int axis, int64_t before, int64_t after, double value)
{
    if (!ct__check("ct_pad", "x", x)) return NULL;
    const int at = ct__axis_of("ct_pad", "x", x, axis);
    if (at < 0) return NULL;
    const int64_t most = (int64_t)1 << 46; /* more than memory holds, and far from overflow */
    if (before < 0 || after < 0 || before > most || after > most)
        return ct__fail(CT_ERROR_VALUE, "ct_pad", "%lld elements before and %lld after x, which is %s; expected 0 or more "
                        "(ct_slice cuts off)", (long long)before, (long long)after, ct__describe(x));
    const padding p = {.axis = at - x->rank, .before = before, .after = after, .value = value};
    return ct__apply1(&ct__op_pad, x, &p);
}
