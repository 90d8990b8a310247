/*
 * part_avx2.h - the first lanes of a vector, for AVX2: masks from a window into a table, and stores.
 *
 * A masked load is one word of memory more; a masked store takes some processors (Zen 2 to 4) twelve cycles, so a part is stored in pieces.
 */
#ifndef CT_PART_AVX2_INTERNAL_H
#define CT_PART_AVX2_INTERNAL_H

#include <immintrin.h>
#include <stdint.h>

static const int32_t lanes32[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
static const int64_t lanes64[8] = {-1, -1, -1, -1};
#define MASK32(n) _mm256_loadu_si256((const __m256i *)(const void *)(lanes32 + 8 - (n)))
#define MASK64(n) _mm256_loadu_si256((const __m256i *)(const void *)(lanes64 + 4 - (n)))

__attribute__((noinline, unused)) static void store_part_f32(float *p, __m256 x, int n)
{
    __m128 left = _mm256_castps256_ps128(x);
    if (n & 4) {
        _mm_storeu_ps(p, left);
        left = _mm256_extractf128_ps(x, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)(void *)p, left);
        left = _mm_movehl_ps(left, left);
        p += 2;
    }
    if (n & 1) _mm_store_ss(p, left);
}

__attribute__((noinline, unused)) static void store_part_f64(double *p, __m256d x, int n)
{
    __m128d left = _mm256_castpd256_pd128(x);
    if (n & 2) {
        _mm_storeu_pd(p, left);
        left = _mm256_extractf128_pd(x, 1);
        p += 2;
    }
    if (n & 1) _mm_store_sd(p, left);
}

static inline void store_some_f32(float *p, __m256 x, int n)
{
    if (n == 8) _mm256_storeu_ps(p, x);
    else store_part_f32(p, x, n);
}

static inline void store_some_f64(double *p, __m256d x, int n)
{
    if (n == 4) _mm256_storeu_pd(p, x);
    else store_part_f64(p, x, n);
}

#endif
