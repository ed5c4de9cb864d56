/*
 * A file that an option such as --output names. A regular one is replaced as a whole: until the end it is what it was, and then all of the new. A link leads to what it
 * points to; what is no file (a device, a pipe) is written as it is.
 */
#ifndef CLI_OUTPUT_FILE_H
#define CLI_OUTPUT_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include <qloader/base.h>

typedef struct output_file {
    FILE *stream;
    char *place; /* what is replaced at the end; NULL: it is written directly */
    ql_buf part; /* the file that will be it */
} output_file;

/* 0, or what errno says. */
int output_file_open(output_file *self, const char *path);
/* whole: all was written, so it counts; else nothing is left of it. 0, or what errno says. */
int output_file_close(output_file *self, bool whole);

#endif
