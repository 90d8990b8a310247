/*
 * gemm_isa.c - the kernels of matrix products of one instruction set: compiled once for each (CT__ISA).
 *
 * Here are the words in which gemm_kernel.h is written, for each set and element type.
 */
#include "tensor/gemm.h"
#include "tensor/transpose.h"

#include <string.h>

#define JOIN2(a, b, c) a##b##_##c
#define JOIN(a, b, c) JOIN2(a, b, c)

#define UP_TO_4(f) f(1) f(2) f(3) f(4)
#define UP_TO_6(f) UP_TO_4(f) f(5) f(6)
#define UP_TO_14(f) UP_TO_6(f) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14)

/* A tile is as high as the registers allow: two sums for each row, two vectors of B and an element of A. A block of A takes
 * half of the second-level cache of the smallest processors of a kind. */
#if defined __AVX512F__
#define ROWS 14
#define FOR_EACH_ROW UP_TO_14
#define PARALLEL 6e6
#define BLOCK (512 << 10)
#define NARROW false
#define CHEAP_MASKS true
#include "tensor/gemm_avx512.h"
#elif defined __AVX2__ && defined __FMA__
#define ROWS 6
#define FOR_EACH_ROW UP_TO_6
#define PARALLEL 3e6
#define BLOCK (256 << 10)
#define NARROW false
#define CHEAP_MASKS false
#include "tensor/gemm_avx2.h"
#else
#define ROWS 6
#define FOR_EACH_ROW UP_TO_6
#define PARALLEL 1e6
#define BLOCK (128 << 10)
#define NARROW true
#define CHEAP_MASKS false
#include "tensor/gemm_plain.h"
#endif

/* ---- f32 ---- */

#define T float
#define NAME(x) JOIN(x, _f32, CT__ISA)
#define V V_F32
#define LANES ((int)(sizeof(V) / sizeof(T)))
#define LOAD(p) load_f32(p)
#define STORE(p, x) store_f32(p, x)
#define LOAD_SOME(p, n) load_some_f32(p, n)
#define STORE_SOME(p, x, n) store_some_f32(p, x, n)
#define LOAD_LAST(p, n, whole) load_last_f32(p, n, whole)
#define SPREAD(x) spread_f32(x)
#define MADD(a, b, c) madd_f32(a, b, c)
#define POSITIVE(x) positive_f32(x)
#define TRANSPOSE(rows) transpose_f32(rows)
#include "tensor/gemm_kernel.h"
#undef T
#undef NAME
#undef V
#undef LOAD
#undef STORE
#undef LOAD_SOME
#undef STORE_SOME
#undef LOAD_LAST
#undef SPREAD
#undef MADD
#undef POSITIVE
#undef TRANSPOSE

/* ---- f64 ---- */

#define T double
#define NAME(x) JOIN(x, _f64, CT__ISA)
#define V V_F64
#define LOAD(p) load_f64(p)
#define STORE(p, x) store_f64(p, x)
#define LOAD_SOME(p, n) load_some_f64(p, n)
#define STORE_SOME(p, x, n) store_some_f64(p, x, n)
#define LOAD_LAST(p, n, whole) load_last_f64(p, n, whole)
#define SPREAD(x) spread_f64(x)
#define MADD(a, b, c) madd_f64(a, b, c)
#define POSITIVE(x) positive_f64(x)
#define TRANSPOSE(rows) transpose_f64(rows)
#include "tensor/gemm_kernel.h"

#define TABLE(isa) JOIN(ct, __gemm, isa)
#define F32(x) JOIN(x, _f32, CT__ISA)
#define F64(x) JOIN(x, _f64, CT__ISA)
const ct__gemm_kernels TABLE(CT__ISA) = {
    .multiply = {F32(multiply), F64(multiply)},
    .rows = ROWS,
    .block = BLOCK,
    .pitch = {F32(PITCH), F64(PITCH)},
    .width = {F32(WIDTH), F64(WIDTH)},
    .parallel = PARALLEL,
    .narrow = NARROW,
};
