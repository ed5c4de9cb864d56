/*
 * Goal: a model arrives whole or not at all, from every kind of source. Method: small random models as sources (folder, zip, loopback
 * server), the real one for the pinned hashes; failing files, a stopping callback and the leftovers of a dead process.
 */
#include <unistd.h>

#include "base/status.h"
#include "dep/http.h"
#include "embed/model_file.h"
#include "model_dir.h"
#include "small_model.h"
#include "support/file_server.h"

static const small_shape shape = {.layers = 1, .width = 12, .heads = 2, .inner = 24, .vocab = 20, .positions = 16, .window = 16};

typedef struct folders {
    char *source;
    char *target;
    small_model model;
} folders;

static int make_folders(void **state)
{
    folders *self = calloc(1, sizeof *self);
    self->source = ql_test_dir_new();
    self->target = ql_test_dir_new();
    small_model_make(&self->model, &shape, self->source);
    unsetenv("QLOADER_MODEL_DIR");
    *state = self;
    return 0;
}

static int remove_folders(void **state)
{
    folders *self = *state;
    small_model_free(&self->model);
    ql_test_dir_remove(self->source);
    ql_test_dir_remove(self->target);
    free(self);
    return 0;
}

static void expect_arrived(const folders *f)
{
    ql_buf a = QL_BUF_INIT, b = QL_BUF_INIT;
    static const char *const names[] = {"model.safetensors", "config.json", "vocab.txt", "1_Pooling/config.json"};
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "tiny/%s", names[i]);
        ql_test_file_read(ql_test_path(f->source, names[i]), &a);
        ql_test_file_read(ql_test_path(f->target, name), &b);
        assert_true(ql_str_equal(ql_buf_str(&a), ql_buf_str(&b)));
    }
    assert_int_equal(ql_test_dir_count(f->target), 1); /* nothing hidden is left */
    ql_buf_dispose(&a);
    ql_buf_dispose(&b);
}

static void pull_ok(const folders *f, const char *from)
{
    ql_error err = {0};
    if (ql__model_pull(ql__sys_default(), QL_STR("tiny"), from, f->target, NULL, NULL, &err) != QL_OK) fail_msg("%s", err.message);
    expect_arrived(f);
}

static void test_model_pull__copies_a_folder(void **state)
{
    const folders *f = *state;
    pull_ok(f, f->source);
    pull_ok(f, ql_test_path(f->source, "model.safetensors")); /* and replaces what is there */
}

static void test_model_pull__unpacks_a_zip(void **state)
{
    const folders *f = *state;
    char command[1024], zip[512];
    snprintf(zip, sizeof zip, "%s/pack.zip", f->source);
    snprintf(command, sizeof command, "cd '%s' && mkdir -p pkg/model && cp -r *.json *.txt *.safetensors 1_Pooling pkg/model/ && touch pkg/config.json && python3 -m zipfile -c pack.zip pkg", f->source);
    assert_int_equal(system(command), 0);
    pull_ok(f, zip);
}

static void test_model_pull__refuses_what_holds_no_model(void **state)
{
    const folders *f = *state;
    ql_error err = {0};
    char *empty = ql_test_dir_new();
    assert_int_equal(ql_status_kind(ql__model_pull(ql__sys_default(), QL_STR("tiny"), empty, f->target, NULL, NULL, &err)), QL_E_NOTFOUND);
    ql_test_file_write(ql_test_path(empty, "x.zip"), QL_STR("this is no archive"));
    assert_int_equal(ql_status_kind(ql__model_pull(ql__sys_default(), QL_STR("tiny"), ql_test_path(empty, "x.zip"), f->target, NULL, NULL, &err)), QL_E_FORMAT);
    assert_int_equal(ql_status_kind(ql__model_pull(ql__sys_default(), QL_STR("../x"), empty, f->target, NULL, NULL, &err)), QL_E_INVALID);
    assert_int_equal(ql_status_kind(ql__model_pull(ql__sys_default(), QL_STR("tiny"), NULL, f->target, NULL, NULL, &err)), QL_E_NOTFOUND);
    ql_test_file_write(ql_test_path(f->source, "model.safetensors"), QL_STR("12345678 broken"));
    assert_int_equal(ql_status_kind(ql__model_pull(ql__sys_default(), QL_STR("tiny"), f->source, f->target, NULL, NULL, &err)), QL_E_FORMAT);
    assert_int_equal(ql_test_dir_count(f->target), 0);
    ql_test_dir_remove(empty);
}

static int stop_at_weights(void *user, ql_str file, uint64_t done, uint64_t total)
{
    (void)total;
    (*(size_t *)user)++;
    return ql_str_equal(file, QL_STR("model.safetensors")) && done > 0;
}

static void test_model_pull__stopped_leaves_what_was_there(void **state)
{
    const folders *f = *state;
    size_t calls = 0;
    ql_error err = {0};
    pull_ok(f, f->source);
    assert_int_equal(ql__model_pull(ql__sys_default(), QL_STR("tiny"), f->source, f->target, stop_at_weights, &calls, &err), QL_E_CANCELLED);
    assert_true(calls > 0);
    expect_arrived(f);
}

static void test_model_pull__settles_what_a_dead_process_left(void **state)
{
    const folders *f = *state;
    pull_ok(f, f->source);
    /* 4194305 is above the largest process id of Linux. */
    ql_test_file_write(ql_test_path(f->target, ".tiny.pull-4194305-1/config.json"), QL_STR("half"));
    char from[512], to[512];
    snprintf(from, sizeof from, "%s/tiny", f->target);
    snprintf(to, sizeof to, "%s/.tiny.pull-4194305-2.old", f->target);
    assert_int_equal(rename(from, to), 0);
    ql_error err = {0};
    assert_int_equal(ql_status_kind(ql__model_pull(ql__sys_default(), QL_STR("tiny"), "/nonexistent", f->target, NULL, NULL, &err)), QL_E_NOTFOUND);
    expect_arrived(f);
}

static ql_status pull_once(void *user, ql_error *err)
{
    const folders *f = user;
    ql_status status = ql__model_pull(ql_test_sys(), QL_STR("tiny"), f->source, f->target, NULL, NULL, err);
    if (status < 0) assert_true(ql_test_file_exists(ql_test_path(f->target, "tiny/vocab.txt"))); /* the one from before */
    return status;
}

static void test_model_pull__survives_failing_memory_and_reads(void **state)
{
    folders *f = *state;
    pull_ok(f, f->source);
    ql_test_fault_ops(QL_TEST_READ | QL_TEST_WRITE | QL_TEST_SYNC | QL_TEST_MMAP);
    ql_test_fault_loop(QL_FAULT_FILE, pull_once, f);
    ql_test_fault_loop(QL_FAULT_ALLOC, pull_once, f);
    expect_arrived(f);
}

static void test_model_pull__downloads(void **state)
{
    const folders *f = *state;
    file_server web;
    char url[256];
    file_server_start(&web, f->source, 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", web.port);
    pull_ok(f, url);
    file_server_stop(&web);
}

static void expect_download_fails(const folders *f, const char *below, int cut_after, ql_status kind)
{
    file_server web;
    char url[256];
    ql_error err = {0};
    file_server_start(&web, f->source, cut_after);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", web.port, below);
    ql_status status = ql__model_pull(ql__sys_default(), QL_STR("tiny"), url, f->target, NULL, NULL, &err);
    if (ql_status_kind(status) != kind) fail_msg("status %d: %s", status, err.message);
    assert_int_equal(ql_test_dir_count(f->target), 0);
    file_server_stop(&web);
}

static void test_model_pull__failed_downloads_leave_nothing(void **state)
{
    const folders *f = *state;
    expect_download_fails(f, "absent", 0, QL_E_NOTFOUND);
    expect_download_fails(f, "", 20, QL_E_NET);
    expect_download_fails(f, "away", 0, QL_E_INVALID); /* a redirect to file: */
    ql_error err = {0};
    assert_int_equal(ql_status_kind(ql__model_pull(ql__sys_default(), QL_STR("tiny"), "ftp://127.0.0.1/x", f->target, NULL, NULL, &err)), QL_E_NOTFOUND);
}

typedef struct download {
    const folders *f;
    char url[64];
} download;

static ql_status download_once(void *user, ql_error *err)
{
    const download *self = user;
    ql_status status = ql__model_pull(ql_test_sys(), QL_STR("tiny"), self->url, self->f->target, NULL, NULL, err);
    expect_arrived(self->f); /* the new one, or the one from before */
    return status;
}

static void test_model_pull__survives_a_failing_network(void **state)
{
    const folders *f = *state;
    file_server web;
    pull_ok(f, f->source);
    file_server_start(&web, f->source, 0);
    download self = {.f = f};
    snprintf(self.url, sizeof self.url, "http://127.0.0.1:%d", web.port);
    ql_test_net_use(&ql__http_net);
    ql_test_fault_loop(QL_FAULT_NET, download_once, &self);
    assert_true(ql_test_net_calls() > 20);
    ql_test_net_use(NULL);
    file_server_stop(&web);
}

static ql_status out_of_reach(void *user, const ql__net_get *get, ql_error *err)
{
    (void)get;
    return ql__fail(err, *(const ql_status *)user, "unreachable.example does not answer");
}

/* The address that a model is known by: no place is named, and the network is not there. */
static void test_model_pull__tells_other_ways_when_the_address_is_out_of_reach(void **state)
{
    const folders *f = *state;
    static const ql_status kinds[] = {QL_E_AUTH, QL_E_NOTFOUND, QL_E_UNSUPPORTED};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        ql_error err = {0};
        ql_status kind = kinds[i];
        ql__net_ops net = {out_of_reach, &kind};
        ql__sys sys = *ql__sys_default();
        sys.net = &net;
        assert_int_equal(ql__model_pull(&sys, QL_STR(QL__MODEL_DEFAULT), NULL, f->target, NULL, NULL, &err), kind);
        assert_non_null(strstr(err.message, "unreachable.example"));
        assert_non_null(strstr(err.message, "model pull --from"));
        assert_non_null(strstr(err.message, f->target));
        assert_int_equal(ql__model_pull(&sys, QL_STR(QL__MODEL_DEFAULT), "http://127.0.0.1:1/", f->target, NULL, NULL, &err), kind);
        assert_null(strstr(err.message, "--from")); /* whoever named a place knows */
        assert_int_equal(ql_test_dir_count(f->target), 0);
    }
}

static void test_model_pull__checks_pinned_hashes(void **state)
{
    const folders *f = *state;
    ql_str name = QL_STR(QL__MODEL_DEFAULT);
    ql_error err = {0};
    ql_buf path = QL_BUF_INIT;
    assert_int_equal(ql_status_kind(ql__model_pull(ql__sys_default(), name, f->source, f->target, NULL, NULL, &err)), QL_E_CORRUPT);
    assert_int_equal(ql_test_dir_count(f->target), 0);
    if (ql__model_pull(ql__sys_default(), name, model_dir(), f->target, NULL, NULL, &err) != QL_OK) fail_msg("%s", err.message);
    ql_buf_printf(&path, "%s/%s", f->target, QL__MODEL_DEFAULT);
    assert_int_equal(ql__model_verify(ql__sys_default(), ql_buf_cstr(&path), name, &err), QL_OK);
    ql_buf_append(&path, QL_STR("/vocab.txt"));
    FILE *file = fopen(ql_buf_cstr(&path), "r+b");
    assert_non_null(file);
    fputc('X', file);
    fclose(file);
    path.ptr[path.len -= strlen("/vocab.txt")] = 0;
    assert_int_equal(ql__model_verify(ql__sys_default(), ql_buf_cstr(&path), name, &err), QL_E_CORRUPT);
    assert_non_null(strstr(err.message, "vocab.txt"));
    ql_buf_dispose(&path);
}

int main(void)
{
    ql_test_alloc_install();
#define ENTRY(fn) cmocka_unit_test_setup_teardown(fn, make_folders, remove_folders)
    const struct CMUnitTest tests[] = {
        ENTRY(test_model_pull__copies_a_folder),
        ENTRY(test_model_pull__unpacks_a_zip),
        ENTRY(test_model_pull__refuses_what_holds_no_model),
        ENTRY(test_model_pull__stopped_leaves_what_was_there),
        ENTRY(test_model_pull__settles_what_a_dead_process_left),
        ENTRY(test_model_pull__survives_failing_memory_and_reads),
        ENTRY(test_model_pull__downloads),
        ENTRY(test_model_pull__failed_downloads_leave_nothing),
        ENTRY(test_model_pull__survives_a_failing_network),
        ENTRY(test_model_pull__tells_other_ways_when_the_address_is_out_of_reach),
        ENTRY(test_model_pull__checks_pinned_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
