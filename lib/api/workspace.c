/*
 * Opening a workspace: configuration, folders, and what of the configuration this build can do. The index and the model are opened
 * when they are first needed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "api/extension_embedder.h"
#include "api/handles.h"
#include "base/abi.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "dep/json.h"
#include "embed/model_file.h"
#include "source/source.h"
#include "store/store.h"

static ql_status read_options(const ql_workspace_options *given, ql_workspace_options *options, ql__precision *precision, ql_error *err)
{
    ql_workspace_options_init(options);
    if (given != NULL) QL_TRY(ql__struct_read(options, sizeof *options, sizeof *options, given, "ql_workspace_options", err));
    QL_TRY(ql__reserved_check(options->reserved, sizeof options->reserved / sizeof *options->reserved, "ql_workspace_options", err));
    if (options->dir != NULL && options->config_path != NULL)
        return ql__fail(err, QL_E_INVALID, "a workspace folder and a configuration file exclude each other");
    const char *name = options->precision != NULL ? options->precision : "auto";
    if (strcmp(name, "auto") == 0) *precision = QL__PRECISION_AUTO;
    else if (strcmp(name, "fp32") == 0) *precision = QL__PRECISION_FP32;
    else if (strcmp(name, "bf16") == 0) *precision = QL__PRECISION_BF16;
    else if (strcmp(name, "int8") == 0) *precision = QL__PRECISION_INT8;
    else return ql__fail(err, QL_E_INVALID, "precision '%s' is not auto, fp32, bf16 or int8", name);
    return QL_OK;
}

static ql_status copy_path(char **out, const char *path, ql_error *err)
{
    if (path == NULL || path[0] == '\0') return QL_OK;
    *out = ql__strdup(ql_str_of(path));
    return *out != NULL ? QL_OK : ql__fail_nomem(err);
}

static ql_status load_config(ql_workspace *self, const ql_workspace_options *options, ql_buf *problems, ql_error *err)
{
    ql__config_options from = {.workspace_dir = options->dir, .config_path = options->config_path, .env_path = options->env_path,
                               .lenient = options->lenient != 0, .sys = self->runtime->sys, .log = &self->runtime->log};
    const char *types[QL_LIMIT_EXTENSIONS];
    const ql__extensions *added = &self->runtime->extensions;
    from.source_type_count = added->counts[QL__EXTENSION_SOURCE];
    for (size_t i = 0; i < from.source_type_count; i++) types[i] = added->items[QL__EXTENSION_SOURCE][i].name;
    from.source_types = types;
    if (options->dir == NULL && options->config_path == NULL) from.workspace_dir = ".";
    QL_TRY(ql__config_load(&from, &self->config, problems, err));
    const ql__config *config = ql__config_get(self->config);
    QL_TRY(copy_path(&self->dir, config->workspace_dir.ptr, err));
    return options->data_dir != NULL ? QL_OK : copy_path(&self->data_dir, config->data_dir.ptr, err);
}

static ql_status fill(ql_workspace *self, const ql_workspace_options *options, ql_buf *problems, ql_error *err)
{
    QL_TRY(copy_path(&self->data_dir, options->data_dir, err));
    QL_TRY(copy_path(&self->model_dir, options->model_dir, err));
    QL_TRY(copy_path(&self->embedder_name, options->embedder, err));
    if (self->embedder_name != NULL && strcmp(self->embedder_name, "local") == 0) { /* the one that is there anyway */
        ql__free(self->embedder_name);
        self->embedder_name = NULL;
    }
    if (self->embedder_name != NULL && ql__extensions_find(&self->runtime->extensions, QL__EXTENSION_EMBEDDER, self->embedder_name) == NULL)
        return ql__fail(err, QL_E_NOTFOUND, "no embedder '%s' is registered on this runtime", self->embedder_name);
    self->store_named = options->store != NULL;
    if (self->store_named && strcmp(options->store, "embedded") != 0) {
        self->store = ql__extensions_find(&self->runtime->extensions, QL__EXTENSION_STORE, options->store);
        if (self->store == NULL) return ql__fail(err, QL_E_NOTFOUND, "no store '%s' is registered on this runtime", options->store);
    }
    bool needs_config = options->data_dir == NULL || options->dir != NULL || options->config_path != NULL;
    return needs_config ? load_config(self, options, problems, err) : QL_OK;
}

ql_status ql_workspace_open(ql_runtime *runtime, const ql_workspace_options *given, ql_workspace **out, ql_buf *problems, ql_error *err)
{
    ql_workspace_options options;
    ql__precision precision = QL__PRECISION_AUTO;
    if (runtime == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", runtime == NULL ? "runtime" : "out");
    QL_TRY(read_options(given, &options, &precision, err));
    ql_workspace *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    self->runtime = runtime;
    self->precision = precision;
    pthread_mutex_init(&self->lock, NULL);
    pthread_mutex_init(&self->embed_lock, NULL);
    ql_status status = fill(self, &options, problems, err);
    if (status < 0) {
        ql_workspace_free(self);
        return status;
    }
    atomic_store(&runtime->extensions.sealed, true);
    *out = self;
    return QL_OK;
}

static void free_readers(ql__reader *reader)
{
    while (reader != NULL) {
        ql__reader *next = reader->next;
        ql__backend_close(&reader->store);
        ql__analyzer_free(reader->analyzer);
        ql__free(reader);
        reader = next;
    }
}

void ql_workspace_free(ql_workspace *self)
{
    if (self == NULL) return;
    free_readers(self->idle);
    if (self->embedder != NULL && self->embedder->close_fn != NULL) self->embedder->close_fn(self->embedder_self);
    ql__config_free(self->config);
    pthread_mutex_destroy(&self->lock);
    pthread_mutex_destroy(&self->embed_lock);
    ql__free(self->dir);
    ql__free(self->data_dir);
    ql__free(self->model_dir);
    ql__free(self->embedder_name);
    ql__free(self);
}

ql_status ql__workspace_supported(const ql_workspace *self, ql_error *err)
{
    const ql__config *config = ql__workspace_config(self);
    if (config == NULL) return QL_OK;
    if (!config->store_embedded && !self->store_named)
        return ql__fail(err, QL_E_UNSUPPORTED, "the Qdrant store is not in this build (%.*s); unset it to use the embedded store",
                        (int)config->store_reason.len, config->store_reason.ptr);
    if (!config->embedder_local && self->embedder_name == NULL)
        return ql__fail(err, QL_E_UNSUPPORTED, "remote embeddings are not in this build (%.*s); unset it to use the local model",
                        (int)config->embedder_reason.len, config->embedder_reason.ptr);
    return QL_OK;
}

const char *ql__source_unsupported(ql__source_type type)
{
    switch (type) {
    case QL__SOURCE_CONFLUENCE: return "reading Confluence is not in this build";
    case QL__SOURCE_JIRA: return "reading Jira is not in this build";
    case QL__SOURCE_PUBLICDOCS: return "reading documentation sites is not in this build";
    case QL__SOURCE_SHAREPOINT: return "reading SharePoint is not in this build";
    case QL__SOURCE_GIT:
    case QL__SOURCE_LOCALFILE:
    case QL__SOURCE_TYPE_COUNT: break;
    }
    return NULL;
}

void ql__workspace_source_close(ql__open_source *self)
{
    if (self->ops != NULL && self->ops->close_fn != NULL) self->ops->close_fn(self->self);
    ql_buf_dispose(&self->cache_dir);
    ql_buf_dispose(&self->logs_dir);
    *self = (ql__open_source){0};
}

/* What a source is opened with; the folders it is told are kept in out. */
static ql_status source_options(const ql_workspace *self, const ql__config_source *config, ql__open_source *out, ql__source_options *options, ql_error *err)
{
    *out = (ql__open_source){.cache_dir = QL_BUF_INIT, .logs_dir = QL_BUF_INIT};
    const char *reason = ql__source_unsupported(config->type);
    if (reason != NULL) return ql__fail(err, QL_E_UNSUPPORTED, "%s", reason);
    ql_buf_printf(&out->cache_dir, "%s/cache", self->data_dir);
    if (self->dir != NULL) ql_buf_printf(&out->logs_dir, "%s/logs", self->dir); /* a configuration outside a workspace has none */
    *options = (ql__source_options){.config = config, .sys = self->runtime->sys, .log = &self->runtime->log, .cache_dir = ql_buf_cstr(&out->cache_dir),
                                    .own_dirs = {self->data_dir, self->dir != NULL ? ql_buf_cstr(&out->logs_dir) : NULL}};
    return out->cache_dir.status < 0 || out->logs_dir.status < 0 ? ql__fail_nomem(err) : QL_OK;
}

/* The application's own: its table, and the object that its open_fn makes of the settings. */
static ql_status open_added(const ql_workspace *self, ql_str project, const ql__config_source *config, ql__open_source *out, ql_error *err)
{
    const ql__extension *item = ql__extensions_find(&self->runtime->extensions, QL__EXTENSION_SOURCE, config->type_name.ptr);
    if (item == NULL) return ql__fail(err, QL_E_INTERNAL, "the source type '%s' is not registered", config->type_name.ptr);
    const ql_source_ops *ops = item->ops;
    const ql_source_settings settings = {.struct_size = sizeof settings, .project = project, .type = config->type_name, .name = config->name, .json = config->json};
    ql_error answer = {0};
    QL_TRY(ql__callback_status(ops->open_fn(item->self, &settings, &out->self, &answer), &answer, err));
    out->ops = ops;
    return QL_OK;
}

ql_status ql__workspace_source_open(const ql_workspace *self, ql_str project, const ql__config_source *config, int (*cancelled_fn)(void *user), void *user,
                                    ql__open_source *out, ql_error *err)
{
    ql__source_options options;
    ql_status status = source_options(self, config, out, &options, err);
    if (status >= 0) {
        options.cancelled_fn = cancelled_fn;
        options.user = user;
        status = config->type == QL__SOURCE_ADDED ? open_added(self, project, config, out, err) : ql__source_open(&options, &out->ops, &out->self, err);
    }
    if (status < 0) ql__workspace_source_close(out);
    return status;
}

ql_status ql__workspace_source_check(const ql_workspace *self, ql_str project, const ql__config_source *config, ql_error *err)
{
    ql__open_source place;
    ql__source_options options;
    ql_status status = source_options(self, config, &place, &options, err);
    if (status >= 0) status = config->type == QL__SOURCE_ADDED ? open_added(self, project, config, &place, err) : ql__source_check(&options, err);
    ql__workspace_source_close(&place);
    return status;
}

ql_status ql__workspace_source_reach(const ql_workspace *self, const ql__config_source *config, ql_error *err)
{
    ql__source_options options = {.config = config, .sys = self->runtime->sys, .log = &self->runtime->log};
    return ql__source_reach(&options, err);
}

ql_status ql__workspace_embedder_open(const ql_workspace *self, const ql_embedder_ops **ops, void **out, ql_error *err)
{
    if (self->embedder_name != NULL) return ql__extension_embedder_open(&self->runtime->extensions, self->embedder_name, ops, out, err);
    ql_buf dir = QL_BUF_INIT, cache = QL_BUF_INIT;
    ql_status status = self->model_dir != NULL ? ql_buf_append(&dir, ql_str_of(self->model_dir))
                                               : ql__model_find(self->runtime->sys, self->dir, QL_STR(QL__MODEL_DEFAULT), &dir, err);
    if (status >= 0 && self->model_dir == NULL) status = ql__model_check(self->runtime->sys, ql_buf_cstr(&dir), QL_STR(QL__MODEL_DEFAULT), err);
    if (status >= 0) status = ql_buf_printf(&cache, "%s/cache", self->data_dir);
    if (status >= 0) {
        ql__embed_local_options options = {.model_dir = ql_buf_cstr(&dir), .cache_dir = ql_buf_cstr(&cache), .precision = self->precision, .pool = self->runtime->pool,
                                           .sys = self->runtime->sys, .log = &self->runtime->log};
        status = ql__embedder_local_open(&options, ops, out, err);
    }
    ql_buf_dispose(&dir);
    ql_buf_dispose(&cache);
    return ql__fail_status(err, status);
}

const char *ql__workspace_collection(const ql_workspace *self)
{
    const ql__config *config = ql__workspace_config(self);
    return config != NULL && config->collection_name.len > 0 ? config->collection_name.ptr : "documents";
}

ql_status ql__workspace_store_open(const ql_workspace *self, bool write, uint32_t dims, const char *model, ql__backend *out, ql_error *err)
{
    if (model == NULL) model = "";
    const ql_store_settings settings = {.struct_size = sizeof settings, .write = write, .collection = ql_str_of(ql__workspace_collection(self)),
                                        .data_dir = ql_str_of(self->data_dir), .dims = dims, .model = ql_str_of(model)};
    const ql__backend_choice added = {.ops = self->store != NULL ? self->store->ops : NULL, .user = self->store != NULL ? self->store->self : NULL, .checked = true};
    if (self->store != NULL) return ql__backend_open(out, &added, &settings, err);
    ql__store_host host = {.sys = self->runtime->sys, .log = &self->runtime->log};
    const ql__backend_choice builtin = {.ops = ql__store_embedded(), .user = &host};
    if (write) QL_TRY(ql__dir_make(self->runtime->sys, self->data_dir, 0755, err));
    return ql__workspace_store_failed(self, ql__backend_open(out, &builtin, &settings, err), err);
}

ql_status ql__workspace_store_failed(const ql_workspace *self, ql_status status, ql_error *err)
{
    static const char remedy[] = "; 'qloader init --force' makes the index anew, 'qloader ingest' then fills it";
    if (ql_status_kind(status) != QL_E_CORRUPT || err == NULL || strstr(err->message, "--force") != NULL) return status;
    if (strstr(err->message, self->data_dir) == NULL) return status; /* of the model, not of a file of the index */
    size_t len = strlen(err->message);
    if (len + sizeof remedy <= sizeof err->message) memcpy(err->message + len, remedy, sizeof remedy);
    return status;
}

static bool has_files(const ql_workspace *self)
{
    ql_buf path = QL_BUF_INIT;
    struct stat st;
    const ql__file_ops *file = self->runtime->sys->file;
    bool found = ql_buf_printf(&path, "%s/qloader.db", self->data_dir) < 0 /* no memory for a look: opening tells */ ||
                 file->fstatat_fn(file->user, AT_FDCWD, ql_buf_cstr(&path), &st, 0) == 0 || (errno != ENOENT && errno != ENOTDIR);
    ql_buf_dispose(&path);
    return found;
}

ql_status ql__workspace_store_read(const ql_workspace *self, uint32_t dims, const char *model, ql__backend *out, bool *there, ql_error *err)
{
    ql_error why = {0};
    *out = (ql__backend){.ops = NULL};
    *there = self->store != NULL || has_files(self);
    if (!*there) return QL_OK;
    ql_status status = ql__workspace_store_open(self, false, dims, model, out, &why);
    *there = self->store == NULL || ql_status_kind(status) != QL_E_NOTFOUND;
    if (!*there) return QL_OK;
    if (status < 0 && err != NULL) *err = why;
    return status;
}

static ql_status make(const ql_workspace *self, uint32_t dims, const char *model, ql_error *err)
{
    ql__backend store;
    QL_TRY(ql__workspace_store_open(self, true, dims, model, &store, err));
    ql__backend_close(&store);
    return QL_OK;
}

static ql_status clear(const ql_workspace *self, uint32_t dims, const char *model, ql_error *err)
{
    ql__backend store;
    QL_TRY(ql__workspace_store_open(self, true, dims, model, &store, err));
    ql_status status = ql__backend_clear(&store, err);
    ql__backend_close(&store);
    return status;
}

/* Clears an index that is sound, so that readers keep what they see; one that is damaged or was made for another model is removed and made anew. */
static ql_status renew(const ql_workspace *self, uint32_t dims, const char *model, ql_error *err)
{
    if (self->store != NULL) return clear(self, 0, NULL, err);
    ql_status status = clear(self, dims, model, err);
    if (ql_status_kind(status) != QL_E_CORRUPT && ql_status_kind(status) != QL_E_MISMATCH) return status;
    QL_TRY(ql__store_destroy(self->data_dir, self->runtime->sys, err));
    return make(self, dims, model, err);
}

ql_status ql_workspace_init(ql_workspace *self, int force, ql_error *err)
{
    if (self == NULL) return ql__fail(err, QL_E_INVALID, "self is NULL");
    QL_TRY(ql__workspace_supported(self, err));
    const ql_embedder_ops *ops = NULL;
    void *embedder = NULL;
    QL_TRY(ql__workspace_embedder_open(self, &ops, &embedder, err));
    ql_status status = (force ? renew : make)(self, ops->dims_fn(embedder), ops->model_fn(embedder), err);
    ops->close_fn(embedder);
    return status;
}

ql_status ql_workspace_config(const ql_workspace *self, const char *format, ql_buf *out, ql_error *err)
{
    if (self == NULL || format == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "an argument is NULL");
    if (self->config == NULL) return ql__fail(err, QL_E_INVALID, "this workspace was opened without a configuration");
    if (strcmp(format, "json") == 0) return ql__config_write_json(self->config, out, err);
    if (strcmp(format, "yaml") == 0) return ql__config_write_yaml(self->config, out, err);
    return ql__fail(err, QL_E_INVALID, "format '%s' is not json or yaml", format);
}

/* --- what is in it ------------------------------------------------------------------------------------------------------------- */

static ql_status write_reach(ql__json_writer *writer, const ql_workspace *self, const ql__config_source *source, ql_error *err)
{
    ql_error why = {0};
    ql_status status = ql__workspace_source_reach(self, source, &why);
    if (ql_status_kind(status) == QL_E_NOMEM) return ql__fail_nomem(err);
    if (status == QL_DONE) return QL_OK;
    ql__json_key(writer, "reachable");
    ql__json_bool(writer, status >= 0);
    if (status < 0) ql__json_member(writer, "reach_reason", ql_str_of(why.message));
    return QL_OK;
}

static ql_status write_source(ql__json_writer *writer, const ql_workspace *self, ql_str project, const ql__config_source *source, uint32_t parts, ql_error *err)
{
    const char *unsupported = ql__source_unsupported(source->type);
    bool check = (parts & QL_PROJECTS_CHECK) != 0;
    ql_error why = {0};
    if (check && ql_status_kind(ql__workspace_source_check(self, project, source, &why)) == QL_E_NOMEM) return ql__fail_nomem(err);
    if (!check && unsupported != NULL) (void)ql__fail(&why, QL_E_UNSUPPORTED, "%s", unsupported);
    ql__json_object(writer);
    ql__json_member(writer, "source_type", source->type_name);
    ql__json_member(writer, "source", source->name);
    ql__json_member(writer, "base_url", source->shown_url);
    ql__json_key(writer, "supported");
    ql__json_bool(writer, unsupported == NULL);
    if (check) {
        ql__json_key(writer, "ready");
        ql__json_bool(writer, why.status >= 0);
    }
    if (why.status < 0) ql__json_member(writer, "reason", ql_str_of(why.message));
    if (parts & QL_PROJECTS_REACH) QL_TRY(write_reach(writer, self, source, err));
    ql__json_object_end(writer);
    return QL_OK;
}

/* What is stored of each project, asked for once. */
typedef struct project_sum {
    ql_str project;
    uint64_t documents, chunks;
    int64_t latest_ms;
} project_sum;

typedef struct project_sums {
    project_sum *items; /* (count) in the order of the configuration */
    size_t count;
} project_sums;

static int add_source(void *user, const ql_store_source *source)
{
    const project_sums *self = user;
    for (size_t i = 0; i < self->count; i++) {
        project_sum *sum = &self->items[i];
        if (!ql_str_equal(source->project, sum->project)) continue;
        sum->documents += source->documents;
        sum->chunks += source->chunks;
        if (source->last_complete_ms > sum->latest_ms) sum->latest_ms = source->last_complete_ms;
    }
    return 0;
}

static ql_status read_sums(const ql_workspace *self, project_sums *out, ql_error *err)
{
    const ql__config *config = ql__workspace_config(self);
    ql__backend store;
    bool there = false;
    out->items = ql__alloc_zero(config->project_count + 1, sizeof *out->items);
    if (out->items == NULL) return ql__fail_nomem(err);
    for (size_t i = 0; i < config->project_count; i++) out->items[out->count++] = (project_sum){.project = config->projects[i].id, .latest_ms = QL_TIME_UNKNOWN};
    QL_TRY(ql__workspace_store_read(self, 0, NULL, &store, &there, err));
    if (!there) return QL_OK;
    ql_status status = ql__backend_sources(&store, add_source, out, err);
    ql__backend_close(&store);
    return status;
}

static void write_status(ql__json_writer *writer, const project_sum *sum)
{
    ql__json_key(writer, "document_count");
    ql__json_uint(writer, sum->documents);
    ql__json_key(writer, "chunk_count");
    ql__json_uint(writer, sum->chunks);
    ql__json_key(writer, "latest_ingestion");
    ql__json_time(writer, sum->latest_ms);
}

static ql_status write_project(ql__json_writer *writer, const ql_workspace *self, const ql__config_project *project, uint32_t parts, const project_sum *sum, ql_error *err)
{
    ql__json_object(writer);
    ql__json_member(writer, "project_id", project->id);
    ql__json_member(writer, "display_name", project->display_name);
    ql__json_member(writer, "description", project->description);
    ql__json_member(writer, "collection_name", ql__workspace_config(self)->collection_name);
    ql__json_key(writer, "source_count");
    ql__json_uint(writer, project->source_count);
    ql__json_key(writer, "sources");
    ql__json_array(writer);
    for (size_t i = 0; i < project->source_count; i++)
        QL_TRY(write_source(writer, self, project->id, &project->sources[i], parts, err));
    ql__json_array_end(writer);
    if (sum != NULL) write_status(writer, sum);
    ql__json_object_end(writer);
    return QL_OK;
}

static bool has_project(const ql__config *config, ql_str project)
{
    for (size_t i = 0; i < config->project_count; i++)
        if (ql_str_equal(project, config->projects[i].id)) return true;
    return project.len == 0;
}

static ql_status write_projects(const ql_workspace *self, ql_str project, uint32_t parts, const project_sums *sums, ql_buf *out, ql_error *err)
{
    const ql__config *config = ql__workspace_config(self);
    ql__json_writer writer;
    ql__json_begin(&writer, out);
    ql__json_array(&writer);
    for (size_t i = 0; i < config->project_count; i++)
        if (project.len == 0 || ql_str_equal(project, config->projects[i].id)) QL_TRY(write_project(&writer, self, &config->projects[i], parts, sums->items != NULL ? &sums->items[i] : NULL, err));
    ql__json_array_end(&writer);
    return out->status < 0 ? ql__fail(err, out->status, "cannot write the list of projects") : QL_OK;
}

ql_status ql_workspace_projects_json(ql_workspace *self, ql_str project, uint32_t parts, ql_buf *out, ql_error *err)
{
    if (self == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", self == NULL ? "self" : "out");
    if (parts & ~(uint32_t)(QL_PROJECTS_STATUS | QL_PROJECTS_CHECK | QL_PROJECTS_REACH)) return ql__fail(err, QL_E_INVALID, "parts is %#x", parts);
    if (self->config == NULL) return ql__fail(err, QL_E_INVALID, "this workspace was opened without a configuration");
    if (!has_project(ql__workspace_config(self), project)) return ql__fail(err, QL_E_NOTFOUND, "no project '%.*s' in the configuration", (int)project.len, project.ptr);
    project_sums sums = {.count = 0};
    QL_AUTO(ql_buf, ql_buf_dispose) json = QL_BUF_INIT; /* out gets all of it or nothing */
    if (parts & QL_PROJECTS_CHECK) QL_TRY(ql__workspace_supported(self, err));
    ql_status status = parts & QL_PROJECTS_STATUS ? read_sums(self, &sums, err) : QL_OK;
    if (status >= 0) status = write_projects(self, project, parts, &sums, &json, err);
    ql__free(sums.items);
    if (status >= 0 && ql_buf_append(out, ql_buf_str(&json)) < 0) status = ql__fail(err, out->status, "cannot write the list of projects");
    return status;
}

static void write_choice(ql__json_writer *writer, const ql_workspace *self)
{
    const ql__config *config = ql__workspace_config(self);
    bool embedded = config == NULL || config->store_embedded, local = config == NULL || config->embedder_local;
    ql__json_member(writer, "store", self->store != NULL ? ql_str_of(self->store->name) : embedded || self->store_named ? QL_STR("embedded") : QL_STR("qdrant"));
    if (self->store_named) ql__json_member(writer, "store_reason", QL_STR("named by the application"));
    else if (config != NULL) ql__json_member(writer, "store_reason", config->store_reason);
    if (self->embedder_name != NULL) {
        ql__json_member(writer, "embedder", ql_str_of(self->embedder_name));
        ql__json_member(writer, "embedder_reason", QL_STR("named by the application"));
        return;
    }
    ql__json_member(writer, "embedder", local ? QL_STR("local") : QL_STR("remote"));
    if (config != NULL) ql__json_member(writer, "embedder_reason", config->embedder_reason);
}

static ql_status read_facts(const ql_workspace *self, ql_store_facts *out, ql_error *err)
{
    ql__backend store;
    bool there = false;
    QL_TRY(ql__workspace_store_read(self, 0, NULL, &store, &there, err));
    if (!there) return QL_OK;
    ql_status status = ql__backend_facts(&store, out, err);
    ql__backend_close(&store);
    return status;
}

ql_status ql_workspace_info_json(ql_workspace *self, ql_buf *out, ql_error *err)
{
    if (self == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", self == NULL ? "self" : "out");
    ql_store_facts stats = {0};
    QL_TRY(read_facts(self, &stats, err));
    ql__json_writer writer;
    ql__json_begin(&writer, out);
    ql__json_object(&writer);
    write_choice(&writer, self);
    ql__json_member(&writer, "data_dir", ql_str_of(self->data_dir));
    ql__json_member(&writer, "model", ql_str_of(stats.model));
    const struct { const char *key; uint64_t value; } facts[] = {{"documents", stats.documents}, {"chunks", stats.chunks}, {"dims", stats.dims},
                                                                 {"vector_bytes", stats.vector_bytes}, {"database_bytes", stats.database_bytes}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        ql__json_key(&writer, facts[i].key);
        ql__json_uint(&writer, facts[i].value);
    }
    ql__json_object_end(&writer);
    return out->status < 0 ? ql__fail(err, out->status, "cannot write the facts") : QL_OK;
}
