/*
 * sensitivity.c - how the solution of a differential equation depends on its parameters, by forward mode through the time steps.
 *
 * A damped oscillator, x'' = -k x - c x' with x(0) = 1 and x'(0) = 0, in steps of Runge and Kutta's fourth order. One ct_jvp
 * gives x(t) and dx(t)/dc, another dx(t)/dk, at all times wanted. With w = sqrt(k - c^2 / 4), the truth is
 *     x     = e^(-c t / 2) (cos w t + c / (2 w) sin w t)
 *     dx/dw = e^(-c t / 2) (-t sin w t + c t / (2 w) cos w t - c / (2 w^2) sin w t)
 *     dx/dk = dx/dw / (2 w)
 *     dx/dc = -t x / 2 + e^(-c t / 2) sin w t / (2 w) - dx/dw c / (4 w)
 */
#include <math.h>

#include <cotangent/cotangent.h>

enum { TIMES = 5, STEPS = 100 }; /* the solution is wanted at t = 1, ..., 5; steps from one to the next */

/* y = [x, x'] -> y' = [x', -k x - c x'] */
static ct_tensor *slope(ct_tensor *c, ct_tensor *k, ct_tensor *y)
{
    ct_tensor *x = ct_select(y, 0, 0), *v = ct_select(y, 0, 1);
    ct_tensor *both[] = {v, ct_neg(ct_add(ct_mul(k, x), ct_mul(c, v)))};
    return ct_stack(both, 2, 0);
}

static ct_tensor *plus(ct_tensor *y, double h, ct_tensor *dy) { return ct_add(y, ct_mul(ct_scalar(h), dy)); }

static ct_tensor *runge_kutta_step(ct_tensor *c, ct_tensor *k, ct_tensor *y, double h)
{
    CT_SCOPE; /* keeps memory flat: in forward mode, nothing of a step is needed after it */
    ct_tensor *a = slope(c, k, y), *b = slope(c, k, plus(y, h / 2, a));
    ct_tensor *d = slope(c, k, plus(y, h / 2, b)), *e = slope(c, k, plus(y, h, d));
    return ct_scope_return(plus(plus(y, h / 6, ct_add(a, e)), h / 3, ct_add(b, d)));
}

/* in = {c, k}, out[i] = x(i + 1): any C code will do, as long as it computes with tensors. */
static int simulate(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    ct_tensor *y = ct_of(ct_shape(2), CT_F64, 1, 0);
    for (int step = 1; step <= TIMES * STEPS; step++) {
        y = runge_kutta_step(in[0], in[1], y, 1.0 / STEPS);
        if (step % STEPS == 0) out[step / STEPS - 1] = ct_select(y, 0, 0);
    }
    return 0;
}

static void truth(double c, double k, double t, double *x, double *dc, double *dk)
{
    const double w = sqrt(k - c * c / 4), e = exp(-c * t / 2), C = cos(w * t), S = sin(w * t);
    const double dw = e * (-t * S + c * t / (2 * w) * C - c / (2 * w * w) * S);
    *x = e * (C + c / (2 * w) * S);
    *dk = dw / (2 * w);
    *dc = -t * *x / 2 + e * S / (2 * w) - dw * c / (4 * w);
}

int main(void)
{
    CT_SCOPE;
    const double c = 0.4, k = 4;
    ct_tensor *in[] = {ct_full(ct_shape(), c, CT_F64), ct_full(ct_shape(), k, CT_F64)}, *one = ct_ones(ct_shape(), CT_F64);
    ct_tensor *x[TIMES], *dc[TIMES], *dk[TIMES];
    ct_jvp(simulate, NULL, in, (ct_tensor *[]){one, NULL}, 2, x, dc, TIMES);
    ct_jvp(simulate, NULL, in, (ct_tensor *[]){NULL, one}, 2, NULL, dk, TIMES);

    double all = 0;
    printf("%4s %12s %12s %12s   %s\n", "t", "x", "dx/dc", "dx/dk", "error");
    for (int i = 0; i < TIMES; i++) {
        double right[3];
        truth(c, k, i + 1, &right[0], &right[1], &right[2]);
        const double found[] = {ct_item(x[i]), ct_item(dc[i]), ct_item(dk[i])};
        double error = 0;
        for (int j = 0; j < 3; j++) error += fabs(found[j] - right[j]);
        printf("%4d %12.8f %12.8f %12.8f   %.1e\n", i + 1, found[0], found[1], found[2], error);
        all += error;
    }
    if (!(all < 1e-6)) ct_raise(CT_ERROR_USER, "sensitivity", "the errors add up to %g", all);
    return ct_report(stderr);
}
