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
    assert_true(json_has(self, check_whole, "\"index\":{\"there\":true,\"ready\":true,\"whole\":null,\"documents\":5,"));
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

static ql_status known_of_no_size(void *store, ql_str project, ql_str source_type, ql_str source, ql_store_known_fn fn, void *user, ql_error *err)
{
    const ql_store_known one = {.url = QL_STR("a")};
    (void)store, (void)project, (void)source_type, (void)source, (void)err;
    return fn(user, &one) != 0 ? QL_E_CALLBACK : QL_OK;
}

static ql_status known_without_url(void *store, ql_str project, ql_str source_type, ql_str source, ql_store_known_fn fn, void *user, ql_error *err)
{
    const ql_store_known one = {.struct_size = sizeof one, .id = QL_STR("x")};
    (void)store, (void)project, (void)source_type, (void)source, (void)err;
    return fn(user, &one) != 0 ? QL_E_CALLBACK : QL_OK;
}

static ql_status known_nowhere(void *store, ql_str project, ql_str source_type, ql_str source, ql_store_known_fn fn, void *user, ql_error *err)
{
    const ql_store_known one = {.struct_size = sizeof one, .id = QL_STR("x"), .url = QL_STR("a"), .version = {NULL, 4}};
    (void)store, (void)project, (void)source_type, (void)source, (void)err;
    return fn(user, &one) != 0 ? QL_E_CALLBACK : QL_OK;
}

static ql_status known_says_stopped(void *store, ql_str project, ql_str source_type, ql_str source, ql_store_known_fn fn, void *user, ql_error *err)
{
    (void)store, (void)project, (void)source_type, (void)source, (void)fn, (void)user, (void)err;
    return QL_E_CALLBACK;
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

/* What is wrong with the first match or the first chunk of an answer. */
typedef enum wrong { NAN_SPARSE, NEGATIVE, NO_RANK, FAR_RANK, TWICE, NOT_PASSING, LARGE_DF, TEXT, NULL_TEXT, ID, TITLE, OBJECT, DOCUMENT_OBJECT, NO_URL, NUMBERS, PLACE } wrong;
static wrong what_is_wrong;

static ql_status find_wrong(void *view, const ql_store_query *query, ql_store_found *out, ql_error *err)
{
    ql_status status = find_matches(view, query, out, err);
    ql_store_match *first = out->matches;
    switch (what_is_wrong) {
    case NAN_SPARSE: first->score_sparse = NAN; break;
    case NEGATIVE: first->score_sparse = -1; break;
    case NO_RANK: first->rank_dense = first->rank_sparse = 0; break;
    case FAR_RANK: first->rank_dense = query->limit + 1; break;
    case TWICE: first[1] = first[0]; break;
    case NOT_PASSING: out->passing = 0; break;
    case LARGE_DF: out->dfs[0] = 1000; break;
    default: break;
    }
    return status;
}

static ql_status chunks_wrong(void *view, const uint64_t *slots, size_t count, ql_arena *arena, ql_stored_chunk *out, ql_error *err)
{
    ql_status status = read_chunks(view, slots, count, arena, out, err);
    switch (what_is_wrong) {
    case TEXT: out->text = QL_STR("\xff"); break;
    case NULL_TEXT: out->text.ptr = NULL; break;
    case ID: out->id = QL_STR("\xc0"); break;
    case TITLE: out->document_title = QL_STR("\xff"); break;
    case OBJECT: out->metadata_json = QL_STR("{\"a\": "); break;
    case DOCUMENT_OBJECT: out->document_metadata_json = QL_STR("[]"); break;
    case NO_URL: out->url = QL_STR(""); break;
    case NUMBERS: out->source_begin = out->source_end + 1; break;
    case PLACE: out->chunk_index = out->chunk_count; break;
    default: break;
    }
    return status;
}

/* The first chunk went in between. */
static ql_status chunks_gone(void *view, const uint64_t *slots, size_t count, ql_arena *arena, ql_stored_chunk *out, ql_error *err)
{
    ql_status status = read_chunks(view, slots, count, arena, out, err);
    *out = (ql_stored_chunk){.struct_size = sizeof *out};
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

/* As SQLite says "busy". */
static ql_status commit_positive(void *store, ql_error *err)
{
    (void)err;
    rollback(store);
    return (ql_status)5;
}

static void refused(bench *self, const ql_store_ops *ops, const char *told)
{
    memory store = fresh_memory();
    ql_error err = {0};
    ql_results *results = NULL;
    again(self);
    open_on(self, ops, &store);
    fill(self);
    assert_int_equal(ql_search(self->workspace, QL_STR("okapi"), NULL, &results, &err), QL_E_INVALID);
    if (strstr(err.message, told) == NULL || strstr(err.message, "'memory'") == NULL) fail_msg("%s", err.message);
    ql_workspace_free(self->workspace);
    self->workspace = NULL;
    memory_dispose(&store);
}

static void test_stores__wrong_answers_of_a_search_are_refused(void **state)
{
    bench *self = *state;
    static const struct { wrong what; const char *told; } cases[] = {
        {NAN_SPARSE, "no BM25"}, {NEGATIVE, "no BM25"}, {NO_RANK, "ranks"}, {FAR_RANK, "ranks"}, {TWICE, "twice"}, {NOT_PASSING, "pass the filter"}, {LARGE_DF, "a word more chunks"},
        {TEXT, "not UTF-8"}, {NULL_TEXT, "not UTF-8"}, {ID, "not UTF-8"}, {TITLE, "not UTF-8"}, {OBJECT, "no JSON object"}, {DOCUMENT_OBJECT, "no JSON object"}, {NO_URL, "without url"},
        {NUMBERS, "do not fit"}, {PLACE, "do not fit"}};
    ql_store_ops ops = memory_ops;
    ops.find_fn = find_wrong;
    ops.chunks_fn = chunks_wrong;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        what_is_wrong = cases[i].what;
        refused(self, &ops, cases[i].told);
    }
    ops = memory_ops;
    ops.find_fn = find_too_many;
    refused(self, &ops, "more matches than were asked for");
    ops.find_fn = find_nan;
    refused(self, &ops, "no cosine");
}

static void test_stores__a_chunk_that_went_is_no_hit(void **state)
{
    bench *self = *state;
    memory store = fresh_memory();
    ql_store_ops ops = memory_ops;
    ops.chunks_fn = chunks_gone;
    open_on(self, &ops, &store);
    fill(self);
    ql_results *results = find(self, "okapi", NULL);
    assert_int_equal(ql_results_count(results), PASSAGES - 1);
    ql_results_free(results);
    ql_workspace_free(self->workspace);
    self->workspace = NULL;
    memory_dispose(&store);
}

/* Nothing is taken for vanished because of it. */
static void test_stores__known_documents_out_of_order_end_the_run(void **state)
{
    bench *self = *state;
    const struct { __typeof__(memory_ops.known_fn) known_fn; const char *told; } cases[] = {
        {known_backwards, "ordered"}, {known_of_no_size, "without its struct_size"}, {known_without_url, "without an url"}, {known_nowhere, "whose ptr is NULL"}, {known_says_stopped, "nobody stopped it"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memory store = fresh_memory();
        ql_error err = {0};
        ql_store_ops ops = memory_ops;
        again(self);
        open_on(self, &ops, &store);
        fill(self);
        again(self);
        ops.known_fn = cases[i].known_fn;
        open_on(self, &ops, &store);
        assert_int_equal(ingest(self, passages, PASSAGES, &err), QL_E_INVALID);
        if (strstr(err.message, cases[i].told) == NULL) fail_msg("%s", err.message);
        assert_int_equal(store.count, PASSAGES);
        ql_workspace_free(self->workspace);
        self->workspace = NULL;
        memory_dispose(&store);
    }
}

static void test_stores__a_failure_of_the_store_ends_the_run(void **state)
{
    bench *self = *state;
    for (int i = 0; i < 3; i++) {
        static const struct { ql_status status; const char *told; } wanted[] = {{QL_E_NOSPACE, "it is full"}, {QL_E_INVALID, "unknown status -99999"}, {QL_E_INVALID, "answered 5"}};
        memory store = fresh_memory();
        ql_error err = {0};
        ql_store_ops ops = memory_ops;
        if (i == 0) ops.commit_fn = commit_fails;
        if (i == 1) ops.replace_fn = replace_unknown_status;
        if (i == 2) ops.commit_fn = commit_positive;
        again(self);
        open_on(self, &ops, &store);
        assert_int_equal(ingest(self, passages, PASSAGES, &err), wanted[i].status);
        if (strstr(err.message, wanted[i].told) == NULL || strstr(err.message, "'memory'") == NULL) fail_msg("%s", err.message);
        assert_int_equal(self->report.added, 0);
        assert_int_equal(store.count, 0);
        ql_workspace_free(self->workspace);
        self->workspace = NULL;
        memory_dispose(&store);
    }
}

/* --- every member is called, and its answer counts ------------------------------------------------------------------------------------- */

static struct { int check, rollback, clear, compact, owners, done, forget, sources, verify, passing; } called;

static ql_status counted_check(void *store, ql_error *err)
{
    (void)store;
    return called.check++ == 0 ? fail_with(err, QL_E_IO, "another is there now") : QL_OK;
}

static void counted_rollback(void *store)
{
    called.rollback++;
    rollback(store);
}

static ql_status counted_compact(void *store, ql_error *err)
{
    (void)store, (void)err;
    called.compact++;
    return QL_OK;
}

static ql_status counted_owners(void *store, const ql_str *ids, size_t count, ql_store_owner_fn fn, void *user, ql_error *err)
{
    called.owners++;
    return owners(store, ids, count, fn, user, err);
}

static ql_status counted_done(void *store, const ql_store_source *source, ql_error *err)
{
    called.done++;
    return source_done(store, source, err);
}

static ql_status counted_forget(void *store, ql_str project, ql_str source_type, ql_str source, ql_error *err)
{
    called.forget++;
    return source_forget(store, project, source_type, source, err);
}

static ql_status counted_sources(void *store, ql_store_source_fn fn, void *user, ql_error *err)
{
    called.sources++;
    return sources(store, fn, user, err);
}

static ql_status counted_verify(void *store, ql_error *err)
{
    (void)store;
    called.verify++;
    return fail_with(err, QL_E_CORRUPT, "a page is torn");
}

static ql_status counted_passing(void *view, const ql_filter *filter, uint64_t *out, ql_error *err)
{
    (void)view, (void)err;
    called.passing++;
    *out = filter->path_prefix.len > 0 ? 0 : PASSAGES;
    return QL_OK;
}

static const char two_sources[] = "sources:\n  localfile:\n    a: {base_url: a}\n    b: {base_url: b}\n", one_source[] = "sources:\n  localfile:\n    a: {base_url: a}\n";

static void write_file(bench *self, const char *name, const char *content)
{
    char path[200], folder[200];
    snprintf(path, sizeof path, "%s/%s", self->dir, name);
    snprintf(folder, sizeof folder, "mkdir -p '%s/a' '%s/b'", self->dir, self->dir);
    assert_int_equal(system(folder), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void open_configured(bench *self, const ql_store_ops *ops, memory *store, const char *config)
{
    ql_error err = {0};
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    again(self);
    with_letters(self);
    write_file(self, "config.yaml", config);
    write_file(self, "a/one.md", "The okapi hides.");
    write_file(self, "b/two.md", "The paddle moves.");
    assert_int_equal(ql_store_register(self->runtime, ops, store, &err), QL_OK);
    options.dir = self->dir;
    options.embedder = "letters";
    options.store = "memory";
    if (ql_workspace_open(self->runtime, &options, &self->workspace, NULL, &err) < 0) fail_msg("%s", err.message);
}

static bool status_has(bench *self, const char *part)
{
    ql_error err = {0};
    ql_buf json = QL_BUF_INIT;
    if (ql_workspace_projects_json(self->workspace, QL_STR(""), QL_PROJECTS_STATUS, &json, &err) < 0) fail_msg("%s", err.message);
    bool has = strstr(ql_buf_cstr(&json), part) != NULL;
    if (!has) print_message("%s\n", ql_buf_cstr(&json));
    ql_buf_dispose(&json);
    return has;
}

static void test_stores__every_member_is_called(void **state)
{
    bench *self = *state;
    memory store = fresh_memory();
    ql_error err = {0};
    ql_results *results = NULL;
    ql_ingest_options prune = QL_INGEST_OPTIONS_INIT, dry = QL_INGEST_OPTIONS_INIT;
    ql_ingest_report report = QL_INGEST_REPORT_INIT;
    ql_store_ops ops = memory_ops;
    prune.prune = 1;
    dry.dry_run = 1;
    memset(&called, 0, sizeof called);
    ops.check_fn = counted_check, ops.rollback_fn = counted_rollback, ops.compact_fn = counted_compact, ops.owners_fn = counted_owners, ops.source_done_fn = counted_done;
    ops.source_forget_fn = counted_forget, ops.sources_fn = counted_sources, ops.verify_fn = counted_verify, ops.passing_fn = counted_passing;
    open_configured(self, &ops, &store, two_sources);
    assert_int_equal(ql_ingest(self->workspace, NULL, &report, &err), QL_OK);
    assert_int_equal(report.added, 2);
    assert_int_equal(called.owners, 2); /* one question a source, however many documents */
    assert_int_equal(called.done, 2);
    assert_true(called.compact > 0);
    assert_true(status_has(self, "\"document_count\":2"));
    assert_int_equal(called.sources, 2); /* by the ingest and by the status, once each */
    assert_int_equal(ql_ingest(self->workspace, &dry, &report, &err), QL_OK);
    assert_int_equal(report.unchanged, 2);
    for (int i = 0; i < 3; i++) { /* the first connection is refused by check_fn when it is used again, and replaced */
        assert_int_equal(ql_search(self->workspace, QL_STR("okapi"), NULL, &results, &err), QL_OK);
        assert_int_equal(ql_results_count(results), 2);
        ql_results_free(results);
    }
    assert_int_equal(called.check, 2);
    ql_search_options filtered;
    ql_search_options_init(&filtered);
    filtered.filter.path_prefix = QL_STR("nowhere/");
    assert_int_equal(ql_search(self->workspace, QL_STR("okapi"), &filtered, &results, &err), QL_E_NOTFOUND);
    assert_true(called.passing > 0);
    assert_true(json_has(self, check_whole, "a page is torn"));
    assert_int_equal(called.verify, 1);
    open_configured(self, &ops, &store, one_source);
    assert_int_equal(ql_ingest(self->workspace, &prune, &report, &err), QL_OK);
    assert_int_equal(report.deleted, 1);
    assert_int_equal(called.forget, 1);
    assert_int_equal(store.source_count, 1);
    ops.replace_fn = replace_unknown_status;
    open_configured(self, &ops, &store, two_sources);
    called.rollback = 0;
    ql_status status = ql_ingest(self->workspace, NULL, &report, &err);
    if (status != QL_E_INVALID) fail_msg("%d %s", (int)status, err.message);
    assert_true(called.rollback > 0);
    assert_true(status_has(self, "\"document_count\":1"));
    ql_workspace_free(self->workspace);
    self->workspace = NULL;
    memory_dispose(&store);
}

/* A document whose text stays and whose facts change is touched: its chunks stay, its metadata is new. */
static void test_stores__a_document_is_touched(void **state)
{
    bench *self = *state;
    memory store = fresh_memory();
    ql_error err = {0};
    ql_ingest_report report = QL_INGEST_REPORT_INIT;
    char command[200];
    open_configured(self, &memory_ops, &store, one_source);
    assert_int_equal(ql_ingest(self->workspace, NULL, NULL, &err), QL_OK);
    int64_t before = store.items[0]->document.updated_at_ms;
    snprintf(command, sizeof command, "touch -d '2001-01-01' '%s/a/one.md'", self->dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(ql_ingest(self->workspace, NULL, &report, &err), QL_OK);
    assert_int_equal(report.unchanged, 1);
    assert_int_equal(store.count, 1);
    assert_true(store.items[0]->document.updated_at_ms != before);
    assert_int_equal(store.items[0]->document.chunk_count, 1);
    ql_results *results = find(self, "okapi hides", NULL);
    assert_true(ql_results_hit(results, 0)->score_sparse > 0); /* its words are there yet */
    ql_results_free(results);
    ql_workspace_free(self->workspace);
    self->workspace = NULL;
    memory_dispose(&store);
}

/* The built-in one by name, although the configuration wants another. */
static void test_stores__the_embedded_store_by_name(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    char config[300];
    snprintf(config, sizeof config, "global: {qdrant: {url: 'http://localhost:6333'}}\n%s", one_source);
    write_file(self, "config.yaml", config);
    write_file(self, "a/one.md", "The okapi hides.");
    with_letters(self);
    options.dir = self->dir;
    options.embedder = "letters";
    for (int named = 0; named < 2; named++) {
        options.store = named ? "embedded" : NULL;
        assert_int_equal(ql_workspace_open(self->runtime, &options, &self->workspace, NULL, &err), QL_OK);
        assert_int_equal(ql_ingest(self->workspace, NULL, NULL, &err), named ? QL_OK : QL_E_UNSUPPORTED);
        assert_true(json_has(self, ql_workspace_info_json, named ? "\"store\":\"embedded\",\"store_reason\":\"named by the application\"" : "\"store\":\"qdrant\""));
        ql_workspace_free(self->workspace);
        self->workspace = NULL;
    }
}

static void test_stores__registering_is_checked(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_store_ops ops = memory_ops;
    ops.find_fn = NULL;
    assert_int_equal(ql_store_register(self->runtime, &ops, NULL, &err), QL_E_INVALID);
    assert_string_equal(err.message, "ops lacks find_fn");
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
        cmocka_unit_test_setup_teardown(test_stores__a_chunk_that_went_is_no_hit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__every_member_is_called, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__a_document_is_touched, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__the_embedded_store_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__registering_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores__searches_go_on_beside_an_ingest, setup, teardown),
    };
    return cmocka_run_group_tests_name("test_stores", tests, NULL, NULL);
}
