/* The leaf that is being read: text collects in it until an element begins or ends a line, then it is written. */
#ifndef QL_HTML_LEAF_H
#define QL_HTML_LEAF_H

#include "html_writer.h"

/* Empty, with a serial of its own. */
void ql__html_reset_leaf(ql__html_writer *self);
void ql__html_truncate_leaf(ql__html_writer *self, size_t len);
/* A row or a heading: line breaks in it are blanks. */
bool ql__html_in_one_line(const ql__html_writer *self);

/* Text as it is, without a piece of the map; a pending blank stays pending. */
void ql__html_put_raw(ql__html_writer *self, const char *text, size_t len);
void ql__html_put_pending_space(ql__html_writer *self);
/* Text that is not in the page. */
void ql__html_put_synthetic(ql__html_writer *self, const char *text);
void ql__html_put_line_break(ql__html_writer *self);
/* Text of the page (len), read from source [begin, end): blanks are joined. */
void ql__html_put_text(ql__html_writer *self, const char *text, size_t len, size_t begin, size_t end);
/* The same inside <pre>: blanks are kept. */
void ql__html_put_code(ql__html_writer *self, const char *text, size_t len, size_t begin, size_t end);
/* Ends inline code; without text in it, it is taken back. */
void ql__html_close_tick(ql__html_writer *self);

/* Copies the leaf's text, with `prefix` after each line feed, and its part of the map. */
void ql__html_emit_leaf(ql__html_writer *self, size_t from, size_t to, const char *prefix, size_t prefix_len);
/* Writes the leaf as a code block; it is not reset. */
void ql__html_flush_code(ql__html_writer *self);
/* Writes the leaf as a paragraph or heading, if it has text, and resets it. */
void ql__html_flush_leaf(ql__html_writer *self);
/* A line begins or ends here. */
void ql__html_flush(ql__html_writer *self);

#endif
