/*
 * threads.c - the thread's state, the number of OpenMP threads, parallel parts, and the instruction set.
 *
 * Work is cut into parts by its shape alone; how many threads share the parts changes the time, never the result. There is no
 * region inside a region. In a forked child OpenMP's pool is gone, so it works with one thread. Each region notes whether its threads
 * were awake: short work is shared with those that are.
 */
#include "base/base.h"

#if defined(__x86_64__) && defined(CT__HAVE_X86_VARIANTS)
#include <cpuid.h>
#endif
#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Thread_local ct__thread ct__self __attribute__((tls_model("initial-exec"), visibility("hidden")));

static bool forked;
static int isa = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void child_after_fork(void) { forked = true; }

#if defined(__x86_64__) && defined(CT__HAVE_X86_VARIANTS)
/* What the processor has, and what the system keeps of it when threads change: both must be there. (__builtin_cpu_supports says the
 * same, and brings a table of all processors, which is half a per cent of the library.) Intel's manual, volume 1, chapter 14.3. */
static int best_isa(void)
{
    enum { SAVED_AVX = 0x6, SAVED_AVX512 = 0xe6 }; /* XCR0: vectors of 16 and 32 bytes; and masks, the rest of 64, 16 more of them */
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX) || !(c & bit_FMA)) return 0;
    uint32_t saved, high;
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    if ((saved & SAVED_AVX) != SAVED_AVX || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2)) return 0;
    const unsigned all = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    return (b & all) == all && (saved & SAVED_AVX512) == SAVED_AVX512 ? 2 : 1;
}
#else
static int best_isa(void) { return 0; }
#endif

/* A Zen 5 stops at each page of 4 KB, and is faster where the page after the next one has been begun. A Zen 4 takes a quarter more for the
 * largest of all where it is told what it knows by itself, and 40 % more for x + y where it is told so early; of eight rows side by
 * side it loses sight, and the sums of columns take a fifth less where it is told of those to come. It computes 70 flops in a nanosecond, with
 * AVX-512 as with AVX2. Others, until they are measured, are taken for such. */
#define ZEN_4 {.ahead = {.read = 0, .one = 4096, .several = 1280, .block = 2048, .columns = 24, .first = false, .rows = false}, .product = 1.2e6}
const ct__processor_kind ct__processor_kinds[2] = {
    ZEN_4,
    {.ahead = {.read = 8192, .one = 8192, .several = 8192, .block = 4096, .columns = 0, .first = true, .rows = true}, .product = 0},
};
ct__processor_kind ct__processor = ZEN_4;
#if defined(__x86_64__) && defined(CT__HAVE_X86_VARIANTS)
static bool stops_at_pages(void)
{
    enum { AMD = 0x68747541 /* "Auth" */, ZEN_5 = 0x1a };
    unsigned a, b, c, d;
    __cpuid(0, a, b, c, d); /* processors of 64 bits have 0 and 1 */
    if (b != AMD) return false;
    __cpuid(1, a, b, c, d);
    return (a >> 8 & 15) + (a >> 20 & 255) >= ZEN_5; /* the family */
}
#else
static bool stops_at_pages(void) { return false; }
#endif

static const char *const isa_names[] = {"baseline", "avx2", "avx512"};

static void set_up(void)
{
    pthread_atfork(NULL, NULL, child_after_fork);
    int best = best_isa();
    ct__processor = ct__processor_kinds[stops_at_pages()];
    const char *wanted = getenv("COTANGENT_ISA");
    for (int i = 0; wanted && i < best; i++) {
        if (strcmp(wanted, isa_names[i]) == 0) best = i;
    }
    __atomic_store_n(&isa, best, __ATOMIC_RELEASE);
}

int ct__isa(void)
{
    const int known = __atomic_load_n(&isa, __ATOMIC_ACQUIRE);
    if (CT__LIKELY(known >= 0)) return known;
    pthread_once(&once, set_up);
    return isa;
}

const char *ct_instruction_set(void) { return isa_names[ct__isa()]; }

bool ct_set_threads(int threads)
{
    if (threads < 0 || threads > 1024)
        return ct__fail(CT_ERROR_VALUE, "ct_set_threads", "%d threads; expected 0 (the default) to 1024", threads);
    ct__self.threads = threads;
    return true;
}

int ct_threads(void)
{
    if (forked) return 1;
    return ct__self.threads ? ct__self.threads : omp_get_max_threads();
}

/* Threads that wait actively come to a region within a microsecond; those that sleep, or whose processor is busy with something else, do
 * not. */
enum { LATE = 5000 /* ns */ };

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* A thread has a range of the parts to itself, the same one for as many parts, so that what it wrote in the last region is in its own cache
 * in the next; who is done helps the others. */
enum { RANGES = 32 };
typedef struct range {
    _Alignas(64) int64_t next;
    int64_t end;
} range;

void ct__parallel(int64_t parts, void (*work)(void *context, int64_t part), void *context)
{
    ct__isa(); /* sets up the fork handler before the first region */
    const int64_t threads = ct_threads();
    const int team = (int)(parts < threads ? parts : threads);
    if (parts > 1) ct__self.count.parallel_regions++;
    if (team < 2 || omp_in_parallel()) {
        for (int64_t i = 0; i < parts; i++) work(context, i);
        return;
    }
    range own[RANGES];
    const int ranges = team < RANGES ? team : RANGES;
    for (int r = 0; r < ranges; r++) own[r] = (range){parts * r / ranges, parts * (r + 1) / ranges};
    bool late = false;
    const int64_t start = now();
#pragma omp parallel num_threads(team)
    {
        if (now() - start > LATE) __atomic_store_n(&late, true, __ATOMIC_RELAXED);
        const int first = omp_get_thread_num() % ranges;
        for (int k = 0; k < ranges; k++) {
            range *r = &own[(first + k) % ranges];
            for (int64_t i; (i = __atomic_fetch_add(&r->next, 1, __ATOMIC_RELAXED)) < r->end;) work(context, i);
        }
    }
    ct__self.awake = !late;
}
