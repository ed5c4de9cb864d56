/* Goal: the sink filters by level, gives one clean line at a time, from many threads, and lets its function log again. */
#include "support/testing.h"

#include <string.h>

#include "sys/log.h"
#include "sys/pool.h"

typedef struct seen {
    ql__log *log;
    int calls, nested, inside, overlaps;
    ql_log_level level;
    char subsystem[32];
    char message[2048];
} seen;

static void record(void *user, ql_log_level level, const char *subsystem, const char *message)
{
    seen *s = user;
    s->overlaps += s->inside++ != 0;
    s->calls++;
    s->level = level;
    strncpy(s->subsystem, subsystem, sizeof s->subsystem - 1);
    strncpy(s->message, message, sizeof s->message - 1);
    s->inside--;
}

static void test_log__passes_levels_from_the_threshold_on(void **state)
{
    (void)state;
    seen s = {0};
    ql__log log;
    ql__log_init(&log, record, &s, QL_LOG_WARNING);
    ql__log_write(&log, QL_LOG_INFO, "a", "dropped");
    assert_int_equal(s.calls, 0);
    ql__log_write(&log, QL_LOG_WARNING, "store", "kept %d", 7);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.level, QL_LOG_WARNING);
    assert_string_equal(s.subsystem, "store");
    assert_string_equal(s.message, "kept 7");
    ql__log_dispose(&log);
}

static void test_log__makes_one_short_line(void **state)
{
    (void)state;
    seen s = {0};
    ql__log log;
    ql__log_init(&log, record, &s, QL_LOG_DEBUG);
    ql__log_write(&log, QL_LOG_INFO, "a", "%s", "x\ny\033[2Jz");
    assert_string_equal(s.message, "x y [2Jz");
    char text[4000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ql__log_write(&log, QL_LOG_INFO, "a", "%s", text);
    assert_int_equal(strlen(s.message), 1023);
    ql__log_dispose(&log);
}

static void test_log__without_a_sink_drops_everything(void **state)
{
    (void)state;
    ql__log log;
    ql__log_write(NULL, QL_LOG_ERROR, "a", "x");
    ql__log_init(&log, NULL, NULL, QL_LOG_DEBUG);
    ql__log_write(&log, QL_LOG_ERROR, "a", "x");
    ql__log_dispose(&log);
}

static void record_nested(void *user, ql_log_level level, const char *subsystem, const char *message)
{
    (void)subsystem;
    (void)message;
    seen *s = user;
    if (s->nested++ == 0) ql__log_write(s->log, level, "a", "from inside");
}

static void test_log__function_may_log_again(void **state)
{
    (void)state;
    ql__log log;
    seen s = {.log = &log};
    ql__log_init(&log, record_nested, &s, QL_LOG_DEBUG);
    ql__log_write(&log, QL_LOG_INFO, "a", "outer");
    assert_int_equal(s.nested, 2);
    ql__log_dispose(&log);
}

static void write_one(void *user, size_t index, size_t worker)
{
    ql__log_write(user, QL_LOG_INFO, "a", "%zu on %zu", index, worker);
}

static void test_log__calls_its_function_one_at_a_time(void **state)
{
    (void)state;
    seen s = {0};
    ql__log log;
    ql__pool *pool = NULL;
    assert_int_equal(ql__pool_new(4, &pool, NULL), QL_OK);
    ql__log_init(&log, record, &s, QL_LOG_DEBUG);
    ql__pool_run(pool, 2000, write_one, &log);
    assert_int_equal(s.calls, 2000);
    assert_int_equal(s.overlaps, 0);
    ql__log_dispose(&log);
    ql__pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log__passes_levels_from_the_threshold_on),
        cmocka_unit_test(test_log__makes_one_short_line),
        cmocka_unit_test(test_log__without_a_sink_drops_everything),
        cmocka_unit_test(test_log__function_may_log_again),
        cmocka_unit_test(test_log__calls_its_function_one_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
