/*
 * test_check.c - gradients derived by hand beside the library's: verdicts, modules, wrong arguments, the table, JSON, and the
 * tracing that guesses are made with.
 */
#include "planted.h"

/* ---- the networks of the lecture notes ------------------------------------------------------------------------------- */

typedef struct note_task {
    hand_net net;
    pair hidden;
    matrix x, y;
    loss_kind loss;
} note_task;

static int note_loss(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const note_task *t = context;
    ct_tensor *a = tensor_of(t->x), *y = tensor_of(t->y);
    for (int l = 1; l <= t->net.layers; l++) {
        a = ct_add(ct_matmul(in[2 * l - 2], a), in[2 * l - 1]);
        if (l < t->net.layers) a = t->hidden.by_library(a);
    }
    *out = t->loss == SQUARES ? ct_half_mse_loss(ct_sigmoid(a), y, CT_SUM)
        : t->loss == BINARY   ? ct_binary_cross_entropy(ct_sigmoid(a), y, CT_SUM)
                              : ct_cross_entropy_with(ct_transpose(a), ct_transpose(y),
                                                      (ct_cross_entropy_options){.reduction = CT_SUM});
    return *out ? 0 : 1;
}

static void check_note(loss_kind loss, pair hidden, int layers, int batch)
{
    CT_SCOPE;
    const int width[] = {4, 3, 5, 2, 3, 3};
    note_task t = {.net = random_net(layers, width, hidden.by_hand, loss == CATEGORIES ? hand_identity : hand_sigmoid),
                   .hidden = hidden, .loss = loss};
    t.x = random_matrix(width[0], batch);
    t.y = loss == CATEGORIES ? random_one_hot(width[layers], batch) : random_labels(width[layers], batch);
    const hand_pass p = hand_forward(&t.net, t.x);
    matrix delta = minus(loss == CATEGORIES ? softmax_of_columns(p.z[layers]) : p.a[layers], t.y);
    if (loss == SQUARES) delta = times(delta, mapped(p.z[layers], sigmoid_slope));
    const hand_gradient d = hand_backward(&t.net, &p, delta);
    ct_tensor *in[2 * LAYERS_MAX], *hand[2 * LAYERS_MAX];
    for (int l = 1; l <= layers; l++) {
        in[2 * l - 2] = tensor_of(t.net.W[l]), in[2 * l - 1] = tensor_of(t.net.b[l]);
        hand[2 * l - 2] = tensor_of(d.W[l]), hand[2 * l - 1] = tensor_of(d.b[l]);
    }
    ct_comparison *c = ct_compare_gradients(note_loss, &t, in, 2 * layers, hand, 2 * layers, (ct_compare_options){.rtol = 1e-10});
    assert_non_null(c);
    if (!ct_comparison_right(c)) ct_comparison_print(stderr, c, 3);
    assert_true(ct_comparison_right(c));
    ct_comparison_free(c);
    assert_true(ct_gradcheck(note_loss, &t, in, 2 * layers, 1, (ct_gradcheck_options){.max_elements = 10}));
}

/* One example and a batch, one to five layers, each activation and each loss: the deltas of the notes are right. */
static void networks_of_the_notes_pass(void **state)
{
    (void)state;
    const pair hidden[] = {pair_sigmoid(), pair_tanh(), pair_relu(), pair_leaky_relu(), pair_identity()};
    const loss_kind losses[] = {SQUARES, BINARY, CATEGORIES};
    for (int layers = 1; layers <= LAYERS_MAX; layers++) {
        for (int i = 0; i < 5; i += test_under_valgrind() ? 4 : 1)
            check_note(losses[(layers + i) % 3], hidden[i], layers, i % 2 ? 1 : 4);
    }
}

/* ---- verdicts -------------------------------------------------------------------------------------------------------- */

/* sum relu(w), w = (0, 1, -1, 0.5). */
static int relu_sum(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    *out = ct_sum(ct_relu(in[0]), CT_ALL, false);
    return *out ? 0 : 1;
}

static ct_verdict verdict_of(const ct_comparison *c, int parameter, int64_t k)
{
    ct_compared_element e;
    assert_true(ct_comparison_element(c, parameter, k, &e));
    return e.verdict;
}

static void a_kink_is_not_smooth(void **state)
{
    (void)state;
    ct_tensor *w = ct_of(ct_shape(4), CT_F64, 0, 1, -1, 0.5);
    const double at_kink[] = {0.5, 1, 0, 1}, other_side[] = {1, 1, 0, 1}, beyond[] = {5, 1, 0, 1}, as_autograd[] = {0, 1, 0, 1};
    const double *const hands[] = {at_kink, other_side, beyond, as_autograd};
    const ct_verdict expected[] = {CT_NOT_SMOOTH, CT_NOT_SMOOTH, CT_WRONG, CT_RIGHT};
    for (int i = 0; i < 4; i++) {
        ct_comparison *c = ct_compare_arrays(relu_sum, NULL, &w, 1, &hands[i], 1, (ct_compare_options){0});
        assert_non_null(c);
        assert_int_equal(verdict_of(c, 0, 0), expected[i]);
        for (int k = 1; k < 4; k++) assert_int_equal(verdict_of(c, 0, k), CT_RIGHT);
        assert_int_equal(ct_comparison_right(c), i != 2);
        ct_comparison_free(c);
    }
}

static void autograd_is_judged_too(void **state)
{
    (void)state;
    ct_tensor *x = ct_of(ct_shape(3), CT_F64, 1, 2, -3);
    const double true_slope[] = {2, 4, -6}, as_autograd[] = {1, 2, -3};
    const double *const hands[] = {true_slope, as_autograd};
    for (int i = 0; i < 2; i++) {
        ct_comparison *c = ct_compare_arrays(half_hidden, NULL, &x, 1, &hands[i], 1, (ct_compare_options){0});
        assert_non_null(c);
        for (int k = 0; k < 3; k++) assert_int_equal(verdict_of(c, 0, k), CT_AUTOGRAD_OFF);
        assert_false(ct_comparison_right(c));
        assert_int_equal(ct_comparison_guesses(c), 0);
        ct_comparison_free(c);
    }
}

/* A single wrong element among many is found, and the others are right; so it is beyond max_elements. */
static void one_wrong_element_among_many(void **state)
{
    (void)state;
    ct_tensor *x = ct_uniform(ct_shape(40, 50), -1, 1, CT_F64);
    double d[2000];
    assert_true(ct_copy_values(ct_mul(x, ct_scalar(2)), d, 2000));
    d[1234] += 1e-3;
    const double *hand = d;
    ct_comparison *c = ct_compare_arrays(squares, NULL, &x, 1, &hand, 1, (ct_compare_options){.max_elements = 20});
    assert_non_null(c);
    ct_compared_parameter p;
    assert_true(ct_comparison_parameter(c, 0, &p));
    assert_int_equal(p.wrong, 1);
    assert_int_equal(p.right, 1999);
    assert_int_equal(p.worst, 1234);
    assert_in_range(p.differences, 10, 20);
    ct_compared_element e;
    assert_true(ct_comparison_element(c, 0, 1234, &e));
    assert_int_equal(e.index.dim[0], 24);
    assert_int_equal(e.index.dim[1], 34);
    assert_within(e.absolute_error, 1e-3, 1e-9);
    assert_true(fabs(e.difference - e.autograd) <= 1e-9 && e.difference_error < 1e-9);
    assert_only_guess(c, CT_MISTAKE_FEW, 1, "only 1 of 2000 values is wrong, the worst at [24, 34]");
    ct_comparison_free(c);
}

/* In f32 the inputs are cast to f64 where the loss takes them so, and hand values in f32 are judged as such. */
static void f32_is_judged_less_sharply(void **state)
{
    (void)state;
    ct_tensor *x = ct_uniform(ct_shape(5, 4), -1, 1, CT_F32), *right = ct_mul(x, ct_scalar(2));
    ct_tensor *off = ct_mul(right, ct_scalar(1.00001)), *wrong = ct_mul(right, ct_scalar(1.001));
    ct_tensor *const hands[] = {right, off, wrong};
    for (int i = 0; i < 3; i++) {
        ct_comparison *c = ct_compare_gradients(squares, NULL, &x, 1, (ct_tensor *[]){hands[i]}, 1, (ct_compare_options){0});
        assert_non_null(c);
        assert_int_equal(ct_comparison_right(c), i < 2);
        for (int k = 0; k < 20; k++) {
            ct_compared_element e;
            assert_true(ct_comparison_element(c, 0, k, &e));
            assert_true(fabs(e.difference - e.autograd) <= 1e-10); /* in f64 */
        }
        ct_comparison_free(c);
    }
}

/* ---- modules --------------------------------------------------------------------------------------------------------- */

typedef struct rows {
    ct_tensor *x, *y;
} rows;

static ct_tensor *module_loss(ct_module *module, void *context)
{
    const rows *data = context;
    return ct_mse_loss(ct_forward(module, data->x), data->y, CT_MEAN);
}

/* What autograd says, and what a mistake would. */
static void module_gradients_are_compared(void **state)
{
    (void)state;
    for (int dtype = CT_F32; dtype <= CT_F64; dtype++) {
        CT_SCOPE;
        ct_module *net = ct_nn_sequential(ct_nn_linear(3, 4), ct_nn_tanh(), ct_nn_linear(4, 2));
        assert_true(ct_module_cast(net, (ct_dtype)dtype));
        rows data = {ct_uniform(ct_shape(6, 3), -1, 1, (ct_dtype)dtype), ct_uniform(ct_shape(6, 2), -1, 1, (ct_dtype)dtype)};
        ct_tensor *p[4], *hand[4], *before[4];
        assert_int_equal(ct_module_parameters(net, p, 4), 4);
        assert_true(ct_backward(module_loss(net, &data)));
        for (int i = 0; i < 4; i++) hand[i] = ct_grad_of(p[i]), before[i] = ct_clone(ct_detach(p[i]));
        ct_comparison *c = ct_compare_module_gradients(net, module_loss, &data, NULL, 0, (ct_compare_options){0});
        assert_non_null(c);
        if (!ct_comparison_right(c)) ct_comparison_print(stderr, c, 3);
        assert_true(ct_comparison_right(c));
        ct_compared_parameter info;
        assert_true(ct_comparison_parameter(c, 2, &info));
        assert_string_equal(info.name, "2.weight");
        assert_int_equal(info.differences, 8);
        ct_comparison_free(c);
        hand[0] = ct_neg(hand[0]);
        c = ct_compare_module_gradients(net, module_loss, &data, hand, 4, (ct_compare_options){0});
        assert_non_null(c);
        ct_guess g;
        assert_true(ct_comparison_guess(c, 0, &g));
        assert_int_equal(g.mistakes, CT_MISTAKE_SIGN);
        assert_int_equal(g.parameters[0], 0);
        ct_comparison_free(c);
        /* moved and put back */
        for (int i = 0; i < 4; i++) assert_true(ct_equal(ct_detach(p[i]), before[i]) && ct_has_grad(p[i]));
        ct_module_free(net);
    }
}

/* In f32 the steps are wide, and in a batch there is always a relu whose kink is near: autograd is not doubted for that. */
static void relus_in_f32_do_not_raise_doubts(void **state)
{
    (void)state;
    if (test_under_valgrind()) skip(); /* too much for it */
    ct_module *net =
        ct_nn_sequential(ct_nn_linear(20, 30), ct_nn_relu(), ct_nn_linear(30, 30), ct_nn_relu(), ct_nn_linear(30, 5));
    rows data = {ct_uniform(ct_shape(64, 20), -1, 1, CT_F32), ct_uniform(ct_shape(64, 5), -1, 1, CT_F32)};
    ct_tensor *p[6];
    assert_int_equal(ct_module_parameters(net, p, 6), 6);
    assert_true(ct_backward(module_loss(net, &data)));
    ct_comparison *c = ct_compare_module_gradients(net, module_loss, &data, NULL, 0, (ct_compare_options){0});
    assert_non_null(c);
    if (!ct_comparison_right(c)) ct_comparison_print(stderr, c, 3);
    assert_true(ct_comparison_right(c));
    ct_comparison_free(c);
    ct_module_free(net);
}

static ct_tensor *fails_when_moved(ct_module *module, void *context)
{
    const double *at = context;
    ct_tensor *w = ct_module_find(module, "weight");
    if (ct_get(w, ct_index(0, 0)) != *at) {
        ct_raise(CT_ERROR_USER, "fails_when_moved", "the weight is not where it was");
        return NULL;
    }
    return ct_sum(ct_square(w), CT_ALL, false);
}

static void parameters_are_put_back_after_a_failure(void **state)
{
    (void)state;
    ct_module *net = ct_nn_linear(2, 2);
    double at = ct_get(ct_module_find(net, "weight"), ct_index(0, 0));
    ct_tensor *hand[] = {ct_ones(ct_shape(2, 2), CT_F32), ct_ones(ct_shape(2), CT_F32)};
    assert_null(ct_compare_module_gradients(net, fails_when_moved, &at, hand, 2, (ct_compare_options){0}));
    assert_error(CT_ERROR_USER, "fails_when_moved", "is not where it was");
    assert_true(ct_get(ct_module_find(net, "weight"), ct_index(0, 0)) == at);
    assert_true(ct_module_requires_grad(net, false));
    assert_null(ct_compare_module_gradients(net, fails_when_moved, &at, hand, 2, (ct_compare_options){0}));
    assert_error(CT_ERROR_GRAPH, "ct_compare_module_gradients", "parameter 0, f32 [2, 2], is frozen");
    assert_true(ct_module_requires_grad(net, true));
    assert_null(ct_compare_module_gradients(net, fails_when_moved, &at, hand, 1, (ct_compare_options){0}));
    assert_error(CT_ERROR_VALUE, "ct_compare_module_gradients", "1 gradients for the module's 2 parameters");
    ct_module_free(net);
}

/* ---- wrong arguments -------------------------------------------------------------------------------------------------- */

static int derives_nothing(void *context, const double *const *x, double *const *d)
{
    (void)x;
    (void)d;
    return *(const int *)context;
}

static void wrong_arguments_are_reported(void **state)
{
    (void)state;
    ct_tensor *x = ct_of(ct_shape(3), CT_F64, 1, 2, 3), *integers = ct_zeros(ct_shape(3), CT_I64);
    ct_tensor *matrix_shaped = ct_zeros(ct_shape(3, 2), CT_F64), *none = NULL;
    const double *no_array = NULL;
    const ct_compare_options o = {0};
    assert_null(ct_compare_gradients(NULL, NULL, &x, 1, &x, 1, o));
    assert_error(CT_ERROR_NULL, "ct_compare_gradients", "the function is NULL");
    assert_null(ct_compare_gradients(squares, NULL, NULL, 1, &x, 1, o));
    assert_error(CT_ERROR_NULL, "ct_compare_gradients", "in is NULL");
    assert_null(ct_compare_gradients(squares, NULL, &x, 1, NULL, 1, o));
    assert_error(CT_ERROR_NULL, "ct_compare_gradients", "hand is NULL");
    assert_null(ct_compare_gradients(squares, NULL, &none, 1, &x, 1, o));
    assert_error(CT_ERROR_NULL, "ct_compare_gradients", "input 0 is NULL");
    assert_null(ct_compare_gradients(squares, NULL, &x, 1, &none, 1, o));
    assert_error(CT_ERROR_NULL, "ct_compare_gradients", "hand[0], of parameter 0, is NULL");
    assert_null(ct_compare_gradients(squares, NULL, &x, 1, &matrix_shaped, 1, o));
    assert_error(CT_ERROR_SHAPE, "ct_compare_gradients", "hand[0] is f64 [3, 2], parameter 0 itself is [3]");
    assert_null(ct_compare_gradients(squares, NULL, &x, 1, &integers, 1, o));
    assert_error(CT_ERROR_DTYPE, "ct_compare_gradients", "is i64 [3]; expected f32 or f64");
    assert_null(ct_compare_gradients(squares, NULL, &integers, 1, &x, 1, o));
    assert_error(CT_ERROR_DTYPE, "ct_compare_gradients", "only f32 and f64 have gradients");
    assert_null(ct_compare_gradients(squares, NULL, &x, 1, &x, 2, o));
    assert_error(CT_ERROR_VALUE, "ct_compare_gradients", "2 gradients for 1 inputs");
    assert_null(ct_compare_arrays(squares, NULL, &x, 1, &no_array, 1, o));
    assert_error(CT_ERROR_NULL, "ct_compare_arrays", "hand[0]");
    assert_null(ct_compare_derivation(squares, NULL, &x, 1, derives_nothing, &(int){3}, 1, o));
    assert_error(CT_ERROR_USER, "ct_compare_derivation", "the derivation by hand returned 3");
    assert_null(ct_compare_module_gradients(NULL, module_loss, NULL, NULL, 0, o));
    assert_error(CT_ERROR_NULL, "ct_compare_module_gradients", "module is NULL");
    assert_false(ct_gradcheck(NULL, NULL, &x, 1, 1, (ct_gradcheck_options){0}));
    assert_error(CT_ERROR_NULL, "ct_gradcheck", "f is NULL");
    assert_false(ct_gradcheck(squares, NULL, &x, 0, 1, (ct_gradcheck_options){0}));
    assert_error(CT_ERROR_VALUE, "ct_gradcheck", "0 inputs and 1 outputs");
    assert_false(ct_gradcheck(squares, NULL, &integers, 1, 1, (ct_gradcheck_options){0}));
    assert_error(CT_ERROR_DTYPE, "ct_gradcheck", "none of the 1 inputs");
    assert_false(ct_gradgradcheck(squares, NULL, &none, 1, 1, (ct_gradcheck_options){0}));
    assert_error(CT_ERROR_NULL, "ct_gradgradcheck", "input 0 is NULL");
}

static void readers_check_what_they_are_given(void **state)
{
    (void)state;
    ct_tensor *x = ct_of(ct_shape(2), CT_F64, 1, 2);
    ct_comparison *c = ct_compare_gradients(squares, NULL, &x, 1, &x, 1, (ct_compare_options){0});
    ct_compared_parameter p;
    ct_compared_element e;
    ct_guess g;
    assert_non_null(c);
    assert_int_equal(ct_comparison_count(c), 1);
    assert_close(ct_comparison_loss(c), 5);
    assert_false(ct_comparison_parameter(c, 1, &p));
    assert_error(CT_ERROR_INDEX, "ct_comparison_parameter", "parameter 1 of 1");
    assert_false(ct_comparison_element(c, 0, 2, &e));
    assert_error(CT_ERROR_INDEX, "ct_comparison_element", "element 2 of 2");
    assert_true(isnan(e.hand));
    assert_false(ct_comparison_guess(c, 1, &g));
    assert_error(CT_ERROR_INDEX, "ct_comparison_guess", "guess 1 of 1");
    assert_false(ct_comparison_parameter(c, 0, NULL));
    assert_error(CT_ERROR_NULL, "ct_comparison_parameter", "to is NULL");
    assert_false(ct_comparison_print(NULL, c, 0));
    assert_error(CT_ERROR_NULL, "ct_comparison_print", "to is NULL");
    assert_false(ct_comparison_json(stdout, NULL));
    assert_error(CT_ERROR_NULL, "ct_comparison_json", "comparison is NULL");
    assert_false(ct_comparison_right(NULL));
    assert_error(CT_ERROR_NULL, "ct_comparison_right", "comparison is NULL");
    assert_int_equal(ct_comparison_count(NULL), -1);
    assert_error(CT_ERROR_NULL, "ct_comparison_count", "comparison is NULL");
    ct_comparison_free(c);
    ct_comparison_free(NULL);
}

/* ---- the table and JSON ------------------------------------------------------------------------------------------------- */

/* What f prints, as text. */
static void printed(bool (*f)(FILE *, const ct_comparison *), const ct_comparison *c, char *to, size_t size)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_true(f(file, c));
    rewind(file);
    to[fread(to, 1, size - 1, file)] = '\0';
    fclose(file);
}

static bool table(FILE *to, const ct_comparison *c) { return (ct_comparison_print)(to, c, 2); }
static bool json(FILE *to, const ct_comparison *c) { return (ct_comparison_json)(to, c); }

static void the_table_reads_like_this(void **state)
{
    (void)state;
    static const char expected[] =
        "loss 14.25\n"
        "\n"
        "w [2, 2], 4 values: all wrong\n"
        "  element           by hand        autograd      difference       +-  abs err  rel err  verdict\n"
        "  [1, 0]                 -3              -6               -        -  3.0e+00  5.0e-01  wrong\n"
        "  [0, 1]                  2               4               -        -  2.0e+00  5.0e-01  wrong\n"
        "  ... and 2 more, with errors up to 1.0e+00\n"
        "\n"
        "1 of 1 is wrong. What would explain it:\n"
        "- w: a factor 2 is missing (the derivative of a square?)\n";
    ct_tensor *w = ct_of(ct_shape(2, 2), CT_F64, 1, 2, -3, 0.5);
    ct_comparison *c = ct_compare_gradients(squares, NULL, &w, 1, &w, 1,
                                            (ct_compare_options){.names = (const char *[]){"w"}, .no_differences = true});
    char text[4000];
    assert_non_null(c);
    printed(table, c, text, sizeof text);
    assert_string_equal(text, expected);
    ct_comparison_free(c);
}

static void the_table_is_not_wide(void **state)
{
    (void)state;
    const task t = task_of(SQUARES, pair_tanh(), false);
    static char text[40000];
    for (int plant = 0; plant < PLANTS; plant += test_under_valgrind() ? 5 : 1) {
        ct_comparison *c = compare(&t, (enum plant)plant, (ct_compare_options){0});
        assert_non_null(c);
        printed(table, c, text, sizeof text);
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
            if (strcspn(line, "\n") > 100) print_error("%.*s\n", (int)strcspn(line, "\n"), line);
            assert_in_range(strcspn(line, "\n"), 0, 100);
        }
        ct_comparison_free(c);
    }
}

/* A strict reader of JSON (RFC 8259): returns what follows a value, NULL where it is none. */
static const char *json_value(const char *s);
static const char *json_space(const char *s) { return s + strspn(s, " \t\n\r"); }

static const char *json_string(const char *s)
{
    if (*s++ != '"') return NULL;
    for (; *s != '"'; s++) {
        if ((unsigned char)*s < 0x20) return NULL;
        if (*s != '\\') continue;
        s++;
        if (*s == 'u' && strspn(s + 1, "0123456789abcdefABCDEF") >= 4) s += 4;
        else if (!*s || !strchr("\"\\/bfnrt", *s)) return NULL;
    }
    return s + 1;
}

static const char *json_digits(const char *s) { return *s >= '0' && *s <= '9' ? s + strspn(s, "0123456789") : NULL; }

static const char *json_number(const char *s)
{
    if (*s == '-') s++;
    if (*s == '0' && s[1] >= '0' && s[1] <= '9') return NULL;
    s = json_digits(s);
    if (s && *s == '.') s = json_digits(s + 1);
    if (s && (*s == 'e' || *s == 'E')) s = json_digits(s + 1 + (s[1] == '+' || s[1] == '-'));
    return s;
}

static const char *json_members(const char *s, char end, bool named)
{
    s = json_space(s + 1);
    if (*s == end) return s + 1;
    for (;;) {
        if (named) {
            s = json_string(s);
            if (!s || *(s = json_space(s)) != ':') return NULL;
            s = json_space(s + 1);
        }
        s = json_value(s);
        if (!s) return NULL;
        s = json_space(s);
        if (*s == end) return s + 1;
        if (*s != ',') return NULL;
        s = json_space(s + 1);
    }
}

static const char *json_value(const char *s)
{
    static const char *const words[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        if (strncmp(s, words[i], strlen(words[i])) == 0) return s + strlen(words[i]);
    }
    if (*s == '{') return json_members(s, '}', true);
    if (*s == '[') return json_members(s, ']', false);
    return *s == '"' ? json_string(s) : json_number(s);
}

static bool is_json(const char *s)
{
    s = json_value(json_space(s));
    return s && !*json_space(s);
}

static void json_is_valid(void **state)
{
    (void)state;
    static char text[200000];
    assert_true(is_json("{\"a\": [1, -2.5e-3, null, \"x\\\"\"], \"b\": {}}"));
    assert_false(is_json("{\"a\": nan}") || is_json("[1,]") || is_json("01"));
    const task t = task_of(BINARY, pair_sigmoid(), true);
    for (int plant = 0; plant < PLANTS; plant += test_under_valgrind() ? 5 : 1) {
        if (!applies(&t, (enum plant)plant)) continue;
        const char *const odd[PARAMETERS] = {"a \"quoted\"\n\\name", "\t", "", "b2", "W\xc3\xa9", "b3"};
        ct_comparison *c = compare(&t, (enum plant)plant, (ct_compare_options){.names = odd, .no_differences = plant % 2});
        assert_non_null(c);
        printed(json, c, text, sizeof text);
        if (!is_json(text)) print_error("%s\n", text);
        assert_true(is_json(text));
        assert_non_null(strstr(text, plant == RIGHT ? "{\"right\": true" : "{\"right\": false"));
        for (int bit = 0; bit < CT_MISTAKES; bit++) {
            char name[64];
            snprintf(name, sizeof name, "\"%s\"", ct_mistake_name((ct_mistake)(1u << bit)));
            if (plants[plant].mistakes >> bit & 1) assert_non_null(strstr(text, name));
        }
        ct_comparison_free(c);
    }
}

/* The hand derivation may also be a function; its parameters are the inputs that have gradients, the others are data. */
static int derive_linear(void *context, const double *const *x, double *const *d)
{
    const matrix *data = context;
    const matrix dW = product(minus(product(matrix_of(4, 3, x[0]), data[0]), data[1]), transposed(data[0]));
    for (int i = 0; i < 12; i++) d[0][i] = dW.v[i];
    return 0;
}

static int linear_loss_of_data(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    *out = ct_half_mse_loss(ct_matmul(in[0], in[1]), in[2], CT_SUM);
    return *out ? 0 : 1;
}

static void derivations_are_functions_too(void **state)
{
    (void)state;
    matrix data[2] = {random_matrix(3, 5), random_matrix(4, 5)};
    ct_tensor *in[] = {tensor_of(random_matrix(4, 3)), tensor_of(data[0]), tensor_of(data[1])};
    ct_comparison *c = ct_compare_derivation(linear_loss_of_data, NULL, in, 3, derive_linear, data, 1, (ct_compare_options){0});
    assert_non_null(c);
    assert_true(ct_comparison_right(c));
    assert_int_equal(ct_comparison_count(c), 1);
    ct_comparison_free(c);
    ct_tensor *delta = ct_sub(ct_matmul(in[0], in[1]), in[2]); /* gradients of an input as well */
    ct_tensor *hand[] = {ct_matmul(delta, ct_transpose(in[1])), ct_matmul(ct_transpose(in[0]), delta)};
    c = ct_compare_gradients(linear_loss_of_data, NULL, in, 3, hand, 2, (ct_compare_options){0});
    assert_non_null(c);
    assert_true(ct_comparison_right(c));
    ct_comparison_free(c);
}

/* ---- tracing --------------------------------------------------------------------------------------------------------- */

typedef struct seen {
    int calls, line_of_tanh;
    char names[200];
} seen;

static void note(void *context, const ct_traced_call *call)
{
    seen *s = context;
    s->calls++;
    snprintf(s->names + strlen(s->names), sizeof s->names - strlen(s->names), "%s ", call->operation);
    (void)ct_exp(ct_detach(call->out[0])); /* is not traced itself */
}

static void operations_are_traced(void **state)
{
    (void)state;
    seen s = {0};
    ct_tensor *x = ct_requires_grad(ct_of(ct_shape(2), CT_F64, 1, 2), true);
    const ct_tracer before = ct_trace((ct_tracer){note, &s});
    ct_tensor *y = ct_tanh(x), *z = ct_sum(y, CT_ALL, false);
    const int line = __LINE__ - 1;
    ct_trace(before);
    assert_true(ct_backward(z));
    assert_string_equal(s.names, "ct_tanh ct_sum ");
    const char *file;
    assert_int_equal(ct_source_line(y, &file), line);
    assert_string_equal(file, __FILE__);
    assert_ptr_equal(ct_place_in_graph(ct_alias(y)), ct_place_in_graph(y));
    assert_ptr_not_equal(ct_place_in_graph(x), ct_place_in_graph(y));
    assert_null(ct_place_in_graph(ct_detach(y)));
    assert_null(ct_place_in_graph(NULL));
    assert_int_equal(ct_source_line(NULL, &file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        note_test(networks_of_the_notes_pass),
        note_test(a_kink_is_not_smooth),
        note_test(autograd_is_judged_too),
        note_test(one_wrong_element_among_many),
        note_test(f32_is_judged_less_sharply),
        note_test(module_gradients_are_compared),
        note_test(relus_in_f32_do_not_raise_doubts),
        note_test(parameters_are_put_back_after_a_failure),
        note_test(wrong_arguments_are_reported),
        note_test(readers_check_what_they_are_given),
        note_test(the_table_reads_like_this),
        note_test(the_table_is_not_wide),
        note_test(json_is_valid),
        note_test(derivations_are_functions_too),
        note_test(operations_are_traced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
