/* From a source type to its implementation, and what all implementations do alike. Threads: any. */
#include "source/source.h"

#include "base/alloc.h"
#include "base/status.h"
#include "dep/http.h"

#define REACH_MS 10000
#define REACH_BYTES (64 << 10) /* of a page nobody reads */

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

static ql_status drop_body(void *user, ql_str piece, uint64_t total_bytes, ql_error *err)
{
    (void)user;
    (void)piece;
    (void)total_bytes;
    (void)err;
    return QL_OK;
}

/* One GET without any secret: who asks for one has answered. */
static ql_status web_reach(const ql__source_options *options, ql_error *err)
{
    const ql__net_ops *net = options->sys->net != NULL ? options->sys->net : &ql__http_net;
    QL_AUTO(ql_buf, ql_buf_dispose) url = QL_BUF_INIT;
    if (ql_buf_append(&url, options->config->base_url) < 0) return ql__fail_nomem(err);
    ql__net_get get = {.url = ql_buf_cstr(&url), .limit_bytes = REACH_BYTES, .connect_ms = REACH_MS, .stall_ms = REACH_MS, .body_fn = drop_body,
                       .cancelled_fn = options->cancelled_fn, .user = options->user};
    ql_error own = {0};
    ql_status status = net->get_fn(net->user, &get, &own);
    if (status >= 0 || own.http_code != 0 || ql_status_kind(status) == QL_E_LIMIT) return QL_OK;
    if (err != NULL) *err = own;
    return status;
}

ql_status ql__source_reach(const ql__source_options *options, ql_error *err)
{
    switch (options->config->type) {
    case QL__SOURCE_LOCALFILE:
    case QL__SOURCE_ADDED: /* only the application knows where it lies */
        return QL_DONE;
    case QL__SOURCE_GIT:
        return ql__source_git_reach(options, err);
    default:
        return web_reach(options, err);
    }
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
