/*
 * taylor.c - derivatives of any order along a direction, by forward mode nested.
 *
 * f_0 = f, and f_k(x) is all that f_{k-1}(x) gives and, after it, the derivative of the last of these along v. As v is a
 * constant, that is the next derivative along the line x + t v.
 */
#include "autograd/transform.h"

typedef struct line {
    ct_function f;
    void *context;
    ct_tensor *v;
    int order; /* at least 1 */
} line;

/* out[0 .. order]: the derivatives up to this order. */
static int along(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const line *l = context;
    line below = *l;
    below.order--;
    ct_tensor *derivatives[CT__MAX_LEVELS];
    const ct_function f = l->order == 1 ? l->f : along;
    void *of = l->order == 1 ? l->context : &below;
    if (!ct__jvp("ct_taylor", f, of, in, &l->v, 1, out, derivatives, l->order)) return 1;
    out[l->order] = derivatives[l->order - 1];
    return 0;
}

static bool check(ct_function f, const ct_tensor *x, const ct_tensor *direction, int order, ct_tensor **derivatives)
{
    if (!f || !derivatives) return ct__fail_null("ct_taylor", f ? "derivatives" : "f");
    if (!ct__check("ct_taylor", "x", x) || !ct__check("ct_taylor", "direction", direction)) return false;
    if (order < 0 || order > CT__MAX_LEVELS - ct__ad.levels)
        return ct__fail(CT_ERROR_VALUE, "ct_taylor", "order %d; expected 0 to %d", order, CT__MAX_LEVELS - ct__ad.levels);
    if (!ct__is_float((ct_dtype)x->dtype))
        return ct__fail(CT_ERROR_DTYPE, "ct_taylor", "x is %s; expected f32 or f64", ct__describe(x));
    if (!ct__same_shape(x, direction) || x->dtype != direction->dtype)
        return ct__fail(x->dtype == direction->dtype ? CT_ERROR_SHAPE : CT_ERROR_DTYPE, "ct_taylor",
                        "the direction is %s, x is %s", ct__describe(direction), ct__describe(x));
    return true;
}

bool ct_taylor(ct_function f, void *context, ct_tensor *x, ct_tensor *direction, int order, ct_tensor **derivatives)
{
    for (int k = 0; derivatives && k <= order; k++) derivatives[k] = NULL;
    if (!check(f, x, direction, order, derivatives)) return false;
    line l = {.f = f, .context = context, .v = direction, .order = order};
    ct_tensor *all[CT__MAX_LEVELS + 1];
    const int scope = ct__scope_begin();
    const bool ok = order ? along(&l, &x, all) == 0 : ct__call_function("ct_taylor", f, context, &x, all, 1);
    if (ok && order == 0) all[0] = ct_alias(all[0]);
    for (int k = 0; ok && k <= order; k++) derivatives[k] = ct_scope_return(all[k]);
    ct__scope_end(scope);
    return ok && derivatives[0];
}
