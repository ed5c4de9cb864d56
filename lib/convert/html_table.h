/* Rows and cells of tables that hold data. */
#ifndef QL_HTML_TABLE_H
#define QL_HTML_TABLE_H

#include "html_writer.h"

/* Are its cells read as blocks? */
bool ql__html_is_layout_table(const ql__html_writer *self, uint32_t table);
/* A start tag of a table's part: begins a row or a cell where there can be one. */
void ql__html_open_table_part(ql__html_writer *self, const ql__html_element *element);
/* These three: only in an open row. A cell that is open is ended before the next one begins. */
void ql__html_begin_cell(ql__html_writer *self, bool header);
void ql__html_end_cell(ql__html_writer *self);
/* Writes the row, if a cell has text. */
void ql__html_end_row(ql__html_writer *self);

#endif
