/* See proc_text.h. */
#include "prof/proc_text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

size_t ql__proc_read(const ql__sys *sys, const char *path, char *text, size_t size)
{
    int fd;
    size_t used = 0;
    ssize_t got;
    text[0] = '\0';
    if (ql__file_open(sys, path, O_RDONLY, 0, &fd, NULL) < 0) return 0;
    while (used < size - 1 && (got = sys->file->pread_fn(sys->file->user, fd, text + used, size - 1 - used, (off_t)used)) > 0) used += (size_t)got;
    ql__file_close(sys, fd);
    text[used] = '\0';
    return used;
}

uint64_t ql__proc_after(const char *text, const char *key, uint64_t none)
{
    const char *at = strstr(text, key);
    return at != NULL ? strtoull(at + strlen(key), NULL, 10) : none;
}
