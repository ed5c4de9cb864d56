/* Any bytes as JSON and as JSON Lines: a well-formed tree over valid UTF-8, and chunks that keep every guarantee. */
#include "fuzz_convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ql_str text = {(const char *)data, size};
    fuzz_convert(ql__convert_json(), "json", text, 100, 20);
    fuzz_convert(ql__convert_json(), "jsonl", text, 300, 0);
    return 0;
}
