/* The encoding a page declares, and reading it. */
#ifndef QL_HTML_CHARSET_H
#define QL_HTML_CHARSET_H

#include <qloader/convert.h>

/*
 * Bytes of a page to valid UTF-8, as ql__convert_decode; but bytes that are neither UTF-8 nor begin with a byte order mark are read
 * in the encoding that <meta charset>, <meta http-equiv> or the XML declaration names in the first 1024 bytes.
 */
ql_status ql__html_decode(ql_str bytes, ql_arena *arena, ql_canonical *out, bool *binary, ql_error *err);
/* The declared encoding as a name for iconv, or NULL: unknown and UTF labels count as not declared. Static. */
const char *ql__html_declared_encoding(ql_str bytes);

#endif
