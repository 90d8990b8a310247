/*
 * custom.c - the user's operations: their calls, seen by the engine as one variadic operation with rules for all operands at
 * once.
 *
 * A record of ours stands in front of the user's functions, checks what they hand over and names them in errors. What forward
 * saves is kept as further outputs that nobody else sees. Whatever derivative would have to pass such a value, or a rule that
 * read numbers out of tensors, is refused, never silently zero: the first by ct__fail_saved, the second by a guard, an
 * operation put behind the rule's results whose own rules fail.
 */
#include "autograd/custom.h"

#include <string.h>

/* In front of the user's parameters in a node: what checks need and a node does not keep. */
typedef struct header {
    uint8_t in_dtype; /* of all inputs of floats; CT_DTYPES where they differ */
    uint8_t dtype[CT__MAX_OUTPUTS], rank[CT__MAX_OUTPUTS];
} header;
enum { HEADER = (sizeof(header) + 7) / 8 * 8, FEW_BYTES = 256, FEW = 8 };

static const ct_custom *custom_of(const ct_call *c) { return c->op->impl; }
static const header *header_of(const ct_call *c) { return c->params; }
static int own_outputs(const ct_call *c) { return c->n_out - c->op->saved; }

bool ct__fail_saved(const ct_op *op)
{
    return ct__fail(CT_ERROR_GRAPH, op->name,
                    "a derivative is asked for that passes a value its forward saved, and that is not known; "
                    "make the value an output, or, where it does not depend on the inputs, ct_detach it in the rule");
}

/* ---- the user's functions ---- */

/* Did one of them succeed? An error that was pending before is not its own. */
static bool outcome(const ct_call *c, const char *function, int code, bool failed_before)
{
    if (ct__self.failed && !failed_before) return false;
    return code == 0 || ct__fail(CT_ERROR_USER, c->op->name, "its %s returned %d", function, code);
}

/* The call as the user sees it. */
static ct_operation_call view_of(const ct_call *c, ct_tensor *const *in, const bool *needed, const ct_shape *in_shapes)
{
    const bool rule = needed != NULL;
    return (ct_operation_call){.params = c->op->params > HEADER ? (const char *)c->params + HEADER : NULL,
                               .in = in,
                               .n_in = c->n_in,
                               .out = rule ? c->out : NULL,
                               .n_out = own_outputs(c),
                               .saved = rule ? c->out + own_outputs(c) : NULL,
                               .n_saved = c->op->saved,
                               .needed = needed,
                               .in_shapes = in_shapes};
}

/* Shapes of the inputs, from what there is. `room` for one each. */
static const ct_shape *shapes_of(const ct_call *c, ct_shape *room)
{
    if (c->in_shapes) return c->in_shapes;
    for (int i = 0; i < c->n_in; i++) room[i] = ct__shape(c->in[i]);
    return room;
}

/* ---- forward ---- */

static void note_kinds(const ct_call *c)
{
    header *h = (header *)(uintptr_t)c->params; /* the buffer of ct_apply_all */
    h->in_dtype = CT_DTYPES;
    for (int i = 0, seen = 0; i < c->n_in; i++) {
        const uint8_t dtype = c->in[i]->dtype;
        if (!ct__is_float(dtype)) continue;
        h->in_dtype = seen++ == 0 || h->in_dtype == dtype ? dtype : CT_DTYPES;
        if (h->in_dtype == CT_DTYPES) break;
    }
    for (int i = 0; i < c->n_out; i++) {
        h->dtype[i] = c->out[i]->dtype;
        h->rank[i] = c->out[i]->rank;
    }
}

/* Takes what forward made: bare handles, since it may have handed over an input or a tensor of its own. */
static bool take_results(const ct_call *c, ct_tensor *const *made)
{
    for (int i = 0; i < c->n_out; i++) {
        const int saved = i - own_outputs(c);
        if (!made[i] && saved >= 0) return ct__fail(CT_ERROR_NULL, c->op->name, "its forward left saved[%d] unset", saved);
        if (!made[i]) return ct__fail(CT_ERROR_NULL, c->op->name, "its forward left out[%d] unset", i);
        c->out[i] = ct__tensor_bare(made[i]);
        if (!c->out[i]) return false;
        ct_scope_return(c->out[i]);
    }
    note_kinds(c);
    return true;
}

/* Instead of shape and forward: nothing is recorded, and no tangent pushed, inside. */
static bool run_forward(ct_call *c)
{
    ct_tensor *made[CT__MAX_OUTPUTS] = {0};
    ct_shape few[FEW], *room = c->n_in <= FEW ? few : ct__pool_get((size_t)c->n_in * sizeof *room);
    if (!room) return ct__fail_memory(c->op->name, (size_t)c->n_in * sizeof *room);
    const ct_operation_call call = view_of(c, c->in, NULL, shapes_of(c, room));
    const bool recording = ct_grad_mode(false), failed = ct__self.failed;
    const uint64_t active = ct__ad.active;
    const int scope = ct__scope_begin();
    ct__ad.active = 0;
    const int code = custom_of(c)->definition.forward(&call, made, made + own_outputs(c));
    ct__ad.active = active;
    ct_grad_mode(recording);
    const bool ok = outcome(c, "forward", code, failed) && take_results(c, made);
    ct__scope_end(scope);
    if (room != few) ct__pool_put(room, (size_t)c->n_in * sizeof *room);
    return ok;
}

/* ---- rules that read numbers: a guard behind their results ---- */

static bool guard_view(ct_call *c)
{
    c->out[0] = ct__tensor_bare(c->in[0]);
    return c->out[0] != NULL;
}
static ct_tensor *guard_fail(const ct_call *c)
{
    const ct_op *const *guarded = c->params;
    return ct__fail(CT_ERROR_GRAPH, (*guarded)->name,
                    "its rule read numbers out of tensors (ct_data, ct_item, ...), so its derivative cannot be "
                    "differentiated again; write the rule with operations");
}
static ct_tensor *guard_vjp(const ct_call *c, ct_tensor *const *g) { return (void)g, guard_fail(c); }
static ct_tensor *guard_jvp(const ct_call *c, ct_tensor *dx) { return (void)dx, guard_fail(c); }
/* params: const ct_op *, the operation, which lives as long as the process */
static const ct_op guard = {.name = "guard", .inputs = CT__VARIADIC, .params = sizeof(const ct_op *), .view = guard_view,
                            .vjp = {guard_vjp}, .jvp = {guard_jvp}, .doc = "x_0, not to be differentiated again"};

/* t[0 .. n-1], results of a rule that read numbers, behind guards that depend on all the rule could see: a[], b[] and the
 * outputs. */
static bool put_guards(const ct_call *c, ct_tensor **t, int n, ct_tensor *const *a, int n_a, ct_tensor *const *b, int n_b)
{
    const int most = 1 + n_a + n_b + c->n_out;
    const size_t bytes = (size_t)most * sizeof(ct_tensor *);
    ct_tensor **in = ct__pool_get(bytes);
    if (!in) return ct__fail_memory(c->op->name, bytes);
    int count = 1;
    for (int i = 0; i < n_a; i++) {
        if (a[i]) in[count++] = a[i];
    }
    for (int i = 0; i < n_b; i++) {
        if (b[i]) in[count++] = b[i];
    }
    for (int i = 0; i < c->n_out; i++) {
        if (c->out[i]) in[count++] = c->out[i];
    }
    bool ok = true;
    for (int i = 0; i < n && ok; i++) {
        in[0] = t[i];
        if (t[i]) ok = (t[i] = ct__apply(&guard, in, count, &c->op)) != NULL;
    }
    ct__pool_put(in, bytes);
    return ok;
}

/* Is the rule's own derivative going to be asked for? */
static bool differentiated(void) { return !ct__ad.grad_off || ct__ad.active; }

/* ---- VJP ---- */

/* The leading axes that a stack of cotangents (of tangents) has beyond the operand's own. */
static ct_shape leading(const ct_tensor *g, int own_rank)
{
    ct_shape lead = ct__shape(g);
    lead.rank -= own_rank;
    return lead;
}

static ct_shape joined(ct_shape lead, ct_shape own)
{
    for (int i = 0; i < own.rank && lead.rank < CT_MAX_RANK; i++) lead.dim[lead.rank++] = own.dim[i];
    return lead;
}

/* dy[] without gaps: zeros where no gradient arrived. */
static bool cotangents(const ct_call *c, ct_tensor *const *g, ct_tensor **dy, ct_shape *lead)
{
    const header *h = header_of(c);
    *lead = (ct_shape){.rank = 0};
    for (int i = 0; i < own_outputs(c); i++) {
        if (g[i]) *lead = leading(g[i], h->rank[i]);
    }
    for (int i = 0; i < own_outputs(c); i++) {
        dy[i] = g[i];
        if (dy[i] || !ct__is_float(h->dtype[i])) continue;
        dy[i] = ct_zeros(joined(*lead, c->out_shapes[i]), h->dtype[i]);
        if (!dy[i]) return false;
    }
    return true;
}

/* Is dx[i] what the engine may go on with? */
static bool check_dx(const ct_call *c, const ct_tensor *dx, int i, ct_shape lead)
{
    const char *name = ct__custom_input(custom_of(c), i);
    const ct_shape expected = joined(lead, c->in_shapes[i]);
    const int dtype = c->in[i] ? c->in[i]->dtype : header_of(c)->in_dtype;
    if (!dx)
        return ct__fail(CT_ERROR_NULL, c->op->name, "its vjp left dx[%d] (%s) unset; where it is zero, ct_zeros says so", i,
                        name);
    if (!ct__shape_equal(ct__shape(dx), expected))
        return ct__fail(CT_ERROR_SHAPE, c->op->name, "its vjp made dx[%d] (%s) %s; expected %s, as the input%s", i, name,
                        ct__describe(dx), ct__describe_shape(expected), lead.rank ? " behind the leading axes of dy" : "");
    if (dtype != CT_DTYPES && dx->dtype != dtype)
        return ct__fail(CT_ERROR_DTYPE, c->op->name, "its vjp made dx[%d] (%s) %s; expected %s, as the input; ct_cast?", i,
                        name, ct__describe(dx), ct_dtype_name((ct_dtype)dtype));
    return true;
}

static bool run_vjp(const ct_call *c, ct_tensor *const *g, const bool *need, ct_tensor **gx)
{
    const ct_custom *op = custom_of(c);
    ct_tensor *dy[CT__MAX_OUTPUTS];
    ct_shape lead;
    if (!op->definition.vjp)
        return ct__fail(CT_ERROR_GRAPH, c->op->name, "it was registered without a VJP, so no gradient goes back through it%s",
                        op->definition.jvp ? "; it has forward mode (ct_jvp)" : "");
    for (int i = own_outputs(c); i < c->n_out; i++) {
        if (g[i]) return ct__fail_saved(c->op);
    }
    if (!cotangents(c, g, dy, &lead)) return false;
    for (int i = 0; i < c->n_in; i++) gx[i] = NULL;
    const ct_operation_call call = view_of(c, c->in, need, c->in_shapes);
    const bool failed = ct__self.failed;
    const int64_t reads = ct__self.reads;
    bool ok = outcome(c, "vjp", op->definition.vjp(&call, dy, gx), failed);
    for (int i = 0; i < c->n_in; i++) {
        if (!need[i]) gx[i] = NULL; /* nobody asked for it */
        else ok = ok && check_dx(c, gx[i], i, lead);
    }
    if (ok && ct__self.reads != reads && differentiated()) ok = put_guards(c, gx, c->n_in, dy, own_outputs(c), c->in, c->n_in);
    return ok;
}

/* ---- JVP ---- */

/* Room for the operands of a forward-mode rule. */
typedef struct operands {
    ct_tensor **in, **dx;
    bool *needed;
    ct_shape *shapes;
    size_t bytes;
} operands;

static bool operands_get(const ct_call *c, operands *o)
{
    const size_t n = (size_t)c->n_in;
    o->bytes = n * (2 * sizeof *o->in + sizeof *o->shapes + sizeof *o->needed) + 1;
    char *room = ct__pool_get(o->bytes);
    if (!room) return ct__fail_memory(c->op->name, o->bytes);
    o->in = (ct_tensor **)(void *)room;
    o->dx = o->in + n;
    o->shapes = (ct_shape *)(void *)(o->dx + n);
    o->needed = (bool *)(void *)(o->shapes + n);
    return true;
}

/* Kept inputs only, and dx[] without gaps: zeros where there is no tangent. */
static bool tangents(const ct_call *c, ct_tensor *const *dx, operands *o, ct_shape *lead)
{
    const ct_shape *shapes = shapes_of(c, o->shapes);
    ct_dtype dtype = CT_F32;
    for (int i = 0; i < c->n_in; i++) {
        o->in[i] = ct__keeps_input(c->op, i) ? c->in[i] : NULL;
        o->dx[i] = dx[i];
        o->needed[i] = dx[i] != NULL;
        if (!dx[i]) continue;
        *lead = leading(dx[i], (int)shapes[i].rank);
        dtype = dx[i]->dtype;
    }
    for (int i = 0; i < c->n_in; i++) {
        const ct_dtype own = c->in[i] ? (ct_dtype)c->in[i]->dtype : dtype;
        if (dx[i] || !ct__is_float(own)) continue;
        o->dx[i] = ct_zeros(joined(*lead, shapes[i]), own);
        if (!o->dx[i]) return false;
    }
    return true;
}

static bool check_dy(const ct_call *c, const ct_tensor *dy, int i, ct_shape lead)
{
    const header *h = header_of(c);
    if (!dy) return ct__fail(CT_ERROR_NULL, c->op->name, "its jvp left dy[%d] unset; where it is zero, ct_zeros says so", i);
    const bool known = c->out[i] || c->out_shapes;
    const ct_shape own = c->out[i] ? ct__shape(c->out[i]) : c->out_shapes ? c->out_shapes[i] : leading(dy, (int)lead.rank);
    if (known ? !ct__shape_equal(ct__shape(dy), joined(lead, own)) : dy->rank != lead.rank + h->rank[i])
        return ct__fail(CT_ERROR_SHAPE, c->op->name, "its jvp made dy[%d] %s; expected %s, as the output%s", i,
                        ct__describe(dy), known ? ct__describe_shape(joined(lead, own)) : "as many axes",
                        lead.rank ? " behind the leading axes of dx" : "");
    if (dy->dtype != h->dtype[i])
        return ct__fail(CT_ERROR_DTYPE, c->op->name, "its jvp made dy[%d] %s; expected %s, as the output; ct_cast?", i,
                        ct__describe(dy), ct_dtype_name((ct_dtype)h->dtype[i]));
    return true;
}

static bool run_jvp(const ct_call *c, ct_tensor *const *dx, ct_tensor **dy)
{
    const ct_custom *op = custom_of(c);
    operands o = {0};
    ct_shape lead = {.rank = 0};
    if (!op->definition.jvp)
        return ct__fail(CT_ERROR_GRAPH, c->op->name, "it was registered without a JVP, so no tangent goes forward through it%s",
                        op->definition.vjp ? "; it has reverse mode" : "");
    if (!operands_get(c, &o)) return false;
    bool ok = tangents(c, dx, &o, &lead);
    ct_operation_call call = view_of(c, o.in, o.needed, shapes_of(c, o.shapes));
    ct_tensor *out[CT__MAX_OUTPUTS];
    for (int i = 0; i < own_outputs(c); i++) out[i] = ct__keeps_output(c->op, i) ? c->out[i] : NULL;
    call.out = out;
    const bool failed = ct__self.failed;
    const int64_t reads = ct__self.reads;
    if (ok) ok = outcome(c, "jvp", op->definition.jvp(&call, o.dx, dy), failed);
    for (int i = 0; i < own_outputs(c); i++) {
        if (ct__is_float(header_of(c)->dtype[i])) ok = ok && check_dy(c, dy[i], i, lead);
        else dy[i] = NULL;
    }
    if (ok && ct__self.reads != reads && differentiated())
        ok = put_guards(c, dy, own_outputs(c), o.dx, c->n_in, o.in, c->n_in);
    ct__pool_put(o.in, o.bytes);
    return ok;
}

void ct__custom_connect(ct_op *op)
{
    op->view = run_forward;
    op->vjp[0] = ct__vjp_all_marker;
    op->vjp_all = run_vjp;
    op->jvp_all = run_jvp;
    op->params += HEADER;
}

/* ---- applying ---- */

static bool check_call(const ct_custom *op, ct_tensor *const *in, int n_in, const void *params)
{
    if (!in && n_in > 0) return ct__fail_null(op->op.name, "in");
    if (op->n_in >= 0 ? n_in != op->n_in : n_in < 1)
        return ct__fail(CT_ERROR_VALUE, op->op.name, "%d inputs; expected %s%d (%s)", n_in, op->n_in >= 0 ? "" : "at least ",
                        op->n_in >= 0 ? op->n_in : 1, op->definition.inputs);
    if (!params != !op->definition.params)
        return ct__fail(CT_ERROR_VALUE, op->op.name, params ? "it has no parameters; expected NULL" : "its parameters are NULL");
    for (int i = 0; i < n_in; i++) {
        if (!in[i]) return ct__fail_null(op->op.name, ct__custom_input(op, i));
    }
    return true;
}

/* With the parameters behind a header of ours. */
static bool apply(const ct_custom *op, ct_tensor *const *in, int n_in, const void *params, ct_tensor **all)
{
    uint64_t few[FEW_BYTES / 8], *blob = op->op.params <= FEW_BYTES ? few : ct__pool_get(op->op.params);
    if (!blob) return ct__fail_memory(op->op.name, op->op.params);
    memset(blob, 0, HEADER);
    if (params) memcpy((char *)blob + HEADER, params, op->definition.params);
    const bool ok = ct__apply_all(&op->op, in, n_in, blob, all);
    if (blob != few) ct__pool_put(blob, op->op.params);
    return ok;
}

bool ct_apply_all(const ct_custom *op, ct_tensor *const *in, int n_in, const void *params, ct_tensor **out)
{
    ct_tensor *all[CT__MAX_OUTPUTS];
    if (!op) return ct__fail_null("ct_apply_all", "operation");
    if (!out) return ct__fail_null(op->op.name, "out");
    const bool ok = check_call(op, in, n_in, params) && apply(op, in, n_in, params, all);
    const int n_out = op->op.outputs - op->op.saved;
    for (int i = 0; i < n_out; i++) out[i] = ok ? all[i] : NULL;
    for (int i = n_out; ok && i < op->op.outputs; i++) ct_free(all[i]); /* saved: the node holds it */
    return ok;
}

ct_tensor *ct_apply(const ct_custom *op, ct_tensor *const *in, int n_in, const void *params)
{
    ct_tensor *out[CT__MAX_OUTPUTS] = {0};
    if (!op) return ct__fail_null("ct_apply", "operation");
    if (!ct_apply_all(op, in, n_in, params, out)) return NULL;
    for (int i = 1; i < op->op.outputs - op->op.saved; i++) ct_free(out[i]);
    return out[0];
}

/* ---- a derivative from elsewhere ---- */

static bool straight_through_view(ct_call *c)
{
    const ct_tensor *value = c->in[0], *surrogate = c->in[1];
    if (!ct__same_shape(value, surrogate) || value->dtype != surrogate->dtype)
        return ct__fail(value->dtype == surrogate->dtype ? CT_ERROR_SHAPE : CT_ERROR_DTYPE, "ct_straight_through",
                        "value is %s and surrogate is %s; expected the same shape and dtype", ct__describe(value),
                        ct__describe(surrogate));
    c->out[0] = ct__tensor_bare(value);
    return c->out[0] != NULL;
}

/* y = v, but gs = g and dy = ds. Checked: test_custom.c, rounding */
const ct_op ct__op_straight_through = {
    .name = "straight_through", .inputs = 2, .view = straight_through_view, .vjp = {ct__vjp_zero, ct__vjp_same},
    .jvp = {ct__jvp_zero, ct__jvp_same}, .doc = "value, with the derivative of surrogate"};

ct_tensor *ct_straight_through(ct_tensor *value, ct_tensor *surrogate)
{
    if (!ct__check("ct_straight_through", "value", value) || !ct__check("ct_straight_through", "surrogate", surrogate))
        return NULL;
    return ct__apply(&ct__op_straight_through, (ct_tensor *[]){value, surrogate}, 2, NULL);
}
