/* Exit codes, one a failure class; documented in `qloader help exit-codes` and the manual. */
#ifndef CLI_EXIT_CODE_H
#define CLI_EXIT_CODE_H

#include <qloader.h>

/* code, name, meaning */
#define CLI_EXITS(X) \
    X(0, OK, "success") \
    X(1, FAILED, "the command failed for a reason not listed below") \
    X(2, USAGE, "wrong command line") \
    X(3, CONFIG, "the configuration is missing or invalid") \
    X(4, NOTFOUND, "nothing there: no index yet, no such project, source or model, no document passes the filter") \
    X(5, PARTIAL, "finished, but some documents, sources or requests failed") \
    X(6, BUSY, "another process is writing to the index or the profile, or listens on the port") \
    X(7, STORAGE, "disk full or input/output error") \
    X(8, CORRUPT, "a file of the index, the model or a profile is damaged") \
    X(9, UNSUPPORTED, "asked for something that is not in this build") \
    X(10, MISMATCH, "the index was made with another model") \
    X(130, INTERRUPTED, "stopped by Ctrl-C (by SIGTERM: 143, by a hangup: 129); what was stored stays")

enum cli_exit {
#define CLI_EXIT_ENUM(code, name, meaning) EXIT_##name = (code),
    CLI_EXITS(CLI_EXIT_ENUM)
#undef CLI_EXIT_ENUM
};

int cli_exit_of(ql_status status);

#endif
