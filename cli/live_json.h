/* A running process as the commands see it: its page, and a short recording of it, as JSON. */
#ifndef CLI_LIVE_JSON_H
#define CLI_LIVE_JSON_H

#include <jansson.h>

#include "command.h"

/* The number of a process; 0: the word is none. */
int64_t live_pid(const char *word);
/* NULL after filling err. */
json_t *live_stats(int64_t pid, ql_error *err);
/*
 * Records the process for some time and reads that back: all the capture holds, in columns (docs/internals/capture.md), names looked up. NULL after filling err.
 */
json_t *live_moment(int64_t pid, const char *request, ql_error *err);
/* Records into an open file until the time is over, the process ends or the user asks to stop, whichever is first. QL_E_PARTIAL is no failure here: *cut. */
ql_status live_record(int64_t pid, const char *request, FILE *file, bool *cut, ql_error *err);
/* A capture that was recorded into a file that has no name. */
ql_status live_capture_open(FILE *file, ql_capture **out, ql_error *err);

/* The tasks that are there, as docs/schema/monitor.schema.json has them; NULL after filling err. */
json_t *live_tasks(int64_t pid, ql_error *err);
/* Threads of such a moment, and which of the tasks each runs: [{"id", "name", "waiting", "task", "stack": [{"name", "file", "line"}]}]. */
json_t *live_threads(const json_t *moment, const json_t *tasks);

#endif
