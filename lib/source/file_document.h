/* A file as a document, the same way for localfile and git: the buffers behind the views that a fetch hands out. */
#ifndef QL_FILE_DOCUMENT_H
#define QL_FILE_DOCUMENT_H

#include "dep/json.h"
#include <qloader/document.h>

typedef struct ql__file_document {
    ql_buf url, title, content_type, content, metadata;
    ql__json_writer json;                /* of metadata, between _describe and _finish */
    int64_t created_at_ms, updated_at_ms; /* QL_TIME_UNKNOWN until the source says more */
} ql__file_document;

/* An empty one at this address. QL_E_NOMEM. */
ql_status ql__file_document_new(ql_str url, ql__file_document **out, ql_error *err);
void ql__file_document_free(ql__file_document *self); /* NULL is fine */
/* Title, content type and facts, from the path by which the file is known and the content that was read. The source may add members to json. */
void ql__file_document_describe(ql__file_document *self, ql_str path);
/* Ends the metadata and hands out views, which live as long as self. QL_E_NOMEM. */
ql_status ql__file_document_finish(ql__file_document *self, ql_document *out, ql_error *err);

#endif
