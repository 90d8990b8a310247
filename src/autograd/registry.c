/*
 * registry.c - registering the user's operations, and the list of all operations.
 *
 * Registered operations hang in one list under a lock, newest last, and stay until the library is unloaded: a pointer to one
 * is good for the rest of the process, in every thread.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/custom.h"

enum { NAME_MAX_LENGTH = 40 }; /* fits the buffers of messages */

static struct {
    pthread_mutex_t lock;
    ct_custom *first, **end;
    int count;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER, .end = &registry.first};

/* ---- reading a definition ---- */

/* The number of names in "x, w", or CT__VARIADIC for "x..."; -2 for what is no list of names. */
static int count_names(const char *list)
{
    int n = 0;
    const char *at = list;
    while (*at == ' ') at++;
    if (!*at) return 0;
    for (;; n++) {
        while (*at == ' ') at++;
        if (!isalpha((unsigned char)*at) && *at != '_') return -2;
        while (isalnum((unsigned char)*at) || *at == '_') at++;
        if (n == 0 && strcmp(at, "...") == 0) return CT__VARIADIC;
        while (*at == ' ') at++;
        if (!*at) return n + 1;
        if (*at++ != ',') return -2;
    }
}

static bool is_name(const char *name)
{
    return strlen(name) <= NAME_MAX_LENGTH && count_names(name) == 1 && !strchr(name, ' ');
}

static bool check_definition(const ct_operation *o)
{
    if (!o) return ct__fail_null("ct_register", "operation");
    if (!o->name || !is_name(o->name))
        return ct__fail(CT_ERROR_VALUE, "ct_register", "the name is \"%.60s\"; expected a C identifier of at most %d letters",
                        o->name ? o->name : "", (int)NAME_MAX_LENGTH);
    if (!o->forward) return ct__fail(CT_ERROR_VALUE, "ct_register", "%s has no forward function", o->name);
    if (!o->inputs || count_names(o->inputs) == -2)
        return ct__fail(CT_ERROR_VALUE, "ct_register",
                        "the inputs of %s are \"%.60s\"; expected names, \"x, w\", or \"x...\" for any number", o->name,
                        o->inputs ? o->inputs : "");
    const int outputs = o->outputs ? count_names(o->outputs) : 1;
    if (outputs < 1)
        return ct__fail(CT_ERROR_VALUE, "ct_register", "the outputs of %s are \"%.60s\"; expected names, \"values, indices\"",
                        o->name, o->outputs);
    if (o->saved < 0 || outputs + o->saved > CT__MAX_OUTPUTS)
        return ct__fail(CT_ERROR_VALUE, "ct_register", "%s has %d outputs and saves %d values; expected %d together at most",
                        o->name, outputs, o->saved, (int)CT__MAX_OUTPUTS);
    if (o->params > UINT16_MAX)
        return ct__fail(CT_ERROR_VALUE, "ct_register",
                        "the parameters of %s take %zu bytes; expected %d at most (pass a tensor?)", o->name, o->params,
                        (int)UINT16_MAX);
    return true;
}

static bool same_text(const char *a, const char *b) { return !a || !b ? a == b : strcmp(a, b) == 0; }

static bool same_definition(const ct_operation *a, const ct_operation *b)
{
    return same_text(a->name, b->name) && same_text(a->inputs, b->inputs) && same_text(a->outputs, b->outputs) &&
           same_text(a->parameters, b->parameters) && same_text(a->doc, b->doc) && a->params == b->params &&
           a->saved == b->saved && a->keeps == b->keeps && a->stacks == b->stacks && a->forward == b->forward &&
           a->vjp == b->vjp && a->jvp == b->jvp;
}

/* ---- making a record ---- */

/* Copies a text to *at, which moves on. */
static const char *copy_text(char **at, const char *text)
{
    if (!text) return NULL;
    char *copy = *at;
    strcpy(copy, text);
    *at += strlen(text) + 1;
    return copy;
}

static size_t length(const char *text) { return text ? strlen(text) + 1 : 0; }

/* Cuts a list of names apart in place. */
static void cut_names(char *list, char **names, int n)
{
    for (int i = 0; i < n; i++) {
        list += strspn(list, " ,");
        names[i] = list;
        list += strcspn(list, " ,.");
        if (*list) *list++ = '\0';
    }
}

static void describe(ct_custom *c)
{
    ct_operation *d = &c->definition;
    const unsigned inputs = d->keeps & CT_KEEP_INPUTS, outputs = (d->keeps & CT_KEEP_OUTPUTS) >> 16;
    const int n_out = d->outputs ? count_names(d->outputs) : 1;
    const unsigned saved = ((1u << d->saved) - 1) << n_out;
    c->op = (ct_op){.name = d->name,
                    .inputs = CT__VARIADIC,
                    .outputs = n_out + d->saved,
                    .params = d->params,
                    .single = !d->stacks,
                    .custom = true,
                    .saved = (uint8_t)d->saved,
                    .impl = c,
                    .doc = d->doc ? d->doc : ""};
    c->op.keep_inputs = inputs;
    c->op.keep_outputs = (uint8_t)((outputs & ((1u << n_out) - 1)) | saved);
    c->op.keeps = KEEP_SHAPES | (inputs == CT_KEEP_INPUTS ? KEEP_X : 0u) | (c->op.keep_outputs ? KEEP_Z : 0u);
    c->info = (ct_operation_info){.name = d->name,
                                  .inputs = d->inputs,
                                  .parameters = d->parameters ? d->parameters : "",
                                  .doc = c->op.doc,
                                  .vjp = d->vjp != NULL,
                                  .jvp = d->jvp != NULL,
                                  .custom = c};
    ct__custom_connect(&c->op);
}

static void free_custom(ct_custom *c)
{
    free(c->text);
    free(c->input_names);
    free(c);
}

static ct_custom *make(const ct_operation *o)
{
    const int n = count_names(o->inputs), names = n < 0 ? 1 : n;
    const size_t bytes = length(o->name) + 2 * length(o->inputs) + length(o->outputs) + length(o->parameters) + length(o->doc);
    ct_custom *c = calloc(1, sizeof *c);
    if (!c) return ct__fail_memory("ct_register", sizeof *c);
    c->text = malloc(bytes);
    c->input_names = malloc(((size_t)names + 1) * sizeof *c->input_names);
    if (!c->text || !c->input_names) {
        free_custom(c);
        return ct__fail_memory("ct_register", bytes);
    }
    char *at = c->text;
    c->n_in = n;
    c->definition = *o;
    c->definition.name = copy_text(&at, o->name);
    c->definition.inputs = copy_text(&at, o->inputs);
    c->definition.outputs = copy_text(&at, o->outputs);
    c->definition.parameters = copy_text(&at, o->parameters);
    c->definition.doc = copy_text(&at, o->doc);
    char *list = at;
    copy_text(&at, o->inputs);
    cut_names(list, c->input_names, names);
    describe(c);
    return c;
}

const char *ct__custom_input(const ct_custom *op, int i) { return op->input_names[op->n_in < 0 ? 0 : i]; }

/* ---- the list ---- */

static const ct_operation_info *find_own(const char *name)
{
    int low = 0, high = ct__operations.count;
    while (low < high) {
        const int middle = (low + high) / 2, order = strcmp(name, ct__operations.info[middle].name);
        if (order == 0) return &ct__operations.info[middle];
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

static ct_custom *find_custom(const char *name)
{
    for (ct_custom *c = registry.first; c; c = c->next) {
        if (strcmp(c->definition.name, name) == 0) return c;
    }
    return NULL;
}

/* Under the lock: the operation that is there already, or a new one. */
static ct_custom *find_or_add(const ct_operation *o)
{
    ct_custom *c = find_custom(o->name);
    if (c && same_definition(&c->definition, o)) return c;
    if (c)
        return ct__fail(CT_ERROR_VALUE, "ct_register", "an operation named %s is registered already, with another definition",
                        o->name);
    c = make(o);
    if (!c) return NULL;
    *registry.end = c;
    registry.end = &c->next;
    registry.count++;
    return c;
}

const ct_custom *ct_register(const ct_operation *operation)
{
    if (!check_definition(operation)) return NULL;
    if (find_own(operation->name))
        return ct__fail(CT_ERROR_VALUE, "ct_register", "the library has an operation named %s; another name?", operation->name);
    pthread_mutex_lock(&registry.lock);
    const ct_custom *c = find_or_add(operation);
    pthread_mutex_unlock(&registry.lock);
    return c;
}

int ct_operation_count(void)
{
    pthread_mutex_lock(&registry.lock);
    const int count = registry.count;
    pthread_mutex_unlock(&registry.lock);
    return ct__operations.count + count;
}

const ct_operation_info *ct_operation_at(int i)
{
    const int count = ct_operation_count();
    if (i < 0 || i >= count) return ct__fail(CT_ERROR_INDEX, "ct_operation_at", "operation %d; expected 0 to %d", i, count - 1);
    if (i < ct__operations.count) return &ct__operations.info[i];
    pthread_mutex_lock(&registry.lock);
    ct_custom *c = registry.first;
    for (i -= ct__operations.count; i > 0; i--) c = c->next;
    pthread_mutex_unlock(&registry.lock);
    return &c->info;
}

const ct_operation_info *ct_operation_find(const char *name)
{
    if (!name) return ct__fail_null("ct_operation_find", "name");
    const ct_operation_info *own = find_own(strncmp(name, "ct_", 3) == 0 ? name + 3 : name);
    if (own) return own;
    pthread_mutex_lock(&registry.lock);
    const ct_custom *c = find_custom(name);
    pthread_mutex_unlock(&registry.lock);
    return c ? &c->info : NULL;
}

__attribute__((destructor)) static void forget(void)
{
    while (registry.first) {
        ct_custom *c = registry.first;
        registry.first = c->next;
        free_custom(c);
    }
    registry.end = &registry.first;
    registry.count = 0;
}
