/* Source code from anywhere: first byte picks the language, the rest is the file. Languages whose grammar is not built are read by lines. */
#include "base/arena.h"
#include "convert/code_language.h"
#include "convert/convert.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    size_t count = 0;
    const ql__code_language *language = ql__code_languages(&count);
    language += data[0] % count;
    ql_document document = {.struct_size = sizeof document, .content = {(const char *)data + 1, size - 1}};
    document.content_type = (ql_str){language->extensions, strcspn(language->extensions, " ")};
    struct ql_arena arena = {0};
    ql_canonical canonical;
    ql__arena_init(&arena.arena, 0);
    if (ql__convert_code()->convert_fn(NULL, &document, &arena, &canonical, NULL) >= 0) {
        uint64_t at = 0;
        for (uint32_t i = 0; i < canonical.block_count; i++) {
            const ql_block *block = &canonical.blocks[i];
            if (block->begin > block->end || block->end > canonical.text.len) abort();
            if (block->kind != QL_BLOCK_CODE) continue;
            if (block->begin < at) abort();
            at = block->end;
        }
    }
    ql__arena_dispose(&arena.arena);
    return 0;
}
