/*
 * Commands and their options as data: parsing, help, man pages, completions and docs/cli.md come from these tables (commands.c).
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
    OPT_MEM,
    OPT_PULL,
    OPT_PULL_FROM,
    OPT_PROJECT,
    OPT_PROJECT_ID,
    OPT_SOURCE_TYPE,
    OPT_SOURCE,
    OPT_LIMIT,
    OPT_PATH,
    OPT_SINCE,
    OPT_MODE,
    OPT_FORMAT, /* options of one name that take other values: a command has at most one of them */
    OPT_CONFIG_FORMAT,
    OPT_PROJECT_FORMAT,
    OPT_EXPLAIN,
    OPT_FULL,
    OPT_FROM,
    OPT_TO,
    OPT_PROGRESS,
    OPT_VERIFY,
    OPT_NETWORK,
    OPT_PLACE,         /* --workspace of setup */
    OPT_OUTPUT_DIR,
    OPT_SETUP_MODE,    /* --mode of setup */
    OPT_SETUP_PROJECT, /* --project of setup */
    OPT_OVERWRITE,     /* --force of setup */
    OPT_NON_INTERACTIVE,
    OPT_LOCALFILE,
    OPT_GIT,
    OPT_METRICS_PORT,
    OPT_METRICS_ADDRESS,
    OPT_DEBUG_HTTP,
    OPT_RUNS,
    OPT_WARMUP,
    OPT_NAME,
    OPT_OUTPUT,
    OPT_FAIL_ABOVE,
    OPT_MEASURE,
    OPT_CONFIDENCE,
    OPT_LEAST,
    OPT_COLLECTION,
    OPT_VARIABLE,
    OPT_ONLY,
    OPT_REQUESTS,
    OPT_CONCURRENCY,
    OPT_TIMEOUT,
    OPT_NO_KEEP_ALIVE,
    OPT_QUESTIONS,
    OPT_COLD,
    OPT_KIND,
    OPT_SORT,
    OPT_GROUP,
    OPT_HEAP_GROUP,
    OPT_ROWS,          /* --limit of tables */
    OPT_INUSE,
    OPT_ALLOC,
    OPT_PEAK,
    OPT_LEAK,
    OPT_RECORDING,     /* --output of record, whose name says the format */
    OPT_WRITE,         /* --output of files that are no results of bench */
    OPT_SVG,
    OPT_CAPTURE_FORMAT,
    OPT_REPORT_FORMAT,
    OPT_NO_SYMBOLS,
    OPT_HTML,
    OPT_DIFF,
    OPT_VIEW_PORT,     /* --port of prof view */
    OPT_NO_OPEN,
    OPT_RATE,
    OPT_PASSIVE,
    OPT_SECONDS,
    OPT_WALL,
    OPT_COUNT
} cli_option_id;

enum { CLI_COLOR_AUTO, CLI_COLOR_ALWAYS, CLI_COLOR_NEVER };
enum { CLI_PROGRESS_AUTO, CLI_PROGRESS_PLAIN, CLI_PROGRESS_NONE, CLI_PROGRESS_JSON };

/* One of the few values that an option takes. */
typedef struct cli_choice {
    const char *name;
    const char *help; /* a few words, or NULL */
    int value;        /* what the program makes of it, where it needs a number */
} cli_choice;

typedef enum cli_value_kind {
    CLI_TEXT,    /* anything but nothing */
    CLI_NUMBER,  /* a whole number, min..max */
    CLI_CHOICE,  /* one of `choices`, in any case of letters */
    CLI_HINT,    /* `choices` are what is known; others pass */
    CLI_FILE,
    CLI_DIR,
    CLI_PLACE,   /* a file, a folder or something that is none */
    CLI_PROJECT, /* id of a configured project */
    CLI_COMMAND  /* of this program */
} cli_value_kind;

/* What an option or a command takes: how it is called, checked and completed. */
typedef struct cli_value {
    const char *placeholder;
    cli_value_kind kind;
    const cli_choice *choices; /* ended by a NULL name */
    unsigned long preset;      /* not given: index of the choice, or the number (0: see the help) */
    unsigned long min, max;
    bool repeats;              /* the option may be given several times, see cli_next */
    bool optional;             /* --option or --option=VALUE, no letter */
} cli_value;

typedef struct cli_option {
    cli_option_id id;
    const char *name;       /* without dashes */
    char letter;            /* or 0 */
    const cli_value *value; /* NULL: a switch */
    const char *help;       /* values and bounds are added to it, see wording.h */
} cli_option;

#define CLI_NO_LIMIT 4096 /* words behind a command */

struct cli;
typedef struct cli_command {
    const char *name;          /* "project list" */
    const cli_value *argument; /* positional, NULL: none */
    int positional_min, positional_max;
    const char *summary;
    const char *details;   /* paragraph, or NULL */
    const char *examples;  /* lines, or NULL */
    const cli_option_id *options; /* ended by OPT_COUNT */
    const cli_option_id *common;  /* those it shares with the other commands of its kind */
    int (*run)(struct cli *cli);
} cli_command;

/* An option as it was given; what may be repeated is read from here, see cli_next. */
typedef struct cli_given {
    cli_option_id id;
    const char *value;
} cli_given;

typedef struct cli {
    const char *program; /* the name it was called by */
    const cli_command *command;
    const char *values[OPT_COUNT]; /* NULL: not given; switches hold "" */
    cli_given *given; /* in order, freed by main */
    int given_count;
    char **positional;
    int positional_count;
    bool json;       /* failures too are told as JSON: --json or --format json stands somewhere */
    bool json_lines; /* --progress json: whatever goes to stderr is a JSON object on a line */
    bool color_out, color_err, progress_tty;
    int32_t shown_level; /* lowest level of log messages on stderr */
    FILE *log;           /* of the workspace, NULL: none */
} cli;

extern const cli_command cli_program; /* what stands before a command; run is NULL */
extern const cli_command cli_commands[];
extern const cli_option cli_options[];

const cli_option *cli_option_of(cli_option_id id);
bool cli_takes(const cli_command *command, cli_option_id id);
/* "project list" takes two words; returns how many were used, 0: no such command. */
int cli_find_command(int argc, char **argv, const cli_command **out);
/* "list" of "project list" for the group "project"; NULL: the command is not of that group. */
const char *cli_word_in_group(const cli_command *command, const char *group);
int cli_unknown_command(const cli *self, const char *word);

/*
 * The name messages and help speak of: the last part of argv[0], so that a link of another name tells of itself. "qloader" where that is
 * no plain name (argv[0] comes from outside).
 */
const char *cli_program_name(const char *argv0);
/* Parses and checks every value; on success returns -1, else the exit code (help printed, usage error told). */
int cli_parse(cli *self, int argc, char **argv);
bool cli_has(const cli *self, cli_option_id id);
ql_str cli_str(const cli *self, cli_option_id id); /* empty when not given */
/* The values of an option that may be repeated, one a call: *at begins as 0. NULL: no more. */
const char *cli_next(const cli *self, cli_option_id id, int *at);
unsigned long cli_number(const cli *self, cli_option_id id); /* of a CLI_NUMBER; its preset when not given */
const cli_choice *cli_chosen(const cli *self, cli_option_id id); /* of a CLI_CHOICE; its preset when not given */
/* The name chosen for an option --format; "json" with --json. */
const char *cli_format(const cli *self, cli_option_id id);

void cli_help(const cli *self, const cli_command *command); /* NULL: the program's */
/* "project": the commands that begin so; false, and nothing printed, if there are none. */
bool cli_group_help(const cli *self, const char *group);

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
int cmd_doctor(cli *self);
int cmd_setup(cli *self);
int cmd_bench_run(cli *self);
int cmd_bench_compare(cli *self);
int cmd_bench_http(cli *self);
int cmd_bench_ingest(cli *self);
int cmd_bench_search(cli *self);
int cmd_prof_top(cli *self);
int cmd_prof_heap(cli *self);
int cmd_prof_plot(cli *self);
int cmd_prof_diff(cli *self);
int cmd_prof_convert(cli *self);
int cmd_prof_report(cli *self);
int cmd_prof_view(cli *self);
int cmd_top(cli *self);
int cmd_record(cli *self);
int cmd_dump(cli *self);
int cmd_monitor(cli *self);
int cmd_help(cli *self);

#endif
