/*
 * A store of one's own: documents in memory, every question answered by looking at all of them. Exact, and slow from some ten thousand
 * chunks on. What a writer wants is noted between begin and commit; commit alone changes what the others see, under a lock that every view
 * holds while it is open. Usage: memory_store FOLDER (with a config.yaml)
 * Build: cc memory_store.c -o memory_store $(pkg-config --cflags --libs qloader) -pthread -lm
 */
#define _POSIX_C_SOURCE 200809L /* pthread_rwlock_t, also with -std=c11 */
#include <math.h>
#include <pthread.h>
#include <qloader.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A document with all it points to. It never changes; what is new takes its place. terms_text of a chunk holds its words, each ended by a NUL. */
typedef struct kept {
    struct piece { struct piece *next; } *pieces;
    ql_store_document document;
    ql_store_chunk *chunks;
} kept;

typedef struct listed { /* a source that was listed to the end */
    char key[3][65], report[512];
    int64_t when_ms;
} listed;

typedef struct memory {
    pthread_rwlock_t lock;
    kept **items; /* ordered by project, source type, source and url */
    size_t count;
    listed sources[64];
    size_t source_count;
    uint32_t dims;
    char model[128];
    bool writing, there;
} memory;

typedef struct wish { /* of a writer */
    char id[40];
    kept *item; /* NULL: no such document any more */
} wish;

typedef struct connection {
    memory *memory;
    ql_store_settings settings;
    char model[128];
    wish *wishes;
    size_t count;
} connection;

static ql_status fail_with(ql_error *err, ql_status status, const char *message)
{
    snprintf(err->message, sizeof err->message, "memory store: %s", message);
    return err->status = status;
}

static ql_status fail_nomem(ql_error *err)
{
    return fail_with(err, QL_E_NOMEM, "no memory left");
}

/* --- one document ------------------------------------------------------------------------------------------------------------- */

static void kept_free(kept *self)
{
    for (struct piece *piece = self != NULL ? self->pieces : NULL, *next; piece != NULL; piece = next) {
        next = piece->next;
        free(piece);
    }
    free(self);
}

static void *take(kept *self, const void *bytes, size_t size)
{
    struct piece *piece = calloc(1, sizeof *piece + size + 1);
    if (piece == NULL) return NULL;
    piece->next = self->pieces;
    self->pieces = piece;
    if (size > 0 && bytes != NULL) memcpy(piece + 1, bytes, size);
    return piece + 1;
}

static bool own(kept *self, ql_str *text)
{
    text->ptr = take(self, text->ptr, text->len);
    return text->ptr != NULL;
}

static int add_word(void *words, ql_str word)
{
    return ql_buf_append(words, word) < 0 || ql_buf_append_char(words, '\0') < 0;
}

/* words NULL: terms_text is made of words already. */
static bool own_chunk(kept *self, ql_store_chunk *chunk, uint32_t dims, const ql_store_words *words)
{
    ql_str *texts[] = {&chunk->id, &chunk->title, &chunk->chunk.text, &chunk->chunk.section_path, &chunk->chunk.metadata_json, &chunk->terms_text};
    ql_buf list = QL_BUF_INIT;
    ql_error err = {0};
    bool ok = words == NULL || words->each_fn(words->user, chunk->terms_text, add_word, &list, &err) >= 0;
    if (words != NULL) chunk->terms_text = ql_buf_str(&list);
    for (size_t i = 0; ok && i < sizeof texts / sizeof *texts; i++) ok = own(self, texts[i]);
    ql_buf_dispose(&list);
    return ok && (chunk->vector = take(self, chunk->vector, dims * sizeof *chunk->vector)) != NULL;
}

static kept *kept_new(const ql_store_document *document, uint32_t dims, const ql_store_words *words)
{
    kept *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    ql_store_document *d = &self->document;
    *d = *document;
    ql_str *texts[] = {&d->project, &d->source_type, &d->source, &d->url, &d->id, &d->title, &d->content_type, &d->version, &d->content_hash, &d->pipeline,
                       &d->metadata_json, &d->path};
    d->chunks = self->chunks = take(self, document->chunks, document->chunk_count * sizeof *document->chunks);
    bool ok = self->chunks != NULL;
    for (size_t i = 0; ok && i < sizeof texts / sizeof *texts; i++) ok = own(self, texts[i]);
    for (size_t i = 0; ok && i < d->chunk_count; i++) ok = own_chunk(self, &self->chunks[i], dims, words);
    if (ok) return self;
    kept_free(self);
    return NULL;
}

static bool is(ql_str a, ql_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static int compare(ql_str a, ql_str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

static bool of_source(const ql_store_document *d, ql_str project, ql_str source_type, ql_str source)
{
    return is(d->project, project) && is(d->source_type, source_type) && is(d->source, source);
}

static int by_place(const void *a, const void *b)
{
    const ql_store_document *x = &(*(kept *const *)a)->document, *y = &(*(kept *const *)b)->document;
    int order = compare(x->project, y->project);
    if (order == 0) order = compare(x->source_type, y->source_type);
    if (order == 0) order = compare(x->source, y->source);
    return order != 0 ? order : compare(x->url, y->url);
}

static size_t position(const memory *self, ql_str id)
{
    size_t i = 0;
    while (i < self->count && !is(self->items[i]->document.id, id)) i++;
    return i;
}

/* --- connections and writing -------------------------------------------------------------------------------------------------- */

static ql_status open_store(void *user, const ql_store_settings *settings, void **store, ql_error *err)
{
    memory *all = user;
    connection *self = calloc(1, sizeof *self);
    if (self == NULL) return fail_nomem(err);
    *self = (connection){.memory = all, .settings = *settings};
    snprintf(self->model, sizeof self->model, "%.*s", (int)settings->model.len, settings->model.len > 0 ? settings->model.ptr : "");
    pthread_rwlock_wrlock(&all->lock);
    bool busy = settings->write && all->writing, empty = !settings->write && !all->there;
    if (settings->write && !busy) all->writing = all->there = true;
    pthread_rwlock_unlock(&all->lock);
    if (!busy && !empty) {
        *store = self;
        return QL_OK;
    }
    free(self);
    return busy ? fail_with(err, QL_E_BUSY, "another ingest writes") : fail_with(err, QL_E_NOTFOUND, "nothing was ever written");
}

static void rollback(void *store)
{
    connection *self = store;
    for (size_t i = 0; i < self->count; i++) kept_free(self->wishes[i].item);
    free(self->wishes);
    self->wishes = NULL;
    self->count = 0;
}

static void close_store(void *store)
{
    connection *self = store;
    rollback(self);
    pthread_rwlock_wrlock(&self->memory->lock);
    if (self->settings.write) self->memory->writing = false;
    pthread_rwlock_unlock(&self->memory->lock);
    free(self);
}

static ql_status begin(void *store, ql_error *err)
{
    (void)store, (void)err;
    return QL_OK;
}

static ql_status note(connection *self, ql_str id, kept *item, ql_error *err)
{
    wish *grown = realloc(self->wishes, (self->count + 1) * sizeof *grown);
    if (grown == NULL) {
        kept_free(item);
        return fail_nomem(err);
    }
    self->wishes = grown;
    grown[self->count].item = item;
    snprintf(grown[self->count++].id, sizeof grown->id, "%.*s", (int)id.len, id.ptr);
    return QL_OK;
}

static ql_status replace(void *store, const ql_store_document *document, ql_error *err)
{
    connection *self = store;
    kept *item = kept_new(document, self->settings.dims, self->settings.words);
    return item != NULL ? note(self, document->id, item, err) : fail_nomem(err);
}

static ql_status touch(void *store, ql_str id, const ql_store_document *facts, ql_error *err)
{
    connection *self = store;
    size_t at = position(self->memory, id); /* without the lock: only a writer changes it, and this is the writer */
    if (at == self->memory->count) return fail_with(err, QL_E_NOTFOUND, "no document has this id");
    ql_store_document changed = self->memory->items[at]->document;
    changed.version = facts->version;
    changed.created_at_ms = facts->created_at_ms;
    changed.updated_at_ms = facts->updated_at_ms;
    if (facts->metadata_json.len > 0) changed.metadata_json = facts->metadata_json, changed.path = facts->path;
    kept *item = kept_new(&changed, self->settings.dims, NULL);
    return item != NULL ? note(self, id, item, err) : fail_nomem(err);
}

static ql_status remove_document(void *store, ql_str id, ql_error *err)
{
    connection *self = store;
    if (position(self->memory, id) == self->memory->count) return fail_with(err, QL_E_NOTFOUND, "no document has this id");
    return note(self, id, NULL, err);
}

static void grant(memory *all, const wish *wanted)
{
    size_t at = position(all, (ql_str){wanted->id, strlen(wanted->id)});
    if (at < all->count) {
        kept_free(all->items[at]);
        all->items[at] = wanted->item;
        if (wanted->item == NULL) all->items[at] = all->items[--all->count];
    } else if (wanted->item != NULL) {
        all->items[all->count++] = wanted->item;
    }
}

/* Room comes first, so that nothing can fail half-way. */
static ql_status commit(void *store, ql_error *err)
{
    connection *self = store;
    memory *all = self->memory;
    pthread_rwlock_wrlock(&all->lock); /* waits for the views */
    kept **grown = realloc(all->items, (all->count + self->count + 1) * sizeof *grown);
    if (grown != NULL) {
        all->items = grown;
        for (size_t i = 0; i < self->count; i++) grant(all, &self->wishes[i]);
        self->count = 0;
        if (all->count > 1) qsort(all->items, all->count, sizeof *all->items, by_place);
        all->dims = self->settings.dims;
        memcpy(all->model, self->model, sizeof all->model);
    }
    pthread_rwlock_unlock(&all->lock);
    rollback(self); /* of what is left to do */
    return grown != NULL ? QL_OK : fail_nomem(err);
}

static ql_status clear(void *store, ql_error *err)
{
    memory *all = ((connection *)store)->memory;
    (void)err;
    pthread_rwlock_wrlock(&all->lock);
    while (all->count > 0) kept_free(all->items[--all->count]);
    all->source_count = all->dims = 0;
    all->model[0] = '\0';
    pthread_rwlock_unlock(&all->lock);
    return QL_OK;
}

/* --- what is stored ----------------------------------------------------------------------------------------------------------- */

static ql_status facts(void *store, ql_store_facts *out, ql_error *err)
{
    memory *all = ((connection *)store)->memory;
    (void)err;
    pthread_rwlock_rdlock(&all->lock);
    out->documents = all->count;
    for (size_t i = 0; i < all->count; i++) out->chunks += all->items[i]->document.chunk_count;
    out->dims = all->dims;
    memcpy(out->model, all->model, sizeof out->model);
    pthread_rwlock_unlock(&all->lock);
    return QL_OK;
}

static ql_status known(void *store, ql_str project, ql_str source_type, ql_str source, ql_store_known_fn fn, void *user, ql_error *err)
{
    memory *all = ((connection *)store)->memory;
    ql_status status = QL_OK;
    (void)err;
    pthread_rwlock_rdlock(&all->lock);
    for (size_t i = 0; status >= 0 && i < all->count; i++) {
        const ql_store_document *d = &all->items[i]->document;
        const ql_store_known one = {.struct_size = sizeof one, .id = d->id, .url = d->url, .version = d->version, .content_hash = d->content_hash, .pipeline = d->pipeline};
        if (of_source(d, project, source_type, source) && fn(user, &one) != 0) status = QL_E_CALLBACK;
    }
    pthread_rwlock_unlock(&all->lock);
    return status;
}

static ql_status owners(void *store, const ql_str *ids, size_t count, ql_store_owner_fn fn, void *user, ql_error *err)
{
    memory *all = ((connection *)store)->memory;
    ql_status status = QL_OK;
    (void)err;
    pthread_rwlock_rdlock(&all->lock);
    for (size_t i = 0; status >= 0 && i < count; i++) {
        size_t at = position(all, ids[i]);
        const ql_store_document *d = at < all->count ? &all->items[at]->document : NULL;
        if (d != NULL && fn(user, ids[i], d->project, d->source_type, d->source, d->url) != 0) status = QL_E_CALLBACK;
    }
    pthread_rwlock_unlock(&all->lock);
    return status;
}

static listed *find_listed(memory *all, ql_str project, ql_str source_type, ql_str source)
{
    for (size_t i = 0; i < all->source_count; i++) {
        char(*key)[65] = all->sources[i].key;
        if (is(ql_str_of(key[0]), project) && is(ql_str_of(key[1]), source_type) && is(ql_str_of(key[2]), source)) return &all->sources[i];
    }
    return NULL;
}

static ql_status source_done(void *store, const ql_store_source *done, ql_error *err)
{
    memory *all = ((connection *)store)->memory;
    const ql_str names[] = {done->project, done->source_type, done->source};
    pthread_rwlock_wrlock(&all->lock);
    listed *item = find_listed(all, done->project, done->source_type, done->source);
    if (item == NULL && all->source_count < sizeof all->sources / sizeof *all->sources) {
        item = &all->sources[all->source_count++];
        for (size_t i = 0; i < 3; i++) snprintf(item->key[i], sizeof item->key[i], "%.*s", (int)names[i].len, names[i].ptr);
    }
    if (item != NULL) {
        item->when_ms = done->last_complete_ms;
        snprintf(item->report, sizeof item->report, "%.*s", (int)done->report_json.len, done->report_json.len > 0 ? done->report_json.ptr : "");
    }
    pthread_rwlock_unlock(&all->lock);
    return item != NULL ? QL_OK : fail_with(err, QL_E_LIMIT, "more than 64 sources");
}

static ql_status source_forget(void *store, ql_str project, ql_str source_type, ql_str source, ql_error *err)
{
    memory *all = ((connection *)store)->memory;
    (void)err;
    pthread_rwlock_wrlock(&all->lock);
    listed *item = find_listed(all, project, source_type, source);
    if (item != NULL) *item = all->sources[--all->source_count];
    pthread_rwlock_unlock(&all->lock);
    return QL_OK;
}

static ql_store_source describe_source(memory *all, const ql_store_document *first, const listed *item)
{
    ql_store_source one = {.struct_size = sizeof one, .last_complete_ms = item != NULL ? item->when_ms : QL_TIME_UNKNOWN, .report_json = ql_str_of(item != NULL ? item->report : "")};
    one.project = first != NULL ? first->project : ql_str_of(item->key[0]);
    one.source_type = first != NULL ? first->source_type : ql_str_of(item->key[1]);
    one.source = first != NULL ? first->source : ql_str_of(item->key[2]);
    for (size_t i = 0; i < all->count; i++) {
        if (!of_source(&all->items[i]->document, one.project, one.source_type, one.source)) continue;
        one.documents++;
        one.chunks += all->items[i]->document.chunk_count;
    }
    return one;
}

/* Those that have documents, which lie together, then those that were listed and have none. */
static ql_status sources(void *store, ql_store_source_fn fn, void *user, ql_error *err)
{
    memory *all = ((connection *)store)->memory;
    ql_status status = QL_OK;
    (void)err;
    pthread_rwlock_rdlock(&all->lock);
    for (size_t i = 0; status >= 0 && i < all->count; i++) {
        const ql_store_document *d = &all->items[i]->document, *before = i > 0 ? &all->items[i - 1]->document : NULL;
        if (before != NULL && of_source(before, d->project, d->source_type, d->source)) continue;
        ql_store_source one = describe_source(all, d, find_listed(all, d->project, d->source_type, d->source));
        if (fn(user, &one) != 0) status = QL_E_CALLBACK;
    }
    for (size_t s = 0; status >= 0 && s < all->source_count; s++) {
        ql_store_source one = describe_source(all, NULL, &all->sources[s]);
        if (one.documents == 0 && fn(user, &one) != 0) status = QL_E_CALLBACK;
    }
    pthread_rwlock_unlock(&all->lock);
    return status;
}

/* --- searching: the view is the lock ------------------------------------------------------------------------------------------ */

static ql_status view_open(void *store, ql_store_view *out, ql_error *err)
{
    memory *all = ((connection *)store)->memory;
    (void)err;
    pthread_rwlock_rdlock(&all->lock);
    for (size_t i = 0; i < all->count; i++) out->chunks += all->items[i]->document.chunk_count;
    out->self = all;
    out->dims = all->dims;
    out->model = ql_str_of(all->model);
    return QL_OK;
}

static void view_close(void *view)
{
    pthread_rwlock_unlock(&((memory *)view)->lock);
}

static bool passes(const ql_store_document *d, const ql_filter *filter)
{
    if (filter == NULL) return true;
    ql_str prefix = filter->path_prefix;
    if ((filter->project.len > 0 && !is(d->project, filter->project)) || (filter->source_type.len > 0 && !is(d->source_type, filter->source_type)) ||
        (filter->source.len > 0 && !is(d->source, filter->source)))
        return false;
    if (prefix.len > 0 && !(d->path.len >= prefix.len && memcmp(d->path.ptr, prefix.ptr, prefix.len) == 0) &&
        !(d->url.len >= prefix.len && memcmp(d->url.ptr, prefix.ptr, prefix.len) == 0))
        return false;
    bool dated = d->updated_at_ms != QL_TIME_UNKNOWN;
    if (filter->since_ms != QL_TIME_UNKNOWN && !(dated && d->updated_at_ms >= filter->since_ms)) return false;
    return filter->until_ms == QL_TIME_UNKNOWN || (dated && d->updated_at_ms <= filter->until_ms);
}

/* How often a word is among a chunk's; with an empty word how many there are. */
static unsigned occurrences(ql_str words, ql_str word)
{
    unsigned count = 0;
    for (size_t at = 0, len; at < words.len; at += len + 1) {
        len = strlen(words.ptr + at);
        count += word.len == 0 || (len == word.len && memcmp(words.ptr + at, word.ptr, len) == 0);
    }
    return count;
}

/* See ql_store_match for the formula. */
static float bm25(const ql_store_chunk *chunk, const ql_store_query *query, const uint64_t *dfs, double total, double average)
{
    double score = 0, norm = 1.2 * (1 - 0.75 + 0.75 * occurrences(chunk->terms_text, QL_STR("")) / average);
    for (size_t w = 0; w < query->word_count; w++) {
        double tf = occurrences(chunk->terms_text, query->words[w]), df = (double)dfs[w];
        if (tf > 0) score += (double)query->weights[w] * log(1 + (total - df + 0.5) / (df + 0.5)) * tf * (1.2 + 1) / (tf + norm);
    }
    return (float)score;
}

static float cosine(const ql_store_chunk *chunk, const ql_store_query *query, uint32_t dims)
{
    double sum = 0;
    for (uint32_t i = 0; query->vector != NULL && i < dims; i++) sum += (double)query->vector[i] * (double)chunk->vector[i];
    return (float)sum;
}

static int by_dense(const void *a, const void *b)
{
    float x = ((const ql_store_match *)a)->score_dense, y = ((const ql_store_match *)b)->score_dense;
    return x < y ? 1 : x > y ? -1 : 0;
}

static int by_sparse(const void *a, const void *b)
{
    float x = ((const ql_store_match *)a)->score_sparse, y = ((const ql_store_match *)b)->score_sparse;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Ranks everything from both sides and hands out what is among the best of one of them. */
static void choose(ql_store_match *all, size_t count, const ql_store_query *query, ql_store_found *out)
{
    qsort(all, count, sizeof *all, by_dense);
    for (size_t i = 0; (query->sides & QL_STORE_DENSE) != 0 && i < count && i < query->limit; i++) all[i].rank_dense = (uint32_t)i + 1;
    qsort(all, count, sizeof *all, by_sparse);
    for (size_t i = 0; (query->sides & QL_STORE_SPARSE) != 0 && i < count && i < query->limit && all[i].score_sparse > 0; i++) all[i].rank_sparse = (uint32_t)i + 1;
    for (size_t i = 0; i < count; i++)
        if (all[i].rank_dense + all[i].rank_sparse > 0) out->matches[out->match_count++] = all[i];
}

/* A slot is the place of the document and, in the lower half, that of the chunk. */
static ql_status find_matches(void *view, const ql_store_query *query, ql_store_found *out, ql_error *err)
{
    const memory *self = view;
    double total = 0, words = 0;
    for (size_t i = 0; i < self->count; i++)
        for (size_t c = 0; c < self->items[i]->document.chunk_count; c++, total++) {
            ql_str terms = self->items[i]->chunks[c].terms_text;
            words += occurrences(terms, QL_STR(""));
            for (size_t w = 0; w < query->word_count; w++) out->dfs[w] += occurrences(terms, query->words[w]) > 0;
        }
    ql_store_match *all = calloc((size_t)total + 1, sizeof *all);
    if (all == NULL) return fail_nomem(err);
    out->passing = out->match_count = 0;
    for (size_t i = 0; i < self->count; i++)
        for (size_t c = 0; passes(&self->items[i]->document, query->filter) && c < self->items[i]->document.chunk_count; c++) {
            const ql_store_chunk *chunk = &self->items[i]->chunks[c];
            all[out->passing++] = (ql_store_match){.slot = (uint64_t)i << 32 | c, .score_dense = cosine(chunk, query, self->dims),
                                                   .score_sparse = bm25(chunk, query, out->dfs, total, words > 0 ? words / total : 1)};
        }
    choose(all, (size_t)out->passing, query, out);
    free(all);
    return QL_OK;
}

/* Nothing is copied: while the view is open, its documents stay. */
static ql_status read_chunks(void *view, const uint64_t *slots, size_t count, ql_arena *arena, ql_stored_chunk *out, ql_error *err)
{
    const memory *self = view;
    (void)arena, (void)err;
    for (size_t i = 0; i < count; i++) {
        const ql_store_document *d = &self->items[slots[i] >> 32]->document;
        const ql_store_chunk *c = &d->chunks[slots[i] & UINT32_MAX];
        out[i] = (ql_stored_chunk){.struct_size = sizeof out[i], .chunk_index = c->chunk.index, .chunk_count = (uint32_t)d->chunk_count, .id = c->id, .title = c->title,
                                   .text = c->chunk.text, .section_path = c->chunk.section_path, .metadata_json = c->chunk.metadata_json, .document_id = d->id,
                                   .project = d->project, .source_type = d->source_type, .source = d->source, .url = d->url, .document_title = d->title,
                                   .content_type = d->content_type, .document_metadata_json = d->metadata_json, .source_begin = c->chunk.source_begin,
                                   .source_end = c->chunk.source_end, .created_at_ms = d->created_at_ms, .updated_at_ms = d->updated_at_ms, .ingested_at_ms = QL_TIME_UNKNOWN};
    }
    return QL_OK;
}

static const ql_store_ops memory_ops = {
    .struct_size = sizeof memory_ops, .name = "memory", .open_fn = open_store, .close_fn = close_store, .begin_fn = begin, .replace_fn = replace, .touch_fn = touch,
    .remove_fn = remove_document, .commit_fn = commit, .rollback_fn = rollback, .clear_fn = clear, .facts_fn = facts, .known_fn = known, .owners_fn = owners,
    .source_done_fn = source_done, .source_forget_fn = source_forget, .sources_fn = sources, .view_open_fn = view_open, .view_close_fn = view_close, .find_fn = find_matches,
    .chunks_fn = read_chunks};

static void memory_dispose(memory *self)
{
    while (self->count > 0) kept_free(self->items[--self->count]);
    free(self->items);
    pthread_rwlock_destroy(&self->lock);
}

/* --- the program -------------------------------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    memory store = {.lock = PTHREAD_RWLOCK_INITIALIZER};
    ql_runtime *runtime = NULL;
    ql_workspace *workspace = NULL;
    ql_results *results = NULL;
    ql_ingest_report report = QL_INGEST_REPORT_INIT;
    ql_error err = {0};
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    options.dir = argc > 1 ? argv[1] : ".";
    options.store = "memory";
    ql_status status = ql_runtime_new(NULL, &runtime, &err);
    if (status >= 0) status = ql_store_register(runtime, &memory_ops, &store, &err);
    if (status >= 0) status = ql_workspace_open(runtime, &options, &workspace, NULL, &err);
    if (status >= 0) status = ql_ingest(workspace, NULL, &report, &err);
    uint64_t added = report.added;
    if (status >= 0) status = ql_ingest(workspace, NULL, &report, &err); /* finds them known */
    if (status >= 0) status = ql_search(workspace, QL_STR("how is it started?"), NULL, &results, &err);
    printf("%llu added, then %llu unchanged, %zu found\n", (unsigned long long)added, (unsigned long long)report.unchanged, ql_results_count(results));
    if (status < 0) fprintf(stderr, "%s\n", err.message);
    ql_results_free(results);
    ql_workspace_free(workspace);
    ql_runtime_free(runtime);
    memory_dispose(&store);
    return status < 0;
}
