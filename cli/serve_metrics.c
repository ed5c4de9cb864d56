/* See serve_metrics.h. */
#include "serve_metrics.h"

#include <stdlib.h>
#include <string.h>

#include "output.h"

static void tell_place(const cli *self, const char *address, uint32_t port)
{
    ql_buf text = QL_BUF_INIT;
    bool v6 = strchr(address, ':') != NULL;
    ql_buf_printf(&text, "metrics on http://%s%s%s:%u/metrics", v6 ? "[" : "", address, v6 ? "]" : "", port);
    if (cli_has(self, OPT_DEBUG_HTTP)) (void)ql_buf_append(&text, QL_STR(", profiles under /debug/pprof/"));
    if (self->json_lines) line_log("info", "metrics", ql_buf_str(&text));
    else fprintf(stderr, "%s\n", ql_buf_cstr(&text));
    fflush(stderr);
    ql_buf_dispose(&text);
}

int metrics_serve(const cli_session *session, bool quiet, ql_metrics_server **out)
{
    const cli *self = session->cli;
    ql_error err = {0};
    *out = NULL;
    if (!cli_has(self, OPT_METRICS_PORT)) {
        if (cli_has(self, OPT_METRICS_ADDRESS)) return cli_usage_error(self, "--metrics-address goes with --metrics-port");
        return cli_has(self, OPT_DEBUG_HTTP) ? cli_usage_error(self, "--debug-http goes with --metrics-port") : -1;
    }
    ql_metrics_server_options options = QL_METRICS_SERVER_OPTIONS_INIT;
    options.port = (uint32_t)cli_number(self, OPT_METRICS_PORT);
    options.address = self->values[OPT_METRICS_ADDRESS];
    options.token = getenv("QLOADER_METRICS_TOKEN"); /* on the command line every user of the machine could read it */
    if (options.token != NULL && options.token[0] == '\0') options.token = NULL;
    if (cli_has(self, OPT_DEBUG_HTTP)) {
        if (options.token == NULL) return cli_usage_error(self, "--debug-http needs a token: set QLOADER_METRICS_TOKEN to a secret of your own, which every request sends as \"Authorization: Bearer ...\"");
        options.flags |= QL_METRICS_SERVER_PROFILES;
    }
    ql_status status = ql_metrics_enable(session->runtime, &err);
    if (status >= 0) status = ql_metrics_server_start(session->runtime, &options, out, &err);
    if (status < 0) return cli_fail(self, status, &err);
    if (!quiet) tell_place(self, options.address != NULL ? options.address : "127.0.0.1", ql_metrics_server_port(*out));
    return -1;
}
