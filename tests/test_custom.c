/*
 * test_custom.c - the user's operations: derivatives of every order and direction, stacks, several outputs, saved
 * values, and what is refused.
 */
#include "support.h"

#include <cotangent/custom.h>

/* ---- operations ---- */

/* log(1 + e^x), composed of operations, with rules of its own that stay finite where the composed ones do not. */
static int log1pexp_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    (void)saved;
    ct_tensor *x = c->in[0];
    out[0] = ct_add(ct_relu(x), ct_log1p(ct_exp(ct_neg(ct_abs(x)))));
    return out[0] ? 0 : 1;
}
static ct_tensor *slope(ct_tensor *x) { return ct_reciprocal(ct_add(ct_scalar(1), ct_exp(ct_neg(x)))); }
static int log1pexp_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    assert_true(c->needed[0]);
    assert_null(c->out[0]);
    dx[0] = ct_mul(dy[0], slope(c->in[0]));
    return dx[0] ? 0 : 1;
}
static int log1pexp_jvp(const ct_operation_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    dy[0] = ct_mul(slope(c->in[0]), dx[0]);
    return dy[0] ? 0 : 1;
}
static const ct_operation log1pexp_definition = {.name = "my_log1pexp",
                                                 .inputs = "x",
                                                 .doc = "log(1 + e^x)",
                                                 .keeps = CT_KEEP_INPUTS,
                                                 .stacks = true,
                                                 .forward = log1pexp_forward,
                                                 .vjp = log1pexp_vjp,
                                                 .jvp = log1pexp_jvp};
static ct_tensor *log1pexp(ct_tensor *x) { return ct_apply(ct_register(&log1pexp_definition), &x, 1, NULL); }

/* y = a x w + b sum(w), parameters and two inputs of other shapes; the rules take no stacks. */
typedef struct mix {
    double a, b;
} mix;
static int mix_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    const mix *p = c->params;
    (void)saved;
    assert_int_equal(c->n_in, 2);
    assert_true(c->in_shapes[1].rank == 1);
    ct_tensor *x = ct_contiguous(c->in[0]), *w = ct_contiguous(c->in[1]);
    const int64_t rows = ct_dim(x, 0), n = ct_dim(x, 1);
    out[0] = ct_empty(ct_shape(rows, n), CT_F64);
    const double *xs = ct_data(x), *ws = ct_data(w);
    double *y = ct_data(out[0]), sum = 0;
    for (int64_t i = 0; i < n; i++) sum += ws[i];
    for (int64_t i = 0; i < rows * n; i++) y[i] = p->a * xs[i] * ws[i % n] + p->b * sum;
    return 0;
}
static int mix_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    const mix *p = c->params;
    assert_int_equal(ct_rank(dy[0]), 2);
    if (c->needed[0]) dx[0] = ct_mul(ct_scalar(p->a), ct_mul(dy[0], c->in[1]));
    ct_tensor *all = ct_mul(ct_scalar(p->b), ct_sum(dy[0], CT_ALL, false));
    if (c->needed[1]) dx[1] = ct_add(ct_mul(ct_scalar(p->a), ct_sum(ct_mul(dy[0], c->in[0]), ct_axes(0), false)), all);
    return 0;
}
static int mix_jvp(const ct_operation_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    const mix *p = c->params;
    assert_int_equal(ct_rank(dx[0]), 2);
    ct_tensor *product = ct_add(ct_mul(dx[0], c->in[1]), ct_mul(c->in[0], dx[1]));
    dy[0] = ct_add(ct_mul(ct_scalar(p->a), product), ct_mul(ct_scalar(p->b), ct_sum(dx[1], CT_ALL, false)));
    return 0;
}
static const ct_operation mix_definition = {
    .name = "my_mix", .inputs = "x, w", .parameters = "double a, double b", .doc = "a x w + b sum w", .params = sizeof(mix),
    .keeps = CT_KEEP_INPUT(0) | CT_KEEP_INPUT(1), .forward = mix_forward, .vjp = mix_vjp, .jvp = mix_jvp};
static ct_tensor *mixed(ct_tensor *x, ct_tensor *w)
{
    return ct_apply(ct_register(&mix_definition), (ct_tensor *[]){x, w}, 2, &(mix){3, 0.5});
}
static ct_tensor *mixed_plainly(ct_tensor *x, ct_tensor *w)
{
    return ct_add(ct_mul(ct_scalar(3), ct_mul(x, w)), ct_mul(ct_scalar(0.5), ct_sum(w, CT_ALL, false)));
}

/* (r, t) = polar coordinates of (x, y): two outputs, both kept, inputs not.
 * dr = cos t dx + sin t dy,  dt = (cos t dy - sin t dx) / r */
static int polar_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    (void)saved;
    out[0] = ct_hypot(c->in[0], c->in[1]);
    out[1] = ct_atan2(c->in[1], c->in[0]);
    return 0;
}
static int polar_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    assert_null(c->in[0]);
    ct_tensor *cosine = ct_cos(c->out[1]), *sine = ct_sin(c->out[1]), *turn = ct_div(dy[1], c->out[0]);
    dx[0] = ct_sub(ct_mul(dy[0], cosine), ct_mul(turn, sine));
    dx[1] = ct_add(ct_mul(dy[0], sine), ct_mul(turn, cosine));
    return 0;
}
static int polar_jvp(const ct_operation_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    ct_tensor *cosine = ct_cos(c->out[1]), *sine = ct_sin(c->out[1]);
    dy[0] = ct_add(ct_mul(cosine, dx[0]), ct_mul(sine, dx[1]));
    dy[1] = ct_div(ct_sub(ct_mul(cosine, dx[1]), ct_mul(sine, dx[0])), c->out[0]);
    return 0;
}
static const ct_operation polar_definition = {
    .name = "my_polar", .inputs = "x, y", .outputs = "r, t", .keeps = CT_KEEP_OUTPUTS, .stacks = true, .forward = polar_forward,
    .vjp = polar_vjp, .jvp = polar_jvp};
static bool polar(ct_tensor *x, ct_tensor *y, ct_tensor **out)
{
    return ct_apply_all(ct_register(&polar_definition), (ct_tensor *[]){x, y}, 2, NULL, out);
}

/* The product of any number of tensors. */
static int product_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    (void)saved;
    out[0] = ct_clone(c->in[0]);
    for (int i = 1; i < c->n_in; i++) out[0] = ct_mul(out[0], c->in[i]);
    return 0;
}
static ct_tensor *others(const ct_operation_call *c, int without, ct_tensor *start)
{
    for (int i = 0; i < c->n_in; i++) start = i == without ? start : ct_mul(start, c->in[i]);
    return start;
}
static int product_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    for (int i = 0; i < c->n_in; i++) {
        if (c->needed[i]) dx[i] = others(c, i, dy[0]);
    }
    return 0;
}
static int product_jvp(const ct_operation_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    dy[0] = others(c, 0, dx[0]);
    for (int i = 1; i < c->n_in; i++) dy[0] = ct_add(dy[0], others(c, i, dx[i]));
    return 0;
}
static const ct_operation product_definition = {.name = "my_product", .inputs = "x...", .keeps = CT_KEEP_INPUTS, .stacks = true,
                                                .forward = product_forward, .vjp = product_vjp, .jvp = product_jvp};
static ct_tensor *product_of(ct_tensor *const *x, int n) { return ct_apply(ct_register(&product_definition), x, n, NULL); }

/* ---- helpers ---- */

enum { ROWS = 3, COLUMNS = 4 };
static const ct_grad_options graph = {.create_graph = true};

static ct_tensor *sample(ct_dtype dtype)
{
    double v[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++) v[i] = 0.3 * i - 1.7 + 0.01 * i * i;
    return ct_requires_grad(ct_from_values(v, ROWS * COLUMNS, ct_shape(ROWS, COLUMNS), dtype), true);
}
static ct_tensor *total(ct_tensor *x) { return ct_sum(x, CT_ALL, false); }
static ct_tensor *uneven(ct_tensor *x) { return total(ct_mul(x, ct_add(x, ct_scalar(0.7)))); }

#define assert_close(a, b, tolerance)                                                                                  \
    do {                                                                                                               \
        const bool close = ct_allclose(a, b, tolerance, tolerance);                                                    \
        if (ct_error()) print_error("%s\n", ct_error()->message);                                                      \
        assert_true(close);                                                                                            \
    } while (0)

static int f_custom(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = log1pexp(in[0]);
    return out[0] ? 0 : 1;
}
static int f_builtin(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_softplus(in[0]);
    return out[0] ? 0 : 1;
}
static int f_custom_sum(void *context, ct_tensor *const *in, ct_tensor **out)
{
    return f_custom(context, in, out) || !(out[0] = uneven(out[0]));
}
static int f_builtin_sum(void *context, ct_tensor *const *in, ct_tensor **out)
{
    return f_builtin(context, in, out) || !(out[0] = uneven(out[0]));
}

/* ---- derivatives ---- */

static void a_custom_operation_has_derivatives_of_every_order(void **state)
{
    (void)state;
    for (ct_dtype dtype = CT_F32; dtype <= CT_F64; dtype++) {
        CT_SCOPE;
        const double tolerance = dtype == CT_F32 ? 2e-5 : 1e-12;
        ct_tensor *x = sample(dtype), *a = log1pexp(x), *b = ct_softplus(x);
        assert_close(a, b, tolerance);
        for (int order = 1; order <= 4; order++) {
            a = ct_derivative(uneven(a), x, graph);
            b = ct_derivative(uneven(b), x, graph);
            assert_close(a, b, tolerance * 1000);
        }
    }
    assert_clean();
}

static void a_rule_of_its_own_stays_finite(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_of(ct_shape(3), CT_F32, -1000, 0, 1000), true);
        ct_tensor *naive = ct_log(ct_add(ct_scalar(1), ct_exp(x)));
        assert_true(isinf(ct_get(naive, ct_index(2))));
        ct_tensor *y = log1pexp(x), *g = ct_derivative(total(y), x, (ct_grad_options){0});
        assert_number(ct_get(y, ct_index(2)), 1000, 0);
        assert_number(ct_get(g, ct_index(0)), 0, 0);
        assert_number(ct_get(g, ct_index(1)), 0.5, 0);
        assert_number(ct_get(g, ct_index(2)), 1, 0);
    }
    assert_clean();
}

static void forward_mode_and_transforms_go_through_it(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_detach(sample(CT_F64)), *v = ct_cos(x), *a, *b, *ga, *gb;
        assert_true(ct_jvp(f_custom, NULL, &x, &v, 1, NULL, &a, 1) && ct_jvp(f_builtin, NULL, &x, &v, 1, NULL, &b, 1));
        assert_close(a, b, 1e-13);
        assert_true(ct_hvp(f_custom_sum, NULL, &x, &v, 1, &ga, &a) && ct_hvp(f_builtin_sum, NULL, &x, &v, 1, &gb, &b));
        assert_close(ga, gb, 1e-13);
        assert_close(a, b, 1e-13);
        assert_close(ct_hessian(f_custom_sum, NULL, x), ct_hessian(f_builtin_sum, NULL, x), 1e-13);
        ct_tensor *ta[4], *tb[4];
        assert_true(ct_taylor(f_custom, NULL, x, v, 3, ta) && ct_taylor(f_builtin, NULL, x, v, 3, tb));
        for (int k = 0; k < 4; k++) assert_close(ta[k], tb[k], 1e-12);
        for (ct_mode mode = CT_MODE_AUTO; mode <= CT_MODE_FORWARD; mode++)
            assert_close(ct_jacobian(f_custom, NULL, x, mode), ct_jacobian(f_builtin, NULL, x, mode), 1e-13);
    }
    assert_clean();
}

static int f_mixed(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *(*const f)(ct_tensor *, ct_tensor *) = *(ct_tensor *(**)(ct_tensor *, ct_tensor *))context;
    ct_tensor *w = ct_mul(ct_scalar(0.5), ct_square(ct_select(in[0], 0, 1)));
    out[0] = f(in[0], w);
    return out[0] ? 0 : 1;
}
static int f_mixed_sum(void *context, ct_tensor *const *in, ct_tensor **out)
{
    return f_mixed(context, in, out) || !(out[0] = uneven(out[0]));
}

static void rules_that_take_no_stacks_are_called_one_by_one(void **state)
{
    (void)state;
    ct_tensor *(*own)(ct_tensor *, ct_tensor *) = mixed, *(*plain)(ct_tensor *, ct_tensor *) = mixed_plainly;
    {
        CT_SCOPE;
        ct_tensor *x = ct_detach(sample(CT_F64)), *v = ct_sin(x), *a, *b;
        for (ct_mode mode = CT_MODE_AUTO; mode <= CT_MODE_FORWARD; mode++)
            assert_close(ct_jacobian(f_mixed, &own, x, mode), ct_jacobian(f_mixed, &plain, x, mode), 1e-13);
        assert_close(ct_hessian(f_mixed_sum, &own, x), ct_hessian(f_mixed_sum, &plain, x), 1e-12);
        assert_true(ct_jvp(f_mixed, &own, &x, &v, 1, NULL, &a, 1) && ct_jvp(f_mixed, &plain, &x, &v, 1, NULL, &b, 1));
        assert_close(a, b, 1e-13);
    }
    assert_clean();
}

static void only_what_is_needed_is_asked_for(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_detach(sample(CT_F64)), *w = ct_requires_grad(ct_of(ct_shape(4), CT_F64, 1, 2, 3, 4), true);
        ct_tensor *a = ct_derivative(uneven(mixed(x, w)), w, graph), *b = ct_derivative(uneven(mixed_plainly(x, w)), w, graph);
        assert_close(a, b, 1e-13);
        assert_close(ct_derivative(uneven(a), w, graph), ct_derivative(uneven(b), w, graph), 1e-12);
    }
    assert_clean();
}

static int f_polar(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    return polar(ct_select(in[0], 0, 0), ct_select(in[0], 0, 2), out) ? 0 : 1;
}
static int f_polar_one(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *both[2];
    const int code = f_polar(NULL, in, both);
    out[0] = both[*(int *)context];
    return code;
}
static int f_polar_plain(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *x = ct_select(in[0], 0, 0), *y = ct_select(in[0], 0, 2);
    out[0] = *(int *)context ? ct_atan2(y, x) : ct_hypot(x, y);
    return out[0] ? 0 : 1;
}
static int f_polar_both(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *both[2];
    if (context)
        both[0] = ct_hypot(ct_select(in[0], 0, 0), ct_select(in[0], 0, 2)),
        both[1] = ct_atan2(ct_select(in[0], 0, 2), ct_select(in[0], 0, 0));
    else if (f_polar(NULL, in, both)) return 1;
    out[0] = ct_add(uneven(both[0]), uneven(ct_mul(both[0], both[1])));
    return out[0] ? 0 : 1;
}

static void several_outputs(void **state)
{
    (void)state;
    int which[2] = {0, 1}, plain = 1;
    {
        CT_SCOPE;
        ct_tensor *x = ct_detach(sample(CT_F64)), *v = ct_cos(x), *a[2], *b[2], *y[2];
        for (int k = 0; k < 2; k++) {
            for (ct_mode mode = CT_MODE_AUTO; mode <= CT_MODE_FORWARD; mode++)
                assert_close(ct_jacobian(f_polar_one, &which[k], x, mode), ct_jacobian(f_polar_plain, &which[k], x, mode), 1e-13);
            assert_true(ct_jvp(f_polar_plain, &which[k], &x, &v, 1, NULL, &b[k], 1));
        }
        assert_true(ct_jvp(f_polar, NULL, &x, &v, 1, y, a, 2));
        assert_close(a[0], b[0], 1e-13);
        assert_close(a[1], b[1], 1e-13);
        assert_close(ct_hessian(f_polar_both, NULL, x), ct_hessian(f_polar_both, &plain, x), 1e-12);
    }
    assert_clean();
}

static void any_number_of_inputs(void **state)
{
    (void)state;
    enum { MOST = 20 };
    for (int n = 1; n <= MOST; n += n == 1 ? 2 : 17) {
        CT_SCOPE;
        ct_tensor *x[MOST], *g[MOST], *plain[MOST];
        for (int i = 0; i < n; i++)
            x[i] = ct_requires_grad(ct_add(ct_of(ct_shape(2), CT_F64, 1.1, 0.9), ct_scalar(0.01 * i)), true);
        ct_tensor *y = product_of(x, n), *z = x[0];
        for (int i = 1; i < n; i++) z = ct_mul(z, x[i]);
        ct_tensor *a = total(ct_square(y)), *b = total(ct_square(z));
        assert_true(ct_grad(&a, NULL, 1, x, n, g, graph) && ct_grad(&b, NULL, 1, x, n, plain, graph));
        for (int i = 0; i < n; i++) assert_close(g[i], plain[i], 1e-12);
        a = total(ct_square(g[n / 2]));
        b = total(ct_square(plain[n / 2]));
        assert_true(ct_grad(&a, NULL, 1, x, n, g, graph) && ct_grad(&b, NULL, 1, x, n, plain, graph));
        for (int i = 0; i < n; i++) assert_close(g[i], plain[i], 1e-11);
    }
    assert_clean();
}

/* ---- outputs and inputs of integers ---- */

/* (index, value) of the largest entry of a vector: an output without a derivative stands first. */
static int largest_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    (void)saved;
    out[0] = ct_argmax(c->in[0], -1, false);
    out[1] = ct_max(c->in[0], ct_axes(-1), false);
    return 0;
}
static int largest_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    assert_null(dy[0]);
    const int64_t n = c->in_shapes[0].dim[0];
    dx[0] = ct_mul(ct_unsqueeze(dy[1], -1), ct_one_hot(c->out[0], n, ct_dtype_of(dy[1])));
    return dx[0] ? 0 : 1;
}
static int largest_jvp(const ct_operation_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    dy[1] = ct_sum(ct_mul(dx[0], ct_one_hot(c->out[0], c->in_shapes[0].dim[0], ct_dtype_of(dx[0]))), ct_axes(-1), false);
    return dy[1] ? 0 : 1;
}
static const ct_operation largest_definition = {.name = "my_largest",
                                                .inputs = "x",
                                                .outputs = "index, value",
                                                .keeps = CT_KEEP_OUTPUT(0),
                                                .stacks = true,
                                                .forward = largest_forward,
                                                .vjp = largest_vjp,
                                                .jvp = largest_jvp};

static int f_largest(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *both[2];
    (void)context;
    if (!ct_apply_all(ct_register(&largest_definition), in, 1, NULL, both)) return 1;
    out[0] = ct_square(both[1]);
    return 0;
}

static void an_output_of_integers_has_no_derivative(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_of(ct_shape(4), CT_F64, 1, 5, 2, 3), *expected = ct_of(ct_shape(4), CT_F64, 0, 10, 0, 0), *both[2];
        assert_true(ct_equal(ct_jacobian(f_largest, NULL, x, CT_MODE_REVERSE), expected));
        assert_true(ct_equal(ct_jacobian(f_largest, NULL, x, CT_MODE_FORWARD), expected));
        ct_requires_grad(x, true);
        assert_true(ct_apply_all(ct_register(&largest_definition), &x, 1, NULL, both));
        assert_false(ct_needs_grad(both[0]));
        assert_true(ct_needs_grad(both[1]));
        assert_number(ct_item(both[0]), 1, 0);
    }
    assert_clean();
}

/* ---- saved values ---- */

static int saving_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    assert_int_equal(c->n_saved, 2);
    saved[0] = ct_exp(c->in[0]);
    saved[1] = ct_gt(c->in[0], ct_scalar(0));
    out[0] = ct_mul(saved[0], ct_where(saved[1], ct_scalar(2), ct_scalar(1)));
    return 0;
}
static int saving_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    dx[0] = ct_mul(ct_mul(dy[0], c->saved[0]), ct_where(c->saved[1], ct_scalar(2), ct_scalar(1)));
    return 0;
}
static int saving_jvp(const ct_operation_call *c, ct_tensor *const *dx, ct_tensor **dy) { return saving_vjp(c, dx, dy); }
static const ct_operation saving_definition = {.name = "my_saving",
                                               .inputs = "x",
                                               .saved = 2,
                                               .stacks = true,
                                               .forward = saving_forward,
                                               .vjp = saving_vjp,
                                               .jvp = saving_jvp};
static ct_tensor *saving(ct_tensor *x) { return ct_apply(ct_register(&saving_definition), &x, 1, NULL); }
static int f_saving(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = total(saving(in[0]));
    return out[0] ? 0 : 1;
}

static void saved_values_serve_first_derivatives_and_refuse_second_ones(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_of(ct_shape(2), CT_F64, -1, 1), true), *y = saving(x),
                  *v = ct_ones(ct_shape(2), CT_F64), *d;
        ct_tensor *g = ct_derivative(total(y), x, graph);
        assert_close(g, y, 1e-15);
        assert_null(ct_derivative(total(g), x, (ct_grad_options){0}));
        assert_error(CT_ERROR_GRAPH, "my_saving", "a value its forward saved");
        assert_true(ct_jvp(f_saving, NULL, &x, &v, 1, NULL, &d, 1));
        assert_number(ct_item(d), exp(-1) + 2 * exp(1), 1e-14);
        ct_tensor *plain = ct_detach(x);
        assert_false(ct_hvp(f_saving, NULL, &plain, &v, 1, NULL, &d));
        assert_error(CT_ERROR_GRAPH, "my_saving", "a value its forward saved");
        assert_null(ct_hessian(f_saving, NULL, plain));
        assert_error(CT_ERROR_GRAPH, "my_saving", "a value its forward saved");
    }
    assert_clean();
}

/* A mask of floats that does not depend on the input: the rule says so by ct_detach. */
static int mask_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    saved[0] = ct_cast(ct_ge(ct_uniform(c->in_shapes[0], 0, 1, CT_F64), ct_scalar(0.5)), CT_F64);
    out[0] = ct_mul(c->in[0], saved[0]);
    return 0;
}
static int mask_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    dx[0] = ct_mul(dy[0], ct_detach(c->saved[0]));
    return 0;
}
static int f_mask(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const ct_operation definition = {.name = "my_mask",
                                     .inputs = "x",
                                     .saved = 1,
                                     .stacks = true,
                                     .forward = mask_forward,
                                     .vjp = mask_vjp,
                                     .jvp = mask_vjp};
    (void)context;
    ct_seed(5);
    ct_tensor *y = ct_apply(ct_register(&definition), in, 1, NULL);
    out[0] = total(ct_mul(ct_square(y), y));
    return out[0] ? 0 : 1;
}

static void a_saved_value_that_does_not_depend_on_the_inputs_may_be_detached(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_of(ct_shape(6), CT_F64, 1, 2, 3, 4, 5, 6), *v = ct_ones(ct_shape(6), CT_F64), *g, *hv;
        assert_true(ct_hvp(f_mask, NULL, &x, &v, 1, &g, &hv));
        assert_close(ct_mul(hv, x), ct_mul(ct_scalar(2), g), 1e-14); /* of a cube */
        assert_true(ct_item(total(hv)) > 0);
        assert_close(ct_sum(ct_hessian(f_mask, NULL, x), ct_axes(1), false), hv, 1e-14);
    }
    assert_clean();
}

/* ---- rules that read numbers ---- */

static int cube_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    (void)saved;
    ct_tensor *x = ct_contiguous(c->in[0]);
    out[0] = ct_empty(c->in_shapes[0], CT_F64);
    const double *from = ct_data(x);
    double *to = ct_data(out[0]);
    for (int64_t i = 0; i < ct_count_of(x); i++) to[i] = from[i] * from[i] * from[i];
    return 0;
}
static int cube_raw(const ct_operation_call *c, ct_tensor *const *g, ct_tensor **result)
{
    ct_tensor *x = ct_contiguous(c->in[0]), *dy = ct_contiguous(g[0]);
    result[0] = ct_empty(c->in_shapes[0], CT_F64);
    const double *from = ct_data(x), *by = ct_data(dy);
    double *to = ct_data(result[0]);
    for (int64_t i = 0; i < ct_count_of(x); i++) to[i] = 3 * from[i] * from[i] * by[i];
    return 0;
}
static int cube_half_raw(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    double x[4];
    if (!ct_copy_values(c->in[0], x, 4)) return 1;
    for (int i = 0; i < 4; i++) x[i] = 3 * x[i] * x[i];
    dx[0] = ct_mul(dy[0], ct_from(x, ct_shape(4), CT_F64)); /* connected to dy, and not to the input */
    return 0;
}
static int cube_in_place(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    dx[0] = ct_full(c->in_shapes[0], 3, CT_F64);
    return ct_mul_(dx[0], c->in[0]) && ct_mul_(dx[0], c->in[0]) && ct_mul_(dx[0], dy[0]) ? 0 : 1;
}

static ct_tensor *cube(ct_operation_vjp rule, ct_tensor *x)
{
    ct_operation o = {
        .name = "my_cube", .inputs = "x", .keeps = CT_KEEP_INPUTS, .forward = cube_forward, .vjp = rule, .jvp = cube_raw};
    if (rule == cube_half_raw) o.name = "my_cube_half";
    if (rule == cube_in_place) o.name = "my_cube_in_place";
    return ct_apply(ct_register(&o), &x, 1, NULL);
}
static int f_cube(void *context, ct_tensor *const *in, ct_tensor **out)
{
    out[0] = cube(*(ct_operation_vjp *)context, in[0]);
    return out[0] ? 0 : 1;
}
static int f_cube_sum(void *context, ct_tensor *const *in, ct_tensor **out)
{
    return f_cube(context, in, out) || !(out[0] = total(out[0]));
}

static void rules_that_read_numbers_refuse_second_derivatives(void **state)
{
    (void)state;
    ct_operation_vjp rules[] = {cube_raw, cube_half_raw, cube_in_place};
    const char *const names[] = {"my_cube", "my_cube_half", "my_cube_in_place"};
    for (int i = 0; i < 3; i++) {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_of(ct_shape(4), CT_F64, 1, 2, 3, 4), true), *v = ct_ones(ct_shape(4), CT_F64), *d;
        ct_tensor *expected = ct_of(ct_shape(4), CT_F64, 3, 12, 27, 48), *y = total(cube(rules[i], x));
        ct_tensor *g = ct_derivative(y, x, graph);
        assert_true(ct_equal(g, expected));
        assert_null(ct_derivative(total(g), x, (ct_grad_options){0}));
        assert_error(CT_ERROR_GRAPH, names[i], "read numbers out of tensors");
        assert_true(ct_backward(y));
        assert_true(ct_equal(ct_grad_of(x), expected));
        ct_tensor *plain = ct_detach(x);
        for (ct_mode mode = CT_MODE_REVERSE; mode <= CT_MODE_FORWARD; mode++)
            assert_true(ct_equal(ct_jacobian(f_cube, &rules[i], plain, mode), ct_diag(expected)));
        assert_false(ct_hvp(f_cube_sum, &rules[i], &plain, &v, 1, NULL, &d));
        assert_error(CT_ERROR_GRAPH, names[i], "read numbers out of tensors");
        ct_tensor *series[3];
        assert_false(ct_taylor(f_cube, &rules[i], plain, v, 2, series));
        assert_error(CT_ERROR_GRAPH, names[i], "read numbers out of tensors");
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_custom_operation_has_derivatives_of_every_order),
        cmocka_unit_test(a_rule_of_its_own_stays_finite),
        cmocka_unit_test(forward_mode_and_transforms_go_through_it),
        cmocka_unit_test(rules_that_take_no_stacks_are_called_one_by_one),
        cmocka_unit_test(only_what_is_needed_is_asked_for),
        cmocka_unit_test(several_outputs),
        cmocka_unit_test(any_number_of_inputs),
        cmocka_unit_test(an_output_of_integers_has_no_derivative),
        cmocka_unit_test(saved_values_serve_first_derivatives_and_refuse_second_ones),
        cmocka_unit_test(a_saved_value_that_does_not_depend_on_the_inputs_may_be_detached),
        cmocka_unit_test(rules_that_read_numbers_refuse_second_derivatives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
