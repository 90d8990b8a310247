/*
 * join.c - several tensors as one, along an axis they have (concat) or a new one (stack), and one as equal parts (split).
 *
 * Each input is copied as a block into its place in the result; the VJP takes that place of g. Linear in all inputs together,
 * so a tangent of the result is the same join of the inputs' tangents.
 */
#include <cotangent/ops.h>

#include "autograd/op.h"
#include "ops/axes.h"

/* params: int64_t, the axis counted from the end of the result */
static int axis_of(const ct_call *c, int rank) { return rank + (int)*(const int64_t *)c->params; }

/* Copies input after input to where `at` is, which moves on along an axis; `length` is how far for the input of that number. */
static void copy_block(const ct_tensor *x, ct_tensor *at, int axis, int64_t length)
{
    ct__copy(at, x);
    at->data += length * at->stride[axis] * (int64_t)ct__size(at);
}

/* ---- concat ------------------------------------------------------------------------------------------- */

static bool misfit(const ct_call *c, int i, const char *expected)
{
    return ct__fail(CT_ERROR_SHAPE, ct__op_title(c->op), "x[%d] is %s and x[0] is %s; expected %s", i, ct__describe(c->in[i]),
                    ct__describe(c->in[0]), expected);
}

static bool same_dtype(const ct_call *c, int i)
{
    if (c->in[i]->dtype == c->in[0]->dtype) return true;
    return ct__fail(CT_ERROR_DTYPE, ct__op_title(c->op), "x[%d] is %s and x[0] is %s; expected one dtype: ct_cast", i,
                    ct__describe(c->in[i]), ct__describe(c->in[0]));
}

static bool concat_shape(ct_call *c)
{
    const int rank = c->in[0]->rank, axis = axis_of(c, rank);
    ct_shape y = ct__shape(c->in[0]);
    for (int i = 1; i < c->n_in; i++) {
        const ct_tensor *x = c->in[i];
        if (!same_dtype(c, i)) return false;
        if (x->rank != rank) return misfit(c, i, "the same number of axes (ct_stack joins along a new one)");
        for (int k = 0; k < rank; k++) {
            if (k != axis && x->dim[k] != y.dim[k]) return misfit(c, i, "the same lengths off the axis of joining");
        }
        y.dim[axis] += x->dim[axis];
    }
    c->shape[0] = y;
    c->dtypes[0] = (ct_dtype)c->in[0]->dtype;
    return ct__shape_check("ct_concat", y, c->dtypes[0]);
}

static bool concat_forward(const ct_call *c)
{
    ct_tensor place = *c->out[0];
    place.dense = false;
    const int axis = axis_of(c, place.rank);
    for (int i = 0; i < c->n_in; i++) {
        place.dim[axis] = c->in[i]->dim[axis];
        place.count = c->in[i]->count;
        copy_block(c->in[i], &place, axis, place.dim[axis]);
    }
    return true;
}

/* y = [x_0 x_1 ...], so gx_i is the part of g where x_i went. Checked: concat, middle_axis */
static ct_tensor *concat_vjp(const ct_call *c, ct_tensor *const *g)
{
    const int from_end = axis_of(c, 0);
    int64_t start = 0, length = 0;
    for (int i = 0; i <= c->index; i++) {
        const ct_shape x = ct__in_shape(c, i);
        start += length;
        length = x.dim[x.rank + from_end];
    }
    return ct_slice(g[0], from_end, start, start + length, 1);
}

const ct_op ct__op_concat = {
    .name = "concat", .inputs = CT__VARIADIC, .keeps = KEEP_SHAPES, .params = sizeof(int64_t), .shape = concat_shape,
    .forward = concat_forward, .vjp = {concat_vjp}, .linear = true, .doc = "[x_0 x_1 ...] along an axis"};

/* ---- stack -------------------------------------------------------------------------------------------- */

static bool stack_shape(ct_call *c)
{
    const ct_tensor *first = c->in[0];
    const int axis = axis_of(c, first->rank + 1);
    for (int i = 1; i < c->n_in; i++) {
        if (!same_dtype(c, i)) return false;
        if (!ct__same_shape(c->in[i], first)) return misfit(c, i, "one shape (ct_concat joins along an axis that x has)");
    }
    c->shape[0].rank = first->rank + 1;
    for (int i = 0; i <= first->rank; i++) c->shape[0].dim[i] = i == axis ? c->n_in : first->dim[i - (i > axis)];
    c->dtypes[0] = (ct_dtype)first->dtype;
    return ct__shape_check("ct_stack", c->shape[0], c->dtypes[0]);
}

static bool stack_forward(const ct_call *c)
{
    const ct_tensor *y = c->out[0];
    const int axis = axis_of(c, y->rank);
    ct_tensor place = *y;
    place.dense = false;
    place.dim[axis] = 1;
    place.count = c->in[0]->count;
    for (int i = 0; i < c->n_in; i++) {
        ct_tensor x = *c->in[i]; /* with the new axis */
        x.dense = false;
        x.rank = y->rank;
        for (int k = axis + 1; k < y->rank; k++) {
            x.dim[k] = c->in[i]->dim[k - 1];
            x.stride[k] = c->in[i]->stride[k - 1];
        }
        x.dim[axis] = 1;
        x.stride[axis] = 0;
        copy_block(&x, &place, axis, 1);
    }
    return true;
}

/* y_i = x_i, so gx_i = g_i. Checked: stack, last_axis */
static ct_tensor *stack_vjp(const ct_call *c, ct_tensor *const *g) { return ct_select(g[0], axis_of(c, 0), c->index); }

const ct_op ct__op_stack = {.name = "stack", .inputs = CT__VARIADIC, .keeps = KEEP_SHAPES, .params = sizeof(int64_t),
                            .shape = stack_shape, .forward = stack_forward, .vjp = {stack_vjp}, .linear = true,
                            .doc = "[x_0 x_1 ...] along a new axis"};

/* ---- fronts ------------------------------------------------------------------------------------------- */

/* A list of at least one tensor, none of them NULL. */
static bool check_list(const char *operation, ct_tensor *const *x, int count)
{
    if (!x) return ct__fail_null(operation, "x");
    if (count < 1) return ct__fail(CT_ERROR_VALUE, operation, "%d tensors; expected 1 or more", count);
    for (int i = 0; i < count; i++) {
        char name[24];
        if (x[i]) continue;
        snprintf(name, sizeof name, "x[%d]", i);
        return ct__fail_null(operation, name);
    }
    return true;
}

ct_tensor *ct_concat(ct_tensor *const *x, int count, int axis)
{
    if (!check_list("ct_concat", x, count)) return NULL;
    const int rank = x[0]->rank;
    if (rank == 0)
        return ct__fail(CT_ERROR_SHAPE, "ct_concat", "x[0] is %s and has no axis to join along; ct_stack makes a new one",
                        ct__describe(x[0]));
    const int at = ct__axis_of("ct_concat", "x[0]", x[0], axis);
    const int64_t from_end = at - rank;
    return at < 0 ? NULL : ct__apply(&ct__op_concat, x, count, &from_end);
}

ct_tensor *ct_stack(ct_tensor *const *x, int count, int axis)
{
    if (!check_list("ct_stack", x, count)) return NULL;
    const int rank = x[0]->rank + 1;
    if (rank > CT_MAX_RANK)
        return ct__fail(CT_ERROR_SHAPE, "ct_stack", "x[0] is %s and has all %d axes that a tensor may have; ct_concat adds none",
                        ct__describe(x[0]), CT_MAX_RANK);
    const int at = ct__new_axis_of("ct_stack", "x[0]", x[0], axis);
    const int64_t from_end = at - rank;
    return at < 0 ? NULL : ct__apply(&ct__op_stack, x, count, &from_end);
}

bool ct_split(ct_tensor *x, int axis, int count, ct_tensor **parts)
{
    for (int i = 0; parts && i < count; i++) parts[i] = NULL;
    if (!ct__check("ct_split", "x", x)) return false;
    if (!parts) return ct__fail_null("ct_split", "parts");
    const int at = ct__axis_of("ct_split", "x", x, axis);
    if (at < 0) return false;
    if (count < 1 || x->dim[at] % count != 0)
        return ct__fail(CT_ERROR_SHAPE, "ct_split",
                        "%d equal parts of axis %d of x, which is %s; expected a divisor of %lld (ct_slice cuts anywhere)",
                        count, at, ct__describe(x), (long long)x->dim[at]);
    const int64_t length = x->dim[at] / count;
    const int scope = ct__scope_begin();
    bool ok = true;
    for (int i = 0; ok && i < count; i++) {
        parts[i] = ct_slice(x, at, i * length, (i + 1) * length, 1);
        ok = parts[i] != NULL;
    }
    for (int i = 0; i < count; i++) {
        if (ok) ct_scope_return(parts[i]);
        else parts[i] = NULL;
    }
    ct__scope_end(scope);
    return ok;
}
