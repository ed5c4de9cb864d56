/*
 * The state of the second pass over one page, which html_block, html_leaf, html_table and html_write share. Each calls only those before it
 * in this list. `failed` (out of memory, or the text over its cap) is sticky: the pass ends, nothing more has to be right.
 */
#ifndef QL_HTML_WRITER_H
#define QL_HTML_WRITER_H

#include "base/limits.h"
#include "html_output.h"
#include "html_region.h"

#define QL__HTML_CONTAINERS_MAX (QL_LIMIT_TREE_DEPTH - 4)
#define QL__HTML_LANGUAGE_BYTES_MAX 32

typedef struct ql__html_container {
    uint16_t kind;   /* ql_block_kind */
    uint16_t level;  /* of a section */
    uint32_t block;  /* or QL_BLOCK_NONE while nothing is written in it */
    uintptr_t tag;   /* UL, OL, DL of a list */
    uint64_t number; /* of the next item of an ordered list */
    bool has_definition; /* of an item of <dl>: a <dd> was seen */
} ql__html_container;

typedef enum ql__html_marker {
    QL__HTML_MARKER_NONE,
    QL__HTML_MARKER_BULLET,
    QL__HTML_MARKER_NUMBER,
    QL__HTML_MARKER_TERM,
    QL__HTML_MARKER_DEFINITION
} ql__html_marker;

typedef struct ql__html_piece {
    size_t begin, len; /* of the leaf's text */
    size_t source_begin, source_end;
} ql__html_piece;

typedef struct ql__html_writer {
    ql__html_output *out;
    const ql__html_regions *regions;
    ql_buf leaf;
    ql__html_piece *pieces;
    size_t piece_count, piece_capacity;
    uint32_t leaf_serial;
    bool pending_space, line_start;
    size_t space_begin, space_end; /* source of the pending blank */

    ql__html_container *containers; /* QL__HTML_CONTAINERS_MAX of them */
    size_t container_count;
    ql__html_marker pending_marker;
    uint64_t marker_number;

    uint32_t heading_level; /* 0: none open */
    uint32_t pre_depth;
    bool pre_first;         /* a line feed right after <pre> does not count */
    char language[QL__HTML_LANGUAGE_BYTES_MAX + 1], outer_language[QL__HTML_LANGUAGE_BYTES_MAX + 1];
    uint32_t code_depth;
    bool tick_open;
    size_t tick_at;

    uint32_t row_table;     /* table whose row is being written, or QL__HTML_NO_REGION */
    uint32_t cells, header_cells;
    bool cell_open, row_in_head;
    bool after_code;        /* the last leaf was a code block */
    bool superscript; /* <sup> was opened and has no text yet */

    uint32_t suppressed;    /* open elements that leave their text out */
    uint32_t hard_suppressed; /* those whose headings are not rescued */
    uint32_t main_depth, rescue_depth, foreign_label_depth, foreign_depth;
    uint8_t reason;
    bool removed_open;      /* nothing was kept since the last removed range */
    bool failed;
} ql__html_writer;

#endif
