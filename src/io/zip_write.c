/*
 * zip_write.c - a zip file of stored entries, as numpy.savez writes it (PKWARE, APPNOTE.TXT - .ZIP File Format Specification).
 *
 *     for each entry: local header, name, bytes;   central directory: for each entry header, name;   end record
 *
 * Sizes and offsets are 32 bits; what does not fit stands as 0xffffffff there and in 64 bits in an extra field ("zip64"). The
 * checksum is taken before anything is written, so that no header needs to be patched. Nothing depends on the time of day: the
 * same content gives the same bytes.
 */
#include "io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const uint64_t LIMIT = 0xffffffff; /* this and above is written in 64 bits */
enum { COUNT_LIMIT = 0xffff, VERSION = 20, VERSION_64 = 45, DATE = 1 << 5 | 1 /* 1980-01-01, the first there is */ };

/* ---- records ------------------------------------------------------------------------------------------ */

/* A record being put together, little-endian. */
typedef struct record {
    unsigned char bytes[128];
    size_t size;
} record;

static void put(record *r, int bytes, uint64_t value)
{
    for (int i = 0; i < bytes; i++) r->bytes[r->size++] = (unsigned char)(value >> 8 * i);
}

static uint64_t cut(uint64_t value)
{
    return value < LIMIT ? value : LIMIT;
}

/* The extra field with those of the values that do not fit 32 bits; nothing where all do. */
static void put_zip64(record *r, const uint64_t *values, int count)
{
    record fields = {.size = 0};
    for (int i = 0; i < count; i++)
        if (values[i] >= LIMIT) put(&fields, 8, values[i]);
    if (fields.size == 0) return;
    put(r, 2, 1);
    put(r, 2, fields.size);
    memcpy(r->bytes + r->size, fields.bytes, fields.size);
    r->size += fields.size;
}

/* What the local and the central header have in common, from the version needed to the length of the extra field. */
static void put_common(record *r, const ct__io_zip_entry *e, size_t extra)
{
    put(r, 2, extra ? VERSION_64 : VERSION);
    put(r, 2, 0); /* flags */
    put(r, 2, 0); /* stored */
    put(r, 2, 0); /* time */
    put(r, 2, DATE);
    put(r, 4, e->crc);
    put(r, 4, cut((uint64_t)e->packed));
    put(r, 4, cut((uint64_t)e->size));
    put(r, 2, strlen(e->name));
    put(r, 2, extra);
}

static void write_local(ct__io_zip_writer *zip, const ct__io_zip_entry *e)
{
    record r = {.size = 0}, extra = {.size = 0};
    put_zip64(&extra, (const uint64_t[]){(uint64_t)e->size, (uint64_t)e->packed}, 2);
    put(&r, 4, 0x04034b50);
    put_common(&r, e, extra.size);
    ct__io_write(&zip->file, r.bytes, r.size);
    ct__io_write(&zip->file, e->name, strlen(e->name));
    ct__io_write(&zip->file, extra.bytes, extra.size);
}

static void write_central(ct__io_zip_writer *zip, const ct__io_zip_entry *e)
{
    record r = {.size = 0}, extra = {.size = 0};
    put_zip64(&extra, (const uint64_t[]){(uint64_t)e->size, (uint64_t)e->packed, (uint64_t)e->offset}, 3);
    put(&r, 4, 0x02014b50);
    put(&r, 2, extra.size ? VERSION_64 : VERSION); /* made by */
    put_common(&r, e, extra.size);
    put(&r, 2, 0); /* comment */
    put(&r, 2, 0); /* disk */
    put(&r, 2, 0); /* internal attributes */
    put(&r, 4, 0); /* external attributes */
    put(&r, 4, cut((uint64_t)e->offset));
    ct__io_write(&zip->file, r.bytes, r.size);
    ct__io_write(&zip->file, e->name, strlen(e->name));
    ct__io_write(&zip->file, extra.bytes, extra.size);
}

/* The end record, and before it, where a number does not fit there, its zip64 form with a locator. */
static void write_end(ct__io_zip_writer *zip, uint64_t directory, uint64_t size)
{
    const uint64_t count = (uint64_t)zip->count, end = directory + size;
    record r = {.size = 0};
    if (count >= COUNT_LIMIT || directory >= LIMIT || size >= LIMIT) {
        put(&r, 4, 0x06064b50);
        put(&r, 8, 44); /* bytes that follow in this record */
        put(&r, 2, VERSION_64);
        put(&r, 2, VERSION_64);
        put(&r, 8, 0); /* this disk, and that of the directory */
        put(&r, 8, count);
        put(&r, 8, count);
        put(&r, 8, size);
        put(&r, 8, directory);
        put(&r, 4, 0x07064b50);
        put(&r, 4, 0);
        put(&r, 8, end);
        put(&r, 4, 1); /* disks */
    }
    put(&r, 4, 0x06054b50);
    put(&r, 4, 0);
    put(&r, 2, count < COUNT_LIMIT ? count : COUNT_LIMIT);
    put(&r, 2, count < COUNT_LIMIT ? count : COUNT_LIMIT);
    put(&r, 4, cut(size));
    put(&r, 4, cut(directory));
    put(&r, 2, 0); /* comment */
    ct__io_write(&zip->file, r.bytes, r.size);
}

/* ---- the file ----------------------------------------------------------------------------------------- */

bool ct__io_zip_begin(ct__io_zip_writer *zip, const char *operation, const char *path)
{
    *zip = (ct__io_zip_writer){.count = 0};
    return ct__io_write_begin(&zip->file, operation, path);
}

static ct__io_zip_entry *new_entry(ct__io_zip_writer *zip, const char *name)
{
    if (zip->count == zip->capacity) {
        const int64_t capacity = zip->capacity ? 2 * zip->capacity : 16;
        ct__io_zip_entry *grown = realloc(zip->entries, (size_t)capacity * sizeof *grown);
        if (!grown) return NULL;
        zip->entries = grown;
        zip->capacity = capacity;
    }
    char *copy = malloc(strlen(name) + 1);
    if (!copy) return NULL;
    strcpy(copy, name);
    zip->entries[zip->count] = (ct__io_zip_entry){.name = copy};
    return &zip->entries[zip->count++];
}

static uint32_t checksum(uint32_t crc, const void *data, size_t size)
{
    return size ? (uint32_t)crc32_z(crc, data, size) : crc;
}

void ct__io_zip_add(ct__io_zip_writer *zip, const char *name, const void *head, size_t head_size, const void *data,
                    size_t data_size)
{
    if (zip->file.error) return;
    ct__io_zip_entry *e = strlen(name) < 0x10000 ? new_entry(zip, name) : NULL;
    if (!e) {
        zip->file.error = strlen(name) < 0x10000 ? ENOMEM : ENAMETOOLONG;
        return;
    }
    e->crc = checksum(checksum(0, head, head_size), data, data_size);
    e->size = e->packed = (int64_t)(head_size + data_size);
    e->offset = zip->file.written;
    write_local(zip, e);
    ct__io_write(&zip->file, head, head_size);
    ct__io_write(&zip->file, data, data_size);
}

bool ct__io_zip_end(ct__io_zip_writer *zip, bool keep)
{
    const int64_t directory = zip->file.written;
    for (int64_t i = 0; i < zip->count; i++) write_central(zip, &zip->entries[i]);
    write_end(zip, (uint64_t)directory, (uint64_t)(zip->file.written - directory));
    for (int64_t i = 0; i < zip->count; i++) free(zip->entries[i].name);
    free(zip->entries);
    return ct__io_write_end(&zip->file, keep);
}
