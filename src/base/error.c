/*
 * error.c - errors travel: the first one of a thread is kept until it is reported or cleared.
 *
 * Every error passes ct__fail or ct_raise, so `raise_v` is the place for a breakpoint. The message is formatted into a buffer of
 * the thread, without malloc: it must work when memory is out. Invariant: ct__self.failed is true exactly while one is pending.
 */
#include "base/base.h"

#include <stdarg.h>
#include <string.h>

enum { TEXT = 640 };

typedef struct record {
    ct_error_info info;
    char operation[48]; /* a copy: names of operations are made on the fly */
    char text[TEXT];    /* what went wrong, without operation and place */
    char message[TEXT]; /* "operation at file:line: text", made when asked for */
} record;
_Static_assert(sizeof(record) <= CT__ERROR_ROOM, "room for an error");

/* The thread's pending error. */
static record *pending(void) { return ct__error_room(); }

static void raise_v(ct_status status, const char *operation, const char *format, va_list arguments)
{
    if (ct__self.failed) return; /* the first error is kept */
    record *e = pending();
    ct__self.failed = true;
    e->info = (ct_error_info){.status = status, .operation = e->operation};
    snprintf(e->operation, sizeof e->operation, "%s", operation);
    vsnprintf(e->text, sizeof e->text, format, arguments);
}

void *ct__fail(ct_status status, const char *operation, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    raise_v(status, operation, format, arguments);
    va_end(arguments);
    return NULL;
}

bool ct_raise(ct_status status, const char *operation, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    raise_v(status, operation ? operation : "(user)", format ? format : "", arguments);
    va_end(arguments);
    return false;
}

void *ct__fail_null(const char *operation, const char *argument)
{
    return ct__fail(CT_ERROR_NULL, operation, "argument `%s` is NULL", argument);
}

void *ct__fail_memory(const char *operation, size_t bytes)
{
    return ct__fail(CT_ERROR_MEMORY, operation, "out of memory: %zu bytes are not to be had", bytes);
}

bool ct__rename_error(const char *from, const char *to)
{
    record *e = pending();
    if (ct__self.failed && strcmp(e->operation, from) == 0) snprintf(e->operation, sizeof e->operation, "%s", to);
    return false;
}

static void make_message(record *r)
{
    const ct_error_info *e = &r->info;
    const int n = e->file ? snprintf(r->message, TEXT, "%s at %s:%d: %s", e->operation, e->file, e->line, r->text)
                          : snprintf(r->message, TEXT, "%s: %s", e->operation, r->text);
    if (n >= TEXT) memcpy(r->message + TEXT - 4, "...", 4); /* a cut message says so */
    r->info.message = r->message;
}

const ct_error_info *ct_error(void)
{
    if (!ct__self.failed) return NULL;
    make_message(pending());
    return &pending()->info;
}

int ct_report(FILE *to)
{
    const ct_error_info *e = ct_error();
    if (!e) return 0;
    if (to) fprintf(to, "%s\n", e->message);
    ct_clear_error();
    return 1;
}

void ct_clear_error(void) { ct__self.failed = false; }

void ct_here_error(const char *file, int line)
{
    if (!ct__self.failed || pending()->info.file) return;
    pending()->info.file = file;
    pending()->info.line = line;
}

const char *ct_version(void) { return CT_VERSION; }
