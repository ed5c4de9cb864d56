/*
 * What must hold for any canonical text, checked where a converter is not ours. Linear in text and blocks, no memory. Any thread.
 */
#include "base/limits.h"
#include "base/status.h"
#include "convert/convert.h"
#include "text/utf8.h"

static bool at_boundary(ql_str text, uint64_t at)
{
    return at >= text.len || ((unsigned char)text.ptr[at] & 0xC0) != 0x80;
}

/* What chunks and their metadata show of a block. That the tree is one is seen by the chunker. */
static const char *block_fault(const ql_canonical *c, const ql_block *b)
{
    if (b->begin > b->end || b->end > c->text.len) return "its range is outside the text";
    if (!at_boundary(c->text, b->begin) || !at_boundary(c->text, b->end)) return "its range cuts a character";
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
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!ql__utf8_valid(texts[i])) return ql__fail(err, QL_E_INVALID, "text, title, encoding, metadata or strategy is not UTF-8");
    QL_TRY(verify_blocks(self, err));
    return verify_map(self, source_len, err);
}
