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

/* After a quarter of that, which warms the caches and wakes the threads. */
static inline timing timing_measure(void (*step)(void), double seconds)
{
    timing_run(step, seconds / 4);
    return timing_run(step, seconds);
}

#endif
