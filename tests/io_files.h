/*
 * io_files.h - a folder of its own for each test program that writes files, removed at its end with all that is in it.
 *
 * To be included before everything else: it asks for POSIX.
 */
#ifndef TESTS_IO_FILES_H
#define TESTS_IO_FILES_H

#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700
#endif

#include "support.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static char files_folder[512];

static inline int files_begin(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR");
    snprintf(files_folder, sizeof files_folder, "%s/cotangent-test-XXXXXX", parent && *parent ? parent : "/tmp");
    return mkdtemp(files_folder) ? 0 : -1;
}

/* The path of a file in the folder; good until eight more were asked for. */
static inline const char *files_path(const char *name)
{
    static char paths[8][1024];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", files_folder, name);
    return path;
}

/* How many files there are whose name contains `part`; with `erase` they are removed. */
static inline int files_count(const char *part, bool erase)
{
    int count = 0;
    DIR *folder = opendir(files_folder);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || !strstr(entry->d_name, part)) continue;
        count++;
        if (erase && unlink(files_path(entry->d_name)) != 0) rmdir(files_path(entry->d_name));
    }
    closedir(folder);
    return count;
}

static inline int files_end(void **state)
{
    (void)state;
    files_count("", true);
    return rmdir(files_folder);
}

static inline const char *files_write(const char *name, const void *bytes, size_t size)
{
    const char *path = files_path(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

static inline const char *files_gzip(const char *name, const void *bytes, size_t size)
{
    const char *path = files_path(name);
    gzFile file = gzopen(path, "wb9");
    assert_non_null(file);
    if (size) assert_int_equal(gzwrite(file, bytes, (unsigned)size), size);
    assert_int_equal(gzclose(file), Z_OK);
    return path;
}

static inline size_t files_read(const char *path, void *to, size_t size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t got = fread(to, 1, size, file);
    fclose(file);
    return got;
}

#endif
