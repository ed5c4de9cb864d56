/* What the second pass makes of a page: canonical text, blocks and maps. */
#ifndef QL_HTML_OUTPUT_H
#define QL_HTML_OUTPUT_H

#include <qloader/document.h>

/* Owned here until it is copied into the arena. Labels point into `labels` by offset (label.len > 0, label.ptr is the offset). */
typedef struct ql__html_output {
    ql_buf text;
    ql_buf labels;
    ql_block *blocks;
    size_t block_count, block_capacity;
    ql_range_map *map; /* source offsets are those of the decoded page */
    size_t map_count, map_capacity;
    ql_removed *removed;
    size_t removed_count, removed_capacity;
    uint32_t first_heading; /* block of the first <h1>, else of the first heading, or QL_BLOCK_NONE */
} ql__html_output;

void ql__html_output_init(ql__html_output *self);
void ql__html_output_dispose(ql__html_output *self);

#endif
