/*
 * nn.h - what the files of this room share: parameters with several owners, text for error messages, two small questions.
 *
 * A user's modules, losses and optimizers need nothing of this.
 */
#ifndef COTANGENT_SRC_NN_H
#define COTANGENT_SRC_NN_H

#include <cotangent/nn.h>

#include <stdatomic.h>

/* A kept tensor that a module and its optimizers own together: the last to release it frees it. They share the handle itself, as
 * whether it needs a gradient may change later (ct_alias would give the optimizer a handle that does not follow). */
typedef struct ct__nn_shared ct__nn_shared;
struct ct__nn_shared {
    ct_tensor *tensor;
    atomic_int owners;
};

/* Takes the kept tensor `t` over, also when it fails; t NULL gives NULL. */
ct__nn_shared *ct__nn_share(const char *operation, ct_tensor *t);
ct__nn_shared *ct__nn_retain(ct__nn_shared *s);
void ct__nn_release(ct__nn_shared *s); /* NULL is fine */
/* Like ct_module_parameters; the caller must retain what it keeps. */
int ct__nn_parameters(const ct_module *module, ct__nn_shared **parameters, int capacity);

/* Is f what the module runs? */
bool ct__nn_runs(const ct_module *module, ct_forward_function f);

/* Text by value, so that a message may hold several: ct_raise(..., "x is %s", ct__nn_describe(x).text). */
typedef struct ct__nn_text {
    char text[192];
} ct__nn_text;

ct__nn_text ct__nn_shape_text(ct_shape shape);   /* "[64, 784]" */
ct__nn_text ct__nn_describe(const ct_tensor *t); /* "f32 [64, 784]" */

static inline bool ct__nn_is_float(const ct_tensor *t)
{
    return ct_dtype_of(t) == CT_F32 || ct_dtype_of(t) == CT_F64;
}

#endif
