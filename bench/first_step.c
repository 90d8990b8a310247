/*
 * first_step.c - makes a small network and trains it by one step: what a program needs from its start to the first result.
 */
#include <cotangent/cotangent.h>

int main(void)
{
    ct_seed(1);
    ct_module *net = ct_nn_sequential(ct_nn_linear(2, 8), ct_nn_tanh(), ct_nn_linear(8, 1));
    ct_optimizer *sgd = ct_optim_sgd(net, 0.1);
    {
        CT_SCOPE;
        ct_tensor *x = ct_of(ct_shape(4, 2), CT_F32, 0, 0, 0, 1, 1, 0, 1, 1), *y = ct_of(ct_shape(4, 1), CT_F32, 0, 1, 1, 0);
        ct_backward(ct_binary_cross_entropy_logits(ct_forward(net, x), y, CT_MEAN));
        ct_optimizer_step(sgd);
    }
    ct_optimizer_free(sgd);
    ct_module_free(net);
    return ct_report(stderr);
}
