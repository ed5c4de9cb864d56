/* Goal: the arena aligns, keeps pieces apart, honours its cap and gives everything back. */
#include "support/testing.h"

#include <string.h>

#include "base/arena.h"
#include "base/status.h"
#include <qloader/convert.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif
#ifdef SANITIZED
#include <sanitizer/asan_interface.h>
#endif

static void test_arena__keeps_pieces_apart_and_aligned(void **state)
{
    (void)state;
    ql__arena arena;
    ql__arena_init(&arena, 0);
    unsigned char *pieces[600];
    size_t sizes[600];
    for (size_t i = 0; i < 600; i++) {
        sizes[i] = (i * 7919) % 5000;
        pieces[i] = ql__arena_alloc(&arena, sizes[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)(i & 0xff), sizes[i]);
    }
    for (size_t i = 0; i < 600; i++) {
        for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(pieces[i][k], i & 0xff);
    }
    ql__arena_dispose(&arena);
    assert_int_equal(arena.used_bytes, 0);
}

static void test_arena__holds_pieces_larger_than_a_block(void **state)
{
    (void)state;
    ql__arena arena;
    ql__arena_init(&arena, 0);
    char *small = ql__arena_alloc(&arena, 10);
    memcpy(small, "123456789", 10);
    char *large = ql__arena_alloc(&arena, (size_t)5 << 20);
    memset(large, 'x', (size_t)5 << 20);
    char *after = ql__arena_alloc(&arena, 10);
    memset(after, 'y', 10);
    assert_string_equal(small, "123456789");
    assert_true(large[0] == 'x' && large[((size_t)5 << 20) - 1] == 'x');
    ql__arena_dispose(&arena);
}

static void test_arena__refuses_beyond_its_cap_but_goes_on_below(void **state)
{
    (void)state;
    ql__arena arena;
    ql__arena_init(&arena, 64);
    assert_non_null(ql__arena_alloc(&arena, 33)); /* 48 after rounding */
    assert_false(arena.limit_met);
    assert_null(ql__arena_alloc(&arena, 17));
    assert_true(arena.limit_met);
    assert_non_null(ql__arena_alloc(&arena, 16));
    assert_null(ql__arena_alloc(&arena, 1));
    assert_null(ql__arena_alloc(&arena, SIZE_MAX));
    ql__arena_reset(&arena);
    assert_false(arena.limit_met);
    assert_non_null(ql__arena_alloc(&arena, 64));
    ql__arena_dispose(&arena);
    assert_int_equal(arena.limit_bytes, 64);
}

static void test_arena__reset_reuses_memory(void **state)
{
    (void)state;
    ql_test_alloc_install();
    ql_test_leaks_mark();
    ql__arena arena;
    ql__arena_init(&arena, 0);
    for (int i = 0; i < 100; i++) assert_non_null(ql__arena_alloc(&arena, 500));
    ql__arena_reset(&arena);
    long calls = ql_test_alloc_calls();
    for (int i = 0; i < 20; i++) assert_non_null(ql__arena_alloc(&arena, 500));
    assert_int_equal(ql_test_alloc_calls(), calls);
    ql__arena_dispose(&arena);
    ql_test_expect_no_leaks();
}

static void test_arena__reset_does_not_keep_a_giant_block(void **state)
{
    (void)state;
    ql_test_alloc_install();
    ql_test_leaks_mark();
    ql__arena arena;
    ql__arena_init(&arena, 0);
    assert_non_null(ql__arena_alloc(&arena, (size_t)8 << 20));
    ql__arena_reset(&arena);
    ql_test_expect_no_leaks();
    assert_non_null(ql__arena_alloc(&arena, 8));
    ql__arena_dispose(&arena);
    ql_test_expect_no_leaks();
}

static void test_arena__copies_with_a_terminating_nul(void **state)
{
    (void)state;
    ql__arena arena;
    ql__arena_init(&arena, 0);
    ql_str copy;
    assert_true(ql__arena_copy(&arena, (ql_str){"abcdef", 3}, &copy));
    assert_string_equal(copy.ptr, "abc");
    assert_int_equal(copy.len, 3);
    assert_true(ql__arena_copy(&arena, (ql_str){NULL, 0}, &copy));
    assert_string_equal(copy.ptr, "");
    unsigned *zeros = ql__arena_alloc_zero(&arena, 1000, sizeof *zeros);
    for (int i = 0; i < 1000; i++) assert_int_equal(zeros[i], 0);
    assert_null(ql__arena_alloc_zero(&arena, SIZE_MAX, 2));
    ql__arena_dispose(&arena);
}

static void test_arena__is_what_converters_allocate_from(void **state)
{
    (void)state;
    ql_arena arena;
    ql__arena_init(&arena.arena, 32);
    assert_non_null(ql_arena_alloc(&arena, 32));
    assert_null(ql_arena_alloc(&arena, 1));
    ql__arena_dispose(&arena.arena);
}

static ql_status many_pieces(void *user, ql_error *err)
{
    (void)user;
    ql__arena arena;
    ql__arena_init(&arena, 0);
    ql_status status = QL_OK;
    for (size_t i = 1; i < 40 && status == QL_OK; i++) {
        char *piece = ql__arena_alloc(&arena, i * 1000);
        if (piece) memset(piece, 1, i * 1000);
        else status = ql__fail_nomem(err);
    }
    assert_false(arena.limit_met);
    ql__arena_dispose(&arena);
    return status;
}

static void test_arena__survives_running_out_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, many_pieces, NULL);
}

/* Without this an overflow inside a block would hide from the sanitizer in every parser that uses an arena. */
static void test_arena__shows_overflows_to_the_sanitizer(void **state)
{
    (void)state;
#ifdef SANITIZED
    ql__arena arena;
    ql__arena_init(&arena, 0);
    for (size_t size = 1; size < 200; size++) {
        char *piece = ql__arena_alloc(&arena, size);
        assert_false(__asan_address_is_poisoned(piece + size - 1));
        assert_true(__asan_address_is_poisoned(piece + size));
    }
    char *piece = ql__arena_alloc(&arena, 10);
    ql__arena_reset(&arena);
    assert_true(__asan_address_is_poisoned(piece));
    ql__arena_dispose(&arena);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena__keeps_pieces_apart_and_aligned),
        cmocka_unit_test(test_arena__holds_pieces_larger_than_a_block),
        cmocka_unit_test(test_arena__refuses_beyond_its_cap_but_goes_on_below),
        cmocka_unit_test(test_arena__reset_reuses_memory),
        cmocka_unit_test(test_arena__reset_does_not_keep_a_giant_block),
        cmocka_unit_test(test_arena__copies_with_a_terminating_nul),
        cmocka_unit_test(test_arena__is_what_converters_allocate_from),
        cmocka_unit_test(test_arena__survives_running_out_of_memory),
        cmocka_unit_test(test_arena__shows_overflows_to_the_sanitizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
