/*
 * ql_ingest: which sources, with which store, embedder and chunk size; then one source after the other (lib/ingest).
 */
#include <string.h>
#include <strings.h>

#include "api/handles.h"
#include "api/leftover.h"
#include "base/abi.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "chunk/chunk.h"
#include "convert/convert.h"
#include "ingest/ingest.h"
#include "ingest/prepare.h"
#include "model/identity.h"
#include "text/utf8.h"

/*
 * Size of a chunk in the model's own tokens when the configuration does not say one: it leaves room in a window of 256 for title and
 * section path (CONTEXT_BYTES_MAX in lib/ingest/prepare.c).
 */
#define CHUNK_TOKENS 224
#define CHUNK_OVERLAP_TOKENS 36
#define CHUNK_CHARACTERS 1500
#define CHUNK_OVERLAP_CHARACTERS 200

typedef struct run {
    ql_workspace *workspace;
    ql__ingest ingest;
    ql__backend store; /* open when ingest.store points to it */
    ql_ingest_report report;
    ql_buf pipeline;
    const ql__config *config;
} run;

/* The unit is the model's token unless the file speaks of sizes: those are characters, as in the reference. */
static void choose_chunk_size(run *self)
{
    const ql__config *config = self->config;
    ql_chunk_options *chunk = &self->ingest.chunk;
    *chunk = (ql_chunk_options){.struct_size = sizeof *chunk};
    bool written = config != NULL && (config->chunk_size_set || config->chunk_overlap_set);
    const ql_measure *tokens = self->ingest.embedder->measure_fn != NULL ? self->ingest.embedder->measure_fn(self->ingest.embedder_self) : NULL;
    uint32_t window = self->ingest.embedder->window_fn != NULL ? self->ingest.embedder->window_fn(self->ingest.embedder_self) : 0;
    if (!written && tokens != NULL) {
        chunk->measure = tokens;
        chunk->size_max = window > 0 && window < CHUNK_TOKENS ? window : CHUNK_TOKENS;
        chunk->overlap = chunk->size_max * CHUNK_OVERLAP_TOKENS / CHUNK_TOKENS;
    } else {
        chunk->size_max = config != NULL && config->chunk_size_set ? config->chunk_size : CHUNK_CHARACTERS;
        chunk->overlap = config != NULL && config->chunk_overlap_set ? config->chunk_overlap : CHUNK_OVERLAP_CHARACTERS;
        if (chunk->overlap >= chunk->size_max) chunk->overlap = chunk->size_max / 4;
    }
    if (config != NULL) chunk->chunks_max = config->max_chunks_per_document;
}

/*
 * Everything that shapes chunks and vectors; documents made otherwise are made again. The arithmetic of the model is in it only when it
 * was asked for by name: an index moves between machines with and without bf16, whose vectors differ by less than a ranking shows. Not in
 * it: which grammars are installed (ingest --force reads again after installing one).
 */
static ql_status describe_pipeline(run *self, ql_error *err)
{
    const ql_chunk_options *chunk = &self->ingest.chunk;
    ql_str model = ql__model_key(ql_str_of(self->ingest.embedder->model_fn(self->ingest.embedder_self)));
    ql_status status = ql_buf_printf(&self->pipeline, "convert=%u chunker=%u prepare=%u chunk=%u/%u/%u %s max=%u model=%.*s analyzer=%u",
                                     QL__CONVERT_VERSION, QL__CHUNK_VERSION, QL__PREPARE_VERSION, chunk->size_max, chunk->overlap, chunk->size_min,
                                     chunk->measure != NULL ? chunk->measure->unit : "characters", chunk->chunks_max,
                                     (int)model.len, model.ptr, ql__analyzer_version());
    static const ql__extension_kind kinds[] = {QL__EXTENSION_CONVERTER, QL__EXTENSION_CHUNKER};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t i = 0; i < self->ingest.extensions->counts[kinds[k]]; i++) {
            const ql__extension *item = &self->ingest.extensions->items[kinds[k]][i];
            status = ql_buf_printf(&self->pipeline, " %s:%s=%u", k == 0 ? "converter" : "chunker", item->name, item->version);
        }
    if (self->workspace->precision == QL__PRECISION_FP32) status = ql_buf_append(&self->pipeline, QL_STR(" fp32"));
    if (self->workspace->precision == QL__PRECISION_BF16) status = ql_buf_append(&self->pipeline, QL_STR(" bf16"));
    if (self->workspace->precision == QL__PRECISION_INT8) status = ql_buf_append(&self->pipeline, QL_STR(" int8"));
    self->ingest.pipeline = ql_buf_str(&self->pipeline);
    return status < 0 ? ql__fail_nomem(err) : QL_OK;
}

static ql_status open_store(run *self, ql_error *err)
{
    ql__ingest *ingest = &self->ingest;
    uint32_t dims = ingest->embedder->dims_fn(ingest->embedder_self);
    const char *model = ingest->embedder->model_fn(ingest->embedder_self);
    bool there = true;
    if (ingest->options->dry_run) QL_TRY(ql__workspace_store_read(self->workspace, dims, model, &self->store, &there, err));
    else QL_TRY(ql__workspace_store_open(self->workspace, true, dims, model, &self->store, err));
    if (there) ingest->store = &self->store;
    return QL_OK;
}

static void end(run *self)
{
    ql__backend_close(&self->store);
    if (self->ingest.embedder != NULL) self->ingest.embedder->close_fn(self->ingest.embedder_self);
    ql_buf_dispose(&self->pipeline);
    ql__ingest_dispose(&self->ingest);
}

static ql_status begin(run *self, ql_workspace *workspace, const ql_ingest_options *options, ql_error *err)
{
    *self = (run){.workspace = workspace, .config = ql__workspace_config(workspace)};
    self->report.struct_size = sizeof self->report;
    ql__ingest *ingest = &self->ingest;
    if (ql__ingest_init(ingest) < 0) return ql__fail_nomem(err);
    ingest->sys = workspace->runtime->sys;
    ingest->log = &workspace->runtime->log;
    ingest->pool = workspace->runtime->pool;
    ingest->prof = workspace->runtime->prof;
    ingest->extensions = &workspace->runtime->extensions;
    ingest->options = options;
    ingest->report = &self->report;
    ql_status status = ql__memory_plan_make(ingest->sys, options->memory_max, ql__pool_size(ingest->pool), &ingest->memory, err);
    if (status >= 0) status = ql__workspace_embedder_open(workspace, &ingest->embedder, &ingest->embedder_self, err);
    if (status >= 0) {
        choose_chunk_size(self);
        status = describe_pipeline(self, err);
    }
    if (status >= 0) status = open_store(self, err);
    if (status < 0) end(self);
    return status;
}

/* A source that fails is told and the run goes on. Failures of the store raise the stop flag (lib/ingest); these end the run wherever they come from. */
static bool ends_all(ql_status status)
{
    ql_status kind = ql_status_kind(status);
    return kind == QL_E_CANCELLED || kind == QL_E_NOSPACE || kind == QL_E_NOMEM;
}

#define ASK_NS ((uint64_t)100 * 1000 * 1000)

typedef struct asking {
    ql__ingest *ingest;
    const ql__ingest_source *source; /* that is being opened or listed */
} asking;

/* Asked at every step of a long listing; the application is asked some ten times a second. */
static int cancelled(void *user)
{
    const asking *self = user;
    ql__ingest *ingest = self->ingest;
    uint64_t now_ns = ql__monotonic_ns(ingest->sys);
    bool due = now_ns - ingest->asked_ns >= ASK_NS;
    if (due) ingest->asked_ns = now_ns;
    if (due && ingest->options->progress_fn != NULL && !atomic_load(&ingest->stop)) {
        ql_ingest_progress progress = {.struct_size = sizeof progress, .phase = QL_INGEST_LISTING, .project = self->source->project, .source_type = self->source->source_type,
                                       .source = self->source->source};
        if (ingest->options->progress_fn(ingest->options->user, &progress) != 0) {
            atomic_store(&ingest->cancelled, true);
            atomic_store(&ingest->stop, true);
        }
    }
    return atomic_load(&ingest->stop);
}

static ql_status open_and_run(run *self, const ql__config_source *config, ql__ingest_source *source, ql_error *err)
{
    ql__open_source opened;
    asking whom = {&self->ingest, source}; /* as long as the source is open */
    ql_status status = ql__workspace_source_open(self->workspace, source->project, config, cancelled, &whom, &opened, err);
    QL_TRY(ql__ingest_source_status(status, err));
    source->ops = opened.ops;
    source->self = opened.self;
    source->foreign = config->type == QL__SOURCE_ADDED;
    status = ql__ingest_source_run(&self->ingest, source, err);
    ql__workspace_source_close(&opened);
    return status;
}

static ql_status run_one(run *self, ql_str project, const ql__config_source *config, ql_error *err)
{
    ql__ingest_source source = {.project = project, .source_type = config->type_name, .source = config->name};
    ql_error detail = {0};
    self->report.sources++;
    ql_status status = open_and_run(self, config, &source, &detail);
    if (status >= 0) return QL_OK;
    /* What stopped the stages for good (their flag stays up) is the store's or the embedder's failure, not the source's. */
    if (ends_all(status) || atomic_load(&self->ingest.stop)) {
        if (err != NULL) *err = detail;
        return status;
    }
    if (!ql__ingest_event(&self->ingest, &source, QL_INGEST_SOURCE_FAIL, status, config->shown_url, ql_str_of(detail.message)))
        return ql__fail(err, QL_E_CANCELLED, "stopped");
    return QL_OK;
}

static bool same_name(ql_str a, ql_str b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static bool wanted(const ql_ingest_options *options, const ql__config_source *source)
{
    return (options->source_type.len == 0 || same_name(options->source_type, source->type_name)) &&
           (options->source.len == 0 || ql_str_equal(options->source, source->name));
}

static bool has_filter(const ql_ingest_options *options)
{
    return options->project.len > 0 || options->source_type.len > 0 || options->source.len > 0;
}

static ql_status fail_source(const ql_ingest_options *options, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) wanted_text = QL_BUF_INIT;
    const struct { const char *before; ql_str value; } parts[] = {{"", options->source}, {"of type ", options->source_type}, {"in project ", options->project}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].value.len > 0) (void)ql_buf_printf(&wanted_text, " %s'%.*s'", parts[i].before, (int)(parts[i].value.len < 120 ? parts[i].value.len : 120), parts[i].value.ptr);
    if (wanted_text.status < 0) return ql__fail_nomem(err);
    return ql__fail(err, QL_E_NOTFOUND, "no source%s in the configuration", ql_buf_cstr(&wanted_text));
}

static ql_status run_configured(run *self, const ql_ingest_options *options, ql_error *err)
{
    size_t projects = 0, sources = 0;
    for (size_t p = 0; p < self->config->project_count; p++) {
        const ql__config_project *project = &self->config->projects[p];
        if (options->project.len > 0 && !ql_str_equal(options->project, project->id)) continue;
        projects++;
        for (size_t s = 0; s < project->source_count; s++) {
            if (!wanted(options, &project->sources[s])) continue;
            sources++;
            QL_TRY(run_one(self, project->id, &project->sources[s], err));
        }
    }
    if (projects == 0) return ql__fail(err, QL_E_NOTFOUND, "no project '%.*s' in the configuration", (int)options->project.len, options->project.ptr);
    bool filtered = options->source_type.len > 0 || options->source.len > 0;
    return sources == 0 && filtered ? fail_source(options, err) : QL_OK;
}

/* A source that was renamed and mistyped at once would lose its documents: nothing is pruned while one of the configured cannot be opened. */
static bool can_open_all(run *self)
{
    for (size_t p = 0; p < self->config->project_count; p++) {
        const ql__config_project *project = &self->config->projects[p];
        for (size_t s = 0; s < project->source_count; s++) {
            const ql__config_source *config = &project->sources[s];
            ql_error why = {0};
            if (ql__source_unsupported(config->type) != NULL || ql__workspace_source_check(self->workspace, project->id, config, &why) >= 0) continue;
            const ql__ingest_source source = {.project = project->id, .source_type = config->type_name, .source = config->name};
            (void)ql__ingest_event(&self->ingest, &source, QL_INGEST_WARN, QL_OK, QL_STR(""), QL_STR("cannot be opened, so nothing was pruned in this run"));
            return false;
        }
    }
    return true;
}

/* What is to be deleted goes first, so that a source that was renamed finds the ids of its documents free; a warning is read at the end. */
static ql_status run_matching(run *self, const ql_ingest_options *options, ql_error *err)
{
    if (options->prune && can_open_all(self)) QL_TRY(ql__leftover_sources(&self->ingest, self->config, err));
    QL_TRY(run_configured(self, options, err));
    return options->prune || has_filter(options) ? QL_OK : ql__leftover_sources(&self->ingest, self->config, err);
}

static ql_status outcome(run *self, ql_status status, uint64_t begin_ns, ql_ingest_report *report, ql_error *err)
{
    self->report.elapsed_ms = (ql__monotonic_ns(self->ingest.sys) - begin_ns) / 1000000;
    if (report != NULL) (void)ql__struct_write(report, &self->report, sizeof self->report, sizeof self->report, "ql_ingest_report", NULL);
    if (status < 0) return ql__memory_plan_explain(&self->ingest.memory, ql__workspace_store_failed(self->workspace, status, err), err);
    if (self->report.failed == 0 && self->report.sources_failed == 0) return QL_OK;
    unsigned long long documents = self->report.failed;
    unsigned sources = self->report.sources_failed;
    const char *document_s = documents == 1 ? "" : "s", *source_s = sources == 1 ? "" : "s", *first = self->ingest.first_failure;
    if (sources == 0) return ql__fail(err, QL_E_PARTIAL, "%llu document%s failed; the first: %s", documents, document_s, first);
    if (documents == 0) return ql__fail(err, QL_E_PARTIAL, "%u source%s failed; the first: %s", sources, source_s, first);
    return ql__fail(err, QL_E_PARTIAL, "%llu document%s and %u source%s failed; the first: %s", documents, document_s, sources, source_s, first);
}

static size_t run_result(ql_status status)
{
    switch (ql_status_kind(status)) {
    case QL_OK: return QL__RUN_OK;
    case QL_E_PARTIAL: return QL__RUN_PARTIAL;
    case QL_E_CANCELLED: return QL__RUN_CANCELLED;
    default: return QL__RUN_ERROR;
    }
}

static void count_begin(void)
{
    ql__metric_change(QL__METRIC_ACTIVE, 0, 1);
}

static void count_end(const ql__sys *sys, ql_status status)
{
    ql__metric_change(QL__METRIC_ACTIVE, 0, -1);
    ql__metric_add(QL__METRIC_RUNS, run_result(status), 1);
    if (status >= 0) ql__metric_set(QL__METRIC_LAST_SUCCESS, 0, (double)ql__wall_ms(sys) / 1000);
    else if (ql_status_kind(status) != QL_E_PARTIAL && ql_status_kind(status) != QL_E_CANCELLED) ql__metric_error(status); /* of a partial one, what failed was counted */
}

ql_status ql__ingest_options_read(const ql_ingest_options *given, ql_ingest_options *options, ql_error *err)
{
    ql_ingest_options_init(options);
    if (given != NULL) QL_TRY(ql__struct_read(options, sizeof *options, sizeof *options, given, "ql_ingest_options", err));
    QL_TRY(ql__reserved_check(options->reserved, sizeof options->reserved / sizeof *options->reserved, "ql_ingest_options", err));
    QL_TRY(QL__STRS_CHECK("ql_ingest_options", err, {"project", options->project}, {"source_type", options->source_type}, {"source", options->source}));
    if (options->prune && has_filter(options)) return ql__fail(err, QL_E_INVALID, "prune looks at all sources: it cannot be combined with a project, source type or source");
    return QL_OK;
}

/* The report is written whatever happens, so what the caller knows of it is checked before anything does. */
static ql_status check_call(const ql_workspace *workspace, ql_ingest_report *report, ql_error *err)
{
    static const ql_ingest_report empty = QL_INGEST_REPORT_INIT;
    if (workspace == NULL) return ql__fail(err, QL_E_INVALID, "workspace is NULL");
    if (report != NULL) QL_TRY(ql__struct_write(report, &empty, sizeof empty, sizeof empty, "ql_ingest_report", err));
    return ql__workspace_supported(workspace, err);
}

ql_status ql_ingest(ql_workspace *workspace, const ql_ingest_options *given, ql_ingest_report *report, ql_error *err)
{
    ql_ingest_options options;
    QL_TRY(check_call(workspace, report, err));
    QL_TRY(ql__ingest_options_read(given, &options, err));
    if (workspace->config == NULL) return ql__fail(err, QL_E_INVALID, "this workspace was opened without a configuration");
    ql__prof *previous = ql__prof_enter(workspace->runtime->prof);
    count_begin();
    uint64_t begin_ns = ql__monotonic_ns(workspace->runtime->sys);
    run self;
    ql_status status = begin(&self, workspace, &options, err);
    if (status >= 0) {
        status = run_matching(&self, &options, err);
        status = outcome(&self, status, begin_ns, report, err);
        end(&self);
    }
    count_end(workspace->runtime->sys, status);
    ql__prof_leave(previous);
    return status;
}

/* A name that a configuration can use belongs to its sources: what is left of those is pruned. */
static bool is_builtin_type(const char *type)
{
    for (size_t i = 0; i < QL__SOURCE_TYPE_COUNT; i++)
        if (strcmp(type, ql__source_type_name(i)) == 0) return true;
    return false;
}

/* It stands in every hit and in messages. */
static ql_status check_name(const char *what, ql_str name, ql_error *err)
{
    QL_TRY(QL__STRS_CHECK("", err, {what, name}));
    bool good = name.len >= 1 && name.len <= QL_LIMIT_NAME_BYTES && ql__utf8_valid(name);
    for (size_t i = 0; good && i < name.len; i++) good = (unsigned char)name.ptr[i] >= ' ' && name.ptr[i] != 0x7f;
    return good ? QL_OK : ql__fail(err, QL_E_INVALID, "%s is not 1 to %d bytes of UTF-8 without control characters", what, QL_LIMIT_NAME_BYTES);
}

static ql_status check_source(const ql_source_ops *ops, ql_str project, ql_str source, ql_error *err)
{
    if (ops->type == NULL || ops->list_fn == NULL || ops->fetch_fn == NULL || ops->release_fn == NULL)
        return ql__fail(err, QL_E_INVALID, "ops lacks type, list_fn, fetch_fn or release_fn");
    if (!ql__extension_name_valid(ops->type)) return ql__fail(err, QL_E_INVALID, "ops.type '%.100s' is not 1 to 64 of a-z, 0-9, '-', '_', '.'", ops->type);
    if (is_builtin_type(ops->type)) return ql__fail(err, QL_E_INVALID, "ops.type '%s' is a type of the library's own", ops->type);
    QL_TRY(check_name("project", project, err));
    return check_name("source", source, err);
}

ql_status ql_ingest_source(ql_workspace *workspace, ql_str project, ql_str source, const ql_source_ops *given_ops, void *object,
                           const ql_ingest_options *given, ql_ingest_report *report, ql_error *err)
{
    ql_ingest_options options;
    QL_TRY(check_call(workspace, report, err));
    QL_TRY(ql__ingest_options_read(given, &options, err));
    ql_source_ops ops;
    if (given_ops == NULL) return ql__fail(err, QL_E_INVALID, "ops is NULL");
    QL_TRY(ql__struct_read(&ops, sizeof ops, sizeof ops, given_ops, "ql_source_ops", err));
    QL_TRY(check_source(&ops, project, source, err));
    ql__prof *previous = ql__prof_enter(workspace->runtime->prof);
    count_begin();
    uint64_t begin_ns = ql__monotonic_ns(workspace->runtime->sys);
    run self;
    ql_status status = begin(&self, workspace, &options, err);
    if (status >= 0) {
        ql__ingest_source one = {.project = project, .source_type = ql_str_of(ops.type), .source = source, .ops = &ops, .self = object, .foreign = true};
        self.report.sources++;
        status = ql__ingest_source_run(&self.ingest, &one, err);
        status = outcome(&self, status, begin_ns, report, err);
        end(&self);
    }
    count_end(workspace->runtime->sys, status);
    ql__prof_leave(previous);
    return status;
}
