/* The built-in chunker: packs blocks of the structure tree. */
#ifndef QL_CHUNK_INTERNAL_H
#define QL_CHUNK_INTERNAL_H

#include <qloader/chunk.h>

const ql_chunker_ops *ql__chunker_structure(void);
/* Code points. */
const ql_measure *ql__measure_characters(void);

#endif
