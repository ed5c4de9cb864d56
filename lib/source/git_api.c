/*
 * Loads the module with libgit2 and turns its errors into ours. Invariants: the table is written once under the lock and never
 * changes; the library is initialised once and stays until the process ends. It is a copy of our own, so its memory is ours to bound: no single
 * piece is larger than QL_LIMIT_GIT_READ_BYTES (or _FETCH_). Threads: any.
 */
#include "source/git_api.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "dep/dynlib.h"

enum {
    CACHE_BYTES = 32 << 20, /* of parsed objects; 30,000 commits over 10,000 files: 405 MB and 2.5 s without a cap, 156 MB and 4.2 s with it */
    CONNECT_TIMEOUT_MS = 30000,
    ANSWER_TIMEOUT_MS = 60000, /* silence of a server, not the length of a clone */
};

static const char *const names[] = {
#define SYMBOL_NAME(name) #name,
    QL_GIT_SYMBOLS(SYMBOL_NAME)
#undef SYMBOL_NAME
};

enum { SYMBOL_COUNT = sizeof names / sizeof *names };

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static ql__git_api loaded;
static bool is_loaded;

/* ---- Memory ---- */

static _Thread_local bool is_fetching, was_refused;

bool ql__git_fetching(bool fetching)
{
    bool before = is_fetching;
    is_fetching = fetching;
    return before;
}

static bool may_have(size_t size)
{
    bool may = size <= (is_fetching ? QL_LIMIT_GIT_FETCH_BYTES : QL_LIMIT_GIT_READ_BYTES);
    was_refused |= !may;
    return may;
}

/* The C library's, as libgit2 takes it by itself, not the program's allocator: some of it lives as long as the process. */
static void *bounded_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return may_have(size) ? malloc(size) : NULL;
}

static void *bounded_realloc(void *bytes, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return may_have(size) ? realloc(bytes, size) : NULL;
}

static void plain_free(void *bytes)
{
    free(bytes);
}

/* ---- Loading ---- */

static ql_status load(ql_error *err)
{
    void *addresses[SYMBOL_COUNT];
    _Static_assert(sizeof loaded == sizeof addresses, "the table holds pointers only");
    QL_TRY(ql__dynlib_load("qloader-git2", names, SYMBOL_COUNT, addresses, err));
    memcpy(&loaded, addresses, sizeof loaded);
    git_allocator memory = {bounded_malloc, bounded_realloc, plain_free};
    if (loaded.git_libgit2_opts(GIT_OPT_SET_ALLOCATOR, &memory) < 0 || loaded.git_libgit2_init() < 0) return ql__fail(err, QL_E_INTERNAL, "libgit2 cannot be initialised");
    /* We only read objects: hooks, filters and programs named in a repository's configuration are never run, so its owner does not matter. */
    (void)loaded.git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    (void)loaded.git_libgit2_opts(GIT_OPT_SET_SERVER_CONNECT_TIMEOUT, (int)CONNECT_TIMEOUT_MS);
    (void)loaded.git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, (ssize_t)CACHE_BYTES);
    (void)loaded.git_libgit2_opts(GIT_OPT_SET_SERVER_TIMEOUT, (int)ANSWER_TIMEOUT_MS);
    is_loaded = true;
    return QL_OK;
}

ql_status ql__git_api_get(const ql__git_api **out, ql_error *err)
{
    (void)pthread_mutex_lock(&load_lock);
    ql_status status = is_loaded ? QL_OK : load(err);
    (void)pthread_mutex_unlock(&load_lock);
    if (status == QL_OK) *out = &loaded;
    return status;
}

/* ---- Failures ---- */

static ql_status kind_of(int code, int class, const char *message)
{
    switch (code) {
    case GIT_ENOTFOUND:
    case GIT_EUNBORNBRANCH:
        return QL_E_NOTFOUND;
    case GIT_EAUTH:
        return QL_E_AUTH;
    case GIT_EUSER:
        return QL_E_CANCELLED;
    case GIT_TIMEOUT:
        return QL_E_TIMEOUT;
    case GIT_ECERTIFICATE:
        return QL_E_NET;
    case GIT_ELOCKED:
        return QL_E_BUSY;
    default:
        break;
    }
    if (class == GIT_ERROR_HTTP && strstr(message, "status code: 404") != NULL) return QL_E_NOTFOUND;
    if (class == GIT_ERROR_HTTP && strstr(message, "status code: 403") != NULL) return QL_E_AUTH;
    switch (class) {
    case GIT_ERROR_NOMEMORY:
        return QL_E_NOMEM;
    case GIT_ERROR_NET:
    case GIT_ERROR_SSL:
    case GIT_ERROR_SSH:
    case GIT_ERROR_HTTP:
        return QL_E_NET;
    case GIT_ERROR_ODB:
    case GIT_ERROR_OBJECT:
    case GIT_ERROR_ZLIB:
    case GIT_ERROR_TREE:
    case GIT_ERROR_INDEXER:
        return QL_E_CORRUPT;
    default:
        return QL_E_IO;
    }
}

/* Appends one line of text without secret and without "user:password@" after "://". */
static void append_clean(ql_buf *out, ql_str text, ql_str secret)
{
    for (size_t i = 0; i < text.len; i++) {
        if (secret.len > 0 && text.len - i >= secret.len && memcmp(text.ptr + i, secret.ptr, secret.len) == 0) {
            (void)ql_buf_append(out, QL_STR("***"));
            i += secret.len - 1;
            continue;
        }
        char c = text.ptr[i];
        (void)ql_buf_append_char(out, (unsigned char)c < 0x20 ? ' ' : c);
        if (i < 2 || memcmp(text.ptr + i - 2, "://", 3) != 0) continue;
        size_t end = i + 1;
        while (end < text.len && strchr("@/ '\"", text.ptr[end]) == NULL) end++;
        if (end < text.len && text.ptr[end] == '@') {
            (void)ql_buf_append(out, QL_STR("***"));
            i = end - 1;
        }
    }
}

ql_status ql__git_fail(const ql__git_api *api, int code, ql_str secret, const char *what, ql_error *err)
{
    const git_error *last = api->git_error_last();
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    const char *message = last != NULL && last->message != NULL ? last->message : "no reason given";
    bool refused = was_refused;
    was_refused = false;
    if (refused && last != NULL && last->klass == GIT_ERROR_NOMEMORY)
        return ql__fail(err, QL_E_LIMIT, "%s: an object says that it has more than %zu MiB", what, (is_fetching ? QL_LIMIT_GIT_FETCH_BYTES : QL_LIMIT_GIT_READ_BYTES) >> 20);
    append_clean(&text, ql_str_of(message), secret);
    return ql__fail(err, kind_of(code, last != NULL ? last->klass : 0, message), "%s: %s", what, ql_buf_cstr(&text));
}
