/*
 * tensor.c - tensors and storages: making them, counting references, handing them between scopes.
 *
 * A tensor has one reference from the scope it is in (or from its caller) and one from each node that kept it; a storage has one from each
 * tensor that views it and one from the tensor whose record it is part of. So a tensor costs one slab slot, and one block of the pool
 * where its bytes do not fit into the slot.
 */
#include "tensor/script.h"

void (*ct__graph_release)(void *graph);
ct_tensor *(*ct__graph_note)(ct_tensor *t, const char *file, int line);
void (*ct__graph_share)(void *graph);

/* ---- storages ---- */

static ct_tensor *owner_of(ct__storage *s) { return (ct_tensor *)(void *)((char *)s - offsetof(struct ct_tensor, own)); }

/* Gives the bytes back; the record may stay. */
static void let_go(ct__storage *s)
{
    if (s->gone) return;
    s->gone = true;
    ct__self.live.storages--;
    if (CT__UNLIKELY(s->foreign)) {
        const ct__lender *lender = (const ct__lender *)(const void *)(owner_of(s) + 1);
        if (lender->release) lender->release(s->data, lender->context);
        return;
    }
    ct__self.live.bytes -= (int64_t)s->bytes;
    if (!s->inside) ct__pool_put(s->data, s->bytes);
}

static void storage_retain(ct__storage *s)
{
    if (CT__UNLIKELY(s->shared)) __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    else s->refs++;
}

static inline void storage_release(ct__storage *s)
{
    const int32_t left = CT__UNLIKELY(s->shared) ? __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) : --s->refs;
    if (left > 0) return;
    if (CT__LIKELY(s->inside && !s->gone)) { /* nothing but the record */
        ct__self.live.storages--;
        ct__self.live.bytes -= (int64_t)s->bytes;
    } else {
        let_go(s);
    }
    ct__slab_put_of(owner_of(s), s->lines);
}

void ct__storage_lean_on(ct__storage *s, const ct__storage *other)
{
    let_go(s);
    s->data = other->data;
}

/* ---- tensors ---- */

/* Makes a slab record one with everything set but shape, dtype and storage; it is dense until somebody says otherwise. Neighbors are set in
 * a row, so that compilers make one store of them. */
static inline __attribute__((always_inline)) void record_begin(ct_tensor *t)
{
    t->refs = 1;
    t->weak = t->shared = t->needs_grad = false;
    t->dense = true;
    t->kind_and_place = 0;
    _Static_assert(offsetof(struct ct_tensor, own) - offsetof(struct ct_tensor, graph) == 16, "nothing lies between");
    ct__slab_clear(&t->graph, 16); /* and .file */
    ct__self.live.tensors++;
}
static inline ct_tensor *record_new(size_t class)
{
    ct_tensor *t = ct__slab_get_of(class);
    if (CT__UNLIKELY(!t)) return NULL;
    record_begin(t);
    return t;
}

static void *record_back(ct_tensor *t, size_t class, const char *operation, size_t wanted)
{
    ct__self.live.tensors--;
    ct__slab_put_of(t, class);
    return ct__fail_memory(operation, wanted);
}

/* Row-major. */
static inline void lay_out(ct_tensor *t, int rank, const int64_t *dim)
{
    uint64_t step = 1; /* behind a length of 0 it may be anything */
    t->rank = (uint8_t)rank;
#pragma GCC unroll 1
    for (int i = rank - 1; i >= 0; i--) {
        t->dim[i] = dim[i];
        t->stride[i] = (int64_t)step;
        step *= (uint64_t)dim[i];
    }
    t->count = (int64_t)step;
}

/* Strides where some length is 0: it counts as 1, and what then overflows is never taken, it only must not be undefined. */
static void lay_out_empty(ct_tensor *t)
{
    uint64_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        t->stride[i] = (int64_t)step;
        step *= t->dim[i] ? (uint64_t)t->dim[i] : 1;
    }
}

/* The storage of its own that a record gets, with contents of `bytes` at `data`. */
static inline void own_storage(ct_tensor *t, size_t class, bool inside, size_t bytes, char *data)
{
    ct__storage *s = t->storage = &t->own;
    s->refs = 1;
    s->version = 0;
    s->inside = inside;
    s->shared = s->tracked = s->foreign = s->gone = s->met = false;
    s->scripted = 0;
    s->lines = (uint8_t)class;
    s->bytes = bytes;
    t->data = s->data = data;
    ct__self.live.storages++;
    ct__bytes_add((int64_t)bytes);
    ct__scope_adopt(&t->link);
}

static CT__APART ct_tensor *new_of_any_size(const char *operation, ct_dtype dtype, int rank, const int64_t *dim,
                                            size_t bytes)
{
    const bool inside = bytes <= CT__INSIDE_MAX;
    const size_t class = ct__slab_class(sizeof(ct_tensor) + (bytes > CT__FRONT && inside ? bytes : 0));
    ct_tensor *t = record_new(class);
    if (!t) return ct__fail_memory(operation, class * CT__SLAB_STEP);
    t->dtype = (uint8_t)dtype;
    lay_out(t, rank, dim);
    if (t->count == 0) lay_out_empty(t);
    char *data = !inside ? ct__pool_get(bytes) : bytes > CT__FRONT ? (char *)(t + 1) : t->front;
    if (!data) return record_back(t, class, operation, bytes);
    own_storage(t, class, inside, bytes, data);
    return t;
}

static const uint8_t size_of[CT_DTYPES] = {4, 8, 4, 8, 1, 1};

/* What is small, and has a record ready, calls nothing on its way. */
ct_tensor *ct__tensor_new(const char *operation, ct_dtype dtype, int rank, const int64_t *dim)
{
    if (CT__UNLIKELY(ct__self.supply != NULL)) return ct__supplied(operation, dtype, rank, dim);
    size_t bytes = size_of[dtype];
#pragma GCC unroll 1
    for (int i = 0; i < rank; i++) bytes *= (size_t)dim[i];
    if (CT__UNLIKELY(bytes == 0 || bytes > CT__INSIDE_MAX)) return new_of_any_size(operation, dtype, rank, dim, bytes);
    const size_t class = ct__slab_class(sizeof(ct_tensor) + (bytes > CT__FRONT ? bytes : 0));
    ct_tensor *t = ct__slab_try(class);
    if (CT__UNLIKELY(!t)) return new_of_any_size(operation, dtype, rank, dim, bytes);
    record_begin(t);
    t->dtype = (uint8_t)dtype;
    lay_out(t, rank, dim);
    own_storage(t, class, true, bytes, bytes > CT__FRONT ? (char *)(t + 1) : t->front);
    return t;
}

/* A record of the smallest class has room for two doubles. */
ct_tensor *ct__tensor_one(const char *operation, ct_dtype dtype)
{
    enum { CLASS = (sizeof(ct_tensor) + CT__SLAB_STEP - 1) / CT__SLAB_STEP };
    const size_t bytes = size_of[dtype];
    if (CT__UNLIKELY(ct__self.supply != NULL)) return ct__supplied(operation, dtype, 0, NULL);
    ct_tensor *t = CT__INSIDE_MAX ? ct__slab_try(CLASS) : NULL;
    if (CT__UNLIKELY(!t)) return new_of_any_size(operation, dtype, 0, NULL, bytes);
    record_begin(t);
    t->count = 1;
    t->dtype = (uint8_t)dtype;
    own_storage(t, CLASS, true, bytes, t->front);
    return t;
}

ct_tensor *ct__tensor_like(const char *operation, const ct_tensor *t, ct_dtype dtype)
{
    return ct__tensor_new(operation, dtype, t->rank, t->dim);
}

ct_tensor *ct__tensor_wrap(const char *operation, ct_dtype dtype, int rank, const int64_t *dim, void *data,
                           void (*release)(void *data, void *context), void *context)
{
    const size_t size = sizeof(ct_tensor) + sizeof(ct__lender), class = ct__slab_class(size);
    ct_tensor *t = record_new(class);
    if (!t) return ct__fail_memory(operation, size);
    t->dtype = (uint8_t)dtype;
    lay_out(t, rank, dim);
    if (t->count == 0) lay_out_empty(t);
    *(ct__lender *)(void *)(t + 1) = (ct__lender){.release = release, .context = context};
    t->own = (ct__storage){.refs = 1, .foreign = true, .lines = (uint8_t)class, .bytes = (size_t)t->count * ct__size(t), .data = data};
    t->storage = &t->own;
    t->data = data;
    ct__self.live.storages++;
    ct__scope_adopt(&t->link);
    return t;
}

bool ct__row_major(const ct_tensor *t)
{
    int64_t expected = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->dim[i] != 1 && t->stride[i] != expected) return t->count == 0;
        expected *= t->dim[i];
    }
    return true;
}

ct_tensor *ct__tensor_view(const ct_tensor *base, int rank, const int64_t *dim, const int64_t *stride, char *data)
{
    ct_tensor *t = record_new(ct__slab_class(sizeof *t));
    if (CT__UNLIKELY(!t)) return ct__fail_memory("a view", sizeof *t);
    t->dtype = base->dtype;
    t->rank = (uint8_t)rank;
    t->weak = base->weak && rank == 0;
    t->count = 1;
    for (int i = 0; i < rank; i++) {
        t->dim[i] = dim[i];
        t->stride[i] = stride[i];
        t->count *= dim[i];
    }
    t->dense = ct__row_major(t);
    t->own.refs = 0;
    t->storage = base->storage;
    storage_retain(t->storage);
    t->data = data;
    ct__scope_adopt(&t->link);
    return t;
}

ct_tensor *ct__tensor_bare(const ct_tensor *t) { return ct__tensor_view(t, t->rank, t->dim, t->stride, t->data); }

void ct__tensor_take_values(ct_tensor *t, const ct_tensor *from)
{
    ct__storage *old = t->storage;
    if (from->storage != old) old->scripted |= CT__LEFT;
    if (from->storage != &t->own) storage_retain(from->storage); /* of its own storage t holds a reference as it is */
    t->storage = from->storage;
    t->data = from->data;
    t->dtype = from->dtype;
    t->weak = false;
    for (int i = 0; i < t->rank; i++) t->stride[i] = from->stride[i];
    t->dense = ct__row_major(t);
    t->storage->shared = t->storage->shared || t->shared;
    if (t->storage->version == old->version) t->storage->version++; /* whoever kept t shall see that it changed */
    if (old != &t->own) storage_release(old);
    else if (old->refs == 1) let_go(old); /* the record stays until t goes */
}

void ct__destroy(ct_tensor *t)
{
    void *graph = t->graph;
    ct__storage *s = t->storage;
    ct__scope_unlink(&t->link);
    ct__self.live.tensors--;
    if (CT__LIKELY(s == &t->own)) {
        storage_release(s);
    } else {
        if (t->own.refs) storage_release(&t->own);
        else ct__slab_put(t, sizeof *t);
        storage_release(s);
    }
    if (graph) ct__graph_release(graph); /* last: a call less for what has none, and no return for what has */
}

void ct__release_shared(ct_tensor *t)
{
    if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) == 0) ct__destroy(t);
}

static void release_link(ct__link *link) { ct__release((ct_tensor *)(void *)link); }

/* Runs when the library is loaded: the scope room learns how to release what its lists hold. */
__attribute__((constructor)) static void connect(void) { ct__link_release = release_link; }

/* ---- ownership, as the user sees it ---- */

ct_tensor *ct_keep(ct_tensor *t)
{
    if (!ct__self.failed && !t) return ct__fail_null("ct_keep", "t");
    return ct__own(t);
}

void ct_free(ct_tensor *t)
{
    if (!t) return;
    ct__scope_unlink(&t->link);
    ct__release(t);
}

ct_tensor *ct_scope_return(ct_tensor *t)
{
    if (!t) return ct__fail_null("ct_scope_return", "t");
    if (!t->link.at || t->link.scope != ct__self.scopes) return t;
    ct__scope_unlink(&t->link);
    if (ct__self.scopes > 1) ct__scope_adopt_into(&t->link, ct__self.scopes - 1);
    return t;
}

ct_tensor *ct_share(ct_tensor *t)
{
    if (!t) return ct__fail_null("ct_share", "t");
    t->shared = t->storage->shared = true;
    if (t->graph) ct__graph_share(t->graph);
    return t;
}

ct_tensor *ct_here(ct_tensor *t, const char *file, int line)
{
    if (CT__UNLIKELY(!t)) {
        ct_here_error(file, line);
        return NULL;
    }
    if (t->file) return t;
    t->file = file;
    t->line = line;
    return t->graph ? ct__graph_note(t, file, line) : t;
}
