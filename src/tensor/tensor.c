/*
 * tensor.c - tensors and storages: making them, counting references, handing them between scopes.
 *
 * A tensor has one reference from the scope it is in (or from its caller) and one from each node that kept it; a storage has one from each
 * tensor that views it. Small storages live in the slab slot of their record, so a scalar costs two slots and no malloc.
 */
#include "tensor/tensor.h"

#include <string.h>

void (*ct__graph_release)(void *graph);
void (*ct__graph_note)(ct_tensor *t, const char *file, int line);
void (*ct__graph_share)(void *graph);

/* ---- storages ---- */

static size_t record_size(const ct__storage *s) { return sizeof(ct__storage) + (s->inside ? s->bytes : 0); }

static ct__storage *storage_new(size_t bytes)
{
    const bool inside = bytes <= CT__INSIDE_MAX;
    ct__storage *s = ct__slab_get(sizeof(ct__storage) + (inside ? bytes : 0));
    if (CT__UNLIKELY(!s)) return NULL;
    *s = (ct__storage){.refs = 1, .inside = inside, .bytes = bytes};
    s->data = inside ? (char *)(s + 1) : ct__pool_get(bytes);
    if (CT__UNLIKELY(!s->data)) {
        ct__slab_put(s, record_size(s));
        return NULL;
    }
    ct__self.live.storages++;
    ct__bytes_add((int64_t)bytes);
    return s;
}

static void storage_retain(ct__storage *s)
{
    if (CT__UNLIKELY(s->shared)) __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    else s->refs++;
}

static void storage_release(ct__storage *s)
{
    const int32_t left = CT__UNLIKELY(s->shared) ? __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) : --s->refs;
    if (left > 0) return;
    if (s->foreign) {
        if (s->release) s->release(s->data, s->context);
    } else {
        ct__self.live.bytes -= (int64_t)s->bytes;
        if (!s->inside) ct__pool_put(s->data, s->bytes);
    }
    ct__self.live.storages--;
    ct__slab_put(s, record_size(s));
}

/* ---- tensors ---- */

/* A tensor record with everything set but dimensions, strides and storage. */
static ct_tensor *record_new(void)
{
    ct_tensor *t = ct__slab_get(sizeof *t);
    if (CT__UNLIKELY(!t)) return NULL;
    memset(t, 0, offsetof(struct ct_tensor, dim));
    t->refs = 1;
    ct__self.live.tensors++;
    return t;
}

/* Row-major strides. A length of 0 counts as 1 in them, and what then overflows is never taken: it only must not be undefined. */
static void lay_out(ct_tensor *t, int rank, const int64_t *dim)
{
    uint64_t step = 1;
    t->count = 1;
    for (int i = rank - 1; i >= 0; i--) {
        t->dim[i] = dim[i];
        t->stride[i] = (int64_t)step;
        step *= dim[i] ? (uint64_t)dim[i] : 1;
    }
    for (int i = 0; i < rank; i++) {
        if (dim[i] == 0) t->count = 0;
    }
    if (t->count) t->count = (int64_t)step;
}

ct_tensor *ct__tensor_new(const char *operation, ct_dtype dtype, int rank, const int64_t *dim)
{
    ct_tensor *t = record_new();
    if (CT__UNLIKELY(!t)) return ct__fail_memory(operation, sizeof *t);
    t->dtype = (uint8_t)dtype;
    t->rank = (uint8_t)rank;
    lay_out(t, rank, dim);
    const int64_t count = t->count;
    t->storage = storage_new((size_t)count * ct__size(t));
    if (CT__UNLIKELY(!t->storage)) {
        const size_t bytes = (size_t)count * ct__size(t);
        ct__self.live.tensors--;
        ct__slab_put(t, sizeof *t);
        return ct__fail_memory(operation, bytes);
    }
    t->data = t->storage->data;
    ct__scope_adopt(&t->link);
    return t;
}

ct_tensor *ct__tensor_like(const char *operation, const ct_tensor *t, ct_dtype dtype)
{
    return ct__tensor_new(operation, dtype, t->rank, t->dim);
}

ct_tensor *ct__tensor_wrap(const char *operation, ct_dtype dtype, int rank, const int64_t *dim, void *data,
                           void (*release)(void *data, void *context), void *context)
{
    ct_tensor *t = record_new();
    ct__storage *s = t ? ct__slab_get(sizeof *s) : NULL;
    if (!s) {
        if (t) ct__self.live.tensors--;
        if (t) ct__slab_put(t, sizeof *t);
        return ct__fail_memory(operation, sizeof *t);
    }
    *s = (ct__storage){.refs = 1, .foreign = true, .data = data, .release = release, .context = context};
    ct__self.live.storages++;
    t->dtype = (uint8_t)dtype;
    t->rank = (uint8_t)rank;
    lay_out(t, rank, dim);
    s->bytes = (size_t)t->count * ct__size(t);
    t->storage = s;
    t->data = data;
    ct__scope_adopt(&t->link);
    return t;
}

ct_tensor *ct__tensor_view(const ct_tensor *base, int rank, const int64_t *dim, const int64_t *stride, char *data)
{
    ct_tensor *t = record_new();
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
    storage_retain(from->storage);
    t->storage = from->storage;
    t->data = from->data;
    t->dtype = from->dtype;
    t->weak = false;
    for (int i = 0; i < t->rank; i++) t->stride[i] = from->stride[i];
    t->storage->shared = t->storage->shared || t->shared;
    if (t->storage->version == old->version) t->storage->version++; /* whoever kept t shall see that it changed */
    storage_release(old);
}

void ct__destroy(ct_tensor *t)
{
    ct__scope_unlink(&t->link);
    if (t->graph) ct__graph_release(t->graph);
    storage_release(t->storage);
    ct__self.live.tensors--;
    ct__slab_put(t, sizeof *t);
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
    if (t->graph) ct__graph_note(t, file, line);
    return t;
}
