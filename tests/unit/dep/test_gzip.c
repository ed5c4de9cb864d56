/* Goal: what is written is a gzip file that zlib and gzip read back byte for byte; a callback that stops is told. */
#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dep/gzip.h"

static int take(void *user, const void *data, size_t size)
{
    return ql_buf_append(user, (ql_str){data, size}) < 0 ? -1 : 0;
}

static int refuse(void *user, const void *data, size_t size)
{
    (void)user;
    (void)data;
    (void)size;
    return 5;
}

static void test_gzip__gzip_reads_it_back(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new(), command[8192];
    ql_buf packed = QL_BUF_INIT, plain = QL_BUF_INIT, back = QL_BUF_INIT;
    ql__gzip *gzip = NULL;
    for (int i = 0; i < 200000; i++) (void)ql_buf_printf(&plain, "%u ", (unsigned)i * (unsigned)i % 7919u);
    assert_int_equal(ql__gzip_new(take, &packed, &gzip, NULL), QL_OK);
    for (size_t at = 0, size = 1; at < plain.len; at += size, size = size * 3 % 70001) {
        if (size > plain.len - at) size = plain.len - at;
        assert_int_equal(ql__gzip_put(gzip, plain.ptr + at, size, NULL), QL_OK);
    }
    assert_int_equal(ql__gzip_finish(gzip, NULL), QL_OK);
    ql__gzip_free(gzip);
    assert_true(packed.len < plain.len / 2);
    ql_test_file_write(ql_test_path(dir, "x.gz"), ql_buf_str(&packed));
    snprintf(command, sizeof command, "gzip -dc %s > %s", ql_test_path(dir, "x.gz"), ql_test_path(dir, "x"));
    assert_int_equal(system(command), 0);
    ql_test_file_read(ql_test_path(dir, "x"), &back);
    assert_true(ql_str_equal(ql_buf_str(&back), ql_buf_str(&plain)));
    ql_buf_dispose(&packed);
    ql_buf_dispose(&plain);
    ql_buf_dispose(&back);
    ql_test_dir_remove(dir);
}

static void test_gzip__a_callback_stops_it(void **state)
{
    (void)state;
    ql__gzip *gzip = NULL;
    ql_error err = {0};
    assert_int_equal(ql__gzip_new(refuse, NULL, &gzip, NULL), QL_OK);
    ql_status status = ql__gzip_put(gzip, "x", 1, &err); /* zlib may hand over its head now or later */
    if (status >= 0) status = ql__gzip_finish(gzip, &err);
    assert_int_equal(ql_status_kind(status), QL_E_CALLBACK);
    assert_int_equal(err.callback_value, 5);
    ql__gzip_free(gzip);
    ql__gzip_free(NULL);
}

static ql_status pack(void *user, ql_error *err)
{
    (void)user;
    ql_buf packed = QL_BUF_INIT;
    ql__gzip *gzip = NULL;
    char text[4096] = "text";
    ql_status status = ql__gzip_new(take, &packed, &gzip, err);
    if (status >= 0) status = ql__gzip_put(gzip, text, sizeof text, err);
    if (status >= 0) status = ql__gzip_finish(gzip, err);
    ql__gzip_free(gzip);
    if (ql_status_kind(status) == QL_E_CALLBACK) { /* the buffer of this test */
        if (err != NULL) {
            err->status = QL_E_NOMEM;
            err->callback_value = 0;
        }
        status = QL_E_NOMEM;
    }
    ql_buf_dispose(&packed);
    return status;
}

static void test_gzip__survives_running_out_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, pack, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gzip__gzip_reads_it_back),
        cmocka_unit_test(test_gzip__a_callback_stops_it),
        cmocka_unit_test(test_gzip__survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
