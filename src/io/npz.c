/*
 * npz.c - a module's parameters and buffers in one .npz file: entry "hidden.weight.npy" holds what has the path hidden.weight.
 *
 * Loading is all or nothing: every entry is read and compared with the module before the first value changes.
 */
#include "io.h"

#include <stdlib.h>
#include <string.h>

/* ---- what a module holds ------------------------------------------------------------------------------ */

typedef struct item {
    char *entry;       /* path and ".npy" */
    ct_tensor *tensor; /* the module's */
    ct_tensor *loaded; /* the file's */
} item;

typedef struct items {
    item *at;
    int64_t count, capacity;
} items;

static bool collect_one(const char *path, ct_tensor *tensor, bool is_parameter, void *context)
{
    (void)is_parameter;
    items *list = context;
    if (list->count == list->capacity) {
        const int64_t capacity = list->capacity ? 2 * list->capacity : 32;
        item *grown = realloc(list->at, (size_t)capacity * sizeof *grown);
        if (!grown) return false;
        list->at = grown;
        list->capacity = capacity;
    }
    const size_t size = strlen(path) + sizeof ".npy";
    char *entry = malloc(size);
    if (!entry) return false;
    snprintf(entry, size, "%s.npy", path);
    list->at[list->count++] = (item){.entry = entry, .tensor = tensor};
    return true;
}

static void release(items *list)
{
    for (int64_t i = 0; i < list->count; i++) free(list->at[i].entry);
    free(list->at);
}

static bool collect(items *list, const char *operation, const ct_module *module)
{
    *list = (items){.count = 0};
    if (ct_module_visit(module, collect_one, list)) return true;
    release(list);
    return ct_raise(CT_ERROR_MEMORY, operation, "out of memory for the list of parameters");
}

/* ---- saving ------------------------------------------------------------------------------------------- */

static bool add_item(ct__io_zip_writer *zip, const item *i)
{
    CT_SCOPE;
    char header[CT__IO_NPY_HEADER];
    ct_tensor *rows = ct_contiguous(i->tensor);
    if (!rows) return false;
    const ct_dtype dtype = ct_dtype_of(rows);
    const size_t bytes = (size_t)ct_count_of(rows) * ct_dtype_size(dtype);
    const size_t head = ct__io_npy_header(header, dtype, ct_shape_get(rows));
    ct__io_zip_add(zip, i->entry, header, head, bytes ? ct_data(rows) : NULL, bytes);
    return true;
}

static bool save(const items *list, const char *operation, const char *path)
{
    CT_NO_GRAD;
    ct__io_zip_writer zip;
    bool ok = true;
    if (!ct__io_zip_begin(&zip, operation, path)) return false;
    for (int64_t i = 0; i < list->count && ok; i++) ok = add_item(&zip, &list->at[i]);
    return ct__io_zip_end(&zip, ok);
}

bool ct_module_save(ct_module *module, const char *path)
{
    static const char *operation = "ct_module_save";
    if (!module || !path) return ct_raise(CT_ERROR_NULL, operation, "%s is NULL", module ? "path" : "module");
    items list;
    if (!ct_may_change_state() || !collect(&list, operation, module)) return false;
    const bool ok = save(&list, operation, path);
    release(&list);
    return ok;
}

/* ---- loading ------------------------------------------------------------------------------------------ */

static const ct__io_zip_entry *find_entry(const ct__io_zip *zip, const char *name)
{
    for (int64_t i = 0; i < zip->count; i++)
        if (strcmp(zip->entries[i].name, name) == 0) return &zip->entries[i];
    return NULL;
}

static bool has_item(const items *list, const char *entry)
{
    for (int64_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i].entry, entry) == 0) return true;
    return false;
}

/* Do the two have the same names? */
static bool check_names(const items *list, ct__io_zip *zip)
{
    for (int64_t i = 0; i < list->count; i++) {
        const ct_tensor *t = list->at[i].tensor;
        if (!find_entry(zip, list->at[i].entry))
            return ct__io_bad(&zip->source, "it has no entry %s, which the module needs: %s", list->at[i].entry,
                              ct__io_describe(ct_dtype_of(t), ct_shape_get(t)).text);
    }
    for (int64_t i = 0; i < zip->count; i++) {
        const char *name = zip->entries[i].name;
        if (!has_item(list, name)) return ct__io_bad(&zip->source, "it has an entry %s, which the module does not", name);
        if (find_entry(zip, name) != &zip->entries[i]) return ct__io_bad(&zip->source, "it has the entry %s twice", name);
    }
    return true;
}

static bool same_kind(const ct__io_npy *npy, const ct_tensor *t)
{
    const ct_shape shape = ct_shape_get(t);
    if (npy->dtype != ct_dtype_of(t) || npy->shape.rank != shape.rank) return false;
    for (int i = 0; i < shape.rank; i++)
        if (npy->shape.dim[i] != shape.dim[i]) return false;
    return true;
}

static ct_tensor *read_item(ct__io_source *source, const ct_tensor *t)
{
    ct__io_npy npy;
    if (!ct__io_npy_read_header(source, &npy)) return NULL;
    if (same_kind(&npy, t)) return ct__io_npy_read(source, &npy);
    const ct__io_text found = ct__io_describe(npy.dtype, npy.shape);
    const ct__io_text wanted = ct__io_describe(ct_dtype_of(t), ct_shape_get(t));
    return ct__io_bad(source, "it is %s, but the module's is %s", found.text, wanted.text), NULL;
}

/* In the caller's scope. */
static bool load_all(items *list, ct__io_zip *zip)
{
    for (int64_t i = 0; i < list->count; i++) {
        item *it = &list->at[i];
        ct__io_source *source = ct__io_zip_entry_open(zip, find_entry(zip, it->entry));
        it->loaded = source ? read_item(source, it->tensor) : NULL;
        ct__io_zip_entry_close(source);
        if (!it->loaded) return false;
    }
    return true;
}

static bool load(items *list, const char *operation, const char *path)
{
    CT_SCOPE;
    CT_NO_GRAD;
    ct__io_zip zip;
    if (!ct__io_zip_open(&zip, operation, path)) return false;
    bool ok = check_names(list, &zip) && load_all(list, &zip);
    ct__io_zip_close(&zip);
    for (int64_t i = 0; i < list->count && ok; i++) ok = ct_copy_(list->at[i].tensor, list->at[i].loaded);
    return ok;
}

bool ct_module_load(ct_module *module, const char *path)
{
    static const char *operation = "ct_module_load";
    if (!module || !path) return ct_raise(CT_ERROR_NULL, operation, "%s is NULL", module ? "path" : "module");
    items list;
    if (!ct_may_change_state() || !collect(&list, operation, module)) return false;
    const bool ok = load(&list, operation, path);
    release(&list);
    return ok;
}
