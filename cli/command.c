/* Parsing and help, driven by the tables in commands.c. */
#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exit_code.h"
#include "output.h"

static const cli_option *option_of(cli_option_id id)
{
    for (const cli_option *option = cli_options; option->name != NULL; option++)
        if (option->id == id) return option;
    return NULL;
}

bool cli_has(const cli *self, cli_option_id id)
{
    return self->values[id] != NULL;
}

ql_str cli_str(const cli *self, cli_option_id id)
{
    return ql_str_of(self->values[id]);
}

bool cli_number(const cli *self, cli_option_id id, unsigned long min, unsigned long max, unsigned long *out)
{
    const char *text = self->values[id];
    if (text == NULL) return true;
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min || value > max) {
        (void)cli_usage_error(self, "--%s '%s' is not a number from %lu to %lu", option_of(id)->name, text, min, max);
        return false;
    }
    *out = value;
    return true;
}

/* --- help ---------------------------------------------------------------------------------------------------------------------- */

static void print_option(const cli_option *option)
{
    char left[64];
    int n = snprintf(left, sizeof left, "%s%c%s--%s%s%s", option->letter ? "-" : " ", option->letter ? option->letter : ' ',
                     option->letter ? ", " : "  ", option->name, option->argument ? " " : "", option->argument ? option->argument : "");
    printf("  %-30s%s%s\n", left, n > 29 ? "\n                                " : "", option->help);
}

static void program_help(void)
{
    printf("qloader %s - ingests documents and answers questions about them\n\nUsage: qloader COMMAND [OPTIONS]\n\nCommands:\n", ql_version());
    for (const cli_command *command = cli_commands; command->name != NULL; command++) printf("  %-18s %s\n", command->name, command->summary);
    printf("\nExamples:\n"
           "  qloader init                          make the index of the workspace in this folder\n"
           "  qloader ingest                        bring it up to date with every configured source\n"
           "  qloader search \"how do I undo a commit?\"\n"
           "\n'qloader COMMAND --help' tells more; 'qloader help exit-codes' lists the exit codes.\n");
}

static void exit_codes_help(void)
{
    printf("Exit codes:\n");
#define CLI_EXIT_LINE(code, name, meaning) printf("  %3d  %s\n", code, meaning);
    CLI_EXITS(CLI_EXIT_LINE)
#undef CLI_EXIT_LINE
}

void cli_help(const cli_command *command)
{
    if (command == NULL) {
        program_help();
        return;
    }
    printf("%s\n\nUsage: qloader %s [OPTIONS]%s%s\n", command->summary, command->name, command->arguments[0] ? " " : "", command->arguments);
    if (command->details != NULL) printf("\n%s\n", command->details);
    if (command->options[0] != OPT_COUNT) printf("\nOptions:\n");
    for (const cli_option_id *id = command->options; *id != OPT_COUNT; id++) print_option(option_of(*id));
    printf("\nCommon options:\n");
    for (const cli_option_id *id = command->common; *id != OPT_COUNT; id++) print_option(option_of(*id));
    if (command->examples != NULL) printf("\nExamples:\n%s", command->examples);
}

/* --- parsing ------------------------------------------------------------------------------------------------------------------- */

/* "project list" takes two words; returns how many were used, 0: unknown. */
static int find_command(int argc, char **argv, const cli_command **out)
{
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        const char *blank = strchr(command->name, ' ');
        size_t first = blank != NULL ? (size_t)(blank - command->name) : strlen(command->name);
        if (strlen(argv[0]) != first || strncmp(argv[0], command->name, first) != 0) continue;
        if (blank == NULL || (argc > 1 && strcmp(argv[1], blank + 1) == 0)) {
            *out = command;
            return blank != NULL ? 2 : 1;
        }
    }
    return 0;
}

static unsigned distance(const char *a, const char *b)
{
    unsigned row[64];
    size_t la = strlen(a), lb = strlen(b);
    if (la >= 60 || lb >= 60) return 99;
    for (size_t j = 0; j <= lb; j++) row[j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best) best = above + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[lb];
}

/* "project" of "project list". */
static bool is_of_group(const cli_command *command, const char *group)
{
    size_t len = strlen(group);
    return strncmp(command->name, group, len) == 0 && command->name[len] == ' ';
}

static int group_needs_word(const cli *self, const char *group)
{
    ql_buf words = QL_BUF_INIT;
    for (const cli_command *command = cli_commands; command->name != NULL; command++)
        if (is_of_group(command, group)) ql_buf_printf(&words, " %s", command->name + strlen(group) + 1);
    int code = cli_usage_error(self, "'%s' needs one of:%s", group, ql_buf_cstr(&words));
    ql_buf_dispose(&words);
    return code;
}

static int unknown_command(const cli *self, const char *word)
{
    const char *nearest = NULL;
    unsigned best = 3;
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        if (is_of_group(command, word)) return group_needs_word(self, word);
        unsigned d = distance(word, command->name);
        if (d < best) best = d, nearest = command->name;
    }
    if (nearest != NULL) return cli_usage_error(self, "no command '%s' (did you mean '%s'?); 'qloader --help' lists them", word, nearest);
    return cli_usage_error(self, "no command '%s'; 'qloader --help' lists them", word);
}

static bool command_takes(const cli_command *command, cli_option_id id)
{
    for (const cli_option_id *own = command->options; *own != OPT_COUNT; own++)
        if (*own == id) return true;
    for (const cli_option_id *own = command->common; *own != OPT_COUNT; own++)
        if (*own == id) return true;
    return false;
}

/* getopt's tables for one command. */
typedef struct getopt_tables {
    struct option longs[OPT_COUNT + 1];
    char shorts[3 * OPT_COUNT + 2];
} getopt_tables;

static void build_tables(const cli_command *command, getopt_tables *tables)
{
    size_t l = 0, s = 0;
    tables->shorts[s++] = ':';
    for (const cli_option *option = cli_options; option->name != NULL; option++) {
        if (!command_takes(command, option->id)) continue;
        int has = option->argument != NULL ? required_argument : no_argument;
        tables->longs[l++] = (struct option){option->name, has, NULL, 256 + (int)option->id};
        if (option->letter == 0) continue;
        tables->shorts[s++] = option->letter;
        if (has) tables->shorts[s++] = ':';
    }
    tables->longs[l] = (struct option){NULL, 0, NULL, 0};
    tables->shorts[s] = '\0';
}

static int id_of(int found)
{
    if (found >= 256) return found - 256;
    for (const cli_option *option = cli_options; option->name != NULL; option++)
        if (option->letter == found) return (int)option->id;
    return -1;
}

/* "--project or --project-id" for a beginning that several options share; empty for none or one. */
static void list_candidates(const cli_command *command, const char *word, ql_buf *out)
{
    size_t count = 0, len = strcspn(word, "=");
    for (const cli_option *option = cli_options; option->name != NULL; option++) {
        if (!command_takes(command, option->id) || strncmp(option->name, word, len) != 0) continue;
        ql_buf_printf(out, "%s--%s", count++ > 0 ? " or " : "", option->name);
    }
    if (count < 2) ql_buf_clear(out);
}

static int bad_long_option(const cli *self, const char *word)
{
    ql_buf candidates = QL_BUF_INIT;
    list_candidates(self->command, word + strspn(word, "-"), &candidates);
    int code = candidates.len > 0 ? cli_usage_error(self, "'%s' can be %s; write one of them", word, ql_buf_cstr(&candidates))
                                  : cli_usage_error(self, "'qloader %s' does not take '%s'; 'qloader %s --help' lists its options", self->command->name, word, self->command->name);
    ql_buf_dispose(&candidates);
    return code;
}

/* optopt: the letter, 256 and more for a long option that is known, 0 for one that is not. */
static int bad_option(const cli *self, int argc, char **argv, int found)
{
    const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
    if (optopt >= 256) {
        const cli_option *option = option_of((cli_option_id)(optopt - 256));
        return cli_usage_error(self, found == ':' ? "option '--%s' needs a value" : "option '--%s' takes no value", option != NULL ? option->name : "");
    }
    if (optopt == 0) return bad_long_option(self, word);
    if (found == ':') return cli_usage_error(self, "option '-%c' needs a value", optopt);
    return cli_usage_error(self, "'qloader %s' does not take '-%c'; 'qloader %s --help' lists its options", self->command->name, optopt, self->command->name);
}

/* A filter whose variable was not set in a script must not mean "everything". */
static int check_values(const cli *self)
{
    for (const cli_option *option = cli_options; option->name != NULL; option++)
        if (option->argument != NULL && self->values[option->id] != NULL && self->values[option->id][0] == '\0')
            return cli_usage_error(self, "the value of --%s is empty", option->name);
    const char *color = self->values[OPT_COLOR];
    if (color != NULL && strcmp(color, "auto") != 0 && strcmp(color, "always") != 0 && strcmp(color, "never") != 0)
        return cli_usage_error(self, "--color '%s' is not auto, always or never", color);
    return -1;
}

static int parse_options(cli *self, int argc, char **argv)
{
    getopt_tables tables;
    build_tables(self->command, &tables);
    opterr = 0;
    optind = 1;
    int found;
    while ((found = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
        int id = found == '?' || found == ':' ? -1 : id_of(found);
        if (id < 0) return bad_option(self, argc, argv, found);
        self->values[id] = optarg != NULL ? optarg : "";
    }
    self->positional = argv + optind;
    self->positional_count = argc - optind;
    return -1;
}

static int check_positional(const cli *self)
{
    if (self->positional_count >= self->command->positional_min && self->positional_count <= self->command->positional_max) return -1;
    if (self->positional_count < self->command->positional_min) return cli_usage_error(self, "'qloader %s' needs %s", self->command->name, self->command->arguments);
    return cli_usage_error(self, "'qloader %s' does not take '%s'", self->command->name, self->positional[self->command->positional_max]);
}

const char *cli_format(const cli *self, const char *const *names)
{
    const char *given = self->values[OPT_FORMAT];
    const char *wanted = given != NULL ? given : cli_has(self, OPT_JSON) ? "json" : names[0];
    ql_buf list = QL_BUF_INIT;
    const char *found = NULL;
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(wanted, names[i]) == 0) found = names[i];
        ql_buf_printf(&list, "%s%s", i == 0 ? "" : names[i + 1] != NULL ? ", " : " or ", names[i]);
    }
    if (found == NULL) (void)cli_usage_error(self, "--format '%s' is not %s", wanted, ql_buf_cstr(&list));
    else if (cli_has(self, OPT_JSON) && strcmp(found, "json") != 0) {
        (void)cli_usage_error(self, "--json and --format %s exclude each other", found);
        found = NULL;
    }
    ql_buf_dispose(&list);
    return found;
}

static void choose_colors(cli *self)
{
    const char *wish = self->values[OPT_COLOR];
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool dumb = term == NULL || strcmp(term, "dumb") == 0;
    bool off = (wish != NULL && strcmp(wish, "never") == 0) || ((wish == NULL || strcmp(wish, "auto") == 0) && no_color != NULL && no_color[0] != '\0');
    bool on = wish != NULL && strcmp(wish, "always") == 0;
    self->color_out = on || (!off && !dumb && isatty(STDOUT_FILENO));
    self->color_err = on || (!off && !dumb && isatty(STDERR_FILENO));
    self->progress_tty = !dumb && isatty(STDERR_FILENO);
}

static int global_option(const cli *self, const char *word)
{
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) printf("qloader %s\n", ql_version());
    else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) program_help();
    else return cli_usage_error(self, "options come after the command; 'qloader --help' lists the commands");
    return EXIT_OK;
}

/* "project --help", "help project": the commands that begin so. */
static bool group_help(int argc, char **argv, bool asked)
{
    bool found = false;
    if (argc > 1 && strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0) return false;
    if (argc == 1 && !asked) return false;
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        if (!is_of_group(command, argv[0])) continue;
        printf("%s  %-18s %s\n", found ? "" : "Commands:\n", command->name, command->summary);
        found = true;
    }
    if (found) printf("\n'qloader COMMAND --help' tells more.\n");
    return found;
}

static int help_command(const cli *self, int argc, char **argv)
{
    const cli_command *command = NULL;
    if (argc == 0) program_help();
    else if (strcmp(argv[0], "exit-codes") == 0) exit_codes_help();
    else if (find_command(argc, argv, &command) > 0) cli_help(command);
    else if (!group_help(argc, argv, true)) return unknown_command(self, argv[0]);
    return EXIT_OK;
}

/* Known before anything can fail, so that failures are told in the form that was asked for. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "--format=json") == 0 || strcmp(argv[i], "-fjson") == 0) return true;
        bool format = strcmp(argv[i], "--format") == 0 || strcmp(argv[i], "-f") == 0;
        if (format && i + 1 < argc && strcmp(argv[i + 1], "json") == 0) return true;
    }
    return false;
}

int cli_parse(cli *self, int argc, char **argv)
{
    if (argc < 2) {
        program_help();
        return EXIT_USAGE;
    }
    self->json = wants_json(argc, argv);
    if (argv[1][0] == '-') return global_option(self, argv[1]);
    if (strcmp(argv[1], "help") == 0) return help_command(self, argc - 2, argv + 2);
    int words = find_command(argc - 1, argv + 1, &self->command);
    if (words == 0 && group_help(argc - 1, argv + 1, false)) return EXIT_OK;
    if (words == 0) return unknown_command(self, argv[1]);
    int code = parse_options(self, argc - words, argv + words);
    if (code >= 0) return code;
    if (cli_has(self, OPT_HELP)) {
        cli_help(self->command);
        return EXIT_OK;
    }
    code = check_values(self);
    if (code >= 0) return code;
    choose_colors(self);
    return check_positional(self);
}
