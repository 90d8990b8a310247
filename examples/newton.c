/*
 * newton.c - minimizes Rosenbrock's function in 10 dimensions with exact second derivatives, and never makes a Hessian.
 *
 *     f(x) = sum_i 100 (x_i+1 - x_i^2)^2 + (1 - x_i)^2,   smallest at x = (1, ..., 1): a bent, narrow valley.
 *
 * Newton's step p solves H p = -g. Conjugate gradients find it from products H d alone (ct_hvp); they end early where p is good
 * enough, or where the curvature d'H d is not positive. A search along p makes sure that f falls (Nocedal and Wright 2006, 7.1).
 */
#include <math.h>

#include <cotangent/cotangent.h>

static int rosenbrock(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    ct_tensor *x = ct_slice(in[0], 0, 0, -1, 1), *next = ct_slice(in[0], 0, 1, CT_NONE, 1);
    ct_tensor *height = ct_mul(ct_scalar(100), ct_square(ct_sub(next, ct_square(x))));
    out[0] = ct_sum(ct_add(height, ct_square(ct_sub(ct_scalar(1), x))), CT_ALL, false);
    return 0;
}

static double value_at(ct_tensor *x)
{
    ct_tensor *f = NULL;
    rosenbrock(NULL, &x, &f);
    return ct_item(f);
}

static double dot(ct_tensor *a, ct_tensor *b) { return ct_item(ct_matmul(a, b)); }

/* a + alpha b */
static ct_tensor *plus(ct_tensor *a, double alpha, ct_tensor *b) { return ct_add(a, ct_mul(ct_scalar(alpha), b)); }

/* p with H p = -g, nearly; counts the products. */
static ct_tensor *newton_step(ct_tensor *x, ct_tensor *g, int *products)
{
    const double size = sqrt(dot(g, g)), enough = fmin(0.1, size) * size;
    ct_tensor *p = ct_zeros(ct_shape_get(g), CT_F64), *r = ct_neg(g), *d = r, *Hd;
    while (sqrt(dot(r, r)) > enough && ct_hvp(rosenbrock, NULL, &x, &d, 1, NULL, &Hd)) {
        const double curvature = dot(d, Hd), before = dot(r, r), alpha = before / curvature;
        if (++*products, curvature <= 0) return d == r ? d : p; /* downhill at the first product, else what there is */
        p = plus(p, alpha, d);
        r = plus(r, -alpha, Hd);
        d = plus(r, dot(r, r) / before, d);
    }
    return p;
}

/* x + t p with the first t of 1, 1/2, 1/4, ... that makes f fall by at least 1/10000 of what the slope promises. */
static ct_tensor *search(ct_tensor *x, ct_tensor *p, ct_tensor *g)
{
    const double f = value_at(x), slope = dot(g, p);
    double t = 1;
    while (value_at(plus(x, t, p)) > f + 1e-4 * t * slope && t > 1e-10) t /= 2;
    return plus(x, t, p);
}

int main(void)
{
    CT_SCOPE;
    ct_tensor *x = ct_zeros(ct_shape(10), CT_F64), *f, *g;
    int products = 0;
    for (int step = 0; step <= 50 && ct_value_and_grad(rosenbrock, NULL, &x, 1, &f, &g); step++) {
        const double size = sqrt(dot(g, g));
        const bool done = size < 1e-10;
        if (done || step % 3 == 0)
            printf("step %2d: f = %8.2e, |gradient| = %7.1e, %3d products\n", step, ct_item(f), size, products);
        if (done) break;
        x = search(x, newton_step(x, g, &products), g);
    }
    const double error = ct_item(ct_norm(ct_sub(x, ct_ones(ct_shape(10), CT_F64)), CT_ALL, false));
    printf("distance from (1, ..., 1): %.1e\n", error);
    if (!(error < 1e-10)) ct_raise(CT_ERROR_USER, "newton", "the minimum is off by %g", error);
    return ct_report(stderr);
}
