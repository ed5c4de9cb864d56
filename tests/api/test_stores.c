/*
 * An application's store. Goal: what was ingested is found, changed and deleted as in the built-in store, with the same scores, and answers
 * that would spoil an index or a result are refused. Method: the store of docs/examples, beside the embedded one on the same documents; then with
 * one function at a time in its place that does wrong.
 */
int memory_store_main(int argc, char **argv); /* the example as a program runs in header_programs.py */
#define main memory_store_main
#include "../../docs/examples/memory_store.c"
#undef main

#include "extension_bench.h"

static const text passages[] = {
    {"docs/a.txt", "txt", "The okapi hides in the forest."}, {"docs/b.txt", "txt", "The okapi sees the forest, and the forest sees the okapi."},
    {"docs/c.txt", "txt", "A paddle moves the boat over the lake."}, {"notes/d.txt", "txt", "Lakes and forests are far from here."},
    {"notes/e.txt", "txt", "Nothing of the kind."},
};
#define PASSAGES (sizeof passages / sizeof *passages)

static memory fresh_memory(void)
{
    return (memory){.lock = PTHREAD_RWLOCK_INITIALIZER};
}

static void open_on(bench *self, const ql_store_ops *ops, memory *store)
{
    ql_error err = {0};
    with_letters(self);
    if (ops != NULL && ql_store_register(self->runtime, ops, store, &err) < 0) fail_msg("%s", err.message);
    self->store = ops != NULL ? ops->name : NULL;
    open_workspace(self);
}

static void fill(bench *self)
{
    ql_error err = {0};
    if (ingest(self, passages, PASSAGES, &err) < 0) fail_msg("%s (%s)", err.message, self->failure);
    assert_int_equal(self->report.added, PASSAGES);
}

/* --- the same hits --------------------------------------------------------------------------------------------------------------------- */

/* Hits as text, to be compared: what and where, with the scores in steps that float32 sums do not cross. */
static void describe(const ql_results *results, ql_buf *out)
{
    for (size_t i = 0; i < ql_results_count(results); i++) {
        const ql_hit *hit = ql_results_hit(results, i);
        ql_buf_printf(out, "%u %.*s %.*s %.*s %.*s %u/%u %.3f %.3f %.3f %u %u %.*s\n", hit->rank, (int)hit->id.len, hit->id.ptr, (int)hit->url.len, hit->url.ptr,
                      (int)hit->title.len, hit->title.ptr, (int)hit->text.len, hit->text.ptr, hit->chunk_index, hit->chunk_count, hit->score, hit->score_dense,
                      hit->score_sparse, hit->rank_dense, hit->rank_sparse, (int)hit->metadata_json.len, hit->metadata_json.ptr);
    }
}

static void ask_everything(bench *self, ql_buf *out)
{
    static const char *const questions[] = {"where does the okapi hide?", "forest", "boat on a lake", "zebra"};
    for (size_t q = 0; q < sizeof questions / sizeof *questions; q++)
        for (int mode = QL_SEARCH_HYBRID; mode <= QL_SEARCH_SPARSE; mode++)
            for (int filtered = 0; filtered < 2; filtered++) {
                ql_search_options options;
                ql_search_options_init(&options);
                options.mode = mode;
                if (filtered) options.filter.path_prefix = QL_STR("docs/");
                ql_results *results = find(self, questions[q], &options);
                describe(results, out);
                ql_results_free(results);
            }
}

static void test_stores__hits_are_those_of_the_embedded_store(void **state)
{
    bench *self = *state;
    memory store = fresh_memory();
    ql_buf wanted = QL_BUF_INIT, found = QL_BUF_INIT;
    open_on(self, NULL, NULL);
    fill(self);
    ask_everything(self, &wanted);
    again(self);
    open_on(self, &memory_ops, &store);
    fill(self);
    ask_everything(self, &found);
    assert_true(wanted.len > 1000);
    assert_string_equal(ql_buf_cstr(&found), ql_buf_cstr(&wanted));
    ql_workspace_free(self->workspace);
    self->workspace = NULL;
    memory_dispose(&store);
    ql_buf_dispose(&wanted);
    ql_buf_dispose(&found);
}

/* --- what an ingest does to it --------------------------------------------------------------------------------------------------------- */

static void test_stores__documents_change_and_vanish(void **state)
{
    bench *self = *state;
    memory store = fresh_memory();
    ql_error err = {0};
    text items[PASSAGES];
    memcpy(items, passages, sizeof items);
    open_on(self, &memory_ops, &store);
    fill(self);
    assert_int_equal(ingest(self, items, PASSAGES, &err), QL_OK);
    assert_int_equal(self->report.unchanged, PASSAGES);
    assert_int_equal(ingest(self, items, PASSAGES - 1, &err), QL_OK);
    assert_int_equal(self->report.deleted, 1);
    assert_int_equal(store.count, PASSAGES - 1);
    ql_results *results = find(self, "nothing kind", NULL);
    for (size_t i = 0; i < ql_results_count(results); i++) assert_false(text_is(results, i, "Nothing of the kind."));
    ql_results_free(results);
    ql_workspace_free(self->workspace);
    self->workspace = NULL;
    memory_dispose(&store);
}

/* "url": metadata, and the path that follows from it. */
static const struct { const char *url, *metadata, *path; } placed[] = {
    {"1", "{\"file_directory\": \"a\", \"file_name\": \"one.md\"}", "a/one.md"}, {"2", "{\"file_directory\": \"a/\", \"file_name\": \"two.md\"}", "a/two.md"},
    {"3", "{\"file_directory\": \".\", \"file_name\": \"six.md\"}", "six.md"}, {"4", "{\"file_directory\": \"/b c\", \"file_name\": \"%.md\"}", "b c/%.md"},
    {"5", "{\"file_name\": \"alone.md\"}", "alone.md"}, {"6", "{\"other\": 1}", ""}, {"7", "", ""},
};

static ql_status list_placed(void *self, const ql_source_sink *sink, ql_error *err)
{
    (void)self, (void)err;
    for (size_t i = 0; i < sizeof placed / sizeof *placed; i++) {
        ql_item item = {.struct_size = sizeof item, .url = ql_str_of(placed[i].url)};
        if (sink->item_fn(sink->user, &item) != 0) return QL_E_CALLBACK;
    }
    return QL_OK;
}

static ql_status fetch_placed(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    (void)self, (void)token, (void)err;
    const char *metadata = placed[item->url.ptr[0] - '1'].metadata;
    *out = (ql_document){.struct_size = sizeof *out, .url = item->url, .content_type = QL_STR("txt"), .content = QL_STR("text"), .metadata_json = ql_str_of(metadata),
                         .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN};
    return QL_OK;
}

static void test_stores__the_path_of_a_document_is_told(void **state)
{
    static const ql_source_ops ops = {.struct_size = sizeof ops, .type = "placed", .list_fn = list_placed, .fetch_fn = fetch_placed, .release_fn = release};
    bench *self = *state;
    memory store = fresh_memory();
    ql_error err = {0};
    open_on(self, &memory_ops, &store);
    for (int round = 0; round < 2; round++) { /* stored, then touched, for an item without a version is read again */
        assert_int_equal(ql_ingest_source(self->workspace, QL_STR("p"), QL_STR("s"), &ops, NULL, NULL, NULL, &err), QL_OK);
        assert_int_equal(store.count, sizeof placed / sizeof *placed);
        for (size_t i = 0; i < store.count; i++) assert_true(is(store.items[i]->document.path, ql_str_of(placed[i].path)));
    }
    ql_workspace_free(self->workspace);
    self->workspace = NULL;
    memory_dispose(&store);
}

static bool json_has(bench *self, ql_status (*fn)(ql_workspace *, ql_buf *, ql_error *), const char *part)
{
    ql_error err = {0};
    ql_buf json = QL_BUF_INIT;
    if (fn(self->workspace, &json, &err) < 0) fail_msg("%s", err.message);
    bool has = strstr(ql_buf_cstr(&json), part) != NULL;
    if (!has) print_message("%s\n", ql_buf_cstr(&json));
    ql_buf_dispose(&json);
    return has;
}

static ql_status check_whole(ql_workspace *workspace, ql_buf *out, ql_error *err)
{
    return ql_workspace_check_json(workspace, QL_CHECK_MODEL | QL_CHECK_INDEX | QL_CHECK_INDEX_WHOLE, out, err);
}

static void test_stores__what_is_there_is_told(void **state)
{
    bench *self = *state;
    memory store = fresh_memory();
    ql_error err = {0};
    ql_results *results = NULL;
    open_on(self, &memory_ops, &store);
    assert_true(json_has(self, check_whole, "\"there\":false"));
    assert_int_equal(ql_search(self->workspace, QL_STR("okapi"), NULL, &results, &err), QL_E_NOTFOUND);
    assert_true(strstr(err.message, "nothing was ever written") != NULL);
    fill(self);
    assert_true(json_has(self, check_whole, "\"index\":{\"there\":true,\"ready\":true,\"whole\":true,\"documents\":5,"));
    assert_true(json_has(self, ql_workspace_info_json, "\"store\":\"memory\",\"store_reason\":\"named by the application\""));
    assert_true(json_has(self, ql_workspace_info_json, "\"documents\":5,"));
    assert_int_equal(ql_workspace_init(self->workspace, 0, &err), QL_OK);
    assert_int_equal(store.count, PASSAGES);
    assert_int_equal(ql_workspace_init(self->workspace, 1, &err), QL_OK);
    assert_int_equal(store.count, 0);
    assert_int_equal(ql_search(self->workspace, QL_STR("okapi"), NULL, &results, &err), QL_E_NOTFOUND);
    ql_workspace_free(self->workspace);
    self->workspace = NULL;
    memory_dispose(&store);
}

/* A run that only tells finds no store and makes none. */
static void test_stores__a_dry_run_writes_nothing(void **state)
{
    bench *self = *state;
    memory store = fresh_memory();
    ql_error err = {0};
    texts all = {passages, PASSAGES};
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    options.dry_run = 1;
    ql_ingest_report_init(&self->report);
    open_on(self, &memory_ops, &store);
    assert_int_equal(ql_ingest_source(self->workspace, QL_STR("p"), QL_STR("s"), &text_ops, &all, &options, &self->report, &err), QL_OK);
    assert_int_equal(self->report.added, PASSAGES);
    assert_false(store.there);
    ql_workspace_free(self->workspace);
    self->workspace = NULL;
    memory_dispose(&store);
}

static void test_stores__another_model_is_refused(void **state)
{
    bench *self = *state;
    memory store = fresh_memory();
    ql_error err = {0};
    ql_results *results = NULL;
    open_on(self, &memory_ops, &store);
    fill(self);
    strcpy(store.model, "numbers-16");
    assert_int_equal(ingest(self, passages, PASSAGES, &err), QL_E_MISMATCH);
    assert_true(strstr(err.message, "'numbers-16' (16 dimensions), not with 'letters-16' (16)") != NULL);
    assert_int_equal(ql_search(self->workspace, QL_STR("okapi"), NULL, &results, &err), QL_E_MISMATCH);
    assert_true(json_has(self, check_whole, "\"kind\":\"does not match what is stored\""));
    assert_int_equal(ql_workspace_init(self->workspace, 1, &err), QL_OK); /* whatever it holds */
    assert_int_equal(ingest(self, passages, PASSAGES, &err), QL_OK);
    ql_workspace_free(self->workspace);
    self->workspace = NULL;
    memory_dispose(&store);
}

/* --- wrong answers --------------------------------------------------------------------------------------------------------------------- */

static ql_status known_backwards(void *store, ql_str project, ql_str source_type, ql_str source, ql_store_known_fn fn, void *user, ql_error *err)
{
    const memory *all = ((connection *)store)->memory;
    (void)project, (void)source_type, (void)source, (void)err;
    for (size_t i = all->count; i-- > 0;) {
        const ql_store_document *d = &all->items[i]->document;
        const ql_store_known one = {.struct_size = sizeof one, .id = d->id, .url = d->url, .version = d->version, .content_hash = d->content_hash, .pipeline = d->pipeline};
        if (fn(user, &one) != 0) return QL_OK; /* stopped, and says nothing of it */
    }
    return QL_OK;
}

static ql_status find_too_many(void *view, const ql_store_query *query, ql_store_found *out, ql_error *err)
{
    ql_status status = find_matches(view, query, out, err);
    out->match_count = 2 * (size_t)query->limit + 1;
    return status;
}

static ql_status find_nan(void *view, const ql_store_query *query, ql_store_found *out, ql_error *err)
{
    ql_status status = find_matches(view, query, out, err);
    out->matches[0].score_dense = NAN;
    return status;
}

static ql_status chunk_not_utf8(void *view, uint64_t slot, ql_arena *arena, ql_stored_chunk *out, ql_error *err)
{
    ql_status status = read_chunk(view, slot, arena, out, err);
    out->text = QL_STR("\xff");
    return status;
}

static ql_status chunk_no_object(void *view, uint64_t slot, ql_arena *arena, ql_stored_chunk *out, ql_error *err)
{
    ql_status status = read_chunk(view, slot, arena, out, err);
    out->metadata_json = QL_STR("{\"a\": ");
    return status;
}

static ql_status commit_fails(void *store, ql_error *err)
{
    rollback(store);
    return fail_with(err, QL_E_NOSPACE, "it is full");
}

static ql_status replace_unknown_status(void *store, const ql_store_document *document, ql_error *err)
{
    (void)store, (void)document, (void)err;
    return (ql_status)-99999;
}

static void test_stores__wrong_answers_of_a_search_are_refused(void **state)
{
    bench *self = *state;
    struct { ql_status (*find_fn)(void *, const ql_store_query *, ql_store_found *, ql_error *); ql_status (*chunk_fn)(void *, uint64_t, ql_arena *, ql_stored_chunk *, ql_error *); const char *told; } cases[] = {
        {find_too_many, read_chunk, "more matches"}, {find_nan, read_chunk, "no number"}, {find_matches, chunk_not_utf8, "not UTF-8"}, {find_matches, chunk_no_object, "no JSON object"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memory store = fresh_memory();
        ql_error err = {0};
        ql_results *results = NULL;
        ql_store_ops wrong = memory_ops;
        wrong.find_fn = cases[i].find_fn;
        wrong.chunk_fn = cases[i].chunk_fn;
        again(self);
        open_on(self, &wrong, &store);
        fill(self);
        assert_int_equal(ql_search(self->workspace, QL_STR("okapi"), NULL, &results, &err), QL_E_INVALID);
        if (strstr(err.message, cases[i].told) == NULL || strstr(err.message, "'memory'") == NULL) fail_msg("%s", err.message);
        ql_workspace_free(self->workspace);
        self->workspace = NULL;
        memory_dispose(&store);
    }
}

/* Nothing is taken for vanished because of it. */
static void test_stores__known_documents_out_of_order_end_the_run(void **state)
{
    bench *self = *state;
    memory store = fresh_memory();
    ql_error err = {0};
    ql_store_ops wrong = memory_ops;
    wrong.known_fn = known_backwards;
    open_on(self, &wrong, &store);
    fill(self);
    assert_int_equal(ingest(self, passages, PASSAGES, &err), QL_E_INVALID);
    assert_true(strstr(err.message, "ordered") != NULL);
    assert_int_equal(store.count, PASSAGES);
    ql_workspace_free(self->workspace);
    self->workspace = NULL;
    memory_dispose(&store);
}

static void test_stores__a_failure_of_the_store_ends_the_run(void **state)
{
    bench *self = *state;
    for (int i = 0; i < 2; i++) {
        memory store = fresh_memory();
        ql_error err = {0};
        ql_store_ops wrong = memory_ops;
        if (i == 0) wrong.commit_fn = commit_fails;
        else wrong.replace_fn = replace_unknown_status;
        again(self);
        open_on(self, &wrong, &store);
        assert_int_equal(ingest(self, passages, PASSAGES, &err), i == 0 ? QL_E_NOSPACE : QL_E_INVALID);
        if (strstr(err.message, i == 0 ? "it is full" : "unknown status -99999") == NULL) fail_msg("%s", err.message);
        assert_int_equal(self->report.added, 0);
        assert_int_equal(store.count, 0);
        ql_workspace_free(self->workspace);
        self->workspace = NULL;
        memory_dispose(&store);
    }
}

static void test_stores__registering_is_checked(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_store_ops ops = memory_ops;
    ops.find_fn = NULL;
    assert_int_equal(ql_store_register(self->runtime, &ops, NULL, &err), QL_E_INVALID);
    ops = memory_ops;
    ops.name = "embedded";
    assert_int_equal(ql_store_register(self->runtime, &ops, NULL, &err), QL_E_EXISTS);
    assert_int_equal(ql_store_register(self->runtime, NULL, NULL, &err), QL_E_INVALID);
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    options.data_dir = self->data;
    options.store = "nowhere";
    assert_int_equal(ql_workspace_open(self->runtime, &options, &self->workspace, NULL, &err), QL_E_NOTFOUND);
    assert_true(strstr(err.message, "'nowhere'") != NULL);
}

/* --- threads --------------------------------------------------------------------------------------------------------------------------- */

static void *search_on(void *user)
{
    bench *self = user;
    for (int i = 0; i < 200; i++) {
        ql_error err = {0};
        ql_results *results = NULL;
        ql_status status = ql_search(self->workspace, QL_STR("okapi in the forest"), NULL, &results, &err);
        if (status < 0) return (void *)(intptr_t)1;
        ql_results_free(results);
    }
    return NULL;
}

static void test_stores__searches_go_on_beside_an_ingest(void **state)
{
    bench *self = *state;
    memory store = fresh_memory();
    pthread_t threads[3];
    ql_error err = {0};
    void *failed = NULL;
    open_on(self, &memory_ops, &store);
    fill(self);
    for (size_t i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, search_on, self), 0);
    for (size_t i = 0; i < 20; i++) assert_int_equal(ingest(self, passages, PASSAGES - i % 3, &err), QL_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    ql_workspace_free(self->workspace);
    self->workspace = NULL;
    memory_dispose(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stores__hits_are_those_of_the_embedded_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__documents_change_and_vanish, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__the_path_of_a_document_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__what_is_there_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__a_dry_run_writes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__another_model_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__wrong_answers_of_a_search_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__known_documents_out_of_order_end_the_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__a_failure_of_the_store_ends_the_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__registering_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__searches_go_on_beside_an_ingest, setup, teardown),
    };
    return cmocka_run_group_tests_name("test_stores", tests, NULL, NULL);
}
