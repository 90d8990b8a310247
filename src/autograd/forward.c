/*
 * forward.c - forward mode by levels: the tangents that tensors carry.
 *
 * ct_jvp opens a level; tensors carry a tangent for each level in a list at their node (one without edges is made where there is
 * none). After a call its JVP runs for each level from the lowest up, with only the levels below switched on: so the tangent of
 * level 2 is itself differentiated at level 1, never at its own level. No tangent outlives its level, which is what breaks the
 * cycle tensor - node - tangent - tensor and what keeps two levels from being confused.
 */
#include "autograd/forward.h"

#include "autograd/push.h"

/* ---- tangents of a node ---- */

static ct__tangent *find(const ct__node *n, int slot, int level)
{
    for (ct__tangent *t = n ? n->tangents : NULL; t; t = t->next) {
        if (t->level == level && t->slot == slot) return t;
    }
    return NULL;
}

ct_tensor *ct__tangent_of(const ct_tensor *t, int level)
{
    const ct__tangent *found = find(t->graph, t->slot, level);
    return found ? found->value : NULL;
}

bool ct__tangent_set(ct_tensor *t, int level, ct_tensor *value)
{
    ct__node *n = t->graph ? t->graph : ct__node_leaf(t, false);
    ct__tangent *record = n ? ct__slab_get(sizeof *record) : NULL;
    if (!record) return n && ct__fail_memory("ct_jvp", sizeof *record);
    ct__tangent **list = &ct__ad.level_list[level - 1];
    *record = (ct__tangent){.next = n->tangents, .level_next = *list, .level_at = list, .node = n, .value = ct__retain(value),
                            .level = level, .slot = t->slot};
    if (*list) (*list)->level_at = &record->level_next;
    *list = record;
    n->tangents = record;
    return true;
}

static void drop(ct__tangent *t)
{
    *t->level_at = t->level_next;
    if (t->level_next) t->level_next->level_at = t->level_at;
    ct_tensor *value = t->value;
    ct__slab_put(t, sizeof *t);
    ct__release(value);
}

void ct__tangents_drop(ct__node *n)
{
    while (n->tangents) {
        ct__tangent *t = n->tangents;
        n->tangents = t->next;
        drop(t);
    }
}

/* ---- after a call ---- */

/* One input is a value that a custom operation saved: an error where its call has a tangent, for that of the value is unknown. */
static bool check_saved(const ct__node *n, int level)
{
    for (int k = 0; k < n->n_out; k++) {
        if (find(n, k, level)) return ct__fail_saved(n->op);
    }
    return true;
}

/* The tangents of a call's inputs at a level, and whether there are any. */
static bool gather(const ct_call *c, int level, ct_tensor **dx, bool *any)
{
    *any = false;
    for (int i = 0; i < c->n_in; i++) {
        const ct_tensor *x = c->in[i];
        const ct__node *n = x->graph;
        dx[i] = NULL;
        if (!n) continue;
        if (CT__UNLIKELY(ct__is_saved(n, x->slot)) && ct__is_float((ct_dtype)x->dtype) && !check_saved(n, level)) return false;
        const ct__tangent *t = find(n, x->slot, level);
        if (!t) continue;
        dx[i] = t->value;
        *any = true;
    }
    return true;
}

/* The JVP of one level, with the levels below it switched on and no other. */
static bool push(ct_call *c, int level, ct_tensor *const *dx)
{
    const uint64_t active = ct__ad.active;
    const ct_op *rule = ct__ad.rule;
    ct_tensor *dy[CT__MAX_OUTPUTS];
    const int scope = ct__scope_begin();
    ct__ad.active = active & (ct__level_bit(level) - 1);
    ct__ad.rule = c->op;
    bool ok = ct__push_call(c, dx, dy);
    ct__ad.rule = rule;
    for (int k = 0; ok && k < c->n_out; k++) {
        if (!dy[k] || !ct__is_float((ct_dtype)c->out[k]->dtype)) continue;
        ok = ct__tangent_set(c->out[k], level, dy[k]);
        if (CT__UNLIKELY(ok && ct__ad.watching)) ok = ct__watch_tangent(c, dx, dy[k]);
    }
    ct__ad.active = active;
    ct__scope_end(scope);
    return ok;
}

bool ct__push_tangents(ct_call *c)
{
    if (c->n_out == 1 && !ct__is_float((ct_dtype)c->out[0]->dtype)) return true;
    ct_tensor *few[CT__FEW], **dx = ct__operands_of(c->op, few, c->n_in);
    bool ok = dx != NULL;
    for (uint64_t left = ct__ad.active; ok && left; left &= left - 1) {
        const int level = __builtin_ctzll(left) + 1;
        bool any;
        ok = gather(c, level, dx, &any) && (!any || push(c, level, dx));
    }
    ct__operands_put(dx, few, c->n_in);
    return ok;
}

/* ---- levels ---- */

enum { LISTS = CT__MAX_LEVELS * sizeof(ct__tangent *) };

int ct__level_open(const char *operation, uint64_t *active_before)
{
    if (ct__ad.levels == CT__MAX_LEVELS) {
        ct__fail(CT_ERROR_GRAPH, operation, "forward derivatives are nested more than %d deep", (int)CT__MAX_LEVELS);
        return 0;
    }
    if (!ct__ad.levels && !(ct__ad.level_list = ct__slab_get(LISTS))) {
        ct__fail_memory(operation, LISTS);
        return 0;
    }
    ct__ad.level_list[ct__ad.levels] = NULL;
    *active_before = ct__ad.active;
    ct__ad.active |= ct__level_bit(++ct__ad.levels);
    return ct__ad.levels;
}

void ct__level_close(uint64_t active_before)
{
    ct__tangent **list = &ct__ad.level_list[ct__ad.levels - 1];
    while (*list) {
        ct__tangent *t = *list, **at = &t->node->tangents;
        while (*at != t) at = &(*at)->next;
        *at = t->next;
        drop(t);
    }
    ct__ad.active = active_before;
    if (--ct__ad.levels == 0) ct__slab_put(ct__ad.level_list, LISTS);
}
