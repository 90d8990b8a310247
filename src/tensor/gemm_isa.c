/*
 * gemm_isa.c - kernels for small matrix products, and for turning operands, of one instruction set.
 *
 * For a product of few operations a call of BLIS costs more than the work. Compiled once for each set (CT__ISA).
 */
#include "tensor/gemm.h"

#include <string.h>

#define UNROLL _Pragma("GCC unroll 16")
#define JOIN2(a, b, c) a##b##_##c
#define JOIN(a, b, c) JOIN2(a, b, c)

#if defined __AVX512F__
#include <immintrin.h>
#define BITS(n) ((1u << (n)) - 1u)
#elif defined __AVX2__ && defined __FMA__
#include <immintrin.h>
/* A window into these gives the first n lanes. */
static const int32_t lanes32[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
static const int64_t lanes64[8] = {-1, -1, -1, -1};
#define MASK32(n) _mm256_loadu_si256((const __m256i *)(const void *)(lanes32 + 8 - (n)))
#define MASK64(n) _mm256_loadu_si256((const __m256i *)(const void *)(lanes64 + 4 - (n)))
#else
typedef float vector_f32 __attribute__((vector_size(16)));
typedef double vector_f64 __attribute__((vector_size(16)));
#endif

/* A square of vectors, transposed by way of memory that stays in first-level cache: shuffles for each set would save little. */
#define TRANSPOSE(rows)                                                                                                \
    do {                                                                                                               \
        _Alignas(64) T square[LANES][LANES];                                                                           \
        memcpy(square, rows, sizeof square);                                                                           \
        _Alignas(64) T turned_square[LANES][LANES];                                                                    \
        UNROLL for (int p = 0; p < LANES; p++)                                                                         \
        {                                                                                                              \
            UNROLL for (int q = 0; q < LANES; q++) turned_square[p][q] = square[q][p];                                 \
        }                                                                                                              \
        memcpy(rows, turned_square, sizeof square);                                                                    \
    } while (0)

/* ---- f32 ---- */

#define T float
#define ROWS 6
#define NAME(x) JOIN(x, _f32, CT__ISA)
#if defined __AVX512F__
#define V __m512
#define LANES 16
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, x) _mm512_storeu_ps(p, x)
#define LOAD_SOME(p, n) _mm512_maskz_loadu_ps((__mmask16)BITS(n), p)
#define STORE_SOME(p, x, n) _mm512_mask_storeu_ps(p, (__mmask16)BITS(n), x)
#define SPREAD(x) _mm512_set1_ps(x)
#define MADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#elif defined __AVX2__ && defined __FMA__
#define V __m256
#define LANES 8
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, x) _mm256_storeu_ps(p, x)
#define LOAD_SOME(p, n) _mm256_maskload_ps(p, MASK32(n))
#define STORE_SOME(p, x, n) _mm256_maskstore_ps(p, MASK32(n), x)
#define SPREAD(x) _mm256_set1_ps(x)
#define MADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#undef TRANSPOSE
#define TRANSPOSE(rows) transpose8(rows)
/* Eight by eight, by pairs, fours and halves. */
static inline void transpose8(__m256 *r)
{
    __m256 pair[8], four[8];
    for (int i = 0; i < 8; i += 2) {
        pair[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        pair[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        four[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
        four[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
        four[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
        four[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x31);
    }
}
#else
#define V vector_f32
#define LANES 4
#define LOAD(p) load_f32(p, 4)
#define STORE(p, x) store_f32(p, x, 4)
#define LOAD_SOME(p, n) load_f32(p, n)
#define STORE_SOME(p, x, n) store_f32(p, x, n)
#define SPREAD(x) ((V){x, x, x, x})
#define MADD(a, b, c) ((a) * (b) + (c))
static inline V load_f32(const float *p, int n)
{
    V x = {0};
    memcpy(&x, p, (size_t)n * sizeof *p);
    return x;
}
static inline void store_f32(float *p, V x, int n) { memcpy(p, &x, (size_t)n * sizeof *p); }
#endif
#include "tensor/gemm_kernel.h"
#undef T
#undef ROWS
#undef NAME
#undef V
#undef LANES
#undef LOAD
#undef STORE
#undef LOAD_SOME
#undef STORE_SOME
#undef SPREAD
#undef MADD

/* ---- f64 ---- */

#define T double
#define ROWS 6
#define NAME(x) JOIN(x, _f64, CT__ISA)
#if defined __AVX512F__
#define V __m512d
#define LANES 8
#define LOAD(p) _mm512_loadu_pd(p)
#define STORE(p, x) _mm512_storeu_pd(p, x)
#define LOAD_SOME(p, n) _mm512_maskz_loadu_pd((__mmask8)BITS(n), p)
#define STORE_SOME(p, x, n) _mm512_mask_storeu_pd(p, (__mmask8)BITS(n), x)
#define SPREAD(x) _mm512_set1_pd(x)
#define MADD(a, b, c) _mm512_fmadd_pd(a, b, c)
#elif defined __AVX2__ && defined __FMA__
#define V __m256d
#define LANES 4
#define LOAD(p) _mm256_loadu_pd(p)
#define STORE(p, x) _mm256_storeu_pd(p, x)
#define LOAD_SOME(p, n) _mm256_maskload_pd(p, MASK64(n))
#define STORE_SOME(p, x, n) _mm256_maskstore_pd(p, MASK64(n), x)
#define SPREAD(x) _mm256_set1_pd(x)
#define MADD(a, b, c) _mm256_fmadd_pd(a, b, c)
#undef TRANSPOSE
#define TRANSPOSE(rows) transpose4(rows)
static inline void transpose4(__m256d *r)
{
    const __m256d a = _mm256_unpacklo_pd(r[0], r[1]), b = _mm256_unpackhi_pd(r[0], r[1]);
    const __m256d c = _mm256_unpacklo_pd(r[2], r[3]), d = _mm256_unpackhi_pd(r[2], r[3]);
    r[0] = _mm256_permute2f128_pd(a, c, 0x20);
    r[1] = _mm256_permute2f128_pd(b, d, 0x20);
    r[2] = _mm256_permute2f128_pd(a, c, 0x31);
    r[3] = _mm256_permute2f128_pd(b, d, 0x31);
}
#else
#define V vector_f64
#define LANES 2
#define LOAD(p) load_f64(p, 2)
#define STORE(p, x) store_f64(p, x, 2)
#define LOAD_SOME(p, n) load_f64(p, n)
#define STORE_SOME(p, x, n) store_f64(p, x, n)
#define SPREAD(x) ((V){x, x})
#define MADD(a, b, c) ((a) * (b) + (c))
static inline V load_f64(const double *p, int n)
{
    V x = {0};
    memcpy(&x, p, (size_t)n * sizeof *p);
    return x;
}
static inline void store_f64(double *p, V x, int n) { memcpy(p, &x, (size_t)n * sizeof *p); }
#endif
#include "tensor/gemm_kernel.h"

#define TABLE(isa) JOIN(ct, __gemm, isa)
const ct__gemm_kernels TABLE(CT__ISA) = {
    .small = {JOIN(small, _f32, CT__ISA), JOIN(small, _f64, CT__ISA)},
    .turn = {JOIN(turn_bits, _f32, CT__ISA), JOIN(turn_bits, _f64, CT__ISA)},
    .pack_b = {JOIN(pack_b, _f32, CT__ISA), JOIN(pack_b, _f64, CT__ISA)},
};
