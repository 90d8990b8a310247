/*
 * row.c - runs functions of contiguous rows over many rows, and brings the axes of a tensor into rows and back.
 *
 * Invariant: a row's result depends on that row alone, so neither its place nor the number of threads changes a bit.
 */
#include "tensor/row.h"

#include <string.h>

static const ct__row_kernels *kernels_now(void)
{
#ifdef CT__HAVE_X86_VARIANTS
    const int isa = ct__isa();
    if (isa == 2) return &ct__row_kernels_avx512;
    if (isa == 1) return &ct__row_kernels_avx2;
#endif
    return &ct__row_kernels_baseline;
}

ct__row_kernel ct__row_kernel_of(ct__row_function function, ct_dtype dtype)
{
    return kernels_now()->of[function][dtype == CT_F64];
}

/* Elements, each of which costs an exponential or a division; but those of a product do not. */
enum { ROW_PART = 1 << 13, ROW_PARALLEL = 1 << 15 };

static bool is_short(const ct__row_job *job)
{
    const int64_t elements = job->rows * job->n;
    const bool light = job->function == CT__ROW_DOT || job->function == CT__ROWS_SCALED;
    return elements < ROW_PARALLEL || (light && ct__is_short(elements));
}

typedef struct row_work {
    const ct__row_job *job;
    ct__row_kernel kernel;
    int64_t group;
} row_work;

/* Rows from .. to-1, cut where an operand starts again. */
static void run_some_rows(const ct__row_job *job, ct__row_kernel kernel, int64_t from, int64_t to)
{
    const int64_t size = job->dtype == CT_F32 ? 4 : 8;
    while (from < to) {
        char *p[CT__ROW_OPERANDS];
        int64_t m = to - from;
        for (int k = 0; k < job->count; k++) {
            const int64_t period = job->period[k], at = period ? from % period : from;
            if (period && period - at < m) m = period - at;
            p[k] = job->p[k] + at * job->width[k] * size;
        }
        kernel(m, job->n, p);
        from += m;
    }
}

static void run_row_group(void *context, int64_t part)
{
    const row_work *w = context;
    const int64_t from = part * w->group, to = from + w->group;
    run_some_rows(w->job, w->kernel, from, to < w->job->rows ? to : w->job->rows);
}

void ct__run_rows(const ct__row_job *job)
{
    row_work w = {job, ct__row_kernel_of(job->function, job->dtype), 0};
    const int64_t elements = job->rows * job->n;
    int64_t each = 0; /* elements in a row of all operands */
    for (int k = 0; k < job->count; k++) each += job->p[k] ? job->width[k] : 0;
    ct__count_pass(job->rows * each * (job->dtype == CT_F32 ? 4 : 8));
    if (job->rows < 2 || is_short(job)) {
        run_some_rows(job, w.kernel, 0, job->rows);
        return;
    }
    w.group = ct__share(job->rows, elements, ROW_PART);
    const int64_t parts = (job->rows + w.group - 1) / w.group;
    if (parts > 1) ct__self.count.parallel_reductions++;
    ct__parallel(parts, run_row_group, &w);
}

/* The axes of t in the order of rows, as a view with a reference of the caller's. */
static ct_tensor *row_view(const ct_tensor *t, unsigned mask)
{
    int64_t dim[CT_MAX_RANK], stride[CT_MAX_RANK];
    int n = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (int i = 0; i < t->rank; i++) {
            if ((mask >> i & 1) != pass) continue;
            dim[n] = t->dim[i];
            stride[n++] = t->stride[i];
        }
    }
    return ct__own(ct__tensor_view(t, t->rank, dim, stride, t->data));
}

/* Are the axes of the mask the last ones, or none? */
static bool last_axes(const ct_tensor *t, unsigned mask)
{
    const unsigned all = (1u << t->rank) - 1, kept = all & ~mask;
    return (kept & (kept + 1)) == 0;
}

ct_tensor *ct__rows_of(const char *operation, const ct_tensor *x, unsigned mask)
{
    if (ct__contiguous(x) && last_axes(x, mask)) return ct__retain((ct_tensor *)(uintptr_t)x);
    ct_tensor *view = row_view(x, mask);
    if (!view || ct__contiguous(view)) return view;
    ct_tensor *rows = ct__own(ct__tensor_like(operation, view, (ct_dtype)x->dtype));
    if (rows) ct__copy(rows, view);
    ct__release(view);
    return rows;
}

ct_tensor *ct__rows_for(const char *operation, ct_tensor *y, unsigned mask)
{
    if (last_axes(y, mask)) return ct__retain(y);
    ct_tensor *view = row_view(y, mask);
    if (!view || ct__contiguous(view)) return view;
    ct_tensor *rows = ct__own(ct__tensor_like(operation, view, (ct_dtype)y->dtype));
    ct__release(view);
    return rows;
}

bool ct__rows_done(ct_tensor *rows, ct_tensor *y, unsigned mask)
{
    bool ok = true;
    if (rows->storage != y->storage) {
        ct_tensor *view = row_view(y, mask);
        ok = view != NULL;
        if (ok) ct__copy(view, rows);
        if (ok) ct__release(view);
    }
    ct__release(rows);
    return ok;
}
