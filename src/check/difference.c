/*
 * difference.c - the derivative of a function of one number from its values, with an estimate of the error.
 *
 * For a smooth f the central difference c(h) = (f(h) - f(-h)) / 2h is f' + a h^2 + b h^4 + ..., so c(h), c(h/2), c(h/4), ... can
 * be extrapolated to h = 0, a power at a time (Richardson):  c_k = (4^k c_{k-1}(h/2) - c_{k-1}(h)) / (4^k - 1).  What an
 * extrapolation changes is the estimate of its error, and of all the entry with the smallest is taken (Ridders).
 *
 * A kink is where the two one-sided slopes stay apart as h goes to 0: with f'' their distance falls like h, with a kink it stays.
 */
#include "check/check.h"

#include <float.h>
#include <math.h>

enum { LEVELS = 12 };

typedef struct sides {
    double left, right; /* slopes */
    double central;
    bool finite;
} sides;

static bool probe(ct__line f, void *context, double f0, double h, sides *s)
{
    double up, down, f_up, f_down;
    if (!f(context, h, &up, &f_up) || !f(context, -h, &down, &f_down)) return false;
    s->right = (f_up - f0) / up;
    s->left = (f_down - f0) / down;
    s->central = (f_up - f_down) / (up - down);
    s->finite = isfinite(s->left) && isfinite(s->right);
    return true;
}

/* Do the slopes of the two sides stay apart where the step is made much smaller? */
static bool kinked(ct__line f, void *context, double f0, double h, double noise, const sides *s, bool *answer)
{
    const double jump = fabs(s->right - s->left), size = fmax(fabs(s->left), fabs(s->right));
    const double shrink = fmin(64, jump * h / (256 * noise + DBL_MIN)); /* the jump must stand well above the rounding there */
    sides narrow;
    *answer = false;
    if (!(jump > 1e-3 * size) || shrink < 4) return true;
    if (!probe(f, context, f0, h / shrink, &narrow)) return false;
    *answer = !narrow.finite || fabs(narrow.right - narrow.left) > 0.6 * jump;
    return true;
}

/* One more row of the extrapolation; the best entry so far is kept in d. */
static void extrapolate(double *row, const double *before, int n, double rounding, ct__difference *d)
{
    double power = 1;
    for (int k = 1; k <= n; k++) {
        power *= 4;
        row[k] = (power * row[k - 1] - before[k - 1]) / (power - 1);
        const double error = fmax(fabs(row[k] - row[k - 1]), fabs(row[k] - before[k - 1])) + rounding;
        if (!(error <= d->error)) continue;
        d->error = error;
        d->value = row[k];
    }
}

bool ct__difference_of(ct__line f, void *context, double f0, double step, double noise, ct__difference *d)
{
    double row[LEVELS], before[LEVELS], h = step;
    sides s = {0}, last = {.finite = false};
    double last_h = step, rounding = 0;
    *d = (ct__difference){.value = NAN, .error = INFINITY, .left = NAN, .right = NAN, .smooth = true};
    for (int level = 0, n = 0; level < LEVELS; level++, h /= 2) {
        if (!probe(f, context, f0, h, &s)) return false;
        if (!s.finite) { /* beyond the edge of where f is defined? */
            n = 0;
            continue;
        }
        rounding = 2 * noise / h;
        row[0] = s.central;
        extrapolate(row, before, n, rounding, d);
        for (int k = 0; k <= n; k++) before[k] = row[k];
        last = s;
        last_h = h;
        n++;
        /* Is what is left mostly rounding, which narrower steps only raise? */
        if (n > 2 && d->error < 4 * rounding) break;
    }
    if (!last.finite || isnan(d->value)) {
        d->smooth = false;
        return true;
    }
    d->left = last.left;
    d->right = last.right;
    bool kink;
    if (!kinked(f, context, f0, last_h, noise, &last, &kink)) return false;
    const double size = fmax(fabs(d->value), fmax(fabs(last.left), fabs(last.right)));
    d->smooth = !kink && !(d->error > 1e-3 * size && d->error > 64 * rounding);
    return true;
}
