/*
 * operations.h - a row of the table of public operations, which scripts/make_operations.py makes from the headers.
 */
#ifndef CT_OPERATIONS_INTERNAL_H
#define CT_OPERATIONS_INTERNAL_H

typedef struct ct__operation_row {
    const char *name, *inputs, *parameters, *prototype, *doc;
    void (*function)(void);
} ct__operation_row;
extern const ct__operation_row ct__operation_rows[];
extern const int ct__operation_row_count;

#endif
