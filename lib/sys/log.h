/* The log sink of a runtime; NULL is a valid sink that drops everything. Thread-safe. */
#ifndef QL_LOG_SINK_H
#define QL_LOG_SINK_H

#include <pthread.h>
#include <qloader/log.h>

typedef struct ql__log {
    pthread_mutex_t lock;
    ql_log_fn fn;
    void *user;
    ql_log_level level_min;
} ql__log;

void ql__log_init(ql__log *self, ql_log_fn fn, void *user, ql_log_level level_min);
void ql__log_dispose(ql__log *self);
void ql__log_write(ql__log *self, ql_log_level level, const char *subsystem, const char *format, ...) QL_PRINTF(4, 5);

#endif
