/* What is written for people: text that came from outside, without what would steer a terminal; and failures, for people or programs. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <jansson.h>

#include "command.h"

/*
 * Whether the character at `at` steers a terminal, turns the direction of what follows or is no UTF-8 at all, so that a document or a name
 * could forge what is shown: C0, DEL, C1, U+202A-202E, U+2066-2069, broken bytes. *bytes: how long it is.
 */
bool text_is_control(ql_str text, size_t at, size_t *bytes);
/* A name or a message, on one line: such characters as \xNN. */
void text_put(FILE *file, ql_str text);
/* A passage: line breaks and tabs stay, such characters are left out. */
void text_put_passage(FILE *file, ql_str text);
/* The same as a JSON string, with all characters; JSON is UTF-8, so bytes that are not become \xNN. NULL: no memory. */
json_t *text_json(ql_str text);
/* Appends a word as a shell takes it: as it is, in '...', or in $'...' where it holds what a terminal must not get. */
void text_shell_quote(ql_buf *out, ql_str word);

/* --progress json: stderr holds one JSON object a line and nothing else. Takes the object; any thread. See docs/json.md. */
void line_json(json_t *object);
/* {"type": "log", "level", "subsystem", "message"} as such a line. */
void line_log(const char *level, const char *subsystem, ql_str message);

/*
 * Tells a failure: "error: <message>" on stderr (with --progress json a line of JSON), and with JSON wanted the object
 * {"error": {"kind", "message", "exit_code"}} on stdout.
 * Returns the exit code. A usage error has no ql_status of the library.
 */
int cli_fail(const cli *self, ql_status status, const ql_error *err);
/* The same with an exit code of another's, as of a program that was started. */
int cli_fail_as(const cli *self, ql_status status, const ql_error *err, int code);
/* The part on stderr alone, where stdout has told the failure already or cannot. */
void cli_tell_error(const cli *self, const char *kind, const char *message, int code);
int cli_usage_error(const cli *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
