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
    int n = snprintf(left, sizeof left, "%s%c%s--%s%s%s%s", option->letter ? "-" : " ", option->letter ? option->letter : ' ',
                     option->letter ? ", " : "  ", option->name, option->value ? option->value->optional ? "[=" : " " : "", option->value ? option->value->placeholder : "",
                     option->value && option->value->optional ? "]" : "");
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

static void print_usage(const cli *self, const cli_command *command)
{
    ql_buf usage = QL_BUF_INIT;
    wording_usage(self->program, command, &usage);
    printf("Usage: %s\n", ql_buf_cstr(&usage));
    ql_buf_dispose(&usage);
}

static void print_command(const cli_command *command)
{
    printf("  %-18s %s\n", command->name, command->summary);
}

/* Examples are written for qloader; each begins a line. */
static void print_examples(const cli *self, const char *examples)
{
    static const char own[] = "  qloader ";
    printf("\nExamples:\n");
    while (*examples != '\0') {
        size_t len = strcspn(examples, "\n"), skip = strncmp(examples, own, sizeof own - 1) == 0 ? sizeof own - 1 : 0;
        if (skip > 0) printf("  %s ", self->program);
        printf("%.*s\n", (int)(len - skip), examples + skip);
        examples += len + (examples[len] == '\n');
    }
}

static void program_help(const cli *self)
{
    printf("%s %s - %s\n\n", self->program, ql_version(), cli_program.summary);
    print_usage(self, &cli_program);
    printf("\nCommands:\n");
    for (const cli_command *command = cli_commands; command->name != NULL; command++) print_command(command);
    print_options("Options", cli_program.options);
    print_examples(self, cli_program.examples);
    printf("\n'%s COMMAND --help' tells more; '%s help exit-codes' lists the exit codes.\n", self->program, self->program);
}

static void exit_codes_help(void)
{
    printf("Exit codes:\n");
#define CLI_EXIT_LINE(code, name, meaning) printf("  %3d  %s\n", code, meaning);
    CLI_EXITS(CLI_EXIT_LINE)
#undef CLI_EXIT_LINE
}

void cli_help(const cli *self, const cli_command *command)
{
    if (command == NULL) {
        program_help(self);
        return;
    }
    printf("%s\n\n", command->summary);
    print_usage(self, command);
    if (command->details != NULL) printf("\n%s\n", command->details);
    print_options("Options", command->options);
    print_options("Common options", command->common);
    if (command->examples != NULL) print_examples(self, command->examples);
}

bool cli_group_help(const cli *self, const char *group)
{
    bool found = false;
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        if (cli_word_in_group(command, group) == NULL) continue;
        if (!found) printf("Commands:\n");
        print_command(command);
        found = true;
    }
    if (found) printf("\n'%s COMMAND --help' tells more.\n", self->program);
    return found;
}

int cmd_help(cli *self)
{
    const cli_command *command = NULL;
    const char *topic = self->positional_count > 0 ? self->positional[0] : NULL;
    int words = topic != NULL ? cli_find_command(self->positional_count, self->positional, &command) : 0;
    if (topic != NULL && self->positional_count > 1 && words < self->positional_count)
        return cli_usage_error(self, "no command '%s %s'; '%s --help' lists them", topic, self->positional[1], self->program);
    if (topic == NULL) program_help(self);
    else if (words > 0) cli_help(self, command);
    else if (strcmp(topic, "exit-codes") == 0) exit_codes_help();
    else if (!cli_group_help(self, topic)) return cli_unknown_command(self, topic);
    return EXIT_OK;
}
