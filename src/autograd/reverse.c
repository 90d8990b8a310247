/*
 * reverse.c - what users call of reverse mode: backward, grad, derivative.
 *
 * Here arguments are checked and cotangents made; the sweep itself is sweep.c.
 */
#include "autograd/region.h"

enum { FEW = 16 };

/* A one for each element of y by strides of 0: a large node may not read more of it (region.h). */
static ct_tensor *repeated_one(const char *operation, const ct_tensor *y)
{
    static const int64_t stride[CT_MAX_RANK] = {0};
    ct_tensor *one = ct__tensor_new(operation, y->dtype, 0, NULL);
    if (!one) return NULL;
    ct__store(one->data, y->dtype, 1);
    return ct__tensor_view(one, y->rank, y->dim, stride, one->data);
}

/* One cotangent for an output: the one given, checked, or ones. */
static ct_tensor *cotangent_for(const char *operation, ct_tensor *y, ct_tensor *given, int number)
{
    if (!given) {
        if (y->count >= CT__REGION_LEAST && ct__needs(y) && ct__node_of(y)->n_out == 1) return repeated_one(operation, y);
        ct_tensor *ones = ct__tensor_like(operation, y, y->dtype);
        if (ones) ct__fill(ones, 1);
        return ones;
    }
    if (!ct__same_shape(y, given))
        return ct__fail(CT_ERROR_SHAPE, operation, "cotangent %d is %s, its output is %s", number + 1, ct__describe(given),
                        ct__describe(y));
    if (y->dtype != given->dtype)
        return ct__fail(CT_ERROR_DTYPE, operation, "cotangent %d is %s, its output is %s; ct_cast?", number + 1,
                        ct__describe(given), ct__describe(y));
    return given;
}

/* Seeds for the outputs that have a graph; the others have derivative zero. */
static int make_seeds(const char *operation, ct_tensor *const *outputs, ct_tensor *const *cotangents, int count, ct__seed *seeds)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (!ct__check(operation, "outputs[]", outputs[i])) return -1;
        if (cotangents && !ct__check(operation, "cotangents[]", cotangents[i])) return -1;
        ct_tensor *g = cotangent_for(operation, outputs[i], cotangents ? cotangents[i] : NULL, i);
        if (!g) return -1;
        if (ct__needs(outputs[i])) seeds[n++] = (ct__seed){.node = outputs[i]->graph, .slot = outputs[i]->slot, .grad = g};
    }
    return n;
}

/* Room for n records: the caller's few, or from the pool. */
static void *room_for(const char *operation, void *few, int n, size_t size)
{
    if (n <= FEW) return few;
    void *room = ct__pool_get((size_t)n * size);
    return room ? room : ct__fail_memory(operation, (size_t)n * size);
}

static void room_back(void *room, const void *few, int n, size_t size)
{
    if (room && room != few) ct__pool_put(room, (size_t)n * size);
}

static bool backward(const char *operation, ct_tensor *const *outputs, ct_tensor *const *cotangents, int count,
                     ct_grad_options options)
{
    ct__seed few[FEW], *seeds = room_for(operation, few, count, sizeof *seeds);
    if (!seeds) return false;
    const int scope = ct__scope_begin();
    const int n = make_seeds(operation, outputs, cotangents, count, seeds);
    bool ok = n >= 0;
    if (n == 0)
        ok = ct__fail(CT_ERROR_GRAPH, operation,
                      "%s does not depend on any tensor that needs a gradient (ct_requires_grad, or inside CT_NO_GRAD?)",
                      count == 1 ? ct__describe(outputs[0]) : "no output");
    if (ok) ok = ct__sweep(operation, seeds, n, NULL, 0, options);
    ct__scope_end(scope);
    room_back(seeds, few, count, sizeof *seeds);
    return ok;
}

bool ct_backward(ct_tensor *loss)
{
    if (!ct__check("ct_backward", "loss", loss) || !ct__may_change()) return false;
    if (loss->count != 1)
        return ct__fail(CT_ERROR_SHAPE, "ct_backward",
                        "the loss is %s; expected one element: reduce it (ct_sum, ct_mean), or give cotangents to "
                        "ct_backward_with", ct__describe(loss));
    return backward("ct_backward", &loss, NULL, 1, (ct_grad_options){0});
}

bool ct_backward_with(ct_tensor *const *outputs, ct_tensor *const *cotangents, int count, ct_grad_options options)
{
    if (!outputs) return ct__fail_null("ct_backward_with", "outputs");
    if (!ct__may_change()) return false;
    if (count < 1) return ct__fail(CT_ERROR_VALUE, "ct_backward_with", "%d outputs; expected at least 1", count);
    return backward("ct_backward_with", outputs, cotangents, count, options);
}

/* ---- towards given tensors ---- */

/* A target's gradient as the caller gets it: a handle of the innermost scope; zeros where nothing arrived. */
static ct_tensor *hand_over(const char *operation, ct__target *t, const ct_tensor *input)
{
    ct_tensor *grad = t->grad;
    t->grad = NULL;
    if (!grad) {
        ct_tensor *zeros = ct__tensor_like(operation, input, input->dtype);
        if (zeros) ct__fill(zeros, 0);
        return zeros;
    }
    ct_tensor *handle = ct_alias(grad);
    ct__release(grad);
    return handle;
}

static bool gradients(const char *operation, const ct__seed *seeds, int n_seeds, ct_tensor *const *inputs, int n_inputs,
                      ct_tensor **grads, ct_grad_options options)
{
    ct__target few[FEW], *targets = room_for(operation, few, n_inputs, sizeof *targets);
    if (!targets) return false;
    for (int i = 0; i < n_inputs; i++)
        targets[i] = (ct__target){.node = ct__needs(inputs[i]) ? inputs[i]->graph : NULL, .slot = inputs[i]->slot};
    bool ok = n_seeds == 0 || ct__sweep(operation, seeds, n_seeds, targets, n_inputs, options);
    for (int i = 0; i < n_inputs; i++) {
        if (ok) ok = (grads[i] = hand_over(operation, &targets[i], inputs[i])) != NULL;
        else if (targets[i].grad) ct__release(targets[i].grad);
    }
    for (int i = 0; !ok && i < n_inputs; i++) {
        ct_free(grads[i]);
        grads[i] = NULL;
    }
    room_back(targets, few, n_inputs, sizeof *targets);
    return ok;
}

bool ct_grad(ct_tensor *const *outputs, ct_tensor *const *cotangents, int n_outputs, ct_tensor *const *inputs, int n_inputs,
             ct_tensor **grads, ct_grad_options options)
{
    if (!grads) return ct__fail_null("ct_grad", "grads");
    for (int i = 0; i < n_inputs; i++) grads[i] = NULL;
    if (!outputs || !inputs) return ct__fail_null("ct_grad", outputs ? "inputs" : "outputs");
    if (n_outputs < 1 || n_inputs < 1)
        return ct__fail(CT_ERROR_VALUE, "ct_grad", "%d outputs and %d inputs; expected at least one of each", n_outputs,
                        n_inputs);
    for (int i = 0; i < n_inputs; i++) {
        if (!ct__check("ct_grad", "inputs[]", inputs[i])) return false;
        if (!ct__needs(inputs[i]))
            return ct__fail(CT_ERROR_GRAPH, "ct_grad",
                            "input %d, %s, does not need a gradient; ct_requires_grad before it is used", i + 1,
                            ct__describe(inputs[i]));
    }
    ct__seed few[FEW], *seeds = room_for("ct_grad", few, n_outputs, sizeof *seeds);
    if (!seeds) return false;
    const int scope = ct__scope_begin();
    const int n = make_seeds("ct_grad", outputs, cotangents, n_outputs, seeds);
    const bool ok = n >= 0 && gradients("ct_grad", seeds, n, inputs, n_inputs, grads, options);
    for (int i = 0; ok && i < n_inputs; i++) ct_scope_return(grads[i]);
    ct__scope_end(scope);
    room_back(seeds, few, n_outputs, sizeof *seeds);
    return ok;
}

ct_tensor *ct_derivative(ct_tensor *output, ct_tensor *input, ct_grad_options options)
{
    ct_tensor *grad = NULL;
    if (!ct__check("ct_derivative", "output", output) || !ct__check("ct_derivative", "input", input)) return NULL;
    if (output->count != 1)
        return ct__fail(CT_ERROR_SHAPE, "ct_derivative",
                        "output is %s; expected one element: ct_sum it, or give cotangents to ct_grad",
                        ct__describe(output));
    if (!ct_grad(&output, NULL, 1, &input, 1, &grad, options)) {
        ct__rename_error("ct_grad", "ct_derivative");
        return NULL;
    }
    return grad;
}
