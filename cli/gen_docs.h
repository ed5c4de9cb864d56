/*
 * gen_docs: what is made from the tables of commands and options when the program is built: man pages, completions, docs/cli.md. It is
 * not installed. A writer a file gen_<what>.c, each of which writes one file.
 */
#ifndef CLI_GEN_DOCS_H
#define CLI_GEN_DOCS_H

#include <stdio.h>

#include "command.h"

/* A variable of the environment, or a file: it matters to the commands that take one of these options. */
typedef struct gen_fact {
    const char *name;
    cli_option_id with[3]; /* OPT_COUNT: none */
    const char *text;
} gen_fact;

extern const gen_fact gen_variables[]; /* ended by a NULL name */
extern const gen_fact gen_files[];
extern const cli_option_id gen_places[]; /* options that say where the configuration is; ended by OPT_COUNT */
bool gen_fact_matters(const gen_fact *fact, const cli_command *command);

/* "project" of "project list"; false: the name is one word. */
bool gen_group_of(const cli_command *command, ql_str *group);
/* "list" of "project list" for the group "project"; NULL: the command is not of that group. */
const char *gen_word_of(const cli_command *command, ql_str group);
/* "list, status, validate" */
void gen_list_words(ql_str group, ql_buf *out);
/* Whether no command before this one has the same first word. */
bool gen_first_of_group(const cli_command *command);
/* Whether other options go by the name of this one, or by its letter, with other values. */
bool gen_name_is_shared(const cli_option *option);
/* Calls for each of its own options, then for each common one. */
void gen_each_option(const cli_command *command, void (*fn)(FILE *out, const cli_command *command, const cli_option *option), FILE *out);
/* Writes the text with `escape` before each character of `special`. */
void gen_put_escaped(FILE *out, const char *text, const char *special, const char *escape);

void gen_man(FILE *out, const cli_command *command, const char *date); /* date: "2026-01-31", or empty */
void gen_markdown(FILE *out);
void gen_bash(FILE *out);
void gen_zsh(FILE *out);
void gen_fish(FILE *out);
void gen_metrics(FILE *out); /* docs/metrics.md */
void gen_table(FILE *out); /* the tables as JSON, for tests */

#endif
