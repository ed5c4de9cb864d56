/*
 * What the index holds of sources that were taken out of the configuration. They stay until somebody asks for it: a mistyped
 * name or a file of another branch must not cost an index.
 */
#include "api/leftover.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/array.h"
#include "base/status.h"

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
    const char *remedy = ingest->store->checked ? "an ingest with prune" : "'qloader ingest --prune'"; /* the program knows no store but its own */
    ql_buf_printf(&message, "not in the configuration any more, its %llu document%s can still be found; %s deletes them", (unsigned long long)documents,
                  documents == 1 ? "" : "s", remedy);
    if (message.status < 0) return ql__fail_nomem(err);
    bool go_on = ql__ingest_event(ingest, source, QL_INGEST_WARN, QL_OK, QL_STR(""), ql_buf_str(&message));
    return go_on ? QL_OK : ql__fail(err, QL_E_CANCELLED, "stopped");
}

static ql_status treat(ql__ingest *ingest, const ql__config *config, const ql_store_source *stored, ql_error *err)
{
    const ql__ingest_source source = {.project = stored->project, .source_type = stored->source_type, .source = stored->source};
    if (!is_configurable(ingest, source.source_type) || is_configured(config, &source)) return QL_OK;
    if (ingest->options->prune) return ql__ingest_source_remove(ingest, &source, err);
    return stored->documents > 0 ? tell(ingest, &source, stored->documents, err) : QL_OK;
}

/* Copies: what is deleted must not be listed at the same time. */
typedef struct stored_list {
    ql__arena arena;
    ql_store_source *items;
    size_t count, capacity;
} stored_list;

static int collect(void *user, const ql_store_source *source)
{
    stored_list *self = user;
    ql_store_source copy = {.documents = source->documents};
    bool ok = ql__arena_copy(&self->arena, source->project, &copy.project) && ql__arena_copy(&self->arena, source->source_type, &copy.source_type) &&
              ql__arena_copy(&self->arena, source->source, &copy.source) && ql__array_push(self->items, self->count, self->capacity, copy);
    return ok ? 0 : 1;
}

ql_status ql__leftover_sources(ql__ingest *ingest, const ql__config *config, ql_error *err)
{
    stored_list list = {.count = 0};
    if (ingest->store == NULL) return QL_OK;
    ql__arena_init(&list.arena, 0);
    ql_status status = ql__backend_sources(ingest->store, collect, &list, err);
    if (status == QL_E_CALLBACK) status = ql__fail_nomem(err);
    for (size_t i = 0; status >= 0 && i < list.count; i++) status = treat(ingest, config, &list.items[i], err);
    ql__free(list.items);
    ql__arena_dispose(&list.arena);
    return status;
}
