/*
 * Goal: the chunker keeps its guarantees whatever the document, and its rules hold.
 * Method: random documents of every format with any limits; small documents written for each rule; trees by hand that no converter of ours
 * makes but one of an application may, each also stopped at every chunk.
 */
#include "support/chunk_check.h"

static void random_options(ql_chunk_options *options)
{
    *options = (ql_chunk_options){.struct_size = sizeof *options};
    options->size_max = 1 + check_random(check_random(3) == 0 ? 20 : 300);
    if (check_random(2)) options->overlap = check_random(options->size_max);
    if (check_random(2)) options->size_min = 1 + check_random(options->size_max);
    if (check_random(2)) options->measure = &check_measure_tokens;
}

static void run_random(const ql_converter_ops *converter, const char *type, void (*make_fn)(ql_buf *out), unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        ql_buf text = QL_BUF_INIT;
        ql_chunk_options options;
        check_chunks chunks;
        check_seed = 0x9e3779b97f4a7c15u * (i + 1);
        make_fn(&text);
        random_options(&options);
        check_run(converter, type, ql_buf_str(&text), &options, &chunks);
        check_chunks_free(&chunks);
        ql_buf_dispose(&text);
    }
}

static void make_prose(ql_buf *out)
{
    check_random_prose(out, check_random(60), check_random(2) ? "\n" : "\r\n");
}

static void test_chunk_structure__holds_its_guarantees_on_prose(void **state)
{
    (void)state;
    run_random(ql__convert_text(), "txt", make_prose, 150);
}

static void test_chunk_structure__holds_its_guarantees_on_lines(void **state)
{
    (void)state;
    run_random(ql__convert_text(), "yaml", make_prose, 150);
}

static void make_markdown(ql_buf *out)
{
    check_random_markdown(out, check_random(80), check_random(3) ? "\n" : "\r\n");
}

static void test_chunk_structure__holds_its_guarantees_on_markdown(void **state)
{
    (void)state;
    run_random(ql__convert_markdown(), "md", make_markdown, 250);
}

static void make_json(ql_buf *out)
{
    check_random_json(out, 6, check_random(2));
    if (check_random(4) == 0) check_random_words(out, 3); /* no JSON any more */
}

static void make_json_lines(ql_buf *out)
{
    for (unsigned n = check_random(30); n > 0; n--) {
        if (check_random(6) == 0) check_random_words(out, check_random(40));
        else check_random_json(out, 3, false);
        ql_buf_append_char(out, '\n');
    }
}

static void test_chunk_structure__holds_its_guarantees_on_json(void **state)
{
    (void)state;
    run_random(ql__convert_json(), "json", make_json, 250);
    run_random(ql__convert_json(), "jsonl", make_json_lines, 100);
}

/* ---- rules, in characters ---- */

typedef struct rule {
    check_chunks chunks;
    ql_chunk_options options;
} rule;

static void run_rule(rule *self, const char *type, ql_str content, uint32_t size_max, uint32_t size_min, uint32_t overlap)
{
    self->options = (ql_chunk_options){.struct_size = sizeof self->options, .size_max = size_max, .size_min = size_min, .overlap = overlap};
    const ql_converter_ops *converter = strcmp(type, "md") == 0 ? ql__convert_markdown() : ql__convert_text();
    check_run(converter, type, content, &self->options, &self->chunks);
}

static void expect_chunk(const rule *self, size_t index, const char *path, const char *text)
{
    assert_true(index < self->chunks.count);
    const ql_chunk *chunk = &self->chunks.items[index];
    char got[2048];
    assert_true(chunk->text.len < sizeof got);
    memcpy(got, chunk->text.ptr, chunk->text.len);
    got[chunk->text.len] = '\0';
    assert_string_equal(got, text);
    assert_string_equal(chunk->section_path.ptr, path);
}

static void test_chunk_structure__begins_a_chunk_at_a_section(void **state)
{
    (void)state;
    rule r;
    run_rule(&r, "md", QL_STR("# A\n\nSome text of A.\n\n## B\n\nSome text of B.\n\n# C\n\nSome text of C.\n"), 100, 10, 0);
    assert_int_equal(r.chunks.count, 3);
    expect_chunk(&r, 0, "A", "# A\n\nSome text of A.\n\n");
    expect_chunk(&r, 1, "A > B", "## B\n\nSome text of B.\n\n");
    expect_chunk(&r, 2, "C", "# C\n\nSome text of C.\n");
    check_chunks_free(&r.chunks);
}

static void test_chunk_structure__joins_small_sections_of_one_parent(void **state)
{
    (void)state;
    rule r;
    /* B, C and E are small and share A; D would be welcome but does not fit any more. */
    run_rule(&r, "md", QL_STR("# A\n\n## B\n\nOne.\n\n## C\n\nTwo.\n\n### E\n\nThree.\n\n# D\n\nFour.\n"), 50, 30, 0);
    assert_int_equal(r.chunks.count, 2);
    expect_chunk(&r, 0, "A", "# A\n\n## B\n\nOne.\n\n## C\n\nTwo.\n\n### E\n\nThree.\n\n");
    expect_chunk(&r, 1, "D", "# D\n\nFour.\n");
    check_chunks_free(&r.chunks);
}

static void test_chunk_structure__never_leaves_a_heading_without_its_text(void **state)
{
    (void)state;
    rule r;
    run_rule(&r, "md", QL_STR("# A\n\n## B\n\nText of B that is so long that it does not fit with both of the headings. Really not.\n"), 80, 5, 0);
    expect_chunk(&r, 0, "A", "# A\n\n## B\n\nText of B that is so long that it does not fit with both of the ");
    expect_chunk(&r, 1, "A > B", "headings. Really not.\n");
    check_chunks_free(&r.chunks);
}

static void test_chunk_structure__keeps_code_and_tables_whole(void **state)
{
    (void)state;
    rule r;
    run_rule(&r, "md", QL_STR("Some words in front.\n\n```c\nint a;\n\nint b;\n\nint c;\n```\n\nMore words behind.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n"), 45, 5, 0);
    assert_int_equal(r.chunks.count, 4);
    expect_chunk(&r, 0, "", "Some words in front.\n\n");
    expect_chunk(&r, 1, "", "```c\nint a;\n\nint b;\n\nint c;\n```\n\n");
    expect_chunk(&r, 2, "", "More words behind.\n\n");
    expect_chunk(&r, 3, "", "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n");
    check_chunks_free(&r.chunks);
}

static void test_chunk_structure__cuts_long_blocks_at_their_parts(void **state)
{
    (void)state;
    rule r;
    run_rule(&r, "md", QL_STR("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n| 5 | 6 |\n"), 25, 1, 0);
    expect_chunk(&r, 0, "", "| a | b |\n|---|---|\n");
    expect_chunk(&r, 1, "", "| 1 | 2 |\n| 3 | 4 |\n");
    check_chunks_free(&r.chunks);
    run_rule(&r, "md", QL_STR("- item one\n- item two\n- item three\n"), 24, 1, 0);
    expect_chunk(&r, 0, "", "- item one\n- item two\n");
    check_chunks_free(&r.chunks);
    run_rule(&r, "txt", QL_STR("This is one sentence\nin two lines. This is another. And a third.\n"), 52, 1, 0);
    expect_chunk(&r, 0, "", "This is one sentence\nin two lines. This is another. ");
    check_chunks_free(&r.chunks);
    run_rule(&r, "txt", QL_STR("words without any end of a sentence in sight"), 20, 1, 0);
    expect_chunk(&r, 0, "", "words without any ");
    check_chunks_free(&r.chunks);
    run_rule(&r, "txt", QL_STR("one\xcc\x81\xcc\x81\xcc\x81word"), 5, 1, 0);
    expect_chunk(&r, 0, "", "on");
    check_chunks_free(&r.chunks);
}

static void test_chunk_structure__repeats_the_overlap_but_not_across_headings(void **state)
{
    (void)state;
    rule r;
    run_rule(&r, "md", QL_STR("# A\n\nOne two three four five. Six seven eight nine ten. Eleven twelve.\n\n# B\n\nText of B.\n"), 40, 1, 12);
    assert_true(r.chunks.count >= 3);
    expect_chunk(&r, 0, "A", "# A\n\nOne two three four five. ");
    expect_chunk(&r, 1, "A", "four five. Six seven eight nine ten. ");
    assert_int_equal(r.chunks.items[1].overlap_bytes, 11);
    const ql_chunk *last = &r.chunks.items[r.chunks.count - 1];
    assert_int_equal(last->overlap_bytes, 0);
    assert_memory_equal(last->text.ptr, "# B", 3);
    check_chunks_free(&r.chunks);
}

static void test_chunk_structure__stops_at_the_asked_number_of_chunks(void **state)
{
    (void)state;
    check_chunks chunks;
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 5, .chunks_max = 2};
    check_run(ql__convert_text(), "txt", QL_STR("one two three four five six"), &options, &chunks);
    assert_int_equal(chunks.count, 2);
    check_chunks_free(&chunks);
}

static int stop_at_second(void *user, const ql_chunk *chunk)
{
    (void)user;
    return chunk->index == 1 ? 77 : 0;
}

static void test_chunk_structure__stops_between_blocks(void **state)
{
    (void)state;
    const ql_block blocks[] = {{.end = 16, .parent = QL_BLOCK_NONE, .next = 5}, {.begin = 0, .end = 4, .parent = 0, .next = 2, .kind = QL_BLOCK_SECTION},
                               {.begin = 4, .end = 8, .parent = 0, .next = 3, .kind = QL_BLOCK_SECTION}, {.begin = 8, .end = 12, .parent = 0, .next = 4, .kind = QL_BLOCK_SECTION},
                               {.begin = 12, .end = 16, .parent = 0, .next = 5, .kind = QL_BLOCK_SECTION}};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 4, .size_min = 1, .chunks_max = 1};
    check_chunks chunks = {.canonical = {.struct_size = sizeof(ql_canonical), .text = QL_STR("one\ntwo\nsix\nten\n"), .blocks = blocks, .block_count = 5}};
    ql__arena_init(&chunks.arena.arena, 0);
    check_chunk(&options, &chunks);
    assert_int_equal(chunks.count, 1);
    check_chunks_free(&chunks);
}

static void test_chunk_structure__stops_when_the_callback_says_so(void **state)
{
    (void)state;
    ql_error err = {0};
    check_chunks converted;
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 5};
    check_convert(ql__convert_text(), QL_STR("txt"), QL_STR("one two three four five six"), &converted);
    assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &converted.canonical, &options, stop_at_second, NULL, &err), QL_E_CALLBACK);
    assert_int_equal(err.callback_value, 77);
    check_chunks_free(&converted);
}

static void test_chunk_structure__refuses_bad_arguments_and_trees(void **state)
{
    (void)state;
    ql_error err = {0};
    ql_chunk_options options = {.struct_size = sizeof options, .size_max = 5, .overlap = 5};
    ql_block blocks[3] = {{.end = 10, .parent = QL_BLOCK_NONE, .next = 3}, {.begin = 0, .end = 6, .parent = 0, .next = 2}, {.begin = 5, .end = 10, .parent = 0, .next = 3}};
    ql_canonical canonical = {.struct_size = sizeof canonical, .text = QL_STR("0123456789"), .blocks = blocks, .block_count = 3};
    assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &canonical, &options, check_collect, NULL, &err), QL_E_INVALID);
    options.overlap = 0;
    options.size_max = 0;
    assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &canonical, &options, check_collect, NULL, &err), QL_E_INVALID);
    assert_string_equal(err.message, "size_max is 0");
    options.size_max = 5;
    assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, NULL, &options, check_collect, NULL, &err), QL_E_INVALID);
    assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &canonical, NULL, check_collect, NULL, &err), QL_E_INVALID);
    assert_string_equal(err.message, "canonical or options missing");
    assert_true(ql__chunker_structure()->accepts_fn(NULL, NULL, &canonical)); /* everything that came so far */
    assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &canonical, &options, check_collect, NULL, &err), QL_E_INVALID);
    assert_string_equal(err.message, "block tree is not well-formed");
    canonical.block_count = 1;
    blocks[0].next = 1;
    canonical.text = QL_STR("012345678\xff");
    assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &canonical, &options, check_collect, NULL, &err), QL_E_INVALID);
}

/* ---- trees by hand */

typedef struct node {
    uint32_t depth; /* 1: directly in the document */
    ql_block_kind kind;
    const char *text; /* its range: where this stands next in the document */
} node;

typedef struct stop {
    size_t last;
    bool done; /* nothing may come any more */
} stop;

static int stop_later(void *user, const ql_chunk *chunk)
{
    stop *self = user;
    assert_false(self->done);
    self->done = chunk->index == self->last;
    return self->done ? 77 : 0;
}

static void run_tree(rule *self, const char *text, const node *nodes, uint32_t count, uint32_t size_max, uint32_t size_min)
{
    static ql_block blocks[16];
    uint32_t open[8] = {0};
    const char *at = text;
    assert_true(count < 16);
    blocks[0] = (ql_block){.end = strlen(text), .parent = QL_BLOCK_NONE, .next = count + 1, .kind = QL_BLOCK_DOCUMENT};
    for (uint32_t i = 1; i <= count; i++) {
        const node *from = &nodes[i - 1];
        at = strstr(at, from->text);
        assert_non_null(at);
        uint64_t begin = (uint64_t)(at - text);
        blocks[i] = (ql_block){.begin = begin, .end = begin + strlen(from->text), .parent = open[from->depth - 1], .next = count + 1, .kind = (uint16_t)from->kind, .level = 1};
        open[from->depth] = i;
        if (i < count && nodes[i].depth <= from->depth) at += strlen(from->text);
        for (uint32_t j = i; j < count; j++)
            if (nodes[j].depth <= from->depth) {
                blocks[i].next = j + 1;
                break;
            }
    }
    self->options = (ql_chunk_options){.struct_size = sizeof self->options, .size_max = size_max, .size_min = size_min};
    self->chunks = (check_chunks){.canonical = {.struct_size = sizeof(ql_canonical), .text = ql_str_of(text), .blocks = blocks, .block_count = count + 1}};
    ql__arena_init(&self->chunks.arena.arena, 0);
    check_chunk(&self->options, &self->chunks);
    for (size_t last = 0; last < self->chunks.count; last++) {
        ql_error err = {0};
        stop once = {last, false}, again = {last, false};
        assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &self->chunks.canonical, &self->options, stop_later, &once, &err), QL_E_CALLBACK);
        assert_int_equal(err.callback_value, 77);
        assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &self->chunks.canonical, &self->options, stop_later, &again, NULL), QL_E_CALLBACK);
    }
}

static void expect_texts(rule *self, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) expect_chunk(self, i, "", texts[i]);
    assert_int_equal(self->chunks.count, count);
    check_chunks_free(&self->chunks);
}
#define EXPECT_TEXTS(self, ...) expect_texts((self), (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
#define NODES(...) (const node[]){__VA_ARGS__}, sizeof((const node[]){__VA_ARGS__}) / sizeof(node)

static void test_chunk_structure__keeps_a_heading_with_what_follows_it(void **state)
{
    (void)state;
    rule r;
    /* Headings that head no section. The heading alone would fit into the first chunk. */
    run_tree(&r, "Some words in front.\nA heading\nText below the heading.\n",
             NODES({1, QL_BLOCK_PARAGRAPH, "Some words in front.\n"}, {1, QL_BLOCK_HEADING, "A heading\n"}, {1, QL_BLOCK_PARAGRAPH, "Text below the heading.\n"}), 40, 1);
    EXPECT_TEXTS(&r, "Some words in front.\n", "A heading\nText below the heading.\n");
    run_tree(&r, "Some words in front.\nA heading\nText below the heading.\n",
             NODES({1, QL_BLOCK_PARAGRAPH, "Some words in front.\n"}, {1, QL_BLOCK_HEADING, "A heading\n"}, {1, QL_BLOCK_PARAGRAPH, "Text below the heading.\n"}), 100, 1);
    EXPECT_TEXTS(&r, "Some words in front.\nA heading\nText below the heading.\n");
    /* Nothing, only white space, and only a heading before it; nothing behind it. */
    run_tree(&r, "A heading\nText below it.\n", NODES({1, QL_BLOCK_HEADING, "A heading\n"}, {1, QL_BLOCK_PARAGRAPH, "Text below it.\n"}), 20, 1);
    EXPECT_TEXTS(&r, "A heading\nText ", "below it.\n");
    run_tree(&r, "\n\nA heading\nText below it.\n", NODES({1, QL_BLOCK_HEADING, "A heading\n"}, {1, QL_BLOCK_PARAGRAPH, "Text below it.\n"}), 20, 1);
    EXPECT_TEXTS(&r, "\n\nA heading\nText ", "below it.\n");
    run_tree(&r, "A heading\nAnd more\nText below.\n",
             NODES({1, QL_BLOCK_HEADING, "A heading\n"}, {1, QL_BLOCK_HEADING, "And more\n"}, {1, QL_BLOCK_PARAGRAPH, "Text below.\n"}), 24, 1);
    EXPECT_TEXTS(&r, "A heading\nAnd more\nText ", "below.\n");
    run_tree(&r, "Some words in front.\nA heading\n", NODES({1, QL_BLOCK_PARAGRAPH, "Some words in front.\n"}, {1, QL_BLOCK_HEADING, "A heading\n"}), 40, 1);
    EXPECT_TEXTS(&r, "Some words in front.\nA heading\n");
    /* The last of a list: what is behind the list is not its text. */
    run_tree(&r, "Words.\nA heading\nText that is not of the heading at all.\n",
             NODES({1, QL_BLOCK_LIST, "Words.\nA heading\n"}, {2, QL_BLOCK_PARAGRAPH, "Words.\n"}, {2, QL_BLOCK_HEADING, "A heading\n"}, {1, QL_BLOCK_PARAGRAPH, "Text that is not of the heading at all.\n"}), 16, 1);
    EXPECT_TEXTS(&r, "Words.\n", "A heading\nText ", "that is not of ", "the heading at ", "all.\n");
    run_tree(&r, "Some words in front.\nA heading\nText below the heading.\n",
             NODES({1, QL_BLOCK_SECTION, "Some words in front.\nA heading\nText below the heading.\n"}, {2, QL_BLOCK_PARAGRAPH, "Some words in front.\n"}, {2, QL_BLOCK_HEADING, "A heading\n"}, {2, QL_BLOCK_PARAGRAPH, "Text below the heading.\n"}), 40, 1);
    EXPECT_TEXTS(&r, "Some words in front.\n", "A heading\nText below the heading.\n");
    /* It fills a chunk by itself: there is no room for text. */
    run_tree(&r, "H\nbcd\n", NODES({1, QL_BLOCK_HEADING, "H\n"}, {1, QL_BLOCK_PARAGRAPH, "bcd\n"}), 2, 1);
    EXPECT_TEXTS(&r, "H\n", "bc", "d\n");
    /* First of the blocks of a section, but with text of it in front: that text is what the section leads with. */
    run_tree(&r, "Zero zero.\nin front\nH\nA long text of the inner section.\n",
             NODES({1, QL_BLOCK_SECTION, "Zero zero.\nin front\nH\nA long text of the inner section.\n"}, {2, QL_BLOCK_PARAGRAPH, "Zero zero.\n"}, {2, QL_BLOCK_SECTION, "in front\nH\nA long text of the inner section.\n"}, {3, QL_BLOCK_HEADING, "H\n"}, {3, QL_BLOCK_SECTION, "A long text of the inner section.\n"}), 34, 15);
    EXPECT_TEXTS(&r, "Zero zero.\nin front\nH\n", "A long text of the inner section.\n");
}

static void test_chunk_structure__goes_back_to_an_outer_section(void **state)
{
    (void)state;
    rule r;
    /* Text of a section behind a section in it: no part of the inner one, so it joins only what is small. */
    run_tree(&r, "Inner text that is enough.\nOuter text that is enough.\n",
             NODES({1, QL_BLOCK_SECTION, "Inner text that is enough.\nOuter text that is enough.\n"}, {2, QL_BLOCK_SECTION, "Inner text that is enough.\n"}, {3, QL_BLOCK_PARAGRAPH, "Inner text that is enough.\n"}, {2, QL_BLOCK_PARAGRAPH, "Outer text that is enough.\n"}), 100, 10);
    EXPECT_TEXTS(&r, "Inner text that is enough.\n", "Outer text that is enough.\n");
    /* The same as text of no block. */
    run_tree(&r, "Inner text that is enough.\nOuter text that is enough.\n",
             NODES({1, QL_BLOCK_SECTION, "Inner text that is enough.\nOuter text that is enough.\n"}, {2, QL_BLOCK_SECTION, "Inner text that is enough.\n"}), 100, 10);
    EXPECT_TEXTS(&r, "Inner text that is enough.\n", "Outer text that is enough.\n");
    run_tree(&r, "Inner text that is enough.\nOuter text that is enough.\nAnother text.\n",
             NODES({1, QL_BLOCK_SECTION, "Inner text that is enough.\nOuter text that is enough.\n"}, {2, QL_BLOCK_SECTION, "Inner text that is enough.\n"}, {1, QL_BLOCK_SECTION, "Another text.\n"}), 40, 10);
    EXPECT_TEXTS(&r, "Inner text that is enough.\n", "Outer text that is enough.\n", "Another text.\n");
    /* And in a list that has to be cut: only the list lies directly in the section. */
    run_tree(&r, "Inner text.\n- one item here\n- one item more\n",
             NODES({1, QL_BLOCK_SECTION, "Inner text.\n- one item here\n- one item more\n"}, {2, QL_BLOCK_SECTION, "Inner text.\n"}, {2, QL_BLOCK_LIST, "- one item here\n- one item more\n"}, {3, QL_BLOCK_ITEM, "- one item here\n"}, {3, QL_BLOCK_ITEM, "- one item more\n"}), 20, 5);
    EXPECT_TEXTS(&r, "Inner text.\n", "- one item here\n", "- one item more\n");
}

static void test_chunk_structure__joins_only_what_is_related(void **state)
{
    (void)state;
    rule r;
    /* The inner section lies in another section than what waits, although nothing of that other one came between them. */
    run_tree(&r, "tiny\nmore text\n", NODES({1, QL_BLOCK_SECTION, "tiny\n"}, {1, QL_BLOCK_SECTION, "more text\n"}, {2, QL_BLOCK_SECTION, "more text\n"}), 100, 50);
    EXPECT_TEXTS(&r, "tiny\n", "more text\n");
    /* Text of no block behind the heading is what a section leads with, and that fits. */
    run_tree(&r, "Zero zero.\nH\nown text\nA long text of the inner section.\n",
             NODES({1, QL_BLOCK_SECTION, "Zero zero.\nH\nown text\nA long text of the inner section.\n"}, {2, QL_BLOCK_PARAGRAPH, "Zero zero.\n"}, {2, QL_BLOCK_SECTION, "H\nown text\nA long text of the inner section.\n"}, {3, QL_BLOCK_HEADING, "H\n"}, {3, QL_BLOCK_SECTION, "A long text of the inner section.\n"}), 34, 15);
    EXPECT_TEXTS(&r, "Zero zero.\nH\nown text\n", "A long text of the inner section.\n");
    run_tree(&r, "some words of no block\nlast\n", NODES({1, QL_BLOCK_PARAGRAPH, "last\n"}), 12, 1);
    EXPECT_TEXTS(&r, "some words ", "of no block\n", "last\n");
}

static void test_chunk_structure__looks_into_pages(void **state)
{
    (void)state;
    rule r;
    run_tree(&r, "Section one.\nSection two.\n",
             NODES({1, QL_BLOCK_PAGE, "Section one.\nSection two.\n"}, {2, QL_BLOCK_SECTION, "Section one.\n"}, {2, QL_BLOCK_SECTION, "Section two.\n"}), 100, 5);
    EXPECT_TEXTS(&r, "Section one.\n", "Section two.\n");
}

static void test_chunk_structure__keeps_whole_what_fits_a_chunk(void **state)
{
    (void)state;
    static const ql_block_kind whole[] = {QL_BLOCK_CODE, QL_BLOCK_TABLE, QL_BLOCK_FRONT_MATTER, QL_BLOCK_ROW};
    rule r;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        run_tree(&r, "tiny\nfour words kept together\n", NODES({1, QL_BLOCK_PARAGRAPH, "tiny\n"}, {1, whole[i], "four words kept together\n"}), 27, 20);
        EXPECT_TEXTS(&r, "tiny\n", "four words kept together\n");
    }
    run_tree(&r, "tiny\nfour words kept together\n", NODES({1, QL_BLOCK_PARAGRAPH, "tiny\n"}, {1, QL_BLOCK_PARAGRAPH, "four words kept together\n"}), 27, 20);
    EXPECT_TEXTS(&r, "tiny\nfour ", "words kept together\n");
    /* A value's key alone says nothing: it is not left alone, but half a chunk is. */
    run_tree(&r, "tiny\nfour words kept together\n", NODES({1, QL_BLOCK_PARAGRAPH, "tiny\n"}, {1, QL_BLOCK_VALUE, "four words kept together\n"}), 27, 20);
    EXPECT_TEXTS(&r, "tiny\nfour ", "words kept together\n");
    run_tree(&r, "tiny\nfour words kept together\n", NODES({1, QL_BLOCK_PARAGRAPH, "tiny\n"}, {1, QL_BLOCK_VALUE, "four words kept together\n"}), 27, 10);
    EXPECT_TEXTS(&r, "tiny\n", "four words kept together\n");
    /* The own text of a piece of code, behind a comment in it. */
    run_tree(&r, "tiny\nfour words kept together\n", NODES({1, QL_BLOCK_ELEMENT, "tiny\nfour words kept together\n"}, {2, QL_BLOCK_PARAGRAPH, "tiny\n"}), 27, 20);
    EXPECT_TEXTS(&r, "tiny\n", "four words kept together\n");
}

/* "e" and its accent in two blocks: no chunk ends between them. */
static void test_chunk_structure__keeps_a_grapheme_that_blocks_divide(void **state)
{
    (void)state;
    rule r;
    run_tree(&r, "aaaa e\xcc\x81 bbbb\n", NODES({1, QL_BLOCK_PARAGRAPH, "aaaa e"}, {1, QL_BLOCK_PARAGRAPH, "\xcc\x81 bbbb\n"}), 8, 1);
    EXPECT_TEXTS(&r, "aaaa ", "e\xcc\x81 bbbb\n");
    run_tree(&r, "e\xcc\x81 bb bb\n", NODES({1, QL_BLOCK_PARAGRAPH, "e"}, {1, QL_BLOCK_PARAGRAPH, "\xcc\x81 bb bb\n"}), 6, 1);
    EXPECT_TEXTS(&r, "e\xcc\x81 bb ", "bb\n");
    run_tree(&r, "e\xcc\x81x\n", NODES({1, QL_BLOCK_PARAGRAPH, "e"}, {1, QL_BLOCK_PARAGRAPH, "\xcc\x81x\n"}), 1, 0);
    EXPECT_TEXTS(&r, "e\xcc\x81", "x", "\n");
    run_tree(&r, "e\xcc\x81\xcc\x82x", NODES({1, QL_BLOCK_PARAGRAPH, "e\xcc\x81"}, {1, QL_BLOCK_PARAGRAPH, "\xcc\x82x"}), 1, 0);
    EXPECT_TEXTS(&r, "e\xcc\x81\xcc\x82", "x");
}

/* Such a chunk holds something of both blocks, so its path is what they share. */
static void test_chunk_structure__divided_graphemes_belong_to_both_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t middle; /* where the first section ends */
        uint32_t size_max;
        size_t index; /* of the chunk that holds a part of both */
        const char *shared;
    } cases[] = {{"aaaa e\xcc\x81 bbbb", 6, 7, 1, "e\xcc\x81 bbbb"}, {"e\xcc\x81\xcc\x82x", 3, 1, 0, "e\xcc\x81\xcc\x82"}};
    for (size_t i = 0; i < 2; i++) {
        rule r;
        uint64_t end = strlen(cases[i].text);
        const ql_block blocks[] = {{.end = end, .parent = QL_BLOCK_NONE, .next = 4},
                                   {.end = end, .parent = 0, .next = 4, .kind = QL_BLOCK_SECTION, .label = QL_STR("All")},
                                   {.end = cases[i].middle, .parent = 1, .next = 3, .kind = QL_BLOCK_ELEMENT, .label = QL_STR("A")},
                                   {.begin = cases[i].middle, .end = end, .parent = 1, .next = 4, .kind = QL_BLOCK_ELEMENT, .label = QL_STR("B")}};
        r.options = (ql_chunk_options){.struct_size = sizeof r.options, .size_max = cases[i].size_max, .size_min = 1};
        r.chunks = (check_chunks){.canonical = {.struct_size = sizeof(ql_canonical), .text = ql_str_of(cases[i].text), .blocks = blocks, .block_count = 4}};
        ql__arena_init(&r.chunks.arena.arena, 0);
        check_chunk(&r.options, &r.chunks);
        expect_chunk(&r, cases[i].index, "All", cases[i].shared);
        check_chunks_free(&r.chunks);
    }
}

/* Where a leaf is cut so that its rest is no crumb: not where the smallest size is larger than the largest, nor behind the limit in bytes. */
static void test_chunk_structure__leaves_no_crumb_unless_it_must(void **state)
{
    (void)state;
    rule r;
    run_tree(&r, "one two three four five six\n", NODES({1, QL_BLOCK_PARAGRAPH, "one two three four five six\n"}), 24, 12);
    EXPECT_TEXTS(&r, "one two three ", "four five six\n");
    run_tree(&r, "one two three four five six\n", NODES({1, QL_BLOCK_PARAGRAPH, "one two three four five six\n"}), 24, 40);
    EXPECT_TEXTS(&r, "one two three four five ", "six\n");
    for (uint64_t words = 8; words <= 12; words += 4) { /* fewer than a chunk may have, and more */
        QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
        for (uint64_t i = 0; i < words * 601; i++) ql_buf_append_char(&text, i % 601 == 600 ? ' ' : 'x'); /* each word a single unit, six of them are 4 kB */
        const ql_block blocks[] = {{.end = text.len, .parent = QL_BLOCK_NONE, .next = 2}, {.end = text.len, .parent = 0, .next = 2, .kind = QL_BLOCK_PARAGRAPH}};
        const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 10, .size_min = 5, .measure = &check_measure_tokens};
        check_chunks chunks = {.canonical = {.struct_size = sizeof(ql_canonical), .text = ql_buf_str(&text), .blocks = blocks, .block_count = 2}};
        ql__arena_init(&chunks.arena.arena, 0);
        check_chunk(&options, &chunks);
        assert_int_equal(chunks.items[0].end, 6 * 601);
        assert_int_equal(chunks.items[1].end, words * 601);
        check_chunks_free(&chunks);
    }
}

/* A measure of an application that finds more than there can be. */
static size_t units_without_end(void *user, ql_str text, uint32_t *starts, size_t capacity)
{
    (void)user;
    for (size_t i = 0; i < text.len && i < capacity; i++) starts[i] = (uint32_t)i;
    return starts != NULL ? text.len : (size_t)UINT32_MAX + 2;
}

static int most_tokens(void *user, const ql_chunk *chunk)
{
    uint32_t *most = user;
    if (chunk->tokens > *most) *most = chunk->tokens;
    return 0;
}

static void test_chunk_structure__bounds_the_units_of_a_measure(void **state)
{
    (void)state;
    ql_error err = {0};
    uint32_t most = 0;
    const ql_measure measure = {.struct_size = sizeof measure, .unit = "atoms", .units_fn = units_without_end};
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 2, .measure = &measure};
    const ql_block whole = {.end = 6, .parent = QL_BLOCK_NONE, .next = 1};
    const ql_canonical canonical = {.struct_size = sizeof canonical, .text = QL_STR("abcdef"), .blocks = &whole, .block_count = 1};
    assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &canonical, &options, most_tokens, &most, &err), QL_OK);
    assert_int_equal(most, UINT32_MAX);
    stop at = {0, false};
    assert_int_equal(ql__chunker_structure()->chunk_fn(NULL, NULL, &canonical, &options, stop_later, &at, &err), QL_E_CALLBACK);
}

static int ignore(void *user, const ql_chunk *chunk)
{
    (void)user;
    (void)chunk;
    return 0;
}

static ql_status scenario(void *user, ql_error *err)
{
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 20, .overlap = 4};
    return ql__chunker_structure()->chunk_fn(NULL, NULL, user, &options, ignore, NULL, err);
}

static void test_chunk_structure__survives_every_failing_allocation(void **state)
{
    (void)state;
    check_chunks converted;
    check_convert(ql__convert_markdown(), QL_STR("md"), QL_STR("# A\n\nSome text of A. More of it.\n\n## B\n\nSome text of B.\n"), &converted);
    ql_test_fault_loop(QL_FAULT_ALLOC, scenario, &converted.canonical);
    check_chunks_free(&converted);
}

static void test_chunk_structure__gives_no_chunk_for_an_empty_text(void **state)
{
    (void)state;
    const ql_chunk_options options = {.struct_size = sizeof options, .size_max = 10};
    check_chunks chunks;
    check_run(ql__convert_text(), "txt", QL_STR(""), &options, &chunks);
    assert_int_equal(chunks.count, 0);
    check_chunks_free(&chunks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk_structure__holds_its_guarantees_on_prose),
        cmocka_unit_test(test_chunk_structure__holds_its_guarantees_on_lines),
        cmocka_unit_test(test_chunk_structure__holds_its_guarantees_on_markdown),
        cmocka_unit_test(test_chunk_structure__holds_its_guarantees_on_json),
        cmocka_unit_test(test_chunk_structure__begins_a_chunk_at_a_section),
        cmocka_unit_test(test_chunk_structure__joins_small_sections_of_one_parent),
        cmocka_unit_test(test_chunk_structure__never_leaves_a_heading_without_its_text),
        cmocka_unit_test(test_chunk_structure__keeps_code_and_tables_whole),
        cmocka_unit_test(test_chunk_structure__cuts_long_blocks_at_their_parts),
        cmocka_unit_test(test_chunk_structure__repeats_the_overlap_but_not_across_headings),
        cmocka_unit_test(test_chunk_structure__stops_at_the_asked_number_of_chunks),
        cmocka_unit_test(test_chunk_structure__keeps_a_heading_with_what_follows_it),
        cmocka_unit_test(test_chunk_structure__goes_back_to_an_outer_section),
        cmocka_unit_test(test_chunk_structure__joins_only_what_is_related),
        cmocka_unit_test(test_chunk_structure__looks_into_pages),
        cmocka_unit_test(test_chunk_structure__keeps_whole_what_fits_a_chunk),
        cmocka_unit_test(test_chunk_structure__keeps_a_grapheme_that_blocks_divide),
        cmocka_unit_test(test_chunk_structure__divided_graphemes_belong_to_both_blocks),
        cmocka_unit_test(test_chunk_structure__leaves_no_crumb_unless_it_must),
        cmocka_unit_test(test_chunk_structure__bounds_the_units_of_a_measure),
        cmocka_unit_test(test_chunk_structure__stops_between_blocks),
        cmocka_unit_test(test_chunk_structure__stops_when_the_callback_says_so),
        cmocka_unit_test(test_chunk_structure__refuses_bad_arguments_and_trees),
        cmocka_unit_test(test_chunk_structure__survives_every_failing_allocation),
        cmocka_unit_test(test_chunk_structure__gives_no_chunk_for_an_empty_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
