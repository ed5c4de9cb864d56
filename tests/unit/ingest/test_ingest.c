/*
 * The ingest of one source against a real store: what is added, changed, deleted and left alone; what a failure may not do.
 * Documents come from memory, vectors from a hash, so that a run takes milliseconds; converters, chunker and store are the real ones.
 */
#include "ingest/ingest.h"
#include "store/store.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "memory_source.h"
#include "support/testing.h"

typedef struct bench {
    char *dir;
    ql__pool *pool;
    ql_ingest_options options;
    ql_ingest_report report;
    size_t events;
    int stop_after; /* events until the callback stops; 0: never */
    const ql_embedder_ops *embedder;
    void *embedder_self;
    uint32_t chunks_max;
    bool reads_meanwhile; /* a snapshot of the connection that is to write */
    bool limited;         /* a limit on memory that all documents fit in side by side */
    bool one_by_one;      /* a limit on memory that no two documents fit in */
} bench;

/* --- a thread that cannot be started: before the C library's function of this name */

static int threads_left = -1; /* so many more start, then one does not; negative: all */

#pragma GCC visibility push(default)

int pthread_create(pthread_t *out, const pthread_attr_t *attributes, void *(*main_fn)(void *), void *user)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (threads_left >= 0 && threads_left-- == 0) return EAGAIN;
    return real(out, attributes, main_fn, user);
}

#pragma GCC visibility pop

static int setup(void **state)
{
    static bench self;
    self = (bench){.dir = ql_test_dir_new()};
    self.options = (ql_ingest_options)QL_INGEST_OPTIONS_INIT;
    self.embedder = &hash_embedder_ops;
    ql_error err = {0};
    assert_int_equal(ql__pool_new(2, &self.pool, &err), QL_OK);
    *state = &self;
    return 0;
}

static int teardown(void **state)
{
    bench *self = *state;
    ql__pool_free(self->pool);
    ql_test_dir_remove(self->dir);
    return 0;
}

static ql__store *open_store(const bench *self, bool write, ql_error *err)
{
    ql__store *store = NULL;
    ql__store_options options = {.dir = self->dir, .collection = "test", .write = write, .dims = MEMORY_DIMS, .model = "hash-16", .sys = ql_test_sys()};
    return ql__store_open(&options, &store, err) < 0 ? NULL : store;
}

static ql_status run_named(bench *self, memory_source *from, const char *project, ql_error *err)
{
    ql__ingest ingest = {0};
    self->report = (ql_ingest_report){0};
    assert_int_equal(ql__ingest_init(&ingest), QL_OK);
    if (self->one_by_one) ingest.memory.max = 1, ingest.memory.beside = 0;
    if (self->limited) ingest.memory.max = 1; /* and all fit side by side */
    ingest.sys = ql_test_sys();
    ingest.pool = self->pool;
    ingest.embedder = self->embedder;
    ingest.embedder_self = self->embedder_self;
    ingest.chunk = (ql_chunk_options){.struct_size = sizeof ingest.chunk, .size_max = 200, .overlap = 20, .chunks_max = self->chunks_max};
    ingest.pipeline = QL_STR("test 1");
    ingest.options = &self->options;
    ingest.report = &self->report;
    const ql__backend backend = {.ops = ql__store_embedded(), .store = open_store(self, !self->options.dry_run, err)};
    ingest.store = backend.store != NULL ? &backend : NULL;
    ql_status status = ingest.store == NULL && !self->options.dry_run ? err->status : QL_OK;
    ql__ingest_source source = {.project = ql_str_of(project), .source_type = QL_STR("memory"), .source = QL_STR("s"), .ops = &memory_source_ops, .self = from};
    ql__snapshot *snapshot = NULL;
    if (self->reads_meanwhile) assert_int_equal(ql__snapshot_open(backend.store, &snapshot, err), QL_OK);
    if (status >= 0) status = ql__ingest_source_run(&ingest, &source, err);
    ql__snapshot_free(snapshot);
    ql__store_free(backend.store);
    ql__ingest_dispose(&ingest);
    return status;
}

static ql_status run(bench *self, memory_source *from)
{
    ql_error err = {0};
    return run_named(self, from, "p", &err);
}

/* "url id version\n" of everything stored for a project. */
static int append_known(void *user, const ql_store_known *known)
{
    ql_buf *out = user;
    return ql_buf_printf(out, "%.*s %.*s %.*s\n", (int)known->url.len, known->url.ptr, (int)known->id.len, known->id.ptr, (int)known->version.len,
                         known->version.ptr) < 0;
}

static void known(bench *self, const char *project, ql_buf *out)
{
    ql_error err = {0};
    ql__store *store = open_store(self, false, &err);
    assert_non_null(store);
    ql_buf_clear(out);
    assert_int_equal(ql__store_known_each(store, ql_str_of(project), QL_STR("memory"), QL_STR("s"), append_known, out, &err), QL_OK);
    ql__store_free(store);
}

static void test_ingest__adds_then_leaves_alone(void **state)
{
    bench *self = *state;
    const memory_document documents[] = {{"b", "1", "# B\n\ntext of b\n", 0}, {"a", "1", "# A\n\ntext of a\n", 0}};
    memory_source source = {documents, 2, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    assert_int_equal(self->report.added, 2);
    assert_int_equal(self->report.chunks, 2);
    source.fetched = 0;
    assert_int_equal(run(self, &source), QL_OK);
    assert_int_equal(self->report.unchanged, 2);
    assert_int_equal(source.fetched, 0);
}

static void test_ingest__replaces_changed_and_deletes_vanished(void **state)
{
    bench *self = *state;
    const memory_document before[] = {{"a", "1", "one\n", 0}, {"b", "1", "two\n", 0}, {"c", "1", "three\n", 0}};
    const memory_document after[] = {{"a", "2", "one again\n", 0}, {"b", "2", "two\n", 0}, {"d", "1", "four\n", 0}};
    memory_source source = {before, 3, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    source = (memory_source){after, 3, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    assert_int_equal(self->report.changed, 1);
    assert_int_equal(self->report.unchanged, 1); /* b: new version, same content */
    assert_int_equal(self->report.added, 1);
    assert_int_equal(self->report.deleted, 1);
    ql_buf text = QL_BUF_INIT;
    known(self, "p", &text);
    assert_non_null(strstr(ql_buf_cstr(&text), " 2\nb "));
    assert_null(strstr(ql_buf_cstr(&text), "c "));
    ql_buf_dispose(&text);
}

static void test_ingest__broken_listing_deletes_nothing(void **state)
{
    bench *self = *state;
    const memory_document documents[] = {{"a", "1", "one\n", 0}, {"b", "1", "two\n", 0}};
    memory_source source = {documents, 2, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    source = (memory_source){documents, 1, QL_E_NET, 0};
    assert_int_equal(run(self, &source), QL_E_NET);
    assert_int_equal(self->report.deleted, 0);
    source = (memory_source){documents, 2, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    assert_int_equal(self->report.unchanged, 2);
}

/* Part of the source could not be listed: what was listed is indexed, nothing is deleted, and the run does not call it a success. */
static void test_ingest__incomplete_listing_indexes_and_deletes_nothing(void **state)
{
    bench *self = *state;
    const memory_document before[] = {{"a", "1", "one\n", 0}, {"b", "1", "two\n", 0}};
    const memory_document after[] = {{"a", "2", "ONE\n", 0}, {"c", "1", "three\n", 0}};
    memory_source source = {before, 2, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    ql_ingest_report first = self->report;
    source = (memory_source){after, 2, QL_E_PARTIAL, 0};
    assert_int_equal(run(self, &source), QL_E_PARTIAL);
    assert_int_equal(self->report.deleted - first.deleted, 0);
    assert_true(self->report.added > 0 && self->report.changed == 1);
    source = (memory_source){after, 2, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    assert_int_equal(self->report.deleted, 1);
}

static void test_ingest__failed_document_keeps_what_the_index_had(void **state)
{
    bench *self = *state;
    const memory_document before[] = {{"a", "1", "one\n", 0}, {"b", "1", "two\n", 0}};
    const memory_document after[] = {{"a", "2", "one\n", QL_E_IO}, {"b", "2", "two changed\n", 0}};
    memory_source source = {before, 2, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    source = (memory_source){after, 2, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    assert_int_equal(self->report.failed, 1);
    assert_int_equal(self->report.changed, 1);
    ql_buf text = QL_BUF_INIT;
    known(self, "p", &text);
    assert_non_null(strstr(ql_buf_cstr(&text), " 1\nb "));
    ql_buf_dispose(&text);
}

/* Names that the reference's id rule folds together, and the same source in two projects. */
static void test_ingest__ids_stay_apart_and_do_not_depend_on_order(void **state)
{
    bench *self = *state;
    const memory_document one[] = {{"x/Readme", "1", "upper\n", 0}, {"x/readme", "1", "lower\n", 0}, {"x/readme#2", "1", "hash\n", 0}};
    const memory_document two[] = {{"x/readme#2", "1", "hash\n", 0}, {"x/readme", "1", "lower\n", 0}, {"x/Readme", "1", "upper\n", 0}};
    memory_source source = {one, 3, 0, 0};
    ql_buf first = QL_BUF_INIT, second = QL_BUF_INIT, other = QL_BUF_INIT;
    ql_error err = {0};
    assert_int_equal(run(self, &source), QL_OK);
    assert_int_equal(self->report.added, 3);
    known(self, "p", &first);
    assert_int_equal(run_named(self, &source, "q", &err), QL_OK);
    known(self, "q", &other);
    assert_string_not_equal(ql_buf_cstr(&first), ql_buf_cstr(&other));
    ql_test_dir_remove(self->dir);
    self->dir = ql_test_dir_new();
    source = (memory_source){two, 3, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    known(self, "p", &second);
    assert_string_equal(ql_buf_cstr(&first), ql_buf_cstr(&second));
    ql_buf_dispose(&first);
    ql_buf_dispose(&second);
    ql_buf_dispose(&other);
}

static void test_ingest__url_listed_twice_gives_the_same_in_any_order(void **state)
{
    bench *self = *state;
    const memory_document one[] = {{"a", "2", "text\n", 0}, {"a", "1", "text\n", 0}}, two[] = {{"a", "1", "text\n", 0}, {"a", "2", "text\n", 0}};
    ql_buf first = QL_BUF_INIT, second = QL_BUF_INIT;
    memory_source source = {one, 2, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    assert_int_equal(self->report.warnings, 1);
    known(self, "p", &first);
    ql_test_dir_remove(self->dir);
    self->dir = ql_test_dir_new();
    source = (memory_source){two, 2, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    known(self, "p", &second);
    assert_string_equal(ql_buf_cstr(&first), ql_buf_cstr(&second));
    ql_buf_dispose(&first);
    ql_buf_dispose(&second);
}

static void test_ingest__dry_run_writes_nothing(void **state)
{
    bench *self = *state;
    const memory_document documents[] = {{"a", "1", "one\n", 0}};
    memory_source source = {documents, 1, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    const memory_document after[] = {{"a", "2", "other\n", 0}, {"b", "1", "two\n", 0}};
    source = (memory_source){after, 2, 0, 0};
    self->options.dry_run = 1;
    assert_int_equal(run(self, &source), QL_OK);
    assert_int_equal(source.fetched, 0);
    assert_int_equal(self->report.added, 1);
    assert_int_equal(self->report.changed, 1);
    ql_buf text = QL_BUF_INIT;
    known(self, "p", &text);
    assert_null(strstr(ql_buf_cstr(&text), "b "));
    ql_buf_dispose(&text);
}

static int stop_at(void *user, const ql_ingest_event *event)
{
    bench *self = user;
    (void)event;
    return self->stop_after > 0 && ++self->events >= (size_t)self->stop_after;
}

static void test_ingest__stopped_run_goes_on_where_it_was(void **state)
{
    bench *self = *state;
    memory_document documents[200];
    char urls[200][8];
    for (size_t i = 0; i < 200; i++) {
        snprintf(urls[i], sizeof urls[i], "u%03zu", i);
        documents[i] = (memory_document){urls[i], "1", "some text that makes a chunk\n", 0};
    }
    memory_source source = {documents, 200, 0, 0};
    self->options.event_fn = stop_at;
    self->options.user = self;
    self->stop_after = 50;
    assert_int_equal(run(self, &source), QL_E_CANCELLED);
    self->stop_after = 0;
    assert_int_equal(run(self, &source), QL_OK);
    assert_int_equal(self->report.unchanged + self->report.added, 200);
    assert_true(self->report.unchanged >= 50);
}

static char *words_new(size_t count)
{
    char *text = malloc(count * 5 + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++) memcpy(text + i * 5, "word ", 5);
    text[count * 5] = '\0';
    return text;
}

/* A cap on the chunks of a document warns when it drops something, not when the document just fits. */
static void test_ingest__cap_on_chunks_warns_only_of_a_loss(void **state)
{
    bench *self = *state;
    char *text = words_new(400);
    const memory_document documents[] = {{"a", "1", text, 0}};
    memory_source source = {documents, 1, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    uint64_t whole = self->report.chunks;
    assert_true(whole > 3);
    for (uint64_t cap = whole - 1; cap <= whole; cap++) {
        ql_test_dir_remove(self->dir);
        self->dir = ql_test_dir_new();
        self->chunks_max = (uint32_t)cap;
        assert_int_equal(run(self, &source), QL_OK);
        assert_int_equal(self->report.chunks, cap);
        assert_int_equal(self->report.warnings, cap < whole);
    }
    free(text);
}

/* A corpus that changes again and again: what is dead is given back, so that the vectors' file stays within a few times its size. */
static void test_ingest__reclaims_what_was_replaced(void **state)
{
    bench *self = *state;
    memory_document documents[8];
    char urls[8][8], version[16];
    char *text = words_new(20000); /* some 500 chunks */
    for (int round = 0; round < 6; round++) {
        ql_error err = {0};
        snprintf(version, sizeof version, "%d", round);
        text[0] = (char)('a' + round);
        for (size_t i = 0; i < 8; i++) {
            snprintf(urls[i], sizeof urls[i], "u%zu", i);
            documents[i] = (memory_document){urls[i], version, text, 0};
        }
        memory_source source = {documents, 8, 0, 0};
        assert_int_equal(run_named(self, &source, "p", &err), QL_OK);
    }
    ql_error err = {0};
    ql__store_stats stats;
    ql__store *store = open_store(self, false, &err);
    assert_non_null(store);
    assert_int_equal(ql__store_stats_read(store, &stats, &err), QL_OK);
    assert_true(stats.chunks > 2000);
    assert_true(stats.vector_bytes < 2 * (stats.chunks * MEMORY_DIMS * sizeof(float)) + 65536);
    ql__store_free(store);
    free(text);
}

/* Looks for the document through a connection of its own, as another process would after a crash. */
static int expect_stored(void *user, const ql_ingest_event *event)
{
    bench *self = user;
    ql_buf text = QL_BUF_INIT;
    char line[16];
    snprintf(line, sizeof line, "%.*s ", (int)event->url.len, event->url.ptr);
    known(self, "p", &text);
    if (strstr(ql_buf_cstr(&text), line) != NULL) self->events++;
    ql_buf_dispose(&text);
    return 0;
}

static void test_ingest__told_documents_are_committed(void **state)
{
    bench *self = *state;
    const memory_document documents[] = {{"a", "1", "one\n", 0}, {"b", "1", "two\n", 0}, {"c", "1", "three\n", 0}};
    self->options.event_fn = expect_stored;
    self->options.user = self;
    for (uint32_t threads = 1; threads <= 2; threads++) {
        ql_error err = {0};
        memory_source source = {documents, 3, 0, 0};
        ql__pool_free(self->pool);
        assert_int_equal(ql__pool_new(threads, &self->pool, &err), QL_OK);
        ql_test_dir_remove(self->dir);
        self->dir = ql_test_dir_new();
        self->events = 0;
        assert_int_equal(run(self, &source), QL_OK);
        assert_int_equal(self->report.added, 3);
        assert_int_equal(self->events, 3);
    }
}

static ql_status embed_until(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    size_t *left = self;
    if (*left < count) return ql__fail(err, QL_E_IO, "the embedder is gone");
    *left -= count;
    return hash_embedder_ops.embed_fn(NULL, role, texts, count, out, err);
}

/* The report names what is stored and nothing else, and the error is the embedder's. */
static void test_ingest__failing_embedder_ends_the_run_with_its_error(void **state)
{
    bench *self = *state;
    ql_embedder_ops failing = hash_embedder_ops;
    failing.embed_fn = embed_until;
    memory_document documents[40];
    char urls[40][8];
    char *text = words_new(8000); /* more tokens than one call of the embedder takes */
    for (size_t i = 0; i < 40; i++) {
        snprintf(urls[i], sizeof urls[i], "u%03zu", i);
        documents[i] = (memory_document){urls[i], "1", text, 0};
    }
    for (size_t left = 0; left < 8000; left += 2600) {
        memory_source source = {documents, 40, 0, 0};
        size_t budget = left;
        ql_error err = {0};
        self->embedder = &failing;
        self->embedder_self = &budget;
        ql_test_dir_remove(self->dir);
        self->dir = ql_test_dir_new();
        assert_int_equal(run_named(self, &source, "p", &err), QL_E_IO);
        assert_string_equal(err.message, "the embedder is gone");
        ql_buf stored = QL_BUF_INIT;
        size_t lines = 0;
        known(self, "p", &stored);
        for (size_t i = 0; i < stored.len; i++) lines += stored.ptr[i] == '\n';
        assert_int_equal(lines, self->report.added);
        ql_buf_dispose(&stored);
    }
    free(text);
}

/* --- ways through the pipeline that only a failure takes */

static void use_threads(bench *self, uint32_t threads)
{
    ql_error err = {0};
    ql__pool_free(self->pool);
    assert_int_equal(ql__pool_new(threads, &self->pool, &err), QL_OK);
}

static void test_ingest__a_store_that_cannot_begin_ends_the_run(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    char url[301];
    memset(url, 'x', 300);
    url[300] = '\0';
    const memory_document documents[] = {{url, "1", "some text\n", 0}};
    memory_source source = {documents, 1, 0, 0};
    for (uint32_t threads = 1; threads <= 2; threads++) {
        use_threads(self, threads);
        self->reads_meanwhile = true;
        assert_int_equal(run_named(self, &source, "p", &err), QL_E_BUSY);
        url[200] = '\0'; /* the message names the document, but not without end */
        assert_non_null(strstr(err.message, url));
        url[200] = 'x';
        assert_null(strstr(err.message, url));
        assert_int_equal(self->report.added, 0);
        assert_int_equal(run_named(self, &source, "p", NULL), QL_E_BUSY); /* nobody asks why */
    }
    self->reads_meanwhile = false;
    assert_int_equal(run(self, &source), QL_OK);
    assert_int_equal(self->report.added, 1);
}

/* The same index, and each is stored before the next is fetched; what ends a run ends it here too. */
static void test_ingest__documents_that_take_much_memory_go_one_by_one(void **state)
{
    bench *self = *state;
    enum { DOCUMENTS = 12 };
    memory_document documents[DOCUMENTS];
    char urls[DOCUMENTS][8];
    char *text = words_new(3000);
    ql_buf wanted = QL_BUF_INIT, stored = QL_BUF_INIT;
    for (size_t i = 0; i < DOCUMENTS; i++) {
        snprintf(urls[i], sizeof urls[i], "u%03zu", i);
        documents[i] = (memory_document){urls[i], "1", text, i == 5 ? QL_E_IO : QL_OK};
    }
    memory_source source = {documents, DOCUMENTS, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    known(self, "p", &wanted);
    self->one_by_one = true;
    for (uint32_t threads = 1; threads <= 3; threads++) {
        use_threads(self, threads);
        ql_test_dir_remove(self->dir);
        self->dir = ql_test_dir_new();
        assert_int_equal(run(self, &source), QL_OK);
        assert_int_equal(self->report.added, DOCUMENTS - 1);
        assert_int_equal(self->report.failed, 1);
        known(self, "p", &stored);
        assert_true(ql_str_equal(ql_buf_str(&stored), ql_buf_str(&wanted)));
        size_t budget = 300;
        ql_embedder_ops failing = hash_embedder_ops;
        ql_error err = {0};
        failing.embed_fn = embed_until;
        self->embedder = &failing;
        self->embedder_self = &budget;
        ql_test_dir_remove(self->dir);
        self->dir = ql_test_dir_new();
        source.fetched = 0;
        assert_int_equal(run_named(self, &source, "p", &err), QL_E_IO);
        assert_true(source.fetched < DOCUMENTS);
        self->embedder = &hash_embedder_ops;
        self->embedder_self = NULL;
    }
    ql_buf_dispose(&wanted);
    ql_buf_dispose(&stored);
    free(text);
}

typedef struct shortage {
    size_t calls, from, to; /* calls of the embedder that find no memory */
} shortage;

static ql_status embed_short(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    shortage *from = self;
    size_t call = from->calls++;
    if (call >= from->from && call < from->to) {
        err->status = QL_E_NOMEM;
        return QL_E_NOMEM;
    }
    return hash_embedder_ops.embed_fn(NULL, role, texts, count, out, err);
}

/* Of a batch that finds no memory those documents fail that lack vectors; one without text lacks none. */
static void test_ingest__a_document_without_text_needs_no_memory_for_vectors(void **state)
{
    bench *self = *state;
    char *text = words_new(300);
    memory_document documents[] = {{"u0", "1", text, QL_OK}, {"u1", "1", "", QL_OK}};
    memory_source source = {documents, 2, 0, 0};
    ql_embedder_ops ops = hash_embedder_ops;
    shortage always = {.from = 0, .to = 100};
    ql_error err = {0};
    ops.embed_fn = embed_short;
    use_threads(self, 1);
    self->embedder = &ops;
    self->embedder_self = &always;
    self->limited = true;
    assert_int_equal(run_named(self, &source, "p", &err), QL_OK);
    assert_int_equal(self->report.failed, 1);
    assert_int_equal(self->report.added + self->report.skipped, 1);
    self->limited = false;
    self->embedder = &hash_embedder_ops;
    self->embedder_self = NULL;
    free(text);
}

/* Once: it is done while nothing is prepared. Again: the documents of that batch fail, and the next run has them. Without a limit: the run fails. */
static void test_ingest__embedding_that_meets_the_limit_on_memory(void **state)
{
    bench *self = *state;
    enum { DOCUMENTS = 12 };
    memory_document documents[DOCUMENTS];
    char urls[DOCUMENTS][8];
    char *text = words_new(3000);
    for (size_t i = 0; i < DOCUMENTS; i++) {
        snprintf(urls[i], sizeof urls[i], "u%03zu", i);
        documents[i] = (memory_document){urls[i], "1", text, QL_OK};
    }
    memory_source source = {documents, DOCUMENTS, 0, 0};
    ql_embedder_ops ops = hash_embedder_ops;
    ops.embed_fn = embed_short;
    for (uint32_t threads = 1; threads <= 3; threads++) {
        shortage once = {.from = 0, .to = 1}, twice = {.from = 0, .to = 2};
        ql_error err = {0};
        use_threads(self, threads);
        ql_test_dir_remove(self->dir);
        self->dir = ql_test_dir_new();
        self->embedder = &ops;
        self->embedder_self = &once;
        assert_int_equal(run_named(self, &source, "none", &err), QL_E_NOMEM);
        self->one_by_one = true;
        once.calls = 0;
        assert_int_equal(run_named(self, &source, "once", &err), QL_OK);
        assert_int_equal(self->report.added, DOCUMENTS);
        assert_int_equal(self->report.failed, 0);
        self->embedder_self = &twice;
        assert_int_equal(run_named(self, &source, "twice", &err), QL_OK);
        assert_int_equal(self->report.failed, 1);
        assert_int_equal(self->report.added, DOCUMENTS - 1);
        assert_int_equal(run_named(self, &source, "twice", &err), QL_OK);
        assert_int_equal(self->report.added, 1);
        self->one_by_one = false;
    }
    self->embedder = &hash_embedder_ops;
    self->embedder_self = NULL;
    free(text);
}

/* Between the listing and its turn: nobody's fault, and the next listing tells. */
static void test_ingest__a_document_that_vanished_is_no_failure(void **state)
{
    bench *self = *state;
    const memory_document documents[] = {{"a", "1", "one\n", 0}, {"b", "1", "", QL_E_NOTFOUND}};
    memory_source source = {documents, 2, 0, 0};
    assert_int_equal(run(self, &source), QL_OK);
    assert_int_equal(self->report.added, 1);
    assert_int_equal(self->report.failed, 0);
    assert_int_equal(self->report.warnings, 1);
}

/* A failure stops the run between a short document that waits and a long one that would have sent it on its way: neither is stored. */
static void test_ingest__a_stop_before_a_long_document_leaves_what_waits(void **state)
{
    bench *self = *state;
    char *text = words_new(10000);
    const memory_document documents[] = {{"a", "1", "short\n", 0}, {"b", "1", "", QL_E_IO}, {"c", "1", text, 0}};
    memory_source source = {documents, 3, 0, 0};
    size_t embedded = 0;
    use_threads(self, 1);
    self->embedder_self = &embedded;
    self->options.event_fn = stop_at;
    self->options.user = self;
    self->stop_after = 1;
    self->events = 0;
    assert_int_equal(run(self, &source), QL_E_CANCELLED);
    assert_int_equal(embedded, 0);
    assert_int_equal(self->report.failed, 1);
    assert_int_equal(self->report.added, 0);
    free(text);
}

/* No more than 4 MiB of documents are prepared at once: a stop finds few that were fetched for nothing. */
static void test_ingest__prepares_few_large_documents_at_once(void **state)
{
    bench *self = *state;
    memory_document documents[20];
    char urls[20][8];
    for (size_t i = 0; i < 20; i++) {
        snprintf(urls[i], sizeof urls[i], "u%03zu", i);
        documents[i] = (memory_document){urls[i], "1", "text\n", i == 0 ? QL_E_IO : 0};
    }
    memory_source source = {documents, 20, 0, 0};
    memory_item_bytes = 3 << 20;
    self->options.event_fn = stop_at;
    self->options.user = self;
    self->stop_after = 1;
    self->events = 0;
    use_threads(self, 1);
    assert_int_equal(run(self, &source), QL_E_CANCELLED);
    memory_item_bytes = 0;
    assert_int_equal(source.fetched, 2);
}

typedef struct told_late {
    bench *bench;
    size_t embedded, embedded_when_told;
} told_late;

static int note_embedded(void *user, const ql_ingest_event *event)
{
    told_late *self = user;
    if (ql_str_equal(event->url, QL_STR("a"))) self->embedded_when_told = self->embedded;
    return 0;
}

/* The clock stands still, so that only its size makes the first document be committed before the second is embedded. */
static void test_ingest__commits_when_enough_is_pending(void **state)
{
    bench *self = *state;
    char *text = words_new(600000), *other = words_new(10000);
    const memory_document documents[] = {{"a", "1", text, 0}, {"b", "1", other, 0}};
    memory_source source = {documents, 2, 0, 0};
    told_late told = {.bench = self};
    use_threads(self, 1);
    self->embedder_self = &told.embedded;
    self->options.event_fn = note_embedded;
    self->options.user = &told;
    assert_int_equal(run(self, &source), QL_OK);
    assert_true(told.embedded_when_told > 10000);
    assert_true(told.embedded_when_told < told.embedded);
    free(text);
    free(other);
}

/* The embedder is gone, and from then on the disk too. */
static ql_status embed_once_then_all_fails(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    if (count < 60) return hash_embedder_ops.embed_fn(NULL, role, texts, count, out, err);
    (void)self;
    ql_test_fault_from(QL_FAULT_FILE, 0);
    return ql__fail(err, QL_E_NET, "the embedder is gone");
}

static void test_ingest__tells_the_first_of_two_failures(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_embedder_ops failing = hash_embedder_ops;
    failing.embed_fn = embed_once_then_all_fails;
    char *text = words_new(10000);
    const memory_document documents[] = {{"a", "1", "short\n", 0}, {"b", "1", text, 0}};
    memory_source source = {documents, 2, 0, 0};
    use_threads(self, 1);
    self->embedder = &failing;
    ql_status status = run_named(self, &source, "p", &err);
    assert_true(ql_test_fault_clear());
    assert_int_equal(status, QL_E_NET);
    assert_string_equal(err.message, "the embedder is gone");
    assert_int_equal(self->report.added, 0); /* its commit failed */
    free(text);
}

static long allocations_left;
static int threads_wanted;

/* Asked for once, before the stages are started. */
static uint32_t dims_then_fault(void *self)
{
    if (threads_wanted >= 0) threads_left = threads_wanted;
    else ql_test_fault_at(QL_FAULT_ALLOC, allocations_left);
    return hash_embedder_ops.dims_fn(self);
}

static void test_ingest__survives_stages_that_cannot_be_started(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_embedder_ops faulty_ops = hash_embedder_ops;
    faulty_ops.dims_fn = dims_then_fault;
    const memory_document documents[] = {{"a", "1", "one\n", 0}, {"b", "1", "two\n", 0}};
    memory_source source = {documents, 2, 0, 0};
    self->embedder = &faulty_ops;
    for (threads_wanted = 0; threads_wanted <= 2; threads_wanted++) {
        ql_status status = run_named(self, &source, "p", &err);
        assert_int_equal(status, threads_wanted < 2 ? QL_E_IO : QL_OK);
        if (threads_wanted < 2) assert_non_null(strstr(err.message, "cannot start a thread"));
        assert_int_equal(self->report.added, threads_wanted < 2 ? 0 : 2);
        threads_left = -1;
    }
    threads_wanted = -1;
    ql_test_alloc_install();
    size_t failed = 0;
    for (allocations_left = 0; allocations_left < 8; allocations_left++) { /* the queues are the first that need memory */
        ql_test_dir_remove(self->dir);
        self->dir = ql_test_dir_new();
        ql_test_leaks_mark();
        ql_status status = run_named(self, &source, "p", &err);
        (void)ql_test_fault_clear();
        ql_test_expect_no_leaks();
        if (status < 0) assert_int_equal(status, QL_E_NOMEM);
        failed += status < 0;
    }
    assert_true(failed >= 4);
}

typedef struct faulty {
    bench *bench;
} faulty;

static ql_status whole_ingest(void *user, ql_error *err)
{
    faulty *self = user;
    const memory_document documents[] = {{"a", "1", "# One\n\ntext\n", 0}, {"b", "1", "two\n", 0}};
    memory_source source = {documents, 2, 0, 0};
    ql_test_dir_remove(self->bench->dir);
    self->bench->dir = ql_test_dir_new(); /* else the next run finds what this one stored, and has nothing to do */
    ql_status status = run_named(self->bench, &source, "p", err);
    const ql_ingest_report *report = &self->bench->report;
    if (status >= 0) { /* what the store can do without, and a document that ran out of memory, end no run; every document must be accounted for */
        assert_int_equal(report->added + report->unchanged + report->changed + report->failed, 2);
        ql_test_fault_benign();
    }
    return status;
}

/* One thread: the numbering of calls must be the same in every run. */
static void test_ingest__survives_every_failed_allocation(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    faulty scenario = {self};
    ql__pool_free(self->pool);
    assert_int_equal(ql__pool_new(1, &self->pool, &err), QL_OK);
    ql_test_fault_loop(QL_FAULT_ALLOC, whole_ingest, &scenario);
    self->one_by_one = true;
    ql_test_fault_loop(QL_FAULT_ALLOC, whole_ingest, &scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ingest__adds_then_leaves_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__replaces_changed_and_deletes_vanished, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__broken_listing_deletes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__incomplete_listing_indexes_and_deletes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__failed_document_keeps_what_the_index_had, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__ids_stay_apart_and_do_not_depend_on_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__url_listed_twice_gives_the_same_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__dry_run_writes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__stopped_run_goes_on_where_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__cap_on_chunks_warns_only_of_a_loss, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__reclaims_what_was_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__told_documents_are_committed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__failing_embedder_ends_the_run_with_its_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__a_store_that_cannot_begin_ends_the_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__documents_that_take_much_memory_go_one_by_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__a_document_without_text_needs_no_memory_for_vectors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__embedding_that_meets_the_limit_on_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__a_document_that_vanished_is_no_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__a_stop_before_a_long_document_leaves_what_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__prepares_few_large_documents_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__commits_when_enough_is_pending, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__tells_the_first_of_two_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__survives_stages_that_cannot_be_started, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ingest__survives_every_failed_allocation, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
