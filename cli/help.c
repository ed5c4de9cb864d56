/* Help on the terminal, written from the tables. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "exit_code.h"
#include "output.h"
#include "wording.h"

#define LEFT_WIDTH 29

static void print_option(const cli_option *option)
{
    char left[64];
    ql_buf text = QL_BUF_INIT;
    int n = snprintf(left, sizeof left, "%s%c%s--%s%s%s", option->letter ? "-" : " ", option->letter ? option->letter : ' ',
                     option->letter ? ", " : "  ", option->name, option->value ? " " : "", option->value ? option->value->placeholder : "");
    wording_option(option, &text);
    printf("  %-*s %s%s\n", LEFT_WIDTH, left, n > LEFT_WIDTH ? "\n                                " : "", ql_buf_cstr(&text));
    ql_buf_dispose(&text);
}

static void print_options(const char *title, const cli_option_id *ids)
{
    if (ids[0] == OPT_COUNT) return;
    printf("\n%s:\n", title);
    for (const cli_option_id *id = ids; *id != OPT_COUNT; id++) print_option(cli_option_of(*id));
}

static void print_usage(const cli_command *command)
{
    ql_buf usage = QL_BUF_INIT;
    wording_usage(command, &usage);
    printf("Usage: %s\n", ql_buf_cstr(&usage));
    ql_buf_dispose(&usage);
}

static void print_command(const cli_command *command)
{
    printf("  %-18s %s\n", command->name, command->summary);
}

static void program_help(void)
{
    printf("qloader %s - %s\n\n", ql_version(), cli_program.summary);
    print_usage(&cli_program);
    printf("\nCommands:\n");
    for (const cli_command *command = cli_commands; command->name != NULL; command++) print_command(command);
    print_options("Options", cli_program.options);
    printf("\nExamples:\n%s\n'qloader COMMAND --help' tells more; 'qloader help exit-codes' lists the exit codes.\n", cli_program.examples);
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
    printf("%s\n\n", command->summary);
    print_usage(command);
    if (command->details != NULL) printf("\n%s\n", command->details);
    print_options("Options", command->options);
    print_options("Common options", command->common);
    if (command->examples != NULL) printf("\nExamples:\n%s", command->examples);
}

bool cli_group_help(const char *group)
{
    bool found = false;
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        if (cli_word_in_group(command, group) == NULL) continue;
        if (!found) printf("Commands:\n");
        print_command(command);
        found = true;
    }
    if (found) printf("\n'qloader COMMAND --help' tells more.\n");
    return found;
}

int cmd_help(cli *self)
{
    const cli_command *command = NULL;
    const char *topic = self->positional_count > 0 ? self->positional[0] : NULL;
    int words = topic != NULL ? cli_find_command(self->positional_count, self->positional, &command) : 0;
    if (topic != NULL && self->positional_count > 1 && words < self->positional_count)
        return cli_usage_error(self, "no command '%s %s'; 'qloader --help' lists them", topic, self->positional[1]);
    if (topic == NULL) program_help();
    else if (words > 0) cli_help(command);
    else if (strcmp(topic, "exit-codes") == 0) exit_codes_help();
    else if (!cli_group_help(topic)) return cli_unknown_command(self, topic);
    return EXIT_OK;
}
