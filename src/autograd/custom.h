/*
 * custom.h (internal) - a registered operation, as its calls (custom.c) and the list of operations (registry.c) see it.
 */
#ifndef CT_CUSTOM_INTERNAL_H
#define CT_CUSTOM_INTERNAL_H

#include <cotangent/custom.h>

#include "autograd/graph.h"

struct ct_custom {
    ct_op op;                /* as the engine sees it; its .impl leads back here */
    ct_operation definition; /* with texts of its own */
    ct_operation_info info;
    int n_in; /* CT__VARIADIC for any number */
    char *text; /* the texts, one after the other */
    char **input_names;
    ct_custom *next;
};

/* The name of an input, for messages. */
const char *ct__custom_input(const ct_custom *op, int i);
/* Puts the functions that call the user's into the record. */
void ct__custom_connect(ct_op *op);

/* The library's own operations, sorted by name: filled by the operations' room. */
typedef struct ct__operation_table {
    const ct_operation_info *info;
    int count;
} ct__operation_table;
extern ct__operation_table ct__operations;

#endif
