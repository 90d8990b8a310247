/*
 * rules.h - the checks that bind the two rules of an operation, for one sample in one dtype and one layout; see test_rules.c.
 *
 * Letters: y = f(x) with the derivative J; u a cotangent of y, v and w tangents of x, du a tangent of u.
 * First order: J v by the JVP, J' u by the VJP. Second order: the derivative of (x, u) -> J(x)' u, in three mixes of directions.
 */
#ifndef TESTS_RULES_H
#define TESTS_RULES_H

#include "support.h"

#include <stdlib.h>

#include "autograd/sweep.h"

enum { INPUTS = 3, STACK = 3 };

/* What a table gives to an expression besides its operands. */
typedef struct params {
    ct_axes axes;
    ct_shape shape;
    int axis, n; /* n: of the operands */
    int64_t i[4];
    bool keepdim;
} params;

typedef ct_tensor *(*expression)(ct_tensor *const *x, const params *p);

/* Properties of a sample. APART: no two elements are close, for functions with kinks where elements are equal. TIES: for those
 * that have kinks where elements along a reduced axis are equal, so that no axis may be repeated. */
enum { PLAIN = 0, APART = 1, TIES = 2 };

typedef struct sample {
    const char *op, *tag;
    expression f;
    double low, high; /* of the operands' elements */
    unsigned flags;
    int n;
    ct_shape shape[INPUTS];
    params p;
} sample;

/* How operands lie in memory. */
typedef enum layout { CONTIGUOUS, TRANSPOSED, SLICED, EXPANDED, REVERSED } layout;
typedef struct layouts {
    const char *name;
    layout of[INPUTS];
} layouts;
static const layouts all_layouts[] = {
    {"contiguous", {CONTIGUOUS, CONTIGUOUS, CONTIGUOUS}}, {"transposed", {TRANSPOSED, TRANSPOSED, TRANSPOSED}},
    {"sliced", {SLICED, SLICED, SLICED}},                 {"expanded", {EXPANDED, EXPANDED, EXPANDED}},
    {"reversed", {REVERSED, REVERSED, REVERSED}},         {"transposed and reversed", {TRANSPOSED, REVERSED, CONTIGUOUS}},
    {"sliced and transposed", {SLICED, TRANSPOSED, REVERSED}}, {"contiguous and expanded", {CONTIGUOUS, EXPANDED, SLICED}},
    {"reversed and contiguous", {REVERSED, CONTIGUOUS, TRANSPOSED}},
};
enum { UNIFORM_LAYOUTS = 5, LAYOUTS = sizeof all_layouts / sizeof all_layouts[0] };

/* What is checked at the moment, and the sums over all. */
static struct {
    const sample *sample;
    ct_dtype dtype;
    const layouts *layout;
    uint64_t seed;
    long checks, failures;
} now;

enum { FAILURES_SHOWN = 40 };

static bool check(bool ok, const char *what, double difference, double bound)
{
    now.checks++;
    if (ok && !ct_error()) return true;
    if (now.failures++ < FAILURES_SHOWN) {
        char shapes[200] = "";
        for (int i = 0; i < now.sample->n; i++) {
            const size_t at = strlen(shapes);
            snprintf(shapes + at, sizeof shapes - at, " %s", ct__describe_shape(now.sample->shape[i]));
        }
        print_error("%s.%s of%s, %s, %s: %s: difference %.3g, bound %.3g%s%s\n", now.sample->op, now.sample->tag, shapes,
                    ct_dtype_name(now.dtype), now.layout->name, what, difference, bound, ct_error() ? ": " : "",
                    ct_error() ? ct_error()->message : "");
    }
    ct_clear_error();
    return false;
}

/* ---- operands ---------------------------------------------------------------------------------------- */

static ct_tensor *random_of(ct_shape shape, double low, double high, ct_dtype dtype)
{
    return ct_cast(ct_uniform(shape, low, high, CT_F64), dtype);
}

/* A random order of evenly spaced numbers; those of another operand lie between them. */
static ct_tensor *apart(const sample *s, int i, ct_dtype dtype)
{
    int64_t most = 1;
    for (int k = 0; k < s->n; k++) most = ct_shape_count(s->shape[k]) > most ? ct_shape_count(s->shape[k]) : most;
    const int64_t n = ct_shape_count(s->shape[i]);
    const double gap = (s->high - s->low) / (double)most, first = s->low + gap * (2 * i + 1) / (2 * s->n);
    ct_tensor *order = ct_reshape(ct_cast(ct_permutation(n), CT_F64), s->shape[i]);
    return ct_cast(ct_add(ct_mul(order, ct_scalar(gap)), ct_scalar(first)), dtype);
}

static ct_tensor *values_of(const sample *s, int i, ct_dtype dtype)
{
    return s->flags & (APART | TIES) ? apart(s, i, dtype) : random_of(s->shape[i], s->low, s->high, dtype);
}

/* t in a wider tensor full of NaN, in which every axis has other elements between its own. */
static ct_tensor *sliced(ct_tensor *t)
{
    ct_shape wide = ct_shape_get(t);
    for (int64_t i = wide.rank; i > 0; i--) wide.dim[i] = 2 * wide.dim[i - 1] + 1;
    wide.dim[0] = 2;
    wide.rank++;
    ct_tensor *view = ct_select(ct_full(wide, (double)NAN, ct_dtype_of(t)), 0, 1);
    for (int i = 0; i < ct_rank(t); i++) view = ct_slice(view, i, 1, CT_NONE, 2);
    ct_copy_(view, t);
    return view;
}

/* The same values behind other strides, but for EXPANDED, which repeats the first part of the first axis. */
static ct_tensor *laid_out(ct_tensor *t, layout how)
{
    const ct_shape s = ct_shape_get(t);
    ct_axes backwards = {.rank = s.rank};
    for (int i = 0; i < s.rank; i++) backwards.dim[i] = s.rank - 1 - i;
    switch (how) {
    case TRANSPOSED: return ct_permute(ct_contiguous(ct_permute(t, backwards)), backwards);
    case SLICED: return s.rank < CT_MAX_RANK ? sliced(t) : ct_alias(t);
    case EXPANDED: return s.rank > 0 && s.dim[0] > 0 ? ct_expand(ct_slice(t, 0, 0, 1, 1), s) : ct_alias(t);
    case REVERSED: return ct_flip(ct_contiguous(ct_flip(t, CT_ALL)), CT_ALL);
    default: return ct_alias(t);
    }
}

/* Does t lie in memory as a new tensor does? The strides of axes of length 1 say nothing. */
static bool lies_plainly(const ct_tensor *t)
{
    int64_t unit = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->dim[i] != 1 && t->stride[i] != unit) return false;
        unit *= t->dim[i] > 1 ? t->dim[i] : 1;
    }
    return t->data == t->storage->data;
}

static ct_tensor *leaf(ct_tensor *t) { return ct_requires_grad(ct_detach(t), true); }

/* ---- small linear algebra ----------------------------------------------------------------------------- */

static double product_sum(ct_tensor *a, ct_tensor *b, bool absolute)
{
    const int scope = ct_scope_begin();
    const bool mode = ct_grad_mode(false);
    ct_tensor *product = ct_mul(ct_cast(a, CT_F64), ct_cast(b, CT_F64));
    const double sum = ct_item(ct_sum(absolute ? ct_abs(product) : product, CT_ALL, false));
    ct_grad_mode(mode);
    ct_scope_end(scope);
    return sum;
}

static double dot(ct_tensor *a, ct_tensor *b) { return product_sum(a, b, false); }
static double absolute_dot(ct_tensor *a, ct_tensor *b) { return product_sum(a, b, true); }

static double dots(ct_tensor *const *a, ct_tensor *const *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += dot(a[i], b[i]);
    return sum;
}

static double absolute_dots(ct_tensor *const *a, ct_tensor *const *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += absolute_dot(a[i], b[i]);
    return sum;
}

static double largest(ct_tensor *t)
{
    CT_SCOPE;
    return ct_count_of(t) == 0 ? 0 : ct_item(ct_max(ct_abs(ct_detach(t)), CT_ALL, false));
}

static double distance(ct_tensor *a, ct_tensor *b)
{
    CT_SCOPE;
    CT_NO_GRAD;
    if (!ct__shape_equal(ct_shape_get(a), ct_shape_get(b))) return NAN;
    return largest(ct_sub(ct_cast(a, CT_F64), ct_cast(b, CT_F64)));
}

static void check_kind(ct_tensor *t, ct_shape shape, const char *what)
{
    check(ct__shape_equal(ct_shape_get(t), shape) && ct_dtype_of(t) == now.dtype, what, 0, 0);
}

/* |a - b| <= bound (1 + |b|) by the largest elements. */
static void check_close(ct_tensor *a, ct_tensor *b, const char *what, double bound)
{
    const double d = distance(a, b), limit = bound * (1 + largest(b));
    check(d <= limit, what, d, limit);
}

static void check_numbers(double a, double b, const char *what, double bound)
{
    check(fabs(a - b) <= bound, what, fabs(a - b), bound);
}

/* ---- functions of functions --------------------------------------------------------------------------- */

static int run(void *context, ct_tensor *const *x, ct_tensor **y)
{
    const sample *s = context;
    *y = s->f(x, &s->p);
    return *y ? 0 : 1;
}

/* (x, u) -> J(x)' u, recorded */
static int pull(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const sample *s = context;
    ct_tensor *y = NULL, *x[INPUTS];
    for (int i = 0; i < s->n; i++) x[i] = ct_needs_grad(in[i]) ? in[i] : ct_requires_grad(in[i], true);
    if (run(context, x, &y)) return 1;
    return ct_grad(&y, &in[s->n], 1, x, s->n, out, (ct_grad_options){.create_graph = true}) ? 0 : 2;
}

/* <J(x)' u, w> or, where w is NULL, <u, f(x)>; nothing is recorded. */
static double number_at(sample *s, ct_tensor *const *x, ct_tensor *u, ct_tensor *const *w)
{
    CT_SCOPE;
    ct_tensor *leaves[INPUTS], *y = NULL, *g[INPUTS];
    if (!w) {
        CT_NO_GRAD;
        return run(s, x, &y) ? NAN : dot(u, y);
    }
    for (int i = 0; i < s->n; i++) leaves[i] = leaf(x[i]);
    if (run(s, leaves, &y) || !ct_grad(&y, &u, 1, leaves, s->n, g, (ct_grad_options){0})) return NAN;
    return dots(g, w, s->n);
}

/* x + h d */
static ct_tensor *step_from(ct_tensor *x, ct_tensor *d, double h)
{
    CT_NO_GRAD;
    return ct_add(ct_detach(x), ct_mul(d, ct_scalar(h)));
}

/* The central difference of number_at along v (and du, where it is given), extrapolated after Richardson: error O(h^4). */
static double difference_quotient(sample *s, ct_tensor *const *x, ct_tensor *const *v, ct_tensor *u, ct_tensor *du,
                                  ct_tensor *const *w)
{
    double quotient[2];
    for (int k = 0; k < 2; k++) {
        CT_SCOPE;
        const double h = k ? 1e-3 : 2e-3;
        double at[2];
        for (int side = 0; side < 2; side++) {
            ct_tensor *to[INPUTS];
            const double step = side ? -h : h;
            for (int i = 0; i < s->n; i++) to[i] = step_from(x[i], v[i], step);
            at[side] = number_at(s, to, du ? step_from(u, du, step) : u, w);
        }
        quotient[k] = (at[0] - at[1]) / (2 * h);
    }
    return (4 * quotient[1] - quotient[0]) / 3;
}

/* ---- the checks --------------------------------------------------------------------------------------- */

typedef struct directions {
    ct_tensor *u, *du, *v[INPUTS + 1], *w[INPUTS]; /* v[n] is du */
} directions;

static void check_first_order(sample *s, ct_tensor *const *x, const directions *d)
{
    CT_SCOPE;
    const double rounding = now.dtype == CT_F64 ? 1e-12 : 2e-4;
    ct_tensor *y = NULL, *g[INPUTS], *formula[INPUTS], *jv = NULL, *u = d->u;
    run(s, x, &y);
    if (!check(ct_grad(&y, &u, 1, x, s->n, g, (ct_grad_options){.retain_graph = true}), "VJP", 0, 0)) return;
    if (!check(ct_grad(&y, &u, 1, x, s->n, formula, (ct_grad_options){.create_graph = true}), "VJP by formulas", 0, 0)) return;
    if (!check(ct_jvp(run, s, x, d->v, s->n, NULL, &jv, 1), "JVP", 0, 0)) return;
    check_kind(jv, ct_shape_get(y), "the tangent's shape and dtype");
    for (int i = 0; i < s->n; i++) {
        check_kind(g[i], s->shape[i], "the gradient's shape and dtype");
        check_close(g[i], formula[i], "fused against formulas", rounding);
    }
    const double size = absolute_dot(u, jv) + absolute_dots(g, d->v, s->n);
    const double forward = dot(u, jv), backward = dots(g, d->v, s->n);
    check_numbers(forward, backward, "adjoint identity", rounding * (1e-3 + size));
    if (now.dtype != CT_F64) return;
    const double numeric = difference_quotient(s, x, d->v, u, NULL, NULL);
    check_numbers(numeric, forward, "JVP against differences", 1e-8 * (1 + size));
    check_numbers(numeric, backward, "VJP against differences", 1e-8 * (1 + size));
}

/* D(x, u) <w, J' u> along (v, du): by reverse over reverse, by forward over reverse, by differences; its part along v by reverse
 * over forward; its gradient by u is J w. */
static void check_second_order(sample *s, ct_tensor *const *x, const directions *d)
{
    CT_SCOPE;
    const double rounding = now.dtype == CT_F64 ? 1e-12 : 5e-4;
    ct_tensor *at[INPUTS + 1], *g[INPUTS], *again[INPUTS + 1], *pushed[INPUTS], *jv = NULL, *jw = NULL, *mixed[INPUTS], *u = d->u;
    for (int i = 0; i < s->n; i++) at[i] = x[i];
    at[s->n] = leaf(d->u);
    if (!check(pull(s, at, g) == 0, "VJP to be differentiated", 0, 0)) return;
    const bool twice = ct_grad(g, d->w, s->n, at, s->n + 1, again, (ct_grad_options){.retain_graph = true});
    if (!check(twice, "reverse over reverse", 0, 0)) return;
    if (!check(ct_jvp(pull, s, at, d->v, s->n + 1, NULL, pushed, s->n), "forward over reverse", 0, 0)) return;
    const double by_reverse = dots(again, d->v, s->n + 1), by_forward = dots(pushed, d->w, s->n);
    const double size = absolute_dots(again, d->v, s->n + 1) + absolute_dots(pushed, d->w, s->n);
    check_numbers(by_forward, by_reverse, "forward over reverse against reverse over reverse", rounding * (1e-2 + size));
    if (!check(ct_jvp(run, s, x, d->w, s->n, NULL, &jw, 1), "JVP along w", 0, 0)) return;
    check_close(again[s->n], jw, "the derivative of J' u by u", rounding);
    if (!check(ct_jvp(run, s, x, d->v, s->n, NULL, &jv, 1), "JVP to be differentiated", 0, 0)) return;
    const double along_v = dots(again, d->v, s->n);
    if (ct_needs_grad(jv)) {
        if (!check(ct_grad(&jv, &u, 1, x, s->n, mixed, (ct_grad_options){0}), "reverse over forward", 0, 0)) return;
        const double by_mixed = dots(mixed, d->w, s->n);
        check_numbers(by_mixed, along_v, "reverse over forward against reverse over reverse", rounding * (1e-2 + size));
    } else { /* J does not depend on x */
        check_numbers(along_v, 0, "reverse over reverse of a constant derivative", 0);
    }
    if (now.dtype != CT_F64) return;
    const double numeric = difference_quotient(s, x, d->v, d->u, d->du, d->w);
    check_numbers(numeric, by_reverse, "second order against differences", 1e-7 * (1 + size));
}

/* Three cotangents at once, stacked along a leading axis, give what they give one by one. */
static void check_stacked_cotangents(sample *s, ct_tensor *const *x, ct_tensor *y)
{
    CT_SCOPE;
    ct_tensor *u[STACK], *g[STACK][INPUTS];
    ct__target target[INPUTS];
    for (int k = 0; k < STACK; k++) {
        u[k] = random_of(ct_shape_get(y), -1, 1, now.dtype);
        if (!check(ct_grad(&y, &u[k], 1, x, s->n, g[k], (ct_grad_options){.retain_graph = true}), "VJP", 0, 0)) return;
    }
    const ct__seed seed = ct__end_of(y, ct_stack(u, STACK, 0));
    for (int i = 0; i < s->n; i++) target[i] = ct__end_of(x[i], NULL);
    const ct_grad_options keep = {.retain_graph = true};
    if (!check(ct__sweep("stacked", &seed, 1, target, s->n, keep), "sweep with stacked cotangents", 0, 0)) return;
    for (int i = 0; i < s->n; i++) {
        ct_tensor *one_by_one = ct_stack((ct_tensor *[]){g[0][i], g[1][i], g[2][i]}, STACK, 0), *stacked = target[i].grad;
        if (!stacked) stacked = ct_zeros(ct_shape_get(one_by_one), now.dtype); /* an absent gradient is zero */
        check_close(stacked, one_by_one, "stacked cotangents", now.dtype == CT_F64 ? 1e-13 : 2e-5);
        if (target[i].grad) ct__release(target[i].grad);
    }
}

/* The same for tangents, and for a stack beside an input that has none. */
static void check_stacked_tangents(sample *s, ct_tensor *const *x, ct_tensor *y, int without)
{
    CT_SCOPE;
    ct_tensor *v[INPUTS][STACK], *dy[STACK];
    ct__seed seed[INPUTS];
    for (int i = 0; i < s->n; i++) {
        for (int k = 0; k < STACK; k++) v[i][k] = i == without ? NULL : random_of(s->shape[i], -1, 1, now.dtype);
        seed[i] = ct__end_of(x[i], i == without ? NULL : ct_stack(v[i], STACK, 0));
    }
    for (int k = 0; k < STACK; k++) {
        ct_tensor *tangents[INPUTS];
        for (int i = 0; i < s->n; i++) tangents[i] = v[i][k];
        if (!check(ct_jvp(run, s, x, tangents, s->n, NULL, &dy[k], 1), "JVP", 0, 0)) return;
    }
    ct__target target = ct__end_of(y, NULL);
    const ct_grad_options keep = {.retain_graph = true};
    if (!check(ct__push_sweep("stacked", seed, s->n, &target, 1, keep), "sweep with stacked tangents", 0, 0)) return;
    ct_tensor *one_by_one = ct_stack(dy, STACK, 0), *stacked = target.grad;
    if (!stacked) stacked = ct_zeros(ct_shape_get(one_by_one), now.dtype);
    check_close(stacked, one_by_one, "stacked tangents", now.dtype == CT_F64 ? 1e-13 : 2e-5);
    if (target.grad) ct__release(target.grad);
}

/* A stack has one axis more, which a tensor of all eight has no room for. */
static void check_stacks(sample *s, ct_tensor *const *x)
{
    CT_SCOPE;
    ct_tensor *y = NULL;
    run(s, x, &y);
    bool room = ct_rank(y) < CT_MAX_RANK;
    for (int i = 0; i < s->n; i++) room = room && s->shape[i].rank < CT_MAX_RANK;
    if (!room) return;
    check_stacked_cotangents(s, x, y);
    check_stacked_tangents(s, x, y, -1);
    for (int i = 0; i < s->n && s->n > 1; i++) check_stacked_tangents(s, x, y, i);
}

/* ---- captured and replayed ---------------------------------------------------------------------------- */

enum { REPLAYED = 3 * INPUTS + 3 };

/* A step that computes the value, and derivatives of both orders in both directions. */
typedef struct all_of {
    sample *s;
    ct_tensor *const *x;
    const directions *d;
    ct_tensor *out[REPLAYED]; /* owned */
    int n;
} all_of;

static int compute_all(void *context)
{
    all_of *a = context;
    sample *s = a->s;
    CT_SCOPE;
    ct_tensor *y = NULL, *u = a->d->u, *jv = NULL, *at[INPUTS + 1], *pulled[INPUTS], *out[REPLAYED] = {NULL};
    int n = 0;
    run(s, a->x, &y);
    out[n++] = y;
    ct_grad(&y, &u, 1, a->x, s->n, &out[n], (ct_grad_options){.retain_graph = true});
    n += s->n;
    ct_grad(&y, &u, 1, a->x, s->n, &out[n], (ct_grad_options){.create_graph = true});
    n += s->n;
    ct_jvp(run, s, a->x, a->d->v, s->n, NULL, &jv, 1);
    out[n++] = jv;
    for (int i = 0; i < s->n; i++) at[i] = a->x[i];
    at[s->n] = leaf(u);
    if (pull(s, at, pulled)) return 1;
    ct_grad(pulled, a->d->w, s->n, at, s->n + 1, &out[n], (ct_grad_options){0});
    n += s->n + 1;
    for (int i = 0; i < n; i++) a->out[i] = ct_keep(ct_detach(out[i]));
    a->n = n;
    return ct_error() != NULL;
}

static void free_all(all_of *a)
{
    for (int i = 0; i < a->n; i++) ct_free(a->out[i]);
    a->n = 0;
}

/* Other values for x, where they are. */
static bool change_operands(const sample *s, ct_tensor *const *x)
{
    CT_SCOPE;
    for (int i = 0; i < s->n; i++) {
        ct_tensor *other = laid_out(values_of(s, i, now.dtype), now.layout->of[i]);
        if (other->storage->bytes != x[i]->storage->bytes) return false;
        if (other->count) memcpy(x[i]->storage->data, other->storage->data, other->storage->bytes);
    }
    return true;
}

/* What was captured computes from new values what another call computes from them, bit for bit. */
static void check_replay(sample *s, ct_tensor *const *x, const directions *d)
{
    all_of captured = {.s = s, .x = x, .d = d}, called = {.s = s, .x = x, .d = d};
    ct_captured *c = ct_capture(compute_all, &captured);
    if (!check(c != NULL, "capture", 0, 0)) return;
    if (!change_operands(s, x)) check(false, "other operands", 0, 0);
    check(ct_replay(c), "replay", 0, 0);
    check(ct_replay(c), "replay, once more", 0, 0);
    check(compute_all(&called) == 0, "another call", 0, 0);
    for (int i = 0; i < called.n; i++) {
        ct_tensor *a = captured.out[i], *b = called.out[i];
        check(ct_same_shape(a, b) && ct_allclose(a, b, 0, 0), "a replay against another call", i, 0);
    }
    free_all(&captured);
    free_all(&called);
    ct_captured_free(c);
}

static ct_tensor *reference_value(sample *s, ct_tensor *const *x)
{
    CT_NO_GRAD;
    ct_tensor *wide[INPUTS], *y = NULL;
    for (int i = 0; i < s->n; i++) wide[i] = ct_contiguous(ct_cast(x[i], CT_F64));
    run(s, wide, &y);
    return y;
}

/* Makes the operands; false where the layout is no other than that of new tensors, or the sample forbids it. */
static bool make_operands(const sample *s, ct_tensor **x)
{
    bool plain = true;
    ct_seed(now.seed);
    for (int i = 0; i < s->n; i++) {
        const layout how = now.layout->of[i];
        if (how == EXPANDED && s->flags & TIES) return false;
        x[i] = leaf(laid_out(values_of(s, i, now.dtype), how));
        plain = plain && x[i] && lies_plainly(x[i]);
    }
    return !plain || now.layout == all_layouts;
}

/* All checks of a sample in one dtype and layout. False where there is none of that kind. */
static bool check_sample_as(sample *s, ct_dtype dtype, const layouts *layout)
{
    CT_SCOPE;
    ct_tensor *x[INPUTS] = {NULL}, *y = NULL;
    directions d = {0};
    now.dtype = dtype;
    now.layout = layout;
    if (!make_operands(s, x)) return ct_error() ? check(false, "operands", 0, 0) : false;
    for (int i = 0; i < s->n; i++) {
        d.v[i] = random_of(s->shape[i], -1, 1, dtype);
        d.w[i] = random_of(s->shape[i], -1, 1, dtype);
    }
    if (!check(!ct_error() && run(s, x, &y) == 0 && y, "forward", 0, 0)) return true;
    if (!check(ct_dtype_of(y) == dtype, "the result's dtype", 0, 0)) return true;
    ct_tensor *reference = reference_value(s, x);
    check_close(y, reference, "value against the contiguous f64 one", dtype == CT_F64 ? 1e-13 : 2e-5);
    if (!check(ct_needs_grad(y), "the result needs a gradient", 0, 0)) return true;
    d.u = random_of(ct_shape_get(y), -1, 1, dtype);
    d.v[s->n] = d.du = random_of(ct_shape_get(y), -1, 1, dtype);
    check_first_order(s, x, &d);
    check_stacks(s, x);
    check_second_order(s, x, &d);
    check_replay(s, x, &d);
    return true;
}

#endif
