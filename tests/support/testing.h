/*
 * Helpers for tests: temporary folders, planted faults in memory and file calls, a clock that is set by hand, and the
 * fault loop that lets every call of a scenario fail once. State is process-wide; a test program is one process.
 *
 *     static ql_status scenario(void *user, ql_error *err) { ...build, use and free everything... }
 *     ql_test_fault_loop(QL_FAULT_ALLOC, scenario, NULL);
 */
#ifndef QL_TESTING_H
#define QL_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sys/file.h"
#include <qloader/base.h>

/* ---- temporary folders and files (real calls, never a planted fault) ---- */

/* A new empty folder under TMPDIR; free with ql_test_dir_remove, which deletes it with all its content. */
char *ql_test_dir_new(void);
void ql_test_dir_remove(char *dir);
/* "dir/name"; valid until the 16th call after this one. */
const char *ql_test_path(const char *dir, const char *name);
/* Makes missing parent folders; asserts that it worked. */
void ql_test_file_write(const char *path, ql_str content);
/* Replaces out's content; asserts that it worked. Dispose out. */
void ql_test_file_read(const char *path, ql_buf *out);
bool ql_test_file_exists(const char *path);
/* Entries of a folder, "." and ".." left out. */
size_t ql_test_dir_count(const char *dir);

/* ---- faults ---- */

typedef enum ql_test_fault {
    QL_FAULT_ALLOC, /* memory of the library: answers NULL */
    QL_FAULT_FILE,  /* a call through ql_test_sys()->file: answers -1 with ql_test_fault_errno's value (EIO at first) */
    QL_FAULT_NET,   /* a request through ql_test_sys()->net: refused, silent, 503, 429 or cut, by turns */
    QL_FAULT_KINDS
} ql_test_fault;

/* Installs the test allocator (counts, fills with garbage, always moves on growth, fails on demand). Done by fault_at/from. */
void ql_test_alloc_install(void);
long ql_test_alloc_live(void);  /* pieces of memory handed out since the install and not freed */
long ql_test_alloc_calls(void); /* allocations and growths since the install */
/* The n-th call from now (0: the next) fails, that one only / that one and all after it. */
void ql_test_fault_at(ql_test_fault kind, long n);
void ql_test_fault_from(ql_test_fault kind, long n);
/* Ends planting; true when a call failed. */
bool ql_test_fault_clear(void);
/* A scenario calls this where a failure is allowed to have no consequence (a cache that does not grow, a hint). */
void ql_test_fault_benign(void);
bool ql_test_fault_was_benign(void);
/* Notes live memory and open descriptors; ql_test_expect_no_leaks asserts that both are as they were. */
void ql_test_leaks_mark(void);
void ql_test_expect_no_leaks(void);

/* ---- files and clock ---- */

typedef enum ql_test_op {
    QL_TEST_OPEN = 1 << 0, QL_TEST_CLOSE = 1 << 1, QL_TEST_READ = 1 << 2, QL_TEST_WRITE = 1 << 3, QL_TEST_STAT = 1 << 4,
    QL_TEST_SYNC = 1 << 5, QL_TEST_TRUNCATE = 1 << 6, QL_TEST_RENAME = 1 << 7, QL_TEST_UNLINK = 1 << 8, QL_TEST_MKDIR = 1 << 9,
    QL_TEST_MMAP = 1 << 10, QL_TEST_ALL_OPS = (1 << 11) - 1
} ql_test_op;

/* The real kernel behind faults, with the clock below. */
const ql__sys *ql_test_sys(void);
void ql_test_fault_errno(int os_code);   /* what failing file calls say; EIO at first */
void ql_test_fault_ops(unsigned ops);    /* which calls count for QL_FAULT_FILE (ql_test_op bits); all at first */
void ql_test_io_short(size_t bytes_max); /* a read or write moves at most this much; 0: no limit */
long ql_test_file_calls(void);           /* counted calls so far */
long ql_test_fds_open(void);             /* opened through ql_test_sys() and not closed */

void ql_test_clock_set(int64_t wall_ms); /* starts at 1700000000000 */
void ql_test_clock_advance(uint64_t ms); /* both clocks */

/* ---- network ---- */

/* From here on ql_test_sys() has a network: the given one (ql__http_net) behind faults. */
void ql_test_net_use(const ql__net_ops *real);
long ql_test_net_calls(void); /* requests so far */

/* ---- the fault loop ---- */

/* Must leave nothing behind, whatever it returns. */
typedef ql_status (*ql_test_scenario_fn)(void *user, ql_error *err);
/*
 * Runs the scenario with its 1st, 2nd, ... call failing, first that call only, then that call and all after it, until it
 * runs through without meeting the fault. Asserts each time: a fault that fired gives the status it stands for (or QL_OK after
 * ql_test_fault_benign, or when a single failed request was tried again), err carries the same status and a message, nothing leaks. The last, undisturbed run gives QL_OK or QL_DONE.
 */
#define ql_test_fault_loop(kind, scenario, user) ql__test_fault_loop((kind), (scenario), (user), __FILE__, __LINE__)
void ql__test_fault_loop(ql_test_fault kind, ql_test_scenario_fn scenario, void *user, const char *file, int line);

#endif
