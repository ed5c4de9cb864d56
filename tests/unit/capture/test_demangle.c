/* Goal: C++ names are readable, everything else stays as it is, also what only looks like one. */
#include "support/testing.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/demangle.h"

static void expect(ql__demangler *self, ql_str name, const char *expected)
{
    ql_buf out = QL_BUF_INIT;
    ql__demangle(self, name, &out);
    assert_int_equal(out.status, QL_OK);
    assert_string_equal(ql_buf_cstr(&out), expected);
    ql_buf_dispose(&out);
}

static void test_demangle__reads_names_of_cxx(void **state)
{
    (void)state;
    ql__demangler self = {0};
    expect(&self, QL_STR("_ZN4dnnl4impl8parallelEiRKSt8functionIFviiEE"), "dnnl::impl::parallel(int, std::function<void (int, int)> const&)");
    expect(&self, QL_STR("_Znwm"), "operator new(unsigned long)");
}

static void test_demangle__leaves_everything_else(void **state)
{
    (void)state;
    ql__demangler self = {0};
    char nested[6000] = "_Z";
    expect(&self, QL_STR("main"), "main");
    expect(&self, QL_STR(""), "");
    expect(&self, QL_STR("_Z"), "_Z");
    expect(&self, QL_STR("_ZZZZ"), "_ZZZZ");
    memset(nested + 2, 'P', 4000); /* pointers to pointers */
    nested[4002] = '\0';
    expect(&self, ql_str_of(nested), nested);
    memset(nested + 2, 'P', 5900);
    nested[5902] = '\0';
    expect(&self, ql_str_of(nested), nested);
}

static ql_status demangle(void *user, ql_error *err)
{
    (void)user;
    ql__demangler self = {0};
    ql_buf out = QL_BUF_INIT;
    ql__demangle(&self, QL_STR("_Znwm"), &out);
    ql_status status = out.status;
    ql_buf_dispose(&out);
    return status < 0 ? ql__fail_status(err, status) : QL_OK;
}

static void test_demangle__survives_running_out_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, demangle, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_demangle__reads_names_of_cxx),
        cmocka_unit_test(test_demangle__leaves_everything_else),
        cmocka_unit_test(test_demangle__survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
