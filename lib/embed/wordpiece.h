/*
 * WordPiece as in BERT's tokenizer.json: token ids and where in the text each token starts. Immutable once made, thread-safe.
 * The names of the special tokens ([CLS], [SEP], [UNK], [PAD], [MASK]) in a text are those tokens, as in the model's own tokenizer.
 */
#ifndef QL_WORDPIECE_H
#define QL_WORDPIECE_H

#include <qloader/base.h>

typedef struct ql__wordpiece ql__wordpiece;

#define QL__WORDPIECE_LOWER 1u      /* values of ql__bert_parts' flags */
#define QL__WORDPIECE_STRIP 2u
#define QL__WORDPIECE_IDEOGRAPHS 4u

/* vocab: one token a line, id = line number; copied. QL_E_FORMAT: not a vocabulary, a special token is missing. */
ql_status ql__wordpiece_new(ql_str vocab, uint32_t flags, ql__wordpiece **out, ql_error *err);
void ql__wordpiece_free(ql__wordpiece *self);
/*
 * Writes ids and byte offsets (either may be NULL) of the text's tokens, no [CLS] and [SEP] added. Returns how many there are, which
 * may be more than capacity: then only the first `capacity` are written. text.len <= UINT32_MAX. Allocates nothing.
 */
size_t ql__wordpiece_run(const ql__wordpiece *self, ql_str text, uint32_t *ids, uint32_t *starts, size_t capacity);
uint32_t ql__wordpiece_count(const ql__wordpiece *self);
uint32_t ql__wordpiece_cls(const ql__wordpiece *self);
uint32_t ql__wordpiece_sep(const ql__wordpiece *self);

#endif
