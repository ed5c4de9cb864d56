/*
 * The structure-aware chunker. One walk over the blocks in order; `pending` is the chunk being filled and `at` the end of what was
 * consumed, so that everything before `at` is emitted or pending: coverage holds by construction.
 *
 * Rules. A SECTION or ELEMENT begins a chunk of its own, unless what is pending or what the section leads with is smaller than size_min,
 * both belong to the same section or to neighbours in one, and both fit together. A pending heading without text never ends a chunk:
 * it is filled up with what follows. Other blocks are added while they fit; one that does not fit is split through its children, and a leaf
 * at its natural breaks (cut.h). Code, tables and values that fit a chunk by themselves are not split.
 *
 * Units. Sizes come from the meter's window, which is exact between places that touch white space; a chunk that begins or ends inside a
 * word is measured by itself and, if need be, emitted in parts. A chunk also ends at bytes_max bytes: a measure may count a megabyte without
 * white space as one unit. A single grapheme is never split, even if it alone exceeds size_max.
 *
 * Threads: one document, one thread; no state between calls. Cost: linear; no recursion; memory independent of the text.
 */
#include "chunk/chunk.h"

#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "base/status.h"
#include "chunk/chunk_record.h"
#include "chunk/cut.h"
#include "chunk/meter.h"
#include "model/canonical.h"
#include "text/utf8.h"

#define BYTES_PER_UNIT_MAX 32               /* longest average unit of a chunk: real text has 4 or 5, indented code and rulers up to 30 */
#define BYTES_MAX_LOWEST ((uint64_t)4096)
#define BYTES_MAX_HIGHEST ((uint64_t)1 << 20)

typedef struct pending_chunk {
    uint64_t begin;          /* overlap included */
    uint64_t fresh;          /* first byte that no chunk had before */
    uint64_t end;            /* == packer.at */
    uint64_t overlap_floor;  /* the next chunk repeats nothing before this */
    uint64_t limit;          /* furthest possible end, from the meter */
    uint32_t block;          /* lowest block that holds [fresh, end); QL_BLOCK_NONE while empty */
    uint32_t section;        /* section of what was added last */
    bool blank;              /* white space only (overlap aside) */
    bool bare;               /* not one letter or digit: brackets and commas tell nothing about where a chunk belongs */
    bool heading_only;       /* headings and white space only */
} pending_chunk;

typedef struct packer {
    const ql_canonical *canonical;
    const ql_block *blocks;
    uint32_t block_count;
    ql_str text;
    uint32_t size_max, size_min, overlap;
    uint64_t bytes_max;
    uint64_t at;
    pending_chunk pending;
    ql__meter meter;
    ql__chunk_out out;
    ql_error *err;
} packer;

static void begin_pending(packer *self, uint64_t begin, uint64_t fresh, uint32_t section)
{
    self->pending = (pending_chunk){.begin = begin, .fresh = fresh, .end = fresh, .overlap_floor = fresh, .block = QL_BLOCK_NONE,
                                    .section = section, .blank = true, .bare = true, .heading_only = true};
    ql__meter_move(&self->meter, begin, 2 * self->bytes_max);
    uint64_t limit = ql__meter_forward(&self->meter, begin, self->size_max);
    uint64_t bytes_end = self->text.len - begin > self->bytes_max ? ql__utf8_floor(self->text, begin + self->bytes_max) : self->text.len;
    self->pending.limit = limit < bytes_end ? limit : bytes_end;
}

static bool is_empty(const packer *self)
{
    return self->pending.end == self->pending.fresh;
}

static size_t pending_units(const packer *self)
{
    return ql__meter_count(&self->meter, self->pending.begin, self->pending.end);
}

/* [begin, end) would be within the limits as a chunk of its own. begin is at most bytes_max behind pending.begin. */
static bool fits_alone(const packer *self, uint64_t begin, uint64_t end)
{
    if (end - begin > self->bytes_max) return false;
    assert(end <= self->meter.window_end); /* it reaches 2 * bytes_max behind pending.begin */
    return ql__meter_count(&self->meter, begin, end) <= self->size_max;
}

static uint32_t common_ancestor(const packer *self, uint32_t a, uint32_t b)
{
    assert(a != QL_BLOCK_NONE); /* what is not bare has a block */
    while (a != b) {
        if (a > b) a = self->blocks[a].parent;
        else b = self->blocks[b].parent;
    }
    return a;
}

static bool is_section(const ql_block *block)
{
    return block->kind == QL_BLOCK_SECTION || block->kind == QL_BLOCK_ELEMENT;
}

/* The section or element around a block, itself included; the document when there is none. */
static uint32_t section_of(const packer *self, uint32_t block)
{
    while (block != 0 && !is_section(&self->blocks[block])) block = self->blocks[block].parent;
    return block;
}

static uint32_t parent_section(const packer *self, uint32_t section)
{
    assert(section != 0);
    return section_of(self, self->blocks[section].parent);
}

static ql_status emit_range(packer *self, uint64_t begin, uint64_t end, uint64_t overlap_bytes, size_t tokens)
{
    const ql__chunk_range range = {begin, end, overlap_bytes, tokens > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens, self->pending.block};
    return ql__chunk_out_emit(&self->out, &range, self->err);
}

/* The largest piece [begin, *end) of a range that measures more than size_max by itself; returns its units. */
static size_t shrink(packer *self, uint64_t begin, uint64_t *end, size_t units)
{
    while (units > self->size_max) {
        uint64_t len = *end - begin, wanted = len / units * self->size_max;
        if (wanted > len - len / 16) wanted = len - len / 16;
        uint64_t cut = ql__cut_find(self->text, QL_BLOCK_OTHER, begin, begin + wanted, begin + wanted / 2);
        if (cut <= begin) cut = begin + ql__grapheme_next((ql_str){self->text.ptr + begin, self->text.len - (size_t)begin}, 0);
        if (cut >= *end) break; /* one grapheme is left */
        *end = cut;
        units = ql__meter_exact(&self->meter, begin, *end);
    }
    return units;
}

/* Emits [pending.begin, end). Where an end of it lies inside a word the window's count may be short of the truth. */
static ql_status emit_pending(packer *self, uint64_t end)
{
    uint64_t begin = self->pending.begin, overlap_bytes = self->pending.fresh - begin;
    assert(end <= self->meter.window_end);
    size_t units = ql__meter_count(&self->meter, begin, end);
    if (ql__cut_is_inside_word(self->text, begin) || ql__cut_is_inside_word(self->text, end)) {
        units = ql__meter_exact(&self->meter, begin, end);
        if (units > self->size_max && overlap_bytes > 0) {
            begin = self->pending.fresh;
            overlap_bytes = 0;
            units = ql__meter_exact(&self->meter, begin, end);
        }
        while (units > self->size_max) {
            uint64_t part_end = end;
            size_t part = shrink(self, begin, &part_end, units);
            if (part_end == end) break;
            QL_TRY(emit_range(self, begin, part_end, 0, part));
            begin = part_end;
            units = ql__meter_exact(&self->meter, begin, end);
        }
    }
    return emit_range(self, begin, end, overlap_bytes, units);
}

/* The start of a grapheme at or behind `at`, which lies behind the pending chunk's begin. */
static uint64_t grapheme_ceil(const packer *self, uint64_t at)
{
    const ql_str since = {self->text.ptr + self->pending.begin, self->text.len - (size_t)self->pending.begin};
    uint64_t floor = self->pending.begin + ql__grapheme_floor(since, (size_t)(at - self->pending.begin));
    return floor < at ? self->pending.begin + ql__grapheme_next(since, (size_t)(floor - self->pending.begin)) : at;
}

/* Where an end of the overlap lies inside a word the window's count may be short of the truth: then it is measured, and begins later. */
static uint64_t trim_overlap(packer *self, uint64_t begin, uint64_t end)
{
    while (begin < end && (ql__cut_is_inside_word(self->text, begin) || ql__cut_is_inside_word(self->text, end))) {
        size_t units = ql__meter_exact(&self->meter, begin, end);
        if (units <= self->overlap) break;
        begin = grapheme_ceil(self, ql__meter_forward(&self->meter, begin, units - self->overlap));
    }
    return begin < end ? begin : end;
}

/* Where the chunk after one that ends at `end` begins: up to `overlap` units back, at a word, not across a heading. */
static uint64_t overlap_begin(packer *self, uint64_t end)
{
    if (self->overlap == 0) return end;
    uint64_t begin = ql__meter_backward(&self->meter, end, self->overlap);
    if (begin < self->pending.overlap_floor) begin = self->pending.overlap_floor;
    if (begin < end && ql__cut_is_inside_word(self->text, begin)) {
        uint64_t floor = begin;
        while (begin < end && ql__cut_is_inside_word(self->text, begin)) begin++;
        if (begin >= end) begin = floor; /* a script without blanks */
    }
    while (begin < end && ql__cut_is_blank(self->text, begin, begin + 1)) begin++;
    if (begin >= end) return end;
    return trim_overlap(self, grapheme_ceil(self, begin), end);
}

/* Ends the pending chunk at `cut` (<= at); what is between cut and at goes to the next one. same_section allows overlap. */
static ql_status close_pending(packer *self, uint64_t cut, bool same_section)
{
    uint32_t section = self->pending.section, block = self->pending.block;
    const ql_str since = {self->text.ptr + self->pending.begin, self->text.len - (size_t)self->pending.begin};
    cut = self->pending.begin + ql__grapheme_floor(since, (size_t)(cut - self->pending.begin));
    if (cut <= self->pending.fresh) return QL_OK;
    QL_TRY(emit_pending(self, cut));
    uint64_t begin = same_section ? overlap_begin(self, cut) : cut;
    begin_pending(self, begin, cut, section);
    if (self->at > cut) {
        self->pending.end = self->at;
        self->pending.block = block;
        self->pending.blank = ql__cut_is_blank(self->text, cut, self->at);
        self->pending.bare = self->pending.blank;
        self->pending.heading_only = self->pending.blank;
    }
    return QL_OK;
}

/* Adds [at, end) of `block` to the pending chunk. */
static void add(packer *self, uint64_t end, uint32_t block)
{
    pending_chunk *pending = &self->pending;
    bool heading = self->blocks[block].kind == QL_BLOCK_HEADING, blank = ql__cut_is_blank(self->text, self->at, end);
    bool bare = blank || ql__cut_is_bare(self->text, self->at, end);
    /* What is bare belongs to nobody: it must not widen the section path of its neighbours. */
    if (pending->bare) pending->block = block;
    else if (!bare) pending->block = common_ancestor(self, pending->block, block);
    pending->bare = pending->bare && bare;
    pending->blank = pending->blank && blank;
    pending->heading_only = pending->heading_only && (heading || blank);
    if (heading) pending->overlap_floor = end;
    if (!blank) pending->section = section_of(self, block);
    pending->end = end;
    self->at = end;
}

/* Forgets the overlap of a pending chunk that has no text of its own yet. */
static bool drop_overlap(packer *self)
{
    if (!is_empty(self) || self->pending.begin == self->pending.fresh) return false;
    begin_pending(self, self->pending.fresh, self->pending.fresh, self->pending.section);
    return true;
}

/* Where a leaf that goes on behind the limit is best cut: so that a small rest is not left alone. */
static uint64_t leaf_limit(const packer *self, uint64_t end)
{
    uint64_t limit = self->pending.limit;
    if (end > self->meter.window_end || end - self->pending.begin > 2 * self->bytes_max) return limit;
    size_t units = ql__meter_count(&self->meter, self->pending.begin, end);
    if (units <= self->size_max || units >= self->size_max + self->size_min || units <= self->size_min) return limit;
    uint64_t earlier = ql__meter_forward(&self->meter, self->pending.begin, units - self->size_min);
    return earlier > self->at && earlier < limit ? earlier : limit;
}

/* Consumes [at, end) of one block, cutting where the block's kind allows. */
static ql_status split_leaf(packer *self, uint64_t end, uint32_t block)
{
    int kind = self->blocks[block].kind;
    while (self->at < end) {
        if (end <= self->pending.limit) {
            add(self, end, block);
            break;
        }
        uint64_t limit = leaf_limit(self, end);
        uint64_t wanted = self->pending.begin + (limit - self->pending.begin) / 3;
        uint64_t cut = ql__cut_find(self->text, kind, self->at, limit, wanted > self->at ? wanted : self->at);
        if (cut <= self->at) {
            if (drop_overlap(self)) continue;
            if (!is_empty(self)) {
                QL_TRY(close_pending(self, self->at, false));
                if (is_empty(self)) continue;
            }
            cut = self->at + ql__grapheme_next((ql_str){self->text.ptr + self->at, self->text.len - (size_t)self->at}, 0);
        }
        if (cut > end) cut = end;
        add(self, cut, block);
        QL_TRY(close_pending(self, cut, true));
    }
    return QL_OK;
}

/* Kept whole whenever it fits a chunk. */
static bool is_atomic(int kind)
{
    return kind == QL_BLOCK_CODE || kind == QL_BLOCK_TABLE || kind == QL_BLOCK_VALUE || kind == QL_BLOCK_ELEMENT || kind == QL_BLOCK_FRONT_MATTER || kind == QL_BLOCK_ROW;
}

/* The block that does not fit into what is pending begins a chunk of its own. */
static bool wants_fresh_chunk(const packer *self, uint64_t end, int kind)
{
    if (is_empty(self) || self->pending.blank || self->pending.heading_only) return false;
    if (pending_units(self) >= self->size_min) return true;
    /* A value's key and bracket alone say nothing: rather split the value. */
    if (kind == QL_BLOCK_VALUE && pending_units(self) < self->size_min / 2) return false;
    return is_atomic(kind) && fits_alone(self, self->at, end);
}

/* Takes [at, end) of `block` if it fits into the pending chunk, here or in a new one; *taken tells. */
static ql_status take_whole(packer *self, uint64_t end, uint32_t block, bool *taken)
{
    *taken = true;
    for (;;) {
        if (end <= self->pending.limit) {
            add(self, end, block);
            return QL_OK;
        }
        if (drop_overlap(self)) continue;
        if (!wants_fresh_chunk(self, end, self->blocks[block].kind)) break;
        QL_TRY(close_pending(self, self->at, true));
        if (!is_empty(self)) break; /* the cut moved back to a grapheme's start */
    }
    *taken = false;
    return QL_OK;
}

/*
 * End of what section `index` leads with: its own text up to the first section in it; when that is only a heading, the lead of
 * that section too. Stops looking behind `enough`.
 */
static uint64_t lead_end(const packer *self, uint32_t index, uint64_t enough)
{
    for (;;) {
        const ql_block *section = &self->blocks[index];
        uint32_t child = index + 1;
        bool text_seen = false;
        uint64_t cursor = section->begin;
        while (child < section->next && !is_section(&self->blocks[child])) {
            const ql_block *block = &self->blocks[child];
            text_seen |= block->kind != QL_BLOCK_HEADING || !ql__cut_is_blank(self->text, cursor, block->begin);
            if (block->end > enough) return block->end;
            cursor = block->end;
            child = block->next;
        }
        if (child >= section->next) return section->end;
        if (text_seen || !ql__cut_is_blank(self->text, cursor, self->blocks[child].begin)) return self->blocks[child].begin;
        index = child;
    }
}

/* At a change of section: may [at, lead) of section `parent` (or of a section in it) join what is pending? */
static bool may_join(const packer *self, uint64_t lead, uint32_t parent)
{
    if (is_empty(self) || self->pending.blank) return true;
    uint32_t home = section_of(self, self->pending.block);
    if (self->pending.heading_only && (self->pending.section == parent || home == parent)) return true;
    if (lead > self->pending.limit) return false;
    if (pending_units(self) >= self->size_min && ql__meter_count(&self->meter, self->at, lead) >= self->size_min) return false;
    bool within_home = parent >= home && parent < self->blocks[home].next;
    return within_home || parent_section(self, home) == parent;
}

/* Decides at a change of section whether the pending chunk ends here. */
static ql_status cross_section(packer *self, uint64_t lead, uint32_t parent)
{
    if (!may_join(self, lead, parent)) {
        QL_TRY(close_pending(self, self->at, false));
    } else if (is_empty(self)) {
        (void)drop_overlap(self);
    }
    self->pending.overlap_floor = self->at;
    return QL_OK;
}

/* Text up to `end` that belongs to `block` itself, between its children. */
static ql_status take_gap(packer *self, uint64_t end, uint32_t block)
{
    bool taken;
    if (end <= self->at) return QL_OK;
    uint32_t section = section_of(self, block);
    if (!ql__cut_is_blank(self->text, self->at, end) && section != self->pending.section) QL_TRY(cross_section(self, end, section));
    if (ql__cut_is_blank(self->text, self->at, end) && self->pending.block != QL_BLOCK_NONE) block = self->pending.block;
    QL_TRY(take_whole(self, end, block, &taken));
    return taken ? QL_OK : split_leaf(self, end, block);
}

/* Indentation in front of a block goes with it, if a line begins there. */
static uint64_t with_indentation(const packer *self, uint64_t begin)
{
    uint64_t at = begin;
    while (at > self->at && (self->text.ptr[at - 1] == ' ' || self->text.ptr[at - 1] == '\t')) at--;
    return at == self->at || self->text.ptr[at - 1] == '\n' ? at : begin;
}

/* A heading that is not the first block of a section: it ends the pending chunk unless it and the block behind it still fit. */
static ql_status before_heading(packer *self, uint32_t index)
{
    const ql_block *heading = &self->blocks[index];
    uint64_t end = heading->next < self->block_count && self->blocks[heading->next].parent == heading->parent ? self->blocks[heading->next].end : heading->end;
    if (is_empty(self) || self->pending.blank || self->pending.heading_only || end <= self->pending.limit) return QL_OK;
    return close_pending(self, self->at, false);
}

/* Handles the block `index`; *enter tells that its children (or its own text, if it has none) come next, else it was consumed. */
static ql_status take_block(packer *self, uint32_t index, bool *enter)
{
    const ql_block *block = &self->blocks[index];
    const ql_block *parent = &self->blocks[block->parent];
    bool taken;
    *enter = false;
    if (block->end <= self->at) return QL_OK;
    if (is_section(block)) {
        *enter = true;
        return cross_section(self, lead_end(self, index, self->at + self->bytes_max), parent_section(self, index));
    }
    uint32_t section = section_of(self, index);
    bool first = index == block->parent + 1;
    if (section != self->pending.section && block->parent == section && !first) QL_TRY(cross_section(self, block->end, section));
    if (block->kind == QL_BLOCK_HEADING && !(is_section(parent) && first)) QL_TRY(before_heading(self, index));
    bool has_children = block->next > index + 1;
    *enter = has_children;
    if (has_children && block->kind == QL_BLOCK_PAGE) return QL_OK; /* it may hold sections */
    QL_TRY(take_whole(self, block->end, index, &taken));
    *enter = has_children && !taken;
    return taken || has_children ? QL_OK : split_leaf(self, block->end, index);
}

/* Takes what is left of the blocks from `open` outwards, up to but not including `until`. */
static ql_status leave_blocks(packer *self, uint32_t open, uint32_t until)
{
    for (; open != until; open = self->blocks[open].parent) QL_TRY(take_gap(self, self->blocks[open].end, open));
    return QL_OK;
}

static ql_status pack(packer *self)
{
    uint32_t open = 0; /* innermost block whose text is being taken */
    begin_pending(self, 0, 0, 0);
    for (uint32_t i = 1; i < self->block_count && !self->out.capped;) {
        const ql_block *block = &self->blocks[i];
        bool enter;
        QL_TRY(leave_blocks(self, open, block->parent));
        open = block->parent;
        if (self->at < block->begin) QL_TRY(take_gap(self, with_indentation(self, block->begin), open));
        QL_TRY(take_block(self, i, &enter));
        if (enter) open = i;
        i = enter ? i + 1 : block->next;
    }
    if (self->out.capped) return QL_OK;
    QL_TRY(leave_blocks(self, open, QL_BLOCK_NONE));
    return is_empty(self) ? QL_OK : emit_pending(self, self->text.len);
}

static ql_status check_arguments(const ql_canonical *canonical, const ql_chunk_options *options, ql_error *err)
{
    if (!canonical || !options) return ql__fail(err, QL_E_INVALID, "canonical or options missing");
    if (options->size_max == 0) return ql__fail(err, QL_E_INVALID, "size_max is 0");
    if (options->overlap >= options->size_max) return ql__fail(err, QL_E_INVALID, "overlap %u is not smaller than size_max %u", options->overlap, options->size_max);
    if (!ql__tree_is_sound(canonical)) return ql__fail(err, QL_E_INVALID, "block tree is not well-formed");
    if (!ql__utf8_valid(canonical->text)) return ql__fail(err, QL_E_INVALID, "canonical text is not valid utf-8");
    return QL_OK;
}

static bool accepts(void *self, const ql_document *document, const ql_canonical *canonical)
{
    (void)self;
    (void)document;
    (void)canonical;
    return true;
}

static ql_status chunk(void *ops_self, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *user, ql_error *err)
{
    (void)ops_self;
    (void)document;
    QL_TRY(check_arguments(canonical, options, err));
    if (canonical->text.len == 0) return QL_OK;
    packer self = {.canonical = canonical, .blocks = canonical->blocks, .block_count = canonical->block_count, .text = canonical->text, .size_max = options->size_max, .err = err};
    self.size_min = options->size_min > 0 ? options->size_min : options->size_max / 4;
    /* More than half repeated would make the work quadratic in size_max for nothing. */
    self.overlap = options->overlap < options->size_max / 2 ? options->overlap : options->size_max / 2;
    self.bytes_max = (uint64_t)options->size_max * BYTES_PER_UNIT_MAX;
    if (self.bytes_max < BYTES_MAX_LOWEST) self.bytes_max = BYTES_MAX_LOWEST;
    if (self.bytes_max > BYTES_MAX_HIGHEST) self.bytes_max = BYTES_MAX_HIGHEST;
    QL_TRY(ql__meter_init(&self.meter, options->measure ? options->measure : ql__measure_characters(), canonical->text, (size_t)(2 * self.bytes_max), err));
    ql__chunk_out_init(&self.out, canonical, options, emit, user);
    ql_status status = pack(&self);
    ql__chunk_out_dispose(&self.out);
    ql__meter_dispose(&self.meter);
    return status;
}

const ql_chunker_ops *ql__chunker_structure(void)
{
    static const ql_chunker_ops ops = {.struct_size = sizeof ops, .name = "structure", .accepts_fn = accepts, .chunk_fn = chunk};
    return &ops;
}
