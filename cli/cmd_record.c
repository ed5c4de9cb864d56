/* qloader record: a capture of a running process, or of a program that is started, written as its file's name says. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "capture_name.h"
#include "exit_code.h"
#include "live_json.h"
#include "output.h"
#include "prof_output.h"
#include "session.h"

#define TRY_MS 20

extern char **environ;

typedef struct record_job {
    FILE *file;          /* the capture as it came */
    ql_capture *capture; /* NULL: written as it came */
    int32_t format;      /* capture_name.h */
} record_job;

static ql_status write_job(void *user, ql_capture_write_fn write_fn, void *target, ql_error *err)
{
    const record_job *job = user;
    char bytes[32768];
    size_t size;
    if (job->capture != NULL) return ql_capture_write(job->capture, job->format, NULL, write_fn, target, err);
    rewind(job->file);
    while ((size = fread(bytes, 1, sizeof bytes, job->file)) > 0) {
        int answer = write_fn(target, bytes, size);
        if (answer != 0) {
            *err = (ql_error){.status = QL_E_CALLBACK, .callback_value = answer};
            return err->status;
        }
    }
    return QL_OK;
}

static int tell(const cli *self, const char *path, unsigned long long bytes, bool cut)
{
    if (cli_has(self, OPT_JSON)) {
        json_t *object = json_pack("{s:o, s:I, s:b}", "file", text_json(ql_str_of(path)), "bytes", (json_int_t)bytes, "process_ended", cut);
        if (object != NULL) json_dumpf(object, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(object);
    } else if (!cli_has(self, OPT_QUIET)) {
        text_put(stdout, ql_str_of(path));
        printf(": written, %llu bytes%s\n", bytes, cut ? "; the process ended meanwhile" : "");
    }
    return EXIT_OK;
}

static int write_out(const cli *self, record_job *job, bool cut)
{
    ql_error err = {0};
    unsigned long long bytes = 0;
    const char *path = self->values[OPT_RECORDING];
    job->format = capture_format_of(path);
    stop_forget(); /* Ctrl-C ended the recording, not the command */
    ql_status status = job->format != CAPTURE_AS_IT_IS ? live_capture_open(job->file, &job->capture, &err) : QL_OK;
    if (status < 0) return cli_fail(self, status, &err);
    int code = prof_write_file(self, path, write_job, job, &bytes);
    ql_capture_free(job->capture);
    return code >= 0 ? code : tell(self, path, bytes, cut);
}

static int record_pid(const cli *self, int64_t pid)
{
    ql_error err = {0};
    bool cut = false;
    char request[64];
    record_job job = {.file = tmpfile()};
    if (job.file == NULL) {
        err.status = QL_E_IO;
        snprintf(err.message, sizeof err.message, "no temporary file: %s", strerror(errno));
        return cli_fail(self, QL_E_IO, &err);
    }
    snprintf(request, sizeof request, "record %lu %s %lu", cli_number(self, OPT_RATE), cli_has(self, OPT_WALL) ? "wall" : "cpu", cli_number(self, OPT_SECONDS) * 1000);
    ql_status status = live_record(pid, request, job.file, &cut, &err);
    int code = status < 0 ? cli_fail(self, status, &err) : write_out(self, &job, cut);
    fclose(job.file);
    return code;
}

/* Until it shows itself; false: it ended before. */
static bool wait_for_view(pid_t pid, int *wait_status)
{
    const struct timespec pause = {0, TRY_MS * 1000000};
    bool told = false;
    for (;;) {
        ql_buf text = QL_BUF_INIT;
        bool there = ql_live_stats_json(pid, NULL, &text, NULL) >= 0;
        ql_buf_dispose(&text);
        if (there) return true;
        if (waitpid(pid, wait_status, WNOHANG) == pid) return false;
        if (stop_asked() && !told) told = kill(pid, SIGTERM) == 0; /* a second one would end it at once */
        (void)nanosleep(&pause, NULL);
    }
}

/* As a shell tells it. */
static int program_code(int wait_status)
{
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/* It ended before there was anything to record; one that failed has said why itself. */
static int tell_unseen(const cli *self, int wait_status)
{
    ql_error err = {.status = QL_E_INTERNAL};
    const char *name = self->positional[0];
    int code = program_code(wait_status);
    if (WIFSIGNALED(wait_status)) snprintf(err.message, sizeof err.message, "'%.150s' was ended by signal %d: nothing was recorded", name, WTERMSIG(wait_status));
    else if (code != 0) snprintf(err.message, sizeof err.message, "'%.150s' ended with exit code %d: nothing was recorded", name, code);
    if (code != 0) return cli_fail_as(self, err.status, &err, code);
    err.status = QL_E_NOTFOUND;
    snprintf(err.message, sizeof err.message, "'%.150s' ended too soon to be recorded, or has no live view, as 'ingest' and 'bench search' have", name);
    return cli_fail(self, err.status, &err);
}

static int record_program(const cli *self)
{
    ql_error err = {0};
    pid_t pid;
    int wait_status = 0;
    int failed = posix_spawnp(&pid, self->positional[0], NULL, NULL, self->positional, environ);
    if (failed != 0) {
        err.status = failed == ENOENT ? QL_E_NOTFOUND : QL_E_IO;
        const char *name = self->positional[0], *number = self->positional_count == 1 ? "neither the number of a process nor a program" : "no program";
        if (failed == ENOENT && strchr(name, '/') == NULL) snprintf(err.message, sizeof err.message, "'%.150s' is %s that is found: give a process's number, or '-- PROGRAM [WORD]...'", name, number);
        else snprintf(err.message, sizeof err.message, "'%.150s' cannot be started: %s", name, strerror(failed));
        return cli_fail(self, err.status, &err);
    }
    if (!wait_for_view(pid, &wait_status)) return tell_unseen(self, wait_status);
    int code = record_pid(self, pid);
    while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
    }
    return code != EXIT_OK ? code : program_code(wait_status);
}

int cmd_record(cli *self)
{
    const char *path = self->values[OPT_RECORDING];
    if (path == NULL) return cli_usage_error(self, "'%s record' needs --output FILE: the end of its name says what is written", self->program);
    if (strcmp(path, "-") == 0) return cli_usage_error(self, "--output '-': 'record' does not write to standard output, as the end of the file's name says what is written");
    if (capture_format_of(path) == CAPTURE_UNKNOWN) return capture_name_refuse(self, path, true, "");
    stop_install_silent(NULL);
    int64_t pid = self->positional_count == 1 ? live_pid(self->positional[0]) : 0;
    return pid != 0 ? record_pid(self, pid) : record_program(self);
}
