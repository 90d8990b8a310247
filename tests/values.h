/*
 * values.h - tests that compare whole tensors with values written out: each runs in a scope of its own and ends clean.
 */
#ifndef TESTS_VALUES_H
#define TESTS_VALUES_H

#include "support.h"

static inline int begin_test(void **state)
{
    *state = (void *)(intptr_t)ct_scope_begin();
    return 0;
}

static inline int end_test(void **state)
{
    ct_scope_end((int)(intptr_t)*state);
    assert_clean();
    return 0;
}

#define value_test(f) cmocka_unit_test_setup_teardown(f, begin_test, end_test)

/* Dtype, shape and every value: assert_tensor(t, ct_of(ct_shape(2), CT_F32, 1, 2)). */
#define assert_tensor(actual, expected) test_assert_tensor(actual, expected, __FILE__, __LINE__)
static inline void test_assert_tensor(ct_tensor *actual, ct_tensor *expected, const char *file, int line)
{
    if (actual && expected && ct_equal(actual, expected)) return;
    const ct_error_info *error = ct_error();
    if (error) print_error("%s:%d: %s\n", file, line, error->message);
    ct_tensor *const shown[] = {actual, expected};
    for (int i = 0; i < 2 && actual && expected; i++) {
        char text[1024];
        ct_format(text, sizeof text, shown[i], (ct_print_options){0});
        print_error("%s:%d: %s %s of rank %d\n%s\n", file, line, i ? "expected" : "actual", ct_dtype_name(ct_dtype_of(shown[i])),
                    ct_rank(shown[i]), text);
    }
    _fail(file, line);
}

/* 0, 1, 2, ... in row-major order. */
static inline ct_tensor *counted(ct_shape shape, ct_dtype dtype)
{
    return ct_reshape(ct_arange(0, (double)ct_shape_count(shape), 1, dtype), shape);
}

static inline ct_tensor *f64_values(ct_shape shape, const double *values)
{
    return ct_from_values(values, ct_shape_count(shape), shape, CT_F64);
}

/* assert_values(t, ct_shape(2, 2), 1, 2, 3, 4): the same for f64. */
#define assert_values(actual, shape, ...) assert_tensor(actual, f64_values(shape, (const double[]){__VA_ARGS__}))

/* The storages that making `t` takes: 0 for a view. */
#define assert_storages(number, t)                                                                                     \
    do {                                                                                                               \
        const int64_t storages_before = ct_memory().storages;                                                          \
        assert_non_null(t);                                                                                            \
        assert_int_equal(ct_memory().storages - storages_before, number);                                              \
    } while (0)

#endif
