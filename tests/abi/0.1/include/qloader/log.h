/*
 * qloader/log.h - what the library tells the program. The library itself never writes to stdout or stderr.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     static void on_log(void *user, ql_log_level level, const char *subsystem, const char *message) {
 *         fprintf(user, "%d %s: %s\n", level, subsystem, message);
 *     }
 *     int main(void) {
 *         ql_runtime *runtime = NULL;
 *         ql_error err = {0};
 *         ql_runtime_options options = QL_RUNTIME_OPTIONS_INIT;
 *         options.log_fn = on_log;
 *         options.log_user = stderr;
 *         options.log_level = QL_LOG_WARNING;
 *         if (ql_runtime_new(&options, &runtime, &err) < 0) fprintf(stderr, "%s\n", err.message);
 *         ql_runtime_free(runtime);
 *         return err.status < 0;
 *     }
 */
#ifndef QLOADER_LOG_H
#define QLOADER_LOG_H

#include <qloader/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ql_log_level {
    QL_LOG_DEBUG = 10,
    QL_LOG_INFO = 20,
    QL_LOG_WARNING = 30,
    QL_LOG_ERROR = 40
} ql_log_level;

/** Called on any thread of the runtime, one call at a time. message is one line without newline, borrowed, no secrets. */
typedef void (*ql_log_fn)(void *user, ql_log_level level, const char *subsystem, const char *message);

#ifdef __cplusplus
}
#endif

#endif
