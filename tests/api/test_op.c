/*
 * Operations through the public headers alone: callbacks come in the thread that polls, all of them and in order; a program that does not poll
 * holds the ingest up but loses nothing; cancelling and freeing at any moment leave nothing behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <qloader.h>

#define FILES 600 /* more than an operation keeps events for */

typedef struct bench {
    char dir[64];
    ql_runtime *runtime;
    ql_workspace *workspace;
    pthread_t thread; /* in which callbacks must come */
    bool any_thread;  /* a blocking call tells events on any */
    size_t events, progress, stop_at;
    ql_buf told; /* the events, a line each */
} bench;

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    static bench self;
    ql_error err = {0};
    char path[160], text[256];
    self = (bench){.thread = pthread_self()};
    strcpy(self.dir, "/tmp/qloader-api-XXXXXX");
    assert_non_null(mkdtemp(self.dir));
    snprintf(path, sizeof path, "mkdir '%s/docs'", self.dir);
    assert_int_equal(system(path), 0);
    for (int i = 0; i < FILES; i++) { /* without text: told one by one, and quick */
        snprintf(path, sizeof path, "%s/docs/%04d.bin", self.dir, i);
        write_file(path, "\x01");
    }
    snprintf(path, sizeof path, "%s/docs/a.md", self.dir);
    write_file(path, "The okapi eats leaves.\n");
    snprintf(path, sizeof path, "%s/config.yaml", self.dir);
    snprintf(text, sizeof text, "sources: {localfile: {docs: {base_url: 'file://%s/docs', file_types: ['*.md']}}}\n", self.dir);
    write_file(path, text);
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    options.dir = self.dir;
    assert_int_equal(ql_runtime_new(NULL, &self.runtime, &err), QL_OK);
    assert_int_equal(ql_workspace_open(self.runtime, &options, &self.workspace, NULL, &err), QL_OK);
    *state = &self;
    return 0;
}

static int teardown(void **state)
{
    bench *self = *state;
    char command[128];
    ql_buf_dispose(&self->told);
    ql_workspace_free(self->workspace);
    ql_runtime_free(self->runtime);
    snprintf(command, sizeof command, "rm -rf '%s'", self->dir);
    return system(command);
}

static int on_event(void *user, const ql_ingest_event *event)
{
    bench *self = user;
    assert_true(self->any_thread || pthread_equal(pthread_self(), self->thread));
    ql_buf_printf(&self->told, "%d %.*s %.*s %.*s\n", event->action, (int)event->project.len, event->project.ptr, (int)event->source.len, event->source.ptr, (int)event->url.len,
                  event->url.ptr);
    self->events++;
    return self->stop_at != 0 && self->events == self->stop_at;
}

static int on_progress(void *user, const ql_ingest_progress *progress)
{
    bench *self = user;
    assert_true(pthread_equal(pthread_self(), self->thread));
    assert_true(ql_str_equal(progress->source, QL_STR("docs")));
    self->progress++;
    return 0;
}

static ql_op *start(bench *self)
{
    ql_error err = {0};
    ql_op *op = NULL;
    char project[] = "default"; /* copied: gone when the ingest asks */
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    options.event_fn = on_event;
    options.progress_fn = on_progress;
    options.project = ql_str_of(project);
    options.user = self;
    assert_int_equal(ql_op_ingest(self->workspace, &options, &op, &err), QL_OK);
    memset(project, 'x', sizeof project);
    return op;
}

static void blocking(bench *self)
{
    ql_error err = {0};
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    options.event_fn = on_event;
    options.force = 1;
    options.user = self;
    assert_int_equal(ql_ingest(self->workspace, &options, NULL, &err), QL_OK);
}

/* The same events in the same order as the blocking call gives, but for the one file that is no longer new. */
static void expect_as_blocking(bench *self)
{
    bench other = {.workspace = self->workspace, .any_thread = true};
    blocking(&other);
    assert_int_equal(other.events, self->events);
    size_t skipped = 0;
    for (const char *a = self->told.ptr, *b = other.told.ptr; *a != '\0' && *b != '\0'; a = strchr(a, '\n') + 1, b = strchr(b, '\n') + 1) {
        if (*a != '4') continue; /* QL_INGEST_SKIP */
        assert_int_equal(*b, '4');
        assert_memory_equal(a, b, strcspn(a, "\n"));
        skipped++;
    }
    assert_int_equal(skipped, FILES);
    ql_buf_dispose(&other.told);
}

static ql_status loop(ql_op *op, ql_error *err)
{
    ql_status status = QL_OK;
    struct pollfd wait = {.fd = ql_op_fd(op), .events = POLLIN};
    while (status == QL_OK) {
        assert_int_equal(poll(&wait, 1, 60000), 1);
        status = ql_op_poll(op, err);
    }
    return status;
}

static void test_op__an_event_loop_gets_every_callback_in_its_thread(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_op *op = start(self);
    assert_int_equal(loop(op, &err), QL_DONE);
    assert_int_equal(self->events, FILES + 1);
    assert_true(self->progress > 0);
    expect_as_blocking(self);
    assert_int_equal(ql_op_report(op)->added, 1);
    assert_int_equal(ql_op_report(op)->skipped, FILES);
    assert_int_equal(ql_op_poll(op, &err), QL_DONE); /* asked again, the same */
    assert_null(ql_op_results_take(op));
    ql_op_free(op);
    assert_int_equal(ql_op_search(self->workspace, QL_STR("what eats leaves?"), NULL, &op, &err), QL_OK);
    assert_int_equal(ql_op_wait(op, -1, &err), QL_DONE);
    assert_null(ql_op_report(op));
    ql_results *results = ql_op_results_take(op);
    assert_null(ql_op_results_take(op));
    ql_op_free(op);
    assert_int_equal(ql_results_count(results), 1);
    ql_results_free(results);
}

static void test_op__who_does_not_poll_holds_the_ingest_up(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_op *op = start(self);
    usleep(300000);
    assert_int_equal(self->events, 0);
    assert_null(ql_op_report(op)); /* it waits for room */
    assert_int_equal(ql_op_wait(op, -1, &err), QL_DONE);
    assert_int_equal(self->events, FILES + 1);
    ql_op_free(op);
}

static void *cancel(void *op)
{
    ql_op_cancel(op);
    return NULL;
}

static void test_op__a_callback_or_another_thread_stops_it(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    pthread_t other;
    self->stop_at = 3;
    ql_op *op = start(self);
    assert_int_equal(loop(op, &err), QL_E_CANCELLED);
    assert_int_equal(self->events, 3);
    ql_op_free(op);
    op = start(self); /* holds at 256 events that nobody takes, so it cannot have ended */
    usleep(100000);
    assert_int_equal(pthread_create(&other, NULL, cancel, op), 0);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(ql_op_wait(op, -1, &err), QL_E_CANCELLED);
    assert_int_equal(self->events, 3); /* nothing is told after a cancel */
    ql_op_free(op);
}

static void test_op__the_end_is_settled_once(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_op *op = start(self);
    assert_int_equal(ql_op_wait(op, -1, &err), QL_DONE);
    ql_op_cancel(op); /* too late to change anything */
    assert_int_equal(ql_op_poll(op, &err), QL_DONE);
    ql_op_free(op);
    assert_int_equal(ql_op_search(self->workspace, QL_STR("okapi"), NULL, &op, &err), QL_OK);
    assert_int_equal(ql_op_wait(op, -1, &err), QL_DONE);
    ql_op_cancel(op);
    ql_results *results = ql_op_results_take(op);
    assert_int_equal(ql_results_count(results), 1);
    ql_results_free(results);
    ql_op_free(op);
    self->events = 0;
    self->stop_at = FILES; /* the very last event, since the document is unchanged: by then the ingest itself may have ended */
    op = start(self);
    assert_int_equal(ql_op_wait(op, -1, &err), QL_E_CANCELLED);
    ql_op_free(op);
}

static void test_op__can_be_freed_at_any_moment(void **state)
{
    bench *self = *state;
    for (useconds_t wait_us = 0; wait_us < 40000; wait_us += 4000) {
        ql_op *op = start(self);
        usleep(wait_us);
        ql_op_free(op);
    }
    self->events = 0;
    ql_error err = {0};
    ql_op *op = start(self);
    assert_int_equal(ql_op_wait(op, -1, &err), QL_DONE);
    ql_op_free(op);
}

static void test_op__failures_of_the_call_are_its_ending(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_op *op = NULL;
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    options.project = QL_STR("nosuch");
    assert_int_equal(ql_op_ingest(self->workspace, &options, &op, &err), QL_OK);
    assert_int_equal(ql_op_wait(op, -1, &err), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, "nosuch"));
    ql_op_free(op);
    assert_int_equal(ql_op_ingest(NULL, NULL, &op, &err), QL_E_INVALID);
    assert_int_equal(ql_op_search(self->workspace, QL_STR("x"), NULL, NULL, &err), QL_E_INVALID);
    options.prune = 1; /* not with a project */
    assert_int_equal(ql_op_ingest(self->workspace, &options, &op, &err), QL_E_INVALID);
    options.struct_size = 1;
    assert_int_equal(ql_op_ingest(self->workspace, &options, &op, &err), QL_E_INVALID);
    assert_int_equal(ql_op_poll(NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_op_fd(NULL), -1);
    ql_op_free(NULL);
    ql_op_cancel(NULL);
}

static void test_op__a_wait_ends_in_time(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_op *op = start(self);
    ql_status status = ql_op_wait(op, 0, &err);
    assert_true(status == QL_OK || status == QL_DONE);
    for (int i = 0; i < 1000 && status == QL_OK; i++) status = ql_op_wait(op, 20, &err);
    assert_int_equal(status, QL_DONE);
    ql_op_free(op);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_op__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_loop_gets_every_callback_in_its_thread),
        TEST(who_does_not_poll_holds_the_ingest_up),
        TEST(a_callback_or_another_thread_stops_it),
        TEST(the_end_is_settled_once),
        TEST(can_be_freed_at_any_moment),
        TEST(failures_of_the_call_are_its_ending),
        TEST(a_wait_ends_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
