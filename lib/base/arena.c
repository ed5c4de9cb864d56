/*
 * Bump allocation for the life of one document.
 *
 * Invariants: head is the block that is bumped; blocks behind it are full or hold one large allocation. Every result is
 * 16-byte aligned. used_bytes counts what was handed out, rounded, never more than limit_bytes.
 * Threads: one at a time. Cost: an addition and a compare; a malloc per block.
 * With the address sanitizer each allocation gets a red zone and a reset poisons what was handed out.
 */
#include "base/arena.h"

#include <string.h>

#include "base/alloc.h"
#include <qloader/convert.h>

#if defined(__has_feature) /* clang's way to tell; gcc defines __SANITIZE_ADDRESS__ */
#if __has_feature(address_sanitizer)
#define ARENA_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(ARENA_SANITIZED)
#include <sanitizer/asan_interface.h>
#define ARENA_POISON(ptr, size) __asan_poison_memory_region((ptr), (size))
#define ARENA_UNPOISON(ptr, size) __asan_unpoison_memory_region((ptr), (size))
#define ARENA_RED_ZONE 16
#else
#define ARENA_POISON(ptr, size) ((void)(ptr), (void)(size))
#define ARENA_UNPOISON(ptr, size) ((void)(ptr), (void)(size))
#define ARENA_RED_ZONE 0
#endif

#define ARENA_ALIGN 16
#define BLOCK_BYTES_MIN ((size_t)4 << 10)
#define BLOCK_BYTES_MAX ((size_t)1 << 20)

struct ql__arena_block {
    ql__arena_block *next;
    size_t capacity;
    size_t used;
    size_t padding; /* keeps data aligned */
    unsigned char data[];
};
_Static_assert(sizeof(ql__arena_block) % ARENA_ALIGN == 0, "block data is aligned");

void ql__arena_init(ql__arena *self, size_t limit_bytes)
{
    *self = (ql__arena){.limit_bytes = limit_bytes};
}

static void block_free(ql__arena_block *block)
{
    ARENA_UNPOISON(block->data, block->capacity);
    ql__free(block);
}

static void blocks_free(ql__arena_block *block)
{
    while (block) {
        ql__arena_block *next = block->next;
        block_free(block);
        block = next;
    }
}

void ql__arena_dispose(ql__arena *self)
{
    blocks_free(self->head);
    ql__arena_init(self, self->limit_bytes);
}

void ql__arena_reset(ql__arena *self)
{
    self->used_bytes = 0;
    self->limit_met = false;
    ql__arena_block *head = self->head;
    if (!head) return;
    blocks_free(head->next);
    head->next = NULL;
    head->used = 0;
    ARENA_POISON(head->data, head->capacity);
    if (head->capacity > BLOCK_BYTES_MAX) { /* one giant document must not pin its memory for all that follow */
        block_free(head);
        self->head = NULL;
    }
}

static ql__arena_block *block_new(size_t capacity)
{
    size_t bytes;
    if (!ql__size_add(capacity, sizeof(ql__arena_block), &bytes)) return NULL;
    ql__arena_block *block = ql__alloc(bytes);
    if (!block) return NULL;
    block->next = NULL;
    block->capacity = capacity;
    block->used = 0;
    ARENA_POISON(block->data, capacity);
    return block;
}

/* The block the next `need` bytes come from, or NULL. A large one goes behind head, whose rest stays in use. */
static ql__arena_block *block_for(ql__arena *self, size_t need)
{
    ql__arena_block *head = self->head;
    if (head && need <= head->capacity - head->used) return head;
    size_t grown = head ? head->capacity : BLOCK_BYTES_MIN / 2;
    grown = grown >= BLOCK_BYTES_MAX / 2 ? BLOCK_BYTES_MAX : grown * 2;
    bool own = need > grown / 2;
    ql__arena_block *block = block_new(own ? need : grown);
    if (!block) return NULL;
    if (own && head) {
        block->next = head->next;
        head->next = block;
    } else {
        block->next = head;
        self->head = block;
    }
    return block;
}

void *ql__arena_alloc(ql__arena *self, size_t size)
{
    size_t rounded;
    if (!ql__size_add(size ? size : 1, ARENA_ALIGN - 1, &rounded)) return NULL;
    rounded &= ~(size_t)(ARENA_ALIGN - 1);
    size_t used;
    if (!ql__size_add(self->used_bytes, rounded, &used)) return NULL;
    if (self->limit_bytes && used > self->limit_bytes) {
        self->limit_met = true;
        return NULL;
    }
    size_t need;
    if (!ql__size_add(rounded, ARENA_RED_ZONE, &need)) return NULL;
    ql__arena_block *block = block_for(self, need);
    if (!block) return NULL;
    void *ptr = block->data + block->used;
    block->used += need;
    self->used_bytes = used;
    ARENA_UNPOISON(ptr, size);
    return ptr;
}

void *ql__arena_alloc_zero(ql__arena *self, size_t count, size_t size)
{
    size_t bytes;
    if (!ql__size_mul(count, size, &bytes)) return NULL;
    void *ptr = ql__arena_alloc(self, bytes);
    if (ptr) memset(ptr, 0, bytes);
    return ptr;
}

bool ql__arena_copy(ql__arena *self, ql_str text, ql_str *out)
{
    size_t bytes;
    if (!ql__size_add(text.len, 1, &bytes)) return false;
    char *copy = ql__arena_alloc(self, bytes);
    if (!copy) return false;
    if (text.len) memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *out = (ql_str){copy, text.len};
    return true;
}

void *ql_arena_alloc(ql_arena *arena, size_t size)
{
    return ql__arena_alloc(&arena->arena, size);
}
