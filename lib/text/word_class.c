/*
 * Classes of code points for the analyzer.
 *
 * ASCII by table, the rest by utf8proc's categories with three additions: scripts without blanks are named by range (UAX #29
 * leaves them to dictionaries), points that writers leave out at will (Arabic, Hebrew) are invisible, and so is everything
 * that only steers display. Pure functions, no state, safe from any thread; O(1), a few compares for a code point.
 */
#include "text/word_class.h"

#include <stddef.h>
#include <utf8proc.h>

#define L QL__WORD_LOWER
#define U QL__WORD_UPPER
#define D QL__WORD_DIGIT
#define N QL__WORD_UNDERSCORE
static const uint8_t ascii_class[128] = {
    ['0'] = D, ['1'] = D, ['2'] = D, ['3'] = D, ['4'] = D, ['5'] = D, ['6'] = D, ['7'] = D, ['8'] = D, ['9'] = D,
    ['A'] = U, ['B'] = U, ['C'] = U, ['D'] = U, ['E'] = U, ['F'] = U, ['G'] = U, ['H'] = U, ['I'] = U, ['J'] = U, ['K'] = U, ['L'] = U, ['M'] = U,
    ['N'] = U, ['O'] = U, ['P'] = U, ['Q'] = U, ['R'] = U, ['S'] = U, ['T'] = U, ['U'] = U, ['V'] = U, ['W'] = U, ['X'] = U, ['Y'] = U, ['Z'] = U,
    ['a'] = L, ['b'] = L, ['c'] = L, ['d'] = L, ['e'] = L, ['f'] = L, ['g'] = L, ['h'] = L, ['i'] = L, ['j'] = L, ['k'] = L, ['l'] = L, ['m'] = L,
    ['n'] = L, ['o'] = L, ['p'] = L, ['q'] = L, ['r'] = L, ['s'] = L, ['t'] = L, ['u'] = L, ['v'] = L, ['w'] = L, ['x'] = L, ['y'] = L, ['z'] = L,
    ['_'] = N,
};
#undef L
#undef U
#undef D
#undef N

typedef struct range {
    int32_t first, last;
} range;

static bool in_ranges(const range *ranges, size_t count, int32_t code_point)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (code_point > ranges[mid].last) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < count && code_point >= ranges[low].first;
}

/* Ascending. Tibetan and Ethiopic are absent: they mark words or syllables with a sign of their own. */
static const range dense_ranges[] = {
    {0x0E00, 0x0EFF},   /* Thai, Lao */
    {0x1000, 0x109F},   /* Myanmar */
    {0x1100, 0x11FF},   /* Hangul jamo */
    {0x1780, 0x17FF},   /* Khmer */
    {0x1950, 0x19FF},   /* Tai Le, New Tai Lue, Khmer symbols */
    {0x1A20, 0x1AAF},   /* Tai Tham */
    {0x1B00, 0x1B7F},   /* Balinese */
    {0x2E80, 0x2FDF},   /* Han radicals */
    {0x3005, 0x3007}, {0x3021, 0x3029}, {0x3031, 0x3035}, {0x3038, 0x303C},
    {0x3041, 0x31BF},   /* kana, bopomofo, Hangul compatibility jamo */
    {0x31F0, 0x31FF},
    {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, /* Han */
    {0xA000, 0xA4CF},   /* Yi */
    {0xA960, 0xA97F},   /* Hangul jamo */
    {0xA980, 0xA9FF},   /* Javanese, Myanmar */
    {0xAA60, 0xAADF},   /* Myanmar, Tai Viet */
    {0xAC00, 0xD7FF},   /* Hangul */
    {0xF900, 0xFAFF},   /* Han */
    {0xFF66, 0xFFDC},   /* half-width kana and Hangul */
    {0x16FE0, 0x18CFF}, /* Tangut, Khitan */
    {0x1AFF0, 0x1B16F}, /* kana */
    {0x20000, 0x3FFFF}, /* Han */
};

static const range invisible_ranges[] = {
    {0x00AD, 0x00AD}, {0x034F, 0x034F},
    {0x0591, 0x05BD}, {0x05BF, 0x05BF}, {0x05C1, 0x05C2}, {0x05C4, 0x05C5}, {0x05C7, 0x05C7}, /* Hebrew points */
    {0x0610, 0x061A}, {0x061C, 0x061C}, {0x0640, 0x0640}, {0x064B, 0x065F}, {0x0670, 0x0670}, {0x06D6, 0x06ED}, /* Arabic points, tatweel */
    {0x180B, 0x180F}, {0x200C, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x206F}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xE0000, 0xE0FFF},
};

bool ql__word_is_apostrophe(int32_t code_point)
{
    return code_point == '\'' || code_point == 0x2019 || code_point == 0x2018 || code_point == 0x02BC || code_point == 0xFF07;
}

bool ql__word_is_ideograph(int32_t code_point)
{
    return (code_point >= 0x3400 && code_point <= 0x4DBF) || (code_point >= 0x4E00 && code_point <= 0x9FFF)
        || (code_point >= 0xF900 && code_point <= 0xFAFF) || (code_point >= 0x20000 && code_point <= 0x3FFFF);
}

static ql__word_class by_category(int32_t code_point)
{
    switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT: return QL__WORD_UPPER;
    case UTF8PROC_CATEGORY_LL: return QL__WORD_LOWER;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL: return QL__WORD_LETTER;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return QL__WORD_MARK;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NO: return QL__WORD_DIGIT;
    default: return QL__WORD_BREAK;
    }
}

ql__word_class ql__word_class_of(int32_t code_point)
{
    if (code_point < 128) return (ql__word_class)ascii_class[code_point];
    if (ql__word_is_apostrophe(code_point)) return QL__WORD_BREAK;
    if (in_ranges(invisible_ranges, sizeof invisible_ranges / sizeof *invisible_ranges, code_point)) return QL__WORD_SKIP;
    if (code_point == 0xFF3F) return QL__WORD_UNDERSCORE;
    ql__word_class found = by_category(code_point);
    if (found == QL__WORD_BREAK || found == QL__WORD_DIGIT) return found;
    bool dense = code_point >= 0x0E00 && in_ranges(dense_ranges, sizeof dense_ranges / sizeof *dense_ranges, code_point);
    return dense ? QL__WORD_DENSE : found;
}

ql__word_script ql__word_script_of(int32_t code_point)
{
    if (code_point < 0x0250 || (code_point >= 0x1E00 && code_point <= 0x1EFF)) return QL__SCRIPT_LATIN;
    if ((code_point >= 0x0370 && code_point <= 0x03FF) || (code_point >= 0x1F00 && code_point <= 0x1FFF)) return QL__SCRIPT_GREEK;
    if (code_point >= 0x0400 && code_point <= 0x052F) return QL__SCRIPT_CYRILLIC;
    if ((code_point >= 0x0600 && code_point <= 0x06FF) || (code_point >= 0x0750 && code_point <= 0x077F)) return QL__SCRIPT_ARABIC;
    if (code_point >= 0x0900 && code_point <= 0x097F) return QL__SCRIPT_DEVANAGARI;
    return QL__SCRIPT_OTHER;
}
