/*
 * test_special_points.c - what every operation gives at zeros of both signs, ties, kinks, poles, infinities, NaN and huge
 * numbers.
 *
 * The rows of tests/samples/special_*.def hold the value, the derivative and mostly the second derivative, worked out by hand.
 * Each is checked in f32 and f64, the derivative by the fused VJP, by its formulas and by the JVP, the second by reverse over
 * reverse and by forward over reverse. Every operation has such a row. The program runs itself again for each smaller instruction
 * set. docs/numerics.md states the choices that the rows hold the library to.
 */
#include "support.h"

#include <float.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "autograd/op.h"

enum { BOTH, F32, F64 }; /* dtypes that a row is for */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define INF INFINITY
#define ANY 0x1.5555p-777
#define PI 3.14159265358979323846
#define LN2 0.69314718055994530942
#define SQRT_HALF 0.70710678118654752440
#define PHI_0 0.39894228040143267794 /* the normal density at 0 */
#define EXP_MINUS_100 3.7200759760208356e-44

static double epsilon(ct_dtype dtype) { return dtype == CT_F32 ? FLT_EPSILON : DBL_EPSILON; }
static double as(ct_dtype dtype, double v) { return dtype == CT_F32 ? (double)(float)v : v; }
static ct_tensor *leaf(ct_tensor *t) { return ct_requires_grad(t, true); }

/* Is the number right? Zeros of values have a sign. */
static bool right(double actual, double expected, ct_dtype dtype, bool value)
{
    const double smallest = dtype == CT_F32 ? (double)FLT_TRUE_MIN : DBL_TRUE_MIN;
    if (expected == ANY) return true;
    expected = as(dtype, expected);
    if (value && expected == 0) return actual == 0 && signbit(actual) == signbit(expected);
    if (actual == expected || (isnan(actual) && isnan(expected))) return true;
    return isfinite(expected) && fabs(actual - expected) <= 12 * epsilon(dtype) * fabs(expected) + 2 * smallest;
}

/* ---- pointwise operations ----------------------------------------------------------------------------- */

typedef struct call { /* an operation of one operand, or of two */
    ct_tensor *(*f1)(ct_tensor *x);
    ct_tensor *(*f2)(ct_tensor *x, ct_tensor *y);
} call;

typedef struct point {
    const char *op;
    call call;
    int dtypes;
    double x, y, z, d[2], dd[3]; /* dd: xx, xy, yy */
} point;

enum { LANES = 19 }; /* of one point: vector bodies and tails */

static ct_tensor *quarter_leaky_relu(ct_tensor *x) { return ct_leaky_relu(x, 0.25); }
static ct_tensor *dead_relu(ct_tensor *x) { return ct_leaky_relu(x, 0); }
static ct_tensor *steep_elu(ct_tensor *x) { return ct_elu(x, 1.5); }
static ct_tensor *clamp_from_minus_1_to_2(ct_tensor *x) { return ct_clamp(x, -1, 2); }

static const point points[] = {
#define POINT(op, dtypes, x, y, d, dd) {#op, {.f1 = ct_##op}, dtypes, x, 0, y, {d, 0}, {dd, 0, 0}},
#define POINT_OF(op, function, dtypes, x, y, d, dd) {#op, {.f1 = function}, dtypes, x, 0, y, {d, 0}, {dd, 0, 0}},
#define PAIR(op, dtypes, x, y, z, dx, dy, xx, xy, yy) {#op, {.f2 = ct_##op}, dtypes, x, y, z, {dx, dy}, {xx, xy, yy}},
#include "samples/special_pointwise.def"
#undef POINT
#undef POINT_OF
#undef PAIR
};

static long wrong;

static int apply(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const call *c = context;
    out[0] = c->f1 ? c->f1(in[0]) : c->f2(in[0], in[1]);
    return out[0] ? 0 : 1;
}

/* The gradient by formulas, to be differentiated. */
static int apply_slope(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const call *c = context;
    ct_tensor *z, *x[2] = {NULL, NULL};
    const int n = c->f1 ? 1 : 2;
    for (int i = 0; i < n; i++) x[i] = ct_needs_grad(in[i]) ? in[i] : leaf(in[i]);
    if (apply(context, x, &z)) return 1;
    return ct_grad(&z, NULL, 1, x, n, out, (ct_grad_options){.create_graph = true}) ? 0 : 2;
}

/* All lanes are alike. */
static void check_lanes(const point *p, ct_tensor *t, double expected, bool value, const char *what)
{
    double actual[LANES];
    const ct_dtype dtype = ct_dtype_of(t);
    assert_true(ct_copy_values(t, actual, LANES));
    for (int i = 0; i < LANES; i++) {
        if (right(actual[i], expected, dtype, value)) continue;
        print_error("%s at (%g, %g), %s, lane %d: %s is %.17g, expected %.17g\n", p->op, p->x, p->y, ct_dtype_name(dtype), i,
                    what, actual[i], as(dtype, expected));
        wrong++;
        return;
    }
}

static void check_point(const point *p, ct_dtype dtype)
{
    CT_SCOPE;
    static const char *const seconds[] = {"second derivative xx", "second derivative xy", "second derivative yy"};
    call c = p->call;
    const int n = c.f1 ? 1 : 2;
    ct_tensor *x[] = {leaf(ct_full(ct_shape(LANES), p->x, dtype)), n > 1 ? leaf(ct_full(ct_shape(LANES), p->y, dtype)) : NULL};
    ct_tensor *z, *fused[2], *formula[2], *row[2], *pushed[2], *dz;
    assert_int_equal(apply(&c, x, &z), 0);
    check_lanes(p, z, p->z, true, "value");
    assert_true(ct_grad(&z, NULL, 1, x, n, fused, (ct_grad_options){.retain_graph = true}));
    assert_true(ct_grad(&z, NULL, 1, x, n, formula, (ct_grad_options){.create_graph = true}));
    for (int i = 0; i < n; i++) {
        ct_tensor *tangents[] = {NULL, NULL};
        tangents[i] = ct_ones(ct_shape(LANES), dtype);
        assert_true(ct_jvp(apply, &c, x, tangents, n, NULL, &dz, 1));
        check_lanes(p, fused[i], p->d[i], false, i ? "fused slope by y" : "fused slope by x");
        check_lanes(p, formula[i], p->d[i], false, i ? "recorded slope by y" : "recorded slope by x");
        check_lanes(p, dz, p->d[i], false, i ? "tangent by y" : "tangent by x");
        /* row i of the Hessian */
        assert_true(ct_grad(&formula[i], NULL, 1, x, n, row, (ct_grad_options){.retain_graph = true}));
        assert_true(ct_jvp(apply_slope, &c, x, tangents, n, NULL, pushed, n));
        for (int j = 0; j < n; j++) {
            check_lanes(p, row[j], p->dd[i + j], false, seconds[i + j]);
            check_lanes(p, pushed[j], p->dd[i + j], false, seconds[i + j]);
        }
    }
}

static void pointwise_operations(void **state)
{
    (void)state;
    wrong = 0;
    for (size_t i = 0; i < COUNT(points); i++) {
        if (points[i].dtypes != F64) check_point(&points[i], CT_F32);
        if (points[i].dtypes != F32) check_point(&points[i], CT_F64);
    }
    assert_int_equal(wrong, 0);
    assert_clean();
}

/* ---- functions of a vector ---------------------------------------------------------------------------- */

typedef struct list {
    const double *at;
    int n;
} list;

typedef struct special {
    const char *op, *tag;
    int dtypes;
    ct_tensor *(*f)(ct_tensor *const *x);
    list x, y, g, h;
    int moved; /* of a MOVE row: elements of x */
} special;

/* What the expressions are made of. */
#define LIST(...) {(const double[]){__VA_ARGS__}, (int)COUNT(((const double[]){__VA_ARGS__}))}
#define NOTHING {NULL, 0}
#define ZERO(n) ZERO_##n
#define ZERO_4 0, 0, 0, 0
#define ZERO_9 ZERO_4, ZERO_4, 0
#define ZERO_16 ZERO_4, ZERO_4, ZERO_4, ZERO_4
#define AS(m, n) ct_reshape(x[0], ct_shape(m, n))
#define PART(from, m, n) ct_reshape(ct_slice(x[0], 0, from, (from) + (m) * (n), 1), ct_shape(m, n))
#define DIAGONAL(a, b) ct_diag(ct_of(ct_shape(2), ct_dtype_of(x[0]), a, b))
#define CHOOSE(a, b) ct_where(ct_of(ct_shape(2), CT_BOOL, 1, 0), a, b)
#define CLASS(m, n, ...) ct_softmax_cross_entropy(AS(m, n), ct_of(ct_shape(m), CT_I64, __VA_ARGS__))
#define MEAN_CLASS(m, n, ...) ct_softmax_cross_entropy_mean(AS(m, n), ct_of(ct_shape(m), CT_I64, __VA_ARGS__))
#define SCALED(...) ct_of(ct_shape(2), ct_dtype_of(x[0]), __VA_ARGS__)
#define NORM(m, eps) ct_layer_norm(AS(m, 2), SCALED(1, 2), SCALED(3, 4), eps)
#define LOGITS(a, b) ct_binary_cross_entropy_logits(x[0], ct_of(ct_shape(2), ct_dtype_of(x[0]), a, b), CT_MEAN)

/* slice_scatter and index_add are seen in derivatives alone: J' x for zeros[::2] and zeros[0, 2, 2, 1]. */
static ct_tensor *pulled(ct_tensor *y, ct_tensor *from, ct_tensor *cotangent)
{
    ct_tensor *g = NULL;
    ct_grad(&y, &cotangent, 1, &from, 1, &g, (ct_grad_options){.create_graph = true});
    return g;
}

static ct_tensor *back_through_slice(ct_tensor *x)
{
    ct_tensor *from = leaf(ct_zeros(ct_shape(6), ct_dtype_of(x)));
    return pulled(ct_slice(from, 0, CT_NONE, CT_NONE, 2), from, x);
}

static ct_tensor *back_through_index_select(ct_tensor *x)
{
    ct_tensor *from = leaf(ct_zeros(ct_shape(3), ct_dtype_of(x)));
    return pulled(ct_index_select(from, 0, ct_of(ct_shape(4), CT_I64, 0, 2, 2, 1)), from, x);
}

#define FUNCTION(op, tag, expression)                                                                                  \
    static ct_tensor *f_##op##_##tag(ct_tensor *const *x) { return expression; }
#define SPECIAL(op, tag, dtypes, expression, ...) FUNCTION(op, tag, expression)
#define VALUE(op, tag, expression, ...) FUNCTION(op, tag, expression)
#define MOVE(op, tag, n, expression) FUNCTION(op, tag, expression)
#include "samples/special_reduce.def"
#include "samples/special_shape.def"
#undef SPECIAL
#undef VALUE
#undef MOVE

#define SPECIAL(op, tag, dtypes, expression, ...) {#op, #tag, dtypes, f_##op##_##tag, __VA_ARGS__, 0},
#define VALUE(op, tag, expression, ...) {#op, #tag, BOTH, f_##op##_##tag, __VA_ARGS__, NOTHING, NOTHING, 0},
#define MOVE(op, tag, n, expression) {#op, #tag, BOTH, f_##op##_##tag, NOTHING, NOTHING, NOTHING, NOTHING, n},
static const special specials[] = {
#include "samples/special_reduce.def"
#include "samples/special_shape.def"
};
#undef SPECIAL
#undef VALUE
#undef MOVE

static const special *now;

static int run(void *context, ct_tensor *const *x, ct_tensor **y)
{
    const special *s = context;
    *y = s->f(x);
    return *y ? 0 : 1;
}

static ct_tensor *vector(list l, ct_dtype dtype) { return ct_from_values(l.at, l.n, ct_shape(l.n), dtype); }

static void check_list(ct_tensor *t, list expected, bool value, ct_dtype dtype, const char *what)
{
    enum { MOST = 64 };
    double actual[MOST];
    if (!t || ct_count_of(t) != expected.n || !ct_copy_values(t, actual, expected.n)) {
        print_error("%s.%s, %s: %s is no list of %d numbers: %s\n", now->op, now->tag, ct_dtype_name(dtype), what, expected.n,
                    ct_error() ? ct_error()->message : t ? "another size" : "NULL");
        ct_clear_error();
        wrong++;
        return;
    }
    for (int i = 0; i < expected.n; i++) {
        if (right(actual[i], expected.at[i], dtype, value)) continue;
        print_error("%s.%s, %s: %s [%d] is %.17g, expected %.17g\n", now->op, now->tag, ct_dtype_name(dtype), what, i, actual[i],
                    as(dtype, expected.at[i]));
        wrong++;
    }
}

/* 1, 2, 3, ... of y's shape */
static ct_tensor *weights_for(ct_tensor *y)
{
    return ct_reshape(ct_arange(1, (double)ct_count_of(y) + 1, 1, ct_dtype_of(y)), ct_shape_get(y));
}

static ct_tensor *unit(int64_t n, int64_t i, ct_dtype dtype)
{
    ct_tensor *e = ct_zeros(ct_shape(n), dtype);
    ct_set(e, ct_index(i), 1);
    return e;
}

/* x -> J(x)' u */
static int pull(void *context, ct_tensor *const *in, ct_tensor **out)
{
    ct_tensor *y, *x = ct_needs_grad(in[0]) ? in[0] : leaf(in[0]);
    if (run(context, &x, &y)) return 1;
    ct_tensor *u = weights_for(y);
    return ct_grad(&y, &u, 1, &x, 1, out, (ct_grad_options){.create_graph = true}) ? 0 : 2;
}

/* u' J e_i for each i. Zero times an infinite or absent slope is NaN, so a NaN
 * that other elements' slopes explain counts as right. */
static ct_tensor *by_tangents(special *s, ct_tensor *x, ct_dtype dtype)
{
    ct_tensor *g = ct_zeros(ct_shape(s->x.n), dtype), *dy = NULL;
    for (int i = 0; i < s->x.n; i++) {
        ct_tensor *e = unit(s->x.n, i, dtype);
        if (!ct_jvp(run, s, &x, &e, 1, NULL, &dy, 1)) return NULL;
        double along = ct_item(ct_sum(ct_mul(dy, weights_for(dy)), CT_ALL, false));
        for (int j = 0; j < s->x.n && isnan(along); j++) along = j != i && !isfinite(s->g.at[j]) ? s->g.at[i] : along;
        ct_set(g, ct_index(i), along);
    }
    return g;
}

static void check_hessian(special *s, ct_tensor *x, ct_tensor *g, ct_dtype dtype)
{
    ct_tensor *rows[8], *columns[8];
    assert_true(s->x.n <= 8);
    for (int i = 0; i < s->x.n; i++) {
        ct_tensor *e = unit(s->x.n, i, dtype);
        if (!ct_grad(&g, &e, 1, &x, 1, &rows[i], (ct_grad_options){.retain_graph = true})) rows[i] = NULL;
        if (!ct_jvp(pull, s, &x, &e, 1, NULL, &columns[i], 1)) columns[i] = NULL;
        if (!rows[i] || !columns[i]) check_list(NULL, s->h, false, dtype, "a row of the Hessian");
        if (!rows[i] || !columns[i]) return;
    }
    check_list(ct_stack(rows, s->x.n, 0), s->h, false, dtype, "Hessian by reverse over reverse");
    check_list(ct_stack(columns, s->x.n, 0), s->h, false, dtype, "Hessian by forward over reverse");
}

static void check_special(const special *row, ct_dtype dtype)
{
    CT_SCOPE;
    special s = *row;
    ct_tensor *x = leaf(vector(s.x, dtype)), *y = NULL, *fused = NULL, *formula = NULL;
    run(&s, &x, &y);
    const bool exact = strcmp(s.op, "cast") == 0 || strcmp(s.op, "pad") == 0 || strcmp(s.op, "where") == 0;
    check_list(y, s.y, exact, dtype, "value");
    if (!y || !s.g.at) {
        assert_true(y && !ct_needs_grad(y)); /* a VALUE row */
        return;
    }
    ct_tensor *u = weights_for(y);
    assert_true(ct_grad(&y, &u, 1, &x, 1, &fused, (ct_grad_options){.retain_graph = true}));
    assert_true(ct_grad(&y, &u, 1, &x, 1, &formula, (ct_grad_options){.create_graph = true}));
    check_list(fused, s.g, false, dtype, "gradient by the fused rule");
    check_list(formula, s.g, false, dtype, "gradient by formulas");
    check_list(by_tangents(&s, x, dtype), s.g, false, dtype, "gradient by tangents");
    bool finite = true;
    for (int i = 0; i < s.x.n; i++) finite = finite && isfinite(s.g.at[i]);
    if (s.h.at && finite) check_hessian(&s, x, formula, dtype);
}

/* ---- elements that are moved -------------------------------------------------------------------------- */

/* Bits that a copy must not touch: quiet NaNs with a payload and both signs, infinities, -0.0, the least subnormal, ... */
static ct_tensor *special_bits(int n, int first, ct_dtype dtype)
{
    static const uint32_t f32[] = {0x7fc12345, 0x7f800000, 0x80000000, 0xff800000, 0x00000001, 0xffc54321,
                                   0x3f800000, 0xc0000000, 0x7f7fffff};
    static const uint64_t f64[] = {0x7ff8123456789abc, 0x7ff0000000000000, 0x8000000000000000, 0xfff0000000000000,
                                   0x0000000000000001, 0xfff8cba987654321, 0x3ff0000000000000, 0xc000000000000000,
                                   0x7fefffffffffffff};
    uint32_t narrow[COUNT(f32)];
    uint64_t wide[COUNT(f64)];
    for (int i = 0; i < n; i++) {
        narrow[i] = f32[(size_t)(i + first) % COUNT(f32)];
        wide[i] = f64[(size_t)(i + first) % COUNT(f64)];
    }
    return dtype == CT_F32 ? ct_from(narrow, ct_shape(n), CT_F32) : ct_from(wide, ct_shape(n), CT_F64);
}

/* t's element i has the bits of from's element at[i] - 1; 0 stands for +0. */
static void check_bits(ct_tensor *t, ct_tensor *from, const double *at, const char *what)
{
    const size_t size = ct_dtype_size(ct_dtype_of(from));
    static const char zero[8];
    char a[64 * 8], b[16 * 8];
    const int64_t n = ct_count_of(t);
    assert_true(ct_copy_out(t, a, (size_t)n * size) && ct_copy_out(from, b, (size_t)ct_count_of(from) * size));
    for (int64_t i = 0; i < n; i++) {
        const int source = (int)at[i] - 1;
        if (memcmp(a + (size_t)i * size, source < 0 ? zero : b + (size_t)source * size, size) == 0) continue;
        print_error("%s.%s, %s: %s: element %d is not bit for bit element %d of the operand\n", now->op, now->tag,
                    ct_dtype_name(ct_dtype_of(from)), what, (int)i, source);
        wrong++;
    }
}

/* gx_j is the sum of u_i over the elements that x_j was moved to, and NaN only where one of those is. */
static void check_moved_back(ct_tensor *g, ct_tensor *u, const double *at, const char *what)
{
    double back[16], given[64];
    const int64_t n = ct_count_of(g), m = ct_count_of(u);
    assert_true(ct_copy_values(g, back, n) && ct_copy_values(u, given, m));
    for (int64_t j = 0; j < n; j++) {
        double sum = 0;
        for (int64_t i = 0; i < m; i++) sum += (int64_t)at[i] - 1 == j ? given[i] : 0;
        if (right(back[j], sum, ct_dtype_of(g), false)) continue;
        print_error("%s.%s, %s: %s: [%d] is %g, expected %g\n", now->op, now->tag, ct_dtype_name(ct_dtype_of(g)), what, (int)j,
                    back[j], sum);
        wrong++;
    }
}

static void check_move(const special *row, ct_dtype dtype)
{
    CT_SCOPE;
    special s = *row;
    double at[64]; /* where elements come from, found by moving 1, 2, 3, ... */
    ct_tensor *numbers = leaf(ct_arange(1, s.moved + 1, 1, dtype)), *y = NULL, *dy = NULL, *fused, *formula;
    ct_tensor *x = leaf(special_bits(s.moved, 0, dtype)), *dx = special_bits(s.moved, 1, dtype);
    assert_int_equal(run(&s, &numbers, &y), 0);
    const int64_t n = ct_count_of(y);
    assert_true(n <= 64 && ct_copy_values(y, at, n));
    assert_int_equal(run(&s, &x, &y), 0);
    check_bits(y, x, at, "value");
    assert_true(ct_jvp(run, &s, &x, &dx, 1, NULL, &dy, 1));
    check_bits(dy, dx, at, "tangent");
    ct_tensor *u = ct_add(weights_for(y), ct_zeros(ct_shape(), dtype));
    for (int64_t i = 0; i < 2 && i < n; i++) {
        ct_tensor *flat = ct_reshape(u, ct_shape(-1));
        assert_true(ct_set(flat, ct_index(i), i ? INF : NAN));
    }
    assert_true(ct_grad(&y, &u, 1, &x, 1, &fused, (ct_grad_options){.retain_graph = true}));
    assert_true(ct_grad(&y, &u, 1, &x, 1, &formula, (ct_grad_options){.create_graph = true}));
    check_moved_back(fused, u, at, "gradient by the fused rule");
    check_moved_back(formula, u, at, "gradient by formulas");
}

static void other_operations(void **state)
{
    (void)state;
    wrong = 0;
    for (size_t i = 0; i < COUNT(specials); i++) {
        now = &specials[i];
        for (ct_dtype dtype = CT_F32; dtype <= CT_F64; dtype++) {
            if (now->dtypes == (dtype == CT_F32 ? F64 : F32)) continue;
            if (now->moved) check_move(now, dtype);
            else check_special(now, dtype);
        }
    }
    assert_int_equal(wrong, 0);
    assert_clean();
}

/* A row of NaN leaves the other rows of a product alone, also in BLIS's kernels, whose tiles have several rows. */
static void nan_stays_in_its_row_of_a_large_product(void **state)
{
    (void)state;
    for (ct_dtype dtype = CT_F32; dtype <= CT_F64; dtype++) {
        CT_SCOPE;
        enum { M = 67, K = 40, N = 53, AT = 13 };
        ct_tensor *a = ct_normal(ct_shape(M, K), 0, 1, dtype), *b = ct_normal(ct_shape(K, N), 0, 1, dtype);
        ct_tensor *spoiled = ct_clone(a);
        assert_true(ct_fill_(ct_select(spoiled, 0, AT), (double)NAN));
        ct_tensor *z = ct_matmul(spoiled, b), *whole = ct_matmul(a, b);
        assert_true(ct_item(ct_all(ct_isnan(ct_select(z, 0, AT)), CT_ALL, false)));
        assert_true(ct_equal(ct_slice(z, 0, 0, AT, 1), ct_slice(whole, 0, 0, AT, 1)));
        assert_true(ct_equal(ct_slice(z, 0, AT + 1, CT_NONE, 1), ct_slice(whole, 0, AT + 1, CT_NONE, 1)));
    }
    assert_clean();
}

/* ---- completeness, instruction sets ------------------------------------------------------------------- */

#define CT_OP(name) #name,
static const char *const operations[] = {
#include "ops/op_list.h"
};
#undef CT_OP

static void every_operation_has_a_special_point(void **state)
{
    (void)state;
    int missing = 0;
    for (size_t i = 0; i < COUNT(operations); i++) {
        int found = 0;
        for (size_t k = 0; k < COUNT(points); k++) found += strcmp(points[k].op, operations[i]) == 0;
        for (size_t k = 0; k < COUNT(specials); k++) found += strcmp(specials[k].op, operations[i]) == 0;
        if (!found) print_error("no special point of %s\n", operations[i]);
        missing += !found;
    }
    assert_int_equal(missing, 0);
    print_message("%d points of pointwise operations, %d of others\n", (int)COUNT(points), (int)COUNT(specials));
}

/* All of the above again, in a process of its own: the choice of kernels is made once. */
static void run_again_with(const char *set)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char program[] = "/proc/self/exe", *arguments[] = {program, NULL};
        if (!freopen("/dev/null", "w", stdout) || setenv("COTANGENT_ISA", set, 1) != 0) _exit(1);
        execv(program, arguments);
        _exit(1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) print_error("the tests fail with the instruction set %s\n", set);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void smaller_instruction_sets_pass_too(void **state)
{
    (void)state;
    static const char *const sets[] = {"baseline", "avx2"};
    if (getenv("COTANGENT_ISA")) return; /* this is such a run */
    for (size_t i = 0; i < COUNT(sets) && strcmp(sets[i], ct_instruction_set()) != 0; i++) run_again_with(sets[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointwise_operations),
        cmocka_unit_test(other_operations),
        cmocka_unit_test(nan_stays_in_its_row_of_a_large_product),
        cmocka_unit_test(every_operation_has_a_special_point),
        cmocka_unit_test(smaller_instruction_sets_pass_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
