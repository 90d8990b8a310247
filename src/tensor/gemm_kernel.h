/*
 * gemm_kernel.h - matrix products for one element type, read by gemm_isa.c once for each.
 *
 * Expects: T, V (a vector of T), LANES, ROWS (of a tile), FOR_EACH_ROW, BLOCK (bytes of A), NAME(x); LOAD, STORE; LOAD_SOME,
 * STORE_SOME (the first n lanes), CHEAP_MASKS (is that as fast as all of them?), LOAD_LAST(p, n, whole) (n lanes, or all where that is allowed and
 * faster); SPREAD (one value to all lanes), MADD(a, b, c) = a b + c, POSITIVE(x) (0 where x <= 0, else x), TRANSPOSE(rows).
 *
 * A tile is up to ROWS rows of C by one or two vectors of columns, kept in registers over the sum, which runs upwards in l by
 * chunks that k alone decides: so an element of C has the same bits whatever tile, strip, block or thread it falls to. Tiles
 * lie in strips of columns, for which a panel of B stays in first-level cache, and strips in blocks of rows, for which A stays
 * in the second level. A and B are read where they are, or packed into panels first where they are turned or where their rows
 * lie so far apart that they would fight for the same lines of a cache.
 */

enum {
    NAME(WIDTH) = 2 * LANES,                            /* columns of a strip */
    NAME(PITCH) = (ROWS + LANES - 1) / LANES * LANES,   /* from one l to the next in a panel of A */
    NAME(UPPER) = 7,                                    /* rows of a tile that are counted from its first */
};

/* What is constant along a strip of columns. */
typedef struct NAME(strip) {
    const T *b, *from; /* beta is for `from`, C itself or the bias */
    T *c;
    int64_t a_row, a_column, b_row, c_row, from_row, k;
    int last; /* lanes of the last vector that are columns of C */
    struct {
        const T *at;
        int64_t steps, step, lines, line; /* so many times `lines` lines, `line` elements apart */
    } next;                               /* B of the strip to come, to be fetched while this one is summed */
    bool whole, plain, adds, relu;        /* whole: B may be read up to full vectors; plain: C is the sums */
    bool biased;                          /* C is the sums and a row of biases, perhaps with relu */
    T alpha, beta;
} NAME(strip);

/* What the end of a product comes to, by alpha, beta, from_row and relu. */
static inline void NAME(say_end)(NAME(strip) * s)
{
    s->adds = s->beta != 0;
    s->plain = s->alpha == 1 && !s->adds && !s->relu;
    s->biased = s->alpha == 1 && s->beta == 1 && s->from_row == 0;
}

/* C from the sums and a row of biases. */
__attribute__((noinline)) static void NAME(add_bias)(const NAME(strip) * s, const T *sum, int64_t row, int rows, int vectors)
{
    const int64_t c_row = s->c_row;
    const bool relu = s->relu;
    for (int v = 0; v < vectors; v++) {
        const int n = v + 1 < vectors ? LANES : s->last;
        const V bias = LOAD_SOME(s->from + v * LANES, n);
        const T *x = sum + v * LANES;
        T *c = s->c + row * c_row + v * LANES;
        for (int i = 0; i < rows; i++, x += NAME(WIDTH), c += c_row) {
            V z = LOAD_SOME(x, n) + bias;
            if (relu) z = POSITIVE(z);
            STORE_SOME(c, z, n);
        }
    }
}

/* C from the sums of a tile, where it is not the sums alone. One loop for all tiles: it is passed once in DEPTH terms. */
__attribute__((noinline)) static void NAME(finish)(const NAME(strip) * s, const T *sum, int64_t row, int rows, int vectors)
{
    if (s->biased) {
        NAME(add_bias)(s, sum, row, rows, vectors);
        return;
    }
    const V alpha = SPREAD(s->alpha), beta = SPREAD(s->beta);
    const int64_t c_row = s->c_row, from_row = s->from_row;
    const bool adds = s->adds, relu = s->relu;
    for (int v = 0; v < vectors; v++) {
        const int n = v + 1 < vectors ? LANES : s->last;
        const T *x = sum + v * LANES, *from = s->from + row * from_row + v * LANES;
        T *c = s->c + row * c_row + v * LANES;
        for (int i = 0; i < rows; i++, x += NAME(WIDTH), c += c_row, from += from_row) {
            V z = alpha * LOAD_SOME(x, n);
            if (adds) z = MADD(beta, LOAD_SOME(from, n), z);
            if (relu) z = POSITIVE(z);
            STORE_SOME(c, z, n);
        }
    }
}

/* The tiles that fill the registers, which most rows fall to, add biases there; those of long vectors of f32 alone, for the sake of size. */
#define IN_PLACE(rows, vectors) (sizeof(T) == 4 && LANES > 4 && 3 * (rows) > 2 * ROWS && (vectors) == 2)

/* The lower rows are counted from a place of their own: the registers of the processor have not room for the offsets of all, and what is kept
 * elsewhere takes 5 % of the loop's time. Tiles that large products are made of begin at a line: where they happened not to,
 * 2048 x 2048 x 2048 took 8 % longer. */
#define TILE(rows, vectors)                                                                                            \
    __attribute__((aligned(2 * (rows) > ROWS && (vectors) == 2 ? 64 : 16))) static void NAME(tile_##rows##_##vectors)( \
        const NAME(strip) * s, const T *a, int64_t row)                                                                \
    {                                                                                                                  \
        V sum[rows][vectors];                                                                                          \
        UNROLL for (int i = 0; i < rows; i++)                                                                          \
        {                                                                                                              \
            UNROLL for (int v = 0; v < vectors; v++) sum[i][v] = SPREAD(0);                                            \
        }                                                                                                              \
        const T *b = s->b;                                                                                             \
        const int64_t a_row = s->a_row, a_column = s->a_column, b_row = s->b_row;                                      \
        const int last = s->last;                                                                                      \
        const bool whole = s->whole;                                                                                   \
        const T *lower = (rows) > NAME(UPPER) ? a + NAME(UPPER) * a_row : a;                                           \
        __asm__("" : "+r"(lower));                                                                                     \
        for (int64_t l = s->k; l > 0; l--, a += a_column, lower += a_column, b += b_row) {                             \
            V y[vectors];                                                                                              \
            UNROLL for (int v = 0; v + 1 < vectors; v++) y[v] = LOAD(b + v * LANES);                                   \
            y[vectors - 1] = LOAD_LAST(b + (vectors - 1) * LANES, last, whole);                                        \
            UNROLL for (int i = 0; i < rows; i++)                                                                      \
            {                                                                                                          \
                const V x = SPREAD(*(i < NAME(UPPER) ? a + i * a_row : lower + (i - NAME(UPPER)) * a_row));            \
                UNROLL for (int v = 0; v < vectors; v++) sum[i][v] = MADD(x, y[v], sum[i][v]);                         \
            }                                                                                                          \
        }                                                                                                              \
        const bool in_whole = CHEAP_MASKS || last == LANES; /* what is not is put aside, and stored in finish() */     \
        const bool here = in_whole && IN_PLACE(rows, vectors) && s->biased, done = in_whole && (s->plain || here);     \
        if (here) {                                                                                                    \
            V bias[vectors];                                                                                           \
            UNROLL for (int v = 0; v + 1 < vectors; v++) bias[v] = LOAD(s->from + v * LANES);                          \
            bias[vectors - 1] = LOAD_SOME(s->from + (vectors - 1) * LANES, last);                                      \
            UNROLL for (int i = 0; i < rows; i++)                                                                      \
            {                                                                                                          \
                UNROLL for (int v = 0; v < vectors; v++) sum[i][v] = sum[i][v] + bias[v];                              \
            }                                                                                                          \
            if (s->relu) {                                                                                             \
                UNROLL for (int i = 0; i < rows; i++)                                                                  \
                {                                                                                                      \
                    UNROLL for (int v = 0; v < vectors; v++) sum[i][v] = POSITIVE(sum[i][v]);                          \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        _Alignas(64) T aside[(rows) * NAME(WIDTH)];                                                                    \
        T *to = done ? s->c + row * s->c_row : aside;                                                                  \
        const int64_t step = done ? s->c_row : NAME(WIDTH);                                                            \
        UNROLL for (int i = 0; i < rows; i++, to += step)                                                              \
        {                                                                                                              \
            UNROLL for (int v = 0; v + 1 < vectors; v++) STORE(to + v * LANES, sum[i][v]);                             \
            if (CHEAP_MASKS) STORE_SOME(to + (vectors - 1) * LANES, sum[i][vectors - 1], last);                        \
            else STORE(to + (vectors - 1) * LANES, sum[i][vectors - 1]);                                               \
        }                                                                                                              \
        if (!done) NAME(finish)(s, aside, row, rows, vectors);                                                         \
    }
#define TILES(rows) TILE(rows, 1) TILE(rows, 2)
FOR_EACH_ROW(TILES)
#undef TILES
#undef TILE
#undef IN_PLACE

#define ONE(rows) NAME(tile_##rows##_1),
#define TWO(rows) NAME(tile_##rows##_2),
static void (*const NAME(tiles)[2][ROWS + 1])(const NAME(strip) *, const T *, int64_t) = {
    {NULL, FOR_EACH_ROW(ONE)},
    {NULL, FOR_EACH_ROW(TWO)},
};
#undef ONE
#undef TWO

/* A square of up to LANES by LANES: to[l * to_row + j] = b[l + j * column] for l < h, j < w; full vectors are written. */
static void NAME(turn_square)(T *restrict to, int64_t to_row, const T *b, int64_t column, int h, int w)
{
    V rows[LANES];
    const bool full = h == LANES && w == LANES;
    if (full) {
        UNROLL for (int j = 0; j < LANES; j++) rows[j] = LOAD(b + j * column);
    } else {
        UNROLL for (int j = 0; j < LANES; j++) rows[j] = LOAD_SOME(b + (j < w ? j : 0) * column, h);
    }
    TRANSPOSE(rows);
    if (full) {
        UNROLL for (int l = 0; l < LANES; l++) STORE(to + l * to_row, rows[l]);
        return;
    }
    UNROLL for (int l = 0; l < LANES; l++)
    {
        if (l < h) STORE(to + l * to_row, rows[l]);
    }
}

/* to[l * to_row + j] = b[l * row + j * column] for k rows and n columns. `to` has room for full vectors. */
static void NAME(pack)(T *restrict to, int64_t to_row, const T *b, int64_t row, int64_t column, int64_t k, int64_t n)
{
    for (int64_t j0 = 0; j0 < n; j0 += LANES) {
        const int w = (int)(n - j0 < LANES ? n - j0 : LANES);
        const T *from = b + j0 * column;
        T *into = to + j0;
        if (column == 1) {
            for (int64_t l = 0; l < k; l++) STORE(into + l * to_row, LOAD_SOME(from + l * row, w));
        } else if (row == 1) {
            for (int64_t l = 0; l < k; l += LANES)
                NAME(turn_square)(into + l * to_row, to_row, from + l, column, (int)(k - l < LANES ? k - l : LANES), w);
        } else {
            for (int64_t l = 0; l < k; l++) {
                for (int j = 0; j < w; j++) into[l * to_row + j] = from[l * row + j * column];
            }
        }
    }
}

/* The rows of a block, in as few tiles as will do, of about the same height. `panel`: from one packed panel of A to the next, 0
 * for A as it is. While a tile is summed, its part of C is fetched, and a piece of the next strip's B. */
static void NAME(run_strip)(const NAME(strip) * s, const T *a, int64_t panel, int64_t i0, int64_t rows, int vectors)
{
    void (*const *const tiles)(const NAME(strip) *, const T *, int64_t) = NAME(tiles)[vectors - 1];
    if (rows <= ROWS) {
        tiles[rows](s, a, i0);
        return;
    }
    const T *next = s->next.at;
    int64_t ahead = s->next.steps;
    for (int64_t count = (rows + ROWS - 1) / ROWS, i = 0; count > 0; count--) {
        const int64_t height = (rows - i + count - 1) / count;
        for (int64_t piece = (ahead + count - 1) / count; piece > 0; piece--, ahead--, next += s->next.step) {
            for (int64_t line = 0; line < s->next.lines; line++) __builtin_prefetch(next + line * s->next.line);
        }
        if (!s->plain) {
            const T *from = s->from + (i0 + i) * s->from_row;
            for (int64_t h = 0; h < height; h++, from += s->from_row) {
                __builtin_prefetch(from);
                __builtin_prefetch(from + LANES);
            }
        }
        tiles[height](s, a, i0 + i);
        a += panel ? panel : height * s->a_row;
        i += height;
    }
}

/* Panels of A, one for each tile of run_strip: element (i, l) of a panel at [l * PITCH + i]. Where A's columns are contiguous,
 * some rows of its transpose at a time go to all panels: else each of their lines would be fetched for two. */
static void NAME(pack_a)(T *to, const T *a, int64_t row, int64_t column, int64_t rows, int64_t k)
{
    const int64_t step = row == 1 ? 8 : k;
    for (int64_t l = 0; l < k; l += step) {
        T *panel = to + l * NAME(PITCH);
        for (int64_t count = (rows + ROWS - 1) / ROWS, i = 0; count > 0; count--) {
            const int64_t height = (rows - i + count - 1) / count;
            NAME(pack)(panel, NAME(PITCH), a + i * row + l * column, column, row, k - l < step ? k - l : step, height);
            panel += k * NAME(PITCH);
            i += height;
        }
    }
}

/* Panels of B, one for each strip: element (l, j) of a panel at [l * WIDTH + j]. */
static void NAME(pack_b)(T *to, const T *b, int64_t row, int64_t column, int64_t k, int64_t n)
{
    const int64_t step = column == 1 ? 8 : k;
    for (int64_t l = 0; l < k; l += step) {
        T *panel = to + l * NAME(WIDTH);
        for (int64_t j = 0; j < n; j += NAME(WIDTH), panel += k * NAME(WIDTH)) {
            const int64_t w = n - j < NAME(WIDTH) ? n - j : NAME(WIDTH);
            NAME(pack)(panel, NAME(WIDTH), b + j * column + l * row, row, column, k - l < step ? k - l : step, w);
        }
    }
}

/* Where B of the next strip lies, of which `columns` are left, if there is one. */
static void NAME(look_ahead)(NAME(strip) * s, const ct__gemm_part *p, const T *b, int64_t columns)
{
    s->next.at = b;
    s->next.steps = 0;
    if (columns <= 0) return;
    if (p->space_b || p->b->column == 1) {
        s->next.steps = s->k;
        s->next.step = p->space_b ? NAME(WIDTH) : p->b->row;
        s->next.lines = columns > LANES ? 2 : 1;
        s->next.line = LANES;
    } else if (p->b->row == 1) {
        s->next.steps = (s->k + LANES - 1) / LANES;
        s->next.step = LANES;
        s->next.lines = columns < NAME(WIDTH) ? columns : NAME(WIDTH);
        s->next.line = p->b->column;
    }
}

/* A chunk of the sum for a block of rows: strip by strip. */
static void NAME(run_block)(NAME(strip) * s, const ct__gemm_part *p, const T *a, int64_t panel, const T *b, int64_t i0,
                            int64_t rows)
{
    _Alignas(64) T packed[CT__GEMM_DEPTH * NAME(WIDTH)];
    const int64_t n = p->c->columns, b_row = p->b->row, b_column = p->b->column;
    T *c = (T *)(void *)p->c->data;
    const T *from = s->from;
    const bool far = rows > ROWS && s->k * n * (int64_t)sizeof(T) > 48 << 10; /* is B larger than a first-level cache? */
    s->next.steps = 0;
    s->b_row = p->pack_b ? NAME(WIDTH) : b_row;
    for (int64_t j = 0; j < n; j += NAME(WIDTH)) {
        const int64_t left = n - j;
        const int vectors = left > LANES ? 2 : 1;
        s->last = (int)(left >= vectors * LANES ? LANES : left - (vectors - 1) * LANES);
        s->whole = p->pack_b || s->last == LANES;
        s->c = c + j;
        s->from = from + j;
        s->b = p->space_b ? b : b + j * b_column;
        if (p->space_b) b += s->k * NAME(WIDTH);
        if (far) NAME(look_ahead)(s, p, p->space_b ? b : s->b + NAME(WIDTH) * b_column, left - NAME(WIDTH));
        if (p->pack_b && !p->space_b) {
            NAME(pack)(packed, NAME(WIDTH), s->b, b_row, b_column, s->k, left < NAME(WIDTH) ? left : NAME(WIDTH));
            s->b = packed;
        }
        NAME(run_strip)(s, a, panel, i0, rows, vectors);
    }
    s->from = from;
}

/* A product of one strip whose rows need no cutting: what the loops below come to, without them. */
static void NAME(multiply_strip)(const ct__gemm_part *p, const T *b, int64_t b_row)
{
    const ct__matrix *a = p->a, *c = p->c;
    const int n = (int)c->columns, vectors = n > LANES ? 2 : 1;
    NAME(strip) s = {.b = b, .from = (const T *)(const void *)(p->bias ? p->bias : c->data), .c = (T *)(void *)c->data,
                     .a_row = a->row, .a_column = a->column, .b_row = b_row, .c_row = c->row, .from_row = p->bias ? 0 : c->row, .k = a->columns,
                     .last = n - (vectors - 1) * LANES, .relu = p->relu, .alpha = (T)p->alpha, .beta = p->bias ? 1 : (T)p->beta};
    s.whole = p->pack_b || s.last == LANES;
    NAME(say_end)(&s);
    if (c->rows <= ROWS) NAME(tiles)[vectors - 1][c->rows](&s, (const T *)(const void *)a->data, 0);
    else NAME(run_strip)(&s, (const T *)(const void *)a->data, 0, 0, c->rows, vectors);
}

/* The same with B packed. Apart, for the room that it takes on the stack. */
__attribute__((noinline)) static void NAME(multiply_packed_strip)(const ct__gemm_part *p)
{
    _Alignas(64) T packed[CT__GEMM_DEPTH * NAME(WIDTH)];
    const ct__matrix *b = p->b;
    NAME(pack)(packed, NAME(WIDTH), (const T *)(const void *)b->data, b->row, b->column, b->rows, b->columns);
    NAME(multiply_strip)(p, packed, NAME(WIDTH));
}

/* The terms from l on: how many, and what is done with their sum. */
static void NAME(begin_chunk)(NAME(strip) * s, const ct__gemm_part *p, int64_t l, int64_t depth)
{
    const int64_t k = p->a->columns;
    const bool biased = l == 0 && p->bias;
    s->k = k - l < depth ? k - l : depth;
    s->from = (const T *)(const void *)(biased ? p->bias : p->c->data);
    s->from_row = biased ? 0 : s->c_row;
    s->beta = l == 0 && !biased ? (T)p->beta : 1;
    s->relu = p->relu && l + depth >= k;
    NAME(say_end)(s);
}

/* Few columns of C leave lanes of its rows idle. Where the rows of A' are contiguous, the tiles of C' = B' A' fill theirs, and
 * are turned. */
static bool NAME(turned_pays)(const ct__gemm_part *p)
{
    const int64_t n = p->c->columns, idle = (n + LANES - 1) / LANES * LANES - n;
    return p->a->row == 1 && n <= NAME(WIDTH) && p->c->rows >= LANES && idle * p->a->columns >= 256;
}

__attribute__((noinline)) static void NAME(multiply_turned)(const ct__gemm_part *p, int64_t depth)
{
    _Alignas(64) T sums[NAME(WIDTH) * NAME(WIDTH)], turned[NAME(WIDTH) * NAME(WIDTH)];
    const T *a = (const T *)(const void *)p->a->data, *b = (const T *)(const void *)p->b->data;
    const int64_t m = p->c->rows, n = p->c->columns;
    const int vectors = n > LANES ? 2 : 1;
    NAME(strip) s = {.c_row = p->c->row, .alpha = (T)p->alpha, .last = (int)n - (vectors - 1) * LANES};
    for (int64_t l = 0; l < p->a->columns; l += depth) {
        NAME(begin_chunk)(&s, p, l, depth);
        s.c = (T *)(void *)p->c->data;
        for (int64_t i = 0; i < m; i += NAME(WIDTH)) {
            const int rows = (int)(m - i < NAME(WIDTH) ? m - i : NAME(WIDTH)), across = rows > LANES ? 2 : 1;
            NAME(strip) t = {.b = a + i + l * p->a->column, .c = sums, .from = sums, .a_row = p->b->column, .a_column = p->b->row,
                             .b_row = p->a->column, .c_row = NAME(WIDTH), .k = s.k, .last = rows - (across - 1) * LANES,
                             .plain = true, .alpha = 1};
            t.whole = t.last == LANES;
            NAME(run_strip)(&t, b + l * p->b->row, 0, 0, n, across);
            NAME(pack)(turned, NAME(WIDTH), sums, 1, NAME(WIDTH), rows, n);
            NAME(finish)(&s, turned, i, rows, vectors);
        }
    }
}

static void NAME(multiply)(const ct__gemm_part *p)
{
    const T *a = (const T *)(const void *)p->a->data, *b = (const T *)(const void *)p->b->data;
    const int64_t k = p->a->columns, m = p->c->rows;
    int64_t block = m;
    const bool turned = (m > 16 || k > CT__GEMM_DEPTH) && NAME(turned_pays)(p);
    const bool uncut = k <= CT__GEMM_DEPTH && m * k <= BLOCK / 2 / (int64_t)sizeof(T) && !p->space_a && !p->space_b;
    if (!turned && uncut && p->c->columns <= NAME(WIDTH)) {
        if (p->pack_b) NAME(multiply_packed_strip)(p);
        else NAME(multiply_strip)(p, b, p->b->row);
        return;
    }
    const int64_t depth = ct__gemm_depth(k);
    if (turned) {
        NAME(multiply_turned)(p, depth);
        return;
    }
    if (m * depth > BLOCK / 2 / (int64_t)sizeof(T)) {
        const int64_t most = BLOCK / (int64_t)sizeof(T) / NAME(PITCH) / depth * ROWS, blocks = (m + most - 1) / most;
        block = (m + blocks - 1) / blocks;
    }
    NAME(strip) s = {.c_row = p->c->row, .alpha = (T)p->alpha};
    for (int64_t l = 0; l < k; l += depth) {
        NAME(begin_chunk)(&s, p, l, depth);
        const T *y = b + l * p->b->row;
        if (p->space_b) {
            NAME(pack_b)((T *)(void *)p->space_b, y, p->b->row, p->b->column, s.k, p->c->columns);
            y = (const T *)(const void *)p->space_b;
        }
        for (int64_t i = 0; i < m; i += block) {
            const int64_t rows = m - i < block ? m - i : block;
            const T *x = a + i * p->a->row + l * p->a->column;
            s.a_row = p->a->row;
            s.a_column = p->a->column;
            if (p->space_a) {
                NAME(pack_a)((T *)(void *)p->space_a, x, s.a_row, s.a_column, rows, s.k);
                x = (const T *)(const void *)p->space_a;
                s.a_row = 1;
                s.a_column = NAME(PITCH);
            }
            NAME(run_block)(&s, p, x, p->space_a ? s.k * NAME(PITCH) : 0, y, i, rows);
        }
    }
}
