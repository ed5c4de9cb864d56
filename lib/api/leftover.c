/*
 * What the index holds of sources that were taken out of the configuration. They stay until somebody asks for it: a mistyped
 * name or a file of another branch must not cost an index.
 */
#include "api/leftover.h"

#include "base/alloc.h"
#include "base/status.h"
#include "dep/json.h"

/* Documents of types that no configuration can name were brought by the application, through ql_ingest_source(). */
static bool is_configurable(const ql__ingest *ingest, ql_str type)
{
    const ql__extensions *added = ingest->extensions;
    for (size_t i = 0; i < added->counts[QL__EXTENSION_SOURCE]; i++)
        if (ql_str_equal(type, ql_str_of(added->items[QL__EXTENSION_SOURCE][i].name))) return true;
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
    QL_AUTO(ql_buf, ql_buf_dispose) message = QL_BUF_INIT;
    ql_buf_printf(&message, "not in the configuration any more, its %llu document%s can still be found; 'qloader ingest --prune' deletes them",
                  (unsigned long long)documents, documents == 1 ? "" : "s");
    if (message.status < 0) return ql__fail_nomem(err);
    bool go_on = ql__ingest_event(ingest, source, QL_INGEST_WARN, QL_OK, QL_STR(""), ql_buf_str(&message));
    return go_on ? QL_OK : ql__fail(err, QL_E_CANCELLED, "stopped");
}

static ql_status treat(ql__ingest *ingest, const ql__config *config, const ql__json *row, ql_error *err)
{
    const ql__ingest_source source = {.project = ql__json_str(ql__json_get(row, "project"), QL_STR("")),
                                      .source_type = ql__json_str(ql__json_get(row, "source_type"), QL_STR("")),
                                      .source = ql__json_str(ql__json_get(row, "source"), QL_STR(""))};
    int64_t documents = ql__json_int_of(ql__json_get(row, "documents"), 0);
    if (!is_configurable(ingest, source.source_type) || is_configured(config, &source)) return QL_OK;
    if (ingest->options->prune) return ql__ingest_source_remove(ingest, &source, err);
    return documents > 0 ? tell(ingest, &source, (uint64_t)documents, err) : QL_OK;
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
