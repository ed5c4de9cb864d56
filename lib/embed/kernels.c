/*
 * Which kernels this CPU can run. Invariant: a table is handed out only if the CPU has every instruction its file was compiled
 * with. Threads: no state; the CPU is asked each time, once per embedder. Cost: nothing.
 */
#include "embed/kernels.h"

#include "embed/kernels_table.h"

const ql__kernels *ql__kernels_at(size_t index)
{
    const ql__kernels *tables[4];
    size_t count = 0;
#if defined(__x86_64__)
    bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("fma");
    if (wide && __builtin_cpu_supports("avx512bf16")) tables[count++] = ql__kernels_avx512bf16();
    if (wide) tables[count++] = ql__kernels_avx512();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables[count++] = ql__kernels_avx2();
#endif
    tables[count++] = ql__kernels_generic();
    return index < count ? tables[index] : NULL;
}

const ql__kernels *ql__kernels_best(void)
{
    return ql__kernels_at(0);
}
