/*
 * npy.c - NumPy's .npy format (numpy/lib/format.py; NEP 1): a magic string, a version, the length of a header that is a Python
 * dict in text, padded to a multiple of 64 bytes, then the elements as they are in memory.
 *
 *     "\x93NUMPY" 1 0 0x76 0x00  {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }      "\n"  elements
 *
 * What is written is byte for byte what numpy.save writes. The dict is parsed as Python would read it: keys in any order, any
 * spaces, either quote. A tensor is made only when exactly as many bytes follow as the header asks for.
 */
#include "io.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the elements of .npy files are read and written as they are in memory, which must be little-endian"
#endif

static const struct {
    ct_dtype dtype;
    const char *descr;
} names[] = {{CT_F32, "<f4"}, {CT_F64, "<f8"}, {CT_I32, "<i4"}, {CT_I64, "<i8"}, {CT_U8, "|u1"}, {CT_BOOL, "|b1"}};
enum { NAMES = sizeof names / sizeof *names };

/* ---- writing ------------------------------------------------------------------------------------------ */

static const char *descr_of(ct_dtype dtype)
{
    for (int i = 0; i < NAMES; i++)
        if (names[i].dtype == dtype) return names[i].descr;
    return "";
}

size_t ct__io_npy_header(char to[CT__IO_NPY_HEADER], ct_dtype dtype, ct_shape shape)
{
    enum { PREFIX = 10, ALIGN = 64, GROWTH = 21 };
    char *text = to + PREFIX;
    size_t room = CT__IO_NPY_HEADER - PREFIX;
    int n = snprintf(text, room, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr_of(dtype));
    for (int i = 0; i < shape.rank; i++)
        n += snprintf(text + n, room - (size_t)n, "%s%" PRId64, i ? ", " : "", shape.dim[i]);
    n += snprintf(text + n, room - (size_t)n, "%s), }", shape.rank == 1 ? "," : "");
    /* numpy leaves room for the first length to grow to 21 digits, so that files can be appended to in place */
    if (shape.rank > 0) n += GROWTH - snprintf(NULL, 0, "%" PRId64, shape.dim[0]);
    const size_t end = strlen(text), total = (PREFIX + (size_t)n + 1 + ALIGN - 1) / ALIGN * ALIGN;
    memset(text + end, ' ', total - PREFIX - end);
    to[total - 1] = '\n';
    memcpy(to, "\x93NUMPY\x01", 8);
    to[8] = (char)((total - PREFIX) & 0xff);
    to[9] = (char)((total - PREFIX) >> 8);
    return total;
}

bool ct_save_npy(const char *path, ct_tensor *t)
{
    static const char *operation = "ct_save_npy";
    if (!path || !t) return ct_raise(CT_ERROR_NULL, operation, "%s is NULL", path ? "t" : "path");
    if (!ct_may_change_state()) return false;
    CT_SCOPE;
    CT_NO_GRAD;
    ct_tensor *rows = ct_contiguous(t);
    ct__io_writer writer;
    char header[CT__IO_NPY_HEADER];
    if (!rows || !ct__io_write_begin(&writer, operation, path)) return false;
    ct__io_write(&writer, header, ct__io_npy_header(header, ct_dtype_of(t), ct_shape_get(t)));
    const size_t bytes = (size_t)ct_count_of(t) * ct_dtype_size(ct_dtype_of(t));
    if (bytes) ct__io_write(&writer, ct_data(rows), bytes);
    return ct__io_write_end(&writer, true);
}

/* ---- parsing the header ------------------------------------------------------------------------------- */

/* The text that is not parsed yet. Each function takes what it is named for and says whether it was there. */
typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
}

static bool take_char(cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

/* A Python string without escapes, of printable characters. */
static bool take_string(cursor *c, char *to, size_t size)
{
    const char quote = take_char(c, '\'') ? '\'' : take_char(c, '"') ? '"' : 0;
    if (!quote) return false;
    for (size_t n = 0; c->at < c->end && n < size; n++) {
        const char letter = *c->at++;
        to[n] = '\0';
        if (letter == quote) return true;
        if (letter < ' ' || letter > '~' || letter == '\\') return false;
        to[n] = letter;
    }
    return false;
}

static bool take_word(cursor *c, const char *word)
{
    skip_space(c);
    const size_t n = strlen(word);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

static bool take_length(cursor *c, int64_t *length)
{
    skip_space(c);
    const char *start = c->at;
    *length = 0;
    for (; c->at < c->end && isdigit((unsigned char)*c->at); c->at++) {
        const int digit = *c->at - '0';
        if (*length > (INT64_MAX - digit) / 10) return false;
        *length = 10 * *length + digit;
    }
    if (c->at == start) return false;
    if (c->at < c->end && *c->at == 'L') c->at++; /* written by Python 2 */
    return true;
}

/* (), (3,), (2, 3), (2, 3,); a tuple of one needs its comma, as (3) is a number */
static bool take_shape(cursor *c, ct_shape *shape)
{
    bool comma = true;
    *shape = ct_shape();
    if (!take_char(c, '(')) return false;
    while (!take_char(c, ')')) {
        if (!comma || shape->rank == CT_MAX_RANK || !take_length(c, &shape->dim[shape->rank])) return false;
        shape->rank++;
        comma = take_char(c, ',');
    }
    return shape->rank != 1 || comma;
}

/* Raises what is wrong with a dtype that is not one of ours. */
static bool take_dtype(const ct__io_source *source, const char *descr, ct_dtype *dtype)
{
    const bool swapped = descr[0] == '>', native = descr[0] == '<' || descr[0] == '=' || descr[0] == '|';
    for (int i = 0; i < NAMES; i++) {
        if (strcmp(descr + (swapped || native), names[i].descr + 1) != 0) continue;
        *dtype = names[i].dtype;
        /* a single byte has no order */
        if (!swapped || ct_dtype_size(*dtype) == 1) return true;
        return ct__io_bad(source, "its dtype '%s' is big-endian, expected '%s'", descr, names[i].descr);
    }
    return ct__io_bad(source, "its dtype is '%s', expected one of f4, f8, i4, i8, u1, b1", descr);
}

static bool parse(ct__io_source *source, cursor c, ct__io_npy *npy)
{
    char key[32], descr[64];
    unsigned seen = 0;
    if (!take_char(&c, '{')) return ct__io_bad(source, "its header is not a Python dict");
    while (!take_char(&c, '}')) {
        unsigned field = 0;
        if (!take_string(&c, key, sizeof key) || !take_char(&c, ':')) return ct__io_bad(source, "its header has a damaged key");
        if (strcmp(key, "descr") == 0) {
            field = 1;
            if (!take_string(&c, descr, sizeof descr)) return ct__io_bad(source, "its dtype is not a plain string");
        } else if (strcmp(key, "fortran_order") == 0) {
            field = 2;
            npy->fortran = take_word(&c, "True");
            if (!npy->fortran && !take_word(&c, "False"))
                return ct__io_bad(source, "its fortran_order is neither True nor False");
        } else if (strcmp(key, "shape") == 0) {
            field = 4;
            if (!take_shape(&c, &npy->shape))
                return ct__io_bad(source, "its shape is not a tuple of at most %d lengths", CT_MAX_RANK);
        }
        if (!field) return ct__io_bad(source, "its header has the key '%s', expected descr, fortran_order and shape", key);
        if (seen & field) return ct__io_bad(source, "its header has the key '%s' twice", key);
        seen |= field;
        if (!take_char(&c, ',') && (skip_space(&c), c.at == c.end || *c.at != '}'))
            return ct__io_bad(source, "its header lacks a comma after '%s'", key);
    }
    skip_space(&c);
    if (c.at != c.end) return ct__io_bad(source, "its header goes on after the dict");
    if (seen != 7) return ct__io_bad(source, "its header lacks one of the keys descr, fortran_order and shape");
    return take_dtype(source, descr, &npy->dtype);
}

/* ---- reading ------------------------------------------------------------------------------------------ */

/* Magic string, version and the length of the dict that follows. */
static bool read_prefix(ct__io_source *source, size_t *length)
{
    unsigned char p[12];
    const int64_t size = source->left;
    if (size < 10) return ct__io_bad(source, "it has %" PRId64 " bytes, too few for a .npy header", size);
    if (!ct__io_read(source, p, 10)) return false;
    if (memcmp(p, "\x93NUMPY", 6) != 0)
        return ct__io_bad(source, "it begins with bytes %02x %02x %02x %02x %02x %02x, not with \\x93NUMPY: not a .npy file",
                          p[0], p[1], p[2], p[3], p[4], p[5]);
    if (p[6] < 1 || p[6] > 3 || p[7] != 0)
        return ct__io_bad(source, "it has version %d.%d, expected 1.0, 2.0 or 3.0", p[6], p[7]);
    *length = (size_t)p[8] | (size_t)p[9] << 8;
    if (p[6] == 1) return true;
    if (!ct__io_read(source, p + 10, 2)) return false;
    *length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    return true;
}

bool ct__io_npy_read_header(ct__io_source *source, ct__io_npy *npy)
{
    char text[10000]; /* as long as numpy allows */
    size_t length = 0;
    if (!read_prefix(source, &length)) return false;
    if (length > sizeof text)
        return ct__io_bad(source, "its header claims %zu bytes, expected at most %zu", length, sizeof text);
    if (!ct__io_read(source, text, length) || !parse(source, (cursor){text, text + length}, npy)) return false;
    const ct__io_text what = ct__io_describe(npy->dtype, npy->shape);
    const int64_t bytes = ct__io_bytes(npy->dtype, npy->shape);
    if (bytes < 0) return ct__io_bad(source, "it claims an impossible size: %s", what.text);
    if (bytes == source->left) return true;
    return ct__io_bad(source, "it has %" PRId64 " bytes of elements, expected %" PRId64 " for %s", source->left, bytes,
                      what.text);
}

static ct_shape reversed(ct_shape shape)
{
    ct_shape r = shape;
    for (int i = 0; i < shape.rank; i++) r.dim[i] = shape.dim[shape.rank - 1 - i];
    return r;
}

ct_tensor *ct__io_npy_read(ct__io_source *source, const ct__io_npy *npy)
{
    CT_SCOPE;
    const bool turned = npy->fortran && npy->shape.rank > 1;
    const size_t bytes = (size_t)source->left;
    ct_tensor *t = ct_empty(turned ? reversed(npy->shape) : npy->shape, npy->dtype);
    if (!t) return NULL;
    if (bytes) {
        unsigned char *to = ct_data(t);
        if (!ct__io_read(source, to, bytes)) return NULL;
        if (npy->dtype == CT_BOOL)
            for (size_t i = 0; i < bytes; i++) to[i] = to[i] != 0; /* nothing else is a bool */
        ct_touch(t);
    }
    if (!turned) return ct_scope_return(t);
    ct_shape axes = npy->shape;
    for (int i = 0; i < axes.rank; i++) axes.dim[i] = axes.rank - 1 - i;
    return ct_scope_return(ct_contiguous(ct_permute(t, axes)));
}

ct_tensor *ct_load_npy(const char *path)
{
    ct__io_source source;
    ct__io_npy npy;
    if (!ct__io_source_open(&source, "ct_load_npy", path)) return NULL;
    ct_tensor *t = ct__io_npy_read_header(&source, &npy) ? ct__io_npy_read(&source, &npy) : NULL;
    fclose(source.file);
    return t;
}
