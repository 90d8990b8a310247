/*
 * init.c - initialization of weights in place: draw a tensor of the weight's shape and copy it in, unrecorded.
 *
 * The scaled ones keep the variance of what flows through a layer near 1: forward it is multiplied by in * var(w), backward
 * by out * var(w). Xavier takes the mean of the two demands, var(w) = 2 / (in + out), Kaiming the first, var(w) = gain^2 / in,
 * where gain^2 = 2 makes up for the half that a relu drops. U(-a, a) has the variance a^2 / 3.
 */
#include "nn.h"

#include <math.h>

/* Is w a tensor of floats, and the scale a number that a distribution can have? */
static bool fits(const char *operation, ct_tensor *w, const char *name, double scale)
{
    if (!w) return ct_raise(CT_ERROR_NULL, operation, "w is NULL");
    if (!ct__nn_is_float(w))
        return ct_raise(CT_ERROR_DTYPE, operation, "w is %s; expected f32 or f64", ct__nn_describe(w).text);
    if (!(scale >= 0 && isfinite(scale)))
        return ct_raise(CT_ERROR_VALUE, operation, "%s is %g; expected a finite number, 0 or more", name, scale);
    return true;
}

static bool matrix_fits(const char *operation, ct_tensor *w, double gain)
{
    if (!fits(operation, w, "gain", gain)) return false;
    return (ct_rank(w) == 2 && ct_count_of(w) > 0) ||
           ct_raise(CT_ERROR_SHAPE, operation, "w is %s; expected a weight [in, out]", ct__nn_describe(w).text);
}

static bool fill_normal(ct_tensor *w, double std)
{
    if (std == 0) return ct_init_constant(w, 0);
    CT_SCOPE;
    CT_NO_GRAD;
    return ct_copy_(w, ct_normal(ct_shape_get(w), 0, std, ct_dtype_of(w)));
}

static bool fill_uniform(ct_tensor *w, double a)
{
    if (a == 0) return ct_init_constant(w, 0); /* an empty interval */
    CT_SCOPE;
    CT_NO_GRAD;
    return ct_copy_(w, ct_uniform(ct_shape_get(w), -a, a, ct_dtype_of(w)));
}

static double in(const ct_tensor *w)
{
    return (double)ct_dim(w, 0);
}

static double out(const ct_tensor *w)
{
    return (double)ct_dim(w, 1);
}

bool ct_init_xavier_normal(ct_tensor *w, double gain)
{
    return matrix_fits("ct_init_xavier_normal", w, gain) && fill_normal(w, gain * sqrt(2 / (in(w) + out(w))));
}

bool ct_init_xavier_uniform(ct_tensor *w, double gain)
{
    return matrix_fits("ct_init_xavier_uniform", w, gain) && fill_uniform(w, gain * sqrt(6 / (in(w) + out(w))));
}

bool ct_init_kaiming_normal(ct_tensor *w, double gain)
{
    return matrix_fits("ct_init_kaiming_normal", w, gain) && fill_normal(w, gain / sqrt(in(w)));
}

bool ct_init_kaiming_uniform(ct_tensor *w, double gain)
{
    return matrix_fits("ct_init_kaiming_uniform", w, gain) && fill_uniform(w, gain * sqrt(3 / in(w)));
}

bool ct_init_uniform(ct_tensor *w, double a)
{
    return fits("ct_init_uniform", w, "a", a) && fill_uniform(w, a);
}

bool ct_init_normal(ct_tensor *w, double std)
{
    return fits("ct_init_normal", w, "std", std) && fill_normal(w, std);
}

bool ct_init_constant(ct_tensor *w, double value)
{
    if (!w) return ct_raise(CT_ERROR_NULL, "ct_init_constant", "w is NULL");
    CT_NO_GRAD;
    return ct_fill_(w, value);
}
