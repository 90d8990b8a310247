/*
 * compare.c - operations whose result is bool: comparisons, logic, tests of floats. None has a derivative.
 */
#include "ops/pointwise.h"

#include <cotangent/ops.h>

/* Records carry the offset of their kernels in the table; by dtype, but for logic, whose operands are bool. */
typedef struct place {
    size_t offset;
    bool by_dtype;
} place;

static bool bool_of_same_shape(ct_call *c)
{
    c->shape[0] = ct__shape(c->in[0]);
    c->dtypes[0] = CT_BOOL;
    return true;
}

static bool forward(const ct_call *c)
{
    const place *p = c->op->impl;
    const char *table = (const char *)ct__pointwise_kernels + p->offset;
    const ct__kernel *kernel = (const ct__kernel *)(const void *)table;
    ct_tensor *operands[] = {c->out[0], c->in[0], c->n_in > 1 ? c->in[1] : NULL};
    ct__map_mixed(kernel[p->by_dtype ? c->in[0]->dtype : 0], operands, 1 + c->n_in);
    return true;
}

#define RECORD(name_, n, by_dtype, text)                                                                               \
    static const place place_##name_ = {offsetof(ct__pointwise_table, name_), by_dtype};                               \
    const ct_op ct__op_##name_ = {.name = #name_, .inputs = n, .shape = bool_of_same_shape, .forward = forward,        \
                                  .vjp = {ct__vjp_none, ct__vjp_none}, .jvp = {ct__jvp_none, ct__jvp_none},            \
                                  .impl = &place_##name_, .doc = text};

static ct_tensor *compare(const ct_op *op, const char *title, ct_tensor *x, ct_tensor *y)
{
    if (!ct__check(title, "x", x) || !ct__check(title, "y", y)) return NULL;
    const int scope = ct__scope_begin();
    const bool bools = x->dtype == CT_BOOL && y->dtype == CT_BOOL && ct__same_shape(x, y); /* compared as bytes */
    const bool ready = bools || !ct__needs_matching(x, y) || ct__match(title, &x, &y, false);
    ct_tensor *in[] = {x, y}, *z = ready ? ct__apply(op, in, 2, NULL) : NULL;
    if (z) ct_scope_return(z);
    ct__scope_end(scope);
    return z;
}

#define COMPARISON(name, text)                                                                                         \
    RECORD(name, 2, true, text)                                                                                        \
    ct_tensor *ct_##name(ct_tensor *x, ct_tensor *y) { return compare(&ct__op_##name, "ct_" #name, x, y); }
COMPARISON(eq, "x == y")
COMPARISON(ne, "x != y")
COMPARISON(lt, "x < y")
COMPARISON(le, "x <= y")
COMPARISON(gt, "x > y")
COMPARISON(ge, "x >= y")

/* x != 0 as bool. */
static ct_tensor *truth(const char *title, ct_tensor *x)
{
    if (x->dtype == CT_BOOL) return x;
    ct_tensor *y = ct__tensor_like(title, x, CT_BOOL);
    if (y) ct__copy(y, x);
    return y;
}

static ct_tensor *logic(const ct_op *op, const char *title, ct_tensor *x, ct_tensor *y)
{
    if (!ct__check(title, "x", x) || !ct__check(title, "y", y)) return NULL;
    ct_shape shape;
    if (!ct__broadcast(ct__shape(x), ct__shape(y), &shape))
        return ct__fail(CT_ERROR_SHAPE, title, "shapes do not broadcast: x is %s, y is %s", ct__describe(x), ct__describe(y));
    const int scope = ct__scope_begin();
    ct_tensor *in[] = {truth(title, x), truth(title, y)};
    for (int i = 0; i < 2; i++) in[i] = in[i] ? ct__to_shape(in[i], shape) : NULL;
    ct_tensor *z = in[0] && in[1] ? ct__apply(op, in, 2, NULL) : NULL;
    if (z) ct_scope_return(z);
    ct__scope_end(scope);
    return z;
}

#define LOGIC(name, text)                                                                                              \
    RECORD(name, 2, false, text)                                                                                       \
    ct_tensor *ct_##name(ct_tensor *x, ct_tensor *y) { return logic(&ct__op_##name, "ct_" #name, x, y); }
LOGIC(logical_and, "x and y")
LOGIC(logical_or, "x or y")
LOGIC(logical_xor, "x xor y")

static ct_tensor *test(const ct_op *op, const char *title, ct_tensor *x, bool of_floats)
{
    if (!ct__check(title, "x", x)) return NULL;
    const int scope = ct__scope_begin();
    ct_tensor *in = of_floats ? ct__to_float(x) : truth(title, x), *y = in ? ct__apply(op, &in, 1, NULL) : NULL;
    if (y) ct_scope_return(y);
    ct__scope_end(scope);
    return y;
}

#define TEST(name, of_floats, text)                                                                                    \
    RECORD(name, 1, of_floats, text)                                                                                   \
    ct_tensor *ct_##name(ct_tensor *x) { return test(&ct__op_##name, "ct_" #name, x, of_floats); }
TEST(isnan, true, "x is NaN")
TEST(isinf, true, "x is infinite")
TEST(isfinite, true, "x is neither infinite nor NaN")
TEST(logical_not, false, "not x")
