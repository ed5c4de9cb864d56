/*
 * Places that allocate, as tracemalloc shows them: file and line, size, count, average. The place is the innermost frame that is not itself an allocator.
 * Threads: any. Cost: one pass over the allocations; a sort of the places.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/allocators.h"
#include "capture/write_table.h"

typedef struct heap_row {
    int64_t bytes, objects, alloc_bytes, sampled;
    uint32_t index; /* of the group, or of the stack */
} heap_row;

static size_t value_of(ql__heap_view view)
{
    switch (view) {
    case QL__HEAP_VIEW_ALLOC: return QL__HEAP_ALLOC_OBJECTS;
    case QL__HEAP_VIEW_PEAK: return QL__HEAP_PEAK_OBJECTS;
    case QL__HEAP_VIEW_LEAK: return QL__HEAP_LEAK_OBJECTS;
    case QL__HEAP_VIEW_INUSE: break;
    }
    return QL__HEAP_INUSE_OBJECTS;
}

bool ql__heap_place(const ql__profile *profile, uint32_t stack, uint32_t *out)
{
    ql__frame_iter frames = ql__frames_of(profile, stack);
    ql__allocator_walk walk = {0};
    uint32_t line;
    bool any = false;
    while (ql__frame_next(&frames, &line)) {
        if (!any) *out = line;
        any = true;
        if (ql__allocator_has(&walk, ql__profile_text(profile, profile->functions[profile->lines[line].function].name))) continue;
        *out = line;
        return true;
    }
    return any;
}

static int compare_rows(const void *left, const void *right)
{
    const heap_row *a = left, *b = right;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    if (a->objects != b->objects) return a->objects < b->objects ? 1 : -1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* Adds the samples up; rows has a row for each group, or for each stack. */
static size_t sum_rows(const ql__profile *profile, const ql__table_options *options, const ql__grouping *groups, heap_row *rows, size_t count)
{
    const ql__profile_set *set = &profile->sets[QL__SAMPLE_HEAP];
    size_t objects = value_of(options->heap_view);
    for (size_t i = 0; i < set->count; i++) {
        uint32_t stack = set->samples[i].stack, line = 0;
        bool placed = ql__heap_place(profile, stack, &line);
        if (!placed && options->heap_group != QL__HEAP_GROUP_STACK) continue;
        heap_row *row = &rows[options->heap_group == QL__HEAP_GROUP_STACK ? stack : groups->of_line[line]];
        row->objects += ql__sample_value(profile, QL__SAMPLE_HEAP, i, objects);
        row->bytes += ql__sample_value(profile, QL__SAMPLE_HEAP, i, objects + 1);
        row->alloc_bytes += ql__sample_value(profile, QL__SAMPLE_HEAP, i, QL__HEAP_ALLOC_BYTES);
        row->sampled += ql__sample_value(profile, QL__SAMPLE_HEAP, i, QL__HEAP_SAMPLED);
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].bytes == 0) continue;
        heap_row row = rows[i];
        row.index = (uint32_t)i;
        rows[kept++] = row;
    }
    qsort(rows, kept, sizeof *rows, compare_rows);
    return kept;
}

static void put_number(ql__json_writer *json, const char *key, uint64_t value)
{
    ql__json_key(json, key);
    ql__json_uint(json, value);
}

static void put_frame(ql__json_writer *json, const ql__profile *profile, const ql__profile_line *line)
{
    const ql__profile_function *function = &profile->functions[line->function];
    ql_str file = ql__profile_text(profile, function->file), module = ql__profile_text(profile, function->module);
    ql__json_member(json, "name", ql__profile_text(profile, function->name));
    ql__json_key(json, "file");
    if (file.len > 0) ql__json_string(json, file);
    else ql__json_null(json);
    ql__json_key(json, "line");
    if (line->line > 0) ql__json_uint(json, line->line);
    else ql__json_null(json);
    ql__json_key(json, "module");
    if (module.len > 0) ql__json_string(json, module);
    else ql__json_null(json);
}

static void put_stack_row(ql__json_writer *json, const ql__profile *profile, uint32_t stack)
{
    uint32_t line = 0;
    const ql__profile_line none = {0};
    put_frame(json, profile, ql__heap_place(profile, stack, &line) ? &profile->lines[line] : &none);
    ql__json_key(json, "stack");
    ql__json_array(json);
    for (ql__frame_iter frames = ql__frames_of(profile, stack); ql__frame_next(&frames, &line);) {
        ql__json_object(json);
        put_frame(json, profile, &profile->lines[line]);
        ql__json_object_end(json);
    }
    ql__json_array_end(json);
}

static void put_heap(const ql__profile *profile, const ql__table_options *options, const ql__grouping *groups, const heap_row *rows, size_t count, ql__sink *sink)
{
    static const char *const views[] = {"inuse", "alloc", "peak", "leak"};
    const ql__profile_heap *heap = &profile->heap;
    ql__json_writer json;
    ql__json_begin(&json, &sink->pending);
    ql__json_object(&json);
    ql__put_capture_members(&json, profile);
    ql__json_member(&json, "view", ql_str_of(views[options->heap_view]));
    ql__json_key(&json, "exact");
    ql__json_bool(&json, heap->exact);
    ql__json_key(&json, "library_only");
    ql__json_bool(&json, heap->library_only);
    put_number(&json, "interval_bytes", heap->interval);
    put_number(&json, "alloc_bytes", heap->alloc_bytes);
    put_number(&json, "alloc_count", heap->alloc_count);
    put_number(&json, "inuse_bytes", heap->inuse_bytes);
    put_number(&json, "inuse_count", heap->inuse_count);
    put_number(&json, "peak_bytes", heap->peak_bytes);
    put_number(&json, "peak_count", heap->peak_count);
    put_number(&json, "rows_total", count);
    ql__json_key(&json, "rows");
    ql__json_array(&json);
    for (size_t i = 0; i < count && (options->limit == 0 || i < options->limit) && !ql__sink_failed(sink); i++) {
        ql__json_object(&json);
        if (options->heap_group == QL__HEAP_GROUP_STACK) put_stack_row(&json, profile, rows[i].index);
        else ql__put_group_members(&json, profile, groups, rows[i].index);
        put_number(&json, "bytes", (uint64_t)rows[i].bytes);
        put_number(&json, "count", (uint64_t)rows[i].objects);
        put_number(&json, "average_bytes", rows[i].objects > 0 ? (uint64_t)(rows[i].bytes / rows[i].objects) : 0);
        put_number(&json, "sampled", (uint64_t)rows[i].sampled);
        ql__json_object_end(&json);
        ql__sink_flow(sink);
    }
    ql__json_array_end(&json);
    ql__json_object_end(&json);
}

ql_status ql__write_heap_json(const ql__profile *profile, const ql__table_options *options, ql__sink *sink, ql_error *err)
{
    static const ql__profile_group by[] = {[QL__HEAP_GROUP_LINE] = QL__GROUP_LINE, [QL__HEAP_GROUP_FILE] = QL__GROUP_FILE, [QL__HEAP_GROUP_FUNCTION] = QL__GROUP_FUNCTION,
                                           [QL__HEAP_GROUP_STACK] = QL__GROUP_LINE};
    QL_TRY(ql__expect_samples(profile, QL__SAMPLE_HEAP, err));
    ql__grouping groups = {0};
    QL_TRY(ql__grouping_new(profile, by[options->heap_group], &groups, err));
    size_t count = options->heap_group == QL__HEAP_GROUP_STACK ? profile->stacks_count : groups.count;
    heap_row *rows = ql__alloc_zero(count, sizeof *rows);
    ql_status status = rows != NULL ? QL_OK : ql__fail_nomem(err);
    if (status >= 0) put_heap(profile, options, &groups, rows, sum_rows(profile, options, &groups, rows, count), sink);
    ql__free(rows);
    ql__grouping_free(&groups);
    return status;
}
