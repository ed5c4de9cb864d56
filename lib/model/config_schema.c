/*
 * The table of keys, and look-ups in it. The order of the rows is the order of every output. Rows of sources stand under
 * "projects.*.sources"; the reader maps the other places of sources to it. The table is small, so look-ups scan it. No state; any thread.
 */
#include "model/config_schema.h"

#include <string.h>

#define MAP QL__TYPE_MAP
#define NAMED QL__TYPE_NAMED
#define LIST QL__TYPE_LIST
#define FREE QL__TYPE_FREE
#define STRING QL__TYPE_STRING
#define NAME QL__TYPE_NAME
#define INT QL__TYPE_INT
#define NUMBER QL__TYPE_NUMBER
#define BOOL QL__TYPE_BOOL
#define STRICT QL__TYPE_BOOL_STRICT
#define CHOICE QL__TYPE_CHOICE
#define CHOICES QL__TYPE_CHOICES
#define STRINGS QL__TYPE_STRINGS
#define STRING_MAP QL__TYPE_STRING_MAP
#define DURATION QL__TYPE_DURATION
#define TIME QL__TYPE_TIME
#define URL QL__TYPE_URL
#define HTTP_URL QL__TYPE_HTTP_URL
#define GIT_URL QL__TYPE_GIT_URL
#define FOLDER QL__TYPE_FOLDER

#define HONOURED QL__FATE_HONOURED
#define LATER QL__FATE_LATER
#define NONE QL__FATE_NONE
#define REFUSED QL__FATE_REFUSED

#define NULLABLE QL__KEY_NULLABLE
#define REQUIRED QL__KEY_REQUIRED
#define SECRET QL__KEY_SECRET
#define NONBLANK QL__KEY_NONBLANK
#define OPTIONAL QL__KEY_OPTIONAL
#define NONE_WORD QL__KEY_NONE_WORD
#define EXTRA QL__KEY_EXTRA
#define DROPS QL__KEY_DROPS
#define TRIMMED QL__KEY_TRIMMED

#define INT_TOP 4294967295.0
#define ANY_NUMBER -1e300, 1e300
#define ROW(...) {__VA_ARGS__}
#define NO_RANGE 0, 0

/* Sentences that several rows share. */
#define N_ONE_CHUNKER "has no effect: one chunker packs the blocks of every kind of document"
#define N_WHOLE "has no effect: documents of any size are parsed whole and nothing is left out"
#define N_NO_NLP "has no effect: chunks are cut by structure and size, without a language model"
#define N_CODE "has no effect: code is always parsed with the grammar of its language"
#define N_SQLITE "has no effect: the index is one SQLite file in the data folder"
#define N_OWN_STATE "has no effect: state and index lie in the data folder of the workspace, or beside the configuration"
#define N_PIPELINE "has no effect: the pipeline sizes itself to the threads it is given"
#define N_MARKITDOWN "has no effect: files are converted by the library itself"
#define N_DOCLING "has no effect: this build has no docling engine"
#define N_INJECTED "has no effect: the two keys above are the type and the name of a source"
#define N_OVERRIDES "has no effect, as in the reference: settings cannot be changed per project"

static const ql__config_key keys[] = {
    ROW("global", MAP, HONOURED, 0, NO_RANGE, NULL, NULL, "settings for all projects"),

    ROW("global.qdrant", MAP, LATER, 0, NO_RANGE, NULL, NULL, "where points are stored"),
    ROW("global.qdrant.url", HTTP_URL, LATER, NULLABLE, NO_RANGE, "null", NULL, "a Qdrant server; when neither this nor `QDRANT_URL` is set, the embedded store is used"),
    ROW("global.qdrant.api_key", STRING, LATER, NULLABLE | SECRET | NONE_WORD, NO_RANGE, "null", NULL, "falls back to `QDRANT_API_KEY`"),
    ROW("global.qdrant.collection_name", NAME, HONOURED, 0, 1, 255, "documents", NULL, "one collection for all projects; falls back to `QDRANT_COLLECTION_NAME`"),

    ROW("global.llm", MAP, LATER, OPTIONAL | EXTRA | NULLABLE, NO_RANGE, NULL, NULL, "a remote service for embeddings; when it is not written, the local model is used"),
    ROW("global.llm.provider", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, "openai, azure_openai, ollama, openai_compat, bedrock, gemini"),
    ROW("global.llm.base_url", HTTP_URL, LATER, NULLABLE, NO_RANGE, "null", NULL, NULL),
    ROW("global.llm.api_key", STRING, LATER, NULLABLE | SECRET, NO_RANGE, "null", NULL, "falls back to `OPENAI_API_KEY`"),
    ROW("global.llm.api_version", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, "Azure"),
    ROW("global.llm.headers", STRING_MAP, LATER, SECRET | OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.llm.models", MAP, LATER, OPTIONAL | EXTRA, NO_RANGE, NULL, NULL, NULL),
    ROW("global.llm.models.embeddings", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, NULL),
    ROW("global.llm.models.chat", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, NULL),
    ROW("global.llm.tokenizer", STRING, LATER, NULLABLE, NO_RANGE, "none", NULL, NULL),
    ROW("global.llm.request", MAP, LATER, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.llm.request.timeout_s", NUMBER, LATER, 0, 0.001, 86400, "30", NULL, NULL),
    ROW("global.llm.request.max_retries", INT, LATER, 0, 0, 1000, "3", NULL, NULL),
    ROW("global.llm.request.backoff_s_min", NUMBER, LATER, 0, 0, 86400, "1", NULL, NULL),
    ROW("global.llm.request.backoff_s_max", NUMBER, LATER, 0, 0, 86400, "30", NULL, NULL),
    ROW("global.llm.rate_limits", MAP, LATER, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.llm.rate_limits.rpm", INT, LATER, NULLABLE, 1, INT_TOP, "null", NULL, "requests a minute"),
    ROW("global.llm.rate_limits.tpm", INT, LATER, NULLABLE, 1, INT_TOP, "null", NULL, "tokens a minute"),
    ROW("global.llm.rate_limits.concurrency", INT, LATER, 0, 1, 10000, "5", NULL, NULL),
    ROW("global.llm.embeddings", MAP, LATER, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.llm.embeddings.vector_size", INT, LATER, NULLABLE, 1, 65536, "null", NULL, "wins over `global.embedding.vector_size`"),
    ROW("global.llm.provider_options", MAP, LATER, OPTIONAL | EXTRA, NO_RANGE, NULL, NULL, NULL),
    ROW("global.llm.provider_options.azure_endpoint", HTTP_URL, LATER, NULLABLE, NO_RANGE, "null", NULL, "Azure"),
    ROW("global.llm.provider_options.native_endpoint", CHOICE, LATER, 0, NO_RANGE, "auto", "auto|embed|embeddings", "Ollama"),
    ROW("global.llm.provider_options.model_id", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, "Bedrock"),
    ROW("global.llm.provider_options.aws_region", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, "Bedrock"),
    ROW("global.llm.provider_options.provisioned_throughput_arn", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, "Bedrock"),
    ROW("global.llm.provider_options.concurrency", INT, LATER, 0, 1, 10000, "8", NULL, "Bedrock"),
    ROW("global.llm.provider_options.vertexai", BOOL, LATER, 0, NO_RANGE, "false", NULL, "Gemini"),
    ROW("global.llm.provider_options.project", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, "Gemini"),
    ROW("global.llm.provider_options.location", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, "Gemini"),
    ROW("global.llm.sparse", MAP, LATER, OPTIONAL, NO_RANGE, NULL, NULL, "sparse vectors of a Qdrant collection"),
    ROW("global.llm.sparse.enabled", STRICT, LATER, 0, NO_RANGE, "true", NULL, NULL),
    ROW("global.llm.sparse.model", STRING, LATER, NONBLANK, NO_RANGE, "bm25", NULL, NULL),
    ROW("global.llm.sparse.dense_vector_name", STRING, LATER, NONBLANK, NO_RANGE, "dense", NULL, NULL),
    ROW("global.llm.sparse.sparse_vector_name", STRING, LATER, NONBLANK, NO_RANGE, "sparse", NULL, NULL),
    ROW("global.llm.sparse.use_qdrant_hybrid", STRICT, LATER, 0, NO_RANGE, "true", NULL, NULL),
    ROW("global.llm.retrieval", MAP, LATER, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.llm.retrieval.use_qdrant_hybrid", STRICT, LATER, 0, NO_RANGE, "true", NULL, NULL),
    ROW("global.llm.retrieval.sparse", MAP, LATER, OPTIONAL, NO_RANGE, NULL, NULL, "wins over `global.llm.sparse`"),
    ROW("global.llm.retrieval.sparse.enabled", STRICT, LATER, 0, NO_RANGE, "true", NULL, NULL),
    ROW("global.llm.retrieval.sparse.model", STRING, LATER, NONBLANK, NO_RANGE, "bm25", NULL, NULL),
    ROW("global.llm.retrieval.sparse.dense_vector_name", STRING, LATER, NONBLANK, NO_RANGE, "dense", NULL, NULL),
    ROW("global.llm.retrieval.sparse.sparse_vector_name", STRING, LATER, NONBLANK, NO_RANGE, "sparse", NULL, NULL),
    ROW("global.llm.retrieval.sparse.use_qdrant_hybrid", STRICT, LATER, 0, NO_RANGE, "true", NULL, NULL),

    ROW("global.embedding", MAP, LATER, 0, NO_RANGE, NULL, NULL, "the older form of `global.llm`"),
    ROW("global.embedding.model", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, "chooses a remote service"),
    ROW("global.embedding.api_key", STRING, LATER, NULLABLE | SECRET, NO_RANGE, "null", NULL, "chooses a remote service; with one, falls back to `OPENAI_API_KEY`"),
    ROW("global.embedding.endpoint", HTTP_URL, LATER, NULLABLE, NO_RANGE, "null", NULL, "chooses a remote service"),
    ROW("global.embedding.batch_size", INT, LATER, 0, 1, 100000, "100", NULL, "texts in a request, points in an upsert"),
    ROW("global.embedding.tokenizer", STRING, LATER, 0, NO_RANGE, "none", NULL, NULL),
    ROW("global.embedding.vector_size", INT, LATER, NULLABLE, 1, 65536, "null", NULL, NULL),
    ROW("global.embedding.max_tokens_per_request", INT, LATER, 0, 1, INT_TOP, "8000", NULL, NULL),
    ROW("global.embedding.max_tokens_per_chunk", INT, LATER, 0, 1, INT_TOP, "8000", NULL, NULL),
    ROW("global.embedding.min_request_interval", NUMBER, LATER, 0, 0, 86400, "0.5", NULL, "seconds"),

    ROW("global.chunking", MAP, HONOURED, 0, NO_RANGE, NULL, NULL, "how documents are cut"),
    ROW("global.chunking.chunk_size", INT, HONOURED, NULLABLE, 1, 100000000, "null", NULL, "characters; not written: as many tokens as suit the embedding model, or 1500 characters if only `chunk_overlap` is written"),
    ROW("global.chunking.chunk_overlap", INT, HONOURED, NULLABLE, 0, 100000000, "null", NULL,
        "characters repeated from the chunk before, less than `chunk_size`; not written: the model's default, or up to 200 characters if only `chunk_size` is written"),
    ROW("global.chunking.max_chunks_per_document", INT, HONOURED, NULLABLE | DROPS, 1, INT_TOP, "null", NULL,
        "the rest of a document with more chunks is not indexed and cannot be found; not written: no limit"),
    ROW("global.chunking.enable_semantic_analysis", BOOL, NONE, 0, NO_RANGE, NULL, NULL, N_NO_NLP),
    ROW("global.chunking.enable_enhanced_semantic_analysis", BOOL, NONE, 0, NO_RANGE, NULL, NULL, N_NO_NLP),
    ROW("global.chunking.strategies", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.chunking.strategies.default", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.chunking.strategies.default.min_chunk_size", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_ONE_CHUNKER),
    ROW("global.chunking.strategies.default.enable_entity_extraction", BOOL, NONE, 0, NO_RANGE, NULL, NULL, N_NO_NLP),
    ROW("global.chunking.strategies.html", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.chunking.strategies.html.simple_parsing_threshold", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_WHOLE),
    ROW("global.chunking.strategies.html.max_html_size_for_parsing", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_WHOLE),
    ROW("global.chunking.strategies.html.max_sections_to_process", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_WHOLE),
    ROW("global.chunking.strategies.html.max_chunk_size_for_nlp", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_NO_NLP),
    ROW("global.chunking.strategies.html.preserve_semantic_structure", BOOL, NONE, 0, NO_RANGE, NULL, NULL, "has no effect: the structure of pages is always kept"),
    ROW("global.chunking.strategies.code", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.chunking.strategies.code.max_file_size_for_ast", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_CODE),
    ROW("global.chunking.strategies.code.max_elements_to_process", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_WHOLE),
    ROW("global.chunking.strategies.code.max_recursion_depth", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_WHOLE),
    ROW("global.chunking.strategies.code.max_element_size", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_WHOLE),
    ROW("global.chunking.strategies.code.enable_ast_parsing", BOOL, NONE, 0, NO_RANGE, NULL, NULL, N_CODE),
    ROW("global.chunking.strategies.code.enable_dependency_analysis", BOOL, NONE, 0, NO_RANGE, NULL, NULL, N_NO_NLP),
    ROW("global.chunking.strategies.json", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.chunking.strategies.json.max_json_size_for_parsing", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_WHOLE),
    ROW("global.chunking.strategies.json.max_objects_to_process", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_WHOLE),
    ROW("global.chunking.strategies.json.max_recursion_depth", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_WHOLE),
    ROW("global.chunking.strategies.json.max_array_items_per_chunk", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_WHOLE),
    ROW("global.chunking.strategies.json.max_object_keys_to_process", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_WHOLE),
    ROW("global.chunking.strategies.json.max_chunk_size_for_nlp", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_NO_NLP),
    ROW("global.chunking.strategies.json.enable_schema_inference", BOOL, NONE, 0, NO_RANGE, NULL, NULL, N_NO_NLP),
    ROW("global.chunking.strategies.markdown", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.chunking.strategies.markdown.min_content_length_for_nlp", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_NO_NLP),
    ROW("global.chunking.strategies.markdown.min_word_count_for_nlp", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_NO_NLP),
    ROW("global.chunking.strategies.markdown.min_line_count_for_nlp", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_NO_NLP),
    ROW("global.chunking.strategies.markdown.min_section_size", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_ONE_CHUNKER),
    ROW("global.chunking.strategies.markdown.max_chunks_per_section", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_WHOLE),
    ROW("global.chunking.strategies.markdown.max_overlap_percentage", NUMBER, NONE, 0, 0, 1, NULL, NULL, N_ONE_CHUNKER),
    ROW("global.chunking.strategies.markdown.max_workers", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_PIPELINE),
    ROW("global.chunking.strategies.markdown.estimation_buffer", NUMBER, NONE, 0, 0, 1, NULL, NULL, N_ONE_CHUNKER),
    ROW("global.chunking.strategies.markdown.words_per_minute_reading", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_NO_NLP),
    ROW("global.chunking.strategies.markdown.header_analysis_threshold_h1", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_ONE_CHUNKER),
    ROW("global.chunking.strategies.markdown.header_analysis_threshold_h3", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_ONE_CHUNKER),
    ROW("global.chunking.strategies.markdown.enable_hierarchical_metadata", BOOL, NONE, 0, NO_RANGE, NULL, NULL, "has no effect: chunks always carry their section path"),
    ROW("global.chunking.strategies.docling", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.chunking.strategies.docling.max_tokens", INT, NONE, NULLABLE, 1, INT_TOP, NULL, NULL, N_DOCLING),
    ROW("global.chunking.strategies.docling.include_context_in_embed", BOOL, NONE, 0, NO_RANGE, NULL, NULL, N_DOCLING),
    ROW("global.chunking.strategies.docling.table_serialization", CHOICE, NONE, 0, NO_RANGE, NULL, "triplets|markdown", N_DOCLING),

    ROW("global.semantic_analysis", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.semantic_analysis.num_topics", INT, NONE, 0, ANY_NUMBER, NULL, NULL, N_NO_NLP),
    ROW("global.semantic_analysis.lda_passes", INT, NONE, 0, ANY_NUMBER, NULL, NULL, N_NO_NLP),
    ROW("global.semantic_analysis.spacy_model", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_NO_NLP),

    ROW("global.state_management", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.state_management.database_path", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_OWN_STATE),
    ROW("global.state_management.database_url", STRING, REFUSED, NULLABLE | SECRET, NO_RANGE, "null", NULL, "a database server cannot hold the state: it lies with the index in the data folder; remove this key"),
    ROW("global.state_management.table_prefix", STRING, NONE, NONBLANK, NO_RANGE, NULL, NULL, N_SQLITE),
    ROW("global.state_management.connection_pool", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.state_management.connection_pool.size", INT, NONE, REQUIRED, 1, INT_TOP, NULL, NULL, N_SQLITE),
    ROW("global.state_management.connection_pool.timeout", INT, NONE, REQUIRED, 1, INT_TOP, NULL, NULL, N_SQLITE),

    ROW("global.file_conversion", MAP, LATER, 0, NO_RANGE, NULL, NULL, "for sources with `enable_file_conversion: true`"),
    ROW("global.file_conversion.max_file_size", INT, LATER, 0, 1, 104857600, "52428800", NULL, "bytes"),
    ROW("global.file_conversion.conversion_timeout", INT, LATER, 0, 1, 3600, "300", NULL, "seconds"),
    ROW("global.file_conversion.engine", CHOICE, REFUSED, 0, NO_RANGE, "markitdown", "markitdown|docling", "this build has no docling engine: remove this key, or write markitdown for the library's own converters"),
    ROW("global.file_conversion.markitdown", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.file_conversion.markitdown.enable_llm_descriptions", BOOL, REFUSED, 0, NO_RANGE, "false", NULL, "pictures cannot be described by a language model in this build; write false"),
    ROW("global.file_conversion.markitdown.llm_model", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_MARKITDOWN),
    ROW("global.file_conversion.markitdown.llm_endpoint", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_MARKITDOWN),
    ROW("global.file_conversion.markitdown.llm_api_key", STRING, NONE, NULLABLE | SECRET, NO_RANGE, NULL, NULL, N_MARKITDOWN),
    ROW("global.file_conversion.docling", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.file_conversion.docling.profile", CHOICE, NONE, 0, NO_RANGE, NULL, "fast|accurate|scanned", N_DOCLING),
    ROW("global.file_conversion.docling.max_file_size", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_DOCLING),
    ROW("global.file_conversion.docling.document_timeout", NUMBER, NONE, NULLABLE, 0, 86400, NULL, NULL, N_DOCLING),
    ROW("global.file_conversion.docling.num_threads", INT, NONE, 0, 1, 1024, NULL, NULL, N_DOCLING),
    ROW("global.file_conversion.docling.device", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_DOCLING),
    ROW("global.file_conversion.docling.compile_models", BOOL, NONE, 0, NO_RANGE, NULL, NULL, N_DOCLING),
    ROW("global.file_conversion.docling.artifacts_path", STRING, NONE, NULLABLE, NO_RANGE, NULL, NULL, N_DOCLING),
    ROW("global.file_conversion.docling.enabled_formats", STRINGS, NONE, 0, NO_RANGE, NULL, NULL, N_DOCLING),
    ROW("global.file_conversion.docling.picture", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.file_conversion.docling.picture.enabled", BOOL, NONE, 0, NO_RANGE, NULL, NULL, N_DOCLING),
    ROW("global.file_conversion.docling.picture.url", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_DOCLING),
    ROW("global.file_conversion.docling.picture.model", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_DOCLING),
    ROW("global.file_conversion.docling.picture.api_key", STRING, NONE, NULLABLE | SECRET, NO_RANGE, NULL, NULL, N_DOCLING),
    ROW("global.file_conversion.docling.picture.prompt", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_DOCLING),
    ROW("global.file_conversion.docling.picture.timeout", NUMBER, NONE, 0, 0, 86400, NULL, NULL, N_DOCLING),
    ROW("global.file_conversion.docling.picture.concurrency", INT, NONE, 0, 1, 1024, NULL, NULL, N_DOCLING),

    ROW("global.workers", MAP, LATER, OPTIONAL, NO_RANGE, NULL, NULL, "for `serve` and `jobs`"),
    ROW("global.workers.runtime", MAP, LATER, 0, NO_RANGE, NULL, NULL, NULL),
    ROW("global.workers.runtime.worker_count", INT, LATER, 0, 1, 1024, "4", NULL, NULL),
    ROW("global.workers.runtime.lease_seconds", INT, LATER, 0, 1, INT_TOP, "60", NULL, NULL),
    ROW("global.workers.runtime.max_attempts", INT, LATER, 0, 1, INT_TOP, "3", NULL, NULL),
    ROW("global.workers.runtime.retry_backoff_base_seconds", INT, LATER, 0, 0, INT_TOP, "5", NULL, NULL),
    ROW("global.workers.schedules", MAP, LATER, 0, NO_RANGE, NULL, NULL, NULL),
    ROW("global.workers.schedules.incremental_pull", MAP, LATER, 0, NO_RANGE, NULL, NULL, NULL),
    ROW("global.workers.schedules.incremental_pull.enabled", BOOL, LATER, 0, NO_RANGE, "false", NULL, NULL),
    ROW("global.workers.schedules.incremental_pull.interval", DURATION, LATER, 0, 1, INT_TOP, "300", NULL, "seconds, `1h30m` or `PT1H30M`"),
    ROW("global.workers.schedules.incremental_pull.dedup_statuses", CHOICES, LATER, NONBLANK, NO_RANGE, "[pending, running]", "pending|running|done|failed|cancelled", NULL),
    ROW("global.workers.schedules.incremental_pull.payload_defaults", FREE, LATER, 0, NO_RANGE, NULL, NULL, NULL),

    ROW("global.concurrency", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.concurrency.max_chunk_workers", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_PIPELINE),
    ROW("global.concurrency.max_embed_workers", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_PIPELINE),
    ROW("global.concurrency.max_upsert_workers", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_PIPELINE),
    ROW("global.concurrency.queue_size", INT, NONE, 0, 1, INT_TOP, NULL, NULL, N_PIPELINE),
    ROW("global.concurrency.upsert_batch_size", INT, NONE, NULLABLE, 1, INT_TOP, NULL, NULL, N_PIPELINE),

    ROW("global.graph", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.graph.enabled", BOOL, REFUSED, 0, NO_RANGE, "false", NULL, "a graph database is not supported; write false or remove the section"),
    ROW("global.graph.backend", STRING, NONE, 0, NO_RANGE, NULL, NULL, "has no effect: a graph database is not supported"),
    ROW("global.graph.graph_name", STRING, NONE, 0, NO_RANGE, NULL, NULL, "has no effect: a graph database is not supported"),
    ROW("global.graph.connection", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.graph.connection.host", STRING, NONE, 0, NO_RANGE, NULL, NULL, "has no effect: a graph database is not supported"),
    ROW("global.graph.connection.port", INT, NONE, 0, 1, 65535, NULL, NULL, "has no effect: a graph database is not supported"),
    ROW("global.graph.connection.password", STRING, NONE, NULLABLE | SECRET, NO_RANGE, NULL, NULL, "has no effect: a graph database is not supported"),
    ROW("global.graph.pool", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, NULL),
    ROW("global.graph.pool.max_connections", INT, NONE, 0, 1, INT_TOP, NULL, NULL, "has no effect: a graph database is not supported"),

    ROW("global.reranking", MAP, LATER, OPTIONAL, NO_RANGE, NULL, NULL, "for the MCP server"),
    ROW("global.reranking.enabled", BOOL, LATER, 0, NO_RANGE, "true", NULL, NULL),
    ROW("global.reranking.model", STRING, LATER, 0, NO_RANGE, "cross-encoder/ms-marco-MiniLM-L-12-v2", NULL, NULL),
    ROW("global.reranking.device", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, NULL),
    ROW("global.reranking.batch_size", INT, LATER, 0, 1, INT_TOP, "32", NULL, NULL),
    ROW("global.sources", MAP, NONE, OPTIONAL, NO_RANGE, NULL, NULL, "is never ingested, as in the reference: move it to the top level, or into a project"),

    ROW("projects", NAMED, HONOURED, NONBLANK, NO_RANGE, NULL, NULL, "project id: project"),
    ROW("projects.*", MAP, HONOURED, 0, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.project_id", STRING, HONOURED, 0, NO_RANGE, NULL, NULL, "the key above it is the id; another one here gives a warning"),
    ROW("projects.*.display_name", STRING, HONOURED, REQUIRED | NONBLANK, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.description", STRING, HONOURED, NULLABLE, NO_RANGE, "null", NULL, NULL),
    ROW("projects.*.collection_name", NAME, NONE, 0, 1, 255, NULL, NULL, "has no effect: `global.qdrant.collection_name` is used for all projects"),
    ROW("projects.*.overrides", FREE, NONE, OPTIONAL, NO_RANGE, NULL, NULL, N_OVERRIDES),
    ROW("projects.*.sources", MAP, HONOURED, 0, NO_RANGE, NULL, NULL, "source type: name: source"),

    ROW("projects.*.sources.confluence", NAMED, LATER, OPTIONAL | NONBLANK, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.confluence.*", MAP, LATER, 0, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.confluence.*.source_type", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_INJECTED),
    ROW("projects.*.sources.confluence.*.source", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_INJECTED),
    ROW("projects.*.sources.confluence.*.base_url", HTTP_URL, LATER, REQUIRED, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.confluence.*.space_key", STRING, LATER, REQUIRED | NONBLANK, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.confluence.*.deployment_type", CHOICE, LATER, 0, NO_RANGE, "cloud", "cloud|datacenter|server", "`server` is another word for `datacenter`"),
    ROW("projects.*.sources.confluence.*.token", STRING, LATER, NULLABLE | SECRET, NO_RANGE, "null", NULL, "falls back to `CONFLUENCE_TOKEN`"),
    ROW("projects.*.sources.confluence.*.email", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, "cloud; falls back to `CONFLUENCE_EMAIL`"),
    ROW("projects.*.sources.confluence.*.content_types", CHOICES, LATER, 0, NO_RANGE, "[page, blogpost]", "page|blogpost|comment", NULL),
    ROW("projects.*.sources.confluence.*.include_labels", STRINGS, LATER, 0, NO_RANGE, "[]", NULL, NULL),
    ROW("projects.*.sources.confluence.*.exclude_labels", STRINGS, LATER, 0, NO_RANGE, "[]", NULL, NULL),
    ROW("projects.*.sources.confluence.*.requests_per_minute", INT, LATER, 0, 1, 1000, "60", NULL, NULL),
    ROW("projects.*.sources.confluence.*.enable_file_conversion", BOOL, LATER, 0, NO_RANGE, "false", NULL, NULL),
    ROW("projects.*.sources.confluence.*.download_attachments", BOOL, LATER, NULLABLE, NO_RANGE, "null", NULL, NULL),

    ROW("projects.*.sources.git", NAMED, HONOURED, OPTIONAL | NONBLANK, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.git.*", MAP, HONOURED, 0, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.git.*.source_type", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_INJECTED),
    ROW("projects.*.sources.git.*.source", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_INJECTED),
    ROW("projects.*.sources.git.*.base_url", GIT_URL, HONOURED, REQUIRED, NO_RANGE, NULL, NULL, "https, ssh, `user@host:path`, or a folder (relative to the configuration)"),
    ROW("projects.*.sources.git.*.branch", STRING, HONOURED, NULLABLE, NO_RANGE, "null", NULL, "not written: the repository's default branch"),
    ROW("projects.*.sources.git.*.token", STRING, HONOURED, NULLABLE | SECRET, NO_RANGE, "null", NULL, "for https"),
    ROW("projects.*.sources.git.*.depth", INT, HONOURED, NULLABLE, 0, 2147483647, "null", NULL, "commits of history; 0 or not written: all, so that every file has its own dates"),
    ROW("projects.*.sources.git.*.include_paths", STRINGS, HONOURED, 0, NO_RANGE, "[]", NULL, "empty: all"),
    ROW("projects.*.sources.git.*.exclude_paths", STRINGS, HONOURED, 0, NO_RANGE, "[]", NULL, NULL),
    ROW("projects.*.sources.git.*.file_types", STRINGS, HONOURED, 0, NO_RANGE, "[]", NULL, "`*.md`; empty: all"),
    ROW("projects.*.sources.git.*.max_file_size", INT, HONOURED, 0, 0, 1099511627776.0, "1048576", NULL, "bytes; larger files are left out"),
    ROW("projects.*.sources.git.*.enable_file_conversion", BOOL, HONOURED, 0, NO_RANGE, "false", NULL, NULL),
    ROW("projects.*.sources.git.*.download_attachments", BOOL, NONE, NULLABLE, NO_RANGE, NULL, NULL, "has no effect: a repository has no attachments"),
    ROW("projects.*.sources.git.*.temp_dir", STRING, NONE, NULLABLE, NO_RANGE, NULL, NULL, "has no effect: clones live in the data folder"),

    ROW("projects.*.sources.jira", NAMED, LATER, OPTIONAL | NONBLANK, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.jira.*", MAP, LATER, 0, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.jira.*.source_type", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_INJECTED),
    ROW("projects.*.sources.jira.*.source", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_INJECTED),
    ROW("projects.*.sources.jira.*.base_url", HTTP_URL, LATER, REQUIRED, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.jira.*.project_key", STRING, LATER, REQUIRED | NONBLANK, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.jira.*.deployment_type", CHOICE, LATER, 0, NO_RANGE, "cloud", "cloud|datacenter|server", "`server` is another word for `datacenter`"),
    ROW("projects.*.sources.jira.*.token", STRING, LATER, NULLABLE | SECRET, NO_RANGE, "null", NULL, "falls back to `JIRA_TOKEN`"),
    ROW("projects.*.sources.jira.*.email", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, "cloud; falls back to `JIRA_EMAIL`"),
    ROW("projects.*.sources.jira.*.issue_types", STRINGS, LATER, NONBLANK | TRIMMED, NO_RANGE, "[]", NULL, NULL),
    ROW("projects.*.sources.jira.*.include_statuses", STRINGS, LATER, NONBLANK | TRIMMED, NO_RANGE, "[]", NULL, NULL),
    ROW("projects.*.sources.jira.*.updated_after", TIME, LATER, NULLABLE, NO_RANGE, "null", NULL, "ISO 8601, or `-30 days`"),
    ROW("projects.*.sources.jira.*.requests_per_minute", INT, LATER, 0, 1, 1000, "60", NULL, NULL),
    ROW("projects.*.sources.jira.*.page_size", INT, LATER, 0, 1, 100, "100", NULL, NULL),
    ROW("projects.*.sources.jira.*.extra_fields", LIST, LATER, OPTIONAL | NULLABLE, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.jira.*.extra_fields.*", MAP, LATER, 0, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.jira.*.extra_fields.*.param_name", STRING, LATER, REQUIRED | NONBLANK, NO_RANGE, NULL, NULL, "unique"),
    ROW("projects.*.sources.jira.*.extra_fields.*.name", STRING, LATER, REQUIRED | NONBLANK, NO_RANGE, NULL, NULL, "unique, not the name of a standard field"),
    ROW("projects.*.sources.jira.*.extra_fields.*.field_type", CHOICE, LATER, 0, NO_RANGE, "simple", "simple|object|array|array_object", NULL),
    ROW("projects.*.sources.jira.*.extra_fields.*.attr_name", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, "with object and array_object only, and then required"),
    ROW("projects.*.sources.jira.*.track_last_sync", BOOL, NONE, 0, NO_RANGE, NULL, NULL, "has no effect, as in the reference: only what changed is read again in any case"),
    ROW("projects.*.sources.jira.*.enable_file_conversion", BOOL, LATER, 0, NO_RANGE, "false", NULL, NULL),
    ROW("projects.*.sources.jira.*.download_attachments", BOOL, LATER, 0, NO_RANGE, "false", NULL, NULL),

    ROW("projects.*.sources.publicdocs", NAMED, LATER, OPTIONAL | NONBLANK, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.publicdocs.*", MAP, LATER, 0, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.publicdocs.*.source_type", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_INJECTED),
    ROW("projects.*.sources.publicdocs.*.source", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_INJECTED),
    ROW("projects.*.sources.publicdocs.*.base_url", HTTP_URL, LATER, REQUIRED, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.publicdocs.*.version", STRING, LATER, REQUIRED, NO_RANGE, NULL, NULL, "in quotes when it looks like a number"),
    ROW("projects.*.sources.publicdocs.*.content_type", CHOICE, LATER, 0, NO_RANGE, "html", "html|markdown|rst", NULL),
    ROW("projects.*.sources.publicdocs.*.path_pattern", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, NULL),
    ROW("projects.*.sources.publicdocs.*.exclude_paths", STRINGS, LATER, 0, NO_RANGE, "[]", NULL, NULL),
    ROW("projects.*.sources.publicdocs.*.selectors", MAP, LATER, 0, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.publicdocs.*.selectors.content", STRING, LATER, 0, NO_RANGE, "article, main, .content", NULL, NULL),
    ROW("projects.*.sources.publicdocs.*.selectors.remove", STRINGS, LATER, 0, NO_RANGE, "[nav, header, footer, .sidebar]", NULL, NULL),
    ROW("projects.*.sources.publicdocs.*.selectors.code_blocks", STRING, LATER, 0, NO_RANGE, "pre code", NULL, NULL),
    ROW("projects.*.sources.publicdocs.*.attachment_selectors", STRINGS, LATER, 0, NO_RANGE,
        "[a[href$='.pdf'], a[href$='.docx'], a[href$='.xls'], a[href$='.xlsx'], a[href$='.pptx']]", NULL, NULL),
    ROW("projects.*.sources.publicdocs.*.requests_per_minute", INT, LATER, 0, 1, 2000, "120", NULL, NULL),
    ROW("projects.*.sources.publicdocs.*.enable_file_conversion", BOOL, LATER, 0, NO_RANGE, "false", NULL, NULL),
    ROW("projects.*.sources.publicdocs.*.download_attachments", BOOL, LATER, NULLABLE, NO_RANGE, "false", NULL, NULL),

    ROW("projects.*.sources.localfile", NAMED, HONOURED, OPTIONAL | NONBLANK, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.localfile.*", MAP, HONOURED, 0, NO_RANGE, NULL, NULL, NULL),
    ROW("projects.*.sources.localfile.*.source_type", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_INJECTED),
    ROW("projects.*.sources.localfile.*.source", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_INJECTED),
    ROW("projects.*.sources.localfile.*.base_url", FOLDER, HONOURED, REQUIRED, NO_RANGE, NULL, NULL, "`file:///folder`, or a path: absolute, `~/...`, or relative to the configuration"),
    ROW("projects.*.sources.localfile.*.include_paths", STRINGS, HONOURED, 0, NO_RANGE, "[]", NULL, "empty: all"),
    ROW("projects.*.sources.localfile.*.exclude_paths", STRINGS, HONOURED, 0, NO_RANGE, "[]", NULL, NULL),
    ROW("projects.*.sources.localfile.*.file_types", STRINGS, HONOURED, 0, NO_RANGE, "[]", NULL, "`*.md`; empty: all"),
    ROW("projects.*.sources.localfile.*.max_file_size", INT, HONOURED, 0, 0, 1099511627776.0, "1048576", NULL, "bytes; larger files are left out"),
    ROW("projects.*.sources.localfile.*.enable_file_conversion", BOOL, HONOURED, 0, NO_RANGE, "false", NULL, NULL),
    ROW("projects.*.sources.localfile.*.download_attachments", BOOL, NONE, NULLABLE, NO_RANGE, NULL, NULL, "has no effect: files have no attachments"),

    ROW("projects.*.sources.sharepoint", NAMED, LATER, OPTIONAL | NONBLANK, NO_RANGE, NULL, NULL, "not in the reference"),
    ROW("projects.*.sources.sharepoint.*", MAP, LATER, EXTRA, NO_RANGE, NULL, NULL, "further keys are kept for the build that reads SharePoint"),
    ROW("projects.*.sources.sharepoint.*.source_type", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_INJECTED),
    ROW("projects.*.sources.sharepoint.*.source", STRING, NONE, 0, NO_RANGE, NULL, NULL, N_INJECTED),
    ROW("projects.*.sources.sharepoint.*.base_url", HTTP_URL, LATER, REQUIRED, NO_RANGE, NULL, NULL, "the tenant or site"),
    ROW("projects.*.sources.sharepoint.*.tenant_id", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, NULL),
    ROW("projects.*.sources.sharepoint.*.client_id", STRING, LATER, NULLABLE, NO_RANGE, "null", NULL, NULL),
    ROW("projects.*.sources.sharepoint.*.client_secret", STRING, LATER, NULLABLE | SECRET, NO_RANGE, "null", NULL, NULL),
    ROW("projects.*.sources.sharepoint.*.include_paths", STRINGS, LATER, 0, NO_RANGE, "[]", NULL, NULL),
    ROW("projects.*.sources.sharepoint.*.exclude_paths", STRINGS, LATER, 0, NO_RANGE, "[]", NULL, NULL),
    ROW("projects.*.sources.sharepoint.*.file_types", STRINGS, LATER, 0, NO_RANGE, "[]", NULL, NULL),
    ROW("projects.*.sources.sharepoint.*.max_file_size", INT, LATER, 0, 0, 1099511627776.0, "52428800", NULL, "bytes"),
    ROW("projects.*.sources.sharepoint.*.enable_file_conversion", BOOL, LATER, 0, NO_RANGE, "true", NULL, NULL),

    ROW("sources", MAP, HONOURED, OPTIONAL, NO_RANGE, NULL, NULL, "the short form: the sources of one project `default`"),

    ROW("search", MAP, LATER, OPTIONAL, NO_RANGE, NULL, NULL, "for the MCP server"),
    ROW("search.cache_enabled", BOOL, LATER, 0, NO_RANGE, "true", NULL, NULL),
    ROW("search.cache_ttl", INT, LATER, 0, 0, 86400, "300", NULL, "seconds"),
    ROW("search.cache_max_size", INT, LATER, 0, 1, 100000, "500", NULL, NULL),
    ROW("search.hnsw_ef", INT, LATER, 0, 1, 32768, "128", NULL, "Qdrant"),
    ROW("search.use_exact_search", BOOL, LATER, 0, NO_RANGE, "false", NULL, "Qdrant"),
    ROW("search.max_concurrent_searches", INT, LATER, 0, 1, 50, "4", NULL, NULL),
    ROW("search.conflict_limit_default", INT, LATER, 0, 2, 50, "10", NULL, NULL),
    ROW("search.conflict_max_pairs_total", INT, LATER, 0, 1, 200, "24", NULL, NULL),
    ROW("search.conflict_tier_caps", MAP, LATER, 0, NO_RANGE, NULL, NULL, NULL),
    ROW("search.conflict_tier_caps.primary", INT, LATER, 0, 0, INT_TOP, "12", NULL, NULL),
    ROW("search.conflict_tier_caps.secondary", INT, LATER, 0, 0, INT_TOP, "8", NULL, NULL),
    ROW("search.conflict_tier_caps.tertiary", INT, LATER, 0, 0, INT_TOP, "4", NULL, NULL),
    ROW("search.conflict_tier_caps.fallback", INT, LATER, 0, 0, INT_TOP, "0", NULL, NULL),
    ROW("search.conflict_use_llm", BOOL, LATER, 0, NO_RANGE, "true", NULL, NULL),
    ROW("search.conflict_max_llm_pairs", INT, LATER, 0, 0, 10, "2", NULL, NULL),
    ROW("search.conflict_llm_model", STRING, LATER, 0, NO_RANGE, "gpt-4o-mini", NULL, NULL),
    ROW("search.conflict_llm_timeout_s", NUMBER, LATER, 0, 0.001, 60, "12", NULL, NULL),
    ROW("search.conflict_overall_timeout_s", NUMBER, LATER, 0, 0.001, 60, "9", NULL, NULL),
    ROW("search.conflict_text_window_chars", INT, LATER, 0, 200, 8000, "2000", NULL, NULL),
    ROW("search.conflict_embeddings_timeout_s", NUMBER, LATER, 0, 0.001, 30, "2", NULL, NULL),
    ROW("search.conflict_embeddings_max_concurrency", INT, LATER, 0, 1, 20, "5", NULL, NULL),
};

const ql__config_key *ql__config_schema(size_t *count)
{
    *count = sizeof keys / sizeof *keys;
    return keys;
}

ql_str ql__config_key_name(const ql__config_key *key)
{
    const char *dot = strrchr(key->path, '.');
    return ql_str_of(dot != NULL ? dot + 1 : key->path);
}

bool ql__config_key_is_child(const ql__config_key *key, const char *parent)
{
    size_t length = strlen(parent);
    if (length == 0) return strchr(key->path, '.') == NULL;
    return strncmp(key->path, parent, length) == 0 && key->path[length] == '.' && strchr(key->path + length + 1, '.') == NULL;
}

const ql__config_key *ql__config_schema_child(const char *parent, ql_str name)
{
    const ql__config_key *any = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!ql__config_key_is_child(&keys[i], parent)) continue;
        ql_str own = ql__config_key_name(&keys[i]);
        if (ql_str_equal(own, name) && !ql_str_equal(own, QL_STR("*"))) return &keys[i];
        if (ql_str_equal(own, QL_STR("*"))) any = &keys[i];
    }
    return any;
}

#define WORD_MAX 64 /* longer than every key of the table */

size_t ql__edit_distance(ql_str a, ql_str b, size_t limit)
{
    if (a.len > WORD_MAX || b.len > WORD_MAX) return limit;
    size_t rows[3][WORD_MAX + 1]; /* the row two before, the row before, this row */
    size_t *earlier = rows[0], *before = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b.len; j++) before[j] = j, earlier[j] = 0;
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t best = before[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
            if (before[j] + 1 < best) best = before[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1];
            if (swapped && earlier[j - 2] + 1 < best) best = earlier[j - 2] + 1;
            now[j] = best;
        }
        size_t *spare = earlier;
        earlier = before, before = now, now = spare;
    }
    return before[b.len] < limit ? before[b.len] : limit;
}

/* One word begins with the other ("batch", "batch_size"): as good as one slip. */
static bool is_part(ql_str a, ql_str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    return shorter >= 4 && memcmp(a.ptr, b.ptr, shorter) == 0;
}

const ql__config_key *ql__config_schema_nearest(const char *parent, ql_str name)
{
    size_t best = name.len / 3 + 2; /* a third of a word may be wrong */
    const ql__config_key *nearest = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!ql__config_key_is_child(&keys[i], parent) || ql_str_equal(ql__config_key_name(&keys[i]), QL_STR("*"))) continue;
        ql_str own = ql__config_key_name(&keys[i]);
        size_t distance = is_part(name, own) ? 1 : ql__edit_distance(name, own, best);
        if (distance < best) {
            best = distance;
            nearest = &keys[i];
        }
    }
    return nearest;
}
