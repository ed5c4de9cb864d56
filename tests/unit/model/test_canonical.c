/* Goal: nothing unsound that a converter of the application yields goes on. Method: one sound canonical text, broken in one place at a time. */
#include "model/canonical.h"

#include <string.h>

#include "support/testing.h"

static const ql_str text = {"caf\xc3\xa9 au lait", 13};

typedef struct sample {
    ql_block blocks[2];
    ql_range_map map[2];
    ql_canonical canonical;
} sample;

static void make(sample *self)
{
    *self = (sample){.blocks = {{.end = 13, .parent = QL_BLOCK_NONE, .next = 2}, {.begin = 3, .end = 5, .parent = 0, .next = 2}},
                     .map = {{.begin = 0, .len = 5, .source_begin = 1, .source_end = 6}, {.begin = 5, .len = 8, .source_begin = 6, .source_end = 10}}};
    self->canonical = (ql_canonical){.struct_size = sizeof self->canonical, .block_count = 2, .text = text, .blocks = self->blocks, .map = self->map, .map_count = 2};
}

static void expect(const sample *self, const char *told)
{
    ql_error err = {0};
    ql_status status = ql__canonical_verify(&self->canonical, 10, &err);
    assert_int_equal(status, told != NULL ? QL_E_INVALID : QL_OK);
    if (told != NULL && strstr(err.message, told) == NULL) fail_msg("'%s' is not in '%s'", told, err.message);
}

static void test_canonical__finds_each_fault(void **state)
{
    (void)state;
    sample self;
    make(&self);
    expect(&self, NULL);
    self.canonical.block_count = 0;
    expect(&self, "no block 0");
    make(&self), self.canonical.blocks = NULL;
    expect(&self, "no block 0");
    make(&self), self.canonical.text.ptr = "caf\xe9 au lait..";
    expect(&self, "not UTF-8");
    make(&self), self.canonical.metadata_json = QL_STR("{\"a\": \"\xff\"}");
    expect(&self, "not UTF-8");
    make(&self), self.blocks[1].end = 14;
    expect(&self, "block 1: its range is outside");
    make(&self), self.blocks[1].begin = 6;
    expect(&self, "block 1: its range is outside");
    make(&self), self.blocks[1].begin = 4;
    expect(&self, "block 1: its range cuts");
    make(&self), self.blocks[1].label = QL_STR("\x80");
    expect(&self, "block 1: its label");
    make(&self), self.map[1].begin = 4;
    expect(&self, "entry 1 of the map");
    make(&self), self.map[1].source_end = 11;
    expect(&self, "entry 1 of the map");
    make(&self), self.map[1].len = UINT64_MAX;
    expect(&self, "entry 1 of the map");
    make(&self), self.blocks[1].parent = 1;
    expect(&self, "no tree");
    make(&self), self.canonical.removed = (const ql_removed[]){{2, 4, "a"}, {3, 5, "b"}}, self.canonical.removed_count = 2;
    expect(&self, "entry 1 of what was removed");
    make(&self), self.canonical.map = NULL;
    expect(&self, "there is no map");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_canonical__finds_each_fault)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
