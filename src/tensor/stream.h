/*
 * stream.h (internal) - stores that go past the caches, for results larger than these: an ordinary store reads its line first, which for a
 * pass over memory is a third of the traffic.
 */
#ifndef CT_STREAM_INTERNAL_H
#define CT_STREAM_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

/* Is a result of so many bytes larger than what caches keep? */
static inline bool ct__streams(int64_t bytes) { return bytes >= (int64_t)1 << 25; }

/* Whole lines of 64 bytes, from memory that is in cache; `to` starts at a line. */
static inline void ct__stream_lines(char *to, const char *from, int64_t bytes)
{
#if defined __AVX512F__
    for (int64_t i = 0; i < bytes; i += 64) _mm512_stream_si512((void *)(to + i), _mm512_loadu_si512(from + i));
#elif defined __SSE2__
    for (int64_t i = 0; i < bytes; i += 64) {
        const __m128i *s = (const __m128i *)(const void *)(from + i);
        __m128i *d = (__m128i *)(void *)(to + i);
        const __m128i a = _mm_loadu_si128(s), b = _mm_loadu_si128(s + 1), c = _mm_loadu_si128(s + 2), e = _mm_loadu_si128(s + 3);
        _mm_stream_si128(d, a);
        _mm_stream_si128(d + 1, b);
        _mm_stream_si128(d + 2, c);
        _mm_stream_si128(d + 3, e);
    }
#else
    memcpy(to, from, (size_t)bytes);
#endif
}

/* Copies bytes that are in cache, past the caches where lines are whole. */
static inline void ct__stream(char *to, const char *from, int64_t bytes)
{
    const int64_t lead = -(int64_t)((uintptr_t)to & 63) & 63, head = lead < bytes ? lead : bytes;
    const int64_t lines = (bytes - head) / 64 * 64;
    if (head) memcpy(to, from, (size_t)head);
    ct__stream_lines(to + head, from + head, lines);
    if (head + lines < bytes) memcpy(to + head + lines, from + head + lines, (size_t)(bytes - head - lines));
}

/* Makes what a thread streamed visible to the others; once, after the last of its stores. */
static inline void ct__stream_end(void)
{
#ifdef __SSE2__
    _mm_sfence();
#endif
}

/* A way out for results that are computed in order, a block at a time, and go past the caches: they are made in `lines` behind the `held`
 * bytes, up to CT__OUTLET more, and leave line by line, over the ends of rows and blocks. Small blocks: many lines that leave at once hold
 * up what follows. */
enum { CT__OUTLET = 2048 };
typedef struct ct__outlet {
    char *to;       /* a line: where what is in the first one goes */
    int64_t held;   /* bytes */
    int64_t others; /* bytes of the first line that are not this thread's */
    _Alignas(64) char lines[CT__OUTLET + 64];
} ct__outlet;

/* What is fetched while lines leave: with each of them, a line from each of up to three places, `step` bytes on each time; when `left` bytes
 * are gone, it goes on at `then`. */
enum { CT__COMING = 3 };
typedef struct ct__coming {
    int count;
    int64_t left;
    struct {
        const char *at, *then;
        int64_t step;
    } of[CT__COMING];
} ct__coming;

static inline void ct__outlet_open(ct__outlet *o, char *to)
{
    o->held = o->others = (int64_t)((uintptr_t)to & 63);
    o->to = to - o->held;
}

/* The block with `bytes` more is made. What lets lines go is as fast as it is short, so the places have names of their own: a list of them
 * would stay in memory. */
static inline __attribute__((always_inline)) void ct__outlet_pass(ct__outlet *o, int64_t bytes, const ct__coming *next)
{
    o->held += bytes;
    const int64_t whole = o->held / 64 * 64;
    if (whole == 0) return;
    int64_t at = 0;
    if (o->others) {
        memcpy(o->to + o->others, o->lines + o->others, (size_t)(64 - o->others));
        o->others = 0;
        at = 64;
    }
    char *const to = o->to;
    const int count = next->count;
    const char *a = next->of[0].at, *b = next->of[1].at, *c = next->of[2].at;
    for (int64_t end = next->left < whole ? (next->left + 63) / 64 * 64 : whole;; end = whole) {
        for (; at < end; at += 64) {
            ct__stream_lines(to + at, o->lines + at, 64);
            if (count > 0) __builtin_prefetch(a, 0, 3), a += next->of[0].step;
            if (count > 1) __builtin_prefetch(b, 0, 3), b += next->of[1].step;
            if (count > 2) __builtin_prefetch(c, 0, 3), c += next->of[2].step;
        }
        if (end == whole) break;
        a = next->of[0].then;
        b = next->of[1].then;
        c = next->of[2].then;
    }
    memcpy(o->lines, o->lines + whole, 64);
    o->to += whole;
    o->held -= whole;
}

static inline void ct__outlet_close(ct__outlet *o)
{
    if (o->held > o->others) memcpy(o->to + o->others, o->lines + o->others, (size_t)(o->held - o->others));
    ct__stream_end();
}

#endif
