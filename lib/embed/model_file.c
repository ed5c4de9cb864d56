/*
 * Finding models on this machine, telling about them, and checking their files.
 *
 * A model is a folder with config.json and model.safetensors. Places are tried in a fixed order; the first that has the model wins.
 * Threads: no state. Cost: some stat calls; verify reads every byte.
 */
#include "embed/model_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/status.h"
#include "dep/digest.h"
#include "dep/json.h"
#include "embed/bert_config.h"
#include "embed/model_known.h"

#define PLACES_MAX 16
#define READ_BYTES ((size_t)1 << 20)

/* Folders that may hold models, in order. The first is $QLOADER_MODEL_DIR when it is set. */
typedef struct places {
    char *dirs[PLACES_MAX];
    size_t count;
    bool has_named;
    bool failed; /* out of memory */
} places;

static void places_dispose(places *self)
{
    for (size_t i = 0; i < self->count; i++) ql__free(self->dirs[i]);
}

static void add_place(places *self, ql_str dir, const char *below)
{
    if (dir.len == 0 || self->count == PLACES_MAX) return;
    ql_buf path = QL_BUF_INIT;
    (void)ql_buf_append(&path, dir);
    (void)ql_buf_append(&path, ql_str_of(below));
    char *copy = path.status < 0 ? NULL : ql__strdup(ql_buf_str(&path));
    ql_buf_dispose(&path);
    if (copy) self->dirs[self->count++] = copy;
    else self->failed = true;
}

ql_status ql__model_user_dir(ql_buf *out, ql_error *err)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    ql_buf_clear(out);
    ql_status status;
    if (data && data[0] == '/') status = ql_buf_printf(out, "%s/qloader/models", data);
    else if (home && home[0] == '/') status = ql_buf_printf(out, "%s/.local/share/qloader/models", home);
    else return ql__fail(err, QL_E_NOTFOUND, "neither XDG_DATA_HOME nor HOME is an absolute path: there is no folder for models");
    return status < 0 ? ql__fail_nomem(err) : QL_OK;
}

static ql_status collect_places(places *self, const char *workspace_dir, ql_error *err)
{
    const char *named = getenv("QLOADER_MODEL_DIR"), *system_dirs = getenv("XDG_DATA_DIRS");
    ql_buf user_dir = QL_BUF_INIT;
    self->has_named = named && *named;
    if (self->has_named) add_place(self, ql_str_of(named), "");
    if (workspace_dir) add_place(self, ql_str_of(workspace_dir), "/models");
    ql_status status = ql__model_user_dir(&user_dir, NULL);
    if (status >= 0) add_place(self, ql_buf_str(&user_dir), "");
    else if (ql_status_kind(status) == QL_E_NOMEM) self->failed = true;
    ql_buf_dispose(&user_dir);
    if (!system_dirs || !*system_dirs) system_dirs = "/usr/local/share:/usr/share";
    while (*system_dirs) {
        size_t len = strcspn(system_dirs, ":");
        if (system_dirs[0] == '/') add_place(self, (ql_str){system_dirs, len}, "/qloader/models");
        system_dirs += len + (system_dirs[len] == ':');
    }
    return self->failed ? ql__fail_nomem(err) : QL_OK;
}

static bool is_file(const ql__sys *sys, const char *dir, const char *name, uint64_t *size)
{
    struct stat info;
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (len < 0 || (size_t)len >= sizeof path) return false;
    if (sys->file->fstatat_fn(sys->file->user, AT_FDCWD, path, &info, 0) != 0 || !S_ISREG(info.st_mode)) return false;
    if (size) *size = (uint64_t)info.st_size;
    return true;
}

static bool is_model(const ql__sys *sys, const char *dir)
{
    return is_file(sys, dir, "config.json", NULL) && is_file(sys, dir, "model.safetensors", NULL);
}

static ql_str last_name(const char *dir)
{
    size_t end = strlen(dir);
    while (end > 1 && dir[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && dir[begin - 1] != '/') begin--;
    return (ql_str){dir + begin, end - begin};
}

/* A model in place number `index`, under its name or, for $QLOADER_MODEL_DIR, as that folder itself. */
static ql_status look_in(const ql__sys *sys, const places *where, size_t index, ql_str name, ql_buf *out, ql_error *err)
{
    const char *dir = where->dirs[index];
    ql_buf_clear(out);
    if (ql_buf_printf(out, "%s/%.*s", dir, (int)name.len, name.ptr) < 0) return ql__fail_nomem(err);
    if (is_model(sys, ql_buf_cstr(out))) return QL_OK;
    ql_buf_clear(out);
    if (index > 0 || !where->has_named || !is_model(sys, dir)) return QL_DONE;
    if (!ql_str_equal(last_name(dir), name) && !ql_str_equal(name, QL_STR(QL__MODEL_DEFAULT))) return QL_DONE;
    return ql_buf_append(out, ql_str_of(dir)) < 0 ? ql__fail_nomem(err) : QL_OK;
}

static ql_status not_found(const places *where, ql_str name, ql_error *err)
{
    ql_buf list = QL_BUF_INIT;
    for (size_t i = 0; i < where->count; i++) (void)ql_buf_printf(&list, "%s%s", i ? ", " : "", where->dirs[i]);
    ql_status status = list.status < 0 ? ql__fail_nomem(err)
                                       : ql__fail(err, QL_E_NOTFOUND, "no model '%.*s' on this machine: 'qloader model pull' brings it, or put its folder into one of %.320s",
                                                  (int)name.len, name.ptr, ql_buf_cstr(&list));
    ql_buf_dispose(&list);
    return status;
}

static ql_status check_name(ql_str *name, ql_error *err)
{
    QL_TRY(QL__STRS_CHECK("", err, {"name", *name}));
    if (name->len == 0) *name = QL_STR(QL__MODEL_DEFAULT);
    if (ql__model_name_valid(*name)) return QL_OK;
    return ql__fail(err, QL_E_INVALID, "'%.*s' is not a model's name (letters, digits, '.', '_', '-')", name->len > 128 ? 128 : (int)name->len, name->ptr);
}

ql_status ql__model_find(const ql__sys *sys, const char *workspace_dir, ql_str name, ql_buf *out, ql_error *err)
{
    places where = {0};
    QL_TRY(check_name(&name, err));
    ql_status status = collect_places(&where, workspace_dir, err);
    bool found = false;
    for (size_t i = 0; i < where.count && status >= 0 && !found; i++) {
        status = look_in(sys, &where, i, name, out, err);
        found = status == QL_OK;
    }
    if (status >= 0) status = found ? QL_OK : not_found(&where, name, err);
    places_dispose(&where);
    return status;
}

/* ---- checking ---- */

static ql_status hash_file(const ql__sys *sys, const char *path, char hex[65], ql_error *err)
{
    int fd;
    uint64_t size = 0, at = 0;
    ql__sha256 sha;
    uint8_t digest[32];
    QL_AUTO(char *, ql__free_cleanup) block = ql__alloc(READ_BYTES);
    if (!block) return ql__fail_nomem(err);
    QL_TRY(ql__file_open(sys, path, O_RDONLY, 0, &fd, err));
    ql__sha256_init(&sha);
    ql_status status = ql__file_size(sys, fd, &size, err);
    while (status >= 0 && at < size) {
        size_t part = size - at < READ_BYTES ? (size_t)(size - at) : READ_BYTES;
        status = ql__file_read_at(sys, fd, block, part, at, err);
        if (status >= 0) ql__sha256_update(&sha, (ql_str){block, part});
        at += part;
    }
    ql__file_close(sys, fd);
    ql__sha256_final(&sha, digest);
    ql__hex(digest, sizeof digest, hex);
    return status;
}

static ql_status verify_part(const ql__sys *sys, const char *dir, const ql__model_part *part, ql_error *err)
{
    char hex[65];
    uint64_t size = 0;
    ql_buf path = QL_BUF_INIT;
    if (!is_file(sys, dir, part->path, &size)) {
        if (!part->required) return QL_OK;
        return ql__fail(err, QL_E_CORRUPT, "'%s' is missing in '%s'", part->path, dir);
    }
    if (size != part->size)
        return ql__fail(err, QL_E_CORRUPT, "'%s/%s' has %llu bytes, the pinned file %llu", dir, part->path, (unsigned long long)size, (unsigned long long)part->size);
    ql_status status = ql_buf_printf(&path, "%s/%s", dir, part->path);
    if (status < 0) status = ql__fail_nomem(err);
    else status = hash_file(sys, ql_buf_cstr(&path), hex, err);
    if (status >= 0 && strcmp(hex, part->sha256) != 0)
        status = ql__fail(err, QL_E_CORRUPT, "'%s' has SHA-256 %s, the pinned file %s", ql_buf_cstr(&path), hex, part->sha256);
    ql_buf_dispose(&path);
    return status;
}

ql_status ql__model_verify(const ql__sys *sys, const char *dir, ql_str name, ql_error *err)
{
    QL_TRY(check_name(&name, err));
    const ql__model_known *model = ql__model_known_find(name);
    if (!model) return ql__fail(err, QL_E_UNSUPPORTED, "no hashes of a model '%.*s' are known to this build", (int)name.len, name.ptr);
    for (const ql__model_part *part = model->parts; part->path; part++) QL_TRY(verify_part(sys, dir, part, err));
    return QL_OK;
}

/* ---- telling ---- */

/* Bytes of the files the embedder reads. */
static uint64_t model_bytes(const ql__sys *sys, const char *dir, ql_str name)
{
    uint64_t bytes = 0, size;
    for (const ql__model_part *part = ql__model_parts(name); part->path; part++)
        if (is_file(sys, dir, part->path, &size)) bytes += size;
    return bytes;
}

/* Whether the files of a known model have the sizes of the pinned ones: a look, where verify reads. Of other models nothing is known. */
static bool is_whole(const ql__sys *sys, const char *dir, const ql__model_known *model)
{
    uint64_t size = 0;
    for (const ql__model_part *part = model != NULL ? model->parts : NULL; part != NULL && part->path; part++) {
        bool there = is_file(sys, dir, part->path, &size);
        if (there ? size != part->size : part->required) return false;
    }
    return true;
}

ql_status ql__model_check(const ql__sys *sys, const char *dir, ql_str name, ql_error *err)
{
    const ql__model_known *model = ql__model_known_find(name);
    if (model == NULL || !ql_str_equal(last_name(dir), name) || is_whole(sys, dir, model)) return QL_OK;
    return ql__fail(err, QL_E_CORRUPT, "the embedding model in '%s' is damaged: a file is missing or has another size than the pinned one ('qloader model verify' names it, "
                    "'qloader model pull' brings it again)", dir);
}

static ql_status write_listed(const ql__sys *sys, ql__json_writer *json, ql_str name, const char *dir, ql_error *err)
{
    const ql__model_known *model = ql__model_known_find(name);
    ql__bert_config config = {0};
    ql_status status = dir ? ql__bert_config_read(sys, dir, &config, NULL) : QL_E_NOTFOUND;
    bool readable = status >= 0;
    ql__bert_config_dispose(&config);
    if (ql_status_kind(status) == QL_E_NOMEM) return ql__fail_nomem(err);
    ql__json_object(json);
    ql__json_member(json, "name", name);
    ql__json_key(json, "path"), ql__json_cstring(json, dir);
    ql__json_key(json, "dims");
    if (readable || model) ql__json_uint(json, readable ? config.width : model->dims);
    else ql__json_null(json);
    ql__json_key(json, "size_bytes"), ql__json_uint(json, dir ? model_bytes(sys, dir, name) : model ? ql__model_known_bytes(model) : 0);
    ql__json_key(json, "sha256"), ql__json_cstring(json, model ? ql__model_known_sha256(model) : NULL);
    ql__json_key(json, "address"), ql__json_cstring(json, model ? model->address : NULL);
    ql__json_key(json, "pinned"), ql__json_bool(json, model != NULL);
    ql__json_key(json, "usable"), ql__json_bool(json, readable && is_whole(sys, dir, model));
    ql__json_object_end(json);
    return QL_OK;
}

typedef struct name_list {
    char **names;
    size_t count, capacity;
} name_list;

static ql_status add_name(name_list *self, const char *name, ql_error *err)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->names[i], name) == 0) return QL_OK;
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? self->capacity * 2 : 16;
        char **grown = ql__realloc_array(self->names, capacity, sizeof *grown);
        if (!grown) return ql__fail_nomem(err);
        self->names = grown;
        self->capacity = capacity;
    }
    char *copy = ql__strdup(ql_str_of(name));
    if (!copy) return ql__fail_nomem(err);
    self->names[self->count++] = copy;
    return QL_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the models in one folder; a folder that cannot be read holds none. */
static ql_status names_in(const ql__sys *sys, const char *dir, name_list *out, ql_error *err)
{
    DIR *folder = opendir(dir);
    ql_status status = QL_OK;
    struct dirent *entry;
    while (folder && status >= 0 && (entry = readdir(folder)) != NULL) {
        ql_buf path = QL_BUF_INIT;
        if (!ql__model_name_valid(ql_str_of(entry->d_name))) continue;
        if (ql_buf_printf(&path, "%s/%s", dir, entry->d_name) < 0) status = ql__fail_nomem(err);
        else if (is_model(sys, ql_buf_cstr(&path))) status = add_name(out, entry->d_name, err);
        ql_buf_dispose(&path);
    }
    if (folder) closedir(folder);
    return status;
}

static ql_status collect_names(const ql__sys *sys, const places *where, name_list *out, ql_error *err)
{
    const ql__model_known *model;
    for (size_t i = 0; (model = ql__model_known_at(i)) != NULL; i++) QL_TRY(add_name(out, model->name, err));
    for (size_t i = 0; i < where->count; i++) QL_TRY(names_in(sys, where->dirs[i], out, err));
    if (out->count > 1) qsort(out->names, out->count, sizeof *out->names, by_name);
    return QL_OK;
}

ql_status ql__model_list_json(const ql__sys *sys, const char *workspace_dir, ql_buf *out, ql_error *err)
{
    places where = {0};
    name_list list = {0};
    ql_buf dir = QL_BUF_INIT;
    ql__json_writer json;
    ql_status status = collect_places(&where, workspace_dir, err);
    if (status >= 0) status = collect_names(sys, &where, &list, err);
    ql__json_begin(&json, out);
    if (status >= 0) ql__json_array(&json);
    for (size_t i = 0; i < list.count && status >= 0; i++) {
        ql_str name = ql_str_of(list.names[i]);
        ql_error missing = {0}; /* is no failure of the list */
        status = ql__model_find(sys, workspace_dir, name, &dir, &missing);
        bool here = status >= 0;
        if (ql_status_kind(status) == QL_E_NOTFOUND) status = QL_OK;
        if (status < 0 && err) *err = missing;
        if (status >= 0) status = write_listed(sys, &json, name, here ? ql_buf_cstr(&dir) : NULL, err);
    }
    if (status >= 0) {
        ql__json_array_end(&json);
        if (out->status < 0) status = ql__fail(err, out->status, "the list of models does not fit");
    }
    for (size_t i = 0; i < list.count; i++) ql__free(list.names[i]);
    ql__free(list.names);
    ql_buf_dispose(&dir);
    places_dispose(&where);
    return status;
}

static void write_files(const ql__sys *sys, ql__json_writer *json, const char *dir, ql_str name)
{
    ql__json_key(json, "files");
    ql__json_array(json);
    for (const ql__model_part *part = ql__model_parts(name); part->path; part++) {
        uint64_t size;
        if (!is_file(sys, dir, part->path, &size)) continue;
        ql__json_object(json);
        ql__json_key(json, "path"), ql__json_cstring(json, part->path);
        ql__json_key(json, "size_bytes"), ql__json_uint(json, size);
        ql__json_key(json, "sha256"), ql__json_cstring(json, part->sha256);
        ql__json_object_end(json);
    }
    ql__json_array_end(json);
}

static void write_info(const ql__sys *sys, ql__json_writer *json, ql_str name, const char *dir, const ql__bert_config *config)
{
    const ql__model_known *model = ql__model_known_find(name);
    ql__json_object(json);
    ql__json_member(json, "name", name);
    ql__json_key(json, "path"), ql__json_cstring(json, dir);
    ql__json_key(json, "dims"), ql__json_uint(json, config->width);
    ql__json_key(json, "layers"), ql__json_uint(json, config->layers);
    ql__json_key(json, "heads"), ql__json_uint(json, config->heads);
    ql__json_key(json, "intermediate"), ql__json_uint(json, config->intermediate);
    ql__json_key(json, "vocabulary"), ql__json_uint(json, config->vocab);
    ql__json_key(json, "window_tokens"), ql__json_uint(json, config->sequence_max);
    ql__json_key(json, "pooling"), ql__json_cstring(json, config->pooling == QL__POOLING_CLS ? "cls" : "mean");
    ql__json_member(json, "query_prefix", ql_buf_str(&config->query_prefix));
    ql__json_member(json, "passage_prefix", ql_buf_str(&config->passage_prefix));
    ql__json_key(json, "licence"), ql__json_cstring(json, model ? model->licence : NULL);
    ql__json_key(json, "size_bytes"), ql__json_uint(json, model_bytes(sys, dir, name));
    ql__json_key(json, "sha256"), ql__json_cstring(json, model ? ql__model_known_sha256(model) : NULL);
    ql__json_key(json, "pinned"), ql__json_bool(json, model != NULL);
    ql__json_key(json, "usable"), ql__json_bool(json, is_whole(sys, dir, model));
    write_files(sys, json, dir, name);
    ql__json_object_end(json);
}

ql_status ql__model_info_json(const ql__sys *sys, const char *workspace_dir, ql_str name, ql_buf *out, ql_error *err)
{
    ql_buf dir = QL_BUF_INIT;
    ql__bert_config config = {0};
    QL_TRY(check_name(&name, err));
    ql_status status = ql__model_find(sys, workspace_dir, name, &dir, err);
    if (status >= 0) status = ql__bert_config_read(sys, ql_buf_cstr(&dir), &config, err);
    if (status >= 0) {
        ql__json_writer json;
        ql__json_begin(&json, out);
        write_info(sys, &json, name, ql_buf_cstr(&dir), &config);
        if (out->status < 0) status = ql__fail(err, out->status, "the facts of the model do not fit");
    }
    ql__bert_config_dispose(&config);
    ql_buf_dispose(&dir);
    return status;
}
