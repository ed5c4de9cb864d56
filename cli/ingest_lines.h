/* --progress json: an ingest told to a program, a JSON object a line on stderr. The fields are a promise: docs/json.md, docs/schema/progress.schema.json. */
#ifndef CLI_INGEST_LINES_H
#define CLI_INGEST_LINES_H

#include <jansson.h>

#include "session.h"

const char *ingest_action_name(int action);
/* An event as an object, in a line as in the report of --json. */
json_t *ingest_event_json(const ql_ingest_event *event); /* NULL: no memory */

void line_begin(const cli_session *session, bool dry_run);
void line_progress(const ql_ingest_progress *progress);
void line_event(const ql_ingest_event *event);
void line_profile(const ql_runtime *runtime);
/* The last one: how it went, and what the program exits with. */
void line_end(const ql_ingest_report *report, ql_status status, int exit_code);

/* Members with the counts of a report. */
void ingest_report_put(json_t *object, const ql_ingest_report *report);

/* How long the rest of a source will take; false while that is not known. */
bool ingest_eta_ms(const ql_ingest_progress *progress, uint64_t *out);
double ingest_per_second(uint64_t count, uint64_t ms);

#endif
