/* Encodings by mark, by validity and by shape; the map back to the bytes; what is no text. */
#include "support/testing.h"

#include <string.h>

#include "convert/convert.h"
#include "text/utf8.h"

typedef struct decoded {
    struct ql_arena arena;
    ql_canonical canonical;
    bool binary;
} decoded;

static void decode(ql_str bytes, decoded *out)
{
    ql_error err = {0};
    memset(out, 0, sizeof *out);
    ql__arena_init(&out->arena.arena, 0);
    assert_int_equal(ql__convert_decode(bytes, &out->arena, &out->canonical, &out->binary, &err), QL_OK);
    if (!out->binary) assert_true(ql__utf8_valid(out->canonical.text));
}

static void expect(ql_str bytes, const char *encoding, ql_str text)
{
    decoded got;
    decode(bytes, &got);
    assert_false(got.binary);
    assert_string_equal(got.canonical.encoding.ptr, encoding);
    assert_int_equal(got.canonical.text.len, text.len);
    assert_memory_equal(got.canonical.text.ptr, text.ptr, text.len);
    ql__arena_dispose(&got.arena.arena);
}

static void test_decode__borrows_valid_utf_8(void **state)
{
    (void)state;
    const ql_str bytes = QL_STR("na\xc3\xafve\0and a zero");
    decoded got;
    decode(bytes, &got);
    assert_ptr_equal(got.canonical.text.ptr, bytes.ptr);
    assert_int_equal(got.canonical.text.len, bytes.len);
    assert_null(got.canonical.map);
    ql__arena_dispose(&got.arena.arena);
    expect(QL_STR(""), "utf-8", QL_STR(""));
}

static void test_decode__follows_byte_order_marks(void **state)
{
    (void)state;
    expect(QL_STR("\xef\xbb\xbfh\xc3\xa9"), "utf-8", QL_STR("h\xc3\xa9"));
    expect(QL_STR("\xff\xfeh\0\xe9\0\x3d\xd8\x00\xde"), "utf-16le", QL_STR("h\xc3\xa9\xf0\x9f\x98\x80"));
    expect(QL_STR("\xfe\xff\0h\0\xe9\xd8"), "utf-16be", QL_STR("h\xc3\xa9\xef\xbf\xbd"));
    expect(QL_STR("\xff\xfe\0\0h\0\0\0\xe9\0\0\0"), "utf-32le", QL_STR("h\xc3\xa9"));
    expect(QL_STR("\0\0\xfe\xff\0\0\0h\0\x11\0\0"), "utf-32be", QL_STR("h\xef\xbf\xbd"));
}

static void test_decode__guesses_from_the_shape(void **state)
{
    (void)state;
    expect(QL_STR("h\0e\0l\0l\0o\0 \0w\0o\0r\0l\0d\0"), "utf-16le", QL_STR("hello world"));
    expect(QL_STR("\0h\0e\0l\0l\0o\0 \0w\0o\0r\0l\0d"), "utf-16be", QL_STR("hello world"));
    expect(QL_STR("caf\xe9 \x80 5 \x93quoted\x94"), "windows-1252", QL_STR("caf\xc3\xa9 \xe2\x82\xac 5 \xe2\x80\x9cquoted\xe2\x80\x9d"));
    /* Mostly UTF-8 with one stray byte stays UTF-8. */
    expect(QL_STR("\xc3\xa9\xc3\xa8\xc3\xa0 \xe9"), "utf-8", QL_STR("\xc3\xa9\xc3\xa8\xc3\xa0 \xc3\xa9"));
}

static void test_decode__tells_what_is_no_text(void **state)
{
    (void)state;
    static const ql_str binaries[] = {{"%PDF-1.7\n%\xe2\xe3\xcf\xd3", 13}, {"PK\003\004\024\0\0\0", 8}, {"\x89PNG\r\n\x1a\n\0\0", 10}, {"\x01\x02\x03\x04\x05\x06\x07\x0e\x0f\x10", 10},
                                      {"\x7f" "ELF\x02\x01\x01", 7}, {"a\xff\0\xfe\0\xfd b c d e f", 17}};
    for (size_t i = 0; i < sizeof binaries / sizeof binaries[0]; i++) {
        decoded got;
        decode(binaries[i], &got);
        assert_true(got.binary);
        ql__arena_dispose(&got.arena.arena);
    }
    expect(QL_STR("GIF8 is a format"), "utf-8", QL_STR("GIF8 is a format"));
    expect(QL_STR("\x1b[31mred\x1b[0m log"), "utf-8", QL_STR("\x1b[31mred\x1b[0m log"));
}

static void test_decode__maps_every_byte_of_the_original(void **state)
{
    (void)state;
    static char bytes[5000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = i % 7 == 0 ? '\xe9' : 'a';
    decoded got;
    decode((ql_str){bytes, sizeof bytes}, &got);
    const ql_canonical *canonical = &got.canonical;
    uint64_t at = 0, source_at = 0;
    for (size_t i = 0; i < canonical->map_count; i++) {
        assert_int_equal(canonical->map[i].begin, at);
        assert_int_equal(canonical->map[i].source_begin, source_at);
        at += canonical->map[i].len;
        source_at = canonical->map[i].source_end;
    }
    assert_int_equal(at, canonical->text.len);
    assert_int_equal(source_at, sizeof bytes);
    ql__arena_dispose(&got.arena.arena);
}

static ql_status scenario(void *user, ql_error *err)
{
    (void)user;
    struct ql_arena arena;
    ql_canonical canonical = {0};
    bool binary;
    ql__arena_init(&arena.arena, 0);
    ql_status status = ql__convert_decode(QL_STR("caf\xe9 and more"), &arena, &canonical, &binary, err);
    ql__arena_dispose(&arena.arena);
    return status;
}

static void test_decode__survives_every_failing_allocation(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, scenario, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode__borrows_valid_utf_8),
        cmocka_unit_test(test_decode__follows_byte_order_marks),
        cmocka_unit_test(test_decode__guesses_from_the_shape),
        cmocka_unit_test(test_decode__tells_what_is_no_text),
        cmocka_unit_test(test_decode__maps_every_byte_of_the_original),
        cmocka_unit_test(test_decode__survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
