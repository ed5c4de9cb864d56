/*
 * Purpose: encoding and decoding of postings, and the two forms that live in memory.
 *
 * Invariants: slots ascend within a list. A decoder believes nothing: counts, lengths, deltas and the last slot must fit each
 * other, or the bytes are refused. A log segment is checked whole when it is opened.
 *
 * Log segment: u32 terms, u32 offsets[terms + 1] (ascending, from the start of the segment, the last is its end), then per term:
 * varint term length, term, varint first slot, varint last slot - first slot, varint count, postings. Terms ascend by bytes.
 *
 * Threads: one at a time. Cost: about 2 bytes a posting, one arena copy a term.
 */
#include "store/store_postings.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/status.h"

static size_t varint_put(uint8_t *out, uint64_t value)
{
    size_t at = 0;
    while (value >= 0x80) {
        out[at++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[at++] = (uint8_t)value;
    return at;
}

/* False at the end of the bytes or beyond 64 bits. */
static inline bool varint_get(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 63 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

size_t ql__posting_put(uint8_t *out, uint64_t delta, uint32_t tf)
{
    if (tf == 1) return varint_put(out, delta << 1 | 1);
    size_t at = varint_put(out, delta << 1);
    return at + varint_put(out + at, tf);
}

void ql__posting_list_dispose(ql__posting_list *self)
{
    ql__free(self->slots);
    ql__free(self->tfs);
    memset(self, 0, sizeof *self);
}

static bool list_reserve(ql__posting_list *self, size_t need)
{
    if (need <= self->capacity) return true;
    size_t slots_capacity = self->capacity, tfs_capacity = self->capacity;
    if (!ql__array_reserve(&self->slots, &slots_capacity, need, sizeof *self->slots) ||
        !ql__array_reserve(&self->tfs, &tfs_capacity, need, sizeof *self->tfs))
        return false;
    self->capacity = slots_capacity < tfs_capacity ? slots_capacity : tfs_capacity;
    return true;
}

bool ql__posting_list_decode(ql__posting_list *self, ql_str data, uint64_t first_slot, uint64_t last_slot, uint64_t count, bool *nomem)
{
    const uint8_t *at = (const uint8_t *)data.ptr, *end = at + data.len;
    *nomem = false;
    if (count == 0 || count > data.len || last_slot > UINT32_MAX || first_slot > last_slot) return false; /* a posting has a byte at least */
    if (!list_reserve(self, self->count + count)) {
        *nomem = true;
        return false;
    }
    uint32_t *slots = self->slots + self->count, *tfs = self->tfs + self->count;
    uint64_t slot = first_slot;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t head = 0, tf = 1;
        if (at < end && *at < 0x80) head = *at++;
        else if (!varint_get(&at, end, &head)) return false;
        if (!(head & 1) && !varint_get(&at, end, &tf)) return false;
        slot += head >> 1;
        if (slot > last_slot || tf == 0 || tf > UINT32_MAX || ((head >> 1) == 0) != (i == 0)) return false;
        slots[i] = (uint32_t)slot;
        tfs[i] = (uint32_t)tf;
    }
    if (at != end || slot != last_slot) return false;
    self->count += count;
    return true;
}

void ql__terms_init(ql__terms *self, uint64_t seed)
{
    memset(self, 0, sizeof *self);
    ql__arena_init(&self->arena, 0);
    ql__map_init(&self->map, seed);
}

void ql__terms_clear(ql__terms *self)
{
    uint64_t seed = self->map.seed;
    ql__terms_dispose(self);
    ql__terms_init(self, seed);
}

void ql__terms_dispose(ql__terms *self)
{
    for (size_t i = 0; i < self->count; i++) ql__free(self->entries[i].data);
    ql__free(self->entries);
    ql__map_dispose(&self->map);
    ql__arena_dispose(&self->arena);
    memset(self, 0, sizeof *self);
}

static ql__term_entry *entry_for(ql__terms *self, ql_str term)
{
    uint64_t *place = ql__map_find(&self->map, term);
    if (place) return &self->entries[*place - 1];
    ql__term_entry entry = {0};
    bool inserted = false;
    if (!ql__array_reserve(&self->entries, &self->capacity, self->count + 1, sizeof *self->entries)) return NULL;
    if (!ql__arena_copy(&self->arena, term, &entry.term)) return NULL;
    place = ql__map_insert(&self->map, entry.term, &inserted);
    if (!place) return NULL;
    self->entries[self->count++] = entry;
    *place = self->count;
    self->bytes += sizeof entry + sizeof(ql__map_slot) * 2 + term.len;
    return &self->entries[self->count - 1];
}

static bool entry_add(ql__terms *self, ql__term_entry *entry, uint32_t slot, uint32_t tf)
{
    size_t before = entry->capacity;
    if (!ql__array_reserve(&entry->data, &entry->capacity, entry->len + 20, 1)) return false;
    self->bytes += entry->capacity - before;
    if (entry->count == 0) entry->first_slot = entry->last_slot = slot;
    entry->open_begin = (uint32_t)entry->len;
    entry->before_slot = entry->last_slot;
    entry->open_tf = tf;
    entry->len += ql__posting_put(entry->data + entry->len, slot - entry->last_slot, tf);
    entry->last_slot = slot;
    entry->count++;
    return true;
}

bool ql__terms_count(ql__terms *self, ql_str term, uint32_t slot)
{
    ql__term_entry *entry = entry_for(self, term);
    if (!entry) return false;
    if (entry->count == 0 || entry->last_slot != slot) return entry_add(self, entry, slot, 1);
    /* The posting of this slot is the last one: written again with the next count. */
    if (!ql__array_reserve(&entry->data, &entry->capacity, (size_t)entry->open_begin + 20, 1)) return false;
    entry->open_tf++;
    entry->len = entry->open_begin + ql__posting_put(entry->data + entry->open_begin, slot - entry->before_slot, entry->open_tf);
    return true;
}

static int entry_compare(const void *a, const void *b)
{
    return ql_str_compare(((const ql__term_entry *)a)->term, ((const ql__term_entry *)b)->term);
}

void ql__terms_sort(ql__terms *self)
{
    if (self->count > 1) qsort(self->entries, self->count, sizeof *self->entries, entry_compare);
}

static void put_u32(uint8_t *out, size_t value)
{
    uint32_t narrow = (uint32_t)value;
    memcpy(out, &narrow, sizeof narrow);
}

static uint32_t get_u32(const char *in)
{
    uint32_t value;
    memcpy(&value, in, sizeof value);
    return value;
}

/* varint term length, term, varint first, varint span, varint count; the postings follow */
static size_t entry_head(const ql__term_entry *entry, uint8_t *out /* QL__TERM_BYTES + 50 */)
{
    size_t at = varint_put(out, entry->term.len);
    memcpy(out + at, entry->term.ptr, entry->term.len);
    at += entry->term.len;
    at += varint_put(out + at, entry->first_slot);
    at += varint_put(out + at, entry->last_slot - entry->first_slot);
    return at + varint_put(out + at, entry->count);
}

ql_status ql__terms_log_write(const ql__terms *sorted, ql_buf *out, ql_error *err)
{
    uint8_t head[QL__TERM_BYTES + 50];
    size_t at = 4 + 4 * (sorted->count + 1);
    put_u32(head, sorted->count);
    ql_buf_append(out, (ql_str){(const char *)head, 4});
    for (size_t i = 0; i < sorted->count; i++) {
        put_u32(head, at);
        ql_buf_append(out, (ql_str){(const char *)head, 4});
        at += entry_head(&sorted->entries[i], head) + sorted->entries[i].len;
    }
    if (at > UINT32_MAX) return ql__fail(err, QL_E_LIMIT, "a transaction has %zu bytes of postings", at);
    put_u32(head, at);
    ql_buf_append(out, (ql_str){(const char *)head, 4});
    for (size_t i = 0; i < sorted->count; i++) {
        ql_buf_append(out, (ql_str){(const char *)head, entry_head(&sorted->entries[i], head)});
        ql_buf_append(out, (ql_str){(const char *)sorted->entries[i].data, sorted->entries[i].len});
    }
    return out->status == QL_OK ? QL_OK : ql__fail(err, out->status, "postings of a transaction");
}

static bool entry_parse(ql_str data, uint32_t begin, uint32_t end, ql__log_entry *out)
{
    const uint8_t *at = (const uint8_t *)data.ptr + begin, *stop = (const uint8_t *)data.ptr + end;
    uint64_t len = 0, span = 0;
    if (!varint_get(&at, stop, &len) || len > QL__TERM_BYTES || len > (uint64_t)(stop - at)) return false;
    out->term = (ql_str){(const char *)at, (size_t)len};
    at += len;
    if (!varint_get(&at, stop, &out->first_slot) || !varint_get(&at, stop, &span) || !varint_get(&at, stop, &out->count)) return false;
    if (out->first_slot > UINT32_MAX || span > UINT32_MAX) return false;
    out->last_slot = out->first_slot + span;
    out->data = (ql_str){(const char *)at, (size_t)(stop - at)};
    return true;
}

static uint32_t offset_at(ql_str data, size_t index)
{
    return get_u32(data.ptr + 4 + 4 * index);
}

static bool log_valid(ql_str data, uint32_t *count)
{
    ql__log_entry entry, before = {0};
    if (data.len < 8) return false;
    *count = get_u32(data.ptr);
    if (*count > (data.len - 8) / 4) return false;
    size_t table = 4 + 4 * ((size_t)*count + 1);
    if (offset_at(data, 0) != table || offset_at(data, *count) != data.len) return false;
    for (uint32_t i = 0; i < *count; i++) {
        uint32_t begin = offset_at(data, i), end = offset_at(data, i + 1);
        if (begin > end || end > data.len || !entry_parse(data, begin, end, &entry)) return false;
        if (i > 0 && ql_str_compare(before.term, entry.term) >= 0) return false;
        before = entry;
    }
    return true;
}

ql_status ql__terms_log_open(ql__terms_log *self, ql_str data, ql_error *err)
{
    memset(self, 0, sizeof *self);
    ql_buf_init(&self->data, 0);
    if (!log_valid(data, &self->count)) return ql__fail(err, QL_E_CORRUPT, "a segment of the postings log is not in the format of its version");
    if (ql_buf_append(&self->data, data) != QL_OK) return ql__fail_nomem(err);
    return QL_OK;
}

void ql__terms_log_dispose(ql__terms_log *self)
{
    ql_buf_dispose(&self->data);
    self->count = 0;
}

void ql__terms_log_at(const ql__terms_log *self, uint32_t index, ql__log_entry *out)
{
    ql_str data = ql_buf_str(&self->data);
    entry_parse(data, offset_at(data, index), offset_at(data, index + 1), out);
}

/* The rest of an entry is not worth a look before its term is the one. */
static ql_str term_at(ql_str data, uint32_t index)
{
    const unsigned char *at = (const unsigned char *)data.ptr + offset_at(data, index), *stop = (const unsigned char *)data.ptr + offset_at(data, index + 1);
    uint64_t len = 0;
    (void)varint_get(&at, stop, &len); /* valid since it was opened */
    return (ql_str){(const char *)at, (size_t)len};
}

bool ql__terms_log_find(const ql__terms_log *self, ql_str term, ql__log_entry *out)
{
    ql_str data = ql_buf_str(&self->data);
    uint32_t low = 0, high = self->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = ql_str_compare(term_at(data, middle), term);
        if (order == 0) {
            ql__terms_log_at(self, middle, out);
            return true;
        }
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return false;
}
