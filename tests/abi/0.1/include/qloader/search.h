/*
 * qloader/search.h - asking the index.
 *
 * A search combines meaning (cosine of embeddings) and words (BM25) and returns passages with where they come from and
 * why they are there. It sees what was committed when it began.
 *
 *     #include <qloader.h>
 *     #include <stdio.h>
 *     int main(int argc, char **argv) {
 *         ql_runtime *runtime = NULL;
 *         ql_workspace *workspace = NULL;
 *         ql_results *results = NULL;
 *         ql_error err = {0};
 *         ql_workspace_options where = QL_WORKSPACE_OPTIONS_INIT;
 *         ql_search_options options;
 *         ql_search_options_init(&options);
 *         options.limit = 3;
 *         options.filter.source_type = QL_STR("localfile");
 *         where.dir = argc > 1 ? argv[1] : ".";
 *         if (ql_runtime_new(NULL, &runtime, &err) < 0 || ql_workspace_open(runtime, &where, &workspace, NULL, &err) < 0 ||
 *             ql_ingest(workspace, NULL, NULL, &err) < 0 || ql_search(workspace, QL_STR("how to start"), &options, &results, &err) < 0)
 *             fprintf(stderr, "%s\n", err.message);
 *         for (size_t i = 0; i < ql_results_count(results); i++)
 *             printf("%.3f %s\n", ql_results_hit(results, i)->score, ql_results_hit(results, i)->url.ptr);
 *         ql_results_free(results);
 *         ql_workspace_free(workspace);
 *         ql_runtime_free(runtime);
 *         return err.status < 0;
 *     }
 */
#ifndef QLOADER_SEARCH_H
#define QLOADER_SEARCH_H

#include <qloader/store.h>
#include <qloader/workspace.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ql_search_mode {
    QL_SEARCH_HYBRID = 0,
    QL_SEARCH_DENSE = 1,
    QL_SEARCH_SPARSE = 2
} ql_search_mode;

typedef struct ql_search_options {
    uint32_t struct_size;
    uint32_t limit;          /**< hits wanted, 1..1000; 0: 10 */
    int32_t mode;            /**< ql_search_mode */
    uint32_t reserved32;
    ql_filter filter;        /**< applied inside the search */
    const char *reranker;    /**< name of one that was registered (rerank.h); NULL: none */
    uint32_t rerank_count;   /**< hits it looks at, at least limit; 0: 50, or limit if that is more */
    uint32_t reserved2;
    uint64_t reserved[4];
} ql_search_options;

/** Passes everything: its times are unknown, not zero. */
#define QL_FILTER_INIT {sizeof(ql_filter), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, QL_TIME_UNKNOWN, QL_TIME_UNKNOWN}
#define QL_SEARCH_OPTIONS_INIT {sizeof(ql_search_options), 0, 0, 0, QL_FILTER_INIT, NULL, 0, 0, {0, 0, 0, 0}}
/** The macro as a function. Inline, because only the program knows how large its struct is. */
static inline void ql_search_options_init(ql_search_options *options)
{
    const ql_search_options defaults = QL_SEARCH_OPTIONS_INIT;
    *options = defaults;
}

/** One passage. Views belong to the results. */
typedef struct ql_hit {
    uint32_t struct_size;
    uint32_t rank;             /**< 1 is best */
    double score;              /**< fused, in [0, 1] */
    double score_dense;        /**< cosine in [-1, 1] */
    double score_sparse;       /**< BM25, >= 0 */
    uint32_t rank_dense;       /**< 0: not among that side's candidates */
    uint32_t rank_sparse;
    double part_dense;         /**< what meaning adds to the score */
    double part_sparse;        /**< what words add to the score */
    ql_str id, document_id;
    ql_str project, source_type, source, url;
    ql_str title;              /**< of the document */
    ql_str section_path;       /**< headings or element names, " > " between */
    ql_str text;               /**< the passage */
    ql_str content_type;
    ql_str metadata_json;      /**< of the chunk, with what it shares with its document: total_chunks, parent_document_*, project_id */
    ql_str document_metadata_json;
    uint32_t chunk_index, chunk_count;
    uint64_t source_begin, source_end; /**< bytes of the original document */
    int64_t created_at_ms, updated_at_ms;
    double score_rerank;       /**< what the reranker said; 0 without one */
    uint64_t spare[4];         /**< zero; the size is frozen */
} ql_hit;

typedef struct ql_results ql_results;

/**
 * Searches the workspace's index.
 *
 * @param query    a question or words, UTF-8, at most 64 KiB; its meaning is that of its first 8 KiB.
 * @param options  NULL for the defaults.
 * @param out      out: the hits, freed with ql_results_free().
 * Errors:  QL_E_INVALID (empty query, limit out of range, since later than until), QL_E_NOTFOUND (nothing ingested yet, or nothing passes the filter: err says which),
 *          QL_E_MISMATCH (index made with another model), QL_E_CORRUPT (damaged file, named). QL_E_NOTFOUND too where no such reranker is
 *          registered; what the reranker or a registered embedder fails with is passed on.
 * Threads: safe, many at once.
 * Since:   0.1
 */
QL_API QL_MUST_USE ql_status ql_search(ql_workspace *workspace, ql_str query, const ql_search_options *options,
                                       ql_results **out, ql_error *err);
QL_API void ql_results_free(ql_results *self);
/** Number of hits. */
QL_API size_t ql_results_count(const ql_results *self);
/** Hit `index` (0 is best), borrowed until the results are freed; NULL when out of range. */
QL_API const ql_hit *ql_results_hit(const ql_results *self, size_t index);
/** Appends the results as a JSON object {query, elapsed_ms, hits: [...]}. */
QL_API QL_MUST_USE ql_status ql_results_json(const ql_results *self, ql_buf *out, ql_error *err);

#ifdef __cplusplus
}
#endif

#endif
