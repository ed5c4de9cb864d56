/* What the name of a file says of the form a capture is written in. */
#ifndef CLI_CAPTURE_NAME_H
#define CLI_CAPTURE_NAME_H

#include <stdbool.h>
#include <stdint.h>

#define CAPTURE_AS_IT_IS 0  /* .qprof: the capture itself */
#define CAPTURE_UNKNOWN (-1)
#define CAPTURE_ALL (-2)    /* --to all: every form, into a folder; no name of a file says so */

/* A ql_capture_format, or one of the above. */
int32_t capture_format_of(const char *path);
/* Tells that what is written follows from the end of the name, and which ends are known; returns the exit code. itself: .qprof is one of them; hint: what else the user may do, or "". */
struct cli;
int capture_name_refuse(const struct cli *cli, const char *path, bool itself, const char *hint);

#endif
