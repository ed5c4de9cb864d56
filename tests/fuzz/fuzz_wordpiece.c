/*
 * Any vocabulary and any text: the first line-feed pair splits the input. Offsets stay within the text and, but for special cases of
 * reordered marks, every token is counted the same with and without room for it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "embed/wordpiece.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char specials[] = "[UNK]\n[CLS]\n[SEP]\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data, *cut = size > 1 ? memmem(bytes, size, "\n\n", 2) : NULL;
    size_t vocab_len = cut ? (size_t)(cut - bytes) : 0, text_len = cut ? size - vocab_len - 2 : size;
    const char *text = cut ? cut + 2 : bytes;
    ql__wordpiece *words = NULL;
    ql_buf vocab = QL_BUF_INIT;
    ql_buf_append(&vocab, QL_STR(specials));
    ql_buf_append(&vocab, (ql_str){bytes, vocab_len});
    if (vocab.status >= 0 && ql__wordpiece_new(ql_buf_str(&vocab), size % 8, &words, NULL) >= 0) {
        size_t count = ql__wordpiece_run(words, (ql_str){text, text_len}, NULL, NULL, 0);
        uint32_t *ids = calloc(count + 1, sizeof *ids), *starts = calloc(count + 1, sizeof *starts);
        if (!ids || !starts || ql__wordpiece_run(words, (ql_str){text, text_len}, ids, starts, count) != count) abort();
        for (size_t i = 0; i < count; i++)
            if (ids[i] >= ql__wordpiece_count(words) || starts[i] >= text_len) abort();
        free(ids);
        free(starts);
        ql__wordpiece_free(words);
    }
    ql_buf_dispose(&vocab);
    return 0;
}
