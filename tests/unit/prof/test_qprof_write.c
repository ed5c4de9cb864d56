/* Goal: what is put comes out in chunks with right sums, definitions first; limits, failing files and want of memory lose records that are counted, and nothing else. */
#include "support/qprof_read.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/status.h"
#include "prof/qprof_write.h"

static void put_string(ql__qprof_writer *writer, uint32_t id, ql_str text)
{
    const ql__qprof_string record = {id};
    ql__qprof_put(writer, QL__QPROF_STRING, &record, sizeof record, text.ptr, 1, text.len);
}

static void put_note(ql__qprof_writer *writer, uint32_t text)
{
    const ql__qprof_note record = {.time_ns = 5, .text = text};
    QL__QPROF_PUT(writer, QL__QPROF_NOTE, &record);
}

static void test_qprof_write__definitions_come_first(void **state)
{
    (void)state;
    ql__qprof_writer writer;
    ql_buf file = QL_BUF_INIT;
    assert_int_equal(ql__qprof_open(&writer, ql__sys_default(), NULL, NULL, NULL, 1 << 20, NULL), QL_OK);
    put_note(&writer, 1);
    put_string(&writer, 1, QL_STR("later"));
    const ql__qprof_labels set = {7};
    const ql__qprof_label pairs[] = {{1, 1}, {2, 1}};
    ql__qprof_put(&writer, QL__QPROF_LABELS, &set, sizeof set, pairs, sizeof *pairs, 2);
    ql__qprof_flush(&writer);
    assert_int_equal(ql__qprof_copy(&writer, qprof_keep, &file, NULL), QL_OK);
    assert_int_equal(file.len, ql__qprof_written(&writer));
    qprof_cursor cursor = qprof_begin(ql_buf_str(&file));
    qprof_row row;
    assert_true(qprof_next(&cursor, &row));
    assert_int_equal(row.kind, QL__QPROF_STRING);
    assert_int_equal(row.tail_size, 5);
    assert_memory_equal(row.tail, "later", 5);
    assert_true(qprof_next(&cursor, &row));
    assert_int_equal(row.kind, QL__QPROF_LABELS);
    assert_int_equal(row.count, 2);
    assert_int_equal(row.tail_size, sizeof pairs);
    assert_true(qprof_next(&cursor, &row));
    assert_int_equal(row.kind, QL__QPROF_NOTE);
    assert_false(qprof_next(&cursor, &row));
    ql__qprof_close(&writer);
    ql_buf_dispose(&file);
}

static void test_qprof_write__much_is_cut_into_chunks(void **state)
{
    (void)state;
    ql__qprof_writer writer;
    ql_buf file = QL_BUF_INIT;
    assert_int_equal(ql__qprof_open(&writer, ql__sys_default(), NULL, NULL, NULL, 64 << 20, NULL), QL_OK);
    for (uint32_t i = 0; i < 100000; i++) put_note(&writer, i);
    ql__qprof_flush(&writer);
    assert_int_equal(ql__qprof_copy(&writer, qprof_keep, &file, NULL), QL_OK);
    assert_int_equal(qprof_count(ql_buf_str(&file), QL__QPROF_NOTE), 100000);
    assert_int_equal(writer.lost[QL__QPROF_NOTE], 0);
    ql__qprof_close(&writer);
    ql_buf_dispose(&file);
}

static void test_qprof_write__beyond_the_limit_only_the_end_is_written(void **state)
{
    (void)state;
    ql__qprof_writer writer;
    ql_buf file = QL_BUF_INIT;
    assert_int_equal(ql__qprof_open(&writer, ql__sys_default(), NULL, NULL, NULL, 1000, NULL), QL_OK);
    for (uint32_t i = 0; i < 100; i++) put_note(&writer, i);
    ql__qprof_flush(&writer);
    assert_true(writer.full);
    put_note(&writer, 1);
    assert_int_equal(writer.lost[QL__QPROF_NOTE], 1);
    ql__qprof_finish(&writer);
    put_note(&writer, 2);
    ql__qprof_flush(&writer);
    assert_int_equal(ql__qprof_copy(&writer, qprof_keep, &file, NULL), QL_OK);
    assert_int_equal(qprof_count(ql_buf_str(&file), QL__QPROF_NOTE), 101);
    ql__qprof_close(&writer);
    ql_buf_dispose(&file);
}

typedef struct place {
    const char *path;
} place;

/* Every failure of the file is the sink's status. */
static ql_status write_file(void *user, ql_error *err)
{
    const place *at = user;
    ql__qprof_writer writer;
    ql_status status = ql__qprof_open(&writer, ql_test_sys(), at->path, NULL, NULL, 1 << 20, err);
    if (status < 0) return status;
    for (uint32_t i = 1; i < 50; i++) {
        put_string(&writer, i, QL_STR("some text"));
        put_note(&writer, i);
        if (i % 10 == 0) ql__qprof_flush(&writer);
    }
    ql__qprof_flush(&writer);
    status = writer.status;
    if (status < 0 && err != NULL) *err = writer.error;
    ql_test_fault_benign(); /* closing */
    ql__qprof_close(&writer);
    return status;
}

static void test_qprof_write__failing_files_are_told(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    place at = {ql_test_path(dir, "capture.qprof")};
    ql_test_fault_ops(QL_TEST_ALL_OPS & ~(unsigned)QL_TEST_MMAP);
    ql_test_fault_loop(QL_FAULT_FILE, write_file, &at);
    ql_test_fault_ops(QL_TEST_ALL_OPS);
    ql_test_dir_remove(dir);
}

static void test_qprof_write__a_link_is_not_followed(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    ql__qprof_writer writer;
    ql_test_file_write(ql_test_path(dir, "victim"), QL_STR("keep"));
    assert_int_equal(symlink(ql_test_path(dir, "victim"), ql_test_path(dir, "capture.qprof")), 0);
    assert_true(ql__qprof_open(&writer, ql__sys_default(), ql_test_path(dir, "capture.qprof"), NULL, NULL, 1000, NULL) < 0);
    ql_buf content = QL_BUF_INIT;
    ql_test_file_read(ql_test_path(dir, "victim"), &content);
    assert_string_equal(ql_buf_cstr(&content), "keep");
    ql_buf_dispose(&content);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qprof_write__definitions_come_first),
        cmocka_unit_test(test_qprof_write__much_is_cut_into_chunks),
        cmocka_unit_test(test_qprof_write__beyond_the_limit_only_the_end_is_written),
        cmocka_unit_test(test_qprof_write__failing_files_are_told),
        cmocka_unit_test(test_qprof_write__a_link_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
