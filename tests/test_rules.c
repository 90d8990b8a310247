/*
 * test_rules.c - the table-driven checks that bind every rule of every operation.
 *
 * For each sample of tests/samples/ (a function of one to three tensors), in f32 and f64 and with operands that are contiguous, transposed,
 * sliced and expanded:
 *   - values do not depend on the layout, and f32 agrees with f64;
 *   - VJP against JVP by the adjoint identity <u, J v> = <J' u, v>;
 *   - both against central differences in f64 (a slope that both share hides from the first check);
 *   - the fused VJP against the formulas;
 *   - three stacked cotangents against three single ones;
 *   - the same one order higher: reverse over reverse, forward over reverse and reverse over forward, against each other and
 *     against central differences of the VJP.
 * Every operation with a derivative must have a sample.
 */
#include "support.h"

#include <stdlib.h>

#include "autograd/sweep.h"

enum { INPUTS = 3, LAYOUTS = 4 };
static const char *const layout_names[LAYOUTS] = {"contiguous", "transposed", "sliced", "expanded"};

typedef struct sample {
    const char *op, *tag;
    ct_function f;
    double low, high;
    const ct_shape *shapes;
    int n;
} sample;

static struct {
    const sample *sample;
    ct_dtype dtype;
    int layout;
    long checks, failures;
} now;

static bool check(bool ok, const char *what, double difference, double bound)
{
    now.checks++;
    if (ok && !ct_error()) return true;
    now.failures++;
    print_error("%s.%s, %s, %s: %s: difference %.3g, bound %.3g%s%s\n", now.sample->op, now.sample->tag, ct_dtype_name(now.dtype),
                layout_names[now.layout], what, difference, bound, ct_error() ? ": " : "", ct_error() ? ct_error()->message : "");
    ct_clear_error();
    return false;
}

/* ---- operands ---- */

/* Random values in [low, high] of the sample's shape; the same for each layout and dtype. */
static ct_tensor *values_for(ct_shape shape, double low, double high, ct_dtype dtype)
{
    return ct_cast(ct_uniform(shape, low, high, CT_F64), dtype);
}

/* The same values behind other strides. An expanded operand repeats the first part of its first axis. */
static ct_tensor *laid_out(ct_tensor *t, int layout)
{
    ct_shape s = ct_shape_get(t);
    if (layout == 1) {
        ct_axes reversed = {.rank = s.rank};
        for (int i = 0; i < s.rank; i++) reversed.dim[i] = s.rank - 1 - i;
        return ct_permute(ct_contiguous(ct_permute(t, reversed)), reversed);
    }
    if (layout == 2) {
        ct_tensor *wide = t;
        for (int i = 0; i < s.rank; i++) { /* each element twice, and the second of each pair taken */
            ct_tensor *pair[] = {ct_neg(wide), wide};
            ct_tensor *both = ct_stack(pair, 2, i + 1);
            ct_shape flat = ct_shape_get(wide);
            flat.dim[i] *= 2;
            wide = ct_reshape(both, flat);
        }
        for (int i = 0; i < s.rank; i++) wide = ct_slice(wide, i, 1, CT_NONE, 2);
        return wide;
    }
    if (layout == 3 && s.rank > 0 && s.dim[0] > 0) return ct_expand(ct_slice(t, 0, 0, 1, 1), s);
    return ct_alias(t);
}

static ct_tensor *leaf(ct_tensor *t) { return ct_requires_grad(ct_detach(t), true); }

/* ---- small linear algebra ---- */

static double dot(ct_tensor *a, ct_tensor *b)
{
    CT_SCOPE;
    CT_NO_GRAD;
    return ct_item(ct_sum(ct_mul(ct_cast(a, CT_F64), ct_cast(b, CT_F64)), CT_ALL, false));
}

static double absolute_dot(ct_tensor *a, ct_tensor *b)
{
    CT_SCOPE;
    CT_NO_GRAD;
    return ct_item(ct_sum(ct_abs(ct_mul(ct_cast(a, CT_F64), ct_cast(b, CT_F64))), CT_ALL, false));
}

static double dots(ct_tensor *const *a, ct_tensor *const *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += dot(a[i], b[i]);
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

/* ---- functions of functions ---- */

typedef struct pulled { /* x -> J(x)' u */
    const sample *s;
    ct_tensor *u;
    int n;
} pulled;

static int pull(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const pulled *p = context;
    ct_tensor *y = NULL, *x[INPUTS];
    for (int i = 0; i < p->n; i++) x[i] = ct_needs_grad(in[i]) ? in[i] : ct_requires_grad(in[i], true);
    if (p->s->f(NULL, x, &y)) return 1;
    return ct_grad(&y, &p->u, 1, x, p->n, out, (ct_grad_options){.create_graph = true}) ? 0 : 2;
}

/* sum_i <v_i, (J' u)_i> at x, a number, without recording. */
static double pulled_along(const sample *s, ct_tensor *const *x, ct_tensor *u, ct_tensor *const *v)
{
    CT_SCOPE;
    ct_tensor *leaves[INPUTS], *y = NULL, *g[INPUTS];
    for (int i = 0; i < s->n; i++) leaves[i] = leaf(x[i]);
    s->f(NULL, leaves, &y);
    if (!ct_grad(&y, &u, 1, leaves, s->n, g, (ct_grad_options){0})) return NAN;
    return dots(g, v, s->n);
}

/* <u, f(x)>, without recording. */
static double value_along(const sample *s, ct_tensor *const *x, ct_tensor *u)
{
    CT_SCOPE;
    CT_NO_GRAD;
    ct_tensor *y = NULL;
    s->f(NULL, x, &y);
    return y ? dot(u, y) : NAN;
}

/* x + h d */
static void step_to(ct_tensor *const *x, ct_tensor *const *d, double h, int n, ct_tensor **to)
{
    CT_NO_GRAD;
    for (int i = 0; i < n; i++) to[i] = ct_add(ct_detach(x[i]), ct_mul(d[i], ct_scalar(h)));
}

/* Central difference along d of <u, f> (v NULL) or of <v, J' u>, with Richardson's extrapolation: error O(h^4). */
static double difference_quotient(const sample *s, ct_tensor *const *x, ct_tensor *const *d, ct_tensor *u, ct_tensor *const *v)
{
    double quotient[2];
    for (int k = 0; k < 2; k++) {
        CT_SCOPE;
        const double h = k ? 1e-3 : 2e-3;
        ct_tensor *plus[INPUTS], *minus[INPUTS];
        step_to(x, d, h, s->n, plus);
        step_to(x, d, -h, s->n, minus);
        const double a = v ? pulled_along(s, plus, u, v) : value_along(s, plus, u);
        const double b = v ? pulled_along(s, minus, u, v) : value_along(s, minus, u);
        quotient[k] = (a - b) / (2 * h);
    }
    return (4 * quotient[1] - quotient[0]) / 3;
}

/* ---- the checks ---- */

static void check_first_order(const sample *s, ct_tensor *const *x, ct_tensor *u, ct_tensor *const *v)
{
    CT_SCOPE;
    const double rounding = now.dtype == CT_F64 ? 1e-12 : 2e-4;
    ct_tensor *y = NULL, *g[INPUTS], *formula[INPUTS], *jv = NULL;
    s->f(NULL, x, &y);
    const bool reverse = ct_grad(&y, &u, 1, x, s->n, g, (ct_grad_options){.retain_graph = true});
    if (!check(reverse, "VJP", 0, 0)) return;
    if (!check(ct_grad(&y, &u, 1, x, s->n, formula, (ct_grad_options){.create_graph = true}), "VJP by formulas", 0, 0)) return;
    if (!check(ct_jvp(s->f, NULL, x, v, s->n, NULL, &jv, 1), "JVP", 0, 0)) return;
    double size = absolute_dot(u, jv);
    for (int i = 0; i < s->n; i++) {
        check(ct__shape_equal(ct_shape_get(g[i]), ct_shape_get(x[i])) && ct_dtype_of(g[i]) == now.dtype, "the gradient's shape and dtype", 0, 0);
        size += absolute_dot(g[i], v[i]);
        const double d = distance(g[i], formula[i]), bound = rounding * (1 + largest(formula[i]));
        check(d <= bound, "fused against formulas", d, bound);
    }
    const double forward = dot(u, jv), backward = dots(g, v, s->n), d = fabs(forward - backward);
    check(d <= rounding * (1e-3 + size), "adjoint identity", d, rounding * (1e-3 + size));
    if (now.dtype != CT_F64) return;
    const double numeric = difference_quotient(s, x, v, u, NULL), bound = 1e-8 * (1 + size);
    check(fabs(numeric - forward) <= bound, "JVP against differences", fabs(numeric - forward), bound);
    check(fabs(numeric - backward) <= bound, "VJP against differences", fabs(numeric - backward), bound);
}

/* The three ways to D <w, J' u> along x, which is symmetric: all give the same number when contracted with v. */
static void check_second_order(const sample *s, ct_tensor *const *x, ct_tensor *u, ct_tensor *const *v, ct_tensor *const *w)
{
    CT_SCOPE;
    pulled p = {.s = s, .u = u, .n = s->n};
    ct_tensor *g[INPUTS], *again[INPUTS], *pushed[INPUTS], *tangent = NULL, *mixed[INPUTS];
    if (!check(pull(&p, x, g) == 0, "VJP to be differentiated", 0, 0)) return;
    /* reverse over reverse: cotangents w on J' u */
    const bool ror = ct_grad(g, w, s->n, x, s->n, again, (ct_grad_options){.retain_graph = true});
    if (!check(ror, "reverse over reverse", 0, 0)) return;
    if (!check(ct_jvp(pull, &p, x, v, s->n, NULL, pushed, s->n), "forward over reverse", 0, 0)) return;
    if (!check(ct_jvp(s->f, NULL, x, v, s->n, NULL, &tangent, 1), "JVP to be differentiated", 0, 0)) return;
    const double by_reverse = dots(again, v, s->n), by_forward = dots(pushed, w, s->n);
    double size = 0;
    for (int i = 0; i < s->n; i++) size += absolute_dot(again[i], v[i]) + absolute_dot(pushed[i], w[i]);
    const double d = fabs(by_reverse - by_forward), bound = 1e-11 * (1e-2 + size);
    check(d <= bound, "forward over reverse against reverse over reverse", d, bound);
    if (ct_needs_grad(tangent)) { /* reverse over forward: d <u, J v> / dx along w */
        if (!check(ct_grad(&tangent, &u, 1, x, s->n, mixed, (ct_grad_options){0}), "reverse over forward", 0, 0)) return;
        const double by_mixed = dots(mixed, w, s->n), e = fabs(by_mixed - by_reverse);
        check(e <= bound, "reverse over forward against reverse over reverse", e, bound);
    }
    const double numeric = difference_quotient(s, x, v, u, w), e = fabs(numeric - by_reverse), loose = 1e-7 * (1 + size);
    check(e <= loose, "second order against differences", e, loose);
}

/* Three cotangents at once, stacked along a leading axis, give what they give one by one. */
static void check_stacked(const sample *s, ct_tensor *const *x)
{
    CT_SCOPE;
    ct_tensor *y = NULL, *u[3], *g[3][INPUTS];
    s->f(NULL, x, &y);
    if (ct_rank(y) == CT_MAX_RANK) return;
    for (int k = 0; k < 3; k++) {
        u[k] = values_for(ct_shape_get(y), -1, 1, now.dtype);
        if (!check(ct_grad(&y, &u[k], 1, x, s->n, g[k], (ct_grad_options){.retain_graph = true}), "VJP", 0, 0)) return;
    }
    const ct__seed seed = {.node = y->graph, .slot = y->slot, .grad = ct_stack(u, 3, 0)};
    ct__target target[INPUTS];
    for (int i = 0; i < s->n; i++) target[i] = (ct__target){.node = x[i]->graph, .slot = x[i]->slot};
    if (!check(ct__sweep("stacked", &seed, 1, target, s->n, (ct_grad_options){0}), "sweep with stacked cotangents", 0, 0)) return;
    for (int i = 0; i < s->n; i++) {
        ct_tensor *one_by_one = ct_stack((ct_tensor *[]){g[0][i], g[1][i], g[2][i]}, 3, 0), *stacked = target[i].grad;
        if (!stacked) stacked = ct_zeros(ct_shape_get(one_by_one), now.dtype); /* an absent gradient is zero */
        const double d = distance(stacked, one_by_one), bound = 1e-13 * (1 + largest(one_by_one));
        check(d <= bound, "stacked cotangents", d, bound);
        if (target[i].grad) ct__release(target[i].grad);
    }
}

static ct_tensor *reference_value(const sample *s, ct_tensor *const *x)
{
    CT_NO_GRAD;
    ct_tensor *wide[INPUTS], *y = NULL;
    for (int i = 0; i < s->n; i++) wide[i] = ct_contiguous(ct_cast(x[i], CT_F64));
    s->f(NULL, wide, &y);
    return y;
}

static void check_sample_as(const sample *s, ct_dtype dtype, int layout)
{
    CT_SCOPE;
    ct_tensor *x[INPUTS], *v[INPUTS], *w[INPUTS], *y = NULL;
    now.dtype = dtype;
    now.layout = layout;
    ct_seed(20 + (uint64_t)layout);
    for (int i = 0; i < s->n; i++) {
        x[i] = leaf(laid_out(values_for(s->shapes[i], s->low, s->high, dtype), layout));
        v[i] = values_for(s->shapes[i], -1, 1, dtype);
        w[i] = values_for(s->shapes[i], -1, 1, dtype);
    }
    if (!check(!ct_error() && s->f(NULL, x, &y) == 0 && y, "forward", 0, 0)) return;
    if (!check(ct_dtype_of(y) == dtype, "the result's dtype", 0, 0)) return;
    ct_tensor *u = values_for(ct_shape_get(y), -1, 1, dtype), *reference = reference_value(s, x);
    const double d = distance(y, reference), bound = (dtype == CT_F64 ? 1e-13 : 2e-5) * (1 + largest(reference));
    check(d <= bound, "value against the contiguous f64 one", d, bound);
    if (!check(ct_needs_grad(y), "the result needs a gradient", 0, 0)) return;
    check_first_order(s, x, u, v);
    if (dtype != CT_F64) return;
    check_stacked(s, x);
    check_second_order(s, x, u, v, w);
}

static void check_sample(sample s)
{
    now.sample = &s;
    for (int layout = 0; layout < LAYOUTS; layout++) {
        check_sample_as(&s, CT_F64, layout);
        check_sample_as(&s, CT_F32, layout);
    }
}

/* ---- the samples ---- */

#define INDICES(...) ct_of(ct_shape((int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double))), CT_I64, __VA_ARGS__)
#define SIGNS ct_of(ct_shape(4), CT_I64, 1, -1, 1, -1)

#define SAMPLE(op, tag, low, high, expression, ...)                                                                    \
    static int f_##op##_##tag(void *context, ct_tensor *const *x, ct_tensor **y)                                       \
    {                                                                                                                  \
        (void)context;                                                                                                 \
        *y = expression;                                                                                               \
        return *y ? 0 : 1;                                                                                             \
    }
#include "samples/index.def"
#include "samples/pointwise.def"
#include "samples/product.def"
#include "samples/reduce.def"
#include "samples/shape.def"
#undef SAMPLE

#define SAMPLE(op_, tag_, low_, high_, expression, ...)                                                                \
    {                                                                                                                  \
        const ct_shape shapes[] = {__VA_ARGS__};                                                                       \
        check_sample((sample){.op = #op_, .tag = #tag_, .f = f_##op_##_##tag_, .low = low_, .high = high_, .shapes = shapes,   \
                              .n = (int)(sizeof shapes / sizeof shapes[0])});                                          \
    }
#define FAMILY(name)                                                                                                   \
    static void rules_of_##name(void **state)                                                                          \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        now.checks = now.failures = 0;                                                                                 \
        run_##name();                                                                                                  \
        print_message("%ld checks\n", now.checks);                                                                     \
        assert_int_equal(now.failures, 0);                                                                             \
        assert_clean();                                                                                                \
    }

static void run_index(void)
{
#include "samples/index.def"
}
static void run_pointwise(void)
{
#include "samples/pointwise.def"
}
static void run_product(void)
{
#include "samples/product.def"
}
static void run_reduce(void)
{
#include "samples/reduce.def"
}
static void run_shape(void)
{
#include "samples/shape.def"
}
#undef SAMPLE
FAMILY(index)
FAMILY(pointwise)
FAMILY(product)
FAMILY(reduce)
FAMILY(shape)

/* ---- completeness ---- */

static const char *const sampled[] = {
#define SAMPLE(op, tag, low, high, expression, ...) #op,
#include "samples/index.def"
#include "samples/pointwise.def"
#include "samples/product.def"
#include "samples/reduce.def"
#include "samples/shape.def"
#undef SAMPLE
};

#define CT_OP(name) extern const ct_op ct__op_##name;
#include "ops/op_list.h"
#undef CT_OP
static const ct_op *const all[] = {
#define CT_OP(name) &ct__op_##name,
#include "ops/op_list.h"
#undef CT_OP
};

static void every_operation_with_a_derivative_has_a_sample(void **state)
{
    (void)state;
    int missing = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        bool differentiable = false, found = false;
        for (int k = 0; k < CT__MAX_INPUTS; k++) differentiable = differentiable || (all[i]->vjp[k] && all[i]->vjp[k] != ct__vjp_none);
        for (size_t k = 0; k < sizeof sampled / sizeof sampled[0]; k++) found = found || strcmp(sampled[k], all[i]->name) == 0;
        if (differentiable && !found) print_error("no sample for %s\n", all[i]->name);
        missing += differentiable && !found;
    }
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_of_pointwise), cmocka_unit_test(rules_of_product),
        cmocka_unit_test(rules_of_reduce),    cmocka_unit_test(rules_of_shape),
        cmocka_unit_test(rules_of_index),     cmocka_unit_test(every_operation_with_a_derivative_has_a_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
