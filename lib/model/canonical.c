/* See canonical.h. Linear in text and blocks, no memory. Any thread. */
#include "model/canonical.h"

#include "base/abi.h"
#include "base/limits.h"
#include "base/status.h"
#include "text/utf8.h"

static bool at_boundary(ql_str text, uint64_t at)
{
    return at >= text.len || ((unsigned char)text.ptr[at] & 0xC0) != 0x80;
}

/* What chunks and their metadata show of a block. */
static const char *block_fault(const ql_canonical *c, const ql_block *b)
{
    if (b->begin > b->end || b->end > c->text.len) return "its range is outside the text";
    if (!at_boundary(c->text, b->begin) || !at_boundary(c->text, b->end)) return "its range cuts a character";
    if (b->label.len > QL_LIMIT_FOREIGN_LABEL_BYTES || b->detail.len > QL_LIMIT_FOREIGN_LABEL_BYTES) return "its label is too long";
    if ((b->label.ptr == NULL && b->label.len > 0) || (b->detail.ptr == NULL && b->detail.len > 0)) return "its label has bytes, but its ptr is NULL";
    if (!ql__utf8_valid(b->label) || !ql__utf8_valid(b->detail)) return "its label is not UTF-8";
    return NULL;
}

static ql_status verify_blocks(const ql_canonical *c, ql_error *err)
{
    if (c->block_count == 0 || c->blocks == NULL) return ql__fail(err, QL_E_INVALID, "there is no block 0");
    for (uint32_t i = 0; i < c->block_count; i++) {
        const char *fault = block_fault(c, &c->blocks[i]);
        if (fault != NULL) return ql__fail(err, QL_E_INVALID, "block %u: %s", i, fault);
    }
    return QL_OK;
}

/* Block 0 is everything, parents come first and hold their children, siblings are in order. */
bool ql__tree_is_sound(const ql_canonical *canonical)
{
    const ql_block *blocks = canonical->blocks;
    if (canonical->block_count == 0 || blocks[0].parent != QL_BLOCK_NONE || blocks[0].begin != 0 || blocks[0].end != canonical->text.len) return false;
    if (blocks[0].next != canonical->block_count) return false;
    uint32_t open = 0, depth = 1;
    uint64_t cursor = 0;
    for (uint32_t i = 1; i < canonical->block_count; i++) {
        while (open != 0 && blocks[open].next == i) {
            cursor = blocks[open].end;
            open = blocks[open].parent;
            depth--;
        }
        const ql_block *block = &blocks[i];
        if (block->parent != open || block->begin < cursor || block->end < block->begin || block->end > blocks[open].end) return false;
        if (block->next <= i || block->next > blocks[open].next || depth >= QL_LIMIT_TREE_DEPTH) return false;
        cursor = block->begin;
        open = i;
        depth++;
        if (block->next == i + 1) {
            cursor = block->end;
            open = block->parent;
            depth--;
        }
    }
    return true;
}

static ql_status verify_removed(const ql_canonical *c, size_t source_len, ql_error *err)
{
    uint64_t source = 0;
    for (size_t i = 0; c->removed != NULL && i < c->removed_count; i++) {
        const ql_removed *r = &c->removed[i];
        if (r->source_begin < source || r->source_end < r->source_begin || r->source_end > source_len)
            return ql__fail(err, QL_E_INVALID, "entry %zu of what was removed is out of order or outside", i);
        source = r->source_end;
    }
    return QL_OK;
}

static ql_status verify_map(const ql_canonical *c, size_t source_len, ql_error *err)
{
    uint64_t at = 0, source = 0;
    if (c->map == NULL && c->text.len > source_len) return ql__fail(err, QL_E_INVALID, "there is no map, but the text is longer than the original");
    for (size_t i = 0; c->map != NULL && i < c->map_count; i++) {
        const ql_range_map *m = &c->map[i];
        bool good = m->begin >= at && m->begin <= c->text.len && m->len <= c->text.len - m->begin && m->source_begin >= source && m->source_end >= m->source_begin &&
                    m->source_end <= source_len;
        if (!good) return ql__fail(err, QL_E_INVALID, "entry %zu of the map is out of order or outside", i);
        at = m->begin + m->len;
        source = m->source_end;
    }
    return QL_OK;
}

ql_status ql__canonical_verify(const ql_canonical *self, size_t source_len, ql_error *err)
{
    const ql_str texts[] = {self->text, self->title, self->encoding, self->metadata_json, self->strategy};
    if (self->text.len > QL_LIMIT_DOCUMENT_BYTES) return ql__fail(err, QL_E_LIMIT, "the text has %zu bytes, at most %zu", self->text.len, QL_LIMIT_DOCUMENT_BYTES);
    QL_TRY(QL__STRS_CHECK("ql_canonical", err, {"text", self->text}, {"title", self->title}, {"encoding", self->encoding}, {"metadata_json", self->metadata_json}, {"strategy", self->strategy}));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!ql__utf8_valid(texts[i])) return ql__fail(err, QL_E_INVALID, "text, title, encoding, metadata or strategy is not UTF-8");
    QL_TRY(verify_blocks(self, err));
    if (!ql__tree_is_sound(self)) return ql__fail(err, QL_E_INVALID, "the blocks are no tree in pre-order");
    QL_TRY(verify_map(self, source_len, err));
    return verify_removed(self, source_len, err);
}
