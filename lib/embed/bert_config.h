/* What a model folder says about its model: config.json and its companions, checked and bounded. */
#ifndef QL_BERT_CONFIG_H
#define QL_BERT_CONFIG_H

#include "sys/file.h"
#include <qloader/base.h>

typedef enum ql__pooling { QL__POOLING_MEAN = 0, QL__POOLING_CLS = 1 } ql__pooling;

typedef struct ql__bert_config {
    uint32_t layers, width, heads, intermediate, vocab, positions, types;
    uint32_t sequence_max; /* tokens of one sequence, [CLS] and [SEP] included */
    float norm_epsilon;
    ql__pooling pooling;
    uint32_t tokenizer_flags; /* QL__WORDPIECE_ */
    ql_buf query_prefix;      /* put before the text; often empty */
    ql_buf passage_prefix;
} ql__bert_config;

/* QL_E_NOTFOUND: no config.json; QL_E_UNSUPPORTED: a model of another kind, by name; QL_E_FORMAT: nonsense. Dispose in any case. */
ql_status ql__bert_config_read(const ql__sys *sys, const char *dir, ql__bert_config *out, ql_error *err);
void ql__bert_config_dispose(ql__bert_config *self);

#endif
