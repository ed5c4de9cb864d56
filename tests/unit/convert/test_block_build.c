/* The tree builder keeps any sequence of calls well-formed and bounded. */
#include "support/chunk_check.h"

#include "base/limits.h"
#include "convert/block_build.h"

static void test_block_build__clamps_whatever_it_is_told(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        struct ql_arena arena;
        ql_canonical canonical = {.text = {"", 1000}};
        ql__blocks blocks;
        uint32_t open[64], depth = 0;
        check_seed = round + 1;
        ql__arena_init(&arena.arena, 0);
        ql__blocks_init(&blocks, 1000);
        for (int i = 0; i < 300; i++) {
            unsigned pick = check_random(4);
            if (pick == 0 && depth < 64) {
                open[depth] = ql__blocks_open(&blocks, QL_BLOCK_LIST, 0, check_random(1200));
                depth += open[depth] != QL_BLOCK_NONE;
            } else if (pick == 1 && depth > 0) {
                ql__blocks_close(&blocks, check_random(1200));
                depth--;
            } else if (pick == 2) {
                (void)ql__blocks_leaf(&blocks, QL_BLOCK_PARAGRAPH, 0, check_random(1200), check_random(1200), (ql_str){0}, (ql_str){0});
            } else if (pick == 3 && depth > 0 && check_random(3) == 0) {
                ql__blocks_cancel(&blocks, open[--depth]);
            }
        }
        assert_int_equal(ql__blocks_finish(&blocks, &arena, &canonical, NULL), QL_OK);
        check_tree(&canonical);
        ql__blocks_dispose(&blocks);
        ql__arena_dispose(&arena.arena);
    }
}

static void test_block_build__bounds_depth_and_density(void **state)
{
    (void)state;
    ql__blocks blocks;
    ql__blocks_init(&blocks, 1000);
    unsigned opened = 1;
    while (ql__blocks_open(&blocks, QL_BLOCK_LIST, 0, 0) != QL_BLOCK_NONE) opened++;
    assert_int_equal(opened, QL_LIMIT_TREE_DEPTH);
    ql__blocks_dispose(&blocks);
    ql__blocks_init(&blocks, 1 << 20);
    for (uint64_t at = 0; at < 1 << 20; at++) (void)ql__blocks_leaf(&blocks, QL_BLOCK_PARAGRAPH, 0, at, at + 1, (ql_str){0}, (ql_str){0});
    assert_true(blocks.count > (1 << 20) / 33 && blocks.count <= (1 << 20) / 32 + 4097);
    ql__blocks_dispose(&blocks);
}

static void test_block_build__shortens_labels_between_graphemes(void **state)
{
    (void)state;
    struct ql_arena arena;
    ql__blocks blocks;
    ql__blocks_init(&blocks, 0);
    ql__arena_init(&arena.arena, 0);
    ql_str label = ql__blocks_label(&blocks, &arena, QL_STR("  a\n\tb  c "));
    assert_string_equal(label.ptr, "a b c");
    ql_buf text = QL_BUF_INIT;
    for (int i = 0; i < 200; i++) ql_buf_append(&text, QL_STR("x\xcc\x81"));
    label = ql__blocks_label(&blocks, &arena, ql_buf_str(&text));
    assert_int_equal(label.len, 255);
    assert_false(blocks.failed);
    ql__blocks_dispose(&blocks);
    ql_buf_dispose(&text);
    ql__arena_dispose(&arena.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_build__clamps_whatever_it_is_told),
        cmocka_unit_test(test_block_build__bounds_depth_and_density),
        cmocka_unit_test(test_block_build__shortens_labels_between_graphemes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
