/*
 * Goal: a mask holds exactly the live chunks of the documents that pass, whatever bytes a condition has.
 * Method: documents with chosen paths, urls and times; counts and single slots compared. Searches with masks: test_store_dense.c.
 */
#include "support/store_use.h"

static const test_shape shape = {.dims = 16};

typedef struct entry {
    const char *url, *path;
    int64_t updated_at_ms;
} entry;

static const entry entries[] = {
    {"file:///data/a/one.md", "a/one.md", 1000},
    {"file:///data/a/two.md", "a/two.md", 2000},
    {"file:///data/a%20b/three.md", "a b/three.md", 3000},
    {"file:///data/a_b/four.md", "a_b/four.md", QL_TIME_UNKNOWN},
    {"file:///data/axb/five.md", "axb/five.md", 5000},
    {"file:///data/six.md", "six.md", -5},
    {"file:///data/%/seven.md", "%/seven.md", 0},
};
#define ENTRIES (sizeof entries / sizeof entries[0])

static ql__store *make(const char *dir)
{
    ql_error err = {0};
    float vector[16] = {1};
    ql__store *store = store_open(dir, true, &shape);
    expect_ok(ql__store_begin(store, &err));
    for (size_t i = 0; i < ENTRIES; i++) {
        char id[40];
        ql_store_chunk chunks[3] = {{.struct_size = sizeof chunks[0], .id = QL_STR("c0"), .vector = vector}, {.struct_size = sizeof chunks[0], .id = QL_STR("c1"), .vector = vector},
                                    {.struct_size = sizeof chunks[0], .id = QL_STR("c2"), .vector = vector}};
        snprintf(id, sizeof id, "id-%zu", i);
        ql_store_document document = {.struct_size = sizeof document, .project = QL_STR("p"), .source_type = QL_STR("localfile"), .source = QL_STR("s"), .url = ql_str_of(entries[i].url),
                                      .id = ql_str_of(id), .path = ql_str_of(entries[i].path), .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = entries[i].updated_at_ms,
                                      .chunks = chunks, .chunk_count = 1 + i % 3};
        expect_ok(ql__store_replace(store, &document, &err));
    }
    expect_ok(ql__store_commit(store, &err));
    return store;
}

static const ql_filter open_filter = {.struct_size = sizeof(ql_filter), .since_ms = QL_TIME_UNKNOWN, .until_ms = QL_TIME_UNKNOWN};

/* want: a bit for each entry that should pass */
static void expect_pass(ql__snapshot *snapshot, const ql_filter *filter, unsigned want, int line)
{
    ql_error err = {0};
    ql__mask *mask = NULL;
    uint64_t slot = 0, count = 0;
    expect_ok(ql__snapshot_mask(snapshot, filter, &mask, &err));
    for (size_t i = 0; i < ENTRIES; i++) {
        for (size_t j = 0; j < 1 + i % 3; j++, slot++) {
            bool expected = (want >> i & 1) != 0;
            count += expected;
            if (ql__snapshot_passes(snapshot, mask, slot) != expected) fail_msg("line %d: '%s'", line, entries[i].url);
        }
    }
    assert_false(ql__snapshot_passes(snapshot, mask, slot));
    if (mask) assert_int_equal(ql__mask_count(mask), count);
    ql__mask_free(mask);
}

static void test_store_mask__prefixes_are_bytes_not_patterns(void **state)
{
    (void)state;
    static const struct { const char *prefix; unsigned want; } cases[] = {
        {"a/", 0x03}, {"a/t", 0x02}, {"a_b", 0x08}, {"a b/", 0x04}, {"%", 0x40}, {"six", 0x20}, {"file:///data/a", 0x1f}, {"file:///data/a%", 0x04}, {"_", 0}, {"A/", 0}, {"", 0x7f},
        {"a", 0x1f},
    };
    char *dir = ql_test_dir_new();
    ql__store *store = make(dir);
    ql__snapshot *snapshot = snapshot_open(store);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ql_filter filter = open_filter;
        filter.path_prefix = ql_str_of(cases[i].prefix);
        expect_pass(snapshot, &filter, cases[i].want, (int)i);
    }
    ql__snapshot_free(snapshot);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void test_store_mask__times_are_inclusive_and_unknown_ones_fail(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    ql__store *store = make(dir);
    ql__snapshot *snapshot = snapshot_open(store);
    ql_filter filter = open_filter;
    filter.since_ms = 2000;
    expect_pass(snapshot, &filter, 0x16, __LINE__);
    filter.until_ms = 3000;
    expect_pass(snapshot, &filter, 0x06, __LINE__);
    filter.since_ms = QL_TIME_UNKNOWN;
    expect_pass(snapshot, &filter, 0x67, __LINE__);
    filter.until_ms = -1;
    expect_pass(snapshot, &filter, 0x20, __LINE__);
    ql__snapshot_free(snapshot);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

static void test_store_mask__a_repeated_filter_sees_new_commits(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *writer = make(dir), *reader = store_open(dir, false, &shape);
    ql_filter filter = open_filter, other = open_filter;
    filter.path_prefix = QL_STR("a/");
    other.path_prefix = QL_STR("a");
    for (int round = 0; round < 2; round++) {
        ql__snapshot *snapshot = snapshot_open(reader);
        for (int i = 0; i < 3; i++) {
            expect_pass(snapshot, &filter, round ? 0x02 : 0x03, __LINE__);
            if (i == 1) expect_pass(snapshot, &other, round ? 0x1e : 0x1f, __LINE__);
        }
        ql__snapshot_free(snapshot);
        if (round) break;
        expect_ok(ql__store_begin(writer, &err));
        expect_ok(ql__store_remove(writer, QL_STR("id-0"), &err));
        expect_ok(ql__store_commit(writer, &err));
    }
    ql__store_free(reader);
    ql__store_free(writer);
    ql_test_dir_remove(dir);
}

static void test_store_mask__no_condition_is_no_mask_and_dead_chunks_never_pass(void **state)
{
    (void)state;
    ql_error err = {0};
    char *dir = ql_test_dir_new();
    ql__store *store = make(dir);
    ql__mask *mask = NULL;
    ql_filter filter = open_filter;
    expect_ok(ql__store_begin(store, &err));
    expect_ok(ql__store_remove(store, QL_STR("id-1"), &err));
    expect_ok(ql__store_commit(store, &err));
    ql__snapshot *snapshot = snapshot_open(store);
    expect_ok(ql__snapshot_mask(snapshot, &filter, &mask, &err));
    assert_null(mask);
    expect_ok(ql__snapshot_mask(snapshot, NULL, &mask, &err));
    assert_null(mask);
    expect_pass(snapshot, NULL, 0x7d, __LINE__);
    filter.source = QL_STR("s");
    expect_pass(snapshot, &filter, 0x7d, __LINE__);
    filter.source = QL_STR("S");
    expect_pass(snapshot, &filter, 0, __LINE__);
    ql__snapshot_free(snapshot);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

/* ---- project, type and source ---- */

#define PROJECTS 3
#define TYPES 3
#define SOURCES 4

static bool has_source(size_t project, size_t type, size_t source)
{
    return (project + 2 * type + source) % 3 != 0; /* the same names under several parents, and not under all */
}

static ql__store *make_sources(const char *dir)
{
    ql_error err = {0};
    float vector[16] = {1};
    ql__store *store = store_open(dir, true, &shape);
    expect_ok(ql__store_begin(store, &err));
    for (size_t i = 0; i < PROJECTS * TYPES * SOURCES; i++) {
        size_t project = i / (TYPES * SOURCES), type = i / SOURCES % TYPES, source = i % SOURCES;
        char names[3][8], id[40];
        ql_store_chunk chunk = {.struct_size = sizeof chunk, .id = QL_STR("c"), .vector = vector};
        if (!has_source(project, type, source)) continue;
        snprintf(names[0], sizeof names[0], "p%zu", project), snprintf(names[1], sizeof names[1], "t%zu", type), snprintf(names[2], sizeof names[2], "s%zu", source);
        snprintf(id, sizeof id, "id-%zu", i);
        ql_store_document document = {.struct_size = sizeof document, .project = ql_str_of(names[0]), .source_type = ql_str_of(names[1]), .source = ql_str_of(names[2]), .url = QL_STR("u"),
                                      .id = ql_str_of(id), .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = (int64_t)i, .chunks = &chunk, .chunk_count = 1};
        expect_ok(ql__store_replace(store, &document, &err));
    }
    expect_ok(ql__store_commit(store, &err));
    return store;
}

/* wanted: PROJECTS, TYPES, SOURCES: any; one more: a name that is not there. */
static uint64_t sources_passing(size_t project, size_t type, size_t source)
{
    uint64_t count = 0;
    for (size_t i = 0; i < PROJECTS * TYPES * SOURCES; i++) {
        size_t p = i / (TYPES * SOURCES), t = i / SOURCES % TYPES, s = i % SOURCES;
        count += has_source(p, t, s) && (project == PROJECTS || project == p) && (type == TYPES || type == t) && (source == SOURCES || source == s);
    }
    return count;
}

static void test_store_mask__names_of_sources_in_any_combination(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    ql__store *store = make_sources(dir);
    ql__snapshot *snapshot = snapshot_open(store);
    for (size_t i = 0; i < (PROJECTS + 2) * (TYPES + 2) * (SOURCES + 2); i++) {
        size_t project = i / ((TYPES + 2) * (SOURCES + 2)), type = i / (SOURCES + 2) % (TYPES + 2), source = i % (SOURCES + 2);
        char names[3][8];
        ql_error err = {0};
        ql__mask *mask = NULL;
        ql_filter filter = open_filter;
        snprintf(names[0], sizeof names[0], "p%zu", project), snprintf(names[1], sizeof names[1], "t%zu", type), snprintf(names[2], sizeof names[2], "s%zu", source);
        if (project != PROJECTS) filter.project = ql_str_of(names[0]);
        if (type != TYPES) filter.source_type = ql_str_of(names[1]);
        if (source != SOURCES) filter.source = ql_str_of(names[2]);
        expect_ok(ql__snapshot_mask(snapshot, &filter, &mask, &err));
        if (!mask) continue;
        if (ql__mask_count(mask) != sources_passing(project, type, source)) fail_msg("%zu %zu %zu: %llu", project, type, source, (unsigned long long)ql__mask_count(mask));
        ql__mask_free(mask);
    }
    ql__snapshot_free(snapshot);
    ql__store_free(store);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_mask__prefixes_are_bytes_not_patterns),
        cmocka_unit_test(test_store_mask__times_are_inclusive_and_unknown_ones_fail),
        cmocka_unit_test(test_store_mask__a_repeated_filter_sees_new_commits),
        cmocka_unit_test(test_store_mask__names_of_sources_in_any_combination),
        cmocka_unit_test(test_store_mask__no_condition_is_no_mask_and_dead_chunks_never_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
