/*
 * What an application registers, through the public headers alone: it is used, what it yields is checked, it is closed once, and a change of its
 * version makes documents anew.
 */
#include "extension_bench.h"

/* --- converters ----------------------------------------------------------------------------------------------------------------------- */

typedef enum fault { SOUND, NO_BLOCK, OUTSIDE, NOT_UTF8, NO_TREE, CUT_CHARACTER, BAD_MAP, BAD_METADATA_OF_DOCUMENT, NOWHERE, LABEL_NOWHERE, SAYS_GONE, NO_TEXT } fault;

static bool accepts_shout(void *self, const ql_document *document)
{
    (void)self;
    return ql_str_equal(document->content_type, QL_STR("shout"));
}

/* Upper case, so that it shows who converted; or something that must not pass. */
static ql_status convert_shout(void *user, const ql_document *document, ql_arena *arena, ql_canonical *out, ql_error *err)
{
    fault what = *(fault *)user;
    size_t len = document->content.len;
    char *upper = ql_arena_alloc(arena, len + 1);
    ql_block *blocks = ql_arena_alloc(arena, 2 * sizeof *blocks);
    ql_range_map *map = ql_arena_alloc(arena, sizeof *map);
    if (upper == NULL || blocks == NULL || map == NULL) return QL_E_NOMEM;
    for (size_t i = 0; i < len; i++) upper[i] = document->content.ptr[i] >= 'a' && document->content.ptr[i] <= 'z' ? (char)(document->content.ptr[i] - 32) : document->content.ptr[i];
    blocks[0] = (ql_block){.end = what == OUTSIDE ? len + 5 : len, .parent = QL_BLOCK_NONE, .next = 2, .kind = QL_BLOCK_DOCUMENT};
    blocks[1] = (ql_block){.end = what == CUT_CHARACTER ? 1 : len, .parent = what == NO_TREE ? 1 : 0, .next = 2, .kind = QL_BLOCK_PARAGRAPH};
    *map = (ql_range_map){.len = len, .source_end = what == BAD_MAP ? len + 1 : len};
    if (what == NOT_UTF8) upper[0] = (char)0xff;
    if (what == SAYS_GONE) { /* not for a converter to say */
        err->status = QL_E_NOTFOUND;
        strcpy(err->message, "it is gone");
        return QL_E_NOTFOUND;
    }
    if (what == NO_TEXT) {
        err->status = QL_E_UNSUPPORTED;
        strcpy(err->message, "a picture");
        return QL_E_UNSUPPORTED;
    }
    *out = (ql_canonical){.struct_size = sizeof *out, .block_count = what == NO_BLOCK ? 0 : 2, .text = {upper, len}, .blocks = blocks, .map = map, .map_count = 1};
    if (what == NOWHERE) out->title = (ql_str){NULL, 4};
    if (what == LABEL_NOWHERE) blocks[1].label = (ql_str){NULL, 4};
    if (what == BAD_METADATA_OF_DOCUMENT) out->metadata_json = QL_STR("{\"a\": }");
    return QL_OK;
}

static const ql_converter_ops shout = {sizeof shout, 1, "shout", accepts_shout, convert_shout, NULL};

static void test_extensions__a_converter_reads_what_it_accepts(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    fault what = SOUND;
    const text items[] = {{"a", "shout", "hello there"}, {"b", "txt", "good bye"}};
    with_letters(self);
    assert_int_equal(ql_converter_register(self->runtime, &shout, &what, &err), QL_OK);
    open_workspace(self);
    assert_int_equal(ingest(self, items, 2, &err), QL_OK);
    ql_results *results = find(self, "hello", NULL);
    assert_true(text_is(results, 0, "HELLO THERE"));
    assert_true(text_is(results, 1, "good bye"));
    ql_results_free(results);
}

static void test_extensions__what_a_converter_yields_is_checked(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    fault what = SOUND;
    static const struct {
        fault what;
        const char *told;
    } cases[] = {{NO_BLOCK, "no block 0"}, {OUTSIDE, "outside the text"}, {NOT_UTF8, "not UTF-8"}, {NO_TREE, "no tree"}, {CUT_CHARACTER, "cuts a character"}, {BAD_MAP, "map"}, {BAD_METADATA_OF_DOCUMENT, "its metadata: "}, {NOWHERE, "title has 4 bytes, but its ptr is NULL"}, {LABEL_NOWHERE, "its label has bytes"}, {SAYS_GONE, "it is gone"}};
    with_letters(self);
    assert_int_equal(ql_converter_register(self->runtime, &shout, &what, &err), QL_OK);
    open_workspace(self);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        what = cases[i].what;
        expect_failure(self, &(text){"a", "shout", "\xc3\xa9t\xc3\xa9"}, cases[i].told);
    }
    what = NO_TEXT;
    assert_int_equal(ingest(self, &(text){"a", "shout", "x"}, 1, &err), QL_OK);
    assert_int_equal(self->report.skipped, 1);
}

/* --- chunkers ------------------------------------------------------------------------------------------------------------------------- */

typedef enum cutting { LINES, NOBODY_STOPPED, GAP, BACKWARDS, TOO_FAR, SHORT, BAD_METADATA, METADATA_NOWHERE, FAILS } cutting;

static bool accepts_lines(void *self, const ql_document *document, const ql_canonical *canonical)
{
    (void)self;
    (void)canonical;
    return ql_str_equal(document->content_type, QL_STR("lines"));
}

static ql_status chunk_lines(void *user, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *to, ql_error *err)
{
    cutting what = *(cutting *)user;
    (void)document;
    (void)options;
    if (what == FAILS) {
        err->status = QL_E_FORMAT;
        strcpy(err->message, "these are no lines");
        return QL_E_FORMAT;
    }
    if (what == NOBODY_STOPPED) return QL_E_CALLBACK;
    for (uint64_t begin = 0, end; begin < canonical->text.len; begin = end) {
        const char *at = memchr(canonical->text.ptr + begin, '\n', canonical->text.len - begin);
        end = at != NULL ? (uint64_t)(at - canonical->text.ptr) + 1 : canonical->text.len;
        ql_chunk chunk = {.struct_size = sizeof chunk, .begin = what == GAP && begin > 0 ? begin + 1 : begin, .end = what == TOO_FAR ? end + 100 : end};
        if (what == BACKWARDS && begin > 0) chunk.end = chunk.begin;
        chunk.metadata_json = what == BAD_METADATA ? QL_STR("{\"a\":") : QL_STR("{\"by\": \"line\", \"chunk_index\": 99}");
        if (what == METADATA_NOWHERE) chunk.metadata_json = (ql_str){NULL, 4};
        if (emit(to, &chunk) != 0) return QL_E_CALLBACK;
        if (what == SHORT) break;
    }
    return QL_OK;
}

static const ql_chunker_ops lines = {sizeof lines, 1, "lines", accepts_lines, chunk_lines, NULL};
static const ql_chunker_ops lines_2 = {sizeof lines_2, 2, "lines", accepts_lines, chunk_lines, NULL};

static void test_extensions__a_chunker_cuts_and_the_library_describes(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    cutting what = LINES;
    with_letters(self);
    assert_int_equal(ql_chunker_register(self->runtime, &lines, &what, &err), QL_OK);
    open_workspace(self);
    assert_int_equal(ingest(self, &(text){"a", "lines", "one is first\ntwo is second\n"}, 1, &err), QL_OK);
    assert_int_equal(self->report.chunks, 2);
    ql_results *results = find(self, "second", NULL);
    const ql_hit *hit = ql_results_hit(results, 0);
    assert_true(text_is(results, 0, "two is second\n"));
    assert_int_equal(hit->source_begin, 13);
    assert_int_equal(hit->source_end, 27);
    assert_int_equal(hit->chunk_index, 1);
    assert_non_null(strstr(hit->metadata_json.ptr, "\"by\":\"line\""));
    assert_null(strstr(hit->metadata_json.ptr, "99")); /* the library's own keys are its own */
    assert_non_null(strstr(hit->metadata_json.ptr, "\"total_chunks\":"));
    ql_results_free(results);
}

static void test_extensions__what_a_chunker_cuts_is_checked(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    cutting what = LINES;
    static const struct {
        cutting what;
        const char *told;
    } cases[] = {{NOBODY_STOPPED, "nobody stopped it"}, {GAP, "chunk 1 is"}, {BACKWARDS, "chunk 1 is"}, {TOO_FAR, "chunk 0 is"}, {SHORT, "chunks end at byte"}, {BAD_METADATA, "metadata of chunk 0"}, {METADATA_NOWHERE, "its ptr is NULL"}, {FAILS, "these are no lines"}};
    with_letters(self);
    assert_int_equal(ql_chunker_register(self->runtime, &lines, &what, &err), QL_OK);
    open_workspace(self);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        what = cases[i].what;
        expect_failure(self, &(text){"a", "lines", "one is first\ntwo is second\n"}, cases[i].told);
        assert_non_null(strstr(self->failure, "the chunker 'lines'"));
    }
}

static void test_extensions__another_version_makes_documents_anew(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    cutting what = LINES;
    const text item = {"a", "lines", "one\ntwo\n"};
    with_letters(self);
    assert_int_equal(ql_chunker_register(self->runtime, &lines, &what, &err), QL_OK);
    open_workspace(self);
    assert_int_equal(ingest(self, &item, 1, &err), QL_OK);
    assert_int_equal(ingest(self, &item, 1, &err), QL_OK);
    assert_int_equal(self->report.unchanged, 1);
    again(self);
    with_letters(self);
    assert_int_equal(ql_chunker_register(self->runtime, &lines_2, &what, &err), QL_OK);
    open_workspace(self);
    assert_int_equal(ingest(self, &item, 1, &err), QL_OK);
    assert_int_equal(self->report.changed, 1);
}

/* --- embedders ------------------------------------------------------------------------------------------------------------------------ */

static void test_extensions__an_embedder_is_asked_for_by_name(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    options.data_dir = self->data;
    options.embedder = "nosuch";
    assert_int_equal(ql_workspace_open(self->runtime, &options, &self->workspace, NULL, &err), QL_E_NOTFOUND);
    assert_non_null(strstr(err.message, "nosuch"));
    letters *object = with_letters(self);
    open_workspace(self);
    object->status = QL_E_NET;
    assert_int_equal(ingest(self, &(text){"a", "txt", "x"}, 1, &err), QL_E_NET);
    assert_string_equal(err.message, "the letters are out");
    assert_int_equal(ingest(self, &(text){"a", "txt", "x"}, 1, NULL), QL_E_NET); /* the callback has an error to write all the same */
    object->status = QL_OK;
    object->scale = 2;
    assert_int_equal(ingest(self, &(text){"a", "txt", "x"}, 1, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "unit length"));
    object->scale = NAN;
    assert_int_equal(ingest(self, &(text){"a", "txt", "x"}, 1, &err), QL_E_INVALID);
    object->scale = 1;
    assert_int_equal(ingest(self, &(text){"a", "txt", "x"}, 1, &err), QL_OK);
}

/* --- rerankers ------------------------------------------------------------------------------------------------------------------------ */

typedef struct judge {
    double scale;
    size_t seen;
} judge;

static ql_status longest_first(void *user, ql_str question, const ql_hit *hits, size_t count, double *scores, ql_error *err)
{
    judge *self = user;
    (void)err;
    assert_true(ql_str_equal(question, QL_STR("word")));
    self->seen = count;
    for (size_t i = 0; i < count; i++) scores[i] = self->scale * (double)hits[i].text.len;
    return QL_OK;
}

static const ql_reranker_ops longest = {sizeof longest, 0, "longest", longest_first, NULL};

static void test_extensions__a_reranker_orders_more_than_is_shown(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    judge object = {.scale = 1};
    const text items[] = {{"a", "txt", "word"}, {"b", "txt", "word and more"}, {"c", "txt", "word and more of it than in the others"}};
    with_letters(self);
    assert_int_equal(ql_reranker_register(self->runtime, &longest, &object, &err), QL_OK);
    open_workspace(self);
    assert_int_equal(ingest(self, items, 3, &err), QL_OK);
    ql_search_options options;
    ql_search_options_init(&options);
    options.limit = 1;
    ql_results *results = find(self, "word", &options);
    assert_true(text_is(results, 0, "word"));
    ql_results_free(results);
    options.reranker = "longest";
    results = find(self, "word", &options);
    assert_int_equal(ql_results_count(results), 1);
    assert_int_equal(object.seen, 3);
    assert_true(text_is(results, 0, items[2].content));
    assert_int_equal(ql_results_hit(results, 0)->rank, 1);
    assert_true(ql_results_hit(results, 0)->score_rerank == (double)strlen(items[2].content));
    ql_results_free(results);
    object.scale = INFINITY;
    assert_int_equal(ql_search(self->workspace, QL_STR("word"), &options, &results, &err), QL_E_INVALID);
    assert_int_equal(ql_search(self->workspace, QL_STR("word"), &options, &results, NULL), QL_E_INVALID);
    options.reranker = "nosuch";
    assert_int_equal(ql_search(self->workspace, QL_STR("word"), &options, &results, &err), QL_E_NOTFOUND);
}

/* --- types of sources ------------------------------------------------------------------------------------------------------------------ */

static const char *seen_settings;

static ql_status open_shelf(void *user, const ql_source_settings *settings, void **out_self, ql_error *err)
{
    static const text books[] = {{"one", "txt", "a book about bees"}, {"two", "txt", "a book about ships"}};
    static texts shelf;
    bench *self = user;
    snprintf(self->failure, sizeof self->failure, "%.*s/%.*s/%.*s %.*s", (int)settings->project.len, settings->project.ptr, (int)settings->type.len, settings->type.ptr,
             (int)settings->name.len, settings->name.ptr, (int)settings->json.len, settings->json.ptr);
    seen_settings = self->failure;
    if (strstr(self->failure, "\"broken\"") != NULL) {
        err->status = QL_E_CONFIG;
        strcpy(err->message, "the shelf is broken");
        return QL_E_CONFIG;
    }
    shelf = (texts){books, 2};
    *out_self = &shelf;
    return QL_OK;
}

static const ql_source_ops shelf_ops = {.struct_size = sizeof shelf_ops, .type = "shelf", .list_fn = list, .fetch_fn = fetch, .release_fn = release, .open_fn = open_shelf};

static ql_status open_configured(bench *self, const char *sources, ql_buf *problems, ql_error *err)
{
    char path[160];
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    snprintf(path, sizeof path, "%s/config.yaml", self->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(sources, file);
    assert_int_equal(fclose(file), 0);
    options.dir = self->dir;
    options.embedder = "letters";
    ql_workspace_free(self->workspace);
    self->workspace = NULL;
    return ql_workspace_open(self->runtime, &options, &self->workspace, problems, err);
}

static void test_extensions__a_configuration_names_sources_of_a_registered_type(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    ql_buf problems = QL_BUF_INIT;
    ql_ingest_options prune = QL_INGEST_OPTIONS_INIT;
    static const char config[] = "sources:\n  shelf:\n    mine: {where: 'left', books: 2}\n    other: {state: broken}\n";
    with_letters(self);
    assert_int_equal(open_configured(self, config, &problems, &err), QL_E_CONFIG); /* not registered yet */
    assert_non_null(strstr(ql_buf_cstr(&problems), "unknown key 'shelf'"));
    ql_buf_clear(&problems);
    assert_int_equal(ql_source_register(self->runtime, &text_ops, self, &err), QL_E_INVALID); /* lacks open_fn */
    assert_int_equal(ql_source_register(self->runtime, &shelf_ops, self, &err), QL_OK);
    assert_int_equal(open_configured(self, "sources: {shelf: {mine: 7}}\n", &problems, &err), QL_E_CONFIG);
    assert_non_null(strstr(ql_buf_cstr(&problems), "sources.shelf.mine must be a map"));
    ql_buf_clear(&problems);
    ql_ingest_report_init(&self->report);
    assert_int_equal(open_configured(self, config, &problems, &err), QL_OK);
    assert_int_equal(ql_ingest(self->workspace, NULL, &self->report, &err), QL_E_PARTIAL);
    assert_int_equal(self->report.added, 2);
    assert_int_equal(self->report.sources_failed, 1);
    assert_int_equal(ql_workspace_projects_json(self->workspace, QL_STR(""), QL_PROJECTS_CHECK, &problems, &err), QL_OK);
    assert_non_null(strstr(ql_buf_cstr(&problems), "\"source\":\"mine\",\"base_url\":\"\",\"supported\":true,\"ready\":true"));
    assert_non_null(strstr(ql_buf_cstr(&problems), "\"ready\":false,\"reason\":\"the shelf is broken\""));
    assert_int_equal(open_configured(self, "sources: {shelf: {mine: {where: left}}}\n", NULL, &err), QL_OK);
    assert_int_equal(ql_ingest(self->workspace, NULL, &self->report, &err), QL_OK);
    assert_int_equal(self->report.unchanged, 2);
    ql_ingest_options other = QL_INGEST_OPTIONS_INIT;
    other.source_type = QL_STR("shelf");
    other.source = QL_STR("theirs");
    assert_int_equal(ql_ingest(self->workspace, &other, NULL, &err), QL_E_NOTFOUND);
    assert_string_equal(err.message, "no source 'theirs' of type 'shelf' in the configuration");
    assert_string_equal(seen_settings, "default/shelf/mine {\"where\":\"left\"}");
    assert_int_equal(open_configured(self, "sources: {shelf: {third: {}}}\n", NULL, &err), QL_OK);
    prune.prune = 1;
    assert_int_equal(ql_ingest(self->workspace, &prune, &self->report, &err), QL_OK);
    assert_int_equal(self->report.deleted, 2);
    assert_int_equal(self->report.added, 2);
    ql_buf_dispose(&problems);
}

/* --- registering ---------------------------------------------------------------------------------------------------------------------- */

static void test_extensions__registering_has_rules(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    fault what = SOUND;
    ql_converter_ops bad = shout;
    bad.name = "markdown";
    assert_int_equal(ql_converter_register(self->runtime, &bad, NULL, &err), QL_E_EXISTS);
    for (const char *const *name = (const char *const[]){"", "Shout", "a b", "\xc3\xa9", NULL}; *name != NULL; name++) {
        bad.name = *name;
        assert_int_equal(ql_converter_register(self->runtime, &bad, NULL, &err), QL_E_INVALID);
    }
    bad = shout;
    bad.convert_fn = NULL;
    assert_int_equal(ql_converter_register(self->runtime, &bad, NULL, &err), QL_E_INVALID);
    bad.struct_size = 4;
    assert_int_equal(ql_converter_register(self->runtime, &bad, NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_converter_register(NULL, &shout, NULL, &err), QL_E_INVALID);
    assert_int_equal(ql_converter_register(self->runtime, &shout, &what, &err), QL_OK);
    assert_int_equal(ql_converter_register(self->runtime, &shout, &what, &err), QL_E_EXISTS);
    with_letters(self);
    open_workspace(self);
    bad = shout;
    bad.name = "late";
    assert_int_equal(ql_converter_register(self->runtime, &bad, NULL, &err), QL_E_BUSY);
}

static void test_extensions__everything_is_closed_once(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    static const ql_converter_ops converter = {sizeof converter, 1, "shout", accepts_shout, convert_shout, close_counted};
    static const ql_chunker_ops chunker = {sizeof chunker, 1, "lines", accepts_lines, chunk_lines, close_counted};
    static const ql_reranker_ops reranker = {sizeof reranker, 0, "longest", longest_first, close_counted};
    with_letters(self);
    assert_int_equal(ql_converter_register(self->runtime, &converter, self, &err), QL_OK);
    assert_int_equal(ql_chunker_register(self->runtime, &chunker, self, &err), QL_OK);
    assert_int_equal(ql_reranker_register(self->runtime, &reranker, self, &err), QL_OK);
    assert_int_equal(ql_reranker_register(self->runtime, &reranker, self, &err), QL_E_EXISTS);
    assert_int_equal(self->closed, 0);
    ql_runtime_free(self->runtime);
    self->runtime = NULL;
    assert_int_equal(self->closed, 4);
}

/* --- structs of other sizes ------------------------------------------------------------------------------------------------------------- */

static void test_extensions__a_later_callers_struct_is_taken_where_it_says_nothing_new(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    struct {
        ql_ingest_options known;
        uint64_t added;
    } options = {.known = QL_INGEST_OPTIONS_INIT};
    struct {
        ql_ingest_report known;
        uint64_t added;
    } report = {.known = QL_INGEST_REPORT_INIT, .added = 77};
    const text item = {"a", "txt", "x"};
    texts all = {&item, 1};
    with_letters(self);
    open_workspace(self);
    options.known.struct_size = sizeof options;
    report.known.struct_size = sizeof report;
    assert_int_equal(ql_ingest_source(self->workspace, QL_STR("p"), QL_STR("s"), &text_ops, &all, &options.known, &report.known, &err), QL_OK);
    assert_int_equal(report.known.added, 1);
    assert_int_equal(report.known.struct_size, sizeof report);
    assert_int_equal(report.added, 77);
    options.added = 1;
    assert_int_equal(ql_ingest_source(self->workspace, QL_STR("p"), QL_STR("s"), &text_ops, &all, &options.known, NULL, &err), QL_E_UNSUPPORTED);
    options.known.struct_size = 8;
    assert_int_equal(ql_ingest_source(self->workspace, QL_STR("p"), QL_STR("s"), &text_ops, &all, &options.known, NULL, &err), QL_E_INVALID);
    report.known.struct_size = 0;
    assert_int_equal(ql_ingest_source(self->workspace, QL_STR("p"), QL_STR("s"), &text_ops, &all, NULL, &report.known, &err), QL_E_INVALID);
}

/* --- sources ------------------------------------------------------------------------------------------------------------------------------ */

typedef struct partial {
    size_t count;
    ql_status answer;
    const char *metadata;
} partial;

static ql_status list_part(void *user, const ql_source_sink *sink, ql_error *err)
{
    const partial *self = user;
    (void)err; /* a clumsy source says nothing more */
    for (size_t i = 0; i < self->count; i++) {
        char url[24];
        snprintf(url, sizeof url, "d%zu", i);
        ql_item item = {.struct_size = sizeof item, .url = ql_str_of(url), .version = ql_str_of(self->metadata)};
        if (sink->item_fn(sink->user, &item) != 0) return QL_E_CALLBACK;
    }
    return self->answer;
}

static ql_status fetch_part(void *user, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    const partial *self = user;
    (void)err;
    *token = NULL;
    *out = (ql_document){.struct_size = sizeof *out, .url = item->url, .title = QL_STR("t"), .content_type = QL_STR("txt"), .content = QL_STR("the same words"),
                         .metadata_json = ql_str_of(self->metadata), .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN};
    return QL_OK;
}

static ql_status ingest_part(bench *self, const partial *what, ql_error *err)
{
    static const ql_source_ops ops = {.struct_size = sizeof ops, .type = "part", .list_fn = list_part, .fetch_fn = fetch_part, .release_fn = release};
    ql_ingest_report_init(&self->report);
    return ql_ingest_source(self->workspace, QL_STR("p"), QL_STR("s"), &ops, (void *)(uintptr_t)what, NULL, &self->report, err);
}

static void test_extensions__only_ok_says_that_a_listing_is_complete(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    with_letters(self);
    open_workspace(self);
    assert_int_equal(ingest_part(self, &(partial){3, QL_OK, "{}"}, &err), QL_OK);
    for (const ql_status *answer = (const ql_status[]){QL_E_PARTIAL, QL_E_PARTIAL - 256, QL_DONE, 7, QL_E_NET, INT32_MIN, -256, QL_OK}; *answer != QL_OK; answer++) {
        assert_true(ingest_part(self, &(partial){1, *answer, "{}"}, &err) < 0);
        assert_true(err.message[0] != '\0');
        assert_int_equal(self->report.deleted, 0);
    }
    assert_int_equal(ingest_part(self, &(partial){1, QL_OK, "{}"}, &err), QL_OK);
    assert_int_equal(self->report.deleted, 2);
}

/* --- a source that makes mistakes ------------------------------------------------------------------------------------------------------- */

typedef struct clumsy {
    ql_item item;         /* the second that is listed; without a url: "b" */
    ql_document document; /* of each */
    ql_status list_status, fetch_status;
    bool skips;           /* tells a skipped one without a pointer */
    ql_status event_status;
} clumsy;

static ql_status list_clumsy(void *user, const ql_source_sink *sink, ql_error *err)
{
    const clumsy *self = user;
    const ql_item first = {.struct_size = sizeof first, .url = QL_STR("a"), .version = {"", 0}};
    (void)err;
    if (sink->item_fn(sink->user, &first) != 0) return QL_E_CALLBACK;
    if (self->skips) (void)sink->skipped_fn(sink->user, QL_STR("x"), (ql_str){NULL, 3});
    ql_item second = self->item;
    if (second.url.ptr == NULL && second.url.len == 0) second.url = QL_STR("b");
    (void)sink->item_fn(sink->user, &second); /* and goes on, whatever was answered */
    (void)sink->item_fn(sink->user, &first);
    return self->list_status;
}

static ql_status fetch_clumsy(void *user, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    const clumsy *self = user;
    (void)item, (void)err, (void)token;
    if (self->fetch_status == QL_OK && self->document.struct_size != 1) *out = self->document;
    return self->fetch_status;
}

static int note_status(void *user, const ql_ingest_event *event)
{
    if (event->action == QL_INGEST_FAIL) ((clumsy *)user)->event_status = event->status;
    return 0;
}

static ql_status ingest_clumsy(bench *self, clumsy *what, ql_error *err)
{
    static const ql_source_ops ops = {.struct_size = sizeof ops, .type = "clumsy", .list_fn = list_clumsy, .fetch_fn = fetch_clumsy, .release_fn = release};
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    options.event_fn = note_status;
    options.user = what;
    ql_ingest_report_init(&self->report);
    return ql_ingest_source(self->workspace, QL_STR("p"), QL_STR("shelf 7"), &ops, what, &options, &self->report, err);
}

static clumsy sound(void)
{
    return (clumsy){.item = {.struct_size = sizeof(ql_item)},
                    .document = {.struct_size = sizeof(ql_document), .title = QL_STR("t"), .content_type = QL_STR("txt"), .content = QL_STR("some words")}};
}

static void expect_clumsy(bench *self, clumsy what, ql_status status, const char *part)
{
    ql_error err = {0};
    assert_int_equal(ingest_clumsy(self, &what, &err), status);
    if (strstr(err.message, part) == NULL) fail_msg("'%s' is not in '%s'", part, err.message);
    assert_int_equal(self->report.deleted, 0);
}

static void test_extensions__what_a_source_lists_is_checked(void **state)
{
    bench *self = *state;
    const ql_str nowhere = {NULL, 9};
    clumsy good = sound();
    ql_error err = {0};
    with_letters(self);
    open_workspace(self);
    assert_int_equal(ingest_clumsy(self, &good, &err), QL_OK);
    assert_int_equal(self->report.added, 2);
    for (int member = 0; member < 3; member++) {
        clumsy bad = sound();
        ql_str *views[] = {&bad.item.url, &bad.item.version, &bad.item.key};
        *views[member] = nowhere;
        expect_clumsy(self, bad, QL_E_INVALID, "entry 2 of the listing");
    }
    clumsy bad = sound();
    bad.item.struct_size = 0;
    expect_clumsy(self, bad, QL_E_INVALID, "ql_item.struct_size is 0");
    bad = sound();
    bad.skips = true;
    expect_clumsy(self, bad, QL_E_INVALID, "reason has 3 bytes");
    for (const ql_status *said = (const ql_status[]){QL_E_PARTIAL, QL_E_INVALID, QL_E_CORRUPT, QL_OK}; *said != QL_OK; said++) {
        bad = sound();
        bad.list_status = *said;
        expect_clumsy(self, bad, *said == QL_E_CORRUPT ? QL_E_IO : *said, "listing the source 'shelf 7'");
    }
}

static void test_extensions__what_a_source_fetches_is_checked(void **state)
{
    bench *self = *state;
    const ql_str nowhere = {NULL, 5};
    with_letters(self);
    open_workspace(self);
    for (int member = 0; member < 5; member++) {
        clumsy bad = sound();
        ql_str *views[] = {&bad.document.url, &bad.document.title, &bad.document.content_type, &bad.document.content, &bad.document.metadata_json};
        *views[member] = nowhere;
        expect_clumsy(self, bad, QL_E_PARTIAL, "has 5 bytes, but its ptr is NULL");
        assert_int_equal(self->report.failed, 2);
    }
    clumsy bad = sound();
    bad.document.struct_size = 0;
    expect_clumsy(self, bad, QL_E_PARTIAL, "ql_document.struct_size is 0");
    bad.document.struct_size = 1; /* *out is left as it was */
    expect_clumsy(self, bad, QL_E_PARTIAL, "said nothing of the document");
    clumsy busy = sound();
    ql_error err = {0};
    busy.fetch_status = QL_E_BUSY;
    assert_int_equal(ingest_clumsy(self, &busy, &err), QL_E_PARTIAL);
    assert_int_equal(busy.event_status, QL_E_IO);
    clumsy empty = sound();
    empty.document.content = QL_STR("");
    assert_int_equal(ingest_clumsy(self, &empty, &err), QL_OK);
}

static void test_extensions__facts_that_were_taken_away_are_gone(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    with_letters(self);
    open_workspace(self);
    assert_int_equal(ingest_part(self, &(partial){1, QL_OK, "{\"secret\": {\"a\": 1}, \"owner\": \"ann\"}"}, &err), QL_OK);
    assert_int_equal(ingest_part(self, &(partial){1, QL_OK, "{\"owner\": \"bob\"}"}, &err), QL_OK);
    assert_int_equal(self->report.unchanged, 1);
    ql_results *results = find(self, "words", NULL);
    assert_null(strstr(ql_results_hit(results, 0)->document_metadata_json.ptr, "secret"));
    assert_non_null(strstr(ql_results_hit(results, 0)->document_metadata_json.ptr, "bob"));
    ql_results_free(results);
}

static void test_extensions__an_index_that_was_replaced_is_opened_anew(void **state)
{
    bench *self = *state;
    ql_error err = {0};
    char command[200];
    with_letters(self);
    open_workspace(self);
    assert_int_equal(ingest(self, &(text){"a", "txt", "old words"}, 1, &err), QL_OK);
    ql_results *results = find(self, "words", NULL);
    assert_true(text_is(results, 0, "old words"));
    ql_results_free(results);
    snprintf(command, sizeof command, "rm -rf '%s'", self->data);
    assert_int_equal(system(command), 0);
    assert_int_equal(ql_search(self->workspace, QL_STR("words"), NULL, &results, &err), QL_E_NOTFOUND);
    assert_int_equal(ingest(self, &(text){"a", "txt", "new words"}, 1, &err), QL_OK);
    results = find(self, "words", NULL);
    assert_true(text_is(results, 0, "new words"));
    ql_results_free(results);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_extensions__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_converter_reads_what_it_accepts),
        TEST(what_a_converter_yields_is_checked),
        TEST(a_chunker_cuts_and_the_library_describes),
        TEST(what_a_chunker_cuts_is_checked),
        TEST(another_version_makes_documents_anew),
        TEST(an_embedder_is_asked_for_by_name),
        TEST(a_reranker_orders_more_than_is_shown),
        TEST(a_configuration_names_sources_of_a_registered_type),
        TEST(only_ok_says_that_a_listing_is_complete),
        TEST(what_a_source_lists_is_checked),
        TEST(what_a_source_fetches_is_checked),
        TEST(facts_that_were_taken_away_are_gone),
        TEST(an_index_that_was_replaced_is_opened_anew),
        TEST(registering_has_rules),
        TEST(everything_is_closed_once),
        TEST(a_later_callers_struct_is_taken_where_it_says_nothing_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
