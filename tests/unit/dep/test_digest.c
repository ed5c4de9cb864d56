/* Goal: the hashes are the published ones, in one piece and in parts. Method: vectors of FIPS 180-4 and of the xxHash specification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "dep/digest.h"

static const struct {
    const char *text, *sha256, *sha1;
} vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
     "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
};

static void test_digest__matches_published_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint8_t long_hash[32], short_hash[20];
        char text[65];
        ql__sha256_of(ql_str_of(vectors[i].text), long_hash);
        ql__hex(long_hash, 32, text);
        assert_string_equal(text, vectors[i].sha256);
        ql__sha1_of(ql_str_of(vectors[i].text), short_hash);
        ql__hex(short_hash, 20, text);
        assert_string_equal(text, vectors[i].sha1);
    }
}

static void test_digest__parts_give_the_hash_of_the_whole(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'x', sizeof text);
    uint8_t whole[32], parts[32];
    ql__sha256_of((ql_str){text, sizeof text}, whole);
    for (size_t step = 1; step < sizeof text; step += 7) {
        ql__sha256 hash;
        ql__sha256_init(&hash);
        for (size_t at = 0; at < sizeof text; at += step)
            ql__sha256_update(&hash, (ql_str){text + at, at + step <= sizeof text ? step : sizeof text - at});
        ql__sha256_update(&hash, (ql_str){NULL, 0});
        ql__sha256_final(&hash, parts);
        assert_memory_equal(whole, parts, sizeof whole);
    }
}

static void test_digest__xxh3_matches_and_depends_on_the_seed(void **state)
{
    (void)state;
    assert_true(ql__xxh3((ql_str){NULL, 0}, 0) == UINT64_C(0x2D06800538D394C2));
    assert_true(ql__xxh3(QL_STR("abc"), 0) == UINT64_C(0x78AF5F94892F3950));
    assert_true(ql__xxh3(QL_STR("abc"), 1) != ql__xxh3(QL_STR("abc"), 0));
}

static void test_digest__uuid_text_groups_the_digits(void **state)
{
    (void)state;
    const uint8_t bytes[16] = {0x00, 0x01, 0x02, 0x03, 0x14, 0x25, 0x36, 0x47, 0x58, 0x69, 0x7a, 0x8b, 0x9c, 0xad, 0xbe, 0xff};
    char text[37];
    ql__uuid_text(bytes, text);
    assert_string_equal(text, "00010203-1425-3647-5869-7a8b9cadbeff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest__matches_published_vectors),
        cmocka_unit_test(test_digest__parts_give_the_hash_of_the_whole),
        cmocka_unit_test(test_digest__xxh3_matches_and_depends_on_the_seed),
        cmocka_unit_test(test_digest__uuid_text_groups_the_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
