/* The index of a workspace: the built-in one in its folder, or the application's own. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "api/handles.h"
#include "base/status.h"
#include "store/store.h"

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
