/*
 * script.h (internal) - what a captured step did, as a list of actions that can be done again on the same memory.
 *
 * An action is a function and its record: which operation, on which tensors, with which numbers. While ct__self.script is set, whatever
 * computes into a tensor that others can see adds one, and pauses the script for what it does inside. Views need none: they are where
 * their storage is.
 *
 * Invariants: the tensors of actions are held bare, without a place in the graph, by two references each; those that an action makes inside
 * (a supply) as they are, by three. So none of them is ever exclusive, and an operand is written over only where its action says so
 * (ct_call.over), because nobody reads it later. Memory of a script is its own until the script is freed.
 */
#ifndef CT_SCRIPT_INTERNAL_H
#define CT_SCRIPT_INTERNAL_H

#include "tensor/tensor.h"

/* Does an action again; false with an error. */
typedef bool (*ct__act)(void *record);

/* storage.scripted: */
enum {
    CT__MADE = 1,   /* the script being written computes what is in it */
    CT__USED = 2,   /* the script being written reads or changes it, and did not make it */
    CT__PINNED = 4, /* somebody outside will have it: it shares its memory with nothing */
    CT__LEFT = 8    /* a tensor that had it took the values of another (ct_set_data), since a script used it */
};

/* A list of tensors; whose references they are, its owner knows. */
typedef struct ct__holding {
    ct_tensor **t;
    int64_t n, room;
} ct__holding;

/* An empty script that is written from now on; NULL with an error. */
ct__script *ct__script_begin(void);
/* No script is written any more. What it does is planned: tensors that only the script has and that are not needed at the same time share
 * memory. */
void ct__script_end(ct__script *s, bool plan);
/* Does everything again. False with an error; what was done before it stays. */
bool ct__script_run(ct__script *s);
void ct__script_free(ct__script *s);
int64_t ct__script_actions(const ct__script *s);

/* Adds an action to the script being written. Returns its record, zeroed; NULL with an error that makes the capture fail. */
void *ct__script_add(ct__act act, size_t bytes);
/* The same for what is done before all that was added so far. */
void *ct__script_add_first(ct__act act, size_t bytes);
/* What is called with the record of the action added last when the script is freed. */
void ct__script_drop(void (*drop)(void *record));
/* Tensors as an action holds them; NULL with an error. */
ct_tensor *ct__script_reads(ct_tensor *t);
ct_tensor *ct__script_writes(ct_tensor *t);
ct_tensor *ct__script_changes(ct_tensor *t); /* which may have been there before */
/* ct__copy and ct__fill while a script is written. */
CT__COLD void ct__script_copy(ct_tensor *dst, const ct_tensor *src);
CT__COLD void ct__script_fill(ct_tensor *t, double value);
CT__COLD void ct__script_constant(ct_tensor *t);
/* What t (NULL: none) has now was not computed: a script puts it there again each time. Returns t. */
static inline ct_tensor *ct__constant(ct_tensor *t)
{
    if (CT__UNLIKELY(ct__self.script != NULL) && t) ct__script_constant(t);
    return t;
}
/* t will be had by somebody else from the end of a replay on: it shares its memory with nothing. */
void ct__script_pin(ct_tensor *t);
/* Has nobody but the script and the caller, by one reference, a tensor that an action makes? */
bool ct__script_only(const ct_tensor *t);

/* Stops writing for a while; what it returns goes back into ct__self.script. */
static inline ct__script *ct__script_pause(void)
{
    ct__script *s = ct__self.script;
    ct__self.script = NULL;
    return s;
}
/* False, with an error, where a script is written that would not hold what the operation does. */
static inline bool ct__unscripted(const char *operation, const char *why)
{
    return CT__LIKELY(!ct__self.script) || ct__fail(CT_ERROR_GRAPH, operation, "in a step that is captured, %s", why);
}

/* ---- supplies: all new tensors of one action, handed out again when it is done again ---- */

struct ct__supply {
    ct__holding made;
    int64_t next; /* to be handed out */
    bool again;   /* they are handed out; else noted */
};

/* ct__tensor_new while there is a supply. */
CT__COLD ct_tensor *ct__supplied(const char *operation, ct_dtype dtype, int rank, const int64_t *dim);
/* Ends noting, and gives the tensors to the script being written. */
void ct__supply_close(ct__supply *s);
void ct__supply_free(ct__supply *s);

#endif
