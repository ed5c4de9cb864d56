/*
 * Goal: every output of a capture can be written, is the same twice, is stopped by its callback, and survives memory running out at any point; an empty
 * capture and one of hostile texts give a reason or a sound file. What tools make of the outputs: tests/program/test_prof.py.
 */
#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "capture/read.h"
#include "capture/report.h"
#include "capture/write_table.h"
#include "support/qprof_build.h"

static ql_status read_memory(void *user, uint64_t offset, void *buf, size_t size, ql_error *err)
{
    (void)err;
    memcpy(buf, ((const ql_str *)user)->ptr + offset, size);
    return QL_OK;
}

static ql__profile *read_sample(uint64_t scale)
{
    qprof_build build;
    ql__profile *profile = NULL;
    const ql__read_options options = {.symbols = true};
    qprof_build_sample(&build, QL_CAPTURE_TARGET, scale);
    ql_str bytes = qprof_build_finish(&build);
    assert_int_equal(ql__capture_read_from(ql_test_sys(), read_memory, &bytes, bytes.len, &options, &profile, NULL), QL_OK);
    qprof_build_dispose(&build);
    return profile;
}

static const ql__profile *other; /* what is compared with */

static ql__table_options options_of(ql__sample_kind kind)
{
    return (ql__table_options){.view = {.kind = kind, .value = kind == QL__SAMPLE_HEAP ? QL__HEAP_INUSE_BYTES : QL__VALUE_NS}};
}

static ql_status pprof(const ql__profile *p, ql__sink *sink, ql_error *err)
{
    return ql__write_pprof(p, QL__SAMPLE_CPU, sink, err);
}
static ql_status pprof_wall(const ql__profile *p, ql__sink *sink, ql_error *err)
{
    return ql__write_pprof(p, QL__SAMPLE_WALL, sink, err);
}
static ql_status pprof_heap(const ql__profile *p, ql__sink *sink, ql_error *err)
{
    return ql__write_pprof(p, QL__SAMPLE_HEAP, sink, err);
}
static ql_status pstats(const ql__profile *p, ql__sink *sink, ql_error *err)
{
    const ql__table_options options = options_of(QL__SAMPLE_CPU);
    return ql__write_pstats(p, &options.view, sink, err);
}
static ql_status speedscope(const ql__profile *p, ql__sink *sink, ql_error *err)
{
    const ql__table_options options = options_of(QL__SAMPLE_CPU);
    return ql__write_speedscope(p, &options.view, sink, err);
}
static ql_status collapsed(const ql__profile *p, ql__sink *sink, ql_error *err)
{
    const ql__table_options options = options_of(QL__SAMPLE_WALL);
    return ql__write_collapsed(p, &options.view, sink, err);
}
static ql_status flame(const ql__profile *p, ql__sink *sink, ql_error *err)
{
    const ql__table_options options = options_of(QL__SAMPLE_HEAP);
    return ql__write_flame(p, &options.view, sink, err);
}
static ql_status flame_diff(const ql__profile *p, ql__sink *sink, ql_error *err)
{
    const ql__table_options options = options_of(QL__SAMPLE_CPU);
    return ql__write_flame_diff(other, p, &options.view, sink, err);
}
static ql_status html(const ql__profile *p, ql__sink *sink, ql_error *err)
{
    return ql__write_html(NULL, p, sink, err);
}
static ql_status html_diff(const ql__profile *p, ql__sink *sink, ql_error *err)
{
    return ql__write_html(other, p, sink, err);
}
static ql_status top(const ql__profile *p, ql__sink *sink, ql_error *err)
{
    const ql__table_options options = options_of(QL__SAMPLE_LOCK);
    return ql__write_top_json(p, &options, sink, err);
}
static ql_status diff(const ql__profile *p, ql__sink *sink, ql_error *err)
{
    const ql__table_options options = options_of(QL__SAMPLE_CPU);
    return ql__write_diff_json(other, p, &options, sink, err);
}
static ql_status heap(const ql__profile *p, ql__sink *sink, ql_error *err)
{
    ql__table_options options = options_of(QL__SAMPLE_HEAP);
    options.heap_group = QL__HEAP_GROUP_STACK;
    return ql__write_heap_json(p, &options, sink, err);
}

static const struct {
    const char *name;
    ql_status (*write)(const ql__profile *p, ql__sink *sink, ql_error *err);
    bool any; /* also of a capture that has nothing */
} outputs[] = {{"pprof", pprof, false}, {"pprof of wall", pprof_wall, false}, {"pprof of heap", pprof_heap, false}, {"pstats", pstats, false}, {"speedscope", speedscope, false},
               {"collapsed", collapsed, false}, {"flame", flame, false}, {"flame diff", flame_diff, false}, {"trace", ql__write_trace, true}, {"html", html, true}, {"html diff", html_diff, true}, {"mprof", ql__write_mprof, false},
               {"png", ql__write_memory_png, false}, {"svg", ql__write_memory_svg, false}, {"json", ql__write_json, true}, {"top", top, false}, {"diff", diff, false}, {"heap", heap, false},
               {"report", ql__write_report_md, true}, {"report as json", ql__write_report_json, true}};
#define OUTPUTS (sizeof outputs / sizeof *outputs)

static int take(void *user, const void *data, size_t size)
{
    return ql_buf_append(user, (ql_str){data, size}) < 0 ? -1 : 0;
}

static int refuse(void *user, const void *data, size_t size)
{
    (void)user;
    (void)data;
    (void)size;
    return 9;
}

static ql_status write_to(size_t output, const ql__profile *p, ql__sink_write_fn write_fn, void *user, ql_error *err)
{
    ql__sink sink;
    ql__sink_init(&sink, write_fn, user);
    ql_status status = outputs[output].write(p, &sink, err);
    if (status < 0) ql__sink_fail(&sink, status, NULL);
    ql_status end = ql__sink_finish(&sink, status < 0 ? NULL : err);
    return status < 0 ? status : end;
}

static void test_write__outputs_are_the_same_twice(void **state)
{
    (void)state;
    ql__profile *p = read_sample(1), *q = read_sample(3);
    other = q;
    for (size_t i = 0; i < OUTPUTS; i++) {
        ql_buf one = QL_BUF_INIT, two = QL_BUF_INIT;
        ql_error err = {0};
        if (write_to(i, p, take, &one, &err) < 0 || write_to(i, p, take, &two, &err) < 0) fail_msg("%s: %s", outputs[i].name, err.message);
        assert_true(one.len > 100);
        bool numbered = outputs[i].write == ql__write_memory_svg; /* cairo numbers what it defines, on and on */
        assert_true(numbered || ql_str_equal(ql_buf_str(&one), ql_buf_str(&two)));
        ql_buf_dispose(&one);
        ql_buf_dispose(&two);
    }
    ql__profile_free(p);
    ql__profile_free(q);
}

static void test_write__a_callback_stops_each(void **state)
{
    (void)state;
    ql__profile *p = read_sample(1);
    other = p;
    for (size_t i = 0; i < OUTPUTS; i++) {
        ql_error err = {0};
        assert_int_equal(ql_status_kind(write_to(i, p, refuse, NULL, &err)), QL_E_CALLBACK);
        assert_int_equal(err.callback_value, 9);
    }
    ql__profile_free(p);
}

static void test_write__an_empty_capture_gives_a_reason(void **state)
{
    (void)state;
    ql__profile *p = NULL;
    assert_int_equal(ql__profile_new(&p, NULL), QL_OK);
    other = p;
    for (size_t i = 0; i < OUTPUTS; i++) {
        ql_buf out = QL_BUF_INIT;
        ql_error err = {0};
        ql_status status = write_to(i, p, take, &out, &err);
        assert_int_equal(ql_status_kind(status), outputs[i].any ? QL_OK : QL_E_NOTFOUND);
        if (status < 0) assert_true(err.message[0] != '\0');
        ql_buf_dispose(&out);
    }
    ql__profile_free(p);
}

/* A capture whose texts try to break out of each format, and whose stack is empty. */
static ql__profile *hostile(void)
{
    static const char *const texts[] = {"</title><script>alert(1)</script>", "a;b c\nd\"\\\x01", "]]>&#0;'", ""};
    ql__profile *p = NULL;
    uint32_t ids[4], location, stack;
    assert_int_equal(ql__profile_new(&p, NULL), QL_OK);
    for (size_t i = 0; i < 4; i++) assert_int_equal(ql__profile_string(p, ql_str_of(texts[i]), &ids[i], NULL), QL_OK);
    assert_int_equal(ql__profile_thread_add(p, &(ql__profile_thread){.id = 1, .name = ids[0]}, NULL), QL_OK);
    for (size_t i = 0; i < 4; i++) {
        uint32_t function;
        assert_int_equal(ql__profile_function_add(p, &(ql__profile_function){.name = ids[i], .file = ids[(i + 1) % 4], .module = ids[(i + 2) % 4]}, &function, NULL), QL_OK);
        assert_int_equal(ql__profile_location_add(p, 0, i, &(ql__profile_line){function, 0}, 1, &location, NULL), QL_OK);
        assert_int_equal(ql__profile_stack_add(p, &location, 1, true, &stack, NULL), QL_OK);
        for (int k = 0; k < QL__SAMPLE_KIND_COUNT; k++) {
            const int64_t values[QL__SAMPLE_VALUES_MAX] = {1, INT64_MAX / 100, 1, 1};
            assert_int_equal(ql__profile_sample_add(p, (ql__sample_kind)k, &(ql__profile_sample){.stack = i == 3 ? 0 : stack, .thread = 1}, values, NULL), QL_OK);
        }
    }
    assert_int_equal(ql__profile_span_add(p, &(ql__profile_span){.id = 1, .thread = 1, .end_ns = INT64_MAX}, NULL), QL_OK);
    assert_int_equal(ql__profile_memory_add(p, &(ql__profile_memory){.rss = INT64_MAX, .heap = 1, .file = QL__MEMORY_UNKNOWN}, NULL), QL_OK);
    assert_int_equal(ql__profile_meta_add(p, QL_STR("command_line"), QL_STR("x\ny</title>"), NULL), QL_OK);
    return p;
}

static bool contains(const ql_buf *text, const char *part)
{
    return memmem(text->ptr, text->len, part, strlen(part)) != NULL;
}

static void test_write__texts_of_others_stay_texts(void **state)
{
    (void)state;
    ql__profile *p = hostile();
    other = p;
    for (size_t i = 0; i < OUTPUTS; i++) {
        ql_buf out = QL_BUF_INIT;
        ql_error err = {0};
        if (write_to(i, p, take, &out, &err) < 0) fail_msg("%s: %s", outputs[i].name, err.message);
        if (strstr(outputs[i].name, "flame") != NULL) {
            assert_false(contains(&out, "<script>alert"));
            assert_true(contains(&out, "&lt;/title&gt;&lt;script&gt;"));
        }
        if (outputs[i].write == ql__write_json || outputs[i].write == top || outputs[i].write == speedscope || outputs[i].write == ql__write_trace || outputs[i].write == heap ||
            outputs[i].write == ql__write_report_json) {
            ql__json *json = NULL;
            if (ql__json_parse(ql_buf_str(&out), &json, &err) < 0) fail_msg("%s: %s", outputs[i].name, err.message);
            ql__json_free(json);
        }
        if (outputs[i].write == collapsed) {
            size_t lines = 0;
            for (size_t b = 0; b < out.len; b++) lines += out.ptr[b] == '\n';
            assert_int_equal(lines, 4);
        }
        ql_buf_dispose(&out);
    }
    ql__profile_free(p);
}

typedef struct scenario {
    size_t output;
    const ql__profile *profile;
} scenario;

static int count(void *user, const void *data, size_t size)
{
    (void)data;
    *(size_t *)user += size;
    return 0;
}

static ql_status write_scenario(void *user, ql_error *err)
{
    const scenario *self = user;
    size_t bytes = 0;
    return write_to(self->output, self->profile, count, &bytes, err);
}

static void test_write__survives_running_out_of_memory(void **state)
{
    (void)state;
    ql_test_alloc_install(); /* before the profiles are made */
    ql__profile *p = read_sample(1), *q = read_sample(3);
    other = q;
    for (size_t i = 0; i < OUTPUTS; i++) {
        scenario self = {i, p};
        ql_test_fault_loop(QL_FAULT_ALLOC, write_scenario, &self);
    }
    ql__profile_free(p);
    ql__profile_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write__outputs_are_the_same_twice),
        cmocka_unit_test(test_write__a_callback_stops_each),
        cmocka_unit_test(test_write__an_empty_capture_gives_a_reason),
        cmocka_unit_test(test_write__texts_of_others_stay_texts),
        cmocka_unit_test(test_write__survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
