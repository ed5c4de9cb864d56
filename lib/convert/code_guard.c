/*
 * The fence around scanners. Invariants: a scanner takes at most STEPS_AT_END steps per call once the file is at its end; then it is left by
 * longjmp and counts as having found nothing (what it may have allocated is given back with the run of code_memory.h). What is read in
 * all for the tokens of a parse is bounded too, by scanners and by the grammar's own tables.
 * Threads: which grammar a parse uses is kept per thread, between begin and end. Cost: one more indirect call per character a scanner reads and per token, and a new state
 * per call of a scanner.
 */
#include "code_guard.h"

#include "code_memory.h"

#include <setjmp.h>
#include <string.h>

#include <lexer.h>  /* of tree-sitter, private: where its lexer is */
#include <parser.h> /* the table that grammars fill */

#define STEPS_AT_END 1000

_Static_assert(sizeof(TSLanguage) <= sizeof(ql__code_guarded), "room for a grammar's table");

static _Thread_local const ql__code_original *current;
static _Thread_local uint64_t reads_left;

typedef struct fence {
    jmp_buf way_out;
    void (*advance)(TSLexer *, bool);
    unsigned steps_at_end;
} fence;

static _Thread_local fence *active;

static void fenced_advance(TSLexer *lexer, bool skip)
{
    fence *self = active;
    if (reads_left == 0) ql__code_memory_give_up();
    reads_left--;
    if (lexer->eof(lexer) && ++self->steps_at_end > STEPS_AT_END) longjmp(self->way_out, 1);
    self->advance(lexer, skip);
}

/* The grammar's own lexer reads ahead as it likes before it finds that there is no token. */
static bool counted_lex(TSLexer *lexer, TSStateId state)
{
    const Lexer *self = (const Lexer *)lexer;
    uint32_t from = self->current_position.bytes;
    bool found = current->grammar->lex_fn(lexer, state);
    uint32_t read = self->current_position.bytes - from;
    if (read > reads_left) ql__code_memory_give_up();
    reads_left -= read;
    return found;
}

/* What the parser holds as a scanner's state: the real one can be exchanged. */
typedef struct holder {
    void *state;
} holder;

static bool fenced_scan(void *payload, TSLexer *lexer, const bool *valid_symbols)
{
    fence self = {.advance = lexer->advance};
    bool found = false;
    active = &self;
    lexer->advance = fenced_advance;
    if (setjmp(self.way_out) == 0) found = current->grammar->external_scanner.scan(((holder *)payload)->state, lexer, valid_symbols);
    else found = false;
    lexer->advance = self.advance;
    active = NULL;
    return found;
}

static void *fenced_create(void)
{
    holder *self = ql__code_memory()->take(sizeof *self);
    self->state = current->grammar->external_scanner.create();
    return self;
}

static void fenced_destroy(void *payload)
{
    current->grammar->external_scanner.destroy(((holder *)payload)->state);
    ql__code_memory()->give_back(payload);
}

static unsigned fenced_serialize(void *payload, char *bytes)
{
    return current->grammar->external_scanner.serialize(((holder *)payload)->state, bytes);
}

static void fenced_deserialize(void *payload, const char *bytes, unsigned count)
{
    holder *self = payload;
    current->grammar->external_scanner.destroy(self->state);
    self->state = current->grammar->external_scanner.create();
    current->grammar->external_scanner.deserialize(self->state, bytes, count);
}

const TSLanguage *ql__code_guard(const TSLanguage *grammar, ql__code_guarded *room)
{
    /* Older grammars have a shorter table. */
    size_t size = grammar->abi_version >= 15 ? sizeof(TSLanguage) : grammar->abi_version == 14 ? offsetof(TSLanguage, name) : offsetof(TSLanguage, primary_state_ids);
    memset(room, 0, sizeof *room);
    memcpy(room, grammar, size);
    TSLanguage *copy = (TSLanguage *)(void *)room->bytes;
    copy->lex_fn = counted_lex;
    if (!grammar->external_scanner.scan) return copy;
    copy->external_scanner.create = fenced_create;
    copy->external_scanner.destroy = fenced_destroy;
    copy->external_scanner.scan = fenced_scan;
    copy->external_scanner.serialize = fenced_serialize;
    copy->external_scanner.deserialize = fenced_deserialize;
    return copy;
}

const ql__code_original *ql__code_guard_begin(const ql__code_original *original, uint64_t reads)
{
    const ql__code_original *before = current;
    current = original;
    reads_left = reads;
    original->use_memory(ql__code_memory());
    return before;
}

void ql__code_guard_abandon(void)
{
    if (current) current->use_memory(NULL);
    current = NULL;
}

void ql__code_guard_end(const ql__code_original *before)
{
    current->use_memory(NULL);
    current = before;
    if (before) before->use_memory(ql__code_memory());
}
