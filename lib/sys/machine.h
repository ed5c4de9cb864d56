/* What this machine is, for reports: nothing is decided by it. */
#ifndef QL_MACHINE_H
#define QL_MACHINE_H

#include "sys/file.h"

typedef struct ql__machine {
    const char *architecture; /* "x86_64" */
    char cpu[96];             /* as the kernel calls it; empty: not known */
    uint32_t cores, cores_usable; /* of the machine, and those this process may run on */
    uint64_t memory_bytes, memory_available_bytes; /* 0: not known; within the limit of the process's cgroup, where there is one */
} ql__machine;

void ql__machine_read(const ql__sys *sys, ql__machine *out);

/* Features of the CPU that this library has code for, by the names of /proc/cpuinfo; NULL beyond the last. */
const char *ql__machine_feature(size_t index, bool *has);

#endif
