/* Where a text may be cut when its blocks do not say: lines, sentences, words, graphemes. */
#ifndef QL_CUT_H
#define QL_CUT_H

#include <qloader/document.h>

/* True when a range of the text is white space only. */
bool ql__cut_is_blank(ql_str text, uint64_t begin, uint64_t end);
/* True when a range holds no letter, digit or character outside of ASCII. */
bool ql__cut_is_bare(ql_str text, uint64_t begin, uint64_t end);
/* True when cutting at `at` separates two bytes that are no white space. */
bool ql__cut_is_inside_word(ql_str text, uint64_t at);
/* The kind's text is cut at lines rather than at sentences. */
bool ql__cut_by_lines(int block_kind);
/*
 * The best place to cut in (begin, limit]: the last natural break (by kind) not before `wanted`, else the last word, else the last
 * grapheme. begin must be a place where a cut is allowed. Returns begin when even the first grapheme is longer.
 */
uint64_t ql__cut_find(ql_str text, int block_kind, uint64_t begin, uint64_t limit, uint64_t wanted);

#endif
