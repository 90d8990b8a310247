/*
 * logistic_regression.c - two clouds of points in the plane, told apart by one sigmoid neuron.
 *
 * p(y = 1 | x) = sigmoid(w . x + b), fitted by gradient descent on the binary cross-entropy. The loss takes z = w . x + b
 * itself ("logits"), which stays accurate where the sigmoid rounds to 0 or 1.
 */
#include <cotangent/cotangent.h>

enum { POINTS = 200, EPOCHS = 200 };

/* The share of points on the right side of the line z = 0. */
static double share_right(ct_tensor *z, ct_tensor *y)
{
    return ct_item(ct_mean(ct_eq(ct_step(z), y), CT_ALL, false));
}

int main(void)
{
    ct_seed(3);
    CT_SCOPE;
    /* half of the points around (-1, -1) with label 0, half around (1, 1) with label 1 */
    const ct_shape half = ct_shape(POINTS / 2, 2);
    ct_tensor *halves[] = {ct_normal(half, -1, 0.8, CT_F32), ct_normal(half, 1, 0.8, CT_F32)};
    ct_tensor *labels[] = {ct_zeros(ct_shape(POINTS / 2, 1), CT_F32), ct_ones(ct_shape(POINTS / 2, 1), CT_F32)};
    ct_tensor *x = ct_concat(halves, 2, 0), *y = ct_concat(labels, 2, 0);

    ct_tensor *w = ct_requires_grad(ct_zeros(ct_shape(2, 1), CT_F32), true);
    ct_tensor *b = ct_requires_grad(ct_zeros(ct_shape(1), CT_F32), true);
    ct_optimizer *descent = ct_optim_sgd_of((ct_tensor *[]){w, b}, 2, 0.5, (ct_sgd_options){0});
    for (int epoch = 1; epoch <= EPOCHS; epoch++) {
        CT_SCOPE;
        ct_tensor *z = ct_affine(x, w, b), *loss = ct_binary_cross_entropy_logits(z, y, CT_MEAN);
        if (!ct_backward(loss) || !ct_optimizer_step(descent)) break;
        if (epoch == 1 || epoch % 50 == 0)
            printf("epoch %3d: loss %.4f, %.1f%% right\n", epoch, ct_item(loss), 100 * share_right(z, y));
    }
    printf("p(y = 1 | x) = sigmoid(%.2f x1 + %.2f x2 + %.2f)\n", ct_get(w, ct_index(0, 0)), ct_get(w, ct_index(1, 0)),
           ct_item(b));

    const double right = share_right(ct_affine(x, w, b), y);
    if (!(right > 0.9)) ct_raise(CT_ERROR_USER, "logistic_regression", "only %.1f%% are right", 100 * right);
    ct_optimizer_free(descent);
    return ct_report(stderr);
}
