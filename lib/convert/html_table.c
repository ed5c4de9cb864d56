/*
 * Tables of data: one leaf and one ROW block per row, its cells between bars, a rule under a first row of headings.
 *
 * Invariants: a row begins only inside a TABLE container; its leaf is one line. Threads: the state belongs to one thread. Cost: linear.
 */
#include "html_table.h"

#include "html_block.h"
#include "html_leaf.h"

bool ql__html_is_layout_table(const ql__html_writer *self, uint32_t table)
{
    return table >= self->regions->table_count || self->regions->tables[table].layout;
}

static void begin_row(ql__html_writer *self, uint32_t table)
{
    ql__html_flush(self);
    self->row_table = table;
    self->cells = self->header_cells = 0;
}

void ql__html_end_cell(ql__html_writer *self)
{
    ql__html_close_tick(self);
    self->pending_space = false;
    if (self->cell_open) ql__html_put_raw(self, " ", 1);
    self->cell_open = false;
    self->line_start = true;
}

void ql__html_begin_cell(ql__html_writer *self, bool header)
{
    ql__html_end_cell(self);
    ql__html_put_raw(self, "| ", 2);
    self->cell_open = true;
    self->cells++;
    self->header_cells += header;
}

static void emit_rule(ql__html_writer *self)
{
    ql__html_emit(self, "\n|", 2);
    for (uint32_t i = 0; i < self->cells && i < 256; i++) ql__html_emit(self, " --- |", 6);
}

void ql__html_end_row(ql__html_writer *self)
{
    ql__html_end_cell(self);
    bool empty = true;
    for (size_t i = 0; i < self->leaf.len && empty; i++) empty = self->leaf.ptr[i] == '|' || self->leaf.ptr[i] == ' ';
    self->row_table = QL__HTML_NO_REGION;
    if (!empty && self->cells > 0 && !self->failed) {
        ql__html_put_raw(self, "|", 1);
        bool first = self->container_count == 0 || ql__html_top_container(self)->number++ == 1;
        ql__html_emit_gap(self, !first);
        uint32_t parent = ql__html_open_containers(self);
        uint32_t block = ql__html_push_block(self, QL_BLOCK_ROW, 0, parent);
        ql__html_emit_leaf(self, 0, self->leaf.len, "", 0);
        ql__html_end_block(self, block);
        if (first && (self->row_in_head || self->header_cells == self->cells)) emit_rule(self);
        self->pending_marker = QL__HTML_MARKER_NONE;
    }
    ql__html_reset_leaf(self);
}

void ql__html_open_table_part(ql__html_writer *self, const ql__html_element *element)
{
    const ql__html_container *c = self->container_count > 0 ? ql__html_top_container(self) : NULL;
    if (self->pre_depth > 0 || self->heading_level > 0) return;
    bool in_table = c && c->kind == QL_BLOCK_TABLE;
    if (element->tag == LXB_TAG_THEAD) self->row_in_head = true;
    if (element->tag == LXB_TAG_TR && in_table && self->row_table == QL__HTML_NO_REGION) begin_row(self, (uint32_t)c->tag);
    bool cell = element->tag == LXB_TAG_TD || element->tag == LXB_TAG_TH;
    if (cell && in_table) {
        if (self->row_table == QL__HTML_NO_REGION) begin_row(self, (uint32_t)c->tag); /* a cell outside a row */
        ql__html_begin_cell(self, element->tag == LXB_TAG_TH);
    }
}
