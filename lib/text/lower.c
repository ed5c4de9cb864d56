/*
 * Lower-casing by the Unicode default algorithm without a language: UnicodeData's simple mappings plus the two entries of SpecialCasing.txt
 * that apply to every language. Case mapping of a sigma looks at its neighbours, skipping what is case-ignorable; two sigmas never
 * skip each other, so the whole stays linear. Any thread; no state.
 */
#include "text/lower.h"

#include <utf8proc.h>

#include "base/status.h"
#include "text/utf8.h"

/* What derives Cased and Case_Ignorable beyond the general categories (Unicode 14, section 3.13). */
typedef struct range {
    uint32_t first, last;
} range;

static const range cased_others[] = {
    {0xAA, 0xAA}, {0xBA, 0xBA}, {0x2160, 0x217F}, {0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189},
};
static const range ignorable_others[] = {
    {0x27, 0x27},     {0x2E, 0x2E},     {0x3A, 0x3A},     {0xB7, 0xB7},     {0x387, 0x387},   {0x55F, 0x55F},   {0x5F4, 0x5F4},   {0x2018, 0x2019},
    {0x2024, 0x2024}, {0x2027, 0x2027}, {0xFE13, 0xFE13}, {0xFE52, 0xFE52}, {0xFE55, 0xFE55}, {0xFF07, 0xFF07}, {0xFF0E, 0xFF0E}, {0xFF1A, 0xFF1A},
};

static bool is_in(uint32_t code_point, const range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (code_point >= ranges[i].first && code_point <= ranges[i].last) return true;
    return false;
}

static bool is_ignorable(uint32_t code_point)
{
    switch (utf8proc_category((utf8proc_int32_t)code_point)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return is_in(code_point, ignorable_others, sizeof ignorable_others / sizeof *ignorable_others);
    }
}

static bool is_cased(uint32_t code_point)
{
    switch (utf8proc_category((utf8proc_int32_t)code_point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT: return true;
    default: return is_in(code_point, cased_others, sizeof cased_others / sizeof *cased_others);
    }
}

static bool cased_follows(ql_str text, size_t at)
{
    while (at < text.len) {
        uint32_t code_point;
        at += ql__utf8_next(text, at, &code_point);
        if (!is_ignorable(code_point)) return is_cased(code_point);
    }
    return false;
}

ql_status ql__utf8_lower(ql_str text, ql_buf *out, ql_error *err)
{
    bool after_cased = false; /* the last character that is not case-ignorable is cased */
    for (size_t at = 0; at < text.len;) {
        unsigned char byte = (unsigned char)text.ptr[at];
        uint32_t code_point = byte;
        size_t taken = byte < 0x80 ? 1 : ql__utf8_next(text, at, &code_point);
        char utf8[4];
        if (byte < 0x80) {
            (void)ql_buf_append_char(out, byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : (char)byte);
        } else if (taken == 1) {
            (void)ql_buf_append_char(out, text.ptr[at]);
        } else if (code_point == 0x130) {
            (void)ql_buf_append(out, QL_STR("i\xCC\x87"));
        } else {
            bool final_sigma = code_point == 0x3A3 && after_cased && !cased_follows(text, at + taken);
            uint32_t lower = final_sigma ? 0x3C2 : (uint32_t)utf8proc_tolower((utf8proc_int32_t)code_point);
            (void)ql_buf_append(out, (ql_str){utf8, ql__utf8_put(lower, utf8)});
        }
        if (!is_ignorable(code_point)) after_cased = is_cased(code_point);
        at += taken;
    }
    return out->status < 0 ? ql__fail(err, out->status, "lower-casing a text of %zu bytes", text.len) : QL_OK;
}
