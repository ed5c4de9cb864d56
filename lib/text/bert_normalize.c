/*
 * Normalisation of BERT's tokenizer for one code point.
 *
 * The tokenizer the models were trained with mixes versions of Unicode: categories and combining classes are old, lower case
 * is new, canonical decomposition lies between. Kinds, classes and the exceptions are therefore frozen in bert_tables.inc, which
 * tests/embed_oracle/make_tables.py made by asking that tokenizer about every code point; only decomposition and ordinary lower
 * case come from utf8proc, so that a newer utf8proc changes nothing but what it newly decomposes or lower-cases.
 *
 * Threads: pure functions. Cost: two binary searches over at most 600 ranges and a look-up in utf8proc.
 */
#include "text/bert_normalize.h"

#include <utf8proc.h>

typedef struct bert_range {
    uint32_t first;
    uint32_t last;
    uint32_t value;
} bert_range;

#include "text/bert_tables.inc"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const bert_range *find(const bert_range *ranges, size_t count, uint32_t code_point)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges[middle].last < code_point) low = middle + 1;
        else high = middle;
    }
    return low < count && ranges[low].first <= code_point ? &ranges[low] : NULL;
}

static uint8_t kind_of(uint32_t code_point)
{
    const bert_range *range = find(bert_kinds, COUNT(bert_kinds), code_point);
    return range ? (uint8_t)range->value : QL__BERT_LETTER;
}

static uint8_t order_of(uint32_t code_point, uint8_t kind)
{
    if (code_point < 0x300) return 0;
    /* A stripped mark never shows, but one of class 0 still ends a run of reordering. */
    if (kind == QL__BERT_MARK) return (uint8_t)utf8proc_get_property((utf8proc_int32_t)code_point)->combining_class;
    const bert_range *range = find(bert_orders, COUNT(bert_orders), code_point);
    return range ? (uint8_t)range->value : 0;
}

/* The ranges are those of the model's tokenizer, its gap between U+2B820 and U+2B920 included. */
static bool is_ideograph(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static uint32_t lower_of(uint32_t code_point)
{
    const bert_range *range = find(bert_lower, COUNT(bert_lower), code_point);
    return range ? range->value : (uint32_t)utf8proc_tolower((utf8proc_int32_t)code_point);
}

static size_t decompose(uint32_t code_point, utf8proc_int32_t out[QL__BERT_PARTS_MAX])
{
    int last_class = 0;
    out[0] = (utf8proc_int32_t)code_point;
    if (find(bert_whole, COUNT(bert_whole), code_point)) return 1;
    utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)code_point, out, QL__BERT_PARTS_MAX - 2, UTF8PROC_DECOMPOSE, &last_class);
    if (count < 1 || count > QL__BERT_PARTS_MAX - 2) { /* no canonical decomposition is that long */
        out[0] = (utf8proc_int32_t)code_point;
        return 1;
    }
    return (size_t)count;
}

static ql__bert_part make_part(uint32_t code_point, uint32_t flags)
{
    uint8_t kind = kind_of(code_point);
    uint8_t order = flags & QL__BERT_STRIP ? order_of(code_point, kind) : 0;
    if (kind == QL__BERT_MARK && !(flags & QL__BERT_STRIP)) kind = QL__BERT_LETTER;
    if (kind == QL__BERT_LETTER && (flags & QL__BERT_LOWER)) code_point = lower_of(code_point);
    return (ql__bert_part){code_point, kind, order};
}

size_t ql__bert_parts(uint32_t code_point, uint32_t flags, ql__bert_part parts[QL__BERT_PARTS_MAX])
{
    uint8_t kind = code_point == 0 || code_point > 0x10FFFF ? QL__BERT_CONTROL : kind_of(code_point);
    if (kind == QL__BERT_CONTROL || kind == QL__BERT_SPACE) {
        parts[0] = (ql__bert_part){code_point, kind, 0};
        return 1;
    }
    size_t count = 0;
    bool spaced = (flags & QL__BERT_IDEOGRAPHS) && is_ideograph(code_point);
    if (spaced) parts[count++] = (ql__bert_part){' ', QL__BERT_SPACE, 0};
    utf8proc_int32_t pieces[QL__BERT_PARTS_MAX] = {(utf8proc_int32_t)code_point};
    size_t piece_count = flags & QL__BERT_STRIP ? decompose(code_point, pieces) : 1;
    for (size_t i = 0; i < piece_count; i++) parts[count++] = make_part((uint32_t)pieces[i], flags);
    if (spaced) parts[count++] = (ql__bert_part){' ', QL__BERT_SPACE, 0};
    return count;
}
