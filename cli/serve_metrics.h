/* --metrics-port: the metrics of a command's runtime over HTTP while it runs. */
#ifndef CLI_SERVE_METRICS_H
#define CLI_SERVE_METRICS_H

#include "session.h"

/* Without the option *out is NULL. Tells the address on stderr, where it may. Returns -1, or the exit code after telling why. */
int metrics_serve(const cli_session *session, bool quiet, ql_metrics_server **out);

#endif
