/*
 * What the harnesses of git have in common: libgit2 without the user's settings and without the check of object ids (who forges an object
 * knows how to compute its id), a folder in memory, records in an input, and objects packed without compression, so that an edit of the input is an
 * edit of the object. Header only.
 */
#ifndef QL_FUZZ_GIT_H
#define QL_FUZZ_GIT_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dep/digest.h"
#include "dep/dynlib.h"
#include "source/git_api.h"
#include "source/git_history.h"
#include "source/source.h"

#include <git2/sys/odb_backend.h>
#include <git2/sys/transport.h>

#define FUZZ_GIT_MORE(X) X(git_odb_add_backend) X(git_odb_init_backend) X(git_odb_backend_data_alloc) X(git_transport_register) X(git_transport_smart)
#define FUZZ_GIT_POLLS_MAX 400 /* steps of long work: a few trees that share subtrees unfold to millions */
#define FUZZ_GIT_OBJECTS_MAX 64

/*
 * libgit2 1.9 loses pieces of what it gives up on, none larger than the line or path it read: the path of a core.worktree that does not exist, the 80
 * bytes for a first line of a server that is none, an agent or format told twice, the name of an author whose line breaks off. Which function shows in a
 * report depends on what the compiler joined, so its module is left out of them as a whole here; that ours gives back what libgit2 hands out is held by
 * the tests of lib/source and by the fault test.
 */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:qloader-git2.so\n";
}

typedef struct fuzz_git_more {
#define FUZZ_GIT_MEMBER(name) __typeof__(&name) name;
    FUZZ_GIT_MORE(FUZZ_GIT_MEMBER)
#undef FUZZ_GIT_MEMBER
} fuzz_git_more;

typedef struct fuzz_git {
    const ql__git_api *api;
    fuzz_git_more more;
    char folder[64]; /* empty after _clean */
    int polls;       /* set to 0 for each input */
} fuzz_git;

static int fuzz_git_remove(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type;
    if (walk->level > 0) (void)remove(path);
    return 0;
}

/* Leaves the folder itself. */
static inline void fuzz_git_clean(const fuzz_git *self)
{
    (void)nftw(self->folder, fuzz_git_remove, 16, FTW_PHYS | FTW_DEPTH);
}

static fuzz_git fuzz_git_state;

static void fuzz_git_end(void)
{
    fuzz_git_clean(&fuzz_git_state);
    (void)rmdir(fuzz_git_state.folder);
}

/* On first call opens libgit2. Folders go when the program ends, unless it crashes. */
static inline fuzz_git *fuzz_git_get(void)
{
#define FUZZ_GIT_NAME(name) #name,
    static const char *const names[] = {FUZZ_GIT_MORE(FUZZ_GIT_NAME)};
#undef FUZZ_GIT_NAME
    fuzz_git *self = &fuzz_git_state;
    void *found[sizeof names / sizeof *names];
    ql_error err = {0};
    self->polls = 0;
    if (self->api != NULL) return self;
    if (ql__git_api_get(&self->api, &err) < 0 || ql__dynlib_load("qloader-git2", names, sizeof names / sizeof *names, found, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    memcpy(&self->more, found, sizeof found);
    for (int level = GIT_CONFIG_LEVEL_PROGRAMDATA; level <= GIT_CONFIG_LEVEL_GLOBAL; level++) (void)self->api->git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
    (void)self->api->git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
    (void)self->api->git_libgit2_opts(GIT_OPT_ENABLE_CACHING, 0);
    snprintf(self->folder, sizeof self->folder, "%s/qloader-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(self->folder) == NULL) abort();
    (void)atexit(fuzz_git_end);
    return self;
}

static inline int fuzz_git_cancelled(void *user)
{
    return ++((fuzz_git *)user)->polls > FUZZ_GIT_POLLS_MAX;
}

static void fuzz_git_no_sleep(void *user, uint32_t ms)
{
    (void)user, (void)ms;
}

/* The kernel, but nobody waits. */
static inline const ql__sys *fuzz_git_sys(void)
{
    static ql__clock_ops clock;
    static ql__sys sys;
    clock = ql__clock_kernel;
    clock.sleep_ms_fn = fuzz_git_no_sleep;
    sys = (ql__sys){.file = ql__sys_default()->file, .clock = &clock};
    return &sys;
}

/* ---- Records: a byte that says what it is, two bytes of length, the content ---- */

typedef struct fuzz_git_record {
    uint8_t kind;
    ql_str bytes;
} fuzz_git_record;

/* False at the end. The last record may be cut. */
static inline bool fuzz_git_next(ql_str *rest, fuzz_git_record *out)
{
    if (rest->len < 3) return false;
    const unsigned char *head = (const unsigned char *)rest->ptr;
    size_t length = head[1] | (size_t)head[2] << 8, left = rest->len - 3;
    if (length > left) length = left;
    *out = (fuzz_git_record){head[0], {rest->ptr + 3, length}};
    *rest = (ql_str){rest->ptr + 3 + length, left - length};
    return true;
}

/* ---- Objects ---- */

/* zlib's format with the bytes as they are. */
static inline void fuzz_git_deflate(ql_buf *out, ql_str bytes)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        a = (a + (unsigned char)bytes.ptr[i]) % 65521;
        b = (b + a) % 65521;
    }
    (void)ql_buf_append(out, QL_STR("\x78\x01"));
    do {
        size_t part = bytes.len < 65535 ? bytes.len : 65535;
        const char head[] = {part == bytes.len, (char)part, (char)(part >> 8), (char)~part, (char)(~part >> 8)};
        (void)ql_buf_append(out, (ql_str){head, sizeof head});
        (void)ql_buf_append(out, (ql_str){bytes.ptr, part});
        bytes = (ql_str){bytes.ptr + part, bytes.len - part};
    } while (bytes.len > 0);
    const char tail[] = {(char)(b >> 8), (char)b, (char)(a >> 8), (char)a};
    (void)ql_buf_append(out, (ql_str){tail, sizeof tail});
}

/* The id by which inputs name object i: 19 bytes of 0x11 and i. */
static inline void fuzz_git_id(git_oid *out, size_t i)
{
    memset(out, 0, sizeof *out);
    memset(out->id, 0x11, 19);
    out->id[19] = (unsigned char)i;
}

#endif
