/*
 * Fetch, convert, chunk: everything about one document that needs no other document. Runs on pool threads, a document
 * on one of them; all memory is the document's arena.
 */
#include "ingest/prepare.h"

#include <string.h>

#include "base/abi.h"
#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"
#include "chunk/chunk.h"
#include "convert/convert.h"
#include "dep/digest.h"
#include "dep/json.h"
#include "model/canonical.h"
#include "model/identity.h"
#include "prof/metrics.h"
#include "text/utf8.h"

/* Context before a passage is worth a line; more would push the passage out of the model's window. */
#define CONTEXT_BYTES_MAX 160

static void hash_part(ql__sha256 *hash, ql_str part)
{
    uint64_t len = part.len; /* lengths keep ("a","bc") and ("ab","c") apart */
    ql__sha256_update(hash, (ql_str){(const char *)&len, sizeof len});
    ql__sha256_update(hash, part);
}

/* Dates and the metadata of the source are left out: no chunk holds them. A document that was only touched, or whose commit was written anew,
   keeps its chunks and vectors and gets the new ones. */
static ql_status content_hash(ql__arena *arena, const ql_document *document, ql_str *out)
{
    ql__sha256 hash;
    uint8_t digest[32];
    char hex[65];
    ql__sha256_init(&hash);
    hash_part(&hash, document->title);
    hash_part(&hash, document->content_type);
    hash_part(&hash, document->content);
    ql__sha256_final(&hash, digest);
    ql__hex(digest, sizeof digest, hex);
    return ql__arena_copy(arena, ql_str_of(hex), out) ? QL_OK : QL_E_NOMEM;
}

typedef struct converter {
    const ql_converter_ops *ops;
    void *self;
    bool foreign; /* the application's: what it yields is checked */
} converter;

static converter pick_converter(const ql__extensions *added, const ql_document *document)
{
    size_t count = added != NULL ? added->counts[QL__EXTENSION_CONVERTER] : 0;
    for (size_t i = 0; i < count; i++) {
        const ql__extension *item = &added->items[QL__EXTENSION_CONVERTER][i];
        const ql_converter_ops *ops = item->ops;
        if (ops->accepts_fn(item->self, document)) return (converter){ops, item->self, true};
    }
    const ql_converter_ops *const *all = ql__convert_builtin(&count);
    for (size_t i = 0; i + 1 < count; i++)
        if (all[i]->accepts_fn(NULL, document)) return (converter){all[i], NULL, false};
    return (converter){all[count - 1], NULL, false};
}

/* What is wrong here is the converter's mistake, never a document without text: so no QL_E_FORMAT. */
static ql_status check_canonical(const ql_canonical *canonical, size_t source_len, ql_error *err)
{
    QL_TRY(ql__canonical_verify(canonical, source_len, err));
    if (canonical->metadata_json.len == 0) return QL_OK;
    ql_error detail = {0};
    ql_status status = ql__json_check_object(canonical->metadata_json, &detail);
    if (ql_status_kind(status) == QL_E_NOMEM) return ql__fail_nomem(err);
    return status < 0 ? ql__fail(err, QL_E_INVALID, "its metadata: %s", detail.message) : QL_OK;
}

static ql_status run_converter(const ql__extensions *added, const ql_document *document, ql_arena *arena, ql_canonical *out, const char **missing, ql_error *err)
{
    QL_SPAN(CONVERT);
    converter chosen = pick_converter(added, document);
    if (!chosen.foreign) {
        *missing = chosen.ops == ql__convert_code() ? ql__convert_missing_grammar(document->content_type) : NULL;
        return chosen.ops->convert_fn(chosen.self, document, arena, out, err);
    }
    ql_error answer = {0};
    QL_TRY(ql__callback_status(chosen.ops->convert_fn(chosen.self, document, arena, out, &answer), &answer, err));
    ql_status status = check_canonical(out, document->content.len, err);
    if (status < 0) ql__error_prefix(err, "the converter '%s' yields no sound text", chosen.ops->name);
    return status;
}

/* What a chunk needs while the emit callback runs. */
typedef struct chunking {
    ql__prepared *prepared;
    uint32_t chunks_max; /* 0: no cap */
    const ql_document *document;
    const ql_canonical *canonical;
    ql_str context_title;
} chunking;

static bool has_text(ql_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] > ' ') return true;
    return false;
}

static ql_str cut_to(ql_str text, size_t bytes)
{
    if (text.len <= bytes) return text;
    text.len = ql__grapheme_floor(text, bytes);
    return text;
}

/* Title and section path, each said once: "title\npath\n". */
static ql_status append_context(ql_buf *out, ql_str title, ql_str path)
{
    bool path_has_title = path.len >= title.len && title.len > 0 && memcmp(path.ptr, title.ptr, title.len) == 0;
    if (title.len > 0 && !path_has_title) {
        ql_buf_append(out, cut_to(title, CONTEXT_BYTES_MAX));
        ql_buf_append_char(out, '\n');
    }
    if (path.len > 0) {
        ql_buf_append(out, cut_to(path, CONTEXT_BYTES_MAX));
        ql_buf_append_char(out, '\n');
    }
    return out->status;
}

static ql_str trimmed(ql_str text)
{
    while (text.len > 0 && (unsigned char)text.ptr[0] <= ' ') text.ptr++, text.len--;
    while (text.len > 0 && (unsigned char)text.ptr[text.len - 1] <= ' ') text.len--;
    return text;
}

/* The text the model and the word index read. */
static ql_status compose(chunking *self, const ql_chunk *chunk, ql_str *out)
{
    ql_buf text = QL_BUF_INIT;
    ql_status status = append_context(&text, self->context_title, chunk->section_path);
    if (status >= 0) status = ql_buf_append(&text, trimmed(chunk->text));
    if (status >= 0 && !ql__arena_copy(&self->prepared->memory.arena, ql_buf_str(&text), out)) status = QL_E_NOMEM;
    ql_buf_dispose(&text);
    return status;
}

static ql_status chunk_title(chunking *self, uint32_t index, ql_str *out)
{
    ql_buf title = QL_BUF_INIT;
    ql_buf_append(&title, self->document->title);
    ql_status status = ql_buf_printf(&title, " - Chunk %u", index + 1u);
    if (status >= 0 && !ql__arena_copy(&self->prepared->memory.arena, ql_buf_str(&title), out)) status = QL_E_NOMEM;
    ql_buf_dispose(&title);
    return status;
}

static ql_status keep_chunk(chunking *self, const ql_chunk *chunk)
{
    ql__prepared *prepared = self->prepared;
    ql__arena *arena = &prepared->memory.arena;
    char id[37];
    ql_store_chunk kept = {.struct_size = sizeof kept, .chunk = *chunk};
    kept.chunk.index = (uint32_t)prepared->chunk_count;
    ql__chunk_id(prepared->entry->id, kept.chunk.index, id);
    bool ok = ql__arena_copy(arena, chunk->text, &kept.chunk.text) &&
              ql__arena_copy(arena, chunk->section_path, &kept.chunk.section_path) &&
              ql__arena_copy(arena, chunk->metadata_json, &kept.chunk.metadata_json) && ql__arena_copy(arena, ql_str_of(id), &kept.id);
    if (!ok) return QL_E_NOMEM;
    QL_TRY(chunk_title(self, kept.chunk.index, &kept.title));
    QL_TRY(compose(self, chunk, &kept.terms_text));
    if (!ql__array_push(prepared->chunks, prepared->chunk_count, prepared->chunk_capacity, kept)) return QL_E_NOMEM;
    prepared->tokens += chunk->tokens;
    return QL_OK;
}

static int on_chunk(void *user, const ql_chunk *chunk)
{
    chunking *self = user;
    if (!has_text(chunk->text)) return 0; /* white space alone is not worth a vector */
    self->prepared->chunks_dropped = self->chunks_max > 0 && self->prepared->chunk_count >= self->chunks_max;
    if (self->prepared->chunks_dropped) return 1;
    return keep_chunk(self, chunk) < 0 ? 1 : 0;
}

static const ql__extension *pick_chunker(const ql__extensions *added, const chunking *self)
{
    for (size_t i = 0; added != NULL && i < added->counts[QL__EXTENSION_CHUNKER]; i++) {
        const ql__extension *item = &added->items[QL__EXTENSION_CHUNKER][i];
        const ql_chunker_ops *ops = item->ops;
        if (ops->accepts_fn(item->self, self->document, self->canonical)) return item;
    }
    return NULL;
}

#define CONTENT_DIGITS 16 /* of the hash, in a capture: enough to tell documents apart */

static ql_status make_chunks(ql__ingest *ingest, chunking *self, ql_error *err)
{
    QL_SPAN(CHUNK);
    ql__span_note_text(&ql_span_CHUNK, "content", cut_to(self->prepared->document.content_hash, CONTENT_DIGITS));
    ql_chunk_options options = ingest->chunk;
    options.chunks_max = 0; /* counted here, where chunks without text do not count and a cap that was just met drops nothing */
    const ql__extension *foreign = pick_chunker(ingest->extensions, self);
    ql_status status = foreign != NULL ? ql__chunker_foreign_run(foreign->ops, foreign->self, self->document, self->canonical, &options, on_chunk, self, err)
                                       : ql__chunker_structure()->chunk_fn(NULL, self->document, self->canonical, &options, on_chunk, self, err);
    if (status == QL_E_CALLBACK && self->prepared->chunks_dropped) return QL_OK;
    return status == QL_E_CALLBACK ? ql__fail_nomem(err) : status;
}

/* Where the document lies within its source, for path filters: what the file sources say of themselves. */
static ql_status path_of(ql__arena *arena, ql_str metadata_json, ql_str *out)
{
    ql__json *json = NULL;
    QL_AUTO(ql_buf, ql_buf_dispose) path = QL_BUF_INIT;
    *out = (ql_str){0};
    if (metadata_json.len == 0) return QL_OK;
    ql_status status = ql__json_parse(metadata_json, &json, NULL); /* that it is an object was checked where it came in */
    if (status < 0) return ql_status_kind(status) == QL_E_NOMEM ? QL_E_NOMEM : QL_OK;
    ql_str folder = ql__json_str(ql__json_get(json, "file_directory"), QL_STR("")), name = ql__json_str(ql__json_get(json, "file_name"), QL_STR(""));
    while (folder.len > 0 && folder.ptr[folder.len - 1] == '/') folder.len--;
    while (folder.len > 0 && folder.ptr[0] == '/') folder.ptr++, folder.len--; /* some sources root it at '/', filters never do */
    if (folder.len > 0 && !ql_str_equal(folder, QL_STR("."))) {
        ql_buf_append(&path, folder);
        ql_buf_append_char(&path, '/');
    }
    ql_buf_append(&path, name);
    ql__json_free(json);
    return path.status >= 0 && ql__arena_copy(arena, ql_buf_str(&path), out) ? QL_OK : QL_E_NOMEM;
}

/* Keys of the source, then what the converter found. */
static ql_status describe(ql__arena *arena, const ql_document *document, const ql_canonical *canonical, ql_store_document *out)
{
    ql_buf json = QL_BUF_INIT;
    ql__json_writer writer;
    ql__json_begin(&writer, &json);
    ql__json_object(&writer);
    if (document->metadata_json.len > 0) ql__json_members(&writer, document->metadata_json);
    if (canonical->metadata_json.len > 0) ql__json_members(&writer, canonical->metadata_json);
    if (canonical->encoding.len > 0 && !ql_str_equal(canonical->encoding, QL_STR("utf-8"))) {
        ql__json_member(&writer, "original_encoding", canonical->encoding);
    }
    if (canonical->title.len > 0) {
        ql__json_member(&writer, "document_title", canonical->title);
    }
    ql__json_object_end(&writer);
    ql_status status = json.status;
    if (status >= 0 && !ql__arena_copy(arena, ql_buf_str(&json), &out->metadata_json)) status = QL_E_NOMEM;
    ql_buf_dispose(&json);
    return status < 0 ? status : path_of(arena, document->metadata_json, &out->path);
}

/* A document that was cut by lines for want of a grammar is made again when there is one. */
static ql_status pipeline_of(const ql__ingest *ingest, ql__prepared *self, ql_str *out)
{
    *out = ingest->pipeline;
    if (self->missing_grammar == NULL) return QL_OK;
    QL_AUTO(ql_buf, ql_buf_dispose) text = QL_BUF_INIT;
    ql_status status = ql_buf_printf(&text, "%.*s" QL__PIPELINE_WITHOUT "%s", (int)ingest->pipeline.len, ingest->pipeline.ptr, self->missing_grammar);
    return status < 0 || !ql__arena_copy(&self->memory.arena, ql_buf_str(&text), out) ? QL_E_NOMEM : QL_OK;
}

static ql_status fill_document(ql__ingest *ingest, const ql__ingest_source *source, ql__prepared *self, const ql_document *from,
                               const ql_canonical *canonical)
{
    ql__arena *arena = &self->memory.arena;
    ql_store_document *to = &self->document;
    to->project = source->project;
    to->source_type = source->source_type;
    to->source = source->source;
    to->url = self->entry->item.url;
    to->id = self->entry->id;
    if (pipeline_of(ingest, self, &to->pipeline) < 0) return QL_E_NOMEM;
    if (!ql__arena_copy(arena, from->title, &to->title) || !ql__arena_copy(arena, from->content_type, &to->content_type)) return QL_E_NOMEM;
    return describe(arena, from, canonical, to);
}

static void point_texts(ql__prepared *self)
{
    for (size_t i = 0; i < self->chunk_count; i++) self->embed_texts[i] = self->chunks[i].terms_text;
    self->document.chunks = self->chunks;
    self->document.chunk_count = self->chunk_count;
}

/*
 * What holds no text (a picture, a program) is stored without chunks: told once, and not read again while it stays as it is.
 */
static ql_status note_no_text(ql__prepared *self, ql_canonical *canonical, ql_error *err)
{
    self->kind = QL__PREPARED_SKIPPED;
    *canonical = (ql_canonical){.struct_size = sizeof *canonical};
    return ql__arena_copy(&self->memory.arena, ql_str_of(err->message), &self->message) ? QL_OK : ql__fail_nomem(err);
}

static ql_status convert_and_chunk(ql__ingest *ingest, const ql__ingest_source *source, ql__prepared *self, const ql_document *document,
                                   ql_error *err)
{
    ql_canonical canonical = {.struct_size = sizeof canonical};
    struct ql_arena scratch; /* the conversion's tree is dropped as soon as the chunks are copied */
    ql__arena_init(&scratch.arena, 0);
    ql_status status = run_converter(ingest->extensions, document, &scratch, &canonical, &self->missing_grammar, err);
    if (ql_status_kind(status) == QL_E_FORMAT || ql_status_kind(status) == QL_E_UNSUPPORTED)
        status = note_no_text(self, &canonical, err);
    chunking state = {.prepared = self, .chunks_max = ingest->chunk.chunks_max, .document = document, .canonical = &canonical,
                         .context_title = canonical.title.len > 0 ? canonical.title : document->title};
    uint64_t begin_ns = ql__metric_begin();
    bool chunked = status >= 0 && self->kind == QL__PREPARED_CHUNKS;
    if (chunked) status = make_chunks(ingest, &state, err);
    if (chunked) ql__metric_end_document(QL__METRIC_REF_CHUNKING, 0, begin_ns, self->entry->id);
    if (status >= 0 && fill_document(ingest, source, self, document, &canonical) < 0) status = ql__fail_nomem(err);
    ql__arena_dispose(&scratch.arena);
    if (status < 0) return status;
    size_t texts = self->chunk_count == 0 ? 1 : self->chunk_count;
    self->embed_texts = ql__arena_alloc_zero(&self->memory.arena, texts, sizeof *self->embed_texts);
    if (self->embed_texts == NULL) return ql__fail_nomem(err);
    point_texts(self);
    return QL_OK;
}

/* Same content: its chunks stay, but what is said of the document is made as the first time, so that nothing of before is left in it. */
static ql_status describe_again(ql__ingest *ingest, ql__prepared *self, const ql_document *document, ql_error *err)
{
    ql_canonical canonical = {.struct_size = sizeof canonical};
    struct ql_arena scratch;
    ql__arena_init(&scratch.arena, 0);
    ql_status status = run_converter(ingest->extensions, document, &scratch, &canonical, &self->missing_grammar, err);
    bool no_text = ql_status_kind(status) == QL_E_FORMAT || ql_status_kind(status) == QL_E_UNSUPPORTED;
    if (no_text) {
        canonical = (ql_canonical){.struct_size = sizeof canonical};
        status = QL_OK;
    }
    if (status >= 0 && describe(&self->memory.arena, document, &canonical, &self->document) < 0) status = ql__fail_nomem(err);
    ql__arena_dispose(&scratch.arena);
    self->missing_grammar = NULL; /* told when it was cut */
    self->kind = QL__PREPARED_UNCHANGED;
    return status;
}

static ql_status process(ql__ingest *ingest, const ql__ingest_source *source, ql__prepared *self, const ql_document *document, ql_error *err)
{
    self->content_bytes = document->content.len;
    ql__counter_add(QL__COUNTER_BYTES_READ, document->content.len);
    self->document = (ql_store_document){.struct_size = sizeof self->document, .version = self->entry->item.version,
                                         .created_at_ms = document->created_at_ms, .updated_at_ms = document->updated_at_ms};
    if (content_hash(&self->memory.arena, document, &self->document.content_hash) < 0) return ql__fail_nomem(err);
    if (ql_str_equal(self->document.content_hash, self->entry->known_hash)) return describe_again(ingest, self, document, err);
    if (document->content.len > QL_LIMIT_DOCUMENT_BYTES)
        return ql__fail(err, QL_E_LIMIT, "%zu bytes, more than the %zu that one document may have", document->content.len, QL_LIMIT_DOCUMENT_BYTES);
    return convert_and_chunk(ingest, source, self, document, err);
}

/* What a source of the application says beside the content goes into the index as it is. */
static ql_status check_document(const ql_document *document, ql_error *err)
{
    if (document->struct_size != sizeof *document)
        return ql__fail(err, QL_E_INVALID, "ql_document.struct_size is %u, not %zu: set it to sizeof the struct", document->struct_size, sizeof *document);
    QL_TRY(QL__STRS_CHECK("ql_document", err, {"url", document->url}, {"title", document->title}, {"content_type", document->content_type}, {"content", document->content},
                          {"metadata_json", document->metadata_json}));
    bool filled = document->url.ptr != NULL || document->title.ptr != NULL || document->content_type.ptr != NULL || document->content.ptr != NULL || document->metadata_json.ptr != NULL;
    if (!filled) return ql__fail(err, QL_E_INVALID, "fetch_fn answered QL_OK, but said nothing of the document: all its texts are NULL");
    if (document->title.len > QL_LIMIT_TITLE_BYTES || document->content_type.len > QL_LIMIT_LABEL_BYTES)
        return ql__fail(err, QL_E_LIMIT, "its title has more than %d bytes, or its content type more than %d", QL_LIMIT_TITLE_BYTES, QL_LIMIT_LABEL_BYTES);
    if (!ql__utf8_valid(document->title) || !ql__utf8_valid(document->content_type)) return ql__fail(err, QL_E_INVALID, "its title or content type is not UTF-8");
    if (document->metadata_json.len == 0) return QL_OK;
    ql_status status = ql__json_check_object(document->metadata_json, err);
    if (status < 0) ql__error_prefix(err, "its metadata");
    return status;
}

static void note_failure(ql__prepared *self, ql__prepared_kind kind, ql_status status, const ql_error *err)
{
    self->status = status;
    self->chunk_count = 0; /* what was left half-way is neither embedded nor stored */
    self->kind = kind;
    if (!ql__arena_copy(&self->memory.arena, ql_str_of(err->message), &self->message)) self->message = ql_str_of(ql_status_name(status));
}

/* Labels of all that is done for one document, whichever thread does it. Returns what ql_label_restore() takes. */
static uint64_t label_document(const ql__ingest_source *source, const ql__plan_entry *entry)
{
    uint64_t before = ql_label_set("project", source->project);
    (void)ql_label_set("source_type", source->source_type);
    (void)ql_label_set("source", source->source);
    (void)ql_label_set("document", entry->item.url);
    return before;
}

ql__prepared *ql__prepare(ql__ingest *ingest, const ql__ingest_source *source, const ql__plan_entry *entry)
{
    ql__prepared *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return NULL;
    ql__arena_init(&self->memory.arena, 0);
    self->entry = entry;
    static ql_site site = QL_SITE_INIT("document", "task");
    uint64_t labels_before = label_document(source, entry);
    self->task = ql_task_begin(&site, entry->item.url, 0);
    ql_task_run(&self->task);
    ql_error err = {0};
    ql_document document = {.struct_size = sizeof document, .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN};
    void *token = NULL;
    ql_status status = ql__memory_plan_check(&ingest->memory, &entry->item, &err);
    bool fetched = status >= 0;
    if (fetched) {
        QL_SPAN(FETCH);
        ql_error answer = {0};
        status = ql__callback_status(source->ops->fetch_fn(source->self, &entry->item, &document, &token, &answer), &answer, &err);
        status = ql__ingest_source_status(status, &err);
    }
    bool gone = fetched && ql_status_kind(status) == QL_E_NOTFOUND; /* only the source can say so */
    if (status >= 0) {
        status = source->foreign ? check_document(&document, &err) : QL_OK;
        if (status >= 0) status = process(ingest, source, self, &document, &err);
        source->ops->release_fn(source->self, token);
    }
    if (status < 0) status = ql__memory_plan_explain(&ingest->memory, status, &err);
    if (status < 0) note_failure(self, gone ? QL__PREPARED_GONE : QL__PREPARED_FAILED, status, &err);
    ql_task_ready(&self->task);
    ql_label_restore(labels_before);
    self->memory_bytes = self->memory.arena.used_bytes + self->chunk_capacity * sizeof *self->chunks + sizeof *self;
    return self;
}

void ql__prepared_free(ql__prepared *self)
{
    if (self == NULL) return;
    ql_task_end(&self->task);
    ql__free(self->chunks);
    ql__free(self->vectors);
    ql__arena_dispose(&self->memory.arena);
    ql__free(self);
}
