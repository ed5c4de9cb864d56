/*
 * Rules over SQL: the same query again and again under one span, and a commit for every row. Evidence: spans of category "sql" with the attribute "text",
 * short ones in a row as one span with "count" and "busy_ns". Threads: any. Cost: one pass over the spans.
 */
#include <stdio.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/report_internal.h"

#define REPEATS_MIN 20            /* of one statement under one span */
#define COMMIT_NS_MIN 300000      /* mean: what waits for a disk; in memory it takes microseconds */
#define WRITES_A_COMMIT_MAX 2

typedef enum verb { VERB_OTHER, VERB_SELECT, VERB_WRITE, VERB_BEGIN, VERB_COMMIT } verb;

static verb verb_of(ql_str text)
{
    static const struct {
        const char *word;
        verb verb;
    } verbs[] = {{"select", VERB_SELECT}, {"with", VERB_SELECT}, {"insert", VERB_WRITE}, {"update", VERB_WRITE}, {"delete", VERB_WRITE}, {"replace", VERB_WRITE},
                 {"begin", VERB_BEGIN}, {"savepoint", VERB_BEGIN}, {"commit", VERB_COMMIT}, {"end", VERB_COMMIT}, {"release", VERB_OTHER}};
    size_t at = 0;
    while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\n' || text.ptr[at] == '\t')) at++;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        size_t length = 0;
        while (verbs[i].word[length] != '\0') length++;
        if (text.len - at < length || strncasecmp(text.ptr + at, verbs[i].word, length) != 0) continue;
        char next = text.len - at > length ? text.ptr[at + length] : ' ';
        if (next == ' ' || next == '\n' || next == '\t' || next == ';' || next == '(') return verbs[i].verb;
    }
    return VERB_OTHER;
}

/* The start of a statement, for a sentence. */
static int shown_length(ql_str text)
{
    size_t length = 0;
    while (length < text.len && length < 72 && (unsigned char)text.ptr[length] >= 0x20) length++;
    while (length > 0 && length < text.len && ((unsigned char)text.ptr[length] & 0xc0) == 0x80) length--;
    return (int)length;
}

typedef struct commits {
    uint64_t begins, commits, commit_ns, writes, write_ns;
    uint32_t commit_span, write_span; /* index + 1 */
} commits;

/* Statements by the span they are under and their text; commits by site of that span. */
static ql_status tally_statements(ql__evidence *self, ql__tallies *queries, commits *all, ql_error *err)
{
    const ql__profile *p = self->profile;
    for (size_t i = 0; i < p->spans_count; i++) {
        const ql__profile_span *span = &p->spans[i];
        if (!ql__span_is(self, span, "sql")) continue;
        uint32_t text = ql__span_text(self, span, self->key_text);
        uint64_t count = ql__span_number(self, span, self->key_count, 1), busy = ql__span_number(self, span, self->key_busy, ql__span_length(span));
        busy = busy < ql__span_length(span) ? busy : ql__span_length(span);
        count = count < UINT64_C(1) << 40 ? count : UINT64_C(1) << 40;
        switch (verb_of(ql__profile_text(p, text))) {
        case VERB_SELECT:
            if (self->parent[i] != 0) {
                ql__tally *tally = ql__tally_of(queries, self->parent[i], text);
                if (tally == NULL) return ql__fail_nomem(err);
                tally->count += count;
                tally->value_ns += busy;
                tally->span = self->parent[i];
            }
            break;
        case VERB_BEGIN: all->begins += count; break;
        case VERB_COMMIT:
            all->commits += count;
            all->commit_ns += busy;
            all->commit_span = (uint32_t)i + 1;
            break;
        case VERB_WRITE:
            all->writes += count;
            all->write_ns += busy;
            if (all->write_span == 0) all->write_span = (uint32_t)i + 1;
            break;
        case VERB_OTHER: break;
        }
    }
    return QL_OK;
}

/* The site of the span around a span, or its own where nothing is around. */
static uint32_t outer_site(const ql__evidence *self, uint32_t span)
{
    uint32_t outer = self->parent[span - 1];
    return self->profile->spans[(outer != 0 ? outer : span) - 1].site;
}

static ql_status add_repeated(ql__evidence *self, const ql__tallies *queries, ql_error *err)
{
    ql__tallies places; /* by site of the span around, and text */
    ql_status status = QL_OK;
    ql__tallies_init(&places);
    for (size_t i = 0; i < queries->count && status >= 0; i++) {
        const ql__tally *query = &queries->items[i];
        if (query->count < REPEATS_MIN) continue;
        ql__tally *place = ql__tally_of(&places, self->profile->spans[query->span - 1].site, query->key[1]);
        if (place == NULL) status = ql__fail_nomem(err);
        else {
            place->count += query->count;
            place->value_ns += query->value_ns;
            place->other++;
        }
    }
    for (size_t i = 0; i < places.count && status >= 0; i++) {
        const ql__tally *place = &places.items[i];
        ql_str text = ql__profile_text(self->profile, (uint32_t)place->key[1]);
        ql__finding finding = {.rule = "n-plus-one", .share = (double)place->value_ns / (double)self->report->time_ns, .count = place->count, .value = place->value_ns};
        char issue[400];
        ql__finding_site(self->profile, &finding, (uint32_t)place->key[0]);
        (void)snprintf(issue, sizeof issue, "One query runs again and again under one span: %llu times under %llu spans: %.*s", (unsigned long long)place->count,
                       (unsigned long long)place->other, shown_length(text), text.ptr);
        status = ql__finding_add(self->report, finding, QL__SEVERITY_CRITICAL, issue,
                                 "Ask once for all rows (WHERE id IN (...), or a join) before the loop, and look the answers up in memory.", err);
    }
    ql__tallies_dispose(&places);
    return status;
}

static ql_status add_commits(ql__evidence *self, const commits *all, ql_error *err)
{
    char issue[300];
    bool each = all->commits >= REPEATS_MIN && all->writes / WRITES_A_COMMIT_MAX <= all->commits && all->commit_ns / all->commits >= COMMIT_NS_MIN;
    bool automatic = !each && all->begins == 0 && all->writes >= REPEATS_MIN && all->write_ns / all->writes >= COMMIT_NS_MIN;
    if (!each && !automatic) return QL_OK;
    uint64_t time = each ? all->commit_ns : all->write_ns, count = each ? all->commits : all->writes;
    ql__finding finding = {.rule = "commit-per-row", .share = (double)time / (double)self->report->time_ns, .count = count, .value = time};
    ql__finding_site(self->profile, &finding, outer_site(self, each ? all->commit_span : all->write_span));
    (void)snprintf(issue, sizeof issue, "%s: %llu commits for %llu rows written, %llu us each; a commit waits until the disk has the data.",
                   each ? "A transaction holds a row or two" : "Rows are written without a transaction", (unsigned long long)count, (unsigned long long)all->writes,
                   (unsigned long long)(time / count / 1000));
    return ql__finding_add(self->report, finding, QL__SEVERITY_CRITICAL, issue, "Write many rows in one transaction: BEGIN before the loop, COMMIT after some thousand rows.", err);
}

ql_status ql__rules_sql(ql__evidence *evidence, ql_error *err)
{
    ql__tallies queries;
    commits all = {0};
    ql__tallies_init(&queries);
    ql_status status = tally_statements(evidence, &queries, &all, err);
    if (status >= 0) status = add_repeated(evidence, &queries, err);
    if (status >= 0) status = add_commits(evidence, &all, err);
    ql__tallies_dispose(&queries);
    return status;
}
