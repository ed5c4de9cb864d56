/* --profile[=DIR] of ingest and search: a capture around what the command does. */
#ifndef CLI_PROFILE_H
#define CLI_PROFILE_H

#include "session.h"

typedef struct cli_profile {
    ql_prof *capture;   /* NULL: not asked for */
    const char *folder; /* where the files go: DIR, else the current one */
    bool whole;         /* DIR was named: every format goes there */
} cli_profile;

/* Returns -1, or the exit code after telling why. Without --profile nothing happens. */
int profile_begin(const cli *cli, cli_profile *out);
/* Ends the capture, writes what is made of it, tells where it is. Returns `code`, or the exit code of what went wrong where code was success. */
int profile_end(const cli *cli, cli_profile *self, int code);

#endif
