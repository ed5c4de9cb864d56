/*
 * Goal: a capture is read as it was written, names included; one that is cut, damaged or hostile gives what is whole or a reason.
 * Method: a capture with every kind of record, over a library of known functions; the same cut at every length, with every byte changed, with records that
 * cannot be right; every allocation and file call fails once.
 */
#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "capture/profile_query.h"
#include "capture/read.h"
#include "support/qprof_build.h"

static ql_status read_memory(void *user, uint64_t offset, void *buf, size_t size, ql_error *err)
{
    const ql_str *bytes = user;
    if (offset > bytes->len || size > bytes->len - offset) return ql__fail(err, QL_E_IO, "short read");
    memcpy(buf, bytes->ptr + offset, size);
    return QL_OK;
}

static ql_status read_bytes(ql_str bytes, bool symbols, ql__profile **out, ql_error *err)
{
    const ql__read_options options = {.symbols = symbols};
    return ql__capture_read_from(ql_test_sys(), read_memory, &bytes, bytes.len, &options, out, err);
}

static ql__profile *read_sample(void)
{
    qprof_build build;
    ql__profile *profile = NULL;
    ql_error err = {0};
    qprof_build_sample(&build, QL_CAPTURE_TARGET, 1);
    if (read_bytes(qprof_build_finish(&build), true, &profile, &err) < 0) fail_msg("%s", err.message);
    qprof_build_dispose(&build);
    return profile;
}

static const char *text(const ql__profile *profile, uint32_t string)
{
    return profile->strings[string].ptr;
}

static void test_read__gives_every_record(void **state)
{
    (void)state;
    ql__profile *p = read_sample();
    assert_int_equal(p->threads_count, 2);
    assert_string_equal(text(p, p->threads[1].name), "worker <1>");
    assert_int_equal(p->threads[1].id, 101);
    assert_int_equal(p->sites_count, 2);
    assert_string_equal(text(p, p->sites[1].function), "run_stage");
    assert_int_equal(p->sets[QL__SAMPLE_CPU].count, 101);
    assert_int_equal(p->sets[QL__SAMPLE_WALL].count, 100);
    assert_int_equal(p->sets[QL__SAMPLE_LOCK].count, 1);
    assert_int_equal(p->sets[QL__SAMPLE_HEAP].count, 2);
    assert_int_equal(p->sets[QL__SAMPLE_CPU].sums[QL__VALUE_NS], 1000000001);
    assert_int_equal(p->sets[QL__SAMPLE_HEAP].sums[QL__HEAP_LEAK_BYTES], 1 << 20);
    assert_true(p->heap.known && p->heap.final && !p->heap.exact);
    assert_int_equal(p->memory_count, 11);
    assert_int_equal(p->points_count, 22);
    assert_int_equal(p->links_count, 1);
    assert_int_equal(p->tasks_count, 1);
    assert_int_equal(p->tasks[0].longest_poll_ns, 400000000);
    assert_int_equal(p->tasks[0].state, QL__TASK_ENDED);
    assert_int_equal(p->numbers.duration_ns, 1000000000);
    assert_int_equal(p->numbers.cpu_ns, 950000000);
    assert_int_equal(p->numbers.pid, 4242);
    assert_int_equal(p->numbers.dropped, 3);
    assert_int_equal(p->numbers.memory_peak_bytes, 40 << 20);
    assert_true(p->numbers.complete);
    assert_int_equal(p->numbers.started_unix_ms, 1700000000000);
    assert_true(ql_str_equal(ql__profile_meta(p, "some_later_key"), QL_STR("x")));
    assert_int_equal(p->notes_count, 1);
    ql__profile_free(p);
}

static void test_read__knows_what_looks_at_connections_saw(void **state)
{
    (void)state;
    static const char *const meta[][2] = {{"connection_looks", "25"}, {"connection_looks_new", "20"}, {"connections_seen", "40"}, {"connections_seen_new", "32"}, {"machine_connections", "many"}};
    qprof_build build;
    ql__profile *p = NULL;
    qprof_build_init(&build);
    for (size_t i = 0; i < sizeof meta / sizeof *meta; i++) qprof_build_meta(&build, meta[i][0], meta[i][1]);
    assert_int_equal(read_bytes(qprof_build_finish(&build), false, &p, NULL), QL_OK);
    qprof_build_dispose(&build);
    const ql__profile_connections looks = p->numbers.connections;
    assert_true(looks.looks == 25 && looks.looks_new == 20 && looks.seen == 40 && looks.seen_new == 32);
    assert_int_equal(looks.machine, 0); /* no number: not known */
    ql__profile_free(p);
}

static void test_read__orders_by_time_and_ends_open_spans(void **state)
{
    (void)state;
    ql__profile *p = read_sample();
    const ql__profile_set *set = &p->sets[QL__SAMPLE_CPU];
    for (size_t i = 1; i < set->count; i++) assert_true(set->samples[i - 1].at_ns <= set->samples[i].at_ns);
    assert_int_equal(set->samples[0].at_ns, 0);
    /* The one sample of another value went with its own. */
    assert_int_equal(ql__sample_value(p, QL__SAMPLE_CPU, 1, QL__VALUE_NS), 1);
    assert_int_equal(set->samples[1].at_ns, 5000000);
    assert_int_equal(p->spans[2].id, 2);
    assert_true(p->spans[2].open);
    assert_int_equal(p->spans[2].end_ns, 1000000000);
    assert_int_equal(p->spans[1].attribute_count, 2);
    assert_string_equal(text(p, p->attributes[p->spans[1].attribute_first + 1].text), "SELECT \"x\"");
    ql__profile_free(p);
}

static void test_read__names_functions_lines_and_what_is_inlined(void **state)
{
    (void)state;
    ql__profile *p = read_sample();
    static const struct {
        const char *name;
        uint32_t first, last; /* where a compiler puts what */
    } expected[] = {{"capture_inner", 10, 11}, {"capture_hot", 16, 16}, {"capture_entry", 26, 27}};
    bool inner_seen = false;
    for (size_t s = 0; s < p->stacks_count; s++) {
        if (p->stacks[s].count != 2) continue; /* that of the recursion */
        ql__frame_iter frames = ql__frames_of(p, (uint32_t)s);
        uint32_t line, depth = 0;
        while (ql__frame_next(&frames, &line)) {
            const ql__profile_function *f = &p->functions[p->lines[line].function];
            if (depth == 0 && strcmp(text(p, f->name), "capture_inner") != 0) break;
            assert_string_equal(text(p, f->name), expected[depth].name);
            assert_in_range(p->lines[line].line, expected[depth].first, expected[depth].last);
            assert_true(ql_str_equal(ql__path_base(p->strings[f->file]), QL_STR("target.c")));
            inner_seen = true;
            depth++;
        }
    }
    assert_true(inner_seen);
    assert_true(p->modules[0].has_functions && p->modules[0].has_lines);
    ql__profile_free(p);
}

/* An allocation with the stack that build_stack makes belongs to two frames, the inner one first. */
static void expect_asker(void (*build_stack)(qprof_build *, const char *, uint32_t), const char *inner, const char *outer)
{
    qprof_build build;
    ql__profile *p = NULL;
    qprof_build_sample(&build, QL_CAPTURE_TARGET, 1);
    build_stack(&build, QL_CAPTURE_TARGET, 5);
    const ql__qprof_alloc alloc = {.alloc_count = 1, .alloc_bytes = 77, .heap = 1, .stack = 5, .sampled = 1};
    qprof_build_record(&build, QL__QPROF_ALLOC, &alloc, sizeof alloc, NULL, 0, 0);
    assert_int_equal(read_bytes(qprof_build_finish(&build), true, &p, NULL), QL_OK);
    const ql__profile_set *set = &p->sets[QL__SAMPLE_HEAP];
    assert_int_equal(set->count, 3);
    ql__frame_iter frames = ql__frames_of(p, set->samples[2].stack);
    const char *const expected[] = {inner, outer};
    uint32_t line;
    for (size_t i = 0; i < 2; i++) {
        assert_true(ql__frame_next(&frames, &line));
        assert_string_equal(text(p, p->functions[p->lines[line].function].name), expected[i]);
    }
    assert_false(ql__frame_next(&frames, &line));
    ql__profile_free(p);
    qprof_build_dispose(&build);
}

static void test_read__memory_belongs_to_who_asked_for_it(void **state)
{
    (void)state;
    expect_asker(qprof_build_allocator_stack, "capture_keep", "capture_entry");
}

static void test_read__what_a_malloc_tells_with_is_the_allocator(void **state)
{
    (void)state;
    expect_asker(qprof_build_told_stack, "capture_remember", "capture_entry");
}

static void test_read__another_build_is_refused_with_a_note(void **state)
{
    (void)state;
    qprof_build build;
    ql__profile *p = NULL;
    qprof_build_sample(&build, QL_CAPTURE_TARGET, 1);
    qprof_build_finish(&build);
    /* The build id is the tail of the only mapping: find it by the chunk and change it, checksum included. */
    for (size_t at = sizeof(ql__qprof_file); at < build.file.len;) {
        ql__qprof_chunk chunk;
        memcpy(&chunk, build.file.ptr + at, sizeof chunk);
        char *payload = build.file.ptr + at + sizeof chunk;
        if (chunk.kind == QL__QPROF_MAPPING) {
            payload[chunk.size - 1] ^= 1;
            chunk.crc = ql__qprof_crc32(0, payload, chunk.size);
            memcpy(build.file.ptr + at, &chunk, sizeof chunk);
        }
        at += sizeof chunk + chunk.size;
    }
    assert_int_equal(read_bytes(ql_buf_str(&build.file), true, &p, NULL), QL_OK);
    assert_int_equal(p->notes_count, 2);
    assert_non_null(strstr(text(p, p->notes[1].value), "another build"));
    assert_false(p->modules[0].has_functions);
    for (size_t i = 1; i < p->functions_count; i++) assert_null(strstr(text(p, p->functions[i].name), "capture_hot"));
    ql__profile_free(p);
    qprof_build_dispose(&build);
}

static void test_read__a_file_cut_anywhere_gives_what_is_whole(void **state)
{
    (void)state;
    qprof_build build;
    qprof_build_sample(&build, QL_CAPTURE_TARGET, 1);
    ql_str whole = qprof_build_finish(&build);
    size_t records = 0;
    for (size_t length = 0; length < whole.len; length += 1 + length / 97) {
        ql__profile *p = NULL;
        ql_error err = {0};
        ql_status status = read_bytes((ql_str){whole.ptr, length}, false, &p, &err);
        if (status < 0) {
            assert_int_equal(ql_status_kind(status), length < sizeof(ql__qprof_file) ? QL_E_FORMAT : QL_E_CORRUPT);
            assert_true(err.message[0] != '\0');
            continue;
        }
        assert_false(p->numbers.complete);
        size_t now = p->threads_count + p->modules_count + p->stacks_count + p->spans_count + p->points_count + p->sets[QL__SAMPLE_CPU].count;
        assert_true(now >= records); /* a longer file never gives less */
        records = now;
        ql__profile_free(p);
    }
    qprof_build_dispose(&build);
}

static bool has_note(const ql__profile *p, const char *part)
{
    for (size_t i = 0; i < p->notes_count; i++)
        if (strstr(text(p, p->notes[i].value), part) != NULL) return true;
    return false;
}

static void test_read__a_changed_byte_costs_its_chunk_alone(void **state)
{
    (void)state;
    qprof_build build;
    qprof_build_sample(&build, QL_CAPTURE_TARGET, 1);
    ql_str whole = qprof_build_finish(&build);
    for (size_t at = sizeof(ql__qprof_file); at < whole.len;) {
        ql__qprof_chunk chunk;
        char bytes[64];
        memcpy(&chunk, whole.ptr + at, sizeof chunk);
        size_t end = at + sizeof chunk + chunk.size;
        size_t places[] = {at + 4, at + 6, at + 8, at + sizeof chunk, at + sizeof chunk + chunk.size / 2, end - 1}; /* size, checksum, payload */
        snprintf(bytes, sizeof bytes, "bytes %zu to %zu", at, end - 1);
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            ql__profile *p = NULL;
            build.file.ptr[places[i]] ^= 0x20;
            assert_int_equal(read_bytes(whole, false, &p, NULL), QL_OK);
            build.file.ptr[places[i]] ^= 0x20;
            bool last = end == whole.len, cut = has_note(p, "ends in a piece"); /* a size that leads out of the file cannot be told from a cut */
            assert_int_equal(p->numbers.complete, !last);
            if (!cut && !has_note(p, bytes)) fail_msg("no note of %s", bytes);
            if (cut) assert_true(last);
            ql__profile_free(p);
        }
        at = end;
    }
    qprof_build_dispose(&build);
}

static bool has_string(const ql__profile *p, const char *wanted)
{
    for (size_t i = 0; i < p->strings_count; i++)
        if (strcmp(text(p, (uint32_t)i), wanted) == 0) return true;
    return false;
}

static void test_read__what_follows_a_hole_is_read(void **state)
{
    (void)state;
    qprof_build build;
    ql__profile *p = NULL;
    qprof_build_init(&build);
    const char *names[] = {"one", "two", "three"};
    size_t begins[3];
    for (uint32_t i = 0; i < 3; i++) {
        begins[i] = build.file.len;
        const ql__qprof_string string = {i + 1};
        qprof_build_record(&build, QL__QPROF_STRING, &string, sizeof string, names[i], strlen(names[i]), 0);
        qprof_build_chunk_end(&build);
    }
    ql_str bytes = qprof_build_finish(&build);
    memset(build.file.ptr + begins[1], 0, begins[2] - begins[1]); /* a hole, as a disk leaves it */
    assert_int_equal(read_bytes(bytes, false, &p, NULL), QL_OK);
    assert_true(has_note(p, "a piece is damaged and was left out"));
    assert_true(has_string(p, "one") && has_string(p, "three") && !has_string(p, "two"));
    ql__profile_free(p);
    qprof_build_dispose(&build);
}

static void test_read__many_damaged_pieces_are_summed_up(void **state)
{
    (void)state;
    qprof_build build;
    ql__profile *p = NULL;
    qprof_build_init(&build);
    size_t begins[25];
    for (uint32_t i = 0; i < 24; i++) {
        begins[i] = build.file.len;
        const ql__qprof_thread thread = {.id = i + 1, .tid = i};
        qprof_build_record(&build, QL__QPROF_THREAD, &thread, sizeof thread, NULL, 0, 0);
        qprof_build_chunk_end(&build);
    }
    ql_str bytes = qprof_build_finish(&build);
    for (uint32_t i = 1; i < 24; i += 2) build.file.ptr[begins[i] + sizeof(ql__qprof_chunk)] ^= 1;
    assert_int_equal(read_bytes(bytes, false, &p, NULL), QL_OK);
    assert_int_equal(p->threads_count, 12);
    assert_true(has_note(p, "12 pieces are damaged"));
    ql__profile_free(p);
    qprof_build_dispose(&build);
}

static void test_read__records_that_cannot_be_right_are_left_out(void **state)
{
    (void)state;
    qprof_build build;
    ql__profile *p = NULL;
    qprof_build_init(&build);
    uint32_t name = qprof_build_string(&build, "t");
    const ql__qprof_string again = {name}, huge = {QL__QPROF_ID_MAX}, none = {0};
    qprof_build_record(&build, QL__QPROF_STRING, &again, sizeof again, "other", 5, 0);
    qprof_build_record(&build, QL__QPROF_STRING, &huge, sizeof huge, "x", 1, 0);
    qprof_build_record(&build, QL__QPROF_STRING, &none, sizeof none, "x", 1, 0);
    const ql__qprof_stack stack = {.id = 1};
    qprof_build_record(&build, QL__QPROF_STACK, &stack, sizeof stack, "short", 5, 500); /* says more frames than there are */
    const ql__qprof_mapping backwards = {.id = 1, .start = 9, .end = 3};
    qprof_build_record(&build, QL__QPROF_MAPPING, &backwards, sizeof backwards, NULL, 0, 0);
    const ql__qprof_span timeless = {.id = 0};
    qprof_build_record(&build, QL__QPROF_SPAN, &timeless, sizeof timeless, NULL, 0, 0);
    const ql__qprof_sample lost = {.kind = QL__QPROF_CPU, .weight_ns = UINT64_MAX, .stack = 77, .thread = 99, .labels = 1234567, .time_ns = 1};
    for (int i = 0; i < 3; i++) qprof_build_record(&build, QL__QPROF_SAMPLE, &lost, sizeof lost, NULL, 0, 0);
    const char unknown[] = "what a later version writes";
    qprof_build_record(&build, 900, unknown, sizeof unknown, NULL, 0, 0);
    assert_int_equal(read_bytes(qprof_build_finish(&build), true, &p, NULL), QL_OK);
    for (size_t i = 0; i < p->strings_count; i++) assert_true(strcmp(text(p, (uint32_t)i), "x") != 0 && strcmp(text(p, (uint32_t)i), "other") != 0);
    assert_int_equal(p->sets[QL__SAMPLE_CPU].count, 3);
    assert_int_equal(p->sets[QL__SAMPLE_CPU].sums[QL__VALUE_NS], QL__SAMPLE_SUM_MAX);
    assert_int_equal(p->sets[QL__SAMPLE_CPU].samples[0].stack, 0);
    assert_int_equal(p->modules_count + p->spans_count, 0);
    assert_non_null(strstr(text(p, p->notes[0].value), "6 records"));
    ql__profile_free(p);
    qprof_build_dispose(&build);
}

static void test_read__shorter_and_longer_structures_are_understood(void **state)
{
    (void)state;
    qprof_build build;
    ql__profile *p = NULL;
    qprof_build_init(&build);
    const struct {
        ql__qprof_thread thread;
        uint64_t later;
    } longer = {{.start_ns = 5, .id = 1, .tid = 9}, 7};
    const ql__qprof_thread shorter = {.start_ns = 6, .id = 2, .tid = 8};
    qprof_build_record(&build, QL__QPROF_THREAD, &longer, sizeof longer, NULL, 0, 0);
    qprof_build_record(&build, QL__QPROF_THREAD, &shorter, offsetof(ql__qprof_thread, name), NULL, 0, 0);
    assert_int_equal(read_bytes(qprof_build_finish(&build), false, &p, NULL), QL_OK);
    assert_int_equal(p->threads_count, 2);
    assert_int_equal(p->threads[0].id, 9);
    assert_int_equal(p->threads[1].id, 8);
    ql__profile_free(p);
    qprof_build_dispose(&build);
}

static void expect_refused(const char *path, ql_status kind, const char *part)
{
    const ql__read_options options = {.symbols = true};
    ql__profile *p = NULL;
    ql_error err = {0};
    assert_int_equal(ql_status_kind(ql__capture_read(ql_test_sys(), path, &options, &p, &err)), kind);
    assert_null(p);
    if (strstr(err.message, part) == NULL) fail_msg("'%s' does not say '%s'", err.message, part);
}

static void test_read__says_why_a_file_is_none(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    const char *path = ql_test_path(dir, "x.qprof");
    expect_refused(path, QL_E_NOTFOUND, "x.qprof");
    expect_refused(dir, QL_E_IO, "folder");
    ql_test_file_write(path, QL_STR("hello"));
    expect_refused(path, QL_E_FORMAT, "no capture");
    ql_test_file_write(path, QL_STR("a text that is long enough to hold the head of a capture"));
    expect_refused(path, QL_E_FORMAT, "no capture");
    ql__qprof_file head = {.version = 9, .header_bytes = sizeof head};
    memcpy(head.magic, QL__QPROF_MAGIC, sizeof head.magic);
    ql_test_file_write(path, (ql_str){(const char *)&head, sizeof head});
    expect_refused(path, QL_E_UNSUPPORTED, "format 9");
    head.version = QL__QPROF_VERSION;
    ql_test_file_write(path, (ql_str){(const char *)&head, sizeof head});
    expect_refused(path, QL_E_CORRUPT, "not one whole piece");
    head.header_bytes = 3;
    ql_test_file_write(path, (ql_str){(const char *)&head, sizeof head});
    expect_refused(path, QL_E_CORRUPT, "head of the capture");
    ql_test_dir_remove(dir);
}

static ql_status read_scenario(void *user, ql_error *err)
{
    const ql__read_options options = {.symbols = true};
    ql__profile *p = NULL;
    QL_TRY(ql__capture_read(ql_test_sys(), user, &options, &p, err));
    bool named = p->modules[0].has_lines;
    if (!named) ql_test_fault_benign(); /* a symbol file that cannot be read is noted */
    ql__profile_free(p);
    return QL_OK;
}

static void test_read__survives_running_out_of_memory_and_failing_files(void **state)
{
    (void)state;
    qprof_build build;
    char *dir = ql_test_dir_new();
    char path[4096];
    snprintf(path, sizeof path, "%s", ql_test_path(dir, "x.qprof"));
    qprof_build_sample(&build, QL_CAPTURE_TARGET, 1);
    ql_test_file_write(path, qprof_build_finish(&build));
    qprof_build_dispose(&build);
    ql_test_fault_loop(QL_FAULT_ALLOC, read_scenario, path);
    ql_test_fault_ops(QL_TEST_ALL_OPS & ~(unsigned)QL_TEST_CLOSE); /* closing what was only read cannot lose anything */
    ql_test_fault_loop(QL_FAULT_FILE, read_scenario, path);
    ql_test_fault_ops(QL_TEST_ALL_OPS);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read__gives_every_record),
        cmocka_unit_test(test_read__knows_what_looks_at_connections_saw),
        cmocka_unit_test(test_read__orders_by_time_and_ends_open_spans),
        cmocka_unit_test(test_read__names_functions_lines_and_what_is_inlined),
        cmocka_unit_test(test_read__memory_belongs_to_who_asked_for_it),
        cmocka_unit_test(test_read__what_a_malloc_tells_with_is_the_allocator),
        cmocka_unit_test(test_read__another_build_is_refused_with_a_note),
        cmocka_unit_test(test_read__a_file_cut_anywhere_gives_what_is_whole),
        cmocka_unit_test(test_read__a_changed_byte_costs_its_chunk_alone),
        cmocka_unit_test(test_read__what_follows_a_hole_is_read),
        cmocka_unit_test(test_read__many_damaged_pieces_are_summed_up),
        cmocka_unit_test(test_read__records_that_cannot_be_right_are_left_out),
        cmocka_unit_test(test_read__shorter_and_longer_structures_are_understood),
        cmocka_unit_test(test_read__says_why_a_file_is_none),
        cmocka_unit_test(test_read__survives_running_out_of_memory_and_failing_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
