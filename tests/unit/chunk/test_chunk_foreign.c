/* Goal: a chunker that only cuts gets chunks that are described whole, and loses nothing when memory runs out. Method: one that cuts every 12 bytes and repeats 2. */
#include "base/limits.h"
#include "support/canonical_check.h"
#include "support/chunk_check.h"

typedef struct cutter {
    uint64_t step, repeat;
} cutter;

static bool accepts(void *self, const ql_document *document, const ql_canonical *canonical)
{
    (void)self;
    (void)document;
    return canonical != NULL;
}

static ql_status chunk(void *user, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *to, ql_error *err)
{
    const cutter *self = user;
    (void)document;
    (void)options;
    (void)err;
    for (uint64_t at = 0; at < canonical->text.len; at += self->step) {
        uint64_t end = at + self->step < canonical->text.len ? at + self->step : canonical->text.len;
        const ql_chunk cut = {.struct_size = sizeof cut, .begin = at > self->repeat ? at - self->repeat : at, .end = end, .metadata_json = at == 0 ? QL_STR("{\"first\": true}") : QL_STR("")};
        if (emit(to, &cut) != 0) return QL_E_CALLBACK;
    }
    return QL_OK;
}

static const ql_chunker_ops ops = {sizeof ops, 1, "cutter", accepts, chunk, NULL};
static const ql_str markdown = {"# A\n\nalpha one\n\n## B\n\nbeta two\n", 32};

typedef struct record {
    bool any; /* paths and places are not kept */
    uint64_t end;
    size_t count, stop_at;
    char paths[8][16];
    uint64_t begins[8], sources[8], overlaps[8];
    uint32_t tokens[8];
    bool first[8];
} record;

static int keep(void *user, const ql_chunk *given)
{
    record *self = user;
    size_t i = self->count++;
    assert_int_equal(given->begin + given->overlap_bytes, self->end);
    self->end = given->end;
    if (self->any) return 0;
    assert_true(i < 8 && given->index == i && given->section_path.len < 16);
    memcpy(self->paths[i], given->section_path.ptr, given->section_path.len);
    self->begins[i] = given->begin;
    self->sources[i] = given->source_begin;
    self->overlaps[i] = given->overlap_bytes;
    self->tokens[i] = given->tokens;
    self->first[i] = memmem(given->metadata_json.ptr, given->metadata_json.len, "\"first\"", 7) != NULL;
    return self->stop_at != 0 && self->count == self->stop_at ? 5 : 0;
}

static ql_status run(const cutter *how, uint32_t size_max, record *out, ql_error *err)
{
    canonical_run converted;
    canonical_convert(&converted, ql__convert_markdown(), "md", markdown);
    const ql_document document = {.struct_size = sizeof document};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = size_max, .overlap = 4};
    ql_status status = ql__chunker_foreign_run(&ops, (void *)(uintptr_t)how, &document, &converted.canonical, &options, keep, out, err);
    canonical_dispose(&converted);
    return status;
}

static void test_chunk_foreign__describes_what_was_cut(void **state)
{
    (void)state;
    ql_error err = {0};
    record seen = {.count = 0};
    assert_int_equal(run(&(cutter){16, 2}, 40, &seen, &err), QL_OK);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.paths[0], "A");
    assert_string_equal(seen.paths[1], "A > B");
    assert_int_equal(seen.begins[1], 14);
    assert_int_equal(seen.sources[1], 14);
    assert_int_equal(seen.overlaps[1], 2);
    assert_int_equal(seen.tokens[1], 18);
    assert_true(seen.first[0] && !seen.first[1]);
}

static void test_chunk_foreign__refuses_before_anything_is_emitted(void **state)
{
    (void)state;
    ql_error err = {0};
    record seen = {.count = 0};
    assert_int_equal(run(&(cutter){16, 2}, 17, &seen, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "the chunker 'cutter'"));
    assert_non_null(strstr(err.message, "limit 17"));
    assert_int_equal(run(&(cutter){16, 8}, 40, &seen, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "overlap"));
    assert_int_equal(seen.count, 0);
    seen.stop_at = 1;
    assert_int_equal(run(&(cutter){16, 2}, 40, &seen, &err), QL_E_CALLBACK);
    assert_int_equal(err.callback_value, 5);
}

/* "e" with an accent of its own, CR LF, and a flag: a chunker that knows bytes only cuts in the middle of each. */
static void run_on_graphemes(const ql_chunker_ops *how, const void *object, record *out)
{
    static const ql_str text = {"ae\xcc\x81\r\n\xf0\x9f\x87\xa6\xf0\x9f\x87\xb9z", 15};
    const ql_block whole = {.end = 15, .parent = QL_BLOCK_NONE, .next = 1};
    const ql_canonical canonical = {.struct_size = sizeof canonical, .block_count = 1, .text = text, .blocks = &whole};
    const ql_document document = {.struct_size = sizeof document};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 40, .overlap = 4};
    ql_error err = {0};
    assert_int_equal(ql__chunker_foreign_run(how, (void *)(uintptr_t)object, &document, &canonical, &options, keep, out, &err), QL_OK);
    assert_int_equal(out->end, 15);
}

static void test_chunk_foreign__moves_cuts_to_where_a_grapheme_begins(void **state)
{
    (void)state;
    for (uint64_t step = 1; step < 15; step++) {
        const cutter how = {step, 0};
        record seen = {.any = true};
        run_on_graphemes(&ops, &how, &seen);
        assert_true(seen.count >= 1 && seen.count <= 5);
    }
}

static ql_status goes_back(void *user, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *to, ql_error *err)
{
    static const uint64_t ranges[][2] = {{0, 4}, {4, 6}, {2, 14}, {14, 15}};
    (void)user, (void)document, (void)canonical, (void)options, (void)err;
    for (size_t i = 0; i < 4; i++) {
        const ql_chunk range = {.struct_size = sizeof range, .begin = ranges[i][0], .end = ranges[i][1]};
        if (emit(to, &range) != 0) return QL_E_CALLBACK;
    }
    return QL_OK;
}

/* An overlap may reach over the whole chunk before, and its beginning moves to that of the accented letter then. */
static void test_chunk_foreign__moves_an_overlap_that_begins_before_the_chunk_before(void **state)
{
    (void)state;
    const ql_chunker_ops how = {sizeof how, 1, "returner", accepts, goes_back, NULL};
    record seen = {.count = 0};
    run_on_graphemes(&how, NULL, &seen);
    assert_int_equal(seen.count, 4);
    assert_int_equal(seen.begins[1], 4);
    assert_int_equal(seen.begins[2], 1);
    assert_int_equal(seen.sources[2], 1);
    assert_int_equal(seen.overlaps[2], 5);
    assert_int_equal(seen.overlaps[3], 0);
}

/* --- chunkers that do not keep to the contract */

static ql_status null_chunk(void *user, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *to, ql_error *err)
{
    (void)user, (void)document, (void)canonical, (void)options, (void)err;
    return emit(to, NULL) != 0 ? QL_E_CALLBACK : QL_OK;
}

/* The same byte again and again: nothing new after the first, so that only the count grows. */
static ql_status endless(void *user, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *to, ql_error *err)
{
    (void)user, (void)document, (void)canonical, (void)options, (void)err;
    const ql_chunk cut = {.struct_size = sizeof cut, .begin = 0, .end = 1};
    size_t count = 0;
    while (emit(to, &cut) == 0) count++;
    assert_int_equal(count, QL_LIMIT_FOREIGN_CHUNKS);
    return QL_E_CALLBACK;
}

/* Its first chunk is wrong; it goes on all the same, and says that all is well. */
static ql_status deaf(void *user, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *to, ql_error *err)
{
    (void)user, (void)document, (void)options, (void)err;
    const ql_chunk cuts[] = {{.struct_size = sizeof cuts[0], .begin = 5, .end = 6}, {.struct_size = sizeof cuts[0], .begin = 0, .end = canonical->text.len}};
    (void)emit(to, &cuts[0]);
    assert_int_not_equal(emit(to, &cuts[1]), 0);
    return QL_OK;
}

/* One chunk, as it is in user. */
static ql_status one_chunk(void *user, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *to, ql_error *err)
{
    (void)document, (void)canonical, (void)options, (void)err;
    return emit(to, user) != 0 ? QL_E_CALLBACK : QL_OK;
}

static ql_status says_stopped(void *user, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *to, ql_error *err)
{
    (void)user, (void)document, (void)canonical, (void)options, (void)emit, (void)to, (void)err;
    return QL_E_CALLBACK;
}

/* One chunk with the metadata in user. */
static ql_status one_with_metadata(void *user, const ql_document *document, const ql_canonical *canonical, const ql_chunk_options *options, ql_chunk_fn emit, void *to, ql_error *err)
{
    (void)document, (void)options, (void)err;
    const ql_chunk cut = {.struct_size = sizeof cut, .begin = 0, .end = canonical->text.len, .metadata_json = *(const ql_str *)user};
    return emit(to, &cut) != 0 ? QL_E_CALLBACK : QL_OK;
}

static int keep_metadata(void *user, const ql_chunk *given)
{
    ql_buf_clear(user);
    return ql_buf_append(user, given->metadata_json) != QL_OK;
}

static ql_status run_other(ql_status (*chunk_fn)(void *, const ql_document *, const ql_canonical *, const ql_chunk_options *, ql_chunk_fn, void *, ql_error *), void *user, ql_buf *out, ql_error *err)
{
    const ql_chunker_ops other = {sizeof other, 1, "other", accepts, chunk_fn, NULL};
    const ql_block whole = {.end = 9, .parent = QL_BLOCK_NONE, .next = 1};
    const ql_canonical canonical = {.struct_size = sizeof canonical, .block_count = 1, .text = QL_STR("some text"), .blocks = &whole};
    const ql_document document = {.struct_size = sizeof document};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 40, .overlap = 4, .measure = &check_measure_tokens};
    return ql__chunker_foreign_run(&other, user, &document, &canonical, &options, keep_metadata, out, err);
}

static void test_chunk_foreign__refuses_chunkers_that_break_the_contract(void **state)
{
    (void)state;
    ql_error err = {0};
    QL_AUTO(ql_buf, ql_buf_dispose) said = QL_BUF_INIT;
    assert_int_equal(run_other(null_chunk, NULL, &said, &err), QL_E_INVALID);
    assert_string_equal(err.message, "the chunker 'other': chunk 0 is NULL");
    assert_int_equal(run_other(null_chunk, NULL, &said, NULL), QL_E_INVALID); /* nobody asks why */
    assert_int_equal(run_other(endless, NULL, &said, &err), QL_E_LIMIT);
    assert_non_null(strstr(err.message, "more than 1000000 chunks"));
    assert_int_equal(run_other(deaf, NULL, &said, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "chunk 0 is [5, 6) of 9 bytes, after 0"));
    ql_chunk cut = {.struct_size = sizeof cut, .begin = 0, .end = 0};
    assert_int_equal(run_other(one_chunk, &cut, &said, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "chunk 0 is [0, 0) of 9 bytes, after 0"));
    cut.end = 10;
    assert_int_equal(run_other(one_chunk, &cut, &said, &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "chunk 0 is [0, 10) of 9 bytes, after 0"));
    assert_int_equal(run_other(says_stopped, NULL, &said, &err), QL_E_INVALID);
    assert_string_equal(err.message, "the chunker 'other': says that it was stopped, but nobody stopped it");
    assert_int_equal(said.len, 0);
}

static void test_chunk_foreign__bounds_and_joins_metadata(void **state)
{
    (void)state;
    ql_error err = {0};
    QL_AUTO(ql_buf, ql_buf_dispose) said = QL_BUF_INIT, large = QL_BUF_INIT;
    ql_str metadata = QL_STR("{\"chunk_index\": 7, \"own\": 2}");
    assert_int_equal(run_other(one_with_metadata, &metadata, &said, &err), QL_OK);
    assert_non_null(strstr(ql_buf_cstr(&said), "\"chunk_index\":0,")); /* the library's own comes first */
    assert_null(strstr(ql_buf_cstr(&said), "7"));
    assert_non_null(strstr(ql_buf_cstr(&said), ",\"own\":2}"));
    metadata = QL_STR("{\"a\\u0000b\": 1}"); /* a key that no C string holds */
    assert_int_equal(run_other(one_with_metadata, &metadata, &said, &err), QL_E_FORMAT);
    ql_buf_append(&large, QL_STR("{\"own\": \""));
    while (large.len < QL_LIMIT_FOREIGN_METADATA_BYTES) ql_buf_append_char(&large, 'x');
    ql_buf_append(&large, QL_STR("\"}"));
    metadata = ql_buf_str(&large);
    assert_int_equal(run_other(one_with_metadata, &metadata, &said, &err), QL_E_LIMIT);
    assert_string_equal(err.message, "the chunker 'other': the metadata of chunk 0 has more than 1048576 bytes");
}

static void test_chunk_foreign__asks_no_chunker_about_nothing_or_nonsense(void **state)
{
    (void)state;
    ql_error err = {0};
    record seen = {.count = 0};
    ql_block whole = {.end = 0, .parent = QL_BLOCK_NONE, .next = 1};
    ql_canonical canonical = {.struct_size = sizeof canonical, .block_count = 1, .text = QL_STR(""), .blocks = &whole};
    const ql_chunker_ops never = {sizeof never, 1, "never", accepts, NULL, NULL};
    const ql_document document = {.struct_size = sizeof document};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 40};
    assert_int_equal(ql__chunker_foreign_run(&never, NULL, &document, &canonical, &options, keep, &seen, &err), QL_OK);
    canonical.text = QL_STR("text"); /* block 0 does not hold it */
    assert_int_equal(ql__chunker_foreign_run(&never, NULL, &document, &canonical, &options, keep, &seen, &err), QL_E_INVALID);
    assert_string_equal(err.message, "block tree is not well-formed");
    assert_int_equal(seen.count, 0);
}

static void test_chunk_foreign__survives_every_failed_allocation(void **state)
{
    (void)state;
    canonical_run converted;
    canonical_convert(&converted, ql__convert_markdown(), "md", markdown);
    const ql_document document = {.struct_size = sizeof document};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 40, .overlap = 4};
    const cutter how = {16, 2};
    ql_test_leaks_mark();
    for (long n = 0;; n++) {
        ql_error err = {0};
        record seen = {.count = 0};
        ql_test_fault_at(QL_FAULT_ALLOC, n);
        ql_status status = ql__chunker_foreign_run(&ops, (void *)(uintptr_t)&how, &document, &converted.canonical, &options, keep, &seen, &err);
        bool failed = ql_test_fault_clear();
        ql_test_expect_no_leaks();
        if (!failed) {
            assert_int_equal(status, QL_OK);
            break;
        }
        assert_int_equal(status, QL_E_NOMEM);
        assert_int_equal(err.status, QL_E_NOMEM);
    }
    canonical_dispose(&converted);
}

int main(void)
{
    ql_test_alloc_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk_foreign__describes_what_was_cut),
        cmocka_unit_test(test_chunk_foreign__refuses_before_anything_is_emitted),
        cmocka_unit_test(test_chunk_foreign__moves_cuts_to_where_a_grapheme_begins),
        cmocka_unit_test(test_chunk_foreign__moves_an_overlap_that_begins_before_the_chunk_before),
        cmocka_unit_test(test_chunk_foreign__refuses_chunkers_that_break_the_contract),
        cmocka_unit_test(test_chunk_foreign__bounds_and_joins_metadata),
        cmocka_unit_test(test_chunk_foreign__asks_no_chunker_about_nothing_or_nonsense),
        cmocka_unit_test(test_chunk_foreign__survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
