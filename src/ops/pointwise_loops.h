/*
 * pointwise_loops.h - a template: the loops of pointwise.def for the type T with the name SUFFIX. KERNEL(name) begins
 * the definition of a kernel. With INTEGERS defined only the _ANY lines become kernels, without slopes.
 */

static inline T AT(absolute)(T x)
{
#if defined(UNSIGNED)
    return x;
#elif defined(INTEGERS)
    return x < 0 ? NEG(x) : x;
#else
    return sizeof(T) == 4 ? (T)__builtin_fabsf((float)x) : (T)__builtin_fabs((double)x);
#endif
}
/* NaN stays NaN, and -0.0 stays -0.0. */
static inline T AT(signum)(T x)
{
#ifdef UNSIGNED
    return x > 0;
#else
    return x > 0 ? (T)1 : x < 0 ? (T)-1 : x;
#endif
}
static inline T AT(choose)(int c, T a, T b) { return c ? a : b; }
static inline T AT(larger)(T x, T y) { return x >= y ? x : x < y ? y : ADD(x, y); }
static inline T AT(smaller)(T x, T y) { return x <= y ? x : x > y ? y : ADD(x, y); }
#ifdef INTEGERS
/* The lowest number by -1 wraps. y is not 0 (checked before) but behind the last element, where a block is filled up with zeros. */
static inline T AT(divide)(T x, T y) { return LOWEST != 0 && y == (T)-1 ? NEG(x) : (T)(x / (y == 0 ? (T)1 : y)); }
static inline T AT(bound)(double v) { return v != v ? (T)0 : v <= (double)LOWEST ? (T)LOWEST : v >= (double)HIGHEST ? (T)HIGHEST : (T)v; }
typedef double AT(parameter);
#else
static inline T AT(nonzero)(T x) { return x == 0 ? (T)1 : x; }
static inline T AT(cut)(T x, T end) { return AT(choose)(x < -end, -end, AT(choose)(x > end, end, x)); }
typedef T AT(parameter);
/* Whether all of them are near: all keys are below the limit. Keys are bit patterns, in which negative numbers and NaN come last. Either the
 * largest key tells; or, where the instruction for that is missing, the first bit of all keys and of what they leave of the limit. Each turn
 * takes a vector of both halves, for turns wait for each other; where these are no whole blocks some elements are read twice. */
#ifdef NO_LARGER
#define KEYS_LOOP "omp simd reduction(|:all)"
#define WORD_OF(u, limit) ((u) | ((limit) - 1 - (u)))
#define BOTH(a, b) ((a) | (b))
#define ARE_BELOW(all, limit) ((all) >> (sizeof(BITS) * 8 - 1) == 0)
#else
#define KEYS_LOOP "omp simd reduction(max:all)"
#define WORD_OF(u, limit) (u)
#define BOTH(a, b) ((a) > (b) ? (a) : (b))
#define ARE_BELOW(all, limit) ((all) < (limit))
#endif
#define ALL_BELOW(limit, key)                                                                                          \
    {                                                                                                                  \
        enum { B = CT__BLOCK / sizeof(T) };                                                                            \
        const int64_t m = n & -(int64_t)B, half = (m / 2 + B - 1) & -(int64_t)B, rest = m - half;                  \
        BITS all = 0;                                                                                                  \
        _Pragma(KEYS_LOOP) for (int64_t i = 0; i < half; i++)                                                          \
        {                                                                                                              \
            const BITS u = key(x[i]), v = key(x[i + rest]);                                                            \
            const BITS w = BOTH(WORD_OF(u, limit), WORD_OF(v, limit));                                                 \
            all = BOTH(all, w);                                                                                        \
        }                                                                                                              \
        return ARE_BELOW(all, limit);                                                                                  \
    }
#define ANGLE_KEY(x) AT(ct__bits)(AT(ct__abs)(x))
#define LOGARITHM_KEY(x) (AT(ct__bits)(x) - AT(ct__bits)(LEAST))
static __attribute__((noinline)) bool AT(near_angles)(int64_t n, const T *x) ALL_BELOW(AT(ct__bits)(NEAR), ANGLE_KEY)
static __attribute__((noinline)) bool AT(near_logarithms)(int64_t n, const T *x)
    ALL_BELOW(AT(ct__bits)((T)INFINITY) - AT(ct__bits)(LEAST), LOGARITHM_KEY)
#undef ALL_BELOW
#define KEY_OF(angles, x) (angles ? ANGLE_KEY(x) : LOGARITHM_KEY(x))
#define LIMIT_OF(angles) (angles ? AT(ct__bits)(NEAR) : AT(ct__bits)((T)INFINITY) - AT(ct__bits)(LEAST))
static void AT(by_pieces)(ct__kernel kernel, int64_t n, char *const *p, int operands, const double *params)
{
    for (int64_t first = 0; first < n; first += PIECE) {
        char *at[4];
        for (int k = 0; k < operands; k++) at[k] = p[k] + first * (int64_t)sizeof(T);
        kernel(n - first < PIECE ? n - first : PIECE, at, params);
    }
}
static __attribute__((noinline)) T AT(any_sin)(T x) { return AT(ct__sin)(x); }
static __attribute__((noinline)) T AT(any_cos)(T x) { return AT(ct__cos)(x); }
static __attribute__((noinline)) T AT(any_tan)(T x) { return AT(ct__tan)(x); }
#endif

#define BEGIN_KERNEL(name)                                                                                             \
    KERNEL(name)(int64_t n, char *const *p, const double *params)                                              \
    {                                                                                                                  \
        const AT(parameter) p0 = (AT(parameter))params[0], p1 = (AT(parameter))params[1];    \
        (void)p0;                                                                                                      \
        (void)p1;                                                                                                      \
        T *out = (T *)(void *)p[0];
#define OPERAND(letter, k) const T *at_##letter = (const T *)(const void *)p[k];
#define VALUE(letter)                                                                                                  \
    const T letter = at_##letter[i];                                                                                   \
    (void)letter;

/* All elements. Where a function has a fast form for near x alone, the kernel is called for one piece after the other, and a piece that has
 * others takes the full form: angles one by one (they are calls), logarithms in vectors. */
#ifdef INTEGERS
#define FORMULA1(kernel, operands, ...) BLOCKS(T) { __VA_ARGS__ }
#else
#define FORMULA1(kernel, operands, ...)                                                                                \
    if ((takes_angles(#kernel) || takes_logarithms(#kernel)) && n > PIECE) {                                           \
        AT(by_pieces)(AT(kernel), n, p, operands, params);                                                             \
    } else if (takes_angles(#kernel) && !AT(near_angles)(n, at_x)) {                                                   \
        enum { far = 1 };                                                                                              \
        for (int64_t i = 0; i < n; i++) { __VA_ARGS__ }                                                                \
    } else if (takes_logarithms(#kernel) && !AT(near_logarithms)(n, at_x)) {                                           \
        enum { far = 1 };                                                                                              \
        BLOCKS(T) { __VA_ARGS__ }                                                                                      \
    } else {                                                                                                           \
        enum { far = 0 };                                                                                              \
        BLOCKS(T) { __VA_ARGS__ }                                                                                      \
    }
#endif

#ifndef NOTES
#define FORWARD1(name, f)                                                                                              \
    BEGIN_KERNEL(forward_##name)                                                                                       \
    OPERAND(x, 1)                                                                                                      \
    FORMULA1(forward_##name, 2, VALUE(x) out[i] = f;)                                                                  \
    }
#else /* the fast form notes which x are near: a result that does not go over x is computed at once, and once more if one was not */
#define FORWARD1(name, f)                                                                                              \
    BEGIN_KERNEL(forward_##name)                                                                                       \
    OPERAND(x, 1)                                                                                                      \
    const bool angles = takes_angles("forward_" #name);                                                                \
    if (!angles && !takes_logarithms("forward_" #name)) {                                                              \
        enum { far = 0 };                                                                                              \
        BLOCKS(T) { VALUE(x) out[i] = f; }                                                                             \
        return;                                                                                                        \
    }                                                                                                                  \
    if (n > PIECE) {                                                                                                   \
        AT(by_pieces)(AT(forward_##name), n, p, 2, params);                                                            \
        return;                                                                                                        \
    }                                                                                                                  \
    if (out != at_x || (angles ? AT(near_angles)(n, at_x) : AT(near_logarithms)(n, at_x))) {                           \
        const BITS limit = LIMIT_OF(angles);                                                                           \
        BITS all = 0;                                                                                                  \
        _Pragma(KEYS_LOOP) for (int64_t i = 0; i < (n & -(int64_t)(CT__BLOCK / sizeof(T))); i++)                       \
        {                                                                                                              \
            enum { far = 0 };                                                                                          \
            VALUE(x)                                                                                                   \
            out[i] = f;                                                                                                \
            const BITS u = KEY_OF(angles, x), w = WORD_OF(u, limit);                                                   \
            all = BOTH(all, w);                                                                                        \
        }                                                                                                              \
        if (ARE_BELOW(all, limit)) return;                                                                             \
    }                                                                                                                  \
    enum { far = 1 };                                                                                                  \
    if (angles) for (int64_t i = 0; i < n; i++) { VALUE(x) out[i] = f; }                                               \
    else BLOCKS(T) { VALUE(x) out[i] = f; }                                                                            \
    }
#endif
#define FORWARD2(name, f)                                                                                              \
    BEGIN_KERNEL(forward_##name)                                                                                       \
    OPERAND(x, 1) OPERAND(y, 2)                                                                                        \
    enum { far = 1 };                                                                                                  \
    BLOCKS(T) { VALUE(x) VALUE(y) out[i] = f; }                                                                             \
    }
/* d = g * slope; operands that the slope does not read may point anywhere readable. */
#define SLOPE1(name, slope)                                                                                            \
    BEGIN_KERNEL(slope_##name)                                                                                         \
    OPERAND(g, 1) OPERAND(x, 2) OPERAND(y, 3)                                                                          \
    FORMULA1(slope_##name, 4, VALUE(g) VALUE(x) VALUE(y) out[i] = MUL(g, slope);)                                         \
    }
#define SLOPE2(name, slope)                                                                                            \
    BEGIN_KERNEL(slope_##name)                                                                                         \
    OPERAND(g, 1) OPERAND(x, 2) OPERAND(y, 3) OPERAND(z, 4)                                                            \
    enum { far = 1 };                                                                                                  \
    BLOCKS(T) { VALUE(g) VALUE(x) VALUE(y) VALUE(z) out[i] = MUL(g, slope); }                                               \
    }

#define FLAT_ANY(name, f) FORWARD1(name, f)
#define LINEAR_ANY(name, f, rule) FORWARD1(name, f)
#define LINEAR2_ANY(name, f, rule_x, rule_y) FORWARD2(name, f)
#ifdef INTEGERS
#define UNARY(name, f, slope, keeps)
#define UNARY_ANY(name, f, slope, keeps) FORWARD1(name, f)
#define UNARY_P UNARY
#define UNARY_ANY_P UNARY_ANY
#define BINARY(name, f, slope_x, slope_y, keeps)
#define BINARY_ANY(name, f, slope_x, slope_y, keeps) FORWARD2(name, f)
#else
#define UNARY(name, f, slope, keeps) FORWARD1(name, f) SLOPE1(name, slope)
#define UNARY_ANY(name, f, slope, keeps) FORWARD1(name, f) SLOPE1(name, slope)
#define UNARY_P UNARY
#define UNARY_ANY_P UNARY_ANY
#define BINARY(name, f, slope_x, slope_y, keeps) FORWARD2(name, f) SLOPE2(name##_x, slope_x) SLOPE2(name##_y, slope_y)
#define BINARY_ANY(name, f, slope_x, slope_y, keeps) BINARY(name, f, slope_x, slope_y, keeps)
#endif

#include "ops/pointwise.def"

#ifndef INTEGERS
#undef KEY_OF
#undef LIMIT_OF
#undef ANGLE_KEY
#undef LOGARITHM_KEY
#undef KEYS_LOOP
#undef WORD_OF
#undef BOTH
#undef ARE_BELOW
#endif
#undef BEGIN_KERNEL
#undef OPERAND
#undef VALUE
#undef FORMULA1
#undef FORWARD1
#undef FORWARD2
#undef SLOPE1
#undef SLOPE2
#undef FLAT_ANY
#undef LINEAR_ANY
#undef LINEAR2_ANY
#undef UNARY
#undef UNARY_ANY
#undef UNARY_P
#undef UNARY_ANY_P
#undef BINARY
#undef BINARY_ANY
