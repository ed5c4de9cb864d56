/* Goal: good files are read exactly, bad ones refused with the reason. Method: files built byte by byte in the test. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "embed/safetensors.h"
#include "support/testing.h"

static void put_file(ql_buf *out, const char *header, const void *data, size_t data_bytes)
{
    uint64_t length = strlen(header);
    ql_buf_clear(out);
    for (int i = 0; i < 8; i++) ql_buf_append_char(out, (char)(length >> (8 * i)));
    ql_buf_append(out, ql_str_of(header));
    assert_int_equal(ql_buf_append(out, (ql_str){data, data_bytes}), QL_OK);
}

static void test_safetensors__reads_floats_of_three_types(void **state)
{
    (void)state;
    static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},\"f\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                                 "\"h\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[8,16]},\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[16,20]},"
                                 "\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[20,28]}}";
    unsigned char data[28] = {0};
    float f[2] = {1.5f, -2.0f};
    uint16_t h[4] = {0x3c00, 0xc000, 0x0001, 0x7c00}, b[2] = {0x3fc0, 0xbf80};
    memcpy(data, f, 8), memcpy(data + 8, h, 8), memcpy(data + 16, b, 4);
    ql_buf file = QL_BUF_INIT;
    put_file(&file, header, data, sizeof data);
    ql__safetensors *tensors = NULL;
    ql_error err = {0};
    assert_int_equal(ql__safetensors_read(ql_buf_str(&file), &tensors, &err), QL_OK);
    assert_int_equal(ql__safetensors_count(tensors), 4);
    float out[4];
    const ql__tensor *tensor = ql__safetensors_find(tensors, "f");
    assert_int_equal(tensor->dim_count, 2);
    assert_int_equal(tensor->dims[1], 2);
    assert_int_equal(ql__tensor_to_f32(tensor, 0, 2, out, &err), QL_OK);
    assert_true(out[0] == 1.5f && out[1] == -2.0f);
    assert_int_equal(ql__tensor_to_f32(ql__safetensors_find(tensors, "h"), 0, 4, out, &err), QL_OK);
    assert_true(out[0] == 1.0f && out[1] == -2.0f && out[2] == 0x1p-24f && isinf(out[3]));
    assert_int_equal(ql__tensor_to_f32(ql__safetensors_find(tensors, "b"), 1, 1, out, &err), QL_OK);
    assert_true(out[0] == -1.0f);
    assert_int_equal(ql_status_kind(ql__tensor_to_f32(ql__safetensors_find(tensors, "i"), 0, 1, out, &err)), QL_E_UNSUPPORTED);
    assert_int_equal(ql_status_kind(ql__tensor_to_f32(tensor, 1, 2, out, &err)), QL_E_INVALID);
    assert_null(ql__safetensors_find(tensors, "absent"));
    ql__safetensors_close(tensors);
    ql_buf_dispose(&file);
}

static void expect_refused(const char *header, const char *reason)
{
    unsigned char data[16] = {0};
    ql_buf file = QL_BUF_INIT;
    put_file(&file, header, data, sizeof data);
    ql__safetensors *tensors = NULL;
    ql_error err = {0};
    assert_int_equal(ql_status_kind(ql__safetensors_read(ql_buf_str(&file), &tensors, &err)), QL_E_FORMAT);
    if (!strstr(err.message, reason)) fail_msg("'%s' gave '%s', wanted '%s'", header, err.message, reason);
    ql_buf_dispose(&file);
}

static void test_safetensors__refuses_bad_headers(void **state)
{
    (void)state;
    expect_refused("[]", "not an object");
    expect_refused("{\"a\":1}", "not an object");
    expect_refused("{\"a\":{\"dtype\":\"X9\",\"shape\":[1],\"data_offsets\":[0,4]}}", "unknown type");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "unusable shape");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,9,9],\"data_offsets\":[0,4]}}", "unusable shape");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", "unusable shape");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[16,20]}}", "outside");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,4]}}", "outside");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", "outside");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", "outside");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", "another number");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", "another number");
    expect_refused("{\"a\"", "");
}

static void test_safetensors__refuses_lengths_beyond_the_file(void **state)
{
    (void)state;
    ql__safetensors *tensors = NULL;
    ql_error err = {0};
    assert_int_equal(ql_status_kind(ql__safetensors_read(QL_STR("\x01\x00\x00"), &tensors, &err)), QL_E_FORMAT);
    assert_int_equal(ql_status_kind(ql__safetensors_read(QL_STR("\x09\x00\x00\x00\x00\x00\x00\x00{}"), &tensors, &err)), QL_E_FORMAT);
    assert_int_equal(ql_status_kind(ql__safetensors_read(QL_STR("\xff\xff\xff\xff\xff\xff\xff\xff{}"), &tensors, &err)), QL_E_FORMAT);
}

static ql_status open_and_close(void *user, ql_error *err)
{
    ql__safetensors *tensors = NULL;
    ql_status status = ql__safetensors_open(ql_test_sys(), user, &tensors, err);
    if (status >= 0) ql__safetensors_close(tensors);
    return status;
}

static void test_safetensors__survives_failing_memory_and_files(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    const char *path = ql_test_path(dir, "m.safetensors");
    ql_buf file = QL_BUF_INIT;
    put_file(&file, "{\"f\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "12345678", 8);
    ql_test_file_write(path, ql_buf_str(&file));
    ql_buf_dispose(&file);
    char *kept = strdup(path);
    ql_test_fault_loop(QL_FAULT_ALLOC, open_and_close, kept);
    ql_test_fault_ops(QL_TEST_ALL_OPS & ~(unsigned)QL_TEST_CLOSE);
    ql_test_fault_loop(QL_FAULT_FILE, open_and_close, kept);
    free(kept);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safetensors__reads_floats_of_three_types),
        cmocka_unit_test(test_safetensors__refuses_bad_headers),
        cmocka_unit_test(test_safetensors__refuses_lengths_beyond_the_file),
        cmocka_unit_test(test_safetensors__survives_failing_memory_and_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
