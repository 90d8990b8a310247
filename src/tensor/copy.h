/*
 * copy.h (internal) - the kernels of copy_isa.c, one table for each instruction set: matrices turned in copying.
 */
#ifndef CT_COPY_INTERNAL_H
#define CT_COPY_INTERNAL_H

#include "tensor/tensor.h"

/* A strip of a matrix, of which each row becomes a column: element (i, j) of `from` goes to (j, i) of `to`. */
enum { CT__TURN_BYTES = 128 }; /* at most so many bytes of each row of `to`: rows of `from` by the size of an element */
typedef struct ct__turn {
    char *to;
    const char *from;
    int64_t to_row, from_row; /* from one row to the next, in bytes; elements of a row are neighbors */
    int64_t rows, columns;    /* of from */
    const char *next;         /* not NULL: the strip that is turned after this one, fetched meanwhile */
    bool stream;              /* past the caches; `to` and its rows start at cache lines */
} ct__turn;

/* Streamed blocks of elements of 4 bytes go by way of a stage: one is copied into a buffer while the one before it leaves the other. Rows and
 * columns of such blocks are multiples of 32. */
enum { CT__STAGE_ROWS = 64, CT__STAGE_COLUMNS = 1024, CT__STAGE_PITCH = 4 * CT__STAGE_COLUMNS + 128 };
typedef struct ct__stage {
    char *to; /* where the block before goes; none at first */
    int64_t to_row, rows, columns;
    char *full, *other; /* buffers: where it is, and the next will be */
    _Alignas(64) char turned[16][CT__TURN_BYTES]; /* a tile */
    _Alignas(64) char buffer[2][CT__STAGE_ROWS * CT__STAGE_PITCH];
    char apart[(1 << 20) - 4096 - 2 * CT__STAGE_ROWS * CT__STAGE_PITCH]; /* left alone: those of two threads closer together are slower at times */
} ct__stage;

typedef struct ct__copy_kernels {
    void (*turn[3])(const ct__turn *t); /* elements of 1, 4 and 8 bytes, as bits */
    void (*stage)(ct__stage *s, const ct__turn *t); /* NULL: nothing is gained by one */
} ct__copy_kernels;

extern const ct__copy_kernels ct__copy_kernels_baseline;
#ifdef CT__HAVE_X86_VARIANTS
extern const ct__copy_kernels ct__copy_kernels_avx2, ct__copy_kernels_avx512;
#endif

#endif
