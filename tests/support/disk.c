/*
 * The recorder and the maker of images. System calls are made directly, so that nothing here meets itself. Descriptors are followed
 * by number: one that was opened below root belongs to a node, a file or folder that keeps its identity over renames.
 */
#include "support/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FDS_MAX 65536
#define SHM_BYTES 32768

typedef enum event_kind { EVENT_LINK, EVENT_UNLINK, EVENT_RENAME, EVENT_WRITE, EVENT_TRUNCATE, EVENT_SYNC, EVENT_MARK } event_kind;

typedef struct event {
    event_kind kind;
    int node;       /* what is linked, moved, written, synced */
    int folder;     /* whose names change */
    char *name, *to; /* below root; "" is root itself */
    size_t offset, size;
    unsigned char *data;
    long mark;
} event;

typedef struct node {
    bool folder;
    unsigned char *base; /* content at the start of the recording */
    size_t base_size;
} node;

typedef struct entry {
    char *path;
    int node;
} entry;

struct disk_log {
    char *root;
    node *nodes;
    event *events;
    entry *names; /* now */
    entry *start; /* at the start of the recording */
    size_t node_count, event_count, name_count, start_count, bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static disk_log *recording;
static int fd_nodes[FDS_MAX]; /* node + 1 */
static const char *lie_part;
static bool lie_folders;
static size_t lies;

static void *grown(void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0) return array; /* full at powers of two only */
    void *out = realloc(array, (count ? count * 2 : 1) * size);
    if (!out) abort();
    return out;
}

/* --- the log */

static event *event_add(event_kind kind)
{
    recording->events = grown(recording->events, recording->event_count, sizeof(event));
    event *out = &recording->events[recording->event_count++];
    *out = (event){.kind = kind, .node = -1, .folder = -1};
    return out;
}

static int node_add(disk_log *log, bool folder)
{
    log->nodes = grown(log->nodes, log->node_count, sizeof(node));
    log->nodes[log->node_count] = (node){.folder = folder};
    return (int)log->node_count++;
}

static int name_find(const entry *names, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i].path, path) == 0) return names[i].node;
    return -1;
}

static void name_set(entry **names, size_t *count, const char *path, int value)
{
    size_t at = 0;
    while (at < *count && strcmp((*names)[at].path, path) != 0) at++;
    if (value < 0) {
        if (at == *count) return;
        free((*names)[at].path);
        (*names)[at] = (*names)[--*count];
        return;
    }
    if (at == *count) {
        *names = grown(*names, *count, sizeof(entry));
        (*names)[(*count)++] = (entry){strdup(path), value};
    }
    (*names)[at].node = value;
}

/* The part of a path below root, NULL when it lies elsewhere. */
static const char *below(const char *path)
{
    if (!recording || !path) return NULL;
    size_t len = strlen(recording->root);
    if (strncmp(path, recording->root, len) != 0) return NULL;
    if (path[len] == '\0') return "";
    return path[len] == '/' ? path + len + 1 : NULL;
}

static int folder_of(const char *path)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    char *slash = strrchr(part, '/');
    if (slash) *slash = '\0';
    else part[0] = '\0';
    return name_find(recording->names, recording->name_count, part);
}

static void link_add(const char *path, int value)
{
    event *out = event_add(EVENT_LINK);
    out->node = value;
    out->name = strdup(path);
    out->folder = folder_of(path);
    name_set(&recording->names, &recording->name_count, path, value);
}

static int fd_node(int fd)
{
    return recording && fd >= 0 && fd < FDS_MAX ? fd_nodes[fd] - 1 : -1;
}

static void truncate_add(int value, size_t size)
{
    event *out = event_add(EVENT_TRUNCATE);
    out->node = value;
    out->size = size;
}

static void write_add(int value, const void *data, size_t size, size_t offset)
{
    event *out = event_add(EVENT_WRITE);
    out->node = value;
    out->offset = offset;
    out->size = size;
    out->data = malloc(size ? size : 1);
    memcpy(out->data, data, size);
    recording->bytes += size;
}

/* --- planted failures */

static struct {
    const char *root;
    unsigned calls;
    int os_code;
    long left, counted;
    bool from, fired;
} plan;
static bool fd_planned[FDS_MAX];

static bool is_planned(const char *path)
{
    size_t len = plan.root && path ? strlen(plan.root) : 0;
    return len && strncmp(path, plan.root, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* With QL_DISK_TELL: says which call was struck, and is a place for a debugger to stop. */
__attribute__((noinline)) static void disk_struck(long number, int call)
{
    dprintf(2, "call %ld fails: kind %d\n", number, call);
}

static bool strikes(disk_call call, bool planned)
{
    if (!plan.root || !planned || !(plan.calls & (unsigned)call)) return false;
    pthread_mutex_lock(&lock);
    plan.counted++;
    bool hit = plan.left == 0 || (plan.left < 0 && plan.from && plan.fired);
    if (plan.left >= 0) plan.left--;
    bool told = hit && !plan.fired && getenv("QL_DISK_TELL");
    plan.fired |= hit;
    pthread_mutex_unlock(&lock);
    if (told) disk_struck(plan.counted - 1, (int)call);
    return hit;
}

static bool fails(disk_call call, bool planned)
{
    if (!strikes(call, planned)) return false;
    errno = plan.os_code;
    return plan.os_code != 0;
}

static bool fd_is_planned(int fd)
{
    return fd >= 0 && fd < FDS_MAX && fd_planned[fd];
}

/* What is left of a transfer; -1 with errno when it fails. */
static ssize_t allowed_bytes(disk_call call, int fd, size_t size)
{
    if (!strikes(call, fd_is_planned(fd))) return (ssize_t)size;
    errno = plan.os_code;
    return plan.os_code ? -1 : (ssize_t)(size > 1 ? size / 2 : size);
}

/* --- the calls, visible to the shared libraries too */

#pragma GCC visibility push(default)

static int call_open(int dir_fd, const char *path, int flags, mode_t mode)
{
    if (fails(DISK_OPEN, is_planned(path))) return -1;
    pthread_mutex_lock(&lock);
    int fd = (int)syscall(SYS_openat, dir_fd, path, flags, mode), saved = errno;
    const char *name = dir_fd == AT_FDCWD ? below(path) : NULL;
    if (fd >= 0 && fd < FDS_MAX) {
        fd_nodes[fd] = 0;
        fd_planned[fd] = is_planned(path);
        if (name && strcmp(name, "") != 0 && (flags & O_CREAT) && name_find(recording->names, recording->name_count, name) < 0)
            link_add(name, node_add(recording, false));
        int value = name ? name_find(recording->names, recording->name_count, name) : -1;
        if (value >= 0 && (flags & O_TRUNC)) truncate_add(value, 0);
        fd_nodes[fd] = value + 1;
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return fd;
}

#define OPEN_MODE(mode, flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { \
        va_list list; \
        va_start(list, flags); \
        mode = va_arg(list, mode_t); \
        va_end(list); \
    }

int open(const char *path, int flags, ...)
{
    OPEN_MODE(mode, flags)
    return call_open(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    OPEN_MODE(mode, flags)
    return call_open(AT_FDCWD, path, flags, mode);
}

int openat(int dir_fd, const char *path, int flags, ...)
{
    OPEN_MODE(mode, flags)
    return call_open(dir_fd, path, flags, mode);
}

int openat64(int dir_fd, const char *path, int flags, ...)
{
    OPEN_MODE(mode, flags)
    return call_open(dir_fd, path, flags, mode);
}

int close(int fd)
{
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FDS_MAX) fd_nodes[fd] = 0;
    int result = (int)syscall(SYS_close, fd), saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

static ssize_t call_pwrite(int fd, const void *data, size_t asked, off_t offset)
{
    ssize_t size = allowed_bytes(DISK_WRITE, fd, asked);
    if (size < 0) return -1;
    pthread_mutex_lock(&lock);
    ssize_t put = syscall(SYS_pwrite64, fd, data, size, offset);
    int saved = errno, value = fd_node(fd);
    if (put > 0 && value >= 0) write_add(value, data, (size_t)put, (size_t)offset);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return put;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return call_pwrite(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    return call_pwrite(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t asked)
{
    ssize_t size = allowed_bytes(DISK_WRITE, fd, asked);
    if (size < 0) return -1;
    pthread_mutex_lock(&lock);
    int value = fd_node(fd);
    off_t offset = value >= 0 ? (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR) : 0;
    ssize_t put = syscall(SYS_write, fd, data, size);
    int saved = errno;
    if (put > 0 && value >= 0) write_add(value, data, (size_t)put, (size_t)offset);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return put;
}

static int call_ftruncate(int fd, off_t size)
{
    if (fails(DISK_TRUNCATE, fd_is_planned(fd))) return -1;
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_ftruncate, fd, size), saved = errno, value = fd_node(fd);
    if (result == 0 && value >= 0) truncate_add(value, (size_t)size);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int ftruncate(int fd, off_t size)
{
    return call_ftruncate(fd, size);
}

int ftruncate64(int fd, off_t size)
{
    return call_ftruncate(fd, size);
}

static bool is_lie(int value)
{
    if (!lie_part || recording->nodes[value].folder != lie_folders) return false;
    for (size_t i = 0; i < recording->name_count; i++)
        if (recording->names[i].node == value && strstr(recording->names[i].path, lie_part)) return true;
    return false;
}

static int call_sync(int fd, long number)
{
    if (fails(DISK_SYNC, fd_is_planned(fd))) return -1;
    pthread_mutex_lock(&lock);
    int value = fd_node(fd), result = 0, saved = errno;
    if (value >= 0 && is_lie(value)) {
        lies++;
    } else {
        result = (int)syscall(number, fd);
        saved = errno;
        if (result == 0 && value >= 0) event_add(EVENT_SYNC)->node = value;
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int fsync(int fd)
{
    return call_sync(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return call_sync(fd, SYS_fdatasync);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    if (fails(DISK_RENAME, is_planned(from))) return -1;
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_renameat, from_fd, from, to_fd, to), saved = errno;
    const char *name = below(from), *new_name = below(to);
    if (result == 0 && name && new_name) {
        event *out = event_add(EVENT_RENAME);
        out->node = name_find(recording->names, recording->name_count, name);
        out->folder = folder_of(name);
        out->name = strdup(name);
        out->to = strdup(new_name);
        name_set(&recording->names, &recording->name_count, new_name, out->node);
        name_set(&recording->names, &recording->name_count, name, -1);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int dir_fd, const char *path, int flags)
{
    if (fails(DISK_UNLINK, is_planned(path))) return -1;
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_unlinkat, dir_fd, path, flags), saved = errno;
    const char *name = below(path);
    if (result == 0 && name) {
        event *out = event_add(EVENT_UNLINK);
        out->name = strdup(name);
        out->folder = folder_of(name);
        name_set(&recording->names, &recording->name_count, name, -1);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int mkdirat(int dir_fd, const char *path, mode_t mode)
{
    if (fails(DISK_MKDIR, is_planned(path))) return -1;
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_mkdirat, dir_fd, path, mode), saved = errno;
    const char *name = below(path);
    if (result == 0 && name) link_add(name, node_add(recording, true));
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

static ssize_t call_pread(int fd, void *data, size_t asked, off_t offset)
{
    ssize_t size = allowed_bytes(DISK_READ, fd, asked);
    return size < 0 ? -1 : syscall(SYS_pread64, fd, data, size, offset);
}

ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
    return call_pread(fd, data, size, offset);
}

ssize_t pread64(int fd, void *data, size_t size, off_t offset)
{
    return call_pread(fd, data, size, offset);
}

ssize_t read(int fd, void *data, size_t asked)
{
    ssize_t size = allowed_bytes(DISK_READ, fd, asked);
    return size < 0 ? -1 : syscall(SYS_read, fd, data, size);
}

static int call_stat(int dir_fd, const char *path, struct stat *out, int flags)
{
    bool planned = path[0] ? is_planned(path) : fd_is_planned(dir_fd);
    return fails(DISK_STAT, planned) ? -1 : (int)syscall(SYS_newfstatat, dir_fd, path, out, flags);
}

#define STAT_CALLS(suffix) \
    int stat##suffix(const char *path, struct stat##suffix *out) { return call_stat(AT_FDCWD, path, (struct stat *)(void *)out, 0); } \
    int lstat##suffix(const char *path, struct stat##suffix *out) { return call_stat(AT_FDCWD, path, (struct stat *)(void *)out, AT_SYMLINK_NOFOLLOW); } \
    int fstat##suffix(int fd, struct stat##suffix *out) { return call_stat(fd, "", (struct stat *)(void *)out, AT_EMPTY_PATH); } \
    int fstatat##suffix(int dir_fd, const char *path, struct stat##suffix *out, int flags) { return call_stat(dir_fd, path, (struct stat *)(void *)out, flags); }
STAT_CALLS()
STAT_CALLS(64)

static void *call_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    if (fd >= 0 && fails(DISK_MMAP, fd_is_planned(fd))) return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, size, prot, flags, fd, offset);
}

void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    return call_mmap(at, size, prot, flags, fd, offset);
}

void *mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    return call_mmap(at, size, prot, flags, fd, offset);
}

#pragma GCC visibility pop

void disk_fail(const char *root, unsigned calls, int os_code, long n, bool from)
{
    plan.calls = calls;
    plan.os_code = os_code;
    plan.left = n;
    plan.from = from;
    plan.fired = false;
    plan.counted = 0;
    plan.root = root;
}

long disk_fail_end(bool *fired)
{
    plan.root = NULL;
    if (fired) *fired = plan.fired;
    return plan.counted;
}

/* --- recording */

static void *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file) abort();
    (void)fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    void *out = malloc(*size + 1);
    if (fread(out, 1, *size, file) != *size) abort();
    fclose(file);
    return out;
}

static void start_add(disk_log *log, const char *path, int value)
{
    name_set(&log->names, &log->name_count, path, value);
    name_set(&log->start, &log->start_count, path, value);
}

static void scan(disk_log *log, const char *path)
{
    char full[PATH_MAX * 2], child[PATH_MAX];
    snprintf(full, sizeof full, "%s/%s", log->root, path);
    start_add(log, path, node_add(log, true));
    DIR *dir = opendir(full);
    for (struct dirent *found; dir && (found = readdir(dir));) {
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0) continue;
        snprintf(child, sizeof child, "%s%s%s", path, path[0] ? "/" : "", found->d_name);
        snprintf(full, sizeof full, "%s/%s", log->root, child);
        struct stat info;
        if (lstat(full, &info) != 0) abort();
        if (S_ISDIR(info.st_mode)) {
            scan(log, child);
            continue;
        }
        int value = node_add(log, false);
        log->nodes[value].base = read_file(full, &log->nodes[value].base_size);
        start_add(log, child, value);
    }
    if (dir) closedir(dir);
}

void disk_record(const char *root)
{
    disk_log *log = calloc(1, sizeof *log);
    log->root = strdup(root);
    scan(log, "");
    memset(fd_nodes, 0, sizeof fd_nodes);
    recording = log;
}

disk_log *disk_record_end(void)
{
    disk_log *log = recording;
    recording = NULL;
    return log;
}

static void names_free(entry *names, size_t count)
{
    for (size_t i = 0; i < count; i++) free(names[i].path);
    free(names);
}

void disk_log_free(disk_log *self)
{
    if (!self) return;
    for (size_t i = 0; i < self->event_count; i++) {
        free(self->events[i].name);
        free(self->events[i].to);
        free(self->events[i].data);
    }
    for (size_t i = 0; i < self->node_count; i++) free(self->nodes[i].base);
    names_free(self->names, self->name_count);
    names_free(self->start, self->start_count);
    free(self->events);
    free(self->nodes);
    free(self->root);
    free(self);
}

void disk_mark(long value)
{
    pthread_mutex_lock(&lock);
    if (recording) event_add(EVENT_MARK)->mark = value;
    pthread_mutex_unlock(&lock);
}

size_t disk_log_count(const disk_log *self)
{
    return self->event_count;
}

size_t disk_log_bytes(const disk_log *self)
{
    return self->bytes;
}

long disk_log_mark(const disk_log *self, size_t events)
{
    for (size_t i = events; i-- > 0;)
        if (self->events[i].kind == EVENT_MARK) return self->events[i].mark;
    return 0;
}

size_t disk_log_syncs(const disk_log *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->event_count; i++) count += self->events[i].kind == EVENT_SYNC;
    return count;
}

size_t disk_log_sync_at(const disk_log *self, size_t number)
{
    for (size_t i = 0; i < self->event_count; i++)
        if (self->events[i].kind == EVENT_SYNC && number-- == 0) return i;
    return 0;
}

void disk_lie(const char *part, bool folders)
{
    lie_part = part;
    lie_folders = folders;
    lies = 0;
}

size_t disk_lies(void)
{
    return lies;
}

/* --- images */

typedef struct content {
    unsigned char *data;
    size_t size, capacity;
    unsigned keep;     /* chance of an unsynced sector, of 8 */
    bool grow, garbage; /* a dropped write at the end still makes the file longer, by garbage or zeros */
} content;

typedef struct image {
    const disk_log *log;
    uint64_t random;
    size_t sector;
    unsigned keep_names;
    content *contents;
    entry *names;
    size_t name_count;
    bool *synced; /* (events) safe on the disk at the cut */
} image;

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ull;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static bool chance(image *self, unsigned of_8)
{
    return next_random(&self->random) % 8 < of_8;
}

static unsigned pick_keep(image *self)
{
    static const unsigned keeps[] = {0, 1, 4, 7, 8};
    return keeps[next_random(&self->random) % 5];
}

static void content_resize(image *self, content *file, size_t size, bool garbage)
{
    if (size > file->capacity) {
        file->capacity = size * 2;
        file->data = realloc(file->data, file->capacity);
        if (!file->data) abort();
    }
    for (size_t i = file->size; i < size; i++) file->data[i] = garbage ? (unsigned char)next_random(&self->random) : 0;
    file->size = size;
}

static void content_put(image *self, content *file, const unsigned char *data, size_t size, size_t offset)
{
    if (offset + size > file->size) content_resize(self, file, offset + size, false);
    if (size) memcpy(file->data + offset, data, size);
}

static void put_pieces(image *self, content *file, const event *from)
{
    for (size_t at = 0; at < from->size;) {
        size_t offset = from->offset + at, part = self->sector - offset % self->sector;
        if (part > from->size - at) part = from->size - at;
        if (chance(self, file->keep)) {
            size_t kept = next_random(&self->random) % 16 == 0 ? (size_t)(next_random(&self->random) % part) : part;
            if (kept < part && file->grow && offset + part > file->size) content_resize(self, file, offset + part, file->garbage);
            content_put(self, file, from->data + at, kept, offset);
        } else if (file->grow && offset + part > file->size) {
            content_resize(self, file, offset + part, file->garbage);
        }
        at += part;
    }
}

static void mark_synced(image *self, size_t events, bool whole)
{
    bool *seen = calloc(self->log->node_count + 1, sizeof *seen);
    for (size_t i = events; i-- > 0;) {
        const event *from = &self->log->events[i];
        bool names = from->kind == EVENT_LINK || from->kind == EVENT_UNLINK || from->kind == EVENT_RENAME;
        if (from->kind == EVENT_SYNC) seen[from->node] = true;
        int holder = names ? from->folder : from->node;
        self->synced[i] = whole || (holder >= 0 && seen[holder]);
    }
    free(seen);
}

static void apply(image *self, const event *from, bool synced)
{
    content *file = from->node >= 0 ? &self->contents[from->node] : NULL;
    switch (from->kind) {
    case EVENT_LINK:
        if (synced || chance(self, self->keep_names)) name_set(&self->names, &self->name_count, from->name, from->node);
        break;
    case EVENT_UNLINK:
        if (synced || chance(self, self->keep_names)) name_set(&self->names, &self->name_count, from->name, -1);
        break;
    case EVENT_RENAME:
        if (!synced && !chance(self, self->keep_names)) break;
        name_set(&self->names, &self->name_count, from->to, from->node);
        name_set(&self->names, &self->name_count, from->name, -1);
        break;
    case EVENT_WRITE:
        if (synced) content_put(self, file, from->data, from->size, from->offset);
        else put_pieces(self, file, from);
        break;
    case EVENT_TRUNCATE:
        if (synced || chance(self, file->keep)) content_resize(self, file, from->size, false);
        break;
    case EVENT_SYNC:
    case EVENT_MARK: break;
    }
}

static bool folder_is_there(const image *self, const char *path)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash; (slash = strrchr(part, '/'));) {
        *slash = '\0';
        if (name_find(self->names, self->name_count, part) < 0) return false;
    }
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void write_out(image *self, const entry *one, const char *to)
{
    char path[PATH_MAX * 2];
    content *file = &self->contents[one->node];
    snprintf(path, sizeof path, "%s/%s", to, one->path);
    if (self->log->nodes[one->node].folder) {
        for (char *at = path + strlen(to) + 1; (at = strchr(at, '/')); *at++ = '/') {
            *at = '\0';
            (void)syscall(SYS_mkdirat, AT_FDCWD, path, 0755);
        }
        (void)syscall(SYS_mkdirat, AT_FDCWD, path, 0755);
        return;
    }
    /* The shared index of SQLite's log is mapped memory that nobody syncs: anything may be in it. */
    if (ends_with(one->path, "-shm")) content_resize(self, file, 0, false), content_resize(self, file, SHM_BYTES, file->garbage);
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(file->data ? (const void *)file->data : "", 1, file->size, out) != file->size || fclose(out) != 0) abort();
}

static void make(const disk_log *log, size_t events, uint64_t seed, bool whole, const char *to)
{
    image self = {.log = log, .random = seed * 0x2545f4914f6cdd1dull + 1};
    self.contents = calloc(log->node_count, sizeof *self.contents);
    self.synced = calloc(events + 1, sizeof *self.synced);
    self.sector = next_random(&self.random) % 2 ? 512 : 4096;
    self.keep_names = pick_keep(&self);
    for (size_t i = 0; i < log->node_count; i++) {
        content *file = &self.contents[i];
        content_put(&self, file, log->nodes[i].base, log->nodes[i].base_size, 0);
        *file = (content){file->data, file->size, file->capacity, pick_keep(&self), chance(&self, 4), chance(&self, 4)};
    }
    for (size_t i = 0; i < log->start_count; i++) name_set(&self.names, &self.name_count, log->start[i].path, log->start[i].node);
    mark_synced(&self, events, whole);
    for (size_t i = 0; i < events; i++) apply(&self, &log->events[i], self.synced[i]);
    for (int folders = 1; folders >= 0; folders--)
        for (size_t i = 0; i < self.name_count; i++)
            if (log->nodes[self.names[i].node].folder == (folders == 1) && self.names[i].path[0] && folder_is_there(&self, self.names[i].path))
                write_out(&self, &self.names[i], to);
    for (size_t i = 0; i < log->node_count; i++) free(self.contents[i].data);
    free(self.contents);
    free(self.synced);
    names_free(self.names, self.name_count);
}

void disk_image(const disk_log *self, size_t events, uint64_t seed, const char *to)
{
    make(self, events, seed, false, to);
}

void disk_image_whole(const disk_log *self, const char *to)
{
    make(self, self->event_count, 0, true, to);
}
