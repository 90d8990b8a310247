/*
 * leaf.c - leaves: tensors that collect gradients, reading and setting these, and hooks.
 */
#include "autograd/captured.h"

ct_tensor *ct_requires_grad(ct_tensor *t, bool yes)
{
    if (!ct__check("ct_requires_grad", "t", t)) return NULL;
    ct__node *n = t->graph;
    if (yes && !ct__is_float(t->dtype))
        return ct__fail(CT_ERROR_DTYPE, "ct_requires_grad", "t is %s; only f32 and f64 have gradients", ct__describe(t));
    if (!yes && n && n->op)
        return ct__fail(CT_ERROR_GRAPH, "ct_requires_grad", "t is the result of %s; ct_detach gives its values without the graph", ct__node_title(n));
    if (yes && !n && !(n = ct__node_leaf(t, true))) return NULL;
    if (!n || n->op) return t;
    n->collects = yes;
    t->storage->tracked = yes;
    return t;
}

bool ct_needs_grad(const ct_tensor *t) { return ct__check("ct_needs_grad", "t", t) && ct__needs(t); }

/* The leaf's node, or NULL with an error. */
static ct__node *leaf_of(const char *operation, const ct_tensor *t)
{
    if (!ct__check(operation, "leaf", t)) return NULL;
    ct__node *n = t->graph;
    if (!ct__needs(t))
        return ct__fail(CT_ERROR_GRAPH, operation, "the tensor, %s, does not need a gradient; ct_requires_grad makes it a leaf", ct__describe(t));
    if (n->op)
        return ct__fail(CT_ERROR_GRAPH, operation, "the tensor is no leaf but the result of %s; ct_grad gives gradients of such", ct__node_title(n));
    return n;
}

ct_tensor *ct_grad_of(ct_tensor *leaf)
{
    ct__node *n = leaf_of("ct_grad_of", leaf);
    if (!n) return NULL;
    if (!n->grad) return ct__fail(CT_ERROR_GRAPH, "ct_grad_of", "the leaf, %s, has no gradient yet; call ct_backward first", ct__describe(leaf));
    return ct_alias(n->grad);
}

bool ct_has_grad(const ct_tensor *leaf)
{
    if (!ct__check("ct_has_grad", "leaf", leaf)) return false;
    const ct__node *n = leaf->graph;
    return n && !n->op && n->grad;
}

ct_tensor *ct_grad_borrow(const ct_tensor *leaf)
{
    if (!ct__check("ct_grad_borrow", "leaf", leaf)) return NULL;
    const ct__node *n = leaf->graph;
    return n && !n->op && n->collects ? n->grad : NULL;
}

ct_tensor *ct__zero_grad_of(const ct__node *leaf)
{
    const ct_shape *shape = ct__node_out_shapes(leaf);
    ct_tensor *zeros = ct__own(ct__tensor_new("a gradient", leaf->dtype, (int)shape->rank, shape->dim));
    if (zeros) ct__fill(zeros, 0);
    return zeros;
}

void ct__drop_grad(ct__node *leaf)
{
    if (leaf->grad) ct__release(leaf->grad);
    leaf->grad = NULL;
    leaf->spent = false;
}

bool ct_zero_grad(ct_tensor *leaf)
{
    ct__node *n = leaf_of("ct_zero_grad", leaf);
    if (!n || !ct__may_change()) return false;
    ct__drop_grad(n);
    if (CT__UNLIKELY(ct__self.script != NULL)) ct__capture_grad_change(n, false);
    return true;
}

bool ct_spend_grad(ct_tensor *leaf)
{
    ct__node *n = leaf_of("ct_spend_grad", leaf);
    if (!n || !ct__may_change()) return false;
    n->spent = n->grad != NULL;
    if (CT__UNLIKELY(ct__self.script != NULL)) ct__capture_grad_change(n, true);
    return true;
}

bool ct_set_grad(ct_tensor *leaf, ct_tensor *gradient)
{
    ct__node *n = leaf_of("ct_set_grad", leaf);
    if (!n || !ct__check("ct_set_grad", "gradient", gradient) || !ct__may_change()) return false;
    if (!ct__unscripted("ct_set_grad", "a leaf would get a gradient only once: call it in a function that ct_on_replay calls"))
        return false;
    if (!ct__same_shape(leaf, gradient) || leaf->dtype != gradient->dtype)
        return ct__fail(CT_ERROR_SHAPE, "ct_set_grad", "gradient is %s, the leaf is %s", ct__describe(gradient), ct__describe(leaf));
    ct_tensor *own = ct__own(ct_alias(gradient));
    if (!own) return false;
    ct__drop_grad(n);
    n->grad = own;
    return true;
}

bool ct_set_data(ct_tensor *t, ct_tensor *values)
{
    if (!ct__check("ct_set_data", "t", t) || !ct__check("ct_set_data", "values", values) || !ct__may_change()) return false;
    if (!ct__unscripted("ct_set_data", "tensors keep their memory: ct_copy_ changes values where they are")) return false;
    ct__node *n = t->graph;
    if (n && n->op)
        return ct__fail(CT_ERROR_GRAPH, "ct_set_data", "t is the result of %s; only leaves and constants take other values", ct__node_title(n));
    if (!ct__same_shape(t, values))
        return ct__fail(CT_ERROR_SHAPE, "ct_set_data", "values are %s, t is %s", ct__describe(values), ct__describe(t));
    if (ct__needs(t) && !ct__is_float(values->dtype))
        return ct__fail(CT_ERROR_DTYPE, "ct_set_data", "values are %s; t needs a gradient, so expected f32 or f64", ct__describe(values));
    ct__tensor_take_values(t, values);
    if (!n) return true;
    ct__drop_grad(n);
    n->dtype = values->dtype;
    t->storage->tracked = t->storage->tracked || n->collects;
    return true;
}

bool ct_add_hook(ct_tensor *t, ct_hook hook, void *context)
{
    if (!ct__check("ct_add_hook", "t", t)) return false;
    if (!hook) return ct__fail_null("ct_add_hook", "hook");
    if (!ct__needs(t))
        return ct__fail(CT_ERROR_GRAPH, "ct_add_hook", "t, %s, does not need a gradient, so none will reach it", ct__describe(t));
    ct__hook_record *h = ct__slab_get(sizeof *h);
    if (!h) return ct__fail_memory("ct_add_hook", sizeof *h);
    *h = (ct__hook_record){.hook = hook, .context = context, .slot = t->slot};
    ct__hook_record **end = &ct__node_of(t)->hooks;
    while (*end) end = &(*end)->next;
    *end = h;
    return true;
}

/* A sweep may be going through the list (the hook may remove itself): then the record stays, without its hook, and goes with the next
 * removal or with the node. */
bool ct_remove_hook(ct_tensor *t, ct_hook hook, void *context)
{
    if (!ct__check("ct_remove_hook", "t", t)) return false;
    if (!hook) return ct__fail_null("ct_remove_hook", "hook");
    ct__node *n = t->graph;
    ct__hook_record *found = n ? n->hooks : NULL;
    while (found && !(found->hook == hook && found->context == context && found->slot == t->slot)) found = found->next;
    if (!found) return ct__fail(CT_ERROR_GRAPH, "ct_remove_hook", "t, %s, has no such hook with this context", ct__describe(t));
    found->hook = NULL;
    for (ct__hook_record **at = &n->hooks; *at && !n->work;) {
        ct__hook_record *h = *at;
        if (h->hook) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        ct__slab_put(h, sizeof *h);
    }
    return true;
}

bool ct_may_change_state(void) { return ct__may_change(); }
