/*
 * test_io_npz.c - a module's parameters and buffers in a .npz file: names, shapes and dtypes are compared before anything
 * changes, zip files of numpy's are read, and no damage to a file does more than raise an error.
 */
#include "io_files.h"

static ct_tensor *forward(ct_module *self, ct_tensor *x)
{
    (void)self;
    return ct_alias(x);
}

/* One parameter, "weight", f32 [1, 2]. */
static ct_module *tiny(double a, double b)
{
    CT_SCOPE;
    ct_module *module = ct_module_new("tiny", forward, 0);
    ct_module_parameter(module, "weight", ct_of(ct_shape(1, 2), CT_F32, a, b));
    return module;
}

/* Parameters and buffers of every dtype, in children too; their values depend on k. */
static ct_module *various(int k)
{
    CT_SCOPE;
    ct_module *module = ct_module_new("various", forward, 0), *child = ct_module_new("child", forward, 0);
    ct_module_parameter(module, "w", ct_of(ct_shape(2, 3), CT_F32, k, 2, 3, 4, 5, 6));
    ct_module_parameter(module, "b", ct_of(ct_shape(), CT_F64, k + 0.5));
    ct_module_buffer(module, "steps", ct_of(ct_shape(2), CT_I64, k, -1));
    ct_module_child(module, "hidden", child);
    ct_module_parameter(child, "weight", ct_of(ct_shape(2, 1, 2), CT_F64, 1, 2, 3, k));
    ct_module_buffer(child, "mask", ct_of(ct_shape(3), CT_BOOL, 1, 0, k > 0));
    ct_module_buffer(child, "bytes", ct_of(ct_shape(2), CT_U8, 255, k));
    ct_module_buffer(child, "none", ct_zeros(ct_shape(0, 4), CT_I32));
    return module;
}

static bool same_value(const char *path, ct_tensor *t, bool is_parameter, void *other)
{
    const ct_tensor *u = ct_module_find(other, path);
    return u && ct_equal(t, u) && ct_needs_grad(t) == is_parameter;
}

static void expect_weight(const ct_module *module, double a, double b)
{
    const ct_tensor *w = ct_module_find(module, "weight");
    assert_true(ct_get(w, ct_index(0, 0)) == a && ct_get(w, ct_index(0, 1)) == b);
}

/* ---- saving and loading --------------------------------------------------------------------------------- */

static void round_trip_of_a_module(void **state)
{
    (void)state;
    ct_module *saved = various(1), *loaded = various(0);
    const char *path = files_path("module.npz");
    assert_true(ct_module_save(saved, path));
    assert_false(ct_module_visit(loaded, same_value, saved));
    assert_true(ct_module_load(loaded, path));
    assert_true(ct_module_visit(loaded, same_value, saved));
    assert_int_equal(files_count(".tmp", false), 0);
    ct_module_free(saved);
    ct_module_free(loaded);
    assert_clean();
}

static void round_trip_of_a_network(void **state)
{
    (void)state;
    ct_module *saved = ct_nn_sequential(ct_nn_linear(3, 4), ct_nn_tanh(), ct_nn_linear(4, 2));
    ct_module *loaded = ct_nn_sequential(ct_nn_linear(3, 4), ct_nn_tanh(), ct_nn_linear(4, 2));
    {
        CT_SCOPE;
        ct_tensor *x = ct_uniform(ct_shape(5, 3), -1, 1, CT_F32);
        assert_false(ct_equal(ct_forward(saved, x), ct_forward(loaded, x)));
        assert_true(ct_module_save(saved, files_path("network.npz")));
        assert_true(ct_module_load(loaded, files_path("network.npz")));
        assert_true(ct_equal(ct_forward(saved, x), ct_forward(loaded, x)));
    }
    ct_module_free(saved);
    ct_module_free(loaded);
    assert_clean();
}

static void a_module_without_parameters(void **state)
{
    (void)state;
    ct_module *empty = ct_nn_tanh(), *module = tiny(1, 2);
    assert_true(ct_module_save(empty, files_path("empty.npz")));
    assert_true(ct_module_load(empty, files_path("empty.npz")));
    assert_false(ct_module_load(module, files_path("empty.npz")));
    assert_error(CT_ERROR_FORMAT, "ct_module_load", "no entry weight.npy");
    ct_module_free(empty);
    ct_module_free(module);
    assert_clean();
}

/* The same values give the same bytes: a stored zip of date 1980, as numpy's. */
static void saved_bytes_are_fixed(void **state)
{
    (void)state;
    unsigned char first[512], second[512];
    ct_module *module = tiny(1.5, -2);
    assert_true(ct_module_save(module, files_path("first.npz")));
    assert_true(ct_module_save(module, files_path("second.npz")));
    const size_t size = files_read(files_path("first.npz"), first, sizeof first);
    assert_int_equal(size, 30 + 10 + 136 + 46 + 10 + 22);
    assert_int_equal(files_read(files_path("second.npz"), second, sizeof second), size);
    assert_memory_equal(first, second, size);
    ct_module_free(module);
    assert_clean();
}

/* ---- numpy's files -------------------------------------------------------------------------------------- */

/* numpy.savez("...", weight=numpy.float32([[1.5, -2]])) of numpy 2.4; compressed: numpy.savez_compressed */
static const unsigned char numpy_stored[] = {
    0x50, 0x4b, 0x03, 0x04, 0x2d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x21, 0x00, 0xfd, 0xcf, 0xa5, 0x08, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0a, 0x00, 0x14, 0x00, 0x77, 0x65, 0x69, 0x67, 0x68, 0x74, 0x2e, 0x6e, 0x70, 0x79,
    0x01, 0x00, 0x10, 0x00, 0x88, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x88, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 0x01, 0x00, 0x76, 0x00, 0x7b, 0x27, 0x64, 0x65, 0x73, 0x63, 0x72, 0x27, 0x3a, 0x20,
    0x27, 0x3c, 0x66, 0x34, 0x27, 0x2c, 0x20, 0x27, 0x66, 0x6f, 0x72, 0x74, 0x72, 0x61, 0x6e, 0x5f, 0x6f, 0x72, 0x64, 0x65,
    0x72, 0x27, 0x3a, 0x20, 0x46, 0x61, 0x6c, 0x73, 0x65, 0x2c, 0x20, 0x27, 0x73, 0x68, 0x61, 0x70, 0x65, 0x27, 0x3a, 0x20,
    0x28, 0x31, 0x2c, 0x20, 0x32, 0x29, 0x2c, 0x20, 0x7d, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
    0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
    0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
    0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x0a, 0x00, 0x00, 0xc0, 0x3f, 0x00, 0x00, 0x00, 0xc0, 0x50, 0x4b, 0x01, 0x02,
    0x2d, 0x03, 0x2d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x21, 0x00, 0xfd, 0xcf, 0xa5, 0x08, 0x88, 0x00, 0x00, 0x00,
    0x88, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x00, 0x00,
    0x00, 0x00, 0x77, 0x65, 0x69, 0x67, 0x68, 0x74, 0x2e, 0x6e, 0x70, 0x79, 0x50, 0x4b, 0x05, 0x06, 0x00, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x01, 0x00, 0x38, 0x00, 0x00, 0x00, 0xc4, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const unsigned char numpy_compressed[] = {
    0x50, 0x4b, 0x03, 0x04, 0x2d, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0xfd, 0xcf, 0xa5, 0x08, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0a, 0x00, 0x14, 0x00, 0x77, 0x65, 0x69, 0x67, 0x68, 0x74, 0x2e, 0x6e, 0x70, 0x79,
    0x01, 0x00, 0x10, 0x00, 0x88, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x4d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x9b, 0xec, 0x17, 0xea, 0x1b, 0x10, 0xc9, 0xc8, 0x50, 0xc6, 0x50, 0xad, 0x9e, 0x92, 0x5a, 0x9c, 0x5c, 0xa4, 0x6e, 0xa5,
    0xa0, 0x6e, 0x93, 0x66, 0xa2, 0xae, 0xa3, 0xa0, 0x9e, 0x96, 0x5f, 0x54, 0x52, 0x94, 0x98, 0x17, 0x9f, 0x5f, 0x94, 0x92,
    0x0a, 0x12, 0x77, 0x4b, 0xcc, 0x29, 0x4e, 0x05, 0x8a, 0x17, 0x67, 0x24, 0x16, 0xa4, 0x02, 0xf9, 0x1a, 0x86, 0x3a, 0x0a,
    0x46, 0x9a, 0x3a, 0x0a, 0xb5, 0x0a, 0x64, 0x03, 0x2e, 0x06, 0x86, 0x03, 0xf6, 0x0c, 0x40, 0x02, 0x00, 0x50, 0x4b, 0x01,
    0x02, 0x2d, 0x03, 0x2d, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0xfd, 0xcf, 0xa5, 0x08, 0x4d, 0x00, 0x00,
    0x00, 0x88, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x00,
    0x00, 0x00, 0x00, 0x77, 0x65, 0x69, 0x67, 0x68, 0x74, 0x2e, 0x6e, 0x70, 0x79, 0x50, 0x4b, 0x05, 0x06, 0x00, 0x00, 0x00,
    0x00, 0x01, 0x00, 0x01, 0x00, 0x38, 0x00, 0x00, 0x00, 0x89, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static void files_of_numpy_are_read(void **state)
{
    (void)state;
    ct_module *module = tiny(0, 0);
    assert_true(ct_module_load(module, files_write("stored.npz", numpy_stored, sizeof numpy_stored)));
    expect_weight(module, 1.5, -2);
    ct_module_free(module);
    module = tiny(0, 0);
    assert_true(ct_module_load(module, files_write("compressed.npz", numpy_compressed, sizeof numpy_compressed)));
    expect_weight(module, 1.5, -2);
    ct_module_free(module);
    assert_clean();
}

/* ---- a zip by hand, to say what numpy says only of huge files ------------------------------------------------ */

typedef struct zip {
    unsigned char bytes[8192];
    size_t size;
} zip;

static void put(zip *z, int bytes, uint64_t value)
{
    for (int i = 0; i < bytes; i++) z->bytes[z->size++] = i < 8 ? (unsigned char)(value >> 8 * i) : 0;
}

static void put_bytes(zip *z, const void *from, size_t n)
{
    memcpy(z->bytes + z->size, from, n);
    z->size += n;
}

/* What the file says of its one entry. */
typedef struct claims {
    uint64_t method, flags, crc, packed, size, offset, count, directory_size, directory_offset;
    bool zip64;
    const char *name, *comment;
    uint64_t locator;
} claims;

static claims true_claims(size_t packed, size_t size, uint32_t crc)
{
    return (claims){.crc = crc, .packed = packed, .size = size, .count = 1, .name = "weight.npy", .comment = "",
                    .directory_offset = 30 + 10 + packed, .directory_size = 46 + 10, .locator = UINT64_MAX};
}

/* With zip64, all numbers of the directory and of the end record stand in 64 bits. */
static const char *write_zip(const char *name, const void *data, size_t size, const claims *c)
{
    zip z = {.size = 0};
    const uint64_t name_length = strlen(c->name);
    put(&z, 4, 0x04034b50);
    put(&z, 10, 0);
    put(&z, 12, 0); /* crc and sizes: the directory's count */
    put(&z, 2, name_length);
    put(&z, 2, 0);
    put_bytes(&z, c->name, name_length);
    put_bytes(&z, data, size);
    const uint64_t directory = z.size;
    put(&z, 4, 0x02014b50);
    put(&z, 4, 0);
    put(&z, 2, c->flags);
    put(&z, 2, c->method);
    put(&z, 4, 0);
    put(&z, 4, c->crc);
    put(&z, 4, c->zip64 ? UINT32_MAX : c->packed);
    put(&z, 4, c->zip64 ? UINT32_MAX : c->size);
    put(&z, 2, name_length);
    put(&z, 2, c->zip64 ? 6 + 28 : 0);
    put(&z, 10, 0);
    put(&z, 4, c->zip64 ? UINT32_MAX : c->offset);
    put_bytes(&z, c->name, name_length);
    if (c->zip64) {
        put(&z, 2, 0x7777); /* another extra field comes first */
        put(&z, 2, 2);
        put(&z, 2, 0);
        put(&z, 2, 1);
        put(&z, 2, 24);
        put(&z, 8, c->size);
        put(&z, 8, c->packed);
        put(&z, 8, c->offset);
        const uint64_t end64 = z.size;
        put(&z, 4, 0x06064b50);
        put(&z, 8, 44);
        put(&z, 4, 45 << 16 | 45);
        put(&z, 8, 0);
        put(&z, 8, c->count);
        put(&z, 8, c->count);
        put(&z, 8, end64 - directory);
        put(&z, 8, c->directory_offset);
        put(&z, 4, 0x07064b50);
        put(&z, 4, 0);
        put(&z, 8, c->locator == UINT64_MAX ? end64 : c->locator);
        put(&z, 4, 1);
    }
    put(&z, 4, 0x06054b50);
    put(&z, 4, 0);
    put(&z, 2, c->zip64 ? 0xffff : c->count);
    put(&z, 2, c->zip64 ? 0xffff : c->count);
    put(&z, 4, c->zip64 ? UINT32_MAX : c->directory_size);
    put(&z, 4, c->zip64 ? UINT32_MAX : c->directory_offset);
    put(&z, 2, strlen(c->comment));
    put_bytes(&z, c->comment, strlen(c->comment));
    return files_write(name, z.bytes, z.size);
}

/* The .npy file inside numpy_stored. */
static const unsigned char *const npy = numpy_stored + 60;
enum { NPY = 136, PACKED = 77 };
static const unsigned char *const packed_npy = numpy_compressed + 60;
static const uint32_t npy_crc = 0x08a5cffd;

static void zip64_and_comments(void **state)
{
    (void)state;
    ct_module *module = tiny(0, 0);
    claims c = true_claims(NPY, NPY, npy_crc);
    assert_true(ct_module_load(module, write_zip("plain.npz", npy, NPY, &c)));
    c.comment = "a comment with PK\5\6 in it, twenty-two bytes and more";
    assert_true(ct_module_load(module, write_zip("comment.npz", npy, NPY, &c)));
    c.zip64 = true;
    assert_true(ct_module_load(module, write_zip("zip64.npz", npy, NPY, &c)));
    expect_weight(module, 1.5, -2);
    c = true_claims(PACKED, NPY, npy_crc);
    c.method = 8;
    c.zip64 = true;
    assert_true(ct_module_load(module, write_zip("packed64.npz", packed_npy, PACKED, &c)));
    ct_module_free(module);
    assert_clean();
}

static void expect_zip_error(const unsigned char *data, size_t size, const claims *c, const char *part)
{
    ct_module *module = tiny(7, 8);
    ct_memory_reset_peak();
    const int64_t before = ct_memory().peak_bytes;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        claims wide = *c;
        wide.zip64 = zip64;
        if (!zip64 && (c->size > UINT32_MAX || c->offset > UINT32_MAX || c->count > 0xffff)) continue;
        assert_false(ct_module_load(module, write_zip("wrong.npz", data, size, &wide)));
        assert_error(CT_ERROR_FORMAT, "ct_module_load", part);
    }
    assert_in_range(ct_memory().peak_bytes, before, before + 4096);
    expect_weight(module, 7, 8);
    ct_module_free(module);
    assert_clean();
}

static void wrong_zip_files_say_what_is_wrong(void **state)
{
    (void)state;
    const claims right = true_claims(NPY, NPY, npy_crc);
    claims c = right;
    c.crc ^= 1;
    expect_zip_error(npy, NPY, &c, "entry weight.npy: its checksum is 08a5cffd, expected 08a5cffc");
    c = right, c.flags = 1;
    expect_zip_error(npy, NPY, &c, "entry weight.npy is encrypted");
    c = right, c.method = 14;
    expect_zip_error(npy, NPY, &c, "packed by method 14, expected 0 (stored) or 8 (deflated)");
    c = right, c.size = NPY + 1;
    expect_zip_error(npy, NPY, &c, "claims 137 bytes, which its 136 packed ones cannot hold");
    c = right, c.method = 8, c.size = UINT64_C(1) << 40;
    expect_zip_error(npy, NPY, &c, "claims 1099511627776 bytes");
    c = right, c.packed = c.size = 1 << 20;
    expect_zip_error(npy, NPY, &c, "lies outside the file");
    c = right, c.offset = 41;
    expect_zip_error(npy, NPY, &c, "lies outside the file");
    c = right, c.offset = 5, c.packed = c.size = 100;
    expect_zip_error(npy, NPY, &c, "entry weight.npy has a damaged header");
    c = right, c.offset = UINT64_MAX;
    expect_zip_error(npy, NPY, &c, "lies outside the file");
    c = right, c.count = 2;
    expect_zip_error(npy, NPY, &c, "directory");
    c = right, c.count = UINT64_MAX / 2;
    expect_zip_error(npy, NPY, &c, "directory lies outside the file");
    c = right, c.directory_offset = 3;
    expect_zip_error(npy, NPY, &c, "zip directory is damaged");
    c = right, c.directory_offset = 1 << 20;
    expect_zip_error(npy, NPY, &c, "directory lies outside the file");
    c = right, c.name = "weight\033npy";
    expect_zip_error(npy, NPY, &c, "control character");
    expect_zip_error(npy, NPY, &(claims){.count = UINT64_MAX, .name = "weight.npy", .comment = "", .locator = 1 << 20},
                     "zip64 end record lies outside the file");
    expect_zip_error(npy, NPY, &(claims){.count = UINT64_MAX, .name = "weight.npy", .comment = "", .locator = 0},
                     "zip64 end record is damaged");
}

static void wrong_deflated_data(void **state)
{
    (void)state;
    claims c = true_claims(PACKED, NPY, npy_crc);
    c.method = 8;
    c.size = NPY - 4;
    expect_zip_error(packed_npy, PACKED, &c, "entry weight.npy");
    c.size = NPY + 4;
    expect_zip_error(packed_npy, PACKED, &c, "entry weight.npy");
    c.size = NPY;
    c.packed = PACKED - 1;
    expect_zip_error(packed_npy, PACKED, &c, "deflated data are cut off");
    unsigned char longer[PACKED + 1] = {0};
    memcpy(longer, packed_npy, PACKED);
    c = true_claims(sizeof longer, NPY, npy_crc);
    c.method = 8;
    expect_zip_error(longer, sizeof longer, &c, "deflated data go on after its 136 bytes");
    c.crc = 0;
    c.packed = PACKED;
    expect_zip_error(longer, sizeof longer, &c, "checksum is 08a5cffd, expected 00000000");
}

/* ---- modules and files that do not fit ------------------------------------------------------------------- */

static void names_shapes_and_dtypes_must_agree(void **state)
{
    (void)state;
    const char *path = files_path("tiny.npz");
    ct_module *saved = tiny(1, 2), *module = tiny(7, 8);
    {
        CT_SCOPE;
        assert_true(ct_module_save(saved, path));
        ct_module_buffer(module, "extra", ct_zeros(ct_shape(2), CT_I64));
        assert_false(ct_module_load(module, path));
        assert_error(CT_ERROR_FORMAT, "ct_module_load", "tiny.npz\": it has no entry extra.npy, which the module needs: i64 [2]");
        expect_weight(module, 7, 8);
        assert_true(ct_module_save(module, path));
        assert_false(ct_module_load(saved, path));
        assert_error(CT_ERROR_FORMAT, "ct_module_load", "it has an entry extra.npy, which the module does not");
        expect_weight(saved, 1, 2);
        ct_module_parameter(saved, "extra", ct_zeros(ct_shape(2), CT_F32));
        assert_false(ct_module_load(saved, path));
        assert_error(CT_ERROR_FORMAT, "ct_module_load", "entry extra.npy: it is i64 [2], but the module's is f32 [2]");
        expect_weight(saved, 1, 2); /* which comes before it */
    }
    ct_module_free(saved);
    ct_module_free(module);
    module = tiny(7, 8);
    claims c = true_claims(NPY, NPY, npy_crc);
    c.name = "WEIGHT.npy";
    assert_false(ct_module_load(module, write_zip("other.npz", npy, NPY, &c)));
    assert_error(CT_ERROR_FORMAT, "ct_module_load", "no entry weight.npy");
    ct_module_free(module);
    assert_clean();
}

static void save_and_load_refuse(void **state)
{
    (void)state;
    ct_module *module = tiny(7, 8);
    const char *path = files_write("numpy.npz", numpy_stored, sizeof numpy_stored);
    assert_false(ct_module_load(module, files_path("nowhere.npz")));
    assert_error(CT_ERROR_FILE, "ct_module_load", "nowhere.npz\": No such file or directory");
    assert_false(ct_module_load(module, files_write("wrong.npz", npy, NPY)));
    assert_error(CT_ERROR_FORMAT, "ct_module_load", "no zip directory at its end: not a .npz file, or cut off");
    assert_false(ct_module_load(module, NULL));
    assert_error(CT_ERROR_NULL, "ct_module_load", "path is NULL");
    assert_false(ct_module_load(NULL, path));
    assert_error(CT_ERROR_NULL, "ct_module_load", "module is NULL");
    assert_false(ct_module_save(module, NULL));
    assert_error(CT_ERROR_NULL, "ct_module_save", "path is NULL");
    assert_false(ct_module_save(NULL, path));
    assert_error(CT_ERROR_NULL, "ct_module_save", "module is NULL");
    assert_false(ct_module_save(module, files_path("no/such.npz")));
    assert_error(CT_ERROR_FILE, "ct_module_save", "such.npz\": No such file or directory");
    ct_raise(CT_ERROR_USER, "test", "pending");
    assert_false(ct_module_load(module, path));
    assert_false(ct_module_save(module, files_path("refused.npz")));
    ct_clear_error();
    assert_int_equal(files_count("refused", false), 0);
    expect_weight(module, 7, 8);
    ct_module_free(module);
    assert_clean();
}

/* Loads it or fails and changes nothing. */
static void try_to_load(ct_module *module, const unsigned char *bytes, size_t size)
{
    const bool loaded = ct_module_load(module, files_write("damaged.npz", bytes, size));
    assert_true(loaded == (ct_error() == NULL));
    ct_clear_error();
    if (!loaded) expect_weight(module, 7, 8);
    const ct_memory_info m = ct_memory();
    assert_true(m.tensors == 1 && m.storages == 1);
    CT_SCOPE;
    CT_NO_GRAD;
    ct_copy_((ct_tensor *)(intptr_t)ct_module_find(module, "weight"), ct_of(ct_shape(1, 2), CT_F32, 7, 8));
}

static void cut_off_or_damaged_anywhere(void **state)
{
    (void)state;
    unsigned char bytes[512];
    ct_module *module = tiny(1.5, -2);
    assert_true(ct_module_save(module, files_path("own.npz")));
    for (int kind = 0; kind < 3; kind++) {
        const unsigned char *whole = kind == 1 ? numpy_stored : numpy_compressed;
        size_t size = kind == 1 ? sizeof numpy_stored : sizeof numpy_compressed;
        if (kind == 0) size = files_read(files_path("own.npz"), bytes, sizeof bytes);
        else memcpy(bytes, whole, size);
        try_to_load(module, bytes, size);
        for (size_t n = 0; n < size; n++) {
            assert_false(ct_module_load(module, files_write("cut.npz", bytes, n)));
            assert_error(CT_ERROR_FORMAT, "ct_module_load", "cut.npz\"");
            expect_weight(module, 7, 8);
        }
        for (size_t n = 0; n < 4 * size; n++) {
            const unsigned char flip = (const unsigned char[]){1, 4, 0x80, 0xff}[n % 4];
            bytes[n / 4] ^= flip;
            try_to_load(module, bytes, size);
            bytes[n / 4] ^= flip;
        }
    }
    ct_module_free(module);
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_of_a_module),
        cmocka_unit_test(round_trip_of_a_network),
        cmocka_unit_test(a_module_without_parameters),
        cmocka_unit_test(saved_bytes_are_fixed),
        cmocka_unit_test(files_of_numpy_are_read),
        cmocka_unit_test(zip64_and_comments),
        cmocka_unit_test(wrong_zip_files_say_what_is_wrong),
        cmocka_unit_test(wrong_deflated_data),
        cmocka_unit_test(names_shapes_and_dtypes_must_agree),
        cmocka_unit_test(save_and_load_refuse),
        cmocka_unit_test(cut_off_or_damaged_anywhere),
    };
    return cmocka_run_group_tests(tests, files_begin, files_end);
}
