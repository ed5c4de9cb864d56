/*
 * Goal: at least 99 of 100 samples reach the first function of their thread, also inside libraries without frame pointers and in generated code.
 * Method: real work in SQLite, libcurl, oneDNN's kernels and libc under a capture, until enough samples have a frame there (file of its mapping).
 */
#include "support/file_server.h"
#include "support/qprof_read.h"

#include <stdio.h>
#include <stdlib.h>

#include "dep/db.h"
#include "dep/dynlib.h"
#include "dep/http.h"
#include "embed/linear_dnnl.h"

#define WANTED 150 /* samples with a frame in the library */
#define MAPPINGS 4096

typedef struct reach {
    const char *library; /* part of a file's name; NULL: generated code */
    uint64_t samples, rooted;
    char lost[400]; /* the last frames of one that is not */
} reach;

/* For each mapping: whether it is of the library. */
static void find_mappings(ql_str file, const char *library, bool *ours)
{
    qprof_cursor cursor = qprof_begin(file);
    qprof_row row;
    while (qprof_next(&cursor, &row)) {
        ql__qprof_mapping mapping;
        if (row.kind != QL__QPROF_MAPPING) continue;
        qprof_get(&row, &mapping);
        assert_true(mapping.id < MAPPINGS);
        ql_str path = qprof_string(file, mapping.path);
        char text[512];
        snprintf(text, sizeof text, "%.*s", (int)path.len, path.ptr);
        ours[mapping.id] = library != NULL && strstr(text, library) != NULL;
    }
}

/* A sample's stack: bit 0 in the library, bit 1 rooted. */
static uint32_t judge(const qprof_row *row, const ql__qprof_stack *stack, const bool *ours, bool generated)
{
    bool inside = generated && (stack->flags & QL__QPROF_STACK_GENERATED);
    for (uint32_t i = 0; i < row->count && !inside; i++) {
        ql__qprof_frame frame;
        memcpy(&frame, row->tail + i * sizeof frame, sizeof frame);
        inside = frame.mapping < MAPPINGS && ours[frame.mapping];
    }
    return (inside ? 1u : 0u) | (stack->flags & QL__QPROF_STACK_ROOT ? 2u : 0u);
}

static void measure(ql_str file, reach *out)
{
    static bool ours[MAPPINGS];
    static uint8_t verdicts[1 << 16];
    qprof_cursor cursor = qprof_begin(file);
    qprof_row row;
    memset(ours, 0, sizeof ours);
    memset(verdicts, 0, sizeof verdicts);
    find_mappings(file, out->library, ours);
    out->samples = out->rooted = 0;
    while (qprof_next(&cursor, &row)) {
        ql__qprof_stack stack;
        ql__qprof_sample sample;
        if (row.kind == QL__QPROF_STACK) {
            qprof_get(&row, &stack);
            verdicts[stack.id % (1 << 16)] = (uint8_t)judge(&row, &stack, ours, out->library == NULL);
            if (!(stack.flags & QL__QPROF_STACK_ROOT) && verdicts[stack.id % (1 << 16)] & 1) {
                size_t used = 0;
                for (uint32_t i = 0; i < row.count && i < 12; i++) {
                    ql__qprof_frame frame;
                    memcpy(&frame, row.tail + i * sizeof frame, sizeof frame);
                    used += (size_t)snprintf(out->lost + used, sizeof out->lost - used, " %llx(%u)", (unsigned long long)frame.pc, frame.mapping);
                }
            }
        }
        if (row.kind != QL__QPROF_SAMPLE) continue;
        qprof_get(&row, &sample);
        uint8_t verdict = verdicts[sample.stack % (1 << 16)];
        if (verdict & 1) out->samples++;
        if (verdict == 3) out->rooted++;
    }
}

/* Works under a capture until there are enough samples in the library; asserts the share. */
static void expect_reach(const char *name, const char *library, void (*work)(void *user), void *user)
{
    reach seen = {.library = library};
    for (int round = 0; round < 40 && seen.samples < WANTED; round++) {
        ql_prof *prof = NULL;
        ql_prof_info info = {.struct_size = sizeof info};
        ql_prof_options options = QL_PROF_OPTIONS_INIT;
        reach now = {.library = library};
        ql_buf file = QL_BUF_INIT;
        options.sources = QL_PROF_CPU;
        options.rate_hz = 2000;
        assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_OK);
        while (ql_prof_info_read(prof, &info, NULL) == QL_OK && info.samples < 300) work(user);
        assert_int_equal(ql_prof_stop(prof, NULL), QL_OK);
        assert_int_equal(ql_prof_snapshot(prof, qprof_keep, &file, NULL), QL_OK);
        ql_prof_free(prof);
        measure(ql_buf_str(&file), &now);
        seen.samples += now.samples;
        seen.rooted += now.rooted;
        if (now.lost[0] != '\0') memcpy(seen.lost, now.lost, sizeof seen.lost);
        ql_buf_dispose(&file);
    }
    print_message("%s: %llu of %llu samples reach the root\n", name, (unsigned long long)seen.rooted, (unsigned long long)seen.samples);
    assert_true(seen.samples >= WANTED);
#if defined(__SANITIZE_THREAD__)
    return; /* it delivers signals later, with the registers of before */
#endif
    if (seen.rooted * 100 < seen.samples * 99) fail_msg("%s: too few; one that does not:%s", name, seen.lost);
}

/* --- the workloads ------------------------------------------------------------------------------------------------------------- */

static void sqlite_work(void *user)
{
    ql__db *db = user;
    ql__stmt *stmt = NULL;
    assert_int_equal(ql__db_prepare(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT count(*), max(printf('%d-%s', i, hex(i))) FROM n "
                                        "ORDER BY 1", &stmt, NULL), QL_OK);
    while (ql__stmt_step(stmt, NULL) == QL_OK) {}
    ql__stmt_free(stmt);
}

static void test_prof_reach__in_sqlite(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    ql__db *db = NULL;
    ql__db_options options = {.path = ql_test_path(dir, "a.db"), .write = true, .create = true, .application_id = 7, .page_bytes = 4096};
    assert_int_equal(ql__db_open(&options, &db, NULL), QL_OK);
    expect_reach("SQLite", "libsqlite3", sqlite_work, db);
    ql__db_close(db);
    ql_test_dir_remove(dir);
}

static ql_status drop_body(void *user, ql_str piece, uint64_t total_bytes, ql_error *err)
{
    (void)user;
    (void)piece;
    (void)total_bytes;
    (void)err;
    return QL_OK;
}

static void curl_work(void *user)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/a.txt", ((const file_server *)user)->port);
    ql__net_get get = {.url = url, .limit_bytes = 1 << 20, .body_fn = drop_body};
    for (int i = 0; i < 20; i++) assert_int_equal(ql__http_download(ql__sys_default(), &get, NULL), QL_OK);
}

static void test_prof_reach__in_curl(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    file_server web;
    if (ql__http_check(NULL) < 0) skip(); /* libcurl is not on this machine */
    ql_test_file_write(ql_test_path(dir, "a.txt"), QL_STR("some text"));
    file_server_start(&web, dir, 0);
    expect_reach("libcurl", "libcurl", curl_work, &web);
    file_server_stop(&web);
    ql_test_dir_remove(dir);
}

typedef struct linear {
    ql__linear_engine *engine;
    ql__linear_worker *worker;
    float *x, *target;
} linear;

enum { WIDTH = 384, ROWS = 128 };

static void kernel_work(void *user)
{
    linear *self = user;
    ql__linear_guard guard = ql__linear_enter(self->engine);
    for (int i = 0; i < 50; i++) assert_int_equal(ql__linear_run(self->worker, 0, ROWS, self->x, self->target, NULL), QL_OK);
    ql__linear_leave(self->engine, &guard);
}

static void test_prof_reach__in_generated_kernels(void **state)
{
    (void)state;
    linear self = {.x = calloc(ROWS * WIDTH, sizeof(float)), .target = calloc(ROWS * WIDTH, sizeof(float))};
    float *weight = calloc(WIDTH * WIDTH, sizeof(float)), *bias = calloc(WIDTH, sizeof(float));
    ql__linear_source source = {.kind = QL__LINEAR_PROJECT, .inputs = WIDTH, .outputs = WIDTH, .parts = 1, .weight = {weight}, .bias = {bias}};
    if (ql__linear_check((char[24]){0}, NULL) < 0) skip();
    assert_int_equal(ql__linear_engine_new(&source, 1, false, &self.engine, NULL), QL_OK);
    assert_int_equal(ql__linear_worker_new(self.engine, &self.worker, NULL), QL_OK);
    expect_reach("generated code", NULL, kernel_work, &self);
    ql__linear_worker_free(self.worker);
    ql__linear_engine_free(self.engine);
    free(self.x), free(self.target), free(weight), free(bias);
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a < *(const int *)b ? -1 : 1;
}

static void libc_work(void *user)
{
    int *numbers = user;
    char text[256];
    for (size_t i = 0; i < 20000; i++) numbers[i] = (int)(i * 2654435761u >> 3);
    qsort(numbers, 20000, sizeof *numbers, by_value);
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "%d %s %.17g", i, "some text", 1.0 / (i + 1));
        free(malloc(strlen(text) * 50));
    }
}

static void test_prof_reach__in_libc(void **state)
{
    (void)state;
    static int numbers[20000];
    expect_reach("libc", "/libc.so", libc_work, numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prof_reach__in_sqlite),
        cmocka_unit_test(test_prof_reach__in_curl),
        cmocka_unit_test(test_prof_reach__in_generated_kernels),
        cmocka_unit_test(test_prof_reach__in_libc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
