/*
 * io.h - what the files of this room share: reading bytes whose number is known, replacing a file, rows of a data set.
 *
 * A header is never believed before the file is large enough to hold what it claims: every source knows its length, so no
 * damaged file makes the library ask for more memory than its size explains. All functions here raise an error, naming the
 * file, when they return false, NULL or -1; `operation` is the public function that the user called.
 */
#ifndef CT_IO_ROOM_H
#define CT_IO_ROOM_H

#include <stdatomic.h>

#include <cotangent/io.h>

/* ---- data sets (dataset.c) ---------------------------------------------------------------------------- */

/* Both tensors are contiguous and have as many rows. Loaders hold the data set too, so that it may be freed before them. */
struct ct_dataset {
    ct_tensor *x, *y;
    double scale; /* of u8 x */
    atomic_int holders;
};

/* Rows of x or y as batches have them: rows[0..count), or where rows is NULL, start .. start + count - 1. A fresh tensor. */
ct_tensor *ct__io_rows_of_x(const ct_dataset *data, const int64_t *rows, int64_t start, int64_t count);
ct_tensor *ct__io_rows_of_y(const ct_dataset *data, const int64_t *rows, int64_t start, int64_t count);

/* 1797 images of 64 bytes, then 1797 labels: written by data/embed.py. */
enum { CT__IO_DIGITS = 1797, CT__IO_DIGIT_PIXELS = 64 };
extern const unsigned char ct__io_digits[]; /* deflated: the pixels of all, then their labels */
extern const unsigned long ct__io_digits_size;

/* What a file must hold to be taken: any tensor, images (u8 of rank 3) or labels (u8 of rank 1). */
typedef enum ct__io_idx_kind { CT__IO_IDX_ANY, CT__IO_IDX_IMAGES, CT__IO_IDX_LABELS } ct__io_idx_kind;
ct_tensor *ct__io_idx_load(const char *operation, const char *path, ct__io_idx_kind kind); /* idx.c */

/* ---- files (file.c) ----------------------------------------------------------------------------------- */

/* Bytes in order, of known length: a whole file, or one entry of a zip. */
typedef struct ct__io_source ct__io_source;
struct ct__io_source {
    const char *operation, *path;
    const char *entry; /* NULL for a whole file */
    int64_t left;      /* bytes not read yet */
    FILE *file;
    bool (*read)(ct__io_source *source, void *to, size_t count);
};

/* A regular file opened for reading, and its size; -1 on failure. */
int ct__io_open(const char *operation, const char *path, int64_t *size);
bool ct__io_source_open(ct__io_source *source, const char *operation, const char *path);
/* Exactly `count` bytes; an error when fewer are left. */
bool ct__io_read(ct__io_source *source, void *to, size_t count);
/* Raises CT_ERROR_FORMAT with the file's (and entry's) name before the message. Returns false. */
bool ct__io_bad(const ct__io_source *source, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The bytes of a tensor; -1 where they, or the strides of one without elements, would overflow. Raises nothing. */
int64_t ct__io_bytes(ct_dtype dtype, ct_shape shape);
/* "f32 [64, 784]" */
typedef struct ct__io_text {
    char text[224];
} ct__io_text;
ct__io_text ct__io_describe(ct_dtype dtype, ct_shape shape);

/* A file that is written beside `path` and takes its place at the end, when nothing failed. The first failure is kept in
 * `error` and raised by the end. */
typedef struct ct__io_writer {
    const char *operation, *path;
    char *target, *temporary;
    FILE *file;
    int error; /* an errno */
    int64_t written;
} ct__io_writer;
bool ct__io_write_begin(ct__io_writer *writer, const char *operation, const char *path);
void ct__io_write(ct__io_writer *writer, const void *data, size_t count);
/* With `keep` false, the file is given up and the old one stays; returns false without raising anything. */
bool ct__io_write_end(ct__io_writer *writer, bool keep);

/* ---- .npy (npy.c) ------------------------------------------------------------------------------------- */

typedef struct ct__io_npy {
    ct_dtype dtype;
    ct_shape shape;
    bool fortran;
} ct__io_npy;
/* A version 1.0 header of a row-major array; returns its length. */
enum { CT__IO_NPY_HEADER = 320 };
size_t ct__io_npy_header(char to[CT__IO_NPY_HEADER], ct_dtype dtype, ct_shape shape);
/* The header, and that as many bytes follow as it asks for; then the array. */
bool ct__io_npy_read_header(ct__io_source *source, ct__io_npy *npy);
ct_tensor *ct__io_npy_read(ct__io_source *source, const ct__io_npy *npy);

/* ---- zip (zip_read.c, zip_write.c) -------------------------------------------------------------------- */

typedef struct ct__io_zip_entry {
    char *name;
    unsigned method; /* 0 stored, 8 deflated */
    uint32_t crc;
    int64_t packed, size; /* bytes in the file, bytes unpacked */
    int64_t offset;       /* of the local header */
} ct__io_zip_entry;
typedef struct ct__io_zip {
    ct__io_source source; /* the whole file */
    ct__io_zip_entry *entries;
    int64_t count;
    int64_t directory; /* where the central directory begins: all data end before it */
} ct__io_zip;
bool ct__io_zip_open(ct__io_zip *zip, const char *operation, const char *path);
void ct__io_zip_close(ct__io_zip *zip);
/* A source of an entry's bytes, to be closed, as only one at a time can be open. Its checksum is compared by the read that
 * takes the last byte. */
ct__io_source *ct__io_zip_entry_open(ct__io_zip *zip, const ct__io_zip_entry *entry);
void ct__io_zip_entry_close(ct__io_source *source);

typedef struct ct__io_zip_writer {
    ct__io_writer file;
    ct__io_zip_entry *entries;
    int64_t count, capacity;
} ct__io_zip_writer;
bool ct__io_zip_begin(ct__io_zip_writer *zip, const char *operation, const char *path);
/* A stored entry of two parts. Failures are kept and raised by the end. */
void ct__io_zip_add(ct__io_zip_writer *zip, const char *name, const void *head, size_t head_size, const void *data,
                    size_t data_size);
bool ct__io_zip_end(ct__io_zip_writer *zip, bool keep);

#endif
