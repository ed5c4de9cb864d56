/* Completion for zsh: what _arguments wants, a command at a time. Names of projects come from `qloader project list`. */
#include "gen_docs.h"
#include "wording.h"

/* Inside '...' of the shell, where _arguments or _describe read on. */
static void put_quoted(FILE *out, const char *text, const char *special)
{
    for (; *text != '\0'; text++) {
        const char one[2] = {*text, '\0'};
        if (*text == '\'') fputs("'\\''", out);
        else gen_put_escaped(out, one, special, "\\");
    }
}

static void put_choices(FILE *out, const cli_value *value)
{
    bool described = false;
    for (const cli_choice *choice = value->choices; choice->name != NULL; choice++) described |= choice->help != NULL;
    fputs(described ? "((" : "(", out);
    for (const cli_choice *choice = value->choices; choice->name != NULL; choice++) {
        fprintf(out, "%s%s", choice == value->choices ? "" : " ", choice->name);
        if (choice->help == NULL) continue;
        fputs("\\:\"", out);
        put_quoted(out, choice->help, "\\:\"$`");
        fputc('"', out);
    }
    fputs(described ? "))" : ")", out);
}

static void put_action(FILE *out, const cli_value *value)
{
    static const char *const actions[] = {[CLI_TEXT] = "{:}", [CLI_NUMBER] = " ", [CLI_FILE] = "_files", [CLI_DIR] = "_files -/", [CLI_PLACE] = "_files",
                                          [CLI_PROJECT] = "_qloader_projects", [CLI_COMMAND] = "_qloader_topics"};
    fprintf(out, ":%s:", value->placeholder); /* {:} offers nothing; a blank would offer nothing but a message, and options not either */
    if (value->choices != NULL) put_choices(out, value);
    else fputs(actions[value->kind], out);
}

/* '(-l --limit)'{-l+,--limit=}'[hits wanted (1..1000, default 5)]:N: ' */
static void put_option(FILE *out, const cli_command *command, const cli_option *option)
{
    ql_buf text = QL_BUF_INIT;
    const char *value = option->value == NULL ? "" : option->value->optional ? "=-" : "="; /* =-: in the same word */
    bool alone = option->id == OPT_HELP || option->id == OPT_VERSION;
    (void)command;
    fputs(" \\\n    '", out);
    if (alone) fputs("(- *)", out);
    else if (option->value != NULL && option->value->repeats) fputc('*', out);
    else if (option->letter != 0) fprintf(out, "(-%c --%s)", option->letter, option->name);
    if (option->letter != 0) fprintf(out, "'{-%c%s,--%s%s}'", option->letter, option->value != NULL ? "+" : "", option->name, value);
    else fprintf(out, "--%s%s", option->name, value);
    fputc('[', out);
    wording_option(option, &text);
    put_quoted(out, ql_buf_cstr(&text), "\\[]");
    fputc(']', out);
    if (option->value != NULL && option->value->optional) fputc(':', out);
    if (option->value != NULL) put_action(out, option->value);
    fputc('\'', out);
    ql_buf_dispose(&text);
}

static void put_arguments(FILE *out, const cli_command *command)
{
    fputs("_arguments -s -S", out);
    gen_each_option(command, put_option, out);
    if (command->argument != NULL) {
        fprintf(out, " \\\n    '%s", command->positional_max == CLI_NO_LIMIT ? "*" : command->positional_min == 0 ? "1:" : "1"); /* "1::": optional */
        put_action(out, command->argument);
        fputc('\'', out);
        if (command->positional_min == 2) {
            fputs(" \\\n    '2", out);
            put_action(out, command->argument);
            fputc('\'', out);
        }
        if (command->argument->kind == CLI_COMMAND) fputs(" \\\n    '2: :_qloader_topic_words'", out);
    }
    fputs(" && ret=0 ;;\n", out);
}

static void put_description(FILE *out, ql_str name, const char *text)
{
    fprintf(out, "    '%.*s:", (int)name.len, name.ptr);
    put_quoted(out, text, "\\:");
    fputs("'\n", out);
}

static void put_first_words(FILE *out)
{
    ql_str group;
    fputs("_qloader_commands() {\n  local -a commands=(\n", out);
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        ql_buf words = QL_BUF_INIT;
        bool grouped = gen_group_of(command, &group);
        if (grouped) gen_list_words(group, &words);
        if (gen_first_of_group(command)) put_description(out, group, grouped ? ql_buf_cstr(&words) : command->summary);
        ql_buf_dispose(&words);
    }
    fputs("  )\n  _describe -t commands command commands \"$@\"\n}\n\n"
          "_qloader_topics() {\n  _alternative 'commands:command:_qloader_commands' 'topics:topic:((exit-codes\\:\"the exit codes of all commands\"))'\n}\n\n",
          out);
}

static void put_group_words(FILE *out, ql_str group)
{
    fprintf(out, "_qloader_%.*s_words() {\n  local -a words_of=(\n", (int)group.len, group.ptr);
    for (const cli_command *command = cli_commands; command->name != NULL; command++)
        if (gen_word_of(command, group) != NULL) put_description(out, ql_str_of(gen_word_of(command, group)), command->summary);
    fprintf(out, "  )\n  _describe -t commands '%.*s command' words_of\n}\n\n", (int)group.len, group.ptr);
}

/* The second level. */
static void put_group(FILE *out, ql_str group)
{
    fprintf(out, "_qloader_%.*s() {\n  local curcontext=$curcontext state line ret=1\n  typeset -A opt_args\n  _arguments -C", (int)group.len, group.ptr);
    put_option(out, NULL, cli_option_of(OPT_HELP));
    fprintf(out, " \\\n    '1: :_qloader_%.*s_words' \\\n    '*:: :->rest' && ret=0\n  [[ $state == rest ]] || return ret\n  case $words[1] in\n", (int)group.len, group.ptr);
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        if (gen_word_of(command, group) == NULL) continue;
        fprintf(out, "  (%s) ", gen_word_of(command, group));
        put_arguments(out, command);
    }
    fputs("  esac\n  return ret\n}\n\n", out);
}

static void put_groups(FILE *out)
{
    ql_str group;
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        if (!gen_group_of(command, &group) || !gen_first_of_group(command)) continue;
        put_group_words(out, group);
        put_group(out, group);
    }
    fputs("_qloader_topic_words() {\n  case $words[CURRENT-1] in\n", out);
    for (const cli_command *command = cli_commands; command->name != NULL; command++)
        if (gen_group_of(command, &group) && gen_first_of_group(command))
            fprintf(out, "  (%.*s) _qloader_%.*s_words ;;\n", (int)group.len, group.ptr, (int)group.len, group.ptr);
    fputs("  esac\n}\n\n", out);
}

static void put_projects(FILE *out)
{
    const char *separator = "";
    fputs("# The projects of the workspace or configuration that the command line names. What the shell would compute is not computed.\n"
          "_qloader_projects() {\n  local -a where ids\n  local i option value\n"
          "  for (( i = 2; i < CURRENT; i++ )); do\n    option=$words[i] value=\n    case $option in\n    (",
          out);
    for (const cli_option_id *id = gen_places; *id != OPT_COUNT; id++, separator = "|") {
        const cli_option *option = cli_option_of(*id);
        fprintf(out, "%s--%s", separator, option->name);
        if (option->letter != 0) fprintf(out, "|-%c", option->letter);
    }
    fputs(") (( ++i < CURRENT )) && value=$words[i] ;;\n    (", out);
    for (const cli_option_id *id = gen_places; *id != OPT_COUNT; id++) fprintf(out, "%s--%s=*", id > gen_places ? "|" : "", cli_option_of(*id)->name);
    fprintf(out,
            ") value=${option#*=} option=${option%%%%=*} ;;\n"
            "    (--%s) where+=($option) ;;\n"
            "    esac\n"
            "    [[ -n $value ]] || continue\n"
            "    [[ $value == *[\\$\\`]* ]] && return 1\n"
            "    value=${(Q)value}\n"
            "    where+=($option ${value/#\\~\\//$HOME/})\n"
            "  done\n"
            "  ids=(${${(f)\"$(command qloader project list $where 2> /dev/null < /dev/null)\"}%%%% *})\n"
            "  ids=($ids[2,-1])\n"
            "  compadd \"$@\" -a ids\n}\n\n",
            cli_option_of(OPT_LENIENT)->name);
}

static void put_function(FILE *out)
{
    ql_str group;
    fputs("_qloader() {\n  local curcontext=$curcontext state line ret=1\n  typeset -A opt_args\n  _arguments -C", out);
    gen_each_option(&cli_program, put_option, out);
    fputs(" \\\n    '1: :_qloader_commands' \\\n    '*:: :->rest' && ret=0\n  [[ $state == rest ]] || return ret\n  case $words[1] in\n", out);
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        bool grouped = gen_group_of(command, &group);
        if (!gen_first_of_group(command)) continue;
        fprintf(out, "  (%.*s) ", (int)group.len, group.ptr);
        if (grouped) fprintf(out, "_qloader_%.*s && ret=0 ;;\n", (int)group.len, group.ptr);
        else put_arguments(out, command);
    }
    fputs("  esac\n  return ret\n}\n\n_qloader \"$@\"\n", out);
}

void gen_zsh(FILE *out)
{
    fputs("#compdef qloader\n# Completion of qloader(1) for zsh. Made by gen_docs from the tables of commands and options.\n\n", out);
    put_projects(out);
    put_first_words(out);
    put_groups(out);
    put_function(out);
}
