/*
 * test_nn_module.c - modules: names and paths, who owns what, forward, modes, casts, the printed table.
 */
#include "support.h"

#include <stdlib.h>

static int begin(void **state)
{
    ct_seed(1);
    *state = (void *)(intptr_t)ct_scope_begin();
    return 0;
}

static int end(void **state)
{
    ct_scope_end((int)(intptr_t)*state);
    assert_clean();
    return 0;
}

/* ---- a module of the user's own ----------------------------------------------------------------------- */

static int freed; /* states released so far */

typedef struct scaler { /* y = x * gain + offset, with a counter that the state owns */
    ct_tensor *gain, *offset;
    int *calls;
} scaler;

static ct_tensor *scaler_forward(ct_module *self, ct_tensor *x)
{
    scaler *s = ct_module_state(self);
    ++*s->calls;
    return ct_add(ct_mul(x, s->gain), s->offset);
}

static void scaler_release(void *state)
{
    free(((scaler *)state)->calls);
    freed++;
}

static ct_module *scaler_new(double gain)
{
    ct_module *m = ct_module_new("scaler", scaler_forward, sizeof(scaler));
    scaler *s = ct_module_state(m);
    s->calls = calloc(1, sizeof *s->calls);
    ct_module_on_free(m, scaler_release);
    s->gain = ct_module_parameter(m, "gain", ct_of(ct_shape(1), CT_F32, gain));
    s->offset = ct_module_buffer(m, "offset", ct_of(ct_shape(1), CT_F32, 1));
    return m;
}

static ct_tensor *no_result(ct_module *self, ct_tensor *x) { return (void)self, (void)x, NULL; }
static ct_tensor *same_x(ct_module *self, ct_tensor *x) { return (void)self, x; }

static void state_is_zeroed_and_released(void **state)
{
    (void)state;
    ct_module *m = ct_module_new("own", same_x, 1000);
    const unsigned char *bytes = ct_module_state(m);
    for (int i = 0; i < 1000; i++) assert_int_equal(bytes[i], 0);
    assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
    assert_string_equal(ct_module_kind(m), "own");
    ct_module_free(m);
    m = ct_module_new("empty", same_x, 0);
    assert_non_null(ct_module_state(m));
    ct_module_free(m);
    freed = 0;
    ct_module_free(scaler_new(2));
    assert_int_equal(freed, 1);
    ct_module_free(NULL);
    assert_null(ct_module_new("huge", same_x, SIZE_MAX));
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_MEMORY, "ct_module_new", "huge");
}

static void forward_uses_the_state(void **state)
{
    (void)state;
    ct_module *m = scaler_new(3);
    ct_tensor *y = ct_forward(m, ct_of(ct_shape(2), CT_F32, 1, -2));
    assert_true(ct_equal(y, ct_of(ct_shape(2), CT_F32, 4, -5)));
    assert_true(ct_needs_grad(y));
    assert_int_equal(*((scaler *)ct_module_state(m))->calls, 1);
    assert_true(ct_backward(ct_sum(y, CT_ALL, false)));
    assert_float_equal(ct_item(ct_grad_of(ct_module_find(m, "gain"))), -1, 0);
    ct_module_free(m);
}

/* The graph and the results hold what they need of a module that is gone. */
static void results_outlive_the_module(void **state)
{
    (void)state;
    ct_module *m = scaler_new(3);
    ct_tensor *x = ct_requires_grad(ct_of(ct_shape(2), CT_F32, 1, -2), true);
    ct_tensor *y = ct_forward(m, x);
    ct_module_free(m);
    assert_true(ct_backward(ct_sum(y, CT_ALL, false)));
    assert_true(ct_equal(ct_grad_of(x), ct_of(ct_shape(2), CT_F32, 3, 3)));
}

static void forward_leaves_one_new_handle(void **state)
{
    (void)state;
    ct_module *m = scaler_new(3), *same = ct_module_new("same", same_x, 0);
    ct_tensor *x = ct_ones(ct_shape(4), CT_F32);
    CT_NO_GRAD;
    const int64_t before = ct_memory().tensors;
    assert_non_null(ct_forward(m, x));
    assert_int_equal(ct_memory().tensors, before + 1);
    ct_tensor *y = ct_forward(same, x); /* returns its argument: the caller gets a handle of its own all the same */
    assert_ptr_not_equal(y, x);
    ct_free(y);
    assert_true(ct_equal(x, ct_ones(ct_shape(4), CT_F32)));
    ct_module_free(m);
    ct_module_free(same);
}

static void forward_without_a_scope_gives_an_owned_result(void **state)
{
    ct_scope_end((int)(intptr_t)*state);
    ct_module *m = ct_nn_sequential(ct_nn_linear(3, 2), ct_nn_relu());
    ct_tensor *x = ct_ones(ct_shape(4, 3), CT_F32);
    ct_tensor *y = ct_forward(m, x);
    ct_free(x);
    ct_module_free(m);
    assert_int_equal(ct_dim(y, 1), 2);
    ct_free(y);
    *state = (void *)(intptr_t)ct_scope_begin();
}

static void forward_fails_with_a_name(void **state)
{
    (void)state;
    ct_tensor *x = ct_ones(ct_shape(4), CT_F32);
    ct_module *none = ct_module_new("mute", no_result, 0), *bare = ct_module_new("bare", NULL, 0);
    assert_null(ct_forward(none, x));
    assert_error(CT_ERROR_USER, "ct_forward", "mute returned NULL for x f32 [4]");
    assert_null(ct_forward(bare, x));
    assert_error(CT_ERROR_VALUE, "ct_forward", "bare has no forward function");
    assert_null(ct_forward(NULL, x));
    assert_error(CT_ERROR_NULL, "ct_forward", "module is NULL");
    assert_null(ct_forward(none, NULL));
    assert_error(CT_ERROR_NULL, "ct_forward", "x is NULL");
    ct_raise(CT_ERROR_USER, "mine", "the first one");
    assert_null(ct_forward(NULL, NULL));
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_USER, "mine", "the first one");
    ct_module_free(none);
    ct_module_free(bare);
}

/* ---- parameters and buffers --------------------------------------------------------------------------- */

static void parameters_are_copies_that_no_scope_ends(void **state)
{
    (void)state;
    ct_module *m = ct_module_new("own", NULL, 0);
    {
        CT_SCOPE;
        ct_tensor *start = ct_transpose(ct_of(ct_shape(2, 2), CT_F64, 1, 2, 3, 4));
        ct_tensor *p = ct_module_parameter(m, "p", start);
        assert_true(ct_needs_grad(p));
        assert_true(ct_is_contiguous(p));
        assert_true(ct_fill_(start, 9));
        ct_tensor *leaf = ct_requires_grad(ct_ones(ct_shape(2), CT_F32), true);
        ct_tensor *b = ct_module_buffer(m, "b", ct_add(leaf, leaf)); /* cut off the graph that made it */
        assert_false(ct_needs_grad(b));
        assert_non_null(ct_module_parameter(m, "q", ct_add(leaf, leaf)));
    }
    assert_true(ct_equal(ct_module_find(m, "p"), ct_of(ct_shape(2, 2), CT_F64, 1, 3, 2, 4)));
    assert_true(ct_equal(ct_module_find(m, "b"), ct_of(ct_shape(2), CT_F32, 2, 2)));
    assert_int_equal(ct_memory().nodes, 2); /* those of the two leaves */
    ct_module_free(m);
}

static void names_are_checked(void **state)
{
    (void)state;
    ct_module *m = scaler_new(1);
    ct_tensor *t = ct_ones(ct_shape(2), CT_F32);
    char longest[64], too_long[65];
    memset(longest, 'x', 63), longest[63] = 0;
    memset(too_long, 'x', 64), too_long[64] = 0;
    assert_non_null(ct_module_buffer(m, longest, t));
    assert_null(ct_module_parameter(m, too_long, t));
    assert_error(CT_ERROR_VALUE, "ct_module_parameter", "more than 63 characters");
    assert_null(ct_module_parameter(m, "", t));
    assert_error(CT_ERROR_VALUE, "ct_module_parameter", "empty");
    assert_null(ct_module_buffer(m, "a.b", t));
    assert_error(CT_ERROR_VALUE, "ct_module_buffer", "\"a.b\" has a dot");
    assert_null(ct_module_parameter(m, NULL, t));
    assert_error(CT_ERROR_NULL, "ct_module_parameter", "name is NULL");
    assert_null(ct_module_parameter(m, "offset", t));
    assert_error(CT_ERROR_VALUE, "ct_module_parameter", "scaler already has something named \"offset\"");
    assert_null(ct_module_child(m, "gain", ct_nn_relu()));
    assert_error(CT_ERROR_VALUE, "ct_module_child", "already has something named \"gain\"");
    assert_non_null(ct_module_child(m, "inner", ct_nn_relu()));
    assert_null(ct_module_buffer(m, "inner", t));
    assert_error(CT_ERROR_VALUE, "ct_module_buffer", "\"inner\"");
    assert_null(ct_module_parameter(m, "index", ct_arange(0, 3, 1, CT_I64)));
    assert_error(CT_ERROR_DTYPE, "ct_module_parameter", "\"index\" of scaler is i64 [3]; expected f32 or f64");
    assert_non_null(ct_module_buffer(m, "index", ct_arange(0, 3, 1, CT_I64)));
    assert_null(ct_module_parameter(m, "none", NULL));
    assert_error(CT_ERROR_NULL, "ct_module_parameter", "initial is NULL");
    assert_null(ct_module_buffer(NULL, "none", t));
    assert_error(CT_ERROR_NULL, "ct_module_buffer", "module is NULL");
    assert_int_equal(ct_module_parameters(m, NULL, 0), 1);
    ct_module_free(m);
}

/* ---- children ----------------------------------------------------------------------------------------- */

static void children_go_with_their_parent(void **state)
{
    (void)state;
    freed = 0;
    ct_module *outer = ct_module_new("outer", NULL, 0), *inner = scaler_new(1);
    assert_ptr_equal(ct_module_child(outer, "inner", inner), inner);
    ct_module_free(inner); /* the parent's: left alone */
    assert_int_equal(freed, 0);
    ct_module_free(outer);
    assert_int_equal(freed, 1);
}

static void children_are_taken_over_also_on_failure(void **state)
{
    (void)state;
    freed = 0;
    ct_module *outer = ct_module_new("outer", NULL, 0), *child = scaler_new(1);
    assert_null(ct_module_child(outer, "a.b", scaler_new(1)));
    assert_error(CT_ERROR_VALUE, "ct_module_child", "dot");
    assert_int_equal(freed, 1);
    assert_null(ct_module_child(NULL, "a", scaler_new(1)));
    assert_error(CT_ERROR_NULL, "ct_module_child", "module is NULL");
    assert_int_equal(freed, 2);
    assert_null(ct_module_child(outer, "a", NULL));
    assert_error(CT_ERROR_NULL, "ct_module_child", "child is NULL");
    assert_non_null(ct_module_child(outer, "a", child));
    assert_null(ct_module_child(outer, "b", child)); /* owned already: not freed */
    assert_error(CT_ERROR_VALUE, "ct_module_child", "scaler cannot be a child of outer: it already is one of outer");
    assert_null(ct_module_child(child, "loop", outer));
    assert_error(CT_ERROR_VALUE, "ct_module_child", "outer would be a child of itself");
    assert_null(ct_module_child(outer, "self", outer));
    assert_error(CT_ERROR_VALUE, "ct_module_child", "a child of itself");
    assert_int_equal(freed, 2);
    ct_module_free(outer);
    assert_int_equal(freed, 3);
}

static void a_failing_container_frees_all_its_children(void **state)
{
    (void)state;
    freed = 0;
    assert_null(ct_nn_sequential(scaler_new(1), NULL, scaler_new(2), scaler_new(3)));
    assert_error(CT_ERROR_NULL, "ct_nn_sequential", "child 1 of 4 is NULL");
    assert_int_equal(freed, 3);
    ct_module *twice = scaler_new(1);
    assert_null(ct_nn_sequential(twice, scaler_new(2), twice));
    assert_error(CT_ERROR_VALUE, "ct_module_child", "already is one of sequential");
    assert_int_equal(freed, 5);
    assert_null(ct_nn_sequential(scaler_new(1), ct_nn_linear(0, 3), scaler_new(2)));
    assert_error(CT_ERROR_SHAPE, "ct_nn_linear", "in is 0");
    assert_int_equal(freed, 7);
    ct_module *net = ct_nn_sequential(scaler_new(1)), *child = net;
    assert_null(ct_nn_sequential_of(&child, -1));
    assert_error(CT_ERROR_VALUE, "ct_nn_sequential", "count is -1");
    assert_null(ct_nn_sequential_of(NULL, 1));
    assert_error(CT_ERROR_NULL, "ct_nn_sequential", "children is NULL");
    assert_null(ct_nn_sequential_list(NULL));
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_NULL, "ct_nn_sequential", "children is NULL");
    ct_module_free(net);
}

static void the_tree_is_bounded(void **state)
{
    (void)state;
    ct_module *m = ct_module_new("leaf", NULL, 0);
    ct_module_parameter(m, "p", ct_ones(ct_shape(1), CT_F32));
    char name[64], path[4096] = "";
    memset(name, 'n', 63), name[63] = 0;
    for (int i = 0; i < 63; i++) {
        ct_module *outer = ct_module_new("outer", NULL, 0);
        assert_non_null(ct_module_child(outer, name, m));
        m = outer;
        strcat(strcat(path, name), ".");
    }
    assert_non_null(ct_module_find(m, strcat(path, "p")));
    ct_module *top = ct_module_new("top", NULL, 0);
    assert_null(ct_module_child(top, "m", m)); /* frees it */
    assert_error(CT_ERROR_VALUE, "ct_module_child", "65 deep; at most 64");
    ct_module *inner = ct_module_new("inner", NULL, 0);
    for (int i = 0; i < 63; i++) { /* from above: the depth of the parent counts too */
        ct_module *outer = inner;
        inner = ct_module_child(outer, "m", ct_module_new("inner", NULL, 0));
        if (i == 0) assert_non_null(ct_module_child(top, "m", outer));
        if (inner) continue;
        assert_int_equal(i, 62);
        assert_error(CT_ERROR_VALUE, "ct_module_child", "65 deep");
    }
    ct_module_free(top);
}

static void the_end_mark_is_no_module_to_use(void **state)
{
    (void)state;
    assert_null(ct_forward(ct_nn_end(), ct_ones(ct_shape(1), CT_F32)));
    assert_error(CT_ERROR_VALUE, "ct_forward", "end of list has no forward function");
    ct_module *m = ct_module_new("own", NULL, 0);
    assert_null(ct_module_child(m, "end", ct_nn_end()));
    assert_error(CT_ERROR_VALUE, "ct_module_child", "end of list cannot be a child");
    ct_module_free(ct_nn_end());
    ct_module_free(m);
}

/* ---- questions ---------------------------------------------------------------------------------------- */

/* a tree of three levels: {w, b(buffer), first: scaler, deep: {scaler}} */
static ct_module *tree(void)
{
    ct_module *m = ct_module_new("tree", NULL, 0), *deep = ct_module_new("deep", NULL, 0);
    ct_module_parameter(m, "w", ct_ones(ct_shape(2, 3), CT_F32));
    ct_module_child(m, "first", scaler_new(1));
    ct_module_child(deep, "last", scaler_new(2));
    ct_module_child(m, "deep", deep);
    ct_module_buffer(m, "b", ct_zeros(ct_shape(), CT_I32));
    return m;
}

typedef struct listing {
    char text[512];
    int left;
} listing;

static bool list_entry(const char *path, ct_tensor *t, bool is_parameter, void *context)
{
    listing *l = context;
    assert_non_null(t);
    strcat(strcat(l->text, is_parameter ? "+" : "-"), path);
    return --l->left > 0;
}

static void paths_and_order(void **state)
{
    (void)state;
    ct_module *m = tree();
    listing all = {.left = 100}, two = {.left = 2};
    assert_true(ct_module_visit(m, list_entry, &all));
    assert_string_equal(all.text, "+w-b+first.gain-first.offset+deep.last.gain-deep.last.offset");
    assert_false(ct_module_visit(m, list_entry, &two));
    assert_string_equal(two.text, "+w-b");
    ct_tensor *p[3] = {NULL, NULL, NULL};
    assert_int_equal(ct_module_parameters(m, p, 2), 3);
    assert_null(p[2]);
    assert_int_equal(ct_module_parameters(m, p, 3), 3);
    assert_ptr_equal(p[0], ct_module_find(m, "w"));
    assert_ptr_equal(p[1], ct_module_find(m, "first.gain"));
    assert_ptr_equal(p[2], ct_module_find(m, "deep.last.gain"));
    assert_int_equal(ct_dtype_of(ct_module_find(m, "b")), CT_I32);
    assert_int_equal(ct_module_count(m), 8);
    assert_null(ct_module_find(m, "deep.last.gian"));
    assert_error(CT_ERROR_VALUE, "ct_module_find", "tree has no parameter or buffer \"deep.last.gian\"; it has w, b, first.gain");
    assert_null(ct_module_find(m, "deep"));
    assert_error(CT_ERROR_VALUE, "ct_module_find", "\"deep\"");
    ct_module_free(m);
    m = ct_nn_relu();
    assert_int_equal(ct_module_parameters(m, NULL, 0), 0);
    assert_int_equal(ct_module_count(m), 0);
    assert_null(ct_module_find(m, "weight"));
    assert_error(CT_ERROR_VALUE, "ct_module_find", "it has none");
    ct_module_free(m);
}

#define assert_null_error(call, operation, part)                                                                       \
    do {                                                                                                               \
        (void)(call);                                                                                                  \
        ct_here_error(CT_HERE);                                                                                        \
        assert_error(CT_ERROR_NULL, operation, part);                                                                  \
    } while (0)

static void null_is_told_by_name(void **state)
{
    (void)state;
    ct_module *m = ct_nn_relu();
    assert_null_error(ct_module_new(NULL, same_x, 0), "ct_module_new", "kind is NULL");
    assert_null_error(ct_module_state(NULL), "ct_module_state", "module is NULL");
    assert_null_error(ct_module_on_free(NULL, scaler_release), "ct_module_on_free", "module is NULL");
    assert_null_error(ct_module_train(NULL, true), "ct_module_train", "module is NULL");
    assert_null_error(ct_module_training(NULL), "ct_module_training", "module is NULL");
    assert_null_error(ct_module_requires_grad(NULL, true), "ct_module_requires_grad", "module is NULL");
    assert_null_error(ct_module_cast(NULL, CT_F64), "ct_module_cast", "module is NULL");
    assert_null_error(ct_module_parameters(NULL, NULL, 0), "ct_module_parameters", "module is NULL");
    assert_null_error(ct_module_find(NULL, "x"), "ct_module_find", "module is NULL");
    assert_null_error(ct_module_find(m, NULL), "ct_module_find", "path is NULL");
    assert_null_error(ct_module_kind(NULL), "ct_module_kind", "module is NULL");
    assert_null_error(ct_module_count(NULL), "ct_module_count", "module is NULL");
    assert_null_error(ct_module_visit(NULL, list_entry, NULL), "ct_module_visit", "module is NULL");
    assert_null_error(ct_module_visit(m, NULL, NULL), "ct_module_visit", "visit is NULL");
    assert_null_error(ct_module_print(NULL, m), "ct_module_print", "to is NULL");
    assert_null_error(ct_module_print(stderr, NULL), "ct_module_print", "module is NULL");
    ct_module_free(m);
}

/* ---- changes to a tree -------------------------------------------------------------------------------- */

static void modes_reach_every_level(void **state)
{
    (void)state;
    ct_module *drop = ct_nn_dropout(0.5);
    ct_module *m = ct_nn_sequential(ct_nn_sequential(drop));
    assert_true(ct_module_training(drop));
    ct_module_train(m, false);
    assert_false(ct_module_training(drop));
    assert_false(ct_module_training(m));
    ct_module_train(m, true);
    assert_true(ct_module_training(drop));
    ct_module_free(m);
}

static void frozen_parameters(void **state)
{
    (void)state;
    ct_module *m = tree();
    assert_true(ct_module_requires_grad(m, false));
    assert_int_equal(ct_module_count(m), 0);
    assert_false(ct_needs_grad(ct_module_find(m, "deep.last.gain")));
    assert_true(ct_module_requires_grad(m, true));
    assert_true(ct_needs_grad(ct_module_find(m, "deep.last.gain")));
    assert_false(ct_needs_grad(ct_module_find(m, "deep.last.offset")));
    assert_int_equal(ct_module_count(m), 8);
    ct_raise(CT_ERROR_USER, "mine", "pending");
    assert_false(ct_module_requires_grad(m, false));
    ct_clear_error();
    assert_int_equal(ct_module_count(m), 8);
    ct_module_free(m);
}

static void a_cast_reaches_the_handles_in_states(void **state)
{
    (void)state;
    ct_module *m = ct_nn_sequential(scaler_new(3), ct_nn_linear(2, 2));
    ct_tensor *w = ct_cast(ct_module_find(m, "1.weight"), CT_F64);
    assert_true(ct_requires_grad(ct_module_find(m, "0.gain"), false));
    assert_non_null(ct_module_buffer(m, "index", ct_arange(0, 3, 1, CT_I32)));
    assert_true(ct_module_cast(m, CT_F64));
    assert_int_equal(ct_dtype_of(ct_module_find(m, "index")), CT_I32);
    assert_int_equal(ct_dtype_of(ct_module_find(m, "0.offset")), CT_F64);
    assert_true(ct_equal(ct_module_find(m, "1.weight"), ct_detach(w)));
    assert_true(ct_needs_grad(ct_module_find(m, "1.weight")));
    assert_false(ct_needs_grad(ct_module_find(m, "0.gain")));
    assert_false(ct_needs_grad(ct_module_find(m, "0.offset")));
    ct_tensor *y = ct_forward(m, ct_ones(ct_shape(5, 2), CT_F64));
    assert_int_equal(ct_dtype_of(y), CT_F64);
    assert_true(ct_backward(ct_sum(y, CT_ALL, false)));
    assert_true(ct_equal(ct_grad_of(ct_module_find(m, "1.weight")), ct_full(ct_shape(2, 2), 20, CT_F64)));
    ct_tensor *same = ct_module_find(m, "1.weight");
    assert_true(ct_module_cast(m, CT_F64)); /* nothing to do: handles stay */
    assert_ptr_equal(ct_module_find(m, "1.weight"), same);
    assert_false(ct_module_cast(m, CT_I64));
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_DTYPE, "ct_module_cast", "cast to i64: expected f32 or f64");
    assert_false(ct_module_cast(m, (ct_dtype)77));
    ct_here_error(CT_HERE);
    assert_error(CT_ERROR_DTYPE, "ct_module_cast", "no dtype");
    ct_raise(CT_ERROR_USER, "mine", "pending");
    assert_false(ct_module_cast(m, CT_F32));
    ct_clear_error();
    assert_int_equal(ct_dtype_of(ct_module_find(m, "0.offset")), CT_F64);
    ct_module_free(m);
}

/* ---- printing ----------------------------------------------------------------------------------------- */

static void the_table(void **state)
{
    (void)state;
    ct_module *m = ct_nn_sequential(ct_nn_linear(784, 128), ct_nn_relu(), scaler_new(1));
    ct_requires_grad(ct_module_find(m, "2.gain"), false);
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_true(ct_module_print(f, m));
    char text[2048] = "";
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    assert_string_equal(text, "path      kind        shape       dtype  values\n"
                              "-----------------------------------------------\n"
                              "          sequential\n"
                              "0         linear\n"
                              "0.weight  parameter   [784, 128]  f32    100352\n"
                              "0.bias    parameter   [128]       f32       128\n"
                              "1         relu\n"
                              "2         scaler\n"
                              "2.gain    frozen      [1]         f32         1\n"
                              "2.offset  buffer      [1]         f32         1\n"
                              "-----------------------------------------------\n"
                              "100481 parameters, 100480 trained; 1 values in buffers; 401928 bytes\n");
    f = fopen("/dev/full", "w");
    if (f) {
        setvbuf(f, NULL, _IONBF, 0);
        assert_false(ct_module_print(f, m));
        fclose(f);
        ct_here_error(CT_HERE);
        assert_error(CT_ERROR_FILE, "ct_module_print", "sequential");
    }
    ct_module_free(m);
}

#define scoped_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        scoped_test(state_is_zeroed_and_released),
        scoped_test(forward_uses_the_state),
        scoped_test(results_outlive_the_module),
        scoped_test(forward_leaves_one_new_handle),
        scoped_test(forward_without_a_scope_gives_an_owned_result),
        scoped_test(forward_fails_with_a_name),
        scoped_test(parameters_are_copies_that_no_scope_ends),
        scoped_test(names_are_checked),
        scoped_test(children_go_with_their_parent),
        scoped_test(children_are_taken_over_also_on_failure),
        scoped_test(a_failing_container_frees_all_its_children),
        scoped_test(the_tree_is_bounded),
        scoped_test(the_end_mark_is_no_module_to_use),
        scoped_test(paths_and_order),
        scoped_test(null_is_told_by_name),
        scoped_test(modes_reach_every_level),
        scoped_test(frozen_parameters),
        scoped_test(a_cast_reaches_the_handles_in_states),
        scoped_test(the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
