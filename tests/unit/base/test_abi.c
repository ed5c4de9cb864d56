/* Goal: structs of callers that were built against another release are read and written as far as both sides know them. Method: tables of sizes. */
#include "base/abi.h"

#include <string.h>

#include "base/status.h"
#include "support/testing.h"

typedef struct sample {
    uint32_t struct_size;
    uint32_t first;
    uint64_t second; /* came later */
} sample;

#define FIRST_BYTES 8

static void test_abi__an_older_caller_knows_less(void **state)
{
    (void)state;
    ql_error err = {0};
    sample from = {.struct_size = FIRST_BYTES, .first = 7, .second = 99}, to = {.second = 5};
    assert_int_equal(ql__struct_read(&to, sizeof to, FIRST_BYTES, &from, "sample", &err), QL_OK);
    assert_int_equal(to.struct_size, sizeof to);
    assert_int_equal(to.first, 7);
    assert_int_equal(to.second, 0); /* beyond what it knows is not read */
    from.struct_size = FIRST_BYTES;
    to = (sample){.struct_size = sizeof to, .first = 8, .second = 9};
    assert_int_equal(ql__struct_write(&from, &to, sizeof to, FIRST_BYTES, "sample", &err), QL_OK);
    assert_int_equal(from.struct_size, FIRST_BYTES);
    assert_int_equal(from.first, 8);
    assert_int_equal(from.second, 99); /* nor written */
}

static void test_abi__a_later_caller_knows_more(void **state)
{
    (void)state;
    ql_error err = {0};
    struct {
        sample known;
        unsigned char more[3];
    } from = {.known = {.struct_size = sizeof(sample) + 3, .first = 1, .second = 2}};
    sample to;
    assert_int_equal(ql__struct_read(&to, sizeof to, FIRST_BYTES, &from, "sample", &err), QL_OK);
    assert_int_equal(to.second, 2);
    from.more[2] = 1;
    assert_int_equal(ql__struct_read(&to, sizeof to, FIRST_BYTES, &from, "sample", &err), QL_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "sample"));
    assert_int_equal(ql__struct_write(&from, &to, sizeof to, FIRST_BYTES, "sample", &err), QL_OK);
    assert_int_equal(from.more[2], 1);
}

static void test_abi__what_is_smaller_than_the_first_was_never_initialised(void **state)
{
    (void)state;
    ql_error err = {0};
    sample from = {.struct_size = FIRST_BYTES - 1}, to = {.first = 3};
    assert_int_equal(ql__struct_read(&to, sizeof to, FIRST_BYTES, &from, "sample", &err), QL_E_INVALID);
    assert_int_equal(to.first, 3);
    assert_int_equal(ql__struct_write(&from, &to, sizeof to, FIRST_BYTES, "sample", &err), QL_E_INVALID);
    const uint64_t reserved[2] = {0, 1};
    assert_int_equal(ql__reserved_check(reserved, 1, "sample", &err), QL_OK);
    assert_int_equal(ql__reserved_check(reserved, 2, "sample", &err), QL_E_INVALID);
}

static void test_abi__what_to_do_fits_the_struct(void **state)
{
    (void)state;
    ql_error err = {0};
    sample to, from = {.struct_size = 0};
    assert_int_equal(ql__struct_read(&to, sizeof to, sizeof to, &from, "ql_thing_ops", &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "sizeof"));
    assert_null(strstr(err.message, "INIT"));
    assert_int_equal(ql__struct_read(&to, sizeof to, sizeof to, &from, "ql_thing_options", &err), QL_E_INVALID);
    assert_non_null(strstr(err.message, "INIT"));
    assert_null(strstr(err.message, "sizeof"));
}

static void test_abi__a_view_without_a_pointer_is_named(void **state)
{
    (void)state;
    ql_error err = {0};
    const ql_str nowhere = {NULL, 9};
    assert_int_equal(QL__STRS_CHECK("thing", &err, {"title", QL_STR("x")}, {"text", {NULL, 0}}), QL_OK);
    assert_int_equal(QL__STRS_CHECK("thing", &err, {"title", QL_STR("x")}, {"text", nowhere}), QL_E_INVALID);
    assert_non_null(strstr(err.message, "thing.text has 9 bytes"));
    assert_int_equal(QL__STRS_CHECK("", &err, {"query", nowhere}), QL_E_INVALID);
    assert_ptr_equal(strstr(err.message, "query has"), err.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_abi__an_older_caller_knows_less),
        cmocka_unit_test(test_abi__a_later_caller_knows_more),
        cmocka_unit_test(test_abi__what_to_do_fits_the_struct),
        cmocka_unit_test(test_abi__a_view_without_a_pointer_is_named),
        cmocka_unit_test(test_abi__what_is_smaller_than_the_first_was_never_initialised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
