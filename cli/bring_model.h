/* Bringing an embedding model to this machine: the progress bar, and doing so on first use. */
#ifndef CLI_BRING_MODEL_H
#define CLI_BRING_MODEL_H

#include "command.h"

/* ql_model_pull() with a progress bar on a terminal; on success *place is the model's folder. */
ql_status bring_model(const cli *self, ql_str name, const char *from, const char *to_dir, ql_buf *place, ql_error *err);

/*
 * After a command failed with *status: if that was for want of the default model, and the user wants it (--pull, --pull-from, or there is
 * one at a terminal who can see it and stop it), brings it. True: the command can be tried again. Else *status and *err tell what failed.
 * Only the terminal is no wish for a run that promised to change nothing: `at_terminal` false.
 */
bool bring_missing_model(const cli *self, bool at_terminal, ql_status *status, ql_error *err);

#endif
