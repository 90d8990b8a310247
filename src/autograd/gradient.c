/*
 * gradient.c - transforms that give gradients: products with the transposed derivative, values with gradients, Hessian-vector
 * products.
 */
#include "autograd/transform.h"

/* value = f(in), grads = J' u; u NULL: one, for a function of one element. */
static bool pull_once(const char *operation, ct_linear_map *map, ct_tensor *const *u, ct_tensor **value, ct_tensor **grads)
{
    bool ok = ct__linear_pull(operation, map, u, grads, (ct__product_options){.last = true});
    for (int j = 0; ok && value && j < map->n_out; j++) ok = (value[j] = ct__linear_value(map, j)) != NULL;
    for (int i = 0; i < map->n_in; i++) {
        if (ok) ct_scope_return(grads[i]);
        else grads[i] = NULL;
    }
    for (int j = 0; value && j < map->n_out; j++) {
        if (ok) ct_scope_return(value[j]);
        else value[j] = NULL;
    }
    return ok;
}

bool ct_vjp(ct_function f, void *context, ct_tensor *const *in, int n_in, ct_tensor *const *cotangents, ct_tensor **out,
            int n_out, ct_tensor **din)
{
    for (int i = 0; din && i < n_in; i++) din[i] = NULL;
    for (int j = 0; out && j < n_out; j++) out[j] = NULL;
    if (!f || !in || !cotangents || !din) return ct__fail_null("ct_vjp", !f ? "f" : !in ? "in" : !din ? "din" : "cotangents");
    const int scope = ct__scope_begin();
    ct_linear_map *map = ct__linearize("ct_vjp", f, context, in, n_in, n_out);
    const bool ok = map && pull_once("ct_vjp", map, cotangents, out, din);
    ct_linear_free(map);
    ct__scope_end(scope);
    return ok;
}

/* ---- functions of one element ---- */

static ct_tensor *one_for(const char *operation, const ct_linear_map *map)
{
    const ct_tensor *y = map->y[0];
    if (y->count != 1 || !ct__is_float((ct_dtype)y->dtype))
        return ct__fail(CT_ERROR_SHAPE, operation,
                        "the function's value is %s; expected one element, f32 or f64: reduce it (ct_sum, ct_mean)",
                        ct__describe(y));
    ct_tensor *one = ct__tensor_like(operation, y, (ct_dtype)y->dtype);
    if (one) ct__fill(one, 1);
    return one;
}

bool ct__value_and_grad(const char *operation, ct_function f, void *context, ct_tensor *const *in, int n_in, ct_tensor **value,
                        ct_tensor **grads)
{
    const int scope = ct__scope_begin();
    ct_linear_map *map = ct__linearize(operation, f, context, in, n_in, 1);
    ct_tensor *one = map ? one_for(operation, map) : NULL;
    const bool ok = one && pull_once(operation, map, &one, value, grads);
    ct_linear_free(map);
    ct__scope_end(scope);
    return ok;
}

bool ct_value_and_grad(ct_function f, void *context, ct_tensor *const *in, int n_in, ct_tensor **value, ct_tensor **grads)
{
    if (value) *value = NULL;
    for (int i = 0; grads && i < n_in; i++) grads[i] = NULL;
    if (!f || !in || !grads) return ct__fail_null("ct_value_and_grad", !f ? "f" : !in ? "in" : "grads");
    return ct__value_and_grad("ct_value_and_grad", f, context, in, n_in, value, grads);
}

/* ---- Hessians: derivatives of the gradient ---- */

/* A function whose gradient is taken: context of gradient_of. */
typedef struct scalar_function {
    const char *operation;
    ct_function f;
    void *context;
    int n_in;
} scalar_function;

static int gradient_of(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const scalar_function *s = context;
    return ct__value_and_grad(s->operation, s->f, s->context, in, s->n_in, NULL, out) ? 0 : 1;
}

/* H v = d/dt grad f(x + t v): forward over reverse. */
bool ct_hvp(ct_function f, void *context, ct_tensor *const *in, ct_tensor *const *v, int n_in, ct_tensor **gradient,
            ct_tensor **product)
{
    for (int i = 0; gradient && i < n_in; i++) gradient[i] = NULL;
    for (int i = 0; product && i < n_in; i++) product[i] = NULL;
    if (!f || !in || !v || !product) return ct__fail_null("ct_hvp", !f ? "f" : !in ? "in" : !v ? "v" : "product");
    scalar_function s = {.operation = "ct_hvp", .f = f, .context = context, .n_in = n_in};
    return ct__jvp("ct_hvp", gradient_of, &s, in, v, n_in, gradient, product, n_in);
}

ct_tensor *ct_hessian(ct_function f, void *context, ct_tensor *x)
{
    if (!f) return ct__fail_null("ct_hessian", "f");
    if (!ct__check("ct_hessian", "x", x)) return NULL;
    if (2 * x->rank > CT_MAX_RANK)
        return ct__fail(CT_ERROR_SHAPE, "ct_hessian",
                        "x is %s; expected at most %d axes, for the Hessian has twice as many: ct_reshape x",
                        ct__describe(x), CT_MAX_RANK / 2);
    scalar_function s = {.operation = "ct_hessian", .f = f, .context = context, .n_in = 1};
    return ct__jacobian("ct_hessian", gradient_of, &s, x, CT_MODE_REVERSE);
}
