/*
 * op_list.h - names every operation's record, once: for listings and for the tests that reach all of them. Define CT_OP(name) before
 * including; the pointwise ones come from pointwise.def.
 */
#define UNARY(name, f, slope, keeps) CT_OP(name)
#define UNARY_ANY(name, f, slope, keeps) CT_OP(name)
#define UNARY_P(name, f, slope, keeps) CT_OP(name)
#define UNARY_ANY_P(name, f, slope, keeps) CT_OP(name)
#define FLAT_ANY(name, f) CT_OP(name)
#define LINEAR_ANY(name, f, rule) CT_OP(name)
#define LINEAR2_ANY(name, f, rule_x, rule_y) CT_OP(name)
#define BINARY(name, f, slope_x, slope_y, keeps) CT_OP(name)
#define BINARY_ANY(name, f, slope_x, slope_y, keeps) CT_OP(name)
#include "ops/pointwise.def"
#undef UNARY
#undef UNARY_ANY
#undef UNARY_P
#undef UNARY_ANY_P
#undef FLAT_ANY
#undef LINEAR_ANY
#undef LINEAR2_ANY
#undef BINARY
#undef BINARY_ANY

CT_OP(eq)
CT_OP(ne)
CT_OP(lt)
CT_OP(le)
CT_OP(gt)
CT_OP(ge)
CT_OP(logical_and)
CT_OP(logical_or)
CT_OP(logical_xor)
CT_OP(logical_not)
CT_OP(isnan)
CT_OP(isinf)
CT_OP(isfinite)
CT_OP(where)

CT_OP(matmul)
CT_OP(affine)
CT_OP(affine_relu)
CT_OP(affine_tanh)
CT_OP(affine_sigmoid)

CT_OP(reshape)
CT_OP(permute)
CT_OP(expand)
CT_OP(cast)
CT_OP(contiguous)
CT_OP(clone)
CT_OP(slice)
CT_OP(slice_scatter)
CT_OP(select)
CT_OP(flip)
CT_OP(diagonal)
CT_OP(diag)
CT_OP(pad)
CT_OP(concat)
CT_OP(stack)
CT_OP(index_select)
CT_OP(index_add)
CT_OP(gather)
CT_OP(scatter_add)
CT_OP(one_hot)

CT_OP(sum)
CT_OP(mean)
CT_OP(prod)
CT_OP(max)
CT_OP(min)
CT_OP(any)
CT_OP(all)
CT_OP(sum_to)
CT_OP(var)
CT_OP(std)
CT_OP(norm)
CT_OP(logsumexp)
CT_OP(argmax)
CT_OP(argmin)
CT_OP(cumsum)
CT_OP(softmax)
CT_OP(softmax_cross_entropy)
CT_OP(bce_with_logits_mean)
CT_OP(softmax_cross_entropy_mean)
CT_OP(log_softmax)
CT_OP(layer_norm)
CT_OP(whiten)
