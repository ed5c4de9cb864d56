/*
 * Goal: modules are found where the header says, sonames go to the linker, and a failure says what to do. Method: the maths library is
 * copied under a module's name into a fresh folder beside this program and into the folder of the environment variable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dep/dynlib.h"

static char own_folder[PATH_MAX];

static void make_module(const char *folder, const char *name)
{
    char path[PATH_MAX + 64], source[PATH_MAX];
    (void)mkdir(folder, 0755);
    snprintf(path, sizeof path, "%s/%s.so", folder, name);
    (void)unlink(path);
    /* Any shared object will do; the one that every process of ours can find by its soname is libm. */
    const char *candidates[] = {"/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/usr/lib64/libm.so.6", "/usr/lib/libm.so.6"};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (realpath(candidates[i], source) != NULL && symlink(source, path) == 0) return;
    fail_msg("no libm to stand in for a module");
}

static void remove_module(const char *folder, const char *name)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s.so", folder, name);
    (void)unlink(path);
    (void)rmdir(folder);
}

static int setup(void **state)
{
    (void)state;
    ssize_t length = readlink("/proc/self/exe", own_folder, sizeof own_folder - 1);
    if (length < 0) return -1;
    own_folder[length] = '\0';
    *strrchr(own_folder, '/') = '\0';
    return 0;
}

static void test_dynlib__opens_a_soname_and_fills_every_symbol(void **state)
{
    (void)state;
    static const char *const symbols[] = {"cos", "sin"};
    void *found[2] = {NULL, NULL};
    assert_int_equal(ql__dynlib_load("libm.so.6", symbols, 2, found, NULL), QL_OK);
    assert_non_null(found[0]);
    assert_non_null(found[1]);
    assert_ptr_not_equal(found[0], found[1]);
}

static void test_dynlib__finds_a_module_beside_the_program(void **state)
{
    (void)state;
    static const char *const symbols[] = {"cos"};
    static const char *const places[] = {"qloader", "modules"};
    assert_int_equal(unsetenv("QLOADER_MODULE_DIR"), 0);
    for (size_t i = 0; i < 2; i++) {
        char folder[PATH_MAX + 16];
        snprintf(folder, sizeof folder, "%s/%s", own_folder, places[i]);
        make_module(folder, "qloader-dynlib-test");
        void *found = NULL;
        ql_status status = ql__dynlib_load("qloader-dynlib-test", symbols, 1, &found, NULL);
        remove_module(folder, "qloader-dynlib-test");
        assert_int_equal(status, QL_OK);
        assert_non_null(found);
    }
}

static void test_dynlib__environment_variable_comes_first(void **state)
{
    (void)state;
    static const char *const symbols[] = {"cos"};
    char folder[] = "dynlib-XXXXXX";
    assert_non_null(mkdtemp(folder));
    make_module(folder, "qloader-dynlib-chosen");
    assert_int_equal(setenv("QLOADER_MODULE_DIR", folder, 1), 0);
    void *found = NULL;
    ql_status status = ql__dynlib_load("qloader-dynlib-chosen", symbols, 1, &found, NULL);
    assert_int_equal(unsetenv("QLOADER_MODULE_DIR"), 0);
    remove_module(folder, "qloader-dynlib-chosen");
    assert_int_equal(status, QL_OK);
}

static void test_dynlib__a_missing_module_names_the_places(void **state)
{
    (void)state;
    ql_error err = {0};
    void *found = NULL;
    assert_int_equal(setenv("QLOADER_MODULE_DIR", "/nowhere/at/all", 1), 0);
    assert_int_equal(ql__dynlib_load("qloader-no-such-module", NULL, 0, &found, &err), QL_E_UNSUPPORTED);
    assert_int_equal(unsetenv("QLOADER_MODULE_DIR"), 0);
    assert_non_null(strstr(err.message, "qloader-no-such-module"));
    assert_non_null(strstr(err.message, "/nowhere/at/all"));
}

static void test_dynlib__a_missing_library_names_its_package(void **state)
{
    (void)state;
    static const char *const wanted[][2] = {{"libdnnl.so.2.none", "libdnnl2"}, {"libicuuc.so.72.none", "libicu72"}, {"libarchive.so.13.none", "libarchive13"},
                                            {"libcurl.so.4.none", "libcurl4"}, {"libgomp.so.1.none", "libgomp1"},
                                            {"qloader-git2-none", "the package qloader-source-git"}, {"qloader-grammar-none", "the package qloader-grammars"}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        ql_error err = {0};
        void *found = NULL;
        assert_int_equal(ql__dynlib_load(wanted[i][0], NULL, 0, &found, &err), QL_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, wanted[i][1]));
    }
}

static void test_dynlib__a_missing_symbol_leaves_the_output_alone(void **state)
{
    (void)state;
    static const char *const symbols[] = {"cos", "no_such_function_anywhere"};
    void *found[2] = {NULL, NULL};
    ql_error err = {0};
    assert_int_equal(ql__dynlib_load("libm.so.6", symbols, 2, found, &err), QL_E_UNSUPPORTED);
    assert_null(found[0]);
    assert_non_null(strstr(err.message, "no_such_function_anywhere"));
}

static void test_dynlib__names_cannot_leave_the_folders(void **state)
{
    (void)state;
    void *found = NULL;
    assert_int_equal(ql__dynlib_load("../libm.so.6", NULL, 0, &found, NULL), QL_E_INVALID);
    assert_int_equal(ql__dynlib_load("", NULL, 0, &found, NULL), QL_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dynlib__opens_a_soname_and_fills_every_symbol),
        cmocka_unit_test(test_dynlib__finds_a_module_beside_the_program),
        cmocka_unit_test(test_dynlib__environment_variable_comes_first),
        cmocka_unit_test(test_dynlib__a_missing_module_names_the_places),
        cmocka_unit_test(test_dynlib__a_missing_library_names_its_package),
        cmocka_unit_test(test_dynlib__a_missing_symbol_leaves_the_output_alone),
        cmocka_unit_test(test_dynlib__names_cannot_leave_the_folders),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
