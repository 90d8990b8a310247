/*
 * openblas.h - functions of an OpenBLAS that was loaded from a path.
 */
#ifndef BENCH_OPENBLAS_H
#define BENCH_OPENBLAS_H

#include <dlfcn.h>
#include <stdio.h>

/* A function by its name, or as PyPI's scipy-openblas32 has it. */
static inline void *openblas_function(void *library, const char *name)
{
    char prefixed[64];
    snprintf(prefixed, sizeof prefixed, "scipy_%s", name);
    void *found = dlsym(library, name);
    return found ? found : dlsym(library, prefixed);
}

#endif
