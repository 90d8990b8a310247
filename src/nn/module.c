/*
 * module.c - modules: a tree of named parameters and buffers with a forward function.
 *
 * A module owns its tensors (kept out of every scope, shared between threads) and its children. It has at most one parent, and
 * only a module without one can be freed or adopted, so that no module is ever freed twice. The tree is at most MAX_DEPTH high:
 * that bounds the recursion and the length of a path, which therefore fits a buffer on the stack.
 */
#include "nn.h"

#include <cotangent/inspect.h>


#include <inttypes.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 64, MAX_DEPTH = 64, PATH_SIZE = NAME_SIZE * MAX_DEPTH };

typedef struct entry entry;
struct entry {
    char name[NAME_SIZE];
    ct__nn_shared *own;
    ct_tensor *cast;        /* what a cast under way will put in its place; NULL else */
    bool is_parameter;
    entry *next;
};

struct ct_module {
    const char *kind;
    ct_forward_function forward;
    void (*release)(void *state);
    bool training;
    char name[NAME_SIZE]; /* in the parent */
    ct_module *parent, *next, *children;
    entry *entries;
    int height; /* 1 without children */
    size_t state_size;
    alignas(max_align_t) unsigned char state[];
};

/* ---- text for messages -------------------------------------------------------------------------------- */

ct__nn_text ct__nn_shape_text(ct_shape shape)
{
    ct__nn_text t;
    int at = snprintf(t.text, sizeof t.text, "[");
    for (int64_t i = 0; i < shape.rank; i++)
        at += snprintf(t.text + at, sizeof t.text - (size_t)at, "%s%" PRId64, i ? ", " : "", shape.dim[i]);
    snprintf(t.text + at, sizeof t.text - (size_t)at, "]");
    return t;
}

ct__nn_text ct__nn_describe(const ct_tensor *t)
{
    const ct__nn_text shape = ct__nn_shape_text(ct_shape_get(t));
    ct__nn_text all;
    snprintf(all.text, sizeof all.text, "%s %.180s", ct_dtype_name(ct_dtype_of(t)), shape.text);
    return all;
}

/* ---- tensors with several owners ---------------------------------------------------------------------- */

ct__nn_shared *ct__nn_share(const char *operation, ct_tensor *t)
{
    if (!t) return NULL;
    ct__nn_shared *s = malloc(sizeof *s);
    if (!s) {
        ct_free(t);
        ct_raise(CT_ERROR_MEMORY, operation, "no memory for a parameter");
        return NULL;
    }
    s->tensor = t;
    atomic_init(&s->owners, 1);
    return s;
}

ct__nn_shared *ct__nn_retain(ct__nn_shared *s)
{
    atomic_fetch_add(&s->owners, 1);
    return s;
}

void ct__nn_release(ct__nn_shared *s)
{
    if (!s || atomic_fetch_sub(&s->owners, 1) > 1) return;
    ct_free(s->tensor);
    free(s);
}

/* ---- making and freeing ------------------------------------------------------------------------------- */

ct_module *ct_module_new(const char *kind, ct_forward_function forward, size_t state_size)
{
    if (!kind) {
        ct_raise(CT_ERROR_NULL, "ct_module_new", "kind is NULL");
        return NULL;
    }
    ct_module *module = state_size < SIZE_MAX - sizeof *module ? calloc(1, sizeof *module + state_size) : NULL;
    if (!module) {
        ct_raise(CT_ERROR_MEMORY, "ct_module_new", "no memory for %s with a state of %zu bytes", kind, state_size);
        return NULL;
    }
    module->kind = kind;
    module->forward = forward;
    module->training = true;
    module->height = 1;
    module->state_size = state_size;
    return module;
}

void *ct_module_state(ct_module *module)
{
    if (module) return module->state;
    ct_raise(CT_ERROR_NULL, "ct_module_state", "module is NULL");
    return NULL;
}

void ct_module_on_free(ct_module *module, void (*release)(void *state))
{
    if (module) module->release = release;
    else ct_raise(CT_ERROR_NULL, "ct_module_on_free", "module is NULL");
}

static void destroy(ct_module *module)
{
    if (module->release) module->release(module->state);
    for (ct_module *child = module->children, *next; child; child = next) {
        next = child->next;
        destroy(child);
    }
    for (entry *e = module->entries, *next; e; e = next) {
        next = e->next;
        ct__nn_release(e->own);
        free(e);
    }
    free(module);
}

void ct_module_free(ct_module *module)
{
    /* a child belongs to its parent, and goes with it */
    if (module && !module->parent) destroy(module);
}

/* ---- names, parameters, buffers, children ------------------------------------------------------------- */

static bool name_is_taken(const ct_module *module, const char *name)
{
    for (const entry *e = module->entries; e; e = e->next)
        if (strcmp(e->name, name) == 0) return true;
    for (const ct_module *child = module->children; child; child = child->next)
        if (strcmp(child->name, name) == 0) return true;
    return false;
}

static bool name_is_good(const char *operation, const ct_module *module, const char *name)
{
    if (!name) return ct_raise(CT_ERROR_NULL, operation, "name is NULL");
    if (!*name) return ct_raise(CT_ERROR_VALUE, operation, "the name is empty");
    if (strlen(name) >= NAME_SIZE)
        return ct_raise(CT_ERROR_VALUE, operation, "the name \"%.40s...\" has more than %d characters", name, NAME_SIZE - 1);
    if (strchr(name, '.'))
        return ct_raise(CT_ERROR_VALUE, operation, "the name \"%s\" has a dot, which separates the names in a path", name);
    if (name_is_taken(module, name))
        return ct_raise(CT_ERROR_VALUE, operation, "%s already has something named \"%s\"", module->kind, name);
    return true;
}

/* Writes the path of a module from the top of its tree, and returns its length. */
static size_t path_to(const ct_module *module, char *path)
{
    if (!module->parent) return 0;
    size_t length = path_to(module->parent, path);
    if (length) path[length++] = '.';
    strcpy(path + length, module->name);
    return length + strlen(module->name);
}

/* Parameters are called in drawings of a graph what they are called in the tree. */
static void name_from(const ct_module *module, char *path, size_t length)
{
    if (length) path[length++] = '.';
    for (const entry *e = module->entries; e; e = e->next) {
        strcpy(path + length, e->name);
        if (e->is_parameter) ct_set_name(e->own->tensor, path);
    }
    for (const ct_module *child = module->children; child; child = child->next) {
        strcpy(path + length, child->name);
        name_from(child, path, length + strlen(child->name));
    }
}

static void name_tensors(const ct_module *module)
{
    char path[PATH_SIZE] = "";
    name_from(module, path, path_to(module, path));
}

/* A copy of t that no scope releases and that threads may share; NULL after an error. */
static ct__nn_shared *own_copy(const char *operation, ct_tensor *t, bool needs_grad)
{
    CT_SCOPE;
    CT_NO_GRAD;
    ct_tensor *copy = ct_clone(t);
    if (!copy || (needs_grad && !ct_requires_grad(copy, true)) || !ct_share(copy)) return NULL;
    return ct__nn_share(operation, ct_keep(copy));
}

static ct_tensor *add_entry(const char *operation, ct_module *module, const char *name, ct_tensor *initial, bool is_parameter)
{
    if (!module || !initial) {
        ct_raise(CT_ERROR_NULL, operation, "%s is NULL", module ? "initial" : "module");
        return NULL;
    }
    if (!name_is_good(operation, module, name)) return NULL;
    if (is_parameter && !ct__nn_is_float(initial)) {
        ct_raise(CT_ERROR_DTYPE, operation, "parameter \"%s\" of %s is %s; expected f32 or f64 (ct_cast, or ct_module_buffer)",
                 name, module->kind, ct__nn_describe(initial).text);
        return NULL;
    }
    entry *e = calloc(1, sizeof *e);
    if (!e) ct_raise(CT_ERROR_MEMORY, operation, "no memory for \"%s\"", name);
    else e->own = own_copy(operation, initial, is_parameter);
    if (!e || !e->own) {
        free(e);
        return NULL;
    }
    strcpy(e->name, name);
    e->is_parameter = is_parameter;
    entry **end = &module->entries;
    while (*end) end = &(*end)->next;
    *end = e;
    name_tensors(module);
    return e->own->tensor;
}

ct_tensor *ct_module_parameter(ct_module *module, const char *name, ct_tensor *initial)
{
    return add_entry("ct_module_parameter", module, name, initial, true);
}

ct_tensor *ct_module_buffer(ct_module *module, const char *name, ct_tensor *initial)
{
    return add_entry("ct_module_buffer", module, name, initial, false);
}

static bool is_or_is_above(const ct_module *upper, const ct_module *module)
{
    for (; module; module = module->parent)
        if (module == upper) return true;
    return false;
}

static bool may_adopt(const ct_module *module, const char *name, const ct_module *child)
{
    static const char operation[] = "ct_module_child";
    if (!module || !child) return ct_raise(CT_ERROR_NULL, operation, "%s is NULL", module ? "child" : "module");
    if (child->parent)
        return ct_raise(CT_ERROR_VALUE, operation, "%s cannot be a child of %s: it already is one of %s", child->kind,
                        module->kind, child->parent->kind);
    if (is_or_is_above(child, module))
        return ct_raise(CT_ERROR_VALUE, operation, "%s would be a child of itself", child->kind);
    int depth = 0;
    for (const ct_module *m = module; m; m = m->parent) depth++;
    if (depth + child->height > MAX_DEPTH)
        return ct_raise(CT_ERROR_VALUE, operation, "modules would be nested %d deep; at most %d are possible",
                        depth + child->height, MAX_DEPTH);
    return name_is_good(operation, module, name);
}

ct_module *ct_module_child(ct_module *module, const char *name, ct_module *child)
{
    if (!may_adopt(module, name, child)) {
        /* a child is taken over also where that fails, unless someone else owns it */
        if (!is_or_is_above(child, module)) ct_module_free(child);
        return NULL;
    }
    ct_module **end = &module->children;
    while (*end) end = &(*end)->next;
    *end = child;
    child->parent = module;
    strcpy(child->name, name);
    int height = child->height;
    for (ct_module *m = module; m && m->height < ++height; m = m->parent) m->height = height;
    name_tensors(child);
    return child;
}

/* The mark at the end of a list of modules is a real module, so that nothing breaks where it is taken for one; having a
 * parent, it can neither be adopted nor freed. */
ct_module *ct_nn_end(void)
{
    static ct_module nobody = {.kind = "nobody", .height = 2};
    static ct_module end = {.kind = "end of list", .parent = &nobody, .height = 1};
    return &end;
}

bool ct__nn_runs(const ct_module *module, ct_forward_function f) { return module->forward == f; }

/* ---- forward ------------------------------------------------------------------------------------------ */

/* Is y a handle that someone else owns, so that the caller must get another? */
static bool is_borrowed(const ct_module *module, const ct_tensor *x, const ct_tensor *y)
{
    for (const entry *e = module->entries; e; e = e->next)
        if (e->own->tensor == y) return true;
    return y == x;
}

ct_tensor *ct_forward(ct_module *module, ct_tensor *x)
{
    if (!module || !x) {
        ct_raise(CT_ERROR_NULL, "ct_forward", "%s is NULL", module ? "x" : "module");
        return NULL;
    }
    if (!module->forward) {
        ct_raise(CT_ERROR_VALUE, "ct_forward", "%s has no forward function", module->kind);
        return NULL;
    }
    CT_SCOPE;
    ct_tensor *y = module->forward(module, x);
    if (!y) {
        ct_raise(CT_ERROR_USER, "ct_forward", "the forward function of %s returned NULL for x %s", module->kind,
                 ct__nn_describe(x).text);
        return NULL;
    }
    return ct_scope_return(is_borrowed(module, x, y) ? ct_alias(y) : y);
}

/* ---- walking the tree --------------------------------------------------------------------------------- */

/* Called for every module (entry NULL) and then for each of its tensors; stops the walk where it returns false. */
typedef bool (*row_visitor)(const char *path, ct_module *module, entry *e, void *context);

/* `path` holds the module's own path, `length` characters. */
static bool walk_from(ct_module *module, char *path, size_t length, row_visitor visit, void *context)
{
    if (!visit(path, module, NULL, context)) return false;
    if (length) path[length++] = '.';
    bool go_on = true;
    for (entry *e = module->entries; e && go_on; e = e->next) {
        strcpy(path + length, e->name);
        go_on = visit(path, module, e, context);
    }
    for (ct_module *child = module->children; child && go_on; child = child->next) {
        strcpy(path + length, child->name);
        go_on = walk_from(child, path, length + strlen(child->name), visit, context);
    }
    return go_on;
}

static bool walk(const ct_module *module, row_visitor visit, void *context)
{
    char path[PATH_SIZE] = "";
    return walk_from((ct_module *)module, path, 0, visit, context);
}

typedef struct outer_visitor {
    ct_module_visitor visit;
    void *context;
} outer_visitor;

static bool visit_tensor(const char *path, ct_module *module, entry *e, void *context)
{
    (void)module;
    const outer_visitor *outer = context;
    return !e || outer->visit(path, e->own->tensor, e->is_parameter, outer->context);
}

bool ct_module_visit(const ct_module *module, ct_module_visitor visit, void *context)
{
    if (!module || !visit) return ct_raise(CT_ERROR_NULL, "ct_module_visit", "%s is NULL", module ? "visit" : "module");
    return walk(module, visit_tensor, &(outer_visitor){visit, context});
}

/* ---- questions ---------------------------------------------------------------------------------------- */

const char *ct_module_kind(const ct_module *module)
{
    if (module) return module->kind;
    ct_raise(CT_ERROR_NULL, "ct_module_kind", "module is NULL");
    return NULL;
}

typedef struct handle_list {
    ct_tensor **tensors; /* either of the two may be NULL */
    ct__nn_shared **parameters;
    int count, capacity;
} handle_list;

static bool list_parameter(const char *path, ct_module *module, entry *e, void *context)
{
    (void)path, (void)module;
    handle_list *list = context;
    if (!e || !e->is_parameter) return true;
    const int i = list->count++;
    if (list->tensors && i < list->capacity) list->tensors[i] = e->own->tensor;
    if (list->parameters && i < list->capacity) list->parameters[i] = e->own;
    return true;
}

int ct_module_parameters(const ct_module *module, ct_tensor **parameters, int capacity)
{
    if (!module) {
        ct_raise(CT_ERROR_NULL, "ct_module_parameters", "module is NULL");
        return -1;
    }
    handle_list list = {.tensors = parameters, .capacity = capacity};
    walk(module, list_parameter, &list);
    return list.count;
}

int ct__nn_parameters(const ct_module *module, ct__nn_shared **parameters, int capacity)
{
    handle_list list = {.parameters = parameters, .capacity = capacity};
    walk(module, list_parameter, &list);
    return list.count;
}

typedef struct search {
    const char *path;
    ct_tensor *found;
    char seen[256]; /* the paths there are, as many as fit, for the message */
    size_t length;
} search;

static bool search_entry(const char *path, ct_module *module, entry *e, void *context)
{
    (void)module;
    search *s = context;
    if (!e) return true;
    if (strcmp(path, s->path) == 0) {
        s->found = e->own->tensor;
        return false;
    }
    const size_t room = sizeof s->seen - s->length;
    const int more = snprintf(s->seen + s->length, room, "%s%s", s->length ? ", " : "", path);
    if ((size_t)more < room) s->length += (size_t)more;
    else s->seen[s->length] = 0;
    return true;
}

ct_tensor *ct_module_find(const ct_module *module, const char *path)
{
    if (!module || !path) {
        ct_raise(CT_ERROR_NULL, "ct_module_find", "%s is NULL", module ? "path" : "module");
        return NULL;
    }
    search s = {.path = path};
    walk(module, search_entry, &s);
    if (!s.found)
        ct_raise(CT_ERROR_VALUE, "ct_module_find", "%s has no parameter or buffer \"%.80s\"; it has %s", module->kind, path,
                 s.length ? s.seen : "none");
    return s.found;
}

static bool count_trained(const char *path, ct_module *module, entry *e, void *context)
{
    (void)path, (void)module;
    if (e && e->is_parameter && ct_needs_grad(e->own->tensor)) *(int64_t *)context += ct_count_of(e->own->tensor);
    return true;
}

int64_t ct_module_count(const ct_module *module)
{
    if (!module) {
        ct_raise(CT_ERROR_NULL, "ct_module_count", "module is NULL");
        return -1;
    }
    int64_t count = 0;
    walk(module, count_trained, &count);
    return count;
}

/* ---- changes to a whole tree -------------------------------------------------------------------------- */

static bool set_training(const char *path, ct_module *module, entry *e, void *context)
{
    (void)path;
    if (!e) module->training = *(const bool *)context;
    return true;
}

void ct_module_train(ct_module *module, bool training)
{
    if (module) walk(module, set_training, &training);
    else ct_raise(CT_ERROR_NULL, "ct_module_train", "module is NULL");
}

bool ct_module_training(const ct_module *module)
{
    if (!module) return ct_raise(CT_ERROR_NULL, "ct_module_training", "module is NULL");
    return module->training;
}

static bool set_requires_grad(const char *path, ct_module *module, entry *e, void *context)
{
    (void)path, (void)module;
    return !e || !e->is_parameter || ct_requires_grad(e->own->tensor, *(const bool *)context);
}

bool ct_module_requires_grad(ct_module *module, bool yes)
{
    if (!module) return ct_raise(CT_ERROR_NULL, "ct_module_requires_grad", "module is NULL");
    return ct_may_change_state() && walk(module, set_requires_grad, &yes);
}

/* Casting first makes all new values and only then, if none failed, puts them in place. */
static bool make_cast(const char *path, ct_module *module, entry *e, void *context)
{
    (void)path, (void)module;
    const ct_dtype dtype = *(const ct_dtype *)context;
    ct_tensor *t = e ? e->own->tensor : NULL;
    if (!e || !ct__nn_is_float(t) || ct_dtype_of(t) == dtype) return true;
    CT_NO_GRAD;
    ct_tensor *values = ct_cast(t, dtype);
    e->cast = values ? ct_keep(values) : NULL;
    return e->cast;
}

/* Takes the new values where the context says that all are there, else lets them go. */
static bool finish_cast(const char *path, ct_module *module, entry *e, void *context)
{
    (void)path, (void)module;
    if (!e || !e->cast) return true;
    const bool ok = !*(const bool *)context || ct_set_data(e->own->tensor, e->cast);
    ct_free(e->cast);
    e->cast = NULL;
    return ok;
}

bool ct_module_cast(ct_module *module, ct_dtype dtype)
{
    if (!module) return ct_raise(CT_ERROR_NULL, "ct_module_cast", "module is NULL");
    if (dtype != CT_F32 && dtype != CT_F64)
        return ct_raise(CT_ERROR_DTYPE, "ct_module_cast", "%s cannot be cast to %s: expected f32 or f64", module->kind,
                        ct_dtype_size(dtype) ? ct_dtype_name(dtype) : "a number that is no dtype");
    if (!ct_may_change_state()) return false;
    bool ok = walk(module, make_cast, &dtype);
    return walk(module, finish_cast, &ok) && ok;
}

/* ---- printing ----------------------------------------------------------------------------------------- */

/* Column widths, found by a first walk, and sums. */
typedef struct table {
    FILE *to; /* NULL while measuring */
    int path, kind, shape, values;
    int64_t parameters, trained, buffers, bytes;
} table;

static void widen(int *width, int needed)
{
    if (*width < needed) *width = needed;
}

static const char *kind_of(const ct_module *module, const entry *e)
{
    if (!e) return module->kind;
    if (!e->is_parameter) return "buffer";
    return ct_needs_grad(e->own->tensor) ? "parameter" : "frozen";
}

static bool measure_row(const char *path, ct_module *module, entry *e, void *context)
{
    table *t = context;
    widen(&t->path, (int)strlen(path));
    widen(&t->kind, (int)strlen(kind_of(module, e)));
    if (!e) return true;
    const int64_t count = ct_count_of(e->own->tensor);
    widen(&t->shape, (int)strlen(ct__nn_shape_text(ct_shape_get(e->own->tensor)).text));
    widen(&t->values, snprintf(NULL, 0, "%" PRId64, count));
    *(e->is_parameter ? &t->parameters : &t->buffers) += count;
    if (e->is_parameter && ct_needs_grad(e->own->tensor)) t->trained += count;
    t->bytes += count * (int64_t)ct_dtype_size(ct_dtype_of(e->own->tensor));
    return true;
}

static bool print_row(const char *path, ct_module *module, entry *e, void *context)
{
    const table *t = context;
    if (!e) return fprintf(t->to, "%-*s  %s\n", t->path, path, module->kind) >= 0;
    return fprintf(t->to, "%-*s  %-*s  %-*s  %-5s  %*" PRId64 "\n", t->path, path, t->kind, kind_of(module, e), t->shape,
                   ct__nn_shape_text(ct_shape_get(e->own->tensor)).text, ct_dtype_name(ct_dtype_of(e->own->tensor)), t->values,
                   ct_count_of(e->own->tensor)) >= 0;
}

static bool print_rule(const table *t)
{
    for (int i = t->path + t->kind + t->shape + t->values + 13; i > 0; i--)
        if (fputc('-', t->to) == EOF) return false;
    return fputc('\n', t->to) != EOF;
}

bool ct_module_print(FILE *to, const ct_module *module)
{
    if (!to || !module) return ct_raise(CT_ERROR_NULL, "ct_module_print", "%s is NULL", to ? "module" : "to");
    table t = {.path = 4, .kind = 4, .shape = 5, .values = 6};
    walk(module, measure_row, &t);
    t.to = to;
    bool ok = fprintf(to, "%-*s  %-*s  %-*s  %-5s  %*s\n", t.path, "path", t.kind, "kind", t.shape, "shape", "dtype", t.values,
                      "values") >= 0;
    ok = ok && print_rule(&t) && walk(module, print_row, &t) && print_rule(&t);
    ok = ok && fprintf(to, "%" PRId64 " parameters, %" PRId64 " trained; %" PRId64 " values in buffers; %" PRId64 " bytes\n",
                       t.parameters, t.trained, t.buffers, t.bytes) >= 0;
    return ok || ct_raise(CT_ERROR_FILE, "ct_module_print", "writing the table of %s failed", module->kind);
}
