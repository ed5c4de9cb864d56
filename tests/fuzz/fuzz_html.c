/* HTML from anywhere: first byte picks the content type, the rest is the page. */
#include "base/arena.h"
#include "convert/convert.h"

#include <stdlib.h>

#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    ql_document document = {.struct_size = sizeof document, .content_type = data[0] == 'x' ? QL_STR("xhtml") : QL_STR("html")};
    document.content = (ql_str){(const char *)data + 1, size - 1};
    struct ql_arena arena = {0};
    ql_canonical canonical;
    ql__arena_init(&arena.arena, 0);
    if (ql__convert_html()->convert_fn(NULL, &document, &arena, &canonical, NULL) >= 0) {
        if (!ql__utf8_valid(canonical.text) || canonical.block_count == 0) abort();
        for (uint32_t i = 1; i < canonical.block_count; i++) {
            const ql_block *block = &canonical.blocks[i], *parent = &canonical.blocks[block->parent];
            if (block->begin < parent->begin || block->end > parent->end || block->begin > block->end || block->next > parent->next) abort();
        }
        for (size_t i = 0; i < canonical.map_count; i++) {
            if (canonical.map[i].source_end > document.content.len) abort();
        }
    }
    ql__arena_dispose(&arena.arena);
    return 0;
}
