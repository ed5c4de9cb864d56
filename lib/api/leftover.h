/* Sources whose documents are in the index but which the configuration names no more. */
#ifndef QL_API_LEFTOVER_H
#define QL_API_LEFTOVER_H

#include "ingest/ingest.h"
#include "model/config.h"

/*
 * Told as a warning each, or, where options->prune asks for it, emptied: a source that lists nothing loses its documents like any other.
 * Does nothing in a dry run without an index. QL_E_CANCELLED and errors of the store end the ingest.
 */
ql_status ql__leftover_sources(ql__ingest *ingest, const ql__config *config, ql_error *err);

#endif
