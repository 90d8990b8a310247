/*
 * test_draw.c - lists and drawings against the texts they should be; that names and places are written as they must be; errors.
 *
 * Operations are called as (ct_mul)(a, b), without the macros that note the line, so that the texts do not change with this file.
 */
#include "support.h"

#include <stdlib.h>

static ct_tensor *leaf(ct_shape shape, const char *name)
{
    ct_tensor *t = (ct_requires_grad)((ct_ones)(shape, CT_F32), true);
    return name ? (ct_set_name)(t, name) : t;
}

typedef enum { LIST, DRAW_FORWARD, DRAW_BACKWARD, DOT_FORWARD, DOT_BACKWARD } what;

static bool write_to(FILE *to, what what, ct_tensor *const *outputs, int count)
{
    switch (what) {
    case LIST: return ct_graph_print(outputs, count, to);
    case DRAW_FORWARD: return ct_graph_draw(outputs, count, CT_GRAPH_FORWARD, to);
    case DRAW_BACKWARD: return ct_graph_draw(outputs, count, CT_GRAPH_BACKWARD, to);
    case DOT_FORWARD: return ct_graph_dot(outputs, count, CT_GRAPH_FORWARD, to);
    default: return ct_graph_dot(outputs, count, CT_GRAPH_BACKWARD, to);
    }
}

/* What is written; to be freed. */
static char *written(what what, ct_tensor *const *outputs, int count)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    const bool ok = write_to(to, what, outputs, count);
    fclose(to);
    assert_true(ok);
    return text;
}

static void assert_written(what what, ct_tensor *const *outputs, int count, const char *expected)
{
    char *text = written(what, outputs, count);
    if (strcmp(text, expected) != 0) print_error("expected\n%sis\n%s", expected, text);
    assert_string_equal(text, expected);
    free(text);
}

/* ---- a small network ---- */

/* 2 -> 4 -> 1 with tanh, and the mean squared error. */
static ct_tensor *network(void)
{
    ct_tensor *x = (ct_set_name)((ct_ones)(ct_shape(8, 2), CT_F32), "x"), *target = (ct_ones)(ct_shape(8, 1), CT_F32);
    ct_tensor *w1 = leaf(ct_shape(2, 4), "W1"), *b1 = leaf(ct_shape(4), "b1");
    ct_tensor *w2 = leaf(ct_shape(4, 1), "W2"), *b2 = leaf(ct_shape(1), "b2");
    ct_tensor *h = (ct_set_name)((ct_tanh)((ct_affine)(x, w1, b1)), "h");
    return (ct_mean)((ct_square)((ct_sub)((ct_affine)(h, w2, b2), target)), CT_ALL, false);
}

static void list_of_a_network(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *loss = network();
        assert_written(LIST, &loss, 1,
                       "#  operation          name  result      keeps         place\n"
                       "0  leaf               W1    f32 [2, 4]\n"
                       "1  leaf               b1    f32 [4]\n"
                       "2  affine(x, W1, b1)        f32 [8, 4]  2, 96 bytes\n"
                       "3  tanh(#2)           h     f32 [8, 4]  1, 128 bytes\n"
                       "4  leaf               W2    f32 [4, 1]\n"
                       "5  leaf               b2    f32 [1]\n"
                       "6  affine(h, W2, b2)        f32 [8, 1]  2, 144 bytes\n"
                       "7  sub(#6, constant)        f32 [8, 1]\n"
                       "8  square(#7)               f32 [8, 1]  1, 32 bytes\n"
                       "9  mean(#8)                 f32 []\n"
                       "6 operations, 4 leaves with 17 values; 272 bytes kept for the way back\n");
    }
    assert_clean();
}

static void drawing_of_a_network(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *loss = network();
        assert_written(DRAW_FORWARD, &loss, 1,
                       "○      W1                      f32 [2, 4]\n"
                       "│ ○    b1                      f32 [4]\n"
                       "●─╯    #2 = affine(x, W1, b1)  f32 [8, 4]    keeps x, W1\n"
                       "●      h = tanh(#2)            f32 [8, 4]    keeps its result\n"
                       "│ ○    W2                      f32 [4, 1]\n"
                       "│ │ ○  b2                      f32 [1]\n"
                       "●─┴─╯  #6 = affine(h, W2, b2)  f32 [8, 1]    keeps h, W2\n"
                       "●      #7 = sub(#6, constant)  f32 [8, 1]\n"
                       "●      #8 = square(#7)         f32 [8, 1]    keeps #7\n"
                       "●      #9 = mean(#8)           f32 []\n");
        assert_written(DRAW_BACKWARD, &loss, 1,
                       "○    cotangent of #9                    f32 []\n"
                       "●    derivative of mean by #8           f32 []\n"
                       "●    derivative of square by #7         f32 [8, 1]    dx = g * (2 * x)\n"
                       "●    derivative of sub by #6            f32 [8, 1]    dx = g\n"
                       "●    derivative of affine by h, W2, b2  f32 [8, 1]\n"
                       "├─■  gradient of b2                     f32 [1]       collected\n"
                       "├─■  gradient of W2                     f32 [4, 1]    collected\n"
                       "●    derivative of tanh by #2           f32 [8, 4]    dx = g * ((1 + y) * (1 - y))\n"
                       "●    derivative of affine by W1, b1     f32 [8, 4]\n"
                       "├─■  gradient of b1                     f32 [4]       collected\n"
                       "■    gradient of W1                     f32 [2, 4]    collected\n");
    }
    assert_clean();
}

/* ---- values used several times ---- */

/* y = (a b) b + exp(a - b), b = a^2 */
static ct_tensor *tangle(void)
{
    ct_tensor *a = leaf(ct_shape(2), "a"), *b = (ct_square)(a);
    return (ct_add)((ct_mul)((ct_mul)(a, b), b), (ct_exp)((ct_sub)(a, b)));
}

static void ways_fork_and_meet(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *y = tangle();
        assert_written(DRAW_FORWARD, &y, 1,
                       "○      a                 f32 [2]\n"
                       "├─●    #1 = square(a)    f32 [2]    keeps a\n"
                       "├─┼─●  #2 = mul(a, #1)   f32 [2]    keeps a, #1\n"
                       "│ ├─●  #3 = mul(#2, #1)  f32 [2]    keeps #2, #1\n"
                       "●─╯ │  #4 = sub(a, #1)   f32 [2]\n"
                       "●   │  #5 = exp(#4)      f32 [2]    keeps its result\n"
                       "●───╯  #6 = add(#3, #5)  f32 [2]\n");
        assert_written(DRAW_BACKWARD, &y, 1,
                       "○      cotangent of #6              f32 [2]\n"
                       "●      derivative of add by #3, #5  f32 [2]    dx = g, dy = g\n"
                       "├─●    derivative of exp by #4      f32 [2]    dx = g * y\n"
                       "│ ●    derivative of sub by a, #1   f32 [2]    dx = g, dy = -g\n"
                       "● │    derivative of mul by #2, #1  f32 [2]    dx = g * y, dy = g * x\n"
                       "├─│─●  derivative of mul by a, #1   f32 [2]    dx = g * y, dy = g * x\n"
                       "+─┼─┤  sum of 3 gradients of #1     f32 [2]\n"
                       "● │ │  derivative of square by a    f32 [2]    dx = g * (2 * x)\n"
                       "+─┴─╯  sum of 3 gradients of a      f32 [2]\n"
                       "■      gradient of a                f32 [2]    collected\n");
    }
    assert_clean();
}

static void one_value_twice_in_one_operation(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *a = leaf(ct_shape(), NULL), *y = (ct_mul)(a, a);
        assert_written(DRAW_FORWARD, &y, 1,
                       "○  #0                f32 []\n"
                       "●  #1 = mul(#0, #0)  f32 []    keeps #0, #0\n");
        assert_written(DRAW_BACKWARD, &y, 1,
                       "○  cotangent of #1              f32 []\n"
                       "●  derivative of mul by #0, #0  f32 []    dx = g * y, dy = g * x\n"
                       "+  sum of 2 gradients of #0     f32 []\n"
                       "■  gradient of #0               f32 []    collected\n");
        assert_written(DRAW_FORWARD, &a, 1, "○  #0  f32 []\n"); /* a leaf alone */
    }
    assert_clean();
}

static void several_outputs_zeros_and_frozen_leaves(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *a = leaf(ct_shape(2), "a"), *b = leaf(ct_shape(2), "b"), *outputs[] = {(ct_sign)(a), (ct_mul)(a, b)};
        (ct_requires_grad)(b, false);
        assert_written(DRAW_FORWARD, outputs, 2,
                       "○    a               f32 [2]\n"
                       "├─●  #1 = sign(a)    f32 [2]\n"
                       "│ ○  b               f32 [2]\n"
                       "●─╯  #3 = mul(a, b)  f32 [2]    keeps a, b\n");
        assert_written(DRAW_BACKWARD, outputs, 2,
                       "○      cotangent of #1                 f32 [2]\n"
                       "│ ○    cotangent of #3                 f32 [2]\n"
                       "│ ●    derivative of mul by a, b       f32 [2]    dx = g * y, dy = g * x\n"
                       "│ ├─■  gradient of b                   f32 [2]    not collected\n"
                       "● │    derivative of sign by a (zero)  f32 [2]\n"
                       "■─╯    gradient of a                   f32 [2]    collected\n");
    }
    assert_clean();
}

static void values_that_were_released(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *a = leaf(ct_shape(), "a"), *y = (ct_exp)((ct_square)(a));
        assert_true(ct_backward(y));
        assert_written(DRAW_FORWARD, &y, 1,
                       "○  a               f32 []\n"
                       "●  #1 = square(a)  f32 []    released\n"
                       "●  #2 = exp(#1)    f32 []    released\n");
    }
    assert_clean();
}

/* Formulas are those that are computed, without what is obvious; long ones are left out. */
static void formulas_of_derivatives(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *a = leaf(ct_shape(), "a"), *b = leaf(ct_shape(), "b");
        const struct {
            ct_tensor *y;
            const char *formula;
        } rows[] = {
            {(ct_asin)(a), "dx = g * rsqrt((1 - x) * (1 + x))"},
            {(ct_sigmoid)(a), "dx = g * (y * (1 - y))"},
            {(ct_cos)(a), "dx = g * -sin(x)"},
            {(ct_neg)(a), "dx = -g"},
            {(ct_leaky_relu)(a, 0.1), "dx = g * ((x <= 0) ? p0 : sign(x))"},
            {(ct_div)(a, b), "dx = g * (1 / y), dy = g * -(z / y)"},
            {(ct_logaddexp)(a, b), "dx = g * sigmoid(x - y), dy = g * sigmoid(y - x)"},
            {(ct_sub)((ct_detach)(a), b), "dy = -g"},
        };
        char expected[120];
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            char *text = written(DRAW_BACKWARD, &rows[i].y, 1);
            snprintf(expected, sizeof expected, "  %s\n", rows[i].formula);
            if (!strstr(text, expected)) print_error("%sshould have%s", text, expected);
            assert_non_null(strstr(text, expected));
            free(text);
        }
        ct_tensor *long_one = (ct_gelu_tanh)(a);
        char *text = written(DRAW_BACKWARD, &long_one, 1);
        assert_null(strstr(text, "dx ="));
        free(text);
        ct_graph *g = ct_graph_of(&long_one, 1);
        assert_non_null(g->node[1].input[0].slope); /* as data it is there */
        ct_graph_free(g);
    }
    assert_clean();
}

/* ---- DOT ---- */

#define DOT_HEAD(name, way)                                                                                            \
    "digraph " name " {\n    rankdir=" way ";\n    node [fontname=\"Helvetica\", fontsize=11];\n"                        \
    "    edge [fontname=\"Helvetica\", fontsize=9];\n"

static void dot_of_a_product(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = leaf(ct_shape(3), "w"), *x = (ct_set_name)((ct_ones)(ct_shape(3), CT_F32), "x");
        ct_tensor *y = (ct_exp)((ct_mul)(w, x));
        assert_written(DOT_FORWARD, &y, 1,
                       DOT_HEAD("forward", "TB")
                       "    n0 [shape=box, style=filled, fillcolor=\"#e4eef8\", label=\"w\\nf32 [3]\"];\n"
                       "    n1 [shape=ellipse, label=\"mul\\nf32 [3]\\nkeeps w, x\"];\n"
                       "    n2 [shape=ellipse, penwidth=2.5, peripheries=2, label=\"exp\\nf32 [3]\\nkeeps its result\"];\n"
                       "    n0 -> n1 [label=\"1\", penwidth=2.5];\n"
                       "    c1_1 [shape=plaintext, label=\"x\"];\n"
                       "    c1_1 -> n1 [color=gray50, penwidth=2.5];\n"
                       "    n1 -> n2 [penwidth=1];\n"
                       "}\n");
        assert_written(DOT_BACKWARD, &y, 1,
                       DOT_HEAD("backward", "BT")
                       "    n0 [shape=plaintext, peripheries=2, label=\"cotangent\\nf32 [3]\"];\n"
                       "    n1 [shape=ellipse, label=\"derivative of exp\\nf32 [3]\\ndx = g * y\"];\n"
                       "    n2 [shape=ellipse, label=\"derivative of mul\\nf32 [3]\\ndx = g * y\"];\n"
                       "    n3 [shape=box, style=filled, fillcolor=\"#fbe9d7\", label=\"gradient of w\\nf32 [3]\"];\n"
                       "    n0 -> n1 [penwidth=1];\n"
                       "    n1 -> n2 [penwidth=1];\n"
                       "    n2 -> n3 [label=\"by operand 1\", penwidth=1];\n"
                       "}\n");
    }
    assert_clean();
}

static void places_are_written_without_their_folders(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = leaf(ct_shape(), "w");
        const int line = __LINE__ + 1;
        ct_tensor *y = ct_exp(w);
        char part[64];
        char *text = written(DOT_FORWARD, &y, 1);
        snprintf(part, sizeof part, "label=\"exp\\nf32 []\\ntest_draw.c:%d\\n", line);
        assert_non_null(strstr(text, part));
        free(text);
        text = written(DRAW_BACKWARD, &y, 1);
        snprintf(part, sizeof part, "derivative of exp by w  f32 []  test_draw.c:%d  dx = g * y\n", line);
        assert_non_null(strstr(text, part));
        free(text);
    }
    assert_clean();
}

/* Labels hold any name, and a DOT reader can tell where they end. */
static void names_of_all_kinds(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = leaf(ct_shape(), "say \"w\" \\ \n\t{a|b}<c>"), *k = leaf(ct_shape(), "größe");
        ct_tensor *y = (ct_add)(w, k);
        assert_written(DOT_FORWARD, &y, 1,
                       DOT_HEAD("forward", "TB")
                       "    n0 [shape=box, style=filled, fillcolor=\"#e4eef8\", "
                       "label=\"say \\\"w\\\" \\\\   {a|b}<c>\\nf32 []\"];\n"
                       "    n1 [shape=box, style=filled, fillcolor=\"#e4eef8\", label=\"größe\\nf32 []\"];\n"
                       "    n2 [shape=ellipse, peripheries=2, label=\"add\\nf32 []\"];\n"
                       "    n0 -> n2 [label=\"1\", penwidth=1];\n"
                       "    n1 -> n2 [label=\"2\", penwidth=1];\n"
                       "}\n");
        char *text = written(DRAW_FORWARD, &k, 1);
        assert_string_equal(text, "○  größe  f32 []\n");
        free(text);
        char name[2000];
        memset(name, 'n', sizeof name);
        name[sizeof name - 1] = 0;
        ct_set_name(k, name);
        for (int i = LIST; i <= DOT_BACKWARD; i++) { /* cut, and said to be */
            text = written((what)i, &y, 1);
            assert_non_null(strstr(text, "nnn..."));
            free(text);
        }
    }
    assert_clean();
}

/* Where Graphviz is installed, it reads what is written. */
static void graphviz_accepts_it(void **state)
{
    (void)state;
    if (system("dot -V >/dev/null 2>&1") != 0) return;
    {
        CT_SCOPE;
        ct_tensor *loss = network(), *y = tangle();
        ct_tensor *named = ct_set_name((ct_exp)(leaf(ct_shape(), "say \"w\" \\ \n{a|b}<c>")), "größe");
        ct_tensor *outputs[] = {loss, y, named};
        for (int i = DOT_FORWARD; i <= DOT_BACKWARD; i++) {
            FILE *dot = popen("dot -Tsvg >/dev/null 2>&1", "w");
            assert_non_null(dot);
            assert_true(write_to(dot, (what)i, outputs, 3));
            assert_int_equal(pclose(dot), 0);
        }
    }
    assert_clean();
}

/* ---- graphs of derivatives, wide graphs ---- */

static void higher_orders_and_wide_graphs(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = leaf(ct_shape(3), "x"), *y = (ct_sum)((ct_sin)((ct_square)(x)), CT_ALL, false), *many[100];
        ct_tensor *slope = ct_derivative(y, x, (ct_grad_options){.create_graph = true}), *s = ct_sum(slope, CT_ALL, false);
        ct_tensor *second = ct_derivative(s, x, (ct_grad_options){.create_graph = true});
        for (int i = 0; i < 100; i++) many[i] = leaf(ct_shape(1), NULL);
        ct_tensor *outputs[] = {second, ct_concat(many, 100, 0)};
        for (int i = LIST; i <= DOT_BACKWARD; i++) {
            char *text = written((what)i, outputs, 2);
            if (i == DRAW_FORWARD || i == DRAW_BACKWARD) assert_int_equal(!strstr(text, "…"), i == DRAW_BACKWARD);
            if (i == DRAW_FORWARD) assert_non_null(strstr(text, ", and 94 more)"));
            free(text);
        }
    }
    assert_clean();
}

/* ---- failing ---- */

static void what_cannot_be_drawn(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_ones(ct_shape(2), CT_F32), *y = ct_exp(leaf(ct_shape(2), NULL));
        assert_false(ct_graph_draw(&x, 1, CT_GRAPH_FORWARD, stdout));
        assert_error(CT_ERROR_GRAPH, "ct_graph_draw", "does not depend");
        assert_false(ct_graph_dot(&x, 1, CT_GRAPH_FORWARD, stdout));
        assert_error(CT_ERROR_GRAPH, "ct_graph_dot", "does not depend");
        assert_false(ct_graph_dot(&y, 1, CT_GRAPH_FORWARD, NULL));
        assert_error(CT_ERROR_NULL, "ct_graph_dot", "`to` is NULL");
        assert_false(ct_graph_draw(&y, 1, (ct_direction)7, stdout));
        assert_error(CT_ERROR_VALUE, "ct_graph_draw", "7 is no direction");
        FILE *full = fopen("/dev/full", "w");
        if (full) {
            setvbuf(full, NULL, _IONBF, 0);
            for (int i = LIST; i <= DOT_BACKWARD; i++) {
                assert_false(write_to(full, (what)i, &y, 1));
                assert_int_equal(ct_error()->status, CT_ERROR_FILE);
                ct_clear_error();
                clearerr(full);
            }
            fclose(full);
        }
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_of_a_network),
        cmocka_unit_test(drawing_of_a_network),
        cmocka_unit_test(ways_fork_and_meet),
        cmocka_unit_test(one_value_twice_in_one_operation),
        cmocka_unit_test(several_outputs_zeros_and_frozen_leaves),
        cmocka_unit_test(values_that_were_released),
        cmocka_unit_test(formulas_of_derivatives),
        cmocka_unit_test(dot_of_a_product),
        cmocka_unit_test(places_are_written_without_their_folders),
        cmocka_unit_test(names_of_all_kinds),
        cmocka_unit_test(graphviz_accepts_it),
        cmocka_unit_test(higher_orders_and_wide_graphs),
        cmocka_unit_test(what_cannot_be_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
