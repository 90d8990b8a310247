/*
 * consumer.c - a program of someone who installed the library: headers, macros and linking work outside of its own build.
 */
#include <cotangent/cotangent.h>

#include <string.h>

#if !CT_VERSION_AT_LEAST(0, 1, 0) || CT_VERSION_AT_LEAST(CT_VERSION_MAJOR, CT_VERSION_MINOR, CT_VERSION_PATCH + 1)
#error "CT_VERSION_AT_LEAST does not agree with the version"
#endif

/* y = sum (x W)^2,  dy/dW = 2 x' (x W) */
static int gradient_is_right(void)
{
    CT_SCOPE;
    ct_tensor *x = ct_of(ct_shape(1, 2), CT_F64, 1, 2);
    ct_tensor *w = ct_requires_grad(ct_of(ct_shape(2, 2), CT_F64, 1, 2, 3, 4), true);
    ct_backward(ct_sum(ct_square(ct_matmul(x, w)), CT_ALL, false));
    return ct_equal(ct_grad_of(w), ct_of(ct_shape(2, 2), CT_F64, 14, 20, 28, 40));
}

/* The digits come with the library, the product needs BLIS, and the loader decompresses nothing but links zlib. */
static int step_lowers_the_loss(void)
{
    double before = 0, after = 0;
    ct_dataset *digits = ct_dataset_digits();
    ct_loader *batches = ct_loader_new(digits, 256, CT_IN_ORDER);
    ct_module *net = ct_nn_sequential(ct_nn_linear(64, 128), ct_nn_tanh(), ct_nn_linear(128, 10));
    ct_optimizer *sgd = ct_optim_sgd(net, 0.1);
    ct_batch b;
    if (ct_loader_next(batches, &b)) {
        CT_SCOPE;
        ct_tensor *loss = ct_cross_entropy(ct_forward(net, b.x), b.y);
        before = ct_item(loss);
        ct_backward(loss);
        ct_optimizer_step(sgd);
        after = ct_item(ct_cross_entropy(ct_forward(net, b.x), b.y));
    }
    ct_optimizer_free(sgd);
    ct_module_free(net);
    ct_loader_free(batches);
    ct_dataset_free(digits);
    return after < before;
}

int main(void)
{
    const int right = gradient_is_right() && step_lowers_the_loss() && strcmp(ct_version(), CT_VERSION) == 0;
    if (!right) fprintf(stderr, "consumer.c: wrong result\n");
    return ct_report(stderr) || !right;
}
