/*
 * shape.c - arithmetic of shapes and axes, broadcasting, walking over strided sets, and how shapes look in messages.
 */
#include "tensor/tensor.h"

#include <string.h>

bool ct__same_lengths(const int64_t *a, const int64_t *b, int rank)
{
    for (int i = 0; i < rank; i++) {
        if (a[i] != b[i]) return false;
    }
    return true;
}

bool ct__shape_equal(ct_shape a, ct_shape b)
{
    return a.rank == b.rank && (a.rank <= 0 || memcmp(a.dim, b.dim, (size_t)a.rank * sizeof a.dim[0]) == 0);
}

int ct__axis(const char *operation, int64_t axis, int rank)
{
    if (axis >= -rank && axis < rank) return (int)(axis < 0 ? axis + rank : axis);
    if (rank == 0) ct__fail(CT_ERROR_SHAPE, operation, "axis %lld: a tensor of rank 0 has no axes", (long long)axis);
    else
        ct__fail(CT_ERROR_SHAPE, operation, "axis %lld is out of range; a tensor of rank %d has axes %d to %d", (long long)axis,
                 rank, -rank, rank - 1);
    return -1;
}

bool ct__axes_mask(const char *operation, ct_axes axes, int rank, unsigned *mask)
{
    *mask = (1u << rank) - 1u;
    if (axes.rank == -1) return true;
    *mask = 0;
    if (axes.rank < 0 || axes.rank > CT_MAX_RANK)
        return ct__fail(CT_ERROR_SHAPE, operation, "a list of %lld axes; expected CT_ALL or ct_axes(...)", (long long)axes.rank);
    for (int i = 0; i < axes.rank; i++) {
        const int axis = ct__axis(operation, axes.dim[i], rank);
        if (axis < 0) return false;
        if (*mask & 1u << axis)
            return ct__fail(CT_ERROR_SHAPE, operation, "axis %lld is named twice", (long long)axes.dim[i]);
        *mask |= 1u << axis;
    }
    return true;
}

bool ct__broadcast(ct_shape a, ct_shape b, ct_shape *out)
{
    out->rank = a.rank > b.rank ? a.rank : b.rank;
    for (int64_t i = 1; i <= out->rank; i++) {
        const int64_t m = i <= a.rank ? a.dim[a.rank - i] : 1, n = i <= b.rank ? b.dim[b.rank - i] : 1;
        if (m != n && m != 1 && n != 1) return false;
        out->dim[out->rank - i] = m == 1 ? n : m;
    }
    return true;
}

int64_t ct_shape_count(ct_shape shape)
{
    int64_t count = 1;
    bool zero = false, overflow = false;
    for (int64_t i = 0; i < shape.rank && i < CT_MAX_RANK; i++) {
        if (shape.dim[i] < 0) return -1;
        if (shape.dim[i] == 0) zero = true;
        else overflow |= __builtin_mul_overflow(count, shape.dim[i], &count);
    }
    return zero ? 0 : overflow ? -1 : count;
}

bool ct__shape_check(const char *operation, ct_shape shape, ct_dtype dtype)
{
    if ((unsigned)dtype >= CT_DTYPES)
        return ct__fail(CT_ERROR_DTYPE, operation, "%d is no dtype; expected CT_F32, CT_F64, CT_I32, CT_I64, CT_U8 or CT_BOOL", (int)dtype);
    if (shape.rank < 0 || shape.rank > CT_MAX_RANK)
        return ct__fail(CT_ERROR_SHAPE, operation, "rank %lld; expected 0 to 8", (long long)shape.rank);
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dim[i] < 0)
            return ct__fail(CT_ERROR_SHAPE, operation, "shape %s has a negative length", ct__describe_shape(shape));
    }
    const int64_t count = ct_shape_count(shape);
    if (count < 0 || count > ((int64_t)1 << 46) / 8)
        return ct__fail(CT_ERROR_MEMORY, operation, "shape %s has more elements than memory can hold", ct__describe_shape(shape));
    return true;
}

/* ---- texts ---- */

static int write_shape(char *to, size_t size, ct_shape s)
{
    int n = snprintf(to, size, "[");
    for (int i = 0; i < s.rank && i < CT_MAX_RANK; i++)
        n += snprintf(to + n, size - (size_t)n, "%s%lld", i ? ", " : "", (long long)s.dim[i]);
    n += snprintf(to + n, size - (size_t)n, "]");
    return n;
}

const char *ct__describe_shape(ct_shape shape)
{
    char *text = ct__message_room();
    write_shape(text, CT__TEXT, shape);
    return text;
}

const char *ct__describe(const ct_tensor *t)
{
    char *text = ct__message_room();
    const int n = snprintf(text, CT__TEXT, "%s ", ct_dtype_name(t->dtype));
    write_shape(text + n, (size_t)(CT__TEXT - n), ct__shape(t));
    return text;
}

/* ---- walks ---- */

ct__walk ct__walk_start(int rank, const int64_t *dim)
{
    ct__walk w = {.rank = rank, .more = true, .dim = dim};
    for (int i = 0; i < rank; i++) w.more = w.more && dim[i] > 0;
    return w;
}

void ct__walk_next(ct__walk *w)
{
    for (int i = w->rank - 1; i >= 0; i--) {
        if (++w->at[i] < w->dim[i]) return;
        w->at[i] = 0;
    }
    w->more = false;
}
