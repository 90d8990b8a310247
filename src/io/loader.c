/*
 * loader.c - a data set in batches, epoch after epoch, in order or shuffled.
 *
 * The order of an epoch is a function of the loader's seed and the epoch's number alone: shuffling never touches the thread's
 * random numbers again, so that what else draws from them does not change the batches. Each batch is a fresh tensor (from
 * the pool: no malloc), and the last one is let go before, so its storage is used again unless someone holds it.
 */
#include "io.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct ct_loader {
    ct_dataset *data;
    int64_t batch_size, examples, batches;
    int64_t *order; /* of examples; NULL when not shuffled */
    uint64_t seed;
    int64_t epoch; /* how many were begun */
    int64_t next;  /* the next batch of this epoch; -1 when the next call begins an epoch */
    ct_tensor *x, *y;
};

/* ---- the order of an epoch ---------------------------------------------------------------------------- */

/* The next number of splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Uniform on 0 .. n-1: numbers beyond the largest multiple of n are drawn again. */
static uint64_t draw_below(uint64_t *state, uint64_t n)
{
    const uint64_t end = UINT64_MAX - UINT64_MAX % n;
    uint64_t z;
    do z = draw(state);
    while (z >= end);
    return z % n;
}

/* Fisher and Yates, from the identity. */
static void shuffle(int64_t *order, int64_t n, uint64_t seed, int64_t epoch)
{
    uint64_t counter = seed + (uint64_t)epoch;
    uint64_t state = draw(&counter); /* a hash: the streams of two epochs begin far apart */
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = (int64_t)draw_below(&state, (uint64_t)i + 1);
        const int64_t other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}

/* 64 bits from the thread's random numbers. */
static bool draw_seed(uint64_t *seed)
{
    CT_SCOPE;
    double u[2];
    uint64_t bits[2];
    ct_tensor *t = ct_uniform(ct_shape(2), 0, 1, CT_F64);
    if (!t || !ct_copy_values(t, u, 2)) return false;
    memcpy(bits, u, sizeof bits);
    *seed = draw(&bits[0]) ^ bits[1];
    return true;
}

/* ---- loaders ------------------------------------------------------------------------------------------ */

static bool prepare_shuffle(ct_loader *loader)
{
    loader->order = malloc(sizeof(int64_t) * (size_t)(loader->examples > 0 ? loader->examples : 1));
    if (loader->order) return draw_seed(&loader->seed);
    return ct_raise(CT_ERROR_MEMORY, "ct_loader_new", "out of memory for the order of %" PRId64 " examples", loader->examples);
}

ct_loader *ct_loader_new(ct_dataset *data, int64_t batch_size, int flags)
{
    static const char *operation = "ct_loader_new";
    if (!data) return ct_raise(CT_ERROR_NULL, operation, "data is NULL"), NULL;
    if (batch_size < 1)
        return ct_raise(CT_ERROR_VALUE, operation, "batch_size is %" PRId64 ", expected 1 or more", batch_size), NULL;
    if (flags & ~(CT_SHUFFLE | CT_DROP_LAST))
        return ct_raise(CT_ERROR_VALUE, operation, "flags is %d, expected CT_SHUFFLE, CT_DROP_LAST, both or none", flags), NULL;
    ct_loader *loader = calloc(1, sizeof *loader);
    if (!loader) return ct_raise(CT_ERROR_MEMORY, operation, "out of memory for a loader"), NULL;
    const int64_t n = ct_dataset_count(data);
    atomic_fetch_add(&data->holders, 1);
    *loader = (ct_loader){.data = data, .batch_size = batch_size, .examples = n, .next = -1};
    loader->batches = n / batch_size + (n % batch_size != 0 && !(flags & CT_DROP_LAST));
    if (!(flags & CT_SHUFFLE) || prepare_shuffle(loader)) return loader;
    ct_loader_free(loader);
    return NULL;
}

static void drop_batch(ct_loader *loader)
{
    ct_free(loader->x);
    ct_free(loader->y);
    loader->x = loader->y = NULL;
}

void ct_loader_free(ct_loader *loader)
{
    if (!loader) return;
    drop_batch(loader);
    ct_dataset_free(loader->data);
    free(loader->order);
    free(loader);
}

static void begin_epoch(ct_loader *loader)
{
    if (loader->order) shuffle(loader->order, loader->examples, loader->seed, loader->epoch);
    loader->epoch++;
    loader->next = 0;
}

/* Makes the batch of `count` examples from number `start` of the epoch's order. */
static bool make_batch(ct_loader *loader, int64_t start, int64_t count)
{
    const int64_t *rows = loader->order ? loader->order + start : NULL;
    loader->x = ct_keep(ct__io_rows_of_x(loader->data, rows, start, count));
    loader->y = loader->x ? ct_keep(ct__io_rows_of_y(loader->data, rows, start, count)) : NULL;
    return loader->x && loader->y;
}

bool ct_loader_next(ct_loader *loader, ct_batch *batch)
{
    if (batch) *batch = (ct_batch){0};
    if (!loader || !batch) return ct_raise(CT_ERROR_NULL, "ct_loader_next", "%s is NULL", loader ? "batch" : "loader");
    drop_batch(loader);
    if (!ct_may_change_state()) return false;
    if (loader->next < 0) begin_epoch(loader);
    /* is the epoch over? */
    if (loader->next == loader->batches) {
        loader->next = -1;
        return false;
    }
    const int64_t start = loader->next * loader->batch_size, left = loader->examples - start;
    const int64_t count = left < loader->batch_size ? left : loader->batch_size;
    if (!make_batch(loader, start, count)) return false;
    *batch = (ct_batch){.x = loader->x, .y = loader->y, .index = loader->next++, .size = count};
    return true;
}

int64_t ct_loader_count(const ct_loader *loader)
{
    if (loader) return loader->batches;
    ct_raise(CT_ERROR_NULL, "ct_loader_count", "loader is NULL");
    return -1;
}

void ct_loader_restart(ct_loader *loader)
{
    if (loader) loader->next = -1;
    else ct_raise(CT_ERROR_NULL, "ct_loader_restart", "loader is NULL");
}
