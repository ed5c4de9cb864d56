/* A listing kept in memory, for tests of sources. */
#ifndef QL_TEST_LISTING_H
#define QL_TEST_LISTING_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/testing.h"
#include <qloader/source.h>

typedef struct listed {
    char *url, *version, *reason; /* reason: skipped */
    char *key;
    size_t key_len;
    uint64_t size_bytes;
} listed;

typedef struct listing {
    listed items[512];
    size_t count;
} listing;

static char *text_of(ql_str text)
{
    char *copy = malloc(text.len + 1);
    assert_non_null(copy);
    if (text.len > 0) memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

static inline int listing_item(void *user, const ql_item *item)
{
    listing *self = user;
    assert_true(self->count < 512);
    self->items[self->count++] = (listed){.url = text_of(item->url), .version = text_of(item->version), .key = text_of(item->key),
                                          .key_len = item->key.len, .size_bytes = item->size_bytes};
    return 0;
}

static inline int listing_skipped(void *user, ql_str url, ql_str reason)
{
    listing *self = user;
    assert_true(self->count < 512);
    self->items[self->count++] = (listed){.url = text_of(url), .reason = text_of(reason)};
    return 0;
}

static inline ql_source_sink listing_sink(listing *self)
{
    return (ql_source_sink){.struct_size = sizeof(ql_source_sink), .item_fn = listing_item, .skipped_fn = listing_skipped, .user = self};
}

static inline void listing_clear(listing *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->items[i].url);
        free(self->items[i].version);
        free(self->items[i].reason);
        free(self->items[i].key);
    }
    self->count = 0;
}

/* The entry whose address ends in `tail`; fails the test when there are two. */
static inline const listed *listing_find(const listing *self, const char *tail)
{
    const listed *found = NULL;
    size_t tail_len = strlen(tail);
    for (size_t i = 0; i < self->count; i++) {
        size_t len = strlen(self->items[i].url);
        if (len < tail_len || strcmp(self->items[i].url + len - tail_len, tail) != 0) continue;
        if (found != NULL) fail_msg("'%s' was listed twice", tail);
        found = &self->items[i];
    }
    return found;
}

static inline size_t listing_documents(const listing *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) count += self->items[i].reason == NULL;
    return count;
}

static inline ql_item item_of(const listed *entry)
{
    return (ql_item){.struct_size = sizeof(ql_item), .url = ql_str_of(entry->url), .version = ql_str_of(entry->version),
                     .key = {entry->key, entry->key_len}, .size_bytes = entry->size_bytes};
}

static inline void assert_skipped(const listing *self, const char *tail, const char *reason)
{
    const listed *entry = listing_find(self, tail);
    if (entry == NULL) fail_msg("'%s' was not reported", tail);
    if (entry->reason == NULL) fail_msg("'%s' was listed as a document", tail);
    assert_string_equal(entry->reason, reason);
}

static inline void assert_listed(const listing *self, const char *tail)
{
    const listed *entry = listing_find(self, tail);
    if (entry == NULL) fail_msg("'%s' was not listed", tail);
    if (entry->reason != NULL) fail_msg("'%s' was skipped: %s", tail, entry->reason);
}

#endif
