/*
 * gemm_kernel.h - the tiles of a small matrix product for one element type, read by gemm_isa.c once for each.
 *
 * Expects: T, V (a vector of T), LANES, ROWS (of a tile), NAME(x), and LOAD, STORE, LOAD_SOME, STORE_SOME (the first n lanes), SPREAD (one value
 * to all lanes), MADD(a, b, c) = a b + c.
 *
 * A tile is up to ROWS rows of C by one or two vectors of columns, kept in registers over the whole sum, which runs upwards in l: so an element of C
 * has the same bits whatever tile it falls into.
 */

/* What is constant along a strip of columns. */
typedef struct NAME(strip) {
    const T *a, *b;
    T *c;
    int64_t a_row, a_column, b_row, c_row, k;
    int last; /* lanes of the last vector that are columns of C */
    T alpha, beta;
} NAME(strip);

#define TILE(rows, vectors)                                                                                            \
    static void NAME(tile_##rows##_##vectors)(const NAME(strip) * s, const T *a, T *c)                                 \
    {                                                                                                                  \
        V sum[rows][vectors];                                                                                          \
        UNROLL for (int i = 0; i < rows; i++)                                                                          \
        {                                                                                                              \
            UNROLL for (int v = 0; v < vectors; v++) sum[i][v] = SPREAD(0);                                            \
        }                                                                                                              \
        const T *b = s->b;                                                                                             \
        const bool all = s->last == LANES;                                                                             \
        for (int64_t l = 0; l < s->k; l++, a += s->a_column, b += s->b_row) {                                          \
            V y[vectors];                                                                                              \
            UNROLL for (int v = 0; v + 1 < vectors; v++) y[v] = LOAD(b + v * LANES);                                   \
            y[vectors - 1] = all ? LOAD(b + (vectors - 1) * LANES) : LOAD_SOME(b + (vectors - 1) * LANES, s->last);     \
            UNROLL for (int i = 0; i < rows; i++)                                                                      \
            {                                                                                                          \
                const V x = SPREAD(a[i * s->a_row]);                                                                   \
                UNROLL for (int v = 0; v < vectors; v++) sum[i][v] = MADD(x, y[v], sum[i][v]);                         \
            }                                                                                                          \
        }                                                                                                              \
        const V alpha = SPREAD(s->alpha), beta = SPREAD(s->beta);                                                      \
        UNROLL for (int i = 0; i < rows; i++)                                                                          \
        {                                                                                                              \
            UNROLL for (int v = 0; v < vectors; v++)                                                                   \
            {                                                                                                          \
                T *to = c + i * s->c_row + v * LANES;                                                                  \
                const bool whole = v + 1 < vectors || all;                                                             \
                V z = alpha * sum[i][v];                                                                               \
                if (s->beta != 0) z = MADD(beta, whole ? LOAD(to) : LOAD_SOME(to, s->last), z);                        \
                if (whole) STORE(to, z);                                                                               \
                else STORE_SOME(to, z, s->last);                                                                       \
            }                                                                                                          \
        }                                                                                                              \
    }
TILE(1, 1)
TILE(2, 1)
TILE(3, 1)
TILE(4, 1)
TILE(5, 1)
TILE(6, 1)
TILE(1, 2)
TILE(2, 2)
TILE(3, 2)
TILE(4, 2)
TILE(5, 2)
TILE(6, 2)
#undef TILE

static void NAME(run_strip)(const NAME(strip) * s, int64_t rows, int vectors)
{
    typedef void (*tile)(const NAME(strip) *, const T *, T *);
    static const tile tiles[2][7] = {
        {NULL, NAME(tile_1_1), NAME(tile_2_1), NAME(tile_3_1), NAME(tile_4_1), NAME(tile_5_1), NAME(tile_6_1)},
        {NULL, NAME(tile_1_2), NAME(tile_2_2), NAME(tile_3_2), NAME(tile_4_2), NAME(tile_5_2), NAME(tile_6_2)},
    };
    int64_t i = 0;
    for (; i + ROWS <= rows; i += ROWS) tiles[vectors - 1][ROWS](s, s->a + i * s->a_row, s->c + i * s->c_row);
    if (i < rows) tiles[vectors - 1][rows - i](s, s->a + i * s->a_row, s->c + i * s->c_row);
}

/* to[l * to_row + j] = b(l, j) where the columns of B, not its rows, are contiguous or far apart. */
static void NAME(turn)(T *restrict to, int64_t to_row, const T *b, int64_t row, int64_t column, int64_t k, int64_t n)
{
    for (int64_t j0 = 0; j0 < n; j0 += LANES) {
        const int64_t w = n - j0 < LANES ? n - j0 : LANES;
        int64_t l0 = 0;
        if (row == 1 && w == LANES) {
            for (; l0 + LANES <= k; l0 += LANES) {
                V rows[LANES];
                UNROLL for (int j = 0; j < LANES; j++) rows[j] = LOAD(b + l0 + (j0 + j) * column);
                TRANSPOSE(rows);
                UNROLL for (int l = 0; l < LANES; l++) STORE(to + (l0 + l) * to_row + j0, rows[l]);
            }
        }
        for (; l0 < k; l0++) {
            for (int64_t j = j0; j < j0 + w; j++) to[l0 * to_row + j] = b[l0 * row + j * column];
        }
    }
}

static void NAME(turn_bits)(void *to, int64_t to_row, const void *b, int64_t row, int64_t column, int64_t k, int64_t n)
{
    NAME(turn)((T *)to, to_row, (const T *)b, row, column, k, n);
}

/* C = alpha A B + beta C, C by rows. B is turned first where its rows are not contiguous. */
static void NAME(small)(const ct__matrix *a, const ct__matrix *b, const ct__matrix *c, double alpha, double beta)
{
    enum { ROOM = 16384 / sizeof(T) };
    _Alignas(64) T turned[ROOM];
    NAME(strip) s = {.a = (const T *)(const void *)a->data, .a_row = a->row, .a_column = a->column, .c_row = c->row, .k = a->columns,
                     .alpha = (T)alpha, .beta = (T)beta};
    const T *from = (const T *)(const void *)b->data;
    T *to = (T *)(void *)c->data;
    const int64_t n = c->columns, width = b->column == 1 ? n : ROOM / s.k / LANES * LANES; /* columns turned at a time */
    for (int64_t j0 = 0; j0 < n; j0 += width) {
        const int64_t m = n - j0 < width ? n - j0 : width;
        const T *y = from + j0 * b->column;
        s.b_row = b->row;
        if (b->column != 1) {
            s.b_row = (m + LANES - 1) / LANES * LANES;
            NAME(turn)(turned, s.b_row, y, b->row, b->column, s.k, m);
            y = turned;
        }
        for (int64_t j = 0; j < m; j += 2 * LANES) {
            const int64_t left = m - j;
            const int vectors = left > LANES ? 2 : 1;
            s.b = y + j;
            s.c = to + j0 + j;
            s.last = (int)(left >= vectors * LANES ? LANES : left - (vectors - 1) * LANES);
            NAME(run_strip)(&s, c->rows, vectors);
        }
    }
}

/* Panels of B, nr columns wide: element (l, j) of a panel at [l * nr + j]. */
static void NAME(pack_b)(void *space, const void *from, int64_t row, int64_t column, int64_t k, int64_t n, int64_t nr)
{
    T *to = space;
    const T *b = from;
    for (int64_t j0 = 0; j0 < n; j0 += nr, to += k * nr) {
        const int64_t w = n - j0 < nr ? n - j0 : nr;
        if (column == 1) {
            for (int64_t l = 0; l < k; l++) memcpy(to + l * nr, b + j0 + l * row, (size_t)w * sizeof(T));
        } else {
            NAME(turn)(to, nr, b + j0 * column, row, column, k, w);
        }
    }
}
