/* --mem of a command: how much memory this process may take. */
#ifndef CLI_MEMORY_LIMIT_H
#define CLI_MEMORY_LIMIT_H

#include <stdint.h>
#include <sys/resource.h>

#include "command.h"

/* "256M", "1G", "1048576"; false: no size. */
bool memory_size(const char *text, uint64_t *out_bytes);
/*
 * Bounds the anonymous memory of this process with the kernel (RLIMIT_DATA) until memory_unbound(): what more is asked for fails, and is handled. Space
 * that is kept but not used (stacks of threads) is not counted against it. Nothing where the kernel does not say what is used, or refuses. What is freed is for every thread, or goes back at once: malloc keeps the less for it.
 */
void memory_bound(uint64_t bytes, struct rlimit *before);
/* The kernel's bound as before, so that what was done can be told in any case; how malloc keeps memory stays as it is. */
void memory_unbound(const struct rlimit *before);

#endif
