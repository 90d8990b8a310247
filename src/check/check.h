/*
 * check.h - what the files of this room share: differences of a function of one number, and the function under check.
 *
 * This room sees the public headers alone.
 */
#ifndef COTANGENT_SRC_CHECK_H
#define COTANGENT_SRC_CHECK_H

#include <cotangent/check.h>

/* ---- derivatives from values (difference.c) ------------------------------------------------------------ */

/* The value at a displacement t, and the displacement after rounding. False with an error when it cannot be computed. */
typedef bool (*ct__line)(void *context, double t, double *moved, double *value);

typedef struct ct__difference {
    double value, error; /* NaN and infinity where none could be taken */
    double left, right;  /* slopes of the two sides at the narrowest step */
    bool smooth;
} ct__difference;

/* The derivative at 0 of a function with f(0) = f0, from steps `step`, step / 2, ...; its values are rounded to `noise`. */
bool ct__difference_of(ct__line f, void *context, double f0, double step, double noise, ct__difference *d);

/* ---- the function under check (model.c) ----------------------------------------------------------------- */

/* A loss and the leaves by which it is differentiated: copies of a function's inputs, or a module's own parameters. */
typedef struct ct__model {
    const char *operation; /* for messages: "ct_gradcheck" */
    ct_function f;         /* NULL: the module's loss */
    ct_module *module;
    ct_module_loss loss;
    void *context;
    ct_tensor **in; /* of f: kept */
    int n_in;
    ct_tensor **p; /* the leaves */
    int n;
    bool raised;    /* f32 inputs were cast to f64 */
    bool in_f32;    /* a leaf is f32 now */
    double value;   /* at the point under check */
    double scale;   /* of the terms that it is the sum of: what rounding is relative to */
} ct__model;

/* Of a function, by its first n inputs, all float; with `raise`, f32 is raised to f64 where the function takes it. Checks that
 * the loss is one finite number, comes out the same twice and leaves its inputs alone. ct__model_free in any case. */
bool ct__model_of_function(ct__model *m, const char *operation, ct_function f, void *context, ct_tensor *const *in, int n_in,
                           int n, bool raise);
bool ct__model_of_module(ct__model *m, const char *operation, ct_module *module, ct_module_loss loss, void *context);
void ct__model_free(ct__model *m);

ct_tensor *ct__model_loss(ct__model *m); /* applied, in the caller's scope */
bool ct__model_value(ct__model *m, double *value);
/* Row-major gradients by all leaves. */
bool ct__model_gradients(ct__model *m, double *const *g);
/* Element k of leaf i. */
bool ct__model_set(ct__model *m, int i, int64_t k, double value);
/* The derivative by element k of leaf i from differences; step 0: the default. The element has its value back afterwards. */
bool ct__model_difference(ct__model *m, int i, int64_t k, double step, ct__difference *d);

/* ---- small things (model.c) ----------------------------------------------------------------------------- */

/* The place of the k-th element in row-major order. */
ct_index ct__place_of_element(ct_shape shape, int64_t k);
/* "[1, 2]", by value, so that a message may hold several. */
typedef struct ct__text {
    char text[192];
} ct__text;
ct__text ct__list_text(ct_shape list);
ct__text ct__tensor_text(const ct_tensor *t); /* "f64 [3, 4]" */
/* 64 random bits from a state of the caller's (splitmix64: Steele, Lea, Flood 2014), so that the user's random numbers go on
 * undisturbed. */
uint64_t ct__random_bits(uint64_t *state);
void *ct__check_memory(const char *operation, size_t count, size_t size); /* zeroed; NULL with an error */

static inline bool ct__float_dtype(ct_dtype dtype) { return dtype == CT_F32 || dtype == CT_F64; }

#endif
