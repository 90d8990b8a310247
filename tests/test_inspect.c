/*
 * test_inspect.c - names, and the graph as data: what it says of each node, that looking changes nothing, how large it may be.
 */
#include "support.h"

static ct_tensor *leaf(ct_shape shape, ct_dtype dtype) { return ct_requires_grad(ct_ones(shape, dtype), true); }

/* Operands come first, indices are in range, shapes are those of the operands' nodes. */
static void check(const ct_graph *g)
{
    for (int i = 0; i < g->count; i++) {
        const ct_graph_node *n = &g->node[i];
        assert_true(n->leaf == (n->inputs == 0));
        assert_string_not_equal(n->operation, "");
        assert_true(n->outputs >= 1);
        int kept = n->kept_results;
        for (int k = 0; k < n->inputs; k++) {
            const ct_graph_input *x = &n->input[k];
            assert_true(x->node >= -1 && x->node < i);
            kept += x->kept;
            if (x->node < 0) continue;
            assert_ptr_equal(x->shape, &g->node[x->node].shape[x->output]);
        }
        assert_int_equal(kept, n->kept);
        assert_true(n->kept || n->kept_bytes == 0);
    }
    for (int i = 0; i < g->outputs; i++) assert_true(g->output[i].node < g->count);
}

static void assert_shape(const ct_shape *is, ct_shape expected)
{
    assert_non_null(is);
    assert_int_equal(is->rank, expected.rank);
    for (int i = 0; i < expected.rank; i++) assert_int_equal(is->dim[i], expected.dim[i]);
}

/* ---- names ---- */

static void names_are_set_replaced_and_taken_away(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = leaf(ct_shape(2), CT_F32), *x = ct_ones(ct_shape(2), CT_F32), *y = ct_mul(w, x);
        assert_null(ct_name_of(w));
        assert_ptr_equal(ct_set_name(w, "hidden.weight"), w);
        assert_string_equal(ct_name_of(w), "hidden.weight");
        assert_string_equal(ct_name_of(ct_alias(w)), "hidden.weight"); /* another handle of the same place */
        assert_non_null(ct_set_name(w, "w"));
        assert_string_equal(ct_name_of(w), "w");
        assert_non_null(ct_set_name(y, "y"));
        assert_string_equal(ct_name_of(y), "y");
        assert_null(ct_name_of(ct_detach(y)));
        assert_non_null(ct_set_name(w, NULL));
        assert_null(ct_name_of(w));
        assert_non_null(ct_set_name(y, ""));
        assert_null(ct_name_of(y));
        assert_non_null(ct_set_name(x, NULL)); /* nothing to take away */
        assert_null(ct_name_of(x));
    }
    assert_clean();
}

static void a_constant_may_have_a_name_and_stays_one(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = leaf(ct_shape(3), CT_F64), *x = ct_set_name(ct_ones(ct_shape(3), CT_F64), "x");
        assert_false(ct_needs_grad(x));
        assert_true(ct_fill_(x, 2));
        ct_tensor *y = ct_sum(ct_mul(w, x), CT_ALL, false);
        assert_true(ct_backward(y));
        assert_false(ct_has_grad(x));
        assert_non_null(ct_requires_grad(x, true)); /* and may become a leaf */
        assert_true(ct_backward(ct_sum(ct_mul(w, x), CT_ALL, false)));
        assert_true(ct_has_grad(x));
        assert_string_equal(ct_name_of(x), "x");
    }
    assert_clean();
}

static void long_names_are_copied(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        char name[5000];
        memset(name, 'a', sizeof name);
        name[sizeof name - 1] = 0;
        ct_tensor *w = leaf(ct_shape(), CT_F32);
        assert_non_null(ct_set_name(w, name));
        name[0] = 'b';
        assert_int_equal(strlen(ct_name_of(w)), sizeof name - 1);
        assert_int_equal(ct_name_of(w)[0], 'a');
    }
    assert_clean();
}

static void names_of_nothing_fail(void **state)
{
    (void)state;
    assert_null(ct_set_name(NULL, "x"));
    assert_error(CT_ERROR_NULL, "ct_set_name", "`t` is NULL");
    assert_null(ct_name_of(NULL));
    assert_non_null(ct_error());
    ct_clear_error();
    assert_clean();
}

/* Modules name their parameters by their paths, which grow as modules are adopted. */
static void parameters_of_modules_have_names(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_module *linear = ct_nn_linear(2, 3);
        assert_string_equal(ct_name_of(ct_module_find(linear, "weight")), "weight");
        ct_module *inner = ct_nn_sequential(ct_nn_tanh(), linear), *outer = ct_module_new("outer", NULL, 0);
        assert_string_equal(ct_name_of(ct_module_find(inner, "1.bias")), "1.bias");
        assert_non_null(ct_module_child(outer, "body", inner));
        assert_string_equal(ct_name_of(ct_module_find(outer, "body.1.bias")), "body.1.bias");
        assert_non_null(ct_module_parameter(linear, "late", ct_ones(ct_shape(), CT_F32)));
        assert_string_equal(ct_name_of(ct_module_find(outer, "body.1.late")), "body.1.late");
        assert_string_equal(ct_name_of(ct_module_find(outer, "body.1.weight")), "body.1.weight");
        ct_tensor *y = ct_forward(inner, ct_ones(ct_shape(1, 2), CT_F32));
        ct_graph *g = ct_graph_of(&y, 1);
        assert_non_null(g);
        check(g);
        assert_string_equal(g->node[0].name, "body.1.weight");
        assert_string_equal(g->node[1].name, "body.1.bias");
        ct_graph_free(g);
        ct_module_free(outer);
    }
    assert_clean();
}

/* ---- what it says of a node ---- */

static void a_small_graph_as_data(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = ct_set_name(leaf(ct_shape(3), CT_F64), "w"), *x = ct_ones(ct_shape(2, 3), CT_F64);
        const int line = __LINE__ + 1;
        ct_tensor *z = ct_tanh(ct_mul(x, w)), *y = ct_sum(z, ct_axes(0), false);
        ct_graph *g = ct_graph_of(&y, 1);
        assert_non_null(g);
        check(g);
        assert_int_equal(g->count, 5); /* w, expand, mul, tanh, sum */
        assert_int_equal(g->outputs, 1);
        assert_int_equal(g->output[0].node, 4);
        static const char *const operations[] = {"leaf", "expand", "mul", "tanh", "sum"};
        for (int i = 0; i < g->count; i++) {
            assert_string_equal(g->node[i].operation, operations[i]);
            assert_int_equal(g->node[i].dtype, CT_F64);
            assert_int_equal(g->node[i].outputs, 1);
            assert_shape(g->node[i].shape, i == 0 || i == 4 ? ct_shape(3) : ct_shape(2, 3));
            assert_false(g->node[i].released);
            if (i) assert_true(strstr(g->node[i].file, "test_inspect.c") && g->node[i].line == line);
        }
        assert_true(g->node[0].leaf && g->node[0].collects);
        assert_string_equal(g->node[0].name, "w");
        const ct_graph_node *mul = &g->node[2];
        assert_int_equal(mul->inputs, 2);
        assert_int_equal(mul->input[0].node, -1);
        assert_int_equal(mul->input[1].node, 1);
        assert_shape(mul->input[0].shape, ct_shape(2, 3));
        assert_int_equal(mul->kept, 2);
        assert_int_equal(mul->kept_results, 0);
        assert_int_equal(g->node[3].kept, 1);
        assert_int_equal(g->node[3].kept_results, 1);
        assert_int_equal(g->node[3].kept_bytes, 6 * (int)sizeof(double));
        assert_int_equal(g->kept_bytes, (6 + 3 + 6) * (int)sizeof(double)); /* x, w, the result of tanh */
        ct_graph_free(g);
    }
    assert_clean();
}

static void constants_are_described_as_far_as_they_are_known(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = leaf(ct_shape(4), CT_F32), *x = ct_set_name(ct_ones(ct_shape(4), CT_F32), "x");
        ct_tensor *half = ct_mul(w, ct_scalar(0.5)), *named = ct_mul(half, x);
        ct_tensor *unknown = ct_add(named, ct_ones(ct_shape(4), CT_F32));
        ct_tensor *picked = ct_index_select(unknown, 0, ct_of(ct_shape(2), CT_I64, 1, 3));
        ct_graph *g = ct_graph_of(&picked, 1);
        assert_non_null(g);
        check(g);
        assert_int_equal(g->count, 5);
        const ct_graph_input *constant = &g->node[1].input[1];
        assert_int_equal(constant->node, -1);
        assert_non_null(constant->value);
        assert_number(*constant->value, 0.5, 0);
        constant = &g->node[2].input[1];
        assert_string_equal(constant->name, "x");
        assert_null(constant->value);
        assert_shape(constant->shape, ct_shape(4));
        assert_null(g->node[3].input[1].shape); /* add keeps nothing */
        constant = &g->node[4].input[1];
        assert_true(constant->kept);
        assert_int_equal(constant->dtype, CT_I64);
        assert_shape(constant->shape, ct_shape(2));
        ct_graph_free(g);
    }
    assert_clean();
}

static void shapes_of_every_kind_are_known(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        const ct_shape shapes[] = {ct_shape(), ct_shape(0), ct_shape(0, 3), ct_shape(2, 3, 4, 5), ct_shape(2, 3, 4, 5, 6),
                                   ct_shape(1, 2, 1, 2, 1, 2, 1, 2)};
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
                CT_SCOPE;
                ct_tensor *y = ct_add(leaf(shapes[i], (ct_dtype)dtype), ct_scalar(1));
                ct_graph *g = ct_graph_of(&y, 1);
                assert_non_null(g);
                check(g);
                assert_shape(g->node[g->count - 1].shape, shapes[i]);
                assert_int_equal(g->node[g->count - 1].dtype, dtype);
                ct_graph_free(g);
            }
        }
        ct_tensor *wide = ct_expand(leaf(ct_shape(1, 1), CT_F32), ct_shape(2, 3000000000)); /* more than an int can count */
        ct_graph *g = ct_graph_of(&wide, 1);
        assert_non_null(g);
        assert_shape(g->node[1].shape, ct_shape(2, 3000000000));
        ct_graph_free(g);
    }
    assert_clean();
}

static void zero_derivatives_and_frozen_leaves_are_marked(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = leaf(ct_shape(2), CT_F32), *frozen = leaf(ct_shape(2), CT_F32);
        ct_tensor *y = ct_add(ct_sign(w), frozen);
        assert_non_null(ct_requires_grad(frozen, false));
        ct_graph *g = ct_graph_of(&y, 1);
        assert_non_null(g);
        check(g);
        assert_int_equal(g->count, 4); /* w, sign, frozen, add */
        assert_true(g->node[1].input[0].zero);
        assert_true(g->node[0].collects);
        assert_true(g->node[2].leaf && !g->node[2].collects);
        assert_false(g->node[3].input[0].zero || g->node[3].input[1].zero);
        ct_graph_free(g);
    }
    assert_clean();
}

/* ---- several outputs, several sweeps ---- */

static void outputs_share_what_is_behind_them(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = leaf(ct_shape(2), CT_F64), *h = ct_exp(w);
        ct_tensor *outputs[] = {ct_sin(h), ct_ones(ct_shape(), CT_F64), ct_cos(h), h, w, ct_alias(h)};
        ct_graph *g = ct_graph_of(outputs, 6);
        assert_non_null(g);
        check(g);
        assert_int_equal(g->count, 4); /* w, exp, sin, cos */
        static const int at[] = {2, -1, 3, 1, 0, 1};
        for (int i = 0; i < 6; i++) assert_int_equal(g->output[i].node, at[i]);
        ct_graph_free(g);
    }
    assert_clean();
}

static void what_a_sweep_released_is_said(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = leaf(ct_shape(2), CT_F64), *y = ct_sum(ct_exp(ct_square(w)), CT_ALL, false);
        assert_true(ct_backward_with(&y, NULL, 1, (ct_grad_options){.retain_graph = true}));
        ct_graph *g = ct_graph_of(&y, 1);
        assert_non_null(g);
        for (int i = 0; i < g->count; i++) assert_false(g->node[i].released);
        assert_true(g->kept_bytes > 0);
        ct_graph_free(g);
        assert_true(ct_backward(y));
        g = ct_graph_of(&y, 1);
        assert_non_null(g);
        check(g);
        assert_true(g->node[1].released && g->node[2].released); /* square kept w, exp its result */
        assert_false(g->node[3].released);                       /* sum kept nothing */
        assert_int_equal(g->kept_bytes, 0);
        assert_shape(g->node[2].shape, ct_shape(2)); /* known all the same */
        ct_graph_free(g);
    }
    assert_clean();
}

static void the_graph_of_a_gradient(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = leaf(ct_shape(), CT_F64), *y = ct_sin(ct_square(x));
        ct_tensor *first = ct_derivative(y, x, (ct_grad_options){.create_graph = true});
        ct_tensor *second = ct_derivative(first, x, (ct_grad_options){.create_graph = true});
        ct_tensor *outputs[] = {y, first, second};
        int before = 0;
        for (int i = 0; i < 3; i++) {
            ct_graph *g = ct_graph_of(&outputs[i], 1);
            assert_non_null(g);
            check(g);
            assert_true(g->count > before);
            for (int k = 0; k < g->count; k++) assert_non_null(g->node[k].file); /* also of those of the way back */
            before = g->count;
            ct_graph_free(g);
        }
    }
    assert_clean();
}

static void looking_changes_nothing(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = leaf(ct_shape(3), CT_F32), *y = ct_sum(ct_exp(ct_mul(w, w)), CT_ALL, false);
        const ct_counters counters = ct_count();
        const ct_memory_info memory = ct_memory();
        for (int i = 0; i < 3; i++) {
            ct_graph *g = ct_graph_of(&y, 1);
            assert_non_null(g);
            assert_int_equal(ct_memory().tensors, memory.tensors);
            ct_graph_free(g);
        }
        assert_int_equal(ct_count().operations, counters.operations);
        assert_int_equal(ct_count().nodes, counters.nodes);
        assert_int_equal(ct_memory().nodes, memory.nodes);
        assert_int_equal(ct_memory().bytes, memory.bytes);
        assert_true(ct_backward(y));
        assert_number(ct_get(ct_grad_of(w), ct_index(0)), 2 * exp(1), 1e-6);
    }
    assert_clean();
}

static void it_outlives_the_graph(void **state)
{
    (void)state;
    ct_graph *g;
    {
        CT_SCOPE;
        ct_tensor *w = ct_set_name(leaf(ct_shape(2, 2), CT_F32), "w"), *y = ct_matmul(w, w);
        ct_set_name(y, "product");
        g = ct_graph_of(&y, 1);
        assert_non_null(g);
    }
    assert_clean();
    check(g);
    assert_string_equal(g->node[0].name, "w");
    assert_string_equal(g->node[1].name, "product");
    assert_string_equal(g->node[1].operation, "matmul");
    assert_shape(g->node[1].shape, ct_shape(2, 2));
    ct_graph_free(g);
    ct_graph_free(NULL);
}

/* ---- custom operations and checkpoints ---- */

static int twice_and_sign(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    out[0] = ct_mul(c->in[0], ct_scalar(2));
    out[1] = ct_argmax(c->in[0], 0, true);
    saved[0] = ct_clone(c->in[0]);
    return 0;
}

static int twice_vjp(const ct_operation_call *c, ct_tensor *const *dy, ct_tensor **dx)
{
    (void)c;
    dx[0] = ct_mul(dy[0], ct_scalar(2));
    return 0;
}

static void operations_with_several_results(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        const ct_operation op = {.name = "inspect_twice", .inputs = "x", .outputs = "y, largest", .saved = 1,
                                 .forward = twice_and_sign, .vjp = twice_vjp};
        ct_tensor *w = leaf(ct_shape(5), CT_F32), *out[2];
        assert_true(ct_apply_all(ct_register(&op), &w, 1, NULL, out));
        ct_tensor *y = ct_sum(out[0], CT_ALL, false);
        ct_graph *g = ct_graph_of(&y, 1);
        assert_non_null(g);
        check(g);
        assert_string_equal(g->node[1].operation, "inspect_twice");
        assert_int_equal(g->node[1].outputs, 2); /* what it saved is none */
        assert_shape(&g->node[1].shape[0], ct_shape(5));
        assert_shape(&g->node[1].shape[1], ct_shape(1));
        ct_graph_free(g);
    }
    assert_clean();
}

static int two_layers(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    out[0] = ct_tanh(ct_exp(in[0]));
    return 0;
}

static void values_that_a_checkpoint_will_compute_again_are_not_released_ones(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = leaf(ct_shape(5), CT_F64), *y = NULL;
        assert_true(ct_checkpoint(two_layers, NULL, &w, 1, &y, 1));
        ct_graph *g = ct_graph_of(&y, 1);
        assert_non_null(g);
        check(g);
        for (int i = 0; i < g->count; i++) assert_false(g->node[i].released);
        ct_graph_free(g);
    }
    assert_clean();
}

/* ---- size ---- */

/* x + w + w + ... */
static ct_tensor *chain(int n)
{
    ct_tensor *x = ct_keep(leaf(ct_shape(), CT_F64)), *w = leaf(ct_shape(), CT_F64);
    for (int i = 0; i < n; i++) {
        CT_SCOPE;
        ct_tensor *y = ct_keep(ct_add(w, x));
        ct_free(x);
        x = y;
    }
    return x;
}

static void a_million_nodes_in_a_chain(void **state)
{
    (void)state;
    const int count = test_under_valgrind() ? 20000 : 1000000;
    {
        CT_SCOPE;
        ct_tensor *x = chain(count);
        ct_graph *g = ct_graph_of(&x, 1);
        assert_non_null(g);
        assert_int_equal(g->count, count + 2);
        assert_int_equal(g->node[g->count - 1].input[1].node, g->count - 2);
        ct_graph_free(g);
        ct_free(x);
    }
    assert_clean();
}

static void drawings_of_a_long_chain(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = chain(test_under_valgrind() ? 5000 : 100000);
        FILE *nowhere = fopen("/dev/null", "w");
        assert_non_null(nowhere);
        assert_true(ct_graph_print(&x, 1, nowhere));
        assert_true(ct_graph_draw(&x, 1, CT_GRAPH_FORWARD, nowhere));
        assert_true(ct_graph_draw(&x, 1, CT_GRAPH_BACKWARD, nowhere));
        assert_true(ct_graph_dot(&x, 1, CT_GRAPH_FORWARD, nowhere));
        assert_true(ct_graph_dot(&x, 1, CT_GRAPH_BACKWARD, nowhere));
        fclose(nowhere);
        ct_free(x);
    }
    assert_clean();
}

static void many_operands(void **state)
{
    (void)state;
    enum { N = 20000 };
    static ct_tensor *x[N];
    {
        CT_SCOPE;
        for (int i = 0; i < N; i++) x[i] = leaf(ct_shape(1), CT_F32);
        ct_tensor *y = ct_concat(x, N, 0);
        ct_graph *g = ct_graph_of(&y, 1);
        assert_non_null(g);
        check(g);
        assert_int_equal(g->count, N + 1);
        assert_int_equal(g->node[N].inputs, N);
        for (int i = 0; i < N; i++) assert_int_equal(g->node[N].input[i].node, i);
        ct_graph_free(g);
        FILE *nowhere = fopen("/dev/null", "w");
        assert_non_null(nowhere);
        assert_true(ct_graph_print(&y, 1, nowhere));
        assert_true(ct_graph_draw(&y, 1, CT_GRAPH_FORWARD, nowhere));
        assert_true(ct_graph_draw(&y, 1, CT_GRAPH_BACKWARD, nowhere));
        fclose(nowhere);
    }
    assert_clean();
}

/* ---- failing ---- */

static void what_has_no_graph_fails(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_ones(ct_shape(2), CT_F32), *w = leaf(ct_shape(2), CT_F32), *none[] = {w, NULL};
        assert_null(ct_graph_of(&x, 1));
        assert_error(CT_ERROR_GRAPH, "ct_graph_of", "f32 [2] does not depend on any tensor that needs a gradient");
        assert_null(ct_graph_of(NULL, 1));
        assert_error(CT_ERROR_NULL, "ct_graph_of", "`outputs` is NULL");
        assert_null(ct_graph_of(none, 2));
        assert_error(CT_ERROR_NULL, "ct_graph_of", "`outputs[]` is NULL");
        assert_null(ct_graph_of(&w, 0));
        assert_error(CT_ERROR_VALUE, "ct_graph_of", "0 outputs; expected at least 1");
        assert_false(ct_graph_print(&x, 1, stdout));
        assert_error(CT_ERROR_GRAPH, "ct_graph_print", "does not depend");
        assert_false(ct_graph_print(&w, 1, NULL));
        assert_error(CT_ERROR_NULL, "ct_graph_print", "`to` is NULL");
        ct_raise(CT_ERROR_USER, "mine", "something before");
        ct_graph *g = ct_graph_of(&w, 1); /* looking works while an error is pending */
        assert_non_null(g);
        ct_graph_free(g);
        ct_clear_error();
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_set_replaced_and_taken_away),
        cmocka_unit_test(a_constant_may_have_a_name_and_stays_one),
        cmocka_unit_test(long_names_are_copied),
        cmocka_unit_test(names_of_nothing_fail),
        cmocka_unit_test(parameters_of_modules_have_names),
        cmocka_unit_test(a_small_graph_as_data),
        cmocka_unit_test(constants_are_described_as_far_as_they_are_known),
        cmocka_unit_test(shapes_of_every_kind_are_known),
        cmocka_unit_test(zero_derivatives_and_frozen_leaves_are_marked),
        cmocka_unit_test(outputs_share_what_is_behind_them),
        cmocka_unit_test(what_a_sweep_released_is_said),
        cmocka_unit_test(the_graph_of_a_gradient),
        cmocka_unit_test(looking_changes_nothing),
        cmocka_unit_test(it_outlives_the_graph),
        cmocka_unit_test(operations_with_several_results),
        cmocka_unit_test(values_that_a_checkpoint_will_compute_again_are_not_released_ones),
        cmocka_unit_test(a_million_nodes_in_a_chain),
        cmocka_unit_test(drawings_of_a_long_chain),
        cmocka_unit_test(many_operands),
        cmocka_unit_test(what_has_no_graph_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
