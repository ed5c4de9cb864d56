/* The models this build knows by name, and the files a model folder is made of. Facts come from models.inc. */
#ifndef QL_MODEL_KNOWN_H
#define QL_MODEL_KNOWN_H

#include <qloader/base.h>

#define QL__MODEL_PARTS_MAX 16

typedef struct ql__model_part {
    const char *path;   /* within the model's folder; NULL ends the list */
    uint64_t size;      /* 0: not pinned */
    const char *sha256; /* 64 hex digits; NULL: not pinned */
    bool required;
} ql__model_part;

typedef struct ql__model_known {
    const char *name;
    uint32_t dims;
    const char *licence;
    const char *address; /* base of the files' URLs, ends with '/' */
    ql__model_part parts[QL__MODEL_PARTS_MAX];
} ql__model_known;

const ql__model_known *ql__model_known_at(size_t index); /* NULL beyond the last */
const ql__model_known *ql__model_known_find(ql_str name); /* NULL: not known */
/* The pinned files of a known model; for any other name the files the embedder reads, without hashes. Ends with path NULL. */
const ql__model_part *ql__model_parts(ql_str name);
uint64_t ql__model_known_bytes(const ql__model_known *self);
const char *ql__model_known_sha256(const ql__model_known *self); /* of the weights */
/* Letters, digits, '.', '_' and '-', not starting with '.', at most 128 bytes: safe as a folder's name. */
bool ql__model_name_valid(ql_str name);

#endif
