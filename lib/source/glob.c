/*
 * Path patterns, compiled to a row of tokens and run as a set of states, one bit each: no backtracking, so a hostile pattern
 * costs no more than path length times pattern length / 64.
 * Invariants: bit i of the set means "tokens before i are matched"; bit token_count means all are. Threads: compiled patterns are
 * immutable. Memory: two sets on the stack.
 */
#include "source/glob.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "text/utf8.h"

enum token_kind {
    TOKEN_CHAR,     /* this code point */
    TOKEN_ANY,      /* '?' */
    TOKEN_CLASS,    /* [...] */
    TOKEN_NOT_CLASS,
    TOKEN_STAR,     /* any run; stays inside a part when strict */
    TOKEN_DEEP,     /* any run over '/' too */
    TOKEN_FOLDERS,  /* nothing, or anything that ends in '/' */
};

typedef struct glob_token {
    uint32_t kind;
    uint32_t value; /* CHAR: code point; CLASS: first range */
    uint32_t count; /* CLASS: how many ranges */
} glob_token;

typedef struct glob_range {
    uint32_t low, high;
} glob_range;

struct ql__glob {
    bool strict;
    uint32_t token_count, range_count;
    glob_range *ranges;
    glob_token tokens[];
};

enum { SET_WORDS = QL_LIMIT_GLOB_TOKENS / 64 + 1 };

typedef struct state_set {
    uint64_t words[SET_WORDS];
} state_set;

/* A byte that is not UTF-8 becomes a value of its own beyond Unicode, so that it equals only itself. */
static size_t next_point(ql_str text, size_t at, uint32_t *out)
{
    size_t taken = ql__utf8_next(text, at, out);
    if (taken == 1 && (unsigned char)text.ptr[at] >= 0x80) *out = 0x110000u + (unsigned char)text.ptr[at];
    return taken;
}

/* Offset of the ']' that closes the class opened at `at`, or text.len. A ']' right after the opening is a member. */
static size_t class_end(ql_str text, size_t at)
{
    size_t i = at + 1;
    if (i < text.len && text.ptr[i] == '!') i++;
    if (i < text.len && text.ptr[i] == ']') i++;
    while (i < text.len && text.ptr[i] != ']') i++;
    return i;
}

static void compile_class(ql__glob *self, ql_str body)
{
    glob_token *token = &self->tokens[self->token_count++];
    bool negated = body.len > 0 && body.ptr[0] == '!';
    *token = (glob_token){.kind = negated ? TOKEN_NOT_CLASS : TOKEN_CLASS, .value = self->range_count};
    for (size_t i = negated ? 1 : 0; i < body.len;) {
        glob_range range;
        i += next_point(body, i, &range.low);
        range.high = range.low;
        if (i + 1 < body.len && body.ptr[i] == '-') i += 1 + next_point(body, i + 1, &range.high);
        self->ranges[self->range_count++] = range; /* a reversed one holds nothing, as in the reference */
        token->count++;
    }
}

/* Two stars that fill a part of the path on their own. */
static bool is_deep_part(ql_str pattern, size_t at)
{
    return pattern.len - at >= 2 && pattern.ptr[at] == '*' && pattern.ptr[at + 1] == '*' && (at == 0 || pattern.ptr[at - 1] == '/') &&
           (at + 2 == pattern.len || pattern.ptr[at + 2] == '/');
}

static size_t compile_star(ql__glob *self, ql_str pattern, size_t at)
{
    if (is_deep_part(pattern, at)) {
        bool last = at + 2 == pattern.len;
        self->tokens[self->token_count++].kind = last ? TOKEN_DEEP : TOKEN_FOLDERS;
        return last ? at + 2 : at + 3;
    }
    self->tokens[self->token_count++].kind = TOKEN_STAR;
    while (at < pattern.len && pattern.ptr[at] == '*') at++;
    return at;
}

static void compile(ql__glob *self, ql_str pattern)
{
    for (size_t at = 0; at < pattern.len;) {
        size_t end;
        if (pattern.ptr[at] == '*') {
            at = compile_star(self, pattern, at);
        } else if (pattern.ptr[at] == '?') {
            self->tokens[self->token_count++].kind = TOKEN_ANY;
            at++;
        } else if (pattern.ptr[at] == '[' && (end = class_end(pattern, at)) < pattern.len) {
            compile_class(self, (ql_str){pattern.ptr + at + 1, end - at - 1});
            at = end + 1;
        } else {
            glob_token *token = &self->tokens[self->token_count++];
            *token = (glob_token){.kind = TOKEN_CHAR};
            at += next_point(pattern, at, &token->value);
        }
    }
}

ql_status ql__glob_new(ql_str pattern, bool strict, ql__glob **out, ql_error *err)
{
    if (pattern.len > QL_LIMIT_GLOB_TOKENS)
        return ql__fail(err, QL_E_LIMIT, "a path pattern has %zu bytes, limit %d", pattern.len, QL_LIMIT_GLOB_TOKENS);
    /* No byte of the pattern makes more than one token or one range. */
    size_t size = sizeof(ql__glob) + pattern.len * (sizeof(glob_token) + sizeof(glob_range));
    ql__glob *self = ql__alloc_zero(1, size);
    if (self == NULL) return ql__fail_nomem(err);
    self->strict = strict;
    self->ranges = (glob_range *)(void *)(self->tokens + pattern.len);
    compile(self, pattern);
    *out = self;
    return QL_OK;
}

void ql__glob_free(ql__glob *self)
{
    ql__free(self);
}

static void add_bit(state_set *set, uint32_t i)
{
    set->words[i / 64] |= (uint64_t)1 << (i % 64);
}

static bool has_bit(const state_set *set, uint32_t i)
{
    return (set->words[i / 64] >> (i % 64)) & 1;
}

/* Adds state i and what is reached from it without reading: tokens that may stand for nothing. */
static void enter(const ql__glob *self, state_set *set, uint32_t i)
{
    add_bit(set, i);
    while (i < self->token_count && self->tokens[i].kind >= TOKEN_STAR) add_bit(set, ++i);
}

static bool in_class(const ql__glob *self, const glob_token *token, uint32_t point)
{
    for (uint32_t i = token->value; i < token->value + token->count; i++)
        if (point >= self->ranges[i].low && point <= self->ranges[i].high) return true;
    return false;
}

/* Where state i goes by reading `point`. */
static void step(const ql__glob *self, uint32_t i, uint32_t point, state_set *next)
{
    const glob_token *token = &self->tokens[i];
    bool crosses = point != '/' || !self->strict;
    switch (token->kind) {
    case TOKEN_CHAR:
        if (point == token->value) enter(self, next, i + 1);
        break;
    case TOKEN_ANY:
        if (crosses) enter(self, next, i + 1);
        break;
    case TOKEN_CLASS:
    case TOKEN_NOT_CLASS:
        if (crosses && in_class(self, token, point) == (token->kind == TOKEN_CLASS)) enter(self, next, i + 1);
        break;
    case TOKEN_STAR:
        if (crosses) enter(self, next, i);
        break;
    case TOKEN_DEEP:
        enter(self, next, i);
        break;
    default: /* TOKEN_FOLDERS: inside a folder's name there is no way out but its '/' */
        add_bit(next, i);
        if (point == '/') enter(self, next, i + 1);
        break;
    }
}

/* Reads path; true at its end, or with `above` at the first '/' where all tokens are matched. */
static bool run(const ql__glob *self, ql_str path, bool above)
{
    size_t words = self->token_count / 64 + 1;
    state_set sets[2];
    state_set *now = &sets[0], *next = &sets[1];
    memset(now->words, 0, words * sizeof *now->words);
    enter(self, now, 0);
    for (size_t at = 0; at < path.len;) {
        if (above && path.ptr[at] == '/' && has_bit(now, self->token_count)) return true;
        uint32_t point;
        at += next_point(path, at, &point);
        memset(next->words, 0, words * sizeof *next->words);
        bool alive = false;
        for (size_t w = 0; w < words; w++) {
            for (uint64_t bits = now->words[w]; bits != 0; bits &= bits - 1) {
                uint32_t i = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
                if (i < self->token_count) step(self, i, point, next);
            }
        }
        for (size_t w = 0; w < words; w++) alive |= next->words[w] != 0;
        if (!alive) return false;
        state_set *swap = now;
        now = next;
        next = swap;
    }
    return !above && has_bit(now, self->token_count);
}

bool ql__glob_matches(const ql__glob *self, ql_str path)
{
    return run(self, path, false);
}

bool ql__glob_matches_above(const ql__glob *self, ql_str path)
{
    return run(self, path, true);
}
