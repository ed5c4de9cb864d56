/*
 * Opening a workspace: configuration, folders, and what of the configuration this build can do. The index and the model are opened
 * when they are first needed.
 */
#include <string.h>

#include "api/extension_embedder.h"
#include "api/handles.h"
#include "base/abi.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "embed/model_file.h"
#include "store/store.h"

static ql_status read_options(const ql_workspace_options *given, ql_workspace_options *options, ql__precision *precision, ql_error *err)
{
    ql_workspace_options_init(options);
    if (given != NULL) QL_TRY(ql__struct_read(options, sizeof *options, sizeof *options, given, "ql_workspace_options", err));
    QL_TRY(ql__reserved_check(options->reserved, sizeof options->reserved / sizeof *options->reserved, "ql_workspace_options", err));
    if (options->dir != NULL && options->config_path != NULL)
        return ql__fail(err, QL_E_INVALID, "a workspace folder and a configuration file exclude each other");
    if (options->data_dir != NULL && options->data_dir[0] == '\0') return ql__fail(err, QL_E_INVALID, "data_dir is empty: name a folder, or NULL for that of the configuration");
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
