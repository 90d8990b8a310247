/*
 * inplace.c - changing values in place.
 *
 * Everything is checked, and memory taken, before the first element changes: a call that fails has changed nothing. Each change
 * counts up the version of the storage, so that a backward pass notices that a value it kept is stale.
 */
#include "tensor/script.h"

#include <math.h>

bool (*ct__inplace_allowed)(const char *operation, const ct_tensor *t);

/* ---- what may be changed ---- */

/* Do several elements share one place in memory (an expanded view)? */
static bool repeats(const ct_tensor *t)
{
    for (int i = 0; i < t->rank; i++) {
        if (t->stride[i] == 0 && t->dim[i] > 1) return t->count > 0;
    }
    return false;
}

bool ct__inplace_check(const char *operation, ct_tensor *t)
{
    if (!ct__may_change()) return false;
    if (!t) return ct__fail_null(operation, "t");
    if (repeats(t))
        return ct__fail(CT_ERROR_SHAPE, operation,
                        "t, which is %s, is an expanded view: several of its elements are one place in memory; change a ct_clone "
                        "of it", ct__describe(t));
    return !ct__inplace_allowed || ct__inplace_allowed(operation, t);
}

/* ---- the other operand ---- */

/* x as t sees it: of t's shape, with stride 0 along repeated axes. Points into x's storage, or into `copy`, which is released by
 * done_with. Lives on the caller's stack: no reference is counted. */
typedef struct operand {
    ct_tensor view, *copy;
} operand;

static void done_with(operand *x) { ct_free(x->copy); }

/* The first byte of a tensor's elements and the one after the last. */
static void extent(const ct_tensor *t, const char **first, const char **end)
{
    int64_t low = 0, high = 0;
    for (int i = 0; i < t->rank; i++) {
        const int64_t reach = (t->dim[i] - 1) * t->stride[i];
        if (reach < 0) low += reach;
        else high += reach;
    }
    *first = t->data + low * (int64_t)ct__size(t);
    *end = t->data + (high + 1) * (int64_t)ct__size(t);
}

/* May a change of one element of t change another element of x? Not if each x is read where t is about to be written. */
static bool overlaps(const ct_tensor *t, const ct_tensor *x)
{
    const char *t_first, *t_end, *x_first, *x_end;
    extent(t, &t_first, &t_end);
    extent(x, &x_first, &x_end);
    if (t_first >= x_end || x_first >= t_end) return false;
    bool same = t->data == x->data && t->dtype == x->dtype;
    for (int i = 0; i < t->rank; i++) same = same && (t->dim[i] == 1 || t->stride[i] == x->stride[i]);
    return !same;
}

/* A view of x in the shape of t, which x broadcasts to. */
static ct_tensor seen_from(const ct_tensor *t, const ct_tensor *x)
{
    ct_tensor view = {.dtype = x->dtype, .rank = t->rank, .count = t->count, .data = x->data, .storage = x->storage};
    const int extra = t->rank - x->rank;
    for (int i = 0; i < t->rank; i++) {
        view.dim[i] = t->dim[i];
        view.stride[i] = i < extra || x->dim[i - extra] == 1 ? 0 : x->stride[i - extra];
    }
    return view;
}

/* Makes x ready to be combined with t in `dtype`: broadcast, and copied where it has another dtype or overlaps t in memory. */
static bool prepare(const char *operation, ct_tensor *t, ct_tensor *x, ct_dtype dtype, operand *o)
{
    ct_shape shape;
    o->copy = NULL;
    if (!x) return ct__fail_null(operation, "x");
    if (!ct__broadcast(ct__shape(t), ct__shape(x), &shape) || !ct__shape_equal(shape, ct__shape(t)))
        return ct__fail(CT_ERROR_SHAPE, operation, "x, which is %s, does not broadcast to t, which is %s and keeps its shape",
                        ct__describe(x), ct__describe(t));
    ct__note_read(x);
    o->view = seen_from(t, x);
    if (t->count == 0 || (x->dtype == dtype && !overlaps(t, &o->view))) return true;
    o->copy = ct__tensor_like(operation, x, dtype);
    if (!o->copy) return false;
    ct__copy(o->copy, x);
    o->view = seen_from(t, o->copy);
    return true;
}

/* ---- kernels: integers wrap, in unsigned arithmetic ---- */

#define KERNEL(name, TYPE, VIA, expression)                                                                            \
    static void name(int64_t n, char *const *p, const double *alpha)                                                   \
    {                                                                                                                  \
        TYPE *to = (TYPE *)(void *)p[0];                                                                               \
        const TYPE *t = (const TYPE *)(const void *)p[1], *x = (const TYPE *)(const void *)p[2];                       \
        const TYPE a = (TYPE)(VIA)alpha[0];                                                                            \
        (void)a, (void)x;                                                                                              \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) to[i] = (TYPE)(expression);                                \
    }
#define KERNELS(verb, expression)                                                                                      \
    KERNEL(verb##_f32, float, double, expression)                                                                      \
    KERNEL(verb##_f64, double, double, expression)                                                                     \
    KERNEL(verb##_i32, uint32_t, int64_t, expression)                                                                  \
    KERNEL(verb##_i64, uint64_t, int64_t, expression)                                                                  \
    KERNEL(verb##_u8, uint8_t, int64_t, expression)                                                                    \
    static const ct__kernel verb[CT_DTYPES] = {[CT_F32] = verb##_f32, [CT_F64] = verb##_f64, [CT_I32] = verb##_i32,    \
                                               [CT_I64] = verb##_i64, [CT_U8] = verb##_u8};
KERNELS(add, t[i] + a * x[i])
KERNELS(mul, t[i] * x[i])
KERNELS(scale, a * t[i])

/* t = kernel(t, x): t is read and written at the same place, element by element. */
typedef struct changing {
    ct__kernel kernel;
    ct_tensor *t, *x;
    double alpha;
} changing;

static bool change_now(void *record)
{
    const changing *c = record;
    ct_tensor *operands[] = {c->t, c->t, c->x};
    ct__map(c->kernel, 1, operands, 3, &c->alpha, 1);
    ct__bump(c->t);
    return true;
}

static void change(const ct__kernel *kernel, ct_tensor *t, ct_tensor *x, double alpha)
{
    changing now = {kernel[t->dtype], t, x, alpha}, *again;
    change_now(&now);
    if (CT__LIKELY(!ct__self.script) || !(again = ct__script_add(change_now, sizeof *again))) return;
    now.x = ct__script_reads(x);
    now.t = ct__script_changes(t);
    *again = now;
}

/* False, with an error, where t is bool, or an integer that alpha is none of. */
static bool check_number(const char *operation, const ct_tensor *t, double alpha)
{
    if (t->dtype == CT_BOOL)
        return ct__fail(CT_ERROR_DTYPE, operation, "t is %s; expected numbers (ct_cast makes them of truth values)",
                        ct__describe(t));
    if (!ct__is_float(t->dtype) && !(fabs(alpha) < 0x1p63 && alpha == floor(alpha)))
        return ct__fail(CT_ERROR_VALUE, operation, "a factor of %g for t, which is %s; expected a whole number, or a float t",
                        alpha, ct__describe(t));
    return true;
}

/* ---- the public functions ---- */

bool ct_fill_(ct_tensor *t, double value)
{
    if (!ct__inplace_check("ct_fill_", t)) return false;
    ct__fill(t, value);
    ct__bump(t);
    return true;
}

bool ct_copy_(ct_tensor *t, ct_tensor *x)
{
    operand o;
    if (!ct__inplace_check("ct_copy_", t) || !prepare("ct_copy_", t, x, x ? x->dtype : CT_F32, &o)) return false;
    ct__copy(t, &o.view);
    ct__bump(t);
    done_with(&o);
    return true;
}

bool ct_add_(ct_tensor *t, double alpha, ct_tensor *x)
{
    operand o;
    if (!ct__inplace_check("ct_add_", t) || !check_number("ct_add_", t, alpha)) return false;
    if (!prepare("ct_add_", t, x, t->dtype, &o)) return false;
    change(add, t, &o.view, alpha);
    done_with(&o);
    return true;
}

bool ct_mul_(ct_tensor *t, ct_tensor *x)
{
    operand o;
    if (!ct__inplace_check("ct_mul_", t) || !check_number("ct_mul_", t, 1)) return false;
    if (!prepare("ct_mul_", t, x, t->dtype, &o)) return false;
    change(mul, t, &o.view, 1);
    done_with(&o);
    return true;
}

bool ct_scale_(ct_tensor *t, double alpha)
{
    if (!ct__inplace_check("ct_scale_", t) || !check_number("ct_scale_", t, alpha)) return false;
    change(scale, t, t, alpha);
    return true;
}

/* The change has happened already, so nothing can refuse it: not a pending error, not a recorded graph. */
bool ct_touch(ct_tensor *t)
{
    if (!t) return ct__fail_null("ct_touch", "t");
    ct__bump(t);
    return true;
}
