/*
 * reduce_isa.c - the inner loops of reductions for one instruction set; compiled once for each, with CT__ISA naming it.
 *
 * reduce_kernel.h holds the loops, once; here it is included for each reduction and dtype, and the table at the end collects
 * them. Floats are joined in an order that is written out (vectors of 32 bytes, four side by side).
 */
#include "tensor/reduce.h"
#include "tensor/vmath.h"

#include <string.h>

/* Vectors for elements at any address. */
typedef float f32x8 __attribute__((vector_size(32)));
typedef double f64x4 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef int64_t i64x4 __attribute__((vector_size(32)));
typedef float f32x4_at __attribute__((vector_size(16), aligned(4), may_alias));
typedef float f32x8_at __attribute__((vector_size(32), aligned(4), may_alias));
typedef double f64x4_at __attribute__((vector_size(32), aligned(8), may_alias));

/* ---- sums ---- */

#define PLAIN(x, about, scale) (x)
#define INTEGER(x, about, scale) ((uint64_t)(int64_t)(x))
#define ADD(a, b) ((a) + (b))
#define AT_F32(p, about) (*(const f32x8_at *)(const void *)(p))
#define AT_F64(p, about) (*(const f64x4_at *)(const void *)(p))

#define TERM PLAIN
#define JOIN ADD

#define SUFFIX sum_f32
#define S float
#define START 0
#define V f32x8
#define LOAD AT_F32
#define VJOIN ADD
#include "tensor/reduce_kernel.h"

#define SUFFIX sum_f64
#define S double
#define START 0
#define V f64x4
#define LOAD AT_F64
#define VJOIN ADD
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

/* Integers wrap: two's complement in unsigned words. */
#define TERM INTEGER
#define JOIN ADD

#define SUFFIX sum_i32
#define S int32_t
#define A uint64_t
#define START 0
#include "tensor/reduce_kernel.h"

#define SUFFIX sum_i64
#define S int64_t
#define A uint64_t
#define START 0
#include "tensor/reduce_kernel.h"

#define SUFFIX sum_u8
#define S uint8_t
#define A uint64_t
#define START 0
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

/* ---- products: one after another as in a plain loop, so that partial products stay as large as there ---- */

#define MUL(a, b) ((a) * (b))

#define TERM PLAIN
#define JOIN MUL

#define SUFFIX prod_f32
#define S float
#define START 1
#include "tensor/reduce_kernel.h"

#define SUFFIX prod_f64
#define S double
#define START 1
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

#define TERM INTEGER
#define JOIN MUL

#define SUFFIX prod_i64
#define S int64_t
#define A uint64_t
#define START 1
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

/* ---- largest and smallest ---- */

/* Once NaN, always NaN: nothing compares with it, and another one replaces it. */
#define LARGER(a, b) ((b) != (b) ? (b) : (b) > (a) ? (b) : (a))
#define SMALLER(a, b) ((b) != (b) ? (b) : (b) < (a) ? (b) : (a))
/* The bits of b where the mask is all ones, else of a. */
#define PICK(V, I, a, b, mask) ((V)(((I)(b) & (mask)) | ((I)(a) & ~(mask))))
#define LARGER_F32(a, b) PICK(f32x8, i32x8, a, b, ((b) > (a)) | ((b) != (b)))
#define SMALLER_F32(a, b) PICK(f32x8, i32x8, a, b, ((b) < (a)) | ((b) != (b)))
#define LARGER_F64(a, b) PICK(f64x4, i64x4, a, b, ((b) > (a)) | ((b) != (b)))
#define SMALLER_F64(a, b) PICK(f64x4, i64x4, a, b, ((b) < (a)) | ((b) != (b)))
#define LARGER_INTEGER(a, b) ((b) > (a) ? (b) : (a))
#define SMALLER_INTEGER(a, b) ((b) < (a) ? (b) : (a))

#define TERM PLAIN
#define JOIN LARGER

#define SUFFIX max_f32
#define S float
#define START -CT__INF_F32
#define V f32x8
#define LOAD AT_F32
#define VJOIN LARGER_F32
#include "tensor/reduce_kernel.h"

#define SUFFIX max_f64
#define S double
#define START -CT__INF_F64
#define V f64x4
#define LOAD AT_F64
#define VJOIN LARGER_F64
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

#define TERM PLAIN
#define JOIN LARGER_INTEGER

#define SUFFIX max_i32
#define S int32_t
#define START INT32_MIN
#include "tensor/reduce_kernel.h"

#define SUFFIX max_i64
#define S int64_t
#define START INT64_MIN
#include "tensor/reduce_kernel.h"

#define SUFFIX max_u8
#define S uint8_t
#define START 0
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

#define TERM PLAIN
#define JOIN SMALLER

#define SUFFIX min_f32
#define S float
#define START CT__INF_F32
#define V f32x8
#define LOAD AT_F32
#define VJOIN SMALLER_F32
#include "tensor/reduce_kernel.h"

#define SUFFIX min_f64
#define S double
#define START CT__INF_F64
#define V f64x4
#define LOAD AT_F64
#define VJOIN SMALLER_F64
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

#define TERM PLAIN
#define JOIN SMALLER_INTEGER

#define SUFFIX min_i32
#define S int32_t
#define START INT32_MAX
#include "tensor/reduce_kernel.h"

#define SUFFIX min_i64
#define S int64_t
#define START INT64_MAX
#include "tensor/reduce_kernel.h"

#define SUFFIX min_u8
#define S uint8_t
#define START UINT8_MAX
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

/* ---- floats in f64 ---- */

#define SQUARE(x, about, scale) ((((double)(x) - (about)) * (scale)) * (((double)(x) - (about)) * (scale)))
#define WIDENED(p, about) __builtin_convertvector(*(const f32x4_at *)(const void *)(p), f64x4)
#define VSQUARE(x, about) ((((x) - (about)) * scale) * (((x) - (about)) * scale))
#define VSQUARE_F32(p, about) VSQUARE(WIDENED(p, about), about)
#define VSQUARE_F64(p, about) VSQUARE(AT_F64(p, about), about)

#define TERM PLAIN
#define JOIN ADD

#define SUFFIX wide_f32
#define S float
#define A double
#define START 0
#define V f64x4
#define LOAD WIDENED
#define VJOIN ADD
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

#define TERM SQUARE
#define JOIN ADD

#define SUFFIX squares_f32
#define S float
#define A double
#define START 0
#define V f64x4
#define LOAD VSQUARE_F32
#define VJOIN ADD
#include "tensor/reduce_kernel.h"

#define SUFFIX squares_f64
#define S double
#define START 0
#define V f64x4
#define LOAD VSQUARE_F64
#define VJOIN ADD
#include "tensor/reduce_kernel.h"

#undef TERM
#undef JOIN

/* ---- the table ---- */

#define ENTRY(name) {rows_##name, columns_##name, join_##name}
#define FLOATS(name) [CT_F32] = ENTRY(name##_f32), [CT_F64] = ENTRY(name##_f64)
#define INTEGERS(name)                                                                                                 \
    [CT_I32] = ENTRY(name##_i32), [CT_I64] = ENTRY(name##_i64), [CT_U8] = ENTRY(name##_u8), [CT_BOOL] = ENTRY(name##_u8)

const ct__reduce_kernels CT__CONCAT(ct__reduce_kernels_, CT__ISA) = {
    .reducer = {[CT__SUM] = {FLOATS(sum), INTEGERS(sum)},
                [CT__PROD] = {FLOATS(prod), [CT_I64] = ENTRY(prod_i64)},
                [CT__MAX] = {FLOATS(max), INTEGERS(max)},
                [CT__MIN] = {FLOATS(min), INTEGERS(min)},
                [CT__SUM_WIDE] = {[CT_F32] = ENTRY(wide_f32), [CT_F64] = ENTRY(sum_f64)},
                [CT__SQUARES] = {FLOATS(squares)}},
};
