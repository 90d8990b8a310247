/*
 * test_io_idx.c - IDX files: every type and rank, plain and gzipped; and that no damage to a file does more than raise an error.
 */
#include "io_files.h"

/* ---- what is right ------------------------------------------------------------------------------------ */

typedef struct sample {
    const char *name;
    const unsigned char *bytes;
    size_t size;
    ct_dtype dtype;
    ct_shape shape;
    double values[6];
} sample;

#define BYTES(...) (const unsigned char[]){__VA_ARGS__}, sizeof((const unsigned char[]){__VA_ARGS__})
static const sample samples[] = {
    {"u8", BYTES(0, 0, 8, 1, 0, 0, 0, 3, 0, 127, 255), CT_U8, {{{1, 3}}}, {0, 127, 255}},
    {"i8", BYTES(0, 0, 9, 1, 0, 0, 0, 4, 0, 127, 128, 255), CT_I32, {{{1, 4}}}, {0, 127, -128, -1}},
    {"i16", BYTES(0, 0, 11, 1, 0, 0, 0, 3, 1, 2, 0x80, 0, 0xff, 0xfe), CT_I32, {{{1, 3}}}, {258, -32768, -2}},
    {"i32", BYTES(0, 0, 12, 1, 0, 0, 0, 2, 0, 1, 0, 2, 0xff, 0xff, 0xff, 0xff), CT_I32, {{{1, 2}}}, {65538, -1}},
    {"f32", BYTES(0, 0, 13, 1, 0, 0, 0, 2, 0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0), CT_F32, {{{1, 2}}}, {1, -2.5}},
    {"f64", BYTES(0, 0, 14, 1, 0, 0, 0, 1, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0), CT_F64, {{{1, 1}}}, {-1.5}},
    {"rank 0", BYTES(0, 0, 8, 0, 42), CT_U8, {{{0}}}, {42}},
    {"rank 2", BYTES(0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6), CT_U8, {{{2, 2, 3}}}, {1, 2, 3, 4, 5, 6}},
    {"rank 3", BYTES(0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 9, 8, 7, 6), CT_U8, {{{3, 1, 2, 2}}}, {9, 8, 7, 6}},
    {"rank 4", BYTES(0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 5, 4), CT_U8, {{{4, 1, 2, 1, 1}}}, {5, 4}},
    {"no elements", BYTES(0, 0, 13, 2, 0, 0, 0, 0, 0, 0, 0, 7), CT_F32, {{{2, 0, 7}}}, {0}},
};
enum { SAMPLES = sizeof samples / sizeof *samples };

static void check_loaded(const sample *s, const char *path)
{
    CT_SCOPE;
    ct_tensor *t = ct_load_idx(path);
    assert_non_null(t);
    assert_int_equal(ct_dtype_of(t), s->dtype);
    const ct_shape shape = ct_shape_get(t);
    assert_int_equal(shape.rank, s->shape.rank);
    for (int i = 0; i < shape.rank; i++) assert_int_equal(shape.dim[i], s->shape.dim[i]);
    double values[6];
    assert_true(ct_copy_values(t, values, ct_count_of(t)));
    for (int i = 0; i < ct_count_of(t); i++) assert_true(values[i] == s->values[i]);
}

static void load_every_type_and_rank(void **state)
{
    (void)state;
    for (int i = 0; i < SAMPLES; i++) {
        check_loaded(&samples[i], files_write("plain", samples[i].bytes, samples[i].size));
        check_loaded(&samples[i], files_gzip("gzipped.gz", samples[i].bytes, samples[i].size));
    }
    assert_clean();
}

/* More elements than the reader's buffer holds. */
static void load_many_elements(void **state)
{
    (void)state;
    enum { N = 100003 };
    unsigned char *bytes = malloc(8 + 2 * N);
    assert_non_null(bytes);
    memcpy(bytes, (unsigned char[]){0, 0, 11, 1, N >> 24, N >> 16 & 255, N >> 8 & 255, N & 255}, 8);
    for (int i = 0; i < N; i++) {
        bytes[8 + 2 * i] = (unsigned char)(i >> 8);
        bytes[9 + 2 * i] = (unsigned char)i;
    }
    for (int gzipped = 0; gzipped < 2; gzipped++) {
        CT_SCOPE;
        ct_tensor *t = ct_load_idx((gzipped ? files_gzip : files_write)("many", bytes, 8 + 2 * N));
        assert_non_null(t);
        const int32_t *values = ct_data(t);
        for (int i = 0; i < N; i++) assert_int_equal(values[i], (int16_t)(uint16_t)i);
    }
    free(bytes);
    assert_clean();
}

static void load_without_scope_belongs_to_the_caller(void **state)
{
    (void)state;
    ct_tensor *t = ct_load_idx(files_write("plain", samples[0].bytes, samples[0].size));
    assert_non_null(t);
    assert_int_equal(ct_memory().tensors, 1);
    ct_free(t);
    assert_clean();
}

static void load_goes_on_while_an_error_is_pending(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_raise(CT_ERROR_USER, "test", "pending");
        assert_non_null(ct_load_idx(files_write("plain", samples[0].bytes, samples[0].size)));
        assert_int_equal(ct_error()->status, CT_ERROR_USER);
        ct_clear_error();
    }
    assert_clean();
}

/* ---- what is wrong ------------------------------------------------------------------------------------ */

static void expect_format_error(const void *bytes, size_t size, const char *part)
{
    assert_null(ct_load_idx(files_write("wrong", bytes, size)));
    assert_error(CT_ERROR_FORMAT, "ct_load_idx", part);
    assert_null(ct_load_idx(files_gzip("wrong.gz", bytes, size)));
    assert_error(CT_ERROR_FORMAT, "ct_load_idx", "wrong.gz");
    assert_clean();
}

static void wrong_content_says_what_was_found_and_expected(void **state)
{
    (void)state;
    expect_format_error("", 0, "too short");
    expect_format_error("\0\0\10", 3, "it has 3 bytes");
    expect_format_error("PK\3\4aaaaaaaa", 12, "begins with bytes 50 4b 03 04, expected 00 00");
    expect_format_error(BYTES(0, 0, 10, 1, 0, 0, 0, 1, 5), "type 0x0a, expected 08 (u8)");
    expect_format_error(BYTES(0, 0, 8, 9, 0, 0, 0, 1), "rank 9, expected at most 8");
    expect_format_error(BYTES(0, 0, 8, 2, 0, 0, 0, 1, 0), "9 bytes, expected 12 for rank 2");
    expect_format_error(BYTES(0, 0, 8, 1, 0, 0, 0, 3, 1, 2), "has 2 bytes after its header, expected 3 for u8 [3]");
    expect_format_error(BYTES(0, 0, 8, 1, 0, 0, 0, 1, 1, 2), "has 2 bytes after its header, expected 1 for u8 [1]");
}

static void impossible_sizes_fail_before_memory_is_asked_for(void **state)
{
    (void)state;
    ct_memory_reset_peak();
    const int64_t before = ct_memory().peak_bytes;
    expect_format_error(BYTES(0, 0, 8, 2, 0, 16, 0, 0, 0, 16, 0, 0, 1, 2, 3), "expected 1099511627776 for u8 [1048576, 1048576]");
    expect_format_error(BYTES(0, 0, 14, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255), "impossible size");
    expect_format_error(BYTES(0, 0, 14, 2, 255, 255, 255, 255, 127, 255, 255, 255), "impossible size");
    assert_int_equal(ct_memory().peak_bytes, before);
    /* the product with rows and columns is not bounded where there are no images */
    const char *images = files_write("images", BYTES(0, 0, 8, 3, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255));
    assert_null(ct_dataset_idx(images, files_write("labels", BYTES(0, 0, 8, 1, 0, 0, 0, 0))));
    assert_error(CT_ERROR_FORMAT, "ct_dataset_idx", "impossible size: u8 [0, 4294967295, 4294967295]");
    assert_clean();
}

static void files_that_cannot_be_opened(void **state)
{
    (void)state;
    assert_null(ct_load_idx(files_path("nowhere")));
    assert_error(CT_ERROR_FILE, "ct_load_idx", "nowhere\": No such file or directory");
    assert_null(ct_load_idx(files_folder));
    assert_error(CT_ERROR_FILE, "ct_load_idx", "is not a regular file");
    assert_null(ct_load_idx(NULL));
    assert_error(CT_ERROR_NULL, "ct_load_idx", "path is NULL");
    assert_clean();
}

static void cut_off_anywhere_is_an_error(void **state)
{
    (void)state;
    unsigned char packed[256];
    for (int i = 0; i < SAMPLES; i++) {
        for (size_t n = 0; n < samples[i].size; n++) {
            assert_null(ct_load_idx(files_write("cut", samples[i].bytes, n)));
            assert_error(CT_ERROR_FORMAT, "ct_load_idx", "cut\"");
            assert_clean();
        }
        const size_t size = files_read(files_gzip("whole.gz", samples[i].bytes, samples[i].size), packed, sizeof packed);
        for (size_t n = 0; n < size; n++) {
            assert_null(ct_load_idx(files_write("cut", packed, n)));
            assert_error(CT_ERROR_FORMAT, "ct_load_idx", "cut\"");
            assert_clean();
        }
    }
}

/* Loads or fails cleanly, whichever byte is changed and how. */
static void damage_anywhere_is_survived(void **state)
{
    (void)state;
    unsigned char bytes[256];
    for (int i = 0; i < SAMPLES; i++)
        for (int gzipped = 0; gzipped < 2; gzipped++) {
            const char *whole = (gzipped ? files_gzip : files_write)("whole", samples[i].bytes, samples[i].size);
            const size_t size = files_read(whole, bytes, sizeof bytes);
            for (size_t n = 0; n < 3 * size; n++) {
                const unsigned char flip = (const unsigned char[]){1, 0x80, 0xff}[n % 3];
                bytes[n / 3] ^= flip;
                ct_tensor *t = ct_load_idx(files_write("damaged", bytes, size));
                bytes[n / 3] ^= flip;
                assert_true((t != NULL) == (ct_error() == NULL));
                ct_free(t);
                ct_clear_error();
                assert_clean();
            }
        }
}

static void gzip_checksum_and_members(void **state)
{
    (void)state;
    unsigned char bytes[256];
    size_t size = files_read(files_gzip("whole.gz", samples[0].bytes, samples[0].size), bytes, sizeof bytes);
    bytes[size - 8] ^= 1; /* of the checksum */
    assert_null(ct_load_idx(files_write("checksum.gz", bytes, size)));
    assert_error(CT_ERROR_FORMAT, "ct_load_idx", "damaged gzip data");
    bytes[size - 8] ^= 1;
    /* two gzip files one after another are one */
    size = files_read(files_gzip("first.gz", samples[0].bytes, 9), bytes, sizeof bytes);
    size += files_read(files_gzip("rest.gz", samples[0].bytes + 9, samples[0].size - 9), bytes + size, sizeof bytes - size);
    check_loaded(&samples[0], files_write("joined.gz", bytes, size));
    assert_clean();
}

/* ---- pairs of files ----------------------------------------------------------------------------------- */

static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 51, 255, 102, 0, 204};
static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 3};

static void dataset_of_images_and_labels(void **state)
{
    (void)state;
    for (int gzipped = 0; gzipped < 2; gzipped++) {
        CT_SCOPE;
        ct_dataset *data = ct_dataset_idx((gzipped ? files_gzip : files_write)("images", images, sizeof images),
                                          files_write("labels", labels, sizeof labels));
        assert_non_null(data);
        assert_int_equal(ct_dataset_count(data), 2);
        const double expected[] = {0, 0.2, 1, 0.4, 0, 0.8};
        ct_tensor *x = ct_dataset_x(data);
        assert_true(ct_allclose(x, ct_from_values(expected, 6, ct_shape(2, 3), CT_F32), 1e-7, 0));
        assert_true(ct_get(x, ct_index(0, 2)) == 1);
        assert_true(ct_equal(ct_dataset_y(data), ct_of(ct_shape(2), CT_I64, 7, 3)));
        ct_dataset_free(data);
    }
    assert_clean();
}

static void pairs_that_do_not_fit(void **state)
{
    (void)state;
    const char *x = files_write("images", images, sizeof images), *y = files_write("labels", labels, sizeof labels);
    assert_null(ct_dataset_idx(y, x));
    assert_error(CT_ERROR_FORMAT, "ct_dataset_idx",
                 "labels\" is u8 [2] (type 0x08, rank 1), expected images: u8 (type 0x08) of rank 3; are images and labels");
    assert_null(ct_dataset_idx(x, x));
    assert_error(CT_ERROR_FORMAT, "ct_dataset_idx", "expected labels: u8 (type 0x08) of rank 1");
    assert_null(ct_dataset_idx(files_write("floats", samples[4].bytes, samples[4].size), y));
    assert_error(CT_ERROR_FORMAT, "ct_dataset_idx", "floats\" is f32 [2] (type 0x0d, rank 1), expected images");
    assert_null(ct_dataset_idx(x, files_write("few", BYTES(0, 0, 8, 1, 0, 0, 0, 1, 7))));
    assert_error(CT_ERROR_FORMAT, "ct_dataset_idx", "has 2 images, but ");
    assert_null(ct_dataset_idx(files_path("nowhere"), y));
    assert_error(CT_ERROR_FILE, "ct_dataset_idx", "nowhere\": No such file");
    assert_null(ct_dataset_idx(x, files_path("nowhere")));
    assert_error(CT_ERROR_FILE, "ct_dataset_idx", "nowhere\": No such file");
    assert_null(ct_dataset_idx(NULL, y));
    assert_error(CT_ERROR_NULL, "ct_dataset_idx", "images is NULL");
    assert_null(ct_dataset_idx(x, NULL));
    assert_error(CT_ERROR_NULL, "ct_dataset_idx", "labels is NULL");
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_every_type_and_rank),
        cmocka_unit_test(load_many_elements),
        cmocka_unit_test(load_without_scope_belongs_to_the_caller),
        cmocka_unit_test(load_goes_on_while_an_error_is_pending),
        cmocka_unit_test(wrong_content_says_what_was_found_and_expected),
        cmocka_unit_test(impossible_sizes_fail_before_memory_is_asked_for),
        cmocka_unit_test(files_that_cannot_be_opened),
        cmocka_unit_test(cut_off_anywhere_is_an_error),
        cmocka_unit_test(damage_anywhere_is_survived),
        cmocka_unit_test(gzip_checksum_and_members),
        cmocka_unit_test(dataset_of_images_and_labels),
        cmocka_unit_test(pairs_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, files_begin, files_end);
}
