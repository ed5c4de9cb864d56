/*
 * Chrome's trace event format, "JSON Object Format" of its published document: complete events (X) for spans, nestable asynchronous ones (b, e) for tasks,
 * counters (C), flows (s, f) for links, names of process and threads (M). Times are microseconds with three decimals.
 * Threads: any. Cost: streams; links look up their spans in a hash.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "capture/lanes.h"
#include "capture/write.h"

typedef struct trace_writer {
    const ql__profile *profile;
    ql__json_writer json;
    ql__sink *sink;
} trace_writer;

static void put_uint(trace_writer *self, const char *key, uint64_t value)
{
    ql__json_key(&self->json, key);
    ql__json_uint(&self->json, value);
}

static void put_us(trace_writer *self, const char *key, uint64_t ns)
{
    char text[40];
    (void)snprintf(text, sizeof text, "%llu.%03u", (unsigned long long)(ns / 1000), (unsigned)(ns % 1000));
    ql__json_key(&self->json, key);
    ql__json_raw(&self->json, ql_str_of(text));
}

/* thread: index + 1, 0: none. */
static uint64_t tid_of(const trace_writer *self, uint32_t thread)
{
    return thread != 0 ? self->profile->threads[thread - 1].id : 0;
}

static void begin_event(trace_writer *self, const char *phase, ql_str name, const char *category, uint64_t tid)
{
    ql__json_object(&self->json);
    ql__json_member(&self->json, "ph", ql_str_of(phase));
    ql__json_member(&self->json, "name", name);
    if (category != NULL) ql__json_member(&self->json, "cat", ql_str_of(category));
    put_uint(self, "pid", self->profile->numbers.pid);
    put_uint(self, "tid", tid);
}

static void end_event(trace_writer *self)
{
    ql__json_object_end(&self->json);
    ql__sink_flow(self->sink);
}

/* --- names ------------------------------------------------------------------------------------------------------------------------- */

static void put_name(trace_writer *self, const char *what, uint64_t tid, ql_str name)
{
    begin_event(self, "M", ql_str_of(what), NULL, tid);
    ql__json_key(&self->json, "args");
    ql__json_object(&self->json);
    ql__json_member(&self->json, "name", name);
    ql__json_object_end(&self->json);
    end_event(self);
}

static void put_names(trace_writer *self)
{
    ql_str program = ql__path_base(ql__profile_meta(self->profile, "program"));
    put_name(self, "process_name", 0, program.len > 0 ? program : QL_STR("qloader"));
    for (size_t i = 0; i < self->profile->threads_count; i++) {
        const ql__profile_thread *thread = &self->profile->threads[i];
        if (thread->name != 0) put_name(self, "thread_name", thread->id, ql__profile_text(self->profile, thread->name));
    }
}

/* --- spans ------------------------------------------------------------------------------------------------------------------------- */

static void put_attribute(trace_writer *self, const ql__profile_attribute *attribute)
{
    ql__json_key_str(&self->json, ql__profile_text(self->profile, attribute->key));
    switch (attribute->type) {
    case QL__ATTRIBUTE_INT: ql__json_int(&self->json, attribute->i); break;
    case QL__ATTRIBUTE_UINT: ql__json_uint(&self->json, attribute->u); break;
    case QL__ATTRIBUTE_DOUBLE: ql__json_double(&self->json, attribute->d); break;
    case QL__ATTRIBUTE_TEXT: ql__json_string(&self->json, ql__profile_text(self->profile, attribute->text)); break;
    }
}

static void put_labels(trace_writer *self, uint32_t labels)
{
    const ql__profile_labels *set = &self->profile->labels[labels];
    for (uint32_t i = 0; i < set->count; i++) {
        const ql__profile_label *pair = &self->profile->label_pairs[set->first + i];
        ql__json_key_str(&self->json, ql__profile_text(self->profile, pair->key));
        ql__json_string(&self->json, ql__profile_text(self->profile, pair->value));
    }
}

static void put_span(trace_writer *self, const ql__profile_span *span)
{
    const ql__profile_site *site = span->site != 0 ? &self->profile->sites[span->site - 1] : NULL;
    ql_str category = site != NULL ? ql__profile_text(self->profile, site->category) : (ql_str){0};
    begin_event(self, "X", ql__span_title(self->profile, span), NULL, tid_of(self, span->thread));
    ql__json_member(&self->json, "cat", category.len > 0 ? category : QL_STR("span"));
    put_us(self, "ts", span->begin_ns);
    put_us(self, "dur", span->end_ns - span->begin_ns);
    if (span->cpu_ns != UINT64_MAX) put_us(self, "tdur", span->cpu_ns);
    ql__json_key(&self->json, "args");
    ql__json_object(&self->json);
    put_labels(self, span->labels);
    for (uint32_t i = 0; i < span->attribute_count; i++) put_attribute(self, &self->profile->attributes[span->attribute_first + i]);
    if (span->open) {
        ql__json_key(&self->json, "not_ended");
        ql__json_bool(&self->json, true);
    }
    ql__json_object_end(&self->json);
    end_event(self);
}

static ql_status put_spans(trace_writer *self, ql_error *err)
{
    ql__lanes lanes = {0};
    QL_TRY(ql__lanes_of_spans(self->profile, &lanes, err));
    for (size_t i = 0; i < self->profile->spans_count && !ql__sink_failed(self->sink); i++) put_span(self, &self->profile->spans[lanes.order[i]]);
    ql__lanes_free(&lanes);
    return QL_OK;
}

/* An arrow from the end of one span to the begin of another. */
static void put_flow_end(trace_writer *self, const char *phase, size_t id, uint32_t thread, uint64_t at_ns)
{
    begin_event(self, phase, QL_STR("link"), "link", tid_of(self, thread));
    put_uint(self, "id", id + 1);
    put_us(self, "ts", at_ns);
    if (*phase == 'f') ql__json_member(&self->json, "bp", QL_STR("e"));
    end_event(self);
}

static const ql__profile_span *span_of(const ql__profile *profile, const ql__map *ids, uint64_t id)
{
    const uint64_t *index = ql__map_find(ids, (ql_str){(const char *)&id, sizeof id});
    return index != NULL ? &profile->spans[*index] : NULL;
}

static ql_status put_links(trace_writer *self, ql_error *err)
{
    const ql__profile *profile = self->profile;
    ql__map ids;
    ql_status status = QL_OK;
    if (profile->links_count == 0) return QL_OK;
    ql__map_init(&ids, 0x5eed);
    for (size_t i = 0; i < profile->spans_count && status >= 0; i++) {
        uint64_t *index = ql__map_insert(&ids, (ql_str){(const char *)&profile->spans[i].id, sizeof profile->spans[i].id}, NULL);
        if (index == NULL) status = ql__fail_nomem(err);
        else *index = i;
    }
    for (size_t i = 0; i < profile->links_count && status >= 0; i++) {
        const ql__profile_span *from = span_of(profile, &ids, profile->links[i].from_span), *to = span_of(profile, &ids, profile->links[i].to_span);
        if (from == NULL || to == NULL) continue; /* lost, or before the capture */
        put_flow_end(self, "s", i, from->thread, from->begin_ns);
        put_flow_end(self, "f", i, to->thread, to->begin_ns > from->begin_ns ? to->begin_ns : from->begin_ns);
    }
    ql__map_dispose(&ids);
    return status;
}

/* --- tasks, counters, memory --------------------------------------------------------------------------------------------------------- */

static void put_task_end(trace_writer *self, const ql__profile_task *task, ql_str name, const char *phase, uint64_t at_ns)
{
    char id[24]; /* a text: a number of that size would lose its end in readers that have doubles */
    (void)snprintf(id, sizeof id, "0x%llx", (unsigned long long)task->id);
    begin_event(self, phase, name, "task", tid_of(self, task->thread));
    ql__json_member(&self->json, "id", ql_str_of(id));
    put_us(self, "ts", at_ns);
    if (*phase == 'b') {
        ql__json_key(&self->json, "args");
        ql__json_object(&self->json);
        put_uint(self, "busy_ns", task->busy_ns);
        put_uint(self, "ready_ns", task->ready_ns);
        put_uint(self, "idle_ns", task->idle_ns);
        put_uint(self, "polls", task->polls);
        put_uint(self, "longest_poll_ns", task->longest_poll_ns);
        put_labels(self, task->labels);
        ql__json_object_end(&self->json);
    }
    end_event(self);
}

static void put_tasks(trace_writer *self)
{
    for (size_t i = 0; i < self->profile->tasks_count && !ql__sink_failed(self->sink); i++) {
        const ql__profile_task *task = &self->profile->tasks[i];
        ql_str name = ql__profile_text(self->profile, task->name);
        if (name.len == 0) name = QL_STR("task");
        put_task_end(self, task, name, "b", task->begin_ns);
        put_task_end(self, task, name, "e", task->end_ns != 0 ? task->end_ns : self->profile->numbers.duration_ns);
    }
}

static void put_counter(trace_writer *self, ql_str name, uint64_t at_ns, const char *series, double value)
{
    if (!isfinite(value)) return;
    begin_event(self, "C", name, NULL, 0);
    put_us(self, "ts", at_ns);
    ql__json_key(&self->json, "args");
    ql__json_object(&self->json);
    ql__json_key(&self->json, series);
    ql__json_double(&self->json, value);
    ql__json_object_end(&self->json);
    end_event(self);
}

static void put_memory(trace_writer *self)
{
    for (size_t i = 0; i < self->profile->memory_count && !ql__sink_failed(self->sink); i++) {
        const ql__profile_memory *memory = &self->profile->memory[i];
        if (memory->rss != QL__MEMORY_UNKNOWN) put_counter(self, QL_STR("memory.rss"), memory->at_ns, "bytes", (double)memory->rss);
        if (memory->heap != QL__MEMORY_UNKNOWN) put_counter(self, QL_STR("memory.heap"), memory->at_ns, "bytes", (double)memory->heap);
    }
}

ql_status ql__write_trace(const ql__profile *profile, ql__sink *sink, ql_error *err)
{
    trace_writer self = {.profile = profile, .sink = sink};
    ql__json_begin(&self.json, &sink->pending);
    ql__json_object(&self.json);
    ql__json_member(&self.json, "displayTimeUnit", QL_STR("ms"));
    ql__json_key(&self.json, "traceEvents");
    ql__json_array(&self.json);
    put_names(&self);
    QL_TRY(put_spans(&self, err));
    QL_TRY(put_links(&self, err));
    put_tasks(&self);
    for (size_t i = 0; i < profile->points_count; i++)
        put_counter(&self, ql__profile_text(profile, profile->points[i].name), profile->points[i].at_ns, "value", profile->points[i].value);
    put_memory(&self);
    ql__json_array_end(&self.json);
    ql__json_object_end(&self.json);
    return QL_OK;
}
