/* Any bytes as Markdown: a well-formed tree over valid UTF-8, and chunks that keep every guarantee. */
#include "fuzz_convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_convert(ql__convert_markdown(), "md", (ql_str){(const char *)data, size}, 200, 0);
    return 0;
}
