/*
 * xor.c - the smallest problem that needs a hidden layer: no line separates XOR's ones from its zeros.
 *
 * A network of 2, 4 and 1 neurons, trained on all four corners at once by plain gradient descent.
 */
#include <cotangent/cotangent.h>

int main(void)
{
    ct_seed(1);
    CT_SCOPE;
    ct_tensor *x = ct_of(ct_shape(4, 2), CT_F32, 0, 0, 1, 0, 0, 1, 1, 1);
    ct_tensor *y = ct_of(ct_shape(4, 1), CT_F32, 0, 1, 1, 0);
    ct_module *net = ct_nn_sequential(ct_nn_linear(2, 4), ct_nn_tanh(), ct_nn_linear(4, 1), ct_nn_sigmoid());
    ct_optimizer *descent = ct_optim_sgd(net, 1);

    double cost = 1;
    for (int epoch = 1; epoch <= 5000 && cost > 0.001; epoch++) {
        CT_SCOPE;
        ct_tensor *loss = ct_mse_loss(ct_forward(net, x), y, CT_MEAN);
        cost = ct_item(loss);
        if (!ct_backward(loss) || !ct_optimizer_step(descent)) break;
        if (epoch == 1 || epoch == 10 || epoch == 100 || epoch % 1000 == 0 || cost <= 0.001)
            printf("epoch %4d: cost %.5f\n", epoch, cost);
    }

    ct_tensor *out = ct_forward(net, x);
    for (int i = 0; i < 4; i++)
        printf("%g xor %g = %g: the network says %.3f\n", ct_get(x, ct_index(i, 0)), ct_get(x, ct_index(i, 1)),
               ct_get(y, ct_index(i, 0)), ct_get(out, ct_index(i, 0)));
    if (!(cost <= 0.001)) ct_raise(CT_ERROR_USER, "xor", "the cost is still %g", cost);
    ct_optimizer_free(descent);
    ct_module_free(net);
    return ct_report(stderr);
}
