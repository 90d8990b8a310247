/*
 * cross_entropy.c - the cross-entropy of logits with the class that an index names, as one operation.
 *
 * z_r = log sum_c e^x_rc - x_rt.  dz_r = <softmax(x_r) - 1_t, dx_r>,  so gx_rc = g_r (softmax(x)_rc - [c = t]).
 */
#include "ops/reduce.h"

#include <inttypes.h>
#include <limits.h>

static bool shape(ct_call *c)
{
    const ct_tensor *x = c->in[0];
    c->shape[0] = ct__shape(x);
    c->shape[0].rank--;
    c->dtypes[0] = (ct_dtype)x->dtype;
    return true;
}

static int64_t classes_of(const ct_tensor *x) { return x->dim[x->rank - 1]; }

/* The classes as integers of x's size, contiguous; in a block of the pool. */
static void *targets(const ct_tensor *x, const ct_tensor *index)
{
    const bool wide = x->dtype == CT_F64;
    void *block = ct__pool_get((size_t)index->count * (wide ? 8 : 4));
    if (!block) return ct__fail_memory("ct_softmax_cross_entropy", (size_t)index->count * 8);
    int64_t n = 0;
    for (ct__walk w = ct__walk_start(index->rank, index->dim); w.more; ct__walk_next(&w), n++) {
        const char *at = index->data + ct__walk_offset(&w, index->stride) * (int64_t)ct__size(index);
        const int64_t t = index->dtype == CT_I64 ? *(const int64_t *)(const void *)at
                          : index->dtype == CT_I32 ? *(const int32_t *)(const void *)at : *(const uint8_t *)at;
        if (t < 0 || t >= classes_of(x)) {
            ct__pool_put(block, (size_t)index->count * (wide ? 8 : 4));
            return ct__fail(CT_ERROR_INDEX, "ct_softmax_cross_entropy",
                            "index has class %" PRId64 ", but x, which is %s, has the classes 0 to %" PRId64, t, ct__describe(x),
                            classes_of(x) - 1);
        }
        if (wide) ((int64_t *)block)[n] = t;
        else ((int32_t *)block)[n] = (int32_t)t;
    }
    return block;
}

static void targets_back(void *block, const ct_tensor *x, const ct_tensor *index)
{
    ct__pool_put(block, (size_t)index->count * (x->dtype == CT_F64 ? 8 : 4));
}

static bool forward(const ct_call *c)
{
    ct_tensor *x = c->in[0], *z = c->out[0];
    const int64_t n = classes_of(x);
    if (z->count == 0) return true;
    void *t = targets(x, c->in[1]);
    ct_tensor *rows = t ? ct__rows_of("ct_softmax_cross_entropy", x, 1u << (x->rank - 1)) : NULL;
    if (rows) {
        ct__run_rows(&(ct__row_job){CT__CROSS_ENTROPY, c->dtype, z->count, n, 3, {z->data, rows->data, t}, {1, n, 1}, {0}});
        ct__release(rows);
    }
    if (t) targets_back(t, x, c->in[1]);
    return rows != NULL;
}

static bool fused(const ct_call *c, ct_tensor *const *g, const bool *need, ct_tensor **gx)
{
    ct_tensor *x = c->in[0], *z = c->out[0];
    const int64_t n = classes_of(x);
    if (!need[0]) return true;
    gx[0] = ct__tensor_like("ct_softmax_cross_entropy", x, c->dtype);
    if (!gx[0] || x->count == 0) return gx[0] != NULL;
    void *t = targets(x, c->in[1]);
    ct_tensor *rows = t ? ct__rows_of("ct_softmax_cross_entropy", x, 1u << (x->rank - 1)) : NULL;
    ct_tensor *given = rows ? ct_contiguous(g[0]) : NULL;
    if (given)
        ct__run_rows(&(ct__row_job){CT__CROSS_ENTROPY_VJP, c->dtype, z->count, n, 5,
                                    {gx[0]->data, rows->data, t, z->data, given->data}, {n, n, 1, 1, 1}, {0}});
    if (rows) ct__release(rows);
    if (t) targets_back(t, x, c->in[1]);
    return given != NULL;
}

/* softmax(x) - 1_t */
static ct_tensor *slope(const ct_call *c)
{
    const ct_tensor *x = c->in[0];
    return ct_sub(ct_softmax(c->in[0], -1), ct_one_hot(c->in[1], classes_of(x), c->dtype));
}

/* Checked: softmax_cross_entropy, all samples */
static ct_tensor *vjp(const ct_call *c, ct_tensor *const *g) { return ct_mul(ct_unsqueeze(g[0], -1), slope(c)); }
static ct_tensor *jvp(const ct_call *c, ct_tensor *dx) { return ct_sum(ct_mul(dx, slope(c)), ct_axes(-1), false); }

const ct_op ct__op_softmax_cross_entropy = {
    .name = "softmax_cross_entropy", .inputs = 2, .keeps = KEEP_X | KEEP_Y | KEEP_Z, .shape = shape, .forward = forward,
    .vjp = {vjp, ct__vjp_none}, .jvp = {jvp, ct__jvp_none}, .fused = fused, .doc = "log sum e^x - x_index of each row"};

static bool fits(const ct_tensor *x, const ct_tensor *index)
{
    static const char operation[] = "ct_softmax_cross_entropy";
    if (ct__is_float(index->dtype) || index->dtype == CT_BOOL)
        return ct__fail(CT_ERROR_DTYPE, operation, "index is %s; expected i64, i32 or u8: the number of a class", ct__describe(index));
    bool same = x->rank == index->rank + 1;
    for (int i = 0; same && i < index->rank; i++) same = x->dim[i] == index->dim[i];
    if (!same)
        return ct__fail(CT_ERROR_SHAPE, operation, "x is %s and index is %s; expected x [.., classes] and index [..]", ct__describe(x),
                        ct__describe(index));
    return x->dtype == CT_F64 || classes_of(x) <= INT32_MAX ||
           ct__fail(CT_ERROR_SHAPE, operation, "x is %s; expected fewer than 2^31 classes", ct__describe(x));
}

ct_tensor *ct_softmax_cross_entropy(ct_tensor *x, ct_tensor *index)
{
    static const char operation[] = "ct_softmax_cross_entropy";
    if (!ct__check(operation, "x", x) || !ct__check(operation, "index", index) || !fits(x, index)) return NULL;
    if (ct__is_float((ct_dtype)x->dtype)) return ct__apply(&ct__op_softmax_cross_entropy, (ct_tensor *[]){x, index}, 2, NULL);
    const int scope = ct_scope_begin();
    ct_tensor *f = ct_cast(x, CT_F32), *z = f ? ct__apply(&ct__op_softmax_cross_entropy, (ct_tensor *[]){f, index}, 2, NULL) : NULL;
    if (z) ct_scope_return(z);
    ct_scope_end(scope);
    return z;
}
