/*
 * reduce.c - brings reductions over any axes and strides down to runs of contiguous elements, and cuts large ones into parts.
 *
 * Axes are ordered by stride and joined where one goes on in the next. The innermost one decides: if it is reduced, each run
 * along it becomes one number (by rows); if it is kept, runs are added up as vectors, tile by tile (by columns). Over the
 * remaining reduced axes, leaves of a fixed number of runs are combined in pairs.
 *
 * Invariant: which numbers meet in which order depends on shape, strides and dtype alone, never on the number of threads.
 */
#include "tensor/reduce.h"

#include <string.h>

enum { PART_BYTES = 1 << 18, PARALLEL_BYTES = 1 << 21, MAX_PARTS = 64, LEAF = 64, GATHER = 1024, GATHER_TILE = 64, GATHER_ROWS = 32 };

typedef struct axis {
    int64_t n, x, out; /* length; strides of x in bytes, of out in elements */
} axis;

typedef struct plan {
    const ct__reducer *kernel, *joiner; /* joiner: the same reduction, or a sum, of accumulators */
    const double *about; /* NULL: zeros */
    double scale;
    const char *x;
    char *out;
    size_t size, wide; /* bytes of an element and of an accumulator */
    int n_kept, n_reduced;
    axis kept[CT_MAX_RANK], reduced[CT_MAX_RANK]; /* without the inner one, outermost first */
    axis inner;
    bool by_rows; /* the inner axis is reduced */
    int64_t outer, runs; /* places along the kept axes, and along the reduced ones */
} plan;

static double zeros[CT__REDUCE_TILE_BYTES / sizeof(double)]; /* never written: without const it takes no room in the file */

static const ct__reduce_kernels *kernels_of_machine(void)
{
#ifdef CT__HAVE_X86_VARIANTS
    const int isa = ct__isa();
    if (isa == 2) return &ct__reduce_kernels_avx512;
    if (isa == 1) return &ct__reduce_kernels_avx2;
#endif
    return &ct__reduce_kernels_baseline;
}

const ct__reducer *ct__reducer_of(ct__reduction kind, ct_dtype dtype)
{
    if (!ct__is_float(dtype) || kind == CT__PROD) return &ct__reduce_plain[kind][dtype];
    return &kernels_of_machine()->reducer[kind][dtype == CT_F64];
}

ct__placer ct__placer_of(ct_dtype dtype, int64_t n)
{
    const int64_t most = INT64_C(1) << 33; /* places of f32 are counted in vectors, by 32 bits */
    return ct__is_float(dtype) && n < most ? kernels_of_machine()->placer[dtype == CT_F64] : NULL;
}

ct_dtype ct__reduced_dtype(ct__reduction kind, ct_dtype dtype)
{
    if (kind == CT__SUM_WIDE || kind == CT__SQUARES) return CT_F64;
    return (kind == CT__SUM || kind == CT__PROD) && !ct__is_float(dtype) ? CT_I64 : dtype;
}

/* ---- the plan ---- */

typedef struct mixed_axis {
    axis a;
    bool reduced;
    int64_t order; /* |stride|; repeated axes outermost */
} mixed_axis;

/* The axes of x longer than 1 by falling stride; reduced ones are walked forwards. Returns their number. */
static int sorted_axes(const ct_tensor *x, unsigned mask, mixed_axis *sorted, const char **data)
{
    int count = 0;
    int64_t out = 1;
    for (int i = x->rank - 1; i >= 0; i--) {
        const bool reduced = mask >> i & 1;
        mixed_axis m = {{x->dim[i], x->stride[i] * (int64_t)ct__size(x), reduced ? 0 : out}, reduced, 0};
        if (!reduced) out *= m.a.n;
        if (m.a.n == 1) continue;
        if (m.a.x < 0 && reduced) {
            *data += m.a.x * (m.a.n - 1);
            m.a.x = -m.a.x;
        }
        m.order = m.a.x == 0 ? INT64_MAX : m.a.x < 0 ? -m.a.x : m.a.x;
        int at = count++;
        for (; at > 0 && sorted[at - 1].order <= m.order; at--) sorted[at] = sorted[at - 1];
        sorted[at] = m;
    }
    return count;
}

/* Appends an axis, or joins it with the one before where that goes on in it. */
static void put_axis(axis *list, int *n, axis a)
{
    axis *last = &list[*n - 1];
    if (*n > 0 && last->x == a.x * a.n && last->out == a.out * a.n) *last = (axis){last->n * a.n, a.x, a.out};
    else list[(*n)++] = a;
}

static int64_t places(const axis *list, int n)
{
    int64_t count = 1;
    for (int i = 0; i < n; i++) count *= list[i].n;
    return count;
}

static void make_plan(plan *p, const ct_tensor *x, unsigned mask)
{
    mixed_axis sorted[CT_MAX_RANK];
    p->x = x->data;
    p->size = ct__size(x);
    p->n_kept = p->n_reduced = 0;
    const int count = sorted_axes(x, mask, sorted, &p->x);
    for (int i = 0; i < count; i++) {
        if (sorted[i].reduced) put_axis(p->reduced, &p->n_reduced, sorted[i].a);
        else put_axis(p->kept, &p->n_kept, sorted[i].a);
    }
    p->by_rows = count == 0 || sorted[count - 1].reduced;
    if (count == 0) p->inner = (axis){1, (int64_t)p->size, 0};
    else p->inner = p->by_rows ? p->reduced[--p->n_reduced] : p->kept[--p->n_kept];
    p->outer = places(p->kept, p->n_kept);
    p->runs = places(p->reduced, p->n_reduced);
}

/* How far the place with this row-major index along the axes is, in x and out. */
static int64_t x_offset(const axis *list, int n, int64_t index, int64_t *out)
{
    int64_t x = 0;
    for (int i = n - 1; i > 0; i--) {
        const int64_t at = index % list[i].n;
        index /= list[i].n;
        x += at * list[i].x;
        *out += at * list[i].out;
    }
    if (n == 0) return 0;
    *out += index * list[0].out;
    return x + index * list[0].x;
}

static void gather(char *to, const char *from, int64_t stride, int64_t n, size_t size)
{
    for (int64_t i = 0; i < n; i++, from += stride) {
        if (size == 4) memcpy(to + 4 * i, from, 4);
        else if (size == 8) memcpy(to + 8 * i, from, 8);
        else to[i] = *from;
    }
}

/* The larger part of a cut in two, in whole blocks. */
static int64_t first_half(int64_t n, int64_t block) { return (n / 2 + block - 1) / block * block; }

/* out_i = out_i joined with more_i: accumulators. */
static void join(const plan *p, char *out, const char *more, int64_t n)
{
    const char *rows[] = {out, more};
    p->joiner->columns(rows, 2, n, &(ct__term){zeros, 0, p->scale}, out);
}

/* ---- by rows ---- */

/* The run of n elements at x to one accumulator. */
static void reduce_run(const plan *p, const char *x, int64_t n, const ct__term *t, char *to)
{
    if (p->inner.x == (int64_t)p->size) {
        p->kernel->rows(x, 0, 1, n, t, to);
        return;
    }
    _Alignas(64) char buffer[GATHER * sizeof(double)];
    if (n <= GATHER) {
        gather(buffer, x, p->inner.x, n, p->size);
        p->kernel->rows(buffer, 0, 1, n, t, to);
        return;
    }
    const int64_t half = first_half(n, GATHER);
    _Alignas(8) char more[sizeof(double)];
    reduce_run(p, x, half, t, to);
    reduce_run(p, x + half * p->inner.x, n - half, t, more);
    join(p, to, more, 1);
}

/* Joins n accumulators in pairs into the first. */
static void fold(const plan *p, char *list, int64_t n, int64_t width)
{
    while (n > 1) {
        const int64_t half = (n + 1) / 2;
        join(p, list, list + (size_t)(half * width) * p->wide, (n - half) * width);
        n = half;
    }
}

/* Runs from .. to-1 of the output whose first run is at x. */
static void reduce_runs(const plan *p, const char *x, int64_t from, int64_t to, const ct__term *t, char *out)
{
    if (to - from > LEAF) {
        const int64_t middle = from + first_half(to - from, LEAF);
        _Alignas(8) char more[sizeof(double)];
        reduce_runs(p, x, from, middle, t, out);
        reduce_runs(p, x, middle, to, t, more);
        join(p, out, more, 1);
        return;
    }
    _Alignas(8) char list[LEAF * sizeof(double)];
    int64_t unused = 0;
    if (p->n_reduced == 1 && p->inner.x == (int64_t)p->size) {
        p->kernel->rows(x + from * p->reduced[0].x, p->reduced[0].x, to - from, p->inner.n, t, list);
    } else {
        for (int64_t i = from; i < to; i++)
            reduce_run(p, x + x_offset(p->reduced, p->n_reduced, i, &unused), p->inner.n, t, list + (size_t)(i - from) * p->wide);
    }
    fold(p, list, to - from, 1);
    memcpy(out, list, p->wide);
}

/* Outputs from .. to-1, of the runs first .. last-1 each. */
static void outputs_by_rows(const plan *p, int64_t from, int64_t to, int64_t first, int64_t last, char *out)
{
    const axis none = {1, 0, 0}, *line = p->n_kept ? &p->kept[p->n_kept - 1] : &none;
    const bool direct = p->n_reduced == 0 && p->inner.x == (int64_t)p->size && (line->out == 1 || line->n == 1);
    for (int64_t i = from; i < to;) {
        int64_t at = 0;
        const char *x = p->x + x_offset(p->kept, p->n_kept, i, &at);
        const int64_t left = line->n - i % line->n, m = left < to - i ? left : to - i;
        ct__term t = {p->about ? p->about + at : zeros, p->about ? 1 : 0, p->scale};
        i += m;
        if (direct) {
            p->kernel->rows(x, line->x, m, p->inner.n, &t, out + (size_t)at * p->wide);
            continue;
        }
        t.step = 0;
        for (int64_t k = 0; k < m; k++, at += line->out, x += line->x) {
            if (p->about) t.about = p->about + at;
            reduce_runs(p, x, first, last, &t, out + (size_t)at * p->wide);
        }
    }
}

/* ---- by columns ---- */

static int64_t tile_width(const plan *p)
{
    return p->inner.x == (int64_t)p->size ? CT__REDUCE_TILE_BYTES / (int64_t)p->wide : GATHER_TILE;
}

static void gathered_columns(const plan *p, const char *const *row, int64_t count, int64_t n, const ct__term *t, char *to)
{
    _Alignas(64) char buffer[GATHER_ROWS][GATHER_TILE * sizeof(double)];
    const char *at[GATHER_ROWS];
    for (int64_t r = 0; r < count; r++) {
        gather(buffer[r], row[r], p->inner.x, n, p->size);
        at[r] = buffer[r];
    }
    p->kernel->columns(at, count, n, t, to);
}

/* Rows from .. to-1 of the tile of n columns whose first row is at x. */
static void reduce_tile(const plan *p, const char *x, int64_t n, int64_t from, int64_t to, const ct__term *t, char *out)
{
    const bool gathers = p->inner.x != (int64_t)p->size;
    const int64_t most = gathers ? GATHER_ROWS : CT__REDUCE_ROWS;
    if (to - from > most) {
        const int64_t middle = from + first_half(to - from, most);
        _Alignas(64) char more[CT__REDUCE_TILE_BYTES];
        reduce_tile(p, x, n, from, middle, t, out);
        reduce_tile(p, x, n, middle, to, t, more);
        join(p, out, more, n);
        return;
    }
    const char *row[CT__REDUCE_ROWS];
    int64_t unused = 0;
    for (int64_t i = from; i < to; i++) row[i - from] = x + x_offset(p->reduced, p->n_reduced, i, &unused);
    if (gathers) gathered_columns(p, row, to - from, n, t, out);
    else p->kernel->columns(row, to - from, n, t, out);
}

/* One tile where the outputs of neighboring columns are not neighbors. */
static void scattered_tile(const plan *p, const char *x, int64_t n, int64_t from, int64_t to, const double *about, char *out)
{
    _Alignas(64) char tile[CT__REDUCE_TILE_BYTES];
    double near[CT__REDUCE_TILE_BYTES / sizeof(double)];
    const int64_t step = p->inner.out;
    for (int64_t i = 0; about && i < n; i++) near[i] = about[i * step];
    reduce_tile(p, x, n, from, to, &(ct__term){about ? near : zeros, 1, p->scale}, tile);
    for (int64_t i = 0; i < n; i++) memcpy(out + (size_t)(i * step) * p->wide, tile + (size_t)i * p->wide, p->wide);
}

/* Tiles from .. to-1 (of all places of the outer axes), of the rows first .. last-1 each. */
static void outputs_by_columns(const plan *p, int64_t from, int64_t to, int64_t first, int64_t last, char *out)
{
    const int64_t width = tile_width(p), tiles = (p->inner.n + width - 1) / width;
    for (int64_t i = from; i < to; i++) {
        const int64_t column = i % tiles * width, n = p->inner.n - column < width ? p->inner.n - column : width;
        int64_t at = column * p->inner.out;
        const char *x = p->x + column * p->inner.x + x_offset(p->kept, p->n_kept, i / tiles, &at);
        const double *about = p->about ? p->about + at : NULL;
        char *to_out = out + (size_t)at * p->wide;
        if (p->inner.out == 1) reduce_tile(p, x, n, first, last, &(ct__term){about ? about : zeros, 1, p->scale}, to_out);
        else scattered_tile(p, x, n, first, last, about, to_out);
    }
}

/* ---- parts ---- */

/* Units (outputs or tiles) are cut into groups; where there are too few, the reduction itself is cut into `chunks`, each with
 * a slab of partial outputs. */
typedef struct work {
    const plan *p;
    int64_t units, group, chunks, outputs;
    char *slabs;
} work;

static void reduce_units(const plan *p, int64_t from, int64_t to, int64_t first, int64_t last, char *out)
{
    if (p->by_rows) outputs_by_rows(p, from, to, first, last, out);
    else outputs_by_columns(p, from, to, first, last, out);
}

static void run_group(void *context, int64_t part)
{
    const work *w = context;
    const int64_t from = part * w->group, to = from + w->group < w->units ? from + w->group : w->units;
    reduce_units(w->p, from, to, 0, w->p->runs, w->p->out);
}

/* Are the runs long enough in number to be cut, or is each of them cut? */
static bool cuts_inner(const plan *p) { return p->by_rows && p->inner.n > p->runs; }

static int64_t chunk_start(const work *w, int64_t chunk)
{
    const plan *p = w->p;
    const int64_t block = cuts_inner(p) ? CT__REDUCE_BLOCK : CT__REDUCE_ROWS, n = cuts_inner(p) ? p->inner.n : p->runs;
    return chunk == w->chunks ? n : n / block * chunk / w->chunks * block;
}

static void run_chunk(void *context, int64_t part)
{
    const work *w = context;
    const int64_t unit = part % w->units, chunk = part / w->units;
    const int64_t first = chunk_start(w, chunk), last = chunk_start(w, chunk + 1);
    char *out = w->slabs + (size_t)(chunk * w->outputs) * w->p->wide;
    if (!cuts_inner(w->p)) {
        reduce_units(w->p, unit, unit + 1, first, last, out);
        return;
    }
    plan p = *w->p;
    p.x += first * p.inner.x;
    p.inner.n = last - first;
    reduce_units(&p, unit, unit + 1, 0, p.runs, out);
}

static bool run_chunks(const char *operation, work *w)
{
    const plan *p = w->p;
    const size_t bytes = (size_t)(w->chunks * w->outputs) * p->wide;
    w->slabs = ct__pool_get(bytes);
    if (!w->slabs) return ct__fail_memory(operation, bytes);
    ct__parallel(w->units * w->chunks, run_chunk, w);
    fold(p, w->slabs, w->chunks, w->outputs);
    memcpy(p->out, w->slabs, (size_t)w->outputs * p->wide);
    ct__pool_put(w->slabs, bytes);
    return true;
}

/* The number of chunks, for about as many parts as wanted; below 2 where the reduction is too short to be cut. */
static int64_t chunks_for(const plan *p, int64_t units, int64_t parts)
{
    const int64_t wanted = (parts + units - 1) / units;
    const int64_t most = cuts_inner(p) ? p->inner.n / CT__REDUCE_BLOCK : p->runs / CT__REDUCE_ROWS;
    return wanted < most ? wanted : most;
}

static bool run_plan(const char *operation, const plan *p, int64_t bytes)
{
    const int64_t width = p->by_rows ? 1 : tile_width(p);
    work w = {.p = p, .chunks = 1, .units = p->by_rows ? p->outer : p->outer * ((p->inner.n + width - 1) / width)};
    int64_t parts = bytes < PARALLEL_BYTES ? 1 : bytes / PART_BYTES;
    if (parts > MAX_PARTS) parts = MAX_PARTS;
    if (w.units < parts) w.chunks = chunks_for(p, w.units, parts);
    if (w.chunks > 1) {
        w.outputs = p->outer * (p->by_rows ? 1 : p->inner.n);
        ct__self.count.parallel_reductions++;
        return run_chunks(operation, &w);
    }
    w.group = (w.units + parts - 1) / parts;
    parts = (w.units + w.group - 1) / w.group;
    if (parts < 2) {
        run_group(&w, 0);
        return true;
    }
    ct__self.count.parallel_reductions++;
    ct__parallel(parts, run_group, &w);
    return true;
}

/* Are the reduced axes the last ones of a contiguous x? Then the number of elements of each reduction, else 0. */
static int64_t trailing(const ct_tensor *x, unsigned mask)
{
    int64_t n = 1;
    int i = x->rank - 1;
    for (; i >= 0 && mask >> i & 1; i--) n *= x->dim[i];
    return (mask & ((1u << (i + 1)) - 1u)) == 0 && ct__contiguous(x) ? n : 0;
}

/* Whatever is not small and frequent. */
static CT__APART bool reduce_any(const char *operation, plan *p, const ct_tensor *x, unsigned mask, int64_t bytes)
{
    if (x->count == 0) {
        int64_t outputs = 1;
        for (int i = 0; i < x->rank; i++) outputs *= mask >> i & 1 ? 1 : x->dim[i];
        p->kernel->rows(x->data, 0, outputs, 0, &(ct__term){zeros, 0, p->scale}, p->out);
        return true;
    }
    make_plan(p, x, mask);
    return run_plan(operation, p, bytes);
}

bool ct__reduce(const char *operation, ct__reduction kind, const ct_tensor *x, unsigned mask, const double *about, double scale,
                void *out)
{
    static const uint8_t wide[CT_DTYPES] = {4, 8, 4, 8, 1, 1};
    plan p;
    if (kind == CT__MIN) scale = -1; /* of floats: the same kernels as CT__MAX */
    const int64_t bytes = x->count * (int64_t)ct__size(x), n = bytes < PARALLEL_BYTES && x->count ? trailing(x, mask) : 0;
    ct__count_pass(bytes);
    p.kernel = ct__reducer_of(kind, (ct_dtype)x->dtype);
    if (n > 0) {
        const ct__term t = {about ? about : zeros, about ? 1 : 0, scale};
        p.kernel->rows(x->data, n * (int64_t)ct__size(x), x->count / n, n, &t, out);
        return true;
    }
    const ct_dtype result = ct__reduced_dtype(kind, (ct_dtype)x->dtype);
    p.joiner = ct__reducer_of(kind == CT__SUM_WIDE || kind == CT__SQUARES ? CT__SUM : kind, result);
    p.about = about;
    p.scale = scale;
    p.out = out;
    p.wide = wide[result];
    return reduce_any(operation, &p, x, mask, bytes);
}
