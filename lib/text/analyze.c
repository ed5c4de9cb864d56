/*
 * Words for BM25.
 *
 * One pass over the text collects runs of word characters of at most QL__WORD_CODE_POINTS_MAX code points; each run becomes
 * terms in a fixed buffer, so time is linear, memory constant and nothing is allocated for a token (libstemmer reuses its own
 * buffer). Terms are at most 128 bytes; a longer one keeps its first 128. Bytes that are no UTF-8 end a word. An analyzer
 * belongs to one thread at a time. Any change to the terms of any text must raise ANALYZER_VERSION.
 *
 * Why these terms (nDCG figures in docs/internals/search.md):
 * - Snowball stems by script, so that no language has to be known: English for Latin letters, and the one large language each
 *   of Cyrillic, Greek, Arabic and Devanagari. Document and query pass the same stemmer, so that a wrong language does little harm.
 * - Scripts without blanks become bigrams (Nie et al., "On the use of words and n-grams for Chinese information retrieval", 2000).
 * - An identifier is one term and also its parts, so that both `getUserName` and "user name" find it.
 */
#include "text/analyze.h"

#include "base/alloc.h"
#include "base/status.h"
#include "text/word_class.h"
#include "text/word_fold.h"
#include "text/word_stop.h"

#include <libstemmer.h>
#include <string.h>
#include <utf8proc.h>

#define ANALYZER_VERSION 1
#define TERM_BYTES_MAX 128
#define OPAQUE_CODE_POINTS 64 /* a longer mix of case and digits is data, not an identifier: no parts */
#define CASE_PARTS_MAX 8      /* likewise with more parts than this */
#define DIGIT_SWITCHES_MAX 3  /* likewise: a hash or a key */
#define YEAR_DIGITS 4         /* shortest part of a dotted number that is a term of its own */

typedef struct word_run {
    int32_t code_points[QL__WORD_CODE_POINTS_MAX];
    uint8_t classes[QL__WORD_CODE_POINTS_MAX];
    size_t count;
    bool continued; /* dense: the first code point was already part of a term */
} word_run;

struct ql__analyzer {
    struct sb_stemmer *stemmers[QL__SCRIPT_COUNT];
    word_run run;
    int32_t folded[QL__WORD_FOLDED_MAX];
    /* of the call */
    ql__term_fn fn;
    void *user;
    int stopped; /* what the callback returned; also set, to 1, without memory */
    bool short_of_memory;
};

uint32_t ql__analyzer_version(void)
{
    return ANALYZER_VERSION;
}

/* It answers the same when there is no memory and when it was built without the language. */
static ql_status fail_stemmer(const char *algorithm, ql_error *err)
{
    for (const char **name = sb_stemmer_list(); *name != NULL; name++)
        if (strcmp(*name, algorithm) == 0) return ql__fail_nomem(err);
    return ql__fail(err, QL_E_UNSUPPORTED, "libstemmer has no stemmer '%s'", algorithm);
}

ql_status ql__analyzer_new(ql__analyzer **out, ql_error *err)
{
    static const char *const algorithms[QL__SCRIPT_COUNT] = {
        [QL__SCRIPT_LATIN] = "english", [QL__SCRIPT_GREEK] = "greek", [QL__SCRIPT_CYRILLIC] = "russian",
        [QL__SCRIPT_ARABIC] = "arabic", [QL__SCRIPT_DEVANAGARI] = "hindi",
    };
    ql__analyzer *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    for (size_t i = 0; i < QL__SCRIPT_COUNT; i++) {
        if (algorithms[i] == NULL) continue;
        self->stemmers[i] = sb_stemmer_new(algorithms[i], NULL);
        if (self->stemmers[i] == NULL) {
            ql__analyzer_free(self);
            return fail_stemmer(algorithms[i], err);
        }
    }
    *out = self;
    return QL_OK;
}

void ql__analyzer_free(ql__analyzer *self)
{
    if (self == NULL) return;
    for (size_t i = 0; i < QL__SCRIPT_COUNT; i++) {
        if (self->stemmers[i] != NULL) sb_stemmer_delete(self->stemmers[i]);
    }
    ql__free(self);
}

/* --- terms */

static void emit(ql__analyzer *self, const char *term, size_t length)
{
    if (length == 0 || self->stopped != 0) return;
    self->stopped = self->fn(self->user, (ql_str){term, length});
}

static ql__word_script script_of(const int32_t *word, size_t count)
{
    ql__word_script found = QL__SCRIPT_OTHER;
    for (size_t i = 0; i < count; i++) {
        if (ql__word_class_of(word[i]) == QL__WORD_DIGIT) return QL__SCRIPT_OTHER;
        ql__word_script script = ql__word_script_of(word[i]);
        if (i > 0 && script != found) return QL__SCRIPT_OTHER;
        found = script;
    }
    return found;
}

/* A word as people write it: stop words vanish, the rest is stemmed. */
static void emit_word(ql__analyzer *self, const int32_t *word, size_t count)
{
    size_t length = ql__word_fold(word, count, self->folded);
    char term[TERM_BYTES_MAX];
    size_t bytes = ql__word_encode(self->folded, length, term, sizeof term);
    if (ql__word_is_stop(term, bytes)) return;
    struct sb_stemmer *stemmer = self->stemmers[script_of(self->folded, length)];
    if (stemmer != NULL) {
        const sb_symbol *stem = sb_stemmer_stem(stemmer, (const sb_symbol *)term, (int)bytes);
        int stem_bytes = sb_stemmer_length(stemmer);
        if (stem == NULL) { /* its only failure; the word as it is would be another word */
            self->short_of_memory = true;
            self->stopped = 1;
        }
        if (stem != NULL && stem_bytes > 0 && stem_bytes <= TERM_BYTES_MAX) {
            memcpy(term, stem, (size_t)stem_bytes);
            bytes = (size_t)stem_bytes;
        }
    }
    emit(self, term, bytes);
}

/* An identifier as it is, only folded. */
static void emit_whole(ql__analyzer *self, const int32_t *word, size_t count)
{
    size_t length = ql__word_fold(word, count, self->folded);
    char term[TERM_BYTES_MAX];
    emit(self, term, ql__word_encode(self->folded, length, term, sizeof term));
}

/* --- identifiers */

static bool is_number_class(uint8_t class)
{
    return class == QL__WORD_DIGIT || class == QL__WORD_POINT;
}

/* The class that decides about a boundary: that of the base, for a mark. */
static uint8_t base_class(const word_run *run, size_t begin, size_t at)
{
    while (at > begin && run->classes[at] == QL__WORD_MARK) at--;
    return run->classes[at];
}

/* "IDs", "URLs": the plural of an abbreviation is no word of its own. at is an upper-case letter after another. */
static bool is_plural_tail(const word_run *run, size_t at, size_t end)
{
    return run->code_points[at + 1] == 's' && (at + 2 >= end || run->classes[at + 2] != QL__WORD_LOWER);
}

typedef enum boundary { NONE, CASE, NUMBER, UNDERSCORE } boundary;

/* What separates at - 1 from at, begin < at < end. */
static boundary boundary_at(const word_run *run, size_t begin, size_t at, size_t end)
{
    uint8_t next = run->classes[at], previous = base_class(run, begin, at - 1);
    if (next == QL__WORD_MARK) return NONE;
    if (next == QL__WORD_UNDERSCORE || previous == QL__WORD_UNDERSCORE) return UNDERSCORE;
    if (is_number_class(next) != is_number_class(previous)) return NUMBER;
    if (next != QL__WORD_UPPER) return NONE;
    if (previous == QL__WORD_LOWER) return CASE;
    bool word_begins = previous == QL__WORD_UPPER && at + 1 < end && run->classes[at + 1] == QL__WORD_LOWER;
    return word_begins && !is_plural_tail(run, at, end) ? CASE : NONE;
}

static bool is_ordinal_tail(const int32_t *part, size_t count)
{
    if (count != 2) return false;
    int32_t a = part[0] | 32, b = part[1] | 32;
    return (a == 's' && b == 't') || (a == 'n' && b == 'd') || (a == 'r' && b == 'd') || (a == 't' && b == 'h');
}

/* Years and the like inside dates and other dotted numbers: 7.2.2016. One point is a decimal. */
static void emit_dotted_parts(ql__analyzer *self, const word_run *run, size_t begin, size_t end)
{
    size_t points = 0;
    for (size_t i = begin; i < end; i++) points += run->classes[i] == QL__WORD_POINT;
    if (points < 2) return;
    for (size_t i = begin, from = begin; i <= end; i++) {
        if (i < end && run->classes[i] != QL__WORD_POINT) continue;
        if (i - from >= YEAR_DIGITS) emit_word(self, run->code_points + from, i - from);
        from = i + 1;
    }
}

static void emit_part(ql__analyzer *self, const word_run *run, size_t begin, size_t end, bool after_number)
{
    if (end - begin < 2 || run->classes[begin] == QL__WORD_UNDERSCORE) return;
    if (after_number && is_ordinal_tail(run->code_points + begin, end - begin)) return;
    emit_word(self, run->code_points + begin, end - begin);
    if (is_number_class(run->classes[begin])) emit_dotted_parts(self, run, begin, end);
}

static void emit_parts(ql__analyzer *self, const word_run *run, size_t begin, size_t end)
{
    size_t from = begin;
    boundary before = NONE;
    for (size_t at = begin + 1; at <= end; at++) {
        boundary here = at < end ? boundary_at(run, begin, at, end) : UNDERSCORE;
        if (here == NONE) continue;
        emit_part(self, run, from, at, before == NUMBER);
        before = here;
        from = at;
    }
}

/* A run without apostrophes. */
static void emit_identifier(ql__analyzer *self, const word_run *run, size_t begin, size_t end)
{
    while (begin < end && run->classes[begin] == QL__WORD_UNDERSCORE) begin++;
    while (begin < end && run->classes[end - 1] == QL__WORD_UNDERSCORE) end--;
    if (begin == end) return;
    size_t count[UNDERSCORE + 1] = {0};
    for (size_t at = begin + 1; at < end; at++) count[boundary_at(run, begin, at, end)]++;
    size_t words = count[CASE] + count[NUMBER] + count[UNDERSCORE];
    if (words == 0) {
        emit_word(self, run->code_points + begin, end - begin);
        if (is_number_class(run->classes[begin])) emit_dotted_parts(self, run, begin, end);
        return;
    }
    emit_whole(self, run->code_points + begin, end - begin);
    bool data = end - begin > OPAQUE_CODE_POINTS || words >= CASE_PARTS_MAX || count[NUMBER] > DIGIT_SWITCHES_MAX;
    if (count[UNDERSCORE] > 0 || !data) emit_parts(self, run, begin, end);
}

/* --- apostrophes */

static bool ends_contraction(const word_run *run, size_t begin, size_t end)
{
    static const char *const tails[] = {"s", "re", "ve", "ll", "d", "m"};
    for (size_t t = 0; t < sizeof tails / sizeof *tails; t++) {
        size_t length = strlen(tails[t]), i = 0;
        while (i < length && begin + i < end && (run->code_points[begin + i] | 32) == tails[t][i]) i++;
        if (i == length && begin + i == end) return true;
    }
    return false;
}

static bool is_negation(const word_run *run, size_t apostrophe)
{
    return apostrophe + 2 == run->count && (run->code_points[apostrophe + 1] | 32) == 't' && (run->code_points[apostrophe - 1] | 32) == 'n';
}

/*
 * company's -> company; don't -> dont (a stop word); l'homme -> l, homme; Türkiye'nin -> türkiye, nin. The analyzer admits an
 * apostrophe only between letters, so it is never first or last.
 */
static void emit_spoken(ql__analyzer *self, const word_run *run)
{
    size_t from = 0;
    for (size_t i = 0; i < run->count; i++) {
        if (run->classes[i] != QL__WORD_APOSTROPHE) continue;
        if (is_negation(run, i)) {
            emit_word(self, run->code_points + from, run->count - from);
            return;
        }
        emit_identifier(self, run, from, i);
        from = i + 1;
    }
    if (from > 0 && ends_contraction(run, from, run->count)) return;
    emit_identifier(self, run, from, run->count);
}

/* --- scripts without blanks */

/* Each pair, and each ideograph as well: most are words, and a question may be one. */
static void emit_bigrams(ql__analyzer *self, const word_run *run)
{
    size_t length = ql__word_fold(run->code_points, run->count, self->folded);
    char term[TERM_BYTES_MAX];
    for (size_t i = 0; i < length; i++) {
        bool again = run->continued && i == 0;
        bool alone = length == 1 || ql__word_is_ideograph(self->folded[i]);
        if (alone && !again) emit(self, term, ql__word_encode(self->folded + i, 1, term, sizeof term));
        if (i + 1 < length) emit(self, term, ql__word_encode(self->folded + i, 2, term, sizeof term));
    }
}

/* --- runs */

static bool run_is_dense(const word_run *run)
{
    return run->count > 0 && run->classes[0] == QL__WORD_DENSE;
}

static void run_end(ql__analyzer *self)
{
    word_run *run = &self->run;
    if (run->count == 0) return;
    if (run_is_dense(run)) {
        emit_bigrams(self, run);
    } else {
        emit_spoken(self, run);
    }
    run->count = 0;
    run->continued = false;
}

static void run_push(ql__analyzer *self, int32_t code_point, ql__word_class class)
{
    word_run *run = &self->run;
    if (run->count > 0 && run_is_dense(run) != (class == QL__WORD_DENSE)) run_end(self);
    if (run->count == QL__WORD_CODE_POINTS_MAX) {
        int32_t last = run->code_points[run->count - 1];
        run_end(self);
        if (class == QL__WORD_DENSE) { /* the bigram across the cut is a term as well */
            run->code_points[run->count] = last;
            run->classes[run->count++] = QL__WORD_DENSE;
            run->continued = true;
        }
    }
    if (run->count == 0 && class == QL__WORD_MARK) return; /* a mark on nothing */
    run->code_points[run->count] = code_point;
    run->classes[run->count++] = (uint8_t)class;
}

static bool is_letter(ql__word_class class)
{
    return class == QL__WORD_LOWER || class == QL__WORD_UPPER || class == QL__WORD_LETTER;
}

/* One code point; an invalid byte counts as one that breaks words. */
static size_t next(ql_str text, size_t at, int32_t *out)
{
    if ((unsigned char)text.ptr[at] < 128) {
        *out = (unsigned char)text.ptr[at];
        return 1;
    }
    utf8proc_ssize_t taken = utf8proc_iterate((const utf8proc_uint8_t *)text.ptr + at, (utf8proc_ssize_t)(text.len - at), out);
    if (taken > 0) return (size_t)taken;
    *out = 0;
    return 1;
}

static ql__word_class class_at(ql_str text, size_t at)
{
    if (at >= text.len) return QL__WORD_BREAK;
    int32_t code_point;
    (void)next(text, at, &code_point);
    return ql__word_class_of(code_point);
}

static bool is_digit_at(ql_str text, size_t at)
{
    return at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9';
}

/* 1,234,567 is one number; 1,2 is two. at is behind the comma. */
static bool is_thousands_group(ql_str text, size_t at)
{
    return is_digit_at(text, at) && is_digit_at(text, at + 1) && is_digit_at(text, at + 2) && !is_digit_at(text, at + 3);
}

/* Whether a breaking code point belongs to the word after all: 3.14, 1,234, l'homme. `after` is where the next one begins. */
static bool run_joins(ql__analyzer *self, ql_str text, int32_t code_point, size_t after)
{
    word_run *run = &self->run;
    if (run->count == 0 || run_is_dense(run) || run->count == QL__WORD_CODE_POINTS_MAX) return false;
    uint8_t last = run->classes[run->count - 1];
    if (last == QL__WORD_DIGIT && code_point == '.' && is_digit_at(text, after)) {
        run_push(self, '.', QL__WORD_POINT);
        return true;
    }
    if (last == QL__WORD_DIGIT && code_point == ',') return is_thousands_group(text, after);
    if ((is_letter(last) || last == QL__WORD_MARK) && ql__word_is_apostrophe(code_point) && is_letter(class_at(text, after))) {
        run_push(self, '\'', QL__WORD_APOSTROPHE);
        return true;
    }
    return false;
}

/* C++, C#: one letter whose signs are part of the name. at is the first sign; returns the bytes taken. */
static size_t run_symbols(ql__analyzer *self, ql_str text, size_t at)
{
    word_run *run = &self->run;
    if (run->count != 1 || run->code_points[0] >= 128 || !is_letter(run->classes[0])) return 0;
    size_t taken = 0;
    if (text.ptr[at] == '#' && class_at(text, at + 1) == QL__WORD_BREAK) taken = 1;
    if (text.ptr[at] == '+' && at + 1 < text.len && text.ptr[at + 1] == '+' && class_at(text, at + 2) == QL__WORD_BREAK) taken = 2;
    if (taken == 0) return 0;
    char term[3] = {(char)(run->code_points[0] | 32), text.ptr[at], '+'};
    emit(self, term, 1 + taken);
    run->count = 0;
    return taken;
}

static void scan(ql__analyzer *self, ql_str text)
{
    for (size_t at = 0; at < text.len && self->stopped == 0;) {
        int32_t code_point;
        size_t taken = next(text, at, &code_point);
        ql__word_class class = ql__word_class_of(code_point);
        if (class != QL__WORD_BREAK) {
            if (class != QL__WORD_SKIP) run_push(self, code_point, class);
        } else if (!run_joins(self, text, code_point, at + taken)) {
            size_t symbols = code_point == '+' || code_point == '#' ? run_symbols(self, text, at) : 0;
            run_end(self);
            if (symbols > 0) taken = symbols;
        }
        at += taken;
    }
    run_end(self);
}

ql_status ql__analyzer_run(ql__analyzer *self, ql_str text, ql__term_fn fn, void *user, ql_error *err)
{
    self->run.count = 0;
    self->run.continued = false;
    self->fn = fn;
    self->user = user;
    self->stopped = 0;
    self->short_of_memory = false;
    scan(self, text);
    if (self->short_of_memory) return ql__fail_nomem(err);
    if (self->stopped == 0) return QL_OK;
    ql_status status = ql__fail(err, QL_E_CALLBACK, "the receiver of terms stopped with %d", self->stopped);
    if (err != NULL) err->callback_value = self->stopped;
    return status;
}
