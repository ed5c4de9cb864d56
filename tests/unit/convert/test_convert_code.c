/*
 * Goal: the outline of a source file is what a reader of the language expects, comments and decorators go with their element, and every
 * line is in exactly one block, whatever the file holds. Method: one golden file per language, prefixes and damaged copies of all
 * fixtures, single rules. The guarantees of a ql_canonical are checked on every run.
 */
#include "support/canonical_check.h"

#include <malloc.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "convert/code_language.h"
#include "convert/code_outline.h"

static const char *const files[] = {
    "sample.c", "sample.cpp", "sample.h", "sample.py", "sample.js", "sample.jsx", "sample.ts", "sample.tsx", "sample.go", "sample.rs", "Sample.java",
    "Sample.cs", "sample.php", "sample.rb", "sample.kt", "sample.swift", "Sample.scala", "sample.sh", "sample.sql",
};

static const char *type_of(const char *name)
{
    return strrchr(name, '.') + 1;
}

static void read_file(const char *name, ql_buf *out)
{
    ql_test_file_read(ql_test_path(QL_TEST_FIXTURES "/code", name), out);
}

/* Every byte that is not blank lies in a CODE block; that no two overlap is checked with the tree. */
static void check_cover(const ql_canonical *c)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i <= c->block_count; i++) {
        bool leaf = i < c->block_count && c->blocks[i].kind == QL_BLOCK_CODE;
        if (!leaf && i < c->block_count) continue;
        uint64_t until = leaf ? c->blocks[i].begin : c->text.len;
        assert_true(until >= at);
        for (; at < until; at++) assert_true((unsigned char)c->text.ptr[at] <= ' ');
        if (leaf) at = c->blocks[i].end;
    }
}

static void convert(canonical_run *run, const char *type, ql_str text)
{
    canonical_convert(run, ql__convert_code(), type, text);
    check_cover(&run->canonical);
}

static void test_convert_code__matches_the_golden_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ql_buf text = QL_BUF_INIT, actual = QL_BUF_INIT;
        read_file(files[i], &text);
        canonical_run run;
        convert(&run, type_of(files[i]), ql_buf_str(&text));
        assert_true(ql_str_equal(run.canonical.text, ql_buf_str(&text)));
        ql_buf_append(&actual, run.canonical.metadata_json);
        ql_buf_append_char(&actual, '\n');
        canonical_outline(&run.canonical, &actual);
        char name[64];
        assert_true(snprintf(name, sizeof name, "%s.expected", files[i]) < (int)sizeof name);
        canonical_golden(ql_test_path(QL_TEST_FIXTURES "/code", name), &actual);
        canonical_dispose(&run);
        ql_buf_dispose(&text);
        ql_buf_dispose(&actual);
    }
}

static void test_convert_code__grammars_know_every_node_of_the_tables(void **state)
{
    (void)state;
    size_t count = 0;
    const ql__code_language *languages = ql__code_languages(&count);
    for (size_t i = 0; i < count; i++) {
        ql__code_grammar grammar;
        ql_error err = {0};
        if (ql__code_grammar_load(&languages[i], &grammar, &err) < 0) fail_msg("%s", err.message);
        const char *unknown = ql__code_unknown_node(&languages[i], grammar.language);
        if (unknown) fail_msg("%s has no node '%s'", languages[i].symbol, unknown);
    }
}

static void test_convert_code__language_follows_the_extension(void **state)
{
    (void)state;
    assert_string_equal(ql__code_language_of(QL_STR("hpp"))->name, "cpp");
    assert_string_equal(ql__code_language_of(QL_STR("tsx"))->symbol, "tree_sitter_tsx");
    assert_null(ql__code_language_of(QL_STR("md")));
    assert_null(ql__code_language_of(QL_STR("")));
    assert_null(ql__code_language_of(QL_STR("c h")));
}

/* Label and type of the n-th element. */
static void expect_element(const ql_canonical *c, size_t n, const char *label, const char *detail, const char *begins)
{
    for (uint32_t i = 0; i < c->block_count; i++) {
        const ql_block *b = &c->blocks[i];
        if (b->kind != QL_BLOCK_ELEMENT || n-- > 0) continue;
        assert_true(ql_str_equal(b->label, ql_str_of(label)));
        assert_true(ql_str_equal(b->detail, ql_str_of(detail)));
        assert_memory_equal(c->text.ptr + b->begin, begins, strlen(begins));
        return;
    }
    fail_msg("no element %s", label);
}

static void test_convert_code__comment_after_an_empty_line_is_not_the_elements(void **state)
{
    (void)state;
    canonical_run run;
    convert(&run, "py", QL_STR("# alone\n\n# with it\n@deco\ndef f(): pass\n"));
    expect_element(&run.canonical, 0, "f", "function", "# with it\n@deco");
    canonical_dispose(&run);
}

static void test_convert_code__comment_behind_an_element_stays_with_it(void **state)
{
    (void)state;
    canonical_run run;
    convert(&run, "c", QL_STR("int a(void) { return 1; } /* of a */\nint b(void) { return 2; } // of b\n// of c\nint c(void) { return 3; }\n"));
    expect_element(&run.canonical, 1, "b", "function", "int b(void)");
    expect_element(&run.canonical, 2, "c", "function", "// of c\nint c");
    canonical_dispose(&run);
}

static void test_convert_code__header_is_read_as_the_language_it_is(void **state)
{
    (void)state;
    canonical_run run;
    convert(&run, "h", QL_STR("namespace a {\ntemplate <typename T> class B : public C<T> { void d(); };\nusing E = B<int>;\nB<E> f(const E &e);\n}\n"));
    expect_element(&run.canonical, 1, "B", "class", "template <typename T>");
    canonical_dispose(&run);
    convert(&run, "h", QL_STR("struct a { int b; };\nint class(int new);\n"));
    assert_non_null(strstr(run.canonical.metadata_json.ptr, "\"c\""));
    canonical_dispose(&run);
}

static void test_convert_code__line_ends_of_windows_are_kept(void **state)
{
    (void)state;
    canonical_run run;
    convert(&run, "js", QL_STR("// one\r\nfunction a() {\r\n}\r\n\r\nlet x = 1;\r\n"));
    expect_element(&run.canonical, 0, "a", "function", "// one\r\nfunction");
    canonical_dispose(&run);
}

static void test_convert_code__elements_are_found_around_errors(void **state)
{
    (void)state;
    canonical_run run;
    convert(&run, "py", QL_STR("def good(): pass\n\n%%% $$ ((\n\nclass Fine:\n    def m(self): pass\n"));
    expect_element(&run.canonical, 0, "good", "function", "def good");
    canonical_dispose(&run);
}

static void test_convert_code__too_large_a_file_is_cut_by_lines(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    while (text.len <= QL_LIMIT_CODE_BYTES) ql_buf_append(&text, QL_STR("int f(void)\n{\n    return 1;\n}\n\n"));
    canonical_run run;
    convert(&run, "c", ql_buf_str(&text));
    assert_non_null(strstr(run.canonical.metadata_json.ptr, "too large"));
    assert_true(run.canonical.block_count > 1000);
    canonical_dispose(&run);
    ql_buf_dispose(&text);
}

/* This damaged file makes the parser insert the same empty token for ever. */
static void test_convert_code__parser_that_finds_no_end_is_given_up(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    read_file("endless.kt", &text);
    canonical_run run;
    convert(&run, "kt", ql_buf_str(&text));
    assert_non_null(strstr(run.canonical.metadata_json.ptr, "gave up"));
    canonical_dispose(&run);
    ql_buf_dispose(&text);
    /* And here its scanner looks for white space behind the end. */
    convert(&run, "kt", QL_STR("class A {\n    val b = 1\n    @"));
    canonical_dispose(&run);
}

/* Bytes handed out, and the most there ever were. */
typedef struct tally {
    size_t live, peak;
} tally;

static void *tally_realloc(void *user, void *ptr, size_t size)
{
    tally *self = user;
    size_t before = ptr ? malloc_usable_size(ptr) : 0;
    void *bytes = realloc(ptr, size);
    if (!bytes) return NULL;
    self->live += malloc_usable_size(bytes) - before;
    if (self->live > self->peak) self->peak = self->live;
    return bytes;
}

static void tally_free(void *user, void *ptr)
{
    ((tally *)user)->live -= malloc_usable_size(ptr);
    free(ptr);
}

/* The grammar's scanner loses the tag at each token of the body: a kilobyte each, were it not behind the fence. */
static void test_convert_code__tags_of_dollar_quotes_take_no_memory(void **state)
{
    (void)state;
    tally bytes = {0};
    const ql_allocator counting = {.struct_size = sizeof counting, .realloc_fn = tally_realloc, .free_fn = tally_free, .user = &bytes};
    ql_buf text = QL_BUF_INIT;
    ql_buf_append(&text, QL_STR("CREATE FUNCTION f() RETURNS int AS $"));
    for (int i = 0; i < 1000; i++) ql_buf_append(&text, QL_STR("a"));
    size_t tag = text.len - 1001;
    ql_buf_append(&text, QL_STR("$ BEGIN\n"));
    for (int i = 0; i < 20000; i++) ql_buf_append(&text, QL_STR("SELECT a, b;\n"));
    ql_buf_append(&text, QL_STR("END; "));
    ql_buf_append(&text, (ql_str){text.ptr + tag, 1002});
    canonical_run run;
    ql__allocator_reset_for_tests(&counting);
    convert(&run, "sql", ql_buf_str(&text));
    assert_non_null(strstr(run.canonical.metadata_json.ptr, "tree_sitter"));
    canonical_dispose(&run);
    ql__allocator_reset_for_tests(NULL);
    ql_buf_dispose(&text);
    assert_true(bytes.peak < (size_t)64 << 20);
}

/* At each of these the parser keeps all ways to read what came before: 15 kB took 400 MB, 90 kB took 12 GB. */
static void test_convert_code__a_parse_that_takes_too_much_memory_is_given_up(void **state)
{
    (void)state;
    static const char *const types[] = {"c", "h"}; /* a header is read twice */
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        tally bytes = {0};
        const ql_allocator counting = {.struct_size = sizeof counting, .realloc_fn = tally_realloc, .free_fn = tally_free, .user = &bytes};
        ql_buf text = QL_BUF_INIT;
        for (int n = 0; n < 5000; n++) ql_buf_append(&text, QL_STR("%w("));
        canonical_run run;
        ql__allocator_reset_for_tests(&counting);
        convert(&run, types[i], ql_buf_str(&text));
        assert_non_null(strstr(run.canonical.metadata_json.ptr, "gave up"));
        canonical_dispose(&run);
        ql__allocator_reset_for_tests(NULL);
        ql_buf_dispose(&text);
        assert_true(bytes.peak < (size_t)48 << 20);
    }
}

/* At each token the parser goes over all that was before: 20 kB took 26 seconds, in few of the steps it counts. */
static void test_convert_code__a_parse_that_goes_in_circles_is_given_up(void **state)
{
    (void)state;
    static const struct {
        const char *type, *piece;
    } cases[] = {{"c", "= ~/"}, {"py", "\\\n"} /* here the scanner reads all that follows */, {"scala", "<?php "} /* and here the lexer */};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ql_buf text = QL_BUF_INIT;
        for (int n = 0; n < 50000; n++) ql_buf_append(&text, ql_str_of(cases[i].piece));
        canonical_run run;
        convert(&run, cases[i].type, ql_buf_str(&text));
        assert_non_null(strstr(run.canonical.metadata_json.ptr, "gave up"));
        canonical_dispose(&run);
        ql_buf_dispose(&text);
    }
}

static void test_convert_code__lines_cut_between_unindented_groups(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    for (int i = 0; i < 40; i++) ql_buf_append(&text, QL_STR("def f():\n    return 1\n\n    # inside\n\n"));
    ql__blocks blocks;
    ql__blocks_init(&blocks, text.len);
    ql__code_lines(&blocks, ql_buf_str(&text), ql__code_language_of(QL_STR("py")));
    assert_true(blocks.count > 2);
    for (size_t i = 1; i < blocks.count; i++) assert_memory_equal(text.ptr + blocks.items[i].begin, "def f", 5);
    ql__blocks_dispose(&blocks);
    ql_buf_dispose(&text);
}

static void test_convert_code__holds_for_prefixes_and_damage(void **state)
{
    (void)state;
    uint32_t seed = 12345;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ql_buf text = QL_BUF_INIT;
        read_file(files[i], &text);
        canonical_run run;
        for (size_t len = 0; len <= text.len; len += 23) {
            convert(&run, type_of(files[i]), (ql_str){text.ptr, len});
            canonical_dispose(&run);
        }
        for (int n = 0; n < 60; n++) {
            seed = seed * 1664525u + 1013904223u;
            text.ptr[(seed >> 8) % text.len] = (char)("{}()[]\"'\n;#/ \\<>"[(seed >> 4) & 15]);
            convert(&run, type_of(files[i]), ql_buf_str(&text));
            canonical_dispose(&run);
        }
        ql_buf_dispose(&text);
    }
}

typedef struct sample {
    const char *type;
    ql_buf text;
} sample;

static ql_status convert_sample(void *user, ql_error *err)
{
    const sample *self = user;
    ql_document document = {.struct_size = sizeof document, .content_type = ql_str_of(self->type), .content = ql_buf_str(&self->text)};
    struct ql_arena arena = {0};
    ql_canonical canonical;
    ql__arena_init(&arena.arena, 0);
    ql_status status = ql__convert_code()->convert_fn(NULL, &document, &arena, &canonical, err);
    ql__arena_dispose(&arena.arena);
    return status;
}

/* Languages with a scanner that takes memory, and one without. */
static void test_convert_code__survives_every_failing_allocation(void **state)
{
    (void)state;
    static const char *const names[] = {"sample.py", "sample.sql", "sample.rb", "sample.c"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        sample self = {.type = type_of(names[i]), .text = QL_BUF_INIT};
        ql_error err = {0};
        read_file(names[i], &self.text);
        assert_int_equal(convert_sample(&self, &err), QL_OK); /* opens the grammar, which stays */
        ql_test_fault_loop(QL_FAULT_ALLOC, convert_sample, &self);
        ql_buf_dispose(&self.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convert_code__matches_the_golden_files),
        cmocka_unit_test(test_convert_code__grammars_know_every_node_of_the_tables),
        cmocka_unit_test(test_convert_code__language_follows_the_extension),
        cmocka_unit_test(test_convert_code__comment_after_an_empty_line_is_not_the_elements),
        cmocka_unit_test(test_convert_code__comment_behind_an_element_stays_with_it),
        cmocka_unit_test(test_convert_code__header_is_read_as_the_language_it_is),
        cmocka_unit_test(test_convert_code__line_ends_of_windows_are_kept),
        cmocka_unit_test(test_convert_code__elements_are_found_around_errors),
        cmocka_unit_test(test_convert_code__too_large_a_file_is_cut_by_lines),
        cmocka_unit_test(test_convert_code__parser_that_finds_no_end_is_given_up),
        cmocka_unit_test(test_convert_code__tags_of_dollar_quotes_take_no_memory),
        cmocka_unit_test(test_convert_code__a_parse_that_takes_too_much_memory_is_given_up),
        cmocka_unit_test(test_convert_code__a_parse_that_goes_in_circles_is_given_up),
        cmocka_unit_test(test_convert_code__lines_cut_between_unindented_groups),
        cmocka_unit_test(test_convert_code__holds_for_prefixes_and_damage),
        cmocka_unit_test(test_convert_code__survives_every_failing_allocation),
    };
    ql_test_alloc_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
