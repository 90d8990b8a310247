/*
 * zip_read.c - zip files with stored and deflated entries, as numpy.savez and numpy.savez_compressed write them (PKWARE,
 * APPNOTE.TXT - .ZIP File Format Specification), zip64 included.
 *
 * Reading begins at the end: the end record, found by its signature, tells where the central directory is, and that is what
 * counts; local headers are only stepped over. Every offset and length is compared with the file's size before it is used.
 */
#define _XOPEN_SOURCE 700

#include "io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { END = 22, LOCATOR = 20, END_64 = 56, CENTRAL = 46, LOCAL = 30, STORED = 0, DEFLATED = 8, DEFLATE_LIMIT = 1032 };

/* ---- numbers and places ------------------------------------------------------------------------------- */

static uint64_t get(const unsigned char *p, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--) value = value << 8 | p[i];
    return value;
}

/* `count` bytes at an offset of the file. */
static bool read_at(ct__io_source *file, uint64_t offset, void *to, size_t count)
{
    if (fseeko(file->file, (off_t)offset, SEEK_SET) != 0)
        return ct_raise(CT_ERROR_FILE, file->operation, "cannot read \"%s\": %s", file->path, strerror(errno));
    return count == 0 || file->read(file, to, count);
}

/* ---- the central directory ---------------------------------------------------------------------------- */

typedef struct directory {
    uint64_t count, size, offset;
    uint64_t end; /* it must end at or before this */
} directory;

/* The end record is the last thing in a file but for its own comment: the first place from the back that fits is taken. */
static bool find_end(ct__io_source *file, int64_t *offset, unsigned char end[END])
{
    const int64_t size = file->left;
    const size_t tail = size < END + 0xffff ? (size_t)size : END + 0xffff;
    unsigned char *bytes = malloc(tail ? tail : 1);
    if (!bytes) return ct_raise(CT_ERROR_MEMORY, file->operation, "out of memory for reading \"%s\"", file->path);
    bool found = false;
    if (!read_at(file, (uint64_t)size - tail, bytes, tail)) {
        free(bytes);
        return false;
    }
    for (size_t at = tail; at-- > 0 && !found;) {
        if (tail - at < END || get(bytes + at, 4) != 0x06054b50) continue;
        found = get(bytes + at + 20, 2) == tail - at - END;
        memcpy(end, bytes + at, END);
        *offset = size - (int64_t)(tail - at);
    }
    free(bytes);
    return found || ct__io_bad(file, "it has no zip directory at its end: not a .npz file, or cut off");
}

static bool find_directory(ct__io_source *file, directory *d)
{
    unsigned char end[END], locator[LOCATOR], end64[END_64];
    int64_t at = 0;
    if (!find_end(file, &at, end)) return false;
    *d = (directory){.count = get(end + 10, 2), .size = get(end + 12, 4), .offset = get(end + 16, 4), .end = (uint64_t)at};
    if (d->count != 0xffff && d->size != 0xffffffff && d->offset != 0xffffffff) return true;
    /* a number that did not fit: is there a zip64 record? */
    if (at < LOCATOR + END_64) return true;
    if (!read_at(file, (uint64_t)at - LOCATOR, locator, LOCATOR)) return false;
    if (get(locator, 4) != 0x07064b50) return true;
    const uint64_t at64 = get(locator + 8, 8);
    if (at64 > (uint64_t)at - LOCATOR - END_64) return ct__io_bad(file, "its zip64 end record lies outside the file");
    if (!read_at(file, at64, end64, END_64)) return false;
    if (get(end64, 4) != 0x06064b50) return ct__io_bad(file, "its zip64 end record is damaged");
    *d = (directory){.count = get(end64 + 32, 8), .size = get(end64 + 40, 8), .offset = get(end64 + 48, 8), .end = at64};
    return true;
}

/* Replaces those of size, packed size and offset that read 0xffffffff by the 64-bit numbers of the extra field. */
static bool widen(const unsigned char *extra, size_t size, uint64_t *values[3])
{
    while (size >= 4) {
        const uint64_t id = get(extra, 2);
        size_t length = get(extra + 2, 2);
        extra += 4;
        size -= 4;
        if (length > size) return false;
        size -= length;
        if (id != 1) {
            extra += length;
            continue;
        }
        for (int i = 0; i < 3; i++) {
            if (*values[i] != 0xffffffff) continue;
            if (length < 8) return false;
            *values[i] = get(extra, 8);
            extra += 8;
            length -= 8;
        }
        return true;
    }
    return true;
}

static bool copy_name(ct__io_source *file, const unsigned char *from, size_t length, char **name)
{
    for (size_t i = 0; i < length; i++)
        if (from[i] < ' ' || from[i] == 0x7f) return ct__io_bad(file, "it has an entry with a control character in its name");
    *name = malloc(length + 1);
    if (!*name) return ct_raise(CT_ERROR_MEMORY, file->operation, "out of memory for reading \"%s\"", file->path);
    memcpy(*name, from, length);
    (*name)[length] = '\0';
    return true;
}

/* One central header, of the `left` bytes at p; tells its length. */
static bool read_central(ct__io_zip *zip, const unsigned char *p, uint64_t left, ct__io_zip_entry *e, uint64_t *length)
{
    ct__io_source *file = &zip->source;
    if (left < CENTRAL || get(p, 4) != 0x02014b50) return ct__io_bad(file, "its zip directory is damaged");
    const size_t name = get(p + 28, 2), extra = get(p + 30, 2);
    uint64_t packed = get(p + 20, 4), size = get(p + 24, 4), offset = get(p + 42, 4);
    *length = CENTRAL + name + extra + get(p + 32, 2);
    if (*length > left) return ct__io_bad(file, "its zip directory is damaged");
    if (!copy_name(file, p + CENTRAL, name, &e->name)) return false;
    if (!widen(p + CENTRAL + name, extra, (uint64_t *[3]){&size, &packed, &offset}))
        return ct__io_bad(file, "entry %s has a damaged zip64 field", e->name);
    e->method = (unsigned)get(p + 10, 2);
    e->crc = (uint32_t)get(p + 16, 4);
    if (get(p + 8, 2) & 1) return ct__io_bad(file, "entry %s is encrypted", e->name);
    if (e->method != STORED && e->method != DEFLATED)
        return ct__io_bad(file, "entry %s is packed by method %u, expected 0 (stored) or 8 (deflated)", e->name, e->method);
    if (offset > (uint64_t)zip->directory || packed > (uint64_t)zip->directory - offset)
        return ct__io_bad(file, "entry %s lies outside the file", e->name);
    if (e->method == STORED ? size != packed : size / DEFLATE_LIMIT > packed)
        return ct__io_bad(file, "entry %s claims %" PRIu64 " bytes, which its %" PRIu64 " packed ones cannot hold", e->name, size,
                          packed);
    e->packed = (int64_t)packed;
    e->size = (int64_t)size;
    e->offset = (int64_t)offset;
    return true;
}

static bool read_entries(ct__io_zip *zip, const directory *d, unsigned char *bytes)
{
    uint64_t at = 0;
    if (!read_at(&zip->source, d->offset, bytes, d->size)) return false;
    for (uint64_t i = 0; i < d->count; i++) {
        uint64_t length = 0;
        zip->count++; /* a half-read entry is freed too */
        if (!read_central(zip, bytes + at, d->size - at, &zip->entries[i], &length)) return false;
        at += length;
    }
    return at == d->size || ct__io_bad(&zip->source, "its zip directory is damaged");
}

static bool read_directory(ct__io_zip *zip)
{
    directory d;
    if (!find_directory(&zip->source, &d)) return false;
    if (d.offset > d.end || d.size > d.end - d.offset || d.count > d.size / CENTRAL)
        return ct__io_bad(&zip->source, "its zip directory lies outside the file");
    zip->directory = (int64_t)d.offset;
    zip->entries = calloc(d.count + 1, sizeof *zip->entries);
    unsigned char *bytes = malloc(d.size + 1);
    const bool ok = zip->entries && bytes
                        ? read_entries(zip, &d, bytes)
                        : ct_raise(CT_ERROR_MEMORY, zip->source.operation, "out of memory for reading \"%s\"", zip->source.path);
    free(bytes);
    return ok;
}

bool ct__io_zip_open(ct__io_zip *zip, const char *operation, const char *path)
{
    *zip = (ct__io_zip){.count = 0};
    if (!ct__io_source_open(&zip->source, operation, path)) return false;
    if (read_directory(zip)) return true;
    ct__io_zip_close(zip);
    return false;
}

void ct__io_zip_close(ct__io_zip *zip)
{
    for (int64_t i = 0; i < zip->count; i++) free(zip->entries[i].name);
    free(zip->entries);
    fclose(zip->source.file);
}

/* ---- the bytes of an entry ---------------------------------------------------------------------------- */

typedef struct entry_source {
    ct__io_source base; /* the first member: a pointer to it is one to this */
    ct__io_zip *zip;
    const ct__io_zip_entry *entry;
    int64_t packed_left;
    uint32_t crc;
    z_stream z;
    unsigned char buffer[16384];
} entry_source;

/* Takes packed bytes out of the file. */
static bool read_packed(entry_source *s, void *to, size_t count)
{
    s->packed_left -= (int64_t)count;
    return s->zip->source.read(&s->zip->source, to, count);
}

/* One step of unpacking into what next_out says; the status is zlib's. */
static bool inflate_step(entry_source *s, int *status)
{
    if (s->z.avail_in == 0 && s->packed_left > 0) {
        const size_t count = s->packed_left < (int64_t)sizeof s->buffer ? (size_t)s->packed_left : sizeof s->buffer;
        if (!read_packed(s, s->buffer, count)) return false;
        s->z.next_in = s->buffer;
        s->z.avail_in = (unsigned)count;
    }
    *status = inflate(&s->z, Z_NO_FLUSH);
    if (*status == Z_OK || *status == Z_STREAM_END) return true;
    if (*status == Z_MEM_ERROR)
        return ct_raise(CT_ERROR_MEMORY, s->base.operation, "out of memory for reading \"%s\"", s->base.path);
    return ct__io_bad(&s->base, "its deflated data are %s", *status == Z_BUF_ERROR ? "cut off" : "damaged");
}

static bool read_inflated(entry_source *s, unsigned char *to, size_t count)
{
    int status = Z_OK;
    while (count > 0) {
        const unsigned part = count < 1u << 30 ? (unsigned)count : 1u << 30;
        s->z.next_out = to;
        s->z.avail_out = part;
        while (s->z.avail_out > 0) {
            if (status == Z_STREAM_END) return ct__io_bad(&s->base, "its deflated data end early");
            if (!inflate_step(s, &status)) return false;
        }
        to += part;
        count -= part;
    }
    if (s->base.left > 0) return true;
    /* the end of the stream must follow, and nothing else */
    unsigned char extra;
    s->z.next_out = &extra;
    s->z.avail_out = 1;
    while (status != Z_STREAM_END && s->z.avail_out > 0)
        if (!inflate_step(s, &status)) return false;
    if (s->z.avail_out == 1 && s->z.avail_in == 0 && s->packed_left == 0) return true;
    return ct__io_bad(&s->base, "its deflated data go on after its %" PRId64 " bytes", s->entry->size);
}

static bool read_entry(ct__io_source *base, void *to, size_t count)
{
    entry_source *s = (entry_source *)base;
    if (!(s->entry->method == STORED ? read_packed(s, to, count) : read_inflated(s, to, count))) return false;
    s->crc = (uint32_t)crc32_z(s->crc, to, count);
    if (base->left > 0 || s->crc == s->entry->crc) return true;
    return ct__io_bad(base, "its checksum is %08" PRIx32 ", expected %08" PRIx32 ": its data are damaged", s->crc, s->entry->crc);
}

/* Steps over the local header, whose name and extra field have lengths of their own. */
static bool find_data(ct__io_zip *zip, const ct__io_zip_entry *e)
{
    unsigned char local[LOCAL];
    if (zip->directory - e->offset < LOCAL) return ct__io_bad(&zip->source, "entry %s lies outside the file", e->name);
    if (!read_at(&zip->source, (uint64_t)e->offset, local, LOCAL)) return false;
    if (get(local, 4) != 0x04034b50) return ct__io_bad(&zip->source, "entry %s has a damaged header", e->name);
    const int64_t start = e->offset + LOCAL + (int64_t)(get(local + 26, 2) + get(local + 28, 2));
    if (start > zip->directory || e->packed > zip->directory - start)
        return ct__io_bad(&zip->source, "entry %s lies outside the file", e->name);
    return read_at(&zip->source, (uint64_t)start, NULL, 0);
}

ct__io_source *ct__io_zip_entry_open(ct__io_zip *zip, const ct__io_zip_entry *entry)
{
    if (!find_data(zip, entry)) return NULL;
    entry_source *s = calloc(1, sizeof *s);
    if (s && (entry->method == STORED || inflateInit2(&s->z, -15) == Z_OK)) {
        s->base = zip->source;
        s->base.entry = entry->name;
        s->base.left = entry->size;
        s->base.read = read_entry;
        s->zip = zip;
        s->entry = entry;
        s->packed_left = entry->packed;
        return &s->base;
    }
    free(s);
    return ct_raise(CT_ERROR_MEMORY, zip->source.operation, "out of memory for reading \"%s\"", zip->source.path), NULL;
}

void ct__io_zip_entry_close(ct__io_source *source)
{
    if (!source) return;
    entry_source *s = (entry_source *)source;
    if (s->entry->method == DEFLATED) inflateEnd(&s->z);
    free(s);
}
