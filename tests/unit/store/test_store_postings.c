/*
 * Goal: postings come back as they went in, and bytes that are not postings are refused.
 * Method: random lists through encode and decode; truncated, extended and flipped bytes; log segments with wrong offsets.
 */
#include "store/store_postings.h"
#include "support/store_docs.h"
#include "support/testing.h"

static size_t encode(uint64_t seed, size_t count, uint8_t *out, uint32_t *slots, uint32_t *tfs)
{
    size_t len = 0;
    uint32_t slot = (uint32_t)(test_random(&seed) % 1000);
    for (size_t i = 0; i < count; i++) {
        uint32_t delta = i == 0 ? 0 : 1 + (uint32_t)(test_random(&seed) % (seed % 3 ? 100 : 100000));
        slot += delta;
        slots[i] = slot;
        tfs[i] = seed % 5 ? 1 : 1 + (uint32_t)(test_random(&seed) % 70000);
        len += ql__posting_put(out + len, delta, tfs[i]);
    }
    return len;
}

static void test_store_postings__round_trip(void **state)
{
    (void)state;
    static uint8_t bytes[20 * 500];
    static uint32_t slots[500], tfs[500];
    bool nomem = false;
    for (uint64_t seed = 0; seed < 200; seed++) {
        ql__posting_list list = {0};
        size_t count = 1 + (size_t)(seed * 7 % 500), len = encode(seed, count, bytes, slots, tfs);
        assert_true(ql__posting_list_decode(&list, (ql_str){(char *)bytes, len}, slots[0], slots[count - 1], count, &nomem));
        assert_int_equal(list.count, count);
        assert_memory_equal(list.slots, slots, count * 4);
        assert_memory_equal(list.tfs, tfs, count * 4);
        ql__posting_list_dispose(&list);
    }
}

static void test_store_postings__refuses_what_does_not_fit(void **state)
{
    (void)state;
    static uint8_t bytes[20 * 500];
    static uint32_t slots[500], tfs[500];
    bool nomem = false;
    ql__posting_list list = {0};
    size_t len = encode(3, 100, bytes, slots, tfs);
    ql_str data = {(char *)bytes, len};
    assert_false(ql__posting_list_decode(&list, data, slots[0], slots[99], 0, &nomem));
    assert_false(ql__posting_list_decode(&list, data, slots[0], slots[99], 99, &nomem));
    assert_false(ql__posting_list_decode(&list, data, slots[0], slots[99], UINT64_MAX, &nomem));
    assert_false(ql__posting_list_decode(&list, data, slots[0], slots[98], 100, &nomem));
    assert_false(ql__posting_list_decode(&list, data, slots[0] + 1, slots[99], 100, &nomem));
    assert_false(ql__posting_list_decode(&list, (ql_str){data.ptr, len - 1}, slots[0], slots[99], 100, &nomem));
    assert_false(ql__posting_list_decode(&list, (ql_str){data.ptr, len + 1}, slots[0], slots[99], 100, &nomem));
    assert_false(ql__posting_list_decode(&list, data, slots[0], (uint64_t)UINT32_MAX + 1, 100, &nomem));
    assert_int_equal(list.count, 0);
    assert_true(ql__posting_list_decode(&list, data, slots[0], slots[99], 100, &nomem));
    ql__posting_list_dispose(&list);
}

static void make_terms(ql__terms *terms)
{
    char word[16];
    ql__terms_init(terms, 1);
    for (uint32_t slot = 0; slot < 300; slot++) {
        for (uint32_t i = 0; i < 5; i++) {
            test_word((slot * (i + 1)) % 97, word);
            for (uint32_t times = 0; times <= slot % 3; times++) assert_true(ql__terms_count(terms, ql_str_of(word), slot));
        }
    }
    ql__terms_sort(terms);
}

static void test_store_postings__log_segment_finds_every_term(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__terms terms;
    ql__terms_log log;
    ql_buf data = QL_BUF_INIT;
    bool nomem = false;
    make_terms(&terms);
    assert_int_equal(ql__terms_log_write(&terms, &data, &err), QL_OK);
    assert_int_equal(ql__terms_log_open(&log, ql_buf_str(&data), &err), QL_OK);
    assert_int_equal(log.count, terms.count);
    for (size_t i = 0; i < terms.count; i++) {
        ql__log_entry entry;
        ql__posting_list list = {0};
        assert_true(ql__terms_log_find(&log, terms.entries[i].term, &entry));
        assert_int_equal(entry.count, terms.entries[i].count);
        assert_true(ql__posting_list_decode(&list, entry.data, entry.first_slot, entry.last_slot, entry.count, &nomem));
        ql__posting_list_dispose(&list);
    }
    ql__log_entry entry;
    assert_false(ql__terms_log_find(&log, QL_STR("absent"), &entry));
    assert_false(ql__terms_log_find(&log, QL_STR(""), &entry));
    ql__terms_log_dispose(&log);
    ql_buf_dispose(&data);
    ql__terms_dispose(&terms);
}

static void test_store_postings__log_segment_refuses_damage(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__terms terms;
    ql__terms_log log;
    ql_buf data = QL_BUF_INIT;
    size_t refused = 0, tried = 0;
    make_terms(&terms);
    assert_int_equal(ql__terms_log_write(&terms, &data, &err), QL_OK);
    for (size_t cut = 0; cut < data.len; cut += 1 + data.len / 50) {
        assert_int_equal(ql__terms_log_open(&log, (ql_str){data.ptr, cut}, &err), QL_E_CORRUPT);
        ql__terms_log_dispose(&log);
    }
    for (size_t at = 0; at < 4 + 4 * (terms.count + 1); at++) { /* the table of offsets */
        data.ptr[at] = (char)(data.ptr[at] ^ 0x40);
        refused += ql__terms_log_open(&log, ql_buf_str(&data), &err) == QL_E_CORRUPT;
        ql__terms_log_dispose(&log);
        data.ptr[at] = (char)(data.ptr[at] ^ 0x40);
        tried++;
    }
    assert_int_equal(refused, tried);
    ql_buf_dispose(&data);
    ql__terms_dispose(&terms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_postings__round_trip),
        cmocka_unit_test(test_store_postings__refuses_what_does_not_fit),
        cmocka_unit_test(test_store_postings__log_segment_finds_every_term),
        cmocka_unit_test(test_store_postings__log_segment_refuses_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
