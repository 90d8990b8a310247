/*
 * layers.c - the layers: linear, containers, activations, layer norm, dropout.
 *
 * Each is a module as a user would write it: a struct for its state, a forward function of a few public operations, and a
 * constructor that adds parameters. Derivatives follow from the operations, so no layer has a backward pass. Parameters that
 * the state points to stay right through ct_module_cast, which updates the state.
 */
#include "nn.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- linear ------------------------------------------------------------------------------------------- */

typedef struct linear {
    ct_tensor *w, *b;            /* [in, out], [out] or NULL */
    ct_tensor *mask, *bias_mask; /* 0 and 1 in the shapes of w and b; NULL for all ones */
} linear;

/* With masks the parameters in use are W * M and b * m. Their products with gW make the gradient of a masked entry exactly
 * zero; as it starts at zero too, neither decay nor momentum can move it. Checked: masked_linear, masked_entries_stay_zero. */
static ct_tensor *linear_forward(ct_module *self, ct_tensor *x)
{
    const linear *s = ct_module_state(self);
    ct_tensor *w = s->mask ? ct_mul(s->w, s->mask) : s->w;
    if (!s->b) return ct_matmul(x, w);
    return ct_affine(x, w, s->bias_mask ? ct_mul(s->b, s->bias_mask) : s->b);
}

static bool mask_fits(const char *operation, const char *name, const ct_tensor *mask, ct_shape shape)
{
    const ct_shape given = ct_shape_get(mask);
    bool same = given.rank == shape.rank;
    for (int64_t i = 0; same && i < shape.rank; i++) same = given.dim[i] == shape.dim[i];
    return same || ct_raise(CT_ERROR_SHAPE, operation, "%s is %s, expected %s", name, ct__nn_describe(mask).text,
                            ct__nn_shape_text(shape).text);
}

static bool linear_fits(const char *operation, int64_t in, int64_t out, const ct_linear_options *o)
{
    if (in < 1 || out < 1)
        return ct_raise(CT_ERROR_SHAPE, operation, "in is %" PRId64 " and out is %" PRId64 "; both must be at least 1", in, out);
    if (o->dtype != CT_F32 && o->dtype != CT_F64)
        return ct_raise(CT_ERROR_DTYPE, operation, "dtype is %s; expected f32 or f64",
                        ct_dtype_size(o->dtype) ? ct_dtype_name(o->dtype) : "a number that is no dtype");
    if (o->no_bias && o->bias_mask) return ct_raise(CT_ERROR_VALUE, operation, "bias_mask is given together with no_bias");
    return (!o->mask || mask_fits(operation, "mask", o->mask, ct_shape(in, out))) &&
           (!o->bias_mask || mask_fits(operation, "bias_mask", o->bias_mask, ct_shape(out)));
}

/* Adds the parameter `name`, drawn from (-a, a), and its mask, if there is one, as the buffer `mask_name`. */
static bool add_drawn(ct_module *m, const char *name, ct_shape shape, double a, ct_dtype dtype, ct_tensor **parameter,
                      const char *mask_name, ct_tensor *mask, ct_tensor **buffer)
{
    CT_SCOPE;
    CT_NO_GRAD;
    ct_tensor *start = ct_uniform(shape, -a, a, dtype);
    if (mask) {
        ct_tensor *ones = ct_cast(ct_cast(mask, CT_BOOL), dtype); /* whatever is not zero counts as one */
        start = ct_mul(start, ones);
        *buffer = ct_module_buffer(m, mask_name, ones);
        if (!*buffer) return false;
    }
    *parameter = ct_module_parameter(m, name, start);
    return *parameter;
}

static ct_module *make_linear(const char *operation, int64_t in, int64_t out, ct_linear_options o)
{
    if (!linear_fits(operation, in, out, &o)) return NULL;
    ct_module *m = ct_module_new("linear", linear_forward, sizeof(linear));
    if (!m) return NULL;
    linear *s = ct_module_state(m);
    const double a = 1 / sqrt((double)in);
    bool ok = add_drawn(m, "weight", ct_shape(in, out), a, o.dtype, &s->w, "weight_mask", o.mask, &s->mask);
    ok = ok && (o.no_bias || add_drawn(m, "bias", ct_shape(out), a, o.dtype, &s->b, "bias_mask", o.bias_mask, &s->bias_mask));
    if (ok) return m;
    ct_module_free(m);
    return NULL;
}

ct_module *ct_nn_linear(int64_t in, int64_t out)
{
    return make_linear("ct_nn_linear", in, out, (ct_linear_options){0});
}

ct_module *ct_nn_linear_with(int64_t in, int64_t out, ct_linear_options options)
{
    return make_linear("ct_nn_linear_with", in, out, options);
}

/* ---- functions of one tensor -------------------------------------------------------------------------- */

typedef struct function {
    ct_tensor *(*f)(ct_tensor *x);
} function;

static ct_tensor *function_forward(ct_module *self, ct_tensor *x)
{
    return ((const function *)ct_module_state(self))->f(x);
}

ct_module *ct_nn_function(const char *kind, ct_tensor *(*f)(ct_tensor *x))
{
    if (!f) {
        ct_raise(CT_ERROR_NULL, "ct_nn_function", "f is NULL");
        return NULL;
    }
    ct_module *m = ct_module_new(kind, function_forward, sizeof(function));
    if (m) ((function *)ct_module_state(m))->f = f;
    return m;
}

/* ---- one after another -------------------------------------------------------------------------------- */

typedef struct sequential {
    int count;
    ct_module *child[];
} sequential;

/* An operation that does a layer and the activation behind it at once; NULL where there is none. */
typedef ct_tensor *(*activated)(ct_tensor *x, ct_tensor *w, ct_tensor *b);
static activated joined(const ct_module *layer, const ct_module *next)
{
    if (!ct__nn_runs(layer, linear_forward) || !ct__nn_runs(next, function_forward)) return NULL;
    const linear *s = ct_module_state((ct_module *)layer);
    if (!s->b || s->mask || s->bias_mask) return NULL;
    const function *h = ct_module_state((ct_module *)next);
    return h->f == ct_relu ? ct_affine_relu : h->f == ct_tanh ? ct_affine_tanh : h->f == ct_sigmoid ? ct_affine_sigmoid : NULL;
}

static ct_tensor *sequential_forward(ct_module *self, ct_tensor *x)
{
    const sequential *s = ct_module_state(self);
    ct_tensor *y = x;
    for (int i = 0; i < s->count && y; i++) {
        const activated f = i + 1 < s->count ? joined(s->child[i], s->child[i + 1]) : NULL;
        const linear *l = f ? ct_module_state(s->child[i++]) : NULL;
        ct_tensor *next = f ? f(y, l->w, l->b) : ct_forward(s->child[i], y);
        if (y != x) ct_free(y); /* now, not at the end: without a graph nobody else holds it */
        y = next;
    }
    return y;
}

/* Every child is adopted before any failure is looked at, so that freeing the container frees them all. */
ct_module *ct_nn_sequential_of(ct_module *const *children, int count)
{
    if (!children || count < 0) {
        if (!children) ct_raise(CT_ERROR_NULL, "ct_nn_sequential", "children is NULL");
        else ct_raise(CT_ERROR_VALUE, "ct_nn_sequential", "count is %d; expected 0 or more", count);
        return NULL;
    }
    ct_module *m = ct_module_new("sequential", sequential_forward, sizeof(sequential) + (size_t)count * sizeof(ct_module *));
    bool ok = m;
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        if (!children[i]) ct_raise(CT_ERROR_NULL, "ct_nn_sequential", "child %d of %d is NULL", i, count);
        ct_module *child = ct_module_child(m, name, children[i]);
        if (child && m) ((sequential *)ct_module_state(m))->child[i] = child;
        ok = ok && child;
    }
    if (ok) {
        ((sequential *)ct_module_state(m))->count = count;
        return m;
    }
    ct_module_free(m);
    return NULL;
}

ct_module *ct_nn_sequential_list(ct_module *const *children)
{
    int count = 0;
    while (children && children[count] != ct_nn_end()) count++;
    return ct_nn_sequential_of(children, count);
}

/* ---- the functions there are ---------------------------------------------------------------------------- */

ct_module *ct_nn_identity(void)
{
    return ct_nn_function("identity", ct_alias);
}

ct_module *ct_nn_relu(void)
{
    return ct_nn_function("relu", ct_relu);
}

ct_module *ct_nn_gelu(void)
{
    return ct_nn_function("gelu", ct_gelu);
}

ct_module *ct_nn_silu(void)
{
    return ct_nn_function("silu", ct_silu);
}

ct_module *ct_nn_sigmoid(void)
{
    return ct_nn_function("sigmoid", ct_sigmoid);
}

ct_module *ct_nn_tanh(void)
{
    return ct_nn_function("tanh", ct_tanh);
}

ct_module *ct_nn_softplus(void)
{
    return ct_nn_function("softplus", ct_softplus);
}

ct_module *ct_nn_step(void)
{
    return ct_nn_function("step", ct_step);
}

static ct_tensor *flatten_all_but_first(ct_tensor *x)
{
    return ct_flatten(x, 1);
}

ct_module *ct_nn_flatten(void)
{
    return ct_nn_function("flatten", flatten_all_but_first);
}

/* ---- functions with a number -------------------------------------------------------------------------- */

typedef struct number {
    double value; /* alpha, p, or an axis */
} number;

static double number_of(ct_module *self)
{
    return ((const number *)ct_module_state(self))->value;
}

static ct_module *with_number(const char *kind, ct_forward_function forward, double value)
{
    ct_module *m = ct_module_new(kind, forward, sizeof(number));
    if (m) ((number *)ct_module_state(m))->value = value;
    return m;
}

static ct_tensor *leaky_relu_forward(ct_module *self, ct_tensor *x)
{
    return ct_leaky_relu(x, number_of(self));
}

ct_module *ct_nn_leaky_relu(double alpha)
{
    return with_number("leaky_relu", leaky_relu_forward, alpha);
}

static ct_tensor *elu_forward(ct_module *self, ct_tensor *x)
{
    return ct_elu(x, number_of(self));
}

ct_module *ct_nn_elu(double alpha)
{
    return with_number("elu", elu_forward, alpha);
}

static ct_tensor *softmax_forward(ct_module *self, ct_tensor *x)
{
    return ct_softmax(x, (int)number_of(self));
}

ct_module *ct_nn_softmax(int axis)
{
    return with_number("softmax", softmax_forward, axis);
}

static ct_tensor *log_softmax_forward(ct_module *self, ct_tensor *x)
{
    return ct_log_softmax(x, (int)number_of(self));
}

ct_module *ct_nn_log_softmax(int axis)
{
    return with_number("log_softmax", log_softmax_forward, axis);
}

/* ---- layer norm --------------------------------------------------------------------------------------- */

typedef struct layer_norm {
    ct_tensor *gamma, *beta;
} layer_norm;

static ct_tensor *layer_norm_forward(ct_module *self, ct_tensor *x)
{
    const layer_norm *s = ct_module_state(self);
    return ct_layer_norm(x, s->gamma, s->beta, 1e-5);
}

ct_module *ct_nn_layer_norm(ct_shape shape)
{
    static const char operation[] = "ct_nn_layer_norm";
    if (shape.rank < 1) {
        ct_raise(CT_ERROR_SHAPE, operation, "shape is []; expected the lengths of the last axes of x");
        return NULL;
    }
    CT_SCOPE;
    CT_NO_GRAD;
    ct_module *m = ct_module_new("layer_norm", layer_norm_forward, sizeof(layer_norm));
    layer_norm *s = m ? ct_module_state(m) : NULL;
    if (s && (s->gamma = ct_module_parameter(m, "gamma", ct_ones(shape, CT_F32))) &&
        (s->beta = ct_module_parameter(m, "beta", ct_zeros(shape, CT_F32))))
        return m;
    ct_module_free(m);
    return NULL;
}

/* ---- dropout ------------------------------------------------------------------------------------------ */

static bool probability_fits(const char *operation, double p)
{
    return (p >= 0 && p < 1) || ct_raise(CT_ERROR_VALUE, operation, "p is %g; expected 0 <= p < 1", p);
}

/* Numbers are drawn as f32 for any x, so that a model cast to f64 drops the same elements. A dropped NaN is dropped. */
ct_tensor *ct_dropout(ct_tensor *x, double p, bool training)
{
    if (!x) {
        ct_raise(CT_ERROR_NULL, "ct_dropout", "x is NULL");
        return NULL;
    }
    if (!probability_fits("ct_dropout", p)) return NULL;
    if (!training || p == 0) return ct_alias(x);
    if (!ct__nn_is_float(x)) {
        ct_raise(CT_ERROR_DTYPE, "ct_dropout", "x is %s; expected f32 or f64", ct__nn_describe(x).text);
        return NULL;
    }
    CT_SCOPE;
    ct_tensor *kept = ct_ge(ct_uniform(ct_shape_get(x), 0, 1, CT_F32), ct_scalar(p));
    return ct_scope_return(ct_where(kept, ct_div(x, ct_scalar(1 - p)), ct_scalar(0)));
}

static ct_tensor *dropout_forward(ct_module *self, ct_tensor *x)
{
    return ct_dropout(x, number_of(self), ct_module_training(self));
}

ct_module *ct_nn_dropout(double p)
{
    return probability_fits("ct_nn_dropout", p) ? with_number("dropout", dropout_forward, p) : NULL;
}
