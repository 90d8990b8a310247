/*
 * index.c - elements taken by an index (index_select, gather), put back where they came from (index_add, scatter_add); one_hot.
 *
 * All four walk over the places of a `list` whose element at (i.., j, k..) belongs to table[i.., index[i.., j, k..], k..]: taking
 * copies from the table to the list, putting adds the list to the table. An index may have fewer axes than the list; it is then
 * the same for all of the list's leading axes, which is how a stack of cotangents or tangents comes through. For index_select and
 * index_add it is the same along every axis but the indexed one.
 *
 * Invariants: an index is checked as a whole before anything is written. Places that differ off the indexed axis never share an
 * element of the table, so sums are cut into parts off that axis alone, and along it they run in the index's order: the same bits
 * for any number of threads.
 */
#include <cotangent/ops.h>

#include "autograd/op.h"
#include "ops/axes.h"

#include <string.h>

/* ---- checked indices ---------------------------------------------------------------------------------- */

static bool check_index_dtype(const char *operation, const ct_tensor *index)
{
    if (index->dtype == CT_I32 || index->dtype == CT_I64 || index->dtype == CT_U8) return true;
    return ct__fail(CT_ERROR_DTYPE, operation, "the index is %s; expected i32, i64 or u8: ct_cast", ct__describe(index));
}

/* The place of the element with this number in row-major order, as text. */
static const char *place_of(const ct_tensor *t, int64_t number)
{
    ct_shape place = ct__shape(t);
    for (int i = t->rank - 1; i >= 0; i--) {
        place.dim[i] = number % t->dim[i];
        number /= t->dim[i];
    }
    return ct__describe_shape(place);
}

/* The index as contiguous i64 with entries in 0 .. length-1, the caller's reference; NULL with an error that names the first
 * entry out of range. It is for an axis of x, where negative entries count from the end, or, with x NULL, for classes. */
static ct_tensor *checked_index(const ct_call *c, const ct_tensor *index, int64_t length, const ct_tensor *x, int axis)
{
    const char *operation = ct__op_title(c->op);
    ct_tensor *checked = ct__own(ct__tensor_like(operation, index, CT_I64));
    if (!checked) return NULL;
    ct__copy(checked, index);
    int64_t *at = (int64_t *)(void *)checked->data;
    for (int64_t i = 0; i < checked->count; i++) {
        const int64_t given = at[i];
        if (given < 0 && x) at[i] += length;
        if (CT__LIKELY(at[i] >= 0 && at[i] < length)) continue;
        const char *place = place_of(index, i), *what = ct__describe(index);
        ct__release(checked);
        if (!x)
            return ct__fail(CT_ERROR_INDEX, operation,
                            "%lld at %s of the index, which is %s, is out of range: there are %lld classes, from 0 on",
                            (long long)given, place, what, (long long)length);
        return ct__fail(CT_ERROR_INDEX, operation,
                        "%lld at %s of the index, which is %s, is out of range: axis %d of x, which is %s, has length %lld",
                        (long long)given, place, what, axis, ct__describe(x), (long long)length);
    }
    return checked;
}

/* ---- runs: elements along one axis of the list -------------------------------------------------------- */

enum { TABLE, LIST, INDEX, SIDES };

/* A run of n elements with its strides; one more in the index moves on by `row` in the table. */
typedef struct run {
    int64_t n, step[SIDES], row;
} run;

typedef void (*run_kernel)(const run *r, char *table, char *list, const int64_t *index);

/* list[j] = table[index[j], j]. Inlined with a constant size, so that memcpy is a move. */
static inline void take(const run *r, const char *table, char *list, const int64_t *index, size_t size)
{
    const int64_t bytes = (int64_t)size, t = r->step[TABLE] * bytes, l = r->step[LIST] * bytes, row = r->row * bytes;
    if (r->step[INDEX] == 0 && t == bytes && l == bytes) {
        memcpy(list, table + index[0] * row, (size_t)r->n * size);
        return;
    }
    for (int64_t j = 0; j < r->n; j++) memcpy(list + j * l, table + index[j * r->step[INDEX]] * row + j * t, size);
}

static void take_1(const run *r, char *table, char *list, const int64_t *index) { take(r, table, list, index, 1); }
static void take_4(const run *r, char *table, char *list, const int64_t *index) { take(r, table, list, index, 4); }
static void take_8(const run *r, char *table, char *list, const int64_t *index) { take(r, table, list, index, 8); }

static const run_kernel take_kernels[] = {[1] = take_1, [4] = take_4, [8] = take_8};

#define ADD(x, y) ((x) + (y))
#define ADD_WRAP_32(x, y) (int32_t)((uint32_t)(x) + (uint32_t)(y))
#define ADD_WRAP_64(x, y) (int64_t)((uint64_t)(x) + (uint64_t)(y))
#define ADD_WRAP_8(x, y) (uint8_t)((x) + (y))

/* table[index[j], j] += list[j]. A run with one index and unit steps is left to the compiler to vectorize. */
#define PUT(name, type, add)                                                                                           \
    static void name(const run *r, char *table, char *list, const int64_t *index)                                      \
    {                                                                                                                  \
        type *restrict t = (type *)(void *)table;                                                                      \
        const type *restrict l = (const type *)(const void *)list;                                                     \
        const int64_t ts = r->step[TABLE], ls = r->step[LIST], is = r->step[INDEX], row = r->row;                      \
        const bool plain = is == 0 && ts == 1 && ls == 1;                                                              \
        if (plain) t += index[0] * row;                                                                                \
        for (int64_t j = 0; plain && j < r->n; j++) t[j] = add(t[j], l[j]);                                            \
        for (int64_t j = 0; !plain && j < r->n; j++)                                                                   \
            t[index[j * is] * row + j * ts] = add(t[index[j * is] * row + j * ts], l[j * ls]);                         \
    }
PUT(put_f32, float, ADD)
PUT(put_f64, double, ADD)
PUT(put_i32, int32_t, ADD_WRAP_32)
PUT(put_i64, int64_t, ADD_WRAP_64)
PUT(put_u8, uint8_t, ADD_WRAP_8)

static const run_kernel put_kernels[CT_DTYPES] = {
    [CT_F32] = put_f32, [CT_F64] = put_f64, [CT_I32] = put_i32, [CT_I64] = put_i64, [CT_U8] = put_u8};

/* ---- the walk over all places ------------------------------------------------------------------------- */

/* A part has about this many elements; rows that are copied whole are cheaper. A cut across rows leaves some cache lines. */
enum { PART = 1 << 15, PART_OF_ROWS = 1 << 18, LEAST_CUT = 128, SHORT_RUN = 8 };

/* The n places along one axis of the list, of which a part takes `cut`. Along the indexed axis the step in the table is 0, for
 * there the index moves it. */
typedef struct places {
    int64_t n, cut, step[SIDES];
} places;

/* For each place of the outer axes, a loop of runs. One of the two is the indexed axis, the other the last of the others. */
typedef struct plan {
    run_kernel kernel;
    int64_t size;
    char *table, *list;
    const int64_t *index;
    int64_t row, outer, outer_cut;
    int rank; /* of the outer axes */
    places loop, run, axis[CT_MAX_RANK];
} plan;

/* Joins `next` to the axis before it where all sides cross both evenly. */
static bool join(places *before, const places *next)
{
    for (int s = 0; s < SIDES; s++) {
        if (before->step[s] != next->step[s] * next->n) return false;
    }
    const int64_t n = before->n * next->n;
    *before = *next;
    before->n = n;
    return true;
}

/* Sorts the list's axes; index_step[] has the index's stride for each of them. */
static void sort_axes(plan *p, const ct_tensor *table, const ct_tensor *list, const int64_t *index_step, int indexed)
{
    places along = {.n = 1}, across = {.n = 1};
    bool apart = true, inner = true; /* nothing, or the indexed axis, is just before; nothing is after the indexed axis */
    for (int i = 0; i < list->rank; i++) {
        const places a = {.n = list->dim[i], .step = {table->stride[i], list->stride[i], index_step[i]}};
        if (i == indexed) {
            along = a;
            along.step[TABLE] = 0;
            apart = true;
        } else if (a.n != 1) {
            if (apart || !join(&p->axis[p->rank - 1], &a)) p->axis[p->rank++] = a;
            apart = false;
            inner = i < indexed;
        }
    }
    if (p->rank > 0) across = p->axis[--p->rank];
    if (along.n < SHORT_RUN && across.n > 1) inner = false;
    p->loop = inner ? across : along;
    p->run = inner ? along : across;
    p->row = table->stride[indexed];
    p->outer = 1;
    for (int i = 0; i < p->rank; i++) p->outer *= p->axis[i].n;
}

static int64_t within(int64_t value, int64_t low, int64_t high) { return value > high ? high : value < low ? low : value; }

/* Sums along the indexed axis, which has step 0 in the table, are not cut. */
static void cut(plan *p, bool put)
{
    places *const loop = &p->loop, *const run = &p->run;
    const bool rows = !put && run->step[INDEX] == 0 && run->step[TABLE] == 1 && run->step[LIST] == 1;
    const int64_t size = rows ? PART_OF_ROWS : PART, each = loop->n * run->n;
    p->outer_cut = within(size / each, 1, p->outer);
    loop->cut = loop->n;
    run->cut = run->n;
    if (each <= size) return;
    if (!put || loop->step[TABLE] != 0) loop->cut = within(size / run->n, put ? LEAST_CUT : 1, loop->n);
    if (!put || run->step[TABLE] != 0) run->cut = within(size / loop->cut, LEAST_CUT, run->n);
}

static int64_t pieces(int64_t n, int64_t cut) { return (n + cut - 1) / cut; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static void move(int64_t *offset, const places *a, int64_t steps)
{
    for (int s = 0; s < SIDES; s++) offset[s] += steps * a->step[s];
}

static void run_part(void *context, int64_t part)
{
    const plan *p = context;
    const int64_t loops = pieces(p->loop.n, p->loop.cut), runs = pieces(p->run.n, p->run.cut);
    const int64_t in_run = part % runs * p->run.cut, in_loop = part / runs % loops * p->loop.cut;
    const int64_t first = part / runs / loops * p->outer_cut, last = least(p->outer, first + p->outer_cut);
    const int64_t times = least(p->loop.cut, p->loop.n - in_loop);
    run r = {.n = least(p->run.cut, p->run.n - in_run), .row = p->row};
    memcpy(r.step, p->run.step, sizeof r.step);
    for (int64_t o = first; o < last; o++) {
        int64_t at[SIDES] = {0}, rest = o;
        move(at, &p->run, in_run);
        move(at, &p->loop, in_loop);
        for (int i = p->rank - 1; i >= 0; i--) {
            move(at, &p->axis[i], rest % p->axis[i].n);
            rest /= p->axis[i].n;
        }
        for (int64_t i = 0; i < times; i++) {
            p->kernel(&r, p->table + at[TABLE] * p->size, p->list + at[LIST] * p->size, p->index + at[INDEX]);
            move(at, &p->loop, 1);
        }
    }
}

/* Takes from the table into the list, or adds the list to the table (put). The index is checked and contiguous. */
static void walk(bool put, const ct_tensor *table, const ct_tensor *list, const ct_tensor *index, const int64_t *index_step,
                 int indexed)
{
    if (list->count == 0) return;
    plan p = {.size = (int64_t)ct__size(list), .table = table->data, .list = list->data};
    p.index = (const int64_t *)(const void *)index->data;
    p.kernel = put ? put_kernels[list->dtype] : take_kernels[p.size];
    sort_axes(&p, table, list, index_step, indexed);
    cut(&p, put);
    ct__parallel(pieces(p.outer, p.outer_cut) * pieces(p.loop.n, p.loop.cut) * pieces(p.run.n, p.run.cut), run_part, &p);
}

/* ---- index_select and index_add ----------------------------------------------------------------------- */

/* An index of rank 1 for one axis, which is `length` long in the table. */
typedef struct rows {
    int64_t axis, length;
} rows;

static bool walk_rows(const ct_call *c, bool put, const ct_tensor *table, const ct_tensor *list)
{
    const rows *p = c->params;
    const int indexed = table->rank + (int)p->axis;
    int64_t step[CT_MAX_RANK] = {0};
    ct_tensor *index = checked_index(c, c->in[1], p->length, table, indexed);
    if (!index) return false;
    if (put) ct__fill(c->out[0], 0);
    step[indexed] = 1;
    walk(put, table, list, index, step, indexed);
    ct__release(index);
    return true;
}

static bool index_select_shape(ct_call *c)
{
    const rows *p = c->params;
    const ct_tensor *x = c->in[0], *index = c->in[1];
    if (!check_index_dtype("ct_index_select", index)) return false;
    if (index->rank != 1)
        return ct__fail(CT_ERROR_SHAPE, "ct_index_select",
                        "the index is %s; expected rank 1 (ct_gather takes an index of x's rank), x is %s", ct__describe(index),
                        ct__describe(x));
    c->shape[0] = ct__shape(x);
    c->shape[0].dim[x->rank + p->axis] = index->dim[0];
    c->dtypes[0] = (ct_dtype)x->dtype;
    return ct__shape_check("ct_index_select", c->shape[0], c->dtypes[0]);
}

static bool index_select_forward(const ct_call *c) { return walk_rows(c, false, c->in[0], c->out[0]); }

static bool index_add_shape(ct_call *c)
{
    const rows *p = c->params;
    c->shape[0] = ct__shape(c->in[0]);
    c->shape[0].dim[c->in[0]->rank + p->axis] = p->length;
    c->dtypes[0] = (ct_dtype)c->in[0]->dtype;
    return true;
}

static bool index_add_forward(const ct_call *c) { return walk_rows(c, true, c->out[0], c->in[0]); }

extern const ct_op ct__op_index_add;

/* y_j = x_(k_j), so gx_i is the sum of g_j over all j with k_j = i; and the same read backwards.
 * Checked: index_select, repeated */
static ct_tensor *index_select_vjp(const ct_call *c, ct_tensor *const *g)
{
    return ct__apply(&ct__op_index_add, (ct_tensor *[]){g[0], c->in[1]}, 2, c->params);
}

static ct_tensor *index_add_vjp(const ct_call *c, ct_tensor *const *g)
{
    const rows *p = c->params;
    return ct_index_select(g[0], (int)p->axis, c->in[1]);
}

const ct_op ct__op_index_select = {
    .name = "index_select", .inputs = 2, .keeps = KEEP_Y, .params = sizeof(rows), .shape = index_select_shape,
    .forward = index_select_forward, .vjp = {index_select_vjp, ct__vjp_none}, .linear = true, .doc = "y_j = x_(k_j)"};

const ct_op ct__op_index_add = {
    .name = "index_add", .inputs = 2, .keeps = KEEP_Y, .params = sizeof(rows), .shape = index_add_shape,
    .forward = index_add_forward, .vjp = {index_add_vjp, ct__vjp_none}, .linear = true, .doc = "y_(k_j) += x_j"};

ct_tensor *ct_index_select(ct_tensor *x, int axis, ct_tensor *index)
{
    if (!ct__check("ct_index_select", "x", x) || !ct__check("ct_index_select", "index", index)) return NULL;
    const int at = ct__axis_of("ct_index_select", "x", x, axis);
    if (at < 0) return NULL;
    const rows p = {.axis = at - x->rank, .length = x->dim[at]};
    return ct__apply(&ct__op_index_select, (ct_tensor *[]){x, index}, 2, &p);
}

/* ---- gather and scatter_add --------------------------------------------------------------------------- */

/* params: int64_t, the axis counted from the end */
static int indexed_axis(const ct_call *c) { return c->in[0]->rank + (int)*(const int64_t *)c->params; }

static bool walk_places(const ct_call *c, bool put, const ct_tensor *table, const ct_tensor *list)
{
    const int indexed = indexed_axis(c);
    int64_t step[CT_MAX_RANK] = {0};
    ct_tensor *index = checked_index(c, c->in[1], table->dim[indexed], table, indexed);
    if (!index) return false;
    if (put) ct__copy(c->out[0], c->in[0]);
    const int leading = list->rank - index->rank;
    for (int i = 0; i < index->rank; i++) step[leading + i] = index->stride[i];
    walk(put, table, list, index, step, indexed);
    ct__release(index);
    return true;
}

/* The shape of the list: the index's, behind the leading axes that x has beyond it. */
static bool list_shape(const ct_call *c, ct_shape *list)
{
    const ct_tensor *x = c->in[0], *index = c->in[1];
    const int leading = x->rank - index->rank, indexed = indexed_axis(c);
    if (!check_index_dtype(ct__op_title(c->op), index)) return false;
    *list = ct__shape(x);
    for (int i = leading; i < x->rank; i++) {
        list->dim[i] = index->dim[i - leading];
        if (i != indexed && list->dim[i] > x->dim[i])
            return ct__fail(CT_ERROR_SHAPE, ct__op_title(c->op),
                            "the index is %s and x is %s: at axis %d it is longer than x, which only axis %d may be",
                            ct__describe(index), ct__describe(x), i, indexed);
    }
    return ct__shape_check(ct__op_title(c->op), *list, (ct_dtype)x->dtype);
}

static bool gather_shape(ct_call *c)
{
    c->dtypes[0] = (ct_dtype)c->in[0]->dtype;
    return list_shape(c, &c->shape[0]);
}

static bool gather_forward(const ct_call *c) { return walk_places(c, false, c->in[0], c->out[0]); }

static bool scatter_add_shape(ct_call *c)
{
    const ct_tensor *x = c->in[0], *index = c->in[1], *src = c->in[2];
    ct_shape list;
    if (!list_shape(c, &list)) return false;
    if (src->dtype != x->dtype)
        return ct__fail(CT_ERROR_DTYPE, "ct_scatter_add", "x is %s and src is %s; expected one dtype: ct_cast", ct__describe(x),
                        ct__describe(src));
    if (x->dtype == CT_BOOL)
        return ct__fail(CT_ERROR_DTYPE, "ct_scatter_add", "x is %s; expected numbers to add: ct_cast", ct__describe(x));
    if (!ct__shape_equal(ct__shape(src), list))
        return ct__fail(CT_ERROR_SHAPE, "ct_scatter_add", "src is %s and the index is %s; expected one shape, x is %s",
                        ct__describe(src), ct__describe(index), ct__describe(x));
    c->shape[0] = ct__shape(x);
    c->dtypes[0] = (ct_dtype)x->dtype;
    return true;
}

static bool scatter_add_forward(const ct_call *c) { return walk_places(c, true, c->out[0], c->in[2]); }

extern const ct_op ct__op_gather, ct__op_scatter_add;

/* y_j = x_(k_j), so gx is g_j added at k_j of zeros, which are repeated from one. Checked: gather, repeated */
static ct_tensor *gather_vjp(const ct_call *c, ct_tensor *const *g)
{
    const ct_shape x = ct__in_shape(c, 0);
    ct_tensor *zeros = ct_expand(ct__number(c, 0), ct__batched(g[0], (int)x.rank, x));
    return zeros ? ct__apply(&ct__op_scatter_add, (ct_tensor *[]){zeros, c->in[1], g[0]}, 3, c->params) : NULL;
}

/* y = x with src_j added at k_j, so gx = g and gsrc_j = g_(k_j). Checked: scatter_add, repeated */
static ct_tensor *scatter_add_vjp_src(const ct_call *c, ct_tensor *const *g)
{
    return ct__apply(&ct__op_gather, (ct_tensor *[]){g[0], c->in[1]}, 2, c->params);
}

const ct_op ct__op_gather = {
    .name = "gather", .inputs = 2, .keeps = KEEP_Y | KEEP_SHAPES, .params = sizeof(int64_t), .shape = gather_shape,
    .forward = gather_forward, .vjp = {gather_vjp, ct__vjp_none}, .linear = true, .doc = "y_j = x_(k_j) along an axis"};

const ct_op ct__op_scatter_add = {
    .name = "scatter_add", .inputs = 3, .keeps = KEEP_Y | KEEP_SHAPES, .params = sizeof(int64_t), .shape = scatter_add_shape,
    .forward = scatter_add_forward, .vjp = {ct__vjp_same, ct__vjp_none, scatter_add_vjp_src}, .linear = true,
    .doc = "x with src_j added at k_j along an axis"};

/* The axis counted from the end; false with an error, also where the index has another rank than x: only rules leave axes out. */
static bool resolve(const char *operation, const ct_tensor *x, int axis, const ct_tensor *index, int64_t *from_end)
{
    if (!ct__check(operation, "x", x) || !ct__check(operation, "index", index)) return false;
    const int at = ct__axis_of(operation, "x", x, axis);
    if (at < 0) return false;
    *from_end = at - x->rank;
    if (index->rank == x->rank) return true;
    return ct__fail(CT_ERROR_SHAPE, operation,
                    "the index is %s and x is %s; expected as many axes (ct_index_select takes an index of rank 1)",
                    ct__describe(index), ct__describe(x));
}

ct_tensor *ct_gather(ct_tensor *x, int axis, ct_tensor *index)
{
    int64_t from_end;
    if (!resolve("ct_gather", x, axis, index, &from_end)) return NULL;
    return ct__apply(&ct__op_gather, (ct_tensor *[]){x, index}, 2, &from_end);
}

ct_tensor *ct_scatter_add(ct_tensor *x, int axis, ct_tensor *index, ct_tensor *src)
{
    int64_t from_end;
    if (!resolve("ct_scatter_add", x, axis, index, &from_end) || !ct__check("ct_scatter_add", "src", src)) return NULL;
    return ct__apply(&ct__op_scatter_add, (ct_tensor *[]){x, index, src}, 3, &from_end);
}

/* ---- one_hot ------------------------------------------------------------------------------------------ */

typedef struct classes {
    int64_t count, dtype;
} classes;

static bool one_hot_shape(ct_call *c)
{
    const classes *p = c->params;
    c->shape[0] = ct__shape(c->in[0]);
    c->shape[0].dim[c->shape[0].rank++] = p->count;
    c->dtypes[0] = (ct_dtype)p->dtype;
    return ct__shape_check("ct_one_hot", c->shape[0], c->dtypes[0]);
}

static bool one_hot_forward(const ct_call *c)
{
    const classes *p = c->params;
    ct_tensor *y = c->out[0], *index = checked_index(c, c->in[0], p->count, NULL, 0);
    if (!index) return false;
    const int64_t *at = (const int64_t *)(const void *)index->data;
    ct__fill(y, 0);
    for (int64_t i = 0; i < index->count; i++) ct__store(y->data + (i * p->count + at[i]) * (int64_t)ct__size(y), y->dtype, 1);
    ct__release(index);
    return true;
}

const ct_op ct__op_one_hot = {.name = "one_hot", .inputs = 1, .params = sizeof(classes), .shape = one_hot_shape,
                              .forward = one_hot_forward, .vjp = {ct__vjp_none}, .jvp = {ct__jvp_none},
                              .doc = "1 at the class, else 0"};

/* A negative class is an error: as a label it means "none" in some data sets and would be the last class unnoticed. */
ct_tensor *ct_one_hot(ct_tensor *index, int64_t count, ct_dtype dtype)
{
    if (!ct__check("ct_one_hot", "index", index) || !check_index_dtype("ct_one_hot", index)) return NULL;
    if (count < 0)
        return ct__fail(CT_ERROR_VALUE, "ct_one_hot", "%lld classes; expected 0 or more, the index is %s", (long long)count,
                        ct__describe(index));
    if (index->rank == CT_MAX_RANK)
        return ct__fail(CT_ERROR_SHAPE, "ct_one_hot", "the index is %s; expected at most %d axes, for the result has one more",
                        ct__describe(index), CT_MAX_RANK - 1);
    const classes p = {.count = count, .dtype = (int64_t)dtype};
    return ct__apply1(&ct__op_one_hot, index, &p);
}
