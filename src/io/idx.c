/*
 * idx.c - IDX files, plain or gzipped: the format of MNIST (LeCun et al. 1998).
 *
 * Bytes 0 and 0, a type code, the rank, then the lengths of the axes as 4 bytes each, then the elements row by row, all
 * big-endian. A tensor is made only after the file was found large enough for it: a plain file must have exactly the size
 * that its header asks for, a gzipped one at least a 1032nd, more than which deflate cannot squeeze.
 */
#define _XOPEN_SOURCE 700

#include "io.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { DEFLATE_LIMIT = 1032, CHUNK = 16384 };

/* How an element is stored and what it becomes. */
typedef struct idx_type {
    unsigned char code;
    unsigned char size; /* bytes in the file */
    ct_dtype dtype;
    void (*decode)(void *to, const unsigned char *from, size_t count);
} idx_type;

typedef struct idx_file {
    const char *operation, *path;
    gzFile gz;
    int64_t file_size;
    const idx_type *type;
    ct_shape shape;
    int64_t bytes; /* of all elements, in the file */
} idx_file;

/* ---- elements ----------------------------------------------------------------------------------------- */

static uint32_t big32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void decode_u8(void *to, const unsigned char *from, size_t count)
{
    memcpy(to, from, count);
}

static void decode_i8(void *to, const unsigned char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) ((int32_t *)to)[i] = (int32_t)(from[i] ^ 0x80) - 0x80;
}

static void decode_i16(void *to, const unsigned char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) ((int32_t *)to)[i] = (int32_t)((from[2 * i] << 8 | from[2 * i + 1]) ^ 0x8000) - 0x8000;
}

/* i32 and f32 */
static void decode_32(void *to, const unsigned char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t bits = big32(from + 4 * i);
        memcpy((unsigned char *)to + 4 * i, &bits, 4);
    }
}

static void decode_64(void *to, const unsigned char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t bits = (uint64_t)big32(from + 8 * i) << 32 | big32(from + 8 * i + 4);
        memcpy((unsigned char *)to + 8 * i, &bits, 8);
    }
}

static const idx_type types[] = {
    {0x08, 1, CT_U8, decode_u8},   {0x09, 1, CT_I32, decode_i8},  {0x0B, 2, CT_I32, decode_i16},
    {0x0C, 4, CT_I32, decode_32}, {0x0D, 4, CT_F32, decode_32}, {0x0E, 8, CT_F64, decode_64},
};

static const idx_type *find_type(unsigned char code)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].code == code) return &types[i];
    return NULL;
}

/* ---- the file ----------------------------------------------------------------------------------------- */

#define bad(f, ...) ct_raise(CT_ERROR_FORMAT, (f)->operation, __VA_ARGS__)

static bool idx_open(idx_file *f)
{
    const int fd = ct__io_open(f->operation, f->path, &f->file_size);
    if (fd < 0) return false;
    f->gz = gzdopen(fd, "rb"); /* reads plain files as well */
    if (f->gz) {
        gzbuffer(f->gz, 1 << 17);
        return true;
    }
    close(fd);
    return ct_raise(CT_ERROR_MEMORY, f->operation, "out of memory for reading \"%s\"", f->path);
}

/* Up to `count` bytes, fewer only at the end of the file; -1 with an error raised when it cannot be read or unpacked. */
static int64_t idx_read(idx_file *f, void *to, unsigned count)
{
    const int got = gzread(f->gz, to, count);
    int problem = Z_OK;
    if (got == (int)count) return got;
    gzerror(f->gz, &problem);
    if (got >= 0 && (problem == Z_OK || problem == Z_STREAM_END)) return got;
    if (problem == Z_ERRNO) ct_raise(CT_ERROR_FILE, f->operation, "cannot read \"%s\": %s", f->path, strerror(errno));
    else if (problem == Z_MEM_ERROR) ct_raise(CT_ERROR_MEMORY, f->operation, "out of memory for reading \"%s\"", f->path);
    else if (problem == Z_BUF_ERROR) bad(f, "\"%s\" ends in the middle of its gzip data: it is cut off", f->path);
    else bad(f, "\"%s\" has damaged gzip data", f->path);
    return -1;
}

static bool read_magic(idx_file *f)
{
    unsigned char m[4];
    const int64_t got = idx_read(f, m, sizeof m);
    if (got < 0) return false;
    if (got < (int64_t)sizeof m)
        return bad(f, "\"%s\" is too short for an IDX file: it has %" PRId64 " bytes, its header alone 4 or more", f->path, got);
    if (m[0] != 0 || m[1] != 0)
        return bad(f, "\"%s\" is not an IDX file: it begins with bytes %02x %02x %02x %02x, expected 00 00 type rank", f->path,
                   m[0], m[1], m[2], m[3]);
    f->type = find_type(m[2]);
    if (!f->type)
        return bad(f, "\"%s\" has the IDX type 0x%02x, expected 08 (u8), 09 (i8), 0b (i16), 0c (i32), 0d (f32) or 0e (f64)",
                   f->path, m[2]);
    if (m[3] > CT_MAX_RANK) return bad(f, "\"%s\" has rank %d, expected at most %d", f->path, m[3], CT_MAX_RANK);
    f->shape.rank = m[3];
    return true;
}

static bool read_shape(idx_file *f)
{
    unsigned char lengths[4 * CT_MAX_RANK];
    const unsigned size = 4 * (unsigned)f->shape.rank;
    const int64_t got = idx_read(f, lengths, size);
    if (got < 0) return false;
    if (got < (int64_t)size)
        return bad(f, "\"%s\" ends in its header: %" PRId64 " bytes, expected %u for rank %" PRId64, f->path, 4 + got, 4 + size,
                   f->shape.rank);
    for (int i = 0; i < f->shape.rank; i++) f->shape.dim[i] = big32(lengths + 4 * i);
    return true;
}

static bool check_kind(const idx_file *f, ct__io_idx_kind kind)
{
    static const struct {
        const char *what;
        int rank;
    } expected[] = {[CT__IO_IDX_IMAGES] = {"images", 3}, [CT__IO_IDX_LABELS] = {"labels", 1}};
    if (kind == CT__IO_IDX_ANY) return true;
    if (f->type->code == 0x08 && f->shape.rank == expected[kind].rank) return true;
    const bool other = f->type->code == 0x08 && f->shape.rank == 4 - expected[kind].rank;
    return bad(f, "\"%s\" is %s (type 0x%02x, rank %" PRId64 "), expected %s: u8 (type 0x08) of rank %d%s", f->path,
               ct__io_describe(f->type->dtype, f->shape).text, f->type->code, f->shape.rank, expected[kind].what,
               expected[kind].rank, other ? "; are images and labels swapped?" : "");
}

/* Can the file hold what its header claims? */
static bool check_size(idx_file *f)
{
    const ct__io_text what = ct__io_describe(f->type->dtype, f->shape);
    const int64_t header = 4 + 4 * f->shape.rank, bytes = ct__io_bytes(f->type->dtype, f->shape);
    if (bytes < 0) return bad(f, "\"%s\" claims an impossible size: %s", f->path, what.text);
    f->bytes = bytes / (int64_t)ct_dtype_size(f->type->dtype) * f->type->size;
    if (gzdirect(f->gz) && f->file_size - header != f->bytes)
        return bad(f, "\"%s\" has %" PRId64 " bytes after its header, expected %" PRId64 " for %s", f->path,
                   f->file_size - header, f->bytes, what.text);
    if (f->bytes / DEFLATE_LIMIT > f->file_size)
        return bad(f, "\"%s\" has %" PRId64 " gzipped bytes, too few for the %" PRId64 " of %s", f->path, f->file_size,
                   f->bytes, what.text);
    return true;
}

static bool read_elements(idx_file *f, unsigned char *to)
{
    unsigned char chunk[CHUNK];
    const size_t width = ct_dtype_size(f->type->dtype);
    for (int64_t done = 0; done < f->bytes;) {
        const unsigned want = f->bytes - done < CHUNK ? (unsigned)(f->bytes - done) : CHUNK;
        const int64_t got = idx_read(f, chunk, want);
        if (got < 0) return false;
        if (got < (int64_t)want)
            return bad(f, "\"%s\" ends after %" PRId64 " bytes of elements, expected %" PRId64 " for %s", f->path, done + got,
                       f->bytes, ct__io_describe(f->type->dtype, f->shape).text);
        f->type->decode(to + done / f->type->size * (int64_t)width, chunk, want / f->type->size);
        done += want;
    }
    /* at its end gzip's checksum is compared */
    const int64_t more = idx_read(f, chunk, 1);
    if (more > 0)
        return bad(f, "\"%s\" has more than the %" PRId64 " bytes of elements of %s", f->path, f->bytes,
                   ct__io_describe(f->type->dtype, f->shape).text);
    return more == 0;
}

static ct_tensor *read_tensor(idx_file *f, ct__io_idx_kind kind)
{
    if (!read_magic(f) || !read_shape(f) || !check_kind(f, kind) || !check_size(f)) return NULL;
    CT_SCOPE;
    ct_tensor *t = ct_empty(f->shape, f->type->dtype);
    if (!t || !read_elements(f, f->bytes ? ct_data(t) : NULL)) return NULL;
    ct_touch(t);
    return ct_scope_return(t);
}

ct_tensor *ct__io_idx_load(const char *operation, const char *path, ct__io_idx_kind kind)
{
    idx_file f = {.operation = operation, .path = path};
    if (!idx_open(&f)) return NULL;
    ct_tensor *t = read_tensor(&f, kind);
    gzclose(f.gz);
    return t;
}

ct_tensor *ct_load_idx(const char *path)
{
    return ct__io_idx_load("ct_load_idx", path, CT__IO_IDX_ANY);
}
