/*
 * A hostile repository in a folder of this machine: references, settings, packs, single objects and all else that libgit2 reads on its own
 * account. Holds: the source lists and reads it or says why not, and every file that was listed is there to be fetched or has a reason.
 * The input: a byte of options, then records of file and content.
 */
#include <fcntl.h>

#include "fuzz_git.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACK "objects/pack/pack-0123456789012345678901234567890123456789"
#define FETCHES_MAX 16

static const char *const files[] = {
    "HEAD", "config", "packed-refs", "refs/heads/main", "shallow", "objects/info/alternates", PACK ".pack", PACK ".idx", "objects/info/commit-graph",
    "objects/pack/multi-pack-index", "objects/11/11111111111111111111111111111111111111", "objects/11/11111111111111111111111111111111111122", "refs/tags/v1", "commondir",
    "objects/11/11111111111111111111111111111111111133", "objects/11/11111111111111111111111111111111111144",
};

enum { FILE_COUNT = sizeof files / sizeof *files, FIRST_OBJECT = 10 };

static void put(const fuzz_git *git, const fuzz_git_record *record)
{
    char path[256];
    ql_buf packed = QL_BUF_INIT;
    ql_str bytes = record->bytes;
    size_t which = record->kind % FILE_COUNT;
    bool object = which == 10 || which == 11 || which > 13;
    snprintf(path, sizeof path, "%s/%s", git->folder, files[which]);
    if (object && record->kind < 128) { /* above: compressed, or not, by the input itself */
        fuzz_git_deflate(&packed, bytes);
        bytes = ql_buf_str(&packed);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, bytes.ptr, bytes.len) != (ssize_t)bytes.len) abort();
    close(fd);
    ql_buf_dispose(&packed);
}

static void make(const fuzz_git *git, ql_str rest)
{
    static const char *const folders[] = {"objects", "objects/11", "objects/pack", "objects/info", "refs", "refs/heads", "refs/tags"};
    static const fuzz_git_record defaults[] = {{0, {"ref: refs/heads/main\n", 21}}, {3, {"1111111111111111111111111111111111111111\n", 41}}};
    char path[256];
    fuzz_git_record record;
    fuzz_git_clean(git);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", git->folder, folders[i]);
        if (mkdir(path, 0755) != 0) abort();
    }
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) put(git, &defaults[i]);
    while (fuzz_git_next(&rest, &record)) put(git, &record);
}

typedef struct listing {
    const ql_source_ops *ops;
    void *source;
    int fetched;
} listing;

static int on_item(void *user, const ql_item *item)
{
    listing *self = user;
    ql_document document;
    void *token = NULL;
    ql_error err = {0};
    if (item->url.len == 0 || item->version.len < 40) abort();
    if (self->fetched++ == FETCHES_MAX) return 1;
    ql_status status = self->ops->fetch_fn(self->source, item, &document, &token, &err);
    if (status < 0 && err.message[0] == '\0') abort();
    if (status == QL_OK && (document.content.len > 4096 || !ql_str_equal(document.url, item->url))) abort();
    if (status == QL_OK) self->ops->release_fn(self->source, token);
    return 0;
}

static int on_skipped(void *user, ql_str url, ql_str reason)
{
    (void)user;
    if (url.len == 0 || reason.len == 0) abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_git *git = fuzz_git_get();
    if (size == 0) return 0;
    make(git, (ql_str){(const char *)data + 1, size - 1});
    ql__config_source config = {.type = QL__SOURCE_GIT, .type_name = QL_STR("git"), .name = QL_STR("x"), .base_url = ql_str_of(git->folder), .max_file_size = 4096};
    static const char *const branches[] = {"", "main", "v1", "refs/heads/main"};
    config.branch = ql_str_of(branches[data[0] % 4]);
    config.depth_set = (data[0] & 4) != 0;
    config.depth = data[0] >> 4;
    ql__source_options options = {.config = &config, .sys = fuzz_git_sys(), .cancelled_fn = fuzz_git_cancelled, .user = git};
    listing list = {0};
    ql_error err = {0};
    ql_status status = ql__source_git_open(&options, &list.ops, &list.source, &err);
    if (status == QL_OK) {
        const ql_source_sink sink = {.struct_size = sizeof sink, .item_fn = on_item, .skipped_fn = on_skipped, .user = &list};
        status = list.ops->list_fn(list.source, &sink, &err);
        list.ops->close_fn(list.source);
    }
    if (status < 0 && err.message[0] == '\0') abort();
    return 0;
}
