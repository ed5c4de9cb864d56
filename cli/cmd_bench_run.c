/* qloader bench run: a program again and again, with what each run took. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "bench_process.h"
#include "bench_result.h"
#include "exit_code.h"
#include "output.h"
#include "session.h"

/* A command of this program that prints JSON tells its own times. */
static bool tells_stages(const cli *self)
{
    const char *slash = strrchr(self->positional[0], '/'), *name = slash != NULL ? slash + 1 : self->positional[0];
    if (strcmp(name, "qloader") != 0 && strcmp(name, "qdrant-loader") != 0) return false;
    for (int i = 1; i < self->positional_count; i++)
        if (strcmp(self->positional[i], "--json") == 0) return true;
    return false;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void add_stages(bench_result *result, const json_t *output)
{
    const char *name = NULL;
    const json_t *elapsed = json_object_get(output, "elapsed_ms");
    json_t *stages = json_object_get(output, "stages"), *stage = NULL;
    if (json_is_number(elapsed)) bench_add(result, "reported", "s", json_number_value(elapsed) / 1e3);
    json_object_foreach(stages, name, stage)
    {
        char measure[80];
        const json_t *wall = json_object_get(stage, "wall_ms");
        snprintf(measure, sizeof measure, "stage %.60s", name);
        if (json_is_number(wall)) bench_add(result, measure, "s", json_number_value(wall) / 1e3);
    }
}

static void add_run(bench_result *result, const process_run *run)
{
    bench_add(result, "wall", "s", run->wall_s);
    bench_add(result, "user", "s", seconds(run->usage.ru_utime));
    bench_add(result, "system", "s", seconds(run->usage.ru_stime));
    bench_add(result, "peak memory", "bytes", (double)run->usage.ru_maxrss * 1024);
    bench_add(result, "major faults", "count", (double)run->usage.ru_majflt);
    bench_add(result, "waits", "count", (double)run->usage.ru_nvcsw);
    bench_add(result, "preemptions", "count", (double)run->usage.ru_nivcsw);
    if (run->has_io) {
        bench_add(result, "read", "bytes", (double)run->read_bytes);
        bench_add(result, "written", "bytes", (double)run->written_bytes);
        bench_add(result, "disk read", "bytes", (double)run->disk_read_bytes);
        bench_add(result, "disk written", "bytes", (double)run->disk_written_bytes);
    }
    add_stages(result, run->output);
}

static int fail_run(const cli *self, const process_run *run, const char *which, unsigned long number)
{
    ql_error err = {.status = QL_E_INTERNAL};
    char how[64];
    if (WIFSIGNALED(run->wait_status)) snprintf(how, sizeof how, "was ended by signal %d", WTERMSIG(run->wait_status));
    else snprintf(how, sizeof how, "exited with %d", WEXITSTATUS(run->wait_status));
    snprintf(err.message, sizeof err.message, "%s %lu %s: %s", which, number, how, run->last_words[0] != '\0' ? run->last_words : "it said nothing");
    return cli_fail(self, QL_E_INTERNAL, &err);
}

/* -1, or the exit code. result NULL: a warm-up. */
static int run_once(const cli *self, bool keep_json, unsigned long number, bench_result *result)
{
    process_run run;
    ql_error err = {0};
    ql_status status = process_measure(self->positional, keep_json, &run, &err);
    int code = -1;
    if (status < 0) code = session_fail(self, status, &err);
    else if (!WIFEXITED(run.wait_status) || WEXITSTATUS(run.wait_status) != 0) code = fail_run(self, &run, result != NULL ? "run" : "warm-up run", number);
    else if (result != NULL) add_run(result, &run);
    json_decref(run.output);
    return code;
}

static json_t *words_json(const cli *self)
{
    json_t *words = json_array();
    for (int i = 0; words != NULL && i < self->positional_count; i++) json_array_append_new(words, text_json(ql_str_of(self->positional[i])));
    return words;
}

static void add_conditions(const cli *self, bench_result *result)
{
    struct rusage own;
    bench_condition(result, "command", words_json(self));
    bench_condition(result, "warmup", json_integer((json_int_t)cli_number(self, OPT_WARMUP)));
    if (getrusage(RUSAGE_SELF, &own) == 0) bench_condition(result, "memory_floor_bytes", json_integer((json_int_t)own.ru_maxrss * 1024));
}

int cmd_bench_run(cli *self)
{
    bench_result result;
    unsigned long warmup = cli_number(self, OPT_WARMUP), runs = cli_number(self, OPT_RUNS);
    bool keep_json = tells_stages(self);
    int code = -1;
    bench_init(&result, "run", cli_has(self, OPT_NAME) ? self->values[OPT_NAME] : self->positional[0]);
    bench_start(&result);
    stop_install(self);
    for (unsigned long i = 1; i <= warmup && code < 0; i++) code = run_once(self, keep_json, i, NULL);
    for (unsigned long i = 1; i <= runs && code < 0; i++) {
        code = run_once(self, keep_json, i, &result);
        if (code < 0 && self->progress_tty && !cli_has(self, OPT_QUIET)) fprintf(stderr, "\r\033[Krun %lu of %lu", i, runs);
    }
    if (self->progress_tty && !cli_has(self, OPT_QUIET)) fprintf(stderr, "\r\033[K");
    add_conditions(self, &result);
    if (code < 0) code = bench_finish(self, &result);
    bench_dispose(&result);
    return code;
}
