/*
 * optim_isa.c - the loops of optimizer steps for one instruction set. Compiled once for each, with CT__ISA as its name.
 *
 * One pass over each parameter: everything that an element needs is read once and written once. All arithmetic is IEEE without
 * contraction, so an element's bits depend neither on its place in a vector nor on the instruction set.
 */
#include "tensor/optim.h"

#include <math.h>

#define CAT(a, b) CAT_(a, b)
#define CAT_(a, b) a##b
#define AT(name) CAT(name, SUFFIX) /* sgd_f32 */

#define T float
#define SUFFIX _f32
#define ROOT sqrtf
#include "tensor/optim_loops.h"
#undef T
#undef SUFFIX
#undef ROOT

#define T double
#define SUFFIX _f64
#define ROOT sqrt
#include "tensor/optim_loops.h"

const ct__optim_kernels CAT(ct__optim_kernels_, CT__ISA) = {
    .sgd = {[CT_F32] = sgd_f32, [CT_F64] = sgd_f64},
    .adam = {[CT_F32] = adam_f32, [CT_F64] = adam_f64},
};
