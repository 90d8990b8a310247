/*
 * reduce_kernel.h - the inner loops of one reduction of one float dtype; reduce_isa.c includes it once for each, with these defined:
 *     SUFFIX                 ends the functions' names: sum_f32
 *     S, A                   types of an element and of the accumulator; A may be left out where it is S
 *     START                  the reduction of nothing
 *     V                      vectors of 32 bytes of A
 *     LOAD(V, p, about), VJOIN(V, a, b)   the terms of the elements at p, and the join of two.
 *                            The lanes are the same for every instruction set: so is the order of a sum.
 * which it undefines at its end, and these, which stay for the next dtype:
 *     TERM(x, about, scale)  what an element contributes
 *     JOIN(a, b)             of two accumulators
 *     KEPT(a)                an accumulator as it is kept in memory, and the other way round
 *
 * Elements are fetched ahead of their use: the processor does so by itself within a page alone.
 */
#ifndef A
#define A S
#endif
#if defined __AVX512VL__
#define VV CT__CONCAT(TWICE_, V) /* a and b, or c and d, as one */
#endif
#define NAME(part) CT__CONCAT(part##_, SUFFIX)

static inline A NAME(pair)(A a, A b) { return JOIN(a, b); }

/* One block, by four vectors side by side. */
static NOINLINE A NAME(block)(const S *x, int64_t n, double about, double scale)
{
    enum { W = 32 / sizeof(A), LINE = 64 / sizeof(S) };
    const A flip = (A)scale;
    const int64_t ahead = ct__processor.ahead.read;
    (void)about, (void)scale, (void)flip;
    A s = START;
    int64_t i = 0;
    if (n >= W) {
        V a = LOAD(V, x, about);
        i = W;
        if (n >= 4 * W) {
#ifdef VV
            VV ab = LOAD(VV, x, about), cd = LOAD(VV, x + 2 * W, about);
#else
            V b = LOAD(V, x + W, about), c = LOAD(V, x + 2 * W, about), d = LOAD(V, x + 3 * W, about);
#endif
            for (i = 4 * W; i + 8 * W <= n; i += 8 * W) {
                const S *y = x + i, *z = y + 4 * W;
                for (int k = 0; k < 8 * W; k += LINE) __builtin_prefetch((const char *)(y + k) + ahead);
#ifdef VV
                const VV p = LOAD(VV, y, about), q = LOAD(VV, y + 2 * W, about);
                const VV p2 = LOAD(VV, z, about), q2 = LOAD(VV, z + 2 * W, about);
                ab = VJOIN(VV, ab, VJOIN(VV, p, p2));
                cd = VJOIN(VV, cd, VJOIN(VV, q, q2));
#else
                const V p = LOAD(V, y, about), q = LOAD(V, y + W, about), r = LOAD(V, y + 2 * W, about), t = LOAD(V, y + 3 * W, about);
                const V p2 = LOAD(V, z, about), q2 = LOAD(V, z + W, about), r2 = LOAD(V, z + 2 * W, about), t2 = LOAD(V, z + 3 * W, about);
                a = VJOIN(V, a, VJOIN(V, p, p2));
                b = VJOIN(V, b, VJOIN(V, q, q2));
                c = VJOIN(V, c, VJOIN(V, r, r2));
                d = VJOIN(V, d, VJOIN(V, t, t2));
#endif
            }
#ifdef VV
            V half[4];
            memcpy(half, &ab, sizeof ab);
            memcpy(half + 2, &cd, sizeof cd);
            a = VJOIN(V, VJOIN(V, half[0], half[1]), VJOIN(V, half[2], half[3]));
#else
            a = VJOIN(V, VJOIN(V, a, b), VJOIN(V, c, d));
#endif
        }
        for (; i + W <= n; i += W) a = VJOIN(V, a, LOAD(V, x + i, about));
        A lane[W];
        memcpy(lane, &a, sizeof lane);
        const A even = NAME(pair)(lane[0], lane[W / 2]), odd = NAME(pair)(lane[1], lane[1 + W / 2]);
        s = NAME(pair)(even, odd);
        if (W == 8) s = NAME(pair)(s, NAME(pair)(NAME(pair)(lane[2], lane[W - 2]), NAME(pair)(lane[3], lane[W - 1])));
    }
    for (; i < n; i++) s = NAME(pair)(s, TERM(x[i], about, scale));
    return s;
}

/* Blocks combined in pairs, and these again. */
static NOINLINE A NAME(run)(const S *x, int64_t n, double about, double scale)
{
    if (n <= CT__REDUCE_BLOCK) return NAME(block)(x, n, about, scale);
    const int64_t half = (n / 2 + CT__REDUCE_BLOCK - 1) / CT__REDUCE_BLOCK * CT__REDUCE_BLOCK;
    const A left = NAME(run)(x, half, about, scale);
    return NAME(pair)(left, NAME(run)(x + half, n - half, about, scale));
}

static void NAME(rows)(const char *x, int64_t step, int64_t count, int64_t n, const ct__term *t, char *out)
{
    A *y = (A *)(void *)out;
    const A flip = (A)t->scale;
    (void)flip;
    for (int64_t k = 0; k < count; k++)
        y[k] = KEPT(NAME(run)((const S *)(const void *)(x + k * step), n, t->about[k * t->step], t->scale));
}

/* y_i = join of the terms at i of one row, or of four in pairs, or of twice four; of y_i and these where `more`. y may be a row. Of each of
 * eight rows, what stands `ahead` bytes on is fetched (0: nothing). */
static INLINE void NAME(add_vectors)(const char *const *row, int rows, bool more, int64_t n, const ct__term *t, A *y, int64_t ahead)
{
    enum { W = 32 / sizeof(A) };
    const double *about = t->about, scale = t->scale;
    const A flip = (A)scale;
    (void)about, (void)scale, (void)flip;
    const S *x[8];
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) x[k] = (const S *)(const void *)row[k < rows ? k : 0];
#define AT(k) (x[k] + i)
#define ABOUT(V) (*(const CT__CONCAT(ABOUT_FOR_, V) *)(const void *)(about + i))
#define TERMS(V, k) LOAD(V, AT(k), ABOUT(V))
#define ADD_VECTORS(V, W)                                                                                                      \
    for (; i + (W) <= n; i += (W)) {                                                                                           \
        if (rows == 8 && ahead && i % (64 / (int64_t)sizeof(S)) == 0) {                                                        \
            _Pragma("GCC unroll 8") for (int k = 0; k < 8; k++) __builtin_prefetch((const char *)AT(k) + ahead, 0, 2);         \
        }                                                                                                                      \
        typedef V v_at __attribute__((aligned(4), may_alias));                                                                 \
        V sum = TERMS(V, 0);                                                                                                   \
        if (rows >= 4) sum = VJOIN(V, VJOIN(V, sum, TERMS(V, 1)), VJOIN(V, TERMS(V, 2), TERMS(V, 3)));                         \
        if (more) sum = VJOIN(V, KEPT(*(const v_at *)(const void *)(y + i)), sum);                                             \
        if (rows == 8) {                                                                                                       \
            const V first = VJOIN(V, TERMS(V, 4), TERMS(V, 5)), second = VJOIN(V, TERMS(V, 6), TERMS(V, 7));                   \
            sum = VJOIN(V, sum, VJOIN(V, first, second));                                                                      \
        }                                                                                                                      \
        *(v_at *)(void *)(y + i) = KEPT(sum);                                                                                  \
    }
#define GET(k) TERM(*AT(k), about[i], scale)
    int64_t i = 0;
#ifdef VV
    ADD_VECTORS(VV, 2 * W)
#endif
    ADD_VECTORS(V, W)
    for (; i < n; i++) { /* fewer than make a vector */
        A sum = GET(0);
        if (rows >= 4) sum = NAME(pair)(NAME(pair)(sum, GET(1)), NAME(pair)(GET(2), GET(3)));
        if (more) sum = NAME(pair)(KEPT(y[i]), sum);
        if (rows == 8) sum = NAME(pair)(sum, NAME(pair)(NAME(pair)(GET(4), GET(5)), NAME(pair)(GET(6), GET(7))));
        y[i] = KEPT(sum);
    }
#undef AT
#undef ABOUT
#undef TERMS
#undef ADD_VECTORS
#undef GET
}
static NOINLINE void NAME(add_rows)(const char *const *row, int rows, bool more, int64_t n, const ct__term *t, A *y)
{
    NAME(add_vectors)(row, rows, more, n, t, y, 0);
}

static void NAME(columns)(const char *const *row, int64_t count, int64_t n, const ct__term *t, char *out)
{
    A *y = (A *)(void *)out;
#ifdef FETCHES
    const int64_t ahead = count > 1 ? ct__processor.ahead.columns * (row[1] - row[0]) : 0;
#else
    const int64_t ahead = 0;
#endif
    int64_t r = 0;
    for (; r < count % 4; r++) NAME(add_rows)(row + r, 1, r > 0, n, t, y);
    for (; r + 8 <= count; r += 8) NAME(add_vectors)(row + r, 8, r > 0, n, t, y, ahead);
    if (r < count) NAME(add_rows)(row + r, 4, r > 0, n, t, y);
}

#undef NAME
#undef SUFFIX
#undef S
#undef A
#undef START
#undef V
#undef VV
#undef LOAD
#undef VJOIN
