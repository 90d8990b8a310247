/*
 * tensor.h (internal) - the tensor and its storage, views, and what kernels need to walk over them.
 *
 * Invariants: count is the product of the first `rank` entries of dim; data points at the first element; every element that the strides
 * reach lies inside the storage. The graph slot belongs to the autograd room: here it is a pointer with a release callback.
 */
#ifndef CT_TENSOR_INTERNAL_H
#define CT_TENSOR_INTERNAL_H

#include <cotangent/tensor.h>

#include "base/base.h"

/* Bytes that tensors view, counted by reference. It is part of the record of the tensor that it was made for, which holds one of the
 * references as long as it lives; so the record goes when this count is 0. */
typedef struct ct__storage {
    int32_t refs;
    uint32_t version; /* goes up with every change in place */
    bool shared;      /* refs change atomically */
    bool inside;      /* the bytes are part of the record too */
    bool tracked;     /* a view of it needs a gradient */
    bool foreign;     /* the caller's memory; a ct__lender follows the record */
    bool gone;        /* the bytes were given back, only the record is left */
    bool met;         /* by a search for two of the same, within a call */
    uint8_t scripted; /* what scripts know of it (script.h) */
    uint8_t lines;    /* class of the record's slab */
    size_t bytes;
    char *data;
} ct__storage;

/* How foreign memory is given back; .release NULL: the caller keeps it. */
typedef struct ct__lender {
    void (*release)(void *data, void *context);
    void *context;
} ct__lender;

/* Sanitizers see the ends of what has an allocation of its own. */
#ifdef CT_PLAIN_MALLOC
enum { CT__FRONT = 16, CT__INSIDE_MAX = 0 };
#else
enum { CT__FRONT = 16, CT__INSIDE_MAX = 192 }; /* storages of up to this many bytes live in the record; the first few in its front */
#endif

/* Ordered so that a scalar with its value takes two cache lines, and that what is the same in all new tensors is set by few stores. */
struct ct_tensor {
    ct__link link; /* first: a scope's release callback gets a pointer to it */
    int32_t refs;
    bool weak;       /* made by ct_scalar */
    bool shared;     /* refs change atomically */
    bool needs_grad; /* it is a result whose node leads to a leaf that collects a gradient; for leaves the leaf knows */
    bool dense;      /* row-major without gaps */
    union {
        struct {
            union {
                struct {
                    uint8_t dtype, rank;
                };
                uint16_t kind; /* both */
            };
            uint8_t slot; /* which output of its node it is */
            int32_t line; /* the user's source place */
        };
        uint64_t kind_and_place; /* 0 in a new tensor, but for its kind */
    };
    int64_t count;
    char *data;
    ct__storage *storage;
    void *graph;
    const char *file;
    ct__storage own; /* refs 0 in a view */
    _Alignas(16) char front[CT__FRONT];
    int64_t dim[CT_MAX_RANK], stride[CT_MAX_RANK]; /* strides in elements */
    /* behind it in the same slab record: larger contents, or a ct__lender */
};

/* Drops a reference to what is in the graph slot; set once by the autograd room. */
extern void (*ct__graph_release)(void *graph);
/* Notes the user's place on the node of a tensor, which it returns; makes the counts of its leaf atomic. Set likewise. */
extern ct_tensor *(*ct__graph_note)(ct_tensor *t, const char *file, int line);
extern void (*ct__graph_share)(void *graph);

/* ---- making and counting references (tensor.c) ---- */

/* All of these return a tensor with one reference, which the innermost scope holds if one is open, else the caller. */
ct_tensor *ct__tensor_new(const char *operation, ct_dtype dtype, int rank, const int64_t *dim); /* contiguous, not set */
ct_tensor *ct__tensor_one(const char *operation, ct_dtype dtype);                                /* the same without axes */
ct_tensor *ct__tensor_like(const char *operation, const ct_tensor *t, ct_dtype dtype);          /* the shape of t */
/* A view of t's storage at `data`, without a place in the graph. */
ct_tensor *ct__tensor_view(const ct_tensor *t, int rank, const int64_t *dim, const int64_t *stride, char *data);
ct_tensor *ct__tensor_bare(const ct_tensor *t); /* the same values without a place in the graph */
/* Around the caller's memory. */
ct_tensor *ct__tensor_wrap(const char *operation, ct_dtype dtype, int rank, const int64_t *dim, void *data,
                           void (*release)(void *data, void *context), void *context);
/* Takes a tensor out of its scope without touching its count: the reference is now the caller's. */
static inline ct_tensor *ct__own(ct_tensor *t)
{
    if (t) ct__scope_unlink(&t->link);
    return t;
}
/* t views the storage of `from` from now on, with its dtype and layout; the shapes agree. */
void ct__tensor_take_values(ct_tensor *t, const ct_tensor *from);
/* s gives its bytes back, and has those of `other` from now on, which must live as long as it is used and are not fewer. */
void ct__storage_lean_on(ct__storage *s, const ct__storage *other);
void ct__destroy(ct_tensor *t);
CT__COLD void ct__release_shared(ct_tensor *t);
static inline ct_tensor *ct__retain(ct_tensor *t)
{
    if (CT__UNLIKELY(t->shared)) __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    else t->refs++;
    return t;
}
static inline void ct__release(ct_tensor *t)
{
    if (CT__UNLIKELY(t->shared)) ct__release_shared(t);
    else if (--t->refs == 0) ct__destroy(t);
}

/* A public reader gives numbers away. */
static inline void ct__note_read(const ct_tensor *t)
{
    if (t->graph) ct__self.reads++;
}

/* ---- shapes (shape.c) ---- */

static inline size_t ct__size(const ct_tensor *t)
{
    static const uint8_t size[CT_DTYPES] = {4, 8, 4, 8, 1, 1};
    return size[t->dtype];
}
static inline bool ct__is_float(ct_dtype dtype) { return dtype == CT_F32 || dtype == CT_F64; }
static inline bool ct__contiguous(const ct_tensor *t) { return t->dense; }
/* Is it a fresh result that nobody sees but who holds the one reference, and may write over? */
static inline bool ct__exclusive(const ct_tensor *t)
{
    return t->refs == 1 && t->storage->refs == 1 && !t->storage->foreign && !t->graph && ct__contiguous(t);
}

/* Do all elements lie in one place? */
static inline bool ct__is_uniform(const ct_tensor *t)
{
    bool uniform = true;
    for (int i = 0; i < t->rank; i++) uniform = uniform && (t->stride[i] == 0 || t->dim[i] == 1);
    return uniform;
}

/* Found from the strides; who changes those of a record on the stack sets .dense to it, or to false. Axes of length 1 do not count. */
bool ct__row_major(const ct_tensor *t);
static inline ct_shape ct__shape(const ct_tensor *t)
{
    ct_shape s;
    s.rank = t->rank;
    for (int i = 0; i < t->rank; i++) s.dim[i] = t->dim[i];
    return s;
}
bool ct__same_lengths(const int64_t *a, const int64_t *b, int rank);
static inline bool ct__same_shape(const ct_tensor *a, const ct_tensor *b)
{
    return a->rank == b->rank && (a->rank == 0 || ct__same_lengths(a->dim, b->dim, a->rank));
}
bool ct__shape_equal(ct_shape a, ct_shape b);
/* The axis counted from the front, or -1 with an error that names the operation. */
int ct__axis(const char *operation, int64_t axis, int rank);
/* A bit for each axis in the list (CT_ALL: all); false with an error for one out of range or named twice. */
bool ct__axes_mask(const char *operation, ct_axes axes, int rank, unsigned *mask);
/* The broadcast shape of two; false, with no error set, where they do not fit. */
bool ct__broadcast(ct_shape a, ct_shape b, ct_shape *out);
/* Checks a shape given by the user: rank, no negative length, no overflow. */
bool ct__shape_check(const char *operation, ct_shape shape, ct_dtype dtype);
/* Texts for messages, in a small ring of thread-local buffers: "f32 [64, 784]" and "[64, 784]". */
CT__COLD const char *ct__describe(const ct_tensor *t);
CT__COLD const char *ct__describe_shape(ct_shape shape);

/* ---- kernels over strided operands (loop.c) ---- */

/* A kernel computes n elements: p[0 .. outputs-1] are results, the others operands, all contiguous. */
typedef void (*ct__kernel)(int64_t n, char *const *p, const double *params);

enum { CT__MAX_OPERANDS = 8 };
/* Runs a kernel over t[0 .. count-1], outputs first, all of one shape (repeated axes by stride 0). Axes are collapsed; an operand
 * whose inner axis is not contiguous passes through a block buffer. Large ones are cut into parts by their shape alone.
 * `cost` is the time for an element in units of a load and store (1: add, 10: tanh). */
void ct__map(ct__kernel kernel, int outputs, ct_tensor *const *t, int count, const double *params, int cost);
/* The same with one result and two operands; `straight`, unless it is NULL, computes the same in whole lines that go past the caches at
 * once. Its parameters: how many bytes ahead it fetches of the first operand, and of the second one. */
void ct__map_straight(ct__kernel kernel, ct__kernel straight, ct_tensor *const *t, const double *params, int cost);
/* dst = src for tensors of one shape and any strides, with a cast where dtypes differ (copy.c). */
void ct__copy(ct_tensor *dst, const ct_tensor *src);
/* Sets every element to a double, cast to the tensor's dtype (copy.c). */
void ct__fill(ct_tensor *t, double value);
ct__kernel ct__cast_kernel(ct_dtype to, ct_dtype from);
/* One element as a double, and back (saturating), for reading and printing (copy.c). */
double ct__load(const char *at, ct_dtype dtype);
void ct__store(char *at, ct_dtype dtype, double value);

/* Visits the offsets (in elements) of a strided set of up to CT_MAX_RANK axes in row-major order, for cold paths:
 *     for (ct__walk w = ct__walk_start(rank, dim); w.more; ct__walk_next(&w, stride...)) */
typedef struct ct__walk {
    int rank;
    bool more;
    int64_t at[CT_MAX_RANK];
    const int64_t *dim;
} ct__walk;
ct__walk ct__walk_start(int rank, const int64_t *dim);
void ct__walk_next(ct__walk *w);
static inline int64_t ct__walk_offset(const ct__walk *w, const int64_t *stride)
{
    int64_t offset = 0;
    for (int i = 0; i < w->rank; i++) offset += w->at[i] * stride[i];
    return offset;
}

/* ---- products (gemm.c, gemm_large.c) ---- */

/* A matrix in memory: element (i, j) is at data[i * row + j * column]. */
typedef struct ct__matrix {
    char *data;
    int64_t rows, columns, row, column;
} ct__matrix;
/* C = alpha A B + beta C for `batch` matrices at the given distances in elements (0 repeats). dtype f32 or f64. beta 0 does not
 * read C. Which kernel and in what order it sums depends on the shape and strides alone. */
void ct__gemm(ct_dtype dtype, int64_t batch, double alpha, const ct__matrix *a, int64_t a_step, const ct__matrix *b,
              int64_t b_step, double beta, const ct__matrix *c, int64_t c_step);

/* What is done to C as it is written for the last time: C = activation(alpha A B + bias), or of alpha A B + beta C without a bias.
 * The bits are those of C filled with the bias, beta = 1, and the activation as an operation of its own. */
typedef enum ct__activation { CT__NO_ACTIVATION, CT__RELU } ct__activation;
typedef struct ct__epilogue {
    const void *bias;  /* [columns of C], contiguous, added to every row in the place of beta C; NULL: none */
    int64_t bias_step; /* from one matrix of the batch to the next */
    ct__activation activation;
} ct__epilogue;
/* ct__gemm with it; NULL: none. */
void ct__gemm_with(ct_dtype dtype, int64_t batch, double alpha, const ct__matrix *a, int64_t a_step, const ct__matrix *b,
                   int64_t b_step, double beta, const ct__matrix *c, int64_t c_step, const ct__epilogue *then);

/* ---- in-place changes (inplace.c) ---- */

/* False with an error where t may not be changed in place; set by the autograd room, which knows of recording. */
extern bool (*ct__inplace_allowed)(const char *operation, const ct_tensor *t);
bool ct__inplace_check(const char *operation, ct_tensor *t);
static inline void ct__bump(ct_tensor *t) { t->storage->version++; }

#endif
