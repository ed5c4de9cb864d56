/*
 * Completion for bash. It stands alone (bash-completion loads it, and so does `source`) and runs nothing that was typed: names of
 * projects come from `qloader project list`, the words of the command line are compared, never evaluated.
 */
#include "gen_docs.h"

/* --- words --------------------------------------------------------------------------------------------------------------------- */

static void put_option_name(FILE *out, const cli_command *command, const cli_option *option)
{
    (void)command;
    fprintf(out, " --%s", option->name);
}

static void put_first_words(FILE *out)
{
    ql_str group;
    fputs("    '') REPLY='", out);
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        (void)gen_group_of(command, &group);
        if (gen_first_of_group(command)) fprintf(out, " %.*s", (int)group.len, group.ptr);
    }
    gen_each_option(&cli_program, put_option_name, out);
    fputs("' ;;\n", out);
}

static void put_group_words(FILE *out, ql_str group)
{
    fprintf(out, "    '%.*s') REPLY='", (int)group.len, group.ptr);
    for (const cli_command *command = cli_commands; command->name != NULL; command++)
        if (gen_word_of(command, group) != NULL) fprintf(out, " %s", gen_word_of(command, group));
    fputs(" --help' ;;\n", out);
}

static void put_words(FILE *out)
{
    ql_str group;
    fputs("# What may follow a command or the first word of one: REPLY.\n_qloader_words()\n{\n    case $1 in\n", out);
    put_first_words(out);
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        if (gen_group_of(command, &group) && gen_first_of_group(command)) put_group_words(out, group);
        fprintf(out, "    '%s') REPLY='", command->name);
        gen_each_option(command, put_option_name, out);
        fputs("' ;;\n", out);
    }
    fputs("    *) REPLY= ;;\n    esac\n}\n\n", out);
}

/* 'project'|'model' */
static void put_groups(FILE *out)
{
    ql_str group;
    const char *separator = "";
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        if (!gen_group_of(command, &group) || !gen_first_of_group(command)) continue;
        fprintf(out, "%s%.*s", separator, (int)group.len, group.ptr);
        separator = "|";
    }
}

/* Commands that are told the name of a command. */
static void put_askers(FILE *out)
{
    const char *separator = "";
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        if (command->argument == NULL || command->argument->kind != CLI_COMMAND) continue;
        fprintf(out, "%s%s", separator, command->name);
        separator = "|";
    }
}

/* --- values -------------------------------------------------------------------------------------------------------------------- */

/* *' --color', or 'search --format'|'search -f' where other commands have another --format. */
static void put_pattern(FILE *out, const cli_option *option)
{
    const char *separator = "";
    if (!gen_name_is_shared(option)) {
        fprintf(out, "*' --%s'", option->name);
        if (option->letter != 0) fprintf(out, "|*' -%c'", option->letter);
        return;
    }
    for (const cli_command *command = cli_commands; command->name != NULL; command++) {
        if (!cli_takes(command, option->id)) continue;
        fprintf(out, "%s'%s --%s'", separator, command->name, option->name);
        separator = "|";
        if (option->letter != 0) fprintf(out, "|'%s -%c'", command->name, option->letter);
    }
}

static void put_value(FILE *out, const cli_option *option)
{
    static const char *const kinds[] = {[CLI_TEXT] = "text", [CLI_NUMBER] = "text", [CLI_CHOICE] = "words", [CLI_HINT] = "words", [CLI_FILE] = "file",
                                        [CLI_DIR] = "dir", [CLI_PLACE] = "file", [CLI_PROJECT] = "project", [CLI_COMMAND] = "text"};
    fputs("    ", out);
    put_pattern(out, option);
    fprintf(out, ") KIND=%s", kinds[option->value->kind]);
    if (option->value->choices != NULL) {
        fputs(" REPLY='", out);
        for (const cli_choice *choice = option->value->choices; choice->name != NULL; choice++) fprintf(out, " %s", choice->name);
        fputc('\'', out);
    }
    fputs(" ;;\n", out);
}

static void put_values(FILE *out)
{
    fputs("# What stands behind an option of a command: KIND (empty: nothing does), and REPLY for words.\n_qloader_value()\n{\n    case \"$1 $2\" in\n", out);
    for (const cli_option *option = cli_options; option->name != NULL; option++)
        if (option->value != NULL && !option->value->optional) put_value(out, option); /* the next word is no value */
    fputs("    *) KIND= ;;\n    esac\n}\n\n", out);
}

/* --- projects ------------------------------------------------------------------------------------------------------------------ */

/* --workspace|-w|--config */
static void put_places(FILE *out)
{
    for (const cli_option_id *id = gen_places; *id != OPT_COUNT; id++) {
        const cli_option *option = cli_option_of(*id);
        fprintf(out, "%s--%s", id > gen_places ? "|" : "", option->name);
        if (option->letter != 0) fprintf(out, "|-%c", option->letter);
    }
}

static void put_projects(FILE *out)
{
    fputs("# A word as it is meant: without quotes, and with the home folder for ~. What the shell would compute is not: REPLY is empty.\n"
          "_qloader_plain()\n{\n"
          "    REPLY=\n"
          "    case $1 in *'$'*|*'`'*) return ;; esac\n"
          "    read REPLY <<< \"${1//[\\\"\\']/}\"\n"
          "    case $REPLY in '~'|'~/'*) REPLY=$HOME${REPLY#'~'} ;; esac\n"
          "}\n\n"
          "# The projects of the workspace or configuration that the command line names.\n"
          "_qloader_projects()\n{\n"
          "    local i option value id rest\n"
          "    local -a where=()\n"
          "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
          "        option=${COMP_WORDS[i]} value=\n"
          "        case $option in\n        ",
          out);
    put_places(out);
    fputs(")\n"
          "            if [[ ${COMP_WORDS[i+1]} == '=' ]]; then ((++i)); fi\n"
          "            ((++i))\n"
          "            value=${COMP_WORDS[i]} ;;\n        ",
          out);
    for (const cli_option_id *id = gen_places; *id != OPT_COUNT; id++) fprintf(out, "%s--%s=*", id > gen_places ? "|" : "", cli_option_of(*id)->name);
    fprintf(out,
            ")\n"
            "            value=${option#*=} option=${option%%%%=*} ;;\n"
            "        --%s) where+=(\"$option\") ;;\n"
            "        esac\n"
            "        if [[ -z $value ]]; then continue; fi\n"
            "        _qloader_plain \"$value\"\n"
            "        if [[ -z $REPLY ]]; then return; fi\n"
            "        where+=(\"$option\" \"$REPLY\")\n"
            "    done\n"
            "    REPLY=\n"
            "    while read -r id rest; do REPLY+=\" $id\"; done < <(command qloader project list ${where[@]+\"${where[@]}\"} 2> /dev/null < /dev/null)\n"
            "    REPLY=${REPLY#' PROJECT'}\n"
            "}\n\n",
            cli_option_of(OPT_LENIENT)->name);
}

/* --- the function -------------------------------------------------------------------------------------------------------------- */

static void put_function(FILE *out)
{
    fputs("# The words of REPLY that begin with what is typed; options only where they are asked for, or $2 is given.\n"
          "_qloader_reply()\n{\n"
          "    local word\n"
          "    for word in $REPLY; do\n"
          "        if [[ $word == \"$1\"* && ( $word != -* || $1 == -* || -n $2 ) ]]; then COMPREPLY+=(\"$prefix$word\"); fi\n"
          "    done\n"
          "}\n\n"
          "_qloader()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} option= prefix= KIND= REPLY= i IFS=$' \\t\\n'\n"
          "    COMPREPLY=()\n"
          "    if ((COMP_CWORD == 1)); then\n"
          "        _qloader_words ''\n"
          "        _qloader_reply \"$cur\"\n"
          "        return\n"
          "    fi\n"
          "    case $command in\n    ",
          out);
    put_groups(out);
    fputs(")\n"
          "        if ((COMP_CWORD == 2)); then\n"
          "            _qloader_words \"$command\"\n"
          "            _qloader_reply \"$cur\"\n"
          "            return\n"
          "        fi\n"
          "        command+=\" ${COMP_WORDS[2]}\" ;;\n    ",
          out);
    put_askers(out);
    fputs(")\n"
          "        if [[ $cur != -* ]]; then\n"
          "            case $COMP_CWORD in\n"
          "            2) _qloader_words ''; REPLY+=' exit-codes' ;;\n"
          "            3) _qloader_words \"${COMP_WORDS[2]}\" ;;\n"
          "            esac\n"
          "            _qloader_reply \"$cur\"\n"
          "            return\n"
          "        fi ;;\n"
          "    esac\n"
          "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
          "        if [[ ${COMP_WORDS[i]} == -- ]]; then return; fi\n"
          "    done\n"
          "    option=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    if [[ $cur == '=' ]]; then\n"
          "        cur=\n"
          "    elif [[ $option == '=' ]]; then\n"
          "        option=${COMP_WORDS[COMP_CWORD-2]}\n"
          "    elif [[ $cur == --*=* ]]; then\n"
          "        option=${cur%%=*} cur=${cur#*=} prefix=$option=\n"
          "    fi\n"
          "    _qloader_value \"$command\" \"$option\"\n"
          "    case $KIND in\n"
          "    '') _qloader_words \"$command\" ;;\n"
          "    text) return ;;\n"
          "    file) compopt -o default 2> /dev/null; return ;;\n"
          "    dir) compopt -o dirnames 2> /dev/null; return ;;\n"
          "    project) _qloader_projects ;;\n"
          "    esac\n"
          "    _qloader_reply \"$cur\" all\n"
          "}\n\n"
          "complete -F _qloader qloader\n",
          out);
}

void gen_bash(FILE *out)
{
    fputs("# Completion of qloader(1) for bash. Made by gen_docs from the tables of commands and options.\n\n", out);
    put_words(out);
    put_values(out);
    put_projects(out);
    put_function(out);
}
