/*
 * The fence around scanners. Invariants: a scanner takes at most STEPS_AT_END steps per call once the file is at its end; then it is left by
 * longjmp and counts as having found nothing (what it may have allocated is lost; the grammars' scanners do not allocate while they look).
 * Threads: which grammar a parse uses is kept per thread, between begin and end. Cost: one more indirect call per character a scanner reads.
 */
#include "code_guard.h"

#include <setjmp.h>
#include <string.h>

#include <parser.h> /* of tree-sitter: the table that grammars fill */

#define STEPS_AT_END 1000

_Static_assert(sizeof(TSLanguage) <= sizeof(ql__code_guarded), "room for a grammar's table");

static _Thread_local const TSLanguage *current;
static _Thread_local void *scanner; /* the state of the scanner of the parse that runs */

typedef struct fence {
    jmp_buf way_out;
    void (*advance)(TSLexer *, bool);
    unsigned steps_at_end;
} fence;

static _Thread_local fence *active;

static void fenced_advance(TSLexer *lexer, bool skip)
{
    fence *self = active;
    if (lexer->eof(lexer) && ++self->steps_at_end > STEPS_AT_END) longjmp(self->way_out, 1);
    self->advance(lexer, skip);
}

static bool fenced_scan(void *payload, TSLexer *lexer, const bool *valid_symbols)
{
    fence self = {.advance = lexer->advance};
    bool found = false;
    active = &self;
    lexer->advance = fenced_advance;
    if (setjmp(self.way_out) == 0) found = current->external_scanner.scan(payload, lexer, valid_symbols);
    else found = false;
    lexer->advance = self.advance;
    active = NULL;
    return found;
}

static void *fenced_create(void)
{
    return scanner = current->external_scanner.create();
}

static void fenced_destroy(void *payload)
{
    scanner = NULL;
    current->external_scanner.destroy(payload);
}

const TSLanguage *ql__code_guard(const TSLanguage *grammar, ql__code_guarded *room)
{
    if (!grammar->external_scanner.scan) return grammar;
    /* Older grammars have a shorter table. */
    size_t size = grammar->abi_version >= 15 ? sizeof(TSLanguage) : grammar->abi_version == 14 ? offsetof(TSLanguage, name) : offsetof(TSLanguage, primary_state_ids);
    memset(room, 0, sizeof *room);
    memcpy(room, grammar, size);
    TSLanguage *copy = (TSLanguage *)(void *)room->bytes;
    copy->external_scanner.scan = fenced_scan;
    if (grammar->external_scanner.create && grammar->external_scanner.destroy) {
        copy->external_scanner.create = fenced_create;
        copy->external_scanner.destroy = fenced_destroy;
    }
    return copy;
}

const TSLanguage *ql__code_guard_begin(const TSLanguage *original)
{
    const TSLanguage *before = current;
    current = original;
    return before;
}

void ql__code_guard_abandon(void)
{
    if (scanner) current->external_scanner.destroy(scanner);
    scanner = NULL;
    current = NULL;
}

void ql__code_guard_end(const TSLanguage *before)
{
    current = before;
}
