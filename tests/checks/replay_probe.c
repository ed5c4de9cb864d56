/* A harness for tests/checks/replay: prints a sum over all inputs, so that runs can be compared, and exits 9 on the text PROBE. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sum;

static void print_sum(void)
{
    printf("sum %llu\n", (unsigned long long)sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sum == 0) atexit(print_sum);
    sum = sum * 31 + size + 1;
    for (size_t i = 0; i < size; i++) sum = sum * 31 + data[i];
    if (memmem(data, size, "PROBE", 5)) exit(9);
    return 0;
}
