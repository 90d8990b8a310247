/*
 * jvp.c - a function and its derivative along a direction in one pass: ct_jvp opens a level, gives the inputs their tangents,
 * calls the function and reads the tangents of what it returns.
 */
#include "autograd/forward.h"
#include "autograd/transform.h"

/* One input as the function sees it: of its own node, so that the function's other ways to the same tensor have no tangent. */
static ct_tensor *dual(const char *operation, ct_tensor *x, ct_tensor *dx, int number)
{
    if (!ct__check(operation, "in[]", x)) return NULL;
    if (dx && !ct__is_float((ct_dtype)x->dtype))
        return ct__fail(CT_ERROR_DTYPE, operation, "input %d is %s, which has no derivative; expected no tangent (NULL)",
                        number + 1, ct__describe(x));
    if (dx && !ct__same_shape(dx, x))
        return ct__fail(CT_ERROR_SHAPE, operation, "tangent %d is %s, its input is %s", number + 1, ct__describe(dx),
                        ct__describe(x));
    if (dx && dx->dtype != x->dtype)
        return ct__fail(CT_ERROR_DTYPE, operation, "tangent %d is %s, its input is %s; ct_cast?", number + 1, ct__describe(dx),
                        ct__describe(x));
    /* the identity passes on the tangents of the levels around, not of this one */
    ct__ad.active &= ~ct__level_bit(ct__ad.levels);
    ct_tensor *y = ct__identity(x);
    ct__ad.active |= ct__level_bit(ct__ad.levels);
    return y && dx && !ct__tangent_set(y, ct__ad.levels, dx) ? NULL : y;
}

static ct_tensor *tangent_or_zeros(const char *operation, ct_tensor *y)
{
    ct_tensor *t = ct__tangent_of(y, ct__ad.levels);
    if (t) return ct_alias(t);
    t = ct__tensor_like(operation, y, (ct_dtype)y->dtype);
    if (t) ct__fill(t, 0);
    return t;
}

/* A function may return its input: the caller gets handles of its own in any case. Nothing is handed over before all is there. */
static bool hand_over(const char *operation, ct_tensor **y, ct_tensor **out, ct_tensor **dout, int n_out)
{
    for (int i = 0; i < n_out; i++) {
        dout[i] = tangent_or_zeros(operation, y[i]);
        if (out) out[i] = ct_alias(y[i]);
        if (!dout[i] || (out && !out[i])) return false;
    }
    for (int i = 0; i < n_out; i++) {
        ct_scope_return(dout[i]);
        if (out) ct_scope_return(out[i]);
    }
    return true;
}

bool ct__jvp(const char *operation, ct_function f, void *context, ct_tensor *const *in, ct_tensor *const *tangents, int n_in,
             ct_tensor **out, ct_tensor **dout, int n_out)
{
    enum { FEW = 16 };
    ct_tensor *few[FEW], **x = few;
    uint64_t before;
    for (int i = 0; i < n_out; i++) dout[i] = NULL;
    for (int i = 0; out && i < n_out; i++) out[i] = NULL;
    if (n_in < 0 || n_out < 0)
        return ct__fail(CT_ERROR_VALUE, operation, "%d inputs and %d outputs; expected 0 or more", n_in, n_out);
    const size_t bytes = ((size_t)n_in + (size_t)n_out) * sizeof *x; /* the inputs with tangents, and the function's results */
    if (bytes > sizeof few && !(x = ct__pool_get(bytes))) return ct__fail_memory(operation, bytes);
    bool ok = ct__level_open(operation, &before) != 0;
    if (ok) {
        const int scope = ct__scope_begin();
        for (int i = 0; ok && i < n_in; i++) ok = (x[i] = dual(operation, in[i], tangents[i], i)) != NULL;
        ok = ok && ct__call_function(operation, f, context, x, x + n_in, n_out) &&
             hand_over(operation, x + n_in, out, dout, n_out);
        for (int i = 0; !ok && i < n_out; i++) {
            dout[i] = NULL;
            if (out) out[i] = NULL;
        }
        ct__scope_end(scope);
        ct__level_close(before);
    }
    if (x != few) ct__pool_put(x, bytes);
    return ok;
}

bool ct_jvp(ct_function f, void *context, ct_tensor *const *in, ct_tensor *const *tangents, int n_in, ct_tensor **out,
            ct_tensor **dout, int n_out)
{
    for (int i = 0; dout && i < n_out; i++) dout[i] = NULL;
    for (int i = 0; out && i < n_out; i++) out[i] = NULL;
    if (!f || !in || !tangents || !dout) return ct__fail_null("ct_jvp", !f ? "f" : !in ? "in" : !tangents ? "tangents" : "dout");
    return ct__jvp("ct_jvp", f, context, in, tangents, n_in, out, dout, n_out);
}
