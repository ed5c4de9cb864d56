/*
 * Goal: what an ingest asks of the state is answered from what was committed.
 * Method: made-up documents, then the listings compared with how they were made.
 */
#include "support/store_use.h"

static const test_shape shape = {.dims = 24, .chunks_min = 1, .chunks_max = 4, .words = 20, .vocabulary = 200, .sources = 3};

typedef struct listing {
    size_t count;
    char last[200];
    bool ordered;
    size_t stop_after;
} listing;

static int note(void *user, const ql_store_known *known)
{
    listing *self = user;
    char url[200];
    snprintf(url, sizeof url, "%.*s", (int)known->url.len, known->url.ptr);
    if (self->count && strcmp(self->last, url) >= 0) self->ordered = false;
    snprintf(self->last, sizeof self->last, "%s", url);
    assert_true(ql_str_equal(known->version, known->content_hash) || ql_str_equal(known->version, QL_STR("touched")));
    assert_true(ql_str_equal(known->pipeline, QL_STR("test")));
    assert_int_equal(known->id.len, 36);
    self->count++;
    return self->stop_after && self->count == self->stop_after ? 5 : 0;
}

static void test_store_state__lists_a_source_in_order_of_urls(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 60, 20, 1, &shape);
    listing seen = {.ordered = true};
    expect_ok(ql__store_known_each(store, QL_STR("project0"), QL_STR("git"), QL_STR("source0"), note, &seen, &err));
    assert_int_equal(seen.count, 10); /* every sixth */
    assert_true(seen.ordered);
    listing stopped = {.ordered = true, .stop_after = 3};
    assert_int_equal(ql__store_known_each(store, QL_STR("project0"), QL_STR("git"), QL_STR("source0"), note, &stopped, &err), QL_E_CALLBACK);
    assert_int_equal(err.callback_value, 5);
    assert_int_equal(stopped.count, 3);
    listing none = {.ordered = true};
    expect_ok(ql__store_known_each(store, QL_STR("project0"), QL_STR("git"), QL_STR("nobody"), note, &none, &err));
    assert_int_equal(none.count, 0);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void test_store_state__names_the_owner_of_an_id(void **state)
{
    (void)state;
    ql_error err = {0};
    char id[37];
    ql_buf owner = QL_BUF_INIT;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 3, 3, 1, &shape);
    test_uuid(1, 0, id);
    expect_ok(ql__store_id_owner(store, ql_str_of(id), &owner, &err));
    assert_true(ql_str_equal(ql_buf_str(&owner), QL_STR("project1\0localfile\0source1\0file:///data/folder1/document-1.md")));
    expect_ok(ql__store_id_owner(store, QL_STR("nobody"), &owner, &err));
    assert_int_equal(owner.len, 0);
    ql_buf_dispose(&owner);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void test_store_state__touch_changes_version_and_dates_only(void **state)
{
    (void)state;
    ql_error err = {0};
    ql_store_document touched = {.struct_size = sizeof touched, .version = QL_STR("touched"), .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN};
    char id[37];
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 6, 6, 1, &shape);
    test_uuid(0, 0, id);
    expect_ok(ql__store_begin(store, &err));
    expect_ok(ql__store_touch(store, ql_str_of(id), &touched, &err));
    expect_ok(ql__store_commit(store, &err));
    listing seen = {.ordered = true};
    expect_ok(ql__store_known_each(store, QL_STR("project0"), QL_STR("git"), QL_STR("source0"), note, &seen, &err));
    assert_int_equal(seen.count, 1);
    ql__store_free(store);
    expect_range(dir, 0, 6, 1, &shape);
    ql_test_dir_remove(dir);
}

static void touch_and_expect(ql__store *store, ql_str metadata_json, const char *expected)
{
    ql_error err = {0};
    char id[37];
    ql_store_document facts = {.struct_size = sizeof facts, .version = QL_STR("touched"), .metadata_json = metadata_json};
    test_uuid(0, 0, id);
    expect_ok(ql__store_begin(store, &err));
    expect_ok(ql__store_touch(store, ql_str_of(id), &facts, &err));
    expect_ok(ql__store_commit(store, &err));
    ql__snapshot *snapshot = snapshot_open(store);
    struct ql_arena arena;
    ql_stored_chunk chunk;
    ql__arena_init(&arena.arena, 0);
    expect_ok(ql__snapshot_chunk(snapshot, 0, &arena, &chunk, &err));
    assert_true(ql_str_equal(chunk.document_metadata_json, ql_str_of(expected)));
    ql__arena_dispose(&arena.arena);
    ql__snapshot_free(snapshot);
}

static void test_store_state__touch_renews_the_metadata(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    test_document document;
    test_document_make(&document, 0, 1, &shape);
    document.document.metadata_json = QL_STR("{\"file_name\":\"a.md\",\"author\":\"Ada\",\"encoding\":\"utf-16\",\"size\":1.50}");
    expect_ok(ql__store_begin(store, &err));
    expect_ok(ql__store_replace(store, &document.document, &err));
    expect_ok(ql__store_commit(store, &err));
    touch_and_expect(store, QL_STR("{\"file_name\":\"a.md\",\"author\":\"Jos\xc3\xa9 \\\"E\\\"\",\"size\":null}"),
                     "{\"file_name\":\"a.md\",\"author\":\"Jos\xc3\xa9 \\\"E\\\"\",\"size\":null}");
    touch_and_expect(store, QL_STR(""), "{\"file_name\":\"a.md\",\"author\":\"Jos\xc3\xa9 \\\"E\\\"\",\"size\":null}");
    test_document_dispose(&document);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static int write_source(void *user, const ql_store_source *source)
{
    ql_buf_printf(user, "%.*s %.*s %.*s %llu %llu %lld %.*s\n", (int)source->project.len, source->project.ptr, (int)source->source_type.len, source->source_type.ptr,
                  (int)source->source.len, source->source.ptr, (unsigned long long)source->documents, (unsigned long long)source->chunks,
                  (long long)(source->last_complete_ms == QL_TIME_UNKNOWN ? -1 : source->last_complete_ms), (int)source->report_json.len, source->report_json.ptr);
    return 0;
}

static int stop_at_once(void *user, const ql_store_source *source)
{
    (void)user, (void)source;
    return 7;
}

static void test_store_state__reports_sources(void **state)
{
    (void)state;
    ql_error err = {0};
    ql_buf json = QL_BUF_INIT;
    ql__store_stats stats;
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 2, 2, 1, &shape);
    expect_ok(ql__store_source_done(store, QL_STR("project0"), QL_STR("git"), QL_STR("source0"), 123, QL_STR("{\"added\":1}"), &err));
    expect_ok(ql__store_sources_each(store, write_source, &json, &err));
    char expected[400];
    snprintf(expected, sizeof expected, "project0 git source0 1 %llu 123 {\"added\":1}\nproject1 localfile source1 1 %llu -1 \n",
             (unsigned long long)chunks_of(0, 1, &shape), (unsigned long long)chunks_of(1, 1, &shape));
    assert_string_equal(ql_buf_cstr(&json), expected);
    assert_int_equal(ql__store_sources_each(store, stop_at_once, NULL, &err), QL_E_CALLBACK);
    assert_int_equal(err.callback_value, 7);
    expect_ok(ql__store_stats_read(store, &stats, &err));
    assert_int_equal(stats.documents, 2);
    assert_int_equal(stats.chunks, chunks_of(0, 1, &shape) + chunks_of(1, 1, &shape));
    assert_int_equal(stats.dims, shape.dims);
    assert_string_equal(stats.model, "test-model");
    assert_true(stats.vector_bytes > 4096 && stats.database_bytes > 8192);
    ql_buf_dispose(&json);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void test_store_state__cleared_store_takes_another_model(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__store_stats stats;
    static const test_shape other = {.dims = 40, .chunks_min = 1, .chunks_max = 2, .words = 20, .vocabulary = 100, .sources = 1};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    store_fill(store, 0, 20, 5, 1, &shape);
    ql__store *reader = store_open(dir, false, &shape);
    ql__snapshot *snapshot = snapshot_open(reader);
    expect_ok(ql__store_clear(store, &err));
    for (uint64_t i = 0; i < 20; i++) expect_document(snapshot, i, 1, &shape); /* still its view */
    ql__snapshot_free(snapshot);
    snapshot = snapshot_open(reader);
    assert_int_equal(ql__snapshot_chunk_count(snapshot), 0);
    ql__snapshot_free(snapshot);
    ql__store_free(reader);
    ql__store_free(store);
    store = store_open(dir, true, &other);
    store_fill(store, 0, 4, 4, 1, &other);
    expect_ok(ql__store_stats_read(store, &stats, &err));
    assert_int_equal(stats.documents, 4);
    ql__store_free(store);
    expect_range(dir, 0, 4, 1, &other);
    ql_test_dir_remove(dir);
}

static void test_store_state__destroys_what_cannot_be_opened(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = store_open(dir, true, &shape);
    assert_int_equal(ql__store_destroy(dir, ql_test_sys(), &err), QL_E_BUSY);
    store_fill(store, 0, 20, 5, 1, &shape);
    ql__store_free(store);
    ql_test_file_write(ql_test_path(dir, "qloader.db"), QL_STR("not a database"));
    ql_test_file_write(ql_test_path(dir, "notes.txt"), QL_STR("mine"));
    expect_ok(ql__store_destroy(dir, ql_test_sys(), &err));
    assert_int_equal(ql_test_dir_count(dir), 2); /* notes.txt and the lock */
    expect_ok(ql__store_destroy(ql_test_path(dir, "nowhere"), ql_test_sys(), &err));
    store = store_open(dir, true, &shape);
    store_fill(store, 0, 3, 3, 1, &shape);
    ql__store_free(store);
    expect_range(dir, 0, 3, 1, &shape);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_state__lists_a_source_in_order_of_urls),
        cmocka_unit_test(test_store_state__names_the_owner_of_an_id),
        cmocka_unit_test(test_store_state__touch_changes_version_and_dates_only),
        cmocka_unit_test(test_store_state__touch_renews_the_metadata),
        cmocka_unit_test(test_store_state__reports_sources),
        cmocka_unit_test(test_store_state__cleared_store_takes_another_model),
        cmocka_unit_test(test_store_state__destroys_what_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
