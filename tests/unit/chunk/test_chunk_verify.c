/* The verifier finds each kind of broken promise. */
#include "support/chunk_check.h"

static const ql_str text = {"one two e\xcc\x81\x20three", 17};

static ql_chunk chunk_of(uint32_t index, uint64_t begin, uint64_t end, uint64_t overlap, uint32_t tokens)
{
    return (ql_chunk){.struct_size = sizeof(ql_chunk), .index = index, .text = {text.ptr + begin, (size_t)(end - begin)}, .begin = begin, .end = end, .overlap_bytes = overlap, .tokens = tokens};
}

static void expect(const ql_chunk *chunks, size_t count, const char *message)
{
    ql_error err = {0};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 12, .overlap = 4};
    const ql_canonical canonical = {.struct_size = sizeof canonical, .text = text};
    ql_status status = ql__chunks_verify(&canonical, &options, chunks, count, false, &err);
    assert_int_equal(status, message ? QL_E_INVALID : QL_OK);
    if (message) assert_non_null(strstr(err.message, message));
}

static void test_chunk_verify__finds_each_kind_of_broken_promise(void **state)
{
    (void)state;
    expect((ql_chunk[]){chunk_of(0, 0, 8, 0, 8), chunk_of(1, 4, 16, 4, 11), chunk_of(2, 16, 17, 0, 1)}, 3, NULL);
    expect((ql_chunk[]){chunk_of(0, 0, 6, 0, 6), chunk_of(1, 5, 7, 1, 2), chunk_of(2, 4, 8, 3, 4), chunk_of(3, 8, 17, 0, 8)}, 4, NULL); /* one begins before the chunk before it */
    expect((ql_chunk[]){chunk_of(0, 0, 11, 0, 10), chunk_of(1, 11, 12, 0, 1), chunk_of(2, 9, 17, 3, 7)}, 3, "begins inside a grapheme");
    expect((ql_chunk[]){chunk_of(0, 0, 8, 0, 8)}, 1, "chunks end at byte 8 of 17");
    expect((ql_chunk[]){chunk_of(0, 0, 8, 0, 8), chunk_of(1, 9, 17, 0, 7)}, 2, "does not go on");
    expect((ql_chunk[]){chunk_of(0, 0, 8, 0, 8), chunk_of(2, 8, 17, 0, 8)}, 2, "index");
    expect((ql_chunk[]){chunk_of(0, 0, 9, 0, 9), chunk_of(1, 9, 17, 0, 7)}, 2, "ends inside a grapheme");
    expect((ql_chunk[]){chunk_of(0, 0, 17, 0, 16)}, 1, "16 units, limit 12");
    expect((ql_chunk[]){chunk_of(0, 0, 8, 0, 7)}, 1, "8 units, said to be 7");
    expect((ql_chunk[]){chunk_of(0, 0, 8, 0, 8), chunk_of(1, 3, 14, 5, 10), chunk_of(2, 14, 17, 0, 3)}, 3, "overlap of 5 units");
    expect((ql_chunk[]){chunk_of(0, 0, 11, 0, 10), chunk_of(1, 9, 17, 2, 7)}, 2, "begins inside a grapheme");
    expect((ql_chunk[]){chunk_of(0, 0, 8, 0, 8), chunk_of(1, 4, 8, 4, 4)}, 2, "holds nothing new");
    expect((ql_chunk[]){chunk_of(0, 0, 8, 0, 8), chunk_of(1, 8, 8, 0, 0)}, 2, "range is empty or outside the text");
    ql_chunk longer = chunk_of(0, 8, 17, 0, 8);
    longer.end = 18;
    expect(&longer, 1, "range is empty or outside the text");
    ql_chunk shorter = chunk_of(0, 0, 8, 0, 8);
    shorter.text.len--;
    expect(&shorter, 1, "text is not its range");
    ql_chunk moved = chunk_of(0, 0, 8, 0, 8);
    moved.text.ptr++;
    expect(&moved, 1, "text is not its range");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk_verify__finds_each_kind_of_broken_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
