/*
 * custom_model.c - a model of one's own: a struct for its parts, a forward function, and a constructor.
 *
 * The model adds a straight way from input to output to a hidden layer: y = tanh(x W + b) V + x S. It is then used like any
 * layer of the library: trained, printed, frozen, saved, or put into a ct_nn_sequential.
 */
#include <cotangent/cotangent.h>

typedef struct skip_net {
    ct_module *hidden;  /* a child, owned by the module */
    ct_tensor *out;     /* V [width, 1], parameters, owned by the module */
    ct_tensor *skip;    /* S [in, 1] */
} skip_net;

static ct_tensor *skip_net_forward(ct_module *self, ct_tensor *x /* [batch, in] */)
{
    const skip_net *net = ct_module_state(self);
    ct_tensor *h = ct_tanh(ct_forward(net->hidden, x));
    return ct_add(ct_matmul(h, net->out), ct_matmul(x, net->skip));
}

static ct_module *skip_net_new(int64_t in, int64_t width)
{
    CT_SCOPE;
    ct_module *self = ct_module_new("skip_net", skip_net_forward, sizeof(skip_net));
    skip_net *net = ct_module_state(self);
    if (!net) return NULL;
    net->hidden = ct_module_child(self, "hidden", ct_nn_linear(in, width));
    net->out = ct_module_parameter(self, "out", ct_normal(ct_shape(width, 1), 0, 0.1, CT_F32));
    net->skip = ct_module_parameter(self, "skip", ct_zeros(ct_shape(in, 1), CT_F32));
    return self;
}

int main(void)
{
    ct_seed(5);
    CT_SCOPE;
    ct_tensor *x = ct_uniform(ct_shape(128, 2), -2, 2, CT_F32);
    ct_tensor *x1 = ct_slice(x, 1, 0, 1, 1), *x2 = ct_slice(x, 1, 1, 2, 1);
    ct_tensor *y = ct_add(ct_mul(ct_scalar(3), x1), ct_sin(x2)); /* mostly a plane: the skip's part */

    ct_module *model = skip_net_new(2, 8);
    ct_module_print(stdout, model);
    ct_optimizer *adam = ct_optim_adam(model, 0.03);
    double loss = 1;
    for (int step = 1; step <= 1000; step++) {
        CT_SCOPE;
        ct_tensor *error = ct_mse_loss(ct_forward(model, x), y, CT_MEAN);
        loss = ct_item(error);
        if (!ct_backward(error) || !ct_optimizer_step(adam)) break;
        if (step == 1 || step % 250 == 0) printf("step %4d: loss %.5f\n", step, loss);
    }
    if (!(loss < 0.01)) ct_raise(CT_ERROR_USER, "custom_model", "the loss is still %g", loss);
    ct_optimizer_free(adam);
    ct_module_free(model);
    return ct_report(stderr);
}
