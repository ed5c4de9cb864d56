/*
 * Writing and reading what is kept of a history.
 *
 * Invariants: the file is replaced as a whole and carries a checksum, so it is read as it was written or not at all; nothing in it is believed
 * that does not fit into what is left of it. It holds the ids of all commits seen, so that a later run knows which are new.
 * Layout, little-endian: magic, xxh3 of the rest, head, depth, hash of the edges, entries compared, whether the budget was spent, commit ids,
 * paths.
 * Threads: one. Cost: 20 bytes for each commit, 73 and the name for each path ever seen.
 */
#include "source/git_history_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "dep/digest.h"
#include "source/git_history_internal.h"

#define KEPT_BYTES_MAX ((size_t)1 << 30)

static const char magic[8] = "QLGITH2\n";

/* ---- Writing ---- */

static void put(ql_buf *out, const void *bytes, size_t size)
{
    (void)ql_buf_append(out, (ql_str){bytes, size});
}

static void put_u64(ql_buf *out, uint64_t value)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(value >> (8 * i));
    put(out, bytes, 8);
}

static void put_file(ql_buf *out, const ql__git_file *file)
{
    unsigned char flags = (unsigned char)(file->in_head | file->sized << 1 | file->is_lfs << 2 | file->first_adds << 3);
    put_u64(out, file->path.len);
    put(out, file->path.ptr, file->path.len);
    put(out, &flags, 1);
    put_u64(out, file->size_bytes);
    put_u64(out, (uint64_t)file->last_s);
    put_u64(out, (uint64_t)file->first_s);
    put(out, file->blob, OID_BYTES);
    put(out, file->last, OID_BYTES);
}

/* Merges what was walked now with what was kept before, sorted. */
static ql_status collect_ids(const ql__git_history *self, unsigned char **out, size_t *out_count, ql_error *err)
{
    size_t fresh = 0, bytes;
    for (size_t i = 0; i < self->commit_count; i++) fresh += !self->commits[i].kept;
    if (!ql__size_mul(fresh + self->kept_count, OID_BYTES, &bytes)) return ql__fail_nomem(err);
    unsigned char *ids = ql__alloc(bytes);
    if (ids == NULL) return ql__fail_nomem(err);
    if (self->kept_count > 0) memcpy(ids, self->kept_commits, self->kept_count * OID_BYTES);
    size_t count = self->kept_count;
    for (size_t i = 0; i < self->commit_count; i++)
        if (!self->commits[i].kept) memcpy(ids + count++ * OID_BYTES, self->commits[i].id, OID_BYTES);
    qsort(ids, count, OID_BYTES, ql__git_compare_ids);
    *out = ids;
    *out_count = count;
    return QL_OK;
}

ql_status ql__git_kept_write(const ql__git_history *self, ql_error *err)
{
    unsigned char *ids = NULL;
    size_t count = 0;
    QL_TRY(collect_ids(self, &ids, &count, err));
    QL_AUTO(ql_buf, ql_buf_dispose) out = QL_BUF_INIT;
    put(&out, magic, sizeof magic);
    put_u64(&out, 0);
    put(&out, self->options.head.id, OID_BYTES);
    put_u64(&out, self->depth);
    put_u64(&out, self->edges_hash);
    put_u64(&out, self->compared);
    put_u64(&out, self->spent);
    put_u64(&out, count);
    put(&out, ids, count * OID_BYTES);
    ql__free(ids);
    put_u64(&out, self->file_count);
    for (size_t i = 0; i < self->file_count; i++) put_file(&out, &self->files[i]);
    if (out.status < 0) return ql__fail(err, out.status, "the history is too large to be kept");
    ql_buf sum = QL_BUF_INIT;
    put_u64(&sum, ql__xxh3((ql_str){out.ptr + 16, out.len - 16}, 0));
    if (sum.status == QL_OK) memcpy(out.ptr + 8, sum.ptr, 8);
    ql_status status = sum.status < 0 ? ql__fail_nomem(err)
                                      : ql__file_write_atomic(self->options.source->sys, self->options.cache_path, ql_buf_str(&out), 0600, err);
    ql_buf_dispose(&sum);
    return status;
}

/* ---- Reading ---- */

void ql__git_kept_forget(ql__git_history *self)
{
    self->has_kept = self->spent = false;
    self->kept_count = 0;
    self->compared = 0;
    for (size_t i = 0; i < self->file_count; i++) {
        ql__git_file *file = &self->files[i];
        file->first_s = file->last_s = QL_TIME_UNKNOWN;
        file->first_adds = false;
        memset(file->last, 0, OID_BYTES);
    }
}

/* A reader that turns to "failed" at the first missing byte. */
typedef struct kept_reader {
    ql_str rest;
    bool failed;
} kept_reader;

static const unsigned char *take(kept_reader *reader, size_t size)
{
    static const unsigned char nothing[64];
    if (reader->rest.len < size) {
        reader->failed = true;
        return nothing;
    }
    const unsigned char *at = (const unsigned char *)reader->rest.ptr;
    reader->rest = (ql_str){reader->rest.ptr + size, reader->rest.len - size};
    return at;
}

static uint64_t take_u64(kept_reader *reader)
{
    const unsigned char *bytes = take(reader, 8);
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static ql_status take_file(ql__git_history *self, kept_reader *reader, ql_error *err)
{
    uint64_t length = take_u64(reader);
    if (length > QL_LIMIT_URL_BYTES || length > reader->rest.len) reader->failed = true;
    if (reader->failed) return QL_OK;
    ql_str path = {(const char *)take(reader, (size_t)length), (size_t)length};
    uint32_t i;
    QL_TRY(ql__git_intern(self, path, &i, err));
    ql__git_file *file = &self->files[i];
    unsigned flags = *take(reader, 1);
    file->sized = (flags >> 1) & 1; /* in_head is decided by the tree of today */
    file->is_lfs = (flags >> 2) & 1;
    file->first_adds = (flags >> 3) & 1;
    file->size_bytes = take_u64(reader);
    file->last_s = (int64_t)take_u64(reader);
    file->first_s = (int64_t)take_u64(reader);
    memcpy(file->blob, take(reader, OID_BYTES), OID_BYTES);
    memcpy(file->last, take(reader, OID_BYTES), OID_BYTES);
    return QL_OK;
}

static ql_status take_commits(ql__git_history *self, kept_reader *reader, ql_error *err)
{
    uint64_t count = take_u64(reader);
    if (count > reader->rest.len / OID_BYTES) reader->failed = true;
    if (reader->failed) return QL_OK;
    self->kept_commits = ql__alloc((size_t)count * OID_BYTES);
    if (self->kept_commits == NULL) return ql__fail_nomem(err);
    memcpy(self->kept_commits, take(reader, (size_t)count * OID_BYTES), (size_t)count * OID_BYTES);
    self->kept_count = (size_t)count;
    return QL_OK;
}

ql_status ql__git_kept_read(ql__git_history *self, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    ql_buf_init(&text, KEPT_BYTES_MAX);
    ql_error ignored;
    ql_status status = ql__file_read_all(self->options.source->sys, self->options.cache_path, &text, &ignored);
    if (ql_status_kind(status) == QL_E_NOMEM) return ql__fail_nomem(err);
    kept_reader reader = {.rest = ql_buf_str(&text)};
    if (status < 0 || memcmp(take(&reader, 8), magic, 8) != 0) return QL_OK;
    uint64_t sum = take_u64(&reader);
    if (reader.failed || sum != ql__xxh3(reader.rest, 0)) return QL_OK;
    memcpy(self->kept_head.id, take(&reader, OID_BYTES), OID_BYTES);
    if (take_u64(&reader) != self->depth || take_u64(&reader) != self->edges_hash) return QL_OK;
    self->compared = take_u64(&reader);
    self->spent = take_u64(&reader) != 0;
    QL_TRY(take_commits(self, &reader, err));
    uint64_t files = take_u64(&reader);
    for (uint64_t i = 0; i < files && !reader.failed; i++) QL_TRY(take_file(self, &reader, err));
    self->has_kept = !reader.failed;
    if (reader.failed) ql__git_kept_forget(self);
    return QL_OK;
}
