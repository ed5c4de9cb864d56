/* Goal: a body arrives whole or the call says why not; nothing but http and https is spoken. Method: a server on the loopback. */
#include "dep/http.h"
#include "support/file_server.h"

typedef struct collected {
    ql_buf bytes;
    uint64_t total;
    size_t stop_after; /* pieces; 0: never */
} collected;

static ql_status collect(void *user, ql_str piece, uint64_t total, ql_error *err)
{
    collected *self = user;
    self->total = total;
    if (self->stop_after && --self->stop_after == 0) {
        if (err) *err = (ql_error){.status = QL_E_CANCELLED, .message = "enough"};
        return QL_E_CANCELLED;
    }
    return ql_buf_append(&self->bytes, piece);
}

typedef struct scene {
    char *dir;
    file_server web;
} scene;

static int scene_open(void **state, int cut_after)
{
    scene *self = calloc(1, sizeof *self);
    self->dir = ql_test_dir_new();
    ql_test_file_write(ql_test_path(self->dir, "hello"), QL_STR("hello, world"));
    file_server_start(&self->web, self->dir, cut_after);
    *state = self;
    return 0;
}

static int set_up(void **state)
{
    return scene_open(state, 0);
}

static int set_up_cut(void **state)
{
    return scene_open(state, 5);
}

static int tear_down(void **state)
{
    scene *self = *state;
    file_server_stop(&self->web);
    ql_test_dir_remove(self->dir);
    free(self);
    return 0;
}

static ql_status get(const scene *self, const char *path, uint64_t limit, collected *into, ql_error *err)
{
    char url[256];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", self->web.port, path);
    return ql__http_download(&(ql__http_get){.url = url, .limit_bytes = limit, .body_fn = collect, .user = into}, err);
}

static void expect_failure(const scene *self, const char *path, uint64_t limit, ql_status kind, int http_code)
{
    collected into = {.bytes = QL_BUF_INIT};
    ql_error err = {0};
    ql_status status = get(self, path, limit, &into, &err);
    if (ql_status_kind(status) != kind || err.http_code != http_code) fail_msg("'%s': status %d, http %d: %s", path, status, err.http_code, err.message);
    assert_true(err.message[0] != 0);
    ql_buf_dispose(&into.bytes);
}

static void test_http__hands_over_the_body(void **state)
{
    collected into = {.bytes = QL_BUF_INIT};
    ql_error err = {0};
    if (get(*state, "hello", 12, &into, &err) != QL_OK) fail_msg("%s", err.message);
    assert_string_equal(ql_buf_cstr(&into.bytes), "hello, world");
    assert_int_equal(into.total, 12);
    ql_buf_dispose(&into.bytes);
}

static void test_http__tells_failures_apart(void **state)
{
    expect_failure(*state, "absent", 100, QL_E_NOTFOUND, 404);
    expect_failure(*state, "status/401", 100, QL_E_AUTH, 401);
    expect_failure(*state, "status/403", 100, QL_E_AUTH, 403);
    expect_failure(*state, "status/503", 100, QL_E_NET, 503);
    expect_failure(*state, "hello", 11, QL_E_LIMIT, 0);
    expect_failure(*state, "loop/x", 100, QL_E_NET, 0);
    expect_failure(*state, "away/x", 100, QL_E_INVALID, 0); /* a redirect to file: */
}

static void test_http__notices_a_cut_body(void **state)
{
    expect_failure(*state, "hello", 100, QL_E_NET, 0);
}

static void test_http__stops_when_told(void **state)
{
    collected into = {.bytes = QL_BUF_INIT, .stop_after = 1};
    ql_error err = {0};
    assert_int_equal(get(*state, "hello", 100, &into, &err), QL_E_CANCELLED);
    assert_string_equal(err.message, "enough");
    ql_buf_dispose(&into.bytes);
}

static void test_http__speaks_http_only(void **state)
{
    (void)state;
    ql_error err = {0};
    static const char *const urls[] = {"file:///etc/hostname", "ftp://127.0.0.1/x", "", "example", "gopher://127.0.0.1/"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        assert_int_equal(ql__http_download(&(ql__http_get){.url = urls[i], .limit_bytes = 10, .body_fn = collect}, &err), QL_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_http__hands_over_the_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_http__tells_failures_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_http__notices_a_cut_body, set_up_cut, tear_down),
        cmocka_unit_test_setup_teardown(test_http__stops_when_told, set_up, tear_down),
        cmocka_unit_test(test_http__speaks_http_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
