/*
 * The tables of a profile. Invariants: index 0 of strings, functions, labels and stacks is the empty one; every index in a table is one of the table
 * it points into (checked by assert: callers read files, not this). What is kept once is found through a map whose keys live in the arena.
 * Threads: one while it grows. Cost: an addition is a look-up of a hash and amortised O(size of what is added).
 */
#include "capture/profile.h"

#include <assert.h>
#include <string.h>

#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"
#include "text/utf8.h"

#define MAP_SEED UINT64_C(0x9e3779b97f4a7c15) /* one capture a process; its keys come from one file, which is bounded */

ql_status ql__profile_new(ql__profile **out, ql_error *err)
{
    ql__profile *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    self->numbers.run_delay_ns = UINT64_MAX;
    ql__arena_init(&self->arena, QL_LIMIT_PROFILE_ARENA_BYTES);
    ql__map *maps[] = {&self->string_ids, &self->function_ids, &self->location_ids, &self->stack_ids, &self->label_ids};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) ql__map_init(maps[i], MAP_SEED + i);
    uint32_t id = 0;
    const ql__profile_function none = {0};
    ql_status status = ql__profile_string(self, QL_STR(""), &id, err);
    if (status >= 0) status = ql__profile_function_add(self, &none, &id, err);
    if (status >= 0) status = ql__profile_stack_add(self, NULL, 0, false, &id, err);
    if (status >= 0) status = ql__profile_labels_add(self, NULL, 0, &id, err);
    if (status < 0) {
        ql__profile_free(self);
        return status;
    }
    *out = self;
    return QL_OK;
}

void ql__profile_free(ql__profile *self)
{
    if (self == NULL) return;
    void *tables[] = {self->strings, self->modules, self->functions, self->lines, self->locations, self->stack_locations, self->stacks, self->label_pairs,
                      self->labels, self->threads, self->sites, self->attributes, self->spans, self->links, self->tasks, self->points, self->memory,
                      self->meta, self->notes, self->drops};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) ql__free(tables[i]);
    for (size_t i = 0; i < QL__SAMPLE_KIND_COUNT; i++) {
        ql__free(self->sets[i].samples);
        ql__free(self->sets[i].values);
    }
    ql__map *maps[] = {&self->string_ids, &self->function_ids, &self->location_ids, &self->stack_ids, &self->label_ids};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) ql__map_dispose(maps[i]);
    ql__arena_dispose(&self->arena);
    ql__free(self);
}

/* Room for `more` rows. what: of what there would be too many. */
static ql_status reserve(void *items, size_t *capacity, size_t count, size_t more, size_t size, size_t limit, const char *what, ql_error *err)
{
    if (more > limit || count > limit - more) return ql__fail(err, QL_E_LIMIT, "the capture has more than %zu %s", limit, what);
    return ql__array_reserve(items, capacity, count + more, size) ? QL_OK : ql__fail_nomem(err);
}
#define RESERVE(table, more, limit, what) \
    QL_TRY(reserve(&self->table, &self->table##_capacity, self->table##_count, (more), sizeof *self->table, (limit), (what), err))

/*
 * The index of a key that is kept once. Where it was not there it becomes `next`, and *kept is the copy of the key; else kept->ptr is NULL. The caller
 * has made room for the row before, so that map and table cannot come apart.
 */
static ql_status intern(ql__profile *self, ql__map *ids, ql_str key, size_t next, uint32_t *id, ql_str *kept, ql_error *err)
{
    const uint64_t *known = ql__map_find(ids, key);
    *kept = (ql_str){0};
    if (known != NULL) {
        *id = (uint32_t)*known;
        return QL_OK;
    }
    if (key.len > QL_LIMIT_PROFILE_ARENA_BYTES / 2 || self->arena.used_bytes + key.len > QL_LIMIT_PROFILE_ARENA_BYTES - 1024)
        return ql__fail(err, QL_E_LIMIT, "the texts and stacks of the capture take more than %zu bytes", QL_LIMIT_PROFILE_ARENA_BYTES);
    if (!ql__arena_copy(&self->arena, key, kept)) return ql__fail_nomem(err);
    uint64_t *place = ql__map_insert(ids, *kept, NULL);
    if (place == NULL) return ql__fail_nomem(err);
    *place = next;
    *id = (uint32_t)next;
    return QL_OK;
}

/* The text with U+FFFD for each byte that is not UTF-8. */
static ql_status repaired(ql_str text, ql_buf *out, ql_error *err)
{
    for (size_t at = 0; at < text.len;) {
        uint32_t code;
        char bytes[4];
        at += ql__utf8_next(text, at, &code);
        (void)ql_buf_append(out, (ql_str){bytes, ql__utf8_put(code, bytes)});
    }
    return out->status < 0 ? ql__fail_status(err, out->status) : QL_OK;
}

static ql_status string_add(ql__profile *self, ql_str text, uint32_t *id, ql_error *err)
{
    ql_str kept;
    RESERVE(strings, 1, QL_LIMIT_PROFILE_ROWS, "texts");
    QL_TRY(intern(self, &self->string_ids, text, self->strings_count, id, &kept, err));
    if (kept.ptr != NULL) self->strings[self->strings_count++] = kept;
    return QL_OK;
}

ql_status ql__profile_string(ql__profile *self, ql_str text, uint32_t *id, ql_error *err)
{
    if (ql__utf8_valid(text)) return string_add(self, text, id, err);
    ql_buf sound;
    ql_buf_init(&sound, 4 * text.len + 1);
    ql_status status = repaired(text, &sound, err);
    if (status >= 0) status = string_add(self, ql_buf_str(&sound), id, err);
    ql_buf_dispose(&sound);
    return status;
}

ql_status ql__profile_function_add(ql__profile *self, const ql__profile_function *function, uint32_t *id, ql_error *err)
{
    assert(function->name < self->strings_count && function->file < self->strings_count && function->module < self->strings_count);
    ql_str kept;
    RESERVE(functions, 1, QL_LIMIT_PROFILE_ROWS, "functions");
    const uint32_t key[4] = {function->name, function->file, function->module, function->start_line};
    QL_TRY(intern(self, &self->function_ids, (ql_str){(const char *)key, sizeof key}, self->functions_count, id, &kept, err));
    if (kept.ptr != NULL) self->functions[self->functions_count++] = *function;
    return QL_OK;
}

ql_status ql__profile_location_add(ql__profile *self, uint32_t module, uint64_t address, const ql__profile_line *lines, size_t count, uint32_t *id,
                                   ql_error *err)
{
    assert(module <= self->modules_count && count > 0 && count <= QL_LIMIT_PROFILE_INLINED);
    ql_str kept;
    RESERVE(locations, 1, QL_LIMIT_PROFILE_ROWS, "places in the code");
    RESERVE(lines, count, 4 * QL_LIMIT_PROFILE_ROWS, "lines of code");
    uint32_t key[3 + 2 * QL_LIMIT_PROFILE_INLINED] = {module, (uint32_t)address, (uint32_t)(address >> 32)};
    for (size_t i = 0; i < count; i++) {
        assert(lines[i].function < self->functions_count);
        key[3 + 2 * i] = lines[i].function;
        key[4 + 2 * i] = lines[i].line;
    }
    QL_TRY(intern(self, &self->location_ids, (ql_str){(const char *)key, (3 + 2 * count) * sizeof *key}, self->locations_count, id, &kept, err));
    if (kept.ptr == NULL) return QL_OK;
    self->locations[self->locations_count++] = (ql__profile_location){address, module, (uint32_t)self->lines_count, (uint32_t)count};
    memcpy(self->lines + self->lines_count, lines, count * sizeof *lines);
    self->lines_count += count;
    return QL_OK;
}

ql_status ql__profile_stack_add(ql__profile *self, const uint32_t *locations, size_t count, bool truncated, uint32_t *id, ql_error *err)
{
    ql_str kept;
    uint32_t key[QL_LIMIT_PROFILE_DEPTH + 1] = {truncated};
    if (count > QL_LIMIT_PROFILE_DEPTH) return ql__fail(err, QL_E_LIMIT, "a stack has %zu frames, limit %d", count, QL_LIMIT_PROFILE_DEPTH);
    RESERVE(stacks, 1, QL_LIMIT_PROFILE_ROWS, "stacks");
    RESERVE(stack_locations, count, 16 * QL_LIMIT_PROFILE_ROWS, "frames");
    for (size_t i = 0; i < count; i++) {
        assert(locations[i] < self->locations_count);
        key[1 + i] = locations[i];
    }
    QL_TRY(intern(self, &self->stack_ids, (ql_str){(const char *)key, (1 + count) * sizeof *key}, self->stacks_count, id, &kept, err));
    if (kept.ptr == NULL) return QL_OK;
    self->stacks[self->stacks_count++] = (ql__profile_stack){(uint32_t)self->stack_locations_count, (uint32_t)count, truncated};
    if (count > 0) memcpy(self->stack_locations + self->stack_locations_count, locations, count * sizeof *locations);
    self->stack_locations_count += count;
    return QL_OK;
}

ql_status ql__profile_labels_add(ql__profile *self, const ql__profile_label *labels, size_t count, uint32_t *id, ql_error *err)
{
    ql_str kept;
    if (count > QL_LIMIT_PROFILE_LABELS) return ql__fail(err, QL_E_LIMIT, "a set has %zu labels, limit %d", count, QL_LIMIT_PROFILE_LABELS);
    RESERVE(labels, 1, QL_LIMIT_PROFILE_ROWS, "sets of labels");
    RESERVE(label_pairs, count, 4 * QL_LIMIT_PROFILE_ROWS, "labels");
    for (size_t i = 0; i < count; i++) assert(labels[i].key < self->strings_count && labels[i].value < self->strings_count);
    QL_TRY(intern(self, &self->label_ids, (ql_str){(const char *)labels, count * sizeof *labels}, self->labels_count, id, &kept, err));
    if (kept.ptr == NULL) return QL_OK;
    self->labels[self->labels_count++] = (ql__profile_labels){(uint32_t)self->label_pairs_count, (uint32_t)count};
    if (count > 0) memcpy(self->label_pairs + self->label_pairs_count, labels, count * sizeof *labels);
    self->label_pairs_count += count;
    return QL_OK;
}

ql_status ql__profile_sample_add(ql__profile *self, ql__sample_kind kind, const ql__profile_sample *sample, const int64_t *values, ql_error *err)
{
    assert(sample->stack < self->stacks_count && sample->labels < self->labels_count && sample->thread <= self->threads_count);
    ql__profile_set *set = &self->sets[kind];
    size_t width = ql__sample_kind_width(kind);
    QL_TRY(reserve(&set->samples, &set->capacity, set->count, 1, sizeof *set->samples, QL_LIMIT_PROFILE_SAMPLES, "samples of a kind", err));
    QL_TRY(reserve(&set->values, &set->values_capacity, set->count * width, width, sizeof *values, QL_LIMIT_PROFILE_SAMPLES * width, "values", err));
    for (size_t i = 0; i < width; i++) {
        int64_t room = QL__SAMPLE_SUM_MAX - set->sums[i], value = values[i] < 0 ? 0 : values[i] < room ? values[i] : room;
        set->values[set->count * width + i] = value;
        set->sums[i] += value;
    }
    set->samples[set->count++] = *sample;
    return QL_OK;
}

/* Rows that no rule but a bound applies to. */
#define PLAIN_TABLE(function, type, table, limit, what) \
    ql_status function(ql__profile *self, const type *row, ql_error *err) \
    { \
        RESERVE(table, 1, (limit), what); \
        self->table[self->table##_count++] = *row; \
        return QL_OK; \
    }

PLAIN_TABLE(ql__profile_module_add, ql__profile_module, modules, QL_LIMIT_PROFILE_MODULES, "mapped files")
PLAIN_TABLE(ql__profile_thread_add, ql__profile_thread, threads, QL_LIMIT_PROFILE_ROWS, "threads")
PLAIN_TABLE(ql__profile_site_add, ql__profile_site, sites, QL_LIMIT_PROFILE_ROWS, "places of spans")
PLAIN_TABLE(ql__profile_attribute_add, ql__profile_attribute, attributes, QL_LIMIT_PROFILE_SAMPLES, "attributes of spans")
PLAIN_TABLE(ql__profile_span_add, ql__profile_span, spans, QL_LIMIT_PROFILE_SAMPLES, "spans")
PLAIN_TABLE(ql__profile_link_add, ql__profile_link, links, QL_LIMIT_PROFILE_SAMPLES, "links of spans")
PLAIN_TABLE(ql__profile_task_add, ql__profile_task, tasks, QL_LIMIT_PROFILE_SAMPLES, "tasks")
PLAIN_TABLE(ql__profile_point_add, ql__profile_point, points, QL_LIMIT_PROFILE_SAMPLES, "values of counters")
PLAIN_TABLE(ql__profile_memory_add, ql__profile_memory, memory, QL_LIMIT_PROFILE_SAMPLES, "measurements of memory")
PLAIN_TABLE(ql__profile_drop_add, ql__profile_drop, drops, QL_LIMIT_PROFILE_MODULES, "kinds of lost events")

static ql_status pair_of(ql__profile *self, ql_str key, ql_str value, ql__profile_pair *out, ql_error *err)
{
    QL_TRY(ql__profile_string(self, key, &out->key, err));
    return ql__profile_string(self, value, &out->value, err);
}

/* A later value of the same key replaces the earlier one. */
ql_status ql__profile_meta_add(ql__profile *self, ql_str key, ql_str value, ql_error *err)
{
    ql__profile_pair pair;
    QL_TRY(pair_of(self, key, value, &pair, err));
    for (size_t i = 0; i < self->meta_count; i++) {
        if (self->meta[i].key != pair.key) continue;
        self->meta[i] = pair;
        return QL_OK;
    }
    RESERVE(meta, 1, QL_LIMIT_PROFILE_NOTES, "facts about itself");
    self->meta[self->meta_count++] = pair;
    return QL_OK;
}

/* Notes beyond the bound are left out: they are for people, who have read enough. */
ql_status ql__profile_note(ql__profile *self, ql_str subject, ql_str text, ql_error *err)
{
    ql__profile_pair pair;
    if (self->notes_count >= QL_LIMIT_PROFILE_NOTES) return QL_OK;
    QL_TRY(pair_of(self, subject, text, &pair, err));
    RESERVE(notes, 1, QL_LIMIT_PROFILE_NOTES, "notes");
    self->notes[self->notes_count++] = pair;
    return QL_OK;
}

/* --- reading ----------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *help;
    size_t width;
} kinds[] = {
#define KIND_ROW(id, name, help, values) {name, help, values},
    QL__SAMPLE_KINDS(KIND_ROW)
#undef KIND_ROW
};

const char *ql__sample_kind_name(ql__sample_kind kind)
{
    return kinds[kind].name;
}

const char *ql__sample_kind_help(ql__sample_kind kind)
{
    return kinds[kind].help;
}

size_t ql__sample_kind_width(ql__sample_kind kind)
{
    return kinds[kind].width;
}

const ql__value_type *ql__sample_value_type(ql__sample_kind kind, size_t value)
{
    static const ql__value_type cpu[] = {{"samples", "count"}, {"cpu", "nanoseconds"}}, wall[] = {{"samples", "count"}, {"wall", "nanoseconds"}},
                                lock[] = {{"contentions", "count"}, {"delay", "nanoseconds"}},
                                heap[] = {{"alloc_objects", "count"}, {"alloc_space", "bytes"}, {"inuse_objects", "count"}, {"inuse_space", "bytes"},
                                          {"peak_objects", "count"}, {"peak_space", "bytes"}, {"leak_objects", "count"}, {"leak_space", "bytes"},
                                          {"temporary_objects", "count"}, {"freed_objects", "count"}, {"lifetime", "nanoseconds"}, {"sampled_objects", "count"}};
    static const ql__value_type *const types[] = {[QL__SAMPLE_CPU] = cpu, [QL__SAMPLE_WALL] = wall, [QL__SAMPLE_LOCK] = lock, [QL__SAMPLE_HEAP] = heap};
    assert(value < ql__sample_kind_width(kind));
    return &types[kind][value];
}

ql_str ql__profile_meta(const ql__profile *self, const char *key)
{
    for (size_t i = 0; i < self->meta_count; i++)
        if (ql_str_equal(ql__profile_text(self, self->meta[i].key), ql_str_of(key))) return ql__profile_text(self, self->meta[i].value);
    return (ql_str){0};
}

uint32_t ql__profile_label_of(const ql__profile *self, uint32_t labels, ql_str key)
{
    const ql__profile_labels *set = &self->labels[labels];
    for (uint32_t i = 0; i < set->count; i++) {
        const ql__profile_label *pair = &self->label_pairs[set->first + i];
        if (ql_str_equal(ql__profile_text(self, pair->key), key)) return pair->value;
    }
    return 0;
}

ql_str ql__path_base(ql_str path)
{
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/') at--;
    if (at == 0) return path; /* also the null pointer of no path, to which nothing may be added */
    return (ql_str){path.ptr + at, path.len - at};
}
