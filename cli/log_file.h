/*
 * The log of a workspace: logs/<command>.log, a line a message, whatever the terminal shows. A file that has grown past LOG_BYTES_MAX
 * becomes <command>.log.1 first, so that two of them bound the space.
 */
#ifndef CLI_LOG_FILE_H
#define CLI_LOG_FILE_H

#include <stdio.h>

/* NULL: there is none, and why (size bytes) tells the reason. workspace NULL: the current folder. */
FILE *log_file_open(const char *workspace, const char *command, char *why, size_t size);
/* "2026-01-31T12:00:00Z warning store: message"; control characters are escaped. log may be NULL. */
void log_file_write(FILE *log, const char *level, const char *subsystem, const char *message);
void log_file_close(FILE *log);

#endif
