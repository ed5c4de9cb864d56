/*
 * Goal: token ids are the model's own, offsets point at each token's first byte, no input makes the tokenizer misbehave.
 * Method: a small vocabulary for rules and offsets; the real one for stored ids of another implementation. The comparison over
 * hundreds of thousands of strings is tests/embed_oracle.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "dep/json.h"
#include "embed/wordpiece.h"
#include "model_dir.h"
#include "support/testing.h"

#define FLAGS (QL__WORDPIECE_LOWER | QL__WORDPIECE_STRIP | QL__WORDPIECE_IDEOGRAPHS)

static const char small_vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\naff\n,\n!\ncafe\n漢\n##s\na\n##a\n[\nsep\n]\n";
enum { UNK = 1, CLS, SEP, MASK, UN, PIECE_AFF, PIECE_ABLE, AFF, COMMA, BANG, CAFE, HAN, PIECE_S, A, PIECE_A, OPEN, SEP_WORD, CLOSE };

static ql__wordpiece *small_new(void)
{
    ql__wordpiece *words = NULL;
    ql_error err = {0};
    assert_int_equal(ql__wordpiece_new(ql_str_of(small_vocab), FLAGS, &words, &err), QL_OK);
    return words;
}

static void expect(const char *text, size_t count, const uint32_t *ids, const uint32_t *starts)
{
    ql__wordpiece *words = small_new();
    uint32_t got_ids[64], got_starts[64];
    assert_int_equal(ql__wordpiece_run(words, ql_str_of(text), got_ids, got_starts, 64), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(got_ids[i], ids[i]);
        assert_int_equal(got_starts[i], starts[i]);
    }
    ql__wordpiece_free(words);
}

#define EXPECT(text, ids, starts) expect((text), sizeof(ids) / sizeof *(ids), (ids), (starts))
#define U32(...) ((uint32_t[]){__VA_ARGS__})

static void test_wordpiece__takes_longest_pieces(void **state)
{
    (void)state;
    EXPECT("unaffable", U32(UN, PIECE_AFF, PIECE_ABLE), U32(0, 2, 5));
    EXPECT("  UNAFFable aff", U32(UN, PIECE_AFF, PIECE_ABLE, AFF), U32(2, 4, 7, 12));
}

static void test_wordpiece__makes_whole_word_unknown(void **state)
{
    (void)state;
    EXPECT("unaffx aff", U32(UNK, AFF), U32(0, 7));
}

static void test_wordpiece__splits_punctuation_and_ideographs(void **state)
{
    (void)state;
    EXPECT("aff,un!", U32(AFF, COMMA, UN, BANG), U32(0, 3, 4, 6));
    EXPECT("a漢漢s", U32(A, HAN, HAN, UNK), U32(0, 1, 4, 7));
}

static void test_wordpiece__strips_accents_and_keeps_offsets(void **state)
{
    (void)state;
    EXPECT("CAFÉ aff", U32(CAFE, AFF), U32(0, 6));
    EXPECT("Cafe\xCC\x81s aff", U32(CAFE, PIECE_S, AFF), U32(0, 6, 8));
    EXPECT("a\x01\xC3\xA1", U32(A, PIECE_A), U32(0, 2)); /* the control is as if it were not there */
}

static void test_wordpiece__knows_special_tokens_in_text(void **state)
{
    (void)state;
    EXPECT("aff[SEP]aff", U32(AFF, SEP, AFF), U32(0, 3, 8));
    EXPECT("[sep]", U32(OPEN, SEP_WORD, CLOSE), U32(0, 1, 4));
}

static void test_wordpiece__gives_up_on_long_words(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'a', sizeof text);
    ql__wordpiece *words = small_new();
    uint32_t ids[128];
    assert_int_equal(ql__wordpiece_run(words, (ql_str){text, 100}, ids, NULL, 128), 100);
    assert_int_equal(ids[99], PIECE_A);
    assert_int_equal(ql__wordpiece_run(words, (ql_str){text, 101}, ids, NULL, 128), 1);
    assert_int_equal(ids[0], UNK);
    assert_int_equal(ql__wordpiece_run(words, (ql_str){text, 300}, ids, NULL, 128), 1);
    ql__wordpiece_free(words);
}

static void test_wordpiece__counts_beyond_capacity(void **state)
{
    (void)state;
    ql__wordpiece *words = small_new();
    uint32_t ids[2] = {77, 77};
    assert_int_equal(ql__wordpiece_run(words, QL_STR("a a a a"), ids, NULL, 1), 4);
    assert_int_equal(ids[0], A);
    assert_int_equal(ids[1], 77);
    assert_int_equal(ql__wordpiece_run(words, QL_STR(""), NULL, NULL, 0), 0);
    ql__wordpiece_free(words);
}

static void test_wordpiece__survives_invalid_text(void **state)
{
    (void)state;
    ql__wordpiece *words = small_new();
    uint32_t seed = 1;
    for (int round = 0; round < 2000; round++) {
        char text[64];
        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[i] = (char)(seed >> 24);
        }
        uint32_t starts[256];
        size_t count = ql__wordpiece_run(words, (ql_str){text, sizeof text}, NULL, starts, 256);
        assert_true(count <= 256);
        for (size_t i = 0; i < count; i++) assert_true(starts[i] < sizeof text);
    }
    ql__wordpiece_free(words);
}

static void test_wordpiece__refuses_vocabularies_without_special_tokens(void **state)
{
    (void)state;
    ql__wordpiece *words = NULL;
    ql_error err = {0};
    assert_int_equal(ql_status_kind(ql__wordpiece_new(QL_STR("a\nb\n"), FLAGS, &words, &err)), QL_E_FORMAT);
    assert_non_null(strstr(err.message, "[UNK]"));
    assert_int_equal(ql_status_kind(ql__wordpiece_new(QL_STR(""), FLAGS, &words, &err)), QL_E_FORMAT);
}

static ql_status make_and_free(void *user, ql_error *err)
{
    (void)user;
    ql__wordpiece *words = NULL;
    ql_status status = ql__wordpiece_new(ql_str_of(small_vocab), FLAGS, &words, err);
    if (status >= 0) ql__wordpiece_free(words);
    return status;
}

static void test_wordpiece__survives_failing_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, make_and_free, NULL);
}

/* The stored rows are cut at 256 tokens with [CLS] and [SEP] by their maker. */
static void expect_row(const ql__wordpiece *words, const ql__json *row)
{
    const ql__json *ids = ql__json_get(row, "ids");
    static uint32_t got[65536];
    size_t wanted = ql__json_count(ids) - 2;
    size_t count = ql__wordpiece_run(words, ql__json_str(ql__json_get(row, "text"), QL_STR("")), got, NULL, 65536);
    assert_true(count == wanted || (wanted == 254 && count > wanted));
    for (size_t i = 0; i < wanted; i++) assert_int_equal(got[i], ql__json_int_of(ql__json_at(ids, i + 1), -1));
}

static void test_wordpiece__gives_the_stored_ids(void **state)
{
    (void)state;
    ql_buf vocab = QL_BUF_INIT, rows = QL_BUF_INIT;
    char path[4200];
    snprintf(path, sizeof path, "%s/vocab.txt", model_dir());
    ql_test_file_read(path, &vocab);
    ql_test_file_read(QL_TEST_FIXTURES "/embed/minilm-golden.jsonl", &rows);
    ql__wordpiece *words = NULL;
    assert_int_equal(ql__wordpiece_new(ql_buf_str(&vocab), FLAGS, &words, NULL), QL_OK);
    assert_int_equal(ql__wordpiece_count(words), 30522);
    size_t seen = 0;
    for (const char *at = ql_buf_cstr(&rows); *at; seen++) {
        const char *end = strchr(at, '\n');
        ql__json *row = NULL;
        assert_int_equal(ql__json_parse((ql_str){at, (size_t)(end - at)}, &row, NULL), QL_OK);
        expect_row(words, row);
        ql__json_free(row);
        at = end + 1;
    }
    assert_int_equal(seen, 28);
    ql__wordpiece_free(words);
    ql_buf_dispose(&vocab);
    ql_buf_dispose(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wordpiece__takes_longest_pieces),
        cmocka_unit_test(test_wordpiece__makes_whole_word_unknown),
        cmocka_unit_test(test_wordpiece__splits_punctuation_and_ideographs),
        cmocka_unit_test(test_wordpiece__strips_accents_and_keeps_offsets),
        cmocka_unit_test(test_wordpiece__knows_special_tokens_in_text),
        cmocka_unit_test(test_wordpiece__gives_up_on_long_words),
        cmocka_unit_test(test_wordpiece__counts_beyond_capacity),
        cmocka_unit_test(test_wordpiece__survives_invalid_text),
        cmocka_unit_test(test_wordpiece__refuses_vocabularies_without_special_tokens),
        cmocka_unit_test(test_wordpiece__survives_failing_memory),
        cmocka_unit_test(test_wordpiece__gives_the_stored_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
