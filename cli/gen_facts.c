/* What is told beside the tables: variables of the environment, files; and which options say where the configuration is. */
#include "gen_docs.h"

const gen_fact gen_variables[] = {
    {"QLOADER_MODEL_DIR", {OPT_WORKSPACE, OPT_COUNT, OPT_COUNT}, "folder of a model, or of several; where models are looked for first"},
    {"QLOADER_MODULE_DIR", {OPT_CONFIG, OPT_COUNT, OPT_COUNT}, "folder of the loadable modules (grammars of programming languages, git), where they are looked for first"},
    {"XDG_DATA_HOME", {OPT_WORKSPACE, OPT_COUNT, OPT_COUNT}, "the user's models are in qloader/models below it; an absolute path, ~/.local/share when it is not set"},
    {"XDG_DATA_DIRS", {OPT_WORKSPACE, OPT_COUNT, OPT_COUNT}, "folders, with colons between them, below which the machine's models are; /usr/local/share:/usr/share when it is not set"},
    {"XDG_RUNTIME_DIR", {OPT_PRUNE, OPT_PASSIVE, OPT_SECONDS}, "a running process shows itself in qloader below it; /run/user/UID, then /tmp/qloader-UID, when it is not set"},
    {"HOME", {OPT_WORKSPACE, OPT_PLACE, OPT_COUNT}, "the user's models, and what ~ stands for in the configuration and in answers of setup"},
    {"SSH_AUTH_SOCK", {OPT_PRUNE, OPT_NETWORK, OPT_COUNT}, "the agent that is asked first for the keys of git repositories; then come the files in ~/.ssh"},
    {"https_proxy, http_proxy, no_proxy", {OPT_PULL, OPT_FROM, OPT_NETWORK}, "the proxy for git repositories and models behind https: or http:, and the hosts that need none"},
    {"QLOADER_ISA", {OPT_CONFIG, OPT_COUNT, OPT_COUNT}, "arithmetic no newer than this: generic, avx2, avx512, avx512vnni or avx512bf16; to compare them"},
    {"QLOADER_CORE_DUMP", {OPT_CONFIG, OPT_COUNT, OPT_COUNT}, "1: where the program crashes, the system may keep its memory, in which the tokens of the configuration are"},
    {"QLOADER_METRICS_TOKEN", {OPT_METRICS_PORT, OPT_DEBUG_HTTP, OPT_COUNT}, "token that whoever reads the metrics or a profile must send as \"Authorization: Bearer TOKEN\""},
    {"DISPLAY, WAYLAND_DISPLAY", {OPT_NO_OPEN, OPT_COUNT, OPT_COUNT}, "where one of them is set, a browser is opened for the page"},
    {"TMPDIR", {OPT_RUNS, OPT_COUNT, OPT_COUNT}, "folder for what is kept for a moment only; /tmp when it is not set"},
    {"NO_COLOR", {OPT_COLOR, OPT_COUNT, OPT_COUNT}, "no colors when it is not empty; --color always is stronger"},
    {"TERM", {OPT_COLOR, OPT_COUNT, OPT_COUNT}, "no colors and no moving line when it is 'dumb'"},
    {NULL, {OPT_COUNT, OPT_COUNT, OPT_COUNT}, NULL},
};

const gen_fact gen_files[] = {
    {"config.yaml", {OPT_CONFIG, OPT_PLACE, OPT_COUNT}, "the configuration of the workspace, see configuration.md of the documentation"},
    {".env", {OPT_CONFIG, OPT_PLACE, OPT_COUNT}, "variables for the configuration"},
    {"data/", {OPT_CONFIG, OPT_COUNT, OPT_COUNT}, "the index; files in data/cache/ may be deleted at any time, not written into"},
    {"logs/COMMAND.log", {OPT_FORCE, OPT_COUNT, OPT_COUNT}, "what the command did, and when; at 10 MB it becomes COMMAND.log.1"},
    {"models/", {OPT_WORKSPACE, OPT_COUNT, OPT_COUNT}, "models of this workspace, looked for behind QLOADER_MODEL_DIR"},
    {"~/.local/share/qloader/models/", {OPT_WORKSPACE, OPT_COUNT, OPT_COUNT}, "the user's models"},
    {"/usr/local/share/qloader/models/, /usr/share/qloader/models/", {OPT_WORKSPACE, OPT_COUNT, OPT_COUNT}, "models of the machine"},
    {NULL, {OPT_COUNT, OPT_COUNT, OPT_COUNT}, NULL},
};

const cli_option_id gen_places[] = {OPT_WORKSPACE, OPT_CONFIG, OPT_ENV, OPT_COUNT};
