/* What the programs of this folder share: a capture around their work, an ingest of a source of their own, an embedder that costs little. */
#ifndef QLOADER_TESTS_PLANTED_WORKBENCH_H
#define QLOADER_TESTS_PLANTED_WORKBENCH_H

#include <qloader.h>

/** Does the work while a capture runs that is written to the folder; tells on standard error what failed. Returns what main() shall return. */
int workbench_capture(const char *folder, const ql_prof_options *chosen, ql_status (*work_fn)(const char *folder, void *user, ql_error *err), void *user);
/** Ingests a source into FOLDER/index. embedder NULL: hashed words, 512 wide. threads as ql_runtime_options. */
ql_status workbench_ingest(const char *folder, uint32_t threads, const ql_embedder_ops *embedder, void *embedder_self, const ql_source_ops *source, void *source_self, ql_error *err);
/** Counts the words of a text in `width` places of a row. */
void workbench_count_words(ql_str text, float *row, size_t width);
/** Makes rows of length 1; one of zeros becomes 1, 0, 0 and so on. */
void workbench_unit_rows(float *rows, size_t count, size_t width);
/** Lists `count` items "<kind>:0", "<kind>:1" and so on, all of version 1. */
ql_status workbench_list(const ql_source_sink *sink, const char *kind, int count);
/** A document of the item, its text Markdown, which *token shall be as well where it is to be freed. */
ql_document workbench_document(const ql_item *item, const char *text);
/** free(token); what a source's release_fn can be. */
void workbench_release(void *self, void *token);

#endif
