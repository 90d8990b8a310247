/*
 * chain.c - runs chains: which registers share a slot of scratch, how large a block is, and what is done for each.
 *
 * Scratch is on the stack of the thread that works on a part: it is there, it is in cache, and it cannot fail. The more slots a chain
 * needs at a time, the shorter its blocks.
 *
 * A chain that reads and writes more than caches keep finds nothing there: its results go past the caches (stream.h), and a block is
 * fetched while the one before it is worked on, operands one after the other, since bursts would wait. The hardware would see many short
 * runs and begin anew at each.
 */
#include "tensor/chain.h"

#include <string.h>

#include "tensor/stream.h"

enum { SCRATCH = 64 * 1024, BLOCK_BYTES = 4 * 1024, PART = 1 << 16, LINE = 64, NO_SLOT = 255 };
enum { FAR = 1 << 24 }; /* bytes that one run may touch before caches are of no use */

/* A tensor that is not dense, with its axes joined where that is possible: read into a slot block by block. */
typedef struct gathered {
    int rank;
    int64_t dim[CT_MAX_RANK], stride[CT_MAX_RANK];
} gathered;

typedef struct plan {
    const ct__chain *c;
    int64_t count, part, block;
    size_t size, slot_bytes;
    int slots, reads;
    bool far;
    uint8_t slot[CT__CHAIN_REGISTERS]; /* NO_SLOT: in memory */
    uint8_t read[CT__CHAIN_REGISTERS]; /* with .far: what is read from memory */
} plan;

/* ---- slots ---- */

/* Slots in use, and those given back. */
typedef struct slots {
    int count, n_free;
    uint8_t free[CT__CHAIN_REGISTERS];
} slots;

static uint8_t take(slots *s) { return s->n_free ? s->free[--s->n_free] : (uint8_t)s->count++; }

/* The last step that names each register. */
static void find_last(const ct__chain *c, int *last)
{
    for (int i = 0; i < c->steps; i++) {
        for (int k = 0; k < c->step[i].count; k++) last[c->step[i].operand[k]] = i;
    }
}

/* Does the register live in a slot from its first step to its last? The others are in memory, or in a slot for the whole run. */
static bool passes(const plan *p, int r)
{
    const ct_tensor *t = p->c->tensor[r];
    return !t || (t->dense && p->far);
}

/* Gives back the slots of operands (results, with `of_outputs`) that no later step names. */
static void give_back(plan *p, slots *s, int i, const int *last, bool of_outputs)
{
    const ct__chain_step *step = &p->c->step[i];
    for (int k = 0; k < step->count; k++) {
        const int r = step->operand[k];
        bool before = false;
        for (int j = 0; j < k; j++) before = before || step->operand[j] == r;
        const bool output = k < step->outputs;
        if (output == of_outputs && !before && last[r] == i && p->slot[r] != NO_SLOT && passes(p, r)) s->free[s->n_free++] = p->slot[r];
    }
}

static void assign_slots(plan *p)
{
    const ct__chain *c = p->c;
    int last[CT__CHAIN_REGISTERS] = {0};
    slots s = {0};
    find_last(c, last);
    for (int r = 0; r < c->registers; r++) p->slot[r] = c->tensor[r] && !c->tensor[r]->dense ? take(&s) : NO_SLOT;
    for (int i = 0; i < c->steps; i++) {
        const ct__chain_step *step = &c->step[i];
        const bool reuse = step->outputs == 1;
        if (reuse) give_back(p, &s, i, last, false);
        for (int k = 0; k < step->outputs; k++) {
            const int r = step->operand[k];
            if (passes(p, r) && p->slot[r] == NO_SLOT) p->slot[r] = take(&s);
        }
        if (!reuse) give_back(p, &s, i, last, false);
        give_back(p, &s, i, last, true);
    }
    p->slots = s.count;
}

/* ---- operands that are not dense ---- */

/* n numbers at a distance in elements, side by side. One that repeats is written by vectors. */
#define GATHER(TYPE)                                                                                                   \
    {                                                                                                                  \
        TYPE *d = (TYPE *)(void *)to;                                                                                  \
        const TYPE *f = (const TYPE *)(const void *)from, first = *f;                                                  \
        for (int64_t i = 0; stride == 0 && i < n; i++) d[i] = first;                                                   \
        for (int64_t i = 0; stride != 0 && i < n; i++) d[i] = f[i * stride];                                           \
    }

static void gather_run(char *to, const char *from, int64_t stride, int64_t n, size_t size)
{
    if (stride == 1) memcpy(to, from, (size_t)n * size);
    else if (size == 4) GATHER(uint32_t)
    else GATHER(uint64_t)
}

static void join_axes(const ct_tensor *t, gathered *g)
{
    g->rank = 0;
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i] == 1) continue;
        const bool join = g->rank > 0 && g->stride[g->rank - 1] == t->stride[i] * t->dim[i];
        if (!join) g->dim[g->rank++] = 1;
        g->dim[g->rank - 1] *= t->dim[i];
        g->stride[g->rank - 1] = t->stride[i];
    }
}

/* Elements first .. first+n-1 of t in row-major order. */
static void gather(const ct_tensor *t, char *to, int64_t first, int64_t n)
{
    gathered g;
    int64_t index[CT_MAX_RANK], offset = 0, rest = first;
    const size_t size = ct__size(t);
    join_axes(t, &g);
    for (int a = g.rank - 1; a >= 0; a--) {
        index[a] = rest % g.dim[a];
        rest /= g.dim[a];
        offset += index[a] * g.stride[a];
    }
    const int inner = g.rank - 1;
    while (n > 0) {
        const int64_t left = g.dim[inner] - index[inner], run = n < left ? n : left;
        gather_run(to, t->data + offset * (int64_t)size, g.stride[inner], run, size);
        to += run * (int64_t)size;
        n -= run;
        index[inner] += run;
        offset += run * g.stride[inner];
        for (int a = inner; a > 0 && index[a] == g.dim[a]; a--) {
            offset += g.stride[a - 1] - g.dim[a] * g.stride[a];
            index[a] = 0;
            index[a - 1]++;
        }
    }
}

/* ---- what is far ---- */

/* Registers that are read before anything is written to them, in the order of their use. */
static void find_reads(plan *p)
{
    bool seen[CT__CHAIN_REGISTERS] = {0};
    for (int i = 0; i < p->c->steps; i++) {
        const ct__chain_step *step = &p->c->step[i];
        for (int k = 0; k < step->count; k++) {
            const int r = step->operand[k];
            const ct_tensor *t = p->c->tensor[r];
            if (k >= step->outputs && !seen[r] && t && t->dense) p->read[p->reads++] = (uint8_t)r;
            seen[r] = true;
        }
    }
}

static bool is_far(const ct__chain *c, int64_t bytes)
{
    int in_memory = 0;
    for (int r = 0; r < c->registers; r++) in_memory += c->tensor[r] && c->tensor[r]->dense;
    return in_memory * bytes >= FAR;
}

/* Inlined: a call of what does nothing but fetch is one that compilers leave out. */
static inline __attribute__((always_inline)) void fetch(const char *at, int64_t bytes)
{
    if (ct__processor.ahead.first) for (int64_t i = 0; i < bytes; i += LINE) __builtin_prefetch(at + i, 0, 3);
    else for (int64_t i = 0; i < bytes; i += LINE) __builtin_prefetch(at + i, 0, 2);
}

/* ---- blocks ---- */

/* Sends what a step wrote to where it stays. */
static void send(const plan *p, const ct__chain_step *step, char *const *operand, int64_t first, int64_t n)
{
    for (int k = 0; k < step->outputs; k++) {
        const int r = step->operand[k];
        const ct_tensor *t = p->c->tensor[r];
        if (t && p->slot[r] != NO_SLOT) ct__stream(t->data + first * (int64_t)p->size, operand[k], (size_t)n * p->size);
    }
}

/* The steps on elements first .. first+n-1; `next` elements follow these. */
static void run_steps(const plan *p, char *const *at, int64_t first, int64_t n, int64_t next)
{
    int fetched = 0;
    for (int i = 0; i < p->c->steps; i++) {
        const ct__chain_step *step = &p->c->step[i];
        char *operand[CT__MAX_OPERANDS];
        for (int k = 0; k < step->count; k++) operand[k] = at[step->operand[k]];
        for (; fetched < p->reads && fetched * p->c->steps <= i * p->reads; fetched++)
            fetch(at[p->read[fetched]] + n * (int64_t)p->size, next * (int64_t)p->size);
        step->kernel(n, operand, step->params);
        if (p->far) send(p, step, operand, first, n);
    }
}

/* Where the registers of a block begin; operands that are not dense are brought there. A value that is the same everywhere comes once. */
static void bring(const plan *p, char *scratch, char **at, int64_t first, int64_t n, bool again)
{
    for (int r = 0; r < p->c->registers; r++) {
        const ct_tensor *t = p->c->tensor[r];
        if (p->slot[r] == NO_SLOT) {
            at[r] = t ? t->data + first * (int64_t)p->size : NULL;
            continue;
        }
        at[r] = scratch + p->slot[r] * p->slot_bytes;
        if (!t || t->dense) continue;
        if (!ct__is_uniform(t)) gather(t, at[r], first, n);
        else if (!again) gather_run(at[r], t->data, 0, n, p->size);
    }
}

static void run_part(void *context, int64_t part)
{
    const plan *p = context;
    _Alignas(LINE) char scratch[SCRATCH];
    char *at[CT__CHAIN_REGISTERS];
    const int64_t from = part * p->part, to = from + p->part < p->count ? from + p->part : p->count;
    for (int64_t first = from; first < to; first += p->block) {
        const int64_t n = to - first < p->block ? to - first : p->block;
        bring(p, scratch, at, first, n, first > from);
        const int64_t left = p->count - first - n; /* the next part is probably this thread's as well */
        run_steps(p, at, first, n, left < p->block ? left : p->block);
    }
    if (p->far) ct__stream_end();
}

/* Blocks of whole lines, as long as the slots allow. */
static void cut_blocks(plan *p)
{
    size_t bytes = p->slots ? SCRATCH / (size_t)p->slots : BLOCK_BYTES;
    const size_t most = p->far ? (size_t)ct__processor.ahead.block : BLOCK_BYTES;
    if (bytes > most) bytes = most;
    p->slot_bytes = bytes / LINE * LINE;
    p->block = (int64_t)(p->slot_bytes / p->size);
}

/* Parts of whole blocks. */
static int64_t cut_parts(plan *p)
{
    int64_t cost = 0;
    for (int i = 0; i < p->c->steps; i++) cost += p->c->step[i].cost;
    p->part = (ct__share(p->count, p->count * cost, PART) + p->block - 1) / p->block * p->block;
    return (p->count + p->part - 1) / p->part;
}

void ct__chain_run(const ct__chain *c, ct_dtype dtype, int64_t count)
{
    if (count == 0 || c->steps == 0) return;
    plan p = {.c = c, .count = count, .size = dtype == CT_F32 ? 4 : 8};
    const int64_t bytes = count * (int64_t)p.size;
    p.far = is_far(c, bytes);
    ct__self.count.passes += c->steps;
    for (int r = 0; r < c->registers; r++) ct__self.count.bytes += c->tensor[r] ? bytes : 0;
    if (p.far) find_reads(&p);
    assign_slots(&p);
    cut_blocks(&p);
    ct__parallel(cut_parts(&p), run_part, &p);
}
