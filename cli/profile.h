/* --profile[=DIR] of ingest and search: a capture around what the command does. */
#ifndef CLI_PROFILE_H
#define CLI_PROFILE_H

#include <stdatomic.h>

#include "capture_file.h"
#include "session.h"

typedef struct cli_profile {
    ql_prof *capture;   /* NULL: not asked for */
    const char *folder; /* where the files go: DIR, else the current one */
    bool whole;         /* DIR was named: every format goes there */
    capture_file file;
    atomic_bool asked;  /* profile_keep() was called */
    ql_status status;   /* of it */
    ql_error error;
} cli_profile;

/* Returns -1, or the exit code after telling why. Without --profile nothing happens. What an earlier profile left in the folder stays for now. */
int profile_begin(const cli *cli, cli_profile *out);
/* The run is certain to begin: what an earlier profile left goes. Whoever calls first does it, from any thread; what went wrong is told by profile_end(). */
void profile_keep(cli_profile *self);
/* The same for a run that is over and answered `status`: what failed or was stopped on its way has a profile, what was refused ran nothing. */
void profile_keep_unless_refused(cli_profile *self, ql_status status);
/* Without profile_keep() nothing ran, and the folder is left as it was found. Else: ends the capture, writes what is made of it, tells where it is. Returns `code`, or the exit code of what went wrong where code was success. */
int profile_end(const cli *cli, cli_profile *self, int code);

#endif
