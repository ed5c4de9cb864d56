/* The built-in embedders and the models on this machine. */
#ifndef QL_EMBED_INTERNAL_H
#define QL_EMBED_INTERNAL_H

#include "sys/file.h"
#include "sys/log.h"
#include "sys/pool.h"
#include <qloader/embed.h>

typedef enum ql__precision { QL__PRECISION_AUTO, QL__PRECISION_FP32, QL__PRECISION_BF16, QL__PRECISION_INT8 } ql__precision;

typedef struct ql__embed_local_options {
    const char *model_dir;   /* folder with config.json, model.safetensors, vocab.txt */
    ql__precision precision; /* AUTO: bf16 where the CPU has it, else fp32; INT8: QL_E_UNSUPPORTED without AVX-512 VNNI */
    const char *cache_dir;   /* folder for packed weights, which the first passage writes and others map; made where needed; NULL: each process packs for itself */
    ql__pool *pool;          /* outlives the embedder */
    const ql__sys *sys;
    ql__log *log;
} ql__embed_local_options;

/* Maps the model; reading it further happens on first use. QL_E_NOTFOUND: no such model, the message says how to get it. */
ql_status ql__embedder_local_open(const ql__embed_local_options *options, const ql_embedder_ops **ops, void **self, ql_error *err);
/* Whether AUTO means bf16 on this CPU. */
bool ql__embed_auto_bf16(void);

#endif
