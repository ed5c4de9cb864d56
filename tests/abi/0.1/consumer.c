/*
 * A program of this release that uses every kind of struct and callback that crosses the border: allocator, options, report, events, progress,
 * items, documents, canonical text, chunks, vectors, hits, errors and buffers. A later library must run it as it is. Usage: consumer FOLDER
 */
#include <qloader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int events, progress_calls, allocations;

static void *take(void *user, void *ptr, size_t size)
{
    (void)user;
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return realloc(ptr, size);
}

static void give(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static void on_log(void *user, ql_log_level level, const char *subsystem, const char *message)
{
    (void)user, (void)level;
    if (subsystem == NULL || message == NULL) abort();
}

static const char *model(void *self)
{
    (void)self;
    return "abi-4";
}

static uint32_t dims(void *self)
{
    (void)self;
    return 4;
}

static ql_status embed(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    (void)self, (void)role, (void)err;
    for (size_t i = 0; i < count * 4; i++) out[i] = i % 4 == texts[i / 4].len % 4;
    return QL_OK;
}

static bool converter_accepts(void *self, const ql_document *document)
{
    (void)self;
    return ql_str_equal(document->content_type, QL_STR("abi"));
}

static ql_status convert(void *self, const ql_document *document, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    (void)self;
    ql_block *blocks = ql_arena_alloc(arena, 2 * sizeof *blocks);
    if (blocks == NULL) {
        err->status = QL_E_NOMEM;
        return QL_E_NOMEM;
    }
    blocks[0] = (ql_block){.end = document->content.len, .parent = QL_BLOCK_NONE, .next = 2, .kind = QL_BLOCK_DOCUMENT};
    blocks[1] = (ql_block){.end = document->content.len, .next = 2, .kind = QL_BLOCK_SECTION, .level = 1, .label = QL_STR("Label")};
    *out = (ql_canonical){.struct_size = sizeof *out, .block_count = 2, .text = document->content, .blocks = blocks, .title = QL_STR("Title")};
    return QL_OK;
}

static bool chunker_accepts(void *self, const ql_document *document, const ql_canonical *canonical)
{
    (void)self, (void)canonical;
    return ql_str_equal(document->content_type, QL_STR("abi"));
}

static ql_status chunk(void *self, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *user, ql_error *err)
{
    (void)self, (void)document, (void)err;
    ql_chunk whole = {.struct_size = sizeof whole, .end = canonical->text.len};
    return options->size_max == 0 || emit(user, &whole) != 0 ? QL_E_CALLBACK : QL_OK;
}

static ql_status rerank(void *self, ql_str question, const ql_hit *hits, size_t count, double *scores, ql_error *err)
{
    (void)self, (void)question, (void)err;
    for (size_t i = 0; i < count; i++) scores[i] = hits[i].rank;
    return QL_OK;
}

static ql_status list(void *self, const ql_source_sink *sink, ql_error *err)
{
    (void)self, (void)err;
    for (int i = 0; i < 3; i++) {
        char url[16];
        snprintf(url, sizeof url, "doc:%d", i);
        ql_item item = {.struct_size = sizeof item, .url = ql_str_of(url), .version = QL_STR("1"), .size_bytes = 4};
        if (sink->item_fn(sink->user, &item) != 0) return QL_E_CALLBACK;
    }
    return sink->skipped_fn != NULL && sink->skipped_fn(sink->user, QL_STR("doc:x"), QL_STR("left out")) != 0 ? QL_E_CALLBACK : QL_OK;
}

static ql_status fetch(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    (void)self, (void)err;
    *token = NULL;
    *out = (ql_document){.struct_size = sizeof *out, .url = item->url, .title = QL_STR("A title"), .content_type = QL_STR("abi"), .content = QL_STR("some words"),
                         .metadata_json = QL_STR("{\"key\": 1}"), .created_at_ms = 1000, .updated_at_ms = QL_TIME_UNKNOWN};
    return QL_OK;
}

static void release(void *self, void *token)
{
    (void)self, (void)token;
}

static int on_event(void *user, const ql_ingest_event *event)
{
    (void)user;
    events += event->url.len == 5;
    return 0;
}

static int on_progress(void *user, const ql_ingest_progress *progress)
{
    (void)user;
    progress_calls += progress->phase >= QL_INGEST_LISTING;
    return 0;
}

static int fail(const char *what, const ql_error *err)
{
    printf("%s: %s\n", what, err->message);
    return 1;
}

static int check_hit(const ql_results *results)
{
    const ql_hit *hit = ql_results_hit(results, 0);
    if (ql_results_count(results) != 3 || hit == NULL) return 1;
    return !(ql_str_equal(hit->text, QL_STR("some words")) && ql_str_equal(hit->section_path, QL_STR("Label")) && hit->rank == 1 && hit->score_rerank == 3 &&
             hit->created_at_ms == 1000 && hit->chunk_count == 1 && strstr(hit->document_metadata_json.ptr, "\"key\"") != NULL);
}

static int use(ql_workspace *workspace, ql_error *err)
{
    static const ql_source_ops source = {.struct_size = sizeof source, .type = "abi", .list_fn = list, .fetch_fn = fetch, .release_fn = release};
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    ql_ingest_report report = QL_INGEST_REPORT_INIT;
    ql_search_options asked;
    ql_op *op = NULL;
    options.event_fn = on_event;
    options.progress_fn = on_progress;
    if (ql_ingest_source(workspace, QL_STR("p"), QL_STR("s"), &source, NULL, &options, &report, err) < 0) return fail("ingest", err);
    if (report.added != 3 || report.skipped != 1 || events != 4) return fail("the report is another", err);
    ql_search_options_init(&asked);
    asked.limit = 3;
    asked.reranker = "abi";
    asked.filter.project = QL_STR("p");
    if (ql_op_search(workspace, QL_STR("words"), &asked, &op, err) < 0 || ql_op_wait(op, -1, err) != QL_DONE) return fail("search", err);
    ql_results *results = ql_op_results_take(op);
    ql_op_free(op);
    int bad = check_hit(results);
    ql_results_free(results);
    return bad ? fail("the hits are others", err) : 0;
}

static double read_level(void *user)
{
    return *(const double *)user;
}

static int use_metrics(ql_runtime *runtime, ql_error *err)
{
    static const double bounds[] = {1, 2};
    static double level = 3;
    ql_metric *gauge = NULL, *histogram = NULL;
    ql_series *series = NULL;
    ql_metrics_server *server = NULL;
    ql_buf text = QL_BUF_INIT;
    ql_metric_options options = QL_METRIC_OPTIONS_INIT;
    ql_metrics_server_options where = QL_METRICS_SERVER_OPTIONS_INIT;
    options.type = QL_METRIC_GAUGE;
    options.name = "abi_level";
    options.read_fn = read_level;
    options.user = &level;
    if (ql_metrics_enable(runtime, err) < 0 || ql_metric_register(runtime, &options, &gauge, err) < 0) return fail("metrics", err);
    ql_metric_options_init(&options);
    options.type = QL_METRIC_HISTOGRAM;
    options.name = "abi_wait_seconds";
    options.unit = "seconds";
    options.bounds = bounds;
    options.bound_count = 2;
    if (ql_metric_register(runtime, &options, &histogram, err) < 0 || ql_metric_series(histogram, NULL, 0, &series, err) < 0) return fail("metric", err);
    ql_series_observe(series, 0.5);
    ql_series_observe_with(series, 1.5, QL_STR("id"), QL_STR("x"));
    if (ql_metrics_write(runtime, QL_METRICS_OPENMETRICS, &text, err) < 0 || strstr(ql_buf_cstr(&text), "abi_level 3\n") == NULL ||
        strstr(ql_buf_cstr(&text), "abi_wait_seconds_count 2\n") == NULL)
        return fail("metrics text", err);
    ql_buf_dispose(&text);
    ql_status status = ql_metrics_server_start(runtime, &where, &server, err);
    if (status < 0 && ql_status_kind(status) != QL_E_UNSUPPORTED) return fail("metrics server", err); /* its library may be missing */
    ql_metrics_server_stop(server);
    return 0;
}

static int run(const char *folder)
{
    static const ql_embedder_ops embedder = {.struct_size = sizeof embedder, .name = "abi", .model_fn = model, .dims_fn = dims, .embed_fn = embed};
    static const ql_converter_ops converter = {.struct_size = sizeof converter, .version = 1, .name = "abi", .accepts_fn = converter_accepts, .convert_fn = convert};
    static const ql_chunker_ops chunker = {.struct_size = sizeof chunker, .version = 1, .name = "abi", .accepts_fn = chunker_accepts, .chunk_fn = chunk};
    static const ql_reranker_ops reranker = {.struct_size = sizeof reranker, .name = "abi", .rerank_fn = rerank};
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_error err = {0};
    ql_runtime_options options = QL_RUNTIME_OPTIONS_INIT;
    ql_workspace_options place = QL_WORKSPACE_OPTIONS_INIT;
    options.log_fn = on_log;
    options.log_level = QL_LOG_DEBUG;
    place.data_dir = folder;
    place.embedder = "abi";
    if (ql_runtime_new(&options, &runtime, &err) < 0 || ql_embedder_register(runtime, &embedder, NULL, &err) < 0 || ql_converter_register(runtime, &converter, NULL, &err) < 0 ||
        ql_chunker_register(runtime, &chunker, NULL, &err) < 0 || ql_reranker_register(runtime, &reranker, NULL, &err) < 0 ||
        ql_workspace_open(runtime, &place, &workspace, NULL, &err) < 0)
        return fail("open", &err);
    int bad = use_metrics(runtime, &err) || use(workspace, &err);
    if (!bad && (progress_calls == 0 || allocations == 0)) bad = fail("no progress, or an allocator that nobody asked", &err);
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
    return bad;
}

int main(int argc, char **argv)
{
    static const ql_allocator allocator = {.struct_size = sizeof allocator, .realloc_fn = take, .free_fn = give};
    char folder[4096];
    if (argc < 2 || ql_version_number() / 1000 < QLOADER_VERSION_NUMBER / 1000 || ql_allocator_set(&allocator) < 0) return 2;
    snprintf(folder, sizeof folder, "%s/data", argv[1]);
    return run(folder);
}
