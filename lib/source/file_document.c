/*
 * Filling a ql_document from a file. Trouble with memory sticks to the buffers and comes out of _finish. Threads: one at a time per document.
 */
#include "source/file_document.h"

#include "base/alloc.h"
#include "base/status.h"
#include "source/file_facts.h"

ql_status ql__file_document_new(ql_str url, ql__file_document **out, ql_error *err)
{
    ql__file_document *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return ql__fail_nomem(err);
    self->created_at_ms = self->updated_at_ms = QL_TIME_UNKNOWN;
    if (ql_buf_append(&self->url, url) < 0) {
        ql__file_document_free(self);
        return ql__fail_nomem(err);
    }
    *out = self;
    return QL_OK;
}

void ql__file_document_free(ql__file_document *self)
{
    if (self == NULL) return;
    ql_buf_dispose(&self->url);
    ql_buf_dispose(&self->title);
    ql_buf_dispose(&self->content_type);
    ql_buf_dispose(&self->content);
    ql_buf_dispose(&self->metadata);
    ql__free(self);
}

void ql__file_document_describe(ql__file_document *self, ql_str path)
{
    (void)ql__show(&self->title, ql__path_name(path));
    (void)ql__content_type_of(path, &self->content_type);
    ql__json_begin(&self->json, &self->metadata);
    ql__json_object(&self->json);
    ql__file_facts_write(&self->json, path, ql_buf_str(&self->content));
}

ql_status ql__file_document_finish(ql__file_document *self, ql_document *out, ql_error *err)
{
    ql__json_object_end(&self->json);
    if (self->metadata.status < 0 || self->title.status < 0 || self->content_type.status < 0) return ql__fail_nomem(err);
    *out = (ql_document){.struct_size = sizeof *out,
                         .url = ql_buf_str(&self->url),
                         .title = ql_buf_str(&self->title),
                         .content_type = ql_buf_str(&self->content_type),
                         .content = ql_buf_str(&self->content),
                         .metadata_json = ql_buf_str(&self->metadata),
                         .created_at_ms = self->created_at_ms,
                         .updated_at_ms = self->updated_at_ms};
    return QL_OK;
}
