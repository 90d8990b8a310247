/*
 * trace.h - looking over the shoulder of a program: a call of one's own after every operation it applies.
 *
 * With it a tool sees the values between a function's inputs and its result without asking its author for them: ct_grad
 * gives derivatives by any of them. The gradient checker finds out so which mistake explains a wrong gradient.
 */
#ifndef COTANGENT_TRACE_H
#define COTANGENT_TRACE_H

#include <cotangent/autograd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One applied operation. Its tensors are borrowed: ct_keep(ct_alias(t)) keeps one for longer. To compute with one, take
 * ct_detach of it. */
typedef struct ct_traced_call {
    const char *operation; /* "ct_matmul" */
    ct_tensor *const *in;
    int n_in;
    ct_tensor *const *out;
    int n_out;
} ct_traced_call;

typedef struct ct_tracer {
    void (*call)(void *context, const ct_traced_call *call); /* NULL: nothing is traced */
    void *context;
} ct_tracer;

/* From now on each operation that the calling thread applies and that succeeds is followed by tracer.call, views and what the
 * library applies on its own account included, the insides of derivatives not. What the tracer applies itself is not traced.
 * Returns the tracer before, which is to be put back: `ct_tracer before = ct_trace(mine); ... ct_trace(before);`. */
CT_API ct_tracer ct_trace(ct_tracer tracer);

/* What stands for the place of t in the graph: equal for handles of the same result or leaf, and for no others while one of
 * them lives. NULL where t has none (it needs no gradient), or is NULL. For comparing only. */
CT_API const void *ct_place_in_graph(const ct_tensor *t);
/* The line of the user's source where t was made and, where `file` is not NULL, its file. 0 and NULL where that is not known. */
CT_API int ct_source_line(const ct_tensor *t, const char **file);

#ifdef __cplusplus
}
#endif
#endif
