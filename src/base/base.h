/*
 * base.h (internal) - what every room stands on: raising errors, scope links, slabs and the storage pool, threads, Philox.
 *
 * Invariant: nothing here knows what a tensor is; a scope holds links, memory is bytes.
 */
#ifndef CT_BASE_INTERNAL_H
#define CT_BASE_INTERNAL_H

#include <cotangent/base.h>

/* What is unlikely is laid out apart from the rest: a step of a small network passes more code than a first-level cache holds, most of it
 * once, and what lies between is fetched with it. */
#ifndef __has_builtin
#define __has_builtin(x) 0
#endif
#if __has_builtin(__builtin_expect_with_probability)
#define CT__LIKELY(x) __builtin_expect_with_probability(!!(x), 1, 1.0)
#define CT__UNLIKELY(x) __builtin_expect_with_probability(!!(x), 0, 1.0)
#else
#define CT__LIKELY(x) __builtin_expect(!!(x), 1)
#define CT__UNLIKELY(x) __builtin_expect(!!(x), 0)
#endif
/* What leads to a call of such a function is laid out apart from the rest, and made small. */
#define CT__COLD __attribute__((cold))
/* A part of a frequent function that is seldom taken, and would make it longer. */
#define CT__APART __attribute__((noinline))

/* ---- the thread's own state: small, so that it fits the static TLS block of a dlopen'ed library ---- */

typedef struct ct__heap ct__heap;     /* pool lists, memory.c */
typedef struct ct__script ct__script; /* what a captured step does, and the tensors of one of its actions: tensor/script.h */
typedef struct ct__supply ct__supply;

/* Records of up to CT__SLAB_MAX bytes come in classes of CT__SLAB_STEP. */
enum { CT__SLAB_STEP = 64, CT__SLAB_CLASSES = 16, CT__SLAB_MAX = CT__SLAB_STEP * CT__SLAB_CLASSES };
typedef struct ct__record {
    struct ct__record *next;
} ct__record;

/* Of derivatives (autograd/graph.h): here, as each thread-local block of its own would cost a load wherever it is named. */
typedef struct ct__autograd_state {
    bool grad_off; /* inverted, so that zero is the default */
    bool watching; /* results and gradients are searched for NaN and infinity */
    bool tracing;  /* a tracer is called after each operation */
    bool apart;    /* a sweep runs each node by itself, without regions: for tests */
    int levels;    /* forward levels open */
    uint64_t active; /* the levels that are pushed now, a bit each */
    const struct ct__node *at;   /* the node whose rules a sweep runs: new nodes inherit its place; NULL: none does */
    const struct ct_op *rule;    /* the operation whose derivative is being computed; NULL in the user's own code */
    int64_t unplaced; /* nodes made without a place since one was last noted; a program that notes none counts for ever */
    struct ct__segment *segment; /* that new nodes join */
    struct ct__node *dying;      /* nodes waiting to be destroyed */
    bool destroying;
    struct ct__tangent **level_list; /* of each level, the tangents alive; there while a level is open */
    int64_t regions, in_regions; /* run by sweeps, and the nodes in them */
} ct__autograd_state;

typedef struct ct__thread {
    ct__record *slab[CT__SLAB_CLASSES + 1]; /* free records of each class */
    struct ct__link **scope_head;           /* of the innermost open scope's list; NULL: no scope is open */
    struct ct__link ***scope_chunks; /* heads of the open scopes' lists, in chunks that never move */
    int scopes;                      /* open scopes */
    int scope_chunk_count;
    bool failed;     /* an error is pending */
    bool awake;      /* its team came at once to the last region */
    int threads;     /* set by ct_set_threads; 0: OpenMP's default */
    ct__heap *heap;
    ct__script *script; /* being written; NULL: none is */
    ct__supply *supply; /* where new tensors are noted or come from; NULL: they are new */
    uint64_t random_seed, random_counter;
    int64_t reads; /* of numbers out of tensors that are part of a graph: a rule that did so cannot be differentiated */
    ct_memory_info live;
    ct_counters count;
    ct__autograd_state autograd;
} ct__thread;

extern _Thread_local ct__thread ct__self __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* ---- errors (error.c) ---- */

/* Keeps the error if none is pending. The message after "operation at file:line: ". Always returns NULL. */
CT__COLD void *ct__fail(ct_status status, const char *operation, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* For a NULL argument: explained by the pending error, or an error of its own that names the argument. Returns NULL. */
CT__COLD void *ct__fail_null(const char *operation, const char *argument);
CT__COLD void *ct__fail_memory(const char *operation, size_t bytes);
/* True when nothing is pending; else false, with the error left as it is. For calls that change state. */
static inline bool ct__may_change(void) { return !ct__self.failed; }
/* Where a front speaks for another operation: an error that says `from` ("ct_concat") says `to` ("ct_stack"). Returns false. */
CT__COLD bool ct__rename_error(const char *from, const char *to);

/* Room of the thread (memory.c): for texts in messages, the next of a ring of CT__TEXT bytes each, and for its pending error.
 * Not thread-local variables: a library that is loaded late finds little room for these. Never NULL. */
enum { CT__TEXT = 208, CT__ERROR_ROOM = 1536 };
char *ct__message_room(void);
void *ct__error_room(void);

/* ---- scopes (scope.c) ---- */

/* What a scope holds: the first member of an object. `release` drops the scope's reference. */
typedef struct ct__link {
    struct ct__link *next, **at; /* at: the pointer that points here; NULL outside any scope */
    int scope;                   /* number of the scope it is in */
} ct__link;

extern void (*ct__link_release)(ct__link *link); /* set once, by the tensor room */

void ct__scope_adopt_into(ct__link *link, int scope);
static inline void ct__scope_unlink(ct__link *link)
{
    if (!link->at) return;
    *link->at = link->next;
    if (link->next) link->next->at = link->at;
    link->at = NULL;
}
/* ct_scope_begin and ct_scope_end, for the ways that are short: a head that lies beside that of the scope around it, a list that is
 * empty. Heads stand in chunks of CT__SCOPE_CHUNK. */
enum { CT__SCOPE_CHUNK = 64 };
static inline int ct__scope_begin(void)
{
    const int scope = ct__self.scopes + 1;
    if (CT__UNLIKELY(((unsigned)scope - 1) % CT__SCOPE_CHUNK == 0)) return ct_scope_begin();
    ct__self.scopes = scope;
    *++ct__self.scope_head = NULL;
    return scope;
}
static inline void ct__scope_end(int scope)
{
    if (CT__UNLIKELY(ct__self.scopes != scope || ((unsigned)scope - 1) % CT__SCOPE_CHUNK == 0 || *ct__self.scope_head)) {
        ct_scope_end(scope);
        return;
    }
    ct__self.scopes = scope - 1;
    ct__self.scope_head--;
}
/* Releases what is in a scope and ends what was opened in it; the scope itself stays open. */
static inline void ct__scope_clear(int scope)
{
    if (CT__LIKELY(ct__self.scopes == scope && !*ct__self.scope_head)) return;
    ct_scope_end(scope);
    ct_scope_begin();
}
/* Gives a new object to the innermost scope, if one is open. */
static inline void ct__scope_adopt(ct__link *link)
{
    ct__link **head = ct__self.scope_head;
    link->at = head;
    if (CT__UNLIKELY(!head)) return;
    link->next = *head;
    link->scope = ct__self.scopes;
    if (link->next) link->next->at = &link->next;
    *head = link;
}

/* ---- memory (memory.c) ---- */

/* Records of up to CT__SLAB_MAX bytes, 64-byte aligned; the size, or its class, must be given again. NULL without an error set. */
void *ct__slab_get_slow(size_t bytes);
void ct__slab_put_slow(void *record, size_t bytes);
static inline size_t ct__slab_class(size_t bytes) { return (bytes + CT__SLAB_STEP - 1) / CT__SLAB_STEP; }
/* A record that is ready; NULL where there is none. */
static inline void *ct__slab_try(size_t class)
{
    ct__record *record = ct__self.slab[class];
    if (CT__LIKELY(record != NULL)) ct__self.slab[class] = record->next;
    return record;
}
static inline void *ct__slab_get_of(size_t class)
{
    void *record = ct__slab_try(class);
    return CT__LIKELY(record != NULL) ? record : ct__slab_get_slow(class * CT__SLAB_STEP);
}
static inline void ct__slab_put_of(void *record, size_t class)
{
    ct__record *r = (ct__record *)record;
    r->next = ct__self.slab[class];
    if (CT__UNLIKELY(!r->next)) { /* the first of its class in this thread, and always where malloc is asked each time */
        ct__slab_put_slow(record, class * CT__SLAB_STEP);
        return;
    }
    ct__self.slab[class] = r;
}
static inline void *ct__slab_get(size_t bytes) { return ct__slab_get_of(ct__slab_class(bytes)); }
static inline void ct__slab_put(void *record, size_t bytes) { ct__slab_put_of(record, ct__slab_class(bytes)); }
/* Sets the first `bytes` of a record to zero by a store for each 16 (compilers make a loop or a call of memset of what they recognize
 * as one, so the zero is hidden from them). */
static inline __attribute__((always_inline)) void ct__slab_clear(void *record, size_t bytes)
{
    typedef long long line __attribute__((vector_size(16), may_alias));
    line *at = (line *)record, zero = {0};
#ifdef __SSE2__
    __asm__("" : "+x"(zero));
#endif
#pragma GCC unroll 16
    for (size_t i = 0; i < (bytes + 15) / 16; i++) at[i] = zero;
}
/* From now on the end of the calling thread gives back what it holds. False when memory is out. */
bool ct__thread_register(void);
/* Blocks of any size, 64-byte aligned, kept for reuse by size class. */
void *ct__pool_get(size_t bytes);
void ct__pool_put(void *block, size_t bytes);
/* Live and peak bytes of storages. */
static inline void ct__bytes_add(int64_t bytes)
{
    ct__self.live.bytes += bytes;
    if (CT__UNLIKELY(ct__self.live.bytes > ct__self.live.peak_bytes)) ct__self.live.peak_bytes = ct__self.live.bytes;
}

/* A kernel is about to run over elements. */
static inline void ct__count_pass(int64_t bytes)
{
    ct__self.count.passes++;
    ct__self.count.bytes += bytes;
}

/* ---- threads (threads.c) ---- */

/* Runs work(context, part) for part = 0 .. parts-1, on as many threads as allowed. The cut into parts must depend on the shape
 * of the problem alone, and parts must not touch each other's results: then the thread count cannot change a bit of them. */
void ct__parallel(int64_t parts, void (*work)(void *context, int64_t part), void *context);
/* How many of `count` pieces go into a part, where all of them are `units` of work: parts of at least `least` units, and no more than 64,
 * of which as many threads can have their share. A cut by the problem's shape alone. */
static inline int64_t ct__share(int64_t count, int64_t units, int64_t least)
{
    const int64_t parts = units < 2 * least ? 1 : units / least < 64 ? units / least : 64;
    return (count + parts - 1) / parts;
}
/* Is it no work for two threads? A unit is an addition of f32, or as much time. CT__SHORT of them take some 20 us, no longer than waking a
 * thread does; a quarter is enough for a team that was still awake when the last region began. Nothing that the answer decides may change
 * a result. */
enum { CT__SHORT = 1 << 18 };
static inline bool ct__is_short(int64_t units)
{
    return units < CT__SHORT && (units < CT__SHORT / 4 || !ct__self.awake);
}

/* 0 baseline, 1 avx2 + fma, 2 avx512; chosen once by cpuid, lowered by the environment variable COTANGENT_ISA. */
int ct__isa(void);

/* What differs from processor to processor; chosen with ct__isa, before any kernel is (docs/performance.md). */
typedef struct ct__processor_kind {
    /* What a pass over memory fetches ahead of its place, in bytes. All processors follow a stream by themselves; what is fetched beside that
     * helps some of them, and holds up others. */
    struct {
        int32_t read;    /* of the one array that a reduction reads; 0: by itself the processor is faster */
        int32_t one;     /* of the one array that is read for a result that goes past the caches */
        int32_t several; /* of each of several */
        int32_t block;   /* in a chain, whose next block is fetched while one is worked on */
        int32_t columns; /* rows: of each of those that are summed side by side */
        bool first;      /* what is fetched a block ahead goes to the first-level cache, not to the second: turned copies, chains */
        bool rows;       /* the next row is fetched where one is passed over several times */
    } ahead;
    double product; /* flops from which a product is shared among threads; 0: as its kernels say */
} ct__processor_kind;
extern const ct__processor_kind ct__processor_kinds[2];
extern ct__processor_kind ct__processor; /* the one at hand */

/* ---- random numbers (random.c) ---- */

/* Four random words of Philox 4x32-10 at a counter under a key. */
void ct__philox(uint64_t key, uint64_t counter, uint64_t stream, uint32_t out[4]);
/* The same of CT__PHILOX_LANES counters from `counter` on: out[k][l] is word k of the l-th. */
enum { CT__PHILOX_LANES = 16 };
void ct__philox_lanes(uint64_t key, uint64_t counter, uint64_t stream, uint32_t out[4][CT__PHILOX_LANES]);
/* The place in the thread's sequence for a draw of n numbers: a stream of its own for each draw. */
typedef struct ct__draw {
    uint64_t key, stream;
} ct__draw;
ct__draw ct__random_draw(void);
/* The thread's place in the sequence, to be put back (recomputation draws the same numbers). */
typedef struct ct__random_state {
    uint64_t seed, counter;
} ct__random_state;
ct__random_state ct__random_save(void);
void ct__random_restore(ct__random_state state);

#endif
