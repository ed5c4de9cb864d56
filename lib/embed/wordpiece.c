/*
 * BERT's tokenizer: normalise, split into words, cut each word into the longest pieces the vocabulary has.
 *
 * A text is read once. Letters of the current word are collected, normalised, in a fixed buffer; a blank, a punctuation mark or
 * the end closes the word, which is looked up as a whole and, failing that, piece by piece, longest first. A word of more than
 * WORD_CHARS_MAX characters is [UNK], so nothing beyond that is kept and a hostile run of letters costs one pass.
 *
 * Pieces that start a word and pieces that continue one live in one open-addressing table; they differ by the seed of their hash.
 * A hit is always confirmed by comparing bytes.
 *
 * Threads: immutable after ql__wordpiece_new; a run keeps its state on the stack. Cost: about a hash step per byte of ASCII text.
 */
#include "embed/wordpiece.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "text/bert_normalize.h"
#include "text/utf8.h"

_Static_assert(QL__WORDPIECE_LOWER == QL__BERT_LOWER && QL__WORDPIECE_STRIP == QL__BERT_STRIP &&
                   QL__WORDPIECE_IDEOGRAPHS == QL__BERT_IDEOGRAPHS,
               "flags are handed through");

#define WORD_CHARS_MAX 100 /* max_input_chars_per_word of the model */
#define WORD_BYTES_MAX (WORD_CHARS_MAX * 4)
#define VOCAB_COUNT_MAX ((size_t)1 << 24)
#define NO_ID UINT32_MAX

#define HASH_WORD UINT64_C(0x9E3779B97F4A7C15)
#define HASH_MORE UINT64_C(0xC2B2AE3D27D4EB4F)
#define HASH_STEP UINT64_C(0x100000001B3)

enum { SPECIAL_UNK, SPECIAL_CLS, SPECIAL_SEP, SPECIAL_PAD, SPECIAL_MASK, SPECIAL_COUNT };

typedef struct piece_slot {
    uint32_t tag; /* upper half of the hash */
    uint32_t id;  /* NO_ID: free */
} piece_slot;

struct ql__wordpiece {
    char *bytes;       /* the vocabulary's text */
    uint32_t *offsets; /* (count + 1) where each piece starts in bytes, "##" left out */
    uint16_t *lengths; /* (count) bytes of each piece, "##" left out */
    piece_slot *slots;
    size_t slot_mask;
    uint32_t count;
    uint32_t flags;
    uint32_t piece_bytes_max;
    uint32_t special[SPECIAL_COUNT]; /* NO_ID: the vocabulary has none */
    uint8_t ascii_kind[128];
    uint8_t ascii_lower[128];
    uint32_t ascii_id[128]; /* of a one-character word; [UNK] when there is none */
};

static const char *const special_names[SPECIAL_COUNT] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};

static uint64_t hash_step(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * HASH_STEP;
}

static uint64_t hash_finish(uint64_t hash)
{
    hash ^= hash >> 29;
    return hash * UINT64_C(0xBF58476D1CE4E5B9);
}

static uint64_t hash_piece(const char *ptr, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++) seed = hash_step(seed, (unsigned char)ptr[i]);
    return hash_finish(seed);
}

static size_t slot_of(uint64_t finished, size_t mask)
{
    return (size_t)(finished >> 20) & mask;
}

static uint32_t find_piece(const ql__wordpiece *self, const char *ptr, size_t len, uint64_t hash)
{
    uint64_t finished = hash_finish(hash);
    uint32_t tag = (uint32_t)(finished >> 32);
    for (size_t at = slot_of(finished, self->slot_mask);; at = (at + 1) & self->slot_mask) {
        const piece_slot *slot = &self->slots[at];
        if (slot->id == NO_ID) return NO_ID;
        if (slot->tag == tag && self->lengths[slot->id] == len && memcmp(self->bytes + self->offsets[slot->id], ptr, len) == 0) return slot->id;
    }
}

/* The same piece twice: the later line wins, as when a map is filled from the file. */
static void insert_piece(ql__wordpiece *self, uint32_t id, uint64_t finished)
{
    uint32_t tag = (uint32_t)(finished >> 32);
    size_t at = slot_of(finished, self->slot_mask);
    while (self->slots[at].id != NO_ID) {
        uint32_t other = self->slots[at].id;
        if (self->slots[at].tag == tag && self->lengths[other] == self->lengths[id] &&
            memcmp(self->bytes + self->offsets[other], self->bytes + self->offsets[id], self->lengths[id]) == 0)
            break;
        at = (at + 1) & self->slot_mask;
    }
    self->slots[at] = (piece_slot){tag, id};
}

static size_t count_lines(ql_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) count += text.ptr[i] == '\n';
    return count + (text.len > 0 && text.ptr[text.len - 1] != '\n');
}

static ql_status allocate_tables(ql__wordpiece *self, ql_str vocab, ql_error *err)
{
    size_t count = count_lines(vocab), slots = 1024;
    if (count == 0 || count > VOCAB_COUNT_MAX || vocab.len > UINT32_MAX)
        return ql__fail(err, QL_E_FORMAT, "a vocabulary of %zu lines in %zu bytes is not usable", count, vocab.len);
    while (slots < count * 2) slots *= 2;
    self->count = (uint32_t)count;
    self->slot_mask = slots - 1;
    self->bytes = ql__alloc(vocab.len);
    self->offsets = ql__alloc_zero(count + 1, sizeof *self->offsets);
    self->lengths = ql__alloc_zero(count, sizeof *self->lengths);
    self->slots = ql__alloc(slots * sizeof *self->slots);
    if (!self->bytes || !self->offsets || !self->lengths || !self->slots) return ql__fail_nomem(err);
    memcpy(self->bytes, vocab.ptr, vocab.len);
    memset(self->slots, 0xff, slots * sizeof *self->slots);
    return QL_OK;
}

/* Pieces longer than the longest word are kept out of the table: they can never match. */
static void add_line(ql__wordpiece *self, uint32_t id, size_t begin, size_t end)
{
    if (end > begin && self->bytes[end - 1] == '\r') end--;
    bool more = end - begin > 2 && self->bytes[begin] == '#' && self->bytes[begin + 1] == '#';
    if (more) begin += 2;
    size_t len = end - begin;
    self->offsets[id] = (uint32_t)begin;
    if (len == 0 || len > WORD_BYTES_MAX) return;
    self->lengths[id] = (uint16_t)len;
    if (len > self->piece_bytes_max) self->piece_bytes_max = (uint32_t)len;
    insert_piece(self, id, hash_piece(self->bytes + begin, len, more ? HASH_MORE : HASH_WORD));
}

static void read_lines(ql__wordpiece *self, size_t bytes)
{
    size_t begin = 0;
    for (uint32_t id = 0; id < self->count; id++) {
        const char *newline = memchr(self->bytes + begin, '\n', bytes - begin);
        size_t end = newline ? (size_t)(newline - self->bytes) : bytes;
        add_line(self, id, begin, end);
        begin = end + 1;
    }
}

static ql_status find_specials(ql__wordpiece *self, ql_error *err)
{
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        const char *name = special_names[i];
        uint64_t hash = HASH_WORD;
        for (const char *p = name; *p; p++) hash = hash_step(hash, (unsigned char)*p);
        self->special[i] = find_piece(self, name, strlen(name), hash);
        if (self->special[i] == NO_ID && i <= SPECIAL_SEP) return ql__fail(err, QL_E_FORMAT, "the vocabulary lacks %s", name);
    }
    return QL_OK;
}

static void fill_ascii(ql__wordpiece *self)
{
    for (uint32_t c = 0; c < 128; c++) {
        ql__bert_part parts[QL__BERT_PARTS_MAX];
        size_t count = ql__bert_parts(c, self->flags, parts);
        (void)count;
        self->ascii_kind[c] = parts[0].kind;
        self->ascii_lower[c] = (uint8_t)parts[0].code_point;
        char word = (char)self->ascii_lower[c];
        uint32_t id = find_piece(self, &word, 1, hash_step(HASH_WORD, (unsigned char)word));
        self->ascii_id[c] = id == NO_ID ? self->special[SPECIAL_UNK] : id;
    }
}

ql_status ql__wordpiece_new(ql_str vocab, uint32_t flags, ql__wordpiece **out, ql_error *err)
{
    ql__wordpiece *self = ql__alloc_zero(1, sizeof *self);
    if (!self) return ql__fail_nomem(err);
    self->flags = flags;
    ql_status status = allocate_tables(self, vocab, err);
    if (status >= 0) {
        read_lines(self, vocab.len);
        status = find_specials(self, err);
    }
    if (status < 0) {
        ql__wordpiece_free(self);
        return status;
    }
    fill_ascii(self);
    *out = self;
    return QL_OK;
}

void ql__wordpiece_free(ql__wordpiece *self)
{
    if (!self) return;
    ql__free(self->bytes);
    ql__free(self->offsets);
    ql__free(self->lengths);
    ql__free(self->slots);
    ql__free(self);
}

uint32_t ql__wordpiece_count(const ql__wordpiece *self) { return self->count; }
uint32_t ql__wordpiece_cls(const ql__wordpiece *self) { return self->special[SPECIAL_CLS]; }
uint32_t ql__wordpiece_sep(const ql__wordpiece *self) { return self->special[SPECIAL_SEP]; }

/* ---- one run ---- */

typedef struct word_run {
    const ql__wordpiece *vocab;
    uint32_t *ids;
    uint32_t *starts;
    size_t capacity;
    size_t count;
    /* The word being collected. */
    size_t len;       /* bytes in word */
    size_t chars;     /* characters seen, also those beyond WORD_CHARS_MAX, which are not stored */
    uint32_t begin;   /* offset of its first character */
    bool plain;       /* byte i of word came from offset begin + i; origin is not filled */
    size_t run_begin; /* bytes up to the last character of class 0: reordering stays behind it */
    char word[WORD_BYTES_MAX];
    uint8_t order[WORD_BYTES_MAX];   /* combining class, per byte; filled when not plain */
    uint32_t origin[WORD_BYTES_MAX]; /* offset in the text, per byte; filled when not plain */
} word_run;

static void emit(word_run *run, uint32_t id, uint32_t start)
{
    if (run->count < run->capacity) {
        if (run->ids) run->ids[run->count] = id;
        if (run->starts) run->starts[run->count] = start;
    }
    run->count++;
}

static uint32_t origin_of(const word_run *run, size_t at)
{
    return run->plain ? run->begin + (uint32_t)at : run->origin[at];
}

/* The longest piece at `at`; 0: there is none. */
static size_t longest_piece(const word_run *run, size_t at, uint32_t *id)
{
    uint64_t hashes[WORD_BYTES_MAX + 1];
    size_t longest = run->len - at;
    if (longest > run->vocab->piece_bytes_max) longest = run->vocab->piece_bytes_max;
    hashes[0] = at == 0 ? HASH_WORD : HASH_MORE;
    for (size_t i = 0; i < longest; i++) hashes[i + 1] = hash_step(hashes[i], (unsigned char)run->word[at + i]);
    for (size_t len = longest; len > 0; len--) {
        if (at + len < run->len && ((unsigned char)run->word[at + len] & 0xC0) == 0x80) continue; /* inside a character */
        *id = find_piece(run->vocab, run->word + at, len, hashes[len]);
        if (*id != NO_ID) return len;
    }
    return 0;
}

static void emit_pieces(word_run *run)
{
    size_t rewind = run->count;
    for (size_t at = 0; at < run->len;) {
        uint32_t id;
        size_t len = longest_piece(run, at, &id);
        if (len == 0) { /* one unknown piece makes the whole word unknown */
            run->count = rewind;
            emit(run, run->vocab->special[SPECIAL_UNK], run->begin);
            return;
        }
        emit(run, id, origin_of(run, at));
        at += len;
    }
}

static void word_end(word_run *run)
{
    if (run->chars > WORD_CHARS_MAX) emit(run, run->vocab->special[SPECIAL_UNK], run->begin);
    else if (run->chars > 0) emit_pieces(run);
    run->len = 0;
    run->chars = 0;
    run->run_begin = 0;
    run->plain = true;
}

/* From here on origins are kept per byte. */
static void leave_plain(word_run *run)
{
    for (size_t i = 0; i < run->len; i++) {
        run->origin[i] = run->begin + (uint32_t)i;
        run->order[i] = 0;
    }
    run->run_begin = run->len;
    run->plain = false;
}

/* Where a character of class `order` goes: behind all of the current run with the same or a lower class. */
static size_t place_of(const word_run *run, uint8_t order)
{
    size_t at = run->len;
    while (order > 0 && at > run->run_begin && run->order[at - 1] > order) at--;
    return at;
}

static void put_char(word_run *run, const ql__bert_part *part, uint32_t offset)
{
    if (run->chars == 0) run->begin = offset;
    if (++run->chars > WORD_CHARS_MAX) return;
    if (run->plain) leave_plain(run);
    char bytes[4];
    size_t size = ql__utf8_put(part->code_point, bytes);
    size_t at = place_of(run, part->order);
    memmove(run->word + at + size, run->word + at, run->len - at);
    memmove(run->order + at + size, run->order + at, run->len - at);
    memmove(run->origin + at + size, run->origin + at, (run->len - at) * sizeof *run->origin);
    memcpy(run->word + at, bytes, size);
    for (size_t i = 0; i < size; i++) {
        run->order[at + i] = part->order;
        run->origin[at + i] = offset;
    }
    run->len += size;
    if (part->order == 0) run->run_begin = run->len;
}

static void put_part(word_run *run, const ql__bert_part *part, uint32_t offset)
{
    switch (part->kind) {
    case QL__BERT_LETTER:
        put_char(run, part, offset);
        break;
    case QL__BERT_SPACE:
        word_end(run);
        break;
    case QL__BERT_PUNCTUATION:
        word_end(run);
        put_char(run, part, offset);
        word_end(run);
        break;
    case QL__BERT_MARK:
        if (part->order == 0) run->run_begin = run->len;
        break;
    default:
        break;
    }
}

/* A special token's name at text[at]; 0: none. */
static size_t match_special(word_run *run, ql_str text, size_t at)
{
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        size_t len = strlen(special_names[i]);
        if (run->vocab->special[i] == NO_ID || text.len - at < len || memcmp(text.ptr + at, special_names[i], len) != 0) continue;
        word_end(run);
        emit(run, run->vocab->special[i], (uint32_t)at);
        return len;
    }
    return 0;
}

/*
 * A word of ASCII letters from its first byte: collected and hashed in one pass, and, if it ends within ASCII and the vocabulary
 * has it whole, emitted. Returns where reading goes on; the run holds what was collected but not yet emitted.
 */
static size_t take_ascii_word(word_run *run, ql_str text, size_t at)
{
    const ql__wordpiece *vocab = run->vocab;
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    size_t first = at, limit = text.len - at > WORD_CHARS_MAX ? at + WORD_CHARS_MAX : text.len;
    uint64_t hash = HASH_WORD;
    while (at < limit && bytes[at] < 128 && vocab->ascii_kind[bytes[at]] == QL__BERT_LETTER) {
        unsigned char lower = vocab->ascii_lower[bytes[at]];
        run->word[at - first] = (char)lower;
        hash = hash_step(hash, lower);
        at++;
    }
    run->begin = (uint32_t)first;
    run->len = at - first;
    run->chars = at - first;
    bool ended = at == text.len || (bytes[at] < 128 && vocab->ascii_kind[bytes[at]] != QL__BERT_LETTER && vocab->ascii_kind[bytes[at]] != QL__BERT_CONTROL);
    if (!ended) return at;
    uint32_t id = find_piece(vocab, run->word, run->len, hash);
    if (id != NO_ID) {
        emit(run, id, run->begin);
        run->len = 0;
        run->chars = 0;
    } else {
        word_end(run);
    }
    return at;
}

static size_t take_any(word_run *run, ql_str text, size_t at)
{
    uint32_t code_point;
    ql__bert_part parts[QL__BERT_PARTS_MAX];
    size_t size = ql__utf8_next(text, at, &code_point);
    size_t count = ql__bert_parts(code_point, run->vocab->flags, parts);
    for (size_t i = 0; i < count; i++) put_part(run, &parts[i], (uint32_t)at);
    return at + size;
}

size_t ql__wordpiece_run(const ql__wordpiece *self, ql_str text, uint32_t *ids, uint32_t *starts, size_t capacity)
{
    word_run run;
    run.vocab = self;
    run.ids = ids;
    run.starts = starts;
    run.capacity = capacity;
    run.count = 0;
    run.len = run.chars = run.run_begin = 0;
    run.begin = 0;
    run.plain = true;
    for (size_t at = 0; at < text.len;) {
        unsigned char byte = (unsigned char)text.ptr[at];
        uint8_t kind = byte < 128 ? self->ascii_kind[byte] : QL__BERT_LETTER;
        size_t special;
        if (byte == '[' && (special = match_special(&run, text, at)) > 0) at += special;
        else if (byte < 128 && kind == QL__BERT_LETTER && run.chars == 0) at = take_ascii_word(&run, text, at);
        else if (kind == QL__BERT_SPACE) word_end(&run), at++;
        else if (byte < 128 && kind == QL__BERT_PUNCTUATION) word_end(&run), emit(&run, self->ascii_id[byte], (uint32_t)at++);
        else at = take_any(&run, text, at);
    }
    word_end(&run);
    return run.count;
}
