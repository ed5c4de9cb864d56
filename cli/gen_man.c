/* Man pages, in the macros of man(7), which groff and mandoc both know. */
#include <ctype.h>
#include <string.h>

#include "exit_code.h"
#include "gen_docs.h"
#include "wording.h"

#define FILL_COLUMNS 78

/* One character; a hyphen is what one types, not what a typesetter likes. */
static int put_character(FILE *out, char c)
{
    static const struct { char c; const char *name; } names[] = {{'\\', "\\e"}, {'-', "\\-"}, {'~', "\\(ti"}, {'^', "\\(ha"}, {'\'', "\\(aq"}, {'`', "\\(ga"}, {'"', "\\(dq"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].c == c) return fprintf(out, "%s", names[i].name);
    fputc(c, out);
    return 1;
}

static int put_text(FILE *out, const char *text, size_t len)
{
    int columns = 0;
    for (size_t i = 0; i < len; i++) columns += put_character(out, text[i]);
    return columns;
}

static void put(FILE *out, const char *text)
{
    (void)put_text(out, text, strlen(text));
}

/* A paragraph, in lines of readable length; none may begin with what troff takes for a request. */
static void fill(FILE *out, const char *text)
{
    int column = 0;
    while (*(text += strspn(text, " \n")) != '\0') {
        size_t len = strcspn(text, " \n");
        bool fits = column == 0 || column + 1 + (int)len <= FILL_COLUMNS;
        if (column > 0) fputc(fits ? ' ' : '\n', out);
        if (!fits) column = 0;
        if (column == 0 && text[0] == '.') fputs("\\&", out);
        column += put_text(out, text, len) + 1;
        text += len;
    }
    fputc('\n', out);
}

/* "print it" as "Print it." */
static void fill_sentence(FILE *out, const char *text)
{
    ql_buf sentence = QL_BUF_INIT;
    ql_buf_printf(&sentence, "%c%s.", toupper((unsigned char)text[0]), text + 1);
    fill(out, ql_buf_cstr(&sentence));
    ql_buf_dispose(&sentence);
}

/* Lines as they are. */
static void put_example(FILE *out, const char *text)
{
    fputs(".EX\n", out);
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        if (text[0] == '.') fputs("\\&", out);
        (void)put_text(out, text, len);
        fputc('\n', out);
        text += len + (text[len] == '\n');
    }
    fputs(".EE\n", out);
}

static void put_page_name(FILE *out, const cli_command *command, bool upper)
{
    put(out, upper ? "QLOADER" : "qloader");
    if (command->name[0] != '\0') put(out, "-");
    for (const char *at = command->name; *at != '\0'; at++) (void)put_character(out, *at == ' ' ? '-' : upper ? (char)toupper((unsigned char)*at) : *at);
}

static void put_synopsis(FILE *out, const cli_command *command)
{
    ql_buf usage = QL_BUF_INIT;
    size_t bold = strlen("qloader") + (command->name[0] != '\0' ? 1 + strlen(command->name) : 0);
    wording_usage("qloader", command, &usage);
    fputs(".SH SYNOPSIS\n\\fB", out);
    (void)put_text(out, ql_buf_cstr(&usage), bold);
    fputs("\\fR", out);
    put(out, ql_buf_cstr(&usage) + bold);
    fputc('\n', out);
    if (command == &cli_program) fputs(".br\n\\fBqloader\\fR \\-\\-version | \\-\\-help\n", out);
    ql_buf_dispose(&usage);
}

static void put_option(FILE *out, const cli_option *option)
{
    ql_buf text = QL_BUF_INIT;
    fputs(".TP\n", out);
    if (option->letter != 0) fprintf(out, "\\fB\\-%c\\fR, ", option->letter);
    fputs("\\fB\\-\\-", out);
    put(out, option->name);
    fputs("\\fR", out);
    if (option->value != NULL) {
        fputs(option->value->optional ? "[=\\fI" : " \\fI", out);
        put(out, option->value->placeholder);
        fputs(option->value->optional ? "\\fR]" : "\\fR", out);
    }
    fputc('\n', out);
    wording_option(option, &text);
    fill(out, ql_buf_cstr(&text));
    ql_buf_dispose(&text);
}

static void put_options(FILE *out, const cli_command *command)
{
    bool own = command->options[0] != OPT_COUNT, common = command->common[0] != OPT_COUNT;
    fputs(".SH OPTIONS\n", out);
    for (const cli_option_id *id = command->options; *id != OPT_COUNT; id++) put_option(out, cli_option_of(*id));
    if (own && common) fputs(".SS Common options\n", out);
    for (const cli_option_id *id = command->common; *id != OPT_COUNT; id++) put_option(out, cli_option_of(*id));
}

static void put_commands(FILE *out)
{
    fputs(".SH COMMANDS\n", out);
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        fputs(".TP\n.BR ", out);
        put_page_name(out, command, false);
        fputs(" (1)\n", out);
        fill(out, command->summary);
    }
}

static void put_exit_status(FILE *out)
{
    static const struct { int code; const char *meaning; } exits[] = {
#define CLI_EXIT_ROW(code, name, meaning) {code, meaning},
        CLI_EXITS(CLI_EXIT_ROW)
#undef CLI_EXIT_ROW
    };
    fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; i < sizeof exits / sizeof *exits; i++) {
        fprintf(out, ".TP\n\\fB%d\\fR\n", exits[i].code);
        fill(out, exits[i].meaning);
    }
}

static void put_facts(FILE *out, const char *title, const gen_fact *facts, const cli_command *command)
{
    bool any = false;
    for (const gen_fact *fact = facts; fact->name != NULL; fact++) {
        if (!gen_fact_matters(fact, command)) continue;
        fprintf(out, any ? "" : ".SH %s\n", title);
        fputs(".TP\n", out);
        fputs(facts == gen_files ? "\\fI" : "\\fB", out);
        put(out, fact->name);
        fputs("\\fR\n", out);
        fill(out, fact->text);
        any = true;
    }
}

static void put_environment(FILE *out, const cli_command *command)
{
    put_facts(out, "ENVIRONMENT", gen_variables, command);
    if (command != &cli_program && !cli_takes(command, OPT_CONFIG)) return;
    fputs(".PP\n", out);
    fill(out, "The configuration may name others; what it takes from the environment by itself is told in configuration.md of the documentation.");
}

static void put_reference(FILE *out, const cli_command *command, bool last)
{
    fputs(".BR ", out);
    put_page_name(out, command, false);
    fputs(last ? " (1)\n" : " (1),\n", out);
}

/* The pages of its group; of all commands, for the program. */
static void put_see_also(FILE *out, const cli_command *command)
{
    ql_str group;
    const cli_command *previous = command != &cli_program ? &cli_program : NULL;
    bool grouped = gen_group_of(command, &group);
    fputs(".SH SEE ALSO\n", out);
    for (const cli_command *related = cli_commands; related->name != NULL; related++) {
        bool same_kind = grouped ? gen_word_of(related, group) != NULL : strchr(related->name, ' ') == NULL;
        if (related == command || (command != &cli_program && !same_kind)) continue;
        if (previous != NULL) put_reference(out, previous, false);
        previous = related;
    }
    put_reference(out, previous, true);
}

void gen_man(FILE *out, const cli_command *command, const char *date)
{
    fputs(".\\\" Made by gen_docs from the tables of commands and options.\n.TH ", out);
    put_page_name(out, command, true);
    fprintf(out, " 1 \"%s\" \"qloader %s\" \"User Commands\"\n.SH NAME\n", date, QLOADER_VERSION);
    put_page_name(out, command, false);
    fputs(" \\- ", out);
    put(out, command->summary);
    fputc('\n', out);
    put_synopsis(out, command);
    fputs(".SH DESCRIPTION\n", out);
    if (command->details != NULL) fill(out, command->details);
    else fill_sentence(out, command->summary);
    if (command == &cli_program) put_commands(out);
    put_options(out, command);
    if (command->examples != NULL) {
        fputs(".SH EXAMPLES\n", out);
        put_example(out, command->examples);
    }
    put_exit_status(out);
    put_environment(out, command);
    put_facts(out, "FILES", gen_files, command);
    put_see_also(out, command);
}
