/* What the tables say in words: the same in help texts, man pages, completions and docs/cli.md. */
#ifndef CLI_WORDING_H
#define CLI_WORDING_H

#include "command.h"

/* "qloader search [OPTIONS] QUESTION..." */
void wording_usage(const char *program, const cli_command *command, ql_buf *out);
/* "what is compared: hybrid (default, meaning and words), dense (meaning) or sparse (words)" */
void wording_option(const cli_option *option, ql_buf *out);
/* "a, b or c"; each with what is in brackets behind it in the tables, if `full`. */
void wording_choices(const cli_value *value, bool full, ql_buf *out);

#endif
