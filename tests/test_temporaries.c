/*
 * test_temporaries.c - no public function leaves anything behind but its result, whether a scope is open or not.
 *
 * Every function that gives a tensor is called without a scope, once well and once badly: with operands that need a gradient and
 * others, with dtypes and shapes that it has to bring together. When its result is freed, nothing more is alive than before.
 */
#include "support.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- calls that succeed ------------------------------------------------------------------------------- */

static ct_memory_info before;

static void assert_as_before(const char *text)
{
    const ct_memory_info now = ct_memory();
    const int tensors = (int)(now.tensors - before.tensors), nodes = (int)(now.nodes - before.nodes);
    const int storages = (int)(now.storages - before.storages), bytes = (int)(now.bytes - before.bytes);
    if (tensors || nodes || storages || bytes)
        print_error("%s leaves %d tensors, %d nodes, %d storages, %d bytes\n", text, tensors, nodes, storages, bytes);
    assert_true(!tensors && !nodes && !storages && !bytes);
}

/* The result goes, and nothing is left of the call. */
#define alone(expression) check_alone(#expression, expression)
static void check_alone(const char *text, ct_tensor *result)
{
    if (!result) print_error("%s: %s\n", text, ct_error() ? ct_error()->message : "no result, no error");
    assert_non_null(result);
    ct_free(result);
    assert_as_before(text);
}

typedef struct operands {
    ct_tensor *x, *y;   /* [2, 3] */
    ct_tensor *row;     /* [3] */
    ct_tensor *square;  /* [3, 3], positive definite */
    ct_tensor *mask;    /* [2, 3], bool */
    ct_tensor *index;   /* [2], i64 */
    ct_tensor *places;  /* [2, 3], i32, 0 to 2 */
} operands;

static void pointwise_alone(const operands *o)
{
    ct_tensor *(*const one_operand[])(ct_tensor *) = {
        ct_neg,     ct_abs,        ct_sign,   ct_exp,   ct_expm1,       ct_log,       ct_log1p,     ct_sqrt,     ct_rsqrt,
        ct_square,  ct_reciprocal, ct_sin,    ct_cos,   ct_tan,         ct_asin,      ct_acos,      ct_atan,     ct_sinh,
        ct_cosh,    ct_tanh,       ct_erf,    ct_relu,  ct_sigmoid,     ct_softplus,  ct_gelu,      ct_silu,     ct_floor,
        ct_ceil,    ct_round,      ct_step,   ct_isnan, ct_isinf,       ct_isfinite,  ct_detach,    ct_clone,    ct_contiguous,
        ct_alias,   ct_diagonal,   ct_diag,   ct_logical_not,   ct_gelu_tanh,   ct_transpose};
    for (size_t i = 0; i < COUNT(one_operand); i++) {
        check_alone("a function of one operand", one_operand[i](o->x));
        check_alone("a function of one square operand", one_operand[i](o->square));
    }
    ct_tensor *(*const two_operands[])(ct_tensor *, ct_tensor *) = {
        ct_add,   ct_sub, ct_mul, ct_div, ct_pow, ct_maximum, ct_minimum, ct_atan2, ct_hypot, ct_logaddexp, ct_eq, ct_ne,
        ct_lt,    ct_le,  ct_gt,  ct_ge,  ct_logical_and, ct_logical_or, ct_logical_xor};
    for (size_t i = 0; i < COUNT(two_operands); i++) {
        check_alone("a function of two operands", two_operands[i](o->x, o->y));
        check_alone("a function that broadcasts", two_operands[i](o->row, o->x));
        check_alone("a function that casts", two_operands[i](o->x, o->mask));
    }
    alone(ct_leaky_relu(o->x, 0.1));
    alone(ct_elu(o->x, 0.1));
    alone(ct_clamp(o->x, 0, 1));
    alone(ct_cast(o->x, CT_F64));
    alone(ct_cast(o->x, CT_F32));
    alone(ct_cast(o->x, CT_BOOL));
    alone(ct_where(o->mask, o->x, o->y));
    alone(ct_where(o->mask, o->row, o->mask));
}

static void reductions_alone(const operands *o)
{
    ct_tensor *(*const reductions[])(ct_tensor *, ct_axes, bool) = {ct_sum,  ct_mean,      ct_prod, ct_max, ct_min,
                                                                    ct_norm, ct_logsumexp, ct_any,  ct_all};
    const ct_axes axes[] = {CT_ALL, ct_axes(), ct_axes(0), ct_axes(-1, 0)};
    for (size_t i = 0; i < COUNT(reductions) * COUNT(axes); i++) {
        check_alone("a reduction", reductions[i / COUNT(axes)](o->x, axes[i % COUNT(axes)], false));
        check_alone("a reduction that keeps axes", reductions[i / COUNT(axes)](o->mask, axes[i % COUNT(axes)], true));
    }
    alone(ct_var(o->x, ct_axes(1), 1, true));
    alone(ct_std(o->x, CT_ALL, 0, false));
    alone(ct_argmax(o->x, 1, false));
    alone(ct_argmin(o->mask, 0, true));
    alone(ct_cumsum(o->x, 0));
    alone(ct_cumsum(o->mask, 1));
    alone(ct_softmax(o->x, 1));
    alone(ct_softmax(o->mask, 1));
    alone(ct_log_softmax(o->x, 0));
    alone(ct_log_softmax(o->places, 0));
    alone(ct_sum_to(o->x, ct_shape(1, 3)));
    alone(ct_sum_to(o->x, ct_shape()));
    alone(ct_sum_to(o->mask, ct_shape(2, 3)));
}

static void products_alone(const operands *o)
{
    alone(ct_matmul(o->x, o->square));
    alone(ct_matmul(o->x, o->row));
    alone(ct_matmul(o->row, o->row));
    alone(ct_matmul(o->places, o->square));
    alone(ct_affine(o->x, o->square, o->row));
    alone(ct_affine(o->row, o->square, o->row));
    alone(ct_affine(o->places, o->square, o->row));
    if (ct_dtype_of(o->x) < CT_I32) alone(ct_whiten(o->x, o->square));
}

static void shapes_alone(const operands *o)
{
    ct_tensor *const list[] = {o->x, o->y}, *parts[3];
    alone(ct_reshape(o->x, ct_shape(3, -1)));
    alone(ct_flatten(o->x, 0));
    alone(ct_permute(o->x, ct_axes(1, 0)));
    alone(ct_swap_axes(o->x, 0, 1));
    alone(ct_expand(o->row, ct_shape(4, 3)));
    alone(ct_squeeze(o->x, CT_ALL));
    alone(ct_unsqueeze(o->x, 1));
    alone(ct_slice(o->x, 1, 0, CT_NONE, 2));
    alone(ct_select(o->x, 0, -1));
    alone(ct_flip(o->x, CT_ALL));
    alone(ct_pad(o->x, 1, 2, 3, 4));
    alone(ct_concat(list, 2, 1));
    alone(ct_stack(list, 2, -1));
    alone(ct_index_select(o->x, 0, o->index));
    alone(ct_gather(o->x, 1, o->places));
    alone(ct_scatter_add(o->x, 1, o->places, o->y));
    alone(ct_one_hot(o->index, 4, CT_F64));
    assert_true(ct_split(o->x, 1, 3, parts));
    ct_free(parts[0]);
    ct_free(parts[1]);
    alone(parts[2]);
}

static int cube(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_mul(in[0], ct_mul(in[0], in[0])); /* without a scope of its own */
    return out[0] ? 0 : 1;
}

static void derivatives_alone(const operands *o)
{
    ct_tensor *x = o->x, *g, *out;
    alone(ct_jacobian(cube, NULL, x, CT_MODE_REVERSE));
    alone(ct_jacobian(cube, NULL, x, CT_MODE_FORWARD));
    alone(ct_jacobian(cube, NULL, x, CT_MODE_AUTO));
    assert_true(ct_jvp(cube, NULL, &x, &o->y, 1, NULL, &g, 1));
    alone(g);
    assert_true(ct_jvp(cube, NULL, &x, &o->y, 1, &out, &g, 1));
    ct_free(out);
    alone(g);
    assert_true(ct_vjp(cube, NULL, &x, 1, &o->y, NULL, 1, &g));
    alone(g);
    assert_true(ct_vjp(cube, NULL, &x, 1, &o->y, &out, 1, &g));
    ct_free(out);
    alone(g);
    if (!ct_needs_grad(x)) return;
    ct_tensor *y = ct_softmax(x, 1), *loss;
    assert_true(ct_grad(&y, &o->y, 1, &x, 1, &g, (ct_grad_options){.create_graph = true}));
    ct_free(y);
    alone(g);
    y = ct_mul(x, x);
    loss = ct_mean(y, CT_ALL, false);
    ct_free(y);
    g = ct_derivative(loss, x, (ct_grad_options){.retain_graph = true});
    assert_true(ct_backward(loss));
    ct_free(loss);
    ct_free(ct_grad_of(x));
    assert_true(ct_zero_grad(x));
    alone(g);
}

static void losses_alone(const operands *o)
{
    ct_tensor *(*const losses[])(ct_tensor *, ct_tensor *, ct_reduction) = {ct_mse_loss, ct_half_mse_loss, ct_l1_loss};
    for (size_t i = 0; i < COUNT(losses); i++) check_alone("a loss", losses[i](o->x, o->y, CT_MEAN));
    alone(ct_huber_loss(o->x, o->y, 1, CT_SUM));
    alone(ct_cross_entropy(o->x, o->index));
    alone(ct_nll_loss(o->x, o->index, CT_MEAN));
    alone(ct_binary_cross_entropy_logits(o->x, o->y, CT_MEAN));
    alone(ct_binary_cross_entropy(o->x, o->y, CT_MEAN));
    alone(ct_gaussian_nll_loss(o->x, o->y, o->square, CT_MEAN));
    alone(ct_dropout(o->x, 0.5, true));
}

static operands make_operands(ct_dtype dtype, bool needs_grad)
{
    operands o = {.x = ct_full(ct_shape(2, 3), dtype == CT_I64 ? 1 : 0.5, dtype), .y = ct_ones(ct_shape(2, 3), dtype)};
    o.row = ct_ones(ct_shape(3), dtype);
    o.square = ct_eye(3, dtype);
    o.mask = ct_ones(ct_shape(2, 3), CT_BOOL);
    o.index = ct_of(ct_shape(2), CT_I64, 1, 0);
    o.places = ct_of(ct_shape(2, 3), CT_I32, 0, 1, 2, 2, 1, 0);
    if (!needs_grad) return o;
    ct_requires_grad(o.x, true);
    ct_requires_grad(o.row, true);
    return o;
}

static void free_operands(const operands *o)
{
    ct_tensor *const all[] = {o->x, o->y, o->row, o->square, o->mask, o->index, o->places};
    for (size_t i = 0; i < COUNT(all); i++) ct_free(all[i]);
}

static void functions_leave_nothing_behind(void **state)
{
    (void)state;
    const struct {
        ct_dtype dtype;
        bool needs_grad;
    } kinds[] = {{CT_F32, false}, {CT_F32, true}, {CT_F64, true}, {CT_I64, false}};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        const operands o = make_operands(kinds[i].dtype, kinds[i].needs_grad);
        before = ct_memory();
        pointwise_alone(&o);
        reductions_alone(&o);
        shapes_alone(&o);
        products_alone(&o);
        if (kinds[i].dtype != CT_I64) derivatives_alone(&o);
        if (kinds[i].dtype != CT_I64) losses_alone(&o);
        free_operands(&o);
        assert_clean();
    }
}

static void creation_leaves_nothing_behind(void **state)
{
    (void)state;
    before = ct_memory();
    alone(ct_zeros(ct_shape(3), CT_F32));
    alone(ct_empty(ct_shape(0), CT_U8));
    alone(ct_arange(0, 5, 1, CT_I32));
    alone(ct_linspace(0, 5, 3, CT_F64));
    alone(ct_eye(3, CT_BOOL));
    alone(ct_scalar(1));
    alone(ct_of(ct_shape(2), CT_F32, 1, 2));
    alone(ct_from((const float[]){1, 2}, ct_shape(2), CT_F32));
    alone(ct_uniform(ct_shape(300), 0, 1, CT_F32));
    alone(ct_normal(ct_shape(300), 0, 1, CT_F64));
    alone(ct_permutation(40));
    float memory[4] = {0};
    alone(ct_wrap(memory, ct_shape(2, 2), CT_F32, NULL, NULL));
    assert_clean();
}

/* ---- calls that fail ---------------------------------------------------------------------------------- */

#define fails(expression) check_failed(#expression, (expression) != NULL)
#define refuses(expression) check_failed(#expression, expression)
static void check_failed(const char *text, bool result)
{
    if (result || !ct_error()) print_error("%s does not fail\n", text);
    assert_false(result);
    assert_non_null(ct_error());
    ct_clear_error();
    assert_as_before(text);
}

/* Fails in its middle (with a context) or after all, and leaves its temporaries to the caller. */
static int fail_late(void *context, ct_tensor *const *in, ct_tensor **out)
{
    out[0] = ct_exp(in[0]);
    ct_mul(in[0], out[0]);
    if (context) ct_matmul(out[0], out[0]);
    return context ? 0 : 3;
}

static int end_sweep(ct_tensor *gradient, ct_tensor **replacement, void *context)
{
    *replacement = context ? ct_sum(gradient, CT_ALL, false) : NULL; /* of another shape */
    return context ? 0 : 5;
}

static void failing_operations(const operands *o)
{
    ct_tensor *wide = ct_ones(ct_shape(2, 3), CT_F64), *zeros = ct_zeros(ct_shape(3), CT_U8), *parts[2];
    ct_tensor *no_rows = ct_zeros(ct_shape(0, 3), CT_F32), *labels = ct_of(ct_shape(2), CT_I64, 0, 9);
    ct_tensor *indefinite = ct_zeros(ct_shape(3, 3), CT_F32);
    ct_tensor *const list[] = {o->x, o->places}, *const holes[] = {o->x, NULL};
    before = ct_memory();
    fails(ct_add(o->x, wide));
    fails(ct_add(o->mask, o->index));
    fails(ct_pow(o->index, o->x));
    fails(ct_div(o->places, zeros));
    fails(ct_lt(o->x, wide));
    fails(ct_where(o->mask, o->x, wide));
    fails(ct_where(o->mask, o->places, o->index));
    fails(ct_matmul(o->x, o->x));
    fails(ct_matmul(o->row, wide));
    fails(ct_affine(o->x, o->square, wide));
    fails(ct_affine(o->places, o->square, o->index));
    fails(ct_max(no_rows, ct_axes(0), false));
    fails(ct_argmax(no_rows, 0, false));
    fails(ct_sum(o->x, ct_axes(0, 0), false));
    fails(ct_softmax(o->places, 2));
    fails(ct_sum_to(o->x, ct_shape(4)));
    fails(ct_reshape(o->x, ct_shape(4, -1)));
    fails(ct_expand(o->x, ct_shape(4, 3)));
    fails(ct_concat(list, 2, 0));
    fails(ct_stack(list, 2, 0));
    fails(ct_stack(holes, 2, 0));
    fails(ct_index_select(o->x, 0, labels));
    fails(ct_gather(o->x, 0, o->places));
    fails(ct_scatter_add(o->x, 1, o->places, o->row));
    fails(ct_one_hot(labels, 9, CT_F32));
    fails(ct_whiten(o->x, indefinite));
    fails(ct_cross_entropy(o->x, labels));
    fails(ct_gaussian_nll_loss(o->x, o->y, indefinite, CT_MEAN));
    refuses(ct_split(o->x, 1, 2, parts));
    ct_tensor *const made[] = {wide, zeros, no_rows, labels, indefinite};
    for (size_t i = 0; i < COUNT(made); i++) ct_free(made[i]);
}

static void failing_derivatives(const operands *o)
{
    ct_tensor *x = o->x, *g, *out, *used = ct_exp(x), *hooked = ct_exp(x), *wrong = ct_exp(x);
    ct_tensor *zeros = ct_zeros(ct_shape(3), CT_F32);
    assert_true(ct_grad(&used, NULL, 1, &x, 1, &g, (ct_grad_options){0})); /* its values are released by that */
    ct_free(g);
    assert_true(ct_add_hook(hooked, end_sweep, NULL));
    assert_true(ct_add_hook(wrong, end_sweep, &out));
    before = ct_memory();
    refuses(ct_grad(&used, NULL, 1, &x, 1, &g, (ct_grad_options){0}));
    refuses(ct_grad(&hooked, NULL, 1, &x, 1, &g, (ct_grad_options){.retain_graph = true}));
    refuses(ct_grad(&wrong, NULL, 1, &x, 1, &g, (ct_grad_options){.retain_graph = true}));
    refuses(ct_grad(&used, &zeros, 1, &x, 1, &g, (ct_grad_options){0}));
    refuses(ct_backward(used));
    refuses(ct_backward_with(&used, &o->y, 1, (ct_grad_options){0}));
    assert_false(ct_has_grad(x));
    fails(ct_derivative(used, x, (ct_grad_options){0}));
    for (int i = 0; i < 2; i++) {
        void *context = i ? &out : NULL;
        fails(ct_jacobian(fail_late, context, o->y, CT_MODE_REVERSE));
        fails(ct_jacobian(fail_late, context, o->y, CT_MODE_FORWARD));
        fails(ct_jacobian(fail_late, context, x, CT_MODE_AUTO));
        refuses(ct_jvp(fail_late, context, &x, &o->y, 1, &out, &g, 1));
        refuses(ct_vjp(fail_late, context, &x, 1, &o->y, &out, 1, &g));
    }
    refuses(ct_jvp(cube, NULL, &x, &zeros, 1, &out, &g, 1));
    refuses(ct_vjp(cube, NULL, &x, 1, &zeros, &out, 1, &g));
    ct_tensor *const made[] = {used, hooked, wrong, zeros};
    for (size_t i = 0; i < COUNT(made); i++) ct_free(made[i]);
}

static void failing_calls_leave_nothing_behind(void **state)
{
    (void)state;
    const operands o = make_operands(CT_F32, true);
    failing_operations(&o);
    failing_derivatives(&o);
    free_operands(&o);
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_leave_nothing_behind),
        cmocka_unit_test(creation_leaves_nothing_behind),
        cmocka_unit_test(failing_calls_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
