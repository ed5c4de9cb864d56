/* Goal: the lists of what an application adds keep order, names and bounds, and close in turn. Method: extensions that note when they are closed. */
#include "model/extension.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/status.h"
#include "support/testing.h"

static char closed[64];

static void note_closed(void *self)
{
    strcat(closed, self);
}

static ql_status add(ql__extensions *self, ql__extension_kind kind, const char *name, ql_error *err)
{
    const ql__extension item = {.ops = "table", .ops_bytes = 6, .name = name, .self = (void *)(uintptr_t)name, .close_fn = note_closed};
    return ql__extensions_add(self, kind, &item, err);
}

static void test_extension__lists_are_by_kind_and_close_the_last_first(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__extensions self;
    closed[0] = '\0';
    ql__extensions_init(&self);
    assert_int_equal(add(&self, QL__EXTENSION_CONVERTER, "a", &err), QL_OK);
    assert_int_equal(add(&self, QL__EXTENSION_CONVERTER, "b", &err), QL_OK);
    assert_int_equal(add(&self, QL__EXTENSION_CHUNKER, "a", &err), QL_OK);
    assert_int_equal(add(&self, QL__EXTENSION_CONVERTER, "b", &err), QL_E_EXISTS);
    assert_int_equal(self.counts[QL__EXTENSION_CONVERTER], 2);
    assert_string_equal(ql__extensions_find(&self, QL__EXTENSION_CONVERTER, "b")->name, "b");
    assert_null(ql__extensions_find(&self, QL__EXTENSION_CHUNKER, "b"));
    atomic_store(&self.sealed, true);
    assert_int_equal(add(&self, QL__EXTENSION_CONVERTER, "c", &err), QL_E_BUSY);
    ql__extensions_dispose(&self);
    assert_string_equal(closed, "aba");
}

static void test_extension__a_kind_has_a_bound(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__extensions self;
    char names[QL_LIMIT_EXTENSIONS + 1][8];
    ql__extensions_init(&self);
    for (size_t i = 0; i <= QL_LIMIT_EXTENSIONS; i++) {
        snprintf(names[i], sizeof names[i], "n%zu", i);
        const ql__extension item = {.ops = "table", .ops_bytes = 6, .name = names[i]};
        assert_int_equal(ql__extensions_add(&self, QL__EXTENSION_RERANKER, &item, &err), i < QL_LIMIT_EXTENSIONS ? QL_OK : QL_E_LIMIT);
    }
    ql__extensions_dispose(&self);
}

static void test_extension__a_failed_allocation_adds_nothing(void **state)
{
    (void)state;
    ql_error err = {0};
    ql__extensions self;
    ql__extensions_init(&self);
    ql_test_fault_at(QL_FAULT_ALLOC, 0);
    assert_int_equal(add(&self, QL__EXTENSION_EMBEDDER, "a", &err), QL_E_NOMEM);
    assert_true(ql_test_fault_clear());
    assert_int_equal(self.counts[QL__EXTENSION_EMBEDDER], 0);
    ql__extensions_dispose(&self);
}

int main(void)
{
    ql_test_alloc_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extension__lists_are_by_kind_and_close_the_last_first),
        cmocka_unit_test(test_extension__a_kind_has_a_bound),
        cmocka_unit_test(test_extension__a_failed_allocation_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
