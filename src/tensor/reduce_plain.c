/*
 * reduce_plain.c - the inner loops of reductions that exist once for all instruction sets: those of integers, and products.
 *
 * Integers wrap, as two's complement in unsigned words, so their order does not matter. Products of floats are taken one after another as
 * in a plain loop, so that partial products stay as large as there.
 */
#include "tensor/reduce.h"

/* One loop for each: compilers would make of it several, for vectors, which are not worth their size here. */
#define ONE_BY_ONE __asm__ volatile("")

#define REDUCER(name, S, A, start, TERM, JOIN)                                                                                 \
    static A run_##name(const S *x, int64_t n)                                                                                 \
    {                                                                                                                          \
        A s = start;                                                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                                                      \
            ONE_BY_ONE;                                                                                                        \
            const A b = TERM(x[i]);                                                                                            \
            s = JOIN(s, b);                                                                                                    \
        }                                                                                                                      \
        return s;                                                                                                              \
    }                                                                                                                          \
    static void rows_##name(const char *x, int64_t step, int64_t count, int64_t n, const ct__term *t, char *out)               \
    {                                                                                                                          \
        (void)t;                                                                                                               \
        A *y = (A *)(void *)out;                                                                                               \
        for (int64_t k = 0; k < count; k++) y[k] = run_##name((const S *)(const void *)(x + k * step), n);                     \
    }                                                                                                                          \
    static void columns_##name(const char *const *row, int64_t count, int64_t n, const ct__term *t, char *out)                 \
    {                                                                                                                          \
        (void)t;                                                                                                               \
        A *y = (A *)(void *)out;                                                                                               \
        for (int64_t r = 0; r < count; r++) {                                                                                  \
            const S *x = (const S *)(const void *)row[r];                                                                      \
            for (int64_t i = 0; i < n; i++) {                                                                                  \
                ONE_BY_ONE;                                                                                                    \
                const A b = TERM(x[i]);                                                                                        \
                y[i] = r > 0 ? JOIN(y[i], b) : b;                                                                              \
            }                                                                                                                  \
        }                                                                                                                      \
    }

#define SAME(x) (x)
#define WORD(x) ((uint64_t)(int64_t)(x))
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#define LARGER(a, b) ((b) > (a) ? (b) : (a))
#define SMALLER(a, b) ((b) < (a) ? (b) : (a))

REDUCER(sum_i32, int32_t, uint64_t, 0, WORD, ADD)
REDUCER(sum_i64, int64_t, uint64_t, 0, WORD, ADD)
REDUCER(sum_u8, uint8_t, uint64_t, 0, WORD, ADD)
REDUCER(prod_i64, int64_t, uint64_t, 1, WORD, MUL)
REDUCER(prod_f32, float, float, 1, SAME, MUL)
REDUCER(prod_f64, double, double, 1, SAME, MUL)
REDUCER(max_i32, int32_t, int32_t, INT32_MIN, SAME, LARGER)
REDUCER(max_i64, int64_t, int64_t, INT64_MIN, SAME, LARGER)
REDUCER(max_u8, uint8_t, uint8_t, 0, SAME, LARGER)
REDUCER(min_i32, int32_t, int32_t, INT32_MAX, SAME, SMALLER)
REDUCER(min_i64, int64_t, int64_t, INT64_MAX, SAME, SMALLER)
REDUCER(min_u8, uint8_t, uint8_t, UINT8_MAX, SAME, SMALLER)

#define ENTRY(name) {rows_##name, columns_##name}
#define INTEGERS(name)                                                                                                         \
    [CT_I32] = ENTRY(name##_i32), [CT_I64] = ENTRY(name##_i64), [CT_U8] = ENTRY(name##_u8), [CT_BOOL] = ENTRY(name##_u8)

const ct__reducer ct__reduce_plain[CT__REDUCTIONS][CT_DTYPES] = {
    [CT__SUM] = {INTEGERS(sum)},
    [CT__PROD] = {[CT_F32] = ENTRY(prod_f32), [CT_F64] = ENTRY(prod_f64), [CT_I64] = ENTRY(prod_i64)},
    [CT__MAX] = {INTEGERS(max)},
    [CT__MIN] = {INTEGERS(min)},
};
