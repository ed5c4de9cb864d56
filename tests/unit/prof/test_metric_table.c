/* Goal: the table is what the formats allow, and its lists agree with the enumerations and statuses they stand for. */
#include "support/testing.h"

#include <string.h>

#include "prof/metric_table.h"
#include "prof/span.h"
#include <qloader/metrics.h>

static void test_metric_table__every_entry_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < QL__METRIC_COUNT; i++) {
        const ql__metric_fact *fact = ql__metric_fact_of(i);
        assert_true(fact->help[0] != '\0');
        assert_true(strncmp(fact->name, "qloader_", 8) == 0 || strncmp(fact->name, "qdrant_", 7) == 0 || strncmp(fact->name, "process_", 8) == 0);
        assert_int_equal(fact->label != NULL, fact->value_count > 0);
        assert_int_equal(fact->type == QL_METRIC_HISTOGRAM, fact->bounds != NULL);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(fact->name, ql__metric_fact_of(j)->name);
        for (size_t v = 0; v < fact->value_count; v++)
            for (size_t w = 0; w < v; w++) assert_string_not_equal(fact->values[v], fact->values[w]);
    }
    assert_null(ql__metric_fact_of(QL__METRIC_COUNT));
}

static void test_metric_table__the_references_names_are_there(void **state)
{
    (void)state;
    static const char *const names[] = {"qdrant_ingested_documents", "qdrant_chunking_duration_seconds", "qdrant_embedding_duration_seconds", "qdrant_upsert_duration_seconds",
                                        "qdrant_chunk_queue_size", "qdrant_embed_queue_size", "qdrant_cpu_usage_percent", "qdrant_memory_usage_percent"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        bool found = false;
        for (size_t i = 0; i < QL__METRIC_COUNT; i++) found = found || strcmp(ql__metric_fact_of(i)->name, names[n]) == 0;
        assert_true(found);
    }
}

static void test_metric_table__error_classes_are_the_kinds_of_status(void **state)
{
    (void)state;
    size_t count = 0;
#define EXPECT(kind, number, text) assert_int_equal(QL__ERROR_##kind, (number) - 1); count++;
    QL_STATUS_KINDS(EXPECT)
#undef EXPECT
    assert_int_equal(count, ql__metric_fact_of(QL__METRIC_ERRORS)->value_count);
}

static void test_metric_table__stages_have_the_names_of_spans(void **state)
{
    (void)state;
    static const ql__metric_id staged[] = {QL__METRIC_STAGE, QL__METRIC_SEARCH_STAGE};
    for (size_t m = 0; m < 2; m++)
        for (size_t v = 0; v < ql__metric_fact_of(staged[m])->value_count; v++) {
            bool found = false;
            for (int id = 0; id < QL__SPAN_COUNT; id++) found = found || strcmp(ql__span_name((ql__span_id)id), ql__metric_fact_of(staged[m])->values[v]) == 0;
            assert_true(found);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metric_table__every_entry_is_whole),
        cmocka_unit_test(test_metric_table__the_references_names_are_there),
        cmocka_unit_test(test_metric_table__error_classes_are_the_kinds_of_status),
        cmocka_unit_test(test_metric_table__stages_have_the_names_of_spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
