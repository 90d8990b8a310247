/*
 * forward.h - levels of forward mode: opening and closing one.
 */
#ifndef CT_FORWARD_INTERNAL_H
#define CT_FORWARD_INTERNAL_H

#include "autograd/graph.h"

static inline uint64_t ct__level_bit(int level) { return (uint64_t)1 << (level - 1); }
/* Opens a level and makes it active; its number, 0 with an error. */
int ct__level_open(const char *operation, uint64_t *active_before);
/* Closes the innermost level and lets its tangents go. */
void ct__level_close(uint64_t active_before);

#endif
