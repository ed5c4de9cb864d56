/* See memory_limit.h. */
#include "memory_limit.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MEMORY_MOST ((uint64_t)1 << 62)          /* more than any machine has; sums of it with what is used do not wrap */
#define MAPPED_FROM (128 << 10)                /* what is larger is mapped, and given back as it is freed */
#define STAGE_THREADS 2                        /* of an ingest, started later */
#define STACK_USUAL ((uint64_t)8 << 20)        /* where the limit on stacks is none */
#define STACK_LARGEST ((uint64_t)64 << 20)

bool memory_size(const char *text, uint64_t *out_bytes)
{
    static const char units[] = "KMGT";
    char *end;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno == ERANGE) return false;
    const char *unit = *end != '\0' ? strchr(units, *end & ~0x20) : NULL;
    if (*end != '\0' && (unit == NULL || *unit == '\0')) return false;
    unsigned shift = unit != NULL ? 10u * (unsigned)(unit - units + 1) : 0;
    if (unit != NULL) end++;
    if (unit != NULL && (strcasecmp(end, "b") == 0 || strcasecmp(end, "ib") == 0)) end += strlen(end); /* "256MB" and "256MiB" mean the same */
    if (*end != '\0' || number == 0 || number > MEMORY_MOST >> shift) return false;
    *out_bytes = (uint64_t)number << shift;
    return true;
}

static bool status_line(const char *name, uint64_t *out_bytes)
{
    char line[256];
    bool found = false;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0) {
            *out_bytes = strtoull(line + strlen(name), NULL, 10) * 1024;
            found = true;
        }
    if (file != NULL) fclose(file);
    return found;
}

void memory_bound(uint64_t bytes, struct rlimit *before)
{
    uint64_t data = 0, used = 0;
    struct rlimit stack, limit;
    if (getrlimit(RLIMIT_DATA, before) != 0) *before = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    if (!status_line("VmData:", &data) || !status_line("RssAnon:", &used) || data < used || getrlimit(RLIMIT_DATA, &limit) != 0) return;
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
    (void)mallopt(M_TRIM_THRESHOLD, MAPPED_FROM);
    uint64_t each = getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur < STACK_LARGEST ? stack.rlim_cur : STACK_USUAL;
    uint64_t wanted = bytes + (data - used) + STAGE_THREADS * each;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur <= wanted) return;
    limit.rlim_cur = wanted;
    (void)setrlimit(RLIMIT_DATA, &limit);
}

void memory_unbound(const struct rlimit *before)
{
    (void)setrlimit(RLIMIT_DATA, before);
}
