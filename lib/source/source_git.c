/*
 * Files of a branch's head in a git repository.
 *
 * Listing brings the copy up to date (or opens the local repository), reads the head's tree and the history (git_history.h) and reports every
 * regular file that the filters admit; symbolic links, submodules and pointers of git-lfs are reported as skipped. Nothing is checked out and
 * no program is run. A file whose content is missing (a partial clone) is listed too: it did not vanish, and the index keeps what it had.
 * Version: blob and last commit. A commit that does not touch a file leaves its version alone. A rewritten history that keeps the contents
 * changes author, message or date, which are metadata: such a file is read, and as its metadata differs, made again.
 * Threads: list excludes everything else; fetch may run on several threads, each with a repository handle of its own (libgit2's
 * handles are not shared), kept in a list for the next fetch. Cost of an unchanged branch: one tree walk.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "dep/digest.h"
#include "source/file_document.h"
#include "source/file_facts.h"
#include "source/git_history.h"
#include "source/git_remote.h"
#include "source/path_filter.h"
#include "source/source.h"

enum { HEX_BYTES = 40 };

/* A repository opened by one thread; between uses in a list. */
typedef struct git_handle {
    git_repository *repo;
    struct git_handle *next;
} git_handle;

typedef struct git_source {
    ql__source_options options;
    const ql__git_api *api;
    ql__git_url url;
    ql__path_filter *filter;
    ql_buf folder; /* of this repository in the cache; empty without a cache */
    ql_buf history_path;
    pthread_mutex_t lock; /* of what follows */
    bool ready;
    ql__git_head head;
    ql__git_history *history;
    git_handle *idle;
} git_source;

/* ---- Opening and closing ---- */

static void drop_handle(git_source *self, git_handle *handle)
{
    self->api->git_repository_free(handle->repo);
    ql__free(handle);
}

static void drop_idle(git_source *self)
{
    while (self->idle != NULL) {
        git_handle *handle = self->idle;
        self->idle = handle->next;
        drop_handle(self, handle);
    }
}

static void git_close(void *user)
{
    git_source *self = user;
    if (self == NULL) return;
    drop_idle(self);
    ql__git_history_free(self->history);
    ql__git_head_dispose(&self->head);
    ql__path_filter_free(self->filter);
    ql__git_url_dispose(&self->url);
    ql_buf_dispose(&self->folder);
    ql_buf_dispose(&self->history_path);
    (void)pthread_mutex_destroy(&self->lock);
    ql__free(self);
}

/* Names in the cache: one folder for each repository and depth, one history for each branch in it. */
static ql_status name_cache(git_source *self, ql_error *err)
{
    const ql__config_source *config = self->options.config;
    if (self->options.cache_dir == NULL) return QL_OK;
    QL_AUTO(ql_buf, ql_buf_dispose) key = QL_BUF_INIT;
    bool local = self->url.reach == QL__GIT_LOCAL;
    (void)ql_buf_append(&key, ql_buf_str(local ? &self->url.path : &self->url.remote));
    (void)ql_buf_printf(&key, "\n%u", config->depth_set ? (unsigned)config->depth : 0u);
    if (key.status < 0) return ql__fail_nomem(err);
    uint8_t sum[32];
    char hex[2 * 16 + 1], branch[2 * 8 + 1];
    ql__sha256_of(ql_buf_str(&key), sum);
    ql__hex(sum, 16, hex);
    ql__sha256_of(config->branch, sum);
    ql__hex(sum, 8, branch);
    (void)ql_buf_printf(&self->folder, "%s/git/%s", self->options.cache_dir, hex);
    (void)ql_buf_printf(&self->history_path, "%s/history-%s", ql_buf_cstr(&self->folder), branch);
    return self->folder.status < 0 || self->history_path.status < 0 ? ql__fail_nomem(err) : QL_OK;
}

static ql_status open_parts(git_source *self, ql_error *err)
{
    QL_TRY(ql__git_url_parse(self->options.config->base_url, &self->url, err));
    QL_TRY(ql__path_filter_new(self->options.config, &self->filter, err));
    QL_TRY(name_cache(self, err));
    if (self->url.reach != QL__GIT_LOCAL && self->folder.len == 0)
        return ql__fail(err, QL_E_INVALID, "cache_dir is needed for a remote repository");
    return ql__git_api_get(&self->api, err);
}

/* ---- Listing ---- */

typedef struct git_listing {
    git_source *source;
    const ql_source_sink *sink;
    ql_buf url, key, reason;
} git_listing;

static ql_status prepare(git_source *self, ql_error *err)
{
    self->ready = false;
    drop_idle(self);
    ql__git_history_free(QL_STEAL(self->history));
    ql__git_head_dispose(&self->head);
    QL_TRY(ql__git_sync(self->api, &self->options, &self->url, ql_buf_cstr(&self->folder), &self->head, err));
    git_repository *repo = NULL;
    QL_TRY(ql__git_open(self->api, ql_buf_cstr(&self->head.path), &repo, err));
    ql__git_history_options options = {.api = self->api, .source = &self->options, .repo = repo, .head = self->head.commit};
    ql_error ignored;
    if (self->folder.len > 0 && ql__dir_make(self->options.sys, ql_buf_cstr(&self->folder), 0700, &ignored) == QL_OK)
        options.cache_path = ql_buf_cstr(&self->history_path);
    ql_status status = ql__git_history_new(&options, &self->history, err);
    self->api->git_repository_free(repo);
    if (status < 0) return status;
    ql__log_write(self->options.log, QL_LOG_INFO, "git", "%s: %zu commits read", ql_buf_cstr(&self->url.base),
                  ql__git_history_walked(self->history));
    self->ready = true;
    return QL_OK;
}

static ql_status skip(git_listing *listing, ql_str path, ql_str reason, ql_error *err)
{
    const git_source *self = listing->source;
    if (listing->sink->skipped_fn == NULL) return QL_OK;
    if (ql__git_document_url(&self->url, ql_buf_str(&self->head.branch), path, &listing->url) < 0) return ql__fail_nomem(err);
    return ql__sink_skipped(listing->sink, ql_buf_str(&listing->url), reason, err);
}

static bool is_zero(const unsigned char id[20])
{
    for (size_t i = 0; i < 20; i++)
        if (id[i] != 0) return false;
    return true;
}

static ql_status emit(git_listing *listing, const ql__git_file *file, ql_error *err)
{
    const git_source *self = listing->source;
    char version[2 * HEX_BYTES + 2];
    ql__hex(file->blob, 20, version);
    size_t version_len = HEX_BYTES;
    if (!is_zero(file->last)) {
        version[HEX_BYTES] = '-';
        ql__hex(file->last, 20, version + HEX_BYTES + 1);
        version_len = 2 * HEX_BYTES + 1;
    }
    ql_buf_clear(&listing->key);
    (void)ql_buf_append(&listing->key, (ql_str){version, HEX_BYTES});
    (void)ql_buf_append(&listing->key, file->path);
    if (listing->key.status < 0) return ql__fail_nomem(err);
    if (ql__git_document_url(&self->url, ql_buf_str(&self->head.branch), file->path, &listing->url) < 0) return ql__fail_nomem(err);
    ql_item item = {.struct_size = sizeof item,
                    .url = ql_buf_str(&listing->url),
                    .version = {version, version_len},
                    .key = ql_buf_str(&listing->key),
                    .size_bytes = file->size_bytes};
    return ql__sink_item(listing->sink, &item, err);
}

static ql_status list_file(git_listing *listing, const ql__git_file *file, ql_error *err)
{
    const git_source *self = listing->source;
    if (!ql__path_filter_admits(self->filter, file->path, file->size_bytes, &listing->reason))
        return listing->reason.status < 0 ? ql__fail_nomem(err) : skip(listing, file->path, ql_buf_str(&listing->reason), err);
    if (file->is_lfs) return skip(listing, file->path, QL_STR("content kept by git-lfs, only a pointer is in the repository"), err);
    return emit(listing, file, err);
}

static ql_status list_all(git_listing *listing, ql_error *err)
{
    const git_source *self = listing->source;
    size_t count;
    const ql__git_file *files = ql__git_history_files(self->history, &count);
    for (size_t i = 0; i < count; i++)
        if (files[i].in_head) QL_TRY(list_file(listing, &files[i], err));
    const ql__git_other *others = ql__git_history_others(self->history, &count);
    for (size_t i = 0; i < count; i++) QL_TRY(skip(listing, others[i].path, ql_str_of(others[i].reason), err));
    return QL_OK;
}

static ql_status git_list(void *user, const ql_source_sink *sink, ql_error *err)
{
    git_source *self = user;
    (void)pthread_mutex_lock(&self->lock);
    ql_status status = prepare(self, err);
    (void)pthread_mutex_unlock(&self->lock); /* the receiver may fetch */
    if (status < 0) return status;
    git_listing listing = {.source = self, .sink = sink};
    status = list_all(&listing, err);
    ql_buf_dispose(&listing.url);
    ql_buf_dispose(&listing.key);
    ql_buf_dispose(&listing.reason);
    return status;
}

/* ---- Fetching ---- */

static void git_release(void *user, void *token)
{
    (void)user;
    ql__file_document_free(token);
}

static ql_status open_handle(git_source *self, git_handle **out, ql_error *err)
{
    git_handle *handle = ql__alloc_zero(1, sizeof *handle);
    if (handle == NULL) return ql__fail_nomem(err);
    ql_status status = ql__git_open(self->api, ql_buf_cstr(&self->head.path), &handle->repo, err);
    if (status < 0) drop_handle(self, handle);
    else *out = handle;
    return status;
}

/* A handle of this thread's own until give_back. Prepares the source when nothing was listed yet. */
static ql_status borrow(git_source *self, git_handle **out, ql_error *err)
{
    (void)pthread_mutex_lock(&self->lock);
    ql_status status = self->ready ? QL_OK : prepare(self, err);
    git_handle *handle = status == QL_OK ? self->idle : NULL;
    if (handle != NULL) self->idle = handle->next;
    (void)pthread_mutex_unlock(&self->lock);
    if (status < 0) return status;
    if (handle == NULL) return open_handle(self, out, err);
    *out = handle;
    return QL_OK;
}

static void give_back(git_source *self, git_handle *handle)
{
    (void)pthread_mutex_lock(&self->lock);
    handle->next = self->idle;
    self->idle = handle;
    (void)pthread_mutex_unlock(&self->lock);
}

static ql_status git_failure(const git_source *self, int code, const char *what, ql_error *err)
{
    return ql__git_fail(self->api, code, ql__git_secret(&self->options, &self->url), what, err);
}

static ql_status read_blob(const git_source *self, git_repository *repo, const git_oid *id, ql_buf *out, ql_error *err)
{
    git_odb *odb = NULL;
    git_odb_object *object = NULL;
    size_t size;
    git_object_t type;
    int code = self->api->git_repository_odb(&odb, repo);
    if (code == 0) code = self->api->git_odb_read_header(&size, &type, odb, id);
    ql_status status = QL_OK;
    if (code == 0 && (type != GIT_OBJECT_BLOB || size > self->options.config->max_file_size || size >= QL_LIMIT_DOCUMENT_BYTES))
        status = ql__fail(err, QL_E_LIMIT, "%zu bytes are more than max_file_size", size);
    if (code == 0 && status == QL_OK) code = self->api->git_odb_read(&object, odb, id);
    /* The commit names it, so it cannot have vanished; libgit2 says so of files it could not open too. */
    if (code == GIT_ENOTFOUND) status = ql__fail(err, QL_E_IO, "its content is missing in this repository (a partial clone?) or cannot be opened there");
    else if (code < 0) status = git_failure(self, code, "cannot read", err);
    if (object != NULL) {
        ql_buf_init(out, QL_LIMIT_DOCUMENT_BYTES);
        if (ql_buf_append(out, (ql_str){self->api->git_odb_object_data(object), self->api->git_odb_object_size(object)}) < 0)
            status = ql__fail_nomem(err);
    }
    self->api->git_odb_object_free(object);
    self->api->git_odb_free(odb);
    return status;
}

/* libgit2 makes it anew at each call and has no word for want of memory: it is empty then, though the message is not. */
static ql_status summary_of(const git_source *self, git_commit *commit, ql_str *out, ql_error *err)
{
    const char *message = self->api->git_commit_message(commit), *summary = self->api->git_commit_summary(commit);
    bool wanted = message != NULL && message[strspn(message, " \t\r\n\v\f")] != '\0';
    if (summary == NULL || (summary[0] == '\0' && wanted)) return ql__fail_nomem(err);
    *out = ql_str_of(summary);
    return QL_OK;
}

/* Author and first line of the commit that changed the file last. */
static ql_status write_commit(const git_source *self, git_repository *repo, const ql__git_file *file, ql__json_writer *json, ql_error *err)
{
    ql__json_key(json, "last_commit_date");
    ql__json_time(json, ql__time_ms(file->last_s, 0));
    if (is_zero(file->last)) return QL_OK;
    git_oid id;
    memcpy(id.id, file->last, 20);
    git_commit *commit = NULL;
    int code = self->api->git_commit_lookup(&commit, repo, &id);
    if (code < 0) return git_failure(self, code, "cannot read a commit", err);
    const git_signature *author = self->api->git_commit_author(commit);
    ql_str summary = {0};
    ql__shown_member(json, "last_commit_author", "", ql_str_of(author != NULL ? author->name : ""));
    ql_status status = summary_of(self, commit, &summary, err);
    if (status >= 0) ql__shown_member(json, "last_commit_message", "", summary);
    self->api->git_commit_free(commit);
    return status;
}

static ql_status describe(const git_source *self, git_repository *repo, const ql__git_file *file, ql__file_document *document, ql_error *err)
{
    ql__file_document_describe(document, file->path);
    ql__json_writer *json = &document->json;
    ql__shown_member(json, "repository_name", "", self->url.name);
    ql__shown_member(json, "repository_owner", "", self->url.owner);
    ql__shown_member(json, "repository_url", "", ql_buf_str(&self->url.base));
    ql__json_member(json, "repository_description", QL_STR(""));
    ql__json_member(json, "repository_language", QL_STR(""));
    ql__shown_member(json, "branch", "", ql_buf_str(&self->head.branch));
    document->created_at_ms = ql__time_ms(file->first_s, 0);
    document->updated_at_ms = ql__time_ms(file->last_s, 0);
    return write_commit(self, repo, file, json, err);
}

static ql_status fill(const git_source *self, git_repository *repo, const ql_item *item, ql__file_document *document, ql_error *err)
{
    const ql__git_file *file = NULL;
    if (item->key.len > HEX_BYTES)
        file = ql__git_history_find(self->history, (ql_str){item->key.ptr + HEX_BYTES, item->key.len - HEX_BYTES});
    char blob[HEX_BYTES + 1];
    if (file != NULL) ql__hex(file->blob, 20, blob);
    if (file == NULL || !file->in_head || memcmp(blob, item->key.ptr, HEX_BYTES) != 0)
        return ql__fail(err, QL_E_NOTFOUND, "no longer in the branch in this form");
    git_oid id;
    memcpy(id.id, file->blob, 20);
    QL_TRY(read_blob(self, repo, &id, &document->content, err));
    return describe(self, repo, file, document, err);
}

static ql_status git_fetch(void *user, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    git_source *self = user;
    git_handle *handle = NULL;
    ql__file_document *document = NULL;
    ql_status opened = borrow(self, &handle, err);
    /* Not found is for documents; a repository that was listed and is not to be found now is a failure. */
    if (ql_status_kind(opened) == QL_E_NOTFOUND) return ql__fail(err, QL_E_IO, "cannot open the repository again to read from it");
    if (opened < 0) return opened;
    ql_status status = ql__file_document_new(item->url, &document, err);
    if (status == QL_OK) status = fill(self, handle->repo, item, document, err);
    if (status == QL_OK) status = ql__file_document_finish(document, out, err);
    give_back(self, handle);
    if (status < 0) ql__file_document_free(document);
    else *token = document;
    return status;
}

static const ql_source_ops git_ops = {
    .struct_size = sizeof git_ops,
    .type = "git",
    .list_fn = git_list,
    .fetch_fn = git_fetch,
    .release_fn = git_release,
    .close_fn = git_close,
};

ql_status ql__source_git_open(const ql__source_options *options, const ql_source_ops **ops, void **out, ql_error *err)
{
    git_source *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    self->options = *options;
    (void)pthread_mutex_init(&self->lock, NULL);
    return ql__source_opened(open_parts(self, err), &git_ops, self, ops, out);
}

ql_status ql__source_git_check(const ql__source_options *options, ql_error *err)
{
    const ql_source_ops *ops = NULL;
    void *opened = NULL;
    QL_TRY(ql__source_git_open(options, &ops, &opened, err));
    git_source *self = opened;
    ql_status status = QL_OK;
    if (self->url.reach == QL__GIT_LOCAL) status = ql__git_sync(self->api, &self->options, &self->url, ql_buf_cstr(&self->folder), &self->head, err); /* finds the branch, fetches nothing */
    git_close(self);
    return status;
}

ql_status ql__source_git_reach(const ql__source_options *options, ql_error *err)
{
    const ql__git_api *api = NULL;
    QL_AUTO(ql__git_url, ql__git_url_dispose) url = {0};
    QL_TRY(ql__git_url_parse(options->config->base_url, &url, err));
    if (url.reach == QL__GIT_LOCAL) return QL_DONE;
    QL_TRY(ql__git_api_get(&api, err));
    return ql__git_ask(api, options, &url, err);
}

ql_status ql__source_git_version(char version[24], ql_error *err)
{
    const ql__git_api *api = NULL;
    int major = 0, minor = 0, patch = 0;
    QL_TRY(ql__git_api_get(&api, err));
    (void)api->git_libgit2_version(&major, &minor, &patch);
    snprintf(version, 24, "%d.%d.%d", major, minor, patch);
    return QL_OK;
}
