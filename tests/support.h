/*
 * support.h - what all tests share: cmocka, the library, and the two checks that end every test.
 */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cotangent/cotangent.h>

/* Nothing pending and nothing alive: the end of every test. */
#define assert_clean() test_assert_clean(__FILE__, __LINE__)
static inline void test_assert_clean(const char *file, int line)
{
    const ct_error_info *error = ct_error();
    if (error) print_error("%s:%d: pending error: %s\n", file, line, error->message);
    if (ct_report(NULL)) _fail(file, line);
    const ct_memory_info m = ct_memory();
    if (m.tensors || m.nodes || m.storages || m.bytes) {
        print_error("%s:%d: alive: %lld tensors, %lld nodes, %lld storages, %lld bytes\n", file, line, (long long)m.tensors,
                    (long long)m.nodes, (long long)m.storages, (long long)m.bytes);
        _fail(file, line);
    }
}

/* The pending error is of this status and operation, its message contains `part` and names a place; then it is cleared. */
#define assert_error(status, operation, part) test_assert_error(status, operation, part, __FILE__, __LINE__)
static inline void test_assert_error(ct_status status, const char *operation, const char *part, const char *file, int line)
{
    const ct_error_info *error = ct_error();
    if (!error) {
        print_error("%s:%d: no error is pending\n", file, line);
        _fail(file, line);
        return;
    }
    if (error->status != status || strcmp(error->operation, operation) != 0 || !strstr(error->message, part) ||
        !error->file || error->line <= 0) {
        print_error("%s:%d: expected status %d of %s with \"%s\" and a place, got status %d of %s at %s:%d: %s\n", file, line,
                    (int)status, operation, part, (int)error->status, error->operation, error->file ? error->file : "(no file)",
                    error->line, error->message);
        ct_clear_error();
        _fail(file, line);
    }
    ct_clear_error();
}

/* |a - b| <= epsilon; equal infinities and a pair of NaNs count as equal. */
#ifndef assert_number
#define assert_number(a, b, epsilon) test_assert_number(a, b, epsilon, __FILE__, __LINE__)
#endif
static inline void test_assert_number(double a, double b, double epsilon, const char *file, int line)
{
    if (a == b || fabs(a - b) <= epsilon || (isnan(a) && isnan(b))) return;
    print_error("%s:%d: %.17g is not %.17g to %.3g\n", file, line, a, b, epsilon);
    if (ct_error()) print_error("pending: %s\n", ct_error()->message);
    _fail(file, line);
}

/* Under valgrind, as tests/meson.build starts it, all takes 30 times as long: tests over many sizes leave some out. */
static inline bool test_under_valgrind(void)
{
    const char *pool = getenv("COTANGENT_POOL");
    return pool && strcmp(pool, "0") == 0;
}

/* Whether memory comes from the pools, so that a steady state asks the system for none. */
static inline bool test_pooled(void)
{
#ifdef CT_PLAIN_MALLOC
    return false;
#else
    return !test_under_valgrind();
#endif
}

/* max |a - b| / max |b| over n values: the measure of agreement between two gradients. */
static inline double test_relative_error(const double *a, const double *b, int64_t n)
{
    double difference = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        const double d = fabs(a[i] - b[i]);
        if (!(d <= difference)) difference = d; /* keeps a NaN */
        if (fabs(b[i]) > size) size = fabs(b[i]);
    }
    return size > 0 ? difference / size : difference;
}

/* A leaf of f64 that collects a gradient. */
static inline ct_tensor *variable(double value) { return ct_requires_grad(ct_of(ct_shape(), CT_F64, value), true); }

#endif
