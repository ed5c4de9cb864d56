/* Full Unicode lower-casing, as identities need it. For search terms see analyze.h, which folds instead. */
#ifndef QL_LOWER_H
#define QL_LOWER_H

#include <qloader/base.h>

/*
 * Appends the lower-case form of text: simple mappings, U+0130 as "i" and a combining dot, capital sigma as final sigma at the end of a
 * word. Bytes that are no UTF-8 are kept as they are, so different inputs stay different. Cost O(n).
 */
ql_status ql__utf8_lower(ql_str text, ql_buf *out, ql_error *err);

#endif
