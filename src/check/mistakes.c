/*
 * mistakes.c - the usual mistakes of a backpropagation, each made on purpose.
 *
 * A mistake sits at a step of the way back: at an activation, where delta is multiplied by a wrong slope, or at a layer, where
 * the weights or the layer's input are taken wrongly. It says what flows on instead of the right gradient; network.c sends the
 * difference down. A step further up may have changed what arrives, so the steps of one trial are made from the loss downwards.
 */
#include "check/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 64, EACH_ALONE = 16 }; /* longer networks are tried with all places at once, or not at all */

/* What is added to the gradients that flow. */
typedef struct flow {
    ct_tensor *at[2 * MOST_STEPS], *delta[2 * MOST_STEPS];
    int n;
} flow;

static bool add(flow *f, ct_tensor *at, ct_tensor *wrong, ct_tensor *right)
{
    ct_tensor *delta = ct_sub(wrong, right);
    if (!delta) return false;
    f->at[f->n] = at;
    f->delta[f->n++] = delta;
    return true;
}

static bool is(const ct__applied *a, const char *operation) { return strcmp(a->operation, operation) == 0; }

/* ---- wrong slopes of activations -------------------------------------------------------------------------- */

static ct_tensor *one(void) { return ct_scalar(1); }
static ct_tensor *one_minus(ct_tensor *x) { return ct_sub(one(), x); }
static ct_tensor *logistic(ct_tensor *x) { return ct_mul(x, one_minus(x)); }        /* x (1 - x) */
static ct_tensor *one_minus_square(ct_tensor *x) { return one_minus(ct_square(x)); } /* 1 - x^2 */
static ct_tensor *omitted(ct_tensor *x) { return ct_ones(ct_shape_get(x), ct_dtype_of(x)); }
static ct_tensor *itself(ct_tensor *x) { return ct_alias(x); }
static ct_tensor *sigmoid_slope(ct_tensor *x) { return logistic(ct_sigmoid(x)); }
static ct_tensor *tanh_slope(ct_tensor *x) { return one_minus_square(ct_tanh(x)); }
static ct_tensor *positive(ct_tensor *x) { return ct_cast(ct_gt(x, ct_scalar(0)), ct_dtype_of(x)); }
static ct_tensor *silu_slope(ct_tensor *x) { return ct_add(ct_sigmoid(x), ct_mul(x, sigmoid_slope(x))); }

/* In place of its own slope, the activation gets `slope` of z (its operand) or of a (its result). */
typedef struct slope_mistake {
    const char *activation; /* NULL: any */
    unsigned mistake;
    ct_tensor *(*slope)(ct_tensor *);
    bool of_z;
    double cost;
    const char *text; /* %s: the activation */
} slope_mistake;

static const slope_mistake slope_mistakes[] = {
    {NULL, CT_MISTAKE_SLOPE_OMITTED, omitted, true, 2, "the derivative of %s were left out"},
    {"sigmoid", CT_MISTAKE_SLOPE_AT_Z, logistic, true, 2,
     "the derivative of %s were taken at z in place of a: z (1 - z) for a (1 - a)"},
    {"sigmoid", CT_MISTAKE_SLOPE_AT_A, sigmoid_slope, false, 2,
     "the derivative of %s were taken at a in place of z: the sigmoid applied once more"},
    {"sigmoid", CT_MISTAKE_SLOPE_OTHER, one_minus_square, false, 2.5, "the derivative of %s were 1 - a^2, which is that of tanh"},
    {"sigmoid", CT_MISTAKE_SLOPE_OTHER, positive, true, 2.5, "the derivative of %s were that of relu"},
    {"sigmoid", CT_MISTAKE_SLOPE_OTHER, itself, false, 2.5, "the derivative of %s were a: the factor (1 - a) is missing"},
    {"sigmoid", CT_MISTAKE_SLOPE_OTHER, one_minus, false, 2.5, "the derivative of %s were 1 - a: the factor a is missing"},
    {"tanh", CT_MISTAKE_SLOPE_AT_Z, one_minus_square, true, 2,
     "the derivative of %s were taken at z in place of a: 1 - z^2 for 1 - a^2"},
    {"tanh", CT_MISTAKE_SLOPE_AT_A, tanh_slope, false, 2,
     "the derivative of %s were taken at a in place of z: tanh applied once more"},
    {"tanh", CT_MISTAKE_SLOPE_OTHER, logistic, false, 2.5, "the derivative of %s were a (1 - a), which is that of the sigmoid"},
    {"tanh", CT_MISTAKE_SLOPE_OTHER, sigmoid_slope, true, 2.5, "the derivative of %s were that of the sigmoid"},
    {"tanh", CT_MISTAKE_SLOPE_OTHER, positive, true, 2.5, "the derivative of %s were that of relu"},
    {"tanh", CT_MISTAKE_SLOPE_OTHER, one_minus, false, 2.5, "the derivative of %s were 1 - a: the square is missing"},
    {"relu", CT_MISTAKE_SLOPE_OTHER, itself, false, 2.5, "the derivative of %s were a itself in place of 1 or 0"},
    {"relu", CT_MISTAKE_SLOPE_OTHER, logistic, false, 2.5, "the derivative of %s were a (1 - a), which is that of the sigmoid"},
    {"relu", CT_MISTAKE_SLOPE_OTHER, one_minus_square, false, 2.5, "the derivative of %s were 1 - a^2, which is that of tanh"},
    {"softplus", CT_MISTAKE_SLOPE_AT_A, ct_sigmoid, false, 2, "the derivative of %s were taken at a in place of z"},
    {"silu", CT_MISTAKE_SLOPE_AT_A, silu_slope, false, 2, "the derivative of %s were taken at a in place of z"},
    {"silu", CT_MISTAKE_SLOPE_OTHER, sigmoid_slope, true, 2.5, "the derivative of %s were that of the sigmoid"},
    {"softmax", CT_MISTAKE_SLOPE_OTHER, logistic, false, 2,
     "the derivative of %s were a (1 - a): the diagonal of its Jacobian alone"},
};
enum { SLOPE_MISTAKES = sizeof slope_mistakes / sizeof *slope_mistakes };

static bool is_activation(const ct__applied *a)
{
    static const char *const names[] = {"sigmoid", "tanh", "relu", "softplus", "silu", "softmax", "log_softmax", "leaky_relu",
                                        "elu", "gelu", "gelu_tanh"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (is(a, names[i])) return true;
    }
    return false;
}

/* g times the wrong slope flows into z, not g times the right one. */
static bool wrong_slope(const ct__applied *a, const slope_mistake *m, ct_tensor *g, flow *f)
{
    ct_tensor *right = NULL;
    if (!ct_grad(&a->out, &g, 1, &a->in[0], 1, &right, (ct_grad_options){.retain_graph = true})) return false;
    return add(f, a->in[0], ct_mul(g, m->slope(ct_detach(m->of_z ? a->in[0] : a->out))), right);
}

/* The slope counts twice: g s^2 flows on. */
static bool slope_twice(const ct__applied *a, ct_tensor *g, flow *f)
{
    ct_tensor *gs = NULL, *gss = NULL;
    const ct_grad_options retain = {.retain_graph = true};
    return ct_grad(&a->out, &g, 1, &a->in[0], 1, &gs, retain) && ct_grad(&a->out, &gs, 1, &a->in[0], 1, &gss, retain) &&
        add(f, a->in[0], gss, gs);
}

/* ---- wrong factors of layers ------------------------------------------------------------------------------ */

typedef enum layer_error { WEIGHTS_OMITTED, WEIGHTS_TRANSPOSED, INPUT_Z, INPUT_OWN, FIRST_EXAMPLE, LAST_EXAMPLE } layer_error;

typedef struct layer_mistake {
    layer_error error;
    unsigned mistake;
    double cost;
    bool together; /* only in all layers at once */
    const char *text;
} layer_mistake;

static const layer_mistake layer_mistakes[] = {
    {WEIGHTS_OMITTED, CT_MISTAKE_WEIGHTS_OMITTED, 2, false, "delta were not multiplied by the weights at %s on its way down"},
    {WEIGHTS_TRANSPOSED, CT_MISTAKE_WEIGHTS_TRANSPOSED, 2, false,
     "delta were multiplied by the weights at %s the wrong way round (W for its transpose)"},
    {INPUT_Z, CT_MISTAKE_LAYER_INPUT, 2, false, "dW at %s were made with z of the layer before in place of its a"},
    {INPUT_OWN, CT_MISTAKE_LAYER_INPUT, 2, false, "dW at %s were made with the layer's own output in place of its input"},
    {LAST_EXAMPLE, CT_MISTAKE_ONE_EXAMPLE, 2, true, "only the last example of the batch counted at %s: = in place of +=?"},
    {FIRST_EXAMPLE, CT_MISTAKE_ONE_EXAMPLE, 2.5, true, "only the first example of the batch counted at %s"},
};
enum { LAYER_MISTAKES = sizeof layer_mistakes / sizeof *layer_mistakes };

static bool same_shape(const ct_tensor *a, const ct_tensor *b)
{
    bool same = ct_rank(a) == ct_rank(b);
    for (int i = 0; same && i < ct_rank(a); i++) same = ct_dim(a, i) == ct_dim(b, i);
    return same;
}

/* The layer's input or output as a matrix of examples, [B, width] or [width, B]: a vector is one example. */
static ct_tensor *examples(const ct__layer *l, ct_tensor *t)
{
    if (!l->columns) return ct_reshape(t, ct_shape(-1, ct_dim(t, -1)));
    return ct_rank(t) == 1 ? ct_unsqueeze(t, 1) : ct_alias(t);
}

/* What W gets from delta g and the layer's input x: x' g, or g x' where examples are columns. */
static ct_tensor *outer(const ct__layer *l, ct_tensor *x, ct_tensor *g)
{
    ct_tensor *xs = examples(l, x), *gs = examples(l, g);
    return l->columns ? ct_matmul(gs, ct_transpose(xs)) : ct_matmul(ct_transpose(xs), gs);
}

/* What goes down to x: g W', or W' g. */
static ct_tensor *down(const ct__layer *l, ct_tensor *w, ct_tensor *g)
{
    return l->columns ? ct_matmul(ct_transpose(w), g) : ct_matmul(g, ct_transpose(w));
}

/* The activation's other side: z before x, or a behind the layer's z. NULL where there is none that fits. */
static ct_tensor *wrong_input(const ct__network *net, const ct__layer *l, layer_error error)
{
    ct_tensor *x = net->calls[l->call].in[l->x];
    const int call = error == INPUT_Z ? ct__producer(net, x) : ct__consumer(net, l->z);
    if (call < 0 || !is_activation(&net->calls[call])) return NULL;
    ct_tensor *other = error == INPUT_Z ? net->calls[call].in[0] : net->calls[call].out;
    return same_shape(other, x) ? other : NULL;
}

static bool has_place_for(const ct__network *net, const ct__layer *l, layer_error error)
{
    const ct__applied *a = &net->calls[l->call];
    const ct_tensor *x = a->in[l->x], *w = a->in[l->w];
    switch (error) {
    case WEIGHTS_OMITTED: return ct_needs_grad(x) && (l->outputs == 1 || same_shape(x, a->out));
    case WEIGHTS_TRANSPOSED: return ct_needs_grad(x) && ct_dim(w, 0) == ct_dim(w, 1);
    case INPUT_Z:
    case INPUT_OWN: return wrong_input(net, l, error) != NULL;
    case FIRST_EXAMPLE:
    case LAST_EXAMPLE: return l->batch > 1;
    }
    return false;
}

/* g of one example, 0 for the others. */
static ct_tensor *masked(const ct__layer *l, layer_error error, ct_tensor *g)
{
    const int64_t which = error == FIRST_EXAMPLE ? 0 : l->batch - 1;
    ct_tensor *mask = ct_zeros(l->columns ? ct_shape(1, l->batch) : ct_shape(l->batch, 1), ct_dtype_of(g));
    if (!mask || !ct_set(mask, l->columns ? ct_index(0, which) : ct_index(which, 0), 1)) return NULL;
    return ct_reshape(ct_mul(examples(l, g), mask), ct_shape_get(g));
}

/* W and b get what one example sends. */
static bool one_example(const ct__network *net, const ct__layer *l, layer_error error, ct_tensor *g, flow *f)
{
    const ct__applied *a = &net->calls[l->call];
    ct_tensor *x = ct_detach(a->in[l->x]), *one_alone = masked(l, error, g);
    if (!add(f, a->in[l->w], outer(l, x, one_alone), outer(l, x, g))) return false;
    if (l->bias < 0) return true;
    /* as it enters: spread over the examples by now, or inside affine */
    ct_tensor *b = net->calls[l->bias_call].in[l->bias_slot];
    return add(f, b, ct_sum_to(one_alone, ct_shape_get(b)), ct_sum_to(g, ct_shape_get(b)));
}

static bool wrong_layer(const ct__network *net, const ct__layer *l, layer_error error, ct_tensor *g, flow *f)
{
    const ct__applied *a = &net->calls[l->call];
    ct_tensor *x = a->in[l->x], *w = ct_detach(a->in[l->w]), *other;
    switch (error) {
    case WEIGHTS_OMITTED: return add(f, x, ct_expand(g, ct_shape_get(x)), down(l, w, g));
    case WEIGHTS_TRANSPOSED: return add(f, x, down(l, ct_transpose(w), g), down(l, w, g));
    case INPUT_Z:
    case INPUT_OWN:
        other = ct_detach(wrong_input(net, l, error));
        return add(f, a->in[l->w], outer(l, other, g), outer(l, ct_detach(x), g));
    case FIRST_EXAMPLE:
    case LAST_EXAMPLE: return one_example(net, l, error, g, f);
    }
    return false;
}

/* ---- what does not come through layers --------------------------------------------------------------------- */

/* Takes back what a layer sends to its weights and bias. */
static bool take_back(const ct__network *net, const ct__layer *l, flow *f)
{
    ct_tensor *g = NULL, *x = ct_detach(net->calls[l->call].in[l->x]);
    if (!ct__network_gradients(net, NULL, NULL, 0, &l->z, 1, &g)) return false;
    ct_tensor *zero = ct_mul(g, ct_scalar(0));
    if (!add(f, net->calls[l->call].in[l->w], outer(l, x, zero), outer(l, x, g))) return false;
    if (l->bias < 0) return true;
    ct_tensor *b = net->calls[l->bias_call].in[l->bias_slot];
    ct_tensor *gb = ct_sum_to(g, ct_shape_get(b));
    return add(f, b, ct_mul(gb, ct_scalar(0)), gb);
}

bool ct__find_rest(ct__network *net, ct_comparison *c)
{
    CT_SCOPE;
    CT_NO_GRAD;
    flow f = {.n = 0};
    if (net->n_layers > MOST_STEPS) return true;
    for (int i = 0; i < net->n_layers; i++) {
        if (!take_back(net, &net->layers[i], &f)) return false;
    }
    ct_tensor **rest = ct__check_memory(net->model->operation, (size_t)c->n, sizeof *rest);
    bool ok = rest && ct__network_gradients(net, f.at, f.delta, f.n, net->model->p, c->n, rest);
    for (int i = 0; ok && i < c->n; i++) {
        ct__parameter *p = &c->p[i];
        double most = 0, all = 0;
        ok = ct_copy_values(rest[i], p->rest, p->count);
        for (int64_t k = 0; k < p->count; k++) most = fmax(most, fabs(p->rest[k])), all = fmax(all, fabs(p->autograd[k]));
        bool in_a_layer = false;
        for (int l = 0; l < net->n_layers; l++)
            in_a_layer = in_a_layer || net->layers[l].bias == i || net->layers[l].weights == i;
        const double rounding = (net->model->in_f32 ? 1e-5 : 1e-11) * all;
        for (int64_t k = 0; k < p->count && (most <= rounding || !in_a_layer); k++) p->rest[k] = 0;
    }
    free(rest);
    return ok;
}

/* ---- a trial: a mistake in some places --------------------------------------------------------------------- */

typedef struct step {
    int call;
    const ct__layer *layer; /* NULL: an activation */
} step;

typedef struct trial {
    ct__network *net;
    const slope_mistake *slope; /* of activations */
    bool twice;
    const layer_mistake *layer; /* of layers */
    ct_tensor *(*surplus)(ct_tensor *); /* of what goes into the loss: times this slope */
    ct__candidate consider;
    void *context;
} trial;

static bool make_step(const trial *t, const step *s, ct_tensor *g, flow *f)
{
    const ct__applied *a = &t->net->calls[s->call];
    if (t->layer) return wrong_layer(t->net, s->layer, t->layer->error, g, f);
    if (t->surplus) return add(f, a->out, ct_mul(g, t->surplus(ct_detach(a->out))), g);
    return t->twice ? slope_twice(a, g, f) : wrong_slope(a, t->slope, g, f);
}

/* The gradients of all parameters with the mistake in the places steps[0 .. n-1], which are in the order of computation. */
static bool gradients(const trial *t, const step *steps, int n, double *const *to)
{
    CT_SCOPE;
    CT_NO_GRAD;
    const ct__network *net = t->net;
    flow f = {.n = 0};
    for (int i = n - 1; i >= 0; i--) {
        ct_tensor *g = NULL;
        ct_tensor **at = &net->calls[steps[i].call].out;
        if (!ct__network_gradients(net, f.at, f.delta, f.n, at, 1, &g) || !make_step(t, &steps[i], g, &f)) return false;
    }
    const int count = net->model->n;
    ct_tensor **grads = ct__check_memory(net->model->operation, (size_t)count, sizeof *grads);
    bool ok = grads && ct__network_gradients(net, f.at, f.delta, f.n, net->model->p, count, grads);
    for (int i = 0; ok && i < count; i++) ok = ct_copy_values(grads[i], to[i], ct_count_of(grads[i]));
    free(grads);
    return ok;
}

/* Who it is and where. */
static ct__mistake describe(const trial *t, const step *steps, int n)
{
    const ct__applied *a = &t->net->calls[steps[0].call];
    ct__mistake m = {.mistakes = CT_MISTAKE_SLOPE_TWICE, .cost = 2.2};
    if (t->layer) m.mistakes = t->layer->mistake, m.cost = t->layer->cost;
    else if (t->slope) m.mistakes = t->slope->mistake, m.cost = t->slope->cost;
    if (n > 1) m.cost += 0.1;
    char where[160];
    const char *name;
    snprintf(m.operation, sizeof m.operation, "ct_%.40s", a->operation);
    m.line = n == 1 ? ct_source_line(a->out, &m.file) : 0;
    name = m.file ? strrchr(m.file, '/') : NULL;
    name = name ? name + 1 : m.file;
    if (n > 1) snprintf(where, sizeof where, "%s, in all %d places,", m.operation, n);
    else if (m.file) snprintf(where, sizeof where, "%s at %.80s:%d", m.operation, name, m.line);
    else snprintf(where, sizeof where, "%s", m.operation);
    const char *text = t->layer ? t->layer->text : t->twice ? "the derivative of %s counted twice" : t->slope ? t->slope->text
        : "the derivative of a sigmoid or softmax were there once more, behind %s: with cross-entropy, delta is a - y alone";
    const char *gap = strstr(text, "%s");
    snprintf(m.text, sizeof m.text, "%.*s%s%s", (int)(gap - text), text, where, gap + 2);
    return m;
}

static bool consider(const trial *t, const step *steps, int n)
{
    const ct__model *m = t->net->model;
    double **g = ct__check_memory(m->operation, (size_t)m->n, sizeof *g);
    bool ok = g != NULL;
    for (int i = 0; ok && i < m->n; i++) {
        g[i] = ct__check_memory(m->operation, (size_t)ct_count_of(m->p[i]), sizeof **g);
        ok = g[i] != NULL;
    }
    if (ok && gradients(t, steps, n, g)) {
        const ct__mistake mistake = describe(t, steps, n);
        ok = t->consider(t->context, &mistake, g);
    } else {
        ok = false;
    }
    for (int i = 0; g && i < m->n; i++) free(g[i]);
    free(g);
    return ok;
}

/* In each place alone, in all of them, and in all but the last (the hidden ones). */
static bool consider_places(const trial *t, const step *steps, int n, bool together)
{
    if (n == 0) return true;
    for (int i = 0; i < n && n <= EACH_ALONE && !(together && n > 1); i++) {
        if (!consider(t, &steps[i], 1)) return false;
    }
    if (n > 1 && n <= MOST_STEPS && !consider(t, steps, n)) return false;
    return together || n < 3 || n > MOST_STEPS || consider(t, steps, n - 1);
}

/* ---- all trials ------------------------------------------------------------------------------------------- */

/* An activation of a layer is all that becomes of its z; one that shares it is a part of something else, of a loss with logits
 * say. */
static bool stands_alone(const ct__network *net, int call)
{
    const void *z = ct_place_in_graph(net->calls[call].in[0]);
    int readers = 0;
    for (int i = 0; i < net->n; i++) {
        for (int k = 0; k < net->calls[i].n_in; k++) readers += ct_place_in_graph(net->calls[i].in[k]) == z;
    }
    return z && readers == 1;
}

static int places_of_slope(const ct__network *net, const char *activation, step *steps, int room)
{
    int n = 0;
    for (int i = 0; i < net->n && n < room; i++) {
        const ct__applied *a = &net->calls[i];
        if (is_activation(a) && (!activation || is(a, activation)) && stands_alone(net, i)) steps[n++].call = i;
    }
    return n;
}

static bool try_slopes(trial *t, step *steps)
{
    for (int k = 0; k < SLOPE_MISTAKES; k++) {
        t->slope = &slope_mistakes[k];
        if (!consider_places(t, steps, places_of_slope(t->net, t->slope->activation, steps, t->net->n), false)) return false;
    }
    t->slope = NULL;
    t->twice = true;
    const bool ok = consider_places(t, steps, places_of_slope(t->net, NULL, steps, t->net->n), false);
    t->twice = false;
    return ok;
}

static bool try_layers(trial *t, step *steps)
{
    for (int k = 0; k < LAYER_MISTAKES; k++) {
        int n = 0;
        t->layer = &layer_mistakes[k];
        for (int i = 0; i < t->net->n_layers; i++) {
            const ct__layer *l = &t->net->layers[i];
            if (has_place_for(t->net, l, t->layer->error)) steps[n++] = (step){l->call, l};
        }
        if (!consider_places(t, steps, n, t->layer->together)) return false;
    }
    t->layer = NULL;
    return true;
}

static ct_tensor *softmax_diagonal(ct_tensor *x) { return logistic(ct_softmax(x, -1)); }
static ct_tensor *softmax_diagonal_of_columns(ct_tensor *x) { return logistic(ct_softmax(x, 0)); }

/* The last layer's z goes into the loss itself (with logits): is there a slope that does not belong? */
static bool try_surplus(trial *t)
{
    if (!t->net->n_layers) return true;
    const ct__layer *last = &t->net->layers[t->net->n_layers - 1];
    const int next = ct__consumer(t->net, last->z), made = ct__producer(t->net, last->z);
    if (made < 0 || (next >= 0 && is_activation(&t->net->calls[next]) && !is(&t->net->calls[next], "log_softmax"))) return true;
    ct_tensor *(*const slopes[])(ct_tensor *) = {sigmoid_slope, softmax_diagonal, softmax_diagonal_of_columns, tanh_slope};
    const step s = {.call = made};
    for (size_t k = 0; k < sizeof slopes / sizeof *slopes; k++) {
        t->surplus = slopes[k];
        if (!consider(t, &s, 1)) return false;
    }
    t->surplus = NULL;
    return true;
}

bool ct__try_mistakes(ct__network *net, ct__candidate consider_one, void *context)
{
    trial t = {.net = net, .consider = consider_one, .context = context};
    step *steps = ct__check_memory(net->model->operation, (size_t)net->n, sizeof *steps);
    const bool ok = steps && try_slopes(&t, steps) && try_layers(&t, steps) && try_surplus(&t);
    free(steps);
    return ok;
}

/* ---- the network without a bias ---------------------------------------------------------------------------- */

/* The values of a parameter, or zeros. */
static bool put(ct__model *m, const ct_comparison *c, int p, bool zero)
{
    CT_NO_GRAD;
    CT_SCOPE;
    ct_tensor *values = zero ? NULL : ct_from_values(c->p[p].x, c->p[p].count, c->p[p].shape, ct_dtype_of(m->p[p]));
    return zero ? ct_fill_(m->p[p], 0) : values && ct_copy_(m->p[p], values);
}

static bool without(ct__model *m, const ct_comparison *c, const int *biases, int n, double *const *g)
{
    bool ok = true;
    for (int i = 0; i < n; i++) ok = ok && put(m, c, biases[i], true);
    ok = ok && ct__model_gradients(m, g);
    for (int i = 0; i < n; i++) ok = put(m, c, biases[i], false) && ok;
    return ok;
}

static bool try_without(ct__model *m, const ct_comparison *c, const int *biases, int n, double *const *g,
                        ct__candidate consider_one, void *context)
{
    ct__mistake mistake = {.mistakes = CT_MISTAKE_BIAS_OMITTED, .cost = n > 1 ? 2.1 : 2};
    if (n > 1) snprintf(mistake.text, sizeof mistake.text, "the forward pass had no biases");
    else snprintf(mistake.text, sizeof mistake.text, "the forward pass left the bias %.80s out", c->p[biases[0]].name);
    return without(m, c, biases, n, g) && consider_one(context, &mistake, g);
}

bool ct__try_without_biases(ct__model *m, const ct_comparison *c, const int *biases, int n, ct__candidate consider_one,
                            void *context)
{
    double **g = ct__check_memory(m->operation, (size_t)m->n, sizeof *g);
    bool ok = g != NULL;
    for (int i = 0; ok && i < m->n; i++) ok = (g[i] = ct__check_memory(m->operation, (size_t)c->p[i].count, sizeof **g)) != NULL;
    for (int i = 0; ok && i < n && n <= EACH_ALONE; i++) ok = try_without(m, c, &biases[i], 1, g, consider_one, context);
    if (ok && n > 1) ok = try_without(m, c, biases, n, g, consider_one, context);
    for (int i = 0; g && i < m->n; i++) free(g[i]);
    free(g);
    return ok;
}
