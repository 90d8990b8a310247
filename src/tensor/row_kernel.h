/*
 * row_kernel.h - softmax, cross-entropy and layer norm on contiguous rows of one float type; row_isa.c includes it for f32 and
 * f64 with these defined, and it ends by undefining them:
 *     T, HUGE, SUFFIX        the type, its largest finite value, its name in functions (f32)
 *     EXP_LEAST, EXP_MOST    e^x is 0 below the one, and finite up to the other
 *     EXP_PARTS(x), EXPONENT, N          e^x = (1 + .p) 2^n for x between, the member that says n, and its type
 *     scale(p, n)            LANES of (1 + p) 2^n, in place
 *     V, LANES               a vector of T
 *     SPREAD, LOAD, STORE    one value in all lanes; to and from any address
 *     STREAM                 to an address of whole vectors, past the caches
 *     LOAD_SOME(p, n, fill), STORE_SOME(p, x, n)     the first n <= LANES lanes
 *     MADD(a, b, c)          a b + c
 *     GREATER, LESSER(a, b)  b where one of them is NaN
 *     ZEROS(x)               how many lanes are 0
 *     IF_EQUAL(a, b, x, y)   x where a = b, else y
 *     SUM_OF, GREATEST_OF(x) over its lanes; the latter of a vector without NaN
 *
 * A row is read from cache a few times and nothing is stored in between. Its sums run in lanes that are joined at its end, so an
 * element's result depends on its own row alone, wherever that stands. A last vector that is not whole is filled up with what
 * adds nothing.
 */
#define NAME(part) CT__CONCAT(part##_, SUFFIX)
#define CHUNK (64 * LANES) /* elements that are summed before pairs are formed */
#define HALVES(n) (((n) / 2 + CHUNK - 1) / CHUNK * CHUNK)
#define SHORT (2 * LANES) /* rows up to this are worked on many at once */

/* Each vector of a row of n elements: `i` is its first element, `m` how many of its lanes belong to the row. Two loops, so that
 * the first one needs no masks. */
#define EACH(n, body, last)                                                                                                   \
    do {                                                                                                                      \
        int64_t i = 0;                                                                                                        \
        for (; i + LANES <= (n); i += LANES) body;                                                                            \
        const int m = (int)((n) - i);                                                                                         \
        if (m > 0) last;                                                                                                      \
    } while (0)

/* The same with an index h of one of several sums, so that none waits for itself: body(h, i) and last(h, i). */
#define EACH_OF_4(n, body, last)                                                                                              \
    do {                                                                                                                      \
        int64_t i = 0;                                                                                                        \
        for (; i + 4 * LANES <= (n); i += 4 * LANES) {                                                                        \
            body(0, i);                                                                                                       \
            body(1, i + LANES);                                                                                               \
            body(2, i + 2 * LANES);                                                                                           \
            body(3, i + 3 * LANES);                                                                                           \
        }                                                                                                                     \
        for (; i + LANES <= (n); i += LANES) body(0, i);                                                                      \
        const int m = (int)((n) - i);                                                                                         \
        if (m > 0) last(1, i);                                                                                                \
    } while (0)
#define SUM_OF_4(s) SUM_OF((s[0] + s[1]) + (s[2] + s[3]))

/* What lies n elements on: the same place of the next row, to be read, or to be written. Processors look ahead by themselves, but
 * some not over the passes that find their row in cache: the others ask for the line at hand, which costs little. */
#define SOON_BYTES (ct__processor.ahead.rows ? (uintptr_t)n * sizeof(T) : 0)
#define SOON(p) __builtin_prefetch((const void *)((uintptr_t)(const void *)(p) + soon))
#define SOON_WRITTEN(p) __builtin_prefetch((const void *)((uintptr_t)(const void *)(p) + soon), 1)

/* ---- vectors ---- */

#ifdef M
static inline V NAME(spread)(T x)
{
    V v;
    for (int k = 0; k < LANES; k++) v[k] = x;
    return v;
}
static inline V NAME(load)(const T *p, int n, T fill)
{
    V x = NAME(spread)(fill);
    memcpy(&x, p, (size_t)n * sizeof *p);
    return x;
}
static inline void NAME(store)(T *p, V x, int n) { memcpy(p, &x, (size_t)n * sizeof *p); }
static inline void NAME(transpose)(V *r)
{
    for (int k = 1; k < LANES; k++) {
        for (int j = 0; j < k; j++) {
            const T x = r[k][j];
            r[k][j] = r[j][k];
            r[j][k] = x;
        }
    }
}
static inline int NAME(zeros)(M mask)
{
    int count = 0;
    for (int k = 0; k < LANES; k++) count -= (int)mask[k];
    return count;
}
static inline T NAME(sum_of)(V x)
{
    T sum = x[0] + x[LANES / 2];
    for (int k = 1; k < LANES / 2; k++) sum += x[k] + x[k + LANES / 2];
    return sum;
}
static inline T NAME(greatest_of)(V x)
{
    T most = x[0];
    for (int k = 1; k < LANES; k++) most = x[k] > most ? x[k] : most;
    return most;
}
#endif

#ifndef SCALES
CT__INLINE void NAME(scale)(T *p, const N *n)
{
#pragma omp simd
    for (int k = 0; k < LANES; k++) p[k] = NAME(ct__scale)(p[k], n[k]);
}
#endif

/* e^x, where x is clipped at EXP_MOST; for `but_1` with 0 in place of 1. Compilers turn the loops into lines of vectors. Where
 * the result is 0 it is put in place, not computed: processors take their time for what underflows, and masked scores are -inf by
 * the row. */
CT__INLINE V NAME(exps_of)(V x, bool but_1)
{
    _Alignas(64) T a[LANES], y[LANES];
    _Alignas(64) N n[LANES];
    x = LESSER(SPREAD(EXP_MOST), x);
    memcpy(a, &x, sizeof a);
#pragma omp simd
    for (int k = 0; k < LANES; k++) {
        const T least = a[k] < EXP_LEAST ? 0 : a[k];
        y[k] = EXP_PARTS(least).p;
        n[k] = EXP_PARTS(least).EXPONENT;
    }
    NAME(scale)(y, n);
#pragma omp simd
    for (int k = 0; k < LANES; k++) {
        const T e = a[k] < EXP_LEAST ? 0 : y[k];
        y[k] = but_1 && a[k] == 0 ? 0 : e;
    }
    memcpy(&x, y, sizeof y);
    return x;
}
CT__INLINE V NAME(exps)(V x) { return NAME(exps_of)(x, false); }
CT__INLINE V NAME(exps_but_1)(V x) { return NAME(exps_of)(x, true); }

/* For the last vector of a row: apart, for the sake of size. */
static APART V NAME(exps_of_last)(V x) { return NAME(exps)(x); }
static APART V NAME(exps_but_1_of_last)(V x) { return NAME(exps_but_1)(x); }

/* l_k = f(l_k); there is room up to a whole vector. */
static APART void NAME(log1p_all)(T *l, int64_t n)
{
#pragma GCC unroll 1
    for (T *end = l + n; l < end; l += LANES) {
#pragma omp simd
        for (int k = 0; k < LANES; k++) l[k] = NAME(ct__log1p)(l[k]);
    }
}
/* x / y, given 1 / y: rounded right but for rare cases. */
static inline V NAME(quotient)(V x, V y, V inverse)
{
#if CT__HAS_FMA
    const V q = x * inverse;
    return MADD(MADD(-q, y, x), inverse, q);
#else
    (void)inverse;
    return x / y;
#endif
}

/* ---- sums and maxima ---- */

/* The largest of x, NaN left out. */
static inline T NAME(largest)(const T *x, int64_t n)
{
    V a = SPREAD(-(T)INFINITY), b = a, c = a, d = a;
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        a = GREATER(LOAD(x + i), a);
        b = GREATER(LOAD(x + i + LANES), b);
        c = GREATER(LOAD(x + i + 2 * LANES), c);
        d = GREATER(LOAD(x + i + 3 * LANES), d);
    }
    for (; i + LANES <= n; i += LANES) a = GREATER(LOAD(x + i), a);
    if (i < n) b = GREATER(LOAD_SOME(x + i, (int)(n - i), -(T)INFINITY), b);
    a = GREATER(a, b);
    c = GREATER(c, d);
    return GREATEST_OF(GREATER(a, c));
}

static T NAME(total)(const T *x, int64_t n)
{
    if (n > CHUNK) {
        const T left = NAME(total)(x, HALVES(n));
        return left + NAME(total)(x + HALVES(n), n - HALVES(n));
    }
    V s[4] = {SPREAD(0), SPREAD(0), SPREAD(0), SPREAD(0)};
#define TERM(h, i) s[h] = s[h] + LOAD(x + (i))
#define LAST(h, i) s[h] = s[h] + LOAD_SOME(x + (i), m, 0)
    EACH_OF_4(n, TERM, LAST);
#undef TERM
#undef LAST
    return SUM_OF_4(s);
}

static T NAME(dot)(const T *a, const T *b, int64_t n)
{
    if (n > CHUNK) {
        const T left = NAME(dot)(a, b, HALVES(n));
        return left + NAME(dot)(a + HALVES(n), b + HALVES(n), n - HALVES(n));
    }
    V s[4] = {SPREAD(0), SPREAD(0), SPREAD(0), SPREAD(0)};
#define TERM(h, i) s[h] = MADD(LOAD(a + (i)), LOAD(b + (i)), s[h])
#define LAST(h, i) s[h] = MADD(LOAD_SOME(a + (i), m, 0), LOAD_SOME(b + (i), m, 0), s[h])
    EACH_OF_4(n, TERM, LAST);
#undef TERM
#undef LAST
    return SUM_OF_4(s);
}

/* The sum of e^d over d = x - top other than 0; adds to *tops how many are 0. The terms go to u, unless that is NULL. Long rows in blocks
 * that are combined in pairs. */
static APART T NAME(rest)(const T *x, int64_t n, T top, int64_t *tops, T *u)
{
    if (n > CHUNK) {
        const T left = NAME(rest)(x, HALVES(n), top, tops, u);
        return left + NAME(rest)(x + HALVES(n), n - HALVES(n), top, tops, u ? u + HALVES(n) : NULL);
    }
    const V most = SPREAD(top);
    V sum = SPREAD(0), d, e;
    int zeros = 0;
    EACH(n, (d = LOAD(x + i) - most, zeros += ZEROS(d), e = NAME(exps_but_1)(d), u ? STORE(u + i, e) : (void)0, sum = sum + e),
         (d = LOAD_SOME(x + i, m, -(T)INFINITY) - most, zeros += ZEROS(d), e = NAME(exps_but_1_of_last)(d),
          u ? STORE_SOME(u + i, e, m) : (void)0, sum = sum + e));
    *tops += zeros;
    return SUM_OF(sum);
}

/* top_k and s_k = the sum of e^d over d = x - top other than 0, and how many but one are 0, of m <= CT__ROWS_GROUP rows. Exponentials are
 * most of the work of short rows, and whole vectors of them the least: so these rows' d stand in line, whose ends the next rows come over. */
static APART void NAME(rests)(const T *x, int64_t m, int64_t n, T *top, T *s)
{
    T d[CT__ROWS_GROUP * LANES + LANES];
    for (int64_t k = 0; k < m; k++, x += n) {
        if (n <= LANES) {
            const V row = LOAD_SOME(x, (int)n, -(T)INFINITY);
            top[k] = GREATEST_OF(row);
            const V below = row - SPREAD(top[k]);
            s[k] = (T)(ZEROS(below) - 1);
            STORE(d + k * n, below);
        } else {
            int64_t same = -1;
            top[k] = NAME(largest)(x, n);
            const T rest = NAME(rest)(x, n, top[k], &same, NULL);
            s[k] = rest + (T)same;
        }
    }
    if (n > LANES) return;
    STORE(d + m * n, SPREAD(0)); /* what follows in its last vector */
    for (int64_t i = 0; i < m * n; i += LANES) STORE(d + i, NAME(exps_but_1)(LOAD(d + i)));
    for (int64_t k = 0; k < m; k++) s[k] += SUM_OF(LOAD_SOME(d + k * n, (int)n, 0));
}

/* y = e^(x - top); returns the sum. */
static T NAME(exp_row)(const T *x, int64_t n, T top, T *y)
{
    if (n > CHUNK) {
        const T left = NAME(exp_row)(x, HALVES(n), top, y);
        return left + NAME(exp_row)(x + HALVES(n), n - HALVES(n), top, y + HALVES(n));
    }
    const V most = SPREAD(top);
    V sum = SPREAD(0), e;
    EACH(n, (e = NAME(exps)(LOAD(x + i) - most), STORE(y + i, e), sum = sum + e),
         (e = NAME(exps_of_last)(LOAD_SOME(x + i, m, -(T)INFINITY) - most), STORE_SOME(y + i, e, m), sum = sum + e));
    return SUM_OF(sum);
}

/* top_k and l_k = log(1 + sum of e^d_j over all but one maximum), d = x - top, for each of m <= CT__ROWS_GROUP rows: small terms
 * count beside e^0 = 1, too. Both have room for CT__ROWS_GROUP. */
static void NAME(log_sums)(const T *x, int64_t m, int64_t n, T *restrict top, T *restrict l)
{
    STORE(l + (m - 1) / LANES * LANES, SPREAD(0)); /* what follows the last one in its vector */
    NAME(rests)(x, m, n, top, l);
    NAME(log1p_all)(l, m);
}

/* ---- softmax ---- */

/* s_i = e^(x_i - max) / sum_j e^(x_j - max) */
static void NAME(softmax)(int64_t rows, int64_t n, char *const *p)
{
    for (int64_t k = 0; k < rows; k++) {
        T *y = (T *)(void *)p[0] + k * n;
        const T *x = (const T *)(const void *)p[1] + k * n;
        const T sum = NAME(exp_row)(x, n, NAME(largest)(x, n), y);
        const V all = SPREAD(sum), inverse = SPREAD(1 / sum);
        EACH(n, STORE(y + i, NAME(quotient)(LOAD(y + i), all, inverse)),
             STORE_SOME(y + i, NAME(quotient)(LOAD_SOME(y + i, m, 0), all, inverse), m));
    }
}

/* y_i = d_i - l */
static void NAME(log_softmax)(int64_t rows, int64_t n, char *const *p)
{
    T top[CT__ROWS_GROUP], l[CT__ROWS_GROUP];
    for (int64_t r = 0; r < rows; r += CT__ROWS_GROUP) {
        const int64_t group = rows - r < CT__ROWS_GROUP ? rows - r : CT__ROWS_GROUP;
        NAME(log_sums)((const T *)(const void *)p[1] + r * n, group, n, top, l);
        for (int64_t k = 0; k < group; k++) {
            T *y = (T *)(void *)p[0] + (r + k) * n;
            const T *x = (const T *)(const void *)p[1] + (r + k) * n;
            const V most = SPREAD(top[k]), log_sum = SPREAD(l[k]);
            EACH(n, STORE(y + i, LOAD(x + i) - most - log_sum), STORE_SOME(y + i, LOAD_SOME(x + i, m, 0) - most - log_sum, m));
        }
    }
}

/* A NaN among x, else what is given. */
static T NAME(nan_or)(const T *x, int64_t n, T other)
{
    for (int64_t i = 0; i < n; i++) {
        if (x[i] != x[i]) return x[i];
    }
    return other;
}

/* y = max + l. An infinite maximum is the result. */
static void NAME(logsumexp)(int64_t rows, int64_t n, char *const *p)
{
    T *y = (T *)(void *)p[0], top[CT__ROWS_GROUP], l[CT__ROWS_GROUP];
    for (int64_t r = 0; r < rows; r += CT__ROWS_GROUP) {
        const int64_t group = rows - r < CT__ROWS_GROUP ? rows - r : CT__ROWS_GROUP;
        const T *x = (const T *)(const void *)p[1] + r * n;
        NAME(log_sums)(x, group, n, top, l);
        for (int64_t k = 0; k < group; k++) y[r + k] = top[k] - top[k] == 0 ? top[k] + l[k] : NAME(nan_or)(x + k * n, n, top[k]);
    }
}

/* gx = s (g - <s, g>) */
static void NAME(softmax_vjp)(int64_t rows, int64_t n, char *const *p)
{
    for (int64_t k = 0; k < rows; k++) {
        T *gx = (T *)(void *)p[0] + k * n;
        const T *s = (const T *)(const void *)p[1] + k * n, *g = (const T *)(const void *)p[2] + k * n;
        const V mean = SPREAD(NAME(dot)(s, g, n));
        EACH(n, STORE(gx + i, LOAD(s + i) * (LOAD(g + i) - mean)),
             STORE_SOME(gx + i, LOAD_SOME(s + i, m, 0) * (LOAD_SOME(g + i, m, 0) - mean), m));
    }
}

/* gx = g - e^y sum g */
static void NAME(log_softmax_vjp)(int64_t rows, int64_t n, char *const *p)
{
    for (int64_t k = 0; k < rows; k++) {
        T *gx = (T *)(void *)p[0] + k * n;
        const T *y = (const T *)(const void *)p[1] + k * n, *g = (const T *)(const void *)p[2] + k * n;
        const V sum = SPREAD(NAME(total)(g, n));
        EACH(n, STORE(gx + i, LOAD(g + i) - NAME(exps)(LOAD(y + i)) * sum),
             STORE_SOME(gx + i, LOAD_SOME(g + i, m, 0) - NAME(exps_of_last)(LOAD_SOME(y + i, m, 0)) * sum, m));
    }
}

/* gx = g e^(x - y) / sum e^(x - y), for y is rounded: where it is large, e^(x - y) alone would lose as many digits. An infinity
 * counts as the largest finite number; but where all of x is -inf, the derivative is 0. */
static void NAME(logsumexp_vjp)(int64_t rows, int64_t n, char *const *p)
{
    const V huge = SPREAD(HUGE);
    for (int64_t k = 0; k < rows; k++) {
        T *gx = (T *)(void *)p[0] + k * n;
        const T *x = (const T *)(const void *)p[1] + k * n;
        const T y = ((const T *)(const void *)p[2])[k], g = ((const T *)(const void *)p[3])[k];
        const V shift = SPREAD(y < -HUGE ? -HUGE : y > HUGE ? HUGE : y);
        V sum = SPREAD(0), e;
        EACH(n, (e = NAME(exps)(LESSER(huge, LOAD(x + i)) - shift), STORE(gx + i, e), sum = sum + e),
             (e = NAME(exps_of_last)(LESSER(huge, LOAD_SOME(x + i, m, -(T)INFINITY)) - shift), STORE_SOME(gx + i, e, m),
              sum = sum + e));
        const T all = SUM_OF(sum);
        const V scale = SPREAD(all == 0 ? 0 : g / all);
        EACH(n, STORE(gx + i, LOAD(gx + i) * scale), STORE_SOME(gx + i, LOAD_SOME(gx + i, m, 0) * scale, m));
    }
}

/* ---- cross-entropy ---- */

/* z = l - d_t with d = x - max. */
static APART T NAME(unlikely)(const T *x, int64_t n, int64_t target)
{
    T top[CT__ROWS_GROUP], l[CT__ROWS_GROUP];
    NAME(log_sums)(x, 1, n, top, l);
    return l[0] - (x[target] - top[0]);
}

/* The first `width` elements, or LANES of them, of LANES rows of n turned: d_j = element j of all rows. And back. */
CT__INLINE void NAME(turn_in)(const T *x, int64_t n, int64_t width, V *d)
{
    const int some = width < LANES ? (int)width : LANES;
    V r[LANES];
    UNROLL for (int k = 0; k < LANES; k++) r[k] = LOAD_SOME(x + k * n, some, 0);
    NAME(transpose)(r);
    UNROLL for (int k = 0; k < LANES; k++) d[k] = r[k];
}
CT__INLINE void NAME(turn_out)(const V *d, int64_t n, int64_t width, T *u)
{
    const int some = width < LANES ? (int)width : LANES;
    V r[LANES];
    UNROLL for (int k = 0; k < LANES; k++) r[k] = d[k];
    NAME(transpose)(r);
    UNROLL for (int k = 0; k < LANES; k++) STORE_SOME(u + k * n, r[k], some);
}

/* What else equals x_t: its term is 1, and was left at 0. */
static APART void NAME(ties)(const T *x, int64_t n, int64_t t, T *u)
{
    for (int64_t i = 0; i < n; i++) {
        if (x[i] == x[t]) u[i] = 1;
    }
}

/* softmax(x) - 1_t by the maximum. */
static APART void NAME(slopes_by_maximum)(const T *x, int64_t n, int64_t target, T *u)
{
    char *const one[] = {(char *)u, (char *)(uintptr_t)(const void *)x};
    NAME(softmax)(1, n, one);
    u[target] -= 1;
}

/* x c */
static inline void NAME(scaled)(const T *x, int64_t n, T c, T *y)
{
    const V all = SPREAD(c);
    EACH(n, STORE(y + i, LOAD(x + i) * all), STORE_SOME(y + i, LOAD_SOME(x + i, m, 0) * all, m));
}

/* s_k = the sum of e^(x_i - x_t) over all but the target t, of m <= CT__ROWS_GROUP rows; and u, unless it is NULL, the slope
 * softmax(x) - 1_t: e^(x_i - x_t) / (1 + s), and of the target 1 / (1 + s) - 1 = -s / (1 + s). */
static APART void NAME(terms)(const T *x, int64_t m, int64_t n, const int64_t *t, T *s, T *u)
{
    for (int64_t k = 0; k < m; k++, x += n) {
        int64_t same = -1;
        const T rest = NAME(rest)(x, n, x[t[k]], &same, u);
        s[k] = rest + (T)same;
        if (!u) continue;
        if (same > 0) NAME(ties)(x, n, t[k], u);
        const T r = 1 / (1 + s[k]);
        NAME(scaled)(u, n, r, u);
        u[t[k]] = -s[k] * r;
        u += n;
    }
}

/* The same of `groups` times LANES rows of n <= SHORT: turned, so that a vector holds one class of LANES rows. Each step is taken for all
 * groups before the next, as it waits for the one before. */
static APART void NAME(terms_of_short)(const T *x, int64_t groups, int64_t n, const int64_t *t, T *s, T *u)
{
    V d[CT__ROWS_GROUP / LANES * SHORT + LANES], *const end = d + groups * n; /* of each group n vectors; squares reach past them */
    T numbers[CT__ROWS_GROUP];
    const V one = SPREAD(1);
    V *e = d;
#pragma omp simd
    for (int64_t k = 0; k < groups * LANES; k++) numbers[k] = (T)(int32_t)t[k]; /* below SHORT */
    for (int64_t g = 0; g < groups; g++, e += n) {
        const V target = LOAD(numbers + g * LANES);
        V number = SPREAD(0), at = number;
        for (int64_t b = 0; b < n; b += LANES) NAME(turn_in)(x + g * LANES * n + b, n, n - b, e + b);
        for (int64_t j = 0; j < n; j++, number = number + one) at = IF_EQUAL(target, number, e[j], at);
        number = SPREAD(0);
        for (int64_t j = 0; j < n; j++, number = number + one) e[j] = IF_EQUAL(target, number, SPREAD(-(T)INFINITY), e[j] - at);
    }
    for (e = d; e < end; e++) *e = NAME(exps)(*e);
    e = d;
    for (int64_t g = 0; g < groups; g++, e += n) {
        const V target = LOAD(numbers + g * LANES);
        V number = SPREAD(0), sum = number;
        for (int64_t j = 0; j < n; j++) sum = sum + e[j];
        STORE(s + g * LANES, sum);
        if (!u) continue;
        const V r = one / (one + sum);
        for (int64_t j = 0; j < n; j++, number = number + one) e[j] = IF_EQUAL(target, number, -sum, e[j]) * r;
        for (int64_t b = 0; b < n; b += LANES) NAME(turn_out)(e + b, n, n - b, u + g * LANES * n + b);
    }
}

/* Of fewer rows than LANES: by way of room for as many. */
static APART void NAME(terms_of_few)(const T *x, int64_t m, int64_t n, const int64_t *t, T *s, T *u)
{
    T all[LANES * SHORT], slopes[LANES * SHORT];
    int64_t targets[LANES];
    memset(all, 0, sizeof all);
    for (int64_t i = 0; i < m * n; i++) all[i] = x[i];
    for (int64_t k = 0; k < LANES; k++) targets[k] = k < m ? t[k] : 0;
    NAME(terms_of_short)(all, 1, n, targets, s, u ? slopes : NULL);
    for (int64_t i = 0; u && i < m * n; i++) u[i] = slopes[i];
}

/* z = log(1 + s): nothing cancels, and no maximum is looked for. Where s is large, or NaN, by the maximum after all. */
static void NAME(cross_entropy)(int64_t rows, int64_t n, char *const *p)
{
    T *z = (T *)(void *)p[0], s[CT__ROWS_GROUP] = {0}, *u = (T *)(void *)p[3];
    const T *x = (const T *)(const void *)p[1];
    const int64_t *t = (const int64_t *)(const void *)p[2];
    for (int64_t group; rows > 0; rows -= group, x += group * n, t += group, z += group) {
        group = rows < CT__ROWS_GROUP ? rows : CT__ROWS_GROUP;
        const int64_t whole = n > SHORT ? group : group / LANES * LANES;
        if (n > SHORT) NAME(terms)(x, group, n, t, s, u);
        else NAME(terms_of_short)(x, whole / LANES, n, t, s, u);
        if (whole < group) NAME(terms_of_few)(x + whole * n, group - whole, n, t + whole, s + whole, u ? u + whole * n : NULL);
        NAME(log1p_all)(s, group);
        for (int64_t k = 0; k < group; k++) {
            z[k] = s[k];
            if (CT__LIKELY(s[k] < 32)) continue;
            z[k] = NAME(unlikely)(x + k * n, n, t[k]);
            if (u) NAME(slopes_by_maximum)(x + k * n, n, t[k], u + k * n);
        }
        if (u) u += group * n;
    }
}

/* y = x c, with a factor for each row, or one for all. p: y, x, c, and by how much c steps on from row to row: 1 or 0 */
static void NAME(rows_scaled)(int64_t rows, int64_t n, char *const *p)
{
    T *y = (T *)(void *)p[0];
    const T *x = (const T *)(const void *)p[1], *c = (const T *)(const void *)p[2];
    const int64_t step = *(const int64_t *)(const void *)p[3], length = step ? n : rows * n;
    for (int64_t left = rows * n; left > 0; left -= length, x += length, y += length, c += step)
        NAME(scaled)(x, length, *c, y);
}

/* ---- layer norm ---- */

/* What a row x is brought to mean 0 and variance 1 by: u = (x - near) inverse + shift, with `near` an element or the mean. */
typedef struct NAME(moments) {
    T near, inverse, shift;
} NAME(moments);

/* Sums of d = x - near and of d^2. `to` is where the results of x will stand, if they need room in the caches, else x. */
static void NAME(about)(const T *x, int64_t n, T near, T *sum, T *squares, const T *to)
{
    if (n > CHUNK) {
        T more[2];
        NAME(about)(x, HALVES(n), near, sum, squares, to);
        NAME(about)(x + HALVES(n), n - HALVES(n), near, &more[0], &more[1], to + HALVES(n));
        *sum += more[0];
        *squares += more[1];
        return;
    }
    const V a = SPREAD(near);
    const uintptr_t soon = SOON_BYTES;
    V s[4] = {SPREAD(0), SPREAD(0), SPREAD(0), SPREAD(0)}, q[4] = {s[0], s[0], s[0], s[0]}, d;
#define TERM(h, i) (SOON(x + (i)), SOON_WRITTEN(to + (i)), d = LOAD(x + (i)) - a, s[h] = s[h] + d, q[h] = MADD(d, d, q[h]))
#define LAST(h, i) (d = LOAD_SOME(x + (i), m, near) - a, s[h] = s[h] + d, q[h] = MADD(d, d, q[h]))
    EACH_OF_4(n, TERM, LAST);
#undef TERM
#undef LAST
    *sum = SUM_OF_4(s);
    *squares = SUM_OF_4(q);
}

/* One pass about the first element gives mean and variance, unless that is an outlier: then another one, about the mean that was
 * found. So nothing is lost by cancellation, and far from zero the rounding of the mean does not show. */
static NAME(moments) NAME(moments_of)(const T *x, int64_t n, T eps, const T *to)
{
    T near = x[0], sum, squares;
    NAME(about)(x, n, near, &sum, &squares, to);
    T low = sum / (T)n, variance = squares / (T)n - low * low;
    if (low * low > 8 * variance) {
        near += low;
        NAME(about)(x, n, near, &sum, &squares, to);
        low = sum / (T)n;
        variance = squares / (T)n - low * low;
    }
    const T inverse = NAME(ct__rsqrt)((variance < 0 ? 0 : variance) + eps);
    return (NAME(moments)){near, inverse, -low * inverse};
}

#define NORMAL(x) MADD((x) - near, inverse, shift)
#define NORMAL_BY(c) const V near = SPREAD((c).near), inverse = SPREAD((c).inverse), shift = SPREAD((c).shift)

/* y = (x - mean) / sqrt(variance + eps) gamma + beta; p: y, x, gamma, beta, eps, far */
static void NAME(layer_norm)(int64_t rows, int64_t n, char *const *p)
{
    const T *gamma = (const T *)(const void *)p[2], *beta = (const T *)(const void *)p[3], eps = *(const T *)(const void *)p[4];
    const bool far = *(const int64_t *)(const void *)p[5];
    for (int64_t k = 0; k < rows; k++) {
        T *y = (T *)(void *)p[0] + k * n;
        const T *x = (const T *)(const void *)p[1] + k * n;
        const NAME(moments) c = NAME(moments_of)(x, n, eps, far ? x : y);
        NORMAL_BY(c);
#define RESULT MADD(NORMAL(LOAD(x + i)), LOAD(gamma + i), LOAD(beta + i))
        if (far) EACH(n, STREAM(y + i, RESULT), (void)0);
        else
            EACH(n, STORE(y + i, RESULT),
                 STORE_SOME(y + i, MADD(NORMAL(LOAD_SOME(x + i, m, 0)), LOAD_SOME(gamma + i, m, 0), LOAD_SOME(beta + i, m, 0)), m));
#undef RESULT
    }
    if (far) ct__stream_end();
}

/* With u = (x - mean) inverse and h = g gamma: adds g u to ggamma and g to gbeta, and gives the sums of h and h u. */
static void NAME(norm_sums)(const T *x, const T *g, const T *gamma, int64_t n, const NAME(moments) *at, T *ggamma, T *gbeta,
                            T *sums)
{
    if (n > CHUNK) {
        const int64_t half = HALVES(n);
        T more[2];
        NAME(norm_sums)(x, g, gamma, half, at, ggamma, gbeta, sums);
        NAME(norm_sums)(x + half, g + half, gamma + half, n - half, at, ggamma + half, gbeta + half, more);
        sums[0] += more[0];
        sums[1] += more[1];
        return;
    }
    NORMAL_BY(*at);
    const uintptr_t soon = SOON_BYTES;
    V s[4] = {SPREAD(0), SPREAD(0), SPREAD(0), SPREAD(0)}, q[4] = {s[0], s[0], s[0], s[0]};
#define ADD_TERMS(k, i, LOAD_X, LOAD_IT, STORE_IT)                                                                            \
    {                                                                                                                         \
        const V u = NORMAL(LOAD_X(x + (i))), dy = LOAD_IT(g + (i)), h = dy * LOAD_IT(gamma + (i));                            \
        s[k] = s[k] + h;                                                                                                      \
        q[k] = MADD(h, u, q[k]);                                                                                              \
        STORE_IT(ggamma + (i), MADD(dy, u, LOAD_IT(ggamma + (i))));                                                           \
        STORE_IT(gbeta + (i), dy + LOAD_IT(gbeta + (i)));                                                                     \
    }
#define LOAD_LAST(p) LOAD_SOME(p, m, 0)
#define LOAD_LAST_X(p) LOAD_SOME(p, m, x[0]) /* u of the other lanes is finite if that of the row is */
#define STORE_LAST(p, x) STORE_SOME(p, x, m)
#define TERM(k, i)                                                                                                            \
    {                                                                                                                         \
        SOON(g + (i));                                                                                                        \
        ADD_TERMS(k, i, LOAD, LOAD, STORE)                                                                                    \
    }
#define LAST(k, i) ADD_TERMS(k, i, LOAD_LAST_X, LOAD_LAST, STORE_LAST)
    EACH_OF_4(n, TERM, LAST);
#undef TERM
#undef LAST
#undef ADD_TERMS
    sums[0] = SUM_OF_4(s);
    sums[1] = SUM_OF_4(q);
}

/* gx = (h - mean h - u mean (h u)) inverse; p: gx, x, g, gamma, eps, ggamma, gbeta, far */
static void NAME(layer_norm_vjp)(int64_t rows, int64_t n, char *const *p)
{
    const T *gamma = (const T *)(const void *)p[3], eps = *(const T *)(const void *)p[4];
    const bool far = *(const int64_t *)(const void *)p[7];
    for (int64_t k = 0; k < rows; k++) {
        const T *x = (const T *)(const void *)p[1] + k * n, *g = (const T *)(const void *)p[2] + k * n;
        T *gx = p[0] ? (T *)(void *)p[0] + k * n : NULL, sums[2];
        const NAME(moments) c = NAME(moments_of)(x, n, eps, gx && !far ? gx : x);
        NAME(norm_sums)(x, g, gamma, n, &c, (T *)(void *)p[5], (T *)(void *)p[6], sums);
        if (!p[0]) continue;
        NORMAL_BY(c);
        const V mean_h = SPREAD(sums[0] / (T)n), mean_hu = SPREAD(sums[1] / (T)n);
#define SLOPE(LOAD_IT) ((MADD(LOAD_IT(g + i), LOAD_IT(gamma + i), -mean_h) - NORMAL(LOAD_IT(x + i)) * mean_hu) * inverse)
        if (far) EACH(n, STREAM(gx + i, SLOPE(LOAD)), (void)0);
        else EACH(n, STORE(gx + i, SLOPE(LOAD)), STORE_LAST(gx + i, SLOPE(LOAD_LAST)));
#undef SLOPE
    }
    if (far) ct__stream_end();
}

/* y_k = <x_k, v> */
static void NAME(row_dot)(int64_t rows, int64_t n, char *const *p)
{
    T *y = (T *)(void *)p[0];
    const T *x = (const T *)(const void *)p[1], *v = (const T *)(const void *)p[2];
    for (int64_t k = 0; k < rows; k++) y[k] = NAME(dot)(x + k * n, v, n);
}

/* y = sum of v_k x_k, many rows at a time: so y is read and written seldom. As many as it takes for the vectors of y to be less of the way
 * than those of x: eight of 64 bytes, four of shorter ones. */
static void NAME(rows_combined)(int64_t rows, int64_t n, char *const *p)
{
    enum { MANY = sizeof(V) == 64 ? 8 : 4 };
    T *y = (T *)(void *)p[0];
    const T *x = (const T *)(const void *)p[1], *v = (const T *)(const void *)p[2];
    const int64_t step = *(const int64_t *)(const void *)p[3];
    memset(y, 0, (size_t)n * sizeof *y);
#define ONTO(y, r, LOAD_IT) MADD(SPREAD(v[r]), LOAD_IT(x + (r) * step + i), y)
#define ONTO_4(y, r, LOAD_IT) ONTO(ONTO(ONTO(ONTO(y, r, LOAD_IT), r + 1, LOAD_IT), r + 2, LOAD_IT), r + 3, LOAD_IT)
#define ONTO_8(y, r, LOAD_IT) ONTO_4(ONTO_4(y, r, LOAD_IT), r + 4, LOAD_IT)
#define ONTO_MANY(LOAD_IT) (MANY == 8 ? ONTO_8(LOAD_IT(y + i), 0, LOAD_IT) : ONTO_4(LOAD_IT(y + i), 0, LOAD_IT))
    for (; rows >= MANY; rows -= MANY, v += MANY, x += MANY * step)
        EACH(n, STORE(y + i, ONTO_MANY(LOAD)), STORE_LAST(y + i, ONTO_MANY(LOAD_LAST)));
    for (; rows > 0; rows--, v++, x += step)
        EACH(n, STORE(y + i, ONTO(LOAD(y + i), 0, LOAD)), STORE_LAST(y + i, ONTO(LOAD_LAST(y + i), 0, LOAD_LAST)));
#undef ONTO_MANY
#undef ONTO_8
#undef ONTO_4
#undef ONTO
}

/* y += x */
static void NAME(add_row)(int64_t rows, int64_t n, char *const *p)
{
    T *y = (T *)(void *)p[0];
    const T *x = (const T *)(const void *)p[1];
    EACH(rows * n, STORE(y + i, LOAD(y + i) + LOAD(x + i)), STORE_LAST(y + i, LOAD_LAST(y + i) + LOAD_LAST(x + i)));
}

#undef LOAD_LAST
#undef LOAD_LAST_X
#undef STORE_LAST
#undef NORMAL
#undef NORMAL_BY
#undef SOON_BYTES
#undef SOON
#undef SOON_WRITTEN
#undef EACH
#undef EACH_OF_4
#undef SUM_OF_4
#undef HALVES
#undef SHORT
#undef CHUNK
#undef NAME
#undef T
#undef HUGE
#undef SUFFIX
#ifdef SCALES
#undef SCALES
#endif
#undef N
#undef EXP_PARTS
#undef EXPONENT
#undef EXP_LEAST
#undef EXP_MOST
#undef V
#undef LANES
#undef GREATER
#undef LESSER
#undef ZEROS
#undef IF_EQUAL
#ifdef M
#undef M
#else
#undef SPREAD
#undef LOAD
#undef STORE
#undef LOAD_SOME
#undef STORE_SOME
#undef STREAM
#undef MADD
#undef SUM_OF
#undef GREATEST_OF
#endif
