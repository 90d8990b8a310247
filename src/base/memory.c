/*
 * memory.c - slabs for records, a caching pool for storages; both are lists of the thread, so that taking and giving back
 * needs no lock and, in a steady state, no malloc.
 *
 * Slab records come in steps of 64 bytes; they are carved from chunks that stay with the process. Pool blocks come in classes
 * an eighth of a power of two apart, so at most 12.5 % is lost to rounding. A block may be given back by another thread than took
 * it: it then joins that thread's lists. When a thread ends its pool is freed and its slab records go to a common list.
 *
 * Large blocks ask for huge pages: a pass over fresh memory then takes a page fault for every 2 MB and not for every 4 KB, and
 * columns of large matrices do not run out of the processor's list of pages.
 *
 * Builds with sanitizers (CT_PLAIN_MALLOC) and runs with COTANGENT_POOL=0 (valgrind) go to malloc and free each time, so
 * that those tools see every record.
 */
#define _DEFAULT_SOURCE /* for madvise */
#include "base/base.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { STEPS = 8, POOL_CLASSES = STEPS * 48, SLAB_CHUNK = 64 * 1024 };

typedef ct__record node;

enum { TEXTS = 16 };

struct ct__heap {
    char texts[TEXTS][CT__TEXT];
    unsigned next_text;
    _Alignas(16) char error[CT__ERROR_ROOM];
    node *pool[POOL_CLASSES];
};

static bool plain; /* bypass: see above */

static struct {
    pthread_mutex_t lock;
    pthread_once_t once;
    pthread_key_t key;
    node *slab[CT__SLAB_CLASSES + 1]; /* records left by threads that ended */
    node *chunks;                     /* every slab chunk, so that leak checkers see them held */
    ct_memory_info ended;             /* what ended threads left alive */
} common = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

/* ---- the thread's heap ---- */

static void free_pool(ct__heap *heap)
{
    for (int i = 0; i < POOL_CLASSES; i++) {
        while (heap->pool[i]) {
            node *block = heap->pool[i];
            heap->pool[i] = block->next;
            free(block);
        }
    }
    ct__self.live.pooled_bytes = 0;
}

static void thread_ends(void *value)
{
    ct__heap *heap = value;
    free_pool(heap);
    pthread_mutex_lock(&common.lock);
    for (int i = 0; i <= CT__SLAB_CLASSES; i++) {
        while (ct__self.slab[i]) {
            node *record = ct__self.slab[i];
            ct__self.slab[i] = record->next;
            record->next = common.slab[i];
            common.slab[i] = record;
        }
    }
    common.ended.tensors += ct__self.live.tensors;
    common.ended.nodes += ct__self.live.nodes;
    common.ended.storages += ct__self.live.storages;
    common.ended.bytes += ct__self.live.bytes;
    pthread_mutex_unlock(&common.lock);
    for (int i = 0; i < ct__self.scope_chunk_count; i++) free(ct__self.scope_chunks[i]);
    free(ct__self.scope_chunks);
    ct__self.scope_chunks = NULL;
    ct__self.scope_chunk_count = ct__self.scopes = 0;
    ct__self.scope_head = NULL;
    memset(&ct__self.live, 0, sizeof ct__self.live);
    ct__self.heap = NULL;
    free(heap);
}

static void set_up(void)
{
    pthread_key_create(&common.key, thread_ends);
#ifdef CT_PLAIN_MALLOC
    plain = true;
#else
    const char *pool = getenv("COTANGENT_POOL");
    plain = pool && strcmp(pool, "0") == 0;
#endif
}

static ct__heap *heap_of_thread(void)
{
    if (CT__LIKELY(ct__self.heap != NULL)) return ct__self.heap;
    pthread_once(&common.once, set_up);
    ct__heap *heap = calloc(1, sizeof *heap);
    if (!heap) return NULL;
    ct__self.count.mallocs++;
    pthread_setspecific(common.key, heap);
    return ct__self.heap = heap;
}

bool ct__thread_register(void) { return heap_of_thread() != NULL; }

#define HUGE_PAGE ((size_t)2 << 20)

/* Only pages that lie wholly in the block: what is resident never exceeds the bytes that are counted. A block that malloc had given
 * to somebody before still has the small pages of then: they go first. Where the system refuses, the block stays as it was. */
static void ask_for_huge_pages(void *block, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    const size_t whole = bytes / HUGE_PAGE * HUGE_PAGE;
    madvise(block, whole, MADV_DONTNEED);
    madvise(block, whole, MADV_HUGEPAGE);
#else
    (void)block, (void)bytes;
#endif
}

/* malloc with the alignment that kernels like: a cache line, a page where it is large, a huge one where it has several. */
static void *aligned(size_t bytes)
{
    void *p = NULL;
    const bool huge = bytes >= 2 * HUGE_PAGE && !plain;
    ct__self.count.mallocs++;
    if (posix_memalign(&p, huge ? HUGE_PAGE : bytes >= 1 << 16 ? 4096 : 64, bytes) != 0) return NULL;
    if (huge) ask_for_huge_pages(p, bytes);
    return p;
}

/* ---- room for texts ---- */

/* Where not even the heap's record is to be had, threads share the room: what matters then is that there is some. */
static ct__heap last_resort;

char *ct__message_room(void)
{
    ct__heap *heap = heap_of_thread();
    if (!heap) heap = &last_resort;
    return heap->texts[heap->next_text++ % TEXTS];
}

void *ct__error_room(void)
{
    ct__heap *heap = heap_of_thread();
    return heap ? heap->error : last_resort.error;
}

/* ---- slabs ---- */

/* Fills an empty list: from what ended threads left, or from a new chunk, whose first line links it to the others. */
static bool refill(size_t class)
{
    node **list = &ct__self.slab[class];
    pthread_mutex_lock(&common.lock);
    *list = common.slab[class];
    common.slab[class] = NULL;
    char *chunk = *list ? NULL : aligned(SLAB_CHUNK);
    if (chunk) {
        ((node *)(void *)chunk)->next = common.chunks;
        common.chunks = (node *)(void *)chunk;
    }
    pthread_mutex_unlock(&common.lock);
    if (!chunk) return *list != NULL;
    const size_t size = class * CT__SLAB_STEP;
    for (size_t at = CT__SLAB_STEP; at + size <= SLAB_CHUNK; at += size) {
        node *record = (node *)(void *)(chunk + at);
        record->next = *list;
        *list = record;
    }
    return true;
}

void *ct__slab_get_slow(size_t bytes)
{
    if (!heap_of_thread()) return NULL;
    if (plain) return aligned(bytes);
    return refill(ct__slab_class(bytes)) ? ct__slab_get(bytes) : NULL;
}

void ct__slab_put_slow(void *record, size_t bytes)
{
    if (!heap_of_thread()) return; /* a thread whose end will not be noticed cannot keep the record */
    if (plain) {
        free(record);
        return;
    }
    node **list = &ct__self.slab[ct__slab_class(bytes)];
    ((node *)record)->next = *list;
    *list = record;
}

/* ---- pool ---- */

/* Class k stands for (8 + k % 8) 2^(k / 8) lines of 64 bytes, the smallest that holds `bytes`. */
static int pool_class(size_t bytes, size_t *size)
{
    size_t lines = (bytes + 63) / 64;
    if (lines < STEPS) lines = STEPS;
    const int shift = 63 - __builtin_clzll(lines) - 3; /* lines >> shift is in 8 .. 15 */
    size_t mantissa = (lines + ((size_t)1 << shift) - 1) >> shift;
    const int class = STEPS * shift + (int)(mantissa - STEPS); /* a mantissa of 16 is the next shift's 8 */
    *size = (mantissa << shift) * 64;
    return class;
}

void *ct__pool_get(size_t bytes)
{
    ct__heap *heap = heap_of_thread();
    if (CT__UNLIKELY(!heap || bytes > (size_t)1 << 46)) return NULL;
    if (CT__UNLIKELY(plain)) return aligned(bytes ? bytes : 1);
    size_t size;
    const int class = pool_class(bytes, &size);
    node *block = heap->pool[class];
    if (block) {
        heap->pool[class] = block->next;
        ct__self.live.pooled_bytes -= (int64_t)size;
        return block;
    }
    void *fresh = aligned(size);
    if (fresh || !ct__self.live.pooled_bytes) return fresh;
    free_pool(heap); /* what is kept in other sizes may be what is missing */
    return aligned(size);
}

void ct__pool_put(void *block, size_t bytes)
{
    if (CT__UNLIKELY(plain)) {
        free(block);
        return;
    }
    ct__heap *heap = heap_of_thread();
    size_t size;
    const int class = pool_class(bytes, &size);
    /* Is more kept than was ever in use? Then sizes have changed, and memory must not grow for it. */
    const bool enough = ct__self.live.pooled_bytes + (int64_t)size > ct__self.live.peak_bytes + ((int64_t)64 << 20);
    if (!heap || enough) {
        free(block);
        return;
    }
    ((node *)block)->next = heap->pool[class];
    heap->pool[class] = block;
    ct__self.live.pooled_bytes += (int64_t)size;
}

/* ---- what is alive ---- */

ct_memory_info ct_memory(void)
{
    ct_memory_info m = ct__self.live;
    pthread_mutex_lock(&common.lock);
    m.tensors += common.ended.tensors;
    m.nodes += common.ended.nodes;
    m.storages += common.ended.storages;
    m.bytes += common.ended.bytes;
    pthread_mutex_unlock(&common.lock);
    return m;
}

void ct_memory_reset_peak(void) { ct__self.live.peak_bytes = ct__self.live.bytes; }

void ct_memory_trim(void)
{
    if (ct__self.heap) free_pool(ct__self.heap);
}

ct_counters ct_count(void) { return ct__self.count; }
