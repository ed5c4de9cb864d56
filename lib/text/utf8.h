/* UTF-8: validation, stepping, boundaries of grapheme clusters and sentences (UAX #29). */
#ifndef QL_UTF8_H
#define QL_UTF8_H

#include <qloader/base.h>

bool ql__utf8_valid(ql_str text);                         /* RFC 3629: no surrogates, no overlong forms, <= U+10FFFF */
/* Length of the longest valid prefix. */
size_t ql__utf8_valid_prefix(ql_str text);
/* Decodes at text.ptr[at]; returns bytes taken (1..4); an invalid byte gives U+FFFD and 1. at < len. */
size_t ql__utf8_next(ql_str text, size_t at, uint32_t *out);
size_t ql__utf8_put(uint32_t code_point, char out[4]);
/* The start of the code point that `at` lies in (at itself when it is one, or len). */
size_t ql__utf8_floor(ql_str text, size_t at);
/* Largest boundary <= at, at which the text may be cut: between grapheme clusters, or between code points inside a cluster over QL_LIMIT_GRAPHEME_BYTES. Looks at a bounded window, so it is O(1);
 * only a run of regional indicators is followed to its start (their pairing depends on it). The start of text counts as a boundary. */
size_t ql__grapheme_floor(ql_str text, size_t at);
/* Smallest such boundary > at; at < len must itself be a boundary. At most QL_LIMIT_GRAPHEME_BYTES away. */
size_t ql__grapheme_next(ql_str text, size_t at);
/*
 * End of the sentence (UAX #29 sentence break) that begins at `at` (a sentence boundary or any place to start from; at < len). wrapped: a single line end
 * counts as a blank, as in hard-wrapped prose, and only an empty line ends a paragraph; otherwise every line end ends a sentence.
 */
size_t ql__sentence_next(ql_str text, size_t at, bool wrapped);

#endif
