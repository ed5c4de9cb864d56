/*
 * Implementation of the test helpers. The allocator keeps no header of its own, so memory handed out by plain malloc before
 * it was installed may be freed through it. Threads: counters are atomic; planting and clearing belong to one thread.
 */
#include "support/testing.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"

#define PATH_RING 16
#define FAULT_LOOP_MAX 200000
#define GARBAGE_NEW 0xa5
#define GARBAGE_FREED 0x5a

/* ---- temporary folders and files ---- */

char *ql_test_dir_new(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = NULL;
    if (asprintf(&dir, "%s/qloader-test-XXXXXX", base && *base ? base : "/tmp") < 0) fail_msg("out of memory");
    if (!mkdtemp(dir)) fail_msg("cannot make a folder like %s: %s", dir, strerror(errno));
    return dir;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

void ql_test_dir_remove(char *dir)
{
    if (!dir) return;
    if (nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0) fail_msg("cannot remove %s: %s", dir, strerror(errno));
    free(dir);
}

const char *ql_test_path(const char *dir, const char *name)
{
    static _Thread_local char ring[PATH_RING][PATH_MAX];
    static _Thread_local unsigned next;
    char *out = ring[next++ % PATH_RING];
    int size = snprintf(out, PATH_MAX, "%s/%s", dir, name);
    if (size < 0 || size >= PATH_MAX) fail_msg("path too long: %s/%s", dir, name);
    return out;
}

static void make_parents(const char *path)
{
    char part[PATH_MAX];
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *at = part + 1; *at; at++) {
        if (*at != '/') continue;
        *at = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) fail_msg("cannot make %s: %s", part, strerror(errno));
        *at = '/';
    }
}

void ql_test_file_write(const char *path, ql_str content)
{
    make_parents(path);
    FILE *file = fopen(path, "wb");
    if (!file) fail_msg("cannot write %s: %s", path, strerror(errno));
    size_t put = content.len ? fwrite(content.ptr, 1, content.len, file) : 0;
    if (fclose(file) != 0 || put != content.len) fail_msg("cannot write all of %s", path);
}

void ql_test_file_read(const char *path, ql_buf *out)
{
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("cannot read %s: %s", path, strerror(errno));
    ql_buf_clear(out);
    char part[4096];
    for (size_t got; (got = fread(part, 1, sizeof part, file)) > 0;) ql_buf_append(out, (ql_str){part, got});
    if (ferror(file) || out->status < 0) fail_msg("cannot read all of %s", path);
    fclose(file);
}

bool ql_test_file_exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

size_t ql_test_dir_count(const char *dir)
{
    DIR *stream = opendir(dir);
    if (!stream) fail_msg("cannot list %s: %s", dir, strerror(errno));
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(stream));) count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(stream);
    return count;
}

/* ---- planting ---- */

typedef struct fault_plan {
    atomic_long until; /* calls before the first failure; < 0 once it was passed */
    atomic_bool armed, sticky, fired;
} fault_plan;

static fault_plan plans[QL_FAULT_KINDS];
static atomic_bool benign;
static atomic_long alloc_live, alloc_calls, file_calls, fds_open;
static long live_mark, fds_mark;

static bool fault_strikes(ql_test_fault kind)
{
    fault_plan *plan = &plans[kind];
    if (!atomic_load(&plan->armed)) return false;
    long left = atomic_fetch_sub(&plan->until, 1);
    bool strikes = left == 0 || (left < 0 && atomic_load(&plan->sticky));
    if (strikes) atomic_store(&plan->fired, true);
    return strikes;
}

static void fault_plant(ql_test_fault kind, long n, bool sticky)
{
    if (kind == QL_FAULT_ALLOC) ql_test_alloc_install();
    (void)ql_test_fault_clear();
    atomic_store(&benign, false);
    atomic_store(&plans[kind].until, n);
    atomic_store(&plans[kind].sticky, sticky);
    atomic_store(&plans[kind].armed, true);
}

void ql_test_fault_at(ql_test_fault kind, long n)
{
    fault_plant(kind, n, false);
}

void ql_test_fault_from(ql_test_fault kind, long n)
{
    fault_plant(kind, n, true);
}

bool ql_test_fault_clear(void)
{
    bool fired = false;
    for (int kind = 0; kind < QL_FAULT_KINDS; kind++) {
        atomic_store(&plans[kind].armed, false);
        fired |= atomic_exchange(&plans[kind].fired, false);
    }
    return fired;
}

void ql_test_fault_benign(void)
{
    atomic_store(&benign, true);
}

bool ql_test_fault_was_benign(void)
{
    return atomic_load(&benign);
}

/* ---- memory ---- */

static void fake_free(void *user, void *ptr)
{
    (void)user;
    memset(ptr, GARBAGE_FREED, malloc_usable_size(ptr));
    free(ptr);
    atomic_fetch_sub(&alloc_live, 1);
}

/* Growth always moves: a pointer kept from before it meets freed memory at once. */
static void *fake_realloc(void *user, void *ptr, size_t size)
{
    atomic_fetch_add(&alloc_calls, 1);
    if (fault_strikes(QL_FAULT_ALLOC)) return NULL;
    void *fresh = malloc(size);
    if (!fresh) return NULL;
    memset(fresh, GARBAGE_NEW, size);
    atomic_fetch_add(&alloc_live, 1);
    if (ptr) {
        size_t old = malloc_usable_size(ptr);
        memcpy(fresh, ptr, old < size ? old : size);
        fake_free(user, ptr);
    }
    return fresh;
}

void ql_test_alloc_install(void)
{
    static bool installed;
    static const ql_allocator allocator = {sizeof allocator, 0, fake_realloc, fake_free, NULL};
    if (!installed) ql__allocator_reset_for_tests(&allocator);
    installed = true;
}

long ql_test_alloc_live(void)
{
    return atomic_load(&alloc_live);
}

long ql_test_alloc_calls(void)
{
    return atomic_load(&alloc_calls);
}

void ql_test_leaks_mark(void)
{
    live_mark = atomic_load(&alloc_live);
    fds_mark = atomic_load(&fds_open);
}

void ql_test_expect_no_leaks(void)
{
    assert_int_equal(atomic_load(&alloc_live), live_mark);
    assert_int_equal(atomic_load(&fds_open), fds_mark);
}

/* ---- files ---- */

static int fault_code = EIO;
static unsigned fault_ops = QL_TEST_ALL_OPS;
static size_t io_bytes_max;

static bool file_fails(unsigned op)
{
    if (!(fault_ops & op)) return false;
    atomic_fetch_add(&file_calls, 1);
    if (!fault_strikes(QL_FAULT_FILE)) return false;
    errno = fault_code;
    return true;
}

static size_t shortened(size_t size)
{
    return io_bytes_max && size > io_bytes_max ? io_bytes_max : size;
}

static int fake_openat(void *user, int dir_fd, const char *path, int flags, mode_t mode)
{
    if (file_fails(QL_TEST_OPEN)) return -1;
    int fd = ql__file_kernel.openat_fn(user, dir_fd, path, flags, mode);
    if (fd >= 0) atomic_fetch_add(&fds_open, 1);
    return fd;
}

static int fake_close(void *user, int fd)
{
    /* The descriptor is gone even when close reports a failure. */
    int result = ql__file_kernel.close_fn(user, fd);
    if (result == 0) atomic_fetch_sub(&fds_open, 1);
    return file_fails(QL_TEST_CLOSE) ? -1 : result;
}

static ssize_t fake_pread(void *user, int fd, void *buf, size_t size, off_t offset)
{
    return file_fails(QL_TEST_READ) ? -1 : ql__file_kernel.pread_fn(user, fd, buf, shortened(size), offset);
}

static ssize_t fake_pwrite(void *user, int fd, const void *buf, size_t size, off_t offset)
{
    return file_fails(QL_TEST_WRITE) ? -1 : ql__file_kernel.pwrite_fn(user, fd, buf, shortened(size), offset);
}

static int fake_fstat(void *user, int fd, struct stat *out)
{
    return file_fails(QL_TEST_STAT) ? -1 : ql__file_kernel.fstat_fn(user, fd, out);
}

static int fake_fstatat(void *user, int dir_fd, const char *path, struct stat *out, int flags)
{
    return file_fails(QL_TEST_STAT) ? -1 : ql__file_kernel.fstatat_fn(user, dir_fd, path, out, flags);
}

static int fake_fsync(void *user, int fd)
{
    return file_fails(QL_TEST_SYNC) ? -1 : ql__file_kernel.fsync_fn(user, fd);
}

static int fake_ftruncate(void *user, int fd, off_t size)
{
    return file_fails(QL_TEST_TRUNCATE) ? -1 : ql__file_kernel.ftruncate_fn(user, fd, size);
}

static int fake_renameat(void *user, int dir_fd, const char *from, int to_dir_fd, const char *to)
{
    return file_fails(QL_TEST_RENAME) ? -1 : ql__file_kernel.renameat_fn(user, dir_fd, from, to_dir_fd, to);
}

static int fake_unlinkat(void *user, int dir_fd, const char *path, int flags)
{
    return file_fails(QL_TEST_UNLINK) ? -1 : ql__file_kernel.unlinkat_fn(user, dir_fd, path, flags);
}

static int fake_mkdirat(void *user, int dir_fd, const char *path, mode_t mode)
{
    return file_fails(QL_TEST_MKDIR) ? -1 : ql__file_kernel.mkdirat_fn(user, dir_fd, path, mode);
}

static void *fake_mmap(void *user, size_t size, int prot, int flags, int fd, off_t offset)
{
    return file_fails(QL_TEST_MMAP) ? MAP_FAILED : ql__file_kernel.mmap_fn(user, size, prot, flags, fd, offset);
}

static int fake_munmap(void *user, void *ptr, size_t size)
{
    return ql__file_kernel.munmap_fn(user, ptr, size);
}

void ql_test_fault_errno(int os_code)
{
    fault_code = os_code;
}

void ql_test_fault_ops(unsigned ops)
{
    fault_ops = ops;
}

void ql_test_io_short(size_t bytes_max)
{
    io_bytes_max = bytes_max;
}

long ql_test_file_calls(void)
{
    return atomic_load(&file_calls);
}

long ql_test_fds_open(void)
{
    return atomic_load(&fds_open);
}

/* ---- clock ---- */

static atomic_llong clock_wall_ms = 1700000000000;
static atomic_ullong clock_monotonic_ns = 1000000000;

static int64_t fake_wall_ms(void *user)
{
    (void)user;
    return atomic_load(&clock_wall_ms);
}

static uint64_t fake_monotonic_ns(void *user)
{
    (void)user;
    return atomic_load(&clock_monotonic_ns);
}

void ql_test_clock_set(int64_t wall_ms)
{
    atomic_store(&clock_wall_ms, wall_ms);
}

void ql_test_clock_advance(uint64_t ms)
{
    atomic_fetch_add(&clock_wall_ms, (long long)ms);
    atomic_fetch_add(&clock_monotonic_ns, ms * 1000000);
}

static void fake_sleep_ms(void *user, uint32_t ms)
{
    (void)user;
    ql_test_clock_advance(ms);
}

/* ---- network ---- */

static const ql__net_ops *real_net;
static atomic_long net_calls;

void ql_test_net_use(const ql__net_ops *real)
{
    real_net = real;
}

long ql_test_net_calls(void)
{
    return atomic_load(&net_calls);
}

typedef struct cut_body {
    const ql__net_get *get;
    bool cut;
} cut_body;

static ql_status take_and_cut(void *user, ql_str piece, uint64_t total, ql_error *err)
{
    cut_body *self = user;
    ql_status status = self->get->body_fn(self->get->user, (ql_str){piece.ptr, piece.len / 2}, total, err);
    if (status < 0) return status;
    self->cut = true;
    return QL_E_NET;
}

/* What networks do, one after the other: nobody there, silence, an overloaded server, a server that wants a pause, a cut connection. */
static ql_status fail_request(long how, const ql__net_get *get, ql_error *err)
{
    ql_error what = {.status = QL_E_NET};
    cut_body body = {.get = get};
    ql__net_get cut = *get;
    switch (how % 5) {
    case 0: snprintf(what.message, sizeof what.message, "connection refused"); break;
    case 1: what.status = QL_E_TIMEOUT; snprintf(what.message, sizeof what.message, "no answer"); break;
    case 2: what.http_code = 503; snprintf(what.message, sizeof what.message, "the server answers 503"); break;
    case 3: what.http_code = 429; what.retry_after_ms = 1000; snprintf(what.message, sizeof what.message, "the server answers 429"); break;
    default:
        cut.body_fn = take_and_cut;
        cut.user = &body;
        cut.cancelled_fn = NULL;
        (void)real_net->get_fn(real_net->user, &cut, &what);
        what.status = QL_E_NET;
        snprintf(what.message, sizeof what.message, "the connection was cut");
    }
    if (err) *err = what;
    return what.status;
}

static ql_status fake_get(void *user, const ql__net_get *get, ql_error *err)
{
    (void)user;
    long how = atomic_fetch_add(&net_calls, 1);
    return fault_strikes(QL_FAULT_NET) ? fail_request(how, get, err) : real_net->get_fn(real_net->user, get, err);
}

const ql__sys *ql_test_sys(void)
{
    static const ql__file_ops files = {
        .openat_fn = fake_openat,
        .close_fn = fake_close,
        .pread_fn = fake_pread,
        .pwrite_fn = fake_pwrite,
        .fstat_fn = fake_fstat,
        .fstatat_fn = fake_fstatat,
        .fsync_fn = fake_fsync,
        .ftruncate_fn = fake_ftruncate,
        .renameat_fn = fake_renameat,
        .unlinkat_fn = fake_unlinkat,
        .mkdirat_fn = fake_mkdirat,
        .mmap_fn = fake_mmap,
        .munmap_fn = fake_munmap,
    };
    static const ql__clock_ops clock = {fake_wall_ms, fake_monotonic_ns, fake_sleep_ms, NULL};
    static const ql__net_ops net = {fake_get, NULL};
    static const ql__sys without_net = {&files, &clock, NULL}, with_net = {&files, &clock, &net};
    return real_net ? &with_net : &without_net;
}

/* ---- the fault loop ---- */

typedef struct loop_site {
    const char *file;
    int line;
} loop_site;

static ql_status expected_status(ql_test_fault kind)
{
    if (kind == QL_FAULT_ALLOC) return QL_E_NOMEM;
    if (kind == QL_FAULT_NET) return QL_E_NET;
    switch (fault_code) {
    case ENOSPC:
    case EDQUOT: return QL_E_NOSPACE;
    case ENOMEM: return QL_E_NOMEM;
    case ENOENT: return QL_E_NOTFOUND;
    case EEXIST: return QL_E_EXISTS;
    default: return QL_E_IO;
    }
}

#define SITE_FAIL(site, format, ...) \
    do { \
        print_error("fault loop: " format "\n", __VA_ARGS__); \
        _fail((site).file, (site).line); \
    } while (0)

static void check_outcome(loop_site site, ql_test_fault kind, bool sticky, long n, bool fired, ql_status status, const ql_error *err)
{
    const char *how = sticky ? "from call" : "at call";
    if (!fired) {
        if (status < 0) SITE_FAIL(site, "fails without a fault: %s: %s", ql_status_name(status), err->message);
        return;
    }
    if (status >= 0) {
        bool tried_again = kind == QL_FAULT_NET && !sticky;
        if (!tried_again && !ql_test_fault_was_benign()) SITE_FAIL(site, "fault %s %ld went unnoticed", how, n);
        return;
    }
    bool timed_out = kind == QL_FAULT_NET && ql_status_kind(status) == QL_E_TIMEOUT;
    if (ql_status_kind(status) != expected_status(kind) && !timed_out) {
        SITE_FAIL(site, "fault %s %ld gives '%s' (%s), expected '%s'", how, n, ql_status_name(status), err->message,
                  ql_status_name(expected_status(kind)));
    }
    if (err->status != status) SITE_FAIL(site, "fault %s %ld: err says %d, the call %d", how, n, (int)err->status, (int)status);
    if (!err->message[0]) SITE_FAIL(site, "fault %s %ld: no message", how, n);
}

static void fault_loop_run(loop_site site, ql_test_fault kind, bool sticky, ql_test_scenario_fn scenario, void *user)
{
    for (long n = 0; n < FAULT_LOOP_MAX; n++) {
        ql_error err = {0};
        ql_test_leaks_mark();
        fault_plant(kind, n, sticky);
        ql_status status = scenario(user, &err);
        bool fired = ql_test_fault_clear();
        check_outcome(site, kind, sticky, n, fired, status, &err);
        if (ql_test_alloc_live() != live_mark || ql_test_fds_open() != fds_mark) {
            SITE_FAIL(site, "fault %s %ld leaks: memory %+ld, descriptors %+ld", sticky ? "from call" : "at call", n,
                      ql_test_alloc_live() - live_mark, ql_test_fds_open() - fds_mark);
        }
        if (!fired) return;
    }
    SITE_FAIL(site, "still failing after %d calls", FAULT_LOOP_MAX);
}

void ql__test_fault_loop(ql_test_fault kind, ql_test_scenario_fn scenario, void *user, const char *file, int line)
{
    loop_site site = {file, line};
    ql_test_alloc_install();
    fault_loop_run(site, kind, false, scenario, user);
    fault_loop_run(site, kind, true, scenario, user);
}
