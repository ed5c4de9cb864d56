/*
 * Commands and their options as data: parsing, help, and later man pages and completions come from these tables.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include <qloader.h>

/* Every option of every command has one identifier, so that a command asks cli_str(cli, OPT_X). */
typedef enum cli_option_id {
    OPT_HELP,
    OPT_VERSION,
    OPT_WORKSPACE,
    OPT_CONFIG,
    OPT_ENV,
    OPT_LENIENT,
    OPT_LOG_LEVEL,
    OPT_THREADS,
    OPT_PRECISION,
    OPT_JSON,
    OPT_QUIET,
    OPT_VERBOSE,
    OPT_COLOR,
    OPT_FORCE,
    OPT_DRY_RUN,
    OPT_PROFILE,
    OPT_NO_PROFILE,
    OPT_RESUME,
    OPT_NO_RESUME,
    OPT_PRUNE,
    OPT_PROJECT,
    OPT_PROJECT_ID,
    OPT_SOURCE_TYPE,
    OPT_SOURCE,
    OPT_LIMIT,
    OPT_PATH,
    OPT_SINCE,
    OPT_MODE,
    OPT_FORMAT,
    OPT_EXPLAIN,
    OPT_FULL,
    OPT_FROM,
    OPT_TO,
    OPT_COUNT
} cli_option_id;

typedef struct cli_option {
    cli_option_id id;
    const char *name;     /* without dashes */
    char letter;          /* or 0 */
    const char *argument; /* placeholder, NULL: a switch */
    const char *help;
} cli_option;

struct cli;
typedef struct cli_command {
    const char *name;      /* "project list" */
    const char *arguments; /* positional, for the usage line */
    int positional_min, positional_max;
    const char *summary;
    const char *details;   /* paragraph, or NULL */
    const char *examples;  /* lines, or NULL */
    const cli_option_id *options; /* ended by OPT_COUNT */
    const cli_option_id *common;  /* those it shares with the other commands of its kind */
    int (*run)(struct cli *cli);
} cli_command;

typedef struct cli {
    const cli_command *command;
    const char *values[OPT_COUNT]; /* NULL: not given; switches hold "" */
    char **positional;
    int positional_count;
    bool json; /* failures too are told as JSON: --json or --format json stands somewhere */
    bool color_out, color_err, progress_tty;
    int32_t shown_level; /* lowest level of log messages on stderr */
    FILE *log;           /* of the workspace, NULL: none */
} cli;

extern const cli_command cli_commands[];
extern const cli_option cli_options[];

/* Parses; on success returns -1, else the exit code (help printed, usage error told). */
int cli_parse(cli *self, int argc, char **argv);
bool cli_has(const cli *self, cli_option_id id);
ql_str cli_str(const cli *self, cli_option_id id); /* empty when not given */
/* Whole number within bounds; false (and told on stderr) when it is not. Keeps *out when not given. */
bool cli_number(const cli *self, cli_option_id id, unsigned long min, unsigned long max, unsigned long *out);
/* What --format and --json ask for, one of names (ended by NULL, the default first); NULL, and told, when they ask for something else. */
const char *cli_format(const cli *self, const char *const *names);
void cli_help(const cli_command *command); /* NULL: the program's */

int cmd_init(cli *self);
int cmd_ingest(cli *self);
int cmd_search(cli *self);
int cmd_config(cli *self);
int cmd_project_list(cli *self);
int cmd_project_status(cli *self);
int cmd_project_validate(cli *self);
int cmd_model_list(cli *self);
int cmd_model_pull(cli *self);
int cmd_model_info(cli *self);
int cmd_model_verify(cli *self);

#endif
