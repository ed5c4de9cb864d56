/*
 * How BERT's tokenizer sees one code point: dropped, blank, punctuation, or the letters it becomes by canonical decomposition,
 * stripping of marks and lower-casing. Equal to the model's own tokenizer for every code point of Unicode.
 */
#ifndef QL_BERT_NORMALIZE_H
#define QL_BERT_NORMALIZE_H

#include <qloader/base.h>

typedef enum ql__bert_kind {
    QL__BERT_LETTER = 0,
    QL__BERT_SPACE = 1,
    QL__BERT_PUNCTUATION = 2, /* a word of its own */
    QL__BERT_CONTROL = 3,     /* dropped before decomposition: as if it were not there */
    QL__BERT_MARK = 4         /* stripped after decomposition: marks around it are still not reordered across it when order is 0 */
} ql__bert_kind;

typedef struct ql__bert_part {
    uint32_t code_point;
    uint8_t kind;
    uint8_t order; /* canonical combining class; a part with order > 0 sorts stably among its neighbours of that sort */
} ql__bert_part;

#define QL__BERT_PARTS_MAX 8

enum {
    QL__BERT_LOWER = 1,     /* lower-case */
    QL__BERT_STRIP = 2,     /* decompose and strip marks */
    QL__BERT_IDEOGRAPHS = 4 /* blanks around Han characters */
};

/* Writes the parts of one code point, in order; returns how many, 1..QL__BERT_PARTS_MAX. No state, thread-safe. */
size_t ql__bert_parts(uint32_t code_point, uint32_t flags, ql__bert_part parts[QL__BERT_PARTS_MAX]);

#endif
