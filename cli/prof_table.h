/* The tables of qloader prof, from the JSON that the library writes: what is for people. */
#ifndef CLI_PROF_TABLE_H
#define CLI_PROF_TABLE_H

#include <jansson.h>

#include "command.h"

/* What is missing in the capture, a line each; `table` is any of the tables. */
void prof_print_notes(FILE *out, const json_t *table);
void prof_print_top(const cli *self, const json_t *table);
void prof_print_heap(const cli *self, const json_t *table);
void prof_print_diff(const cli *self, const json_t *table);

#endif
