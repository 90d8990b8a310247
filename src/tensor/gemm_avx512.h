/*
 * gemm_avx512.h - the words of gemm_kernel.h for AVX-512: vectors of 64 bytes, masks in registers.
 */
#define V_F32 __m512
#define V_F64 __m512d
#define BITS(n) ((1u << (n)) - 1u)

static inline __m512 load_f32(const float *p) { return _mm512_loadu_ps(p); }
static inline void store_f32(float *p, __m512 x) { _mm512_storeu_ps(p, x); }
static inline __m512 load_some_f32(const float *p, int n) { return _mm512_maskz_loadu_ps((__mmask16)BITS(n), p); }
static inline void store_some_f32(float *p, __m512 x, int n) { _mm512_mask_storeu_ps(p, (__mmask16)BITS(n), x); }
static inline __m512 load_last_f32(const float *p, int n, bool whole) { return (void)whole, load_some_f32(p, n); }
static inline __m512 spread_f32(float x) { return _mm512_set1_ps(x); }
static inline __m512 madd_f32(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
static inline __m512 positive_f32(__m512 x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NLE_UQ), x);
}

static inline __m512d load_f64(const double *p) { return _mm512_loadu_pd(p); }
static inline void store_f64(double *p, __m512d x) { _mm512_storeu_pd(p, x); }
static inline __m512d load_some_f64(const double *p, int n) { return _mm512_maskz_loadu_pd((__mmask8)BITS(n), p); }
static inline void store_some_f64(double *p, __m512d x, int n) { _mm512_mask_storeu_pd(p, (__mmask8)BITS(n), x); }
static inline __m512d load_last_f64(const double *p, int n, bool whole) { return (void)whole, load_some_f64(p, n); }
static inline __m512d spread_f64(double x) { return _mm512_set1_pd(x); }
static inline __m512d madd_f64(__m512d a, __m512d b, __m512d c) { return _mm512_fmadd_pd(a, b, c); }
static inline __m512d positive_f64(__m512d x)
{
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(x, _mm512_setzero_pd(), _CMP_NLE_UQ), x);
}
