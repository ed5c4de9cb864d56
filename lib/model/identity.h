/* Public ids of documents and chunks (compatible with the reference where its ids are sound), and what tells one model from another. */
#ifndef QL_IDENTITY_H
#define QL_IDENTITY_H

#include <qloader/base.h>

/* The reference's document id: first 16 bytes of SHA-256 over the normalised "type:source:url", as a UUID text. */
ql_status ql__document_id(ql_str source_type, ql_str source, ql_str url, char out[37], ql_error *err);
/* Ours, for a document whose reference id is taken: SHA-256 over "v2" and the exact key, NUL-separated. */
ql_status ql__document_id_exact(ql_str project, ql_str source_type, ql_str source, ql_str url, char out[37], ql_error *err);
/* First 32 hex digits of SHA-256("<document id>_<index>") as a UUID text. */
void ql__chunk_id(ql_str document_id, uint32_t index, char out[37]);
/* Of a file attached to a page or issue: UUIDv5 in the name space of URLs over "<parent id>:attachment:<attachment id>". */
ql_status ql__attachment_id(ql_str parent_id, ql_str attachment_id, char out[37], ql_error *err);

/* Whether two names of models (ql_embedder_ops.model_fn) mean the same vectors: by fingerprint where both have one, else by name. */
bool ql__model_same(ql_str a, ql_str b);
bool ql__model_has_fingerprint(ql_str model);
ql_str ql__model_key(ql_str model); /* what that goes by: its fingerprint, else its name. Borrowed from model */

#endif
