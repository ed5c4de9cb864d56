/* Small files of /proc: read whole, without allocating, and numbers found in them. Threads: any. */
#ifndef QL_PROC_TEXT_H
#define QL_PROC_TEXT_H

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sys/file.h"

/* As much as fits into size - 1 bytes, and a NUL, also where nothing could be read. How much that is; 0: nothing. */
static inline size_t ql__proc_read(const ql__sys *sys, const char *path, char *text, size_t size)
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

/* The number behind the first `key`, such as "\nread_bytes:"; `none` where it is not there. */
static inline uint64_t ql__proc_after(const char *text, const char *key, uint64_t none)
{
    const char *at = strstr(text, key);
    return at != NULL ? strtoull(at + strlen(key), NULL, 10) : none;
}

#endif
