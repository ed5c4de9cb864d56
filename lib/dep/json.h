/*
 * Writing JSON into a ql_buf, and reading it through jansson's tree (the only folder that includes jansson).
 * The writer is for output on hot paths: no tree, no allocation but the buffer. Invalid UTF-8 is written as U+FFFD.
 */
#ifndef QL_JSON_H
#define QL_JSON_H

#include <qloader/base.h>

typedef struct ql__json_writer {
    ql_buf *out;
    uint64_t needs_comma; /* bit per depth */
    uint32_t depth;
    bool after_key;
} ql__json_writer;

void ql__json_begin(ql__json_writer *self, ql_buf *out);
void ql__json_object(ql__json_writer *self);
void ql__json_object_end(ql__json_writer *self);
void ql__json_array(ql__json_writer *self);
void ql__json_array_end(ql__json_writer *self);
void ql__json_key(ql__json_writer *self, const char *key);
void ql__json_key_str(ql__json_writer *self, ql_str key);
void ql__json_string(ql__json_writer *self, ql_str value);
void ql__json_cstring(ql__json_writer *self, const char *value); /* NULL writes null */
void ql__json_int(ql__json_writer *self, int64_t value);
void ql__json_uint(ql__json_writer *self, uint64_t value);
void ql__json_double(ql__json_writer *self, double value);        /* shortest round-trip; not finite writes null */
void ql__json_bool(ql__json_writer *self, bool value);
void ql__json_null(ql__json_writer *self);
void ql__json_raw(ql__json_writer *self, ql_str json);            /* a value already in JSON form */
void ql__json_member(ql__json_writer *self, const char *key, ql_str value); /* a key and its text */
/* Members of a JSON object text, spliced into the object being written (no check beyond the outer braces). */
void ql__json_members(ql__json_writer *self, ql_str object_json);
/* ISO 8601 in UTC with milliseconds and "+00:00", or null for QL_TIME_UNKNOWN. */
void ql__json_time(ql__json_writer *self, int64_t unix_ms);

/* Reading: an opaque value of jansson, borrowed from its document. NULL-tolerant, so look-ups chain. */
typedef struct ql__json ql__json;
/* Whether the text is one object; the reason where it is not. */
ql_status ql__json_check_object(ql_str text, ql_error *err);
ql_status ql__json_parse(ql_str text, ql__json **out, ql_error *err); /* depth <= QL_LIMIT_JSON_DEPTH; QL_E_FORMAT with line and column */
void ql__json_free(ql__json *self);
const ql__json *ql__json_get(const ql__json *self, const char *key);
const ql__json *ql__json_at(const ql__json *self, size_t index);
size_t ql__json_count(const ql__json *self);
bool ql__json_is_object(const ql__json *self);
bool ql__json_is_array(const ql__json *self);
bool ql__json_is_string(const ql__json *self);
ql_str ql__json_str(const ql__json *self, ql_str fallback);
int64_t ql__json_int_of(const ql__json *self, int64_t fallback);
double ql__json_double_of(const ql__json *self, double fallback);
bool ql__json_bool_of(const ql__json *self, bool fallback);
/* A value that was read, written again. QL_E_NOMEM. */
ql_status ql__json_put(ql__json_writer *self, const ql__json *value, ql_error *err);
/* Next member of an object in file order; pass NULL iter first; false at the end. */
bool ql__json_next(const ql__json *self, void **iter, ql_str *key, const ql__json **value);

#endif
