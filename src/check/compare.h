/*
 * compare.h - the comparison, and how a wrong gradient is explained: candidates, each a gradient with a mistake made on purpose,
 * are held against what was given; the fewest and simplest that fit are the guesses.
 */
#ifndef COTANGENT_SRC_CHECK_COMPARE_H
#define COTANGENT_SRC_CHECK_COMPARE_H

#include "check/check.h"

#include <cotangent/trace.h>

enum { SENTENCE = 800 };

/* One parameter: all arrays are row-major and have `count` elements. */
typedef struct ct__parameter {
    char *name;
    ct_shape shape;
    bool f32;
    int64_t count;
    double *x; /* its value */
    double *hand, *autograd, *difference, *error;
    /* the part of autograd's that comes by other ways than through layers: a penalty's. Zeros where there is none */
    double *rest;
    unsigned char *verdict;
    double rtol, atol;
    ct_compared_parameter summary;
} ct__parameter;

typedef struct ct__guess {
    ct_guess shown;
    char operation[48];
    char sentence[SENTENCE];
} ct__guess;

struct ct_comparison {
    int n;
    ct__parameter *p;
    double loss;
    ct__guess *guesses;
    int n_guesses;
    int64_t batch, outputs; /* B and the number of outputs, 0 where unknown: the factors that are tried */
};

/* ---- fitting one parameter (fit.c) ------------------------------------------------------------------------ */

/* hand = factor * (prediction or its transpose) + penalty * (the penalty's own term, or x, or sign x); where the loss has a
 * penalty on the parameter, the factor and the transpose may be those of the other part alone */
typedef struct ct__fit {
    bool fits;
    unsigned mistakes; /* of the factor, the transpose, the penalty */
    double factor, penalty;
    double cost;       /* how far-fetched it is; 0 where hand = prediction */
    double residual;
} ct__fit;

/* How `prediction` explains the hand values. `plain`: it is the right gradient, so that also a factor without a name and
 * penalties are tried. */
ct__fit ct__fit_of(const ct_comparison *c, const ct__parameter *p, const double *prediction, bool plain);
/* Is the prediction the right gradient? */
bool ct__same_as_autograd(const ct__parameter *p, const double *prediction);
/* "the sign is wrong and 1/B is missing (B = 4)"; nothing for a fit without mistakes. */
void ct__fit_text(const ct_comparison *c, const ct__parameter *p, const ct__fit *fit, char *to, size_t size);

/* ---- mistakes made on purpose (network.c, mistakes.c) ------------------------------------------------------ */

/* A mistake that was tried. */
typedef struct ct__mistake {
    unsigned mistakes; /* 0: none, what autograd gives */
    double cost;
    char operation[48]; /* "" where it sits at none */
    const char *file;
    int line;
    char text[256]; /* "as if ..." goes before it */
} ct__mistake;

/* Takes a tried mistake with the gradients of all parameters that it leads to; false ends the search, with an error. */
typedef bool (*ct__candidate)(void *context, const ct__mistake *mistake, double *const *gradients);

/* An operation that the loss applied, its tensors kept. */
typedef struct ct__applied {
    char operation[48]; /* "sigmoid" */
    ct_tensor *in[3];
    int n_in;
    ct_tensor *out;
} ct__applied;

/* A layer: z = x W + b or z = W x + b. */
typedef struct ct__layer {
    int call;            /* the product */
    int x, w;            /* which of its operands */
    bool columns;        /* W x: examples stand as columns */
    int weights;         /* the parameter */
    int bias;            /* the parameter, or -1 */
    int bias_call;       /* the addition, or the product itself (affine); -1 */
    int bias_slot;
    ct_tensor *z;        /* the result with the bias */
    int64_t batch, outputs;
} ct__layer;

/* What the loss computes, as it was traced. */
typedef struct ct__network {
    ct__model *model;
    ct__applied *calls;
    int n, room;
    bool failed;
    ct_tensor *loss; /* kept */
    ct__layer *layers;
    int n_layers;
} ct__network;

/* Applies the loss and finds its layers. ct__network_free in any case. */
bool ct__network_of(ct__network *net, ct__model *m);
void ct__network_free(ct__network *net);
/* The call whose result t is, looking through views; -1. */
int ct__producer(const ct__network *net, const ct_tensor *t);
/* The first call that reads t, looking through nothing; -1. */
int ct__consumer(const ct__network *net, const ct_tensor *t);

/* Gradients by `targets` of the loss, when `delta[i]` is added to the gradient that flows into at[i]. */
bool ct__network_gradients(const ct__network *net, ct_tensor *const *at, ct_tensor *const *delta, int n,
                           ct_tensor *const *targets, int n_targets, ct_tensor **grads);

/* Finds what reaches the parameters by other ways than through layers. */
bool ct__find_rest(ct__network *net, ct_comparison *c);
/* Makes every mistake that the network has a place for. */
bool ct__try_mistakes(ct__network *net, ct__candidate consider, void *context);
/* Makes those for which the network is computed at other parameters: without a bias. `biases`: numbers of parameters. */
bool ct__try_without_biases(ct__model *m, const ct_comparison *c, const int *biases, int n, ct__candidate consider,
                            void *context);

/* ---- the guesses (guess.c) --------------------------------------------------------------------------------- */

bool ct__guess_mistakes(ct_comparison *c, ct__model *m);

#endif
