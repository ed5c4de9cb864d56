/* What localfile and git say about a file in the same way: title, type, text facts, addresses. */
#ifndef QL_FILE_FACTS_H
#define QL_FILE_FACTS_H

#include "dep/json.h"
#include <qloader/document.h>

ql_str ql__path_name(ql_str path);                    /* after the last '/' */
ql_str ql__path_folder(ql_str path);                  /* before the last '/'; empty without one */
/* What follows the last dot of a file's name; empty when the only dot is the first byte. */
ql_str ql__name_extension(ql_str name);
/* The extension in lower case ("md"); replaces out's content. */
ql_status ql__content_type_of(ql_str path, ql_buf *out);
/* Can a path stand in a URL as it is: UTF-8 without control characters? Blanks, '#' and '?' may, as in the reference. */
bool ql__path_is_plain(ql_str path);
/* Appends bytes with everything but letters, digits, "-._~" and "/" as %XX. */
ql_status ql__percent_encode(ql_buf *out, ql_str bytes);
/* Appends the bytes that text stands for; a '%' that no two hex digits follow is itself. */
ql_status ql__percent_decode(ql_buf *out, ql_str text);
/* Text that is safe to show: what is not UTF-8 or is a control character becomes U+FFFD. */
ql_status ql__show(ql_buf *out, ql_str bytes);

/* Milliseconds of a time that a file system or a commit tells; QL_TIME_UNKNOWN when they do not fit. */
int64_t ql__time_ms(int64_t seconds, int64_t nanoseconds);
/* A member whose text may hold any bytes; what cannot be shown is replaced. */
void ql__shown_member(ql__json_writer *json, const char *key, const char *before, ql_str bytes);

/* Members file_type, file_name, file_directory (folder, "/"-rooted), file_encoding, file_size, and for text line_count and word_count. */
void ql__file_facts_write(ql__json_writer *json, ql_str path, ql_str content);

#endif
