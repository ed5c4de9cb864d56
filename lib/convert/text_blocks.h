/* What the converters share with the one for plain text: the first step, and falling back to it. */
#ifndef QL_TEXT_BLOCKS_H
#define QL_TEXT_BLOCKS_H

#include "convert/block_build.h"
#include "convert/convert.h"

#define QL__PARAGRAPH_BYTES_MIN 256

/* Zeroes out, checks the size, decodes. QL_E_FORMAT when the content is no text, QL_E_LIMIT over QL_LIMIT_DOCUMENT_BYTES. */
ql_status ql__convert_begin(const ql_document *document, ql_arena *arena, ql_canonical *out, ql_error *err);
/* Blocks and strategy of plain text for out->text, decoded before. */
ql_status ql__text_canonical(ql_str content_type, ql_arena *arena, ql_canonical *out, ql_error *err);
/* PARAGRAPH blocks for [begin, end), cut at empty lines. */
void ql__text_paragraphs(ql__blocks *blocks, ql_str text, uint64_t begin, uint64_t end);
/* Is a content type in this list, which NULL ends? */
bool ql__type_is_one_of(ql_str type, const char *const *types);

#endif
