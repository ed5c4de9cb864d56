/* Foreign JSON: parse, walk everything, write it again; what we write must parse and the raw bytes must be a valid string once written. */
#include <stdint.h>
#include <stdlib.h>

#include "dep/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void copy_value(const ql__json *value, ql__json_writer *out, int depth)
{
    if (depth > 60) {
        ql__json_null(out);
    } else if (ql__json_is_object(value)) {
        ql__json_object(out);
        void *iter = NULL;
        ql_str key;
        const ql__json *member;
        while (ql__json_next(value, &iter, &key, &member)) {
            ql__json_key_str(out, key);
            copy_value(member, out, depth + 1);
        }
        ql__json_object_end(out);
    } else if (ql__json_is_array(value)) {
        ql__json_array(out);
        for (size_t i = 0; i < ql__json_count(value); i++) copy_value(ql__json_at(value, i), out, depth + 1);
        ql__json_array_end(out);
    } else if (ql__json_is_string(value)) {
        ql__json_string(out, ql__json_str(value, QL_STR("")));
    } else {
        ql__json_double(out, ql__json_double_of(value, (double)ql__json_int_of(value, 0)));
    }
}

static void expect_parses(ql_str text)
{
    ql__json *root = NULL;
    if (ql__json_parse(text, &root, NULL) != QL_OK) abort();
    ql__json_free(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ql_str input = {(const char *)data, size};
    ql_buf out = QL_BUF_INIT;
    ql__json_writer writer;
    ql__json *root = NULL;
    if (ql__json_parse(input, &root, NULL) == QL_OK) {
        ql__json_begin(&writer, &out);
        copy_value(root, &writer, 0);
        expect_parses(ql_buf_str(&out));
        ql__json_free(root);
    }
    ql_buf_clear(&out);
    ql__json_begin(&writer, &out);
    ql__json_string(&writer, input);
    expect_parses(ql_buf_str(&out));
    ql_buf_dispose(&out);
    return 0;
}
