/*
 * qloader/rerank.h - a second look at the best hits.
 *
 * A reranker reads the question and the passages that a search found and says how well each answers, usually with a
 * model that is too slow for the whole index. An application brings one with ql_reranker_register() and asks for it by
 * name in ql_search_options.reranker; the search then fetches more hits than were asked for, and the reranker's scores order them.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     static ql_status shortest_first(void *self, ql_str question, const ql_hit *hits, size_t count, double *scores, ql_error *err) {
 *         (void)self, (void)question, (void)err;
 *         for (size_t i = 0; i < count; i++) scores[i] = -(double)hits[i].text.len;
 *         return QL_OK;
 *     }
 *     int main(void) {
 *         static const ql_reranker_ops shortest = {sizeof shortest, 0, "shortest", shortest_first, NULL};
 *         ql_runtime *runtime = NULL;
 *         ql_error err = {0};
 *         if (ql_runtime_new(NULL, &runtime, &err) < 0 || ql_reranker_register(runtime, &shortest, NULL, &err) < 0)
 *             fprintf(stderr, "%s\n", err.message);
 *         ql_runtime_free(runtime);
 *         return err.status < 0;
 *     }
 */
#ifndef QLOADER_RERANK_H
#define QLOADER_RERANK_H

#include <qloader/search.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ql_reranker_ops {
    uint32_t struct_size;
    uint32_t reserved;
    const char *name; /**< 1 to 64 of a-z, 0-9, '-', '_', '.' */
    /**
     * Writes scores (count), finite, larger is better; equal ones keep the order of the search. Several calls at once where several threads search.
     * err is never NULL. */
    ql_status (*rerank_fn)(void *self, ql_str question, const ql_hit *hits, size_t count, double *scores, ql_error *err);
    void (*close_fn)(void *self); /**< optional */
} ql_reranker_ops;

/** Adds a reranker; parameters, errors and threads as ql_converter_register(). Since 0.1. */
QL_API QL_MUST_USE ql_status ql_reranker_register(ql_runtime *runtime, const ql_reranker_ops *ops, void *self, ql_error *err);

#ifdef __cplusplus
}
#endif

#endif
