// consumer.cc - the same for C++: shapes, value lists and containers are templates there.
#include <cotangent/cotangent.h>

#include <cstdio>
#include <cstring>

static bool gradient_is_right()
{
    CT_SCOPE;
    ct_tensor *x = ct_of(ct_shape(1, 2), CT_F64, 1, 2);
    ct_tensor *w = ct_requires_grad(ct_of(ct_shape(2, 2), CT_F64, 1, 2, 3, 4), true);
    ct_backward(ct_sum(ct_square(ct_matmul(x, w)), CT_ALL, false));
    return ct_equal(ct_grad_of(w), ct_of(ct_shape(2, 2), CT_F64, 14, 20, 28, 40));
}

static bool containers_and_axes_work()
{
    CT_SCOPE;
    ct_module *net = ct_nn_sequential(ct_nn_linear(3, 4), ct_nn_relu(), ct_nn_linear(4, 2));
    ct_tensor *y = ct_forward(net, ct_ones(ct_shape(5, 3), CT_F32));
    ct_tensor *mean = ct_mean(y, ct_axes(-1), true);
    const bool right = ct_dim(y, 1) == 2 && ct_dim(mean, 0) == 5 && ct_rank(ct_zeros(ct_shape(), CT_F32)) == 0;
    ct_module_free(net);
    return right;
}

// The macros that note places give what their functions return.
static bool readers_return_their_types()
{
    CT_SCOPE;
    ct_tensor *x = ct_keep(ct_full(ct_shape(2, 3), 0.5, CT_F64));
    const ct_shape shape = ct_shape_get(x), strides = ct_strides(x);
    const ct_dtype dtype = ct_dtype_of(x);
    const double *values = static_cast<const double *>(ct_data(x));
    bool right = shape.rank == 2 && strides.dim[0] == 3 && dtype == CT_F64 && ct_is_contiguous(x) && values[5] == 0.5;
    ct_module *net = ct_nn_linear(3, 4);
    const int parameters = ct_module_parameters(net, nullptr, 0);
    const char *kind = ct_module_kind(net);
    right = right && parameters == 2 && std::strcmp(kind, "linear") == 0 && ct_module_count(net) == 16 && !ct_needs_grad(x);
    ct_module_train(net, false);
    ct_module_free(net);
    ct_free(x);
    return right;
}

static bool errors_name_this_file()
{
    CT_SCOPE;
    ct_tensor *sum = ct_add(ct_ones(ct_shape(2), CT_F32), ct_ones(ct_shape(3), CT_F32));
    const ct_error_info *error = ct_error();
    const bool right = !sum && error && error->status == CT_ERROR_SHAPE && error->file && std::strstr(error->file, "consumer.cc");
    ct_clear_error();
    return right;
}

int main()
{
    const bool right =
        gradient_is_right() && containers_and_axes_work() && readers_return_their_types() && errors_name_this_file();
    if (!right) std::fprintf(stderr, "consumer.cc: wrong result\n");
    return ct_report(stderr) || !right;
}
