/* What each code point means to the words of a text. Unicode data of utf8proc plus the ranges of scripts written without blanks. */
#ifndef QL_WORD_CLASS_H
#define QL_WORD_CLASS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum ql__word_class {
    QL__WORD_BREAK = 0,  /* ends a word */
    QL__WORD_SKIP,       /* as if it were not there: soft hyphen, joiners, bidi marks, Arabic and Hebrew points */
    QL__WORD_LOWER,
    QL__WORD_UPPER,
    QL__WORD_LETTER,     /* without case */
    QL__WORD_MARK,       /* belongs to the letter before */
    QL__WORD_DIGIT,
    QL__WORD_UNDERSCORE,
    QL__WORD_DENSE,      /* script that writes words without blanks */
    QL__WORD_POINT,      /* '.' between digits; set by the analyzer, never by ql__word_class_of */
    QL__WORD_APOSTROPHE, /* between letters; likewise */
} ql__word_class;

ql__word_class ql__word_class_of(int32_t code_point);
/* ' and its look-alikes that stand for it in running text. */
bool ql__word_is_apostrophe(int32_t code_point);
/* Han: a character with a meaning of its own. */
bool ql__word_is_ideograph(int32_t code_point);

typedef enum ql__word_script {
    QL__SCRIPT_OTHER = 0, /* also: mixed */
    QL__SCRIPT_LATIN,
    QL__SCRIPT_GREEK,
    QL__SCRIPT_CYRILLIC,
    QL__SCRIPT_ARABIC,
    QL__SCRIPT_DEVANAGARI,
    QL__SCRIPT_COUNT
} ql__word_script;
ql__word_script ql__word_script_of(int32_t code_point);

#endif
