/* Goal: entries of an archive are read exactly, links and folders are skipped, rubbish is refused. Method: a tar written byte by byte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dep/archive.h"
#include "support/testing.h"

/* One ustar entry: header and content padded to 512 bytes. */
static void put_entry(ql_buf *out, const char *name, char type, const char *content)
{
    char header[512] = {0};
    unsigned sum = 0;
    size_t len = strlen(content);
    snprintf(header, 100, "%s", name);
    memcpy(header + 100, "0000644", 7);
    memcpy(header + 108, "0000000", 7);
    memcpy(header + 116, "0000000", 7);
    char size[32], check[32];
    snprintf(size, sizeof size, "%011zo", type == '0' ? len : 0);
    memcpy(header + 124, size, 11);
    memcpy(header + 136, "00000000000", 11);
    memset(header + 148, ' ', 8);
    header[156] = type;
    if (type == '2') snprintf(header + 157, 100, "%s", content);
    memcpy(header + 257, "ustar\00000", 8);
    for (size_t i = 0; i < sizeof header; i++) sum += (unsigned char)header[i];
    snprintf(check, sizeof check, "%06o", sum);
    memcpy(header + 148, check, 7);
    ql_buf_append(out, (ql_str){header, sizeof header});
    if (type != '0') return;
    ql_buf_append(out, (ql_str){content, len});
    while (out->len % 512) ql_buf_append_char(out, 0);
}

static char *write_tar(const char **path)
{
    char *dir = ql_test_dir_new();
    ql_buf tar = QL_BUF_INIT;
    put_entry(&tar, "folder/", '5', "");
    put_entry(&tar, "folder/a.txt", '0', "first");
    put_entry(&tar, "link", '2', "/etc/passwd");
    put_entry(&tar, "b.txt", '0', "second one");
    put_entry(&tar, "empty", '0', "");
    for (int i = 0; i < 1024; i++) ql_buf_append_char(&tar, 0);
    *path = ql_test_path(dir, "x.tar");
    ql_test_file_write(*path, ql_buf_str(&tar));
    ql_buf_dispose(&tar);
    return dir;
}

static void expect_entry(ql__archive *archive, const char *name, const char *content)
{
    ql_str got_name;
    uint64_t size;
    char buf[64];
    size_t total = 0, got = 1;
    assert_int_equal(ql__archive_next(archive, &got_name, &size, NULL), QL_OK);
    assert_true(ql_str_equal(got_name, ql_str_of(name)));
    assert_int_equal(size, strlen(content));
    while (got > 0) {
        assert_int_equal(ql__archive_read(archive, buf + total, 4, &got, NULL), QL_OK);
        assert_true(got <= 4);
        total += got;
    }
    assert_int_equal(total, strlen(content));
    assert_memory_equal(buf, content, total);
}

static void test_archive__reads_files_and_skips_the_rest(void **state)
{
    (void)state;
    const char *path;
    char *dir = write_tar(&path);
    ql__archive *archive = NULL;
    ql_error err = {0};
    ql_str name;
    uint64_t size;
    if (ql__archive_open(path, &archive, &err) != QL_OK) fail_msg("%s", err.message);
    expect_entry(archive, "folder/a.txt", "first");
    expect_entry(archive, "b.txt", "second one");
    expect_entry(archive, "empty", "");
    assert_int_equal(ql__archive_next(archive, &name, &size, &err), QL_DONE);
    ql__archive_close(archive);
    ql_test_dir_remove(dir);
}

static void test_archive__refuses_what_is_none(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    ql__archive *archive = NULL;
    ql_error err = {0};
    ql_test_file_write(ql_test_path(dir, "x"), QL_STR("plain text, long enough to be looked at by every reader there is"));
    assert_int_equal(ql_status_kind(ql__archive_open(ql_test_path(dir, "x"), &archive, &err)), QL_E_FORMAT);
    assert_int_equal(ql_status_kind(ql__archive_open(ql_test_path(dir, "absent"), &archive, &err)), QL_E_NOTFOUND);
    ql__archive_close(NULL);
    ql_test_dir_remove(dir);
}

static ql_status open_and_close(void *user, ql_error *err)
{
    ql__archive *archive = NULL;
    ql_status status = ql__archive_open(user, &archive, err);
    ql__archive_close(status < 0 ? NULL : archive);
    return status;
}

static void test_archive__survives_failing_memory(void **state)
{
    (void)state;
    const char *path;
    char *dir = write_tar(&path), *kept = strdup(path);
    assert_int_equal(open_and_close(kept, NULL), QL_OK); /* the library is opened once and stays */
    ql_test_fault_loop(QL_FAULT_ALLOC, open_and_close, kept);
    free(kept);
    ql_test_dir_remove(dir);
}

int main(void)
{
    ql_test_alloc_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_archive__reads_files_and_skips_the_rest),
        cmocka_unit_test(test_archive__refuses_what_is_none),
        cmocka_unit_test(test_archive__survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
