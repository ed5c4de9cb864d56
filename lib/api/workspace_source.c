/* The configured sources of a workspace: those of the library and the application's own, opened, checked and reached for. */
#include "api/handles.h"
#include "base/status.h"
#include "source/source.h"

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
