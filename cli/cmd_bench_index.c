/*
 * qloader bench ingest, qloader bench search: the library's own work on a workspace, without the start of a program.
 * What alternates does so in one process, so that a machine that grows warm or busy meanwhile touches all alike.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench_result.h"
#include "exit_code.h"
#include "output.h"
#include "session.h"

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void show_progress(const cli *self, const char *what, unsigned long number, unsigned long of)
{
    if (!self->progress_tty || cli_has(self, OPT_QUIET)) return;
    if (number > of) fprintf(stderr, "\r\033[K");
    else fprintf(stderr, "\r\033[K%s %lu of %lu", what, number, of);
}

/* Puts what the stages took since `before` into the result. */
static void add_stages(bench_result *result, const ql_runtime *runtime, const json_t *before)
{
    const char *name = NULL;
    json_t *stages = bench_stages(runtime), *stage = NULL;
    json_object_foreach(stages, name, stage)
    {
        char measure[80];
        double earlier = json_number_value(json_object_get(json_object_get(before, name), "wall_ms")), ms = json_number_value(json_object_get(stage, "wall_ms")) - earlier;
        json_int_t calls = json_integer_value(json_object_get(stage, "count")) - json_integer_value(json_object_get(json_object_get(before, name), "count"));
        snprintf(measure, sizeof measure, "stage %.60s", name);
        if (calls > 0) bench_add(result, measure, "s", ms / 1e3);
    }
    json_decref(stages);
}

/* --- ingest ------------------------------------------------------------------------------------------------------------------------ */

static int on_progress(void *user, const ql_ingest_progress *progress)
{
    (void)user, (void)progress;
    return stop_asked();
}

/* In the folder of the workspace: on the disk that its index is on. A name with a dot in front is no document. */
static bool make_scratch(const cli *self, char *out, size_t size)
{
    const char *folder = self->values[OPT_WORKSPACE], *temporary = getenv("TMPDIR");
    if (cli_has(self, OPT_CONFIG)) folder = temporary != NULL && temporary[0] != '\0' ? temporary : "/tmp";
    int length = snprintf(out, size, "%s/.qloader-bench-XXXXXX", folder != NULL ? folder : ".");
    errno = ENAMETOOLONG;
    return length > 0 && (size_t)length < size && mkdtemp(out) != NULL;
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    (void)facts, (void)where;
    (void)(kind == FTW_DP ? rmdir(path) : unlink(path));
    return 0;
}

static void remove_scratch(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* measure: of the result; NULL where it is not kept. */
static int ingest_once(const cli *self, const cli_session *session, bench_result *result, const char *measure)
{
    ql_error err = {0};
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    ql_ingest_report report = QL_INGEST_REPORT_INIT;
    options.progress_fn = on_progress;
    double begin_s = now_s();
    ql_status status = ql_ingest(session->workspace, &options, &report, &err);
    double wall_s = now_s() - begin_s;
    if (status < 0) return session_fail(self, status, &err);
    if (result == NULL) return -1;
    bench_add(result, measure, "s", wall_s);
    if (report.chunks > 0 && wall_s > 0) {
        bench_add(result, "documents", "1/s", (double)(report.added + report.changed) / wall_s);
        bench_add(result, "tokens", "1/s", (double)report.tokens / wall_s);
    }
    return -1;
}

/* Into an empty index, then where nothing has changed. */
static int ingest_twice(cli *self, bench_result *result)
{
    cli_session session;
    char scratch[4096];
    ql_error err = {.status = QL_E_IO};
    if (!make_scratch(self, scratch, sizeof scratch)) {
        int why = errno, wrong = session_open(self, false, &session); /* a workspace that is not there is told as by every command */
        if (wrong >= 0) return wrong;
        session_close(&session);
        errno = why;
        snprintf(err.message, sizeof err.message, "cannot make a folder for the scratch index in the workspace: %s", strerror(errno));
        return cli_fail(self, errno == ENOSPC ? QL_E_NOSPACE : QL_E_IO, &err);
    }
    int code = session_open_at(self, true, scratch, &session);
    if (code < 0) {
        code = ingest_once(self, &session, result, "full");
        if (code < 0 && result != NULL) add_stages(result, session.runtime, NULL);
        if (code < 0) code = ingest_once(self, &session, result, "unchanged");
        session_close(&session);
    }
    remove_scratch(scratch);
    return code;
}

int cmd_bench_ingest(cli *self)
{
    bench_result result;
    unsigned long warmup = cli_number(self, OPT_WARMUP), runs = cli_number(self, OPT_RUNS);
    int code = -1;
    bench_init(&result, "ingest", cli_has(self, OPT_NAME) ? self->values[OPT_NAME] : "ingest");
    bench_start(&result);
    bench_condition(&result, "warmup", json_integer((json_int_t)warmup));
    bench_condition(&result, "state", json_string(warmup > 0 ? "warm" : "as found"));
    bench_condition(&result, "threads", json_integer((json_int_t)cli_number(self, OPT_THREADS)));
    stop_install(self);
    for (unsigned long i = 0; i < warmup + runs && code < 0; i++) {
        show_progress(self, "ingest", i + 1, warmup + runs);
        code = ingest_twice(self, i >= warmup ? &result : NULL);
    }
    show_progress(self, "", 1, 0);
    if (code < 0) code = bench_finish(self, &result);
    bench_dispose(&result);
    return code;
}

/* --- search ------------------------------------------------------------------------------------------------------------------------ */

typedef struct questions {
    char **texts;
    size_t count, capacity;
} questions;

static bool add_question(questions *self, const char *text, size_t len)
{
    if (self->count == self->capacity) {
        size_t wanted = self->capacity > 0 ? self->capacity * 2 : 16;
        char **grown = reallocarray(self->texts, wanted, sizeof *grown);
        if (grown == NULL) return false;
        self->texts = grown;
        self->capacity = wanted;
    }
    self->texts[self->count] = strndup(text, len);
    return self->texts[self->count] != NULL && ++self->count > 0;
}

static int read_questions(const cli *self, questions *out)
{
    const char *path = self->values[OPT_QUESTIONS];
    bool whole = true;
    char *line = NULL;
    size_t size = 0;
    for (int i = 0; i < self->positional_count && whole; i++) whole = add_question(out, self->positional[i], strlen(self->positional[i]));
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    if (path != NULL && file == NULL) {
        ql_error err = {.status = errno == ENOENT ? QL_E_NOTFOUND : QL_E_IO};
        snprintf(err.message, sizeof err.message, "cannot read '%.200s': %s", path, strerror(errno));
        return cli_fail(self, err.status, &err);
    }
    while (file != NULL && whole && getline(&line, &size, file) >= 0) {
        size_t len = strcspn(line, "\r\n");
        if (len > 0) whole = add_question(out, line, len);
    }
    free(line);
    if (file != NULL) fclose(file);
    if (!whole) return cli_fail(self, QL_E_NOMEM, NULL);
    return out->count > 0 ? -1 : cli_usage_error(self, "'%s bench search' needs a question, or --questions with one in it", self->program);
}

static int evict_one(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    (void)facts, (void)where;
    int fd = kind == FTW_F ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0) return 0;
    (void)fdatasync(fd); /* what is not on the disk yet cannot be dropped */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    return 0;
}

/* Nothing may have it mapped meanwhile. The kernel takes it as advice. */
static void evict_index(const char *data_dir)
{
    (void)nftw(data_dir, evict_one, 16, FTW_PHYS);
}

static char *data_dir_of(const cli_session *session)
{
    ql_buf text = QL_BUF_INIT;
    ql_error err = {0};
    json_t *info = ql_workspace_info_json(session->workspace, &text, &err) >= 0 ? json_loads(ql_buf_cstr(&text), 0, NULL) : NULL;
    const char *path = json_string_value(json_object_get(info, "data_dir"));
    char *copy = path != NULL ? strdup(path) : NULL;
    json_decref(info);
    ql_buf_dispose(&text);
    return copy;
}

static int search_once(const cli *self, const cli_session *session, const char *question, bench_result *result)
{
    ql_error err = {0};
    ql_results *results = NULL;
    ql_search_options options;
    ql_search_options_init(&options);
    options.limit = (uint32_t)cli_number(self, OPT_LIMIT);
    options.mode = cli_chosen(self, OPT_MODE)->value;
    json_t *before = bench_stages(session->runtime);
    double begin_s = now_s();
    ql_status status = ql_search(session->workspace, ql_str_of(question), &options, &results, &err);
    double wall_s = now_s() - begin_s;
    if (status >= 0 && result != NULL) {
        bench_add(result, "search", "s", wall_s);
        bench_add(result, "hits", "count", (double)ql_results_count(results));
        add_stages(result, session->runtime, before);
    }
    json_decref(before);
    ql_results_free(results);
    if (status >= 0 && stop_asked()) {
        err = (ql_error){.status = QL_E_CANCELLED, .message = "stopped"};
        status = QL_E_CANCELLED;
    }
    return status < 0 ? session_fail(self, status, &err) : -1;
}

static int search_warm(cli *self, const questions *asked, bench_result *result)
{
    cli_session session;
    unsigned long warmup = cli_number(self, OPT_WARMUP), runs = cli_number(self, OPT_RUNS);
    int code = session_open(self, true, &session);
    if (code >= 0) return code;
    ql_live *live = live_show(&session);
    for (unsigned long i = 0; i < warmup + runs && code < 0; i++) {
        show_progress(self, "round", i + 1, warmup + runs);
        for (size_t q = 0; q < asked->count && code < 0; q++) code = search_once(self, &session, asked->texts[q], i >= warmup ? result : NULL);
    }
    ql_live_free(live);
    session_close(&session);
    return code;
}

/* Opening the workspace counts too: a search that finds nothing open waits for it. */
static int search_cold_once(cli *self, const char *question, bench_result *result)
{
    cli_session session;
    int code = session_open(self, true, &session);
    if (code >= 0) return code;
    char *data_dir = data_dir_of(&session);
    session_close(&session);
    if (data_dir != NULL) evict_index(data_dir);
    free(data_dir);
    double begin_s = now_s();
    code = session_open(self, true, &session);
    if (code >= 0) return code;
    bench_add(result, "open", "s", now_s() - begin_s);
    code = search_once(self, &session, question, result);
    session_close(&session);
    return code;
}

static int search_cold(cli *self, const questions *asked, bench_result *result)
{
    unsigned long runs = cli_number(self, OPT_RUNS);
    int code = -1;
    for (unsigned long i = 0; i < runs && code < 0; i++) {
        show_progress(self, "round", i + 1, runs);
        for (size_t q = 0; q < asked->count && code < 0; q++) code = search_cold_once(self, asked->texts[q], result);
    }
    return code;
}

int cmd_bench_search(cli *self)
{
    bench_result result;
    questions asked = {0};
    bool cold = cli_has(self, OPT_COLD);
    int code = read_questions(self, &asked);
    if (code < 0 && asked.count * cli_number(self, OPT_RUNS) > BENCH_VALUES_MAX) code = cli_usage_error(self, "%lu times %zu searches are more than %d", cli_number(self, OPT_RUNS), asked.count, BENCH_VALUES_MAX);
    bench_init(&result, "search", cli_has(self, OPT_NAME) ? self->values[OPT_NAME] : "search");
    bench_start(&result);
    bench_condition(&result, "warmup", json_integer(cold ? 0 : (json_int_t)cli_number(self, OPT_WARMUP)));
    bench_condition(&result, "state", json_string(cold ? "cold" : cli_number(self, OPT_WARMUP) > 0 ? "warm" : "as found"));
    bench_condition(&result, "questions", json_integer((json_int_t)asked.count));
    stop_install(self);
    if (code < 0) code = cold ? search_cold(self, &asked, &result) : search_warm(self, &asked, &result);
    show_progress(self, "", 1, 0);
    if (code < 0) code = bench_finish(self, &result);
    for (size_t i = 0; i < asked.count; i++) free(asked.texts[i]);
    free(asked.texts);
    bench_dispose(&result);
    return code;
}
