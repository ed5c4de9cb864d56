/*
 * Goal: ids equal the reference's, so that both sides find each other's points. Method: the vectors of the compatibility notes, and further
 * ones computed with the reference's rule in its own language (Python's urllib and str.lower).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/limits.h"
#include "model/identity.h"

static const struct {
    const char *type, *source, *url, *id;
} vectors[] = {
    {"git", "My-Repo", "https://Example.com/Org/Repo/blob/main/README.md?x=1#f", "623525e1-aaed-d392-f8bf-fe333f37b668"},
    {"localfile", "docs", "file:///data/Docs/Guide.md", "d1a1df33-4ece-f094-3929-707cb0353c15"},
    {"publicdocs", " Site ", "https://example.com/", "5f4966b9-2ff8-a113-44a7-d39d53a72b8d"},
    {"confluence", "wiki", "https://example.com/spaces/ENG/pages/42", "fec1df07-20ab-e54a-ceff-34ceddd9c49e"},
    {"git", "my-repo", "https://github.com/Org/Repo/blob/main/README.md", "6750e937-d8c4-635d-391a-b0d73817f9c3"},
    {"localfile", " Docs ", "file:///srv/A B/Read#Me.md?x=1", "f45f94a1-fe7e-3213-9688-b1ab98b88f89"},
    {"publicdocs", "d", "https://docs.example.com/", "e335c051-9e2b-97bb-ba50-bdc2e1bfcd32"},
    {"publicdocs", "d", "https://docs.example.com", "e335c051-9e2b-97bb-ba50-bdc2e1bfcd32"},
    {"localfile", "d", "file:///a/B;c/x;y.md", "8b44e726-3d78-e285-ab90-450bc9469c75"},
    {"publicdocs", "d", "https://h/a;p/b;q?r", "cea320c2-864b-df49-290c-b718612e8928"},
    {"localfile", "d", "file:///Übung/ΟΔΟΣ.md", "49b782ef-6a35-1c9a-698c-1b2e5e748571"},
    {"localfile", "d", " \tfile:///a/\r\nb//", "574ce912-5927-e5b9-f99c-13a0234ab242"},
    {"localfile", "d", "File:/a/b", "574ce912-5927-e5b9-f99c-13a0234ab242"},
    {"git", "r", "git@host:org/repo.git/blob/main/x", "83aedc78-c3dd-ac1e-f1e7-91f223da85e0"},
    {"git", "r", "ssh://git@host:22/org/r.git/blob/main/ς/İ", "84dae55c-059b-bee4-0175-d593edb8882b"},
    {"publicdocs", "d", "http://[::1]/x/", "8ff9eada-e685-d826-93e4-198e9e66c0ab"},
    {"publicdocs", "d", "http://[::1/X?y", "485e5f63-d61c-10e8-b589-8c0beac3f27d"},
    {"localfile", "d", "", "d69b0c38-7075-c662-1363-cef37ad13fc9"},
    {"localfile", "d", "a/b/", "dbc98299-eca6-790f-a6fd-524fdb444d55"},
    {"localfile", "d", "//host/x", "05480d0b-4f5a-35e3-2851-0a083060eb83"},
    {"localfile", "d", "1http://x/y;z", "9cc1ee3f-368d-452b-705e-89277a218776"},
    {"localfile", "\xE2\x80\x83" "Näme\xE3\x80\x80", "file:///x\xC2\xA0", "914e058e-6f40-00ce-8fe5-3adb0eb8e89c"},
    {"publicdocs", "d", "https://h;p/?q", "e665bab6-0ee5-bc58-0244-98ad79c02a4d"},
    {"LocalFile", "d", "x:y?z", "a90dc84e-ec24-21b6-1bbd-62d747acc612"},
};

static void test_identity__document_ids_equal_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        char id[37];
        assert_int_equal(ql__document_id(ql_str_of(vectors[i].type), ql_str_of(vectors[i].source), ql_str_of(vectors[i].url), id, NULL), QL_OK);
        if (strcmp(id, vectors[i].id) != 0) fail_msg("%s %s: %s, expected %s", vectors[i].source, vectors[i].url, id, vectors[i].id);
    }
}

static void test_identity__chunk_ids_equal_the_reference(void **state)
{
    (void)state;
    static const struct {
        const char *document;
        uint32_t index;
        const char *id;
    } chunks[] = {
        {"623525e1-aaed-d392-f8bf-fe333f37b668", 0, "81ebebb2-bea0-7b2e-82e0-897c84554f20"},
        {"623525e1-aaed-d392-f8bf-fe333f37b668", 1, "1be3bc63-395d-d13d-c080-12ecaa90c29b"},
        {"6750e937-d8c4-635d-391a-b0d73817f9c3", 0, "1f41f41a-de2b-c5c1-9a27-97d124094393"},
        {"6750e937-d8c4-635d-391a-b0d73817f9c3", 1, "0e0fe1ba-8450-56e3-927e-2cc9d8bb6af7"},
    };
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        char id[37];
        ql__chunk_id(ql_str_of(chunks[i].document), chunks[i].index, id);
        assert_string_equal(id, chunks[i].id);
    }
}

static void test_identity__attachment_ids_equal_the_reference(void **state)
{
    (void)state;
    char id[37];
    assert_int_equal(ql__attachment_id(QL_STR("623525e1-aaed-d392-f8bf-fe333f37b668"), QL_STR("att1"), id, NULL), QL_OK);
    assert_string_equal(id, "1f13ac2a-12dc-5108-9ecb-a970b645c016");
    assert_int_equal(ql__attachment_id(QL_STR("6750e937-d8c4-635d-391a-b0d73817f9c3"), QL_STR("att42"), id, NULL), QL_OK);
    assert_string_equal(id, "2b884ae3-5463-559e-9eee-ac073c909200");
}

static void test_identity__exact_ids_tell_apart_what_the_reference_confuses(void **state)
{
    (void)state;
    static const char *const keys[][4] = {
        {"p", "localfile", "docs", "file:///a/Read.md"}, {"p", "localfile", "docs", "file:///a/read.md"}, {"q", "localfile", "docs", "file:///a/Read.md"},
        {"p", "localfile", "Docs", "file:///a/Read.md"}, {"p", "localfile", "docs", "file:///a/Read.md#x"}, {"pl", "ocalfile", "docs", "file:///a/Read.md"},
    };
    enum { KEYS = sizeof keys / sizeof *keys };
    char ids[KEYS][37];
    for (size_t i = 0; i < KEYS; i++) {
        assert_int_equal(ql__document_id_exact(ql_str_of(keys[i][0]), ql_str_of(keys[i][1]), ql_str_of(keys[i][2]), ql_str_of(keys[i][3]), ids[i], NULL), QL_OK);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(ids[i], ids[j]);
    }
    assert_string_equal(ids[0], "d5c25bdd-4cef-7f88-3245-f86675129771"); /* SHA-256 of "v2\0p\0localfile\0docs\0file:///a/Read.md" */
}

static void test_identity__lengths_are_limited(void **state)
{
    (void)state;
    static char text[QL_LIMIT_URL_BYTES + 1];
    memset(text, 'a', sizeof text);
    char id[37];
    assert_int_equal(ql__document_id(QL_STR("git"), QL_STR("r"), (ql_str){text, sizeof text}, id, NULL), QL_E_LIMIT);
    assert_int_equal(ql__document_id(QL_STR("git"), QL_STR("r"), (ql_str){text, sizeof text - 1}, id, NULL), QL_OK);
}

static void test_identity__models_are_the_same_by_fingerprint(void **state)
{
    (void)state;
#define ONE "@0123456789abcdef"
#define TWO "@0123456789abcde0"
    assert_true(ql__model_same(QL_STR("a" ONE), QL_STR("b" ONE)));
    assert_false(ql__model_same(QL_STR("a" ONE), QL_STR("a" TWO)));
    assert_true(ql__model_same(QL_STR("a"), QL_STR("a" TWO)));
    assert_true(ql__model_same(QL_STR("a" TWO), QL_STR("a")));
    assert_false(ql__model_same(QL_STR("a"), QL_STR("b" TWO)));
    assert_false(ql__model_same(QL_STR("a"), QL_STR("ab")));
    assert_true(ql__model_same(QL_STR("a@v2"), QL_STR("a@v2" ONE))); /* other signs are part of the name */
    assert_false(ql__model_same(QL_STR("a@2024"), QL_STR("b@2024")));
    assert_false(ql__model_same(QL_STR("a@0123456789ABCDEF"), QL_STR("b@0123456789ABCDEF")));
    assert_true(ql_str_equal(ql__model_key(QL_STR("a" ONE)), QL_STR(ONE)));
    assert_true(ql_str_equal(ql__model_key(QL_STR("a@v2")), QL_STR("a@v2")));
    assert_false(ql__model_has_fingerprint(QL_STR("a@v2")));
#undef ONE
#undef TWO
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity__document_ids_equal_the_reference),
        cmocka_unit_test(test_identity__chunk_ids_equal_the_reference),
        cmocka_unit_test(test_identity__attachment_ids_equal_the_reference),
        cmocka_unit_test(test_identity__exact_ids_tell_apart_what_the_reference_confuses),
        cmocka_unit_test(test_identity__lengths_are_limited),
        cmocka_unit_test(test_identity__models_are_the_same_by_fingerprint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
