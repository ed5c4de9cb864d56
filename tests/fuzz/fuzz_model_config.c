/*
 * The JSON files of a model's folder from a stranger, one after the other with a NUL byte between. Refused, or every size is one that the
 * encoder's arithmetic was made for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "embed/bert_config.h"
#include "fuzz_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"m/config.json", "m/sentence_bert_config.json", "m/modules.json", "m/1_Pooling/config.json", "m/config_sentence_transformers.json",
                                        "m/tokenizer_config.json"};
    const char *at = (const char *)data, *end = at + size;
    fuzz_files files;
    fuzz_files_init(&files);
    for (size_t i = 0; i < sizeof names / sizeof *names && at < end; i++) {
        const char *cut = memchr(at, '\0', (size_t)(end - at));
        if (cut == NULL) cut = end;
        if (cut > at) fuzz_files_add(&files, names[i], (ql_str){at, (size_t)(cut - at)}); /* nothing: there is no such file */
        at = cut < end ? cut + 1 : end;
    }
    ql__bert_config config;
    ql_error err = {0};
    if (ql__bert_config_read(&files.sys, "m", &config, &err) == QL_OK) {
        if (config.layers == 0 || config.width == 0 || config.heads == 0 || config.width % config.heads != 0 || config.intermediate == 0 || config.vocab == 0) abort();
        if (config.sequence_max < 8 || config.sequence_max > config.positions || config.width > QL_LIMIT_DIMS) abort();
        if (config.query_prefix.len > QL_LIMIT_PROMPT_BYTES || config.passage_prefix.len > QL_LIMIT_PROMPT_BYTES) abort();
        if (!(config.norm_epsilon >= 0 && config.norm_epsilon <= 1)) abort();
    } else if (err.message[0] == '\0') {
        abort();
    }
    ql__bert_config_dispose(&config);
    return 0;
}
