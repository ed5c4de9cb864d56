/*
 * A hostile or broken git server: what it advertises, how it negotiates, the pack it sends. The bytes come in place of a connection, so
 * nothing of the network is used. Holds: the copy is made or the failure has a reason, nothing is written outside the folder of the copy, and
 * what was fetched can be read as a history.
 *
 * The input: records. 0 the advertisement, 1 the answer before the pack, 2 a pack as it stands; 4 to 10 an object of that type of a pack
 * that is put together here (commit, tree, file, tag, 8 as 4, 9 a difference to the object before, 10 to an id), with header and checksum. The id
 * of object i is written as 19 bytes of 0x11 and i, in hexadecimal or not: the true one is put in its place where it can be known.
 */
#include "fuzz_git.h"
#include "source/git_remote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ql_buf answers[2]; /* to the request for references, and for a pack */

/* ---- The connection ---- */

typedef struct connection {
    git_smart_subtransport_stream stream; /* first */
    ql_str rest;
} connection;

static int stream_read(git_smart_subtransport_stream *stream, char *buffer, size_t size, size_t *count)
{
    connection *self = (connection *)stream;
    *count = size < self->rest.len ? size : self->rest.len;
    if (*count > 0) memcpy(buffer, self->rest.ptr, *count);
    self->rest = (ql_str){self->rest.ptr + *count, self->rest.len - *count};
    return 0;
}

static int stream_write(git_smart_subtransport_stream *stream, const char *buffer, size_t len)
{
    (void)stream, (void)buffer, (void)len;
    return 0;
}

static void stream_free(git_smart_subtransport_stream *stream)
{
    free(stream);
}

static int act(git_smart_subtransport_stream **out, git_smart_subtransport *transport, const char *url, git_smart_service_t action)
{
    (void)url;
    connection *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->stream = (git_smart_subtransport_stream){transport, stream_read, stream_write, stream_free};
    self->rest = ql_buf_str(&answers[action != GIT_SERVICE_UPLOADPACK_LS]);
    *out = &self->stream;
    return 0;
}

static int close_transport(git_smart_subtransport *transport)
{
    (void)transport;
    return 0;
}

static void free_transport(git_smart_subtransport *transport)
{
    free(transport);
}

static int new_subtransport(git_smart_subtransport **out, git_transport *owner, void *param)
{
    (void)owner, (void)param;
    *out = calloc(1, sizeof **out);
    if (*out == NULL) abort();
    **out = (git_smart_subtransport){act, close_transport, free_transport};
    return 0;
}

static int new_transport(git_transport **out, git_remote *owner, void *param)
{
    static git_smart_subtransport_definition definition = {new_subtransport, 1, NULL};
    (void)param;
    return fuzz_git_state.more.git_transport_smart(out, owner, &definition);
}

/* ---- The pack ---- */

typedef struct object {
    int type; /* of a pack */
    ql_buf bytes;
    uint8_t id[20];
    bool known;
} object;

static object objects[FUZZ_GIT_OBJECTS_MAX];
static size_t object_count;

static void put_id(unsigned char *at, const object *other, bool in_hex)
{
    char hex[41];
    ql__hex(other->id, 20, hex);
    memcpy(at, in_hex ? (const void *)hex : other->id, in_hex ? 40 : 20);
}

/* True ids in place of the made-up ones. */
static void resolve(ql_buf *bytes)
{
    static const unsigned char hex[] = "11111111111111111111111111111111111111", raw[] = "\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11";
    unsigned char *at = (unsigned char *)bytes->ptr;
    for (size_t i = 0; i + 20 <= bytes->len; i++) {
        size_t other = FUZZ_GIT_OBJECTS_MAX;
        bool in_hex = i + 40 <= bytes->len && memcmp(at + i, hex, 38) == 0;
        if (in_hex) other = (size_t)(at[i + 38] & 15) * 16 + (at[i + 39] & 15);
        else if (memcmp(at + i, raw, 19) == 0) other = at[i + 19];
        if (other >= object_count || !objects[other].known) continue;
        put_id(at + i, &objects[other], in_hex);
    }
}

static void identify(object *self)
{
    static const char *const names[] = {"", "commit", "tree", "blob", "tag"};
    ql_buf whole = QL_BUF_INIT;
    resolve(&self->bytes);
    if (self->type > 4) return;
    (void)ql_buf_printf(&whole, "%s %zu", names[self->type], self->bytes.len);
    (void)ql_buf_append_char(&whole, '\0');
    (void)ql_buf_append(&whole, ql_buf_str(&self->bytes));
    ql__sha1_of(ql_buf_str(&whole), self->id);
    self->known = true;
    ql_buf_dispose(&whole);
}

static void put_number(ql_buf *out, size_t value, unsigned char first, int first_bits)
{
    unsigned char byte = (unsigned char)(first | (value & ((1u << first_bits) - 1)));
    for (value >>= first_bits; value > 0; value >>= 7) {
        (void)ql_buf_append_char(out, (char)(byte | 0x80));
        byte = value & 0x7f;
    }
    (void)ql_buf_append_char(out, (char)byte);
}

static void put_object(ql_buf *out, const object *self, size_t *before)
{
    size_t at = out->len;
    ql_str bytes = ql_buf_str(&self->bytes);
    size_t skip = self->type == 7 && bytes.len >= 20 ? 20 : 0; /* of a difference to an id, the id */
    put_number(out, bytes.len - skip, (unsigned char)(self->type << 4), 4);
    if (self->type == 6) { /* the distance, most significant bits first */
        size_t distance = at - *before;
        if (distance > 127) (void)ql_buf_append_char(out, (char)(0x80 | (((distance >> 7) - 1) & 0x7f)));
        (void)ql_buf_append_char(out, (char)(distance & 0x7f));
    }
    (void)ql_buf_append(out, (ql_str){bytes.ptr, skip});
    fuzz_git_deflate(out, (ql_str){bytes.ptr + skip, bytes.len - skip});
    *before = at;
}

static void make_pack(ql_buf *out)
{
    uint8_t sum[20];
    size_t before = out->len;
    const unsigned char count[] = {0, 0, 0, (unsigned char)object_count};
    (void)ql_buf_append(out, QL_STR("PACK"));
    (void)ql_buf_append(out, (ql_str){"\0\0\0\2", 4});
    (void)ql_buf_append(out, (ql_str){(const char *)count, 4});
    for (size_t i = object_count; i-- > 0;) identify(&objects[i]); /* later ones first: earlier ones name them */
    for (size_t i = 0; i < object_count; i++) put_object(out, &objects[i], &before);
    ql__sha1_of(ql_buf_str(out), sum);
    (void)ql_buf_append(out, (ql_str){(const char *)sum, 20});
}

/* In packets of the side band, as servers send it. */
static void put_packets(ql_buf *out, ql_str pack)
{
    while (pack.len > 0) {
        size_t part = pack.len < 60000 ? pack.len : 60000;
        (void)ql_buf_printf(out, "%04x", (unsigned)(part + 5));
        (void)ql_buf_append_char(out, 1);
        (void)ql_buf_append(out, (ql_str){pack.ptr, part});
        pack = (ql_str){pack.ptr + part, pack.len - part};
    }
    (void)ql_buf_append(out, QL_STR("0000"));
}

static void make_answers(ql_str rest)
{
    fuzz_git_record record;
    ql_buf pack = QL_BUF_INIT;
    for (object_count = 0; fuzz_git_next(&rest, &record);) {
        if (record.kind < 2) (void)ql_buf_append(&answers[record.kind], record.bytes);
        else if (record.kind == 2) (void)ql_buf_append(&pack, record.bytes);
        else if (record.kind >= 4 && object_count < FUZZ_GIT_OBJECTS_MAX) {
            static const int types[] = {1, 2, 3, 4, 1, 6, 7};
            object *self = &objects[object_count++];
            *self = (object){.type = types[(record.kind - 4) % 7], .bytes = QL_BUF_INIT};
            if (self->type == 6 && object_count == 1) self->type = 3;
            (void)ql_buf_append(&self->bytes, record.bytes);
        }
    }
    if (object_count > 0) make_pack(&pack);
    resolve(&answers[0]);
    resolve(&answers[1]);
    if (object_count > 0 || pack.len > 0) put_packets(&answers[1], ql_buf_str(&pack));
    ql_buf_dispose(&pack);
}

/* ---- The run ---- */

static void read_history(fuzz_git *git, const ql__source_options *source, const ql__git_head *head)
{
    git_repository *repo = NULL;
    ql__git_history *history = NULL;
    ql_error err = {0};
    if (ql__git_open(git->api, ql_buf_cstr(&head->path), &repo, &err) < 0) return;
    ql__git_history_options options = {.api = git->api, .source = source, .repo = repo, .head = head->commit, .compared_max = 10000};
    ql_status status = ql__git_history_new(&options, &history, &err);
    if (status < 0 && err.message[0] == '\0') abort();
    if (status == QL_OK) ql__git_history_free(history);
    git->api->git_repository_free(repo);
}

static void expect_only(const char *folder, const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (access(path, F_OK) == 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    fuzz_git *git = fuzz_git_get();
    if (!ready && git->more.git_transport_register("http", new_transport, NULL) != 0) abort();
    ready = true;
    fuzz_git_clean(git);
    make_answers((ql_str){(const char *)data, size});
    ql__config_source config = {.type = QL__SOURCE_GIT, .depth_set = size % 4 == 0, .depth = 2, .branch = size % 3 == 0 ? QL_STR("main") : QL_STR("")};
    ql__source_options source = {.config = &config, .sys = fuzz_git_sys(), .cancelled_fn = fuzz_git_cancelled, .user = git};
    ql__git_url url;
    ql__git_head head = {0};
    ql_error err = {0};
    char folder[128];
    snprintf(folder, sizeof folder, "%s/a/copy", git->folder);
    if (ql__git_url_parse(QL_STR("http://localhost/o/r.git"), &url, NULL) != QL_OK) abort();
    if (size % 5 == 0 && ql__git_ask(git->api, &source, &url, &err) < 0 && err.message[0] == '\0') abort();
    ql_status status = ql__git_sync(git->api, &source, &url, folder, &head, &err);
    if (status < 0 && err.message[0] == '\0') abort();
    if (status == QL_OK) read_history(git, &source, &head);
    static const char *const outside[] = {"x", "a/x", "a/copy/x", "a/copy/refs", "a/refs", "refs"};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) expect_only(git->folder, outside[i]);
    ql__git_head_dispose(&head);
    ql__git_url_dispose(&url);
    for (size_t i = 0; i < object_count; i++) ql_buf_dispose(&objects[i].bytes);
    ql_buf_clear(&answers[0]);
    ql_buf_clear(&answers[1]);
    return 0;
}
