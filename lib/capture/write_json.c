/*
 * The whole profile as JSON in columns, for a viewer: tables refer to each other by index, as in profile.h; texts are in one table. Times are nanoseconds
 * since the capture began. Ids of spans and tasks become index + 1 of their tables (0: none, or not in the capture), since a reader with doubles would lose
 * the end of an id. See docs/internals/capture.md. Threads: any. Cost: streams; a hash of the ids.
 */
#include "base/array.h"
#include "base/status.h"
#include "capture/write_table.h"

typedef struct json_out {
    const ql__profile *profile;
    ql__json_writer json;
    ql__sink *sink;
    ql__map spans, tasks; /* id -> index + 1 */
} json_out;

static uint64_t index_of(const ql__map *ids, uint64_t id)
{
    const uint64_t *index = id != 0 ? ql__map_find(ids, (ql_str){(const char *)&id, sizeof id}) : NULL;
    return index != NULL ? *index : 0;
}

/* ids: of the first row, the next ones `stride` bytes apart. */
static ql_status index_ids(ql__map *map, const uint64_t *ids, size_t stride, size_t count, ql_error *err)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t *index = ql__map_insert(map, (ql_str){(const char *)ids + i * stride, sizeof *ids}, NULL);
        if (index == NULL) return ql__fail_nomem(err);
        *index = i + 1;
    }
    return QL_OK;
}

static void begin(json_out *self, const char *key)
{
    ql__json_key(&self->json, key);
    ql__json_array(&self->json);
}

static void end(json_out *self)
{
    ql__json_array_end(&self->json);
    ql__sink_flow(self->sink);
}

static void put(json_out *self, uint64_t value)
{
    ql__json_uint(&self->json, value);
    ql__sink_flow(self->sink);
}

/* A column of a table: `key`: [value of row 0, row 1, ...]. */
#define COLUMN(self, key, count, expression) \
    do { \
        begin((self), (key)); \
        for (size_t i = 0; i < (count) && !ql__sink_failed((self)->sink); i++) put((self), (uint64_t)(expression)); \
        end(self); \
    } while (0)

static void put_texts(json_out *self)
{
    begin(self, "strings");
    for (size_t i = 0; i < self->profile->strings_count && !ql__sink_failed(self->sink); i++) {
        ql__json_string(&self->json, self->profile->strings[i]);
        ql__sink_flow(self->sink);
    }
    end(self);
}

static void put_code(json_out *self)
{
    const ql__profile *p = self->profile;
    ql__json_key(&self->json, "functions");
    ql__json_object(&self->json);
    COLUMN(self, "name", p->functions_count, p->functions[i].name);
    COLUMN(self, "file", p->functions_count, p->functions[i].file);
    COLUMN(self, "module", p->functions_count, p->functions[i].module);
    COLUMN(self, "line", p->functions_count, p->functions[i].start_line);
    ql__json_object_end(&self->json);
    ql__json_key(&self->json, "frames");
    ql__json_object(&self->json);
    COLUMN(self, "function", p->lines_count, p->lines[i].function);
    COLUMN(self, "line", p->lines_count, p->lines[i].line);
    ql__json_object_end(&self->json);
    begin(self, "stacks"); /* indexes of frames, leaf first, inlined ones included */
    for (size_t i = 0; i < p->stacks_count && !ql__sink_failed(self->sink); i++) {
        uint32_t line;
        ql__json_array(&self->json);
        for (ql__frame_iter frames = ql__frames_of(p, (uint32_t)i); ql__frame_next(&frames, &line);) put(self, line);
        ql__json_array_end(&self->json);
    }
    end(self);
}

static void put_labels(json_out *self)
{
    const ql__profile *p = self->profile;
    begin(self, "labels"); /* [key, value, key, value ...] a set */
    for (size_t i = 0; i < p->labels_count && !ql__sink_failed(self->sink); i++) {
        ql__json_array(&self->json);
        for (uint32_t k = 0; k < p->labels[i].count; k++) {
            put(self, p->label_pairs[p->labels[i].first + k].key);
            put(self, p->label_pairs[p->labels[i].first + k].value);
        }
        ql__json_array_end(&self->json);
    }
    end(self);
}

static void put_set(json_out *self, ql__sample_kind kind)
{
    const ql__profile_set *set = &self->profile->sets[kind];
    size_t width = ql__sample_kind_width(kind);
    ql__json_key(&self->json, ql__sample_kind_name(kind));
    ql__json_object(&self->json);
    ql__json_key(&self->json, "period");
    ql__json_int(&self->json, set->period);
    COLUMN(self, "stack", set->count, set->samples[i].stack);
    COLUMN(self, "labels", set->count, set->samples[i].labels);
    COLUMN(self, "thread", set->count, set->samples[i].thread);
    COLUMN(self, "at_ns", set->count, set->samples[i].at_ns);
    COLUMN(self, "span", set->count, index_of(&self->spans, set->samples[i].span));
    COLUMN(self, "task", set->count, index_of(&self->tasks, set->samples[i].task));
    if (kind == QL__SAMPLE_WALL) COLUMN(self, "waiting", set->count, set->samples[i].waiting);
    ql__json_key(&self->json, "values");
    ql__json_object(&self->json);
    for (size_t v = 0; v < width; v++) COLUMN(self, ql__sample_value_type(kind, v)->name, set->count, set->values[i * width + v]);
    ql__json_object_end(&self->json);
    ql__json_object_end(&self->json);
}

static void put_threads(json_out *self)
{
    const ql__profile *p = self->profile;
    ql__json_key(&self->json, "threads");
    ql__json_object(&self->json);
    COLUMN(self, "id", p->threads_count, p->threads[i].id);
    COLUMN(self, "name", p->threads_count, p->threads[i].name);
    COLUMN(self, "begin_ns", p->threads_count, p->threads[i].begin_ns);
    COLUMN(self, "end_ns", p->threads_count, p->threads[i].end_ns);
    COLUMN(self, "cpu_ns", p->threads_count, p->threads[i].cpu_ns);
    ql__json_object_end(&self->json);
}

static void put_attributes(json_out *self)
{
    const ql__profile *p = self->profile;
    begin(self, "attributes"); /* [key, value, ...] a span */
    for (size_t i = 0; i < p->spans_count && !ql__sink_failed(self->sink); i++) {
        ql__json_array(&self->json);
        for (uint32_t k = 0; k < p->spans[i].attribute_count; k++) {
            const ql__profile_attribute *attribute = &p->attributes[p->spans[i].attribute_first + k];
            put(self, attribute->key);
            switch (attribute->type) {
            case QL__ATTRIBUTE_INT: ql__json_int(&self->json, attribute->i); break;
            case QL__ATTRIBUTE_UINT: ql__json_uint(&self->json, attribute->u); break;
            case QL__ATTRIBUTE_DOUBLE: ql__json_double(&self->json, attribute->d); break;
            case QL__ATTRIBUTE_TEXT: ql__json_string(&self->json, ql__profile_text(p, attribute->text)); break;
            }
        }
        ql__json_array_end(&self->json);
    }
    end(self);
}

static void put_spans(json_out *self)
{
    const ql__profile *p = self->profile;
    ql__json_key(&self->json, "sites");
    ql__json_object(&self->json);
    COLUMN(self, "name", p->sites_count, p->sites[i].name);
    COLUMN(self, "category", p->sites_count, p->sites[i].category);
    COLUMN(self, "function", p->sites_count, p->sites[i].function);
    COLUMN(self, "file", p->sites_count, p->sites[i].file);
    COLUMN(self, "line", p->sites_count, p->sites[i].line);
    ql__json_object_end(&self->json);
    ql__json_key(&self->json, "spans");
    ql__json_object(&self->json);
    COLUMN(self, "parent", p->spans_count, index_of(&self->spans, p->spans[i].parent));
    COLUMN(self, "task", p->spans_count, index_of(&self->tasks, p->spans[i].task));
    COLUMN(self, "site", p->spans_count, p->spans[i].site);
    COLUMN(self, "thread", p->spans_count, p->spans[i].thread);
    COLUMN(self, "labels", p->spans_count, p->spans[i].labels);
    COLUMN(self, "begin_ns", p->spans_count, p->spans[i].begin_ns);
    COLUMN(self, "end_ns", p->spans_count, p->spans[i].end_ns);
    put_attributes(self);
    ql__json_object_end(&self->json);
    ql__json_key(&self->json, "links");
    ql__json_object(&self->json);
    COLUMN(self, "from", p->links_count, index_of(&self->spans, p->links[i].from_span));
    COLUMN(self, "to", p->links_count, index_of(&self->spans, p->links[i].to_span));
    ql__json_object_end(&self->json);
}

static void put_tasks(json_out *self)
{
    const ql__profile *p = self->profile;
    ql__json_key(&self->json, "tasks");
    ql__json_object(&self->json);
    COLUMN(self, "parent", p->tasks_count, index_of(&self->tasks, p->tasks[i].parent));
    COLUMN(self, "name", p->tasks_count, p->tasks[i].name);
    COLUMN(self, "site", p->tasks_count, p->tasks[i].site);
    COLUMN(self, "labels", p->tasks_count, p->tasks[i].labels);
    COLUMN(self, "begin_ns", p->tasks_count, p->tasks[i].begin_ns);
    COLUMN(self, "end_ns", p->tasks_count, p->tasks[i].end_ns);
    COLUMN(self, "busy_ns", p->tasks_count, p->tasks[i].busy_ns);
    COLUMN(self, "ready_ns", p->tasks_count, p->tasks[i].ready_ns);
    COLUMN(self, "idle_ns", p->tasks_count, p->tasks[i].idle_ns);
    COLUMN(self, "polls", p->tasks_count, p->tasks[i].polls);
    COLUMN(self, "longest_poll_ns", p->tasks_count, p->tasks[i].longest_poll_ns);
    COLUMN(self, "state", p->tasks_count, p->tasks[i].state); /* 0 not known, 1 ready, 2 running, 3 waiting, 4 ended */
    COLUMN(self, "wait_on", p->tasks_count, p->tasks[i].wait_on);
    ql__json_object_end(&self->json);
}

/* A measurement that was not made is null. */
static void put_bytes(json_out *self, const char *key, size_t offset)
{
    begin(self, key);
    for (size_t i = 0; i < self->profile->memory_count && !ql__sink_failed(self->sink); i++) {
        uint64_t bytes = *(const uint64_t *)(const void *)((const char *)&self->profile->memory[i] + offset);
        if (bytes == QL__MEMORY_UNKNOWN) ql__json_null(&self->json);
        else put(self, bytes);
    }
    end(self);
}

static void put_curves(json_out *self)
{
    const ql__profile *p = self->profile;
    ql__json_key(&self->json, "counters");
    ql__json_object(&self->json);
    COLUMN(self, "name", p->points_count, p->points[i].name);
    COLUMN(self, "at_ns", p->points_count, p->points[i].at_ns);
    begin(self, "value");
    for (size_t i = 0; i < p->points_count && !ql__sink_failed(self->sink); i++) {
        ql__json_double(&self->json, p->points[i].value);
        ql__sink_flow(self->sink);
    }
    end(self);
    ql__json_object_end(&self->json);
    ql__json_key(&self->json, "memory");
    ql__json_object(&self->json);
    COLUMN(self, "at_ns", p->memory_count, p->memory[i].at_ns);
    put_bytes(self, "rss", offsetof(ql__profile_memory, rss));
    put_bytes(self, "file", offsetof(ql__profile_memory, file));
    put_bytes(self, "anonymous", offsetof(ql__profile_memory, anonymous));
    put_bytes(self, "heap", offsetof(ql__profile_memory, heap));
    put_bytes(self, "slack", offsetof(ql__profile_memory, slack));
    put_bytes(self, "mapped", offsetof(ql__profile_memory, mapped));
    ql__json_object_end(&self->json);
}

static void put_meta(json_out *self)
{
    ql__json_key(&self->json, "meta");
    ql__json_object(&self->json);
    for (size_t i = 0; i < self->profile->meta_count; i++) {
        ql__json_key_str(&self->json, ql__profile_text(self->profile, self->profile->meta[i].key));
        ql__json_string(&self->json, ql__profile_text(self->profile, self->profile->meta[i].value));
    }
    ql__json_object_end(&self->json);
    ql__json_key(&self->json, "cpu_ns");
    ql__json_uint(&self->json, self->profile->numbers.cpu_ns);
    ql__json_key(&self->json, "memory_peak_bytes");
    ql__json_uint(&self->json, self->profile->numbers.memory_peak_bytes);
}

static void put_all(json_out *self)
{
    ql__json_begin(&self->json, &self->sink->pending);
    ql__json_object(&self->json);
    ql__json_key(&self->json, "version");
    ql__json_int(&self->json, 1);
    ql__put_capture_members(&self->json, self->profile);
    put_meta(self);
    put_texts(self);
    put_code(self);
    put_labels(self);
    put_threads(self);
    ql__json_key(&self->json, "samples");
    ql__json_object(&self->json);
    for (int k = 0; k < QL__SAMPLE_KIND_COUNT; k++) put_set(self, (ql__sample_kind)k);
    ql__json_object_end(&self->json);
    put_spans(self);
    put_tasks(self);
    put_curves(self);
    ql__json_object_end(&self->json);
}

ql_status ql__write_json(const ql__profile *profile, ql__sink *sink, ql_error *err)
{
    json_out self = {.profile = profile, .sink = sink};
    ql__map_init(&self.spans, 0x5eed);
    ql__map_init(&self.tasks, 0x5eed);
    ql_status status = profile->spans_count > 0 ? index_ids(&self.spans, &profile->spans->id, sizeof *profile->spans, profile->spans_count, err) : QL_OK;
    if (status >= 0 && profile->tasks_count > 0) status = index_ids(&self.tasks, &profile->tasks->id, sizeof *profile->tasks, profile->tasks_count, err);
    if (status >= 0) put_all(&self);
    ql__map_dispose(&self.spans);
    ql__map_dispose(&self.tasks);
    return status;
}
