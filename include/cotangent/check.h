/*
 * check.h - are these derivatives right? Checks of functions, and of gradients derived by hand.
 *
 * Three witnesses are heard: reverse mode, forward mode, and central differences of the function's values. The differences are
 * taken with several steps and extrapolated to step zero (Richardson 1911; Ridders 1982, "Accurate computation of F'(x) and
 * F'(x) F''(x)"), which also gives an estimate of their own error. Where a function has a kink, differences mean nothing, and the
 * verdict is "not smooth", not "wrong".
 *
 * A wrong gradient derived by hand is held against the usual mistakes: each is made on purpose, and those whose result is what
 * was given are named.
 */
#ifndef COTANGENT_CHECK_H
#define COTANGENT_CHECK_H

#include <cotangent/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- functions ---------------------------------------------------------------------------------------- */

typedef struct ct_gradcheck_options {
    /* |reverse - difference| <= atol + rtol max(|reverse|, |difference|), beside the error of the difference; 0: rtol 1e-6, or
     * 1e-4 where an input is f32, and atol a hundredth of rtol times the largest derivative */
    double rtol, atol;
    double step;     /* the widest step of the differences, times max(1, |x|); 0: 1/32, or 1/8 where they are taken in f32 */
    uint64_t seed;   /* of the random cotangents and directions */
    int directions;  /* pairs u, v for which <u, J v> = <J' u, v> is checked; 0: 3 */
    int64_t max_elements; /* differences are taken for at most so many elements of each input, spread over it; 0: 256 */
    bool no_forward; /* leaves forward mode out, for operations that have none */
    bool skip_kinks; /* elements at which the function is not smooth are passed over */
} ct_gradcheck_options;

/* Checks the first derivatives of f at in[] by all float inputs: reverse mode against central differences of sum_j <u_j, f_j>
 * with random u (1 where f has one result of one element), for each element; and forward mode against reverse mode by the adjoint
 * identity <u, J v> = <J' u, v> with random u and v, which needs no step size and holds to rounding.
 * Returns true, or false with an error that names the input, the element and the numbers. Also an error: f fails, leaves an
 * output unset, gives NaN or infinity, gives other values when it is called again, or changes its inputs. Inputs in f32 are
 * checked less sharply; the differences are taken in f64 with the inputs cast, where f takes them so. The caller's tensors are
 * not touched. */
CT_API bool ct_gradcheck(ct_function f, void *context, ct_tensor *const *in, int n_in, int n_out, ct_gradcheck_options options);

/* Checks the second derivatives: reverse over reverse, forward over reverse and differences of reverse mode as ct_gradcheck of
 * (x, u) -> J(x)' u; and forward over forward and reverse over forward by that of (x, v) -> J(x) v. */
CT_API bool ct_gradgradcheck(ct_function f, void *context, ct_tensor *const *in, int n_in, int n_out,
                             ct_gradcheck_options options);

/* ---- gradients derived by hand ------------------------------------------------------------------------ */

typedef struct ct_comparison ct_comparison; /* the result, owned by the caller: ct_comparison_free */

typedef struct ct_compare_options {
    const char *const *names; /* of the parameters; NULL: "parameter 0", ..., or a module's own paths */
    int64_t batch;            /* B, for mistakes with 1/B; 0: read off the matrix products of the function */
    /* right where |hand - autograd| <= atol + rtol max(|hand|, |autograd|); 0: rtol 1e-6, or 1e-4 with f32, and atol a
     * ten-thousandth of rtol times the parameter's largest derivative */
    double rtol, atol;
    double step;              /* as in ct_gradcheck_options */
    uint64_t seed;            /* of the choice of elements */
    /* differences are taken for at most so many elements of each parameter, half of them the worst; 0: 100 */
    int64_t max_elements;
    bool no_differences;      /* autograd alone is the judge */
    bool no_guesses;
} ct_compare_options;

/* Compares gradients derived by hand with those of the library: loss(context, in, out) writes one tensor of one element to
 * out[0]; its gradients by the first n_hand of its n_in inputs are hand[0], ..., hand[n_hand - 1], in the inputs' shapes (axes
 * of length 1 may be left out or added; the transposed shape is reported as the mistake it is). The other inputs are data. f32
 * inputs are cast to f64 for the check where the loss takes them so. NULL with an error where the loss fails or misbehaves as in
 * ct_gradcheck; wrong gradients are no error but a result. */
CT_API ct_comparison *ct_compare_gradients(ct_function loss, void *context, ct_tensor *const *in, int n_in,
                                           ct_tensor *const *hand, int n_hand, ct_compare_options options);
/* The same with hand[i] as row-major doubles, as many as input i has elements. */
CT_API ct_comparison *ct_compare_arrays(ct_function loss, void *context, ct_tensor *const *in, int n_in,
                                        const double *const *hand, int n_hand, ct_compare_options options);
/* The same with the derivation as a function: reads parameter i at x[i], writes its gradient to d[i], both row-major. Returns 0,
 * or an error number of the user's. */
typedef int (*ct_hand_gradient)(void *context, const double *const *x, double *const *d);
CT_API ct_comparison *ct_compare_derivation(ct_function loss, void *context, ct_tensor *const *in, int n_in,
                                            ct_hand_gradient hand, void *hand_context, int n_hand,
                                            ct_compare_options options);
/* The same for a module: the loss is a function of the module and the caller's context (which holds the data), and hand[i] is
 * the gradient of the i-th of ct_module_parameters, `count` of them, none frozen. With hand NULL and count 0: the gradients that
 * the parameters hold (ct_set_grad). The parameters are moved while differences are taken, and have their values back
 * afterwards. A module in f32 is checked in f32; ct_module_cast to f64 makes the check sharp. */
typedef ct_tensor *(*ct_module_loss)(ct_module *module, void *context);
CT_API ct_comparison *ct_compare_module_gradients(ct_module *module, ct_module_loss loss, void *context, ct_tensor *const *hand,
                                                  int count, ct_compare_options options);
CT_API void ct_comparison_free(ct_comparison *comparison); /* NULL is fine */

/* ---- what came out ------------------------------------------------------------------------------------ */

typedef enum ct_verdict {
    CT_RIGHT,
    CT_WRONG,
    CT_NOT_SMOOTH,   /* the loss has a kink here, and what was given lies between the slopes of its two sides */
    CT_CANNOT_TELL,  /* hand and autograd differ by less than the error of the difference */
    /* autograd does not agree with the difference: a custom derivative, or a ct_detach in the loss? In f32, where kinks near by
     * blur the differences, only where more than a quarter of a parameter's say so. */
    CT_AUTOGRAD_OFF
} ct_verdict;
CT_API const char *ct_verdict_name(ct_verdict verdict); /* "not smooth" */

/* One derivative. */
typedef struct ct_compared_element {
    ct_index index;                     /* its place in the parameter */
    double hand, autograd;
    double difference, difference_error; /* NaN where none was taken */
    double absolute_error, relative_error; /* of hand against autograd; relative to the larger of the two */
    ct_verdict verdict;
} ct_compared_element;

/* One parameter. */
typedef struct ct_compared_parameter {
    const char *name; /* valid as long as the comparison */
    ct_shape shape;
    ct_verdict verdict; /* of the elements' verdicts, the worst: wrong, autograd off, not smooth, cannot tell, right */
    int64_t count;      /* elements; those of each verdict: */
    int64_t right, wrong, not_smooth, cannot_tell, autograd_off;
    int64_t differences; /* how many differences were taken */
    int64_t worst;       /* the element whose absolute error is the largest; -1 without elements */
    double max_absolute_error, max_relative_error;
} ct_compared_parameter;

/* The usual mistakes, one bit each: a guess may be of several. */
typedef enum ct_mistake {
    CT_MISTAKE_SIGN = 1 << 0,
    CT_MISTAKE_BATCH = 1 << 1,           /* 1/B missing or too much: summed for the mean, or the other way round */
    CT_MISTAKE_OUTPUTS = 1 << 2,         /* 1/n missing or too much, n the number of outputs */
    CT_MISTAKE_TWO = 1 << 3,             /* a factor 2 or 1/2 */
    CT_MISTAKE_FACTOR = 1 << 4,          /* any other constant factor */
    CT_MISTAKE_TRANSPOSED = 1 << 5,      /* the matrix is given as its transpose */
    CT_MISTAKE_PENALTY = 1 << 6,         /* a term proportional to the parameter is missing or too much: weight decay */
    CT_MISTAKE_L1_PENALTY = 1 << 7,      /* the same with the parameter's sign */
    CT_MISTAKE_SWAPPED = 1 << 8,         /* it is the gradient of another parameter */
    CT_MISTAKE_ZERO = 1 << 9,            /* all zeros */
    CT_MISTAKE_FEW = 1 << 10,            /* all right but for a few elements, a row or a column */
    CT_MISTAKE_SLOPE_AT_Z = 1 << 11,     /* an activation's derivative by a = g(z), evaluated at z: z (1 - z) for a (1 - a) */
    CT_MISTAKE_SLOPE_AT_A = 1 << 12,     /* an activation's derivative g'(z), evaluated at a */
    CT_MISTAKE_SLOPE_OMITTED = 1 << 13,  /* an activation's derivative left out */
    CT_MISTAKE_SLOPE_TWICE = 1 << 14,    /* an activation's derivative too much, as a (1 - a) where a - y is all */
    /* another formula in place of the activation's derivative: another activation's, or a part */
    CT_MISTAKE_SLOPE_OTHER = 1 << 15,
    CT_MISTAKE_BIAS_OMITTED = 1 << 16,   /* the forward pass without a bias */
    CT_MISTAKE_WEIGHTS_OMITTED = 1 << 17, /* delta not multiplied by the weights on its way down a layer */
    CT_MISTAKE_WEIGHTS_TRANSPOSED = 1 << 18, /* delta multiplied by W where W' belongs, or the other way round */
    CT_MISTAKE_LAYER_INPUT = 1 << 19,    /* dW made with z, or with the layer's own output, in place of the layer's input */
    CT_MISTAKE_ONE_EXAMPLE = 1 << 20,    /* one example of the batch alone: overwritten where it should be added up */
    CT_MISTAKE_NOT_A_NUMBER = 1 << 21    /* NaN or infinity */
} ct_mistake;
enum { CT_MISTAKES = 22 };
CT_API const char *ct_mistake_name(ct_mistake mistake); /* "sign"; NULL for a number that is none of them */

/* What would explain the difference of one or more parameters in all their elements. Valid as long as the comparison. */
typedef struct ct_guess {
    unsigned mistakes;     /* ct_mistake bits */
    const int *parameters; /* numbers of the parameters that it explains */
    int n_parameters;
    double factor;         /* hand = factor * what the other mistakes give, where they have a factor; else 1 */
    double residual;       /* what is left of the difference, relative to the largest element of hand */
    const char *operation; /* "ct_sigmoid", where the mistake sits at one; else NULL */
    const char *file;      /* of that operation, NULL where unknown */
    int line;
    const char *sentence;  /* all of it for people */
} ct_guess;

/* Given NULL, these fail: false, -1, NaN, zeros. */
CT_API bool ct_comparison_right(const ct_comparison *comparison); /* no element is wrong, and autograd is off nowhere */
CT_API double ct_comparison_loss(const ct_comparison *comparison);
CT_API int ct_comparison_count(const ct_comparison *comparison);  /* parameters */
CT_API bool ct_comparison_parameter(const ct_comparison *comparison, int parameter, ct_compared_parameter *to);
CT_API bool ct_comparison_element(const ct_comparison *comparison, int parameter, int64_t element, ct_compared_element *to);
CT_API int ct_comparison_guesses(const ct_comparison *comparison);
CT_API bool ct_comparison_guess(const ct_comparison *comparison, int guess, ct_guess *to);

/* A table for people, at most 100 columns wide: for each parameter a summary and up to `rows` elements (0: 8), the worst first
 * where there are more; then the guesses. */
CT_API bool ct_comparison_print(FILE *to, const ct_comparison *comparison, int64_t rows);
/* Everything as one JSON object (RFC 8259), a number that is NaN or infinite as null. */
CT_API bool ct_comparison_json(FILE *to, const ct_comparison *comparison);

/* ---- source places ------------------------------------------------------------------------------------ */

static inline ct_comparison *ct_here_comparison(ct_comparison *comparison, const char *file, int line)
{
    if (!comparison) ct_here_error(file, line);
    return comparison;
}

#ifdef __cplusplus
}
#endif

#ifndef CT_NO_PLACES
#define ct_gradcheck(...) ct_here_bool(ct_gradcheck(__VA_ARGS__), CT_HERE)
#define ct_gradgradcheck(...) ct_here_bool(ct_gradgradcheck(__VA_ARGS__), CT_HERE)
#define ct_compare_gradients(...) ct_here_comparison(ct_compare_gradients(__VA_ARGS__), CT_HERE)
#define ct_compare_arrays(...) ct_here_comparison(ct_compare_arrays(__VA_ARGS__), CT_HERE)
#define ct_compare_derivation(...) ct_here_comparison(ct_compare_derivation(__VA_ARGS__), CT_HERE)
#define ct_compare_module_gradients(...) ct_here_comparison(ct_compare_module_gradients(__VA_ARGS__), CT_HERE)
#define ct_comparison_right(...) ct_here_bool(ct_comparison_right(__VA_ARGS__), CT_HERE)
#define ct_comparison_loss(...) ct_here_number(ct_comparison_loss(__VA_ARGS__), CT_HERE)
#define ct_comparison_count(...) ct_here_int(ct_comparison_count(__VA_ARGS__), CT_HERE)
#define ct_comparison_parameter(...) ct_here_bool(ct_comparison_parameter(__VA_ARGS__), CT_HERE)
#define ct_comparison_element(...) ct_here_bool(ct_comparison_element(__VA_ARGS__), CT_HERE)
#define ct_comparison_guesses(...) ct_here_int(ct_comparison_guesses(__VA_ARGS__), CT_HERE)
#define ct_comparison_guess(...) ct_here_bool(ct_comparison_guess(__VA_ARGS__), CT_HERE)
#define ct_comparison_print(...) ct_here_bool(ct_comparison_print(__VA_ARGS__), CT_HERE)
#define ct_comparison_json(...) ct_here_bool(ct_comparison_json(__VA_ARGS__), CT_HERE)
#endif
#endif
