/*
 * random.c - tensors of random numbers: uniform, normal, permutations.
 *
 * Invariant: a number is a function of the seed, the draw (which tensor of the thread's sequence) and the element's index alone.
 * So any thread can make any part of a tensor. Philox gives four words for a counter: four f32 or two f64 elements share one.
 */
#include "tensor/script.h"

#include <math.h>
#include <string.h>

/* Elements of a part of the work: 20 us and more, so that a draw of one part stays with the calling thread. */
enum { PART = 1 << 14 };

typedef struct fill {
    ct__draw draw;
    void *to;
    int64_t count;
    double offset, scale; /* result = offset + scale z */
    double least, most;   /* what a uniform number may be, ends included */
    int64_t parts;        /* 0: as many as there are of PART elements */
} fill;

static int64_t end_of_part(const fill *f, int64_t part)
{
    return (part + 1) * PART < f->count ? (part + 1) * PART : f->count;
}

static void run(fill *f, void (*work)(void *context, int64_t part))
{
    ct__parallel(f->parts ? f->parts : (f->count + PART - 1) / PART, work, f);
}

/* A draw: other numbers each time, also where a script does it again. */
typedef struct drawing {
    fill f;
    ct_tensor *t;
    void (*work)(void *context, int64_t part);
} drawing;

static bool draw_now(void *record)
{
    drawing *d = record;
    d->f.draw = ct__random_draw();
    d->f.to = d->t->data;
    d->f.count = d->t->count;
    run(&d->f, d->work);
    ct__bump(d->t);
    return true;
}

static ct_tensor *filled(ct_tensor *t, const fill *f, void (*work)(void *context, int64_t part))
{
    drawing now = {*f, t, work}, *again;
    draw_now(&now);
    if (CT__LIKELY(!ct__self.script) || !(again = ct__script_add(draw_now, sizeof *again))) return t;
    now.t = ct__script_writes(t);
    *again = now;
    return t;
}

/* 53 random bits as a number in [0, 1). */
static double unit_53(uint32_t high, uint32_t low) { return ((high >> 5) * 0x1p26 + (low >> 6)) * 0x1p-53; }

/* ---- uniform ---- */

/* offset + scale u for u in [0, 1) can round up to the end that does not belong to the range. */
static double place(const fill *f, double u)
{
    const double x = f->offset + f->scale * u;
    return x > f->most ? f->most : x < f->least ? f->least : x;
}

static void uniform_f32(void *context, int64_t part)
{
    enum { LANES = CT__PHILOX_LANES, ALL = 4 * LANES };
    const fill *f = context;
    float *to = f->to;
    const int64_t end = end_of_part(f, part);
    for (int64_t i = part * PART; i < end; i += ALL) {
        uint32_t w[4][LANES];
        float x[ALL];
        ct__philox_lanes(f->draw.key, (uint64_t)i / 4, f->draw.stream, w);
        for (int l = 0; l < LANES; l++) {
            for (int k = 0; k < 4; k++) x[4 * l + k] = (float)place(f, (w[k][l] >> 8) * 0x1p-24);
        }
        memcpy(to + i, x, (size_t)(end - i < ALL ? end - i : ALL) * sizeof *x);
    }
}

static void uniform_f64(void *context, int64_t part)
{
    const fill *f = context;
    double *to = f->to;
    const int64_t end = end_of_part(f, part);
    for (int64_t i = part * PART; i < end; i += 2) {
        uint32_t w[4];
        ct__philox(f->draw.key, (uint64_t)i / 2, f->draw.stream, w);
        for (int64_t j = 0; j < 2 && i + j < end; j++) to[i + j] = place(f, unit_53(w[2 * j], w[2 * j + 1]));
    }
}

/* The least and the greatest number of the dtype in [low, high); false where there is none. */
static bool ends_of_range(ct_dtype dtype, double low, double high, double *least, double *most)
{
    *least = low;
    *most = nextafter(high, -INFINITY);
    if (dtype == CT_F32) {
        const float a = (float)low, b = (float)high;
        *least = (double)a < low ? nextafterf(a, INFINITY) : a;
        *most = (double)b >= high ? nextafterf(b, -INFINITY) : b;
    }
    return *least <= *most;
}

static bool check_float(const char *operation, ct_dtype dtype)
{
    return ct__is_float(dtype) || ct__fail(CT_ERROR_DTYPE, operation, "dtype %s; expected f32 or f64", ct_dtype_name(dtype));
}

/* low = high is taken as the limit of a range that shrinks: every element is low. */
ct_tensor *ct_uniform(ct_shape shape, double low, double high, ct_dtype dtype)
{
    fill f = {.offset = low, .scale = high - low};
    if (!ct__shape_check("ct_uniform", shape, dtype) || !check_float("ct_uniform", dtype)) return NULL;
    if (!(low <= high) || !isfinite(f.scale))
        return ct__fail(CT_ERROR_VALUE, "ct_uniform", "from %g to %g; expected low <= high at a finite distance", low, high);
    if (!ends_of_range(dtype, low, high, &f.least, &f.most) && low < high)
        return ct__fail(CT_ERROR_VALUE, "ct_uniform", "no f32 lies in [%.10g, %.10g)", low, high);
    ct_tensor *t = ct__tensor_new("ct_uniform", dtype, (int)shape.rank, shape.dim);
    if (!t) return NULL;
    if (low == high) f.least = f.most = low;
    return filled(t, &f, dtype == CT_F32 ? uniform_f32 : uniform_f64);
}

/* ---- normal ---- */

/* Box and Muller: for u on (0, 1] and v on [0, 1), sqrt(-2 log u) (cos, sin)(2 pi v) are two independent normal numbers. */
static void normal_f32(void *context, int64_t part)
{
    const fill *f = context;
    float *to = f->to;
    const int64_t end = end_of_part(f, part);
    for (int64_t i = part * PART; i < end; i += 4) {
        uint32_t w[4];
        float z[4];
        ct__philox(f->draw.key, (uint64_t)i / 4, f->draw.stream, w);
        for (int k = 0; k < 4; k += 2) {
            const float r = sqrtf(-2 * logf((float)((w[k] + 1.0) * 0x1p-32)));
            const float angle = (float)(w[k + 1] * (6.283185307179586 * 0x1p-32));
            z[k] = r * cosf(angle);
            z[k + 1] = r * sinf(angle);
        }
        for (int64_t j = 0; j < 4 && i + j < end; j++) to[i + j] = (float)(f->offset + f->scale * (double)z[j]);
    }
}

static void normal_f64(void *context, int64_t part)
{
    const fill *f = context;
    double *to = f->to;
    const int64_t end = end_of_part(f, part);
    for (int64_t i = part * PART; i < end; i += 2) {
        uint32_t w[4];
        ct__philox(f->draw.key, (uint64_t)i / 2, f->draw.stream, w);
        const double r = sqrt(-2 * log(1 - unit_53(w[0], w[1]))), angle = 6.283185307179586 * unit_53(w[2], w[3]);
        to[i] = f->offset + f->scale * (r * cos(angle));
        if (i + 1 < end) to[i + 1] = f->offset + f->scale * (r * sin(angle));
    }
}

ct_tensor *ct_normal(ct_shape shape, double mean, double std, ct_dtype dtype)
{
    if (!ct__shape_check("ct_normal", shape, dtype) || !check_float("ct_normal", dtype)) return NULL;
    if (!isfinite(mean) || !isfinite(std) || std < 0)
        return ct__fail(CT_ERROR_VALUE, "ct_normal", "mean %g, std %g; expected finite numbers and std >= 0", mean, std);
    ct_tensor *t = ct__tensor_new("ct_normal", dtype, (int)shape.rank, shape.dim);
    if (!t) return NULL;
    fill f = {.offset = mean, .scale = std};
    return filled(t, &f, dtype == CT_F32 ? normal_f32 : normal_f64);
}

/* ---- permutations ---- */

__extension__ typedef unsigned __int128 wide;

/* A number in 0 .. n-1, each exactly as likely (Lemire, "Fast random integer generation in an interval", 2019): the upper half of
 * a random 64-bit word times n, after 2^64 mod n of the lower halves, those that would be too many, are turned away. */
static uint64_t below(uint64_t n, ct__draw draw, uint64_t place)
{
    for (uint64_t attempt = 0;; attempt++) {
        uint32_t w[4];
        ct__philox(draw.key, place + (attempt << 48), draw.stream, w);
        const wide product = (wide)((uint64_t)w[0] << 32 | w[1]) * n;
        if ((uint64_t)product >= n || (uint64_t)product >= -n % n) return (uint64_t)(product >> 64);
    }
}

/* Fisher and Yates, in Durstenfeld's form: the last of the numbers left trades places with any of them. */
static void permute(void *context, int64_t part)
{
    const fill *f = context;
    int64_t *p = f->to;
    for (int64_t i = 0; i < f->count; i++) p[i] = i;
    for (int64_t i = f->count - 1; i > 0; i--) {
        const uint64_t j = below((uint64_t)i + 1, f->draw, (uint64_t)i);
        const int64_t last = p[i];
        p[i] = p[j];
        p[j] = last;
    }
    (void)part;
}
ct_tensor *ct_permutation(int64_t n)
{
    if (!ct__shape_check("ct_permutation", ct_shape(n), CT_I64)) return NULL;
    ct_tensor *t = ct__tensor_new("ct_permutation", CT_I64, 1, &n);
    fill f = {.parts = 1};
    return t ? filled(t, &f, permute) : NULL;
}
