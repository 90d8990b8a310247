/*
 * io.h - data in and out: data sets, batches, IDX files, .npy files, saved parameters.
 *
 * Data sets and loaders belong to the caller (ct_dataset_free, ct_loader_free).
 */
#ifndef COTANGENT_IO_H
#define COTANGENT_IO_H

#include <cotangent/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- data sets ---------------------------------------------------------------------------------------- */

typedef struct ct_dataset ct_dataset;

/* Examples in memory: x [n, ...], y [n, ...], one row each. The data set retains both. */
CT_API ct_dataset *ct_dataset_new(ct_tensor *x, ct_tensor *y);
/* Images and labels from two IDX files, plain or gzipped (the format of MNIST, LeCun et al. 1998). x is [n, rows * columns], u8,
 * scaled to f32 in 0..1 where batches are made; y is i64 [n]. The two must have as many entries. */
CT_API ct_dataset *ct_dataset_idx(const char *images, const char *labels);
/* 1,797 handwritten digits of 8 x 8 embedded in the library (Alpaydin and Kaynak 1998, by scikit-learn, CC BY 4.0): x u8
 * [1797, 64] of values 0..16, scaled to f32 in 0..1 in batches; y i64. */
CT_API ct_dataset *ct_dataset_digits(void);
/* The examples from `start` up to and without `stop` (negative counts from the end, CT_NONE leaves a bound out): a view with a
 * life of its own. */
CT_API ct_dataset *ct_dataset_slice(const ct_dataset *data, int64_t start, int64_t stop);
CT_API void ct_dataset_free(ct_dataset *data);
CT_API int64_t ct_dataset_count(const ct_dataset *data);
/* Multiplies u8 images by `scale` where batches are made into f32 (1/255 for IDX, 1/16 for the digits). */
CT_API bool ct_dataset_set_scale(ct_dataset *data, double scale);
/* All of x as it comes in batches (scaled f32), and all of y. */
CT_API ct_tensor *ct_dataset_x(const ct_dataset *data);
CT_API ct_tensor *ct_dataset_y(const ct_dataset *data);

/* ---- batches ------------------------------------------------------------------------------------------ */

typedef struct ct_loader ct_loader;
typedef struct ct_batch {
    ct_tensor *x, *y; /* borrowed: valid until the next call with the same loader, or ct_alias them */
    int64_t index;    /* the number of this batch in its epoch, from 0 */
    int64_t size;     /* its number of examples */
} ct_batch;
enum { CT_IN_ORDER = 0, CT_SHUFFLE = 1, CT_DROP_LAST = 2 };

/* Batches of `batch_size` examples. CT_SHUFFLE draws a new order each epoch, by a seed taken from the thread's random numbers
 * when the loader is made (so ct_seed fixes it). CT_DROP_LAST leaves out a last batch that is not full. */
CT_API ct_loader *ct_loader_new(ct_dataset *data, int64_t batch_size, int flags);
CT_API void ct_loader_free(ct_loader *loader);
/* The next batch. False at the end of an epoch (the call after that begins the next one), on failure, and while an error is
 * pending. Never overwrites a storage that someone else still holds. */
CT_API bool ct_loader_next(ct_loader *loader, ct_batch *batch);
/* Batches per epoch. */
CT_API int64_t ct_loader_count(const ct_loader *loader);
/* Begins a new epoch now. */
CT_API void ct_loader_restart(ct_loader *loader);

/* ---- files -------------------------------------------------------------------------------------------- */

/* One IDX file, plain or gzipped: u8, i8 and i16 (as i32), i32, f32 or f64 (big-endian there). */
CT_API ct_tensor *ct_load_idx(const char *path);
/* NumPy's .npy format, version 1.0 written, 1.0 to 3.0 read, little-endian, C or Fortran order; dtypes f4 f8 i4 i8 u1 b1. A
 * file is written beside the old one and renamed, so that a failure does not lose it. */
CT_API bool ct_save_npy(const char *path, ct_tensor *t);
CT_API ct_tensor *ct_load_npy(const char *path);
/* All parameters and buffers of a module by name, in one .npz file (a zip of .npy files, as numpy.savez writes it, readable by
 * numpy.load). Loading checks that names, shapes and dtypes agree before it changes anything. */
CT_API bool ct_module_save(ct_module *module, const char *path);
CT_API bool ct_module_load(ct_module *module, const char *path);

static inline ct_dataset *ct_here_dataset(ct_dataset *data, const char *file, int line)
{
    if (!data) ct_here_error(file, line);
    return data;
}
static inline ct_loader *ct_here_loader(ct_loader *loader, const char *file, int line)
{
    if (!loader) ct_here_error(file, line);
    return loader;
}

#ifdef __cplusplus
}
#endif

#ifndef CT_NO_PLACES
#define ct_dataset_new(...) ct_here_dataset(ct_dataset_new(__VA_ARGS__), CT_HERE)
#define ct_dataset_idx(...) ct_here_dataset(ct_dataset_idx(__VA_ARGS__), CT_HERE)
#define ct_dataset_digits(...) ct_here_dataset(ct_dataset_digits(__VA_ARGS__), CT_HERE)
#define ct_dataset_slice(...) ct_here_dataset(ct_dataset_slice(__VA_ARGS__), CT_HERE)
#define ct_dataset_x(...) ct_here(ct_dataset_x(__VA_ARGS__), CT_HERE)
#define ct_dataset_y(...) ct_here(ct_dataset_y(__VA_ARGS__), CT_HERE)
#define ct_dataset_count(...) ct_here_count(ct_dataset_count(__VA_ARGS__), CT_HERE)
#define ct_dataset_set_scale(...) ct_here_bool(ct_dataset_set_scale(__VA_ARGS__), CT_HERE)
#define ct_loader_count(...) ct_here_count(ct_loader_count(__VA_ARGS__), CT_HERE)
#define ct_loader_new(...) ct_here_loader(ct_loader_new(__VA_ARGS__), CT_HERE)
#define ct_loader_restart(...) (ct_loader_restart(__VA_ARGS__), ct_here_error(CT_HERE))
#define ct_loader_next(...) ct_here_bool(ct_loader_next(__VA_ARGS__), CT_HERE)
#define ct_load_idx(...) ct_here(ct_load_idx(__VA_ARGS__), CT_HERE)
#define ct_save_npy(...) ct_here_bool(ct_save_npy(__VA_ARGS__), CT_HERE)
#define ct_load_npy(...) ct_here(ct_load_npy(__VA_ARGS__), CT_HERE)
#define ct_module_save(...) ct_here_bool(ct_module_save(__VA_ARGS__), CT_HERE)
#define ct_module_load(...) ct_here_bool(ct_module_load(__VA_ARGS__), CT_HERE)
#endif
#endif
