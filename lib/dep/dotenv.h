/*
 * .env files: KEY=VALUE lines, `export `, comments, quotes, escapes in double quotes, ${VAR} and ${VAR:-default}. Reading one never changes
 * the process environment.
 */
#ifndef QL_DOTENV_H
#define QL_DOTENV_H

#include "base/arena.h"
#include <qloader/base.h>

typedef struct ql__dotenv_entry {
    ql_str name, value; /* NUL-terminated in the arena */
    uint32_t line;
} ql__dotenv_entry;

/* What a ${VAR} in the file may refer to besides earlier lines. */
typedef struct ql__dotenv_scope {
    bool (*find_fn)(void *user, ql_str name, ql_str *value); /* a variable of the process; NULL: none */
    bool file_wins;                                          /* the file's own value counts first, else the process's */
    void (*problem_fn)(void *user, uint32_t line, uint32_t column, const char *sentence); /* a line that cannot be read; it is skipped. Sentences hold no values */
    void *user;
} ql__dotenv_scope;

/* Entries in file order, a name once with its last value. Errors: QL_E_NOMEM, QL_E_LIMIT. */
ql_status ql__dotenv_parse(ql_str text, ql__arena *arena, const ql__dotenv_scope *scope, const ql__dotenv_entry **out, size_t *count, ql_error *err);

#endif
