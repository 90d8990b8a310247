/*
 * perceptron.c - Rosenblatt's perceptron learns AND and OR, and never comes to rest on XOR.
 *
 * One neuron with a step for its activation, o = step(w . x + b). The step's derivative is zero, so there is nothing to
 * descend; the learning rule moves the line between the classes by each mistake: w += (y - o) x, b += (y - o).
 */
#include <cotangent/cotangent.h>

static const double corners[] = {0, 0, 1, 0, 0, 1, 1, 1};

/* One pass over the four corners; returns the number of mistakes, -1 on failure. */
static int learn_once(ct_tensor *w, ct_tensor *b, const double *table)
{
    CT_SCOPE;
    int mistakes = 0;
    ct_tensor *x = ct_from(corners, ct_shape(4, 2), CT_F64);
    for (int i = 0; i < 4; i++) {
        ct_tensor *corner = ct_select(x, 0, i);
        const double o = ct_item(ct_step(ct_add(ct_matmul(w, corner), b))), error = table[i] - o;
        if (!ct_add_(w, error, corner) || !ct_add_(b, error, ct_scalar(1))) return -1;
        mistakes += error != 0;
    }
    return mistakes;
}

/* Returns the passes it took until a pass had no mistake; 0 when 50 were not enough. */
static int learn(const char *name, const double *table)
{
    CT_SCOPE;
    ct_tensor *w = ct_zeros(ct_shape(2), CT_F64), *b = ct_zeros(ct_shape(), CT_F64);
    for (int pass = 1; pass <= 50; pass++) {
        const int mistakes = learn_once(w, b, table);
        if (mistakes < 0) return 0;
        if (mistakes > 0) continue;
        printf("%-4s after %2d passes: step(%g x1 %+g x2 %+g)\n", name, pass, ct_get(w, ct_index(0)), ct_get(w, ct_index(1)),
               ct_item(b));
        return pass;
    }
    printf("%-4s still makes mistakes after 50 passes\n", name);
    return 0;
}

int main(void)
{
    const int and_passes = learn("AND", (double[]){0, 0, 0, 1}), or_passes = learn("OR", (double[]){0, 1, 1, 1});
    if (!and_passes || !or_passes) ct_raise(CT_ERROR_USER, "perceptron", "a separable table was not learned");
    if (learn("XOR", (double[]){0, 1, 1, 0})) ct_raise(CT_ERROR_USER, "perceptron", "no line separates XOR");
    return ct_report(stderr);
}
