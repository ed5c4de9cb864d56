/* What is in a workspace, as JSON: its projects with their sources and what is stored of them, and the facts of its index. */
#include "api/handles.h"
#include "base/abi.h"
#include "base/alloc.h"
#include "base/status.h"
#include "dep/json.h"

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
    QL_TRY(QL__STRS_CHECK("", err, {"project", project}));
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
