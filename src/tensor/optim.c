/*
 * optim.c - optimizer steps: one pass over all parameters together.
 *
 * A model of many parameters takes one parallel region, not one for each, and a small model takes none. A part of the work is the
 * same share of each parameter: so a thread meets the rows that it summed the gradient of, and will read again in the next product,
 * where products are cut in the same way. What is too small to be cut goes to one part as a whole. Each element is computed
 * from its own old values alone, so the cut cannot change a bit. Everything is checked before anything changes, and nothing is
 * allocated.
 */
#include "tensor/optim.h"
#include "tensor/script.h"

#include <math.h>

enum {
    PART = 1 << 14,    /* elements, at least */
    MOST_PARTS = 16,   /* of a thread: the others take what it does not come to */
    LEAST_SLICE = 512, /* elements of a parameter */
    LINE = 16          /* elements: no two parts write to one line of memory, of f32 */
};

/* The arrays of a step, each with one tensor per parameter, and what is done to a run of elements. */
typedef struct step {
    const char *operation;
    int count, arrays;
    int64_t parts, whole; /* `whole`: elements of parameters that are not cut */
    struct {
        const char *name;
        ct_tensor *const *tensors;
        bool changes;
    } array[4]; /* parameters, gradients, state as far as there is any */
    const ct__optim_kernels *kernels;
    const ct_sgd_step *sgd;
    const ct__adam_numbers *adam;
} step;

/* ---- checks ---- */

static bool check_parameter(const char *operation, const ct_tensor *p, int i)
{
    if (!p) return ct__fail(CT_ERROR_NULL, operation, "params[%d] is NULL", i);
    if (!ct__is_float(p->dtype))
        return ct__fail(CT_ERROR_DTYPE, operation, "params[%d] is %s; expected f32 or f64", i, ct__describe(p));
    return true;
}

/* A gradient or state belongs to its parameter: same dtype, same shape. */
static bool check_partner(const char *operation, const char *name, const ct_tensor *x, const ct_tensor *p, int i)
{
    if (!x) return ct__fail(CT_ERROR_NULL, operation, "%s[%d] is NULL", name, i);
    if (x->dtype != p->dtype || !ct__same_shape(x, p))
        return ct__fail(x->dtype != p->dtype ? CT_ERROR_DTYPE : CT_ERROR_SHAPE, operation, "%s[%d] is %s, but params[%d] is %s",
                        name, i, ct__describe(x), i, ct__describe(p));
    return true;
}

static bool is_first(const char *operation, const char *name, ct_tensor *const *tensors, int i)
{
    for (int j = 0; j < i; j++) {
        if (tensors[j]->data == tensors[i]->data && tensors[i]->count > 0 && tensors[j]->count > 0)
            return ct__fail(CT_ERROR_VALUE, operation, "%s[%d] and %s[%d] are the same memory; a shared parameter is listed once",
                            name, j, name, i);
    }
    return true;
}

/* Two threads would change the same elements at once. Each is compared with those before it only where its storage was met already, or
 * is the caller's memory. */
static bool check_distinct(const char *operation, const char *name, ct_tensor *const *tensors, int count)
{
    bool distinct = true;
    int n = 0;
    for (; n < count && distinct; n++) {
        ct__storage *s = tensors[n]->storage;
        distinct = !(s->met || s->foreign) || is_first(operation, name, tensors, n);
        s->met = true;
    }
    while (n-- > 0) tensors[n]->storage->met = false;
    return distinct;
}

static bool check_tensor(const step *s, int array, int i)
{
    const char *name = s->array[array].name;
    ct_tensor *t = s->array[array].tensors[i], *p = s->array[0].tensors[i];
    if (array == 0 && !check_parameter(s->operation, t, i)) return false;
    if (array > 0 && !check_partner(s->operation, name, t, p, i)) return false;
    if (!ct__contiguous(t))
        return ct__fail(CT_ERROR_SHAPE, s->operation, "%s[%d], which is %s, is a view that is not contiguous; use ct_contiguous",
                        name, i, ct__describe(t));
    return !s->array[array].changes || ct__inplace_check(s->operation, t);
}

static bool check(const step *s)
{
    if (!ct__may_change()) return false;
    if (!ct__unscripted(s->operation, "the numbers of a step would stay those of the first one: call it in a function that "
                                          "ct_on_replay calls, as ct_optimizer_step does"))
        return false;
    if (s->count < 0) return ct__fail(CT_ERROR_VALUE, s->operation, "%d parameters; expected at least 0", s->count);
    for (int a = 0; a < s->arrays && s->count > 0; a++) {
        if (!s->array[a].tensors) return ct__fail_null(s->operation, s->array[a].name);
    }
    for (int i = 0; i < s->count; i++) {
        for (int a = 0; a < s->arrays; a++) {
            if (!check_tensor(s, a, i)) return false;
        }
    }
    for (int a = 0; a < s->arrays; a++) {
        if (s->array[a].changes && !check_distinct(s->operation, s->array[a].name, s->array[a].tensors, s->count)) return false;
    }
    return true;
}

/* ---- the pass ---- */

/* Elements from .. from + n - 1 of parameter i. */
static void run_elements(const step *s, int i, int64_t from, int64_t n)
{
    const ct_tensor *p = s->array[0].tensors[i];
    char *at[4] = {NULL};
    for (int a = 0; a < s->arrays; a++) at[a] = s->array[a].tensors[i]->data + from * (int64_t)ct__size(p);
    if (s->adam) s->kernels->adam[p->dtype](n, at[0], at[1], at[2], at[3], s->adam);
    else s->kernels->sgd[p->dtype](n, at[0], at[1], at[2], s->sgd);
}

static int64_t elements_of(const step *s, int i) { return s->array[0].tensors[i]->count; }

static bool is_cut(const step *s, int i) { return elements_of(s, i) >= s->parts * LEAST_SLICE; }

/* Into how many parts, and what is left whole. */
static void cut(step *s, int64_t elements)
{
    const int64_t threads = ct_threads(), each = elements / (threads * PART);
    s->parts = threads * (each < 1 ? 1 : each < MOST_PARTS ? each : MOST_PARTS);
    s->whole = 0;
    for (int i = 0; i < s->count; i++) s->whole += is_cut(s, i) ? 0 : elements_of(s, i);
}

/* Where slice `part` of n elements begins. */
static int64_t slice(const step *s, int64_t n, int64_t part) { return part == s->parts ? n : n * part / s->parts / LINE * LINE; }

/* Parameters that are not cut fill the parts one after another. */
static void run_part(void *context, int64_t part)
{
    const step *s = context;
    const int64_t fill = s->whole / s->parts < PART ? PART : s->whole / s->parts + 1;
    int64_t before = 0;
    for (int i = 0; i < s->count; i++) {
        const int64_t n = elements_of(s, i);
        if (is_cut(s, i)) {
            const int64_t from = slice(s, n, part);
            run_elements(s, i, from, slice(s, n, part + 1) - from);
        } else {
            if (before / fill == part) run_elements(s, i, 0, n);
            before += n;
        }
    }
}

static void run_all(const step *s)
{
    for (int i = 0; i < s->count; i++) run_elements(s, i, 0, elements_of(s, i));
}

static const ct__optim_kernels *kernels_of_machine(void)
{
#ifdef CT__HAVE_X86_VARIANTS
    const ct__optim_kernels *const tables[] = {&ct__optim_kernels_baseline, &ct__optim_kernels_avx2, &ct__optim_kernels_avx512};
    return tables[ct__isa()];
#else
    return &ct__optim_kernels_baseline;
#endif
}

static bool run(step *s)
{
    if (!check(s)) return false;
    int64_t elements = 0, bytes = 0;
    int ways = 0; /* an array that changes is read and written */
    for (int i = 0; i < s->count; i++) {
        elements += elements_of(s, i);
        bytes += elements_of(s, i) * (int64_t)ct__size(s->array[0].tensors[i]);
    }
    for (int a = 0; a < s->arrays; a++) ways += 1 + s->array[a].changes;
    ct__count_pass(ways * bytes);
    s->kernels = kernels_of_machine();
    if (ct__is_short(elements)) {
        run_all(s);
    } else {
        cut(s, elements);
        ct__parallel(s->parts, run_part, s);
    }
    for (int a = 0; a < s->arrays; a++) {
        for (int i = 0; s->array[a].changes && i < s->count; i++) ct__bump(s->array[a].tensors[i]);
    }
    return true;
}

/* ---- the public functions ---- */

bool ct_sgd_step_(ct_tensor *const *params, ct_tensor *const *grads, ct_tensor *const *velocity, int count, ct_sgd_step how)
{
    if (!ct__may_change()) return false;
    const bool finite = isfinite(how.lr) && isfinite(how.momentum) && isfinite(how.dampening) && isfinite(how.weight_decay);
    if (!finite || how.momentum < 0)
        return ct__fail(CT_ERROR_VALUE, "ct_sgd_step_",
                        "lr %g, momentum %g, dampening %g, weight_decay %g; expected finite numbers and momentum >= 0", how.lr,
                        how.momentum, how.dampening, how.weight_decay);
    step s = {.operation = "ct_sgd_step_", .count = count, .arrays = how.momentum != 0 ? 3 : 2, .sgd = &how};
    s.array[0].name = "params", s.array[0].tensors = params, s.array[0].changes = true;
    s.array[1].name = "grads", s.array[1].tensors = grads;
    s.array[2].name = "velocity", s.array[2].tensors = velocity, s.array[2].changes = true;
    return run(&s);
}

static bool is_rate(double beta) { return beta >= 0 && beta < 1; }

bool ct_adam_step_(ct_tensor *const *params, ct_tensor *const *grads, ct_tensor *const *m, ct_tensor *const *v, int count,
                   ct_adam_step how)
{
    if (!ct__may_change()) return false;
    const bool finite = isfinite(how.lr) && isfinite(how.eps) && isfinite(how.weight_decay);
    if (!finite || !is_rate(how.beta1) || !is_rate(how.beta2) || how.eps < 0 || how.t < 1)
        return ct__fail(CT_ERROR_VALUE, "ct_adam_step_",
                        "lr %g, beta1 %g, beta2 %g, eps %g, weight_decay %g, t %lld; expected finite numbers, betas in [0, 1), "
                        "eps >= 0 and t >= 1", how.lr, how.beta1, how.beta2, how.eps, how.weight_decay, (long long)how.t);
    const ct__adam_numbers a = {.lr = how.lr, .beta1 = how.beta1, .beta2 = how.beta2, .eps = how.eps,
                                .weight_decay = how.weight_decay, .decoupled = how.decoupled,
                                .correction1 = 1 / (1 - pow(how.beta1, (double)how.t)),
                                .correction2 = 1 / (1 - pow(how.beta2, (double)how.t))};
    step s = {.operation = "ct_adam_step_", .count = count, .arrays = 4, .adam = &a};
    s.array[0].name = "params", s.array[0].tensors = params, s.array[0].changes = true;
    s.array[1].name = "grads", s.array[1].tensors = grads;
    s.array[2].name = "m", s.array[2].tensors = m, s.array[2].changes = true;
    s.array[3].name = "v", s.array[3].tensors = v, s.array[3].changes = true;
    return run(&s);
}
