/*
 * slices.h - stacks of tensors taken apart for those who take one at a time, and their results stacked again.
 */
#ifndef CT_SLICES_INTERNAL_H
#define CT_SLICES_INTERNAL_H

#include "autograd/graph.h"

/* A function of single tensors: t[] as given (NULL stays NULL) gives out[], set to NULL before, left so where it is zero. */
typedef bool (*ct__each)(void *context, ct_tensor *const *t, ct_tensor **out);

/* Has one of t[] more axes than its own? */
bool ct__is_stack(ct_tensor *const *t, const int *own_rank, int n);
/* Calls `each` for every slice of t[], which have the same leading axes before their own_rank[] last ones, and stacks its results
 * behind these axes. out[j] is NULL where all are zero. The results belong to the innermost scope. */
bool ct__each_slice(ct_tensor *const *t, const int *own_rank, int n, ct_tensor **out, int n_out, ct__each each, void *context);

/* Zeros without memory of their own: one element, repeated. */
ct_tensor *ct__no_values(ct_dtype dtype, ct_shape shape);

#endif
