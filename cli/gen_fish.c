/* Completion for fish: a line an option of a command. Names of projects come from `qloader project list`. */
#include "gen_docs.h"
#include "wording.h"

/* In '...', where a backslash and a quote have a backslash before them. */
static void put_quoted(FILE *out, const char *text)
{
    fputc('\'', out);
    gen_put_escaped(out, text, "\\'", "\\");
    fputc('\'', out);
}

/* Choices are read once more by the shell when they are shown: auto\t'on a terminal' always never */
static void put_choices(FILE *out, const cli_value *value)
{
    fputs(" -x -a '", out);
    for (const cli_choice *choice = value->choices; choice->name != NULL; choice++) {
        fprintf(out, "%s%s", choice == value->choices ? "" : " ", choice->name);
        if (choice->help == NULL) continue;
        fputs("\\\\t\\'", out);
        gen_put_escaped(out, choice->help, "\\'", "\\\\\\"); /* quoted twice */
        fputs("\\'", out);
    }
    fputc('\'', out);
}

static void put_value(FILE *out, const cli_value *value)
{
    static const char *const arguments[] = {[CLI_TEXT] = " -x", [CLI_NUMBER] = " -x", [CLI_FILE] = " -r -F", [CLI_DIR] = " -x -a '(__qloader_folders)'",
                                            [CLI_PLACE] = " -r -F", [CLI_PROJECT] = " -x -a '(__qloader_projects)'", [CLI_COMMAND] = " -x"};
    if (value->choices != NULL) put_choices(out, value);
    else fputs(arguments[value->kind], out);
}

static void put_option_line(FILE *out, const char *condition, const char *words, const cli_option *option)
{
    ql_buf text = QL_BUF_INIT;
    fprintf(out, "complete -c qloader -n '%s%s%s'", condition, words[0] != '\0' ? " " : "", words);
    if (option->letter != 0) fprintf(out, " -s %c", option->letter);
    fprintf(out, " -l %s", option->name);
    if (option->value != NULL && !option->value->optional) put_value(out, option->value); /* a value in the same word is not completed */
    fputs(" -d ", out);
    wording_option(option, &text);
    put_quoted(out, ql_buf_cstr(&text));
    fputc('\n', out);
    ql_buf_dispose(&text);
}

static void put_option(FILE *out, const cli_command *command, const cli_option *option)
{
    put_option_line(out, command == &cli_program ? "__qloader_next" : "__qloader_is", command->name, option);
}

/* A word that may come next behind these. */
static void put_word(FILE *out, const char *before, ql_str word, const char *text)
{
    fprintf(out, "complete -c qloader -n '__qloader_next%s%s' -a %.*s -d ", before[0] != '\0' ? " " : "", before, (int)word.len, word.ptr);
    put_quoted(out, text);
    fputc('\n', out);
}

/* The words of all commands, behind none or behind "help". */
static void put_words(FILE *out, const char *before)
{
    ql_str group;
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        ql_buf words = QL_BUF_INIT, behind = QL_BUF_INIT;
        bool grouped = gen_group_of(command, &group);
        if (grouped) gen_list_words(group, &words);
        if (gen_first_of_group(command)) put_word(out, before, group, grouped ? ql_buf_cstr(&words) : command->summary);
        ql_buf_printf(&behind, "%s%s%.*s", before, before[0] != '\0' ? " " : "", (int)group.len, group.ptr);
        if (grouped && gen_first_of_group(command) && before[0] == '\0') put_option_line(out, "__qloader_next", ql_buf_cstr(&behind), cli_option_of(OPT_HELP));
        if (grouped) put_word(out, ql_buf_cstr(&behind), ql_str_of(command->name + group.len + 1), command->summary);
        ql_buf_dispose(&words);
        ql_buf_dispose(&behind);
    }
}

static void put_functions(FILE *out)
{
    fputs("# Whether the command line begins with these words.\n"
          "function __qloader_is\n"
          "    set -l words (commandline -opc)\n"
          "    set -e words[1]\n"
          "    set -l begin $words[1..(count $argv)]\n"
          "    test \"$begin\" = \"$argv\"\n"
          "end\n\n"
          "# Whether these words are all that stands there.\n"
          "function __qloader_next\n"
          "    set -l words (commandline -opc)\n"
          "    set -e words[1]\n"
          "    test \"$words\" = \"$argv\"\n"
          "end\n\n"
          "# Of --workspace=a, fish's own function would complete the whole word.\n"
          "function __qloader_folders\n"
          "    __fish_complete_directories (string replace -r '^--[^=]*=' '' -- (commandline -ct))\n"
          "end\n\n"
          "# The projects of the workspace or configuration that the command line names. What the shell would compute is not computed.\n"
          "function __qloader_projects\n"
          "    set -l words (commandline -opc)\n"
          "    set -l where\n"
          "    set -l option\n"
          "    for word in $words\n"
          "        set -l value\n"
          "        if test -n \"$option\"\n"
          "            set value $word\n"
          "        else\n"
          "            switch $word\n"
          "                case",
          out);
    for (const cli_option_id *id = gen_places; *id != OPT_COUNT; id++) {
        const cli_option *option = cli_option_of(*id);
        fprintf(out, " --%s", option->name);
        if (option->letter != 0) fprintf(out, " -%c", option->letter);
    }
    fputs("\n                    set option $word\n                case", out);
    for (const cli_option_id *id = gen_places; *id != OPT_COUNT; id++) fprintf(out, " '--%s=*'", cli_option_of(*id)->name);
    fprintf(out,
            "\n                    set option (string replace -r '=.*' '' -- $word)\n"
            "                    set value (string replace -r '^[^=]*=' '' -- $word)\n"
            "                case --%s\n"
            "                    set -a where $word\n"
            "            end\n"
            "        end\n"
            "        if test -n \"$value\"\n"
            "            set -a where $option (string replace -r '^~/' \"$HOME/\" -- $value)\n"
            "            set option\n"
            "        end\n"
            "    end\n"
            "    command qloader project list $where 2>/dev/null </dev/null | string replace -r ' .*' '' | string match -v PROJECT\n"
            "end\n\n",
            cli_option_of(OPT_LENIENT)->name);
}

void gen_fish(FILE *out)
{
    fputs("# Completion of qloader(1) for fish. Made by gen_docs from the tables of commands and options.\n\n", out);
    put_functions(out);
    fputs("complete -c qloader -f\n", out);
    gen_each_option(&cli_program, put_option, out);
    put_words(out, "");
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        gen_each_option(command, put_option, out);
        if (command->argument == NULL || command->argument->kind != CLI_COMMAND) continue;
        put_words(out, command->name);
        put_word(out, command->name, QL_STR("exit-codes"), "the exit codes of all commands");
    }
}
