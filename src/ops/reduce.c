/*
 * reduce.c - sum, mean, prod, max, min, any, all over axes, and sum_to, the transpose of broadcasting.
 *
 * Parameters hold axes as numbers from the end, so the linear ones (sum, mean, sum_to) apply to a stack of tangents as they are.
 * In the derivations k runs over the elements of one reduction, and c over the result's elements.
 */
#include "ops/axes.h"
#include "ops/reduce.h"

#include <string.h>

/* ---- what reductions share ---- */

bool ct__axes_params_of(const char *operation, const ct_tensor *x, ct_axes axes, bool keepdim, ct__axes_params *p)
{
    memset(p, 0, sizeof *p);
    p->keepdim = keepdim;
    p->axes = (1u << x->rank) - 1u;
    if (axes.rank == -1) return true;
    p->axes = 0;
    if (axes.rank < 0 || axes.rank > CT_MAX_RANK)
        return ct__fail(CT_ERROR_SHAPE, operation, "a list of %lld axes for x, which is %s; expected CT_ALL or ct_axes(...)",
                        (long long)axes.rank, ct__describe(x));
    for (int i = 0; i < axes.rank; i++) {
        const int64_t axis = axes.dim[i];
        const int at = ct__axis_of(operation, "x", x, axis), from_end = x->rank - 1 - at;
        if (at < 0) return false;
        if (p->axes >> from_end & 1)
            return ct__fail(CT_ERROR_SHAPE, operation, "axis %lld is named twice; x is %s", (long long)axis, ct__describe(x));
        p->axes |= 1u << from_end;
    }
    return true;
}

unsigned ct__axes_front(const ct__axes_params *p, int rank)
{
    unsigned mask = 0;
    for (int i = 0; i < rank; i++) mask |= (p->axes >> i & 1u) << (rank - 1 - i);
    return mask;
}

ct_axes ct__axes_list(const ct__axes_params *p)
{
    ct_axes list = ct_axes();
    for (int i = 0; i < CT_MAX_RANK; i++) {
        if (p->axes >> i & 1u) list.dim[list.rank++] = -1 - i;
    }
    return list;
}

int64_t ct__axes_count(const ct__axes_params *p, ct_shape x)
{
    int64_t n = 1;
    for (int64_t i = 0; i < x.rank; i++) n *= p->axes >> i & 1u ? x.dim[x.rank - 1 - i] : 1;
    return n;
}

bool ct__reduced_shape(ct_call *c, ct_dtype dtype)
{
    const ct__axes_params *p = c->params;
    const ct_tensor *x = c->in[0];
    const unsigned mask = ct__axes_front(p, x->rank);
    ct_shape *y = &c->shape[0];
    y->rank = 0;
    for (int i = 0; i < x->rank; i++) {
        const bool reduced = mask >> i & 1u;
        if (!reduced || p->keepdim) y->dim[y->rank++] = reduced ? 1 : x->dim[i];
    }
    c->dtypes[0] = dtype;
    return true;
}

bool ct__reduced_float_shape(ct_call *c) { return ct__reduced_shape(c, (ct_dtype)c->in[0]->dtype); }

/* The operand's own shape with length 1 along the reduced axes, and the result's own rank. */
static ct_shape with_ones(const ct_call *c, int *rank)
{
    const ct__axes_params *p = c->params;
    ct_shape s = ct__in_shape(c, 0);
    *rank = (int)s.rank;
    for (int64_t i = 0; i < s.rank; i++) {
        if (!(p->axes >> i & 1u)) continue;
        s.dim[s.rank - 1 - i] = 1;
        if (!p->keepdim) --*rank;
    }
    return s;
}

ct_tensor *ct__unreduced(const ct_call *c, ct_tensor *t)
{
    int rank;
    const ct_shape ones = with_ones(c, &rank);
    return !t || rank == ones.rank ? t : ct_reshape(t, ct__batched(t, rank, ones));
}

ct_tensor *ct__spread(const ct_call *c, ct_tensor *t)
{
    const ct_shape x = ct__in_shape(c, 0);
    ct_tensor *u = ct__unreduced(c, t);
    return u ? ct_expand(u, ct__batched(u, (int)x.rank, x)) : NULL;
}

ct_tensor *ct__sum_over(const ct_call *c, ct_tensor *t)
{
    const ct__axes_params *p = c->params;
    return ct_sum(t, ct__axes_list(p), p->keepdim);
}

ct_tensor *ct__apply_reduction(const char *operation, const ct_op *op, ct_tensor *x, ct_axes axes, double correction,
                               bool keepdim)
{
    ct__axes_params p;
    if (!ct__check(operation, "x", x) || !ct__axes_params_of(operation, x, axes, keepdim, &p)) return NULL;
    p.correction = correction;
    return ct__apply1(op, x, &p);
}

/* The axes are checked first, so that an error speaks of x as it was given. */
ct_tensor *ct__cast_and_reduce(const char *operation, const ct_op *op, ct_tensor *x, ct_dtype dtype, ct_axes axes,
                               double correction, bool keepdim)
{
    ct__axes_params p;
    if (!ct__check(operation, "x", x) || !ct__axes_params_of(operation, x, axes, keepdim, &p)) return NULL;
    p.correction = correction;
    const int scope = ct__scope_begin();
    ct_tensor *cast = ct_cast(x, dtype), *y = cast ? ct__apply1(op, cast, &p) : NULL;
    if (y) ct_scope_return(y);
    ct__scope_end(scope);
    return y;
}

/* A record's .impl. */
typedef struct reducing {
    ct__reduction kind;
    const char *title;
} reducing;

static bool reduce_shape(ct_call *c)
{
    const reducing *r = c->op->impl;
    return ct__reduced_shape(c, ct__reduced_dtype(r->kind, (ct_dtype)c->in[0]->dtype));
}

static bool reduce_forward(const ct_call *c)
{
    const ct_tensor *x = c->in[0];
    const reducing *r = c->op->impl;
    return ct__reduce(r->title, r->kind, x, ct__axes_front(c->params, x->rank), NULL, 1, c->out[0]->data);
}

/* ---- sum: y_c = sum_k x_ck,  <g, dy> = sum_ck g_c dx_ck,  so gx_ck = g_c.  Checked: sum, all samples ---- */

static ct_tensor *sum_vjp(const ct_call *c, ct_tensor *const *g) { return ct__spread(c, g[0]); }

enum { FEW = 4096 };

/* As many elements as are written rather than repeated by strides of 0? */
static bool few(ct_shape s)
{
    int64_t count = 1;
    for (int i = 0; i < s.rank; i++) count *= s.dim[i];
    return count <= FEW;
}

/* gx = g / n repeated along the reduced axes: a view by strides of 0, or, where that is short, the numbers themselves, which
 * later kernels read with less ado. */
static bool spread_fused(const ct_call *c, ct_tensor *const *g, double n, ct_tensor **gx)
{
    const ct__axes_params *p = c->params;
    const ct_shape x = ct__in_shape(c, 0);
    const unsigned mask = ct__axes_front(p, (int)x.rank);
    const char *title = ((const reducing *)c->op->impl)->title;
    if (g[0]->count == 1 && few(x)) { /* one number everywhere; a quotient of floats is the same rounded from f64 */
        gx[0] = ct__tensor_new(title, c->dtype, (int)x.rank, x.dim);
        if (gx[0]) ct__fill(gx[0], ct__load(g[0]->data, c->dtype) / n);
        return gx[0] != NULL;
    }
    int64_t stride[CT_MAX_RANK];
    ct_tensor *part = g[0];
    if (n != 1) {
        part = ct_div(g[0], ct__number(c, n));
        if (!part) return false;
    }
    int rank;
    with_ones(c, &rank);
    if (part->rank != rank) { /* a stack */
        gx[0] = ct__spread(c, part);
        return gx[0] != NULL;
    }
    for (int i = 0, k = 0; i < x.rank; i++) {
        const bool reduced = mask >> i & 1u;
        stride[i] = reduced ? 0 : part->stride[k];
        k += !reduced || p->keepdim;
    }
    ct_tensor *view = ct__tensor_view(part, (int)x.rank, x.dim, stride, part->data);
    gx[0] = view;
    if (!view || !few(x) || view->dense) return view != NULL;
    gx[0] = ct__tensor_new(title, c->dtype, (int)x.rank, x.dim);
    if (gx[0]) ct__copy(gx[0], view);
    return gx[0] != NULL;
}

static bool sum_fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    return !(need & 1) || spread_fused(c, g, 1, gx);
}

const ct_op ct__op_sum = {
    .name = "sum", .inputs = 1, .keeps = KEEP_SHAPES, .params = sizeof(ct__axes_params), .shape = reduce_shape,
    .forward = reduce_forward, .vjp = {sum_vjp}, .linear = true, .fused = sum_fused,
    .impl = &(const reducing){CT__SUM, "ct_sum"}, .doc = "sum of x over axes"};

ct_tensor *ct_sum(ct_tensor *x, ct_axes axes, bool keepdim)
{
    return ct__apply_reduction("ct_sum", &ct__op_sum, x, axes, 0, keepdim);
}

/* ---- mean: the sum over n elements, divided by n ---- */

static bool mean_forward(const ct_call *c)
{
    if (!reduce_forward(c)) return false;
    ct_tensor *y = c->out[0];
    const int64_t n = ct__axes_count(c->params, ct__shape(c->in[0]));
    float *f = (float *)(void *)y->data;
    double *d = (double *)(void *)y->data;
    if (y->dtype == CT_F32) {
        for (int64_t i = 0; i < y->count; i++) f[i] /= (float)n;
    } else {
        for (int64_t i = 0; i < y->count; i++) d[i] /= (double)n;
    }
    return true;
}

/* gx_ck = g_c / n.  Checked: mean, all samples */
static ct_tensor *mean_vjp(const ct_call *c, ct_tensor *const *g)
{
    return ct__spread(c, ct_div(g[0], ct__number(c, (double)ct__axes_count(c->params, ct__in_shape(c, 0)))));
}

static bool mean_fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    return !(need & 1) || spread_fused(c, g, (double)ct__axes_count(c->params, ct__in_shape(c, 0)), gx);
}

const ct_op ct__op_mean = {
    .name = "mean", .inputs = 1, .keeps = KEEP_SHAPES, .params = sizeof(ct__axes_params), .shape = reduce_shape,
    .forward = mean_forward, .vjp = {mean_vjp}, .linear = true, .fused = mean_fused,
    .impl = &(const reducing){CT__SUM, "ct_mean"}, .doc = "mean of x over axes"};

ct_tensor *ct_mean(ct_tensor *x, ct_axes axes, bool keepdim)
{
    if (x && !ct__is_float((ct_dtype)x->dtype)) return ct__cast_and_reduce("ct_mean", &ct__op_mean, x, CT_F32, axes, 0, keepdim);
    return ct__apply_reduction("ct_mean", &ct__op_mean, x, axes, 0, keepdim);
}

/* ---- prod: y_c = prod_k x_ck,  dy_c = sum_k o_ck dx_ck  with o_ck = prod of x_cj over j != k,  so gx_ck = g_c o_ck.
 *      Checked: prod, all samples ---- */

/* e_k = x_0 ... x_{k-1} along the last axis, e_0 = 1, by doubling: after a step of s, e_k is the product of the 2s elements
 * before k. No division: so zeros among the factors are like any other value, and every derivative follows by itself. */
static ct_tensor *products_before(ct_tensor *x, int64_t n)
{
    ct_tensor *e = ct_pad(ct_slice(x, -1, 0, n - 1, 1), -1, 1, 0, 1);
    for (int64_t s = 1; s < n - 1; s *= 2) e = ct_mul(e, ct_pad(ct_slice(e, -1, 0, n - s, 1), -1, s, 0, 1));
    return e;
}

/* o, of x's shape, as a formula. */
static ct_tensor *products_of_others(const ct_call *c)
{
    ct_tensor *x = c->in[0];
    const unsigned mask = ct__axes_front(c->params, x->rank);
    const int64_t n = ct__axes_count(c->params, ct__shape(x));
    if (n <= 1 || x->count == 0) return ct_ones(ct__shape(x), c->dtype);
    ct_axes order = ct_axes(), back = ct_axes();
    ct_shape split = ct_shape(), joined;
    order.rank = back.rank = split.rank = x->rank;
    int at = 0;
    for (unsigned pass = 0; pass < 2; pass++) { /* the axes that are kept, then the reduced ones */
        joined = split;
        joined.rank = pass == 0 ? 0 : at + 1;
        for (int i = 0; i < x->rank; i++) {
            if ((mask >> i & 1u) != pass) continue;
            split.dim[at] = x->dim[i];
            back.dim[i] = at;
            order.dim[at++] = i;
        }
    }
    joined.dim[joined.rank - 1] = n;
    ct_tensor *rows = ct_reshape(ct_permute(x, order), joined);
    ct_tensor *after = ct_flip(products_before(ct_flip(rows, ct_axes(-1)), n), ct_axes(-1));
    return ct_permute(ct_reshape(ct_mul(products_before(rows, n), after), split), back);
}

static ct_tensor *prod_vjp(const ct_call *c, ct_tensor *const *g)
{
    return ct_mul(ct__unreduced(c, g[0]), products_of_others(c));
}
static ct_tensor *prod_jvp(const ct_call *c, ct_tensor *dx) { return ct__sum_over(c, ct_mul(dx, products_of_others(c))); }

#define OTHERS(T)                                                                                                      \
    {                                                                                                                  \
        const T *x = (const T *)(const void *)from;                                                                    \
        T *o = (T *)(void *)to, product = 1;                                                                           \
        for (int64_t k = 0; k < n; product *= x[k++]) o[k] = product;                                                  \
        product = 1;                                                                                                   \
        for (int64_t k = n - 1; k >= 0; product *= x[k--]) o[k] *= product;                                            \
    }

static void others_of_row(ct_dtype dtype, const char *from, char *to, int64_t n)
{
    if (dtype == CT_F32) OTHERS(float)
    else OTHERS(double)
}

/* The same numbers in one pass back and forth, where nothing is recorded. */
static bool prod_fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    if (!(need & 1)) return true;
    const ct_tensor *x = c->in[0];
    const unsigned mask = ct__axes_front(c->params, x->rank);
    const int64_t n = ct__axes_count(c->params, ct__shape(x)), step = n * (int64_t)ct__size(x);
    ct_tensor *others = ct__tensor_like("ct_prod", x, (ct_dtype)x->dtype);
    ct_tensor *from = others ? ct__rows_of("ct_prod", x, mask) : NULL;
    ct_tensor *to = from ? ct__rows_for("ct_prod", others, mask) : NULL;
    for (int64_t i = 0; to && n > 0 && i < x->count / n; i++)
        others_of_row((ct_dtype)x->dtype, from->data + i * step, to->data + i * step, n);
    if (from) ct__release(from);
    if (!to || !ct__rows_done(to, others, mask)) return false;
    gx[0] = ct_mul(ct__unreduced(c, g[0]), others);
    return gx[0] != NULL;
}

const ct_op ct__op_prod = {
    .name = "prod", .inputs = 1, .keeps = KEEP_X, .params = sizeof(ct__axes_params), .shape = reduce_shape,
    .forward = reduce_forward, .vjp = {prod_vjp}, .jvp = {prod_jvp}, .fused = prod_fused,
    .impl = &(const reducing){CT__PROD, "ct_prod"},
    .doc = "product of x over axes"};

ct_tensor *ct_prod(ct_tensor *x, ct_axes axes, bool keepdim)
{
    if (x && !ct__is_float((ct_dtype)x->dtype) && x->dtype != CT_I64)
        return ct__cast_and_reduce("ct_prod", &ct__op_prod, x, CT_I64, axes, 0, keepdim);
    return ct__apply_reduction("ct_prod", &ct__op_prod, x, axes, 0, keepdim);
}

/* ---- max, min: y_c = x_ck at the extreme k's, t of them;  dy_c = sum_k w_ck dx_ck  with w_ck = [x_ck = y_c] / t ---- */

extern const ct_op ct__op_max, ct__op_min;

static bool extreme_shape(ct_call *c)
{
    const ct_tensor *x = c->in[0];
    if (ct__axes_count(c->params, ct__shape(x)) == 0)
        return ct__fail(CT_ERROR_SHAPE, ct__op_title(c->op), "x is %s: no elements have no %s", ct__describe(x),
                        c->op == &ct__op_max ? "largest" : "smallest");
    return reduce_shape(c);
}

/* w: ties share evenly. It is constant where it is defined, and eq stops derivatives. */
static ct_tensor *shares(const ct_call *c)
{
    ct_tensor *at = ct_cast(ct_eq(c->in[0], ct__unreduced(c, c->out[0])), c->dtype);
    return ct_div(at, ct_sum(at, ct__axes_list(c->params), true));
}

/* gx_ck = g_c w_ck.  Checked: max, min, and the ties in test_reduce */
static ct_tensor *extreme_vjp(const ct_call *c, ct_tensor *const *g) { return ct_mul(ct__unreduced(c, g[0]), shares(c)); }
static ct_tensor *extreme_jvp(const ct_call *c, ct_tensor *dx) { return ct__sum_over(c, ct_mul(dx, shares(c))); }

const ct_op ct__op_max = {
    .name = "max", .inputs = 1, .keeps = KEEP_X | KEEP_Z, .params = sizeof(ct__axes_params), .shape = extreme_shape,
    .forward = reduce_forward, .vjp = {extreme_vjp}, .jvp = {extreme_jvp},
    .impl = &(const reducing){CT__MAX, "ct_max"}, .doc = "largest x over axes"};

ct_tensor *ct_max(ct_tensor *x, ct_axes axes, bool keepdim)
{
    return ct__apply_reduction("ct_max", &ct__op_max, x, axes, 0, keepdim);
}

const ct_op ct__op_min = {
    .name = "min", .inputs = 1, .keeps = KEEP_X | KEEP_Z, .params = sizeof(ct__axes_params), .shape = extreme_shape,
    .forward = reduce_forward, .vjp = {extreme_vjp}, .jvp = {extreme_jvp},
    .impl = &(const reducing){CT__MIN, "ct_min"}, .doc = "smallest x over axes"};

ct_tensor *ct_min(ct_tensor *x, ct_axes axes, bool keepdim)
{
    return ct__apply_reduction("ct_min", &ct__op_min, x, axes, 0, keepdim);
}

/* ---- any, all: the largest and the smallest x != 0, without a derivative ---- */

const ct_op ct__op_any = {
    .name = "any", .inputs = 1, .params = sizeof(ct__axes_params), .shape = reduce_shape, .forward = reduce_forward,
    .vjp = {ct__vjp_none}, .jvp = {ct__jvp_none}, .impl = &(const reducing){CT__MAX, "ct_any"}, .doc = "is any x not 0"};

ct_tensor *ct_any(ct_tensor *x, ct_axes axes, bool keepdim)
{
    if (x && x->dtype != CT_BOOL) return ct__cast_and_reduce("ct_any", &ct__op_any, x, CT_BOOL, axes, 0, keepdim);
    return ct__apply_reduction("ct_any", &ct__op_any, x, axes, 0, keepdim);
}

static bool all_forward(const ct_call *c)
{
    if (c->in[0]->count > 0) return reduce_forward(c);
    ct__fill(c->out[0], 1); /* all of nothing */
    return true;
}

const ct_op ct__op_all = {
    .name = "all", .inputs = 1, .params = sizeof(ct__axes_params), .shape = reduce_shape, .forward = all_forward,
    .vjp = {ct__vjp_none}, .jvp = {ct__jvp_none}, .impl = &(const reducing){CT__MIN, "ct_all"}, .doc = "are all x not 0"};

ct_tensor *ct_all(ct_tensor *x, ct_axes axes, bool keepdim)
{
    if (x && x->dtype != CT_BOOL) return ct__cast_and_reduce("ct_all", &ct__op_all, x, CT_BOOL, axes, 0, keepdim);
    return ct__apply_reduction("ct_all", &ct__op_all, x, axes, 0, keepdim);
}

/* ---- sum_to: sums over leading axes that `shape` lacks and axes that have length 1 there ---- */

typedef struct sum_to_params {
    ct_shape shape; /* the result's own */
    int64_t rank;   /* the operand's own */
} sum_to_params;

static bool sum_to_shape(ct_call *c)
{
    const sum_to_params *p = c->params;
    const ct_tensor *x = c->in[0];
    c->shape[0] = ct__batched(x, (int)p->rank, p->shape);
    c->dtypes[0] = ct__reduced_dtype(CT__SUM, (ct_dtype)x->dtype);
    return true;
}

static bool sum_to_forward(const ct_call *c)
{
    const sum_to_params *p = c->params;
    const ct_tensor *x = c->in[0];
    const int stack = x->rank - (int)p->rank, missing = (int)(p->rank - p->shape.rank);
    unsigned mask = 0;
    for (int i = 0; i < p->rank; i++) {
        if (i < missing || p->shape.dim[i - missing] != x->dim[stack + i]) mask |= 1u << (stack + i);
    }
    return ct__reduce("ct_sum_to", CT__SUM, x, mask, NULL, 1, c->out[0]->data);
}

/* gx = g repeated; ones hold the place of the axes that were summed away.  Checked: sum_to, all samples */
static ct_tensor *sum_to_vjp(const ct_call *c, ct_tensor *const *g)
{
    const sum_to_params *p = c->params;
    ct_shape ones = ct_shape();
    for (ones.rank = 0; ones.rank < p->rank - p->shape.rank; ones.rank++) ones.dim[ones.rank] = 1;
    for (int i = 0; i < p->shape.rank; i++) ones.dim[ones.rank++] = p->shape.dim[i];
    ct_tensor *placed = ct_reshape(g[0], ct__batched(g[0], (int)p->shape.rank, ones));
    return placed ? ct_expand(placed, ct__batched(placed, (int)p->rank, ct__in_shape(c, 0))) : NULL;
}

const ct_op ct__op_sum_to = {
    .name = "sum_to", .inputs = 1, .keeps = KEEP_SHAPES, .params = sizeof(sum_to_params), .shape = sum_to_shape,
    .forward = sum_to_forward, .vjp = {sum_to_vjp}, .linear = true, .doc = "x summed to a shape that broadcasts to its own"};

ct_tensor *ct_sum_to(ct_tensor *x, ct_shape shape)
{
    if (!ct__check("ct_sum_to", "x", x) || !ct__shape_check("ct_sum_to", shape, (ct_dtype)x->dtype)) return NULL;
    sum_to_params p;
    memset(&p, 0, sizeof p);
    p.shape.rank = shape.rank;
    memcpy(p.shape.dim, shape.dim, (size_t)shape.rank * sizeof shape.dim[0]);
    p.rank = x->rank;
    bool fits = shape.rank <= x->rank;
    for (int64_t i = 1; fits && i <= shape.rank; i++) {
        const int64_t to = shape.dim[shape.rank - i];
        fits = to == 1 || to == x->dim[x->rank - i];
    }
    if (!fits)
        return ct__fail(CT_ERROR_SHAPE, "ct_sum_to", "x is %s, to which %s does not broadcast: axes must be as long as x's, or 1",
                        ct__describe(x), ct__describe_shape(shape));
    if (!ct__shape_equal(ct__shape(x), p.shape)) return ct__apply1(&ct__op_sum_to, x, &p);
    return ct__is_float((ct_dtype)x->dtype) ? ct_alias(x) : ct_cast(x, CT_I64);
}
