/*
 * test_io_npy.c - .npy files: what is written is what numpy.save writes, what numpy may write is read, and no damage to a file
 * does more than raise an error.
 */
#include "io_files.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

/* ---- writing ------------------------------------------------------------------------------------------ */

/* The bytes of numpy.save: a header padded with spaces to a multiple of 64, and the elements. */
static void expect_file(const char *path, const char *dict, const void *elements, size_t size)
{
    char expected[512], found[512];
    const size_t total = (10 + strlen(dict) + 21 + 1 + 63) / 64 * 64;
    memset(expected, ' ', total);
    memcpy(expected, "\x93NUMPY\x01", 8);
    expected[8] = (char)(total - 10);
    expected[9] = 0;
    memcpy(expected + 10, dict, strlen(dict));
    expected[total - 1] = '\n';
    memcpy(expected + total, elements, size);
    assert_int_equal(files_read(path, found, sizeof found), total + size);
    assert_memory_equal(found, expected, total + size);
}

static void save_writes_what_numpy_writes(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        const char *path = files_path("saved.npy");
        assert_true(ct_save_npy(path, ct_of(ct_shape(2, 3), CT_F32, 1, 2, 3, 4, 5, 6)));
        expect_file(path, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", (float[]){1, 2, 3, 4, 5, 6}, 24);
        assert_true(ct_save_npy(path, ct_of(ct_shape(3), CT_F64, 1, 2, 3)));
        expect_file(path, "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", (double[]){1, 2, 3}, 24);
        assert_true(ct_save_npy(path, ct_of(ct_shape(), CT_I64, -2)));
        expect_file(path, "{'descr': '<i8', 'fortran_order': False, 'shape': (), }", (int64_t[]){-2}, 8);
        assert_true(ct_save_npy(path, ct_of(ct_shape(1), CT_I32, -2)));
        expect_file(path, "{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }", (int32_t[]){-2}, 4);
        assert_true(ct_save_npy(path, ct_of(ct_shape(1, 2), CT_U8, 7, 255)));
        expect_file(path, "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), }", "\7\377", 2);
        assert_true(ct_save_npy(path, ct_of(ct_shape(2), CT_BOOL, 1, 0)));
        expect_file(path, "{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", "\1\0", 2);
        assert_true(ct_save_npy(path, ct_zeros(ct_shape(0, 4), CT_F32)));
        expect_file(path, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4), }", "", 0);
    }
    assert_clean();
}

static void round_trip(ct_tensor *t)
{
    const char *path = files_path("trip.npy");
    assert_true(ct_save_npy(path, t));
    ct_tensor *back = ct_load_npy(path);
    assert_non_null(back);
    assert_true(ct_is_contiguous(back));
    assert_true(ct_equal(back, t));
}

static void round_trips_of_all_dtypes_and_ranks(void **state)
{
    (void)state;
    const ct_shape shapes[] = {ct_shape(),     ct_shape(5),       ct_shape(0),          ct_shape(2, 3),
                               ct_shape(3, 0), ct_shape(2, 3, 4), ct_shape(2, 1, 3, 2), ct_shape(1, 0, 2, 3),
                               ct_shape(1, 2, 1, 2, 1, 2, 1, 2)};
    for (int dtype = 0; dtype < CT_DTYPES; dtype++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            CT_SCOPE;
            const int64_t n = ct_shape_count(shapes[i]);
            ct_tensor *t = ct_arange(0, (double)n, 1, CT_F64);
            round_trip(ct_cast(ct_reshape(t, shapes[i]), (ct_dtype)dtype));
        }
    assert_clean();
}

static void views_are_saved_as_they_look(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *t = ct_reshape(ct_arange(0, 24, 1, CT_F32), ct_shape(2, 3, 4));
        round_trip(ct_transpose(t));
        round_trip(ct_slice(t, 2, CT_NONE, CT_NONE, -2));
        round_trip(ct_expand(ct_unsqueeze(t, 0), ct_shape(3, 2, 3, 4)));
        round_trip(ct_select(t, 1, 1));
        ct_tensor *w = ct_requires_grad(ct_clone(t), true);
        round_trip(w);
        round_trip(ct_transpose(ct_mul(w, w)));
        assert_false(ct_needs_grad(ct_load_npy(files_path("trip.npy"))));
    }
    assert_clean();
}

static void special_values_keep_their_bits(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        const uint64_t bits[] = {0x7ff8000000000001, 0xfff0000000000000, 0x8000000000000000, 1, 0x7fefffffffffffff};
        uint64_t back[5];
        assert_true(ct_save_npy(files_path("bits.npy"), ct_from(bits, ct_shape(5), CT_F64)));
        assert_true(ct_copy_out(ct_load_npy(files_path("bits.npy")), back, sizeof back));
        assert_memory_equal(back, bits, sizeof bits);
    }
    assert_clean();
}

/* ---- the old file and the new --------------------------------------------------------------------------- */

static void saving_replaces_a_file_at_once(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        const char *path = files_path("old.npy"), *link = files_path("link.npy");
        ct_tensor *old = ct_ones(ct_shape(4), CT_F32), *new = ct_zeros(ct_shape(3), CT_F32);
        struct stat info;
        assert_true(ct_save_npy(path, old));
        assert_int_equal(chmod(path, 0640), 0);
        assert_int_equal(symlink("old.npy", link), 0);
        assert_true(ct_save_npy(link, new));
        assert_true(ct_equal(ct_load_npy(path), new));
        assert_int_equal(lstat(link, &info), 0);
        assert_true(S_ISLNK(info.st_mode));
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0640);
        assert_int_equal(files_count(".tmp", false), 0);
        /* a name without a folder */
        char here[1024];
        assert_non_null(getcwd(here, sizeof here));
        assert_int_equal(chdir(files_folder), 0);
        const bool saved = ct_save_npy("plain.npy", old);
        assert_int_equal(chdir(here), 0);
        assert_true(saved);
        assert_true(ct_equal(ct_load_npy(files_path("plain.npy")), old));
    }
    assert_clean();
}

/* The disk is full after 4096 bytes, so to speak. */
static void a_failed_save_keeps_the_old_file(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        const char *path = files_path("kept.npy");
        ct_tensor *old = ct_ones(ct_shape(4), CT_F32), *new = ct_zeros(ct_shape(300, 1000), CT_F32);
        assert_true(ct_save_npy(path, old));
        struct rlimit before;
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){4096, before.rlim_max});
        const bool saved = ct_save_npy(path, new);
        setrlimit(RLIMIT_FSIZE, &before);
        signal(SIGXFSZ, handler);
        assert_false(saved);
        assert_error(CT_ERROR_FILE, "ct_save_npy", strerror(EFBIG));
        assert_true(ct_equal(ct_load_npy(path), old));
        assert_int_equal(files_count(".tmp", false), 0);
    }
    assert_clean();
}

static void save_refuses(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *t = ct_ones(ct_shape(2), CT_F32);
        assert_false(ct_save_npy(files_path("no/such/folder.npy"), t));
        assert_error(CT_ERROR_FILE, "ct_save_npy", "folder.npy\": No such file or directory");
        assert_false(ct_save_npy(files_folder, t));
        assert_error(CT_ERROR_FILE, "ct_save_npy", "not a regular file");
        assert_false(ct_save_npy("/dev/null", t));
        assert_error(CT_ERROR_FILE, "ct_save_npy", "not a regular file");
        assert_false(ct_save_npy(NULL, t));
        assert_error(CT_ERROR_NULL, "ct_save_npy", "path is NULL");
        assert_false(ct_save_npy(files_path("null.npy"), NULL));
        assert_error(CT_ERROR_NULL, "ct_save_npy", "t is NULL");
        ct_raise(CT_ERROR_USER, "test", "pending");
        assert_false(ct_save_npy(files_path("refused.npy"), t));
        ct_clear_error();
        assert_int_equal(files_count("refused", false) + files_count("null", false) + files_count(".tmp", false), 0);
    }
    assert_clean();
}

/* ---- reading what others may write ---------------------------------------------------------------------- */

/* A file by hand: version, dict, elements. */
static const char *write_npy(int version, const char *dict, const void *elements, size_t size)
{
    char bytes[1024] = "\x93NUMPY";
    const size_t n = strlen(dict), at = version == 1 ? 10 : 12;
    bytes[6] = (char)version;
    bytes[8] = (char)n;
    bytes[9] = (char)(n >> 8);
    memcpy(bytes + at, dict, n);
    memcpy(bytes + at + n, elements, size);
    return files_write("by-hand.npy", bytes, at + n + size);
}

static void dicts_as_python_would_read_them(void **state)
{
    (void)state;
    static const char *const dicts[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }    \n",
        "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}",
        "{\"descr\":\"<f4\",\"fortran_order\":False,\"shape\":(2,3,)}",
        " { 'fortran_order' :False , 'shape'\t:\n( 2 , 3 ) , 'descr' : '=f4' } ",
        "{'descr': 'f4', 'fortran_order': False, 'shape': (2L, 3L), }\n",
    };
    const float elements[] = {1, 2, 3, 4, 5, 6};
    for (size_t i = 0; i < sizeof dicts / sizeof *dicts; i++)
        for (int version = 1; version <= 3; version++) {
            CT_SCOPE;
            ct_tensor *t = ct_load_npy(write_npy(version, dicts[i], elements, sizeof elements));
            assert_non_null(t);
            assert_true(ct_equal(t, ct_of(ct_shape(2, 3), CT_F32, 1, 2, 3, 4, 5, 6)));
        }
    assert_clean();
}

static void fortran_order_is_turned(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        const int32_t e[] = {1, 2, 3, 4, 5, 6};
        ct_tensor *t = ct_load_npy(write_npy(1, "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3)}", e, sizeof e));
        assert_true(ct_equal(t, ct_of(ct_shape(2, 3), CT_I32, 1, 3, 5, 2, 4, 6)));
        assert_true(ct_is_contiguous(t));
        t = ct_load_npy(write_npy(1, "{'descr': '<i4', 'fortran_order': True, 'shape': (6,)}", e, sizeof e));
        assert_true(ct_equal(t, ct_of(ct_shape(6), CT_I32, 1, 2, 3, 4, 5, 6)));
        t = ct_load_npy(write_npy(1, "{'descr': '<i4', 'fortran_order': True, 'shape': (1, 2, 3)}", e, sizeof e));
        assert_true(ct_equal(t, ct_of(ct_shape(1, 2, 3), CT_I32, 1, 3, 5, 2, 4, 6)));
        t = ct_load_npy(write_npy(1, "{'descr': '<i4', 'fortran_order': True, 'shape': ()}", e, 4));
        assert_true(ct_equal(t, ct_of(ct_shape(), CT_I32, 1)));
        t = ct_load_npy(write_npy(1, "{'descr': '<i4', 'fortran_order': True, 'shape': (0, 3)}", e, 0));
        assert_true(ct_equal(t, ct_zeros(ct_shape(0, 3), CT_I32)));
    }
    assert_clean();
}

static void bytes_have_no_order_and_bools_two_values(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        static const char *const orders[] = {"|", "<", ">", "="};
        char dict[128];
        for (int i = 0; i < 4; i++) {
            snprintf(dict, sizeof dict, "{'descr': '%su1', 'fortran_order': False, 'shape': (3,), }", orders[i]);
            assert_true(ct_equal(ct_load_npy(write_npy(1, dict, "\0\2\377", 3)), ct_of(ct_shape(3), CT_U8, 0, 2, 255)));
            snprintf(dict, sizeof dict, "{'descr': '%sb1', 'fortran_order': False, 'shape': (3,), }", orders[i]);
            ct_tensor *t = ct_load_npy(write_npy(1, dict, "\0\2\377", 3));
            assert_memory_equal(ct_data(t), "\0\1\1", 3);
        }
    }
    assert_clean();
}

/* ---- what is wrong -------------------------------------------------------------------------------------- */

static void wrong_headers_say_what_is_wrong(void **state)
{
    (void)state;
#define DICT(descr, fortran, shape) "{'descr': " descr ", 'fortran_order': " fortran ", 'shape': " shape ", }"
    static const struct {
        const char *dict, *part;
    } cases[] = {
        {DICT("'>f4'", "False", "(2,)"), "dtype '>f4' is big-endian, expected '<f4'"},
        {DICT("'<f2'", "False", "(2,)"), "dtype is '<f2', expected one of f4, f8, i4, i8, u1, b1"},
        {DICT("''", "False", "(2,)"), "dtype is ''"},
        {DICT("'<'", "False", "(2,)"), "dtype is '<'"},
        {DICT("[('a', '<f4')]", "False", "(2,)"), "dtype is not a plain string"},
        {DICT("'<f4'", "Maybe", "(2,)"), "neither True nor False"},
        {DICT("'<f4'", "False", "(2)"), "shape is not a tuple"},
        {DICT("'<f4'", "False", "[2]"), "shape is not a tuple"},
        {DICT("'<f4'", "False", "(-2,)"), "shape is not a tuple"},
        {DICT("'<f4'", "False", "(1 2)"), "shape is not a tuple"},
        {DICT("'<f4'", "False", "(,)"), "shape is not a tuple"},
        {DICT("'<f4'", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 2)"), "tuple of at most 8 lengths"},
        {DICT("'<f4'", "False", "(99999999999999999999,)"), "shape is not a tuple"},
        {DICT("'<f4'", "False", "(4611686018427387904, 4)"), "impossible size: f32 [4611686018427387904, 4]"},
        {DICT("'<f8'", "False", "(2305843009213693952,)"), "impossible size"},
        {DICT("'<f4'", "False", "(0, 4611686018427387904, 4)"), "impossible size: f32 [0, 4611686018427387904, 4]"},
        {DICT("'<f4'", "False", "(3,)"), "has 8 bytes of elements, expected 12 for f32 [3]"},
        {DICT("'<f4'", "False", "(1,)"), "has 8 bytes of elements, expected 4 for f32 [1]"},
        {DICT("'<f4'", "False", "(1099511627776,)"), "expected 4398046511104 for f32"},
        {"{'descr': '<f4', 'fortran_order': False}", "lacks one of the keys"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "the key 'descr' twice"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", "the key 'x', expected"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", "lacks a comma after 'descr'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "goes on after the dict"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", "lacks a comma"},
        {"{'descr\n': '<f4'}", "damaged key"},
        {"('descr', '<f4')", "not a Python dict"},
        {"", "not a Python dict"},
    };
    ct_memory_reset_peak();
    const int64_t before = ct_memory().peak_bytes;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(ct_load_npy(write_npy(1, cases[i].dict, "\0\0\0\0\0\0\0\0", 8)));
        assert_error(CT_ERROR_FORMAT, "ct_load_npy", cases[i].part);
    }
    assert_int_equal(ct_memory().peak_bytes, before);
    assert_null(ct_load_npy(write_npy(4, "{}", "", 0)));
    assert_error(CT_ERROR_FORMAT, "ct_load_npy", "version 4.0, expected 1.0, 2.0 or 3.0");
    assert_null(ct_load_npy(files_write("foreign.npy", "GIF89a..........", 16)));
    assert_error(CT_ERROR_FORMAT, "ct_load_npy", "begins with bytes 47 49 46 38 39 61, not with \\x93NUMPY");
    assert_null(ct_load_npy(files_write("long.npy", "\x93NUMPY\2\0\377\377\377\177", 12)));
    assert_error(CT_ERROR_FORMAT, "ct_load_npy", "header claims 2147483647 bytes");
    assert_clean();
}

static void files_that_cannot_be_opened(void **state)
{
    (void)state;
    assert_null(ct_load_npy(files_path("nowhere.npy")));
    assert_error(CT_ERROR_FILE, "ct_load_npy", "nowhere.npy\": No such file or directory");
    assert_null(ct_load_npy(files_folder));
    assert_error(CT_ERROR_FILE, "ct_load_npy", "not a regular file");
    assert_null(ct_load_npy(NULL));
    assert_error(CT_ERROR_NULL, "ct_load_npy", "path is NULL");
    assert_clean();
}

static void cut_off_or_damaged_anywhere(void **state)
{
    (void)state;
    unsigned char bytes[512];
    size_t size;
    {
        CT_SCOPE;
        assert_true(ct_save_npy(files_path("whole.npy"), ct_of(ct_shape(2, 3), CT_I64, 1, 2, 3, 4, 5, 6)));
        size = files_read(files_path("whole.npy"), bytes, sizeof bytes);
    }
    for (size_t n = 0; n < size; n++) {
        assert_null(ct_load_npy(files_write("cut.npy", bytes, n)));
        assert_error(CT_ERROR_FORMAT, "ct_load_npy", "cut.npy\"");
        assert_clean();
    }
    for (size_t n = 0; n < 4 * size; n++) {
        const unsigned char flip = (const unsigned char[]){1, 4, 0x80, 0xff}[n % 4];
        bytes[n / 4] ^= flip;
        ct_tensor *t = ct_load_npy(files_write("damaged.npy", bytes, size));
        bytes[n / 4] ^= flip;
        assert_true((t != NULL) == (ct_error() == NULL));
        ct_free(t);
        ct_clear_error();
        assert_clean();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(save_writes_what_numpy_writes),
        cmocka_unit_test(round_trips_of_all_dtypes_and_ranks),
        cmocka_unit_test(views_are_saved_as_they_look),
        cmocka_unit_test(special_values_keep_their_bits),
        cmocka_unit_test(saving_replaces_a_file_at_once),
        cmocka_unit_test(a_failed_save_keeps_the_old_file),
        cmocka_unit_test(save_refuses),
        cmocka_unit_test(dicts_as_python_would_read_them),
        cmocka_unit_test(fortran_order_is_turned),
        cmocka_unit_test(bytes_have_no_order_and_bools_two_values),
        cmocka_unit_test(wrong_headers_say_what_is_wrong),
        cmocka_unit_test(files_that_cannot_be_opened),
        cmocka_unit_test(cut_off_or_damaged_anywhere),
    };
    return cmocka_run_group_tests(tests, files_begin, files_end);
}
