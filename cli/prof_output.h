/* Where an output of a capture goes: a file that appears when it is whole, standard output, or a text in memory. */
#ifndef CLI_PROF_OUTPUT_H
#define CLI_PROF_OUTPUT_H

#include <jansson.h>

#include "command.h"

/* A writer of a capture, or of two. */
typedef ql_status (*prof_write_fn)(void *user, ql_capture_write_fn write_fn, void *target, ql_error *err);

/* Runs the writer into a file of mode 0600: beside `path` first, renamed when it is whole, so that nothing broken is left. QL_E_CANCELLED: a signal stopped it. */
ql_status prof_write_path(const char *path, prof_write_fn write, void *user, unsigned long long *bytes, ql_error *err);
/*
 * The same, with what went wrong told. path "-" or NULL: standard output. *bytes: how many were written. Returns -1, or the exit code after telling why.
 */
int prof_write_file(const cli *self, const char *path, prof_write_fn write, void *user, unsigned long long *bytes);
/* Tells a failure, which is a signal's where one came. Returns the exit code. */
int prof_fail(const cli *self, ql_status status, const ql_error *err);
/* What the job writes, as JSON. */
ql_status prof_read_json(prof_write_fn write, void *user, json_t **out, ql_error *err);
/* Runs the writer into memory and reads it as JSON. NULL after telling why; *code is then the exit code. */
json_t *prof_write_json(const cli *self, prof_write_fn write, void *user, int *code);

#endif
