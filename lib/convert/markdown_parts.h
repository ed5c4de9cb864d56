/* What the two Markdown readers (cmark, and line by line for what cmark must not see) share. */
#ifndef QL_MARKDOWN_PARTS_H
#define QL_MARKDOWN_PARTS_H

#include "convert/block_build.h"

/* Open SECTIONs and the document's title, while headings arrive in order. */
typedef struct ql__md_outline {
    ql__blocks *blocks;
    ql_arena *arena;
    unsigned levels[6]; /* of the open sections, ascending */
    unsigned open;
    ql_str first_heading, first_h1;
} ql__md_outline;

/* A heading over [begin, end): closes sections of its level and deeper, opens its own with a HEADING in it. raw is its text in Markdown. */
void ql__md_heading(ql__md_outline *self, unsigned level, uint64_t begin, uint64_t end, ql_str raw);
/* Closes all sections at `end`. */
void ql__md_outline_close(ql__md_outline *self, uint64_t end);
/* The plain text of inline Markdown, as a label: marks of emphasis and code dropped, links replaced by their text, white space joined. */
ql_str ql__md_plain(const ql__md_outline *self, ql_str raw);
/* The text of an ATX heading's line and its level (1..6), 0 when the line is none. */
unsigned ql__md_atx(ql_str line, ql_str *raw);
/* Length of the fence that the line (up to 3 blanks in front) opens, 0 when it opens none; *mark is '`' or '~', *info its first word. */
size_t ql__md_fence(ql_str line, char *mark, ql_str *info);
/* End of the front matter at the start of text (behind its last line), 0 when there is none; *title its title key. */
size_t ql__md_front_matter(ql_str text, ql_str *title);
/* The end of the line that begins at `at`, its terminator (LF, CR LF or CR) included. */
size_t ql__md_line_end(ql_str text, size_t at);

/* Headings (ATX), fences and paragraphs of text[begin, end), line by line: linear and without a parser. */
void ql__md_read_lines(ql__md_outline *outline, ql_str text, size_t begin);

#endif
