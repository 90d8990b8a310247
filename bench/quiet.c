/*
 * quiet.c - how fast the processor at hand is just now: for each line on standard input, a line of JSON with the microseconds that a loop of
 * whole numbers takes, which keeps most units of a core busy. Where another thread has half of the core, it takes half as long again.
 *
 * bench/run asks before and after each turn. The loop has nothing to do with any contestant.
 */
#include <stdio.h>

#include "timing.h"

enum { CHAINS = 6, STEPS = 40000, TRIES = 3 };

/* Six chains of three operations a step; none waits for another. */
static void work(void)
{
    uint64_t a[CHAINS] = {1, 2, 3, 4, 5, 6};
    for (int i = 0; i < STEPS; i++) {
#pragma GCC unroll 6
        for (int k = 0; k < CHAINS; k++) {
            a[k] += (a[k] >> 7) ^ (uint64_t)i;
            __asm__ volatile("" : "+r"(a[k])); /* one by one, not as vectors, and not left out */
        }
    }
}

int main(void)
{
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        double least = 1;
        for (int i = 0; i < TRIES; i++) { /* an interrupt takes one of them */
            const double start = timing_now(CLOCK_MONOTONIC);
            work();
            const double spent = timing_now(CLOCK_MONOTONIC) - start;
            if (spent < least) least = spent;
        }
        printf("{\"us\": %.6g}\n", 1e6 * least);
        fflush(stdout);
    }
    return 0;
}
