/*
 * What the index holds of sources that were taken out of the configuration. They stay until somebody asks for it: a mistyped
 * name or a file of another branch must not cost an index.
 */
#include "api/leftover.h"

#include "base/alloc.h"
#include "base/status.h"
#include "dep/json.h"

static ql_status list_nothing(void *self, const ql_source_sink *sink, ql_error *err)
{
    (void)self;
    (void)sink;
    (void)err;
    return QL_OK;
}

static ql_status fetch_nothing(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    (void)self;
    (void)item;
    (void)out;
    (void)token;
    return ql__fail(err, QL_E_NOTFOUND, "the source is no longer configured");
}

static void release_nothing(void *self, void *token)
{
    (void)self;
    (void)token;
}

static const ql_source_ops empty_source = {.struct_size = sizeof empty_source, .type = "removed", .list_fn = list_nothing, .fetch_fn = fetch_nothing, .release_fn = release_nothing};

/* Documents of types that no configuration can name were brought by the application, through ql_ingest_source(). */
static bool is_configurable(ql_str type)
{
    for (size_t i = 0; i < QL__SOURCE_TYPE_COUNT; i++)
        if (ql_str_equal(type, ql_str_of(ql__source_type_name(i)))) return true;
    return false;
}

static bool is_configured(const ql__config *config, const ql__ingest_source *source)
{
    for (size_t p = 0; p < config->project_count; p++) {
        const ql__config_project *project = &config->projects[p];
        if (!ql_str_equal(project->id, source->project)) continue;
        for (size_t s = 0; s < project->source_count; s++) {
            if (ql_str_equal(project->sources[s].type_name, source->source_type) && ql_str_equal(project->sources[s].name, source->source)) return true;
        }
    }
    return false;
}

static ql_status tell(ql__ingest *ingest, const ql__ingest_source *source, uint64_t documents, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) place = QL_BUF_INIT;
    QL_AUTO(ql_buf, ql_buf_dispose) message = QL_BUF_INIT;
    ql_buf_printf(&place, "%.*s/%.*s of project '%.*s'", (int)source->source_type.len, source->source_type.ptr, (int)source->source.len, source->source.ptr,
                  (int)source->project.len, source->project.ptr);
    ql_buf_printf(&message, "not in the configuration any more, its %llu document%s can still be found; 'qloader ingest --prune' deletes them",
                  (unsigned long long)documents, documents == 1 ? "" : "s");
    if (place.status < 0 || message.status < 0) return ql__fail_nomem(err);
    bool go_on = ql__ingest_event(ingest, source, QL_INGEST_WARN, QL_OK, ql_buf_str(&place), ql_buf_str(&message));
    return go_on ? QL_OK : ql__fail(err, QL_E_CANCELLED, "stopped");
}

static ql_status treat(ql__ingest *ingest, const ql__config *config, const ql__json *row, ql_error *err)
{
    ql__ingest_source source = {.project = ql__json_str(ql__json_get(row, "project"), QL_STR("")),
                                .source_type = ql__json_str(ql__json_get(row, "source_type"), QL_STR("")),
                                .source = ql__json_str(ql__json_get(row, "source"), QL_STR("")),
                                .ops = &empty_source};
    int64_t documents = ql__json_int_of(ql__json_get(row, "documents"), 0);
    if (documents <= 0 || !is_configurable(source.source_type) || is_configured(config, &source)) return QL_OK;
    return ingest->options->prune ? ql__ingest_source_run(ingest, &source, err) : tell(ingest, &source, (uint64_t)documents, err);
}

ql_status ql__leftover_sources(ql__ingest *ingest, const ql__config *config, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) json = QL_BUF_INIT;
    ql__json *rows = NULL;
    if (ingest->store == NULL) return QL_OK;
    ql_status status = ql__store_sources_json(ingest->store, &json, err);
    if (status >= 0) status = ql__json_parse(ql_buf_str(&json), &rows, err);
    for (size_t i = 0; status >= 0 && i < ql__json_count(rows); i++) status = treat(ingest, config, ql__json_at(rows, i), err);
    ql__json_free(rows);
    return status;
}
