/* Tables as JSON, for programs and for the command line: docs/schema/prof-*.schema.json say what is in them. */
#ifndef QL_WRITE_TABLE_H
#define QL_WRITE_TABLE_H

#include "capture/write.h"

typedef enum ql__heap_view { QL__HEAP_VIEW_INUSE, QL__HEAP_VIEW_ALLOC, QL__HEAP_VIEW_PEAK, QL__HEAP_VIEW_LEAK } ql__heap_view;
typedef enum ql__heap_group { QL__HEAP_GROUP_LINE, QL__HEAP_GROUP_FILE, QL__HEAP_GROUP_FUNCTION, QL__HEAP_GROUP_STACK } ql__heap_group;

typedef struct ql__table_options {
    ql__profile_view view;
    ql__profile_group group;
    ql__totals_order order;
    size_t limit;          /* rows, 0: all */
    ql__heap_view heap_view;
    ql__heap_group heap_group;
} ql__table_options;

/* Functions (lines, files, modules) by their time or memory. */
ql_status ql__write_top_json(const ql__profile *profile, const ql__table_options *options, ql__sink *sink, ql_error *err);
/* Places that allocate. QL_E_NOTFOUND when the capture has no allocations. */
ql_status ql__write_heap_json(const ql__profile *profile, const ql__table_options *options, ql__sink *sink, ql_error *err);
/* What changed from one capture to another, largest change of the own part first. */
ql_status ql__write_diff_json(const ql__profile *before, const ql__profile *after, const ql__table_options *options, ql__sink *sink, ql_error *err);
/* Everything, in short: for the viewer. */
ql_status ql__write_json(const ql__profile *profile, ql__sink *sink, ql_error *err);

/* The line of a stack that allocates, behind the allocators; false: the stack has no frame. */
bool ql__heap_place(const ql__profile *profile, uint32_t stack, uint32_t *line);

/* "12 events were lost (spans 12) ...", cut to the room. Empty where none was. */
#define QL__LOSS_TEXT 400
void ql__loss_text(const ql__profile *profile, char text[QL__LOSS_TEXT]);
/* Only what spans told of themselves was lost: times and numbers are whole. */
bool ql__loss_is_of_texts(const ql__profile *profile);
/* Members that every table has: what the capture is, and what is missing in it; notes begin with ql__loss_text. */
void ql__put_capture_members(ql__json_writer *json, const ql__profile *profile);
/* Members "name", "file", "line", "module" of a group of frames; NULL where they are not known. */
void ql__put_group_members(ql__json_writer *json, const ql__profile *profile, const ql__grouping *groups, size_t group);

#endif
