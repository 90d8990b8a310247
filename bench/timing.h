/*
 * timing.h - how steps are timed, alike for all programs of the contest.
 */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include <stdint.h>
#include <time.h>

typedef struct timing {
    double seconds, processor; /* per step; time on the clock, and of all the process's threads on a processor */
    int64_t repetitions;
} timing;

static inline double timing_now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* At least one step and about `seconds`; the clock is read after 1, 3, 7, 15, ... steps. */
static inline timing timing_run(void (*step)(void), double seconds)
{
    const double processor = timing_now(CLOCK_PROCESS_CPUTIME_ID), start = timing_now(CLOCK_MONOTONIC);
    double spent = 0;
    int64_t repetitions = 0;
    for (int64_t chunk = 1; spent < seconds || repetitions == 0; chunk = spent < seconds / 4 ? 2 * chunk : chunk) {
        for (int64_t i = 0; i < chunk; i++) step();
        repetitions += chunk;
        spent = timing_now(CLOCK_MONOTONIC) - start;
    }
    return (timing){spent / (double)repetitions, (timing_now(CLOCK_PROCESS_CPUTIME_ID) - processor) / (double)repetitions, repetitions};
}

/*
 * After a quarter of that, which warms the caches and wakes the threads; each time further down the stack, by one of 256 lengths.
 * A processor that compares the low 12 bits of addresses takes some of what a step reads for what it has just written to its stack:
 * a product of 4 x 8 x 2 takes 20 ns with the stack at 246 of 256 places, 24 to 31 at the others, for as long as its process
 * lives (Zen 4). So that is the luck of a turn, not of a run.
 */
static inline timing timing_measure(void (*step)(void), double seconds)
{
    static unsigned turn;
    volatile char passed_over[16 * (1 + 101 * turn++ % 256)];
    passed_over[0] = 0; /* so that it is there */
    (void)passed_over;
    timing_run(step, seconds / 4);
    return timing_run(step, seconds);
}

#endif
