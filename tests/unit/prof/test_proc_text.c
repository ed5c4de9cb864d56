/*
 * Goal: a small file is read whole, however the kernel cuts it; too long or unreadable ones leave a text all the same; numbers are found behind their keys.
 * Method: a table of files that gives a text of this test in pieces.
 */
#include "support/testing.h"

#include <errno.h>
#include <string.h>

#include "prof/proc_text.h"

typedef struct pieces {
    const char *text;
    size_t piece; /* at most so much at once */
    bool refused, broken;
    int opened;
} pieces;

static int open_text(void *user, int dir_fd, const char *path, int flags, mode_t mode)
{
    pieces *self = user;
    (void)dir_fd, (void)path, (void)flags, (void)mode;
    errno = EACCES;
    if (self->refused) return -1;
    self->opened++;
    return 77;
}

static int close_text(void *user, int fd)
{
    pieces *self = user;
    assert_int_equal(fd, 77);
    self->opened--;
    return 0;
}

static ssize_t read_text(void *user, int fd, void *buf, size_t size, off_t offset)
{
    const pieces *self = user;
    size_t rest = strlen(self->text) - (size_t)offset, count = rest < size ? rest : size;
    assert_int_equal(fd, 77);
    errno = EIO;
    if (self->broken && offset > 0) return -1;
    if (count > self->piece) count = self->piece;
    memcpy(buf, self->text + offset, count);
    return (ssize_t)count;
}

static size_t read_all(pieces *from, char *text, size_t size)
{
    const ql__file_ops ops = {.openat_fn = open_text, .close_fn = close_text, .pread_fn = read_text, .user = from};
    ql__sys sys = *ql__sys_default();
    sys.file = &ops;
    size_t length = ql__proc_read(&sys, "/proc/x", text, size);
    assert_int_equal(length, strlen(text));
    assert_int_equal(from->opened, 0);
    return length;
}

static void test_proc_text__is_read_whole(void **state)
{
    (void)state;
    char text[16];
    assert_int_equal(read_all(&(pieces){.text = "one\ntwo\n", .piece = 3}, text, sizeof text), 8);
    assert_string_equal(text, "one\ntwo\n");
    assert_int_equal(read_all(&(pieces){.text = "more than there is room for", .piece = 100}, text, sizeof text), 15);
    assert_string_equal(text, "more than there");
    assert_int_equal(read_all(&(pieces){.text = "", .piece = 3}, text, sizeof text), 0);
    assert_int_equal(read_all(&(pieces){.text = "one", .refused = true}, text, sizeof text), 0);
    assert_int_equal(read_all(&(pieces){.text = "one two", .piece = 3, .broken = true}, text, sizeof text), 3);
    assert_string_equal(text, "one");
}

static void test_proc_text__numbers_behind_keys(void **state)
{
    (void)state;
    static const char text[] = "rchar: 5\nread_bytes: 4096\ncancelled_write_bytes: x\nlast:";
    assert_int_equal(ql__proc_after(text, "\nread_bytes:", 9), 4096);
    assert_int_equal(ql__proc_after(text, "\nwrite_bytes:", 9), 9);
    assert_int_equal(ql__proc_after(text, "cancelled_write_bytes:", 9), 0);
    assert_int_equal(ql__proc_after(text, "last:", 9), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proc_text__is_read_whole),
        cmocka_unit_test(test_proc_text__numbers_behind_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
