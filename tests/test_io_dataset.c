/*
 * test_io_dataset.c - data sets, and the batches that loaders make of them.
 */
#include "io_files.h"

/* Row i of x is (i, 100 + i, 200 + i), of y it is i. */
static ct_dataset *counting(int64_t n, ct_dtype dtype_of_x)
{
    CT_SCOPE;
    ct_tensor *i = ct_arange(0, (double)n, 1, CT_I64);
    ct_tensor *columns = ct_of(ct_shape(1, 3), CT_I64, 0, 100, 200);
    ct_tensor *x = ct_cast(ct_add(ct_unsqueeze(i, 1), columns), dtype_of_x);
    return ct_dataset_new(x, i);
}

/* Every row of the batch fits its label; the labels are written to seen[]. */
static void check_batch(const ct_batch *b, ct_dtype dtype, double scale, int64_t *seen)
{
    assert_int_equal(ct_dtype_of(b->x), dtype);
    assert_int_equal(ct_dtype_of(b->y), CT_I64);
    assert_int_equal(ct_rank(b->x), 2);
    assert_int_equal(ct_dim(b->x, 0), b->size);
    assert_int_equal(ct_dim(b->x, 1), 3);
    assert_int_equal(ct_rank(b->y), 1);
    assert_int_equal(ct_dim(b->y, 0), b->size);
    for (int64_t r = 0; r < b->size; r++) {
        const int64_t label = ((const int64_t *)ct_data(b->y))[r];
        for (int c = 0; c < 3; c++)
            assert_true(fabs(ct_get(b->x, ct_index(r, c)) - scale * (double)(label + 100 * c)) < 1e-4);
        if (seen) seen[r] = label;
    }
}

/* ---- data sets ---------------------------------------------------------------------------------------- */

static void dataset_keeps_its_tensors(void **state)
{
    (void)state;
    ct_dataset *data = NULL;
    {
        CT_SCOPE;
        ct_tensor *x = ct_transpose(ct_of(ct_shape(2, 3), CT_F64, 1, 2, 3, 4, 5, 6)); /* not contiguous */
        data = ct_dataset_new(x, ct_of(ct_shape(3, 1), CT_F32, 7, 8, 9));
        assert_non_null(data);
    }
    assert_int_equal(ct_dataset_count(data), 3);
    {
        CT_SCOPE;
        assert_true(ct_equal(ct_dataset_x(data), ct_of(ct_shape(3, 2), CT_F64, 1, 4, 2, 5, 3, 6)));
        assert_true(ct_equal(ct_dataset_y(data), ct_of(ct_shape(3, 1), CT_F32, 7, 8, 9)));
    }
    ct_dataset_free(data);
    assert_clean();
}

static void dataset_holds_values_without_a_graph(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *w = ct_requires_grad(ct_of(ct_shape(2, 1), CT_F32, 1, 2), true);
        ct_dataset *data = ct_dataset_new(ct_mul(w, w), ct_of(ct_shape(2), CT_F32, 0, 1));
        ct_tensor *x = ct_dataset_x(data);
        assert_false(ct_needs_grad(x));
        assert_true(ct_equal(x, ct_of(ct_shape(2, 1), CT_F32, 1, 4)));
        ct_dataset_free(data);
    }
    assert_clean();
}

static void dataset_refuses_what_does_not_fit(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_zeros(ct_shape(3, 2), CT_F32);
        assert_null(ct_dataset_new(x, ct_zeros(ct_shape(2), CT_I64)));
        assert_error(CT_ERROR_SHAPE, "ct_dataset_new", "x is f32 [3, 2], y is i64 [2]: expected as many rows");
        assert_null(ct_dataset_new(x, ct_zeros(ct_shape(), CT_I64)));
        assert_error(CT_ERROR_SHAPE, "ct_dataset_new", "y is i64 []");
        assert_null(ct_dataset_new(NULL, x));
        assert_error(CT_ERROR_NULL, "ct_dataset_new", "x is NULL");
        assert_null(ct_dataset_new(x, NULL));
        assert_error(CT_ERROR_NULL, "ct_dataset_new", "y is NULL");
        assert_null(ct_dataset_slice(NULL, 0, 1));
        assert_error(CT_ERROR_NULL, "ct_dataset_slice", "data is NULL");
        assert_null(ct_dataset_x(NULL));
        assert_error(CT_ERROR_NULL, "ct_dataset_x", "data is NULL");
        assert_null(ct_dataset_y(NULL));
        assert_error(CT_ERROR_NULL, "ct_dataset_y", "data is NULL");
        assert_int_equal(ct_dataset_count(NULL), -1);
        assert_int_equal(ct_error()->status, CT_ERROR_NULL);
        ct_clear_error();
        ct_dataset_free(NULL);
    }
    assert_clean();
}

static void dataset_slices_live_on_their_own(void **state)
{
    (void)state;
    ct_dataset *all = counting(10, CT_F32);
    ct_dataset *train = ct_dataset_slice(all, CT_NONE, -3), *test = ct_dataset_slice(all, -3, CT_NONE);
    ct_dataset *none = ct_dataset_slice(all, 8, 2), *beyond = ct_dataset_slice(train, 5, 100);
    assert_int_equal(ct_dataset_count(all), 10);
    ct_dataset_free(all);
    assert_int_equal(ct_dataset_count(train), 7);
    assert_int_equal(ct_dataset_count(test), 3);
    assert_int_equal(ct_dataset_count(none), 0);
    assert_int_equal(ct_dataset_count(beyond), 2);
    {
        CT_SCOPE;
        assert_true(ct_equal(ct_dataset_y(test), ct_of(ct_shape(3), CT_I64, 7, 8, 9)));
        assert_true(ct_equal(ct_dataset_y(beyond), ct_of(ct_shape(2), CT_I64, 5, 6)));
        assert_true(ct_get(ct_dataset_x(test), ct_index(0, 1)) == 107);
        assert_int_equal(ct_count_of(ct_dataset_x(none)), 0);
    }
    ct_dataset_free(train);
    ct_dataset_free(test);
    ct_dataset_free(none);
    ct_dataset_free(beyond);
    assert_clean();
}

static void dataset_scale_is_for_bytes(void **state)
{
    (void)state;
    ct_dataset *bytes = NULL, *floats = counting(2, CT_F32);
    {
        CT_SCOPE;
        bytes = ct_dataset_new(ct_of(ct_shape(2, 1), CT_U8, 100, 255), ct_of(ct_shape(2), CT_U8, 3, 255));
        assert_true(ct_equal(ct_dataset_x(bytes), ct_of(ct_shape(2, 1), CT_F32, 100, 255)));
        assert_true(ct_dataset_set_scale(bytes, 0.5));
        assert_true(ct_equal(ct_dataset_x(bytes), ct_of(ct_shape(2, 1), CT_F32, 50, 127.5)));
        assert_true(ct_equal(ct_dataset_y(bytes), ct_of(ct_shape(2), CT_U8, 3, 255)));
    }
    assert_false(ct_dataset_set_scale(floats, 2));
    assert_int_equal(ct_error()->status, CT_ERROR_DTYPE);
    assert_false(ct_dataset_set_scale(bytes, 2)); /* a change of state, while an error is pending */
    ct_clear_error();
    assert_false(ct_dataset_set_scale(bytes, NAN));
    assert_int_equal(ct_error()->status, CT_ERROR_VALUE);
    ct_clear_error();
    {
        CT_SCOPE;
        assert_true(ct_get(ct_dataset_x(bytes), ct_index(0, 0)) == 50);
    }
    ct_dataset_free(bytes);
    ct_dataset_free(floats);
    assert_clean();
}

static void digits_are_what_they_are(void **state)
{
    (void)state;
    ct_dataset *digits = ct_dataset_digits();
    assert_non_null(digits);
    assert_int_equal(ct_dataset_count(digits), 1797);
    {
        CT_SCOPE;
        ct_tensor *x = ct_dataset_x(digits), *y = ct_dataset_y(digits);
        assert_int_equal(ct_dtype_of(x), CT_F32);
        assert_int_equal(ct_dim(x, 1), 64);
        static double pixels[1797 * 64], labels[1797];
        assert_true(ct_copy_values(x, pixels, 1797 * 64) && ct_copy_values(y, labels, 1797));
        /* the first image, and what numpy says of all: the sums of pixels and labels, the number of zeros */
        const double row[] = {0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0};
        for (int i = 0; i < 16; i++) assert_true(pixels[i] == row[i] / 16);
        double sum = 0, sum_of_labels = 0, largest = 0;
        int zeros = 0;
        for (int i = 0; i < 1797 * 64; i++) sum += pixels[i], largest = fmax(largest, pixels[i]);
        for (int i = 0; i < 1797; i++) sum_of_labels += labels[i], zeros += labels[i] == 0;
        assert_true(sum == 561718.0 / 16 && largest == 1 && sum_of_labels == 8070 && zeros == 178);
        assert_int_equal(ct_dtype_of(y), CT_I64);
        assert_true(ct_get(y, ct_index(0)) == 0 && ct_get(y, ct_index(9)) == 9 && ct_get(y, ct_index(-1)) == 8);
    }
    ct_dataset_free(digits);
    assert_clean();
}

/* ---- loaders ------------------------------------------------------------------------------------------ */

static void batches_in_order(void **state)
{
    (void)state;
    ct_dataset *data = counting(10, CT_F64);
    ct_loader *loader = ct_loader_new(data, 4, CT_IN_ORDER);
    assert_int_equal(ct_loader_count(loader), 3);
    for (int epoch = 0; epoch < 3; epoch++) {
        ct_batch b;
        int64_t seen[12], n = 0, index = 0;
        while (ct_loader_next(loader, &b)) {
            assert_int_equal(b.index, index++);
            assert_int_equal(b.size, b.index < 2 ? 4 : 2);
            check_batch(&b, CT_F64, 1, seen + n);
            n += b.size;
        }
        assert_int_equal(n, 10);
        for (int i = 0; i < 10; i++) assert_int_equal(seen[i], i);
        assert_null(b.x);
    }
    ct_loader_free(loader);
    ct_dataset_free(data);
    assert_clean();
}

static void batches_of_bytes_are_scaled(void **state)
{
    (void)state;
    for (int flags = 0; flags < 4; flags++) {
        ct_dataset *data = counting(50, CT_U8);
        ct_dataset_set_scale(data, 1.0 / 255);
        ct_loader *loader = ct_loader_new(data, 7, flags);
        ct_dataset_free(data); /* the loader holds it */
        ct_batch b;
        int64_t n = 0;
        while (ct_loader_next(loader, &b)) {
            check_batch(&b, CT_F32, 1.0 / 255, NULL);
            n += b.size;
        }
        assert_int_equal(n, flags & CT_DROP_LAST ? 49 : 50);
        ct_loader_free(loader);
    }
    assert_clean();
}

static void batches_dropped_and_counted(void **state)
{
    (void)state;
    static const struct {
        int64_t examples, size, whole, all;
    } cases[] = {{10, 4, 2, 3}, {8, 4, 2, 2}, {3, 4, 0, 1}, {0, 4, 0, 0}, {5, 1, 5, 5}, {5, INT64_MAX, 0, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int flags = 0; flags < 4; flags++) {
            ct_dataset *data = counting(cases[i].examples, CT_F32);
            ct_loader *loader = ct_loader_new(data, cases[i].size, flags);
            const int64_t expected = flags & CT_DROP_LAST ? cases[i].whole : cases[i].all;
            assert_int_equal(ct_loader_count(loader), expected);
            ct_batch b;
            for (int epoch = 0; epoch < 2; epoch++) {
                int64_t n = 0;
                while (ct_loader_next(loader, &b)) n++;
                assert_int_equal(n, expected);
            }
            ct_loader_free(loader);
            ct_dataset_free(data);
        }
    assert_clean();
}

/* The order of an epoch, 0 .. 99. */
static void epoch_order(ct_loader *loader, int64_t *order)
{
    ct_batch b;
    int64_t n = 0;
    while (ct_loader_next(loader, &b)) {
        check_batch(&b, CT_F32, 1, order + n);
        n += b.size;
    }
    assert_int_equal(n, 100);
    bool seen[100] = {false};
    for (int i = 0; i < 100; i++) {
        assert_in_range(order[i], 0, 99);
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
    }
}

static void shuffle_is_fixed_by_the_seed(void **state)
{
    (void)state;
    ct_dataset *data = counting(100, CT_F32);
    int64_t orders[4][3][100];
    for (int run = 0; run < 4; run++) {
        ct_seed(run == 3 ? 8 : 7);
        ct_loader *loader = ct_loader_new(data, run == 2 ? 9 : 16, CT_SHUFFLE);
        for (int epoch = 0; epoch < 3; epoch++) {
            epoch_order(loader, orders[run][epoch]);
            CT_SCOPE; /* what else draws from the thread's numbers does not change the batches */
            if (run == 1) ct_uniform(ct_shape(5), 0, 1, CT_F32);
        }
        ct_loader_free(loader);
    }
    assert_memory_equal(orders[0], orders[1], sizeof orders[0]);
    assert_memory_equal(orders[0], orders[2], sizeof orders[0]); /* the batch size does not matter either */
    assert_memory_not_equal(orders[0], orders[3], sizeof orders[0]);
    assert_memory_not_equal(orders[0][0], orders[0][1], sizeof orders[0][0]);
    assert_memory_not_equal(orders[0][1], orders[0][2], sizeof orders[0][0]);
    ct_dataset_free(data);
    assert_clean();
}

static void shuffle_of_two_loaders_differs_and_draws_once(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_dataset *data = counting(100, CT_F32);
        int64_t a[100], b[100];
        ct_seed(1);
        ct_loader *one = ct_loader_new(data, 10, CT_SHUFFLE), *other = ct_loader_new(data, 10, CT_SHUFFLE);
        ct_tensor *next = ct_uniform(ct_shape(4), 0, 1, CT_F64);
        epoch_order(one, a);
        epoch_order(other, b);
        assert_memory_not_equal(a, b, sizeof a);
        ct_seed(1);
        ct_loader *again = ct_loader_new(data, 10, CT_SHUFFLE), *ordered = ct_loader_new(data, 10, CT_IN_ORDER);
        ct_loader *third = ct_loader_new(data, 10, CT_SHUFFLE);
        epoch_order(again, b);
        assert_memory_equal(a, b, sizeof a);
        /* two seeds were drawn both times, none for the loader in order */
        assert_true(ct_equal(next, ct_uniform(ct_shape(4), 0, 1, CT_F64)));
        ct_loader_free(one);
        ct_loader_free(other);
        ct_loader_free(again);
        ct_loader_free(ordered);
        ct_loader_free(third);
        ct_dataset_free(data);
    }
    assert_clean();
}

/* Each of 5 examples comes first about as often: 4 standard deviations of a binomial around 2000 of 10000. */
static void shuffle_is_even(void **state)
{
    (void)state;
    ct_seed(3);
    ct_dataset *data = counting(5, CT_F32);
    ct_loader *loader = ct_loader_new(data, 5, CT_SHUFFLE);
    int first[5] = {0};
    ct_batch b;
    for (int epoch = 0; epoch < 10000; epoch++) {
        assert_true(ct_loader_next(loader, &b));
        first[((const int64_t *)ct_data(b.y))[0]]++;
        assert_false(ct_loader_next(loader, &b));
    }
    for (int i = 0; i < 5; i++) assert_in_range(first[i], 1840, 2160);
    ct_loader_free(loader);
    ct_dataset_free(data);
    assert_clean();
}

static void restart_begins_a_new_epoch(void **state)
{
    (void)state;
    ct_dataset *data = counting(100, CT_F32);
    int64_t whole[2][100], restarted[100];
    ct_batch b;
    for (int run = 0; run < 2; run++) {
        ct_seed(5);
        ct_loader *loader = ct_loader_new(data, 10, CT_SHUFFLE);
        if (run == 0) {
            epoch_order(loader, whole[0]);
            epoch_order(loader, whole[1]);
            assert_true(ct_loader_next(loader, &b));
        } else {
            ct_loader_restart(loader); /* before the first epoch it changes nothing */
            for (int i = 0; i < 3; i++) assert_true(ct_loader_next(loader, &b));
            assert_int_equal(b.index, 2);
            ct_loader_restart(loader);
            epoch_order(loader, restarted);
            assert_memory_equal(restarted, whole[1], sizeof restarted);
        }
        ct_loader_free(loader);
    }
    ct_dataset_free(data);
    assert_clean();
}

static void batches_stay_when_aliased(void **state)
{
    (void)state;
    enum { BATCHES = 5 };
    ct_dataset *data = counting(20, CT_U8);
    ct_loader *loader = ct_loader_new(data, 4, CT_SHUFFLE);
    ct_batch b, held[BATCHES];
    ct_tensor *copies[BATCHES];
    {
        CT_SCOPE;
        for (int i = 0; i < BATCHES; i++) {
            assert_true(ct_loader_next(loader, &b));
            held[i] = (ct_batch){ct_alias(b.x), ct_alias(b.y), b.index, b.size};
            copies[i] = ct_clone(b.x);
        }
        assert_false(ct_loader_next(loader, &b));
        while (ct_loader_next(loader, &b)) continue;
        ct_loader_free(loader);
        ct_dataset_free(data);
        for (int i = 0; i < BATCHES; i++) {
            assert_true(ct_equal(held[i].x, copies[i]));
            check_batch(&held[i], CT_F32, 1, NULL);
        }
    }
    assert_clean();
}

static void steady_state_asks_for_no_memory(void **state)
{
    (void)state;
    ct_dataset *digits = ct_dataset_digits();
    ct_loader *loader = ct_loader_new(digits, 64, CT_SHUFFLE | CT_DROP_LAST);
    ct_batch b;
    while (ct_loader_next(loader, &b)) continue;
    const int64_t before = ct_count().mallocs;
    while (ct_loader_next(loader, &b)) continue;
    if (test_pooled()) assert_int_equal(ct_count().mallocs, before);
    ct_loader_free(loader);
    ct_dataset_free(digits);
    assert_clean();
}

static void next_ends_while_an_error_is_pending(void **state)
{
    (void)state;
    ct_dataset *data = counting(4, CT_F32);
    ct_loader *loader = ct_loader_new(data, 2, CT_IN_ORDER);
    ct_batch b;
    assert_true(ct_loader_next(loader, &b));
    ct_raise(CT_ERROR_USER, "test", "pending");
    assert_false(ct_loader_next(loader, &b));
    assert_false(ct_loader_next(loader, &b));
    assert_null(b.x);
    assert_int_equal(ct_error()->status, CT_ERROR_USER);
    ct_clear_error();
    assert_true(ct_loader_next(loader, &b)); /* where it was */
    assert_int_equal(b.index, 1);
    ct_loader_free(loader);
    ct_dataset_free(data);
    assert_clean();
}

static void loader_refuses_wrong_arguments(void **state)
{
    (void)state;
    ct_dataset *data = counting(4, CT_F32);
    ct_batch b;
    assert_null(ct_loader_new(NULL, 1, 0));
    assert_error(CT_ERROR_NULL, "ct_loader_new", "data is NULL");
    assert_null(ct_loader_new(data, 0, 0));
    assert_error(CT_ERROR_VALUE, "ct_loader_new", "batch_size is 0");
    assert_null(ct_loader_new(data, 1, 4));
    assert_error(CT_ERROR_VALUE, "ct_loader_new", "flags is 4");
    assert_false(ct_loader_next(NULL, &b));
    assert_error(CT_ERROR_NULL, "ct_loader_next", "loader is NULL");
    assert_null(b.x);
    ct_loader *loader = ct_loader_new(data, 1, 0);
    assert_false(ct_loader_next(loader, NULL));
    assert_error(CT_ERROR_NULL, "ct_loader_next", "batch is NULL");
    assert_int_equal(ct_loader_count(NULL), -1);
    assert_int_equal(ct_error()->status, CT_ERROR_NULL);
    ct_clear_error();
    ct_loader_free(loader);
    ct_loader_free(NULL);
    ct_dataset_free(data);
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dataset_keeps_its_tensors),
        cmocka_unit_test(dataset_holds_values_without_a_graph),
        cmocka_unit_test(dataset_refuses_what_does_not_fit),
        cmocka_unit_test(dataset_slices_live_on_their_own),
        cmocka_unit_test(dataset_scale_is_for_bytes),
        cmocka_unit_test(digits_are_what_they_are),
        cmocka_unit_test(batches_in_order),
        cmocka_unit_test(batches_of_bytes_are_scaled),
        cmocka_unit_test(batches_dropped_and_counted),
        cmocka_unit_test(shuffle_is_fixed_by_the_seed),
        cmocka_unit_test(shuffle_of_two_loaders_differs_and_draws_once),
        cmocka_unit_test(shuffle_is_even),
        cmocka_unit_test(restart_begins_a_new_epoch),
        cmocka_unit_test(batches_stay_when_aliased),
        cmocka_unit_test(steady_state_asks_for_no_memory),
        cmocka_unit_test(next_ends_while_an_error_is_pending),
        cmocka_unit_test(loader_refuses_wrong_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
