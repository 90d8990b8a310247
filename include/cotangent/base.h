/*
 * base.h - version, errors, scopes, memory, threads, random seed.
 *
 * Ownership in one sentence: every function that returns a `ct_tensor *` gives it to the innermost open
 * scope of the calling thread, whose end releases it; without an open scope the caller owns it (ct_free).
 *
 * Errors in one sentence: a failing call returns NULL / false / NaN / -1, the first failure of a thread is
 * kept until it is reported or cleared, and a call that is given NULL fails quietly because of it. While one is
 * pending, calls that would change values, gradients or files refuse and leave it as it is.
 */
#ifndef COTANGENT_BASE_H
#define COTANGENT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#if defined(__GNUC__)
#define CT_API __attribute__((visibility("default")))
#else
#define CT_API
#endif

#define CT_VERSION_MAJOR 0
#define CT_VERSION_MINOR 1
#define CT_VERSION_PATCH 0
#define CT_VERSION "0.1.0"
/* CT_VERSION_AT_LEAST(0, 1, 0) is true for this version and later ones; usable in #if. */
#define CT_VERSION_AT_LEAST(major, minor, patch)                                                                      \
    (CT_VERSION_MAJOR * 1000000 + CT_VERSION_MINOR * 1000 + CT_VERSION_PATCH                                           \
     >= (major) * 1000000 + (minor) * 1000 + (patch))

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ct_tensor ct_tensor;

/* The version of the library that is linked, "major.minor.patch"; CT_VERSION is that of the headers. */
CT_API const char *ct_version(void);

/* ---- errors ------------------------------------------------------------------------------------------- */

typedef enum ct_status {
    CT_OK = 0,
    CT_ERROR_NULL,   /* a NULL argument with no earlier error that would explain it */
    CT_ERROR_SHAPE,  /* shapes, ranks or axes that do not fit */
    CT_ERROR_DTYPE,  /* a dtype that the operation does not take, or two that do not mix */
    CT_ERROR_INDEX,  /* an index out of range */
    CT_ERROR_VALUE,  /* any other argument out of its range */
    CT_ERROR_MEMORY, /* out of memory */
    CT_ERROR_FILE,   /* a file that cannot be opened, read or written */
    CT_ERROR_FORMAT, /* a file whose content is not what its format says */
    CT_ERROR_GRAPH,  /* derivatives: no graph, a graph already used, a value changed in place, a missing rule */
    CT_ERROR_USER    /* raised by the user's own function (ct_raise) */
} ct_status;

typedef struct ct_error_info {
    ct_status status;
    const char *operation; /* "ct_matmul" */
    const char *message;   /* the whole line that ct_report prints */
    const char *file;      /* the user's source file, NULL where unknown */
    int line;
} ct_error_info;

/* The pending error of the calling thread, NULL when there is none. Valid until it is cleared or reported. */
CT_API const ct_error_info *ct_error(void);

/* Prints the pending error as one line to `to` and clears it. Returns 0 when there was none, else 1: the exit
 * code of a program (`return ct_report(stderr);`). With `to` NULL it prints nothing and clears all the same. */
CT_API int ct_report(FILE *to);

/* Forgets the pending error. */
CT_API void ct_clear_error(void);

/* Raises an error from the user's own code (a custom module, a file format): kept like the library's own, if it
 * is the first. Always returns false. */
CT_API bool ct_raise(ct_status status, const char *operation, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* ---- source places ------------------------------------------------------------------------------------ */

/* Every operation is also a macro that notes the user's file and line on its result, and on the pending error
 * if that has none. The plain functions stay for other languages: define CT_NO_PLACES before including. For functions
 * of one's own, write macros like these with the ct_here_* that takes and returns what the function returns. */
#define CT_HERE __FILE__, __LINE__
CT_API ct_tensor *ct_here(ct_tensor *result, const char *file, int line);
/* Notes the place on the pending error, if there is one that has no place yet. */
CT_API void ct_here_error(const char *file, int line);

static inline bool ct_here_bool(bool ok, const char *file, int line)
{
    if (!ok) ct_here_error(file, line);
    return ok;
}
static inline double ct_here_number(double value, const char *file, int line)
{
    if (value != value) ct_here_error(file, line);
    return value;
}
static inline void *ct_here_data(void *data, const char *file, int line)
{
    if (!data) ct_here_error(file, line);
    return data;
}
static inline const char *ct_here_text(const char *text, const char *file, int line)
{
    if (!text) ct_here_error(file, line);
    return text;
}
static inline int64_t ct_here_count(int64_t value, const char *file, int line)
{
    if (value < 0) ct_here_error(file, line);
    return value;
}
static inline int ct_here_int(int value, const char *file, int line)
{
    if (value < 0) ct_here_error(file, line);
    return value;
}

/* ---- scopes ------------------------------------------------------------------------------------------- */

/* CT_SCOPE; at the start of a block: what is made from here on is released where the block ends, also when it is
 * left by return, break or continue. A block takes one. Needs the cleanup attribute (gcc, clang);
 * ct_scope_begin and ct_scope_end are there for other compilers and languages. */
#if defined(__GNUC__)
#define CT_SCOPE                                                                                                       \
    __attribute__((cleanup(ct_scope_cleanup), unused)) const int ct_scope_of_this_block = ct_scope_begin()
#endif

/* Opens a scope and returns its number, which ct_scope_end takes. */
CT_API int ct_scope_begin(void);
/* Ends the scope `number` and all that were opened after it and not ended (a longjmp may have skipped them). */
CT_API void ct_scope_end(int number);
CT_API void ct_scope_cleanup(const int *number); /* for CT_SCOPE */

/* ---- memory ------------------------------------------------------------------------------------------- */

typedef struct ct_memory_info {
    int64_t tensors, nodes, storages; /* objects alive */
    int64_t bytes;                    /* bytes of live storages */
    int64_t peak_bytes;               /* the most that `bytes` was since the start or ct_memory_reset_peak */
    int64_t pooled_bytes;             /* bytes kept for reuse */
} ct_memory_info;

/* What is alive in the calling thread's heap together with all threads that have ended. */
CT_API ct_memory_info ct_memory(void);
CT_API void ct_memory_reset_peak(void);
/* Gives pooled memory of the calling thread back to the system. */
CT_API void ct_memory_trim(void);

/* Counters since the start of the thread, for tests and benchmarks: they count what ran, not what was meant. */
typedef struct ct_counters {
    int64_t mallocs;          /* requests that went to the system allocator */
    int64_t operations;       /* operations applied */
    int64_t nodes;            /* graph nodes recorded */
    int64_t passes;           /* kernels that ran over elements: of operations, their gradients, reductions, rows, copies, optimizers */
    int64_t bytes;            /* that these read and wrote: each operand once, by its number of elements */
    int64_t gemm_calls;       /* matrix products; their operands are not among the bytes */
    int64_t gemm_flops;       /* 2 m n k summed */
    int64_t parallel_regions; /* OpenMP regions entered with more than one part of work */
    int64_t parallel_gemms;   /* matrix products cut into more than one part */
    int64_t parallel_reductions;
} ct_counters;
CT_API ct_counters ct_count(void);

/* ---- threads and random numbers ----------------------------------------------------------------------- */

/* The number of threads that operations called from this thread use: at least 1. 0 asks for OpenMP's default
 * (OMP_NUM_THREADS, or the processors). Results do not depend on it. */
CT_API bool ct_set_threads(int threads);
CT_API int ct_threads(void);

/* Seeds the calling thread's random numbers. They are counter-based (Philox 4x32-10: Salmon et al., "Parallel
 * random numbers: as easy as 1, 2, 3", SC11), so they do not depend on the number of threads. */
CT_API void ct_seed(uint64_t seed);

/* The instruction set whose kernels run: "baseline", "avx2" or "avx512". */
CT_API const char *ct_instruction_set(void);

#ifdef __cplusplus
}
#endif

#ifndef CT_NO_PLACES
#define ct_raise(...) ct_here_bool(ct_raise(__VA_ARGS__), CT_HERE)
#define ct_set_threads(...) ct_here_bool(ct_set_threads(__VA_ARGS__), CT_HERE)
#endif
#endif
