/* Runtime, workspace, log lines, signals. */
#include "session.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exit_code.h"
#include "log_file.h"
#include "output.h"

#define STOPPING "stopping; what is not finished is done again next time (once more to stop at once)"

static volatile sig_atomic_t stop_signal, first_signal; /* first: the one that stopped the command, also when it was forgotten */
static void (*before_exit)(void);
static const char *stop_text = "\n" STOPPING "\n"; /* set before the handler is */

static void on_stop(int signal_number)
{
    if (stop_signal != 0) {
        if (before_exit != NULL) before_exit();
        _exit(128 + signal_number);
    }
    stop_signal = signal_number;
    if (first_signal != 0) return; /* it was told */
    first_signal = signal_number;
    if (write(STDERR_FILENO, stop_text, strlen(stop_text)) < 0) return;
}

static void install(void)
{
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction before;
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_IGN) continue; /* nohup, or a job in the background of a script */
        sigaction(signals[i], &action, NULL);
    }
}

void stop_install_silent(void (*exit_fn)(void))
{
    stop_text = "";
    before_exit = exit_fn;
    install();
}

void stop_install(const cli *self)
{
    if (self->json_lines) stop_text = "{\"type\":\"stopping\",\"message\":\"" STOPPING "\"}\n";
    install();
}

bool stop_asked(void)
{
    return stop_signal != 0;
}

void stop_forget(void)
{
    stop_signal = 0;
}

int stop_exit_code(void)
{
    return 128 + (first_signal != 0 ? (int)first_signal : SIGINT);
}

int session_fail(const cli *self, ql_status status, const ql_error *err)
{
    int code = cli_fail(self, status, err);
    return ql_status_kind(status) == QL_E_CANCELLED ? stop_exit_code() : code;
}

static void on_log(void *user, ql_log_level level, const char *subsystem, const char *message)
{
    const cli *self = user;
    const char *name = level >= QL_LOG_ERROR ? "error" : level >= QL_LOG_WARNING ? "warning" : level >= QL_LOG_INFO ? "info" : "debug";
    log_file_write(self->log, name, subsystem, message);
    if ((int32_t)level < self->shown_level) return;
    if (self->json_lines) {
        line_log(name, subsystem, ql_str_of(message));
        return;
    }
    fprintf(stderr, "%s%s: %s: ", self->progress_tty ? "\r\033[K" : "", name, subsystem);
    text_put(stderr, ql_str_of(message));
    fputc('\n', stderr);
}

static int32_t log_level(const cli *self)
{
    if (!cli_has(self, OPT_LOG_LEVEL) && cli_has(self, OPT_VERBOSE)) return QL_LOG_INFO;
    return (int32_t)cli_chosen(self, OPT_LOG_LEVEL)->value;
}

/* "12 problems in the configuration; the first: ..."; one problem is told as it is. */
static unsigned long problem_count(const ql_error *err)
{
    char *end = NULL;
    unsigned long count = strtoul(err->message, &end, 10);
    return strncmp(end, " problems", 9) == 0 ? count : 1;
}

static void tell_problems(const cli *self, const char *text)
{
    for (size_t len; *text != '\0'; text += len + (text[len] == '\n')) {
        len = strcspn(text, "\n");
        if (self->json_lines) line_log("error", "config", (ql_str){text, len});
        else {
            text_put(stderr, (ql_str){text, len});
            fputc('\n', stderr);
        }
    }
}

/* Every problem on a line of its own, then the error; without JSON the error need not say the first of them again. */
static int fail_open(const cli *self, const ql_buf *problems, ql_status status, const ql_error *err)
{
    tell_problems(self, ql_buf_cstr(problems));
    if (problems->len == 0 || self->json) return cli_fail(self, status, err);
    unsigned long count = problem_count(err);
    ql_error summary = {.status = status};
    snprintf(summary.message, sizeof summary.message, "%lu problem%s in the configuration; nothing was done", count, count == 1 ? "" : "s");
    return cli_fail(self, status, &summary);
}

void session_place(const cli *self, ql_workspace_options *out)
{
    ql_workspace_options_init(out);
    out->dir = self->values[OPT_WORKSPACE];
    out->config_path = self->values[OPT_CONFIG];
    out->env_path = self->values[OPT_ENV];
    out->lenient = cli_has(self, OPT_LENIENT);
    out->precision = cli_chosen(self, OPT_PRECISION)->name;
}

static int open_workspace(cli *self, const char *data_dir, cli_session *out)
{
    ql_error err = {0};
    ql_buf problems = QL_BUF_INIT;
    ql_workspace_options options;
    session_place(self, &options);
    if (data_dir != NULL) {
        options.data_dir = data_dir;
        if (options.dir == NULL && options.config_path == NULL) options.dir = "."; /* given alone it would mean: no configuration */
    }
    ql_status status = ql_workspace_open(out->runtime, &options, &out->workspace, &problems, &err);
    int code = -1;
    if (status < 0) {
        bool missing = ql_status_kind(status) == QL_E_NOTFOUND; /* config.yaml, or the file that --env names */
        code = fail_open(self, &problems, missing ? QL_E_CONFIG : status, &err);
        if (missing && !self->json && !self->json_lines && !cli_has(self, OPT_ENV)) {
            fprintf(stderr, "A workspace is a folder with a config.yaml; --workspace DIR names another than this one. '%s setup'\n"
                            "makes one by questions or options. The smallest config.yaml:\n\n"
                            "    sources:\n      localfile:\n        docs:\n          base_url: \"file:///path/to/your/documents\"\n\n", self->program);
        }
    }
    ql_buf_dispose(&problems);
    return code;
}

int session_open(cli *self, bool profile, cli_session *out)
{
    return session_open_at(self, profile, NULL, out);
}

int session_open_at(cli *self, bool profile, const char *data_dir, cli_session *out)
{
    *out = (cli_session){0};
    ql_error err = {0};
    ql_runtime_options options = QL_RUNTIME_OPTIONS_INIT;
    self->shown_level = log_level(self);
    options.log_level = self->shown_level < QL_LOG_INFO ? self->shown_level : QL_LOG_INFO; /* the file has what the terminal leaves out */
    options.threads = (uint32_t)cli_number(self, OPT_THREADS);
    options.profile = profile;
    options.log_fn = on_log;
    options.log_user = self;
    ql_status status = ql_runtime_new(&options, &out->runtime, &err);
    if (status < 0) return cli_fail(self, status, &err);
    int code = open_workspace(self, data_dir, out);
    if (code >= 0) session_close(out);
    else out->cli = self;
    return code;
}

void session_tell_choice(const cli_session *self, json_t *object)
{
    static const char *const keys[] = {"store", "store_reason", "embedder", "embedder_reason"};
    ql_buf text = QL_BUF_INIT;
    ql_error err = {0};
    json_t *info = ql_workspace_info_json(self->workspace, &text, &err) >= 0 ? json_loads(ql_buf_cstr(&text), 0, NULL) : NULL; /* an index that cannot be read is told by what follows */
    for (size_t i = 0; info != NULL && i < sizeof keys / sizeof *keys; i++) {
        json_t *value = json_object_get(info, keys[i]);
        if (value == NULL) continue;
        if (object != NULL) json_object_set(object, keys[i], value);
        else if (i % 2 == 1) fprintf(stderr, "%s\n", json_string_value(value));
    }
    json_decref(info);
    ql_buf_dispose(&text);
}

void session_log_open(cli_session *self)
{
    cli *program = self->cli;
    if (program->values[OPT_CONFIG] != NULL) return;
    char why[PATH_MAX + 64];
    program->log = log_file_open(program->values[OPT_WORKSPACE], program->command->name, why, sizeof why);
    if (program->log == NULL) {
        ql_buf message = QL_BUF_INIT;
        ql_buf_printf(&message, "no log is kept: %s", why);
        if (program->json_lines) line_log("warning", "log", ql_buf_str(&message));
        else {
            fprintf(stderr, "warning: ");
            text_put(stderr, ql_buf_str(&message));
            fputc('\n', stderr);
        }
        ql_buf_dispose(&message);
    }
    log_file_write(program->log, "info", program->command->name, "begins, qloader " QLOADER_VERSION);
}

void session_log(const cli_session *self, const char *level, const char *message)
{
    log_file_write(self->cli->log, level, self->cli->command->name, message);
}

static void on_cancel(void *user)
{
    (void)user;
    (void)kill(getpid(), SIGTERM);
}

ql_live *live_show(const cli_session *self)
{
    ql_live *live = NULL;
    ql_error err = {0};
    ql_live_options options = QL_LIVE_OPTIONS_INIT;
    options.cancel_fn = on_cancel;
    if (ql_live_start(&options, &live, &err) < 0) on_log(self->cli, QL_LOG_INFO, "live", err.message);
    return live;
}

void session_close(cli_session *self)
{
    ql_workspace_free(self->workspace);
    ql_runtime_free(self->runtime);
    if (self->cli != NULL) {
        log_file_close(self->cli->log);
        self->cli->log = NULL;
    }
    *self = (cli_session){0};
}
