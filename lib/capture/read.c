/*
 * capture.qprof, chunk by chunk. It is read twice: texts, files, stacks and everything but samples first, then, when addresses have names, samples and
 * allocations; so no more than the profile itself is in memory. Where a chunk is damaged the next whole one is looked for (chunk_find.c) and what lies between is
 * noted. Invariant: only chunks whose checksum is right are used.
 * Threads: one per call. Cost: two reads of the file, three where it is damaged, and the symbols of the files it names.
 */
#include "capture/read.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "capture/chunk_find.h"
#include "capture/read_internal.h"

#define GAPS_TOLD 8 /* a file of damage does not fill a report */

/* --- records of a chunk -------------------------------------------------------------------------------------------------------------- */

static ql_status take_records(ql__reader *self, uint32_t kind, const unsigned char *payload, size_t size, ql_error *err)
{
    while (size > 0) {
        ql__qprof_record head;
        if (size < sizeof head) break;
        memcpy(&head, payload, sizeof head);
        payload += sizeof head;
        size -= sizeof head;
        if (head.size > size || head.fixed > head.size) break;
        const ql__raw_record record = {payload, payload + head.fixed, head.fixed, head.size - head.fixed, head.count};
        ql_error detail = {0};
        ql_status status = ql__read_record(self, kind, &record, &detail);
        if (ql_status_kind(status) == QL_E_FORMAT) self->refused++;
        else if (status < 0) {
            if (err != NULL) *err = detail;
            return status;
        }
        payload += head.size;
        size -= head.size;
    }
    if (size > 0) self->refused++; /* the rest of this chunk: its records lead nowhere */
    return QL_OK;
}

/* A stretch of the file that no whole chunk covers: [from, to). */
static ql_status note_gap(ql__reader *self, uint64_t from, const ql__chunk_found *next, ql_error *err)
{
    ql_buf text;
    if (self->second_pass) return QL_OK;
    unsigned long long first = from, end = next->at;
    self->gap_bytes += next->at - from;
    if (++self->gaps > GAPS_TOLD) return QL_OK;
    ql_buf_init(&text, 4096);
    if (next->payload != NULL) (void)ql_buf_printf(&text, "a piece is damaged and was left out: bytes %llu to %llu; what follows it was read", first, end - 1);
    else if (next->cut) (void)ql_buf_printf(&text, "the file ends in a piece that is not whole: %llu of %llu bytes were read", first, end);
    else (void)ql_buf_printf(&text, "the end is damaged and was left out: bytes %llu to %llu", first, end - 1);
    ql_status status = text.status < 0 ? ql__fail_nomem(err) : ql__profile_note(self->profile, QL_STR("file"), ql_buf_str(&text), err);
    ql_buf_dispose(&text);
    return status;
}

/* Every whole chunk. *taken: how many. */
static ql_status take_chunks(ql__reader *self, ql__chunk_source *source, uint64_t first, size_t *taken, ql_error *err)
{
    uint64_t at = first;
    *taken = 0;
    source->search_bytes = 0;
    while (at < source->size) {
        ql__chunk_found found;
        QL_TRY(ql__chunk_find(source, at, &found, err));
        if (found.at > at) QL_TRY(note_gap(self, at, &found, err));
        if (found.payload == NULL) break;
        QL_TRY(take_records(self, found.kind, found.payload, found.size, err));
        at = found.end;
        ++*taken;
    }
    return QL_OK;
}

/* --- the file ------------------------------------------------------------------------------------------------------------------------- */

static ql_status read_head(const ql__chunk_source *from, uint64_t *first, ql_error *err)
{
    ql__qprof_file head = {0};
    _Static_assert(sizeof QL__QPROF_MAGIC == sizeof head.magic + 1 || sizeof QL__QPROF_MAGIC == sizeof head.magic, "the magic fills its place");
    if (from->size < sizeof head) return ql__fail(err, QL_E_FORMAT, "it is no capture: a capture.qprof is longer");
    QL_TRY(from->read_fn(from->user, 0, &head, sizeof head, err));
    if (memcmp(head.magic, QL__QPROF_MAGIC, sizeof head.magic) != 0) return ql__fail(err, QL_E_FORMAT, "it is no capture: a capture.qprof begins otherwise");
    if (head.version != QL__QPROF_VERSION)
        return ql__fail(err, QL_E_UNSUPPORTED, "the capture is of format %u, this library reads %d: take the program that made it, or a newer one", head.version, QL__QPROF_VERSION);
    if (head.header_bytes < sizeof head || head.header_bytes > from->size) return ql__fail(err, QL_E_CORRUPT, "the head of the capture is damaged");
    *first = head.header_bytes;
    return QL_OK;
}

static ql_status note_state(ql__reader *self, ql_error *err)
{
    ql_buf text;
    ql_status status = QL_OK;
    ql_buf_init(&text, 4096);
    if (self->gaps > GAPS_TOLD) {
        (void)ql_buf_printf(&text, "%zu pieces are damaged, %llu bytes in all; the first %d are named", self->gaps, (unsigned long long)self->gap_bytes, GAPS_TOLD);
        status = text.status < 0 ? ql__fail_nomem(err) : ql__profile_note(self->profile, QL_STR("file"), ql_buf_str(&text), err);
    }
    ql_buf_clear(&text);
    if (status >= 0 && self->refused > 0) {
        (void)ql_buf_printf(&text, "%llu records could not be right and were left out", (unsigned long long)self->refused);
        status = ql__profile_note(self->profile, QL_STR("file"), ql_buf_str(&text), err);
    }
    if (status >= 0 && !self->profile->numbers.complete)
        status = ql__profile_note(self->profile, QL_STR("capture"), self->gaps > 0 ? QL_STR("it has no end: the process ended first, it still runs, or the end is what is damaged")
                                                                                   : QL_STR("it has no end: the process ended first, or it still runs"), err);
    ql_buf_dispose(&text);
    return status;
}

static ql_status read_all(ql__reader *self, ql__chunk_source *from, ql_error *err)
{
    uint64_t first = 0;
    size_t taken = 0;
    QL_TRY(read_head(from, &first, err));
    QL_TRY(take_chunks(self, from, first, &taken, err));
    if (taken == 0) return ql__fail(err, QL_E_CORRUPT, "the capture has not one whole piece: it was cut, or it is damaged throughout");
    QL_TRY(ql__read_code(self, err));
    self->second_pass = true;
    QL_TRY(take_chunks(self, from, first, &taken, err));
    QL_TRY(ql__read_finish(self, err));
    return note_state(self, err);
}

static void reader_dispose(ql__reader *self)
{
    ql__id_table *tables[] = {&self->strings, &self->mappings, &self->stacks, &self->threads, &self->sites, &self->labels};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) ql__free(tables[i]->index);
    ql__free(self->raw_stacks);
    ql__free(self->raw_frames);
    ql__map_dispose(&self->tasks);
    ql__arena_dispose(&self->task_keys);
    ql__profile_free(self->profile);
}

ql_status ql__capture_read_from(const ql__sys *sys, ql__read_at_fn read_fn, void *user, uint64_t size, const ql__read_options *options, ql__profile **out,
                                ql_error *err)
{
    ql__reader self = {.sys = sys, .options = options};
    ql__chunk_source from = {.read_fn = read_fn, .user = user, .size = size};
    ql__map_init(&self.tasks, 0x5eed);
    ql__arena_init(&self.task_keys, QL_LIMIT_PROFILE_ARENA_BYTES);
    ql_status status = QL_OK;
    if (size > QL_LIMIT_PROFILE_FILE_BYTES) status = ql__fail(err, QL_E_LIMIT, "the capture is larger than %llu bytes", (unsigned long long)QL_LIMIT_PROFILE_FILE_BYTES);
    if (status >= 0) from.window = ql__alloc(QL__CHUNK_WINDOW_BYTES);
    if (status >= 0) status = from.window != NULL ? ql__profile_new(&self.profile, err) : ql__fail_nomem(err);
    if (status >= 0) status = read_all(&self, &from, err);
    if (status >= 0) *out = QL_STEAL(self.profile);
    ql__free(from.window);
    reader_dispose(&self);
    return status;
}

typedef struct file_source {
    const ql__sys *sys;
    int fd;
} file_source;

static ql_status read_file_at(void *user, uint64_t offset, void *buf, size_t size, ql_error *err)
{
    const file_source *file = user;
    return ql__file_read_at(file->sys, file->fd, buf, size, offset, err);
}

ql_status ql__capture_read(const ql__sys *sys, const char *path, const ql__read_options *options, ql__profile **out, ql_error *err)
{
    file_source file = {sys, -1};
    uint64_t size = 0;
    QL_TRY(ql__file_expect_regular(sys, path, err));
    QL_TRY(ql__file_open(sys, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, &file.fd, err));
    ql_status status = ql__file_size(sys, file.fd, &size, err);
    if (status >= 0) {
        status = ql__capture_read_from(sys, read_file_at, &file, size, options, out, err);
        if (status < 0) ql__error_prefix(err, "'%s'", path);
    }
    ql__file_close(sys, file.fd);
    return status;
}
