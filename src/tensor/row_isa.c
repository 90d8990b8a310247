/*
 * row_isa.c - functions of rows for one instruction set; compiled once for each, with CT__ISA naming it.
 *
 * row_kernel.h holds them, once; here it is included for f32 and f64, and the table at the end collects them.
 */
#include "tensor/row.h"
#include "tensor/vmath.h"

#include <float.h>
#include <string.h>

#ifndef CT__CONCAT
#define CT__CONCAT(a, b) CT__CONCAT_EXPANDED(a, b)
#define CT__CONCAT_EXPANDED(a, b) a##b
#endif

#define T float
#define I int32_t
#define HUGE FLT_MAX
#define SUFFIX f32
#include "tensor/row_kernel.h"

#define T double
#define I int64_t
#define HUGE DBL_MAX
#define SUFFIX f64
#include "tensor/row_kernel.h"

#define ROW(name) {name##_f32, name##_f64}

const ct__row_kernels CT__CONCAT(ct__row_kernels_, CT__ISA) = {
    .of = {[CT__SOFTMAX] = ROW(softmax),
            [CT__LOG_SOFTMAX] = ROW(log_softmax),
            [CT__LOGSUMEXP] = ROW(logsumexp),
            [CT__SOFTMAX_VJP] = ROW(softmax_vjp),
            [CT__LOG_SOFTMAX_VJP] = ROW(log_softmax_vjp),
            [CT__LOGSUMEXP_VJP] = ROW(logsumexp_vjp),
            [CT__CROSS_ENTROPY] = ROW(cross_entropy),
            [CT__CROSS_ENTROPY_VJP] = ROW(cross_entropy_vjp)},
};
