/*
 * Bringing a model to this machine.
 *
 * Everything is written to a hidden folder beside the target, hashed while it is written, synced, and renamed into place only when every
 * required file is there and right; so an interrupted pull leaves what was there before. A hidden folder whose maker is dead is removed
 * by the next pull. Only files of the model's own list are ever written: names inside an archive never become paths.
 *
 * Threads: no state; several pulls of one model may run, the last rename wins. Cost: one pass over the bytes.
 */
#include "embed/model_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/abi.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "dep/archive.h"
#include "dep/digest.h"
#include "dep/http.h"
#include "embed/bert_config.h"
#include "embed/model_known.h"
#include "embed/safetensors.h"

#define COPY_BYTES ((size_t)1 << 20)
#define ARCHIVE_NAME "archive.download"
#define TREE_DEPTH_MAX 4

typedef struct pull {
    const ql__sys *sys;
    ql_str name;
    const ql__model_part *parts;
    ql__model_progress_fn progress;
    void *user;
    ql_buf temp; /* the hidden folder */
    bool done[QL__MODEL_PARTS_MAX];
} pull;

/* ---- one file being written ---- */

typedef struct sink {
    pull *job;
    const char *path;     /* as shown to the user */
    uint64_t limit_bytes; /* more is an error */
    uint64_t total;       /* for progress; 0: not known */
    uint64_t written;
    ql__sha256 sha;
    int fd;
} sink;

static ql_status temp_path(const pull *self, const char *name, ql_buf *out, ql_error *err)
{
    ql_buf_clear(out);
    return ql_buf_printf(out, "%s/%s", ql_buf_cstr(&self->temp), name) < 0 ? ql__fail_nomem(err) : QL_OK;
}

static ql_status report(const sink *self, ql_error *err)
{
    const pull *job = self->job;
    if (!job->progress || job->progress(job->user, ql_str_of(self->path), self->written, self->total) == 0) return QL_OK;
    return ql__fail(err, QL_E_CANCELLED, "stopped while bringing '%s'", self->path);
}

static ql_status sink_open(sink *self, pull *job, const char *path, uint64_t limit_bytes, uint64_t total, ql_error *err)
{
    ql_buf full = QL_BUF_INIT;
    *self = (sink){.job = job, .path = path, .limit_bytes = limit_bytes, .total = total, .fd = -1};
    ql__sha256_init(&self->sha);
    ql_status status = temp_path(job, path, &full, err);
    char *slash = status < 0 ? NULL : strrchr(path, '/');
    if (slash) { /* a folder of the model: the part before the file's name */
        ql_buf folder = QL_BUF_INIT;
        status = ql_buf_append(&folder, (ql_str){full.ptr, full.len - strlen(slash)});
        status = status < 0 ? ql__fail_nomem(err) : ql__dir_make(job->sys, ql_buf_cstr(&folder), 0755, err);
        ql_buf_dispose(&folder);
    }
    if (status >= 0) status = ql__file_open(job->sys, ql_buf_cstr(&full), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644, &self->fd, err);
    ql_buf_dispose(&full);
    return status < 0 ? status : report(self, err);
}

static ql_status sink_write(sink *self, ql_str bytes, ql_error *err)
{
    if (bytes.len > self->limit_bytes - self->written)
        return ql__fail(err, QL_E_CORRUPT, "'%s' is longer than its %llu bytes", self->path, (unsigned long long)self->limit_bytes);
    QL_TRY(ql__file_write_at(self->job->sys, self->fd, bytes.ptr, bytes.len, self->written, err));
    ql__sha256_update(&self->sha, bytes);
    self->written += bytes.len;
    return report(self, err);
}

/* Closes in any case; hex gets the hash of what was written. */
static ql_status sink_close(sink *self, ql_status status, char hex[65], ql_error *err)
{
    uint8_t digest[32];
    if (status >= 0) status = ql__file_sync(self->job->sys, self->fd, err);
    ql__file_close(self->job->sys, self->fd);
    ql__sha256_final(&self->sha, digest);
    ql__hex(digest, sizeof digest, hex);
    return status;
}

static void drop_file(const pull *self, const char *name)
{
    char full[PATH_MAX];
    int len = snprintf(full, sizeof full, "%s/%s", ql_buf_cstr(&self->temp), name);
    if (len > 0 && (size_t)len < sizeof full) (void)self->sys->file->unlinkat_fn(self->sys->file->user, AT_FDCWD, full, 0);
}

/* ---- one part, from wherever its bytes come ---- */

typedef ql_status (*feed_fn)(void *source, sink *into, ql_error *err);

/* An optional part that differs from the pinned one is left out; a required one fails. */
static ql_status take_part(pull *self, size_t index, feed_fn feed, void *source, ql_error *err)
{
    const ql__model_part *part = &self->parts[index];
    char hex[65];
    sink into;
    ql_error inner = {0};
    ql_status status = sink_open(&into, self, part->path, part->size ? part->size : QL_LIMIT_MODEL_FILE_BYTES, part->size, &inner);
    if (status >= 0) status = feed(source, &into, &inner);
    status = sink_close(&into, status, hex, &inner);
    if (status >= 0 && part->sha256 && (into.written != part->size || strcmp(hex, part->sha256) != 0))
        status = ql__fail(&inner, QL_E_CORRUPT, "'%s' has %llu bytes and SHA-256 %s, the pinned file %llu and %s", part->path,
                          (unsigned long long)into.written, hex, (unsigned long long)part->size, part->sha256);
    ql_status kind = ql_status_kind(status);
    if (status < 0 && !part->required && (kind == QL_E_CORRUPT || kind == QL_E_NOTFOUND)) {
        drop_file(self, part->path);
        return QL_OK;
    }
    if (status < 0) {
        if (err) *err = inner;
        return status;
    }
    self->done[index] = true;
    return QL_OK;
}

/* ---- from a folder ---- */

static ql_status feed_file(void *source, sink *into, ql_error *err)
{
    const ql__sys *sys = into->job->sys;
    const char *path = source;
    uint64_t size = 0, at = 0;
    int fd;
    QL_AUTO(char *, ql__free_cleanup) block = ql__alloc(COPY_BYTES);
    if (!block) return ql__fail_nomem(err);
    QL_TRY(ql__file_open(sys, path, O_RDONLY, 0, &fd, err));
    ql_status status = ql__file_size(sys, fd, &size, err);
    if (into->total == 0) into->total = size;
    while (status >= 0 && at < size) {
        size_t part = size - at < COPY_BYTES ? (size_t)(size - at) : COPY_BYTES;
        status = ql__file_read_at(sys, fd, block, part, at, err);
        if (status >= 0) status = sink_write(into, (ql_str){block, part}, err);
        at += part;
    }
    ql__file_close(sys, fd);
    return status;
}

static ql_status pull_folder(pull *self, const char *dir, ql_error *err)
{
    ql_buf path = QL_BUF_INIT;
    ql_status status = QL_OK;
    for (size_t i = 0; self->parts[i].path && status >= 0; i++) {
        struct stat info;
        ql_buf_clear(&path);
        if (ql_buf_printf(&path, "%s/%s", dir, self->parts[i].path) < 0) status = ql__fail_nomem(err);
        else if (self->sys->file->fstatat_fn(self->sys->file->user, AT_FDCWD, ql_buf_cstr(&path), &info, 0) != 0) {
            if (self->parts[i].required) status = ql__fail_errno(err, errno, "cannot read '%s'", ql_buf_cstr(&path));
        } else if (!S_ISREG(info.st_mode)) status = ql__fail(err, QL_E_INVALID, "'%s' is not a file", ql_buf_cstr(&path));
        else status = take_part(self, i, feed_file, path.ptr, err);
    }
    ql_buf_dispose(&path);
    return status;
}

/* ---- from an archive ---- */

static ql_status feed_entry(void *source, sink *into, ql_error *err)
{
    QL_AUTO(char *, ql__free_cleanup) block = ql__alloc(COPY_BYTES);
    if (!block) return ql__fail_nomem(err);
    for (;;) {
        size_t got = 0;
        QL_TRY(ql__archive_read(source, block, COPY_BYTES, &got, err));
        if (got == 0) return QL_OK;
        QL_TRY(sink_write(into, (ql_str){block, got}, err));
    }
}

/* The folder of the weights inside the archive, with its '/'; the shallowest when there are several. */
static ql_status find_prefix(const char *path, ql_buf *prefix, ql_error *err)
{
    ql__archive *archive = NULL;
    ql_str entry, weights = QL_STR("model.safetensors");
    uint64_t size;
    bool found = false;
    QL_TRY(ql__archive_open(path, &archive, err));
    ql_status status;
    while ((status = ql__archive_next(archive, &entry, &size, err)) == QL_OK) {
        if (entry.len < weights.len || memcmp(entry.ptr + entry.len - weights.len, weights.ptr, weights.len) != 0) continue;
        ql_str folder = {entry.ptr, entry.len - weights.len};
        if ((folder.len > 0 && folder.ptr[folder.len - 1] != '/') || (found && folder.len >= prefix->len)) continue;
        ql_buf_clear(prefix);
        found = true;
        if (ql_buf_append(prefix, folder) < 0) {
            status = ql__fail_nomem(err);
            break;
        }
    }
    ql__archive_close(archive);
    if (status < 0) return status;
    return found ? QL_OK : ql__fail(err, QL_E_NOTFOUND, "'%s' holds no model.safetensors", path);
}

static ql_status take_entry(pull *self, ql__archive *archive, ql_str name, ql_str prefix, ql_error *err)
{
    if (name.len <= prefix.len || memcmp(name.ptr, prefix.ptr, prefix.len) != 0) return QL_OK;
    ql_str inner = {name.ptr + prefix.len, name.len - prefix.len};
    for (size_t i = 0; self->parts[i].path; i++)
        if (!self->done[i] && ql_str_equal(inner, ql_str_of(self->parts[i].path))) return take_part(self, i, feed_entry, archive, err);
    return QL_OK;
}

static ql_status pull_archive(pull *self, const char *path, ql_error *err)
{
    ql__archive *archive = NULL;
    ql_buf prefix = QL_BUF_INIT;
    ql_str name;
    uint64_t size;
    ql_status status = find_prefix(path, &prefix, err);
    if (status >= 0) status = ql__archive_open(path, &archive, err);
    while (status >= 0) {
        status = ql__archive_next(archive, &name, &size, err);
        if (status != QL_OK) break;
        status = take_entry(self, archive, name, ql_buf_str(&prefix), err);
    }
    ql__archive_close(archive);
    ql_buf_dispose(&prefix);
    return status < 0 ? status : QL_OK;
}

/* ---- from the network ---- */

typedef struct body {
    sink *into;
} body;

static ql_status take_body(void *user, ql_str piece, uint64_t total, ql_error *err)
{
    sink *into = ((body *)user)->into;
    if (into->total == 0) into->total = total;
    return sink_write(into, piece, err);
}

static int ask_whether_to_stop(void *user)
{
    return report(((body *)user)->into, NULL) < 0;
}

/* The address without user and password: messages end up in logs. */
static void prefix_address(ql_error *err, const char *url)
{
    const char *host = strstr(url, "://");
    host = host != NULL ? host + 3 : url;
    const char *end = host + strcspn(host, "/?#"), *at = NULL;
    for (const char *p = host; p < end; p++)
        if (*p == '@') at = p;
    const char *shown = at != NULL ? at + 1 : host;
    size_t len = strcspn(shown, "?#");
    ql__error_prefix(err, "%.*s%.*s", (int)(host - url), url, (int)(len < 200 ? len : 200), shown);
}

static ql_status feed_url(void *source, sink *into, ql_error *err)
{
    body user = {into};
    ql__net_get get = {.url = source, .limit_bytes = into->limit_bytes, .body_fn = take_body, .cancelled_fn = ask_whether_to_stop, .user = &user};
    ql_status status = ql__http_download(into->job->sys, &get, err);
    if (status < 0) prefix_address(err, source);
    return status;
}

static ql_status pull_url_folder(pull *self, const char *base, ql_error *err)
{
    ql_buf url = QL_BUF_INIT;
    ql_status status = QL_OK;
    const char *slash = *base && base[strlen(base) - 1] == '/' ? "" : "/";
    for (size_t i = 0; self->parts[i].path && status >= 0; i++) {
        ql_buf_clear(&url);
        if (ql_buf_printf(&url, "%s%s%s", base, slash, self->parts[i].path) < 0) status = ql__fail_nomem(err);
        else status = take_part(self, i, feed_url, url.ptr, err);
    }
    ql_buf_dispose(&url);
    return status;
}

static ql_status pull_url_archive(pull *self, char *url, ql_error *err)
{
    char hex[65];
    sink into;
    ql_buf path = QL_BUF_INIT;
    ql_status status = sink_open(&into, self, ARCHIVE_NAME, QL_LIMIT_MODEL_FILE_BYTES, 0, err);
    if (status >= 0) status = feed_url(url, &into, err);
    status = sink_close(&into, status, hex, err);
    if (status >= 0) status = temp_path(self, ARCHIVE_NAME, &path, err);
    if (status >= 0) status = pull_archive(self, ql_buf_cstr(&path), err);
    drop_file(self, ARCHIVE_NAME);
    ql_buf_dispose(&path);
    return status;
}

/* ---- which source ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcasecmp(text + len - end_len, end) == 0;
}

static bool is_archive_name(const char *name)
{
    static const char *const ends[] = {".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".tar.bz2"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i])) return true;
    return false;
}

static bool is_url(const char *from)
{
    return strncasecmp(from, "http://", 7) == 0 || strncasecmp(from, "https://", 8) == 0;
}

static ql_status pull_url(pull *self, const char *from, ql_error *err)
{
    size_t path_len = strcspn(from, "?#");
    QL_AUTO(char *, ql__free_cleanup) path = ql__strdup((ql_str){from, path_len});
    QL_AUTO(char *, ql__free_cleanup) url = ql__strdup(ql_str_of(from));
    if (!path || !url) return ql__fail_nomem(err);
    return is_archive_name(path) ? pull_url_archive(self, url, err) : pull_url_folder(self, url, err);
}

static ql_status pull_path(pull *self, const char *from, ql_error *err)
{
    struct stat info;
    if (self->sys->file->fstatat_fn(self->sys->file->user, AT_FDCWD, from, &info, 0) != 0) return ql__fail_errno(err, errno, "cannot read '%s'", from);
    if (S_ISDIR(info.st_mode)) return pull_folder(self, from, err);
    if (!ends_with(from, ".safetensors")) return pull_archive(self, from, err);
    const char *slash = strrchr(from, '/');
    QL_AUTO(char *, ql__free_cleanup) dir = ql__strdup(slash ? (ql_str){from, (size_t)(slash - from)} : QL_STR("."));
    return dir ? pull_folder(self, slash == from ? "/" : dir, err) : ql__fail_nomem(err);
}

static bool is_out_of_reach(ql_status status)
{
    ql_status kind = ql_status_kind(status);
    return kind == QL_E_NET || kind == QL_E_TIMEOUT || kind == QL_E_AUTH || kind == QL_E_NOTFOUND || kind == QL_E_UNSUPPORTED /* no libcurl */;
}

/* Whoever cannot reach the known address (a machine without a network, a wall, a moved page) is told the other ways. */
static ql_status tell_other_ways(const char *to_dir, ql_status status, ql_error *err)
{
    ql_error first = *err;
    (void)ql__fail(err, status, "%.230s; without it: 'qloader model pull --from FOLDER, WHEEL or URL', or put the model's folder into '%.160s'", first.message, to_dir);
    err->http_code = first.http_code;
    err->retry_after_ms = first.retry_after_ms;
    return status;
}

static ql_status pull_from(pull *self, const char *from, const char *to_dir, ql_error *err)
{
    if (from) return is_url(from) ? pull_url(self, from, err) : pull_path(self, from, err);
    const ql__model_known *model = ql__model_known_find(self->name);
    if (!model) return ql__fail(err, QL_E_NOTFOUND, "no address is known for a model '%.*s': say where it is (--from)", (int)self->name.len, self->name.ptr);
    ql_status status = pull_url_folder(self, model->address, err);
    return err != NULL && is_out_of_reach(status) ? tell_other_ways(to_dir, status, err) : status;
}

/* ---- putting it in place ---- */

/* Removes a folder of ours with its content; best effort, bounded depth, no memory of ours. */
static void remove_tree(const ql__sys *sys, const char *path, int depth)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder)) != NULL) {
        char inner[PATH_MAX];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        int len = snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (len < 0 || (size_t)len >= sizeof inner) continue;
        if (sys->file->unlinkat_fn(sys->file->user, AT_FDCWD, inner, 0) != 0 && depth < TREE_DEPTH_MAX) remove_tree(sys, inner, depth + 1);
    }
    if (folder) closedir(folder);
    (void)sys->file->unlinkat_fn(sys->file->user, AT_FDCWD, path, AT_REMOVEDIR);
}

/* A maker that died between its two renames left the old model aside: it goes back. Anything else of a dead maker is removed. */
static void settle_abandoned(const pull *self, const char *path, const char *target)
{
    const ql__file_ops *file = self->sys->file;
    size_t len = strlen(path);
    bool aside = len > 4 && strcmp(path + len - 4, ".old") == 0;
    if (aside && file->renameat_fn(file->user, AT_FDCWD, path, AT_FDCWD, target) == 0) return; /* fails when the target has content */
    remove_tree(self->sys, path, 0);
}

/* Hidden folders of this model whose makers are no more. */
static void remove_abandoned(const pull *self, const char *to_dir, const char *target)
{
    char start[256], path[PATH_MAX];
    DIR *folder = opendir(to_dir);
    struct dirent *entry;
    int start_len = snprintf(start, sizeof start, ".%.*s.pull-", (int)self->name.len, self->name.ptr);
    while (folder && (entry = readdir(folder)) != NULL) {
        if (strncmp(entry->d_name, start, (size_t)start_len) != 0) continue;
        long maker = strtol(entry->d_name + start_len, NULL, 10);
        if (maker <= 0 || kill((pid_t)maker, 0) == 0 || errno != ESRCH) continue;
        int len = snprintf(path, sizeof path, "%s/%s", to_dir, entry->d_name);
        if (len > 0 && (size_t)len < sizeof path) settle_abandoned(self, path, target);
    }
    if (folder) closedir(folder);
}

static ql_status check_whole(const pull *self, ql_error *err)
{
    for (size_t i = 0; self->parts[i].path; i++)
        if (self->parts[i].required && !self->done[i]) return ql__fail(err, QL_E_NOTFOUND, "'%s' was not there", self->parts[i].path);
    if (self->parts[0].sha256) return QL_OK;
    /* No pinned hashes: at least it must be a model this build can read. */
    ql__bert_config config;
    ql__safetensors *file = NULL;
    ql_buf path = QL_BUF_INIT;
    ql_status status = ql__bert_config_read(self->sys, ql_buf_cstr(&self->temp), &config, err);
    ql__bert_config_dispose(&config);
    if (status >= 0) status = temp_path(self, "model.safetensors", &path, err);
    if (status >= 0) status = ql__safetensors_open(self->sys, ql_buf_cstr(&path), &file, err);
    ql__safetensors_close(file);
    ql_buf_dispose(&path);
    return status;
}

/* An old folder steps aside first: a folder cannot be renamed over one with content. */
static ql_status put_in_place(const pull *self, const char *to_dir, const char *target, ql_error *err)
{
    const ql__file_ops *file = self->sys->file;
    ql_buf aside = QL_BUF_INIT;
    QL_TRY(ql__dir_sync(self->sys, ql_buf_cstr(&self->temp), err));
    if (ql_buf_printf(&aside, "%s.old", ql_buf_cstr(&self->temp)) < 0) return ql__fail_nomem(err);
    bool moved = file->renameat_fn(file->user, AT_FDCWD, target, AT_FDCWD, ql_buf_cstr(&aside)) == 0;
    ql_status status = QL_OK;
    if (file->renameat_fn(file->user, AT_FDCWD, ql_buf_cstr(&self->temp), AT_FDCWD, target) != 0) {
        status = ql__fail_errno(err, errno, "cannot put the model at '%s'", target);
        if (moved) (void)file->renameat_fn(file->user, AT_FDCWD, ql_buf_cstr(&aside), AT_FDCWD, target);
    } else {
        if (moved) remove_tree(self->sys, ql_buf_cstr(&aside), 0);
        status = ql__dir_sync(self->sys, to_dir, err);
    }
    ql_buf_dispose(&aside);
    return status;
}

static ql_status pull_to(pull *self, const char *from, const char *to_dir, const char *target, ql_error *err)
{
    QL_TRY(ql__dir_make(self->sys, to_dir, 0755, err));
    remove_abandoned(self, to_dir, target);
    if (ql_buf_printf(&self->temp, "%s/.%.*s.pull-%ld-%llu", to_dir, (int)self->name.len, self->name.ptr, (long)getpid(),
                      (unsigned long long)ql__monotonic_ns(self->sys)) < 0)
        return ql__fail_nomem(err);
    ql_status status = ql__dir_make(self->sys, ql_buf_cstr(&self->temp), 0755, err);
    if (status >= 0) status = pull_from(self, from, to_dir, err);
    if (status >= 0) status = check_whole(self, err);
    if (status >= 0) status = put_in_place(self, to_dir, target, err);
    if (status < 0) remove_tree(self->sys, ql_buf_cstr(&self->temp), 0);
    return status;
}

ql_status ql__model_pull(const ql__sys *sys, ql_str name, const char *from, const char *to_dir,
                         ql__model_progress_fn progress, void *user, ql_error *err)
{
    ql_buf user_dir = QL_BUF_INIT, target = QL_BUF_INIT;
    QL_TRY(QL__STRS_CHECK("", err, {"name", name}));
    if (name.len == 0) name = QL_STR(QL__MODEL_DEFAULT);
    if (!ql__model_name_valid(name)) return ql__fail(err, QL_E_INVALID, "'%.*s' is not a model's name", name.len > 128 ? 128 : (int)name.len, name.ptr);
    pull job = {.sys = sys, .name = name, .parts = ql__model_parts(name), .progress = progress, .user = user, .temp = QL_BUF_INIT};
    ql_status status = to_dir ? QL_OK : ql__model_user_dir(&user_dir, err);
    if (!to_dir) to_dir = ql_buf_cstr(&user_dir);
    if (status >= 0 && ql_buf_printf(&target, "%s/%.*s", to_dir, (int)name.len, name.ptr) < 0) status = ql__fail_nomem(err);
    bool whole = status >= 0 && !from && ql__model_verify(sys, ql_buf_cstr(&target), name, NULL) >= 0;
    if (status >= 0 && !whole) status = pull_to(&job, from, to_dir, ql_buf_cstr(&target), err);
    ql_buf_dispose(&job.temp);
    ql_buf_dispose(&user_dir);
    ql_buf_dispose(&target);
    return status;
}
