/* UTF-8: validation, stepping, boundaries of grapheme clusters (UAX #29), sentences and lines. */
#ifndef QL_UTF8_H
#define QL_UTF8_H

#include <qloader/base.h>

bool ql__utf8_valid(ql_str text);                         /* RFC 3629: no surrogates, no overlong forms, <= U+10FFFF */
/* Decodes at text.ptr[at]; returns bytes taken (1..4); an invalid byte gives U+FFFD and 1. at < len. */
size_t ql__utf8_next(ql_str text, size_t at, uint32_t *out);
size_t ql__utf8_put(uint32_t code_point, char out[4]);
/* Largest boundary <= at, at which the text may be cut: between grapheme clusters, or between code points inside a cluster over QL_LIMIT_GRAPHEME_BYTES. Looks at a bounded window, so it is O(1). */
size_t ql__grapheme_floor(ql_str text, size_t at);
/* Writes the start offsets of sentences (UAX #29 sentence break) in text, ascending, first is 0; returns how many there are (may exceed capacity). */
size_t ql__sentences(ql_str text, uint32_t *starts, size_t capacity);

#endif
