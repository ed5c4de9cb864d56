/* The table of models.inc. Invariants: parts end with a NULL path; required ones include config.json, vocab.txt and the weights. Threads: constant. */
#include "embed/model_known.h"

#include <string.h>

static const ql__model_known known[] = {
#define QL__MODEL_BEGIN(name_, dims_, licence_, address_) {.name = name_, .dims = dims_, .licence = licence_, .address = address_, .parts = {
#define QL__MODEL_FILE(path_, bytes_, sha256_, required_) {path_, bytes_, sha256_, required_},
#define QL__MODEL_END {0}}},
#include "embed/models.inc"
#undef QL__MODEL_BEGIN
#undef QL__MODEL_FILE
#undef QL__MODEL_END
};

static const ql__model_part any_model[QL__MODEL_PARTS_MAX] = {
    {.path = "config.json", .required = true}, {.path = "vocab.txt", .required = true}, {.path = "model.safetensors", .required = true},
    {.path = "tokenizer_config.json"}, {.path = "sentence_bert_config.json"}, {.path = "modules.json"}, {.path = "1_Pooling/config.json"},
    {.path = "config_sentence_transformers.json"}, {.path = "tokenizer.json"}, {.path = "special_tokens_map.json"}, {.path = NULL},
};

const ql__model_known *ql__model_known_at(size_t index)
{
    return index < sizeof known / sizeof *known ? &known[index] : NULL;
}

const ql__model_known *ql__model_known_find(ql_str name)
{
    const ql__model_known *model;
    for (size_t i = 0; (model = ql__model_known_at(i)) != NULL; i++)
        if (ql_str_equal(name, ql_str_of(model->name))) return model;
    return NULL;
}

const ql__model_part *ql__model_parts(ql_str name)
{
    const ql__model_known *model = ql__model_known_find(name);
    return model ? model->parts : any_model;
}

uint64_t ql__model_known_bytes(const ql__model_known *self)
{
    uint64_t bytes = 0;
    for (const ql__model_part *part = self->parts; part->path; part++)
        if (part->required) bytes += part->size;
    return bytes;
}

const char *ql__model_known_sha256(const ql__model_known *self)
{
    for (const ql__model_part *part = self->parts; part->path; part++)
        if (strcmp(part->path, "model.safetensors") == 0) return part->sha256;
    return NULL;
}

bool ql__model_name_valid(ql_str name)
{
    if (name.len == 0 || name.len > 128 || name.ptr[0] == '.') return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        if (!good) return false;
    }
    return true;
}
