/*
 * shape.c - the same elements under another shape (reshape, flatten, squeeze, unsqueeze) and with axes in another order (permute,
 * transpose, swap_axes).
 *
 * All are views of x's storage, except a reshape that no strides can express: that is a copy. Flatten, squeeze and unsqueeze are
 * reshapes, transpose and swap_axes are permutations, so there are two records. Where nothing changes the result is a new handle
 * of x, with the same place in the graph.
 */
#include "ops/axes.h"
#include "ops/reduce.h"

#include <string.h>

/* ---- reshape ------------------------------------------------------------------------------------------ */

static void row_major(int rank, const int64_t *dim, int64_t *stride)
{
    int64_t unit = 1;
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = unit;
        unit *= dim[i] > 1 ? dim[i] : 1;
    }
}

/* x as a list of runs, outermost first: axes that are walked with one stride throughout. Axes of length 1 do not count. */
typedef struct runs {
    int count;
    int64_t length[CT_MAX_RANK], stride[CT_MAX_RANK];
} runs;

static runs runs_of(const ct_tensor *x)
{
    runs r = {.count = 0};
    for (int i = 0; i < x->rank; i++) {
        if (x->dim[i] == 1) continue;
        const bool goes_on = r.count > 0 && r.stride[r.count - 1] == x->stride[i] * x->dim[i];
        const int at = goes_on ? r.count - 1 : r.count++;
        r.length[at] = (goes_on ? r.length[at] : 1) * x->dim[i];
        r.stride[at] = x->stride[i];
    }
    return r;
}

/* The strides by which x's elements have the shape `to` in row-major order; false where there are none. A new axis must lie
 * within one run, so runs are used up from the last axis to the first. */
static bool view_strides(const ct_tensor *x, const ct_shape *to, int64_t *stride)
{
    row_major((int)to->rank, to->dim, stride);
    if (x->count == 0) return true;
    const runs r = runs_of(x);
    int run = r.count;
    int64_t left = 1, unit = 1;
    for (int i = (int)to->rank - 1; i >= 0; i--) {
        if (to->dim[i] == 1) continue;
        if (left == 1) {
            run--;
            left = r.length[run];
            unit = r.stride[run];
        }
        if (left % to->dim[i] != 0) return false;
        stride[i] = unit;
        unit *= to->dim[i];
        left /= to->dim[i];
    }
    return true;
}

/* params: ct_shape, the result's own */
static bool reshape_view(ct_call *c)
{
    const ct_tensor *x = c->in[0];
    const ct_shape *to = c->params;
    int64_t stride[CT_MAX_RANK];
    if (view_strides(x, to, stride)) {
        c->out[0] = ct__tensor_view(x, (int)to->rank, to->dim, stride, x->data);
        return c->out[0] != NULL;
    }
    ct_tensor *copy = ct__own(ct__tensor_like("ct_reshape", x, (ct_dtype)x->dtype));
    if (!copy) return false;
    ct__copy(copy, x);
    row_major((int)to->rank, to->dim, stride);
    c->out[0] = ct__tensor_view(copy, (int)to->rank, to->dim, stride, copy->data);
    ct__release(copy);
    return c->out[0] != NULL;
}

/* y has x's elements in x's order, so the rules only give them the other's shape. Checked: reshape, all samples */
static ct_tensor *reshape_vjp(const ct_call *c, ct_tensor *const *g)
{
    const ct_shape *to = c->params;
    return ct_reshape(g[0], ct__batched(g[0], (int)to->rank, ct__in_shape(c, 0)));
}

static ct_tensor *reshape_jvp(const ct_call *c, ct_tensor *dx)
{
    const ct_shape *to = c->params;
    return ct_reshape(dx, ct__batched(dx, (int)ct__in_shape(c, 0).rank, *to));
}

const ct_op ct__op_reshape = {
    .name = "reshape", .inputs = 1, .keeps = KEEP_SHAPES, .params = sizeof(ct_shape), .view = reshape_view,
    .vjp = {reshape_vjp}, .jvp = {reshape_jvp}, .doc = "the elements of x in row-major order, in another shape"};

/* `shape` holds x's number of elements already. */
static ct_tensor *reshaped(ct_tensor *x, const ct_shape *shape)
{
    if (ct__shape_equal(ct__shape(x), *shape)) return ct_alias(x);
    ct_shape to = {{{0}}};
    to.rank = shape->rank;
    memcpy(to.dim, shape->dim, (size_t)shape->rank * sizeof to.dim[0]);
    return ct__apply1(&ct__op_reshape, x, &to);
}

/* The count of the lengths given, with -1 as 1, and the axis of the -1 (or -1); false with an error for a shape that is none. */
static bool known_count(const ct_tensor *x, const ct_shape *shape, int64_t *known, int *open)
{
    ct_shape rest = *shape;
    *open = -1;
    for (int i = 0; i < rest.rank && i < CT_MAX_RANK; i++) {
        if (rest.dim[i] != -1) continue;
        if (*open >= 0)
            return ct__fail(CT_ERROR_SHAPE, "ct_reshape", "%s has two lengths of -1; expected one at most, x is %s",
                            ct__describe_shape(*shape), ct__describe(x));
        *open = i;
        rest.dim[i] = 1;
    }
    if (!ct__shape_check("ct_reshape", rest, (ct_dtype)x->dtype)) return false;
    *known = ct_shape_count(rest);
    return true;
}

/* Puts the length that is left in place of -1. */
static bool resolve(const ct_tensor *x, ct_shape *shape)
{
    int64_t known = 0;
    int open = -1;
    if (!known_count(x, shape, &known, &open)) return false;
    if (open < 0) {
        if (known == x->count) return true;
        return ct__fail(CT_ERROR_SHAPE, "ct_reshape",
                        "x is %s with %lld elements, but %s has %lld; a length of -1 takes what is left", ct__describe(x),
                        (long long)x->count, ct__describe_shape(*shape), (long long)known);
    }
    if (known == 0)
        return ct__fail(CT_ERROR_SHAPE, "ct_reshape",
                        "the -1 in %s could be any length, for its other lengths have 0 elements; x is %s with %lld",
                        ct__describe_shape(*shape), ct__describe(x), (long long)x->count);
    if (x->count % known != 0)
        return ct__fail(CT_ERROR_SHAPE, "ct_reshape",
                        "x is %s with %lld elements, which is no multiple of the %lld that %s has without its -1",
                        ct__describe(x), (long long)x->count, (long long)known, ct__describe_shape(*shape));
    shape->dim[open] = x->count / known;
    return true;
}

ct_tensor *ct_reshape(ct_tensor *x, ct_shape shape)
{
    if (!ct__check("ct_reshape", "x", x) || !resolve(x, &shape)) return NULL;
    return reshaped(x, &shape);
}

/* A scalar becomes a vector of one. */
ct_tensor *ct_flatten(ct_tensor *x, int start_axis)
{
    if (!ct__check("ct_flatten", "x", x)) return NULL;
    const int start = x->rank ? ct__axis_of("ct_flatten", "x", x, start_axis) : ct__new_axis_of("ct_flatten", "x", x, start_axis);
    if (start < 0) return NULL;
    ct_shape shape = ct__shape(x);
    shape.rank = start + 1;
    shape.dim[start] = 1;
    for (int i = start; i < x->rank; i++) shape.dim[start] *= x->dim[i];
    return reshaped(x, &shape);
}

ct_tensor *ct_squeeze(ct_tensor *x, ct_axes axes)
{
    ct__axes_params p;
    if (!ct__check("ct_squeeze", "x", x) || !ct__axes_params_of("ct_squeeze", x, axes, false, &p)) return NULL;
    const unsigned mask = ct__axes_front(&p, x->rank);
    ct_shape shape = {{{0}}};
    for (int i = 0; i < x->rank; i++) {
        const bool named = mask >> i & 1;
        if (named && x->dim[i] != 1 && axes.rank >= 0)
            return ct__fail(CT_ERROR_SHAPE, "ct_squeeze", "axis %d of x, which is %s, has length %lld; expected 1", i,
                            ct__describe(x), (long long)x->dim[i]);
        if (!named || x->dim[i] != 1) shape.dim[shape.rank++] = x->dim[i];
    }
    return reshaped(x, &shape);
}

ct_tensor *ct_unsqueeze(ct_tensor *x, int axis)
{
    if (!ct__check("ct_unsqueeze", "x", x)) return NULL;
    if (x->rank == CT_MAX_RANK)
        return ct__fail(CT_ERROR_SHAPE, "ct_unsqueeze", "x is %s and has all %d axes that a tensor may have", ct__describe(x),
                        CT_MAX_RANK);
    const int at = ct__new_axis_of("ct_unsqueeze", "x", x, axis);
    if (at < 0) return NULL;
    ct_shape shape = {{{0}}};
    shape.rank = x->rank + 1;
    for (int i = 0; i < shape.rank; i++) shape.dim[i] = i == at ? 1 : x->dim[i - (i > at)];
    return reshaped(x, &shape);
}

/* ---- permute ------------------------------------------------------------------------------------------ */

/* Axis i of y's last `rank` axes is the axis of x that is from_end[i] axes before its end. */
typedef struct order {
    int8_t rank, from_end[CT_MAX_RANK];
} order;

static bool permute_view(ct_call *c)
{
    const ct_tensor *x = c->in[0];
    const order *p = c->params;
    const int leading = x->rank - p->rank;
    int64_t dim[CT_MAX_RANK], stride[CT_MAX_RANK];
    for (int i = 0; i < x->rank; i++) {
        const int from = i < leading ? i : x->rank - p->from_end[i - leading];
        dim[i] = x->dim[from];
        stride[i] = x->stride[from];
    }
    c->out[0] = ct__tensor_view(x, x->rank, dim, stride, x->data);
    return c->out[0] != NULL;
}

extern const ct_op ct__op_permute;

/* y[i_p(0), i_p(1), ...] = x[i_0, i_1, ...], so gx is g under the inverse of p. Checked: permute, cycle */
static ct_tensor *permute_vjp(const ct_call *c, ct_tensor *const *g)
{
    const order *p = c->params;
    order inverse = {.rank = p->rank};
    for (int i = 0; i < p->rank; i++) inverse.from_end[p->rank - p->from_end[i]] = (int8_t)(p->rank - i);
    return ct__apply1(&ct__op_permute, g[0], &inverse);
}

const ct_op ct__op_permute = {.name = "permute", .inputs = 1, .params = sizeof(order), .view = permute_view, .vjp = {permute_vjp},
                              .linear = true, .doc = "x with its axes in another order"};

ct_tensor *ct_permute(ct_tensor *x, ct_axes axes)
{
    ct__axes_params each;
    if (!ct__check("ct_permute", "x", x)) return NULL;
    if (axes.rank < 0)
        return ct__fail(CT_ERROR_SHAPE, "ct_permute", "CT_ALL is no order; x is %s (ct_transpose swaps its last two axes)",
                        ct__describe(x));
    if (axes.rank != x->rank)
        return ct__fail(CT_ERROR_SHAPE, "ct_permute", "the order %s names %lld axes, but x is %s with %d; each is named once",
                        ct__describe_shape(axes), (long long)axes.rank, ct__describe(x), x->rank);
    if (!ct__axes_params_of("ct_permute", x, axes, false, &each)) return NULL;
    order p = {.rank = (int8_t)x->rank};
    bool same = true;
    for (int i = 0; i < x->rank; i++) {
        const int64_t from = axes.dim[i] < 0 ? axes.dim[i] + x->rank : axes.dim[i];
        p.from_end[i] = (int8_t)(x->rank - from);
        same = same && from == i;
    }
    return same ? ct_alias(x) : ct__apply1(&ct__op_permute, x, &p);
}

static ct_tensor *swapped(ct_tensor *x, int a, int b)
{
    if (a == b) return ct_alias(x);
    order p = {.rank = (int8_t)x->rank};
    for (int i = 0; i < x->rank && i < CT_MAX_RANK; i++) p.from_end[i] = (int8_t)(x->rank - (i == a ? b : i == b ? a : i));
    return ct__apply1(&ct__op_permute, x, &p);
}

ct_tensor *ct_transpose(ct_tensor *x)
{
    if (!ct__check("ct_transpose", "x", x)) return NULL;
    return x->rank < 2 ? ct_alias(x) : swapped(x, x->rank - 2, x->rank - 1);
}

ct_tensor *ct_swap_axes(ct_tensor *x, int a, int b)
{
    if (!ct__check("ct_swap_axes", "x", x)) return NULL;
    const int first = ct__axis_of("ct_swap_axes", "x", x, a), second = ct__axis_of("ct_swap_axes", "x", x, b);
    return first < 0 || second < 0 ? NULL : swapped(x, first, second);
}
