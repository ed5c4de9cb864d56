#include "support/qprof_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/debug_info.h"
#include "capture/elf_image.h"
#include "support/testing.h"

#define BIAS UINT64_C(0x7f1200000000)
#define MS UINT64_C(1000000)

void qprof_build_init(qprof_build *self)
{
    *self = (qprof_build){.file = QL_BUF_INIT, .payload = QL_BUF_INIT};
    ql__qprof_file head = {.version = QL__QPROF_VERSION, .header_bytes = sizeof head};
    memcpy(head.magic, QL__QPROF_MAGIC, sizeof head.magic);
    (void)ql_buf_append(&self->file, (ql_str){(const char *)&head, sizeof head});
}

void qprof_build_dispose(qprof_build *self)
{
    ql_buf_dispose(&self->file);
    ql_buf_dispose(&self->payload);
}

void qprof_build_chunk_end(qprof_build *self)
{
    if (self->payload.len == 0) return;
    const ql__qprof_chunk chunk = {self->kind, (uint32_t)self->payload.len, ql__qprof_crc32(0, self->payload.ptr, self->payload.len)};
    (void)ql_buf_append(&self->file, (ql_str){(const char *)&chunk, sizeof chunk});
    (void)ql_buf_append(&self->file, ql_buf_str(&self->payload));
    ql_buf_clear(&self->payload);
}

void qprof_build_record(qprof_build *self, uint32_t kind, const void *fixed, size_t fixed_size, const void *tail, size_t tail_size, uint16_t count)
{
    if (kind != self->kind || self->payload.len > 4096) qprof_build_chunk_end(self);
    self->kind = kind;
    const ql__qprof_record record = {(uint32_t)(fixed_size + tail_size), (uint16_t)fixed_size, count};
    (void)ql_buf_append(&self->payload, (ql_str){(const char *)&record, sizeof record});
    (void)ql_buf_append(&self->payload, (ql_str){fixed, fixed_size});
    if (tail_size > 0) (void)ql_buf_append(&self->payload, (ql_str){tail, tail_size});
}

uint32_t qprof_build_string(qprof_build *self, const char *text)
{
    const ql__qprof_string string = {++self->strings};
    qprof_build_record(self, QL__QPROF_STRING, &string, sizeof string, text, strlen(text), 0);
    return string.id;
}

void qprof_build_meta(qprof_build *self, const char *key, const char *value)
{
    ql__qprof_meta meta = {.key = qprof_build_string(self, key)};
    meta.value = qprof_build_string(self, value);
    qprof_build_record(self, QL__QPROF_META, &meta, sizeof meta, NULL, 0, 0);
}

ql_str qprof_build_finish(qprof_build *self)
{
    qprof_build_chunk_end(self);
    assert_int_equal(self->file.status, QL_OK);
    return ql_buf_str(&self->file);
}

/* --- the whole one ---------------------------------------------------------------------------------------------------------------------- */

static uint64_t address_of(const ql__elf_image *image, const char *name)
{
    for (size_t i = 0; i < image->function_count; i++)
        if (ql_str_equal(ql__elf_name(image, &image->functions[i]), ql_str_of(name))) return image->functions[i].start;
    fail_msg("no function %s in the target", name);
    return 0;
}

/* The first address in a function that belongs to what is inlined there. */
static uint64_t inlined_address(const ql__elf_image *image, const char *function)
{
    ql__debug_info *debug = NULL;
    ql__symbol_frame frames[4];
    uint64_t start = address_of(image, function), found = 0;
    assert_int_equal(ql__debug_info_open(image->fd, &debug, NULL), QL_OK);
    for (uint64_t at = start; at < start + 64 && found == 0; at++)
        if (ql__debug_info_find(debug, at, frames, 4) == 2) found = at;
    ql__debug_info_close(debug);
    assert_int_not_equal(found, 0);
    return found;
}

static void put_code(qprof_build *self, const char *target)
{
    ql__elf_image image;
    assert_int_equal(ql__elf_open(ql__sys_default(), target, &image, NULL), QL_OK);
    ql__qprof_mapping mapping = {.start = BIAS, .end = BIAS + 0x100000, .load_bias = BIAS, .noted_ns = QPROF_SAMPLE_START, .id = 1, .flags = QL__QPROF_MAPPING_EXECUTABLE};
    mapping.path = qprof_build_string(self, target);
    qprof_build_record(self, QL__QPROF_MAPPING, &mapping, sizeof mapping, image.build_id.ptr, image.build_id.len, (uint16_t)image.build_id.len);
    uint64_t inner = inlined_address(&image, "capture_hot") + BIAS, hot = address_of(&image, "capture_hot") + BIAS, cold = address_of(&image, "capture_cold") + BIAS,
             entry = address_of(&image, "capture_entry") + BIAS;
    ql__elf_close(&image);
    const ql__qprof_frame stacks[][3] = {{{inner, 1, 0}, {entry + 5, 1, 0}}, {{cold, 1, 0}, {entry + 5, 1, 0}}, {{hot, 1, 0}, {hot + 1, 1, 0}, {entry + 5, 1, 0}},
                                         {{0x1234, 0, 0}, {entry + 5, 1, 0}}};
    const uint16_t counts[] = {2, 2, 3, 2};
    for (uint32_t i = 0; i < 4; i++) {
        ql__qprof_stack stack = {.id = i + 1, .flags = QL__QPROF_STACK_ROOT | (i == 3 ? (uint32_t)QL__QPROF_STACK_GENERATED : 0)};
        if (i == 3) stack.kernel = qprof_build_string(self, "brgemm_f32");
        qprof_build_record(self, QL__QPROF_STACK, &stack, sizeof stack, stacks[i], counts[i] * sizeof stacks[i][0], counts[i]);
    }
}

void qprof_build_allocator_stack(qprof_build *self, const char *target, uint32_t id)
{
    ql__elf_image image;
    assert_int_equal(ql__elf_open(ql__sys_default(), target, &image, NULL), QL_OK);
    const ql__qprof_frame frames[] = {{address_of(&image, "ql__alloc") + BIAS + 1, 1, 0}, {inlined_address(&image, "capture_keep") + BIAS + 1, 1, 0}, {address_of(&image, "capture_entry") + BIAS + 5, 1, 0}};
    ql__elf_close(&image);
    const ql__qprof_stack stack = {.id = id, .flags = QL__QPROF_STACK_ROOT | QL__QPROF_STACK_CALL};
    qprof_build_record(self, QL__QPROF_STACK, &stack, sizeof stack, frames, sizeof frames, 3);
}

void qprof_build_told_stack(qprof_build *self, const char *target, uint32_t id)
{
    ql__elf_image image;
    assert_int_equal(ql__elf_open(ql__sys_default(), target, &image, NULL), QL_OK);
    const ql__qprof_frame frames[] = {{address_of(&image, "capture_told") + BIAS + 1, 1, 0}, {address_of(&image, "malloc") + BIAS + 1, 1, 0}, {address_of(&image, "capture_remember") + BIAS + 1, 1, 0},
                                      {address_of(&image, "capture_entry") + BIAS + 5, 1, 0}};
    ql__elf_close(&image);
    const ql__qprof_stack stack = {.id = id, .flags = QL__QPROF_STACK_ROOT | QL__QPROF_STACK_CALL};
    qprof_build_record(self, QL__QPROF_STACK, &stack, sizeof stack, frames, sizeof frames, 4);
}

static void put_people(qprof_build *self)
{
    const char *names[] = {"main", "worker <1>"};
    for (uint32_t i = 0; i < 2; i++) {
        ql__qprof_thread thread = {.start_ns = QPROF_SAMPLE_START, .end_ns = 0, .cpu_ns = 500 * MS, .id = i + 1, .tid = 100 + i, .flags = i == 0 ? QL__QPROF_THREAD_MAIN : QL__QPROF_THREAD_OWN};
        thread.name = qprof_build_string(self, names[i]);
        qprof_build_record(self, QL__QPROF_THREAD, &thread, sizeof thread, NULL, 0, 0);
    }
    const char *stages[] = {"convert", "embed"};
    for (uint32_t i = 0; i < 2; i++) {
        const ql__qprof_labels labels = {i + 1};
        ql__qprof_label pairs[2];
        pairs[0].key = qprof_build_string(self, "document");
        pairs[0].value = qprof_build_string(self, i == 0 ? "docs/a & b.md" : "docs/\xc3\xa9.md");
        pairs[1].key = qprof_build_string(self, "stage");
        pairs[1].value = qprof_build_string(self, stages[i]);
        qprof_build_record(self, QL__QPROF_LABELS, &labels, sizeof labels, pairs, sizeof pairs, 2);
        ql__qprof_site site = {.id = i + 1, .line = 40 + i};
        site.name = qprof_build_string(self, stages[i]);
        site.category = qprof_build_string(self, "stage");
        site.function = qprof_build_string(self, "run_stage");
        site.file = qprof_build_string(self, "lib/ingest/prepare.c");
        qprof_build_record(self, QL__QPROF_SITE, &site, sizeof site, NULL, 0, 0);
    }
}

static void put_samples(qprof_build *self, uint64_t scale)
{
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t stack = i % 10 < 6 ? 1 : i % 10 < 9 ? 2 : 3;
        ql__qprof_sample sample = {.time_ns = QPROF_SAMPLE_START + (99 - i) * 10 * MS, .weight_ns = 10 * MS * (stack == 2 ? scale : 1), .span = 1 + i % 2, .task = 7,
                                   .thread = 1 + i % 2, .stack = stack, .labels = 1 + i % 2, .kind = QL__QPROF_CPU, .running = QL__QPROF_RUNNING};
        qprof_build_record(self, QL__QPROF_SAMPLE, &sample, sizeof sample, NULL, 0, 0);
        sample.kind = QL__QPROF_WALL;
        sample.running = i % 4 == 0 ? QL__QPROF_WAITING : QL__QPROF_RUNNING;
        qprof_build_record(self, QL__QPROF_SAMPLE, &sample, sizeof sample, NULL, 0, 0);
    }
    ql__qprof_sample kernel = {.time_ns = QPROF_SAMPLE_START + 5 * MS, .weight_ns = 1, .thread = 1, .stack = 4, .kind = QL__QPROF_CPU};
    qprof_build_record(self, QL__QPROF_SAMPLE, &kernel, sizeof kernel, NULL, 0, 0);
    ql__qprof_sample lock = {.time_ns = QPROF_SAMPLE_START + 50 * MS, .weight_ns = 40 * MS, .thread = 2, .stack = 2, .labels = 2, .kind = QL__QPROF_LOCK, .running = QL__QPROF_WAITING};
    lock.subject = qprof_build_string(self, "queue embed full");
    qprof_build_record(self, QL__QPROF_SAMPLE, &lock, sizeof lock, NULL, 0, 0);
}

static void put_heap(qprof_build *self)
{
    const ql__qprof_heap heap = {.time_ns = QPROF_SAMPLE_START + 1000 * MS, .peak_ns = QPROF_SAMPLE_START + 500 * MS, .alloc_count = 1100, .alloc_bytes = 11 << 20, .inuse_count = 110,
                                 .inuse_bytes = 3 << 20, .peak_count = 300, .peak_bytes = 6 << 20, .interval_first = 524288, .interval = 524288, .sampled = 22, .id = 1, .kind = QL__QPROF_HEAP_FINAL};
    qprof_build_record(self, QL__QPROF_HEAP, &heap, sizeof heap, NULL, 0, 0);
    const ql__qprof_alloc allocs[] = {{.alloc_count = 1000, .alloc_bytes = 10 << 20, .inuse_count = 100, .inuse_bytes = 2 << 20, .peak_count = 250, .peak_bytes = 5 << 20, .freed_count = 900,
                                       .lifetime_ns = 900 * MS, .old_count = 90, .old_bytes = 1 << 20, .sampled = 20, .heap = 1, .stack = 1, .labels = 1},
                                      {.alloc_count = 100, .alloc_bytes = 1 << 20, .inuse_count = 10, .inuse_bytes = 1 << 20, .peak_count = 50, .peak_bytes = 1 << 20, .temporary_count = 80,
                                       .sampled = 2, .heap = 1, .stack = 2, .labels = 2}};
    for (size_t i = 0; i < 2; i++) qprof_build_record(self, QL__QPROF_ALLOC, &allocs[i], sizeof allocs[i], NULL, 0, 0);
}

static void put_spans(qprof_build *self)
{
    ql__qprof_attribute attributes[2] = {{.value = 1, .type = QL__QPROF_U64}, {.type = QL__QPROF_TEXT}};
    attributes[0].key = qprof_build_string(self, "texts");
    attributes[1].key = qprof_build_string(self, "statement");
    attributes[1].value = qprof_build_string(self, "SELECT \"x\"");
    const ql__qprof_span spans[] = {
        {.id = 3, .parent = 1, .task = 7, .begin_ns = QPROF_SAMPLE_START + 100 * MS, .end_ns = QPROF_SAMPLE_START + 900 * MS, .cpu_ns = UINT64_MAX, .site = 2, .thread = 1, .labels = 2},
        {.id = 1, .task = 7, .begin_ns = QPROF_SAMPLE_START, .end_ns = QPROF_SAMPLE_START + 500 * MS, .cpu_ns = 400 * MS, .site = 1, .thread = 1, .labels = 1}, /* ends before the one inside it */
        {.id = 2, .task = 7, .begin_ns = QPROF_SAMPLE_START + 200 * MS, .end_ns = 0, .cpu_ns = UINT64_MAX, .site = 2, .thread = 2, .labels = 2}};
    for (size_t i = 0; i < 3; i++) qprof_build_record(self, QL__QPROF_SPAN, &spans[i], sizeof spans[i], attributes, i == 0 ? sizeof attributes : 0, i == 0 ? 2 : 0);
    const ql__qprof_link link = {QPROF_SAMPLE_START + 300 * MS, 1, 2};
    qprof_build_record(self, QL__QPROF_LINK, &link, sizeof link, NULL, 0, 0);
    ql__qprof_task task = {.id = 7, .begin_ns = QPROF_SAMPLE_START, .end_ns = 0, .site = 1, .labels = 1, .thread = 1, .state = QL__QPROF_TASK_RUNNING};
    task.name = qprof_build_string(self, "docs/a & b.md");
    qprof_build_record(self, QL__QPROF_TASK, &task, sizeof task, NULL, 0, 0);
    task.end_ns = QPROF_SAMPLE_START + 950 * MS;
    task.busy_ns = 600 * MS, task.ready_ns = 50 * MS, task.idle_ns = 300 * MS, task.polls = 3, task.longest_poll_ns = 400 * MS, task.state = QL__QPROF_TASK_ENDED;
    qprof_build_record(self, QL__QPROF_TASK, &task, sizeof task, NULL, 0, 0);
}

static void put_curves(qprof_build *self)
{
    uint32_t cpu = qprof_build_string(self, "process.cpu_ns"), queue = qprof_build_string(self, "queue.embed.items");
    for (uint64_t i = 0; i <= 10; i++) {
        const ql__qprof_counter total = {QPROF_SAMPLE_START + i * 100 * MS, (double)(i * 95 * MS), cpu, QL__QPROF_COUNTER_TOTAL};
        const ql__qprof_counter gauge = {QPROF_SAMPLE_START + i * 100 * MS, (double)(i % 4), queue, 0};
        const ql__qprof_memory memory = {.time_ns = QPROF_SAMPLE_START + i * 100 * MS, .rss = (20 + (i < 6 ? 4 * i : 24 - i)) << 20, .pss = UINT64_MAX, .anon = 15 << 20, .file = 5 << 20,
                                         .heap_inuse = (10 + i) << 20, .heap_slack = 1 << 20, .mapped = UINT64_MAX};
        qprof_build_record(self, QL__QPROF_COUNTER, &total, sizeof total, NULL, 0, 0);
        qprof_build_record(self, QL__QPROF_COUNTER, &gauge, sizeof gauge, NULL, 0, 0);
        qprof_build_record(self, QL__QPROF_MEMORY, &memory, sizeof memory, NULL, 0, 0);
    }
}

void qprof_build_sample(qprof_build *self, const char *target, uint64_t scale)
{
    static const char *const meta[][2] = {{"program", "/usr/bin/qloader"}, {"command_line", "qloader ingest --profile"}, {"version", "0.1.0"}, {"pid", "4242"},
                                          {"start_unix_ms", "1700000000000"}, {"start_monotonic_ns", "5000000000"}, {"engine", "ctimer"}, {"cpu_hz", "100"}, {"wall_hz", "100"},
                                          {"heap_interval", "524288"}, {"cores", "2"}, {"stop_monotonic_ns", "6000000000"}, {"some_later_key", "x"}};
    qprof_build_init(self);
    for (size_t i = 0; i < sizeof meta / sizeof *meta; i++) qprof_build_meta(self, meta[i][0], meta[i][1]);
    put_people(self);
    put_code(self, target);
    put_spans(self);
    put_samples(self, scale);
    put_heap(self);
    put_curves(self);
    ql__qprof_note note = {.time_ns = QPROF_SAMPLE_START + 1};
    note.text = qprof_build_string(self, "perf was refused: ctimer is used");
    qprof_build_record(self, QL__QPROF_NOTE, &note, sizeof note, NULL, 0, 0);
    const ql__qprof_drop drop = {QL__QPROF_SAMPLE, 0, 3};
    const ql__qprof_end end = {.time_ns = QPROF_SAMPLE_START + 1000 * MS, .own_ns = 2 * MS, .samples = 201, .rootless = 1, .complete = 1};
    qprof_build_record(self, QL__QPROF_END, &end, sizeof end, &drop, sizeof drop, 1);
}

/* --- the large one ---------------------------------------------------------------------------------------------------------------------- */

#define PARTS UINT64_C(500)
#define PART_BYTES UINT64_C(0x1000)
#define DEEPEST 30

static void put_parts(qprof_build *self)
{
    for (uint64_t i = 0; i < PARTS; i++) {
        char path[64];
        uint64_t start = BIAS + i * PART_BYTES;
        ql__qprof_mapping mapping = {.start = start, .end = start + PART_BYTES, .load_bias = start, .noted_ns = QPROF_SAMPLE_START, .id = (uint32_t)i + 1, .flags = QL__QPROF_MAPPING_EXECUTABLE};
        (void)snprintf(path, sizeof path, "/nowhere/part_%u.so", (unsigned)i);
        mapping.path = qprof_build_string(self, path);
        qprof_build_record(self, QL__QPROF_MAPPING, &mapping, sizeof mapping, NULL, 0, 0);
    }
}

/* The digits of `number` to the base of PARTS are the frames next to the root, which makes the stack one of its own; the others are any. */
static void put_deep_stack(qprof_build *self, uint32_t number)
{
    ql__qprof_frame frames[DEEPEST + 1];
    const ql__qprof_stack stack = {.id = number + 1, .flags = QL__QPROF_STACK_ROOT};
    uint64_t rest = number;
    frames[DEEPEST] = (ql__qprof_frame){BIAS + 8, 1, 0};
    for (uint64_t k = DEEPEST; k-- > 0; rest /= PARTS) {
        uint64_t part = k >= DEEPEST - 4 ? rest % PARTS : (number * UINT64_C(7919) + k * 31) % PARTS;
        frames[k] = (ql__qprof_frame){BIAS + part * PART_BYTES + 8, (uint32_t)part + 1, 0};
    }
    qprof_build_record(self, QL__QPROF_STACK, &stack, sizeof stack, frames, sizeof frames, DEEPEST + 1);
}

void qprof_build_stacks(qprof_build *self, uint32_t count)
{
    qprof_build_init(self);
    qprof_build_meta(self, "program", "/usr/bin/large");
    qprof_build_meta(self, "start_monotonic_ns", "5000000000");
    put_parts(self);
    for (uint32_t i = 0; i < count; i++) put_deep_stack(self, i);
    for (uint32_t i = 0; i < count; i++) {
        const ql__qprof_sample sample = {.time_ns = QPROF_SAMPLE_START + i * UINT64_C(10000), .weight_ns = MS, .stack = i + 1, .kind = QL__QPROF_CPU, .running = QL__QPROF_RUNNING};
        qprof_build_record(self, QL__QPROF_SAMPLE, &sample, sizeof sample, NULL, 0, 0);
    }
    const ql__qprof_end end = {.time_ns = QPROF_SAMPLE_START + count * UINT64_C(10000), .samples = count, .complete = 1};
    qprof_build_record(self, QL__QPROF_END, &end, sizeof end, NULL, 0, 0);
}
