/*
 * gemm_avx2.h - the words of gemm_kernel.h for AVX2 with FMA: vectors of 32 bytes.
 */
#include "tensor/part_avx2.h"

#define V_F32 __m256
#define V_F64 __m256d

static inline __m256 load_f32(const float *p) { return _mm256_loadu_ps(p); }
static inline void store_f32(float *p, __m256 x) { _mm256_storeu_ps(p, x); }
static inline __m256 load_some_f32(const float *p, int n) { return _mm256_maskload_ps(p, MASK32(n)); }
static inline __m256 load_last_f32(const float *p, int n, bool whole) { return whole ? load_f32(p) : load_some_f32(p, n); }
static inline __m256 spread_f32(float x) { return _mm256_set1_ps(x); }
static inline __m256 madd_f32(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
static inline __m256 positive_f32(__m256 x) { return _mm256_and_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NLE_UQ), x); }

static inline __m256d load_f64(const double *p) { return _mm256_loadu_pd(p); }
static inline void store_f64(double *p, __m256d x) { _mm256_storeu_pd(p, x); }
static inline __m256d load_some_f64(const double *p, int n) { return _mm256_maskload_pd(p, MASK64(n)); }
static inline __m256d load_last_f64(const double *p, int n, bool whole) { return whole ? load_f64(p) : load_some_f64(p, n); }
static inline __m256d spread_f64(double x) { return _mm256_set1_pd(x); }
static inline __m256d madd_f64(__m256d a, __m256d b, __m256d c) { return _mm256_fmadd_pd(a, b, c); }
static inline __m256d positive_f64(__m256d x) { return _mm256_and_pd(_mm256_cmp_pd(x, _mm256_setzero_pd(), _CMP_NLE_UQ), x); }
