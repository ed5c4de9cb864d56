/*
 * What each record of capture.qprof becomes. A record whose ids or counts cannot be right answers QL_E_FORMAT and is left out; nothing of it stays.
 * First pass: all but samples and allocations. Second pass: those. Threads: one.
 */
#include <math.h>
#include <string.h>

#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"
#include "capture/read_internal.h"

/* A later writer's structure is longer, an earlier one's shorter: what is missing is 0. */
static void copy_fixed(const ql__raw_record *record, void *out, size_t size)
{
    memset(out, 0, size);
    memcpy(out, record->fixed, record->fixed_size < size ? record->fixed_size : size);
}

static ql_status refuse(ql_error *err)
{
    return ql__fail(err, QL_E_FORMAT, "a record cannot be right");
}

/* --- ids ------------------------------------------------------------------------------------------------------------------------------ */

/* Ids are given one after the other; several threads write theirs in nearly that order. Those of a damaged piece are missing: no more than had room in it. */
#define ID_SLACK 4096

static bool can_define(const ql__reader *self, const ql__id_table *table, uint32_t id)
{
    return id != 0 && id <= QL__QPROF_ID_MAX && id <= 2 * table->defined + ID_SLACK + self->gap_bytes / sizeof(ql__qprof_record) && (id >= table->count || table->index[id] == 0);
}

/* To be asked before: can_define. */
static ql_status define(ql__id_table *table, uint32_t id, uint32_t index, ql_error *err)
{
    if (!ql__array_reserve(&table->index, &table->capacity, (size_t)id + 1, sizeof *table->index)) return ql__fail_nomem(err);
    for (; table->count <= id; table->count++) table->index[table->count] = 0;
    if (table->index[id] == 0) table->defined++;
    table->index[id] = index + 1;
    return QL_OK;
}

/* Index + 1, 0: not defined. */
static uint32_t defined(const ql__id_table *table, uint32_t id)
{
    return id < table->count ? table->index[id] : 0;
}

/* A string of the profile; one that is not defined is empty. */
static uint32_t string_of(const ql__reader *self, uint32_t id)
{
    uint32_t index = defined(&self->strings, id);
    return index > 0 ? index - 1 : 0;
}

static uint32_t labels_of(const ql__reader *self, uint32_t id)
{
    uint32_t index = defined(&self->labels, id);
    return index > 0 ? index - 1 : 0;
}

/* Notes a moment that was seen. */
static void see(ql__reader *self, uint64_t time_ns)
{
    if (time_ns == 0) return;
    if (self->first_ns == 0 || time_ns < self->first_ns) self->first_ns = time_ns;
    if (time_ns > self->last_ns) self->last_ns = time_ns;
}

/* --- texts, files, stacks ------------------------------------------------------------------------------------------------------------- */

static ql_status take_string(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_string string;
    uint32_t id = 0;
    copy_fixed(record, &string, sizeof string);
    if (record->tail_size > QL__QPROF_STRING_BYTES_MAX || !can_define(self, &self->strings, string.id)) return refuse(err);
    QL_TRY(ql__profile_string(self->profile, (ql_str){(const char *)record->tail, record->tail_size}, &id, err));
    return define(&self->strings, string.id, id, err);
}

static ql_status take_meta(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_meta meta;
    copy_fixed(record, &meta, sizeof meta);
    ql_str key = ql__profile_text(self->profile, string_of(self, meta.key)), value = ql__profile_text(self->profile, string_of(self, meta.value));
    if (key.len == 0) return refuse(err);
    return ql__profile_meta_add(self->profile, key, value, err);
}

static ql_status take_mapping(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_mapping mapping;
    char hex[2 * 64 + 1];
    copy_fixed(record, &mapping, sizeof mapping);
    if (record->count > 64 || record->count > record->tail_size || mapping.end <= mapping.start || !can_define(self, &self->mappings, mapping.id)) return refuse(err);
    ql__profile_module module = {.start = mapping.start, .end = mapping.end, .file_offset = mapping.file_offset, .load_bias = mapping.load_bias,
                                 .path = string_of(self, mapping.path), .main = (mapping.flags & QL__QPROF_MAPPING_MAIN) != 0};
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < record->count; i++) {
        hex[2 * i] = digits[record->tail[i] >> 4];
        hex[2 * i + 1] = digits[record->tail[i] & 15];
    }
    QL_TRY(ql__profile_string(self->profile, (ql_str){hex, 2 * record->count}, &module.build_id, err));
    QL_TRY(define(&self->mappings, mapping.id, (uint32_t)self->profile->modules_count, err));
    return ql__profile_module_add(self->profile, &module, err);
}

static ql_status take_stack(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_stack stack;
    copy_fixed(record, &stack, sizeof stack);
    if (record->count > QL__QPROF_FRAMES_MAX || record->count * sizeof(ql__qprof_frame) > record->tail_size || !can_define(self, &self->stacks, stack.id)) return refuse(err);
    if (self->raw_stacks_count >= QL_LIMIT_PROFILE_ROWS || self->raw_frames_count + record->count > 16 * QL_LIMIT_PROFILE_ROWS)
        return ql__fail(err, QL_E_LIMIT, "the capture has more than %zu stacks", QL_LIMIT_PROFILE_ROWS);
    if (!ql__array_reserve(&self->raw_stacks, &self->raw_stacks_capacity, self->raw_stacks_count + 1, sizeof *self->raw_stacks) ||
        !ql__array_reserve(&self->raw_frames, &self->raw_frames_capacity, self->raw_frames_count + record->count, sizeof *self->raw_frames))
        return ql__fail_nomem(err);
    QL_TRY(define(&self->stacks, stack.id, (uint32_t)self->raw_stacks_count, err));
    self->raw_stacks[self->raw_stacks_count++] = (ql__raw_stack){.id = stack.id, .first = (uint32_t)self->raw_frames_count, .count = (uint32_t)record->count,
                                                                 .flags = stack.flags, .kernel = string_of(self, stack.kernel)};
    bool exact = (stack.flags & QL__QPROF_STACK_CALL) == 0; /* of frame 0; the others are return addresses: the call is before */
    for (size_t i = 0; i < record->count; i++) {
        ql__qprof_frame frame;
        memcpy(&frame, record->tail + i * sizeof frame, sizeof frame);
        uint64_t pc = frame.pc - (frame.pc > 0 && !(i == 0 && exact));
        self->raw_frames[self->raw_frames_count++] = (ql__raw_frame){pc, defined(&self->mappings, frame.mapping)};
    }
    return QL_OK;
}

/* --- threads, sites, labels ------------------------------------------------------------------------------------------------------------ */

static ql_status take_thread(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_thread thread;
    copy_fixed(record, &thread, sizeof thread);
    see(self, thread.start_ns);
    see(self, thread.end_ns);
    const ql__profile_thread row = {.id = thread.tid, .name = string_of(self, thread.name), .main = (thread.flags & QL__QPROF_THREAD_MAIN) != 0,
                                    .own = (thread.flags & QL__QPROF_THREAD_OWN) != 0, .begin_ns = thread.start_ns, .end_ns = thread.end_ns, .cpu_ns = thread.cpu_ns};
    uint32_t known = defined(&self->threads, thread.id);
    if (known != 0) {
        self->profile->threads[known - 1] = row;
        return QL_OK;
    }
    if (!can_define(self, &self->threads, thread.id)) return refuse(err);
    QL_TRY(define(&self->threads, thread.id, (uint32_t)self->profile->threads_count, err));
    return ql__profile_thread_add(self->profile, &row, err);
}

static ql_status take_site(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_site site;
    copy_fixed(record, &site, sizeof site);
    if (!can_define(self, &self->sites, site.id)) return refuse(err);
    const ql__profile_site row = {string_of(self, site.name), string_of(self, site.category), string_of(self, site.function), string_of(self, site.file), site.line};
    QL_TRY(define(&self->sites, site.id, (uint32_t)self->profile->sites_count, err));
    return ql__profile_site_add(self->profile, &row, err);
}

static ql_status take_labels(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_labels labels;
    ql__profile_label pairs[QL__QPROF_LABELS_MAX];
    uint32_t id = 0;
    copy_fixed(record, &labels, sizeof labels);
    if (record->count > QL__QPROF_LABELS_MAX || record->count * sizeof(ql__qprof_label) > record->tail_size || !can_define(self, &self->labels, labels.id)) return refuse(err);
    for (size_t i = 0; i < record->count; i++) {
        ql__qprof_label label;
        memcpy(&label, record->tail + i * sizeof label, sizeof label);
        pairs[i] = (ql__profile_label){string_of(self, label.key), string_of(self, label.value)};
    }
    QL_TRY(ql__profile_labels_add(self->profile, pairs, record->count, &id, err));
    return define(&self->labels, labels.id, id, err);
}

/* --- spans and tasks ------------------------------------------------------------------------------------------------------------------- */

static ql_status take_attributes(ql__reader *self, const ql__raw_record *record, ql__profile_span *span, ql_error *err)
{
    span->attribute_first = (uint32_t)self->profile->attributes_count;
    for (size_t i = 0; i < record->count; i++) {
        ql__qprof_attribute raw;
        memcpy(&raw, record->tail + i * sizeof raw, sizeof raw);
        ql__profile_attribute attribute = {.key = string_of(self, raw.key)};
        switch (raw.type) {
        case QL__QPROF_I64: attribute.type = QL__ATTRIBUTE_INT, memcpy(&attribute.i, &raw.value, sizeof attribute.i); break;
        case QL__QPROF_U64: attribute.type = QL__ATTRIBUTE_UINT, attribute.u = raw.value; break;
        case QL__QPROF_F64: attribute.type = QL__ATTRIBUTE_DOUBLE, memcpy(&attribute.d, &raw.value, sizeof attribute.d); break;
        case QL__QPROF_TEXT: attribute.type = QL__ATTRIBUTE_TEXT, attribute.text = raw.value <= UINT32_MAX ? string_of(self, (uint32_t)raw.value) : 0; break;
        default: continue; /* of a later writer */
        }
        QL_TRY(ql__profile_attribute_add(self->profile, &attribute, err));
        span->attribute_count++;
    }
    return QL_OK;
}

static ql_status take_span(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_span span;
    copy_fixed(record, &span, sizeof span);
    if (span.id == 0 || span.begin_ns == 0 || record->count > QL__QPROF_ATTRIBUTES_MAX || record->count * sizeof(ql__qprof_attribute) > record->tail_size) return refuse(err);
    see(self, span.begin_ns);
    see(self, span.end_ns);
    ql__profile_span row = {.id = span.id, .parent = span.parent, .task = span.task, .begin_ns = span.begin_ns, .end_ns = span.end_ns, .cpu_ns = span.cpu_ns,
                            .site = defined(&self->sites, span.site), .thread = defined(&self->threads, span.thread), .labels = labels_of(self, span.labels)};
    QL_TRY(take_attributes(self, record, &row, err));
    return ql__profile_span_add(self->profile, &row, err);
}

static ql_status take_link(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_link link;
    copy_fixed(record, &link, sizeof link);
    return ql__profile_link_add(self->profile, &(ql__profile_link){link.time_ns, link.from_span, link.to_span}, err);
}

static ql__task_state state_of(unsigned state)
{
    switch (state) {
    case QL__QPROF_TASK_READY: return QL__TASK_READY;
    case QL__QPROF_TASK_RUNNING: return QL__TASK_RUNNING;
    case QL__QPROF_TASK_WAITING: return QL__TASK_WAITING;
    case QL__QPROF_TASK_ENDED: return QL__TASK_ENDED;
    default: return QL__TASK_UNKNOWN;
    }
}

static ql_status take_task(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_task task;
    copy_fixed(record, &task, sizeof task);
    if (task.id == 0) return refuse(err);
    see(self, task.begin_ns);
    see(self, task.end_ns);
    const ql__profile_task row = {.id = task.id, .parent = task.parent, .begin_ns = task.begin_ns, .end_ns = task.end_ns, .busy_ns = task.busy_ns,
                                  .ready_ns = task.ready_ns, .idle_ns = task.idle_ns, .polls = task.polls, .longest_poll_ns = task.longest_poll_ns,
                                  .name = string_of(self, task.name), .site = defined(&self->sites, task.site), .labels = labels_of(self, task.labels),
                                  .thread = defined(&self->threads, task.thread), .wait_on = string_of(self, task.wait_on), .state = state_of(task.state)};
    const uint64_t *known = ql__map_find(&self->tasks, (ql_str){(const char *)&task.id, sizeof task.id});
    if (known != NULL) {
        self->profile->tasks[*known] = row;
        return QL_OK;
    }
    ql_str key;
    if (!ql__arena_copy(&self->task_keys, (ql_str){(const char *)&task.id, sizeof task.id}, &key)) return ql__fail_nomem(err);
    QL_TRY(ql__profile_task_add(self->profile, &row, err));
    uint64_t *index = ql__map_insert(&self->tasks, key, NULL);
    if (index == NULL) return ql__fail_nomem(err);
    *index = self->profile->tasks_count - 1;
    return QL_OK;
}

/* Sizes go into JSON, whose readers have 63 bits at most. */
static uint64_t bytes_of(uint64_t bytes)
{
    return bytes == QL__MEMORY_UNKNOWN || bytes < (uint64_t)INT64_MAX ? bytes : (uint64_t)INT64_MAX;
}

/* --- what is measured over time --------------------------------------------------------------------------------------------------------- */

static ql_status take_counter(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_counter counter;
    copy_fixed(record, &counter, sizeof counter);
    if (counter.name == 0 || !isfinite(counter.value)) return refuse(err);
    see(self, counter.time_ns);
    const ql__profile_point row = {counter.time_ns, counter.value, string_of(self, counter.name), (counter.flags & QL__QPROF_COUNTER_TOTAL) != 0};
    return ql__profile_point_add(self->profile, &row, err);
}

static ql_status take_memory(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_memory memory;
    copy_fixed(record, &memory, sizeof memory);
    see(self, memory.time_ns);
    const ql__profile_memory row = {memory.time_ns, bytes_of(memory.rss), bytes_of(memory.pss), bytes_of(memory.anon), bytes_of(memory.file), bytes_of(memory.heap_inuse), bytes_of(memory.heap_slack),
                                    bytes_of(memory.mapped)};
    return ql__profile_memory_add(self->profile, &row, err);
}

static ql_status take_note(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_note note;
    copy_fixed(record, &note, sizeof note);
    return ql__profile_note(self->profile, QL_STR("collector"), ql__profile_text(self->profile, string_of(self, note.text)), err);
}

/* The last snapshot, but a final one rather than any other. */
static ql_status take_heap(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_heap heap;
    copy_fixed(record, &heap, sizeof heap);
    if (heap.id == 0) return refuse(err);
    if (self->has_heap && self->heap.kind == QL__QPROF_HEAP_FINAL && heap.kind != QL__QPROF_HEAP_FINAL) return QL_OK;
    self->heap = heap;
    self->has_heap = true;
    self->profile->heap = (ql__profile_heap){
        .at_ns = heap.time_ns, .peak_ns = heap.peak_ns, .alloc_count = heap.alloc_count, .alloc_bytes = heap.alloc_bytes, .inuse_count = heap.inuse_count,
        .inuse_bytes = heap.inuse_bytes, .peak_count = heap.peak_count, .peak_bytes = heap.peak_bytes, .interval_first = heap.interval_first, .interval = heap.interval,
        .sampled = heap.sampled, .known = true, .final = heap.kind == QL__QPROF_HEAP_FINAL, .exact = (heap.flags & QL__QPROF_HEAP_EXACT) != 0,
        .library_only = (heap.flags & QL__QPROF_HEAP_LIBRARY_ONLY) != 0};
    return QL_OK;
}

static const char *lost_name(uint32_t kind)
{
    switch (kind) {
    case QL__QPROF_SAMPLE: return "samples";
    case QL__QPROF_STACK: return "stacks of samples";
    case QL__QPROF_ALLOC: return "allocations";
    case QL__QPROF_SPAN: return "spans";
    case QL__QPROF_TASK: return "tasks";
    case QL__QPROF_COUNTER: return "values of counters";
    case QL__QPROF_STRING: return "texts";
    default: return "other events";
    }
}

/* Written at every snapshot: what was lost is told anew each time. */
static ql_status take_end(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    copy_fixed(record, &self->end, sizeof self->end);
    self->has_end = true;
    see(self, self->end.time_ns);
    self->profile->drops_count = 0;
    self->profile->numbers.dropped = 0;
    for (size_t i = 0; i < record->count && (i + 1) * sizeof(ql__qprof_drop) <= record->tail_size && i < 64; i++) {
        ql__qprof_drop drop;
        ql__profile_drop row = {0};
        memcpy(&drop, record->tail + i * sizeof drop, sizeof drop);
        row.count = drop.count;
        if (drop.count == 0) continue;
        QL_TRY(ql__profile_string(self->profile, ql_str_of(lost_name(drop.kind)), &row.what, err));
        QL_TRY(ql__profile_drop_add(self->profile, &row, err));
        if (__builtin_add_overflow(self->profile->numbers.dropped, drop.count, &self->profile->numbers.dropped)) self->profile->numbers.dropped = UINT64_MAX;
    }
    return QL_OK;
}

/* --- second pass ------------------------------------------------------------------------------------------------------------------------ */

static int64_t signed_of(uint64_t value)
{
    return value > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)value;
}

static uint32_t stack_of(const ql__reader *self, uint32_t id)
{
    uint32_t index = defined(&self->stacks, id);
    return index > 0 ? self->raw_stacks[index - 1].stack : 0;
}

/* The labels of a wait, and what was waited for. */
static ql_status labels_with_subject(ql__reader *self, uint32_t labels, uint32_t subject, uint32_t *out, ql_error *err)
{
    ql__profile *profile = self->profile;
    ql__profile_labels set = profile->labels[labels];
    ql__profile_label pairs[QL__QPROF_LABELS_MAX];
    *out = labels;
    if (profile->strings[subject].len == 0 || set.count >= QL__QPROF_LABELS_MAX) return QL_OK;
    if (set.count > 0) memcpy(pairs, profile->label_pairs + set.first, set.count * sizeof *pairs);
    QL_TRY(ql__profile_string(profile, QL_STR("waits_for"), &pairs[set.count].key, err));
    pairs[set.count].value = subject;
    return ql__profile_labels_add(profile, pairs, set.count + 1, out, err);
}

static ql_status take_sample(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_sample sample;
    copy_fixed(record, &sample, sizeof sample);
    ql__sample_kind kind = QL__SAMPLE_CPU;
    switch (sample.kind) {
    case QL__QPROF_CPU: break;
    case QL__QPROF_WALL: kind = QL__SAMPLE_WALL; break;
    case QL__QPROF_LOCK: kind = QL__SAMPLE_LOCK; break;
    default: return QL_OK; /* of a later writer */
    }
    if (!self->second_pass) {
        see(self, sample.time_ns);
        return QL_OK;
    }
    ql__profile_sample row = {.stack = stack_of(self, sample.stack), .labels = labels_of(self, sample.labels), .thread = defined(&self->threads, sample.thread),
                              .at_ns = sample.time_ns, .span = sample.span, .task = sample.task, .waiting = sample.running == QL__QPROF_WAITING};
    const int64_t values[QL__SAMPLE_VALUES_MAX] = {1, signed_of(sample.weight_ns)};
    if (kind == QL__SAMPLE_LOCK) QL_TRY(labels_with_subject(self, row.labels, string_of(self, sample.subject), &row.labels, err));
    return ql__profile_sample_add(self->profile, kind, &row, values, err);
}

static ql_status take_alloc(ql__reader *self, const ql__raw_record *record, ql_error *err)
{
    ql__qprof_alloc alloc;
    copy_fixed(record, &alloc, sizeof alloc);
    if (!self->second_pass || !self->has_heap || alloc.heap != self->heap.id) return QL_OK;
    const int64_t values[QL__SAMPLE_VALUES_MAX] = {
        [QL__HEAP_ALLOC_OBJECTS] = signed_of(alloc.alloc_count), [QL__HEAP_ALLOC_BYTES] = signed_of(alloc.alloc_bytes),
        [QL__HEAP_INUSE_OBJECTS] = signed_of(alloc.inuse_count), [QL__HEAP_INUSE_BYTES] = signed_of(alloc.inuse_bytes),
        [QL__HEAP_PEAK_OBJECTS] = signed_of(alloc.peak_count), [QL__HEAP_PEAK_BYTES] = signed_of(alloc.peak_bytes),
        [QL__HEAP_LEAK_OBJECTS] = signed_of(alloc.old_count), [QL__HEAP_LEAK_BYTES] = signed_of(alloc.old_bytes),
        [QL__HEAP_TEMPORARY] = signed_of(alloc.temporary_count), [QL__HEAP_FREED] = signed_of(alloc.freed_count),
        [QL__HEAP_LIFETIME_NS] = signed_of(alloc.lifetime_ns), [QL__HEAP_SAMPLED] = signed_of(alloc.sampled)};
    const ql__profile_sample row = {.stack = stack_of(self, alloc.stack), .labels = labels_of(self, alloc.labels), .at_ns = self->heap.time_ns};
    return ql__profile_sample_add(self->profile, QL__SAMPLE_HEAP, &row, values, err);
}

ql_status ql__read_record(ql__reader *self, uint32_t kind, const ql__raw_record *record, ql_error *err)
{
    if (kind == QL__QPROF_SAMPLE) return take_sample(self, record, err);
    if (kind == QL__QPROF_ALLOC) return take_alloc(self, record, err);
    if (self->second_pass) return QL_OK;
    switch (kind) {
    case QL__QPROF_META: return take_meta(self, record, err);
    case QL__QPROF_STRING: return take_string(self, record, err);
    case QL__QPROF_MAPPING: return take_mapping(self, record, err);
    case QL__QPROF_STACK: return take_stack(self, record, err);
    case QL__QPROF_THREAD: return take_thread(self, record, err);
    case QL__QPROF_SITE: return take_site(self, record, err);
    case QL__QPROF_LABELS: return take_labels(self, record, err);
    case QL__QPROF_HEAP: return take_heap(self, record, err);
    case QL__QPROF_SPAN: return take_span(self, record, err);
    case QL__QPROF_LINK: return take_link(self, record, err);
    case QL__QPROF_TASK: return take_task(self, record, err);
    case QL__QPROF_COUNTER: return take_counter(self, record, err);
    case QL__QPROF_MEMORY: return take_memory(self, record, err);
    case QL__QPROF_NOTE: return take_note(self, record, err);
    case QL__QPROF_END: return take_end(self, record, err);
    default: return QL_OK; /* of a later writer */
    }
}
