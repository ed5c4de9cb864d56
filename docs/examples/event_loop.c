/*
 * libqloader inside an event loop that has other things to do: a clock that ticks. Nothing here blocks; callbacks come in this
 * thread. Usage: event_loop FOLDER (with a config.yaml)
 * Build: cc event_loop.c -o event_loop $(pkg-config --cflags --libs qloader)
 */
#define _POSIX_C_SOURCE 200809L /* CLOCK_MONOTONIC, also with -std=c11 */
#include <poll.h>
#include <qloader.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int on_event(void *user, const ql_ingest_event *event)
{
    (void)user;
    printf("event %d: %.*s\n", event->action, (int)event->url.len, event->url.ptr);
    return 0;
}

/* Waits for the clock and the operation at once, as a server waits for its clients. */
static ql_status loop(int clock, ql_op *op, ql_error *err)
{
    unsigned long long ticks = 0, more;
    ql_status status = QL_OK;
    while (status == QL_OK) {
        struct pollfd wait[] = {{.fd = clock, .events = POLLIN}, {.fd = ql_op_fd(op), .events = POLLIN}};
        if (poll(wait, 2, -1) < 0) break;
        if (wait[0].revents && read(clock, &more, sizeof more) == sizeof more) ticks += more;
        if (wait[1].revents) status = ql_op_poll(op, err);
    }
    printf("%s the clock ticked meanwhile\n", ticks > 0 ? "yes," : "no: it was too quick,");
    return status;
}

static ql_status ingest_then_ask(ql_workspace *workspace, int clock, ql_error *err)
{
    ql_op *op = NULL;
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    options.event_fn = on_event;
    ql_status status = ql_op_ingest(workspace, &options, &op, err);
    if (status >= 0) status = loop(clock, op, err);
    ql_op_free(op);
    if (status < 0) return status;
    op = NULL;
    status = ql_op_search(workspace, ql_str_of("how do I start?"), NULL, &op, err);
    if (status >= 0) status = loop(clock, op, err);
    ql_results *results = ql_op_results_take(op);
    if (ql_results_count(results) > 0) printf("%s\n", ql_results_hit(results, 0)->url.ptr);
    ql_results_free(results);
    ql_op_free(op);
    return status;
}

int main(int argc, char **argv)
{
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_error err = {0};
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    const struct itimerspec every = {{0, 1000000}, {0, 1000000}};
    int clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (clock < 0 || timerfd_settime(clock, 0, &every, NULL) < 0) return 1;
    options.dir = argc > 1 ? argv[1] : ".";
    ql_status status = ql_runtime_new(NULL, &runtime, &err);
    if (status >= 0) status = ql_workspace_open(runtime, &options, &workspace, NULL, &err);
    if (status >= 0) status = ingest_then_ask(workspace, clock, &err);
    if (status < 0) fprintf(stderr, "%s\n", err.message);
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
    close(clock);
    return status < 0;
}
