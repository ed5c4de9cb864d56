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
    return ql__http_download(ql_test_sys(), &(ql__net_get){.url = url, .limit_bytes = limit, .body_fn = collect, .user = into}, err);
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
    expect_failure(*state, "halfsaid/404", 100, QL_E_NOTFOUND, 404);
    expect_failure(*state, "endless/403", 100, QL_E_AUTH, 403);
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
        assert_int_equal(ql__http_download(ql_test_sys(), &(ql__net_get){.url = urls[i], .limit_bytes = 10, .body_fn = collect}, &err), QL_E_INVALID);
}

/* --- retries: a table that answers by a script --- */

typedef struct script {
    const ql_error *answers; /* one a request; status QL_OK: hands over "ok" */
    size_t count, at;
} script;

static ql_status play(void *user, const ql__net_get *get, ql_error *err)
{
    script *self = user;
    assert_true(self->at < self->count);
    const ql_error *answer = &self->answers[self->at++];
    bool has_body = answer->status >= 0 || answer->callback_value != 0; /* a failure after half a body */
    if (has_body) assert_int_equal(get->body_fn(get->user, QL_STR("ok"), 2, err), QL_OK);
    if (answer->status < 0) *err = *answer;
    return answer->status;
}

static ql_status download_by(script *self, int (*cancelled_fn)(void *user), ql_error *err)
{
    collected into = {.bytes = QL_BUF_INIT};
    ql__net_ops net = {play, self};
    const ql__sys *real = ql_test_sys();
    ql__sys sys = {real->file, real->clock, &net};
    ql__net_get get = {.url = "http://127.0.0.1/x", .limit_bytes = 10, .body_fn = collect, .cancelled_fn = cancelled_fn, .user = &into};
    ql_status status = ql__http_download(&sys, &get, err);
    ql_buf_dispose(&into.bytes);
    return status;
}

static void expect_tries(const ql_error *answers, size_t count, size_t tries, ql_status kind, uint64_t pauses_ms)
{
    script self = {answers, count, 0};
    ql_error err = {0};
    uint64_t begin = ql__monotonic_ns(ql_test_sys());
    ql_status status = download_by(&self, NULL, &err);
    assert_int_equal(ql_status_kind(status), kind);
    if (status < 0) assert_int_equal(err.status, status);
    assert_int_equal(self.at, tries);
    assert_int_equal((ql__monotonic_ns(ql_test_sys()) - begin) / 1000000, pauses_ms);
}

static void test_http__tries_again_what_may_pass(void **state)
{
    (void)state;
    const ql_error refused = {.status = QL_E_NET}, silent = {.status = QL_E_TIMEOUT}, busy = {.status = QL_E_NET, .http_code = 503},
                   wait_2_s = {.status = QL_E_NET, .http_code = 429, .retry_after_ms = 2000}, good = {.status = QL_OK};
    expect_tries((ql_error[]){good}, 1, 1, QL_OK, 0);
    expect_tries((ql_error[]){refused, good}, 2, 2, QL_OK, 500);
    expect_tries((ql_error[]){silent, busy, good}, 3, 3, QL_OK, 1500);
    expect_tries((ql_error[]){wait_2_s, good}, 2, 2, QL_OK, 2000);
    expect_tries((ql_error[]){busy, busy, busy}, 3, 3, QL_E_NET, 1500);
}

static void test_http__does_not_repeat_what_stays(void **state)
{
    (void)state;
    const ql_error gone = {.status = QL_E_NOTFOUND, .http_code = 404}, denied = {.status = QL_E_AUTH, .http_code = 403}, wrong = {.status = QL_E_NET, .http_code = 400},
                   cut = {.status = QL_E_NET, .callback_value = 1}, next_day = {.status = QL_E_NET, .http_code = 429, .retry_after_ms = 86400000};
    expect_tries(&gone, 1, 1, QL_E_NOTFOUND, 0);
    expect_tries(&denied, 1, 1, QL_E_AUTH, 0);
    expect_tries(&wrong, 1, 1, QL_E_NET, 0);
    expect_tries(&cut, 1, 1, QL_E_NET, 0); /* half of the body cannot be taken back */
    expect_tries(&next_day, 1, 1, QL_E_NET, 0);
    script self = {&next_day, 1, 0};
    ql_error err = {0};
    assert_int_equal(download_by(&self, NULL, &err), QL_E_NET);
    assert_non_null(strstr(err.message, "86400 s"));
    assert_int_equal(err.retry_after_ms, 86400000);
}

static int always(void *user)
{
    (void)user;
    return 1;
}

static void test_http__a_pause_can_be_cancelled(void **state)
{
    (void)state;
    const ql_error busy = {.status = QL_E_NET, .http_code = 503};
    script self = {&busy, 1, 0};
    ql_error err = {0};
    assert_int_equal(download_by(&self, always, &err), QL_E_CANCELLED);
}

static ql_status get_once(const scene *self, const char *path, uint32_t stall_ms, int (*cancelled_fn)(void *user), ql_error *err)
{
    char url[256];
    collected into = {.bytes = QL_BUF_INIT};
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", self->web.port, path);
    return ql__http_net.get_fn(NULL, &(ql__net_get){.url = url, .limit_bytes = 10, .stall_ms = stall_ms, .body_fn = collect, .cancelled_fn = cancelled_fn, .user = &into}, err);
}

static void test_http__waits_for_silence_neither_for_ever_nor_against_the_user(void **state)
{
    ql_error err = {0};
    assert_int_equal(ql_status_kind(get_once(*state, "silent/x", 1000, NULL, &err)), QL_E_TIMEOUT);
    assert_int_equal(get_once(*state, "silent/x", 60000, always, &err), QL_E_CANCELLED);
}

static void test_http__tells_when_to_come_back(void **state)
{
    ql_error err = {0};
    assert_int_equal(ql_status_kind(get_once(*state, "later/7", 1000, NULL, &err)), QL_E_NET);
    assert_int_equal(err.http_code, 429);
    assert_int_equal(err.retry_after_ms, 7000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_http__hands_over_the_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_http__tells_failures_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_http__notices_a_cut_body, set_up_cut, tear_down),
        cmocka_unit_test_setup_teardown(test_http__stops_when_told, set_up, tear_down),
        cmocka_unit_test(test_http__speaks_http_only),
        cmocka_unit_test(test_http__tries_again_what_may_pass),
        cmocka_unit_test(test_http__does_not_repeat_what_stays),
        cmocka_unit_test(test_http__a_pause_can_be_cancelled),
        cmocka_unit_test_setup_teardown(test_http__waits_for_silence_neither_for_ever_nor_against_the_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_http__tells_when_to_come_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
