/*
 * pinn.c - a network that solves a differential equation (Lagaris et al. 1998; Raissi et al. 2019):
 *
 *     u'' = -pi^2 sin(pi x) on [0, 1],  u(0) = u(1) = 0,  solved by u = sin(pi x).
 *
 * Nobody shows it the solution: the loss is the equation's residual at some points, and the boundary values. u'' is the
 * derivative of a derivative, both forward, for all points at once; training takes the third, backward into the weights.
 */
#include <cotangent/cotangent.h>

static const double pi = 3.14159265358979323846;

/* out[0] = u(x) at every point; context: the network */
static int u(void *network, ct_tensor *const *x /* [n, 1] */, ct_tensor **out)
{
    out[0] = ct_forward(network, *x);
    return 0;
}

/* out[0] = u'(x): a row of u depends on its own x alone, so the tangent of ones gives each row its derivative. */
static int du(void *network, ct_tensor *const *x, ct_tensor **out)
{
    ct_tensor *one = ct_ones(ct_shape_get(*x), CT_F64);
    return !ct_jvp(u, network, x, &one, 1, NULL, out, 1);
}

/* u''(x): the same once more */
static ct_tensor *d2u(ct_module *network, ct_tensor *x)
{
    ct_tensor *one = ct_ones(ct_shape_get(x), CT_F64), *second = NULL;
    ct_jvp(du, network, &x, &one, 1, NULL, &second, 1);
    return second;
}

static ct_tensor *solution(ct_tensor *x) { return ct_sin(ct_mul(ct_scalar(pi), x)); }

static ct_tensor *points(int count)
{
    return ct_reshape(ct_linspace(0, 1, count, CT_F64), ct_shape(count, 1));
}

int main(void)
{
    enum { STEPS = 3000 };
    ct_seed(3);
    CT_SCOPE;
    ct_module *network = ct_nn_sequential(ct_nn_linear(1, 16), ct_nn_tanh(), ct_nn_linear(16, 16), ct_nn_tanh(),
                                          ct_nn_linear(16, 1));
    ct_module_cast(network, CT_F64);
    ct_optimizer *adam = ct_optim_adam(network, 0);
    ct_tensor *x = points(32), *ends = points(2), *zero = ct_zeros(ct_shape(2, 1), CT_F64);
    ct_tensor *right_side = ct_mul(ct_scalar(-pi * pi), solution(x));
    for (int step = 1; step <= STEPS; step++) {
        CT_SCOPE;
        ct_optimizer_set_lr(adam, 0.01 * (1 - (step - 1.0) / STEPS)); /* falls to 0, so that the end is quiet */
        ct_tensor *residual = ct_mse_loss(d2u(network, x), right_side, CT_MEAN);
        ct_tensor *boundary = ct_mse_loss(ct_forward(network, ends), zero, CT_MEAN);
        ct_tensor *loss = ct_add(residual, ct_mul(ct_scalar(100), boundary));
        if (!ct_backward(loss) || !ct_optimizer_step(adam)) break;
        if (step == 1 || step % 1000 == 0) printf("step %4d: loss %.1e\n", step, ct_item(loss));
    }

    ct_tensor *between = points(101);
    const double error = ct_item(ct_max(ct_abs(ct_sub(ct_forward(network, between), solution(between))), CT_ALL, false));
    printf("largest error of u on [0, 1]: %.1e\n", error);
    if (!(error < 1e-3)) ct_raise(CT_ERROR_USER, "pinn", "u is off by %g", error);
    ct_optimizer_free(adam);
    ct_module_free(network);
    return ct_report(stderr);
}
