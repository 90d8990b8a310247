/*
 * slices.c - stacks of tensors taken apart, and put together again. All of it is made of operations, so it can be differentiated.
 */
#include "autograd/slices.h"

ct_tensor *ct__no_values(ct_dtype dtype, ct_shape shape)
{
    static const int64_t repeat[CT_MAX_RANK] = {0};
    ct_tensor *zero = ct__tensor_new("zeros", dtype, 0, NULL);
    if (!zero) return NULL;
    ct__fill(zero, 0);
    return ct__tensor_view(zero, (int)shape.rank, shape.dim, repeat, zero->data);
}

bool ct__is_stack(ct_tensor *const *t, const int *own_rank, int n)
{
    for (int i = 0; i < n; i++) {
        if (t[i] && t[i]->rank > own_rank[i]) return true;
    }
    return false;
}

/* The leading axes of the stacks. */
static ct_shape leading(ct_tensor *const *t, const int *own_rank, int n)
{
    ct_shape lead = {.rank = 0};
    for (int i = 0; i < n; i++) {
        if (!t[i] || t[i]->rank - own_rank[i] <= lead.rank) continue;
        lead = ct__shape(t[i]);
        lead.rank -= own_rank[i];
    }
    return lead;
}

static int64_t count_of(ct_shape s)
{
    int64_t n = 1;
    for (int i = 0; i < s.rank; i++) n *= s.dim[i];
    return n;
}

/* The leading axes as one. */
static ct_tensor *flat(ct_tensor *t, int own_rank, int64_t count)
{
    ct_shape s = {.rank = 1 + own_rank, .dim = {count}};
    for (int i = 0; i < own_rank; i++) s.dim[1 + i] = t->dim[t->rank - own_rank + i];
    return ct__engine.reshape(t, s);
}

/* The results for one output, [count], as one stack; NULL where all of them are zero. */
static bool join(ct_tensor **result, int64_t count, ct_shape lead, ct_tensor **all)
{
    const ct_tensor *some = NULL;
    *all = NULL;
    for (int64_t k = 0; k < count && !some; k++) some = result[k];
    if (!some) return true;
    for (int64_t k = 0; k < count; k++) {
        if (!result[k]) result[k] = ct__no_values(some->dtype, ct__shape(some));
        if (!result[k]) return false;
    }
    ct_shape s = lead;
    for (int i = 0; i < some->rank && s.rank < CT_MAX_RANK; i++) s.dim[s.rank++] = some->dim[i];
    ct_tensor *stack = ct__engine.stack(result, (int)count, 0);
    *all = stack ? ct__engine.reshape(stack, s) : NULL;
    return *all != NULL;
}

/* The k-th of each stack. */
static bool take(ct_tensor *const *stack, int n, int64_t k, ct_tensor **slice)
{
    for (int i = 0; i < n; i++) {
        slice[i] = stack[i] ? ct__engine.select(stack[i], 0, k) : NULL;
        if (stack[i] && !slice[i]) return false;
    }
    return true;
}

bool ct__each_slice(ct_tensor *const *t, const int *own_rank, int n, ct_tensor **out, int n_out, ct__each each, void *context)
{
    const ct_shape lead = leading(t, own_rank, n);
    const int64_t count = count_of(lead);
    const size_t bytes = (2 * (size_t)n + (size_t)n_out * (size_t)(count + 1)) * sizeof(ct_tensor *);
    ct_tensor **room = ct__pool_get(bytes);
    if (!room) return ct__fail_memory("a stack of derivatives", bytes);
    ct_tensor **stack = room, **slice = stack + n, **one = slice + n, **results = one + n_out; /* results: [n_out, count] */
    bool ok = true;
    for (int i = 0; i < n; i++) {
        stack[i] = t[i] ? flat(t[i], own_rank[i], count) : NULL;
        ok = ok && (stack[i] || !t[i]);
    }
    for (int64_t k = 0; ok && k < count; k++) {
        for (int j = 0; j < n_out; j++) one[j] = NULL;
        ok = take(stack, n, k, slice) && each(context, slice, one);
        for (int j = 0; j < n_out; j++) results[j * count + k] = one[j];
    }
    for (int j = 0; ok && j < n_out; j++) ok = join(results + j * count, count, lead, &out[j]);
    ct__pool_put(room, bytes);
    return ok;
}
