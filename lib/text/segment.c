/*
 * Sentences by UAX #29 (Unicode 15.0, rules SB1..SB998), forward only. Invariants: boundaries are code point starts;
 * every call makes progress. Threads: no state. Cost: linear; the look-ahead of SB8 ends at the next letter or
 * terminator, so no text is looked at more than twice.
 */
#include "text/utf8.h"

#include "text/sentence_table.h"

typedef struct reader {
    ql_str text;
    bool wrapped;
} reader;

static unsigned class_of(uint32_t code_point)
{
    uint32_t block = code_point >> 7;
    if (block >= SENTENCE_INDEX_COUNT) block = SENTENCE_INDEX_COUNT - 1;
    unsigned pair = sentence_classes[sentence_index[block]][(code_point & 127) >> 1];
    return code_point & 1 ? pair >> 4 : pair & 15;
}

/* True when only blanks stand between p (just after a line end) and the next line end. */
static bool line_is_empty(ql_str text, size_t p)
{
    while (p < text.len && (text.ptr[p] == ' ' || text.ptr[p] == '\t')) p++;
    return p < text.len && (text.ptr[p] == '\n' || text.ptr[p] == '\r');
}

/* Class of the character at `at`, *next behind it. CR LF is one Sep; a line end inside a wrapped paragraph is a blank. */
static unsigned raw_class(const reader *self, size_t at, size_t *next)
{
    uint32_t code_point;
    *next = at + ql__utf8_next(self->text, at, &code_point);
    unsigned class = class_of(code_point);
    if (class == SENTENCE_CR && *next < self->text.len && self->text.ptr[*next] == '\n') ++*next;
    if (class == SENTENCE_CR || class == SENTENCE_LF) {
        class = self->wrapped && !line_is_empty(self->text, *next) ? SENTENCE_SP : SENTENCE_SEP;
    }
    return class;
}

static bool is_transparent(unsigned class)
{
    return class == SENTENCE_EXTEND || class == SENTENCE_FORMAT;
}

/* SB5: the class of the character at `at`, *next behind it and the Extend and Format characters that follow. End of text reads as Sep. */
static unsigned read_class(const reader *self, size_t at, size_t *next)
{
    if (at >= self->text.len) {
        *next = self->text.len;
        return SENTENCE_SEP;
    }
    unsigned class = raw_class(self, at, next);
    if (class == SENTENCE_SEP) return class;
    while (*next < self->text.len) {
        size_t behind;
        if (!is_transparent(raw_class(self, *next, &behind))) break;
        *next = behind;
    }
    return class;
}

/* SB8: the next letter, before anything that ends the search, is a lower-case one. */
static bool lower_follows(const reader *self, size_t at)
{
    for (;;) {
        size_t next;
        unsigned class = read_class(self, at, &next);
        switch (class) {
        case SENTENCE_LOWER: return true;
        case SENTENCE_OLETTER: case SENTENCE_UPPER: case SENTENCE_SEP: case SENTENCE_ATERM: case SENTENCE_STERM: return false;
        default: at = next;
        }
    }
}

/* Behind a terminator of class `term` that ends at *at: true when a sentence ends, at the new *at. *before: class in front of *at. */
static bool ends_here(const reader *self, unsigned term, unsigned preceding, size_t *at, unsigned *before)
{
    size_t next;
    unsigned class = read_class(self, *at, &next);
    *before = term;
    if (term == SENTENCE_ATERM && class == SENTENCE_NUMERIC) return false;                                                                      /* SB6 */
    if (term == SENTENCE_ATERM && class == SENTENCE_UPPER && (preceding == SENTENCE_UPPER || preceding == SENTENCE_LOWER)) return false; /* SB7 */
    while (class == SENTENCE_CLOSE) { /* SB9 */
        *before = class;
        *at = next;
        class = read_class(self, *at, &next);
    }
    while (class == SENTENCE_SP) { /* SB10 */
        *before = class;
        *at = next;
        class = read_class(self, *at, &next);
    }
    if (class == SENTENCE_SEP) {
        *at = next;
        return true;
    }
    if (term == SENTENCE_ATERM && lower_follows(self, *at)) return false;                                               /* SB8 */
    return class != SENTENCE_SCONTINUE && class != SENTENCE_ATERM && class != SENTENCE_STERM;                                /* SB8a, SB11 */
}

size_t ql__sentence_next(ql_str text, size_t at, bool wrapped)
{
    const reader self = {text, wrapped};
    unsigned before = SENTENCE_SEP;
    while (at < text.len) {
        size_t next;
        unsigned class = read_class(&self, at, &next);
        at = next;
        if (class == SENTENCE_SEP) break; /* SB4 */
        if ((class == SENTENCE_ATERM || class == SENTENCE_STERM)) {
            if (ends_here(&self, class, before, &at, &before)) break;
        } else {
            before = class;
        }
    }
    return at;
}
