/* The built-in converters, and picking one. */
#ifndef QL_CONVERT_INTERNAL_H
#define QL_CONVERT_INTERNAL_H

#include "base/arena.h"
#include <qloader/convert.h>

/* Raise it when any converter yields other text, blocks, titles or metadata than before: stored documents are then made again. */
#define QL__CONVERT_VERSION 2u

const ql_converter_ops *ql__convert_markdown(void);
const ql_converter_ops *ql__convert_html(void);
const ql_converter_ops *ql__convert_json(void);
const ql_converter_ops *ql__convert_code(void);
const ql_converter_ops *ql__convert_text(void); /* takes anything */

/* In the order they are asked; the last accepts everything. */
const ql_converter_ops *const *ql__convert_builtin(size_t *count);

/*
 * Bytes in any encoding to valid UTF-8 (shared by the converters): BOMs, valid UTF-8, else UTF-16 by shape, else
 * windows-1252. Sets out->text, encoding and map (NULL when the bytes are already valid UTF-8 without BOM). NUL bytes and
 * control characters are kept. *binary tells that the content is no text at all (then nothing else is set).
 */
ql_status ql__convert_decode(ql_str bytes, ql_arena *arena, ql_canonical *out, bool *binary, ql_error *err);

/* Name of the language of a file extension whose grammar cannot be opened here, so that its files are cut by lines; NULL: none is missing. */
const char *ql__convert_missing_grammar(ql_str extension);
/* The same by the name that ql__convert_missing_grammar gave. */
bool ql__convert_is_missing(ql_str language);

/* The grammars this build can use, by number; NULL beyond the last. Checking opens one: QL_E_UNSUPPORTED when it is not installed. */
const char *ql__grammar_name(size_t index);
ql_status ql__grammar_check(size_t index, ql_error *err);

#endif
