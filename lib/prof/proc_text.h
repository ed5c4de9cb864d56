/* Small files of /proc: read whole, without allocating, and numbers found in them. Threads: any. */
#ifndef QL_PROC_TEXT_H
#define QL_PROC_TEXT_H

#include "sys/file.h"

/* As much as fits into size - 1 bytes, and a NUL, also where nothing could be read. How much that is; 0: nothing. */
size_t ql__proc_read(const ql__sys *sys, const char *path, char *text, size_t size);
/* The number behind the first `key`, such as "\nread_bytes:"; `none` where it is not there. */
uint64_t ql__proc_after(const char *text, const char *key, uint64_t none);

#endif
