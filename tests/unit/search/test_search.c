/*
 * Goal: a search finds by words, by meaning and by both, explains itself, and names the cause when it cannot answer.
 * Method: a real store with few passages; an embedder whose vectors are named in the text: "@c" points along axis c.
 */
#include <stdio.h>
#include <string.h>

#include "search/search.h"
#include "store/store.h"
#include "support/testing.h"

#define DIMS 8

static void point(ql_str text, float *out)
{
    float length = 0;
    memset(out, 0, DIMS * sizeof *out);
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.ptr[i] == '@') out[text.ptr[i + 1] - 'a'] += 1;
    }
    for (size_t i = 0; i < DIMS; i++) length += out[i] * out[i];
    if (length == 0) out[DIMS - 1] = 1;
    for (size_t i = 0; i < DIMS && length > 0; i++) out[i] /= __builtin_sqrtf(length);
}

typedef struct embedder {
    const char *model;
    float spoil; /* added to the first component */
    int calls;
} embedder;

static const char *model_of(void *self)
{
    return ((embedder *)self)->model;
}

static uint32_t dims_of(void *self)
{
    (void)self;
    return DIMS;
}

static ql_status embed(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    (void)err;
    assert_int_equal(role, QL_EMBED_QUERY);
    for (size_t i = 0; i < count; i++) point(texts[i], out + i * DIMS);
    out[0] += ((embedder *)self)->spoil;
    ((embedder *)self)->calls++;
    return QL_OK;
}

static const ql_embedder_ops embedder_ops = {.struct_size = sizeof embedder_ops, .name = "test", .model_fn = model_of, .dims_fn = dims_of, .embed_fn = embed};

/* text is what is shown and points somewhere; terms are what can be found by words */
typedef struct passage {
    const char *document, *project, *text, *terms;
} passage;

static const passage passages[] = {
    {"one", "p", "@a about cats", "cats sleep on warm roofs"},
    {"one", "p", "@a@b about cats and dogs", "cats and dogs live together"},
    {"one", "p", "@a@a@b again", "cats cats cats"},
    {"two", "p", "@b about dogs", "dogs bark at night"},
    {"two", "p", "@c about engines", "the engine needs oil and petrol"},
    {"three", "q", "@d twin", "twin passage alike"},
    {"four", "q", "@d twin", "twin passage alike"},
    {"five", "q", "@e numbers", "invoice 4711 was paid"},
};

typedef struct world {
    char *dir;
    ql__store *store;
    ql__backend backend;
    ql__backend_view view;
    ql__analyzer *analyzer;
    embedder embedder;
    ql__search_engine engine;
    ql_error err;
} world;

static void put(ql__store *store, const char *name, size_t number)
{
    ql_error err = {0};
    ql_store_chunk chunks[8] = {0};
    float vectors[8][DIMS];
    char ids[8][37], id[37];
    size_t count = 0;
    const char *project = "";
    for (size_t i = 0; i < sizeof passages / sizeof *passages; i++) {
        if (strcmp(passages[i].document, name) != 0) continue;
        project = passages[i].project;
        ql_str text = ql_str_of(passages[i].text);
        point(text, vectors[count]);
        snprintf(ids[count], sizeof ids[count], "00000000-0000-4000-8000-%012zu", 100 * (1 + number) + count);
        chunks[count] = (ql_store_chunk){.struct_size = sizeof chunks[count], .id = ql_str_of(ids[count]), .vector = vectors[count], .terms_text = ql_str_of(passages[i].terms), .title = text,
                                         .chunk = {.struct_size = sizeof(ql_chunk), .index = (uint32_t)count, .text = text, .end = text.len, .source_end = text.len, .metadata_json = QL_STR("{}")}};
        count++;
    }
    snprintf(id, sizeof id, "00000000-0000-4000-9000-%012zu", number);
    ql_store_document document = {.struct_size = sizeof document, .project = ql_str_of(project), .source_type = QL_STR("localfile"), .source = QL_STR("s"), .url = ql_str_of(name), .id = ql_str_of(id),
                                  .title = ql_str_of(name), .content_type = QL_STR("md"), .version = QL_STR("1"), .content_hash = QL_STR("1"), .pipeline = QL_STR("1"), .metadata_json = QL_STR("{}"),
                                  .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN, .chunks = chunks, .chunk_count = count};
    if (ql__store_replace(store, &document, &err) != QL_OK) fail_msg("%s", err.message);
}

static void world_open(world *self, bool filled)
{
    static const char *const documents[] = {"one", "two", "three", "four", "five"};
    *self = (world){.dir = ql_test_dir_new(), .embedder = {.model = "test-model"}};
    ql__store_options options = {.dir = self->dir, .collection = "docs", .write = true, .dims = DIMS, .model = "test-model", .sys = ql_test_sys()};
    assert_int_equal(ql__store_open(&options, &self->store, &self->err), QL_OK);
    assert_int_equal(ql__store_begin(self->store, &self->err), QL_OK);
    for (size_t i = 0; filled && i < 5; i++) put(self->store, documents[i], i);
    assert_int_equal(ql__store_commit(self->store, &self->err), QL_OK);
    self->backend = (ql__backend){.ops = ql__store_embedded(), .store = self->store};
    assert_int_equal(ql__backend_view_open(&self->backend, &self->view, &self->err), QL_OK);
    assert_int_equal(ql__analyzer_new(&self->analyzer, &self->err), QL_OK);
    self->engine = (ql__search_engine){&self->view, self->analyzer, &embedder_ops, &self->embedder};
}

static void world_close(world *self)
{
    ql__analyzer_free(self->analyzer);
    ql__backend_view_close(&self->view);
    ql__store_free(self->store);
    ql_test_dir_remove(self->dir);
}

static ql_status search(world *self, const char *query, const ql__search_options *options, ql__search_results *out)
{
    return ql__search_run(&self->engine, ql_str_of(query), options, out, &self->err);
}

static void expect_text(const ql__search_results *results, size_t index, const char *text)
{
    assert_true(index < results->count);
    if (!ql_str_equal(results->hits[index].chunk.text, ql_str_of(text))) fail_msg("hit %zu is '%.*s', expected '%s'", index, (int)results->hits[index].chunk.text.len, results->hits[index].chunk.text.ptr, text);
}

static void test_search__finds_by_words_alone(void **state)
{
    (void)state;
    world self;
    ql__search_results found;
    world_open(&self, true);
    ql__search_options options = {.mode = QL_SEARCH_SPARSE};
    assert_int_equal(search(&self, "What does the engine need?", &options, &found), QL_OK);
    assert_int_equal(found.count, 1);
    expect_text(&found, 0, "@c about engines");
    assert_true(found.hits[0].bm25 > 0 && found.hits[0].rank_sparse == 1 && found.hits[0].rank_dense == 0);
    assert_true(found.hits[0].score > 0.3 && found.hits[0].score <= 1); /* "engine" and "need" match: the ceiling is the store's */
    assert_int_equal(self.embedder.calls, 0);
    ql__search_results_dispose(&found);
    world_close(&self);
}

static void test_search__finds_by_meaning_alone(void **state)
{
    (void)state;
    world self;
    ql__search_results found;
    world_open(&self, true);
    ql__search_options options = {.mode = QL_SEARCH_DENSE, .limit = 2};
    assert_int_equal(search(&self, "@b engine", &options, &found), QL_OK);
    assert_int_equal(found.count, 2);
    expect_text(&found, 0, "@b about dogs");
    expect_text(&found, 1, "@a@b about cats and dogs");
    assert_true(found.hits[0].score > 0.999 && found.hits[0].rank_dense == 1);
    ql__search_results_dispose(&found);
    world_close(&self);
}

static void test_search__fuses_both_and_says_why(void **state)
{
    (void)state;
    world self;
    ql__search_results found;
    world_open(&self, true);
    assert_int_equal(search(&self, "@b@b@b@a cats and dogs together", NULL, &found), QL_OK);
    expect_text(&found, 0, "@a@b about cats and dogs");
    assert_int_equal(found.hits[0].rank_dense, 2); /* meaning alone prefers another */
    assert_int_equal(found.hits[0].rank_sparse, 1);
    for (size_t i = 0; i < found.count; i++) {
        const ql__search_hit *hit = &found.hits[i];
        assert_true(hit->score >= 0 && hit->score <= 1);
        assert_true(hit->part_dense + hit->part_sparse == hit->score);
        assert_true(i == 0 || found.hits[i - 1].grade >= hit->grade);
    }
    assert_true(found.plan.weight_dense > 0 && found.plan.weight_dense < 1 && found.plan.information > 0);
    assert_int_equal(found.candidates, 8);
    ql__search_results_dispose(&found);
    world_close(&self);
}

static void test_search__scores_what_one_side_did_not_list(void **state)
{
    (void)state;
    world self;
    ql__search_results found;
    world_open(&self, true);
    ql__search_options options = {.mode = QL_SEARCH_DENSE, .limit = 1};
    assert_int_equal(search(&self, "@e 4711", &options, &found), QL_OK);
    assert_true(found.hits[0].bm25 > 0 && found.hits[0].rank_sparse == 0);
    ql__search_results_dispose(&found);
    world_close(&self);
}

static void test_search__breaks_ties_by_place(void **state)
{
    (void)state;
    world self;
    ql__search_results found;
    world_open(&self, true);
    ql__search_options options = {.limit = 1};
    assert_int_equal(search(&self, "@d twin", &options, &found), QL_OK);
    assert_true(ql_str_equal(found.hits[0].chunk.url, QL_STR("four"))); /* stored later, under a larger id */
    ql__search_results_dispose(&found);
    world_close(&self);
}

static void test_search__bounds_passages_of_one_document(void **state)
{
    (void)state;
    world self;
    ql__search_results found;
    world_open(&self, true);
    ql__search_options options = {.per_document = 1};
    assert_int_equal(search(&self, "@a cats", &options, &found), QL_OK);
    assert_int_equal(found.count, 5);
    for (size_t i = 0; i < found.count; i++) {
        for (size_t j = 0; j < i; j++) assert_false(ql_str_equal(found.hits[i].chunk.document_id, found.hits[j].chunk.document_id));
    }
    ql__search_results_dispose(&found);
    world_close(&self);
}

static void test_search__filters_inside(void **state)
{
    (void)state;
    world self;
    ql__search_results found;
    world_open(&self, true);
    ql_filter filter = {.struct_size = sizeof filter, .project = QL_STR("q"), .since_ms = QL_TIME_UNKNOWN, .until_ms = QL_TIME_UNKNOWN};
    ql__search_options options = {.filter = &filter};
    assert_int_equal(search(&self, "@a cats", &options, &found), QL_OK);
    assert_int_equal(found.count, 3);
    for (size_t i = 0; i < found.count; i++) assert_true(ql_str_equal(found.hits[i].chunk.project, QL_STR("q")));
    ql__search_results_dispose(&found);
    world_close(&self);
}

static void test_search__names_the_cause_of_nothing(void **state)
{
    (void)state;
    world self;
    ql__search_results found;
    world_open(&self, false);
    assert_int_equal(search(&self, "cats", NULL, &found), QL_E_NOTFOUND);
    assert_non_null(strstr(self.err.message, "nothing has been ingested"));
    world_close(&self);
    world_open(&self, true);
    ql_filter filter = {.struct_size = sizeof filter, .project = QL_STR("none"), .since_ms = QL_TIME_UNKNOWN, .until_ms = QL_TIME_UNKNOWN};
    ql__search_options options = {.filter = &filter};
    assert_int_equal(search(&self, "cats", &options, &found), QL_E_NOTFOUND);
    assert_non_null(strstr(self.err.message, "project 'none'"));
    self.embedder.model = "other-model";
    assert_int_equal(search(&self, "cats", NULL, &found), QL_E_MISMATCH);
    assert_non_null(strstr(self.err.message, "other-model"));
    world_close(&self);
}

static void test_search__refuses_bad_arguments(void **state)
{
    (void)state;
    world self;
    ql__search_results found;
    world_open(&self, true);
    assert_int_equal(search(&self, "  ", NULL, &found), QL_E_INVALID);
    assert_int_equal(search(&self, "cats", &(ql__search_options){.limit = 1001}, &found), QL_E_INVALID);
    assert_int_equal(search(&self, "cats", &(ql__search_options){.mode = (ql_search_mode)9}, &found), QL_E_INVALID);
    self.embedder.spoil = __builtin_nanf("");
    assert_int_equal(search(&self, "cats", NULL, &found), QL_E_INTERNAL);
    self.engine.embedder = NULL;
    assert_int_equal(search(&self, "cats", NULL, &found), QL_E_INVALID);
    world_close(&self);
}

static void test_search__answers_a_query_without_terms_by_meaning(void **state)
{
    (void)state;
    world self;
    ql__search_results found;
    world_open(&self, true);
    self.embedder.spoil = 1;
    assert_int_equal(search(&self, "???", NULL, &found), QL_OK);
    assert_true(found.count > 0 && found.plan.weight_dense == 1);
    ql__search_results_dispose(&found);
    ql__search_options options = {.mode = QL_SEARCH_SPARSE};
    assert_int_equal(search(&self, "who is the", &options, &found), QL_OK);
    assert_int_equal(found.count, 0);
    ql__search_results_dispose(&found);
    world_close(&self);
}

static ql_status search_once(void *user, ql_error *err)
{
    world *self = user;
    ql__search_results found;
    ql_status status = ql__search_run(&self->engine, QL_STR("@b cats"), NULL, &found, err);
    if (status == QL_OK) ql__search_results_dispose(&found);
    return status;
}

static void test_search__survives_lack_of_memory(void **state)
{
    (void)state;
    world self;
    ql_test_alloc_install();
    world_open(&self, true);
    assert_int_equal(search_once(&self, NULL), QL_OK); /* what the snapshot keeps between searches */
    ql_test_fault_loop(QL_FAULT_ALLOC, search_once, &self);
    world_close(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search__finds_by_words_alone),
        cmocka_unit_test(test_search__finds_by_meaning_alone),
        cmocka_unit_test(test_search__fuses_both_and_says_why),
        cmocka_unit_test(test_search__scores_what_one_side_did_not_list),
        cmocka_unit_test(test_search__breaks_ties_by_place),
        cmocka_unit_test(test_search__bounds_passages_of_one_document),
        cmocka_unit_test(test_search__filters_inside),
        cmocka_unit_test(test_search__names_the_cause_of_nothing),
        cmocka_unit_test(test_search__refuses_bad_arguments),
        cmocka_unit_test(test_search__answers_a_query_without_terms_by_meaning),
        cmocka_unit_test(test_search__survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
