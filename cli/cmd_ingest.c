/*
 * qloader ingest: progress on a terminal as one line that moves, elsewhere as plain lines, or for programs as lines of JSON; events; a
 * summary; exit code.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench_result.h"
#include "bring_model.h"
#include "exit_code.h"
#include "ingest_lines.h"
#include "memory_limit.h"
#include "output.h"
#include "profile.h"
#include "serve_metrics.h"
#include "session.h"

#define PLAIN_EVERY_MS 5000

typedef enum progress_form { PROGRESS_NONE, PROGRESS_PLAIN, PROGRESS_MOVING, PROGRESS_LINES } progress_form;

typedef struct ingest_view {
    cli *cli;
    const cli_session *session;
    cli_profile *profile;
    bool quiet, verbose, json, dry_run;
    progress_form progress;
    bool line_open;      /* a progress line is on the terminal */
    uint64_t plain_ms;   /* when the last plain line was written, of this source */
    uint64_t events;     /* with --json: how many are printed */
    bool event_lost;     /* with --json: one could not be printed */
} ingest_view;

static int stdout_or_err_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
    return 80;
}

static void clear_line(ingest_view *self)
{
    if (self->line_open) fprintf(stderr, "\r\033[K");
    self->line_open = false;
}

static void format_duration(uint64_t ms, char out[24])
{
    unsigned long long s = ms / 1000;
    if (s >= 3600) snprintf(out, 24, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
    else snprintf(out, 24, "%llu:%02llu", s / 60, s % 60);
}

static void format_eta(const ql_ingest_progress *progress, char out[24])
{
    uint64_t eta_ms = 0;
    if (ingest_eta_ms(progress, &eta_ms)) format_duration(eta_ms, out);
    else snprintf(out, 24, "-");
}

static void working_text(const ql_ingest_progress *progress, char *out, size_t size)
{
    char time[24];
    bool done = progress->phase == QL_INGEST_SOURCE_DONE;
    if (done) format_duration(progress->work_elapsed_ms, time);
    else format_eta(progress, time);
    /* What one looks for comes first: a narrow terminal cuts the end. */
    snprintf(out, size, "%.*s/%.*s: %llu of %llu documents, %s %s, %llu chunks, %.1f docs/s, %.0f tokens/s", (int)progress->source_type.len,
             progress->source_type.ptr, (int)progress->source.len, progress->source.ptr, (unsigned long long)progress->documents_done,
             (unsigned long long)progress->documents_total, done ? "in" : "ETA", time, (unsigned long long)progress->chunks_done,
             ingest_per_second(progress->documents_done, progress->work_elapsed_ms), ingest_per_second(progress->tokens_done, progress->work_elapsed_ms));
}

static void show_line(ingest_view *self, const char *text)
{
    size_t width = (size_t)stdout_or_err_width() - 1, len = strlen(text);
    fprintf(stderr, "\r\033[K");
    text_put(stderr, (ql_str){text, len < width ? len : width});
    fflush(stderr);
    self->line_open = true;
}

static void show_listing(ingest_view *self, const ql_ingest_progress *progress)
{
    char text[256];
    if (self->progress != PROGRESS_MOVING || progress->source.len == 0) return;
    snprintf(text, sizeof text, "%.*s/%.*s: listing, %llu found", (int)progress->source_type.len, progress->source_type.ptr,
             (int)progress->source.len, progress->source.ptr, (unsigned long long)progress->listed);
    show_line(self, text);
}

static void show_working(ingest_view *self, const ql_ingest_progress *progress)
{
    char text[512];
    bool done = progress->phase == QL_INGEST_SOURCE_DONE;
    working_text(progress, text, sizeof text);
    if (self->progress == PROGRESS_MOVING && !done) show_line(self, text);
    else if (done || progress->work_elapsed_ms >= self->plain_ms + PLAIN_EVERY_MS) {
        clear_line(self);
        if (progress->documents_total > 0) text_put(stderr, ql_str_of(text));
        if (progress->documents_total > 0) fputc('\n', stderr);
        self->plain_ms = done ? 0 : progress->work_elapsed_ms;
    }
}

static int on_progress(void *user, const ql_ingest_progress *progress)
{
    ingest_view *self = user;
    profile_keep(self->profile); /* the index is ours, and whatever an ingest needs is there */
    if (self->progress == PROGRESS_LINES) {
        if (progress->source.len > 0) line_progress(progress);
    } else if (self->progress != PROGRESS_NONE) {
        if (progress->phase == QL_INGEST_LISTING) show_listing(self, progress);
        else show_working(self, progress);
    }
    return stop_asked();
}

/* What was done to which document is worth a line; what is left out on purpose would be the same in every run. */
static void keep_in_log(const ingest_view *self, const ql_ingest_event *event)
{
    ql_buf line = QL_BUF_INIT;
    if (self->cli->log == NULL || self->dry_run || event->action == QL_INGEST_SKIP) return;
    bool bad = event->action == QL_INGEST_FAIL || event->action == QL_INGEST_SOURCE_FAIL;
    ql_buf_printf(&line, "%s: %.*s/%.*s: %.*s%s%.*s", ingest_action_name(event->action), (int)event->source_type.len, event->source_type.ptr, (int)event->source.len, event->source.ptr,
                  (int)event->url.len, event->url.ptr, event->message.len > 0 ? ": " : "", (int)event->message.len, event->message.ptr);
    session_log(self->session, bad ? "error" : event->action == QL_INGEST_WARN ? "warning" : "info", ql_buf_cstr(&line));
    ql_buf_dispose(&line);
}

static void show_event(ingest_view *self, const ql_ingest_event *event)
{
    clear_line(self);
    fprintf(stderr, "%s: ", ingest_action_name(event->action));
    if (event->action == QL_INGEST_SOURCE_FAIL || event->url.len == 0) { /* what is told is of the source */
        text_put(stderr, event->source_type);
        fputc('/', stderr);
        text_put(stderr, event->source);
        fprintf(stderr, event->project.len > 0 ? " of project " : "");
        text_put(stderr, event->project);
        fprintf(stderr, ": ");
    }
    text_put(stderr, event->url);
    fprintf(stderr, event->url.len > 0 && event->message.len > 0 ? ": " : "");
    text_put(stderr, event->message);
    fputc('\n', stderr);
}

/* As they come, a line each: a large source has more than should be held. The rest of the object follows at the end. */
static void print_event(ingest_view *self, const ql_ingest_event *event)
{
    json_t *object = ingest_event_json(event);
    printf(self->events++ == 0 ? "{\n  \"events\": [\n    " : ",\n    ");
    if (object == NULL || json_dumpf(object, stdout, 0) < 0) {
        self->event_lost = self->event_lost || ferror(stdout) == 0; /* what cannot be written is told at the end, for all of it */
        printf("{}");
    }
    json_decref(object);
}

static int on_event(void *user, const ql_ingest_event *event)
{
    ingest_view *self = user;
    profile_keep(self->profile);
    keep_in_log(self, event);
    bool bad = event->action == QL_INGEST_FAIL || event->action == QL_INGEST_WARN || event->action == QL_INGEST_SOURCE_FAIL;
    bool wanted = bad || self->verbose || self->dry_run; /* by programs; people see what a dry run leaves out with --verbose only */
    bool shown = bad || (!self->quiet && wanted && (self->verbose || event->action != QL_INGEST_SKIP));
    if (!wanted) return stop_asked();
    if (self->json) print_event(self, event);
    if (self->progress == PROGRESS_LINES) line_event(event);
    else if (!self->json && shown) show_event(self, event);
    return stop_asked();
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void print_summary(const ingest_view *self, const ql_ingest_report *report, bool stopped)
{
    char time[24];
    format_duration(report->elapsed_ms, time);
    printf("%s%llu document%s in %u source%s: %llu added, %llu changed, %llu deleted, %llu unchanged, %llu skipped, %llu failed%s",
           self->dry_run ? "would do: " : "", (unsigned long long)report->listed, plural(report->listed), report->sources, plural(report->sources),
           (unsigned long long)report->added, (unsigned long long)report->changed, (unsigned long long)report->deleted,
           (unsigned long long)report->unchanged, (unsigned long long)report->skipped, (unsigned long long)report->failed,
           stopped ? " (stopped)" : "");
    if (report->sources_failed > 0) printf("; %u source%s failed", report->sources_failed, plural(report->sources_failed));
    printf("\n");
    if (report->listed == 0 && report->skipped > 0)
        printf("no file of the configured folders passed the filters (file_types, include_paths, exclude_paths, max_file_size)%s\n",
               self->verbose ? "" : "; --verbose tells why");
    if (self->dry_run) return;
    printf("%llu chunk%s, %llu token%s in %s (%llu.%03llu s)\n", (unsigned long long)report->chunks, plural(report->chunks),
           (unsigned long long)report->tokens, plural(report->tokens), time,
           (unsigned long long)(report->elapsed_ms / 1000), (unsigned long long)(report->elapsed_ms % 1000));
}

/* False: there is no memory for it; what stands there says so. */
static bool print_json(ingest_view *self, const cli_session *session, const ql_ingest_report *report, ql_status status, const ql_error *err)
{
    static const char no_memory[] = "\n  \"status\": \"out of memory\"\n}";
    json_t *object = json_object();
    json_object_set_new(object, "status", json_string(status >= 0 ? "ok" : ql_status_name(status)));
    json_object_set_new(object, "dry_run", json_boolean(self->dry_run));
    ingest_report_put(object, report);
    session_tell_choice(session, object);
    if (cli_has(self->cli, OPT_PROFILE)) json_object_set_new(object, "stages", bench_stages(session->runtime));
    if (status < 0) json_object_set_new(object, "message", text_json(ql_str_of(err->message)));
    char *text = json_dumps(object, JSON_INDENT(2));
    printf(self->events == 0 ? "{\n  \"events\": [],%s\n" : "\n  ],%s\n", text != NULL ? text + 1 : no_memory); /* without the brace that is printed already */
    bool whole = text != NULL;
    free(text);
    json_decref(object);
    return whole;
}

static void print_profile(const ql_runtime *runtime)
{
    ql_buf json = QL_BUF_INIT;
    ql_error err = {0};
    if (ql_runtime_stats_json(runtime, &json, &err) < 0) return;
    json_t *root = json_loads(ql_buf_cstr(&json), 0, NULL);
    const char *name = NULL;
    json_t *span = NULL;
    fprintf(stderr, "\n%-14s %10s %14s %12s\n", "stage", "count", "total ms", "longest ms");
    json_object_foreach(json_object_get(root, "spans"), name, span)
        fprintf(stderr, "%-14s %10lld %14.1f %12.1f\n", name, (long long)json_integer_value(json_object_get(span, "count")),
                (double)json_integer_value(json_object_get(span, "wall_ns")) / 1e6, (double)json_integer_value(json_object_get(span, "max_ns")) / 1e6);
    fprintf(stderr, "(sums over threads; stages overlap)\n");
    json_decref(root);
    ql_buf_dispose(&json);
}

static void log_summary(const ingest_view *self, const ql_ingest_report *report, ql_status status)
{
    char line[400];
    snprintf(line, sizeof line, "ends, %s: %llu listed, %llu added, %llu changed, %llu deleted, %llu unchanged, %llu skipped, %llu failed, %u sources failed, %llu chunks, %llu tokens in %llu ms",
             status >= 0 ? "ok" : ql_status_name(status), (unsigned long long)report->listed, (unsigned long long)report->added, (unsigned long long)report->changed,
             (unsigned long long)report->deleted, (unsigned long long)report->unchanged, (unsigned long long)report->skipped, (unsigned long long)report->failed,
             report->sources_failed, (unsigned long long)report->chunks, (unsigned long long)report->tokens, (unsigned long long)report->elapsed_ms);
    session_log(self->session, "info", line);
}

/* What is told besides the report: to people in words, or as the last lines. profile_code: how the capture ended. */
static int tell_end(ingest_view *self, const ql_ingest_report *report, ql_status status, int profile_code, const ql_error *err)
{
    bool stopped = ql_status_kind(status) == QL_E_CANCELLED, lines = self->progress == PROGRESS_LINES;
    int code = stopped ? stop_exit_code() : cli_exit_of(status);
    bool force = cli_has(self->cli, OPT_FORCE); /* what it made is as good as what it did not come to: nothing tells them apart */
    if (stopped && !lines)
        fprintf(stderr, force ? "stopped; the index is consistent. '%s ingest --force' begins anew.\n" : "stopped; the index is consistent. Run '%s ingest' again to go on.\n", self->cli->program);
    if (!stopped && status < 0) {
        if (self->json) cli_tell_error(self->cli, ql_status_name(status), err->message, code); /* the report tells it already */
        else code = cli_fail(self->cli, status, err);
    }
    if (code == EXIT_OK) code = profile_code;
    if (lines) line_end(report, status, code);
    return code;
}

static int finish(ingest_view *self, const cli_session *session, cli_profile *profile, ql_status status, const ql_ingest_report *report, const ql_error *err)
{
    static const ql_error no_memory = {.status = QL_E_NOMEM, .message = "out of memory while the report was printed"};
    bool stopped = ql_status_kind(status) == QL_E_CANCELLED;
    clear_line(self);
    log_summary(self, report, status);
    bool told = !self->json || print_json(self, session, report, status, err);
    if (!told && status >= 0) {
        status = QL_E_NOMEM;
        err = &no_memory;
    }
    if (!self->json && !self->quiet && (status >= 0 || stopped || ql_status_kind(status) == QL_E_PARTIAL)) print_summary(self, report, stopped);
    if (cli_has(self->cli, OPT_PROFILE)) {
        if (self->progress == PROGRESS_LINES) line_profile(session->runtime);
        else if (!self->quiet) print_profile(session->runtime);
    }
    if (status >= 0 || ql_status_kind(status) == QL_E_PARTIAL) profile_keep(profile); /* also a run that had nothing to tell */
    int profile_code = profile_end(self->cli, profile, EXIT_OK);
    return tell_end(self, report, status, profile_code, err);
}

/* What was asked for wins over --quiet, which is about what comes unasked. */
static progress_form choose_progress(const cli *self)
{
    if (!cli_has(self, OPT_PROGRESS) && cli_has(self, OPT_QUIET)) return PROGRESS_NONE;
    switch (cli_chosen(self, OPT_PROGRESS)->value) {
    case CLI_PROGRESS_PLAIN: return PROGRESS_PLAIN;
    case CLI_PROGRESS_NONE: return PROGRESS_NONE;
    case CLI_PROGRESS_JSON: return PROGRESS_LINES;
    default: return self->progress_tty ? PROGRESS_MOVING : PROGRESS_PLAIN;
    }
}

/* False: told what is wrong with it. */
static bool read_memory(cli *self, uint64_t *out)
{
    *out = 0;
    if (!cli_has(self, OPT_MEM) || memory_size(self->values[OPT_MEM], out)) return true;
    (void)cli_usage_error(self, "--mem '%s' is not a size such as 256M or 2G", self->values[OPT_MEM]);
    return false;
}

int cmd_ingest(cli *self)
{
    cli_session session;
    uint64_t memory_max;
    if (!read_memory(self, &memory_max)) return EXIT_USAGE;
    cli_profile profile;
    progress_form progress = choose_progress(self);
    self->progress_tty = progress == PROGRESS_MOVING && self->progress_tty;
    ql_metrics_server *metrics = NULL;
    int code = profile_begin(self, &profile);
    if (code < 0) code = session_open(self, cli_has(self, OPT_PROFILE), &session);
    if (code >= 0) return profile_end(self, &profile, code);
    code = metrics_serve(&session, cli_has(self, OPT_QUIET), &metrics);
    if (code >= 0) {
        session_close(&session);
        return profile_end(self, &profile, code);
    }
    ingest_view view = {.cli = self, .session = &session, .profile = &profile, .progress = progress, .quiet = cli_has(self, OPT_QUIET), .verbose = cli_has(self, OPT_VERBOSE), .json = cli_has(self, OPT_JSON),
                 .dry_run = cli_has(self, OPT_DRY_RUN)};
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    options.force = cli_has(self, OPT_FORCE);
    options.dry_run = view.dry_run;
    options.prune = cli_has(self, OPT_PRUNE);
    options.memory_max = memory_max;
    options.project = cli_str(self, OPT_PROJECT);
    options.source_type = cli_str(self, OPT_SOURCE_TYPE);
    options.source = cli_str(self, OPT_SOURCE);
    options.progress_fn = on_progress;
    options.event_fn = on_event;
    options.user = &view;
    ql_ingest_report report = QL_INGEST_REPORT_INIT;
    ql_error err = {0};
    if (!view.dry_run) session_log_open(&session);
    if (progress == PROGRESS_LINES) line_begin(&session, view.dry_run);
    else if (!view.json && !view.quiet) session_tell_choice(&session, NULL);
    stop_install(self);
    ql_live *live = live_show(&session); /* before the bound: its memory is not the ingest's */
    struct rlimit memory_before;
    if (memory_max > 0) memory_bound(memory_max, &memory_before);
    ql_status status = ql_ingest(session.workspace, &options, &report, &err);
    if (bring_missing_model(self, !view.dry_run, &status, &err)) status = ql_ingest(session.workspace, &options, &report, &err);
    if (memory_max > 0) memory_unbound(&memory_before);
    if (view.event_lost && status >= 0) {
        status = err.status = QL_E_NOMEM;
        snprintf(err.message, sizeof err.message, "out of memory while the events were printed%s", view.dry_run ? "" : "; the index is complete");
    }
    code = finish(&view, &session, &profile, status, &report, &err);
    ql_live_free(live);
    ql_metrics_server_stop(metrics);
    session_close(&session);
    return code;
}
