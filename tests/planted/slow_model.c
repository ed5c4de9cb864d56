/*
 * Ingests texts with an embedder of its own. Planted: it is far slower than what feeds it, so that texts pile up in front of it.
 * Usage: slow_model FOLDER
 */
#include "planted.h"

#include <math.h>
#include <string.h>

enum { DOCUMENTS = 1000, PARAGRAPHS = 40, WIDTH = 64, ROUNDS = 2000 };

/* Mixes a row with itself. */
static void mix_row(float *row)
{
    for (int round = 0; round < ROUNDS; round++)                                                             /* planted */
        for (int d = 0; d < WIDTH; d++)                                                                      /* planted */
            row[d] = row[d] * 0.9f + row[(d * 7 + round) % WIDTH] * row[(d * 13 + 5) % WIDTH] * 0.1f + 1e-3f; /* planted */
}

static ql_status embed_slowly(void *self, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    (void)self, (void)role, (void)err;
    for (size_t i = 0; i < count; i++) {
        float *row = out + i * WIDTH, squares = 0;
        memset(row, 0, WIDTH * sizeof *row);
        for (size_t c = 0; c < texts[i].len; c++) row[(unsigned char)texts[i].ptr[c] % WIDTH] += 1.0f / (float)texts[i].len;
        mix_row(row);
        for (size_t d = 0; d < WIDTH; d++) squares += row[d] * row[d];
        for (size_t d = 0; d < WIDTH; d++) row[d] /= sqrtf(squares);
    }
    return QL_OK;
}

static const char *model_name(void *self)
{
    (void)self;
    return "mixed-64";
}

static uint32_t model_width(void *self)
{
    (void)self;
    return WIDTH;
}

static int length_of(int number)
{
    (void)number;
    return PARAGRAPHS;
}

static ql_status work(const char *folder, void *user, ql_error *err)
{
    return planted_with_workspace(user, folder, planted_ingest_once, err);
}

int main(int argc, char **argv)
{
    static const ql_embedder_ops embedder = {.struct_size = sizeof embedder, .name = "mixed", .model_fn = model_name, .dims_fn = model_width, .embed_fn = embed_slowly};
    static const planted_library library = {DOCUMENTS, length_of};
    planted_ingest ingest = {.library = &library, .embedder = &embedder};
    return argc < 2 ? 1 : planted_run(argv[1], 0, work, &ingest);
}
