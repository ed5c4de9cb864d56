/*
 * ql_*_register: what an application adds to a runtime. Each table is read as far as this library and the application both know it. Threads: one
 * at a time on a runtime.
 */
#include "api/handles.h"
#include "base/abi.h"
#include "base/status.h"

static ql_status check(const ql_runtime *runtime, const void *ops, ql_error *err)
{
    if (runtime == NULL || ops == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", runtime == NULL ? "runtime" : "ops");
    return QL_OK;
}

static ql_status missing(const char *member, ql_error *err)
{
    return ql__fail(err, QL_E_INVALID, "ops lacks %s", member);
}

static ql_status check_reserved(uint32_t reserved, const char *what, ql_error *err)
{
    return reserved == 0 ? QL_OK : ql__fail(err, QL_E_INVALID, "%s.reserved is not zero", what);
}

ql_status ql_source_register(ql_runtime *runtime, const ql_source_ops *given, void *user, ql_error *err)
{
    ql_source_ops ops;
    QL_TRY(check(runtime, given, err));
    QL_TRY(ql__struct_read(&ops, sizeof ops, sizeof ops, given, "ql_source_ops", err));
    QL_TRY(check_reserved(ops.reserved, "ql_source_ops", err));
    if (ops.open_fn == NULL || ops.list_fn == NULL || ops.fetch_fn == NULL || ops.release_fn == NULL) return missing("open_fn, list_fn, fetch_fn or release_fn", err);
    const ql__extension item = {.ops = &ops, .ops_bytes = sizeof ops, .name = ops.type, .self = user}; /* close_fn is for what open_fn makes */
    return ql__extensions_add(&runtime->extensions, QL__EXTENSION_SOURCE, &item, err);
}

ql_status ql_converter_register(ql_runtime *runtime, const ql_converter_ops *given, void *self, ql_error *err)
{
    ql_converter_ops ops;
    QL_TRY(check(runtime, given, err));
    QL_TRY(ql__struct_read(&ops, sizeof ops, sizeof ops, given, "ql_converter_ops", err));
    if (ops.accepts_fn == NULL || ops.convert_fn == NULL) return missing("accepts_fn or convert_fn", err);
    const ql__extension item = {.ops = &ops, .ops_bytes = sizeof ops, .name = ops.name, .version = ops.version, .self = self, .close_fn = ops.close_fn};
    return ql__extensions_add(&runtime->extensions, QL__EXTENSION_CONVERTER, &item, err);
}

ql_status ql_chunker_register(ql_runtime *runtime, const ql_chunker_ops *given, void *self, ql_error *err)
{
    ql_chunker_ops ops;
    QL_TRY(check(runtime, given, err));
    QL_TRY(ql__struct_read(&ops, sizeof ops, sizeof ops, given, "ql_chunker_ops", err));
    if (ops.accepts_fn == NULL || ops.chunk_fn == NULL) return missing("accepts_fn or chunk_fn", err);
    const ql__extension item = {.ops = &ops, .ops_bytes = sizeof ops, .name = ops.name, .version = ops.version, .self = self, .close_fn = ops.close_fn};
    return ql__extensions_add(&runtime->extensions, QL__EXTENSION_CHUNKER, &item, err);
}

ql_status ql_embedder_register(ql_runtime *runtime, const ql_embedder_ops *given, void *self, ql_error *err)
{
    ql_embedder_ops ops;
    QL_TRY(check(runtime, given, err));
    QL_TRY(ql__struct_read(&ops, sizeof ops, sizeof ops, given, "ql_embedder_ops", err));
    QL_TRY(check_reserved(ops.reserved, "ql_embedder_ops", err));
    if (ops.model_fn == NULL || ops.dims_fn == NULL || ops.embed_fn == NULL) return missing("model_fn, dims_fn or embed_fn", err);
    const ql__extension item = {.ops = &ops, .ops_bytes = sizeof ops, .name = ops.name, .self = self, .close_fn = ops.close_fn};
    return ql__extensions_add(&runtime->extensions, QL__EXTENSION_EMBEDDER, &item, err);
}

ql_status ql_reranker_register(ql_runtime *runtime, const ql_reranker_ops *given, void *self, ql_error *err)
{
    ql_reranker_ops ops;
    QL_TRY(check(runtime, given, err));
    QL_TRY(ql__struct_read(&ops, sizeof ops, sizeof ops, given, "ql_reranker_ops", err));
    QL_TRY(check_reserved(ops.reserved, "ql_reranker_ops", err));
    if (ops.rerank_fn == NULL) return missing("rerank_fn", err);
    const ql__extension item = {.ops = &ops, .ops_bytes = sizeof ops, .name = ops.name, .self = self, .close_fn = ops.close_fn};
    return ql__extensions_add(&runtime->extensions, QL__EXTENSION_RERANKER, &item, err);
}

/* The first member of a store that is not there, what it can do without aside; NULL: whole. */
static const char *missing_of_store(const ql_store_ops *ops)
{
#define MEMBER(name) {#name, ops->name != NULL}
    const struct { const char *name; bool there; } members[] = {
        MEMBER(open_fn), MEMBER(close_fn), MEMBER(begin_fn), MEMBER(replace_fn), MEMBER(touch_fn), MEMBER(remove_fn), MEMBER(commit_fn), MEMBER(rollback_fn), MEMBER(clear_fn),
        MEMBER(facts_fn), MEMBER(known_fn), MEMBER(owners_fn), MEMBER(source_done_fn), MEMBER(source_forget_fn), MEMBER(sources_fn), MEMBER(view_open_fn), MEMBER(view_close_fn),
        MEMBER(find_fn), MEMBER(chunks_fn)};
#undef MEMBER
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (!members[i].there) return members[i].name;
    return NULL;
}

ql_status ql_store_register(ql_runtime *runtime, const ql_store_ops *given, void *user, ql_error *err)
{
    ql_store_ops ops;
    QL_TRY(check(runtime, given, err));
    QL_TRY(ql__struct_read(&ops, sizeof ops, sizeof ops, given, "ql_store_ops", err));
    QL_TRY(check_reserved(ops.reserved, "ql_store_ops", err));
    const char *lacks = missing_of_store(&ops);
    if (lacks != NULL) return missing(lacks, err);
    const ql__extension item = {.ops = &ops, .ops_bytes = sizeof ops, .name = ops.name, .self = user}; /* close_fn is for what open_fn makes */
    return ql__extensions_add(&runtime->extensions, QL__EXTENSION_STORE, &item, err);
}
