/* See ingest_lines.h. */
#include "ingest_lines.h"

#include "output.h"

/* --- figures that people are shown too ----------------------------------------------------------------------------------------- */

#define ETA_AFTER_MS 1000 /* a rate of less time is chance */

double ingest_per_second(uint64_t count, uint64_t ms)
{
    return ms == 0 ? 0.0 : (double)count * 1000.0 / (double)ms;
}

/* Documents differ much in size, but their sizes are not known for every source: the rate of documents is what there is. */
bool ingest_eta_ms(const ql_ingest_progress *progress, uint64_t *out)
{
    uint64_t done = progress->documents_done, total = progress->documents_total;
    if (progress->phase != QL_INGEST_WORKING || done == 0 || done > total || progress->work_elapsed_ms < ETA_AFTER_MS) return false;
    *out = (uint64_t)((double)progress->work_elapsed_ms * (double)(total - done) / (double)done);
    return true;
}

const char *ingest_action_name(int action)
{
    switch (action) {
    case QL_INGEST_ADD: return "add";
    case QL_INGEST_CHANGE: return "change";
    case QL_INGEST_DELETE: return "delete";
    case QL_INGEST_SKIP: return "skip";
    case QL_INGEST_FAIL: return "failed";
    case QL_INGEST_WARN: return "warning";
    default: return "source failed";
    }
}

/* --- objects ------------------------------------------------------------------------------------------------------------------- */

static void put_count(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* One digit behind the point is more than a rate of documents is worth. */
static void put_rate(json_t *object, const char *key, uint64_t count, uint64_t ms)
{
    json_object_set_new(object, key, json_real((double)(uint64_t)(ingest_per_second(count, ms) * 10.0 + 0.5) / 10.0));
}

static bool put_text(json_t *object, const char *key, ql_str text)
{
    return text.len == 0 || json_object_set_new(object, key, text_json(text)) == 0;
}

json_t *ingest_event_json(const ql_ingest_event *event)
{
    json_t *object = json_object();
    if (json_object_set_new(object, "action", json_string(ingest_action_name(event->action))) == 0 && put_text(object, "project", event->project) &&
        put_text(object, "source_type", event->source_type) && put_text(object, "source", event->source) && put_text(object, "url", event->url) &&
        put_text(object, "message", event->message))
        return object;
    json_decref(object);
    return NULL;
}

void ingest_report_put(json_t *object, const ql_ingest_report *report)
{
    const struct { const char *key; uint64_t value; } facts[] = {
        {"sources", report->sources}, {"sources_failed", report->sources_failed}, {"listed", report->listed}, {"unchanged", report->unchanged},
        {"added", report->added}, {"changed", report->changed}, {"deleted", report->deleted}, {"skipped", report->skipped},
        {"failed", report->failed}, {"warnings", report->warnings}, {"chunks", report->chunks}, {"tokens", report->tokens},
        {"bytes", report->bytes}, {"elapsed_ms", report->elapsed_ms}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) put_count(object, facts[i].key, facts[i].value);
}

/* --- lines --------------------------------------------------------------------------------------------------------------------- */

static json_t *line_of(const char *type)
{
    return json_pack("{s:s}", "type", type);
}

void line_begin(const cli_session *session, bool dry_run)
{
    json_t *line = line_of("begin");
    json_object_set_new(line, "version", json_string(ql_version()));
    json_object_set_new(line, "dry_run", json_boolean(dry_run));
    session_tell_choice(session, line);
    line_json(line);
}

static const char *phase_name(int phase)
{
    return phase == QL_INGEST_LISTING ? "listing" : phase == QL_INGEST_WORKING ? "working" : "done";
}

void line_progress(const ql_ingest_progress *progress)
{
    uint64_t eta_ms = 0;
    bool known = ingest_eta_ms(progress, &eta_ms);
    json_t *line = line_of("progress");
    json_object_set_new(line, "phase", json_string(phase_name(progress->phase)));
    put_text(line, "project", progress->project);
    put_text(line, "source_type", progress->source_type);
    put_text(line, "source", progress->source);
    put_count(line, "listed", progress->listed);
    put_count(line, "documents_done", progress->documents_done);
    put_count(line, "documents_total", progress->documents_total);
    put_count(line, "chunks", progress->chunks_done);
    put_count(line, "tokens", progress->tokens_done);
    put_count(line, "bytes", progress->bytes_done);
    put_count(line, "elapsed_ms", progress->elapsed_ms);
    put_count(line, "work_elapsed_ms", progress->work_elapsed_ms);
    put_rate(line, "documents_per_second", progress->documents_done, progress->work_elapsed_ms);
    put_rate(line, "tokens_per_second", progress->tokens_done, progress->work_elapsed_ms);
    json_object_set_new(line, "eta_ms", known ? json_integer((json_int_t)eta_ms) : json_null());
    line_json(line);
}

void line_event(const ql_ingest_event *event)
{
    json_t *line = line_of("event");
    json_t *members = ingest_event_json(event);
    json_object_update(line, members);
    json_decref(members);
    line_json(line);
}

void line_profile(const ql_runtime *runtime)
{
    ql_buf text = QL_BUF_INIT;
    ql_error err = {0};
    json_t *members = ql_runtime_stats_json(runtime, &text, &err) >= 0 ? json_loads(ql_buf_cstr(&text), 0, NULL) : NULL;
    if (members != NULL) {
        json_object_set_new(members, "type", json_string("profile"));
        line_json(members);
    }
    ql_buf_dispose(&text);
}

void line_end(const ql_ingest_report *report, ql_status status, int exit_code)
{
    json_t *line = line_of("end");
    json_object_set_new(line, "status", json_string(status >= 0 ? "ok" : ql_status_name(status)));
    put_count(line, "exit_code", (uint64_t)exit_code);
    ingest_report_put(line, report);
    line_json(line);
}
