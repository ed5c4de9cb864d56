/*
 * Words of a text for BM25, the same for documents and queries: Unicode words lower-cased (full case folding), accents kept
 * and combining marks kept with their letter; English stop words dropped and Snowball stems for Latin words; runs of Han, kana,
 * Hangul, Thai (and other scripts without blanks) as character bigrams; identifiers both whole and split at '_' and camelCase.
 */
#ifndef QL_ANALYZE_H
#define QL_ANALYZE_H

#include <qloader/base.h>

typedef struct ql__analyzer ql__analyzer; /* one thread at a time */

ql_status ql__analyzer_new(ql__analyzer **out, ql_error *err);
void ql__analyzer_free(ql__analyzer *self);
/* term is borrowed for the call and at most 128 bytes. Non-zero stops: QL_E_CALLBACK. QL_E_NOMEM when the stemmer has no memory. */
typedef int (*ql__term_fn)(void *user, ql_str term);
ql_status ql__analyzer_run(ql__analyzer *self, ql_str text, ql__term_fn fn, void *user, ql_error *err);
/* Changes whenever the terms of some text would change; part of the store's fingerprint. */
uint32_t ql__analyzer_version(void);

#endif
