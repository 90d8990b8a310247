/*
 * optim.c - SGD, Adam and AdamW over a list of leaves; clipping by the norm of all gradients.
 *
 * An optimizer owns the parameters together with their module, and the moments, which a parameter gets at its first step. A
 * step picks the parameters that need and have a gradient and hands those of equal step count to one fused in-place kernel;
 * all arrays it needs were made with the optimizer, so a step in steady state allocates nothing from the system.
 */
#include "nn.h"

#include <cotangent/capture.h>

#include <math.h>
#include <stdlib.h>

typedef struct slot {
    ct__nn_shared *own;
    ct_tensor *param; /* own's tensor */
    ct_tensor *m, *v; /* moments; SGD's velocity is m. NULL before the first step, or where the method has none */
    ct_tensor *g;     /* within a step: the gradient, NULL where there is nothing to do (any more) */
    int64_t t;        /* steps taken */
} slot;

/* What to do with gradients, fixed when the optimizer is made (but for lr). */
typedef struct method {
    bool (*apply)(ct_optimizer *o, int count, int64_t t);
    int moments; /* 0, 1 (m) or 2 (m and v) */
    double lr;
    ct_sgd_options sgd;
    ct_adam_options adam;
    bool decoupled;
} method;

struct ct_optimizer {
    method how;
    int count;
    ct_tensor **p, **g, **m, **v; /* [count] each: the arguments of one kernel call */
    double norm; /* of the gradients, at the last clipping */
    slot slots[];
};

/* ---- the methods -------------------------------------------------------------------------------------- */

static bool apply_sgd(ct_optimizer *o, int count, int64_t t)
{
    const ct_sgd_options *s = &o->how.sgd;
    const ct_sgd_step step = {.lr = o->how.lr, .momentum = s->momentum, .dampening = s->dampening,
                              .weight_decay = s->weight_decay, .nesterov = s->nesterov, .first = t == 1};
    return ct_sgd_step_(o->p, o->g, o->how.moments ? o->m : NULL, count, step);
}

static bool apply_adam(ct_optimizer *o, int count, int64_t t)
{
    const ct_adam_options *a = &o->how.adam;
    const ct_adam_step step = {.lr = o->how.lr, .beta1 = a->beta1, .beta2 = a->beta2, .eps = a->eps,
                               .weight_decay = a->weight_decay, .decoupled = o->how.decoupled, .t = t};
    return ct_adam_step_(o->p, o->g, o->m, o->v, count, step);
}

static bool lr_fits(const char *operation, double lr)
{
    return (lr >= 0 && isfinite(lr)) ||
           ct_raise(CT_ERROR_VALUE, operation, "lr is %g; expected a finite number, 0 or more", lr);
}

static bool not_negative(const char *operation, const char *name, double value)
{
    return (value >= 0 && isfinite(value)) ||
           ct_raise(CT_ERROR_VALUE, operation, "%s is %g; expected a finite number, 0 or more", name, value);
}

static bool sgd_fits(const char *operation, double lr, ct_sgd_options o)
{
    if (o.nesterov && !(o.momentum > 0 && o.dampening == 0))
        return ct_raise(CT_ERROR_VALUE, operation, "nesterov with momentum %g and dampening %g; it needs a momentum and no "
                        "dampening", o.momentum, o.dampening);
    return lr_fits(operation, lr) && not_negative(operation, "momentum", o.momentum) &&
           not_negative(operation, "weight_decay", o.weight_decay) &&
           (isfinite(o.dampening) || ct_raise(CT_ERROR_VALUE, operation, "dampening is %g", o.dampening));
}

static bool adam_fits(const char *operation, double lr, ct_adam_options o)
{
    if (!(o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1))
        return ct_raise(CT_ERROR_VALUE, operation, "beta1 is %g and beta2 is %g; expected 0 <= beta < 1", o.beta1, o.beta2);
    /* with eps = 0 a gradient of zero would give 0/0 */
    if (!(o.eps > 0 && isfinite(o.eps)))
        return ct_raise(CT_ERROR_VALUE, operation, "eps is %g; it must be positive; start from ct_adam_defaults()?", o.eps);
    return lr_fits(operation, lr) && not_negative(operation, "weight_decay", o.weight_decay);
}

static method sgd(double lr, ct_sgd_options options)
{
    return (method){.apply = apply_sgd, .moments = options.momentum != 0, .lr = lr, .sgd = options};
}

static method adam(double lr, ct_adam_options options, bool decoupled)
{
    return (method){.apply = apply_adam, .moments = 2, .lr = lr, .adam = options, .decoupled = decoupled};
}

ct_adam_options ct_adam_defaults(void)
{
    return (ct_adam_options){.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
}

/* ---- making and freeing ------------------------------------------------------------------------------- */

static ct_optimizer *optimizer_new(const char *operation, int count, method how)
{
    ct_optimizer *o = calloc(1, sizeof *o + (size_t)count * sizeof(slot));
    if (o) o->p = calloc((size_t)count * 4, sizeof *o->p);
    if (!o || !o->p) {
        free(o);
        ct_raise(CT_ERROR_MEMORY, operation, "no memory for %d parameters", count);
        return NULL;
    }
    o->how = how;
    o->count = count;
    o->g = o->p + count;
    o->m = o->g + count;
    o->v = o->m + count;
    return o;
}

static bool parameter_fits(const char *operation, ct_tensor *const *parameters, int i)
{
    const ct_tensor *p = parameters[i];
    if (!p) return ct_raise(CT_ERROR_NULL, operation, "parameters[%d] is NULL", i);
    if (!ct_needs_grad(p))
        return ct_raise(CT_ERROR_VALUE, operation, "parameters[%d], %s, needs no gradient; ct_requires_grad(t, true)?", i,
                        ct__nn_describe(p).text);
    if (!ct_is_contiguous(p))
        return ct_raise(CT_ERROR_VALUE, operation, "parameters[%d], %s, is not contiguous; ct_clone it first", i,
                        ct__nn_describe(p).text);
    for (int j = 0; j < i; j++)
        if (parameters[j] == p) return ct_raise(CT_ERROR_VALUE, operation, "parameters[%d] is parameters[%d] again", i, j);
    return true;
}

static ct_optimizer *make_of(const char *operation, ct_tensor *const *parameters, int count, method how)
{
    if (!parameters || count < 1) {
        if (!parameters) ct_raise(CT_ERROR_NULL, operation, "parameters is NULL");
        else ct_raise(CT_ERROR_VALUE, operation, "count is %d; expected at least 1", count);
        return NULL;
    }
    for (int i = 0; i < count; i++)
        if (!parameter_fits(operation, parameters, i)) return NULL;
    ct_optimizer *o = optimizer_new(operation, count, how);
    for (int i = 0; o && i < count; i++) {
        slot *s = &o->slots[i];
        s->own = ct__nn_share(operation, ct_keep(ct_alias(parameters[i])));
        if (s->own) {
            s->param = s->own->tensor;
        } else {
            ct_optimizer_free(o);
            o = NULL;
        }
    }
    return o;
}

/* Takes frozen parameters too: they may be thawed later. */
static ct_optimizer *make_with(const char *operation, ct_module *module, method how)
{
    const int count = module ? ct__nn_parameters(module, NULL, 0) : 0;
    ct__nn_shared **parameters = count ? malloc((size_t)count * sizeof *parameters) : NULL;
    if (!parameters) {
        if (!module) ct_raise(CT_ERROR_NULL, operation, "module is NULL");
        else if (count == 0) ct_raise(CT_ERROR_VALUE, operation, "%s has no parameters", ct_module_kind(module));
        else ct_raise(CT_ERROR_MEMORY, operation, "no memory for %d parameters", count);
        return NULL;
    }
    ct__nn_parameters(module, parameters, count);
    ct_optimizer *o = optimizer_new(operation, count, how);
    for (int i = 0; o && i < count; i++) {
        o->slots[i].own = ct__nn_retain(parameters[i]);
        o->slots[i].param = parameters[i]->tensor;
    }
    free(parameters);
    return o;
}

void ct_optimizer_free(ct_optimizer *optimizer)
{
    if (!optimizer) return;
    for (int i = 0; i < optimizer->count; i++) {
        const slot *s = &optimizer->slots[i];
        ct__nn_release(s->own);
        ct_free(s->m);
        ct_free(s->v);
    }
    free(optimizer->p);
    free(optimizer);
}

static ct_optimizer *sgd_with(const char *operation, ct_module *module, double lr, ct_sgd_options options)
{
    return sgd_fits(operation, lr, options) ? make_with(operation, module, sgd(lr, options)) : NULL;
}

static ct_optimizer *adam_with(const char *operation, ct_module *module, double lr, ct_adam_options options, bool decoupled)
{
    return adam_fits(operation, lr, options) ? make_with(operation, module, adam(lr, options, decoupled)) : NULL;
}

ct_optimizer *ct_optim_sgd(ct_module *module, double lr)
{
    return sgd_with("ct_optim_sgd", module, lr, (ct_sgd_options){0});
}

ct_optimizer *ct_optim_sgd_with(ct_module *module, double lr, ct_sgd_options options)
{
    return sgd_with("ct_optim_sgd_with", module, lr, options);
}

ct_optimizer *ct_optim_sgd_of(ct_tensor *const *parameters, int count, double lr, ct_sgd_options options)
{
    static const char operation[] = "ct_optim_sgd_of";
    return sgd_fits(operation, lr, options) ? make_of(operation, parameters, count, sgd(lr, options)) : NULL;
}

ct_optimizer *ct_optim_adam(ct_module *module, double lr)
{
    return adam_with("ct_optim_adam", module, lr, ct_adam_defaults(), false);
}

ct_optimizer *ct_optim_adam_with(ct_module *module, double lr, ct_adam_options options)
{
    return adam_with("ct_optim_adam_with", module, lr, options, false);
}

ct_optimizer *ct_optim_adam_of(ct_tensor *const *parameters, int count, double lr, ct_adam_options options)
{
    static const char operation[] = "ct_optim_adam_of";
    return adam_fits(operation, lr, options) ? make_of(operation, parameters, count, adam(lr, options, false)) : NULL;
}

ct_optimizer *ct_optim_adamw(ct_module *module, double lr, double weight_decay)
{
    ct_adam_options options = ct_adam_defaults();
    options.weight_decay = weight_decay;
    return adam_with("ct_optim_adamw", module, lr, options, true);
}

ct_optimizer *ct_optim_adamw_with(ct_module *module, double lr, ct_adam_options options)
{
    return adam_with("ct_optim_adamw_with", module, lr, options, true);
}

ct_optimizer *ct_optim_adamw_of(ct_tensor *const *parameters, int count, double lr, ct_adam_options options)
{
    static const char operation[] = "ct_optim_adamw_of";
    return adam_fits(operation, lr, options) ? make_of(operation, parameters, count, adam(lr, options, true)) : NULL;
}

/* ---- a step ------------------------------------------------------------------------------------------- */

/* Notes in every slot its gradient, borrowed or of the open scope, where it has one to step by. How many have; -1 on failure. */
static int find_gradients(ct_optimizer *o)
{
    int found = 0;
    for (int i = 0; i < o->count; i++) {
        slot *s = &o->slots[i];
        s->g = ct_grad_borrow(s->param);
        if (!s->g) continue;
        if (!ct_is_contiguous(s->g)) s->g = ct_contiguous(s->g);
        if (!s->g) return -1;
        found++;
    }
    return found;
}

static bool make_moments(const method *how, slot *s)
{
    if (how->moments == 0 || (s->m && (s->v || how->moments == 1))) return true;
    const ct_shape shape = ct_shape_get(s->param);
    const ct_dtype dtype = ct_dtype_of(s->param);
    if (how->moments > 0 && !s->m && !(s->m = ct_keep(ct_zeros(shape, dtype)))) return false;
    if (how->moments > 1 && !s->v && !(s->v = ct_keep(ct_zeros(shape, dtype)))) return false;
    return true;
}

/* Steps all parameters with a gradient that have taken t - 1 steps so far. */
static bool step_number(ct_optimizer *o, int64_t t)
{
    int n = 0;
    for (int i = 0; i < o->count; i++) {
        slot *s = &o->slots[i];
        if (!s->g || s->t != t - 1) continue;
        if (!make_moments(&o->how, s)) return false;
        o->p[n] = s->param;
        o->g[n] = s->g;
        o->m[n] = s->m;
        o->v[n++] = s->v;
    }
    if (!o->how.apply(o, n, t)) return false;
    for (int i = 0; i < o->count; i++) {
        slot *s = &o->slots[i];
        if (!s->g || s->t != t - 1) continue;
        s->t = t;
        s->g = NULL;
        if (!ct_spend_grad(s->param)) return false;
    }
    return true;
}

static bool step_now(ct_optimizer *optimizer)
{
    static const char operation[] = "ct_optimizer_step";
    CT_SCOPE;
    CT_NO_GRAD;
    const int found = find_gradients(optimizer);
    if (found < 0) return false;
    if (found == 0)
        return ct_raise(CT_ERROR_GRAPH, operation, "none of the %d parameters has a gradient; ct_backward comes first",
                        optimizer->count);
    for (int i = 0; i < optimizer->count; i++)
        if (optimizer->slots[i].g && !step_number(optimizer, optimizer->slots[i].t + 1)) return false;
    return true;
}

static int step_again(void *optimizer) { return !step_now(optimizer); }

/* The count of steps and the learning rate are the optimizer's: a captured step calls it each time. */
bool ct_optimizer_step(ct_optimizer *optimizer)
{
    if (!optimizer) return ct_raise(CT_ERROR_NULL, "ct_optimizer_step", "optimizer is NULL");
    return ct_on_replay(step_again, optimizer, 0);
}

/* ---- around the step ---------------------------------------------------------------------------------- */

bool ct_optimizer_zero_grad(ct_optimizer *optimizer)
{
    if (!optimizer) return ct_raise(CT_ERROR_NULL, "ct_optimizer_zero_grad", "optimizer is NULL");
    if (!ct_may_change_state()) return false;
    for (int i = 0; i < optimizer->count; i++) {
        ct_tensor *p = optimizer->slots[i].param;
        if (ct_needs_grad(p) && (ct_has_grad(p) || ct_capturing()) && !ct_zero_grad(p)) return false;
    }
    return true;
}

double ct_optimizer_lr(const ct_optimizer *optimizer)
{
    if (optimizer) return optimizer->how.lr;
    ct_raise(CT_ERROR_NULL, "ct_optimizer_lr", "optimizer is NULL");
    return NAN;
}

bool ct_optimizer_set_lr(ct_optimizer *optimizer, double lr)
{
    if (!optimizer) return ct_raise(CT_ERROR_NULL, "ct_optimizer_set_lr", "optimizer is NULL");
    if (!lr_fits("ct_optimizer_set_lr", lr)) return false;
    optimizer->how.lr = lr;
    return true;
}

/* The norm over all gradients that find_gradients noted; NaN after an error, also where it is not finite: scaling by 0 or NaN
 * would only spread it. */
static double norm_of_gradients(const char *operation, const ct_optimizer *o)
{
    double norm = 0;
    for (int i = 0; i < o->count; i++) {
        const slot *s = &o->slots[i];
        if (!s->g) continue;
        const double part = ct_item(ct_norm(s->g, CT_ALL, false));
        if (!isfinite(part)) {
            ct_raise(CT_ERROR_VALUE, operation, "the gradient of parameter %d, %s, has norm %g", i,
                     ct__nn_describe(s->param).text, part);
            return NAN;
        }
        norm = hypot(norm, part);
    }
    return norm;
}

static const char clip_title[] = "ct_clip_grad_norm";

static double clip_now(ct_optimizer *optimizer, double max_norm)
{
    CT_SCOPE;
    CT_NO_GRAD;
    const int found = find_gradients(optimizer);
    if (found == 0) ct_raise(CT_ERROR_GRAPH, clip_title, "none of the %d parameters has a gradient; ct_backward comes first",
                             optimizer->count);
    const double norm = found > 0 ? norm_of_gradients(clip_title, optimizer) : NAN;
    if (!(norm > max_norm)) return norm;
    /* out of place: a gradient's storage may be someone else's too */
    for (int i = 0; i < optimizer->count; i++) {
        const slot *s = &optimizer->slots[i];
        if (s->g && !ct_set_grad(s->param, ct_mul(s->g, ct_scalar(max_norm / norm)))) return NAN;
    }
    return norm;
}

typedef struct clip {
    ct_optimizer *optimizer;
    double max_norm;
} clip;

static int clip_again(void *context)
{
    const clip *c = context;
    c->optimizer->norm = clip_now(c->optimizer, c->max_norm);
    return isnan(c->optimizer->norm);
}

double ct_clip_grad_norm(ct_optimizer *optimizer, double max_norm)
{
    if (!optimizer || !(max_norm >= 0)) {
        if (!optimizer) ct_raise(CT_ERROR_NULL, clip_title, "optimizer is NULL");
        else ct_raise(CT_ERROR_VALUE, clip_title, "max_norm is %g; expected 0 or more", max_norm);
        return NAN;
    }
    clip c = {optimizer, max_norm};
    return ct_on_replay(clip_again, &c, sizeof c) ? optimizer->norm : NAN;
}
