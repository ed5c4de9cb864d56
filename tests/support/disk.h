/*
 * A disk that loses its power. disk.c stands between this program (SQLite and other libraries included) and the C library's
 * file calls: while a recording runs, every change below one folder goes to a log, and from any point of it an image is made that
 * a power cut could have left there:
 *
 *   - of each file, everything written before its last fsync, and of the later writes and truncations an arbitrary subset, decided
 *     sector by sector (512 or 4,096 bytes); the last sector kept may be torn; room that was added but never written may hold garbage;
 *   - of each folder, every name made, moved or removed before the folder's last fsync, and an arbitrary subset of the later ones.
 *
 * So writes are dropped, torn and, seen from what was written after them, reordered. Link disk.c into the test program: the
 * definitions there come before the C library's. Threads: safe while recording; one recording at a time.
 */
#ifndef QL_TEST_DISK_H
#define QL_TEST_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct disk_log disk_log;

/* What lies below `root` now counts as safe on the disk. root is absolute and stays where it is. */
void disk_record(const char *root);
disk_log *disk_record_end(void); /* the caller frees it with disk_log_free */
void disk_log_free(disk_log *self);
/* A note of the caller's, for disk_log_mark. No recording: nothing happens. */
void disk_mark(long value);

size_t disk_log_count(const disk_log *self); /* events: changes, syncs and marks */
long disk_log_mark(const disk_log *self, size_t events); /* the last mark among the first `events`; 0: none */
size_t disk_log_syncs(const disk_log *self);
size_t disk_log_sync_at(const disk_log *self, size_t number); /* the event of a sync, from 0 */
size_t disk_log_bytes(const disk_log *self);

/* Makes `to` (an existing empty folder) look as the power cut after `events` events might have left root. The same seed gives the same image. */
void disk_image(const disk_log *self, size_t events, uint64_t seed, const char *to);
/* Everything that was ever changed, synced or not: what the machine shows without a power cut. */
void disk_image_whole(const disk_log *self, const char *to);

/* The lie that has to be found out: fsync and fdatasync of files (or of folders) whose name holds `part` answer 0 and do nothing. NULL ends it. */
void disk_lie(const char *part, bool folders);
/* Syncs that were swallowed since disk_lie. */
size_t disk_lies(void);

/* --- planted failures, in the same calls (and in those that only read) */

typedef enum disk_call {
    DISK_OPEN = 1 << 0, DISK_READ = 1 << 1, DISK_WRITE = 1 << 2, DISK_STAT = 1 << 3, DISK_SYNC = 1 << 4, DISK_TRUNCATE = 1 << 5,
    DISK_RENAME = 1 << 6, DISK_UNLINK = 1 << 7, DISK_MKDIR = 1 << 8, DISK_MMAP = 1 << 9, DISK_ALL_CALLS = (1 << 10) - 1
} disk_call;

/*
 * From now on the n-th (0: the next) of these calls on something below root fails with os_code, only that one or all after it too. os_code 0:
 * a read or write moves half of what it was asked for. n < 0: only counts.
 */
void disk_fail(const char *root, unsigned calls, int os_code, long n, bool from);
/* Ends it; the calls counted, and whether one failed. */
long disk_fail_end(bool *fired);

#endif
