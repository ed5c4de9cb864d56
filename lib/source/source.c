/* From a source type to its implementation, and what all implementations do alike. Threads: any. */
#include "source/source.h"

#include "base/status.h"

ql_status ql__source_open(const ql__source_options *options, const ql_source_ops **ops, void **self, ql_error *err)
{
    const ql__config_source *config = options->config;
    switch (config->type) {
    case QL__SOURCE_LOCALFILE:
        return ql__source_localfile_open(options, ops, self, err);
    case QL__SOURCE_GIT:
        return ql__source_git_open(options, ops, self, err);
    default:
        return ql__fail(err, QL_E_UNSUPPORTED, "sources of type %.*s are not in this build", (int)config->type_name.len,
                        config->type_name.ptr);
    }
}

ql_status ql__source_check(const ql__source_options *options, ql_error *err)
{
    const ql_source_ops *ops = NULL;
    void *self = NULL;
    if (options->config->type == QL__SOURCE_GIT) return ql__source_git_check(options, err);
    QL_TRY(ql__source_open(options, &ops, &self, err));
    ops->close_fn(self);
    return QL_OK;
}

ql_status ql__source_opened(ql_status status, const ql_source_ops *table, void *self, const ql_source_ops **ops, void **out)
{
    if (status < 0) {
        table->close_fn(self);
        return status;
    }
    *ops = table;
    *out = self;
    return QL_OK;
}

static ql_status stopped(int value, ql_error *err)
{
    if (value == 0) return QL_OK;
    ql_status status = ql__fail(err, QL_E_CALLBACK, "stopped by the receiver of the listing");
    if (err != NULL) err->callback_value = value;
    return status;
}

ql_status ql__sink_item(const ql_source_sink *sink, const ql_item *item, ql_error *err)
{
    return stopped(sink->item_fn(sink->user, item), err);
}

ql_status ql__sink_skipped(const ql_source_sink *sink, ql_str url, ql_str reason, ql_error *err)
{
    return sink->skipped_fn != NULL ? stopped(sink->skipped_fn(sink->user, url, reason), err) : QL_OK;
}
