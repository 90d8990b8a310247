/*
 * network.c - what a loss computes: its operations, traced as they run, and the layers among them.
 *
 * The tensors between the parameters and the loss are kept, so that ct_grad can be asked for derivatives by any of them, and can
 * be given more to send back from any of them: the sweep is linear in what flows, so the gradient with a mistake in one place is
 * the right one plus what (wrong - right) there sends down.
 */
#include "check/compare.h"

#include <stdlib.h>
#include <string.h>

/* ---- tracing ---------------------------------------------------------------------------------------------- */

static void release(ct__applied *a)
{
    for (int i = 0; i < a->n_in; i++) ct_free(a->in[i]);
    ct_free(a->out);
}

static bool make_room(ct__network *net)
{
    if (net->n < net->room) return true;
    const int room = net->room ? 2 * net->room : 64;
    ct__applied *calls = realloc(net->calls, (size_t)room * sizeof *calls);
    if (!calls) return ct_raise(CT_ERROR_MEMORY, net->model->operation, "no memory for %d traced operations", room);
    net->calls = calls;
    net->room = room;
    return true;
}

static void note_call(void *context, const ct_traced_call *call)
{
    ct__network *net = context;
    if (net->failed || call->n_out != 1 || call->n_in > 3 || !ct_needs_grad(call->out[0])) return;
    if (!make_room(net)) {
        net->failed = true;
        return;
    }
    ct__applied *a = &net->calls[net->n];
    *a = (ct__applied){.n_in = call->n_in, .out = ct_keep(ct_alias(call->out[0]))};
    for (int i = 0; i < call->n_in; i++) a->in[i] = ct_keep(ct_alias(call->in[i]));
    const char *name = strncmp(call->operation, "ct_", 3) ? call->operation : call->operation + 3;
    snprintf(a->operation, sizeof a->operation, "%.40s", name);
    net->n++;
    net->failed = ct_error() != NULL;
}

void ct__network_free(ct__network *net)
{
    for (int i = 0; i < net->n; i++) release(&net->calls[i]);
    ct_free(net->loss);
    free(net->calls);
    free(net->layers);
    *net = (ct__network){.model = net->model};
}

/* ---- finding one's way ------------------------------------------------------------------------------------ */

static bool is(const ct__applied *a, const char *operation) { return strcmp(a->operation, operation) == 0; }

/* Does the operation only show its first operand in another way? */
static bool is_view(const ct__applied *a)
{
    static const char *const views[] = {"reshape", "permute", "expand", "contiguous", "clone", "identity", "cast", "squeeze",
                                        "unsqueeze"};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        if (is(a, views[i])) return true;
    }
    return false;
}

static int direct_producer(const ct__network *net, const ct_tensor *t)
{
    const void *place = ct_place_in_graph(t);
    for (int i = net->n - 1; place && i >= 0; i--) {
        if (ct_place_in_graph(net->calls[i].out) == place) return i;
    }
    return -1;
}

/* What t is a view of. */
static ct_tensor *behind_views(const ct__network *net, ct_tensor *t)
{
    for (;;) {
        const int call = direct_producer(net, t);
        if (call < 0 || !is_view(&net->calls[call])) return t;
        t = net->calls[call].in[0];
    }
}

int ct__producer(const ct__network *net, const ct_tensor *t)
{
    int call = direct_producer(net, t);
    while (call >= 0 && is_view(&net->calls[call])) call = direct_producer(net, net->calls[call].in[0]);
    return call;
}

int ct__consumer(const ct__network *net, const ct_tensor *t)
{
    const void *place = ct_place_in_graph(t);
    for (int i = 0; place && i < net->n; i++) {
        for (int k = 0; k < net->calls[i].n_in; k++) {
            if (ct_place_in_graph(net->calls[i].in[k]) == place) return i;
        }
    }
    return -1;
}

/* The parameter that t is, or is a view of; -1. */
static int parameter_of(const ct__network *net, ct_tensor *t)
{
    const void *place = ct_place_in_graph(behind_views(net, t));
    for (int i = 0; place && i < net->model->n; i++) {
        if (ct_place_in_graph(net->model->p[i]) == place) return i;
    }
    return -1;
}

/* ---- layers ----------------------------------------------------------------------------------------------- */

/* z = product + bias, where an addition follows. */
static void find_bias(const ct__network *net, ct__layer *l)
{
    const ct__applied *product = &net->calls[l->call];
    if (is(product, "affine")) {
        l->bias = parameter_of(net, product->in[2]);
        l->bias_call = l->call;
        l->bias_slot = 2;
        return;
    }
    const int next = ct__consumer(net, product->out);
    if (next < 0 || !is(&net->calls[next], "add")) return;
    const ct__applied *sum = &net->calls[next];
    const int slot = ct_place_in_graph(sum->in[0]) == ct_place_in_graph(product->out);
    if (parameter_of(net, sum->in[slot]) < 0) return;
    l->bias = parameter_of(net, sum->in[slot]);
    l->bias_call = next;
    l->bias_slot = slot;
    l->z = sum->out;
}

static bool as_layer(const ct__network *net, int call, ct__layer *l)
{
    const ct__applied *a = &net->calls[call];
    const bool affine = is(a, "affine");
    if ((!affine && !is(a, "matmul")) || ct_count_of(a->out) == 0) return false;
    const bool right = ct_rank(a->in[1]) == 2 && parameter_of(net, a->in[1]) >= 0;
    const bool left = !affine && !right && ct_rank(a->in[0]) == 2 && ct_rank(a->in[1]) <= 2 && parameter_of(net, a->in[0]) >= 0;
    if (!right && !left) return false;
    *l = (ct__layer){.call = call, .x = left, .w = !left, .columns = left, .weights = parameter_of(net, a->in[right]), .bias = -1,
                     .bias_call = -1, .z = a->out};
    l->outputs = ct_dim(a->out, left ? 0 : -1);
    l->batch = ct_count_of(a->out) / l->outputs;
    find_bias(net, l);
    return true;
}

bool ct__network_of(ct__network *net, ct__model *m)
{
    *net = (ct__network){.model = m};
    CT_SCOPE;
    const ct_tracer before = ct_trace((ct_tracer){note_call, net});
    const bool recording = ct_grad_mode(true);
    ct_tensor *loss = ct__model_loss(m);
    ct_grad_mode(recording);
    ct_trace(before);
    if (!loss || net->failed) return false;
    net->loss = ct_keep(ct_alias(loss));
    net->layers = ct__check_memory(m->operation, (size_t)net->n, sizeof *net->layers);
    if (!net->loss || !net->layers) return false;
    for (int i = 0; i < net->n; i++) net->n_layers += as_layer(net, i, &net->layers[net->n_layers]);
    return !ct_error();
}

/* ---- derivatives by what lies between --------------------------------------------------------------------- */

bool ct__network_gradients(const ct__network *net, ct_tensor *const *at, ct_tensor *const *delta, int n,
                           ct_tensor *const *targets, int n_targets, ct_tensor **grads)
{
    ct_tensor **from = ct__check_memory(net->model->operation, (size_t)n + 1, sizeof *from);
    ct_tensor **cotangents = ct__check_memory(net->model->operation, (size_t)n + 1, sizeof *cotangents);
    bool ok = from && cotangents;
    if (ok) {
        from[0] = net->loss;
        cotangents[0] = ct_ones(ct_shape_get(net->loss), ct_dtype_of(net->loss));
        for (int i = 0; i < n; i++) from[i + 1] = at[i], cotangents[i + 1] = delta[i];
        ok = ct_grad(from, cotangents, n + 1, targets, n_targets, grads, (ct_grad_options){.retain_graph = true});
    }
    free(from);
    free(cotangents);
    return ok;
}
