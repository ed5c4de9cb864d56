/* See wording.h. */
#include "wording.h"

void wording_usage(const char *program, const cli_command *command, ql_buf *out)
{
    ql_buf_printf(out, "%s%s%s", program, command->name[0] != '\0' ? " " : "", command->name);
    if (command == &cli_program) ql_buf_printf(out, " %s", command->argument->placeholder); /* options come after the command */
    ql_buf_printf(out, " [OPTIONS]");
    if (command == &cli_program || command->argument == NULL) return;
    bool optional = command->positional_min == 0, many = command->positional_max == CLI_NO_LIMIT;
    ql_buf_printf(out, " %s%s%s%s", optional ? "[" : "", command->argument->placeholder, many ? "..." : "", optional ? "]" : "");
}

static void add_choice(const cli_value *value, size_t index, ql_buf *out)
{
    const cli_choice *choice = &value->choices[index];
    bool preset = value->kind == CLI_CHOICE && index == value->preset;
    ql_buf_printf(out, "%s", choice->name);
    if (preset || choice->help != NULL)
        ql_buf_printf(out, " (%s%s%s)", preset ? "default" : "", preset && choice->help != NULL ? ", " : "", choice->help != NULL ? choice->help : "");
}

void wording_choices(const cli_value *value, bool full, ql_buf *out)
{
    for (size_t i = 0; value->choices[i].name != NULL; i++) {
        ql_buf_printf(out, "%s", i == 0 ? "" : value->choices[i + 1].name != NULL ? ", " : " or ");
        if (full) add_choice(value, i, out);
        else ql_buf_printf(out, "%s", value->choices[i].name);
    }
}

void wording_option(const cli_option *option, ql_buf *out)
{
    const cli_value *value = option->value;
    ql_buf_printf(out, "%s", option->help);
    if (value == NULL) return;
    if (value->kind == CLI_NUMBER && value->preset > 0) ql_buf_printf(out, " (%lu..%lu, default %lu)", value->min, value->max, value->preset);
    else if (value->kind == CLI_NUMBER) ql_buf_printf(out, " (%lu..%lu)", value->min, value->max);
    if (value->choices == NULL) return;
    ql_buf_printf(out, ": ");
    wording_choices(value, true, out);
}
