/*
 * pointwise.c - pointwise.def read as operations: records, rules and public functions.
 *
 * A rule is the slope written in calls of operations, times the cotangent; where nothing is recorded, the fused kernel computes the same
 * formula in one pass. Both come from the same line, and tests hold them together.
 */
#include "ops/pointwise.h"

#include <cotangent/ops.h>

#include "autograd/apply.h"

#include <float.h>
#include <math.h>
#include <string.h>

#ifdef CT__HAVE_X86_VARIANTS
const ct__pointwise_table *ct__pointwise_kernels = &ct__pointwise_baseline; /* until the library is loaded */

/* Runs when the library is loaded. */
__attribute__((constructor)) static void choose(void)
{
    static const ct__pointwise_table *const tables[] = {&ct__pointwise_baseline, &ct__pointwise_avx2, &ct__pointwise_avx512};
    ct__pointwise_kernels = tables[ct__isa()];
}
#else
const ct__pointwise_table *ct__pointwise_kernels = &ct__pointwise_baseline;
#endif

/* ---- what all records share ---- */

/* .impl of a record: where its kernels stand in the table, and how much an element costs. */
typedef struct place {
    size_t offset;
    int cost;
} place;

static const ct__pointwise *kernels_of(const ct_op *op)
{
    const char *table = (const char *)ct__pointwise_kernels;
    return (const ct__pointwise *)(const void *)(table + ((const place *)op->impl)->offset);
}

static int cost_of(const ct_op *op) { return ((const place *)op->impl)->cost; }

static CT__APART void map_many(ct__kernel kernel, ct_tensor *const *t, int count, const double *params, int cost)
{
    ct__blocks b;
    b.params[0] = params ? params[0] : 0;
    b.params[1] = params ? params[1] : 0;
    b.kernel = kernel;
    b.count = count;
    b.size[0] = (uint8_t)ct__size(t[0]);
    b.block = CT__BLOCK / b.size[0];
    char *data[CT__MAX_OPERANDS];
    bool dense = ct__is_short(t[0]->count * cost);
    for (int k = 0; k < count; k++) {
        dense = dense && t[k]->dense;
        data[k] = t[k]->data;
    }
    if (CT__LIKELY(dense)) { /* as ct__map would, one call less */
        ct__count_pass(count * t[0]->count * b.size[0]);
        ct__pointwise_kernels->run_blocks(t[0]->count, data, b.params);
        return;
    }
    const ct__pointwise_table *table = ct__pointwise_kernels;
    if (count == 3) ct__map_straight(table->run_blocks, table->straight(kernel), t, b.params, cost);
    else ct__map(table->run_blocks, 1, t, count, b.params, cost);
}

/* Of tensors of one dtype, which is the last argument. */
static inline __attribute__((always_inline)) void map(ct__kernel kernel, ct_tensor *const *t, int count, const double *params, int cost,
                                                      unsigned dtype)
{
    static const double none[2];
    if (CT__UNLIKELY(t[0]->count != 1) || CT__UNLIKELY(dtype > CT_F64)) { /* to whom a jump is nothing */
        map_many(kernel, t, count, params, cost);
        return;
    }
    _Static_assert(CT_F32 == 0 && CT_F64 == 1, "the size is a power of two");
    ct__count_pass(count * (4 << dtype));
    ct__pointwise_kernels->run_one[dtype](kernel, t, count, params ? params : none);
}

void ct__map_blocks(ct__kernel kernel, ct_tensor *const *t, int count, const double *params, int cost)
{
    map(kernel, t, count, params, cost, t[0]->dtype);
}

void ct__map_mixed(ct__kernel kernel, ct_tensor *const *t, int count)
{
    ct__blocks b = {.kernel = kernel, .count = count, .block = CT__BLOCK / (int)ct__size(t[0])};
    for (int k = 0; k < count; k++) b.size[k] = (uint8_t)ct__size(t[k]);
    ct__map(ct__pointwise_kernels->run_mixed, 1, t, count, b.params, 1);
}

static inline __attribute__((always_inline)) void compute(const ct_op *op, ct_tensor *z, ct_tensor *x, ct_tensor *y, int n_in,
                                                          const void *params)
{
    ct_tensor *operands[] = {z, x, y};
    const unsigned dtype = x->dtype;
    map(kernels_of(op)->forward[dtype], operands, 1 + n_in, params, cost_of(op), dtype);
}

static bool forward(const ct_call *c)
{
    compute(c->op, c->out[0], c->in[0], c->n_in > 1 ? c->in[1] : NULL, c->n_in, c->params);
    return true;
}

bool ct__pointwise_forward(const ct_op *op, ct_tensor *y, ct_tensor *x)
{
    ct_tensor *operands[] = {y, x};
    ct__map_blocks(kernels_of(op)->forward[y->dtype], operands, 2, NULL, cost_of(op));
    return true;
}

bool ct__pointwise_slope(const ct_op *op, ct_tensor *gx, ct_tensor *g, ct_tensor *y)
{
    ct_tensor *operands[] = {gx, g, g, y}; /* x is not read */
    ct__map_blocks(kernels_of(op)->slope[0][gx->dtype], operands, 4, NULL, cost_of(op));
    return true;
}

bool ct__pointwise_forward2(const ct_op *op, ct_tensor *z, ct_tensor *x, ct_tensor *y)
{
    ct_tensor *operands[] = {z, x, y};
    ct__map_blocks(kernels_of(op)->forward[z->dtype], operands, 3, NULL, cost_of(op));
    return true;
}

bool ct__pointwise_slope2(const ct_op *op, int operand, ct_tensor *gx, ct_tensor *g, ct_tensor *x, ct_tensor *y)
{
    ct_tensor *operands[] = {gx, g, x, y, g}; /* z is not read */
    ct__map_blocks(kernels_of(op)->slope[operand][gx->dtype], operands, 5, NULL, cost_of(op));
    return true;
}

/* dx = g * slope for each operand in one pass, the last one over g where nobody sees that; what the slope does not read is replaced by
 * g. */
static bool fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    const int n_in = c->n_in;
    const ct__pointwise *kernels = kernels_of(c->op);
    ct_tensor *const dz = g[0], *operands[5];
    operands[1] = dz;
    operands[2] = c->in[0] ? c->in[0] : dz;
    if (n_in > 1) operands[3] = c->in[1] ? c->in[1] : dz;
    operands[2 + n_in] = c->out[0] ? c->out[0] : dz;
    for (unsigned rest; need; need = rest) {
        const int i = __builtin_ctz(need);
        rest = need & (need - 1);
        const bool over = !rest && dz->dtype == c->dtype && ct__spent(c, dz);
        operands[0] = gx[i] = over ? ct__retain(dz) : ct__tensor_like(c->op->name, dz, c->dtype);
        if (!gx[i]) return false;
        map(kernels->slope[i][c->dtype], operands, 3 + n_in, c->params, cost_of(c->op), c->dtype);
    }
    return true;
}

/* A kernel of blocks as one for any number of elements, with what that needs. */
static ct__slope for_any_number(ct__kernel kernel, int count, ct_dtype dtype, const double *params, int cost)
{
    ct__blocks b = {.kernel = kernel, .count = count, .size = {dtype == CT_F32 ? 4 : 8}};
    b.block = CT__BLOCK / b.size[0];
    for (int k = 0; params && k < 2; k++) b.params[k] = params[k];
    ct__slope s = {.kernel = ct__pointwise_kernels->run_blocks, .cost = cost};
    _Static_assert(sizeof b <= sizeof s.params, "a slope has room for what run_blocks takes");
    memcpy(s.params, &b, sizeof b);
    return s;
}

/* What is linear and not the same is negated. */
static ct__slope slope_of(const ct_op *op, int i, ct_dtype dtype, const double *params)
{
    const ct__kernel kernel = kernels_of(op)->slope[i][dtype];
    if (kernel) return for_any_number(kernel, 3 + op->inputs, dtype, params, cost_of(op));
    return for_any_number(ct__pointwise_kernels->neg.forward[dtype], 2, dtype, NULL, cost_of(op));
}

ct__slope ct__pointwise_add(ct_dtype dtype)
{
    return for_any_number(ct__pointwise_kernels->add.forward[dtype], 3, dtype, NULL, 1);
}

/* ---- the formulas as calls ---- */

#define NUM(v) ct__number(c, v)
#define P(k) ct__number(c, ((const double *)c->params)[k])
#define ADD(a, b) ct_add(a, b)
#define SUB(a, b) ct_sub(a, b)
#define MUL(a, b) ct_mul(a, b)
#define DIV(a, b) ct_div(a, b)
#define NEG(a) ct_neg(a)
#define WHERE(k, a, b) ct_where(k, a, b)
#define GT(a, b) ct_gt(a, b)
#define LT(a, b) ct_lt(a, b)
#define LE(a, b) ct_le(a, b)
#define EQ(a, b) ct_eq(a, b)
#define ABS(a) ct_abs(a)
#define SIGN(a) ct_sign(a)
#define SIGN_UP(a) ct_sign(a)
#define MIN(a, b) ct_minimum(a, b)
#define NONZERO(a) nonzero(c, a)
#define EXP(a) ct_exp(a)
#define LOG(a) ct_log(a)
#define RSQRT(a) ct_rsqrt(a)
#define SIN(a) ct_sin(a)
#define COS(a) ct_cos(a)
#define SINH(a) ct_sinh(a)
#define COSH(a) ct_cosh(a)
#define TANH(a) ct_tanh(a)
#define ERF(a) ct_erf(a)
#define SIGMOID(a) ct_sigmoid(a)
#define POW(a, b) ct_pow(a, b)
#define HYPOT(a, b) ct_hypot(a, b)
#define CUT(a, b) ct_clamp(a, -(b), b)
#define LEAST (c->dtype == CT_F32 ? (double)FLT_MIN : DBL_MIN)
#define MOST (c->dtype == CT_F32 ? (double)FLT_MAX : DBL_MAX)

/* a, with 1 in place of 0. */
static ct_tensor *nonzero(const ct_call *c, ct_tensor *a) { return ct_where(ct_eq(a, NUM(0)), NUM(1), a); }

/* Rules that need no slope. */
static ct_tensor *vjp_negated(const ct_call *c, ct_tensor *const *g) { return (void)c, ct_neg(g[0]); }
static ct_tensor *jvp_negated(const ct_call *c, ct_tensor *dx) { return (void)c, ct_neg(dx); }
#define SAME_VJP ct__vjp_same
#define NEGATED_VJP vjp_negated
#define SAME_JVP ct__jvp_same
#define NEGATED_JVP jvp_negated

#define LETTERS1                                                                                                       \
    ct_tensor *x = c->in[0], *y = c->out[0];                                                                           \
    (void)x;                                                                                                           \
    (void)y;
#define LETTERS2                                                                                                       \
    ct_tensor *x = c->in[0], *y = c->in[1], *z = c->out[0];                                                            \
    (void)x;                                                                                                           \
    (void)y;                                                                                                           \
    (void)z;
/* The VJP and the JVP of one operand are the same product with the slope. */
#define RULES(name, letters, slope)                                                                                    \
    static ct_tensor *vjp_##name(const ct_call *c, ct_tensor *const *g)                                                \
    {                                                                                                                  \
        letters return ct_mul(g[0], slope);                                                                            \
    }                                                                                                                  \
    static ct_tensor *jvp_##name(const ct_call *c, ct_tensor *dx)                                                      \
    {                                                                                                                  \
        letters return ct_mul(dx, slope);                                                                              \
    }
#define UNARY(name, f, slope, keeps) RULES(name, LETTERS1, slope)
#define UNARY_ANY(name, f, slope, keeps) RULES(name, LETTERS1, slope)
#define UNARY_P UNARY
#define UNARY_ANY_P UNARY_ANY
#define FLAT_ANY(name, f)
#define LINEAR_ANY(name, f, rule)
#define LINEAR2_ANY(name, f, rule_x, rule_y)
#define BINARY(name, f, slope_x, slope_y, keeps) RULES(name##_x, LETTERS2, slope_x) RULES(name##_y, LETTERS2, slope_y)
#define BINARY_ANY(name, f, slope_x, slope_y, keeps) BINARY(name, f, slope_x, slope_y, keeps)
#include "ops/pointwise.def"
#undef UNARY
#undef UNARY_ANY
#undef FLAT_ANY
#undef LINEAR_ANY
#undef LINEAR2_ANY
#undef BINARY
#undef BINARY_ANY

/* ---- records ---- */

enum { CHEAP = 1, COSTLY = 8 };

#define RECORD(name_, n, keeps_, cost_, text, ...)                                                                     \
    static const place place_##name_ = {offsetof(ct__pointwise_table, name_), cost_};                                  \
    const ct_op ct__op_##name_ = {.name = #name_, .inputs = n, .keeps = keeps_, .params = 2 * sizeof(double),          \
                                  .shape = ct__shape_of_x, .forward = forward, .impl = &place_##name_, .doc = text, __VA_ARGS__};
#define RULE1(name) .vjp = {vjp_##name}, .jvp = {jvp_##name}, .fused = fused, .slope = slope_of
#define RULE2(name)                                                                                                    \
    .vjp = {vjp_##name##_x, vjp_##name##_y}, .jvp = {jvp_##name##_x, jvp_##name##_y}, .fused = fused, .slope = slope_of
#define UNARY(name, f, slope, keeps) RECORD(name, 1, keeps, COSTLY, #f, RULE1(name))
#define UNARY_ANY(name, f, slope, keeps) RECORD(name, 1, keeps, CHEAP, #f, RULE1(name))
#define FLAT_ANY(name, f) RECORD(name, 1, KEEP_NOTHING, CHEAP, #f, .vjp = {ct__vjp_zero}, .jvp = {ct__jvp_zero}, .slope = slope_of)
#define LINEAR_ANY(name, f, rule)                                                                                      \
    RECORD(name, 1, KEEP_NOTHING, CHEAP, #f, .vjp = {rule##_VJP}, .jvp = {rule##_JVP}, .slope = slope_of)
#define LINEAR2_ANY(name, f, rule_x, rule_y)                                                                           \
    RECORD(name, 2, KEEP_NOTHING, CHEAP, #f, .vjp = {rule_x##_VJP, rule_y##_VJP}, .jvp = {rule_x##_JVP, rule_y##_JVP}, .slope = slope_of)
#define BINARY(name, f, slope_x, slope_y, keeps) RECORD(name, 2, keeps, COSTLY, #f, RULE2(name))
#define BINARY_ANY(name, f, slope_x, slope_y, keeps) RECORD(name, 2, keeps, CHEAP, #f, RULE2(name))
#include "ops/pointwise.def"
#undef UNARY
#undef UNARY_ANY
#undef UNARY_P
#undef UNARY_ANY_P
#undef FLAT_ANY
#undef LINEAR_ANY
#undef LINEAR2_ANY
#undef BINARY
#undef BINARY_ANY

/* ---- public functions ---- */

static ct_tensor *apply1(const ct_op *op, ct_tensor *x, const double *params)
{
    ct_tensor *y = ct__apply_like_x(op, compute, x, NULL, 1, params);
    if (y) y->weak = x->weak;
    return y;
}

/* Integers go to f32 where the operation needs floats, bools where it has no kernel for them. */
static ct_tensor *unary(const ct_op *op, const char *title, ct_tensor *x, const double *params, bool floats)
{
    if (!ct__check(title, "x", x)) return NULL;
    if (CT__LIKELY(ct__is_float(x->dtype) || (!floats && x->dtype != CT_BOOL))) return apply1(op, x, params);
    const int scope = ct__scope_begin();
    ct_tensor *f = ct__to_dtype(x, CT_F32), *y = f ? apply1(op, f, params) : NULL;
    if (y) ct_scope_return(y);
    ct__scope_end(scope);
    return y;
}

static bool divisor_has_zero(const ct_tensor *y)
{
    for (ct__walk w = ct__walk_start(y->rank, y->dim); w.more; ct__walk_next(&w)) {
        if (ct__load(y->data + ct__walk_offset(&w, y->stride) * (int64_t)ct__size(y), y->dtype) == 0) return true;
    }
    return false;
}

static CT__APART ct_tensor *apply2(const ct_op *op, ct_tensor *x, ct_tensor *y)
{
    return ct__apply_like_x(op, compute, x, y, 2, NULL);
}

/* Of one shape and dtype, which may be one of integers. */
static ct_tensor *apply2_any(const ct_op *op, const char *title, ct_tensor *x, ct_tensor *y)
{
    if (op == &ct__op_div && !ct__is_float(x->dtype) && divisor_has_zero(y))
        return ct__fail(CT_ERROR_VALUE, title, "division of integers by zero: x is %s, y is %s", ct__describe(x), ct__describe(y));
    return apply2(op, x, y);
}

/* Brings the operands together first. */
static CT__APART ct_tensor *binary_matched(const ct_op *op, const char *title, ct_tensor *x, ct_tensor *y, bool floats)
{
    const bool y_first = op == &ct__op_atan2; /* called as ct_atan2(y, x) */
    if (!ct__check(title, y_first ? "y" : "x", x) || !ct__check(title, y_first ? "x" : "y", y)) return NULL;
    const bool weak = x->weak && y->weak;
    const int scope = ct__scope_begin();
    const bool matched = y_first ? ct__match(title, &y, &x, floats) : ct__match(title, &x, &y, floats);
    ct_tensor *z = matched ? apply2_any(op, title, x, y) : NULL;
    if (z) z->weak = weak;
    if (z) ct_scope_return(z);
    ct__scope_end(scope);
    return z;
}

/* Are they there, and floats that need nothing done to them first? */
static inline bool are_ready(const ct_tensor *x, const ct_tensor *y)
{
    return x && y && ct__is_float(x->dtype) && !ct__needs_matching(x, y);
}

static CT__APART ct_tensor *binary_any(const ct_op *op, const char *title, ct_tensor *x, ct_tensor *y, bool floats)
{
    return are_ready(x, y) ? apply2(op, x, y) : binary_matched(op, title, x, y, floats);
}

/* Without axes nothing is called to compare them. */
static ct_tensor *binary(const ct_op *op, const char *title, ct_tensor *x, ct_tensor *y, bool floats)
{
    return x && x->rank == 0 && are_ready(x, y) ? apply2(op, x, y) : binary_any(op, title, x, y, floats);
}

#define UNARY(name, f, slope, keeps) ct_tensor *ct_##name(ct_tensor *x) { return unary(&ct__op_##name, "ct_" #name, x, NULL, true); }
#define UNARY_ANY(name, f, slope, keeps) ct_tensor *ct_##name(ct_tensor *x) { return unary(&ct__op_##name, "ct_" #name, x, NULL, false); }
#define UNARY_P(name, f, slope, keeps)
#define UNARY_ANY_P(name, f, slope, keeps)
#define FLAT_ANY(name, f) UNARY_ANY(name, f, , )
#define LINEAR_ANY(name, f, rule) UNARY_ANY(name, f, , )
#define LINEAR2_ANY(name, f, rule_x, rule_y) BINARY_ANY(name, f, , , )
#define BINARY(name, f, slope_x, slope_y, keeps)                                                                       \
    ct_tensor *ct_##name(ct_tensor *x, ct_tensor *y) { return binary(&ct__op_##name, "ct_" #name, x, y, true); }
#define BINARY_ANY(name, f, slope_x, slope_y, keeps)                                                                   \
    ct_tensor *ct_##name(ct_tensor *x, ct_tensor *y) { return binary(&ct__op_##name, "ct_" #name, x, y, false); }
#include "ops/pointwise.def"

ct_tensor *ct_leaky_relu(ct_tensor *x, double alpha)
{
    return unary(&ct__op_leaky_relu, "ct_leaky_relu", x, (const double[]){alpha, 0}, true);
}

ct_tensor *ct_elu(ct_tensor *x, double alpha) { return unary(&ct__op_elu, "ct_elu", x, (const double[]){alpha, 0}, true); }

ct_tensor *ct_clamp(ct_tensor *x, double low, double high)
{
    if (!(low <= high)) return ct__fail(CT_ERROR_VALUE, "ct_clamp", "low is %g and high is %g; expected low <= high", low, high);
    return unary(&ct__op_clamp, "ct_clamp", x, (const double[]){low, high}, false);
}
