/*
 * Purpose: a layer between SQLite and its default VFS that (1) ends each page of the main file with a checksum of the page and
 * its number, verified on every read, and (2) lets tests fail each call.
 *
 * Invariants: pages of the main file are read and written whole and at multiples of page_bytes; the only other reads are of the
 * first 100 bytes and of the 16 bytes of the change counter. The checksum is XXH3 over the page without its last 8 bytes, seeded
 * with the page number, so that a page written to the wrong place fails too. The write-ahead log has checksums of its own, which
 * SQLite looks at only in recovery; we look at them on every read of a frame. Memory mapping is off (io methods version 2 have no
 * xFetch), since mapped pages would bypass the check.
 *
 * Threads: one VFS belongs to one connection. Cost: 0.3 us per 8 kB page, one copy of each page written.
 */
#include "dep/db_vfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "dep/digest.h"

#define WAL_HEADER 32
#define WAL_FRAME_HEADER 24

typedef enum file_kind { FILE_MAIN, FILE_WAL, FILE_OTHER } file_kind;

typedef struct shim_file {
    sqlite3_file file;
    sqlite3_io_methods methods;
    ql__db_vfs *owner;
    file_kind kind;
    unsigned char *scratch; /* (page_bytes) copy of a page on its way out */
    sqlite3_int64 wal_header_at;      /* last frame header written by this connection */
    sqlite3_int64 wal_unchecked_from; /* pages from here on may wait for their sums */
    sqlite3_file *base;     /* follows this struct */
} shim_file;

static ql__db_vfs *vfs_of(sqlite3_vfs *vfs)
{
    return (ql__db_vfs *)vfs->pAppData;
}

static shim_file *shim_of(sqlite3_file *file)
{
    return (shim_file *)(void *)file;
}

static int fault(ql__db_vfs *self, ql__db_call call, int io_code)
{
    if (!self->fault_fn) return SQLITE_OK;
    int code = self->fault_fn(self->fault_user, call);
    if (code == 0) return SQLITE_OK;
    self->fault_errno = code;
    if (code == ENOSPC && call == QL__DB_WRITE) return SQLITE_FULL;
    return io_code;
}

static uint64_t page_checksum(const unsigned char *page, size_t size, uint64_t number)
{
    return ql__xxh3((ql_str){(const char *)page, size - QL__DB_RESERVED}, number);
}

static void put_le64(unsigned char *out, uint64_t value)
{
    for (int i = 0; i < 8; i++) out[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_le64(const unsigned char *in)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value |= (uint64_t)in[i] << (8 * i);
    return value;
}

static uint32_t get_be32(const unsigned char *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

/* The two running sums of the WAL format (sqlite.org/fileformat2.html section 4.2). */
static void wal_sums(const unsigned char *bytes, size_t size, bool big_endian, uint32_t sums[2])
{
    for (size_t at = 0; at + 8 <= size; at += 8) {
        uint32_t words[2];
        memcpy(words, bytes + at, sizeof words);
        if (big_endian) {
            words[0] = __builtin_bswap32(words[0]);
            words[1] = __builtin_bswap32(words[1]);
        }
        sums[0] += words[0] + sums[1];
        sums[1] += words[1] + sums[0];
    }
}

/* The disk's EIO, which SQLite would call damage of the file: that judgement is for checksums. */
static int read_code(int rc)
{
    return rc == SQLITE_IOERR_CORRUPTFS ? SQLITE_IOERR_READ : rc;
}

/* The sums of a frame go on from those of the frame before it, which are stored in that frame's header (or in the file's). */
static int wal_frame_check(shim_file *self, const unsigned char *page, size_t size, sqlite3_int64 offset, bool *intact)
{
    unsigned char header[WAL_FRAME_HEADER], before[8], magic[4];
    sqlite3_int64 frame = offset - WAL_FRAME_HEADER;
    sqlite3_int64 sums_at = frame == WAL_HEADER ? 24 : frame - (sqlite3_int64)size - WAL_FRAME_HEADER + 16;
    const sqlite3_io_methods *io = self->base->pMethods;
    *intact = false;
    int rc = io->xRead(self->base, magic, sizeof magic, 0);
    if (rc == SQLITE_OK) rc = io->xRead(self->base, before, sizeof before, sums_at);
    if (rc == SQLITE_OK) rc = io->xRead(self->base, header, sizeof header, frame);
    if (rc == SQLITE_IOERR_SHORT_READ) return SQLITE_OK; /* cut off: not intact */
    if (rc != SQLITE_OK) return read_code(rc);
    bool little_host = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    bool big_sums = (magic[3] & 1) != 0;
    uint32_t sums[2] = {get_be32(before), get_be32(before + 4)};
    wal_sums(header, 8, big_sums == little_host, sums);
    wal_sums(page, size, big_sums == little_host, sums);
    *intact = sums[0] == get_be32(header + 16) && sums[1] == get_be32(header + 20);
    return SQLITE_OK;
}

static int shim_close(sqlite3_file *file)
{
    shim_file *self = shim_of(file);
    int rc = self->base->pMethods ? self->base->pMethods->xClose(self->base) : SQLITE_OK;
    ql__free(self->scratch);
    self->scratch = NULL;
    return rc;
}

static int damaged(ql__db_vfs *owner, uint64_t page, bool wal)
{
    owner->bad_page = page;
    owner->bad_wal = wal;
    return SQLITE_IOERR_DATA;
}

static int check_main(ql__db_vfs *owner, const unsigned char *bytes, int amount, sqlite3_int64 offset)
{
    if ((uint32_t)amount == owner->page_bytes && offset % amount == 0) {
        uint64_t number = (uint64_t)(offset / amount) + 1;
        uint64_t stored = get_le64(bytes + amount - QL__DB_RESERVED);
        return stored == page_checksum(bytes, (size_t)amount, number) ? SQLITE_OK : damaged(owner, number, false);
    }
    if (offset == 0 && amount >= 100 && memcmp(bytes, "SQLite format 3", 16) == 0) {
        /* The header says how the rest is read; believing a damaged one would switch the checks off. */
        uint32_t size = (uint32_t)bytes[16] << 8 | bytes[17];
        if (size == 1) size = 65536;
        if (size != owner->page_bytes || bytes[20] != QL__DB_RESERVED) return SQLITE_NOTADB;
    }
    return SQLITE_OK;
}

/* Recovery reads frames with their headers and checks the sums itself; a lone page is read to be served. */
static int check_frame(shim_file *self, const unsigned char *bytes, int amount, sqlite3_int64 offset)
{
    sqlite3_int64 frame_bytes = amount + WAL_FRAME_HEADER, at = offset - WAL_HEADER - WAL_FRAME_HEADER;
    bool intact = false;
    if ((uint32_t)amount != self->owner->page_bytes || at < 0 || at % frame_bytes != 0 || offset >= self->wal_unchecked_from) return SQLITE_OK;
    int rc = wal_frame_check(self, bytes, (size_t)amount, offset, &intact);
    if (rc != SQLITE_OK || intact) return rc;
    return damaged(self->owner, (uint64_t)(at / frame_bytes) + 1, true);
}

static int shim_read(sqlite3_file *file, void *buf, int amount, sqlite3_int64 offset)
{
    shim_file *self = shim_of(file);
    ql__db_vfs *owner = self->owner;
    int rc = fault(owner, QL__DB_READ, SQLITE_IOERR_READ);
    if (rc != SQLITE_OK) return rc;
    rc = self->base->pMethods->xRead(self->base, buf, amount, offset);
    /* SQLite takes a page beyond the end for zeros; it only asks for pages the file should have. */
    if (rc == SQLITE_IOERR_SHORT_READ && self->kind == FILE_MAIN && (uint32_t)amount == owner->page_bytes)
        return damaged(owner, (uint64_t)(offset / amount) + 1, false);
    if (rc != SQLITE_OK) return read_code(rc);
    if (self->kind == FILE_MAIN) return check_main(owner, buf, amount, offset);
    return self->kind == FILE_WAL ? check_frame(self, buf, amount, offset) : SQLITE_OK;
}

/* A page that was spilled early and changed again is overwritten in place; SQLite makes the sums good only at the commit. */
static void note_wal_write(shim_file *self, int amount, sqlite3_int64 offset)
{
    if (offset == 0) self->wal_unchecked_from = INT64_MAX; /* a new log begins */
    if (amount == WAL_FRAME_HEADER) self->wal_header_at = offset;
    if ((uint32_t)amount == self->owner->page_bytes && offset != self->wal_header_at + WAL_FRAME_HEADER && offset < self->wal_unchecked_from)
        self->wal_unchecked_from = offset;
}

static int shim_write(sqlite3_file *file, const void *buf, int amount, sqlite3_int64 offset)
{
    shim_file *self = shim_of(file);
    ql__db_vfs *owner = self->owner;
    int rc = fault(owner, QL__DB_WRITE, SQLITE_IOERR_WRITE);
    if (rc != SQLITE_OK) return rc;
    if (self->kind == FILE_WAL) note_wal_write(self, amount, offset);
    if (self->kind != FILE_MAIN) return self->base->pMethods->xWrite(self->base, buf, amount, offset);
    if ((uint32_t)amount != owner->page_bytes || offset % amount != 0) return SQLITE_IOERR_WRITE;
    size_t size = (size_t)amount;
    memcpy(self->scratch, buf, size - QL__DB_RESERVED);
    put_le64(self->scratch + size - QL__DB_RESERVED, page_checksum(self->scratch, size, (uint64_t)(offset / amount) + 1));
    return self->base->pMethods->xWrite(self->base, self->scratch, amount, offset);
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    shim_file *self = shim_of(file);
    int rc = fault(self->owner, QL__DB_TRUNCATE, SQLITE_IOERR_TRUNCATE);
    return rc != SQLITE_OK ? rc : self->base->pMethods->xTruncate(self->base, size);
}

static int shim_sync(sqlite3_file *file, int flags)
{
    shim_file *self = shim_of(file);
    int rc = fault(self->owner, QL__DB_SYNC, SQLITE_IOERR_FSYNC);
    return rc != SQLITE_OK ? rc : self->base->pMethods->xSync(self->base, flags);
}

static int shim_file_size(sqlite3_file *file, sqlite3_int64 *out)
{
    return shim_of(file)->base->pMethods->xFileSize(shim_of(file)->base, out);
}

static int shim_lock(sqlite3_file *file, int level)
{
    return shim_of(file)->base->pMethods->xLock(shim_of(file)->base, level);
}

static int shim_unlock(sqlite3_file *file, int level)
{
    return shim_of(file)->base->pMethods->xUnlock(shim_of(file)->base, level);
}

static int shim_check_reserved(sqlite3_file *file, int *out)
{
    return shim_of(file)->base->pMethods->xCheckReservedLock(shim_of(file)->base, out);
}

static int shim_control(sqlite3_file *file, int op, void *arg)
{
    return shim_of(file)->base->pMethods->xFileControl(shim_of(file)->base, op, arg);
}

static int shim_sector_size(sqlite3_file *file)
{
    return shim_of(file)->base->pMethods->xSectorSize(shim_of(file)->base);
}

static int shim_characteristics(sqlite3_file *file)
{
    return shim_of(file)->base->pMethods->xDeviceCharacteristics(shim_of(file)->base);
}

static int shim_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return shim_of(file)->base->pMethods->xShmMap(shim_of(file)->base, page, size, extend, out);
}

static int shim_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return shim_of(file)->base->pMethods->xShmLock(shim_of(file)->base, offset, count, flags);
}

static void shim_shm_barrier(sqlite3_file *file)
{
    shim_of(file)->base->pMethods->xShmBarrier(shim_of(file)->base);
}

static int shim_shm_unmap(sqlite3_file *file, int remove)
{
    return shim_of(file)->base->pMethods->xShmUnmap(shim_of(file)->base, remove);
}

static const sqlite3_io_methods shim_methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_file_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_check_reserved,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector_size,
    .xDeviceCharacteristics = shim_characteristics,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
};

static size_t shim_size(void)
{
    return (sizeof(shim_file) + 15) & ~(size_t)15;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    ql__db_vfs *owner = vfs_of(vfs);
    shim_file *self = shim_of(file);
    memset(self, 0, shim_size());
    self->base = (sqlite3_file *)(void *)((char *)file + shim_size());
    self->base->pMethods = NULL;
    self->owner = owner;
    self->wal_header_at = -1;
    self->wal_unchecked_from = INT64_MAX;
    self->kind = flags & SQLITE_OPEN_MAIN_DB ? FILE_MAIN : flags & SQLITE_OPEN_WAL ? FILE_WAL : FILE_OTHER;
    int rc = fault(owner, QL__DB_OPEN, SQLITE_CANTOPEN);
    if (rc != SQLITE_OK) return rc;
    if (self->kind == FILE_MAIN) {
        self->scratch = ql__alloc(owner->page_bytes);
        if (!self->scratch) return SQLITE_NOMEM;
    }
    rc = owner->base->xOpen(owner->base, name, self->base, flags, out_flags);
    if (rc != SQLITE_OK) { /* pMethods stays NULL, so SQLite does not close what did not open */
        ql__free(self->scratch);
        self->scratch = NULL;
        return rc;
    }
    self->methods = shim_methods;
    if (self->base->pMethods->iVersion < 2) self->methods.iVersion = 1;
    self->file.pMethods = &self->methods;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    ql__db_vfs *owner = vfs_of(vfs);
    int rc = fault(owner, QL__DB_DELETE, SQLITE_IOERR_DELETE);
    return rc != SQLITE_OK ? rc : owner->base->xDelete(owner->base, name, sync_dir);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    return vfs_of(vfs)->base->xAccess(vfs_of(vfs)->base, name, flags, out);
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    return vfs_of(vfs)->base->xFullPathname(vfs_of(vfs)->base, name, size, out);
}

static int vfs_randomness(sqlite3_vfs *vfs, int size, char *out)
{
    return vfs_of(vfs)->base->xRandomness(vfs_of(vfs)->base, size, out);
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    return vfs_of(vfs)->base->xSleep(vfs_of(vfs)->base, us);
}

static int vfs_time(sqlite3_vfs *vfs, double *out)
{
    return vfs_of(vfs)->base->xCurrentTime(vfs_of(vfs)->base, out);
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    ql__db_vfs *owner = vfs_of(vfs);
    return owner->base->xGetLastError ? owner->base->xGetLastError(owner->base, size, out) : 0;
}

ql_status ql__db_vfs_init(ql__db_vfs *self, uint32_t page_bytes, ql__db_fault_fn fault_fn, void *fault_user, ql_error *err)
{
    memset(self, 0, sizeof *self);
    self->base = sqlite3_vfs_find(NULL);
    if (!self->base) return ql__fail(err, QL_E_UNSUPPORTED, "this sqlite has no default vfs");
    self->page_bytes = page_bytes;
    self->fault_fn = fault_fn;
    self->fault_user = fault_user;
    snprintf(self->name, sizeof self->name, "qloader-%p", (void *)self);
    self->vfs = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = (int)(shim_size() + (size_t)self->base->szOsFile),
        .mxPathname = self->base->mxPathname,
        .zName = self->name,
        .pAppData = self,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_pathname,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_last_error,
    };
    if (sqlite3_vfs_register(&self->vfs, 0) != SQLITE_OK) return ql__fail_nomem(err);
    self->registered = true;
    return QL_OK;
}

void ql__db_vfs_dispose(ql__db_vfs *self)
{
    if (self->registered) sqlite3_vfs_unregister(&self->vfs);
    self->registered = false;
}
