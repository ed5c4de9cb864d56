/*
 * Goal: whatever runs out or breaks below a public function, it answers with an error or with the right result, leaks nothing, does not end
 * the program, and leaves an index that the next run completes.
 * Method: scenarios that use every public function run with the n-th allocation of the whole process (support/memory.h) or the n-th file
 * call on their folder (support/disk.h: ours, SQLite's, libgit2's) failing, once and from then on, with EIO and ENOSPC, interrupted
 * and short. Each point is a process of its own, made of a warm one by fork. Afterwards, without faults, an ingest has to end in
 * the index of an undisturbed one, and a search in the same answer.
 * QL_FAULT_POINTS sets how many of all points are tried (300; 0: all), QL_FAULT_SEED the seed, QL_FAULT_ONLY "scenario/kind/n" one point
 * (with QL_FAULT_HERE in this process, for a debugger), "scenario" all points of it.
 * Calls to the network have a table of their own in lib/dep: a kind is added to kinds[] with what plants it in plant() and unplant().
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <qloader.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "small_model.h"
#include "store/store.h"
#include "support/disk.h"
#include "support/index_compare.h"
#include "support/memory.h"
#include "support/memory_store.h"
#include "support/testing.h"

static char *root;  /* what a scenario works on: work/ (config.yaml, data/), docs/, repo/, model/ */
static char *saved; /* as it was before */

/* --- the folders */

static void shell(const char *format, ...) QL_PRINTF(1, 2);
static void shell(const char *format, ...)
{
    char command[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof command, format, list);
    va_end(list);
    if (system(command) != 0) fail_msg("'%s' failed", command);
}

static void write_docs(bool second)
{
    ql_test_file_write(ql_test_path(root, "docs/a.md"), second ? QL_STR("# Alpha\n\nThe w7 w8 aardvark digs anew.\n\n- one\n- two\n")
                                                              : QL_STR("# Alpha\n\nThe w7 w8 aardvark digs.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```c\nint x;\n```\n"));
    ql_test_file_write(ql_test_path(root, "docs/b.html"), QL_STR("<html><head><title>Beta</title></head><body><h1>B</h1><p>w9 bears <b>sleep</b>.</p><ul><li>x</ul></body></html>"));
    ql_test_file_write(ql_test_path(root, "docs/c.json"), QL_STR("{\"camel\": [1, 2, {\"humps\": \"w11 two\"}], \"x\": \"w12\"}"));
    ql_test_file_write(ql_test_path(root, "docs/d.py"), QL_STR("class Dog:\n    \"\"\"Barks.\"\"\"\n    def bark(self):\n        return 'w13'\n\ndef main():\n    pass\n"));
    if (!second) ql_test_file_write(ql_test_path(root, "docs/e.txt"), QL_STR("An elephant w14 remembers.\n"));
    else ql_test_file_write(ql_test_path(root, "docs/f.txt"), QL_STR("A fox w15 jumps.\n"));
}

static void write_config(bool git)
{
    ql_buf text = QL_BUF_INIT;
    ql_buf_printf(&text, "sources:\n");
    if (git) ql_buf_printf(&text, "  git:\n    code:\n      base_url: \"file://%s/repo\"\n      branch: main\n      depth: 0\n", root);
    else ql_buf_printf(&text, "  localfile:\n    docs:\n      base_url: \"file://%s/docs\"\n", root);
    ql_test_file_write(ql_test_path(root, "work/config.yaml"), ql_buf_str(&text));
    ql_buf_dispose(&text);
}

static void save(void)
{
    shell("rm -rf '%s' && cp -a '%s' '%s'", saved, root, saved);
}

static void restore(void)
{
    shell("rm -rf '%s' && cp -a '%s' '%s'", root, saved, root);
}

/* --- steps of scenarios */

static ql_status open_all(ql_runtime **runtime, ql_workspace **workspace, ql_buf *problems, ql_error *err)
{
    ql_runtime_options options = QL_RUNTIME_OPTIONS_INIT;
    ql_workspace_options place = QL_WORKSPACE_OPTIONS_INIT;
    const char *dir = ql_test_path(root, "work"), *model = ql_test_path(root, "model");
    options.threads = 1; /* the same calls in the same order every time */
    options.profile = 1;
    place.dir = dir;
    place.model_dir = model;
    place.precision = "fp32";
    ql_status st = ql_runtime_new(&options, runtime, err);
    return st < 0 ? st : ql_workspace_open(*runtime, &place, workspace, problems, err);
}

static void close_all(ql_runtime *runtime, ql_workspace *workspace)
{
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
}

static ql_status do_bufs(ql_buf *out, ql_error *err)
{
    struct ql_arena arena;
    ql__arena_init(&arena.arena, 0);
    ql_status st = ql_buf_reserve(out, 100);
    if (st >= 0) st = ql_buf_append(out, QL_STR("text"));
    for (int i = 0; st >= 0 && i < 1000; i++) st = ql_buf_printf(out, " %d", i);
    if (st >= 0) st = ql_buf_append_char(out, '.');
    if (st >= 0 && !ql_arena_alloc(&arena, 100000)) st = QL_E_NOMEM;
    ql__arena_dispose(&arena.arena);
    if (st < 0) *err = (ql_error){.status = st, .message = "no memory"}; /* these answer with a status alone */
    return st;
}

static ql_status do_runtime(ql_buf *out, ql_error *err)
{
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    QL_AUTO(ql_buf, ql_buf_dispose) json = QL_BUF_INIT;
    ql_status st = open_all(&runtime, &workspace, NULL, err);
    if (st >= 0) st = ql_runtime_stats_json(runtime, &json, err); /* has times in it */
    if (st >= 0) st = ql_buf_printf(out, "%d", json.len > 2);
    close_all(runtime, workspace);
    return st;
}

static ql_status do_metrics(ql_buf *out, ql_error *err)
{
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_metric *metric = NULL;
    ql_series *series = NULL;
    ql_metrics_server *server = NULL;
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    const char *labels[] = {"k"};
    ql_metric_options options = QL_METRIC_OPTIONS_INIT;
    options.type = QL_METRIC_HISTOGRAM;
    options.name = "t_seconds";
    options.unit = "seconds";
    options.label_names = labels;
    options.label_count = 1;
    ql_status st = open_all(&runtime, &workspace, NULL, err);
    if (st >= 0) st = ql_metrics_enable(runtime, err);
    if (st >= 0) st = ql_metric_register(runtime, &options, &metric, err);
    if (st >= 0) st = ql_metric_series(metric, &QL_STR("v"), 1, &series, err);
    if (st >= 0) ql_series_observe_with(series, 1, QL_STR("id"), QL_STR("x")); /* without its exemplar where there is no room */
    if (st >= 0) st = ql_metrics_write(runtime, QL_METRICS_OPENMETRICS, &text, err); /* what /proc does not say keeps its last value */
    if (st >= 0) st = ql_buf_printf(out, "%d ", strstr(ql_buf_cstr(&text), "t_seconds_count{k=\"v\"} 1\n") != NULL);
    if (st >= 0) st = ql_metrics_server_start(runtime, NULL, &server, err);
    ql_metrics_server_stop(server);
    ql_buf_clear(&text);
    if (st >= 0) st = ql_metrics_describe_json(&text, err);
    if (st >= 0) st = ql_buf_append(out, ql_buf_str(&text));
    close_all(runtime, workspace);
    return st;
}

static void count_sample(void *user, const ql_bench_sample *sample)
{
    *(int *)user += sample->code == 0;
}

/* Nobody listens there. */
static ql_status do_bench(ql_buf *out, ql_error *err)
{
    int samples = 0;
    const ql_bench_request request = {.struct_size = sizeof request, .url = "http://127.0.0.1:1/"};
    ql_bench_http_report report = QL_BENCH_HTTP_REPORT_INIT;
    ql_bench_http_options options = QL_BENCH_HTTP_OPTIONS_INIT;
    options.rounds = 3;
    options.sample_fn = count_sample;
    options.user = &samples;
    ql_status st = ql_bench_http(&request, 1, &options, &report, err);
    return st < 0 ? st : ql_buf_printf(out, "%d", samples);
}

static ql_status do_describe(ql_buf *out, ql_error *err)
{
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    QL_AUTO(ql_buf, ql_buf_dispose) problems = QL_BUF_INIT;
    QL_AUTO(ql_buf, ql_buf_dispose) part = QL_BUF_INIT;
    ql_status st = open_all(&runtime, &workspace, &problems, err);
    for (int i = 0; st >= 0 && i < 4; i++) {
        ql_buf_clear(&part);
        if (i == 0) st = ql_workspace_config(workspace, "json", &part, err);
        else if (i == 1) st = ql_workspace_config(workspace, "yaml", &part, err);
        else if (i == 2) st = ql_workspace_projects_json(workspace, (ql_str){0}, QL_PROJECTS_STATUS, &part, err);
        else st = ql_workspace_info_json(workspace, &part, err);
        if (st >= 0) st = ql_buf_append(out, ql_buf_str(&part));
    }
    ql_buf_clear(&part); /* what a failed look says is part of its answer, so the answer is not compared */
    if (st >= 0) st = ql_workspace_projects_json(workspace, (ql_str){0}, QL_PROJECTS_CHECK, &part, err);
    close_all(runtime, workspace);
    return st;
}

/* What these two find wrong they tell in their answer, which then must be no failure of another kind; here it becomes the call's. */
static ql_status told_in(const ql_buf *json, const char *mark, ql_error *err)
{
    const char *at = strstr(ql_buf_cstr(json), mark), *reason = at ? strstr(at, "\"reason\":\"") : NULL;
    if (!at) return QL_OK;
    *err = (ql_error){.status = QL_E_UNSUPPORTED};
#define KIND_OF(name, number, text) if (strncmp(at + strlen(mark), ",\"kind\":\"" text "\"", strlen(",\"kind\":\"" text "\"")) == 0) err->status = QL_E_##name;
    QL_STATUS_KINDS(KIND_OF)
#undef KIND_OF
    snprintf(err->message, sizeof err->message, "%.200s", reason ? reason : "no reason");
    return err->status;
}

static ql_status do_check(ql_buf *out, ql_error *err)
{
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    QL_AUTO(ql_buf, ql_buf_dispose) part = QL_BUF_INIT;
    ql_status st = open_all(&runtime, &workspace, NULL, err);
    if (st >= 0) st = ql_workspace_check_json(workspace, QL_CHECK_MODEL | QL_CHECK_INDEX | QL_CHECK_INDEX_WHOLE, &part, err);
    if (st >= 0) st = told_in(&part, "\"ready\":false", err);
    if (st >= 0) st = ql_buf_append(out, ql_buf_str(&part));
    close_all(runtime, workspace);
    return st;
}

static ql_status do_machine(ql_buf *out, ql_error *err)
{
    ql_runtime *runtime = NULL;
    QL_AUTO(ql_buf, ql_buf_dispose) part = QL_BUF_INIT;
    (void)out;
    ql_status st = ql_runtime_new(NULL, &runtime, err);
    if (st >= 0) st = ql_runtime_describe_json(runtime, &part, err);
    if (st >= 0) st = told_in(&part, "\"found\":false", err);
    ql_runtime_free(runtime);
    return st;
}

static int keep_capture(void *user, const void *bytes, size_t size)
{
    return ql_buf_append(user, (ql_str){bytes, size}) < 0;
}

/* Spans alone: how often the other sources call the kernel depends on the clock. */
static ql_status do_prof(ql_buf *out, ql_error *err)
{
    ql_prof *prof = NULL;
    QL_AUTO(ql_buf, ql_buf_dispose) capture = QL_BUF_INIT;
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    ql_prof_info info = {.struct_size = sizeof info};
    (void)out;
    options.sources = QL_PROF_SPANS;
    options.folder = ql_test_path(root, "work");
    ql_status st = ql_prof_start(&options, &prof, err);
    if (st < 0) return st;
    QL_PROF_SPAN(span, "faults", "test");
    ql_span_end(&span);
    st = ql_prof_stop(prof, err);
    if (st >= 0) st = ql_prof_snapshot(prof, keep_capture, &capture, err);
    if (st >= 0) st = ql_prof_info_read(prof, &info, err);
    ql_prof_free(prof);
    if (capture.status < 0) st = err->status = capture.status; /* why the receiver stopped */
    return st;
}

/* Nothing is sampled: as in do_prof. */
static ql_status do_live(ql_buf *out, ql_error *err)
{
    ql_live *live = NULL;
    QL_AUTO(ql_buf, ql_buf_dispose) json = QL_BUF_INIT;
    ql_live_options options = QL_LIVE_OPTIONS_INIT;
    (void)out;
    options.folder = ql_test_path(root, "live");
    ql_status st = ql_live_start(&options, &live, err);
    if (st >= 0) st = ql_live_stats_json(getpid(), options.folder, &json, err);
    if (st >= 0) st = ql_live_tasks_json(getpid(), options.folder, &json, err);
    if (st >= 0) st = ql_live_ask(getpid(), options.folder, QL_STR("sample 0 0"), NULL, NULL, err);
    ql_live_free(live);
    return st;
}

static ql_status do_init(ql_buf *out, ql_error *err)
{
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    (void)out;
    ql_status st = open_all(&runtime, &workspace, NULL, err);
    if (st >= 0) st = ql_workspace_init(workspace, 0, err);
    if (st >= 0) st = ql_workspace_init(workspace, 1, err);
    close_all(runtime, workspace);
    return st;
}

static char last_event[400]; /* what an ingest told of last, for the message of a failed point */

static int keep_event(void *user, const ql_ingest_event *event)
{
    (void)user;
    if (event->status < 0)
        snprintf(last_event, sizeof last_event, " [%.*s: %.*s]", (int)event->url.len, event->url.ptr, (int)event->message.len, event->message.ptr);
    return 0;
}

static ql_status do_ingest(ql_buf *out, ql_error *err)
{
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    options.event_fn = keep_event;
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_ingest_report report = QL_INGEST_REPORT_INIT;
    ql_status st = open_all(&runtime, &workspace, NULL, err);
    if (st >= 0) st = ql_ingest(workspace, &options, &report, err);
    if (st >= 0) st = ql_buf_printf(out, "%llu %llu %llu %llu", (unsigned long long)report.added, (unsigned long long)report.changed,
                                    (unsigned long long)report.deleted, (unsigned long long)report.chunks);
    close_all(runtime, workspace);
    return st;
}

static ql_status list_one(void *self, const ql_source_sink *sink, ql_error *err)
{
    (void)self;
    (void)err;
    ql_item item = {.struct_size = sizeof item, .url = QL_STR("text:1"), .version = QL_STR("1")};
    return sink->item_fn(sink->user, &item) != 0 ? QL_E_CALLBACK : QL_OK;
}

static ql_status fetch_one(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    (void)self;
    (void)err;
    *token = NULL;
    *out = (ql_document){.struct_size = sizeof *out, .url = item->url, .title = item->url, .content_type = QL_STR("txt"), .content = QL_STR("w7 text of the application"),
                         .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN};
    return QL_OK;
}

static void release_one(void *self, void *token)
{
    (void)self;
    (void)token;
}

static ql_status do_ingest_source(ql_buf *out, ql_error *err)
{
    static const ql_source_ops ops = {.struct_size = sizeof ops, .type = "text", .list_fn = list_one, .fetch_fn = fetch_one, .release_fn = release_one};
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_ingest_report report = QL_INGEST_REPORT_INIT;
    ql_status st = open_all(&runtime, &workspace, NULL, err);
    if (st >= 0) st = ql_ingest_source(workspace, QL_STR("default"), QL_STR("s"), &ops, NULL, NULL, &report, err);
    if (st >= 0) st = ql_buf_printf(out, "%llu %llu", (unsigned long long)report.added, (unsigned long long)report.chunks);
    close_all(runtime, workspace);
    return st;
}

/* --- everything an application can add */

static bool takes_text(void *self, const ql_document *document)
{
    (void)self;
    return ql_str_equal(document->content_type, QL_STR("txt"));
}

static ql_status convert_plain(void *self, const ql_document *document, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    (void)self;
    ql_block *whole = ql_arena_alloc(arena, sizeof *whole);
    if (whole == NULL) {
        *err = (ql_error){.status = QL_E_NOMEM, .message = "no memory"};
        return QL_E_NOMEM;
    }
    *whole = (ql_block){.end = document->content.len, .parent = QL_BLOCK_NONE, .next = 1};
    *out = (ql_canonical){.struct_size = sizeof *out, .block_count = 1, .text = document->content, .blocks = whole, .metadata_json = QL_STR("{\"by\": \"plain\"}")};
    return QL_OK;
}

static bool takes_all(void *self, const ql_document *document, const ql_canonical *canonical)
{
    (void)self;
    return document != NULL && canonical != NULL;
}

static ql_status chunk_whole(void *self, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *user, ql_error *err)
{
    (void)self, (void)document, (void)options, (void)err;
    const ql_chunk chunk = {.struct_size = sizeof chunk, .end = canonical->text.len, .metadata_json = QL_STR("{\"whole\": true}")};
    return emit(user, &chunk) != 0 ? QL_E_CALLBACK : QL_OK;
}

static const char *two_model(void *self)
{
    (void)self;
    return "two";
}

static uint32_t two_dims(void *self)
{
    (void)self;
    return 2;
}

static ql_status two_embed(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    (void)self, (void)role, (void)err;
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = texts[i].len % 2 ? 0.6f : 0.8f;
        out[2 * i + 1] = texts[i].len % 2 ? 0.8f : 0.6f;
    }
    return QL_OK;
}

static ql_status rerank_flat(void *self, ql_str question, const ql_hit *hits, size_t count, double *scores, ql_error *err)
{
    (void)self, (void)question, (void)err;
    for (size_t i = 0; i < count; i++) scores[i] = 1 + (double)hits[i].rank;
    return QL_OK;
}

static ql_status open_nothing(void *user, const ql_source_settings *settings, void **out_self, ql_error *err)
{
    (void)err;
    *out_self = user;
    return settings->json.len > 0 ? QL_OK : QL_E_CONFIG;
}

static const ql_source_ops source_of_text = {.struct_size = sizeof source_of_text, .type = "text", .list_fn = list_one, .fetch_fn = fetch_one, .release_fn = release_one, .open_fn = open_nothing};

static ql_status register_all(ql_runtime *runtime, ql_error *err)
{
    static const ql_converter_ops converter = {sizeof converter, 1, "plain", takes_text, convert_plain, NULL};
    static const ql_chunker_ops chunker = {sizeof chunker, 1, "whole", takes_all, chunk_whole, NULL};
    static const ql_embedder_ops embedder = {.struct_size = sizeof embedder, .name = "two", .model_fn = two_model, .dims_fn = two_dims, .embed_fn = two_embed};
    static const ql_reranker_ops reranker = {sizeof reranker, 0, "flat", rerank_flat, NULL};
    ql_status st = ql_source_register(runtime, &source_of_text, NULL, err);
    if (st >= 0) st = ql_converter_register(runtime, &converter, NULL, err);
    if (st >= 0) st = ql_chunker_register(runtime, &chunker, NULL, err);
    if (st >= 0) st = ql_embedder_register(runtime, &embedder, NULL, err);
    return st < 0 ? st : ql_reranker_register(runtime, &reranker, NULL, err);
}

static ql_status use_all(ql_workspace *workspace, ql_buf *out, ql_error *err)
{
    ql_ingest_options ingest = QL_INGEST_OPTIONS_INIT;
    ql_search_options options;
    ql_results *results = NULL;
    ql_search_options_init(&options);
    options.reranker = "flat";
    ingest.event_fn = keep_event;
    ql_status st = ql_ingest(workspace, &ingest, NULL, err);
    if (st >= 0) st = ql_search(workspace, QL_STR("text"), &options, &results, err);
    const ql_hit *hit = ql_results_hit(results, 0);
    if (hit != NULL) st = ql_buf_printf(out, "%.3f %.0f %.*s %.*s", hit->score, hit->score_rerank, (int)hit->text.len, hit->text.ptr, (int)hit->metadata_json.len, hit->metadata_json.ptr);
    ql_results_free(results);
    return st;
}

static ql_status do_extend(ql_buf *out, ql_error *err)
{
    ql_runtime_options options = QL_RUNTIME_OPTIONS_INIT;
    ql_workspace_options place = QL_WORKSPACE_OPTIONS_INIT;
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    shell("rm -rf '%s/extended'", root);
    options.threads = 1;
    const char *config = ql_test_path(root, "extended.yaml"), *data = ql_test_path(root, "extended");
    place.config_path = config;
    place.data_dir = data;
    place.embedder = "two";
    ql_status st = ql_runtime_new(&options, &runtime, err);
    if (st >= 0) st = register_all(runtime, err);
    if (st >= 0) st = ql_workspace_open(runtime, &place, &workspace, NULL, err);
    if (st >= 0) st = use_all(workspace, out, err);
    close_all(runtime, workspace);
    return st;
}

/* Twice, so that documents are known, and the second run touches or removes nothing; then everything is cleared. */
static ql_status use_store(ql_workspace *workspace, ql_buf *out, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) json = QL_BUF_INIT;
    ql_status st = use_all(workspace, out, err);
    if (st >= 0) st = ql_ingest(workspace, NULL, NULL, err);
    if (st >= 0) st = ql_workspace_info_json(workspace, &json, err);
    if (st >= 0) st = ql_workspace_projects_json(workspace, QL_STR(""), QL_PROJECTS_STATUS, &json, err);
    const char *count = st >= 0 ? strstr(ql_buf_cstr(&json), "\"document_count\"") : NULL;
    if (count) st = ql_buf_printf(out, " %.40s", count);
    return st >= 0 ? ql_workspace_init(workspace, 1, err) : st;
}

static ql_status do_extend_store(ql_buf *out, ql_error *err)
{
    ql_runtime_options options = QL_RUNTIME_OPTIONS_INIT;
    ql_workspace_options place = QL_WORKSPACE_OPTIONS_INIT;
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    options.threads = 1;
    const char *config = ql_test_path(root, "extended.yaml"), *data = ql_test_path(root, "elsewhere");
    place.config_path = config;
    place.data_dir = data;
    place.embedder = "two";
    place.store = "memory";
    void *store = ql_test_memory_store_new();
    ql_status st = store != NULL ? QL_OK : QL_E_NOMEM;
    if (st < 0) *err = (ql_error){.status = QL_E_NOMEM, .message = "no memory"};
    if (st >= 0) st = ql_runtime_new(&options, &runtime, err);
    if (st >= 0) st = register_all(runtime, err);
    if (st >= 0) st = ql_store_register(runtime, ql_test_memory_store_ops(), store, err);
    if (st >= 0) st = ql_workspace_open(runtime, &place, &workspace, NULL, err);
    if (st >= 0) st = use_store(workspace, out, err);
    close_all(runtime, workspace);
    ql_test_memory_store_free(store);
    return st;
}

static ql_status do_search(ql_buf *out, ql_error *err)
{
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_results *results = NULL;
    ql_search_options options;
    QL_AUTO(ql_buf, ql_buf_dispose) json = QL_BUF_INIT;
    ql_search_options_init(&options);
    options.limit = 3;
    ql_status st = open_all(&runtime, &workspace, NULL, err);
    if (st >= 0) st = ql_search(workspace, QL_STR("w9 bears that sleep"), &options, &results, err);
    if (st >= 0) st = ql_results_json(results, &json, err);
    const char *hits = st >= 0 ? strstr(ql_buf_cstr(&json), "\"hits\"") : NULL; /* before it, the time it took */
    if (hits) st = ql_buf_printf(out, "%zu %s", ql_results_count(results), hits);
    ql_results_free(results);
    close_all(runtime, workspace);
    return st;
}

/* As operations: a dry run, whose events cross the threads, and a search. */
static ql_status do_op(ql_buf *out, ql_error *err)
{
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_op *op = NULL;
    ql_results *results = NULL;
    options.event_fn = keep_event;
    options.dry_run = 1;
    options.force = 1;
    ql_status st = open_all(&runtime, &workspace, NULL, err);
    if (st >= 0) st = ql_op_ingest(workspace, &options, &op, err);
    if (st >= 0) st = ql_op_wait(op, -1, err);
    if (st >= 0) st = ql_buf_printf(out, "%llu ", (unsigned long long)ql_op_report(op)->changed);
    ql_op_free(op);
    op = NULL;
    if (st >= 0) st = ql_op_search(workspace, QL_STR("w9 bears that sleep"), NULL, &op, err);
    while (st == QL_OK && (st = ql_op_poll(op, err)) == QL_OK) usleep(1000);
    if (st >= 0) results = ql_op_results_take(op);
    const ql_hit *hit = ql_results_hit(results, 0);
    if (hit != NULL) st = ql_buf_append(out, hit->text);
    ql_results_free(results);
    ql_op_free(op);
    close_all(runtime, workspace);
    return st;
}

static ql_status do_model(ql_buf *out, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) part = QL_BUF_INIT;
    const char *work = ql_test_path(root, "work");
    ql_status st = ql_model_list_json(work, &part, err);
    if (st >= 0) st = ql_buf_append(out, ql_buf_str(&part));
    ql_buf_clear(&part);
    if (st >= 0) st = ql_model_info_json(work, ql_str_of(ql_model_default()), &part, err);
    if (st >= 0) st = ql_buf_append(out, ql_buf_str(&part));
    ql_buf_clear(&part);
    if (st >= 0) st = ql_model_user_dir(&part, err);
    return st;
}

static ql_status do_pull(ql_buf *out, ql_error *err)
{
    (void)out;
    const char *from = ql_test_path(root, "model"), *to = ql_test_path(root, "pulled");
    return ql_model_pull(QL_STR("tiny"), from, to, NULL, NULL, err);
}

/* The pinned hashes belong to the real model, which lies outside the folder: memory alone fails here. */
static ql_status do_verify(ql_buf *out, ql_error *err)
{
    (void)out;
    return ql_model_verify(NULL, ql_str_of(ql_model_default()), err);
}

static int to_buffer(void *user, const void *data, size_t size)
{
    return ql_buf_append(user, (ql_str){data, size}) < 0 ? -1 : 0;
}

/* Its symbols are other files, whose absence is only noted: left out here, see test_read.c. */
static ql_status do_capture(ql_buf *out, ql_error *err)
{
    ql_capture *capture = NULL;
    ql_status status = ql_capture_open(QL_TEST_SOURCE_DIR "/tests/fuzz/corpus/capture/whole", QL_CAPTURE_NO_SYMBOLS, &capture, err);
    if (status >= 0) status = ql_capture_write(capture, QL_CAPTURE_PPROF, NULL, to_buffer, out, err);
    if (status >= 0) status = ql_capture_write(capture, QL_CAPTURE_FLAME_SVG, NULL, to_buffer, out, err);
    if (status >= 0) status = ql_capture_diff(capture, capture, QL_CAPTURE_TOP_JSON, NULL, to_buffer, out, err);
    if (ql_status_kind(status) == QL_E_CALLBACK) status = err->status = out->status; /* the buffer's own end of memory */
    ql_capture_free(capture);
    return status;
}

/* The page, alone and with what changed, and its server. */
static ql_status do_view(ql_buf *out, ql_error *err)
{
    ql_capture *capture = NULL;
    ql_capture_server *server = NULL;
    ql_status status = ql_capture_open(QL_TEST_SOURCE_DIR "/tests/fuzz/corpus/capture/whole", QL_CAPTURE_NO_SYMBOLS, &capture, err);
    if (status >= 0) status = ql_capture_write(capture, QL_CAPTURE_HTML, NULL, to_buffer, out, err);
    if (status >= 0) status = ql_capture_diff(capture, capture, QL_CAPTURE_HTML, NULL, to_buffer, out, err);
    if (ql_status_kind(status) == QL_E_CALLBACK) status = err->status = out->status; /* the buffer's own end of memory */
    if (status >= 0) status = ql_capture_server_start(capture, capture, 0, &server, err);
    if (status >= 0) status = ql_buf_printf(out, "%d", strncmp(ql_capture_server_url(server), "http://127.0.0.1:", 17));
    ql_capture_server_stop(server);
    ql_capture_free(capture);
    return status;
}

/* --- the table of scenarios */

/*
 * Known of others (docs/internals/faults.md): libgit2 does not give everything back on its ways out of a failure, and gives up where a call is
 * interrupted.
 */
#define GIT_LEAK_MAX 64
#define EXIT_LIMIT 77

typedef struct scenario {
    const char *name;
    ql_status (*run_fn)(ql_buf *out, ql_error *err);
    bool indexed;  /* there is an index already */
    bool changes;  /* the index, which is checked afterwards */
    bool git, slow;
    const char *covers;
} scenario;

static const scenario scenarios[] = {
    {"bufs", do_bufs, false, false, false, false, "ql_buf_reserve ql_buf_append ql_buf_append_char ql_buf_printf ql_arena_alloc"},
    {"runtime", do_runtime, false, false, false, false, "ql_runtime_new ql_runtime_stats_json ql_workspace_open"},
    {"metrics", do_metrics, false, false, false, false,
     "ql_metrics_enable ql_metric_register ql_metric_series ql_series_observe_with ql_metrics_write ql_metrics_describe_json ql_metrics_server_start"},
    {"bench", do_bench, false, false, false, false, "ql_bench_http"},
    {"describe", do_describe, true, false, false, false, "ql_workspace_config ql_workspace_projects_json ql_workspace_info_json"},
    {"check", do_check, true, false, false, false, "ql_workspace_check_json"},
    {"machine", do_machine, true, false, true, false, "ql_runtime_describe_json"},
    {"prof", do_prof, false, false, false, false, "ql_prof_start ql_prof_stop ql_prof_snapshot ql_prof_info_read"},
    {"live", do_live, false, false, false, false, "ql_live_start ql_live_stats_json ql_live_tasks_json ql_live_ask"},
    {"search", do_search, true, false, false, false, "ql_search ql_results_json"},
    {"op", do_op, true, false, false, false, "ql_op_ingest ql_op_search ql_op_poll ql_op_wait ql_op_report ql_op_results_take"},
    {"model", do_model, true, false, false, false, "ql_model_list_json ql_model_info_json ql_model_user_dir"},
    {"pull", do_pull, false, false, false, false, "ql_model_pull"},
    {"verify", do_verify, false, false, false, true, "ql_model_verify"},
    {"capture", do_capture, false, false, false, false, "ql_capture_open ql_capture_write ql_capture_diff"},
    {"view", do_view, false, false, false, false, "ql_capture_server_start"},
    {"init", do_init, false, true, false, false, "ql_workspace_init"},
    {"ingest", do_ingest, false, true, false, false, "ql_ingest"},
    {"again", do_ingest, true, true, false, false, "ql_ingest"},
    {"source", do_ingest_source, true, true, false, false, "ql_ingest_source"},
    {"extend", do_extend, false, false, false, false, "ql_source_register ql_converter_register ql_chunker_register ql_embedder_register ql_reranker_register"},
    {"extend store", do_extend_store, false, false, false, false, "ql_store_register"},
    {"git", do_ingest, false, true, true, false, "ql_ingest"},
};
#define SCENARIOS (sizeof scenarios / sizeof *scenarios)

/* Neither memory nor files: shown by do_harmless, which meets no call that could fail. */
static const char harmless[] = "ql_block_kind_name ql_capture_free ql_capture_server_stop ql_capture_server_url ql_buf_clear ql_buf_cstr ql_buf_dispose ql_buf_init ql_buf_str ql_op_cancel ql_op_fd ql_op_free ql_model_default ql_results_count "
                               "ql_metrics_server_port ql_metrics_server_stop ql_series_add ql_series_change ql_series_observe ql_series_set "
                               "ql_results_free ql_results_hit ql_runtime_free ql_status_name ql_str_compare ql_str_equal "
                               "ql_str_of ql_version ql_version_number ql_workspace_free ql_allocator_set "
                               "ql_label_put ql_label_put_back ql_live_free ql_prof_free ql_prof_heap_hooks_use ql_prof_switch ql_span_current ql_span_double ql_span_finish ql_span_int "
                               "ql_span_link ql_span_start ql_span_text ql_task_end ql_task_ready ql_task_run ql_task_start ql_task_wait";

static void do_harmless(void)
{
    ql_buf buf = QL_BUF_INIT;
    ql_runtime_options runtime;
    ql_workspace_options workspace;
    ql_ingest_options ingest;
    ql_ingest_report report;
    ql_search_options search;
    ql_ingest_report_init(&report);
    ql_buf_init(&buf, 0);
    ql_buf_clear(&buf);
    assert_string_equal(ql_buf_cstr(&buf), "");
    assert_int_equal(ql_buf_str(&buf).len, 0);
    ql_buf_dispose(&buf);
    ql_runtime_options_init(&runtime);
    ql_workspace_options_init(&workspace);
    ql_ingest_options_init(&ingest);
    ql_search_options_init(&search);
    static ql_site site = QL_SITE_INIT("harmless", "test");
    ql_span span = ql_span_start(&site);
    ql_span_int(&span, "key", 1);
    ql_span_double(&span, "key", 1);
    ql_span_text(&span, "key", QL_STR("text"));
    ql_span_link(ql_span_current(), 1);
    ql_span_finish(&span);
    ql_task task = ql_task_start(&site, QL_STR("task"), 0);
    ql_task_run(&task);
    ql_task_ready(&task);
    ql_task_wait(&task, QL_TASK_WAIT_OTHER, "nothing");
    ql_task_end(&task);
    ql_label_put_back(ql_label_put("key", QL_STR("value")));
    assert_int_equal(*ql_prof_switch(), 0);
    assert_int_equal(*ql_prof_heap_hooks_use()->on, 0);
    ql_prof_free(NULL);
    ql_live_free(NULL);
    assert_int_equal(ql_metrics_server_port(NULL), 0);
    ql_metrics_server_stop(NULL);
    ql_series_add(NULL, 1);
    ql_series_set(NULL, 1);
    ql_series_change(NULL, 1);
    ql_series_observe(NULL, 1);
    ql_op_cancel(NULL);
    ql_op_free(NULL);
    ql_capture_free(NULL);
    ql_capture_server_stop(NULL);
    assert_string_equal(ql_capture_server_url(NULL), "");
    assert_int_equal(ql_op_fd(NULL), -1);
    ql_runtime_free(NULL);
    ql_workspace_free(NULL);
    ql_results_free(NULL);
    assert_int_equal(ql_results_count(NULL), 0);
    assert_null(ql_results_hit(NULL, 0));
    assert_non_null(ql_model_default());
    assert_non_null(ql_block_kind_name(QL_BLOCK_HEADING));
    assert_non_null(ql_status_name(QL_E_NOMEM));
    assert_non_null(ql_version());
    assert_true(ql_version_number() > 0);
    assert_true(ql_str_equal(ql_str_of("a"), QL_STR("a")));
    assert_true(ql_str_compare(QL_STR("a"), QL_STR("b")) < 0);
    assert_true(ql_allocator_set(NULL) < 0);
}

/* --- faults */

typedef struct fault_kind {
    const char *name;
    bool memory, from;
    unsigned calls;
    int os_code;
    bool harmless; /* must not be noticed at all */
} fault_kind;

static const fault_kind kinds[] = {
    {"memory", true, false, 0, 0, false},
    {"memory-from", true, true, 0, 0, false},
    {"io", false, false, DISK_ALL_CALLS, EIO, false},
    {"io-from", false, true, DISK_ALL_CALLS, EIO, false},
    {"full", false, false, DISK_WRITE | DISK_TRUNCATE | DISK_MKDIR | DISK_SYNC | DISK_RENAME, ENOSPC, false},
    {"full-from", false, true, DISK_WRITE | DISK_TRUNCATE | DISK_MKDIR | DISK_SYNC | DISK_RENAME, ENOSPC, false},
    {"interrupted", false, false, DISK_OPEN | DISK_READ | DISK_WRITE, EINTR, true},
    {"short", false, false, DISK_READ | DISK_WRITE, 0, true},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static void plant(const fault_kind *kind, long n)
{
    if (kind->memory) memory_fail(n, kind->from);
    else disk_fail(root, kind->calls, kind->os_code, n, kind->from);
}

static long unplant(const fault_kind *kind, bool *fired)
{
    return kind->memory ? memory_fail_end(fired) : disk_fail_end(fired);
}

/* --- one point, in a process of its own */

typedef struct outcome { /* shared with the parent */
    long calls;
    bool fired;
    ql_status status;
} outcome;

static outcome *shared;
static ql_buf answers[SCENARIOS], dumps[SCENARIOS];
static long extra_live[SCENARIOS]; /* what the undisturbed run leaves: caches of other libraries */

static int append_line(void *user, ql_str line)
{
    ql_buf_append(user, line);
    return ql_buf_append_char(user, '\n') < 0;
}

static void dump_index(ql_buf *out)
{
    ql_error err = {0};
    ql__store *store = NULL;
    ql__store_options options = {.dir = ql_test_path(root, "work/data")};
    ql_status st = ql__store_open(&options, &store, &err);
    if (st >= 0) st = ql__store_dump(store, true, append_line, out, &err);
    ql__store_free(store);
    if (st < 0) ql_buf_printf(out, "cannot dump: %s", err.message);
}

/* What an undisturbed run makes of what is there, and what a search finds then. */
static void finish_index(const scenario *self, ql_buf *out)
{
    ql_error err = {0};
    ql_buf report = QL_BUF_INIT;
    ql_status st = self->run_fn == do_ingest_source || self->run_fn == do_init ? self->run_fn(&report, &err) : QL_OK;
    if (st >= 0) st = do_ingest(&report, &err);
    if (st < 0) ql_buf_printf(out, "the next run fails: %s\n", err.message);
    dump_index(out);
    if (st >= 0 && (st = do_search(&report, &err)) < 0) ql_buf_printf(out, "the next search fails: %s\n", err.message);
    if (st >= 0 && !strstr(ql_buf_cstr(&report), "\"rank\"")) ql_buf_printf(out, "the next search finds nothing\n");
    ql_buf_dispose(&report);
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir)) count++;
    if (dir) closedir(dir);
    return count;
}

static int blame(const char *format, ...) QL_PRINTF(1, 2);
static int blame(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputs(last_event, stderr);
    fputc('\n', stderr);
    return 1;
}

static const char *after_difference(const ql_buf *a, const ql_buf *b)
{
    const char *x = ql_buf_cstr(a), *y = ql_buf_cstr(b);
    while (*x && *x == *y) x++, y++;
    return x;
}

static int run_point(size_t index, const fault_kind *kind, long n)
{
    const scenario *self = &scenarios[index];
    ql_buf out = QL_BUF_INIT, after = QL_BUF_INIT;
    ql_error err = {0};
    size_t descriptors = open_descriptors();
    long live = memory_live(), own = ql_test_alloc_live();
    if (self->run_fn != do_bufs) ql_buf_reserve(&out, 1 << 16); /* the scenario's own notes are not what is tested */
    plant(kind, n);
    ql_status st = self->run_fn(&out, &err);
    shared->calls = unplant(kind, &shared->fired);
    shared->status = st;
    bool right = st >= 0 && ql_str_equal(ql_buf_str(&out), ql_buf_str(&answers[index]));
    if (st >= 0 && !right) return blame("answers '%.200s' for '%.200s'", after_difference(&out, &answers[index]), ql_buf_cstr(&answers[index]));
    ql_buf_dispose(&out);
    if (st < 0 && (!shared->fired || (kind->harmless && !self->git))) return blame("fails though %s: %s", shared->fired ? "this is no failure" : "nothing did", err.message);
    if (st < 0 && (err.status != st || !err.message[0])) return blame("answers %d, err says %d: %s", (int)st, (int)err.status, err.message);
    ql_status what = ql_status_kind(st);
    if (st < 0 && (what == QL_E_CORRUPT || what == QL_E_INTERNAL || what == QL_E_INVALID)) return blame("calls it '%s': %s", ql_status_name(what), err.message);
    if (ql_test_alloc_live() != own) return blame("leaks %ld pieces of our memory (%s)", ql_test_alloc_live() - own, st < 0 ? err.message : "ok");
    long others = memory_live() - live - extra_live[index];
    if (others > (self->git ? GIT_LEAK_MAX : 0)) return blame("leaks %ld pieces of others' memory (%s)", others, st < 0 ? err.message : "ok");
    if (open_descriptors() != descriptors) return blame("leaks a descriptor (%s)", st < 0 ? err.message : "ok");
    if (!self->changes) return 0;
    finish_index(self, &after);
    ql_str difference = {0};
    double cosine = index_compare(ql_buf_cstr(&dumps[index]), ql_buf_cstr(&after), &difference);
    if (difference.len || cosine < INDEX_COSINE_MIN)
        return blame("afterwards the index differs at '%.*s', lowest cosine %g (%s)", (int)(difference.len < 300 ? difference.len : 300), difference.ptr, cosine, st < 0 ? err.message : "ok");
    ql_buf_dispose(&after);
    return 0;
}

/*
 * libgit2 does not look at every result of its allocator. A crash inside it while memory is short is counted, not blamed; one anywhere else ends the
 * process as it would without this.
 */
static void on_crash(int number, siginfo_t *info, void *context)
{
    void *frames[16];
    int count = backtrace(frames, 16);
    (void)info;
    (void)context;
    for (int i = 0; i < count; i++) {
        Dl_info where;
        if (dladdr(frames[i], &where) && where.dli_fname && strstr(where.dli_fname, "qloader-git2")) _exit(EXIT_LIMIT);
    }
    (void)signal(number, SIG_DFL);
}

static void catch_known_crashes(void)
{
    void *frames[1];
    (void)backtrace(frames, 1); /* loads what it needs now */
    struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO};
    (void)sigaction(SIGSEGV, &action, NULL);
}

/* 0: as promised. The status of the process tells a crash. */
static int fork_point(size_t index, const fault_kind *kind, long n)
{
    int status = 0;
    if (n >= 0 && getenv("QL_FAULT_HERE")) return run_point(index, kind, n); /* for a debugger */
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        for (int number = 1; number < 32; number++) (void)signal(number, SIG_DFL); /* a crash ends the process; the test program's handlers would go on */
        if (kind->memory && scenarios[index].git) catch_known_crashes();
        alarm(120); /* a run that hangs is killed, and told */
        int result = run_point(index, kind, n);
        fflush(NULL);
        _exit(result);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) fail_msg("cannot fork");
    return status;
}

/* --- everything */

static void prepare(const scenario *self)
{
    ql_error err = {0};
    ql_buf out = QL_BUF_INIT;
    shell("rm -rf '%s/work' '%s/docs' '%s/pulled'", root, root, root);
    write_config(self->git);
    write_docs(false);
    if (self->indexed && do_ingest(&out, &err) < 0) fail_msg("%s", err.message);
    if (self->indexed) {
        unlink(ql_test_path(root, "docs/e.txt"));
        write_docs(true);
        if (!self->changes && do_ingest(&out, &err) < 0) fail_msg("%s", err.message);
    }
    ql_buf_dispose(&out);
    save();
}

/* Twice, so that what is made once a process is there before anything is counted. */
static void warm_up(size_t index)
{
    const scenario *self = &scenarios[index];
    ql_error err = {0};
    for (int i = 0; i < 3; i++) {
        ql_buf_dispose(&answers[index]);
        ql_buf_dispose(&dumps[index]);
        answers[index] = dumps[index] = QL_BUF_INIT;
        restore();
        ql_buf_reserve(&answers[index], 1 << 16);
        long live = memory_live();
        if (self->run_fn(&answers[index], &err) < 0) fail_msg("%s: %s%s", self->name, err.message, last_event);
        extra_live[index] = memory_live() - live;
        if (self->changes) finish_index(self, &dumps[index]);
    }
    if (extra_live[index] < 0) extra_live[index] = 0;
    restore();
}

static uint64_t env_number(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text && text[0] ? strtoull(text, NULL, 10) : fallback;
}

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

typedef struct totals {
    size_t all, tried, bad, failed, withstood, limits;
} totals;

static void try_point(size_t index, size_t kind, long n, totals *sum)
{
    const scenario *self = &scenarios[index];
    if (self->changes || self->run_fn == do_pull) restore();
    int status = fork_point(index, &kinds[kind], n);
    sum->tried++;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_LIMIT) {
        sum->limits++;
        return;
    }
    if (shared->status < 0) sum->failed++;
    else sum->withstood++;
    if (status == 0) return;
    sum->bad++;
    print_error("%s/%s/%ld: ", self->name, kinds[kind].name, n);
    if (WIFSIGNALED(status)) print_error("ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else print_error("see above\n");
}

static long count_calls(size_t index, size_t kind)
{
    if (scenarios[index].changes || scenarios[index].run_fn == do_pull) restore();
    int status = fork_point(index, &kinds[kind], -1);
    if (status != 0) fail_msg("%s/%s: the undisturbed run is not as it should be", scenarios[index].name, kinds[kind].name);
    return shared->calls;
}

static void test_faults__one_point(const char *only)
{
    for (size_t i = 0; i < SCENARIOS; i++)
        for (size_t k = 0; k < KINDS; k++) {
            char name[64];
            int len = snprintf(name, sizeof name, "%s/%s/", scenarios[i].name, kinds[k].name);
            if (strncmp(only, name, (size_t)len) != 0) continue;
            totals sum = {0};
            prepare(&scenarios[i]);
            warm_up(i);
            print_message("%ld calls\n", count_calls(i, k));
            try_point(i, k, strtol(only + len, NULL, 10), &sum);
            print_message("status %s\n", ql_status_name(shared->status));
            assert_int_equal(sum.bad, 0);
        }
}

static void test_faults__every_public_function(void **state)
{
    (void)state;
    uint64_t seed = env_number("QL_FAULT_SEED", (uint64_t)time(NULL)), wanted = env_number("QL_FAULT_POINTS", 300);
    const char *only = getenv("QL_FAULT_ONLY");
    totals sum = {0};
    if (only && only[0] && strchr(only, '/')) {
        test_faults__one_point(only);
        return;
    }
    if (only && only[0]) wanted = 0;
    print_message("seed %llu, faults in %s\n", (unsigned long long)seed, memory_is_everybodys() ? "everybody's memory" : "the library's own memory");
    for (size_t i = 0; i < SCENARIOS; i++) {
        if (only && only[0] && strcmp(only, scenarios[i].name) != 0) continue;
        prepare(&scenarios[i]);
        warm_up(i);
        totals before = sum;
        for (size_t k = 0; k < KINDS; k++) {
            long calls = count_calls(i, k);
            /* Each kind of each scenario gets the same part of a sample, at least one point. */
            uint64_t part = wanted ? wanted / (SCENARIOS * KINDS) + 1 : (uint64_t)calls;
            sum.all += (size_t)calls;
            for (long n = 0; n < calls; n++) {
                bool chosen = wanted == 0 || mix(seed + (uint64_t)n * 977 + i * 31 + k) % (uint64_t)calls < part;
                if (chosen && !(scenarios[i].slow && n % 8)) try_point(i, k, n, &sum);
            }
        }
        print_message("%-9s %6zu points of %6zu: %zu told, %zu withstood, %zu bad\n", scenarios[i].name, sum.tried - before.tried, sum.all - before.all, sum.failed - before.failed,
                      sum.withstood - before.withstood, sum.bad - before.bad);
    }
    print_message("%zu of %zu points tried, %zu met a known limit of libgit2\n", sum.tried, sum.all, sum.limits);
    assert_int_equal(sum.bad, 0);
    assert_true(sum.tried > 0);
}

static bool holds(const char *names, const char *name, size_t len)
{
    for (const char *at = names; (at = strstr(at, name)); at += len)
        if ((at == names || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0')) return true;
    return false;
}

static bool is_covered(const char *name, size_t len)
{
    for (size_t i = 0; i < SCENARIOS; i++)
        if (holds(scenarios[i].covers, name, len)) return true;
    return holds(harmless, name, len);
}

static void test_faults__cover_what_is_exported(void **state)
{
    (void)state;
    ql_buf map = QL_BUF_INIT;
    size_t count = 0, missing = 0;
    ql_test_file_read(QL_TEST_SOURCE_DIR "/lib/libqloader.map", &map);
    for (char *at = map.ptr, *line; (line = strsep(&at, "\n"));) {
        char *name = strstr(line, "ql_"), *end = name ? strchr(name, ';') : NULL;
        if (!end) continue;
        *end = '\0';
        count++;
        if (is_covered(name, strlen(name))) continue;
        print_error("%s is exported, but no scenario of this test covers it\n", name);
        missing++;
    }
    ql_buf_dispose(&map);
    print_message("%zu functions\n", count);
    assert_int_equal(missing, 0);
    assert_true(count > 40);
}

static void test_faults__harmless_functions_meet_none(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        bool fired = false;
        plant(&kinds[k], 0);
        do_harmless();
        assert_int_equal(unplant(&kinds[k], &fired), 0);
        assert_false(fired);
    }
}

static void make_folders(void)
{
    static const small_shape shape = {.layers = 1, .width = 16, .heads = 2, .inner = 32, .vocab = 40, .positions = 40, .window = 32};
    small_model model;
    root = ql_test_dir_new();
    saved = ql_test_dir_new();
    ql_test_file_write(ql_test_path(root, "extended.yaml"), QL_STR("sources: {text: {s: {key: value}}}\n"));
    small_model_make(&model, &shape, ql_test_path(root, "model"));
    small_model_free(&model);
    shell("mkdir '%s/repo' && cd '%s/repo' && git init -q -b main && printf '# A\\n\\nw7 aardvark\\n' > a.md && printf 'def b():\\n    return 1\\n' > b.py && git add -A && "
          "git -c user.name=A -c user.email=a@example.com commit -q -m one && printf '# A\\n\\nw8 antelope\\n' > a.md && git -c user.name=A -c user.email=a@example.com commit -q -a -m two",
          root, root);
}

int main(void)
{
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 1);
    const char *real = getenv("QLOADER_TEST_MODEL_DIR");
    if (real) setenv("QLOADER_MODEL_DIR", real, 1);
    /* oneDNN keeps code by shape for the whole process; a run with a document less has other shapes, and what is kept would pass for a leak. */
    setenv("DNNL_PRIMITIVE_CACHE_CAPACITY", "0", 1);
    setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0", 1); /* its name since version 3 */
    ql_test_alloc_install();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    make_folders();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults__cover_what_is_exported),
        cmocka_unit_test(test_faults__harmless_functions_meet_none),
        cmocka_unit_test(test_faults__every_public_function),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t i = 0; i < SCENARIOS; i++) {
        ql_buf_dispose(&answers[i]);
        ql_buf_dispose(&dumps[i]);
    }
    ql_test_dir_remove(root);
    ql_test_dir_remove(saved);
    return failed;
}
