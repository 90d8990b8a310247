/*
 * cross_entropy.c - the cross-entropy of logits with the class that an index names: of each row, and the mean over rows.
 *
 * z_r = log sum_c e^x_rc - x_rt.  dz_r = <softmax(x_r) - 1_t, dx_r>,  so gx_rc = g_r (softmax(x)_rc - [c = t]).
 *
 * The mean is an operation of its own, so that a training step pays for one operation and one node, not two.
 *
 * Exponentials are most of the work, so the way back has none: where there is a way back, a value for the rules alone keeps
 * softmax(x) - 1_t.
 */
#include "ops/reduce.h"

#include <inttypes.h>

/* Of the value for the rules: as x, or of no elements. */
static void kept_shape(ct_call *c)
{
    const ct_tensor *x = c->in[0];
    if (ct__needs_grad(x)) c->shape[1] = ct__shape(x);
    else c->shape[1] = (ct_shape){.rank = 1};
    c->dtypes[1] = (ct_dtype)x->dtype;
}

/* [..] of x [.., classes] */
static bool shape(ct_call *c)
{
    const ct_tensor *x = c->in[0];
    c->shape[0].rank = x->rank - 1;
    for (int i = 0; i + 1 < x->rank; i++) c->shape[0].dim[i] = x->dim[i];
    c->dtypes[0] = (ct_dtype)x->dtype;
    kept_shape(c);
    return true;
}

static int64_t classes_of(const ct_tensor *x) { return x->dim[x->rank - 1]; }

/* ---- the classes: index as contiguous i64, itself or a copy in a block of the pool ---- */

typedef struct classes {
    const int64_t *of; /* NULL after an error */
    int64_t *copy;     /* NULL where index serves itself */
    size_t bytes;
} classes;

/* Each 0 <= t_i < n: neither t_i nor n - 1 - t_i is negative. Bits, not comparisons: those of two numbers fit into any vector. */
static bool in_range(const int64_t *t, int64_t count, int64_t n)
{
    uint64_t wrong = 0;
#pragma omp simd reduction(| : wrong)
    for (int64_t i = 0; i < count; i++) wrong |= (uint64_t)t[i] | ((uint64_t)(n - 1) - (uint64_t)t[i]);
    return wrong >> 63 == 0;
}

static void copy_classes(const ct_tensor *index, int64_t *to)
{
    for (ct__walk w = ct__walk_start(index->rank, index->dim); w.more; ct__walk_next(&w)) {
        const char *at = index->data + ct__walk_offset(&w, index->stride) * (int64_t)ct__size(index);
        *to++ = index->dtype == CT_I64   ? *(const int64_t *)(const void *)at
                : index->dtype == CT_I32 ? *(const int32_t *)(const void *)at
                                         : *(const uint8_t *)at;
    }
}

static void classes_back(const classes *c)
{
    if (c->copy) ct__pool_put(c->copy, c->bytes);
}

static CT__APART classes copied(const char *title, const ct_tensor *index)
{
    classes c = {.bytes = (size_t)index->count * 8};
    c.copy = ct__pool_get(c.bytes);
    if (!c.copy) return ct__fail_memory(title, c.bytes), c;
    copy_classes(index, c.copy);
    c.of = c.copy;
    return c;
}

static CT__APART classes fail_range(const char *title, const ct_tensor *x, classes c)
{
    int64_t i = 0;
    while (c.of[i] >= 0 && c.of[i] < classes_of(x)) i++;
    ct__fail(CT_ERROR_INDEX, title, "index has class %" PRId64 ", but x, which is %s, has the classes 0 to %" PRId64, c.of[i],
             ct__describe(x), classes_of(x) - 1);
    classes_back(&c);
    return (classes){0};
}

static classes classes_for(const ct_call *call)
{
    const ct_tensor *x = call->in[0], *index = call->in[1];
    classes c = {.of = (const int64_t *)(const void *)index->data};
    if (index->dtype != CT_I64 || !ct__contiguous(index)) c = copied(call->op->impl, index);
    return !c.of || in_range(c.of, index->count, classes_of(x)) ? c : fail_range(call->op->impl, x, c);
}

/* ---- by rows ---- */

/* z from x and the classes. */
static bool rows_forward(const ct_call *c, char *z)
{
    const ct_tensor *x = c->in[0], *kept = c->out[1];
    const int64_t n = classes_of(x), wide = c->dtype == CT_F32 ? 2 : 1, rows = c->in[1]->count;
    if (rows == 0) return true;
    const classes t = classes_for(c);
    ct_tensor *x_rows = t.of ? ct__rows_of(c->op->impl, x, 1u << (x->rank - 1)) : NULL;
    if (!x_rows) return classes_back(&t), false;
    const bool keeps = kept->count > 0;
    ct__run_rows(&(ct__row_job){CT__CROSS_ENTROPY, c->dtype, rows, n, 4,
                                {z, x_rows->data, (char *)(uintptr_t)(const void *)t.of, keeps ? kept->data : NULL},
                                {1, n, wide, keeps ? n : 0}, {0}});
    ct__release(x_rows);
    classes_back(&t);
    return true;
}

/* gx = g (softmax(x) - 1_t), over the latter where nobody needs that; at g a number for each row, or one for all. */
static ct_tensor *rows_back(const ct_call *c, char *g, bool one)
{
    const ct_tensor *x = c->in[0];
    ct_tensor *slope = c->out[1], *gx = ct__kept_spent(c, 1) ? ct__retain(slope) : ct__tensor_like(c->op->impl, x, c->dtype);
    if (!gx || x->count == 0) return gx;
    const int64_t n = classes_of(x);
    int64_t step = one ? 0 : 1;
    ct__run_rows(&(ct__row_job){CT__ROWS_SCALED, c->dtype, c->in[1]->count, n, 4, {gx->data, slope->data, g, (char *)&step},
                                {n, n, step, 0}, {0}});
    if (gx == slope) ct__bump(slope);
    return gx;
}

/* ---- of each row ---- */

static bool forward(const ct_call *c) { return rows_forward(c, c->out[0]->data); }

static bool fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    if (!(need & 1)) return true;
    ct_tensor *given = ct_contiguous(g[0]);
    gx[0] = given ? rows_back(c, given->data, false) : NULL;
    return gx[0] != NULL;
}

/* softmax(x) - 1_t */
static ct_tensor *slope(const ct_call *c)
{
    const ct_tensor *x = c->in[0];
    return ct_sub(ct_softmax(c->in[0], -1), ct_one_hot(c->in[1], classes_of(x), c->dtype));
}

/* Checked: softmax_cross_entropy, all samples */
static ct_tensor *vjp(const ct_call *c, ct_tensor *const *g) { return ct_mul(ct_unsqueeze(g[0], -1), slope(c)); }
static bool jvp(const ct_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    dy[0] = ct_sum(ct_mul(dx[0], slope(c)), ct_axes(-1), false);
    return dy[0] != NULL;
}

const ct_op ct__op_softmax_cross_entropy = {
    .name = "softmax_cross_entropy", .inputs = 2, .outputs = 2, .aside = 1, .keeps = KEEP_X | KEEP_Y | KEEP_Z, .keep_outputs = 2,
    .shape = shape, .forward = forward, .vjp = {vjp, ct__vjp_none}, .jvp_all = jvp, .fused = fused,
    .impl = "ct_softmax_cross_entropy", .doc = "log sum e^x - x_index of each row"};

/* ---- the mean over rows: y = sum_r z_r / rows ---- */

static bool mean_shape(ct_call *c)
{
    c->shape[0].rank = 0;
    c->dtypes[0] = (ct_dtype)c->in[0]->dtype;
    kept_shape(c);
    return true;
}

static CT__APART bool mean_of_many(const ct_call *c, int64_t rows)
{
    const size_t bytes = (size_t)rows * (c->dtype == CT_F32 ? 4 : 8);
    double sum;
    char *z = ct__pool_get(bytes);
    if (!z) return ct__fail_memory(c->op->impl, bytes);
    const ct_tensor all = {.dtype = (uint8_t)c->dtype, .rank = 1, .dim = {rows}, .stride = {1}, .count = rows, .data = z, .dense = true};
    const bool ok = rows_forward(c, z) && ct__reduce(c->op->impl, CT__SUM_WIDE, &all, 1, NULL, 1, &sum);
    if (ok) ct__store(c->out[0]->data, c->dtype, sum / (double)rows);
    ct__pool_put(z, bytes);
    return ok;
}

/* Of few rows of f32 the losses stand on the stack, and are added up in f64 as they come: the sum of 128 of them is
 * wrong by 128 2^-53 of its size at most, far below what f32 can say. */
static bool mean_forward(const ct_call *c)
{
    enum { FEW = 128 };
    const int64_t rows = c->in[1]->count;
    float few[FEW];
    double sum = 0;
    if (c->dtype != CT_F32 || rows > FEW) return mean_of_many(c, rows);
    if (!rows_forward(c, (char *)few)) return false;
    ct__count_pass(rows * (int64_t)sizeof *few);
    for (int64_t r = 0; r < rows; r++) sum += (double)few[r];
    *(float *)(void *)c->out[0]->data = (float)(sum / (double)rows);
    return true;
}

static bool mean_fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    _Alignas(double) char each[sizeof(double)];
    if (!(need & 1)) return true;
    ct__store(each, c->dtype, ct__load(g[0]->data, c->dtype) / (double)c->in[1]->count);
    gx[0] = rows_back(c, each, true);
    return gx[0] != NULL;
}

/* (softmax(x) - 1_t) / rows */
static ct_tensor *mean_slope(const ct_call *c)
{
    return ct_mul(slope(c), ct_scalar(1 / (double)c->in[1]->count));
}

/* Checked: softmax_cross_entropy_mean, all samples */
static ct_tensor *mean_vjp(const ct_call *c, ct_tensor *const *g)
{
    ct_shape ones = ct__shape(c->in[0]);
    for (int i = 0; i < ones.rank; i++) ones.dim[i] = 1;
    return ct_mul(ct_reshape(g[0], ct__batched(g[0], 0, ones)), mean_slope(c));
}
static bool mean_jvp(const ct_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    ct_axes own = {.rank = 0};
    for (int i = 0; i < c->in[0]->rank; i++) own.dim[own.rank++] = -1 - i;
    dy[0] = ct_sum(ct_mul(dx[0], mean_slope(c)), own, false);
    return dy[0] != NULL;
}

const ct_op ct__op_softmax_cross_entropy_mean = {
    .name = "softmax_cross_entropy_mean", .inputs = 2, .outputs = 2, .aside = 1, .keeps = KEEP_X | KEEP_Y | KEEP_Z,
    .keep_outputs = 2, .shape = mean_shape, .forward = mean_forward, .vjp = {mean_vjp, ct__vjp_none}, .jvp_all = mean_jvp,
    .fused = mean_fused, .impl = "ct_softmax_cross_entropy_mean", .doc = "the mean of log sum e^x - x_index over rows"};

/* ---- fronts ---- */

static bool fits(const char *operation, const ct_tensor *x, const ct_tensor *index)
{
    if (ct__is_float(index->dtype) || index->dtype == CT_BOOL)
        return ct__fail(CT_ERROR_DTYPE, operation, "index is %s; expected i64, i32 or u8: the number of a class",
                        ct__describe(index));
    bool same = x->rank == index->rank + 1;
    for (int i = 0; same && i < index->rank; i++) same = x->dim[i] == index->dim[i];
    return same || ct__fail(CT_ERROR_SHAPE, operation, "x is %s and index is %s; expected x [.., classes] and index [..]",
                            ct__describe(x), ct__describe(index));
}

static ct_tensor *apply(const ct_op *op, ct_tensor *x, ct_tensor *index)
{
    ct_tensor *out[2] = {NULL, NULL};
    if (!ct__check(op->impl, "x", x) || !ct__check(op->impl, "index", index) || !fits(op->impl, x, index)) return NULL;
    if (ct__is_float((ct_dtype)x->dtype)) {
        if (ct__apply_all(op, (ct_tensor *[]){x, index}, 2, NULL, out) && out[1]) ct_free(out[1]); /* the node holds it */
        return out[0];
    }
    const int scope = ct_scope_begin();
    ct_tensor *f = ct_cast(x, CT_F32), *y = f ? apply(op, f, index) : NULL;
    if (y) ct_scope_return(y);
    ct_scope_end(scope);
    return y;
}

ct_tensor *ct_softmax_cross_entropy(ct_tensor *x, ct_tensor *index) { return apply(&ct__op_softmax_cross_entropy, x, index); }

ct_tensor *ct_softmax_cross_entropy_mean(ct_tensor *x, ct_tensor *index)
{
    return apply(&ct__op_softmax_cross_entropy_mean, x, index);
}
