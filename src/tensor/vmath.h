/* Elementary functions that a compiler can vectorize by itself.

   Every function here (but for sin, cos and tan of arguments beyond thousands, see there) is one straight line of IEEE
   operations: no branch, no call, no loop, no intrinsic; a choice is
   written `c ? a : b` between two values that are both already there. Inside a `#pragma omp simd` loop gcc and clang
   turn such a body into vector code for whatever target the file is compiled for. Kernels keep to the same habit:
   `s = ct__sin_f64(x); y = c ? s : x;`, not `y = c ? ct__sin_f64(x) : x`, where gcc would put the function under the
   condition and then give up (it did for sin, cos, tan in float64 and, without AVX, for pow).

   Invariant: f(x) depends on x alone. Vector lanes and the scalar tail run the same IEEE operations, so a result has
   the same bits wherever its element stands and however threads split the array (which NaN a NaN is, is left open).
   This needs -ffp-contract=off and no -ffast-math. Vectorizing also needs -fno-math-errno -fno-trapping-math. Builds
   with and without a fused multiply-add differ in the last bits from each other; both keep the bounds given here.

   Comments give reduction, polynomial and the largest error seen ("ulp 1.2 / 1.3": float32 / float64, the worse of the
   builds with and without FMA). The polynomials are minimax fits made for this file. tests/test_vmath.c measures the
   errors and walks the special values, which are those of C99 Annex F. */
#ifndef CT__VMATH_H
#define CT__VMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined __FLT_EVAL_METHOD__ && (__FLT_EVAL_METHOD__ == 1 || __FLT_EVAL_METHOD__ == 2)
#error "vmath.h needs float and double arithmetic without excess precision (on 32-bit x86: -msse2 -mfpmath=sse)"
#endif

/* A loop vectorizes only around calls that have been inlined, however large their bodies. */
#if defined __GNUC__
#define CT__INLINE static inline __attribute__((always_inline))
#else
#define CT__INLINE static inline
#endif

/* ---- Bits, fused multiply-add, polynomials ---------------------------------------------------------------------- */

CT__INLINE uint32_t ct__bits_f32(float x) { uint32_t u; memcpy(&u, &x, sizeof u); return u; }
CT__INLINE uint64_t ct__bits_f64(double x) { uint64_t u; memcpy(&u, &x, sizeof u); return u; }
CT__INLINE float ct__from_bits_f32(uint32_t u) { float x; memcpy(&x, &u, sizeof x); return x; }
CT__INLINE double ct__from_bits_f64(uint64_t u) { double x; memcpy(&x, &u, sizeof x); return x; }

#define CT__SIGN_F32 0x80000000u
#define CT__SIGN_F64 0x8000000000000000u

/* |x|, and the magnitude of x with the sign of s. */
CT__INLINE float ct__abs_f32(float x) { return ct__from_bits_f32(ct__bits_f32(x) & ~CT__SIGN_F32); }
CT__INLINE double ct__abs_f64(double x) { return ct__from_bits_f64(ct__bits_f64(x) & ~CT__SIGN_F64); }
CT__INLINE float ct__with_sign_f32(float x, float s)
{
    return ct__from_bits_f32((ct__bits_f32(x) & ~CT__SIGN_F32) | (ct__bits_f32(s) & CT__SIGN_F32));
}
CT__INLINE double ct__with_sign_f64(double x, double s)
{
    return ct__from_bits_f64((ct__bits_f64(x) & ~CT__SIGN_F64) | (ct__bits_f64(s) & CT__SIGN_F64));
}

/* CT__FMA(a, b, c) = a b + c, rounded once where the target has the instruction, else twice. */
#if defined __FMA__ || defined __aarch64__ || (defined __FP_FAST_FMA && defined __FP_FAST_FMAF)
#define CT__HAS_FMA 1
CT__INLINE float ct__fma_f32(float a, float b, float c) { return fmaf(a, b, c); }
CT__INLINE double ct__fma_f64(double a, double b, double c) { return fma(a, b, c); }
#else
#define CT__HAS_FMA 0
CT__INLINE float ct__fma_f32(float a, float b, float c) { return a * b + c; }
CT__INLINE double ct__fma_f64(double a, double b, double c) { return a * b + c; }
#endif
#define CT__FMA(a, b, c) _Generic((a), float: ct__fma_f32, default: ct__fma_f64)(a, b, c)

/* The rounding error a + b - s of s = a + b. */
CT__INLINE float ct__add_error_f32(float a, float b, float s)
{
    float v = s - a;
    return (a - (s - v)) + (b - v);
}
CT__INLINE double ct__add_error_f64(double a, double b, double s)
{
    double v = s - a;
    return (a - (s - v)) + (b - v);
}

/* The rounding error a b - p of p = a b (Dekker's where there is no fma: each factor below 2^115, 2^990). */
CT__INLINE float ct__mul_error_f32(float a, float b, float p)
{
#if CT__HAS_FMA
    return fmaf(a, b, -p);
#else
    float ca = a * 0x1.002p12f, cb = b * 0x1.002p12f;
    float ah = ca - (ca - a), bh = cb - (cb - b), al = a - ah, bl = b - bh;
    return ((ah * bh - p) + (ah * bl + al * bh)) + al * bl;
#endif
}
CT__INLINE double ct__mul_error_f64(double a, double b, double p)
{
#if CT__HAS_FMA
    return fma(a, b, -p);
#else
    double ca = a * 0x1.0000002p27, cb = b * 0x1.0000002p27;
    double ah = ca - (ca - a), bh = cb - (cb - b), al = a - ah, bl = b - bh;
    return ((ah * bh - p) + (ah * bl + al * bh)) + al * bl;
#endif
}

/* CT__POLYn(x, c0, ..., cn) = c0 + c1 x + ... + cn x^n, by Horner's rule; x must be a plain variable. */
#define CT__POLY1(x, a, b) CT__FMA(x, b, a)
#define CT__POLY2(x, a, ...) CT__FMA(x, CT__POLY1(x, __VA_ARGS__), a)
#define CT__POLY3(x, a, ...) CT__FMA(x, CT__POLY2(x, __VA_ARGS__), a)
#define CT__POLY4(x, a, ...) CT__FMA(x, CT__POLY3(x, __VA_ARGS__), a)
#define CT__POLY5(x, a, ...) CT__FMA(x, CT__POLY4(x, __VA_ARGS__), a)
#define CT__POLY6(x, a, ...) CT__FMA(x, CT__POLY5(x, __VA_ARGS__), a)
#define CT__POLY7(x, a, ...) CT__FMA(x, CT__POLY6(x, __VA_ARGS__), a)
#define CT__POLY8(x, a, ...) CT__FMA(x, CT__POLY7(x, __VA_ARGS__), a)
#define CT__POLY9(x, a, ...) CT__FMA(x, CT__POLY8(x, __VA_ARGS__), a)
#define CT__POLY10(x, a, ...) CT__FMA(x, CT__POLY9(x, __VA_ARGS__), a)
#define CT__POLY11(x, a, ...) CT__FMA(x, CT__POLY10(x, __VA_ARGS__), a)
#define CT__POLY12(x, a, ...) CT__FMA(x, CT__POLY11(x, __VA_ARGS__), a)
#define CT__POLY13(x, a, ...) CT__FMA(x, CT__POLY12(x, __VA_ARGS__), a)
#define CT__POLY14(x, a, ...) CT__FMA(x, CT__POLY13(x, __VA_ARGS__), a)
#define CT__POLY15(x, a, ...) CT__FMA(x, CT__POLY14(x, __VA_ARGS__), a)
#define CT__POLY16(x, a, ...) CT__FMA(x, CT__POLY15(x, __VA_ARGS__), a)
#define CT__POLY17(x, a, ...) CT__FMA(x, CT__POLY16(x, __VA_ARGS__), a)

/* Where a chain of steps is long, the even and the odd powers make two: p(x) = e(x^2) + x o(x^2), as many steps in half the time. */

/* x + CT__MAGIC rounds x to an integer (half to even) and leaves it in the low bits of the sum; |x| < 2^22 or 2^51. */
#define CT__MAGIC_F32 0x1.8p23f
#define CT__MAGIC_F64 0x1.8p52
#define CT__INF_F32 ((float)INFINITY)
#define CT__INF_F64 ((double)INFINITY)
#define CT__NAN_F32 ((float)NAN)
#define CT__NAN_F64 ((double)NAN)

/* Powers of two are made of an integer m by moving it into the exponent field. m stands in the low 9 (12) bits of what is given, and what
   stands above is moved out: so the sum with CT__MAGIC is taken as it is, and what the field counts from (127, 1023) is added with CT__MAGIC.

   2^n for normal results, m = n + 127 (1023). */
CT__INLINE float ct__pow2_f32(uint32_t m) { return ct__from_bits_f32(m << 23); }
CT__INLINE double ct__pow2_f64(uint64_t m) { return ct__from_bits_f64(m << 52); }

/* (1 + p) 2^n for results that may be subnormal or infinite, m = n + 254 (2046) from 0 to 508 (4092): two factors, of which only the last
   one rounds what 1 + p rounds to. */
CT__INLINE float ct__scale_f32(float p, uint32_t m)
{
    uint32_t h = m >> 1;
    float s = ct__pow2_f32(h);
    return CT__FMA(p, s, s) * ct__pow2_f32(m - h);
}
CT__INLINE double ct__scale_f64(double p, uint64_t m)
{
    uint64_t h = m >> 1;
    double s = ct__pow2_f64(h);
    return CT__FMA(p, s, s) * ct__pow2_f64(m - h);
}

/* ---- Rounding and roots ----------------------------------------------------------------------------------------- */

/* rint: to nearest, half to even. One instruction where there is one; else add and take away 2^23 (2^52). Exact. */
#if defined __SSE4_1__ || defined __aarch64__
CT__INLINE float ct__rint_f32(float x) { return rintf(x); }
CT__INLINE double ct__rint_f64(double x) { return rint(x); }
CT__INLINE float ct__floor_f32(float x) { return floorf(x); }
CT__INLINE double ct__floor_f64(double x) { return floor(x); }
CT__INLINE float ct__ceil_f32(float x) { return ceilf(x); }
CT__INLINE double ct__ceil_f64(double x) { return ceil(x); }
#else
CT__INLINE float ct__rint_f32(float x)
{
    float a = ct__abs_f32(x), r = (a + 0x1p23f) - 0x1p23f;
    return ct__with_sign_f32(a < 0x1p23f ? r : a, x);
}
CT__INLINE double ct__rint_f64(double x)
{
    double a = ct__abs_f64(x), r = (a + 0x1p52) - 0x1p52;
    return ct__with_sign_f64(a < 0x1p52 ? r : a, x);
}
CT__INLINE float ct__floor_f32(float x)
{
    float r = ct__rint_f32(x), d = r - 1.0f;
    return r > x ? d : r;
}
CT__INLINE double ct__floor_f64(double x)
{
    double r = ct__rint_f64(x), d = r - 1.0;
    return r > x ? d : r;
}
CT__INLINE float ct__ceil_f32(float x)
{
    float r = ct__rint_f32(x), u = r + 1.0f;
    return ct__with_sign_f32(r < x ? u : r, x);
}
CT__INLINE double ct__ceil_f64(double x)
{
    double r = ct__rint_f64(x), u = r + 1.0;
    return ct__with_sign_f64(r < x ? u : r, x);
}
#endif

/* rsqrt = 1/sqrt(x): two correctly rounded steps. ulp 1.5 / 1.5 */
CT__INLINE float ct__rsqrt_f32(float x) { return 1.0f / sqrtf(x); }
CT__INLINE double ct__rsqrt_f64(double x) { return 1.0 / sqrt(x); }

/* hypot: both sides are scaled by a power of two so that the larger square neither overflows nor vanishes.
   hypot(inf, NaN) = inf. ulp 1.2 / 1.2 */
CT__INLINE float ct__hypot_f32(float x, float y)
{
    float a = ct__abs_f32(x), b = ct__abs_f32(y), m = a > b ? a : b;
    float up = m < 0x1p-40f ? 0x1p100f : 1.0f, down = m < 0x1p-40f ? 0x1p-100f : 1.0f;
    float s = m > 0x1p60f ? 0x1p-70f : up, t = m > 0x1p60f ? 0x1p70f : down;
    float u = a * s, v = b * s, r = t * sqrtf(CT__FMA(u, u, v * v));
    r = a == CT__INF_F32 ? a : r;
    return b == CT__INF_F32 ? b : r;
}
CT__INLINE double ct__hypot_f64(double x, double y)
{
    double a = ct__abs_f64(x), b = ct__abs_f64(y), m = a > b ? a : b;
    double up = m < 0x1p-400 ? 0x1p600 : 1.0, down = m < 0x1p-400 ? 0x1p-600 : 1.0;
    double s = m > 0x1p500 ? 0x1p-600 : up, t = m > 0x1p500 ? 0x1p600 : down;
    double u = a * s, v = b * s, r = t * sqrt(CT__FMA(u, u, v * v));
    r = a == CT__INF_F64 ? a : r;
    return b == CT__INF_F64 ? b : r;
}

/* ---- The exponential family ------------------------------------------------------------------------------------- */

/* e^x = 2^n (1 + p):  n = rint(x/ln 2),  r = x - n ln 2 in [-0.347, 0.347],  p = e^r - 1 = r + r^2 E(r), where ln 2 is
   split into a short head (n head is exact) and a tail. E has degree 4 / 9 and is off by 2^-26 / 2^-55 of p. */
typedef struct { float p, n; uint32_t m; } ct__exp_parts_f32;   /* m: n + bias in the low 9 bits */
typedef struct { double p, n; uint64_t m; } ct__exp_parts_f64; /* in the low 12 */

/* t = n + magic, which is CT__MAGIC and a bias. */
CT__INLINE float ct__by_ln2_f32(float x, float magic) { return CT__FMA(x, 0x1.715476p+0f, magic); } /* |x| <= 2^9 */
CT__INLINE double ct__by_ln2_f64(double x, double magic) { return CT__FMA(x, 0x1.71547652b82fep+0, magic); } /* |x| <= 2^11 */
CT__INLINE double ct__less_ln2_f64(double x, double n) { return CT__FMA(n, -0x1.ef35793c76730p-45, CT__FMA(n, -0x1.62e42fefa3800p-1, x)); }

CT__INLINE ct__exp_parts_f32 ct__exp_parts_of_r_f32(float r, float n, float t)
{
    float z = r * r, e = CT__FMA(r, CT__POLY1(z, 0x1.5554aep-3f, 0x1.12288p-7f), CT__POLY2(z, 0x1p-1f, 0x1.555488p-5f,
        0x1.6d97fap-10f));
    return (ct__exp_parts_f32){CT__FMA(z, e, r), n, ct__bits_f32(t)};
}
CT__INLINE ct__exp_parts_f64 ct__exp_parts_of_r_f64(double r, double n, double t)
{
    double z = r * r, e = CT__FMA(r, CT__POLY4(z, 0x1.555555555553ap-3, 0x1.1111111118f16p-7, 0x1.a01a017547884p-13,
        0x1.71de87983cb2fp-19, 0x1.ae6c4ef6314ccp-26), CT__POLY4(z, 0x1.0000000000005p-1, 0x1.55555555522bap-5,
        0x1.6c16c17eda46ap-10, 0x1.a019a774d3fbdp-16, 0x1.28a1d96f6f4acp-22));
    return (ct__exp_parts_f64){CT__FMA(z, e, r), n, ct__bits_f64(t)};
}
CT__INLINE ct__exp_parts_f32 ct__exp_parts_of_f32(float x, float bias)
{
    float magic = CT__MAGIC_F32 + bias, t = ct__by_ln2_f32(x, magic), n = t - magic;
    return ct__exp_parts_of_r_f32(CT__FMA(n, -0x1.7f7d1cp-20f, CT__FMA(n, -0x1.62e4p-1f, x)), n, t);
}
CT__INLINE ct__exp_parts_f64 ct__exp_parts_of_f64(double x, double bias)
{
    double magic = CT__MAGIC_F64 + bias, t = ct__by_ln2_f64(x, magic), n = t - magic;
    return ct__exp_parts_of_r_f64(ct__less_ln2_f64(x, n), n, t);
}

/* exp: the parts put together; x is clamped where the result has long been 0 or inf. ulp 1.1 / 1.0 */
CT__INLINE float ct__exp_f32(float x)
{
    float end = ct__with_sign_f32(104.0f, x), c = ct__abs_f32(x) > 104.0f ? end : x;
    ct__exp_parts_f32 e = ct__exp_parts_of_f32(c, 254.0f);
    return ct__scale_f32(e.p, e.m);
}
CT__INLINE double ct__exp_f64(double x)
{
    double end = ct__with_sign_f64(746.0, x), c = ct__abs_f64(x) > 746.0 ? end : x;
    ct__exp_parts_f64 e = ct__exp_parts_of_f64(c, 2046.0);
    return ct__scale_f64(e.p, e.m);
}

/* expm1 = 2^n p + (2^n - 1), computed at half size because 2^n may be one past the range; n = 0 is p itself, which
   spares subnormals the halving. ulp 1.7 / 1.9 */
CT__INLINE float ct__expm1_f32(float x)
{
    float c = x > 89.0f ? 89.0f : x, d = c < -30.0f ? -30.0f : c;
    ct__exp_parts_f32 e = ct__exp_parts_of_f32(d, 126.0f);
    float h = ct__pow2_f32(e.m), y = 2.0f * CT__FMA(e.p, h, h - 0.5f);
    return ct__with_sign_f32(h == 0.5f ? e.p : y, x);
}
CT__INLINE double ct__expm1_f64(double x)
{
    double c = x > 710.0 ? 710.0 : x, d = c < -60.0 ? -60.0 : c;
    ct__exp_parts_f64 e = ct__exp_parts_of_f64(d, 1022.0);
    double h = ct__pow2_f64(e.m), y = 2.0 * CT__FMA(e.p, h, h - 0.5);
    return ct__with_sign_f64(h == 0.5 ? e.p : y, x);
}

/* tanh |x| = t/(t + 2) with t = expm1 2|x|, which loses nothing at either end; |x| > 10 (20) gives 1. ulp 2.5 / 2.5 */
CT__INLINE float ct__tanh_f32(float x)
{
    float a = ct__abs_f32(x), c = a > 10.0f ? 10.0f : a;
    ct__exp_parts_f32 e = ct__exp_parts_of_f32(2.0f * c, 127.0f);
    float s = ct__pow2_f32(e.m), t = CT__FMA(e.p, s, s - 1.0f);
    return ct__with_sign_f32(t / (t + 2.0f), x);
}
CT__INLINE double ct__tanh_f64(double x)
{
    double a = ct__abs_f64(x), c = a > 20.0 ? 20.0 : a;
    ct__exp_parts_f64 e = ct__exp_parts_of_f64(2.0 * c, 1023.0);
    double s = ct__pow2_f64(e.m), t = CT__FMA(e.p, s, s - 1.0);
    return ct__with_sign_f64(t / (t + 2.0), x);
}

/* sinh |x| = h + h/(2h + 1) with h = (e^|x| - 1)/2, at half size again; tiny x is its own sinh. ulp 2.3 / 2.3 */
CT__INLINE float ct__sinh_f32(float x)
{
    float a = ct__abs_f32(x), c = a > 89.5f ? 89.5f : a;
    ct__exp_parts_f32 e = ct__exp_parts_of_f32(c, 125.0f);
    float s = ct__pow2_f32(e.m), h = 2.0f * CT__FMA(e.p, s, s - 0.25f), y = h + h / (2.0f * h + 1.0f);
    y = h > 0x1p60f ? h : y;
    return ct__with_sign_f32(a < 0x1p-13f ? a : y, x);
}
CT__INLINE double ct__sinh_f64(double x)
{
    double a = ct__abs_f64(x), c = a > 710.6 ? 710.6 : a;
    ct__exp_parts_f64 e = ct__exp_parts_of_f64(c, 1021.0);
    double s = ct__pow2_f64(e.m), h = 2.0 * CT__FMA(e.p, s, s - 0.25), y = h + h / (2.0 * h + 1.0);
    y = h > 0x1p500 ? h : y;
    return ct__with_sign_f64(a < 0x1p-28 ? a : y, x);
}

/* cosh |x| = h + 1/(4h) with h = e^|x|/2. ulp 1.5 / 1.5 */
CT__INLINE float ct__cosh_f32(float x)
{
    float a = ct__abs_f32(x), c = a > 89.5f ? 89.5f : a;
    ct__exp_parts_f32 e = ct__exp_parts_of_f32(c, 125.0f);
    float h = 2.0f * ((1.0f + e.p) * ct__pow2_f32(e.m));
    return h + 0.25f / h;
}
CT__INLINE double ct__cosh_f64(double x)
{
    double a = ct__abs_f64(x), c = a > 710.6 ? 710.6 : a;
    ct__exp_parts_f64 e = ct__exp_parts_of_f64(c, 1021.0);
    double h = 2.0 * ((1.0 + e.p) * ct__pow2_f64(e.m));
    return h + 0.25 / h;
}

/* sigmoid = 1/(1 + e^-x) = (x < 0 ? e : 1)/(1 + e) with e = e^-|x|: both tails keep all their digits. ulp 2.4 / 2.3 */
CT__INLINE float ct__sigmoid_f32(float x)
{
    float e = ct__exp_f32(-ct__abs_f32(x)), num = x < 0.0f ? e : 1.0f;
    return num / (1.0f + e);
}
CT__INLINE double ct__sigmoid_f64(double x)
{
    double e = ct__exp_f64(-ct__abs_f64(x)), num = x < 0.0 ? e : 1.0;
    return num / (1.0 + e);
}

/* log(1 + e) for 0 <= e <= 1:  with t = 2e/(2 + e) in [0, 2/3] it is 2 atanh(t/2) = t + t z A(z), z = t^2/4 <= 1/9;
   A has degree 4 / 11, off by 2^-33 / 2^-59 of the result.
   Given are t and c = t z A + (what the division left over), where 1/(2 + e) = 1/2 - t/4. */
typedef struct { float t, c; } ct__log1p_parts_f32;
typedef struct { double t, c; } ct__log1p_parts_f64;

CT__INLINE ct__log1p_parts_f32 ct__log1p_unit_f32(float e)
{
    float d = 2.0f + e, t = (e + e) / d, z = 0.25f * t * t, td = t * d;
    float rest = ((e + e) - td) - ct__mul_error_f32(t, d, td) - t * (e - (d - 2.0f));
    float a = CT__POLY4(z, 0x1.555558p-2f, 0x1.9996d8p-3f, 0x1.250512p-3f, 0x1.b72b5cp-4f, 0x1.f08d08p-4f);
    return (ct__log1p_parts_f32){t, CT__FMA(t * z, a, rest * CT__FMA(t, -0.25f, 0.5f))};
}
CT__INLINE ct__log1p_parts_f64 ct__log1p_unit_f64(double e)
{
    double d = 2.0 + e, t = (e + e) / d, z = 0.25 * t * t, td = t * d;
    double rest = ((e + e) - td) - ct__mul_error_f64(t, d, td) - t * (e - (d - 2.0));
    double a = CT__POLY11(z, 0x1.5555555555555p-2, 0x1.99999999999c2p-3, 0x1.24924924902ffp-3, 0x1.c71c71c8da0a4p-4,
        0x1.745d16d9a80bp-4, 0x1.3b13c1e9c3d51p-4, 0x1.110f5b1ed0f56p-4, 0x1.e21ee5277edd3p-5, 0x1.ac4451327945fp-5,
        0x1.9d72ff9b398ebp-5, 0x1.db026ed4cc16ap-6, 0x1.48cd3e892a40ap-4);
    return (ct__log1p_parts_f64){t, CT__FMA(t * z, a, rest * CT__FMA(t, -0.25, 0.5))};
}

/* softplus = log(1 + e^x) = max(x, 0) + log(1 + e^-|x|). ulp 1.6 / 1.5 */
CT__INLINE float ct__softplus_f32(float x)
{
    ct__log1p_parts_f32 l = ct__log1p_unit_f32(ct__exp_f32(-ct__abs_f32(x)));
    return (l.t + l.c) + (x < 0.0f ? 0.0f : x);
}
CT__INLINE double ct__softplus_f64(double x)
{
    ct__log1p_parts_f64 l = ct__log1p_unit_f64(ct__exp_f64(-ct__abs_f64(x)));
    return (l.t + l.c) + (x < 0.0 ? 0.0 : x);
}

/* logaddexp = log(e^x + e^y) = max + log(1 + e^-d), d = max - min, with the rounding error of d put back into e^-d.
   Where max < 0 cancels against the logarithm (near e^x + e^y = 1) the result is small and its relative error is not:
   the bound there is in units in the last place of max. ulp 2.5 / 2.5 of the larger of |result| and |max|. */
CT__INLINE float ct__logaddexp_f32(float x, float y)
{
    float m = x > y ? x : y, n = x > y ? y : x, raw = m - n;
    float d = m == n ? 0.0f : raw, low = ct__add_error_f32(m, -n, d);
    low = ct__abs_f32(low) < 1.0f ? low : 0.0f; /* infinities have no rounding error */
    float e = ct__exp_f32(-d);
    ct__log1p_parts_f32 l = ct__log1p_unit_f32(CT__FMA(-e, low, e));
    float h = m + l.t, low_h = ct__add_error_f32(m, l.t, h), v = h + (low_h + l.c);
    return ct__abs_f32(h) < CT__INF_F32 ? v : h;
}
CT__INLINE double ct__logaddexp_f64(double x, double y)
{
    double m = x > y ? x : y, n = x > y ? y : x, raw = m - n;
    double d = m == n ? 0.0 : raw, low = ct__add_error_f64(m, -n, d);
    low = ct__abs_f64(low) < 1.0 ? low : 0.0; /* infinities have no rounding error */
    double e = ct__exp_f64(-d);
    ct__log1p_parts_f64 l = ct__log1p_unit_f64(CT__FMA(-e, low, e));
    double h = m + l.t, low_h = ct__add_error_f64(m, l.t, h), v = h + (low_h + l.c);
    return ct__abs_f64(h) < CT__INF_F64 ? v : h;
}

/* ---- The logarithm family --------------------------------------------------------------------------------------- */

/* x = 2^k m with m in [sqrt 1/2, sqrt 2), for normal positive x; anything else gives numbers without meaning. */
typedef struct { float m, k; } ct__log_parts_f32;
typedef struct { double m, k; } ct__log_parts_f64;

CT__INLINE ct__log_parts_f32 ct__log_parts_of_f32(float x)
{
    uint32_t u = ct__bits_f32(x) + (0x3f800000u - 0x3f3504f3u); /* sqrt 1/2 becomes 1: the exponent field is k + 127 */
    float k = ct__from_bits_f32(0x4b000000u | (u >> 23)) - (0x1p23f + 127.0f);
    return (ct__log_parts_f32){ct__from_bits_f32((u & 0x007fffffu) + 0x3f3504f3u), k};
}
CT__INLINE ct__log_parts_f64 ct__log_parts_of_f64(double x)
{
    uint64_t u = ct__bits_f64(x) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
    double k = ct__from_bits_f64(0x4330000000000000u | (u >> 52)) - (0x1p52 + 1023.0);
    return (ct__log_parts_f64){ct__from_bits_f64((u & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu), k};
}

/* k ln 2 + log(1 + f), f in [-0.293, 0.415].  float32: log(1 + f) = f + f^2 L(f), L of degree 8, off by 2^-27.
   float64: s = f/(2 + f), |s| <= 0.172: log(1 + f) = 2 atanh s = 2s + s^3 L(s^2), L of degree 6, off by 2^-59. k times the
   head of ln 2 is exact. */
CT__INLINE float ct__log_join_f32(float f, float k)
{
    float z = f * f, l = CT__FMA(f, CT__POLY3(z, 0x1.55554ap-2f, 0x1.99a59ep-3f, 0x1.226dc6p-3f, 0x1.07d3ccp-3f), CT__POLY4(z,
        -0.5f, -0x1.00022p-2f, -0x1.547886p-3f, -0x1.0ce032p-3f, -0x1.41f5c6p-4f));
    return CT__FMA(k, 0x1.62e4p-1f, f + CT__FMA(z, l, k * 0x1.7f7d1cp-20f));
}
CT__INLINE double ct__log_join_f64(double f, double k)
{
    double s = f / (2.0 + f), z = s * s, w = z * z;
    double l = CT__FMA(z, CT__POLY2(w, 0x1.999999997fd72p-2, 0x1.c71c520574fep-3, 0x1.39a1a2f1d14bcp-3), CT__POLY3(w,
        0x1.5555555555592p-1, 0x1.24924941f5859p-2, 0x1.74663fc5c8554p-3, 0x1.2f0660647c0f5p-3));
    double c = CT__FMA(s * z, l, k * 0x1.ef35793c76730p-45);
    return CT__FMA(k, 0x1.62e42fefa3800p-1, (s + s) + c);
}

/* The ends of a logarithm whose argument is x: NaN below 0, -inf at 0, inf and NaN as they are. */
CT__INLINE float ct__log_ends_f32(float x, float y)
{
    y = x < CT__INF_F32 ? y : x;
    y = x < 0.0f ? CT__NAN_F32 : y;
    return x == 0.0f ? -CT__INF_F32 : y;
}
CT__INLINE double ct__log_ends_f64(double x, double y)
{
    y = x < CT__INF_F64 ? y : x;
    y = x < 0.0 ? CT__NAN_F64 : y;
    return x == 0.0 ? -CT__INF_F64 : y;
}

/* log of a normal, positive, finite number. ulp 0.9 / 2.0 */
CT__INLINE float ct__log_near_f32(float x)
{
    ct__log_parts_f32 a = ct__log_parts_of_f32(x);
    return ct__log_join_f32(a.m - 1.0f, a.k);
}
CT__INLINE double ct__log_near_f64(double x)
{
    ct__log_parts_f64 a = ct__log_parts_of_f64(x);
    return ct__log_join_f64(a.m - 1.0, a.k);
}

/* log of all others as well, with the same bits: subnormals are scaled up first. */
CT__INLINE float ct__log_f32(float x)
{
    float up = x * 0x1p23f, normal = x < 0x1p-126f ? up : x, shift = x < 0x1p-126f ? 23.0f : 0.0f;
    ct__log_parts_f32 a = ct__log_parts_of_f32(normal);
    return ct__log_ends_f32(x, ct__log_join_f32(a.m - 1.0f, a.k - shift));
}
CT__INLINE double ct__log_f64(double x)
{
    double up = x * 0x1p52, normal = x < 0x1p-1022 ? up : x, shift = x < 0x1p-1022 ? 52.0 : 0.0;
    ct__log_parts_f64 a = ct__log_parts_of_f64(normal);
    return ct__log_ends_f64(x, ct__log_join_f64(a.m - 1.0, a.k - shift));
}

/* log1p: 1 + x = 2^k m tells k; f = 2^-k x + (2^-k - 1) is m - 1 without the rounding error of 1 + x. ulp 1.5 / 1.8 */
CT__INLINE float ct__log1p_f32(float x)
{
    float u = 1.0f + x;
    ct__log_parts_f32 a = ct__log_parts_of_f32(u);
    float s = ct__from_bits_f32(0x7f000000u - (((ct__bits_f32(u) + 0x004afb0du) >> 23) << 23));
    float f = s * x + (s - 1.0f);
    float y = ct__log_ends_f32(u, ct__log_join_f32(x > 0x1p30f ? a.m - 1.0f : f, a.k));
    return x == 0.0f ? x : y;
}
CT__INLINE double ct__log1p_f64(double x)
{
    double u = 1.0 + x;
    ct__log_parts_f64 a = ct__log_parts_of_f64(u);
    double s = ct__from_bits_f64(0x7fe0000000000000u - (((ct__bits_f64(u) + 0x00095f619980c433u) >> 52) << 52));
    double f = s * x + (s - 1.0);
    double y = ct__log_ends_f64(u, ct__log_join_f64(x > 0x1p60 ? a.m - 1.0 : f, a.k));
    return x == 0.0 ? x : y;
}

/* ---- Powers ----------------------------------------------------------------------------------------------------- */

/* What a power does besides |x|^y = r: the sign for negative x and odd y, and the exceptions of Annex F. */
CT__INLINE float ct__pow_ends_f32(float x, float y, float r)
{
    float half = 0.5f * y;
    int whole = ct__rint_f32(y) == y, even = ct__rint_f32(half) == half;
    float s = even ? 1.0f : x, v = ct__with_sign_f32(r, whole ? s : 1.0f);
    v = ((x < 0.0f) & (x > -CT__INF_F32) & !whole) ? CT__NAN_F32 : v;
    v = ((x != x) | (y != y)) ? x + y : v;
    return ((x == 1.0f) | (y == 0.0f)) ? 1.0f : v;
}
CT__INLINE double ct__pow_ends_f64(double x, double y, double r)
{
    double half = 0.5 * y;
    int whole = ct__rint_f64(y) == y, even = ct__rint_f64(half) == half;
    double s = even ? 1.0 : x, v = ct__with_sign_f64(r, whole ? s : 1.0);
    v = ((x < 0.0) & (x > -CT__INF_F64) & !whole) ? CT__NAN_F64 : v;
    v = ((x != x) | (y != y)) ? x + y : v;
    return ((x == 1.0) | (y == 0.0)) ? 1.0 : v;
}

/* pow, float32: exp(y log|x|) in double, with short polynomials: log off by 2^-45, exp by 2^-32. A float32 logarithm
   would have to carry its error along, and that costs more. ulp 0.6 */
CT__INLINE float ct__pow_f32(float x, float y)
{
    double a = ct__abs_f64((double)x), b = (double)y;
    b = b > 0x1p60 ? 0x1p60 : b;
    b = b < -0x1p60 ? -0x1p60 : b; /* keeps (+-1)^inf from being exp(inf 0) */
    ct__log_parts_f64 g = ct__log_parts_of_f64(a);
    double f = g.m - 1.0, s = f / (2.0 + f), z = s * s;
    double l = CT__POLY4(z, 0x1.555555561e06ap-1, 0x1.999996a9aec2bp-2, 0x1.249411d57cdddp-2, 0x1.c62b18e0a448p-3,
        0x1.911579a35f031p-3);
    l = CT__FMA(s * z, l, s + s);
    l = CT__FMA(g.k, 0x1.62e42fefa39efp-1, l);
    l = a == 0.0 ? -CT__INF_F64 : l;
    l = a == CT__INF_F64 ? a : l;
    double w = b * l;
    w = w > 200.0 ? 200.0 : w;
    w = w < -200.0 ? -200.0 : w;
    double magic = CT__MAGIC_F64 + 1023.0, t = ct__by_ln2_f64(w, magic), n = t - magic;
    double r = CT__FMA(n, -0x1.62e42fefa39efp-1, w);
    double e = CT__POLY5(r, 0x1.00000028194d7p-1, 0x1.555555896c9f1p-3, 0x1.5554ad3307b3p-5, 0x1.11108f1db958cp-7,
        0x1.6d752c81c7d4fp-10, 0x1.a1a201605a7eep-13);
    double p = 1.0 + CT__FMA(r * r, e, r), q = ct__pow2_f64(ct__bits_f64(t));
    return ct__pow_ends_f32(x, y, (float)(p * q));
}

/* pow, float64: y log|x| has to be known to 2^-64 of itself, so log|x| = h + l is carried as two doubles:
   s + sl = f/(2 + f);  log m = 2s + (2/3) s^3 + s^5 P(s^2), the first two terms in two doubles, P (degree 6, off by
   2^-65 of the result) in one;  then h + l of k ln 2 + log m, w + wl = y (h + l), exp(w + wl). ulp 2.0 */
CT__INLINE double ct__pow_f64(double x, double y)
{
    double a = ct__abs_f64(x), up = a * 0x1p52, shift = a < 0x1p-1022 ? 52.0 : 0.0;
    ct__log_parts_f64 g = ct__log_parts_of_f64(a < 0x1p-1022 ? up : a);
    double k = g.k - shift, f = g.m - 1.0, d = g.m + 1.0, dl = g.m - (d - 1.0);
    double inv = 1.0 / d, s = f * inv, sd = s * d, sl = (((f - sd) - ct__mul_error_f64(s, d, sd)) - s * dl) * inv;
    double z = s * s, zl = CT__FMA(2.0 * s, sl, ct__mul_error_f64(s, s, z));
    double c = s * z, cl = CT__FMA(s, zl, CT__FMA(sl, z, ct__mul_error_f64(s, z, c)));
    double t = c * 0x1.5555555555555p-1, tl = ct__mul_error_f64(c, 0x1.5555555555555p-1, t);
    tl += CT__FMA(c, 0x1.5555555555555p-55, cl * 0x1.5555555555555p-1);
    double p = CT__POLY6(z, 0x1.9999999999b3p-2, 0x1.2492492457dd7p-2, 0x1.c71c722d5ed51p-3, 0x1.745ce9e511086p-3,
        0x1.3b1eebdc98be2p-3, 0x1.0f7feb70ffb54p-3, 0x1.0e42ad5ac110ep-3);
    double m = 2.0 * s + t, ml = t - (m - 2.0 * s);
    ml += CT__FMA(c * z, p, CT__FMA(2.0, sl, tl));
    double big = k * 0x1.62e42fefa3800p-1, sum = big + m, rest = m - (sum - big);
    rest += CT__FMA(k, 0x1.ef35793c76730p-45, ml);
    double h = sum + rest, l = rest - (h - sum); /* l small, or the tail carries exp's argument out of its interval */
    h = a == 0.0 ? -CT__INF_F64 : h;
    h = a == CT__INF_F64 ? a : h;

    double b = y > 0x1p200 ? 0x1p200 : y;
    b = b < -0x1p200 ? -0x1p200 : b; /* keeps (+-1)^inf from being exp(inf 0), and Dekker's product finite */
    double w = b * h, wl = CT__FMA(b, l, ct__mul_error_f64(b, h, w));
    wl = ct__abs_f64(w) < 800.0 ? wl : 0.0;
    w = w > 710.0 ? 710.0 : w;
    w = w < -746.0 ? -746.0 : w;
    double magic = CT__MAGIC_F64 + 2046.0, v = ct__by_ln2_f64(w, magic), n = v - magic;
    ct__exp_parts_f64 e = ct__exp_parts_of_r_f64(ct__less_ln2_f64(w, n) + wl, n, v);
    return ct__pow_ends_f64(x, y, ct__scale_f64(e.p, e.m));
}

/* ---- The error function ----------------------------------------------------------------------------------------- */

/* erf. float32: 1 - e^w with w = -(x + x S(x)), S of degree 8, which puts the result off by 2^-27; e^w = 2^n (1 + p), so 1 - e^w =
   (1 - 2^n) - 2^n p, which for n = 0 is -p: small results lose nothing. float64: below 1, x + x P(x^2), P of degree 12, off by 2^-56; above,
   1 - exp(-x^2 + Q(x)), Q = log(e^(x^2) erfc x) of degree 17, which puts the result off by 2^-56. From 4 (6) on it is 1. ulp 2.2 / 1.3 */
CT__INLINE float ct__erf_f32(float x)
{
    float a = ct__abs_f32(x), c = a > 4.0f ? 4.0f : a, z = c * c;
    float s = CT__FMA(c, CT__POLY3(z, 0x1.45f2fap-1f, -0x1.39cdc6p-6f, 0x1.b50054p-10f, 0x1.ed6c6p-14f), CT__POLY4(z,
        0x1.06eba8p-3f, 0x1.a4fa5ep-4f, -0x1.50600cp-13f, -0x1.4bc9eep-11f, -0x1.3696bap-17f));
    float w = CT__FMA(-c, s, -c), magic = CT__MAGIC_F32 + 127.0f, t = ct__by_ln2_f32(w, magic), n = t - magic;
    ct__exp_parts_f32 e = ct__exp_parts_of_r_f32(CT__FMA(n, -0x1.62e43p-1f, w), n, t); /* the error of ln 2 vanishes: 2^n is small */
    float q = ct__pow2_f32(e.m);
    return ct__from_bits_f32(ct__bits_f32(CT__FMA(-q, e.p, 1.0f - q)) | (ct__bits_f32(x) & CT__SIGN_F32));
}
CT__INLINE double ct__erf_f64(double x)
{
    double a = ct__abs_f64(x), z = a * a, w = z * z, c = a > 6.0 ? 6.0 : a, u = c - 3.0, v = u * u;
    double p = CT__FMA(z, CT__POLY5(w, -0x1.812746b0379e6p-2, -0x1.b82ce31284f38p-6, -0x1.c02db3db49762p-11,
        -0x1.f4d1e434bc0cfp-17, -0x1.5f1f40faeea79p-23, -0x1.38ac2290d3965p-30), CT__POLY6(w, 0x1.06eba8214db69p-3,
        0x1.ce2f21a042b34p-4, 0x1.565bcd0dbd921p-8, 0x1.f9a321e4b84f9p-14, 0x1.b9df305cad6f7p-20,
        0x1.f7b99d7c8709ap-27, 0x1.062759c5be8ecp-34));
    double q = CT__FMA(u, CT__POLY8(v, -0x1.370b35013b09bp-2, -0x1.e5bee936de2dbp-8, -0x1.01a0575c5c793p-12,
        -0x1.dd80fa1fdc0bcp-18, -0x1.2907f6172294bp-23, 0x1.0d52514b5bed6p-29, 0x1.da4f36270dbcbp-32,
        -0x1.439c739644dc7p-33, -0x1.5644387d05cfcp-38), CT__POLY8(v, -0x1.b869b65a8e08ap+0, 0x1.5d06cc991f2fp-5,
        0x1.62c3201d70cfp-10, 0x1.696794e9f371dp-15, 0x1.1e9595dc09733p-20, 0x1.7f6ad7cc0b027p-27,
        0x1.30fee6152fe27p-31, -0x1.0b951a3a87805p-32, -0x1.953bbdbf69f13p-35));
    c = c < 1.0 ? 1.0 : c;
    ct__exp_parts_f64 e = ct__exp_parts_of_f64(CT__FMA(-c, c, q), 1023.0);
    double s = ct__pow2_f64(e.m), big = 1.0 - CT__FMA(s, e.p, s), small = CT__FMA(a, p, a);
    return ct__with_sign_f64(a < 1.0 ? small : big, x);
}

#include "tensor/vmath_circular.h"

#endif
