/*
 * test_checkpoint.c - segments that are computed again: gradients to the last bit, of every order and direction, memory as
 * promised, nesting, and what is refused.
 */
#include "support.h"

#include <cotangent/custom.h>

enum { WIDTH = 6, BATCH = 5, MOST = 64 };
static const ct_grad_options graph = {.create_graph = true}, retain = {.retain_graph = true};

/* ---- a network of blocks ---- */

typedef struct block {
    ct_tensor *w, *b;
    int calls;
    int depth; /* inner checkpoints */
} block;

static ct_tensor *dropped(ct_tensor *x)
{
    ct_tensor *mask = ct_ge(ct_uniform(ct_shape_get(x), 0, 1, ct_dtype_of(x)), ct_scalar(0.25));
    return ct_mul(ct_where(mask, x, ct_scalar(0)), ct_scalar(1 / 0.75));
}

/* y = x + dropout(tanh(x W + b)) */
static int block_function(void *context, ct_tensor *const *in, ct_tensor **out)
{
    block *p = context;
    p->calls++;
    ct_tensor *h = ct_tanh(ct_affine(in[0], p->w, p->b));
    out[0] = ct_add(in[0], dropped(h));
    return out[0] ? 0 : 1;
}

static void blocks_new(block *p, int n, ct_dtype dtype)
{
    ct_seed(11);
    for (int i = 0; i < n; i++) {
        p[i] = (block){.w = ct_requires_grad(ct_normal(ct_shape(WIDTH, WIDTH), 0, 0.4, dtype), true),
                       .b = ct_requires_grad(ct_normal(ct_shape(WIDTH), 0, 0.4, dtype), true)};
    }
}

static ct_tensor *network(block *p, int n, ct_tensor *x, bool checkpointed)
{
    ct_seed(5);
    for (int i = 0; i < n && x; i++) {
        ct_tensor *y = NULL;
        if (checkpointed) y = ct_checkpoint(block_function, &p[i], &x, 1, &x, 1) ? x : NULL; /* in[] may be out[] */
        else block_function(&p[i], &x, &y);
        x = y;
    }
    return x;
}

static ct_tensor *start(ct_dtype dtype)
{
    ct_seed(3);
    return ct_requires_grad(ct_normal(ct_shape(BATCH, WIDTH), 0, 1, dtype), true);
}

static ct_tensor *loss_of(ct_tensor *y) { return ct_sum(ct_mul(y, ct_square(y)), CT_ALL, false); }

/* Gradients by x and all blocks' parameters. */
static int gradients(block *p, int n, ct_tensor *loss, ct_tensor *x, ct_tensor **g, ct_grad_options options)
{
    ct_tensor *inputs[2 * MOST + 1] = {x};
    for (int i = 0; i < n; i++) inputs[1 + 2 * i] = p[i].w, inputs[2 + 2 * i] = p[i].b;
    assert_true(ct_grad(&loss, NULL, 1, inputs, 2 * n + 1, g, options));
    return 2 * n + 1;
}

static void assert_same(ct_tensor *const *a, ct_tensor *const *b, int n)
{
    for (int i = 0; i < n; i++) assert_true(ct_equal(a[i], b[i]));
}

/* ---- the same gradients ---- */

static void gradients_are_the_same_to_the_last_bit(void **state)
{
    (void)state;
    for (ct_dtype dtype = CT_F32; dtype <= CT_F64; dtype++) {
        CT_SCOPE;
        block p[4];
        ct_tensor *a[9], *b[9], *x = start(dtype);
        blocks_new(p, 4, dtype);
        ct_tensor *plain = network(p, 4, x, false), *checked = network(p, 4, x, true);
        assert_true(ct_equal(plain, checked));
        gradients(p, 4, loss_of(plain), x, a, (ct_grad_options){0});
        ct_seed(99); /* the masks are those of then all the same */
        gradients(p, 4, loss_of(checked), x, b, (ct_grad_options){0});
        assert_same(a, b, 9);
        for (int i = 0; i < 4; i++) assert_int_equal(p[i].calls, 3);
    }
    assert_clean();
}

static void the_random_sequence_goes_on_as_if_nothing_was_computed_again(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        block p[3];
        ct_tensor *x = start(CT_F64), *next[2];
        blocks_new(p, 3, CT_F64);
        for (int k = 0; k < 2; k++) {
            ct_tensor *y = network(p, 3, x, k == 1);
            assert_true(ct_backward(loss_of(y)));
            next[k] = ct_uniform(ct_shape(3), 0, 1, CT_F64);
        }
        assert_true(ct_equal(next[0], next[1]));
    }
    assert_clean();
}

static void backward_collects_in_the_leaves(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        block p[3];
        ct_tensor *x = start(CT_F32), *g[2], *gw[2];
        blocks_new(p, 3, CT_F32);
        for (int k = 0; k < 2; k++) {
            assert_true(ct_backward(loss_of(network(p, 3, x, k == 1))));
            g[k] = ct_clone(ct_grad_of(x));
            gw[k] = ct_clone(ct_grad_of(p[1].w));
            assert_true(ct_zero_grad(x) && ct_zero_grad(p[1].w));
        }
        assert_same(&g[0], &g[1], 1);
        assert_same(&gw[0], &gw[1], 1);
    }
    assert_clean();
}

static void second_and_third_derivatives(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        block p[3];
        ct_tensor *first[2][7], *second[2][7], *third[2], *x = start(CT_F64);
        blocks_new(p, 3, CT_F64);
        for (int k = 0; k < 2; k++) {
            gradients(p, 3, loss_of(network(p, 3, x, k == 1)), x, first[k], graph);
            gradients(p, 3, loss_of(first[k][0]), x, second[k], graph);
            third[k] = ct_derivative(loss_of(second[k][3]), x, (ct_grad_options){0});
        }
        assert_same(first[0], first[1], 7);
        assert_same(second[0], second[1], 7);
        assert_same(&third[0], &third[1], 1);
    }
    assert_clean();
}

typedef struct whole {
    block *p;
    int n;
    bool checkpointed;
} whole;
static int f_network(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const whole *w = context;
    out[0] = network(w->p, w->n, in[0], w->checkpointed);
    return out[0] ? 0 : 1;
}
static int f_loss(void *context, ct_tensor *const *in, ct_tensor **out)
{
    return f_network(context, in, out) || !(out[0] = loss_of(out[0]));
}

static void transforms_go_through_it(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        block p[2];
        blocks_new(p, 2, CT_F64);
        ct_tensor *x = ct_detach(start(CT_F64)), *v = ct_sin(x), *r[2][9];
        for (int k = 0; k < 2; k++) {
            whole w = {p, 2, k == 1};
            assert_true(ct_hvp(f_loss, &w, &x, &v, 1, &r[k][0], &r[k][1]));
            assert_true(ct_jvp(f_network, &w, &x, &v, 1, NULL, &r[k][2], 1));
            assert_true(ct_vjp(f_network, &w, &x, 1, &v, NULL, 1, &r[k][3]));
            r[k][4] = ct_jacobian(f_network, &w, x, CT_MODE_REVERSE);
            r[k][5] = ct_jacobian(f_network, &w, x, CT_MODE_FORWARD);
            r[k][6] = ct_hessian(f_loss, &w, x);
            ct_linear_map *map = ct_linearize(f_network, &w, &x, 1, NULL, 1);
            assert_true(ct_linear_apply(map, &v, &r[k][7]) && ct_linear_transpose(map, &v, &r[k][8]));
            ct_linear_free(map);
        }
        assert_same(r[0], r[1], 9);
    }
    assert_clean();
}

/* ---- nesting ---- */

/* 2^depth blocks by halves, each half a checkpoint. */
typedef struct tree {
    block *p;
    int depth, calls;
} tree;
static int tree_function(void *context, ct_tensor *const *in, ct_tensor **out)
{
    tree *t = context;
    t->calls++;
    if (t->depth == 0) return block_function(t->p, in, out);
    tree *half = t + 1;
    ct_tensor *middle;
    if (!ct_checkpoint(tree_function, half, in, 1, &middle, 1)) return 1;
    ct_tensor *bent = ct_sin(middle);
    return ct_checkpoint(tree_function, half, &bent, 1, out, 1) ? 0 : 1;
}
static int plain_tree(block *p, int depth, ct_tensor *x, ct_tensor **out)
{
    ct_tensor *middle;
    if (depth == 0) return block_function(p, &x, out);
    if (plain_tree(p, depth - 1, x, &middle)) return 1;
    return plain_tree(p, depth - 1, ct_sin(middle), out);
}

static void checkpoints_may_be_nested(void **state)
{
    (void)state;
    for (int depth = 0; depth <= 4; depth++) {
        CT_SCOPE;
        block p[1];
        tree t[5];
        for (int k = 0; k <= depth; k++) t[k] = (tree){p, depth - k, 0};
        blocks_new(p, 1, CT_F64);
        ct_tensor *x = start(CT_F64), *y, *z, *a[3], *b[3], *a2[3], *b2[3];
        ct_seed(8);
        assert_int_equal(plain_tree(p, depth, x, &y), 0);
        ct_seed(8);
        assert_true(ct_checkpoint(tree_function, t, &x, 1, &z, 1));
        gradients(p, 1, loss_of(y), x, a, graph);
        gradients(p, 1, loss_of(z), x, b, graph);
        assert_same(a, b, 3);
        gradients(p, 1, loss_of(a[1]), x, a2, (ct_grad_options){0});
        gradients(p, 1, loss_of(b[1]), x, b2, (ct_grad_options){0});
        assert_same(a2, b2, 3);
        assert_int_equal(t[0].calls, 2); /* each level is computed again once for the one around it and once for itself */
        for (int k = 1; k <= depth; k++) assert_int_equal(t[k].calls, (k + 2) << k);
    }
    assert_clean();
}

/* ---- memory ---- */

enum { LONG = 64, LENGTH = 8192, SEGMENTS = 8 };
static int stretch(void *context, ct_tensor *const *in, ct_tensor **out)
{
    out[0] = in[0];
    for (int i = 0; i < *(int *)context; i++) out[0] = ct_tanh(out[0]); /* each keeps its result */
    return 0;
}

/* The most bytes alive at once beside x, in units of one layer's values. */
static double peak_of(int segments, bool second)
{
    CT_SCOPE;
    ct_tensor *x = ct_requires_grad(ct_linspace(-1, 1, LENGTH, CT_F64), true);
    int layers = LONG / (segments ? segments : 1);
    const ct_memory_info before = ct_memory();
    ct_memory_reset_peak();
    {
        CT_SCOPE;
        int scope = ct_scope_begin();
        ct_tensor *y = ct_alias(x);
        for (int i = 0; i < (segments ? segments : 1); i++) {
            ct_tensor *next;
            if (segments) assert_true(ct_checkpoint(stretch, &layers, &y, 1, &next, 1));
            else assert_int_equal(stretch(&layers, &y, &next), 0);
            y = ct_keep(ct_alias(next));
            ct_scope_end(scope); /* the temporaries' handles, which would hold their values */
            scope = ct_scope_begin();
            if (i + 1 < (segments ? segments : 1)) {
                ct_tensor *own = ct_alias(y);
                ct_free(y);
                y = own;
            }
        }
        ct_tensor *loss = ct_sum(y, CT_ALL, false);
        ct_free(y);
        if (second) loss = ct_sum(ct_derivative(loss, x, graph), CT_ALL, false);
        assert_true(ct_backward(loss));
        ct_scope_end(scope);
    }
    return (double)(ct_memory().peak_bytes - before.bytes) / (LENGTH * 8);
}

static void memory_falls_as_promised(void **state)
{
    (void)state;
    const double plain = peak_of(0, false), checked = peak_of(SEGMENTS, false), one = peak_of(1, false),
                 each = peak_of(LONG, false);
    print_message(
        "values alive at the peak, in layers: %.1f without checkpoints, %.1f in %d segments, %.1f in 1, %.1f in %d\n", plain,
        checked, (int)SEGMENTS, one, each, (int)LONG);
    assert_true(plain >= LONG && plain <= LONG + 4);
    assert_true(checked <= 2 * SEGMENTS + 4);
    assert_true(one <= LONG + 4 && each <= LONG + 4);
    ct_memory_trim();
    assert_clean();
}

static void what_was_computed_again_is_released_after_use(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_linspace(-1, 1, LENGTH, CT_F64), true), *y;
        int layers = LONG;
        ct_tensor *many[20];
        for (int i = 0; i < 20; i++) many[i] = x;
        assert_true(ct_checkpoint(stretch, &layers, many, 20, &y, 1));
        assert_true(ct_memory().bytes < 4 * LENGTH * 8);
        ct_tensor *loss = ct_sum(y, CT_ALL, false), *g;
        assert_true(ct_grad(&loss, NULL, 1, &x, 1, &g, (ct_grad_options){0}));
        assert_true(ct_memory().bytes < 5 * LENGTH * 8);
    }
    assert_clean();
}

static void a_graph_that_is_never_swept_leaves_nothing(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        block p[3];
        tree t[3] = {{p, 2, 0}, {p, 1, 0}, {p, 0, 0}};
        ct_tensor *x = start(CT_F32), *y;
        blocks_new(p, 3, CT_F32);
        assert_non_null(network(p, 3, x, true));
        assert_true(ct_checkpoint(tree_function, t, &x, 1, &y, 1));
        ct_tensor *g = ct_derivative(loss_of(y), x, graph); /* and one that is swept with a graph that is not */
        assert_non_null(g);
    }
    assert_clean();
}

/* ---- sweeping again ---- */

static void a_graph_may_be_swept_again_where_it_is_retained(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        block p[2];
        ct_tensor *x = start(CT_F64), *a[5], *b[5];
        blocks_new(p, 2, CT_F64);
        ct_tensor *loss = loss_of(network(p, 2, x, true));
        gradients(p, 2, loss, x, a, retain);
        gradients(p, 2, loss, x, b, (ct_grad_options){0});
        assert_same(a, b, 5);
        assert_int_equal(p[0].calls, 2); /* what was computed again stayed */
        assert_false(ct_backward(loss));
        assert_error(CT_ERROR_GRAPH, "ct_backward", "was swept before");
    }
    assert_clean();
}

static void a_sweep_may_stop_within_a_segment(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        block p[2];
        ct_tensor *x = start(CT_F64), *g[2], *one;
        blocks_new(p, 2, CT_F64);
        for (int k = 0; k < 2; k++) g[k] = ct_derivative(loss_of(network(p, 2, x, k == 1)), p[1].b, (ct_grad_options){0});
        assert_same(&g[0], &g[1], 1);
        ct_tensor *loss = loss_of(network(p, 2, x, true));
        assert_non_null(ct_derivative(loss, p[1].b, retain));
        assert_non_null(one = ct_derivative(loss, p[0].w, (ct_grad_options){0}));
        assert_true(ct_equal(one, ct_derivative(loss_of(network(p, 2, x, false)), p[0].w, (ct_grad_options){0})));
    }
    assert_clean();
}

/* ---- hooks, places, outputs ---- */

static int count_calls(ct_tensor *gradient, ct_tensor **replacement, void *context)
{
    ++*(int *)context;
    *replacement = ct_mul(gradient, ct_scalar(2));
    return 0;
}
static int hooked(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *h = ct_exp(in[0]);
    if (!ct_add_hook(h, count_calls, context)) return 1;
    out[0] = ct_square(h);
    return 0;
}

static void hooks_stay_and_run_once(void **state)
{
    (void)state;
    int calls = 0;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_of(ct_shape(2), CT_F64, 0, 1), true), *y;
        assert_true(ct_checkpoint(hooked, &calls, &x, 1, &y, 1));
        ct_tensor *g = ct_derivative(ct_sum(y, CT_ALL, false), x, (ct_grad_options){0});
        assert_int_equal(calls, 1);
        assert_number(ct_get(g, ct_index(0)), 4, 0);
    }
    assert_clean();
}

/* (x itself, a value that is not used further, x y, an integer) */
static int several(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = in[0];
    out[1] = ct_exp(ct_mul(in[0], in[1]));
    out[2] = ct_mul(ct_square(in[0]), ct_index_select(in[1], 0, in[2]));
    out[3] = ct_argmax(in[0], 0, false);
    ct_sin(ct_cos(in[1])); /* of no use to anyone */
    return 0;
}

static void several_inputs_and_outputs(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *in[] = {ct_requires_grad(ct_of(ct_shape(3), CT_F64, 1, 3, 2), true),
                           ct_requires_grad(ct_of(ct_shape(3), CT_F64, 4, 5, 6), true), ct_of(ct_shape(3), CT_I64, 2, 0, 0)};
        ct_tensor *a[4], *b[4], *ga[2], *gb[2];
        assert_int_equal(several(NULL, in, a), 0);
        assert_true(ct_checkpoint(several, NULL, in, 3, b, 4));
        for (int i = 0; i < 4; i++) assert_true(ct_equal(a[i], b[i]));
        assert_true(b[0] != in[0]);
        ct_tensor *la = loss_of(ct_add(a[0], a[2])), *lb = loss_of(ct_add(b[0], b[2]));
        assert_true(ct_grad(&la, NULL, 1, in, 2, ga, graph) && ct_grad(&lb, NULL, 1, in, 2, gb, graph));
        assert_same(ga, gb, 2);
        la = loss_of(ga[1]), lb = loss_of(gb[1]);
        assert_true(ct_grad(&la, NULL, 1, in, 2, ga, graph) && ct_grad(&lb, NULL, 1, in, 2, gb, graph));
        assert_same(ga, gb, 2);
    }
    assert_clean();
}

/* The gradient of an energy as a value: a sweep within the function. */
static int force(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    ct_tensor *x = ct_mul(in[0], ct_scalar(1.5)), *energy = ct_sum(ct_mul(ct_exp(x), ct_sin(x)), CT_ALL, false);
    ct_tensor *z = ct_requires_grad(ct_detach(x), true),
              *used_up = ct_derivative(ct_sum(ct_exp(z), CT_ALL, false), z, (ct_grad_options){0});
    out[0] = ct_mul(ct_derivative(energy, x, graph), used_up);
    return out[0] ? 0 : 1;
}

static void a_sweep_within_the_function(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_of(ct_shape(3), CT_F64, 0.1, 0.7, -0.4), true), *y[2], *g[2], *h[2];
        assert_int_equal(force(NULL, &x, &y[0]), 0);
        assert_true(ct_checkpoint(force, NULL, &x, 1, &y[1], 1));
        for (int k = 0; k < 2; k++) {
            g[k] = ct_derivative(loss_of(y[k]), x, graph);
            h[k] = ct_derivative(loss_of(g[k]), x, (ct_grad_options){0});
        }
        assert_same(g, g + 1, 1);
        assert_same(h, h + 1, 1);
    }
    assert_clean();
}

static int saves_forward(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    saved[0] = ct_exp(c->in[0]);
    out[0] = ct_sin(saved[0]);
    return 0;
}
static int saves_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    dx[0] = ct_mul(dy[0], ct_mul(c->saved[0], ct_cos(c->saved[0])));
    return 0;
}
static int f_saves(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const ct_operation o = {.name = "checkpointed_saves", .inputs = "x", .saved = 1, .forward = saves_forward, .vjp = saves_vjp};
    (void)context;
    out[0] = ct_apply(ct_register(&o), in, 1, NULL);
    return out[0] ? 0 : 1;
}

static void values_saved_by_a_custom_operation_come_back(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_linspace(-1, 1, 1000, CT_F64), true), *a, *b;
        assert_int_equal(f_saves(NULL, &x, &a), 0);
        const int64_t bytes = ct_memory().bytes;
        assert_true(ct_checkpoint(f_saves, NULL, &x, 1, &b, 1));
        assert_true(ct_memory().bytes < bytes + 9000);
        assert_true(ct_equal(ct_derivative(loss_of(a), x, retain), ct_derivative(loss_of(b), x, retain)));
    }
    assert_clean();
}

static int f_cross_entropy(void *context, ct_tensor *const *in, ct_tensor **out)
{
    out[0] = ct_softmax_cross_entropy_mean(in[0], context);
    return out[0] ? 0 : 1;
}

static void values_for_the_rules_alone_come_back(void **state)
{
    (void)state;
    for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_normal(ct_shape(40, 30), 0, 1, (ct_dtype)dtype), true), *t = ct_zeros(ct_shape(40), CT_I64);
        ct_tensor *plain, *checkpointed;
        assert_int_equal(f_cross_entropy(t, &x, &plain), 0);
        const int64_t bytes = ct_memory().bytes;
        assert_true(ct_checkpoint(f_cross_entropy, t, &x, 1, &checkpointed, 1));
        assert_true(ct_memory().bytes < bytes + 1000); /* not softmax(x) - 1_t */
        ct_tensor *g = ct_derivative(plain, x, graph), *h = ct_derivative(checkpointed, x, graph);
        assert_true(ct_equal(g, h));
        assert_true(ct_equal(ct_derivative(ct_sum(ct_square(g), CT_ALL, false), x, retain),
                             ct_derivative(ct_sum(ct_square(h), CT_ALL, false), x, retain)));
        g = ct_derivative(plain, x, retain);
        assert_true(ct_equal(g, ct_derivative(checkpointed, x, retain)));
        assert_true(ct_equal(g, ct_derivative(checkpointed, x, (ct_grad_options){0})));
    }
    assert_clean();
}

static void without_recording_the_function_is_just_called(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        block p[1];
        ct_tensor *x = start(CT_F32), *y;
        blocks_new(p, 1, CT_F32);
        CT_NO_GRAD;
        const int64_t nodes = ct_memory().nodes;
        assert_true(ct_checkpoint(block_function, p, &x, 1, &y, 1));
        assert_false(ct_needs_grad(y));
        assert_int_equal(ct_memory().nodes, nodes);
        assert_int_equal(p[0].calls, 1);
    }
    assert_clean();
}

/* ---- what is refused ---- */

static void tensors_changed_since_are_an_error(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        CT_SCOPE;
        block p[1];
        ct_tensor *x = start(CT_F64), *y;
        blocks_new(p, 1, CT_F64);
        assert_true(ct_checkpoint(block_function, p, &x, 1, &y, 1));
        const bool before = ct_grad_mode(false);
        assert_true(ct_fill_(which ? p[0].w : x, 1));
        ct_grad_mode(before);
        assert_false(ct_backward(loss_of(y)));
        if (which) assert_error(CT_ERROR_GRAPH, "ct_checkpoint", "operand 2 of ct_affine at");
        else assert_error(CT_ERROR_GRAPH, "ct_checkpoint", "input 1, f64 [5, 6], was changed in place");
        assert_false(ct_has_grad(x));
    }
    assert_clean();
}

typedef struct fickle {
    int calls, how;
} fickle;
static int fickle_function(void *context, ct_tensor *const *in, ct_tensor **out)
{
    fickle *f = context;
    const bool again = f->calls++ > 0;
    out[0] = ct_exp(in[0]);
    if (f->how == 0) out[0] = again ? ct_sin(out[0]) : ct_cos(out[0]);
    if (f->how == 1 && !again) out[0] = ct_cos(out[0]);
    if (f->how == 2 && again) out[0] = ct_cos(out[0]);
    if (f->how == 3) out[0] = ct_exp(again ? ct_select(out[0], 0, 0) : out[0]);
    if (f->how == 4) out[0] = ct_mul(out[0], again ? ct_detach(in[0]) : in[0]);
    if (f->how == 5 && again) return 7;
    if (f->how == 6 && again) out[0] = NULL;
    if (f->how == 7 && again) out[0] = ct_matmul(out[0], ct_ones(ct_shape(5), CT_F64));
    if (f->how == 8) out[0] = ct_exp(again ? ct_slice(out[0], 0, 0, 2, 1) : ct_slice(out[0], 0, 0, 3, 1));
    return 0;
}

static void a_function_that_does_something_else_is_an_error(void **state)
{
    (void)state;
    static const char *const part[] = {"its operation 2 was ct_cos and is ct_sin",
                                       "its operation 2 was ct_cos and is none",
                                       "its operation 2 was none and is ct_cos",
                                       "its operation 2 was ct_exp and is ct_select",
                                       "one that needs no gradient",
                                       "the function returned 7",
                                       "left output 1 unset",
                                       "inner sizes differ",
                                       "[2]"};
    for (int how = 0; how < 9; how++) {
        CT_SCOPE;
        fickle f = {.how = how};
        ct_tensor *x = ct_requires_grad(ct_of(ct_shape(3), CT_F64, 1, 2, 3), true), *y;
        assert_true(ct_checkpoint(fickle_function, &f, &x, 1, &y, 1));
        ct_tensor *loss = ct_sum(y, CT_ALL, false);
        assert_false(ct_backward(loss));
        assert_error(how < 5 || how == 8 ? CT_ERROR_GRAPH : how == 5 ? CT_ERROR_USER : how == 6 ? CT_ERROR_NULL : CT_ERROR_SHAPE,
                     how == 7 ? "ct_matmul" : "ct_checkpoint", part[how]);
        assert_false(ct_has_grad(x));
        assert_int_equal(f.calls, 2);
    }
    assert_clean();
}

static int fails(void *context, ct_tensor *const *in, ct_tensor **out)
{
    out[0] = ct_exp(in[0]);
    if (context) return 3;
    out[0] = NULL;
    return 0;
}

static void arguments_are_checked(void **state)
{
    (void)state;
    int yes = 1;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_ones(ct_shape(2), CT_F64), true), *none = NULL, *y;
        assert_false(ct_checkpoint(NULL, NULL, &x, 1, &y, 1));
        assert_error(CT_ERROR_NULL, "ct_checkpoint", "f");
        assert_false(ct_checkpoint(fails, NULL, NULL, 1, &y, 1));
        assert_error(CT_ERROR_NULL, "ct_checkpoint", "in");
        assert_false(ct_checkpoint(fails, NULL, &none, 1, &y, 1));
        assert_error(CT_ERROR_NULL, "ct_checkpoint", "in[]");
        assert_false(ct_checkpoint(fails, NULL, &x, 1, NULL, 1));
        assert_error(CT_ERROR_NULL, "ct_checkpoint", "out");
        assert_false(ct_checkpoint(fails, NULL, &x, 1, &y, 0));
        assert_error(CT_ERROR_VALUE, "ct_checkpoint", "0 outputs");
        assert_false(ct_checkpoint(fails, NULL, &x, 1, &y, 1));
        assert_error(CT_ERROR_NULL, "ct_checkpoint", "left output 1 unset");
        assert_false(ct_checkpoint(fails, &yes, &x, 1, &y, 1));
        assert_error(CT_ERROR_USER, "ct_checkpoint", "the function returned 3");
        assert_null(y);
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_the_same_to_the_last_bit),
        cmocka_unit_test(the_random_sequence_goes_on_as_if_nothing_was_computed_again),
        cmocka_unit_test(backward_collects_in_the_leaves),
        cmocka_unit_test(second_and_third_derivatives),
        cmocka_unit_test(transforms_go_through_it),
        cmocka_unit_test(checkpoints_may_be_nested),
        cmocka_unit_test(memory_falls_as_promised),
        cmocka_unit_test(what_was_computed_again_is_released_after_use),
        cmocka_unit_test(a_graph_that_is_never_swept_leaves_nothing),
        cmocka_unit_test(a_graph_may_be_swept_again_where_it_is_retained),
        cmocka_unit_test(a_sweep_may_stop_within_a_segment),
        cmocka_unit_test(hooks_stay_and_run_once),
        cmocka_unit_test(several_inputs_and_outputs),
        cmocka_unit_test(a_sweep_within_the_function),
        cmocka_unit_test(values_saved_by_a_custom_operation_come_back),
        cmocka_unit_test(values_for_the_rules_alone_come_back),
        cmocka_unit_test(without_recording_the_function_is_just_called),
        cmocka_unit_test(tensors_changed_since_are_an_error),
        cmocka_unit_test(a_function_that_does_something_else_is_an_error),
        cmocka_unit_test(arguments_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
