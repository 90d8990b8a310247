/*
 * ops.h - the operations. All have derivatives of every order in both directions, except where it says "no derivative".
 *
 * Binary operations broadcast as NumPy does: shapes are aligned at the end, and an axis of length 1 is repeated. f32 and
 * f64 do not mix (ct_cast); bool and integers take the float dtype of the other operand, and become f32 where an operation
 * needs floats and has none; a weak scalar (ct_scalar) takes the other's. Axes may be negative. Every call returns a new
 * handle, NULL when it fails; which failure, ct_error says. Where a function has no derivative at a point, the value that
 * the library chooses stands here.
 */
#ifndef COTANGENT_OPS_H
#define COTANGENT_OPS_H

#include <cotangent/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- pointwise, one operand -------------------------------------------------------------------------------- */
/* y = f(x) element by element, same shape. Integers: neg, abs, sign, square, relu, clamp and step keep an integer dtype
 * (and wrap); floor, ceil and round leave integers as they are; all others turn integers and bools into f32. */
CT_API ct_tensor *ct_neg(ct_tensor *x); /* -x */
CT_API ct_tensor *ct_abs(ct_tensor *x); /* |x|; derivative 0 at 0 */
CT_API ct_tensor *ct_sign(ct_tensor *x); /* -1, 0 or 1; derivative 0 */
CT_API ct_tensor *ct_exp(ct_tensor *x); /* e^x */
CT_API ct_tensor *ct_expm1(ct_tensor *x); /* e^x - 1, accurate near 0 */
CT_API ct_tensor *ct_log(ct_tensor *x); /* natural logarithm; -inf at 0, NaN below */
CT_API ct_tensor *ct_log1p(ct_tensor *x); /* log(1 + x), accurate near 0 */
CT_API ct_tensor *ct_sqrt(ct_tensor *x); /* derivative infinite at 0 */
CT_API ct_tensor *ct_rsqrt(ct_tensor *x); /* 1 / sqrt(x) */
CT_API ct_tensor *ct_square(ct_tensor *x); /* x^2 */
CT_API ct_tensor *ct_reciprocal(ct_tensor *x); /* 1 / x */
CT_API ct_tensor *ct_sin(ct_tensor *x);
CT_API ct_tensor *ct_cos(ct_tensor *x);
CT_API ct_tensor *ct_tan(ct_tensor *x);
CT_API ct_tensor *ct_asin(ct_tensor *x);
CT_API ct_tensor *ct_acos(ct_tensor *x);
CT_API ct_tensor *ct_atan(ct_tensor *x);
CT_API ct_tensor *ct_sinh(ct_tensor *x);
CT_API ct_tensor *ct_cosh(ct_tensor *x);
CT_API ct_tensor *ct_tanh(ct_tensor *x);
CT_API ct_tensor *ct_erf(ct_tensor *x); /* 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x */
CT_API ct_tensor *ct_sigmoid(ct_tensor *x); /* 1 / (1 + e^-x) */
CT_API ct_tensor *ct_softplus(ct_tensor *x); /* log(1 + e^x), accurate in both tails */
CT_API ct_tensor *ct_relu(ct_tensor *x); /* max(x, 0); derivative 0 at 0 */
CT_API ct_tensor *ct_gelu(ct_tensor *x); /* x Phi(x) with the normal distribution function Phi (Hendrycks and Gimpel 2016) */
CT_API ct_tensor *ct_gelu_tanh(ct_tensor *x); /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the same paper's approximation */
CT_API ct_tensor *ct_silu(ct_tensor *x); /* x sigmoid(x) */
CT_API ct_tensor *ct_floor(ct_tensor *x); /* derivative 0 */
CT_API ct_tensor *ct_ceil(ct_tensor *x); /* derivative 0 */
CT_API ct_tensor *ct_round(ct_tensor *x); /* to nearest, ties to even; derivative 0 */
CT_API ct_tensor *ct_step(ct_tensor *x); /* 1 where x > 0, else 0 (the perceptron's activation); derivative 0 */
/* x where x > 0, else alpha x; derivative alpha at 0 */
CT_API ct_tensor *ct_leaky_relu(ct_tensor *x, double alpha);
/* x where x > 0, else alpha (e^x - 1) (Clevert et al. 2016); derivative alpha at 0 */
CT_API ct_tensor *ct_elu(ct_tensor *x, double alpha);
/* min(max(x, low), high); derivative 1 on [low, high], ends included, 0 outside; NaN stays NaN. low <= high. */
CT_API ct_tensor *ct_clamp(ct_tensor *x, double low, double high);
/* bool results, no derivative */
CT_API ct_tensor *ct_isnan(ct_tensor *x);
CT_API ct_tensor *ct_isinf(ct_tensor *x);
CT_API ct_tensor *ct_isfinite(ct_tensor *x);
/* x in another dtype. Float to integer truncates and saturates, NaN becomes 0; to bool: x != 0. Between floats it has a derivative. */
CT_API ct_tensor *ct_cast(ct_tensor *x, ct_dtype dtype);
/* The same values without a place in the graph: derivatives stop here. */
CT_API ct_tensor *ct_detach(ct_tensor *x);
/* A row-major tensor of the same values: a new handle of x where it is that already, else a copy. */
CT_API ct_tensor *ct_contiguous(ct_tensor *x);
/* A row-major copy with a storage of its own. */
CT_API ct_tensor *ct_clone(ct_tensor *x);

/* ---- pointwise, two operands ------------------------------------------------------------------------------- */
CT_API ct_tensor *ct_add(ct_tensor *x, ct_tensor *y); /* x + y */
CT_API ct_tensor *ct_sub(ct_tensor *x, ct_tensor *y); /* x - y */
CT_API ct_tensor *ct_mul(ct_tensor *x, ct_tensor *y); /* x y */
CT_API ct_tensor *ct_div(ct_tensor *x, ct_tensor *y); /* x / y; integers: truncated, and division by zero is an error */
CT_API ct_tensor *ct_pow(ct_tensor *x, ct_tensor *y); /* x^y; the derivative by y is 0 where x is 0 and y >= 0, the one by x is 0 where y is 0 */
CT_API ct_tensor *ct_maximum(ct_tensor *x, ct_tensor *y); /* NaN if either is; a tie shares the derivative evenly */
CT_API ct_tensor *ct_minimum(ct_tensor *x, ct_tensor *y); /* the same */
CT_API ct_tensor *ct_atan2(ct_tensor *y, ct_tensor *x); /* the angle of the point (y, x): ct_atan2(y, x) */
CT_API ct_tensor *ct_hypot(ct_tensor *x, ct_tensor *y); /* sqrt(x^2 + y^2) without overflow; derivative 0 at (0, 0) */
CT_API ct_tensor *ct_logaddexp(ct_tensor *x, ct_tensor *y); /* log(e^x + e^y) without overflow */
/* Binary cross-entropy of a logit x and a target y in [0, 1]: y log(1 + e^-x) + (1 - y) log(1 + e^x), accurate in both tails. */
CT_API ct_tensor *ct_bce_with_logits(ct_tensor *x, ct_tensor *y);
/* comparisons and logic: bool results, no derivative; logic takes x != 0 */
CT_API ct_tensor *ct_eq(ct_tensor *x, ct_tensor *y);
CT_API ct_tensor *ct_ne(ct_tensor *x, ct_tensor *y);
CT_API ct_tensor *ct_lt(ct_tensor *x, ct_tensor *y);
CT_API ct_tensor *ct_le(ct_tensor *x, ct_tensor *y);
CT_API ct_tensor *ct_gt(ct_tensor *x, ct_tensor *y);
CT_API ct_tensor *ct_ge(ct_tensor *x, ct_tensor *y);
CT_API ct_tensor *ct_logical_and(ct_tensor *x, ct_tensor *y);
CT_API ct_tensor *ct_logical_or(ct_tensor *x, ct_tensor *y);
CT_API ct_tensor *ct_logical_xor(ct_tensor *x, ct_tensor *y);
CT_API ct_tensor *ct_logical_not(ct_tensor *x);
/* x where the condition is true, else y; the three broadcast. The condition is bool. A NaN in the branch not taken does not
 * reach the result or the derivative. */
CT_API ct_tensor *ct_where(ct_tensor *condition, ct_tensor *x, ct_tensor *y);

/* ---- reductions -------------------------------------------------------------------------------------------- */
/* Over the given axes (CT_ALL for all); keepdim leaves them in the shape with length 1. A list without axes reduces
 * nothing. Floats keep their dtype. Sums and products of integers and bools are i64, mean, var, std, norm and logsumexp take
 * them as f32. Over no elements: sum 0, prod 1, mean and var NaN, norm 0, logsumexp -inf, any false, all true; max and min
 * fail. Sums run in blocks of fixed size that are combined in pairs: accurate, and the same for any number of threads. */
CT_API ct_tensor *ct_sum(ct_tensor *x, ct_axes axes, bool keepdim);
CT_API ct_tensor *ct_mean(ct_tensor *x, ct_axes axes, bool keepdim);
CT_API ct_tensor *ct_prod(ct_tensor *x, ct_axes axes, bool keepdim); /* the derivative is right with zeros among the factors too */
CT_API ct_tensor *ct_max(ct_tensor *x, ct_axes axes, bool keepdim); /* NaN if one is among them; ties share the derivative evenly */
CT_API ct_tensor *ct_min(ct_tensor *x, ct_axes axes, bool keepdim); /* the same */
CT_API ct_tensor *ct_norm(ct_tensor *x, ct_axes axes, bool keepdim); /* sqrt(sum x^2) without overflow; derivative 0 at 0 */
CT_API ct_tensor *ct_logsumexp(ct_tensor *x, ct_axes axes, bool keepdim); /* log(sum e^x) without overflow; of all -inf it is -inf with derivative 0 */
/* Variance sum (x - mean)^2 / (n - correction), in two passes; correction 0 for the population's, 1 for Bessel's. Where
 * n <= correction: NaN for 0/0, as NumPy. */
CT_API ct_tensor *ct_var(ct_tensor *x, ct_axes axes, double correction, bool keepdim);
/* Square root of the variance; derivative 0 where it is 0. */
CT_API ct_tensor *ct_std(ct_tensor *x, ct_axes axes, double correction, bool keepdim);
/* bool results, no derivative */
CT_API ct_tensor *ct_any(ct_tensor *x, ct_axes axes, bool keepdim);
CT_API ct_tensor *ct_all(ct_tensor *x, ct_axes axes, bool keepdim);
/* The index of the first largest (smallest) element along an axis, i64; a NaN counts as such. No derivative. */
CT_API ct_tensor *ct_argmax(ct_tensor *x, int axis, bool keepdim);
CT_API ct_tensor *ct_argmin(ct_tensor *x, int axis, bool keepdim);
/* y_i = x_0 + ... + x_i along an axis. Integers and bools: i64. */
CT_API ct_tensor *ct_cumsum(ct_tensor *x, int axis);

/* ---- products ---------------------------------------------------------------------------------------------- */
/* C = A B as NumPy's matmul: [.., m, k] x [.., k, n] -> [.., m, n], leading axes broadcast; a vector [k] counts as a row on
 * the left and a column on the right, and that axis is dropped from the result. f32 or f64. Any strides, no copies. */
CT_API ct_tensor *ct_matmul(ct_tensor *a, ct_tensor *b);
/* x W + b in one GEMM: x [.., in], W [in, out], b [out] -> [.., out]. */
CT_API ct_tensor *ct_affine(ct_tensor *x, ct_tensor *w, ct_tensor *b);

/* ---- views and shapes -------------------------------------------------------------------------------------- */
/* Views where the strides allow it: they share the storage. */
/* The same elements in row-major order; one length may be -1: what is left. A view when possible, else a copy. */
CT_API ct_tensor *ct_reshape(ct_tensor *x, ct_shape shape);
/* Joins all axes from start_axis on to one. */
CT_API ct_tensor *ct_flatten(ct_tensor *x, int start_axis);
/* Axis i of the result is axis order.dim[i] of x. */
CT_API ct_tensor *ct_permute(ct_tensor *x, ct_axes order);
/* Swaps the last two axes; x itself for rank below 2. */
CT_API ct_tensor *ct_transpose(ct_tensor *x);
CT_API ct_tensor *ct_swap_axes(ct_tensor *x, int a, int b);
/* Repeats axes of length 1, and adds axes in front, by stride 0. A length of -1 keeps that axis. */
CT_API ct_tensor *ct_expand(ct_tensor *x, ct_shape shape);
/* The transpose of expand: sums over the axes that expand would repeat, so that the result has `shape`. */
CT_API ct_tensor *ct_sum_to(ct_tensor *x, ct_shape shape);
/* Drops axes of length 1; CT_ALL: every one of them. */
CT_API ct_tensor *ct_squeeze(ct_tensor *x, ct_axes axes);
/* Inserts an axis of length 1, so that it is axis `axis` of the result. */
CT_API ct_tensor *ct_unsqueeze(ct_tensor *x, int axis);
#define CT_NONE INT64_MIN /* a bound left out of a slice */
/* x[start:stop:step] along an axis, with Python's rules: negative bounds count from the end, bounds beyond it are cut,
 * CT_NONE leaves one out, a negative step goes backwards. A view. */
CT_API ct_tensor *ct_slice(ct_tensor *x, int axis, int64_t start, int64_t stop, int64_t step);
/* The part at one index of an axis, which is dropped. A view. An index out of range is an error. */
CT_API ct_tensor *ct_select(ct_tensor *x, int axis, int64_t index);
/* Reverses the order along axes. A view. */
CT_API ct_tensor *ct_flip(ct_tensor *x, ct_axes axes);
/* The main diagonal of the last two axes: [.., m, n] -> [.., min(m, n)]. A view. */
CT_API ct_tensor *ct_diagonal(ct_tensor *x);
/* A matrix with the vector's entries on its diagonal: [.., n] -> [.., n, n]. */
CT_API ct_tensor *ct_diag(ct_tensor *x);
/* `value` before and after along an axis. */
CT_API ct_tensor *ct_pad(ct_tensor *x, int axis, int64_t before, int64_t after, double value);
/* Joins tensors of one dtype along an axis; all other axes agree. */
CT_API ct_tensor *ct_concat(ct_tensor *const *x, int count, int axis);
/* Joins tensors of one shape along a new axis. */
CT_API ct_tensor *ct_stack(ct_tensor *const *x, int count, int axis);
/* Cuts an axis into `count` equal parts, views, written to parts[]. */
CT_API bool ct_split(ct_tensor *x, int axis, int count, ct_tensor **parts);
/* Rows of x along an axis: the axis takes the index's length. index: i32, i64 or u8, rank 1; negative entries count from
 * the end; out of range is an error. */
CT_API ct_tensor *ct_index_select(ct_tensor *x, int axis, ct_tensor *index);
/* y[i..., j, k...] = x[i..., index[i..., j, k...], k...]: index has x's rank, and its other axes are at most x's long. */
CT_API ct_tensor *ct_gather(ct_tensor *x, int axis, ct_tensor *index);
/* A copy of x with src[..., j, ...] added at index[..., j, ...]: the transpose of gather. src has the index's shape. */
CT_API ct_tensor *ct_scatter_add(ct_tensor *x, int axis, ct_tensor *index, ct_tensor *src);
/* 1 at the index, else 0, along a new last axis. No derivative. */
CT_API ct_tensor *ct_one_hot(ct_tensor *index, int64_t classes, ct_dtype dtype);

/* ---- softmax and losses' kernels --------------------------------------------------------------------------- */
/* s_i = e^(x_i - max) / sum_j e^(x_j - max). */
CT_API ct_tensor *ct_softmax(ct_tensor *x, int axis);
/* log softmax, accurate where the softmax rounds to 0 or to 1. */
CT_API ct_tensor *ct_log_softmax(ct_tensor *x, int axis);
/* The cross-entropy of each row of logits [.., classes] with the class that index [..] (i64, i32, u8; 0 to classes - 1) names:
 * -log softmax(x)_index, in one pass forward and one back. No derivative by index. */
CT_API ct_tensor *ct_softmax_cross_entropy(ct_tensor *x, ct_tensor *index);
/* Rows solved by the Cholesky factor of a constant covariance matrix S = L L': y = L^-1 x for each row x of [.., n], so that
 * |y|^2 = x' S^-1 x. S [n, n] must be symmetric and positive definite. Derivative by x alone. */
CT_API ct_tensor *ct_whiten(ct_tensor *x, ct_tensor *covariance);
/* log det S by the same factor; NaN when it fails. No derivative. */
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
#define ct_bce_with_logits(...) ct_here(ct_bce_with_logits(__VA_ARGS__), CT_HERE)
#define ct_softmax_cross_entropy(...) ct_here(ct_softmax_cross_entropy(__VA_ARGS__), CT_HERE)
#define ct_whiten(...) ct_here(ct_whiten(__VA_ARGS__), CT_HERE)
#define ct_split(...) ct_here_bool(ct_split(__VA_ARGS__), CT_HERE)
#define ct_log_det(...) ct_here_number(ct_log_det(__VA_ARGS__), CT_HERE)
#endif
#endif
