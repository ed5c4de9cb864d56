/*
 * The table of functions, and what changed between two captures. Threads: any. Cost: the sums of profile_query.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/write_table.h"

/* --- members of several tables -------------------------------------------------------------------------------------------------------------- */

static void put_text(ql__json_writer *json, const char *key, ql_str text)
{
    ql__json_key(json, key);
    if (text.len > 0) ql__json_string(json, text);
    else ql__json_null(json);
}

static void put_uint(ql__json_writer *json, const char *key, uint64_t value)
{
    ql__json_key(json, key);
    ql__json_uint(json, value);
}

static void put_int(ql__json_writer *json, const char *key, int64_t value)
{
    ql__json_key(json, key);
    ql__json_int(json, value);
}

static void put_share(ql__json_writer *json, const char *key, int64_t value, int64_t of)
{
    ql__json_key(json, key);
    ql__json_double(json, of > 0 ? (double)(int64_t)((double)value / (double)of * 1e6 + 0.5) / 1e6 : 0);
}

bool ql__loss_is_of_texts(const ql__profile *profile)
{
    for (size_t i = 0; i < profile->drops_count; i++)
        if (!ql_str_equal(ql__profile_text(profile, profile->drops[i].what), QL_STR("texts"))) return false;
    return profile->drops_count > 0;
}

void ql__loss_text(const ql__profile *profile, char text[QL__LOSS_TEXT])
{
    char kinds[200] = "";
    text[0] = '\0';
    if (profile->numbers.dropped == 0) return;
    if (ql__loss_is_of_texts(profile)) {
        (void)snprintf(text, QL__LOSS_TEXT, "%llu texts were lost: names, or what spans tell of themselves (8 facts each are kept, of 256 spans at once). A finding that needs such a "
                       "fact may be missing or be of too few, as a row of short spans tells its number so.", (unsigned long long)profile->numbers.dropped);
        return;
    }
    for (size_t i = 0; i < profile->drops_count; i++) {
        size_t length = strlen(kinds);
        ql_str what = ql__profile_text(profile, profile->drops[i].what);
        (void)snprintf(kinds + length, sizeof kinds - length, "%s%.*s %llu", length > 0 ? ", " : "", (int)(what.len < 40 ? what.len : 40), what.ptr, (unsigned long long)profile->drops[i].count);
    }
    (void)snprintf(text, QL__LOSS_TEXT, "%llu events were lost (%s): the buffers of the profiler were full. What they told is in no figure: findings may be missing, and times of spans are too small.",
                   (unsigned long long)profile->numbers.dropped, kinds[0] != '\0' ? kinds : "of no known kind");
}

void ql__put_capture_members(ql__json_writer *json, const ql__profile *profile)
{
    put_text(json, "program", ql__path_base(ql__profile_meta(profile, "program")));
    put_text(json, "engine", ql__profile_meta(profile, "engine"));
    ql__json_key(json, "started_at");
    ql__json_time(json, profile->numbers.started_unix_ms);
    put_uint(json, "duration_ns", profile->numbers.duration_ns);
    ql__json_key(json, "complete");
    ql__json_bool(json, profile->numbers.complete);
    put_uint(json, "dropped", profile->numbers.dropped);
    ql__json_key(json, "notes");
    ql__json_array(json);
    char lost[QL__LOSS_TEXT];
    ql__loss_text(profile, lost);
    if (lost[0] != '\0') ql__json_string(json, ql_str_of(lost));
    for (size_t i = 0; i < profile->notes_count; i++) ql__json_string(json, ql__profile_text(profile, profile->notes[i].value));
    ql__json_array_end(json);
}

void ql__put_group_members(ql__json_writer *json, const ql__profile *profile, const ql__grouping *groups, size_t group)
{
    const ql__profile_function *function = &profile->functions[groups->keys[group].function];
    bool code = groups->by == QL__GROUP_FUNCTION || groups->by == QL__GROUP_LINE;
    uint32_t line = code ? groups->keys[group].line : 0;
    ql__json_member(json, "name", ql__grouping_name(profile, groups, group));
    put_text(json, "file", groups->by == QL__GROUP_MODULE ? (ql_str){0} : ql__profile_text(profile, function->file));
    ql__json_key(json, "line");
    if (line > 0) ql__json_uint(json, line);
    else ql__json_null(json);
    put_text(json, "module", ql__profile_text(profile, function->module));
}

/* --- top ----------------------------------------------------------------------------------------------------------------------------------- */

/* What the C library calls a thread's own functions from: the whole run is in it, which tells nothing. */
static bool is_beginning(ql_str name)
{
    static const char *const names[] = {"_start", "start_thread", "clone", "clone3", "__clone", "__clone3", "__GI___clone3"};
    static const ql_str begin = {"__libc_start", sizeof "__libc_start" - 1};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (ql_str_equal(name, ql_str_of(names[i]))) return true;
    return name.len > begin.len && memcmp(name.ptr, begin.ptr, begin.len) == 0;
}

/* Leaves the beginnings of threads out of a table that is cut anyway; all rows are all rows. Returns how many are left. */
static size_t leave_out_beginnings(const ql__profile *profile, const ql__table_options *options, const ql__grouping *groups, const ql__totals *totals, uint32_t *order, size_t count)
{
    bool code = options->group == QL__GROUP_FUNCTION || options->group == QL__GROUP_LINE;
    size_t kept = 0;
    if (options->limit == 0 || !code) return count;
    for (size_t i = 0; i < count; i++)
        if (totals->items[order[i]].self != 0 || !is_beginning(ql__grouping_name(profile, groups, order[i]))) order[kept++] = order[i];
    return kept;
}

/* all: how many rows there are, of which `count` may be shown. */
static void put_top(const ql__profile *profile, const ql__table_options *options, const ql__grouping *groups, const ql__totals *totals, const uint32_t *order,
                    size_t count, size_t all, ql__sink *sink)
{
    ql__json_writer json;
    const ql__value_type *type = ql__sample_value_type(options->view.kind, options->view.value);
    size_t shown = options->limit != 0 && options->limit < count ? options->limit : count;
    ql__json_begin(&json, &sink->pending);
    ql__json_object(&json);
    ql__put_capture_members(&json, profile);
    ql__json_member(&json, "kind", ql_str_of(ql__sample_kind_name(options->view.kind)));
    ql__json_member(&json, "unit", ql_str_of(type->unit));
    put_int(&json, "total", totals->value);
    put_uint(&json, "samples", totals->samples);
    put_uint(&json, "rows_total", all);
    ql__json_key(&json, "rows");
    ql__json_array(&json);
    for (size_t i = 0; i < shown && !ql__sink_failed(sink); i++) {
        const ql__total *total = &totals->items[order[i]];
        ql__json_object(&json);
        ql__put_group_members(&json, profile, groups, order[i]);
        put_int(&json, "self", total->self);
        put_share(&json, "self_share", total->self, totals->value);
        put_int(&json, "cumulative", total->cumulative);
        put_share(&json, "cumulative_share", total->cumulative, totals->value);
        put_uint(&json, "samples_self", total->samples_self);
        put_uint(&json, "samples", total->samples);
        ql__json_object_end(&json);
        ql__sink_flow(sink);
    }
    ql__json_array_end(&json);
    ql__json_object_end(&json);
}

ql_status ql__write_top_json(const ql__profile *profile, const ql__table_options *options, ql__sink *sink, ql_error *err)
{
    QL_TRY(ql__expect_samples(profile, options->view.kind, err));
    ql__grouping groups = {0};
    ql__stack_sums sums = {0};
    ql__totals totals = {0};
    uint32_t *order = NULL;
    size_t count = 0;
    ql_status status = ql__grouping_new(profile, options->group, &groups, err);
    if (status >= 0) status = ql__stack_sums_of(profile, &options->view, &sums, err);
    if (status >= 0) status = ql__totals_of(profile, &sums, &groups, &totals, err);
    if (status >= 0) status = ql__totals_sort(&totals, groups.count, options->order, &order, &count, err);
    if (status >= 0) put_top(profile, options, &groups, &totals, order, leave_out_beginnings(profile, options, &groups, &totals, order, count), count, sink);
    ql__free(order);
    ql__totals_free(&totals);
    ql__stack_sums_free(&sums);
    ql__grouping_free(&groups);
    return status;
}

/* --- diff ----------------------------------------------------------------------------------------------------------------------------------- */

typedef struct diff_row {
    int64_t self[2], cumulative[2]; /* before, after */
    uint32_t group[2];
    bool there[2];
} diff_row;

typedef struct diff_side {
    const ql__profile *profile;
    ql__grouping groups;
    ql__stack_sums sums;
    ql__totals totals;
    uint32_t *shared;
} diff_side;

static ql_status side_open(diff_side *self, const ql__table_options *options, ql_error *err)
{
    QL_TRY(ql__expect_samples(self->profile, options->view.kind, err));
    QL_TRY(ql__grouping_new(self->profile, options->group, &self->groups, err));
    QL_TRY(ql__stack_sums_of(self->profile, &options->view, &self->sums, err));
    return ql__totals_of(self->profile, &self->sums, &self->groups, &self->totals, err);
}

static void side_close(diff_side *self)
{
    ql__totals_free(&self->totals);
    ql__stack_sums_free(&self->sums);
    ql__grouping_free(&self->groups);
    ql__free(self->shared);
}

static int64_t magnitude(int64_t before, int64_t after)
{
    return after > before ? after - before : before - after; /* both are 0 or more */
}

static int compare_rows(const void *left, const void *right)
{
    const diff_row *a = left, *b = right;
    int64_t first = magnitude(a->self[0], a->self[1]), second = magnitude(b->self[0], b->self[1]);
    if (first == second) {
        first = magnitude(a->cumulative[0], a->cumulative[1]);
        second = magnitude(b->cumulative[0], b->cumulative[1]);
    }
    if (first != second) return first < second ? 1 : -1;
    return a->group[1] != b->group[1] ? (a->group[1] < b->group[1] ? -1 : 1) : a->group[0] < b->group[0] ? -1 : a->group[0] > b->group[0];
}

static void put_diff(const diff_side *sides, const ql__table_options *options, const diff_row *rows, size_t count, ql__sink *sink)
{
    static const char *const keys[] = {"before", "after"}, *const self_keys[] = {"self_before", "self_after"}, *const cumulative_keys[] = {"cumulative_before", "cumulative_after"};
    ql__json_writer json;
    ql__json_begin(&json, &sink->pending);
    ql__json_object(&json);
    ql__json_member(&json, "kind", ql_str_of(ql__sample_kind_name(options->view.kind)));
    ql__json_member(&json, "unit", ql_str_of(ql__sample_value_type(options->view.kind, options->view.value)->unit));
    for (int s = 0; s < 2; s++) {
        ql__json_key(&json, keys[s]);
        ql__json_object(&json);
        ql__put_capture_members(&json, sides[s].profile);
        put_int(&json, "total", sides[s].totals.value);
        put_uint(&json, "samples", sides[s].totals.samples);
        ql__json_object_end(&json);
    }
    ql__json_key(&json, "rows");
    ql__json_array(&json);
    for (size_t i = 0; i < count && (options->limit == 0 || i < options->limit) && !ql__sink_failed(sink); i++) {
        int s = rows[i].there[1] ? 1 : 0;
        ql__json_object(&json);
        ql__put_group_members(&json, sides[s].profile, &sides[s].groups, rows[i].group[s]);
        for (int k = 0; k < 2; k++) put_int(&json, self_keys[k], rows[i].self[k]);
        put_int(&json, "self_change", rows[i].self[1] - rows[i].self[0]);
        for (int k = 0; k < 2; k++) put_int(&json, cumulative_keys[k], rows[i].cumulative[k]);
        put_int(&json, "cumulative_change", rows[i].cumulative[1] - rows[i].cumulative[0]);
        ql__json_object_end(&json);
        ql__sink_flow(sink);
    }
    ql__json_array_end(&json);
    ql__json_object_end(&json);
}

static size_t fill_rows(const diff_side *sides, diff_row *rows, size_t count)
{
    for (int s = 0; s < 2; s++)
        for (size_t g = 0; g < sides[s].groups.count; g++) {
            const ql__total *total = &sides[s].totals.items[g];
            diff_row *row = &rows[sides[s].shared[g]];
            if (total->samples == 0) continue;
            row->self[s] += total->self; /* sums of one capture: at most QL__SAMPLE_SUM_MAX */
            row->cumulative[s] = row->cumulative[s] > total->cumulative ? row->cumulative[s] : total->cumulative;
            row->group[s] = (uint32_t)g;
            row->there[s] = true;
        }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (rows[i].there[0] || rows[i].there[1]) rows[kept++] = rows[i];
    return kept;
}

ql_status ql__write_diff_json(const ql__profile *before, const ql__profile *after, const ql__table_options *options, ql__sink *sink, ql_error *err)
{
    diff_side sides[2] = {{.profile = before}, {.profile = after}};
    diff_row *rows = NULL;
    size_t count = 0;
    ql_status status = side_open(&sides[0], options, err);
    if (status >= 0) status = side_open(&sides[1], options, err);
    if (status >= 0) status = ql__groups_match(before, &sides[0].groups, after, &sides[1].groups, &sides[0].shared, &sides[1].shared, &count, err);
    if (status >= 0 && (rows = ql__alloc_zero(count, sizeof *rows)) == NULL) status = ql__fail_nomem(err);
    if (status >= 0) {
        count = fill_rows(sides, rows, count);
        qsort(rows, count, sizeof *rows, compare_rows);
        put_diff(sides, options, rows, count, sink);
    }
    ql__free(rows);
    side_close(&sides[0]);
    side_close(&sides[1]);
    return status;
}
