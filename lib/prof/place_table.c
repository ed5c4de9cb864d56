/*
 * See place_table.h. Texts lie in memory of their own that is never given back while the ids live: sites are as many as the code has, sets of labels
 * are bounded by QL__LABELS_MAX and by LABEL_BYTES_MAX.
 *
 * Invariant: an entry is written in full before its count is published (release), and read after it (acquire). The lock is held for a hash and a
 * copy, never while foreign code runs. Process-wide state (docs/internals/prof.md): the tables.
 */
#include "prof/place_table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define LABEL_BYTES_MAX ((size_t)32 << 20)
#define SITE_BYTES_MAX ((size_t)1 << 20)
#define LABEL_SLOTS (2 * (QL__LABELS_MAX + 1))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
    ql__site_copy copies[QL__SITES_MAX];
    atomic_uint count;
    char *text;
    size_t text_used;
} sites;

static struct {
    ql__label *entries; /* QL__LABELS_MAX; address space, not memory, until used */
    uint32_t *slots;    /* LABEL_SLOTS ids by hash */
    char *text;
    size_t text_used;
    atomic_uint count;
    atomic_uint_least64_t dropped;
} labels;

static void *address_space(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* Under the lock. The empty text where there is no room. */
static const char *keep_site_text(const char *text)
{
    size_t size = text != NULL ? strlen(text) + 1 : 1;
    if (sites.text == NULL && (sites.text = address_space(SITE_BYTES_MAX)) == NULL) return "";
    if (size > SITE_BYTES_MAX - sites.text_used) return "";
    char *at = sites.text + sites.text_used;
    memcpy(at, text != NULL ? text : "", size);
    sites.text_used += size;
    return at;
}

static uint32_t site_register(ql_site *site, const char *name)
{
    pthread_mutex_lock(&lock);
    uint32_t id = __atomic_load_n(&site->id, __ATOMIC_RELAXED), count = atomic_load_explicit(&sites.count, memory_order_relaxed);
    if (id == 0 && count == QL__SITES_MAX) id = count;
    if (id == 0) {
        ql__site_copy *copy = &sites.copies[count];
        *copy = (ql__site_copy){keep_site_text(site->name != NULL ? site->name : name), keep_site_text(site->category), keep_site_text(site->function), keep_site_text(site->file), site->line};
        id = count + 1;
        atomic_store_explicit(&sites.count, id, memory_order_release);
    }
    __atomic_store_n(&site->id, id, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&lock);
    return id;
}

uint32_t ql__site_id(ql_site *site, const char *name)
{
    uint32_t id = __atomic_load_n(&site->id, __ATOMIC_ACQUIRE);
    return id != 0 ? id : site_register(site, name);
}

const ql__site_copy *ql__site_get(uint32_t id)
{
    return id != 0 && id <= atomic_load_explicit(&sites.count, memory_order_acquire) ? &sites.copies[id - 1] : NULL;
}

static uint32_t hash_of(uint32_t base, const char *key, size_t key_size, ql_str value)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ base;
    for (size_t i = 0; i < key_size; i++) hash = (hash ^ (unsigned char)key[i]) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < value.len; i++) hash = (hash ^ (unsigned char)value.ptr[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(hash ^ hash >> 32);
}

static bool tables_ready(void)
{
    if (labels.text != NULL) return true;
    labels.entries = address_space(QL__LABELS_MAX * sizeof *labels.entries);
    labels.slots = address_space(LABEL_SLOTS * sizeof *labels.slots);
    char *text = address_space(LABEL_BYTES_MAX);
    if (labels.entries != NULL && labels.slots != NULL && text != NULL) {
        labels.text = text;
        return true;
    }
    if (labels.entries != NULL) munmap(labels.entries, QL__LABELS_MAX * sizeof *labels.entries);
    if (labels.slots != NULL) munmap(labels.slots, LABEL_SLOTS * sizeof *labels.slots);
    if (text != NULL) munmap(text, LABEL_BYTES_MAX);
    return false;
}

/* Under the lock: the set, found or made; 0: no room. */
static uint32_t set_of(uint32_t base, const char *key, size_t key_size, ql_str value)
{
    if (!tables_ready()) return 0;
    uint32_t at = hash_of(base, key, key_size, value) % LABEL_SLOTS, count = atomic_load_explicit(&labels.count, memory_order_relaxed);
    for (; labels.slots[at] != 0; at = (at + 1) % LABEL_SLOTS) {
        const ql__label *known = &labels.entries[labels.slots[at] - 1];
        if (known->base == base && known->key_size == key_size && known->value_size == value.len && memcmp(known->key, key, key_size) == 0 &&
            memcmp(known->value, value.ptr, value.len) == 0)
            return labels.slots[at];
    }
    if (count == QL__LABELS_MAX || key_size + value.len > LABEL_BYTES_MAX - labels.text_used) return 0;
    char *text = labels.text + labels.text_used;
    memcpy(text, key, key_size);
    memcpy(text + key_size, value.ptr, value.len);
    labels.text_used += key_size + value.len;
    labels.entries[count] = (ql__label){text, text + key_size, (uint32_t)key_size, (uint32_t)value.len, base};
    labels.slots[at] = count + 1;
    atomic_store_explicit(&labels.count, count + 1, memory_order_release);
    return count + 1;
}

/* Under the lock: the labels of `id` without `key`, put together again. */
static uint32_t without(uint32_t id, const char *key, size_t key_size)
{
    const ql__label *kept[QL__LABELS_THREAD_MAX];
    size_t count = 0;
    bool there = false;
    uint32_t begin = id;
    for (uint32_t at = id; at != 0 && !there; at = labels.entries[at - 1].base) {
        const ql__label *label = &labels.entries[at - 1];
        there = label->key_size == key_size && memcmp(label->key, key, key_size) == 0;
        if (!there && count < QL__LABELS_THREAD_MAX) kept[count++] = label;
        if (there) begin = label->base;
    }
    if (!there) return id;
    while (count > 0 && begin != UINT32_MAX) {
        const ql__label *label = kept[--count];
        uint32_t next = set_of(begin, label->key, label->key_size, (ql_str){label->value, label->value_size});
        if (next == 0) break;
        begin = next;
    }
    return begin;
}

static size_t depth_of(uint32_t id)
{
    size_t depth = 0;
    for (; id != 0; id = labels.entries[id - 1].base) depth++;
    return depth;
}

uint32_t ql__labels_with(uint32_t base, const char *key, ql_str value)
{
    size_t key_size = strnlen(key, QL__LABEL_KEY_BYTES);
    if (value.len > QL__LABEL_VALUE_BYTES) value.len = QL__LABEL_VALUE_BYTES;
    if (value.ptr == NULL) value = QL_STR("");
    pthread_mutex_lock(&lock);
    if (base > atomic_load_explicit(&labels.count, memory_order_relaxed)) base = 0; /* of an earlier capture */
    uint32_t rest = without(base, key, key_size), set = rest;
    if (value.len != 0) set = depth_of(rest) < QL__LABELS_THREAD_MAX ? set_of(rest, key, key_size, value) : 0;
    pthread_mutex_unlock(&lock);
    if (set != 0 || value.len == 0) return set;
    atomic_fetch_add_explicit(&labels.dropped, 1, memory_order_relaxed);
    return rest;
}

const ql__label *ql__labels_get(uint32_t id)
{
    return id != 0 && id <= atomic_load_explicit(&labels.count, memory_order_acquire) ? &labels.entries[id - 1] : NULL;
}

void ql__labels_reset(void)
{
    pthread_mutex_lock(&lock);
    atomic_store(&labels.count, 0);
    atomic_store(&labels.dropped, 0);
    labels.text_used = 0;
    if (labels.text != NULL) { /* zeroed, and the memory goes back to the kernel */
        madvise(labels.slots, LABEL_SLOTS * sizeof *labels.slots, MADV_DONTNEED);
        madvise(labels.entries, QL__LABELS_MAX * sizeof *labels.entries, MADV_DONTNEED);
        madvise(labels.text, LABEL_BYTES_MAX, MADV_DONTNEED);
    }
    pthread_mutex_unlock(&lock);
}

uint64_t ql__labels_dropped(void)
{
    return atomic_load_explicit(&labels.dropped, memory_order_relaxed);
}

void ql__places_after_fork(void)
{
    pthread_mutex_init(&lock, NULL); /* whoever held it is not in this process */
}
