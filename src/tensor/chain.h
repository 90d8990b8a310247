/*
 * chain.h (internal) - pointwise kernels run one after the other on a block of elements before the next block begins.
 *
 * A chain is a plain record: steps, and the registers that these write and read. What stands in memory is a register with a tensor; the
 * others are virtual: they exist for one block at a time, in first-level cache. All registers have one shape and one dtype.
 *
 * Invariant: an element's value depends on that element of the operands alone, so neither blocks nor threads can change a bit of it.
 */
#ifndef CT_CHAIN_INTERNAL_H
#define CT_CHAIN_INTERNAL_H

#include "tensor/tensor.h"

enum { CT__CHAIN_STEPS = 64, CT__CHAIN_REGISTERS = 128, CT__CHAIN_PARAMS = 6 };

/* A kernel as ct__map runs it: operand[0 .. outputs-1] are the registers that it writes, the others those that it reads. An element of
 * an only result is written after the operands at that place were read, so it may take the room of one that nobody reads later. */
typedef struct ct__chain_step {
    ct__kernel kernel;
    double params[CT__CHAIN_PARAMS]; /* what the kernel is given as such: numbers, or a record of as many bytes */
    uint8_t outputs, count, cost;
    uint8_t operand[CT__MAX_OPERANDS];
} ct__chain_step;

typedef struct ct__chain {
    int steps, registers;
    ct__chain_step step[CT__CHAIN_STEPS];
    ct_tensor *tensor[CT__CHAIN_REGISTERS]; /* NULL: virtual. One that is written is dense; one that is read has any strides */
} ct__chain;

/* A new register; t may be NULL. There must be room. */
static inline int ct__chain_register(ct__chain *c, ct_tensor *t)
{
    c->tensor[c->registers] = t;
    return c->registers++;
}

/* Runs the steps over `count` elements of a float dtype. A virtual register is written before it is read. */
void ct__chain_run(const ct__chain *c, ct_dtype dtype, int64_t count);

#endif
