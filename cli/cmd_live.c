/* qloader top, dump and monitor: looking into a running process (qloader/live.h). */
#include <string.h>
#include <time.h>

#include "exit_code.h"
#include "live_json.h"
#include "live_screen.h"
#include "live_view.h"
#include "output.h"
#include "session.h"

#define EVERY_MS 1000
#define KEEP_MS 3000 /* the process samples so much longer than it was asked last */

/* 0: a usage error was told. */
static int64_t pid_of(const cli *self, int *code)
{
    int64_t pid = live_pid(self->positional[0]);
    if (pid == 0) *code = cli_usage_error(self, "'%s' is no number of a process", self->positional[0]);
    return pid;
}

static void print_json(const json_t *json)
{
    (void)json_dumpf(json, stdout, JSON_INDENT(2));
    printf("\n");
}

/* --- top ------------------------------------------------------------------------------------------------------------------------- */

/* Asked again before it ends, so that nothing goes on when this program is gone. A capture of the process's own is no failure: its page is there still. */
static ql_status keep_sampling(int64_t pid, unsigned long hz, ql_error *err)
{
    char request[48];
    if (hz == 0) return QL_OK;
    snprintf(request, sizeof request, "sample %lu %d", hz, KEEP_MS);
    ql_status status = ql_live_ask(pid, NULL, ql_str_of(request), NULL, NULL, err);
    return ql_status_kind(status) == QL_E_BUSY || ql_status_kind(status) == QL_E_TIMEOUT ? QL_OK : status;
}

static void take_key(live_view *view, int key)
{
    if (key == 's') view->by_self = !view->by_self;
    if (key == 'p') view->paused = !view->paused;
    if (key == '+' && view->rate_hz < 1000) view->rate_hz = view->rate_hz == 0 ? 99 : view->rate_hz * 2 > 1000 ? 1000 : view->rate_hz * 2;
    if (key == '-') view->rate_hz = view->rate_hz <= 12 ? 0 : view->rate_hz / 2;
}

static void show(live_view *view, const json_t *stats, const json_t *before)
{
    ql_buf text = QL_BUF_INIT;
    screen_size(&view->rows, &view->columns);
    live_view_print(view, stats, before, &text);
    screen_show(&text);
    ql_buf_dispose(&text);
}

/* Until q or a signal; the process's end is a failure that is told when the screen is as before. */
static ql_status watch(int64_t pid, live_view *view, ql_error *err)
{
    json_t *stats = NULL, *before = NULL;
    ql_status status = QL_OK;
    while (!stop_asked()) {
        if (!view->paused || stats == NULL) {
            status = keep_sampling(pid, view->rate_hz, err);
            json_t *fresh = status >= 0 ? live_stats(pid, err) : NULL;
            if (fresh == NULL) {
                status = err->status;
                break;
            }
            json_decref(before);
            before = stats;
            stats = fresh;
        }
        show(view, stats, before);
        int key = screen_key(EVERY_MS);
        if (key == 'q') break;
        if (key == SCREEN_SUSPEND_KEY) screen_suspend();
        else if (key != 0) take_key(view, key);
    }
    json_decref(before);
    json_decref(stats);
    return status;
}

/* Two readings, two seconds apart, as text; with --json the second. */
static ql_status print_once(const cli *self, int64_t pid, live_view *view, ql_error *err)
{
    ql_status status = keep_sampling(pid, view->rate_hz, err);
    json_t *before = status >= 0 ? live_stats(pid, err) : NULL, *stats = NULL;
    const struct timespec pause = {2, 100000000};
    if (before != NULL) (void)nanosleep(&pause, NULL);
    if (before != NULL) stats = live_stats(pid, err);
    if (stats != NULL && cli_has(self, OPT_JSON)) print_json(stats);
    else if (stats != NULL) {
        ql_buf text = QL_BUF_INIT;
        live_view_print(view, stats, before, &text);
        (void)fputs(ql_buf_cstr(&text), stdout);
        ql_buf_dispose(&text);
    }
    status = stats != NULL ? QL_OK : err->status;
    json_decref(before);
    json_decref(stats);
    return status;
}

int cmd_top(cli *self)
{
    int code = EXIT_OK;
    ql_error err = {0};
    int64_t pid = pid_of(self, &code);
    if (pid == 0) return code;
    live_view view = {.by_self = true, .rate_hz = cli_has(self, OPT_PASSIVE) ? 0 : cli_number(self, OPT_RATE)};
    bool moving = !cli_has(self, OPT_JSON) && screen_open();
    stop_install_silent(screen_close);
    ql_status status = moving ? watch(pid, &view, &err) : print_once(self, pid, &view, &err);
    screen_close();
    if (status < 0) return cli_fail(self, status, &err);
    return stop_asked() ? stop_exit_code() : EXIT_OK;
}

/* --- dump ------------------------------------------------------------------------------------------------------------------------ */

static void put_text(const json_t *value, const char *otherwise)
{
    text_put(stdout, ql_str_of(json_is_string(value) ? json_string_value(value) : otherwise));
}

static void print_stack(const json_t *stack)
{
    size_t i;
    json_t *frame;
    json_array_foreach(stack, i, frame)
    {
        const json_t *file = json_object_get(frame, "file");
        printf("    ");
        put_text(json_object_get(frame, "name"), "?");
        if (json_is_string(file)) {
            printf(" (");
            put_text(file, "");
            if (json_integer_value(json_object_get(frame, "line")) != 0) printf(":%lld", (long long)json_integer_value(json_object_get(frame, "line")));
            printf(")");
        }
        printf("\n");
    }
}

static void print_thread(const json_t *thread)
{
    const json_t *waiting = json_object_get(thread, "waiting");
    printf("thread %lld ", (long long)json_integer_value(json_object_get(thread, "id")));
    put_text(json_object_get(thread, "name"), "");
    printf(", %s\n", json_is_null(waiting) ? "not seen (it lets no signal in, or has just begun)" : json_is_true(waiting) ? "waiting" : "running");
    print_stack(json_object_get(thread, "stack"));
}

static void print_task_name(const json_t *task)
{
    printf("task %lld ", (long long)json_integer_value(json_object_get(task, "task")));
    put_text(json_object_get(task, "kind"), "?");
    printf(" ");
    put_text(json_object_get(task, "name"), "?");
}

static void print_tasks(const json_t *tasks)
{
    size_t i;
    json_t *task;
    if (json_array_size(tasks) == 0) printf("no task now\n");
    json_array_foreach(tasks, i, task)
    {
        const char *state = json_string_value(json_object_get(task, "state"));
        print_task_name(task);
        printf(": %s for %.1f s", state != NULL ? state : "?", json_number_value(json_object_get(task, "in_state_ns")) / 1e9);
        if (json_is_integer(json_object_get(task, "thread"))) printf(" on thread %lld", (long long)json_integer_value(json_object_get(task, "thread")));
        if (json_is_string(json_object_get(task, "waits_for"))) {
            printf(" (");
            put_text(json_object_get(task, "waits_for"), "");
            printf(")");
        }
        printf(", age %.1f s, busy %.3f s\n", json_number_value(json_object_get(task, "age_ns")) / 1e9, json_number_value(json_object_get(task, "busy_ns")) / 1e9);
    }
}

static bool all_seen(const json_t *threads)
{
    size_t i;
    json_t *thread;
    json_array_foreach(threads, i, thread) if (json_is_null(json_object_get(thread, "waiting"))) return false;
    return true;
}

/* A fifth of a second; where a thread had no time in it, longer. NULL after telling. */
static json_t *dump_of(const cli *self, int64_t pid, int *code)
{
    static const char *const requests[] = {"record 50 wall 200", "record 50 wall 1500"};
    ql_error err = {0};
    json_t *tasks = NULL, *threads = NULL;
    for (size_t i = 0; i < sizeof requests / sizeof *requests && !stop_asked() && (threads == NULL || !all_seen(threads)); i++) {
        json_decref(threads);
        json_decref(tasks);
        json_t *moment = live_moment(pid, requests[i], &err);
        tasks = moment != NULL ? live_tasks(pid, &err) : NULL;
        threads = tasks != NULL ? live_threads(moment, tasks) : NULL;
        json_decref(moment);
        if (threads == NULL) break;
    }
    if (threads != NULL) return json_pack("{s:o, s:o}", "threads", threads, "tasks", tasks);
    json_decref(tasks);
    if (stop_asked()) err = (ql_error){.status = QL_E_CANCELLED, .message = "stopped"};
    else if (err.status >= 0) err = (ql_error){.status = QL_E_NOMEM, .message = "out of memory"};
    *code = session_fail(self, err.status, &err);
    return NULL;
}

int cmd_dump(cli *self)
{
    int code = EXIT_OK;
    size_t i;
    json_t *thread;
    int64_t pid = pid_of(self, &code);
    stop_install_silent(NULL);
    json_t *dump = pid != 0 ? dump_of(self, pid, &code) : NULL;
    if (dump == NULL) return code;
    if (cli_has(self, OPT_JSON)) print_json(dump);
    else {
        json_array_foreach(json_object_get(dump, "threads"), i, thread) print_thread(thread);
        print_tasks(json_object_get(dump, "tasks"));
    }
    json_decref(dump);
    return EXIT_OK;
}

/* --- monitor --------------------------------------------------------------------------------------------------------------------- */

/* The command's answer as JSON is what the other commands print, under its name. */
static int print_answer(const cli *self, const char *name, json_t *value)
{
    if (!cli_has(self, OPT_JSON)) {
        json_decref(value);
        return EXIT_OK;
    }
    json_t *object = json_pack("{s:o}", name, value);
    print_json(object);
    json_decref(object);
    return EXIT_OK;
}

static int monitor_tasks(const cli *self, int64_t pid)
{
    ql_error err = {0};
    json_t *tasks = live_tasks(pid, &err);
    if (tasks == NULL) return cli_fail(self, err.status, &err);
    if (!cli_has(self, OPT_JSON)) print_tasks(tasks);
    return print_answer(self, "tasks", tasks);
}

/* NULL: there is none of that number. */
static const json_t *task_of(const json_t *tasks, int64_t number)
{
    size_t i;
    json_t *task;
    json_array_foreach(tasks, i, task) if (json_integer_value(json_object_get(task, "task")) == number) return task;
    return NULL;
}

/* What is left of the threads: those that run a task, or that task. */
static json_t *threads_with(const json_t *threads, int64_t task)
{
    size_t i;
    json_t *thread, *chosen = json_array();
    json_array_foreach(threads, i, thread)
    {
        json_int_t runs = json_integer_value(json_object_get(thread, "task"));
        if (runs != 0 && (task == 0 || runs == task)) json_array_append(chosen, thread);
    }
    return chosen;
}

static int monitor_where(const cli *self, int64_t pid)
{
    int code = EXIT_OK;
    size_t i;
    json_t *thread;
    int64_t task = self->positional_count > 2 ? live_pid(self->positional[2]) : 0;
    if (self->positional_count > 2 && task == 0) return cli_usage_error(self, "'%s' is no number of a task", self->positional[2]);
    json_t *dump = dump_of(self, pid, &code);
    if (dump == NULL) return code;
    const json_t *tasks = json_object_get(dump, "tasks");
    if (task != 0 && task_of(tasks, task) == NULL) {
        ql_error err = {.status = QL_E_NOTFOUND};
        snprintf(err.message, sizeof err.message, "there is no task %lld now: '%s monitor %lld ps' lists those there are", (long long)task, self->program, (long long)pid);
        json_decref(dump);
        return cli_fail(self, err.status, &err);
    }
    json_t *chosen = threads_with(json_object_get(dump, "threads"), task);
    if (!cli_has(self, OPT_JSON)) {
        json_array_foreach(chosen, i, thread)
        {
            const json_t *runs = task_of(tasks, json_integer_value(json_object_get(thread, "task")));
            print_task_name(runs);
            printf(" on ");
            print_thread(thread);
        }
        if (json_array_size(chosen) == 0 && task == 0) printf("no thread runs a task now\n");
        else if (json_array_size(chosen) == 0) printf("no thread runs task %lld now; 'ps' tells what it waits for\n", (long long)task);
    }
    json_decref(dump);
    return print_answer(self, "threads", chosen);
}

static int monitor_ask(const cli *self, int64_t pid, const char *request, const char *done)
{
    ql_error err = {0};
    ql_status status = ql_live_ask(pid, NULL, ql_str_of(request), NULL, NULL, &err);
    if (status < 0) return cli_fail(self, status, &err);
    if (!cli_has(self, OPT_JSON) && !cli_has(self, OPT_QUIET)) printf("%s\n", done);
    return print_answer(self, "done", json_string(done));
}

static int monitor_rate(const cli *self, int64_t pid)
{
    char request[48];
    int64_t hz = self->positional_count > 2 ? live_pid(self->positional[2]) : 0;
    bool none = self->positional_count > 2 && strcmp(self->positional[2], "0") == 0;
    if ((hz == 0 && !none) || hz > 1000) return cli_usage_error(self, "rate takes samples a second: 0 to 1000");
    snprintf(request, sizeof request, "sample %d 60000", (int)hz);
    return monitor_ask(self, pid, request, none ? "samples no more" : "samples for a minute");
}

static int monitor_state(const cli *self, int64_t pid)
{
    ql_error err = {0};
    ql_buf text = QL_BUF_INIT;
    const live_view view = {.by_self = true};
    json_t *stats = live_stats(pid, &err);
    if (stats == NULL) return cli_fail(self, err.status, &err);
    live_view_print(&view, stats, NULL, &text);
    if (!cli_has(self, OPT_JSON)) (void)fputs(ql_buf_cstr(&text), stdout);
    ql_buf_dispose(&text);
    return print_answer(self, "state", stats);
}

int cmd_monitor(cli *self)
{
    int code = EXIT_OK;
    int64_t pid = pid_of(self, &code);
    const char *command = self->positional_count > 1 ? self->positional[1] : NULL;
    if (pid == 0) return code;
    stop_install_silent(NULL);
    if (command != NULL && strcmp(command, "cancel") == 0 && self->positional_count > 2) return cli_usage_error(self, "'cancel' takes nothing behind it");
    if (command == NULL) return monitor_state(self, pid);
    if (strcmp(command, "ps") == 0) return monitor_tasks(self, pid);
    if (strcmp(command, "where") == 0) return monitor_where(self, pid);
    if (strcmp(command, "cancel") == 0) return monitor_ask(self, pid, "cancel", "asked to stop");
    if (strcmp(command, "rate") == 0) return monitor_rate(self, pid);
    return cli_usage_error(self, "'%s' is not known: ps, where, cancel, rate", command);
}
