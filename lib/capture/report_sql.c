/*
 * Rules over SQL: the same query again and again under one span, and a commit for every row. Evidence: spans of a database's category with the statement
 * (attribute "text", "sql", "statement" or "query", else a name such as "insert row"), short ones in a row as one span with "count" and "busy_ns".
 * Threads: any. Cost: passes over the spans.
 */
#include <stdio.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/report_internal.h"

#define REPEATS_MIN 20            /* of one statement under one span */
/*
 * Mean of a query: one that an index in this process's memory answers in less has no way to go that asking once would save (sqlite.org/np1queryprob.html).
 * The index of this library asks so for the end of each term's list, at 0.7 us; rows of an application that ought to be joined took 4 to 8.
 */
#define QUERY_NS_MIN 2000
#define COMMIT_NS_MIN 60000       /* mean: a commit that waits for a disk took 150 us and more; one that does not 2 to 45, on tmpfs with a journal 160 on a busy machine */
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

/* What a span of a database runs: as told, else its name where that begins like a statement. Strings; 0: nobody knows. */
static uint32_t statement_of(const ql__evidence *self, const ql__profile_span *span)
{
    uint32_t text = ql__span_text(self, span, self->key_text);
    for (size_t i = 0; text == 0 && i < sizeof self->key_statements / sizeof *self->key_statements; i++) text = ql__span_text(self, span, self->key_statements[i]);
    uint32_t name = self->profile->sites[span->site - 1].name;
    return text != 0 ? text : verb_of(ql__profile_text(self->profile, name)) != VERB_OTHER ? name : 0;
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

/* Statements by the span they are under (which need not be in the capture: it may be lost) and their text, `other` being the site of one of them; commits as such. */
static ql_status tally_statements(ql__evidence *self, ql__tallies *queries, commits *all, ql_error *err)
{
    const ql__profile *p = self->profile;
    for (size_t i = 0; i < p->spans_count; i++) {
        const ql__profile_span *span = &p->spans[i];
        if (!ql__span_is_sql(self, span)) continue;
        uint32_t text = statement_of(self, span);
        uint64_t count = ql__span_number(self, span, self->key_count, 1), busy = ql__span_number(self, span, self->key_busy, ql__span_length(span));
        busy = busy < ql__span_length(span) ? busy : ql__span_length(span);
        count = count < UINT64_C(1) << 40 ? count : UINT64_C(1) << 40;
        switch (verb_of(ql__profile_text(p, text))) {
        case VERB_SELECT:
            if (span->parent != 0) {
                ql__tally *tally = ql__tally_of(queries, span->parent, text);
                if (tally == NULL) return ql__fail_nomem(err);
                tally->count += count;
                tally->value_ns += busy;
                tally->span = self->parent[i];
                tally->other = span->site;
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

/*
 * By site of the span around, and text; `other` of each query becomes that site, 0 where it is too few to count. Where the span around was lost it is taken
 * for one of the site that others of the statement are under.
 */
static ql_status tally_places(const ql__evidence *self, ql__tallies *queries, ql__tallies *places, ql_error *err)
{
    ql__tallies outer; /* by site and text of statements; other: the site around */
    ql_status status = QL_OK;
    ql__tallies_init(&outer);
    for (size_t i = 0; i < queries->count && status >= 0; i++) {
        const ql__tally *query = &queries->items[i];
        ql__tally *around = ql__tally_of(&outer, query->other, query->key[1]);
        if (around == NULL) status = ql__fail_nomem(err);
        else if (query->span != 0) around->other = self->profile->spans[query->span - 1].site;
    }
    for (size_t i = 0; i < queries->count && status >= 0; i++) {
        ql__tally *query = &queries->items[i];
        uint64_t site = query->span != 0 ? self->profile->spans[query->span - 1].site : ql__tally_find(&outer, query->other, query->key[1])->other;
        query->other = query->count < REPEATS_MIN ? 0 : site != 0 ? site : query->other;
        if (query->other == 0) continue;
        ql__tally *place = ql__tally_of(places, query->other, query->key[1]);
        if (place == NULL) status = ql__fail_nomem(err);
        else {
            place->count += query->count;
            place->value_ns += query->value_ns;
            place->other++;
        }
    }
    ql__tallies_dispose(&outer);
    return status;
}

/* Spans of several threads run at once, and one of a row of short statements is longer than they: no more than both say. */
static ql_status time_of(const ql__evidence *self, bool (*wanted)(const ql__evidence *self, size_t span, const void *user), const void *user, uint64_t busy_ns, uint64_t *out, ql_error *err)
{
    QL_TRY(ql__spans_covered(self, wanted, user, out, err));
    if (busy_ns < *out) *out = busy_ns;
    return QL_OK;
}

typedef struct statements {
    const ql__tallies *queries; /* after tally_places() */
    uint64_t site, text;        /* around, and of */
} statements;

/* The same text elsewhere is another finding's. */
static bool is_statement(const ql__evidence *self, size_t span, const void *wanted)
{
    const ql__profile_span *row = &self->profile->spans[span];
    const statements *all = wanted;
    if (!ql__span_is_sql(self, row) || statement_of(self, row) != all->text) return false;
    const ql__tally *query = ql__tally_find(all->queries, row->parent, all->text);
    return query != NULL && query->other == all->site;
}

static bool is_verb(const ql__evidence *self, size_t span, const void *wanted)
{
    const ql__profile_span *row = &self->profile->spans[span];
    return ql__span_is_sql(self, row) && verb_of(ql__profile_text(self->profile, statement_of(self, row))) == *(const verb *)wanted;
}

static ql_status add_repeated(ql__evidence *self, ql__tallies *queries, ql_error *err)
{
    ql__tallies places;
    ql__tallies_init(&places);
    ql_status status = tally_places(self, queries, &places, err);
    for (size_t i = 0; i < places.count && status >= 0; i++) {
        const ql__tally *place = &places.items[i];
        if (place->value_ns / place->count < QUERY_NS_MIN) continue;
        ql_str text = ql__profile_text(self->profile, (uint32_t)place->key[1]);
        uint64_t time;
        char issue[400];
        const statements wanted = {queries, place->key[0], place->key[1]};
        status = time_of(self, is_statement, &wanted, place->value_ns, &time, err);
        if (status < 0) break;
        ql__finding finding = {.rule = "n-plus-one", .share = ql__of_wall(self->report, time), .count = place->count, .value = time};
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
    uint64_t busy_ns = each ? all->commit_ns : all->write_ns, count = each ? all->commits : all->writes, time;
    const verb what = each ? VERB_COMMIT : VERB_WRITE;
    QL_TRY(time_of(self, is_verb, &what, busy_ns, &time, err));
    ql__finding finding = {.rule = "commit-per-row", .share = ql__of_wall(self->report, time), .count = count, .value = time};
    ql__finding_site(self->profile, &finding, ql__span_outer_site(self, (each ? all->commit_span : all->write_span) - 1));
    /* Where no statement that writes was told, the time of the commits is all that is known. */
    bool told = all->writes > 0;
    if (!told)
        (void)snprintf(issue, sizeof issue, "%llu commits, %llu us each; what they wrote was not told. A commit waits until the disk has the data.", (unsigned long long)count,
                       (unsigned long long)(busy_ns / count / 1000));
    else
        (void)snprintf(issue, sizeof issue, "%s: %llu commits for %llu rows written, %llu us each; a commit waits until the disk has the data.",
                       each ? "A transaction holds a row or two" : "Rows are written without a transaction", (unsigned long long)count, (unsigned long long)all->writes,
                       (unsigned long long)(busy_ns / count / 1000));
    return ql__finding_add(self->report, finding, told ? QL__SEVERITY_CRITICAL : QL__SEVERITY_HIGH, issue, "Write many rows in one transaction: BEGIN before the loop, COMMIT after some thousand rows.", err);
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
