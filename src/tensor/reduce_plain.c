/*
 * reduce_plain.c - the inner loops of reductions that exist once for all instruction sets: those of integers, and products.
 *
 * Integers wrap, as two's complement in unsigned words, so their order does not matter. Products of floats are taken one after another as
 * in a plain loop, so that partial products stay as large as there; of several rows at once, as each multiplication waits for the last.
 * Bools are searched.
 */
#include "tensor/reduce.h"

#include <string.h>

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
REDUCER(prod_f32_one, float, float, 1, SAME, MUL)
REDUCER(prod_f64_one, double, double, 1, SAME, MUL)
REDUCER(max_i32, int32_t, int32_t, INT32_MIN, SAME, LARGER)
REDUCER(max_i64, int64_t, int64_t, INT64_MIN, SAME, LARGER)
REDUCER(max_u8, uint8_t, uint8_t, 0, SAME, LARGER)
REDUCER(min_i32, int32_t, int32_t, INT32_MAX, SAME, SMALLER)
REDUCER(min_i64, int64_t, int64_t, INT64_MAX, SAME, SMALLER)
REDUCER(min_u8, uint8_t, uint8_t, UINT8_MAX, SAME, SMALLER)

/* Products of rows, four of them side by side. */
#define PRODUCTS(name, T)                                                                                                      \
    static void rows_##name(const char *x, int64_t step, int64_t count, int64_t n, const ct__term *t, char *out)               \
    {                                                                                                                          \
        for (; count >= 4; count -= 4, x += 4 * step, out += 4 * sizeof(T)) {                                                  \
            const T *p = (const T *)(const void *)x, *q = (const T *)(const void *)(x + step);                                 \
            const T *r = (const T *)(const void *)(x + 2 * step), *s = (const T *)(const void *)(x + 3 * step);                \
            T all[4] = {1, 1, 1, 1}, a = 1, b = 1, c = 1, d = 1;                                                               \
            for (int64_t i = 0; i < n; i++) {                                                                                  \
                ONE_BY_ONE;                                                                                                    \
                a *= p[i], b *= q[i], c *= r[i], d *= s[i];                                                                    \
            }                                                                                                                  \
            all[0] = a, all[1] = b, all[2] = c, all[3] = d;                                                                    \
            memcpy(out, all, sizeof all);                                                                                      \
        }                                                                                                                      \
        rows_##name##_one(x, step, count, n, t, out);                                                                          \
    }
PRODUCTS(prod_f32, float)
PRODUCTS(prod_f64, double)
#define columns_prod_f32 columns_prod_f32_one
#define columns_prod_f64 columns_prod_f64_one

/* ---- bools: one byte that is not 0, or one that is ---- */

static void rows_max_bool(const char *x, int64_t step, int64_t count, int64_t n, const ct__term *t, char *out)
{
    (void)t;
    for (int64_t k = 0; k < count; k++, x += step) out[k] = n > 0 && (*x || memcmp(x, x + 1, (size_t)n - 1) != 0);
}
static void rows_min_bool(const char *x, int64_t step, int64_t count, int64_t n, const ct__term *t, char *out)
{
    (void)t;
    for (int64_t k = 0; k < count; k++, x += step) out[k] = n == 0 || memchr(x, 0, (size_t)n) == NULL;
}
/* Eight columns at a time. */
#define COLUMNS(name, JOIN)                                                                                                    \
    static void columns_##name(const char *const *row, int64_t count, int64_t n, const ct__term *t, char *out)                 \
    {                                                                                                                          \
        memmove(out, row[0], (size_t)n);                                                                                       \
        (void)t;                                                                                                               \
        for (int64_t r = 1; r < count; r++) {                                                                                  \
            int64_t i = 0;                                                                                                     \
            for (uint64_t a, b; i + 8 <= n; i += 8) {                                                                          \
                memcpy(&a, out + i, 8);                                                                                        \
                memcpy(&b, row[r] + i, 8);                                                                                     \
                a = a JOIN b;                                                                                                  \
                memcpy(out + i, &a, 8);                                                                                        \
            }                                                                                                                  \
            for (; i < n; i++) out[i] = (char)(out[i] JOIN row[r][i]);                                                         \
        }                                                                                                                      \
    }
COLUMNS(max_bool, |)
COLUMNS(min_bool, &)

#define ENTRY(name) {rows_##name, columns_##name}
#define INTEGERS(name)                                                                                                         \
    [CT_I32] = ENTRY(name##_i32), [CT_I64] = ENTRY(name##_i64), [CT_U8] = ENTRY(name##_u8)

const ct__reducer ct__reduce_plain[CT__REDUCTIONS][CT_DTYPES] = {
    [CT__SUM] = {INTEGERS(sum), [CT_BOOL] = ENTRY(sum_u8)},
    [CT__PROD] = {[CT_F32] = ENTRY(prod_f32), [CT_F64] = ENTRY(prod_f64), [CT_I64] = ENTRY(prod_i64)},
    [CT__MAX] = {INTEGERS(max), [CT_BOOL] = ENTRY(max_bool)},
    [CT__MIN] = {INTEGERS(min), [CT_BOOL] = ENTRY(min_bool)},
};
