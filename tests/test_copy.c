/*
 * test_copy.c - copies and passes that are larger than caches, and turned matrices: every size of element, edges of tiles and lines, views
 * with gaps, places that are not aligned, each instruction set.
 */
#include "support.h"

#include "base/base.h"
#include "tensor/copy.h"

/* ---- turned matrices ---- */

static const ct_dtype dtypes[] = {CT_U8, CT_F32, CT_F64};
enum { DTYPES = 3 };

/* An element that tells where it stands, as bytes that differ along both axes. */
static void put(unsigned char *at, int64_t i, int64_t j, int size)
{
    for (int b = 0; b < size; b++) at[b] = (unsigned char)(7 * i + 13 * j + 31 * b + i / 37 + j / 41);
}

static bool holds(const unsigned char *at, int64_t i, int64_t j, int size)
{
    unsigned char expected[8];
    put(expected, i, j, size);
    return memcmp(at, expected, (size_t)size) == 0;
}

static const ct__copy_kernels *tables[3];
static int table_count;

static int find_tables(void **state)
{
    (void)state;
    tables[table_count++] = &ct__copy_kernels_baseline;
#ifdef CT__HAVE_X86_VARIANTS
    if (ct__isa() >= 1) tables[table_count++] = &ct__copy_kernels_avx2;
    if (ct__isa() >= 2) tables[table_count++] = &ct__copy_kernels_avx512;
#endif
    return table_count == 1 + ct__isa() ? 0 : -1; /* none is left out */
}

/* A strip of `rows` x `columns` with gaps behind its rows and a guard behind the result's, from addresses off by `shift` elements. */
static void turn(void (*kernel)(const ct__turn *t), int index, int64_t rows, int64_t columns, int64_t shift, bool stream)
{
    static const int sizes[] = {1, 4, 8};
    const int size = sizes[index];
    const int64_t gap = stream ? 64 / size : 3, from_row = columns + 5, to_row = CT__TALL_BYTES / size + gap;
    unsigned char *from = calloc((size_t)(rows * from_row + shift + 1), (size_t)size);
    unsigned char *to = aligned_alloc(64, (size_t)((columns * to_row + shift + 1) * size + 127) / 64 * 64);
    memset(to, 0xab, (size_t)((columns * to_row + shift) * size));
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) put(from + (i * from_row + j + shift) * size, i, j, size);
    }
    const int64_t to_shift = stream ? 0 : shift;
    kernel(&(ct__turn){.to = (char *)(to + to_shift * size), .from = (const char *)(from + shift * size), .to_row = to_row * size,
                       .from_row = from_row * size, .rows = rows, .columns = columns,
                       .next = columns % 2 ? (const char *)from : NULL, .stream = stream});
    for (int64_t j = 0; j < columns; j++) {
        for (int64_t i = 0; i < to_row; i++) {
            const unsigned char *at = to + (j * to_row + i + to_shift) * size;
            if (i < rows) assert_true(holds(at, i, j, size));
            else assert_int_equal(*at, 0xab); /* nothing is written beyond the rows */
        }
    }
    free(from);
    free(to);
}

static void strips_of_every_size_are_turned(void **state)
{
    (void)state;
    static const int64_t columns[] = {1, 2, 7, 8, 9, 15, 16, 17, 33, 63, 64, 65, 130};
    for (int t = 0; t < table_count; t++) {
        for (int index = 0; index < 3; index++) {
            const int64_t high = CT__TURN_BYTES / (int64_t[]){1, 4, 8}[index];
            const int64_t rows[] = {1, 3, high / 2, high - 1, high};
            for (int r = 0; r < 5; r++) {
                for (int c = 0; c < 13; c++) {
                    turn(tables[t]->turn[index], index, rows[r], columns[c], 0, false);
                    turn(tables[t]->turn[index], index, rows[r], columns[c], 1, false);
                    turn(tables[t]->turn[index], index, rows[r], columns[c], 1, true);
                    if (tables[t]->tall[index]) turn(tables[t]->tall[index], index, 2 * rows[r], columns[c], 1, true);
                }
            }
        }
    }
}

/* A matrix whose element (i, j) is put(i, j), in a view that leaves out `gap` columns at either side of the storage. */
static ct_tensor *numbered(int64_t rows, int64_t columns, int64_t gap, ct_dtype dtype)
{
    ct_tensor *whole = ct_zeros(ct_shape(rows, columns + 2 * gap), dtype);
    const int size = (int)ct_dtype_size(dtype);
    unsigned char *data = ct_data(whole);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) put(data + (i * (columns + 2 * gap) + j + gap) * size, i, j, size);
    }
    return ct_slice(whole, 1, gap, gap + columns, 1);
}

static void check_turned(ct_tensor *y, int64_t rows, int64_t columns)
{
    const int size = (int)ct_dtype_size(ct_dtype_of(y));
    const unsigned char *data = ct_data(y);
    assert_true(ct_is_contiguous(y));
    int64_t wrong = 0;
    for (int64_t j = 0; j < columns; j++) {
        for (int64_t i = 0; i < rows; i++) wrong += !holds(data + (j * rows + i) * size, i, j, size);
    }
    assert_int_equal(wrong, 0);
}

static void matrices_are_turned(void **state)
{
    (void)state;
    static const int64_t shapes[][2] = {{31, 33},  {32, 32},   {33, 31},  {1, 2000}, {2000, 1}, {100, 1000}, {1000, 100},
                                        {16, 512}, {300, 513}, {128, 64}, {129, 65}, {5, 4099}};
    for (int d = 0; d < DTYPES; d++) {
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
            CT_SCOPE;
            const int64_t rows = shapes[k][0], columns = shapes[k][1];
            for (int64_t gap = 0; gap < 2; gap++)
                check_turned(ct_contiguous(ct_transpose(numbered(rows, columns, gap, dtypes[d]))), rows, columns);
        }
    }
    assert_clean();
}

/* Axes in every order, with others between them, reversed and repeated ones among them: against element by element; and into such views. */
static void axes_in_every_order(void **state)
{
    (void)state;
    static const int orders[][4] = {{0, 1, 3, 2}, {0, 2, 3, 1}, {0, 3, 1, 2}, {0, 3, 2, 1}, {1, 3, 0, 2}, {3, 0, 1, 2},
                                    {3, 2, 1, 0}, {2, 3, 0, 1}, {3, 1, 2, 0}, {2, 0, 3, 1}, {1, 0, 2, 3}, {0, 2, 1, 3}};
    for (int d = 0; d < DTYPES; d++) {
        for (size_t k = 0; k < sizeof orders / sizeof *orders; k++) {
            CT_SCOPE;
            const int *o = orders[k];
            ct_tensor *x = ct_cast(ct_uniform(ct_shape(3, 17, 5, 40), 0, 100, CT_F64), dtypes[d]);
            if (k % 3 == 1) x = ct_flip(x, ct_axes(3));
            if (k % 3 == 2) x = ct_flip(x, ct_axes(1));
            if (k % 4 == 3) x = ct_expand(ct_slice(x, 2, 0, 1, 1), ct_shape(3, 17, 5, 40));
            ct_tensor *view = ct_permute(x, ct_axes(o[0], o[1], o[2], o[3])), *y = ct_contiguous(view);
            int64_t wrong = 0;
            for (int64_t i = 0; i < ct_count_of(y); i++) {
                int64_t at[4], rest = i;
                for (int a = 3; a >= 0; a--) at[a] = rest % ct_dim(y, a), rest /= ct_dim(y, a);
                const ct_index index = ct_index(at[0], at[1], at[2], at[3]);
                wrong += ct_get(y, index) != ct_get(view, index);
            }
            assert_int_equal(wrong, 0);
            /* and back, into a view with its axes in that order, from its own dtype and from another */
            ct_tensor *back = ct_zeros(ct_shape(3, 17, 5, 40), dtypes[d]), *cast = ct_zeros(ct_shape(3, 17, 5, 40), dtypes[d]);
            assert_true(ct_copy_(ct_permute(back, ct_axes(o[0], o[1], o[2], o[3])), y));
            assert_true(ct_copy_(ct_permute(cast, ct_axes(o[0], o[1], o[2], o[3])), ct_cast(y, CT_F64)));
            assert_true(ct_equal(back, x) && ct_equal(cast, x));
            ct_tensor *flipped = ct_zeros(ct_shape(3, 17, 5, 40), dtypes[d]);
            assert_true(ct_copy_(ct_flip(ct_permute(flipped, ct_axes(o[0], o[1], o[2], o[3])), ct_axes(1)), ct_flip(y, ct_axes(1))));
            assert_true(ct_equal(flipped, x));
        }
    }
    assert_clean();
}

/* Of 32 MB and more, in lines and not: the result goes past the caches. */
static void large_matrices_are_turned(void **state)
{
    (void)state;
    static const int64_t rows[] = {2048, 2064, 2049};
    for (int d = 0; d < DTYPES; d++) {
        for (int k = 0; k < 3; k++) {
            CT_SCOPE;
            const int64_t columns = (1 << 25) / 2048 / (int64_t)ct_dtype_size(dtypes[d]) + 1;
            for (int threads = 1; threads < 4; threads += 2) {
                ct_set_threads(threads);
                check_turned(ct_contiguous(ct_transpose(numbered(rows[k], columns, 1, dtypes[d]))), rows[k], columns);
            }
        }
    }
    ct_set_threads(0);
    assert_clean();
}

/* A copy onto itself, turned: the values are those from before. */
static void a_matrix_is_turned_in_place(void **state)
{
    (void)state;
    CT_SCOPE;
    ct_tensor *x = ct_uniform(ct_shape(70, 70), -1, 1, CT_F32), *before = ct_clone(x);
    assert_true(ct_copy_(x, ct_transpose(x)));
    for (int64_t i = 0; i < 70; i++) {
        for (int64_t j = 0; j < 70; j++) assert_true(ct_get(x, ct_index(i, j)) == ct_get(before, ct_index(j, i)));
    }
}

/* ---- passes over results that are larger than caches ---- */

static void check_sum(ct_tensor *y, ct_tensor *a, ct_tensor *b, const char *what)
{
    const int64_t rows = ct_dim(y, 0), columns = ct_dim(y, 1), b_rows = ct_dim(b, 0), b_columns = ct_dim(b, 1);
    const float *py = ct_data(y), *pa = ct_data(a), *pb = ct_data(b);
    int64_t wrong = 0;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++)
            wrong += py[i * columns + j] != pa[i * columns + j] + pb[(b_rows > 1 ? i : 0) * b_columns + (b_columns > 1 ? j : 0)];
    }
    if (wrong) print_error("%s: %lld wrong of %lld x %lld\n", what, (long long)wrong, (long long)rows, (long long)columns);
    assert_int_equal(wrong, 0);
}

/* Rows of lines, and rows that end within one; few long rows and many short ones. */
static void large_results_are_right(void **state)
{
    (void)state;
    static const int64_t shapes[][2] = {{2048, 4096}, {2049, 4097}, {7, 1200003}, {700001, 12}, {8388609, 1}};
    for (int k = 0; k < 5; k++) {
        CT_SCOPE;
        const int64_t rows = shapes[k][0], columns = shapes[k][1];
        ct_tensor *a = ct_uniform(ct_shape(rows, columns), -1, 1, CT_F32), *b = ct_uniform(ct_shape(rows, columns), -1, 1, CT_F32);
        ct_tensor *row = ct_uniform(ct_shape(1, columns), -1, 1, CT_F32), *column = ct_uniform(ct_shape(rows, 1), -1, 1, CT_F32);
        for (int threads = 1; threads < 4; threads += 2) {
            ct_set_threads(threads);
            check_sum(ct_add(a, b), a, b, "sum");
            check_sum(ct_add(a, row), a, row, "row");
            check_sum(ct_add(a, column), a, column, "column");
            ct_tensor *copy = ct_clone(a);
            assert_memory_equal(ct_data(copy), ct_data(a), (size_t)(rows * columns) * 4);
        }
    }
    ct_set_threads(0);
    assert_clean();
}

/* The rows from `first` on of what is one row, or has them. */
static ct_tensor *few_rows(ct_tensor *x, int64_t first, int64_t rows) { return ct_dim(x, 0) == 1 ? x : ct_slice(x, 0, first, first + rows, 1); }

/* What results in whole lines may take another way for, with every kind of operand on either side: the same bits as of a few rows. */
static void large_arithmetic_is_what_small_is(void **state)
{
    (void)state;
    enum { ROWS = 2050, LINE_BYTES = 16384, FEW = 3 };
    static ct_tensor *(*const operation[])(ct_tensor *, ct_tensor *) = {ct_add, ct_sub, ct_mul, ct_div};
    for (int d = 0; d < 2; d++) {
        const ct_dtype dtype = d ? CT_F64 : CT_F32;
        const int64_t columns = LINE_BYTES / (int64_t)ct_dtype_size(dtype);
        CT_SCOPE;
        ct_tensor *x = ct_uniform(ct_shape(ROWS, columns), -1, 1, dtype), *wide = ct_uniform(ct_shape(ROWS, 2 * columns), -1, 1, dtype);
        ct_tensor *others[] = {x, ct_slice(wide, 1, 3, columns + 3, 1), ct_slice(wide, 1, 0, 2 * columns, 2), ct_flip(x, ct_axes(1)),
                               ct_slice(x, 0, 7, 8, 1), ct_slice(x, 1, 5, 6, 1), ct_full(ct_shape(1, 1), 0.3, dtype)};
        for (int k = 0; k < 28; k++) {
            CT_SCOPE;
            ct_set_threads(k % 2 ? 3 : 1);
            ct_tensor *y = others[k / 4], *z = operation[k % 4](x, y), *back = operation[k % 4](y, x);
            for (int64_t r = 0; r + FEW <= ROWS; r += (ROWS - FEW) / 2) {
                ct_tensor *some_x = few_rows(x, r, FEW), *some_y = few_rows(y, r, FEW);
                assert_true(ct_equal(few_rows(z, r, FEW), operation[k % 4](some_x, some_y)));
                assert_true(ct_equal(few_rows(back, r, FEW), operation[k % 4](some_y, some_x)));
            }
        }
    }
    ct_set_threads(0);
    assert_clean();
}

/* Operands whose elements have another size than those of the result. */
static void large_results_of_mixed_sizes(void **state)
{
    (void)state;
    CT_SCOPE;
    const int64_t n = (1 << 22) + 5;
    ct_tensor *x = ct_uniform(ct_shape(n), -1, 1, CT_F64), *wide = ct_cast(ct_cast(x, CT_F32), CT_F64);
    ct_tensor *chosen = ct_where(ct_gt(x, ct_scalar(0)), x, wide);
    const double *px = ct_data(x), *pw = ct_data(wide), *pc = ct_data(chosen);
    int64_t wrong = 0;
    for (int64_t i = 0; i < n; i++) wrong += pw[i] != (double)(float)px[i] || pc[i] != (px[i] > 0 ? px[i] : pw[i]);
    assert_int_equal(wrong, 0);
}

/* Rows that are no whole lines, of views with gaps between them: what they are of copies without, for any number of threads. */
static void large_results_of_views(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {{2049, 4097, 3}, {30011, 301, 200}, {140003, 61, 1}, {3, 3000001, 5}};
    for (int k = 0; k < 4; k++) {
        CT_SCOPE;
        const int64_t rows = shapes[k][0], columns = shapes[k][1], gap = shapes[k][2];
        ct_tensor *x = ct_uniform(ct_shape(rows, columns + gap), -1, 1, CT_F32), *v = ct_slice(x, 1, gap, gap + columns, 1);
        ct_tensor *b = ct_uniform(ct_shape(columns), -1, 1, CT_F32), *dense = ct_contiguous(v);
        for (int threads = 1; threads < 4; threads += 2) {
            ct_set_threads(threads);
            ct_tensor *sum = ct_add(v, b), *back = ct_flip(ct_add(ct_flip(v, ct_axes(1)), ct_flip(b, ct_axes(0))), ct_axes(1));
            check_sum(sum, dense, ct_reshape(b, ct_shape(1, columns)), "view and row");
            assert_true(ct_equal(back, sum));
        }
    }
    ct_set_threads(0);
    assert_clean();
}

/* Into rows that others lie before and behind, on the same lines; their running sums are those of as few as stay in the caches. */
static void large_results_stay_in_their_place(void **state)
{
    (void)state;
    CT_SCOPE;
    enum { ROWS = 2100, COLUMNS = 4099, FEW = 50 };
    ct_tensor *x = ct_uniform(ct_shape(ROWS, COLUMNS), -1, 1, CT_F64), *narrow = ct_cast(x, CT_F32);
    ct_tensor *whole = ct_full(ct_shape(ROWS + 2, COLUMNS), -2, CT_F32), *rows = ct_slice(whole, 0, 1, ROWS + 1, 1);
    for (int threads = 1; threads < 4; threads += 2) {
        ct_set_threads(threads);
        assert_true(ct_fill_(whole, -2) && ct_copy_(rows, x));
        assert_true(ct_equal(rows, narrow));
        const float *at = ct_data(whole);
        for (int64_t i = 0; i < COLUMNS; i++) assert_true(at[i] == -2 && at[(ROWS + 1) * COLUMNS + i] == -2);
        ct_tensor *sums = ct_cumsum(rows, 1);
        for (int64_t r = 0; r < ROWS; r += ROWS - FEW)
            assert_true(ct_equal(ct_slice(sums, 0, r, r + FEW, 1), ct_cumsum(ct_slice(rows, 0, r, r + FEW, 1), 1)));
    }
    ct_set_threads(0);
}

/* What a processor of the other kind is told to fetch: it changes no result. */
static ct__processor_kind as_here;
static int fetch_as_others(void **state)
{
    (void)state;
    ct__isa();
    as_here = ct__processor;
    ct__processor = ct__processor_kinds[as_here.ahead.first == ct__processor_kinds[0].ahead.first];
    return 0;
}
static int fetch_as_here(void **state)
{
    (void)state;
    ct__processor = as_here;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strips_of_every_size_are_turned), cmocka_unit_test(matrices_are_turned),
        cmocka_unit_test(axes_in_every_order),             cmocka_unit_test(large_matrices_are_turned),       cmocka_unit_test(a_matrix_is_turned_in_place),
        cmocka_unit_test(large_results_are_right),         cmocka_unit_test(large_arithmetic_is_what_small_is), cmocka_unit_test(large_results_of_mixed_sizes),
        cmocka_unit_test(large_results_of_views),          cmocka_unit_test(large_results_stay_in_their_place),
        cmocka_unit_test_setup_teardown(strips_of_every_size_are_turned, fetch_as_others, fetch_as_here),
        cmocka_unit_test_setup_teardown(large_results_are_right, fetch_as_others, fetch_as_here),
    };
    return cmocka_run_group_tests(tests, find_tables, NULL);
}
