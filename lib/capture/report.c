/*
 * The report's frame: evidence is indexed once, every rule is asked, findings are put in order; stages and the documents that cost most are added up.
 * Threads: any. Cost: O(spans log spans + samples).
 */
#include "capture/report.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"
#include "capture/report_internal.h"

ql__severity ql__severity_of(double share)
{
    return share >= 0.30 ? QL__SEVERITY_CRITICAL : share >= 0.15 ? QL__SEVERITY_HIGH : share >= 0.05 ? QL__SEVERITY_MEDIUM : share >= 0.02 ? QL__SEVERITY_LOW : QL__SEVERITY_NONE;
}

const char *ql__severity_name(ql__severity severity)
{
    static const char *const names[] = {"NONE", "LOW", "MEDIUM", "HIGH", "CRITICAL"};
    return names[severity];
}

const char *ql__base_name(ql__base base)
{
    static const char *const names[] = {"wall_time", "cpu_time", "heap_peak", "process_peak"};
    return names[base];
}

/* --- evidence ----------------------------------------------------------------------------------------------------------------------------- */

static uint32_t string_id(const ql__profile *profile, ql_str text)
{
    const uint64_t *id = ql__map_find(&profile->string_ids, text);
    return id != NULL ? (uint32_t)*id : 0;
}

static ql_status index_spans(ql__evidence *self, ql_error *err)
{
    const ql__profile *p = self->profile;
    ql_status status = QL_OK;
    for (size_t i = 0; i < p->spans_count && status >= 0; i++) {
        uint64_t *index = ql__map_insert(&self->span_ids, (ql_str){(const char *)&p->spans[i].id, sizeof p->spans[i].id}, NULL);
        if (index == NULL) status = ql__fail_nomem(err);
        else *index = i;
    }
    for (size_t i = 0; i < p->spans_count && status >= 0; i++) {
        const ql__profile_span *span = &p->spans[i];
        const uint64_t *index = span->parent != 0 ? ql__map_find(&self->span_ids, (ql_str){(const char *)&span->parent, sizeof span->parent}) : NULL;
        if (index == NULL || *index == i) continue;
        self->parent[i] = (uint32_t)*index + 1;
        if (p->spans[*index].thread == span->thread && __builtin_add_overflow(self->child_ns[*index], ql__span_length(span), &self->child_ns[*index])) self->child_ns[*index] = UINT64_MAX;
    }
    return status;
}

ql_status ql__evidence_open(ql__report *report, ql__evidence *out, ql_error *err)
{
    const ql__profile *p = report->profile;
    ql__evidence self = {.report = report, .profile = p, .parent = ql__alloc_zero(p->spans_count, sizeof *self.parent), .child_ns = ql__alloc_zero(p->spans_count, sizeof *self.child_ns),
                         .key_text = string_id(p, QL_STR("text")), .key_count = string_id(p, QL_STR("count")), .key_busy = string_id(p, QL_STR("busy_ns")),
                         .key_texts = string_id(p, QL_STR("texts")), .key_batches = string_id(p, QL_STR("batches")), .key_host = string_id(p, QL_STR("host")),
                         .key_try = string_id(p, QL_STR("try")), .key_status = string_id(p, QL_STR("status")), .key_connection = string_id(p, QL_STR("new_connection")),
                         .key_content = string_id(p, QL_STR("content")), .key_share = string_id(p, QL_STR("share_ns")),
                         .key_url = string_id(p, QL_STR("url")), .key_connects = string_id(p, QL_STR("connects")),
                         .key_statements = {string_id(p, QL_STR("sql")), string_id(p, QL_STR("statement")), string_id(p, QL_STR("query"))}};
    ql__map_init(&self.span_ids, 0x5eed);
    ql_status status = self.parent != NULL && self.child_ns != NULL ? index_spans(&self, err) : ql__fail_nomem(err);
    if (status < 0) ql__evidence_close(&self);
    else *out = self;
    return status;
}

void ql__evidence_close(ql__evidence *self)
{
    ql__free(self->parent);
    ql__free(self->child_ns);
    ql__map_dispose(&self->span_ids);
    *self = (ql__evidence){0};
}

static const ql__profile_attribute *attribute_of(const ql__evidence *self, const ql__profile_span *span, uint32_t key)
{
    for (uint32_t i = 0; key != 0 && i < span->attribute_count; i++) {
        const ql__profile_attribute *attribute = &self->profile->attributes[span->attribute_first + i];
        if (attribute->key == key) return attribute;
    }
    return NULL;
}

uint64_t ql__span_number(const ql__evidence *self, const ql__profile_span *span, uint32_t key, uint64_t none)
{
    const ql__profile_attribute *attribute = attribute_of(self, span, key);
    if (attribute == NULL) return none;
    switch (attribute->type) {
    case QL__ATTRIBUTE_INT: return attribute->i >= 0 ? (uint64_t)attribute->i : none;
    case QL__ATTRIBUTE_UINT: return attribute->u;
    case QL__ATTRIBUTE_DOUBLE: return attribute->d >= 0 && attribute->d < 1e18 ? (uint64_t)attribute->d : none;
    case QL__ATTRIBUTE_TEXT: break;
    }
    return none;
}

uint32_t ql__span_text(const ql__evidence *self, const ql__profile_span *span, uint32_t key)
{
    const ql__profile_attribute *attribute = attribute_of(self, span, key);
    return attribute != NULL && attribute->type == QL__ATTRIBUTE_TEXT ? attribute->text : 0;
}

bool ql__span_is(const ql__evidence *self, const ql__profile_span *span, const char *category)
{
    return span->site != 0 && ql_str_equal(ql__profile_text(self->profile, self->profile->sites[span->site - 1].category), ql_str_of(category));
}

uint32_t ql__span_asker(const ql__evidence *self, size_t span)
{
    for (size_t depth = 0, at = span + 1; at != 0 && depth < 1000; at = self->parent[at - 1], depth++) /* damage may make a circle */
        if (!ql__span_is(self, &self->profile->spans[at - 1], "stage")) return self->profile->spans[at - 1].site;
    return 0;
}

uint32_t ql__span_outer_site(const ql__evidence *self, size_t span)
{
    const ql__profile_span *outer = self->parent[span] != 0 ? &self->profile->spans[self->parent[span] - 1] : NULL;
    return outer != NULL && !ql__span_is(self, outer, "stage") ? outer->site : self->profile->spans[span].site;
}

static bool begins_with(ql_str text, const char *word)
{
    size_t length = strlen(word);
    return text.len >= length && strncasecmp(text.ptr, word, length) == 0;
}

static ql_str category_of(const ql__evidence *self, const ql__profile_span *span)
{
    return span->site != 0 ? ql__profile_text(self->profile, self->profile->sites[span->site - 1].category) : (ql_str){0};
}

bool ql__span_is_sql(const ql__evidence *self, const ql__profile_span *span)
{
    static const char *const names[] = {"sql", "postgres", "pgsql", "mysql", "mariadb", "oracle", "mssql", "duckdb", "clickhouse", "cockroach", "firebird", "database"};
    ql_str category = category_of(self, span);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (begins_with(category, names[i])) return true;
    return category.len == 2 && begins_with(category, "db");
}

bool ql__span_is_http(const ql__evidence *self, const ql__profile_span *span)
{
    return begins_with(category_of(self, span), "http");
}

/* --- sums ----------------------------------------------------------------------------------------------------------------------------------- */

ql_status ql__stretch_add(ql__stretches *self, uint64_t begin_ns, uint64_t end_ns, ql_error *err)
{
    const ql__stretch stretch = {begin_ns, end_ns};
    return ql__array_push(self->items, self->count, self->capacity, stretch) ? QL_OK : ql__fail_nomem(err);
}

static int compare_stretches(const void *left, const void *right)
{
    const ql__stretch *a = left, *b = right;
    return a->begin_ns < b->begin_ns ? -1 : a->begin_ns > b->begin_ns;
}

uint64_t ql__stretches_covered(ql__stretches *self)
{
    uint64_t covered = 0, until = 0;
    if (self->count > 0) qsort(self->items, self->count, sizeof *self->items, compare_stretches);
    for (size_t i = 0; i < self->count; i++) {
        uint64_t begin = self->items[i].begin_ns > until ? self->items[i].begin_ns : until;
        if (self->items[i].end_ns <= begin) continue;
        covered += self->items[i].end_ns - begin;
        until = self->items[i].end_ns;
    }
    return covered;
}

ql_status ql__spans_covered(const ql__evidence *self, bool (*wanted)(const ql__evidence *self, size_t span, const void *user), const void *user, uint64_t *out, ql_error *err)
{
    ql__stretches stretches = {0};
    ql_status status = QL_OK;
    for (size_t i = 0; i < self->profile->spans_count && status >= 0; i++)
        if (wanted(self, i, user)) status = ql__stretch_add(&stretches, self->profile->spans[i].begin_ns, self->profile->spans[i].end_ns, err);
    *out = ql__stretches_covered(&stretches);
    ql__free(stretches.items);
    return status;
}

void ql__tallies_init(ql__tallies *self)
{
    *self = (ql__tallies){0};
    ql__map_init(&self->ids, 0x5eed);
    ql__arena_init(&self->keys, 0);
}

void ql__tallies_dispose(ql__tallies *self)
{
    ql__free(self->items);
    ql__map_dispose(&self->ids);
    ql__arena_dispose(&self->keys);
}

ql__tally *ql__tally_of(ql__tallies *self, uint64_t first, uint64_t second)
{
    const uint64_t key[2] = {first, second};
    ql_str text = {(const char *)key, sizeof key}, kept;
    const uint64_t *known = ql__map_find(&self->ids, text);
    if (known != NULL) return &self->items[*known];
    if (!ql__array_reserve(&self->items, &self->capacity, self->count + 1, sizeof *self->items) || !ql__arena_copy(&self->keys, text, &kept)) return NULL;
    uint64_t *place = ql__map_insert(&self->ids, kept, NULL);
    if (place == NULL) return NULL;
    *place = self->count;
    self->items[self->count] = (ql__tally){.key = {first, second}};
    return &self->items[self->count++];
}

const ql__tally *ql__tally_find(const ql__tallies *self, uint64_t first, uint64_t second)
{
    const uint64_t key[2] = {first, second};
    const uint64_t *known = ql__map_find(&self->ids, (ql_str){(const char *)key, sizeof key});
    return known != NULL ? &self->items[*known] : NULL;
}

/* --- findings ------------------------------------------------------------------------------------------------------------------------------- */

static int compare_findings(const void *left, const void *right)
{
    const ql__finding *a = left, *b = right;
    if (a->severity != b->severity) return a->severity < b->severity ? 1 : -1;
    if (a->share != b->share) return a->share < b->share ? 1 : -1;
    int order = strcmp(a->rule, b->rule);
    return order != 0 ? order : ql_str_compare(a->function, b->function);
}

ql_status ql__finding_add(ql__report *report, ql__finding finding, ql__severity most, const char *issue, const char *recommendation, ql_error *err)
{
    const uint64_t bases[] = {report->wall_ns, report->cpu_ns, report->heap_bytes, report->process_bytes};
    finding.base_value = bases[finding.base];
    finding.share = finding.share < 0 ? 0 : finding.share > 1 ? 1 : finding.share;
    finding.severity = ql__severity_of(finding.share - finding.error); /* what is sure */
    if (finding.severity > most) finding.severity = most;
    if (finding.severity == QL__SEVERITY_NONE) return QL_OK;
    if (!ql__arena_copy(&report->texts, ql_str_of(issue), &finding.issue) || !ql__arena_copy(&report->texts, ql_str_of(recommendation), &finding.recommendation)) return ql__fail_nomem(err);
    if (report->finding_count == QL__FINDINGS_MAX) {
        qsort(report->findings, report->finding_count, sizeof *report->findings, compare_findings);
        if (compare_findings(&report->findings[QL__FINDINGS_MAX - 1], &finding) <= 0) return QL_OK;
        report->finding_count--;
    }
    report->findings[report->finding_count++] = finding;
    return QL_OK;
}

void ql__finding_site(const ql__profile *profile, ql__finding *finding, uint32_t site)
{
    if (site == 0) return;
    const ql__profile_site *row = &profile->sites[site - 1];
    finding->function = ql__profile_text(profile, row->function != 0 ? row->function : row->name);
    finding->file = ql__profile_text(profile, row->file);
    finding->line = row->line;
}

void ql__finding_function(const ql__profile *profile, ql__finding *finding, uint32_t function, uint32_t line)
{
    const ql__profile_function *row = &profile->functions[function];
    finding->function = ql__profile_text(profile, row->name);
    finding->file = ql__profile_text(profile, row->file != 0 ? row->file : row->module);
    finding->line = row->file != 0 ? (line != 0 ? line : row->start_line) : 0;
}

/* What every C program is linked with: who called it is of interest, its own source is not. */
static bool is_runtime(ql_str module)
{
    static const char *const names[] = {"libc.so", "libc-", "libpthread", "libm.so", "ld-", "libgcc_s", "libstdc++", "[vdso]", NULL};
    ql_str base = ql__path_base(module);
    for (size_t i = 0; names[i] != NULL; i++)
        if (base.len >= strlen(names[i]) && memcmp(base.ptr, names[i], strlen(names[i])) == 0) return true;
    return false;
}

/* A function of the compiler's own headers stands for one instruction of whoever uses it. */
bool ql__is_intrinsic(const ql__profile *p, uint32_t line)
{
    const ql_str end = QL_STR("intrin.h"), neon = QL_STR("arm_neon.h");
    ql_str file = ql__path_base(ql__profile_text(p, p->functions[p->lines[line].function].file));
    return ql_str_equal(file, neon) || (file.len >= end.len && memcmp(file.ptr + file.len - end.len, end.ptr, end.len) == 0);
}

bool ql__stack_source(const ql__profile *profile, uint32_t stack, uint32_t *line)
{
    ql__frame_iter frames = ql__frames_of(profile, stack);
    while (ql__frame_next(&frames, line)) {
        const ql__profile_function *function = &profile->functions[profile->lines[*line].function];
        if (function->file != 0 && !is_runtime(ql__profile_text(profile, function->module)) && !ql__is_intrinsic(profile, *line)) return true;
    }
    return false;
}

/* --- files ---------------------------------------------------------------------------------------------------------------------------------- */

#define ROOTS_MAX 16

/* The part of an absolute path before a relative one that it ends with, "/src" of "/src/lib/a.c" and "lib/a.c"; empty: it does not. */
static ql_str root_of(ql_str path, ql_str relative)
{
    bool ends = relative.len > 0 && relative.ptr[0] != '/' && path.len > relative.len + 1 && path.ptr[0] == '/' && path.ptr[path.len - relative.len - 1] == '/' &&
                memcmp(path.ptr + path.len - relative.len, relative.ptr, relative.len) == 0;
    return ends ? (ql_str){path.ptr, path.len - relative.len - 1} : (ql_str){0};
}

static uint64_t hash_of_base(ql_str path)
{
    return ql__hash_bytes(ql__path_base(path), 0x5eed);
}

/* Relative files of sites by the hash of their base name, and, where no folder tells them apart, by the function: other is the site. Of several with one key the first. */
static ql_status index_sites(const ql__profile *p, ql__tallies *sites, ql_error *err)
{
    for (size_t s = 0; s < p->sites_count; s++) {
        ql_str file = ql__profile_text(p, p->sites[s].file);
        bool folder = file.len > 0 && memchr(file.ptr, '/', file.len) != NULL;
        if (file.len == 0 || file.ptr[0] == '/') continue;
        ql__tally *site = ql__tally_of(sites, hash_of_base(file), folder ? 0 : p->sites[s].function);
        if (site == NULL) return ql__fail_nomem(err);
        if (site->count++ == 0) site->other = s;
    }
    return QL_OK;
}

/* Where compilers ran: a function's file as debug information has it, and the same file as a span of the function (or with a folder) has it. */
static size_t find_roots(const ql__profile *p, const ql__tallies *sites, ql_str roots[ROOTS_MAX])
{
    size_t count = 0;
    for (size_t f = 0; f < p->functions_count && count < ROOTS_MAX; f++) {
        ql_str file = ql__profile_text(p, p->functions[f].file), root = {0};
        uint64_t base = hash_of_base(file);
        const ql__tally *found[] = {ql__tally_find(sites, base, 0), p->functions[f].name != 0 ? ql__tally_find(sites, base, p->functions[f].name) : NULL};
        for (size_t i = 0; i < 2 && root.len == 0; i++)
            if (found[i] != NULL) root = root_of(file, ql__profile_text(p, p->sites[found[i]->other].file));
        bool known = root.len == 0;
        for (size_t i = 0; i < count && !known; i++) known = ql_str_equal(roots[i], root);
        if (!known) roots[count++] = root;
    }
    return count;
}

/* Spans have files as the compiler was given them, samples as debug information has them, which is absolute: findings have the first. */
static ql_status unify_files(ql__report *report, ql_error *err)
{
    ql_str roots[ROOTS_MAX];
    ql__tallies sites;
    if (report->finding_count == 0) return QL_OK;
    ql__tallies_init(&sites);
    ql_status status = index_sites(report->profile, &sites, err);
    size_t count = status >= 0 ? find_roots(report->profile, &sites, roots) : 0;
    ql__tallies_dispose(&sites);
    for (size_t i = 0; i < report->finding_count; i++) {
        ql_str *file = &report->findings[i].file;
        size_t longest = 0;
        for (size_t r = 0; r < count; r++)
            if (roots[r].len > longest && file->len > roots[r].len + 1 && file->ptr[roots[r].len] == '/' && memcmp(file->ptr, roots[r].ptr, roots[r].len) == 0) longest = roots[r].len;
        if (longest > 0) *file = (ql_str){file->ptr + longest + 1, file->len - longest - 1};
    }
    return status;
}

/* --- stages --------------------------------------------------------------------------------------------------------------------------------- */

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static int compare_stages(const void *left, const void *right)
{
    const ql__stage_row *a = left, *b = right;
    if (a->covered_ns != b->covered_ns) return a->covered_ns < b->covered_ns ? 1 : -1;
    if (a->name != b->name) return a->name < b->name ? -1 : 1;
    return a->category < b->category ? -1 : a->category > b->category;
}

static bool is_stage(const ql__evidence *self, const ql__profile_span *span)
{
    return span->site != 0 && !ql__span_is_sql(self, span) && !ql__span_is_http(self, span) && !ql__span_is(self, span, "share");
}

/* When each of them ran, by its number in the tallies. */
typedef struct stage_times {
    ql__stretches *items;
    size_t count, capacity;
} stage_times;

static ql_status sum_stages(const ql__evidence *self, ql__tallies *names, stage_times *times, ql_error *err)
{
    const ql__profile *p = self->profile;
    for (size_t i = 0; i < p->spans_count; i++) {
        const ql__profile_span *span = &p->spans[i];
        if (!is_stage(self, span)) continue;
        ql__tally *name = ql__tally_of(names, p->sites[span->site - 1].name, p->sites[span->site - 1].category);
        if (name == NULL || (times->count < names->count && !ql__array_push(times->items, times->count, times->capacity, (ql__stretches){0}))) return ql__fail_nomem(err);
        name->count++;
        name->value_ns = add_capped(name->value_ns, ql__span_length(span));
        if (ql__span_length(span) > name->other) name->other = ql__span_length(span);
        QL_TRY(ql__stretch_add(&times->items[name - names->items], span->begin_ns, span->end_ns, err));
    }
    return QL_OK;
}

/* The longest, where there are more than a table shows. */
static ql_status add_stages(ql__evidence *evidence, ql_error *err)
{
    ql__report *report = evidence->report;
    ql__tallies names; /* by name and category; other: the longest */
    stage_times times = {0};
    ql__tallies_init(&names);
    ql_status status = sum_stages(evidence, &names, &times, err);
    for (size_t i = 0; i < times.count; i++) {
        const ql__tally *name = &names.items[i];
        ql__stage_row row = {(uint32_t)name->key[0], (uint32_t)name->key[1], name->count, name->value_ns, ql__stretches_covered(&times.items[i]), name->other};
        ql__free(times.items[i].items);
        if (report->stage_count < QL__STAGES_MAX) report->stages[report->stage_count++] = row;
        else if (compare_stages(&row, &report->stages[QL__STAGES_MAX - 1]) < 0) report->stages[QL__STAGES_MAX - 1] = row;
        else continue;
        qsort(report->stages, report->stage_count, sizeof *report->stages, compare_stages);
    }
    ql__free(times.items);
    ql__tallies_dispose(&names);
    return status;
}

/* --- ledger --------------------------------------------------------------------------------------------------------------------------------- */

static int compare_ledger(const void *left, const void *right)
{
    const ql__ledger_row *a = left, *b = right;
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns ? 1 : -1;
    return a->task < b->task ? -1 : a->task > b->task;
}

/* What a span says of its task's part in work that was done for several at once; 0: it is no such span. */
static uint64_t share_of(const ql__evidence *self, const ql__profile_span *span)
{
    return span->task != 0 ? ql__span_number(self, span, self->key_share, 0) : 0;
}

/* Shares by task. */
static ql_status sum_shares(ql__evidence *evidence, ql__tallies *out, ql_error *err)
{
    const ql__profile *p = evidence->profile;
    for (size_t i = 0; i < p->spans_count && evidence->key_share != 0; i++) {
        uint64_t share_ns = share_of(evidence, &p->spans[i]);
        ql__tally *tally = share_ns > 0 ? ql__tally_of(out, p->spans[i].task, 0) : NULL;
        if (share_ns == 0) continue;
        if (tally == NULL) return ql__fail_nomem(err);
        tally->value_ns = add_capped(tally->value_ns, share_ns);
    }
    return QL_OK;
}

/* The stage in which each of the rows spent most: of spans of its task, what their own children took taken away, and of its shares. */
static ql_status add_ledger_stages(ql__evidence *evidence, ql_error *err)
{
    ql__report *report = evidence->report;
    const ql__profile *p = evidence->profile;
    ql__tallies tallies;
    ql_status status = QL_OK;
    ql__tallies_init(&tallies);
    for (size_t i = 0; i < p->spans_count && status >= 0; i++) {
        const ql__profile_span *span = &p->spans[i];
        uint64_t share_ns = share_of(evidence, span);
        if (span->task == 0 || span->site == 0 || (share_ns == 0 && !ql__span_is(evidence, span, "stage"))) continue;
        size_t r = 0;
        while (r < report->ledger_count && p->tasks[report->ledger[r].task].id != span->task) r++;
        if (r == report->ledger_count) continue;
        ql__tally *tally = ql__tally_of(&tallies, r, p->sites[span->site - 1].name);
        if (tally == NULL) {
            status = ql__fail_nomem(err);
            break;
        }
        uint64_t length = ql__span_length(span), own_ns = length > evidence->child_ns[i] ? length - evidence->child_ns[i] : 0;
        tally->value_ns = add_capped(tally->value_ns, share_ns > 0 ? share_ns : own_ns);
        if (tally->value_ns <= report->ledger[r].stage_ns) continue;
        report->ledger[r].stage_ns = tally->value_ns;
        report->ledger[r].stage = (uint32_t)tally->key[1];
    }
    ql__tallies_dispose(&tallies);
    return status;
}

static ql_status add_ledger(ql__evidence *evidence, ql_error *err)
{
    ql__report *report = evidence->report;
    const ql__profile *p = evidence->profile;
    ql__tallies shares;
    ql__tallies_init(&shares);
    ql_status status = sum_shares(evidence, &shares, err);
    for (size_t i = 0; i < p->tasks_count && status >= 0; i++) {
        const ql__tally *share = ql__tally_find(&shares, p->tasks[i].id, 0);
        ql__ledger_row row = {.task = (uint32_t)i, .time_ns = add_capped(p->tasks[i].busy_ns, share != NULL ? share->value_ns : 0)};
        if (row.time_ns == 0) continue;
        if (report->ledger_count < QL__LEDGER_MAX) report->ledger[report->ledger_count++] = row;
        else if (compare_ledger(&row, &report->ledger[QL__LEDGER_MAX - 1]) < 0) report->ledger[QL__LEDGER_MAX - 1] = row;
        else continue;
        qsort(report->ledger, report->ledger_count, sizeof *report->ledger, compare_ledger);
    }
    ql__tallies_dispose(&shares);
    return status < 0 ? status : add_ledger_stages(evidence, err);
}

/* --- all ------------------------------------------------------------------------------------------------------------------------------------ */

/* The most that was measured: its files are memory too, so the heap may be less, or more where it was measured later. */
static uint64_t process_peak(const ql__profile *p)
{
    uint64_t peak = p->numbers.memory_peak_bytes > 0 ? p->numbers.memory_peak_bytes : 1;
    for (size_t i = 0; i < p->memory_count; i++)
        if (p->memory[i].heap != QL__MEMORY_UNKNOWN && p->memory[i].heap > peak) peak = p->memory[i].heap;
    return peak;
}

ql_status ql__report_make(const ql__profile *profile, ql__report *out, ql_error *err)
{
    static ql_status (*const rules[])(ql__evidence *evidence, ql_error *err) = {ql__rules_sql, ql__rules_http, ql__rules_stages, ql__rules_blocking, ql__rules_waits, ql__rules_cpu, ql__rules_memory,
                                                                                add_stages, add_ledger};
    ql__evidence evidence = {0};
    uint64_t cpu_ns = (uint64_t)profile->sets[QL__SAMPLE_CPU].sums[QL__VALUE_NS];
    memset(out, 0, sizeof *out);
    out->profile = profile;
    out->cpu_ns = cpu_ns;
    out->wall_ns = profile->numbers.duration_ns > 0 ? profile->numbers.duration_ns : cpu_ns > 0 ? cpu_ns : 1;
    out->heap_bytes = profile->heap.peak_bytes > 0 ? profile->heap.peak_bytes : 1;
    out->process_bytes = process_peak(profile);
    ql__arena_init(&out->texts, 0);
    ql_status status = ql__evidence_open(out, &evidence, err);
    for (size_t i = 0; i < sizeof rules / sizeof *rules && status >= 0; i++) status = rules[i](&evidence, err);
    ql__evidence_close(&evidence);
    if (status >= 0) status = unify_files(out, err);
    if (status < 0) ql__report_dispose(out);
    else qsort(out->findings, out->finding_count, sizeof *out->findings, compare_findings);
    return status;
}

void ql__report_dispose(ql__report *self)
{
    ql__arena_dispose(&self->texts);
    self->finding_count = self->ledger_count = self->stage_count = 0;
}
