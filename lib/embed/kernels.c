/*
 * Which kernels this CPU can run. Invariant: a table is handed out only if the CPU has every instruction its file was compiled
 * with. Threads: no state; the CPU is asked each time, once or twice a wave. Cost: nothing.
 */
#include "embed/kernels.h"

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/status.h"
#include "embed/kernels_table.h"

const ql__kernels *ql__kernels_at(size_t index)
{
    const ql__kernels *tables[5];
    size_t count = 0;
#if defined(__x86_64__)
    bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("fma");
    bool bytes = wide && __builtin_cpu_supports("avx512vnni"); /* so has every processor with products of bfloat16 */
    if (bytes && __builtin_cpu_supports("avx512bf16")) tables[count++] = ql__kernels_avx512bf16();
    if (bytes) tables[count++] = ql__kernels_avx512vnni();
    if (wide) tables[count++] = ql__kernels_avx512();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables[count++] = ql__kernels_avx2();
#endif
    tables[count++] = ql__kernels_generic();
    return index < count ? tables[index] : NULL;
}

/* NULL: the best there is. */
static const char *wanted_isa(void)
{
    return secure_getenv("QLOADER_ISA");
}

const ql__kernels *ql__kernels_best(void)
{
    const char *wanted = wanted_isa();
    const ql__kernels *table;
    for (size_t i = 0; wanted && (table = ql__kernels_at(i)) != NULL; i++)
        if (strcmp(table->name, wanted) == 0) return table;
    return ql__kernels_at(0);
}

ql_status ql__kernels_check(ql_error *err)
{
    const char *wanted = wanted_isa();
    if (!wanted || strcmp(ql__kernels_best()->name, wanted) == 0) return QL_OK;
    return ql__fail(err, QL_E_INVALID, "QLOADER_ISA is '%.32s': not one of generic, avx2, avx512, avx512vnni and avx512bf16, or not for this processor", wanted);
}

bool ql__kernels_tiles(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    const unsigned bf16 = 1u << 22, tile = 1u << 24; /* CPUID.7.0:EDX (Intel SDM, volume 2A) */
    return wanted_isa() == NULL && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & bf16) && (d & tile);
#else
    return false;
#endif
}
