/* Goal: a chunker that only cuts gets chunks that are described whole, and loses nothing when memory runs out. Method: one that cuts every 12 bytes and repeats 2. */
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
static void test_chunk_foreign__moves_cuts_to_where_a_grapheme_begins(void **state)
{
    (void)state;
    static const ql_str text = {"ae\xcc\x81\r\n\xf0\x9f\x87\xa6\xf0\x9f\x87\xb9z", 15};
    const ql_block whole = {.end = 15, .parent = QL_BLOCK_NONE, .next = 1};
    const ql_canonical canonical = {.struct_size = sizeof canonical, .block_count = 1, .text = text, .blocks = &whole};
    const ql_document document = {.struct_size = sizeof document};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 40, .overlap = 4};
    for (uint64_t step = 1; step < 15; step++) {
        const cutter how = {step, 0};
        ql_error err = {0};
        record seen = {.any = true};
        assert_int_equal(ql__chunker_foreign_run(&ops, (void *)(uintptr_t)&how, &document, &canonical, &options, keep, &seen, &err), QL_OK);
        assert_int_equal(seen.end, 15);
        assert_true(seen.count >= 1 && seen.count <= 5);
    }
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
        cmocka_unit_test(test_chunk_foreign__survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
