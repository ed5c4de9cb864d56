/*
 * Goal: the facts are the kernel's, and a file of it that cannot be read costs its fact and nothing else.
 * Method: compared with what getconf and the flags of /proc/cpuinfo say; every file call fails once.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/testing.h"
#include "sys/machine.h"

static void test_machine__agrees_with_the_kernel(void **state)
{
    (void)state;
    ql__machine machine;
    ql__machine_read(ql__sys_default(), &machine);
    uint64_t total = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(machine.cores, sysconf(_SC_NPROCESSORS_ONLN));
    assert_true(machine.cores_usable >= 1);
    assert_true(machine.memory_bytes > 0 && machine.memory_bytes <= total);
    assert_true(machine.memory_available_bytes > 0 && machine.memory_available_bytes <= machine.memory_bytes);
    assert_non_null(machine.architecture);
}

static void test_machine__features_are_those_of_cpuinfo(void **state)
{
    (void)state;
    ql_buf text;
    ql_error err;
    ql_buf_init(&text, 1 << 20);
    assert_int_equal(ql__file_read_all(ql__sys_default(), "/proc/cpuinfo", &text, &err), QL_OK);
    const char *flags = strstr(ql_buf_cstr(&text), "\nflags");
    bool has = false;
    for (size_t i = 0; ql__machine_feature(i, &has) != NULL && flags != NULL; i++) {
        char word[40];
        snprintf(word, sizeof word, " %s ", ql__machine_feature(i, &has));
        const char *line_end = strchr(flags + 1, '\n'), *at = strstr(flags, word);
        if (has != (at != NULL && at < line_end)) fail_msg("%s: %d", word, has);
    }
    ql_buf_dispose(&text);
}

static ql_status read_machine(void *user, ql_error *err)
{
    ql__machine machine;
    (void)user;
    (void)err;
    ql__machine_read(ql_test_sys(), &machine);
    assert_true(machine.cores >= 1);
    return QL_OK;
}

static void test_machine__needs_no_file(void **state)
{
    (void)state;
    ql_error err = {0};
    for (long n = 0; n < 40; n++) {
        ql_test_fault_at(QL_FAULT_FILE, n);
        assert_int_equal(read_machine(NULL, &err), QL_OK);
        ql_test_fault_clear();
        ql_test_fault_at(QL_FAULT_ALLOC, n);
        assert_int_equal(read_machine(NULL, &err), QL_OK);
        ql_test_fault_clear();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine__agrees_with_the_kernel),
        cmocka_unit_test(test_machine__features_are_those_of_cpuinfo),
        cmocka_unit_test(test_machine__needs_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
