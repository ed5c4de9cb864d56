/* The second pass: from the events of a page to canonical text, blocks and maps. */
#ifndef QL_HTML_WRITE_H
#define QL_HTML_WRITE_H

#include "html_output.h"
#include "html_region.h"

ql_status ql__html_write(ql__html_output *self, ql_str html, const ql__html_regions *regions, const ql__html_options *options, ql_error *err);

#endif
