/* Boundaries of a UTF-8 text by ICU, as a second opinion on ours. Header only, for single test programs; link icuuc. */
#ifndef QL_ICU_BREAKS_H
#define QL_ICU_BREAKS_H

#include <unicode/ubrk.h>
#include <unicode/utext.h>

#include "support/testing.h"

/* Sets marks[i] for every boundary i in 0..text.len. */
static inline void icu_breaks(UBreakIteratorType type, ql_str text, bool *marks)
{
    UErrorCode status = U_ZERO_ERROR;
    UBreakIterator *iterator = ubrk_open(type, "", NULL, 0, &status);
    UText *view = utext_openUTF8(NULL, text.ptr, (int64_t)text.len, &status);
    ubrk_setUText(iterator, view, &status);
    assert_true(U_SUCCESS(status));
    for (size_t i = 0; i <= text.len; i++) marks[i] = false;
    for (int32_t at = ubrk_first(iterator); at != UBRK_DONE; at = ubrk_next(iterator)) marks[at] = true;
    utext_close(view);
    ubrk_close(iterator);
}

#endif
