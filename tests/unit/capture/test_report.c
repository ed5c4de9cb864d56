/*
 * Goal: every rule finds the evidence it asks for, at the place where it was planted, and nothing below its bounds; names do not matter; a run without
 * faults has no CRITICAL finding; the lower end of an interval decides.
 * Method: profiles made of spans, waits, samples and measurements for one rule each, and the same a little below the rule's bound.
 */
#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/report.h"

#define MS UINT64_C(1000000)

typedef struct fixture {
    ql__profile *p;
    uint64_t next_id;
    const char *prefix; /* of every name and file */
} fixture;

static uint32_t text(fixture *f, const char *value)
{
    uint32_t id;
    assert_int_equal(ql__profile_string(f->p, ql_str_of(value), &id, NULL), QL_OK);
    return id;
}

static uint32_t named(fixture *f, const char *value)
{
    char name[100];
    snprintf(name, sizeof name, "%s%s", f->prefix, value);
    return text(f, name);
}

/* A run of ten seconds with two threads. */
static void begin(fixture *f, const char *prefix)
{
    *f = (fixture){.next_id = 1, .prefix = prefix};
    assert_int_equal(ql__profile_new(&f->p, NULL), QL_OK);
    f->p->numbers.duration_ns = 10000 * MS;
    for (uint64_t i = 0; i < 4; i++) assert_int_equal(ql__profile_thread_add(f->p, &(ql__profile_thread){.id = 10 + i}, NULL), QL_OK);
}

static uint32_t site(fixture *f, const char *name, const char *category, uint32_t line)
{
    const ql__profile_site row = {named(f, name), text(f, category), named(f, name), named(f, "file.c"), line};
    assert_int_equal(ql__profile_site_add(f->p, &row, NULL), QL_OK);
    return (uint32_t)f->p->sites_count;
}

typedef struct fact {
    const char *key;
    uint64_t number;
    const char *text; /* NULL: the number */
} fact;

static uint64_t span(fixture *f, uint32_t place, uint64_t parent, uint64_t begin_ns, uint64_t length_ns, const fact *facts, size_t count)
{
    ql__profile_span row = {.id = f->next_id++, .parent = parent, .begin_ns = begin_ns, .end_ns = begin_ns + length_ns, .cpu_ns = UINT64_MAX, .site = place, .thread = 1,
                            .attribute_first = (uint32_t)f->p->attributes_count, .attribute_count = (uint32_t)count};
    for (size_t i = 0; i < count; i++) {
        ql__profile_attribute attribute = {.key = text(f, facts[i].key), .type = facts[i].text != NULL ? QL__ATTRIBUTE_TEXT : QL__ATTRIBUTE_UINT};
        if (facts[i].text != NULL) attribute.text = text(f, facts[i].text);
        else attribute.u = facts[i].number;
        assert_int_equal(ql__profile_attribute_add(f->p, &attribute, NULL), QL_OK);
    }
    assert_int_equal(ql__profile_span_add(f->p, &row, NULL), QL_OK);
    return row.id;
}

static uint32_t stack(fixture *f, const char *name, const char *module, uint32_t line)
{
    uint32_t location, id;
    ql__profile_function function = {.name = named(f, name), .file = line != 0 ? named(f, "code.c") : 0, .module = text(f, module), .start_line = line};
    ql__profile_line row = {0, line};
    assert_int_equal(ql__profile_function_add(f->p, &function, &row.function, NULL), QL_OK);
    assert_int_equal(ql__profile_location_add(f->p, 0, (uint64_t)line, &row, 1, &location, NULL), QL_OK);
    assert_int_equal(ql__profile_stack_add(f->p, &location, 1, false, &id, NULL), QL_OK);
    return id;
}

static void samples(fixture *f, ql__sample_kind kind, uint32_t of_stack, uint32_t labels, uint32_t thread, size_t count, uint64_t each_ns)
{
    const int64_t values[] = {1, (int64_t)each_ns};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ql__profile_sample_add(f->p, kind, &(ql__profile_sample){.stack = of_stack, .labels = labels, .thread = thread, .at_ns = i}, values, NULL), QL_OK);
}

/* The finding of a rule; NULL: none. Frees the profile and keeps nothing of it but what is copied. */
typedef struct found {
    bool there;
    ql__severity severity;
    double share;
    uint64_t count;
    uint32_t line;
    char function[64], file[64], issue[500];
    size_t criticals;
} found;

static void copy_text(char *to, size_t size, ql_str from)
{
    snprintf(to, size, "%.*s", (int)from.len, from.len > 0 ? from.ptr : "");
}

static found ask(fixture *f, const char *rule)
{
    found result = {0};
    ql__report *report = ql__alloc_zero(1, sizeof *report);
    assert_non_null(report);
    assert_int_equal(ql__report_make(f->p, report, NULL), QL_OK);
    for (size_t i = 0; i < report->finding_count; i++) {
        const ql__finding *finding = &report->findings[i];
        result.criticals += finding->severity == QL__SEVERITY_CRITICAL;
        if (i > 0) assert_true(report->findings[i - 1].severity >= finding->severity);
        if (strcmp(finding->rule, rule) != 0 || result.there) continue;
        result.there = true;
        result.severity = finding->severity;
        result.share = finding->share;
        result.count = finding->count;
        result.line = finding->line;
        copy_text(result.function, sizeof result.function, finding->function);
        copy_text(result.file, sizeof result.file, finding->file);
        copy_text(result.issue, sizeof result.issue, finding->issue);
    }
    ql__report_dispose(report);
    ql__free(report);
    ql__profile_free(f->p);
    return result;
}

static void expect(found got, ql__severity severity, double share, const char *function, uint32_t line)
{
    assert_true(got.there);
    assert_int_equal(got.severity, severity);
    assert_true(got.share > share - 0.01 && got.share < share + 0.01);
    assert_string_equal(got.function, function);
    assert_int_equal(got.line, line);
}

/* --- SQL ---------------------------------------------------------------------------------------------------------------------------------- */

static found repeated_query(const char *prefix, uint64_t count, uint64_t each_ns)
{
    fixture f;
    begin(&f, prefix);
    uint32_t outer = site(&f, "load_documents", "work", 77), sql = site(&f, "sql", "sql", 5);
    uint64_t parent = span(&f, outer, 0, 0, 9000 * MS, NULL, 0);
    for (uint64_t i = 0; i < count; i++) span(&f, sql, parent, i * each_ns, each_ns, (fact[]){{"text", 0, "  SELECT title FROM t WHERE id = ?"}}, 1);
    return ask(&f, "n-plus-one");
}

static void test_report__names_a_query_in_a_loop(void **state)
{
    (void)state;
    found got = repeated_query("", 100, 40 * MS);
    expect(got, QL__SEVERITY_CRITICAL, 0.4, "load_documents", 77);
    assert_non_null(strstr(got.issue, "100 times"));
    assert_non_null(strstr(got.issue, "SELECT title"));
    expect(repeated_query("x_", 100, 40 * MS), QL__SEVERITY_CRITICAL, 0.4, "x_load_documents", 77); /* whatever it is called */
    assert_false(repeated_query("", 19, 200 * MS).there);
    assert_false(repeated_query("", 100, MS).there); /* one hundredth of the run */
}

static void test_report__counts_rows_of_short_statements(void **state)
{
    (void)state;
    fixture f;
    begin(&f, "");
    uint32_t outer = site(&f, "loop", "work", 8), sql = site(&f, "sql", "sql", 5);
    uint64_t parent = span(&f, outer, 0, 0, 9000 * MS, NULL, 0);
    span(&f, sql, parent, 0, 5000 * MS, (fact[]){{"text", 0, "SELECT 1"}, {"count", 4000, NULL}, {"busy_ns", 2000 * MS, NULL}}, 3);
    expect(ask(&f, "n-plus-one"), QL__SEVERITY_HIGH, 0.2, "loop", 8);
}

/* Four threads ask side by side for a second, and the same is asked elsewhere for three: each place has its own time. */
static void test_report__a_query_in_two_places_has_two_times(void **state)
{
    (void)state;
    fixture f;
    begin(&f, "");
    uint32_t first = site(&f, "side_by_side", "work", 8), second = site(&f, "alone", "work", 9), sql = site(&f, "sql", "sql", 5);
    for (int thread = 0; thread < 4; thread++) {
        uint64_t parent = span(&f, first, 0, 0, 1000 * MS, NULL, 0);
        for (uint64_t i = 0; i < 25; i++) span(&f, sql, parent, i * 40 * MS, 40 * MS, (fact[]){{"text", 0, "SELECT 1"}}, 1);
    }
    uint64_t parent = span(&f, second, 0, 5000 * MS, 3000 * MS, NULL, 0);
    for (uint64_t i = 0; i < 75; i++) span(&f, sql, parent, (5000 + i * 40) * MS, 40 * MS, (fact[]){{"text", 0, "SELECT 1"}}, 1);
    expect(ask(&f, "n-plus-one"), QL__SEVERITY_CRITICAL, 0.3, "alone", 9); /* the other is a tenth */
}

static found quick_queries(uint64_t each_ns)
{
    fixture f;
    begin(&f, "");
    uint32_t outer = site(&f, "loop", "work", 8), sql = site(&f, "sql", "sql", 5);
    uint64_t parent = span(&f, outer, 0, 0, 9000 * MS, NULL, 0);
    span(&f, sql, parent, 0, 5000 * MS, (fact[]){{"text", 0, "SELECT 1"}, {"count", 1000000, NULL}, {"busy_ns", 1000000 * each_ns, NULL}}, 3);
    return ask(&f, "n-plus-one");
}

static void test_report__a_look_into_memory_is_no_query_too_many(void **state)
{
    (void)state;
    assert_false(quick_queries(1500).there);
    expect(quick_queries(2500), QL__SEVERITY_HIGH, 0.25, "loop", 8);
}

static found commits(uint64_t count, uint64_t rows_each, uint64_t commit_ns)
{
    fixture f;
    begin(&f, "");
    uint32_t outer = site(&f, "save", "work", 31), sql = site(&f, "sql", "sql", 5);
    uint64_t parent = span(&f, outer, 0, 0, 9000 * MS, NULL, 0), at = 0;
    for (uint64_t i = 0; i < count; i++) {
        span(&f, sql, parent, at, 1000, (fact[]){{"text", 0, "BEGIN IMMEDIATE"}}, 1);
        span(&f, sql, parent, at, 1000 * rows_each, (fact[]){{"text", 0, "INSERT INTO t VALUES (?)"}, {"count", rows_each, NULL}}, 2);
        span(&f, sql, parent, at, commit_ns, (fact[]){{"text", 0, "COMMIT"}}, 1);
        at += commit_ns + MS;
    }
    return ask(&f, "commit-per-row");
}

static void test_report__names_a_commit_for_every_row(void **state)
{
    (void)state;
    expect(commits(200, 1, 20 * MS), QL__SEVERITY_CRITICAL, 0.4, "save", 31);
    assert_false(commits(200, 50, 20 * MS).there); /* a group of rows each */
    assert_false(commits(10, 1, 400 * MS).there);
    fixture f;
    begin(&f, "");
    uint32_t outer = site(&f, "save", "work", 31), sql = site(&f, "sql", "sql", 5);
    uint64_t parent = span(&f, outer, 0, 0, 9000 * MS, NULL, 0);
    for (uint64_t i = 0; i < 100; i++) span(&f, sql, parent, i * 20 * MS, 10 * MS, (fact[]){{"text", 0, "update t set x = 1"}}, 1); /* no transaction at all */
    expect(ask(&f, "commit-per-row"), QL__SEVERITY_MEDIUM, 0.1, "save", 31);
}

static found writes_of(uint64_t each_ns)
{
    fixture f;
    uint64_t all_ns = 2000 * MS;
    begin(&f, "");
    uint32_t outer = site(&f, "save", "work", 31), sql = site(&f, "sql", "sql", 5);
    uint64_t parent = span(&f, outer, 0, 0, 9000 * MS, NULL, 0);
    span(&f, sql, parent, 0, 5000 * MS, (fact[]){{"text", 0, "INSERT INTO t VALUES (?)"}, {"count", all_ns / each_ns, NULL}, {"busy_ns", all_ns, NULL}}, 3);
    return ask(&f, "commit-per-row");
}

static void test_report__knows_what_waits_for_a_fast_disk(void **state)
{
    (void)state;
    expect(writes_of(MS / 10), QL__SEVERITY_HIGH, 0.2, "save", 31);
    assert_false(writes_of(MS / 50).there); /* as much time of the run, and no disk */
}

static found told_otherwise(const char *name, const char *category, const char *key, bool around_lost)
{
    fixture f;
    begin(&f, "");
    uint32_t outer = site(&f, "load", "work", 7), query = site(&f, name, category, 5);
    for (uint64_t group = 0; group < 2; group++) {
        uint64_t parent = around_lost && group == 1 ? 999999 : span(&f, outer, 0, group * 5000 * MS, 4000 * MS, NULL, 0);
        for (uint64_t i = 0; i < 50; i++)
            span(&f, query, parent, group * 5000 * MS + i * 40 * MS, 40 * MS, (fact[]){{key != NULL ? key : "rows", 1, key != NULL ? "SELECT a FROM b" : NULL}}, 1);
    }
    return ask(&f, "n-plus-one");
}

static void test_report__understands_how_others_tell_of_databases(void **state)
{
    (void)state;
    static const char *const categories[] = {"sql", "sqlite", "PostgreSQL", "mysql", "db"}, *const keys[] = {"text", "sql", "statement", "query"};
    for (size_t c = 0; c < 5; c++)
        for (size_t k = 0; k < 4; k++) expect(told_otherwise("read", categories[c], keys[k], false), QL__SEVERITY_CRITICAL, 0.4, "load", 7);
    expect(told_otherwise("select user", "sqlite", NULL, false), QL__SEVERITY_CRITICAL, 0.4, "load", 7);
    assert_false(told_otherwise("read user", "sqlite", NULL, false).there); /* what it runs is not known */
    assert_false(told_otherwise("read", "disk", "text", false).there);
    assert_false(told_otherwise("read", "dbus", "text", false).there);
    found got = told_otherwise("read", "sqlite", "sql", true);
    expect(got, QL__SEVERITY_CRITICAL, 0.4, "load", 7); /* the span around half of them was lost */
    assert_int_equal(got.count, 100);
}

static void test_report__says_no_number_of_rows_that_nobody_told(void **state)
{
    (void)state;
    fixture f;
    begin(&f, "");
    uint32_t outer = site(&f, "save", "work", 31), sql = site(&f, "sql", "sql", 5);
    uint64_t parent = span(&f, outer, 0, 0, 9000 * MS, NULL, 0);
    for (uint64_t i = 0; i < 200; i++) {
        span(&f, sql, parent, i * 21 * MS, 1000, (fact[]){{"text", 0, "BEGIN"}}, 1);
        span(&f, sql, parent, i * 21 * MS, 20 * MS, (fact[]){{"text", 0, "COMMIT"}}, 1);
    }
    found got = ask(&f, "commit-per-row");
    expect(got, QL__SEVERITY_HIGH, 0.4, "save", 31);
    assert_null(strstr(got.issue, "0 rows"));
    assert_non_null(strstr(got.issue, "200 commits"));
    begin(&f, "");
    uint32_t row = site(&f, "insert reading", "sqlite", 44);
    for (uint64_t i = 0; i < 100; i++) span(&f, row, 0, i * 20 * MS, 10 * MS, NULL, 0); /* no text: its name is one */
    expect(ask(&f, "commit-per-row"), QL__SEVERITY_MEDIUM, 0.1, "insert reading", 44);
}

/* --- HTTP --------------------------------------------------------------------------------------------------------------------------------- */

static void test_report__names_retries_and_new_connections(void **state)
{
    (void)state;
    for (int fault = 0; fault < 2; fault++) {
        fixture f;
        begin(&f, "");
        uint32_t outer = site(&f, "fetch_all", "work", 12), http = site(&f, "http", "http", 5);
        uint64_t parent = span(&f, outer, 0, 0, 9000 * MS, NULL, 0);
        for (uint64_t i = 0; i < 40; i++)
            span(&f, http, parent, i * 100 * MS, 50 * MS, (fact[]){{"host", 0, "example.com"}, {"try", fault != 0 ? 1 + i % 4 : 1, NULL}, {"status", fault != 0 && i % 4 < 3 ? 429 : 200, NULL},
                                                                   {"new_connection", fault == 0, NULL}}, 4);
        found got = ask(&f, fault != 0 ? "retry-storm" : "no-connection-reuse");
        if (fault != 0) {
            expect(got, QL__SEVERITY_CRITICAL, 0.3, "fetch_all", 12); /* 30 tries again, each with the wait before it */
            assert_non_null(strstr(got.issue, "429"));
        } else expect(got, QL__SEVERITY_HIGH, 0.2, "fetch_all", 12);
    }
    fixture f;
    begin(&f, "");
    uint32_t http = site(&f, "http", "http", 5);
    for (uint64_t i = 0; i < 40; i++) span(&f, http, 0, i * 100 * MS, 50 * MS, (fact[]){{"host", 0, "example.com"}, {"try", 1, NULL}, {"status", 200, NULL}, {"new_connection", i == 0, NULL}}, 4);
    assert_int_equal(ask(&f, "retry-storm").there, false);
}

static found refused_requests(uint64_t refusals)
{
    fixture f;
    begin(&f, "");
    uint32_t outer = site(&f, "copy_page", "work", 12), http = site(&f, "GET", "http", 5);
    uint64_t parent = span(&f, outer, 0, 0, 9000 * MS, NULL, 0);
    char url[40];
    for (uint64_t i = 0; i < 40; i++) {
        snprintf(url, sizeof url, "http://h/%d", (int)(i / (refusals + 1)));
        span(&f, http, parent, i * 100 * MS, 50 * MS, (fact[]){{"url", 0, url}, {"status", i % (refusals + 1) < refusals ? 503 : 200, NULL}}, 2);
    }
    return ask(&f, "retry-storm");
}

static void test_report__knows_a_try_again_by_its_address(void **state)
{
    (void)state;
    found got = refused_requests(3);
    expect(got, QL__SEVERITY_CRITICAL, 0.3, "copy_page", 12);
    assert_int_equal(got.count, 30);
    assert_false(refused_requests(0).there);
}

static void test_report__understands_how_others_tell_of_requests(void **state)
{
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        fixture f;
        char url[64];
        begin(&f, "");
        uint32_t outer = site(&f, "fetch_all", "work", 12), http = site(&f, "GET", "HTTP", 5);
        uint64_t parent = span(&f, outer, 0, 0, 9000 * MS, NULL, 0);
        for (uint64_t i = 0; i < 40; i++) {
            snprintf(url, sizeof url, "https://me:secret@example.com:8080/page/%d?x=@", (int)i);
            span(&f, http, parent, i * 100 * MS, 50 * MS, (fact[]){{"url", 0, url}, {"connects", kept == 0 || i == 0 ? 2 : 0, NULL}}, 2);
        }
        found got = ask(&f, "no-connection-reuse");
        assert_int_equal(got.there, kept == 0);
        if (kept != 0) continue;
        expect(got, QL__SEVERITY_HIGH, 0.2, "fetch_all", 12);
        assert_non_null(strstr(got.issue, "'example.com:8080'"));
    }
    fixture f;
    begin(&f, "");
    uint32_t http = site(&f, "GET", "http", 5);
    for (uint64_t i = 0; i < 40; i++) span(&f, http, 0, i * 100 * MS, 50 * MS, (fact[]){{"url", 0, "http://h/"}}, 1);
    assert_false(ask(&f, "no-connection-reuse").there); /* nothing tells of connections: no guess */
    begin(&f, "");
    uint32_t fetch = site(&f, "fetch", "stage", 1);
    http = site(&f, "download", "http", 5);
    for (uint64_t i = 0; i < 40; i++) {
        uint64_t around = span(&f, fetch, 0, i * 100 * MS, 60 * MS, NULL, 0);
        span(&f, http, around, i * 100 * MS, 50 * MS, (fact[]){{"url", 0, "http://h/"}, {"connects", 1, NULL}}, 2);
    }
    expect(ask(&f, "no-connection-reuse"), QL__SEVERITY_HIGH, 0.2, "download", 5); /* the library's stage is no place to look at */
}

static found looked_at(ql__profile_connections looks, uint64_t requests, size_t facts)
{
    fixture f;
    char url[40];
    begin(&f, "");
    f.p->numbers.connections = looks;
    uint32_t outer = site(&f, "fetch_all", "work", 12), http = site(&f, "GET", "http", 5), other = site(&f, "POST", "http", 8);
    uint64_t parent = span(&f, outer, 0, 0, 9000 * MS, NULL, 0);
    for (uint64_t i = 0; i < requests; i++) {
        snprintf(url, sizeof url, "http://h/%d", (int)i);
        span(&f, http, parent, i * 4000 * MS / requests, 2000 * MS / requests, (fact[]){{"url", 0, url}, {"connects", 0, NULL}}, facts);
    }
    span(&f, other, 0, 0, MS, (fact[]){{"url", 0, "http://other/"}}, 1);
    return ask(&f, "no-connection-reuse");
}

static void test_report__sees_new_connections_that_nobody_tells_of(void **state)
{
    (void)state;
    const ql__profile_connections always = {.looks = 25, .looks_new = 20, .seen = 40, .seen_new = 32, .machine = 41};
    found got = looked_at(always, 40, 1);
    expect(got, QL__SEVERITY_HIGH, 0.2, "fetch_all", 12);
    assert_int_equal(got.count, 20);
    assert_non_null(strstr(got.issue, "At 20 of 25 looks"));
    assert_non_null(strstr(got.issue, "'h'"));
    assert_false(looked_at(always, 40, 2).there);  /* the program tells that it made none */
    assert_false(looked_at(always, 9, 1).there);   /* few requests */
    assert_false(looked_at(always, 400, 1).there); /* ten requests a connection */
    ql__profile_connections looks = always;
    looks.looks_new = 9; /* few looks */
    assert_false(looked_at(looks, 40, 1).there);
    looks = always;
    looks.seen = 100; /* a pool of three beside the new ones */
    assert_false(looked_at(looks, 40, 1).there);
    looks = always;
    looks.looks = 100; /* idle connections most of the time, a burst of new ones */
    assert_false(looked_at(looks, 40, 1).there);
    looks = always;
    looks.machine = 0; /* nobody knows how many were made */
    assert_false(looked_at(looks, 40, 1).there);
    looks = (ql__profile_connections){.looks = 25, .looks_new = 1, .seen = 100, .seen_new = 4, .machine = 4}; /* kept */
    assert_false(looked_at(looks, 40, 1).there);
    looks = (ql__profile_connections){.looks = 1, .looks_new = UINT64_MAX, .seen = 1, .seen_new = UINT64_MAX, .machine = UINT64_MAX}; /* damage */
    assert_false(looked_at(looks, 40, 1).there);
}

/* --- stages ------------------------------------------------------------------------------------------------------------------------------- */

static found embeds(uint64_t texts, bool one_parent)
{
    fixture f;
    begin(&f, "");
    uint32_t outer = site(&f, "embed_all", "work", 21), embed = site(&f, "embed", "stage", 5);
    uint64_t parent = 0;
    for (uint64_t i = 0; i < 50; i++) {
        if (i == 0 || !one_parent) parent = span(&f, outer, 0, one_parent ? 0 : i * 100 * MS, one_parent ? 9000 * MS : 100 * MS, NULL, 0);
        span(&f, embed, parent, i * 100 * MS, 80 * MS, (fact[]){{"texts", texts, NULL}}, 1);
    }
    return ask(&f, "single-item");
}

/* Many groups, too short to be findings, and one that is, in turn with them. */
static void test_report__each_group_of_single_texts_has_its_own_time(void **state)
{
    (void)state;
    fixture f;
    begin(&f, "");
    uint32_t outer = site(&f, "search", "work", 21), embed = site(&f, "embed", "stage", 5), loop = site(&f, "embed_all", "work", 22);
    uint64_t slow = span(&f, loop, 0, 0, 9000 * MS, NULL, 0);
    for (uint64_t group = 0; group < 1000; group++) {
        uint64_t parent = span(&f, outer, 0, group * 9 * MS, 9 * MS, NULL, 0);
        for (uint64_t i = 0; i < 20; i++) span(&f, embed, parent, group * 9 * MS + i * MS / 10, MS / 10, (fact[]){{"texts", 1, NULL}}, 1);
        if (group % 25 == 0) span(&f, embed, slow, group * 9 * MS, 100 * MS, (fact[]){{"texts", 1, NULL}}, 1);
    }
    found got = ask(&f, "single-item");
    expect(got, QL__SEVERITY_CRITICAL, 0.4, "embed_all", 22);
    assert_int_equal(got.count, 40);
}

static void test_report__names_one_text_at_a_time(void **state)
{
    (void)state;
    expect(embeds(1, true), QL__SEVERITY_CRITICAL, 0.4, "embed_all", 21);
    assert_false(embeds(32, true).there);
    assert_false(embeds(1, false).there); /* fifty searches with one question each */
}

static found contents(bool repeated, bool asked)
{
    fixture f;
    char hash[16];
    begin(&f, "");
    uint32_t outer = site(&f, "sync", "work", 17), chunk = site(&f, "chunk", "stage", 44), store = site(&f, "store", "stage", 50);
    uint64_t parent = asked ? span(&f, outer, 0, 0, 9000 * MS, NULL, 0) : 0;
    for (uint64_t i = 0; i < 50; i++) {
        snprintf(hash, sizeof hash, "%d", (int)(repeated ? i % 5 : i));
        span(&f, chunk, parent, i * 100 * MS, 20 * MS, (fact[]){{"content", 0, hash}}, 1);
        span(&f, store, parent, i * 100 * MS + 20 * MS, 60 * MS, NULL, 0);
    }
    return ask(&f, "repeated-content");
}

static found embeds_alone(bool sampled)
{
    fixture f;
    uint32_t inner, outer, path[2], both;
    begin(&f, "");
    uint32_t embed = site(&f, "forward", "encoder", 5);
    ql__profile_function callee = {.name = text(&f, "forward"), .file = text(&f, "/src/file.c")}, caller = {.name = text(&f, "embed_texts"), .file = text(&f, "/src/other.c")};
    assert_int_equal(ql__profile_function_add(f.p, &callee, &inner, NULL), QL_OK);
    assert_int_equal(ql__profile_function_add(f.p, &caller, &outer, NULL), QL_OK);
    assert_int_equal(ql__profile_location_add(f.p, 0, 1, (ql__profile_line[]){{inner, 9}, {outer, 61}}, 2, &path[0], NULL), QL_OK); /* inlined */
    assert_int_equal(ql__profile_location_add(f.p, 0, 2, &(ql__profile_line){outer, 99}, 1, &path[1], NULL), QL_OK);
    assert_int_equal(ql__profile_stack_add(f.p, path, 2, false, &both, NULL), QL_OK);
    for (uint64_t i = 0; i < 50; i++) {
        uint64_t id = span(&f, embed, 0, i * 100 * MS, 80 * MS, (fact[]){{"texts", 1, NULL}}, 1);
        if (sampled) assert_int_equal(ql__profile_sample_add(f.p, QL__SAMPLE_CPU, &(ql__profile_sample){.stack = both, .thread = 1, .span = id}, (int64_t[]){1, 10 * (int64_t)MS}, NULL), QL_OK);
    }
    return ask(&f, "single-item");
}

static void test_report__names_who_calls_with_one_text(void **state)
{
    (void)state;
    found got = embeds_alone(true);
    expect(got, QL__SEVERITY_CRITICAL, 0.4, "embed_texts", 61);
    assert_string_equal(got.file, "other.c"); /* as the span's file.c */
    expect(embeds_alone(false), QL__SEVERITY_CRITICAL, 0.4, "forward", 5);
}

static void test_report__names_content_that_is_worked_through_again(void **state)
{
    (void)state;
    found got = contents(true, true);
    expect(got, QL__SEVERITY_CRITICAL, 0.36, "sync", 17); /* nine of ten times 4 s, what was stored with it included */
    assert_int_equal(got.count, 45);
    expect(contents(true, false), QL__SEVERITY_CRITICAL, 0.36, "chunk", 44); /* nobody asked for it that is known */
    assert_false(contents(false, true).there);
}

static found blocking(uint64_t cpu_ns, uint64_t poll_ns)
{
    fixture f;
    begin(&f, "");
    uint32_t outer = site(&f, "serve", "work", 3), call = site(&f, "read_remote", "io", 66);
    assert_int_equal(ql__profile_task_add(f.p, &(ql__profile_task){.id = 7, .busy_ns = 4000 * MS, .longest_poll_ns = poll_ns, .end_ns = 9000 * MS}, NULL), QL_OK);
    uint64_t parent = span(&f, outer, 0, 0, 5000 * MS, NULL, 0);
    f.p->spans[0].task = 7;
    f.p->spans[0].cpu_ns = 0;
    for (uint64_t i = 0; i < 8; i++) {
        span(&f, call, parent, i * 500 * MS, 480 * MS, NULL, 0);
        f.p->spans[f.p->spans_count - 1].task = 7;
        f.p->spans[f.p->spans_count - 1].cpu_ns = cpu_ns;
    }
    return ask(&f, "blocking-call");
}

static void test_report__names_a_task_that_blocks_its_thread(void **state)
{
    (void)state;
    expect(blocking(MS, 400 * MS), QL__SEVERITY_CRITICAL, 0.384, "read_remote", 66);
    assert_false(blocking(470 * MS, 400 * MS).there); /* it computes */
    assert_false(blocking(MS, 5 * MS).there);         /* the task let its thread go while it waited */
}

/* A task of 300 ms a job without any span, or with one that does not measure its processor time. */
static found silent_task(bool with_span, bool sampled, uint64_t busy_samples, bool with_wall)
{
    fixture f;
    begin(&f, "");
    uint32_t job = site(&f, "run_job", "task", 40), call = site(&f, "ask", "io", 41);
    f.p->sets[QL__SAMPLE_CPU].period = sampled ? 10 * (int64_t)MS : 0;
    for (uint64_t i = 0; i < 10; i++) {
        assert_int_equal(ql__profile_task_add(f.p, &(ql__profile_task){.id = 1000 + i, .site = job, .begin_ns = i * 500 * MS, .end_ns = (i * 500 + 300) * MS, .busy_ns = 300 * MS,
                                                                       .longest_poll_ns = 300 * MS, .thread = 1}, NULL), QL_OK);
        if (with_span) span(&f, call, 0, i * 500 * MS, 300 * MS, NULL, 0);
        if (with_span) f.p->spans[f.p->spans_count - 1].task = 1000 + i;
    }
    uint32_t own = stack(&f, "read_answer", "/bin/x", 73), libc = stack(&f, "read", "/usr/lib/libc.so.6", 26);
    const uint32_t path[] = {f.p->stack_locations[f.p->stacks[libc].first], f.p->stack_locations[f.p->stacks[own].first]};
    uint32_t both;
    assert_int_equal(ql__profile_stack_add(f.p, path, 2, false, &both, NULL), QL_OK);
    for (uint64_t i = 0; i < busy_samples; i++)
        assert_int_equal(ql__profile_sample_add(f.p, QL__SAMPLE_CPU, &(ql__profile_sample){.stack = own, .thread = 1, .at_ns = i % 10 * 500 * MS + i / 10 * 10 * MS, .task = 1000 + i % 10},
                                                (int64_t[]){1, 10 * (int64_t)MS}, NULL), QL_OK);
    for (uint64_t i = 0; i < 10 && with_wall; i++)
        assert_int_equal(ql__profile_sample_add(f.p, QL__SAMPLE_WALL, &(ql__profile_sample){.stack = both, .thread = 1, .at_ns = i * 500 * MS, .task = 1000 + i, .waiting = true,
                                                                                            .span = with_span ? f.p->spans[i].id : 0}, (int64_t[]){1, 10 * (int64_t)MS}, NULL), QL_OK);
    return ask(&f, "blocking-call");
}

static void test_report__samples_tell_whether_a_task_waits(void **state)
{
    (void)state;
    found got = silent_task(false, true, 10, false);
    expect(got, QL__SEVERITY_CRITICAL, 0.3, "run_job", 40);
    assert_int_equal(got.count, 10);
    expect(silent_task(true, true, 10, false), QL__SEVERITY_CRITICAL, 0.3, "ask", 41);
    expect(silent_task(false, true, 10, true), QL__SEVERITY_CRITICAL, 0.3, "read_answer", 73); /* the call itself, not the C library's */
    expect(silent_task(true, true, 10, true), QL__SEVERITY_CRITICAL, 0.3, "read_answer", 73);
    for (int with_span = 0; with_span < 2; with_span++) {
        assert_false(silent_task(with_span, true, 100, true).there); /* it computes for a third of it: what else the machine did is not known */
        assert_false(silent_task(with_span, false, 0, true).there);  /* nobody looked at its processor time */
    }
}

/* --- samples ------------------------------------------------------------------------------------------------------------------------------ */

static found waits(const char *subject, size_t count)
{
    fixture f;
    uint32_t labels;
    begin(&f, "");
    assert_int_equal(ql__profile_labels_add(f.p, &(ql__profile_label){text(&f, "waits_for"), text(&f, subject)}, 1, &labels, NULL), QL_OK);
    uint32_t where = stack(&f, "take_lock", "/bin/x", 52);
    for (uint32_t thread = 1; thread <= 4; thread++) samples(&f, QL__SAMPLE_LOCK, where, labels, thread, count, 50 * MS);
    return ask(&f, subject[0] == 'q' ? "queue-wait" : "lock-wait");
}

static void test_report__names_waits(void **state)
{
    (void)state;
    found got = waits("table of documents", 100);
    expect(got, QL__SEVERITY_CRITICAL, 0.5, "take_lock", 52);
    assert_non_null(strstr(got.issue, "table of documents"));
    assert_int_equal(waits("queue embed full", 100).severity, QL__SEVERITY_MEDIUM); /* a pipeline has a slowest stage */
    assert_false(waits("queue embed empty", 100).there); /* nothing to do */
    assert_false(waits("table of documents", 3).there);
}

/* A queue that is full for 2 s; who takes from it has spans of three kinds, and samples. */
static found slow_consumer(bool known, const char *category, uint64_t own_span_ns, size_t cpu_samples)
{
    fixture f;
    uint32_t full, empty;
    begin(&f, "");
    assert_int_equal(ql__profile_labels_add(f.p, &(ql__profile_label){text(&f, "waits_for"), text(&f, "queue embed full")}, 1, &full, NULL), QL_OK);
    assert_int_equal(ql__profile_labels_add(f.p, &(ql__profile_label){text(&f, "waits_for"), text(&f, "queue embed empty")}, 1, &empty, NULL), QL_OK);
    samples(&f, QL__SAMPLE_LOCK, stack(&f, "push", "/bin/x", 52), full, 1, 40, 50 * MS);
    if (known) samples(&f, QL__SAMPLE_LOCK, stack(&f, "pop", "/bin/x", 53), empty, 2, 1, 2 * MS);
    uint32_t stage = site(&f, "write", "stage", 60), own = site(&f, "store_rows", category, 61);
    uint64_t parent = span(&f, stage, 0, 0, 4000 * MS, NULL, 0);
    f.p->spans[0].thread = 2;
    span(&f, own, parent, 0, own_span_ns, NULL, 0);
    f.p->spans[1].thread = 2;
    samples(&f, QL__SAMPLE_CPU, stack(&f, "multiply", "/bin/x", 62), 0, 2, cpu_samples, 10 * MS);
    samples(&f, QL__SAMPLE_CPU, stack(&f, "elsewhere", "/bin/x", 63), 0, 1, 500, 10 * MS);
    return ask(&f, "queue-wait");
}

static void test_report__names_what_makes_a_queue_full(void **state)
{
    (void)state;
    expect(slow_consumer(true, "work", 3000 * MS, 0), QL__SEVERITY_MEDIUM, 0.2, "store_rows", 61);
    expect(slow_consumer(true, "work", 100 * MS, 200), QL__SEVERITY_MEDIUM, 0.2, "multiply", 62);
    expect(slow_consumer(true, "sql", 3000 * MS, 0), QL__SEVERITY_MEDIUM, 0.2, "write", 60); /* who makes the statements */
    expect(slow_consumer(false, "work", 3000 * MS, 200), QL__SEVERITY_MEDIUM, 0.2, "push", 52);
}

static void test_report__names_compression_by_who_calls_it(void **state)
{
    (void)state;
    fixture f;
    begin(&f, "");
    uint32_t inner, outer, path[2], both;
    ql__profile_function library = {.name = named(&f, "deflate"), .module = text(&f, "/usr/lib/libz.so.1.2.13")}, own = {.name = named(&f, "save_page"), .file = named(&f, "page.c"), .module = text(&f, "/bin/x")};
    assert_int_equal(ql__profile_function_add(f.p, &library, &inner, NULL), QL_OK);
    assert_int_equal(ql__profile_function_add(f.p, &own, &outer, NULL), QL_OK);
    assert_int_equal(ql__profile_location_add(f.p, 0, 1, &(ql__profile_line){inner, 0}, 1, &path[0], NULL), QL_OK);
    assert_int_equal(ql__profile_location_add(f.p, 0, 2, &(ql__profile_line){outer, 91}, 1, &path[1], NULL), QL_OK);
    assert_int_equal(ql__profile_stack_add(f.p, path, 2, false, &both, NULL), QL_OK);
    samples(&f, QL__SAMPLE_CPU, both, 0, 1, 450, 10 * MS);
    samples(&f, QL__SAMPLE_CPU, stack(&f, "other", "/bin/x", 3), 0, 1, 550, 10 * MS);
    expect(ask(&f, "compression"), QL__SEVERITY_CRITICAL, 0.45, "save_page", 91);
}

static void test_report__an_instruction_of_the_compilers_headers_is_its_users(void **state)
{
    (void)state;
    fixture f;
    begin(&f, "");
    uint32_t one, two, user, place, both;
    ql__profile_function inner = {.name = named(&f, "_mm512_fmadd_ps"), .file = text(&f, "/usr/lib/gcc/x/include/avx512fintrin.h"), .module = text(&f, "/bin/x")}, outer = inner, own = inner;
    outer.name = named(&f, "_mm512_dpbf16_ps"), outer.file = text(&f, "/usr/lib/gcc/x/include/avx512bf16intrin.h");
    own.name = named(&f, "multiply"), own.file = named(&f, "tile.h");
    assert_int_equal(ql__profile_function_add(f.p, &inner, &one, NULL), QL_OK);
    assert_int_equal(ql__profile_function_add(f.p, &outer, &two, NULL), QL_OK);
    assert_int_equal(ql__profile_function_add(f.p, &own, &user, NULL), QL_OK);
    const ql__profile_line lines[] = {{one, 50}, {two, 106}, {user, 39}};
    assert_int_equal(ql__profile_location_add(f.p, 0, 1, lines, 3, &place, NULL), QL_OK);
    assert_int_equal(ql__profile_stack_add(f.p, &place, 1, false, &both, NULL), QL_OK);
    samples(&f, QL__SAMPLE_CPU, both, 0, 1, 900, 10 * MS);
    samples(&f, QL__SAMPLE_CPU, stack(&f, "other", "/bin/x", 3), 0, 1, 100, 10 * MS);
    expect(ask(&f, "hot-function"), QL__SEVERITY_MEDIUM, 0.9, "multiply", 39);
}

static void test_report__hot_functions_are_no_fault_and_few_samples_prove_nothing(void **state)
{
    (void)state;
    fixture f;
    begin(&f, "");
    samples(&f, QL__SAMPLE_CPU, stack(&f, "multiply", "/bin/x", 14), 0, 1, 900, 10 * MS);
    samples(&f, QL__SAMPLE_CPU, stack(&f, "other", "/bin/x", 3), 0, 1, 100, 10 * MS);
    found got = ask(&f, "hot-function");
    expect(got, QL__SEVERITY_MEDIUM, 0.9, "multiply", 14);
    assert_int_equal(got.criticals, 0);
    begin(&f, "");
    samples(&f, QL__SAMPLE_CPU, stack(&f, "multiply", "/bin/x", 14), 0, 1, 2, 2000 * MS);
    samples(&f, QL__SAMPLE_CPU, stack(&f, "other", "/bin/x", 3), 0, 1, 2, 2000 * MS);
    assert_false(ask(&f, "hot-function").there);
}

static void test_report__names_page_faults(void **state)
{
    (void)state;
    fixture f;
    begin(&f, "");
    for (uint64_t i = 0; i <= 10; i++)
        assert_int_equal(ql__profile_point_add(f.p, &(ql__profile_point){i * 1000 * MS, 50 + (double)i * 2000, text(&f, "process.faults_major"), true}, NULL), QL_OK);
    expect(ask(&f, "page-faults"), QL__SEVERITY_HIGH, 0.2, "the process", 0);
}

/* --- memory ------------------------------------------------------------------------------------------------------------------------------- */

static found leak(bool grows, int64_t old, int64_t sampled)
{
    fixture f;
    begin(&f, "");
    f.p->heap = (ql__profile_heap){.known = true, .final = true, .peak_bytes = 40 << 20, .peak_ns = 9999 * MS};
    for (uint64_t i = 0; i <= 20; i++)
        assert_int_equal(ql__profile_memory_add(f.p, &(ql__profile_memory){.at_ns = i * 500 * MS, .rss = 50 << 20, .heap = (10 + (grows ? i : i % 2)) << 20}, NULL), QL_OK);
    const int64_t values[QL__SAMPLE_VALUES_MAX] = {[QL__HEAP_ALLOC_OBJECTS] = 1000, [QL__HEAP_ALLOC_BYTES] = 20 << 20, [QL__HEAP_LEAK_OBJECTS] = old, [QL__HEAP_LEAK_BYTES] = old * 16384,
                                                   [QL__HEAP_SAMPLED] = sampled};
    assert_int_equal(ql__profile_sample_add(f.p, QL__SAMPLE_HEAP, &(ql__profile_sample){.stack = stack(&f, "remember", "/bin/x", 18)}, values, NULL), QL_OK);
    return ask(&f, "leak");
}

static void test_report__names_a_leak_that_grows(void **state)
{
    (void)state;
    found got = leak(true, 900, 100);
    expect(got, QL__SEVERITY_CRITICAL, 0.351, "remember", 18);
    assert_false(leak(false, 900, 100).there); /* loaded once and kept */
    assert_false(leak(true, 900, 5).there);    /* seen too seldom */
    assert_false(leak(true, 200, 100).there);  /* mostly freed */
}

/* Two ways to one place are one finding. */
static void test_report__large_allocations_add_up_by_place(void **state)
{
    (void)state;
    fixture f;
    begin(&f, "");
    f.p->heap = (ql__profile_heap){.known = true, .final = true, .peak_bytes = 100 << 20, .peak_ns = 9999 * MS};
    const int64_t values[QL__SAMPLE_VALUES_MAX] = {[QL__HEAP_ALLOC_OBJECTS] = 2, [QL__HEAP_ALLOC_BYTES] = 12 << 20, [QL__HEAP_PEAK_OBJECTS] = 2, [QL__HEAP_PEAK_BYTES] = 12 << 20, [QL__HEAP_SAMPLED] = 2};
    uint32_t path[2] = {0, 0}, way;
    ql__profile_line row = {0, 19}, callers[2] = {{0, 1}, {0, 2}};
    ql__profile_function reader = {.name = named(&f, "read_all"), .file = named(&f, "code.c"), .module = text(&f, "/bin/x")};
    assert_int_equal(ql__profile_function_add(f.p, &reader, &row.function, NULL), QL_OK);
    assert_int_equal(ql__profile_location_add(f.p, 0, 19, &row, 1, &path[0], NULL), QL_OK);
    for (uint64_t i = 0; i < 2; i++) {
        callers[i].function = row.function;
        assert_int_equal(ql__profile_location_add(f.p, 0, 100 + i, &callers[i], 1, &path[1], NULL), QL_OK);
        assert_int_equal(ql__profile_stack_add(f.p, path, 2, false, &way, NULL), QL_OK);
        assert_int_equal(ql__profile_sample_add(f.p, QL__SAMPLE_HEAP, &(ql__profile_sample){.stack = way}, values, NULL), QL_OK);
    }
    found got = ask(&f, "large-allocation");
    expect(got, QL__SEVERITY_LOW, 0.24, "read_all", 19);
    assert_int_equal(got.count, 4);
}

static found churn(int64_t count, int64_t bytes_each, int64_t peak_pieces, int64_t left)
{
    fixture f;
    begin(&f, "");
    f.p->heap = (ql__profile_heap){.known = true, .final = true, .peak_bytes = 80 << 20, .peak_ns = 9999 * MS};
    const int64_t values[QL__SAMPLE_VALUES_MAX] = {[QL__HEAP_ALLOC_OBJECTS] = count, [QL__HEAP_ALLOC_BYTES] = count * bytes_each, [QL__HEAP_INUSE_OBJECTS] = left,
                                                   [QL__HEAP_PEAK_OBJECTS] = peak_pieces, [QL__HEAP_PEAK_BYTES] = peak_pieces * bytes_each, [QL__HEAP_SAMPLED] = count};
    assert_int_equal(ql__profile_sample_add(f.p, QL__SAMPLE_HEAP, &(ql__profile_sample){.stack = stack(&f, "shrink", "/bin/x", 19)}, values, NULL), QL_OK);
    return ask(&f, "allocation-churn");
}

static void test_report__names_large_buffers_taken_again_and_again(void **state)
{
    (void)state;
    found got = churn(100, 40 << 20, 1, 0);
    expect(got, QL__SEVERITY_MEDIUM, 0.5, "shrink", 19);
    assert_int_equal(got.count, 100);
    expect(churn(100, 40 << 20, 0, 0), QL__SEVERITY_MEDIUM, 0.5, "shrink", 19); /* none when most was in use */
    assert_false(churn(19, 400 << 20, 1, 0).there);
    assert_false(churn(100, 40 << 20, 1, 50).there);   /* kept */
    assert_false(churn(100, 40 << 20, 20, 0).there);   /* many side by side */
    assert_false(churn(100, 1 << 19, 1, 0).there);     /* small */
    assert_false(churn(100, 16 << 20, 1, 0).there);    /* 1.6 GB in ten seconds cost nothing to speak of */
}

static found batch(uint64_t peak_mib)
{
    fixture f;
    begin(&f, "");
    f.p->numbers.memory_peak_bytes = peak_mib << 20;
    uint32_t embed = site(&f, "embed_batch", "stage", 23);
    f.p->heap = (ql__profile_heap){.known = true, .peak_bytes = 90 << 20, .peak_ns = 5000 * MS};
    span(&f, embed, 0, 4000 * MS, 2000 * MS, (fact[]){{"texts", 512, NULL}}, 1);
    for (uint64_t i = 0; i <= 20; i++)
        assert_int_equal(ql__profile_memory_add(f.p, &(ql__profile_memory){.at_ns = i * 500 * MS, .rss = 50 << 20, .heap = (uint64_t)(i > 8 && i < 12 ? 90 : 20) << 20}, NULL), QL_OK);
    return ask(&f, "batch-memory");
}

static void test_report__names_the_batch_that_makes_the_peak(void **state)
{
    (void)state;
    found got = batch(100);
    expect(got, QL__SEVERITY_HIGH, 0.7, "embed_batch", 23);
    assert_non_null(strstr(got.issue, "512 texts"));
    assert_false(batch(400).there); /* little beside what the process has */
}

/* --- all ---------------------------------------------------------------------------------------------------------------------------------- */

static void test_report__ledger_and_stages(void **state)
{
    (void)state;
    fixture f;
    ql__report *report = ql__alloc_zero(1, sizeof *report);
    begin(&f, "");
    uint32_t convert = site(&f, "convert", "stage", 1), chunk = site(&f, "chunk", "stage", 2);
    for (uint64_t t = 1; t <= 30; t++) {
        char name[16];
        snprintf(name, sizeof name, "doc%d", (int)t);
        assert_int_equal(ql__profile_task_add(f.p, &(ql__profile_task){.id = t, .name = text(&f, name), .busy_ns = t * MS}, NULL), QL_OK);
        span(&f, convert, 0, t * 10 * MS, t * MS / 4, NULL, 0);
        f.p->spans[f.p->spans_count - 1].task = t;
        span(&f, chunk, 0, t * 10 * MS, t * MS / 2, NULL, 0);
        f.p->spans[f.p->spans_count - 1].task = t;
    }
    assert_int_equal(ql__report_make(f.p, report, NULL), QL_OK);
    assert_int_equal(report->ledger_count, QL__LEDGER_MAX);
    for (size_t i = 0; i < QL__LEDGER_MAX; i++) {
        assert_int_equal(report->ledger[i].time_ns, (30 - i) * MS);
        assert_true(ql_str_equal(f.p->strings[report->ledger[i].stage], QL_STR("chunk")));
    }
    assert_int_equal(report->stage_count, 2);
    assert_int_equal(report->stages[0].count, 30);
    assert_true(report->stages[0].covered_ns >= report->stages[1].covered_ns);
    ql__report_dispose(report);
    ql__free(report);
    ql__profile_free(f.p);
}

/* A small document that ran long by itself, and a large one whose embedding was done in a batch with it. */
static void test_report__a_share_of_a_batch_is_its_documents(void **state)
{
    (void)state;
    fixture f;
    ql__report *report = ql__alloc_zero(1, sizeof *report);
    begin(&f, "");
    uint32_t convert = site(&f, "convert", "stage", 1), share = site(&f, "embed", "share", 2);
    const struct {
        uint64_t busy_ns, share_ns;
    } documents[] = {{50 * MS, 10 * MS}, {5 * MS, 90 * MS}, {0, 1 * MS}};
    for (uint64_t t = 0; t < 3; t++) {
        const fact facts[] = {{"share_ns", documents[t].share_ns, NULL}};
        assert_int_equal(ql__profile_task_add(f.p, &(ql__profile_task){.id = t + 1, .busy_ns = documents[t].busy_ns}, NULL), QL_OK);
        span(&f, convert, 0, t * 100 * MS, documents[t].busy_ns, NULL, 0);
        f.p->spans[f.p->spans_count - 1].task = t + 1;
        span(&f, share, 0, 1000 * MS, 0, facts, 1);
        f.p->spans[f.p->spans_count - 1].task = t + 1;
    }
    const fact huge[] = {{"share_ns", UINT64_MAX, NULL}};
    span(&f, share, 0, 1000 * MS, 0, huge, 1); /* of no task */
    assert_int_equal(ql__report_make(f.p, report, NULL), QL_OK);
    static const uint32_t tasks[] = {1, 0, 2};
    static const uint64_t times[] = {95 * MS, 60 * MS, 1 * MS}, in_stage[] = {90 * MS, 50 * MS, 1 * MS};
    static const char *const stages[] = {"embed", "convert", "embed"};
    assert_int_equal(report->ledger_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(report->ledger[i].task, tasks[i]);
        assert_int_equal(report->ledger[i].time_ns, times[i]);
        assert_int_equal(report->ledger[i].stage_ns, in_stage[i]);
        assert_string_equal(f.p->strings[report->ledger[i].stage].ptr, stages[i]);
    }
    assert_int_equal(report->stage_count, 1); /* a share is no run of the stage */
    ql__report_dispose(report);
    ql__free(report);
    ql__profile_free(f.p);
}

static void test_report__stages_of_a_program_are_there(void **state)
{
    (void)state;
    fixture f;
    ql__report *report = ql__alloc_zero(1, sizeof *report);
    begin(&f, "");
    span(&f, site(&f, "embed", "stage", 1), 0, 0, 50 * MS, NULL, 0);
    uint32_t render = site(&f, "render", "print shop", 2);
    span(&f, render, 0, 0, 80 * MS, NULL, 0);
    span(&f, render, 0, 40 * MS, 80 * MS, NULL, 0);
    span(&f, site(&f, "SELECT", "sqlite", 3), 0, 0, 90 * MS, NULL, 0);
    span(&f, site(&f, "GET", "http", 4), 0, 0, 90 * MS, NULL, 0);
    char name[16];
    for (uint64_t i = 0; i < 40; i++) { /* more than a table has rows: the least are left out */
        snprintf(name, sizeof name, "step %d", (int)i);
        span(&f, site(&f, name, "work", 5), 0, 0, (i + 1) * MS, NULL, 0);
    }
    assert_int_equal(ql__report_make(f.p, report, NULL), QL_OK);
    assert_int_equal(report->stage_count, QL__STAGES_MAX);
    assert_string_equal(f.p->strings[report->stages[0].name].ptr, "render");
    assert_string_equal(f.p->strings[report->stages[0].category].ptr, "print shop");
    assert_int_equal(report->stages[0].count, 2);
    assert_int_equal(report->stages[0].covered_ns, 120 * MS);
    assert_int_equal(report->stages[0].sum_ns, 160 * MS);
    assert_string_equal(f.p->strings[report->stages[1].name].ptr, "embed");
    assert_int_equal(report->stages[QL__STAGES_MAX - 1].covered_ns, 11 * MS);
    ql__report_dispose(report);
    ql__free(report);
    ql__profile_free(f.p);
}

static void test_report__severity_is_by_share(void **state)
{
    (void)state;
    const double bounds[] = {0.02, 0.05, 0.15, 0.30};
    assert_int_equal(ql__severity_of(0.019), QL__SEVERITY_NONE);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ql__severity_of(bounds[i]), QL__SEVERITY_LOW + i);
        assert_int_equal(ql__severity_of(bounds[i] - 0.001), QL__SEVERITY_NONE + i);
    }
    assert_string_equal(ql__severity_name(QL__SEVERITY_CRITICAL), "CRITICAL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report__names_a_query_in_a_loop),
        cmocka_unit_test(test_report__counts_rows_of_short_statements),
        cmocka_unit_test(test_report__a_query_in_two_places_has_two_times),
        cmocka_unit_test(test_report__each_group_of_single_texts_has_its_own_time),
        cmocka_unit_test(test_report__a_look_into_memory_is_no_query_too_many),
        cmocka_unit_test(test_report__names_a_commit_for_every_row),
        cmocka_unit_test(test_report__knows_what_waits_for_a_fast_disk),
        cmocka_unit_test(test_report__understands_how_others_tell_of_databases),
        cmocka_unit_test(test_report__says_no_number_of_rows_that_nobody_told),
        cmocka_unit_test(test_report__names_retries_and_new_connections),
        cmocka_unit_test(test_report__sees_new_connections_that_nobody_tells_of),
        cmocka_unit_test(test_report__knows_a_try_again_by_its_address),
        cmocka_unit_test(test_report__understands_how_others_tell_of_requests),
        cmocka_unit_test(test_report__names_who_calls_with_one_text),
        cmocka_unit_test(test_report__stages_of_a_program_are_there),
        cmocka_unit_test(test_report__names_one_text_at_a_time),
        cmocka_unit_test(test_report__names_content_that_is_worked_through_again),
        cmocka_unit_test(test_report__names_a_task_that_blocks_its_thread),
        cmocka_unit_test(test_report__samples_tell_whether_a_task_waits),
        cmocka_unit_test(test_report__names_waits),
        cmocka_unit_test(test_report__names_what_makes_a_queue_full),
        cmocka_unit_test(test_report__names_compression_by_who_calls_it),
        cmocka_unit_test(test_report__an_instruction_of_the_compilers_headers_is_its_users),
        cmocka_unit_test(test_report__hot_functions_are_no_fault_and_few_samples_prove_nothing),
        cmocka_unit_test(test_report__names_page_faults),
        cmocka_unit_test(test_report__names_a_leak_that_grows),
        cmocka_unit_test(test_report__large_allocations_add_up_by_place),
        cmocka_unit_test(test_report__names_large_buffers_taken_again_and_again),
        cmocka_unit_test(test_report__names_the_batch_that_makes_the_peak),
        cmocka_unit_test(test_report__ledger_and_stages),
        cmocka_unit_test(test_report__a_share_of_a_batch_is_its_documents),
        cmocka_unit_test(test_report__severity_is_by_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
