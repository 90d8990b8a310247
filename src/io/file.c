/*
 * file.c - files as this room reads and writes them.
 *
 * Reading: a regular file of known size as a source of bytes. Writing: into a new file in the same directory, flushed to the
 * disk and then renamed over the old one, so that at any moment the path names either the whole old file or the whole new one.
 */
#define _XOPEN_SOURCE 700

#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- reading ------------------------------------------------------------------------------------------ */

int ct__io_open(const char *operation, const char *path, int64_t *size)
{
    if (!path) {
        ct_raise(CT_ERROR_NULL, operation, "path is NULL");
        return -1;
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        ct_raise(CT_ERROR_FILE, operation, "cannot open \"%s\": %s", path, strerror(errno));
        return -1;
    }
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        ct_raise(CT_ERROR_FILE, operation, "\"%s\" is not a regular file", path);
        close(fd);
        return -1;
    }
    *size = info.st_size;
    return fd;
}

static bool read_file(ct__io_source *source, void *to, size_t count)
{
    if (fread(to, 1, count, source->file) == count) return true;
    const char *why = ferror(source->file) ? strerror(errno) : "it ended early";
    return ct_raise(CT_ERROR_FILE, source->operation, "cannot read \"%s\": %s", source->path, why);
}

bool ct__io_source_open(ct__io_source *source, const char *operation, const char *path)
{
    *source = (ct__io_source){.operation = operation, .path = path, .read = read_file};
    const int fd = ct__io_open(operation, path, &source->left);
    if (fd < 0) return false;
    source->file = fdopen(fd, "rb");
    if (source->file) return true;
    ct_raise(CT_ERROR_FILE, operation, "cannot open \"%s\": %s", path, strerror(errno));
    close(fd);
    return false;
}

bool ct__io_read(ct__io_source *source, void *to, size_t count)
{
    if ((uint64_t)source->left < count)
        return ct__io_bad(source, "it ends early: %zu more bytes were expected, there are %" PRId64, count, source->left);
    if (count == 0) return true;
    source->left -= (int64_t)count;
    return source->read(source, to, count);
}

bool ct__io_bad(const ct__io_source *source, const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    const bool inside = source->entry != NULL;
    return ct_raise(CT_ERROR_FORMAT, source->operation, "\"%s\"%s%s: %s", source->path, inside ? ", entry " : "",
                    inside ? source->entry : "", message);
}

int64_t ct__io_bytes(ct_dtype dtype, ct_shape shape)
{
    int64_t bytes = (int64_t)ct_dtype_size(dtype);
    bool empty = false;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dim[i] == 0) empty = true;
        else if (bytes > INT64_MAX / shape.dim[i]) return -1;
        else bytes *= shape.dim[i];
    }
    return empty ? 0 : bytes;
}

ct__io_text ct__io_describe(ct_dtype dtype, ct_shape shape)
{
    ct__io_text to;
    int at = snprintf(to.text, sizeof to.text, "%s [", ct_dtype_name(dtype));
    for (int i = 0; i < shape.rank; i++)
        at += snprintf(to.text + at, sizeof to.text - (size_t)at, "%s%" PRId64, i ? ", " : "", shape.dim[i]);
    snprintf(to.text + at, sizeof to.text - (size_t)at, "]");
    return to;
}

/* ---- writing ------------------------------------------------------------------------------------------ */

/* Opens a new file in the target's directory, under a name that nothing else has. */
static int open_temporary(ct__io_writer *w)
{
    static atomic_uint number;
    const char *slash = strrchr(w->target, '/');
    const int directory = slash ? (int)(slash + 1 - w->target) : 0;
    const size_t size = (size_t)directory + 64;
    w->temporary = malloc(size);
    if (!w->temporary) {
        errno = ENOMEM;
        return -1;
    }
    for (int tries = 0; tries < 1000; tries++) {
        const unsigned n = atomic_fetch_add(&number, 1);
        snprintf(w->temporary, size, "%.*s.ct-%ld-%u.tmp", directory, w->target, (long)getpid(), n);
        const int fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

static void release(ct__io_writer *w)
{
    free(w->target);
    free(w->temporary);
    w->target = w->temporary = NULL;
}

static bool cannot_write(ct__io_writer *w, int error)
{
    release(w);
    const ct_status status = error == ENOMEM ? CT_ERROR_MEMORY : CT_ERROR_FILE;
    return ct_raise(status, w->operation, "cannot write \"%s\": %s", w->path, strerror(error));
}

bool ct__io_write_begin(ct__io_writer *w, const char *operation, const char *path)
{
    *w = (ct__io_writer){.operation = operation, .path = path};
    if (!path) return ct_raise(CT_ERROR_NULL, operation, "path is NULL");
    struct stat old;
    const bool exists = stat(path, &old) == 0;
    /* a device or a pipe must not be renamed away */
    if (exists && !S_ISREG(old.st_mode))
        return ct_raise(CT_ERROR_FILE, operation, "cannot write \"%s\": it is not a regular file", path);
    /* a link stays a link: the file it names is what is replaced */
    w->target = exists ? realpath(path, NULL) : strdup(path);
    if (!w->target) return cannot_write(w, errno);
    const int fd = open_temporary(w);
    if (fd < 0) return cannot_write(w, errno);
    if (exists && fchmod(fd, old.st_mode & 07777) != 0) w->error = errno;
    w->file = fdopen(fd, "wb");
    if (w->file) return true;
    const int error = errno;
    close(fd);
    unlink(w->temporary);
    return cannot_write(w, error);
}

void ct__io_write(ct__io_writer *w, const void *data, size_t count)
{
    if (w->error || count == 0) return;
    if (fwrite(data, 1, count, w->file) != count) w->error = errno ? errno : EIO;
    w->written += (int64_t)count;
}

bool ct__io_write_end(ct__io_writer *w, bool keep)
{
    if (keep && !w->error && (fflush(w->file) != 0 || fsync(fileno(w->file)) != 0)) w->error = errno;
    if (fclose(w->file) != 0 && !w->error) w->error = errno;
    if (keep && !w->error && rename(w->temporary, w->target) != 0) w->error = errno;
    if (!keep || w->error) unlink(w->temporary);
    if (keep && w->error) return cannot_write(w, w->error);
    release(w);
    return keep;
}
