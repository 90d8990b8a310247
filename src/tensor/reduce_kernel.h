/*
 * reduce_kernel.h - the inner loops of one reduction of one dtype; reduce_isa.c includes it once for each, with these defined:
 *     SUFFIX                 ends the functions' names: sum_f32
 *     S, A                   types of an element and of the accumulator; A may be left out where it is S
 *     START                  the reduction of nothing
 *     V, LOAD(p, about), VJOIN   for floats: vectors of 32 bytes of A, the terms of the elements at p, and the join of two.
 *                            The lanes are the same for every instruction set: so is the order of a sum.
 * which it undefines at its end, and these, which stay for the next dtype:
 *     TERM(x, about, scale)  what an element contributes
 *     JOIN(a, b)             of two accumulators; evaluates them more than once
 */
#ifndef A
#define A S
#endif
#define NAME(part) CT__CONCAT(part##_, SUFFIX)

static inline A NAME(pair)(A a, A b) { return JOIN(a, b); }

#ifdef V
/* One block, by four vectors side by side. */
static inline A NAME(block)(const S *x, int64_t n, double about, double scale)
{
    enum { W = 32 / sizeof(A) };
    (void)about, (void)scale;
    A s = START;
    int64_t i = 0;
    if (n >= W) {
        V a = LOAD(x, about);
        i = W;
        if (n >= 4 * W) {
            V b = LOAD(x + W, about), c = LOAD(x + 2 * W, about), d = LOAD(x + 3 * W, about);
            for (i = 4 * W; i + 8 * W <= n; i += 8 * W) {
                const S *y = x + i, *z = y + 4 * W;
                const V p = LOAD(y, about), q = LOAD(y + W, about), r = LOAD(y + 2 * W, about), t = LOAD(y + 3 * W, about);
                const V p2 = LOAD(z, about), q2 = LOAD(z + W, about), r2 = LOAD(z + 2 * W, about), t2 = LOAD(z + 3 * W, about);
                const V p3 = VJOIN(p, p2), q3 = VJOIN(q, q2), r3 = VJOIN(r, r2), t3 = VJOIN(t, t2);
                a = VJOIN(a, p3);
                b = VJOIN(b, q3);
                c = VJOIN(c, r3);
                d = VJOIN(d, t3);
            }
            a = VJOIN(a, b);
            c = VJOIN(c, d);
            a = VJOIN(a, c);
        }
        for (; i + W <= n; i += W) {
            const V p = LOAD(x + i, about);
            a = VJOIN(a, p);
        }
        A lane[W];
        memcpy(lane, &a, sizeof lane);
        const A even = NAME(pair)(lane[0], lane[W / 2]), odd = NAME(pair)(lane[1], lane[1 + W / 2]);
        s = NAME(pair)(even, odd);
        if (W == 8) s = NAME(pair)(s, NAME(pair)(NAME(pair)(lane[2], lane[W - 2]), NAME(pair)(lane[3], lane[W - 1])));
    }
    for (; i < n; i++) s = NAME(pair)(s, TERM(x[i], about, scale));
    return s;
}
#else
static inline A NAME(block)(const S *x, int64_t n, double about, double scale)
{
    (void)about, (void)scale;
    A s = START;
    for (int64_t i = 0; i < n; i++) s = NAME(pair)(s, TERM(x[i], about, scale));
    return s;
}
#endif

/* Blocks combined in pairs, and these again. */
static A NAME(run)(const S *x, int64_t n, double about, double scale)
{
    if (n <= CT__REDUCE_BLOCK) return NAME(block)(x, n, about, scale);
    const int64_t half = (n / 2 + CT__REDUCE_BLOCK - 1) / CT__REDUCE_BLOCK * CT__REDUCE_BLOCK;
    const A left = NAME(run)(x, half, about, scale);
    return NAME(pair)(left, NAME(run)(x + half, n - half, about, scale));
}

static void NAME(rows)(const char *x, int64_t step, int64_t count, int64_t n, const ct__term *t, char *out)
{
    A *y = (A *)(void *)out;
    for (int64_t k = 0; k < count; k++) {
        const S *row = (const S *)(const void *)(x + k * step);
        y[k] = n <= CT__REDUCE_BLOCK ? NAME(block)(row, n, t->about[k * t->step], t->scale)
                                     : NAME(run)(row, n, t->about[k * t->step], t->scale);
    }
}

/* y_i = join of the terms of one row, or of four in pairs, at i; of y_i and these where `more`. Both are constants here. */
static inline __attribute__((always_inline)) void NAME(add_rows)(const char *const *row, bool four, bool more, int64_t n,
                                                                 const ct__term *t, A *restrict y)
{
    const S *restrict a = (const S *)(const void *)row[0], *restrict b = (const S *)(const void *)row[four ? 1 : 0];
    const S *restrict c = (const S *)(const void *)row[four ? 2 : 0], *restrict d = (const S *)(const void *)row[four ? 3 : 0];
    const double *restrict about = t->about;
    const double scale = t->scale;
    int64_t i = 0;
    (void)about, (void)scale;
#ifdef V
#define ABOUT (*(const f64x4_at *)(const void *)(about + i))
    enum { W = 32 / sizeof(A) };
    typedef V v_at __attribute__((aligned(4), may_alias));
    for (; i + W <= n; i += W) {
        V sum = LOAD(a + i, ABOUT);
        if (four) {
            const V p = LOAD(b + i, ABOUT), q = LOAD(c + i, ABOUT), r = LOAD(d + i, ABOUT), s = VJOIN(q, r);
            sum = VJOIN(sum, p);
            sum = VJOIN(sum, s);
        }
        if (more) {
            const V before = *(const v_at *)(void *)(y + i);
            sum = VJOIN(before, sum);
        }
        *(v_at *)(void *)(y + i) = sum;
    }
#undef ABOUT
#endif
    for (; i < n; i++) {
        A sum = TERM(a[i], about[i], scale);
        if (four)
            sum = NAME(pair)(NAME(pair)(sum, TERM(b[i], about[i], scale)),
                             NAME(pair)(TERM(c[i], about[i], scale), TERM(d[i], about[i], scale)));
        y[i] = more ? NAME(pair)(y[i], sum) : sum;
    }
}

static void NAME(columns)(const char *const *row, int64_t count, int64_t n, const ct__term *t, char *out)
{
    A *y = (A *)(void *)out;
    int64_t r = count % 4;
    if (r > 0) NAME(add_rows)(row, false, false, n, t, y);
    for (int64_t k = 1; k < r; k++) NAME(add_rows)(row + k, false, true, n, t, y);
    if (r == 0) {
        NAME(add_rows)(row, true, false, n, t, y);
        r = 4;
    }
    for (; r < count; r += 4) NAME(add_rows)(row + r, true, true, n, t, y);
}

static void NAME(join)(char *out, const char *more, int64_t n)
{
    A *restrict y = (A *)(void *)out;
    const A *restrict x = (const A *)(const void *)more;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = NAME(pair)(y[i], x[i]);
}

#undef NAME
#undef SUFFIX
#undef S
#undef A
#undef START
#ifdef V
#undef V
#undef LOAD
#undef VJOIN
#endif
