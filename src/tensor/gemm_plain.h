/*
 * gemm_plain.h - the words of gemm_kernel.h where nothing is known of the processor: vectors of 16 bytes by the compiler's
 * extension.
 *
 * It is compiled for size, so what a loop over terms needs says that it is to be inlined, and what it seldom needs that it is
 * not.
 */
#define ALWAYS __attribute__((always_inline))
#define NEVER __attribute__((noinline))
#define WORDS(T, name, V)                                                                                              \
    ALWAYS static inline V load_##name(const T *p)                                                                     \
    {                                                                                                                  \
        V x;                                                                                                           \
        memcpy(&x, p, sizeof x);                                                                                       \
        return x;                                                                                                      \
    }                                                                                                                  \
    ALWAYS static inline void store_##name(T *p, V x) { memcpy(p, &x, sizeof x); }                                     \
    NEVER static V load_some_##name(const T *p, int n)                                                                 \
    {                                                                                                                  \
        V x = {0};                                                                                                     \
        if (n == sizeof x / sizeof x[0]) return load_##name(p);                                                        \
        for (int i = 0; i < n; i++) x[i] = p[i];                                                                       \
        return x;                                                                                                      \
    }                                                                                                                  \
    NEVER static void store_some_##name(T *p, V x, int n)                                                              \
    {                                                                                                                  \
        if (n == sizeof x / sizeof x[0]) store_##name(p, x);                                                           \
        else                                                                                                           \
            for (int i = 0; i < n; i++) p[i] = x[i];                                                                   \
    }                                                                                                                  \
    ALWAYS static inline V load_last_##name(const T *p, int n, bool whole)                                             \
    {                                                                                                                  \
        return whole ? load_##name(p) : load_some_##name(p, n);                                                        \
    }                                                                                                                  \
    ALWAYS static inline V spread_##name(T x) { return x - (V){0}; }                                                   \
    ALWAYS static inline V madd_##name(V a, V b, V c) { return a * b + c; }                                            \
    static inline V positive_##name(V x)                                                                               \
    {                                                                                                                  \
        for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) x[i] = x[i] <= 0 ? 0 : x[i];                               \
        return x;                                                                                                      \
    }                                                                                                                  \
    static inline void transpose_##name(V *rows)                                                                       \
    {                                                                                                                  \
        enum { N = sizeof(V) / sizeof(T) };                                                                            \
        T turned[N][N];                                                                                                \
        for (int p = 0; p < N; p++) {                                                                                  \
            for (int q = 0; q < N; q++) turned[p][q] = rows[q][p];                                                     \
        }                                                                                                              \
        memcpy(rows, turned, sizeof turned);                                                                           \
    }
typedef float vector_f32 __attribute__((vector_size(16)));
typedef double vector_f64 __attribute__((vector_size(16)));
#define V_F32 vector_f32
#define V_F64 vector_f64
WORDS(float, f32, vector_f32)
WORDS(double, f64, vector_f64)
