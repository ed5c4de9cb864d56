/* qloader prof view: a capture as a page, served on loopback until it is stopped, or written. */
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exit_code.h"
#include "output.h"
#include "prof_output.h"
#include "prof_set.h"
#include "session.h"

extern char **environ;

typedef struct view_job {
    ql_capture *capture, *before; /* before NULL: no comparison */
} view_job;

static ql_status write_page(void *user, ql_capture_write_fn write_fn, void *target, ql_error *err)
{
    const view_job *job = user;
    if (job->before != NULL) return ql_capture_diff(job->before, job->capture, QL_CAPTURE_HTML, NULL, write_fn, target, err);
    return ql_capture_write(job->capture, QL_CAPTURE_HTML, NULL, write_fn, target, err);
}

static void print_json(json_t *object)
{
    if (object != NULL) (void)json_dumpf(object, stdout, JSON_INDENT(2));
    printf("\n");
    fflush(stdout);
    json_decref(object);
}

static int write_file(const cli *self, view_job *job, const char *path)
{
    unsigned long long bytes = 0;
    bool to_stdout = strcmp(path, "-") == 0;
    if (to_stdout && cli_has(self, OPT_JSON)) return cli_usage_error(self, "--json prints what was written: name a file with --html");
    int code = prof_write_file(self, path, write_page, job, &bytes);
    if (code >= 0) return code;
    if (to_stdout) return EXIT_OK;
    if (cli_has(self, OPT_JSON)) print_json(json_pack("{s:o, s:s, s:I}", "file", text_json(ql_str_of(path)), "format", "html", "bytes", (json_int_t)bytes));
    else if (!cli_has(self, OPT_QUIET)) {
        text_put(stdout, ql_str_of(path));
        printf(": written, %llu bytes\n", bytes);
    }
    return EXIT_OK;
}

/* The desktop's browser, if there is a desktop. What the browser says is not this program's output. */
static bool open_browser(const char *url, pid_t *child)
{
    const char *display = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    char program[] = "xdg-open", address[128];
    char *words[] = {program, address, NULL};
    posix_spawn_file_actions_t actions;
    if ((display == NULL || *display == '\0') && (wayland == NULL || *wayland == '\0')) return false;
    if (strlen(url) >= sizeof address || posix_spawn_file_actions_init(&actions) != 0) return false;
    memcpy(address, url, strlen(url) + 1);
    bool done = true;
    for (int fd = 0; fd <= 2; fd++) done = done && posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0) == 0;
    done = done && posix_spawnp(child, program, &actions, NULL, words, environ) == 0;
    (void)posix_spawn_file_actions_destroy(&actions);
    return done;
}

/* Until Ctrl-C or SIGTERM, which is how a viewer is meant to end. A signal may reach the server's thread, so the flag is looked at. */
static void wait_for_stop(pid_t child)
{
    const struct timespec moment = {.tv_nsec = 100 * 1000 * 1000};
    while (!stop_asked()) {
        (void)nanosleep(&moment, NULL);
        if (child > 0 && waitpid(child, NULL, WNOHANG) == child) child = 0;
    }
}

static int serve(const cli *self, const view_job *job)
{
    ql_capture_server *server = NULL;
    ql_error err = {0};
    pid_t child = 0;
    ql_status status = ql_capture_server_start(job->capture, job->before, (uint32_t)cli_number(self, OPT_VIEW_PORT), &server, &err);
    if (status < 0) return stop_asked() ? session_fail(self, QL_E_CANCELLED, &err) : cli_fail(self, status, &err);
    const char *url = ql_capture_server_url(server);
    if (cli_has(self, OPT_JSON)) print_json(json_pack("{s:s}", "url", url));
    else {
        printf("%s\n", url);
        fflush(stdout);
    }
    bool opened = !cli_has(self, OPT_NO_OPEN) && !cli_has(self, OPT_JSON) && open_browser(url, &child);
    if (!cli_has(self, OPT_QUIET) && !cli_has(self, OPT_JSON))
        fprintf(stderr, "%s Ctrl-C ends it.\n", opened ? "Opened in the browser." : "Open this address in a browser on this machine.");
    wait_for_stop(child);
    ql_capture_server_stop(server);
    return EXIT_OK;
}

int cmd_prof_view(cli *self)
{
    view_job job = {0};
    ql_error err = {0};
    uint32_t flags = cli_has(self, OPT_NO_SYMBOLS) ? QL_CAPTURE_NO_SYMBOLS : 0;
    int code;
    if (cli_has(self, OPT_HTML) && (cli_has(self, OPT_VIEW_PORT) || cli_has(self, OPT_NO_OPEN)))
        return cli_usage_error(self, "--html writes the page: nothing is served or opened");
    stop_install_silent(NULL); /* it is how a viewer ends */
    ql_status status = cli_has(self, OPT_DIFF) ? prof_set_open(self->values[OPT_DIFF], flags, &job.before, &err) : QL_OK;
    if (status >= 0) status = prof_set_open(self->positional_count > 0 ? self->positional[0] : "capture.qprof", flags, &job.capture, &err);
    if (status < 0) code = cli_fail(self, status, &err);
    else code = cli_has(self, OPT_HTML) ? write_file(self, &job, self->values[OPT_HTML]) : serve(self, &job);
    ql_capture_free(job.before);
    ql_capture_free(job.capture);
    return code;
}
