/*
 * fit_a_function.c - universal approximation: one hidden layer with a linear output takes the shape of a smooth function.
 *
 * 16 neurons with tanh are fitted to sin(3 x) + x / 2 on [-2, 2] from 64 points, in float64 with Adam.
 */
#include <cotangent/cotangent.h>

static ct_tensor *target(ct_tensor *x)
{
    return ct_add(ct_sin(ct_mul(ct_scalar(3), x)), ct_mul(ct_scalar(0.5), x));
}

static ct_tensor *points(int count)
{
    return ct_reshape(ct_linspace(-2, 2, count, CT_F64), ct_shape(count, 1));
}

int main(void)
{
    ct_seed(2);
    CT_SCOPE;
    ct_module *net = ct_nn_sequential(ct_nn_linear(1, 16), ct_nn_tanh(), ct_nn_linear(16, 1));
    ct_module_cast(net, CT_F64);
    ct_optimizer *adam = ct_optim_adam(net, 0.02);
    ct_tensor *x = points(64), *y = target(x);
    for (int step = 1; step <= 4000; step++) {
        CT_SCOPE;
        if (step == 3000) ct_optimizer_set_lr(adam, 0.002);
        ct_tensor *loss = ct_mse_loss(ct_forward(net, x), y, CT_MEAN);
        if (!ct_backward(loss) || !ct_optimizer_step(adam)) break;
        if (step == 1 || step % 1000 == 0) printf("step %4d: mean squared error %.2e\n", step, ct_item(loss));
    }

    /* between the points it was fitted to */
    ct_tensor *between = points(9), *wanted = target(between), *found = ct_forward(net, between);
    printf("%8s %10s %10s\n", "x", "function", "network");
    for (int i = 0; i < 9; i++)
        printf("%8.2f %10.4f %10.4f\n", ct_get(between, ct_index(i, 0)), ct_get(wanted, ct_index(i, 0)),
               ct_get(found, ct_index(i, 0)));
    const double worst = ct_item(ct_max(ct_abs(ct_sub(found, wanted)), CT_ALL, false));
    if (!(worst < 0.05)) ct_raise(CT_ERROR_USER, "fit_a_function", "it is off by %g", worst);
    ct_optimizer_free(adam);
    ct_module_free(net);
    return ct_report(stderr);
}
