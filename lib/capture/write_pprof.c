/*
 * pprof's profile.proto (github.com/google/pprof, proto/profile.proto): a protobuf message, encoded by hand, as it has five kinds of messages of integers
 * and packed arrays. Ids of locations and functions are the profile's index + 1. Equal samples are added up.
 * Threads: any. Cost: a sort of the samples; one message in memory at a time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "capture/write.h"

/* Field numbers of profile.proto. */
enum {
    PROFILE_SAMPLE_TYPE = 1, PROFILE_SAMPLE = 2, PROFILE_MAPPING = 3, PROFILE_LOCATION = 4, PROFILE_FUNCTION = 5, PROFILE_STRING_TABLE = 6,
    PROFILE_TIME_NANOS = 9, PROFILE_DURATION_NANOS = 10, PROFILE_PERIOD_TYPE = 11, PROFILE_PERIOD = 12, PROFILE_COMMENT = 13, PROFILE_DEFAULT_SAMPLE_TYPE = 14,
    VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT = 2,
    SAMPLE_LOCATION_ID = 1, SAMPLE_VALUE = 2, SAMPLE_LABEL = 3,
    LABEL_KEY = 1, LABEL_STR = 2, LABEL_NUM = 3,
    MAPPING_ID = 1, MAPPING_START = 2, MAPPING_LIMIT = 3, MAPPING_OFFSET = 4, MAPPING_FILENAME = 5, MAPPING_BUILD_ID = 6, MAPPING_HAS_FUNCTIONS = 7,
    MAPPING_HAS_FILENAMES = 8, MAPPING_HAS_LINE_NUMBERS = 9, MAPPING_HAS_INLINE_FRAMES = 10,
    LOCATION_ID = 1, LOCATION_MAPPING = 2, LOCATION_ADDRESS = 3, LOCATION_LINE = 4,
    LINE_FUNCTION = 1, LINE_LINE = 2,
    FUNCTION_ID = 1, FUNCTION_NAME = 2, FUNCTION_SYSTEM_NAME = 3, FUNCTION_FILENAME = 4, FUNCTION_START_LINE = 5
};
enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

#define MESSAGE_BYTES_MAX ((size_t)1 << 20) /* a sample: some hundred varints; a text is at most 64 KiB */

/* Texts that the profile's strings do not have: names of values and keys of labels. They come behind those. */
#define EXTRA_TEXTS_MAX 48
typedef struct pprof_writer {
    const ql__profile *profile;
    ql__sample_kind kind;
    ql__sink *sink;
    ql_buf message, part; /* part: a message inside a message, or a packed array */
    const char *extra[EXTRA_TEXTS_MAX];
    size_t extra_count;
} pprof_writer;

static void put_varint(ql_buf *out, uint64_t value)
{
    char bytes[10];
    size_t count = 0;
    for (; value >= 0x80; value >>= 7) bytes[count++] = (char)(value | 0x80);
    bytes[count++] = (char)value;
    (void)ql_buf_append(out, (ql_str){bytes, count});
}

static void put_key(ql_buf *out, unsigned field, unsigned wire)
{
    put_varint(out, (uint64_t)field << 3 | wire);
}

/* proto3: a number that is 0 is left out. */
static void put_number(ql_buf *out, unsigned field, uint64_t value)
{
    if (value == 0) return;
    put_key(out, field, WIRE_VARINT);
    put_varint(out, value);
}

static void put_bytes(ql_buf *out, unsigned field, ql_str bytes)
{
    put_key(out, field, WIRE_BYTES);
    put_varint(out, bytes.len);
    (void)ql_buf_append(out, bytes);
}

/* part as a field of message; part is empty again. */
static void put_part(pprof_writer *self, unsigned field)
{
    put_bytes(&self->message, field, ql_buf_str(&self->part));
    if (self->part.status >= 0) ql_buf_clear(&self->part);
}

/* message as a field of the profile. */
static void put_message(pprof_writer *self, unsigned field)
{
    char head[20];
    ql_buf *message = &self->message;
    if (message->status >= 0 && self->part.status >= 0) {
        ql_buf prefix;
        ql_buf_init(&prefix, sizeof head);
        put_key(&prefix, field, WIRE_BYTES);
        put_varint(&prefix, message->len);
        ql_error err = {0};
        if (prefix.status < 0) ql__sink_fail(self->sink, ql__fail_status(&err, prefix.status), &err);
        ql__sink_put(self->sink, ql_buf_str(&prefix));
        ql__sink_put(self->sink, ql_buf_str(message));
        ql_buf_dispose(&prefix);
        ql_buf_clear(message);
    }
}

static void put_profile_number(pprof_writer *self, unsigned field, uint64_t value)
{
    put_number(&self->message, field, value);
    ql__sink_put(self->sink, ql_buf_str(&self->message));
    if (self->message.status >= 0) ql_buf_clear(&self->message);
}

/* Number of a text of ours in the string table. */
static uint64_t extra_text(pprof_writer *self, const char *text)
{
    for (size_t i = 0; i < self->extra_count; i++)
        if (strcmp(self->extra[i], text) == 0) return self->profile->strings_count + i;
    if (self->extra_count >= EXTRA_TEXTS_MAX) return 0; /* a table of ours, see the test of all kinds */
    self->extra[self->extra_count] = text;
    return self->profile->strings_count + self->extra_count++;
}

static void put_value_type(pprof_writer *self, unsigned field, const ql__value_type *type)
{
    put_number(&self->message, VALUE_TYPE_TYPE, extra_text(self, type->name));
    put_number(&self->message, VALUE_TYPE_UNIT, extra_text(self, type->unit));
    put_message(self, field);
}

static size_t pprof_width(ql__sample_kind kind)
{
    return kind == QL__SAMPLE_HEAP ? QL__HEAP_LEAK_BYTES + 1 : ql__sample_kind_width(kind); /* what is behind it is of our report alone */
}

static void put_types(pprof_writer *self)
{
    for (size_t i = 0; i < pprof_width(self->kind); i++) put_value_type(self, PROFILE_SAMPLE_TYPE, ql__sample_value_type(self->kind, i));
    const ql__value_type *shown = ql__sample_value_type(self->kind, self->kind == QL__SAMPLE_HEAP ? QL__HEAP_INUSE_BYTES : QL__VALUE_NS);
    const ql__value_type period = {self->kind == QL__SAMPLE_HEAP ? "space" : shown->name, shown->unit};
    put_value_type(self, PROFILE_PERIOD_TYPE, &period);
    put_profile_number(self, PROFILE_PERIOD, (uint64_t)self->profile->sets[self->kind].period);
    put_profile_number(self, PROFILE_DEFAULT_SAMPLE_TYPE, extra_text(self, shown->name));
}

/* --- samples ----------------------------------------------------------------------------------------------------------------------- */

typedef struct sample_key {
    uint64_t task;
    uint32_t stack, labels, thread, sample;
    bool waiting;
} sample_key;

static int compare_keys(const void *left, const void *right)
{
    const sample_key *a = left, *b = right;
    if (a->stack != b->stack) return a->stack < b->stack ? -1 : 1;
    if (a->thread != b->thread) return a->thread < b->thread ? -1 : 1;
    if (a->labels != b->labels) return a->labels < b->labels ? -1 : 1;
    if (a->task != b->task) return a->task < b->task ? -1 : 1;
    return (int)a->waiting - (int)b->waiting;
}

static void put_label(pprof_writer *self, uint64_t key, uint64_t text, uint64_t number)
{
    put_number(&self->part, LABEL_KEY, key);
    put_number(&self->part, LABEL_STR, text);
    put_number(&self->part, LABEL_NUM, number);
    put_part(self, SAMPLE_LABEL);
}

static void put_labels(pprof_writer *self, const sample_key *key)
{
    const ql__profile *profile = self->profile;
    const ql__profile_labels *set = &profile->labels[key->labels];
    for (uint32_t i = 0; i < set->count; i++) {
        const ql__profile_label *pair = &profile->label_pairs[set->first + i];
        if (profile->strings[pair->key].len > 0) put_label(self, pair->key, pair->value, 0);
    }
    if (key->thread != 0) {
        const ql__profile_thread *thread = &profile->threads[key->thread - 1];
        if (profile->strings[thread->name].len > 0) put_label(self, extra_text(self, "thread"), thread->name, 0);
        put_label(self, extra_text(self, "thread_id"), 0, thread->id);
    }
    if (key->task != 0) put_label(self, extra_text(self, "task"), 0, key->task);
    if (self->kind == QL__SAMPLE_WALL) put_label(self, extra_text(self, "state"), extra_text(self, key->waiting ? "waiting" : "running"), 0);
}

static void put_sample(pprof_writer *self, const sample_key *key, const int64_t *values)
{
    const ql__profile_stack *stack = &self->profile->stacks[key->stack];
    for (uint32_t i = 0; i < stack->count; i++) put_varint(&self->part, (uint64_t)self->profile->stack_locations[stack->first + i] + 1);
    put_part(self, SAMPLE_LOCATION_ID);
    for (size_t i = 0; i < pprof_width(self->kind); i++) put_varint(&self->part, (uint64_t)values[i]);
    put_part(self, SAMPLE_VALUE);
    put_labels(self, key);
    put_message(self, PROFILE_SAMPLE);
}

static ql_status put_samples(pprof_writer *self, ql_error *err)
{
    const ql__profile_set *set = &self->profile->sets[self->kind];
    size_t width = ql__sample_kind_width(self->kind);
    sample_key *keys = ql__alloc_zero(set->count, sizeof *keys);
    if (keys == NULL) return ql__fail_nomem(err);
    for (size_t i = 0; i < set->count; i++) {
        const ql__profile_sample *sample = &set->samples[i];
        keys[i] = (sample_key){sample->task, sample->stack, sample->labels, sample->thread, (uint32_t)i, sample->waiting};
    }
    qsort(keys, set->count, sizeof *keys, compare_keys);
    for (size_t i = 0, next; i < set->count && !ql__sink_failed(self->sink); i = next) {
        int64_t values[QL__SAMPLE_VALUES_MAX] = {0};
        for (next = i; next < set->count && compare_keys(&keys[i], &keys[next]) == 0; next++)
            for (size_t v = 0; v < width; v++)
                if (__builtin_add_overflow(values[v], set->values[keys[next].sample * width + v], &values[v])) values[v] = INT64_MAX;
        put_sample(self, &keys[i], values);
    }
    ql__free(keys);
    return QL_OK;
}

/* --- code -------------------------------------------------------------------------------------------------------------------------- */

static void put_modules(pprof_writer *self)
{
    for (size_t i = 0; i < self->profile->modules_count; i++) {
        const ql__profile_module *module = &self->profile->modules[i];
        put_number(&self->message, MAPPING_ID, i + 1);
        put_number(&self->message, MAPPING_START, module->start);
        put_number(&self->message, MAPPING_LIMIT, module->end);
        put_number(&self->message, MAPPING_OFFSET, module->file_offset);
        put_number(&self->message, MAPPING_FILENAME, module->path);
        put_number(&self->message, MAPPING_BUILD_ID, module->build_id);
        put_number(&self->message, MAPPING_HAS_FUNCTIONS, module->has_functions);
        put_number(&self->message, MAPPING_HAS_FILENAMES, module->has_lines);
        put_number(&self->message, MAPPING_HAS_LINE_NUMBERS, module->has_lines);
        put_number(&self->message, MAPPING_HAS_INLINE_FRAMES, module->has_lines);
        put_message(self, PROFILE_MAPPING);
    }
}

static void put_locations(pprof_writer *self)
{
    const ql__profile *profile = self->profile;
    for (size_t i = 0; i < profile->locations_count && !ql__sink_failed(self->sink); i++) {
        const ql__profile_location *location = &profile->locations[i];
        put_number(&self->message, LOCATION_ID, i + 1);
        put_number(&self->message, LOCATION_MAPPING, location->module);
        put_number(&self->message, LOCATION_ADDRESS, location->address);
        for (uint32_t l = 0; l < location->line_count; l++) {
            const ql__profile_line *line = &profile->lines[location->line_first + l];
            put_number(&self->part, LINE_FUNCTION, (uint64_t)line->function + 1);
            put_number(&self->part, LINE_LINE, line->line);
            put_part(self, LOCATION_LINE);
        }
        put_message(self, PROFILE_LOCATION);
    }
}

static void put_functions(pprof_writer *self)
{
    for (size_t i = 0; i < self->profile->functions_count && !ql__sink_failed(self->sink); i++) {
        const ql__profile_function *function = &self->profile->functions[i];
        put_number(&self->message, FUNCTION_ID, i + 1);
        put_number(&self->message, FUNCTION_NAME, function->name);
        put_number(&self->message, FUNCTION_SYSTEM_NAME, function->name);
        put_number(&self->message, FUNCTION_FILENAME, function->file);
        put_number(&self->message, FUNCTION_START_LINE, function->start_line);
        put_message(self, PROFILE_FUNCTION);
    }
}

static void put_texts(pprof_writer *self)
{
    for (size_t i = 0; i < self->profile->strings_count + self->extra_count && !ql__sink_failed(self->sink); i++) {
        bool own = i >= self->profile->strings_count;
        ql_str text = own ? ql_str_of(self->extra[i - self->profile->strings_count]) : self->profile->strings[i];
        (void)ql_buf_append(&self->message, text);
        put_message(self, PROFILE_STRING_TABLE);
    }
}

ql_status ql__write_pprof(const ql__profile *profile, ql__sample_kind kind, ql__sink *sink, ql_error *err)
{
    QL_TRY(ql__expect_samples(profile, kind, err));
    pprof_writer self = {.profile = profile, .kind = kind, .sink = sink};
    ql_buf_init(&self.message, MESSAGE_BYTES_MAX);
    ql_buf_init(&self.part, MESSAGE_BYTES_MAX);
    ql__sink_gzip(sink);
    put_types(&self);
    ql_status status = put_samples(&self, err);
    put_modules(&self);
    put_locations(&self);
    put_functions(&self);
    put_profile_number(&self, PROFILE_TIME_NANOS, (uint64_t)profile->numbers.started_unix_ms * 1000000);
    put_profile_number(&self, PROFILE_DURATION_NANOS, profile->numbers.duration_ns);
    put_texts(&self);
    if (status >= 0 && self.message.status < 0) status = ql__fail_status(err, self.message.status);
    if (status >= 0 && self.part.status < 0) status = ql__fail_status(err, self.part.status);
    ql_buf_dispose(&self.message);
    ql_buf_dispose(&self.part);
    return status;
}
