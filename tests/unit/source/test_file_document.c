/* A file as a document: what is filled, what the source may add, lack of memory at every point. */
#include <string.h>

#include "source/file_document.h"
#include "support/testing.h"

static ql_status whole_life(void *user, ql_error *err)
{
    ql_document *out = user, document;
    ql__file_document *self = NULL;
    ql_status status = ql__file_document_new(QL_STR("file:///d/A%20b.MD"), &self, err);
    if (status < 0) return status;
    if (ql_buf_append(&self->content, QL_STR("one two\n")) < 0) {
        ql__file_document_free(self);
        if (err != NULL) *err = (ql_error){.status = QL_E_NOMEM, .message = "no memory for the content"};
        return QL_E_NOMEM;
    }
    ql__file_document_describe(self, QL_STR("d/A b.MD"));
    ql__json_member(&self->json, "branch", QL_STR("main"));
    self->updated_at_ms = 5;
    status = ql__file_document_finish(self, &document, err);
    if (status == QL_OK && out != NULL) {
        assert_true(ql_str_equal(document.url, QL_STR("file:///d/A%20b.MD")));
        assert_true(ql_str_equal(document.title, QL_STR("A b.MD")));
        assert_true(ql_str_equal(document.content_type, QL_STR("md")));
        assert_true(ql_str_equal(document.content, QL_STR("one two\n")));
        assert_true(ql_str_equal(document.metadata_json,
                                 QL_STR("{\"file_type\":\".MD\",\"file_name\":\"A b.MD\",\"file_directory\":\"/d\",\"file_encoding\":\"utf-8\","
                                        "\"file_size\":8,\"line_count\":1,\"word_count\":2,\"branch\":\"main\"}")));
        assert_true(document.created_at_ms == QL_TIME_UNKNOWN && document.updated_at_ms == 5);
    }
    ql__file_document_free(self);
    return status;
}

static void test_file_document__is_filled_from_path_and_content(void **state)
{
    (void)state;
    ql_document out;
    assert_int_equal(whole_life(&out, NULL), QL_OK);
    ql__file_document_free(NULL);
}

static void test_file_document__survives_lack_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, whole_life, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_document__is_filled_from_path_and_content),
        cmocka_unit_test(test_file_document__survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
