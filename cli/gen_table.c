/* The tables as JSON, so that tests can compare with them what was made of them. */
#include <jansson.h>

#include "gen_docs.h"

static json_t *option_json(const cli_option *option)
{
    static const char *const kinds[] = {[CLI_TEXT] = "text", [CLI_NUMBER] = "number", [CLI_CHOICE] = "choice", [CLI_HINT] = "hint", [CLI_FILE] = "file",
                                        [CLI_DIR] = "dir", [CLI_PLACE] = "place", [CLI_PROJECT] = "project", [CLI_COMMAND] = "command"};
    const char letter[2] = {option->letter, '\0'};
    const cli_value *value = option->value;
    json_t *choices = json_array();
    for (size_t i = 0; value != NULL && value->choices != NULL && value->choices[i].name != NULL; i++) json_array_append_new(choices, json_string(value->choices[i].name));
    return json_pack("{s:s, s:s, s:s, s:s?, s:b, s:s, s:o}", "name", option->name, "letter", letter, "help", option->help, "placeholder", value != NULL ? value->placeholder : NULL,
                     "optional", value != NULL && value->optional,
                     "kind", value != NULL ? kinds[value->kind] : "switch", "choices", choices);
}

static json_t *command_json(const cli_command *command)
{
    json_t *options = json_array();
    for (const cli_option_id *id = command->options; *id != OPT_COUNT; id++) json_array_append_new(options, option_json(cli_option_of(*id)));
    for (const cli_option_id *id = command->common; *id != OPT_COUNT; id++) json_array_append_new(options, option_json(cli_option_of(*id)));
    return json_pack("{s:s, s:s, s:o}", "name", command->name, "summary", command->summary, "options", options);
}

void gen_table(FILE *out)
{
    json_t *commands = json_array();
    json_array_append_new(commands, command_json(&cli_program));
    for (const cli_command *command = cli_commands; command->name != NULL; command++) json_array_append_new(commands, command_json(command));
    (void)json_dumpf(commands, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(commands);
}
