/*
 * engine.c - the few operations that the engine needs itself. The engine declares the table and this room fills it, so that includes keep
 * pointing one way.
 */
#include "autograd/graph.h"

#include <cotangent/ops.h>

#include "ops/pointwise.h"

const ct__engine_operations ct__engine = {
    .add = ct_add, .addition = ct__pointwise_add, .reshape = ct_reshape, .stack = ct_stack, .permute = ct_permute, .select = ct_select,
    .concat = ct_concat, .cast = ct_cast, .slope_text = ct__slope_text,
};
