/*
 * product.c - matmul, and affine without and with an activation.
 *
 * The records know matrices with equal leading (batch) axes; the fronts bring vectors, higher ranks and broadcasting to that form by
 * views. Operands go to the GEMM with whatever strides they have; only a repeated or reversed one is copied first.
 */
#include "ops/pointwise.h"

#include <cotangent/ops.h>

#include <string.h>

#include "autograd/graph.h"
#include "tensor/reduce.h"
#include "tensor/row.h"

/* ---- from tensors to the GEMM ---- */

/* The last two axes of t, swapped where `transposed`. */
static ct__matrix matrix_of(const ct_tensor *t, bool transposed)
{
    const int r = t->rank - 2 + (transposed ? 1 : 0), c = t->rank - 1 - (transposed ? 1 : 0);
    ct__matrix m = {.data = t->data, .rows = t->dim[r], .columns = t->dim[c], .row = t->stride[r], .column = t->stride[c]};
    /* The stride of an axis of length 1 is never taken, but must look like a matrix. */
    if (m.rows == 1) m.row = m.columns > 1 ? m.column * m.columns : 1;
    if (m.columns == 1) m.column = m.rows > 1 ? m.row * m.rows : 1;
    return m;
}

/* Do its elements lie at places of their own, with positive strides? BLIS takes no others. */
static bool regular(const ct_tensor *t)
{
    if (CT__LIKELY(t->dense && t->count)) return true;
    const ct__matrix m = matrix_of(t, false);
    return m.row > 0 && m.column > 0 && (m.row >= m.column * m.columns || m.column >= m.row * m.rows);
}

/* t, or a contiguous copy of it for the GEMM. */
static ct_tensor *made_regular(ct_tensor *t)
{
    if (t->count == 0 || regular(t)) return t;
    ct_tensor *copy = ct__tensor_like("ct_matmul", t, t->dtype);
    if (copy) ct__copy(copy, t);
    return copy;
}

/* A vector times a large matrix, or the other way round, is a pass over memory: a product with each row, or the sum of the rows times
 * numbers, in pieces of whole columns. */
typedef struct combining {
    ct__row_kernel kernel;
    char *z, *m, *v;
    int64_t rows, n, width, size;
} combining;

static void combine_piece(void *context, int64_t piece)
{
    combining *c = context;
    const int64_t from = piece * c->width, n = c->n - from < c->width ? c->n - from : c->width;
    c->kernel(c->rows, n, (char *[]){c->z + from * c->size, c->m + from * c->size, c->v, (char *)&c->n});
}

/* z = m v, or m' v; false where that is no such pass. */
static bool by_vector(ct_tensor *z, ct_tensor *m, bool transposed, ct_tensor *v)
{
    enum { LONG = 128, LARGE = 1 << 16, PIECE = 2048 };
    const int64_t n = m->dim[1], rows = m->dim[0], count = rows * n;
    if (n < LONG || rows == 0 || !m->dense || !v->dense || (transposed && count < LARGE)) return false;
    ct__self.count.gemm_calls++;
    ct__self.count.gemm_flops += 2 * count;
    if (transposed) { /* a column's sum is its own, so pieces may be as wide as suits: long reads for a thread alone, or some for each */
        const bool alone = ct__is_short(count) || ct_threads() == 1;
        const int64_t piece = alone ? 4 * PIECE : PIECE, pieces = (n + piece - 1) / piece;
        combining c = {ct__row_kernel_of(CT__ROWS_COMBINED, (ct_dtype)z->dtype), z->data, m->data, v->data, rows, n, piece,
                       (int64_t)ct__size(z)};
        ct__count_pass((count + n + rows) * c.size);
        if (!alone) ct__parallel(pieces, combine_piece, &c);
        else for (int64_t i = 0; i < pieces; i++) combine_piece(&c, i);
        return true;
    }
    ct__run_rows(&(ct__row_job){CT__ROW_DOT, (ct_dtype)z->dtype, rows, n, 3, {z->data, m->data, v->data}, {1, n, 0}, {0}});
    return true;
}

/* z = op(a) op(b) for tensors with equal leading axes, and what `then` says (NULL: nothing). z is contiguous. */
static bool multiply(ct_tensor *z, ct_tensor *a, bool ta, ct_tensor *b, bool tb, const ct__epilogue *then)
{
    if (CT__UNLIKELY(z->rank == 2 && !then && (z->dim[0] == 1 || z->dim[1] == 1)) &&
        (z->dim[1] == 1 ? by_vector(z, a, ta, b) : by_vector(z, b, !tb, a)))
        return true;
    if (CT__LIKELY(z->rank == 2 && regular(a) && regular(b))) {
        const ct__matrix ma = matrix_of(a, ta), mb = matrix_of(b, tb), mz = matrix_of(z, false);
        ct__gemm_with(z->dtype, 1, 1, &ma, 0, &mb, 0, 0, &mz, 0, then);
        return true;
    }
    const int scope = ct__scope_begin();
    a = made_regular(a);
    b = a ? made_regular(b) : NULL;
    if (b) {
        const int lead = z->rank - 2, outer = lead > 0 ? lead - 1 : 0;
        const int64_t batch = lead > 0 ? z->dim[lead - 1] : 1;
        const int64_t sa = lead > 0 ? a->stride[lead - 1] : 0, sb = lead > 0 ? b->stride[lead - 1] : 0, sz = lead > 0 ? z->stride[lead - 1] : 0;
        const int64_t size = (int64_t)ct__size(z);
        ct__matrix ma = matrix_of(a, ta), mb = matrix_of(b, tb), mz = matrix_of(z, false);
        for (ct__walk w = ct__walk_start(outer, z->dim); w.more; ct__walk_next(&w)) {
            ma.data = a->data + ct__walk_offset(&w, a->stride) * size;
            mb.data = b->data + ct__walk_offset(&w, b->stride) * size;
            mz.data = z->data + ct__walk_offset(&w, z->stride) * size;
            ct__gemm_with(z->dtype, batch, 1, &ma, sa, &mb, sb, 0, &mz, sz, then);
        }
    }
    ct__scope_end(scope);
    return b != NULL;
}

/* ---- one dtype for all operands ---- */

/* Are there f32 and f64 among them? These do not mix. */
static bool mixed(ct_tensor *const *t, int n)
{
    bool f32 = false, f64 = false;
    for (int i = 0; i < n; i++) {
        f32 = f32 || t[i]->dtype == CT_F32;
        f64 = f64 || t[i]->dtype == CT_F64;
    }
    return f32 && f64;
}

/* Integers and bools take the float dtype of the others, f32 where there is none. */
static bool to_one_float(ct_tensor **t, int n)
{
    ct_dtype dtype = CT_F32;
    for (int i = 0; i < n; i++) {
        if (t[i]->dtype == CT_F64) dtype = CT_F64;
    }
    for (int i = 0; i < n; i++) {
        t[i] = ct__to_dtype(t[i], dtype);
        if (!t[i]) return false;
    }
    return true;
}

/* ---- matmul ---- */

static bool matmul_shape(ct_call *c)
{
    const ct_tensor *a = c->in[0], *b = c->in[1];
    c->shape[0] = ct__shape(a);
    c->shape[0].dim[a->rank - 1] = b->dim[b->rank - 1];
    c->dtypes[0] = a->dtype;
    return true;
}

static bool matmul_forward(const ct_call *c) { return multiply(c->out[0], c->in[0], false, c->in[1], false, NULL); }

/* Z = X Y,  dZ = dX Y + X dY;  <G, dX Y> = <G Y', dX>,  <G, X dY> = <X' G, dY>.  Checked: matmul samples */
static ct_tensor *matmul_vjp_x(const ct_call *c, ct_tensor *const *g) { return ct_matmul(g[0], ct_transpose(c->in[1])); }
static ct_tensor *matmul_vjp_y(const ct_call *c, ct_tensor *const *g) { return ct_matmul(ct_transpose(c->in[0]), g[0]); }
static ct_tensor *matmul_jvp_x(const ct_call *c, ct_tensor *dx) { return ct_matmul(dx, c->in[1]); }
static ct_tensor *matmul_jvp_y(const ct_call *c, ct_tensor *dy) { return ct_matmul(c->in[0], dy); }

static ct_tensor *matrix_like(const ct_tensor *lead, int64_t rows, int64_t columns)
{
    int64_t dim[CT_MAX_RANK];
    for (int i = 0; i < lead->rank - 2; i++) dim[i] = lead->dim[i];
    dim[lead->rank - 2] = rows;
    dim[lead->rank - 1] = columns;
    return ct__tensor_new("ct_matmul", lead->dtype, lead->rank, dim);
}

static bool matmul_fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    const int r = g[0]->rank - 2;
    if (need & 1) {
        gx[0] = matrix_like(g[0], g[0]->dim[r], c->in[1]->dim[r]);
        if (!gx[0] || !multiply(gx[0], g[0], false, c->in[1], true, NULL)) return false;
    }
    if (need & 2) {
        gx[1] = matrix_like(g[0], c->in[0]->dim[r + 1], g[0]->dim[r + 1]);
        if (!gx[1] || !multiply(gx[1], c->in[0], true, g[0], false, NULL)) return false;
    }
    return true;
}

const ct_op ct__op_matmul = {
    .name = "matmul", .inputs = 2, .keeps = KEEP_X | KEEP_Y, .shape = matmul_shape, .forward = matmul_forward,
    .vjp = {matmul_vjp_x, matmul_vjp_y}, .jvp = {matmul_jvp_x, matmul_jvp_y}, .fused = matmul_fused, .doc = "x y (matrices)",
};

static bool inner_sizes_differ(const ct_tensor *a, const ct_tensor *b)
{
    const int64_t k = a->dim[a->rank - 1], rows = b->rank > 1 ? b->dim[b->rank - 2] : b->dim[0];
    if (k == rows) return false;
    const char *hint = b->rank > 1 && b->dim[b->rank - 1] == k                      ? "; transpose b?"
                       : a->rank > 1 && a->dim[a->rank - 2] == rows                 ? "; transpose a?"
                                                                                    : "";
    ct__fail(CT_ERROR_SHAPE, "ct_matmul", "inner sizes differ: a is %s, b is %s%s", ct__describe(a), ct__describe(b), hint);
    return true;
}

/* Both operands repeated to their common leading axes. */
static ct_tensor *matmul_batched(ct_tensor *a, ct_tensor *b)
{
    ct_shape sa = ct__shape(a), sb = ct__shape(b), lead;
    sa.rank -= 2;
    sb.rank -= 2;
    if (!ct__broadcast(sa, sb, &lead))
        return ct__fail(CT_ERROR_SHAPE, "ct_matmul", "leading axes do not broadcast: a is %s, b is %s", ct__describe(a), ct__describe(b));
    ct_shape to_a = lead, to_b = lead;
    to_a.rank = to_b.rank = lead.rank + 2;
    for (int i = 0; i < 2; i++) {
        to_a.dim[lead.rank + i] = a->dim[a->rank - 2 + i];
        to_b.dim[lead.rank + i] = b->dim[b->rank - 2 + i];
    }
    a = ct__to_shape(a, to_a);
    b = a ? ct__to_shape(b, to_b) : NULL;
    ct_tensor *in[] = {a, b};
    return b ? ct__apply(&ct__op_matmul, in, 2, NULL) : NULL;
}

/* [.., m, k] x [k, n]: the rows of all matrices are rows of one. */
static ct_tensor *matmul_rows(ct_tensor *a, ct_tensor *b)
{
    ct_shape out = ct__shape(a);
    out.dim[out.rank - 1] = b->dim[1];
    const int64_t k = a->dim[a->rank - 1];
    int64_t rows = 1;
    for (int i = 0; i < a->rank - 1; i++) rows *= a->dim[i];
    ct_tensor *flat = ct_reshape(a, ct_shape(rows, k)), *in[] = {flat, b};
    ct_tensor *z = flat ? ct__apply(&ct__op_matmul, in, 2, NULL) : NULL;
    return z ? ct_reshape(z, out) : NULL;
}

/* [m, k] x [.., k, 1]: one matrix times many columns is one product, transposed. As many products with one column each would read the
 * matrix that often. Checked: matmul, columns */
static ct_tensor *matmul_columns(ct_tensor *a, ct_tensor *b)
{
    a = ct_transpose(a);
    b = ct_transpose(b);
    return a && b ? ct_transpose(matmul_rows(b, a)) : NULL;
}

static ct_tensor *matmul_any(ct_tensor *a, ct_tensor *b)
{
    if (a->rank == 0 || b->rank == 0)
        return ct__fail(CT_ERROR_SHAPE, "ct_matmul", "a is %s, b is %s; expected vectors or matrices: ct_mul multiplies by a scalar",
                        ct__describe(a), ct__describe(b));
    if (inner_sizes_differ(a, b)) return NULL;
    ct_tensor *in[] = {a, b};
    if (mixed(in, 2))
        return ct__fail(CT_ERROR_DTYPE, "ct_matmul", "f32 and f64 do not mix: a is %s, b is %s; ct_cast one of them",
                        ct__describe(a), ct__describe(b));
    if (!to_one_float(in, 2)) return NULL;
    a = in[0];
    b = in[1];
    const bool row = a->rank == 1, column = b->rank == 1;
    if (row) a = ct_unsqueeze(a, 0);
    if (column) b = ct_unsqueeze(b, 1);
    if (!a || !b) return NULL;
    ct_tensor *z;
    if (b->rank == 2 && a->rank > 2) z = matmul_rows(a, b);
    else if (a->rank == 2 && b->rank > 2 && b->dim[b->rank - 1] == 1) z = matmul_columns(a, b);
    else z = matmul_batched(a, b);
    if (z && column) z = ct_squeeze(z, ct_axes(-1));
    if (z && row) z = ct_squeeze(z, ct_axes(column ? -1 : -2));
    return z;
}

ct_tensor *ct_matmul(ct_tensor *a, ct_tensor *b)
{
    if (!ct__check("ct_matmul", "a", a) || !ct__check("ct_matmul", "b", b)) return NULL;
    if (CT__LIKELY(a->rank == 2 && b->rank == 2 && a->dtype == b->dtype && ct__is_float(a->dtype) && a->dim[1] == b->dim[0])) {
        ct_tensor *in[] = {a, b};
        return ct__apply(&ct__op_matmul, in, 2, NULL);
    }
    const int scope = ct__scope_begin();
    ct_tensor *z = matmul_any(a, b);
    if (z) ct_scope_return(z);
    ct__scope_end(scope);
    return z;
}

/* ---- affine ---- */

static bool affine_shape(ct_call *c)
{
    c->shape[0] = ct_shape(c->in[0]->dim[0], c->in[1]->dim[1]);
    c->dtypes[0] = c->in[0]->dtype;
    return true;
}

/* The product adds the bias, and applies relu where it is asked to, as it writes its sums. */
static bool affine_into(const ct_call *c, ct__activation activation)
{
    const ct_tensor *b = c->in[2];
    ct__epilogue then = {.bias = b->data, .activation = activation};
    if (CT__LIKELY(b->dense)) return multiply(c->out[0], c->in[0], false, c->in[1], false, &then);
    const int scope = ct__scope_begin();
    ct_tensor *copy = ct__tensor_like("ct_affine", b, c->dtype);
    if (copy) ct__copy(copy, b);
    if (copy) then.bias = copy->data;
    const bool ok = copy && multiply(c->out[0], c->in[0], false, c->in[1], false, &then);
    ct__scope_end(scope);
    return ok;
}

static bool affine_forward(const ct_call *c) { return affine_into(c, CT__NO_ACTIVATION); }

/* Z = X W + 1 b',  dZ = dX W + X dW + 1 db';  gX = G W',  gW = X' G,  gb = column sums of G.  Checked: affine samples */
static ct_tensor *affine_vjp_x(const ct_call *c, ct_tensor *const *g) { return ct_matmul(g[0], ct_transpose(c->in[1])); }
static ct_tensor *affine_vjp_w(const ct_call *c, ct_tensor *const *g) { return ct_matmul(ct_transpose(c->in[0]), g[0]); }
static ct_tensor *affine_vjp_b(const ct_call *c, ct_tensor *const *g) { return (void)c, ct_sum(g[0], ct_axes(-2), false); }
static ct_tensor *affine_jvp_x(const ct_call *c, ct_tensor *dx) { return ct_matmul(dx, c->in[1]); }
static ct_tensor *affine_jvp_w(const ct_call *c, ct_tensor *dw) { return ct_matmul(c->in[0], dw); }
static ct_tensor *affine_jvp_b(const ct_call *c, ct_tensor *db)
{
    ct_shape rows = ct__batched(db, 1, ct_shape(c->in[0]->dim[0], db->dim[db->rank - 1]));
    return ct_expand(ct_unsqueeze(db, -2), rows);
}

/* The column sums of g. Few rows go straight to the kernel, in the order in which ct__reduce would send them. */
static bool bias_gradient(const ct_tensor *g, ct_tensor *gb)
{
    enum { FEW = 2048 };
    const int64_t m = g->dim[0];
    if (!g->dense || m < 1 || m > CT__REDUCE_ROWS || g->count > FEW || g->count == 0)
        return ct__reduce("ct_affine", CT__SUM, g, 1, NULL, 1, gb->data);
    static const double zero[4];
    ct__count_pass(g->count * (int64_t)ct__size(g));
    const char *row[CT__REDUCE_ROWS];
    const size_t pitch = (size_t)g->dim[1] * ct__size(g);
    const char *at = g->data;
#pragma GCC unroll 4
    for (int64_t i = 0; i < m; i++, at += pitch) row[i] = at;
    ct__reducer_of(CT__SUM, g->dtype)->columns(row, m, g->dim[1], &(ct__term){.about = zero}, gb->data);
    return true;
}

static bool affine_fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    if (!matmul_fused(c, g, need, gx)) return false;
    if (!(need & 4)) return true;
    gx[2] = ct__tensor_new("ct_affine", c->dtype, 1, &g[0]->dim[1]);
    return gx[2] && bias_gradient(g[0], gx[2]);
}

const ct_op ct__op_affine = {
    .name = "affine", .inputs = 3, .keeps = KEEP_X | KEEP_Y, .shape = affine_shape, .forward = affine_forward,
    .vjp = {affine_vjp_x, affine_vjp_w, affine_vjp_b}, .jvp = {affine_jvp_x, affine_jvp_w, affine_jvp_b},
    .fused = affine_fused, .doc = "x w + b",
};

/* ---- affine with an activation behind it ---- */

/* Z = h(A), A = X W + 1 b', for an activation h (.impl) whose slope is a function of Z alone: A is never kept, and h runs over the
 * result while it is in cache.  dZ = h'(Z) dA,  so the rules are those of affine, with G h'(Z) in place of G.
 * Checked: affine_relu, affine_tanh and affine_sigmoid, all samples */

/* The call of h alone, as its rules see it: they read its result. */
static ct_call activation_of(const ct_call *c)
{
    static ct_tensor *const none[1];
    return (ct_call){.op = c->op->impl, .in = none, .n_in = 1, .out = c->out, .n_out = 1, .dtype = c->dtype};
}
static ct_tensor *through(const ct_call *c, ct_tensor *const *g)
{
    const ct_call h = activation_of(c);
    return h.op->vjp[0](&h, g);
}
static ct_tensor *pushed(const ct_call *c, ct_tensor *da)
{
    const ct_call h = activation_of(c);
    return h.op->jvp[0](&h, da);
}

static bool activated_forward(const ct_call *c)
{
    if (c->op->impl == &ct__op_relu) return affine_into(c, CT__RELU);
    return affine_forward(c) && ct__pointwise_forward(c->op->impl, c->out[0], c->out[0]);
}

static bool activated_fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    ct_tensor *ga = ct__spent(c, g[0]) ? g[0] : ct__tensor_like(c->op->name, g[0], c->dtype);
    return ga && ct__pointwise_slope(c->op->impl, ga, g[0], c->out[0]) && affine_fused(c, &ga, need, gx);
}

#define ACTIVATED(h, text)                                                                                             \
    const ct_op ct__op_affine_##h = {                                                                                  \
        .name = "affine_" #h, .inputs = 3, .keeps = KEEP_X | KEEP_Y | KEEP_Z, .shape = affine_shape,                   \
        .forward = activated_forward, .vjp = {affine_vjp_x, affine_vjp_w, affine_vjp_b},                               \
        .jvp = {affine_jvp_x, affine_jvp_w, affine_jvp_b}, .vjp_behind = through, .jvp_behind = pushed,                \
        .fused = activated_fused, .impl = &ct__op_##h, .doc = text};
ACTIVATED(relu, "relu(x w + b)")
ACTIVATED(tanh, "tanh(x w + b)")
ACTIVATED(sigmoid, "sigmoid(x w + b)")

/* ---- fronts ---- */

static bool affine_check(const char *title, const ct_tensor *x, const ct_tensor *w, const ct_tensor *b)
{
    if (x->rank < 1 || w->rank != 2 || b->rank != 1)
        return ct__fail(CT_ERROR_SHAPE, title, "x is %s, w is %s, b is %s; expected x [.., in], w [in, out], b [out]", ct__describe(x),
                        ct__describe(w), ct__describe(b));
    if (x->dim[x->rank - 1] != w->dim[0])
        return ct__fail(CT_ERROR_SHAPE, title, "inner sizes differ: x is %s, w is %s%s", ct__describe(x), ct__describe(w),
                        x->dim[x->rank - 1] == w->dim[1] ? "; transpose w?" : x->rank == 3 ? "; ct_flatten(x, 1)?" : "");
    if (w->dim[1] != b->dim[0])
        return ct__fail(CT_ERROR_SHAPE, title, "w is %s, b is %s; expected b [%lld]", ct__describe(w), ct__describe(b), (long long)w->dim[1]);
    const bool f32 = x->dtype == CT_F32 || w->dtype == CT_F32 || b->dtype == CT_F32;
    if (f32 && (x->dtype == CT_F64 || w->dtype == CT_F64 || b->dtype == CT_F64))
        return ct__fail(CT_ERROR_DTYPE, title, "f32 and f64 do not mix: x is %s, w is %s, b is %s; ct_cast?",
                        ct__describe(x), ct__describe(w), ct__describe(b));
    return true;
}

/* Rows of any leading axes, dtypes brought together. */
static ct_tensor *affine_any(const ct_op *op, ct_tensor *x, ct_tensor *w, ct_tensor *b)
{
    ct_tensor *in[] = {x, w, b};
    if (!to_one_float(in, 3)) return NULL;
    x = in[0];
    w = in[1];
    ct_shape out = ct__shape(x);
    out.dim[out.rank - 1] = w->dim[1];
    int64_t rows = 1;
    for (int i = 0; i < x->rank - 1; i++) rows *= x->dim[i];
    ct_tensor *flat = x->rank == 2 ? x : ct_reshape(x, ct_shape(rows, x->dim[x->rank - 1]));
    in[0] = flat;
    ct_tensor *z = flat ? ct__apply(op, in, 3, NULL) : NULL;
    return z && x->rank != 2 ? ct_reshape(z, out) : z;
}

static ct_tensor *affine(const ct_op *op, const char *title, ct_tensor *x, ct_tensor *w, ct_tensor *b)
{
    if (!ct__check(title, "x", x) || !ct__check(title, "w", w) || !ct__check(title, "b", b)) return NULL;
    if (!affine_check(title, x, w, b)) return NULL;
    if (CT__LIKELY(x->rank == 2 && x->dtype == w->dtype && w->dtype == b->dtype && ct__is_float(x->dtype)))
        return ct__apply(op, (ct_tensor *[]){x, w, b}, 3, NULL);
    const int scope = ct__scope_begin();
    ct_tensor *z = affine_any(op, x, w, b);
    if (z) ct_scope_return(z);
    ct__scope_end(scope);
    return z;
}

/* As two operations where somebody looks at each: a tracer, or the search for NaN. */
static ct_tensor *activated(const ct_op *op, const char *title, ct_tensor *x, ct_tensor *w, ct_tensor *b, ct_tensor *(*h)(ct_tensor *x))
{
    if (CT__LIKELY(!ct__ad.tracing && !ct__ad.watching)) return affine(op, title, x, w, b);
    const int scope = ct__scope_begin();
    ct_tensor *a = affine(&ct__op_affine, title, x, w, b), *z = a ? h(a) : NULL;
    if (z) ct_scope_return(z);
    ct__scope_end(scope);
    return z;
}

ct_tensor *ct_affine(ct_tensor *x, ct_tensor *w, ct_tensor *b) { return affine(&ct__op_affine, "ct_affine", x, w, b); }

ct_tensor *ct_affine_relu(ct_tensor *x, ct_tensor *w, ct_tensor *b)
{
    return activated(&ct__op_affine_relu, "ct_affine_relu", x, w, b, ct_relu);
}

ct_tensor *ct_affine_tanh(ct_tensor *x, ct_tensor *w, ct_tensor *b)
{
    return activated(&ct__op_affine_tanh, "ct_affine_tanh", x, w, b, ct_tanh);
}

ct_tensor *ct_affine_sigmoid(ct_tensor *x, ct_tensor *w, ct_tensor *b)
{
    return activated(&ct__op_affine_sigmoid, "ct_affine_sigmoid", x, w, b, ct_sigmoid);
}
