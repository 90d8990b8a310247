/*
 * pointwise_integers.c - pointwise.def read as C: the _ANY lines for integers, with arithmetic that wraps; comparisons of integers; logic.
 * Compiled once, for every instruction set: integers are seldom what a program waits for.
 */
#include "ops/pointwise_words.h"

#define INTEGERS
#define KERNEL(name) void CAT(ct__##name, SUFFIX)

#define ADD(a, b) ((T)((U)(a) + (U)(b)))
#define SUB(a, b) ((T)((U)(a) - (U)(b)))
#define MUL(a, b) ((T)((U)(a) * (U)(b)))
#define DIV(a, b) AT(divide)(a, b)
#define NEG(a) ((T)((U)0 - (U)(a)))
#define P(k) AT(bound)(p##k)
#define FLOOR(a) (a)
#define CEIL(a) (a)
#define ROUND(a) (a)

#define T int32_t
#define U uint32_t
#define SUFFIX i32
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#include "ops/pointwise_loops.h"
#undef T
#undef U
#undef SUFFIX
#undef LOWEST
#undef HIGHEST

#define T int64_t
#define U uint64_t
#define SUFFIX i64
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#include "ops/pointwise_loops.h"
#undef T
#undef U
#undef SUFFIX
#undef LOWEST
#undef HIGHEST

#define UNSIGNED
#define T uint8_t
#define U unsigned
#define SUFFIX u8
#define LOWEST 0
#define HIGHEST UINT8_MAX
#include "ops/pointwise_loops.h"
#undef T
#undef U
#undef SUFFIX

/* ---- results that are bool ---- */

#define COMPARE(name, operator)                                                                                        \
    void ct__##name##_i32(int64_t n, char *const *p, const double *params) COMPARE_ONE(name, operator, int32_t)        \
    void ct__##name##_i64(int64_t n, char *const *p, const double *params) COMPARE_ONE(name, operator, int64_t)        \
    void ct__##name##_u8(int64_t n, char *const *p, const double *params) COMPARE_ONE(name, operator, uint8_t)
FOR_EACH_COMPARISON(COMPARE)

void ct__logical_and(int64_t n, char *const *p, const double *params) COMPARE_ONE(logical_and, &, uint8_t)
void ct__logical_or(int64_t n, char *const *p, const double *params) COMPARE_ONE(logical_or, |, uint8_t)
void ct__logical_xor(int64_t n, char *const *p, const double *params) COMPARE_ONE(logical_xor, ^, uint8_t)
void ct__logical_not(int64_t n, char *const *p, const double *params) TEST_ONE(logical_not, uint8_t, !x)
