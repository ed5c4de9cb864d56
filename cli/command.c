/* Parsing, driven by the tables in commands.c. */
#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "exit_code.h"
#include "output.h"
#include "wording.h"

const cli_option *cli_option_of(cli_option_id id)
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

const char *cli_next(const cli *self, cli_option_id id, int *at)
{
    while (*at < self->given_count) {
        const cli_given *given = &self->given[(*at)++];
        if (given->id == id) return given->value;
    }
    return NULL;
}

/* NULL: not one of them. */
static const cli_choice *find_choice(const cli_value *value, const char *name)
{
    for (const cli_choice *choice = value->choices; choice->name != NULL; choice++)
        if (strcasecmp(choice->name, name) == 0) return choice;
    return NULL;
}

const cli_choice *cli_chosen(const cli *self, cli_option_id id)
{
    const cli_value *value = cli_option_of(id)->value;
    const cli_choice *found = cli_has(self, id) ? find_choice(value, self->values[id]) : NULL;
    return found != NULL ? found : &value->choices[value->preset]; /* others were refused when the command line was read */
}

static bool read_number(const cli_value *value, const char *text, unsigned long *out)
{
    char *end = NULL;
    errno = 0;
    *out = strtoul(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *out >= value->min && *out <= value->max;
}

unsigned long cli_number(const cli *self, cli_option_id id)
{
    unsigned long number = 0;
    const cli_value *value = cli_option_of(id)->value;
    return cli_has(self, id) && read_number(value, self->values[id], &number) ? number : value->preset;
}

const char *cli_format(const cli *self, cli_option_id id)
{
    return cli_has(self, id) || !cli_has(self, OPT_JSON) ? cli_chosen(self, id)->name : "json";
}

const char *cli_program_name(const char *argv0)
{
    const char *slash = argv0 != NULL ? strrchr(argv0, '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : argv0 != NULL ? argv0 : "";
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return len > 0 && len <= 64 && name[len] == '\0' && name[0] != '-' && name[0] != '.' ? name : "qloader";
}

/* --- parsing ------------------------------------------------------------------------------------------------------------------- */

int cli_find_command(int argc, char **argv, const cli_command **out)
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

#define FAR 3u

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

/* How far a name is from a word that may be a slip of it; FAR: too far. Two letters are one slip in a short word only where it begins right. */
static unsigned slip(const char *word, const char *name)
{
    unsigned d = distance(word, name);
    return d < FAR && (d < 2 || word[0] == name[0] || strlen(word) >= 6) ? d : FAR;
}

const char *cli_word_in_group(const cli_command *command, const char *group)
{
    size_t len = strlen(group);
    return strncmp(command->name, group, len) == 0 && command->name[len] == ' ' ? command->name + len + 1 : NULL;
}

static int group_needs_word(const cli *self, const char *group)
{
    ql_buf words = QL_BUF_INIT;
    for (const cli_command *command = cli_commands; command->name != NULL; command++)
        if (cli_word_in_group(command, group) != NULL) ql_buf_printf(&words, " %s", cli_word_in_group(command, group));
    int code = cli_usage_error(self, "'%s' needs one of:%s", group, ql_buf_cstr(&words));
    ql_buf_dispose(&words);
    return code;
}

int cli_unknown_command(const cli *self, const char *word)
{
    const char *nearest = NULL;
    unsigned best = FAR;
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        if (cli_word_in_group(command, word) != NULL) return group_needs_word(self, word);
        unsigned d = slip(word, command->name);
        if (d < best) best = d, nearest = command->name;
    }
    if (nearest != NULL) return cli_usage_error(self, "no command '%s' (did you mean '%s'?); '%s --help' lists them", word, nearest, self->program);
    return cli_usage_error(self, "no command '%s'; '%s --help' lists them", word, self->program);
}

bool cli_takes(const cli_command *command, cli_option_id id)
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
        if (!cli_takes(command, option->id)) continue;
        int has = option->value == NULL ? no_argument : option->value->optional ? optional_argument : required_argument;
        tables->longs[l++] = (struct option){option->name, has, NULL, 256 + (int)option->id};
        if (option->letter == 0) continue;
        tables->shorts[s++] = option->letter;
        if (has) tables->shorts[s++] = ':';
    }
    tables->longs[l] = (struct option){NULL, 0, NULL, 0};
    tables->shorts[s] = '\0';
}

/* One name and letter may mean different options of different commands. */
static int id_of(const cli_command *command, int found)
{
    if (found >= 256) return found - 256;
    for (const cli_option *option = cli_options; option->name != NULL; option++)
        if (option->letter == found && cli_takes(command, option->id)) return (int)option->id;
    return -1;
}

/* "--project or --project-id" for a beginning that several options share; empty for none or one. */
static void list_candidates(const cli_command *command, const char *word, ql_buf *out)
{
    size_t count = 0, len = strcspn(word, "=");
    for (const cli_option *option = cli_options; option->name != NULL; option++) {
        if (!cli_takes(command, option->id) || strncmp(option->name, word, len) != 0) continue;
        ql_buf_printf(out, "%s--%s", count++ > 0 ? " or " : "", option->name);
    }
    if (count < 2) ql_buf_clear(out);
}

/* The option of this command whose name is at most two letters away; NULL: none. */
static const char *nearest_option(const cli_command *command, const char *word)
{
    char name[64];
    const char *nearest = NULL;
    unsigned best = FAR;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    for (const cli_option *option = cli_options; option->name != NULL; option++) {
        unsigned d = cli_takes(command, option->id) ? slip(name, option->name) : best;
        if (d < best) best = d, nearest = option->name;
    }
    return nearest;
}

static int bad_long_option(const cli *self, const char *word)
{
    ql_buf text = QL_BUF_INIT;
    const char *name = word + strspn(word, "-"), *nearest = nearest_option(self->command, name);
    list_candidates(self->command, name, &text);
    int code;
    if (text.len > 0) {
        code = cli_usage_error(self, "'%s' can be %s; write one of them", word, ql_buf_cstr(&text));
    } else {
        if (nearest != NULL) ql_buf_printf(&text, " (did you mean '--%s'?)", nearest);
        code = cli_usage_error(self, "'%s %s' does not take '%s'%s; '%s %s --help' lists its options", self->program, self->command->name, word, ql_buf_cstr(&text), self->program,
                               self->command->name);
    }
    ql_buf_dispose(&text);
    return code;
}

/* optopt: the letter, 256 and more for a long option that is known, 0 for one that is not. */
static int bad_option(const cli *self, int argc, char **argv, int found)
{
    const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
    if (optopt >= 256) {
        const cli_option *option = cli_option_of((cli_option_id)(optopt - 256));
        return cli_usage_error(self, found == ':' ? "option '--%s' needs a value" : "option '--%s' takes no value", option != NULL ? option->name : "");
    }
    if (optopt == 0) return bad_long_option(self, word);
    if (found == ':') return cli_usage_error(self, "option '-%c' needs a value", optopt);
    return cli_usage_error(self, "'%s %s' does not take '-%c'; '%s %s --help' lists its options", self->program, self->command->name, optopt, self->program, self->command->name);
}

static int bad_value(const cli *self, const cli_option *option, const char *text)
{
    ql_buf list = QL_BUF_INIT;
    wording_choices(option->value, false, &list);
    int code = cli_usage_error(self, "--%s '%s' is not %s", option->name, text, ql_buf_cstr(&list));
    ql_buf_dispose(&list);
    return code;
}

static int check_value(const cli *self, const cli_option *option, const char *text)
{
    unsigned long number = 0;
    const cli_value *value = option->value;
    if (text[0] == '\0') return cli_usage_error(self, "the value of --%s is empty", option->name); /* a variable that was not set must not mean "everything" */
    if (value->kind == CLI_NUMBER && !read_number(value, text, &number))
        return cli_usage_error(self, "--%s '%s' is not a number from %lu to %lu", option->name, text, value->min, value->max);
    if (value->kind == CLI_CHOICE && find_choice(value, text) == NULL) return bad_value(self, option, text);
    if (strcmp(option->name, "format") == 0 && cli_has(self, OPT_JSON) && strcasecmp(text, "json") != 0)
        return cli_usage_error(self, "--json and --format %s exclude each other", text);
    return -1;
}

static int check_values(const cli *self)
{
    int code = -1;
    for (int i = 0; i < self->given_count && code < 0; i++) code = check_value(self, cli_option_of(self->given[i].id), self->given[i].value);
    return code;
}

static int parse_options(cli *self, int argc, char **argv)
{
    getopt_tables tables;
    build_tables(self->command, &tables);
    self->given = calloc((size_t)argc, sizeof *self->given); /* a cluster such as -qv holds several, but of switches only */
    if (self->given == NULL) return cli_fail(self, QL_E_NOMEM, NULL);
    opterr = 0;
    optind = 1;
    int found;
    while ((found = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
        int id = found == '?' || found == ':' ? -1 : id_of(self->command, found);
        if (id < 0) return bad_option(self, argc, argv, found);
        self->values[id] = optarg != NULL ? optarg : "";
        if (optarg != NULL) self->given[self->given_count++] = (cli_given){(cli_option_id)id, optarg};
    }
    self->positional = argv + optind;
    self->positional_count = argc - optind;
    return -1;
}

static int check_positional(const cli *self)
{
    if (self->positional_count >= self->command->positional_min && self->positional_count <= self->command->positional_max) return -1;
    if (self->positional_count < self->command->positional_min) return cli_usage_error(self, "'%s %s' needs %s", self->program, self->command->name, self->command->argument->placeholder);
    return cli_usage_error(self, "'%s %s' does not take '%s'", self->program, self->command->name, self->positional[self->command->positional_max]);
}

static void choose_colors(cli *self)
{
    int wish = cli_chosen(self, OPT_COLOR)->value;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool dumb = term == NULL || strcmp(term, "dumb") == 0;
    bool on = wish == CLI_COLOR_ALWAYS, off = wish == CLI_COLOR_NEVER || (no_color != NULL && no_color[0] != '\0');
    self->color_out = on || (!off && !dumb && isatty(STDOUT_FILENO));
    self->color_err = on || (!off && !dumb && isatty(STDERR_FILENO));
    self->progress_tty = !dumb && isatty(STDERR_FILENO);
}

/* Before a command: those of cli_program. */
static int global_option(const cli *self, const char *word)
{
    const char letter[2] = {word[0] == '-' && word[1] != '\0' && word[2] == '\0' ? word[1] : '\0', '\0'};
    for (const cli_option_id *id = cli_program.options; *id != OPT_COUNT; id++) {
        const cli_option *option = cli_option_of(*id);
        bool same = letter[0] != '\0' ? option->letter == letter[0] : strncmp(word, "--", 2) == 0 && strcmp(word + 2, option->name) == 0;
        if (same && *id == OPT_VERSION) printf("qloader %s\n", ql_version());
        else if (same) cli_help(self, NULL);
        if (same) return EXIT_OK;
    }
    return cli_usage_error(self, "options come after the command; '%s --help' lists the commands", self->program);
}

/* "project --help". */
static bool asks_group_help(const cli *self, int argc, char **argv)
{
    return argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) && cli_group_help(self, argv[0]);
}

/* Known before anything can fail, so that failures are told in the form that was asked for. */
static void find_form(cli *self, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        bool json_follows = i + 1 < argc && strcasecmp(argv[i + 1], "json") == 0;
        bool format = strcmp(argv[i], "--format") == 0 || strcmp(argv[i], "-f") == 0;
        if (strcmp(argv[i], "--json") == 0 || strcasecmp(argv[i], "--format=json") == 0 || strcasecmp(argv[i], "-fjson") == 0 || (format && json_follows)) self->json = true;
        if (strcasecmp(argv[i], "--progress=json") == 0 || (strcmp(argv[i], "--progress") == 0 && json_follows)) self->json_lines = true;
    }
}

int cli_parse(cli *self, int argc, char **argv)
{
    if (argc < 2) {
        cli_help(self, NULL);
        return EXIT_USAGE;
    }
    find_form(self, argc, argv);
    if (argv[1][0] == '-') return global_option(self, argv[1]);
    int words = cli_find_command(argc - 1, argv + 1, &self->command);
    if (words == 0 && asks_group_help(self, argc - 1, argv + 1)) return EXIT_OK;
    if (words == 0) return cli_unknown_command(self, argv[1]);
    int code = parse_options(self, argc - words, argv + words);
    if (code >= 0) return code;
    self->json = self->json || cli_has(self, OPT_JSON); /* an abbreviation says it too */
    self->json_lines = cli_has(self, OPT_PROGRESS) ? cli_chosen(self, OPT_PROGRESS)->value == CLI_PROGRESS_JSON : self->json_lines;
    if (cli_has(self, OPT_HELP)) {
        cli_help(self, self->command);
        return EXIT_OK;
    }
    code = check_values(self);
    if (code >= 0) return code;
    choose_colors(self);
    return check_positional(self);
}
