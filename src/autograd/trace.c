/*
 * trace.c - calls the user's tracer after each operation, and tells handles apart for it.
 */
#include "autograd/graph.h"

#include <cotangent/trace.h>

static _Thread_local ct_tracer tracer;

ct_tracer ct_trace(ct_tracer next)
{
    const ct_tracer before = tracer;
    tracer = next;
    ct__ad.tracing = next.call != NULL;
    return before;
}

void ct__trace_call(const ct_call *c)
{
    if (ct__ad.rule) return; /* inside a derivative */
    const ct_traced_call call = {.operation = ct__op_title(c->op), .in = c->in, .n_in = c->n_in, .out = c->out,
                                 .n_out = ct__outputs(c)};
    ct__ad.tracing = false;
    tracer.call(tracer.context, &call);
    ct__ad.tracing = tracer.call != NULL;
}

const void *ct_place_in_graph(const ct_tensor *t)
{
    if (!t || !ct__needs(t)) return NULL;
    return (const char *)t->graph + t->slot; /* an address within the node's record: unlike that of any other output */
}

int ct_source_line(const ct_tensor *t, const char **file)
{
    const ct__node *n = t ? t->graph : NULL;
    const bool of_node = n && n->file;
    if (file) *file = of_node ? n->file : t ? t->file : NULL;
    return of_node ? n->line : t && t->file ? t->line : 0;
}
