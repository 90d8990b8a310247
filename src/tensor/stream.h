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
#include <emmintrin.h>
#endif

/* Is a result of so many bytes larger than what caches keep? */
static inline bool ct__streams(int64_t bytes) { return bytes >= (int64_t)1 << 25; }

/* Copies bytes that are in cache. Lines of 64 bytes go past the caches where they are whole. */
static inline void ct__stream(char *to, const char *from, size_t bytes)
{
#ifdef __SSE2__
    if (((uintptr_t)to & 63) == 0) {
        for (; bytes >= 64; to += 64, from += 64, bytes -= 64) {
            const __m128i *s = (const __m128i *)(const void *)from;
            __m128i *d = (__m128i *)(void *)to;
            const __m128i a = _mm_loadu_si128(s), b = _mm_loadu_si128(s + 1), c = _mm_loadu_si128(s + 2), e = _mm_loadu_si128(s + 3);
            _mm_stream_si128(d, a);
            _mm_stream_si128(d + 1, b);
            _mm_stream_si128(d + 2, c);
            _mm_stream_si128(d + 3, e);
        }
    }
#endif
    memcpy(to, from, bytes);
}

/* Makes what a thread streamed visible to the others; once, after the last of its stores. */
static inline void ct__stream_end(void)
{
#ifdef __SSE2__
    _mm_sfence();
#endif
}

#endif
