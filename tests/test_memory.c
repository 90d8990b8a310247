/*
 * test_memory.c - large results lie on huge pages whatever the program had in that memory before.
 *
 * A block that malloc carves from what was freed has the small pages of what was there; passes over it took a fifth longer. The test
 * looks into the system's list of mappings, and says nothing where that is missing or gives no huge pages even to fresh memory.
 */
#define _GNU_SOURCE
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined __GLIBC__ && defined MADV_HUGEPAGE
#include <malloc.h>

enum { MEGABYTE = 1 << 20, SIDE = 2048, BYTES = 4 * SIDE * SIDE };

/* Bytes on huge pages in the mappings that have a part of the block, -1 where the system does not tell. */
static long huge_bytes(const void *block, size_t bytes)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    if (!maps) return -1;
    const uintptr_t first = (uintptr_t)block, end = first + bytes;
    char line[512];
    unsigned long from, to;
    long kilobytes, sum = 0;
    bool inside = false;
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) inside = from < end && to > first;
        else if (inside && sscanf(line, "AnonHugePages: %ld kB", &kilobytes) == 1) sum += 1024 * kilobytes;
    }
    fclose(maps);
    return sum;
}

static bool system_has_huge_pages(void)
{
    char *p = mmap(NULL, 4 * MEGABYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return false;
    madvise(p, 4 * MEGABYTE, MADV_HUGEPAGE);
    memset(p, 1, 4 * MEGABYTE);
    const bool has = huge_bytes(p, 4 * MEGABYTE) > 0;
    munmap(p, 4 * MEGABYTE);
    return has;
}

static void large_results_on_memory_used_before(void **unused)
{
    (void)unused;
    if (!test_pooled() || !system_has_huge_pages()) skip();
    CT_SCOPE;
    mallopt(M_MMAP_THRESHOLD, 32 * MEGABYTE); /* malloc keeps what is freed, and gives it out again */
    mallopt(M_TRIM_THRESHOLD, 1024 * MEGABYTE);
    volatile char *before = malloc(30 * MEGABYTE);
    assert_non_null(before);
    for (int i = 0; i < 30 * MEGABYTE; i += 4096) before[i] = 1; /* each page is there, and small */
    const uintptr_t first = (uintptr_t)before;
    free((void *)before);
    ct_tensor *x = ct_ones(ct_shape(SIDE, SIDE), CT_F32);
    const void *data = ct_data(x);
    assert_true((uintptr_t)data >= first && (uintptr_t)data < first + 30 * MEGABYTE); /* else this shows nothing */
    assert_int_equal(huge_bytes(data, BYTES), BYTES);
}
#else
static void large_results_on_memory_used_before(void **unused)
{
    (void)unused;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(large_results_on_memory_used_before)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
