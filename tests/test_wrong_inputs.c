/*
 * test_wrong_inputs.c - every operation of ops.h, given something wrong: at least four ways each.
 *
 * A row of tests/samples/wrong_*.def is the function, a call, the status and operation of its error, and what its message says:
 * the operands' names, dtypes and shapes, and what was expected. For each row the call fails in its own way (NULL, false, NaN),
 * the error is noted with this row's file and line, and the operands stay as they are: bytes, versions, reference counts. Nothing
 * is leaked. (What other headers offer is in test_wrong_arguments.c.)
 */
#include "support.h"

#include <stdlib.h>

#include "tensor/tensor.h"

/* ---- operands, and that they stay what they are ------------------------------------------------------- */

typedef struct operands {
    ct_tensor *x;     /* f32 [2, 3] */
    ct_tensor *d;     /* f64 [2, 3] */
    ct_tensor *i;     /* i32 [2, 3], 0 to 5 */
    ct_tensor *b;     /* bool [2, 3] */
    ct_tensor *v;     /* f32 [4] */
    ct_tensor *k;     /* i64 [2], 1 and 7 */
    ct_tensor *s;     /* f32 [] */
    ct_tensor *empty; /* f32 [0, 3] */
    ct_tensor *view;  /* f32 [3, 2], not contiguous */
    ct_tensor *m;     /* f32 [3, 3], indefinite */
    ct_tensor *odd;   /* f32 [2, 2], not symmetric */
    ct_tensor *batch; /* f32 [4, 2, 3] */
    ct_tensor *ranks; /* f32 of rank 8 */
    ct_tensor *huge;  /* f64 [2^43], expanded: no result of its size can be had */
    ct_tensor *leaf;  /* f64 [2], needs a gradient */
} operands;
enum { OPERANDS = sizeof(operands) / sizeof(ct_tensor *), BYTES = 256 };
static operands o;

/* What a call must not change in an operand. */
typedef struct state {
    char bytes[BYTES];
    uint32_t version;
    int32_t refs, storage_refs;
} state;
static state before[OPERANDS];
static ct_memory_info memory_before;

static void note(ct_tensor *const *all, state *to)
{
    memset(to, 0, OPERANDS * sizeof *to);
    for (int k = 0; k < OPERANDS; k++) {
        const ct__storage *s = all[k]->storage;
        const size_t n = s->bytes < BYTES ? s->bytes : BYTES;
        memcpy(to[k].bytes, s->data, n);
        to[k].version = s->version;
        to[k].refs = all[k]->refs;
        to[k].storage_refs = s->refs;
    }
}

static void make_operands(void)
{
    o = (operands){
        .x = ct_of(ct_shape(2, 3), CT_F32, 1, 2, 3, 4, 5, 6), .d = ct_of(ct_shape(2, 3), CT_F64, 1, 2, 3, 4, 5, 6),
        .i = ct_of(ct_shape(2, 3), CT_I32, 0, 1, 2, 3, 4, 5), .b = ct_of(ct_shape(2, 3), CT_BOOL, 1, 0, 1, 0, 1, 0),
        .v = ct_ones(ct_shape(4), CT_F32), .k = ct_of(ct_shape(2), CT_I64, 1, 7), .s = ct_ones(ct_shape(), CT_F32),
        .empty = ct_ones(ct_shape(0, 3), CT_F32), .view = ct_transpose(ct_ones(ct_shape(2, 3), CT_F32)),
        .m = ct_neg(ct_eye(3, CT_F32)), .odd = ct_of(ct_shape(2, 2), CT_F32, 2, 1, 0, 2),
        .batch = ct_ones(ct_shape(4, 2, 3), CT_F32),
        .ranks = ct_ones(ct_shape(1, 1, 1, 1, 1, 1, 1, 1), CT_F32),
        .huge = ct_expand(ct_ones(ct_shape(1), CT_F64), ct_shape((int64_t)1 << 43)),
        .leaf = ct_requires_grad(ct_of(ct_shape(2), CT_F64, 0.25, 0.5), true),
    };
}

/* ---- a row -------------------------------------------------------------------------------------------- */

static bool failed_pointer(const void *p) { return !p; }
static bool failed_bool(bool ok) { return !ok; }
static bool failed_number(double v) { return isnan(v); }
#define FAILED(call) _Generic((call), ct_tensor *: failed_pointer, bool: failed_bool, double: failed_number)(call)

typedef struct row {
    const char *function, *call, *file;
    int line;
} row;

/* A row may take this many lines. Compilers differ in whether __LINE__ in an argument is the first of them or the last. */
enum { ROW_LINES = 3 };

/* Rows of each function, by its number in the list of operations. */
static int rows_of[512];
static int wrong;

static int number_of(const char *function)
{
    for (int i = 0; i < ct_operation_count(); i++) {
        if (strcmp(ct_operation_at(i)->name, function) == 0) return i;
    }
    print_error("ct_%s is no operation\n", function);
    fail();
    return -1;
}

static void begin_row(void)
{
    note(&o.x, before);
    memory_before = ct_memory();
}

/* Nothing is changed, and nothing is left of the call. */
static void check_operands(const row *r)
{
    state after[OPERANDS];
    note(&o.x, after);
    const ct_memory_info m = ct_memory();
    const bool kept = memcmp(before, after, sizeof after) == 0;
    const bool leaked = m.tensors != memory_before.tensors || m.nodes != memory_before.nodes || m.bytes != memory_before.bytes;
    if (kept && !leaked && !ct_has_grad(o.leaf)) return;
    print_error("%s:%d: %s: %s\n", r->file, r->line, r->call, kept ? "something is left" : "an operand was changed");
    wrong++;
}

static void end_row(const row *r, bool failed, ct_status status, const char *operation, const char *part)
{
    const ct_error_info *e = ct_error();
    bool ok = failed && e && e->status == status && strcmp(e->operation, operation) == 0 && strstr(e->message, part);
    ok = ok && e->file && strcmp(e->file, r->file) == 0 && e->line <= r->line && e->line + ROW_LINES > r->line;
    if (!ok) {
        print_error("%s:%d: %s\n  expected status %d of %s with \"%s\"\n  got status %d: %s\n", r->file, r->line, r->call,
                    (int)status, operation, part, e ? (int)e->status : 0, !failed ? "a result" : e ? e->message : "no error");
        wrong++;
    }
    ct_clear_error();
    rows_of[number_of(r->function)]++;
}

enum {
    SHAPE = CT_ERROR_SHAPE, DTYPE = CT_ERROR_DTYPE, INDEX = CT_ERROR_INDEX, VALUE = CT_ERROR_VALUE, MEMORY = CT_ERROR_MEMORY,
    GRAPH = CT_ERROR_GRAPH
};

/* WRONG_BY(exp, a call of ct_exp, GRAPH, "ct_backward", "the result of ct_exp") */
#define WRONG_BY(function, call, status, operation, part)                                                              \
    {                                                                                                                  \
        const row r = {#function, #call, __FILE__, __LINE__};                                                          \
        begin_row();                                                                                                   \
        const int scope = ct_scope_begin();                                                                            \
        const bool failed = FAILED(call);                                                                              \
        end_row(&r, failed, (ct_status)(status), operation, part);                                                       \
        ct_scope_end(scope);                                                                                           \
        check_operands(&r);                                                                                            \
    }
/* The error is the operation's own. */
#define WRONG(function, call, status, part) WRONG_BY(function, call, status, "ct_" #function, part)
#define IS_NULL(function, name, ...) WRONG(function, ct_##function(__VA_ARGS__), CT_ERROR_NULL, "argument `" name "` is NULL")
/* An operand that an earlier failure left NULL: that failure is kept, and only that. */
#define IS_LATER(function, ...)                                                                                        \
    WRONG_BY(function, ct_##function(__VA_ARGS__), SHAPE, "ct_add", "shapes do not broadcast: x is f32 [2, 3], y is f32 [4]")
#define FAILS ct_add(o.x, o.v)
#define IS_TOO_LARGE(function, ...) WRONG(function, ct_##function(__VA_ARGS__), MEMORY, "out of memory: ")

/* ---- wrong use of derivatives ------------------------------------------------------------------------- */

/* For operations of one operand, which take any tensor: what can be wrong is what is asked of their derivatives. */
typedef ct_tensor *(*unary)(ct_tensor *x);

/* y = f(x) at a place; then x, or y, is overwritten, and the derivative is asked for. */
static bool stale(unary f, bool result, const char *file, int line)
{
    CT_SCOPE;
    ct_tensor *x = ct_requires_grad(ct_of(ct_shape(2), CT_F64, 0.25, 0.5), true), *y = ct_here(f(x), file, line);
    ct_tensor *loss = ct_sum(y, CT_ALL, false);
    if (result) y = ct_detach(y);
    const bool mode = ct_grad_mode(false);
    ct_fill_(result ? y : x, 0.75);
    ct_grad_mode(mode);
    return (ct_backward)(loss);
}
#define IS_STALE(function, f)                                                                                          \
    WRONG_BY(function, stale(f, false, CT_HERE), GRAPH, "ct_backward", "the first operand of ct_" #function " at ")
#define IS_STALE_RESULT(function, f)                                                                                   \
    WRONG_BY(function, stale(f, true, CT_HERE), GRAPH, "ct_backward", "the result of ct_" #function " at ")

/* A cotangent that is not of y's shape. */
static bool with_wrong_cotangent(unary f)
{
    CT_SCOPE;
    ct_tensor *y = f(o.leaf), *u = ct_ones(ct_shape(3), CT_F64), *g = NULL;
    return (ct_grad)(&y, &u, 1, &o.leaf, 1, &g, (ct_grad_options){0});
}
#define IS_MISFIT(function, f)                                                                                         \
    WRONG_BY(function, ct_here_bool(with_wrong_cotangent(f), CT_HERE), SHAPE, "ct_grad",                               \
             "cotangent 1 is f64 [3], its output is f64 [2]")

/* Backward through a result that has no derivative. */
static bool through(unary f)
{
    CT_SCOPE;
    return (ct_backward)(ct_sum(f(o.leaf), CT_ALL, false));
}
#define HAS_NONE(function, f)                                                                                          \
    WRONG_BY(function, ct_here_bool(through(f), CT_HERE), GRAPH, "ct_backward",                                        \
             "[] does not depend on any tensor that needs a gradient")

/* A change in place through a view of a leaf. */
#define IS_WRITTEN(function, f)                                                                                        \
    WRONG_BY(function, ct_fill_(f(o.leaf), 0), GRAPH, "ct_fill_", "f64 [2] needs a gradient")

static ct_tensor *leaky_relu(ct_tensor *x) { return (ct_leaky_relu)(x, 0.1); }
static ct_tensor *elu(ct_tensor *x) { return (ct_elu)(x, 1); }

/* ---- the rows ----------------------------------------------------------------------------------------- */

static void check_rows(void (*rows)(void))
{
    const int scope = ct_scope_begin();
    wrong = 0;
    make_operands();
    rows();
    ct_scope_end(scope);
    assert_int_equal(wrong, 0);
    assert_clean();
}

static void pointwise_rows(void)
{
#include "samples/wrong_pointwise.def"
}
static void shape_rows(void)
{
    ct_tensor *parts[3];
    ct_tensor *const mixed[] = {o.x, o.d}, *const uneven[] = {o.x, o.v}, *const scalars[] = {o.s, o.s}, *const deep[] = {o.ranks};
    ct_tensor *const holes[] = {o.x, NULL}, *const large[] = {o.huge, o.huge};
    ct_shape nine = ct_shape();
    nine.rank = 9;
#include "samples/wrong_shape.def"
}
static void reduce_rows(void)
{
    ct_axes nine = ct_axes();
    nine.rank = 9;
#include "samples/wrong_reduce.def"
}
static void pointwise_operations(void **state) { (void)state, check_rows(pointwise_rows); }
static void shapes_and_indices(void **state) { (void)state, check_rows(shape_rows); }
static void reductions_and_products(void **state) { (void)state, check_rows(reduce_rows); }

/* ---- completeness ------------------------------------------------------------------------------------- */

static void every_operation_has_four_wrong_inputs(void **state)
{
    (void)state;
    int missing = 0, sum = 0, operations = 0;
    for (int i = 0; i < ct_operation_count(); i++) {
        const ct_operation_info *info = ct_operation_at(i);
        if (!info->function || strcmp(info->name, "straight_through") == 0) continue; /* seen in derivatives alone; of custom.h */
        if (rows_of[i] < 4) print_error("ct_%s: %d wrong inputs, expected 4 or more\n", info->name, rows_of[i]);
        missing += rows_of[i] < 4;
        sum += rows_of[i];
        operations++;
    }
    print_message("%d wrong inputs of %d operations\n", sum, operations);
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointwise_operations),
        cmocka_unit_test(shapes_and_indices),
        cmocka_unit_test(reductions_and_products),
        cmocka_unit_test(every_operation_has_four_wrong_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
