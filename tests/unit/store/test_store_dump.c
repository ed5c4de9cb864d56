/*
 * Goal: a dump shows every part of the content, so that a difference anywhere shows as a difference of dumps.
 * Method: one document changed in one respect at a time; each change must change the dump. A caller that stops is obeyed.
 */
#include "support/store_use.h"

static const test_shape shape = {.dims = 16};

typedef struct subject {
    ql_store_document document;
    ql_store_chunk chunk;
    float vector[16];
} subject;

static void make(subject *self)
{
    *self = (subject){.vector = {1}};
    self->chunk = (ql_store_chunk){.struct_size = sizeof self->chunk, .id = QL_STR("chunk"), .title = QL_STR("title"), .terms_text = QL_STR("zebra quagga zebra"),
                                   .chunk = {.text = QL_STR("text"), .section_path = QL_STR("A"), .metadata_json = QL_STR("{}"), .begin = 1, .end = 5, .source_begin = 1, .source_end = 5}};
    self->document = (ql_store_document){.struct_size = sizeof self->document, .project = QL_STR("p"), .source_type = QL_STR("git"), .source = QL_STR("s"), .url = QL_STR("u"), .id = QL_STR("id"),
                                         .title = QL_STR("t"), .content_type = QL_STR("md"), .version = QL_STR("v"), .content_hash = QL_STR("h"), .pipeline = QL_STR("pipe"),
                                         .metadata_json = QL_STR("{\"a\":1}"), .created_at_ms = 1, .updated_at_ms = 2, .chunk_count = 1};
}

static void dump_subject(subject *self, ql_buf *out)
{
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    self->chunk.vector = self->vector;
    self->document.chunks = &self->chunk;
    expect_ok(ql__store_begin(store, &err));
    expect_ok(ql__store_replace(store, &self->document, &err));
    expect_ok(ql__store_commit(store, &err));
    store_dump_of(store, true, out);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void change(subject *self, int what)
{
    ql_str *const texts[] = {&self->document.project, &self->document.source_type, &self->document.source, &self->document.url, &self->document.id, &self->document.title,
                             &self->document.content_type, &self->document.version, &self->document.content_hash, &self->document.pipeline, &self->chunk.id, &self->chunk.title,
                             &self->chunk.chunk.text, &self->chunk.chunk.section_path, &self->chunk.chunk.metadata_json, &self->chunk.terms_text};
    const int text_count = (int)(sizeof texts / sizeof texts[0]);
    if (what < text_count) *texts[what] = QL_STR("zebra");
    if (what == text_count) self->document.metadata_json = QL_STR("{}");
    if (what == text_count + 1) self->document.created_at_ms = QL_TIME_UNKNOWN;
    if (what == text_count + 2) self->document.updated_at_ms = 3;
    if (what == text_count + 3) self->chunk.chunk.begin = 0;
    if (what == text_count + 4) self->chunk.chunk.end = 6;
    if (what == text_count + 5) self->chunk.chunk.source_begin = 0;
    if (what == text_count + 6) self->chunk.chunk.source_end = 6;
    if (what == text_count + 7) self->chunk.chunk.tokens = 9;
    if (what == text_count + 8) self->chunk.chunk.overlap_bytes = 1;
    if (what == text_count + 9) self->vector[0] = 0, self->vector[1] = 1;
    if (what == text_count + 10) self->chunk.terms_text = QL_STR("zebra quagga quagga"); /* same words, other counts */
    if (what == text_count + 11) self->document.chunk_count = 0;
}

static void test_store_dump__shows_every_difference(void **state)
{
    (void)state;
    subject self;
    ql_buf same = QL_BUF_INIT, other = QL_BUF_INIT;
    make(&self);
    dump_subject(&self, &same);
    make(&self);
    dump_subject(&self, &other);
    assert_string_equal(ql_buf_cstr(&same), ql_buf_cstr(&other));
    for (int what = 0; what < 16 + 12; what++) {
        make(&self);
        change(&self, what);
        dump_subject(&self, &other);
        if (ql_str_equal(ql_buf_str(&same), ql_buf_str(&other))) fail_msg("change %d does not show", what);
    }
    ql_buf_dispose(&same);
    ql_buf_dispose(&other);
}

static int stop(void *user, ql_str line)
{
    (void)line;
    return ++*(int *)user == 3 ? 8 : 0;
}

static void test_store_dump__stops_when_told(void **state)
{
    (void)state;
    static const test_shape made = {.dims = 16, .chunks_min = 2, .chunks_max = 2, .words = 10, .vocabulary = 50, .sources = 1};
    ql_error err = {0};
    int calls = 0;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &made);
    store_fill(store, 0, 5, 5, 1, &made);
    assert_int_equal(ql__store_dump(store, false, stop, &calls, &err), QL_E_CALLBACK);
    assert_int_equal(err.callback_value, 8);
    assert_int_equal(calls, 3);
    store_fill(store, 5, 1, 1, 1, &made); /* the snapshot was closed */
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_dump__shows_every_difference),
        cmocka_unit_test(test_store_dump__stops_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
