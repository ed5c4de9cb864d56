/*
 * Which parts of a page are its content: every element that may be boilerplate or may hold the main content is a region; the first pass
 * measures them, then ql__html_regions_decide says which ones are left out.
 */
#ifndef QL_HTML_REGION_H
#define QL_HTML_REGION_H

#include "html_scan.h"

typedef struct ql__html_context {
    bool in_content; /* inside main, article or section */
    bool in_bare_heading; /* inside a heading, summary or dt that has no text yet */
} ql__html_context;

/* Sets reason, always and main of an element from its tag and attributes. */
void ql__html_classify(const lxb_html_token_t *token, const ql__html_context *context, ql__html_element *element);
const char *ql__html_reason_name(int reason); /* static */

typedef struct ql__html_region {
    uint64_t text, link_text; /* bytes that are no blanks, inner regions not counted; link_text is part of text */
    uint32_t parent;          /* QL__HTML_NO_REGION: the page */
    uint32_t headings_1;      /* <h1> with text */
    uint8_t reason, main;
    bool always;
    bool has_text;            /* itself or an inner one */
    bool headed;              /* its first text is a heading */
    bool removed;             /* decided: left out (itself, or with its parent) */
    bool in_main;             /* decided: inside the main content */
} ql__html_region;

typedef struct ql__html_table {
    uint32_t rows, cells, headings;
    uint64_t cell_text_max;
    bool layout; /* holds code, tables or not much but headings: its cells are read as blocks, not as a row of cells */
} ql__html_table;

typedef struct ql__html_regions {
    ql__html_region *items;   /* items[i + 1] is region i; items[0] is the page */
    size_t count, capacity;
    ql__html_table *tables;
    size_t table_count, table_capacity;
    uint32_t main;            /* decided: number of the region that holds the content, or QL__HTML_NO_REGION */
    bool keep_all;            /* decided: too little would be left, so only what is never text is left out */
    bool rescue_headings;     /* decided: the content has no <h1>, one outside it is kept */
    ql_buf title;             /* of <title>, blanks collapsed */
    ql_buf language;          /* lang of <html> */
    ql_buf description;       /* <meta name=description> */
} ql__html_regions;

void ql__html_regions_init(ql__html_regions *self);
void ql__html_regions_dispose(ql__html_regions *self);
/* The first pass: reads the page and decides. */
ql_status ql__html_regions_measure(ql__html_regions *self, ql_str html, const ql__html_options *options, ql_error *err);

#endif
