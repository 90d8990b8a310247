/*
 * check_my_backprop.c - a backpropagation written by hand, with two mistakes in it, and a checker that names them.
 *
 * A batch of B examples as rows, one hidden layer: z1 = x W1 + b1, a1 = tanh z1, y = a1 W2 + b2, and the mean squared error
 * E = sum (y - t)^2 / B (one output). Only the forward pass is told to the library; the derivation is plain C:
 *     delta2 = 2 (y - t) / B                 dE/dW2 = a1' delta2    dE/db2 = sum over the batch of delta2
 *     delta1 = (delta2 W2') * (1 - a1^2)     dE/dW1 = x' delta1     dE/db1 = sum over the batch of delta1
 */
#include <math.h>

#include <cotangent/cotangent.h>

enum { B = 5, IN = 3, HIDDEN = 4 };
static const double x[B][IN] = {{0.1, 0.9, -0.4}, {0.8, -0.3, 0.2}, {-0.5, 0.4, 0.7}, {0.3, 0.3, -0.9}, {-0.7, -0.6, 0.1}};
static const double t[B] = {0.5, -0.2, 0.9, 0.1, -0.4};

/* ---- the loss, for the library ---- */

static int loss(void *context, ct_tensor *const *in, ct_tensor **out)
{
    (void)context;
    ct_tensor *a1 = ct_tanh(ct_affine(ct_from(x, ct_shape(B, IN), CT_F64), in[0], in[1]));
    ct_tensor *y = ct_affine(a1, in[2], in[3]);
    *out = ct_mse_loss(y, ct_from(t, ct_shape(B, 1), CT_F64), CT_MEAN);
    return *out ? 0 : 1;
}

/* ---- the derivation, by hand ---- */

typedef struct mistakes {
    bool slope_at_z;  /* 1 - z^2 in place of 1 - a^2 */
    bool bias_summed; /* db1 without 1/B */
} mistakes;

static int derive(void *context, const double *const *p, double *const *d)
{
    const mistakes *wrong = context;
    const double *W1 = p[0], *b1 = p[1], *W2 = p[2], *b2 = p[3];
    double *dW1 = d[0], *db1 = d[1], *dW2 = d[2], *db2 = d[3]; /* all zeros */
    for (int n = 0; n < B; n++) {
        double z1[HIDDEN], a1[HIDDEN], y = b2[0];
        for (int j = 0; j < HIDDEN; j++) {
            z1[j] = b1[j];
            for (int i = 0; i < IN; i++) z1[j] += x[n][i] * W1[i * HIDDEN + j];
            a1[j] = tanh(z1[j]);
            y += a1[j] * W2[j];
        }
        const double delta2 = 2 * (y - t[n]) / B;
        db2[0] += delta2;
        for (int j = 0; j < HIDDEN; j++) {
            const double slope = wrong->slope_at_z ? 1 - z1[j] * z1[j] : 1 - a1[j] * a1[j];
            const double delta1 = delta2 * W2[j] * slope;
            dW2[j] += a1[j] * delta2;
            db1[j] += wrong->bias_summed ? B * delta1 : delta1;
            for (int i = 0; i < IN; i++) dW1[i * HIDDEN + j] += x[n][i] * delta1;
        }
    }
    return 0;
}

/* Prints the comparison; whether it is all right. */
static bool check(const char *title, mistakes wrong)
{
    CT_SCOPE;
    static const char *const names[] = {"W1", "b1", "W2", "b2"};
    ct_seed(1);
    ct_tensor *p[] = {ct_uniform(ct_shape(IN, HIDDEN), -1, 1, CT_F64), ct_uniform(ct_shape(HIDDEN), -1, 1, CT_F64),
                      ct_uniform(ct_shape(HIDDEN, 1), -1, 1, CT_F64), ct_uniform(ct_shape(1), -1, 1, CT_F64)};
    ct_comparison *c = ct_compare_derivation(loss, NULL, p, 4, derive, &wrong, 4, (ct_compare_options){.names = names});
    if (!c) return false;
    printf("==== %s ====\n", title);
    ct_comparison_print(stdout, c, 2);
    const bool right = ct_comparison_right(c);
    ct_comparison_free(c);
    return right;
}

int main(void)
{
    if (check("first attempt", (mistakes){.slope_at_z = true, .bias_summed = true}))
        ct_raise(CT_ERROR_USER, "check_my_backprop", "two mistakes were not found");
    printf("\n");
    if (!check("mended", (mistakes){0})) ct_raise(CT_ERROR_USER, "check_my_backprop", "the mended derivation is not right");
    return ct_report(stderr);
}
