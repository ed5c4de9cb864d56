/*
 * Files below one folder.
 *
 * Invariants: nothing outside the root is ever opened. Every path is walked from the root's descriptor one part at a time without
 * following symbolic links; a link to a file is resolved to a path first, and that path is then walked in the same way, so a link that
 * is exchanged in between leads to an error, never out. Device files, fifos and sockets are not opened.
 * What cannot be looked at (a folder, the target of a link) makes the listing incomplete: QL_E_PARTIAL after all that can be listed. A file
 * that may not be read is listed, and its fetch fails: the index keeps what it had.
 * Identity: "file://" and the real path, as in the reference; a name that is not plain text (control characters, not UTF-8) is written
 * as "file://localhost" and the percent-encoded path, which no plain name can be.
 * Threads: fetch may run on several threads. Cost: one stat for each file when listing, one read when fetching.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/status.h"
#include "source/file_document.h"
#include "source/file_facts.h"
#include "source/path_filter.h"
#include "source/source.h"

enum { TICK_MS = 20 }; /* twice the longest that kernels are built with */

typedef struct local_source {
    ql__source_options options;
    ql__path_filter *filter;
    ql_buf root; /* real path, without a trailing '/' (so "" for "/") */
    int root_fd;
} local_source;

/* ---- Opening ---- */

static void local_close(void *user)
{
    local_source *self = user;
    if (self == NULL) return;
    ql__file_close(self->options.sys, self->root_fd);
    ql__path_filter_free(self->filter);
    ql_buf_dispose(&self->root);
    ql__free(self);
}

/* The path that base_url names: "file:///srv/my%20docs", "file://localhost/srv", or a plain path. */
static ql_status path_of_url(ql_str url, ql_buf *out, ql_error *err)
{
    static const char scheme[] = "file://";
    size_t skip = sizeof scheme - 1;
    if (url.len < skip || memcmp(url.ptr, scheme, skip) != 0) return ql_buf_append(out, url);
    ql_str rest = {url.ptr + skip, url.len - skip};
    ql_str host = QL_STR("localhost");
    if (rest.len > host.len && memcmp(rest.ptr, host.ptr, host.len) == 0 && rest.ptr[host.len] == '/')
        rest = (ql_str){rest.ptr + host.len, rest.len - host.len};
    if (rest.len == 0 || rest.ptr[0] != '/')
        return ql__fail(err, QL_E_CONFIG, "base_url '%.*s' does not name a folder of this machine: write file:///folder", (int)url.len,
                        url.ptr);
    return ql__percent_decode(out, rest);
}

static ql_status open_root(local_source *self, ql_error *err)
{
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    ql_status status = path_of_url(self->options.config->base_url, &path, err);
    if (path.status < 0) return ql__fail_nomem(err);
    QL_TRY(status);
    if (strlen(ql_buf_cstr(&path)) != path.len) return ql__fail(err, QL_E_CONFIG, "base_url holds a NUL byte");
    char real[PATH_MAX];
    if (realpath(ql_buf_cstr(&path), real) == NULL) return ql__fail_errno(err, errno, "folder '%s'", ql_buf_cstr(&path));
    QL_TRY(ql__file_open(self->options.sys, real, O_RDONLY | O_DIRECTORY, 0, &self->root_fd, err));
    ql_str text = ql_str_of(real);
    if (text.len == 1) text.len = 0;
    return ql_buf_append(&self->root, text) < 0 ? ql__fail_nomem(err) : QL_OK;
}

/* ---- Never out of the root ---- */

static int open_at(const local_source *self, int folder_fd, const char *name, int flags)
{
    const ql__file_ops *file = self->options.sys->file;
    int fd;
    do fd = file->openat_fn(file->user, folder_fd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/*
 * Opens the folder that holds the last part of path, and copies that part. -1 with errno. A part "." or ".." or an empty one is
 * refused: no path of ours has one.
 */
static int open_parent(const local_source *self, ql_str path, char last[NAME_MAX + 1])
{
    int fd = -1;
    for (size_t at = 0;;) {
        const char *slash = memchr(path.ptr + at, '/', path.len - at);
        size_t length = (slash != NULL ? (size_t)(slash - path.ptr) : path.len) - at;
        bool dots = length > 0 && length <= 2 && path.ptr[at] == '.' && path.ptr[at + length - 1] == '.';
        if (length == 0 || length > NAME_MAX || dots || memchr(path.ptr + at, '\0', length) != NULL) {
            ql__file_close(self->options.sys, fd);
            errno = ENOENT;
            return -1;
        }
        memcpy(last, path.ptr + at, length);
        last[length] = '\0';
        int from = fd < 0 ? self->root_fd : fd;
        if (slash == NULL) return fd < 0 ? open_at(self, self->root_fd, ".", O_PATH | O_DIRECTORY) : fd;
        int next = open_at(self, from, last, O_PATH | O_DIRECTORY);
        int saved = errno;
        ql__file_close(self->options.sys, fd);
        errno = saved;
        if (next < 0) return -1;
        fd = next;
        at += length + 1;
    }
}

static int stat_at(const local_source *self, int folder_fd, const char *name, struct stat *out)
{
    const ql__file_ops *file = self->options.sys->file;
    return file->fstatat_fn(file->user, folder_fd, name, out, AT_SYMLINK_NOFOLLOW);
}

/* ---- Listing ---- */

typedef struct folder_id {
    dev_t device;
    ino_t inode;
} folder_id;

typedef struct local_walk {
    local_source *source;
    const ql_source_sink *sink;
    ql_buf path;    /* of the entry in hand, relative to the root */
    ql_buf url, version, key, reason;
    ql__map linked; /* targets that were listed through a link */
    ql__arena linked_names;
    size_t unread_count; /* folders that could not be read */
    ql_error unread;     /* the first of them */
    uint32_t depth;
    folder_id above[QL_LIMIT_FOLDER_DEPTH + 1]; /* folders being read, the root first */
    folder_id own[2];                           /* the workspace's, which are left out */
    size_t own_count;
    uint32_t entries;
    int64_t newest_ms; /* last change of all files that were listed */
} local_walk;

static ql_str plain_url(const local_source *self, ql_str path, ql_buf *out)
{
    bool plain = ql__path_is_plain(path) && ql__path_is_plain(ql_buf_str(&self->root));
    ql_buf_clear(out);
    if (plain) {
        (void)ql_buf_append(out, QL_STR("file://"));
        (void)ql_buf_append(out, ql_buf_str(&self->root));
        (void)ql_buf_append_char(out, '/');
        (void)ql_buf_append(out, path);
    } else {
        (void)ql_buf_append(out, QL_STR("file://localhost"));
        (void)ql__percent_encode(out, ql_buf_str(&self->root));
        (void)ql_buf_append_char(out, '/');
        (void)ql__percent_encode(out, path);
    }
    return ql_buf_str(out);
}

static ql_status skip(local_walk *walk, ql_str path, ql_str reason, ql_error *err)
{
    if (walk->sink->skipped_fn == NULL) return QL_OK;
    ql_str url = plain_url(walk->source, path, &walk->url);
    if (walk->url.status < 0) return ql__fail_nomem(err);
    return ql__sink_skipped(walk->sink, url, reason, err);
}

/* Size, times and inode: what changes when a file's content does, short of setting the clock back. */
static void write_version(const struct stat *st, ql_buf *out)
{
    ql_buf_clear(out);
    (void)ql_buf_printf(out, "%llx-%llx.%lx-%llx.%lx-%llx", (unsigned long long)st->st_size, (unsigned long long)st->st_mtim.tv_sec,
                        (unsigned long)st->st_mtim.tv_nsec, (unsigned long long)st->st_ctim.tv_sec, (unsigned long)st->st_ctim.tv_nsec,
                        (unsigned long long)st->st_ino);
}

static int64_t changed_ms(const struct stat *st)
{
    return ql__time_ms(st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

/* shown: the path by which the file is known; target: where its bytes are. They differ for a link. */
static ql_status emit(local_walk *walk, ql_str shown, ql_str target, const struct stat *st, ql_error *err)
{
    ql_str url = plain_url(walk->source, target, &walk->url);
    write_version(st, &walk->version);
    if (changed_ms(st) > walk->newest_ms) walk->newest_ms = changed_ms(st);
    ql_buf_clear(&walk->key);
    (void)ql_buf_append(&walk->key, target);
    (void)ql_buf_append_char(&walk->key, '\0');
    (void)ql_buf_append(&walk->key, shown);
    if (walk->url.status < 0 || walk->version.status < 0 || walk->key.status < 0) return ql__fail_nomem(err);
    ql_item item = {.struct_size = sizeof item,
                    .url = url,
                    .version = ql_buf_str(&walk->version),
                    .key = ql_buf_str(&walk->key),
                    .size_bytes = (uint64_t)st->st_size};
    return ql__sink_item(walk->sink, &item, err);
}

/* A file without read permission is listed too: reading it fails and is told, and the index keeps what it had. */
static ql_status list_file(local_walk *walk, const struct stat *st, ql_error *err)
{
    ql_str path = ql_buf_str(&walk->path);
    if (!ql__path_filter_admits(walk->source->filter, path, (uint64_t)st->st_size, &walk->reason))
        return walk->reason.status < 0 ? ql__fail_nomem(err) : skip(walk, path, ql_buf_str(&walk->reason), err);
    return emit(walk, path, path, st, err);
}

static bool inside_git_folder(ql_str path)
{
    for (ql_str rest = ql__path_folder(path); rest.len > 0; rest = ql__path_folder(rest))
        if (ql_str_equal(ql__path_name(rest), QL_STR(".git"))) return true;
    return false;
}

/* Where git-annex keeps the contents of files, to which it leaves links in the tree: the only documents below .git. */
static bool inside_git_annex(ql_str path)
{
    static const char objects[] = ".git/annex/objects/";
    const char *at = memmem(path.ptr, path.len, objects, sizeof objects - 1);
    return at != NULL && (at == path.ptr || at[-1] == '/');
}

/* A link to a file below the root whose own path is not listed: one document under the target's address, however many links there are. */
static ql_status list_link_target(local_walk *walk, ql_str target, const struct stat *st, ql_error *err)
{
    ql_str path = ql_buf_str(&walk->path);
    uint64_t size = (uint64_t)st->st_size;
    if (!ql__path_filter_admits(walk->source->filter, path, size, &walk->reason))
        return walk->reason.status < 0 ? ql__fail_nomem(err) : skip(walk, path, ql_buf_str(&walk->reason), err);
    bool in_git = inside_git_folder(target);
    if (in_git && !inside_git_annex(target)) return skip(walk, path, QL_STR("symbolic link to git's own files"), err);
    if (!in_git && ql__path_filter_admits(walk->source->filter, target, size, &walk->reason))
        return skip(walk, path, QL_STR("symbolic link to a file that is listed itself"), err);
    ql_str name;
    bool is_new = false;
    if (!ql__arena_copy(&walk->linked_names, target, &name) || ql__map_insert(&walk->linked, name, &is_new) == NULL)
        return ql__fail_nomem(err);
    if (!is_new) return skip(walk, path, QL_STR("second symbolic link to the same file"), err);
    return emit(walk, path, name, st, err);
}

/* What is at walk->path cannot be looked at, so the listing is incomplete. */
static void note_unread(local_walk *walk, int os_code)
{
    QL_AUTO(ql_buf, ql_buf_dispose) shown = QL_BUF_INIT;
    (void)ql__show(&shown, ql_buf_str(&walk->path));
    if (walk->unread_count++ == 0) (void)ql__fail_errno(&walk->unread, os_code, "'%s'", ql_buf_cstr(&shown));
    ql__log_write(walk->source->options.log, QL_LOG_WARNING, "localfile", "cannot read '%s': %s", ql_buf_cstr(&shown), strerrordesc_np(os_code));
}

/* Only a target that is not there is gone; one that cannot be seen now may be a document of the last run. */
static ql_status lost_link(local_walk *walk, int os_code, ql_error *err)
{
    if (os_code == ENOENT || os_code == ENOTDIR || os_code == ELOOP || os_code == ENAMETOOLONG)
        return skip(walk, ql_buf_str(&walk->path), QL_STR("symbolic link that leads nowhere"), err);
    note_unread(walk, os_code);
    return QL_OK;
}

static ql_status list_link(local_walk *walk, ql_error *err)
{
    local_source *self = walk->source;
    ql_str path = ql_buf_str(&walk->path);
    QL_AUTO(ql_buf, ql_buf_dispose) full = QL_BUF_INIT;
    (void)ql_buf_append(&full, ql_buf_str(&self->root));
    (void)ql_buf_append_char(&full, '/');
    if (ql_buf_append(&full, path) < 0) return ql__fail_nomem(err);
    char real[PATH_MAX], last[NAME_MAX + 1];
    if (realpath(ql_buf_cstr(&full), real) == NULL) return lost_link(walk, errno, err);
    ql_str target = ql_str_of(real);
    size_t root_len = self->root.len;
    if (target.len <= root_len + 1 || memcmp(real, ql_buf_cstr(&self->root), root_len) != 0 || real[root_len] != '/')
        return skip(walk, path, QL_STR("symbolic link out of the source's folder"), err);
    target = (ql_str){real + root_len + 1, target.len - root_len - 1};
    int parent = open_parent(self, target, last);
    struct stat st;
    int failure = parent < 0 || stat_at(self, parent, last, &st) != 0 ? errno : 0;
    ql__file_close(self->options.sys, parent);
    if (failure != 0) return lost_link(walk, failure, err);
    if (S_ISDIR(st.st_mode)) return skip(walk, path, QL_STR("symbolic link to a folder"), err);
    if (!S_ISREG(st.st_mode)) return skip(walk, path, QL_STR("not a regular file"), err);
    return list_link_target(walk, target, &st, err);
}

static ql_status list_folder(local_walk *walk, int fd, ql_error *err);

static ql_status enter_folder(local_walk *walk, int folder_fd, const char *name, ql_error *err)
{
    ql_str path = ql_buf_str(&walk->path);
    if (strcmp(name, ".git") == 0) return skip(walk, path, QL_STR("git's own files"), err);
    if (!ql__path_filter_enters(walk->source->filter, path, &walk->reason))
        return walk->reason.status < 0 ? ql__fail_nomem(err) : skip(walk, path, ql_buf_str(&walk->reason), err);
    if (walk->depth >= QL_LIMIT_FOLDER_DEPTH) return skip(walk, path, QL_STR("folders nested too deeply"), err);
    int fd = open_at(walk->source, folder_fd, name, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) return QL_OK; /* it went away just now */
    if (fd < 0) {
        note_unread(walk, errno);
        return QL_OK;
    }
    walk->depth++;
    ql_status status = list_folder(walk, fd, err);
    walk->depth--;
    return status;
}

/* What an ingest writes itself would be another document in every run. Asked once a listing: by then an ingest that writes has made them. */
static void find_own(local_walk *walk)
{
    const ql__source_options *options = &walk->source->options;
    const ql__file_ops *file = options->sys->file;
    for (size_t i = 0; i < sizeof options->own_dirs / sizeof *options->own_dirs; i++) {
        struct stat st;
        const char *path = options->own_dirs[i];
        if (path != NULL && file->fstatat_fn(file->user, AT_FDCWD, path, &st, 0) == 0) walk->own[walk->own_count++] = (folder_id){st.st_dev, st.st_ino};
    }
}

static bool is_among(const folder_id *folders, size_t count, folder_id folder)
{
    for (size_t i = 0; i < count; i++)
        if (folders[i].device == folder.device && folders[i].inode == folder.inode) return true;
    return false;
}

/* Notes the folder as one being read; false: it is left out for a reason, or errno. */
static bool note_folder(local_walk *walk, int fd, ql_str *reason)
{
    const ql__file_ops *file = walk->source->options.sys->file;
    struct stat st;
    *reason = QL_STR("");
    if (file->fstat_fn(file->user, fd, &st) != 0) return false;
    folder_id folder = {st.st_dev, st.st_ino};
    if (is_among(walk->above, walk->depth, folder)) *reason = QL_STR("folder that holds itself"); /* a mount that leads back */
    else if (walk->depth > 0 && is_among(walk->own, walk->own_count, folder)) *reason = QL_STR("index or logs of this workspace"); /* who names it as the root wants it */
    walk->above[walk->depth] = folder;
    return reason->len == 0;
}

/* walk->path holds the entry's path. */
static ql_status list_entry(local_walk *walk, int folder_fd, const struct dirent *entry, ql_error *err)
{
    const ql__source_options *options = &walk->source->options;
    if (walk->entries++ % 64 == 0 && options->cancelled_fn != NULL && options->cancelled_fn(options->user) != 0)
        return ql__fail(err, QL_E_CANCELLED, "cancelled while listing");
    ql_str path = ql_buf_str(&walk->path);
    if (path.len + walk->source->root.len > QL_LIMIT_URL_BYTES / 3 - 32) /* every byte may need three in the address */
        return skip(walk, path, QL_STR("path too long"), err);
    if (entry->d_type == DT_DIR) return enter_folder(walk, folder_fd, entry->d_name, err);
    struct stat st;
    if (stat_at(walk->source, folder_fd, entry->d_name, &st) != 0) {
        if (errno == ENOENT) return QL_OK; /* it went away just now */
        note_unread(walk, errno);
        return QL_OK;
    }
    if (S_ISDIR(st.st_mode)) return enter_folder(walk, folder_fd, entry->d_name, err);
    if (S_ISLNK(st.st_mode)) return list_link(walk, err);
    if (!S_ISREG(st.st_mode)) return skip(walk, path, QL_STR("not a regular file"), err);
    return list_file(walk, &st, err);
}

static ql_status list_entries(local_walk *walk, DIR *folder, ql_error *err)
{
    size_t length = walk->path.len;
    ql_status status = QL_OK;
    while (status == QL_OK) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            if (errno != 0) note_unread(walk, errno);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (length > 0) (void)ql_buf_append_char(&walk->path, '/');
        status = ql_buf_append(&walk->path, ql_str_of(entry->d_name)) < 0 ? ql__fail_nomem(err) : list_entry(walk, dirfd(folder), entry, err);
        if (walk->path.status < 0) break;
        walk->path.len = length;
        walk->path.ptr[length] = '\0';
    }
    return status;
}

/* Takes over fd. */
static ql_status list_folder(local_walk *walk, int fd, ql_error *err)
{
    ql_str reason;
    bool noted = note_folder(walk, fd, &reason);
    int own = noted ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1; /* closedir() closes past the table of file calls */
    DIR *folder = own < 0 ? NULL : fdopendir(own);
    int saved = errno;
    ql__file_close(walk->source->options.sys, fd);
    if (reason.len > 0) return skip(walk, ql_buf_str(&walk->path), reason, err);
    if (folder == NULL) {
        note_unread(walk, saved);
        if (own >= 0) (void)close(own);
        return QL_OK;
    }
    ql_status status = list_entries(walk, folder, err);
    (void)closedir(folder);
    return status;
}

/* A root that was removed while it was read looks empty, not missing. */
static ql_status check_root(const local_source *self, ql_error *err)
{
    const ql__file_ops *file = self->options.sys->file;
    struct stat st;
    if (file->fstat_fn(file->user, self->root_fd, &st) != 0) return ql__fail_errno(err, errno, "folder '%s'", ql_buf_cstr(&self->root));
    return st.st_nlink > 0 ? QL_OK : ql__fail(err, QL_E_NOTFOUND, "folder '%s' was removed while it was listed", ql_buf_cstr(&self->root));
}

/*
 * Time stamps are no finer than the kernel's tick: a file that changes again within it shows no other version. So nothing is read before
 * the tick of the last change is over; what comes later has a later time.
 */
static void let_tick_pass(const local_walk *walk)
{
    int64_t left_ms = walk->newest_ms + TICK_MS - ql__wall_ms(walk->source->options.sys);
    if (left_ms <= 0 || left_ms > TICK_MS) return; /* long ago, or a clock that was set back */
    struct timespec pause = {.tv_nsec = left_ms * 1000000}; /* not by the table of clocks: the tick is the kernel's */
    (void)nanosleep(&pause, NULL);
}

static ql_status local_list(void *user, const ql_source_sink *sink, ql_error *err)
{
    local_source *self = user;
    local_walk walk = {.source = self, .sink = sink, .newest_ms = INT64_MIN / 2};
    ql__map_init(&walk.linked, (uint64_t)(uintptr_t)&walk);
    ql__arena_init(&walk.linked_names, 0);
    find_own(&walk);
    int fd = open_at(self, self->root_fd, ".", O_RDONLY | O_DIRECTORY);
    ql_status status = fd < 0 ? ql__fail_errno(err, errno, "folder '%s'", ql_buf_cstr(&self->root)) : list_folder(&walk, fd, err);
    if (status == QL_OK) status = check_root(self, err);
    if (status == QL_OK) let_tick_pass(&walk);
    if (status == QL_OK && walk.unread_count > 0)
        status = ql__fail(err, QL_E_PARTIAL, "the listing is incomplete: %zu places cannot be read, first %s", walk.unread_count,
                          walk.unread.message);
    ql__map_dispose(&walk.linked);
    ql__arena_dispose(&walk.linked_names);
    ql_buf_dispose(&walk.path);
    ql_buf_dispose(&walk.url);
    ql_buf_dispose(&walk.version);
    ql_buf_dispose(&walk.key);
    ql_buf_dispose(&walk.reason);
    return status;
}

/* ---- Fetching ---- */

static void local_release(void *user, void *token)
{
    (void)user;
    ql__file_document_free(token);
}

/* What is read past the expected size is little: a file that grows meanwhile ends at the buffer's limit, one byte beyond max_file_size. */
static ql_status read_all(const local_source *self, int fd, uint64_t expected, ql_buf *out, ql_error *err)
{
    const ql__file_ops *file = self->options.sys->file;
    uint64_t max = self->options.config->max_file_size;
    size_t limit = max < QL_LIMIT_DOCUMENT_BYTES ? (size_t)max + 1 : QL_LIMIT_DOCUMENT_BYTES;
    ql_buf_init(out, limit);
    for (size_t room = (size_t)expected + 1; room > 0;) {
        if (ql_buf_reserve(out, room) < 0) return ql__fail_nomem(err);
        ssize_t got = file->pread_fn(file->user, fd, out->ptr + out->len, room, (off_t)out->len);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return ql__fail_errno(err, errno, "cannot read");
        if (got == 0) return QL_OK;
        out->len += (size_t)got;
        out->ptr[out->len] = '\0';
        room = limit - out->len < 65536 ? limit - out->len : 65536;
    }
    return ql__fail(err, QL_E_LIMIT, "the file grew beyond max_file_size while it was read");
}

static ql_status open_regular(const local_source *self, ql_str path, int *out_fd, struct stat *st, ql_error *err)
{
    const ql__file_ops *file = self->options.sys->file;
    char last[NAME_MAX + 1];
    int parent = open_parent(self, path, last);
    int fd = parent < 0 ? -1 : open_at(self, parent, last, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    int saved = errno;
    ql__file_close(self->options.sys, parent);
    if (fd < 0) {
        if (saved == ENOENT || saved == ENOTDIR || saved == ELOOP) return ql__fail(err, QL_E_NOTFOUND, "vanished while the source was being read");
        return ql__fail_errno(err, saved, "cannot open");
    }
    ql_status status = QL_OK;
    if (file->fstat_fn(file->user, fd, st) != 0) status = ql__fail_errno(err, errno, "cannot read");
    else if (!S_ISREG(st->st_mode)) status = ql__fail(err, QL_E_NOTFOUND, "no longer a regular file");
    else if ((uint64_t)st->st_size > self->options.config->max_file_size || (uint64_t)st->st_size >= QL_LIMIT_DOCUMENT_BYTES)
        status = ql__fail(err, QL_E_LIMIT, "%llu bytes are more than max_file_size", (unsigned long long)st->st_size);
    if (status < 0) ql__file_close(self->options.sys, fd);
    else *out_fd = fd;
    return status;
}

static ql_status fill(const local_source *self, const ql_item *item, ql__file_document *document, ql_error *err)
{
    const char *nul = item->key.len > 0 ? memchr(item->key.ptr, '\0', item->key.len) : NULL;
    if (nul == NULL) return ql__fail(err, QL_E_NOTFOUND, "not a file of this source");
    ql_str target = {item->key.ptr, (size_t)(nul - item->key.ptr)};
    ql_str shown = {nul + 1, item->key.len - target.len - 1};
    int fd = -1;
    struct stat st;
    QL_TRY(open_regular(self, target, &fd, &st, err));
    ql_status status = read_all(self, fd, (uint64_t)st.st_size, &document->content, err);
    ql__file_close(self->options.sys, fd);
    QL_TRY(status);
    ql__file_document_describe(document, shown);
    document->created_at_ms = document->updated_at_ms = ql__time_ms(st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    return QL_OK;
}

static ql_status local_fetch(void *user, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    ql__file_document *document = NULL;
    QL_TRY(ql__file_document_new(item->url, &document, err));
    ql_status status = fill(user, item, document, err);
    if (status == QL_OK) status = ql__file_document_finish(document, out, err);
    if (status < 0) ql__file_document_free(document);
    else *token = document;
    return status;
}

static const ql_source_ops local_ops = {
    .struct_size = sizeof local_ops,
    .type = "localfile",
    .list_fn = local_list,
    .fetch_fn = local_fetch,
    .release_fn = local_release,
    .close_fn = local_close,
};

ql_status ql__source_localfile_open(const ql__source_options *options, const ql_source_ops **ops, void **out, ql_error *err)
{
    local_source *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    self->options = *options;
    self->root_fd = -1;
    ql_status status = ql__path_filter_new(options->config, &self->filter, err);
    if (status == QL_OK) status = open_root(self, err);
    return ql__source_opened(status, &local_ops, self, ops, out);
}
