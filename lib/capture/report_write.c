/*
 * The report as Markdown and as JSON. Texts of others (names, paths, statements) are put so that they stay text in both.
 * Threads: any. Cost: that of the rules.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/report_internal.h"

/* --- Markdown -------------------------------------------------------------------------------------------------------------------------------- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Markdown and HTML see a letter where they would see a sign; line breaks are blanks. '_' inside a word is none. */
static void put_text(ql__sink *sink, ql_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool inside = c == '_' && i > 0 && i + 1 < text.len && is_word(text.ptr[i - 1]) && is_word(text.ptr[i + 1]);
        if ((unsigned char)c < 0x20 || c == 0x7f) ql__sink_put(sink, QL_STR(" "));
        else if (inside) ql__sink_put(sink, QL_STR("_"));
        else if (strchr("\\`*_[]<>|#~&!", c) != NULL) ql__sink_printf(sink, "\\%c", c);
        else ql__sink_put(sink, (ql_str){text.ptr + i, 1});
    }
}

static void put_time(ql__sink *sink, uint64_t ns)
{
    bool seconds = ns >= 1000000000;
    ql__sink_fixed(sink, (int64_t)(seconds ? ns / 10000000 : ns / 10000), 2);
    ql__sink_cstring(sink, seconds ? " s" : " ms");
}

static void put_mib(ql__sink *sink, uint64_t bytes)
{
    ql__sink_fixed(sink, (int64_t)(bytes / 1024 * 10 / 1024), 1);
    ql__sink_cstring(sink, " MiB");
}

static void put_percent(ql__sink *sink, double share)
{
    ql__sink_fixed(sink, (int64_t)(share * 1000 + 0.5), 1);
    ql__sink_cstring(sink, "%");
}

/* The first that is read, as it says what all the rest is worth; but lost texts are a note. */
static void put_loss(const ql__profile *p, ql__sink *sink)
{
    char lost[QL__LOSS_TEXT];
    ql__loss_text(p, lost);
    if (lost[0] == '\0' || ql__loss_is_of_texts(p)) return;
    ql__sink_cstring(sink, "**Not all was seen.** ");
    put_text(sink, ql_str_of(lost));
    ql__sink_cstring(sink, "\n\n");
}

static void put_run_delay(const ql__profile *p, ql__sink *sink)
{
    if (p->numbers.run_delay_ns == UINT64_MAX) return;
    ql__sink_cstring(sink, "\n- Waited for a processor: ");
    put_time(sink, p->numbers.run_delay_ns);
    ql__sink_cstring(sink, " over all threads, ");
    put_percent(sink, ql__waited_share(p));
    ql__sink_cstring(sink, " of the time in which they could run");
    if (ql__profile_starved(p)) ql__sink_cstring(sink, ". **Threads waited for a processor**: other work had it, or a limit held them, or for a while there were more threads than processors. Times are longer than the work; if it was other work, measure again on a quiet machine");
}

#define FEW_SAMPLES 100 /* and as few spans: no share is known to a tenth */

static void put_baseline(const ql__profile *p, ql__sink *sink)
{
    const ql__profile_numbers *numbers = &p->numbers;
    uint64_t cpu = ql__cpu_of(p);
    ql_str command = ql__profile_meta(p, "command_line");
    ql__sink_cstring(sink, "## Baseline Metrics\n\n");
    if (command.len > 0) {
        ql__sink_cstring(sink, "- Command: ");
        put_text(sink, command);
        ql__sink_cstring(sink, "\n");
    }
    ql__sink_cstring(sink, "- Execution time: ");
    put_time(sink, numbers->duration_ns);
    ql__sink_cstring(sink, "\n- Peak memory: ");
    if (numbers->memory_peak_bytes != 0) put_mib(sink, numbers->memory_peak_bytes);
    else ql__sink_cstring(sink, "not measured");
    ql__sink_cstring(sink, "\n- CPU: ");
    put_time(sink, cpu);
    ql__sink_cstring(sink, ", ");
    put_percent(sink, numbers->duration_ns > 0 ? (double)cpu / (double)numbers->duration_ns : 0);
    ql__sink_cstring(sink, " of one core");
    put_run_delay(p, sink);
    ql__sink_printf(sink, "\n- Samples: %zu of processor time, %zu of time, %zu waits, %zu spans, %zu tasks", p->sets[QL__SAMPLE_CPU].count, p->sets[QL__SAMPLE_WALL].count,
                    p->sets[QL__SAMPLE_LOCK].count, p->spans_count, p->tasks_count);
    if (numbers->collector_ns != 0) {
        ql__sink_cstring(sink, "\n- The profiler itself: ");
        put_time(sink, numbers->collector_ns);
        ql__sink_cstring(sink, " of processor time");
    }
    if (ql__loss_is_of_texts(p)) {
        char lost[QL__LOSS_TEXT];
        ql__loss_text(p, lost);
        ql__sink_cstring(sink, "\n- Note: ");
        put_text(sink, ql_str_of(lost));
    }
    for (size_t i = 0; i < p->notes_count; i++) {
        ql__sink_cstring(sink, "\n- Note: ");
        put_text(sink, ql__profile_text(p, p->notes[i].value));
    }
    ql__sink_cstring(sink, "\n\n");
}

static void put_place(const ql__finding *finding, ql__sink *sink)
{
    put_text(sink, finding->function.len > 0 ? finding->function : QL_STR("unknown"));
    if (finding->file.len == 0) return;
    ql__sink_cstring(sink, " (");
    put_text(sink, finding->file);
    if (finding->line != 0) ql__sink_printf(sink, ":%u", finding->line);
    ql__sink_cstring(sink, ")");
}

/* What is how much of what: a share alone does not tell processor time from time, nor one peak from another. */
static void put_base(const ql__finding *finding, ql__sink *sink)
{
    static const char *const bases[] = {" wall time", "", " that the heap had at its peak", " that the process had at its peak"};
    uint64_t value = (uint64_t)(finding->share * (double)finding->base_value + 0.5);
    ql__sink_cstring(sink, ": ");
    (finding->memory ? put_mib : put_time)(sink, value);
    if (finding->base == QL__BASE_WALL && finding->cpu_share > 0) ql__sink_cstring(sink, " CPU time");
    if (finding->per_thread) ql__sink_cstring(sink, " a thread");
    ql__sink_cstring(sink, " of ");
    (finding->memory ? put_mib : put_time)(sink, finding->base_value);
    ql__sink_cstring(sink, bases[finding->base]);
    if (finding->base != QL__BASE_WALL || finding->cpu_share <= 0) return;
    ql__sink_cstring(sink, ", ");
    put_percent(sink, finding->cpu_share);
    ql__sink_cstring(sink, " of all CPU time");
}

static void put_finding(const ql__finding *finding, size_t number, ql__sink *sink)
{
    ql__sink_printf(sink, "%zu. [%s] ", number, ql__severity_name(finding->severity));
    put_place(finding, sink);
    ql__sink_cstring(sink, " - ");
    put_percent(sink, finding->share);
    ql__sink_cstring(sink, finding->memory ? " of peak memory" : " of total time");
    bool cpu = finding->base == QL__BASE_CPU; /* "total time" alone is that of the run */
    if (cpu) ql__sink_cstring(sink, " (CPU time of all threads, as sampled");
    if (finding->error > 0) {
        ql__sink_cstring(sink, cpu ? "; ± " : " (± ");
        put_percent(sink, finding->error);
    }
    if (cpu || finding->error > 0) ql__sink_cstring(sink, ")");
    put_base(finding, sink);
    ql__sink_cstring(sink, "\n   - Issue: ");
    put_text(sink, finding->issue);
    ql__sink_cstring(sink, "\n   - Recommendation: ");
    put_text(sink, finding->recommendation);
    ql__sink_printf(sink, "\n   - Evidence: %s, %llu events, %llu samples\n", finding->rule, (unsigned long long)finding->count, (unsigned long long)finding->samples);
}

static void put_findings(const ql__report *report, bool memory, const char *title, const char *none, ql__sink *sink)
{
    size_t number = 0;
    ql__sink_printf(sink, "## %s\n\n", title);
    for (size_t i = 0; i < report->finding_count; i++)
        if (report->findings[i].memory == memory) put_finding(&report->findings[i], ++number, sink);
    ql__sink_cstring(sink, number > 0 ? "\n" : none);
}

static void put_recommendations(const ql__report *report, ql__sink *sink)
{
    ql__sink_cstring(sink, "## Recommendations\n\n");
    for (size_t i = 0; i < report->finding_count; i++) {
        ql__sink_printf(sink, "%zu. %s: ", i + 1, ql__severity_name(report->findings[i].severity));
        put_text(sink, report->findings[i].recommendation);
        ql__sink_cstring(sink, " At: ");
        put_place(&report->findings[i], sink);
        ql__sink_cstring(sink, "\n");
    }
    const char *none = report->profile->numbers.dropped != 0 ? "Nothing stands out in what was seen.\n\n" : "Nothing stands out.\n\n";
    ql__sink_cstring(sink, report->finding_count > 0 ? "\n" : none);
}

static void put_stages(const ql__report *report, ql__sink *sink)
{
    if (report->stage_count == 0) return;
    ql__sink_cstring(sink, "## Stages\n\n| stage | runs | time in it | share of the run | sum over threads | longest |\n| --- | ---: | ---: | ---: | ---: | ---: |\n");
    for (size_t i = 0; i < report->stage_count; i++) {
        const ql__stage_row *row = &report->stages[i];
        ql__sink_cstring(sink, "| ");
        put_text(sink, ql__profile_text(report->profile, row->name));
        ql_str category = ql__profile_text(report->profile, row->category);
        if (category.len > 0 && !ql_str_equal(category, QL_STR("stage"))) { /* what a program tells; the library's own need no mark */
            ql__sink_cstring(sink, " (");
            put_text(sink, category);
            ql__sink_cstring(sink, ")");
        }
        ql__sink_printf(sink, " | %llu | ", (unsigned long long)row->count);
        put_time(sink, row->covered_ns);
        ql__sink_cstring(sink, " | ");
        put_percent(sink, report->profile->numbers.duration_ns > 0 ? (double)row->covered_ns / (double)report->profile->numbers.duration_ns : 0);
        ql__sink_cstring(sink, " | ");
        put_time(sink, row->sum_ns);
        ql__sink_cstring(sink, " | ");
        put_time(sink, row->longest_ns);
        ql__sink_cstring(sink, " |\n");
    }
    ql__sink_cstring(sink, "\n");
}

static void put_ledger(const ql__report *report, ql__sink *sink)
{
    const ql__profile *p = report->profile;
    if (report->ledger_count == 0) return;
    ql__sink_cstring(sink, "## What cost most\n\n| document or request | time | most of it in |\n| --- | ---: | --- |\n");
    for (size_t i = 0; i < report->ledger_count; i++) {
        ql__sink_cstring(sink, "| ");
        put_text(sink, ql__profile_text(p, p->tasks[report->ledger[i].task].name));
        ql__sink_cstring(sink, " | ");
        put_time(sink, report->ledger[i].time_ns);
        ql__sink_cstring(sink, " | ");
        put_text(sink, report->ledger[i].stage != 0 ? ql__profile_text(p, report->ledger[i].stage) : QL_STR("-"));
        ql__sink_cstring(sink, " |\n");
    }
    ql__sink_cstring(sink, "\nTime is the document's own, and its part of the batches it was embedded in, by tokens.\n\n");
}

ql_status ql__write_report_md(const ql__profile *profile, ql__sink *sink, ql_error *err)
{
    ql__report *report = ql__alloc_zero(1, sizeof *report);
    if (report == NULL) return ql__fail_nomem(err);
    ql_status status = ql__report_make(profile, report, err);
    if (status >= 0) {
        ql_str program = ql__path_base(ql__profile_meta(profile, "program"));
        ql__sink_cstring(sink, "# Performance report: ");
        put_text(sink, program.len > 0 ? program : QL_STR("a capture"));
        ql__sink_cstring(sink, "\n\n");
        put_loss(profile, sink);
        put_baseline(profile, sink);
        bool lost = profile->numbers.dropped != 0;
        bool few = profile->sets[QL__SAMPLE_CPU].count + profile->sets[QL__SAMPLE_WALL].count < FEW_SAMPLES && profile->spans_count < FEW_SAMPLES;
        put_findings(report, false, "Bottlenecks Identified", lost ? "None in what was seen; events were lost, see above.\n\n" : few ? "None; but there is little to judge by, record for longer.\n\n" : "None: no rule found evidence beyond its bounds.\n\n", sink);
        put_findings(report, true, "Memory Issues", lost ? "None in what was seen; events were lost, see above.\n\n" : "None found.\n\n", sink);
        put_recommendations(report, sink);
        put_stages(report, sink);
        put_ledger(report, sink);
        ql__report_dispose(report);
    }
    ql__free(report);
    return status;
}

/* --- JSON -------------------------------------------------------------------------------------------------------------------------------------- */

static void put_number(ql__json_writer *json, const char *key, uint64_t value)
{
    ql__json_key(json, key);
    ql__json_uint(json, value < (uint64_t)INT64_MAX ? value : (uint64_t)INT64_MAX);
}

static void put_share(ql__json_writer *json, const char *key, double share)
{
    ql__json_key(json, key);
    ql__json_double(json, (double)(int64_t)(share * 1e6 + 0.5) / 1e6);
}

static void put_optional(ql__json_writer *json, const char *key, ql_str text)
{
    ql__json_key(json, key);
    if (text.len > 0) ql__json_string(json, text);
    else ql__json_null(json);
}

static void put_finding_json(ql__json_writer *json, const ql__finding *finding)
{
    ql__json_object(json);
    ql__json_member(json, "rule", ql_str_of(finding->rule));
    ql__json_member(json, "severity", ql_str_of(ql__severity_name(finding->severity)));
    ql__json_member(json, "base", ql_str_of(ql__base_name(finding->base)));
    put_number(json, finding->memory ? "base_bytes" : "base_nanoseconds", finding->base_value);
    put_share(json, "share", finding->share);
    put_share(json, "share_error", finding->error);
    if (finding->cpu_share > 0) put_share(json, "cpu_share", finding->cpu_share);
    put_optional(json, "function", finding->function);
    put_optional(json, "file", finding->file);
    ql__json_key(json, "line");
    if (finding->line != 0) ql__json_uint(json, finding->line);
    else ql__json_null(json);
    ql__json_member(json, "issue", finding->issue);
    ql__json_member(json, "recommendation", finding->recommendation);
    put_number(json, "events", finding->count);
    put_number(json, "samples", finding->samples);
    put_number(json, finding->memory ? "bytes" : "nanoseconds", finding->value);
    ql__json_object_end(json);
}

static void put_tables_json(ql__json_writer *json, const ql__report *report)
{
    const ql__profile *p = report->profile;
    ql__json_key(json, "stages");
    ql__json_array(json);
    for (size_t i = 0; i < report->stage_count; i++) {
        ql__json_object(json);
        ql__json_member(json, "name", ql__profile_text(p, report->stages[i].name));
        ql__json_member(json, "category", ql__profile_text(p, report->stages[i].category));
        put_number(json, "runs", report->stages[i].count);
        put_number(json, "covered_ns", report->stages[i].covered_ns);
        put_number(json, "sum_ns", report->stages[i].sum_ns);
        put_number(json, "longest_ns", report->stages[i].longest_ns);
        ql__json_object_end(json);
    }
    ql__json_array_end(json);
    ql__json_key(json, "ledger");
    ql__json_array(json);
    for (size_t i = 0; i < report->ledger_count; i++) {
        ql__json_object(json);
        ql__json_member(json, "name", ql__profile_text(p, p->tasks[report->ledger[i].task].name));
        put_number(json, "time_ns", report->ledger[i].time_ns);
        put_optional(json, "stage", report->ledger[i].stage != 0 ? ql__profile_text(p, report->ledger[i].stage) : (ql_str){0});
        put_number(json, "stage_ns", report->ledger[i].stage_ns);
        ql__json_object_end(json);
    }
    ql__json_array_end(json);
}

static void put_report_json(const ql__report *report, ql__sink *sink)
{
    const ql__profile *p = report->profile;
    ql__json_writer json;
    ql__json_begin(&json, &sink->pending);
    ql__json_object(&json);
    ql__put_capture_members(&json, p);
    put_number(&json, "cpu_ns", ql__cpu_of(p));
    ql__json_key(&json, "run_delay_ns");
    if (p->numbers.run_delay_ns != UINT64_MAX) ql__json_uint(&json, p->numbers.run_delay_ns);
    else ql__json_null(&json);
    ql__json_key(&json, "starved");
    ql__json_bool(&json, ql__profile_starved(p));
    put_number(&json, "memory_peak_bytes", p->numbers.memory_peak_bytes);
    put_number(&json, "profiler_ns", p->numbers.collector_ns);
    ql__json_key(&json, "findings");
    ql__json_array(&json);
    for (size_t i = 0; i < report->finding_count; i++) {
        put_finding_json(&json, &report->findings[i]);
        ql__sink_flow(sink);
    }
    ql__json_array_end(&json);
    put_tables_json(&json, report);
    ql__json_object_end(&json);
}

ql_status ql__write_report_json(const ql__profile *profile, ql__sink *sink, ql_error *err)
{
    ql__report *report = ql__alloc_zero(1, sizeof *report);
    if (report == NULL) return ql__fail_nomem(err);
    ql_status status = ql__report_make(profile, report, err);
    if (status >= 0) {
        put_report_json(report, sink);
        ql__report_dispose(report);
    }
    ql__free(report);
    return status;
}
