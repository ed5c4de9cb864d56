/*
 * See chunk_find.h. Chunks have no marker, so behind damage every byte may begin one. What is taken for one has a kind that is given, a size that fits, records
 * that lead exactly to its end, and last its checksum, which is what costs. A file made to look like chunks everywhere would cost its size squared: looking ends
 * when SEARCH_FACTOR times the file (and SEARCH_BYTES_MIN) were read for it, and what follows counts as damaged.
 * Threads: one per source. Cost: each byte is read once, and once more for each chunk that the window cuts.
 */
#include "capture/chunk_find.h"

#include <string.h>

#include "base/status.h"

#define SEARCH_FACTOR 4
#define SEARCH_BYTES_MIN ((uint64_t)16 << 20)
#define SEARCH_KIND_MAX 64u /* later writers have more kinds than QL__QPROF_END, and not many */

/* Sees to it that the window holds `size` bytes from `at`, which are in the file. */
static ql_status hold(ql__chunk_source *self, uint64_t at, size_t size, ql_error *err)
{
    if (at >= self->window_at && at - self->window_at <= self->window_bytes && size <= self->window_bytes - (at - self->window_at)) return QL_OK;
    uint64_t left = self->size - at;
    size_t bytes = left < QL__CHUNK_WINDOW_BYTES ? (size_t)left : QL__CHUNK_WINDOW_BYTES;
    self->window_bytes = 0;
    QL_TRY(self->read_fn(self->user, at, self->window, bytes, err));
    self->window_at = at;
    self->window_bytes = bytes;
    return QL_OK;
}

static const unsigned char *bytes_at(const ql__chunk_source *self, uint64_t at)
{
    return self->window + (at - self->window_at);
}

/* The head at `at`. QL_DONE: it is none, or (*cut) its chunk is longer than the file. Kind 0 is none: zeros are what a disk returns for what it lost. */
static ql_status head_at(ql__chunk_source *self, uint64_t at, ql__qprof_chunk *out, bool *cut, ql_error *err)
{
    uint64_t left = self->size - at;
    *cut = left < sizeof *out;
    if (*cut) return QL_DONE;
    QL_TRY(hold(self, at, sizeof *out, err));
    memcpy(out, bytes_at(self, at), sizeof *out);
    if (out->kind == 0 || out->size > QL__QPROF_CHUNK_BYTES_MAX) return QL_DONE;
    *cut = out->size > left - sizeof *out;
    return *cut ? QL_DONE : QL_OK;
}

/* QL_OK: a whole chunk with this head is at `at`, and *out. QL_DONE: it is not whole. */
static ql_status take_at(ql__chunk_source *self, uint64_t at, const ql__qprof_chunk *head, ql__chunk_found *out, ql_error *err)
{
    QL_TRY(hold(self, at, sizeof *head + head->size, err));
    const unsigned char *payload = bytes_at(self, at) + sizeof *head;
    if (ql__qprof_crc32(0, payload, head->size) != head->crc) return QL_DONE;
    out->at = at;
    out->end = at + sizeof *head + head->size;
    out->kind = head->kind;
    out->payload = payload;
    out->size = head->size;
    return QL_OK;
}

/* Whether a record can begin with these bytes, of which `left` follow. No kind has an empty fixed part. */
static bool record_fits(const unsigned char *bytes, size_t left, size_t *size)
{
    ql__qprof_record record;
    if (left < sizeof record) return false;
    memcpy(&record, bytes, sizeof record);
    *size = sizeof record + (size_t)record.size;
    return record.fixed > 0 && record.fixed <= record.size && record.size <= left - sizeof record;
}

/* Whether records lead from the beginning of the payload exactly to its end. */
static bool records_fit(ql__chunk_source *self, const unsigned char *payload, size_t left)
{
    for (size_t size = 0; left > 0; payload += size, left -= size) {
        self->search_bytes += sizeof(ql__qprof_record);
        if (!record_fits(payload, left, &size)) return false;
    }
    return true;
}

/* Looks at one place behind damage. QL_DONE: no chunk begins there. */
static ql_status try_at(ql__chunk_source *self, uint64_t at, ql__chunk_found *out, ql_error *err)
{
    ql__qprof_chunk head;
    size_t first = 0;
    bool cut;
    ql_status status = head_at(self, at, &head, &cut, err);
    if (status != QL_OK) return status;
    if (head.kind > SEARCH_KIND_MAX || head.size < sizeof(ql__qprof_record)) return QL_DONE;
    QL_TRY(hold(self, at, sizeof head + sizeof(ql__qprof_record), err)); /* most places end here, so little is read for them */
    if (!record_fits(bytes_at(self, at) + sizeof head, head.size, &first)) return QL_DONE;
    uint64_t before = self->window_at;
    QL_TRY(hold(self, at, sizeof head + head.size, err));
    if (self->window_at != before) self->search_bytes += self->window_bytes;
    if (!records_fit(self, bytes_at(self, at) + sizeof head, head.size)) return QL_DONE;
    self->search_bytes += head.size;
    return take_at(self, at, &head, out, err);
}

ql_status ql__chunk_find(ql__chunk_source *self, uint64_t at, ql__chunk_found *out, ql_error *err)
{
    ql__qprof_chunk head;
    uint64_t bytes_max = SEARCH_BYTES_MIN + SEARCH_FACTOR * self->size;
    bool cut;
    ql_status status = head_at(self, at, &head, &cut, err);
    *out = (ql__chunk_found){.at = self->size, .end = self->size, .cut = cut};
    if (status == QL_OK) status = take_at(self, at, &head, out, err);
    for (uint64_t next = at + 1; status == QL_DONE && next < self->size && self->search_bytes <= bytes_max; next++) status = try_at(self, next, out, err);
    return status < 0 ? status : QL_OK;
}
