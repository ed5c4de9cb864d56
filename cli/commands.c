/* The tables: every option, every command. Data only; parsing and help read it. */
#include "command.h"

const cli_option cli_options[] = {
    {OPT_HELP, "help", 'h', NULL, "show this help"},
    {OPT_WORKSPACE, "workspace", 'w', "DIR", "folder with config.yaml, .env and data/ (default: the current one)"},
    {OPT_CONFIG, "config", 'c', "FILE", "a configuration file outside a workspace"},
    {OPT_ENV, "env", 0, "FILE", "a .env file; its values go before the environment's"},
    {OPT_LENIENT, "lenient", 0, NULL, "unknown keys in the configuration are warnings"},
    {OPT_LOG_LEVEL, "log-level", 0, "LEVEL", "DEBUG, INFO, WARNING (default) or ERROR"},
    {OPT_THREADS, "threads", 0, "N", "threads to use (default: one per core)"},
    {OPT_PRECISION, "precision", 0, "NAME", "arithmetic of the model: auto (default), fp32 or bf16"},
    {OPT_JSON, "json", 0, NULL, "print JSON on stdout"},
    {OPT_QUIET, "quiet", 'q', NULL, "no progress, no summary"},
    {OPT_VERBOSE, "verbose", 'v', NULL, "name every document that is added, changed, deleted or skipped"},
    {OPT_COLOR, "color", 0, "WHEN", "auto (default), always or never"},
    {OPT_FORCE, "force", 0, NULL, "do it again from scratch"},
    {OPT_DRY_RUN, "dry-run", 'n', NULL, "list and compare only; tell what would be done"},
    {OPT_PROFILE, "profile", 0, NULL, "print where the time went, a line a stage"},
    {OPT_NO_PROFILE, "no-profile", 0, NULL, "the default; accepted for scripts"},
    {OPT_RESUME, "resume", 0, NULL, "the default: every run goes on from what was committed"},
    {OPT_NO_RESUME, "no-resume", 0, NULL, "accepted for scripts; what is committed is never done twice, see --force"},
    {OPT_PROJECT, "project", 'p', "ID", "only this project"},
    {OPT_PROJECT_ID, "project-id", 0, "ID", "only this project"},
    {OPT_SOURCE_TYPE, "source-type", 't', "TYPE", "only sources of this type (git, localfile)"},
    {OPT_SOURCE, "source", 's', "NAME", "only the source of this name"},
    {OPT_LIMIT, "limit", 'l', "N", "hits wanted, 1..1000 (default 5)"},
    {OPT_PATH, "path", 0, "PREFIX", "only documents whose path or url begins so"},
    {OPT_SINCE, "since", 0, "WHEN", "only documents changed since: 2026-01-31, 2026-01-31T12:00:00+01:00, or 7d, 12h, 2w ago"},
    {OPT_MODE, "mode", 0, "NAME", "hybrid (default), dense (meaning) or sparse (words)"},
    {OPT_PRUNE, "prune", 0, NULL, "delete documents of sources that are not configured any more"},
    {OPT_FORMAT, "format", 'f', "NAME", "search: text (default), json or md; config: json (default) or yaml; project: table (default) or json"},
    {OPT_EXPLAIN, "explain", 'x', NULL, "tell why each hit is there"},
    {OPT_FULL, "full", 0, NULL, "print whole passages"},
    {OPT_FROM, "from", 0, "PLACE", "folder, file, wheel, zip or URL"},
    {OPT_TO, "to", 0, "DIR", "folder that receives the model (default: the user's data folder)"},
    {OPT_COUNT, NULL, 0, NULL, NULL},
};

static const cli_option_id common[] = {OPT_WORKSPACE, OPT_CONFIG, OPT_ENV, OPT_LENIENT, OPT_LOG_LEVEL, OPT_THREADS,
                                       OPT_JSON, OPT_QUIET, OPT_VERBOSE, OPT_COLOR, OPT_HELP, OPT_COUNT};
static const cli_option_id model_common[] = {OPT_WORKSPACE, OPT_JSON, OPT_QUIET, OPT_COLOR, OPT_HELP, OPT_COUNT};

static const cli_option_id no_options[] = {OPT_COUNT};
static const cli_option_id init_options[] = {OPT_FORCE, OPT_COUNT};
static const cli_option_id ingest_options[] = {OPT_PROJECT, OPT_SOURCE_TYPE, OPT_SOURCE, OPT_FORCE, OPT_PRUNE, OPT_DRY_RUN,
                                               OPT_PRECISION, OPT_PROFILE, OPT_NO_PROFILE, OPT_RESUME, OPT_NO_RESUME, OPT_COUNT};
static const cli_option_id search_options[] = {OPT_LIMIT, OPT_PROJECT, OPT_SOURCE_TYPE, OPT_SOURCE, OPT_PATH, OPT_SINCE, OPT_MODE,
                                               OPT_FORMAT, OPT_EXPLAIN, OPT_FULL, OPT_PRECISION, OPT_COUNT};
static const cli_option_id config_options[] = {OPT_FORMAT, OPT_COUNT};
static const cli_option_id project_list_options[] = {OPT_FORMAT, OPT_COUNT};
static const cli_option_id project_options[] = {OPT_PROJECT_ID, OPT_FORMAT, OPT_COUNT};
static const cli_option_id pull_options[] = {OPT_FROM, OPT_TO, OPT_COUNT};

#define NO_LIMIT 4096

const cli_command cli_commands[] = {
    {"init", "", 0, 0, "make the index of a workspace",
     "Checks the configuration and makes the index if there is none. An index that is there stays as it is;\n"
     "--force drops every document in it first.",
     "  qloader init --workspace ~/kb\n  qloader init --force\n", init_options, common, cmd_init},
    {"ingest", "", 0, 0, "bring the index up to date with its sources",
     "Lists every configured source, reads what is new or changed, and adds, replaces and deletes whole documents.\n"
     "Ctrl-C stops cleanly: what was stored stays, the next run goes on from there.",
     "  qloader ingest\n  qloader ingest --source-type git --source handbook\n  qloader ingest --dry-run --verbose\n", ingest_options, common, cmd_ingest},
    {"search", "QUESTION", 1, NO_LIMIT, "ask the index",
     "Finds the passages that answer a question, by meaning and by words. Several words need no quotes; '-' reads the question from stdin.",
     "  qloader search \"how do I undo the last commit?\"\n  qloader search --path docs/ --limit 3 --format md retry policy\n"
     "  qloader search --json --explain 'ssh key' | jq .hits[0].url\n",
     search_options, common, cmd_search},
    {"config", "", 0, 0, "print the effective configuration, secrets masked", "--format json (default) or yaml.",
     "  qloader config --format yaml\n", config_options, common, cmd_config},
    {"project list", "", 0, 0, "list the configured projects", "--format table (default) or json.", NULL, project_list_options, common, cmd_project_list},
    {"project status", "", 0, 0, "tell how many documents each project has", "--format table (default) or json.", NULL, project_options, common, cmd_project_status},
    {"project validate", "", 0, 0, "check that every source can be opened", "Opens each folder and local repository; nothing is asked over the network. Exit codes: 4 a place is missing, 9 a type is not in this build.", NULL, project_options, common, cmd_project_validate},
    {"model list", "", 0, 0, "list known and installed embedding models", NULL, NULL, no_options, model_common, cmd_model_list},
    {"model pull", "[NAME]", 0, 1, "bring an embedding model to this machine",
     "Without --from the address known for the model is used. Every file is checked against its pinned SHA-256.",
     "  qloader model pull\n  qloader model pull --from ./all-MiniLM-L6-v2\n", pull_options, model_common, cmd_model_pull},
    {"model info", "[NAME]", 0, 1, "facts of a model", NULL, NULL, no_options, model_common, cmd_model_info},
    {"model verify", "[NAME]", 0, 1, "check a model's files against their hashes", NULL, NULL, no_options, model_common, cmd_model_verify},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL},
};
