/*
 * Shell-style patterns over paths whose parts are separated by '/'. Two readings:
 *   loose   the reference's: '*' and '?' and [...] cross '/'. In addition, a part of two stars stands for any number of folders, none included.
 *   strict  '*', '?' and [...] stay inside one part; two stars as a part of their own stand for any number of folders.
 * [abc], [a-z], [!abc] are classes of code points; a '[' that never closes is itself; there is no escape character. Case counts.
 */
#ifndef QL_GLOB_H
#define QL_GLOB_H

#include <qloader/base.h>

typedef struct ql__glob ql__glob;

/* QL_E_LIMIT: longer than QL_LIMIT_GLOB_TOKENS. The pattern is not kept. */
ql_status ql__glob_new(ql_str pattern, bool strict, ql__glob **out, ql_error *err);
void ql__glob_free(ql__glob *self);

/* Does the whole path match? Bytes that are not UTF-8 match '?', '*' and themselves. Never allocates; thread-safe. */
bool ql__glob_matches(const ql__glob *self, ql_str path);
/* Does a folder above path match ("a" or "a/b" for the path "a/b/c")? */
bool ql__glob_matches_above(const ql__glob *self, ql_str path);

#endif
