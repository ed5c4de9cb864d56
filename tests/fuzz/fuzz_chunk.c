/* Any bytes with any limits: byte 0 picks the converter, 1 and 2 the size, 3 the overlap, the rest is the document. */
#include "fuzz_convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"txt", "yaml", "csv", "md", "json", "jsonl"};
    if (size < 4) return 0;
    unsigned pick = data[0] % 6u;
    const ql_converter_ops *converter = pick < 3 ? ql__convert_text() : pick == 3 ? ql__convert_markdown() : ql__convert_json();
    uint32_t size_max = 1u + data[1] + (data[2] & 3u) * 256u;
    fuzz_convert(converter, types[pick], (ql_str){(const char *)data + 4, size - 4}, size_max, data[3] % size_max);
    return 0;
}
