/*
 * families.c - the rows of bench_rows: all of them, of which `library` are ours.
 */
#include "bench.h"

#include <stddef.h>

const bench_row *const bench_families[] = {bench_mlp_rows,      bench_composed_rows, bench_single_rows,   bench_product_rows,
                                           bench_function_rows, bench_pass_rows,     bench_hardware_rows, NULL};
const char *const bench_own = "library";
