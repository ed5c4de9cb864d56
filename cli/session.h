/* What most commands begin with: a runtime with the log on stderr, and a workspace; and stopping by signal. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <jansson.h>

#include "command.h"

typedef struct cli_session {
    ql_runtime *runtime;
    ql_workspace *workspace;
    cli *cli;
} cli_session;

/* Returns -1, or the exit code after telling why. */
int session_open(cli *cli, bool profile, cli_session *out);
/* The same with an index elsewhere than the workspace's; data_dir NULL: its own. */
int session_open_at(cli *cli, bool profile, const char *data_dir, cli_session *out);
void session_close(cli_session *self);
/* Where the command line says the workspace is. */
void session_place(const cli *cli, ql_workspace_options *out);

/* Keeps a log from here on, where a workspace is used (log_file.h): for commands that change the index. */
void session_log_open(cli_session *self);
void session_log(const cli_session *self, const char *level, const char *message);

/* Which store and which embedder this run uses, and why: two lines on stderr, or members of `object` where one is given. */
void session_tell_choice(const cli_session *self, json_t *object);

/* Lets others of this user look into the process (qloader/live.h); NULL: it cannot be, which is told in the log. Cancelling is a SIGTERM to itself. */
ql_live *live_show(const cli_session *self);

/* First Ctrl-C or SIGTERM asks, the second ends the process at once (the index survives that too). What is told then is a line of JSON where `cli` wants those. */
void stop_install(const cli *cli);
bool stop_asked(void);
/* Tells nothing when asked. exit_fn: what the second signal does before it ends the process, async-signal-safe; NULL: nothing. */
void stop_install_silent(void (*exit_fn)(void));
/* For commands that a signal brings to their last part, not to their end: the next one stops that part. The exit code stays the first's. */
void stop_forget(void);
int stop_exit_code(void); /* 128 + signal */
/* cli_fail(); a command that a signal stopped exits by the signal's own number, as every program that a signal ends. */
int session_fail(const cli *cli, ql_status status, const ql_error *err);

#endif
