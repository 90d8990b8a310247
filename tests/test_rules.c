/*
 * test_rules.c - the table-driven checks that bind every rule of every operation.
 *
 * The samples of tests/samples/ are functions of one to three tensors: SAMPLE rows, and GRID rows with one sample for each case
 * of a table (rules_tables.h). Each is checked (rules.h) in f32 and f64, and with operands that lie in memory in up to nine ways:
 *   - values do not depend on the layout, and f32 agrees with f64;
 *   - VJP against JVP by the adjoint identity <u, J v> = <J' u, v>, to 1e-12 in f64;
 *   - both against central differences (a slope that both share hides from the first check), to 1e-8;
 *   - the fused VJP against the formulas;
 *   - three stacked cotangents against three single ones;
 *   - the same one order higher: reverse over reverse, forward over reverse and reverse over forward, against each other to 1e-12
 *     and against central differences of the VJP to 1e-7.
 * Every operation with a derivative must have a rule in both directions, samples, and among them operands of rank 0 and without
 * elements, or a reason why it has not. The numbers of samples are printed and have a lower bound. With the argument `quick` one
 * case in three is checked, in a third of the layouts, which is what sanitizers have the patience for.
 */
#include "rules_tables.h"

/* ---- the operations, and what was counted ------------------------------------------------------------- */

#define CT_OP(name) extern const ct_op ct__op_##name;
#include "ops/op_list.h"
#undef CT_OP

typedef struct tally {
    const ct_op *op;
    long first, second, in_f32, checks; /* f64 samples of first and second order, f32 samples */
    bool scalar, empty;
} tally;
static tally tallies[] = {
#define CT_OP(name) {.op = &ct__op_##name},
#include "ops/op_list.h"
#undef CT_OP
};

static tally *tally_of(const char *op)
{
    for (int i = 0; i < COUNT(tallies); i++) {
        if (strcmp(tallies[i].op->name, op) == 0) return &tallies[i];
    }
    print_error("samples of %s, which is no operation\n", op);
    fail();
    return NULL;
}

/* FNV-1a of what makes a sample, as the seed of its values. */
static uint64_t hash(uint64_t h, const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) h = (h ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
    return h;
}

static uint64_t seed_of(const sample *s)
{
    uint64_t h = hash(hash(0xcbf29ce484222325u, s->op, strlen(s->op)), s->tag, strlen(s->tag));
    for (int i = 0; i < s->n; i++) h = hash(h, s->shape[i].v, (size_t)(s->shape[i].rank + 1) * sizeof(int64_t));
    return h;
}

static bool quick;
static long considered; /* cases so far */

/* Does a quick run leave this out? All cases of a table and all layouts have their turn in some row. */
static bool left_out(long number, int layout)
{
    return quick && (layout < 0 ? number % 3 != 0 : (number + layout) % 3 != 0);
}

static void check_sample(sample *s)
{
    tally *t = tally_of(s->op);
    const long before = now.checks;
    now.sample = s;
    now.seed = seed_of(s);
    s->p.n = s->n;
    for (int i = 0; i < s->n; i++) {
        t->scalar = t->scalar || s->shape[i].rank == 0;
        t->empty = t->empty || ct_shape_count(s->shape[i]) == 0;
    }
    considered++;
    for (int k = 0; k < (s->n > 1 ? LAYOUTS : UNIFORM_LAYOUTS) && !left_out(considered, -1); k++) {
        now.seed++;
        if (left_out(considered / 3, k)) continue;
        if (!check_sample_as(s, CT_F64, &all_layouts[k])) continue;
        t->first++;
        t->second++;
        t->in_f32 += check_sample_as(s, CT_F32, &all_layouts[k]);
    }
    t->checks += now.checks - before;
}

static void check_grid(sample s, int64_t least, table cases)
{
    entry e;
    for (int number = 0; cases(number, &e); number++) {
        if (e.reduced < least) continue;
        s.n = e.n;
        s.p = e.p;
        memcpy(s.shape, e.shape, sizeof s.shape);
        check_sample(&s);
    }
}

/* ---- the samples -------------------------------------------------------------------------------------- */

#define INDICES(...) ct_of(ct_shape((int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double))), CT_I64, __VA_ARGS__)
#define SIGNS ct_of(ct_shape(4), CT_I64, 1, -1, 1, -1)

#define FUNCTION(op, tag, expression)                                                                                  \
    static ct_tensor *f_##op##_##tag(ct_tensor *const *x, const params *p)                                             \
    {                                                                                                                  \
        (void)p;                                                                                                       \
        return expression;                                                                                             \
    }
#define SAMPLE(op, tag, low, high, expression, ...) FUNCTION(op, tag, expression)
#define GRID(op, tag, low, high, flags, least, table, expression) FUNCTION(op, tag, expression)
#include "samples/index.def"
#include "samples/pointwise.def"
#include "samples/product.def"
#include "samples/reduce.def"
#include "samples/shape.def"
#undef SAMPLE
#undef GRID

#define SAMPLE(op_, tag_, low_, high_, expression, ...)                                                                \
    {                                                                                                                  \
        sample s = {.op = #op_, .tag = #tag_, .f = f_##op_##_##tag_, .low = low_, .high = high_, .shape = {__VA_ARGS__}}; \
        s.n = (int)(sizeof((const ct_shape[]){__VA_ARGS__}) / sizeof(ct_shape));                                       \
        check_sample(&s);                                                                                              \
    }
#define GRID(op_, tag_, low_, high_, flags_, least, table, expression)                                                 \
    check_grid((sample){.op = #op_, .tag = #tag_, .f = f_##op_##_##tag_, .low = low_, .high = high_, .flags = flags_}, \
               least, table);

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

static void check_family(void (*run_family)(void))
{
    now.checks = now.failures = 0;
    run_family();
    if (now.failures > 0) print_error("%ld of %ld checks failed\n", now.failures, now.checks);
    assert_int_equal(now.failures, 0);
    assert_clean();
}

static void rules_of_index(void **state) { (void)state, check_family(run_index); }
static void rules_of_pointwise(void **state) { (void)state, check_family(run_pointwise); }
static void rules_of_product(void **state) { (void)state, check_family(run_product); }
static void rules_of_reduce(void **state) { (void)state, check_family(run_reduce); }
static void rules_of_shape(void **state) { (void)state, check_family(run_shape); }

/* ---- completeness, by what was counted ---------------------------------------------------------------- */

static bool has_derivative(const ct_op *op)
{
    for (int k = 0; k < CT__MAX_INPUTS; k++) {
        if (op->vjp[k] && op->vjp[k] != ct__vjp_none) return true;
    }
    return false;
}

/* Operations that cannot have an operand of rank 0, because they work along an axis. (Sums over all axes and none take one.) */
static const char *const without_scalars[] = {
    "matmul", "affine", "affine_relu", "affine_tanh", "affine_sigmoid", /* rows and columns */
    "slice", "slice_scatter", "select", "diagonal", "diag", "pad", "concat", "index_select", "index_add", "gather", "scatter_add",
    "cumsum", "softmax", "log_softmax", "softmax_cross_entropy", "softmax_cross_entropy_mean", "layer_norm", "whiten", /* an axis */
    "std", /* one element is its kink: special_reduce.def */
};

static void every_operation_has_all_kinds_of_samples(void **state)
{
    (void)state;
    int missing = 0;
    for (int i = 0; i < COUNT(tallies); i++) {
        const tally *t = &tallies[i];
        bool excused = false;
        if (!has_derivative(t->op)) continue;
        for (int k = 0; k < COUNT(without_scalars); k++) excused = excused || strcmp(without_scalars[k], t->op->name) == 0;
        const bool none = !quick && (t->first == 0 || t->second == 0 || t->in_f32 == 0);
        const char *problem = none                      ? "no sample"
                              : !t->empty               ? "no sample with an operand without elements"
                              : !t->scalar && !excused  ? "no sample with an operand of rank 0"
                              : t->scalar && excused    ? "a sample with an operand of rank 0, against the list"
                                                        : NULL;
        if (problem) print_error("%s has %s\n", t->op->name, problem);
        missing += problem != NULL;
    }
    assert_int_equal(missing, 0);
}

/* whiten's covariance is a constant by design, and says so. */
static void every_operation_has_both_rules(void **state)
{
    (void)state;
    int missing = 0;
    for (int i = 0; i < COUNT(tallies); i++) {
        const ct_op *op = tallies[i].op;
        const int n = op->inputs == CT__VARIADIC ? 1 : op->inputs;
        for (int k = 0; k < n; k++) {
            const bool pushed = op->jvp[k] || op->jvp_all || op->linear;
            const bool constant = op == &ct__op_whiten && k == 1, both = op->vjp[k] && pushed;
            if (!both && !constant) print_error("%s lacks a rule by argument %d\n", op->name, k + 1);
            missing += !both && !constant;
        }
    }
    assert_int_equal(missing, 0);
}

/* PyTorch's table of operations has 18,933 first-order and 13,979 second-order samples in f64. */
static void there_are_many_samples(void **state)
{
    (void)state;
    tally sum = {0};
    print_message("%-14s %8s %8s %8s %9s\n", "operation", "1st f64", "2nd f64", "f32", "checks");
    for (int i = 0; i < COUNT(tallies); i++) {
        const tally *t = &tallies[i];
        if (t->first) print_message("%-14s %8ld %8ld %8ld %9ld\n", t->op->name, t->first, t->second, t->in_f32, t->checks);
        sum.first += t->first;
        sum.second += t->second;
        sum.in_f32 += t->in_f32;
        sum.checks += t->checks;
    }
    print_message("%-14s %8ld %8ld %8ld %9ld\n", "all", sum.first, sum.second, sum.in_f32, sum.checks);
    assert_true(quick || sum.first >= 20000);
    assert_true(quick || sum.second >= 15000);
}

int main(int count, char **arguments)
{
    quick = count > 1 && strcmp(arguments[1], "quick") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_of_pointwise),
        cmocka_unit_test(rules_of_product),
        cmocka_unit_test(rules_of_reduce),
        cmocka_unit_test(rules_of_shape),
        cmocka_unit_test(rules_of_index),
        cmocka_unit_test(every_operation_has_both_rules),
        cmocka_unit_test(every_operation_has_all_kinds_of_samples),
        cmocka_unit_test(there_are_many_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
