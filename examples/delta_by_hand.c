/*
 * delta_by_hand.c - the deltas of a small network derived by hand, beside what ct_backward finds.
 *
 * Two inputs, two hidden and two output neurons, all sigmoid, error E = 1/2 sum of (out - y)^2. With delta = dE/dz:
 *     delta2 = (out - y) out (1 - out)        dE/dW2 = delta2 a1'     dE/db2 = delta2
 *     delta1 = (W2' delta2) a1 (1 - a1)       dE/dW1 = delta1 x'      dE/db1 = delta1
 */
#include <math.h>

#include <cotangent/cotangent.h>

static const double x[2] = {0.05, 0.10}, y[2] = {0.01, 0.99};
static const double W1[2][2] = {{0.15, 0.20}, {0.25, 0.30}}, b1[2] = {0.35, 0.35};
static const double W2[2][2] = {{0.40, 0.45}, {0.50, 0.55}}, b2[2] = {0.60, 0.60};

static double sigmoid(double z) { return 1 / (1 + exp(-z)); }

/* All twelve derivatives in the order W1, b1, W2, b2. */
static void derive_by_hand(double *d)
{
    double a1[2], out[2], delta1[2], delta2[2];
    for (int i = 0; i < 2; i++) a1[i] = sigmoid(W1[i][0] * x[0] + W1[i][1] * x[1] + b1[i]);
    for (int i = 0; i < 2; i++) out[i] = sigmoid(W2[i][0] * a1[0] + W2[i][1] * a1[1] + b2[i]);
    for (int i = 0; i < 2; i++) delta2[i] = (out[i] - y[i]) * out[i] * (1 - out[i]);
    for (int j = 0; j < 2; j++) delta1[j] = (W2[0][j] * delta2[0] + W2[1][j] * delta2[1]) * a1[j] * (1 - a1[j]);
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) d[2 * i + j] = delta1[i] * x[j], d[6 + 2 * i + j] = delta2[i] * a1[j];
        d[4 + i] = delta1[i];
        d[10 + i] = delta2[i];
    }
}

static ct_tensor *parameter(const double *values, ct_shape shape)
{
    return ct_requires_grad(ct_from(values, shape, CT_F64), true);
}

/* The same twelve by the library, which only sees the forward pass. */
static void derive_by_library(double *d)
{
    CT_SCOPE;
    ct_tensor *p[] = {parameter(W1[0], ct_shape(2, 2)), parameter(b1, ct_shape(2)),
                      parameter(W2[0], ct_shape(2, 2)), parameter(b2, ct_shape(2))};
    ct_tensor *input = ct_from(x, ct_shape(2), CT_F64), *target = ct_from(y, ct_shape(2), CT_F64);
    ct_tensor *a = ct_sigmoid(ct_add(ct_matmul(p[0], input), p[1]));
    ct_tensor *out = ct_sigmoid(ct_add(ct_matmul(p[2], a), p[3]));
    ct_backward(ct_half_mse_loss(out, target, CT_SUM));
    for (int i = 0, at = 0; i < 4; at += (int)ct_count_of(p[i]), i++)
        ct_copy_values(ct_grad_of(p[i]), d + at, ct_count_of(p[i]));
}

int main(void)
{
    static const char *const name[] = {"dE/dW1[0][0]", "dE/dW1[0][1]", "dE/dW1[1][0]", "dE/dW1[1][1]", "dE/db1[0]", "dE/db1[1]",
                                       "dE/dW2[0][0]", "dE/dW2[0][1]", "dE/dW2[1][0]", "dE/dW2[1][1]", "dE/db2[0]", "dE/db2[1]"};
    double by_hand[12], by_library[12] = {0};
    derive_by_hand(by_hand);
    derive_by_library(by_library);
    printf("%-14s %20s %20s %12s\n", "", "by hand", "ct_backward", "difference");
    for (int i = 0; i < 12; i++) {
        const double difference = by_library[i] - by_hand[i];
        printf("%-14s %20.15f %20.15f %12.1e\n", name[i], by_hand[i], by_library[i], difference);
        if (!(fabs(difference) <= 1e-14)) ct_raise(CT_ERROR_USER, "delta_by_hand", "%s does not agree", name[i]);
    }
    return ct_report(stderr);
}
