/*
 * pointwise_blocks.h - runs a kernel of whole blocks over any number of elements. Included by pointwise_isa.c.
 *
 * What is left over at the end is copied into a block that stays in the first-level cache, the kernel runs on that, and what counts of
 * the result is copied back. Nothing is read or written beside the operands.
 *
 * A scalar takes this way as well, so copies cost little: few words are put together in a register and stored at once, since a load of
 * more than one store has just written waits until all of it has reached the cache. For the same reason results leave word by word.
 */
#include "ops/pointwise.h"

#include <string.h>

#if defined __SSE2__
#include <immintrin.h>
#endif

enum { WIDEST = CT__BLOCK * 8, PART_OPERANDS = 5 }; /* 64 doubles beside a result of bytes; d; g, x, y, z */

#if defined __SSE2__
/* 4, 8, 12 or 16 bytes, and zeros behind them. */
static inline __m128i load_words(const char *from, size_t bytes)
{
    if (bytes == 4) return _mm_castps_si128(_mm_load_ss((const float *)(const void *)from));
    if (bytes == 16) return _mm_loadu_si128((const __m128i *)(const void *)from);
    const __m128i two = _mm_loadl_epi64((const __m128i *)(const void *)from);
    return bytes == 8 ? two : _mm_unpacklo_epi64(two, _mm_castps_si128(_mm_load_ss((const float *)(const void *)(from + 8))));
}

static inline void store_quarter(char *block, __m128i first)
{
#if defined __AVX512F__
    _mm512_store_si512(block, _mm512_zextsi128_si512(first));
#elif defined __AVX2__
    _mm256_store_si256((__m256i *)(void *)block, _mm256_zextsi128_si256(first));
    _mm256_store_si256((__m256i *)(void *)(block + 32), _mm256_setzero_si256());
#else
    _mm_store_si128((__m128i *)(void *)block, first);
    for (int i = 16; i < CT__BLOCK; i += 16) _mm_store_si128((__m128i *)(void *)(block + i), _mm_setzero_si128());
#endif
}
#endif

/* More than 16 bytes, or such as are no words. */
static void load_many(char *block, const char *from, size_t bytes)
{
#if defined __AVX512BW__
    if (bytes == CT__BLOCK / 2) {
        _mm512_store_si512(block, _mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)from)));
        return;
    }
    if (bytes < CT__BLOCK) {
        _mm512_store_si512(block, _mm512_maskz_loadu_epi8((1ULL << bytes) - 1, from));
        return;
    }
#endif
    memset(block, 0, CT__BLOCK);
    memcpy(block, from, bytes);
}

/* The first bytes of a block, and zeros up to its 64th. */
static inline void load_part(char *block, const char *from, size_t bytes)
{
#if defined __SSE2__
    if (bytes <= 16 && bytes % 4 == 0) {
        store_quarter(block, load_words(from, bytes));
        return;
    }
#endif
    load_many(block, from, bytes);
}

/* A result is never wider than a block. */
static inline void store_part(char *to, const char *block, size_t bytes)
{
    size_t at = 0;
    for (size_t piece = CT__BLOCK / 2; piece >= 4; piece /= 2) {
        if (!(bytes & piece)) continue;
        memcpy(to + at, block + at, piece);
        at += piece;
    }
    for (; at < bytes; at++) to[at] = block[at];
}

/* The last `bytes` bytes of each operand, less than a block; elements all have one size. */
static inline __attribute__((always_inline)) void run_part(const ct__blocks *b, size_t bytes, char *const *p, int64_t from)
{
    _Alignas(CT__BLOCK) char block[PART_OPERANDS][CT__BLOCK];
    char *at[PART_OPERANDS] = {block[0], block[1], block[2], block[3], block[4]};
    for (int k = 1; k < b->count; k++) load_part(block[k], p[k] + from, bytes);
    b->kernel(b->block, at, b->params);
    store_part(p[0] + from, block[0], bytes);
}

static void run_blocks(int64_t n, char *const *p, const double *params)
{
    const ct__blocks *b = (const ct__blocks *)(const void *)params;
    const int64_t bytes = n * b->size[0], whole = bytes & -(int64_t)CT__BLOCK;
    if (whole) b->kernel(n & -(int64_t)b->block, p, params);
    if (whole < bytes) run_part(b, (size_t)(bytes - whole), p, whole);
}

/* One scalar, straight from the tensors: the way of an operation that costs a few nanoseconds in all. */
static inline __attribute__((always_inline)) void run_scalar(ct__kernel kernel, ct_tensor *const *t, int count, size_t bytes,
                                                             const double *params)
{
    _Alignas(CT__BLOCK) char block[PART_OPERANDS][CT__BLOCK];
    char *at[PART_OPERANDS];
    at[0] = block[0];
    at[1] = block[1];
    load_part(block[1], t[1]->data, bytes);
    if (count > 2) {
        at[2] = block[2];
        load_part(block[2], t[2]->data, bytes);
    }
    if (count > 3) {
        at[3] = block[3];
        load_part(block[3], t[3]->data, bytes);
        at[4] = block[4];
        if (count > 4) load_part(block[4], t[4]->data, bytes);
    }
    kernel(CT__BLOCK / (int64_t)bytes, at, params);
    memcpy(t[0]->data, block[0], bytes);
}
static void run_f32(ct__kernel kernel, ct_tensor *const *t, int count, const double *params) { run_scalar(kernel, t, count, 4, params); }
static void run_f64(ct__kernel kernel, ct_tensor *const *t, int count, const double *params) { run_scalar(kernel, t, count, 8, params); }

/* The same where elements have sizes of their own. */
static void run_mixed(int64_t n, char *const *p, const double *params)
{
    const ct__blocks *b = (const ct__blocks *)(const void *)params;
    const int64_t whole = n & -(int64_t)b->block;
    if (whole) b->kernel(whole, p, params);
    if (whole == n) return;
    _Alignas(CT__BLOCK) char block[CT__MAX_OPERANDS][WIDEST];
    char *at[CT__MAX_OPERANDS];
    at[0] = block[0];
    for (int k = 1; k < b->count; k++) {
        at[k] = block[k];
        load_part(block[k], p[k] + whole * b->size[k], (size_t)(n - whole) * b->size[k]);
    }
    b->kernel(b->block, at, b->params);
    store_part(p[0] + whole * b->size[0], block[0], (size_t)(n - whole) * b->size[0]);
}
