/*
 * Objects of a hostile repository, straight into the database of objects: commits, trees, files and tags of any content behind any id. Holds: the
 * history is read or refused, every file of the head is found by its path, and what a document says of its last commit can be read.
 * The input: records of kind (commit, tree, file, tag) and content; the head is the first. An id names an object by its last byte.
 */
#include "fuzz_git.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const git_object_t types[] = {GIT_OBJECT_COMMIT, GIT_OBJECT_TREE, GIT_OBJECT_BLOB, GIT_OBJECT_TAG};

static fuzz_git_record objects[FUZZ_GIT_OBJECTS_MAX];
static size_t object_count;

static const fuzz_git_record *find(const git_oid *id)
{
    return object_count > 0 && id->id[0] == 0x11 ? &objects[id->id[19] % object_count] : NULL; /* others are missing, as in a partial clone */
}

static int read_header(size_t *size, git_object_t *type, git_odb_backend *backend, const git_oid *id)
{
    const fuzz_git_record *object = find(id);
    (void)backend;
    if (object == NULL) return GIT_ENOTFOUND;
    *size = object->bytes.len;
    *type = types[object->kind % 4];
    return 0;
}

static int read_object(void **out, size_t *size, git_object_t *type, git_odb_backend *backend, const git_oid *id)
{
    int code = read_header(size, type, backend, id);
    if (code < 0) return code;
    *out = fuzz_git_state.more.git_odb_backend_data_alloc(backend, *size + 1);
    if (*out == NULL) return GIT_ERROR;
    memcpy(*out, find(id)->bytes.ptr, *size);
    ((char *)*out)[*size] = '\0';
    return 0;
}

static int exists(git_odb_backend *backend, const git_oid *id)
{
    (void)backend;
    return find(id) != NULL;
}

static void free_backend(git_odb_backend *backend)
{
    (void)backend;
}

static git_repository *open_once(const fuzz_git *git)
{
    static git_repository *repo;
    static git_odb_backend backend;
    if (repo != NULL) return repo;
    git_repository_init_options init;
    git_odb *odb = NULL;
    if (git->api->git_repository_init_options_init(&init, GIT_REPOSITORY_INIT_OPTIONS_VERSION) != 0) abort();
    init.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_NO_DOTGIT_DIR;
    if (git->api->git_repository_init_ext(&repo, git->folder, &init) != 0 || git->api->git_repository_odb(&odb, repo) != 0) abort();
    if (git->more.git_odb_init_backend(&backend, GIT_ODB_BACKEND_VERSION) != 0) abort();
    backend.read = read_object;
    backend.read_header = read_header;
    backend.exists = exists;
    backend.free = free_backend;
    if (git->more.git_odb_add_backend(odb, &backend, 999) != 0) abort();
    git->api->git_odb_free(odb);
    return repo;
}

static void read_last(const fuzz_git *git, git_repository *repo, const ql__git_file *file)
{
    git_oid id;
    git_commit *commit = NULL;
    memset(&id, 0, sizeof id);
    memcpy(id.id, file->last, 20);
    if (id.id[0] != 0x11 || git->api->git_commit_lookup(&commit, repo, &id) < 0) return;
    const git_signature *author = git->api->git_commit_author(commit);
    size_t length = author != NULL && author->name != NULL ? strlen(author->name) : 0;
    const char *summary = git->api->git_commit_summary(commit);
    if (summary == NULL || strchr(summary, '\n') != NULL || length > 65535) abort();
    git->api->git_commit_free(commit);
}

static void check(const fuzz_git *git, git_repository *repo, const ql__git_history *history)
{
    size_t count;
    const ql__git_file *files = ql__git_history_files(history, &count);
    for (size_t i = 0; i < count; i++) {
        if (ql__git_history_find(history, files[i].path) != &files[i] || memchr(files[i].path.ptr, '\0', files[i].path.len) != NULL) abort();
        if (files[i].in_head && i < 100) read_last(git, repo, &files[i]);
    }
    const ql__git_other *others = ql__git_history_others(history, &count);
    for (size_t i = 0; i < count; i++)
        if (others[i].reason[0] == '\0') abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_git *git = fuzz_git_get();
    ql_str rest = {(const char *)data, size};
    for (object_count = 0; object_count < FUZZ_GIT_OBJECTS_MAX && fuzz_git_next(&rest, &objects[object_count]);) object_count++;
    if (object_count == 0) return 0;
    git_repository *repo = open_once(git);
    ql__config_source config = {.type = QL__SOURCE_GIT, .depth_set = size % 4 == 0, .depth = 3};
    ql__source_options source = {.config = &config, .sys = fuzz_git_sys(), .cancelled_fn = fuzz_git_cancelled, .user = git};
    ql__git_history_options options = {.api = git->api, .source = &source, .repo = repo, .compared_max = 10000};
    fuzz_git_id(&options.head, 0);
    ql__git_history *history = NULL;
    ql_error err = {0};
    ql_status status = ql__git_history_new(&options, &history, &err);
    if (status < 0 && err.message[0] == '\0') abort();
    if (status == QL_OK) check(git, repo, history);
    if (status == QL_OK) ql__git_history_free(history);
    return 0;
}
