/*
 * capture.h - a step whose shapes do not change, captured once and replayed: the same kernels on the same memory, without checks
 * of arguments, new tensors, a graph, or a sweep to be planned.
 *
 * A step is a function of yours: forward, backward, whatever it takes. ct_capture calls it once, as if it had been called directly,
 * and notes what is computed. ct_replay computes all of that again, in the same order and to the same bits as another call would:
 *
 *     static int step(void *model) { ... ct_backward(loss); ct_optimizer_step(optimizer); return 0; }
 *
 *     ct_captured *captured = ct_capture(step, &model);  // the first step
 *     for (...) {
 *         ct_copy_(model.x, next_batch);                 // values change in place; shapes stay
 *         ct_replay(captured);                           // all others
 *     }
 *     ct_captured_free(captured);                        // before the model
 *
 * Tensors that the step made have the values of the last replay, in the same memory: keep what you want to read (ct_keep), and copy what
 * should stay. What the step does besides computing with tensors it does only once, when it is captured: choices, loops, printing. So
 * numbers cannot be read out of tensors in it; ct_on_replay calls a function each time.
 */
#ifndef COTANGENT_CAPTURE_H
#define COTANGENT_CAPTURE_H

#include <cotangent/autograd.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ct_captured ct_captured;

/* Calls step(context) and notes what it computes. NULL, with an error, where the step returned something other than 0 (CT_ERROR_USER),
 * failed, or did what cannot be replayed: read numbers (ct_item, ct_data, ct_equal, ...), called ct_checkpoint, ct_set_data, ct_set_grad,
 * ct_sgd_step_ or ct_adam_step_, or captured another step; what it had changed by then stays changed. Random numbers are drawn anew in
 * each replay, as another call would draw them. Leaves that have a gradient when the step's backward comes to them must have got it in the
 * step, or have spent it (ct_spend_grad, ct_optimizer_step). Custom operations of the step must live as long as what was captured, and
 * threads that share tensors capture one after the other. */
CT_API ct_captured *ct_capture(int (*step)(void *context), void *context);
/* Does the step again. Leaves collect gradients as another call of the step would leave them. False, with an error, where an operation
 * failed (an index out of range), or a tensor from outside the step was given other memory; what came before that is done. Not searched
 * for NaN, not traced, and without hooks. Call it from one thread at a time. */
CT_API bool ct_replay(ct_captured *captured);
/* Frees the memory of the step that nobody else holds. NULL is fine. */
CT_API void ct_captured_free(ct_captured *captured);

/* Calls f(context) now and, in a step that is being captured, in each replay at this place: for what is not a computation with tensors,
 * such as a number that changes from step to step. ct_optimizer_step and ct_clip_grad_norm are called so by themselves. With `bytes` > 0
 * that many of *context are copied, and f gets the copy. False, with an error, where f fails or returns something other than 0. */
CT_API bool ct_on_replay(int (*f)(void *context), void *context, size_t bytes);
/* Is a step being captured, and are we not in a function that ct_on_replay calls? */
CT_API bool ct_capturing(void);

typedef struct ct_captured_info {
    int64_t actions; /* what a replay does: operations, derivatives, copies, calls */
    int64_t replays; /* how often it was done */
} ct_captured_info;
CT_API ct_captured_info ct_captured_info_of(const ct_captured *captured); /* zeros for NULL */

#ifdef __cplusplus
}
#endif

static inline ct_captured *ct_here_captured(ct_captured *captured, const char *file, int line)
{
    if (!captured) ct_here_error(file, line);
    return captured;
}

#ifndef CT_NO_PLACES
#define ct_capture(...) ct_here_captured(ct_capture(__VA_ARGS__), CT_HERE)
#define ct_replay(...) ct_here_bool(ct_replay(__VA_ARGS__), CT_HERE)
#define ct_on_replay(...) ct_here_bool(ct_on_replay(__VA_ARGS__), CT_HERE)
#endif
#endif
