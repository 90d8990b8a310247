/*
 * script.c - writing scripts, doing them again, and what they hold.
 *
 * Records lie one behind the other in blocks, in the order in which they are done.
 */
#include "tensor/script.h"

#include <stdlib.h>
#include <string.h>

typedef struct action {
    struct action *next;
    ct__act act;
    void (*drop)(void *record);
    _Alignas(16) char record[];
} action;

typedef struct block {
    struct block *next;
    size_t bytes, used;
    _Alignas(16) char room[];
} block;

/* The memory of a tensor that is held, and the actions from the first to the last that name it. */
typedef struct life {
    ct_tensor *t;
    int64_t first, last;
    int32_t refs; /* of the storage, which the script has */
} life;

struct ct__script {
    action *first, **end; /* what is done before the rest, too, stands in this list */
    action **first_end;   /* behind what was added by ct__script_add_first */
    action *last;         /* added last */
    block *blocks;
    int64_t actions, behind; /* behind: those that are not at the front */
    ct__holding held;     /* twice each */
    ct__holding outside;  /* those among them that the script did not make */
    ct__holding seen;     /* those that it made, and that others have as well */
    life *lives;          /* of held.t, until it is planned which share memory */
    int64_t lives_room;
};

enum { BLOCK = 4096, FEW = 32 };

static void *no_memory(size_t bytes) { return ct__fail_memory("ct_capture", bytes); }

/* ---- room ---- */

static bool hold(ct__holding *h, ct_tensor *t)
{
    if (h->n == h->room) {
        const int64_t room = h->room ? 2 * h->room : FEW;
        ct_tensor **more = ct__pool_get((size_t)room * sizeof *more);
        if (!more) return no_memory((size_t)room * sizeof *more);
        if (h->n) memcpy(more, h->t, (size_t)h->n * sizeof *more);
        if (h->t) ct__pool_put(h->t, (size_t)h->room * sizeof *more);
        h->t = more;
        h->room = room;
    }
    h->t[h->n++] = t;
    return true;
}

static void holding_free(ct__holding *h)
{
    if (h->t) ct__pool_put(h->t, (size_t)h->room * sizeof *h->t);
}

static void *room_in(ct__script *s, size_t bytes)
{
    block *b = s->blocks;
    if (!b || b->bytes - b->used < bytes) {
        const size_t all = sizeof *b + (bytes > BLOCK ? bytes : BLOCK);
        b = ct__pool_get(all);
        if (!b) return no_memory(all);
        *b = (block){.next = s->blocks, .bytes = all - sizeof *b};
        s->blocks = b;
    }
    void *at = b->room + b->used;
    b->used += bytes;
    return at;
}

/* ---- writing ---- */

ct__script *ct__script_begin(void)
{
    ct__script *s = ct__pool_get(sizeof *s);
    if (!s) return no_memory(sizeof *s);
    *s = (ct__script){.first = NULL};
    s->end = s->first_end = &s->first;
    ct__self.script = s;
    return s;
}

static void *add(ct__act act, size_t bytes, bool at_front)
{
    ct__script *s = ct__self.script;
    const size_t all = (sizeof(action) + bytes + 15) / 16 * 16;
    action *a = room_in(s, all);
    if (!a) return NULL;
    memset(a, 0, all);
    a->act = act;
    action **at = at_front ? s->first_end : s->end;
    a->next = *at;
    *at = a;
    if (at == s->end) s->end = &a->next;
    if (at_front) s->first_end = &a->next;
    s->last = a;
    s->actions++;
    s->behind += !at_front;
    return a->record;
}

void *ct__script_add(ct__act act, size_t bytes) { return add(act, bytes, false); }
void *ct__script_add_first(ct__act act, size_t bytes) { return add(act, bytes, true); }
void ct__script_drop(void (*drop)(void *record)) { ct__self.script->last->drop = drop; }

int64_t ct__script_actions(const ct__script *s) { return s->actions; }

static bool same_view(const ct_tensor *a, const ct_tensor *b)
{
    return a->storage == b->storage && a->data == b->data && ct__same_shape(a, b) &&
           ct__same_lengths(a->stride, b->stride, a->rank) && a->dtype == b->dtype;
}

/* As many lives as there is room to hold tensors. */
static bool grow_lives(ct__script *s)
{
    if (s->lives_room == s->held.room) return true;
    life *more = ct__pool_get((size_t)s->held.room * sizeof *more);
    if (!more) return no_memory((size_t)s->held.room * sizeof *more);
    if (s->lives) memcpy(more, s->lives, (size_t)s->lives_room * sizeof *more);
    if (s->lives) ct__pool_put(s->lives, (size_t)s->lives_room * sizeof *more);
    s->lives = more;
    s->lives_room = s->held.room;
    return true;
}

/* Holds a tensor that has one reference for that already. */
static bool hold_life(ct__script *s, ct_tensor *t)
{
    if (!hold(&s->held, t)) {
        ct__release(t);
        return false;
    }
    if (!grow_lives(s)) {
        ct__release(s->held.t[--s->held.n]);
        return false;
    }
    ct__retain(t);
    s->lives[s->held.n - 1] = (life){.t = t, .first = s->behind, .last = s->behind, .refs = 1};
    return true;
}

/* The number of the first of those held last, among which one looks for what is the same. */
static int64_t first_near(const ct__script *s) { return s->held.n > FEW ? s->held.n - FEW : 0; }

/* One of those held last that is the same, or a new one. */
static ct_tensor *held(ct__script *s, const ct_tensor *t)
{
    for (int64_t i = s->held.n - 1; i >= first_near(s); i--) {
        if (!same_view(s->held.t[i], t)) continue;
        s->lives[i].last = s->behind;
        return s->held.t[i];
    }
    ct_tensor *bare = ct__own(ct__tensor_bare(t));
    return bare && hold_life(s, bare) ? bare : NULL;
}

bool ct__script_only(const ct_tensor *t)
{
    const ct__script *s = ct__self.script;
    int views = 0;
    bool itself = false; /* is it held as it is, and not a view of it? By a supply as well, then */
    for (int64_t i = first_near(s); i < s->held.n; i++) {
        views += s->held.t[i]->storage == t->storage;
        itself = itself || s->held.t[i] == t;
    }
    const bool made = t->storage->scripted & CT__MADE && !t->storage->foreign;
    return made && t->dense && !t->graph && t->refs == (itself ? 4 : 1) && t->storage->refs == views + !itself;
}

void ct__script_pin(ct_tensor *t) { t->storage->scripted |= CT__PINNED; }

ct_tensor *ct__script_reads(ct_tensor *t)
{
    ct__script *s = ct__self.script;
    ct_tensor *h = held(s, t);
    if (!h || h->storage->scripted & (CT__MADE | CT__USED)) return h;
    h->storage->scripted = CT__USED;
    return hold(&s->outside, h) ? h : NULL;
}

ct_tensor *ct__script_writes(ct_tensor *t)
{
    ct_tensor *h = held(ct__self.script, t);
    if (h) h->storage->scripted |= CT__MADE;
    return h;
}

ct_tensor *ct__script_changes(ct_tensor *t)
{
    ct_tensor *h = ct__script_reads(t);
    if (h) h->storage->scripted |= CT__MADE;
    return h;
}

/* ---- copies and fills ---- */

typedef struct putting {
    ct_tensor *to, *from; /* from NULL: a number */
    double value;
} putting;

static bool put_again(void *record)
{
    const putting *p = record;
    if (p->from) ct__copy(p->to, p->from);
    else ct__fill(p->to, p->value);
    ct__bump(p->to);
    return true;
}

static void add_putting(ct_tensor *to, ct_tensor *from, double value)
{
    putting *p = ct__script_add(put_again, sizeof *p);
    if (!p) return;
    p->from = from ? ct__script_reads(from) : NULL;
    p->to = ct__script_changes(to);
    p->value = value;
}

void ct__script_copy(ct_tensor *dst, const ct_tensor *src)
{
    ct__script *s = ct__script_pause();
    ct__copy(dst, src);
    ct__self.script = s;
    add_putting(dst, (ct_tensor *)(uintptr_t)src, 0);
}

void ct__script_fill(ct_tensor *t, double value)
{
    ct__script *s = ct__script_pause();
    ct__fill(t, value);
    ct__self.script = s;
    add_putting(t, NULL, value);
}

void ct__script_constant(ct_tensor *t)
{
    ct__script *s = ct__script_pause();
    ct_tensor *copy = ct__own(ct__tensor_like("ct_capture", t, (ct_dtype)t->dtype));
    if (copy) ct__copy(copy, t);
    ct__self.script = s;
    if (!copy) return;
    add_putting(t, copy, 0);
    ct__release(copy);
}

/* ---- supplies ---- */

static bool is_like(const ct_tensor *t, ct_dtype dtype, int rank, const int64_t *dim)
{
    return t->dtype == dtype && t->rank == rank && ct__same_lengths(t->dim, dim, rank);
}

ct_tensor *ct__supplied(const char *operation, ct_dtype dtype, int rank, const int64_t *dim)
{
    ct__supply *s = ct__self.supply;
    if (!s->again) {
        ct__self.supply = NULL;
        ct_tensor *t = ct__tensor_new(operation, dtype, rank, dim);
        ct__self.supply = s;
        return t && hold(&s->made, t) ? ct__retain(t) : NULL;
    }
    if (s->next >= s->made.n || !is_like(s->made.t[s->next], dtype, rank, dim))
        return ct__fail(CT_ERROR_GRAPH, operation, "done again, it makes other tensors than when it was captured");
    ct_tensor *t = ct__retain(s->made.t[s->next++]); /* in no scope: those of the time it was made have ended */
    ct__scope_adopt(&t->link);
    return t;
}

void ct__supply_close(ct__supply *s)
{
    ct__script *to = ct__self.script;
    s->again = true;
    for (int64_t i = 0; i < s->made.n; i++) {
        s->made.t[i]->storage->scripted |= CT__MADE;
        if (!hold_life(to, ct__retain(s->made.t[i]))) return;
    }
}

void ct__supply_free(ct__supply *s)
{
    for (int64_t i = 0; i < s->made.n; i++) ct__release(s->made.t[i]);
    holding_free(&s->made);
}

/* ---- planned memory: what is not needed at the same time lies in the same place ---- */

static int by_storage(const void *a, const void *b)
{
    const uintptr_t x = (uintptr_t)((const life *)a)->t->storage, y = (uintptr_t)((const life *)b)->t->storage;
    return x < y ? -1 : x > y;
}

static int by_first(const void *a, const void *b)
{
    const int64_t x = ((const life *)a)->first, y = ((const life *)b)->first;
    return x < y ? -1 : x > y;
}

/* One life for each storage. Returns how many. */
static int64_t merge(life *l, int64_t n)
{
    int64_t m = 0;
    qsort(l, (size_t)n, sizeof *l, by_storage);
    for (int64_t i = 0; i < n; i++) {
        if (m == 0 || l[m - 1].t->storage != l[i].t->storage) {
            l[m++] = l[i];
            continue;
        }
        life *same = &l[m - 1];
        if (l[i].first < same->first) same->first = l[i].first;
        if (l[i].last > same->last) same->last = l[i].last;
        same->refs += l[i].refs;
    }
    return m;
}

/* Has nobody else the memory? */
static bool is_own(const life *l) { return !(l->t->storage->scripted & CT__PINNED) && l->t->storage->refs == l->refs; }

/* Can it lie elsewhere, as all of it is written before it is read? */
static bool is_movable(const life *l)
{
    const ct__storage *s = l->t->storage;
    return is_own(l) && s->scripted == CT__MADE && !s->inside && !s->foreign;
}

/* Among n places, memory whose last life is over: as small as fits, and of those the one left last, which is still in cache. */
static life *place_for(life *place, int64_t n, const life *next)
{
    life *best = NULL;
    for (int64_t i = 0; i < n; i++) {
        const size_t bytes = place[i].t->storage->bytes, least = best ? best->t->storage->bytes : SIZE_MAX;
        if (place[i].last >= next->first || bytes < next->t->storage->bytes) continue;
        if (bytes < least || (bytes == least && place[i].last > best->last)) best = &place[i];
    }
    return best;
}

/* Of every tensor that is held, `data` becomes the distance from where its storage's bytes are, or a place again. */
static void measure(const ct__script *s, bool distance)
{
    for (int64_t i = 0; i < s->held.n; i++) {
        ct_tensor *t = s->held.t[i];
        const uintptr_t from = (uintptr_t)t->storage->data, at = (uintptr_t)t->data;
        t->data = (char *)(distance ? at - from : at + from);
    }
}

/* A tensor of a supply is held itself: three references are the script's. */
static void pin_supplied(const ct__script *s)
{
    for (int64_t i = 0; i < s->held.n; i++) {
        ct_tensor *t = s->held.t[i];
        if (t->storage == &t->own && t->refs > 3) ct__script_pin(t);
    }
}

static void plan_memory(ct__script *s)
{
    life *l = s->lives;
    pin_supplied(s);
    const int64_t all = merge(l, s->held.n);
    int64_t n = 0;
    for (int64_t i = 0; i < all; i++) {
        if (l[i].t->storage->scripted & CT__MADE && !is_own(&l[i])) hold(&s->seen, l[i].t);
        if (is_movable(&l[i])) l[n++] = l[i];
    }
    qsort(l, (size_t)n, sizeof *l, by_first);
    measure(s, true);
    int64_t places = 0; /* the first of l: lives that keep their memory, with the end of the last life that it serves */
    for (int64_t i = 0; i < n; i++) {
        const life next = l[i];
        life *place = place_for(l, places, &next);
        if (!place) {
            l[places++] = next;
            continue;
        }
        ct__storage_lean_on(next.t->storage, place->t->storage);
        place->last = next.last;
    }
    measure(s, false);
}

void ct__script_end(ct__script *s, bool plan)
{
    ct__self.script = NULL;
    if (plan && s->held.n) plan_memory(s);
    for (int64_t i = 0; i < s->held.n; i++) s->held.t[i]->storage->scripted &= CT__LEFT;
    if (s->lives) ct__pool_put(s->lives, (size_t)s->lives_room * sizeof *s->lives);
    s->lives = NULL;
}

/* ---- doing it again ---- */

static bool in_place(const ct__script *s)
{
    for (int64_t i = 0; i < s->outside.n; i++) {
        const ct_tensor *t = s->outside.t[i];
        if (CT__UNLIKELY(t->storage->scripted & CT__LEFT))
            return ct__fail(CT_ERROR_GRAPH, "ct_replay",
                            "a tensor %s, which the step uses, was given other memory after the capture (ct_set_data, or a cast of its "
                            "module); ct_copy_ changes values where they are, or capture the step again", ct__describe(t));
    }
    return true;
}

bool ct__script_run(ct__script *s)
{
    if (!in_place(s)) return false;
    for (int64_t i = 0; i < s->seen.n; i++) ct__bump(s->seen.t[i]);
    for (action *a = s->first; a; a = a->next) {
        if (CT__UNLIKELY(!a->act(a->record))) return false;
    }
    return true;
}

void ct__script_free(ct__script *s)
{
    for (action *a = s->first; a; a = a->next) {
        if (a->drop) a->drop(a->record);
    }
    for (int64_t i = 0; i < s->held.n; i++) {
        ct__release(s->held.t[i]);
        ct__release(s->held.t[i]);
    }
    holding_free(&s->held);
    holding_free(&s->outside);
    holding_free(&s->seen);
    for (block *b = s->blocks; b;) {
        block *next = b->next;
        ct__pool_put(b, sizeof *b + b->bytes);
        b = next;
    }
    ct__pool_put(s, sizeof *s);
}
