/*
 * Understanding a query: terms for BM25 and a reading for the fusion.
 *
 * Everything is bounded by QL_LIMIT_QUERY_BYTES, QL_LIMIT_QUERY_TERMS and QL_LIMIT_QUERY_MEANING_BYTES: a pasted page is searched by its first
 * terms and by the meaning of its beginning. Linear time; used by one thread.
 */
#include "search/query.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/status.h"
#include "text/utf8.h"
#include "text/word_class.h"

static bool is_blank(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r') || byte == '\0';
}

static ql_str trim(ql_str text)
{
    while (text.len > 0 && is_blank(text.ptr[text.len - 1])) text.len--;
    while (text.len > 0 && is_blank(text.ptr[0])) text = (ql_str){text.ptr + 1, text.len - 1};
    return text;
}

static ql_status check(ql_str text, ql_error *err)
{
    if (text.len == 0) return ql__fail(err, QL_E_INVALID, "the query is empty");
    if (text.len > QL_LIMIT_QUERY_BYTES) return ql__fail(err, QL_E_INVALID, "the query has %zu bytes, at most %zu are searched for", text.len, QL_LIMIT_QUERY_BYTES);
    if (!ql__utf8_valid(text)) return ql__fail(err, QL_E_INVALID, "the query is not valid UTF-8");
    return QL_OK;
}

/* --- terms */

typedef struct collector {
    ql__arena *arena;
    ql__map seen;
    ql_str *terms;
    size_t count;
    bool nomem;
} collector;

static int collect(void *user, ql_str term)
{
    collector *self = user;
    ql_str copy;
    bool inserted = false;
    if (ql__map_find(&self->seen, term) != NULL) return 0;
    if (self->count == QL_LIMIT_QUERY_TERMS) return 1;
    self->nomem = !ql__arena_copy(self->arena, term, &copy) || ql__map_insert(&self->seen, copy, &inserted) == NULL;
    if (self->nomem) return 1;
    self->terms[self->count++] = copy;
    return 0;
}

static ql_status find_terms(ql__query *self, ql__analyzer *analyzer, ql__arena *arena, ql_error *err)
{
    collector found = {.arena = arena, .terms = ql__arena_alloc(arena, QL_LIMIT_QUERY_TERMS * sizeof *found.terms)};
    if (found.terms == NULL) return ql__fail_nomem(err);
    ql__map_init(&found.seen, 0);
    ql_error stop = {0};
    ql_status status = ql__analyzer_run(analyzer, self->text, collect, &found, &stop);
    ql__map_dispose(&found.seen);
    if (found.nomem) return ql__fail_nomem(err);
    if (status < 0 && ql_status_kind(status) != QL_E_CALLBACK) {
        if (err != NULL) *err = stop;
        return status;
    }
    self->weights = ql__arena_alloc(arena, (found.count + 1) * sizeof *self->weights);
    if (self->weights == NULL) return ql__fail_nomem(err);
    for (size_t i = 0; i < found.count; i++) self->weights[i] = 1;
    self->terms = found.terms;
    self->term_count = found.count;
    return QL_OK;
}

/* --- reading */

static bool is_word_class(ql__word_class class)
{
    return class != QL__WORD_BREAK && class != QL__WORD_SKIP && class != QL__WORD_UNDERSCORE;
}

static bool is_latin(uint32_t code_point)
{
    return code_point < 128 || ql__word_script_of((int32_t)code_point) == QL__SCRIPT_LATIN;
}

/* Counts words and letters, and leaves the words with single blanks between in out: signs are tokens too, but say nothing about words. */
static void read_words(ql_str text, ql_buf *out, ql__fuse_reading *reading)
{
    bool inside = false;
    for (size_t at = 0; at < text.len;) {
        uint32_t code_point;
        size_t taken = ql__utf8_next(text, at, &code_point);
        bool word = is_word_class(ql__word_class_of((int32_t)code_point));
        if (word && !inside && reading->words++ > 0) ql_buf_append_char(out, ' ');
        if (word) {
            ql_buf_append(out, (ql_str){text.ptr + at, taken});
            reading->letters++;
            reading->letters_latin += is_latin(code_point);
        }
        inside = word;
        at += taken;
    }
}

static ql_status read(ql__query *self, const ql_measure *measure, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) words = QL_BUF_INIT;
    read_words(self->text, &words, &self->reading);
    if (words.status < 0) return ql__fail_nomem(err);
    if (measure != NULL && self->reading.words > 0) self->reading.units = measure->units_fn(measure->user, ql_buf_str(&words), NULL, 0);
    return QL_OK;
}

ql_status ql__query_understand(ql_str text, ql__analyzer *analyzer, const ql_measure *measure, ql__arena *arena, ql__query *out, ql_error *err)
{
    ql__query self = {.text = trim(text)};
    QL_TRY(check(self.text, err));
    QL_TRY(find_terms(&self, analyzer, arena, err));
    QL_TRY(read(&self, measure, err));
    *out = self;
    return QL_OK;
}
