/*
 * transform.h - functions of tensors: how transforms call them, and the linear map that a function is at a point.
 *
 * `operation` is the public function to be named in errors: one transform may be made of another.
 */
#ifndef CT_TRANSFORM_INTERNAL_H
#define CT_TRANSFORM_INTERNAL_H

#include "autograd/sweep.h"

/* Calls f, with out[] NULL before; false, with an error, where it fails or leaves an output unset. */
bool ct__call_function(const char *operation, ct_function f, void *context, ct_tensor *const *in, ct_tensor **out, int n_out);

/* ---- forward by levels (jvp.c) ---- */

bool ct__jvp(const char *operation, ct_function f, void *context, ct_tensor *const *in, ct_tensor *const *tangents, int n_in,
             ct_tensor **out, ct_tensor **dout, int n_out);

/* ---- a recorded function (linearize.c, linear_product.c) ---- */

struct ct_linear_map {
    size_t size; /* of this record */
    int n_in, n_out;
    bool connected; /* the map depends on something, other than its inputs' nodes, that needs a gradient */
    ct_tensor **x, **y; /* inputs as the function saw them, and its results; owned */
    bool *tracked;      /* of the inputs' storages, before */
};

/* Calls f once, recorded, and keeps the graph. NULL with an error. */
ct_linear_map *ct__linearize(const char *operation, ct_function f, void *context, ct_tensor *const *in, int n_in, int n_out);
/* The size of the values between inputs and results, both included. */
bool ct__linear_extent(const char *operation, const ct_linear_map *map, ct__extent *extent);
/* The function's value as the caller may have it: connected to what was before the inputs, and to nothing else. A new handle. */
ct_tensor *ct__linear_value(const ct_linear_map *map, int j);

/* dy = J dx and du = J' u, where each of dx[] (u[]) has the shape of its input (output); with `stacks` also behind leading axes
 * that all of them share. dx[i] NULL: zero. The results belong to the innermost scope. `last`: what the graph keeps is let go. */
typedef struct ct__product_options {
    bool stacks, last;
} ct__product_options;
bool ct__linear_push(const char *operation, const ct_linear_map *map, ct_tensor *const *dx, ct_tensor **dy,
                     ct__product_options options);
bool ct__linear_pull(const char *operation, const ct_linear_map *map, ct_tensor *const *u, ct_tensor **du,
                     ct__product_options options);

/* ---- gradients and Jacobians (gradient.c, jacobian.c) ---- */

bool ct__value_and_grad(const char *operation, ct_function f, void *context, ct_tensor *const *in, int n_in, ct_tensor **value,
                        ct_tensor **grads);
ct_tensor *ct__jacobian(const char *operation, ct_function f, void *context, ct_tensor *x, ct_mode mode);

#endif
