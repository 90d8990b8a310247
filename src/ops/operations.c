/*
 * operations.c - the list of the library's own operations: what the headers say of each public function, joined by name with
 * the records, which say what derivatives there are.
 *
 * A function without a record is composed of others. A record without a function (the transpose of a slice) is what a graph
 * may show all the same, so it is listed too.
 */
#include "ops/operations.h"

#include <stdlib.h>
#include <string.h>

#include "autograd/custom.h"

#define CT_OP(name) extern const ct_op ct__op_##name;
#include "ops/op_list.h"
CT_OP(straight_through)
#undef CT_OP

#define CT_OP(name) &ct__op_##name,
static const ct_op *const records[] = {
#include "ops/op_list.h"
    CT_OP(straight_through)
};
#undef CT_OP

enum { RECORDS = sizeof records / sizeof *records, MOST = 2 * RECORDS };
static ct_operation_info list[MOST];

static const ct_op *record_of(const char *name)
{
    for (int i = 0; i < RECORDS; i++) {
        if (strcmp(records[i]->name, name) == 0) return records[i];
    }
    return NULL;
}

/* Has one of the inputs a derivative? */
static bool has_vjp(const ct_op *op)
{
    for (int i = 0; i < CT__MAX_INPUTS; i++) {
        if (op->vjp[i] && op->vjp[i] != ct__vjp_none) return true;
    }
    return false;
}
static bool has_jvp(const ct_op *op)
{
    for (int i = 0; i < CT__MAX_INPUTS; i++) {
        if (op->jvp[i] && op->jvp[i] != ct__jvp_none) return true;
    }
    return op->jvp_all || (op->linear && has_vjp(op));
}

static ct_operation_info of_function(const ct__operation_row *row)
{
    const ct_op *op = record_of(row->name);
    const bool flows = !strstr(row->doc, "o derivative") &&
                       !strstr(row->doc, "derivatives stop"); /* of what is composed, the header tells */
    return (ct_operation_info){.name = row->name,
                               .inputs = row->inputs,
                               .parameters = row->parameters,
                               .prototype = row->prototype,
                               .doc = row->doc,
                               .formula = op && op->doc ? op->doc : "",
                               .vjp = op ? has_vjp(op) : flows,
                               .jvp = op ? has_jvp(op) : flows,
                               .composed = !op,
                               .function = row->function};
}

static ct_operation_info of_record(const ct_op *op)
{
    static const char *const inputs[] = {"x...", "", "x", "x, y", "x, y, w"};
    return (ct_operation_info){.name = op->name,
                               .inputs = inputs[op->inputs + 1],
                               .parameters = "",
                               .doc = op->doc,
                               .formula = op->doc,
                               .vjp = has_vjp(op),
                               .jvp = has_jvp(op)};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ct_operation_info *)a)->name, ((const ct_operation_info *)b)->name);
}

static bool has_function(const ct_op *op)
{
    for (int i = 0; i < ct__operation_row_count; i++) {
        if (strcmp(ct__operation_rows[i].name, op->name) == 0) return true;
    }
    return false;
}

ct__operation_table ct__operations = {.info = list};

__attribute__((constructor)) static void fill(void)
{
    int n = 0;
    for (int i = 0; i < ct__operation_row_count && n < MOST; i++) list[n++] = of_function(&ct__operation_rows[i]);
    for (int i = 0; i < RECORDS && n < MOST; i++) {
        if (!has_function(records[i])) list[n++] = of_record(records[i]);
    }
    qsort(list, (size_t)n, sizeof *list, by_name);
    ct__operations.count = n;
}
