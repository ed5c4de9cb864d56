/* What is written of a page: text, the blocks over it in the containers that are open, and the map. Also implements html_output.h. */
#ifndef QL_HTML_BLOCK_H
#define QL_HTML_BLOCK_H

#include "html_writer.h"

#define QL__HTML_BLOCK_SKIPPED (QL_BLOCK_NONE - 1) /* a container whose text stays with its parent */
#define QL__HTML_MAP_MERGE_BYTES 64                /* shorter entries of the map are joined, so it stays smaller than the text */
#define QL__HTML_PREFIX_LEVELS 8                   /* deeper lists are not indented further */

/* QL__HTML_BLOCK_SKIPPED when there are too many for so little text. */
uint32_t ql__html_push_block(ql__html_writer *self, int kind, unsigned level, uint32_t parent);
void ql__html_end_block(ql__html_writer *self, uint32_t block);
void ql__html_set_label(ql__html_writer *self, uint32_t block, ql_str label);

ql__html_container *ql__html_top_container(ql__html_writer *self); /* there must be one */
/* Answers the depth to close it with, or 0 when the tree is deep enough already. */
uint32_t ql__html_push_container(ql__html_writer *self, int kind, uintptr_t tag);
/* Closes all but the outer `keep`. */
void ql__html_pop_containers(ql__html_writer *self, size_t keep);
/* Gives each open container its block; answers the innermost one, the parent of a leaf. */
uint32_t ql__html_open_containers(ql__html_writer *self);
/* Has the outermost list text already? */
bool ql__html_in_open_list(const ql__html_writer *self);

void ql__html_open_list(ql__html_writer *self, ql__html_element *element, const lxb_html_token_t *token);
void ql__html_open_item(ql__html_writer *self, ql__html_element *element);
/* One item of a <dl> is the terms with the definitions that follow; it has no element of its own. */
void ql__html_open_definition(ql__html_writer *self, ql__html_element *element);

/* Entries come in the order of the text; what overlaps the last one's source is cut. */
void ql__html_add_map(ql__html_writer *self, ql_range_map entry);
/* What stands before a line inside lists and quotes; `first`: the line that the marker begins. Answers its length. */
size_t ql__html_make_prefix(const ql__html_writer *self, char out[4 * QL__HTML_PREFIX_LEVELS + 1], bool first);
size_t ql__html_make_marker(ql__html_writer *self, char *out, size_t size);
void ql__html_emit(ql__html_writer *self, const char *text, size_t len);
/* Line feeds between two leaves; none before the first. */
void ql__html_emit_gap(ql__html_writer *self, bool tight);

#endif
