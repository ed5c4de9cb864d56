/* docs/cli.md: the reference of the command line. */
#include <string.h>

#include "exit_code.h"
#include "gen_docs.h"
#include "wording.h"

static void put(FILE *out, const char *text)
{
    gen_put_escaped(out, text, "\\`*_<|", "\\");
}

static void put_anchor(FILE *out, const char *name)
{
    fputc('#', out);
    for (; *name != '\0'; name++) fputc(*name == ' ' ? '-' : *name, out);
}

static void put_option(FILE *out, const cli_option *option)
{
    ql_buf text = QL_BUF_INIT;
    fputs("| ", out);
    if (option->letter != 0) fprintf(out, "`-%c`, ", option->letter);
    const char *before = option->value == NULL ? "" : option->value->optional ? "[=" : " ", *after = option->value != NULL && option->value->optional ? "]" : "";
    fprintf(out, "`--%s%s%s%s` | ", option->name, before, option->value != NULL ? option->value->placeholder : "", after);
    wording_option(option, &text);
    put(out, ql_buf_cstr(&text));
    fputs(" |\n", out);
    ql_buf_dispose(&text);
}

static void put_options(FILE *out, const cli_option_id *ids)
{
    if (ids[0] == OPT_COUNT) return;
    fputs("\n| option | |\n| --- | --- |\n", out);
    for (const cli_option_id *id = ids; *id != OPT_COUNT; id++) put_option(out, cli_option_of(*id));
}

static void put_names(FILE *out, const cli_option_id *ids)
{
    fputs("\n[Common options](#common-options): ", out);
    for (const cli_option_id *id = ids; *id != OPT_COUNT; id++) fprintf(out, "%s`--%s`", id == ids ? "" : ", ", cli_option_of(*id)->name);
    fputs(".\n", out);
}

/* Without the indentation that they have in help. */
static void put_examples(FILE *out, const char *text)
{
    fputs("\n```sh\n", out);
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        size_t indent = strncmp(text, "  ", 2) == 0 ? 2 : 0;
        fprintf(out, "%.*s\n", (int)(len - indent), text + indent);
        text += len + (text[len] == '\n');
    }
    fputs("```\n", out);
}

static void put_command(FILE *out, const cli_command *command)
{
    ql_buf usage = QL_BUF_INIT;
    wording_usage("qloader", command, &usage);
    fprintf(out, "\n## %s\n\n`%s`: ", command->name, ql_buf_cstr(&usage));
    put(out, command->summary);
    fputs(".\n", out);
    ql_buf_dispose(&usage);
    if (command->details != NULL) {
        fputc('\n', out);
        put(out, command->details);
        fputc('\n', out);
    }
    put_options(out, command->options);
    put_names(out, command->common);
    if (command->examples != NULL) put_examples(out, command->examples);
}

static bool is_common(cli_option_id id)
{
    for (const cli_command *command = cli_commands; command->name != NULL; command++)
        for (const cli_option_id *common = command->common; *common != OPT_COUNT; common++)
            if (*common == id) return true;
    return false;
}

static void put_facts(FILE *out, const char *title, const char *what, const gen_fact *facts)
{
    fprintf(out, "\n## %s\n\n| %s | |\n| --- | --- |\n", title, what);
    for (const gen_fact *fact = facts; fact->name != NULL; fact++) {
        fprintf(out, "| `%s` | ", fact->name);
        put(out, fact->text);
        fputs(" |\n", out);
    }
}

void gen_markdown(FILE *out)
{
    ql_buf usage = QL_BUF_INIT;
    wording_usage("qloader", &cli_program, &usage);
    fprintf(out, "# Command line\n\n<!-- written by the test program.reference with QLOADER_UPDATE_DOCS=1 from the tables in cli/commands.c -->\n\n`%s`\n\n", ql_buf_cstr(&usage));
    ql_buf_dispose(&usage);
    put(out, cli_program.details);
    fputs("\n\n| command | |\n| --- | --- |\n", out);
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        fprintf(out, "| [%s](", command->name);
        put_anchor(out, command->name);
        fprintf(out, ") | %s |\n", command->summary);
    }
    put_options(out, cli_program.options);
    put_examples(out, cli_program.examples);
    fputs("\nThe same is told by `qloader COMMAND --help` and, where it is installed, by `man qloader` and `man qloader-COMMAND`; bash, zsh and fish complete it.\n", out);
    for (const cli_command *command = cli_commands; command->name != NULL; command++) put_command(out, command);
    fputs("\n## Common options\n\n| option | |\n| --- | --- |\n", out);
    for (const cli_option *option = cli_options; option->name != NULL; option++)
        if (is_common(option->id)) put_option(out, option);
    fputs("\n## Exit status\n\n| code | |\n| --- | --- |\n", out);
#define CLI_EXIT_ROW(code, name, meaning) fprintf(out, "| %d | %s |\n", code, meaning);
    CLI_EXITS(CLI_EXIT_ROW)
#undef CLI_EXIT_ROW
    put_facts(out, "Environment", "variable", gen_variables);
    fputs("\nThe configuration may name others; what it takes from the environment by itself is told in [configuration](configuration.md).\n", out);
    put_facts(out, "Files", "file", gen_files);
}
