/* Circular functions and their inverses: the part of vmath.h that has a reduction of its own, by multiples of pi / 2. Included at its
   end, and only there: its habits and invariant hold here, and its helpers are used. */
#ifndef CT__VMATH_CIRCULAR_H
#define CT__VMATH_CIRCULAR_H

/* ---- Circular functions ----------------------------------------------------------------------------------------- */

/* Up to a bound the multiples of pi are taken off in float arithmetic, by functions that vectorize: ct__sin_near and so on.
   Beyond it, ct__sin_far and its sisters (vmath_far.c) carry as many bits of pi as it takes; they are calls. Which of the
   two an element takes depends on the element alone. Kernels look over a piece of an array first, and take the loop of
   near functions wherever nothing in it is far; NaN counts as near. */
#define CT__NEAR_F32 0x1p13f
#define CT__NEAR_F64 0x1p20
float ct__sin_far_f32(float x), ct__cos_far_f32(float x), ct__tan_far_f32(float x);
double ct__sin_far_f64(double x), ct__cos_far_f64(double x), ct__tan_far_f64(double x);

/* x - n pi for 0 <= x < CT__NEAR and n near x/pi, 2n a whole number. With fma, pi in three parts is enough: the first
   product is taken off exactly. Without, pi is cut so short that all products but the last are exact (2n has 13 / 20
   bits). Only the last steps round, relative to what is left. */
CT__INLINE float ct__less_pi_f32(float x, float n)
{
#if CT__HAS_FMA
    return CT__FMA(n, 0x1.ee59dap-49f, CT__FMA(n, 0x1.777a5cp-24f, CT__FMA(n, -0x1.921fb6p+1f, x)));
#else
    float r = ((x - n * 0x1.92p+1f) - n * 0x1.fb4p-11f) - n * 0x1.444p-23f;
    return (r - n * 0x1.68cp-38f) - n * 0x1.1a6264p-53f;
#endif
}
CT__INLINE double ct__less_pi_f64(double x, double n)
{
#if CT__HAS_FMA
    double r = CT__FMA(n, -0x1.1a62633145c07p-53, CT__FMA(n, -0x1.921fb54442d18p+1, x));
    return CT__FMA(n, 0x1.f1976b7ed8fbcp-109, r);
#else
    double r = (x - n * 0x1.921fb544p+1) - n * 0x1.0b4611a6p-33;
    return (r - n * 0x1.3198a2ep-68) - n * 0x1.b839a252049c1p-103;
#endif
}

/* sin r = r + r^3 S(r^2), |r| <= pi/2 and a little more; S of degree 4 / 7, off by 2^-31 / 2^-59. */
CT__INLINE float ct__sin_half_f32(float r)
{
    float z = r * r;
    float s = CT__POLY4(z, -0x1.555556p-3f, 0x1.111136p-7f, -0x1.a023ccp-13f, 0x1.72cddap-19f, -0x1.b623ep-26f);
    return CT__FMA(r * z, s, r);
}
CT__INLINE double ct__sin_half_f64(double r)
{
    double z = r * r, w = z * z;
    double s = CT__FMA(z, CT__POLY3(w, 0x1.11111111110c8p-7, 0x1.71de3a52a215p-19, 0x1.6123cdc6599e8p-33,
        0x1.883bb79ab3cffp-49), CT__POLY3(w, -0x1.5555555555555p-3, -0x1.a01a01a014d6fp-13, -0x1.ae6454d62b89ap-26,
        -0x1.ae43ca25f0d17p-41));
    return CT__FMA(r * z, s, r);
}

/* sin |x| = (-1)^n sin(|x| - n pi). ulp 1.6 / 1.9 */
CT__INLINE float ct__sin_near_f32(float x)
{
    float a = ct__abs_f32(x), t = CT__FMA(a, 0x1.45f306p-2f, CT__MAGIC_F32);
    float y = ct__sin_half_f32(ct__less_pi_f32(a, t - CT__MAGIC_F32));
    return ct__from_bits_f32(ct__bits_f32(y) ^ (ct__bits_f32(t) << 31) ^ (ct__bits_f32(x) & CT__SIGN_F32));
}
CT__INLINE double ct__sin_near_f64(double x)
{
    double a = ct__abs_f64(x), t = CT__FMA(a, 0x1.45f306dc9c883p-2, CT__MAGIC_F64);
    double y = ct__sin_half_f64(ct__less_pi_f64(a, t - CT__MAGIC_F64));
    return ct__from_bits_f64(ct__bits_f64(y) ^ (ct__bits_f64(t) << 63) ^ (ct__bits_f64(x) & CT__SIGN_F64));
}

/* cos x = -(-1)^n sin(|x| - (n + 1/2) pi). ulp 2.0 / 2.1 */
CT__INLINE float ct__cos_near_f32(float x)
{
    float a = ct__abs_f32(x), t = CT__FMA(a, 0x1.45f306p-2f, -0.5f) + CT__MAGIC_F32;
    float y = ct__sin_half_f32(ct__less_pi_f32(a, (t - CT__MAGIC_F32) + 0.5f));
    return ct__from_bits_f32(ct__bits_f32(y) ^ ((ct__bits_f32(t) + 1u) << 31));
}
CT__INLINE double ct__cos_near_f64(double x)
{
    double a = ct__abs_f64(x), t = CT__FMA(a, 0x1.45f306dc9c883p-2, -0.5) + CT__MAGIC_F64;
    double y = ct__sin_half_f64(ct__less_pi_f64(a, (t - CT__MAGIC_F64) + 0.5));
    return ct__from_bits_f64(ct__bits_f64(y) ^ ((ct__bits_f64(t) + 1u) << 63));
}

/* In quarters: sin r = r + r^3 S(r^2) and cos r = 1 - r^2/2 + r^4 C(r^2), |r| <= pi/4.
   S and C of degree 6: off by 2^-57 and 2^-60. */
CT__INLINE double ct__sin_poly_f64(double r)
{
    double z = r * r;
    double s = CT__POLY6(z, -0x1.5555555555555p-3, 0x1.111111111110bp-7, -0x1.a01a01a018abap-13,
        0x1.71de3a5335e68p-19, -0x1.ae645293688c1p-26, 0x1.61208f7579e65p-33, -0x1.aaa398de263dfp-41);
    return CT__FMA(r * z, s, r);
}
CT__INLINE double ct__cos_poly_f64(double r)
{
    double z = r * r, h = 0.5 * z, w = 1.0 - h;
    double c = CT__POLY6(z, 0x1.5555555555555p-5, -0x1.6c16c16c16c1p-10, 0x1.a01a01a018dc2p-16,
        -0x1.27e4fb75fab81p-22, 0x1.1eed8ca083dcfp-29, -0x1.9393349f454c2p-37, 0x1.aac402d1860fep-45);
    return w + CT__FMA(z * z, c, (1.0 - w) - h);
}

/* odd & 1 ? a : b on bit patterns (64-bit integer comparisons are missing from SSE2). */
CT__INLINE uint32_t ct__pick_f32(uint32_t odd, float a, float b)
{
    uint32_t m = 0u - (odd & 1u);
    return (ct__bits_f32(a) & m) | (ct__bits_f32(b) & ~m);
}
CT__INLINE uint64_t ct__pick_f64(uint64_t odd, double a, double b)
{
    uint64_t m = (uint64_t)0 - (odd & 1u);
    return (ct__bits_f64(a) & m) | (ct__bits_f64(b) & ~m);
}

/* tan in quarter q: sin r/cos r in even ones, -cos r/sin r in odd ones; with the sign of x. */
CT__INLINE double ct__tan_quarter_f64(double r, uint64_t q, double x)
{
    double s = ct__sin_poly_f64(r), c = ct__cos_poly_f64(r);
    double num = ct__from_bits_f64(ct__pick_f64(q, c, s)), den = ct__from_bits_f64(ct__pick_f64(q, s, c));
    return ct__from_bits_f64(ct__bits_f64(num / den) ^ (q << 63) ^ (ct__bits_f64(x) & CT__SIGN_F64));
}

/* tan |x|, r = |x| - n pi/2: tan r for even n, -1/tan r for odd ones. float32: tan r = r + r^3 T(r^2), T of degree 5, off by
   2^-25; float64: sin r / cos r. ulp 2.6 / 2.8 */
CT__INLINE float ct__tan_near_f32(float x)
{
    float a = ct__abs_f32(x), t = CT__FMA(a, 0x1.45f306p-1f, CT__MAGIC_F32);
    float r = ct__less_pi_f32(a, 0.5f * (t - CT__MAGIC_F32)), z = r * r;
    float s = CT__POLY5(z, 0x1.5554dap-2f, 0x1.112ecap-3f, 0x1.b566c2p-5f, 0x1.9152cp-6f, 0x1.8afa36p-9f, 0x1.35a6e6p-7f);
    float y = CT__FMA(r * z, s, r), w = -1.0f / y;
    uint32_t v = ct__pick_f32(ct__bits_f32(t), w, y);
    return ct__from_bits_f32(v ^ (ct__bits_f32(x) & CT__SIGN_F32));
}
CT__INLINE double ct__tan_near_f64(double x)
{
    double a = ct__abs_f64(x), t = CT__FMA(a, 0x1.45f306dc9c883p-1, CT__MAGIC_F64);
    double r = ct__less_pi_f64(a, 0.5 * (t - CT__MAGIC_F64));
    return ct__tan_quarter_f64(r, ct__bits_f64(t), x);
}

/* The functions for all x. */
#define CT__CIRCULAR(name)                                                                                            \
    CT__INLINE float ct__##name##_f32(float x)                                                                        \
    {                                                                                                                 \
        return ct__abs_f32(x) >= CT__NEAR_F32 ? ct__##name##_far_f32(x) : ct__##name##_near_f32(x);                    \
    }                                                                                                                 \
    CT__INLINE double ct__##name##_f64(double x)                                                                      \
    {                                                                                                                 \
        return ct__abs_f64(x) >= CT__NEAR_F64 ? ct__##name##_far_f64(x) : ct__##name##_near_f64(x);                    \
    }
CT__CIRCULAR(sin)
CT__CIRCULAR(cos)
CT__CIRCULAR(tan)

/* ---- Inverse circular functions --------------------------------------------------------------------------------- */

/* asin s = s + s^3 A(s^2) for 0 <= s <= 1/2; A of degree 4 / 11, off by 2^-27 / 2^-55 of the result. Above 1/2:
   asin x = pi/2 - 2 asin s with s = sqrt((1 - x)/2). */
CT__INLINE float ct__asin_poly_f32(float s, float z) /* z = s^2, without the rounding error of a square root */
{
    float a = CT__POLY4(z, 0x1.5555cap-3f, 0x1.33016ap-4f, 0x1.748a2ap-5f, 0x1.8bb55ep-6f, 0x1.59cc62p-5f);
    return CT__FMA(s * z, a, s);
}
CT__INLINE double ct__asin_poly_f64(double s, double z)
{
    double a = CT__POLY11(z, 0x1.5555555555387p-3, 0x1.333333336f8a9p-4, 0x1.6db6db41d4612p-5, 0x1.f1c72c6cd75b3p-6,
        0x1.6e89ef8886fa1p-6, 0x1.1c6c26cbd970bp-6, 0x1.c6f890a6f3f8bp-7, 0x1.8ee42eb0079e2p-7, 0x1.aab7769a432d1p-8,
        0x1.40af8233d6761p-6, -0x1.0af17e947e47cp-6, 0x1.05cd580e8d14ap-5);
    return CT__FMA(s * z, a, s);
}

/* asin. NaN for |x| > 1. ulp 2.4 / 2.3 */
CT__INLINE float ct__asin_f32(float x)
{
    float a = ct__abs_f32(x), w = 0.5f * (1.0f - a), v = sqrtf(w), q = a * a;
    float p = ct__asin_poly_f32(a > 0.5f ? v : a, a > 0.5f ? w : q);
    float y = 0x1.921fb6p+0f - (2.0f * p + 0x1.777a5cp-25f);
    return ct__with_sign_f32(a > 0.5f ? y : p, x);
}
CT__INLINE double ct__asin_f64(double x)
{
    double a = ct__abs_f64(x), w = 0.5 * (1.0 - a), v = sqrt(w), q = a * a;
    double p = ct__asin_poly_f64(a > 0.5 ? v : a, a > 0.5 ? w : q);
    double y = 0x1.921fb54442d18p+0 - (2.0 * p - 0x1.1a62633145c07p-54);
    return ct__with_sign_f64(a > 0.5 ? y : p, x);
}

/* acos: pi/2 - asin x in the middle, 2 asin s near 1, pi - 2 asin s near -1. ulp 1.2 / 1.2 */
CT__INLINE float ct__acos_f32(float x)
{
    float a = ct__abs_f32(x), w = 0.5f * (1.0f - a), v = sqrtf(w), q = a * a;
    float p = ct__asin_poly_f32(a > 0.5f ? v : a, a > 0.5f ? w : q);
    float mid = 0x1.921fb6p+0f - (ct__with_sign_f32(p, x) + 0x1.777a5cp-25f);
    float low = 0x1.921fb6p+1f - (2.0f * p + 0x1.777a5cp-24f);
    float end = x > 0.0f ? 2.0f * p : low;
    return a > 0.5f ? end : mid;
}
CT__INLINE double ct__acos_f64(double x)
{
    double a = ct__abs_f64(x), w = 0.5 * (1.0 - a), v = sqrt(w), q = a * a;
    double p = ct__asin_poly_f64(a > 0.5 ? v : a, a > 0.5 ? w : q);
    double mid = 0x1.921fb54442d18p+0 - (ct__with_sign_f64(p, x) - 0x1.1a62633145c07p-54);
    double low = 0x1.921fb54442d18p+1 - (2.0 * p - 0x1.1a62633145c07p-53);
    double end = x > 0.0 ? 2.0 * p : low;
    return a > 0.5 ? end : mid;
}

/* The angle of (b, a) with a, b >= 0, turned back by 0, pi/4 or pi/2 so that its tangent t is at most tan(pi/8):
   t = a/b, (a - b)/(a + b) or -b/a;  atan t = t + t^3 A(t^2), A of degree 4 / 10, off by 2^-30 / 2^-59. */
typedef struct { float part, turns; } ct__angle_f32;
typedef struct { double part, turns; } ct__angle_f64;

CT__INLINE ct__angle_f32 ct__angle_of_f32(float a, float b)
{
    int steep = b < 0x1.a8279ap-2f * a, middle = a > 0x1.a8279ap-2f * b;
    float num = middle ? a - b : a, den = middle ? a + b : b, eighth = middle ? 1.0f : 0.0f;
    num = steep ? -b : num;
    den = steep ? a : den;
    float t = num / den, z = t * t;
    float p = CT__POLY4(z, -0x1.55554ap-2f, 0x1.9991e8p-3f, -0x1.23ba42p-3f, 0x1.b22eccp-4f, -0x1.f31d74p-5f);
    return (ct__angle_f32){CT__FMA(t * z, p, t), steep ? 2.0f : eighth};
}
CT__INLINE ct__angle_f64 ct__angle_of_f64(double a, double b)
{
    int steep = b < 0x1.a827999fcef32p-2 * a, middle = a > 0x1.a827999fcef32p-2 * b;
    double num = middle ? a - b : a, den = middle ? a + b : b, eighth = middle ? 1.0 : 0.0;
    num = steep ? -b : num;
    den = steep ? a : den;
    double t = num / den, z = t * t;
    double p = CT__POLY10(z, -0x1.555555555553dp-2, 0x1.99999999958ebp-3, -0x1.24924922b1209p-3,
        0x1.c71c70e7a3249p-4, -0x1.745cf90b4ed69p-4, 0x1.3b111c69b6554p-4, -0x1.10ebdde581579p-4,
        0x1.df116bf8e7ddfp-5, -0x1.9cdc3bf8436a8p-5, 0x1.37ed764f8da39p-5, -0x1.259dbd3ae8183p-6);
    return (ct__angle_f64){CT__FMA(t * z, p, t), steep ? 2.0 : eighth};
}

/* atan x: the angle of (1, |x|) with the sign of x. ulp 2.1 / 2.0 */
CT__INLINE float ct__atan_f32(float x)
{
    ct__angle_f32 g = ct__angle_of_f32(ct__abs_f32(x), 1.0f);
    return ct__with_sign_f32(CT__FMA(g.turns, 0x1.921fb6p-1f, CT__FMA(g.turns, -0x1.777a5cp-26f, g.part)), x);
}
CT__INLINE double ct__atan_f64(double x)
{
    ct__angle_f64 g = ct__angle_of_f64(ct__abs_f64(x), 1.0);
    double low = CT__FMA(g.turns, 0x1.1a62633145c07p-55, g.part);
    return ct__with_sign_f64(CT__FMA(g.turns, 0x1.921fb54442d18p-1, low), x);
}

/* atan2(y, x): the angle of (|x|, |y|); for negative x (or -0) pi minus it; the sign of y. Coordinates are scaled so
   that sums stay finite and comparisons keep their digits; (inf, inf) counts as (1, 1), (0, 0) as (1, 0).
   ulp 2.2 / 2.3 */
CT__INLINE float ct__atan2_f32(float y, float x)
{
    float a = ct__abs_f32(y), b = ct__abs_f32(x), m = a > b ? a : b;
    float up = m < 0x1p-60f ? 0x1p60f : 1.0f, s = m > 0x1p100f ? 0x1p-4f : up;
    int both = (a == CT__INF_F32) & (b == CT__INF_F32);
    float u = both ? 1.0f : a * s, v = both ? 1.0f : b * s;
    ct__angle_f32 g = ct__angle_of_f32(u, m == 0.0f ? 1.0f : v);
    uint32_t left = ct__bits_f32(x) & CT__SIGN_F32;
    float part = ct__from_bits_f32(ct__bits_f32(g.part) ^ left);
    float turns = ct__with_sign_f32(1.0f, x) < 0.0f ? 4.0f - g.turns : g.turns;
    return ct__with_sign_f32(CT__FMA(turns, 0x1.921fb6p-1f, CT__FMA(turns, -0x1.777a5cp-26f, part)), y);
}
CT__INLINE double ct__atan2_f64(double y, double x)
{
    double a = ct__abs_f64(y), b = ct__abs_f64(x), m = a > b ? a : b;
    double up = m < 0x1p-500 ? 0x1p500 : 1.0, s = m > 0x1p1000 ? 0x1p-4 : up;
    int both = (a == CT__INF_F64) & (b == CT__INF_F64);
    double u = both ? 1.0 : a * s, v = both ? 1.0 : b * s;
    ct__angle_f64 g = ct__angle_of_f64(u, m == 0.0 ? 1.0 : v);
    uint64_t left = ct__bits_f64(x) & CT__SIGN_F64;
    double part = ct__from_bits_f64(ct__bits_f64(g.part) ^ left);
    double turns = ct__with_sign_f64(1.0, x) < 0.0 ? 4.0 - g.turns : g.turns;
    double low = CT__FMA(turns, 0x1.1a62633145c07p-55, part);
    return ct__with_sign_f64(CT__FMA(turns, 0x1.921fb54442d18p-1, low), y);
}

#endif
