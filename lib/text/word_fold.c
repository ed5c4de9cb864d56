/*
 * Folding of words.
 *
 * Accents stay: in Vietnamese, Romanian or Spanish they tell words apart. What goes is what one writer puts and the next
 * leaves out for the same word: the dot of the Turkish capital I, the accent of Greek capitals, the dots of Russian yo. Words of ASCII take a path of their own. Pure functions on the caller's memory; O(n), n <= 128.
 */
#include "text/word_fold.h"

#include "text/word_class.h"

#include <stdbool.h>
#include <utf8proc.h>

/* First of ten decimal digits; ascending. Forms that NFKC maps to ASCII are absent. */
static const int32_t digit_zeros[] = {
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0,
    0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0,
};

static int32_t fold_digit(int32_t code_point)
{
    for (size_t i = 0; i < sizeof digit_zeros / sizeof *digit_zeros && digit_zeros[i] <= code_point; i++) {
        if (code_point - digit_zeros[i] < 10) return '0' + (code_point - digit_zeros[i]);
    }
    return code_point;
}

/* Exchanges of single letters, on folded and composed text. */
static int32_t exchange(int32_t code_point)
{
    switch (code_point) {
    case 0x0131: return 'i';                              /* dotless i: capital I folds to i */
    case 0x0219: return 0x015F;                           /* Romanian s and t: comma below, cedilla in older text */
    case 0x021B: return 0x0163;
    case 0x03AC: return 0x03B1;                           /* Greek tonos and dialytika, absent in capitals */
    case 0x03AD: return 0x03B5;
    case 0x03AE: return 0x03B7;
    case 0x03AF: case 0x03CA: case 0x0390: return 0x03B9;
    case 0x03CC: return 0x03BF;
    case 0x03CD: case 0x03CB: case 0x03B0: return 0x03C5;
    case 0x03CE: return 0x03C9;
    case 0x0451: return 0x0435;                           /* Cyrillic yo */
    case 0x06CC: return 0x064A;                           /* Farsi yeh; what Arabic writers exchange is the stemmer's work */
    case 0x06A9: return 0x0643;                           /* keheh */
    default: return fold_digit(code_point);
    }
}

static bool all_ascii(const int32_t *word, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (word[i] >= 128) return false;
    }
    return true;
}

static bool stays(int32_t code_point)
{
    ql__word_class found = ql__word_class_of(code_point);
    return code_point == '.' || (found != QL__WORD_BREAK && found != QL__WORD_SKIP);
}

/* Marks without meaning for the word: the dot that capital I with dot folds to, and stress on Cyrillic letters. */
static bool is_idle_mark(int32_t mark, int32_t base)
{
    if (mark == 0x0307) return base == 'i';
    return (mark == 0x0300 || mark == 0x0301) && ql__word_script_of(base) == QL__SCRIPT_CYRILLIC;
}

/* Keeps what belongs to words and applies the exchanges, in place. */
static size_t settle(int32_t *word, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!stays(word[i]) || (kept > 0 && is_idle_mark(word[i], word[kept - 1]))) continue;
        word[kept++] = word[i] < 128 ? word[i] : exchange(word[i]);
    }
    return kept;
}

size_t ql__word_fold(const int32_t *word, size_t count, int32_t *out)
{
    if (all_ascii(word, count)) {
        for (size_t i = 0; i < count; i++) out[i] = word[i] >= 'A' && word[i] <= 'Z' ? word[i] + 32 : word[i];
        return settle(out, count);
    }
    char utf8[QL__WORD_CODE_POINTS_MAX * 4];
    size_t bytes = ql__word_encode(word, count, utf8, sizeof utf8);
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_DECOMPOSE;
    utf8proc_ssize_t length = utf8proc_decompose((const utf8proc_uint8_t *)utf8, (utf8proc_ssize_t)bytes, out, QL__WORD_FOLDED_MAX, options);
    if (length < 0 || length > QL__WORD_FOLDED_MAX) return 0;
    length = utf8proc_normalize_utf32(out, length, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    return length < 0 ? 0 : settle(out, (size_t)length);
}

size_t ql__word_encode(const int32_t *word, size_t count, char *out, size_t capacity)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        utf8proc_uint8_t bytes[4];
        utf8proc_ssize_t length = utf8proc_encode_char(word[i], bytes);
        if (length <= 0 || used + (size_t)length > capacity) break;
        for (utf8proc_ssize_t b = 0; b < length; b++) out[used++] = (char)bytes[b];
    }
    return used;
}
