/*
 * copy_isa.c - turns matrices in copying, for one instruction set; compiled once for each, with CT__ISA naming it.
 *
 * A tile has as many rows as make some cache lines of the result, and as many columns as make some of the operand: so each line of the
 * operand is read once, as a whole, and lines of the result that are neighbors leave soon one after the other. Rows of a matrix tend to lie a
 * power of two apart, where the first-level cache has room for a dozen lines at most; nothing here relies on finding a line there again.
 *
 * Past the caches, memory sets the pace, and what is fetched ahead: where the processor has no room for more it forgets what it was told to
 * fetch. What is best was found by trying (docs/performance.md). Ordinary stores among those past the caches cost much: no square leaves the
 * registers, where there are enough of them.
 */
#include "tensor/copy.h"
#include "tensor/stream.h"
#include "tensor/transpose.h"

#include <string.h>

#if defined __SSE2__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define CAT(a, b) CAT_(a, b)
#define CAT_(a, b) a##b

/* ---- squares: as many rows as elements in a vector ---- */

#if defined __SSE2__
#define X(p) ((__m128i *)(void *)(p))
#define CX(p) ((const __m128i *)(const void *)(p))
/* Row i and row i + n/2 are interleaved; after log n rounds columns are rows. */
#define ROUND(n, size)                                                                                                                 \
    UNROLL for (int i = 0; i < (n) / 2; i++)                                                                                           \
    {                                                                                                                                  \
        t[2 * i] = _mm_unpacklo_epi##size(r[i], r[i + (n) / 2]);                                                                       \
        t[2 * i + 1] = _mm_unpackhi_epi##size(r[i], r[i + (n) / 2]);                                                                   \
    }                                                                                                                                  \
    UNROLL for (int i = 0; i < (n); i++) r[i] = t[i]
INLINE void square1(char *to, int64_t to_row, const char *from, int64_t from_row)
{
    __m128i r[16], t[16];
    UNROLL for (int i = 0; i < 16; i++) r[i] = _mm_loadu_si128(CX(from + i * from_row));
    ROUND(16, 8);
    ROUND(16, 8);
    ROUND(16, 8);
    ROUND(16, 8);
    UNROLL for (int i = 0; i < 16; i++) _mm_storeu_si128(X(to + i * to_row), r[i]);
}
INLINE void small4(char *to, int64_t to_row, const char *from, int64_t from_row)
{
    __m128i r[4], t[4];
    UNROLL for (int i = 0; i < 4; i++) r[i] = _mm_loadu_si128(CX(from + i * from_row));
    ROUND(4, 32);
    ROUND(4, 32);
    UNROLL for (int i = 0; i < 4; i++) _mm_storeu_si128(X(to + i * to_row), r[i]);
}
INLINE void small8(char *to, int64_t to_row, const char *from, int64_t from_row)
{
    __m128i r[2], t[2];
    UNROLL for (int i = 0; i < 2; i++) r[i] = _mm_loadu_si128(CX(from + i * from_row));
    ROUND(2, 64);
    UNROLL for (int i = 0; i < 2; i++) _mm_storeu_si128(X(to + i * to_row), r[i]);
}
enum { SQUARE1 = 16, SMALL4 = 4, SMALL8 = 2 };
#else
enum { SQUARE1 = 1, SMALL4 = 1, SMALL8 = 1 };
#define ALONE(size)                                                                                                                    \
    INLINE void alone##size(char *to, int64_t to_row, const char *from, int64_t from_row)                                              \
    {                                                                                                                                  \
        (void)to_row, (void)from_row;                                                                                                  \
        memcpy(to, from, size);                                                                                                        \
    }
ALONE(1)
ALONE(4)
ALONE(8)
#define square1 alone1
#define small4 alone4
#define small8 alone8
#endif
#define small1 square1
enum { SMALL1 = SQUARE1 };

#if defined __AVX512F__
enum { SQUARE4 = 16, SQUARE8 = 8 };
#define WIDE(name) _mm512_##name
#define VECTOR4 __m512
#define VECTOR8 __m512d
#elif defined __AVX2__ && defined __FMA__
enum { SQUARE4 = 8, SQUARE8 = 4 };
#define WIDE(name) _mm256_##name
#define VECTOR4 __m256
#define VECTOR8 __m256d
#else
enum { SQUARE4 = SMALL4, SQUARE8 = SMALL8 };
#define square4 small4
#define square8 small8
#endif

#ifdef WIDE
#define SQUARE(size, kind, transpose)                                                                                                  \
    INLINE void turned##size(VECTOR##size *r, const char *from, int64_t from_row)                                                      \
    {                                                                                                                                  \
        UNROLL for (int i = 0; i < SQUARE##size; i++) r[i] = WIDE(loadu_##kind)((const void *)(from + i * from_row));                  \
        transpose(r);                                                                                                                  \
    }                                                                                                                                  \
    INLINE void square##size(char *to, int64_t to_row, const char *from, int64_t from_row)                                             \
    {                                                                                                                                  \
        VECTOR##size r[SQUARE##size];                                                                                                  \
        turned##size(r, from, from_row);                                                                                               \
        UNROLL for (int i = 0; i < SQUARE##size; i++) WIDE(storeu_##kind)((void *)(to + i * to_row), r[i]);                            \
    }
SQUARE(4, ps, transpose_f32)
SQUARE(8, pd, transpose_f64)
#endif

enum { LINE = 64, HEIGHT = CT__TURN_BYTES }; /* bytes of a row of `from` in a tile, and of `to` */

/* Lines of the next strip that are fetched, row by row. */
typedef struct fetch {
    const char *row; /* NULL: none */
    int64_t step, at, end;
    bool first; /* ct__processor.ahead.first */
} fetch;
INLINE void fetch_lines(fetch *f, int count)
{
    if (!f->row) return;
    for (int i = 0; i < count; i++) {
        __builtin_prefetch(f->row + f->at, 0, 2);
        f->at += LINE;
        if (f->at >= f->end) f->at = 0, f->row += f->step;
    }
}

#if defined __AVX512F__
/* Ten cycles from one to the next, whose address waits for three products with 1, of which the compiler does not know. */
INLINE void fetch_paced(fetch *f, int count)
{
    int64_t one = 1;
    __asm__("" : "+r"(one));
    if (!f->row) return;
    for (int i = 0; i < count; i++) {
        __builtin_prefetch(f->row + f->at, 0, 3);
        f->at = (f->at * one + LINE) * one * one;
        if (f->at >= f->end) f->at = 0, f->row += f->step;
    }
}
/* At once, perhaps a few past the end of its row. */
INLINE void fetch_at_once(fetch *f, int count)
{
    if (!f->row) return;
    const char *line = f->row + f->at;
    if (f->first) UNROLL for (int i = 0; i < count; i++) __builtin_prefetch(line + i * LINE, 0, 3);
    else UNROLL for (int i = 0; i < count; i++) __builtin_prefetch(line + i * LINE, 0, 2);
    f->at += count * LINE;
    if (f->at >= f->end) f->at = 0, f->row += f->step;
}

/* Two squares, one below the other: their lines leave in pairs. And, where threads share the way to memory, four by two squares, one by one:
 * their lines leave soon one after the other, four in a row. */
#define STREAMED(size, kind)                                                                                                           \
    INLINE void streamed##size(char *to, int64_t to_row, const char *from, int64_t from_row, fetch *f)                                 \
    {                                                                                                                                  \
        VECTOR##size upper[SQUARE##size], lower[SQUARE##size];                                                                         \
        if (f->first) fetch_paced(f, 2 * SQUARE##size);                                                                                \
        else fetch_lines(f, 2 * SQUARE##size);                                                                                         \
        turned##size(upper, from, from_row);                                                                                           \
        turned##size(lower, from + SQUARE##size * from_row, from_row);                                                                 \
        UNROLL for (int i = 0; i < SQUARE##size; i++)                                                                                  \
        {                                                                                                                              \
            WIDE(stream_##kind)((void *)(to + i * to_row), upper[i]);                                                                  \
            WIDE(stream_##kind)((void *)(to + i * to_row + LINE), lower[i]);                                                           \
        }                                                                                                                              \
    }                                                                                                                                  \
    INLINE void tall##size(char *to, int64_t to_row, const char *from, int64_t from_row, fetch *f)                                     \
    {                                                                                                                                  \
        for (int k = 0; k < 8; k++) { /* by rows */                                                                                    \
            const char *at = from + k / 2 * SQUARE##size * from_row + k % 2 * LINE;                                                    \
            char *put = to + k % 2 * SQUARE##size * to_row + k / 2 * LINE;                                                             \
            VECTOR##size r[SQUARE##size];                                                                                              \
            turned##size(r, at, from_row);                                                                                             \
            UNROLL for (int i = 0; i < SQUARE##size; i++) WIDE(stream_##kind)((void *)(put + i * to_row), r[i]);                       \
            fetch_at_once(f, SQUARE##size);                                                                                            \
        }                                                                                                                              \
    }
STREAMED(4, ps)
STREAMED(8, pd)
#endif

/* ---- tiles ---- */

/* A tile, or fewer rows and columns: large squares; beside and below them small ones; and the rest one by one. */
#define TILE(size)                                                                                                                     \
    static __attribute__((noinline)) void edge##size(char *to, int64_t to_row, const char *from, int64_t from_row, int64_t rows,       \
                                                     int64_t columns)                                                                  \
    {                                                                                                                                  \
        const int64_t whole_rows = rows / SMALL##size * SMALL##size, whole_columns = columns / SMALL##size * SMALL##size;              \
        for (int64_t i = 0; i < whole_rows; i += SMALL##size) {                                                                        \
            for (int64_t j = 0; j < whole_columns; j += SMALL##size)                                                                   \
                small##size(to + j * to_row + i * (size), to_row, from + i * from_row + j * (size), from_row);                         \
        }                                                                                                                              \
        for (int64_t j = 0; j < columns; j++) {                                                                                        \
            for (int64_t i = j < whole_columns ? whole_rows : 0; i < rows; i++)                                                        \
                memcpy(to + j * to_row + i * (size), from + i * from_row + j * (size), (size));                                        \
        }                                                                                                                              \
    }                                                                                                                                  \
    static __attribute__((noinline)) void tile##size(char *to, int64_t to_row, const char *from, int64_t from_row, int64_t rows,       \
                                                     int64_t columns)                                                                  \
    {                                                                                                                                  \
        if ((int)SQUARE##size == (int)SMALL##size) {                                                                                   \
            edge##size(to, to_row, from, from_row, rows, columns);                                                                     \
            return;                                                                                                                    \
        }                                                                                                                              \
        const int64_t whole_rows = rows / SQUARE##size * SQUARE##size, whole_columns = columns / SQUARE##size * SQUARE##size;          \
        for (int64_t i = 0; i < whole_rows; i += SQUARE##size) {                                                                       \
            for (int64_t j = 0; j < whole_columns; j += SQUARE##size)                                                                  \
                square##size(to + j * to_row + i * (size), to_row, from + i * from_row + j * (size), from_row);                        \
        }                                                                                                                              \
        if (whole_columns < columns)                                                                                                   \
            edge##size(to + whole_columns * to_row, to_row, from + whole_columns * (size), from_row, rows, columns - whole_columns);   \
        if (whole_rows < rows)                                                                                                         \
            edge##size(to + whole_rows * (size), to_row, from + whole_rows * from_row, from_row, rows - whole_rows, whole_columns);    \
    }
TILE(1)
TILE(4)
TILE(8)

typedef void turn_tile(char *to, int64_t to_row, const char *from, int64_t from_row, int64_t rows, int64_t columns);
typedef void turn_whole(char *to, int64_t to_row, const char *from, int64_t from_row, fetch *f);

#define BY_TILES(size)                                                                                                                 \
    INLINE void streamed##size(char *to, int64_t to_row, const char *from, int64_t from_row, fetch *f)                                 \
    {                                                                                                                                  \
        _Alignas(64) char turned[LINE / (size)][HEIGHT];                                                                               \
        fetch_lines(f, HEIGHT / (size));                                                                                               \
        tile##size(turned[0], HEIGHT, from, from_row, HEIGHT / (size), LINE / (size));                                                 \
        for (int i = 0; i < LINE / (size); i++) ct__stream_lines(to + i * to_row, turned[i], HEIGHT);                                  \
    }
BY_TILES(1)
#ifndef __AVX512F__
BY_TILES(4)
BY_TILES(8)
#endif

/* `streamed` takes tiles of so many bytes. */
INLINE void turn_strip(const ct__turn *t, int size, turn_tile *tile, turn_whole *streamed, int high, int wide)
{
    fetch f = {t->next, t->from_row, 0, t->columns * size, ct__processor.ahead.first};
    const bool whole = t->stream && t->rows == high / size;
    for (int64_t j = 0, n; j < t->columns; j += n) {
        char *to = t->to + j * t->to_row;
        const char *from = t->from + j * size;
        const int64_t left = t->columns - j;
        if (whole && left >= wide / size) {
            streamed(to, t->to_row, from, t->from_row, &f);
            n = wide / size;
        } else {
            n = left < LINE / size ? left : LINE / size;
            fetch_lines(&f, (int)t->rows);
            tile(to, t->to_row, from, t->from_row, t->rows, n);
        }
    }
}

static void turn1(const ct__turn *t) { turn_strip(t, 1, tile1, streamed1, HEIGHT, LINE); }
static void turn4(const ct__turn *t) { turn_strip(t, 4, tile4, streamed4, HEIGHT, LINE); }
static void turn8(const ct__turn *t) { turn_strip(t, 8, tile8, streamed8, HEIGHT, LINE); }
#if defined __AVX512F__
static void turn_tall4(const ct__turn *t) { turn_strip(t, 4, tile4, tall4, CT__TALL_BYTES, 2 * LINE); }
static void turn_tall8(const ct__turn *t) { turn_strip(t, 8, tile8, tall8, CT__TALL_BYTES, 2 * LINE); }
#else
#define turn_tall4 NULL
#define turn_tall8 NULL
#endif

const ct__copy_kernels CAT(ct__copy_kernels_, CT__ISA) = {.turn = {turn1, turn4, turn8}, .tall = {NULL, turn_tall4, turn_tall8}};
