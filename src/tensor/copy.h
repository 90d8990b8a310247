/*
 * copy.h (internal) - the kernels of copy_isa.c, one table for each instruction set: matrices turned in copying.
 */
#ifndef CT_COPY_INTERNAL_H
#define CT_COPY_INTERNAL_H

#include "tensor/tensor.h"

/* A strip of a matrix, of which each row becomes a column: element (i, j) of `from` goes to (j, i) of `to`. */
enum { CT__TURN_BYTES = 128, CT__TALL_BYTES = 256 }; /* at most so many bytes of each row of `to`: rows of `from` by the size of an element */
typedef struct ct__turn {
    char *to;
    const char *from;
    int64_t to_row, from_row; /* from one row to the next, in bytes; elements of a row are neighbors */
    int64_t rows, columns;    /* of from */
    const char *next;         /* not NULL: the strip that is turned after this one, fetched meanwhile */
    bool stream;              /* past the caches; `to` and its rows start at cache lines */
} ct__turn;

typedef struct ct__copy_kernels {
    void (*turn[3])(const ct__turn *t); /* elements of 1, 4 and 8 bytes, as bits */
    void (*tall[3])(const ct__turn *t); /* of strips of CT__TALL_BYTES, past the caches; NULL: none */
} ct__copy_kernels;

extern const ct__copy_kernels ct__copy_kernels_baseline;
#ifdef CT__HAVE_X86_VARIANTS
extern const ct__copy_kernels ct__copy_kernels_avx2, ct__copy_kernels_avx512;
#endif

#endif
