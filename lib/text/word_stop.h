/* English words that say nothing about what a text is about. */
#ifndef QL_WORD_STOP_H
#define QL_WORD_STOP_H

#include <stdbool.h>
#include <stddef.h>

/* word is folded; need not end in NUL. O(log n). */
bool ql__word_is_stop(const char *word, size_t length);

#endif
