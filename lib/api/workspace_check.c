/* Whether a workspace could work, part by part, in one JSON object: nothing is changed, and nothing that is wrong is a failure of the call. */
#include <stdio.h>

#include "api/handles.h"
#include "base/alloc.h"
#include "base/status.h"
#include "dep/json.h"

/* The model as it was found: what the index is compared with. */
typedef struct found_model {
    char name[128];
    uint32_t dims; /* 0: not opened */
} found_model;

/* "ready", and why not. QL_E_NOMEM is the one failure that says nothing about the workspace. */
static ql_status write_verdict(ql__json_writer *writer, ql_status status, const ql_error *why, ql_error *err)
{
    if (ql_status_kind(status) == QL_E_NOMEM) return ql__fail_nomem(err);
    ql__json_key(writer, "ready");
    ql__json_bool(writer, status >= 0);
    if (status >= 0) return QL_OK;
    ql__json_member(writer, "kind", ql_str_of(ql_status_name(status)));
    ql__json_member(writer, "reason", ql_str_of(why->message));
    return QL_OK;
}

static void write_fact(ql__json_writer *writer, const char *key, bool known, uint64_t value)
{
    ql__json_key(writer, key);
    if (known) ql__json_uint(writer, value);
    else ql__json_null(writer);
}

static void write_name(ql__json_writer *writer, const char *key, const char *name)
{
    ql__json_key(writer, key);
    ql__json_cstring(writer, name[0] != '\0' ? name : NULL);
}

static ql_status check_model(const ql_workspace *self, ql__json_writer *writer, found_model *out, ql_error *err)
{
    const ql_embedder_ops *ops = NULL;
    void *embedder = NULL;
    ql_error why = {0};
    ql_status status = ql__workspace_embedder_open(self, &ops, &embedder, &why);
    if (status >= 0) {
        snprintf(out->name, sizeof out->name, "%s", ops->model_fn(embedder));
        out->dims = ops->dims_fn(embedder);
        ops->close_fn(embedder);
    }
    ql__json_key(writer, "model");
    ql__json_object(writer);
    QL_TRY(write_verdict(writer, status, &why, err));
    write_name(writer, "name", out->name);
    write_fact(writer, "dims", status >= 0, out->dims);
    ql__json_object_end(writer);
    return QL_OK;
}

/* Opens and looks; *read: the facts are there although something is wrong. *whole: is wanted, and whether it was read. */
static ql_status read_index(const ql_workspace *self, const found_model *model, bool *whole, ql_store_facts *facts, bool *read, ql_error *err)
{
    ql__backend store;
    bool there = false;
    *read = false;
    QL_TRY(ql__workspace_store_read(self, 0, NULL, &store, &there, err));
    if (!there && self->store != NULL) return ql__fail(err, QL_E_NOTFOUND, "nothing was ingested into the store '%s' yet", self->store->name);
    if (!there) return ql__fail(err, QL_E_NOTFOUND, "there is no index in '%s' yet: run 'qloader ingest' first", self->data_dir);
    ql_status status = ql__backend_facts(&store, facts, err);
    *read = status >= 0;
    *whole = *whole && status >= 0 && ql__backend_can_verify(&store);
    if (*whole) status = ql__workspace_store_failed(self, ql__backend_verify(&store, err), err);
    ql__backend_close(&store);
    if (status < 0 || model->dims == 0) return status;
    status = ql__workspace_store_open(self, false, model->dims, model->name, &store, err); /* tells what does not match */
    if (status >= 0) ql__backend_close(&store);
    return status;
}

static ql_status check_index(const ql_workspace *self, ql__json_writer *writer, const found_model *model, bool whole, ql_error *err)
{
    ql_store_facts stats = {0};
    bool read = false;
    ql_error why = {0};
    ql_status status = read_index(self, model, &whole, &stats, &read, &why);
    ql__json_key(writer, "index");
    ql__json_object(writer);
    ql__json_key(writer, "there");
    ql__json_bool(writer, ql_status_kind(status) != QL_E_NOTFOUND);
    QL_TRY(write_verdict(writer, status, &why, err));
    bool sound = whole && (status >= 0 || ql_status_kind(status) == QL_E_MISMATCH); /* that one comes after the reading */
    ql__json_key(writer, "whole");
    if (sound && read) ql__json_bool(writer, true);
    else ql__json_null(writer);
    write_fact(writer, "documents", read, stats.documents);
    write_fact(writer, "chunks", read, stats.chunks);
    write_fact(writer, "dims", read && stats.dims > 0, stats.dims);
    write_name(writer, "model", stats.model);
    ql__json_member(writer, "collection", ql_str_of(ql__workspace_collection(self)));
    ql__json_object_end(writer);
    return QL_OK;
}

static ql_status check_all(const ql_workspace *self, uint32_t parts, ql__json_writer *writer, ql_error *err)
{
    found_model model = {0};
    ql_error why = {0};
    ql_status supported = ql__workspace_supported(self, &why);
    ql__json_object(writer);
    ql__json_key(writer, "supported");
    ql__json_object(writer);
    QL_TRY(write_verdict(writer, supported, &why, err));
    ql__json_object_end(writer);
    if (supported >= 0 && (parts & QL_CHECK_MODEL)) QL_TRY(check_model(self, writer, &model, err));
    if (supported >= 0 && (parts & (QL_CHECK_INDEX | QL_CHECK_INDEX_WHOLE))) QL_TRY(check_index(self, writer, &model, (parts & QL_CHECK_INDEX_WHOLE) != 0, err));
    ql__json_object_end(writer);
    return QL_OK;
}

ql_status ql_workspace_check_json(ql_workspace *self, uint32_t parts, ql_buf *out, ql_error *err)
{
    if (self == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", self == NULL ? "self" : "out");
    if (parts & ~(uint32_t)(QL_CHECK_MODEL | QL_CHECK_INDEX | QL_CHECK_INDEX_WHOLE)) return ql__fail(err, QL_E_INVALID, "parts is %#x", parts);
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    ql__json_writer writer;
    ql__json_begin(&writer, &text);
    QL_TRY(check_all(self, parts, &writer, err));
    if (text.status >= 0) (void)ql_buf_append(out, ql_buf_str(&text));
    ql_status status = text.status < 0 ? text.status : out->status;
    return status < 0 ? ql__fail(err, status, "cannot write the verdict") : QL_OK;
}
