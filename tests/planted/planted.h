/* What the programs with a planted fault share: a capture around their work, and an ingest of texts that are made from numbers. */
#ifndef QLOADER_TESTS_PLANTED_H
#define QLOADER_TESTS_PLANTED_H

#include <qloader.h>

typedef ql_status (*planted_work_fn)(const char *folder, void *user, ql_error *err);
/** Runs the work in a capture that goes to the folder; sources: of ql_prof_options. What main() returns. */
int planted_run(const char *folder, uint32_t sources, planted_work_fn work_fn, void *user);

/** Documents "text:0" to "text:<count - 1>"; paragraphs_fn says how long each is. `self` of planted_texts. */
typedef struct planted_library {
    int count;
    int (*paragraphs_fn)(int number);
} planted_library;
extern const ql_source_ops planted_texts;
/** Sums of hashed words, 256 wide; cheap. */
extern const ql_embedder_ops planted_words;

/** Ingests a library into FOLDER/index. */
typedef struct planted_ingest {
    const planted_library *library;
    const ql_embedder_ops *embedder;
    ql_workspace *workspace;
    uint32_t force;
} planted_ingest;
ql_status planted_ingest_once(planted_ingest *self, ql_error *err);
/** Opens runtime and workspace, calls work_fn, closes. */
ql_status planted_with_workspace(planted_ingest *self, const char *folder, ql_status (*work_fn)(planted_ingest *self, ql_error *err), ql_error *err);

#endif
