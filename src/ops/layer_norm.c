/*
 * layer_norm.c - layer norm: rows of x brought to mean 0 and variance 1, scaled and shifted.
 *
 * u = (x - m) r  with the mean m and r = 1 / sqrt(variance + eps),  y = u gamma + beta.  Over a row,
 *     du = r (dx - mean dx - u mean(u dx)),  which is its own transpose.
 * A row is as many trailing axes as gamma has; each of the loops in tensor/row_kernel.h reads it from memory once. What the
 * gradient needs of the statistics is computed again, which costs less than keeping and reading it.
 *
 * Invariant: gradients of gamma and beta are sums over blocks of rows, combined in pairs, in an order that the shape decides.
 */
#include "ops/reduce.h"

#include <string.h>

enum { BLOCK = 64, PART = 1 << 16, MAX_PARTS = 32 };

typedef struct norm_params {
    double eps;
} norm_params;

static int own_rank(const ct_call *c) { return c->in[1]->rank; }
static unsigned own_mask(const ct_call *c, const ct_tensor *t) { return ((1u << own_rank(c)) - 1) << (t->rank - own_rank(c)); }

static ct_axes axes_from(int first, int count)
{
    ct_axes axes = {.rank = 0};
    for (int i = 0; i < count; i++) axes.dim[axes.rank++] = first - i;
    return axes;
}

static bool shape(ct_call *c)
{
    c->shape[0] = ct__shape(c->in[0]);
    c->dtypes[0] = (ct_dtype)c->in[0]->dtype;
    return true;
}

/* Does a result go past the caches? Beside what it is made of it takes the room of what comes next; from so many bytes on, and where no row
 * ends within a line. */
static int64_t is_far(const ct_tensor *y, int64_t n)
{
    enum { FAR = 1 << 23, LINE = 64 };
    const int64_t size = (int64_t)ct__size(y);
    return y->count * size >= FAR && n * size % LINE == 0 && (uintptr_t)y->data % LINE == 0;
}

static bool forward(const ct_call *c)
{
    static const char operation[] = "ct_layer_norm";
    ct_tensor *x = c->in[0], *y = c->out[0];
    const int64_t n = c->in[1]->count;
    if (x->count == 0) return true;
    _Alignas(double) char eps[sizeof(double)];
    ct__store(eps, c->dtype, ((const norm_params *)c->params)->eps);
    ct_tensor *rows = ct__rows_of(operation, x, own_mask(c, x)), *gamma = rows ? ct__rows_of(operation, c->in[1], 0) : NULL;
    ct_tensor *beta = gamma ? ct__rows_of(operation, c->in[2], 0) : NULL;
    if (beta)
        ct__run_rows(&(ct__row_job){CT__LAYER_NORM, c->dtype, x->count / n, n, 6,
                                    {y->data, rows->data, gamma->data, beta->data, eps, (char *)&(int64_t){is_far(y, n)}}, {n, n}, {0}});
    const bool ok = beta != NULL;
    if (rows) ct__release(rows);
    if (gamma) ct__release(gamma);
    if (beta) ct__release(beta);
    return ok;
}

/* ---- all gradients in one pass ---- */

typedef struct back {
    ct__row_kernel kernel, add;
    char *gx, *x, *g, *gamma, *eps; /* gx: NULL where it is not needed */
    char *far;                      /* an i64: gx goes past the caches */
    int64_t rows, n, group;         /* group: rows in a part */
    size_t size, sums;              /* bytes of an element, and of the gradients of gamma and beta together */
    char *room;                     /* for each part: these sums, and as many as are open while halves are combined */
    size_t room_of_part;
} back;

static void add_sums(const back *b, char *to, char *more) { b->add(1, 2 * b->n, (char *[]){to, more}); }

static void some_rows(const back *b, int64_t from, int64_t to, char *sums)
{
    if (to - from > BLOCK) {
        const int64_t middle = from + ((to - from) / 2 + BLOCK - 1) / BLOCK * BLOCK;
        some_rows(b, from, middle, sums);
        some_rows(b, middle, to, sums + b->sums);
        add_sums(b, sums, sums + b->sums);
        return;
    }
    const size_t at = (size_t)(from * b->n) * b->size;
    memset(sums, 0, b->sums);
    b->kernel(to - from, b->n,
              (char *[]){b->gx ? b->gx + at : NULL, b->x + at, b->g + at, b->gamma, b->eps, sums, sums + b->sums / 2, b->far});
}

static void run_part(void *context, int64_t part)
{
    const back *b = context;
    const int64_t from = part * b->group, to = from + b->group;
    some_rows(b, from, to < b->rows ? to : b->rows, b->room + (size_t)part * b->room_of_part);
}

/* Leaves the sums over all rows at b->room. False with an error. */
static bool run_back(back *b, size_t *room)
{
    int64_t parts = b->rows * b->n / PART, most = (b->rows + BLOCK - 1) / BLOCK;
    int open = 1;
    most = most < MAX_PARTS ? most : MAX_PARTS;
    parts = parts < 1 ? 1 : parts < most ? parts : most;
    b->group = (b->rows + parts - 1) / parts;
    parts = (b->rows + b->group - 1) / b->group;
    while ((int64_t)BLOCK << (open - 1) < b->group) open++;
    b->room_of_part = (size_t)open * b->sums;
    *room = (size_t)parts * b->room_of_part;
    b->room = ct__pool_get(*room);
    if (!b->room) return ct__fail_memory("ct_layer_norm", *room);
    ct__count_pass((b->gx ? 3 : 2) * b->rows * b->n * (int64_t)b->size);
    ct__parallel(parts, run_part, b);
    for (int64_t step = 1; step < parts; step *= 2) {
        for (int64_t i = 0; i + step < parts; i += 2 * step)
            add_sums(b, b->room + (size_t)i * b->room_of_part, b->room + (size_t)(i + step) * b->room_of_part);
    }
    return true;
}

static void take_sums(const back *b, unsigned need, ct_tensor **gx)
{
    for (int i = 1; i < 3; i++) {
        if (need >> i & 1) memcpy(gx[i]->data, b->room + (size_t)(i - 1) * b->sums / 2, b->sums / 2);
    }
}

static bool fused(const ct_call *c, ct_tensor *const *g, unsigned need, ct_tensor **gx)
{
    static const char operation[] = "ct_layer_norm";
    const ct_tensor *x = c->in[0], *gamma = c->in[1];
    _Alignas(double) char eps[sizeof(double)];
    for (int i = 0; i < 3; i++) {
        if (need >> i & 1 && !(gx[i] = ct__tensor_like(operation, i ? gamma : x, c->dtype))) return false;
    }
    if (x->count == 0) {
        for (int i = 1; i < 3; i++) {
            if (need >> i & 1) ct__fill(gx[i], 0);
        }
        return true;
    }
    ct__store(eps, c->dtype, ((const norm_params *)c->params)->eps);
    ct_tensor *rows = ct__rows_of(operation, x, own_mask(c, x)), *scale = rows ? ct__rows_of(operation, gamma, 0) : NULL;
    ct_tensor *given = scale ? ct__rows_of(operation, g[0], own_mask(c, g[0])) : NULL;
    bool ok = given != NULL;
    if (ok) {
        const int64_t n = gamma->count;
        int64_t far = need & 1 && is_far(gx[0], n);
        back b = {.kernel = ct__row_kernel_of(CT__LAYER_NORM_VJP, c->dtype), .add = ct__row_kernel_of(CT__ROW_ADD, c->dtype),
                  .gx = need & 1 ? gx[0]->data : NULL, .x = rows->data, .g = given->data, .gamma = scale->data, .eps = eps,
                  .far = (char *)&far,
                  .rows = x->count / n, .n = n, .size = ct__size(x), .sums = 2 * (size_t)n * ct__size(x)};
        size_t room;
        ok = run_back(&b, &room);
        if (ok) take_sums(&b, need, gx);
        if (ok) ct__pool_put(b.room, room);
    }
    if (rows) ct__release(rows);
    if (scale) ct__release(scale);
    if (given) ct__release(given);
    return ok;
}

/* ---- the rules ---- */

/* u, and r where it is asked for */
static ct_tensor *normal(const ct_call *c, ct_tensor **inverse)
{
    const ct_axes own = axes_from(-1, own_rank(c));
    ct_tensor *d = ct_sub(c->in[0], ct_mean(c->in[0], own, true)), *variance = ct_mean(ct_square(d), own, true);
    ct_tensor *r = ct_rsqrt(ct_add(variance, ct_scalar(((const norm_params *)c->params)->eps)));
    if (inverse) *inverse = r;
    return ct_mul(d, r);
}

/* r (d - mean d - u mean(u d)) */
static ct_tensor *slope(const ct_call *c, ct_tensor *d)
{
    const ct_axes own = axes_from(-1, own_rank(c));
    ct_tensor *r, *u = normal(c, &r);
    return ct_mul(r, ct_sub(ct_sub(d, ct_mean(d, own, true)), ct_mul(u, ct_mean(ct_mul(u, d), own, true))));
}

/* A tangent of gamma or beta, a stack of which has its axes in front, with an axis of length 1 for each one of x's own. */
static ct_tensor *beside_x(const ct_call *c, ct_tensor *t)
{
    ct_shape s = ct__shape(c->in[0]);
    for (int i = 0; i < s.rank - own_rank(c); i++) s.dim[i] = 1;
    return ct_reshape(t, ct__batched(t, own_rank(c), s));
}

static ct_tensor *over_rows(const ct_call *c, ct_tensor *t)
{
    return ct_sum(t, axes_from(-1 - own_rank(c), c->in[0]->rank - own_rank(c)), false);
}

/* gx = r (h - mean h - u mean(u h)), h = g gamma;  ggamma = sum g u;  gbeta = sum g.  Checked: layer_norm, all samples */
static ct_tensor *vjp_x(const ct_call *c, ct_tensor *const *g) { return slope(c, ct_mul(g[0], c->in[1])); }
static ct_tensor *vjp_gamma(const ct_call *c, ct_tensor *const *g) { return over_rows(c, ct_mul(g[0], normal(c, NULL))); }
static ct_tensor *vjp_beta(const ct_call *c, ct_tensor *const *g) { return over_rows(c, g[0]); }
static ct_tensor *jvp_x(const ct_call *c, ct_tensor *dx) { return ct_mul(slope(c, dx), c->in[1]); }
static ct_tensor *jvp_gamma(const ct_call *c, ct_tensor *d) { return ct_mul(normal(c, NULL), beside_x(c, d)); }
static ct_tensor *jvp_beta(const ct_call *c, ct_tensor *d)
{
    return ct_expand(beside_x(c, d), ct__batched(d, own_rank(c), ct__shape(c->in[0])));
}

const ct_op ct__op_layer_norm = {
    .name = "layer_norm", .inputs = 3, .keeps = KEEP_X | KEEP_Y, .params = sizeof(norm_params), .shape = shape,
    .forward = forward, .vjp = {vjp_x, vjp_gamma, vjp_beta}, .jvp = {jvp_x, jvp_gamma, jvp_beta}, .fused = fused,
    .doc = "(x - mean) / sqrt(variance + eps) gamma + beta over trailing axes"};

/* ---- the front ---- */

static bool fits(const char *operation, const ct_tensor *x, const ct_tensor *gamma, const ct_tensor *beta, double eps)
{
    bool same = gamma->rank > 0 && gamma->rank <= x->rank && gamma->rank == beta->rank;
    for (int i = 1; same && i <= gamma->rank; i++)
        same = gamma->dim[gamma->rank - i] == x->dim[x->rank - i] && gamma->dim[gamma->rank - i] == beta->dim[beta->rank - i];
    if (!same)
        return ct__fail(CT_ERROR_SHAPE, operation,
                        "x is %s, gamma is %s, beta is %s; expected gamma and beta of the shape of x's last axes",
                        ct__describe(x), ct__describe(gamma), ct__describe(beta));
    if (x->dtype != gamma->dtype || x->dtype != beta->dtype)
        return ct__fail(CT_ERROR_DTYPE, operation, "x is %s, gamma is %s, beta is %s; expected the same dtype: ct_cast?",
                        ct__describe(x), ct__describe(gamma), ct__describe(beta));
    return eps >= 0 || ct__fail(CT_ERROR_VALUE, operation, "eps is %g; expected 0 or more", eps);
}

ct_tensor *ct_layer_norm(ct_tensor *x, ct_tensor *gamma, ct_tensor *beta, double eps)
{
    static const char operation[] = "ct_layer_norm";
    if (!ct__check(operation, "x", x) || !ct__check(operation, "gamma", gamma)) return NULL;
    if (!ct__check(operation, "beta", beta)) return NULL;
    if (!ct__is_float((ct_dtype)x->dtype)) {
        const int scope = ct_scope_begin();
        ct_tensor *f = ct_cast(x, CT_F32), *y = f ? ct_layer_norm(f, gamma, beta, eps) : NULL;
        if (y) ct_scope_return(y);
        ct_scope_end(scope);
        return y;
    }
    if (!fits(operation, x, gamma, beta, eps)) return NULL;
    const norm_params p = {eps};
    return ct__apply(&ct__op_layer_norm, (ct_tensor *[]){x, gamma, beta}, 3, &p);
}
