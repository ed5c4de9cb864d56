/*
 * The tensors of a BERT model by what they are for. Linear weights are used where they lie in the mapped file; only tensors that are not aligned
 * float32 are converted, once, on opening. Names of struct members follow the paper (Devlin et al. 2018).
 */
#ifndef QL_ENCODER_WEIGHTS_H
#define QL_ENCODER_WEIGHTS_H

#include "embed/encoder.h"

typedef struct ql__linear {
    const float *weight; /* (outputs, inputs) */
    const float *bias;   /* (outputs) */
} ql__linear;

typedef struct ql__layer {
    ql__linear query, key, value; /* (W, W) */
    ql__linear mix;               /* (W, W) attention's output */
    ql__linear up;                /* (F, W) */
    ql__linear down;              /* (W, F) */
    const float *mix_gamma, *mix_beta;   /* (W) */
    const float *down_gamma, *down_beta; /* (W) */
} ql__layer;

struct ql__encoder {
    const ql__bert_config *config;
    const ql__kernels *kernels;
    const ql__safetensors *file;
    const ql__tensor *words;  /* (vocab, W) */
    const float *positions;   /* (positions, W) */
    const float *types;       /* (types, W); only row 0 is used */
    const float *gamma, *beta; /* (W) norm of the embeddings */
    ql__layer *layers;
    float **converted; /* tensors that could not be used in place */
    size_t converted_count;
    size_t converted_capacity;
};

#endif
