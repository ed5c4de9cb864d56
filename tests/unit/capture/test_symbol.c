/*
 * Goal: an address gives functions, lines and what is inlined; without debug information names from the symbol table; another build, no ELF file or a
 * damaged one is refused or has no names, and never read beyond its end.
 * Method: the library capture_target, copies of it that are stripped, cut and changed.
 */
#include "support/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/elf_image.h"
#include "capture/symbol.h"

static uint64_t address_of(const char *path, const char *name)
{
    ql__elf_image image;
    uint64_t found = 0;
    assert_int_equal(ql__elf_open(ql_test_sys(), path, &image, NULL), QL_OK);
    for (size_t i = 0; i < image.function_count; i++)
        if (ql_str_equal(ql__elf_name(&image, &image.functions[i]), ql_str_of(name))) found = image.functions[i].start;
    ql__elf_close(&image);
    return found;
}

static void test_symbol__functions_have_lines(void **state)
{
    (void)state;
    ql__symbol_file *file = NULL;
    ql__symbol_frame frames[8];
    assert_int_equal(ql__symbol_file_open(ql_test_sys(), QL_CAPTURE_TARGET, QL_STR(""), true, &file, NULL), QL_OK);
    assert_true(ql__symbol_file_has_lines(file));
    assert_int_equal(ql__symbol_find(file, address_of(QL_CAPTURE_TARGET, "capture_cold"), frames, 8), 1);
    assert_true(ql_str_equal(frames[0].function, QL_STR("capture_cold")));
    assert_int_equal(frames[0].start_line, 19);
    assert_true(frames[0].line >= 20 && frames[0].line <= 21);
    assert_int_equal(ql__symbol_find(file, 1, frames, 8), 0); /* in the ELF header */
    assert_int_equal(ql__symbol_find(file, UINT64_MAX, frames, 8), 0);
    ql__symbol_file_close(file);
    ql__symbol_file_close(NULL);
}

static void test_symbol__only_as_many_frames_as_there_is_room(void **state)
{
    (void)state;
    ql__symbol_file *file = NULL;
    ql__symbol_frame frames[2];
    uint64_t start = address_of(QL_CAPTURE_TARGET, "capture_hot"), inlined = 0;
    assert_int_equal(ql__symbol_file_open(ql_test_sys(), QL_CAPTURE_TARGET, QL_STR(""), true, &file, NULL), QL_OK);
    for (uint64_t at = start; at < start + 32 && inlined == 0; at++)
        if (ql__symbol_find(file, at, frames, 2) == 2) inlined = at;
    assert_true(inlined != 0);
    assert_true(ql_str_equal(frames[0].function, QL_STR("capture_inner")));
    assert_true(ql_str_equal(frames[1].function, QL_STR("capture_hot")));
    assert_int_equal(frames[1].line, 16);
    assert_int_equal(ql__symbol_find(file, inlined, frames, 1), 1);
    ql__symbol_file_close(file);
}

static void test_symbol__another_build_is_refused(void **state)
{
    (void)state;
    ql__symbol_file *file = NULL;
    ql_error err = {0};
    assert_int_equal(ql_status_kind(ql__symbol_file_open(ql_test_sys(), QL_CAPTURE_TARGET, QL_STR("12345678901234567890"), true, &file, &err)), QL_E_MISMATCH);
    assert_non_null(strstr(err.message, "another build"));
    assert_null(file);
}

static void test_symbol__names_come_from_the_symbol_table_without_debug_information(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new(), command[8192];
    const char *path = ql_test_path(dir, "stripped.so");
    ql__symbol_file *file = NULL;
    ql__symbol_frame frames[4];
    snprintf(command, sizeof command, "objcopy --strip-debug --remove-section=.note.gnu.build-id %s %s", QL_CAPTURE_TARGET, path);
    assert_int_equal(system(command), 0);
    assert_int_equal(ql__symbol_file_open(ql_test_sys(), path, QL_STR(""), true, &file, NULL), QL_OK);
    assert_false(ql__symbol_file_has_lines(file));
    assert_int_equal(ql__symbol_find(file, address_of(path, "capture_hot") + 1, frames, 4), 1);
    assert_true(ql_str_equal(frames[0].function, QL_STR("capture_hot")));
    assert_int_equal(frames[0].line, 0);
    ql__symbol_file_close(file);
    ql_test_dir_remove(dir);
}

static void test_symbol__damaged_files_give_no_more_than_they_have(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    const char *path = ql_test_path(dir, "damaged.so");
    ql_buf whole = QL_BUF_INIT;
    ql__elf_image image;
    ql_test_file_read(QL_CAPTURE_TARGET, &whole);
    for (size_t length = 0; length < whole.len; length += 1 + length / 20) {
        ql_test_file_write(path, (ql_str){whole.ptr, length});
        if (ql__elf_open(ql_test_sys(), path, &image, NULL) < 0) continue;
        for (size_t i = 0; i < image.function_count; i++) assert_true(ql__elf_name(&image, &image.functions[i]).len > 0);
        ql__elf_close(&image);
    }
    for (size_t at = 0; at < 256 && at < whole.len; at++) { /* the headers */
        whole.ptr[at] = (char)(whole.ptr[at] ^ 0xff);
        ql_test_file_write(path, ql_buf_str(&whole));
        whole.ptr[at] = (char)(whole.ptr[at] ^ 0xff);
        if (ql__elf_open(ql_test_sys(), path, &image, NULL) < 0) continue;
        (void)ql__elf_find(&image, 0x1000);
        ql__elf_close(&image);
    }
    ql_buf_dispose(&whole);
    ql_test_dir_remove(dir);
}

static void test_symbol__refuses_what_is_no_file(void **state)
{
    (void)state;
    ql__elf_image image;
    char *dir = ql_test_dir_new();
    ql_error err = {0};
    assert_true(ql__elf_open(ql_test_sys(), dir, &image, &err) < 0);
    assert_int_equal(ql_status_kind(ql__elf_open(ql_test_sys(), ql_test_path(dir, "none"), &image, &err)), QL_E_NOTFOUND);
    ql_test_file_write(ql_test_path(dir, "text"), QL_STR("a text, which is no ELF file although it is longer than the head of one is"));
    assert_int_equal(ql_status_kind(ql__elf_open(ql_test_sys(), ql_test_path(dir, "text"), &image, &err)), QL_E_FORMAT);
    ql_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbol__functions_have_lines),
        cmocka_unit_test(test_symbol__only_as_many_frames_as_there_is_room),
        cmocka_unit_test(test_symbol__another_build_is_refused),
        cmocka_unit_test(test_symbol__names_come_from_the_symbol_table_without_debug_information),
        cmocka_unit_test(test_symbol__damaged_files_give_no_more_than_they_have),
        cmocka_unit_test(test_symbol__refuses_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
