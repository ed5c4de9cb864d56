/* One spelling for all spellings of a word: case, compatibility forms, digits, and letters that writers exchange freely. */
#ifndef QL_WORD_FOLD_H
#define QL_WORD_FOLD_H

#include <stddef.h>
#include <stdint.h>

#define QL__WORD_CODE_POINTS_MAX 128 /* of the raw word */
#define QL__WORD_FOLDED_MAX (QL__WORD_CODE_POINTS_MAX * 18) /* U+FDFA alone becomes 18 */

/*
 * Folds count <= QL__WORD_CODE_POINTS_MAX code points (valid scalars) into out (QL__WORD_FOLDED_MAX): full case folding, NFKC, decimal digits
 * of any script as ASCII, then the exchanges listed in word_fold.c. Code points that are no part of words vanish, '_' and '.' stay.
 * Returns how many were written.
 */
size_t ql__word_fold(const int32_t *word, size_t count, int32_t *out);
/* UTF-8 of code points, cut at a code point so that at most capacity bytes are written; returns the bytes. */
size_t ql__word_encode(const int32_t *word, size_t count, char *out, size_t capacity);

#endif
