/*
 * Listing and plan.
 *
 * The listing is collected whole and sorted before anything is decided: ids are assigned in byte order of a complete
 * listing, so that they do not depend on the order in which a file system or a server answers. Then it is merged with what the
 * store knows, which comes in the same order. Memory: about 200 bytes and the url for each item. One thread.
 */
#include "ingest/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/abi.h"
#include "base/array.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/status.h"
#include "convert/convert.h"
#include "ingest/prepare.h"
#include "model/identity.h"

typedef struct collect {
    ql__ingest *ingest;
    const ql__ingest_source *source;
    ql__arena *arena;
    ql_item *items;
    size_t count, capacity;
    ql__plan_tick_fn tick;
    void *user;
    ql_status status; /* why a callback stopped the listing */
    ql_error refused;  /* with QL_E_INVALID */
    size_t said;      /* items and skipped ones */
} collect;

static int refuse(collect *self)
{
    self->status = QL_E_INVALID;
    ql__error_prefix(&self->refused, "entry %zu of the listing", self->said);
    return 1;
}

/* An entry that is not sound makes the listing incomplete: what it was to name is not known, and may be in the index. */
static bool is_sound(collect *self, const ql_item *item)
{
    ql_error *err = &self->refused;
    self->said++;
    if (item == NULL) return ql__fail(err, QL_E_INVALID, "the item is NULL") >= 0;
    if (item->struct_size != sizeof *item) return ql__fail(err, QL_E_INVALID, "ql_item.struct_size is %u, not %zu: set it to sizeof the struct", item->struct_size, sizeof *item) >= 0;
    return QL__STRS_CHECK("", err, {"url", item->url}, {"version", item->version}, {"key", item->key}) >= 0;
}

static int collect_item(void *user, const ql_item *item)
{
    collect *self = user;
    if (self->status < 0) return 1; /* told to stop, it goes on */
    if (self->source->foreign && !is_sound(self, item)) return refuse(self);
    if (item->url.len == 0 || item->url.len > QL_LIMIT_URL_BYTES) {
        (void)ql__ingest_event(self->ingest, self->source, QL_INGEST_SKIP, QL_OK, item->url,
                               QL_STR("its url is empty or longer than 65536 bytes"));
        return 0;
    }
    ql_item copy = {.struct_size = sizeof copy, .size_bytes = item->size_bytes};
    if (!ql__arena_copy(self->arena, item->url, &copy.url) || !ql__arena_copy(self->arena, item->version, &copy.version) ||
        !ql__arena_copy(self->arena, item->key, &copy.key) || !ql__array_push(self->items, self->count, self->capacity, copy)) {
        self->status = QL_E_NOMEM;
        return 1;
    }
    if (!self->tick(self->user, self->count)) {
        self->status = QL_E_CANCELLED;
        return 1;
    }
    return 0;
}

static int collect_skipped(void *user, ql_str url, ql_str reason)
{
    collect *self = user;
    if (self->status < 0) return 1;
    self->said++;
    if (QL__STRS_CHECK("", &self->refused, {"url", url}, {"reason", reason}) < 0) return refuse(self);
    if (ql__ingest_event(self->ingest, self->source, QL_INGEST_SKIP, QL_OK, url, reason)) return 0;
    self->status = QL_E_CANCELLED;
    return 1;
}

static ql_status list_all(collect *self, ql_error *err)
{
    QL_SPAN(LIST);
    ql_source_sink sink = {.struct_size = sizeof sink, .item_fn = collect_item, .skipped_fn = collect_skipped, .user = self};
    ql_error answer = {0};
    ql_status said = self->source->ops->list_fn(self->source->self, &sink, &answer);
    if (self->status == QL_E_INVALID) {
        if (err != NULL) *err = self->refused;
        return QL_E_INVALID;
    }
    if (said > QL_OK) return ql__fail(err, QL_E_INVALID, "the source answered %d to its listing: only QL_OK says that it is complete", (int)said);
    bool silent = said < 0 && answer.message[0] == '\0';
    ql_status status = ql__callback_status(said, &answer, err);
    ql_str name = self->source->source;
    if (silent) ql__error_prefix(err, "listing the source '%.*s'", (int)(name.len < 120 ? name.len : 120), name.ptr);
    if (self->status == QL_E_NOMEM) return ql__fail_nomem(err);
    if (self->status == QL_E_CANCELLED) return ql__fail(err, QL_E_CANCELLED, "stopped while listing");
    return ql__ingest_source_status(status, err);
}

static int compare_items(const void *a, const void *b)
{
    const ql_item *left = a, *right = b;
    int order = ql_str_compare(left->url, right->url);
    if (order == 0) order = ql_str_compare(left->key, right->key); /* which of two the plan keeps must not depend on the listing's order */
    return order != 0 ? order : ql_str_compare(left->version, right->version);
}

static void drop_duplicates(collect *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        if (kept > 0 && ql_str_equal(self->items[kept - 1].url, self->items[i].url)) {
            (void)ql__ingest_event(self->ingest, self->source, QL_INGEST_WARN, QL_OK, self->items[i].url,
                                   QL_STR("listed twice under the same url; one of them is used"));
            continue;
        }
        self->items[kept++] = self->items[i];
    }
    self->count = kept;
}

/* What the merge walks over on the store's side. */
typedef struct known_list {
    ql__arena *arena;
    ql_store_known *items;
    size_t count, capacity;
} known_list;

static int collect_known(void *user, const ql_store_known *known)
{
    known_list *self = user;
    ql_store_known copy = {0};
    bool ok = ql__arena_copy(self->arena, known->id, &copy.id) && ql__arena_copy(self->arena, known->url, &copy.url) &&
              ql__arena_copy(self->arena, known->version, &copy.version) &&
              ql__arena_copy(self->arena, known->content_hash, &copy.content_hash) &&
              ql__arena_copy(self->arena, known->pipeline, &copy.pipeline) &&
              ql__array_push(self->items, self->count, self->capacity, copy);
    return ok ? 0 : 1;
}

static ql_status read_known(ql__ingest *ingest, const ql__ingest_source *source, known_list *out, ql_error *err)
{
    QL_SPAN(STATE);
    if (ingest->store == NULL) return QL_OK;
    ql_status status = ql__backend_known(ingest->store, source->project, source->source_type, source->source, collect_known, out, err);
    return status == QL_E_CALLBACK ? ql__fail_nomem(err) : ql__ingest_store_status(ingest, status); /* it is said by collect_known alone */
}

/* The language asked for last: looking for a grammar that is not there costs a dozen calls, and the documents of a language follow each other. */
typedef struct grammar_answer {
    ql_str language; /* into what the store told; empty: nothing asked yet */
    bool missing;
} grammar_answer;

static bool is_still_missing(grammar_answer *self, ql_str language)
{
    if (!ql_str_equal(self->language, language)) *self = (grammar_answer){language, ql__convert_is_missing(language)};
    return self->missing;
}

/* What a document was made with is what would be used now; a grammar that was not there then is still not there. */
static bool same_pipeline(const ql__ingest *ingest, grammar_answer *grammar, ql_str stored)
{
    static const ql_str mark = {QL__PIPELINE_WITHOUT, sizeof QL__PIPELINE_WITHOUT - 1};
    ql_str now = ingest->pipeline;
    if (stored.len <= now.len + mark.len) return ql_str_equal(stored, now);
    if (memcmp(stored.ptr, now.ptr, now.len) != 0 || memcmp(stored.ptr + now.len, mark.ptr, mark.len) != 0) return false;
    return is_still_missing(grammar, (ql_str){stored.ptr + now.len + mark.len, stored.len - now.len - mark.len});
}

static bool is_unchanged(const ql__ingest *ingest, grammar_answer *grammar, const ql_item *item, const ql_store_known *known)
{
    return !ingest->options->force && item->version.len > 0 && ql_str_equal(item->version, known->version) &&
           same_pipeline(ingest, grammar, known->pipeline);
}

static ql_status join(ql__ingest *ingest, const collect *listed, const known_list *known, ql__plan *plan)
{
    size_t i = 0, k = 0;
    grammar_answer grammar = {0};
    while (i < listed->count || k < known->count) {
        int order = i == listed->count ? 1 : k == known->count ? -1 : ql_str_compare(listed->items[i].url, known->items[k].url);
        ql__plan_entry entry = {0};
        if (order > 0) {
            entry.item.url = known->items[k].url;
            entry.id = known->items[k++].id;
            if (!ql__array_push(plan->vanished, plan->vanished_count, plan->vanished_capacity, entry)) return QL_E_NOMEM;
            continue;
        }
        const ql_store_known *match = order == 0 ? &known->items[k++] : NULL;
        entry.item = listed->items[i++];
        if (match != NULL && is_unchanged(ingest, &grammar, &entry.item, match)) {
            plan->unchanged++;
            continue;
        }
        entry.is_new = match == NULL;
        if (match != NULL) {
            entry.id = match->id;
            entry.known_version = match->version;
            bool same = same_pipeline(ingest, &grammar, match->pipeline);
            if (!ingest->options->force && same) entry.known_hash = match->content_hash;
            if (!same) plan->remade++;
        }
        if (!ql__array_push(plan->work, plan->work_count, plan->work_capacity, entry)) return QL_E_NOMEM;
    }
    return QL_OK;
}

/* The exact key of a document, as the store tells it. */
static ql_status exact_key(const ql__ingest_source *source, ql_str url, ql_buf *out)
{
    ql_buf_clear(out);
    ql_str zero = {"", 1};
    ql_buf_append(out, source->project);
    ql_buf_append(out, zero);
    ql_buf_append(out, source->source_type);
    ql_buf_append(out, zero);
    ql_buf_append(out, source->source);
    ql_buf_append(out, zero);
    return ql_buf_append(out, url);
}

/* Whose ids are: by id the exact key of a stored document. */
typedef struct owner_map {
    ql__map keys;
    ql__arena *arena;
    bool failed;
} owner_map;

static int keep_owner(void *user, ql_str id, ql_str project, ql_str source_type, ql_str name, ql_str url)
{
    owner_map *self = user;
    const ql__ingest_source source = {.project = project, .source_type = source_type, .source = name};
    QL_AUTO(ql_buf, ql_buf_dispose) key = QL_BUF_INIT;
    ql_str *kept = ql__arena_alloc_zero(self->arena, 1, sizeof *kept);
    ql_str own = {0};
    uint64_t *place = NULL;
    bool whole = exact_key(&source, url, &key) >= 0 && kept != NULL && ql__arena_copy(self->arena, ql_buf_str(&key), kept) && ql__arena_copy(self->arena, id, &own);
    if (whole) place = ql__map_insert(&self->keys, own, NULL);
    if (place != NULL) *place = (uint64_t)(uintptr_t)kept;
    self->failed = place == NULL;
    return self->failed ? 1 : 0;
}

/* The ids that new documents want, in one question to the store. */
static ql_status find_owners(ql__ingest *ingest, const ql__plan *plan, owner_map *out, ql_error *err)
{
    size_t count = 0;
    if (ingest->store == NULL) return QL_OK;
    ql_str *ids = ql__alloc_zero(plan->work_count + 1, sizeof *ids);
    if (ids == NULL) return ql__fail_nomem(err);
    for (size_t i = 0; i < plan->work_count; i++)
        if (plan->work[i].is_new) ids[count++] = plan->work[i].id;
    ql_status status = count > 0 ? ql__backend_owners(ingest->store, ids, count, keep_owner, out, err) : QL_OK;
    ql__free(ids);
    return out->failed ? ql__fail_nomem(err) : ql__ingest_store_status(ingest, status);
}

/* True when a live document other than this one holds the id: stored, and not about to be deleted, or given out in this plan. */
static bool id_taken(const ql__map *given, const ql__map *vanished, const owner_map *owners, ql_str id, ql_str key)
{
    if (ql__map_find(given, id) != NULL) return true;
    if (ql__map_find(vanished, id) != NULL) return false;
    const uint64_t *owner = ql__map_find(&owners->keys, id);
    return owner != NULL && !ql_str_equal(*(const ql_str *)(uintptr_t)*owner, key);
}

static ql_status want_id(const ql__ingest_source *source, ql__plan *plan, ql__plan_entry *entry, ql_error *err)
{
    char id[37];
    QL_TRY(ql__document_id(source->source_type, source->source, entry->item.url, id, err));
    return ql__arena_copy(&plan->arena, ql_str_of(id), &entry->id) ? QL_OK : ql__fail_nomem(err);
}

/* In byte order of the listing, so that the same one gives the same ids. */
static ql_status assign_id(const ql__ingest_source *source, ql__plan *plan, ql__plan_entry *entry, ql__map *given, const ql__map *vanished, const owner_map *owners,
                           ql_buf *key, ql_error *err)
{
    char id[37];
    if (exact_key(source, entry->item.url, key) < 0) return ql__fail_nomem(err);
    if (id_taken(given, vanished, owners, entry->id, ql_buf_str(key))) {
        QL_TRY(ql__document_id_exact(source->project, source->source_type, source->source, entry->item.url, id, err));
        if (!ql__arena_copy(&plan->arena, ql_str_of(id), &entry->id)) return ql__fail_nomem(err);
    }
    return ql__map_insert(given, entry->id, NULL) != NULL ? QL_OK : ql__fail_nomem(err);
}

static ql_status assign_ids(ql__ingest *ingest, const ql__ingest_source *source, ql__plan *plan, ql_error *err)
{
    ql__map given, vanished;
    owner_map owners = {.arena = &plan->arena};
    ql_buf key = QL_BUF_INIT;
    ql_status status = QL_OK;
    ql__map_init(&given, 0);
    ql__map_init(&vanished, 0);
    ql__map_init(&owners.keys, 0);
    for (size_t i = 0; i < plan->vanished_count && status >= 0; i++)
        if (ql__map_insert(&vanished, plan->vanished[i].id, NULL) == NULL) status = ql__fail_nomem(err);
    for (size_t i = 0; i < plan->work_count && status >= 0; i++)
        if (plan->work[i].is_new) status = want_id(source, plan, &plan->work[i], err);
    if (status >= 0) status = find_owners(ingest, plan, &owners, err);
    for (size_t i = 0; i < plan->work_count && status >= 0; i++)
        if (plan->work[i].is_new) status = assign_id(source, plan, &plan->work[i], &given, &vanished, &owners, &key, err);
    ql_buf_dispose(&key);
    ql__map_dispose(&owners.keys);
    ql__map_dispose(&given);
    ql__map_dispose(&vanished);
    return status;
}

ql_status ql__plan_make(ql__ingest *ingest, const ql__ingest_source *source, ql__plan_tick_fn tick, void *user, ql__plan *out, ql_error *err)
{
    *out = (ql__plan){0};
    ql__arena_init(&out->arena, 0);
    collect listed = {.ingest = ingest, .source = source, .arena = &out->arena, .tick = tick, .user = user, .status = QL_OK};
    known_list known = {.arena = &out->arena};
    ql_error detail = {0};
    ql_status status = list_all(&listed, &detail);
    if (ql_status_kind(status) == QL_E_PARTIAL) {
        out->incomplete = detail;
        status = QL_OK;
    }
    if (status < 0 && err != NULL) *err = detail;
    if (status >= 0) {
        if (listed.count > 1) qsort(listed.items, listed.count, sizeof *listed.items, compare_items);
        drop_duplicates(&listed);
        out->listed = listed.count;
        status = read_known(ingest, source, &known, err);
    }
    if (status >= 0 && (status = join(ingest, &listed, &known, out)) < 0) (void)ql__fail_nomem(err);
    if (out->incomplete.status < 0) out->vanished_count = 0; /* what was not listed may still be there */
    if (status >= 0) status = assign_ids(ingest, source, out, err);
    ql__free(listed.items);
    ql__free(known.items);
    if (status < 0) ql__plan_dispose(out);
    return status;
}

ql_status ql__plan_removal(ql__ingest *ingest, const ql__ingest_source *source, ql__plan *out, ql_error *err)
{
    *out = (ql__plan){0};
    ql__arena_init(&out->arena, 0);
    const collect nothing = {0};
    known_list known = {.arena = &out->arena};
    ql_status status = read_known(ingest, source, &known, err);
    if (status >= 0 && (status = join(ingest, &nothing, &known, out)) < 0) (void)ql__fail_nomem(err);
    ql__free(known.items);
    if (status < 0) ql__plan_dispose(out);
    return status;
}

void ql__plan_dispose(ql__plan *self)
{
    ql__free(self->work);
    ql__free(self->vanished);
    ql__arena_dispose(&self->arena);
    *self = (ql__plan){0};
}
