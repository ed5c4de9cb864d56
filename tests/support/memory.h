/*
 * Memory that runs out for everybody. memory.c stands before the C library's malloc in a test program, so that SQLite, libgit2, jansson,
 * libyaml, tree-sitter, oneDNN and the rest meet the end of memory too, not only the library's own code. Under a sanitizer, which
 * needs malloc for itself, only the library's own memory fails (ql_test_fault_at of testing.h); the functions are the same.
 */
#ifndef QL_TEST_MEMORY_H
#define QL_TEST_MEMORY_H

#include <stdbool.h>

/* The n-th allocation from now (0: the next) answers NULL, only that one or all after it too. n < 0: only counts. Never kept over a fork by accident: end it. */
void memory_fail(long n, bool from);
long memory_fail_end(bool *fired); /* allocations counted, and whether one failed */
long memory_live(void);            /* pieces handed out and not freed */
bool memory_is_everybodys(void);   /* false: only the library's own */

#endif
