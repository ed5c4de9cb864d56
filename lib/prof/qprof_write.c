/*
 * See qprof_write.h. A chunk is at most CHUNK_BYTES, so that a crash loses little and a reader needs little. What is gathered is bounded: when a kind
 * reaches CHUNK_BYTES everything is flushed.
 */
#include "prof/qprof_write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/status.h"

#define CHUNK_BYTES ((size_t)128 << 10)
#define COPY_BYTES ((size_t)64 << 10)

/* Definitions before their users; see the head of qprof.h. */
static const uint8_t order[] = {QL__QPROF_STRING, QL__QPROF_META, QL__QPROF_MAPPING, QL__QPROF_THREAD, QL__QPROF_SITE, QL__QPROF_LABELS, QL__QPROF_STACK, QL__QPROF_HEAP,
                                QL__QPROF_ALLOC, QL__QPROF_SPAN, QL__QPROF_LINK, QL__QPROF_TASK, QL__QPROF_SAMPLE, QL__QPROF_COUNTER, QL__QPROF_MEMORY, QL__QPROF_NOTE,
                                QL__QPROF_END};
_Static_assert(sizeof order == QL__QPROF_END, "every kind has its place");

/* Two captures in one file would overwrite each other. The lock is the descriptor's, so it ends with it however the process does. */
static ql_status lock_file(int fd, const char *path, ql_error *err)
{
    const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &whole) == 0) return QL_OK;
    if (errno == EAGAIN || errno == EACCES) return ql__fail(err, QL_E_BUSY, "another capture is being written to '%s': wait for its end, or name another folder", path);
    return ql__fail_errno(err, errno, "cannot lock '%s'", path);
}

/* Emptied only when it is ours: what another process writes stays whole. */
static ql_status open_file(const ql__sys *sys, const char *path, int *fd, ql_error *err)
{
    QL_TRY(ql__file_expect_regular(sys, path, err));
    QL_TRY(ql__file_open(sys, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600, fd, err));
    QL_TRY(lock_file(*fd, path, err));
    return sys->file->ftruncate_fn(sys->file->user, *fd, 0) == 0 ? QL_OK : ql__fail_errno(err, errno, "cannot empty '%s'", path);
}

ql_status ql__qprof_open(ql__qprof_writer *self, const ql__sys *sys, const char *path, ql__qprof_sink_fn fn, void *user, uint64_t limit_bytes, ql_error *err)
{
    memset(self, 0, sizeof *self);
    self->sys = sys;
    self->fd = -1;
    self->fn = fn;
    self->user = user;
    self->limit_bytes = limit_bytes;
    ql__vm_init(&self->out, sys);
    ql__vm_init(&self->memory, sys);
    for (size_t i = 0; i < sizeof self->kinds / sizeof *self->kinds; i++) ql__vm_init(&self->kinds[i], sys);
    pthread_mutex_init(&self->lock, NULL);
    const ql__qprof_file head = {QL__QPROF_MAGIC, QL__QPROF_VERSION, sizeof head};
    ql_status status = QL_OK;
    if (path != NULL) status = open_file(sys, path, &self->fd, err);
    void *begin = status >= 0 ? ql__vm_append(&self->out, sizeof head) : NULL;
    if (status >= 0 && begin == NULL) status = ql__fail_nomem(err);
    if (begin != NULL) memcpy(begin, &head, sizeof head);
    if (status < 0) ql__qprof_close(self);
    return status;
}

void ql__qprof_close(ql__qprof_writer *self)
{
    ql__file_close(self->sys, self->fd);
    self->fd = -1;
    for (size_t i = 0; i < sizeof self->kinds / sizeof *self->kinds; i++) ql__vm_dispose(&self->kinds[i]);
    ql__vm_dispose(&self->out);
    ql__vm_dispose(&self->memory);
    pthread_mutex_destroy(&self->lock);
}

void ql__qprof_put(ql__qprof_writer *self, ql__qprof_kind kind, const void *fixed, size_t fixed_size, const void *tail, size_t entry, size_t count)
{
    size_t tail_size = entry * (count != 0 ? count : 1), size = sizeof(ql__qprof_record) + fixed_size + tail_size;
    if (self->full) {
        self->lost[kind]++;
        return;
    }
    if (self->kinds[kind].used + size > CHUNK_BYTES) ql__qprof_flush(self);
    unsigned char *at = ql__vm_append(&self->kinds[kind], size);
    if (at == NULL) {
        self->lost[kind]++;
        return;
    }
    const ql__qprof_record record = {(uint32_t)(fixed_size + tail_size), (uint16_t)fixed_size, (uint16_t)count};
    memcpy(at, &record, sizeof record);
    memcpy(at + sizeof record, fixed, fixed_size);
    if (tail_size != 0) memcpy(at + sizeof record + fixed_size, tail, tail_size);
}

static ql_status answer_status(int answer, ql_error *err)
{
    if (answer == 0) return QL_OK;
    ql_status status = ql__fail(err, QL_E_CALLBACK, "the receiver of the capture stopped it");
    if (err != NULL) err->callback_value = answer;
    return status;
}

static ql_status sink_memory(ql__qprof_writer *self, const void *bytes, size_t size)
{
    pthread_mutex_lock(&self->lock);
    void *at = ql__vm_append(&self->memory, size);
    if (at != NULL) memcpy(at, bytes, size);
    pthread_mutex_unlock(&self->lock);
    return at != NULL ? QL_OK : ql__fail_nomem(&self->error);
}

static void sink(ql__qprof_writer *self)
{
    size_t size = self->out.used;
    if (size == 0 || self->status < 0) return;
    if (self->fd >= 0) self->status = ql__file_write_at(self->sys, self->fd, self->out.bytes, size, self->written, &self->error);
    else if (self->fn == NULL) self->status = sink_memory(self, self->out.bytes, size);
    else self->status = answer_status(self->fn(self->user, self->out.bytes, size), &self->error);
    self->out.used = 0;
    if (self->status < 0) {
        self->full = true;
        return;
    }
    pthread_mutex_lock(&self->lock);
    self->written += size;
    pthread_mutex_unlock(&self->lock);
}

/* One chunk of a kind to `out`. */
static void gather(ql__qprof_writer *self, ql__qprof_kind kind)
{
    ql__vm *records = &self->kinds[kind];
    if (records->used == 0) return;
    unsigned char *at = ql__vm_append(&self->out, sizeof(ql__qprof_chunk) + records->used);
    if (at == NULL) {
        self->lost[kind]++;
    } else {
        const ql__qprof_chunk chunk = {(uint32_t)kind, (uint32_t)records->used, ql__qprof_crc32(0, records->bytes, records->used)};
        memcpy(at, &chunk, sizeof chunk);
        memcpy(at + sizeof chunk, records->bytes, records->used);
    }
    records->used = 0;
}

void ql__qprof_flush(ql__qprof_writer *self)
{
    for (size_t i = 0; i < sizeof order; i++) gather(self, (ql__qprof_kind)order[i]);
    if (self->written + self->out.used > self->limit_bytes) self->full = true;
    sink(self);
}

void ql__qprof_finish(ql__qprof_writer *self)
{
    ql__qprof_flush(self);
    self->limit_bytes = UINT64_MAX;
    if (self->status >= 0) self->full = false;
}

uint64_t ql__qprof_written(ql__qprof_writer *self)
{
    pthread_mutex_lock(&self->lock);
    uint64_t written = self->written;
    pthread_mutex_unlock(&self->lock);
    return written;
}

/* A piece of what was written: memory moves when it grows, so it is copied under the lock. */
static ql_status copy_piece(ql__qprof_writer *self, void *piece, size_t size, uint64_t offset, ql_error *err)
{
    if (self->fd >= 0) return ql__file_read_at(self->sys, self->fd, piece, size, offset, err);
    pthread_mutex_lock(&self->lock);
    memcpy(piece, self->memory.bytes + offset, size);
    pthread_mutex_unlock(&self->lock);
    return QL_OK;
}

ql_status ql__qprof_copy(ql__qprof_writer *self, ql__qprof_sink_fn fn, void *user, ql_error *err)
{
    unsigned char piece[COPY_BYTES];
    uint64_t size = ql__qprof_written(self);
    for (uint64_t at = 0; at < size;) {
        size_t part = size - at < sizeof piece ? (size_t)(size - at) : sizeof piece;
        QL_TRY(copy_piece(self, piece, part, at, err));
        QL_TRY(answer_status(fn(user, piece, part), err));
        at += part;
    }
    return QL_OK;
}
