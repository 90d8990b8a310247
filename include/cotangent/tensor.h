/*
 * tensor.h - tensors: dtypes, shapes, creation, reading and writing elements, printing, in-place changes.
 *
 * A tensor is a strided view of a counted storage, rank 0 to 8, row-major where the library lays it out.
 */
#ifndef COTANGENT_TENSOR_H
#define COTANGENT_TENSOR_H

#include <cotangent/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* f32 and f64 for arithmetic; the others for labels, indices, masks and images. */
typedef enum ct_dtype { CT_F32, CT_F64, CT_I32, CT_I64, CT_U8, CT_BOOL } ct_dtype;
enum { CT_DTYPES = 6, CT_MAX_RANK = 8 };

CT_API const char *ct_dtype_name(ct_dtype dtype); /* "f32" */
CT_API size_t ct_dtype_size(ct_dtype dtype);      /* bytes of an element; 0 for a number that is no dtype */

/* ---- shapes, axes, indices ---------------------------------------------------------------------------- */

/* A list of at most eight integers: s.rank of them in s.dim[]. Written ct_shape(64, 784); ct_shape() has rank 0. */
#if defined(__cplusplus) && defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnested-anon-types"
#endif
typedef struct ct_shape {
    union {
        int64_t v[CT_MAX_RANK + 1];
        __extension__ struct {
            int64_t rank;
            int64_t dim[CT_MAX_RANK];
        };
    };
} ct_shape;
#if defined(__cplusplus) && defined(__clang__)
#pragma clang diagnostic pop
#endif
typedef ct_shape ct_axes;  /* axes; negative ones count from the end */
typedef ct_shape ct_index; /* the place of an element; negative entries count from the end */

#ifdef __cplusplus
} /* extern "C" */
template <class... T> inline ct_shape ct_shape_of(T... d)
{
    static_assert(sizeof...(T) <= CT_MAX_RANK, "a shape has at most eight dimensions");
    return ct_shape{{{static_cast<int64_t>(sizeof...(T)), static_cast<int64_t>(d)...}}};
}
#define ct_shape(...) ct_shape_of(__VA_ARGS__)
extern "C" {
#else
#define ct_shape(...)                                                                                                  \
    ((ct_shape){{{(int64_t)(sizeof((int64_t[]){0, __VA_ARGS__}) / sizeof(int64_t)) - 1, __VA_ARGS__}}})
#endif
#define ct_axes(...) ct_shape(__VA_ARGS__)
#define ct_index(...) ct_shape(__VA_ARGS__)

/* All axes: `ct_sum(x, CT_ALL, false)`. (ct_axes() is the empty list: it reduces over no axis.) */
#ifdef __cplusplus
#define CT_ALL (ct_shape{{{-1}}})
#else
#define CT_ALL ((ct_shape){{{-1}}})
#endif

/* The number of elements of a shape: the product of its dimensions, 1 for rank 0. -1 if it overflows. */
CT_API int64_t ct_shape_count(ct_shape shape);

/* ---- what a tensor is --------------------------------------------------------------------------------- */

/* Accessors. Given NULL they fail: rank -1, count -1, dim -1, CT_F32, a shape or strides of rank 0, not contiguous. */
CT_API ct_dtype ct_dtype_of(const ct_tensor *t);
CT_API int ct_rank(const ct_tensor *t);
CT_API int64_t ct_dim(const ct_tensor *t, int axis); /* the length of an axis, negative counts from the end */
CT_API int64_t ct_count_of(const ct_tensor *t);      /* the number of elements */
CT_API ct_shape ct_shape_get(const ct_tensor *t);
CT_API ct_shape ct_strides(const ct_tensor *t); /* in elements */
CT_API bool ct_is_contiguous(const ct_tensor *t);
CT_API bool ct_same_shape(const ct_tensor *a, const ct_tensor *b); /* the same rank and lengths, whatever the dtypes */

/* ---- ownership ---------------------------------------------------------------------------------------- */

/* Takes a tensor out of its scope: from now on the caller owns it and releases it with ct_free. Returns t. */
CT_API ct_tensor *ct_keep(ct_tensor *t);
/* Releases a tensor, in a scope or not. NULL is fine. */
CT_API void ct_free(ct_tensor *t);
/* Hands a tensor made in the innermost scope to the enclosing one, so that a function may open a scope and return a
 * result: `return ct_scope_return(y);`. A tensor that is not the innermost scope's stays where it is. Returns t. */
CT_API ct_tensor *ct_scope_return(ct_tensor *t);
/* A new handle of the same values (and of the same place in the graph). */
CT_API ct_tensor *ct_alias(ct_tensor *t);
/* Lets several threads hold, use and release the tensor: its counts become atomic. Modules do so with their
 * parameters. To be called before the second thread sees it. Returns t. */
CT_API ct_tensor *ct_share(ct_tensor *t);

/* ---- creation ----------------------------------------------------------------------------------------- */

CT_API ct_tensor *ct_zeros(ct_shape shape, ct_dtype dtype);
CT_API ct_tensor *ct_ones(ct_shape shape, ct_dtype dtype);
CT_API ct_tensor *ct_full(ct_shape shape, double value, ct_dtype dtype);
/* Memory that is not set. For buffers that are filled at once. */
CT_API ct_tensor *ct_empty(ct_shape shape, ct_dtype dtype);
/* start, start + step, ... up to and without stop: ceil((stop - start) / step) elements. step is not 0. */
CT_API ct_tensor *ct_arange(double start, double stop, double step, ct_dtype dtype);
/* `count` values from start to stop, both included: start + i (stop - start) / (count - 1). */
CT_API ct_tensor *ct_linspace(double start, double stop, int64_t count, ct_dtype dtype);
/* The identity matrix [n, n]. */
CT_API ct_tensor *ct_eye(int64_t n, ct_dtype dtype);
/* A weak scalar of rank 0: takes the float dtype of the other operand; f32 beside integers, f64 alone. */
CT_API ct_tensor *ct_scalar(double value);

/* A copy of the row-major array at `data`, whose elements are of `dtype`. */
CT_API ct_tensor *ct_from(const void *data, ct_shape shape, ct_dtype dtype);
/* A copy of `count` doubles, cast to dtype; count must be that of the shape. */
CT_API ct_tensor *ct_from_values(const double *values, int64_t count, ct_shape shape, ct_dtype dtype);
/* ct_of(ct_shape(2, 2), CT_F64, 1, 2, 3, 4): a tensor from the numbers written there. */
#ifdef __cplusplus
} /* extern "C" */
template <class... T> inline ct_tensor *ct_of_values(ct_shape shape, ct_dtype dtype, T... value)
{
    const double values[sizeof...(T) + 1] = {static_cast<double>(value)..., 0.0};
    return ct_from_values(values, static_cast<int64_t>(sizeof...(T)), shape, dtype);
}
#define ct_of(shape, dtype, ...) ct_here(ct_of_values(shape, dtype, __VA_ARGS__), CT_HERE)
extern "C" {
#else
#define ct_of(...) ct__of(__VA_ARGS__, )
#define ct__of(shape, dtype, ...) ct__of_values(shape, dtype, ((const double[]){__VA_ARGS__}))
#define ct__of_values(shape, dtype, array)                                                                             \
    ct_here(ct_from_values((array), (int64_t)(sizeof(array) / sizeof(double)), (shape), (dtype)), CT_HERE)
#endif
/* A tensor around the caller's row-major memory, without a copy. `release(data, context)` is called when the last
 * view of it is gone; NULL where the caller keeps care of it. After writing to the memory call ct_touch. */
CT_API ct_tensor *ct_wrap(void *data, ct_shape shape, ct_dtype dtype, void (*release)(void *data, void *context),
                          void *context);

/* Uniform on [low, high). f32 or f64. */
CT_API ct_tensor *ct_uniform(ct_shape shape, double low, double high, ct_dtype dtype);
/* Normal with the given mean and standard deviation (Box and Muller 1958). f32 or f64. */
CT_API ct_tensor *ct_normal(ct_shape shape, double mean, double std, ct_dtype dtype);
/* A random permutation of 0 .. n-1, i64. */
CT_API ct_tensor *ct_permutation(int64_t n);

/* ---- reading ------------------------------------------------------------------------------------------ */

/* The value of a tensor of one element; NaN when it fails. */
CT_API double ct_item(const ct_tensor *t);
/* The element at an index: ct_get(t, ct_index(0, -1)); NaN when it fails. Integers beyond 2^53 are rounded. */
CT_API double ct_get(const ct_tensor *t, ct_index index);
/* Copies the elements in row-major order to `to`, in the tensor's own dtype; `bytes` must be their exact size. */
CT_API bool ct_copy_out(const ct_tensor *t, void *to, size_t bytes);
/* The same, cast to double; `count` must be the number of elements. */
CT_API bool ct_copy_values(const ct_tensor *t, double *to, int64_t count);
/* The first element in memory. Contiguous tensors only (see ct_contiguous), NULL with an error else. Valid while the
 * tensor is. Writing through it needs ct_touch afterwards. */
CT_API void *ct_data(const ct_tensor *t);
/* Same dtype and shape, and equal values everywhere (NaN equals nothing). */
CT_API bool ct_equal(const ct_tensor *a, const ct_tensor *b);
/* Same dtype and shape, and |a - b| <= atol + rtol |b| everywhere; equal infinities and, unlike NumPy's default, a pair
 * of NaNs count as close. */
CT_API bool ct_allclose(const ct_tensor *a, const ct_tensor *b, double rtol, double atol);

/* ---- printing ----------------------------------------------------------------------------------------- */

typedef struct ct_print_options {
    int precision;  /* digits after the point at the most; 0 means 4 */
    int threshold;  /* more elements than this are elided; 0 means 1000 */
    int edge_items; /* elements shown at each end of an elided axis; 0 means 3 */
    int line_width; /* columns; 0 means 88 */
} ct_print_options;

/* Prints a tensor as NumPy prints an array, aligned in columns, followed by a new line. */
CT_API bool ct_print(FILE *to, const ct_tensor *t);
CT_API bool ct_print_with(FILE *to, const ct_tensor *t, ct_print_options options);
/* The same text, without a new line at the end, into a buffer of `size` bytes, always terminated where size > 0. Returns
 * the length of the whole text as snprintf does; -1 when it fails. */
CT_API int64_t ct_format(char *buffer, size_t size, const ct_tensor *t, ct_print_options options);

/* ---- changing values in place ------------------------------------------------------------------------- */

/* In-place changes are never recorded: on a tensor that needs a gradient, or a view of one, they are an error outside
 * ct_no_grad. They refuse to run while an error is pending. All return false when they fail, and then nothing was
 * changed. `x` broadcasts to t; values are cast to t's dtype. */
CT_API bool ct_set(ct_tensor *t, ct_index index, double value);
CT_API bool ct_fill_(ct_tensor *t, double value);
CT_API bool ct_copy_(ct_tensor *t, ct_tensor *x);               /* t = x */
CT_API bool ct_add_(ct_tensor *t, double alpha, ct_tensor *x);  /* t += alpha x */
CT_API bool ct_mul_(ct_tensor *t, ct_tensor *x);                /* t *= x */
CT_API bool ct_scale_(ct_tensor *t, double alpha);              /* t *= alpha */
/* Notes that the memory was written to from outside: values kept for a backward pass are then known to be stale. */
CT_API bool ct_touch(ct_tensor *t);

/* One optimizer step over `count` parameters at once (a fused pass; what ct_nn's optimizers call, public so that others
 * can be written as fast). All tensors f32 or f64, contiguous, and alike in shape and dtype per parameter.
 * SGD (Sutskever et al. 2013, in the form of PyTorch): g += weight_decay p;  v = momentum v + (1 - dampening) g  (v = g at the
 * first step);  p -= lr (nesterov ? g + momentum v : v). `velocity` may be NULL when momentum is 0. */
typedef struct ct_sgd_step {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, first;
} ct_sgd_step;
CT_API bool ct_sgd_step_(ct_tensor *const *params, ct_tensor *const *grads, ct_tensor *const *velocity, int count,
                         ct_sgd_step step);
/* Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019, decoupled):
 * m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
 * p -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps), with g += weight_decay p before (Adam) or
 * p *= 1 - lr weight_decay before (AdamW: decoupled). */
typedef struct ct_adam_step {
    double lr, beta1, beta2, eps, weight_decay;
    bool decoupled;
    int64_t t; /* the number of this step, from 1 */
} ct_adam_step;
CT_API bool ct_adam_step_(ct_tensor *const *params, ct_tensor *const *grads, ct_tensor *const *m, ct_tensor *const *v,
                          int count, ct_adam_step step);

/* ---- source places ------------------------------------------------------------------------------------ */

static inline ct_dtype ct_here_dtype(ct_dtype dtype, const char *file, int line)
{
    if (dtype == CT_F32) ct_here_error(file, line); /* also what ct_dtype_of gives when it fails */
    return dtype;
}
static inline ct_shape ct_here_shape(ct_shape shape, const char *file, int line)
{
    if (!shape.rank) ct_here_error(file, line); /* likewise */
    return shape;
}

#ifdef __cplusplus
}
#endif

#ifndef CT_NO_PLACES
#define ct_dtype_of(...) ct_here_dtype(ct_dtype_of(__VA_ARGS__), CT_HERE)
#define ct_shape_get(...) ct_here_shape(ct_shape_get(__VA_ARGS__), CT_HERE)
#define ct_strides(...) ct_here_shape(ct_strides(__VA_ARGS__), CT_HERE)
#define ct_same_shape(...) ct_here_bool(ct_same_shape(__VA_ARGS__), CT_HERE)
#define ct_is_contiguous(...) ct_here_bool(ct_is_contiguous(__VA_ARGS__), CT_HERE)
#define ct_keep(...) ct_here(ct_keep(__VA_ARGS__), CT_HERE)
#define ct_scope_return(...) ct_here(ct_scope_return(__VA_ARGS__), CT_HERE)
#define ct_share(...) ct_here(ct_share(__VA_ARGS__), CT_HERE)
#define ct_scalar(...) ct_here(ct_scalar(__VA_ARGS__), CT_HERE)
#define ct_zeros(...) ct_here(ct_zeros(__VA_ARGS__), CT_HERE)
#define ct_ones(...) ct_here(ct_ones(__VA_ARGS__), CT_HERE)
#define ct_full(...) ct_here(ct_full(__VA_ARGS__), CT_HERE)
#define ct_empty(...) ct_here(ct_empty(__VA_ARGS__), CT_HERE)
#define ct_arange(...) ct_here(ct_arange(__VA_ARGS__), CT_HERE)
#define ct_linspace(...) ct_here(ct_linspace(__VA_ARGS__), CT_HERE)
#define ct_eye(...) ct_here(ct_eye(__VA_ARGS__), CT_HERE)
#define ct_from(...) ct_here(ct_from(__VA_ARGS__), CT_HERE)
#define ct_from_values(...) ct_here(ct_from_values(__VA_ARGS__), CT_HERE)
#define ct_wrap(...) ct_here(ct_wrap(__VA_ARGS__), CT_HERE)
#define ct_uniform(...) ct_here(ct_uniform(__VA_ARGS__), CT_HERE)
#define ct_normal(...) ct_here(ct_normal(__VA_ARGS__), CT_HERE)
#define ct_permutation(...) ct_here(ct_permutation(__VA_ARGS__), CT_HERE)
#define ct_alias(...) ct_here(ct_alias(__VA_ARGS__), CT_HERE)
#define ct_item(...) ct_here_number(ct_item(__VA_ARGS__), CT_HERE)
#define ct_get(...) ct_here_number(ct_get(__VA_ARGS__), CT_HERE)
#define ct_copy_out(...) ct_here_bool(ct_copy_out(__VA_ARGS__), CT_HERE)
#define ct_copy_values(...) ct_here_bool(ct_copy_values(__VA_ARGS__), CT_HERE)
#define ct_rank(...) ct_here_int(ct_rank(__VA_ARGS__), CT_HERE)
#define ct_dim(...) ct_here_count(ct_dim(__VA_ARGS__), CT_HERE)
#define ct_count_of(...) ct_here_count(ct_count_of(__VA_ARGS__), CT_HERE)
#define ct_data(...) ct_here_data(ct_data(__VA_ARGS__), CT_HERE)
#define ct_equal(...) ct_here_bool(ct_equal(__VA_ARGS__), CT_HERE)
#define ct_allclose(...) ct_here_bool(ct_allclose(__VA_ARGS__), CT_HERE)
#define ct_touch(...) ct_here_bool(ct_touch(__VA_ARGS__), CT_HERE)
#define ct_print_with(...) ct_here_bool(ct_print_with(__VA_ARGS__), CT_HERE)
#define ct_format(...) ct_here_count(ct_format(__VA_ARGS__), CT_HERE)
#define ct_print(...) ct_here_bool(ct_print(__VA_ARGS__), CT_HERE)
#define ct_set(...) ct_here_bool(ct_set(__VA_ARGS__), CT_HERE)
#define ct_fill_(...) ct_here_bool(ct_fill_(__VA_ARGS__), CT_HERE)
#define ct_copy_(...) ct_here_bool(ct_copy_(__VA_ARGS__), CT_HERE)
#define ct_add_(...) ct_here_bool(ct_add_(__VA_ARGS__), CT_HERE)
#define ct_mul_(...) ct_here_bool(ct_mul_(__VA_ARGS__), CT_HERE)
#define ct_scale_(...) ct_here_bool(ct_scale_(__VA_ARGS__), CT_HERE)
#define ct_sgd_step_(...) ct_here_bool(ct_sgd_step_(__VA_ARGS__), CT_HERE)
#define ct_adam_step_(...) ct_here_bool(ct_adam_step_(__VA_ARGS__), CT_HERE)
#endif
#endif
