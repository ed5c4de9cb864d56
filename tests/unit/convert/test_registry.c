/* Which built-in converter takes which type. */
#include "support/testing.h"

#include "convert/convert.h"

static const char *converter_for(const char *type)
{
    const ql_document document = {.struct_size = sizeof document, .content_type = ql_str_of(type)};
    size_t count;
    const ql_converter_ops *const *converters = ql__convert_builtin(&count);
    for (size_t i = 0; i < count; i++) {
        if (converters[i]->accepts_fn(NULL, &document)) return converters[i]->name;
    }
    return NULL;
}

static void test_registry__picks_a_converter_by_type_and_text_last(void **state)
{
    (void)state;
    assert_string_equal(converter_for("md"), "markdown");
    assert_string_equal(converter_for("json"), "json");
    assert_string_equal(converter_for("jsonl"), "json");
    assert_string_equal(converter_for("html"), "html");
    assert_string_equal(converter_for("txt"), "text");
    assert_string_equal(converter_for("unheard-of"), "text");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry__picks_a_converter_by_type_and_text_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
