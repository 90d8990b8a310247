/*
 * access.c - what a tensor is, reading and writing its elements, comparing two.
 *
 * Readers never change anything and work while an error is pending. They fail as -1, NaN, false or NULL.
 */
#include "tensor/script.h"

#include <math.h>
#include <string.h>

/* ---- dtypes ---- */

static bool is_dtype(ct_dtype dtype) { return (unsigned)dtype < CT_DTYPES; }

const char *ct_dtype_name(ct_dtype dtype)
{
    static const char *const name[CT_DTYPES] = {
        [CT_F32] = "f32", [CT_F64] = "f64", [CT_I32] = "i32", [CT_I64] = "i64", [CT_U8] = "u8", [CT_BOOL] = "bool"};
    return is_dtype(dtype) ? name[dtype] : "no dtype";
}

size_t ct_dtype_size(ct_dtype dtype)
{
    return is_dtype(dtype) ? ct__size(&(ct_tensor){.dtype = (uint8_t)dtype}) : 0;
}

/* ---- what a tensor is ---- */

/* False, with an error, for NULL. */
static bool present(const char *operation, const char *name, const ct_tensor *t)
{
    return CT__LIKELY(t != NULL) || ct__fail_null(operation, name);
}

ct_dtype ct_dtype_of(const ct_tensor *t) { return present("ct_dtype_of", "t", t) ? (ct_dtype)t->dtype : CT_F32; }
int ct_rank(const ct_tensor *t) { return present("ct_rank", "t", t) ? t->rank : -1; }
int64_t ct_count_of(const ct_tensor *t) { return present("ct_count_of", "t", t) ? t->count : -1; }
ct_shape ct_shape_get(const ct_tensor *t) { return present("ct_shape_get", "t", t) ? ct__shape(t) : ct_shape(); }
bool ct_same_shape(const ct_tensor *a, const ct_tensor *b)
{
    return present("ct_same_shape", "a", a) && present("ct_same_shape", "b", b) && ct__same_shape(a, b);
}
bool ct_is_contiguous(const ct_tensor *t) { return present("ct_is_contiguous", "t", t) && ct__contiguous(t); }

int64_t ct_dim(const ct_tensor *t, int axis)
{
    if (!present("ct_dim", "t", t)) return -1;
    const int i = ct__axis("ct_dim", axis, t->rank);
    return i < 0 ? -1 : t->dim[i];
}

ct_shape ct_strides(const ct_tensor *t)
{
    ct_shape strides = ct_shape();
    if (!present("ct_strides", "t", t)) return strides;
    strides.rank = t->rank;
    for (int i = 0; i < t->rank; i++) strides.dim[i] = t->stride[i];
    return strides;
}

/* Numbers that leave a step while it is captured would be those of then for ever. */
static bool unscripted(const char *operation)
{
    return ct__unscripted(operation, "numbers cannot be read: read them after it, or in a function that ct_on_replay calls");
}

static bool readable(const char *operation, const char *name, const ct_tensor *t)
{
    if (!present(operation, name, t)) return false;
    ct__note_read(t);
    return unscripted(operation);
}

/* ---- single elements ---- */

/* Where the element at an index is; NULL with an error. */
static char *element(const char *operation, const ct_tensor *t, ct_index index)
{
    if (index.rank != t->rank)
        return ct__fail(CT_ERROR_INDEX, operation, "an index of %lld numbers into t, which is %s; expected %d",
                        (long long)index.rank, ct__describe(t), t->rank);
    int64_t offset = 0;
    for (int i = 0; i < t->rank; i++) {
        const int64_t n = t->dim[i], at = index.dim[i];
        if (at < -n || at >= n)
            return ct__fail(CT_ERROR_INDEX, operation, "index %s is out of range in axis %d of t, which is %s",
                            ct__describe_shape(index), i, ct__describe(t));
        offset += (at < 0 ? at + n : at) * t->stride[i];
    }
    return t->data + offset * (int64_t)ct__size(t);
}

double ct_item(const ct_tensor *t)
{
    if (!readable("ct_item", "t", t)) return NAN;
    if (t->count == 1) return ct__load(t->data, t->dtype);
    ct__fail(CT_ERROR_SHAPE, "ct_item", "t has %lld elements, it is %s; expected one (ct_get reads one of several)",
             (long long)t->count, ct__describe(t));
    return NAN;
}

double ct_get(const ct_tensor *t, ct_index index)
{
    if (!readable("ct_get", "t", t)) return NAN;
    const char *at = element("ct_get", t, index);
    return at ? ct__load(at, t->dtype) : NAN;
}

static CT__COLD void set_in_script(const ct_tensor *t, char *at, double value)
{
    ct_tensor one = {.dtype = t->dtype, .count = 1, .dense = true, .data = at, .storage = t->storage};
    ct__script_fill(&one, value);
}

bool ct_set(ct_tensor *t, ct_index index, double value)
{
    if (!ct__inplace_check("ct_set", t)) return false;
    char *at = element("ct_set", t, index);
    if (!at) return false;
    if (CT__LIKELY(!ct__self.script)) ct__store(at, t->dtype, value);
    else set_in_script(t, at, value);
    ct__bump(t);
    return true;
}

/* ---- all elements ---- */

void *ct_data(const ct_tensor *t)
{
    if (!readable("ct_data", "t", t)) return NULL;
    if (!ct__contiguous(t))
        return ct__fail(CT_ERROR_SHAPE, "ct_data", "t, which is %s, is a view whose elements do not lie side by side; "
                        "ct_contiguous(t) makes a copy where they do", ct__describe(t));
    return t->data;
}

/* Copies t, cast to dtype, into memory of the caller's that looks like a tensor for this one call. */
static void copy_to(const ct_tensor *t, void *to, ct_dtype dtype)
{
    ct_tensor target = {.dtype = (uint8_t)dtype, .rank = t->rank, .count = t->count, .data = to, .dense = true};
    int64_t stride = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        target.dim[i] = t->dim[i];
        target.stride[i] = stride;
        stride *= t->dim[i];
    }
    ct__copy(&target, t);
}

/* One by one, to memory that is not aligned for the dtype (a place in a file's bytes). */
static void copy_to_unaligned(const ct_tensor *t, char *to)
{
    const size_t size = ct__size(t);
    for (ct__walk w = ct__walk_start(t->rank, t->dim); w.more; ct__walk_next(&w), to += size)
        memcpy(to, t->data + ct__walk_offset(&w, t->stride) * (int64_t)size, size);
}

bool ct_copy_out(const ct_tensor *t, void *to, size_t bytes)
{
    if (!readable("ct_copy_out", "t", t)) return false;
    const size_t expected = (size_t)t->count * ct__size(t);
    if (bytes != expected)
        return ct__fail(CT_ERROR_VALUE, "ct_copy_out", "room for %zu bytes; t, which is %s, has %zu", bytes, ct__describe(t),
                        expected);
    if (t->count == 0) return true;
    if (!to) return ct__fail_null("ct_copy_out", "to");
    if (ct__contiguous(t)) memcpy(to, t->data, bytes);
    else if ((uintptr_t)to % ct__size(t) == 0) copy_to(t, to, t->dtype);
    else copy_to_unaligned(t, to);
    return true;
}

bool ct_copy_values(const ct_tensor *t, double *to, int64_t count)
{
    if (!readable("ct_copy_values", "t", t)) return false;
    if (count != t->count)
        return ct__fail(CT_ERROR_VALUE, "ct_copy_values", "room for %lld values; t, which is %s, has %lld", (long long)count,
                        ct__describe(t), (long long)t->count);
    if (count == 0) return true;
    if (!to) return ct__fail_null("ct_copy_values", "to");
    copy_to(t, to, CT_F64);
    return true;
}

/* ---- comparing ---- */

typedef struct tolerance {
    double rtol, atol;
    bool nan; /* a pair of NaNs is close */
} tolerance;

/* Are the n elements of two strided rows equal, or close enough? */
typedef bool (*row_test)(int64_t n, const char *a, int64_t a_step, const char *b, int64_t b_step, tolerance allowed);

#define DISTANCE_FLOAT(a, b) fabs((double)(a) - (double)(b))
/* In unsigned arithmetic, where it neither overflows nor rounds. */
#define DISTANCE_INTEGER(a, b) (double)((a) > (b) ? (uint64_t)(a) - (uint64_t)(b) : (uint64_t)(b) - (uint64_t)(a))
#define ROW_TEST(name, TYPE, DISTANCE)                                                                                 \
    static bool name(int64_t n, const char *a, int64_t a_step, const char *b, int64_t b_step, tolerance allowed)       \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const TYPE x = ((const TYPE *)(const void *)a)[i * a_step], y = ((const TYPE *)(const void *)b)[i * b_step];     \
            if (x == y || (isfinite((double)y) && DISTANCE(x, y) <= allowed.atol + allowed.rtol * fabs((double)y))) continue; \
            if (!(allowed.nan && isnan((double)x) && isnan((double)y))) return false;                                  \
        }                                                                                                              \
        return true;                                                                                                   \
    }
ROW_TEST(row_f32, float, DISTANCE_FLOAT)
ROW_TEST(row_f64, double, DISTANCE_FLOAT)
ROW_TEST(row_i32, int32_t, DISTANCE_INTEGER)
ROW_TEST(row_i64, int64_t, DISTANCE_INTEGER)
ROW_TEST(row_u8, uint8_t, DISTANCE_INTEGER)

/* Row by row over the innermost axis. */
static bool all_close(const ct_tensor *a, const ct_tensor *b, tolerance allowed)
{
    static const row_test tests[CT_DTYPES] = {
        [CT_F32] = row_f32, [CT_F64] = row_f64, [CT_I32] = row_i32, [CT_I64] = row_i64, [CT_U8] = row_u8, [CT_BOOL] = row_u8};
    if (a->dtype != b->dtype || !ct__same_shape(a, b)) return false;
    if (a->count == 0) return true;
    const row_test test = tests[a->dtype];
    const int64_t size = (int64_t)ct__size(a);
    if (ct__contiguous(a) && ct__contiguous(b)) return test(a->count, a->data, 1, b->data, 1, allowed);
    const int inner = a->rank - 1;
    for (ct__walk w = ct__walk_start(inner, a->dim); w.more; ct__walk_next(&w)) {
        const char *x = a->data + ct__walk_offset(&w, a->stride) * size, *y = b->data + ct__walk_offset(&w, b->stride) * size;
        if (!test(a->dim[inner], x, a->stride[inner], y, b->stride[inner], allowed)) return false;
    }
    return true;
}

bool ct_equal(const ct_tensor *a, const ct_tensor *b)
{
    if (!present("ct_equal", "a", a) || !present("ct_equal", "b", b) || !unscripted("ct_equal")) return false;
    return all_close(a, b, (tolerance){0});
}

bool ct_allclose(const ct_tensor *a, const ct_tensor *b, double rtol, double atol)
{
    if (!present("ct_allclose", "a", a) || !present("ct_allclose", "b", b) || !unscripted("ct_allclose")) return false;
    if (!(rtol >= 0) || !(atol >= 0))
        return ct__fail(CT_ERROR_VALUE, "ct_allclose", "tolerances %g and %g; expected numbers of at least 0", rtol, atol);
    return all_close(a, b, (tolerance){.rtol = rtol, .atol = atol, .nan = true});
}
