/*
 * ops.h - the operations. All have derivatives of every order in both directions, except where it says "no derivative".
 *
 * Binary operations broadcast as NumPy does: shapes are aligned at the end, and an axis of length 1 is repeated. f32 and
 * f64 do not mix (ct_cast); bool and integers take the float dtype of the other operand, and become f32 where an operation
 * needs floats and has none; a weak scalar (ct_scalar) takes the other's. Axes may be negative. Every call returns a new
 * handle, NULL when it fails; which failure, ct_error says. Where a function has no derivative at a point, the value that
 * the library chooses stands here, and in one table in docs/numerics.md.
 *
 * Every operation fails for an operand that is NULL and for a result that memory cannot hold. What else fails stands in the text
 * at the head of a section and with each function.
 */
#ifndef COTANGENT_OPS_H
#define COTANGENT_OPS_H

#include <cotangent/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- pointwise, one operand -------------------------------------------------------------------------------- */
/* y = f(x) element by element, same shape. Integers: neg, abs, sign, square, relu, clamp and step keep an integer dtype
 * (and wrap); floor, ceil and round leave integers as they are; all others turn integers and bools into f32. A NaN gives NaN, and
 * so does its derivative, where that is not constant. Outside a function's domain it is NaN. */
CT_API ct_tensor *ct_neg(ct_tensor *x); /* -x */
CT_API ct_tensor *ct_abs(ct_tensor *x); /* |x|; derivative sign(x): 0 at 0 */
CT_API ct_tensor *ct_sign(ct_tensor *x); /* -1, 0 or 1, and -0.0 for itself; derivative 0 */
CT_API ct_tensor *ct_exp(ct_tensor *x); /* e^x; derivative e^x */
CT_API ct_tensor *ct_expm1(ct_tensor *x); /* e^x - 1, accurate near 0; derivative e^x */
CT_API ct_tensor *ct_log(ct_tensor *x); /* natural logarithm; -inf at 0, NaN below; derivative 1/x, infinite at 0 */
CT_API ct_tensor *ct_log1p(ct_tensor *x); /* log(1 + x), accurate near 0; -inf at -1, NaN below; derivative 1 / (1 + x) */
CT_API ct_tensor *ct_sqrt(ct_tensor *x); /* square root; NaN below 0; derivative 1 / (2 sqrt(x)), infinite at 0 */
CT_API ct_tensor *ct_rsqrt(ct_tensor *x); /* 1 / sqrt(x); infinite at 0, NaN below; derivative -x^(-3/2) / 2 */
CT_API ct_tensor *ct_square(ct_tensor *x); /* x^2; derivative 2x */
CT_API ct_tensor *ct_reciprocal(ct_tensor *x); /* 1 / x; infinite at 0, with its sign; derivative -1 / x^2 */
CT_API ct_tensor *ct_sin(ct_tensor *x); /* sine of radians, reduced exactly for any size; NaN at infinity; derivative cos x */
CT_API ct_tensor *ct_cos(ct_tensor *x); /* cosine of radians, likewise; derivative -sin x */
CT_API ct_tensor *ct_tan(ct_tensor *x); /* tangent of radians, likewise; derivative 1 + tan^2 x */
CT_API ct_tensor *ct_asin(ct_tensor *x); /* arc sine, in [-pi/2, pi/2]; NaN for |x| > 1; derivative 1 / sqrt(1 - x^2) */
CT_API ct_tensor *ct_acos(ct_tensor *x); /* arc cosine, in [0, pi]; NaN for |x| > 1; derivative -1 / sqrt(1 - x^2) */
CT_API ct_tensor *ct_atan(ct_tensor *x); /* arc tangent, in [-pi/2, pi/2]; derivative 1 / (1 + x^2) */
CT_API ct_tensor *ct_sinh(ct_tensor *x); /* (e^x - e^-x) / 2, accurate near 0; derivative cosh x */
CT_API ct_tensor *ct_cosh(ct_tensor *x); /* (e^x + e^-x) / 2; derivative sinh x */
CT_API ct_tensor *ct_tanh(ct_tensor *x); /* (e^x - e^-x) / (e^x + e^-x) = y; derivative (1 + y)(1 - y) */
CT_API ct_tensor *ct_erf(ct_tensor *x); /* 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x; derivative 2/sqrt(pi) e^-x^2 */
CT_API ct_tensor *ct_sigmoid(ct_tensor *x); /* 1 / (1 + e^-x) = y; derivative y (1 - y) */
CT_API ct_tensor *ct_softplus(ct_tensor *x); /* log(1 + e^x), accurate in both tails; derivative sigmoid(x) */
CT_API ct_tensor *ct_relu(ct_tensor *x); /* max(x, 0); derivative 1 above 0, else 0, at 0 too */
CT_API ct_tensor *ct_gelu(ct_tensor *x); /* x Phi(x) with the normal distribution function Phi (Hendrycks and Gimpel 2016) */
CT_API ct_tensor *ct_gelu_tanh(ct_tensor *x); /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the same paper's approximation */
CT_API ct_tensor *ct_silu(ct_tensor *x); /* x sigmoid(x) */
CT_API ct_tensor *ct_floor(ct_tensor *x); /* the largest integer that is at most x, in x's dtype; derivative 0 */
CT_API ct_tensor *ct_ceil(ct_tensor *x); /* the smallest integer that is at least x, in x's dtype; derivative 0 */
CT_API ct_tensor *ct_round(ct_tensor *x); /* to the nearest integer, ties to even, in x's dtype; derivative 0 */
CT_API ct_tensor *ct_step(ct_tensor *x); /* 1 where x > 0, else 0, for NaN too (the perceptron's activation); derivative 0 */
/* x where x > 0, else alpha x; derivative 1 above 0, else alpha, at 0 too. alpha may be any number; with 0 it is relu. */
CT_API ct_tensor *ct_leaky_relu(ct_tensor *x, double alpha);
/* x where x > 0, else alpha (e^x - 1) (Clevert et al. 2016); derivative 1 above 0, else alpha e^x: alpha at 0. */
CT_API ct_tensor *ct_elu(ct_tensor *x, double alpha);
/* min(max(x, low), high); derivative 1 on [low, high], ends included, 0 outside; NaN stays NaN. Fails where low > high or one of
 * them is NaN; they may be infinite. For integers the ends are cut to their range. */
CT_API ct_tensor *ct_clamp(ct_tensor *x, double low, double high);
CT_API ct_tensor *ct_isnan(ct_tensor *x); /* is x not a number? false for integers; bool, no derivative */
CT_API ct_tensor *ct_isinf(ct_tensor *x); /* is x infinite, of either sign? false for integers; bool, no derivative */
CT_API ct_tensor *ct_isfinite(ct_tensor *x); /* is x neither infinite nor NaN? true for integers; bool, no derivative */
/* x in another dtype. Float to integer truncates and saturates, NaN becomes 0; a wide integer to a narrow one wraps; to bool: x
 * != 0. Between floats it has a derivative, the cast of the derivative. Fails for a number that is no dtype. */
CT_API ct_tensor *ct_cast(ct_tensor *x, ct_dtype dtype);
/* The same values without a place in the graph: derivatives stop here, in reverse and in forward mode. A view. */
CT_API ct_tensor *ct_detach(ct_tensor *x);
/* A row-major tensor of the same values: a new handle of x where it is that already, else a copy. Any dtype. */
CT_API ct_tensor *ct_contiguous(ct_tensor *x);
/* A row-major copy with a storage of its own. Any dtype; a clone of a weak scalar is one too. */
CT_API ct_tensor *ct_clone(ct_tensor *x);

/* ---- pointwise, two operands ------------------------------------------------------------------------------- */
/* z = f(x, y) element by element, in the shape that the two broadcast to; shapes that do not broadcast fail, and so do f32 with
 * f64. add, sub, mul, div, maximum and minimum also take integers, as the larger dtype of the two; the others take them as f32.
 * */
CT_API ct_tensor *ct_add(ct_tensor *x, ct_tensor *y); /* x + y */
CT_API ct_tensor *ct_sub(ct_tensor *x, ct_tensor *y); /* x - y */
CT_API ct_tensor *ct_mul(ct_tensor *x, ct_tensor *y); /* x y; derivatives y and x */
/* x / y; derivatives 1/y and -z/y. Integers: truncated, and division by zero fails. */
CT_API ct_tensor *ct_div(ct_tensor *x, ct_tensor *y);
/* x^y as C's pow: 1 for y = 0, whatever x; NaN for negative x unless y is an integer. Derivatives y x^(y-1), which is 0 where y
 * is 0, and z log x, which is 0 where x is 0 and y >= 0, -inf where x is 0 and y < 0, and NaN where x < 0. */
CT_API ct_tensor *ct_pow(ct_tensor *x, ct_tensor *y);
CT_API ct_tensor *ct_maximum(ct_tensor *x, ct_tensor *y); /* the larger; NaN if either is; a tie shares the derivative evenly */
CT_API ct_tensor *ct_minimum(ct_tensor *x, ct_tensor *y); /* the smaller; NaN if either is; a tie shares the derivative evenly */
/* The angle of the point with ordinate y and abscissa x, in [-pi, pi]: note the order, which is C's. Derivatives x / (x^2 + y^2)
 * by y and -y / (x^2 + y^2) by x: 0 at infinity, and 0 is chosen at (0, 0). */
CT_API ct_tensor *ct_atan2(ct_tensor *y, ct_tensor *x);
/* sqrt(x^2 + y^2) = z without over- or underflow between. Derivatives x/z and y/z; 0 is chosen at (0, 0). Where one operand is
 * infinite, they are +-1 for that one and 0 for the other; where both are, +-1/sqrt(2). */
CT_API ct_tensor *ct_hypot(ct_tensor *x, ct_tensor *y);
/* log(e^x + e^y) without overflow; derivatives sigmoid(x - y) and sigmoid(y - x); equal infinities are a tie: 1/2 each. */
CT_API ct_tensor *ct_logaddexp(ct_tensor *x, ct_tensor *y);
/* Binary cross-entropy of a logit x and a target y in [0, 1]: y log(1 + e^-x) + (1 - y) log(1 + e^x), accurate in both tails. */
CT_API ct_tensor *ct_bce_with_logits(ct_tensor *x, ct_tensor *y);
/* Its mean over all elements, a scalar, as one operation; NaN where there are none. */
CT_API ct_tensor *ct_bce_with_logits_mean(ct_tensor *x, ct_tensor *y);
/* Comparisons: bool results, no derivative. Operands broadcast and meet in one dtype as in arithmetic; integers are compared
 * exactly. */
CT_API ct_tensor *ct_eq(ct_tensor *x, ct_tensor *y); /* x == y; false for NaN; bool, no derivative */
CT_API ct_tensor *ct_ne(ct_tensor *x, ct_tensor *y); /* x != y; true for NaN; bool, no derivative */
CT_API ct_tensor *ct_lt(ct_tensor *x, ct_tensor *y); /* x < y; false for NaN; bool, no derivative */
CT_API ct_tensor *ct_le(ct_tensor *x, ct_tensor *y); /* x <= y; false for NaN; bool, no derivative */
CT_API ct_tensor *ct_gt(ct_tensor *x, ct_tensor *y); /* x > y; false for NaN; bool, no derivative */
CT_API ct_tensor *ct_ge(ct_tensor *x, ct_tensor *y); /* x >= y; false for NaN; bool, no derivative */
/* Logic: bool results, no derivative. Operands of any dtypes, also f32 with f64, broadcast; what is not 0 is true, NaN too. */
CT_API ct_tensor *ct_logical_and(ct_tensor *x, ct_tensor *y); /* x and y; what is not 0 is true; bool, no derivative */
CT_API ct_tensor *ct_logical_or(ct_tensor *x, ct_tensor *y); /* x or y; what is not 0 is true; bool, no derivative */
CT_API ct_tensor *ct_logical_xor(ct_tensor *x, ct_tensor *y); /* either, not both; what is not 0 is true; bool, no derivative */
CT_API ct_tensor *ct_logical_not(ct_tensor *x); /* not x; what is not 0 is true; bool, no derivative */
/* x where the condition is true, else y; the three broadcast. The condition is bool and has no derivative; x and y meet in one
 * dtype as in arithmetic. A NaN in the branch not taken reaches neither the result nor a derivative by x or y. (Where x itself is
 * f(u), f's own derivative is multiplied by that 0, and 0 times infinity is NaN: guard u as well.) */
CT_API ct_tensor *ct_where(ct_tensor *condition, ct_tensor *x, ct_tensor *y);

/* ---- reductions -------------------------------------------------------------------------------------------- */
/* Over the given axes (CT_ALL for all); keepdim leaves them in the shape with length 1. A list without axes reduces
 * nothing; an axis that x does not have, or that is named twice, fails. Floats keep their dtype. Sums run in blocks of fixed size
 * that are combined in pairs: accurate, and the same for any number of threads. k runs over the elements of one reduction. */
CT_API ct_tensor *ct_sum(ct_tensor *x, ct_axes axes, bool keepdim); /* sum_k x_k; 0 over no elements. Integers and bools: i64 */
/* sum_k x_k / n over n elements; NaN over none. Integers and bools are taken as f32. */
CT_API ct_tensor *ct_mean(ct_tensor *x, ct_axes axes, bool keepdim);
/* The product of x_k; 1 over no elements. Integers and bools: i64. The derivative by each factor is the product of the others,
 * right with zeros among them too. */
CT_API ct_tensor *ct_prod(ct_tensor *x, ct_axes axes, bool keepdim);
/* The largest x_k; NaN if one is among them. Any dtype. Over no elements it fails. k elements that tie have the derivative 1/k
 * each. */
CT_API ct_tensor *ct_max(ct_tensor *x, ct_axes axes, bool keepdim);
/* The smallest x_k; NaN if one is among them. Any dtype. Over no elements it fails. k elements that tie have the derivative 1/k
 * each. */
CT_API ct_tensor *ct_min(ct_tensor *x, ct_axes axes, bool keepdim);
/* y = sqrt(sum_k x_k^2) without overflow; 0 over no elements. Derivative x_k / y; 0 is chosen where y is 0. Integers as f32. */
CT_API ct_tensor *ct_norm(ct_tensor *x, ct_axes axes, bool keepdim);
/* y = log(sum_k e^x_k) without overflow; -inf over no elements. Integers as f32. Derivative e^(x_k - y), infinities that tie
 * share it; where all are -inf, so is y, and the derivative 0 is chosen. */
CT_API ct_tensor *ct_logsumexp(ct_tensor *x, ct_axes axes, bool keepdim);
/* Variance sum_k (x_k - mean)^2 / (n - correction), in two passes; correction 0 for the population's, 1 for Bessel's. Where
 * n <= correction: NaN for 0/0, as NumPy. Integers as f32. Derivative 2 (x_k - mean) / (n - correction). */
CT_API ct_tensor *ct_var(ct_tensor *x, ct_axes axes, double correction, bool keepdim);
/* Square root of the variance (ct_var) = y; derivative (x_k - mean) / (y (n - correction)); 0 is chosen where y is 0. */
CT_API ct_tensor *ct_std(ct_tensor *x, ct_axes axes, double correction, bool keepdim);
CT_API ct_tensor *ct_any(ct_tensor *x, ct_axes axes, bool keepdim); /* is any x_k not 0? false over none; bool, no derivative */
CT_API ct_tensor *ct_all(ct_tensor *x, ct_axes axes, bool keepdim); /* are all x_k not 0? true over none; bool, no derivative */
/* The index of the first largest element along an axis, i64; a NaN counts as largest. No elements along the axis: fails. No
 * derivative. */
CT_API ct_tensor *ct_argmax(ct_tensor *x, int axis, bool keepdim);
/* The index of the first smallest element along an axis, i64; a NaN counts as smallest. No elements along the axis: fails. No
 * derivative. */
CT_API ct_tensor *ct_argmin(ct_tensor *x, int axis, bool keepdim);
/* y_i = x_0 + ... + x_i along an axis, same shape. Integers and bools: i64. */
CT_API ct_tensor *ct_cumsum(ct_tensor *x, int axis);

/* ---- products ---------------------------------------------------------------------------------------------- */
/* C = A B as NumPy's matmul: [.., m, k] x [.., k, n] -> [.., m, n], leading axes broadcast; a vector [k] counts as a row on
 * the left and a column on the right, and that axis is dropped from the result. f32 or f64; integers as the other's float. Any
 * strides, no copies. Fails where the inner sizes differ, leading axes do not broadcast, an operand has rank 0, or f32 meets f64.
 * */
CT_API ct_tensor *ct_matmul(ct_tensor *a, ct_tensor *b);
/* x W + b in one GEMM: x [.., in], W [in, out], b [out] -> [.., out]. Dtypes as ct_matmul. Fails for other shapes. */
CT_API ct_tensor *ct_affine(ct_tensor *x, ct_tensor *w, ct_tensor *b);
/* An activation of x W + b as one operation, which neither keeps the sum nor passes over it again: max(x W + b, 0), tanh(x W + b),
 * 1 / (1 + e^-(x W + b)). The values and derivatives are those of ct_affine followed by ct_relu, ct_tanh or ct_sigmoid; operands and
 * failures as with ct_affine. In a graph it is one node; with a tracer or ct_detect_anomaly on, it runs as two operations. */
CT_API ct_tensor *ct_affine_relu(ct_tensor *x, ct_tensor *w, ct_tensor *b);
CT_API ct_tensor *ct_affine_tanh(ct_tensor *x, ct_tensor *w, ct_tensor *b);
CT_API ct_tensor *ct_affine_sigmoid(ct_tensor *x, ct_tensor *w, ct_tensor *b);

/* ---- views and shapes -------------------------------------------------------------------------------------- */
/* Any dtype. Views where the strides allow it: they share the storage. An axis that x does not have fails. */
/* The same elements in row-major order; one length may be -1: what is left. A view when possible, else a copy. Fails where the
 * numbers of elements differ. */
CT_API ct_tensor *ct_reshape(ct_tensor *x, ct_shape shape);
/* Joins all axes from start_axis on to one; a scalar becomes a vector of one. */
CT_API ct_tensor *ct_flatten(ct_tensor *x, int start_axis);
/* Axis i of the result is axis order.dim[i] of x; each axis is named once. A view. */
CT_API ct_tensor *ct_permute(ct_tensor *x, ct_axes order);
/* Swaps the last two axes; x itself for rank below 2. A view. */
CT_API ct_tensor *ct_transpose(ct_tensor *x);
/* Swaps the axes a and b. A view. */
CT_API ct_tensor *ct_swap_axes(ct_tensor *x, int a, int b);
/* Repeats axes of length 1, and adds axes in front, by stride 0. A length of -1 keeps that axis. Fails where another axis would
 * change its length. A view. */
CT_API ct_tensor *ct_expand(ct_tensor *x, ct_shape shape);
/* The transpose of expand: sums over the axes that expand would repeat, so that the result has `shape`. Integers and bools: i64.
 * Fails where `shape` does not broadcast to x's. */
CT_API ct_tensor *ct_sum_to(ct_tensor *x, ct_shape shape);
/* Drops axes of length 1; CT_ALL: every one of them. Fails where a named axis has another length. */
CT_API ct_tensor *ct_squeeze(ct_tensor *x, ct_axes axes);
/* Inserts an axis of length 1, so that it is axis `axis` of the result. Fails for rank 8. */
CT_API ct_tensor *ct_unsqueeze(ct_tensor *x, int axis);
#define CT_NONE INT64_MIN /* a bound left out of a slice */
/* x[start:stop:step] along an axis, with Python's rules: negative bounds count from the end, bounds beyond it are cut,
 * CT_NONE leaves one out, a negative step goes backwards; a step of 0 fails. A view. */
CT_API ct_tensor *ct_slice(ct_tensor *x, int axis, int64_t start, int64_t stop, int64_t step);
/* The part at one index of an axis, which is dropped. A view. An index out of range is an error. */
CT_API ct_tensor *ct_select(ct_tensor *x, int axis, int64_t index);
/* Reverses the order along axes. A view. */
CT_API ct_tensor *ct_flip(ct_tensor *x, ct_axes axes);
/* The main diagonal of the last two axes: [.., m, n] -> [.., min(m, n)]. A view. Fails for rank below 2. */
CT_API ct_tensor *ct_diagonal(ct_tensor *x);
/* A matrix with the vector's entries on its diagonal: [.., n] -> [.., n, n]. Fails for rank 0 and 8. */
CT_API ct_tensor *ct_diag(ct_tensor *x);
/* `before` and `after` elements of `value`, cast to x's dtype, put at the ends of an axis. Fails for negative numbers of them. */
CT_API ct_tensor *ct_pad(ct_tensor *x, int axis, int64_t before, int64_t after, double value);
/* Joins `count` tensors of one dtype along an axis; all other axes agree. Fails for none, and for rank 0. */
CT_API ct_tensor *ct_concat(ct_tensor *const *x, int count, int axis);
/* Joins `count` tensors of one shape and dtype along a new axis, which is axis `axis` of the result. Fails for none, and for rank
 * 8. */
CT_API ct_tensor *ct_stack(ct_tensor *const *x, int count, int axis);
/* Cuts an axis into `count` equal parts, views, written to parts[], all NULL when it fails: where count does not divide the
 * length. */
CT_API bool ct_split(ct_tensor *x, int axis, int count, ct_tensor **parts);
/* Rows of x along an axis: the axis takes the index's length. index: i32, i64 or u8, rank 1; negative entries count from
 * the end; out of range is an error. No derivative by the index. */
CT_API ct_tensor *ct_index_select(ct_tensor *x, int axis, ct_tensor *index);
/* y[i..., j, k...] = x[i..., index[i..., j, k...], k...]: index has x's rank, and its other axes are at most x's long. Its
 * entries as for ct_index_select. */
CT_API ct_tensor *ct_gather(ct_tensor *x, int axis, ct_tensor *index);
/* A copy of x with src[..., j, ...] added at index[..., j, ...]: the transpose of gather, and index as there. src has the index's
 * shape and x's dtype, which is not bool. Entries that name a place twice add up in order. */
CT_API ct_tensor *ct_scatter_add(ct_tensor *x, int axis, ct_tensor *index, ct_tensor *src);
/* 1 at the index, else 0, along a new last axis: [..] -> [.., classes], of the given dtype. index: i32, i64 or u8, from 0 to
 * classes - 1, else an error. No derivative. */
CT_API ct_tensor *ct_one_hot(ct_tensor *index, int64_t classes, ct_dtype dtype);

/* ---- softmax and losses' kernels --------------------------------------------------------------------------- */
/* s_i = e^(x_i - max) / sum_j e^(x_j - max) along an axis, same shape. Integers as f32. NaN where one of x is NaN or inf, or all
 * are -inf. */
CT_API ct_tensor *ct_softmax(ct_tensor *x, int axis);
/* log softmax, accurate where the softmax rounds to 0 or to 1. Dtypes and NaN as ct_softmax. */
CT_API ct_tensor *ct_log_softmax(ct_tensor *x, int axis);
/* The cross-entropy of each row of logits [.., classes] with the class that index [..] (i64, i32, u8; 0 to classes - 1) names:
 * -log softmax(x)_index, in one pass forward and one back. No derivative by index. */
CT_API ct_tensor *ct_softmax_cross_entropy(ct_tensor *x, ct_tensor *index);
/* Its mean over all rows, a scalar, as one operation; NaN where there are no rows. */
CT_API ct_tensor *ct_softmax_cross_entropy_mean(ct_tensor *x, ct_tensor *index);
/* (x - mean) / sqrt(variance + eps) gamma + beta, same shape: mean and variance (the mean square about the mean) are those of
 * each row, which is as many of x's last axes as gamma has. gamma and beta have their shape, and x's dtype; integers x as f32.
 * eps >= 0; with 0, a constant row gives NaN. Ba et al., Layer normalization, 2016. */
CT_API ct_tensor *ct_layer_norm(ct_tensor *x, ct_tensor *gamma, ct_tensor *beta, double eps);
/* Rows solved by the Cholesky factor of a constant covariance matrix S = L L': y = L^-1 x for each row x of [.., n], so that
 * |y|^2 = x' S^-1 x. S [n, n] must be symmetric and positive definite, and of x's dtype, f32 or f64; else it fails. Derivative by
 * x alone: a covariance that needs a gradient is an error. */
CT_API ct_tensor *ct_whiten(ct_tensor *x, ct_tensor *covariance);
/* log det S by the same factor, under the same conditions; NaN when it fails. No derivative. */
CT_API double ct_log_det(ct_tensor *covariance);

#ifdef __cplusplus
}
#endif

#ifndef CT_NO_PLACES
#define ct_neg(...) ct_here(ct_neg(__VA_ARGS__), CT_HERE)
#define ct_abs(...) ct_here(ct_abs(__VA_ARGS__), CT_HERE)
#define ct_sign(...) ct_here(ct_sign(__VA_ARGS__), CT_HERE)
#define ct_exp(...) ct_here(ct_exp(__VA_ARGS__), CT_HERE)
#define ct_expm1(...) ct_here(ct_expm1(__VA_ARGS__), CT_HERE)
#define ct_log(...) ct_here(ct_log(__VA_ARGS__), CT_HERE)
#define ct_log1p(...) ct_here(ct_log1p(__VA_ARGS__), CT_HERE)
#define ct_sqrt(...) ct_here(ct_sqrt(__VA_ARGS__), CT_HERE)
#define ct_rsqrt(...) ct_here(ct_rsqrt(__VA_ARGS__), CT_HERE)
#define ct_square(...) ct_here(ct_square(__VA_ARGS__), CT_HERE)
#define ct_reciprocal(...) ct_here(ct_reciprocal(__VA_ARGS__), CT_HERE)
#define ct_sin(...) ct_here(ct_sin(__VA_ARGS__), CT_HERE)
#define ct_cos(...) ct_here(ct_cos(__VA_ARGS__), CT_HERE)
#define ct_tan(...) ct_here(ct_tan(__VA_ARGS__), CT_HERE)
#define ct_asin(...) ct_here(ct_asin(__VA_ARGS__), CT_HERE)
#define ct_acos(...) ct_here(ct_acos(__VA_ARGS__), CT_HERE)
#define ct_atan(...) ct_here(ct_atan(__VA_ARGS__), CT_HERE)
#define ct_sinh(...) ct_here(ct_sinh(__VA_ARGS__), CT_HERE)
#define ct_cosh(...) ct_here(ct_cosh(__VA_ARGS__), CT_HERE)
#define ct_tanh(...) ct_here(ct_tanh(__VA_ARGS__), CT_HERE)
#define ct_erf(...) ct_here(ct_erf(__VA_ARGS__), CT_HERE)
#define ct_sigmoid(...) ct_here(ct_sigmoid(__VA_ARGS__), CT_HERE)
#define ct_softplus(...) ct_here(ct_softplus(__VA_ARGS__), CT_HERE)
#define ct_relu(...) ct_here(ct_relu(__VA_ARGS__), CT_HERE)
#define ct_gelu(...) ct_here(ct_gelu(__VA_ARGS__), CT_HERE)
#define ct_gelu_tanh(...) ct_here(ct_gelu_tanh(__VA_ARGS__), CT_HERE)
#define ct_silu(...) ct_here(ct_silu(__VA_ARGS__), CT_HERE)
#define ct_floor(...) ct_here(ct_floor(__VA_ARGS__), CT_HERE)
#define ct_ceil(...) ct_here(ct_ceil(__VA_ARGS__), CT_HERE)
#define ct_round(...) ct_here(ct_round(__VA_ARGS__), CT_HERE)
#define ct_step(...) ct_here(ct_step(__VA_ARGS__), CT_HERE)
#define ct_leaky_relu(...) ct_here(ct_leaky_relu(__VA_ARGS__), CT_HERE)
#define ct_elu(...) ct_here(ct_elu(__VA_ARGS__), CT_HERE)
#define ct_clamp(...) ct_here(ct_clamp(__VA_ARGS__), CT_HERE)
#define ct_isnan(...) ct_here(ct_isnan(__VA_ARGS__), CT_HERE)
#define ct_isinf(...) ct_here(ct_isinf(__VA_ARGS__), CT_HERE)
#define ct_isfinite(...) ct_here(ct_isfinite(__VA_ARGS__), CT_HERE)
#define ct_cast(...) ct_here(ct_cast(__VA_ARGS__), CT_HERE)
#define ct_detach(...) ct_here(ct_detach(__VA_ARGS__), CT_HERE)
#define ct_contiguous(...) ct_here(ct_contiguous(__VA_ARGS__), CT_HERE)
#define ct_clone(...) ct_here(ct_clone(__VA_ARGS__), CT_HERE)
#define ct_add(...) ct_here(ct_add(__VA_ARGS__), CT_HERE)
#define ct_sub(...) ct_here(ct_sub(__VA_ARGS__), CT_HERE)
#define ct_mul(...) ct_here(ct_mul(__VA_ARGS__), CT_HERE)
#define ct_div(...) ct_here(ct_div(__VA_ARGS__), CT_HERE)
#define ct_pow(...) ct_here(ct_pow(__VA_ARGS__), CT_HERE)
#define ct_maximum(...) ct_here(ct_maximum(__VA_ARGS__), CT_HERE)
#define ct_minimum(...) ct_here(ct_minimum(__VA_ARGS__), CT_HERE)
#define ct_atan2(...) ct_here(ct_atan2(__VA_ARGS__), CT_HERE)
#define ct_hypot(...) ct_here(ct_hypot(__VA_ARGS__), CT_HERE)
#define ct_logaddexp(...) ct_here(ct_logaddexp(__VA_ARGS__), CT_HERE)
#define ct_eq(...) ct_here(ct_eq(__VA_ARGS__), CT_HERE)
#define ct_ne(...) ct_here(ct_ne(__VA_ARGS__), CT_HERE)
#define ct_lt(...) ct_here(ct_lt(__VA_ARGS__), CT_HERE)
#define ct_le(...) ct_here(ct_le(__VA_ARGS__), CT_HERE)
#define ct_gt(...) ct_here(ct_gt(__VA_ARGS__), CT_HERE)
#define ct_ge(...) ct_here(ct_ge(__VA_ARGS__), CT_HERE)
#define ct_logical_and(...) ct_here(ct_logical_and(__VA_ARGS__), CT_HERE)
#define ct_logical_or(...) ct_here(ct_logical_or(__VA_ARGS__), CT_HERE)
#define ct_logical_xor(...) ct_here(ct_logical_xor(__VA_ARGS__), CT_HERE)
#define ct_logical_not(...) ct_here(ct_logical_not(__VA_ARGS__), CT_HERE)
#define ct_where(...) ct_here(ct_where(__VA_ARGS__), CT_HERE)
#define ct_sum(...) ct_here(ct_sum(__VA_ARGS__), CT_HERE)
#define ct_mean(...) ct_here(ct_mean(__VA_ARGS__), CT_HERE)
#define ct_prod(...) ct_here(ct_prod(__VA_ARGS__), CT_HERE)
#define ct_max(...) ct_here(ct_max(__VA_ARGS__), CT_HERE)
#define ct_min(...) ct_here(ct_min(__VA_ARGS__), CT_HERE)
#define ct_norm(...) ct_here(ct_norm(__VA_ARGS__), CT_HERE)
#define ct_logsumexp(...) ct_here(ct_logsumexp(__VA_ARGS__), CT_HERE)
#define ct_var(...) ct_here(ct_var(__VA_ARGS__), CT_HERE)
#define ct_std(...) ct_here(ct_std(__VA_ARGS__), CT_HERE)
#define ct_any(...) ct_here(ct_any(__VA_ARGS__), CT_HERE)
#define ct_all(...) ct_here(ct_all(__VA_ARGS__), CT_HERE)
#define ct_argmax(...) ct_here(ct_argmax(__VA_ARGS__), CT_HERE)
#define ct_argmin(...) ct_here(ct_argmin(__VA_ARGS__), CT_HERE)
#define ct_cumsum(...) ct_here(ct_cumsum(__VA_ARGS__), CT_HERE)
#define ct_matmul(...) ct_here(ct_matmul(__VA_ARGS__), CT_HERE)
#define ct_affine(...) ct_here(ct_affine(__VA_ARGS__), CT_HERE)
#define ct_affine_relu(...) ct_here(ct_affine_relu(__VA_ARGS__), CT_HERE)
#define ct_affine_tanh(...) ct_here(ct_affine_tanh(__VA_ARGS__), CT_HERE)
#define ct_affine_sigmoid(...) ct_here(ct_affine_sigmoid(__VA_ARGS__), CT_HERE)
#define ct_reshape(...) ct_here(ct_reshape(__VA_ARGS__), CT_HERE)
#define ct_flatten(...) ct_here(ct_flatten(__VA_ARGS__), CT_HERE)
#define ct_permute(...) ct_here(ct_permute(__VA_ARGS__), CT_HERE)
#define ct_transpose(...) ct_here(ct_transpose(__VA_ARGS__), CT_HERE)
#define ct_swap_axes(...) ct_here(ct_swap_axes(__VA_ARGS__), CT_HERE)
#define ct_expand(...) ct_here(ct_expand(__VA_ARGS__), CT_HERE)
#define ct_sum_to(...) ct_here(ct_sum_to(__VA_ARGS__), CT_HERE)
#define ct_squeeze(...) ct_here(ct_squeeze(__VA_ARGS__), CT_HERE)
#define ct_unsqueeze(...) ct_here(ct_unsqueeze(__VA_ARGS__), CT_HERE)
#define ct_slice(...) ct_here(ct_slice(__VA_ARGS__), CT_HERE)
#define ct_select(...) ct_here(ct_select(__VA_ARGS__), CT_HERE)
#define ct_flip(...) ct_here(ct_flip(__VA_ARGS__), CT_HERE)
#define ct_diagonal(...) ct_here(ct_diagonal(__VA_ARGS__), CT_HERE)
#define ct_diag(...) ct_here(ct_diag(__VA_ARGS__), CT_HERE)
#define ct_pad(...) ct_here(ct_pad(__VA_ARGS__), CT_HERE)
#define ct_concat(...) ct_here(ct_concat(__VA_ARGS__), CT_HERE)
#define ct_stack(...) ct_here(ct_stack(__VA_ARGS__), CT_HERE)
#define ct_index_select(...) ct_here(ct_index_select(__VA_ARGS__), CT_HERE)
#define ct_gather(...) ct_here(ct_gather(__VA_ARGS__), CT_HERE)
#define ct_scatter_add(...) ct_here(ct_scatter_add(__VA_ARGS__), CT_HERE)
#define ct_one_hot(...) ct_here(ct_one_hot(__VA_ARGS__), CT_HERE)
#define ct_softmax(...) ct_here(ct_softmax(__VA_ARGS__), CT_HERE)
#define ct_log_softmax(...) ct_here(ct_log_softmax(__VA_ARGS__), CT_HERE)
#define ct_bce_with_logits_mean(...) ct_here(ct_bce_with_logits_mean(__VA_ARGS__), CT_HERE)
#define ct_bce_with_logits(...) ct_here(ct_bce_with_logits(__VA_ARGS__), CT_HERE)
#define ct_softmax_cross_entropy(...) ct_here(ct_softmax_cross_entropy(__VA_ARGS__), CT_HERE)
#define ct_softmax_cross_entropy_mean(...) ct_here(ct_softmax_cross_entropy_mean(__VA_ARGS__), CT_HERE)
#define ct_layer_norm(...) ct_here(ct_layer_norm(__VA_ARGS__), CT_HERE)
#define ct_whiten(...) ct_here(ct_whiten(__VA_ARGS__), CT_HERE)
#define ct_split(...) ct_here_bool(ct_split(__VA_ARGS__), CT_HERE)
#define ct_log_det(...) ct_here_number(ct_log_det(__VA_ARGS__), CT_HERE)
#endif
#endif
