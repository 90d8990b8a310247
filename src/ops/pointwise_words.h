/*
 * pointwise_words.h - pointwise.def read as C: what is the same for all dtypes. pointwise_isa.c and pointwise_integers.c add the words that
 * differ, and include pointwise_loops.h for each dtype.
 *
 * Kernels work on whole blocks, 64 bytes of the result each: so a loop is nothing but its vectors, without a scalar rest, which
 * would be twice the code. What is left over at the end of an array is copied into a block and back by ct__run_blocks.
 */
#ifndef CT_POINTWISE_WORDS_H
#define CT_POINTWISE_WORDS_H

#include "ops/pointwise.h"

#define CAT(a, b) CAT_(a, b)
#define CAT_(a, b) a##_##b
#define AT(name) CAT(name, SUFFIX) /* name_f32 */

#define SIMD _Pragma("omp simd")
#define BLOCKS(RESULT) SIMD for (int64_t i = 0; i < (n & -(int64_t)(CT__BLOCK / sizeof(RESULT))); i++)
enum { PIECE = 2048 }; /* elements that are looked over before they are computed */

#define NUM(v) ((T)(v))
#define WHERE(c, a, b) AT(choose)(c, a, b) /* a function: gcc vectorises a choice only between values that are there */
#define GT(a, b) ((a) > (b))
#define LT(a, b) ((a) < (b))
#define LE(a, b) ((a) <= (b))
#define EQ(a, b) ((a) == (b))
#define ABS(a) AT(absolute)(a)
#define SIGN(a) AT(signum)(a)
#define SIGN_UP(a) AT(choose)((a) > 0, (T)1, a)
#define MAX(a, b) AT(larger)(a, b)
#define MIN(a, b) AT(smaller)(a, b)

/* Results that are bool. */
#define FOR_EACH_COMPARISON(f) f(eq, ==) f(ne, !=) f(lt, <) f(le, <=) f(gt, >) f(ge, >=)
#define COMPARE_ONE(name, operator, C)                                                                                 \
    {                                                                                                                  \
        (void)params;                                                                                                  \
        uint8_t *z = (uint8_t *)p[0];                                                                                  \
        const C *x = (const C *)(const void *)p[1], *y = (const C *)(const void *)p[2];                                \
        BLOCKS(uint8_t) z[i] = x[i] operator y[i];                                                                     \
    }
#define TEST_ONE(name, C, test)                                                                                        \
    {                                                                                                                  \
        (void)params;                                                                                                  \
        uint8_t *y = (uint8_t *)p[0];                                                                                  \
        const C *at = (const C *)(const void *)p[1];                                                                   \
        BLOCKS(uint8_t)                                                                                                \
        {                                                                                                              \
            const C x = at[i];                                                                                         \
            y[i] = test;                                                                                               \
        }                                                                                                              \
    }

#endif
