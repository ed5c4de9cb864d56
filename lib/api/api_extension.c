/* ql_*_register: what an application adds to a runtime. Threads: one at a time on a runtime. */
#include <string.h>

#include "api/handles.h"
#include "base/status.h"

static ql_status check_table(const ql_runtime *runtime, const void *ops, size_t size, const char *what, ql_error *err)
{
    uint32_t given = 0;
    if (runtime == NULL || ops == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", runtime == NULL ? "runtime" : "ops");
    memcpy(&given, ops, sizeof given);
    if (given < size) return ql__fail(err, QL_E_INVALID, "%s.struct_size is %u, not %zu", what, given, size);
    return QL_OK;
}

static ql_status missing(const char *member, ql_error *err)
{
    return ql__fail(err, QL_E_INVALID, "ops lacks %s", member);
}

ql_status ql_source_register(ql_runtime *runtime, const ql_source_ops *ops, void *user, ql_error *err)
{
    QL_TRY(check_table(runtime, ops, sizeof *ops, "ql_source_ops", err));
    if (ops->open_fn == NULL || ops->list_fn == NULL || ops->fetch_fn == NULL || ops->release_fn == NULL) return missing("open_fn, list_fn, fetch_fn or release_fn", err);
    const ql__extension item = {.ops = ops, .name = ops->type, .self = user}; /* ops->close_fn is for what open_fn makes */
    return ql__extensions_add(&runtime->extensions, QL__EXTENSION_SOURCE, &item, err);
}

ql_status ql_converter_register(ql_runtime *runtime, const ql_converter_ops *ops, void *self, ql_error *err)
{
    QL_TRY(check_table(runtime, ops, sizeof *ops, "ql_converter_ops", err));
    if (ops->accepts_fn == NULL || ops->convert_fn == NULL) return missing("accepts_fn or convert_fn", err);
    const ql__extension item = {.ops = ops, .name = ops->name, .version = ops->version, .self = self, .close_fn = ops->close_fn};
    return ql__extensions_add(&runtime->extensions, QL__EXTENSION_CONVERTER, &item, err);
}

ql_status ql_chunker_register(ql_runtime *runtime, const ql_chunker_ops *ops, void *self, ql_error *err)
{
    QL_TRY(check_table(runtime, ops, sizeof *ops, "ql_chunker_ops", err));
    if (ops->accepts_fn == NULL || ops->chunk_fn == NULL) return missing("accepts_fn or chunk_fn", err);
    const ql__extension item = {.ops = ops, .name = ops->name, .version = ops->version, .self = self, .close_fn = ops->close_fn};
    return ql__extensions_add(&runtime->extensions, QL__EXTENSION_CHUNKER, &item, err);
}

ql_status ql_embedder_register(ql_runtime *runtime, const ql_embedder_ops *ops, void *self, ql_error *err)
{
    QL_TRY(check_table(runtime, ops, sizeof *ops, "ql_embedder_ops", err));
    if (ops->model_fn == NULL || ops->dims_fn == NULL || ops->embed_fn == NULL) return missing("model_fn, dims_fn or embed_fn", err);
    const ql__extension item = {.ops = ops, .name = ops->name, .self = self, .close_fn = ops->close_fn};
    return ql__extensions_add(&runtime->extensions, QL__EXTENSION_EMBEDDER, &item, err);
}

ql_status ql_reranker_register(ql_runtime *runtime, const ql_reranker_ops *ops, void *self, ql_error *err)
{
    QL_TRY(check_table(runtime, ops, sizeof *ops, "ql_reranker_ops", err));
    if (ops->rerank_fn == NULL) return missing("rerank_fn", err);
    const ql__extension item = {.ops = ops, .name = ops->name, .self = self, .close_fn = ops->close_fn};
    return ql__extensions_add(&runtime->extensions, QL__EXTENSION_RERANKER, &item, err);
}
