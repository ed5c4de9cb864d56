/* What must hold for any canonical text (qloader/document.h), checked where a converter is not the library's. */
#ifndef QL_CANONICAL_H
#define QL_CANONICAL_H

#include <qloader/document.h>

/*
 * Texts are UTF-8; blocks are a tree in pre-order inside the text, none of them cutting a character; map and removed are sorted and inside the
 * source_len bytes of the original. QL_E_INVALID says what does not hold. The metadata is not parsed.
 */
ql_status ql__canonical_verify(const ql_canonical *self, size_t source_len, ql_error *err);
/* Block 0 is everything, parents come first and hold their children, siblings are in order, and the tree is no deeper than the limit. */
bool ql__tree_is_sound(const ql_canonical *self);

#endif
