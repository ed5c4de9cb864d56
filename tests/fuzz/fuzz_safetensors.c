/* Any bytes as a safetensors file: refused, or every tensor that is handed out can be read to its last element. */
#include <stdint.h>
#include <stdlib.h>

#include "embed/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a", "b", "w", "embeddings.word_embeddings.weight"};
    ql__safetensors *file = NULL;
    if (ql__safetensors_read((ql_str){(const char *)data, size}, &file, NULL) < 0) return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const ql__tensor *tensor = ql__safetensors_find(file, names[i]);
        float last;
        if (tensor && tensor->elements > 0) (void)(ql__tensor_to_f32(tensor, tensor->elements - 1, 1, &last, NULL) < 0);
    }
    ql__safetensors_close(file);
    return 0;
}
